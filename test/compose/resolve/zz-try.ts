import { quickStore } from '../../helpers/quick-store.ts'
await quickStore(process.argv[2], {
  'base/debian-12': { kind: 'base' },
  'mpi/openmpi-4.1.6': { family: 'mpi', requires: ['lib/ucx'] },
  'mpi/openmpi-5.0.1': { family: 'mpi', requires: ['lib/ucx >= 1.15'], deprecated: { date: '2026-01-01', text: 'use 4' } },
  'mpi/mpich-4.2': { family: 'mpi' },
  'lib/ucx-1.12': {}, 'lib/ucx-1.16': {},
  'app/vasp-6.4': { kind: 'application', requires: ['mpi/openmpi < 5', 'lib/fftw >= 3.3, < 4'] },
  'lib/fftw-3.3.10': { requires: ['mpi/openmpi'] },
  'app/lammps-1': { kind: 'application', conflicts: ['app/vasp'] },
  'app/bad-1': { kind: 'application', requires: ['lib/ucx >= 2'] }
})
