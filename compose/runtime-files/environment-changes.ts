/**
 * Combines the environments of modules (spec/image-metadata.md#environment). The operations on a variable, in stack
 * order, become one change, whatever value the variable has before. Values are literal.
 */
import type { EnvironmentOperation, ModuleRecord } from '../../store/module/index.ts'

/** `extend` puts the present value between `before` and `after`, with `:` between parts that are not empty. */
export type Change =
  | { kind: 'set'; value: string }
  | { kind: 'unset' }
  | { kind: 'extend'; before: string; after: string }

type Environments = Pick<ModuleRecord, 'environment'>[]

/** One change for each variable, in the order in which variables first occur. */
export function environmentChanges(records: Environments): Map<string, Change> {
  const changes = new Map<string, Change>()
  for (const { environment } of records)
    for (const operation of environment)
      changes.set(operation.name, addOperation(changes.get(operation.name), operation))
  return changes
}

function addOperation(change: Change | undefined, operation: EnvironmentOperation): Change {
  if (operation.operation === 'set') return { kind: 'set', value: operation.value }
  if (operation.operation === 'unset') return { kind: 'unset' }
  const [before, after] = operation.operation === 'prepend' ? [operation.value, ''] : ['', operation.value]
  if (change === undefined) return { kind: 'extend', before, after }
  if (change.kind === 'extend')
    return { kind: 'extend', before: joinPaths(before, change.before), after: joinPaths(change.after, after) }
  return { kind: 'set', value: joinPaths(before, change.kind === 'set' ? change.value : '', after) }
}

/** Empty parts are skipped, because an empty element of PATH means the current folder. */
const joinPaths = (...parts: string[]): string => parts.filter(part => part !== '').join(':')

/**
 * Applies the changes to an environment.
 * @param base the environment before; it is not modified
 */
export function composeEnvironment(
  records: Environments,
  base: Record<string, string>
): Record<string, string> {
  const composed = new Map(Object.entries(base))
  for (const [name, change] of environmentChanges(records)) {
    if (change.kind === 'unset') composed.delete(name)
    else if (change.kind === 'set') composed.set(name, change.value)
    else composed.set(name, joinPaths(change.before, composed.get(name) ?? '', change.after))
  }
  return Object.fromEntries(composed)
}
