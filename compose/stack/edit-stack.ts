/** `compose add`, `rm`, `swap`, `purge`, `update`, `restore`: edit the stack file completely or not at all. */

import {
  type Deprecation,
  formatModuleName,
  formatRequirement,
  type RangedRequest
} from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import {
  independentBases,
  keyOf,
  type Preferred,
  type ResolvedModule,
  resolveStack
} from '../resolve/index.ts'
import { versionsOf } from './loaded-versions.ts'
import { type NewerVersion, newerVersions } from './newer-versions.ts'
import { lockFileOf, type OpenStack, openStack } from './open-stack.ts'
import {
  type Plan,
  type PlanOptions,
  planAdd,
  planRemove,
  planSwap,
  planUpdate,
  whoRequires
} from './plan-edit.ts'
import { parseStackText } from './stack-file.ts'
import { textWith, writeStack } from './write-stack.ts'

export interface StackChange {
  file: string
  /** The modules of the stack after the edit, bottom to top. */
  modules: ResolvedModule[]
  /** Modules that have another version than before. */
  reloaded: { from: string; to: string }[]
  /** Modules that were replaced by one of the same family. */
  replaced: { from: string; to: string }[]
  /** New modules that the user did not ask for, but others require. */
  alongside: { module: string; by: string }[]
  /** Modules that disappeared although the user did not ask for it. */
  gone: string[]
  /** Modules that should be removed, but are required by others. */
  stays: { module: string; by: string }[]
  /** Modules that should be removed or updated, but are not in the stack. */
  notLoaded: string[]
  /** Deprecated modules among the new ones. */
  deprecated: ({ module: string } & Deprecation)[]
  /** Newer versions that exist but were not taken; only from `updateModules`. */
  newer?: NewerVersion[]
  /** Bases that do not require each other, if there are several and one is new. */
  bases: string[]
  /** The error of a lock that could not be read, and was written again. */
  lockFault?: string
}

/** @throws StrataError STACK_INVALID, MODULE_UNKNOWN, MODULE_CONFLICT; then nothing is changed */
export function addModules(store: Repository, file: string, words: RangedRequest[], options?: PlanOptions) {
  const requests = words.map(request => store.resolveAlias(request))
  return edit(store, file, stack => planAdd(store, stack, requests, options), requests)
}

/** A module that is not in the stack is reported, and is not an error. @throws StrataError STACK_INVALID */
export function removeModules(store: Repository, file: string, words: RangedRequest[]) {
  const requests = words.map(request => store.resolveAlias(request))
  return edit(store, file, stack => planRemove(store, stack, requests), requests)
}

/** @throws StrataError NOT_LOADED if `old` is not in the stack; as {@link addModules} */
export function swapModules(
  store: Repository,
  file: string,
  oldWord: RangedRequest,
  freshWord: RangedRequest,
  options?: PlanOptions
) {
  const [old, fresh] = [store.resolveAlias(oldWord), store.resolveAlias(freshWord)]
  return edit(store, file, stack => planSwap(store, stack, old, fresh, options), [old, fresh])
}

/** @param names modules to update; empty for all */
export async function updateModules(
  store: Repository,
  file: string,
  names: RangedRequest[]
): Promise<StackChange> {
  const requests = names.map(request => store.resolveAlias(request))
  const change = await edit(store, file, stack => planUpdate(store, stack, requests), [])
  return { ...change, newer: await newerVersions(store, change.modules) }
}

/** Also empties a stack that cannot be resolved any more. */
export const purgeModules = (store: Repository, file: string) =>
  edit(store, file, async () => ({ slots: [], modules: [], replaced: [], notLoaded: [], stays: [] }), 'all')

/** Replaces the stack by this text and resolves it again. @param source name of the text in messages */
export async function replaceStack(
  store: Repository,
  file: string,
  text: string,
  source: string
): Promise<StackChange> {
  const stack = await openToWrite(file)
  const { modules: requests, audience } = await parseStackText(text, source)
  const modules = await resolveStack(store, requests)
  const before = await versionsOf(store, stack)
  await refuseWithdrawnOf(store, modules, before)
  await writeStack(store, stack, text, modules, audience)
  const plan = { slots: [], modules, replaced: [], notLoaded: [], stays: [] }
  return changeOf(stack, before, plan, 'all')
}

