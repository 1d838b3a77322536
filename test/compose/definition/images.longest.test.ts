/** Definitions that start from images which umoci made, in every place that skopeo can put them (spec/definitions.md#bootstrap). */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { startRegistry, stopRegistries } from '../../helpers/registry.ts'
import { homeIn } from '../../helpers/runtimes.ts'
import { scratch } from '../../helpers/scratch.ts'
import { type CaptureWorld, composeIn } from '../capture/capture-world.ts'

const images = suiteNeeding(
  'definitions on images',
  ...(['root', 'userns', 'umoci', 'skopeo', 'docker-registry', 'busybox-static', 'unsquashfs'] as const)
)
images.after(stopRegistries)

/** A layer with programs, and one that removes a file of it and adds owners, modes and links. */
const IMAGE = `
cd "$1"; umoci init --layout layout; umoci new --image layout:1
umoci unpack --image layout:1 below
mkdir -p below/rootfs/{bin,etc,opt,proc,dev,sys,tmp}; cp "$(command -v busybox)" below/rootfs/bin/busybox
for tool in sh cat echo stat test env; do ln -s busybox below/rootfs/bin/$tool; done
printf 'root:x:0:0:root:/root:/bin/sh\\n' > below/rootfs/etc/passwd; echo below > below/rootfs/opt/gone
umoci repack --image layout:1 below; rm -r below
umoci unpack --image layout:1 above
rm above/rootfs/opt/gone; echo owned > above/rootfs/opt/owned; chown 5:8 above/rootfs/opt/owned
chmod 2750 above/rootfs/opt/owned; ln above/rootfs/opt/owned above/rootfs/opt/same
printf '#!/bin/sh\\necho tool "$@"\\n' > above/rootfs/bin/tool; chmod 755 above/rootfs/bin/tool
umoci repack --image layout:1 above
umoci config --image layout:1 --config.env TOOL=1 --config.env PATH=/bin --config.entrypoint /bin/tool \\
  --config.cmd usual --config.label org.example.kind=tool --config.workingdir /opt
skopeo copy -q oci:layout:1 oci-archive:oci.tar:1
skopeo copy -q oci:layout:1 docker-archive:docker.tar:site/tool:1
umoci tag --image layout:1 2; umoci config --image layout:2 --config.env TOOL=2
skopeo copy -q oci:layout:1 "oci-archive:single.tar"
chmod -R a+rX layout *.tar
`

const skopeo = (...words: string[]): void => {
  execFileSync('skopeo', ['copy', '-q', '--dest-tls-verify=false', ...words], { stdio: 'pipe' })
}

const POST = `%post
  test ! -e /opt/gone
  echo "$TOOL $(stat -c %u:%g:%a /opt/owned) $(cat /opt/same)" > /made
%labels
  Own label
%test
  test -s /made
`

/** Starts a registry with the image. @returns its address there */
async function pushed({ folder }: CaptureWorld): Promise<string> {
  const { host } = await startRegistry()
  skopeo(`oci:${folder}/layout:1`, `docker://${host}/site/tool:1`)
  return `${host}/site/tool:1`
}

function newWorld(): CaptureWorld {
  const folder = scratch()
  const home = homeIn(folder)
  const world = { folder, home, store: join(home, 'store'), base: '' }
  ran(world, 'init', '--level', '1')
  bash(IMAGE, folder)
  return world
}

function ran(world: CaptureWorld, ...words: string[]): { out: string; err: string } {
  const { status, out, err } = composeIn(world, words)
  assert.is(status, 0, err)
  return { out, err }
}

function define({ home }: CaptureWorld, agent: string, from: string, text = POST): string {
  const file = join(home, `${agent}.def`)
  writeFileSync(file, `Bootstrap: ${agent}\nFrom: ${from}\n${text}`)
  return file
}

const entries = (tree: string): string[] =>
  bash(
    'cd "$1"; find . -path ./.singularity.d -prune -o -path ./.compose -prune -o -printf "%P %y %l %m %U:%G\\n" | sort',
    tree
  )
    .toString()
    .trim()
    .split('\n')
    .sort()

/** Runs may have left places for mounts beside them. */
const isOfImage = (line: string): boolean => /^(bin|opt|made|etc\/passwd)/.test(line)

// biome-ignore lint/suspicious/noExplicitAny: the test looks into a document
const shown = (world: CaptureWorld, module: string): any =>
  JSON.parse(ran(world, '--json', 'show', module).out)

