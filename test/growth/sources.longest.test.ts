/** Images of containers and packages: documents and headers that name much, and archives of archives. */
import { createHash } from 'node:crypto'
import { linkSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parseAssignments } from '../../compose/sources/shell-assignments.ts'
import { IdNames } from '../../store/accounts/id-names.ts'
import type { ModuleSource } from '../../store/import/module-source.ts'
import { openTarStream } from '../../store/input/decompress.ts'
import { chooseImage } from '../../store/oci/choose-image.ts'
import { describeImage } from '../../store/oci/describe-image.ts'
import type { ImageFiles } from '../../store/oci/image-files.ts'
import { Json } from '../../store/oci/json.ts'
import { readDiffIds } from '../../store/oci/read-config.ts'
import { readDockerArchive } from '../../store/oci/read-docker-archive.ts'
import { openDebSource } from '../../store/package/deb.ts'
import { openRpmSource } from '../../store/package/rpm.ts'
import { DEFAULT_LIMITS } from '../../store/values/limits.ts'
import { deb } from '../fuzz/deb-make.ts'
import { makeRpm } from '../fuzz/rpm-make.ts'
import { atCheckSize } from '../helpers/needs.ts'
import { CONFIG, INDEX, LAYER, LayoutMaker, MANIFEST, sha256 } from '../helpers/oci-layout.ts'
import { refused, refusedLater } from '../helpers/refused.ts'
import { scratch } from '../helpers/scratch.ts'
import { importInto, newStore } from '../helpers/stores.ts'
import { suite } from '../helpers/suite.ts'
import { archive, file } from '../helpers/tar-make.ts'
import { growsLinearly } from './growth.ts'

const sources = suite('sources')
const long = atCheckSize(sources)

const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))

/** Files in memory; a function makes one of its bytes when it is read. */
class Files implements ImageFiles {
  readonly name = 'made'
  readonly fileName = 'made'
  readonly #files = new Map<string, { sizeBytes: number; bytes: () => Buffer }>()

  put(path: string, bytes: Buffer): this {
    this.#files.set(path, { sizeBytes: bytes.length, bytes: () => bytes })
    return this
  }

  /** @returns its descriptor */
  blob(mediaType: string, document: unknown): object {
    const bytes = Buffer.from(JSON.stringify(document))
    const digest = sha256(bytes)
    this.put(`blobs/${digest.replace(':', '/')}`, bytes)
    return { mediaType, digest, size: bytes.length }
  }

  find(path: string) {
    const found = this.#files.get(path)
    return (
      found && {
        sizeBytes: found.sizeBytes,
        chunks: async function* () {
          yield found.bytes()
        }
      }
    )
  }

  async close(): Promise<void> {}
}

const json = (document: unknown): Json => Json.parse(Buffer.from(JSON.stringify(document)), 'made')

/** Images whose platform nobody says but their configs. */
function layoutOf(count: number, padding = ''): { files: Files; index: Json } {
  const files = new Files()
  const manifests = many(count, i => {
    const config = files.blob(CONFIG, { os: 'linux', architecture: `a${i}` })
    const layers = many(20, () => ({ mediaType: LAYER, digest: sha256('x'), size: 1 }))
    const annotations = { number: `${i}`, padding }
    return files.blob(MANIFEST, { schemaVersion: 2, mediaType: MANIFEST, config, layers, annotations })
  })
  return { files, index: json({ schemaVersion: 2, mediaType: INDEX, manifests }) }
}

const platform = { os: 'linux', architecture: 'a0' }

sources('manifests of an index that states no platforms', () =>
  growsLinearly({
    size: 100,
    make: size => layoutOf(size),
    run: ({ files, index }) => chooseImage(files, index, { platform })
  })
)

long('refused: manifests that are too much to read, to choose one of them', async () => {
  const { files, index } = layoutOf(18, 'x'.repeat(15 << 20))
  await refusedLater(
    chooseImage(files, index, { platform }),
    'LIMIT_EXCEEDED',
    /more than 268435456 bytes of manifests and configs would have to be read/
  )
})

sources('indexes that name each other', () =>
  growsLinearly({
    size: 40,
    make: size => {
      const { files } = layoutOf(0)
      const manifest = files.blob(MANIFEST, {
        schemaVersion: 2,
        config: files.blob(CONFIG, { os: 'linux', architecture: 'a0' }),
        layers: []
      })
      const below = many(size, i =>
        files.blob(INDEX, { schemaVersion: 2, manifests: [manifest, manifest], annotations: { i: `${i}` } })
      )
      return { files, index: json({ schemaVersion: 2, mediaType: INDEX, manifests: below }) }
    },
    run: ({ files, index }) => chooseImage(files, index, { platform })
  })
)

sources('refused: an image of more layers than any engine stacks', () => {
  const config = json({ rootfs: { diff_ids: many(501, () => sha256('x')) } })
  refused(() => readDiffIds(config, 501), 'SOURCE_INVALID', /501 layers, wanted at most 500/)
})

