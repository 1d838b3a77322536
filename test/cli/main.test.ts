import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { VERBS } from '../../cli/verbs.ts'
import { COMPOSE, environment } from '../helpers/compose.ts'
import { atCheckSize } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { archive, file } from '../helpers/tar-make.ts'
import { compose, composed, composeFails } from '../helpers/warm-compose.ts'

const cli = suite('compose')
const long = atCheckSize(cli)

function newStore(): string {
  const root = join(scratch(), 'store')
  composed(root, ['init', '--level', '1'])
  return root
}

function tarball(): string {
  const path = join(scratch(), 'a.tar')
  writeFileSync(path, archive(file('a', 'x')))
  return path
}

cli('wrong usage is exit 2, says what to type, and with --json is one document', () => {
  const root = newStore()
  const wrong = [
    ['frobnicate'],
    ['toString'],
    ['import'],
    ['show'],
    ['show', 'a/b', 'c'],
    ['import', 'app/a-1', '--no-such-flag'],
    ['import', 'nocategory-1', tarball()],
    ['import', 'app/a-1', tarball(), '--max-entries', 'many'],
    ['import', 'app/a-1', tarball(), '--kind', 'toy'],
    ['import', 'app/a-1', tarball(), '--set', 'novalue'],
    ['import', 'app/a-1', tarball(), '--strip', '-1'],
    ['import', 'app/a-1', tarball(), '--prefix', '../up'],
    ['import', 'app/a-1'],
    ['import', 'app/a-1', tarball(), '--kind', 'base', '--kind', 'library'],
    ['build', 'a.sqfs', '--for', 'me', '--for', 'everyone'],
    []
  ]
  for (const args of wrong) {
    const ran = compose(root, ['--json', ...args])
    assert.is(ran.status, 2, `compose ${args.join(' ')}: ${ran.err}`)
    assert.match(JSON.parse(ran.out).error.code, /^(USAGE|MODULE_NAME)$/)
    assert.match(ran.err, /\S/)
    assert.not.match(ran.err, /^ {4}at /m)
  }
  assert.is(compose(root, ['show']).out, '')
})

cli('an error is its message, facts, what to try, and its code, with no stack trace', () => {
  const ran = compose(newStore(), ['show', 'app/none'])
  assert.is(ran.status, 14)
  assert.is(ran.out, '')
  assert.match(ran.err, /^error: The following module\(s\) are unknown: "app\/none"\n/)
  assert.match(ran.err, /\n {2}try: +Please check the spelling/)
  assert.match(ran.err, /\n {2}code: +MODULE_UNKNOWN, exit 14\n$/)
})

cli('a name that is nearly right is suggested', () => {
  const root = newStore()
  composed(root, ['import', 'app/gromacs-2023.3', tarball()])
  const suggested = composeFails(root, ['show', 'app/gromcas'], 14).facts['did you mean']
  assert.match(String(suggested), /^app\/gromacs/)
})

cli('a failed system call is IO, with its errno as a fact', () => {
  const root = newStore()
  composed(root, ['import', 'base/a-1', tarball()])
  const error = composeFails(root, ['export', 'base/a', '/dev/null/x'], 1)
  assert.is(error.code, 'IO')
  assert.is(error.facts.errno, 'ENOTDIR')
})

long('results go to stdout, --quiet leaves stderr empty', () => {
  const root = newStore()
  const loud = compose(root, ['import', 'base/a-1', tarball()])
  assert.match(
    loud.out,
    /^base\/a-1 published\n {2}layer baguqeera\w+\n {4}1 entry, 1 bytes, packed \d+ bytes\n$/
  )
  for (const args of [
    ['-q', 'import', 'base/a-2', tarball()],
    ['fsck', '--quiet'],
    ['--quiet', 'show', 'base/a']
  ]) {
    const ran = compose(root, args)
    assert.is(ran.status, 0)
    assert.is(ran.err, '')
  }
})

long('every verb has help with an example', () => {
  const listed = compose('/nonexistent', ['--help'])
  assert.is(listed.status, 0)
  for (const verb of Object.keys(VERBS)) {
    assert.match(listed.out, new RegExp(`^  ${verb}\\b`, 'm'))
    const { status, out } = compose('/nonexistent', [verb, '--help'])
    assert.is(status, 0, verb)
    assert.match(out, /\nExamples?:\n/, verb)
  }
})

cli('--version is that of the package', () => {
  assert.match(compose('/nonexistent', ['--version']).out, /^\d+\.\d+\.\d+\n$/)
})

cli('show prints the record, its layers, sizes and ACLs', () => {
  const root = newStore()
  const acl = join(scratch(), 'acl')
  writeFileSync(acl, '# file: a\nuser::rw-\nuser:5:r--\ngroup::r--\nmask::r--\nother::r--\n')
  composed(root, ['import', 'lib/z-1.2', tarball(), '--acl', acl, '--summary', 'zip', '--prefix', 'opt/z'])
  const { out } = compose(root, ['show', 'lib/z'])
  for (const line of [
    /^lib\/z-1\.2$/m,
    /^ {2}summary: +zip$/m,
    /^ {2}kind: +library$/m,
    /^ {4}holds: +3 entries, 1 path with ACLs, 0 paths with attributes$/m,
    /^ {4}size: +1 bytes in files, tarball 2\.0 KiB, stored in \d+ bytes, 1 part$/m,
    /^ {4}placed: +below \/opt\/z$/m
  ])
    assert.match(out, line)
})

cli('a reader of stdout that leaves early is not an error', async () => {
  const root = newStore()
  composed(root, ['import', 'base/a-1', tarball()])
  const child = spawn(process.execPath, [COMPOSE, 'show', 'base/a'], {
    env: environment(root),
    stdio: ['ignore', 'pipe', 'pipe']
  })
  child.stdout.destroy()
  let said = ''
  child.stderr.on('data', data => {
    said += data
  })
  const [status] = await once(child, 'close')
  assert.is(status, 0)
  assert.is(said, '')
})

cli('control characters of an archive never reach the terminal', () => {
  const root = newStore()
  const tar = join(scratch(), 'evil.tar')
  writeFileSync(tar, archive(file('\x1b]0;pwned\x07', 'x', { mode: '0004755\0' })))
  const ran = compose(root, ['import', 'app/a-1', tar])
  assert.is(ran.status, 27)
  assert.match(ran.err, /\\033\]0;pwned\\007/)
  assert.not.match(ran.err, /[\x00-\x09\x0b-\x1f]/)
})

cli('a module may be described by a file', () => {
  const root = newStore()
  const spec = join(scratch(), 'module.yaml')
  writeFileSync(spec, `summary: from a file\nkind: application\nsources: [${tarball()}]\n`)
  composed(root, ['import', 'lib/a-1', '--spec', spec])
  assert.is(composed(root, ['show', 'lib/a']).kind, 'application')
  bash('echo "colour: blue" >> "$1"', spec)
  const error = composeFails(root, ['import', 'lib/a-2', '--spec', spec], 16)
  assert.match(error.message, /module\.yaml:4:1: colour/)
})

cli.run()
