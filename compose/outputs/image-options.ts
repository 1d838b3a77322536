import type { Profile } from '../../store/values/index.ts'
import type { ImageParameters } from '../stack/index.ts'

/** Properties of an image that a user can choose; a lock fixes all of them. */
export interface ImageOptions {
  /** Value of `--for`. If undefined, that of the stack, else the audience of the modules' access groups. */
  audience?: string
  aclModes?: ImageParameters['aclModes']
  onConflict?: ImageParameters['onConflict']
  directories?: ImageParameters['directories']
  bare?: boolean
  profile?: Partial<Profile>
}

/** Options for preparing an output, beyond those of the user. */
export interface PrepareOptions extends ImageOptions {
  verify?: boolean
  /** The image is compared and removed, so nobody can read it and its audience does not matter. */
  isDiscarded?: boolean
}
