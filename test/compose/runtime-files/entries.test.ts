import * as assert from 'uvu/assert'
import type { MergedTree } from '../../../compose/merge/merged-tree.ts'
import { findPath } from '../../../compose/merge/walk-tree.ts'
import { shadowedPaths } from '../../../compose/runtime-files/generated-entries.ts'
import { Kind, stringAt } from '../../../store/object/layer-index.ts'
import { formatCid, manifestCid } from '../../../store/values/digest.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, file, header } from '../../helpers/tar-make.ts'
import { composeStack, layerId, recordOf, textOf } from './compose-image.ts'

const link = (name: string, linkName: string) => header({ name, type: '2', linkName })
const folder = (name: string, mode = '0000755') => header({ name, type: '5', mode })

function linkTarget(tree: MergedTree, path: string): string | undefined {
  const found = findPath(tree, path)
  if (found?.kind !== Kind.symlink) return undefined
  const { index } = tree.layers[tree.inodeLayer[found.inode]]
  return Buffer.from(stringAt(index, index.payload[tree.inodeSource[found.inode]])).toString('latin1')
}

const modeAt = (tree: MergedTree, path: string): number => {
  const { inode } = findPath(tree, path)!
  return tree.layers[tree.inodeLayer[inode]].index.mode[tree.inodeSource[inode]]
}

const entries = suite('generated: entries')

entries('come sorted, parents first, and the same for the same stack', async () => {
  const stack = [{ name: 'base/small-1' }, { name: 'app/tool-2' }]
  const [first, second] = [await composeStack(stack), await composeStack(stack)]
  assert.equal(first.entries, second.entries)
  const paths = first.entries.map(({ path }) => path)
  assert.equal(paths, [...paths].sort())
  assert.is(new Set(paths).size, paths.length)
})

entries('keep each record byte for byte, so that its id can be checked', async () => {
  const { entries } = await composeStack([{ name: 'base/small-1', record: { summary: 'grüße' } }])
  const { content } = entries.find(({ path }) => path === '.compose/modules/base/small-1.json')!
  const id = formatCid(manifestCid(content!))
  assert.match(textOf(entries, '.singularity.d/Singularity'), `record ${id}`)
})

entries('hold the lock and the layer list as they were given, readable and not writable', async () => {
  const { entries } = await composeStack([{ name: 'base/small-1' }])
  assert.is(textOf(entries, '.compose/lock'), '{"strata":"lock"}\n')
  assert.is(textOf(entries, '.compose/layers'), 'layer record name\n')
  for (const { path, kind, mode } of entries)
    if (path.startsWith('.compose')) assert.is(mode, kind === 'directory' ? 0o755 : 0o444, path)
})

entries('of bare layers alone are whole, without records', async () => {
  const { entries } = await composeStack([{}])
  assert.not(entries.some(({ path }) => path.endsWith('.json') && path.startsWith('.compose')))
  assert.match(textOf(entries, '.singularity.d/Singularity'), `layer ${formatCid(layerId('nobody'))}`)
})

entries('refuse a module that brings /.compose, and one that stands twice', async () => {
  const tar = archive(folder('.compose/'), file('.compose/lock', 'of another image'))
  await refusedLater(
    composeStack([{ name: 'base/small-1', tar }]),
    'CONFLICT',
    /base\/small-1 brings \/\.compose/
  )
  await refusedLater(
    composeStack([{ name: 'lib/a-1' }, { name: 'lib/a-1' }]),
    'STACK_INVALID',
    /lib\/a-1 stands twice/
  )
})

const fills = suite('generated: beside the modules')

fills('replaces no files of modules, and names those that it could not write', async () => {
  const tar = archive(
    folder('etc/'),
    file('etc/passwd', 'ours'),
    folder('tmp/', '0000700'),
    folder('ch/'),
    file('ch/environment', 'FROM=module\n'),
    file('singularity', 'a file')
  )
  const { entries, merged, tree } = await composeStack([{ name: 'base/small-1', tar }])
  for (const path of ['etc/passwd', 'ch/environment', 'singularity'])
    assert.is(merged.inodeLayer[findPath(merged, path)!.inode], 0, path)
  assert.is(modeAt(merged, 'tmp'), 0o700)
  assert.is(modeAt(merged, 'var/tmp'), 0o1777)
  assert.equal(shadowedPaths(entries, tree), ['ch/environment', 'singularity'])
})

