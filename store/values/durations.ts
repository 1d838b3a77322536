import { StrataError } from './errors.ts'

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** Seconds of `30s`, `15m`, `24h`, `90d`, `2w`. @throws StrataError USAGE naming the flag */
export function parseDuration(text: string, flag: string): number {
  const [, number, unit] = /^([0-9]{1,9})([smhdw])$/.exec(text) ?? []
  if (number !== undefined) return Number(number) * SECONDS[unit]
  throw new StrataError('USAGE', {
    message: `${flag} ${text} is not a length of time`,
    hint: `${flag} 90d; units: s, m, h, d, w`
  })
}
