import { TarParser } from '../tar/index.ts'
import { type Limits, type PathBytes, StrataError } from '../values/index.ts'

/** Limit: control files, and lists of settings files, have some kilobytes. */
const LARGEST_BYTES = 1 << 20

export interface SmallMembers {
  /** Paths of all files, in archive order. */
  files: PathBytes[]
  /** Contents of the files that were asked for. */
  contents: Map<PathBytes, Buffer>
}

/**
 * Reads some files of a small tarball into memory.
 * @throws StrataError TAR_INVALID, LIMIT_EXCEEDED; SOURCE_INVALID for a wanted file of more than 1 MiB
 */
export async function readSmallMembers(
  chunks: AsyncIterable<Uint8Array>,
  wanted: PathBytes[],
  { name, limits }: { name: string; limits: Limits }
): Promise<SmallMembers> {
  const files: PathBytes[] = []
  const contents = new Map<PathBytes, Buffer>()
  let pieces: Buffer[] | undefined
  const parser = new TarParser(
    {
      literal: () => {},
      entry: ({ path, kind, sizeBytes }) => {
        pieces = undefined
        if (kind !== 'file') return
        files.push(path)
        if (!wanted.includes(path)) return
        if (sizeBytes > LARGEST_BYTES)
          throw new StrataError('SOURCE_INVALID', {
            message: `${name}: ${path} has ${sizeBytes} bytes, wanted at most ${LARGEST_BYTES}`
          })
        pieces = []
        contents.set(path, Buffer.alloc(0))
      },
      data: bytes => void pieces?.push(Buffer.from(bytes)),
      endEntry: () => {
        if (pieces !== undefined) contents.set(files.at(-1)!, Buffer.concat(pieces))
      }
    },
    { archive: name, limits }
  )
  for await (const chunk of chunks) parser.write(chunk)
  parser.end()
  return { files, contents }
}
