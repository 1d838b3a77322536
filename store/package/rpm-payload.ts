/** The payload of an .rpm as members of a tar, each checked against the header (spec/sources.md#rpm). */

import { createHash } from 'node:crypto'
import type { IdNames } from '../accounts/index.ts'
import { type Attributes, CAPABILITY_ATTRIBUTE, encodeCapabilities } from '../acl/index.ts'
import type { SkippedPath } from '../import/index.ts'
import { entryWith, type TarMember } from '../tar/index.ts'
import { count, type PathBytes, pathFromBuffer, showPath } from '../values/index.ts'
import type { ByteStream } from './byte-stream.ts'
import { readCpioHeader } from './cpio.ts'
import type { PackageFile } from './package-file.ts'
import type { RpmFile } from './rpm-files.ts'

export interface RpmPayload {
  file: PackageFile
  files: RpmFile[]
  stream: ByteStream
  names: IdNames
  /** Attributes of each file that has some, by path; filled while the payload is read. */
  attributes: Map<PathBytes, Attributes>
  onSkip: (skipped: SkippedPath) => void
}

/**
 * Members in payload order. Of a file with several names, the one with the bytes comes first.
 * @throws StrataError SOURCE_INVALID, NAME_UNKNOWN
 */
export async function* rpmMembers(payload: RpmPayload): AsyncGenerator<TarMember> {
  const { file, files } = payload
  const stream: ByteStream = payload.stream
  const numbers = new Map(files.map(({ path }, i) => [path, i]))
  const seen = new Set<number>()
  for (
    let header = await readCpioHeader(stream);
    header !== undefined;
    header = await readCpioHeader(stream)
  ) {
    const number = 'number' in header ? header.number : numbers.get(header.name.replace(/^\.?\//, ''))
    const listed = number === undefined ? undefined : files[number]
    if (number === undefined || listed === undefined)
      stream.refuse(
        `${'name' in header ? showPath(header.name) : `file ${header.number}`} is not in the header`
      )
    if (seen.has(number)) stream.refuse(`${showPath(listed.path)} is in the payload twice`)
    seen.add(number)
    const sizeBytes = storedBytes(listed, number)
    if ('sizeBytes' in header && header.sizeBytes !== sizeBytes)
      stream.refuse(`${showPath(listed.path)} has ${header.sizeBytes} bytes, the header says ${sizeBytes}`)
    yield* membersOf(payload, listed, number)
  }
  refuseMissing(file, files, seen)
  await stream.finish()
}

/** Bytes in the payload: of a file with several names, the last one has them. */
function storedBytes({ kind, sizeBytes, linkTarget, links }: RpmFile, number: number): number {
  if (kind === 'symlink') return linkTarget.length
  if (kind !== 'file') return 0
  return links.length > 1 && links.at(-1) !== number ? 0 : sizeBytes
}

async function* membersOf(payload: RpmPayload, listed: RpmFile, number: number): AsyncGenerator<TarMember> {
  const { stream, files, onSkip } = payload
  const { kind, path, links } = listed
  if (kind === undefined) {
    onSkip({ path, reason: 'a socket exists only while its program runs' })
    return
  }
  if (kind === 'symlink') await checkTarget(stream, listed)
  if (kind === 'file' && links.length > 1 && links.at(-1) !== number) return
  const entry = entryOf(payload, listed)
  if (listed.capabilities !== '') payload.attributes.set(path, capabilitiesOf(payload, listed))
  yield { entry, ...(kind === 'file' && { content: checkContent(payload, listed) }) }
  for (const other of links.slice(0, -1))
    yield { entry: { ...entry, path: files[other].path, kind: 'hardlink', linkTarget: path, sizeBytes: 0 } }
}

async function checkTarget(stream: ByteStream, { path, linkTarget }: RpmFile): Promise<void> {
  const target = pathFromBuffer(await stream.read(linkTarget.length))
  if (target !== linkTarget)
    stream.refuse(`${showPath(path)} links to ${showPath(target)}, the header says ${showPath(linkTarget)}`)
}

async function* checkContent(
  { stream, file }: RpmPayload,
  { path, sizeBytes, digest }: RpmFile
): AsyncGenerator<Uint8Array> {
  const hash = digest && createHash(digest.algorithm)
  for await (const piece of stream.pieces(sizeBytes)) {
    hash?.update(piece)
    yield piece
  }
  const found = hash?.digest('hex')
  if (found !== digest?.hex)
    throw file.fault(`${showPath(path)} has ${digest!.algorithm} ${found}, the header says ${digest!.hex}`, {
      path: showPath(path)
    })
}

function entryOf({ file, names }: RpmPayload, listed: RpmFile) {
  const where = { source: file.path, member: listed.path }
  return entryWith({
    path: listed.path,
    kind: listed.kind!,
    mode: listed.mode,
    uid: names.user(listed.user, where),
    gid: names.group(listed.group, where),
    mtime: { seconds: listed.mtimeSeconds, nanoseconds: 0 },
    sizeBytes: listed.kind === 'file' ? listed.sizeBytes : 0,
    linkTarget: listed.kind === 'symlink' ? listed.linkTarget : '',
    deviceMajor: listed.deviceMajor,
    deviceMinor: listed.deviceMinor
  })
}

function capabilitiesOf({ file }: RpmPayload, { path, capabilities }: RpmFile): Attributes {
  try {
    return new Map([[CAPABILITY_ATTRIBUTE, encodeCapabilities(capabilities)]])
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw file.fault(`${showPath(path)}: ${cause.message}`, { path: showPath(path) })
  }
}

function refuseMissing(file: PackageFile, files: RpmFile[], seen: ReadonlySet<number>): void {
  const missing = files.filter(({ isGhost }, i) => !isGhost && !seen.has(i))
  if (missing.length === 0) return
  throw file.fault(`the payload lacks ${count(missing.length, 'file')} of the header`, {
    paths: missing.map(({ path }) => showPath(path))
  })
}
