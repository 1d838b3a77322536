import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, openSync, writeSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import {
  chmodAt,
  chownAt,
  constants,
  linkAt,
  mkdirAt,
  mknodAt,
  openBeneath,
  symlinkAt,
  utimensAt
} from '../../../native/index.ts'
import type { AttributeCount } from '../../../store/acl/attribute-tally.ts'
import { readDirectoryAsTar } from '../../../store/directory/read-directory.ts'
import { StrataError } from '../../../store/values/errors.ts'

const { O_CREAT, O_DIRECTORY, O_RDONLY, O_WRONLY, S_IFBLK, S_IFCHR, S_IFIFO } = constants

type Content = Buffer | { sizeBytes: number; data: [offset: number, bytes: Buffer][] }

export type Node = {
  mode?: number
  owner?: [uid: number, gid: number]
  mtime?: [seconds: number, nanoseconds: number]
} & (
  | { directory: true }
  | { file: Content }
  | { symlink: string }
  | { hardLink: string }
  | { fifo: true }
  | { block: [number, number] }
  | { character: [number, number] }
)

const parentOf = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.')
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** Makes the nodes in the order given; parents come before what they hold. Directories get their times last. */
export function makeTree(directory: string, nodes: [path: string, node: Node][]): void {
  const top = openSync(directory, O_RDONLY | O_DIRECTORY)
  for (const [path, node] of nodes) make(top, path, node)
  for (const [path, { mtime }] of nodes.toReversed()) {
    const [seconds, nanoseconds] = mtime ?? [1_600_000_000, 0]
    inParent(top, path, (fd, name) => utimensAt(fd, name, seconds, nanoseconds))
  }
  closeSync(top)
}

function inParent(top: number, path: string, use: (parent: number, name: string) => void): void {
  const parent = openBeneath(top, parentOf(path), O_RDONLY | O_DIRECTORY)
  use(parent, nameOf(path))
  closeSync(parent)
}

function make(top: number, path: string, node: Node): void {
  inParent(top, path, (fd, name) => {
    if ('hardLink' in node) {
      inParent(top, node.hardLink, (from, old) => linkAt(from, old, fd, name))
      return
    }
    if ('directory' in node) {
      if (name !== '.') mkdirAt(fd, name, 0o755)
    } else if ('symlink' in node) symlinkAt(node.symlink, fd, name)
    else if ('file' in node) writeFile(fd, name, node.file)
    else if ('fifo' in node) mknodAt(fd, name, S_IFIFO | 0o600)
    else if ('block' in node) mknodAt(fd, name, S_IFBLK | 0o600, ...node.block)
    else mknodAt(fd, name, S_IFCHR | 0o600, ...node.character)
    if (node.owner !== undefined) chownAt(fd, name, ...node.owner)
    if (!('symlink' in node)) chmodAt(fd, name, node.mode ?? ('directory' in node ? 0o755 : 0o644))
  })
}

function writeFile(parent: number, name: string, content: Content): void {
  const fd = openBeneath(parent, name, O_CREAT | O_WRONLY, 0o600)
  if (Buffer.isBuffer(content)) writeSync(fd, content)
  else {
    for (const [offset, bytes] of content.data) writeSync(fd, bytes, 0, bytes.length, offset)
    execFileSync('truncate', ['-s', `${content.sizeBytes}`, '/dev/fd/3'], {
      stdio: ['ignore', 'ignore', 'inherit', fd]
    })
  }
  closeSync(fd)
}

const FIELDS = '%n\\0%f %u:%g %.9Y links %h device %Hr:%Lr\\0'

/** All that independent programs tell of a tree: one line a path, in byte order. */
export function describeTree(directory: string): string[] {
  const run = (command: string): string[] =>
    execFileSync('sh', ['-c', command], {
      cwd: directory,
      maxBuffer: 1 << 28,
      env: { ...process.env, LC_ALL: 'C' }
    })
      .toString('latin1')
      .split('\0')
  const inodes = new Map<string, string[]>()
  for (const line of run("find . ! -type d -links +1 -printf '%i %p\\0'").slice(0, -1).sort()) {
    const [inode, path] = [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]
    inodes.set(inode, [...(inodes.get(inode) ?? []), path].sort())
  }
  return [
    ...run(`find . -print0 | sort -z | xargs -0 stat --printf='${FIELDS}'`),
    ...run("find . -type f -printf 'size %s %p\\0' | sort -z"),
    ...run("find . -type l -printf 'link %p -> %l\\0' | sort -z"),
    ...run('find . -type f -print0 | sort -z | xargs -0 sha256sum -z'),
    ...[...inodes.values()].map(paths => `one file: ${paths.join(' ')}`).sort()
  ]
}

/** The attributes as getfattr shows them: path, then name and hex. */
export function describeAttributes(directory: string): string {
  return execFileSync(
    'sh',
    ['-c', 'find . -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m - -e hex --'],
    { cwd: directory }
  ).toString('latin1')
}

export interface ReadTree {
  bytes: Buffer
  sha256: string
  attributes: Map<string, Map<string, Uint8Array>>
  skipped: [path: string, reason: string][]
  leftOut: AttributeCount[]
}

/** @param between called after each chunk, to change the directory meanwhile */
export async function readTree(directory: string, between?: () => void): Promise<ReadTree> {
  const skipped: ReadTree['skipped'] = []
  const { tar, attributes, leftOut } = readDirectoryAsTar(directory, {
    onSkip: (...skip) => skipped.push(skip)
  })
  const chunks: Uint8Array[] = []
  for await (const chunk of tar) {
    chunks.push(chunk)
    between?.()
    await setImmediate()
  }
  const bytes = Buffer.concat(chunks)
  return {
    bytes,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    attributes,
    skipped,
    leftOut: leftOut.list()
  }
}

/** The error that `action` ends with. */
export async function failureOf(action: () => Promise<unknown>): Promise<StrataError> {
  try {
    await action()
  } catch (error) {
    if (error instanceof StrataError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** A script that prints the SHA-256 of the directory's tar, or what went wrong, as JSON: for other users. */
export const readingScript = (directory: string): string[] => [
  process.execPath,
  '--input-type=module',
  '-e',
  `
  const { createHash } = await import('node:crypto')
  const { readDirectoryAsTar } = await import(${JSON.stringify(new URL('../../../store/directory/read-directory.js', import.meta.url).href)})
  const hash = createHash('sha256')
  let sizeBytes = 0
  try {
    for await (const chunk of readDirectoryAsTar(${JSON.stringify(directory)}, { onSkip() {} }).tar) {
      hash.update(chunk)
      sizeBytes += chunk.length
    }
    console.log(JSON.stringify({ sha256: hash.digest('hex'), sizeBytes, memoryBytes: process.resourceUsage().maxRSS * 1024 }))
  } catch ({ code, message, hint }) {
    console.log(JSON.stringify({ code, message, hint }))
  }`
]

/** Runs a program as nobody. */
export const asNobody = (command: string[], env: Record<string, string> = {}): string =>
  execFileSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', ...command], {
    encoding: 'utf8',
    env: { ...process.env, ...env }
  })
