import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { blobPath, REFS } from '../../../store/files/store-layout.ts'
import { encodeRecord } from '../../../store/module/record.ts'
import { digestOf, formatCid, manifestCid } from '../../../store/values/digest.ts'

const CATEGORIES = ['apps', 'bio', 'chem', 'compiler', 'data', 'lang', 'lib', 'math', 'mpi', 'tools']

/**
 * Records and refs of so many modules, written as `compose import` would, but without flushing each to disk.
 * @param layers of which each module gets one, in turn
 * @param versionsPerName as a site has them: 1 is the worst case for what looks at each name
 */
export function writeManyModules(
  root: string,
  count: number,
  layers: CID[],
  { versionsPerName }: { versionsPerName: number }
): void {
  for (let i = 0; i < count; i++) {
    const family = Math.floor(i / versionsPerName)
    const name = {
      category: CATEGORIES[family % CATEGORIES.length],
      name: `package-${family}`,
      version: `${1 + (i % versionsPerName)}.${i % 10}`
    }
    const record = encodeRecord({
      ...name,
      kind: 'library',
      layers: [layers[i % layers.length]],
      summary: `Package number ${family}, for solving problems of the kind ${family % 97}`,
      labels: { 'org.example.team': `team-${family % 50}` },
      requires: [],
      conflicts: [],
      environment: [],
      accessGroups: [],
      replaces: [],
      redistributable: true,
      allowPrivileged: false,
      hidden: false,
      origin: []
    })
    write(join(root, blobPath(digestOf(record), '')), record)
    write(join(root, REFS, name.category, name.name, name.version), `${formatCid(manifestCid(record))}\n`)
  }
}

function write(path: string, content: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content, { mode: 0o444 })
}
