/** Documents of OCI layouts and docker archives. */
import { createHash } from 'node:crypto'
import * as assert from 'uvu/assert'
import { describeImage } from '../../../store/oci/describe-image.ts'
import type { ImageFiles } from '../../../store/oci/image-files.ts'
import { readDockerArchive } from '../../../store/oci/read-docker-archive.ts'
import { readLayout } from '../../../store/oci/read-layout.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { CONFIG, INDEX, LAYER, MANIFEST } from '../../helpers/oci-layout.ts'
import type { FuzzTarget } from '../target.ts'
import { changedJson, ODD_VALUES } from './bytes.ts'

/** An image's documents as one: each is put where the one that names it looks, under the right digest and size. */
interface Documents {
  index: unknown
  manifest: unknown
  config: unknown
  saved: unknown
}

const DIGEST = `sha256:${'ab'.repeat(32)}`
const DOCUMENTS: Documents = {
  index: {
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: [
      {
        mediaType: MANIFEST,
        digest: 'MANIFEST',
        size: 'MANIFEST',
        annotations: {
          'org.opencontainers.image.ref.name': 'tag',
          'io.containerd.image.name': 'a.example/b:tag'
        },
        platform: { os: 'linux', architecture: 'amd64' }
      }
    ]
  },
  manifest: {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: 'CONFIG', size: 'CONFIG' },
    layers: [{ mediaType: `${LAYER}+gzip`, digest: DIGEST, size: 3 }],
    annotations: { 'org.opencontainers.image.title': 'title' }
  },
  config: {
    architecture: 'amd64',
    os: 'linux',
    config: {
      Env: ['PATH=/bin', 'A=b'],
      Entrypoint: ['/bin/sh', '-c'],
      Cmd: ['x y'],
      Labels: { 'org.example.a': 'b' },
      User: '1:2',
      WorkingDir: '/w',
      Volumes: { '/v': {} },
      ExposedPorts: { '80/tcp': {} }
    },
    rootfs: { type: 'layers', diff_ids: [DIGEST] }
  },
  saved: [{ Config: `${'cd'.repeat(32)}.json`, RepoTags: ['b:tag'], Layers: ['layer.tar'] }]
}

const bytesOfJson = (value: unknown): Buffer => Buffer.from(JSON.stringify(value) ?? '')

/** The words that stand for digest and size of a document. */
const named = (text: string, name: string, bytes: Buffer): string =>
  text
    .replaceAll(`"size":"${name}"`, `"size":${bytes.length}`)
    .replaceAll(`"${name}"`, `"sha256:${createHash('sha256').update(bytes).digest('hex')}"`)

class MemoryFiles implements ImageFiles {
  readonly name = 'fuzz'
  readonly fileName = 'fuzz'
  readonly #files = new Map<string, Buffer>()

  put(path: string, bytes: Buffer): void {
    this.#files.set(path, bytes)
  }

  putBlob(bytes: Buffer): void {
    this.put(`blobs/sha256/${createHash('sha256').update(bytes).digest('hex')}`, bytes)
  }

  find(path: string) {
    assert.not.match(path, /(?:^|\/)\.{0,2}(?:\/|$)/)
    const bytes = this.#files.get(path)
    return (
      bytes && {
        sizeBytes: bytes.length,
        chunks: async function* () {
          yield bytes
        }
      }
    )
  }

  async close(): Promise<void> {}
}

function layoutOf({ index, manifest, config }: Documents): MemoryFiles {
  const files = new MemoryFiles()
  files.put('oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}'))
  const configBytes = bytesOfJson(config)
  const manifestBytes = Buffer.from(named(bytesOfJson(manifest).toString(), 'CONFIG', configBytes))
  files.putBlob(configBytes)
  files.putBlob(manifestBytes)
  files.put('index.json', Buffer.from(named(bytesOfJson(index).toString(), 'MANIFEST', manifestBytes)))
  files.put(`blobs/${DIGEST.replace(':', '/')}`, Buffer.from('abc'))
  return files
}

function savedOf({ saved, config }: Documents): MemoryFiles {
  const files = new MemoryFiles()
  const bytes = bytesOfJson(config)
  const name = `${createHash('sha256').update(bytes).digest('hex')}.json`
  files.put(name, bytes)
  files.put('layer.tar', Buffer.from('abc'))
  files.put(
    'manifest.json',
    Buffer.from(
      bytesOfJson(saved)
        .toString()
        .replaceAll(`${'cd'.repeat(32)}.json`, name)
    )
  )
  return files
}

const VALUES = [
  ...ODD_VALUES,
  DIGEST,
  'MANIFEST',
  'CONFIG',
  MANIFEST,
  INDEX,
  CONFIG,
  LAYER,
  '\u009b',
  'sha512:00'
]

/** Both forms, of which each can be refused by itself. */
async function readForms(documents: Documents): Promise<void> {
  const platform = { os: 'linux', architecture: 'amd64' }
  const refusals: StrataError[] = []
  for (const read of [
    () => readLayout(layoutOf(documents), { platform }),
    () => readDockerArchive(savedOf(documents), { platform })
  ])
    try {
      const image = await read()
      for (const kind of ['base', 'application'] as const) describeImage(image, kind)
    } catch (error) {
      if (!(error instanceof StrataError)) throw error
      refusals.push(error)
    }
  if (refusals.length > 0) throw refusals[0]
}

export const ociTarget: FuzzTarget = {
  name: 'oci',
  seeds: () => [bytesOfJson(DOCUMENTS)],
  words: ['"MANIFEST"', '"CONFIG"', '"mediaType":', DIGEST, '[', '{', '\\u009b'],
  mutate: (bytes, random) => changedJson(bytes, random, VALUES),
  async execute(bytes) {
    let documents: Documents
    try {
      documents = JSON.parse(bytes.toString('utf8')) ?? {}
    } catch {
      documents = { index: bytes.toString('utf8'), manifest: null, config: null, saved: null }
    }
    await readForms(documents)
  }
}
