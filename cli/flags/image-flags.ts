/** Flags that describe an image, which `build` and `lock` share. */
import type { Command } from 'commander'
import type { ImageOptions } from '../../compose/outputs/index.ts'
import { DIRECTORY_RULES } from '../../compose/stack/index.ts'
import { type Compressor, type Profile, StrataError } from '../../store/values/index.ts'
import { parseCount, parseSize } from './sizes.ts'

export interface ImageFlags {
  for?: string
  aclModes?: string
  onConflict?: string
  directories?: string
  bare?: boolean
  verity?: true
  comp?: string
  level?: string
  block?: string
}

export const withImageFlags = (command: Command): Command =>
  command
    .option(
      '--for <WHO>',
      'who will read the image: everyone, group:G, user:U or me (its mode bits follow the ACLs for them), or mounted: root alone, to mount it with its ACLs enforced'
    )
    .option(
      '--acl-modes <RULE>',
      "mode bits of paths with ACLs: audience (default), or group: the owning group's rights, wider than the ACLs"
    )
    .option(
      '--on-conflict <WHAT>',
      'where modules have different files at one path: error (default), or upper: the upper module wins'
    )
    .option(
      '--directories <RULE>',
      "where a directory of an upper module admits fewer users: narrow (only these users), keep (the lower module's access) or replace (the upper's)"
    )
    .option('--bare', 'write only the merged tree: no /.compose, no runtime files')
    .option('--verity', 'append a hash tree, by which the kernel checks each block that it reads (dm-verity)')
    .option('--comp <zstd|gzip>', "compressor (default: the store's)")
    .option('--level <N>', 'compression level')
    .option('--block <SIZE>', 'size of data blocks')

/** @throws StrataError USAGE */
export function imageOptions(flags: ImageFlags): ImageOptions {
  return {
    audience: flags.for,
    aclModes: oneOf('--acl-modes', flags.aclModes, ['audience', 'group']),
    onConflict: oneOf('--on-conflict', flags.onConflict, ['error', 'upper']),
    directories: oneOf('--directories', flags.directories, DIRECTORY_RULES),
    bare: flags.bare,
    verity: flags.verity,
    profile: profileWishes(flags)
  }
}

function oneOf<T extends string>(flag: string, text: string | undefined, known: readonly T[]): T | undefined {
  if (text === undefined || known.includes(text as T)) return text as T | undefined
  throw new StrataError('USAGE', { message: `${flag} ${text} is unknown: wanted one of ${known.join(', ')}` })
}

/** The parts of a profile that the user gave. Another compressor brings its own usual level. */
function profileWishes({ comp, level, block }: ImageFlags): Partial<Profile> {
  const usualLevel = comp === 'gzip' ? 9 : 15
  return {
    ...(comp !== undefined && { compressor: comp as Compressor, level: usualLevel }),
    ...(level !== undefined && { level: parseCount(level, '--level') }),
    ...(block !== undefined && { blockSize: parseSize(block, '--block') })
  }
}
