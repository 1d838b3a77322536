/**
 * Finds libraries by name as the dynamic loader does: in its cache, or in the folders of its settings (ld.so(8),
 * ldconfig(8)).
 */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { type PathBytes, pathFromBuffer } from '../../../store/values/index.ts'
import type { HostTree } from './host-tree.ts'

const CACHE = 'etc/ld.so.cache'
const SETTINGS = 'etc/ld.so.conf'
/** Since glibc 2.2 (sysdeps/generic/dl-cache.h); before 2.32 behind a table of the older form. */
const MAGIC = 'glibc-ld.so.cache1.1'
const OLD_MAGIC = 'ld.so-1.7.0'
const HEADER_BYTES = 48
const ENTRY_BYTES = 24
const LARGEST_BYTES = 1 << 26
const MOST_INCLUDES = 100
const LONGEST_PATH_BYTES = 4096

/** Paths by library name, in the order in which the loader tries them. Files for special processors are left out. */
export function readLoaderCache(tree: HostTree): Map<PathBytes, PathBytes[]> {
  const bytes = readWhole(tree, CACHE)
  const start = bytes === undefined ? -1 : tableStart(bytes)
  const found = new Map<PathBytes, PathBytes[]>()
  if (bytes === undefined || start < 0 || start + HEADER_BYTES > bytes.length) return found
  const count = bytes.readUInt32LE(start + 20)
  for (let i = 0; i < count; i++) {
    const at = start + HEADER_BYTES + i * ENTRY_BYTES
    if (at + ENTRY_BYTES > bytes.length) break
    // A library for processors with certain instructions is skipped, because the plain one runs on all of them.
    if (bytes.readBigUInt64LE(at + 16) !== 0n) continue
    const [name, path] = [4, 8].map(field => stringAt(bytes, start + bytes.readUInt32LE(at + field)))
    const paths = found.get(name)
    if (paths === undefined) found.set(name, [path])
    else paths.push(path)
  }
  return found
}

function tableStart(bytes: Buffer): number {
  if (bytes.toString('latin1', 0, MAGIC.length) === MAGIC) return 0
  return bytes.toString('latin1', 0, OLD_MAGIC.length) === OLD_MAGIC ? bytes.indexOf(MAGIC, 0, 'latin1') : -1
}

/** Limited to the length of a path, because each of millions of entries could name the same text of megabytes. */
function stringAt(bytes: Buffer, offset: number): PathBytes {
  const longest = bytes.subarray(offset, offset + LONGEST_PATH_BYTES)
  const end = longest.indexOf(0)
  return pathFromBuffer(end < 0 ? longest : longest.subarray(0, end))
}

/** Folders of etc/ld.so.conf and the files that it includes, if there is no cache. */
export function readLoaderFolders(tree: HostTree): PathBytes[] {
  const folders: PathBytes[] = []
  const files: PathBytes[] = [SETTINGS]
  for (let read = 0; files.length > 0 && read < MOST_INCLUDES; read++) {
    for (const line of (readWhole(tree, files.shift()!)?.toString('latin1') ?? '').split('\n')) {
      const text = line.replace(/#.*/, '').trim()
      const include = /^include\s+(\S+)$/.exec(text)
      if (include !== null) files.push(...filesOfInclude(tree, include[1]))
      else if (text.startsWith('/')) folders.push(text.replace(/[=\s].*/, ''))
    }
  }
  return folders
}

/** Files of `include FOLDER/*.conf`, the only pattern in use. */
function filesOfInclude(tree: HostTree, pattern: PathBytes): PathBytes[] {
  const cut = pattern.lastIndexOf('/')
  const folder = tree.resolve(
    pattern.startsWith('/') ? pattern.slice(0, cut) : `etc/${pattern.slice(0, cut)}`,
    {
      followLast: true
    }
  )
  if (folder === undefined) return []
  const [before, after] = pattern.slice(cut + 1).split('*')
  return tree
    .names(folder)
    .filter(name => (after === undefined ? name === before : name.startsWith(before) && name.endsWith(after)))
    .map(name => `${folder}/${name}`)
}

function readWhole(tree: HostTree, path: PathBytes): Buffer | undefined {
  const real = tree.resolve(path, { followLast: true })
  if (real === undefined) return undefined
  const fd = tree.openForReading(real)
  try {
    const status = fstatSync(fd)
    if (!status.isFile()) return undefined
    const bytes = Buffer.alloc(Math.min(status.size, LARGEST_BYTES))
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0))
  } finally {
    closeSync(fd)
  }
}
