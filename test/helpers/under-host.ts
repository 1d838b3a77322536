import { spawnSync } from 'node:child_process'
import { COMPOSE, environment } from './compose.ts'

/** Runs the command with this folder as /etc/strata, in a mount namespace of its own. */
export function underHost(etc: string, store: string, args: string[], uid: number, home: string) {
  const script =
    'mkdir -p /etc/strata && mount --bind "$1" /etc/strata && id=$2 && shift 2 && exec setpriv --reuid $id --regid $id --clear-groups -- "$@"'
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['-m', 'bash', '-c', script, 'bash', etc, String(uid), process.execPath, COMPOSE, '--json', ...args],
    { env: environment(store, { HOME: home, COMPOSE_ETC: '/nonexistent' }) }
  )
  return { status, document: JSON.parse(stdout.toString() || '{}'), err: stderr.toString() }
}
