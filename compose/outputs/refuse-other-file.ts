/**
 * A guard for the word OUT of `compose build`: in `compose build tool.def`, where OUT was forgotten, it is the user's own
 * source. Outputs replace outputs of their own kind, and no other file.
 */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { extname } from 'node:path'
import { pathFromText, StrataError, showPath } from '../../store/values/index.ts'
import { isSif } from '../sif/index.ts'
import { IMAGE_MAGIC } from '../squashfs/index.ts'

/** Enough for the headers of all three kinds. */
const HEADER_BYTES = 512
// POSIX ustar: magic at 257 of the first header. GNU's begins with the same five letters.
const TAR_MAGIC = 'ustar'
const TAR_MAGIC_AT = 257

const isImage = (start: Buffer): boolean =>
  start.toString('latin1', 0, IMAGE_MAGIC.length) === IMAGE_MAGIC || isSif(start)
const isTarball = (start: Buffer): boolean => start.toString('latin1', TAR_MAGIC_AT).startsWith(TAR_MAGIC)

/** By the value of `--format`. A layout (`oci`) replaces nothing, so its writer refuses whatever is there. */
const REPLACED: Record<string, { kind: string; extension: string; isKind: (start: Buffer) => boolean }> = {
  squashfs: { kind: 'an image', extension: '.sqfs', isKind: isImage },
  sif: { kind: 'an image', extension: '.sif', isKind: isImage },
  tar: { kind: 'a tarball', extension: '.tar', isKind: isTarball }
}

/**
 * An empty file, as mktemp makes it, may be replaced by anything.
 * @throws StrataError OUTPUT_EXISTS if the file `out` is there, and is not what this format writes
 */
export function refuseOtherFile(out: string, format: string): void {
  const replaced = REPLACED[format]
  if (replaced === undefined) return
  const { kind, extension, isKind } = replaced
  const start = startOfFile(out)
  if (start === undefined || start.length === 0 || isKind(start)) return
  const shown = showPath(pathFromText(out))
  const stem = showPath(pathFromText(out.slice(0, out.length - extname(out).length)))
  throw new StrataError('OUTPUT_EXISTS', {
    message: `${shown} would be replaced, and is not ${kind}: OUT, the file to write, comes first`,
    facts: { path: shown },
    hint: `compose build ${stem}${extension === extname(out) ? '-new' : ''}${extension} ${shown} builds it; if nobody needs it, remove it`
  })
}

/** Undefined if there is no regular file that this user can read: what writes the output tells more about others. */
function startOfFile(path: string): Buffer | undefined {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
  try {
    if (!fstatSync(fd).isFile()) return undefined
    const start = Buffer.alloc(HEADER_BYTES)
    return start.subarray(0, readSync(fd, start, 0, HEADER_BYTES, 0))
  } finally {
    closeSync(fd)
  }
}
