import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { readRecord } from '../../../store/contents/read-record.ts'
import { fsck } from '../../../store/fsck/check-store.ts'
import { formatModuleName } from '../../../store/module/name.ts'
import { listRefs } from '../../../store/module/ref-list.ts'
import { formatCid } from '../../../store/values/digest.ts'
import { sha256OfFile } from '../../helpers/layers.ts'
import { collect, comesBack, tarballs } from '../../helpers/old-store.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'
import { newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'

/**
 * Number of modules that each writer publishes or unpublishes; the other processes go on until all writers are done.
 * STRATA_RACE_ROUNDS=100 races for minutes.
 */
const ROUNDS = Number(process.env.STRATA_RACE_ROUNDS ?? bySize(2, 8))
const [WRITERS, COLLECTORS, READERS] = bySize([4, 2, 2], [8, 2, 4])

const race = suite('gc: race')

const WORKER = fileURLToPath(new URL('race-worker.js', import.meta.url))

interface Worked {
  who: string
  counts: Record<string, number>
}

interface Race {
  root: string
  tars: string[]
  /** A file that is there when all writers are done. */
  end: string
}

async function work(role: string, number: number, { root, tars, end }: Race): Promise<Worked> {
  const child = spawn(process.execPath, [WORKER, role, String(number), root, String(ROUNDS), end, ...tars])
  let [out, err] = ['', '']
  child.stdout.on('data', text => (out += text))
  child.stderr.on('data', text => (err += text))
  const [status, signal] = await once(child, 'close')
  assert.is(status ?? signal, 0, `${role} ${number}: ${err}`)
  return { who: `${role} ${number}`, counts: JSON.parse(out) }
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1)

const sum = (worked: Worked[], what: string): number =>
  worked.reduce((total, { counts }) => total + (counts[what] ?? 0), 0)

race(
  `${WRITERS} writers, ${COLLECTORS} collectors, ${READERS} readers: no update is lost, nothing is half, every module is whole`,
  async () => {
    const store = await newStore()
    const tars = tarballs(5)
    const among = { root: store.root, tars, end: join(scratch(), 'end') }
    const writers = Promise.all(range(WRITERS).map(i => work('write', i, among))).finally(() =>
      writeFileSync(among.end, '')
    )
    const others = [
      ...range(COLLECTORS).map(i => work('collect', i, among)),
      ...range(READERS).map(i => work('read', i, among))
    ]
    const worked = [...(await writers), ...(await Promise.all(others))]
    const { refs, faults } = listRefs(store.root)
    assert.equal(faults, [])
    for (const { who, counts } of worked.filter(({ who }) => who.startsWith('write'))) {
      const [, number] = who.split(' ')
      const ref = refs.find(({ name }) => formatModuleName(name) === `own/writer-${number}`)
      assert.ok(counts[`own ${ref ? formatCid(ref.record) : 'nothing'}`], `lost update of ${who}`)
    }
    const byDigest = new Map(tars.map(tar => [sha256OfFile(tar), tar]))
    const whole = async (when: string) => {
      const report = await fsck(store)
      assert.equal(report.findings, [], when)
      assert.is(report.leftovers, 0, when)
      for (const { name, record } of refs) {
        const { origin } = await readRecord(store, record)
        await comesBack(store, formatModuleName(name), byDigest.get(origin[0].sha256!)!, when)
      }
    }
    await whole('after the race')
    await collect(store, { graceSeconds: 0, olderThanSeconds: 0, objects: true })
    await whole('after a last collection')
    assert.equal((await fsck(store)).unreferenced, { files: 0, bytes: 0 })
    const figures = ['imported', 'unpublished', 'collected', 'removed', 'read', 'gone meanwhile', 'repeated']
    console.log(`${ROUNDS} rounds: ${figures.map(what => `${sum(worked, what)} ${what}`).join(', ')}`)
    for (const what of figures.slice(0, 5)) assert.ok(sum(worked, what) > 0, `nothing was ${what}`)
  }
)

race.run()
