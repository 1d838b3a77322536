/** A lock fixes all properties of an image. Flags beside it must agree with it (spec/lock.md#lock). */

import { describeProfile } from '../../store/files/index.ts'
import { profileKey, StrataError } from '../../store/values/index.ts'
import { formatAudience, parseFor } from '../audience/index.ts'
import type { ImageParameters } from '../stack/index.ts'
import type { ImageOptions } from './image-options.ts'

/** @throws StrataError USAGE with the flag that differs; as parseFor */
export async function refuseUnlikeLock(locked: ImageParameters, asked: ImageOptions): Promise<void> {
  const profile = { ...locked.profile, ...asked.profile }
  if (profileKey(profile) !== profileKey(locked.profile))
    throw refuse(describeProfile(locked.profile), describeProfile(profile))
  const { audience, aclModes, onConflict, directories, bare, verity } = asked
  if (audience !== undefined) {
    const typed = formatAudience(await parseFor(audience))
    if (typed !== locked.audience) throw refuse(`--for ${locked.audience}`, `--for ${typed}`)
  }
  refuseOther('--acl-modes', locked.aclModes, aclModes)
  refuseOther('--on-conflict', locked.onConflict, onConflict)
  refuseOther('--directories', locked.directories, directories)
  if (bare !== undefined && bare !== locked.bare) throw refuse(showBare(locked.bare), showBare(bare))
  if (verity && !locked.verity) throw refuse('no hash tree', '--verity')
}

function refuseOther(flag: string, locked: string | undefined, asked: string | undefined): void {
  if (asked === undefined || asked === locked) return
  throw refuse(locked === undefined ? `nothing of ${flag}` : `${flag} ${locked}`, `${flag} ${asked}`)
}

const showBare = (bare: boolean): string => (bare ? '--bare' : 'that files for runtimes are added')

const refuse = (locked: string, asked: string): StrataError =>
  new StrataError('USAGE', {
    message: `the lock has ${locked}, but ${asked} was given`,
    hint: 'leave the flag out, or write another lock: compose lock takes the same flags'
  })
