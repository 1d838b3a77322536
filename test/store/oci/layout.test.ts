import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import { compress } from 'zstd-napi'
import { readRecord } from '../../../store/contents/read-record.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { sha256Of } from '../../../store/values/digest.ts'
import type { StrataError } from '../../../store/values/errors.ts'
import { atCheckSize } from '../../helpers/needs.ts'
import { INDEX, LAYER, LayoutMaker, MANIFEST, named, on, sha256, tarOf } from '../../helpers/oci-layout.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { type ImportIntoOptions, importInto, newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

const layout = suite('oci: layouts')
const long = atCheckSize(layout)

const HOST: ImportIntoOptions = { platform: { os: 'linux', architecture: 'amd64' } }

const newLayout = () => new LayoutMaker(join(scratch(), 'image'))

const take = (store: Repository, path: string, options: ImportIntoOptions = {}) =>
  importInto(store, 'base/x-1', [path], { ...HOST, replace: true, ...options })

const isPublished = (store: Repository) => existsSync(join(store.root, 'refs/modules/base/x'))

layout(
  'each layer stays a layer, whose blob is its diffID, and the record says what it was made from',
  async () => {
    const store = await newStore()
    const made = newLayout()
    const tars = [tarOf('a', 'lower'), tarOf('b', 'upper')]
    const image = made.image(tars, { config: { config: { Env: ['A=b'] } } })
    made.index(named(image, 'first'))
    const report = await take(store, made.folder)
    assert.equal(
      report.layers.map(({ manifest }) => `sha256:${sha256Of(manifest.tar)}`),
      tars.map(sha256)
    )
    const record = await readRecord(store, report.record)
    assert.equal(record.origin, [
      {
        kind: 'oci',
        name: 'image',
        sha256: image.digest.slice(7),
        reference: 'first',
        platform: 'linux/amd64'
      }
    ])
    assert.equal(record.environment, [{ operation: 'set', name: 'A', value: 'b' }])
  }
)

long('gzip, zstd and plain layers give the same layer', async () => {
  const store = await newStore()
  const tar = tarOf('a', 'content')
  const ids = new Set<string>()
  for (const [suffix, pack] of [
    ['+gzip', gzipSync],
    ['+zstd', (bytes: Buffer) => compress(bytes)],
    ['', (bytes: Buffer) => bytes]
  ] as const) {
    const made = newLayout()
    made.index(made.image([tar], { manifest: { layers: [made.blob(`${LAYER}${suffix}`, pack(tar))] } }))
    ids.add(String((await take(store, made.folder)).layers[0].id))
  }
  assert.is(ids.size, 1)
})

layout('media types of docker are read like those of OCI', async () => {
  const store = await newStore()
  const made = newLayout()
  const tar = tarOf('a', 'content')
  const docker = 'application/vnd.docker'
  const layers = [made.blob(`${docker}.image.rootfs.diff.tar.gzip`, gzipSync(tar))]
  const config = made.document(`${docker}.container.image.v1+json`, {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { diff_ids: [sha256(tar)] }
  })
  const mediaType = `${docker}.distribution.manifest.v2+json`
  const manifest = made.document(mediaType, { schemaVersion: 2, mediaType, config, layers })
  const list = `${docker}.distribution.manifest.list.v2+json`
  made.index(made.document(list, { mediaType: list, manifests: [on(manifest, 'linux/amd64')] }))
  assert.is((await take(store, made.folder)).layers.length, 1)
})

layout('a layer without entries is a layer', async () => {
  const store = await newStore()
  const made = newLayout()
  made.index(made.image([tarOf('a', 'x'), Buffer.alloc(1024)]))
  assert.equal(
    (await take(store, made.folder)).layers.map(({ manifest }) => manifest.entries),
    [1, 0]
  )
})

long('of several images the one is taken that --ref names, or that stands behind the path', async () => {
  const store = await newStore()
  const made = newLayout()
  const [one, two] = [made.image([tarOf('a', '1')]), made.image([tarOf('a', '2')])]
  made.index(named(one, 'v1'), named(two, 'repo:v2'))
  const error = await refusedLater(take(store, made.folder), 'SOURCE_CHOICE', /holds several images/)
  assert.equal(error.facts.references, ['v1', 'repo:v2'])
  assert.is(error.hint, '--ref v1')
  const [first] = (await take(store, made.folder, { reference: 'v1' })).origin
  assert.is(first.sha256, one.digest.slice(7))
  for (const path of [`${made.folder}:repo:v2`, `oci:${made.folder}:repo:v2`]) {
    const [origin] = (await take(store, path)).origin
    assert.equal([origin.sha256, origin.reference], [two.digest.slice(7), 'repo:v2'])
  }
  const [byDigest] = (await take(store, made.folder, { reference: two.digest })).origin
  assert.is(byDigest.sha256, two.digest.slice(7))
  const missing = await refusedLater(take(store, `${made.folder}:v3`), 'SOURCE_CHOICE', /no image "v3"/)
  assert.equal(missing.facts.references, ['v1', 'repo:v2'])
})

