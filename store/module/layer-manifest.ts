import type { CID } from 'multiformats/cid'
import { MAX_ID } from '../accounts/index.ts'
import {
  boolean,
  DAG_JSON,
  Fields,
  integer,
  type PathBytes,
  pathBytes,
  pathNode,
  RAW,
  type Reader
} from '../values/index.ts'
import { decodeManifest, encodeManifest, type ManifestForm } from './manifest-codec.ts'
import { link } from './manifest-fields.ts'
import { treePathFault } from './tree-path.ts'

/**
 * A layer: a tarball, the metadata that tar lost, and the place in the tree (spec/module.md#layer). The id of these
 * bytes is the id of the layer, so nothing here may depend on the time, the place or the user of the import.
 */
export interface LayerManifest {
  /** The tarball, decoded; codec raw. */
  tar: CID
  /** ACLs and attributes; codec dag-json. Absent if no entry has any. */
  sidecar?: CID
  /** Entries of the layer's tree, whiteouts included. */
  entries: number
  /** Logical sizes of all files together. */
  bytes: number
  /** The layer of the same module below this one. With it, bare ids of layers still show where modules begin. */
  parent?: CID
  /** True if it was captured in a sandbox, above all lower layers. */
  captured?: boolean
  /** Place of the tree, relative to the root of the image. */
  prefix?: PathBytes
  /** Number of leading components removed from every path before `prefix` is added. */
  strip?: number
  /** Owner of every entry, in place of the tarball's owners. */
  owner?: Owner
}

export interface Owner {
  uid: number
  gid: number
}

/** Above the number of components that a path can have. */
export const MOST_STRIPPED = 1024

const id = integer(0, MAX_ID)

const owner: Reader<Owner> = (value, field) => {
  const fields = new Fields(value, field)
  const result = { uid: fields.required('uid', id), gid: fields.required('gid', id) }
  fields.end()
  return result
}

/** A path in an image, not the root. */
const prefixPath: Reader<PathBytes> = (value, field) => {
  const path = pathBytes(value, field)
  const fault =
    path === '' || path.startsWith('/') || path.endsWith('/') ? 'is not relative' : treePathFault(path)
  return fault === undefined ? path : field.refuse(fault)
}

const FORM: ManifestForm<LayerManifest> = {
  type: 'layer',
  format: 1,
  toNode: ({ tar, sidecar, entries, bytes, parent, captured, prefix, strip, owner }) => ({
    tar,
    sidecar,
    entries,
    bytes,
    parent,
    captured: captured ? true : undefined,
    prefix: prefix === undefined || prefix === '' ? undefined : pathNode(prefix),
    strip: strip === 0 ? undefined : strip,
    owner: owner === undefined ? undefined : { uid: owner.uid, gid: owner.gid }
  }),
  fromFields: fields => ({
    tar: fields.required('tar', link(RAW)),
    sidecar: fields.optional('sidecar', link(DAG_JSON)),
    entries: fields.required('entries', integer(0, Number.MAX_SAFE_INTEGER)),
    bytes: fields.required('bytes', integer(0, Number.MAX_SAFE_INTEGER)),
    parent: fields.optional('parent', link(DAG_JSON)),
    captured: fields.optional('captured', boolean),
    prefix: fields.optional('prefix', prefixPath),
    strip: fields.optional('strip', integer(1, MOST_STRIPPED)),
    owner: fields.optional('owner', owner)
  })
}

/** @throws StrataError MANIFEST_INVALID that names a field with a value no layer can have */
export const encodeLayerManifest = (layer: LayerManifest): Uint8Array => encodeManifest(FORM, layer)

/**
 * @param where names the manifest in messages: its file or id
 * @throws StrataError MANIFEST_INVALID that names the field
 */
export const decodeLayerManifest = (bytes: Uint8Array, where: string): LayerManifest =>
  decodeManifest(FORM, bytes, where)
