import { showJson } from '../../store/values/index.ts'

/** Raised by a change that a script written for earlier documents would misread (spec/json.md). */
const DOCUMENT_SCHEMA = 1

/** Formats one document of --json. @param value an object that names its parts */
export const formatDocument = (value: object): string => formatJson({ schema: DOCUMENT_SCHEMA, ...value })

/** @param indent spaces; 0 for one line */
export const formatJson = (value: object, indent = 2): string =>
  showJson(JSON.stringify(value, undefined, indent))
