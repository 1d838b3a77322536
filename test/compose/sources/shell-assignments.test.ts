import { execFileSync } from 'node:child_process'
import * as assert from 'uvu/assert'
import { composeEnvironment } from '../../../compose/runtime-files/environment-changes.ts'
import { parseAssignments } from '../../../compose/sources/shell-assignments.ts'
import { suite } from '../../helpers/suite.ts'

const assignments = suite('sources: assignments of a shell script')

const reference = (name: string): string => `\${${name}}`

const READ = [
  "export A='single $X'",
  'export A="double words" B=plain C=/opt/x:/opt/y',
  'export PATH=/opt/tool/bin:$PATH',
  `export PATH="/opt/a b/bin:${reference('PATH')}"`,
  'export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:/opt/lib',
  'A=1; export A',
  'A=one\nexport A',
  '  # a comment\n\nexport A=x # more\n',
  'export A="a \\"quoted\\" \\$word \\\\ back"',
  'unset PATH\nexport PATH=/only',
  'export EMPTY=',
  `export PATH="${reference('PATH:-"/usr/bin:/bin"')}"\nexport PATH=/x:$PATH`
]

for (const script of READ)
  assignments(`means what sh makes of it: ${JSON.stringify(script)}`, () => {
    const before = { PATH: '/usr/bin:/bin', LD_LIBRARY_PATH: '/lib' }
    const { operations, unread } = parseAssignments(script, 'test')
    assert.is(unread, undefined)
    const shown = execFileSync('/bin/sh', ['-c', `${script}\n/usr/bin/env -0`], { env: before }).toString()
    const wanted = Object.fromEntries(
      shown
        .split('\0')
        .filter(line => line !== '' && !/^(PWD|_|OLDPWD|SHLVL)=/.test(line))
        .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
    )
    assert.equal(composeEnvironment([{ environment: operations }], before), wanted)
  })

const UNREAD: [string, number][] = [
  ['export A=1\nexport B=$(hostname)\nexport C=3', 2],
  ['if true; then\nexport A=1\nfi', 1],
  ['export A=`date`', 1],
  ['export A=$B', 1],
  ['export A=$A$A', 1],
  ['. /etc/profile', 1],
  ['export A=~/bin', 1],
  ['export A="unfinished', 1],
  ['A=1', 1],
  ['export A=*', 1],
  ['export PATH=:$PATH', 1],
  ['export A=1 && echo', 1]
]

for (const [script, line] of UNREAD)
  assignments(`ends at a line that is not a plain assignment: ${JSON.stringify(script)}`, () => {
    const { operations, unread } = parseAssignments(script, 'test')
    assert.is(unread?.line, line)
    assert.is(operations.length, line - 1)
  })

assignments.run()
