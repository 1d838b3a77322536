import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { composeStack, textOf } from './compose-image.ts'

const acl = suite('generated: /.compose/acl')

/** The ACLs that getfacl prints for the whole tree, with numeric ids, in the byte order of the paths. */
const listed = (root: string): string =>
  bash('cd "$1" && find . -print0 | sort -z | xargs -0 getfacl -n -P 2>/dev/null', root).toString('latin1')

needing(
  acl,
  'root',
  'setfacl',
  'unsquashfs'
)('restores every ACL of an image that was unpacked', async () => {
  const folder = scratch()
  const [tree, image, unpacked] = ['tree', 'image.sqfs', 'unpacked'].map(name => `${folder}/${name}`)
  mkdirSync(tree)
  bash(
    `cd "$1"
    mkdir -p 'opt/a b' ' leading' "$(printf 'bytes\\377\\\\')" shared
    echo x > 'opt/a b/file'; echo x > ' leading/ file'; echo x > "$(printf 'bytes\\377\\\\/tab\\there')"
    echo x > "$(printf 'new\\nline')"; echo x > plain; echo x > setgid; ln plain opt/link
    ln -s plain shared/symlink
    chown 1000:2000 plain setgid; chmod 2755 setgid shared; chmod 1777 opt
    setfacl -m u:4000:rwx,g:70000:--x,m::r-x 'opt/a b' 'opt/a b/file' ' leading/ file' bytes*/* new* plain setgid .
    setfacl -d -m u:4000:rwx,g:4005:r-x shared ' leading' bytes*
    setfacl -m u:4006:rwx shared
    tar --acls --xattrs --numeric-owner -cf ../tree.tar .`,
    tree
  )
  const before = listed(tree)
  const stack = await composeStack([{ name: 'base/small-1', tar: `${tree}.tar` }])
  await stack.writeImage(image)
  bash('unsquashfs -q -n -no-xattrs -d "$2" "$1" >/dev/null', image, unpacked)
  // Generated files are not compared.
  const listing = execFileSync('unsquashfs', ['-cat', image, '.compose/acl'])
  for (const { path } of stack.entries)
    if (path !== 'opt') bash('rm -rf "$1/$2"', unpacked, path.split('/')[0])
  assert.is.not(listed(unpacked), before, 'an image by itself brings no ACLs back')
  execFileSync('setfacl', ['--restore=-'], { cwd: unpacked, input: listing })
  assert.is(listed(unpacked), before)
  await stack.close()
})

acl('is empty where nothing has an ACL', async () => {
  const { entries } = await composeStack([{ name: 'base/small-1' }])
  assert.is(textOf(entries, '.compose/acl'), '')
})

acl.run()
