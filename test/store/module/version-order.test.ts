import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { compareVersions, versionKey } from '../../../store/module/version-order.ts'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const order = suite('version order')

order('puts pre-releases before, patches after and trailing zeros beside a release', () => {
  const ascending = [
    '2.4dev1',
    '2.4a1',
    '2.4beta2',
    '2.4rc1',
    '2.4',
    '2.4.0.0',
    '2.4-1',
    '2.4.0.0.1',
    '2.4.1',
    '21'
  ]
  assert.equal([...ascending].reverse().sort(compareVersions), ascending)
})

order('holds 2.4 and 2.4.0 for the same version, yet sorts them one way only', () => {
  assert.is(versionKey('2.4'), versionKey('2.4.0'))
  assert.ok(compareVersions('2.4', '2.4.0') < 0)
  assert.ok(compareVersions('2.4.0', '2.4') > 0)
  assert.is(compareVersions('2.4', '2.4'), 0)
})

order('does not take names of object properties for words', () => {
  assert.is(versionKey('1constructor'), '000000001.*constructor.*zfinal')
})

/** Lmod's own function, run by its own interpreter: a version a line in, `key` a line out, then the sorted keys. */
const LMOD_KEYS = `
  local root = ...
  package.path = root .. '/libexec/?.lua;' .. root .. '/tools/?.lua;' .. package.path
  require('parseVersion')
  local keys = {}
  for line in io.lines() do keys[#keys + 1] = parseVersion(line) end
  for _, key in ipairs(keys) do print(key) end
  table.sort(keys)
  for _, key in ipairs(keys) do print(key) end
`

const lmodRoot = () =>
  existsSync('/usr/share/lmod')
    ? readdirSync('/usr/share/lmod')
        .map(name => `/usr/share/lmod/${name}`)
        .find(root => existsSync(`${root}/libexec/parseVersion.lua`))
    : undefined

const WORDS = [
  'a',
  'b',
  'alpha',
  'beta',
  'rc',
  'pre',
  'preview',
  'dev',
  'p',
  'P',
  'zz',
  'final',
  'cuda',
  'PL',
  'q1a'
]
const SIGNS = ['.', '-', '_', '+', '-p', '.', '.', '']
const NUMBERS = [
  '0',
  '00',
  '1',
  '2',
  '4',
  '10',
  '007',
  '21',
  '2023',
  '20230101',
  '123456789',
  '12345678901234'
]

function randomVersions(count: number): string[] {
  let state = 20240229
  const pick = <T>(list: T[]): T => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return list[(state >>> 8) % list.length]
  }
  const versions: string[] = []
  while (versions.length < count) {
    let version = pick(NUMBERS)
    for (let parts = pick([0, 1, 2, 3, 4, 5]); parts > 0; parts--) {
      version += pick(SIGNS) + pick(pick([NUMBERS, NUMBERS, WORDS]))
    }
    // Lmod itself fails on numbers of 64 bits and more.
    if (!/[0-9]{19}/.test(version)) versions.push(version)
  }
  return versions
}

function lmodKeys(root: string, versions: string[]): { keys: string[]; sorted: string[] } {
  const script = join(scratch(), 'keys.lua')
  writeFileSync(script, LMOD_KEYS)
  const options = { input: versions.join('\n'), encoding: 'utf8', maxBuffer: 1 << 28 } as const
  const lines = execFileSync('lua', [script, root], options).split('\n')
  return { keys: lines.slice(0, versions.length), sorted: lines.slice(versions.length, 2 * versions.length) }
}

const root = lmodRoot()
// The program is a stand-in for the package: where Lmod's files are missing, so is `lmod`.
needing(
  order,
  'lua',
  root === undefined ? 'lmod' : 'lua'
)('agrees with Lmod on keys and order of 20,000 versions', () => {
  const versions = randomVersions(20_000)
  const { keys, sorted } = lmodKeys(root!, versions)
  versions.forEach((version, i) => {
    assert.is(versionKey(version), keys[i], `key of ${version}`)
  })
  assert.equal([...versions].sort(compareVersions).map(versionKey), sorted)
})

order.run()
