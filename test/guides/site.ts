/**
 * A machine of its own for what the guides say: the host's files below, and above them accounts, groups and folders as a
 * site has them (overlayfs, in a mount namespace). Whoever works there is an ordinary user.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { COMPOSE } from '../helpers/compose.ts'
import { bash } from '../helpers/real-tree.ts'
import { podmanOptions } from '../helpers/runtimes.ts'

export interface Account {
  uid: number
  groups: string[]
}

export interface Session {
  status: number | null
  /** Commands as they were typed, each behind `+ `, and all that they said. */
  said: string
}

export interface SiteOptions {
  /** The system below: by default this host's, with the `compose` that is tested. */
  system?: string
  /** Environment of each session. By default npm asks no registry. */
  env?: Record<string, string>
}

const NPM_OFFLINE = { npm_config_offline: 'true', npm_config_update_notifier: 'false' }

export class Site {
  readonly #folder: string
  readonly #accounts: Record<string, Account>
  readonly #system: string
  readonly #env: Record<string, string>

  /** @param groups by name, with their ids */
  constructor(
    folder: string,
    groups: Record<string, number>,
    accounts: Record<string, Account>,
    { system = '/', env = NPM_OFFLINE }: SiteOptions = {}
  ) {
    this.#folder = folder
    this.#accounts = accounts
    this.#system = system
    this.#env = env
    bash('mkdir -p "$1/up" "$1/work" "$1/root"; chmod 755 "$1" "$1/up"', folder)
    const names = Object.entries(accounts)
    this.write('/etc/passwd', `root:x:0:0:root:/root:/bin/bash\n${names.map(passwd).join('')}`)
    const members = (group: string) =>
      names.filter(([, { groups }]) => groups.includes(group)).map(([name]) => name)
    this.write(
      '/etc/group',
      [
        'root:x:0:',
        ...names.map(([name, { uid }]) => `${name}:x:${uid}:`),
        ...Object.entries(groups).map(([group, gid]) => `${group}:x:${gid}:${members(group)}`),
        ''
      ].join('\n')
    )
    // In a virtual machine crun refuses hosts with both cgroup versions, runc refuses to do without cgroups.
    this.write(
      '/etc/containers/containers.conf',
      `[containers]\ndefault_ulimits=[]\nnetns="host"\n${podmanSettings()}`
    )
    this.write('/etc/containers/storage.conf', '[storage]\ndriver="vfs"\n')
    if (system === '/')
      this.write('/usr/local/bin/compose', `#!/bin/sh\nexec "${process.execPath}" "${COMPOSE}" "$@"\n`, 0o755)
    for (const [name, { uid }] of names)
      bash('install -d -o "$2" -g "$2" "$1/up/home/$3"', folder, `${uid}`, name)
  }

  /** Location of a path of the machine while the test prepares it. */
  at(path: string): string {
    return join(this.#folder, 'up', path)
  }

  write(path: string, content: string, mode = 0o644): void {
    mkdirSync(dirname(this.at(path)), { recursive: true })
    writeFileSync(this.at(path), content, { mode })
  }

  /** All commands in one shell, in the account's home, up to the first that fails. @param name of the account; `root` without one */
  work(name: string, commands: string[]): Session {
    const { uid } = name === 'root' ? { uid: 0 } : this.#accounts[name]
    const home = name === 'root' ? '/root' : `/home/${name}`
    const script = [
      'set -eo pipefail',
      ...commands.flatMap(command => [`echo ${quoted(`+ ${command}`)}`, command])
    ]
    this.write(`${home}/.typed`, `${script.join('\n')}\n`)
    const { status, stdout } = spawnSync(
      'unshare',
      [
        ...['--mount', '--propagation', 'private', 'bash', '-euc', ENTER, 'bash'],
        ...[this.#folder, this.#system, home, `${uid}`],
        ...[`PATH=${PATH}:${dirname(process.execPath)}`, `HOME=${home}`, `USER=${name}`, 'LANG=C.UTF-8'],
        ...Object.entries(this.#env).map(([key, value]) => `${key}=${value}`)
      ],
      { maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env.PATH } }
    )
    return { status, said: stdout.toString() }
  }
}

/** As `podmanOptions`, in its file. */
const podmanSettings = (): string =>
  podmanOptions()[0] === '--runtime' ? '[engine]\nruntime="runc"\n' : 'cgroups="disabled"\n'

const passwd = ([name, { uid }]: [string, Account]): string =>
  `${name}:x:${uid}:${uid}::/home/${name}:/bin/bash\n`

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const PATH = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'

/** A user who is in a chroot may make no user namespaces, as runtimes do: so the root is exchanged. */
const ENTER = `
cd "$1"
mount -t overlay overlay -o lowerdir="$2",upperdir=up,workdir=work root
for folder in proc dev sys; do mount --rbind "/$folder" "root/$folder"; done
mkdir -p root/old root/tmp; cd root; chmod 1777 tmp
pivot_root . old; umount -l /old
cd "$3"
user=$4; shift 4
exec setpriv --reuid "$user" --regid "$user" --init-groups env -i "$@" bash .typed 2>&1`
