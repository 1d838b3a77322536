import type { ListedPath } from '../../compose/inspect/index.ts'
import { Kind } from '../../store/object/index.ts'
import { showPath } from '../../store/values/index.ts'
import { bytesJson, kindJson, modeJson, pathJson } from './json-values.ts'

const LETTER: Record<number, string> = {
  [Kind.directory]: 'd',
  [Kind.file]: '-',
  [Kind.symlink]: 'l',
  [Kind.block]: 'b',
  [Kind.character]: 'c',
  [Kind.fifo]: 'p',
  [Kind.socket]: 's'
}

/** A line as `ls -l` prints it, but with numeric ids and UTC times, so that it is the same everywhere. */
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
  const { major, minor } = deviceNumbers(device ?? 0)
  const size = device === undefined ? String(sizeBytes) : `${major}, ${minor}`
  const time = new Date(mtimeSeconds * 1000).toISOString().slice(0, 19).replace('T', ' ')
  const name = `/${showPath(path)}${target === undefined ? '' : ` -> ${showPath(target)}`}`
  return `${LETTER[kind]}${formatMode(mode)}${hasAcl ? '+' : ' '} ${`${uid}:${gid}`.padEnd(11)} ${size.padStart(10)} ${time} ${name}`
}

/** Splits a device number as makedev(3) of Linux joins it. */
const deviceNumbers = (device: number) => ({
  major: (device >>> 8) & 0xfff,
  minor: (device & 0xff) | ((device >>> 12) & 0xfff00)
})

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

export function listedJson({ path, kind, mode, target, device, ...rest }: ListedPath): object {
  const { text, base64 } = bytesJson(target ?? '')
  return {
    ...pathJson(path),
    kind: kindJson(kind),
    mode: modeJson(mode),
    ...rest,
    ...(device !== undefined && { device: deviceNumbers(device) }),
    ...(target !== undefined && { target: text, ...(base64 !== undefined && { targetBase64: base64 }) })
  }
}
