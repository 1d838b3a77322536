import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { type PathBytes, pathFromBuffer } from '../../../store/values/path-bytes.ts'
import { scratch } from '../../helpers/scratch.ts'

/** Runs a program in `cwd` and returns its output as a byte string. Arguments may be byte strings too. */
export function run(cwd: string, program: string, args: string[], input?: Buffer): string {
  // Node passes arguments as UTF-8; $'\351' lets bash make any other byte.
  const quoted = args.map(argument => `$'${[...Buffer.from(argument, 'latin1')].map(byteEscape).join('')}'`)
  const output = execFileSync('bash', ['-c', `${program} ${quoted.join(' ')}`], {
    cwd,
    input: input ?? '',
    stdio: ['pipe', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    env: { ...process.env, LC_ALL: 'C' }
  })
  return pathFromBuffer(output)
}

const byteEscape = (byte: number): string => `\\${byte.toString(8).padStart(3, '0')}`

/** Names that listings have to escape, or that tempt a parser to trim, split or decode. */
export const AWKWARD_NAMES: PathBytes[] = [
  'plain',
  'a b',
  'trailing ',
  'new\nline',
  'return\r',
  'tab\t',
  'back\\slash',
  'octal\\134',
  'quo"te',
  'equals=sign',
  'latin-\xe9',
  'utf8-\xc3\xa9',
  '\xa0',
  '\x01\x7f',
  '#hash',
  '# file: forged',
  'colon:comma,',
  'user::rwx'
]

/** A directory `tree` that holds an empty file, mode 0644, under each awkward name, in a fresh scratch directory. */
export function awkwardTree(names = AWKWARD_NAMES): string {
  const root = scratch()
  mkdirSync(`${root}/tree`)
  chmodSync(`${root}/tree`, 0o755)
  for (const name of names) {
    const path = Buffer.concat([Buffer.from(`${root}/tree/`), Buffer.from(name, 'latin1')])
    writeFileSync(path, '')
    chmodSync(path, 0o644)
  }
  return root
}
