import { execFileSync } from 'node:child_process'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { compress } from 'zstd-napi'
import { file, header } from '../../helpers/tar-make.ts'
import type { Area } from '../case.ts'
import { octal, tar } from '../make.ts'
import { tarCase, tarCases } from '../tar-case.ts'

const plain = tar(file('a', 'content '.repeat(400)))
const pipe = (program: string, args: string[], input: Uint8Array): Buffer =>
  execFileSync(program, args, { input, maxBuffer: 1 << 28 })

const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy[at < 0 ? copy.length + at : at] ^= 0x55
  return copy
}

const MEBIBYTE = 1 << 20
/** More than a gibibyte, from where on the ratio counts. */
const BOMB_MEBIBYTES = 1100

/** A header that promises that many zeros, and the zeros. */
const bombHeader = (): Buffer => header({ name: 'bomb', size: octal(BOMB_MEBIBYTES * MEBIBYTE) })

/** One deflate stream out of equal stretches, each flushed to a byte. */
function gzipBomb(): Buffer {
  const piece = deflateRawSync(Buffer.alloc(MEBIBYTE), { finishFlush: 2 /* Z_SYNC_FLUSH */ })
  const first = deflateRawSync(bombHeader(), { finishFlush: 2 })
  const head = Buffer.from('1f8b0800000000000003', 'hex')
  return Buffer.concat([head, first, ...Array.from({ length: BOMB_MEBIBYTES }, () => piece)])
}

/** Frames of 64 MiB of zeros, each some kilobytes. */
const frames = (pack: (bytes: Buffer) => Uint8Array): Buffer => {
  const piece = pack(Buffer.alloc(64 * MEBIBYTE))
  return Buffer.concat([pack(bombHeader()), ...Array.from({ length: BOMB_MEBIBYTES / 64 + 1 }, () => piece)])
}

/** Magic, and a frame header that asks for a window of 2 GiB. */
const hugeWindow = (): Buffer => Buffer.concat([Buffer.from('28b52ffd00a8', 'hex'), Buffer.alloc(600, 1)])

/** A block header of bzip2 by its bits: origin 0, one symbol in use, `tables` tables, `selectors` selectors. */
function bzip2Header(tables: number, selectors: number): Buffer {
  const bits =
    '001100010100000101011001001001100101001101011001' + // the block's magic
    '0'.repeat(32 + 1 + 24) +
    '1000000000000000' +
    '1000000000000000' +
    tables.toString(2).padStart(3, '0') +
    selectors.toString(2).padStart(15, '0') +
    '0'.repeat(600)
  const bytes = bits.match(/.{8}/g)!.map(byte => Number.parseInt(byte, 2))
  return Buffer.concat([Buffer.from('BZh9'), Buffer.from(bytes)])
}

