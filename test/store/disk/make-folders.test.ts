import { existsSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { makeFolders } from '../../../store/disk/make-folders.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const folders = suite('making folders')

const codeOf = (path: string): string | undefined => {
  try {
    makeFolders(path)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

folders('makes the missing folders of a path with the mode, and returns them', () => {
  const top = scratch()
  assert.equal(makeFolders(join(top, 'a/b'), 0o700), [join(top, 'a'), join(top, 'a/b')])
  assert.is(statSync(join(top, 'a/b')).mode & 0o777, 0o700)
  assert.equal(makeFolders(join(top, 'a/b')), [])
  assert.equal(makeFolders(join(top, 'a/../a/b/c')), [join(top, 'a/b/c')])
})

folders('ends with the error of the system where a parent takes no folders', () => {
  assert.is(codeOf('/proc/none'), 'ENOENT')
  assert.is(codeOf('/proc/none/below'), 'ENOENT')
  assert.is(codeOf('/dev/null/below'), 'ENOTDIR')
})

folders('ends with an error where a file or a broken link has the name', () => {
  const top = scratch()
  writeFileSync(join(top, 'file'), '')
  symlinkSync('nowhere', join(top, 'link'))
  assert.is(codeOf(join(top, 'file')), 'EEXIST')
  assert.is(codeOf(join(top, 'link')), 'EEXIST')
  assert.is(existsSync(join(top, 'nowhere')), false)
})

folders.run()
