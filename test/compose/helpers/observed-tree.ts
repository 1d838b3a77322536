import { bash, realTree } from '../../helpers/real-tree.ts'

/**
 * One line for each path of a directory, with everything that an image keeps; hard links name the first path of
 * their group. ACLs are listed under the names that they have in an image.
 */
export function observedTree(root: string): string[] {
  const attributes = attributesOf(root)
  const firstOf = new Map<bigint, string>()
  return [...realTree(root)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, node]) => {
      const first = firstOf.get(node.inode) ?? path
      firstOf.set(node.inode, first)
      const { kind, mode, uid, gid, mtimeNs, device, target, contentHash } = node
      const isDevice = kind === 'block' || kind === 'character'
      return [
        JSON.stringify(path),
        kind,
        mode.toString(8),
        `${uid}:${gid}`,
        mtimeNs / 1_000_000_000n,
        isDevice ? `${device.major},${device.minor}` : '',
        target,
        contentHash,
        kind === 'directory' || first === path ? '' : `link to ${first}`,
        attributes.get(path) ?? ''
      ].join(' | ')
    })
}

/** Read by getfattr, which quotes bytes that are not printable. An image without any attributes answers EOPNOTSUPP. */
function attributesOf(root: string): Map<string, string> {
  const listing = bash('cd "$1"; getfattr -h -R -P -d -m - -e hex . 2>/dev/null || true', root).toString(
    'latin1'
  )
  const found = new Map<string, string>()
  for (const block of listing.split('\n\n').filter(text => text.startsWith('# file: '))) {
    const [head, ...lines] = block.trim().split('\n')
    const path = head
      .slice(8)
      .replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
    const named = lines.map(line => line.replace(/^system\.posix_acl_/, 'user.strata.acl.')).sort()
    found.set(path === '.' ? '' : path.replace(/^\.\//, ''), named.join(' '))
  }
  return found
}

/** The kernel's view of an image. */
export function mounted<T>(image: string, at: string, look: (root: string) => T): T {
  bash('mkdir -p "$2"; mount -o loop,ro -t squashfs "$1" "$2"', image, at)
  try {
    return look(at)
  } finally {
    bash('umount "$1"', at)
  }
}
