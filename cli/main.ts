#!/usr/bin/env node
/** The command `compose`: finds the verb, loads its file, prints errors, and sets the exit status. */
import { debuglog } from 'node:util'
import { Command, CommanderError, Option } from 'commander'
import { STOP_SIGNALS, StrataError, showLines } from '../store/values/index.ts'
import { defineVerbs, verbOf } from './load-verbs.ts'
import {
  EndedBySignal,
  ExitStatus,
  endBySignal,
  formatDocument,
  isAllWritten,
  processIo,
  standardOutput,
  statusWhenReaderLeaves,
  whenOutputFails
} from './process/index.ts'
import { stopOnSignals } from './stop-on-signals.ts'
import { takeOnce } from './take-once.ts'
import { VERBS } from './verbs.ts'
import { version } from './version.ts'

const debug = debuglog('strata')
const USAGE_STATUS = 2
const VERSION_TOLD = 'commander.version'
/** Where help goes. */
const OUTPUT = {
  writeOut: (text: string) => void standardOutput().write(text),
  writeErr: (text: string) => void process.stderr.write(showLines(text))
}

export async function main(argv: string[]): Promise<number> {
  stopOnSignals(argv.includes('--json'))
  const program = new Command('compose')
    .description('Compose HPC software modules into a sandbox or one immutable SquashFS image.')
    .option('-V, --version', 'print the version; with --verbose also the versions of libraries')
    .option('--store <DIR>', 'the store to use (default: $COMPOSE_STORE)')
    .option('--stack <FILE>', 'the stack file (default: $COMPOSE_STACK, or stack.yaml)')
    .option('--json', 'print one JSON document')
    .option('-q, --quiet', 'print no notes and no progress')
    .showHelpAfterError('try: compose --help')
    .helpCommand(false) // `help` is a verb of ours, because it also knows modules
    .exitOverride()
    .configureOutput(OUTPUT)
    .on('option:version', tellVersion)
  // Defined only with --version, because verbs have their own --verbose.
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

/** Commander's own --version needs the text at definition time. Reading it only when asked saves start-up time. */
function tellVersion(): never {
  standardOutput().write(`${version()}\n`)
  throw new CommanderError(0, VERSION_TOLD, version())
}

async function tellLibraries(): Promise<void> {
  const { describeForeignCode } = await import('./foreign-code.ts')
  standardOutput().write(`${describeForeignCode()}\n`)
}

/**
 * Loads the file of the verb that was typed, or all files for help and for an unknown verb. A value may be spelled
 * like a verb (`--store import show …`), so each word that could be the verb is loaded.
 */
async function addCommands(program: Command, argv: string[]): Promise<void> {
  const typed = new Set(argv.flatMap(word => verbOf(word) ?? []))
  const isAllOfThem = (typed.size === 0 && !isVersionAsked(argv)) || typed.has('help')
  await defineVerbs(program, isAllOfThem ? Object.keys(VERBS) : typed)
  if (isAllOfThem) await addSurroundings(program)
  takeOnce(program)
  // Sub-commands do not inherit these settings when they are made apart from their parent.
  for (const command of program.commands)
    command.exitOverride().configureOutput(OUTPUT).showHelpAfterError(remedyOf(command.name()))
}

/** `compose run x.sqfs ls -l` without `--` takes -l as an option of ours. */
const remedyOf = (verb: string): string =>
  `try: compose ${verb} --help${['run', 'capture'].includes(verb) ? '; options of the program stand behind --' : ''}`

async function addSurroundings(program: Command): Promise<void> {
  const { formatSurroundings } = await import('./manual/surroundings.ts')
  program.addHelpText('after', formatSurroundings())
}

/** An ACCESS_DENIED error with the reason added. Loaded only here, because the reason is found by reading stores. */
async function addDenialReason(error: unknown): Promise<unknown> {
  if (!(error instanceof StrataError) || error.code !== 'ACCESS_DENIED') return error
  const { explainDenial } = await import('../store/access/denied.ts')
  return explainDenial(error)
}

async function report(error: unknown, json: boolean): Promise<number> {
  if (error instanceof ExitStatus) return error.status
  if (error instanceof EndedBySignal) endBySignal(error.signal)
  // Loaded only here, because most commands do not fail.
  const { errorJson, renderError } = await import('./render/error.ts')
  if (error instanceof CommanderError) {
    // Commander has already printed the message to stderr.
    if (error.exitCode !== 0 && json) printJson(errorJson(usageError(error)))
    return error.exitCode === 0 ? 0 : USAGE_STATUS
  }
  // Ctrl-C ends a child program too, whose failure is then no news: the signal is seen first.
  await new Promise(setImmediate)
  debug('%o', error)
  const shown = await addDenialReason(error)
  if (json) printJson(errorJson(shown))
  processIo(false).error(renderError(shown))
  // The command was stopped while a program ran: the signal ends it, as a shell expects.
  const signal = STOP_SIGNALS.find(name => shown instanceof StrataError && shown.code === name)
  if (signal !== undefined) endBySignal(signal)
  return shown instanceof StrataError ? shown.exitStatus : 1
}

const printJson = (value: object) => standardOutput().write(`${formatDocument(value)}\n`)

const usageError = ({ code, message }: CommanderError): StrataError =>
  new StrataError('USAGE', {
    message: code === 'commander.help' ? 'no command was given' : message.replace(/^error: /, ''),
    hint: 'compose --help'
  })

whenOutputFails(error => {
  if (error.code === 'EPIPE') process.exit(statusWhenReaderLeaves())
  void report(error, false).then(status => process.exit(status))
})

// No `await` here, because the bundle is not an ES module.
void main(process.argv.slice(2)).then(status => {
  process.exitCode = status
  // Without this call, Node takes 10 ms to free memory that the system frees anyway.
  if (isAllWritten()) process.exit()
})
