/** `compose sign` and the commands that tell who signed, with `ssh-keygen -Y verify` as the judge of every signature. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { parseCid, sha256Of } from '../../store/values/digest.ts'
import { needing } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const signing = suite('compose sign')
const withSsh = needing(signing, 'ssh-keygen', 'ssh-agent')

/** A store with one module, keys of alice and bob, and a list of both. */
function site() {
  const folder = scratch()
  const at = (name: string) => join(folder, name)
  const store = at('store')
  compose(store, ['init'])
  mkdirSync(at('tree'))
  writeFileSync(at('tree/tool'), 'x')
  const { record } = composed(store, ['import', 'app/tool-1', at('tree')])
  for (const name of ['alice', 'bob'])
    execFileSync('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-f', at(name)])
  const line = (name: string) => `${name}@site ${readFileSync(at(`${name}.pub`))}`
  writeFileSync(at('signers'), line('alice') + line('bob'), { mode: 0o600 })
  return { at, store, record }
}

/** What ssh-keygen says to a signature. */
function sshVerifies(signers: string, who: string, namespace: string, signature: string, message: Buffer) {
  const args = ['-Y', 'verify', '-f', signers, '-I', who, '-n', namespace, '-s', signature]
  return spawnSync('ssh-keygen', args, { input: message }).status === 0
}

const digestIn = (id: string) => sha256Of(parseCid(id, 0x0129, 'test'))

/** The record's bytes: a blob as it is, since it is small. */
const recordBytes = (store: string, id: string) => {
  const digest = digestIn(id)
  return readFileSync(join(store, 'blobs/sha256', digest.slice(0, 2), digest.slice(2)))
}

withSsh('makes a signature of the record that ssh-keygen verifies, and show tells who made it', () => {
  const { at, store, record } = site()
  const { file, key, new: isNew } = composed(store, ['sign', 'app/tool', '--key', at('alice')])
  assert.ok(isNew)
  assert.ok(sshVerifies(at('signers'), 'alice@site', 'strata-module', file, recordBytes(store, record)))
  assert.not(sshVerifies(at('signers'), 'bob@site', 'strata-module', file, recordBytes(store, record)))
  assert.not(sshVerifies(at('signers'), 'alice@site', 'strata-lock', file, recordBytes(store, record)))
  const [signer] = composed(store, ['show', 'app/tool']).signatures
  assert.equal([signer.key, signer.principals, signer.fault], [key, [], undefined])
  assert.match(
    compose(store, ['show', 'app/tool']).out,
    /signed by: a key that no list of signers has, SHA256:/
  )
})

withSsh('a second signature by one key is the first one, and one by another key stands beside it', () => {
  const { at, store } = site()
  composed(store, ['sign', 'app/tool', '--key', at('alice')])
  assert.not(composed(store, ['sign', 'app/tool', '--key', at('alice')]).new)
  composed(store, ['sign', 'app/tool', '--key', at('bob')])
  assert.is(composed(store, ['show', 'app/tool']).signatures.length, 2)
})

withSsh('signs with a key that only an agent has, named by its public half or not at all', () => {
  const { at, store } = site()
  const started = execFileSync('ssh-agent', ['-s', '-a', at('agent')]).toString()
  try {
    const env = { SSH_AUTH_SOCK: at('agent') }
    execFileSync('ssh-add', ['-q', at('bob')], { env: { ...process.env, ...env }, stdio: 'ignore' })
    execFileSync('mv', [at('bob'), at('hidden')])
    const { key } = composed(store, ['sign', 'app/tool', '--key', at('bob.pub')], { env })
    const again = composed(store, ['sign', 'app/tool'], { env })
    assert.equal([again.key, again.new], [key, false])
  } finally {
    process.kill(Number(/SSH_AGENT_PID=(\d+)/.exec(started)![1]))
  }
})

withSsh('signs a lock into the file beside it, and keeps the signature of somebody else', () => {
  const { at, store } = site()
  const lock = at('stack.lock')
  composed(store, ['lock', 'app/tool', '-o', lock, '--sign', '--key', at('alice')])
  assert.ok(sshVerifies(at('signers'), 'alice@site', 'strata-lock', `${lock}.sig`, readFileSync(lock)))
  const before = readFileSync(`${lock}.sig`)
  assert.is(composeFails(store, ['sign', lock, '--key', at('bob')], 37).code, 'OUTPUT_EXISTS')
  assert.equal(readFileSync(`${lock}.sig`), before)
  composed(store, ['sign', lock, '--key', at('alice')])
  writeFileSync(lock, `${readFileSync(lock)}\n`) // another text: the signature beside it is of no more use
  composed(store, ['sign', lock, '--key', at('bob')])
  assert.ok(sshVerifies(at('signers'), 'bob@site', 'strata-lock', `${lock}.sig`, readFileSync(lock)))
})

withSsh('the bytes of images and records do not depend on who signed', () => {
  const { at, store, record } = site()
  composed(store, ['build', at('before.sqfs'), 'app/tool'])
  composed(store, ['sign', 'app/tool', '--key', at('alice')])
  composed(store, ['build', at('after.sqfs'), 'app/tool'])
  assert.equal(readFileSync(at('after.sqfs')), readFileSync(at('before.sqfs')))
  assert.is(
    composed(store, ['import', 'app/tool-1', at('tree'), '--sign', '--key', at('bob')]).record,
    record
  )
})

withSsh('says which key could not sign, or that there is none', () => {
  const { at, store } = site()
  const failed = composeFails(store, ['sign', 'app/tool', '--key', at('none')], 78)
  assert.equal([failed.code, failed.facts.key], ['SIGNING_FAILED', at('none')])
  assert.match(composeFails(store, ['sign', 'app/tool'], 78).message, /no key to sign with was named/)
  assert.is(
    composeFails(store, ['sign', 'app/tool', '--key', at('bob')], 77, { env: { PATH: '/none' } }).code,
    'TOOL_MISSING'
  )
  assert.not(
    readdirSync(join(store, 'refs')).includes('signatures') &&
      readdirSync(join(store, 'refs/signatures')).length > 0
  )
})

withSsh(
  'gc removes signatures with their records, and keeps those of a record that another store has',
  () => {
    const { at, store } = site()
    const own = at('own')
    compose(own, ['init'])
    const env = { COMPOSE_PATH: store }
    composed(own, ['sign', 'app/tool', '--key', at('bob')], { env })
    composed(own, ['gc', '--grace', '0s'], { env })
    assert.is(composed(own, ['show', 'app/tool'], { env }).signatures.length, 1)
    composed(store, ['sign', 'app/tool', '--key', at('alice')])
    composed(store, ['unpublish', 'app/tool-1'])
    assert.is(composed(store, ['gc', '--grace', '0s']).freed.signatures.files, 0)
    assert.is(composed(store, ['gc', '--grace', '0s', '--older-than', '0s']).freed.signatures.files, 1)
    assert.is(composed(own, ['gc', '--grace', '0s'], { env }).freed.signatures.files, 1)
  }
)

signing.run()
