import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { smallBase } from '../compose/runtime-files/small-base.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { composeAs, homeIn, podmanAs, podmanOptions } from '../helpers/runtimes.ts'
import { scratch } from '../helpers/scratch.ts'
import { bySize } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { composed, composeFails } from '../helpers/warm-compose.ts'

/** Outputs in the programs with which sites run them: podman with an OCI layout, MPI, Apptainer's layout. */

interface World {
  folder: string
  home: string
  store: string
}

let made: World | undefined

function world(): World {
  made ??= makeWorld()
  return made
}

function makeWorld(): World {
  const folder = scratch()
  const store = join(folder, 'store')
  chmodSync(folder, 0o755)
  bash(
    `cd "$1"; mkdir -p app/opt/app
    echo secret > app/opt/app/file; tar -C app --owner=0 --group=0 -cf app.tar opt
    printf 'runscript: |\\n  echo "runscript of $APP with $#: $*"\\n' > app.yaml`,
    folder
  )
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/small-1', smallBase()])
  composed(store, [
    ...['import', 'app/app-1', join(folder, 'app.tar'), '--spec', join(folder, 'app.yaml')],
    ...['--set', 'APP=some app', '--prepend', 'PATH=/opt/app/bin', '--label', 'org.example.site=here']
  ])
  return { folder, home: homeIn(folder), store }
}

const podman = suite('runtimes: podman from an OCI layout')

for (const compression of bySize(['gzip'], ['zstd', 'gzip']))
  needing(
    podman,
    'root',
    'podman'
  )(`a user's podman runs it, layers packed by ${compression}: entry point, environment, labels`, () => {
    const { folder, home, store } = world()
    const layout = join(folder, `oci-${compression}`)
    const tag = `app:${compression}`
    composed(store, [
      ...['build', layout, 'base/small', 'app/app'],
      ...['--format', 'oci', '--tag', tag, '--layer-comp', compression]
    ])
    const id = podmanAs(home, folder, ['pull', '--quiet', `oci:oci-${compression}:${tag}`]).trim()
    const labels = podmanAs(home, folder, ['inspect', '--format', '{{json .Labels}}', id])
    assert.is(JSON.parse(labels)['org.example.site'], 'here')
    const run = ['run', '--rm', '--network=host', ...podmanOptions()]
    assert.is(podmanAs(home, folder, [...run, id, 'a', 'b c']), 'runscript of some app with 2: a b c\n')
    const seen = podmanAs(home, folder, [
      ...run,
      '--entrypoint',
      'sh',
      id,
      '-c',
      'echo "$PATH"; cat /opt/app/file'
    ])
    assert.is(seen, '/opt/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nsecret\n')
  })

podman.run()

const mpi = suite('runtimes: MPI')

const PROGRAM = `#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv) {
  int rank, size, sum;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank); MPI_Comm_size(MPI_COMM_WORLD, &size);
  int own = rank + 1;
  MPI_Allreduce(&own, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  printf("rank %d of %d, sum %d\\n", rank, size, sum);
  MPI_Finalize();
}
`

/** Open MPI of this host as a module, and a program that was built with it as another. */
function importMpi({ folder, store }: World): void {
  bash(
    `cd "$1"; printf '%s' "$2" > ranks.c; mkdir -p ranks/opt/ranks mpi; mpicc -o ranks/opt/ranks/ranks ranks.c
    { for package in openmpi-bin openmpi-common libopenmpi3; do dpkg -L "$package"; done
      for program in /usr/bin/orterun /usr/bin/orted $(dpkg -L libopenmpi3 | grep '\\.so'); do ldd "$program" 2>/dev/null; done |
        grep -o '/[^ ]*' | grep -v ':$'; ldd ranks/opt/ranks/ranks | grep -o '/[^ ]*'
      echo /usr/bin/mpirun; echo /etc/alternatives/mpirun; } | sort -u | while read -r path; do
        [ ! -f "$path" ] && [ ! -L "$path" ] || { echo "$path"; readlink -f "$path"; }
      done | grep -v '/share/\\(man\\|doc\\)' | sort -u > files
    # /lib is a link in the base, so what the linker calls /lib/... lies in /usr/lib.
    tar -C / --transform 's,^\\(lib\\|lib64\\|bin\\)/,usr/\\1/,' --owner=0 --group=0 -cf mpi.tar $(sed 's,^/,,' files) 2>/dev/null
    tar -C ranks --owner=0 --group=0 -cf ranks.tar opt`,
    folder,
    PROGRAM
  )
  const upper = ['--replace']
  composed(store, ['import', 'mpi/openmpi-4.1', join(folder, 'mpi.tar'), ...upper])
  composed(store, ['import', 'app/ranks-1', join(folder, 'ranks.tar'), '--prepend', 'PATH=/opt/ranks'])
}

