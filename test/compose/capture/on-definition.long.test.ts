import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Ran } from '../../helpers/compose.ts'
import { atAllSize, needing, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { capture, composeIn, define, world } from './capture-world.ts'

/** Captures on what a definition became, which has a record but no name in the store (spec/capture.md#what-happens). */

const onDefinition = suiteNeeding('capture: on an image of a definition', 'userns', 'unsquashfs')
const long = atAllSize(onDefinition)

function ran(found: Ran): Ran {
  assert.is(found.status, 0, found.err)
  return found
}

const inHome = (name: string): string => join(world().home, name)

function imageOf(name: string, text: string): string {
  const image = inHome(`${name}.sqfs`)
  const file = define(`${name}.def`, `Bootstrap: compose\nFrom: base/host\n${text}`)
  ran(composeIn(world(), ['build', image, file, '--bind', '/usr']))
  return image
}

const recordOf = (module: string) => JSON.parse(ran(composeIn(world(), ['--json', 'show', module])).out)

/** Mode, owner and path of what an image has below /opt, and the contents of its files. */
const optOf = (image: string): string =>
  bash(
    'unsquashfs -lln "$1" opt | awk \'{print $1, $2, $NF}\'; for f in $(unsquashfs -l -d / "$1" opt); do unsquashfs -cat "$1" $f 2>/dev/null || true; done',
    image
  ).toString()

const SETTINGS =
  '%post\n  mkdir -m 750 /opt/made; echo below > /opt/made/file; echo gone > /opt/made/gone; chown 7:8 /opt/made/file\n%environment\n  export MADE=1\n%labels\n  made yes\n%runscript\n  echo made\n'

const SCRIPT = 'echo above >> /opt/made/file; rm /opt/made/gone; echo new > /opt/new'

onDefinition(
  'the module has the layers and settings of the definition, and stays whole without the image',
  () => {
    const image = imageOf('whole', SETTINGS)
    ran(capture(world(), ['app/whole-1', '--from', image, '--env', 'X=1', '--', 'sh', '-ec', SCRIPT]))
    const { requires, layers, environment, labels, runscript, origin } = recordOf('app/whole-1')
    assert.equal(requires, ['base/host = 1'])
    assert.is(layers.length, 2)
    assert.match(JSON.stringify(environment), /MADE/)
    assert.equal(labels, { made: 'yes' })
    assert.match(runscript, /echo made/)
    assert.match(origin[0].recipe, /^Bootstrap: compose/)
    assert.match(origin[1].recipe, /^sh -ec/)
    // The layer of the definition has no name of its own, and goes with its last module.
    ran(composeIn(world(), ['gc', '--grace', '0s']))
    ran(composeIn(world(), ['fsck']))
    const built = inHome('whole-again.sqfs')
    ran(composeIn(world(), ['build', built, 'app/whole']))
    const listing = optOf(built)
    assert.match(listing, /drwxr-x--- 0\/0 squashfs-root\/opt\/made\n/)
    assert.match(listing, /-rw-r--r-- 7\/8 squashfs-root\/opt\/made\/file\n/)
    assert.match(listing, /below\nabove\nnew\n$/)
    assert.not.match(listing, /gone/)
  }
)

long('the definition itself is no target, and the error says which line makes one of it', () => {
  imageOf('itself', SETTINGS)
  const { status, err } = capture(world(), ['app/itself-1', '--from', inHome('itself.def'), '--', 'true'])
  assert.is(status, 2)
  assert.match(
    err,
    /is a definition[\s\S]*try: +compose build IMAGE\.sqfs \S+itself\.def, then --from IMAGE\.sqfs/
  )
})

long('gives the files that a capture on the imported definition gives', () => {
  const image = imageOf('same', SETTINGS)
  ran(composeIn(world(), ['import', 'app/same-1', inHome('same.def'), '--bind', '/usr']))
  const listing = (name: string, from: string) => {
    ran(capture(world(), [`app/${name}-1`, '--from', from, '--', 'sh', '-ec', SCRIPT]))
    ran(composeIn(world(), ['build', inHome(`${name}.sqfs`), `app/${name}`]))
    return optOf(inHome(`${name}.sqfs`))
  }
  assert.is(listing('on', image), listing('off', 'app/same'))
})

needing(
  onDefinition,
  'fuse',
  'squashfuse_ll'
)('publishes what a run with --overlay changed in it', () => {
  const image = imageOf('run', SETTINGS)
  const folder = inHome('run-overlay')
  mkdirSync(folder)
  bash('[ "$(id -u)" != 0 ] || chown 1000:1000 "$1"', folder)
  const run = ['run', '--runtime', 'strata', '--bind', '/usr', '--overlay', folder, image, '--']
  ran(composeIn(world(), [...run, 'sh', '-ec', 'echo new > /opt/new']))
  ran(composeIn(world(), ['capture', 'app/run-1', '--from', image, '--overlay', folder]))
  assert.equal(recordOf('app/run-1').requires, ['base/host = 1'])
  const built = inHome('run-again.sqfs')
  ran(composeIn(world(), ['build', built, 'app/run']))
  assert.match(optOf(built), /below\ngone\nnew\n$/)
})

long('set-id files of the definition need --allow-privileged, as those of the command do', () => {
  const image = imageOf('bits', '%post\n  echo x > /opt/bits; chmod 4755 /opt/bits\n')
  const words = ['--from', image, '--', 'sh', '-c', 'echo new > /opt/new']
  const refused = capture(world(), ['app/bits-1', ...words])
  assert.is(refused.status, 27, refused.err)
  assert.match(refused.err, /opt\/bits \(setuid root\)/)
  // Nor does a definition get its kept layer published in passing.
  const imported = composeIn(world(), ['import', 'app/bits-1', inHome('bits.def'), '--bind', '/usr'])
  assert.is(imported.status, 27, imported.err)
  ran(capture(world(), ['app/bits-1', '--allow-privileged', ...words]))
})

long(
  'an image of which another module has the layers, and nothing the record, is refused in the same way',
  () => {
    const image = imageOf('half', '%post\n  echo half > /opt/half\n')
    const words = ['--from', image, '--', 'sh', '-c', 'echo new > /opt/new']
    ran(capture(world(), ['app/half-1', ...words]))
    ran(composeIn(world(), ['gc', '--grace', '0s']))
    const refused = capture(world(), ['app/half-2', ...words])
    assert.is(refused.status, 11, refused.err)
    assert.match(
      refused.err,
      /no store has the record and all layers[\s\S]*try: +compose import app\/NAME-VERSION /
    )
  }
)

long('an image whose layers are gone is refused, with the line that publishes its files', () => {
  const image = imageOf('lost', '%post\n  echo lost > /opt/lost\n')
  ran(composeIn(world(), ['gc', '--grace', '0s']))
  const words = (from: string) => [
    'app/lost-1',
    '--from',
    from,
    '--',
    'sh',
    '-c',
    'echo has run >&2; echo new > /opt/new'
  ]
  const refused = capture(world(), words(image))
  assert.is(refused.status, 11, refused.err)
  assert.not.match(refused.err, /has run/)
  const hint = /try: +compose (import app\/NAME-VERSION \S+) /.exec(refused.err)![1]
  ran(composeIn(world(), hint.replace('NAME-VERSION', 'found-1').split(' ')))
  ran(capture(world(), words('app/found')))
})

long('changes in a sandbox of a definition are a module as well, and a base of definitions', () => {
  imageOf('box', SETTINGS)
  const box = inHome('box')
  ran(composeIn(world(), ['build', '--sandbox', box, inHome('box.def'), '--bind', '/usr']))
  bash('echo edited >> "$1"/opt/made/file', box)
  ran(composeIn(world(), ['import', 'app/box-1', box]))
  const built = inHome('box-again.sqfs')
  ran(composeIn(world(), ['build', built, 'app/box']))
  assert.match(optOf(built), /below\nedited\ngone\n$/)
  const upon = define('upon.def', `Bootstrap: localimage\nFrom: ${box}\n\n%post\n  echo upon > /opt/upon\n`)
  ran(composeIn(world(), ['build', inHome('upon.sqfs'), upon, '--bind', '/usr']))
  assert.match(optOf(inHome('upon.sqfs')), /below\nedited\ngone\nupon\n$/)
  ran(composeIn(world(), ['import', 'app/upon-1', upon, '--bind', '/usr']))
  const { requires, environment } = recordOf('app/upon-1')
  assert.equal(requires, ['base/host = 1'])
  assert.is(JSON.stringify(environment).match(/MADE/g)!.length, 1)
})

onDefinition.run()
