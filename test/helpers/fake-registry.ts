import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RegistrySettings } from '../../store/registry/registry-session.ts'
import type { Blob, LayoutMaker } from './oci-layout.ts'

/** Answers in place of the registry; returns false to let it answer itself. */
export type Meddle = (request: IncomingMessage, response: ServerResponse) => boolean

/** A registry that misbehaves as a test says, for what Debian's does not do. Its blobs are those of a layout. */
export class FakeRegistry {
  readonly requests: string[] = []
  meddle: Meddle = () => false
  readonly #server: Server
  readonly #files: Map<string, { bytes: Buffer; mediaType?: string }>

  private constructor(layout: LayoutMaker, tags: Record<string, Blob>) {
    const manifests = new Map(Object.values(tags).map(({ digest, mediaType }) => [digest, mediaType]))
    this.#files = new Map()
    for (const [path, bytes] of Object.entries(layout.files())) {
      const digest = path.replace(/^blobs\/sha256\//, 'sha256:')
      const mediaType = manifests.get(digest) ?? mediaTypeIn(bytes)
      this.#files.set(digest, { bytes, ...(mediaType !== undefined && { mediaType }) })
    }
    for (const [tag, { digest, mediaType }] of Object.entries(tags))
      this.#files.set(tag, { bytes: this.#files.get(digest)!.bytes, mediaType })
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  static async start(layout: LayoutMaker, tags: Record<string, Blob>): Promise<FakeRegistry> {
    const registry = new FakeRegistry(layout, tags)
    await new Promise<void>(resolve => registry.#server.listen(0, '127.0.0.1', resolve))
    return registry
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  bytesOf(name: string): Buffer {
    return this.#files.get(name)!.bytes
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '', headers } = request
    this.requests.push(`${method} ${url}${headers.range === undefined ? '' : ` ${headers.range}`}`)
    response.on('error', () => {})
    if (this.meddle(request, response)) return
    if (url === '/v2/') return void response.end('{}')
    const [, kind, name] = /^\/v2\/tool\/(manifests|blobs)\/([^/]+)$/.exec(url) ?? []
    const file = this.#files.get(name ?? '')
    if (file === undefined || (kind === 'manifests' && file.mediaType === undefined)) {
      response.writeHead(404).end('{"errors":[{"code":"NAME_UNKNOWN","message":"not here"}]}')
      return
    }
    const from = Number(/^bytes=([0-9]+)-$/.exec(headers.range ?? '')?.[1] ?? 0)
    response.writeHead(from > 0 ? 206 : 200, {
      'content-type': file.mediaType ?? 'application/octet-stream',
      'content-length': file.bytes.length - from,
      ...(from > 0 && { 'content-range': `bytes ${from}-${file.bytes.length - 1}/${file.bytes.length}` })
    })
    response.end(file.bytes.subarray(from))
  }
}

function mediaTypeIn(bytes: Buffer): string | undefined {
  try {
    return JSON.parse(bytes.toString('utf8')).mediaType
  } catch {
    return undefined
  }
}

/** Settings of nobody, without waiting between tries. */
export const nobody = (pauses: number[] = []): RegistrySettings => ({
  environment: { HOME: '/nonexistent', CONTAINERS_REGISTRIES_CONF: '/nonexistent' },
  authFile: '/nonexistent',
  tlsCa: [],
  pause: async milliseconds => pauses.push(milliseconds)
})
