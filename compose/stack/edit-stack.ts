/** `compose add`, `rm`, `swap`, `purge`, `update`, `restore`: the stack file, edited whole or not at all. */
import { formatModuleName, formatModuleRequest, type ModuleRequest } from '../../store/module/name.ts'
import type { Deprecation } from '../../store/module/settings.ts'
import type { Store } from '../../store/store.ts'
import { keyOf, type Preferred, type ResolvedModule, resolveStack } from '../resolve/resolve-stack.ts'
import { type OpenStack, openStack } from './open-stack.ts'
import { type Plan, type PlanOptions, planAdd, planRemove, planSwap, planUpdate, whoRequires } from './plan-edit.ts'
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
  /** A lock that could not be read, and was written anew. */
  lockFault?: string
}

/**
 * @throws StrataError STACK_INVALID, MODULE_UNKNOWN, MODULE_CONFLICT; nothing is changed then
 */
export const addModules = (store: Store, file: string, requests: ModuleRequest[], options?: PlanOptions) =>
  edit(store, file, stack => planAdd(store, stack, requests, options), requests)

/** What is not there is told, and is no error. @throws StrataError STACK_INVALID */
export const removeModules = (store: Store, file: string, requests: ModuleRequest[]) =>
  edit(store, file, stack => planRemove(store, stack, requests), requests)

/** @throws StrataError NOT_LOADED when there is no `old`; as {@link addModules} */
export const swapModules = (
  store: Store,
  file: string,
  old: ModuleRequest,
  fresh: ModuleRequest,
  options?: PlanOptions
) => edit(store, file, stack => planSwap(store, stack, old, fresh, options), [old, fresh])

/** @param names none: all */
export const updateModules = (store: Store, file: string, names: ModuleRequest[]) =>
  edit(store, file, stack => planUpdate(store, stack, names), [])

/** Also a stack that does not resolve any more can be emptied. */
export const purgeModules = (store: Store, file: string) =>
  edit(store, file, async stack => ({ slots: [], modules: [], replaced: [], notLoaded: [], stays: [] }), 'all')

/** The stack becomes what this text says, resolved anew. @param source names the text in messages */
export async function replaceStack(store: Store, file: string, text: string, source: string): Promise<StackChange> {
  const stack = await openStack(file)
  const { modules: requests, audience } = await parseStackText(text, source)
  const modules = await resolveStack(store, requests)
  const before = await versionsBefore(store, stack)
  await writeStack(store, stack, text, modules, audience)
  const plan = { slots: [], modules, replaced: [], notLoaded: [], stays: [] }
  return changeOf(stack, before, plan, 'all')
}

async function edit(
  store: Store,
  file: string,
  plan: (stack: OpenStack) => Promise<Plan>,
  touched: ModuleRequest[] | 'all'
): Promise<StackChange> {
  const opened = await openStack(file)
  const before = await versionsBefore(store, opened)
  const stack = { ...opened, locked: before }
  const planned = await plan(stack)
  const text = textWith(stack, planned.slots)
  await writeStack(store, stack, text, planned.modules, stack.audience)
  return changeOf(stack, before, planned, touched)
}

/** What is loaded, with its versions: as locked, else as it resolves; nothing for a stack that does not. */
async function versionsBefore(store: Store, { lock, modules }: OpenStack): Promise<Preferred> {
  const { locked } = { locked: new Map<string, string>() }
  void lock
  const resolved = await resolveStack(store, modules).catch(() => [])
  for (const { name } of resolved) locked.set(keyOf(name), name.version)
  return locked
}

function changeOf(stack: OpenStack, before: Preferred, plan: Plan, touched: ModuleRequest[] | 'all'): StackChange {
  throw new TypeError(String([stack, before, plan, touched, whoRequires, formatModuleName, formatModuleRequest]))
}
