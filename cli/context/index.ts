/** The context of each command: its options, streams, stores and progress. */
export { type Context, collect, contextOf, type Verbs } from './command.ts'
export { formatDocument } from './document.ts'
export { dataOutput, EndedBySignal, ExitStatus, type Io, statusWhenReaderLeaves } from './io.ts'
export { ProgressBar } from './progress.ts'
