import type { ListedPath } from '../../compose/inspect/list-image.ts'
import { Kind } from '../../store/object/layer-index.ts'
import { showPath } from '../../store/path-bytes.ts'

const LETTER: Record<number, string> = {
  [Kind.directory]: 'd',
  [Kind.file]: '-',
  [Kind.symlink]: 'l',
  [Kind.block]: 'b',
  [Kind.character]: 'c',
  [Kind.fifo]: 'p',
  [Kind.socket]: 's'
}

/** A line as `ls -l` writes it, ids and UTC times so that it reads alike everywhere. */
export function renderListed({
  path,
  kind,
  mode,
  uid,
  gid,
  mtimeSeconds,
  sizeBytes,
  device,
  target,
  hasAcl
}: ListedPath): string {
  const size =
    device === undefined
      ? String(sizeBytes)
      : `${(device >>> 8) & 0xfff}, ${(device & 0xff) | ((device >>> 12) & 0xfff00)}`
  const time = new Date(mtimeSeconds * 1000).toISOString().slice(0, 19).replace('T', ' ')
  const name = `/${showPath(path)}${target === undefined ? '' : ` -> ${showPath(target)}`}`
  return `${LETTER[kind]}${formatMode(mode)}${hasAcl ? '+' : ' '} ${`${uid}:${gid}`.padEnd(11)} ${size.padStart(10)} ${time} ${name}`
}

/** `rwxr-sr-t` */
export function formatMode(mode: number): string {
  const special = [
    [0o4000, 's'],
    [0o2000, 's'],
    [0o1000, 't']
  ] as const
  return special
    .map(([bit, letter], i) => {
      const bits = (mode >> (6 - 3 * i)) & 7
      const execute = bits & 1 ? 'x' : '-'
      const last = mode & bit ? (bits & 1 ? letter : letter.toUpperCase()) : execute
      return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${last}`
    })
    .join('')
}
