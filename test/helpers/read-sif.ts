import { open } from 'node:fs/promises'
import { readSif, type SifFile } from '../../compose/sif/index.ts'

/** The header and descriptors of a SIF file, as `compose` reads them. */
export async function readSifAt(path: string): Promise<SifFile> {
  const file = await open(path)
  try {
    return await readSif(file, path, (await file.stat()).size)
  } finally {
    await file.close()
  }
}
