import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { portrait, sha256OfFile } from '../helpers/layers.ts'
import { atCheckSize, needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { LICENSED, smallStack } from '../helpers/small-stack.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

/** The main job as users run it: another process each time, real programs asked about what came out. */
const { folder, store, stackFile, modules } = smallStack()
const at = (name: string) => join(folder, name)
const USER = 65534

const build = suite('compose build')
const long = atCheckSize(build)
const reference = at('reference.sqfs')
composed(store, ['build', reference, ...modules])
const same = (image: string) => assert.is(sha256OfFile(at(image)), sha256OfFile(reference), image)

const list = () => compose(store, ['list', '--layers', '--stack', stackFile]).out

long('gives the same bytes from the stack, modules, the layer list, standard input and a lock', () => {
  composed(store, ['build', at('stack.sqfs'), '--stack', stackFile])
  same('stack.sqfs')
  writeFileSync(at('layers.list'), list())
  composed(store, ['build', at('list.sqfs'), at('layers.list')])
  same('list.sqfs')
  composed(store, ['build', at('stdin.sqfs'), '-'], { input: Buffer.from(list()) })
  same('stdin.sqfs')
  composed(store, ['lock', '--stack', stackFile, '-o', at('stack.lock'), '--image', reference])
  composed(store, ['build', at('lock.sqfs'), at('stack.lock')])
  same('lock.sqfs')
})

long('gives the same bytes in another time zone, locale, umask and on one core', () => {
  const env = { TZ: 'Pacific/Chatham', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' }
  bash(
    'umask 077; exec env -i PATH="$PATH" HOME=/ COMPOSE_STORE="$2" TZ="$4" LC_ALL="$5" taskset -c 0 "$6" "$7" build "$1" $3',
    at('elsewhere.sqfs'),
    store,
    modules.join(' '),
    env.TZ,
    env.LC_ALL,
    process.execPath,
    new URL('../../cli/main.js', import.meta.url).pathname
  )
  same('elsewhere.sqfs')
})

needing(build, 'root')('gives the same bytes for an ordinary user who can only read the store', () => {
  const out = join(folder, 'user')
  bash('mkdir -m 777 "$1"; chmod -R a+rX "$2"', out, store)
  composed(store, ['build', join(out, 'user.sqfs'), ...modules], { uid: USER })
  same('user/user.sqfs')
})

long('gives the same bytes if objects have to be compiled again, also with gzip', () => {
  const gzip = ['--comp', 'gzip', '--block', '64K']
  composed(store, ['build', at('gzip.sqfs'), ...modules, ...gzip])
  bash('rm -r "$1/objects" "$1/data/gzip-9-64k-2"; mkdir "$1/objects"', store)
  composed(store, ['build', at('again.sqfs'), ...modules])
  same('again.sqfs')
  composed(store, ['build', at('gzip2.sqfs'), ...modules, ...gzip])
  assert.is(sha256OfFile(at('gzip2.sqfs')), sha256OfFile(at('gzip.sqfs')))
})

long('gives one tree digest whatever the compressor, and from bare layer ids', () => {
  const digest = (...args: string[]) => composed(store, ['build', at('t.sqfs'), ...args]).lock.tree
  const expected = digest(...modules)
  assert.is(digest(...modules, '--comp', 'gzip', '--level', '1'), expected)
  const bare = list().replace(/ .*$/gm, '')
  assert.match(bare, /^(b[a-z2-7]{60}\n){4}$/)
  const ran = composed(store, ['build', at('bare.sqfs'), '-'], { input: Buffer.from(bare) })
  assert.is(ran.lock.tree, expected)
})

needing(build, 'unsquashfs')('applies whiteouts inside a module and keeps none', () => {
  const names = bash('unsquashfs -l "$1"', reference).toString()
  assert.match(names, /\/opt\/lib\/data\/numbers\n/)
  assert.not.match(names, /data\/gone/)
  assert.not.match(names, /\.wh\./)
  assert.is(bash('unsquashfs -cat "$1" opt/lib/version', reference).toString(), '2\n')
})

build(
  'refuses modules that disagree and lists every path; with --on-conflict upper the upper module wins',
  () => {
    bash(
      'mkdir -p "$1/rival/opt/lib"; echo rival > "$1/rival/opt/lib/version"; echo r > "$1/rival/opt/lib/extra"',
      folder
    )
    composed(store, ['import', 'lib/rival-1', at('rival')])
    const conflicting = ['build', at('rival.sqfs'), 'lib/numbers', 'lib/rival']
    const error = composeFails(store, conflicting, 30)
    assert.is(error.code, 'CONFLICT')
    assert.match(JSON.stringify(error.facts), /lib\/numbers-1\.1, lib\/rival-1.*\/opt\/lib\/version/)
    assert.not.ok(existsSync(at('rival.sqfs')))
    composed(store, [...conflicting, '--on-conflict', 'upper'])
    assert.is(compose(store, ['cat', at('rival.sqfs'), '/opt/lib/version']).out, 'rival\n')
  }
)

build('refuses an image that its lock does not describe, and leaves no file of it', () => {
  composed(store, ['lock', ...modules, '-o', at('good.lock'), '--image', reference])
  const wrong = readFileSync(at('good.lock'), 'utf8').replace(/("sha256": ")[0-9a-f]{4}/, '$10000')
  writeFileSync(at('wrong.lock'), wrong)
  assert.is(composeFails(store, ['build', at('wrong.sqfs'), at('wrong.lock')], 41).code, 'LOCK_MISMATCH')
  assert.not.ok(existsSync(at('wrong.sqfs')))
  assert.equal(
    readdirSync(folder).filter(name => name.endsWith('.tmp')),
    []
  )
})

build('names the layer that no store has', () => {
  const lost = `baguqeera${'a'.repeat(52)}\n`
  const error = composeFails(store, ['build', at('lost.sqfs'), '-'], 11, { input: Buffer.from(lost) })
  assert.match(error.message, /sha256:0{64}|000000/)
})

build('builds a tarball that is no module', () => {
  composed(store, ['build', at('tar.sqfs'), at('app.tar'), '--bare'])
  assert.match(
    compose(store, ['ls', '-R', at('tar.sqfs')]).out,
    /^\/opt\n\/opt\/solver\n\/opt\/solver\/bin\n/
  )
})

build('says what is wrong with a stack file, with line and column', () => {
  writeFileSync(at('bad.yaml'), 'modules:\n  - base/host\n  - 7\n')
  assert.match(
    composeFails(store, ['build', at('x.sqfs'), '--stack', at('bad.yaml')], 42).message,
    /line 3, column 5/
  )
})

const audience = suite('compose build --for')

needing(audience, 'getfacl')('gives the image file the ACL of its audience, and modes that fit it', () => {
  composed(store, ['build', at('group.sqfs'), ...modules, '--for', `group:${LICENSED}`])
  assert.match(
    bash('getfacl -cn "$1"', at('group.sqfs')).toString(),
    /^user::rw-\ngroup::---\ngroup:4242:r--\nmask::r--\nother::---\n/
  )
  assert.match(compose(store, ['ls', '-l', at('group.sqfs'), '/opt/solver/bin']).out, /^-rwxr-xr-x\+ /)
  assert.is(statSync(reference).mode & 0o777, 0o644)
  assert.match(compose(store, ['ls', '-l', reference, '/opt/solver/bin']).out, /^-rwx------\+ /)
})

audience('counts the grants that not everyone can use, and names an audience that can', () => {
  const { audience: report } = composed(store, ['build', at('count.sqfs'), ...modules])
  assert.is(report.unusable.length, 2)
  assert.equal(report.suggestions, [`group:${LICENSED}`])
})

audience('comes from access groups, and cannot be made wider than they say', () => {
  composed(store, [
    'import',
    'app/guarded-1',
    at('app.tar'),
    '--prefix',
    'guarded',
    '--access-group',
    `${LICENSED}`
  ])
  const built = composed(store, ['build', at('guarded.sqfs'), 'app/guarded'])
  assert.is(built.lock.image.audience, `group:${LICENSED}`)
  const error = composeFails(store, ['build', at('wide.sqfs'), 'app/guarded', '--for', 'everyone'], 44)
  assert.is(error.code, 'ACCESS_WIDER')
  assert.not.ok(existsSync(at('wide.sqfs')))
})

const inside = suite('compose inspect, ls, cat, which, diff, verify, extract')
const longInside = atCheckSize(inside)

inside('tell modules, layers, environment and labels from the image alone', () => {
  const told = composed('/nonexistent', ['inspect', reference])
  assert.equal(
    told.modules.map(({ module }: { module: string }) => module),
    ['base/host-1.0', 'lib/numbers-1.1', 'app/solver-2.1']
  )
  assert.equal(told.modules[2].environment, [{ operation: 'set', name: 'SOLVER_HOME', value: '/opt/solver' }])
  assert.equal(told.modules[2].labels, { 'org.example.site': 'here' })
  assert.is(compose('/nonexistent', ['cat', reference, '/.compose/layers']).out, list())
})

needing(inside, 'unsquashfs')('print the bytes that unsquashfs prints', () => {
  const path = 'opt/lib/data/numbers'
  assert.is(
    compose(store, ['cat', reference, path]).out,
    bash('unsquashfs -cat "$1" "$2"', reference, path).toString()
  )
})

inside('name the module of a path', () => {
  assert.is(composed(store, ['which', '/opt/lib/version', ...modules]).module, 'lib/numbers-1.1')
  assert.is(
    composed(store, ['which', 'opt/solver/bin/solver', '--stack', stackFile]).module,
    'app/solver-2.1'
  )
  assert.is(composeFails(store, ['which', '/no/such', ...modules], 26).code, 'PATH_MISSING')
})

inside('find no difference between an image and its lock, and find the additions of a stack', () => {
  composed(store, ['lock', ...modules, '-o', at('diff.lock')])
  assert.equal(composed(store, ['diff', reference, at('diff.lock'), '--times']), {
    modules: [],
    paths: [],
    packages: []
  })
  composed(store, ['lock', 'base/host', 'lib/numbers', '-o', at('less.lock')])
  const { modules: changed, paths } = composed(store, ['diff', at('less.lock'), reference])
  assert.equal(
    changed.map(({ module }: { module: string }) => module),
    ['app/solver-2.1']
  )
  assert.equal(
    paths.map(({ path, side }: { path: string; side: string }) => `${side} ${path}`),
    ['right /opt/solver', 'right /opt/solver/bin', 'right /opt/solver/bin/solver']
  )
})

longInside('prove that an image is what its lock says, and see one flipped byte', () => {
  assert.match(composed(store, ['verify', reference]).checked.at(-1), /byte for byte/)
  const bytes = readFileSync(reference)
  bytes[bytes.length >> 1] ^= 1
  writeFileSync(at('flipped.sqfs'), bytes)
  const ran = compose(store, ['verify', at('flipped.sqfs')])
  assert.ok([31, 41].includes(ran.status!), ran.err)
})

longInside('prove that a lock can be built, and name the blob that cannot be read', () => {
  composed(store, ['lock', ...modules, '-o', at('ok.lock'), '--image', reference])
  assert.match(composed(store, ['verify', at('ok.lock')]).checked.join('\n'), /blobs match their hashes/)
})

const sandbox = suite('compose build --sandbox')
const longSandbox = atCheckSize(sandbox)

atCheckSize(needing(sandbox, 'root', 'getfacl', 'getfattr'))(
  'is the tree that tar, setfacl and whiteouts make, as root',
  () => {
    bash(
      `cd "$1"; mkdir byhand; tar -xpf one.tar -C byhand; rm byhand/opt/lib/data/gone
    tar -xpf two.tar -C byhand --exclude='.wh.*' --no-overwrite-dir; tar -xpf app.tar -C byhand --no-overwrite-dir
    sed 's/licensed/4242/' app.acl > numeric.acl; cd byhand; setfacl --restore=../numeric.acl`,
      folder
    )
    composed(store, ['build', '--sandbox', at('tree'), 'lib/numbers', 'app/solver', '--bare'])
    bash('rm -r "$1/tree/.compose"', folder)
    const paths = (tree: string) => portrait(join(tree, 'opt/solver')) + portrait(join(tree, 'opt/lib/data'))
    assert.is(paths(at('tree')), paths(at('byhand')))
  }
)

longSandbox('untouched gives the image of its modules again, byte for byte', () => {
  composed(store, ['build', '--sandbox', at('untouched'), ...modules])
  const { edits } = composed(store, ['build', at('untouched.sqfs'), at('untouched')])
  assert.equal(edits, { added: 0, changed: 0, deleted: 0, regenerated: [], privileged: [] })
  same('untouched.sqfs')
})

atCheckSize(needing(sandbox, 'root'))('untouched, of an ordinary user, gives that image too', () => {
  const out = join(folder, 'user-sandbox')
  bash('mkdir -m 777 "$1"; chmod -R a+rX "$2"', out, store)
  const made = composed(store, ['build', '--sandbox', join(out, 'tree'), ...modules], { uid: USER })
  assert.is(made.applied, 'user')
  assert.ok(made.notApplied.owners > 0)
  composed(store, ['build', join(out, 'image.sqfs'), join(out, 'tree')], { uid: USER })
  same('user-sandbox/image.sqfs')
})

longSandbox('gives an image with its changes, and everything else as stored', () => {
  composed(store, ['build', '--sandbox', at('edited'), ...modules])
  bash('cd "$1"; echo new > opt/new; rm opt/lib/version; chmod 700 opt/lib/data', at('edited'))
  const { edits, lock } = composed(store, ['build', at('edited.sqfs'), at('edited')])
  assert.is(edits.deleted, 1)
  const { paths } = composed(store, ['diff', reference, at('edited.sqfs')])
  assert.equal(
    paths.map(({ path, side }: { path: string; side: string }) => `${side} ${path}`),
    ['both /opt/lib/data', 'left /opt/lib/version', 'right /opt/new']
  )
  const bare = compose(store, ['list', '--layers', at('edited')]).out.replace(/ .*$/gm, '')
  const again = composed(store, ['build', at('edited2.sqfs'), '-', '--bare'], { input: Buffer.from(bare) })
  assert.is(again.lock.tree, lock.tree)
})

longSandbox('extracted from an image gives that image again', () => {
  composed(store, ['extract', reference, at('extracted')])
  composed(store, ['build', at('extracted.sqfs'), at('extracted')])
  same('extracted.sqfs')
})

sandbox('is refused where something is already', () => {
  const error = composeFails(store, ['build', '--sandbox', at('one'), ...modules], 34)
  assert.is(error.code, 'SANDBOX_EXISTS')
  rmSync(at('one'), { recursive: true })
})

for (const tests of [build, audience, inside, sandbox]) tests.run()
