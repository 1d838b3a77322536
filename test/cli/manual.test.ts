import { spawnSync } from 'node:child_process'
import * as assert from 'uvu/assert'
import { listedCommands } from '../../cli/load-verbs.ts'
import { afterHelp } from '../../cli/manual/after-help.ts'
import { ENVIRONMENT } from '../../cli/manual/surroundings.ts'
import { atCheckSize, needing } from '../helpers/needs.ts'
import { suite } from '../helpers/suite.ts'
import { compose } from '../helpers/warm-compose.ts'

const manual = suite('manual')
const long = atCheckSize(manual)

const page = () => compose('/nonexistent', ['manual']).out

long('every command has a summary, a description, and an example that begins with its name', async () => {
  for (const command of await listedCommands()) {
    assert.ok(command.summary() !== '', command.name())
    assert.match(command.description(), /\.$/m, command.name())
    assert.match(afterHelp(command), new RegExp(`(^|\\n)Examples?:\\n.*compose.* ${command.name()}\\b`, 's'))
  }
})

manual('every option that an example names is one of the command or of all', async () => {
  const ofAll = ['--store', '--stack', '--json', '--quiet', '-q']
  for (const command of await listedCommands()) {
    const known = [...ofAll, ...command.options.flatMap(({ long, short }) => [long, short])]
    const uses = afterHelp(command).matchAll(new RegExp(`compose ${command.name()} ([^|#\\n]*)`, 'g'))
    for (const [, words] of uses)
      for (const [option] of words.split(' -- ', 1)[0].matchAll(/(?<=^| )--[a-z][a-z-]+/g))
        assert.ok(known.includes(option), `${command.name()}: ${option}`)
  }
})

needing(manual, 'mandoc')('the page is sound roff and says what --help says', async () => {
  const lint = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning'], { input: page(), encoding: 'utf8' })
  const complaints = lint.stdout.split('\n').filter(line => line !== '' && !/missing date/.test(line))
  assert.equal(complaints, [])
  const plain = spawnSync('mandoc', ['-T', 'utf8', '-O', 'width=200'], { input: page(), encoding: 'utf8' })
  const text = plain.stdout.replace(/.\x08/g, '')
  for (const command of await listedCommands()) {
    assert.ok(text.includes(`compose ${command.name()}`), command.name())
    for (const { flags, hidden } of command.options)
      if (!hidden) assert.ok(text.includes(flags), `${command.name()} ${flags}`)
  }
  for (const { name } of ENVIRONMENT) assert.ok(text.includes(name), name)
})

manual.run()
