/** A lock says all of an image: what is typed beside it may say the same, and nothing else (spec/lock.md#lock). */

import { describeProfile } from '../../store/files/index.ts'
import { profileKey, StrataError } from '../../store/values/index.ts'
import { formatAudience, parseFor } from '../audience/index.ts'
import type { ImageParameters } from '../stack/index.ts'
import type { ImageOptions } from './image-options.ts'

/** @throws StrataError USAGE naming the flag that says otherwise; as parseFor */
export async function refuseUnlikeLock(locked: ImageParameters, asked: ImageOptions): Promise<void> {
  const profile = { ...locked.profile, ...asked.profile }
  if (profileKey(profile) !== profileKey(locked.profile))
    throw refuse(describeProfile(locked.profile), describeProfile(profile))
  const { audience, aclModes, onConflict, directories, bare } = asked
  if (audience !== undefined) {
    const typed = formatAudience(await parseFor(audience))
    if (typed !== locked.audience) throw refuse(`--for ${locked.audience}`, `--for ${typed}`)
  }
  refuseOther('--acl-modes', locked.aclModes, aclModes)
  refuseOther('--on-conflict', locked.onConflict, onConflict)
  refuseOther('--directories', locked.directories, directories)
  if (bare !== undefined && bare !== locked.bare) throw refuse(showBare(locked.bare), showBare(bare))
}

function refuseOther(flag: string, locked: string | undefined, asked: string | undefined): void {
  if (asked === undefined || asked === locked) return
  throw refuse(locked === undefined ? `nothing of ${flag}` : `${flag} ${locked}`, `${flag} ${asked}`)
}

const showBare = (bare: boolean): string => (bare ? '--bare' : 'that files for runtimes are added')

const refuse = (locked: string, asked: string): StrataError =>
  new StrataError('USAGE', {
    message: `the lock says ${locked}, not ${asked}`,
    hint: 'without a lock, compose lock takes the same flags and writes another one'
  })
