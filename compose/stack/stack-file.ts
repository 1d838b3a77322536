/** `stack.yaml`: the modules that a user chose, and for whom images of them are (spec/lock.md#stack). */
import { readFile } from 'node:fs/promises'
import { StrataError } from '../../store/errors.ts'
import { type ModuleRequest, parseModuleRequest } from '../../store/module/name.ts'

export interface Stack {
  modules: ModuleRequest[]
  /** As after `--for`. */
  audience?: string
}

/** @throws StrataError STACK_INVALID; IO when there is no such file */
export async function readStack(file: string): Promise<Stack> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new StrataError('IO', {
      message: `no stack: ${file} cannot be read: ${error.message}`,
      hint: `name the modules (compose build OUT.sqfs base/debian app/tool), or write ${file}:\nmodules:\n  - base/debian`,
      cause: error
    })
  })
  return parseStack(text, file)
}

/** @throws StrataError STACK_INVALID with line and column */
export async function parseStack(text: string, file: string): Promise<Stack> {
  const { LineCounter, parseDocument, isMap, isScalar, isSeq } = await import('yaml')
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const refuse = (what: string, offset = 0): never => {
    const { line, col } = lines.linePos(offset)
    throw new StrataError('STACK_INVALID', {
      message: `${file}, line ${line}, column ${col}: ${what}`,
      facts: { file, line, column: col },
      hint: 'modules:\n  - base/debian-12\n  - mpi/openmpi'
    })
  }
  const startOf = (node: unknown): number => (node as { range?: [number] } | null)?.range?.[0] ?? 0
  if (document.errors.length > 0) refuse(document.errors[0].message.split('\n')[0], document.errors[0].pos[0])
  const root = document.contents
  if (!isMap(root)) return refuse('wanted a mapping with the key "modules"', startOf(root))
  const stack: Stack = { modules: [] }
  for (const { key, value } of root.items) {
    const name = isScalar(key) ? key.value : undefined
    if (name === 'for') {
      if (!isScalar(value) || typeof value.value !== 'string') return refuse('"for" is no text', startOf(value))
      stack.audience = value.value
    } else if (name === 'modules') {
      if (!isSeq(value)) return refuse('"modules" is no list', startOf(value))
      for (const item of value.items) {
        if (!isScalar(item) || typeof item.value !== 'string') return refuse('a module is no text', startOf(item))
        try {
          stack.modules.push(parseModuleRequest(item.value))
        } catch (error) {
          refuse((error as Error).message, startOf(item))
        }
      }
    } else refuse(`key ${JSON.stringify(name)} is none of modules, for`, startOf(key))
  }
  if (stack.modules.length === 0) refuse('"modules" names no module')
  return stack
}
