/**
 * This process becomes our launcher, which starts the program and ends as it does. Node is not needed meanwhile, and would take 50 MB
 * of memory for each rank of a job. If no program can be started, the launcher becomes this command again
 * (native/launch/again.c), which then reads here why.
 */
import { closeSync, readFileSync, writeSync } from 'node:fs'
import { becomeProgram, closeOnExec, forgetSignals, joinWords, memoryFile } from '../../native/index.ts'
import { StrataError, systemWords } from '../../store/values/index.ts'
import { type KeptUse, usedFile } from '../cache/index.ts'
import type { FoundRuntime } from './find-runtime.ts'
import { type LauncherFailure, wordsOfReport } from './read-report.ts'
import type { InPlace, RunRequest } from './runtime.ts'

/** The descriptor of the report. */
const VARIABLE = 'STRATA_NOT_STARTED'
const UNABLE = 125

export interface Becoming extends Pick<InPlace, 'isQuiet'> {
  /** By which this very command can be started. */
  words: string[]
  /** The entry of the cache that the image is, if it is one. */
  uses: KeptUse[]
}

/** @throws StrataError IO if the launcher cannot be started */
export async function becomeLauncher(
  { runtime, program }: FoundRuntime,
  request: RunRequest,
  inherited: number[],
  { words, isQuiet, uses: [use] }: Becoming
): Promise<never> {
  const caller = memoryFile()
  const variables = Object.entries(process.env).map(([name, value]) => `${name}=${value}`)
  writeSync(caller, joinWords([String(words.length), ...words, ...variables]))
  const inPlace = { caller, isQuiet, ...(use && { usedFile: usedFile(use.key, process.env) }) }
  const {
    args,
    environment,
    passed = []
  } = runtime.commandLine(program, { ...request, inPlace }, process.env)
  forgetSignals()
  await turnsOfTheLoop()
  process.emit('exit', 0) // for those who wait for our end
  closeOnExec()
  try {
    becomeProgram(program, [program, ...args], environment, [caller, ...passed, ...inherited])
  } catch (cause) {
    throw new StrataError('IO', {
      message: `${program} cannot be started: ${systemWords(cause as Error)}`,
      cause
    })
  }
  throw new TypeError('a process that became another one goes on')
}

/** Signals that came before are heard in the second one, at the latest. */
async function turnsOfTheLoop(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate)
}

/** Why the launcher became this command again; undefined if it did not. */
export function takeEarlierFailure(
  host: NodeJS.ProcessEnv
): { status: number; failure: LauncherFailure } | undefined {
  const number = host[VARIABLE]
  if (number === undefined) return undefined
  delete host[VARIABLE]
  try {
    const report = readFileSync(Number(number), 'utf8')
    closeSync(Number(number))
    const failure = wordsOfReport(report).find(word => word.kind === 'error')
    return failure && { status: UNABLE, failure }
  } catch {
    return undefined // somebody else's variable
  }
}
