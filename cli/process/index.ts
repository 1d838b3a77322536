/** The process of the command: its streams, its documents, its exit status, and its end by a signal. */
export { askLine, askPassword, readPassword } from './ask-password.ts'
export { formatDocument, formatJson } from './document.ts'
export { endBySignal } from './end-by-signal.ts'
export {
  dataOutput,
  EndedBySignal,
  ExitStatus,
  type Io,
  isAllWritten,
  processIo,
  standardOutput,
  statusWhenReaderLeaves,
  whenOutputFails
} from './io.ts'
export { ownWords } from './own-words.ts'
