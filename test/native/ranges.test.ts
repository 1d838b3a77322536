import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { cloneRange, copyRanges, type NativeError, seekData, seekHole } from '../../native/index.ts'
import { needing } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'

const ranges = suite('native: ranges')
const MiB = 1 << 20

const codeOf = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    return (error as NativeError).code
  }
  return 'no error'
}

function source(directory: string, bytes: Buffer): number {
  writeFileSync(join(directory, 'source'), bytes)
  return openSync(join(directory, 'source'), 'r')
}

const copied = (inFd: number, inOffset: number, outFd: number, outOffset: number, lengthBytes: number) =>
  copyRanges([{ inFd, inOffset, outFd, outOffset, lengthBytes }]).done

const codeOfCopy = (copy: Promise<unknown>): Promise<string> =>
  copy.then(
    () => 'no error',
    (error: NativeError) => error.code
  )

/** A mount that ends with the test. */
async function mounted(what: string[], use: (directory: string) => void | Promise<void>): Promise<void> {
  const directory = scratch()
  execFileSync('mount', [...what, directory])
  try {
    await use(directory)
  } finally {
    execFileSync('umount', [directory])
  }
}

ranges(
  'copyRanges takes ranges of several files to several in order, tells how far it is, and stops when told',
  async () => {
    const directory = scratch()
    const bytes = randomBytes(40 * MiB)
    const from = source(directory, bytes)
    const other = openSync('/proc/self/exe', 'r')
    const to = openSync(join(directory, 'target'), 'w+')
    const second = openSync(join(directory, 'second'), 'w+')
    const whole = { inFd: from, inOffset: 0, outOffset: 12, lengthBytes: bytes.length }
    let reported = 0
    const copying = copyRanges(
      [
        { inFd: other, inOffset: 4, outFd: to, outOffset: 7, lengthBytes: 5 },
        { ...whole, outFd: to },
        { ...whole, outFd: second, outOffset: 0 }
      ],
      {
        onProgress: copied => {
          reported += copied
        }
      }
    )
    assert.is(await copying.done, 5 + 2 * bytes.length)
    assert.is(reported, 5 + 2 * bytes.length)
    const want = Buffer.concat([Buffer.alloc(7), readFileSync('/proc/self/exe').subarray(4, 9), bytes])
    assert.ok(readFileSync(join(directory, 'target')).equals(want))
    assert.ok(readFileSync(join(directory, 'second')).equals(bytes))
    const stopped = copyRanges([{ ...whole, outFd: to }])
    stopped.stop()
    assert.ok((await stopped.done) < bytes.length, 'the rest was left out')
  }
)

ranges('copyRanges copies from and to any offset, and returns the number of bytes', async () => {
  const directory = scratch()
  const bytes = randomBytes(3 * MiB + 17)
  const from = source(directory, bytes)
  const to = openSync(join(directory, 'target'), 'w+')
  writeSync(to, 'head')
  assert.is(await copied(from, 5, to, 4, 2 * MiB), 2 * MiB)
  assert.is(await copied(from, 3 * MiB, to, 4 + 2 * MiB, MiB), 17)
  assert.is(await copied(from, 4 * MiB, to, 0, 10), 0)
  const want = Buffer.concat([Buffer.from('head'), bytes.subarray(5, 5 + 2 * MiB), bytes.subarray(3 * MiB)])
  assert.ok(readFileSync(join(directory, 'target')).equals(want))
  const first = Buffer.alloc(4)
  readSync(from, first, 0, 4, null)
  assert.equal(first, bytes.subarray(0, 4), 'file positions do not move')
})

needing(
  ranges,
  'root',
  'mount'
)('copyRanges copies between file systems of different kinds', async () => {
  await mounted(['-t', 'tmpfs', 'tmpfs'], async tmpfs => {
    const bytes = randomBytes(2 * MiB + 1)
    const from = source(scratch(), bytes)
    const to = openSync(join(tmpfs, 'target'), 'w+')
    assert.is(await copied(from, 0, to, 0, 10 * MiB), bytes.length)
    assert.ok(readFileSync(join(tmpfs, 'target')).equals(bytes))
    closeSync(to)
  })
})

ranges('copyRanges reads files whose size is said to be 0, as in /proc', async () => {
  const to = openSync(join(scratch(), 'target'), 'w+')
  const from = openSync('/proc/version', 'r')
  const bytes = await copied(from, 0, to, 0, MiB)
  assert.is(bytes, readFileSync('/proc/version').length)
  assert.is(fstatSync(to).size, bytes)
})

