import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StrataError } from '../errors.ts'
import { syncFolder, TemporaryFile } from '../temporary-file.ts'
import { formatModuleName, type ModuleName, versionFault } from './name.ts'
import { isFolder, readShortFile } from './ref-file.ts'

/**
 * Which version a name without one stands for: `refs/defaults/<category>/<name>`, a file of one line, the version
 * (spec/resolve.md#defaults). Like a `.modulerc` of Lmod, it belongs to the store that it lies in.
 */

const DEFAULTS = 'refs/defaults'

interface Named {
  category: string
  name: string
}

const defaultPath = (root: string, { category, name }: Named): string => join(root, DEFAULTS, category, name)

const folders = (root: string, { category }: Named): string[] => [
  join(root, 'refs'),
  join(root, DEFAULTS),
  join(root, DEFAULTS, category)
]

/**
 * @param root of the store
 * @returns undefined when none is set; the version need not be published any more
 * @throws StrataError MANIFEST_INVALID naming a file that holds no version, or a link where a folder should be; IO
 */
export function readDefault(root: string, named: Named): string | undefined {
  if (!folders(root, named).every(isFolder)) return undefined
  const path = defaultPath(root, named)
  const line = readShortFile(path)
  if (line === undefined) return undefined
  const version = line.replace(/\n$/, '')
  if (line.endsWith('\n') && versionFault(version) === undefined) return version
  throw new StrataError('MANIFEST_INVALID', {
    message: `${path} holds no version, wanted one line with one`,
    facts: { file: path },
    hint: `compose default ${formatModuleName({ ...named, version: 'VERSION' })}`
  })
}

/** The new default is there whole, or the old one stays; when this returns, it survives a loss of power. */
export async function writeDefault(root: string, name: ModuleName): Promise<void> {
  folders(root, name).every(isFolder) // throws if one is a link
  const file = await TemporaryFile.create(root)
  try {
    await file.handle.writeFile(`${name.version}\n`)
    await file.replace(defaultPath(root, name))
  } finally {
    await file.discard()
  }
}

/** @returns whether there was one */
export async function removeDefault(root: string, named: Named): Promise<boolean> {
  if (!folders(root, named).every(isFolder)) return false
  const path = defaultPath(root, named)
  const outcome = await rm(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    }
  )
  if (outcome) await syncFolder(dirname(path))
  return outcome
}
