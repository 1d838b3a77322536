import { execFileSync } from 'node:child_process'
import * as assert from 'uvu/assert'
import type { ModuleKind } from '../../../store/module/settings.ts'
import { describeImage } from '../../../store/oci/describe-image.ts'
import { Json } from '../../../store/oci/json.ts'
import { Field } from '../../../store/values/fields.ts'
import { suite } from '../../helpers/suite.ts'

const describes = suite('oci: configuration')

const describe = (config: object, kind: ModuleKind = 'base', annotations: [string, string][] = []) =>
  describeImage(
    { config: new Json({ config }, new Field('config')), annotations: new Map(annotations) },
    kind
  )

describes('a base sets variables; what lies upon one adds to lists and sets the rest', () => {
  const Env = [
    'PATH=/app/bin:/bin',
    'LD_LIBRARY_PATH=/app/lib',
    'XDG_DATA_DIRS=/s',
    'LANG=C',
    'PYTHONPATH=',
    'X'
  ]
  const said = (kind: ModuleKind) =>
    describe({ Env }, kind).described.environment!.map(operation => Object.values(operation).join(' '))
  assert.equal(said('base'), [
    'set PATH /app/bin:/bin',
    'set LD_LIBRARY_PATH /app/lib',
    'set XDG_DATA_DIRS /s',
    'set LANG C',
    'set PYTHONPATH ',
    'set X '
  ])
  for (const kind of ['library', 'application'] as const)
    assert.equal(said(kind), [
      'prepend PATH /app/bin:/bin',
      'prepend LD_LIBRARY_PATH /app/lib',
      'prepend XDG_DATA_DIRS /s',
      'set LANG C',
      'set X '
    ])
})

describes('values keep every character, and impossible variables are noted', () => {
  const { described, notes } = describe({
    Env: ['A=x=y $HOME `id` "\'', 'lower.case=1', '1A=x', '=x', 'B=two\nlines', 'C=last']
  })
  assert.equal(described.environment, [
    { operation: 'set', name: 'A', value: 'x=y $HOME `id` "\'' },
    { operation: 'set', name: 'C', value: 'last' }
  ])
  assert.is(notes.length, 4)
  assert.match(notes[0], /^Env: variable lower\.case: not a name of a variable/)
  assert.match(notes[3], /^Env: variable B: .*line break/)
})

describes('labels win over annotations, and tell summary and licence', () => {
  const { described, notes } = describe(
    {
      Labels: {
        'org.opencontainers.image.title': 'Title',
        'org.opencontainers.image.licenses': 'MIT',
        'bad key': 'x',
        empty: ''
      }
    },
    'base',
    [
      ['org.opencontainers.image.title', 'annotated'],
      ['org.opencontainers.image.revision', 'abc']
    ]
  )
  assert.equal(described.labels, {
    'org.opencontainers.image.title': 'Title',
    'org.opencontainers.image.licenses': 'MIT',
    'org.opencontainers.image.revision': 'abc',
    empty: ''
  })
  assert.equal([described.summary, described.license], ['Title', 'MIT'])
  assert.is(notes.length, 1)
  assert.match(notes[0], /bad key/)
})

describes('a description of several lines is not a summary', () => {
  const Labels = {
    'org.opencontainers.image.description': 'two\nlines',
    'org.opencontainers.image.title': 'Title'
  }
  assert.is(describe({ Labels }).described.summary, 'Title')
})

/** Arguments as a script receives them, printed one per line. */
const run = (script: string, ...args: string[]): string[] =>
  execFileSync('sh', ['-c', script, 'run', ...args], { encoding: 'utf8' })
    .split('\n')
    .slice(0, -1)

describes('Entrypoint and Cmd become a script that runs as a container would', () => {
  const odd = ["it's", '$HOME', '`id`', 'a  b', '"', '\\', '*', '', '-n', 'tab\there']
  const print = ['printf', '%s\\n']
  const both = describe({ Entrypoint: print, Cmd: odd }).described.runscript!
  assert.equal(run(both), odd)
  assert.equal(run(both, 'other', ...odd), ['other', ...odd])
  const cmd = describe({ Cmd: [...print, ...odd] }).described.runscript!
  assert.equal(run(cmd), odd)
  assert.equal(run(cmd, 'echo', 'x y'), ['x y'])
  const entrypoint = describe({ Entrypoint: [...print, ...odd], Cmd: null }).described.runscript!
  assert.equal(run(entrypoint), odd)
  assert.equal(run(entrypoint, 'more'), [...odd, 'more'])
  assert.is(describe({ Entrypoint: [], Cmd: null }).described.runscript, undefined)
})

describes('a command that no script of a record can hold is noted', () => {
  const { described, notes } = describe({ Cmd: ['printf', '\x1b[2J'] })
  assert.is(described.runscript, undefined)
  assert.match(notes[0], /^Entrypoint, Cmd: .*U\+001B/)
})

describes('settings of containers are noted, unless they say nothing', () => {
  const { notes } = describe({
    User: '1000:100',
    WorkingDir: '/app',
    ExposedPorts: { '80/tcp': {} },
    Volumes: { '/data': {} },
    StopSignal: 'SIGINT',
    Healthcheck: { Test: ['CMD', 'true'] },
    OnBuild: ['RUN x\x1b']
  })
  assert.equal(notes, [
    'User: "1000:100"',
    'WorkingDir: "/app"',
    'ExposedPorts: {"80/tcp":{}}',
    'Volumes: {"/data":{}}',
    'StopSignal: "SIGINT"',
    'Healthcheck: {"Test":["CMD","true"]}',
    'OnBuild: ["RUN x\\\\u001b"]'
  ])
  const nothing = { User: '', WorkingDir: '/', ExposedPorts: {}, Volumes: null, OnBuild: [] }
  assert.equal(describe({ ...nothing, User: '0:0' }).notes, [])
  assert.equal(describe(nothing).notes, [])
  assert.equal(describe({}), { described: { environment: [], labels: {} }, notes: [] })
})

describes.run()
