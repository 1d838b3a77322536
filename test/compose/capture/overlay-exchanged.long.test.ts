import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { FILES, whileExchanging } from '../../helpers/exchanging.ts'
import { bash } from '../../helpers/real-tree.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { composeIn, world } from './capture-world.ts'

/** Others who may write above an overlay, or to a folder in it, exchange names meanwhile (spec/capture.md#overlays). */

const exchanged = suite('capture: an overlay in which others exchange names')

const ROUNDS = bySize(3, 20)

function folderOf(path: string, text: string): string {
  mkdirSync(path, { recursive: true })
  for (const name of FILES) writeFileSync(join(path, name), text)
  return path
}

interface Attacked {
  /** For `--overlay`. */
  folder: string
  image: string
  /** A folder of the user with the same names. */
  secret: string
}

function attacked(name: string): Attacked {
  const { home } = world()
  const top = join(home, name)
  const [folder, image] = [join(top, 'overlay'), join(top, 'base.sqfs')]
  const secret = folderOf(join(top, 'secret'), 'SECRET\n')
  folderOf(join(folder, 'upper/opt/data'), 'change\n')
  bash('chmod 777 "$1"; [ "$(id -u)" != 0 ] || chown -R 1000:1000 "$1"; chmod 700 "$2"', top, secret)
  const built = composeIn(world(), ['build', image, 'base/host'])
  assert.is(built.status, 0, built.err)
  return { folder, image, secret }
}

const captureFrom = ({ image, folder }: Attacked, module: string) =>
  composeIn(world(), ['capture', module, '--from', image, '--overlay', folder])

function textOf(module: string): string {
  const out = join(world().home, module.replace('/', '-'))
  const { status, err } = composeIn(world(), ['export', module, out])
  assert.is(status, 0, err)
  return bash('tar -xOf "$1/layer.tar"; tar -tf "$1/layer.tar"', out).toString()
}

/** Some captures may end with an error; none has taken what lies elsewhere. */
async function attack(name: string, at: Attacked, folder: string, names: [string, string]): Promise<void> {
  await whileExchanging(folder, names, () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { status } = captureFrom(at, `app/${name}-${round}`)
      if (status === 0) assert.not.match(textOf(`app/${name}-${round}`), /SECRET/, `round ${round}`)
    }
  })
}

exchanged('takes nothing from where a link leads that stands in a folder of it', async () => {
  const at = attacked('inside')
  const opt = join(at.folder, 'upper/opt')
  symlinkSync(at.secret, join(opt, 'link'))
  await attack('inside', at, opt, ['data', 'link'])
})

exchanged('takes nothing from where a link leads that stands for the folder of its changes', async () => {
  const at = attacked('changes')
  symlinkSync(at.secret, join(at.folder, 'elsewhere'))
  await attack('changes', at, at.folder, ['upper', 'elsewhere'])
})

exchanged('takes nothing from the folder of another name', async () => {
  const at = attacked('named')
  const top = join(at.folder, '..')
  mkdirSync(join(top, 'other'))
  symlinkSync(at.secret, join(top, 'other/upper'))
  await attack('named', at, top, ['overlay', 'other'])
})

exchanged('is captured whole when nobody does, without notes of places that are a pipe', () => {
  const at = attacked('quiet')
  bash('mkfifo "$1/places"', at.folder)
  const { status, err } = captureFrom(at, 'app/quiet-1')
  assert.is(status, 0, err)
  assert.is(textOf('app/quiet-1').match(/^change$/gm)?.length, FILES.length)
  assert.not.ok(existsSync(join(at.folder, 'modes')))
})

exchanged.run()
