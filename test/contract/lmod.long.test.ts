/**
 * Lmod is the measure: the same tree of 1,000 names and versions, and the same words, must lead to the same modules.
 * Where Lmod leaves modules behind without what they depend on (it warns), we refuse or stay whole: such a step is
 * checked for just that, and taken back on both sides.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { resolveStack } from '../../compose/resolve/resolve-stack.ts'
import { satisfies } from '../../compose/resolve/satisfies.ts'
import { restoreCollection, saveCollection } from '../../compose/stack/collections.ts'
import { addModules, purgeModules, removeModules, swapModules } from '../../compose/stack/edit-stack.ts'
import { openStack, resolveOpenStack } from '../../compose/stack/open-stack.ts'
import { initStore } from '../../store/files/store.ts'
import { publishedVersions } from '../../store/lookup/find-module.ts'
import { formatModuleName, parseModuleName, parseModuleRequest } from '../../store/module/name.ts'
import { parseRequirement } from '../../store/module/requirement.ts'
import { openRepository } from '../../store/repository/open-repository.ts'
import type { Repository } from '../../store/repository/repository.ts'
import { StrataError } from '../../store/values/errors.ts'
import { needing } from '../helpers/needs.ts'
import { scratch } from '../helpers/scratch.ts'
import { bySize } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { LmodShell, lmodProgram } from './lmod-shell.ts'
import {
  fromLmod,
  publish,
  type Random,
  randomFrom,
  randomVersions,
  type TreeModule,
  toLmod,
  writeModulefiles
} from './module-tree.ts'

const same = suite('the same as Lmod')
const program = lmodProgram()
// `lua` stands for the package: where its files are missing, so is lmod.
const withLmod = needing(same, program === undefined ? 'lmod' : 'lua')

interface Site {
  shell: LmodShell
  store: Repository
}

/** In each of two roots. */
const VERSIONS = bySize(40, 500)

/** Two roots each: MODULEPATH there, COMPOSE_PATH here. */
async function site(first: TreeModule[], second: TreeModule[] = []): Promise<Site> {
  const folder = scratch()
  const roots: string[] = []
  for (const [i, modules] of [first, second].entries()) {
    const root = join(folder, `store${i}`)
    await initStore(root)
    publish(root, modules)
    mkdirSync(join(folder, `modulefiles${i}`))
    writeModulefiles(join(folder, `modulefiles${i}`), modules)
    roots.push(root)
  }
  return {
    shell: new LmodShell(
      program!,
      [join(folder, 'modulefiles0'), join(folder, 'modulefiles1')],
      join(folder, 'home')
    ),
    store: await openRepository({ store: roots[0], path: roots[1] })
  }
}

function plainTree(random: Random, prefix: string): TreeModule[] {
  const modules: TreeModule[] = []
  for (let versions = 0; versions < VERSIONS; versions += modules.at(-1)!.versions.length) {
    const list = randomVersions(random, 6)
    modules.push({
      name: `${random.pick(['lib', 'app', 'mpi'])}/${prefix}${modules.length}`,
      versions: list,
      ...(random.chance(40) && { default: random.pick(list) }),
      hidden: list.filter(() => random.chance(15))
    })
  }
  return modules
}

withLmod(
  `are defaults, partial versions and the choice over several stores, for ${2 * VERSIONS} names and versions`,
  async () => {
    const random = randomFrom(4)
    const first = plainTree(random, 'n')
    // A part of the names is in the second root as well, with other versions and other defaults.
    const second = plainTree(random, 'm').map((module, i) =>
      i % 3 === 0 && first[i] ? { ...module, name: first[i].name } : module
    )
    const { shell, store } = await site(first, second)
    const names = [...new Set([...first, ...second].map(({ name }) => name))]
    let asked = 0
    for (const isWithVersion of [false, true]) {
      const words = names.map(name => {
        const both = [...first, ...second].filter(module => module.name === name)
        const parts = random.pick(both.flatMap(module => module.versions)).split('.')
        return isWithVersion ? `${name}-${parts.slice(0, random.pick([1, 1, 2, 3])).join('.')}` : name
      })
      // Lmod takes `2a` for a part of `2ab`; we do not.
      const requests = words.filter(word => !isWithVersion || /[0-9]$/.test(word))
      for (const chunk of chunks(requests, 40)) {
        shell.run('--force', 'purge')
        const answers = await Promise.all(chunk.map(word => found(store, word)))
        const known = chunk.filter((_, i) => answers[i] !== undefined)
        const { isDone, words: said } = shell.run('load', ...known.map(toLmod))
        assert.ok(isDone, said)
        assert.equal(shell.loaded().map(fromLmod), answers.filter(answer => answer !== undefined).sort())
        for (const word of chunk.filter((_, i) => answers[i] === undefined))
          assert.not.ok(shell.run('load', toLmod(word)).isDone, `${word} is unknown to us alone`)
        asked += chunk.length
      }
    }
    assert.ok(asked > 0.6 * VERSIONS, `${asked} requests`)
  }
)

