/** Data from programs, libraries and scripts of a host or an image: ELF, ld.so.cache, shell assignments. */
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readElf } from '../../../compose/sources/host/elf.ts'
import { HostTree } from '../../../compose/sources/host/host-tree.ts'
import { readLoaderCache, readLoaderFolders } from '../../../compose/sources/host/loader-cache.ts'
import { parseAssignments } from '../../../compose/sources/shell-assignments.ts'
import { checkOperation } from '../../../store/module/environment.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { scratch } from '../../helpers/scratch.ts'
import type { FuzzTarget } from '../target.ts'
import { changedNumber, changedText } from './bytes.ts'

const folder = scratch()

/** These readers say what is wrong by a RangeError, which those who call them turn into an error with a code. */
function asRefusal<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof RangeError) || 'code' in error) throw error
    throw new StrataError('SOURCE_INVALID', { message: error.message, cause: error })
  }
}

/** Headers and dynamic section of a 64-bit program with one library, and the same as a 32-bit one of the other byte order. */
function makeElf(is64: boolean): Buffer {
  const bytes = Buffer.alloc(1024)
  const word = (value: number, at: number) =>
    is64 ? bytes.writeBigUInt64LE(BigInt(value), at) : bytes.writeUInt32BE(value, at)
  const half = (value: number, at: number) =>
    is64 ? bytes.writeUInt16LE(value, at) : bytes.writeUInt16BE(value, at)
  bytes.write('7f454c46', 'hex')
  bytes[4] = is64 ? 2 : 1
  bytes[5] = is64 ? 1 : 2
  half(is64 ? 62 : 8, 18)
  const width = is64 ? 8 : 4
  const size = is64 ? 56 : 32
  word(64, is64 ? 32 : 28)
  half(size, is64 ? 54 : 42)
  half(3, is64 ? 56 : 44)
  const segment = (i: number, type: number, offset: number, length: number) => {
    const at = 64 + i * size
    if (is64) bytes.writeUInt32LE(type, at)
    else bytes.writeUInt32BE(type, at)
    word(offset, at + width)
    word(offset, at + 2 * width)
    word(length, at + 4 * width)
  }
  segment(0, 1, 0, 1024)
  segment(1, 2, 512, 12 * width)
  segment(2, 3, 800, 16)
  for (const [i, [tag, value]] of [
    [5, 768],
    [1, 1],
    [14, 8],
    [29, 16],
    [0, 0]
  ].entries()) {
    word(tag, 512 + 2 * i * width)
    word(value, 512 + (2 * i + 1) * width)
  }
  bytes.write('\0libc.so\0tool.so\0/opt/lib\0/lib64/ld.so\0', 768, 'latin1')
  return bytes
}

export const elfTarget: FuzzTarget = {
  name: 'elf',
  seeds: () => [makeElf(true), makeElf(false)],
  mutate: (bytes, random) => changedNumber(bytes, random, 0, 640),
  execute(bytes) {
    const path = join(folder, 'fuzz.elf')
    writeFileSync(path, bytes)
    const fd = openSync(path, 'r')
    try {
      const elf = asRefusal(() => readElf(fd))
      for (const text of [...(elf?.needed ?? []), elf?.soname ?? '', elf?.runpath ?? ''])
        assert.not.match(text, /\0/)
    } finally {
      closeSync(fd)
    }
  }
}

function makeCache(isOldFirst: boolean): Buffer {
  const strings = Buffer.from('libc.so.6\0/lib/libc.so.6\0libm.so.6\0/lib/libm.so.6\0')
  const bytes = Buffer.alloc(48 + 2 * 24)
  bytes.write('glibc-ld.so.cache1.1', 'latin1')
  bytes.writeUInt32LE(2, 20)
  bytes.writeUInt32LE(strings.length, 24)
  const at = bytes.length
  for (const [i, [name, path]] of [
    [0, 10],
    [25, 35]
  ].entries()) {
    bytes.writeUInt32LE(at + name, 48 + 24 * i + 4)
    bytes.writeUInt32LE(at + path, 48 + 24 * i + 8)
  }
  const old = Buffer.concat([Buffer.from('ld.so-1.7.0\0'), Buffer.alloc(4)])
  return Buffer.concat(isOldFirst ? [old, bytes, strings] : [bytes, strings])
}

const host = join(folder, 'host')

export const loaderCacheTarget: FuzzTarget = {
  name: 'loader-cache',
  seeds: () => [
    makeCache(false),
    makeCache(true),
    Buffer.from('include /etc/ld.so.conf.d/*.conf\n/opt/lib # a\n')
  ],
  words: ['include ', 'glibc-ld.so.cache1.1', '*.conf', '/etc/ld.so.conf'],
  mutate: (bytes, random) => changedNumber(bytes, random, 0, 200),
  execute(bytes) {
    mkdirSync(join(host, 'etc'), { recursive: true })
    for (const name of ['ld.so.cache', 'ld.so.conf']) writeFileSync(join(host, 'etc', name), bytes)
    const tree = new HostTree(host)
    try {
      for (const [name, paths] of readLoaderCache(tree))
        for (const text of [name, ...paths]) assert.not.match(text, /\0/)
      readLoaderFolders(tree)
    } finally {
      tree.close()
    }
  }
}

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: the shell's
const SHELL_WORDS = [
  'export ',
  'unset A',
  'A=',
  '"$A:/b"',
  "'",
  '${A:-"x"}',
  ';',
  ' B=2',
  '`x`',
  '\\"',
  '#',
  '$A'
]

export const shellTarget: FuzzTarget = {
  name: 'shell',
  seeds: () =>
    [
      '#!/bin/sh\nexport A=1 B="x $C"\nPATH=/opt/bin:$PATH; export PATH\nunset D # e\n',
      'export PATH="${PATH:-"/usr/bin:/bin"}"\nexport L=\'a b\'\nX=1; Y=2\nexport X Y\n'
    ].map(text => Buffer.from(text)),
  words: SHELL_WORDS,
  mutate: (bytes, random) => changedText(bytes, random, SHELL_WORDS),
  execute(bytes) {
    const script = bytes.toString('utf8')
    const { operations, unread } = parseAssignments(script, 'fuzz')
    for (const operation of operations) checkOperation(operation, 'fuzz')
    if (unread !== undefined) assert.is(script.split('\n')[unread.line - 1].trim(), unread.text)
  }
}
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: the shell's
