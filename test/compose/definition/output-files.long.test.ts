import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { composeIn, define, startIn, world } from '../capture/capture-world.ts'

/** Standard streams of scripts where those of `compose` are files (spec/definitions.md#scripts). */

const files = suiteNeeding('definition: standard streams that are files', 'userns')

interface Streams {
  input?: string
  out: string
  err?: string
}

/** As a shell starts it: `compose … < input >> out 2>> err`, or `2>&1`. */
async function composeInto({ input, out, err }: Streams, args: string[]): Promise<number | null> {
  const fds = [openSync(input ?? '/dev/null', 'r'), openSync(out, 'a'), openSync(err ?? out, 'a')]
  try {
    const child = startIn(world(), args, err === undefined ? [fds[0], fds[1], fds[1]] : fds)
    const [status] = await once(child, 'close')
    return status
  } finally {
    for (const fd of fds) closeSync(fd)
  }
}

/** A file of the user with a line in it. */
function fileOf(name: string): string {
  const file = define(name, 'a secret of the user\n')
  bash('[ "$(id -u)" != 0 ] || chown 1000:1000 "$1"; chmod 600 "$1"', file)
  return file
}

const HOSTILE = `for fd in 0 1 2; do
  timeout 1 cat /proc/self/fd/$fd < /dev/null >> /opt/seen || true
  : > /proc/self/fd/$fd || true
  echo overwritten 1<> /proc/self/fd/$fd || true
  chmod 666 /proc/self/fd/$fd || true
  truncate -s 0 /proc/self/fd/$fd || true
done
for fd in 1 2; do timeout 1 cat 9< /proc/self/fd/$fd <&9 >> /opt/seen || true; done`

const definitionOf = (name: string, section: string, script: string): string =>
  define(`${name}.def`, `Bootstrap: compose\nFrom: base/host\n\n%${section}\n${script}\n`)

files('a script neither reads, empties nor opens the files of the caller', async () => {
  const streams = { input: fileOf('in.txt'), out: fileOf('out.log'), err: fileOf('err.log') }
  const definition = definitionOf('hostile', 'post', `: > /opt/seen\n${HOSTILE}\ncp /opt/seen /opt/kept`)
  const image = join(world().home, 'hostile.sqfs')
  assert.is(await composeInto(streams, ['build', image, definition, '--bind', '/usr']), 0)
  for (const file of Object.values(streams)) {
    assert.match(readFileSync(file, 'utf8'), /^a secret of the user\n/, file)
    assert.is(statSync(file).mode & 0o777, 0o600, file)
  }
  assert.is(readFileSync(streams.input, 'utf8'), 'a secret of the user\n')
  assert.not.match(bash('unsquashfs -cat "$1" opt/kept', image).toString(), /secret/)
})

needing(files, 'unshare')('nor does a script of the host that may not write', async () => {
  const streams = { input: fileOf('in-host.txt'), out: fileOf('out-host.log') }
  const definition = definitionOf(
    'of-host',
    'setup',
    HOSTILE.replaceAll('/opt/seen', '"$APPTAINER_ROOTFS/seen"')
  )
  const image = join(world().home, 'of-host.sqfs')
  assert.is(await composeInto(streams, ['build', image, definition, '--host-scripts', 'ro']), 0)
  for (const file of Object.values(streams)) {
    assert.match(readFileSync(file, 'utf8'), /^a secret of the user\n/, file)
    assert.is(statSync(file).mode & 0o777, 0o600, file)
  }
  assert.not.match(bash('unsquashfs -cat "$1" seen', image).toString(), /secret/)
})

files('a folder on standard input is no way out of the tree', async () => {
  const folder = join(world().home, 'entered')
  bash('mkdir "$1"; echo secret > "$1/file"; chmod -R a+rwX "$1"', folder)
  const script = 'cat /proc/self/fd/0/file > /opt/seen || true; touch /proc/self/fd/0/left || true'
  const image = join(world().home, 'entered.sqfs')
  const definition = definitionOf('entered', 'post', script)
  const capturing = ['capture', 'app/entered-1', '--from', 'base/host', '--bind', '/usr', '--', 'sh', '-c']
  for (const args of [
    ['build', image, definition, '--bind', '/usr'],
    [...capturing, script]
  ])
    assert.is(
      await composeInto({ input: folder, out: join(world().home, 'entered.log') }, args),
      0,
      readFileSync(join(world().home, 'entered.log'), 'utf8')
    )
  assert.equal(readdirSync(folder), ['file'])
  assert.is(bash('unsquashfs -cat "$1" opt/seen', image).toString(), '')
  const exported = composeIn(world(), ['build', `${image}.2`, 'base/host', 'app/entered'])
  assert.is(exported.status, 0, exported.err)
  assert.is(bash('unsquashfs -cat "$1" opt/seen', `${image}.2`).toString(), '')
})

files('processes that a script leaves in the background are killed, and nothing waits for them', async () => {
  const log = fileOf('left.log')
  const number = `86${process.pid}`
  const script = `setsid sleep ${number} & sleep ${number} & echo started`
  for (const [section, ...flags] of [
    ['setup', '--host-scripts', 'ro'],
    ['post', '--bind', '/usr']
  ]) {
    const image = join(world().home, `left-${section}.sqfs`)
    const args = ['build', image, definitionOf(`left-${section}`, section, script), ...flags]
    assert.is(await composeInto({ out: log }, args), 0)
    assert.is(bash('pgrep -f "^sleep $1" || true', number).toString(), '', section)
  }
  assert.match(readFileSync(log, 'utf8'), /^started$[\s\S]*^started$/m)
})

files('all lines of both streams are in one file in their order, before what compose says next', async () => {
  const log = fileOf('order.log')
  const script =
    'i=0; set +x; while [ $i -lt 3000 ]; do i=$((i+1)); echo out $i; echo err $i >&2; done; head -c 300000 /dev/zero | tr "\\0" x; echo; exit 3'
  const definition = definitionOf('order', 'post', script)
  assert.is(await composeInto({ out: log }, ['import', 'app/order-1', definition, '--bind', '/usr']), 53)
  const lines = readFileSync(log, 'utf8').split('\n')
  const found = lines.filter(line => /^(out|err) \d+$/.test(line))
  assert.equal(found, Array.from({ length: 3000 }, (_, i) => [`out ${i + 1}`, `err ${i + 1}`]).flat())
  const long = lines.indexOf('x'.repeat(300_000))
  const error = lines.findIndex(line => /^error: %post of .* ended with status 3/.test(line))
  assert.ok(long > 6000 && error > long, `${long} ${error}`)
})

files(
  'a command of a capture still reads the file that its user gives it, and keeps its status',
  async () => {
    const [input, log] = [fileOf('given.txt'), fileOf('given.log')]
    const command = ['capture', 'app/given-1', '--from', 'base/host', '--bind', '/usr', '--', 'sh', '-c']
    const script = 'cat; : > /proc/self/fd/1; echo to the file; exit 7'
    assert.is(await composeInto({ input, out: log }, [...command, script]), 7)
    assert.match(readFileSync(log, 'utf8'), /^a secret of the user\na secret of the user\nto the file\n/)
  }
)

files.run()
