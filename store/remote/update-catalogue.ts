/** Asks a remote what its tags stand for, and keeps it in the user's cache (spec/registry.md#catalogue). */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownCacheFolder, siblingPath } from '../disk/index.ts'
import {
  listRepositories,
  MOST_NAMES,
  openRepository,
  type RegistrySettings,
  type RemoteRepository
} from '../registry/index.ts'
import { inLanes, StrataError, showText } from '../values/index.ts'
import {
  FOLDER,
  fileName,
  type Kept,
  type OfferedRecord,
  readCatalogue,
  readKept,
  VERSION
} from './catalogue.ts'
import { formatPrefix } from './module-place.ts'
import { RemoteModule } from './pull-module.ts'
import type { Remote } from './remotes.ts'

const LANES = 8

export interface UpdatedCatalogue {
  modules: OfferedRecord[]
  /** Tags that stand for no module, or for one that cannot be read. */
  notes: string[]
}

/**
 * Asks the remote for its repositories and tags, and reads the records that are new.
 * @throws StrataError REGISTRY_…; the former catalogue stays
 */
export async function updateCatalogue(remote: Remote, settings: RegistrySettings): Promise<UpdatedCatalogue> {
  const { host } = remote.prefix
  const repositories = await repositoriesBelow(remote, settings)
  const known = new Map(readKept(remote)?.modules.map(one => [`${one.repository}:${one.tag}`, one]))
  const modules: Kept[] = []
  const notes: string[] = []
  const unread: string[] = []
  let asked = 0
  await inLanes(repositories, LANES, async name => {
    const repository = openRepository({ host, repository: name }, settings)
    try {
      const tags = await repository.listTags()
      asked += tags.length
      if (asked > MOST_NAMES) throw tooManyTags(remote)
      for (const tag of tags)
        if (/^[0-9]/.test(tag))
          try {
            modules.push(await readOffer(repository, { host, repository: name, tag }, known))
          } catch (error) {
            if (!(error instanceof StrataError) || error.code === 'REGISTRY_UNREACHABLE') throw error
            unread.push(`${name}:${tag}`)
            notes.push(
              showText(`${name}:${tag} is left out, also of what later remotes offer: ${error.message}`)
            )
          }
    } finally {
      await repository.close()
    }
  })
  modules.sort((a, b) => (`${a.repository}:${a.tag}` < `${b.repository}:${b.tag}` ? -1 : 1))
  writeKept(remote, modules, unread.sort())
  return { modules: readCatalogue(remote)?.modules ?? [], notes: notes.sort() }
}

/** Each tag is a request, so a registry that names more of them would keep a user busy for days. */
const tooManyTags = ({ name, prefix }: Remote): StrataError =>
  new StrataError('REGISTRY_INVALID', {
    message: `registry ${prefix.host}: the repositories of remote ${name} have more than ${MOST_NAMES} tags together`,
    facts: { registry: prefix.host },
    hint: `compose remote remove ${name}; compose remote add ${name} with a longer path, below which there are fewer`
  })

/** @throws StrataError REGISTRY_DENIED if the registry does not tell its repositories */
async function repositoriesBelow({ name, prefix }: Remote, settings: RegistrySettings): Promise<string[]> {
  const all = await listRepositories(prefix.host, settings)
  if (all === undefined)
    throw new StrataError('REGISTRY_DENIED', {
      message: `registry ${prefix.host} does not tell you which repositories it has, so remote ${name} cannot be listed`,
      facts: { registry: prefix.host },
      hint: `compose login ${prefix.host}; compose pull ${name}:MODULE and builds of locks work without a list`
    })
  const start = prefix.path === '' ? '' : `${prefix.path}/`
  return all.filter(one => one.startsWith(start) && one.slice(start.length).split('/').length === 2)
}

/** A record is read once: as long as the tag stands for the same manifest, the cache has it. */
async function readOffer(
  repository: RemoteRepository,
  place: { host: string; repository: string; tag: string },
  known: ReadonlyMap<string, Kept>
): Promise<Kept> {
  const top = await repository.readManifest(place.tag)
  const there = known.get(`${place.repository}:${place.tag}`)
  if (there?.manifest === top.digest) return there
  const module = new RemoteModule(repository, top)
  const record = Buffer.from(await module.readRecord(place)).toString()
  const { repository: name, tag } = place
  return { manifest: top.digest, repository: name, tag, record, dataBytes: module.dataBytes }
}

function writeKept(remote: Remote, modules: Kept[], unread: string[]): void {
  const path = join(ownCacheFolder(FOLDER), fileName(remote))
  const partial = siblingPath(path)
  const document = {
    version: VERSION,
    remote: formatPrefix(remote.prefix),
    readAtSeconds: Math.floor(Date.now() / 1000),
    modules,
    unread
  }
  writeFileSync(partial, JSON.stringify(document), { mode: 0o600, flag: 'wx' })
  renameSync(partial, path)
}