async function found(store: Repository, word: string): Promise<string | undefined> {
  try {
    const [module] = await resolveStack(store, [parseModuleRequest(word)])
    return formatModuleName(module.name)
  } catch (error) {
    if (error instanceof StrataError && error.code === 'MODULE_UNKNOWN') return undefined
    throw error
  }
}

const chunks = <T>(list: T[], size: number): T[][] =>
  list.length === 0 ? [] : [list.slice(0, size), ...chunks(list.slice(size), size)]

withLmod('is the order of versions that avail shows', async () => {
  const modules = plainTree(randomFrom(7), 'v').map(module => ({ ...module, hidden: [] }))
  const { shell, store } = await site(modules)
  const shown = shell.available().map(fromLmod)
  for (const { name } of modules) {
    const ours = publishedVersions(store, parseModuleRequest(name)).map(({ version }) => `${name}-${version}`)
    assert.equal(
      shown.filter(line => line.replace(/-[0-9](?!.*-[0-9]).*/, '') === name),
      ours.reverse()
    )
  }
})

/** Names whose versions are loaded, swapped and required; requirements are met by some of their versions. */
function busyTree(random: Random): TreeModule[] {
  const modules: TreeModule[] = []
  for (let i = 0; i < 40; i++) {
    const name = `${random.pick(['lib', 'app'])}/b${i}`
    const versions = ['1.0', '1.5', '2.0', '2.4', '3.1'].filter(() => random.chance(70))
    if (versions.length === 0) versions.push('1.0')
    const lower = modules.slice(0, 16)
    modules.push({
      name,
      versions,
      ...(random.chance(30) && { default: random.pick(versions) }),
      ...(i % 8 === 7 && versions.length > 1 && { hidden: [versions[0]] }),
      ...(random.chance(20) && { family: random.pick(['mpi', 'blas']) }),
      ...(i > 5 && random.chance(60) && { requires: randomRequirements(random, lower) })
    })
  }
  // Lmod looks at a conflict when the module that names it is loaded; ours hold both ways. So both name it.
  for (let n = 0; n < 8; n++) {
    const [one, other] = [random.pick(modules), random.pick(modules)]
    if (one === other) continue
    one.conflicts = [...(one.conflicts ?? []), other.name]
    other.conflicts = [...(other.conflicts ?? []), one.name]
  }
  return modules
}

function randomRequirements(random: Random, among: TreeModule[]): string[] {
  const targets = new Set(Array.from({ length: 1 + random.below(2) }, () => random.pick(among)))
  return [...targets].map(({ name, versions, hidden = [] }) => {
    const visible = versions.filter(version => !hidden.includes(version))
    const some = random.pick(visible)
    return random.pick([
      name,
      name,
      name,
      `${name}-${some}`,
      `${name} >= ${some}`,
      `${name} >= 0.5, < ${some}.5`
    ])
  })
}

/** Steps of one sequence, in the words of both. */
type Step =
  | { verb: 'load' | 'unload'; words: string[] }
  | { verb: 'swap'; words: [string, string] }
  | { verb: 'purge' | 'save' | 'restore' }

function randomStep(random: Random, modules: TreeModule[]): Step {
  // A module that is required in a certain version is asked for by this version. Here a short request survives the
  // removal of the module that narrowed it, because the user asked for it; Lmod forgets it.
  const isNarrowed = (name: string) =>
    modules.some(({ requires = [] }) =>
      requires.some(text => text !== name && parseRequirement(text, '').name === name.split('/')[1])
    )
  const word = () => {
    const { name, versions } = random.pick(modules)
    return isNarrowed(name) || random.chance(40) ? `${name}-${random.pick(versions)}` : name
  }
  const name = () => random.pick(modules).name
  const kind = random.below(100)
  if (kind < 50) return { verb: 'load', words: random.chance(25) ? [word(), word()] : [word()] }
  if (kind < 75) return { verb: 'unload', words: [name()] }
  if (kind < 92) return { verb: 'swap', words: [name(), word()] }
  return { verb: random.pick(['purge', 'save', 'restore', 'restore']) }
}

