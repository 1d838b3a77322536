import { execFileSync, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { formatModuleName, parseModuleName } from '../../../store/module/name.ts'
import { readRef } from '../../../store/module/ref-file.ts'
import { listHistory, listModules, listRefs } from '../../../store/module/ref-list.ts'
import { writeRef } from '../../../store/module/refs.ts'
import { blobCid, digestOf, formatCid, manifestCid } from '../../../store/values/digest.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const refs = suite('refs')

const openmpi = parseModuleName('mpi/openmpi-4.1.6')
const record = (text: string) => manifestCid(Buffer.from(text))
const [one, two, three] = ['one', 'two', 'three'].map(record)

function storeRoot(): string {
  const root = scratch()
  for (const folder of ['tmp', 'refs/modules']) fs.mkdirSync(join(root, folder), { recursive: true })
  return root
}

const refFile = (root: string) => join(root, 'refs/modules/mpi/openmpi/4.1.6')
const isCode = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof StrataError && error.code === code && message.test(error.message)

async function rejects(promise: Promise<unknown>, expected: (error: unknown) => boolean): Promise<void> {
  const error = await promise.then(
    () => undefined,
    caught => caught
  )
  assert.ok(error !== undefined && expected(error), `${error}`)
}

refs('are one line with the id, read-only, and nothing is left in tmp', async () => {
  const root = storeRoot()
  assert.is(readRef(root, openmpi), undefined)
  assert.equal(await writeRef(root, openmpi, one, { replace: false }), { outcome: 'created' })
  assert.is(fs.readFileSync(refFile(root), 'utf8'), `${formatCid(one)}\n`)
  assert.is(fs.statSync(refFile(root)).mode & 0o777, 0o444)
  assert.is(fs.statSync(refFile(root)).nlink, 1)
  assert.ok(readRef(root, openmpi)?.equals(one))
  assert.equal(fs.readdirSync(join(root, 'tmp')), [])
})

refs('say so when the same record is published again', async () => {
  const root = storeRoot()
  await writeRef(root, openmpi, one, { replace: false })
  assert.is((await writeRef(root, openmpi, one, { replace: false })).outcome, 'same')
  assert.is((await writeRef(root, openmpi, one, { replace: true })).outcome, 'same')
})

refs('are not replaced unasked, and the refusal names both records and --replace', async () => {
  const root = storeRoot()
  await writeRef(root, openmpi, one, { replace: false })
  await rejects(
    writeRef(root, openmpi, two, { replace: false }),
    error =>
      error instanceof StrataError &&
      error.code === 'MODULE_EXISTS' &&
      error.facts.published === formatCid(one) &&
      error.facts.new === formatCid(two) &&
      error.hint!.includes('--replace')
  )
  assert.ok(readRef(root, openmpi)?.equals(one))
  assert.equal(fs.readdirSync(join(root, 'tmp')), [])
})

refs('keep every record that they stood for in the history', async () => {
  const root = storeRoot()
  for (const cid of [one, two, three, two]) await writeRef(root, openmpi, cid, { replace: true })
  const replaced = await writeRef(root, openmpi, one, { replace: true })
  assert.is(replaced.outcome, 'replaced')
  assert.ok(replaced.previous?.equals(two))
  const history = listHistory(root)
  assert.equal(
    history.refs.map(({ record }) => formatCid(record)).sort(),
    [one, two, three].map(formatCid).sort()
  )
  assert.equal(history.faults, [])
  assert.ok(history.refs.every(({ name }) => formatModuleName(name) === 'mpi/openmpi-4.1.6'))
})

const PUBLISHER = (root: string, text: string) => `
  const { writeRef } = await import(${JSON.stringify(new URL('../../../store/module/refs.js', import.meta.url))})
  const { manifestCid } = await import(${JSON.stringify(new URL('../../../store/values/digest.js', import.meta.url))})
  const name = { category: 'mpi', name: 'openmpi', version: '4.1.6' }
  const cid = manifestCid(Buffer.from(${JSON.stringify(text)}))
  const replace = ${JSON.stringify(text)}.startsWith('r')
  await writeRef(${JSON.stringify(root)}, name, cid, { replace }).then(
    ({ outcome }) => console.log(outcome),
    error => console.log(error.code)
  )`

function publisher(root: string, text: string): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', PUBLISHER(root, text)])
    let output = ''
    child.stdout.on('data', data => {
      output += data
    })
    child.on('error', fail)
    child.on('close', () => done(output.trim()))
  })
}

refs('admit exactly one of several processes that publish a name at once', async () => {
  const root = storeRoot()
  const outcomes = await Promise.all(['a', 'b', 'c', 'd'].map(text => publisher(root, text)))
  assert.equal(outcomes.sort(), ['MODULE_EXISTS', 'MODULE_EXISTS', 'MODULE_EXISTS', 'created'])
})

refs('lose no record when several processes replace one at once', async () => {
  const root = storeRoot()
  await writeRef(root, openmpi, one, { replace: false })
  const texts = ['r1', 'r2', 'r3', 'r4']
  const outcomes = await Promise.all(texts.map(text => publisher(root, text)))
  assert.equal(outcomes, ['replaced', 'replaced', 'replaced', 'replaced'])
  const kept = listHistory(root).refs.map(({ record }) => formatCid(record))
  assert.equal(kept.sort(), [one, ...texts.map(record)].map(formatCid).sort())
  assert.equal(fs.readdirSync(join(root, 'tmp')), [])
})

