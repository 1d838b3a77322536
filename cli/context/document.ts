/** Raised when a script that reads the documents of before would misread one (spec/json.md). */
const DOCUMENT_SCHEMA = 1

/** One document of --json, as it is printed. @param value an object that names what it holds */
export const formatDocument = (value: object): string =>
  JSON.stringify({ schema: DOCUMENT_SCHEMA, ...value }, undefined, 2)
