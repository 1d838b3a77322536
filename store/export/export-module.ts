/**
 * Exports a module's layers: each tarball byte for byte as it was imported (decompressed), with the metadata that tar
 * loses beside it, in the forms that setfacl --restore and setfattr --restore take.
 */

import { linkSync, rmdirSync, unlinkSync } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { accessOfLayer, refuseNotRedistributable, sendingBounds } from '../access/index.ts'
import { formatGetfacl, formatGetfattr, minimalAcl, type Sidecar, type WritableBlock } from '../acl/index.ts'
import { readBlob, readLayer, readRecord, readSidecar } from '../contents/index.ts'
import { makeFolders, OutputFolder, siblingPath } from '../disk/index.ts'
import { EVERYONE, type FileAccess, type Store, setAccess } from '../files/index.ts'
import { formatModuleName } from '../module/index.ts'
import { writeFully } from '../object/index.ts'
import { refuseWithdrawn } from '../policy/index.ts'
import { type TarEntry, TarParser, type TarSink } from '../tar/index.ts'
import {
  nameFileInErrors,
  type PathBytes,
  StrataError,
  sha256Of,
  UNLIMITED,
  whenStopped
} from '../values/index.ts'

export interface ExportedFile {
  path: string
  sizeBytes: number
}

/**
 * Exports the layers of a module, as {@link exportLayers} writes them.
 * @param internal true if the files stay on the site
 * @throws StrataError NOT_REDISTRIBUTABLE if the module must stay on the site and `internal` is not set; as
 * exportLayers
 */
export async function exportModule(
  store: Store,
  id: CID,
  folder: string,
  { internal = false }: { internal?: boolean } = {}
): Promise<ExportedFile[]> {
  const record = await readRecord(store, id)
  await refuseWithdrawn(store.searched, [{ name: formatModuleName(record), record: id }])
  const { licensed } = await sendingBounds(store, record)
  refuseNotRedistributable([licensed], `an export of ${formatModuleName(record)}`, { internal })
  return exportLayers(store, record.layers, folder)
}

/**
 * Writes `layer.tar`, and `layer.acl` and `layer.xattrs` if they have content; with several layers `layer-1.tar`,
 * `layer-2.tar` and so on, bottom to top. Each file is readable for those who may read it in the store.
 * @throws StrataError STORE_ACCESS if the file system cannot express that; IO if one of these files exists;
 * BLOB_CORRUPT. No file is left half-written
 */
export async function exportLayers(store: Store, layers: CID[], folder: string): Promise<ExportedFile[]> {
  const forgets: Forget[] = makeFolders(folder).map(made => whenStopped(() => rmdirSync(made)))
  const written: ExportedFile[] = []
  const held = new OutputFolder(join(folder, 'layer'))
  try {
    for (const [i, id] of layers.entries()) {
      const base = join(folder, layers.length === 1 ? 'layer' : `layer-${i + 1}`)
      written.push(...(await exportLayer(store, id, base, { held, forgets })))
    }
    await held.sync()
  } finally {
    held.close()
  }
  for (const forget of forgets) forget()
  return written
}

/** Forgets a file that is removed if the command is stopped: an export is whole or absent. */
type Forget = () => void

interface Exporting {
  /** The folder, whatever others put in its place meanwhile. */
  held: OutputFolder
  forgets: Forget[]
}

async function exportLayer(
  store: Store,
  id: CID,
  base: string,
  exporting: Exporting
): Promise<ExportedFile[]> {
  const manifest = await readLayer(store, id)
  const sidecar = await readSidecar(store, manifest)
  const access = await accessOfLayer(store, manifest)
  const modes = new ModeCollector(sidecar)
  const parser = new TarParser(modes, { archive: base, limits: UNLIMITED, endsAtMarker: true })
  const written = [
    await writeWhole(
      `${base}.tar`,
      access.tar,
      async file => {
        let sizeBytes = 0
        for await (const piece of readBlob(store, sha256Of(manifest.tar))) {
          await writeFully(file, piece, sizeBytes)
          sizeBytes += piece.length
          parser.write(piece)
        }
        parser.end()
      },
      exporting
    )
  ]
  if (sidecar === undefined) return written
  for (const [ending, text] of [
    ['acl', formatGetfacl(aclBlocks(sidecar, modes.finish()))],
    [
      'xattrs',
      formatGetfattr(sidecar.entries.map(({ path, attributes = new Map() }) => ({ path, attributes })))
    ]
  ] as const)
    if (text.length > 0)
      written.push(
        await writeWhole(`${base}.${ending}`, access.index, file => writeFully(file, text, 0), exporting)
      )
  return written
}

