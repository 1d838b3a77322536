import { chmodSync, existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { makeOwnFolder } from '../../../store/disk/own-folder.ts'
import { EXIT_STATUS, StrataError } from '../../../store/values/errors.ts'
import { composed, composeFails } from '../../helpers/compose.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const own = suite('temporary folders')

/** A folder that others can enter, in which only its user can write. */
function entered(): string {
  const folder = scratch()
  chmodSync(folder, 0o755)
  return folder
}

function folderOf(parent: string, mode: number): string {
  const folder = join(parent, `of-${mode.toString(8)}`)
  mkdirSync(folder)
  chmodSync(folder, mode)
  return folder
}

function refusal(parent: string): StrataError {
  try {
    makeOwnFolder(parent, 'x-').remove()
  } catch (error) {
    assert.instance(error, StrataError)
    return error as StrataError
  }
  throw new Error(`a folder was made in ${parent}`)
}

own('are refused where others could exchange them, which the error names', () => {
  const open = folderOf(entered(), 0o777)
  const inner = folderOf(open, 0o755)
  const link = join(entered(), 'link')
  symlinkSync(inner, link)
  for (const parent of [open, inner, link, folderOf(entered(), 0o775)]) {
    const { code, message, hint } = refusal(parent)
    assert.is(code, 'FOLDER_UNSAFE')
    assert.match(
      message,
      /^no temporary folder is made in \S+: others could exchange it in \S+, which others may write to$/
    )
    assert.match(hint ?? '', /^chmod go-w \S+, or chmod \+t \S+$/)
  }
})

own('are made in folders with a sticky bit, and below those that nobody else can enter', () => {
  const shut = folderOf(entered(), 0o700)
  for (const parent of [folderOf(entered(), 0o1777), folderOf(entered(), 0o755), folderOf(shut, 0o777)]) {
    const made = makeOwnFolder(parent, 'x-')
    assert.is(statSync(made.path).mode & 0o777, 0o700)
    made.remove()
    assert.not(existsSync(made.path))
  }
})

own('are removed with closed folders in them, and no link is followed', () => {
  const outside = entered()
  writeFileSync(join(outside, 'kept'), '')
  const { path, remove } = makeOwnFolder(entered(), 'x-')
  const closed = folderOf(path, 0o700)
  writeFileSync(join(closed, 'file'), '')
  symlinkSync(outside, join(closed, 'link'))
  chmodSync(closed, 0)
  remove()
  remove()
  assert.not(existsSync(path))
  assert.ok(existsSync(join(outside, 'kept')))
})

own('a trace is not written where others could put another list in its place', () => {
  const store = join(scratch(), 'store')
  composed(store, ['init'])
  const env = { TMPDIR: folderOf(entered(), 0o777) }
  const { code } = composeFails(
    store,
    ['import', 'app/a-1', '--trace', '--', 'true'],
    EXIT_STATUS.FOLDER_UNSAFE,
    { env }
  )
  assert.is(code, 'FOLDER_UNSAFE')
})

own.run()
