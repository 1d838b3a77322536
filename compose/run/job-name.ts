/** Variables that all ranks of a job on a node have, and no other job. */
const NAMES = [
  ['SLURM_JOB_ID', 'SLURM_STEP_ID'],
  ['PMIX_NAMESPACE'],
  ['PALS_APID'],
  ['OMPI_MCA_ess_base_jobid']
]
const LONGEST = 64

/**
 * A name for the ranks of one job on this node (spec/launcher.md#ranks).
 * @param parent the process that started us: without a batch system, it starts all ranks of a node
 */
export function jobName(host: NodeJS.ProcessEnv, parent: number): string {
  const found = NAMES.find(names => names.every(name => host[name]))
  const words = found === undefined ? ['process', String(parent)] : found.map(name => host[name])
  return words
    .join('.')
    .replace(/[^\w.-]/g, '_')
    .slice(-LONGEST)
}
