import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { compose, composed } from '../helpers/warm-compose.ts'

const settings = suite('compose show')

settings('has every setting of a spec file, as text and as JSON', () => {
  const folder = scratch()
  const store = join(folder, 'store')
  mkdirSync(join(folder, 'tree'))
  writeFileSync(
    join(folder, 'module.yaml'),
    `kind: library
summary: a summary
help: a help text
license: a licence
family: mpi
requires: [base/debian]
conflicts: [mpi/mpich]
environment: { set: { A: b } }
access_groups: [61001]
labels: { org.example.site: here }
redistributable: false
runscript: exec a
replaces: [etc/hosts]
allow_privileged: true
hidden: true
deprecated: { date: 2026-01-01, text: use another }
sources: [tree]
`
  )
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'mpi/x-1', '--spec', join(folder, 'module.yaml')])
  const { out } = compose(store, ['show', 'mpi/x-1'])
  for (const line of [
    /summary: +a summary/,
    /kind: +library/,
    /license: +a licence/,
    /family: +mpi/,
    /requires: +base\/debian/,
    /conflicts: +mpi\/mpich/,
    /environment: +A=b|environment: +set A/,
    /access: +61001/,
    /redistributable: +no/,
    /privileged: +may hold/,
    /hidden: +yes/,
    /deprecated: +2026-01-01: use another/,
    /labels: +org\.example\.site=here/,
    /replaces: +\/?etc\/hosts/,
    /help: +a help text/,
    /runscript: +exec a/
  ])
    assert.match(out, line)
  const { hidden, runscript, deprecated } = composed(store, ['show', 'mpi/x-1'])
  assert.equal([hidden, runscript, deprecated.text], [true, 'exec a', 'use another'])
})

settings.run()
