/** `compose capture`: runs a command in a writable tree, and publishes what it changed as a module. */
import { join, resolve } from 'node:path'
import { exists } from '../../store/disk/index.ts'
import type { ImportModuleReport } from '../../store/import/index.ts'
import type { ModuleRecord } from '../../store/module/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { dropUndefined, StrataError } from '../../store/values/index.ts'
import { openImage } from '../inspect/index.ts'
import { buildSandbox, extractImage, type Target } from '../outputs/index.ts'
import { type Bind, type Ended, runnableOf } from '../run/index.ts'
import { epochOf, SANDBOX_FOLDER, type Tidying } from '../sandbox/index.ts'
import { boundsOfSandbox, type PublishRequest, publishModule } from '../sources/index.ts'
import { applyOverlay, type OverlayModes, type OverlayRequest } from './apply-overlay.ts'
import { changedPackages, keepPackages } from './installed-packages.ts'
import { holdOverlay } from './overlay-folder.ts'
import { type OwnersWay, subordinateOptions } from './owners-way.ts'
import { assertCaptureTree, runInside } from './run-inside.ts'
import { WorkFolder } from './work-folder.ts'

export interface CaptureRequest extends Omit<PublishRequest, 'onProgress' | 'capture' | 'bounds' | 'modes'> {
  /** The tree to start from; undefined to go on in an existing one. */
  target?: Target
  command: string[]
  /** In place of a command: the changes that a run with `--overlay` has kept, and the image that it ran in. */
  overlay?: { folder: string; image: string }
  binds: Bind[]
  hasNetwork: boolean
  /** Variables of the user. */
  added: Record<string, string>
  workingFolder?: string
  /** False if logs and caches are to be kept. */
  scrubs: boolean
  /** Seconds: the time of what is new; default: the newest in the tree. */
  epoch?: number
  /** Folder of the tree, made if it is not there, and kept. */
  sandbox?: string
  /** Keep the tree also without a folder of its own. */
  isKept: boolean
  /** How owners are kept while the command runs. */
  owners: OwnersWay
  /** Where other trees are made. */
  workFolder: string
  /** True if the command's output must not mix with a document on standard output. */
  isOutputOfOthers: boolean
  note(text: string): void
  onProgress(what: string, bytes: number): void
}

export interface CaptureReport {
  /** How the command ended. */
  ended: Ended
  /** Undefined if the command failed. */
  published?: ImportModuleReport
  /** Folder of the tree, if it is still there. */
  tree?: string
}

/** @throws StrataError; then nothing is published */
export async function captureModule(store: Repository, request: CaptureRequest): Promise<CaptureReport> {
  await store.assertWritable()
  if (request.overlay !== undefined) return captureOverlay(store, request, request.overlay)
  const work = new WorkFolder(request.workFolder)
  const tree = request.sandbox === undefined ? work.tree : resolve(request.sandbox)
  try {
    // What cannot be is refused before the work.
    subordinateOptions(request.owners, { ...request, tree, work: work.path })
    await prepareTree(store, tree, request)
    const bounds = await boundsOfSandbox(store, tree) // before the command can write anything
    const tidying = { scrubs: request.scrubs, epoch: request.epoch ?? epochOf(tree) }
    const inside = { tree, work: work.path, records: await recordsOfTree(tree), epoch: tidying.epoch }
    const ended = await runInside({ ...request, ...inside, isTyped: true })
    if (ended.status !== 0) return { ended, ...work.end(request.isKept) }
    const published = await publish(store, tree, { ...request, bounds }, tidying).catch(error => {
      request.note(keptFor(work, request, tree))
      throw error
    })
    return { ended, published, ...work.end(request.isKept) }
  } finally {
    work.end(false)
  }
}

/** The layer is told by comparison with the tree of the image, as that of an edited sandbox. */
async function captureOverlay(
  store: Repository,
  request: CaptureRequest,
  { folder, image: path }: NonNullable<CaptureRequest['overlay']>
): Promise<CaptureReport> {
  const held = holdOverlay(folder)
  const work = new WorkFolder(request.workFolder)
  try {
    const onProgress = (bytes: number) => request.onProgress('tree', bytes)
    if (request.target === undefined)
      await extractImage(path, work.tree, { recordOnly: false, store, onProgress })
    else
      await buildSandbox(store, request.target, {
        ...{ directory: work.tree, verify: false, recordOnly: false },
        onProgress
      })
    const bounds = await boundsOfSandbox(store, work.tree) // before what a program has written is in it
    const image = await openImage(path)
    const modes = await applied({ folder: held.path, image, tree: work.tree, note: request.note })
    return { ended: { status: 0 }, published: await publish(store, work.tree, { ...request, bounds, modes }) }
  } finally {
    work.end(false)
    held.end()
  }
}

const applied = async (overlay: OverlayRequest): Promise<OverlayModes> => {
  try {
    return applyOverlay(overlay)
  } finally {
    await overlay.image.close()
  }
}

async function prepareTree(store: Repository, tree: string, request: CaptureRequest): Promise<void> {
  if (await exists(join(tree, SANDBOX_FOLDER))) {
    if (request.target !== undefined)
      throw new StrataError('USAGE', {
        message: `${tree} is a sandbox already, so --from has nothing to say`,
        facts: { sandbox: tree },
        hint: `--sandbox ${tree} without --from goes on in it`
      })
    assertCaptureTree(tree)
    return
  }
  if (request.target === undefined)
    throw new StrataError('USAGE', {
      message: 'there is nothing to start from: no TARGET is named, and no sandbox is there to go on in',
      hint: 'compose capture MODULE --from base/debian -- CMD'
    })
  await buildSandbox(store, request.target, {
    directory: tree,
    verify: false,
    recordOnly: false,
    forCapture: true,
    onProgress: bytes => request.onProgress('tree', bytes)
  })
  keepPackages(tree)
}

/** Records of the modules that a tree was made of, bottom to top. */
export const recordsOfTree = async (tree: string): Promise<ModuleRecord[]> =>
  (await runnableOf({ kind: 'directory', path: tree })).records

const publish = (
  store: Repository,
  tree: string,
  request: CaptureRequest & Pick<PublishRequest, 'bounds' | 'modes'>,
  tidying?: Tidying
): Promise<ImportModuleReport> => {
  const { target: _t, overlay: _o, owners: _w, command, note: _n, onProgress, ...publishing } = request
  return publishModule(store, {
    ...dropUndefined(publishing),
    flags: { ...request.flags, sources: [tree] },
    onProgress: ({ source: _s, bytesRead }) => onProgress('layer', bytesRead),
    ...(tidying && {
      capture: { command: command.map(quoted).join(' '), tidying, ...changedPackages(tree, request.note) }
    })
  } as PublishRequest)
}

/** As a shell would read it again. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

/** What took an hour to install is not thrown away for a flag that is missing. */
function keptFor(work: WorkFolder, request: CaptureRequest, tree: string): string {
  work.keep()
  const { category, name, version } = request.name
  return `the tree stays in ${tree}: compose capture ${category}/${name}-${version} --sandbox ${tree} -- true publishes it, rm -rf ${tree} removes it`
}