/** The stack file of a user, and the steps as compose takes them. */
class User {
  readonly #store: Repository
  readonly #folder = scratch()
  readonly file = join(this.#folder, 'stack.yaml')

  constructor(store: Repository) {
    this.#store = store
  }

  async loaded(): Promise<string[]> {
    const stack = await openStack(this.file)
    return (await resolveOpenStack(this.#store, stack)).map(({ name }) => formatModuleName(name)).sort()
  }

  /** @returns why it was refused */
  async take(step: Step): Promise<StrataError | undefined> {
    try {
      await this.#take(step)
      return undefined
    } catch (error) {
      if (error instanceof StrataError) return error
      throw error
    }
  }

  async #take(step: Step): Promise<unknown> {
    const collections = join(this.#folder, 'collections')
    switch (step.verb) {
      case 'load':
        return addModules(this.#store, this.file, step.words.map(parseModuleRequest))
      case 'unload':
        return removeModules(this.#store, this.file, step.words.map(parseModuleRequest))
      case 'swap':
        return swapModules(
          this.#store,
          this.file,
          parseModuleRequest(step.words[0]),
          parseModuleRequest(step.words[1])
        )
      case 'purge':
        return purgeModules(this.#store, this.file)
      case 'save':
        return saveCollection(this.file, 'kept', collections)
      case 'restore':
        return restoreCollection(this.#store, this.file, 'kept', collections)
    }
  }

  snapshot(): (string | undefined)[] {
    return this.#files().map(file => (existsSync(file) ? readFileSync(file, 'utf8') : undefined))
  }

  goBack(snapshot: (string | undefined)[]): void {
    for (const [i, file] of this.#files().entries()) {
      const text = snapshot[i]
      if (text === undefined) rmSync(file, { force: true })
      else writeFileSync(file, text)
    }
  }

  #files(): string[] {
    return [this.file, this.file.replace('.yaml', '.lock')]
  }
}

function lmodStep(shell: LmodShell, step: Step) {
  if (step.verb === 'save' || step.verb === 'restore') return shell.run(step.verb, 'kept')
  return shell.run(step.verb, ...('words' in step ? step.words.map(toLmod) : []))
}

/** Every requirement met, no conflict, no family twice. */
function isWhole(loaded: string[], modules: TreeModule[]): boolean {
  const names = loaded.map(parseModuleName)
  const about = names.map(
    ({ category, name }) => modules.find(module => module.name === `${category}/${name}`)!
  )
  const families = about.flatMap(({ family }) => family ?? [])
  return (
    new Set(families).size === families.length &&
    about.every(
      ({ requires = [], conflicts = [] }) =>
        requires.every(text => names.some(name => satisfies(name, parseRequirement(text, '')))) &&
        !conflicts.some(text => names.some(name => satisfies(name, parseRequirement(text, ''))))
    )
  )
}

const WANTED_STEPS = bySize(20, 100)

for (const seed of bySize([11], [11, 12]))
  withLmod(`is what is loaded after each of ${WANTED_STEPS} random steps, seed ${seed}`, async () => {
    const random = randomFrom(seed)
    const modules = busyTree(random)
    const { shell, store } = await site(modules)
    const user = new User(store)
    const history: string[] = []
    let compared = 0
    let takenBack = 0
    while (compared < WANTED_STEPS) {
      const step = randomStep(random, modules)
      const before = { shell: shell.snapshot(), user: user.snapshot(), loaded: shell.loaded() }
      const { words } = lmodStep(shell, step)
      const refusal = await user.take(step)
      const [theirs, ours] = [shell.loaded().map(fromLmod), await user.loaded()]
      assert.ok(isWhole(ours, modules), `ours is whole: ${ours}`)
      history.push(`${step.verb} ${'words' in step ? step.words.join(' ') : ''} -> ${theirs.join(' ')}`)
      if (isWhole(theirs, modules)) {
        compared++
        const context = `seed ${seed}:\n${history.slice(-8).join('\n')}\nours: ${ours}\nLmod: ${words}\nus: ${refusal?.message} ${JSON.stringify(refusal?.facts)}`
        assert.equal(ours, theirs, context)
      } else {
        takenBack++
        history.pop()
        shell.goBack(before.shell)
        user.goBack(before.user)
        assert.equal(await user.loaded(), before.loaded.map(fromLmod))
      }
    }
    assert.ok(takenBack < compared, `${takenBack} steps were taken back`)
  })

same.run()
