/** A module's tarballs and sidecars, byte for byte as they were imported. */
export type { ExportedFile } from './export-module.ts'
