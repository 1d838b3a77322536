/** Completion of a half-typed command line, and the scripts that shells load for it. */
export { type Candidate, complete } from './complete-line.ts'
export { SCRIPTS, SHELLS, type Shell } from './scripts.ts'
