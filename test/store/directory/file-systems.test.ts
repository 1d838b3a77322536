import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type MountedKind, maker, withMounted } from '../../helpers/loop-mount.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, file, pax } from '../../helpers/tar-make.ts'
import { composed } from '../../helpers/warm-compose.ts'

/**
 * Attributes that a file system adds by itself do not belong to a file. Tested with real file systems of the kernel.
 */
const fileSystems = suite('file systems')

const KINDS: MountedKind[] = ['ext4', 'xfs', 'btrfs', 'tmpfs']

/** Makes files with ACLs, attributes, and metadata that only btrfs has. */
const MAKE = `cd "$1"; mkdir -m 750 t t/d; echo x > t/f; echo y > t/d/g; ln t/f t/h; ln -s f t/l
  setfacl -m u:4000:r t/f; setfacl -m g:77:rx,d:u:5:rwx t/d; chown 7:8 t/d/g; chmod 2711 t/d/g
  setfattr -n user.a -v 1 t/f; setfattr -n trusted.b -v 2 t/d; touch -d @1700000000 t/f t/d/g t/d t -h t/l
  setfattr -n btrfs.compression -v zstd t/d/g 2> /dev/null || true; touch -d @1700000000 t/d/g`

/** Names that the kernel lists to root, by path. */
const listed = (folder: string): string =>
  bash('cd "$1"; getfattr -R -h -m - . | grep -v "^#" | sort | uniq -c', folder).toString()

interface Came {
  layer: string
  leftOut: [string, number][]
  listed: string
}

const cameFrom = (kind: MountedKind, store: string): Promise<Came> =>
  withMounted(kind, folder => {
    bash(MAKE, folder)
    const report = composed(store, ['import', `base/${kind}-1`, join(folder, 't')])
    const [{ id, leftOutAttributes }] = report.layers
    assert.equal(report.skipped, [])
    return {
      layer: id,
      leftOut: leftOutAttributes.map(({ name, paths }: { name: string; paths: number }) => [name, paths]),
      listed: listed(join(folder, 't'))
    }
  })

needing(
  fileSystems,
  'root',
  'setfacl',
  'getfattr',
  ...KINDS.map(maker)
)('one folder is one layer, whichever it lies on', async () => {
  const store = join(scratch(), 'store')
  composed(store, ['init', '--level', '1'])
  const came = new Map<MountedKind, Came>()
  for (const kind of KINDS) came.set(kind, await cameFrom(kind, store))
  assert.match(came.get('xfs')!.listed, /3 trusted\.SGI_ACL_FILE/, 'XFS lists ACLs a second time')
  assert.match(came.get('btrfs')!.listed, 'btrfs.compression')
  assert.is(new Set([...came.values()].map(({ layer }) => layer)).size, 1)
  assert.equal(
    [...came].map(([kind, { leftOut }]) => [kind, leftOut]),
    KINDS.map(kind => [kind, kind === 'btrfs' ? [['btrfs.compression', 1]] : []])
  )
})

/** XFS's form of an ACL: entries with tag, id, rights, big endian (fs/xfs/libxfs/xfs_format.h). */
function xfsAcl(...entries: [tag: number, id: number, rights: number][]): Buffer {
  const bytes = Buffer.alloc(4 + 12 * entries.length)
  bytes.writeUInt32BE(entries.length)
  entries.forEach(([tag, id, rights], i) => {
    bytes.writeUInt32BE(tag, 4 + 12 * i)
    bytes.writeUInt32BE(id, 8 + 12 * i)
    bytes.writeUInt16BE(rights, 12 + 12 * i)
  })
  return bytes
}

const STRANGER = 4242
const USER_OBJ = [1, 0xffffffff, 6] as [number, number, number]
const OPENED = xfsAcl(
  USER_OBJ,
  [2, STRANGER, 4],
  [4, 0xffffffff, 4],
  [16, 0xffffffff, 4],
  [32, 0xffffffff, 0]
)

const stranger = (path: string): string =>
  bash(
    `setpriv --reuid ${STRANGER} --regid ${STRANGER} --clear-groups cat "$1" 2>&1 || true`,
    path
  ).toString()

needing(
  fileSystems,
  'root',
  'setfacl',
  'getfacl',
  'setpriv',
  maker('xfs')
)('a sandbox on XFS gets no ACL by an attribute, and an untouched one is unchanged', () =>
  withMounted('xfs', folder => {
    const store = join(folder, 'store')
    composed(store, ['init', '--level', '1'])
    const tar = join(folder, 'hostile.tar')
    const attribute = { 'SCHILY.xattr.trusted.SGI_ACL_FILE': OPENED.toString('latin1') }
    writeFileSync(tar, archive(pax(attribute), file('secret', 'for root', { mode: '0000640\0' })))
    const [layer] = composed(store, ['import', 'base/hostile-1', tar]).layers
    assert.equal(
      layer.leftOutAttributes.map(({ name, paths }: { name: string; paths: number }) => [name, paths]),
      [['trusted.SGI_ACL_FILE', 1]]
    )
    mkdirSync(join(folder, 'made'))
    bash(MAKE, join(folder, 'made'))
    composed(store, ['import', 'app/made-1', join(folder, 'made/t'), '--prefix', 'opt', '--allow-privileged'])
    const sandbox = join(folder, 'sandbox')
    composed(store, ['build', '--sandbox', sandbox, 'base/hostile', 'app/made'])
    assert.match(bash('getfacl -cn "$1"', join(sandbox, 'opt/f')).toString(), /^user:4000:r--$/m)
    assert.match(stranger(join(sandbox, 'secret')), 'Permission denied')
    const again = composed(store, ['build', join(folder, 'out.sqfs'), sandbox])
    const { added, changed, deleted } = again.edits
    assert.equal([added, changed, deleted], [0, 0, 0])
    // Shows the real effect: the attribute is the ACL, whoever sets it.
    cpSync(join(sandbox, 'secret'), join(folder, 'proof'), { mode: 0 })
    bash(
      'chmod 640 "$1"; setfattr -n trusted.SGI_ACL_FILE -v "$2" "$1"',
      join(folder, 'proof'),
      `0x${OPENED.toString('hex')}`
    )
    assert.is(stranger(join(folder, 'proof')), 'for root')
  })
)

fileSystems.run()