long(
  'of several platforms that of this host is taken, or the one asked for, in nested indexes too',
  async () => {
    const store = await newStore()
    const made = newLayout()
    const platforms = ['linux/amd64', 'linux/arm64/v8', 'linux/arm/v6', 'linux/arm/v7', 'windows/amd64']
    const images = platforms.map(platform => {
      const [os, architecture, variant] = platform.split('/')
      const image = made.image([tarOf('a', platform)], { config: { os, architecture, variant } })
      return on(image, platform)
    })
    const attestation = {
      ...made.document(MANIFEST, { mediaType: MANIFEST }),
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: { 'vnd.docker.reference.type': 'attestation-manifest' }
    }
    const inner = made.document(INDEX, {
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [...images, attestation]
    })
    made.index(named(made.document(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests: [inner] }), 'all'))
    const platformFor = async (os: string, architecture: string, variant?: string) =>
      (await take(store, made.folder, { platform: { os, architecture, variant } })).origin[0].platform
    assert.is(await platformFor('linux', 'amd64'), 'linux/amd64')
    assert.is(await platformFor('linux', 'arm64'), 'linux/arm64/v8')
    assert.is(await platformFor('linux', 'arm64', 'v8'), 'linux/arm64/v8')
    assert.is(await platformFor('linux', 'arm'), 'linux/arm/v7')
    assert.is(await platformFor('linux', 'arm', 'v6'), 'linux/arm/v6')
    const error = await refusedLater(
      platformFor('linux', 'riscv64'),
      'SOURCE_CHOICE',
      /no image for linux\/riscv64/
    )
    assert.equal(error.facts.platforms, platforms)
  }
)

long('a manifest or an index deep in others is chosen by its digest, as the errors propose', async () => {
  const store = await newStore()
  const made = newLayout()
  const index = (...manifests: object[]) =>
    made.document(INDEX, { schemaVersion: 2, mediaType: INDEX, manifests })
  const [one, two, three] = ['one', 'two', 'three'].map(content =>
    on(made.image([tarOf('a', content)]), 'linux/amd64')
  )
  const pair = index(one, two)
  made.index(named(index(pair, index(three)), 'all'))
  const found = async (reference: string) =>
    `sha256:${(await take(store, made.folder, { reference })).origin[0].sha256}`
  const error = await refusedLater(take(store, made.folder), 'SOURCE_CHOICE', /3 images for linux\/amd64/)
  assert.is(error.hint, `--ref ${one.digest}`)
  for (const { digest } of [one, two, three]) assert.is(await found(digest), digest)
  await refusedLater(found(pair.digest), 'SOURCE_CHOICE', /2 images for linux\/amd64/)
  const other = await refusedLater(found(sha256('x')), 'SOURCE_CHOICE', /no image "sha256:/)
  assert.equal(other.facts.references, ['all'])
})

layout('an image for another platform is refused, whatever else it says', async () => {
  const store = await newStore()
  const made = newLayout()
  const image = made.image([tarOf('a', 'x')], { config: { architecture: 's390x' } })
  made.index(image)
  const error = await refusedLater(take(store, made.folder), 'SOURCE_CHOICE', /no image for linux\/amd64/)
  assert.equal([error.facts.platforms, error.hint], [['linux/s390x'], '--platform linux/s390x'])
  made.index(on(image, 'linux/amd64'))
  await refusedLater(
    take(store, made.folder),
    'SOURCE_INVALID',
    /config .*linux\/s390x, but the index says linux\/amd64/
  )
  assert.not(isPublished(store))
})

type Break = (made: LayoutMaker, parts: { config: string; layer: string; manifest: string }) => void

/** An image that is whole before `change`. */
async function broken(change: Break, message: RegExp, code: StrataError['code'] = 'SOURCE_INVALID') {
  const store = await newStore()
  const made = newLayout()
  const tar = tarOf('a', 'x'.repeat(5000))
  const image = made.image([tar])
  made.index(image)
  const manifest = JSON.parse(
    readFileSync(join(made.folder, 'blobs', image.digest.replace(':', '/')), 'utf8')
  )
  const path = (digest: string) => join(made.folder, 'blobs', digest.replace(':', '/'))
  change(made, {
    manifest: path(image.digest),
    config: path(manifest.config.digest),
    layer: path(manifest.layers[0].digest)
  })
  await refusedLater(take(store, made.folder), code, message)
  assert.not(isPublished(store))
}

layout('a blob with other bytes than its digest is named: manifest, config, layer', async () => {
  const flip = (path: string) => {
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1] ^= 1
    writeFileSync(path, bytes)
  }
  await broken((_, { manifest }) => flip(manifest), /: manifest sha256:\w+: blob .* hashes to/)
  await broken((_, { config }) => flip(config), /: config: blob .* hashes to/)
  await broken((_, { layer }) => flip(layer), /: layer 1 of 1, sha256:\w+: blob .* hashes to/)
})

