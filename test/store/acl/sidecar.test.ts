import { readFileSync } from 'node:fs'
import * as dagJson from '@ipld/dag-json'
import { Ajv } from 'ajv'
import * as assert from 'uvu/assert'
import { type Acl, aclOf, minimalAcl } from '../../../store/acl/acl.ts'
import type { Sidecar, SidecarEntry } from '../../../store/acl/sidecar.ts'
import { decodeSidecar } from '../../../store/acl/sidecar-decode.ts'
import { encodeSidecar } from '../../../store/acl/sidecar-encode.ts'
import { refused } from '../../helpers/refused.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'

const sidecar = suite('sidecar')

// Tests run compiled, one folder below the root.
const specFile = (name: string): string =>
  readFileSync(new URL(`../../../../spec/${name}`, import.meta.url), 'utf8')
const EXAMPLE = /```json\n(.*)\n```/.exec(specFile('sidecar.md'))![1]
const validate = new Ajv().compile(JSON.parse(specFile('sidecar.schema.json')))

const withUser = (id: number): Acl =>
  aclOf([...minimalAcl(0o640).entries, { tag: 'user', id, perm: 6 }, { tag: 'mask', perm: 4 }])
const attributes = (...pairs: [string, string][]) =>
  new Map(pairs.map(([name, value]) => [name, Buffer.from(value, 'latin1')]))
const of = (entries: SidecarEntry[], users: [number, string][] = []): Sidecar => ({
  entries,
  users: new Map(users),
  groups: new Map()
})
const text = (value: Sidecar): string => Buffer.from(encodeSidecar(value)).toString()

sidecar("decodes the spec's example", () => {
  const { entries, users, groups } = decodeSidecar(Buffer.from(EXAMPLE))
  assert.equal(
    entries.map(entry => entry.path),
    ['opt/vasp', 'opt/vasp/bin/vasp_std', 'usr/bin/ping', 'usr/share/caf\xe9']
  )
  const [vasp, program, ping, cafe] = entries
  assert.is(vasp.acl, program.acl)
  assert.equal(
    vasp.acl,
    aclOf([...minimalAcl(0o700).entries, { tag: 'user', id: 1000, perm: 5 }, { tag: 'mask', perm: 5 }])
  )
  assert.equal(vasp.defaultAcl, minimalAcl(0o750))
  assert.is(
    Buffer.from(ping.attributes!.get('security.capability')!).toString('hex'),
    `01000002002${'0'.repeat(29)}`
  )
  assert.is(Buffer.from(cafe.attributes!.get('user.origin')!).toString(), 'cluster')
  assert.equal([...users], [[1000, 'alice']])
  assert.equal([...groups], [])
})

sidecar('writes the DAG-JSON of the reference implementation, as the schema demands', () => {
  const bytes = encodeSidecar({
    entries: [
      { path: '', defaultAcl: minimalAcl(0o755) },
      { path: 'quote"\\\n\x01\x7f', acl: withUser(1) },
      { path: '\xef\xbb\xbfmark', acl: withUser(1) },
      { path: '\xed\xa0\x80 lone surrogate', acl: withUser(2) },
      {
        path: '\xe2\x80\xa8\xf0\x9f\x90\x8b',
        acl: withUser(2),
        attributes: attributes(['user.\xff', '\0\xff'], ['user.a', ''])
      }
    ],
    users: new Map([
      [9, 'a'],
      [10, 'b'],
      [1, '\xe9'],
      [100, 'c']
    ]),
    groups: new Map([[0, 'wheel']])
  })
  assert.is(Buffer.from(dagJson.encode(dagJson.decode(bytes))).toString(), Buffer.from(bytes).toString())
  const document: object = JSON.parse(Buffer.from(bytes).toString())
  const withMore = { ...document, extra: 1 }
  assert.ok(validate(document), JSON.stringify(validate.errors))
  assert.not(validate(withMore))
})

