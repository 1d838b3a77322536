import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { initStore } from '../../store/files/store.ts'
import { blobPath } from '../../store/files/store-layout.ts'
import { formatModuleName, parseModuleName } from '../../store/module/name.ts'
import { encodeRecord, type ModuleRecord } from '../../store/module/record.ts'
import { parseRequirement } from '../../store/module/requirement.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import type { Repository } from '../../store/repository/repository.ts'
import { formatCid, manifestCid, sha256Of } from '../../store/values/digest.ts'

/** The facts about a module that matter for a test; the rest is as plain as possible. */
export interface QuickModule
  extends Partial<
    Pick<
      ModuleRecord,
      'kind' | 'summary' | 'help' | 'license' | 'labels' | 'family' | 'hidden' | 'deprecated' | 'accessGroups'
    >
  > {
  requires?: string[]
  conflicts?: string[]
}

/** One id for all: what resolves modules does not look into layers. */
const LAYER = manifestCid(Buffer.from('{"no":"layer"}'))

/**
 * A store whose modules were put there file by file, without import and without flushing: a thousand in a second.
 * @param modules by `category/name-version`
 */
export async function quickStore(root: string, modules: Record<string, QuickModule>): Promise<Repository> {
  await initStore(root)
  for (const [name, module] of Object.entries(modules)) quickPublish(root, name, module)
  return openRepository({ store: root })
}

export function quickPublish(
  root: string,
  name: string,
  { requires, conflicts, ...module }: QuickModule
): void {
  const { category, name: stem, version } = parseModuleName(name)
  const bytes = encodeRecord({
    kind: 'library',
    layers: [LAYER],
    environment: [],
    accessGroups: [],
    labels: {},
    redistributable: true,
    replaces: [],
    allowPrivileged: false,
    hidden: false,
    origin: [],
    ...module,
    category,
    name: stem,
    version,
    requires: (requires ?? []).map(text => parseRequirement(text, 'requires')),
    conflicts: (conflicts ?? []).map(text => parseRequirement(text, 'conflicts'))
  })
  const id = manifestCid(bytes)
  write(join(root, blobPath(sha256Of(id), '')), bytes)
  write(join(root, 'refs/modules', category, stem, version), `${formatCid(id)}\n`)
}

export const quickNames = (
  modules: { name: { category: string; name: string; version: string } }[]
): string[] => modules.map(({ name }) => formatModuleName(name))

function write(path: string, bytes: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}
