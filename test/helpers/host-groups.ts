/** Groups of the host on which the tests run. Hosts differ in the names, and in the ids, of all groups but root's. */
import { execFileSync } from 'node:child_process'

export interface KnownGroup {
  name: string
  gid: number
}

const ask = (...words: string[]): string[] =>
  execFileSync('getent', ['group', ...words])
    .toString()
    .trim()
    .split('\n')

const readLine = (line: string): KnownGroup => {
  const [name, , gid] = line.split(':')
  return { name, gid: Number(gid) }
}

/** Two names may have one id, or one name two ids: then the host tells only one of them. */
function leadsBack({ name, gid }: KnownGroup): boolean {
  const [byName, byId] = [name, String(gid)].map(key => readLine(ask(key)[0]))
  return byName.gid === gid && byId.name === name
}

/** Some groups of this host, other than root's, whose names need no quotes. */
export function hostGroups(count: number): KnownGroup[] {
  const found: KnownGroup[] = []
  for (const group of ask().map(readLine)) {
    if (found.length === count) break
    if (group.gid !== 0 && /^[a-z][a-z0-9]*$/.test(group.name) && leadsBack(group)) found.push(group)
  }
  if (found.length < count) throw new Error(`this host has ${found.length} groups, the test needs ${count}`)
  return found
}

/** A group that no host has. */
export const NOBODYS_GROUP = 'no-such-group-here'
