import { type Command, Option } from 'commander'
import { DEFAULT_LIMITS, type Limits } from '../../store/values/index.ts'
import { parseCount, parseSize } from './sizes.ts'

/** Flags of `compose import` that change the limits of its sources. */
export interface LimitFlags {
  maxEntries?: string
  maxDepth?: string
  maxPath?: string
  maxMetadata?: string
  maxBytes?: string
  maxRatio?: string
  maxPax?: string
  strict?: boolean
}

interface LimitFlag {
  key: Exclude<keyof LimitFlags, 'strict'>
  flag: string
  limit: Exclude<keyof Limits, 'strict'>
  /** What is limited, for the help. */
  about: string
  /** The usual limit as people write it, if it is a size. */
  usualSize?: string
}

const LIMIT_FLAGS: LimitFlag[] = [
  { key: 'maxEntries', flag: '--max-entries', limit: 'entries', about: 'members in an archive' },
  { key: 'maxDepth', flag: '--max-depth', limit: 'pathDepth', about: 'components in a path' },
  { key: 'maxPath', flag: '--max-path', limit: 'pathBytes', about: 'bytes in a path' },
  {
    key: 'maxMetadata',
    flag: '--max-metadata',
    limit: 'metadataBytes',
    about: 'bytes in paths, link targets and different attributes',
    usualSize: '1G'
  },
  {
    key: 'maxBytes',
    flag: '--max-bytes',
    limit: 'totalBytes',
    about: 'bytes in all files together, holes included',
    usualSize: '2T'
  },
  {
    key: 'maxRatio',
    flag: '--max-ratio',
    limit: 'expansionRatio',
    about: 'decompressed bytes for each byte read'
  },
  {
    key: 'maxPax',
    flag: '--max-pax',
    limit: 'paxBytes',
    about: 'bytes in one extended header',
    usualSize: '1M'
  }
]

export function withLimitFlags(command: Command): Command {
  for (const { flag, limit, about, usualSize } of LIMIT_FLAGS) {
    const option = new Option(`${flag} <${usualSize === undefined ? 'N' : 'SIZE'}>`, `limit of ${about}`)
    command.addOption(option.default(undefined, usualSize ?? String(DEFAULT_LIMITS[limit])))
  }
  return command
}

/** @throws StrataError USAGE naming the flag */
export function parseLimits(flags: LimitFlags): Limits {
  const limits: Limits = { ...DEFAULT_LIMITS, strict: flags.strict === true }
  for (const { key, flag, limit, usualSize } of LIMIT_FLAGS) {
    const text = flags[key]
    if (text === undefined) continue
    limits[limit] = usualSize === undefined ? parseCount(text, flag) : parseSize(text, flag)
  }
  return limits
}
