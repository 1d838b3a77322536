import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { suite } from '../../helpers/suite.ts'
import { alice, bob, composedAs, failsAs, root, runAs, sharedStore } from './people.ts'

/** A member of the group writes locks that no collector has made. */
const locks = suite('shared store: forged locks')
const asRoot = needing(locks, 'root', 'setpriv')

const LIVING = `
read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ started _ < /proc/$2/stat
printf '{"host":"h","pid":%s,"boot":"%s","namespace":"%s","started":"%s"}\\n' "$2" \\
  "$(cat /proc/sys/kernel/random/boot_id)" "$(readlink /proc/self/ns/pid)" "$started" > "$1/tmp/gc.lock"`

const FORGED: Record<string, string> = {
  'names a process that runs for ever': LIVING,
  'is renewed for ever': 'echo junk > "$1/tmp/gc.lock"',
  'has a time that is far ahead': 'echo junk > "$1/tmp/gc.lock"; touch -d 2100-01-01 "$1/tmp/gc.lock"'
}

for (const [what, script] of Object.entries(FORGED))
  asRoot(`one that ${what} holds up other members, and not root`, () => {
    const { store } = sharedStore()
    const words = ['bash', '-ec', script, 'bash', store, String(process.pid)]
    const { status, err } = runAs(alice, words, store)
    assert.is(status, 0, err)
    const forged = readFileSync(join(store, 'tmp/gc.lock'))
    assert.is(failsAs(bob, store, ['gc']).code, 'STORE_BUSY')
    assert.equal(readFileSync(join(store, 'tmp/gc.lock')), forged)
    composedAs(root, store, ['gc'])
    assert.not(existsSync(join(store, 'tmp/gc.lock')))
    composedAs(bob, store, ['gc'])
  })

locks.run()
