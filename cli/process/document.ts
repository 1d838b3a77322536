/** Raised by a change that a script written for earlier documents would misread (spec/json.md). */
const DOCUMENT_SCHEMA = 1

/** Formats one document of --json. @param value an object that names its parts */
export const formatDocument = (value: object): string =>
  JSON.stringify({ schema: DOCUMENT_SCHEMA, ...value }, undefined, 2)
