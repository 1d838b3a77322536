import * as assert from 'uvu/assert'
import { pathOwners } from '../../../compose/merge/walk-tree.ts'
import { ownerOf } from '../../../compose/runtime-files/owners.ts'
import { refused } from '../../helpers/refused.ts'
import { specExample } from '../../helpers/spec-example.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, file } from '../../helpers/tar-make.ts'
import { type Random, randomOf } from '../helpers/random-layer.ts'
import { composeStack, type TestModule } from './compose-image.ts'

const NAMES = ['usr', 'bin', 'a', 'a b', 'tab\there', 'back\\slash', 'new\nline', '\xff\xfe', '-', '0', ' ']

function randomTar(random: Random): Buffer {
  const pick = () => NAMES[random(NAMES.length)]
  const paths = new Set(
    Array.from({ length: 30 }, () => Array.from({ length: 1 + random(4) }, pick).join('/'))
  )
  // One path cannot be a file and a directory at once.
  const files = [...paths].filter(path => ![...paths].some(other => other.startsWith(`${path}/`)))
  return archive(...files.map(path => file(`top/${path}.f`, '')))
}

const owners = suite('generated: owners')

owners('name for every path of random stacks the same module as the merge', async () => {
  for (let seed = 0; seed < 8; seed++) {
    const random = randomOf(seed)
    const stack: TestModule[] = ['base/a-1', 'lib/b-1', undefined, 'lib/d-1'].map(name => ({
      name,
      tar: randomTar(random)
    }))
    const { tree, entries } = await composeStack(stack)
    const text = entries.find(({ path }) => path === '.compose/owners')!.content!
    for (const { path, module } of pathOwners(tree)) {
      const { name } = stack[module]
      assert.equal(ownerOf(text, path), { module, ...(name && { name }) }, `seed ${seed}: ${path}`)
    }
  }
})

owners('list only paths whose module differs from that of their directory', async () => {
  const base = archive(file('usr/lib/a', ''), file('usr/lib/b', ''))
  const app = archive(file('opt/app/x', ''), file('opt/app/y', ''), file('usr/lib/c', ''))
  const { entries } = await composeStack([
    { name: 'base/a-1', tar: base },
    { name: 'app/b-2', tar: app }
  ])
  const text = Buffer.from(entries.find(({ path }) => path === '.compose/owners')!.content!).toString()
  assert.match(text, /^0\tbase\/a-1\n1\tapp\/b-2\n\n\/\t0\n\/opt\t1\n\/usr\/lib\/c\t1\n\/\.compose\t-\n/)
})

owners('name no module for paths that every image gets', async () => {
  const { entries } = await composeStack([{ name: 'base/a-1', tar: archive(file('etc/passwd', '')) }])
  const text = entries.find(({ path }) => path === '.compose/owners')!.content!
  for (const path of ['.compose/lock', 'tmp', 'etc/hosts', '.singularity.d/env/90-environment.sh', 'mnt/3'])
    assert.is(ownerOf(text, path), undefined, path)
  assert.equal(ownerOf(text, 'etc/passwd'), { module: 0, name: 'base/a-1' })
})

owners('read the example of spec/image-metadata.md', () => {
  const example = Buffer.from(specExample('image-metadata.md', 'owners'))
  const name = (path: string) => ownerOf(example, path)?.name
  assert.equal(['', 'usr/bin/env', 'opt'].map(name), Array(3).fill('base/debian-12'))
  assert.equal(['opt/tool/bin/tool', 'usr/share/doc/tool/x'].map(name), Array(2).fill('app/tool-2'))
  assert.is(name('usr/share/doc/tool/NEWS'), 'base/debian-12')
  assert.is(ownerOf(example, '.compose/lock'), undefined)
})

owners('refuse a text that is cut off or names a module that is not listed', () => {
  for (const text of [
    '',
    '0\tbase/a-1\n',
    '0\tbase/a-1\n\n',
    '0\tbase/a-1\n\n/\t1\n',
    '0\tbase/a-1\n\n/\tx\n'
  ])
    refused(() => ownerOf(Buffer.from(text), 'usr'), 'IMAGE_INVALID', /owners/)
})

owners.run()
