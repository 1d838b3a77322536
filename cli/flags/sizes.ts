import { StrataError } from '../../store/values/index.ts'

const FACTORS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** Bytes of `131072`, `128K`, `1.5G`, powers of two. @throws StrataError USAGE naming the flag */
export function parseSize(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)$/i.exec(text)
  const bytes = match === null ? NaN : Number(match[1]) * FACTORS[match[2].toUpperCase()]
  if (Number.isSafeInteger(bytes)) return bytes
  throw new StrataError('USAGE', {
    message: `${flag} ${text} is not a size`,
    hint: `${flag} 128K; units: K, M, G, T`
  })
}

/** Parses a whole number of at least `lowest`. @throws StrataError USAGE naming the flag */
export function parseCount(text: string, flag: string, lowest = 1): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= lowest) return value
  throw new StrataError('USAGE', { message: `${flag} ${text} is not a whole number of at least ${lowest}` })
}
