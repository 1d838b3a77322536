import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { needing } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { smallStack } from '../helpers/small-stack.ts'
import { suite } from '../helpers/suite.ts'
import { compose } from '../helpers/warm-compose.ts'

const completion = suite('completion')

const stack = smallStack()

/** Candidates for a line with the cursor at its end. */
function offered(line: string, env: NodeJS.ProcessEnv = {}): string[] {
  const words = line.split(' ')
  const { status, out } = compose(stack.store, ['complete', '--', String(words.length - 1), ...words], {
    cwd: stack.folder,
    env
  })
  assert.is(status, 0)
  return out.split('\n').flatMap(text => (text === '' ? [] : [text.split('\t', 1)[0]]))
}

completion('verbs, options, and words that an option allows are offered', () => {
  assert.equal(offered('compose sw'), ['swap'])
  assert.ok(offered('compose ').includes('build'))
  assert.not.ok(offered('compose ').includes('complete'), 'what only shells ask is no verb')
  assert.equal(offered('compose --sto'), ['--store'])
  assert.equal(offered('compose build --verif'), ['--verify'])
  assert.equal(offered('compose build --comp '), ['zstd', 'gzip'])
  assert.equal(offered('compose completion z'), ['zsh'])
})

completion('modules are offered with and without their version, whatever stands before', () => {
  assert.equal(offered('compose show lib/'), ['lib/numbers', 'lib/numbers-1.1'])
  assert.equal(offered('compose --json --stack other.yaml add base/host lib/numbers-'), ['lib/numbers-1.1'])
  assert.equal(offered('compose load app/'), ['app/solver', 'app/solver-2.1'], 'synonyms are verbs')
  assert.equal(offered('compose import app/new-1 x.tar --requires lib/n'), ['lib/numbers', 'lib/numbers-1.1'])
})

completion('rm offers the modules of the stack', () => {
  assert.equal(offered('compose rm '), ['base/host', 'lib/numbers', 'app/solver-2'])
  assert.equal(offered('compose swap app/'), ['app/solver-2'])
  assert.equal(offered('compose swap app/solver app/'), ['app/solver', 'app/solver-2.1'])
})

completion('collections are offered by name', () => {
  const XDG_CONFIG_HOME = scratch()
  compose(stack.store, ['save', 'chemistry'], { cwd: stack.folder, env: { XDG_CONFIG_HOME } })
  assert.equal(offered('compose restore ch', { XDG_CONFIG_HOME }), ['chemistry'])
})

completion('for a file argument, or without a store, nothing is offered and nothing is printed', () => {
  assert.equal(offered('compose umount '), [])
  assert.equal(offered('compose import app/new-1 '), [])
  const words = ['complete', '--', '2', 'compose', 'show', '']
  const { status, out, err } = compose(join(stack.folder, 'missing'), words)
  assert.equal({ status, out, err }, { status: 0, out: '', err: '' })
})

/** A folder for PATH with the command under its name. */
function installed(): string {
  const folder = scratch()
  writeFileSync(join(folder, 'compose'), `#!/bin/sh\nexec '${process.execPath}' '${COMPOSE}' "$@"\n`)
  chmodSync(join(folder, 'compose'), 0o755)
  return folder
}

const shellEnvironment = () => {
  const env = environment(stack.store)
  return { ...env, PATH: `${installed()}:${env.PATH}`, HOME: scratch(), TERM: 'xterm' }
}

completion('bash takes the script and completes', () => {
  const script = `source <(compose completion bash)
    complete -p compose
    COMP_WORDS=(compose show app/s) COMP_CWORD=2
    _compose
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const out = execFileSync('bash', ['-ec', script], { env: shellEnvironment(), encoding: 'utf8' })
  assert.equal(out.trim().split('\n').slice(1), ['app/solver', 'app/solver-2.1'])
})

needing(completion, 'fish')('fish takes the script and completes, with a description of each word', () => {
  const script =
    "compose completion fish | source; complete -C 'compose sav'; complete -C 'compose show app/s'"
  const out = execFileSync('fish', ['-c', script], { env: shellEnvironment(), encoding: 'utf8' })
  const words = out
    .trim()
    .split('\n')
    .map(line => line.split('\t'))
  assert.equal(words.map(([word]) => word).sort(), ['app/solver', 'app/solver-2.1', 'save', 'savelist'])
  assert.match(words.find(([word]) => word === 'save')![1], /stack/)
})

interface Terminal {
  /** @param keys in the form of `tmux send-keys` */
  type(...keys: string[]): void
  until(text: RegExp): void
}

function atTerminal(shell: string[], session: (terminal: Terminal) => void): void {
  const socket = join(scratch(), 'tmux')
  const tmux = (...args: string[]) =>
    spawnSync('tmux', ['-S', socket, ...args], { env: shellEnvironment(), encoding: 'utf8' })
  tmux('new-session', '-d', '-x', '100', '-y', '30', shell.join(' '))
  const screen = () => tmux('capture-pane', '-p').stdout
  try {
    session({
      type: (...keys) => tmux('send-keys', ...keys),
      until(text) {
        const end = Date.now() + 120_000
        while (!text.test(screen())) {
          assert.ok(Date.now() < end, `${text} in: ${screen()}`)
          execFileSync('sleep', ['0.2'])
        }
      }
    })
  } finally {
    tmux('kill-server')
  }
}

needing(
  completion,
  'zsh',
  'tmux'
)('zsh takes the script and completes at a terminal', () => {
  atTerminal(['zsh', '-f'], ({ type, until }) => {
    type('autoload -U compinit && compinit -u && source <(compose completion zsh) && echo rea""dy', 'Enter')
    until(/^ready/m)
    type('compose savel', 'Tab')
    until(/compose savelist/)
    type('C-u', 'compose show app/solver-', 'Tab')
    until(/compose show app\/solver-2\.1/)
  })
})

needing(
  completion,
  'tcsh',
  'tmux'
)('tcsh takes the script and completes at a terminal, files too', () => {
  const folder = scratch()
  writeFileSync(join(folder, 'image.sqfs'), '')
  atTerminal(['tcsh', '-f'], ({ type, until }) => {
    type(`cd ${folder}; compose completion tcsh > completion; source completion && echo rea""dy`, 'Enter')
    until(/^ready/m)
    type('compose savel', 'Tab')
    until(/compose savelist/)
    type('C-u', 'compose show app/solver-', 'Tab')
    until(/compose show app\/solver-2\.1/)
    type('C-u', 'compose inspect ima', 'Tab')
    until(/compose inspect image\.sqfs/)
  })
})

completion.run()
