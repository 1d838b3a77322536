import { bash } from './real-tree.ts'
import { scratch } from './scratch.ts'

/** File systems of which a new one can be mounted, and what makes it. Sizes are the least that each takes. */
const MAKERS = {
  xfs: 'truncate -s 320M "$1"; mkfs.xfs -q "$1"; mount -o loop "$1" "$2"',
  btrfs: 'truncate -s 128M "$1"; mkfs.btrfs -q "$1"; mount -o loop "$1" "$2"',
  ext4: 'truncate -s 32M "$1"; mkfs.ext4 -q "$1"; mount -o loop "$1" "$2"; rmdir "$2/lost+found"',
  tmpfs: 'mount -t tmpfs -o size=32M strata-test "$2"'
}

export type MountedKind = keyof typeof MAKERS

/** Root's; what the file system needs beside `mount`. */
export const maker = (kind: MountedKind): string => (kind === 'tmpfs' ? 'mount' : `mkfs.${kind}`)

/** Does it in an empty file system of that kind, where a user may work too, and which is gone afterwards. */
export async function withMounted<T>(kind: MountedKind, use: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = scratch()
  bash(`chmod 755 "$1"; mkdir "$1/mnt"; set -- "$1/image" "$1/mnt"; ${MAKERS[kind]}; chmod 755 "$2"`, folder)
  try {
    return await use(`${folder}/mnt`)
  } finally {
    bash('umount -l "$1"', `${folder}/mnt`)
  }
}