images(
  'an image gives the same module from a layout, archives and a registry, with its owners and settings',
  async () => {
    const world = newWorld()
    const { folder, home } = world
    const address = await pushed(world)
    const layers: string[] = []
    for (const [agent, from] of [
      ['oci', `${folder}/layout:1`],
      ['oci-archive', `${folder}/oci.tar:1`],
      ['docker-archive', `${folder}/docker.tar:site/tool:1`],
      ['docker', address]
    ]) {
      const module = `app/${agent}-1`
      const file = define(world, agent, from)
      ran(world, 'import', module, file, '--no-network')
      const record = shown(world, module)
      layers.push(JSON.stringify(record.layers))
      assert.equal(record.labels, { Own: 'label', 'org.example.kind': 'tool' }, agent)
      const image = join(home, `${agent}.sqfs`)
      ran(world, 'build', image, file, '--no-network')
      assert.is(ran(world, 'run', image, '--', '/bin/cat', '/made').out, '1 5:8:2750 owned\n', agent)
      assert.is(ran(world, 'run', image).out, 'tool usual\n', agent)
      assert.is(ran(world, 'run', image, '--', '/bin/sh', '-c', 'echo $TOOL').out, '1\n', agent)
      execFileSync('unsquashfs', ['-no-progress', '-d', join(folder, agent), image], { stdio: 'pipe' })
      const wanted = [...entries(join(folder, 'above/rootfs')), 'made f  644 0:0']
      assert.equal(entries(join(folder, agent)).filter(isOfImage), wanted.filter(isOfImage).sort(), agent)
      assert.match(ran(world, 'import', module, file, '--no-network', '--replace').err, /nothing has changed/)
    }
    assert.equal(new Set(layers).size, 1, layers.join('\n'))
  }
)

images(
  'a capture on an image of a registry, or on what a definition made of it, is a whole base',
  async () => {
    const world = newWorld()
    const { home } = world
    const address = await pushed(world)
    const file = define(world, 'docker', address)
    const image = join(home, 'of-registry.sqfs')
    ran(world, 'build', image, file, '--no-network')
    const script = ['--', '/bin/sh', '-c', 'echo above > /opt/above']
    ran(world, 'capture', 'base/direct-1', '--from', `docker://${address}`, ...script)
    ran(world, 'capture', 'base/built-1', '--from', image, ...script)
    ran(world, 'capture', 'app/built-1', '--from', image, ...script)
    ran(world, 'gc', '--grace', '0s')
    for (const module of ['base/direct', 'base/built', 'app/built']) {
      const { requires, labels, kind } = shown(world, module)
      assert.equal(requires ?? [], [], module)
      assert.is(labels['org.example.kind'], 'tool', module)
      assert.is(kind, 'base', module)
      const again = join(home, `${module.replace('/', '-')}.sqfs`)
      ran(world, 'build', again, module)
      assert.is(ran(world, 'run', again, '--', '/bin/cat', '/opt/above').out, 'above\n', module)
      assert.is(ran(world, 'run', again, '--', '/bin/sh', '-c', 'echo $TOOL').out, '1\n', module)
      const made = composeIn(world, ['run', again, '--', '/bin/cat', '/made'])
      assert.is(made.out, module === 'base/direct' ? '' : '1 5:8:2750 owned\n', module)
    }
  }
)

images('a tag that names another image by now is built anew', async () => {
  const world = newWorld()
  const { folder } = world
  const { host } = await startRegistry()
  const file = define(world, 'docker', `site/tool:1`)
  writeFileSync(file, `Bootstrap: docker\nRegistry: ${host}\nNamespace: site\nFrom: tool:1\n${POST}`)
  for (const number of ['1', '2']) {
    skopeo(`oci:${folder}/layout:${number}`, `docker://${host}/site/tool:1`)
    ran(world, 'import', `app/tool-${number}`, file, '--no-network')
    const environment = shown(world, `app/tool-${number}`).environment
    assert.ok(
      environment.some(({ name, value }: Variable) => name === 'TOOL' && value === number),
      number
    )
  }
})

interface Variable {
  name: string
  value: string
}

images('an image that cannot be found is told from one that cannot be chosen', async () => {
  const world = newWorld()
  const { folder } = world
  const { host } = await startRegistry()
  for (const [agent, from, message] of [
    ['oci', `${folder}/layout`, /holds several images: choose one[\s\S]*From: .*layout:1/],
    ['oci', `${folder}/layout:3`, /no image "3"[\s\S]*From: .*layout:1/],
    ['oci-archive', `${folder}/none.tar`, /none\.tar/],
    [
      'docker-archive',
      `${folder}/docker.tar:site/none:1`,
      /no image "site\/none:1"[\s\S]*From: .*docker\.tar:docker\.io\/site\/tool:1/
    ],
    ['docker', `${host}/site/none:1`, /site\/none/]
  ] as const) {
    const { status, err } = composeIn(world, [
      'import',
      'app/none-1',
      define(world, agent, from),
      '--no-network'
    ])
    assert.is.not(status, 0, from)
    assert.match(err, message)
    assert.is.not(composeIn(world, ['show', 'app/none-1']).status, 0)
  }
})

images('where nobody may keep a cache, an archive is imported each time, with one note', () => {
  const world = newWorld()
  const file = define(world, 'docker-archive', `${world.folder}/docker.tar`)
  const shared = join(world.home, 'shared')
  bash('mkdir -p "$1/cache"; chown -R 1000:1000 "$1"; chmod 777 "$1"', shared)
  for (const number of [1, 2]) {
    const words = ['import', `app/tool-${number}`, file, '--no-network']
    const { status, err } = composeIn(world, words, { XDG_CACHE_HOME: join(shared, 'cache') })
    assert.is(status, 0, err)
    assert.match(err, /the base will be imported again next time: the cache is not used/)
    assert.is(err.split('no cache of steps').length, 2, err)
  }
})

images.run()
