import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { keepNoted, keptPath, listKept, noteSize, noteUse } from '../../../compose/cache/kept.ts'
import { resolveTarget } from '../../../compose/outputs/resolve-target.ts'
import { cachedImage } from '../../../compose/run/cached-image.ts'
import { directoryOf } from '../../../compose/run/image-root.ts'
import { ownCacheFolder } from '../../../store/disk/cache-folder.ts'
import { openRepository } from '../../../store/repository/open-repository.ts'
import { EXIT_STATUS, StrataError } from '../../../store/values/errors.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'

const trust = suite('the cache of compose run: trust')

const OTHER = 4321

function newStore(): string {
  const folder = scratch()
  bash('cd "$1"; mkdir tree; echo x > tree/text; tar -C tree --owner=0 --group=0 -cf some.tar text', folder)
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/some-1', join(folder, 'some.tar')])
  return store
}

async function imageIn(root: string, cache: string): Promise<string> {
  const store = await openRepository({ store: root, path: '' })
  const noSandbox = () => Promise.reject(new Error('a sandbox'))
  const target = await resolveTarget(store, ['base/some'], 'stack.yaml', noSandbox)
  return (await cachedImage(store, target, () => {}, { XDG_CACHE_HOME: cache })).path
}

const unpackIn = async (image: string, cache: string): Promise<string> =>
  (await directoryOf({ path: image }, { seesMounts: true }, { PATH: '', XDG_CACHE_HOME: cache })).path

/** The message about the cache. */
async function refusal(action: () => Promise<unknown>): Promise<string> {
  try {
    await action()
  } catch (error) {
    assert.instance(error, StrataError)
    const { code, message, hint } = error as StrataError
    assert.is(code, 'CACHE_UNSAFE', message)
    assert.ok(hint)
    return message
  }
  return 'taken'
}

/** Forgeries that another user can make in a shared folder, or made before the folder was closed. */
const FORGED: [what: string, script: string, said: RegExp][] = [
  ['a folder of another user', 'chown 4321 "$1/strata"', /strata belongs to user 4321/],
  ['a folder that others may write to', 'chmod 775 "$1/strata"', /strata has mode 0775/],
  [
    'a link to a folder',
    'mv "$1/strata" "$1/elsewhere"; ln -s elsewhere "$1/strata"',
    /strata is not a directory, but a link or a file/
  ],
  ['a folder in one of another user', 'chown 4321 "$1"', /lies in .*, which belongs to user 4321/],
  ['a folder in one that others may write to', 'chmod 777 "$1"', /lies in .*, which others may write to/],
  ['folders that others may enter', 'chmod 755 "$1"/strata/*', /(images|sandboxes) has mode 0755/],
  ['entries of another user', 'chown 4321 "$1"/strata/*/*', /belongs to user 4321/],
  [
    'links',
    'for i in "$1"/strata/[is]*/*; do mv "$i" "$1"; ln -s "$1/$(basename "$i")" "$i"; done',
    /is not a (file|directory)/
  ]
]

needing(trust, 'root')('no entry is run that another user can have made or changed', async () => {
  const store = newStore()
  const own = join(store, '../own.sqfs')
  composed(store, ['build', own, 'base/some'])
  const base = scratch()
  chmodSync(base, 0o755)
  for (const [what, script, said] of FORGED) {
    const cache = join(base, what.replaceAll(' ', '-'))
    mkdirSync(cache, { mode: 0o755 })
    assert.is(await imageIn(store, cache), await imageIn(store, cache))
    assert.is(await unpackIn(own, cache), await unpackIn(own, cache))
    bash(script, cache)
    assert.match(await refusal(() => imageIn(store, cache)), said, what)
    assert.match(await refusal(() => unpackIn(own, cache)), said, what)
  }
  // A build only saves time by it, and goes on.
  const env = { XDG_CACHE_HOME: join(base, 'a-folder-of-another-user') }
  composed(store, ['build', own, 'base/some'], { env })
})

needing(
  trust,
  'root',
  'bwrap'
)("compose run starts nobody else's image, and says what to do", () => {
  const cache = scratch()
  mkdirSync(join(cache, 'strata'))
  chownSync(join(cache, 'strata'), OTHER, OTHER)
  const run = ['run', '--runtime', 'bwrap', 'base/some', '--', '/bin/true']
  const env = { XDG_CACHE_HOME: cache }
  const { code, hint } = composeFails(newStore(), run, EXIT_STATUS.CACHE_UNSAFE, { env })
  assert.is(code, 'CACHE_UNSAFE')
  assert.is(hint, 'XDG_CACHE_HOME=DIR names a folder of your own')
  assert.equal(readdirSync(join(cache, 'strata')), [])
})

trust('a folder of the user that its group may write to is named with the chmod that mends it', () => {
  const base = scratch()
  chmodSync(base, 0o755) // what nobody else can reach is not looked at
  const cache = join(base, 'cache')
  mkdirSync(cache)
  chmodSync(cache, 0o775) // what umask 002 leaves
  const refused = () => ownCacheFolder('images', { XDG_CACHE_HOME: cache })
  assert.throws(refused, (error: StrataError) => error.hint === `chmod go-w ${cache}`)
  chmodSync(cache, 0o755)
  assert.ok(refused())
})

