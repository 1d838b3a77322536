/** An image in one file: a tar of an OCI layout (oci-archive), or what `docker save` and `podman save` write. */
import { createReadStream } from 'node:fs'
import { posix } from 'node:path'
import {
  DEFAULT_LIMITS,
  type Limits,
  type PathBytes,
  pathFromText,
  StrataError,
  showPath
} from '../values/index.ts'
import { type ArchiveMember, archiveMembers, type ReadAt, readAtFile } from './archive-index.ts'
import type { ImageFile, ImageFiles } from './image-files.ts'
import { imageInvalid } from './refuse-image.ts'

const READ_BYTES = 1 << 20
/** As many links in a row as Linux follows. */
const MOST_LINKS = 40
/** An image has a few hundred files; a million names cost 200 MB. */
const MOST_MEMBERS = 1_000_000

/**
 * Names in image archives, of every tool that writes them: OCI layouts; a folder for each layer (docker up to 24, nix),
 * files named by their hash (podman, skopeo), with their algorithm (kaniko) or compression (bazel).
 */
const IMAGE_NAME =
  /^(oci-layout|index\.json|manifest\.json|repositories|blobs(\/[a-z0-9+._-]+(\/[0-9a-f]+)?)?|(sha256:)?[0-9a-f]{64}(\.json|\.tar|\.tar\.gz)?|[0-9a-f]{64}\/(VERSION|json|layer\.tar))$/

/**
 * Whether an archive may be an image, by the name of its first member; most other archives are told apart by that.
 * @param readAt at least up to the first header
 */
export function mayBeImage(readAt: ReadAt): boolean {
  try {
    for (const { path } of archiveMembers(readAt, '', DEFAULT_LIMITS))
      if (path !== '') return IMAGE_NAME.test(path)
  } catch (error) {
    // Whoever reads it as what it is says what is wrong with it.
    if (!(error instanceof StrataError)) throw error
  }
  return false
}

export interface ArchiveFile {
  /** Uncompressed. */
  fd: number
  /** For messages. */
  name: string
  fileName: string | undefined
  close(): Promise<void>
}

export class ImageArchive implements ImageFiles {
  readonly name: string
  readonly fileName: string | undefined
  readonly #file: ArchiveFile
  readonly #members: ReadonlyMap<PathBytes, ArchiveMember>

  private constructor(file: ArchiveFile, members: ReadonlyMap<PathBytes, ArchiveMember>) {
    this.name = file.name
    this.fileName = file.fileName
    this.#file = file
    this.#members = members
  }

  /**
   * @param file closed with the archive, and left open when this gives none
   * @returns undefined when this is another archive: it holds a name that no image has, or not those that each has
   * @throws StrataError TAR_INVALID, LIMIT_EXCEEDED, IO
   */
  static open(file: ArchiveFile, limits: Limits): ImageArchive | undefined {
    const members = new Map<PathBytes, ArchiveMember>()
    for (const member of archiveMembers(readAtFile(file.fd, file.name), file.name, limits)) {
      if ((member.path !== '' && !IMAGE_NAME.test(member.path)) || members.size >= MOST_MEMBERS)
        return undefined
      // Of two members of one name the last one counts, as when the archive is unpacked.
      members.set(member.path, member)
    }
    const isImage = members.has('manifest.json') || (members.has('oci-layout') && members.has('index.json'))
    return isImage ? new ImageArchive(file, members) : undefined
  }

  find(path: string): ImageFile | undefined {
    const member = this.#follow(pathFromText(path))
    if (member === undefined) return undefined
    const { kind, offset, sizeBytes } = member
    if (kind !== 'file') throw imageInvalid(`${this.name}: ${showPath(member.path)}`, `is a ${kind}`)
    return { sizeBytes, chunks: () => this.#chunks(offset, sizeBytes) }
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  /** Links lead from member to member, never out of the archive. */
  #follow(path: PathBytes): ArchiveMember | undefined {
    let member = this.#members.get(path)
    for (let links = 0; member?.kind === 'symlink' || member?.kind === 'hardlink'; links++) {
      const { path: from, linkTarget }: ArchiveMember = member
      const target =
        member.kind === 'hardlink' ? linkTarget : posix.normalize(posix.join(posix.dirname(from), linkTarget))
      const isOut = linkTarget.startsWith('/') || target.startsWith('..')
      const part = `${this.name}: ${showPath(from)}`
      if (isOut || links === MOST_LINKS)
        throw imageInvalid(
          part,
          isOut ? 'is a link out of the archive' : 'is a link that leads round in a circle'
        )
      member = this.#members.get(target)
      if (member === undefined)
        throw imageInvalid(part, `is a link to ${showPath(target)}, which is not there`)
    }
    return member
  }

  #chunks(offset: number, sizeBytes: number): AsyncIterable<Uint8Array> {
    if (sizeBytes === 0) return empty()
    return createReadStream('', {
      fd: this.#file.fd,
      autoClose: false,
      start: offset,
      end: offset + sizeBytes - 1,
      highWaterMark: READ_BYTES
    })
  }
}

async function* empty(): AsyncGenerator<Uint8Array> {}
