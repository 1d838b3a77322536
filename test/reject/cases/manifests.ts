import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { create as createMultihash } from 'multiformats/hashes/digest'
import { decodeSidecar } from '../../../store/acl/sidecar-decode.ts'
import { decodeLayerManifest } from '../../../store/module/layer-manifest.ts'
import { decodeRecord } from '../../../store/module/record.ts'
import {
  blobCid,
  DAG_JSON,
  digestOf,
  formatCid,
  manifestCid,
  parseCid
} from '../../../store/values/digest.ts'
import type { Area } from '../case.ts'
import { type TextRow, textCases } from '../text-case.ts'

const HASH = Buffer.alloc(32, 7)
const MANIFEST = formatCid(manifestCid(Buffer.from('x')))
const BLOB = formatCid(blobCid(digestOf(Buffer.from('x'))))
const of = (codec: number, code: number, digest: Buffer): string =>
  formatCid(CID.createV1(codec, createMultihash(code, digest)))

export const contentIds: Area = {
  area: 'ids of content',
  cases: textCases(
    [
      ['nothing', '', 'MANIFEST_INVALID'],
      ['hexadecimal digits', digestOf(Buffer.from('x')), 'MANIFEST_INVALID'],
      ['a path', '../../etc/passwd', 'MANIFEST_INVALID'],
      ['a CID that is not base32', MANIFEST.replace(/.$/, '!'), 'MANIFEST_INVALID'],
      ['a CID cut off', MANIFEST.slice(0, -1), 'MANIFEST_INVALID'],
      ['a CID that goes on', `${MANIFEST}aa`, 'MANIFEST_INVALID'],
      ['a CID in capitals', MANIFEST.toUpperCase(), 'MANIFEST_INVALID'],
      ['a CID with padding', `${MANIFEST}=`, 'MANIFEST_INVALID'],
      ['a CID with a line end', `${MANIFEST}\n`, 'MANIFEST_INVALID'],
      ['a CID behind a blank', ` ${MANIFEST}`, 'MANIFEST_INVALID'],
      ['a CID in base58', base58btc.encode(CID.parse(MANIFEST).bytes), 'MANIFEST_INVALID'],
      ['a CID of version 0', CID.createV0(createMultihash(0x12, HASH)).toString(), 'MANIFEST_INVALID'],
      ['a CID of a blob', BLOB, 'MANIFEST_INVALID'],
      ['a CID of codec dag-cbor', of(0x71, 0x12, HASH), 'MANIFEST_INVALID'],
      ['a CID of SHA-1', of(DAG_JSON, 0x11, HASH.subarray(12)), 'MANIFEST_INVALID'],
      ['a CID of SHA-512', of(DAG_JSON, 0x13, Buffer.alloc(64)), 'MANIFEST_INVALID'],
      ['a CID that is its own content', of(DAG_JSON, 0, Buffer.from('{}')), 'MANIFEST_INVALID'],
      ['a CID of a short hash', of(DAG_JSON, 0x12, HASH.subarray(1)), 'MANIFEST_INVALID'],
      ['an escape', '\x1b[2J', 'MANIFEST_INVALID'],
      ['a megabyte', 'b'.repeat(1 << 20), 'MANIFEST_INVALID']
    ],
    text => parseCid(text, DAG_JSON, 'hostile')
  )
}

const bytes = (text: string): Uint8Array => Buffer.from(text)
const link = (id: string): string => `{"/":"${id}"}`
/** Keys in byte order, as they must be. */
const layer = (fields: Record<string, string> = {}): string => {
  const all: Record<string, string> = {
    bytes: '0',
    entries: '0',
    format: '1',
    strata: '"layer"',
    tar: link(BLOB),
    ...fields
  }
  const rows = Object.keys(all)
    .sort()
    .filter(key => all[key] !== '')
    .map(key => `"${key}":${all[key]}`)
  return `{${rows.join(',')}}`
}

