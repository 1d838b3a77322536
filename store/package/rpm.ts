/** An RPM package as a source: its payload becomes the layer (spec/sources.md#rpm). No script of it is run. */
import { createHash } from 'node:crypto'
import type { IdNames } from '../accounts/index.ts'
import type { Attributes } from '../acl/index.ts'
import { countBytes, type ModuleSource, type SkippedPath, type SourceOptions } from '../import/index.ts'
import { openTarStream } from '../input/index.ts'
import { LONGEST_LINE, type Origin, originName, type PackageVersion } from '../module/index.ts'
import { writeMembers } from '../tar/index.ts'
import { dropUndefined, type PathBytes, showPath } from '../values/index.ts'
import { ByteStream } from './byte-stream.ts'
import { PackageFile } from './package-file.ts'
import { packageLabelKey, packageLabels } from './package-labels.ts'
import { type RpmFile, rpmFiles } from './rpm-files.ts'
import { RpmHeader } from './rpm-header.ts'
import { rpmMembers } from './rpm-payload.ts'
import { rpmRequirements } from './rpm-requirements.ts'

const LEAD_MAGIC = Buffer.from('edabeedb', 'hex')
const LEAD_BYTES = 96
/** 16 bits: 0 for a package that can be installed. */
const LEAD_TYPE = 6
const SOURCE_LEAD = 1
const SIGNATURE_SHA256 = 273

/** Tags of the main header (rpm's include/rpm/rpmtag.h). */
const TAG = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  summary: 1004,
  license: 1014,
  url: 1020,
  architecture: 1022,
  isSource: 1106,
  payloadFormat: 1124,
  payloadCompressor: 1125,
  payloadDigest: 5092,
  payloadDigestAlgorithm: 5093
}
const SHA256 = 8

const SCRIPTS = new Map([
  [1023, 'pre'],
  [1024, 'post'],
  [1025, 'preun'],
  [1026, 'postun'],
  [1065, 'triggers'],
  [1079, 'verifyscript'],
  [1151, 'pretrans'],
  [1152, 'posttrans'],
  [5066, 'file triggers'],
  [5076, 'transaction file triggers']
])

const READ_COMPRESSORS = ['gzip', 'xz', 'zstd', 'bzip2', 'lzma', 'none', 'identity']

export interface RpmOptions extends Pick<SourceOptions, 'limits' | 'onProgress'> {
  /** Ids of the users and groups that own files. */
  names: IdNames
}

/** @param start first bytes of a file */
export const isRpm = (start: Buffer): boolean => start.subarray(0, 4).equals(LEAD_MAGIC)

