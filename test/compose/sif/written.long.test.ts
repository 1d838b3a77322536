import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { SIF_ORACLE, sifOracle } from '../../helpers/sif-oracle.ts'
import { suite } from '../../helpers/suite.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'
import { smallBase } from '../runtime-files/small-base.ts'

/** `compose build --format sif` (spec/sif.md), read by the Go library that Apptainer's is a twin of. */

const sif = suite('SIF files that compose writes')

interface World {
  folder: string
  store: string
  plain: string
  image: string
}

let made: World | undefined

function world(): World {
  made ??= makeWorld()
  return made
}

function makeWorld(): World {
  const folder = scratch()
  const [store, plain, image] = ['store', 'app.sqfs', 'app.sif'].map(name => join(folder, name))
  mkdirSync(join(folder, 'app/opt'), { recursive: true })
  writeFileSync(join(folder, 'app/opt/numbers'), Array.from({ length: 300_000 }, (_, i) => i).join('\n'))
  writeFileSync(
    join(folder, 'app.yaml'),
    'runscript: exec app "$@"\nhelp: how to\nlabels: { org.example.who: me }\n'
  )
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/small-1', smallBase()])
  const settings = ['--spec', join(folder, 'app.yaml'), '--set', 'APP_HOME=/opt']
  composed(store, ['import', 'app/app-1', join(folder, 'app'), ...settings])
  for (const out of [plain, image])
    composed(store, ['build', out, 'base/small', 'app/app', '--for', 'everyone'])
  return { folder, store, plain, image }
}

const PARTITION_START = 32_768
const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

sif('hold the plain image byte for byte, on page bounds, and are the same on every build', () => {
  const { folder, store, plain, image } = world()
  const [bytes, wanted] = [readFileSync(image), readFileSync(plain)]
  assert.ok(bytes.subarray(PARTITION_START, PARTITION_START + wanted.length).equals(wanted))
  const again = join(folder, 'again.img')
  const report = composed(store, [
    'build',
    again,
    'base/small',
    'app/app',
    '--for',
    'everyone',
    '--format',
    'sif'
  ])
  assert.ok(readFileSync(again).equals(bytes))
  assert.is(report.format, 'sif')
  assert.is(statSync(image).mode & 0o777, 0o755)
})

needing(sif, ...SIF_ORACLE)('are read by the library of SingularityCE', () => {
  const { store, plain, image } = world()
  const cat = (path: string) => compose(store, ['cat', plain, path]).out
  const { objects, ...header } = JSON.parse(sifOracle('list', image))
  const bytes = statSync(image).size
  assert.equal(header, {
    ...{ version: '01', architecture: 'amd64', id: '00000000-0000-0000-0000-000000000000', isTimed: false },
    ...{ free: 45, dataStart: 32_176, dataBytes: bytes - 32_176 }
  })
  const [system, definition, metadata] = objects
  assert.equal([system.start, system.digest], [PARTITION_START, sha256(readFileSync(plain))])
  assert.is(system.system, 'Squashfs *System amd64')
  assert.is(definition.digest, sha256(Buffer.from(cat('.singularity.d/Singularity'))))
  assert.is(metadata.name, 'inspect-metadata.json')
})

sif('tell what apptainer inspect would find in the started image', () => {
  const { store, plain, image } = world()
  const cat = (path: string) => compose(store, ['cat', plain, path]).out
  const bytes = readFileSync(image)
  const { data, type } = JSON.parse(bytes.toString('utf8', bytes.indexOf('{"data":')))
  assert.is(type, 'container')
  const { environment, labels, runscript, helpfile, deffile } = data.attributes
  assert.equal(environment, {
    '/.singularity.d/env/90-environment.sh': cat('.singularity.d/env/90-environment.sh').trimEnd()
  })
  assert.equal(labels, JSON.parse(cat('.singularity.d/labels.json')))
  assert.is(labels['org.example.who'], 'me')
  assert.equal(
    [runscript, helpfile, deffile],
    ['runscript', 'runscript.help', 'Singularity'].map(name => cat(`.singularity.d/${name}`).trimEnd())
  )
})

