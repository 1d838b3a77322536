/** Folders with the sockets by which the processes of a job find each other (spec/runtimes.md#jobs). */
import { realpathSync, statSync } from 'node:fs'
import type { Bind } from './runtime.ts'
import { isShown } from './usual-binds.ts'

/** Slurm's and munge's; then those that Charliecloud mounts on machines of Cray. */
const FOLDERS = [
  ...['/run/munge', '/var/run/munge', '/var/spool/slurmd', '/var/spool/slurm', '/run/slurm', '/etc/slurm'],
  ...['/var/lib/hugetlbfs', '/var/opt/cray/alps/spool', '/etc/opt/cray/wlm_detect']
]
/** Each names a folder of the process manager, which follows TMPDIR. */
const NAMES = ['PMIX_SERVER_TMPDIR', 'PMIX_SYSTEM_TMPDIR', 'SLURM_JOB_TMPDIR']
/** A program that has one of these was started in a job. */
const OF_JOB = ['SLURM_JOB_ID', 'PMIX_NAMESPACE', 'PMI_RANK', 'PALS_APID']

export function jobFolders(host: NodeJS.ProcessEnv, others: Bind[]): Bind[] {
  if (!OF_JOB.some(name => host[name])) return []
  const binds: Bind[] = []
  const folders = [...NAMES.flatMap(name => host[name] ?? []), ...FOLDERS]
  for (const folder of folders.filter(isFolder))
    if (!isShown(folder, [...binds, ...others]))
      binds.push({ source: realpathSync(folder), target: folder, isReadOnly: false, mayBeLeftOut: true })
  return binds
}

const isFolder = (path: string): boolean =>
  /^\/+[^/]/.test(path) && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