const JUNK: Record<string, string | Buffer> = {
  'an empty file': '',
  'no newline': formatCid(one),
  'two lines': `${formatCid(one)}\n${formatCid(two)}\n`,
  'a carriage return': `${formatCid(one)}\r\n`,
  'a blob id': `${formatCid(blobCid(digestOf(Buffer.from('x'))))}\n`,
  'upper case': `${formatCid(one).toUpperCase()}\n`,
  base58: 'zdpuAyvkgEDQm9TenwGkd5eNaosSxjgEYd8QatfPetgB1CdEZ\n',
  'CID version 0': 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG\n',
  padding: `${formatCid(one)}=\n`,
  'a megabyte': Buffer.alloc(1 << 20, 'b'),
  binary: Buffer.from([0xff, 0xfe, 0x0a])
}

for (const [what, bytes] of Object.entries(JUNK)) {
  refs(`are refused with their file when they hold ${what}`, async () => {
    const root = storeRoot()
    fs.mkdirSync(join(root, 'refs/modules/mpi/openmpi'), { recursive: true })
    fs.writeFileSync(refFile(root), bytes)
    const expected = isCode('MANIFEST_INVALID', /refs\/modules\/mpi\/openmpi\/4\.1\.6/)
    assert.throws(() => readRef(root, openmpi), expected)
    await rejects(writeRef(root, openmpi, one, { replace: false }), expected)
    assert.equal(
      listRefs(root).faults.map(({ code }) => code),
      ['MANIFEST_INVALID']
    )
    assert.is((await writeRef(root, openmpi, one, { replace: true })).outcome, 'replaced')
    assert.ok(readRef(root, openmpi)?.equals(one))
  })
}

refs('that are symbolic links are refused, at every level, also for writing', async () => {
  for (const level of [
    'refs/modules',
    'refs/modules/mpi',
    'refs/modules/mpi/openmpi',
    'refs/modules/mpi/openmpi/4.1.6'
  ]) {
    const root = storeRoot()
    const outside = scratch()
    const isFile = level.endsWith('4.1.6')
    const expected = isCode(isFile ? 'MANIFEST_INVALID' : 'STORE_FOLDER', /is a symbolic link/)
    await writeRef(root, openmpi, one, { replace: false })
    fs.renameSync(join(root, level), join(outside, 'there'))
    fs.symlinkSync(join(outside, 'there'), join(root, level))
    const before = execFileSync('find', [outside, '-printf', '%p %m %s %i\\n'], { encoding: 'utf8' })
    assert.throws(() => readRef(root, openmpi), expected, level)
    await rejects(writeRef(root, openmpi, two, { replace: false }), expected)
    if (isFile) {
      await writeRef(root, openmpi, two, { replace: true }) // the link is replaced, not followed
      assert.ok(readRef(root, openmpi)?.equals(two))
    } else {
      await rejects(writeRef(root, openmpi, two, { replace: true }), expected)
    }
    assert.is(execFileSync('find', [outside, '-printf', '%p %m %s %i\\n'], { encoding: 'utf8' }), before)
  }
})

refs('do not write a history through a symbolic link', async () => {
  const root = storeRoot()
  const outside = scratch()
  fs.mkdirSync(join(root, 'refs/history'))
  fs.symlinkSync(outside, join(root, 'refs/history/mpi'))
  await rejects(
    writeRef(root, openmpi, one, { replace: false }),
    isCode('STORE_FOLDER', /is a symbolic link/)
  )
  assert.equal(fs.readdirSync(outside), [])
  assert.is(readRef(root, openmpi), undefined)
})

needing(refs, 'mkfifo')('that are pipes or folders are refused without waiting', () => {
  const root = storeRoot()
  fs.mkdirSync(join(root, 'refs/modules/mpi/openmpi'), { recursive: true })
  execFileSync('mkfifo', [refFile(root)])
  assert.throws(() => readRef(root, openmpi), isCode('MANIFEST_INVALID', /is not a file/))
  fs.unlinkSync(refFile(root))
  fs.mkdirSync(refFile(root))
  assert.throws(() => readRef(root, openmpi), isCode('MANIFEST_INVALID', /is not a file/))
})

refs('are listed in order, and foreign entries are reported beside them', async () => {
  const root = storeRoot()
  for (const text of ['mpi/openmpi-4.1.6', 'base/debian-12', 'mpi/mpich-3.4'])
    await writeRef(root, parseModuleName(text), record(text), { replace: false })
  const modules = join(root, 'refs/modules')
  fs.writeFileSync(join(modules, 'stray'), '')
  fs.mkdirSync(join(modules, 'mpi/openmpi/5.0'))
  fs.symlinkSync('/etc', join(modules, 'link'))
  fs.writeFileSync(join(modules, 'mpi/openmpi/latest'), '')
  fs.writeFileSync(join(modules, 'mpi/openmpi/1\x1b[31m'), '')
  fs.mkdirSync(Buffer.from(`${modules}/\xe9\xff`, 'latin1'))
  const { refs: listed, faults } = listRefs(root)
  assert.equal(
    listed.map(({ name, record }) => [formatModuleName(name), formatCid(record)]),
    ['base/debian-12', 'mpi/mpich-3.4', 'mpi/openmpi-4.1.6'].map(text => [text, formatCid(record(text))])
  )
  assert.equal(
    listModules(root).modules,
    listed.map(({ name }) => name)
  )
  const messages = faults.map(({ message }) => message.slice(modules.length + 1).split(':')[0]).sort()
  assert.equal(messages, [
    '\\351\\377 cannot be part of a module name',
    'link is a symbolic link',
    'mpi/openmpi/1\\033[31m cannot be part of a module name',
    'mpi/openmpi/5.0 is not a file',
    'mpi/openmpi/latest has version "latest", wanted one that starts with a digit',
    'stray is not a folder'
  ])
})

refs('of a folder without any are an empty list', () => {
  assert.equal(listRefs(scratch()), { refs: [], faults: [] })
  assert.equal(listHistory(scratch()), { refs: [], faults: [] })
})

refs.run()
