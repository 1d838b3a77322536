import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { suite } from '../../helpers/suite.ts'
import { type CaptureWorld, captureWorld, composeIn } from '../capture/capture-world.ts'

/** How images, modules and sandboxes were made (spec/definitions.md#provenance). */

let made: CaptureWorld | undefined

const TEXT = `Bootstrap: compose
From: base/host
%post
echo {{ Z }} > /opt/version
`

const world = (): CaptureWorld => {
  if (made !== undefined) return made
  made = captureWorld()
  const { home } = made
  mkdirSync(join(home, 'alpine/lib/apk/db'), { recursive: true })
  writeFileSync(join(home, 'alpine/lib/apk/db/installed'), 'P:musl\nV:1.2-r1\nA:x86_64\n\n')
  bash(
    'command -v busybox || exit 0; mkdir -p "$1"/bin "$1"/dev "$1"/proc "$1"/sys "$1"/tmp; cp "$(command -v busybox)" "$1"/bin/busybox',
    join(home, 'alpine')
  )
  run('import', 'base/alpine-1', join(home, 'alpine'), '--kind', 'base')
  writeFileSync(join(home, 'tool.def'), TEXT)
  const flags = ['--bind', '/usr', '--no-network', '--build-arg', 'Z=1.3-r2']
  run('import', 'app/tool-1', join(home, 'tool.def'), ...flags)
  run('build', join(home, 'tool.sqfs'), 'base/host', 'app/tool')
  run('build', '--sandbox', join(home, 'tool'), 'base/host', 'app/tool')
  return made
}

function run(...args: string[]): string {
  const { status, out, err } = composeIn(made!, args)
  assert.is(status, 0, err)
  return out
}

const inspect = (flag: string, target: string): string => {
  const { home } = world()
  return run('inspect', flag, target.includes('/') ? target : join(home, target))
}

const provenance = suite('compose inspect')
const needingBox = needing(provenance, 'busybox-static')

provenance('prints the definition of a module, an image and a sandbox in full', () => {
  const wanted = `# --build-arg Z=1.3-r2\n${TEXT}`
  for (const target of ['app/tool', 'tool.sqfs', 'tool']) assert.is(inspect('--definition', target), wanted)
})

provenance(
  'prints a statement that names all modules by their digests, and neither user nor host nor time',
  () => {
    const statement = JSON.parse(inspect('--provenance', 'tool.sqfs'))
    const { home } = world()
    const [sum] = bash('sha256sum < "$1"', join(home, 'tool.sqfs')).toString().split(' ')
    assert.equal(statement.subject, [{ name: 'tool.sqfs', digest: { sha256: sum } }])
    assert.is(statement._type, 'https://in-toto.io/Statement/v1')
    assert.is(statement.predicateType, 'https://slsa.dev/provenance/v1')
    const { externalParameters, resolvedDependencies } = statement.predicate.buildDefinition
    assert.equal(externalParameters.definitions, [
      { module: 'app/tool-1', definition: TEXT, arguments: ['Z=1.3-r2'] }
    ])
    const base = bash('sha256sum < "$1"', join(world().folder, 'base.tar')).toString().split(' ')[0]
    assert.ok(
      resolvedDependencies.some(({ digest }: { digest: { sha256: string } }) => digest.sha256 === base)
    )
    const ofModule = JSON.parse(inspect('--provenance', 'app/tool'))
    const named = ({ name }: { name: string }) => name
    assert.equal(ofModule.predicate.buildDefinition.resolvedDependencies.map(named), ['base/host-1'])
    assert.is(JSON.parse(inspect('--provenance', 'tool')).subject[0].name, 'tool')
    const all = JSON.stringify([statement, ofModule])
    for (const secret of [home, new Date().getFullYear().toString(), process.env.HOSTNAME || '\0'])
      assert.not.ok(all.includes(secret), secret)
  }
)

provenance('names the image file that a base was made of, also where nothing is built again', () => {
  const { home } = world()
  const image = join(home, 'tool.sqfs')
  writeFileSync(join(home, 'above.def'), `Bootstrap: localimage\nFrom: ${image}\n%files\n${image} /opt/two\n`)
  const [sha256] = bash('sha256sum < "$1"', image).toString().split(' ')
  for (const version of [1, 2]) {
    run('import', `app/above-${version}`, join(home, 'above.def'))
    const { predicate } = JSON.parse(inspect('--provenance', `app/above-${version}`))
    const { resolvedDependencies } = predicate.buildDefinition
    assert.equal(resolvedDependencies, [{ name: 'tool.sqfs', digest: { sha256 } }])
  }
  writeFileSync(join(home, 'none.def'), `Bootstrap: scratch\n%files\n${image} /opt/two\n`)
  run('import', 'app/none-1', join(home, 'none.def'))
  const { predicate } = JSON.parse(inspect('--provenance', 'app/none'))
  assert.equal(predicate.buildDefinition.resolvedDependencies, [])
})

needingBox('prints the packages of apk that a command brought, and not those of the base', () => {
  const script =
    "cd /lib/apk/db; printf 'P:musl\\nV:1.2-r4\\nA:x86_64\\n\\nP:zlib\\nV:1.3-r2\\nA:x86_64\\n\\n' > installed"
  run('capture', 'app/apk-1', '--from', 'base/alpine', '--', '/bin/busybox', 'sh', '-c', script)
  const wanted = ['musl\t1.2-r1 -> 1.2-r4\tx86_64\tapp/apk-1', 'zlib\t1.3-r2\tx86_64\tapp/apk-1', '']
  assert.is(inspect('--packages', 'app/apk-1'), wanted.join('\n'))
  const [first, second] = run('diff', 'base/alpine', 'app/apk').split('\n')
  assert.is(first, 'package musl: 1.2-r1 x86_64 -> 1.2-r4 x86_64')
  assert.is(second, 'package zlib: missing -> 1.3-r2 x86_64')
  const text = inspect('--packages', 'app/tool')
  assert.is(text, 'no module says which packages were installed\n')
})

provenance.run()
