import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { LayoutMaker, named } from '../../helpers/oci-layout.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, file } from '../../helpers/tar-make.ts'
import { composed, composeFails } from '../../helpers/warm-compose.ts'
import { quickStoreFolder } from './images.ts'

const LAYERS = [
  archive(file('etc/os', 'rocky'), file('etc/hosts', 'base'), file('usr/lib/old', 'x')),
  archive(file('etc/motd', 'hello')),
  archive(file('opt/tool/bin/tool', '1'), file('etc/.wh.motd', '')),
  archive(file('opt/tool/bin/tool', '2'), file('etc/hosts', 'mine'), file('usr/.wh.lib', ''))
]
const PATH = '/usr/bin:/bin'

/** A layout with the image of so many of the layers, called `image`. */
function layout(tars: Buffer[], environment: string[]): string {
  const maker = new LayoutMaker(join(scratch(), 'oci'))
  maker.index(named(maker.image(tars, { config: { config: { Env: environment } } }), 'image'))
  return maker.folder
}

const based = suite('sources: an image on a base that the store has')

function site(): { store: string; above: string } {
  const store = quickStoreFolder()
  composed(store, ['import', 'base/rocky-9.3', layout(LAYERS.slice(0, 2), [`PATH=${PATH}`, 'LANG=C'])])
  return { store, above: layout(LAYERS, [`PATH=/opt/tool/bin:${PATH}`, 'LANG=C', 'TOOL=1']) }
}

based(
  'keeps only the layers above, requires the base, and lists the paths of the base that it replaces',
  () => {
    const { store, above } = site()
    const report = composed(store, ['import', 'app/tool-1', above, '--base', 'base/rocky'])
    assert.equal(
      report.layers.map(({ tar }: { tar: string }) => tar),
      composed(store, ['import', 'base/whole-1', above])
        .layers.slice(2)
        .map(({ tar }: { tar: string }) => tar)
    )
    assert.equal(
      [report.requires, report.replaces.map(({ path }: { path: string }) => path)],
      [['base/rocky = 9.3'], ['/etc/hosts', '/etc/motd', '/usr/lib']]
    )
    assert.equal(composed(store, ['show', 'app/tool']).environment, [
      { operation: 'prepend', name: 'PATH', value: '/opt/tool/bin' },
      { operation: 'set', name: 'TOOL', value: '1' }
    ])
    const folder = scratch()
    const digest = (module: string) =>
      composed(store, ['build', join(folder, module.replace('/', '-')), module]).treeDigest
    assert.is(digest('app/tool'), digest('base/whole'))
  }
)

based('is refused with another base, with itself, and without an image', () => {
  const { store, above } = site()
  composed(store, ['import', 'base/other-1', layout([LAYERS[1], LAYERS[0]], [])])
  composed(store, ['import', 'base/moved-1', layout([LAYERS[0]], []), '--prefix', 'x'])
  composed(store, ['import', 'base/long-1', layout([...LAYERS, LAYERS[0]], [])])
  const refused = (source: string, base: string) =>
    composeFails(store, ['import', 'app/tool-1', source, '--base', base], 2).message
  assert.match(refused(above, 'base/other'), /was not made on base\/other-1: layer 1 differs/)
  assert.match(refused(above, 'base/long'), /it has 4 layers, the base has 5/)
  assert.match(refused(above, 'base/moved'), /imported with --strip, --prefix or --owner/)
  assert.match(refused(layout(LAYERS.slice(0, 2), []), 'base/rocky'), /has no layer above/)
  assert.match(refused(scratch(), 'base/rocky'), /--base leaves out/)
})

needing(based, 'skopeo')('is found again in the archive that skopeo makes of the image', () => {
  const { store, above } = site()
  const tar = join(scratch(), 'image.tar')
  bash('skopeo copy --quiet "oci:$1:image" "docker-archive:$2:image:1"', above, tar)
  const { layers } = composed(store, ['import', 'app/tool-1', tar, '--base', 'base/rocky-9.3'])
  assert.is(layers.length, 2)
})

based.run()
