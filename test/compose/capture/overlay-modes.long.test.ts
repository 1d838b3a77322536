import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Ran } from '../../helpers/compose.ts'
import { suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { composeIn, world } from './capture-world.ts'

/** Files of an overlay that even their owner may not read, as /etc/shadow of Fedora is (spec/capture.md#overlays). */

const modes = suiteNeeding(
  'capture: unreadable files of an overlay',
  'fuse',
  'squashfuse_ll',
  'setfacl',
  'tar'
)

const inHome = (name: string): string => join(world().home, name)

function ran(found: Ran): Ran {
  assert.is(found.status, 0, found.err)
  return found
}

const asOwner = (script: string, ...words: string[]): string =>
  bash(
    'if [ "$(id -u)" = 0 ]; then exec setpriv --reuid 1000 --regid 1000 --clear-groups sh -euc "$@"; else exec sh -euc "$@"; fi',
    ...[script, 'sh', ...words]
  ).toString()

/** An overlay in which a program has run the script in /opt. */
function overlayOf(name: string, script: string): { folder: string; image: string } {
  const [folder, image] = [inHome(name), inHome(`${name}.sqfs`)]
  mkdirSync(folder)
  bash('[ "$(id -u)" != 0 ] || chown 1000:1000 "$1"', folder)
  ran(composeIn(world(), ['build', image, 'base/host']))
  const run = ['run', '--runtime', 'strata', '--bind', '/usr', '--overlay', folder, image, '--']
  ran(composeIn(world(), [...run, 'sh', '-ec', `cd /opt; ${script}`]))
  return { folder, image }
}

/** Mode and path of each member, and the contents of its files. */
function published(module: string): string {
  const out = inHome(module.replace('/', '-'))
  ran(composeIn(world(), ['export', module, out]))
  const script =
    'cd "$1"; tar --numeric-owner -tvf layer.tar | awk \'{print $1, $2, $6}\'; tar -xOf layer.tar; cat layer.acl 2>&1 || true'
  return bash(script, out).toString()
}

const listing = (folder: string): string =>
  bash('find "$1/upper" -printf "%m %n %P\\n" | sort -k3; ls "$1"', folder).toString()

const SCRIPT = `umask 022; echo shadow > shadow; mkdir -p shut/in; echo x > shut/in/x; ln shut/in/x shut/in/y; echo w > write; mkfifo pipe
chmod 0 /etc/hostname shadow pipe shut/in/x shut/in shut; chmod 200 write`

modes('are in the layer with their modes, and stay as they are', () => {
  const { folder, image } = overlayOf('unread', SCRIPT)
  const before = listing(folder)
  assert.match(before, /^0 1 opt\/shadow$/m)
  ran(composeIn(world(), ['capture', 'app/unread-1', '--from', image, '--overlay', folder]))
  assert.is(listing(folder), before)
  const found = published('app/unread-1')
  for (const line of ['etc/hostname', 'opt/shadow', 'opt/shut/in/x'])
    assert.match(found, new RegExp(`^---------- 0/0 ${line}$`, 'm'))
  for (const line of ['opt/shut/', 'opt/shut/in/'])
    assert.match(found, new RegExp(`^d--------- 0/0 ${line}$`, 'm'))
  assert.match(found, /^h--------- 0\/0 opt\/shut\/in\/y$/m)
  assert.match(found, /^--w------- 0\/0 opt\/write$/m)
  assert.match(found, /^p--------- 0\/0 opt\/pipe$/m)
  assert.match(found, /^shadow\nx\nw\n/m)
})

modes('keep an ACL that gives their owner nothing', () => {
  const { folder, image } = overlayOf('acl', 'echo x > listed')
  asOwner('setfacl -m u::-,g::-,o::-,u:4242:r "$1"', join(folder, 'upper/opt/listed'))
  ran(composeIn(world(), ['capture', 'app/acl-1', '--from', image, '--overlay', folder]))
  assert.match(published('app/acl-1'), /user::---\nuser:4242:r--\ngroup::---\nmask::r--\nother::---/)
})

modes('get back what a killed command has given them', () => {
  const { folder, image } = overlayOf(
    'killed',
    'echo x > file; mkdir d; echo y > d/y; echo z > new; chmod 0 file d/y d new'
  )
  asOwner('cd "$1/upper/opt"; chmod 400 file; chmod 500 d; chmod 400 d/y; chmod 644 new', folder)
  // The last entry was cut off.
  asOwner('printf "0 opt/file\\0000 opt/d\\0000 opt/d/y\\0000 opt/new\\0000 opt/ne" > "$1/modes"', folder)
  ran(composeIn(world(), ['capture', 'app/killed-1', '--from', image, '--overlay', folder]))
  for (const line of ['0 \\d opt/d', '0 1 opt/file', '644 1 opt/new'])
    assert.match(listing(folder), new RegExp(`^${line}$`, 'm'))
  assert.not.match(listing(folder), /^modes$/m)
  assert.match(published('app/killed-1'), /^d--------- 0\/0 opt\/d\/$/m)
  asOwner('chmod 700 "$1/upper/opt/d"', folder) // find(1) of an ordinary user cannot look into it before
  assert.match(listing(folder), /^0 1 opt\/d\/y$/m)
})

modes('are the only ones whose modes notes in the folder can name', () => {
  const { folder, image } = overlayOf('forged', 'echo x > file')
  const victim = inHome('victim')
  writeFileSync(victim, 'x')
  bash('chmod 644 "$1"; [ "$(id -u)" != 0 ] || chown 1000:1000 "$1"', victim)
  asOwner(
    'ln -s "$2" "$1/upper/opt/link"; printf "244 ../../victim\\000244 %s\\000244 opt/link\\0" "$2" > "$1/modes"',
    folder,
    victim
  )
  composeIn(world(), ['capture', 'app/forged-1', '--from', image, '--overlay', folder])
  assert.is(statSync(victim).mode & 0o777, 0o644)
})

modes.run()
