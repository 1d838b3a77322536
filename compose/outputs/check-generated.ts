/**
 * Compares the files that every image carries about itself (labels, environment, layers, records, ACLs) with what its
 * lock, its records and its tree lead to. So somebody who edits one of them afterwards is found, without any store.
 */
import { Kind } from '../../store/object/index.ts'
import { type PathBytes, StrataError, showPath } from '../../store/values/index.ts'
import { type ImageDescription, type OpenImage, readImageFile } from '../inspect/index.ts'
import { findPath, type MergedTree } from '../merge/index.ts'
import { generatedEntries } from '../runtime-files/index.ts'
import { targetOf } from '../squashfs/index.ts'
import { formatLayerList, formatLock } from '../stack/index.ts'

/** These follow from the layers of each module, which an image does not tell apart. */
const FROM_LAYERS = ['.compose/owners', '.compose/overrides']

type Entry = ReturnType<typeof generatedEntries>[number]

/**
 * @param tree of the modules, as the image has it
 * @param isGenerated as the image says
 * @returns the number of files that were compared
 * @throws StrataError IMAGE_INVALID that names the first path that differs
 */
export function checkGenerated(
  image: OpenImage,
  { lock, modules }: ImageDescription,
  tree: MergedTree,
  isGenerated: (path: PathBytes) => boolean
): number {
  const byName = new Map(modules.map(module => [module.name, module]))
  const expected = new Map<PathBytes, Entry>()
  const entries = generatedEntries({
    modules: lock.modules.map(({ name, layers }) => {
      const known = name === undefined ? undefined : byName.get(name)
      return {
        name,
        layers,
        ...(known && { recordId: known.id, record: known.record, recordBytes: known.bytes })
      }
    }),
    lock: formatLock(lock),
    layerList: formatLayerList(lock.modules),
    tree
  })
  for (const entry of entries) if (findPath(tree, entry.path) === undefined) expected.set(entry.path, entry)
  const found = new Set<PathBytes>()
  for (const { path, inode } of image.reader.walk()) {
    if (path === '' || !isGenerated(path)) continue
    found.add(path)
    const entry = expected.get(path)
    if (FROM_LAYERS.includes(path)) continue
    if (entry === undefined)
      throw edited(image, path, 'belongs to no module, and no image of its lock has it')
    if (kindOf(entry) !== inode.kind) throw edited(image, path, 'is of another kind than its lock leads to')
    if (inode.kind === Kind.symlink) {
      if (targetOf(inode) !== entry.target) throw edited(image, path, 'leads elsewhere than its lock says')
    } else if (inode.mode !== entry.mode || image.reader.uid(inode) !== 0)
      throw edited(image, path, 'has another owner or mode than its lock leads to')
    if (entry.content !== undefined && Buffer.compare(readImageFile(image, path), entry.content) !== 0)
      throw edited(image, path, 'has other content than its lock and its records lead to')
  }
  for (const path of expected.keys()) if (!found.has(path)) throw edited(image, path, 'is missing')
  return found.size
}

const kindOf = ({ kind }: Entry): number =>
  kind === 'directory' ? Kind.directory : kind === 'symlink' ? Kind.symlink : Kind.file

const edited = (image: OpenImage, path: PathBytes, fault: string): StrataError =>
  new StrataError('IMAGE_INVALID', {
    message: `${image.path} was edited after it was built: /${showPath(path)} ${fault}`,
    facts: { image: image.path, path: `/${showPath(path)}` },
    hint: `compose cat ${image.path} /.compose/lock > stack.lock; compose build NEW.sqfs stack.lock`
  })
