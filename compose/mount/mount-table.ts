/** What is mounted in this mount namespace: proc(5), /proc/PID/mountinfo. */
import { readFileSync } from 'node:fs'

export interface Mounted {
  /** Unique among the mounts that are there at one time. */
  number: number
  /** As latin1, like all names of the host here. */
  place: string
  type: string
  source: string
}

/** The mount that is seen at a path without links, if one lies exactly there. */
export const mountedAt = (path: string): Mounted | undefined =>
  mountTable().findLast(({ place }) => place === path)

export function mountTable(): Mounted[] {
  const lines = readFileSync('/proc/self/mountinfo', 'latin1').split('\n').slice(0, -1)
  return lines.map(line => {
    const fields = line.split(' ')
    const [type, source] = fields.slice(fields.indexOf('-') + 1)
    return { number: Number(fields[0]), place: unescaped(fields[4]), type, source: unescaped(source) }
  })
}

/** The mount that an open file lies in; undefined if this mount namespace does not have it. */
export function mountOf(fd: number, table = mountTable()): Mounted | undefined {
  const [, number] = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')) ?? []
  return table.find(mounted => mounted.number === Number(number))
}

/** Blanks, tabs, newlines and backslashes are octal numbers. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
