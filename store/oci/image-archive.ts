/** An image in one file: a tar of an OCI layout (oci-archive), or the output of `docker save` and `podman save`. */
import { posix } from 'node:path'
import { streamOf } from '../disk/index.ts'
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
/** Number of links in a row that Linux follows too. */
const MOST_LINKS = 40
/** Limit on members: an image has a few hundred files, and a million names cost 200 MB. */
const MOST_MEMBERS = 1_000_000

/**
 * Names in image archives, from all tools that write them: OCI layouts; a folder for each layer (docker up to 24, nix);
 * files named by their hash (podman, skopeo), with their algorithm (kaniko) or compression (bazel).
 */
const IMAGE_NAME =
  /^(oci-layout|index\.json|manifest\.json|repositories|blobs(\/[a-z0-9+._-]+(\/[0-9a-f]+)?)?|(sha256:)?[0-9a-f]{64}(\.json|\.tar|\.tar\.gz)?|[0-9a-f]{64}\/(VERSION|json|layer\.tar))$/

/**
 * True if an archive may be an image, by the name of its first member, which is enough for most other archives.
 * @param readAt at least up to the first header
 */
export function mayBeImage(readAt: ReadAt): boolean {
  try {
    for (const { path } of archiveMembers(readAt, '', DEFAULT_LIMITS))
      if (path !== '') return IMAGE_NAME.test(path)
  } catch (error) {
    // A reader of its actual kind will report the fault.
    if (!(error instanceof StrataError)) throw error
  }
  return false
}

export interface ArchiveFile {
  /** Descriptor of the uncompressed file. */
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
   * @param file is closed with the archive; stays open if this returns undefined
   * @returns undefined for another kind of archive: it has a name that images do not have, or lacks one that each has
   * @throws StrataError TAR_INVALID, LIMIT_EXCEEDED, IO
   */
  static open(file: ArchiveFile, limits: Limits): ImageArchive | undefined {
    const members = new Map<PathBytes, ArchiveMember>()
    for (const member of archiveMembers(readAtFile(file.fd, file.name), file.name, limits)) {
      if ((member.path !== '' && !IMAGE_NAME.test(member.path)) || members.size >= MOST_MEMBERS)
        return undefined
      // Of two members with one name the last counts, as in extracting.
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

  /** Follows links from member to member, never out of the archive. */
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
    const range = { start: offset, end: offset + sizeBytes - 1 }
    return streamOf(this.#file.fd, this.name, { ...range, highWaterMark: READ_BYTES })
  }
}

async function* empty(): AsyncGenerator<Uint8Array> {}
