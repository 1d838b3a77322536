import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs'
import { listXattr, removeXattr } from '../../../native/index.ts'
import { bash } from '../../helpers/real-tree.ts'

/**
 * Unpacks layers as a container engine does, in the plainest way: for each layer whiteouts first, then paths in the
 * way of an entry, then GNU tar. It shares no code with the merge.
 */
export function extractLayers(tars: string[], into: string): void {
  mkdirSync(into)
  for (const tar of tars) {
    const members = bash('tar --quoting-style=escape -tf "$1"', tar)
      .toString('latin1')
      .split('\n')
      .filter(line => line !== '')
      .map(unescaped)
    for (const member of members) hide(into, member)
    for (const member of members) clear(into, member)
    bash(
      `tar --xattrs --xattrs-include='*' --acls --numeric-owner --same-owner --exclude='.wh.*' -C "$2" -xpf "$1"`,
      tar,
      into
    )
  }
}

const unescaped = (line: string) =>
  line.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))

function hide(into: string, member: string): void {
  const cut = member.lastIndexOf('/')
  const name = member.slice(cut + 1)
  if (!name.startsWith('.wh.')) return
  const above = member.slice(0, Math.max(cut, 0))
  const parent = `${into}/${above}`
  // Below what the layer is about to replace by a directory there is nothing to hide.
  if (!isPlainPath(into, above)) return
  if (name !== '.wh..wh..opq') remove(`${parent}/${name.slice(4)}`)
  else
    for (const child of readdirSync(bytes(parent), { encoding: 'buffer' }))
      remove(`${parent}/${child.toString('latin1')}`)
}

function clear(into: string, member: string): void {
  if (member === './' || member.slice(member.lastIndexOf('/') + 1).startsWith('.wh.')) return
  const path = member.replace(/\/$/, '')
  const cut = path.lastIndexOf('/')
  if (!isPlainPath(into, path.slice(0, Math.max(cut, 0)))) return
  const isThere = isDirectory(`${into}/${path}`)
  if (isThere && member.endsWith('/')) clearAttributes(`${into}/${path}`)
  else if (isThere !== undefined) remove(`${into}/${path}`)
}

/** An entry replaces a directory's attributes; GNU tar only adds. */
function clearAttributes(path: string): void {
  const fd = openSync(bytes(path), 'r')
  try {
    for (const name of listXattr(fd, '')) removeXattr(fd, '', name)
  } finally {
    closeSync(fd)
  }
}

/** True if every component is a real directory. */
function isPlainPath(into: string, path: string): boolean {
  let at = into
  for (const name of path.split('/')) {
    at += `/${name}`
    if (!isDirectory(at)) return false
  }
  return true
}

function isDirectory(path: string): boolean | undefined {
  return lstatSync(bytes(path), { throwIfNoEntry: false })?.isDirectory()
}

const bytes = (path: string) => Buffer.from(path, 'latin1')
const remove = (path: string) => rmSync(bytes(path) as unknown as string, { recursive: true, force: true })
