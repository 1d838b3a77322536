import { invalidAnswer, shownStart, unreachable } from './registry-errors.ts'
import type { Answer } from './transport.ts'

/** A document may come as slowly as it wants for so long, and then has to have come at this rate. */
export interface Pace {
  graceMs: number
  bytesPerSecond: number
}

const SLOWEST: Pace = { graceMs: 60_000, bytesPerSecond: 8 << 10 }

/**
 * All of a body. A longer one is refused when its length is known, and never read further than the limit; one that comes
 * byte by byte would hold the command for weeks.
 * @param what is read, for the message
 * @throws StrataError REGISTRY_INVALID, REGISTRY_UNREACHABLE for one that comes too slowly; ConnectionFailed
 */
export async function readBounded(
  answer: Answer,
  mostBytes: number,
  what: string,
  pace = SLOWEST
): Promise<Buffer> {
  const announced = Number(answer.header('content-length') ?? 0)
  if (announced > mostBytes) {
    answer.drop()
    throw tooLong(answer, mostBytes, what)
  }
  const pieces: Uint8Array[] = []
  let bytes = 0
  const beganAtMs = performance.now()
  for await (const piece of answer.body) {
    bytes += piece.length
    if (bytes > mostBytes) throw tooLong(answer, mostBytes, what)
    const tookMs = performance.now() - beganAtMs
    if (tookMs - pace.graceMs > (bytes / pace.bytesPerSecond) * 1000)
      throw unreachable(
        answer.url.host,
        `${what} comes too slowly: ${bytes} bytes in ${Math.round(tookMs / 1000)} s`
      )
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

const tooLong = ({ url }: Answer, mostBytes: number, what: string): Error =>
  invalidAnswer(url.host, `${what} is longer than ${mostBytes} bytes`)

const MOST_ERROR_BYTES = 64 << 10

const REFUSAL_MS = 10_000

/** Code, message and detail of a refusal, as far as the registry gives any in time: `MANIFEST_UNKNOWN: manifest unknown`. */
export async function readRefusal(answer: Answer, mostMs = REFUSAL_MS): Promise<string> {
  const timer = setTimeout(() => answer.cut(), mostMs)
  try {
    return wordsOf(await readBounded(answer, MOST_ERROR_BYTES, 'the refusal'))
  } catch {
    return ''
  } finally {
    clearTimeout(timer)
  }
}

function wordsOf(refusal: Buffer): string {
  const { errors } = JSON.parse(refusal.toString('utf8'))
  const { code, message, detail } = errors[0]
  return shownStart([code, message, detail].filter(part => typeof part === 'string').join(': '))
}
