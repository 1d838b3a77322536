/** `compose pull` of a lock: its text becomes a file when all that it names has come. */
import type { Pulled } from '../../store/remote/index.ts'
import { formatCid, StrataError } from '../../store/values/index.ts'
import { parseLock, readIfThere, replaceFile } from '../stack/index.ts'

export interface KeepLockOptions {
  /** The reference, for messages. */
  name: string
  file: string
  /** Replace a file with another lock. */
  replace: boolean
}

/** @throws StrataError LOCK_INVALID, REGISTRY_INVALID for a lock whose modules did not come, OUTPUT_EXISTS */
export async function keepLock(
  { lock, modules }: Pulled,
  { name, file, replace }: KeepLockOptions
): Promise<void> {
  const text = lock!.toString('utf8')
  const came = new Set(modules.map(({ record }) => formatCid(record)))
  for (const { record, name: module } of parseLock(text, name).modules)
    if (record === undefined || !came.has(formatCid(record)))
      throw new StrataError('REGISTRY_INVALID', {
        message: `${name}: its lock names ${module ?? 'layers'}, which did not come with it`,
        facts: { reference: name, modules: [...came] }
      })
  const before = await readIfThere(file)
  if (before === text) return
  if (before !== undefined && before !== '' && !replace)
    throw new StrataError('OUTPUT_EXISTS', {
      message: `${file} is another lock, and stays; the modules of ${name} are in the store`,
      facts: { file },
      hint: '--lock FILE, or --replace'
    })
  await replaceFile(file, text)
}