layout('a blob that is missing, of another size, a link, or no file is named', async () => {
  for (const part of ['manifest', 'config', 'layer'] as const) {
    const name = new RegExp(`: ${part}\\b.*: blob sha256:\\w+ is missing`)
    await broken((_, paths) => rmSync(paths[part]), name)
    const size = new RegExp(`: ${part}\\b.*has 20 bytes, its descriptor says \\d+`)
    await broken((_, paths) => truncateSync(paths[part], 20), size)
  }
  const toLink = (path: string) => {
    renameSync(path, `${path}.real`)
    symlinkSync(`${path}.real`, path)
  }
  await broken((_, { layer }) => toLink(layer), /symbolic link/)
  await broken(({ folder }) => toLink(join(folder, 'blobs')), /symbolic link/)
  await broken(({ folder }) => toLink(join(folder, 'index.json')), /symbolic link/)
  const toFolder = (_: LayoutMaker, { layer }: { layer: string }) => {
    rmSync(layer)
    mkdirSync(layer)
  }
  await broken(toFolder, /not a regular file/)
})

long('documents that are not as they should be are refused with the field', async () => {
  const write =
    (path: string, text: string | Buffer): Break =>
    made =>
      made.write(path, text)
  await broken(
    write('oci-layout', '{}'),
    /oci-layout: field imageLayoutVersion: found nothing, wanted a string/
  )
  await broken(write('oci-layout', '{"imageLayoutVersion":"2.0"}'), /found "2.0", wanted 1.0.0/)
  await broken(({ folder }) => rmSync(join(folder, 'index.json')), /index.json: is missing/)
  await broken(write('index.json', '[1'), /index.json: is not JSON/)
  await broken(write('index.json', Buffer.from([0x22, 0xff, 0x22])), /index.json: is not JSON/)
  await broken(write('index.json', '{}'), /manifests: found nothing, wanted a list/)
  await broken(write('index.json', '{"manifests":[]}'), /holds no image/)
  await broken(write('index.json', ' '.repeat((16 << 20) + 1)), /16777217 bytes, more than/, 'LIMIT_EXCEEDED')
  const descriptor = (fields: object) =>
    write('index.json', JSON.stringify({ manifests: [{ mediaType: MANIFEST, size: 1, ...fields }] }))
  await broken(descriptor({}), /manifests\[0\].digest: found nothing/)
  for (const digest of [
    'sha256:../../../../etc/passwd',
    'md5:00',
    `sha256:${'A'.repeat(64)}`,
    'sha256:',
    '../x'
  ])
    await broken(descriptor({ digest }), /digest: found ".*", wanted sha256:/)
  await broken(descriptor({ digest: sha256('x'), size: -1 }), /size: found -1, wanted a whole number/)
  await broken(descriptor({ digest: sha256('x'), size: 'big' }), /size: found "big"/)
})

layout('manifests that contradict themselves or hold unknown parts are refused', async () => {
  const store = await newStore()
  const tar = tarOf('a', 'x')
  const cases: [object | ((made: LayoutMaker) => object), RegExp][] = [
    [{ mediaType: INDEX }, /is "application.*index.*", but its descriptor says/],
    [{ layers: [] }, /1 diffIDs, but the manifest has 0 layers/],
    [made => ({ layers: [made.blob('text/plain', tar)] }), /layer 1 of 1.*unknown media type "text\/plain"/],
    [made => ({ layers: [made.blob(`${LAYER}+gzip+encrypted`, tar)] }), /is encrypted/],
    [
      made => ({ layers: [made.blob('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', tar)] }),
      /may not be distributed/
    ],
    [
      made => ({ layers: [made.blob('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', tar)] }),
      /may not be distributed/
    ],
    [
      made => ({ layers: [made.blob(`${LAYER}+zstd`, gzipSync(tar))] }),
      /is gzip, but its media type .* says zstd/
    ],
    [made => ({ layers: [made.blob(LAYER, gzipSync(tar))] }), /is gzip, but its media type .* says plain/],
    [
      made => ({ layers: [made.blob(LAYER, tarOf('b', 'y'))] }),
      /decompressed it hashes to .* the config says/
    ]
  ]
  for (const [manifest, message] of cases) {
    const made = newLayout()
    const fields = typeof manifest === 'function' ? manifest(made) : manifest
    made.index(on(made.image([tar], { manifest: fields }), 'linux/amd64'))
    await refusedLater(take(store, made.folder), 'SOURCE_INVALID', message)
  }
  assert.not(isPublished(store))
})