let isImported = false

for (const runtime of bySize([], ['ch-run', 'bwrap']))
  needing(
    mpi,
    runtime,
    'mpicc',
    'mpirun'
  )(`mpirun starts two ranks of a real program that talk to each other, in ${runtime}`, () => {
    const here = world()
    if (!isImported) importMpi(here)
    isImported = true
    const image = join(here.folder, `ranks-${runtime}.sqfs`)
    const modules = ['base/small', 'mpi/openmpi', 'app/ranks']
    composed(here.store, ['build', image, ...modules, '--on-conflict', 'upper'])
    // No network, no ssh, and a machine with fewer cores than ranks.
    const options = ['--oversubscribe', '--mca', 'plm', 'isolated', '--mca', 'btl', 'self,vader']
    const allow = { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' }
    const found = composeAs(
      here.home,
      ['run', '--runtime', runtime, image, '--', 'mpirun', ...options, '-n', '2', 'ranks'],
      allow
    )
    assert.equal(found.out.split('\n').sort(), ['', 'rank 0 of 2, sum 3', 'rank 1 of 2, sum 3'], found.err)
  })

mpi.run()

const apptainer = suite("runtimes: Apptainer's layout")

needing(apptainer, 'unsquashfs')('has every file that it looks for, with its mode', () => {
  const { folder, store } = world()
  const image = join(folder, 'layout.sqfs')
  composed(store, ['build', image, 'base/small', 'app/app'])
  bash('unsquashfs -q -n -d "$1/layout" "$1/layout.sqfs" > /dev/null', folder)
  const list = bash('cd "$1/layout"; find .singularity.d -printf "%m %y %p\\n" | sort -k3', folder).toString()
  for (const line of [
    '755 d .singularity.d/actions',
    '755 f .singularity.d/actions/exec',
    '755 f .singularity.d/actions/run',
    '755 f .singularity.d/actions/shell',
    '755 f .singularity.d/env/90-environment.sh',
    '755 f .singularity.d/env/99-base.sh',
    '644 f .singularity.d/labels.json',
    '755 f .singularity.d/runscript',
    '755 f .singularity.d/startscript',
    '644 f .singularity.d/Singularity'
  ])
    assert.ok(list.split('\n').includes(line), line)
  const links = bash(
    'cd "$1/layout"; for link in singularity environment .run .exec .test .shell; do readlink "$link"; done',
    folder
  )
  assert.equal(links.toString().trim().split('\n'), [
    '.singularity.d/runscript',
    '.singularity.d/env/90-environment.sh',
    ...['run', 'exec', 'test', 'shell'].map(name => `.singularity.d/actions/${name}`)
  ])
})

needing(apptainer, 'unsquashfs')(
  'its scripts, sourced in name order, give the environment to the runscript',
  () => {
    const { folder } = world()
    // Runs env/*.sh in order and then the runscript, as Apptainer's action script does.
    const out = execFileSync(
      'sh',
      [
        '-c',
        'for part in .singularity.d/env/*.sh; do . "./$part"; done; exec .singularity.d/runscript a "b c"'
      ],
      { cwd: join(folder, 'layout'), env: { PATH: '/usr/bin:/bin', APPTAINER_CONTAINER: 'image' } }
    )
    assert.is(out.toString(), 'runscript of some app with 2: a b c\n')
  }
)

apptainer.run()

const recipe = suite('compose inspect --recipe')

recipe('prints the sources of each module from the image alone', () => {
  const { folder, store } = world()
  const image = join(folder, 'recipe.sqfs')
  composed(store, ['build', image, 'base/small', 'app/app'])
  const { modules } = composed('/nonexistent', ['inspect', '--recipe', image])
  const digest = bash('sha256sum < "$1/app.tar"', folder).toString().slice(0, 64)
  assert.is(modules[1].module, 'app/app-1')
  assert.equal(modules[1].origin, [{ kind: 'tar', name: 'app.tar', sha256: digest }])
  const text = bash(
    '"$1" "$2" inspect --recipe "$3"',
    process.execPath,
    new URL('../../cli/main.js', import.meta.url).pathname,
    image
  )
  assert.match(text.toString(), `from tar app.tar sha256:${digest}`)
})

recipe('is an error for a bare image, not empty output', () => {
  const { folder, store } = world()
  const image = join(folder, 'bare.sqfs')
  composed(store, ['build', image, 'base/small', '--bare'])
  assert.is(composeFails(store, ['inspect', '--recipe', image], 31).code, 'IMAGE_INVALID')
})

recipe.run()
