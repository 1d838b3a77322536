/** Which of the signatures that come with a module are kept. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { keepSignatures } from '../../../store/import/keep-signatures.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { sha256Of } from '../../../store/values/digest.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { type TestKey, tokenKey } from '../signatures/ssh-material.ts'

const tests = suite('import: signatures that are kept')

async function newModule(): Promise<{ store: Repository; id: CID; bytes: Buffer; files: () => string[] }> {
  const [store, tree] = [await newStore(), join(scratch(), 'tree')]
  mkdirSync(tree)
  writeFileSync(join(tree, 'tool'), 'a tool')
  const { record: id } = await importInto(store, 'app/tool-1', [tree])
  const bytes = Buffer.from(await store.readWholeBlob(sha256Of(id)))
  const folder = join(store.root, 'refs/signatures', sha256Of(id).slice(0, 2))
  return { store, id, bytes, files: () => readdirSync(folder).sort() }
}

const people = (many: number): TestKey[] => Array.from({ length: many }, () => tokenKey('ed25519'))
const signs = (keys: TestKey[], bytes: Buffer): Buffer[] =>
  keys.map(key => key.sign(bytes, 'strata-module', 'sha256'))

tests('32 signatures of one record are kept, and those that are there stay', async () => {
  const { store, id, bytes, files } = await newModule()
  const first = signs(people(3), bytes)
  assert.equal(
    await keepSignatures(store, { id, bytes, sent: [...first, ...first, Buffer.from('junk')] }),
    []
  )
  const before = files()
  assert.is(before.length, 3)
  const [note] = await keepSignatures(store, { id, bytes, sent: signs(people(31), bytes) })
  assert.match(note, /2 signatures beyond the 32/)
  assert.is(files().length, 32)
  assert.equal(
    before.filter(name => !files().includes(name)),
    []
  )
  assert.is((await keepSignatures(store, { id, bytes, sent: signs(people(2), bytes) })).length, 1)
  assert.equal(await keepSignatures(store, { id, bytes, sent: first }), [])
  assert.is(files().length, 32)
})

tests('a list of signers decides which signatures are kept, however many there are', async () => {
  const { store, id, bytes, files } = await newModule()
  await keepSignatures(store, { id, bytes, sent: signs(people(32), bytes) })
  const [alice, stranger] = people(2)
  const trust = join(store.root, 'trust')
  mkdirSync(trust, { mode: 0o755 })
  writeFileSync(join(trust, 'signers'), `alice ${alice.text}\n`, { mode: 0o644 })
  const policy = 'version: 1\nsigners: signers\nrules: [{modules: "*", signed-by: alice}]\n'
  writeFileSync(join(trust, 'policy.yaml'), policy, { mode: 0o644 })
  const [note] = await keepSignatures(store, { id, bytes, sent: signs([stranger, alice], bytes) })
  assert.match(note, /1 signature by keys that no list of signers names/)
  assert.is(files().length, 33)
})

tests('a record with more signatures than are read is still used', async () => {
  const { store, id, bytes, files } = await newModule()
  await keepSignatures(store, { id, bytes, sent: signs(people(1), bytes) })
  const [name] = files()
  const folder = join(store.root, 'refs/signatures', sha256Of(id).slice(0, 2))
  // Second names of one key come after the first names of all.
  for (let i = 0; i < 1001; i++)
    writeFileSync(
      join(folder, `${name.slice(0, -64)}${'0'.repeat(64)}.${i.toString(16).padStart(32, '0')}`),
      ''
    )
  const found = await store.signaturesOf(id)
  assert.is(found.length, 1000)
  assert.equal(
    found.filter(({ fault }) => fault === undefined).map(({ file }) => file),
    [join(folder, name)]
  )
})

tests.run()
