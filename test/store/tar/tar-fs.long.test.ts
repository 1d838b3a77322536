import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import tarFs from 'tar-fs'
import * as assert from 'uvu/assert'
import { bash, realTree } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composed } from '../../helpers/warm-compose.ts'

/** tar-fs, which JavaScript programs read and write tars with, as a writer of what is imported and a reader of what comes out. */
const peer = suite('tar: tar-fs')

/** Modes as they are; its types do not know of it. */
const EXACTLY: tarFs.PackOptions & tarFs.ExtractOptions & { umask: number } = { umask: 0 }

/** tar-fs sets no times of links, and none of the folder that it unpacks into. */
const seen = (root: string) =>
  [...realTree(root)]
    .map(([path, { kind, mode, uid, gid, mtimeNs, target, contentHash }]) => {
      const time = kind === 'symlink' || path === '' ? '' : mtimeNs
      return [path, kind, mode.toString(8), uid, gid, time, target, contentHash].join(' ')
    })
    .sort()

peer('imports its tarballs, and it unpacks built tarballs to the same tree', async () => {
  const folder = scratch()
  bash(
    `cd "$1"; umask 022; mkdir -p tree/bin tree/share/deep unpacked
    seq 5000 > tree/share/numbers; head -c 400000 /dev/urandom > tree/bin/tool; : > tree/share/empty
    ln -s ../share/numbers tree/bin/link; chmod 750 tree/bin/tool; chmod 775 tree/share/deep
    echo x > "tree/share/$(printf 'n%.0s' {1..140})"; echo y > tree/share/grün
    find tree -depth -exec touch -h -d @1700000000 {} +`,
    folder
  )
  const at = (name: string) => join(folder, name)
  await pipeline(tarFs.pack(at('tree'), EXACTLY), createWriteStream(at('in.tar')))
  composed(at('store'), ['init', '--level', '1'])
  composed(at('store'), ['import', 'base/a-1', at('in.tar')])
  composed(at('store'), ['build', at('out.tar'), 'base/a', '--format', 'tar', '--bare'])
  await pipeline(createReadStream(at('out.tar')), tarFs.extract(at('unpacked'), EXACTLY))
  const [before, after] = [seen(at('tree')), seen(at('unpacked'))]
  assert.ok(before.length >= 10, `only ${before.length} paths were packed`)
  assert.equal(after, before)
})

peer.run()
