import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { IdNames } from '../../../store/accounts/id-names.ts'
import { decodeLayerManifest, encodeLayerManifest } from '../../../store/module/layer-manifest.ts'
import { decodeRecord, encodeRecord } from '../../../store/module/record.ts'
import { readSpecFile } from '../../../store/module/spec-file.ts'
import { schemaFile } from '../../../store/module/spec-schema.ts'
import { formatCid, manifestCid } from '../../../store/values/digest.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const document = suite('spec/module.md')

const markdown = readFileSync(join(dirname(schemaFile()), 'module.md'), 'utf8')

function example(name: string): { bytes: Buffer; id: string } {
  const [, json, id] = new RegExp(
    `<!-- example: ${name} -->\n\`\`\`json\n(.*)\n\`\`\`\n\nIts id: \`(.*)\``
  ).exec(markdown)!
  return { bytes: Buffer.from(json), id }
}

document('shows a layer manifest and a record that are read, written and named as it says', () => {
  const layer = example('layer')
  const record = example('record')
  assert.equal(Buffer.from(encodeLayerManifest(decodeLayerManifest(layer.bytes, 'layer'))), layer.bytes)
  assert.equal(Buffer.from(encodeRecord(decodeRecord(record.bytes, 'record'))), record.bytes)
  for (const { bytes, id } of [layer, record]) assert.is(formatCid(manifestCid(bytes)), id)
  assert.is(formatCid(decodeRecord(record.bytes, 'record').layers[0]), layer.id)
})

document('shows a spec that is valid', async () => {
  const file = join(scratch(), 'module.yaml')
  writeFileSync(file, /```yaml\n([\s\S]*?)```/.exec(markdown)![1])
  const { accessGroups, prefix } = await readSpecFile(file, new IdNames())
  assert.equal([accessGroups, prefix], [[{ name: 'vasp' }], 'opt/vasp'])
})

document('lists the fields of records and layer manifests that the code knows', () => {
  const sections = { layer: /## Layer\n([\s\S]*?)<!--/, record: /## Record\n([\s\S]*?)<!--/ }
  for (const [type, section] of Object.entries(sections)) {
    const rows = section.exec(markdown)![1].matchAll(/^\| (`[^|]*) \|/gm)
    const fields = [...rows].flatMap(([, cell]) => [...cell.matchAll(/`(\w+)`/g)].map(([, field]) => field))
    assert.ok(fields.length > 8)
    for (const field of fields) {
      const decode = type === 'layer' ? decodeLayerManifest : decodeRecord
      const bytes = Buffer.from(
        JSON.stringify({ ...JSON.parse(example(type).bytes.toString()), [field]: null })
      )
      assert.throws(() => decode(bytes, 'test'), new RegExp(`field ${field}: found null`), field)
    }
  }
})

document.run()