/** @throws StrataError SOURCE_INVALID, IO; from the layer also NAME_UNKNOWN and STREAM_INVALID */
export async function openRpmSource(path: string, options: RpmOptions): Promise<ModuleSource> {
  const file = await PackageFile.open(path)
  try {
    const { header, payloadStart } = await readHeaders(file)
    const files = rpmFiles(header)
    const notes = notesOf(header, files, path)
    const version = versionOf(header)
    const fileName = originName(path)
    const origin: Origin = {
      kind: 'package',
      ...(fileName && { name: fileName }),
      sha256: await file.sha256(),
      packages: [version]
    }
    const skipped: SkippedPath[] = []
    const attributes = new Map<PathBytes, Attributes>()
    const stream = payloadStream(file, header, payloadStart, options)
    const onSkip = (found: SkippedPath) => skipped.push(found)
    const members = rpmMembers({ file, files, stream, names: options.names, attributes, onSkip })
    const layer = { name: path, chunks: writeMembers(members, path), attributes, origin: () => origin }
    const close = async () => {
      await stream.close()
      await file.close()
    }
    return {
      described: describe(header, version, path, notes),
      packages: [],
      layers: [layer],
      skipped,
      notes,
      close
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function readHeaders(file: PackageFile): Promise<{ header: RpmHeader; payloadStart: number }> {
  const lead = await file.read(0, LEAD_BYTES, 'rpm lead')
  if (!isRpm(lead)) file.refuse('rpm lead', 0, `magic ${lead.toString('hex', 0, 4)}, wanted edabeedb`)
  const signature = await RpmHeader.read(file, 'rpm signature header', LEAD_BYTES)
  // The signature header is padded to eight bytes, the main header is not.
  const start = Math.ceil((LEAD_BYTES + signature.bytes.length) / 8) * 8
  const header = await RpmHeader.read(file, 'rpm header', start)
  const [wanted] = signature.strings(SIGNATURE_SHA256)
  const found = createHash('sha256').update(header.bytes).digest('hex')
  if (wanted !== undefined && wanted !== found)
    header.refuse(`its SHA-256 is ${found}, the signature header says ${wanted}`)
  // Before rpm 4.4 only the lead marked source packages.
  if (header.has(TAG.isSource) || lead.readUInt16BE(LEAD_TYPE) === SOURCE_LEAD)
    throw file.fault(
      'a source package, wanted one that can be installed',
      {},
      `rpmbuild --rebuild ${file.path} makes such packages; import one of those`
    )
  return { header, payloadStart: start + header.bytes.length }
}

function payloadStream(
  file: PackageFile,
  header: RpmHeader,
  start: number,
  { limits, onProgress }: RpmOptions
): ByteStream {
  const [format = 'cpio'] = header.strings(TAG.payloadFormat)
  if (format !== 'cpio') throw file.fault(`the payload is "${showPath(format)}", wanted cpio`)
  const [compressor = 'gzip'] = header.strings(TAG.payloadCompressor)
  if (!READ_COMPRESSORS.includes(compressor))
    throw file.fault(
      `the payload is compressed with "${showPath(compressor)}", wanted gzip, xz, zstd, bzip2 or lzma`,
      {},
      `rpm2archive -n ${file.path} | compose import MODULE -`
    )
  const lengthBytes = file.sizeBytes - start
  const read = countBytes(file.chunks(start, lengthBytes), bytesRead =>
    onProgress?.({ source: file.path, bytesRead, bytesTotal: lengthBytes })
  )
  const name = `${file.path}: payload`
  return new ByteStream(
    openTarStream(checkPayload(read, file, header), {
      name,
      limits,
      ...(compressor === 'lzma' && { compression: 'lzma' })
    }),
    file,
    'payload, unpacked'
  )
}

/** The compressed payload; after the last byte, its hash is compared with that of the header. */
async function* checkPayload(
  chunks: AsyncIterable<Uint8Array>,
  file: PackageFile,
  header: RpmHeader
): AsyncGenerator<Uint8Array> {
  const [wanted] = header.strings(TAG.payloadDigest)
  const [algorithm] = header.numbers(TAG.payloadDigestAlgorithm)
  const hash = createHash('sha256')
  for await (const chunk of chunks) {
    hash.update(chunk)
    yield chunk
  }
  const found = hash.digest('hex')
  if (algorithm === SHA256 && wanted !== undefined && wanted !== found)
    throw file.fault(`the payload has SHA-256 ${found}, the header says ${wanted}`)
}

function versionOf(header: RpmHeader): PackageVersion {
  const text = (tag: number, what: string) =>
    header.text(tag)?.trim() || header.refuse(`the package has no ${what} (tag ${tag})`)
  const [epoch] = header.numbers(TAG.epoch)
  const version = `${text(TAG.version, 'version')}-${text(TAG.release, 'release')}`
  return {
    name: text(TAG.name, 'name'),
    version: epoch === undefined ? version : `${epoch}:${version}`,
    architecture: text(TAG.architecture, 'architecture')
  }
}

function describe(
  header: RpmHeader,
  { name, version, architecture }: PackageVersion,
  source: string,
  notes: string[]
): ModuleSource['described'] {
  const key = (fact: string) => packageLabelKey('org.rpm', fact, name)
  const labels = packageLabels(
    {
      [key('package')]: `${version} ${architecture}`,
      [key('requires')]: rpmRequirements(header).join(', '),
      [key('url')]: header.text(TAG.url)
    },
    notes,
    source
  )
  const line = (tag: number) => header.text(tag)?.trim().slice(0, LONGEST_LINE) || undefined
  return dropUndefined({ summary: line(TAG.summary), license: line(TAG.license), labels })
}

function notesOf(header: RpmHeader, files: RpmFile[], source: string): string[] {
  const scripts = [...SCRIPTS].filter(([tag]) => header.has(tag)).map(([, name]) => name)
  const paths = (list: RpmFile[]) => list.map(({ path }) => `/${showPath(path)}`).join(', ')
  const ghosts = files.filter(({ isGhost }) => isGhost)
  const config = files.filter(({ isConfig, isGhost }) => isConfig && !isGhost)
  return [
    ...(scripts.length > 0 ? [`${source}: scriptlets are not run: ${scripts.join(', ')}`] : []),
    ...(config.length > 0 ? [`${source}: files that rpm would keep as changed: ${paths(config)}`] : []),
    ...(ghosts.length > 0 ? [`${source}: listed, but not in the package (%ghost): ${paths(ghosts)}`] : [])
  ]
}
