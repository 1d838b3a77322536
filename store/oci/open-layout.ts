/** Opens the files of an OCI layout, in a folder or in an archive that is not packed. */
import { open, stat } from 'node:fs/promises'
import { originName } from '../module/index.ts'
import { DEFAULT_LIMITS, StrataError, systemWords } from '../values/index.ts'
import { ImageArchive } from './image-archive.ts'
import type { ImageFiles } from './image-files.ts'
import { LayoutFiles } from './layout-files.ts'

/** @throws StrataError IO, TAR_INVALID, SOURCE_INVALID for an archive of something else */
export async function openLayout(path: string): Promise<ImageFiles> {
  const unreadable = (cause: NodeJS.ErrnoException) => {
    throw new StrataError('IO', {
      message: `${path} cannot be read: ${systemWords(cause)}`,
      facts: { file: path },
      cause
    })
  }
  if ((await stat(path).catch(unreadable)).isDirectory()) return new LayoutFiles(path)
  const handle = await open(path, 'r').catch(unreadable)
  const file = { fd: handle.fd, name: path, fileName: originName(path), close: () => handle.close() }
  try {
    const archive = ImageArchive.open(file, DEFAULT_LIMITS)
    if (archive !== undefined) return archive
  } catch (error) {
    await handle.close()
    throw error
  }
  await handle.close()
  throw new StrataError('SOURCE_INVALID', {
    message: `${path} is not an archive of an OCI layout`,
    facts: { file: path },
    hint: `compose import MODULE ${path}, if it is a tarball of files`
  })
}
