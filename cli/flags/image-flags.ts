/** The flags that say what an image is like: `build` and `lock` take them alike. */
import type { Command } from 'commander'
import type { ImageOptions } from '../../compose/outputs/index.ts'
import { DIRECTORY_RULES } from '../../compose/stack/index.ts'
import { type Compressor, type Profile, StrataError } from '../../store/values/index.ts'
import { parseSize } from './sizes.ts'

export interface ImageFlags {
  for?: string
  aclModes?: string
  onConflict?: string
  directories?: string
  bare?: boolean
  comp?: string
  level?: string
  block?: string
}

export const withImageFlags = (command: Command): Command =>
  command
    .option(
      '--for <WHO>',
      'everyone, group:G, user:U or me: who can read the image, and for whom its mode bits are right'
    )
    .option(
      '--acl-modes <RULE>',
      "audience (default), or group: the owning group's rights, wider than the ACLs"
    )
    .option('--on-conflict <WHAT>', 'error (default), or upper: the upper module wins where modules differ')
    .option(
      '--directories <RULE>',
      "where an upper module's directory admits fewer than the lower's: narrow (that access), keep (the lower's) or replace (the upper's)"
    )
    .option('--bare', 'the merged tree alone: no /.compose, no runtime files')
    .option('--comp <zstd|gzip>', "compressor (default: the store's)")
    .option('--level <N>', 'its level')
    .option('--block <SIZE>', 'bytes of a data block')

/** @throws StrataError USAGE */
export function imageOptions(flags: ImageFlags): ImageOptions {
  return {
    audience: flags.for,
    aclModes: oneOf('--acl-modes', flags.aclModes, ['audience', 'group']),
    onConflict: oneOf('--on-conflict', flags.onConflict, ['error', 'upper']),
    directories: oneOf('--directories', flags.directories, DIRECTORY_RULES),
    bare: flags.bare,
    profile: profileWishes(flags)
  }
}

function oneOf<T extends string>(flag: string, text: string | undefined, known: readonly T[]): T | undefined {
  if (text === undefined || known.includes(text as T)) return text as T | undefined
  throw new StrataError('USAGE', { message: `${flag} ${text} is none of ${known.join(', ')}` })
}

/** What was typed of a profile; another compressor brings its own usual level. */
function profileWishes({ comp, level, block }: ImageFlags): Partial<Profile> {
  const usualLevel = comp === 'gzip' ? 9 : 15
  return {
    ...(comp !== undefined && { compressor: comp as Compressor, level: usualLevel }),
    ...(level !== undefined && { level: Number(level) }),
    ...(block !== undefined && { blockSize: parseSize(block, '--block') })
  }
}
