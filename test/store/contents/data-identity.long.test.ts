import { chmodSync, readFileSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readLayer } from '../../../store/contents/manifests.ts'
import { dataPath } from '../../../store/files/store-layout.ts'
import { sha256Of } from '../../../store/values/digest.ts'
import { partFiles } from '../../helpers/part-files.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { composed, composeFails } from '../../helpers/warm-compose.ts'

const identity = suite('the note of a checked data file')

const DAY = 86_400
const OBJECT_CORRUPT = 12

/**
 * A module whose data file changed without its times: the note is written anew for the changed file, which stands for a
 * disk that changes bytes by itself.
 */
async function rotten() {
  const folder = scratch()
  bash('cd "$1"; head -c 300000 /dev/urandom > file; tar -cf t.tar file', folder)
  const store = await newStore()
  const { layers } = await importInto(store, 'app/a-1', [join(folder, 't.tar')])
  const { tar } = await readLayer(store, layers[0].id)
  const list = join(store.root, dataPath(sha256Of(tar), store.profile))
  const [part] = partFiles(store.root, list)
  chmodSync(part, 0o644)
  const bytes = readFileSync(part)
  bytes[1000] ^= 1
  writeFileSync(part, bytes)
  chmodSync(part, 0o444)
  const { size, ino, mtimeNs, ctimeNs } = statSync(part, { bigint: true })
  const note = `${list}.checked`
  const [ofList] = readFileSync(note, 'latin1').split('\n')
  unlinkSync(note)
  writeFileSync(note, `${ofList}\n${size} ${ino} ${mtimeNs} ${ctimeNs}\n`, { mode: 0o444 })
  const build = (image: string) => ['build', '--bare', join(folder, image), 'app/a']
  const setAge = (days: number) =>
    utimesSync(note, Date.now() / 1000 - days * DAY, Date.now() / 1000 - days * DAY)
  return { root: store.root, build, setAge }
}

identity('counts for 30 days, after which a build hashes the file again', async () => {
  const { root, build, setAge } = await rotten()
  setAge(29)
  composed(root, build('believed.sqfs'))
  setAge(31)
  assert.match(composeFails(root, build('hashed.sqfs'), OBJECT_CORRUPT).message, /hash/)
})

identity('is not asked by fsck and build --verify', async () => {
  const { root, build } = await rotten()
  composeFails(root, [...build('verified.sqfs'), '--verify'], OBJECT_CORRUPT)
  composeFails(root, ['fsck'], OBJECT_CORRUPT)
})

identity.run()
