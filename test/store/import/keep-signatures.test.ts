/** Which of the signatures that come with a module are kept. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { keepSignatures, type SentSignatures } from '../../../store/import/keep-signatures.ts'
import { readTrust } from '../../../store/policy/trust.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { sha256Of } from '../../../store/values/digest.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
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

const keep = async (store: Repository, sent: SentSignatures): Promise<string[]> =>
  keepSignatures(store, sent, { trust: await readTrust(store.searched), purposes: ['pull', 'publish'] })

const people = (many: number): TestKey[] => Array.from({ length: many }, () => tokenKey('ed25519'))
const signs = (keys: TestKey[], bytes: Buffer): Buffer[] =>
  keys.map(key => key.sign(bytes, 'strata-module', 'sha256'))

tests('32 signatures of one record are kept, and those that are there stay', async () => {
  const { store, id, bytes, files } = await newModule()
  const first = signs(people(3), bytes)
  assert.equal(await keep(store, { id, bytes, sent: [...first, ...first, Buffer.from('junk')] }), [])
  const before = files()
  assert.is(before.length, 3)
  const [note] = await keep(store, { id, bytes, sent: signs(people(31), bytes) })
  assert.match(note, /2 signatures beyond the 32/)
  assert.is(files().length, 32)
  assert.equal(
    before.filter(name => !files().includes(name)),
    []
  )
  assert.is((await keep(store, { id, bytes, sent: signs(people(2), bytes) })).length, 1)
  assert.equal(await keep(store, { id, bytes, sent: first }), [])
  assert.is(files().length, 32)
})

tests('a list of signers decides which signatures are kept, however many there are', async () => {
  const { store, id, bytes, files } = await newModule()
  await keep(store, { id, bytes, sent: signs(people(32), bytes) })
  const [alice, stranger] = people(2)
  const trust = join(store.root, 'trust')
  mkdirSync(trust, { mode: 0o755 })
  writeFileSync(join(trust, 'signers'), `alice ${alice.text}\n`, { mode: 0o644 })
  const policy = 'version: 1\nsigners: signers\nrules: [{modules: "*", signed-by: alice}]\n'
  writeFileSync(join(trust, 'policy.yaml'), policy, { mode: 0o644 })
  const [note] = await keep(store, { id, bytes, sent: signs([stranger, alice], bytes) })
  assert.match(note, /1 signature by keys that no list of signers names/)
  assert.is(files().length, 33)
})

tests('a list of a policy that is asked later counts, and stops no pull if it cannot be read', async () => {
  const { store, id, bytes, files } = await newModule()
  const [alice, stranger] = people(2)
  const trust = join(store.root, 'trust')
  mkdirSync(trust, { mode: 0o755 })
  const rules = 'rules: [{modules: "*", signed-by: alice}]'
  const write = (name: string, text: string) => writeFileSync(join(trust, name), text, { mode: 0o644 })
  write('policy.yaml', `version: 1\nsigners: signers\nwhen: [run]\n${rules}\n`)
  const sent = signs([stranger, alice], bytes)
  write('signers', 'not a list\n')
  assert.equal(await keep(store, { id, bytes, sent: sent.slice(0, 1) }), [])
  assert.is(files().length, 1)
  write('signers', `alice ${alice.text}\n`)
  assert.is((await keep(store, { id, bytes, sent: signs(people(1), bytes) })).length, 1)
  assert.equal(await keep(store, { id, bytes, sent }), [])
  assert.is(files().length, 2)
  write('policy.yaml', `version: 1\nsigners: signers\nwhen: [pull]\n${rules}\n`)
  write('signers', 'not a list\n')
  await refusedLater(keep(store, { id, bytes, sent }), 'POLICY_INVALID', /signers/)
})

tests('a record with more signatures than are read is still used', async () => {
  const { store, id, bytes, files } = await newModule()
  await keep(store, { id, bytes, sent: signs(people(1), bytes) })
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
