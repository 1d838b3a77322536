import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bash } from './real-tree.ts'
import { homeIn } from './runtimes.ts'
import { scratch } from './scratch.ts'
import { SIZE } from './size.ts'
import { composed } from './warm-compose.ts'

/** A program of MPI. Each rank sends to its neighbour while it receives: short messages, and long ones, which are copied between processes. */
const RING = `
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv) {
  enum { BYTES = 8 << 20 };
  int rank, size, sum = 0;
  char *sent = malloc(BYTES), *got = malloc(BYTES);
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  memset(sent, 'a' + rank, BYTES);
  for (int bytes = 1; bytes <= BYTES; bytes *= 2) {
    MPI_Sendrecv(sent, bytes, MPI_CHAR, (rank + 1) % size, 0, got, bytes, MPI_CHAR, (rank + size - 1) % size, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (got[bytes - 1] != 'a' + (rank + size - 1) % size) return 1;
  }
  MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  printf("rank %d of %d: %d\\n", rank, size, sum);
  fflush(stdout);
  while (argc > 1) MPI_Barrier(MPI_COMM_WORLD);
  MPI_Finalize();
}
`

/** Where the program lies in the image. */
export const RING_PROGRAM = '/opt/ring/ring'
/** What two ranks of it print, sorted. */
export const BOTH = ['rank 0 of 2: 1', 'rank 1 of 2: 1']

export interface RingWorld {
  folder: string
  home: string
  image: string
}

/** What a base has whose other packages an MPI brings. */
const BASE_PACKAGES = ['base-files', 'base-passwd', 'bash', 'coreutils', 'dash', 'passwd']

/** At the size `all` as Debian makes one, which takes a minute, else of packages of this host. */
function importBase(store: string, folder: string): void {
  const tar = join(folder, 'base.tar')
  if (SIZE === 'all') bash('mmdebstrap --quiet --variant=minbase bookworm "$1"', tar)
  const taken = BASE_PACKAGES.flatMap(name => ['--host-package', name])
  const source = SIZE === 'all' ? [tar] : [...taken, '--with-deps']
  composed(store, ['import', 'base/debian-12', '--kind', 'base', ...source])
}

/**
 * A Debian base with an MPI of this host and the program.
 * @param mpi category and name of its module, the package, and words for its import
 */
export function ringWorld(compiler: string, mpi: string, hostPackage: string, ...more: string[]): RingWorld {
  const folder = scratch()
  const store = join(folder, 'store')
  writeFileSync(join(folder, 'ring.c'), RING)
  bash(
    `cd "$1"; mkdir -p app/opt/ring; "$2" -O1 -o app/opt/ring/ring ring.c; tar -C app --owner=0 --group=0 -cf ring.tar opt`,
    folder,
    compiler
  )
  composed(store, ['init', '--level', '1'])
  importBase(store, folder)
  const taken = ['--host-package', hostPackage, '--with-deps', '--base', 'base/debian', ...more]
  composed(store, ['import', `${mpi}-4`, ...taken])
  composed(store, ['import', 'app/ring-1', join(folder, 'ring.tar')])
  const image = join(folder, 'ring.sqfs')
  composed(store, ['build', image, '--for', 'everyone', 'base/debian', mpi, 'app/ring'])
  bash('chmod 755 "$1"', folder)
  return { folder, home: homeIn(folder), image }
}
