/**
 * Every regular expression of the product reads its text in a time that grows with the text, not with its square and not
 * exponentially: V8 tries all ways to share out a text among the parts of an expression before it gives up.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type AST, RegExpParser } from '@eslint-community/regexpp'
import { type Node, parse } from 'acorn'
import { getConsumedChars, getFirstConsumedChar, type ReadonlyFlags, toCache } from 'regexp-ast-analysis'
import { analyse } from 'scslre'
import { equal, is } from 'uvu/assert'
import { atCheckSize } from '../helpers/needs.ts'
import { suite } from '../helpers/suite.ts'

/** Expressions that {@link faultsOf} reports but that are fine, with the reason. */
const FINE: Record<string, string> = {
  '/[\\x7f-\\x9f\\u2028\\u2029\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]|(?<!\\\\)(?:\\\\\\\\)*\\\\[bfru]/':
    'begins only at the first of a run of backslashes, for it looks behind itself',
  '/<<(-?)\\s*(?:\'([^\']+)\'|"([^"]+)"|\\\\?([A-Za-z_][\\w.-]*))/':
    'reads from << to the next quote at most',
  '/\\B(?=(\\d{3})+$)/g': 'of a number, which has few digits'
}

const compiled = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const root = dirname(compiled)

/** Compiled files of the product, by their sources: the folder may hold what was compiled of files that are gone. */
const productFiles = (): string[] =>
  ['cli', 'compose', 'native', 'store'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts') && !file.endsWith('.d.ts'))
      .map(file => `${folder}/${file}`)
  )

interface Expression {
  pattern: string
  flags: string
}

interface Found {
  file: string
  /** Undefined where a program makes it while it runs. */
  expression?: Expression
}

function expressionsIn(file: string): Found[] {
  const text = readFileSync(join(compiled, file.replace(/\.ts$/, '.js')), 'utf8')
  const found: Found[] = []
  const open: unknown[] = [parse(text, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true })]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (typeof node !== 'object' || node === null) continue
    const { regex, type, callee } = node as { regex?: Expression; callee?: { name?: string } } & Node
    if (regex !== undefined) found.push({ file, expression: regex })
    else if (/^(?:New|Call)Expression$/.test(type ?? '') && callee?.name === 'RegExp') found.push({ file })
    open.push(...Object.values(node).filter(value => value !== regex))
  }
  return found
}

/** Why an expression can cost more than its text is long. */
function faultsOf({ pattern, flags }: Expression): string[] {
  const shared = analyse({ source: pattern, flags })
    .reports.filter(({ type }) => type !== 'Move')
    .map(({ type, exponential }) => `${type}${exponential ? ', exponential' : ''}`)
  const parser = new RegExpParser()
  const parsedFlags = parser.parseFlags(flags)
  if (parsedFlags.sticky) return shared
  const { alternatives } = parser.parsePattern(pattern, 0, pattern.length, { unicode: parsedFlags.unicode })
  const reader = toCache(parsedFlags as ReadonlyFlags)
  return alternatives.some(alternative => !isAnchored(alternative) && readsAgain(alternative, reader))
    ? [...shared, 'reads a run again from each place in it']
    : shared
}

const isAnchored = ({ elements: [first] }: AST.Alternative): boolean =>
  (first?.type === 'Assertion' && first.kind === 'start') ||
  ((first?.type === 'Group' || first?.type === 'CapturingGroup') && first.alternatives.every(isAnchored))

/**
 * True if a match can begin at many places of a run and read it to its end for nothing: something after a repeated
 * part can fail, and the part can match everything before it.
 */
function readsAgain(alternative: AST.Alternative, flags: ReturnType<typeof toCache>): boolean {
  const { char: first } = getFirstConsumedChar(alternative, 'ltr', flags)
  /** The possible beginnings of a match, element by element, up to the current one. */
  const starts = [first]
  const isRisky = (element: AST.QuantifiableElement): boolean => {
    const run = getConsumedChars(element, flags).chars
    return starts.every(start => !run.isDisjointWith(start))
  }
  const visit = (element: AST.Element, endFails: boolean): boolean => {
    if (element.type === 'Quantifier')
      return (
        (element.max === Number.POSITIVE_INFINITY && endFails && isRisky(element.element)) ||
        visit(element.element, endFails)
      )
    if (!('alternatives' in element)) return false
    const isLook = element.type === 'Assertion'
    return element.alternatives.some(({ elements }) => visitAll(elements, endFails || isLook))
  }
  const visitAll = (elements: AST.Element[], endFails: boolean): boolean =>
    elements.some((element, i) => visit(element, endFails || elements.slice(i + 1).some(canFail)))
  return alternative.elements.some((element, i) => {
    if (visit(element, alternative.elements.slice(i + 1).some(canFail))) return true
    if (element.type === 'Character' || element.type === 'CharacterClass' || element.type === 'CharacterSet')
      starts.push(getConsumedChars(element, flags).chars)
    return false
  })
}

/** True if there is a text that it does not match. */
const canFail = (element: AST.Element): boolean => element.type !== 'Quantifier' || element.min > 0

const expressions = suite('regular expressions of the product')
const long = atCheckSize(expressions)

long('none costs more than its text is long', () => {
  const faults = new Map<string, string>()
  for (const { file, expression } of productFiles().flatMap(expressionsIn)) {
    if (expression === undefined) continue
    const shown = `/${expression.pattern}/${expression.flags}`
    if (FINE[shown] !== undefined || faults.has(shown)) continue
    const found = faultsOf(expression)
    if (found.length > 0) faults.set(shown, `${file} ${shown}: ${found.join('; ')}`)
  }
  equal([...faults.values()], [])
})

expressions('none is made of an input', () => {
  equal(
    productFiles()
      .flatMap(expressionsIn)
      .filter(({ expression }) => expression === undefined)
      .map(({ file }) => file),
    []
  )
})

for (const [pattern, what] of [
  ['\\/+$', 'a run before the end'],
  ['-[0-9][^/]*$', 'a run behind a fixed start that it can hold'],
  ['^(\\s*(#.*)?\\n)*x', 'a run shared out in exponentially many ways'],
  ['^a *( b)? *$', 'a run shared between two parts'],
  [' (<|=) .*$', 'a rest of the line that does not have to be the last']
])
  expressions(`finds ${what}`, () => is(faultsOf({ pattern: pattern!, flags: '' }).length > 0, true))

expressions.run()
