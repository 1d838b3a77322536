import { chmodSync, chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { siblingPath } from '../../../store/disk/sibling-path.ts'
import { age, FILES, folderWithFiles, Trap } from '../../helpers/exchanging.ts'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'

const sibling = suite('what interrupted commands left')

/** A temporary name of another machine. */
const nameOf = (number: number): string => `.compose-00000000-1-${`${number}`.padStart(16, '0')}.tmp`

sibling('is removed: files, links as links, and folders with all that is in them', () => {
  const folder = scratch()
  const outside = join(scratch(), 'outside')
  folderWithFiles(outside)
  const [file, link, left] = [0, 1, 2].map(number => join(folder, nameOf(number)))
  writeFileSync(file, '')
  symlinkSync(outside, link)
  mkdirSync(join(left, 'inner'), { recursive: true })
  writeFileSync(join(left, 'inner/file'), '')
  symlinkSync(outside, join(left, 'inner/link'))
  for (const path of [file, link, left]) age(path)
  siblingPath(join(folder, 'new'))
  assert.equal(readdirSync(folder), [])
  assert.is(readdirSync(outside).length, FILES.length)
})

sibling('stays where somebody may be at work on it, or others can write to it', () => {
  const folder = scratch()
  const [young, open] = [join(folder, nameOf(0)), join(folder, nameOf(1))]
  writeFileSync(young, '')
  folderWithFiles(open)
  chmodSync(open, 0o775)
  age(open)
  siblingPath(join(folder, 'new'))
  assert.is(readdirSync(folder).length, 2)
  assert.is(readdirSync(open).length, FILES.length)
})

sibling('folders stay where others could have given the name to any folder, and files do not', () => {
  const folder = scratch()
  const [moved, file] = [join(folder, nameOf(0)), join(folder, nameOf(1))]
  folderWithFiles(moved)
  writeFileSync(file, '')
  for (const path of [moved, file]) age(path)
  for (const mode of [0o777, 0o775]) {
    chmodSync(folder, mode)
    siblingPath(join(folder, 'new'))
    assert.equal(readdirSync(folder), [nameOf(0)])
    assert.is(readdirSync(moved).length, FILES.length)
  }
  chmodSync(folder, 0o1777)
  siblingPath(join(folder, 'new'))
  assert.equal(readdirSync(folder), [])
})

needing(sibling, 'root')('stays where it is another user’s folder', () => {
  const folder = scratch()
  const path = join(folder, nameOf(0))
  folderWithFiles(path)
  chownSync(path, 12345, 12345)
  age(path)
  siblingPath(join(folder, 'new'))
  assert.is(readdirSync(path).length, FILES.length)
})

atAllSize(sibling)('a folder that is exchanged with a link all the time leads nowhere else', async () => {
  const trap = new Trap(nameOf(0), nameOf(1))
  await trap.whileExchanged(bySize(50, 300), () => siblingPath(join(trap.folder, 'new')))
})

sibling.run()