export const layerManifests: Area = {
  area: 'layer manifests',
  cases: textCases(
    [
      ['no JSON', 'layer', 'MANIFEST_INVALID'],
      ['nothing', '', 'MANIFEST_INVALID'],
      ['nothing but a number', '1', 'MANIFEST_INVALID'],
      ['a list', '[]', 'MANIFEST_INVALID'],
      ['100,000 nested lists', '['.repeat(100_000), 'MANIFEST_INVALID'],
      ['100,000 nested maps', '{"a":'.repeat(100_000), 'MANIFEST_INVALID'],
      ['9 MiB', `${' '.repeat(9 << 20)}${layer()}`, 'MANIFEST_INVALID'],
      ['an unknown field', layer({ evil: '1' }), 'MANIFEST_INVALID'],
      ['a field of the prototype', layer({ __proto__: '1', constructor: '1' }), 'MANIFEST_INVALID'],
      ['another kind of manifest', layer({ strata: '"module"' }), 'MANIFEST_INVALID'],
      ['a later format', layer({ format: '2' }), 'MANIFEST_INVALID'],
      ['no tarball', layer({ tar: '' }), 'MANIFEST_INVALID'],
      ['a tarball of the wrong codec', layer({ tar: link(MANIFEST) }), 'MANIFEST_INVALID'],
      ['a tarball that is a text', layer({ tar: `"${BLOB}"` }), 'MANIFEST_INVALID'],
      ['a tarball that is a path', layer({ tar: '"/etc/passwd"' }), 'MANIFEST_INVALID'],
      ['a sidecar of the wrong codec', layer({ sidecar: link(BLOB) }), 'MANIFEST_INVALID'],
      ['a parent of the wrong codec', layer({ parent: link(BLOB) }), 'MANIFEST_INVALID'],
      ['a negative count', layer({ entries: '-1' }), 'MANIFEST_INVALID'],
      ['a count of 2^63', layer({ entries: '9223372036854775808' }), 'MANIFEST_INVALID'],
      ['a count with a fraction', layer({ entries: '0.5' }), 'MANIFEST_INVALID'],
      ['a count with an exponent', layer({ entries: '1e3' }), 'MANIFEST_INVALID'],
      ['a prefix outside', layer({ prefix: '"../outside"' }), 'MANIFEST_INVALID'],
      ['an absolute prefix', layer({ prefix: '"/outside"' }), 'MANIFEST_INVALID'],
      ['a prefix with a NUL', layer({ prefix: '"a\\u0000b"' }), 'MANIFEST_INVALID'],
      ['a prefix of dots', layer({ prefix: '"a/./b"' }), 'MANIFEST_INVALID'],
      ['an empty prefix', layer({ prefix: '""' }), 'MANIFEST_INVALID'],
      ['a prefix with an escape', layer({ prefix: '"\\u001b[2J/.."' }), 'MANIFEST_INVALID'],
      ['a negative strip', layer({ strip: '-1' }), 'MANIFEST_INVALID'],
      ['a strip of 10^9', layer({ strip: '1000000000' }), 'MANIFEST_INVALID'],
      ['an owner of 2^32 - 1', layer({ owner: '{"gid":0,"uid":4294967295}' }), 'MANIFEST_INVALID'],
      ['half an owner', layer({ owner: '{"uid":0}' }), 'MANIFEST_INVALID'],
      ['a default that is said', layer({ captured: 'false' }), 'MANIFEST_INVALID'],
      ['a field twice', layer().replace('"entries":0', '"entries":0,"entries":5'), 'MANIFEST_INVALID'],
      ['blanks', layer().replace(',', ', '), 'MANIFEST_INVALID'],
      [
        'keys in another order',
        `{"strata":"layer",${layer().slice(1).replace('"strata":"layer",', '')}`,
        'MANIFEST_INVALID'
      ],
      ['bytes behind it', `${layer()}{}`, 'MANIFEST_INVALID'],
      ['a NUL behind it', `${layer()}\0`, 'MANIFEST_INVALID'],
      ['bytes that are no base64', layer({ prefix: '{"/":{"bytes":"*"}}' }), 'MANIFEST_INVALID'],
      ['a link that is more than a link', layer({ tar: `{"/":"${BLOB}","x":1}` }), 'MANIFEST_INVALID'],
      ['no UTF-8', Buffer.from(layer({ prefix: '"\xff"' }), 'latin1').toString('latin1'), 'confined']
    ] satisfies TextRow[],
    text => decodeLayerManifest(bytes(text), 'hostile')
  )
}

