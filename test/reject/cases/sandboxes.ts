/** Sandboxes that somebody else made, or changed behind compose's back, as a target of a build and as a source. */

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { buildImage } from '../../../compose/outputs/build-image.ts'
import { buildSandbox } from '../../../compose/outputs/build-sandbox.ts'
import { openSandboxTarget } from '../../../compose/outputs/sandbox-target.ts'
import { decodeRecord, encodeRecord, type SandboxRecord } from '../../../compose/sandbox/sandbox-record.ts'
import { initStore } from '../../../store/files/store.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { importInto, QUICK } from '../../helpers/stores.ts'
import { file } from '../../helpers/tar-make.ts'
import type { Area, RejectCase } from '../case.ts'
import { described, directory, symlink, tar } from '../make.ts'
import type { Room } from '../room.ts'

interface Box {
  store: Repository
  room: Room
  /** The sandbox, and paths in it. */
  path: string
  record: string
  lock: string
}

type Tamper = (box: Box) => void

/** A store for this case alone, because the case may publish something before it is refused. */
async function freshStore(room: Room): Promise<Repository> {
  await initStore(room.file('store'), QUICK)
  return openRepository({ store: room.file('store'), path: '' })
}

async function makeBox(room: Room): Promise<Box> {
  const store = await freshStore(room)
  const source = room.write(
    'box.tar',
    tar(directory('d/'), file('d/x', 'x'), symlink('l', 'd'), described({ 'SCHILY.xattr.user.a': 'v' }, 'm'))
  )
  const name = 'base/box-1'
  const { record, layers } = await importInto(store, name, [source])
  const target = { name, modules: [{ name, record, layers: layers.map(({ id }) => id) }] }
  const path = room.file('box')
  await buildSandbox(store, target, { directory: path, verify: false, recordOnly: true })
  const folder = join(path, '.compose/sandbox')
  return { store, room, path, record: join(folder, 'record'), lock: join(folder, 'lock') }
}

/** Does what the commands do: builds an image of the sandbox, and imports the sandbox as a module. */
async function useBox({ store, room, path }: Box): Promise<void> {
  const target = await openSandboxTarget(store, path, { checkContents: true })
  await buildImage(
    store,
    { name: 'box', ...target },
    { out: room.file('box.sqfs'), sync: false, verify: true }
  )
  await importInto(store, 'base/taken-1', [path])
}

const rewritten =
  (change: (record: SandboxRecord) => void): Tamper =>
  ({ record: path }) => {
    const bytes = readFileSync(path)
    const aligned = Buffer.from(new ArrayBuffer(bytes.length))
    bytes.copy(aligned)
    const record = decodeRecord(aligned)
    change(record)
    writeFileSync(path, encodeRecord(record))
  }

const linked =
  (of: (box: Box) => string, to: (box: Box) => string): Tamper =>
  box => {
    rmSync(of(box), { recursive: true })
    symlinkSync(to(box), of(box))
  }

const moved =
  (of: (box: Box) => string): Tamper =>
  box => {
    renameSync(of(box), box.room.file('moved'))
    symlinkSync(box.room.file('moved'), of(box))
  }

const ROWS: [name: string, tamper: Tamper, expect: RejectCase['expect']][] = [
  ['a record of nothing', ({ record }) => truncateSync(record, 0), 'SANDBOX_INVALID'],
  ['a record cut off', ({ record }) => truncateSync(record, 300), 'SANDBOX_INVALID'],
  ['a longer record', ({ record }) => appendFileSync(record, '\0'), 'SANDBOX_INVALID'],
  ['a record of 2^40 bytes', ({ record }) => truncateSync(record, 2 ** 40), 'SANDBOX_INVALID'],
  ['a record of random bytes', ({ record }) => writeFileSync(record, randomBytes(5000)), 'SANDBOX_INVALID'],
  [
    'record and lock in place of each other',
    ({ record, lock }) => {
      renameSync(record, `${record}.other`)
      renameSync(lock, record)
      renameSync(`${record}.other`, lock)
    },
    'SANDBOX_INVALID'
  ],
  ['no record', ({ record }) => unlinkSync(record), 'SANDBOX_INVALID'],
  [
    'a record that is a fifo',
    ({ record }) => {
      unlinkSync(record)
      execFileSync('mkfifo', [record])
    },
    'SANDBOX_INVALID'
  ],
  [
    'a lock that is a fifo',
    ({ lock }) => {
      unlinkSync(lock)
      execFileSync('mkfifo', [lock])
    },
    'SANDBOX_INVALID'
  ],
  [
    'a record that is a folder',
    ({ record }) => {
      unlinkSync(record)
      mkdirSync(record)
    },
    'SANDBOX_INVALID'
  ],
  ['a record that is a link', moved(({ record }) => record), 'SANDBOX_INVALID'],
  [
    'a lock that is a link to a secret',
    linked(
      ({ lock }) => lock,
      ({ room }) => join(room.outside, 'secret')
    ),
    'SANDBOX_INVALID'
  ],
  ['.compose that is a link to what it was', moved(({ path }) => join(path, '.compose')), 'SANDBOX_INVALID'],
  [
    '.compose/sandbox that is a link to what it was',
    moved(({ path }) => join(path, '.compose/sandbox')),
    'SANDBOX_INVALID'
  ],
  ['a lock with an escape', ({ lock }) => writeFileSync(lock, '{"\x1b[2J\x9b":1}'), 'LOCK_INVALID'],
  [
    'a record of four billion entries',
    rewritten(record => {
      record.directoryCount[0] = 0xffffffff
    }),
    'SANDBOX_INVALID'
  ],
  [
    'a directory that holds itself',
    rewritten(record => {
      record.entryInode[0] = 0
    }),
    'SANDBOX_INVALID'
  ],
  ['an inode that is not there', rewritten(record => void record.entryInode.fill(77777)), 'SANDBOX_INVALID'],
  ['a name with a slash', rewritten(record => void record.names.fill(0x2f)), 'SANDBOX_INVALID'],
  [
    'strings behind the pool',
    rewritten(record => void record.attributes.fill(0xfffffff0)),
    'SANDBOX_INVALID'
  ],
  ['sets that are no sets', rewritten(record => void record.stringPool.fill(0xff)), 'SANDBOX_INVALID'],
  ['a set-id bit that never was', rewritten(record => void record.mode.fill(0o177777)), 'SANDBOX_INVALID'],
  [
    'times that no clock shows',
    rewritten(record => void record.mtimeSeconds.fill(Number.NaN)),
    'SANDBOX_INVALID'
  ],
  [
    'a directory that is a link outside',
    linked(
      ({ path }) => join(path, 'd'),
      ({ room }) => room.outside
    ),
    'confined'
  ],
  [
    'a file that is a link to a secret',
    linked(
      ({ path }) => join(path, 'd/x'),
      ({ room }) => join(room.outside, 'secret')
    ),
    'confined'
  ],
  [
    'a file that is a fifo',
    ({ path }) => {
      unlinkSync(join(path, 'd/x'))
      execFileSync('mkfifo', [join(path, 'd/x')])
    },
    'confined'
  ]
]

