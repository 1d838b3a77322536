import { encode } from '@ipld/dag-json'
import { base32 } from 'multiformats/bases/base32'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import * as assert from 'uvu/assert'
import {
  decodeLayerManifest,
  encodeLayerManifest,
  type LayerManifest
} from '../../../store/module/layer-manifest.ts'
import {
  decodeRecord,
  encodeRecord,
  type ModuleRecord,
  originName,
  peekRecord
} from '../../../store/module/record.ts'
import {
  blobCid,
  digestOf,
  formatCid,
  manifestCid,
  parseCid,
  RAW,
  sha256Of
} from '../../../store/values/digest.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { refused } from '../../helpers/refused.ts'
import { suite } from '../../helpers/suite.ts'

const records = suite('module record')

const layerIds = [manifestCid(Buffer.from('one')), manifestCid(Buffer.from('two'))]

const smallest: ModuleRecord = {
  category: 'mpi',
  name: 'openmpi',
  version: '4.1.6',
  kind: 'library',
  layers: [layerIds[0]],
  requires: [],
  conflicts: [],
  environment: [],
  accessGroups: [],
  labels: {},
  redistributable: true,
  replaces: [],
  allowPrivileged: false,
  hidden: false,
  origin: []
}

const full: ModuleRecord = {
  ...smallest,
  layers: layerIds,
  summary: 'Message passing',
  help: 'First line\nzweite Zeile: \u00fc',
  license: 'BSD-3-Clause',
  family: 'mpi',
  requires: [
    {
      category: 'lib',
      name: 'ucx',
      constraints: [
        { relation: '>=', version: '1.12' },
        { relation: '<', version: '2' }
      ]
    }
  ],
  conflicts: [{ category: 'mpi', name: 'mpich', version: '3', constraints: [] }],
  environment: [
    { operation: 'prepend', name: 'PATH', value: '/opt/openmpi/bin' },
    { operation: 'set', name: 'OMPI', value: '' },
    { operation: 'unset', name: 'MPICH' }
  ],
  accessGroups: [{ name: 'DOMAIN\\hpc users' }, { name: 'vasp', gid: 1234 }, { gid: 0 }],
  labels: { 'org.example.site': 'x', a: '' },
  redistributable: false,
  runscript: '#!/bin/sh\nexec mpirun "$@"\n',
  replaces: ['etc/ld.so.cache', 'opt/\xff\xfe/**', '\xef\xbb\xbfbom'],
  allowPrivileged: true,
  hidden: true,
  deprecated: { date: '2027-02-28', text: 'use 5' },
  origin: [{ kind: 'tar', name: 'openmpi.tar.xz', sha256: digestOf(Buffer.from('x')) }, { kind: 'directory' }]
}

records('comes back as it was, smallest and full', () => {
  for (const record of [smallest, full]) assert.equal(decodeRecord(encodeRecord(record), 'test'), record)
})

const SOME = [
  'kind',
  'layers',
  'family',
  'requires',
  'accessGroups',
  'hidden',
  'deprecated',
  'labels'
] as const

records('a part of it equals that of the whole, and is refused for the same faults', () => {
  for (const record of [smallest, full]) {
    const bytes = encodeRecord(record)
    const part = peekRecord(bytes, 'test', SOME)
    const whole = decodeRecord(bytes, 'test')
    for (const field of SOME) assert.equal(part[field], whole[field], field)
  }
  const odd = (field: string, value: unknown) =>
    Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(encodeRecord(full)).toString()), [field]: value }))
  for (const [field, value] of [
    ['strata', 'layer'],
    ['format', 2],
    ['kind', 'else'],
    ['layers', []],
    ['layers', ['baguqeera']],
    ['requires', ['lib/ucx >= ']],
    ['family', 'a b'],
    ['family', '.hidden'],
    ['deprecated', { date: '2026-01-01', text: '\x1b[2J' }],
    ['accessGroups', [{ gid: '7' }]],
    ['accessGroups', [{ name: 'g', more: 1 }]]
  ] as const) {
    const bytes = odd(field, value)
    const byPart = refused(() => peekRecord(bytes, 'test', SOME), 'MANIFEST_INVALID', /^test: /)
    const byWhole = refused(() => decodeRecord(bytes, 'test'), 'MANIFEST_INVALID', /^test: /)
    assert.is(byPart.message, byWhole.message)
  }
})

