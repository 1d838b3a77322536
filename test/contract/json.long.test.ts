/** Every command with --json, and its document held against its schema (spec/json.md). */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as assert from 'uvu/assert'
import { VERBS } from '../../cli/verbs.ts'
import { needing } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { specExample } from '../helpers/spec-example.ts'
import { suite } from '../helpers/suite.ts'
import { archive, file, header } from '../helpers/tar-make.ts'
import { compose } from '../helpers/warm-compose.ts'

const FOLDER = new URL('../../../spec/json/', import.meta.url)

/** Prints nothing of its own but an error: standard output is the program's. */
const WITHOUT_DOCUMENT = ['run', 'shell']

const TINY_REGISTRY = fileURLToPath(new URL('../helpers/tiny-registry.js', import.meta.url))

const ajv = new Ajv2020({ allErrors: true, strict: true, strictRequired: false, allowUnionTypes: true })
for (const name of readdirSync(FOLDER)) ajv.addSchema(JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')))

const schemaOf = (command: string) => ajv.getSchema(`https://strata.invalid/spec/json/${command}.schema.json`)

const json = suite('contract: --json')
const MOUNTING = ['fuse', 'squashfuse_ll', 'fusermount3']
const SIGNING = 'ssh-keygen'
const signing = needing(json, SIGNING)
const mounting = needing(json, ...MOUNTING)

const seen = new Set<string>()
let folder: string

json.before(() => {
  folder = scratch()
  const at = (name: string) => join(folder, name)
  const link = header({ name: 'opt/link', type: '2', linkName: 'caf\xe9' })
  const device = header({ name: 'opt/tty', type: '3', major: '0000004\0', minor: '0000100\0' })
  writeFileSync(at('base.tar'), archive(file('bin/tool', 'x'), file('opt/caf\xe9', '\xff'), link, device))
  writeFileSync(at('app.tar'), archive(file('opt/app/run', 'y')))
  writeFileSync(
    at('app.acl'),
    '# file: opt/app/run\nuser::rw-\nuser:77:r--\ngroup::---\nmask::r--\nother::r--\n'
  )
  writeFileSync(
    at('app.yaml'),
    'help: to be used\ndeprecated: {date: "2026-01-01", text: use another}\nrunscript: tool\nreplaces: [/opt/none]\n'
  )
  mkdirSync(at('pins'))
  checked = (verb, args) => {
    const { status, out, err } = compose(at('store'), ['--json', ...args], {
      cwd: folder,
      env: { HOME: folder, XDG_CONFIG_HOME: at('config') }
    })
    const validate = schemaOf(verb)
    assert.ok(validate, `spec/json/${verb}.schema.json is not there`)
    const document = JSON.parse(out)
    if (verb !== 'error') assert.is(status, 0, `compose ${args.join(' ')}: ${err}`)
    const isValid = validate!(document)
    const faults = validate!.errors?.map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`
    )
    assert.ok(isValid, `compose --json ${args.join(' ')}\n${faults?.join('\n')}\n${out.slice(0, 2000)}${err}`)
    seen.add(verb)
    return { document, status }
  }
})

// biome-ignore lint/suspicious/noExplicitAny: documents of all commands
let checked: (verb: string, args: string[]) => { document: any; status: number | null }

function run(...args: string[]) {
  return checked(args.find(arg => !arg.startsWith('-'))!, args).document
}

function fails(...args: string[]): { code: string } {
  const { document, status } = checked('error', args)
  assert.is(document.error.exitStatus, status)
  return document.error
}

json('of commands that make and fill a store', () => {
  run('init', '--level', '1')
  const base = run('import', 'base/os-1', 'base.tar', '--allow-privileged')
  assert.is(base.layers[0].entries, 6)
  run('import', 'app/tool-1', 'app.tar', '--acl', 'app.acl', '--spec', 'app.yaml', '--access-group', '0')
  const again = ['import', 'app/tool-1', 'app.tar', '--replace', '--requires', 'base/os', '--set', 'TOOL=1']
  const more = ['--label', 'a=b', '--summary', 's', '--prefix', 'opt', '--owner', '1:2', '--family', 'f']
  assert.is(run(...again, ...more).outcome, 'replaced')
  const [now, before] = run('history', 'app/tool-1').records
  run('history', 'app/tool-1', '--restore', before.record)
  run('history', 'app/tool-1', '--restore', now.record)
})

needing(json, 'userns')('of what a command installs', () => {
  const binds = ['/usr', '/lib', '/lib64'].flatMap(path => ['--bind', path])
  run('capture', 'app/made-1', '--from', 'base/os', ...binds, '--', '/usr/bin/touch', '/made')
})

json('of commands that look for modules', () => {
  for (const args of [
    ['avail'],
    ['overview'],
    ['spider'],
    ['spider', 'app/tool-1'],
    ['spider', 'o'],
    ['keyword', 's'],
    ['provides', 'bin/tool'],
    ['whatis', 'app/tool'],
    ['du'],
    ['du', 'app/tool'],
    ['show', 'app/tool'],
    ['help', 'app/tool'],
    ['help', 'build'],
    ['help']
  ])
    run(...args)
})

json('of commands that choose modules', () => {
  assert.is(run('add', 'app/tool').alongside[0].module, 'base/os-1')
  assert.is(run('list').modules[0].automatic, true)
  run('save')
  run('savelist')
  run('describe')
  run('restore')
  run('swap', 'app/tool-1')
  run('update')
  run('default', 'base/os-1')
  run('default', 'base/os', '--unset')
  run('alias', 'base/other', 'base/os')
  run('alias', 'base/other')
  run('alias', 'base/other', '--unset')
  run('lock')
  assert.is(run('rm', 'base/os').stays.length, 1)
})

json('of every kind of output', () => {
  run('build', 'image.sqfs')
  run('build', 'layout', '--format', 'oci')
  run('build', 'tree.tar', '--format', 'tar')
  assert.is(run('build', '--sandbox', 'tree').format, 'sandbox')
  writeFileSync(join(folder, 'tree/opt/new'), '')
  assert.is(run('build', 'edited.sqfs', 'tree').edits.added, 1)
  assert.ok(run('import', 'app/edited-1', 'tree').requires)
  run('build', 'bare.sqfs', '--bare')
  run('extract', 'image.sqfs', 'extracted')
  run('export', 'app/tool', 'exported')
})

json('of commands that look into images, with bytes that are not text', () => {
  run('inspect', 'image.sqfs')
  run('inspect', 'bare.sqfs')
  run('inspect', '--recipe', 'image.sqfs')
  run('inspect', '--definition', 'image.sqfs')
  run('inspect', '--packages', 'image.sqfs')
  run('inspect', '--provenance', 'image.sqfs')
  run('which', '/bin/tool', 'image.sqfs')
  run('which', '/bin/tool')
  run('diff', 'base/os', 'app/tool')
  run('verify', 'image.sqfs')
  run('doctor')
  run('verify', 'stack.lock')
  run('verify', 'tree')
  run('verify', 'app/tool')
  const { entries } = run('ls', 'image.sqfs', '/opt')
  const of = (path: string) => entries.find((entry: { path: string }) => entry.path === path)
  assert.is(Buffer.from(of('/opt/caf\\351').pathBase64, 'base64').toString('latin1'), 'opt/caf\xe9')
  assert.is(Buffer.from(of('/opt/link').targetBase64, 'base64').toString('latin1'), 'caf\xe9')
  assert.equal(of('/opt/tty').device, { major: 4, minor: 64 })
  assert.equal([of('/opt/opt').kind, of('/opt/opt').mode], ['directory', '0755'])
  const { files } = run('cat', 'image.sqfs', '/bin/tool', '/.compose/lock')
  assert.is(files[0].text, 'x')
  assert.equal(JSON.parse(files[1].text).strata, 'lock')
})

mounting('of commands that mount images', () => {
  mkdirSync(join(folder, 'at'))
  assert.is(run('mount', 'image.sqfs', 'at').directory, join(folder, 'at'))
  assert.is(run('umount', 'at').image, join(folder, 'image.sqfs'))
})

json('of commands that ask registries', async () => {
  const server = spawn(process.execPath, [TINY_REGISTRY], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const port = await new Promise(resolve => server.stdout.once('data', resolve))
    const host = `127.0.0.1:${String(port).trim()}`
    const kept = ['--authfile', join(folder, 'auth.json')]
    assert.is(run('login', host, '-u', 'me', '--password-stdin', ...kept).registry, host)
    run('build', 'open.sqfs', 'base/os')
    assert.is(run('push', 'open.sqfs', `${host}/image`, ...kept).outcome, 'created')
    const [{ reference }] = run('push', 'base/os', `${host}/site`, ...kept).modules
    assert.is(run('pull', reference, ...kept).modules[0].outcome, 'same')
    assert.is(run('remote', 'add', 'site', `${host}/site`, ...kept).remotes[0].name, 'site')
    assert.is(run('remote', 'list').remotes.length, 1)
    assert.is(run('remote', 'rm', 'site').remotes.length, 1)
    assert.is(run('logout', host, ...kept).removed, true)
    assert.is(run('logout', host, ...kept).removed, false)
  } finally {
    server.kill()
  }
})

signing('of commands about signatures', () => {
  const [key, config] = [join(folder, 'key'), join(folder, 'config/strata')]
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  mkdirSync(config, { recursive: true })
  writeFileSync(join(config, 'signers'), `alice ${readFileSync(`${key}.pub`)}`, { mode: 0o600 })
  const rules = 'rules: [{modules: app/*, signed-by: alice}, {modules: "*", signed-by: anyone}]'
  const policy = join(config, 'policy.yaml')
  writeFileSync(policy, `version: 1\nsigners: signers\n${rules}\n`, { mode: 0o600 })
  assert.is(fails('build', 'none.sqfs', 'app/tool').code, 'SIGNATURE_MISSING')
  run('sign', 'app/tool', '--key', key)
  assert.equal(run('show', 'app/tool').signatures[0].principals, ['alice'])
  assert.ok(run('import', 'base/signed-1', 'base.tar', '--sign', '--key', key).signature.new)
  assert.ok(run('lock', '-o', 'signed.lock', '--sign', '--key', key).signature)
  run('sign', 'signed.lock', '--key', key)
  run('policy', 'check', 'app/tool')
  run('inspect', 'image.sqfs')
  run('verify', 'signed.lock')
  unlinkSync(policy)
})

json('of commands that maintain a store', () => {
  run('pin', 'stack.lock', '--name', 'kept')
  run('pin', '--list')
  assert.is(JSON.parse(run('pin', '--print', 'kept').text).strata, 'lock')
  run('pin', '--remove', 'kept')
  run('rm', 'app/tool')
  run('unpublish', 'app/tool-1', '--reason', 'old')
  run('gc', '--grace', '0s', '--older-than', '0s')
  run('gc', '--cache')
  run('fsck')
})

json('of all other commands, and of errors', () => {
  run('purge')
  for (const shell of ['bash', 'tcsh']) run('completion', shell)
  run('manual')
  assert.is(fails('show', 'app/tool').code, 'MODULE_UNKNOWN')
  assert.is(fails('run', 'missing.sqfs').code, 'IO')
  assert.is(fails('frobnicate').code, 'USAGE')
})

const COMMANDS = Object.keys(VERBS).filter(verb => !WITHOUT_DOCUMENT.includes(verb))

needing(
  json,
  SIGNING,
  'userns',
  ...MOUNTING
)('every command was tried', () => {
  assert.equal([...seen].sort(), [...COMMANDS, 'error'].sort())
})

json('no command is without a schema, and no schema without a command', () => {
  const files = readdirSync(FOLDER).map(name => name.replace('.schema.json', ''))
  assert.equal(files.sort(), [...COMMANDS, 'common', 'error'].sort())
})

json('spec/json.md names every schema, and links to it', () => {
  const page = readFileSync(new URL('../json.md', FOLDER), 'utf8')
  for (const name of readdirSync(FOLDER)) assert.ok(page.includes(`](json/${name})`), name)
  assert.ok(schemaOf('whatis')!(JSON.parse(specExample('json.md', 'json'))))
})

json.run()