sidecar('brings back every byte of paths, names and values', () => {
  const everyByte = Array.from({ length: 255 }, (_, i) => String.fromCharCode(i + 1)).filter(c => c !== '/')
  const paths = [
    '',
    '\xef\xbb\xbf',
    '\xef\xbb\xbfx',
    '\xff',
    'a/\xc3\xa9',
    ...everyByte.filter(c => c !== '.').map(c => `x${c}`)
  ]
  const value = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))
  const set = attributes([`user.${everyByte.join('').slice(0, 200)}`, value], ['trusted.\xef\xbb\xbf', ''])
  const entries = [...new Set(paths)]
    .sort()
    .map(path => ({ path, attributes: set, acl: withUser(4294967294) }))
  const decoded = decodeSidecar(
    encodeSidecar(
      of(entries, [
        [1, '\xef\xbb\xbf\xff'],
        [2, '\xef\xbb\xbfx']
      ])
    )
  )
  assert.equal(
    decoded.entries.map(entry => entry.path),
    entries.map(entry => entry.path)
  )
  const hex = (map: Map<string, Uint8Array>) =>
    [...map].map(([name, bytes]) => [name, Buffer.from(bytes).toString('hex')]).sort()
  for (const entry of decoded.entries) assert.equal(hex(entry.attributes!), hex(set))
  assert.equal(decoded.entries[0].acl, withUser(4294967294))
  assert.equal(
    [...decoded.users],
    [
      [1, '\xef\xbb\xbf\xff'],
      [2, '\xef\xbb\xbfx']
    ]
  )
})

sidecar('gives the same bytes in whatever order things come, and whether or not objects are shared', () => {
  const shared = withUser(5)
  const one: Sidecar = of(
    [
      { path: 'b', acl: shared, attributes: attributes(['user.a', '1'], ['user.b', '2']) },
      { path: 'a', defaultAcl: shared },
      { path: 'a\xff', acl: withUser(6) }
    ],
    [
      [2, 'two'],
      [1, 'one']
    ]
  )
  const other: Sidecar = of(
    [
      { path: 'a\xff', acl: withUser(6) },
      { path: 'a', defaultAcl: withUser(5) },
      { path: 'b', acl: withUser(5), attributes: attributes(['user.b', '2'], ['user.a', '1']) }
    ],
    [
      [1, 'one'],
      [2, 'two']
    ]
  )
  assert.is(text(one), text(other))
  assert.is(JSON.parse(text(one)).acls.length, 2)
})

for (const [title, entries, code, message] of [
  ['no entries', [], 'MANIFEST_INVALID', /entries: empty/],
  [
    'a path twice',
    [
      { path: 'a', acl: withUser(1) },
      { path: 'a', acl: withUser(1) }
    ],
    'MANIFEST_INVALID',
    /two entries for a/
  ],
  ['an entry that says nothing', [{ path: 'a' }], 'MANIFEST_INVALID', /entry a: says nothing/],
  ['an empty attribute set', [{ path: 'a', attributes: new Map() }], 'MANIFEST_INVALID', /an empty set/],
  [
    'an access ACL that the mode says',
    [{ path: 'a', acl: minimalAcl(0o644) }],
    'MANIFEST_INVALID',
    /no more than the mode/
  ],
  ['an absolute path', [{ path: '/a', acl: withUser(1) }], 'MANIFEST_INVALID', /not canonical/],
  ['a path with ..', [{ path: 'a/..', acl: withUser(1) }], 'MANIFEST_INVALID', /not canonical/],
  ['a path with NUL', [{ path: 'a\0', acl: withUser(1) }], 'MANIFEST_INVALID', /not canonical/],
  [
    'an invalid ACL',
    [{ path: 'a', acl: { entries: [{ tag: 'mask', perm: 1 }] } }],
    'ACL_INVALID',
    /sidecar, member a: /
  ],
  [
    'an ACL attribute',
    [{ path: 'a', attributes: attributes(['system.posix_acl_access', '']) }],
    'ATTRIBUTE_INVALID',
    /user\./
  ],
  [
    'a value too long',
    [{ path: 'a', attributes: attributes(['user.a', 'x'.repeat(65537)]) }],
    'ATTRIBUTE_INVALID',
    /65537 bytes/
  ],
  [
    'a name too long',
    [{ path: 'a', attributes: attributes([`user.${'x'.repeat(251)}`, '']) }],
    'ATTRIBUTE_INVALID',
    /256 bytes/
  ]
] as [string, SidecarEntry[], 'MANIFEST_INVALID', RegExp][])
  sidecar(`does not write ${title}`, () => {
    refused(() => encodeSidecar(of(entries)), code, message)
  })

