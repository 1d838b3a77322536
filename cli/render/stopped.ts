import {
  type Facts,
  type LeftInStores,
  type StopSignal,
  StrataError,
  showText,
  type TakenBack
} from '../../store/values/index.ts'

/** The error that users see if a signal ended a command (spec/errors.md#signals). */
export function stoppedError(
  signal: StopSignal,
  { removed, failures }: TakenBack,
  { unneeded, published }: LeftInStores
): StrataError {
  const facts: Facts = {
    ...(published.length > 0 && { published: published.map(moduleOfRef) }),
    ...(unneeded.length > 0 && { 'whole files that no module needs yet': unneeded }),
    ...(failures.length > 0 && { 'not removed': failures.map(({ message }) => showText(message)) })
  }
  return new StrataError(signal, {
    message: `stopped by ${NAMES[signal]}${removed > 0 ? ': unfinished work was removed' : ''}`,
    facts,
    hint:
      unneeded.length > 0
        ? 'run the same command again (it uses these files), or compose gc (removes them)'
        : undefined
  })
}

const NAMES: Record<StopSignal, string> = {
  SIGINT: 'Ctrl-C (SIGINT)',
  SIGHUP: 'the end of its terminal (SIGHUP)',
  SIGTERM: 'SIGTERM'
}

/** `app/vasp/6.4`: `app/vasp-6.4`. */
const moduleOfRef = (path: string): string => path.replace(/\/([^/]*)$/, '-$1')
