import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { verifyModule } from '../../compose/outputs/index.ts'
import { openRepository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { randomOf } from '../compose/helpers/random-layer.ts'
import { atAllSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { bySize } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { composed } from '../helpers/warm-compose.ts'
import { applyFlip, type Flip, filesBelow, someOf } from './rotten-store.ts'

/** A signature covers a record, and by its hashes all else: so no byte below may change without being found. */

const rot = suite('bit rot: a signed module')

/** A file is cut into parts from some megabytes on, so these bytes are whole parts of their own. */
const TREE = `
  cd "$1"; mkdir -p tree/bin tree/etc; seq 700 > tree/etc/numbers; printf x > tree/etc/small
  head -c 3000 /dev/urandom > tree/bin/tool; ln tree/bin/tool tree/bin/same; ln -s tool tree/bin/link
  tar -C tree --format=pax --pax-option=SCHILY.xattr.user.of=layer --sort=name --owner=0 --group=0 -cf layer.tar .
  printf '# file: etc/numbers\\nuser::rw-\\nuser:1234:r--\\ngroup::r--\\nmask::r--\\nother::r--\\n' > layer.acl`

/** What the record does not reach: caches that every build makes again from what it does reach. */
const CACHES = /^(index|tmp|objects)\/|^refs\/history\/|\.checked$|^store\.json$/

async function signedModule(): Promise<{ store: string; files: string[] }> {
  const folder = scratch()
  const store = join(folder, 'store')
  bash(TREE, folder)
  execFileSync('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-f', join(folder, 'alice')])
  mkdirSync(join(folder, 'strata'))
  const rules = 'rules: [{modules: "*", signed-by: alice@site}]'
  writeFileSync(join(folder, 'strata/policy.yaml'), `version: 1\nsigners: signers\n${rules}\n`, {
    mode: 0o600
  })
  writeFileSync(join(folder, 'strata/signers'), `alice@site ${readFileSync(join(folder, 'alice.pub'))}`, {
    mode: 0o600
  })
  composed(store, ['init', '--level', '1'])
  const source = [join(folder, 'layer.tar'), '--acl', join(folder, 'layer.acl')]
  composed(store, ['import', 'app/x-1', ...source, '--sign', '--key', join(folder, 'alice')])
  process.env.XDG_CONFIG_HOME = folder
  return { store, files: filesBelow(store).filter(path => !CACHES.test(path)) }
}

/** Every byte, but not line ends of a signature, which say nothing. */
function everyFlip(store: string, files: string[]): Flip[] {
  const random = randomOf(7)
  return files.flatMap(file => {
    const text = file.startsWith('refs/signatures/') ? readFileSync(join(store, file)) : undefined
    return Array.from({ length: statSync(join(store, file)).size }, (_, at) => at)
      .filter(at => text?.[at] !== 0x0a)
      .map(at => ({ file, at, bits: 1 + random(255) }))
  })
}

/** Here and there zstd reads two bytes alike: then the bytes that the record names are right, which verify has compared. */
const MAY_UNPACK_ALIKE = /\.(recipe|zst)$/
const RARELY = 0.001

async function verified(root: string): Promise<string> {
  try {
    const store = await openRepository({ store: root, path: '' })
    return (await verifyModule(store, 'app/x-1')).checked.join('\n')
  } catch (error) {
    if (error instanceof StrataError) return error.code
    throw error
  }
}

atAllSize(needing(rot, 'root', 'ssh-keygen'))(
  'a changed byte anywhere in it is found by verify',
  async () => {
    const { store, files } = await signedModule()
    const kinds = new Set(files.map(file => file.split('/')[0]))
    assert.equal([...kinds].sort(), ['blobs', 'data', 'parts', 'refs'])
    const right = await verified(store)
    assert.match(right, 'blobs match their hashes')
    const place = await openRepository({ store, path: '' })
    const all = everyFlip(store, files)
    const flips = someOf(all, bySize(80, all.length), randomOf(8))
    const alike: Flip[] = []
    for (const flip of flips) {
      applyFlip(place, flip)
      const outcome = await verified(store)
      applyFlip(place, flip)
      if (outcome === right && MAY_UNPACK_ALIKE.test(flip.file)) alike.push(flip)
      else assert.match(outcome, /^[A-Z_]+$/, JSON.stringify(flip))
    }
    assert.ok(alike.length <= 1 + RARELY * flips.length, JSON.stringify(alike))
    assert.is(await verified(store), right)
  }
)

rot.run()
