/** Members of an ar archive, the container of .deb (spec/sources.md#deb; ar(5), deb(5)). */
import { pathFromBuffer, showPath, trimLast } from '../values/index.ts'
import type { PackageFile } from './package-file.ts'

const MAGIC = '!<arch>\n'
const HEADER_BYTES = 60
const HEADER_END = '`\n'
/** Limit on members: a .deb has three, and there may be new ones. */
const MOST_MEMBERS = 64

export interface ArMember {
  name: string
  startInFile: number
  lengthBytes: number
}

/** @param start first bytes of a file */
export const isAr = (start: Buffer): boolean => start.toString('latin1', 0, MAGIC.length) === MAGIC

/** Members in file order. @throws StrataError SOURCE_INVALID that names the byte */
export async function readAr(file: PackageFile): Promise<ArMember[]> {
  if (!isAr(await file.read(0, MAGIC.length, 'ar archive')))
    file.refuse('ar archive', 0, 'the magic "!<arch>" is missing')
  const members: ArMember[] = []
  for (let at = MAGIC.length; at < file.sizeBytes; ) {
    if (members.length === MOST_MEMBERS)
      file.refuse('ar archive', at, `more than ${MOST_MEMBERS} members, wanted those of a package`)
    const member = await readMember(file, at)
    members.push(member)
    // Members start at even bytes; the last one need not be padded.
    at = member.startInFile + member.lengthBytes + (member.lengthBytes % 2)
  }
  return members
}

async function readMember(file: PackageFile, position: number): Promise<ArMember> {
  const header = await file.read(position, HEADER_BYTES, 'ar member header')
  if (header.toString('latin1', 58, 60) !== HEADER_END)
    file.refuse('ar member header', position, 'its end mark is missing')
  // GNU ar writes a slash behind names.
  const name = trimLast(pathFromBuffer(header.subarray(0, 16)), ' ').replace(/\/$/, '')
  const size = /^([0-9]{1,10}) *$/.exec(header.toString('latin1', 48, 58))
  if (size === null) file.refuse('ar member header', position + 48, 'the size is not a decimal number')
  const startInFile = position + HEADER_BYTES
  const lengthBytes = Number(size[1])
  if (startInFile + lengthBytes > file.sizeBytes)
    file.refuse(
      `ar member ${showPath(name)}`,
      startInFile,
      `${lengthBytes} bytes, but the file ends at byte ${file.sizeBytes}`
    )
  return { name, startInFile, lengthBytes }
}
