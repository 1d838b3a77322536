import { execFileSync, spawnSync } from 'node:child_process'
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test, uvu } from 'uvu'
import { asUser, USER } from './runtimes.ts'
import { SIZE } from './size.ts'
import { suite } from './suite.ts'

/**
 * A test that needs root, a kernel mount or a program that is not there is skipped with a line that says which.
 * At the sizes `check` and `all` a missing program fails the run instead.
 */

// Debian keeps some programs where the PATH of users does not lead: a test that finds one has to run it as well.
process.env.PATH += ':/usr/sbin:/sbin'

/** The needs of tests that take long. */
const CHECK_SIZE = 'the size of .ci/run'
const ALL_SIZE = 'the size of npm run test:all'

type Need = 'root' | 'user' | 'fuse' | 'userns' | '32-bit' | (string & {})

/** Conditions that no package can provide. */
const CONDITIONS: Record<string, () => boolean> = {
  root: () => process.getuid?.() === 0,
  user: () => process.getuid?.() !== 0,
  fuse: canMountByFuse,
  userns: hasUserNamespaces,
  '32-bit': runsShortPrograms,
  [CHECK_SIZE]: () => SIZE !== 'quick',
  [ALL_SIZE]: () => SIZE === 'all'
}

/** Checked as an ordinary user, because fusermount needs the name of the user who mounts. */
function canMountByFuse(): boolean {
  try {
    const isRoot = process.getuid?.() === 0
    if (isRoot) chmodSync('/dev/fuse', 0o666)
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    execFileSync('getent', ['passwd', String(isRoot ? USER : process.getuid?.())], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Containers and hardened kernels refuse them. */
function hasUserNamespaces(): boolean {
  const [program, ...words] = asUser(['unshare', '-Ur', 'true'])
  return spawnSync(program, words, { stdio: 'ignore' }).status === 0
}

/** An ELF header, a segment and `exit(0)` by int 0x80: 95 bytes that a kernel of x86-64 runs, unless it was told not to. */
const SHORT_PROGRAM = [
  '7f454c46010101000000000000000000020003000100000054800408340000000000000000000000340020000100000000000000',
  '0100000000000000008004080080040860000000600000000500000000100000',
  'b80100000031dbcd80'
].join('')

/** Kernels may be started without 32-bit programs. */
function runsShortPrograms(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'strata-32-bit-'))
  try {
    const file = join(folder, 'program')
    writeFileSync(file, Buffer.from(SHORT_PROGRAM, 'hex'), { mode: 0o700 })
    return spawnSync(file).status === 0
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Packages without a program, and a file of each. */
const LIBRARIES: Record<string, string> = {
  'gcc-multilib': '/usr/lib32/crt1.o',
  'libnss-extrausers': '/usr/lib/libnss_extrausers.so.2',
  'openmpi-bin': '/var/lib/dpkg/info/openmpi-bin.list',
  'golang-github-sylabs-sif-dev': '/usr/share/gocode/src/github.com/sylabs/sif/go.mod',
  'python3-lark': '/usr/lib/python3/dist-packages/lark/__init__.py'
}

/** A busybox that is the only file of a tree: Debian's package `busybox` needs the C library of the host. */
function hasStaticBusybox(): boolean {
  const { status, stdout } = spawnSync('sh', ['-c', 'command -v busybox'])
  // Linkers put the path of the loader, if there is one, right behind the headers.
  return status === 0 && !readFileSync(stdout.toString().trim()).subarray(0, 4096).includes('/ld-')
}

const found = new Map<string, boolean>()

function isThere(need: Need): boolean {
  if (need in CONDITIONS) return CONDITIONS[need]()
  if (need in LIBRARIES) return existsSync(LIBRARIES[need])
  let there = found.get(need)
  if (there === undefined) {
    there = need === 'busybox-static' ? hasStaticBusybox() : isInstalled(need)
    found.set(need, there)
  }
  return there
}

export const isInstalled = (program: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0

/** Defines a test under a title, as a suite does; `skip` counts one that is not run. */
interface Define<T> {
  (title: string, test: uvu.Callback<T>): void
  skip: () => void
}

/**
 * `suite` as it is where every need is met, else a stand-in whose tests are skipped.
 * @param needs `root`, `user`, `fuse` and `userns` for the user who runs the runtimes, or names of programs
 */
export function needing<T>(suite: Define<T>, ...needs: Need[]): Define<T> {
  const missing = needs.filter(need => !isThere(need))
  if (missing.length === 0) return suite
  const standIn = (title: string) => {
    const tools = missing.filter(need => !(need in CONDITIONS))
    if (SIZE !== 'quick' && tools.length > 0) {
      suite(title, () => {
        throw new Error(`needs ${tools.join(', ')}, which is not installed`)
      })
      return
    }
    console.log(`skipped: ${title}: needs ${missing.join(', ')}`)
    suite.skip()
  }
  return Object.assign(standIn, { skip: suite.skip })
}

/** Tests that take too long for daily work, in a file of which others belong to it. */
export const atCheckSize = <T>(suite: Define<T>): Define<T> => needing(suite, CHECK_SIZE)

/** Tests that take too long for a check as well: others ask the same of the same program, with fewer cases. */
export const atAllSize = <T>(suite: Define<T>): Define<T> => needing(suite, ALL_SIZE)

/** A suite of which no test can run without these needs, with its hooks. */
export function suiteNeeding(name: string, ...needs: Need[]): Test {
  const tests = suite(name)
  if (needs.every(isThere)) return tests
  const nothing = Object.assign(() => {}, { each: () => {} })
  return Object.assign(needing(tests, ...needs), { ...tests, before: nothing, after: nothing })
}
