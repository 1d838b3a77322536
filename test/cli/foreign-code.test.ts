import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { equal, is, match, ok } from 'uvu/assert'
import { FOREIGN_CODE } from '../../cli/foreign-code.ts'
import { liblzmaVersion } from '../../store/input/liblzma.ts'
import { suite } from '../helpers/suite.ts'
import { compose } from '../helpers/warm-compose.ts'

const foreign = suite('code of others')

const root = fileURLToPath(new URL('../../../', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

foreign('the listed versions are locked with a hash, and installed', () => {
  const { packages } = JSON.parse(read('package-lock.json'))
  for (const { package: name, version } of FOREIGN_CODE) {
    const locked = packages[`node_modules/${name}`]
    is(locked.version, version, name)
    match(locked.integrity, /^sha512-/)
    is(JSON.parse(read(`node_modules/${name}/package.json`)).version, version, name)
  }
})

foreign('libraries inside packages have the listed versions', () => {
  const libraryOf = (name: string) => FOREIGN_CODE.find(({ package: found }) => found === name)?.library
  const header = read('node_modules/zstd-napi/deps/zstd/lib/zstd.h')
  const part = (name: string) => new RegExp(`define ZSTD_VERSION_${name} +(\\d+)`).exec(header)![1]
  is(libraryOf('zstd-napi'), `zstd ${['MAJOR', 'MINOR', 'RELEASE'].map(part).join('.')}`)
  is(libraryOf('node-liblzma'), `liblzma ${liblzmaVersion()}`)
  const [leveldb] = readdirSync(join(root, 'node_modules/classic-level/deps/leveldb')).filter(name =>
    name.startsWith('leveldb-')
  )
  is(libraryOf('classic-level'), leveldb!.replace('-', ' '))
})

foreign('zstd is never fetched as a compiled addon', () => {
  const { packages } = JSON.parse(read('package-lock.json'))
  equal(packages['node_modules/prebuild-install'], { resolved: 'scripts/prebuild-install', link: true })
  is(packages['node_modules/zstd-napi/node_modules/prebuild-install'], undefined)
  let status = 0
  try {
    execFileSync(process.execPath, [join(root, 'node_modules/prebuild-install/refuse.cjs'), '-r', 'napi'])
  } catch (error) {
    status = (error as { status: number }).status
  }
  is(status, 1)
})

foreign('the install script of node-liblzma fetches and compiles nothing', () => {
  const { packages } = JSON.parse(read('package-lock.json'))
  equal(packages['node_modules/node-gyp-build'], { resolved: 'scripts/node-gyp-build', link: true })
  is(packages['node_modules/node-liblzma/node_modules/node-gyp-build'], undefined)
  is(JSON.parse(read('package.json')).allowScripts['node-liblzma'], false)
  execFileSync(process.execPath, [join(root, 'node_modules/node-gyp-build/nothing.cjs')])
})

foreign('SECURITY.md has the same list', () => {
  const rows = FOREIGN_CODE.map(
    ({ package: name, version, library = '', reads }) => `| ${name} ${version} | ${library} | ${reads} |`
  )
  const document = read('SECURITY.md').replace(/ {2,}/g, ' ')
  for (const row of rows) ok(document.includes(row.replace(/ {2,}/g, ' ')), row)
})

foreign('--version --verbose says them, with the hash of what is loaded', () => {
  const { out } = compose('/nonexistent', ['--version', '--verbose'])
  for (const { package: name, version } of FOREIGN_CODE) ok(out.includes(`\n${name} ${version}`), out)
  const addon = join(root, `dist/addons/${process.platform}-${process.arch}/zstd-napi.node`)
  ok(existsSync(addon))
  const hash = createHash('sha256').update(readFileSync(addon)).digest('hex')
  ok(out.includes(`zstd-napi 0.0.13 (zstd 1.5.7, addon sha256:${hash})`), out)
  is(compose('/nonexistent', ['--version']).out.split('\n').length, 2)
})

foreign.run()
