/** Policies of the host, of a store and of the user, at the commands that ask them. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { atAllSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { startRegistry, stopRegistries } from '../helpers/registry.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { underHost } from '../helpers/under-host.ts'
import { composed, composeFails } from '../helpers/warm-compose.ts'

const policies = suite('policies')
policies.after(stopRegistries)
const withSsh = needing(policies, 'ssh-keygen')
/** Tests that take too long for a check. */
const longest = atAllSize(withSsh)
const asRoot = needing(policies, 'ssh-keygen', 'root', 'unshare')
/** Tests that take too long for a check. */
const longestAsRoot = atAllSize(asRoot)

const PEOPLE = ['alice', 'bob', 'carol']

const RULES = `  - modules: "app/*"
    signed-by: alice@site
  - modules: "base/*"
    signed-by: "*@site"
    at-least: 2
  - modules: "*"
    signed-by: anyone
`

const REFUSED = {
  SIGNATURE_MISSING: 70,
  SIGNATURE_INVALID: 71,
  SIGNER_NOT_ALLOWED: 72,
  KEY_REVOKED: 73,
  KEY_EXPIRED: 74
}

class SiteOfTest {
  readonly folder = scratch()
  readonly store = this.at('store')
  readonly env = { HOME: this.folder, XDG_CONFIG_HOME: this.at('config') }

  constructor() {
    this.does('init')
    for (const name of PEOPLE)
      execFileSync('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-f', this.at(name)])
    mkdirSync(this.at('tree'))
    writeFileSync(this.at('tree/tool'), 'x')
    for (const module of ['base/os-1', 'app/tool-1', 'lib/own-1']) {
      writeFileSync(this.at('tree/tool'), module)
      this.does('import', module, this.at('tree'), '--prefix', module)
    }
    mkdirSync(this.at('config/strata'), { recursive: true })
  }

  at(name: string): string {
    return join(this.folder, name)
  }

  signers(options: Partial<Record<string, string>> = {}): string {
    return PEOPLE.slice(0, 2)
      .map(name => `${name}@site ${options[name] ?? ''} ${readFileSync(this.at(`${name}.pub`))}`)
      .join('')
  }

  /** Writes the policy of the user. */
  asks(text = `version: 1\nsigners: signers\nrules:\n${RULES}`, signers = this.signers()): void {
    writeFileSync(this.at('config/strata/policy.yaml'), text, { mode: 0o600 })
    writeFileSync(this.at('config/strata/signers'), signers, { mode: 0o600 })
  }

  does(...args: string[]) {
    return composed(this.store, args, { env: this.env })
  }

  sign(module: string, who: string): string {
    return this.does('sign', module, '--key', this.at(who)).file
  }

  refuses(status: number, ...args: string[]) {
    return composeFails(this.store, args, status, { env: this.env })
  }

  builds(...modules: string[]) {
    return this.does('build', this.at('out.sqfs'), ...modules)
  }

  refusesToBuild(status: number, ...modules: string[]) {
    return this.refuses(status, 'build', this.at('none.sqfs'), ...modules)
  }
}

withSsh('without a policy nothing is asked', () => {
  const site = new SiteOfTest()
  site.builds('app/tool')
  assert.equal(site.does('policy', 'check', 'app/tool').policies, [])
})

withSsh('a module needs the signature of the people whom its rule names, and other modules need none', () => {
  const site = new SiteOfTest()
  site.asks()
  site.builds('lib/own')
  const missing = site.refusesToBuild(70, 'app/tool', 'lib/own')
  assert.equal([missing.code, missing.facts.module], ['SIGNATURE_MISSING', 'app/tool-1'])
  assert.equal(missing.facts.policy, `${site.at('config/strata/policy.yaml')}:4`)
  assert.not(existsSync(site.at('none.sqfs')))
  site.sign('app/tool', 'bob')
  const wrong = site.refusesToBuild(72, 'app/tool')
  assert.match(wrong.message, /signed by bob@site, whom the rule does not name/)
  assert.is(wrong.facts['decided by'], `${site.at('config/strata/signers')}:2`)
  site.sign('app/tool', 'carol')
  assert.is(site.refuses(72, 'lock', 'app/tool', '-o', site.at('x.lock')).code, 'SIGNER_NOT_ALLOWED')
  site.sign('app/tool', 'alice')
  site.builds('app/tool')
  assert.match(String(wrong.facts.key), /^SHA256:\S{43} \(ssh-ed25519\)$/)
})

