/**
 * Which compression level a store should have: what an import costs at each, what it saves, and what every reader
 * pays from then on (spec/compression-levels.md).
 *
 *   node dist/test/bench/levels.js TARBALL [PROFILE...]     PROFILE: zstd-15, gzip-9
 *
 * "tarball out" is our own reading, with its SHA-256 checked; "image read" is sqfs2tar of the linked image, on one
 * core, as a runtime that mounts the image would unpack it.
 */

import { createReadStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { linkImage } from '../../compose/link/link-image.ts'
import { mergeLayers } from '../../compose/merge/merge-layers.ts'
import { readBlob } from '../../store/contents/blob-store.ts'
import { readLayer } from '../../store/contents/manifests.ts'
import { openObject } from '../../store/import/layer-object.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import { DAG_JSON, parseCid, sha256Of } from '../../store/values/digest.ts'
import { describeRun, median, megabytes, renderTable } from './helpers/report.ts'
import { runCompose, runMeasured } from './helpers/run-measured.ts'

const USUAL = [1, 3, 6, 9, 12, 14, 15, 16, 19, 22].map(level => `zstd-${level}`).concat('gzip-6', 'gzip-9')
const READS = 3

interface Row {
  profile: string
  importSeconds: number
  cpuSeconds: number
  dataBytes: number
  imageBytes: number
  tarballSeconds: number
  imageSeconds: number
}

async function measure(tarball: string, profile: string): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'))
  try {
    const store = join(folder, 'store')
    const [compressor, level] = profile.split('-')
    await runCompose(store, ['init', '--comp', compressor, '--level', level])
    const imported = await runCompose(store, ['import', 'base/bench-1', tarball])
    const [{ id, dataBytes }] = JSON.parse(imported.stdout).layers
    const image = join(folder, 'image.sqfs')
    const imageBytes = await link(store, id, image)
    const tarballSeconds: number[] = []
    const imageSeconds: number[] = []
    for (let i = 0; i < READS; i++) {
      tarballSeconds.push(await readTarball(store, id))
      imageSeconds.push((await runMeasured('sqfs2tar', [image], { discard: true })).seconds)
    }
    return {
      profile,
      importSeconds: imported.seconds,
      cpuSeconds: imported.cpuSeconds,
      dataBytes,
      imageBytes,
      tarballSeconds: median(tarballSeconds),
      imageSeconds: median(imageSeconds)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function link(storeFolder: string, layerId: string, image: string): Promise<number> {
  const store = await openRepository({ store: storeFolder })
  const { index, data } = await openObject(store, parseCid(layerId, DAG_JSON, 'the import'))
  try {
    const tree = mergeLayers([{ index, module: 0, name: 'base/bench-1', role: 'module' }])
    return (await linkImage(tree, [data.parts], { target: image, modeOf: mode => mode })).imageBytes
  } finally {
    await data.close()
  }
}

async function readTarball(storeFolder: string, layerId: string): Promise<number> {
  const store = await openRepository({ store: storeFolder })
  const { tar } = await readLayer(store, parseCid(layerId, DAG_JSON, 'the import'))
  const started = performance.now()
  for await (const _ of readBlob(store, sha256Of(tar)));
  return (performance.now() - started) / 1000
}

async function warm(tarball: string): Promise<void> {
  for await (const _ of createReadStream(tarball, { highWaterMark: 1 << 20 }));
}

const [tarball, ...profiles] = process.argv.slice(2)
if (tarball === undefined) throw new Error('usage: levels.js TARBALL [PROFILE...]')
await warm(tarball)
console.log(`${describeRun()}\n`)
const rows: Row[] = []
for (const profile of profiles.length > 0 ? profiles : USUAL) rows.push(await measure(tarball, profile))
console.log(
  renderTable(
    ['level', 'import s', 'CPU s', 'data MB', 'image MB', 'tarball out s', 'image read s'],
    rows.map(
      ({ profile, importSeconds, cpuSeconds, dataBytes, imageBytes, tarballSeconds, imageSeconds }) => [
        profile.replace('-', ' '),
        importSeconds.toFixed(1),
        cpuSeconds.toFixed(1),
        megabytes(dataBytes),
        megabytes(imageBytes),
        tarballSeconds.toFixed(2),
        imageSeconds.toFixed(2)
      ]
    )
  )
)
