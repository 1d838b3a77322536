/** `stack.yaml`: the modules that a user chose, and for whom images of them are (spec/lock.md#stack). */
import { readFile } from 'node:fs/promises'
import { StrataError } from '../../store/errors.ts'
import { type ModuleRequest, parseModuleRequest } from '../../store/module/name.ts'
import { readPlainStack } from './plain-stack.ts'
import type { StackText } from './stack-text.ts'

export interface Stack {
  modules: ModuleRequest[]
  /** As after `--for`. */
  audience?: string
}

/** A stack and the text that it came from. */
export interface ParsedStack extends Stack {
  text: StackText
}

/** A stack that something can be made of. @throws StrataError STACK_INVALID; IO when there is no such file */
export async function readStack(file: string): Promise<Stack> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new StrataError('IO', {
      message: `no stack: ${file} cannot be read: ${error.message}`,
      hint: `compose add base/debian makes one; or name the modules: compose build OUT.sqfs base/debian app/tool`,
      cause: error
    })
  })
  return parseStack(text, file)
}

/** @throws StrataError STACK_INVALID with line and column, also for a stack of no modules */
export async function parseStack(text: string, file: string): Promise<Stack> {
  const { modules, audience } = await parseStackText(text, file)
  if (modules.length === 0) throw invalidStack(file, { line: 1, column: 1 }, '"modules" names no module')
  return { modules, ...(audience !== undefined && { audience }) }
}

/** The same for editing: the list may be empty. @throws StrataError STACK_INVALID with line and column */
export async function parseStackText(text: string, file: string): Promise<ParsedStack> {
  const parsed = readPlainStack(text) ?? (await readAnyStack(text, file))
  const modules = parsed.items.map(item => {
    try {
      return parseModuleRequest(item.text)
    } catch (error) {
      throw invalidStack(file, item, (error as Error).message)
    }
  })
  return { modules, audience: parsed.audience, text: parsed }
}

/** What is not of the plain form: the package that reads all of YAML takes longer to load than all else. */
async function readAnyStack(text: string, file: string): Promise<StackText> {
  const { readYamlStack } = await import('./yaml-stack.ts')
  return readYamlStack(text, file)
}

export const invalidStack = (
  file: string,
  { line, column }: { line: number; column: number },
  what: string
): StrataError =>
  new StrataError('STACK_INVALID', {
    message: `${file}, line ${line}, column ${column}: ${what}`,
    facts: { file, line, column },
    hint: 'modules:\n  - base/debian-12\n  - mpi/openmpi'
  })