longest('two signatures are two only by different people with different keys', () => {
  const site = new SiteOfTest()
  site.asks()
  site.sign('base/os', 'alice')
  assert.match(site.refusesToBuild(70, 'base/os').message, /has 1 of 2 signatures/)
  // One person with two keys, then one key for two people.
  site.asks(undefined, site.signers().replace('bob@site', 'alice@site'))
  site.sign('base/os', 'bob')
  assert.is(site.refusesToBuild(70, 'base/os').code, 'SIGNATURE_MISSING')
  const twice = site.signers().split('\n')[0]
  site.asks(undefined, `${twice}\n${twice.replace('alice@site', 'bob@site')}\n`)
  assert.is(site.refusesToBuild(72, 'base/os').code, 'SIGNER_NOT_ALLOWED')
  site.asks()
  site.builds('base/os')
})

withSsh(
  'a withdrawn record goes nowhere, and becomes no choice of anybody, whatever the policy is asked about',
  () => {
    const site = new SiteOfTest()
    const { record } = site.does('show', 'app/tool')
    const [stack, lock, image] = [site.at('s/stack.yaml'), site.at('x.lock'), site.at('out.sqfs')]
    mkdirSync(site.at('s'))
    site.builds('app/tool')
    site.does('lock', 'app/tool', '-o', lock)
    site.asks(
      `version: 1\nwithdrawn: [${record}]\nwhen: [extract]\nrules: [{modules: "*", signed-by: anyone}]\n`
    )
    for (const words of [
      ['push', 'app/tool', `oci:${site.at('layout')}`],
      ['push', '--all', `oci-archive:${site.at('all.tar')}`],
      ['push', lock, `oci:${site.at('layout')}`, '--no-image'],
      ['push', image, `oci:${site.at('layout')}`],
      ['export', 'app/tool', site.at('exported')],
      ['default', 'app/tool-1'],
      ['sign', 'app/tool', '--key', site.at('alice')],
      ['sign', record, '--key', site.at('alice')],
      ['add', 'lib/own', 'app/tool', '--stack', stack]
    ]) {
      const { code, facts } = site.refuses(75, ...words)
      assert.equal([code, facts.record], ['RECORD_WITHDRAWN', record], words.join(' '))
    }
    for (const path of ['layout', 'all.tar', 'exported', 's/stack.yaml', 's/stack.lock'])
      assert.not(existsSync(site.at(path)), path)
    assert.is(site.does('default', 'app/tool').default, null)
    assert.equal(site.does('show', 'app/tool').signedBy ?? [], [])
    site.does('add', 'lib/own', '--stack', stack)
    site.does('push', 'lib/own', `oci:${site.at('layout')}`)
  }
)

