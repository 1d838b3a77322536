import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { SIF_ORACLE, sifOracle } from '../../helpers/sif-oracle.ts'
import { suite } from '../../helpers/suite.ts'
import { composed, composeFails } from '../../helpers/warm-compose.ts'

/** `compose sign X.sif --pem KEY`, checked with the library of SingularityCE and Go's cryptography (oracle.go). */

const signed = suite('signatures of SIF files')
const withSsl = needing(signed, 'openssl')
const withOracle = needing(signed, 'openssl', ...SIF_ORACLE)

interface World {
  folder: string
  store: string
  image: string
}

let made: World | undefined

function world(): World {
  made ??= makeWorld()
  return made
}

const KEYS: Record<string, string[]> = {
  ed25519: ['ED25519'],
  rsa: ['RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  p256: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['EC', '-pkeyopt', 'ec_paramgen_curve:P-384']
}

function makeWorld(): World {
  const folder = scratch()
  const [store, image] = ['store', 'app.sif'].map(name => join(folder, name))
  mkdirSync(join(folder, 'app/opt'), { recursive: true })
  writeFileSync(join(folder, 'app/opt/name'), 'app')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'app/app-1', join(folder, 'app')])
  composed(store, ['build', image, 'app/app', '--for', 'everyone'])
  for (const [name, words] of Object.entries(KEYS)) {
    const key = join(folder, `${name}.pem`)
    execFileSync('openssl', ['genpkey', '-algorithm', ...words, '-out', key], { stdio: 'ignore' })
    execFileSync('openssl', ['pkey', '-in', key, '-pubout', '-out', join(folder, `${name}.pub`)])
  }
  return { folder, store, image }
}

function copied(name: string): string {
  const { folder, image } = world()
  const path = join(folder, name)
  copyFileSync(image, path)
  return path
}

const sign = (path: string, key: string) => {
  const { folder, store } = world()
  return composed(store, ['sign', path, '--pem', join(folder, `${key}.pem`)])
}

const isVerified = (path: string, key: string): boolean => {
  try {
    sifOracle('verify', path, join(world().folder, `${key}.pub`))
    return true
  } catch {
    return false
  }
}

for (const key of Object.keys(KEYS))
  withOracle(`by a key of the type ${key} are right, and by no other key`, () => {
    const path = copied(`${key}.sif`)
    assert.not.ok(isVerified(path, key))
    const before = readFileSync(path)
    const { object, new: isNew } = sign(path, key)
    assert.equal([object, isNew], [4, true])
    assert.ok(isVerified(path, key))
    for (const other of Object.keys(KEYS)) if (other !== key) assert.not.ok(isVerified(path, other), other)
    // The image stays where it is, and nothing but counts and a descriptor changes before it.
    const after = readFileSync(path)
    assert.ok(after.subarray(32_768, before.length).equals(before.subarray(32_768)))
    assert.equal(sign(path, key).new, false)
    assert.is(statSync(path).size, after.length)
  })

withOracle('several stand side by side, and the library adds objects behind them', () => {
  const path = copied('several.sif')
  for (const key of ['rsa', 'p256']) sign(path, key)
  sifOracle('add', path)
  sign(path, 'ed25519')
  const { objects, free } = JSON.parse(sifOracle('list', path))
  assert.equal(
    objects.map(({ id }: { id: number }) => id),
    [1, 2, 3, 4, 5, 6, 7]
  )
  assert.is(free, 41)
  const { unchecked } = composed(world().store, ['verify', path])
  assert.is(unchecked.filter((text: string) => /a signature/.test(text)).length, 3)
})

withOracle('cover every byte of header, descriptors and data that says something', () => {
  const path = copied('flipped.sif')
  sign(path, 'ed25519')
  const bytes = readFileSync(path)
  const descriptor = 4096
  const places = {
    'start line': 5,
    version: 43,
    uuid: 50,
    type: descriptor,
    link: descriptor + 13,
    'time made': descriptor + 41,
    user: descriptor + 57,
    name: descriptor + 73,
    'file system': descriptor + 201,
    architecture: descriptor + 210,
    'the image': 32_768 + 200,
    metadata: bytes.indexOf('"type":"container"') + 10
  }
  for (const [what, at] of Object.entries(places)) {
    const edited = Buffer.from(bytes)
    edited[at] ^= 1
    const other = join(world().folder, 'edited.sif')
    writeFileSync(other, edited)
    assert.not.ok(isVerified(other, 'ed25519'), what)
  }
  assert.ok(isVerified(path, 'ed25519'))
})

withSsl('are only for SIF files, with a key that openssl reads, and for those who may write', () => {
  const { folder, store } = world()
  const plain = join(folder, 'plain.sqfs')
  composed(store, ['build', plain, 'app/app'])
  const refused = composeFails(store, ['sign', plain, '--pem', join(folder, 'rsa.pem')], 31)
  assert.match(refused.message, 'is a plain image')
  writeFileSync(join(folder, 'none.pem'), 'no key')
  const path = copied('unsigned.sif')
  const before = readFileSync(path)
  assert.is(composeFails(store, ['sign', path, '--pem', join(folder, 'none.pem')], 78).code, 'SIGNING_FAILED')
  assert.ok(readFileSync(path).equals(before))
  assert.is(composeFails(store, ['sign', path], 2).code, 'USAGE')
})

withSsl('need a free descriptor', () => {
  const path = copied('full.sif')
  const bytes = readFileSync(path)
  for (let i = 3; i < 48; i++) {
    bytes[4096 + i * 585 + 4] = 1
    bytes.writeUInt32LE(i + 1, 4096 + i * 585 + 5)
  }
  writeFileSync(path, bytes)
  const { folder, store } = world()
  const words = ['sign', path, '--pem', join(folder, 'ed25519.pem')]
  assert.match(composeFails(store, words, 31).message, 'all 48 descriptors are in use')
})

signed.run()
