/**
 * A module sent to Debian's docker-registry on this machine and fetched from it, beside skopeo and podman with an image of
 * the same layer.
 *
 *   node dist/test/bench/registry.js LAYER.tar [ROUNDS]
 *
 * skopeo copies an OCI layout whose layer is packed with zstd: it moves bytes. podman unpacks as well, so it stands beside
 * a pull, and beside the build of a lock from an empty store, which is what a user waits for. The registry shares the
 * processors, so its time stands there as well. Needs root, docker-registry, skopeo and podman.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunningRegistry, startRegistry, stopRegistries } from '../helpers/registry.ts'
import { describeRun, megabytes, renderTable, spread } from './helpers/report.ts'
import {
  ENVIRONMENT,
  type Measured,
  readCpuSeconds,
  runCompose,
  runMeasured
} from './helpers/run-measured.ts'

const [tar, rounds = '3'] = process.argv.slice(2)
if (tar === undefined) throw new Error('usage: registry.js LAYER.tar [ROUNDS]')

const folder = mkdtempSync(join(tmpdir(), 'strata-bench-'))
const at = (name: string): string => join(folder, name)
const measured = new Map<string, (Measured & { registrySeconds: number })[]>()

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

async function newStore(store: string, remote?: string): Promise<string> {
  rmSync(store, { recursive: true, force: true })
  await runCompose(store, ['init', '--level', '3'])
  if (remote !== undefined) {
    mkdirSync(join(store, 'trust'), { recursive: true, mode: 0o755 })
    writeFileSync(join(store, 'trust/remotes'), `site ${remote}\n`)
  }
  return store
}

/** One round with one registry; what comes after needs what came before. */
class Round {
  readonly #registry: RunningRegistry
  readonly #from: string

  constructor(registry: RunningRegistry, from: string) {
    this.#registry = registry
    this.#from = from
  }

  async run(): Promise<void> {
    const { host } = this.#registry
    await this.#push(`${host}/site`, `docker://${host}/image:1`)
    await this.#pull(`${host}/site/base/bench:1`, `docker://${host}/image:1`)
    await this.#build(`${host}/site`, `docker://${host}/image:1`)
  }

  async #push(prefix: string, image: string): Promise<void> {
    const push = () => runCompose(this.#from, ['push', 'base/bench', prefix])
    const copy = () => skopeo(`oci:${at('layout')}:latest`, image)
    await this.#note('compose push', push)
    await this.#note('skopeo copy, layout to registry', copy)
    await this.#note('compose push, all there', push)
    await this.#note('skopeo copy, all there', copy)
  }

  async #pull(module: string, image: string): Promise<void> {
    const to = await newStore(at('to'))
    await this.#note('compose pull', () => runCompose(to, ['pull', module]))
    rmSync(at('copy'), { recursive: true, force: true })
    await this.#note('skopeo copy, registry to layout', () => skopeo(image, `oci:${at('copy')}:latest`))
    await this.#note('compose pull, all there', () => runCompose(to, ['pull', module]))
  }

  async #build(prefix: string, image: string): Promise<void> {
    const empty = await newStore(at('empty'), prefix)
    const build = ['build', at('image.sqfs'), at('stack.lock')]
    await this.#note('compose build of a lock, empty store', () => runCompose(empty, build))
    await this.#note('podman pull', () => podman('pull', '-q', '--tls-verify=false', image))
    await podman('rmi', '-a', '-f')
    await this.#note('compose build of a lock, all there', () => runCompose(empty, build))
  }

  async #note(what: string, run: () => Promise<Measured>): Promise<void> {
    const before = readCpuSeconds(this.#registry.pid)
    const one = await run()
    const registrySeconds = readCpuSeconds(this.#registry.pid) - before
    measured.set(what, [...(measured.get(what) ?? []), { ...one, registrySeconds }])
  }
}

try {
  const from = await newStore(at('from'))
  await runCompose(from, ['import', 'base/bench-1', tar])
  await runCompose(from, ['build', at('layout'), 'base/bench', '--format', 'oci', '--bare'])
  await runCompose(from, ['lock', 'base/bench', '--output', at('stack.lock')])
  for (let i = 0; i < Number(rounds); i++) {
    await new Round(await startRegistry(), from).run()
    stopRegistries()
  }
  const rows = [...measured].map(([what, runs]) => [
    what,
    spread(runs.map(({ seconds }) => seconds)),
    spread(runs.map(({ cpuSeconds }) => cpuSeconds)),
    spread(runs.map(({ registrySeconds }) => registrySeconds)),
    megabytes(Math.max(...runs.map(({ peakBytes }) => peakBytes)))
  ])
  console.log(`${describeRun()}\n`)
  console.log(renderTable(['', 'seconds', 'CPU s', "registry's CPU s", 'peak MB'], rows))
} finally {
  stopRegistries()
  rmSync(folder, { recursive: true, force: true })
}