export const compressions: Area = {
  area: 'compressed files',
  cases: [
    ...tarCases([
      ['gzip cut off', () => gzipSync(plain).subarray(0, -12), 'STREAM_INVALID'],
      ['gzip with a wrong checksum', () => flipped(gzipSync(plain), -6), 'STREAM_INVALID'],
      ['gzip with a wrong length', () => flipped(gzipSync(plain), -2), 'STREAM_INVALID'],
      [
        'gzip with a shell script behind it',
        () => Buffer.concat([gzipSync(plain), Buffer.from('#!/bin/sh')]),
        'STREAM_INVALID'
      ],
      ['gzip of gzip', () => gzipSync(gzipSync(plain)), 'TAR_INVALID'],
      ['gzip of nothing', () => gzipSync(Buffer.alloc(0)), 'TAR_INVALID'],
      ['gzip of another method', () => flipped(gzipSync(plain), 2), 'STREAM_INVALID'],
      [
        'a second member of gzip that is another archive',
        () => Buffer.concat([gzipSync(plain), gzipSync(tar('b'))]),
        'TAR_INVALID'
      ],
      ['zstd cut off', () => compress(plain).subarray(0, -3), 'STREAM_INVALID'],
      ['zstd damaged', () => flipped(compress(plain, { checksumFlag: true }), 20), 'STREAM_INVALID'],
      ['zstd that wants a window of 2 GiB', hugeWindow(), 'STREAM_INVALID'],
      [
        'zstd with junk behind it',
        () => Buffer.concat([compress(plain), Buffer.from('junk')]),
        'STREAM_INVALID'
      ],
      [
        'a skippable frame that claims 4 GiB',
        Buffer.from('502a4d18ffffffff00000000', 'hex'),
        'STREAM_INVALID'
      ],
      ['xz cut off', () => pipe('xz', ['-c'], plain).subarray(0, -4), 'STREAM_INVALID', { program: 'xz' }],
      [
        'xz with a wrong check',
        () => flipped(pipe('xz', ['-c'], plain), -40),
        'STREAM_INVALID',
        { program: 'xz' }
      ],
      [
        'xz with junk behind it',
        () => Buffer.concat([pipe('xz', ['-c'], plain), Buffer.from('junk')]),
        'STREAM_INVALID',
        { program: 'xz' }
      ],
      [
        'xz that wants a dictionary of 1.5 GiB',
        () => pipe('xz', ['-c', '--lzma2=dict=1536MiB,mode=fast,mf=hc3', '-T1'], Buffer.alloc(0)),
        'TAR_INVALID',
        { program: 'xz' }
      ],
      [
        'bzip2 cut off',
        () => pipe('bzip2', ['-c'], plain).subarray(0, -8),
        'STREAM_INVALID',
        { program: 'bzip2' }
      ],
      [
        'bzip2 with a wrong checksum',
        () => flipped(pipe('bzip2', ['-c'], plain), 12),
        'STREAM_INVALID',
        { program: 'bzip2' }
      ],
      [
        'bzip2 with more selectors than a block can use',
        bzip2Header(6, 32767),
        'STREAM_INVALID',
        { reference: 'CVE-2019-12900' }
      ],
      ['bzip2 without selectors', bzip2Header(2, 0), 'STREAM_INVALID'],
      ['bzip2 with a single table', bzip2Header(1, 1), 'STREAM_INVALID'],
      ['bzip2 with seven tables', bzip2Header(7, 1), 'STREAM_INVALID'],
      [
        'bzip2 with junk behind it',
        () => Buffer.concat([pipe('bzip2', ['-c'], plain), Buffer.from('junk')]),
        'STREAM_INVALID',
        { program: 'bzip2' }
      ],
      ['a zip file', Buffer.concat([Buffer.from('504b0304', 'hex'), Buffer.alloc(600, 1)]), 'STREAM_INVALID'],
      [
        'a 7z file',
        Buffer.concat([Buffer.from('377abcaf271c', 'hex'), Buffer.alloc(600, 1)]),
        'STREAM_INVALID'
      ],
      [
        'a rar file',
        Buffer.concat([Buffer.from('526172211a07', 'hex'), Buffer.alloc(600, 1)]),
        'STREAM_INVALID'
      ],
      [
        'an lzip file',
        Buffer.concat([Buffer.from('4c5a4950', 'hex'), Buffer.alloc(600, 1)]),
        'STREAM_INVALID'
      ],
      [
        'a file of old compress',
        Buffer.concat([Buffer.from('1f9d90', 'hex'), Buffer.alloc(600, 1)]),
        'STREAM_INVALID'
      ]
    ]),
    ...(
      [
        ['a bomb in gzip', gzipBomb],
        ['a bomb in zstd', () => frames(bytes => compress(bytes))],
        ['a bomb in xz', () => frames(bytes => pipe('xz', ['-c', '-0'], bytes)), 'xz']
      ] as const
    ).map(([name, bomb, program]) =>
      tarCase({ name, archives: [bomb], expect: 'LIMIT_EXCEEDED', isSlow: true, program })
    ),
    ...tarCases([
      [
        'more members than the limit',
        tar(...Array.from({ length: 120 }, (_, i) => `f${i}`)),
        'LIMIT_EXCEEDED',
        { limits: { entries: 100 } }
      ],
      [
        'more bytes than the limit',
        tar(file('a', 'x'.repeat(600)), file('b', 'x'.repeat(600))),
        'LIMIT_EXCEEDED',
        { limits: { totalBytes: 1000 } }
      ],
      [
        'a size of 8 EiB in a small gzip',
        () => gzipSync(tar(header({ size: Buffer.from('800000007fffffffffffffff', 'hex') }))),
        'TAR_INVALID'
      ],
      [
        'a size of 4 TiB in a small gzip',
        () => gzipSync(tar(header({ size: Buffer.from('800000000000040000000000', 'hex') }))),
        'LIMIT_EXCEEDED'
      ]
    ])
  ]
}
