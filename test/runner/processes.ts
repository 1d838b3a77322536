/**
 * Processes that a test file has started. Their parent may have ended, and they may have a session and a process group of
 * their own, so they are known by their TMPDIR, which is that of the file alone, and by the processes above them. Jenkins
 * finds what a build left behind in the same way (https://wiki.jenkins.io/display/JENKINS/ProcessTreeKiller).
 */
import { readdirSync, readFileSync } from 'node:fs'

/** Text of a file below /proc; empty where the process has ended or belongs to another user. */
function read(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1')
  } catch {
    return ''
  }
}

/** The fields after the name of the program, which may hold any character: proc(5), /proc/pid/stat. */
const statOf = (pid: number): string[] =>
  read(pid, 'stat')
    .replace(/^.*\) /s, '')
    .split(' ')

/** Whether a process has this folder, or one in it, as its TMPDIR. */
const isBelow = (pid: number, temporary: string): boolean =>
  read(pid, 'environ')
    .split('\0')
    .some(variable => `${variable}/`.startsWith(`TMPDIR=${temporary}/`))

/**
 * @param temporary the TMPDIR of the test file
 * @param root process of the test file, as long as it runs
 * @returns numbers of all that it started and that have not ended, itself included
 */
export function startedProcesses(temporary: string, root?: number): number[] {
  const pids = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
  const parents = new Map<number, number>()
  for (const pid of pids) {
    const [state, parent] = statOf(pid)
    if (state !== undefined && !'ZX'.includes(state)) parents.set(pid, Number(parent))
  }
  const started = new Set<number>()
  for (const pid of parents.keys()) if (pid === root || isBelow(pid, temporary)) started.add(pid)
  for (let before = -1; before !== started.size; ) {
    before = started.size
    for (const [pid, parent] of parents) if (started.has(parent)) started.add(pid)
  }
  started.delete(process.pid)
  return [...started]
}

/** End all processes that a test file has started; those that are started meanwhile end in a later round. */
export function endProcesses(temporary: string, root?: number): void {
  for (let round = 0; round < 10; round++) {
    const pids = startedProcesses(temporary, root)
    if (pids.length === 0) return
    for (const pid of pids)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // it has ended, or belongs to another user
      }
  }
}

/** `4711 sleep 60`, for a message. */
export function describeProcess(pid: number): string {
  const words = read(pid, 'cmdline').split('\0').join(' ').trim()
  return `${pid} ${words.length > 200 ? `${words.slice(0, 200)}…` : words}`
}
