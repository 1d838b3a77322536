import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { everyForm } from '../../helpers/layers.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composed, composeFails } from '../../helpers/warm-compose.ts'
import { quickStoreFolder } from './images.ts'

const sandboxes = suite('sources: sandboxes')

const NOBODY = 65534

/** A module with every kind of file, and a folder that everybody may use. */
function published(): { store: string; folder: string; digest: string } {
  const store = quickStoreFolder()
  const folder = scratch()
  bash('chmod 755 "$1" "$2" "$2/.."; chown 65534 "$1"', folder, store)
  composed(store, ['import', 'base/tree-1', everyForm(), '--set', 'TREE=1', '--access-group', `${NOBODY}`])
  const { treeDigest } = composed(store, [
    'build',
    join(folder, 'image'),
    'base/tree',
    '--for',
    `group:${NOBODY}`
  ])
  return { store, folder, digest: treeDigest }
}

const digestOf = (store: string, folder: string, module: string): string =>
  composed(store, [
    'build',
    join(folder, `${module.replace('/', '-')}.sqfs`),
    module,
    '--for',
    `group:${NOBODY}`
  ]).treeDigest

needing(
  sandboxes,
  'root',
  'setfacl'
)('that root made gives the very tree again, and what its modules say', () => {
  const { store, folder, digest } = published()
  const sandbox = join(folder, 'sandbox')
  composed(store, ['build', '--sandbox', sandbox, 'base/tree'])
  const { origin } = composed(store, ['import', 'base/again-1', sandbox, '--flatten'])
  assert.equal(origin, [{ kind: 'sandbox', name: 'sandbox' }])
  assert.is(digestOf(store, folder, 'base/again'), digest)
  const shown = JSON.stringify(composed(store, ['show', 'base/again']))
  assert.match(shown, 'TREE')
  assert.match(shown, `${NOBODY}`)
})

needing(
  sandboxes,
  'root',
  'setfacl'
)('that a user made gives owners, ACLs and devices as they are stored, with what the user edited', () => {
  const { store, folder, digest } = published()
  const sandbox = join(folder, 'sandbox')
  mkdirSync(sandbox)
  chownSync(sandbox, NOBODY, NOBODY)
  composed(store, ['build', '--bare', '--sandbox', sandbox, 'base/tree'], { uid: NOBODY })
  composed(store, ['import', 'base/again-1', sandbox, '--flatten'])
  assert.is(digestOf(store, folder, 'base/again'), digest)
  bash('echo new > "$1/empty/new"; rm "$1/etc/numbers"; chmod go-rwx "$1/bin/tool"', sandbox)
  composed(store, ['import', 'base/edited-1', sandbox, '--flatten'])
  const image = join(folder, 'edited.sqfs')
  composed(store, ['build', '--bare', image, 'base/edited', '--for', `group:${NOBODY}`])
  const report = composed(store, ['diff', join(folder, 'image'), image])
  const found = report.paths as { path: string; side: string }[]
  const paths = found.map(({ path, side }) => `${side} ${path.replace(/^\//, '')}`)
  assert.ok(paths.includes('right empty/new'), paths.join('\n'))
  assert.ok(paths.includes('left etc/numbers'), paths.join('\n'))
  assert.ok(paths.includes('both bin/tool'), paths.join('\n'))
  assert.not.ok(
    paths.some(path => path.includes('etc/null') || path.includes('etc/loop')),
    paths.join('\n')
  )
})

needing(sandboxes, 'root')('with a damaged record are refused, and the hint helps', () => {
  const { store, folder } = published()
  const sandbox = join(folder, 'sandbox')
  composed(store, ['build', '--sandbox', sandbox, 'base/tree'])
  bash('printf x | dd of="$1/.compose/sandbox/record" conv=notrunc bs=1 seek=100 status=none', sandbox)
  const { code, hint } = composeFails(store, ['import', 'base/again-1', sandbox], 36)
  assert.is(code, 'SANDBOX_INVALID')
  bash(`${/^mv \S+/.exec(hint!)![0]} ${join(folder, 'elsewhere')}`)
  composed(store, ['import', 'base/again-1', sandbox])
})

sandboxes.run()
