/** An open regular file as a member of a tar: its runs and its bytes. */
import { readSync } from 'node:fs'
import type { FileStatus } from '../../native/index.ts'
import type { ReadAt, TarEntry, TarMember } from '../tar/index.ts'
import type { PathBytes } from '../values/index.ts'
import { dataRuns } from './data-runs.ts'
import type { DirectorySource } from './directory-source.ts'

export interface OpenFile {
  path: PathBytes
  /** Descriptor of the file. The code that opened it closes it when the next member is asked for. */
  fd: number
  status: FileStatus
}

/** @throws StrataError SOURCE_CHANGED, IO, also while the member's bytes are read */
export function fileMember(source: DirectorySource, file: OpenFile, entry: TarEntry): TarMember {
  const { path, fd, status } = file
  const readAt = wholeReader(source, file)
  const runs = source.attempt(path, () => dataRuns(fd, status.size, readAt))
  return { entry: { ...entry, sizeBytes: status.size, runs }, readAt }
}

const wholeReader =
  (source: DirectorySource, { path, fd }: OpenFile): ReadAt =>
  (into, at, length, position) => {
    for (let done = 0; done < length; ) {
      const got = source.attempt(path, () => readSync(fd, into, at + done, length - done, position + done))
      if (got === 0)
        throw source.changed(path, `it ended at byte ${position + done}, where more was expected`)
      done += got
    }
  }
