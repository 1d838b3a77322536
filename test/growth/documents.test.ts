/** Texts that people or programs wrote: stacks, specs, locks, listings, scripts. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { is } from 'uvu/assert'
import { HostTree } from '../../compose/sources/host/host-tree.ts'
import { readLoaderCache } from '../../compose/sources/host/loader-cache.ts'
import { parseAssignments } from '../../compose/sources/shell-assignments.ts'
import { compressorVersion, IMAGE_FORMAT } from '../../compose/stack/image-parameters.ts'
import { parseLayerList } from '../../compose/stack/layer-list.ts'
import { formatLock, parseLock } from '../../compose/stack/lock-file.ts'
import { parseStack } from '../../compose/stack/stack-file.ts'
import { IdNames } from '../../store/accounts/id-names.ts'
import type { Acl } from '../../store/acl/acl.ts'
import { parseGetfacl } from '../../store/acl/getfacl-text.ts'
import { parseGetfattr } from '../../store/acl/getfattr-text.ts'
import { decodeSidecar } from '../../store/acl/sidecar-decode.ts'
import { encodeSidecar } from '../../store/acl/sidecar-encode.ts'
import { decodeRecord, encodeRecord } from '../../store/module/record.ts'
import { parseRequirement } from '../../store/module/requirement.ts'
import { parseDeb822 } from '../../store/package/deb822.ts'
import { formatCid, manifestCid } from '../../store/values/digest.ts'
import { refusedLater } from '../helpers/refused.ts'
import { scratch } from '../helpers/scratch.ts'
import { suite } from '../helpers/suite.ts'
import { growsLinearly } from './growth.ts'

const documents = suite('documents')

const many = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => make(index)).join('')

const LAYER = manifestCid(Buffer.from('layer'))

const LOCK = {
  parameters: {
    format: IMAGE_FORMAT,
    compressorVersion: compressorVersion('zstd'),
    profile: { compressor: 'zstd' as const, level: 15, blockSize: 131072 },
    audience: 'everyone',
    aclModes: 'audience' as const,
    onConflict: 'error' as const,
    bare: false
  },
  treeDigest: 'ab'.repeat(32)
}

const RECORD = {
  category: 'lib',
  name: 'a',
  version: '1',
  kind: 'library' as const,
  layers: [LAYER],
  accessGroups: [],
  redistributable: true,
  allowPrivileged: false,
  hidden: false,
  origin: []
}

const acl = (users: number): Acl => ({
  entries: [
    { tag: 'user_obj', perm: 7 },
    ...Array.from({ length: users }, (_, index) => ({ tag: 'user' as const, id: 1000 + index, perm: 5 })),
    { tag: 'group_obj', perm: 5 },
    { tag: 'mask', perm: 5 },
    { tag: 'other', perm: 0 }
  ]
})

documents('a stack in a form that only YAML has', () =>
  growsLinearly({
    size: 500,
    make: size =>
      `modules: [${Array.from({ length: size }, (_, index) => `"lib/a${index}-1"`).join(', ')}]\n`,
    run: text => parseStack(text, 'stack.yaml')
  })
)

for (const [title, text] of [
  ['anchors of anchors', `help: ${'&a '.repeat(100_000)}`],
  ['keys that stand again and again', 'a: 1\n'.repeat(50_000)],
  ['lists in lists', `modules: ${'['.repeat(50_000)}`],
  ['two megabytes of comment', `${'# x\n'.repeat(1 << 19)}modules: []\n`]
])
  documents(`refused: ${title} in a stack`, async () => {
    await refusedLater(parseStack(text!, 'stack.yaml'), 'STACK_INVALID', /tokens|deep|characters/)
  })

documents('lines of a plain stack', () =>
  growsLinearly({
    size: 1000,
    make: size => `modules:\n${many(size, i => `  - lib/a${i}-1 # why\n`)}`,
    run: text => parseStack(text, 'stack.yaml')
  })
)

documents('versions and comments of a stack', () =>
  growsLinearly({
    size: 400,
    make: size =>
      `# x\n${many(size, i => `# ${i}\n`)}modules:\n${many(size, i => `- lib/a${i} >= 1, < 2\n`)}`,
    run: text => parseStack(text, 'stack.yaml')
  })
)

documents('modules and layers of a lock', () =>
  growsLinearly({
    size: 200,
    make: size =>
      formatLock({
        ...LOCK,
        modules: Array.from({ length: size }, (_, i) => ({
          name: `lib/a${i}-1`,
          record: LAYER,
          layers: [LAYER, LAYER]
        }))
      }),
    run: text => formatLock(parseLock(text, 'lock'))
  })
)

documents('lines of a layer list', () =>
  growsLinearly({
    size: 400,
    make: size => many(size, i => `${formatCid(LAYER)} ${formatCid(LAYER)} lib/a${i}-1\n`),
    run: text => parseLayerList(text, 'list')
  })
)

documents('what a record says of other modules, of variables and of paths', () =>
  growsLinearly({
    size: 300,
    make: size => {
      const each = <T>(make: (index: number) => T): T[] => Array.from({ length: size }, (_, i) => make(i))
      return encodeRecord({
        ...RECORD,
        requires: each(i => parseRequirement(`lib/a${i} >= 1`, 'x')),
        conflicts: each(i => parseRequirement(`lib/b${i}`, 'x')),
        environment: each(i => ({ operation: 'set' as const, name: `A${i}`, value: 'x' })),
        labels: Object.fromEntries(each(i => [`org.example.${i}`, 'x'])),
        replaces: each(i => `opt/x${i}`)
      })
    },
    run: bytes => decodeRecord(bytes, 'record')
  })
)

documents('entries of a sidecar', () =>
  growsLinearly({
    size: 500,
    make: size =>
      encodeSidecar({
        entries: Array.from({ length: size }, (_, i) => ({
          path: `d/f${i}`,
          acl: acl(3),
          attributes: new Map([['user.x', Buffer.from(`${i % 9}`)]])
        })),
        users: new Map(Array.from({ length: size }, (_, i) => [i, `user${i}`])),
        groups: new Map()
      }),
    run: bytes => decodeSidecar(bytes)
  })
)

documents('one ACL of a sidecar', () =>
  growsLinearly({
    size: 1000,
    make: size =>
      encodeSidecar({ entries: [{ path: 'f', acl: acl(size) }], users: new Map(), groups: new Map() }),
    run: bytes => decodeSidecar(bytes)
  })
)

documents('blocks of a getfacl listing', () =>
  growsLinearly({
    size: 500,
    make: size =>
      Buffer.from(
        many(
          size,
          i =>
            `# file: f${i}\n# owner: 0\n# group: 0\nuser::rwx\nuser:${i}:r-x\ngroup::r-x\nmask::r-x\nother::---\n\n`
        )
      ),
    run: text => parseGetfacl(text, { source: 'listing', resolve: new IdNames() })
  })
)

documents('entries of one block of a getfacl listing', () =>
  growsLinearly({
    size: 1000,
    make: size =>
      Buffer.from(
        `# file: f\nuser::rwx\n${many(size, i => `user:${i}:r-x\t#effective:r-x\n`)}group::r-x\nmask::r-x\nother::---\n\n`
      ),
    run: text => parseGetfacl(text, { source: 'listing', resolve: new IdNames() })
  })
)

documents('libraries of the cache of a loader', () =>
  growsLinearly({
    size: 1000,
    make: size => {
      const root = scratch()
      mkdirSync(join(root, 'etc'))
      writeFileSync(join(root, 'etc/ld.so.cache'), loaderCache(size))
      return root
    },
    run: root => {
      const tree = new HostTree(root)
      is(readLoaderCache(tree).size > 0, true)
      tree.close()
    }
  })
)

function loaderCache(count: number): Buffer {
  const texts = Array.from({ length: count }, (_, i) => `lib${i}.so\0/lib/lib${i}.so\0`)
  const bytes = Buffer.alloc(48 + 24 * count)
  bytes.write('glibc-ld.so.cache1.1', 'latin1')
  bytes.writeUInt32LE(count, 20)
  bytes.writeUInt32LE(texts.join('').length, 24)
  let at = bytes.length
  texts.forEach((text, i) => {
    bytes.writeUInt32LE(at, 48 + 24 * i + 4)
    bytes.writeUInt32LE(at + text.indexOf('\0') + 1, 48 + 24 * i + 8)
    at += text.length
  })
  return Buffer.concat([bytes, Buffer.from(texts.join(''), 'latin1')])
}

documents('assignments of a script', () =>
  growsLinearly({
    size: 500,
    make: size => Array.from({ length: size }, (_, index) => `export A${index}="x $HOME 'y'"\n`).join(''),
    run: script => parseAssignments(script.replaceAll('$HOME ', ''), 'script')
  })
)

documents('words of one line of a script', () =>
  growsLinearly({
    size: 500,
    make: size =>
      `export ${Array.from({ length: size }, (_, index) => `A${index}="${'x'.repeat(20)}"   `).join('')}`,
    run: script => parseAssignments(script, 'script')
  })
)

documents('blocks of a getfattr listing', () =>
  growsLinearly({
    size: 500,
    make: size =>
      Buffer.from(Array.from({ length: size }, (_, index) => `# file: f${index}\nuser.x=0x00\n\n`).join('')),
    run: text => parseGetfattr(text, 'listing')
  })
)

documents('fields of a paragraph, and lines that continue one', () =>
  growsLinearly({
    size: 1000,
    make: size => `Package: x\nDescription: y\n${' more\n'.repeat(size)}${'A: b\n'.repeat(size)}`,
    run: text => [...parseDeb822(text)].length
  })
)

documents.run()
