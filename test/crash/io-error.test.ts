import { constants } from 'node:os'
import * as assert from 'uvu/assert'
import { randomOf } from '../compose/helpers/random-layer.ts'
import { needing } from '../helpers/needs.ts'
import { someOf } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { type CrashCase, crashCases } from './cases.ts'
import { type Watch, watched } from './watched.ts'
import { assertSound, copyOf, drop, isSame, type Snapshot, sameWorld, snapshot } from './world.ts'

const io = suite('crash: errors of the disk')
/** They write as others do. */
const NO_NEWS = ['build --verify', 'extract', 'unpublish', 'import --replace']
const test = needing(io, 'root', 'gcc', 'setfacl', 'setfattr')
const subjects =
  process.getuid?.() === 0
    ? someOf(
        crashCases().filter(({ name }) => !NO_NEWS.includes(name)),
        2
      )
    : []

interface Finished {
  finished: Snapshot
  changes: number
}

const known = new Map<CrashCase, Promise<Finished>>()

function finishedBy(subject: CrashCase): Promise<Finished> {
  const there = known.get(subject) ?? finish(subject)
  known.set(subject, there)
  return there
}

async function finish(subject: CrashCase): Promise<Finished> {
  const world = copyOf(subject.template)
  const { status, err, changes } = await watched(world, subject.args)
  assert.is(status, 0, err)
  const finished = snapshot(world)
  drop(world)
  return { finished, changes: changes.length }
}

/** The command either does all of its work, or fails, says why, and leaves all as it was; then it works again. */
async function withError(
  subject: CrashCase,
  finished: Snapshot,
  errno: number,
  from: number,
  to: number
): Promise<number | null> {
  const world = copyOf(subject.template)
  const ran = await watched(world, ['--json', ...subject.args], { fail: { from, to, errno } })
  const when = `${subject.name}: errno ${errno} from change ${from} to ${to}: ${ran.err}`
  if (ran.status === 0)
    assert.ok(isDone(subject, snapshot(world), finished), `${when}: status 0, but not done`)
  else {
    assert.not.match(ran.err, /internal error|^ {4}at /m, when)
    assert.match(ran.out, /"code": "[A-Z_]+"/, when)
  }
  await assertSound(subject, world, finished, when)
  const again = await watched(world, subject.args)
  if (again.status !== subject.doneStatus) assert.is(again.status, 0, `${when}; again: ${again.err}`)
  sameWorld(withoutOptional(subject, snapshot(world)), withoutOptional(subject, finished), `${when}; again`)
  drop(world)
  return ran.status
}

const withoutOptional = ({ optional }: CrashCase, world: Snapshot): Snapshot =>
  new Map([...world].filter(([path]) => optional?.test(path) !== true))

/** A file under way that could not even be removed may be left beside the output. */
function isDone(subject: CrashCase, now: Snapshot, finished: Snapshot): boolean {
  const left = new Map([...now].filter(([path]) => !/\.compose-[^/]*\.tmp$/.test(path)))
  return isSame(withoutOptional(subject, left), withoutOptional(subject, finished))
}

const FAILURES = [
  { name: 'EIO', errno: constants.errno.EIO, isLasting: false },
  { name: 'EDQUOT', errno: constants.errno.EDQUOT, isLasting: true }
]

for (const { name, errno, isLasting } of FAILURES)
  for (const subject of subjects)
    test(`${subject.name}: ${name} ${isLasting ? 'from some change on' : 'once'} is told, breaks nothing, and it works again`, async () => {
      const { finished, changes } = await finishedBy(subject)
      const from = 1 + randomOf(errno + changes)(changes)
      await withError(subject, finished, errno, from, isLasting ? changes + 1000 : from)
    })

async function sameIn(subject: CrashCase, watch: Watch): Promise<void> {
  const { finished } = await finishedBy(subject)
  const world = copyOf(subject.template)
  const { status, err } = await watched(world, subject.args, watch)
  assert.is(status, 0, err)
  sameWorld(snapshot(world), finished, subject.name)
  drop(world)
}

for (const subject of subjects) {
  test(`${subject.name}: writes that do less than they were asked for change nothing`, () =>
    sameIn(subject, { shortBytes: 100 }))
  test(`${subject.name}: writes that a signal interrupts are done again`, () =>
    sameIn(subject, { calls: ['write', 'copy'], fail: { from: 1, to: 2, errno: constants.errno.EINTR } }))
}

io.run()
