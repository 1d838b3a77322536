import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { copyAside, digestOfItems, itemsOf } from '../../../compose/definition/docker-copy.ts'
import { appendAnew, copyFromHost, writeAnew } from '../../../compose/definition/source-files.ts'
import { bash } from '../../helpers/real-tree.ts'
import { suite } from '../../helpers/suite.ts'

/** Files of a context that others may exchange at any moment (spec/definitions.md#dockerfiles). */
const sources = suite('source files')

const inFolder = (work: (folder: string) => void): void => {
  const folder = mkdtempSync(join(tmpdir(), 'source-'))
  try {
    work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A context with `sub/f`, a secret beside it, and an empty folder for copies. */
function made(folder: string): { context: string; to: string; secret: string } {
  const [context, to, secret] = ['context', 'to', 'secret'].map(name => join(folder, name))
  for (const path of [context, to, secret, join(context, 'sub')]) mkdirSync(path)
  writeFileSync(join(context, 'sub/f'), 'plain')
  writeFileSync(join(secret, 'f'), 'secret')
  return { context, to, secret }
}

sources('that became links are refused, on the way too', () => {
  for (const swapped of ['sub/f', 'sub'])
    inFolder(folder => {
      const { context, to, secret } = made(folder)
      const items = itemsOf(context, ['.'])
      rmSync(join(context, swapped), { recursive: true })
      symlinkSync(swapped === 'sub' ? secret : join(secret, 'f'), join(context, swapped))
      assert.throws(() => digestOfItems(items), /ELOOP/)
      assert.throws(() => copyAside(items, to), /ELOOP/)
    })
})

sources('that changed since they were planned have another digest when they are copied', () => {
  inFolder(folder => {
    const { context, to } = made(folder)
    const items = itemsOf(context, ['sub'])
    const before = digestOfItems(items)
    writeFileSync(join(context, 'sub/f'), 'other')
    const { place, digests } = copyAside(items, to)
    assert.is(readFileSync(join(place, 'f'), 'utf8'), 'other')
    assert.not.equal(digests, before)
    assert.equal(digests, digestOfItems(items))
  })
})

sources('are not taken from outside of a folder, whatever a link led to when they were looked at', () => {
  inFolder(folder => {
    const { context, to, secret } = made(folder)
    const [real, place] = [realpathSync(context), join(to, 'f')]
    copyFromHost(join(context, 'sub/f'), place, real)
    assert.is(readFileSync(place, 'utf8'), 'plain')
    for (const swapped of ['sub/f', 'sub']) {
      rmSync(join(context, swapped), { recursive: true })
      symlinkSync(swapped === 'sub' ? secret : join(secret, 'f'), join(context, swapped))
      const other = join(to, swapped.replace('/', '-'))
      assert.throws(() => copyFromHost(join(context, 'sub/f'), other, real), /leads out of/)
      assert.is(existsSync(other), false)
    }
    copyFromHost(join(context, 'sub/f'), join(to, 'any'))
    assert.is(readFileSync(join(to, 'any'), 'utf8'), 'secret')
  })
})

sources('replace a FIFO of an image without opening it', () => {
  inFolder(folder => {
    const place = join(folder, 'fifo')
    for (const write of [writeAnew, appendAnew]) {
      bash('rm -f "$1"; mkfifo "$1"', place)
      write(place, 'text', 0o755)
      assert.is(readFileSync(place, 'utf8'), 'text')
      assert.is(lstatSync(place).mode & 0o777, 0o755)
    }
    appendAnew(place, ' more', 0o755)
    assert.is(readFileSync(place, 'utf8'), 'text more')
    mkdirSync(join(folder, 'd'))
    assert.throws(() => writeAnew(join(folder, 'd'), '', 0o644), /has a folder in the place of the file d/)
  })
})

sources.run()
