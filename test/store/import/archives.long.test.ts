import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readRecord } from '../../../store/contents/read-record.ts'
import { exportLayers } from '../../../store/export/export-module.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { COMPOSE, environment } from '../../helpers/compose.ts'
import { hostLayer, sha256OfFile } from '../../helpers/layers.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { someOf } from '../../helpers/size.ts'
import { importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, file, GNU, header, padded, pax } from '../../helpers/tar-make.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'

const archives = suite('import: archives come back byte for byte')

let host: string | undefined
const hostTar = (): string => {
  host ??= hostLayer()
  return host
}

/** SHA-256 of the only layer's tarball as it comes out. */
async function cameBack(store: Repository, name: string, source: string): Promise<string> {
  const { record } = await importInto(store, name, [source])
  const folder = scratch()
  const { layers } = await readRecord(store, record)
  await exportLayers(store, layers, folder)
  return sha256OfFile(join(folder, 'layer.tar'))
}

const written = (bytes: Buffer): string => {
  const path = join(scratch(), 'made.tar')
  writeFileSync(path, bytes)
  return path
}

archives('a plain tar of real files', async () => {
  assert.is(await cameBack(await newStore(), 'base/plain-1', hostTar()), sha256OfFile(hostTar()))
})

const PACKERS: [program: string, script: string][] = [
  ['gzip', 'split -b 2M "$1" "$2/part-"; for part in "$2"/part-*; do gzip -1c "$part"; done > "$2/packed"'],
  ['pigz', 'pigz -1c "$1" > "$2/packed"'],
  ['zstd', 'head -c 3M "$1" | zstd -q > "$2/packed"; tail -c +3145729 "$1" | zstd -q >> "$2/packed"'],
  ['xz', 'xz -0c "$1" > "$2/packed"'],
  ['bzip2', 'bzip2 -1c "$1" > "$2/packed"'],
  ['lbzip2', 'lbzip2 -1c "$1" > "$2/packed"']
]

for (const [program, script] of PACKERS)
  needing(archives, program)(`through ${program}, as the same layer as the plain tar`, async () => {
    const folder = scratch()
    const small = join(folder, 'small.tar')
    bash('head -c 5M "$1" > "$2/cut"; cd "$2"; tar -cf small.tar cut', hostTar(), folder)
    bash(script, small, folder)
    const store = await newStore()
    const plain = await importInto(store, 'base/plain-1', [small])
    const packed = await importInto(store, 'base/packed-1', [join(folder, 'packed')])
    assert.equal(packed.layers[0].id, plain.layers[0].id)
    assert.ok(packed.layers[0].known)
    const origin = (await readRecord(store, packed.record)).origin[0]
    assert.is(origin.sha256, sha256OfFile(join(folder, 'packed')))
    assert.is(await cameBack(store, 'base/packed-1', join(folder, 'packed')), sha256OfFile(small))
  })

archives('from standard input', () => {
  const folder = scratch()
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  const report = composed(store, ['import', 'base/piped-1', '-'], { input: readFileSync(hostTar()) })
  composed(store, ['export', 'base/piped-1', join(folder, 'out')])
  assert.is(sha256OfFile(join(folder, 'out/layer.tar')), sha256OfFile(hostTar()))
  assert.is(report.layers[0].tarBytes, readFileSync(hostTar()).length)
  const shown = composed(store, ['show', 'base/piped-1'])
  assert.equal(shown.origin, [{ kind: 'tar', sha256: sha256OfFile(hostTar()) }])
})

archives('a bad standard input ends the command at once, whatever the writer still does', async () => {
  const store = join(scratch(), 'store')
  composed(store, ['init', '--level', '1'])
  const child = spawn(process.execPath, [COMPOSE, 'import', 'base/x-1', '-'], {
    env: environment(store),
    stdio: ['pipe', 'ignore', 'ignore'],
    timeout: 120_000
  })
  child.stdin.on('error', () => {}) // it need not read all
  child.stdin.write(Buffer.alloc(100_000, 'junk')) // and no end
  const [status] = await once(child, 'close')
  assert.is(status, 21)
})

