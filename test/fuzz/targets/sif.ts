import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import {
  JSON_DATA,
  LABELS,
  makeSif,
  PARTITION,
  PRIMARY_SYSTEM,
  RECIPE,
  SQUASHFS
} from '../../compose/sources/sif-make.ts'
import { readSifAt } from '../../helpers/read-sif.ts'
import { scratch } from '../../helpers/scratch.ts'
import type { FuzzTarget } from '../target.ts'
import { changedNumber, pick } from './bytes.ts'

const folder = scratch()

const TABLE_START = 4096
const FIELDS: [from: number, to: number][] = [
  [80, 128],
  [TABLE_START, TABLE_START + 4 * 585]
]

export const sifTarget: FuzzTarget = {
  name: 'sif',
  seeds: () => [
    makeSif([
      { type: RECIPE, data: Buffer.from('Bootstrap: docker\n') },
      {
        type: JSON_DATA,
        name: 'inspect-metadata.json',
        data: Buffer.from('{"data":{"attributes":{"deffile":"a"}}}')
      },
      { type: LABELS, data: Buffer.from('{"a":"b"}') },
      {
        type: PARTITION,
        data: Buffer.alloc(100),
        fileSystem: SQUASHFS,
        partitionType: PRIMARY_SYSTEM
      }
    ])
  ],
  words: ['SIF_MAGIC\0', '01\0'],
  mutate: (bytes, random) => changedNumber(bytes, random, ...pick(random, FIELDS)),
  async execute(bytes) {
    const path = join(folder, 'fuzz.sif')
    writeFileSync(path, bytes)
    const { system } = await readSifAt(path)
    assert.ok(system.startInFile + system.lengthBytes <= bytes.length, 'the image lies in the file')
  }
}