records('leaves out default values', () => {
  const text = Buffer.from(encodeRecord(smallest)).toString()
  assert.equal(Object.keys(JSON.parse(text)), [
    'category',
    'format',
    'kind',
    'layers',
    'name',
    'strata',
    'version'
  ])
})

records('gives the same bytes in whatever order its fields were set', () => {
  const turned = Object.fromEntries(Object.entries(full).reverse()) as unknown as ModuleRecord
  turned.labels = Object.fromEntries(Object.entries(full.labels).reverse())
  assert.equal(encodeRecord(turned), encodeRecord(full))
})

records('has the id that the multiformats hasher gives its bytes', async () => {
  const bytes = encodeRecord(full)
  const expected = CID.createV1(0x0129, await sha256.digest(bytes)).toString()
  assert.is(formatCid(manifestCid(bytes)), expected)
  assert.is(sha256Of(CID.parse(expected)), digestOf(bytes))
})

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** Field of the full record, what stands there instead (nothing: `undefined`), and what the refusal has to say. */
const SPOILT: [string, Json | undefined, RegExp][] = [
  ['colour', 'red', /field colour: is not known/],
  ['environment.0.when', 1, /field environment\[0\]\.when: is not known/],
  ['__proto__', {}, /field __proto__: is not known/],
  ['strata', 'layer', /field strata: found "layer", wanted "module"/],
  ['format', 2, /field format: found 2, wanted 1/],
  ['version', undefined, /field version: is missing/],
  ['version', 4.1, /field version: found 4\.1, wanted a string/],
  ['version', '../../x', /field name: module mpi\/openmpi-\.\.\/\.\.\/x has "\/"/],
  ['kind', 'lib', /field kind: found "lib", wanted "base" or/],
  ['layers', [], /field layers: is empty/],
  ['layers.0', formatCid(layerIds[0]), /field layers\[0\]: found "bagu.*wanted a link/],
  [
    'layers.1',
    { '/': formatCid(blobCid(digestOf(Buffer.from('x')))) },
    /layers\[1\]: the link .* of codec raw/
  ],
  ['layers.0', { '/': `${formatCid(layerIds[0])}=` }, /layers\[0\]: .*canonical/],
  ['layers.0', { '/': layerIds[0].toString(base36) }, /not in canonical form/],
  [
    'layers.0',
    { '/': 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG' },
    /layers\[0\]: the link .* is CIDv0/
  ],
  ['layers.0', { '/': 'hello' }, /is not DAG-JSON/],
  ['summary', 'a\nb', /field summary: .*wanted one line/],
  ['help', 'a\x1b[2Jb', /field help: .*U\+001B/],
  ['help', 'a\ud800', /field help: .*U\+D800/],
  ['help', null, /field help: found null, wanted a string/],
  ['requires', [{ name: 'x' }], /field requires\[0\]: found a map, wanted a string/],
  ['requires', ['ucx'], /field requires\[0\]: module "ucx" has no category/],
  ['requires', ['lib/ucx>=1.12'], /not in canonical form/],
  ['requires', [], /not in canonical form/],
  ['environment.0.name', 'A=B', /field environment\[0\]: .*not a name of a variable/],
  ['environment.0.value', 'a\0b', /field environment\[0\]: .*NUL/],
  ['environment.2.value', 'x', /field environment\[2\]\.value: is not known/],
  ['accessGroups', [{}], /field accessGroups\[0\]: .*neither name nor id/],
  ['accessGroups', [{ gid: 2 ** 32 - 1 }], /field accessGroups\[0\]\.gid: found 4294967295/],
  ['accessGroups', [{ gid: -1 }], /field accessGroups\[0\]\.gid: found -1/],
  ['labels', { a: 1 }, /field labels\.a: found 1, wanted a string/],
  ['labels', { 'a b': '' }, /field labels: .*not a label key/],
  ['redistributable', 'false', /field redistributable: found "false", wanted true or false/],
  ['redistributable', true, /not in canonical form/],
  ['replaces', ['../etc'], /field replaces\[0\]: holds a component "\.\."/],
  [
    'replaces',
    Array(9).fill(`${'ab/'.repeat(333)}*`),
    /field replaces: has 9000 bytes of patterns .*at most 8192/
  ],
  ['deprecated.date', '2027-02-30', /field deprecated: .*is not a date/],
  ['origin.0.name', 'a/b', /field origin\[0\]\.name: .*not a base name/],
  ['origin.0.sha256', 'abc', /field origin\[0\]\.sha256: .*not a SHA-256/],
  ['origin.0.host', 'login1', /field origin\[0\]\.host: is not known/]
]

function spoilt(path: string, value: Json | undefined): Buffer {
  const record = JSON.parse(Buffer.from(encodeRecord(full)).toString())
  const steps = path.split('.')
  const parent = steps.slice(0, -1).reduce((node, step) => node[step], record)
  Object.defineProperty(parent, steps.at(-1)!, { value, enumerable: true })
  return Buffer.from(canonicalJson(record))
}

/** JSON as DAG-JSON writes it, so that only the spoilt field can be the reason: keys in byte order, no spaces. */
function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const keys = Object.keys(value).sort()
  const fields = keys.filter(key => value[key] !== undefined)
  return `{${fields.map(key => `${JSON.stringify(key)}:${canonicalJson(value[key])}`).join(',')}}`
}

for (const [path, value, message] of SPOILT) {
  const shown = value === undefined ? 'missing' : JSON.stringify(value)
  records(`is refused with its field named: ${path} is ${shown}`, () => {
    try {
      decodeRecord(spoilt(path, value), 'record bagu')
    } catch (error) {
      assert.instance(error, StrataError)
      const { code, message: found } = error as StrataError
      assert.is(code, 'MANIFEST_INVALID')
      assert.match(found, message)
      assert.ok(found.startsWith('record bagu: '))
      return
    }
    assert.unreachable('decoded')
  })
}

records('equals the spoilt ones before they were spoilt', () => {
  assert.equal(decodeRecord(spoilt('name', 'openmpi'), 'test'), full)
})

records('is refused in any form but the canonical one', () => {
  const text = Buffer.from(encodeRecord(full)).toString()
  const others = [
    ` ${text}`,
    `${text}\n`,
    text.replace('"a":""', '"a": ""'),
    text.replace('Message', '\\u004dessage')
  ]
  others.push(
    text.replace('"format":1', '"format":1.0'),
    text.replace('{"accessGroups"', '{"zzz":1,"accessGroups"')
  )
  for (const other of others) {
    assert.is.not(other, text)
    assert.throws(
      () => decodeRecord(Buffer.from(other), 'test'),
      (e: unknown) => e instanceof StrataError
    )
  }
  assert.ok(decodeRecord(Buffer.from(text), 'test'))
})

records('that is not JSON, too deep, cut, empty or huge is refused without a crash', () => {
  const bytes = Buffer.from(encodeRecord(full))
  const bad = [Buffer.alloc(0), Buffer.from('[]'), Buffer.from('null'), Buffer.from('"x"'), Buffer.from('{}')]
  bad.push(Buffer.from('{"a":'.repeat(200_000)), Buffer.from('['.repeat(200_000)), Buffer.alloc(9 << 20, ' '))
  bad.push(Buffer.from('{"strata":"module","format":12345678901234567890}'), bytes.subarray(0, -1))
  bad.push(
    Buffer.concat([bytes, bytes]),
    Buffer.from(bytes.toString().replace('Zeile', 'Z\xffile'), 'latin1')
  )
  for (const each of bad) {
    assert.throws(
      () => decodeRecord(each, 'test'),
      (e: unknown) => e instanceof StrataError && e.code === 'MANIFEST_INVALID'
    )
  }
})

records('cannot be written with a value that could not be read', () => {
  assert.throws(
    () => encodeRecord({ ...smallest, layers: [] }),
    /new module manifest: field layers: is empty/
  )
  assert.throws(
    () => encodeRecord({ ...smallest, layers: [blobCid(digestOf(Buffer.from('x')))] }),
    /codec raw/
  )
})

records('keeps of an origin its base name only, escaped where it is not text', () => {
  assert.is(originName('/home/alice/openmpi.tar'), 'openmpi.tar')
  assert.is(originName('a\nb.tar'), 'a\\012b.tar')
  assert.is(originName('-'), undefined)
  assert.is(originName('.'), undefined)
  const name = originName('x/\x1b[31m\u202e')!
  assert.ok(decodeRecord(encodeRecord({ ...smallest, origin: [{ kind: 'tar', name }] }), 'test'))
})

records.run()

const layers = suite('layer manifest')

const layer: LayerManifest = { tar: blobCid(digestOf(Buffer.from('tar'))), entries: 3, bytes: 2 ** 40 }
const placed: LayerManifest = {
  ...layer,
  sidecar: manifestCid(Buffer.from('sidecar')),
  prefix: 'opt/v\xe4sp',
  strip: 1,
  owner: { uid: 0, gid: 4294967294 }
}

layers('comes back as it was', () => {
  for (const each of [layer, placed])
    assert.equal(decodeLayerManifest(encodeLayerManifest(each), 'test'), each)
})

layers('does not tell a default from its absence', () => {
  assert.equal(encodeLayerManifest({ ...layer, prefix: '', strip: 0 }), encodeLayerManifest(layer))
})

layers('is refused with wrong links, counts and paths', () => {
  const bad: [Partial<Record<keyof LayerManifest, unknown>>, RegExp][] = [
    [{ tar: manifestCid(Buffer.from('x')) }, /field tar: the link .* is of codec dag-json/],
    [{ sidecar: layer.tar }, /field sidecar: the link .* is of codec raw/],
    [{ entries: -1 }, /field entries/],
    [{ bytes: 1.5 }, /field bytes/],
    [{ prefix: '/opt' }, /field prefix/],
    [{ prefix: 'opt/../..' }, /field prefix/],
    [{ strip: 1025 }, /field strip/],
    [{ owner: { uid: 0, gid: 2 ** 32 } }, /field owner\.gid/],
    [{ owner: { uid: 0, gid: 0, name: 'root' } }, /field owner\.name: is not known/]
  ]
  for (const [change, message] of bad) {
    const bytes = encode({ strata: 'layer', format: 1, ...layer, ...change })
    assert.throws(() => decodeLayerManifest(bytes, 'test'), message)
  }
})

layers.run()

const ids = suite('ids')

ids('have one text: other bases, padding, case, versions, codecs and hashes are refused', () => {
  const cid = blobCid(digestOf(Buffer.from('x')))
  const good = formatCid(cid)
  assert.ok(parseCid(good, RAW, 'here').equals(cid))
  // The code of SHA-256 in two bytes instead of one.
  const longer = Buffer.concat([Buffer.from([1, 0x55, 0x92, 0x00]), cid.bytes.subarray(3)])
  const bad = [
    `${good}=`,
    good.toUpperCase(),
    ` ${good}`,
    `${good}\n`,
    good.slice(0, -1),
    '',
    'b',
    'Qm',
    '\x1b[2J'
  ]
  bad.push(formatCid(manifestCid(Buffer.from('x'))), `b${Buffer.from('x')}`, base32.encode(longer))
  bad.push('bafkqaaa') // identity hash
  for (const text of bad) {
    assert.throws(
      () => parseCid(text, RAW, 'here', 'USAGE'),
      (e: unknown) =>
        e instanceof StrataError &&
        e.code === 'USAGE' &&
        /^here: /.test(e.message) &&
        !/\x1b/.test(e.message),
      text
    )
  }
})

ids.run()