/** Mode of a directory that no entry names: extractors give it under the usual umask, and images have it too. */
const IMPLIED_DIRECTORY_MODE = 0o755

/**
 * The listing names set-id and sticky bits, because setfacl clears those that are missing, and an access ACL for each
 * default ACL, because setfacl demands one.
 */
function aclBlocks({ entries }: Sidecar, modes: ReadonlyMap<PathBytes, number>): WritableBlock[] {
  return entries
    .filter(({ acl, defaultAcl }) => acl !== undefined || defaultAcl !== undefined)
    .map(({ path, acl, defaultAcl }) => {
      const mode = modes.get(path) ?? IMPLIED_DIRECTORY_MODE
      return { path, flags: mode & 0o7000, access: acl ?? minimalAcl(mode), default: defaultAcl }
    })
}

/** Modes of the entries that the sidecar names. Of several entries of one path, the last counts. */
class ModeCollector implements TarSink {
  readonly #modes = new Map<PathBytes, number>()
  readonly #links = new Map<PathBytes, PathBytes>()
  readonly #wanted: Set<PathBytes>

  constructor(sidecar: Sidecar | undefined) {
    this.#wanted = new Set(sidecar?.entries.map(({ path }) => path))
  }

  entry({ path, kind, mode, linkTarget }: TarEntry): void {
    if (!this.#wanted.has(path)) return
    this.#modes.set(path, mode)
    if (kind === 'hardlink') this.#links.set(path, linkTarget)
    else this.#links.delete(path)
  }

  /** A hard link's header may have another mode than the file; extractors use the file's. */
  finish(): ReadonlyMap<PathBytes, number> {
    for (const [path, target] of this.#links) {
      const mode = this.#links.has(target) ? undefined : this.#modes.get(target)
      if (mode !== undefined) this.#modes.set(path, mode)
    }
    return this.#modes
  }

  literal(): void {}
  data(): void {}
  endEntry(): void {}
}

function restrict(fd: number, path: string, access: FileAccess): void {
  try {
    setAccess(fd, path, access)
  } catch (cause) {
    if (!(cause instanceof StrataError)) throw cause
    const { code, message, facts } = cause
    throw new StrataError(code, {
      message,
      facts,
      hint: 'export to a folder on a file system with POSIX ACLs',
      cause
    })
  }
}

async function writeWhole(
  path: string,
  access: FileAccess,
  write: (file: FileHandle) => Promise<void>,
  { held, forgets }: Exporting
): Promise<ExportedFile> {
  const named = join(dirname(held.target), basename(path))
  const partial = siblingPath(named)
  const file = nameFileInErrors(await open(partial, 'wx', 0o600), path)
  try {
    await write(file)
    // The access is set before the file has its name.
    if (access === EVERYONE) await file.chmod(0o644 & ~process.umask())
    else restrict(file.fd, path, access)
    await file.sync()
    giveName(partial, named, path)
    forgets.push(whenStopped(() => unlinkSync(named)))
    return { path, sizeBytes: (await file.stat()).size }
  } finally {
    await file.close()
    await unlink(partial)
  }
}

function giveName(partial: string, named: string, path: string): void {
  try {
    linkSync(partial, named)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new StrataError('IO', {
      message: `${path} ${code === 'EEXIST' ? 'exists already' : `cannot be written: ${message}`}`,
      hint: 'export to a new folder',
      cause
    })
  }
}
