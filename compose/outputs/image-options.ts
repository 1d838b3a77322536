import type { Profile } from '../../store/values/index.ts'
import type { ImageParameters } from '../stack/index.ts'

/** What an image is like, as far as the user says it; a lock says all of it. */
export interface ImageOptions {
  /** As after `--for`; undefined: the stack's, else as the modules' access groups say. */
  audience?: string
  aclModes?: ImageParameters['aclModes']
  onConflict?: ImageParameters['onConflict']
  directories?: ImageParameters['directories']
  bare?: boolean
  profile?: Partial<Profile>
}

/** What is made of a target, beyond what the user says. */
export interface PrepareOptions extends ImageOptions {
  verify?: boolean
  /** It is compared and removed: nobody gets to read it, so that nobody is asked for whom it is. */
  isDiscarded?: boolean
}
