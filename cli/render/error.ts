import { type Facts, nameSystemError, StrataError, showText, systemHint } from '../../store/values/index.ts'

/** Longer lists are cut; `--json` prints them whole. */
const SHOWN_ITEMS = 20

/** An error as users see it (spec/errors.md): what was found, where, what to type next, its code. */
export function renderError(error: unknown): string {
  if (!(error instanceof StrataError)) return renderForeign(nameSystemError(error as NodeJS.ErrnoException))
  const { message, facts, hint, code, exitStatus } = error
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

/** An error of a system call, or an internal error. `NODE_DEBUG=strata` prints the stack trace. */
function renderForeign(error: NodeJS.ErrnoException): string {
  if (typeof error.syscall === 'string')
    return renderRows(
      showText(error.message),
      systemFacts(error),
      systemHint(error.code),
      `${error.code}, exit 1`
    )
  return `error: internal error: ${showText(String(error?.message ?? error))}\n  try:  set NODE_DEBUG=strata to see where, and please report it\n  code: INTERNAL, exit 1`
}

const systemFacts = ({ path }: NodeJS.ErrnoException): Facts =>
  typeof path === 'string' ? { file: showText(path) } : {}

export function errorJson(error: unknown): object {
  if (error instanceof StrataError) {
    const { code, message, facts, hint, exitStatus } = error
    return { error: { code, message, facts, ...(hint !== undefined && { hint }), exitStatus } }
  }
  const { code: name, message, syscall } = nameSystemError(error as NodeJS.ErrnoException)
  const code = (syscall !== undefined && name) || 'INTERNAL'
  const facts = syscall === undefined ? {} : systemFacts(error as NodeJS.ErrnoException)
  const hint = systemHint(code)
  return {
    error: {
      code,
      message: showText(message ?? String(error)),
      facts,
      ...(hint !== undefined && { hint }),
      exitStatus: 1
    }
  }
}
