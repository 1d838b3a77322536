/** Chooses the audience of an output: that of the lock, that of the user, or that of the modules' access groups. */
import { StrataError } from '../../store/values/index.ts'
import {
  type Audience,
  audienceOfRestrictions,
  confirmedAudience,
  parseAudience,
  parseFor,
  type Restriction,
  restrictionsBroken,
  showAudience
} from '../audience/index.ts'
import type { PrepareOptions } from './image-options.ts'
import type { Target } from './resolve-target.ts'

/** @throws StrataError ACCESS_WIDER if the requested audience is wider than a module admits */
export async function chooseAudience(
  target: Target,
  restrictions: Restriction[],
  options: PrepareOptions
): Promise<{ audience: Audience; text: string }> {
  if (target.lock !== undefined) {
    const audience = parseAudience(target.lock.parameters.audience, `${target.name}: image.audience`)
    if (!options.isDiscarded) await refuseWider(audience, restrictions)
    return { audience, text: `for ${showAudience(audience)}: the lock says so` }
  }
  const asked = options.audience ?? target.audience ?? target.usual?.audience
  if (asked === undefined) return audienceOfRestrictions(restrictions)
  const audience = await parseFor(asked)
  await refuseWider(audience, restrictions)
  return { audience, text: `for ${showAudience(audience)}` }
}

async function refuseWider(audience: Audience, restrictions: Restriction[]): Promise<void> {
  if (restrictions.length === 0) return
  const confirmed = await confirmedAudience(audience)
  const broken = confirmed === undefined ? [] : restrictionsBroken(confirmed, restrictions)
  if (broken.length === 0) return
  throw new StrataError('ACCESS_WIDER', {
    message: `an image for ${showAudience(audience)} would be open to people whom its modules do not admit`,
    facts: {
      restricted: broken.map(
        ({ module, groups, unknown }) =>
          `${module}: ${[...groups.map(({ name, gid }) => name ?? gid), ...unknown].join(', ') || 'its owner alone'}`
      )
    },
    hint: 'leave --for out: the image is then for everyone whom all modules admit'
  })
}