const record = (fields: Record<string, string> = {}): string => {
  const all: Record<string, string> = {
    category: '"app"',
    format: '1',
    kind: '"application"',
    layers: `[${link(MANIFEST)}]`,
    name: '"x"',
    strata: '"module"',
    version: '"1"',
    ...fields
  }
  return `{${Object.keys(all)
    .sort()
    .map(key => `"${key}":${all[key]}`)
    .join(',')}}`
}

export const records: Area = {
  area: 'module records',
  cases: textCases(
    [
      ['a name that leads out', record({ name: '"../../etc"' }), 'MANIFEST_INVALID'],
      ['a category that leads out', record({ category: '".."' }), 'MANIFEST_INVALID'],
      ['a version that is no version', record({ version: '"x"' }), 'MANIFEST_INVALID'],
      ['a version with a slash', record({ version: '"1/../2"' }), 'MANIFEST_INVALID'],
      ['a name with an escape', record({ name: '"\\u001b[2J"' }), 'MANIFEST_INVALID'],
      ['no layers', record({ layers: '[]' }), 'MANIFEST_INVALID'],
      ['layers of the wrong codec', record({ layers: `[${link(BLOB)}]` }), 'MANIFEST_INVALID'],
      ['a summary with an escape', record({ summary: '"\\u001b]0;x\\u0007"' }), 'MANIFEST_INVALID'],
      ['a summary of two lines', record({ summary: '"a\\nb"' }), 'MANIFEST_INVALID'],
      [
        'a help that turns the direction',
        record({ help: '"\\u202etxt"' }),
        'MANIFEST_INVALID',
        'CVE-2021-42574'
      ],
      ['half a surrogate', record({ help: '"\\ud800"' }), 'MANIFEST_INVALID'],
      [
        'a variable with a line end',
        record({ environment: '[{"name":"A\\nB","operation":"set","value":"x"}]' }),
        'MANIFEST_INVALID'
      ],
      [
        'a variable with an equals sign',
        record({ environment: '[{"name":"A=B","operation":"set","value":"x"}]' }),
        'MANIFEST_INVALID'
      ],
      [
        'an operation that is unknown',
        record({ environment: '[{"name":"A","operation":"eval","value":"x"}]' }),
        'MANIFEST_INVALID'
      ],
      [
        'a value with a NUL',
        record({ environment: '[{"name":"A","operation":"set","value":"x\\u0000"}]' }),
        'MANIFEST_INVALID'
      ],
      ['a replaced path that leads out', record({ replaces: '["../etc"]' }), 'MANIFEST_INVALID'],
      ['a requirement of a path', record({ requires: '["../../x"]' }), 'MANIFEST_INVALID'],
      ['a group of id -1', record({ accessGroups: '[{"gid":-1}]' }), 'MANIFEST_INVALID'],
      ['a label with an escape', record({ labels: '{"a":"\\u001b"}' }), 'MANIFEST_INVALID'],
      [
        'an origin that names a folder',
        record({ origin: '[{"kind":"tar","name":"../secret"}]' }),
        'MANIFEST_INVALID'
      ],
      [
        'an origin with a hash that is none',
        record({ origin: '[{"kind":"tar","sha256":"zz"}]' }),
        'MANIFEST_INVALID'
      ],
      ['a default that is said', record({ hidden: 'false' }), 'MANIFEST_INVALID'],
      ['an unknown field', record({ postinstall: '"rm -rf /"' }), 'MANIFEST_INVALID']
    ],
    text => decodeRecord(bytes(text), 'hostile')
  )
}

const ACL = 'user::rw-,user:7:rw-,group::r--,mask::rw-,other::r--'
const sidecar = ({
  acls = `["${ACL}"]`,
  attributes = '[]',
  entries = '[{"acl":0,"path":"a"}]',
  groups = '{}',
  users = '{}',
  version = '1'
} = {}): string =>
  `{"acls":${acls},"attributes":${attributes},"entries":${entries},"groups":${groups},"users":${users},"version":${version}}`
const attribute = (name: string, value = '{"/":{"bytes":"eA"}}'): string =>
  `[[{"name":${name},"value":${value}}]]`
const withAttribute = '[{"attributes":0,"path":"a"}]'

