import { type Facts, StrataError } from '../../store/errors.ts'

/** Longer lists of facts are cut; `--json` has them whole. */
const SHOWN_ITEMS = 20

/** An error as users see it (spec/errors.md): what was found, where, what to type next, its code. */
export function renderError(error: unknown): string {
  if (!(error instanceof StrataError)) return renderForeign(error as NodeJS.ErrnoException)
  const rows: [string, string][] = [...factRows(error.facts)]
  if (error.hint !== undefined) rows.push(['try', error.hint])
  rows.push(['code', `${error.code}, exit ${error.exitStatus}`])
  const width = Math.max(...rows.map(([label]) => label.length)) + 2
  const indent = ' '.repeat(width + 2)
  return [
    `error: ${error.message}`,
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

/** A failed system call, or a mistake of ours. No stack trace: `NODE_DEBUG=strata` prints it. */
function renderForeign(error: NodeJS.ErrnoException): string {
  if (typeof error.syscall === 'string') return `error: ${error.message}\n  code: ${error.code}, exit 1`
  return `error: internal error: ${error?.message ?? error}\n  try:  NODE_DEBUG=strata prints where; please report it\n  code: INTERNAL, exit 1`
}

export function errorJson(error: unknown): object {
  if (error instanceof StrataError) {
    const { code, message, facts, hint, exitStatus } = error
    return { error: { code, message, facts, ...(hint !== undefined && { hint }), exitStatus } }
  }
  const { code = 'INTERNAL', message } = error as NodeJS.ErrnoException
  return { error: { code, message: message ?? String(error), facts: {}, exitStatus: 1 } }
}