/** @throws StrataError OUTPUT_EXISTS for a lock that is not the stack's: it was pulled, or written for other modules */
async function openToWrite(file: string): Promise<OpenStack> {
  const stack = await openStack(file)
  if (stack.original !== undefined || (stack.lock === undefined && stack.lockFault === undefined))
    return stack
  const lock = lockFileOf(file)
  throw new StrataError('OUTPUT_EXISTS', {
    message: `${lock} is there without ${file}, so it is not the lock of a stack here, and would be lost`,
    facts: { file: lock },
    hint: `mv ${lock} NAME.lock; then the same command again`
  })
}

async function edit(
  store: Repository,
  file: string,
  plan: (stack: OpenStack) => Promise<Plan>,
  touched: RangedRequest[] | 'all'
): Promise<StackChange> {
  const asWritten = await openToWrite(file)
  const opened = { ...asWritten, modules: asWritten.modules.map(request => store.resolveAlias(request)) }
  const before = await versionsOf(store, opened)
  const stack = { ...opened, locked: before }
  const planned = await plan(stack)
  await refuseWithdrawnOf(store, planned.modules, before)
  const text = textWith(stack, planned.slots)
  await writeStack(store, stack, text, planned.modules, stack.audience)
  return changeOf(stack, before, planned, touched)
}

/** Those that the stack has already are left to `build` and `run`, so that it can be edited. */
const refuseWithdrawnOf = (store: Repository, modules: ResolvedModule[], before: Preferred): Promise<void> =>
  store.refuseWithdrawn(
    modules
      .filter(({ name }) => before.get(keyOf(name)) !== name.version)
      .map(({ name, id }) => ({ name: formatModuleName(name), record: id }))
  )

function severalBases(modules: ResolvedModule[]): string[] {
  const bases = independentBases(modules)
  return bases.length > 1 ? bases : []
}

/** @param touched modules that the user named, whose changes need no report */
function changeOf(
  stack: OpenStack,
  before: Preferred,
  { modules, replaced, notLoaded, stays }: Plan,
  touched: RangedRequest[] | 'all'
): StackChange {
  const isTouched = (key: string) => touched === 'all' || touched.some(request => keyOf(request) === key)
  const full = (key: string) => `${key}-${before.get(key)}`
  const isNew = ({ name }: ResolvedModule) => before.get(keyOf(name)) !== name.version
  const swapped = replaced.map(({ request, by }) => ({ key: keyOf(request), to: by }))
  const keys = new Set(modules.map(({ name }) => keyOf(name)))
  return {
    file: stack.file,
    modules,
    reloaded: modules
      .filter(module => isNew(module) && before.has(keyOf(module.name)))
      .map(({ name }) => ({ from: full(keyOf(name)), to: formatModuleName(name) })),
    replaced: swapped.map(({ key, to }) => ({ from: full(key), to })),
    alongside: modules
      .filter(({ name }) => !before.has(keyOf(name)) && !isTouched(keyOf(name)))
      .map(module => ({ module: formatModuleName(module.name), by: whoRequires(module, modules) })),
    gone: [...before.keys()]
      .filter(key => !keys.has(key) && !isTouched(key) && !swapped.some(other => other.key === key))
      .map(full),
    stays,
    notLoaded: notLoaded.map(formatRequirement),
    deprecated: modules.flatMap(({ name, record }) =>
      record.deprecated !== undefined && before.get(keyOf(name)) !== name.version
        ? [{ module: formatModuleName(name), ...record.deprecated }]
        : []
    ),
    bases: modules.some(module => module.record.kind === 'base' && isNew(module))
      ? severalBases(modules)
      : [],
    ...(stack.lockFault && { lockFault: stack.lockFault.message })
  }
}