export const sidecars: Area = {
  area: 'sidecars',
  cases: textCases(
    [
      ['no JSON', 'sidecar', 'MANIFEST_INVALID'],
      ['100,000 nested lists', '['.repeat(100_000), 'MANIFEST_INVALID'],
      ['a later version', sidecar({ version: '2' }), 'MANIFEST_INVALID'],
      ['a path that leads out', sidecar({ entries: '[{"acl":0,"path":"../a"}]' }), 'MANIFEST_INVALID'],
      ['an absolute path', sidecar({ entries: '[{"acl":0,"path":"/a"}]' }), 'MANIFEST_INVALID'],
      ['a path with a NUL', sidecar({ entries: '[{"acl":0,"path":"a\\u0000"}]' }), 'MANIFEST_INVALID'],
      [
        'a path with an escape, twice',
        sidecar({ entries: '[{"acl":0,"path":"\\u001b[2J"},{"acl":0,"path":"\\u001b[2J"}]' }),
        'MANIFEST_INVALID'
      ],
      [
        'paths out of order',
        sidecar({ entries: '[{"acl":0,"path":"b"},{"acl":0,"path":"a"}]' }),
        'MANIFEST_INVALID'
      ],
      ['an ACL that is not there', sidecar({ entries: '[{"acl":1,"path":"a"}]' }), 'MANIFEST_INVALID'],
      ['an ACL of number -1', sidecar({ entries: '[{"acl":-1,"path":"a"}]' }), 'MANIFEST_INVALID'],
      ['an ACL of the prototype', sidecar({ entries: '[{"acl":"length","path":"a"}]' }), 'MANIFEST_INVALID'],
      [
        'an ACL that nobody uses',
        sidecar({ acls: `["${ACL}","${ACL.replace('7', '8')}"]` }),
        'MANIFEST_INVALID'
      ],
      [
        'an ACL without a mask',
        sidecar({ acls: '["user::rw-,user:7:rw-,group::r--,other::r--"]' }),
        'MANIFEST_INVALID'
      ],
      ['an ACL with a name', sidecar({ acls: `["${ACL.replace('7', 'mallory')}"]` }), 'MANIFEST_INVALID'],
      ['an ACL with an escape', sidecar({ acls: '["\\u001b[2J"]' }), 'MANIFEST_INVALID'],
      ['an ACL that is a number', sidecar({ acls: '[7]' }), 'MANIFEST_INVALID'],
      [
        'an attribute of the kernel',
        sidecar({ acls: '[]', attributes: attribute('"system.x"'), entries: withAttribute }),
        'MANIFEST_INVALID'
      ],
      [
        'an attribute of no namespace',
        sidecar({ acls: '[]', attributes: attribute('"x"'), entries: withAttribute }),
        'MANIFEST_INVALID'
      ],
      [
        'an attribute whose value is a text',
        sidecar({ acls: '[]', attributes: attribute('"user.x"', '"x"'), entries: withAttribute }),
        'MANIFEST_INVALID'
      ],
      [
        'an attribute with a NUL',
        sidecar({ acls: '[]', attributes: attribute('"user.\\u0000"'), entries: withAttribute }),
        'MANIFEST_INVALID'
      ],
      [
        'an entry without anything',
        sidecar({ entries: '[{"acl":0,"path":"a"},{"path":"b"}]' }),
        'MANIFEST_INVALID'
      ],
      ['a user of id -1', sidecar({ users: '{"-1":"a"}' }), 'MANIFEST_INVALID'],
      ['a user of id 2^32 - 1', sidecar({ users: '{"4294967295":"a"}' }), 'MANIFEST_INVALID'],
      ['an unknown field', sidecar().replace('"version"', '"verification":0,"version"'), 'MANIFEST_INVALID'],
      [
        'an unknown field with an escape',
        sidecar().replace('"version"', '"v\\u001b[2J\\u009b":0,"version"'),
        'MANIFEST_INVALID'
      ],
      ['a value with raw controls', sidecar({ version: '"\\u007f\\u009b\\u202e"' }), 'MANIFEST_INVALID'],
      ['blanks', `${sidecar()} `, 'MANIFEST_INVALID'],
      ['nothing in it', sidecar({ acls: '[]', entries: '[]' }), 'MANIFEST_INVALID']
    ],
    text => decodeSidecar(bytes(text))
  )
}
