import * as assert from 'uvu/assert'
import { needing } from '../../helpers/needs.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'
import { merged, unpacked } from '../helpers/as-umoci.ts'
import { type Random, randomOf } from '../helpers/random-layer.ts'
import { sameLines } from '../helpers/same-lines.ts'
import { type Entry, tarOf } from '../helpers/tar-layer.ts'

/** Layers of one module are what an image's layers are: umoci says what comes out of them. */
const umoci = suite('merge: as umoci unpacks')

type Line = string | [string, Entry]

/** Names of directories, of links to them, and sometimes of files. */
const FOLDERS = ['a', 'b', 'lib']
const FILES = ['x', 'y']
const TARGETS = ['b', '.', 'a', 'lib', '../a']

/** Two layers or three. */
class RandomStack {
  readonly #random: Random
  readonly #pick: <T>(from: T[]) => T
  /** Absolute links begin with the folder that the stack will be in. */
  readonly #root: string
  /** For paths of the current layer: true for a directory. */
  #isFolder = new Map<string, boolean>()
  /** Files of the layers below, because umoci refuses to replace them by directories. */
  readonly #files = new Set<string>()
  readonly layers: Line[][]

  constructor(random: Random, root: string) {
    this.#random = random
    this.#pick = from => from[random(from.length)]
    this.#root = root
    this.layers = Array.from({ length: 2 + random(2) }, (_, i) => this.#makeLayer(i > 0))
  }

  /** Directories are often not named, and whiteouts stand beside what comes, before it as builders write them. */
  #makeLayer(isUpper: boolean): Line[] {
    this.#isFolder = new Map()
    const lower = [...this.#files]
    const whiteouts = isUpper ? this.#repeated(4, () => this.#whiteout()) : []
    const files = isUpper ? lower : []
    const members = this.#repeated(7, () => this.#member(files))
    for (const [path, isFolder] of this.#isFolder) if (!isFolder) this.#files.add(path)
    return [...whiteouts, ...members]
  }

  #repeated(limit: number, make: () => Line | undefined): Line[] {
    const lines = Array.from({ length: this.#random(limit) + (limit > 4 ? 1 : 0) }, make)
    return lines.filter(line => line !== undefined)
  }

  #whiteout(): Line | undefined {
    const path = this.#random(2) === 0 ? this.#folder() : this.#path()
    const cut = path.lastIndexOf('/') + 1
    const isOpaque = this.#random(4) === 0
    if (!this.#take(isOpaque ? path : path.slice(0, Math.max(0, cut - 1)), true)) return undefined
    if (!isOpaque) this.#files.delete(path)
    return isOpaque ? `${path}/.wh..wh..opq=` : `${path.slice(0, cut)}.wh.${path.slice(cut)}=`
  }

  #member(files: string[]): Line | undefined {
    const entry = { mode: this.#pick([0o700, 0o755, 0o1777, 0o644]), uid: this.#random(3) }
    const kind = this.#random(8)
    const path = kind < 3 ? this.#folder() : this.#path()
    if (!this.#take(path, kind < 2)) return undefined
    if (kind < 2) return [`${path}/`, entry]
    const target = this.#pick(TARGETS)
    const link = this.#random(2) === 0 ? target : `${this.#root}/${target}`
    if (kind === 2) return [`${path} -> ${link}`, { mode: 0o777 }]
    if (kind === 3 && files.length > 0) return [`${path} == ${this.#pick(files)}`, entry]
    files.push(path)
    return [`${path}=${this.#random(3)}`, entry]
  }

  #folder(): string {
    return Array.from({ length: 1 + this.#random(2) }, () => this.#pick(FOLDERS)).join('/')
  }

  #path(): string {
    if (this.#random(4) === 0) return this.#folder()
    return `${this.#random(3) === 0 ? '' : `${this.#folder()}/`}${this.#pick(FILES)}`
  }

  /** No layer contradicts itself: import refuses such a thing. */
  #take(path: string, asFolder: boolean): boolean {
    if (path === '') return true
    const folders = [...parents(path), ...(asFolder ? [path] : [])]
    if (folders.some(folder => this.#isFolder.get(folder) === false || this.#files.has(folder))) return false
    if (!asFolder && this.#isFolder.has(path)) return false
    for (const folder of folders) this.#isFolder.set(folder, true)
    if (!asFolder) this.#isFolder.set(path, false)
    return true
  }
}

const parents = (path: string): string[] =>
  path
    .split('/')
    .slice(0, -1)
    .map((_, i, names) => names.slice(0, i + 1).join('/'))

/** Stacks beside each other in one image, each in a folder of its own: starting programs takes longer than what they do. */
function tarsOf(stacks: RandomStack[], roots: string[]): Buffer[] {
  const inFolder = (line: Line, root: string): Line => {
    const move = (text: string) => `${root.slice(1)}/${text.replace(/ == /, ` == ${root.slice(1)}/`)}`
    return typeof line === 'string' ? move(line) : [move(line[0]), line[1]]
  }
  return [0, 1, 2].map(layer =>
    tarOf(
      stacks.flatMap(({ layers }, i) => [
        ...(layer === 0 ? [`${roots[i].slice(1)}/`] : []),
        ...(layers[layer] ?? []).map(line => inFolder(line, roots[i]))
      ])
    )
  )
}

const STACKS = bySize(32, 640)
const TOGETHER = 16

/** @returns how many were compared: of some that are refused, here or by umoci, each half is tried */
async function compare(seeds: number[]): Promise<number> {
  const roots = seeds.map(seed => `/s${seed}`)
  const stacks = seeds.map((seed, i) => new RandomStack(randomOf(seed), roots[i]))
  const tars = tarsOf(stacks, roots)
  const found = await merged(tars)
  const wanted = found && unpacked(tars)
  if (wanted !== undefined) {
    sameLines(found!, wanted, `seeds ${seeds[0]} to ${seeds.at(-1)}`)
    return seeds.length
  }
  if (seeds.length === 1) return 0
  const half = seeds.length >> 1
  return (await compare(seeds.slice(0, half))) + (await compare(seeds.slice(half)))
}

for (let first = 1; first <= STACKS; first += TOGETHER)
  needing(
    umoci,
    'root',
    'umoci'
  )(`random stacks, seeds ${first} to ${first + TOGETHER - 1}`, async () => {
    const compared = await compare(Array.from({ length: TOGETHER }, (_, i) => first + i))
    assert.ok(compared > TOGETHER / 2, `only ${compared} of ${TOGETHER} were taken`)
  })

umoci.run()
