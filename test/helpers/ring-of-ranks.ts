/** A program of MPI. Each rank sends to its neighbour while it receives: short messages, and long ones, which are copied between processes. */
export const RING = `
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
