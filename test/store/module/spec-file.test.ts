import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { IdNames } from '../../../store/accounts/id-names.ts'
import { parseRequirement } from '../../../store/module/requirement.ts'
import { readSpecFile, type SpecFile } from '../../../store/module/spec-file.ts'
import { schemaFile } from '../../../store/module/spec-schema.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { pathFromText } from '../../../store/values/path-bytes.ts'
import { cpuSecondsOf } from '../../helpers/cpu-time.ts'
import { scratch } from '../../helpers/scratch.ts'
import { someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'

const specs = suite('spec file')

const names = new IdNames()
names.set('group', pathFromText('vasp'), 1234)
names.set('user', pathFromText('alice'), 1001)

function write(text: string | Uint8Array): string {
  const file = join(scratch(), 'module.yaml')
  writeFileSync(file, text)
  return file
}

const read = (text: string | Uint8Array) => readSpecFile(write(text), names)

async function refusal(text: string | Uint8Array): Promise<StrataError> {
  const error = await read(text).then(
    () => undefined,
    caught => caught
  )
  assert.instance(error, StrataError, `${error}`)
  return error
}

/** Faults as `line:column: message`. */
async function faultsOf(text: string | Uint8Array): Promise<string[]> {
  const error = await refusal(text)
  assert.is(error.code, 'SPEC_INVALID')
  const list = (error.facts.faults as string[] | undefined) ?? [error.message]
  return list.map(fault => fault.replace(/^.*module\.yaml:/, ''))
}

const FULL = `# VASP, licensed
kind: application
summary: Electronic structure
help: |
  First line
  second line
license: site licence 17
family: vasp
requires: [mpi/openmpi-4.1, "lib/fftw >= 3.3, < 4"]
conflicts:
  - app/cp2k
environment:
  append: { MANPATH: /opt/vasp/man }
  set:
    VASP_HOME: /opt/vasp
    EMPTY: ''
  prepend:
    PATH: [/opt/vasp/bin, /opt/vasp/sbin]
  unset: [VASP_OLD]
access_groups: [vasp, 77, unmapped]
labels: { org.example.contact: hpc@example.org }
redistributable: false
runscript: exec vasp_std
replaces: [/etc/ld.so.cache, "opt/**/x"]
prefix: /opt/vasp/
strip: 1
owner: alice:0
allow_privileged: true
hidden: true
deprecated: { date: 2027-01-31, text: use 7 }
sources: [vasp.tar.xz, /data/fix.tar]
`

specs('is read whole, environment in the order of the file', async () => {
  const file = write(FULL)
  assert.equal(await readSpecFile(file, names), {
    kind: 'application',
    summary: 'Electronic structure',
    help: 'First line\nsecond line\n',
    license: 'site licence 17',
    family: 'vasp',
    requires: [
      { category: 'mpi', name: 'openmpi', version: '4.1', constraints: [] },
      {
        category: 'lib',
        name: 'fftw',
        constraints: [
          { relation: '>=', version: '3.3' },
          { relation: '<', version: '4' }
        ]
      }
    ],
    conflicts: [{ category: 'app', name: 'cp2k', constraints: [] }],
    environment: [
      { operation: 'append', name: 'MANPATH', value: '/opt/vasp/man' },
      { operation: 'set', name: 'VASP_HOME', value: '/opt/vasp' },
      { operation: 'set', name: 'EMPTY', value: '' },
      { operation: 'prepend', name: 'PATH', value: '/opt/vasp/bin:/opt/vasp/sbin' },
      { operation: 'unset', name: 'VASP_OLD' }
    ],
    accessGroups: [{ name: 'vasp', gid: 1234 }, { gid: 77 }, { name: 'unmapped' }],
    labels: { 'org.example.contact': 'hpc@example.org' },
    redistributable: false,
    runscript: 'exec vasp_std',
    replaces: ['etc/ld.so.cache', 'opt/**/x'],
    allowPrivileged: true,
    hidden: true,
    deprecated: { date: '2027-01-31', text: 'use 7' },
    prefix: 'opt/vasp',
    strip: 1,
    owner: { uid: 1001, gid: 0 },
    sources: [join(file, '../vasp.tar.xz'), '/data/fix.tar']
  })
})

specs('may leave everything out', async () => {
  for (const text of ['{}', '---\n{}\n']) {
    assert.equal(await read(text), { labels: {} })
  }
})

const FAULTS: Record<string, string[]> = {
  'kind: lib\nsummary: [x]\ncolour: red\n': [
    '1:7: kind: found "lib", wanted base, library or application',
    '2:10: summary: found a list, wanted one line of text, 1 to 1024 characters',
    '3:1: colour: unknown field, wanted one of kind, summary, help'
  ],
  'summary: 1.10\n': ['1:10: summary: found number 1.1, wanted one line'],
  'summary:\nhelp: x\n': ['1:9: summary: found nothing, wanted one line'],
  'labels:\n  version: 1.10\n  a b: x\n': [
    '2:12: labels.version: found number 1.1, wanted a string of up to 4096 characters (in quotes',
    '3:3: labels.a b: found this name, wanted a key'
  ],
  'environment:\n  set:\n    A-B: x\n    1: y\n    GOOD: [z]\n  sett: {}\n': [
    '3:5: environment.set.A-B: found this name, wanted a variable',
    '4:5: environment.set.1: found this name, wanted a variable',
    '5:11: environment.set.GOOD: found a list, wanted a string',
    '6:3: environment.sett: unknown field, wanted one of set, prepend, append, unset'
  ],
  'environment:\n  prepend:\n    PATH:\n      - /a\n      - 5\n': [
    '5:9: environment.prepend.PATH.1: found number 5'
  ],
  'environment: {prepend: {PATH: ""}}\n': ['1:31: environment.prepend.PATH: found an empty string'],
  'environment: {set: {A: "a\\nb"}}\n': ['1:24: environment.set.A A: the value holds a NUL or a line break'],
  'requires:\n  - mpi/openmpi\n  - openmpi\n  - mpi/openmpi >= x\n': [
    '3:5: requires.1: found "openmpi", wanted a module, such as',
    '4:5: requires.2: found "mpi/openmpi >= x", wanted a module'
  ],
  'requires:\n  - mpi/openmpi-1..2\n': ['2:5: requires.0: module "mpi/openmpi-1..2" has ".." in its version'],
  'deprecated: {date: 2027-02-30, text: x}\n': ['1:13: deprecated "2027-02-30" is not a date'],
  'deprecated: {text: x}\n': ['1:13: deprecated.date: is missing'],
  'summary: "a\\eb"\nprefix: ../x\n': [
    '1:10: summary "a\\033b" holds the character U+001B',
    '2:9: prefix "../x" holds a component ".."'
  ],
  'a: 1\nkind: base\nkind: base\n': ['3:1: kind: again, first in line 2'],
  'environment:\n  set: {A: x, B: y, A: z}\n': ['2:21: A: again, first in line 2'],
  'kind: [base\nsummary: x\n': ['2:1: '],
  'kind: base\n  summary: x\n': ['1:7: Nested mappings', '1:7: '],
  'kind: base\n---\nkind: base\n': ['2:1: found 2 documents, wanted one'],
  'summary: !!binary aGk=\n': ['1:10: Unresolved tag'],
  'summary: *nowhere\n': ['1:1: Unresolved alias'],
  'summary: &a [*a]\n': ['1:13: summary: found a list'],
  '%YAML 1.1\n---\nredistributable: no\n': ['3:18: redistributable: found "no", wanted true or false'],
  '[kind]': ['1:1: found a list, wanted a mapping of module fields'],
  '': ['1:1: found nothing, wanted a mapping of module fields'],
  '<<: {kind: base}\n': ['1:1: <<: unknown field'],
  '__proto__: {kind: base}\n': ['1:1: __proto__: unknown field'],
  'strip: 1.5\nowner: "0"\n': [
    '1:8: strip: found number 1.5, wanted a whole number',
    '2:8: owner: found "0", wanted USER:GROUP'
  ],
  'access_groups: [-1, 1.5, ""]\n': ['1:17: access_groups.0: found number -1', '1:21: ', '1:26: ']
}

for (const [text, expected] of Object.entries(FAULTS)) {
  specs(`is refused with line, column, field, found and wanted: ${JSON.stringify(text)}`, async () => {
    const faults = await faultsOf(text)
    assert.ok(
      expected.every((start, i) => faults[i]?.startsWith(start)),
      `found ${JSON.stringify(faults, null, 1)}`
    )
    assert.is(faults.length, expected.length)
  })
}

specs('names the option that maps an owner without an id', async () => {
  const error = await refusal('kind: base\nowner: bob:0\n')
  assert.is(error.code, 'NAME_UNKNOWN')
  assert.match(error.message, /line 2.*bob/)
  assert.match(error.hint!, /--map-user bob=/)
})

const BOMBS: Record<string, () => string | Uint8Array> = {
  'nested lists': () => '['.repeat(500_000),
  'nested mappings': () => '{a: '.repeat(200_000),
  'nested blocks': () => '- '.repeat(300_000),
  'a million laughs': () =>
    [
      'a0: &a0 [x,x,x,x,x,x,x,x,x]',
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map(i => `a${i}: &a${i} [${`*a${i - 1},`.repeat(9)}]`)
    ].join('\n'),
  'more bytes than a spec may have': () => `help: ${'x'.repeat(1 << 20)}`,
  '100,000 keys': () => Array.from({ length: 100_000 }, (_, i) => `k${i}: 1`).join('\n'),
  'a million commas': () => `[${','.repeat(1_000_000)}]`,
  '4,000 unknown keys': () => Array.from({ length: 4000 }, (_, i) => `k${i}: 1`).join('\n'),
  'a hundred thousand anchors': () => '&a '.repeat(100_000),
  'a hundred thousand documents': () => '---\n'.repeat(100_000),
  'bytes that are not UTF-8': () => Buffer.from('summary: \xff\n', 'latin1')
}

for (const [what, make] of someOf(Object.entries(BOMBS), 2)) {
  specs(`is refused without much work when it is ${what}`, async () => {
    const seconds = await cpuSecondsOf(async () => assert.ok((await faultsOf(make())).length > 0))
    assert.ok(seconds < 15, `${seconds} s`)
  })
}

specs('that is an endless file is refused, one that is missing is an IO error', async () => {
  const endless = await readSpecFile('/dev/zero', names).catch(error => error)
  assert.match(endless.message, /wanted at most 1048576/)
  const missing = await readSpecFile('/nowhere/module.yaml', names).catch(error => error)
  assert.is(missing.code, 'IO')
})

/** The compiler checks that this names each field of the type, and nothing else. */
const FIELDS: Record<keyof Required<SpecFile>, true> = {
  kind: true,
  summary: true,
  help: true,
  license: true,
  family: true,
  requires: true,
  conflicts: true,
  environment: true,
  access_groups: true,
  labels: true,
  redistributable: true,
  runscript: true,
  replaces: true,
  prefix: true,
  strip: true,
  owner: true,
  allow_privileged: true,
  hidden: true,
  deprecated: true,
  sources: true
}

specs('has a schema with exactly the fields of the type, all of them in the test above', () => {
  const schema = JSON.parse(readFileSync(schemaFile(), 'utf8'))
  const fields = Object.keys(FIELDS).sort()
  assert.equal(Object.keys(schema.properties).sort(), fields)
  assert.equal(
    fields.filter(field => !new RegExp(`^${field}:`, 'm').test(FULL)),
    []
  )
})

specs('has a schema that describes every part and its legal values', () => {
  const bare: string[] = []
  const check = (schema: Record<string, unknown>, path: string) => {
    const { $ref, title, description } = schema
    if (typeof description !== 'string' && $ref === undefined) bare.push(`${path}: description`)
    if (typeof title !== 'string' && $ref === undefined) bare.push(`${path}: title`)
    for (const group of ['properties', '$defs'])
      for (const [key, part] of Object.entries(schema[group] ?? {})) check(part, `${path}/${group}/${key}`)
    for (const key of ['items', 'propertyNames', 'additionalProperties'])
      if (typeof schema[key] === 'object') check(schema[key] as Record<string, unknown>, `${path}/${key}`)
  }
  check(JSON.parse(readFileSync(schemaFile(), 'utf8')), '')
  assert.equal(bare, [])
})

specs('has a schema that refuses no requirement which the parser takes', () => {
  const { pattern } = JSON.parse(readFileSync(schemaFile(), 'utf8')).$defs.requirement
  const operators = ['>=', '<=', '>', '<', '=', '!=']
  const texts = [
    'a/b',
    'a/b-1',
    'mpi/openmpi >= 4.1, < 5',
    'mpi/openmpi-4>=4.1,<5',
    'a/b-c-1.2-rc1 != 1.2+x , = 3'
  ]
  texts.push(
    ...operators.map(operator => `lib/gtk+ ${operator} 3`),
    ...operators.map(operator => `lib/x${operator}3`)
  )
  for (const text of texts) {
    assert.ok(parseRequirement(text, 'test'))
    assert.ok(new RegExp(pattern, 'u').test(text), text)
  }
})

specs.run()
