/** The repository of a store on disk. Code that few commands need is loaded when it is called. */
import type { CID } from 'multiformats/cid'
import { findBlob, readRecord, readRecordPart } from '../contents/index.ts'
import {
  assertMade,
  assertWritable,
  isMade,
  openStore,
  type Store,
  type StorePlaces,
  type StoreRoot
} from '../files/index.ts'
import { openCatalogue } from '../index/index.ts'
import { findExact, findModule, publishedVersions, resolveAlias, unknownModule } from '../lookup/index.ts'
import {
  findAlias,
  formatModuleName,
  type ModuleRecord,
  type RecordField,
  removeAlias,
  removeDefault,
  writeAlias,
  writeDefault
} from '../module/index.ts'
import type { Asking, Remote } from '../remote/index.ts'
import { type Profile, sha256Of } from '../values/index.ts'
import type { Repository } from './repository.ts'

/**
 * @param asking how remotes are asked what they offer, if it is long ago; without it they are not
 * @throws StrataError STORE_MISSING, STORE_VERSION, MANIFEST_INVALID
 */
export const openRepository = async (places?: StorePlaces, asking?: Asking): Promise<Repository> =>
  repositoryOf(await openStore(places), asking)

export const repositoryOf = (store: Store, asking?: Asking): Repository => new DiskRepository(store, asking)

type Arguments<Name extends keyof Repository> = Repository[Name] extends (...rest: infer R) => unknown
  ? R
  : never

class DiskRepository implements Repository {
  readonly root: string
  readonly profile: Profile
  readonly group?: number
  readonly searched: StoreRoot[]
  readonly #asking: Asking | undefined
  #asked: Promise<void> | undefined

  constructor({ root, profile, group, searched }: Store, asking?: Asking) {
    this.root = root
    this.profile = profile
    if (group !== undefined) this.group = group
    this.searched = searched
    this.#asking = asking
  }

  alone() {
    const { root, profile, group } = this
    return repositoryOf({ root, profile, group, searched: [{ root, profile, group }] })
  }

  catalogue() {
    return openCatalogue(this)
  }

  findModule(...rest: Arguments<'findModule'>) {
    return findModule(this, ...rest)
  }

  findExact(...rest: Arguments<'findExact'>) {
    return findExact(this, ...rest)
  }

  async findRecord(...rest: Arguments<'findRecord'>) {
    const { findRecord } = await import('../lookup/find-record.ts')
    return findRecord(this, ...rest)
  }

  resolveAlias(...rest: Arguments<'resolveAlias'>) {
    return resolveAlias(this, ...rest)
  }

