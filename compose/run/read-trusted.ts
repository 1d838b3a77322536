import { closeSync, fstatSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { faultAbove, isWritableByOthers } from '../../store/disk/index.ts'
import { StrataError } from '../../store/values/index.ts'

/** A list of all devices of a large node takes a tenth of that. */
const MOST_BYTES = 16 * 1024 * 1024

/**
 * Reads a file that decides what the programs of a user see, and closes it. Somebody else's would put their folders there.
 * @throws StrataError SETTINGS_INVALID unless it is a regular file of root or the user, and nobody else may write to it
 * or its folder, or exchange a folder above it; where the name is a link, also above the file that it leads to
 */
export function readTrusted(fd: number, file: string): Buffer {
  try {
    const status = fstatSync(fd)
    if (!status.isFile()) throw untrusted(file, 'is not a regular file', `ls -l ${file}`)
    // Who may write to the folder can put another file in its place.
    const folder = dirname(file)
    for (const [path, { uid, mode }] of [[file, status] as const, [folder, statSync(folder)] as const])
      checkAuthor(path, uid, mode)
    checkWay(file)
    if (status.size > MOST_BYTES)
      throw untrusted(file, `has ${status.size} bytes, wanted at most ${MOST_BYTES}`, `ls -l ${file}`)
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}

function checkAuthor(path: string, uid: number, mode: number): void {
  if (uid !== 0 && uid !== process.geteuid?.())
    throw untrusted(path, `belongs to user ${uid}, wanted root or you`, `as root: chown root ${path}`)
  if (isWritableByOthers(mode))
    throw untrusted(path, 'can be written to by others than its owner', `chmod go-w ${path}`)
}

function checkWay(file: string): void {
  for (const path of new Set([resolve(file), realpathSync.native(file)])) {
    const fault = faultAbove(dirname(path))
    if (fault === undefined) continue
    const { folder, why, isOwn } = fault
    const hint = isOwn
      ? `chmod go-w ${folder}`
      : `ls -ld ${folder}; only root and you may be able to change it`
    throw untrusted(file, `lies below ${folder}, which ${why}`, hint)
  }
}

const untrusted = (file: string, fault: string, hint: string): StrataError =>
  new StrataError('SETTINGS_INVALID', { message: `${file} ${fault}`, facts: { file }, hint })
