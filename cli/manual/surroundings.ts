/** What works on every command beside its options: behind `compose --help`, and in the manual page. */

export interface Described {
  name: string
  text: string
}

export const ENVIRONMENT: Described[] = [
  { name: 'COMPOSE_STORE', text: 'the store that is written; by default $XDG_DATA_HOME/strata' },
  { name: 'COMPOSE_PATH', text: 'further stores, separated by colons, that are only read' },
  { name: 'COMPOSE_STACK', text: 'the stack file; by default stack.yaml' },
  {
    name: 'XDG_CONFIG_HOME',
    text: 'where saved collections are, below strata/collections; by default ~/.config'
  },
  {
    name: 'XDG_CACHE_HOME',
    text: 'where compose run keeps images and unpacked ones, and builds what they have checked, below strata; by default ~/.cache'
  },
  {
    name: 'COMPOSE_CACHE_SIZE',
    text: 'what compose run keeps there at most, as 50G; by default 10G (compose gc --cache)'
  },
  { name: 'COMPOSE_ETC', text: "folder of the site's run.yaml; by default /etc/strata" },
  { name: 'NODE_DEBUG', text: 'with the value strata: where an error came from' }
]

export const FILES: Described[] = [
  { name: 'stack.yaml', text: 'the modules that were asked for, to edit by command or by hand' },
  {
    name: 'stack.lock',
    text: 'what they came to: layers, image parameters, digests; enough to build the same bytes'
  },
  { name: '/.compose', text: 'in every image: lock, module records, ACLs, and who owns which path' }
]

export const STATUSES: Described[] = [
  { name: '0', text: 'done' },
  { name: '1', text: 'failed for a reason of the system' },
  { name: '2', text: 'wrong usage' },
  { name: '10-19', text: 'the store and its modules' },
  { name: '20-29', text: 'what was to be imported' },
  { name: '30-39', text: 'merging, images, sandboxes' },
  { name: '40-49', text: 'stacks, locks, access' },
  { name: '50-51', text: 'no runtime to run it with, or a cache that others may change' },
  { name: '141', text: 'whoever read a file or a tar on standard output went away: it is cut off' }
]

export function formatSurroundings(): string {
  const width = Math.max(...ENVIRONMENT.map(({ name }) => name.length))
  const lines = ENVIRONMENT.map(({ name, text }) => `  ${name.padEnd(width)}  ${text}`)
  return ['', 'Environment:', ...lines, '', 'More: compose COMMAND --help; compose manual | man -l -'].join(
    '\n'
  )
}
