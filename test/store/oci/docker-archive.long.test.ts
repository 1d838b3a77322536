import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import { openPiped } from '../../../compose/sources/oci-source.ts'
import { IdNames } from '../../../store/accounts/id-names.ts'
import { importModule } from '../../../store/import/import-module.ts'
import { parseModuleName } from '../../../store/module/name.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { sha256Of } from '../../../store/values/digest.ts'
import { DEFAULT_LIMITS } from '../../../store/values/limits.ts'
import { needing } from '../../helpers/needs.ts'
import { LayoutMaker, MANIFEST, sha256, tarOf } from '../../helpers/oci-layout.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { type ImportIntoOptions, importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { archive, header, padded, pax } from '../../helpers/tar-make.ts'

const docker = suite('oci: image archives')

const PLATFORM = { os: 'linux', architecture: 'amd64' }

const take = (store: Repository, path: string, options: ImportIntoOptions = {}) =>
  importInto(store, 'base/x-1', [path], { platform: PLATFORM, replace: true, ...options })

const member = (name: string, content: Buffer | string): Buffer =>
  Buffer.concat([header({ name, size: Buffer.byteLength(content) }), padded(content)])

const folder = (name: string): Buffer => header({ name, type: '5', mode: '0000755\0' })
const link = (name: string, linkName: string): Buffer => header({ name, type: '2', linkName })

const TARS = [tarOf('a', 'lower'), tarOf('b', 'upper')]
const HEX = (bytes: Buffer | string) => sha256(bytes).slice(7)
/** Ids of layers as docker up to 24 made them: hashes of something, not of the tar. */
const IDS = TARS.map((_, i) => HEX(`id ${i}`))

const configOf = (tars: Buffer[], fields: object = {}): string =>
  JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: tars.map(sha256) },
    ...fields
  })

function written(...parts: Buffer[]): string {
  const path = join(scratch(), 'image.tar')
  writeFileSync(path, archive(...parts))
  return path
}

const manifestJson = (...images: object[]): Buffer => member('manifest.json', JSON.stringify(images))

/** The form in which docker up to 24 saved one image: folders by layer; the layer of an earlier image is a link. */
function oldForm(config: string, fields: object = {}): Buffer[] {
  return [
    folder(`${IDS[0]}/`),
    member(`${IDS[0]}/VERSION`, '1.0'),
    member(`${IDS[0]}/json`, '{}'),
    member(`${IDS[0]}/layer.tar`, TARS[0]),
    folder(`${IDS[1]}/`),
    member(`${IDS[1]}/layer.tar`, TARS[1]),
    member(`${HEX(config)}.json`, config),
    manifestJson({
      Config: `${HEX(config)}.json`,
      RepoTags: ['repo/app:v1'],
      Layers: IDS.map(id => `${id}/layer.tar`),
      ...fields
    }),
    member('repositories', '{}')
  ]
}

const tarHashes = ({ layers }: Awaited<ReturnType<typeof take>>) =>
  layers.map(({ manifest }) => `sha256:${sha256Of(manifest.tar)}`)

docker('the folders of docker save become layers, and the config describes the image', async () => {
  const store = await newStore()
  const config = configOf(TARS, { config: { Cmd: ['/bin/sh'] } })
  const report = await take(store, written(...oldForm(config)))
  assert.equal(tarHashes(report), TARS.map(sha256))
  assert.equal(report.origin, [
    {
      kind: 'oci',
      name: 'image.tar',
      sha256: HEX(config),
      reference: 'repo/app:v1',
      platform: 'linux/amd64'
    }
  ])
})

