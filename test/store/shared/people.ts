/** Users of a site, by ids that no account has, as whom commands really run: nothing is mocked. */
import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE, documentOf, environment, type Ran } from '../../helpers/compose.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { SIZE } from '../../helpers/size.ts'
import { runWarm } from '../../helpers/warm-compose.ts'

export const PUBLISHERS = 61000
export const VASP = 61001
export const CHEM = 61002

export interface Person {
  uid: number
  groups: number[]
}

export const alice: Person = { uid: 61011, groups: [PUBLISHERS] }
export const bob: Person = { uid: 61012, groups: [PUBLISHERS] }
export const carol: Person = { uid: 61013, groups: [PUBLISHERS, VASP] }
/** Read, and publish nothing. */
export const reader: Person = { uid: 61021, groups: [] }
export const vaspUser: Person = { uid: 61022, groups: [VASP] }
export const chemist: Person = { uid: 61023, groups: [CHEM] }
export const root: Person = { uid: 0, groups: [] }

export interface AsOptions {
  umask?: string
  env?: NodeJS.ProcessEnv
}

const DEFAULT_UMASK = '022'

/** What stands before a program that somebody starts. */
const as = ({ uid, groups }: Person): string[] => [
  ...['setpriv', '--reuid', `${uid}`, '--regid', `${uid}`],
  ...(groups.length === 0 ? ['--clear-groups'] : ['--groups', groups.join(',')]),
  '--'
]

/** Run a program as somebody, in all of the groups and no others. */
export function runAs(
  who: Person,
  command: string[],
  store: string,
  { umask = DEFAULT_UMASK, env = {} }: AsOptions = {}
): Ran {
  const [program, ...words] = [...as(who), 'bash', '-c', `umask ${umask}; exec "$@"`, 'bash', ...command]
  const { status, stdout, stderr } = spawnSync(program, words, {
    env: environment(store, env),
    maxBuffer: 1 << 26
  })
  return { status, out: stdout.toString(), err: stderr.toString() }
}

/** At the size `all` each command starts, as for users; else one process for each person runs theirs. */
export function composeAs(who: Person, store: string, args: string[], options: AsOptions = {}): Ran {
  const words = ['--json', ...args]
  if (SIZE === 'all') return runAs(who, [process.execPath, COMPOSE, ...words], store, options)
  const { umask = DEFAULT_UMASK, env } = options
  return runWarm({ args: words, env: environment(store, env), umask }, as(who))
}

/** The document that a successful command prints. */
// biome-ignore lint/suspicious/noExplicitAny: the tests look into documents of all commands
export function composedAs(who: Person, store: string, args: string[], options?: AsOptions): any {
  const ran = composeAs(who, store, args, options)
  assert.is(ran.status, 0, `compose ${args.join(' ')} as ${who.uid}: ${ran.err}`)
  return documentOf(ran.out)
}

/** The error of a command that must fail. */
export function failsAs(
  who: Person,
  store: string,
  args: string[],
  options?: AsOptions
): { code: string; message: string; facts: Record<string, unknown>; hint?: string; exitStatus: number } {
  const ran = composeAs(who, store, args, options)
  assert.not.equal(ran.status, 0, `compose ${args.join(' ')} as ${who.uid} went well: ${ran.out}`)
  assert.not.match(ran.err, /^ {4}at /m, 'no stack trace')
  return JSON.parse(ran.out).error
}

export interface SharedStore {
  /** Everybody may enter it and read what is there. */
  folder: string
  store: string
}

/** A store of a group has 1,300 folders, which a disk makes and removes in seconds: at the size `all` they lie on one. */
const STORES = SIZE === 'all' ? undefined : '/dev/shm'

/** A store that root made for the publishers. */
export function sharedStore(options?: AsOptions): SharedStore {
  const folder = scratch(STORES)
  chmodSync(folder, 0o755)
  const store = join(folder, 'store')
  composedAs(root, store, ['init', '--group', `${PUBLISHERS}`, '--level', '1'], options)
  return { folder, store }
}

/** A tarball that everybody may read, of one folder with some files. */
export function tarball(folder: string, name: string, { acl = false } = {}): string {
  bash(
    `cd "$1"; mkdir -p "t-$2/opt/$2"; seq 20000 > "t-$2/opt/$2/numbers"; echo "$2" > "t-$2/opt/$2/secret-name-$2"
    ${acl ? 'setfacl -m u:77:r-- "t-$2/opt/$2/numbers"' : ''}
    tar -C "t-$2" --acls --owner=0 --group=0 --numeric-owner -cf "$2.tar" opt; chmod 644 "$2.tar"`,
    folder,
    name
  )
  return join(folder, `${name}.tar`)
}

/** Published files of a store, without notes. */
export const contentFiles = (store: string): string[] =>
  bash('cd "$1"; find blobs data parts objects -type f ! -name "*.checked" | sort', store)
    .toString()
    .trim()
    .split('\n')

/** Which files of a store somebody can open, by asking the kernel. */
export const readableBy = (who: Person, store: string, files: string[]): string[] =>
  runAs(
    who,
    [
      'bash',
      '-c',
      'cd "$0"; for f; do head -c 1 "$f" >/dev/null 2>&1 && echo "$f"; done; true',
      store,
      ...files
    ],
    store
  )
    .out.split('\n')
    .filter(line => line !== '')
