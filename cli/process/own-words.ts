/** The words by which this very command can be started again. */
export const ownWords = (): string[] => [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
