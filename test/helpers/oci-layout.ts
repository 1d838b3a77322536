import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { archive, file } from './tar-make.ts'

/** OCI layouts made by hand, file by file, for what no program would write. */

export interface Blob {
  mediaType: string
  digest: string
  size: number
}

// biome-ignore lint/suspicious/noExplicitAny: documents are made wrong on purpose
type Document = any

export const INDEX = 'application/vnd.oci.image.index.v1+json'
export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const CONFIG = 'application/vnd.oci.image.config.v1+json'
export const LAYER = 'application/vnd.oci.image.layer.v1.tar'

export const sha256 = (bytes: string | Buffer): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

export class LayoutMaker {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
    mkdirSync(join(folder, 'blobs/sha256'), { recursive: true })
    this.write('oci-layout', '{"imageLayoutVersion":"1.0.0"}')
  }

  write(path: string, content: string | Buffer): void {
    writeFileSync(join(this.folder, path), content)
  }

  blob(mediaType: string, content: string | Buffer): Blob {
    const digest = sha256(content)
    this.write(`blobs/${digest.replace(':', '/')}`, content)
    return { mediaType, digest, size: Buffer.byteLength(content) }
  }

  document(mediaType: string, document: Document): Blob {
    return this.blob(mediaType, JSON.stringify(document))
  }

  /** All that was written, by path. */
  files(): Record<string, Buffer> {
    const paths = readdirSync(this.folder, { recursive: true, encoding: 'utf8' })
    const files = paths.filter(path => statSync(join(this.folder, path)).isFile()).sort()
    return Object.fromEntries(files.map(path => [path, readFileSync(join(this.folder, path))]))
  }

  index(...manifests: Document[]): void {
    this.write('index.json', JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }))
  }

  /** An image of these layers, each of which is a tarball and goes in compressed. */
  image(
    tars: Buffer[],
    { config = {}, manifest = {} }: { config?: Document; manifest?: Document } = {}
  ): Blob {
    const layers = tars.map(tar => this.blob(`${LAYER}+gzip`, gzipSync(tar)))
    const configBlob = this.document(CONFIG, {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: tars.map(sha256) },
      ...config
    })
    return this.document(MANIFEST, {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: configBlob,
      layers,
      ...manifest
    })
  }
}

export const named = (blob: Blob, name: string): Document => ({
  ...blob,
  annotations: { 'org.opencontainers.image.ref.name': name }
})

export const on = (blob: Blob, platform: string): Document => {
  const [os, architecture, variant] = platform.split('/')
  return { ...blob, platform: { os, architecture, ...(variant && { variant }) } }
}

/** A tarball of one file. */
export const tarOf = (name: string, content: string): Buffer => archive(file(name, content))