/** The example with one thing changed. */
const changed = (from: string | RegExp, to: string): string => {
  const after = EXAMPLE.replace(from, to)
  assert.is.not(after, EXAMPLE, `${from} does not occur in the example`)
  return after
}

for (const [title, document, message] of [
  ['what is no JSON', () => '{', /sidecar: is not DAG-JSON/],
  ['what is no map', () => '[]', /sidecar: found a list, wanted a map/],
  ['white space', () => ` ${EXAMPLE}`, /not DAG-JSON|canonical/],
  ['a line end after the document', () => `${EXAMPLE}\n`, /not DAG-JSON|canonical form from byte/],
  ['another version', () => changed('"version":1', '"version":2'), /version: found 2, this program reads 1/],
  ['a version as a string', () => changed('"version":1', '"version":"1"'), /version: found "1"/],
  ['an unknown field', () => changed('"version":1', '"version":1,"x":0'), /field x: is not known/],
  ['a missing field', () => changed('"groups":{},', ''), /field groups: is missing/],
  [
    'an unknown field of an entry',
    () => changed('{"acl":0,"path"', '{"acl":0,"mode":0,"path"'),
    /entries\[1\]\.mode: is not known/
  ],
  ['a prototype', () => changed('"version":1', '"version":1,"__proto__":{}'), /is not known|canonical/],
  ['a field twice', () => changed('"version":1', '"version":1,"version":1'), /canonical form from byte/],
  [
    'fields in another order',
    () => changed('{"acl":0,"path":"opt/vasp/bin/vasp_std"}', '{"path":"opt/vasp/bin/vasp_std","acl":0}'),
    /canonical form from byte/
  ],
  ['another escape of a character', () => changed('"opt/vasp"', '"opt\\/vasp"'), /canonical form from byte/],
  [
    'an entry without path',
    () => changed(',"path":"opt/vasp/bin/vasp_std"', ''),
    /entries\[1\]\.path: is missing/
  ],
  [
    'unsorted entries',
    () => changed('"opt/vasp"', '"zzz"'),
    /entries\[1\]\.path: opt\/vasp\/bin\/vasp_std stands after zzz/
  ],
  [
    'a path twice',
    () => changed('"opt/vasp/bin/vasp_std"', '"opt/vasp"'),
    /entries\[1\]\.path: opt\/vasp stands twice/
  ],
  ['a path that leaves the root', () => changed('"opt/vasp"', '"opt/../vasp"'), /not canonical/],
  [
    'a path as bytes that is UTF-8',
    () => changed('"opt/vasp"', '{"/":{"bytes":"b3B0L3Zhc3A"}}'),
    /canonical form from byte/
  ],
  ['padded base64', () => changed('Y2x1c3Rlcg', 'Y2x1c3Rlcg=='), /canonical|not DAG-JSON/],
  ['stray bits in base64', () => changed('Y2x1c3Rlcg', 'Y2x1c3Rlch'), /canonical|not DAG-JSON/],
  [
    'an index out of range',
    () => changed('"attributes":1', '"attributes":2'),
    /entries\[3\]\.attributes: found 2, wanted a whole number from 0 to 1/
  ],
  [
    'a negative index',
    () => changed('"attributes":1', '"attributes":-1'),
    /entries\[3\]\.attributes: found -1/
  ],
  [
    'an index that is null',
    () => changed('"attributes":1', '"attributes":null'),
    /entries\[3\]\.attributes: found null/
  ],
  [
    'an index beyond 2^53',
    () => changed('"attributes":1', '"attributes":99999999999999999999'),
    /found 100000000000000000000, wanted a whole number/
  ],
  [
    'an index written as a fraction',
    () => changed('"attributes":1', '"attributes":1.0'),
    /canonical form from byte|not DAG-JSON/
  ],
  [
    'rows in another order than they are used',
    () => changed('{"acl":0,"defaultAcl":1', '{"acl":1,"defaultAcl":0'),
    /no more than the mode/
  ],
  ['a row that is not used', () => changed('"attributes":1', '"attributes":0'), /canonical form from byte/],
  [
    'an ACL in short form',
    () => changed('user::rwx,group::r-x', 'u::rwx,g::r-x'),
    /canonical form from byte/
  ],
  [
    'an ACL with names',
    () => changed('user:1000:', 'user:alice:'),
    /acls\[0\]: .*the id of user alice is not known/
  ],
  ['an ACL without mask', () => changed(',mask::r-x', ''), /acls\[0\]: .*no mask entry/],
  [
    'an ACL with default entries',
    () => changed('user::rwx,group::r-x,other::---"', 'd:u::7,d:g::5,d:o::0"'),
    /acls\[1\]: an entry begins with "default:"/
  ],
  [
    'an ACL that is no string',
    () => changed(/"user::rwx,g[^"]*"/, '[1]'),
    /acls\[1\]: found a list, wanted a string/
  ],
  [
    'an attribute of another namespace',
    () => changed('user.origin', 'system.origin'),
    /sidecar: .*attribute system\.origin/
  ],
  [
    'a value that is a string',
    () => changed('{"/":{"bytes":"Y2x1c3Rlcg"}}', '"cluster"'),
    /attributes\[1\]\[0\]\.value: found "cluster", wanted bytes/
  ],
  [
    'an attribute twice',
    () => changed(/\{"name":"user.origin".*?\}\}\}/, '$&,$&'),
    /attributes\[1\]\[1\]: a second value for user.origin/
  ],
  ['an id with a leading zero', () => changed('"1000":', '"01000":'), /canonical form from byte/],
  [
    'an id that is no number',
    () => changed('"1000":', '"alice":'),
    /users\.alice: the name of this field is not an id/
  ],
  [
    'a name that is a number',
    () => changed('"alice"', '7'),
    /users\.1000: found 7, wanted a string or bytes/
  ],
  ['users as a list', () => changed('{"1000":"alice"}', '[]'), /users: found a list, wanted a map/],
  [
    'a document nested ten thousand deep',
    () => '['.repeat(10_000) + ']'.repeat(10_000),
    /sidecar: is not DAG-JSON/
  ]
] as [string, () => string, RegExp][])
  sidecar(`refuses ${title}`, () => {
    refused(() => decodeSidecar(Buffer.from(document())), 'MANIFEST_INVALID', message)
  })

const ENTRIES = bySize(100_000, 1_000_000)

sidecar(`writes ${ENTRIES} entries that share a set in 700 bytes of memory each`, () => {
  const shared = attributes(['user.x', '1'])
  const entries = Array.from({ length: ENTRIES }, (_, i) => ({
    path: `opt/some/dir/file${i}`,
    attributes: shared
  }))
  const before = process.memoryUsage().rss
  const bytes = encodeSidecar(of(entries))
  const grownBytes = process.memoryUsage().rss - before
  assert.ok(grownBytes < 700 * ENTRIES + 100e6, `${grownBytes} bytes`)
  assert.is(JSON.parse(Buffer.from(bytes).toString()).entries.length, ENTRIES)
})

sidecar.run()
