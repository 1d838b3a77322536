/** `compose add`, `rm`, `swap`, `purge`, `update`, `restore`: the stack file, edited whole or not at all. */

import {
  type Deprecation,
  formatModuleName,
  formatRequirement,
  type RangedRequest
} from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import {
  independentBases,
  keyOf,
  type Preferred,
  type ResolvedModule,
  resolveStack
} from '../resolve/index.ts'
import { versionsOf } from './loaded-versions.ts'
import { type NewerVersion, newerVersions } from './newer-versions.ts'
import { type OpenStack, openStack } from './open-stack.ts'
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
  /** What the stack comes to now, bottom to top. */
  modules: ResolvedModule[]
  /** Another version than before. */
  reloaded: { from: string; to: string }[]
  /** Gave way to a module of the same family. */
  replaced: { from: string; to: string }[]
  /** New, and nobody asked for it. */
  alongside: { module: string; by: string }[]
  /** No longer there, and nobody asked for that. */
  gone: string[]
  /** Was to be removed, but others require it. */
  stays: { module: string; by: string }[]
  /** Was to be removed or updated, but is not there. */
  notLoaded: string[]
  /** Of what is new. */
  deprecated: ({ module: string } & Deprecation)[]
  /** What is there, and not taken all the same; of `updateModules`. */
  newer?: NewerVersion[]
  /** Those that do not require each other, where one of several is new. */
  bases: string[]
  /** A lock that could not be read, and was written anew. */
  lockFault?: string
}

/**
 * @throws StrataError STACK_INVALID, MODULE_UNKNOWN, MODULE_CONFLICT; nothing is changed then
 */
export function addModules(store: Repository, file: string, words: RangedRequest[], options?: PlanOptions) {
  const requests = words.map(request => store.resolveAlias(request))
  return edit(store, file, stack => planAdd(store, stack, requests, options), requests)
}

/** What is not there is told, and is no error. @throws StrataError STACK_INVALID */
export function removeModules(store: Repository, file: string, words: RangedRequest[]) {
  const requests = words.map(request => store.resolveAlias(request))
  return edit(store, file, stack => planRemove(store, stack, requests), requests)
}

/** @throws StrataError NOT_LOADED when there is no `old`; as {@link addModules} */
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

/** @param names none: all */
export async function updateModules(
  store: Repository,
  file: string,
  names: RangedRequest[]
): Promise<StackChange> {
  const requests = names.map(request => store.resolveAlias(request))
  const change = await edit(store, file, stack => planUpdate(store, stack, requests), [])
  return { ...change, newer: await newerVersions(store, change.modules) }
}

/** Also a stack that does not resolve any more can be emptied. */
export const purgeModules = (store: Repository, file: string) =>
  edit(store, file, async () => ({ slots: [], modules: [], replaced: [], notLoaded: [], stays: [] }), 'all')

/** The stack becomes what this text says, resolved anew. @param source names the text in messages */
export async function replaceStack(
  store: Repository,
  file: string,
  text: string,
  source: string
): Promise<StackChange> {
  const stack = await openStack(file)
  const { modules: requests, audience } = await parseStackText(text, source)
  const modules = await resolveStack(store, requests)
  const before = await versionsOf(store, stack)
  await writeStack(store, stack, text, modules, audience)
  const plan = { slots: [], modules, replaced: [], notLoaded: [], stays: [] }
  return changeOf(stack, before, plan, 'all')
}

async function edit(
  store: Repository,
  file: string,
  plan: (stack: OpenStack) => Promise<Plan>,
  touched: RangedRequest[] | 'all'
): Promise<StackChange> {
  const asWritten = await openStack(file)
  const opened = { ...asWritten, modules: asWritten.modules.map(request => store.resolveAlias(request)) }
  const before = await versionsOf(store, opened)
  const stack = { ...opened, locked: before }
  const planned = await plan(stack)
  const text = textWith(stack, planned.slots)
  await writeStack(store, stack, text, planned.modules, stack.audience)
  return changeOf(stack, before, planned, touched)
}

function severalBases(modules: ResolvedModule[]): string[] {
  const bases = independentBases(modules)
  return bases.length > 1 ? bases : []
}

/** @param touched what the user named: its coming and going is no news */
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
