/** `compose verify`: images that were edited after they were built, with and without a store, and what is signed. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { bySize } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { composed, composeFails } from '../helpers/warm-compose.ts'

const verify = suite('compose verify')
const withTools = needing(verify, 'root', 'unsquashfs', 'mksquashfs')
const withSsh = needing(verify, 'ssh-keygen')

function built() {
  const folder = scratch()
  const at = (name: string) => join(folder, name)
  const store = at('store')
  composed(store, ['init', '--level', '1'])
  mkdirSync(at('tree/bin'), { recursive: true })
  writeFileSync(at('tree/bin/tool'), '#!/bin/sh\necho tool\n', { mode: 0o755 })
  for (const path of ['tree/bin/tool', 'tree/bin', 'tree']) utimesSync(at(path), 1e9, 1e9)
  const more = ['--label', 'maker=us', '--prepend', 'PATH=/bin']
  composed(store, ['import', 'app/tool-1', at('tree'), ...more])
  composed(store, ['build', at('image.sqfs'), 'app/tool'])
  return { at, store, nowhere: at('nowhere') }
}

verify('an image is the one of its lock, also where there is no store', () => {
  const { at, store, nowhere } = built()
  const far = composed(nowhere, ['verify', at('image.sqfs')])
  assert.ok(far.checked.some((line: string) => /generated paths .* are those of its lock/.test(line)))
  assert.ok(far.checked.some((line: string) => /^its tree is the one of its lock: sha256:/.test(line)))
  assert.ok(far.unchecked.some((line: string) => /there is no store/.test(line)))
  const near = composed(store, ['verify', at('image.sqfs')])
  assert.ok(near.checked.some((line: string) => /byte for byte/.test(line)))
  assert.equal(near.unchecked, [])
})

/** Edits of an unpacked image, and the path that the error names; undefined: the tree itself differs. */
const EDITS: [what: string, edit: (root: string) => void, path: string | undefined][] = [
  [
    'a label',
    root => edit(root, '.singularity.d/labels.json', 'maker', 'faker'),
    '/.singularity.d/labels.json'
  ],
  ['the environment', root => edit(root, 'ch/environment', '/bin', '/evil'), '/ch/environment'],
  ['the list of layers', root => edit(root, '.compose/layers', 'baguqeera', 'baguqeerb'), '/.compose/layers'],
  ['the audience in the lock', root => edit(root, '.compose/lock', '"bare"', ' "bare"'), '/.compose/lock'],
  ['a record', root => edit(root, '.compose/modules/app/tool-1.json', 'maker', 'faker'), 'record'],
  [
    'a further script that passes for generated',
    root => {
      writeFileSync(join(root, '.singularity.d/env/99-evil.sh'), 'evil')
    },
    '/.singularity.d/env/99-evil.sh'
  ],
  [
    'a generated file that is gone',
    root => rmSync(join(root, 'etc/profile.d/zz-compose.sh')),
    '/etc/profile.d/zz-compose.sh'
  ],
  ['the mode of a generated file', root => chmodSync(join(root, 'ch/environment'), 0o666), '/ch/environment'],
  ['a file of a module', root => edit(root, 'bin/tool', 'echo', 'evil'), undefined],
  ['the mode of a file of a module', root => chmodSync(join(root, 'bin/tool'), 0o4755), undefined]
]

function edit(root: string, path: string, from: string, to: string): void {
  const text = readFileSync(join(root, path), 'latin1')
  assert.ok(text.includes(from), path)
  chmodSync(join(root, path), 0o644)
  writeFileSync(join(root, path), text.replace(from, to), 'latin1')
  chmodSync(join(root, path), path.startsWith('.compose/') ? 0o444 : path === 'bin/tool' ? 0o755 : 0o644)
  if (path === 'bin/tool') utimesSync(join(root, path), 1e9, 1e9)
}

withTools('an image that was unpacked, edited and packed again is found without a store', () => {
  const { at, store, nowhere } = built()
  for (const [what, change, path] of EDITS) {
    const root = at('root')
    execFileSync('unsquashfs', ['-q', '-n', '-d', root, at('image.sqfs')], { stdio: 'ignore' })
    change(root)
    const image = at('edited.sqfs')
    execFileSync('mksquashfs', [root, image, '-quiet', '-noappend', '-comp', 'zstd', '-no-progress'], {
      stdio: 'ignore'
    })
    rmSync(root, { recursive: true })
    if (path === undefined) {
      const { unchecked } = composed(nowhere, ['verify', image])
      assert.ok(
        unchecked.some((line: string) => /the digests differ/.test(line)),
        what
      )
      assert.is(composeFails(store, ['verify', image], 41).code, 'LOCK_MISMATCH', what)
    } else {
      const { message } = composeFails(nowhere, ['verify', image], 31)
      assert.ok(message.includes(path), `${what}: ${message}`)
    }
  }
})

withSsh('a signed lock with the digest of an image finds every change of the image', () => {
  const { at, store, nowhere } = built()
  execFileSync('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-f', at('key')])
  composed(store, [
    'lock',
    'app/tool',
    '-o',
    at('x.lock'),
    '--image',
    at('image.sqfs'),
    '--sign',
    '--key',
    at('key')
  ])
  const { checked, signatures } = composed(nowhere, ['verify', at('image.sqfs'), '--lock', at('x.lock')])
  assert.match(checked[0], /byte for byte, the image that/)
  assert.match(signatures[0].signers[0].key, /^SHA256:/)
  const image = readFileSync(at('image.sqfs'))
  for (let i = 0; i < bySize(8, 100); i++) {
    const copy = Buffer.from(image)
    copy[Math.floor((copy.length * (i + 0.5)) / bySize(8, 100))] ^= 1
    writeFileSync(at('flipped.sqfs'), copy)
    assert.is(
      composeFails(nowhere, ['verify', at('flipped.sqfs'), '--lock', at('x.lock')], 41).code,
      'LOCK_MISMATCH'
    )
  }
  writeFileSync(at('x.lock'), readFileSync(at('x.lock'), 'utf8').replace('everyone', 'group:0'))
  assert.is(composeFails(nowhere, ['verify', at('x.lock')], 71).code, 'SIGNATURE_INVALID')
})

withSsh('every flipped byte of a signed module’s record, layer, recipe and data is found', () => {
  const { at, store } = built()
  execFileSync('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-f', at('key')])
  composed(store, ['sign', 'app/tool', '--key', at('key')])
  assert.is(composed(store, ['verify', 'app/tool']).signatures[0].signers.length, 1)
  const files = execFileSync('find', [
    join(store, 'blobs'),
    join(store, 'data'),
    '-type',
    'f',
    '!',
    '-name',
    '*.checked'
  ])
  for (const file of files.toString().trim().split('\n')) {
    const right = readFileSync(file)
    chmodSync(file, 0o644)
    for (let i = 0; i < Math.min(right.length, bySize(3, 40)); i++) {
      const copy = Buffer.from(right)
      copy[Math.floor((copy.length * (i + 0.5)) / Math.min(right.length, bySize(3, 40)))] ^= 1
      writeFileSync(file, copy)
      chmodSync(file, 0o444)
      composeFails(store, ['verify', 'app/tool'], 12)
      chmodSync(file, 0o644)
    }
    writeFileSync(file, right)
    chmodSync(file, 0o444)
  }
  composed(store, ['verify', 'app/tool'])
})

verify.run()