docker(
  'an empty index beside a good manifest.json is passed over, one that lists images is not',
  async () => {
    const store = await newStore()
    const config = configOf(TARS)
    const layout = (index: object) => [
      member('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
      member('index.json', JSON.stringify({ schemaVersion: 2, ...index }))
    ]
    for (const manifests of [null, []]) {
      const report = await take(store, written(...layout({ manifests }), ...oldForm(config)))
      assert.equal(
        report.layers.map(({ manifest }) => sha256Of(manifest.tar)),
        TARS.map(HEX)
      )
      assert.is(report.origin[0].sha256, HEX(config))
    }
    const lost = { mediaType: MANIFEST, digest: sha256('x'), size: 1 }
    const both = written(...layout({ manifests: [lost] }), ...oldForm(config))
    await refusedLater(take(store, both), 'SOURCE_INVALID', /blob sha256:[0-9a-f]+ is missing/)
    const neither = written(...layout({ manifests: null }))
    await refusedLater(take(store, neither), 'SOURCE_INVALID', /manifests: found nothing, wanted a list/)
  }
)

docker('layers that are links to others of the archive are followed, and none out of it', async () => {
  const store = await newStore()
  const config = configOf([TARS[0], TARS[0]])
  const image = (target: string) =>
    written(
      member(`${IDS[0]}.tar`, TARS[0]),
      folder(`${IDS[1]}/`),
      link(`${IDS[1]}/layer.tar`, target),
      member(`${HEX(config)}.json`, config),
      manifestJson({ Config: `${HEX(config)}.json`, Layers: [`${IDS[0]}.tar`, `${IDS[1]}/layer.tar`] })
    )
  assert.equal(tarHashes(await take(store, image(`../${IDS[0]}.tar`))), [sha256(TARS[0]), sha256(TARS[0])])
  for (const [target, message] of [
    ['../../etc/shadow', /is a link out of the archive/],
    ['/etc/shadow', /is a link out of the archive/],
    ['layer.tar', /leads round in a circle/],
    ['../gone.tar', /which is not there/]
  ] as const)
    await refusedLater(take(store, image(target)), 'SOURCE_INVALID', message)
})

docker('of several images the one that --ref names is taken, however short the name', async () => {
  const store = await newStore()
  const configs = TARS.map(tar => configOf([tar]))
  const images = TARS.map((_, i) => ({
    Config: `${HEX(configs[i])}.json`,
    RepoTags: [[`docker.io/library/debian:latest`, 'docker.io/repo/app:v1'][i]],
    Layers: [`${HEX(TARS[i])}.tar`]
  }))
  const path = written(
    ...TARS.map(tar => member(`${HEX(tar)}.tar`, tar)),
    ...configs.map(config => member(`${HEX(config)}.json`, config)),
    manifestJson(...images)
  )
  const error = await refusedLater(take(store, path), 'SOURCE_CHOICE', /holds several images/)
  assert.equal(error.facts.references, ['docker.io/library/debian:latest', 'docker.io/repo/app:v1'])
  for (const reference of ['debian', 'debian:latest', 'docker.io/library/debian:latest', HEX(configs[0])])
    assert.equal(tarHashes(await take(store, path, { reference })), [sha256(TARS[0])])
  assert.equal(tarHashes(await take(store, `${path}:repo/app:v1`)), [sha256(TARS[1])])
  await refusedLater(take(store, path, { reference: 'debian:12' }), 'SOURCE_CHOICE', /no image "debian:12"/)
})

docker('a damaged archive is refused with its part, and nothing is published', async () => {
  const store = await newStore()
  const config = configOf(TARS)
  const cases: [Buffer[], RegExp][] = [
    [oldForm(config, { Layers: [`${IDS[0]}/layer.tar`] }), /2 diffIDs, but the manifest has 1 layers/],
    [oldForm(config, { Layers: [`${IDS[0]}/layer.tar`, 'x.tar'] }), /layer 2 of 2, x.tar: is missing/],
    [oldForm(config, { Layers: ['../x', 'y'] }), /layer 1 of 2, ..\/x: is not a path within the archive/],
    [oldForm(config, { Config: 'other.json' }), /config other.json: is missing/],
    [oldForm(config, { Config: 7 }), /Config: found 7, wanted a string/],
    [oldForm(configOf([TARS[1], TARS[0]])), /decompressed it hashes to .*the config says/],
    [[...oldForm(config), member(`${HEX(config)}.json`, `${config} `)], /config .* hashes to .* damaged/],
    [[...oldForm(config), member('manifest.json', '[]')], /manifest.json: lists no image/],
    [[...oldForm(config), member('manifest.json', '{}')], /manifest.json: found a map, wanted a list/]
  ]
  for (const [parts, message] of cases)
    await refusedLater(take(store, written(...parts)), 'SOURCE_INVALID', message)
  await refusedLater(
    take(store, written(...oldForm(configOf(TARS, { architecture: 'arm64' })))),
    'SOURCE_CHOICE',
    /no image for linux\/amd64/
  )
  assert.not(existsSync(join(store.root, 'refs/modules/base/x')))
})

docker(
  'an archive with a layout in it, as docker writes since 25, is read as the layout that it is',
  async () => {
    const store = await newStore()
    const made = new LayoutMaker(join(scratch(), 'layout'))
    const image = made.image(TARS)
    const annotations = {
      'io.containerd.image.name': 'docker.io/library/debian:12',
      'org.opencontainers.image.ref.name': '12'
    }
    made.index({ ...image, annotations })
    made.write('manifest.json', '[]')
    made.write('repositories', '{}')
    const path = join(scratch(), 'saved.tar')
    bash('tar -C "$1" -cf "$2" .', made.folder, path)
    for (const reference of [undefined, '12', 'debian:12', image.digest]) {
      const { origin } = await take(store, path, { reference })
      assert.is(origin[0].sha256, image.digest.slice(7))
    }
  }
)

docker('an archive that is cut off, or holds sparse files, is refused', async () => {
  const store = await newStore()
  const whole = archive(...oldForm(configOf(TARS)))
  for (const length of [whole.length - 1024, whole.length - 3000, 5000, 1700]) {
    const path = join(scratch(), 'cut.tar')
    writeFileSync(path, whole.subarray(0, length))
    await refusedLater(take(store, path), 'TAR_INVALID', /ends (too early|inside)/)
  }
  const sparse = {
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': 'index.json',
    'GNU.sparse.realsize': '9'
  }
  const path = written(member('oci-layout', '{}'), pax(sparse), member('x', '0\n'.padEnd(512, '\0')))
  await refusedLater(take(store, path), 'TAR_INVALID', /is sparse/)
})

needing(
  docker,
  'zstd',
  'xz',
  'bzip2'
)('compressed archives are read, and leave nothing behind in the store', async () => {
  const store = await newStore()
  const path = `${written(...oldForm(configOf(TARS)))}`
  bash('gzip -k "$1"; zstd -q "$1"; xz -k "$1"; bzip2 -k "$1"', path)
  for (const ending of ['gz', 'zst', 'xz', 'bz2'])
    assert.equal(tarHashes(await take(store, `${path}.${ending}`)), TARS.map(sha256), ending)
  const cut = `${path}.cut.gz`
  writeFileSync(cut, gzipSync(archive(...oldForm(configOf(TARS)))).subarray(0, -20))
  await refusedLater(take(store, cut), 'STREAM_INVALID', /ends too early/)
  assert.equal(readdirSync(join(store.root, 'tmp')), [])
})

docker(
  'a pipe is recognised by its beginning: an image archive, compressed or not, or a tarball',
  async () => {
    const store = await newStore()
    const image = archive(...oldForm(configOf(TARS)))
    for (const bytes of [image, gzipSync(image)]) {
      const report = await importPiped(store, cutUp(bytes))
      assert.equal(tarHashes(report), TARS.map(sha256))
      assert.equal([report.origin[0].kind, report.origin[0].name], ['oci', undefined])
    }
    for (const bytes of [TARS[0], gzipSync(TARS[0])]) {
      const report = await importPiped(store, cutUp(bytes))
      assert.equal(tarHashes(report), [sha256(TARS[0])])
      assert.equal(report.origin, [{ kind: 'tar', sha256: HEX(bytes) }])
    }
    const other = archive(member('manifest.json', '{}'), member('index.html', ''))
    await refusedLater(
      importPiped(store, cutUp(other)),
      'SOURCE_INVALID',
      /begins like an image archive, but is not one/
    )
    assert.equal(readdirSync(join(store.root, 'tmp')), [])
  }
)

docker('a tarball that only begins like an image is a tarball', async () => {
  const store = await newStore()
  for (const parts of [
    [member('manifest.json', '[]'), member('index.html', 'x')],
    [member('index.json', '{}')],
    [folder('blobs/'), member('blobs/readme', 'x')]
  ]) {
    const path = written(...parts)
    const report = await importInto(store, 'base/x-1', [path], { replace: true })
    assert.equal(report.origin, [{ kind: 'tar', name: basename(path), sha256: HEX(archive(...parts)) }])
  }
})

async function importPiped(store: Repository, pieces: Iterable<Buffer>) {
  const names = new IdNames()
  const name = parseModuleName('base/x-1')
  const options = { name, limits: DEFAULT_LIMITS, kind: 'base' as const, platform: PLATFORM, names }
  const source = await openPiped(store, Readable.from(pieces), options)
  return importModule(store, {
    name,
    flags: {},
    sources: [source],
    names,
    limits: DEFAULT_LIMITS,
    ignoreMissing: false,
    replace: true
  })
}

function* cutUp(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000)
}

docker('cut within its first member is a damaged tar, as a file and as a pipe', async () => {
  const store = await newStore()
  const whole = Buffer.concat([pax({ path: 'a/long/name' }), header({ name: 'x' })])
  for (const bytes of [512, 513, 600, 1023, 1024].map(length => whole.subarray(0, length))) {
    const path = join(scratch(), 'cut.tar')
    writeFileSync(path, bytes)
    await refusedLater(importInto(store, 'base/x-1', [path]), 'TAR_INVALID', /the archive ends/)
    await refusedLater(importPiped(store, [bytes]), 'TAR_INVALID', /the archive ends/)
  }
})

docker.run()