layout('an artifact that is not an image, and an image without layers, are refused', async () => {
  const store = await newStore()
  const artifact = newLayout()
  const config = artifact.document('application/vnd.example.chart+json', {})
  artifact.index(on(artifact.image([tarOf('a', 'x')], { manifest: { config } }), 'linux/amd64'))
  await refusedLater(take(store, artifact.folder), 'SOURCE_INVALID', /an artifact and not an image/)
  const empty = newLayout()
  empty.index(empty.image([]))
  await refusedLater(take(store, empty.folder), 'SOURCE_INVALID', /the image has no layers/)
})

layout('indexes below indexes end somewhere', async () => {
  const store = await newStore()
  const made = newLayout()
  let next = made.image([tarOf('a', 'x')])
  for (let i = 0; i < 9; i++) next = made.document(INDEX, { mediaType: INDEX, manifests: [next] })
  made.index(next)
  await refusedLater(take(store, made.folder), 'SOURCE_INVALID', /lies below 8 other indexes/)
})

layout('an index that is named again and again is read once', async () => {
  const store = await newStore()
  const made = newLayout()
  let next: object = on(made.image([tarOf('a', 'x')]), 'linux/amd64')
  for (let i = 0; i < 7; i++)
    next = made.document(INDEX, { mediaType: INDEX, manifests: Array(1000).fill(next) })
  made.index(next)
  assert.is((await take(store, made.folder)).layers.length, 1)
  const many = Array.from({ length: 101 }, (_, i) =>
    made.document(INDEX, {
      mediaType: INDEX,
      manifests: Array(100).fill(next),
      annotations: { i: String(i) }
    })
  )
  made.index(...many)
  await refusedLater(take(store, made.folder), 'SOURCE_INVALID', /more than 10000 manifests/)
})

layout('a layer below the first that is damaged leaves nothing published', async () => {
  const store = await newStore()
  const made = newLayout()
  const tars = [tarOf('a', '1'), tarOf('b', '2')]
  const layers = [made.blob(LAYER, tars[0]), made.blob(LAYER, tarOf('b', 'other'))]
  made.index(made.image(tars, { manifest: { layers } }))
  await refusedLater(take(store, made.folder), 'SOURCE_INVALID', /layer 2 of 2/)
  assert.not(isPublished(store))
})

layout('a config of a wrong shape is refused with the field', async () => {
  const store = await newStore()
  for (const [config, message] of [
    [{ config: { Env: 'A=b' } }, /config.Env: found "A=b", wanted a list/],
    [{ config: { Env: [1] } }, /Env\[0\]: found 1, wanted a string/],
    [{ config: { Labels: { a: 1 } } }, /Labels.a: found 1, wanted a string/],
    [{ os: 3 }, /os: found 3, wanted a string/],
    [{ architecture: undefined }, /architecture: found nothing/],
    [{ rootfs: { diff_ids: ['sha512:'.padEnd(135, '0')] } }, /is a sha512, wanted a sha256/]
  ] as const) {
    const made = newLayout()
    made.index(made.image([tarOf('a', 'x')], { config }))
    await refusedLater(take(store, made.folder), 'SOURCE_INVALID', message)
  }
})

layout('--ref and --platform are refused for what holds no images', async () => {
  const store = await newStore()
  const tar = join(scratch(), 'layer.tar')
  writeFileSync(tar, tarOf('a', 'x'))
  await refusedLater(
    importInto(store, 'base/x-1', [tar], { reference: 'a' }),
    'USAGE',
    /--ref chooses an image/
  )
  await refusedLater(importInto(store, 'base/x-1', [tar], HOST), 'USAGE', /--platform chooses an image/)
  await refusedLater(
    importInto(store, 'base/x-1', [`${tar}:v1`]),
    'USAGE',
    /not an OCI layout or image archive/
  )
  await refusedLater(importInto(store, 'base/x-1', [`${tar}x`]), 'IO', /cannot be read/)
})

layout.run()
