import {
  type ErrorCode,
  type Facts,
  ioError,
  StrataError,
  showText,
  systemHint
} from '../../store/values/index.ts'

/** Longer lists are cut; `--json` prints them whole. */
const SHOWN_ITEMS = 20

/** The next thing to do about errors that have no hint of their own. */
const USUAL_HINTS: Partial<Record<ErrorCode, string>> = {
  USAGE: 'compose --help lists the commands, compose COMMAND --help the options of one',
  IO: 'ls -l tells whether the file is there and whether you may use it',
  TAR_INVALID: 'fetch or pack the archive again, and compare its hash with that of its publisher',
  STREAM_INVALID: 'fetch or pack the file again, and compare its hash with that of its publisher',
  PACKAGE_MISSING: 'dpkg -l or rpm -qa lists what is installed',
  PATH_MISSING: 'check how the path is spelled',
  SOURCE_INVALID: 'fetch it again, and compare its hash with that of its publisher',
  IMAGE_INVALID: 'name an image that compose built; if it is one, copy or build it again',
  NAMES_INVALID: 'getent passwd and getent group print lines of the right form',
  ATTRIBUTE_TEXT: 'getfattr -R -d -m - --dump prints the right form',
  MODULE_NAME: 'compose avail lists the modules that there are'
}

/** An error as users see it (spec/errors.md): what was found, where, what to type next, its code. */
export function renderError(error: unknown): string {
  const told = error instanceof StrataError ? error : ioError(error)
  if (told === undefined) return renderForeign(error as NodeJS.ErrnoException)
  const { message, facts, hint = USUAL_HINTS[told.code], code, exitStatus } = told
  return renderRows(message, facts, hint, `${code}, exit ${exitStatus}`)
}

function renderRows(message: string, facts: Facts, hint: string | undefined, code: string): string {
  const rows: [string, string][] = [...factRows(facts)]
  if (hint !== undefined) rows.push(['try', hint])
  rows.push(['code', code])
  const width = Math.max(...rows.map(([label]) => label.length)) + 2
  const indent = ' '.repeat(width + 2)
  return [
    `error: ${message}`,
    ...rows.map(([label, text]) => `  ${`${label}:`.padEnd(width)}${text.replaceAll('\n', `\n${indent}`)}`)
  ].join('\n')
}

function factRows(facts: Facts): [string, string][] {
  return Object.entries(facts).map(([label, value]) => {
    if (!Array.isArray(value)) return [label, String(value)]
    const rest = value.length - SHOWN_ITEMS
    const shown = rest > 1 ? [...value.slice(0, SHOWN_ITEMS), `and ${rest} more (--json lists them)`] : value
    return [label, shown.join('\n')]
  })
}

/** The addon is missing, or we made a mistake. `NODE_DEBUG=strata` prints the stack trace. */
function renderForeign({ code, message }: NodeJS.ErrnoException): string {
  const hint = systemHint(code)
  if (hint !== undefined) return renderRows(showText(message), {}, hint, `${code}, exit 1`)
  return renderRows(
    `internal error: ${showText(String(message))}`,
    {},
    'set NODE_DEBUG=strata to see where, and please report it',
    'INTERNAL, exit 1'
  )
}

export function errorJson(error: unknown): object {
  const told = error instanceof StrataError ? error : ioError(error)
  if (told !== undefined) {
    const { code, message, facts, hint = USUAL_HINTS[told.code], exitStatus } = told
    return { error: { code, message, facts, ...(hint !== undefined && { hint }), exitStatus } }
  }
  const { code, message } = error as NodeJS.ErrnoException
  const hint = systemHint(code)
  return {
    error: {
      code: hint === undefined ? 'INTERNAL' : code,
      message: showText(message ?? String(error)),
      facts: {},
      ...(hint !== undefined && { hint }),
      exitStatus: 1
    }
  }
}
