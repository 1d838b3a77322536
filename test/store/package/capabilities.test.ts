import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { encodeCapabilities } from '../../../store/acl/capabilities.ts'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const capabilities = suite('package: capabilities as text')

for (const text of [
  'cap_net_raw=ep',
  'cap_net_raw,cap_net_admin+p',
  'cap_setuid=ep cap_setgid+ep',
  'cap_bpf=eip'
])
  needing(
    capabilities,
    'root',
    'setcap',
    'getfattr'
  )(`${text} is what setcap writes`, () => {
    const file = join(scratch(), 'file')
    writeFileSync(file, '')
    execFileSync('setcap', [text, file])
    const shown = execFileSync(
      'getfattr',
      ['-n', 'security.capability', '-e', 'hex', '--only-values', file],
      {
        stdio: ['ignore', 'pipe', 'ignore']
      }
    )
    assert.is(encodeCapabilities(text).toString('hex'), shown.toString('hex'))
  })

for (const text of ['cap_nothing=ep', 'cap_net_raw', '=x', 'cap_net_raw=p cap_bpf=ep cap_net_raw-e'])
  capabilities(`${text} is refused`, () => {
    assert.throws(() => encodeCapabilities(text), /capabilit/)
  })

capabilities.run()
