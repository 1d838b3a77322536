import { stat } from 'node:fs/promises'

/**
 * True if a file or folder is there. Links are followed, so this is for paths that users name and not for files of a
 * store.
 */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    error => {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) return false
      throw error
    }
  )
