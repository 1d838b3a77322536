/**
 * The environments of modules as one (spec/image-metadata.md#environment): each variable's operations, in stack order,
 * come to one change, whatever the variable holds when it is made. Values are literal throughout.
 */
import type { EnvironmentOperation, ModuleRecord } from '../../store/module/index.ts'

/** `extend`: what is there goes between `before` and `after`, `:` where both sides have something. */
export type Change =
  | { kind: 'set'; value: string }
  | { kind: 'unset' }
  | { kind: 'extend'; before: string; after: string }

type Environments = Pick<ModuleRecord, 'environment'>[]

/** One change a variable, in the order in which the variables first occur. */
export function environmentChanges(records: Environments): Map<string, Change> {
  const changes = new Map<string, Change>()
  for (const { environment } of records)
    for (const operation of environment)
      changes.set(operation.name, afterwards(changes.get(operation.name), operation))
  return changes
}

function afterwards(change: Change | undefined, operation: EnvironmentOperation): Change {
  if (operation.operation === 'set') return { kind: 'set', value: operation.value }
  if (operation.operation === 'unset') return { kind: 'unset' }
  const [before, after] = operation.operation === 'prepend' ? [operation.value, ''] : ['', operation.value]
  if (change === undefined) return { kind: 'extend', before, after }
  if (change.kind === 'extend')
    return { kind: 'extend', before: joined(before, change.before), after: joined(change.after, after) }
  return { kind: 'set', value: joined(before, change.kind === 'set' ? change.value : '', after) }
}

/** An empty element of PATH would be the current folder, so nothing makes no element. */
const joined = (...parts: string[]): string => parts.filter(part => part !== '').join(':')

/**
 * What a program sees that the modules' environment is made for.
 * @param base what is there before; it stays as it is
 */
export function composeEnvironment(
  records: Environments,
  base: Record<string, string>
): Record<string, string> {
  const composed = new Map(Object.entries(base))
  for (const [name, change] of environmentChanges(records)) {
    if (change.kind === 'unset') composed.delete(name)
    else if (change.kind === 'set') composed.set(name, change.value)
    else composed.set(name, joined(change.before, composed.get(name) ?? '', change.after))
  }
  return Object.fromEntries(composed)
}