needing(withSsh, 'docker-registry')(
  'a withdrawn record is found before a push sends another module',
  async () => {
    const site = new SiteOfTest()
    const { record } = site.does('show', 'app/tool')
    site.asks(`version: 1\nwithdrawn: [${record}]\nrules: [{modules: "*", signed-by: anyone}]\n`)
    const { host, requests } = await startRegistry()
    for (const what of [['lib/own', 'app/tool'], ['--all']])
      assert.is(site.refuses(75, 'push', ...what, `${host}/site`, '--internal').facts.record, record)
    assert.equal(requests(), [])
    site.does('push', 'lib/own', `${host}/site`, '--internal')
    assert.ok(requests().some(line => /^PUT \/v2\/site\/lib\/own\/manifests\//.test(line)))
  }
)

withSsh('a revoked key, a key out of its time and a withdrawn record are refused, each by its name', () => {
  const site = new SiteOfTest()
  site.asks()
  const file = site.sign('app/tool', 'alice')
  site.builds('app/tool')
  const text = `version: 1\nsigners: signers\nrevoked: revoked\nrules:\n${RULES}`
  site.asks(text)
  writeFileSync(site.at('config/strata/revoked'), `# lost\n${readFileSync(site.at('alice.pub'))}`, {
    mode: 0o600
  })
  const revoked = site.refusesToBuild(73, 'app/tool')
  assert.equal(
    [revoked.code, revoked.facts['decided by'], revoked.facts.signature],
    ['KEY_REVOKED', `${site.at('config/strata/revoked')}, line 2`, file]
  )
  execFileSync('ssh-keygen', ['-q', '-k', '-f', site.at('config/strata/revoked'), site.at('alice.pub')])
  chmodSync(site.at('config/strata/revoked'), 0o600)
  assert.is(site.refusesToBuild(73, 'app/tool').code, 'KEY_REVOKED')
  site.asks(undefined, site.signers({ alice: 'valid-before="20200101Z"' }))
  assert.match(site.refusesToBuild(74, 'app/tool').message, /not valid any more: until 2020-01-01T00:00:00Z/)
  site.asks(undefined, site.signers({ alice: 'valid-after="29990101Z"' }))
  assert.is(site.refusesToBuild(74, 'app/tool').code, 'KEY_EXPIRED')
  site.asks(undefined, site.signers({ alice: 'namespaces="git"' }))
  assert.is(site.refusesToBuild(72, 'app/tool').code, 'SIGNER_NOT_ALLOWED')
  const { record } = site.does('show', 'app/tool')
  site.asks(`version: 1\nsigners: signers\nwithdrawn: [${record}]\nrules:\n${RULES}`)
  const withdrawn = site.refusesToBuild(75, 'app/tool')
  assert.equal(
    [withdrawn.code, withdrawn.facts.policy],
    ['RECORD_WITHDRAWN', `${site.at('config/strata/policy.yaml')}:3`]
  )
})

withSsh('each refusal names module, record, rule with file and line, key, and what decided', () => {
  const site = new SiteOfTest()
  site.asks()
  const { record } = site.does('show', 'app/tool')
  const [policy, signers, revoked] = ['policy.yaml', 'signers', 'revoked'].map(name =>
    site.at(`config/strata/${name}`)
  )
  const common = { module: 'app/tool-1', record, rule: 'app/*: signed by alice@site', policy: `${policy}:4` }
  const refused = () => {
    const { code, facts } = site.refusesToBuild(REFUSED[expected], 'app/tool')
    return { code, ...facts }
  }
  let expected: keyof typeof REFUSED = 'SIGNATURE_MISSING'
  assert.equal(refused(), { code: expected, ...common })
  const file = site.sign('app/tool', 'alice')
  const fingerprint = execFileSync('ssh-keygen', ['-l', '-f', site.at('alice.pub')], { encoding: 'utf8' })
  const key = `${fingerprint.split(' ')[1]} (ssh-ed25519)`
  const signature = { key, signature: file }
  site.builds('app/tool')

  expected = 'SIGNER_NOT_ALLOWED'
  site.asks(undefined, site.signers({ alice: 'namespaces="git"' }))
  assert.equal(refused(), { code: expected, ...common, ...signature, 'decided by': `${signers}:1` })

  expected = 'KEY_EXPIRED'
  site.asks(undefined, site.signers({ alice: 'valid-before="20200101Z"' }))
  assert.equal(refused(), { code: expected, ...common, ...signature, 'decided by': `${signers}:1` })

  expected = 'KEY_REVOKED'
  site.asks(`version: 1\nsigners: signers\nrevoked: revoked\nrules:\n${RULES}`)
  writeFileSync(revoked, readFileSync(site.at('alice.pub')), { mode: 0o600 })
  const atLine5 = { ...common, policy: `${policy}:5` }
  assert.equal(refused(), { code: expected, ...atLine5, ...signature, 'decided by': `${revoked}, line 1` })

  expected = 'SIGNATURE_INVALID'
  site.asks()
  const text = readFileSync(file, 'latin1')
  chmodSync(file, 0o600)
  // The last characters are those of the signature itself, so it is of the same key.
  writeFileSync(
    file,
    text.replace(/(.)(.{8})(\n-----END)/, (_, a, b, end) => `${a === 'A' ? 'B' : 'A'}${b}${end}`)
  )
  assert.equal(refused(), { code: expected, ...common, ...signature })
})

longest('junk in the folder of signatures hurts no signed module, and counts for none', () => {
  const site = new SiteOfTest()
  site.asks()
  const { record } = site.does('show', 'app/tool')
  const file = site.sign('lib/own', 'alice')
  const shard = (id: string) =>
    readdirSync(site.at('store/refs/signatures')).find(name =>
      existsSync(site.at(`store/refs/signatures/${name}/${id}`))
    )
  const key = file.slice(file.lastIndexOf('.') + 1)
  const right = site.sign('app/tool', 'alice')
  const folder = right.slice(0, right.lastIndexOf('/'))
  assert.is(shard('none'), undefined)
  const junk: [string, string | Buffer][] = [
    ['a signature of another record', readFileSync(file)],
    ['nothing', ''],
    ['a huge file', Buffer.alloc(1 << 20, 'A')],
    ['a text', 'hello\n']
  ]
  for (const [what, bytes] of junk) {
    rmSync(right)
    writeFileSync(right, bytes)
    assert.is(site.refusesToBuild(71, 'app/tool').code, 'SIGNATURE_INVALID', what)
    // The real key signs again, although its name is taken.
    const { file: second, new: isNew } = site.does('sign', 'app/tool', '--key', site.at('alice'))
    assert.ok(isNew && second !== right, what)
    site.builds('app/tool')
    rmSync(second)
  }
  rmSync(right)
  symlinkSync(file, right)
  assert.match(site.refusesToBuild(71, 'app/tool').message, /is a symbolic link/)
  rmSync(right)
  mkdirSync(right)
  assert.is(site.refusesToBuild(71, 'app/tool').code, 'SIGNATURE_INVALID')
  rmSync(right, { recursive: true })
  // By carol, under the name of alice's key.
  const carols = site.sign('app/tool', 'carol')
  renameSync(carols, right)
  assert.match(site.refusesToBuild(71, 'app/tool').message, /is by another key than its name says/)
  rmSync(right)
  for (let i = 0; i < 1001; i++)
    writeFileSync(join(folder, `${record}.${i.toString(16).padStart(64, '0')}`), '')
  assert.is(site.refusesToBuild(71, 'app/tool').code, 'SIGNATURE_INVALID')
  // However many there are, the signature of somebody who is listed is found.
  site.sign('app/tool', 'alice')
  site.builds('app/tool')
  assert.is(key.length, 64)
})

withSsh('a policy, its lists and its folder have to be writable by their author alone', () => {
  const site = new SiteOfTest()
  site.asks()
  for (const name of ['policy.yaml', 'signers', ''])
    for (const [mode, right] of [
      [0o620, 0o600],
      [0o602, 0o600]
    ]) {
      const path = site.at(`config/strata/${name}`)
      chmodSync(path, name === '' ? mode | 0o700 : mode)
      const { code, message } = site.refusesToBuild(76, 'app/tool')
      assert.equal([code, /can be written to by others/.test(message)], ['POLICY_INVALID', true], path)
      chmodSync(path, name === '' ? 0o700 : right)
    }
  site.refusesToBuild(70, 'app/tool')
  rmSync(site.at('config/strata/signers'))
  assert.match(site.refusesToBuild(76, 'app/tool').message, /signers does not exist, but the policy names it/)
})

withSsh(
  'a policy that is a link to a missing file refuses, and the folder that it leads to is checked',
  () => {
    const site = new SiteOfTest()
    site.asks()
    const policy = site.at('config/strata/policy.yaml')
    mkdirSync(site.at('shared/strata'), { recursive: true })
    renameSync(policy, site.at('shared/strata/policy.yaml'))
    symlinkSync('../../shared/strata/policy.yaml', policy)
    site.refusesToBuild(70, 'app/tool')
    chmodSync(site.at('shared/strata'), 0o777)
    const open = site.refusesToBuild(76, 'app/tool').message
    assert.match(open, /shared\/strata can be written to by others/)
    chmodSync(site.at('shared/strata'), 0o755)
    renameSync(site.at('shared'), site.at('unmounted'))
    const missing = site.refusesToBuild(76, 'app/tool').message
    assert.match(missing, /policy.yaml is a symbolic link to ..\/..\/shared\S+, which does not exist/)
    rmSync(site.at('config/strata'), { recursive: true })
    symlinkSync(site.at('shared/strata'), site.at('config/strata'))
    assert.match(
      site.refusesToBuild(76, 'app/tool').message,
      /config\/strata is a symbolic link to \S+shared/
    )
    rmSync(site.at('config/strata'))
    site.builds('app/tool')
    mkdirSync(site.at('config/strata'))
    symlinkSync('../shared/remotes', site.at('config/strata/remotes'))
    const list = site.refuses(51, 'remote', 'list').message
    assert.match(list, /remotes is a symbolic link to ..\/shared\/remotes, which does not exist/)
  }
)

longest('every mistake of a policy is told with line and column, and so is a bad line of signers', () => {
  const site = new SiteOfTest()
  const faults = (text: string): string[] => {
    site.asks(text)
    const { code, message, facts } = site.refuses(76, 'policy', 'check')
    assert.is(code, 'POLICY_INVALID')
    return ((facts.faults as string[]) ?? [message]).map(line =>
      line.slice(line.indexOf('policy.yaml:') + 12)
    )
  }
  assert.equal(faults('version: 2\nsigers: x\nrules: []\n'), [
    '1:10: version: found 2, wanted 1',
    '2:1: "sigers" is unknown, wanted one of version, signers, revoked, withdrawn, rules, when, touch',
    '3:8: rules: is empty'
  ])
  assert.match(
    faults(`version: 1\nrules:\n${RULES}`)[0],
    /asks for signatures, but the policy has no signers/
  )
  assert.match(
    faults('version: 1\nrules:\n  - modules: "app/*"\n    signed-by: anyone\n')[0],
    /^3:5: the last rule/
  )
  assert.match(
    faults('version: 1\nsigners: s\nrules:\n  - {modules: "*", signed-by: [anyone, "a,b"]}\n')[0],
    /^4:31: signed-by/
  )
  assert.match(faults('version: 1\n  rules: [\n')[0], /^\d+:\d+: /)
  assert.match(
    faults(`version: 1\nsigners: signers\nrules:\n${RULES.replace('alice@site', 'alcie@site')}`)[0],
    /^4:1: signed-by: nobody in .*signers is alcie@site/
  )
  site.asks(undefined, `${site.signers()}carol@site ssh-ed25519 AAAA\n`)
  assert.match(site.refusesToBuild(76, 'app/tool').message, /signers:3:1: /)
})

longest('import asks before the name stands for the record, and others can sign it until then', () => {
  const site = new SiteOfTest()
  site.asks()
  const publish = (...more: string[]) => ['import', 'base/new-1', site.at('tree'), ...more]
  const refused = site.refuses(70, ...publish('--sign', '--key', site.at('alice')))
  assert.is(site.refuses(14, 'show', 'base/new').code, 'MODULE_UNKNOWN')
  site.sign(String(refused.facts.record), 'bob')
  site.does(...publish())
  site.builds('base/new')
  site.does('unpublish', 'base/new-1')
  rmSync(site.at('store/refs/signatures'), { recursive: true })
  assert.is(
    site.refuses(70, 'history', 'base/new-1', '--restore', String(refused.facts.record)).code,
    'SIGNATURE_MISSING'
  )
})

withSsh('layers that are in no module are refused where the rule for all others asks for signatures', () => {
  const site = new SiteOfTest()
  site.sign('app/tool', 'alice')
  site.does('build', '--sandbox', site.at('sandbox'), 'app/tool')
  site.builds('app/tool')
  site.does('build', site.at('out.sif'), 'app/tool')
  const bare = site.does('list', '--layers', '--stack', site.at('none.yaml'), 'app/tool')
  assert.ok(bare)
  const { layers } = site.does('show', 'app/tool')
  writeFileSync(site.at('layers.txt'), `${layers[0].id}\n`)
  site.does('build', site.at('bare.sqfs'), site.at('layers.txt'))
  site.asks('version: 1\nsigners: signers\nrules: [{modules: "*", signed-by: alice@site}]\n')
  site.builds('app/tool')
  assert.match(
    site.refusesToBuild(70, site.at('layers.txt')).message,
    /is in no module, so nobody can have signed it/
  )
  // An image is run if the stores prove that it is the one of its lock.
  site.does('extract', site.at('out.sqfs'), site.at('extracted'))
  site.does('extract', site.at('out.sif'), site.at('extracted.sif'))
  assert.is(site.refuses(70, 'extract', site.at('bare.sqfs'), site.at('other')).code, 'SIGNATURE_MISSING')
  assert.not(existsSync(site.at('other')))
  writeFileSync(site.at('sandbox/app/tool-1/tool'), 'changed')
  assert.is(site.refusesToBuild(70, site.at('sandbox')).code, 'SIGNATURE_MISSING')
  for (const words of [
    ['run', site.at('sandbox'), 'true'],
    ['verify', site.at('sandbox')]
  ])
    assert.is(site.refuses(70, ...words).code, 'SIGNATURE_MISSING')
})

needing(
  policies,
  'ssh-keygen',
  'mksquashfs',
  'unsquashfs'
)('a forged image with signed records in it is no checked image, whatever lock comes with it', () => {
  const site = new SiteOfTest()
  const signature = site.sign('app/tool', 'alice')
  site.builds('app/tool')
  const [real, forged] = [site.at('out.sqfs'), site.at('forged.sqfs')]
  bash(
    'cd "$1"; unsquashfs -q -d forged out.sqfs >/dev/null; echo evil > forged/app/tool-1/tool',
    site.folder
  )
  bash('cd "$1"; mksquashfs forged forged.sqfs -noappend -quiet -comp zstd -all-root >/dev/null', site.folder)
  // A store that has the signature, as a user's own may, and no layer.
  const own = site.at('own')
  composed(own, ['init'], { env: site.env })
  const folder = signature.slice(site.store.length + 1, signature.lastIndexOf('/'))
  mkdirSync(join(own, folder), { recursive: true })
  cpSync(signature, join(own, folder, signature.slice(signature.lastIndexOf('/') + 1)))
  const lock = site.at('some.lock')
  site.does('lock', 'app/tool', '-o', lock)
  const named = (image: string) => {
    const digest = createHash('sha256').update(readFileSync(image)).digest('hex')
    const file = `${image}.lock`
    writeFileSync(
      file,
      JSON.stringify({ ...JSON.parse(readFileSync(lock, 'utf8')), sha256: digest }, null, 2)
    )
    return file
  }
  const verify = (...words: string[]) => ['verify', ...words]
  composed(own, verify(forged, '--lock', named(forged)), { env: site.env }) // nothing is asked yet
  site.asks('version: 1\nsigners: signers\nrules: [{modules: "*", signed-by: alice@site}]\n')
  for (const words of [
    verify(real),
    verify(forged, '--lock', named(forged)),
    verify(real, '--lock', named(real))
  ]) {
    const { code, message } = composeFails(own, words, 70, { env: site.env })
    assert.equal([code, /nothing proves that/.test(message)], ['SIGNATURE_MISSING', true], words.join(' '))
  }
  site.does(...verify(real))
  site.does(...verify(real, '--lock', named(real)))
  site.does('sign', named(real), '--key', site.at('alice'))
  composed(own, verify(real, '--lock', `${real}.lock`), { env: site.env })
})

longest('when names the commands that ask', () => {
  const site = new SiteOfTest()
  site.asks(`version: 1\nsigners: signers\nwhen: [extract]\nrules:\n${RULES}`)
  site.builds('app/tool')
  assert.is(site.refuses(70, 'extract', site.at('out.sqfs'), site.at('out')).code, 'SIGNATURE_MISSING')
  assert.is(site.refuses(70, 'verify', 'app/tool').code, 'SIGNATURE_MISSING')
})

longest('the policy of a store is about its modules alone, and every policy has to agree', () => {
  const site = new SiteOfTest()
  mkdirSync(site.at('store/trust'))
  const put = (rules: string) => {
    writeFileSync(site.at('store/trust/policy.yaml'), `version: 1\nsigners: signers\nrules:\n${rules}`)
    writeFileSync(site.at('store/trust/signers'), site.signers())
  }
  put('  - {modules: "*", signed-by: bob@site}\n')
  assert.is(site.refusesToBuild(70, 'lib/own').code, 'SIGNATURE_MISSING')
  const own = site.at('own')
  const env = { ...site.env, COMPOSE_PATH: site.store }
  composed(own, ['init'], { env })
  composed(own, ['import', 'lib/mine-1', site.at('tree')], { env })
  composed(own, ['build', site.at('mine.sqfs'), 'lib/mine'], { env })
  composed(own, ['sign', 'lib/own', '--key', site.at('bob')], { env }) // into their own store
  composed(own, ['build', site.at('both.sqfs'), 'lib/own', 'lib/mine'], { env })
  site.asks('version: 1\nsigners: signers\nrules: [{modules: "*", signed-by: alice@site}]\n')
  assert.is(
    composeFails(own, ['build', site.at('no.sqfs'), 'lib/own'], 72, { env }).code,
    'SIGNER_NOT_ALLOWED'
  )
  rmSync(site.at('config/strata/policy.yaml'))
  renameSync(site.at('store/trust'), site.at('elsewhere'))
  symlinkSync(site.at('elsewhere'), site.at('store/trust'))
  assert.is(site.refusesToBuild(76, 'lib/own').code, 'POLICY_INVALID')
})

asRoot('the policy of the host holds for every user, and is believed only if it is root’s', () => {
  const site = new SiteOfTest()
  const etc = site.at('etc')
  const [alice, home] = [61500, site.at('home')]
  mkdirSync(etc)
  mkdirSync(home)
  chmodSync(site.folder, 0o755)
  chownSync(home, alice, alice)
  const put = (name: string, text: string) => {
    writeFileSync(join(etc, name), text)
    chmodSync(join(etc, name), 0o644)
  }
  put('policy.yaml', `version: 1\nsigners: signers\nrules:\n${RULES}`)
  put('signers', site.signers())
  const build = () => underHost(etc, site.store, ['build', join(home, 'x.sqfs'), 'app/tool'], alice, home)
  const missing = build()
  assert.is(missing.status, 70, missing.err)
  assert.is(missing.document.error.facts.policy, '/etc/strata/policy.yaml:4')
  site.sign('app/tool', 'alice')
  assert.is(build().status, 0, build().err)
  chownSync(join(etc, 'policy.yaml'), alice, alice)
  assert.match(build().document.error.message, /policy\.yaml belongs to uid 61500, wanted user root/)
  chownSync(join(etc, 'policy.yaml'), 0, 0)
  chownSync(etc, alice, alice)
  assert.is(build().document.error.code, 'POLICY_INVALID')
  chownSync(etc, 0, 0)
  chmodSync(join(etc, 'policy.yaml'), 0o600)
  assert.match(build().document.error.message, /policy\.yaml cannot be read/)
})

longestAsRoot('a user whose HOME is the closed home of somebody else has no policy there, and works', () => {
  const site = new SiteOfTest()
  const [closed, etc] = [site.at('closed'), site.at('etc')]
  mkdirSync(closed, { mode: 0o700 })
  mkdirSync(etc)
  chmodSync(site.folder, 0o777)
  const { status, err } = underHost(etc, site.store, ['build', site.at('x.sqfs'), 'app/tool'], 61500, closed)
  assert.is(status, 0, err)
})

asRoot(
  'members of a group that publishes can neither write trust/ nor remove the signatures of others',
  () => {
    const folder = scratch()
    chmodSync(folder, 0o755)
    const [store, gid, mallory] = [join(folder, 'store'), 61600, 61601]
    composed(store, ['init', '--group', String(gid)])
    const as = (script: string) =>
      spawnSync(
        'setpriv',
        ['--reuid', String(mallory), '--regid', String(gid), '--clear-groups', 'bash', '-c', script],
        {
          cwd: store
        }
      ).status
    mkdirSync(join(folder, 'tree'))
    writeFileSync(join(folder, 'tree/x'), 'x')
    composed(store, ['import', 'app/x-1', join(folder, 'tree')])
    execFileSync('ssh-keygen', ['-q', '-N', '', '-t', 'ed25519', '-f', join(folder, 'key')])
    const { file } = composed(store, ['sign', 'app/x', '--key', join(folder, 'key')])
    assert.is.not(as('mkdir trust'), 0)
    mkdirSync(join(store, 'trust'))
    assert.is.not(as('touch trust/policy.yaml'), 0)
    assert.is.not(as(`rm -f '${file}'`), 0)
    assert.is.not(as(`mv '${file}' '${file}.x'`), 0)
    assert.is(as(`echo junk > '${file}.${'0'.repeat(32)}'`), 0) // adding is allowed
    const { findings } = composeFsck(store)
    assert.equal(findings.length, 1) // the junk, and no folder
  }
)

longest('fsck names signatures that are none, and modules that a policy refuses', () => {
  const site = new SiteOfTest()
  const file = site.sign('app/tool', 'alice')
  cpSync(file, file.replace(/\.[0-9a-f]{64}$/, `.${'0'.repeat(64)}`))
  writeFileSync(join(file, '../odd'), '')
  const { findings } = composeFsck(site.store, site.env)
  assert.equal(
    findings.map(({ code }) => code),
    ['SIGNATURE_INVALID', 'SIGNATURE_INVALID']
  )
})

function composeFsck(store: string, env: NodeJS.ProcessEnv = {}): { findings: { code: string }[] } {
  const { stdout, status } = spawnSync(process.execPath, [COMPOSE, '--json', 'fsck'], {
    env: environment(store, env)
  })
  assert.is(status, 12)
  return JSON.parse(stdout.toString())
}

policies.run()
