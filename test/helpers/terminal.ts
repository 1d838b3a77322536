import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { COMPOSE, environment } from './compose.ts'
import { scratch } from './scratch.ts'

/** A pseudo-terminal with the command in it; needs tmux. */
export interface Terminal {
  /**
   * Run the command with these words on a terminal of that width.
   * @returns the lines on the screen and those that went out of it, without blanks at their ends
   */
  run(width: number, ...words: string[]): Promise<string[]>
  close(): void
}

const ROWS = 50
const HISTORY_LINES = 100_000
const PATIENCE_MS = 120_000
const POLL_MS = 50

/** @param more of the environment */
export async function terminal(more: NodeJS.ProcessEnv, cwd: string): Promise<Terminal> {
  const folder = scratch()
  const settings = join(folder, 'tmux.conf')
  writeFileSync(settings, `set -g history-limit ${HISTORY_LINES}\n`)
  const socket = join(folder, 'socket')
  const tmux = (...words: string[]): string =>
    execFileSync('tmux', ['-S', socket, '-f', settings, ...words], {
      cwd,
      encoding: 'utf8',
      env: { ...environment('', more), TERM: 'xterm', LC_ALL: 'C.UTF-8', PS1: '$ ' }
    })
  tmux('new-session', '-d', '-x', '80', '-y', String(ROWS), 'sh')
  let runs = 0
  return {
    async run(width, ...words) {
      const end = `end-of-run-${++runs}`
      tmux('resize-window', '-x', String(width), '-y', String(ROWS))
      tmux('send-keys', 'clear', 'Enter')
      tmux('clear-history')
      const line = [process.execPath, COMPOSE, ...words].map(quoted).join(' ')
      // tmux resizes some time later. In two parts: the line that is typed must not look like the line that it prints.
      const resized = `until stty size | grep -q ' ${width}$'; do sleep 0.05; done`
      tmux(
        ...['send-keys', '-l'],
        `${resized}; clear; printf 'begin\\n'; ${line}; printf '%s%s\\n' end-of -run-${runs}`
      )
      tmux('send-keys', 'Enter')
      return linesBetween(await seen(() => tmux('capture-pane', '-p', '-S', '-'), end), end)
    },
    close: () => {
      tmux('kill-server')
    }
  }
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

async function seen(read: () => string, end: string): Promise<string[]> {
  const until = Date.now() + PATIENCE_MS
  for (;;) {
    const lines = read().split('\n')
    if (lines.includes(end)) return lines
    if (Date.now() > until) throw new Error(`no ${end} on the screen:\n${lines.join('\n')}`)
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
}

const linesBetween = (lines: string[], end: string): string[] =>
  lines.slice(lines.lastIndexOf('begin', lines.indexOf(end)) + 1, lines.indexOf(end))
