import { type Facts, type Refusal, StrataError } from '../values/index.ts'

const AGAIN = 'fetch or save the image again; skopeo inspect tells whether the source of the copy is whole'

/** For faults in fields of an image's documents. */
export const OF_IMAGES: Refusal = { code: 'SOURCE_INVALID', label: 'part', hint: AGAIN }

/** @param part the faulty part, in words for people: `base.oci: index.json: field manifests[2].size` */
export const imageInvalid = (part: string, fault: string, facts: Facts = {}, cause?: unknown): StrataError =>
  new StrataError('SOURCE_INVALID', {
    message: `${part}: ${fault}`,
    facts: { part, ...facts },
    hint: AGAIN,
    cause
  })

/** The error for things that users may well have but that we do not read. */
export const imageUnsupported = (part: string, fault: string, hint: string): StrataError =>
  new StrataError('SOURCE_INVALID', { message: `${part}: ${fault}`, facts: { part }, hint })
