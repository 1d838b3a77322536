import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { type CaptureWorld, captureWorld, composeIn } from '../capture/capture-world.ts'

/** Steps of definitions that did not change are not run again (spec/definitions.md#cache). */

let made: CaptureWorld | undefined
const world = (): CaptureWorld => {
  if (made !== undefined) return made
  made = captureWorld()
  mkdirSync(join(made.home, 'log'))
  bash('chmod 777 "$1"', join(made.home, 'log'))
  return made
}

let versions = 0

/** Builds a module, and tells which scripts ran: each writes its name to a folder of the host. */
function build(
  text: string,
  ...flags: string[]
): { ran: string; layers: string[]; record: Shown; err: string } {
  const { home } = world()
  const file = join(home, 'steps.def')
  const log = join(home, 'log/log')
  writeFileSync(file, text)
  rmSync(log, { force: true })
  const module = `app/steps-${++versions}`
  const binds = ['--bind', '/usr', '--bind', `${join(home, 'log')}:/log`]
  const { status, err } = composeIn(world(), ['import', module, file, ...binds, '--no-network', ...flags])
  assert.is(status, 0, err)
  const record = JSON.parse(composeIn(world(), ['--json', 'show', module]).out)
  let ran = ''
  try {
    ran = readFileSync(log, 'utf8').trim().split('\n').join(' ')
  } catch {}
  return { ran, layers: record.layers.map(({ id }: { id: string }) => id ?? ''), record, err }
}

interface Shown {
  layers: object[]
  labels: Record<string, string>
  environment: object[]
  origin: { packages?: object[] }[]
}

const TEXT = `Bootstrap: compose
From: base/host
Stage: one
%files
dat /opt/dat
%post
echo one >> /log/log; mkdir /tmp/deep; echo x > /tmp/deep/made; chown games:mail /tmp/deep/made; rm /etc/hostname

Bootstrap: compose
From: base/host
%files from one
/tmp/deep/made /opt/made
/opt/dat /opt/dat
%post
echo post >> /log/log; chown 8:9 /opt/made; touch -d @1600000000 /opt/old; mkfifo -m 640 /opt/fifo
rm /etc/environment; ln /opt/made /opt/name; ln -s made /opt/link; mkdir -m 3775 /opt/set; chgrp mail /opt/set
echo X 1 >> $APPTAINER_LABELS; echo 'export FROM_POST=1' >> $APPTAINER_ENVIRONMENT; date > /opt/date; echo same > /opt/date
%environment
export A=1
%test
echo test >> /log/log; test "$A$FROM_POST" = 11 -a "$(stat -c %U:%G /opt/made)" = mail:news
`

const cached = suiteNeeding('definition: cache of steps', 'userns')

cached('runs nothing for an unchanged definition, and gives the same module', () => {
  writeFileSync(join(world().home, 'dat'), '1')
  const first = build(TEXT)
  assert.is(first.ran, 'one post test')
  const second = build(TEXT)
  assert.is(second.ran, '', second.err)
  assert.equal(second.record.layers, first.record.layers)
  assert.equal(second.record.labels, first.record.labels)
  assert.equal(second.record.environment, first.record.environment)
  assert.equal(second.record.origin, first.record.origin)
  const anew = build(TEXT, '--no-cache')
  assert.is(anew.ran, 'one post test')
  assert.equal(anew.record.layers, first.record.layers)
})

cached('runs only what follows a change, with the result of a fresh run', () => {
  for (const [change, ran] of [
    [(text: string) => text.replace('A=1', 'A=1 B=2'), 'test'],
    [(text: string) => text.replace('%test', '%test\ntouch /opt/tested'), 'test'],
    [(text: string) => `${text}%labels\nLast 1\n`, ''],
    [(text: string) => text.replace('echo post', 'echo again'), 'again test']
  ] as const) {
    const text = change(TEXT)
    const found = build(text)
    assert.is(found.ran, ran, found.err)
    assert.equal(build(text, '--no-cache').record.layers, found.record.layers)
  }
})

cached('sees changed files, and takes --update at its word', () => {
  writeFileSync(join(world().home, 'dat'), '2')
  assert.is(build(TEXT).ran, 'one post test')
  assert.is(build(TEXT).ran, '')
  assert.is(build(TEXT, '--update').ran, 'one post test')
  writeFileSync(join(world().home, 'dat'), '1')
  assert.is(build(TEXT).ran, '')
})

cached('imports a local image once, and again when it has changed', () => {
  const { home } = world()
  const file = join(home, 'local.def')
  const pack = (text: string) =>
    bash(
      'cd "$1"; mkdir -p packed/opt; printf %s "$2" > packed/opt/text; tar -C packed -cf new.tar .; cat new.tar > local.tar; touch -d @1600000000 local.tar; chmod a+r local.tar',
      home,
      text
    )
  const built = (version: number): string => {
    const module = `app/local-${version}`
    const { status, err } = composeIn(world(), ['import', module, file, '--no-network'])
    assert.is(status, 0, err)
    const out = join(home, `local-${version}`)
    composeIn(world(), ['export', module, out])
    return bash(
      'for each in "$1"/*.tar; do tar -xOf "$each" ./opt/text || true; done 2>/dev/null',
      out
    ).toString()
  }
  writeFileSync(file, `Bootstrap: localimage\nFrom: ${join(home, 'local.tar')}\n`)
  pack('one')
  const notes = () => bash('ls -1 "$1"/.cache/strata/image-modules-1', home).toString()
  assert.is(built(1), 'one')
  const once = notes()
  assert.is(built(2), 'one')
  assert.is(notes(), once)
  pack('two')
  assert.is(built(3), 'two')
})

cached('runs steps again whose kept trees are damaged', () => {
  const text = TEXT.replace('echo test', 'echo other')
  const folder = join(world().home, '.cache/strata/steps')
  for (const file of bash('find "$1" -type f -path "*/store/*" -size +0', folder)
    .toString()
    .trim()
    .split('\n'))
    truncateSync(file, 1)
  const { ran, record } = build(text)
  assert.is(ran, 'one post other')
  assert.equal(build(text, '--no-cache').record.layers, record.layers)
  assert.ok(readdirSync(folder).every(name => /^[0-9a-f]{64}$/.test(name)))
})

cached.run()
