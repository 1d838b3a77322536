/** Turns generated entries into a layer in memory, which is linked with the modules' objects. */
import {
  buildIndex,
  DataWriter,
  InlinePacker,
  type LayerIndex,
  LayerTree,
  MemorySink,
  NONE
} from '../../store/object/index.ts'
import { entryWith, type TarEntry } from '../../store/tar/index.ts'
import type { Compressor, Profile } from '../../store/values/index.ts'
import type { GeneratedEntry } from './generated-entry.ts'

/** Low and fixed: the files are packed at every build, and a higher level gains nothing for a few kilobytes. */
const LEVEL: Record<Compressor, number> = { zstd: 3, gzip: 6 }

export interface GeneratedLayer {
  index: LayerIndex
  data: Uint8Array
}

/**
 * @param entries result of `generatedEntries`
 * @param profile of the image; its level is not used
 */
export async function generatedLayer(entries: GeneratedEntry[], profile: Profile): Promise<GeneratedLayer> {
  const packing = { ...profile, level: LEVEL[profile.compressor] }
  const tree = new LayerTree('generated files')
  const sink = new MemorySink()
  const writer = new DataWriter(sink, packing, new InlinePacker())
  for (const entry of entries) {
    tree.add(asMember(entry), entry.path, addContent(writer, entry))
    await writer.drain()
  }
  tree.finish()
  const data = await writer.finish()
  return { index: buildIndex(tree, new Map(), data, packing), data: sink.bytes() }
}

function addContent(writer: DataWriter, { kind, content }: GeneratedEntry): number {
  if (kind !== 'file') return NONE
  if (content !== undefined) writer.write(content)
  return writer.endFile()
}

/** The entry as a member of an archive. */
const asMember = ({ path, kind, mode, content, target = '' }: GeneratedEntry): TarEntry =>
  entryWith({ path, kind, mode, sizeBytes: content?.length ?? 0, linkTarget: target })
