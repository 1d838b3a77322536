/**
 * The loop of a fuzzer: inputs that reach new code are kept and changed further. With one seed and one number of
 * executions it does the same on every machine, but for what coverage tells.
 */

import { StrataError } from '../../store/values/errors.ts'
import { randomOf } from '../compose/helpers/random-layer.ts'
import { Coverage } from './coverage.ts'
import { type Mutation, mutated, withWord } from './mutate.ts'
import type { FuzzTarget } from './target.ts'

export interface FuzzOptions {
  seed: number
  /** Ends when either is reached. */
  executions?: number
  milliseconds: number
  /** Told of each input before it is tried, so that one that never ends can be named. */
  onInput?: (bytes: Buffer) => void
}

export interface FuzzReport {
  target: string
  executions: number
  refused: number
  /** Inputs kept, and places in the code that were reached. */
  kept: number
  reached: number
  finds: Find[]
}

export interface Find {
  bytes: Buffer
  fault: string
}

/** One input must not take more memory than this at once, whatever it claims. */
const MOST_MEMORY_KIB = 512 * 1024
/** Counters are read after so many inputs: reading them takes as long as hundreds of inputs. */
const BATCH = 64
const RAW = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/

/** The fault in the handling of an input; undefined if there is none. */
export async function tryInput(
  target: FuzzTarget,
  bytes: Buffer
): Promise<{ fault?: string; isRefused: boolean }> {
  const peakKib = process.resourceUsage().maxRSS
  try {
    await target.execute(bytes)
  } catch (error) {
    if (!(error instanceof StrataError))
      return { fault: (error as Error)?.stack ?? String(error), isRefused: true }
    const shown = [
      error.message,
      ...Object.values(error.facts).flat().map(String),
      error.hint?.replaceAll('\n', '') ?? ''
    ]
    if (shown.some(text => RAW.test(text)))
      return { fault: `prints raw: ${JSON.stringify(shown)}`, isRefused: true }
    return { isRefused: true }
  }
  const grownKib = process.resourceUsage().maxRSS - peakKib
  if (grownKib > MOST_MEMORY_KIB)
    return { fault: `took ${Math.round(grownKib / 1024)} MiB`, isRefused: false }
  return { isRefused: false }
}

export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzReport> {
  const random = randomOf(options.seed)
  const corpus: Buffer[] = (await target.seeds()).map(bytes => Buffer.from(bytes))
  const words = (target.words ?? []).map(word => Buffer.from(word as string))
  const more: Mutation[] = [
    ...(words.length > 0 ? [withWord(words)] : []),
    ...(target.mutate === undefined ? [] : [(bytes: Buffer, r: typeof random) => target.mutate!(bytes, r)])
  ]
  const coverage = new Coverage()
  const known = new Set<string>()
  const report: FuzzReport = {
    target: target.name,
    executions: 0,
    refused: 0,
    kept: 0,
    reached: 0,
    finds: []
  }
  const attempt = async (bytes: Buffer) => {
    options.onInput?.(bytes)
    const { fault, isRefused } = await tryInput(target, bytes)
    report.executions++
    if (isRefused) report.refused++
    // One find for each place that it comes from, whatever numbers stand in the message.
    const kind = fault?.split('\n').slice(0, 3).join('\n').replace(/\d+/g, 'N')
    if (fault === undefined || known.has(kind!)) return
    known.add(kind!)
    report.finds.push({ bytes, fault })
  }
  /** Which of a batch it was that reached something: they are tried again one by one. */
  const keepNew = async (batch: Buffer[], fresh: Set<string>) => {
    for (const bytes of batch) {
      if (fresh.size === 0) return
      await tryInput(target, bytes)
      const before = fresh.size
      for (const place of coverage.take()) fresh.delete(place)
      if (fresh.size === before) continue
      corpus.push(bytes)
      report.kept++
    }
  }
  for (const seed of corpus.slice()) await attempt(seed)
  const seen = coverage.take()
  const end = performance.now() + options.milliseconds
  while (performance.now() < end && report.executions < (options.executions ?? Infinity)) {
    const batch: Buffer[] = Array.from({ length: BATCH }, () =>
      mutated(corpus[random(corpus.length)], random, corpus[random(corpus.length)], more)
    )
    for (const bytes of batch) await attempt(bytes)
    const fresh = new Set([...coverage.take()].filter(place => !seen.has(place)))
    for (const place of fresh) seen.add(place)
    await keepNew(batch, fresh)
    if (corpus.length > 2000) corpus.splice(random(1000), 100)
  }
  report.reached = seen.size
  coverage.close()
  return report
}
