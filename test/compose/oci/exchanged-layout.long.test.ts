import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { compose } from '../../helpers/compose.ts'
import { whileReplacing } from '../../helpers/exchanging.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

/** Folders that root writes into a folder of another user, who puts links in the place of each (SECURITY.md). */

const layouts = suite('OCI layouts in the folder of another user')

const ROUNDS = 6

interface Victims {
  /** A file and a folder that nobody but their owner may read. */
  file: string
  folder: string
}

function assertAsTheyWere({ file, folder }: Victims, round: string): void {
  assert.is(readFileSync(file, 'utf8'), 'as it was', round)
  assert.is(statSync(file).mode & 0o777, 0o600, round)
  assert.is(statSync(folder).mode & 0o777, 0o700, round)
}

for (const [what, words] of [
  ['build', (out: string) => ['build', '--format', 'oci', out, 'app/data']],
  ['push', (out: string) => ['push', 'app/data', `oci:${out}`]]
] as const)
  layouts(`${what} writes and changes nothing that links lead to`, async () => {
    const top = scratch()
    const [store, open] = [join(top, 'store'), join(top, 'open')]
    const victims = { file: join(top, 'file'), folder: join(top, 'folder') }
    for (const path of [open, victims.folder]) mkdirSync(path, { mode: 0o700 })
    writeFileSync(victims.file, 'as it was', { mode: 0o600 })
    bash('echo data > "$1/data"; tar -cf "$1/data.tar" -C "$1" data', top)
    for (const args of [
      ['init', store],
      ['import', 'app/data-1', join(top, 'data.tar')]
    ])
      assert.is(compose(store, args).status, 0)
    const links = { 'index.json': victims.file, 'oci-layout': victims.file, blobs: victims.folder }
    const replaced = await whileReplacing(open, links, () => {
      for (let round = 0; round < ROUNDS; round++) {
        compose(store, words(join(open, `out-${round}`)))
        assertAsTheyWere(victims, `round ${round}`)
      }
    })
    assert.ok(replaced > 0) // or nothing was tried
  })

layouts.run()
