import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'

/** Programs of this host that a runtime can start, with the libraries they need. */
const PROGRAMS = ['dash', 'bash', 'env', 'cat', 'id', 'sleep', 'mkdir', 'rm']

let packed: string | undefined

/** Path of a tarball: a root like Debian's, /bin and /lib being links into /usr, with a login profile. */
export function smallBase(): string {
  if (packed !== undefined) return packed
  const folder = scratch()
  bash(
    `root=$1/root; shift
    mkdir -p "$root"/usr/{bin,lib,lib64} "$root"/etc
    for name in bin lib lib64; do ln -s usr/$name "$root/$name"; done
    for program; do cp "$(command -v "$program")" "$root/usr/bin/"; done
    ln -s dash "$root/usr/bin/sh"
    ldd "$root"/usr/bin/* 2>/dev/null | grep -o '/[^ ]*' | grep -v ':$' | sort -u | while read -r library; do
      mkdir -p "$root$(dirname "$library")"
      cp -L "$library" "$root$library"
    done
    printf '%s\\n' 'PATH=/usr/bin:/bin' 'export PATH' 'for i in /etc/profile.d/*.sh; do . "$i"; done' > "$root/etc/profile"
    tar -C "$root" --owner=0 --group=0 --numeric-owner -cf "$root.tar" .`,
    folder,
    ...PROGRAMS
  )
  packed = `${folder}/root.tar`
  return packed
}
