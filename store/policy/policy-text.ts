/** Reads the text of a policy (spec/policy.schema.json). All faults are reported at once, with line and column. */
import { parseSpecText, refuseText, type SpecFault, type SpecText } from '../module/index.ts'
import { DAG_JSON, describe, isMap, parseCid } from '../values/index.ts'
import { type PolicyText, PURPOSES, type Purpose, type Rule } from './policy.ts'

type Path = (string | number)[]

/** @throws StrataError POLICY_INVALID always */
export const refusePolicy = (file: string, faults: SpecFault[]): never =>
  refuseText(file, faults, { code: 'POLICY_INVALID', hint: 'spec/policy.schema.json describes every key' })

/** @throws StrataError POLICY_INVALID */
export async function parsePolicy(bytes: Uint8Array, file: string): Promise<PolicyText> {
  const text = await parseSpecText(bytes, file, refusePolicy)
  const reader = new PolicyReader(text)
  const policy = reader.read()
  if (reader.faults.length > 0) refusePolicy(file, reader.faults)
  return policy
}

const KEYS = ['version', 'signers', 'revoked', 'withdrawn', 'rules', 'when', 'touch']
const RULE_KEYS = ['modules', 'signed-by', 'at-least']
const MOST_SIGNERS = 100

class PolicyReader {
  readonly faults: SpecFault[] = []
  readonly #text: SpecText

  constructor(text: SpecText) {
    this.#text = text
  }

  read(): PolicyText {
    const fields = this.#map(this.#text.value, [], KEYS)
    if (fields.version !== 1)
      this.#refuse(['version'], `version: found ${describe(fields.version)}, wanted 1`)
    const signers = this.#path(fields, 'signers')
    const rules = this.#rules(fields.rules)
    const asking = rules.find(({ signedBy }) => signedBy !== undefined)
    if (signers === undefined && asking !== undefined)
      this.faults.push({
        line: asking.line,
        column: 1,
        message: 'the rule asks for signatures, but the policy has no signers'
      })
    const revoked = this.#path(fields, 'revoked')
    return {
      ...(signers !== undefined && { signers }),
      ...(revoked !== undefined && { revoked }),
      withdrawn: this.#withdrawn(fields.withdrawn),
      rules,
      when: this.#when(fields.when),
      isTouchRequired: this.#touch(fields.touch)
    }
  }

  #refuse(path: Path, message: string, part: 'key' | 'value' = 'value'): void {
    this.faults.push({ ...this.#text.position(path, part), message })
  }

  /** The value as a map without unknown keys; empty if it is none. */
  #map(value: unknown, path: Path, known: string[]): Record<string, unknown> {
    if (!isMap(value)) {
      this.#refuse(path, `found ${describe(value)}, wanted a mapping with ${known.join(', ')}`)
      return {}
    }
    for (const key of Object.keys(value))
      if (!known.includes(key))
        this.#refuse([...path, key], `${describe(key)} is unknown, wanted one of ${known.join(', ')}`, 'key')
    return value
  }

  #path(fields: Record<string, unknown>, key: string): string | undefined {
    const value = fields[key]
    if (value === undefined) return undefined
    if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
    this.#refuse([key], `${key}: found ${describe(value)}, wanted the path of a file`)
    return undefined
  }

  #withdrawn(value: unknown): Map<string, number> {
    const lines = new Map<string, number>()
    for (const [i, item] of this.#list(value ?? [], ['withdrawn']).entries()) {
      const path = ['withdrawn', i]
      try {
        parseCid(String(item), DAG_JSON, 'withdrawn')
        lines.set(String(item), this.#text.position(path, 'value').line)
      } catch {
        this.#refuse(path, `withdrawn: found ${describe(item)}, wanted the id of a record`)
      }
    }
    return lines
  }

  #list(value: unknown, path: Path): unknown[] {
    if (Array.isArray(value)) return value
    this.#refuse(path, `${path.at(-1)}: found ${describe(value)}, wanted a list`)
    return []
  }

  #rules(value: unknown): Rule[] {
    const rules = this.#list(value, ['rules']).map((item, i) => this.#rule(item, ['rules', i]))
    if (rules.length > 0 && !rules.at(-1)!.modules.includes('*'))
      this.#refuse(
        ['rules', rules.length - 1],
        'the last rule has to be for modules: "*", so that the policy says what holds for all others'
      )
    if (Array.isArray(value) && rules.length === 0) this.#refuse(['rules'], 'rules: is empty')
    return rules
  }

  #rule(value: unknown, path: Path): Rule {
    const fields = this.#map(value, path, RULE_KEYS)
    const { line } = this.#text.position(path, 'value')
    const modules = this.#patterns(fields.modules, [...path, 'modules'])
    const isAnyone = fields['signed-by'] === 'anyone'
    const signedBy = isAnyone ? undefined : this.#patterns(fields['signed-by'], [...path, 'signed-by'])
    const atLeast = this.#count(fields['at-least'], [...path, 'at-least'])
    if (isAnyone && fields['at-least'] !== undefined)
      this.#refuse([...path, 'at-least'], 'at-least: has no meaning beside signed-by: anyone', 'key')
    return { line, modules, ...(signedBy !== undefined && { signedBy }), atLeast }
  }

  /** One pattern or a list of them. */
  #patterns(value: unknown, path: Path): string[] {
    const items = Array.isArray(value) ? value : [value]
    const isPattern = (item: unknown) =>
      typeof item === 'string' && /^[\x21-\x7e]+$/.test(item) && !/[,!"]/.test(item)
    if (items.length > 0 && items.every(isPattern)) return items
    const wrong = items.find(item => !isPattern(item))
    const name = path.at(-1)
    this.#refuse(
      value === undefined ? path.slice(0, -1) : path,
      value === undefined
        ? `${name}: is missing`
        : `${name}: found ${items.length === 0 ? 'an empty list' : describe(wrong)}, wanted a pattern or a list of them, without blanks, commas, quotes and !`
    )
    return []
  }

  #count(value: unknown, path: Path): number {
    if (value === undefined) return 1
    if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MOST_SIGNERS)
      return value as number
    this.#refuse(path, `at-least: found ${describe(value)}, wanted a number from 1 to ${MOST_SIGNERS}`)
    return MOST_SIGNERS
  }

  #when(value: unknown): Set<Purpose> {
    if (value === undefined) return new Set(PURPOSES)
    const items = this.#list(value, ['when'])
    if (Array.isArray(value) && items.length === 0) this.#refuse(['when'], 'when: is empty')
    for (const [i, item] of items.entries())
      if (!PURPOSES.includes(item as Purpose))
        this.#refuse(['when', i], `when: found ${describe(item)}, wanted one of ${PURPOSES.join(', ')}`)
    return new Set(items as Purpose[])
  }

  #touch(value: unknown): boolean {
    if (value === undefined || value === 'required') return true
    if (value !== 'optional')
      this.#refuse(['touch'], `touch: found ${describe(value)}, wanted required or optional`)
    return value !== 'optional'
  }
}
