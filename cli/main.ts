#!/usr/bin/env node
/** The command `compose`: finds the verb, loads its file, prints what went wrong, and ends with its exit status. */
import { debuglog } from 'node:util'
import { Command, CommanderError, Option } from 'commander'
import { StrataError } from '../store/values/index.ts'
import { ExitStatus, formatDocument, statusWhenReaderLeaves } from './context/index.ts'
import { takeOnce } from './flags/index.ts'
import { defineVerbs, verbOf } from './load-verbs.ts'
import { VERBS } from './verbs.ts'
import { version } from './version.ts'

const debug = debuglog('strata')
const USAGE_STATUS = 2
const VERSION_TOLD = 'commander.version'

export async function main(argv: string[]): Promise<number> {
  const program = new Command('compose')
    .description('Compose HPC software modules into a sandbox or one immutable SquashFS image.')
    .option('-V, --version', 'print the version; with --verbose those of libraries too')
    .option('--store <DIR>', 'the store to use (default: $COMPOSE_STORE)')
    .option('--stack <FILE>', 'the stack file (default: $COMPOSE_STACK, or stack.yaml)')
    .option('--json', 'print one JSON document')
    .option('-q, --quiet', 'print no notes, no progress')
    .showHelpAfterError('try: compose --help')
    .helpCommand(false) // `help` is a verb like others: it tells of modules, too
    .exitOverride()
    .on('option:version', tellVersion)
  // Otherwise it is an option of verbs: known here too, it would never reach them.
  if (isVersionAsked(argv)) program.addOption(new Option('--verbose').hideHelp())
  try {
    await addCommands(program, argv)
    await program.parseAsync(argv, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError && error.code === VERSION_TOLD && argv.includes('--verbose'))
      await tellLibraries()
    return await report(error, argv.includes('--json'))
  }
}

const isVersionAsked = (argv: string[]): boolean => argv.some(word => ['-V', '--version'].includes(word))

/** Commander's own option wants the text before anybody asked for it. */
function tellVersion(): never {
  process.stdout.write(`${version()}\n`)
  throw new CommanderError(0, VERSION_TOLD, version())
}

async function tellLibraries(): Promise<void> {
  const { describeForeignCode } = await import('./foreign-code.ts')
  process.stdout.write(`${describeForeignCode()}\n`)
}

/**
 * One file is loaded for the verb that was typed; all of them for help, or when it is none we know. A value may be
 * spelled like a verb (`--store import show …`), so each word that could be the verb is loaded.
 */
async function addCommands(program: Command, argv: string[]): Promise<void> {
  const typed = new Set(argv.flatMap(word => verbOf(word) ?? []))
  const isAllOfThem = (typed.size === 0 && !isVersionAsked(argv)) || typed.has('help')
  await defineVerbs(program, isAllOfThem ? Object.keys(VERBS) : typed)
  if (isAllOfThem) await addSurroundings(program)
  takeOnce(program)
  // Sub-commands do not inherit it when they are made apart from their parent.
  for (const command of program.commands)
    command.exitOverride().showHelpAfterError(`try: compose ${command.name()} --help`)
}

async function addSurroundings(program: Command): Promise<void> {
  const { formatSurroundings } = await import('./manual/surroundings.ts')
  program.addHelpText('after', formatSurroundings())
}

/** What explains a refusal reads stores, for which the addon has to be there. */
async function explained(error: unknown): Promise<unknown> {
  if (!(error instanceof StrataError) || error.code !== 'ACCESS_DENIED') return error
  const { explainDenial } = await import('../store/access/denied.ts')
  return explainDenial(error)
}

async function report(error: unknown, json: boolean): Promise<number> {
  if (error instanceof ExitStatus) return error.status
  // Most commands do what they should.
  const { errorJson, renderError } = await import('./render/error.ts')
  if (error instanceof CommanderError) {
    // It has told stderr by itself.
    if (error.exitCode !== 0 && json) printJson(errorJson(usageError(error)))
    return error.exitCode === 0 ? 0 : USAGE_STATUS
  }
  debug('%o', error)
  const shown = await explained(error)
  if (json) printJson(errorJson(shown))
  process.stderr.write(`${renderError(shown)}\n`)
  return shown instanceof StrataError ? shown.exitStatus : 1
}

const printJson = (value: object) => process.stdout.write(`${formatDocument(value)}\n`)

const usageError = ({ code, message }: CommanderError): StrataError =>
  new StrataError('USAGE', {
    message: code === 'commander.help' ? 'no command was given' : message.replace(/^error: /, ''),
    hint: 'compose --help'
  })

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(statusWhenReaderLeaves())
  void report(error, false).then(status => process.exit(status))
})

// No `await` here: the bundle is no module.
void main(process.argv.slice(2)).then(status => {
  process.exitCode = status
  // By itself Node takes 10 ms more to clear away what the system does.
  if (isWritten(process.stdout) && isWritten(process.stderr)) process.exit()
})

/** Nothing waits for a reader, and none has left: else the end comes when that is settled. */
function isWritten({ writableLength, errored }: NodeJS.WriteStream): boolean {
  return writableLength === 0 && errored === null
}