sif('are verified by the lock of the plain image, and all that reads images reads them', () => {
  const { folder, store, plain, image } = world()
  const lock = join(folder, 'app.lock')
  composed(store, ['lock', 'base/small', 'app/app', '--for', 'everyone', '--image', plain, '-o', lock])
  for (const file of [plain, image]) {
    const { checked } = composed(store, ['verify', file, '--lock', lock])
    assert.match(checked.join('\n'), 'byte for byte, the image that')
    assert.match(composed(store, ['verify', file]).checked.join('\n'), 'byte for byte, the image of its lock')
  }
  composed(store, ['build', join(folder, 'locked.sif'), lock])
  assert.ok(readFileSync(join(folder, 'locked.sif')).equals(readFileSync(image)))
  assert.equal(composed(store, ['diff', plain, image]).differences ?? [], [])
  assert.is(
    compose(store, ['cat', image, 'opt/numbers']).out,
    readFileSync(join(folder, 'app/opt/numbers'), 'utf8')
  )
  const { modules } = composed(store, ['inspect', image])
  assert.is(modules.length, 2)
  composed(store, ['import', 'app/again-1', image])
  composed(store, ['extract', image, join(folder, 'sandbox')])
  assert.ok(
    readFileSync(join(folder, 'sandbox/opt/numbers')).equals(readFileSync(join(folder, 'app/opt/numbers')))
  )
})

sif('without files about themselves have a partition and empty metadata', () => {
  const { folder, store } = world()
  const bare = join(folder, 'bare.sif')
  composed(store, ['build', bare, 'app/app', '--bare', '--for', 'everyone'])
  const bytes = readFileSync(bare)
  assert.is(bytes.toString('latin1', 45, 47), '00')
  assert.match(bytes.toString('latin1'), /\{"data":\{"attributes":\{\}\},"type":"container"\}\n$/)
})

/** Edits a copy of the image. */
function edited(name: string, edit: (bytes: Buffer) => void): string {
  const { folder, image } = world()
  const path = join(folder, name)
  const bytes = readFileSync(image)
  edit(bytes)
  writeFileSync(path, bytes)
  return path
}

sif('whose texts were edited afterwards are found, though the image is as it was', () => {
  const { store } = world()
  for (const [text, found] of [
    ['"org.example.who":"me"', 'inspect-metadata.json'],
    ['Bootstrap: scratch', 'definition']
  ]) {
    const path = edited('edited.sif', bytes => {
      const at = bytes.lastIndexOf(text) < PARTITION_START ? -1 : bytes.indexOf(text, PARTITION_START)
      bytes[at + text.length - 3] ^= 1
    })
    const { code, message } = composeFails(store, ['verify', path], 31)
    assert.is(code, 'IMAGE_INVALID')
    assert.match(message, `the ${found} in object`)
  }
})

needing(sif, ...SIF_ORACLE)('take further objects of the library, which verify names', () => {
  const { folder, store, image } = world()
  const path = join(folder, 'more.sif')
  copyFileSync(image, path)
  chmodSync(path, 0o644)
  sifOracle('add', path)
  assert.is(JSON.parse(sifOracle('list', path)).objects.length, 4)
  assert.match(composed(store, ['verify', path]).unchecked.join('\n'), 'object 4 beside the image')
})

needing(sif, 'unsquashfs')('are read by unsquashfs at the start of the partition', () => {
  const { folder, image } = world()
  const out = execFileSync('unsquashfs', ['-o', String(PARTITION_START), '-cat', image, 'opt/numbers'], {
    maxBuffer: 1 << 26
  })
  assert.ok(out.equals(readFileSync(join(folder, 'app/opt/numbers'))))
})

sif.run()
