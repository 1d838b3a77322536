import { stat } from 'node:fs/promises'

/** Whether there is a file or folder, links followed: for what users name, not for what lies in a store. */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    error => {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) return false
      throw error
    }
  )
