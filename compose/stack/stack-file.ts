/** `stack.yaml`: the modules that a user chose, and the audience of their images (spec/lock.md#stack). */
import { readFile } from 'node:fs/promises'
import { parseRequirement, type RangedRequest } from '../../store/module/index.ts'
import { StrataError, systemWords } from '../../store/values/index.ts'
import { readPlainStack } from './plain-stack.ts'
import { invalidStack, type StackText } from './stack-text.ts'

/** Far more than anybody writes with one module or comment per line. */
const LARGEST_STACK = 1 << 20

export interface Stack {
  modules: RangedRequest[]
  /** Value of `for`, in the form of `--for`. */
  audience?: string
}

/** A stack and its text. */
export interface ParsedStack extends Stack {
  text: StackText
}

/** A stack that something can be made of. @throws StrataError STACK_INVALID; STACK_MISSING; IO */
export async function readStack(file: string): Promise<Stack> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const isMissing = error.code === 'ENOENT'
    throw new StrataError(isMissing ? 'STACK_MISSING' : 'IO', {
      message: isMissing
        ? `there is no stack: the file ${file} does not exist`
        : `the stack ${file} cannot be read: ${systemWords(error)}`,
      facts: isMissing ? { file } : { file, errno: error.code ?? '' },
      hint: `compose add base/debian makes one; or name the modules: compose build OUT.sqfs base/debian app/tool`,
      cause: error
    })
  })
  return parseStack(text, file)
}

/** @throws StrataError STACK_INVALID with line and column, also for a stack without modules */
export async function parseStack(text: string, file: string): Promise<Stack> {
  const { modules, audience } = await parseStackText(text, file)
  if (modules.length === 0) throw invalidStack(file, { line: 1, column: 1 }, '"modules" names no module')
  return { modules, ...(audience !== undefined && { audience }) }
}

/**
 * Like `parseStack` but for editing, so the list may be empty. @throws StrataError STACK_INVALID with line and column
 */
export async function parseStackText(text: string, file: string): Promise<ParsedStack> {
  if (text.length > LARGEST_STACK)
    throw invalidStack(
      file,
      { line: 1, column: 1 },
      `has ${text.length} characters, wanted at most ${LARGEST_STACK}`
    )
  const parsed = readPlainStack(text) ?? (await readOtherStack(text, file))
  const modules = parsed.items.map(item => {
    try {
      return parseRequirement(item.text, 'module')
    } catch (error) {
      throw invalidStack(file, item, (error as Error).message)
    }
  })
  return { modules, audience: parsed.audience, text: parsed }
}

/** Most stacks are plain, and the YAML package takes long to load. */
async function readOtherStack(text: string, file: string): Promise<StackText> {
  const { readYamlStack } = await import('./yaml-stack.ts')
  return readYamlStack(text, file)
}
