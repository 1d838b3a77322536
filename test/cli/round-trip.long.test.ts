import { chownSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { everyForm, portrait, sha256OfFile } from '../helpers/layers.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { composed } from '../helpers/warm-compose.ts'

/**
 * The store's main promise: a tarball and its lost metadata go in, and come back exactly by the programs that sites
 * have.
 */
const roundTrip = suite('compose import, export, tar -x, setfattr --restore, setfacl --restore')
const asRoot = needing(roundTrip, 'root', 'getfacl', 'getfattr', 'setpriv')

/** A folder that a user may write to, too. */
function openFolder(uid = 0): string {
  const folder = join(scratch(), 'open')
  bash('mkdir "$1"; chmod 755 "$1" "$(dirname "$1")"', folder)
  chownSync(folder, uid, uid)
  return folder
}

/** The commands that `compose export --help` recommends. */
const RESTORE = `mkdir "$2/back"; cd "$2/back"; $3 "$1/layer.tar"
  [ ! -e "$1/layer.xattrs" ] || setfattr -h --restore="$1/layer.xattrs"
  [ ! -e "$1/layer.acl" ] || setfacl --restore="$1/layer.acl"`

const TAR = 'tar -xpf'

const restored = (exported: string, extract: string): string => {
  const folder = openFolder()
  bash(RESTORE, exported, folder, extract)
  return join(folder, 'back')
}

/** Import, export, extract and restore; the tarball that came out. */
function goesRound(args: string[], extract = TAR): { tree: string; tar: string } {
  const folder = scratch()
  const store = join(folder, 'store')
  composed(store, ['init', '--level', '1'])
  composed(store, ['import', 'base/every-1', ...args])
  composed(store, ['export', 'base/every-1', join(folder, 'out')])
  return { tree: restored(join(folder, 'out'), extract), tar: join(folder, 'out/layer.tar') }
}

asRoot('gives the tree of a plain tarball whose ACLs and attributes were listed beside it', () => {
  const tree = everyForm()
  const folder = scratch()
  bash(
    `cd "$1"; tar --format=pax --sparse -cf "$2/t.tar" .; getfacl -R -P -n . > "$2/acl"
    getfattr -R -P -h -d -m - . > "$2/xattrs"`,
    tree,
    folder
  )
  const listings = ['--acl', join(folder, 'acl'), '--xattrs', join(folder, 'xattrs')]
  const came = goesRound([join(folder, 't.tar'), ...listings])
  assert.is(sha256OfFile(came.tar), sha256OfFile(join(folder, 't.tar')))
  assert.is(portrait(came.tree), portrait(tree))
})

asRoot('gives the tree of a GNU tar that holds its ACLs and attributes', () => {
  const tree = everyForm()
  const tar = join(scratch(), 't.tar')
  bash(
    `tar --format=pax --sparse --acls --xattrs --xattrs-include='*' --numeric-owner -C "$1" -cf "$2" .`,
    tree,
    tar
  )
  const came = goesRound([tar])
  assert.is(sha256OfFile(came.tar), sha256OfFile(tar))
  assert.is(portrait(came.tree), portrait(tree))
})

needing(
  roundTrip,
  'root',
  'bsdtar',
  'getfacl'
)('gives what bsdtar extracts from a tar of its own', () => {
  const tree = everyForm()
  const folder = scratch()
  const tar = join(folder, 't.tar')
  bash(
    `bsdtar --format pax --acls --xattrs --numeric-owner -C "$1" -cf "$2/t.tar" .
    mkdir "$2/bsd"; cd "$2/bsd"; bsdtar -xp --acls --xattrs --numeric-owner -f "$2/t.tar"`,
    tree,
    folder
  )
  const came = goesRound([tar], 'bsdtar -xp --no-acls --no-xattrs --numeric-owner -f')
  assert.is(sha256OfFile(came.tar), sha256OfFile(tar))
  bash('touch -d @0 "$1" "$2"', came.tree, join(folder, 'bsd')) // bsdtar leaves the time of . alone
  assert.is(portrait(came.tree), portrait(join(folder, 'bsd')))
  assert.match(bash('stat -c %a "$1/bin/tool"', came.tree).toString(), /^654$/m)
})

asRoot('gives the tree of a directory', () => {
  const tree = everyForm()
  assert.is(portrait(goesRound([tree]).tree), portrait(tree))
})

asRoot('gives an ordinary user everything that such a user may set', () => {
  const uid = 65534
  const folder = openFolder(uid)
  const as = (script: string, ...args: string[]) =>
    bash(
      `exec setpriv --reuid 65534 --regid 65534 --clear-groups env -u BASH_ENV HOME=/nonexistent bash -euc "$@"`,
      script,
      'bash',
      ...args
    )
  as(
    `cd "$1"; umask 027; mkdir -p tree/a/b tree/shared; seq 50000 > tree/a/numbers; ln tree/a/numbers tree/a/hard
    ln -s numbers tree/a/link; mkfifo tree/a/fifo; : > tree/a/empty; truncate -s 1M tree/a/hole
    setfacl -m u:12345:rw,g:54321:r,m::rw tree/a/numbers; setfacl -d -m u:12345:rwx tree/a/b; : > tree/a/b/inherits
    setfacl -m g::---,u:0:rwx tree/shared; setfattr -n user.note -v 0x00ff0a tree/a/numbers tree/a/b
    touch -d '2019-01-01 00:00:00.987654321' tree/a/numbers tree/a/b tree/a tree
    cd tree; tar --format=pax -cf ../t.tar .; getfacl -R -P -n . > ../acl; getfattr -R -P -h -d -m - . > ../xattrs`,
    folder
  )
  const store = join(folder, 'store')
  const run = { uid }
  composed(store, ['init', '--level', '1'], run)
  const listings = ['--acl', join(folder, 'acl'), '--xattrs', join(folder, 'xattrs')]
  composed(store, ['import', 'app/mine-1', join(folder, 't.tar'), ...listings], run)
  composed(store, ['export', 'app/mine-1', join(folder, 'out')], run)
  as(RESTORE, join(folder, 'out'), folder, TAR)
  assert.is(sha256OfFile(join(folder, 'out/layer.tar')), sha256OfFile(join(folder, 't.tar')))
  assert.is(portrait(join(folder, 'back'), { uid }), portrait(join(folder, 'tree'), { uid }))

  composed(store, ['import', 'app/mine-2', join(folder, 'tree')], run)
  composed(store, ['export', 'app/mine-2', join(folder, 'out2')], run)
  mkdirSync(join(folder, 'second'))
  chownSync(join(folder, 'second'), uid, uid)
  as(RESTORE, join(folder, 'out2'), join(folder, 'second'), TAR)
  assert.is(portrait(join(folder, 'second/back'), { uid }), portrait(join(folder, 'tree'), { uid }))
})

asRoot('keeps the set-id bits of every name of a file with an ACL', () => {
  const tree = join(scratch(), 'tree')
  bash(
    `mkdir "$1"; cd "$1"; printf x > a; ln a b; chmod 6755 a; setfacl -m u:12345:r-x a
    tar --format=pax -cf ../t.tar a b; getfacl -n -R . > ../acl`,
    tree
  )
  const folder = join(tree, '..')
  const came = goesRound([join(folder, 't.tar'), '--acl', join(folder, 'acl'), '--ignore-missing'])
  assert.is(bash('stat -c %a "$1/a" "$1/b"', came.tree).toString(), '6755\n6755\n')
  assert.match(bash('getfacl -n "$1/b" 2>/dev/null', came.tree).toString(), /^user:12345:r-x$/m)
})

asRoot('keeps the mode of a directory that the tarball has no entry for', () => {
  const tree = join(scratch(), 'tree')
  bash(
    `mkdir -p "$1/d"; cd "$1"; printf x > d/f; chmod 755 d; setfacl -d -m u:12345:rwx d
    tar -cf ../t.tar d/f; getfacl -n d > ../acl`,
    tree
  )
  const folder = join(tree, '..')
  const came = goesRound([join(folder, 't.tar'), '--acl', join(folder, 'acl')])
  assert.is(bash('stat -c %a "$1/d"', came.tree).toString(), '755\n')
})

roundTrip.run()
