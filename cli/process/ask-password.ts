import { createInterface } from 'node:readline'
import { StrataError } from '../../store/values/index.ts'

/** A line that the user types. @throws StrataError USAGE if nobody is at a terminal */
export function askLine(question: string): Promise<string> {
  assertTerminal()
  return new Promise(resolve => {
    const lines = createInterface({ input: process.stdin, output: process.stderr })
    lines.question(question, answer => {
      lines.close()
      resolve(answer)
    })
  })
}

const CTRL_C = '\x03'
const CTRL_D = '\x04'
const BACKSPACES = ['\x7f', '\b']

/** A line that does not appear on the terminal. @throws StrataError USAGE if nobody is at a terminal */
export function askPassword(question: string): Promise<string> {
  assertTerminal()
  const { stdin, stderr } = process
  stderr.write(question)
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  return new Promise(resolve => {
    let typed = ''
    const end = (after: () => void) => {
      stdin.off('data', take)
      stdin.setRawMode(false)
      stdin.pause()
      stderr.write('\n')
      after()
    }
    const take = (text: string) => {
      for (const character of text) {
        if (character === '\r' || character === '\n' || character === CTRL_D) return end(() => resolve(typed))
        if (character === CTRL_C) return end(() => process.kill(process.pid, 'SIGINT'))
        typed = BACKSPACES.includes(character) ? [...typed].slice(0, -1).join('') : typed + character
      }
    }
    stdin.on('data', take)
    stdin.resume()
  })
}

function assertTerminal(): void {
  if (process.stdin.isTTY) return
  throw new StrataError('USAGE', {
    message: 'nobody can be asked, because standard input is not a terminal',
    hint: 'compose login HOST --username NAME --password-stdin < FILE'
  })
}

const LONGEST_PASSWORD = 1 << 16

/** All of standard input but the end of its line. @throws StrataError USAGE */
export async function readPassword(): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of process.stdin) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes > LONGEST_PASSWORD)
      throw new StrataError('USAGE', { message: `the password is longer than ${LONGEST_PASSWORD} bytes` })
  }
  return Buffer.concat(pieces)
    .toString('utf8')
    .replace(/\r?\n$/, '')
}