  async parseTypedName(...[word, options]: Arguments<'parseTypedName'>) {
    const { parseTypedName } = await import('../lookup/typed-name.ts')
    return parseTypedName(this, word, { offered: () => this.#offeredNames(), ...options })
  }

  async parseTypedRequest(...[word, options]: Arguments<'parseTypedRequest'>) {
    const { parseTypedRequest } = await import('../lookup/typed-name.ts')
    return parseTypedRequest(this, word, { offered: () => this.#offeredNames(), ...options })
  }

  publishedVersions(...rest: Arguments<'publishedVersions'>) {
    return publishedVersions(this, ...rest)
  }

  unknownModule(...rest: Arguments<'unknownModule'>) {
    return unknownModule(this, ...rest)
  }

  async describeModule(...rest: Arguments<'describeModule'>) {
    const { describeModule } = await import('../lookup/describe-module.ts')
    return describeModule(this, ...rest)
  }

  findAlias(...rest: Arguments<'findAlias'>) {
    return findAlias(this, ...rest)
  }

  readRecord(...rest: Arguments<'readRecord'>) {
    return readRecord(this, ...rest)
  }

  readRecordPart<K extends RecordField>(id: CID, names: readonly K[]): Promise<Pick<ModuleRecord, K>> {
    return readRecordPart(this, id, names)
  }

  async measureSpace() {
    const { measureSpace } = await import('../usage/measure-space.ts')
    return measureSpace(this)
  }

  async readLayer(...rest: Arguments<'readLayer'>) {
    const { readLayer } = await import('../contents/manifests.ts')
    return readLayer(this, ...rest)
  }

  async signaturesOf(...[record, known]: Arguments<'signaturesOf'>) {
    const { readSignatures } = await import('../signatures/signature-files.ts')
    return readSignatures(this, record, known ?? (await this.readWholeBlob(sha256Of(record))))
  }

  async addSignature(...[record, signature]: Arguments<'addSignature'>) {
    const { addSignature } = await import('../signatures/signature-files.ts')
    await this.assertWritable()
    return addSignature(this, record, await this.readWholeBlob(sha256Of(record)), signature)
  }

  async trust() {
    const { readTrust } = await import('../policy/trust.ts')
    return readTrust(this.searched)
  }

  async judge(...[parts]: Arguments<'judge'>) {
    const { judgeParts } = await import('../policy/check-trust.ts')
    return judgeParts(this, await this.trust(), parts)
  }

  async refuseWithdrawn(...rest: Arguments<'refuseWithdrawn'>) {
    const { refuseWithdrawn } = await import('../policy/check-trust.ts')
    return refuseWithdrawn(this.searched, ...rest)
  }

  async assertTrusted(...rest: Arguments<'assertTrusted'>) {
    const { assertTrusted } = await import('../policy/check-trust.ts')
    return assertTrusted(this, ...rest)
  }

  findBlob(...rest: Arguments<'findBlob'>) {
    return findBlob(this, ...rest)
  }

  async *readBlob(...rest: Arguments<'readBlob'>) {
    const { readBlob } = await import('../contents/blob-store.ts')
    yield* readBlob(this, ...rest)
  }

  async readWholeBlob(...rest: Arguments<'readWholeBlob'>) {
    const { readWholeBlob } = await import('../contents/blob-store.ts')
    return readWholeBlob(this, ...rest)
  }

  async openObjectFiles(...rest: Arguments<'openObjectFiles'>) {
    const { openObjectFiles } = await import('../import/layer-object.ts')
    return openObjectFiles(this, ...rest)
  }

  async verifyObject(...rest: Arguments<'verifyObject'>) {
    const { verifyObject } = await import('../import/prove-object.ts')
    return verifyObject(this, ...rest)
  }

  async accessOfLayer(...rest: Arguments<'accessOfLayer'>) {
    const { accessOfLayer } = await import('../access/layer-access.ts')
    return accessOfLayer(this, ...rest)
  }

  async storedAccess(...rest: Arguments<'storedAccess'>) {
    const { storedAccess } = await import('../access/layer-access.ts')
    return storedAccess(this, ...rest)
  }

  async accessOfLayers(...rest: Arguments<'accessOfLayers'>) {
    const { accessOfLayers } = await import('../access/layer-access.ts')
    return accessOfLayers(this, ...rest)
  }

  isMade() {
    return isMade(this)
  }

  assertMade() {
    return assertMade(this)
  }

  assertWritable(...rest: Arguments<'assertWritable'>) {
    return assertWritable(this, ...rest)
  }

  async importModule(...rest: Arguments<'importModule'>) {
    const { importModule } = await import('../import/import-module.ts')
    return importModule(this, ...rest)
  }

  async importLayer(...rest: Arguments<'importLayer'>) {
    const { importLayer } = await import('../import/import-layer.ts')
    return importLayer(this, ...rest)
  }

  async readPredecessor(...rest: Arguments<'readPredecessor'>) {
    const { readPredecessor } = await import('../import/predecessor.ts')
    return readPredecessor(this, ...rest)
  }

  async unpublish(...rest: Arguments<'unpublish'>) {
    const { unpublish } = await import('../import/unpublish-module.ts')
    return unpublish(this, ...rest)
  }

  writeAlias(...rest: Arguments<'writeAlias'>) {
    return writeAlias(this, ...rest)
  }

  removeAlias(...rest: Arguments<'removeAlias'>) {
    return removeAlias(this.root, ...rest)
  }

  async writeDefault(...[name]: Arguments<'writeDefault'>) {
    const found = findExact(this, name)
    if (found !== undefined)
      await this.refuseWithdrawn([{ name: formatModuleName(name), record: found.record }])
    return writeDefault(this.root, name)
  }

  removeDefault(...rest: Arguments<'removeDefault'>) {
    return removeDefault(this.root, ...rest)
  }

  async addPin(...rest: Arguments<'addPin'>) {
    const { addPin } = await import('../gc/pins.ts')
    return addPin(this, ...rest)
  }

  async removePin(...rest: Arguments<'removePin'>) {
    const { removePin } = await import('../gc/pins.ts')
    return removePin(this, ...rest)
  }

  async listPins() {
    const { listPins } = await import('../gc/pins.ts')
    return listPins(this.root)
  }

  async readPin(...rest: Arguments<'readPin'>) {
    const { readPin } = await import('../gc/pins.ts')
    return readPin(this.root, ...rest)
  }

  async pushModule(...rest: Arguments<'pushModule'>) {
    const { pushModule } = await import('../remote/push-module.ts')
    return pushModule(this, ...rest)
  }

  async pullModule(...rest: Arguments<'pullModule'>) {
    const { pullModule } = await import('../remote/pull-module.ts')
    return pullModule(this, ...rest)
  }

  async pushStack(...rest: Arguments<'pushStack'>) {
    const { pushStack } = await import('../remote/push-stack.ts')
    return pushStack(this, ...rest)
  }

  async pull(...rest: Arguments<'pull'>) {
    const { pull } = await import('../remote/pull-stack.ts')
    return pull(this, ...rest)
  }

  async createArchive(...rest: Arguments<'createArchive'>) {
    const { ArchiveWriter } = await import('../remote/archive-writer.ts')
    return ArchiveWriter.create(...rest)
  }

  async pullArchive(...rest: Arguments<'pullArchive'>) {
    const { pullArchive } = await import('../remote/pull-archive.ts')
    return pullArchive(this, ...rest)
  }

  async remotes() {
    const { readRemotes } = await import('../remote/remotes.ts')
    return readRemotes(this.searched)
  }

  async offers() {
    const remotes = await this.remotes()
    if (remotes.length === 0) return []
    this.#asked ??= this.#refresh(remotes)
    await this.#asked
    const { offeredRecords } = await import('../remote/catalogue.ts')
    return offeredRecords(remotes)
  }

  async #refresh(remotes: readonly Remote[]): Promise<void> {
    if (this.#asking === undefined) return
    const { refreshCatalogues } = await import('../remote/refresh-catalogues.ts')
    await refreshCatalogues(remotes, this.#asking)
  }

  async #offeredNames() {
    return (await this.offers()).map(({ record }) => ({ name: record, hidden: record.hidden === true }))
  }

  async updateCatalogue(...rest: Arguments<'updateCatalogue'>) {
    const { updateCatalogue } = await import('../remote/update-catalogue.ts')
    return updateCatalogue(...rest)
  }

  async pullRecord(...[wanted, options]: Arguments<'pullRecord'>) {
    const { pullRecord } = await import('../remote/pull-missing.ts')
    return pullRecord(this, wanted, await this.remotes(), options)
  }

  async pullByName(...[request, options]: Arguments<'pullByName'>) {
    const { pullByName } = await import('../remote/pull-missing.ts')
    return pullByName(this, request, await this.remotes(), options)
  }

  async exportModule(...rest: Arguments<'exportModule'>) {
    const { exportModule } = await import('../export/export-module.ts')
    return exportModule(this, ...rest)
  }

  async fsck(...rest: Arguments<'fsck'>) {
    const { fsck } = await import('../fsck/check-store.ts')
    return fsck(this, ...rest)
  }

  async collectGarbage(...rest: Arguments<'collectGarbage'>) {
    const { collectGarbage } = await import('../gc/collect-garbage.ts')
    return collectGarbage(this, ...rest)
  }

  async findCachedLayer(...rest: Arguments<'findCachedLayer'>) {
    const { findCachedLayer } = await import('../layer-cache/cached-layer.ts')
    return findCachedLayer(this, ...rest)
  }

  async cacheLayer(...rest: Arguments<'cacheLayer'>) {
    const { cacheLayer } = await import('../layer-cache/cached-layer.ts')
    return cacheLayer(this, ...rest)
  }
}
