/** Mounts an image by the kernel, with its ACLs enforced (spec/erofs.md#mounting). Only root can. */
import { spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  constants as files,
  mkdtempSync,
  openSync,
  rmdirSync,
  unlinkSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { constants, launcherFile } from '../../native/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { encodeMetadata, isInDataLayer, type MetadataTree, pathOf } from '../erofs/index.ts'
import type { OpenImage } from '../inspect/index.ts'
import { type LauncherFailure, readReport } from '../run/index.ts'
import { writeMetadataFolder } from './metadata-folder.ts'

export interface KernelMount {
  image: OpenImage
  metadata: MetadataTree
  /** A path without links. */
  directory: string
  /** As mount(8) shows it. */
  source: string
  isExecutable: boolean
  /** Features of the kernel that a test does without (native/launch/mount.c). */
  without?: string[]
}

/** @returns the forms in which metadata and image were put together. @throws StrataError MOUNT_FAILED */
export async function mountByKernel(mount: KernelMount): Promise<string> {
  const fd = unnamedFile()
  try {
    const bytes = encodeMetadata(mount.metadata)
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
    const { form, failure } = await launch(mount, fd)
    if (form !== undefined) return form
    if (!LACKS_EROFS.includes(failureFeature(failure))) throw mountError(failure)
  } finally {
    closeSync(fd)
  }
  const { form, failure } = await launch(mount, undefined)
  if (form === undefined) throw mountError(failure)
  return form
}

const LACKS_EROFS = ['erofs', 'loop']

/** The first of these that there is; on a node without disks, all of them may be in memory. */
const FOLDERS = ['/var/tmp', '/run', '/tmp']

/** The kernel reads it as long as the mount lasts, and nobody can find it by a name. */
function unnamedFile(): number {
  const above = FOLDERS.find(path => existsSync(path)) ?? '/'
  try {
    return openSync(above, files.O_RDWR | constants.O_TMPFILE, 0o600)
  } catch {
    return namedForAMoment(above) // some file systems have no O_TMPFILE
  }
}

function namedForAMoment(above: string): number {
  const folder = mkdtempSync(join(above, 'strata-mount-'))
  const path = join(folder, 'metadata')
  try {
    const fd = openSync(path, files.O_RDWR | files.O_CREAT | files.O_EXCL, 0o600)
    unlinkSync(path)
    return fd
  } finally {
    rmdirSync(folder)
  }
}

interface Ended {
  form?: string
  failure?: LauncherFailure
}

const REPORT = 3
const IMAGE = 4
const METADATA = 5

function launch(mount: KernelMount, metadataFd: number | undefined): Promise<Ended> {
  const { image, metadata, directory, source, isExecutable, without = [] } = mount
  const file = metadata.inodes.find(isInDataLayer)
  const probe = file && pathOf(file)
  const words = [
    ...['mount', '--report', String(REPORT), '--image', String(IMAGE)],
    ...['--offset', String(image.startInFile)],
    ...(metadataFd === undefined ? [] : ['--metadata', String(METADATA)]),
    ...(isExecutable ? [] : ['--noexec']),
    ...(without.length === 0 ? [] : ['--without', without.join(',')])
  ]
  const child = spawn(launcherFile(), [...words, ...probeWords(probe), source, directory], {
    stdio: ['pipe', 'pipe', 'inherit', 'pipe', image.fd, ...(metadataFd === undefined ? [] : [metadataFd])]
  })
  const [input, output] = [child.stdin as Writable, child.stdout as Readable]
  const ended: Ended = {}
  let text = ''
  let fault: unknown
  readReport(child.stdio[REPORT] as Readable, word => {
    if (word.kind !== 'note') ended.failure = word
  })
  output.setEncoding('utf8').on('data', (more: string) => {
    text += more
    if (!text.startsWith(FILL)) return
    text = text.slice(FILL.length)
    try {
      fill(metadata, child.pid!)
      input.end('g')
    } catch (error) {
      fault = error
      child.kill()
    }
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', status => {
      if (fault !== undefined) reject(fault)
      else resolve(status === 0 ? { form: text.trim() } : ended)
    })
  })
}

/** A path that is not UTF-8 cannot be a word; then nothing is compared. */
const probeWords = (path: string | undefined): string[] =>
  path === undefined || /[^\x20-\x7e]/.test(path) ? [] : ['--probe', path]

const FILL = 'fill\n'

/** The folder lies in the mount namespace of the launcher, whose tree is reached through /proc. */
function fill(metadata: MetadataTree, pid: number): void {
  const root = openSync(`/proc/${pid}/root/meta`, files.O_RDONLY | files.O_DIRECTORY)
  try {
    writeMetadataFolder(metadata, root)
  } finally {
    closeSync(root)
  }
}

const failureFeature = (failure: LauncherFailure | undefined): string =>
  failure?.kind === 'error' ? failure.feature : ''

function mountError(failure: LauncherFailure | undefined): StrataError {
  const hint = failure?.kind === 'error' ? failure.hint : undefined
  return new StrataError(failureFeature(failure) === 'target' ? 'MOUNT_TARGET' : 'MOUNT_FAILED', {
    message: failure?.message ?? 'the launcher was stopped',
    facts: { feature: failureFeature(failure) },
    hint: hint ?? 'compose doctor'
  })
}
