import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { LAUNCHER } from '../../helpers/launcher.ts'
import { needing, suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'

/**
 * Set-id files that a command makes, and the rights that it gives its top folder, are known to it and to the layer alone.
 * Other users of the host find neither while it runs, whatever calls it uses, also as a 32-bit program.
 */

const WAYS = fileURLToPath(new URL('../../../../test/compose/capture/set-id-ways.c', import.meta.url))
const ROUNDS = bySize(300, 5000)

const SEEN = [
  ...['open', 'creat', 'mknod', 'openat', 'mknodat', 'unnamed', 'fchmod', 'fchmodat', 'fchmodat2'],
  ...['renamed', 'linked']
].map(name => `${name} 106755 ${name.startsWith('mknod') ? 0 : 1}`)

async function readyOf(running: ChildProcess): Promise<string> {
  let out = ''
  for await (const bytes of running.stdout!) {
    out += bytes
    if (out.endsWith('ready\n')) break
  }
  return out
}

const suiteOfWays = suiteNeeding('capture: set-id', 'userns')

for (const [what, flag, ...needs] of [
  ['a program', '-m64', 'root', 'gcc'],
  ['a 32-bit program', '-m32', 'root', 'gcc', 'gcc-multilib', '32-bit']
])
  needing(suiteOfWays, ...needs)(
    `files, and an open top folder, are made by ${what} for the layer, but not for others on the host`,
    async () => {
      const folder = scratch()
      const tree = join(folder, 'tree')
      mkdirSync(join(tree, 'bin'), { recursive: true, mode: 0o700 })
      bash(`gcc ${flag} -static -pthread -w -o "$1/bin/ways" "$2"`, tree, WAYS)
      writeFileSync(join(folder, 'metadata'), 'strata-metadata-1\0/end\0')
      const files = ['--metadata', join(folder, 'metadata'), '--result', join(folder, 'result')]
      const words = ['capture', '--parent', String(process.pid), '--report', '2', ...files, '--', tree]
      const running = spawn(LAUNCHER, [...words, '--', '/bin/ways', String(ROUNDS)], {
        stdio: ['pipe', 'pipe', 'inherit']
      })
      const end = once(running, 'exit')
      const out = await readyOf(running)
      const found = bash('find "$1" -type f -perm /6000', tree).toString()
      const topMode = statSync(tree).mode & 0o7777
      running.stdin.end()
      const owned = ['6 -1 -1', '100005 7 40777', '6 12']
      const last = ['folder 42775 4096', '.. 40755 4096', 'ready', '']
      assert.equal(out.split('\n'), ['openat2: 38', ...owned, ...SEEN, ...last])
      assert.is(found, '')
      assert.is(topMode, 0o700)
      assert.equal(await end, [0, null])
      assert.is(statSync(tree).mode & 0o7777, 0o700)
      const known = bash('tr "\\0" "\\n" < "$1"', join(folder, 'result')).toString()
      for (const line of SEEN) assert.match(known, `\nw/${line.split(' ')[0]}\n106755 0 0 0 0 0\n`)
      assert.match(known, 'strata-metadata-1\n\n40755 0 0 0 0 0\n')
    }
  )

suiteOfWays.run()
