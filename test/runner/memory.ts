/**
 * What the last runs of each size found about each test file: its time, and whether it failed. It lies in the user's cache,
 * outside of the checkout, so that a fresh clone knows it too. It decides in which order files run and how long each may
 * take; without it, or where it cannot be written, tests run all the same.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { SIZE } from '../helpers/size.ts'

interface Remembered {
  hasFailed: boolean
  /** Of the last run that passed; not there for a file that has never passed, or was ended at its limit. */
  seconds?: number
}

const FILE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'strata-tests', `${SIZE}.json`)

/** A file may take this many times as long as it took last, since machines are busy. */
const PATIENCE = 3
const LEAST_SECONDS = 60

export class Memory {
  readonly #files: Map<string, Remembered>

  constructor() {
    this.#files = new Map(Object.entries(readMemory()))
  }

  /** How long a file may take, in seconds. */
  limitOf(name: string, mostSeconds: number): number {
    const usual = this.#files.get(name)?.seconds ?? Number.POSITIVE_INFINITY
    return Math.min(mostSeconds, Math.max(LEAST_SECONDS, PATIENCE * usual))
  }

  /**
   * Sorts names: what failed last time comes first, then what has never run, then the slowest, since a slow file that began
   * last would keep a single core busy at the end. The order of what has never run is kept.
   */
  readonly compare = (a: string, b: string): number => this.#rank(b) - this.#rank(a)

  /** Above the time of every file: 2^31 for one that failed, 2^30 for one that has never run. */
  #rank(name: string): number {
    const remembered = this.#files.get(name)
    if (remembered?.hasFailed) return 2 ** 31
    return remembered?.seconds ?? 2 ** 30
  }

  /** @param seconds not for a file that was ended at its limit: its usual time is then unknown */
  remember(name: string, hasFailed: boolean, seconds?: number): void {
    this.#files.set(name, { hasFailed, seconds })
  }

  /** Other runs may have remembered other files meanwhile; of one that both ran, the last word counts. */
  save(names: string[]): void {
    const mine = names.flatMap(name => (this.#files.has(name) ? [[name, this.#files.get(name)]] : []))
    const all = { ...readMemory(), ...Object.fromEntries(mine) }
    try {
      mkdirSync(dirname(FILE), { recursive: true })
      writeFileSync(`${FILE}.${process.pid}`, JSON.stringify(all, null, 1))
      renameSync(`${FILE}.${process.pid}`, FILE)
    } catch {
      // a home that cannot be written: the next run knows as much as this one did
    }
  }
}

function readMemory(): Record<string, Remembered> {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8'))
  } catch {
    return {}
  }
}
