import { execFileSync } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { pathFromBuffer, pathToBuffer } from '../../store/values/path-bytes.ts'
import { scratch } from './scratch.ts'
import { sha256 } from './tar-read.ts'

/** A path as lstat(2) knows it: the independent truth that a decoded archive is compared with. */
export interface RealNode {
  kind: 'file' | 'directory' | 'symlink' | 'block' | 'character' | 'fifo'
  mode: number
  uid: number
  gid: number
  mtimeNs: bigint
  inode: bigint
  device: { major: number; minor: number }
  target: string
  contentHash: string
}

/** Run a script with bash; it sees the rest as $1, $2, ... */
export const bash = (script: string, ...args: string[]): Buffer =>
  execFileSync('bash', ['-euc', script, 'bash', ...args], {
    maxBuffer: 1 << 28,
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC', TMPDIR: temporaryFolder() },
    stdio: ['ignore', 'pipe', 'pipe']
  })

/** TMPDIR for `mktemp` in scripts, which is removed when the process ends. */
function temporaryFolder(): string {
  madeFolder ??= scratch()
  return madeFolder
}

let madeFolder: string | undefined

/** Everything below a directory by its path relative to it, as latin1 bytes; '' is the directory itself. */
export function realTree(root: string): Map<string, RealNode> {
  const nodes = new Map<string, RealNode>()
  const visit = (path: string) => {
    const full = pathToBuffer(path === '' ? root : `${root}/${path}`)
    const node = realNode(full)
    nodes.set(path, node)
    if (node.kind !== 'directory') return
    for (const name of readdirSync(full, { encoding: 'buffer' })) {
      visit(path === '' ? pathFromBuffer(name) : `${path}/${pathFromBuffer(name)}`)
    }
  }
  visit('')
  return nodes
}

function realNode(full: Buffer): RealNode {
  const stat = lstatSync(full, { bigint: true })
  const kinds = { 1: 'fifo', 2: 'character', 4: 'directory', 6: 'block', 8: 'file', 10: 'symlink' } as const
  const kind = kinds[Number(stat.mode >> 12n) as keyof typeof kinds]
  return {
    kind,
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtimeNs: stat.mtimeNs,
    inode: stat.ino,
    device: {
      major: Number((stat.rdev >> 8n) & 0xfffn),
      minor: Number((stat.rdev & 0xffn) | ((stat.rdev >> 12n) & 0xfff00n))
    },
    target: kind === 'symlink' ? pathFromBuffer(readlinkSync(full, { encoding: 'buffer' })) : '',
    contentHash: kind === 'file' ? sha256(readFileSync(full)) : ''
  }
}
