import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { EXIT_STATUS } from '../../store/values/errors.ts'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const inside = suite('looking inside')

interface World {
  folder: string
  store: string
  image: string
}

let made: World | undefined

/** `/lib` of the base is a link, and the library's file goes through it. */
function world(): World {
  made ??= makeWorld()
  return made
}

function makeWorld(): World {
  const folder = scratch()
  const store = join(folder, 'store')
  bash(
    `cd "$1"; mkdir -p base/usr/lib base/etc lib/lib; ln -s usr/lib base/lib; ln -s ../usr/lib/libx.so base/etc/chosen
    ln -s loop base/etc/loop; ln -s ../../../../usr base/etc/out; echo library > lib/lib/libx.so; head -c 3000000 /dev/urandom > lib/lib/large
    tar -C base -cf base.tar .; tar -C lib -cf lib.tar .; mkfifo pipe`,
    folder
  )
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/a-1', join(folder, 'base.tar')])
  composed(store, ['import', 'lib/x-1', join(folder, 'lib.tar')])
  const image = join(folder, 'image.sqfs')
  composed(store, ['build', image, 'base/a', 'lib/x'])
  return { folder, store, image }
}

inside('which names the module, of a stack and of an image alike, through links on the way', () => {
  const { store, image } = world()
  for (const target of [['base/a', 'lib/x'], [image]]) {
    const which = (path: string) => composed(store, ['which', path, ...target]).module
    assert.is(which('/lib/libx.so'), 'lib/x-1')
    assert.is(which('/usr/lib/libx.so'), 'lib/x-1')
    assert.is(which('/etc/out/lib/libx.so'), 'lib/x-1', 'a link does not lead out of the tree')
    assert.is(which('/lib'), 'base/a-1', 'the link itself')
    assert.is(which('/etc/chosen'), 'base/a-1')
    composeFails(store, ['which', '/etc/loop/x', ...target], EXIT_STATUS.PATH_MISSING)
    composeFails(store, ['which', '/lib/nothing', ...target], EXIT_STATUS.PATH_MISSING)
  }
  assert.is(composed(store, ['which', '/.compose/lock', image]).module, 'compose')
})

inside('cat reads what a link leads to', () => {
  const { store, image } = world()
  assert.is(compose(store, ['cat', image, '/etc/chosen', '/lib/libx.so']).out, 'library\nlibrary\n')
  composeFails(store, ['cat', image, '/etc/loop'], EXIT_STATUS.PATH_MISSING)
})

inside('the exit status is not 0 if the reader of a file leaves before its end', async () => {
  const { store, image } = world()
  const child = spawn(process.execPath, [COMPOSE, 'cat', image, '/lib/large'], {
    env: environment(store),
    stdio: ['ignore', 'pipe', 'inherit']
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [status] = await once(child, 'close')
  assert.is(status, 141)
})

inside('a pipe or device is not replaced by an image or a tar', () => {
  const { folder, store } = world()
  const pipe = join(folder, 'pipe')
  composeFails(store, ['build', pipe, 'base/a'], EXIT_STATUS.OUTPUT_EXISTS)
  composeFails(store, ['build', pipe, 'base/a', '--format', 'tar'], EXIT_STATUS.OUTPUT_EXISTS)
  composeFails(store, ['build', folder, 'base/a'], EXIT_STATUS.OUTPUT_EXISTS)
  assert.ok(lstatSync(pipe).isFIFO())
})

inside.run()
