import { invalidAnswer, shownStart } from './registry-errors.ts'
import type { Answer } from './transport.ts'

/**
 * All of a body. A longer one is refused when its length is known, and never read further than the limit.
 * @param what is read, for the message
 * @throws StrataError REGISTRY_INVALID; ConnectionFailed
 */
export async function readBounded(answer: Answer, mostBytes: number, what: string): Promise<Buffer> {
  const announced = Number(answer.header('content-length') ?? 0)
  if (announced > mostBytes) {
    await answer.drop()
    throw tooLong(answer, mostBytes, what)
  }
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of answer.body) {
    bytes += piece.length
    if (bytes > mostBytes) throw tooLong(answer, mostBytes, what)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

const tooLong = ({ url }: Answer, mostBytes: number, what: string): Error =>
  invalidAnswer(url.host, `${what} is longer than ${mostBytes} bytes`)

const MOST_ERROR_BYTES = 64 << 10

/** The code and words of a refusal, as far as the registry gives any: `MANIFEST_UNKNOWN: manifest unknown`. */
export async function readRefusal(answer: Answer): Promise<string> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const piece of answer.body) {
      pieces.push(piece)
      bytes += piece.length
      if (bytes > MOST_ERROR_BYTES) return ''
    }
    const { errors } = JSON.parse(Buffer.concat(pieces).toString('utf8'))
    const { code, message } = errors[0]
    return shownStart([code, message].filter(part => typeof part === 'string').join(': '))
  } catch {
    return ''
  }
}
