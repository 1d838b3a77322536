/** Objects whose hash is right and whose numbers are not: they are refused, whatever was asked of the command. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { is, match } from 'uvu/assert'
import { indexPath } from '../../../store/files/store-layout.ts'
import { decodeIndex, encodeIndex, type LayerIndex } from '../../../store/object/layer-index.ts'
import { DAG_JSON, parseCid, sha256Of } from '../../../store/values/digest.ts'
import type { Profile } from '../../../store/values/profile.ts'
import { atCheckSize } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { QUICK } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, file } from '../../helpers/tar-make.ts'
import { composed, composeFails } from '../../helpers/warm-compose.ts'

const objects = suite('objects that lie')
const long = atCheckSize(objects)

const SMALL_BLOCKS: Profile = { ...QUICK, blockSize: 65_536 }

/** A store with one module, and where the tree index of its only layer lies. */
function storeOfOne(): { store: string; indexOf: (profile: Profile) => string } {
  const store = join(scratch(), 'store')
  composed(store, ['init', '--level', '1'])
  const tar = join(scratch(), 'a.tar')
  writeFileSync(tar, archive(file('d/f', 'hello')))
  const { layers } = composed(store, ['import', 'base/a-1', tar])
  const layer = sha256Of(parseCid(layers[0].id, DAG_JSON, 'layer'))
  return { store, indexOf: profile => join(store, indexPath(layer, profile)) }
}

function put(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true })
  if (existsSync(path)) chmodSync(path, 0o644)
  writeFileSync(path, bytes)
}

const changed = (path: string, change: (index: LayerIndex) => Partial<LayerIndex>): Uint8Array => {
  const bytes = readFileSync(path)
  const aligned = Buffer.from(new ArrayBuffer(bytes.length))
  bytes.copy(aligned)
  const index = decodeIndex(aligned)
  return encodeIndex({ ...index, ...change(index) })
}

long('an object of another profile is refused by the folder that it lies in', () => {
  const { store, indexOf } = storeOfOne()
  const out = join(scratch(), 'out.sqfs')
  composed(store, ['build', '--block', '64K', out, 'base/a'])
  put(indexOf(SMALL_BLOCKS), readFileSync(indexOf(QUICK)))
  for (const args of [
    ['build', '--block', '64K', `${out}.2`, 'base/a'],
    ['build', '--block', '64K', '--sandbox', `${out}.3`, 'base/a'],
    ['build', '--block', '64K', '--format', 'tar', `${out}.4`, 'base/a']
  ]) {
    const { code, message, hint } = composeFails(store, args, 12)
    is(code, 'OBJECT_CORRUPT')
    match(message, /it is of the profile zstd-1-128k-2, and lies among those of zstd-1-64k-2/)
    is(hint, 'compose fsck --repair')
  }
  composed(store, ['fsck', '--repair'])
  composed(store, ['build', '--block', '64K', `${out}.5`, 'base/a'])
})

for (const [what, seconds] of [
  ['no number', Number.NaN],
  ['a fraction', 0.5],
  ['without end', Number.POSITIVE_INFINITY],
  ['more than a number holds exactly', 2 ** 53]
] as const)
  (what === 'a fraction' ? objects : long)(
    `a time that is ${what} is refused by every form of output`,
    () => {
      const { store, indexOf } = storeOfOne()
      put(
        indexOf(QUICK),
        changed(indexOf(QUICK), ({ mtimeSeconds }) => ({ mtimeSeconds: mtimeSeconds.map(() => seconds) }))
      )
      const out = join(scratch(), 'out')
      for (const form of [['--format', 'tar'], ['--format', 'oci'], ['--sandbox'], []]) {
        const { code, message } = composeFails(store, ['build', ...form, out, 'base/a'], 12)
        is(code, 'OBJECT_CORRUPT')
        match(message, /it contradicts itself: inode 0 has time/)
        is(existsSync(out), false)
      }
    }
  )

objects.run()