needing(trust, 'root')("folders above may be sticky, closed, or links of root's", () => {
  const base = scratch()
  const folderIn = (path: string) => ownCacheFolder('images', { XDG_CACHE_HOME: join(base, path) })
  const isRefused = (path: string) =>
    assert.throws(
      () => folderIn(path),
      (error: StrataError) => error.code === 'CACHE_UNSAFE'
    )
  bash(
    'cd "$1"; chmod 755 .; mkdir -m 1777 sticky; mkdir -p closed/open; chmod 777 closed/open; chmod 700 closed',
    base
  )
  symlinkSync('closed/open', join(base, 'link'))
  for (const path of ['sticky/mine', 'closed/open', 'link']) assert.ok(folderIn(path))
  bash('cd "$1"; ln -s sticky other; chown -h 4321 other', base)
  isRefused('other')
  assert.equal(readdirSync(join(base, 'sticky')), ['mine']) // and nothing was made behind it
  chmodSync(join(base, 'closed'), 0o755)
  isRefused('link')
})

trust.run()

const bounds = suite('the cache of compose run: bounds')

const HOUR = 3600
const DAY = 24 * HOUR
const keyOf = (number: number): string => number.toString(16).padStart(64, '0')

/** An entry of about so many KiB that was used so many seconds ago. */
function keep(cache: string, kind: 'images' | 'sandboxes', number: number, kib: number, age: number): string {
  const host = { XDG_CACHE_HOME: cache }
  const key = keyOf(number)
  const path = keptPath(kind, key, host)
  const content = Buffer.alloc(kib << 10, 1)
  noteUse(key, host)
  if (kind === 'images') writeFileSync(path, content)
  else {
    mkdirSync(join(path, 'closed'), { recursive: true })
    writeFileSync(join(path, 'closed/file'), content)
    bash('touch -d @1 "$1"', path)
  }
  noteSize(kind, key, host)
  if (kind === 'sandboxes') chmodSync(join(path, 'closed'), 0)
  const then = Date.now() / 1000 - age
  utimesSync(join(cache, 'strata/used', key), then, then)
  return path
}

const gc = (cache: string, ...args: string[]) =>
  composed('/nonexistent', ['gc', '--cache', ...args], { env: { XDG_CACHE_HOME: cache } })

bounds('entries not used for long are removed, then those used longest ago until the rest fits', () => {
  const cache = scratch()
  const all = [
    keep(cache, 'sandboxes', 1, 64, 31 * DAY),
    keep(cache, 'images', 2, 2048, 20 * DAY),
    keep(cache, 'sandboxes', 3, 1024, 10 * DAY),
    keep(cache, 'images', 4, 4096, 2 * HOUR)
  ]
  const left = () => all.map(path => existsSync(path))
  const removed = ({ removed }: { removed: { path: string }[] }) => removed.map(({ path }) => path)
  assert.equal(removed(gc(cache, '--dry-run', '--max-size', '1M')), all.slice(0, 3))
  assert.equal(left(), [true, true, true, true])
  assert.equal(removed(gc(cache)), all.slice(0, 1))
  assert.equal(left(), [false, true, true, true])
  const report = gc(cache, '--max-size', '5.5M')
  assert.equal(left(), [false, false, true, true])
  assert.ok(report.bytes >= 2048 << 10)
  assert.is(report.kept.entries, 2)
  assert.is(gc(cache, '--max-size', '0').young.entries, 1)
  assert.equal(left(), [false, false, false, true])
  gc(cache, '--max-size', '0', '--grace', '0s')
  assert.equal(bash('cd "$1"; find strata -mindepth 2', cache).toString(), '')
})

bounds('sizes and times that were never noted are found', () => {
  const cache = scratch()
  const path = keep(cache, 'sandboxes', 1, 512, 40 * DAY)
  bash('chmod 700 "$2/closed"; rm "$1"/strata/used/*', cache, path)
  const [entry] = listKept({ XDG_CACHE_HOME: cache })
  assert.ok(entry.bytes >= 512 << 10 && entry.bytes < 600 << 10, String(entry.bytes))
  assert.ok(Date.now() / 1000 - entry.usedSeconds < HOUR, 'not the time that is stored of its top')
})

bounds('the image of a running program is kept', async () => {
  const cache = scratch()
  const host = { XDG_CACHE_HOME: cache }
  keep(cache, 'images', 1, 64, 40 * DAY)
  const noting = keepNoted([{ key: keyOf(1), isNew: false }], host, 1)
  while (listKept(host)[0].usedSeconds < Date.now() / 1000 - DAY) await setTimeout(1)
  noting.stop()
  assert.equal(gc(cache).removed, [])
})

needing(bounds, 'bwrap')('compose run keeps the cache within its bounds by itself', () => {
  const store = newStore()
  const cache = scratch()
  const old = keep(cache, 'images', 1, 64, 40 * DAY)
  const last = keep(cache, 'images', 2, 64, 3 * DAY)
  const left = () => [existsSync(old), existsSync(last)]
  const run = (size: string) =>
    compose(store, ['run', '--runtime', 'bwrap', 'base/some', '--', '/bin/none'], {
      env: { XDG_CACHE_HOME: cache, COMPOSE_CACHE_SIZE: size }
    }).err
  assert.match(run('1G'), /removed .* from your cache, not used for long/)
  assert.equal(left(), [false, true])
  assert.not.match(run('1K'), /removed/, 'nothing was added')
  assert.equal(left(), [false, true])
  bash('find "$1/strata/images" -type f ! -name "000*" -delete', cache)
  run('1K')
  assert.equal(left(), [false, false])
})

bounds.run()
