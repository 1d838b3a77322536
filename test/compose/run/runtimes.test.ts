import * as assert from 'uvu/assert'
import { insideEnvironment } from '../../../compose/run/inside-environment.ts'
import type { RunRequest } from '../../../compose/run/runtime.ts'
import { RUNTIMES } from '../../../compose/run/runtimes.ts'
import { suite } from '../../helpers/suite.ts'

const environment = suite('compose run: environment of the runtime')

const HOST = {
  PATH: '/usr/bin',
  HOME: '/home/user',
  USER: 'user',
  TOKEN: 'secret\nof the user',
  LD_PRELOAD: '/host/preload.so',
  LD_LIBRARY_PATH: '/host/lib',
  'BASH_FUNC_module%%': '() { :; }'
}
const MODULE = {
  environment: [
    { operation: 'set', name: 'LD_PRELOAD', value: '/image/evil.so' },
    { operation: 'set', name: 'LD_LIBRARY_PATH', value: '/host/lib' },
    { operation: 'set', name: 'TMPDIR', value: '/image/tmp' },
    { operation: 'set', name: 'GCONV_PATH', value: '/image/gconv' },
    { operation: 'prepend', name: 'PATH', value: '/image/bin' },
    { operation: 'unset', name: 'HOME' }
  ]
} satisfies Parameters<typeof insideEnvironment>[0][number]

const added = { ASKED: 'for' }
const REQUEST: RunRequest = {
  root: { kind: 'directory', path: '/some/root' },
  command: ['true'],
  binds: [],
  environment: insideEnvironment([MODULE], HOST, added),
  added,
  options: []
}

for (const runtime of RUNTIMES) {
  const line = () => runtime.commandLine(`/usr/bin/${runtime.name}`, REQUEST, HOST)

  environment(`${runtime.name} is started with the host's, but nothing for the loader`, () => {
    const { PATH, HOME, USER, TOKEN } = HOST
    const started = Object.entries(line().environment).filter(
      ([name]) => !/^(APPTAINER|SINGULARITY)ENV_/.test(name)
    )
    assert.equal(Object.fromEntries(started), { PATH, HOME, USER, TOKEN })
  })

  environment(`${runtime.name} shows no value of the host to those who list processes`, () => {
    assert.not.match(line().args.join('\0'), 'secret')
  })
}

environment('the environment of modules is on the command lines of ch-run and bwrap', () => {
  const [chRun, bwrap] = ['ch-run', 'bwrap'].map(name =>
    RUNTIMES.find(runtime => runtime.name === name)!
      .commandLine('/usr/bin/runtime', REQUEST, HOST)
      .args.join(' ')
  )
  for (const part of [
    '--unset-env=HOME ',
    "--set-env=LD_PRELOAD='/image/evil.so' ",
    "--set-env=LD_LIBRARY_PATH='/host/lib' ",
    "--set-env=TMPDIR='/image/tmp' "
  ])
    assert.ok(chRun.includes(part), `${part}: ${chRun}`)
  for (const part of [
    '--unsetenv HOME ',
    '--setenv LD_PRELOAD /image/evil.so ',
    '--setenv TMPDIR /image/tmp '
  ])
    assert.ok(bwrap.includes(part), `${part}: ${bwrap}`)
})

environment.run()
