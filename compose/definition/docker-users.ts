/** Users and groups of a tree, by the names in its own files. */
import { lstatSync, readFileSync } from 'node:fs'
import { placeIn } from './copy-files.ts'
import type { Ownership } from './docker-copy.ts'

export interface TreeUser extends Ownership {
  /** Undefined for a number that /etc/passwd does not have. */
  name?: string
  home: string
}

/** Fields of a line of /etc/passwd or /etc/group, by name or number. */
function fieldsOf(tree: string, file: string, wanted: string): string[] | undefined {
  const place = placeIn(tree, file)
  if (!lstatSync(place, { throwIfNoEntry: false })?.isFile()) return undefined
  return readFileSync(place, 'utf8')
    .split('\n')
    .map(line => line.split(':'))
    .find(([name, , id]) => name === wanted || id === wanted)
}

/**
 * `USER`, `USER:GROUP`, `UID:GID`.
 * @throws Error for a name that the tree does not have
 */
export function userOf(tree: string, text: string): TreeUser {
  const [user, group] = text.split(':')
  const found = fieldsOf(tree, '/etc/passwd', user)
  const uid = numberOf(found?.[2] ?? user, `the tree has no user ${user} in /etc/passwd`)
  const own = found?.[3] ?? '0'
  const gid = group === undefined ? own : (fieldsOf(tree, '/etc/group', group)?.[2] ?? group)
  return {
    ...(found && { name: found[0] }),
    uid,
    gid: numberOf(gid, `the tree has no group ${group} in /etc/group`),
    home: found?.[5] || '/'
  }
}

/**
 * Words before a command that is to run as a user: a program of util-linux, else su(1).
 * @throws Error if the tree has only the latter, and no name for the user
 */
export function switchTo(tree: string, { name, uid, gid }: TreeUser): string[] {
  if (uid === 0) return []
  const programs = ['usr/bin', 'bin', 'usr/sbin', 'sbin'].flatMap(folder =>
    ['setpriv', 'su'].map(program => placeIn(tree, `/${folder}/${program}`))
  )
  const found = programs.filter(place => lstatSync(place, { throwIfNoEntry: false })?.isFile())
  // That of busybox, a link, cannot change users. In a tree with neither, a folder of the host may bring one.
  if (found.length === 0 || found.some(place => place.endsWith('/setpriv')))
    return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--']
  if (name === undefined)
    throw new Error(
      `the tree has no program that changes to user ${name ?? uid}: wanted setpriv, of util-linux`
    )
  return ['su', '-s', '/bin/sh', name, '-c', 'exec "$0" "$@"']
}

/** For `--chown`: a number without a group stands for both. @throws as userOf */
export function ownerOf(tree: string, text: string): Ownership {
  const { uid, gid } = userOf(tree, /^\d+$/.test(text) ? `${text}:${text}` : text)
  return { uid, gid }
}

function numberOf(text: string, otherwise: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(value < 0xffff_ffff)) throw new Error(otherwise)
  return value
}
