import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { sha256OfFile } from '../../helpers/layers.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { someOf } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { compose, composed, composeFails } from '../../helpers/warm-compose.ts'
import { quickStoreFolder } from './images.ts'
import {
  JSON_DATA,
  LABELS,
  makeSif,
  PARTITION,
  PRIMARY_SYSTEM,
  RECIPE,
  type SifObject,
  SQUASHFS
} from './sif-make.ts'

const sif = suite('sources: SIF files')
const folder = scratch()

function squashfs(): Buffer {
  bash(
    `mkdir -p "$1/tree/opt" "$1/tree/.singularity.d"; cd "$1"
    seq 50000 > tree/opt/numbers; printf '{"org.example.in":"file","org.example.who":"file"}' > tree/.singularity.d/labels.json
    mksquashfs tree tree.sqfs -noappend -quiet >/dev/null`,
    folder
  )
  return readFileSync(join(folder, 'tree.sqfs'))
}

const system = () => ({
  type: PARTITION,
  data: squashfs(),
  fileSystem: SQUASHFS,
  partitionType: PRIMARY_SYSTEM
})

const write = (bytes: Buffer): string => {
  const path = join(scratch(), 'image.sif')
  writeFileSync(path, bytes)
  return path
}

needing(sif, 'mksquashfs')('become their system partition, with labels and recipe', () => {
  const path = write(
    makeSif([
      { type: RECIPE, data: Buffer.from('Bootstrap: library\nFrom: x\n') },
      { type: LABELS, data: Buffer.from('{"org.example.who":"sif"}') },
      system()
    ])
  )
  const store = quickStoreFolder()
  const { origin } = composed(store, ['import', 'base/sif-1', path])
  assert.equal(origin, [
    { kind: 'image', name: 'image.sif', sha256: sha256OfFile(path), recipe: 'Bootstrap: library\nFrom: x\n' }
  ])
  const image = join(folder, 'composed.sqfs')
  composed(store, ['build', image, 'base/sif'])
  assert.is(
    compose(store, ['cat', image, 'opt/numbers']).out,
    readFileSync(join(folder, 'tree/opt/numbers'), 'utf8')
  )
  const labels = JSON.parse(compose(store, ['cat', image, '.singularity.d/labels.json']).out)
  assert.is(labels['org.example.in'], 'file')
  assert.is(labels['org.example.who'], 'sif')
})

const DEFINITION = 'Bootstrap: docker\nFrom: debian:8\n\n%post\n    echo old\n'
const METADATA = {
  data: { attributes: { deffile: 'bootstrap: shub\nfrom: old/image\n' } },
  type: 'container'
}
const metadata = (value: unknown, name = 'inspect-metadata.json') => ({
  type: JSON_DATA,
  data: Buffer.from(JSON.stringify(value)),
  name
})

/** Places of the definition in SIF files of several ages; the image has no /.singularity.d/Singularity. */
const DEFINITIONS: [title: string, objects: () => SifObject[], recipe: string | undefined][] = [
  [
    'with lines that end as on Windows',
    () => [{ type: RECIPE, data: Buffer.from(DEFINITION.replaceAll('\n', '\r\n')) }, system()],
    DEFINITION
  ],
  ['behind the partition', () => [system(), { type: RECIPE, data: Buffer.from(DEFINITION) }], DEFINITION],
  [
    'padded with zeros',
    () => [{ type: RECIPE, data: Buffer.from(`${DEFINITION}\0\0`) }, system()],
    DEFINITION
  ],
  [
    "of the system partition's group, not that of another image",
    () => [
      { type: RECIPE, data: Buffer.from('Bootstrap: docker\nFrom: other\n'), group: 2 },
      { type: RECIPE, data: Buffer.from(DEFINITION) },
      system()
    ],
    DEFINITION
  ],
  ['in the metadata alone', () => [metadata(METADATA), system()], METADATA.data.attributes.deffile],
  ['in no object', () => [system()], undefined],
  [
    'in JSON of other programs, or of another form',
    () => [metadata(METADATA, 'sbom.json'), metadata({ data: [null] }), system()],
    undefined
  ]
]

for (const [title, objects, recipe] of someOf(DEFINITIONS, 2))
  needing(sif, 'mksquashfs')(`with a definition ${title} keep that, and show tells it`, () => {
    const store = quickStoreFolder()
    const { origin, notes = [] } = composed(store, ['import', 'base/old-1', write(makeSif(objects()))])
    assert.is(origin[0].recipe, recipe)
    assert.equal(notes, [])
    const shown = compose(store, ['show', 'base/old']).out
    for (const line of (recipe ?? '').split('\n')) assert.match(shown, line)
    composed(store, ['build', join(scratch(), 'image.sqfs'), 'base/old'])
  })

needing(sif, 'mksquashfs')('around an image of ours keep the definition of the file, too', () => {
  const store = quickStoreFolder()
  const image = join(scratch(), 'image.sqfs')
  composed(store, ['import', 'base/plain-1', write(makeSif([system()]))])
  composed(store, ['build', image, 'base/plain'])
  const around = write(
    makeSif([
      { type: RECIPE, data: Buffer.from(DEFINITION) },
      { ...system(), data: readFileSync(image) }
    ])
  )
  const { origin } = composed(store, ['import', 'base/around-1', around])
  assert.is(origin[0].recipe, DEFINITION)
})

const DAMAGES: [title: string, damage: (bytes: Buffer) => Buffer, message: RegExp][] = [
  ['an unknown version', b => patched(b, 42, Buffer.from('99')), /SIF header at 0x2a: version "99"/],
  ['too many descriptors', b => patched(b, 88, number(1 << 30)), /SIF header at 0x58: .* descriptors/],
  ['no descriptors', b => patched(b, 88, number(0)), /SIF header at 0x58/],
  ['a negative start', b => patched(b, 96, number(-5)), /SIF header at 0x60/],
  ['descriptors behind the end', b => patched(b, 96, number(1 << 30)), /SIF descriptors at 0x40000000: /],
  ['a partition behind the end', b => patched(b, 4096 + 17, number(1 << 30)), /SIF descriptor 0 at 0x1011: /],
  ['a "used" of 7', b => patched(b, 4096 + 4, Buffer.from([7])), /SIF descriptor 0 at 0x1004: "used" is 7/],
  ['a cut', b => b.subarray(0, 100), /SIF header at 0x0: 128 bytes wanted/],
  ['ext3', b => patched(b, 4096 + 201, Buffer.from([2])), /holds ext3, wanted SquashFS/],
  ['encryption', b => patched(b, 4096 + 201, Buffer.from([5])), /holds encrypted SquashFS/],
  ['no primary partition', b => patched(b, 4096 + 205, Buffer.from([3])), /no primary system partition/]
]

const patched = (bytes: Buffer, at: number, patch: Buffer): Buffer => {
  const copy = Buffer.from(bytes)
  patch.copy(copy, at)
  return copy
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(BigInt(value))
  return bytes
}

for (const [title, damage, message] of someOf(DAMAGES, 4))
  needing(sif, 'mksquashfs')(`with ${title} are refused, and the part is named`, () => {
    const store = quickStoreFolder()
    const found = composeFails(store, ['import', 'base/sif-1', write(damage(makeSif([system()])))], 31)
    assert.is(found.code, 'IMAGE_INVALID')
    assert.match(found.message, message)
    composeFails(store, ['show', 'base/sif'], 14)
  })

sif.run()
