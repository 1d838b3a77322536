import { type Facts, type Refusal, StrataError } from '../values/index.ts'

const AGAIN = 'fetch or save the image again; skopeo inspect tells whether the source of the copy is whole'

/** Fields of its documents. */
export const OF_IMAGES: Refusal = { code: 'SOURCE_INVALID', label: 'part', hint: AGAIN }

/**
 * @param part what is wrong, as a person would look for it: `base.oci: index.json: field manifests[2].size`
 */
export const imageInvalid = (part: string, fault: string, facts: Facts = {}, cause?: unknown): StrataError =>
  new StrataError('SOURCE_INVALID', {
    message: `${part}: ${fault}`,
    facts: { part, ...facts },
    hint: AGAIN,
    cause
  })

/** Something that people may well have, and that is not read. */
export const notRead = (part: string, fault: string, hint: string): StrataError =>
  new StrataError('SOURCE_INVALID', { message: `${part}: ${fault}`, facts: { part }, hint })
