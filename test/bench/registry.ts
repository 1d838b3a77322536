/**
 * A module sent to Debian's docker-registry on this machine and fetched from it, beside skopeo and podman with an image of
 * the same layer.
 *
 *   node dist/test/bench/registry.js LAYER.tar [ROUNDS]
 *
 * skopeo copies an OCI layout whose layer is packed with zstd: it moves bytes. podman unpacks as well, so it stands beside
 * a pull and the image of a build, which is what a user waits for. Needs root, docker-registry, skopeo and podman.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRegistry, stopRegistries } from '../helpers/registry.ts'
import { describeRun, megabytes, renderTable, spread } from './helpers/report.ts'
import { ENVIRONMENT, type Measured, runCompose, runMeasured } from './helpers/run-measured.ts'

const [tar, rounds = '3'] = process.argv.slice(2)
if (tar === undefined) throw new Error('usage: registry.js LAYER.tar [ROUNDS]')

const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'))
const at = (name: string): string => join(folder, name)
const measured = new Map<string, Measured[]>()

async function note(what: string, run: Promise<Measured>): Promise<void> {
  measured.set(what, [...(measured.get(what) ?? []), await run])
}

const skopeo = (...words: string[]): Promise<Measured> =>
  runMeasured('skopeo', ['copy', '--src-tls-verify=false', '--dest-tls-verify=false', ...words])

const podman = (...words: string[]): Promise<Measured> =>
  runMeasured(
    'podman',
    ['--root', at('podman'), '--runroot', at('run'), '--storage-driver', 'vfs', ...words],
    {
      env: { ...ENVIRONMENT, HOME: folder }
    }
  )

const newStore = async (store: string): Promise<string> => {
  rmSync(store, { recursive: true, force: true })
  await runCompose(store, ['init', '--level', '3'])
  return store
}

async function round(from: string): Promise<void> {
  const { host } = await startRegistry()
  const module = `${host}/site/base/bench:1`
  const image = `docker://${host}/image:1`
  await note('compose push', runCompose(from, ['push', 'base/bench', `${host}/site`]))
  await note('skopeo copy, layout to registry', skopeo(`oci:${at('layout')}:latest`, image))
  await note('compose push, all there', runCompose(from, ['push', 'base/bench', `${host}/site`]))
  await note('skopeo copy, all there', skopeo(`oci:${at('layout')}:latest`, image))
  const to = await newStore(at('to'))
  await note('compose pull', runCompose(to, ['pull', module]))
  rmSync(at('copy'), { recursive: true, force: true })
  await note('skopeo copy, registry to layout', skopeo(image, `oci:${at('copy')}:latest`))
  await note('compose pull, all there', runCompose(to, ['pull', module]))
  await note(
    'compose build, after the pull',
    runCompose(to, ['build', at('image.sqfs'), 'base/bench', '--bare'])
  )
  await note('podman pull', podman('pull', '-q', '--tls-verify=false', image))
  await podman('rmi', '-a', '-f')
  stopRegistries()
}

try {
  const from = await newStore(at('from'))
  await runCompose(from, ['import', 'base/bench-1', tar])
  await runCompose(from, ['build', at('layout'), 'base/bench', '--format', 'oci', '--bare'])
  for (let i = 0; i < Number(rounds); i++) await round(from)
  const rows = [...measured].map(([what, runs]) => [
    what,
    spread(runs.map(({ seconds }) => seconds)),
    spread(runs.map(({ cpuSeconds }) => cpuSeconds)),
    megabytes(Math.max(...runs.map(({ peakBytes }) => peakBytes)))
  ])
  console.log(`${describeRun()}\n`)
  console.log(renderTable(['', 'seconds', 'CPU s', 'peak MB'], rows))
} finally {
  stopRegistries()
  rmSync(folder, { recursive: true, force: true })
}
