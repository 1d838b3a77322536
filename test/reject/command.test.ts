import { lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import { type ErrorCode, EXIT_STATUS } from '../../store/values/errors.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { file, header } from '../helpers/tar-make.ts'
import { compose, composed } from '../helpers/warm-compose.ts'
import { modelImage } from './image-bytes.ts'
import { described, hardlink, symlink, tar } from './make.ts'

const command = suite('hostile input: the command')

const folder = scratch()
const store = join(folder, 'store')
composed(store, ['init', '--level', '1'])

/** Bytes that a terminal would act on. */
const RAW = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/

const published = (): string[] =>
  readdirSync(store, { recursive: true, encoding: 'utf8' })
    .filter(path => !path.startsWith('index'))
    .sort()

type Row = [what: string, args: (given: string) => string[], input: Uint8Array | string, code: ErrorCode]

const imported = (given: string): string[] => ['import', 'app/hostile-1', given]

const ROWS: Row[] = [
  ['a parent in a path', imported, tar('../canary'), 'TAR_INVALID'],
  ['an escape in a path', imported, tar('\x1b[2J\x9b', '\x1b[2J\x9b/x'), 'TAR_INVALID'],
  ['a file below a link to outside', imported, tar(symlink('out', '/tmp'), 'out/canary'), 'TAR_INVALID'],
  ['a hard link to /etc/shadow', imported, tar(hardlink('a', '/etc/shadow')), 'TAR_INVALID'],
  ['a root that is a link', imported, tar(symlink('.', '/tmp')), 'TAR_INVALID'],
  ['a folder named as a whiteout', imported, tar('.wh.\x1b[2J/x'), 'TAR_INVALID'],
  ['a size in letters with an escape', imported, tar(header({ size: '\x1b[2J\x07      \0' })), 'TAR_INVALID'],
  ['a gzip cut off', imported, gzipSync(tar('a')).subarray(0, -9), 'STREAM_INVALID'],
  [
    'a hole of 1 TiB',
    imported,
    tar(header({ size: Buffer.from('800000000000040000000000', 'hex') })),
    'LIMIT_EXCEEDED'
  ],
  [
    'a set-uid program with an escape in its name',
    imported,
    tar(header({ name: '\x1b]0;x\x07', mode: '0004755\0' })),
    'PRIVILEGED'
  ],
  [
    'an ACL for nobody',
    imported,
    tar(described({ 'SCHILY.acl.access': 'user::rw-,user:\x1b[2J:rw-,group::r--,mask::rw-,other::r--' })),
    'NAME_UNKNOWN'
  ],
  [
    'an ACL without a mask',
    imported,
    tar(described({ 'SCHILY.acl.access': 'user::rw-,user:7:rw-,group::r--,other::r--' })),
    'ACL_INVALID'
  ],
  [
    'an attribute of the kernel',
    imported,
    tar(described({ 'SCHILY.xattr.system.\x1b[2J': 'x' })),
    'ATTRIBUTE_INVALID'
  ],
  [
    'a spec with an escape',
    given => ['import', 'app/hostile-1', join(folder, 'good.tar'), '--spec', given],
    '"\\e[2J\\x9b": x',
    'SPEC_INVALID'
  ],
  [
    'a listing with an escape',
    given => [...imported(join(folder, 'good.tar')), '--acl', given],
    '# file: a\n\x1b[2J\n',
    'ACL_TEXT'
  ],
  [
    'a stack with a nest',
    given => ['--stack', given, 'build', join(folder, 'out.sqfs')],
    `modules: ${'['.repeat(100_000)}`,
    'STACK_INVALID'
  ],
  [
    'a lock with an escape',
    given => ['build', join(folder, 'out.sqfs'), given],
    '{"strata":"lock","\x1b[2J\x9b":1}',
    'LOCK_INVALID'
  ],
  [
    'a lock with a nest',
    given => ['build', join(folder, 'out.sqfs'), given],
    `{"strata":"lock","version":1,"modules":[${'['.repeat(100_000)}${']'.repeat(100_000)}],"image":{}}`,
    'LOCK_INVALID'
  ],
  [
    'a layer list with an escape',
    given => ['build', join(folder, 'out.sqfs'), given],
    `b${'a'.repeat(60)} \x1b[2J x\n`,
    'LOCK_INVALID'
  ],
  ['a name with an escape', () => ['show', 'app/\x1b[2J\x9b'], '', 'MODULE_NAME'],
  ['an image cut off', given => ['inspect', given], (await modelImage()).subarray(0, 9000), 'IMAGE_INVALID']
]

writeFileSync(join(folder, 'good.tar'), tar(file('a', 'x')))

for (const [what, args, input, code] of ROWS)
  command(`${what}: ${code}, exit ${EXIT_STATUS[code]}, nothing raw, nothing left`, () => {
    mkdirSync(join(folder, 'in'), { recursive: true })
    const given = join(folder, 'in/hostile.yaml')
    const path = code === 'LOCK_INVALID' ? join(folder, 'in/hostile.lock') : given
    writeFileSync(path, typeof input === 'string' ? Buffer.from(input, 'latin1') : input)
    const before = published()
    // With --json the text still goes to standard error, so one run shows both.
    const { status, out, err } = compose(store, ['--json', ...args(path)])
    assert.is(status, EXIT_STATUS[code], `${out}${err}`)
    assert.match(out, code)
    assert.match(err, code)
    assert.not.match(out + err, /^ {4}at /m, 'no stack trace')
    assert.not.match(out + err, RAW, 'no raw control characters')
    assert.equal(published(), before)
    assert.equal(readdirSync(join(store, 'tmp')), [])
    assert.is(lstatSync(join(folder, 'out.sqfs'), { throwIfNoEntry: false }), undefined)
  })

command.run()
