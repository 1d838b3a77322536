import { Worker } from 'node:worker_threads'
import * as assert from 'uvu/assert'
import { JobSubmitter, JobTaker, type RingMemory, ringMemory } from '../../../compose/sandbox/job-ring.ts'
import { suite } from '../../helpers/suite.ts'

const ring = suite('sandbox: job ring')

const job = (n: number) => ({ inode: n, fd: n + 1, layer: n % 3, content: 2 * n })

ring('jobs keep their order, and a finished job makes room', () => {
  const memory = ringMemory(2)
  const submitter = new JobSubmitter(memory)
  const taker = new JobTaker(memory)
  assert.equal(
    [0, 1, 2].map(n => submitter.submit(job(n))),
    [true, true, false]
  )
  assert.equal(taker.take(), job(0))
  assert.not.ok(submitter.submit(job(2)), 'taken, but not ended')
  taker.finished(10)
  assert.ok(submitter.submit(job(2)))
  assert.equal([taker.take(), taker.take()], [job(1), job(2)])
  taker.finished(0)
  taker.finished(5)
  assert.is(submitter.bytes, 15)
  submitter.close()
  assert.is(taker.take(), undefined)
})

ring(
  'a thread that waits is woken by some jobs at once and by the end, and misses none of 50,000',
  async () => {
    const memory = ringMemory(8)
    const url = new URL('../../../compose/sandbox/job-ring.js', import.meta.url).href
    const code = `
    const { workerData, parentPort } = require('node:worker_threads')
    import(workerData.url).then(({ JobTaker }) => {
      const taker = new JobTaker(workerData.memory)
      const wrong = []
      let expected = 0
      for (let job = taker.take(); job !== undefined; job = taker.take()) {
        if (job.inode !== expected || job.content !== 2 * expected) wrong.push(job)
        expected++
        taker.finished(1)
      }
      parentPort.postMessage({ taken: expected, wrong })
    })`
    const workerData: { url: string; memory: RingMemory } = { url, memory }
    const worker = new Worker(code, { eval: true, workerData })
    const answer = new Promise(resolve => worker.once('message', resolve))
    const submitter = new JobSubmitter(memory)
    for (let n = 0; n < 50_000; )
      if (submitter.submit(job(n))) n++
      else await new Promise(resolve => setImmediate(resolve))
    submitter.close()
    assert.equal(await answer, { taken: 50_000, wrong: [] })
    assert.is(submitter.bytes, 50_000)
  }
)

ring('a single job starts when the submitter calls wake', async () => {
  const memory = ringMemory(8)
  const url = new URL('../../../compose/sandbox/job-ring.js', import.meta.url).href
  const code = `
    const { workerData, parentPort } = require('node:worker_threads')
    import(workerData.url).then(({ JobTaker }) => {
      const taker = new JobTaker(workerData.memory)
      parentPort.postMessage('waits')
      for (let job = taker.take(); job !== undefined; job = taker.take()) parentPort.postMessage(job)
    })`
  const worker = new Worker(code, { eval: true, workerData: { url, memory } })
  const told = () => new Promise(resolve => worker.once('message', resolve))
  await told()
  const submitter = new JobSubmitter(memory)
  const taken = told()
  assert.ok(submitter.submit(job(1)))
  submitter.wake()
  assert.equal(await taken, job(1))
  submitter.close()
  await new Promise(resolve => worker.once('exit', resolve))
})

ring.run()
