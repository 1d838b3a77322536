import type { Purpose } from '../../store/policy/index.ts'
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
  /** A hash tree for dm-verity behind the image. */
  verity?: true
  profile?: Partial<Profile>
}

/** Options for preparing an output, beyond those of the user. */
export interface PrepareOptions extends ImageOptions {
  /** What the policies are asked about: a build, unless it is said. */
  purposes?: readonly Purpose[]
  verify?: boolean
  /**
   * The image is compared and removed: nobody can read or run it, so neither its audience nor a policy matters.
   */
  isDiscarded?: boolean
}
