import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CID } from 'multiformats/cid'
import type { Test } from 'uvu'
import { SentModule } from '../../store/remote/module-blobs.ts'
import { MANIFEST_TYPE } from '../../store/remote/module-manifest.ts'
import type { Repository } from '../../store/repository/repository.ts'
import { sha256 } from './tar-read.ts'

export interface Descriptor {
  mediaType: string
  digest: string
  size: number
  annotations?: Record<string, unknown>
}

// biome-ignore lint/suspicious/noExplicitAny: tests change manifests in every way
export type Manifest = any

/** One module as a registry has it, in memory, for tests that change parts of it. */
export class ModuleServer {
  readonly blobs = new Map<string, Buffer>()
  /** The digests of blobs that were asked for, in order. */
  readonly asked: string[] = []
  /** Answers in place of the server; returns false to let it answer itself. */
  meddle: (request: IncomingMessage, response: ServerResponse) => boolean = () => false
  manifest: Manifest
  manifestType = MANIFEST_TYPE
  readonly #server: Server

  private constructor(manifest: Manifest) {
    this.manifest = manifest
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  static async start(store: Repository, record: CID): Promise<ModuleServer> {
    const { bytes, blobs } = await (await SentModule.read(store, record)).manifest()
    const server = new ModuleServer(JSON.parse(bytes.toString()))
    for (const { digest, chunks } of blobs) {
      const pieces: Uint8Array[] = []
      for await (const piece of chunks()) pieces.push(Buffer.from(piece))
      server.blobs.set(digest, Buffer.concat(pieces))
    }
    await new Promise<void>(resolve => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  /** Descriptors of the manifest by the middle of their type: `layer`, `sidecar`, `recipe`, `data`. */
  of(kind: string): Descriptor[] {
    return this.manifest.layers.filter((one: Descriptor) => one.mediaType.includes(`strata.${kind}.`))
  }

  /** Puts other bytes in the place of a blob, under a digest that fits. */
  exchange(descriptor: Descriptor, bytes: Buffer): void {
    descriptor.digest = `sha256:${sha256(bytes).replace(/^sha256:/, '')}`
    descriptor.size = bytes.length
    this.blobs.set(descriptor.digest, bytes)
  }

  /**
   * Puts the parts of data from one place on into one blob.
   * @returns its descriptor
   */
  join(first = 0, count = Infinity): Descriptor {
    const parts = this.of('data').slice(first, first + count)
    const text = parts.map(({ digest, size }) => `${digest.slice('sha256:'.length)}:${size}`).join(',')
    const joined = { ...parts[0], annotations: { 'dev.strata.parts': text } }
    this.exchange(joined, Buffer.concat(parts.map(({ digest }) => this.blobs.get(digest)!)))
    const { layers } = this.manifest
    layers.splice(layers.indexOf(parts[0]), parts.length, joined)
    return joined
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', headers } = request
    response.on('error', () => {})
    const [, kind, name = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? []
    if (kind === 'blobs') this.asked.push(name)
    if (this.meddle(request, response)) return
    if (url === '/v2/') return void response.end('{}')
    const bytes = kind === 'manifests' ? Buffer.from(JSON.stringify(this.manifest)) : this.blobs.get(name)
    if (bytes === undefined) return void response.writeHead(404).end('{}')
    const [isPart, from, to] = /^bytes=([0-9]+)-([0-9]*)$/.exec(headers.range ?? '') ?? []
    const wanted = bytes.subarray(Number(from ?? 0), to ? Number(to) + 1 : undefined)
    const range = `bytes ${from}-${Number(from) + wanted.length - 1}/${bytes.length}`
    response.writeHead(isPart ? 206 : 200, {
      'content-type': kind === 'manifests' ? this.manifestType : 'application/octet-stream',
      'content-length': wanted.length,
      ...(isPart && { 'content-range': range })
    })
    response.end(wanted)
  }
}

/** Starts servers that are stopped when the tests have ended. */
export function moduleServers(tests: Test): typeof ModuleServer.start {
  const servers: ModuleServer[] = []
  tests.after(() => {
    for (const server of servers) server.stop()
  })
  return async (store, record) => {
    const server = await ModuleServer.start(store, record)
    servers.push(server)
    return server
  }
}
