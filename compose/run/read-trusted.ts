import { closeSync, fstatSync, readFileSync } from 'node:fs'
import { isWritableByOthers } from '../../store/disk/index.ts'
import { StrataError } from '../../store/values/index.ts'

/** A list of all devices of a large node takes a tenth of that. */
const MOST_BYTES = 16 * 1024 * 1024

/**
 * Reads a file that decides what the programs of a user see, and closes it. Somebody else's would put their folders there.
 * @throws StrataError SETTINGS_INVALID unless it is a regular file of root or the user, and nobody else may write to it
 */
export function readTrusted(fd: number, file: string): Buffer {
  try {
    const status = fstatSync(fd)
    if (!status.isFile()) throw untrusted(file, 'is not a regular file', `ls -l ${file}`)
    if (status.uid !== 0 && status.uid !== process.geteuid?.())
      throw untrusted(
        file,
        `belongs to user ${status.uid}, wanted root or you`,
        `as root: chown root ${file}`
      )
    if (isWritableByOthers(status.mode))
      throw untrusted(file, 'can be written to by others than its owner', `chmod go-w ${file}`)
    if (status.size > MOST_BYTES)
      throw untrusted(file, `has ${status.size} bytes, wanted at most ${MOST_BYTES}`, `ls -l ${file}`)
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}

const untrusted = (file: string, fault: string, hint: string): StrataError =>
  new StrataError('SETTINGS_INVALID', { message: `${file} ${fault}`, facts: { file }, hint })
