import { spawnSync } from 'node:child_process'
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE } from '../helpers/compose.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'

const install = suite('a broken installation')

/** The command without what npm built of C, or with something else in its place. */
function withAddon(content?: string) {
  const folder = scratch()
  cpSync(dirname(COMPOSE), join(folder, 'dist/bundle'), { recursive: true })
  const addons = join(folder, 'dist/addons', `${process.platform}-${process.arch}`)
  cpSync(join(dirname(COMPOSE), '../addons', basename(addons)), addons, { recursive: true })
  rmSync(join(addons, 'strata.node'))
  if (content !== undefined) writeFileSync(join(addons, 'strata.node'), content)
  return (...words: string[]) =>
    spawnSync(process.execPath, [join(folder, 'dist/bundle/compose.cjs'), ...words], {
      env: { PATH: process.env.PATH, HOME: folder },
      encoding: 'utf8'
    })
}

for (const [what, content, why] of [
  ['missing', undefined, /Cannot find module/],
  ['no library', 'text', /file too short|invalid ELF header/]
] as const)
  install(`says what to type where the addon is ${what}`, () => {
    const compose = withAddon(content)
    for (const words of [['build', 'image.sqfs'], ['--help']]) {
      const { status, stderr } = compose(...words)
      assert.is(status, 1, stderr)
      assert.match(stderr, /^error: the addon of native\/ cannot be loaded: /)
      assert.match(stderr, why)
      assert.match(stderr, /try: +node scripts\/install.mjs/)
      assert.match(stderr, /code: ADDON_MISSING, exit 1/)
      assert.not.match(stderr, /^ {4}at /m)
    }
    const { error } = JSON.parse(compose('build', 'image.sqfs', '--json').stdout)
    assert.is(error.code, 'ADDON_MISSING')
  })

install.run()
