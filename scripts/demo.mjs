/**
 * `npm run demo`: the main job on real input, as an ordinary user, without network: a base from this host's own shell
 * and tools, a library, a licensed application given as a tarball with an ACL file; an image, a sandbox, a rebuild.
 * Every command is printed before it runs. Plain JavaScript: it is read as an example.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../dist/bundle/compose.cjs', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'strata-demo-'))
process.chdir(work)
process.env.COMPOSE_STORE = join(work, 'store')
delete process.env.COMPOSE_PATH

const started = performance.now()
const bold = text => (process.stdout.isTTY ? `\x1b[1m${text}\x1b[0m` : text)

function say(text) {
  console.log(`\n${bold(`# ${text}`)}`)
}

/** Run a shell line and show it; `compose` is the one just built. */
function show(line) {
  console.log(bold(`$ ${line}`))
  const script = `compose() { "${process.execPath}" "${main}" "$@"; }\n${line}`
  const { status } = spawnSync('sh', ['-ec', script], { stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) {
    console.error(`the command above failed with status ${status}; its files are in ${work}`)
    process.exit(1)
  }
}

const output = (command, ...args) => spawnSync(command, args, { encoding: 'utf8' }).stdout ?? ''
const isThere = command => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

/** A file and every link on the way to it, relative to /: what a tarball must hold for the path to work. */
function pathsTo(path) {
  const found = []
  const follow = rest => {
    let at = ''
    const parts = rest.split('/').filter(part => part !== '')
    for (const [i, part] of parts.entries()) {
      at += `/${part}`
      if (!lstatSync(at).isSymbolicLink()) continue
      found.push(at)
      return follow(resolve(dirname(at), readlinkSync(at), ...parts.slice(i + 1)))
    }
    found.push(at)
  }
  follow(path)
  return found
}

const librariesOf = program => output('ldd', program).match(/\/\S+(?= \()/g) ?? []

say('A base: the shell and core tools of this host, with the libraries they need')
const programs = ['sh', 'bash', 'ls', 'cat', 'id', 'env', 'grep', 'sed', 'head', 'sort', 'uname']
  .map(name => output('sh', '-c', `command -v ${name}`).trim())
  .concat('/bin/sh') // by this name scripts ask for it, whatever PATH says
  .filter(path => path.startsWith('/') && existsSync(path))
const base = new Set(
  programs.flatMap(program => [program, ...librariesOf(realpathSync(program))]).flatMap(pathsTo)
)
writeFileSync(
  'base.list',
  [...base]
    .map(path => `.${path}\n`)
    .sort()
    .join('')
)
show(
  'tar -C / --no-recursion --owner=0 --group=0 --numeric-owner -cf base.tar -T base.list && ls -l base.tar'
)

say('A library, as a directory, and a licensed application, as a tarball with the ACLs that tar lost')
mkdirSync('greet/lib', { recursive: true })
writeFileSync(
  'greet/lib/greet.sh',
  'greet() { echo "solver, composed on $(uname -s): licence checked for $1"; }\n',
  { mode: 0o644 }
)
mkdirSync('solver/opt/solver/bin', { recursive: true })
writeFileSync('solver/opt/solver/bin/solver', '#!/bin/sh\n. "$GREET_HOME/lib/greet.sh"\ngreet "$1"\n', {
  mode: 0o750
})
writeFileSync(
  'solver.acl',
  ['opt/solver', 'opt/solver/bin/solver']
    .map(
      path =>
        `# file: ${path}\n# owner: root\n# group: root\nuser::rwx\ngroup::---\ngroup:licensed:r-x\nmask::r-x\nother::---\n\n`
    )
    .join('')
)
show(
  'chmod 750 solver/opt/solver solver/opt/solver/bin/solver && tar -C solver --owner=0 --group=0 --numeric-owner -czf solver.tar.gz opt'
)
show('cat solver.acl')

say('Publish them: what is stored is named by its SHA-256')
show('compose init')
show('compose import base/host-1.0 base.tar --allow-privileged --summary "shell and tools of this host"')
show('compose import lib/greet-1.0 greet --prefix opt/greet --owner 0:0 --set GREET_HOME=/opt/greet')
show(
  'compose import app/solver-2.1 solver.tar.gz --acl solver.acl --map-group licensed=4242 \\\n    --requires lib/greet --prepend PATH=/opt/solver/bin --license "site licence, 40 seats" --no-redistribute'
)

say('Choose modules, and link them into one image for the members of group 4242')
writeFileSync('stack.yaml', 'modules:\n  - base/host\n  - lib/greet\n  - app/solver-2 # any 2.x\n')
show('cat stack.yaml')
show('compose build solver.sqfs --for group:4242')

say('The ACL came through, and nothing is wider than it: only group 4242 can read the image')
show('compose cat solver.sqfs /.compose/acl | head -8')
show('compose ls -l solver.sqfs /opt/solver/bin')
show(isThere('getfacl') ? 'getfacl -n solver.sqfs' : 'ls -l solver.sqfs')
show('compose build everyone.sqfs --for everyone && compose ls -l everyone.sqfs /opt/solver/bin')

say('The same again from the list of layer hashes, bit for bit')
show('compose list --layers | tee layers.list')
show(
  'compose build again.sqfs layers.list --for group:4242 && cmp solver.sqfs again.sqfs && sha256sum solver.sqfs again.sqfs'
)

say('And a sandbox directory, which remembers what this user could not set')
show('compose build --sandbox sandbox')
show(
  'compose build third.sqfs sandbox --for group:4242 && cmp solver.sqfs third.sqfs && echo "the image of the untouched sandbox is the same"'
)

const runtimes = [
  [
    'ch-run',
    'USER=user ch-run --set-env=sandbox/ch/environment sandbox -- /bin/sh -c ". /opt/greet/lib/greet.sh; greet \\"$(id -u)\\""'
  ],
  [
    'bwrap',
    'bwrap --ro-bind sandbox / --dev /dev --proc /proc --tmpfs /tmp /bin/sh -lc ". /opt/greet/lib/greet.sh; greet \\"$(id -u)\\""'
  ]
]
const runtime = runtimes.find(
  ([name, line]) => isThere(name) && spawnSync('sh', ['-c', line], { stdio: 'ignore' }).status === 0
)
if (runtime === undefined) say('No container runtime works here (looked for ch-run, bwrap): nothing is run')
else {
  say(`Run a program in it, by ${runtime[0]}`)
  show(runtime[1])
}

say('Check everything')
show('compose fsck')
show('compose verify solver.sqfs')

if (process.env.STRATA_DEMO_KEEP === undefined) rmSync(work, { recursive: true, force: true })
console.log(`\n${bold(`done in ${((performance.now() - started) / 1000).toFixed(1)} s`)}`)
