/** Environment variables, files and exit statuses of every command: `compose --help` and the manual page print them. */

export interface Described {
  name: string
  text: string
}

export const ENVIRONMENT: Described[] = [
  { name: 'COMPOSE_STORE', text: 'the store to use and write (default: $XDG_DATA_HOME/strata)' },
  { name: 'COMPOSE_PATH', text: 'further stores, separated by colons, which are only read' },
  { name: 'COMPOSE_STACK', text: 'the stack file (default: stack.yaml)' },
  { name: 'COMPOSE_SIGNING_KEY', text: 'the SSH key of compose sign, or its public half' },
  {
    name: 'XDG_CONFIG_HOME',
    text: 'folder of saved stacks, below strata/collections, and of your policy (default: ~/.config)'
  },
  {
    name: 'XDG_CACHE_HOME',
    text: 'folder of the images that compose run keeps, and of hashes that compose build has checked, below strata (default: ~/.cache)'
  },
  {
    name: 'COMPOSE_CACHE_SIZE',
    text: 'most bytes that compose run keeps there, such as 50G (default: 10G; see compose gc --cache)'
  },
  {
    name: 'COMPOSE_CDI_PATH',
    text: 'folders of CDI files, with colons (default: /etc/cdi, /var/run/cdi, /run/cdi)'
  },
  {
    name: 'COMPOSE_REMOTE_AGE',
    text: 'how old the lists of remotes may be before compose asks for new ones, such as 7d, or never (default: 24h)'
  },
  { name: 'COMPOSE_ETC', text: "folder of the site's run.yaml (default: /etc/strata)" },
  { name: 'NODE_DEBUG', text: 'with the value strata: print where in the code an error came from' }
]

export const FILES: Described[] = [
  { name: 'stack.yaml', text: 'the modules that you asked for; edit it by commands or by hand' },
  {
    name: 'stack.lock',
    text: 'the exact modules, layers, image parameters and digests; enough to build the same bytes again'
  },
  {
    name: '/etc/strata/policy.yaml',
    text: 'whose signatures modules need on this host (compose policy check)'
  },
  {
    name: '/etc/strata/remotes',
    text: 'registries that all users of this host have as remotes (compose remote)'
  },
  { name: '/.compose', text: 'in every image: lock, module records, ACLs, and the module of each path' }
]

export const STATUSES: Described[] = [
  { name: '0', text: 'done' },
  { name: '1', text: 'an error of the system' },
  { name: '2', text: 'wrong usage' },
  { name: '10-19', text: 'errors of the store and its modules' },
  { name: '20-29', text: 'errors in imported files' },
  { name: '30-39', text: 'merging, images, sandboxes' },
  { name: '40-49', text: 'stacks, locks, access' },
  { name: '50-51', text: 'no container runtime, or a cache that others can write' },
  { name: '52-54', text: 'a folder, an image or a kernel that cannot be mounted' },
  { name: '60-63', text: 'registries' },
  { name: '70-78', text: 'signatures that are missing or do not count, policies' },
  { name: '129, 130, 143', text: 'stopped by SIGHUP, Ctrl-C (SIGINT), SIGTERM' },
  {
    name: '141',
    text: 'the reader of a file or tarball on standard output went away, so the output is incomplete'
  }
]

export function formatSurroundings(): string {
  const width = Math.max(...ENVIRONMENT.map(({ name }) => name.length))
  const lines = ENVIRONMENT.map(({ name, text }) => `  ${name.padEnd(width)}  ${text}`)
  return ['', 'Environment:', ...lines, '', 'More: compose COMMAND --help; compose manual | man -l -'].join(
    '\n'
  )
}