const targetOf = (room: Room): string => room.file('target')

/** A build into a directory whose place something else has taken. */
const OUTPUTS: [name: string, take: (room: Room) => void, expect: RejectCase['expect']][] = [
  [
    'a link to canaries in place of the directory',
    room => symlinkSync(room.outside, targetOf(room)),
    'SANDBOX_EXISTS'
  ],
  [
    'a link to an empty folder in place of the directory',
    room => {
      mkdirSync(room.file('empty'))
      symlinkSync(room.file('empty'), targetOf(room))
    },
    'SANDBOX_EXISTS'
  ],
  [
    'a link to nowhere in place of the directory',
    room => symlinkSync(room.file('gone'), targetOf(room)),
    'SANDBOX_EXISTS'
  ],
  [
    'a fifo in place of the directory',
    room => void execFileSync('mkfifo', [targetOf(room)]),
    'SANDBOX_EXISTS'
  ],
  [
    'a .compose that leads outside',
    room => {
      mkdirSync(targetOf(room))
      symlinkSync(room.outside, join(targetOf(room), '.compose'))
    },
    'SANDBOX_EXISTS'
  ],
  [
    'the mark of an unfinished build beside a link to canaries, for everybody to write to',
    room => {
      mkdirSync(targetOf(room))
      execFileSync('chmod', ['777', targetOf(room)])
      writeFileSync(join(targetOf(room), '.compose-unfinished'), '')
      symlinkSync(room.outside, join(targetOf(room), 'out'))
    },
    'SANDBOX_EXISTS'
  ],
  [
    'an unfinished build of our own with a link to canaries in it',
    room => {
      mkdirSync(targetOf(room), 0o700)
      writeFileSync(join(targetOf(room), '.compose-unfinished'), '', { mode: 0o600 })
      symlinkSync(room.outside, join(targetOf(room), 'out'))
    },
    'confined'
  ]
]

async function buildInto(room: Room): Promise<void> {
  const source = room.write('good.tar', tar(directory('out/'), file('out/canary', 'x')))
  const name = 'base/good-1'
  const store = await freshStore(room)
  const { record, layers } = await importInto(store, name, [source])
  const target = { name, modules: [{ name, record, layers: layers.map(({ id }) => id) }] }
  await buildSandbox(store, target, { directory: targetOf(room), verify: false, recordOnly: false })
}

/** Cases that may differ by the user who reads; the others are refused earlier. */
const IN_EACH_VARIANT = new Set([
  'a record that is a fifo',
  '.compose that is a link to what it was',
  'a directory that is a link outside',
  'a file that is a link to a secret'
])

export const sandboxes: Area = {
  area: 'sandboxes',
  cases: [
    ...ROWS.map(
      ([name, tamper, expect]): RejectCase => ({
        name,
        expect,
        isSlow: !IN_EACH_VARIANT.has(name), // a store, an import, two builds
        async attack(room) {
          const box = await makeBox(room)
          tamper(box)
          await useBox(box)
        }
      })
    ),
    ...OUTPUTS.map(
      ([name, take, expect]): RejectCase => ({
        name,
        expect,
        async attack(room) {
          take(room)
          await buildInto(room)
        }
      })
    )
  ]
}
