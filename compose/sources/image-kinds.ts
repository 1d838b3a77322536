/** Images, packages and sandboxes, recognised by their first bytes or their content. */
import { join } from 'node:path'
import { exists } from '../../store/disk/index.ts'
import { isAr, isRpm, openDebSource, openRpmSource } from '../../store/package/index.ts'
import { SANDBOX_FOLDER } from '../sandbox/index.ts'
import { isSif } from '../sif/index.ts'
import { MAGIC } from '../squashfs/index.ts'
import { otherSquashfs } from './other-squashfs.ts'
import { openSandboxSource } from './sandbox.ts'
import { openSifSource } from './sif.ts'
import type { SourceKind } from './source-kind.ts'
import { openSquashfsSource } from './squashfs.ts'

const squashfs: SourceKind = {
  recognises: ({ start }) => start.length >= 4 && start.readUInt32LE(0) === MAGIC,
  open: (store, { path }, options) => openSquashfsSource(store, path, options)
}

const sif: SourceKind = {
  recognises: ({ start }) => isSif(start),
  open: (store, { path }, options) => openSifSource(store, path, options)
}

const deb: SourceKind = {
  recognises: ({ start }) => isAr(start),
  open: (_store, { path }, options) => openDebSource(path, options)
}

const rpm: SourceKind = {
  recognises: ({ start }) => isRpm(start),
  open: (_store, { path }, options) => openRpmSource(path, options)
}

/** A directory that was never finished as a sandbox is an ordinary directory. */
const sandbox: SourceKind = {
  hasChanges: true,
  recognises: async ({ path, status }) =>
    status.isDirectory() && (await exists(join(path, SANDBOX_FOLDER, 'record'))),
  open: (store, { path }, options) => openSandboxSource(store, path, options)
}

export const IMAGE_KINDS: SourceKind[] = [otherSquashfs, squashfs, sif, deb, rpm, sandbox]
