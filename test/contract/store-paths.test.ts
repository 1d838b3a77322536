import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { suite } from '../helpers/suite.ts'

/**
 * Below the root of a store nothing is opened, made, renamed or removed by its path, since somebody may exchange a folder
 * on the way for a link (spec/store-layout.md#links): all of it goes through store/files/. So whoever else imports a
 * function of Node's that takes a path says here what for. A function that takes a descriptor needs no leave.
 */
const contract = suite('contract: files of a store')

/** Functions of node:fs and node:fs/promises that take no path, or are types. */
const WITHOUT_PATH = new Set(
  `closeSync constants fchmodSync fchownSync fdatasyncSync fstatSync fsyncSync ftruncateSync futimesSync read readSync
  writeSync fsync BigIntStats Dirent FileHandle ReadStream Stats`.split(/\s+/)
)

/** These take a path or a descriptor; each call has to show a descriptor. */
const EITHER: Record<string, RegExp> = {
  readFileSync: /\breadFileSync\((fd|file\.fd|file)\b/,
  createReadStream: /\bcreateReadStream\(''/
}

/** Files that are opened by path and do not belong to a store. */
const OUTSIDE: Record<string, string> = {
  'store/files/': 'the room that opens stores; what it takes by a path is the root',
  'store/disk/': 'outputs and caches of a user',
  'store/contents/own-checks.ts': 'a cache in the home of the user',
  'store/accounts/id-names.ts': 'lists of names that a user gives',
  'store/module/spec-file.ts': 'module.yaml of a user',
  'store/module/spec-schema.ts': 'a schema that lies beside the program',
  'store/policy/trusted-file.ts': 'policies of the host and of a user',
  'store/import/import-layer.ts': 'listings beside what is imported',
  'store/import/open-layer-source.ts': 'what is imported',
  'store/input/read-source.ts': 'what is imported',
  'store/oci/layout-files.ts': 'layouts that are imported',
  'store/oci/open-layout.ts': 'layouts and archives that are pulled',
  'store/package/package-file.ts': 'packages that are imported',
  'store/registry/': 'logins, certificates and settings of container tools',
  'store/remote/archive-writer.ts': 'the archive that is written',
  'store/remote/layout-members.ts': 'the archive or layout that is written',
  'store/remote/remotes.ts': 'the list of remotes of a user',
  'store/remote/catalogue.ts': 'what is kept in the home of the user',
  'store/remote/update-catalogue.ts': 'what is kept in the home of the user',
  'store/remote/pushed-places.ts': 'what is kept in the home of the user',
  'store/remote/refresh-catalogues.ts': 'what is kept in the home of the user',
  'store/directory/read-directory.ts': 'a directory that is imported',
  'store/export/export-module.ts': 'what is exported',
  'store/index/open-folder.ts': '/proc',
  'store/index/database-reader.ts': 'a folder of its own in the system’s temporary folder; /proc',
  'store/index/database-writer.ts': '/proc',
  'store/gc/gc-lock.ts': '/proc',
  'compose/cache/': 'what is kept in the home of the user',
  'compose/signing/': 'the public key for ssh-keygen',
  'compose/outputs/': 'images, sandboxes and archives of a user',
  'compose/inspect/open-image.ts': 'an image of a user',
  'compose/link/image-file.ts': 'the image that is written',
  'compose/oci/layout-writer.ts': 'the layout that is written',
  'compose/tar/': 'the archive that is written',
  'compose/sandbox/': 'sandboxes',
  'compose/sources/': 'what is imported, and the host',
  'compose/stack/': 'stacks, locks and collections of a user',
  'compose/mount/': 'folders to mount on, and /proc',
  'compose/run/': 'runtimes, and images that are unpacked for them',
  'compose/capture/': 'the sandbox of a capture',
  'compose/definition/': 'definitions, files that they name, and sandboxes'
}

const root = fileURLToPath(new URL('../../../', import.meta.url))

const sourcesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return sourcesBelow(path)
    return entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts') ? [path] : []
  })

const FS_IMPORT = /import\s+(type\s+)?(?:\{([^}]*)\}|\*\s+as\s+\w+|(\w+))\s+from\s+'node:fs(?:\/promises)?'/g

/** Names that a file imports of node:fs and that take a path; `*` for all of them. */
function pathFunctions(source: string): string[] {
  const names = [...source.matchAll(FS_IMPORT)].flatMap(([, type, list]) => {
    if (type !== undefined) return []
    return list === undefined ? ['*'] : list.split(',').map(part => part.trim())
  })
  return names
    .filter(part => part !== '' && !part.startsWith('type '))
    .map(part => part.split(/\s+as\s+/)[0])
    .filter(name => !WITHOUT_PATH.has(name) && !takesDescriptors(source, name))
}

function takesDescriptors(source: string, name: string): boolean {
  const shown = EITHER[name]
  if (shown === undefined) return false
  const calls = source.match(new RegExp(`\\b${name}\\([^\\n]*`, 'g')) ?? []
  return calls.every(call => shown.test(call))
}

const isExempt = (path: string): boolean => Object.keys(OUTSIDE).some(known => path.startsWith(known))

const sources = ['store', 'compose'].flatMap(sourcesBelow)

contract('nobody but store/files/ opens them by a path', () => {
  assert.ok(sources.length > 300)
  const offenders = sources
    .filter(path => !isExempt(path))
    .flatMap(path => pathFunctions(readFileSync(join(root, path), 'utf8')).map(name => `${path}: ${name}`))
  assert.equal(offenders, [])
})

contract('every exception is one still', () => {
  const idle = Object.keys(OUTSIDE).filter(
    known =>
      !sources.some(
        path => path.startsWith(known) && pathFunctions(readFileSync(join(root, path), 'utf8')).length > 0
      )
  )
  assert.equal(idle, [])
})

contract('the excepted files put no path of a store together', () => {
  const offenders = sources
    .filter(path => isExempt(path) && !path.startsWith('store/files/'))
    .filter(path =>
      /\bjoin\((\w+\.)*(store|this\.#store|storeRoot)\b/.test(readFileSync(join(root, path), 'utf8'))
    )
  assert.equal(offenders, [])
})

contract('this test finds imports of functions that take a path', () => {
  const found = (source: string) => pathFunctions(source)
  assert.equal(found("import { open, type FileHandle } from 'node:fs/promises'"), ['open'])
  assert.equal(found("import {\n  closeSync,\n  lstatSync as look\n} from 'node:fs'"), ['lstatSync'])
  assert.equal(found("import * as fs from 'node:fs'\nimport fs2 from 'node:fs'"), ['*', '*'])
  assert.equal(found("import { readFileSync } from 'node:fs'\nreadFileSync(fd)\nreadFileSync(path)"), [
    'readFileSync'
  ])
  assert.equal(found("import { readFileSync } from 'node:fs'\nreadFileSync(fd)"), [])
  assert.equal(found("import type { Stats } from 'node:fs'\nimport { readSync } from 'node:fs'"), [])
})

contract.run()
