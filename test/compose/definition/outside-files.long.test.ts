import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { suite } from '../../helpers/suite.ts'
import { composeIn, startIn, world } from '../capture/capture-world.ts'

/** What a stranger's definition takes of the host is told, and can be bounded (spec/definitions.md#files). */

const outside = suite('definition: files from outside of its folder')

interface Cloned {
  /** As somebody else made it. */
  folder: string
  definition: string
  /** Of the user. */
  key: string
}

function cloned(name: string, text: string): Cloned {
  const folder = join(world().home, name)
  const home = join(world().home, `${name}-home`)
  const key = join(home, 'id_ed25519')
  for (const path of [join(folder, 'data/inner'), home]) mkdirSync(path, { recursive: true })
  writeFileSync(key, 'secret\n')
  writeFileSync(join(folder, 'data/own'), 'own\n')
  symlinkSync(key, join(folder, 'data/inner/link'))
  symlinkSync('..', join(folder, 'data/inner/above'))
  const definition = join(folder, 'x.def')
  const filled = text.replaceAll('KEY', key).replaceAll('HERE', folder)
  writeFileSync(definition, filled)
  return { folder, definition, key }
}

const importing = (name: string, definition: string, ...flags: string[]) =>
  composeIn(world(), ['import', `app/${name}-1`, definition, ...flags])

const told = (err: string): string[] => err.split('\n').filter(line => line.includes('takes from outside'))

outside('is told with its line, each time, also by links that lead there', () => {
  const text =
    'Bootstrap: scratch\n\n%files\n  HERE/data/own /own\n  KEY /key\n  HERE/data/inner/link /linked\n  HERE/x.d?f /me\n\n%appfiles tool\n  KEY\n'
  const { definition, key, folder } = cloned('told', text)
  for (let i = 0; i < 2; i++) {
    const { status, err } = importing(`told${i}`, definition)
    assert.is(status, 0, err)
    assert.equal(told(err), [
      `${definition}, line 5 takes from outside of its folder: ${key}`,
      `${definition}, line 6 takes from outside of its folder: ${folder}/data/inner/link, which leads to ${key}`,
      `${definition}, line 10 takes from outside of its folder: ${key}`
    ])
  }
})

outside('by a link deep in a folder is found', () => {
  const { definition, key, folder } = cloned('deep', 'Bootstrap: scratch\n\n%files\n  HERE/data /data\n')
  bash('rm "$1"', join(folder, 'data/inner/above'))
  const { status, err } = importing('deep', definition)
  assert.is(status, 0, err)
  assert.equal(told(err), [
    `${definition}, line 4 takes from outside of its folder: ${folder}/data/inner/link, which leads to ${key}`
  ])
})

outside('is refused with --files-within, and what is inside is taken', () => {
  const { definition, folder, key } = cloned(
    'bound',
    'Bootstrap: scratch\n\n%files\n  HERE/data/own /own\n  KEY /key\n'
  )
  const refused = importing('bound', definition, '--files-within', folder)
  assert.is(refused.status, 52, refused.err)
  assert.match(refused.err, `line 5: ${key} is outside of ${folder}`)
  const { status, err } = importing('bound', definition, '--files-within', world().home)
  assert.is(status, 0, err)
  assert.equal(told(err), [])
  assert.is(importing('bound', definition, '--files-within', join(folder, 'none')).status, 2)
})

outside('as a base, an SSPEC list or the context of a Dockerfile is bounded as well', () => {
  const { folder, key } = cloned('base', '')
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const tar = join(dirname(key), 'base.tar')
  bash('tar -cf "$1" -C "$2" own', tar, join(folder, 'data'))
  const based = write('based.def', `Bootstrap: localimage\nFrom: ${tar}\n`)
  const { status, err } = importing('based', based)
  assert.is(status, 0, err)
  assert.equal(told(err), [`${based}, line 2 takes from outside of its folder: ${tar}`])
  for (const file of [
    based,
    write('x.sspec', 'Name: x\nExec: /bin/true\n'),
    write('Dockerfile', 'FROM scratch\nCOPY data/own /own\n')
  ]) {
    const refused = importing('bounded', file, '--files-within', join(folder, 'data'))
    assert.is(refused.status, 52, refused.err)
    assert.match(refused.err, /--files-within/)
  }
})

outside(
  'as a base of modules is told and bounded, whatever the file is, and standard input is no base',
  async () => {
    const { folder, key } = cloned('modules', '')
    const home = dirname(key)
    const [tar, lock, sandbox] = ['base.tar', 'base.lock', 'sandbox'].map(name => join(home, name))
    bash('chmod a+rwx "$1"', home)
    bash('tar -cf "$1" -C "$2" own', tar, join(folder, 'data'))
    for (const words of [
      ['lock', tar, '-o', lock],
      ['build', '--sandbox', sandbox, tar]
    ])
      assert.is(composeIn(world(), words).err, '')
    const definition = join(folder, 'modules.def')
    for (const path of [tar, lock, sandbox, `${home}/../${basename(home)}/base.tar`]) {
      writeFileSync(definition, `Bootstrap: compose\nFrom: ${path}\n`)
      const { status, err } = importing(`of-${basename(path)}`, definition, '--replace')
      assert.is(status, 0, err)
      assert.is(told(err).length, 1, err)
      const refused = importing('bounded-modules', definition, '--files-within', folder)
      assert.is(refused.status, 52, refused.err)
      assert.match(refused.err, 'line 2: ')
    }
    for (const agent of ['compose', 'localimage']) {
      writeFileSync(definition, `Bootstrap: ${agent}\nFrom: -\n`)
      const input = openSync(tar, 'r')
      const child = startIn(world(), ['import', 'app/piped-1', definition], [input, 'ignore', 'ignore'])
      assert.is((await once(child, 'close'))[0], 52)
      closeSync(input)
    }
  }
)

needing(outside, 'userns')(
  'of a stranger in the user’s own folder names the key before anything has run',
  () => {
    const { definition, key } = cloned(
      'first',
      'Bootstrap: compose\nFrom: base/host\n\n%files\n  KEY /key\n\n%post\n  echo has run\n'
    )
    const { status, err } = importing('first', definition, '--bind', '/usr')
    assert.is(status, 0, err)
    assert.ok(err.indexOf(`takes from outside of its folder: ${key}`) < err.indexOf('has run'), err)
  }
)

outside.run()