sources('variables and labels of a config', () =>
  growsLinearly({
    size: 400,
    make: size => ({
      annotations: new Map(),
      config: json({
        config: {
          Env: many(size, i => `A${i}=x:y`),
          Labels: Object.fromEntries(many(size, i => [`org.example.l${i}`, 'x'])),
          Entrypoint: many(size, i => `a ${i}`)
        }
      })
    }),
    run: image => describeImage(image, 'base')
  })
)

sources('images of an archive of docker', () =>
  growsLinearly({
    size: 400,
    make: size => {
      const config = Buffer.from(
        JSON.stringify({ os: 'linux', architecture: 'a0', rootfs: { diff_ids: [sha256('x')] } })
      )
      const name = `${createHash('sha256').update(config).digest('hex')}.json`
      const saved = many(size, i => ({ Config: name, RepoTags: [`b:${i}`], Layers: ['layer.tar'] }))
      return new Files()
        .put(name, config)
        .put('layer.tar', Buffer.from('x'))
        .put('manifest.json', Buffer.from(JSON.stringify(saved)))
    },
    run: files => readDockerArchive(files, { reference: 'b:3', platform })
  })
)

long('refused: a packed archive of packed layers, each within its ratio', async () => {
  const maker = new LayoutMaker(scratch())
  const zeros = archive(file('zeros', '\0'.repeat(200 << 20)))
  // Six layers of 200 MiB, each packed 1,000 times; and their copies in the archive, packed once more.
  const layer = gzipSync(zeros, { level: 1 })
  const blob = maker.blob(`${LAYER}+gzip`, layer)
  const config = maker.document(CONFIG, {
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: many(6, () => sha256(zeros)) }
  })
  const manifest = maker.document(MANIFEST, {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config,
    layers: many(6, () => blob)
  })
  maker.index({ ...manifest, platform: { os: 'linux', architecture: 'amd64' } })
  const parts = Object.entries(maker.files()).map(([path, bytes]) => file(path, bytes.toString('latin1')))
  const path = join(scratch(), 'image.tar.gz')
  writeFileSync(path, gzipSync(archive(...parts), { level: 9 }))
  await refusedLater(
    importInto(await newStore(), 'base/made-1', [path], {
      platform: { os: 'linux', architecture: 'amd64' }
    }),
    'LIMIT_EXCEEDED',
    /decode to \d+ and more, over \d\d? times as many/
  )
})

async function readAll(source: ModuleSource): Promise<void> {
  for await (const { chunks } of source.layers) for await (const _ of chunks);
  await source.close?.()
}

const written = (name: string, bytes: Buffer): string => {
  const path = join(scratch(), name)
  writeFileSync(path, bytes)
  return path
}

const CONTROL = 'Package: tool\nVersion: 1\nArchitecture: amd64\n'

for (const [title, lines] of [
  ['fields of a control file', (size: number) => many(size, i => `X-${i}: y\n`).join('')],
  [
    'packages that one depends on',
    (size: number) => `Depends: ${many(size, i => `lib${i} (>= 1) | x${i}`).join(', ')}\n`
  ],
  ['lines of a description', (size: number) => `Description: x\n${' more\n'.repeat(size)}`]
] as const)
  sources(`${title}, of a .deb`, () =>
    growsLinearly({
      size: 400,
      make: size => written('a.deb', deb(CONTROL + lines(size), archive(file('./usr/a', 'x')))),
      run: async path => readAll(await openDebSource(path, { limits: DEFAULT_LIMITS }))
    })
  )

const rpmFile = (name: string) => ({ name, mode: 0o100644, content: 'x', target: '' })
const names = new IdNames()

for (const [title, fields] of [
  ['files', (size: number) => ({ files: many(size, i => rpmFile(`f${i}`)) })],
  ['requirements', (size: number) => ({ requires: many(size, i => `lib${i}`) })]
] as const)
  sources(`${title} of an .rpm`, () =>
    growsLinearly({
      size: 2000,
      make: size => written('a.rpm', makeRpm(fields(size))),
      run: async path => readAll(await openRpmSource(path, { limits: DEFAULT_LIMITS, names }))
    })
  )

long('names of one file, and folders, of a folder', () =>
  growsLinearly({
    size: 300,
    make: size => {
      const folder = scratch()
      writeFileSync(join(folder, 'f'), 'x')
      for (let i = 0; i < size; i++) {
        linkSync(join(folder, 'f'), join(folder, `l${i}`))
        mkdirSync(join(folder, `d${i}`))
        writeFileSync(join(folder, `d${i}/f`), `${i}`)
      }
      return folder
    },
    run: async folder => importInto(await newStore(), 'base/made-1', [folder])
  })
)

sources('streams of gzip, one behind the other', () =>
  growsLinearly({
    size: 2000,
    make: size => Buffer.concat(many(size, () => gzipSync(Buffer.alloc(64)))),
    run: async bytes => {
      const input = (async function* () {
        yield bytes
      })()
      for await (const _ of openTarStream(input, { name: 'made', limits: DEFAULT_LIMITS }));
    }
  })
)

sources('assignments that each add to the one before', () =>
  growsLinearly({
    size: 300,
    make: size => many(size, i => `export PATH=/opt/${i}:$PATH\n`).join(''),
    run: script => parseAssignments(script, 'script')
  })
)

sources.run()
