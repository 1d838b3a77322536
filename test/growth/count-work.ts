/**
 * Counts work instead of timing it, so that the same input gives the same number on a slow and on a busy machine.
 *
 * `steps` are the blocks of code that were run, as V8 counts them for coverage (ours and those of packages, not those of
 * Node), and what its built-in functions went through: elements of lists, steps of iterators, characters that were searched.
 * `bytes` are those that were allocated, copied, compared, hashed or decoded by functions that take many at once.
 */
import { createHash } from 'node:crypto'
import { Session } from 'node:inspector/promises'

export interface Work {
  steps: number
  bytes: number
}

// V8 counts the blocks of functions that it compiles from here on, and it compiles a function when it is first called.
const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })

export async function countWork(task: () => unknown): Promise<Work> {
  await session.post('Profiler.takePreciseCoverage') // begins anew
  const count: Work = { steps: 0, bytes: 0 }
  const restore = watchBuiltIns(count)
  try {
    await task()
  } finally {
    restore()
    const { result } = await session.post('Profiler.takePreciseCoverage')
    for (const { url, functions } of result)
      if (url.startsWith('file:') && !url.includes('/test/growth/'))
        for (const { ranges } of functions) for (const range of ranges) count.steps += range.count
  }
  return count
}

type Method = (this: never, ...given: never[]) => unknown

/** Computes the cost of a call from its object, its arguments and its result. */
type Cost = (self: never, given: never, result: never) => number

function watchBuiltIns(count: Work): () => void {
  const undo: (() => void)[] = []
  let isCounting = false
  const watch = (owner: object, names: PropertyKey[], kind: keyof Work, cost: Cost) => {
    for (const name of names) {
      const descriptor = Object.getOwnPropertyDescriptor(owner, name)
      const plain = descriptor?.value as Method | undefined
      if (typeof plain !== 'function') continue
      const counted = function (this: never, ...given: never[]) {
        const result = plain.apply(this, given)
        if (!isCounting) {
          isCounting = true
          try {
            count[kind] += cost(this, given as never, result as never)
          } finally {
            isCounting = false
          }
        }
        return result
      }
      Object.defineProperty(owner, name, { ...descriptor, value: counted })
      undo.push(() => Object.defineProperty(owner, name, descriptor!))
    }
  }
  watchLists(watch)
  watchTexts(watch)
  watchBytes(watch)
  return () => {
    for (const step of undo) step()
  }
}

type Watch = (owner: object, names: PropertyKey[], kind: keyof Work, cost: Cost) => void

const lengthOf = ({ length }: { length: number }): number => length
const lengthOfResult: Cost = (_self, _given, result: { length: number }) => result?.length ?? 0

function watchLists(watch: Watch): void {
  const moved: Cost = lengthOf as Cost
  watch(
    Array.prototype,
    ['shift', 'unshift', 'splice', 'reverse', 'fill', 'copyWithin', 'sort'],
    'steps',
    moved
  )
  watch(
    Array.prototype,
    ['slice', 'concat', 'flat', 'toSorted', 'toReversed', 'with'],
    'steps',
    lengthOfResult
  )
  watch(Array.prototype, ['push'], 'steps', (_self, given: unknown[]) => given.length)
  watch(Array.prototype, ['join'], 'steps', lengthOf as Cost)
  watch(Array.prototype, ['indexOf', 'includes', 'lastIndexOf'], 'steps', searched)
  watch(Array, ['from'], 'steps', lengthOfResult)
  watch(Object, ['keys', 'values', 'entries'], 'steps', lengthOfResult)
  watch(Object, ['assign', 'fromEntries'], 'steps', (_self, _given, result: object) => keyCount(result))
  for (const iterator of [[][Symbol.iterator](), new Map().entries(), new Set().values()])
    watch(Object.getPrototypeOf(iterator), ['next'], 'steps', () => 1)
}

const { keys } = Object
const keyCount = (value: object): number => keys(value).length

/** Up to what was found, or all. */
const searched: Cost = (self: { length: number }, _given, result: number | boolean) =>
  typeof result === 'number' && result >= 0 ? result + 1 : result === true ? self.length / 2 : self.length

const searchedFrom: Cost = (self: { length: number }, [, from]: [unknown, unknown?], at: number) =>
  Math.max(0, (at < 0 ? self.length : at) - (typeof from === 'number' ? from : 0))

function watchTexts(watch: Watch): void {
  const whole = lengthOf as Cost
  watch(
    String.prototype,
    ['split', 'replace', 'replaceAll', 'trim', 'trimEnd', 'toLowerCase', 'toUpperCase', 'normalize'],
    'bytes',
    whole
  )
  watch(String.prototype, ['repeat', 'padEnd', 'padStart', 'concat'], 'bytes', lengthOfResult)
  watch(String.prototype, ['indexOf'], 'bytes', searchedFrom)
  watch(String.prototype, ['includes', 'lastIndexOf', 'search'], 'bytes', searched)
  watch(JSON, ['parse'], 'bytes', (_self, [text]: [string]) => text.length)
  watch(JSON, ['stringify'], 'bytes', lengthOfResult)
  watch(
    RegExp.prototype,
    ['exec'],
    'bytes',
    (self: RegExp, [text]: [string], match: RegExpExecArray | null) =>
      match !== null ? match[0].length : self.sticky || self.source.startsWith('^') ? 1 : String(text).length
  )
}

function watchBytes(watch: Watch): void {
  const typed = Object.getPrototypeOf(Uint8Array.prototype)
  watch(typed, ['slice'], 'bytes', (_self, _given, result: Uint8Array) => result.byteLength)
  watch(typed, ['set'], 'bytes', (_self, [from]: [{ length: number }]) => from.length)
  watch(typed, ['copyWithin', 'sort', 'reverse', 'join'], 'bytes', lengthOf as Cost)
  watch(typed, ['indexOf'], 'bytes', searchedFrom)
  watch(typed, ['includes', 'lastIndexOf'], 'bytes', searched)
  watch(Buffer, ['concat', 'from', 'alloc', 'allocUnsafe', 'allocUnsafeSlow'], 'bytes', lengthOfResult)
  watch(Buffer, ['compare'], 'bytes', (_self, [a, b]: [Buffer, Buffer]) => Math.min(a.length, b.length))
  watch(Buffer.prototype, ['toString'], 'bytes', lengthOfResult)
  watch(Buffer.prototype, ['copy', 'write'], 'bytes', (_self, _given, result: number) => result)
  for (const owner of [typed, Buffer.prototype])
    watch(
      owner,
      ['fill'],
      'bytes',
      (self: Uint8Array, [, from = 0, to = self.length]: [unknown, number?, number?]) => to - from
    )
  watch(Buffer.prototype, ['indexOf'], 'bytes', searchedFrom)
  watch(Buffer.prototype, ['equals', 'compare', 'includes'], 'bytes', searched)
  watch(TextDecoder.prototype, ['decode'], 'bytes', lengthOfResult)
  watch(
    Object.getPrototypeOf(createHash('sha256')),
    ['update'],
    'bytes',
    (_self, [data]: [{ length: number }]) => data.length
  )
}
