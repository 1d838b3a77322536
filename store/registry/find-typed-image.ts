/** Images that users name: for a tag that is not there, the error lists those that are. */
import { StrataError } from '../values/index.ts'
import { formatReference, formatRepository, type ImageReference } from './reference.ts'
import type { RegistrySettings } from './registry-session.ts'
import { type FoundImage, findImage, listTags } from './remote-repository.ts'

const SHOWN_TAGS = 20

/**
 * Like `findImage`, but asks once more, for the tags, if the registry does not know the one that was typed.
 * @param forUsers those of a list of tags that users type
 * @throws StrataError as findImage
 */
export function findTypedImage(
  reference: ImageReference,
  settings: RegistrySettings,
  forUsers: (tags: string[]) => string[] = tags => tags
): Promise<FoundImage> {
  return findImage(reference, settings).catch(async error => {
    if (!(error instanceof StrataError) || error.code !== 'REGISTRY_UNKNOWN') throw error
    if (reference.digest !== undefined) throw error
    const tags = forUsers(await listTags(reference, settings).catch(() => []))
    throw tags.length === 0 ? error : noSuchTag(reference, tags, error)
  })
}

function noSuchTag(reference: ImageReference, tags: string[], cause: StrataError): StrataError {
  const { host, repository, tag } = reference
  const rest = tags.length - SHOWN_TAGS
  return new StrataError('REGISTRY_UNKNOWN', {
    message: `registry ${host}: ${formatRepository(reference)} has no tag ${tag}`,
    facts: {
      registry: host,
      tags: [...tags.slice(0, SHOWN_TAGS), ...(rest > 0 ? [`and ${rest} more`] : [])]
    },
    hint: `one of these tags, such as ${formatReference({ host, repository, tag: tags.at(-1)! })}`,
    cause
  })
}
