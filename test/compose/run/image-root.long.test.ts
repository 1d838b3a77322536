import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, statSync, symlinkSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { directoryOf } from '../../../compose/run/image-root.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composed } from '../../helpers/warm-compose.ts'

/** Images that are unpacked into the user's cache. */

const cache = suite('compose run: cache of unpacked images')

/** An image that holds this text in /opt/text, and a set-id program. */
function imageOf(text: string): string {
  const folder = scratch()
  const store = join(folder, 'store')
  bash(
    `cd "$1"; mkdir -p tree/opt; echo "$2" > tree/opt/text; echo > tree/opt/set-id; chmod 4755 tree/opt/set-id
    tar -C tree --owner=0 --group=0 -cf some.tar opt`,
    folder,
    text
  )
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/some-1', join(folder, 'some.tar'), '--allow-privileged'])
  composed(store, ['build', join(folder, 'some.sqfs'), 'base/some'])
  return join(folder, 'some.sqfs')
}

/** No program is found: nothing can be mounted. */
const hostWith = (folder: string): NodeJS.ProcessEnv => ({ PATH: '', XDG_CACHE_HOME: folder })

const unpack = (image: string, folder: string) =>
  directoryOf({ path: image }, { seesMounts: true }, hostWith(folder))

async function textOf(image: string, folder: string): Promise<string> {
  const { path } = await unpack(image, folder)
  return readFileSync(join(path, 'opt/text'), 'utf8').trim()
}

/** Points a link to two files in turn, until it is killed. */
const TOGGLE = `const { renameSync, symlinkSync } = require('node:fs')
const [link, ...targets] = process.argv.slice(1)
console.log('up')
for (let turn = 0; ; turn++) {
  symlinkSync(targets[turn % 2], link + '.next')
  renameSync(link + '.next', link)
}`

cache('nothing is kept for an image that came from another, however its name changes meanwhile', async () => {
  const images = [imageOf('good'), imageOf('forged')]
  const link = join(scratch(), 'link.sqfs')
  symlinkSync(images[0], link)
  const toggle = spawn(process.execPath, ['-e', TOGGLE, link, ...images], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const ended = new Promise(resolve => toggle.on('exit', resolve))
  try {
    await new Promise(resolve => toggle.stdout.once('data', resolve))
    for (let attempt = 0; attempt < 8; attempt++) {
      const folder = scratch()
      await textOf(link, folder)
      assert.equal([await textOf(images[0], folder), await textOf(images[1], folder)], ['good', 'forged'])
    }
  } finally {
    toggle.kill('SIGKILL')
    await ended
  }
})

cache('an image that changed while it was unpacked is not kept', async () => {
  const image = imageOf('changing')
  const folder = scratch()
  let isDone = false
  const unpacked = unpack(image, folder)
    .catch(error => error)
    .finally(() => {
      isDone = true
    })
  for (let turn = 1; !isDone; turn++) {
    utimesSync(image, turn, turn)
    await setImmediate()
  }
  const error = await unpacked
  assert.instance(error, StrataError)
  assert.is(error.code, 'SOURCE_CHANGED')
  assert.equal(readdirSync(join(folder, 'strata/sandboxes')), [])
  assert.is(await textOf(image, folder), 'changing')
})

needing(cache, 'root')('holds no set-id programs, not even for root', async () => {
  const { path } = await unpack(imageOf('privileged'), scratch())
  assert.is(statSync(join(path, 'opt/set-id')).mode & 0o7777, 0o755)
})

cache.run()
