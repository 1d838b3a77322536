import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lutimesSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { scratch } from './scratch.ts'

const NATIVE = new URL('../../native/index.js', import.meta.url).href

/** Swaps names as a user who may write to a folder can do while another process works in it. */
const LOOP = `import(process.argv[1]).then(({ constants, renameAt2 }) => {
  const { openSync } = require('node:fs')
  const folder = openSync(process.argv[2], constants.O_RDONLY | constants.O_DIRECTORY)
  process.stdout.write('.')
  for (;;) try {
    renameAt2(folder, process.argv[3], folder, process.argv[4], constants.RENAME_EXCHANGE)
  } catch {}
})`

/** Does the work while Node runs another script, which prints something when it has begun. */
async function beside(words: string[], work: () => void | Promise<void>): Promise<void> {
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const end = once(child, 'close')
  try {
    await once(child.stdout, 'data')
    await work()
  } finally {
    child.kill('SIGKILL')
    await end
  }
}

/** While the work is done another process exchanges two entries of a folder without a pause. */
export async function whileExchanging(
  folder: string,
  [one, other]: [string, string],
  work: () => void | Promise<void>
): Promise<void> {
  await beside(['-e', LOOP, NATIVE, folder, one, other], work)
}

/** Puts a folder with links in the place of each new one, as the owner of the folder above can. */
const REPLACING = `const fs = require('node:fs')
const [, folder, links] = process.argv
process.chdir(folder)
const prepare = () => {
  fs.mkdirSync('ready')
  for (const [name, target] of Object.entries(JSON.parse(links))) fs.symlinkSync(target, 'ready/' + name)
}
const seen = new Set(['ready', ...fs.readdirSync('.')])
prepare()
process.stdout.write('.')
for (;;) for (const name of fs.readdirSync('.')) if (!seen.has(name) && !name.startsWith('moved')) try {
  if (!fs.lstatSync(name).isDirectory()) continue
  fs.renameSync(name, 'moved' + name)
  fs.renameSync('ready', name)
  seen.add(name)
  prepare()
} catch {}`

/**
 * While the work is done another process puts a folder of links in the place of each folder that is made in one.
 * @param links by name in the new folder: where they lead
 * @returns how many were replaced
 */
export async function whileReplacing(
  folder: string,
  links: Record<string, string>,
  work: () => void | Promise<void>
): Promise<number> {
  await beside(['-e', REPLACING, folder, JSON.stringify(links)], work)
  return readdirSync(folder).filter(name => name.startsWith('moved')).length
}

export const FILES = Array.from({ length: 60 }, (_, i) => `file-${i}`)

export function folderWithFiles(path: string): void {
  mkdirSync(path)
  for (const name of FILES) writeFileSync(join(path, name), name)
}

const LONG_AGO = Date.now() / 1000 - 3 * 86_400
export const age = (path: string): void => lutimesSync(path, LONG_AGO, LONG_AGO)

/** A folder to be removed, and a link to one outside that holds the same names and must stay as it is. */
export class Trap {
  readonly folder = scratch()
  readonly outside = join(scratch(), 'outside')
  readonly #names: [string, string]
  readonly #moved = scratch()
  #count = 0

  constructor(one: string, other: string) {
    this.#names = [one, other]
    folderWithFiles(this.outside)
    age(this.outside)
  }

  /** Both names stand for either, many times in each round. */
  async whileExchanged(rounds: number, remove: () => unknown): Promise<void> {
    await whileExchanging(this.folder, this.#names, async () => {
      for (let round = 0; round < rounds; round++) {
        this.#renew()
        await remove()
        assert.is(readdirSync(this.outside).length, FILES.length, `round ${round}`)
      }
    })
  }

  /** Renews by renaming only, which leads nowhere. Nothing is exchanged until both names exist. */
  #renew(): void {
    for (const name of this.#names)
      try {
        renameSync(join(this.folder, name), join(this.#moved, `${this.#count++}`))
      } catch {} // removed
    const [one, other] = this.#names.map(name => join(this.folder, name))
    symlinkSync(this.outside, other)
    age(other)
    const ready = join(this.#moved, `${this.#count++}`)
    folderWithFiles(ready)
    age(ready)
    renameSync(ready, one)
  }
}
