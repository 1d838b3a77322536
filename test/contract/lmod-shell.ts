import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The program itself, which `module` calls: Debian has no `lmod` on PATH. */
export function lmodProgram(): string | undefined {
  const top = '/usr/share/lmod'
  if (!existsSync(top)) return undefined
  return readdirSync(top)
    .map(name => join(top, name, 'libexec/lmod'))
    .find(path => existsSync(path))
}

export interface LmodOutcome {
  isDone: boolean
  /** Text for people. */
  words: string
}

/** A shell in which `module` is called: keeps the environment that Lmod asks for. */
export class LmodShell {
  readonly #program: string
  #environment: Record<string, string>

  /** @param home holds the collections */
  constructor(program: string, modulePath: string[], home: string) {
    mkdirSync(home, { recursive: true })
    this.#program = program
    this.#environment = {
      PATH: process.env.PATH ?? '',
      HOME: home,
      MODULEPATH: modulePath.join(':'),
      LMOD_COLORIZE: 'no',
      LMOD_PAGER: 'none',
      LC_ALL: 'C.UTF-8'
    }
  }

  /** `module` with these words. */
  run(...words: string[]): LmodOutcome {
    const { stdout, stderr, error } = spawnSync(this.#program, ['python', ...words], {
      env: this.#environment,
      encoding: 'utf8'
    })
    if (error) throw error
    const isDone = !/^_mlstatus = False/m.test(stdout)
    if (isDone) this.#take(stdout)
    return { isDone, words: stderr }
  }

  /** Applies the shell changes that Lmod prints, in Python's form. */
  #take(script: string): void {
    for (const [, name, value] of script.matchAll(/^os\.environ\[['"](\w+)['"]\] = (['"].*['"]);?$/gm))
      this.#environment[name] = value.slice(1, -1)
    for (const [, name] of script.matchAll(/^(?:del )?os\.environ(?:\.pop\(|\[)['"](\w+)['"](?:\)|\])?;?$/gm))
      delete this.#environment[name]
  }

  snapshot(): Record<string, string> {
    return { ...this.#environment }
  }

  goBack(snapshot: Record<string, string>): void {
    this.#environment = { ...snapshot }
  }

  /** `name/version` of what is loaded, sorted. */
  loaded(): string[] {
    const count = Number(this.#environment._ModuleTable_Sz_ ?? 0)
    const parts = Array.from(
      { length: count },
      (_, i) => this.#environment[`_ModuleTable${String(i + 1).padStart(3, '0')}_`]
    )
    const table = Buffer.from(parts.join(''), 'base64').toString('latin1')
    return [...table.matchAll(/^fullName = "(.*)",$/gm)].map(([, name]) => name).sort()
  }

  /** `module -t avail`, without headings. */
  available(): string[] {
    const { stderr } = spawnSync(this.#program, ['python', '-t', 'avail'], {
      env: this.#environment,
      encoding: 'utf8',
      maxBuffer: 1 << 26
    })
    return stderr.split('\n').filter(line => /^[^:]+\/[0-9]/.test(line))
  }
}