needing(ranges, 'strace')(
  'copyRanges copies where the kernel has no call for it, and when it copies short',
  () => {
    const directory = scratch()
    const bytes = randomBytes(2 * MiB + 3)
    source(directory, bytes)
    const script = `
    const { copyRanges } = await import(${JSON.stringify(new URL('../../native/index.js', import.meta.url).href)})
    const { openSync } = await import('node:fs')
    const files = { inFd: openSync('source', 'r'), outFd: openSync('target', 'w') }
    console.log(await copyRanges([{ ...files, inOffset: 1, outOffset: 0, lengthBytes: ${4 * MiB} }]).done)`
    for (const injected of [
      'error=ENOSYS',
      'error=EXDEV',
      'error=EINVAL',
      'error=EOPNOTSUPP:when=1',
      'error=EINTR:when=1',
      'retval=0'
    ]) {
      const strace = [
        '-f',
        '-qq',
        '-o',
        '/dev/null',
        '-e',
        'trace=copy_file_range',
        '-e',
        `inject=copy_file_range:${injected}`
      ]
      const node = [process.execPath, '--input-type=module', '-e', script]
      const said = execFileSync('strace', [...strace, ...node], { cwd: directory, encoding: 'utf8' })
      assert.is(Number(said), bytes.length - 1, injected)
      assert.ok(readFileSync(join(directory, 'target')).equals(bytes.subarray(1)), injected)
    }
    const broken = [
      '-f',
      '-qq',
      '-o',
      '/dev/null',
      '-e',
      'trace=copy_file_range',
      '-e',
      'inject=copy_file_range:error=EIO'
    ]
    const caught = script
      .replace('console.log(', 'try {')
      .replace(/\)$/, ' } catch (error) { console.log(error.code, error.syscall) }')
    const said = execFileSync('strace', [...broken, process.execPath, '--input-type=module', '-e', caught], {
      cwd: directory,
      encoding: 'utf8'
    })
    assert.is(said.trim(), 'EIO copy_file_range')
  }
)

ranges('copyRanges refuses to copy a range onto itself', async () => {
  const directory = scratch()
  writeFileSync(join(directory, 'both'), randomBytes(MiB))
  const before = readFileSync(join(directory, 'both'))
  const fd = openSync(join(directory, 'both'), 'r+')
  assert.is(await codeOfCopy(copied(fd, 0, fd, 4096, MiB - 4096)), 'EINVAL')
  assert.ok(readFileSync(join(directory, 'both')).equals(before))
})

needing(
  ranges,
  'root',
  'mount'
)('copyRanges reports a full disk', async () => {
  await mounted(['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs'], async tmpfs => {
    const from = source(scratch(), randomBytes(4 * MiB))
    const to = openSync(join(tmpfs, 'target'), 'w+')
    assert.is(await codeOfCopy(copied(from, 0, to, 0, 4 * MiB)), 'ENOSPC')
    closeSync(to)
  })
})

needing(
  ranges,
  'root',
  'mount',
  'mkfs.xfs'
)('cloneRange shares blocks on XFS', async () => {
  const image = join(scratch(), 'xfs')
  writeFileSync(image, '')
  truncateSync(image, 320 * MiB)
  execFileSync('mkfs.xfs', ['-q', image])
  await mounted(['-o', 'loop', image], xfs => {
    const bytes = randomBytes(32 * MiB + 100)
    const from = source(xfs, bytes)
    execFileSync('sync', ['-f', xfs])
    const free = statfsSync(xfs).bfree
    const to = openSync(join(xfs, 'target'), 'w+')
    cloneRange(from, 4096, to, 8192, 16 * MiB)
    cloneRange(from, 32 * MiB, to, 8192 + 16 * MiB, 100)
    execFileSync('sync', ['-f', xfs])
    const taken = (free - statfsSync(xfs).bfree) * 4096
    assert.ok(taken < MiB, `${taken} bytes were taken by 16 MiB that should be shared`)
    const want = Buffer.concat([
      Buffer.alloc(8192),
      bytes.subarray(4096, 4096 + 16 * MiB),
      bytes.subarray(32 * MiB)
    ])
    assert.ok(readFileSync(join(xfs, 'target')).equals(want))
    assert.is(
      codeOf(() => cloneRange(from, 1, to, 0, 4096)),
      'EINVAL'
    )
    const elsewhere = openSync(join(scratch(), 'target'), 'w+')
    assert.is(
      codeOf(() => cloneRange(from, 0, elsewhere, 0, 4096)),
      'EXDEV'
    )
    closeSync(from)
    closeSync(to)
  })
})

needing(
  ranges,
  'root',
  'mount'
)('cloneRange says EOPNOTSUPP where blocks cannot be shared', async () => {
  await mounted(['-t', 'tmpfs', 'tmpfs'], tmpfs => {
    const from = source(tmpfs, randomBytes(8192))
    const to = openSync(join(tmpfs, 'target'), 'w+')
    assert.is(
      codeOf(() => cloneRange(from, 0, to, 0, 8192)),
      'EOPNOTSUPP'
    )
    assert.is(fstatSync(to).size, 0)
    closeSync(from)
    closeSync(to)
  })
})

ranges('seekData and seekHole walk the extents and end with null', () => {
  const file = join(scratch(), 'sparse')
  mkdirSync(join(file, '..'), { recursive: true })
  const fd = openSync(file, 'w+')
  writeSync(fd, Buffer.alloc(MiB, 1), 0, MiB, 2 * MiB)
  ftruncateSync(fd, 5 * MiB)
  assert.equal([seekHole(fd, 0), seekData(fd, 0), seekHole(fd, 2 * MiB)], [0, 2 * MiB, 3 * MiB])
  assert.is(seekData(fd, 3 * MiB), null)
  assert.is(seekHole(fd, 5 * MiB), null)
  assert.throws(() => seekData(fd, 2 ** 53), RangeError)
  assert.throws(() => seekData(fd, 1.5), RangeError)
})

ranges.run()