fills('goes through links to directories inside the tree, also absolute ones', async () => {
  const tar = archive(
    ...['usr/', 'usr/bin/', 'run/', 'data/', 'data/home/', 'data/etc/', 'var/', 'var/tmp/'].map(name =>
      folder(name)
    ),
    link('bin', 'usr/bin'),
    link('var/run', '/run'),
    link('home', '/data/home'),
    link('etc', 'data/etc'),
    link('tmp', '/var/tmp')
  )
  const { merged } = await composeStack([{ name: 'base/small-1', tar }])
  assert.equal(
    ['bin', 'var/run', 'home', 'etc', 'tmp'].map(path => linkTarget(merged, path)),
    ['usr/bin', '/run', '/data/home', 'data/etc', '/var/tmp']
  )
  assert.ok(findPath(merged, 'data/etc/passwd'))
  assert.ok(findPath(merged, 'data/etc/profile.d/zz-compose.sh'))
})

fills('leaves links alone that lead nowhere, out of the tree or in a circle', async () => {
  const tar = archive(
    folder('etc/'),
    link('etc/resolv.conf', '../run/systemd/resolve/stub-resolv.conf'),
    link('etc/profile.d', '/absent'),
    link('home', '../../outside'),
    link('mnt', 'mnt'),
    link('tmp', '/scratch/tmp')
  )
  const { merged } = await composeStack([{ name: 'base/small-1', tar }])
  assert.equal(
    ['etc/resolv.conf', 'etc/profile.d', 'home', 'mnt', 'tmp'].map(path => linkTarget(merged, path)),
    ['../run/systemd/resolve/stub-resolv.conf', '/absent', '../../outside', 'mnt', '/scratch/tmp']
  )
})

fills('puts the environment behind that of a module that was an Apptainer image', async () => {
  const tar = archive(
    folder('.singularity.d/'),
    folder('.singularity.d/env/'),
    file('.singularity.d/env/90-environment.sh', '#!/bin/sh\n')
  )
  const { merged, entries } = await composeStack([{ name: 'base/small-1', tar }])
  assert.is(merged.inodeLayer[findPath(merged, '.singularity.d/env/90-environment.sh')!.inode], 0)
  assert.is(linkTarget(merged, 'environment'), '.singularity.d/env/92-environment.sh')
  assert.match(textOf(entries, '.singularity.d/env/92-environment.sh'), '#!/bin/sh')
})

const described = suite('generated: what apptainer inspect shows')

const labelsOf = async (stack: Parameters<typeof composeStack>[0]): Promise<Record<string, string>> =>
  JSON.parse(textOf((await composeStack(stack)).entries, '.singularity.d/labels.json'))

described(
  'labels: a later module’s over an earlier one’s, the image as a whole after its application',
  async () => {
    const labels = await labelsOf([
      {
        name: 'base/debian-12',
        record: {
          license: 'GPL-2.0 OR MIT',
          labels: { site: 'base', kept: 'yes', 'org.opencontainers.image.version': '12.5' }
        }
      },
      { name: 'app/tool-3.1', record: { kind: 'application', summary: 'A tool', license: 'MIT' } },
      { name: 'lib/extra-1', record: { labels: { site: 'extra' }, license: 'MIT' } }
    ])
    assert.equal(labels, {
      kept: 'yes',
      'org.label-schema.schema-version': '1.0',
      'org.opencontainers.image.description': 'A tool',
      'org.opencontainers.image.licenses': '(GPL-2.0 OR MIT) AND MIT',
      'org.opencontainers.image.title': 'app/tool',
      'org.opencontainers.image.version': '3.1',
      site: 'extra'
    })
  }
)

described('runscript: that of the topmost module that has one, with an interpreter', async () => {
  const { entries } = await composeStack([
    { name: 'lib/a-1', record: { runscript: '#!/bin/bash\necho a\n' } },
    { name: 'lib/b-1', record: { runscript: 'echo b' } },
    { name: 'lib/c-1' }
  ])
  assert.is(textOf(entries, '.singularity.d/runscript'), '#!/bin/sh\necho b\n')
})

described('recipe and help: every module, with what it was made from', async () => {
  const origin = recordOf('lib/a-1').origin.concat({ kind: 'tar', name: 'a.tar.xz' })
  const { entries } = await composeStack([
    { name: 'lib/a-1', record: { origin, summary: 'Letters', help: 'How to use a.' } },
    { name: 'lib/b-1' }
  ])
  const recipe = textOf(entries, '.singularity.d/Singularity')
  assert.match(recipe, 'Bootstrap: scratch\n')
  assert.match(recipe, '#   from tar a.tar.xz\n')
  assert.match(recipe, '# lib/b-1\n')
  assert.is(
    textOf(entries, '.singularity.d/runscript.help'),
    'How to use a.\n\nModules in this image, bottom to top:\n  lib/a-1: Letters\n  lib/b-1\n'
  )
})

entries.run()
fills.run()
described.run()
