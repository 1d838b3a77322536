import { execFileSync } from 'node:child_process'
import { fstatSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { beginImage, linkImage } from '../../../compose/link/link-image.ts'
import { addLayer, mergeLayers } from '../../../compose/merge/merge-layers.ts'
import { ImageReader } from '../../../compose/squashfs/reader.ts'
import type { StrataError } from '../../../store/values/errors.ts'
import { needing } from '../../helpers/needs.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { buildImage, compile, keepMode, PROFILE, stackOf } from '../helpers/compile.ts'
import { layer, tarOf } from '../helpers/tar-layer.ts'

const link = suite('linkImage')

const small = () => layer('a=1', 'd/', ['d/b', { content: Buffer.alloc(300000, 'b') }])

link('a failure leaves neither an image nor a temporary file, and an older image as it was', async () => {
  const folder = scratch()
  const target = join(folder, 'image')
  writeFileSync(target, 'older')
  const part = await small()
  const cut = { ...part, data: (part.data as Buffer).subarray(0, 10) }
  for (const [work, code] of [
    [() => buildImage([cut], target), 'OBJECT_CORRUPT'],
    [() => buildImage([part], join(folder, 'missing', 'image')), 'IO']
  ] as const)
    try {
      await work()
      assert.unreachable()
    } catch (error) {
      assert.is((error as StrataError).code, code)
    }
  assert.equal(readdirSync(folder), ['image'])
  assert.is(readFileSync(target, 'latin1'), 'older')
})

link(
  "until it has its name a file is its owner's alone, and whoever sets its access sees it whole",
  async () => {
    const folder = scratch()
    const part = await small()
    let mode = 0
    const tree = mergeLayers(stackOf([part]))
    const admit = (fd: number) => {
      mode = fstatSync(fd).mode & 0o7777
      assert.equal(
        readdirSync(folder).filter(name => !name.endsWith('.tmp')),
        []
      )
      assert.is([...new ImageReader(fd, 'under way').walk()].length, 4)
    }
    await linkImage(tree, [part.data], { target: join(folder, 'image'), modeOf: keepMode, admit })
    assert.is(mode, 0o600)
    assert.is(statSync(join(folder, 'image')).size % 4096, 0)
  }
)

needing(link, 'unsquashfs')(
  'a layer that comes while others are copied is as if it had been there',
  async () => {
    const folder = scratch()
    const target = join(folder, 'image')
    const below = await small()
    const tail = Buffer.alloc(200000, 'g')
    const above = await layer('a=hidden by the one below', 'z/', ['z/g', { content: tail }], 'z/small=s')
    const stack = stackOf([below, { ...above, role: 'generated' }])
    const modules = mergeLayers(stack.slice(0, 1))
    const image = beginImage(modules, [below.data], { target, sync: false })
    const tree = addLayer(modules, stack[1])
    const report = await image.finish(tree, [above.data], { modeOf: keepMode })
    assert.is(report.repackedFragments, 1, 'that of the hidden file')
    const content = (path: string) =>
      execFileSync('unsquashfs', ['-cat', target, path], { maxBuffer: 1 << 20 })
    assert.is(content('a').toString(), '1')
    assert.ok(content('d/b').equals(Buffer.alloc(300000, 'b')))
    assert.ok(content('z/g').equals(tail))
    assert.is(content('z/small').toString(), 's')
    assert.not.ok(readFileSync(target).includes('hidden by the one below'))
  }
)

link('an image that is given up leaves nothing, however far it got', async () => {
  const folder = scratch()
  const part = await small()
  const image = beginImage(mergeLayers(stackOf([part])), [part.data], { target: join(folder, 'image') })
  await image.abandon()
  assert.equal(readdirSync(folder), [])
})

link('an error while access is set leaves nothing', async () => {
  const folder = scratch()
  const part = await small()
  const admit = () => {
    throw new TypeError('no such group')
  }
  const options = { target: join(folder, 'image'), modeOf: keepMode, admit, sync: false }
  await linkImage(mergeLayers(stackOf([part])), [part.data], options).then(
    () => assert.unreachable(),
    error => assert.instance(error, TypeError)
  )
  assert.equal(readdirSync(folder), [])
})

link('layers of different block sizes or compressors are a mistake of the caller', async () => {
  const tar = tarOf(['a=1'])
  const parts = [await compile(tar), await compile(tar, { ...PROFILE, blockSize: 4096 })]
  await buildImage(parts, join(scratch(), 'image')).then(
    () => assert.unreachable(),
    error => assert.instance(error, TypeError)
  )
})

link('layers packed at different levels go into one image, equal large files included', async () => {
  const content = Buffer.from(Array.from({ length: 400_000 }, (_, i) => `${i * 7919}`).join(','))
  const one = await compile(
    tarOf([
      ['a', { content }],
      ['x', { content: content.subarray(0, 5000) }]
    ])
  )
  const two = await compile(
    tarOf([
      ['b', { content }],
      ['y', { content: content.subarray(9, 5000) }]
    ]),
    { ...PROFILE, level: 19 }
  )
  const target = join(scratch(), 'image')
  await buildImage([one, two], target)
  const reader = new ImageReader(readFileSync(target), target)
  const read = (path: string) => {
    const pieces: Buffer[] = []
    for (const piece of reader.content(reader.find(path)!)) pieces.push(Buffer.from(piece))
    return Buffer.concat(pieces)
  }
  for (const path of ['a', 'b']) assert.ok(read(path).equals(content), path)
  assert.ok(read('y').equals(content.subarray(9, 5000)))
})

link('modes of paths with an ACL come from the caller, by owner and kind, once each', async () => {
  const part = await layer('d/', 'd/f=1', 'd/g=1', ['d/h=1', { uid: 5 }], 'plain=1')
  const acl = Buffer.from('0200000001000700ffffffff', 'hex')
  const index = {
    ...part.index,
    acl: Uint32Array.from(part.index.kind, (_, i) =>
      i === part.index.kind.length - 4 ? 0 : i === 0 ? 0 : 1
    ),
    aclAccess: Uint32Array.of(0),
    aclDefault: Uint32Array.of(0xffffffff),
    stringPool: acl,
    stringStart: Uint32Array.of(0, acl.length)
  }
  const asked: string[] = []
  const target = join(scratch(), 'image')
  const { tree } = await buildImage([{ ...part, index }], target, {
    modeOf: (mode, access, kind, uid) => {
      asked.push(`${mode.toString(8)} ${kind} ${uid} ${access.length}`)
      return 0o700 + uid
    }
  })
  const bearing = [...index.acl].filter(acl => acl !== 0).length
  assert.ok(asked.length < bearing, 'equal combinations are asked about once')
  const reader = new ImageReader(readFileSync(target), target)
  for (const { path, inode } of reader.walk()) {
    const has = reader.attributes(inode).has('user.strata.acl.access')
    assert.is(inode.mode === 0o700 || inode.mode === 0o705, has, path)
  }
  assert.is(tree.inodeKind.length, index.kind.length)
})

link.run()
