import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { world } from '../compose/capture/capture-world.ts'
import { COMPOSE } from '../helpers/compose.ts'
import { LAUNCHER } from '../helpers/launcher.ts'
import { needing, suiteNeeding } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { asUser, userEnvironment } from '../helpers/runtimes.ts'

/** What the caller of a command holds open stays outside (spec/launcher.md#descriptors). */

/** A shell with a file that is open for writing, two folders and a pipe, behind a gap, runs the words. */
function holding(words: string[]): { out: string; folder: string } {
  const { home, store } = world()
  const folder = join(home, 'host')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'lock'), '')
  bash('chmod 777 "$1"; chmod 666 "$1/lock"', folder)
  const script = `exec 200>>"$1/lock" 201<"$1" 202</ 203< <(echo from-pipe); shift; PMI_FD=203 exec "$@"`
  const [program, ...rest] = asUser(['bash', '-c', script, 'bash', folder, ...words])
  const { status, stdout, stderr } = spawnSync(program, rest, {
    ...{ cwd: home, encoding: 'utf8', input: '' },
    env: userEnvironment(home, { COMPOSE_STORE: store })
  })
  assert.is(status, 0, stdout + stderr)
  return { out: stdout + stderr, folder }
}

const ATTACK = `(echo pwned >>/proc/self/fd/200) 2>/dev/null || true; (echo x >/proc/self/fd/201/made) 2>/dev/null || true
if [ -e /proc/self/fd/202/etc ]; then echo host-seen; fi; echo ran; `
const READ_PIPE = '(read -r line </proc/self/fd/203 && echo "got $line") 2>/dev/null || true'

function refutes({ out, folder }: { out: string; folder: string }): void {
  assert.match(out, /ran/)
  assert.not.match(out, /host-seen/)
  assert.is(readFileSync(join(folder, 'lock'), 'utf8'), '')
  assert.not.ok(existsSync(join(folder, 'made')))
}

const descriptors = suiteNeeding('descriptors', 'userns', 'getfacl')
const running = needing(descriptors, 'fuse', 'squashfuse_ll')
const compose = (...words: string[]) => [process.execPath, COMPOSE, ...words]

descriptors('of the caller reach neither %post nor a confined %setup', () => {
  const file = join(world().home, 'held.def')
  writeFileSync(
    file,
    `Bootstrap: compose\nFrom: base/host\n\n%setup\n${ATTACK}\n%post\n${ATTACK}${READ_PIPE}\n`
  )
  const ran = holding(
    compose('import', 'made/held-1', file, '--bind', '/usr', '--no-network', '--host-scripts', 'ro')
  )
  refutes(ran)
  assert.not.match(ran.out, /got from-pipe/)
})

running('of the caller do not reach a program, but the pipe of PMI does', () => {
  const words = ['--runtime', 'strata', '--bind', '/usr', 'base/host', '--', 'sh', '-c', ATTACK + READ_PIPE]
  const ran = holding(compose('run', ...words))
  refutes(ran)
  assert.match(ran.out, /got from-pipe/)
  const contained = holding(compose('run', '--contain', ...words))
  refutes(contained)
  assert.not.match(contained.out, /got from-pipe/)
})

running('that the command names as /dev/fd/N are kept if they are pipes', () => {
  const command = ['sh', '-c', 'cat "$0"; cat "$1/lock" && echo host-seen; echo ran']
  const fds = ['/dev/fd/203', '/dev/fd/201']
  const start = ['run', '--runtime', 'strata', '--bind', '/usr', 'base/host', '--']
  assert.match(holding(compose(...start, 'cat', fds[0])).out, /from-pipe/)
  refutes(holding(compose(...start, ...command, ...fds)))
})

descriptors('of the caller are closed by the launcher alone, too', () => {
  const script = `${ATTACK}${READ_PIPE}`
  const binds = ['/usr', '/bin', '/lib', '/lib64'].filter(existsSync).flatMap(path => ['--bind', path, path])
  const tree = join(world().home, 'empty-tree')
  mkdirSync(tree, { recursive: true })
  const words = ['run', ...binds, '--no-host-files', tree, '--', '/bin/sh', '-c', script]
  const ran = holding([LAUNCHER, ...words])
  refutes(ran)
  assert.match(ran.out, /got from-pipe/)
  const confined = holding([LAUNCHER, 'run', '--confined', ...words.slice(1)])
  refutes(confined)
  assert.not.match(confined.out, /got from-pipe/)
})

descriptors.run()
