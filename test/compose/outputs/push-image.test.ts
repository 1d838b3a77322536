/** Image files that users change while they are pushed. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { parsePushTarget, pushImage } from '../../../compose/outputs/push-image.ts'
import { nobody } from '../../helpers/fake-registry.ts'
import { needing } from '../../helpers/needs.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { suite } from '../../helpers/suite.ts'

const tests = suite('outputs: pushed images')
const squashfs = needing(tests, 'mksquashfs')

/** A registry that takes whatever it is sent, and compares no digest. */
async function startCredulous({ cuts = 0 } = {}) {
  const taken: string[] = []
  let left = cuts
  const server = createServer(async (request, response) => {
    const { method, url = '' } = request
    if (method === 'PUT' && left-- > 0) return void request.once('data', () => request.destroy())
    const isWhole = await request.toArray().then(
      () => true,
      () => false
    )
    if (!isWhole) return
    if (method === 'POST') return void response.writeHead(202, { location: `${url}1` }).end()
    if (method !== 'PUT') return void response.writeHead(url === '/v2/' ? 200 : 404).end('{}')
    taken.push(url)
    response.writeHead(201).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const stop = () => {
    server.close()
    server.closeAllConnections()
  }
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, taken, stop }
}

function newImage(text: string | Buffer = 'text'): string {
  const folder = scratch()
  const [tree, image] = [join(folder, 'tree'), join(folder, 'x.sqfs')]
  mkdirSync(tree)
  writeFileSync(join(tree, 'file'), text)
  execFileSync('mksquashfs', [tree, image, '-comp', 'zstd', '-quiet', '-no-progress'])
  return image
}

function changeByte(image: string): void {
  const file = openSync(image, 'r+')
  writeSync(file, 'X', statSync(image).size - 1)
  closeSync(file)
}

squashfs('an image that changes while it is pushed is an error, and gets no tag', async () => {
  for (const change of [changeByte, (image: string) => truncateSync(image, 100)]) {
    const { host, taken, stop } = await startCredulous()
    const image = newImage()
    let isChanged = false
    const onProgress = () => {
      if (!isChanged) change(image)
      isChanged = true
    }
    const options = { registry: nobody(), internal: true, replace: false, searched: [], onProgress }
    await refusedLater(
      pushImage(image, parsePushTarget(`${host}/images/x:1`, []), options),
      'SOURCE_CHANGED',
      /changed while it was pushed/
    )
    stop()
    assert.ok(isChanged)
    assert.equal(
      taken.filter(url => url.includes('/manifests/')),
      []
    )
  }
})

squashfs('an upload that is cut off is begun anew, from the same open file', async () => {
  const { host, taken, stop } = await startCredulous({ cuts: 2 })
  const image = newImage(randomBytes(8 << 20))
  const options = { registry: nobody(), internal: true, replace: false, searched: [], onProgress: () => {} }
  // This registry does not have what it took.
  await refusedLater(
    pushImage(image, parsePushTarget(`${host}/images/x:1`, []), options),
    'REGISTRY_INVALID',
    /does not have it/
  )
  stop()
  assert.ok(taken.some(url => url.includes('/manifests/1')))
})

tests.run()