needing(archives, 'tar')('of every dialect and blocking that GNU tar writes', async () => {
  const folder = scratch()
  bash(
    `cd "$1"; mkdir -p t/d; seq 30000 > t/seq; : > t/empty; ln t/seq t/hard; ln -s seq t/soft
    dd if=/dev/urandom of=t/sparse bs=4096 count=1 seek=100 status=none; truncate -s 2M t/sparse
    printf z > t/$(printf 'l%.0s' $(seq 200)); head -c 131072 /dev/urandom > t/block; head -c 262144 t/block > t/d/two
    for format in v7 oldgnu gnu ustar pax; do tar --format=$format --blocking-factor=7 -cf $format.tar t || true; done
    for version in 0.0 0.1 1.0; do tar -S --format=pax --sparse-version=$version -cf sparse-$version.tar t; done
    tar -S --format=gnu -cf sparse-old.tar t; tar --format=gnu -b1 -cf b1.tar t; tar -b 2000 -cf b2000.tar t
    cp gnu.tar zeros.tar; head -c 1000000 /dev/zero >> zeros.tar
    cp gnu.tar twice.tar; tar -rf twice.tar t; tar -cf nothing.tar -T /dev/null`,
    folder
  )
  const store = await newStore()
  const names = bash('cd "$1"; ls *.tar', folder).toString().trim().split('\n')
  assert.is(names.length, 14)
  for (const [i, name] of someOf([...names.entries()], 6)) {
    const path = join(folder, name)
    assert.is(await cameBack(store, `base/dialect-${i}`, path), sha256OfFile(path), name)
  }
})

archives(
  'with members that repeat, whose last is the one that counts, and bytes that nobody sees',
  async () => {
    const tar = written(
      Buffer.concat([
        archive(
          pax({ comment: 'nobody reads this' }),
          file('a', 'first, hidden below'),
          file('a', 'second'),
          file('odd padding', 'x'),
          Buffer.concat([header({ name: 'padded with junk', size: 3, magic: GNU }), junkPadded('abc')])
        ),
        Buffer.alloc(512 * 33, 0)
      ])
    )
    const store = await newStore()
    const { layers } = await importInto(store, 'base/twice-1', [tar])
    assert.is(layers[0].manifest.entries, 3)
    assert.is(layers[0].manifest.bytes, 'second'.length + 1 + 3)
    assert.is(await cameBack(store, 'base/twice-1', tar), sha256OfFile(tar))
  }
)

const junkPadded = (content: string): Buffer => {
  const bytes = padded(content)
  bytes.fill(0x6a, content.length)
  return bytes
}

archives('a truncated tar publishes nothing and leaves nothing in tmp', () => {
  const folder = scratch()
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  bash('head -c "$(($(stat -c %s "$1") / 2 + 1))" "$1" > "$2/cut.tar"', hostTar(), folder)
  const error = composeFails(store, ['import', 'base/cut-1', join(folder, 'cut.tar')], 20)
  assert.is(error.code, 'TAR_INVALID')
  assert.match(error.message, /cut\.tar, member .+: byte \d+: /)
  assert.is(
    bash('find "$1"/tmp "$1"/blobs "$1"/data "$1"/refs -type f | wc -l', store).toString().trim(),
    '0'
  )
  assert.is(compose(store, ['show', 'base/cut-1']).status, 14)
})

archives('a stream that breaks off names itself', async () => {
  const folder = scratch()
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  bash('gzip -1c "$1" | head -c 100000 > "$2/cut.tar.gz"', hostTar(), folder)
  const error = composeFails(store, ['import', 'base/cut-1', join(folder, 'cut.tar.gz')], 21)
  assert.is(error.code, 'STREAM_INVALID')
  assert.match(error.message, /cut\.tar\.gz/)
  const missing = composeFails(store, ['import', 'base/cut-1', join(folder, 'none.tar')], 1)
  assert.match(missing.message, /none\.tar/)
})

archives.run()
