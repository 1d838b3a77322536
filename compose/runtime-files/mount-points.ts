/**
 * Paths that container runtimes mount over, and therefore must find in a read-only image. Only those that no module
 * brings are made (spec/image-metadata.md#mount-points).
 */
import { findPath, type MergedTree } from '../merge/index.ts'
import { directory, file, type GeneratedEntry, symlink } from './generated-entry.ts'

const STICKY = 0o1777

/** Default targets of `ch-run --bind`, as ch-image makes them. */
const CHARLIECLOUD_BINDS = Array.from({ length: 10 }, (_, i) => directory(`mnt/${i}`))

const DIRECTORIES = [
  ...['bin', 'dev', 'etc', 'home', 'mnt', 'proc', 'run', 'sys', 'usr', 'var'].map(path => directory(path)),
  directory('root', 0o700),
  directory('tmp', STICKY),
  directory('var/tmp', STICKY),
  ...CHARLIECLOUD_BINDS
]

const FILES = [
  file('etc/group', 'root:x:0:\nnogroup:x:65534:\n'),
  file('etc/hostname', ''),
  // Not empty, because bwrap mounts nothing over it.
  file('etc/hosts', '127.0.0.1\tlocalhost\n::1\tlocalhost\n'),
  symlink('etc/mtab', '../proc/self/mounts'),
  file(
    'etc/passwd',
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n'
  ),
  file(
    'etc/profile',
    'for script in /etc/profile.d/*.sh; do\n  [ ! -r "$script" ] || . "$script"\ndone\nunset script\n'
  ),
  file('etc/resolv.conf', '')
]

/** A path that leads through a link is left to the merge, which follows the link inside the tree. */
export const mountPoints = (tree: MergedTree): GeneratedEntry[] =>
  [...DIRECTORIES, ...FILES].filter(({ path }) => findPath(tree, path) === undefined)
