/** Words of Dockerfiles: quotes, and `$NAME`, `${NAME:-word}`, `${NAME:+word}` (spec/definitions.md#dockerfiles). */

export type Lookup = (name: string) => string | undefined

/** What a word cannot be read for. */
export class WordError extends Error {}

/** @param mark the character that takes its meaning from the next one */
export function expandText(text: string, lookup: Lookup, mark = '\\'): string {
  return new Expander(text, lookup, mark).words(false).join('')
}

/** Words between blanks, after quotes and variables are gone. */
export const expandWords = (text: string, lookup: Lookup, mark = '\\'): string[] =>
  new Expander(text, lookup, mark).words(true)

/** `NAME=VALUE NAME="A B"`, or the old form `NAME VALUE`. */
export function expandPairs(text: string, lookup: Lookup, mark = '\\'): [string, string][] {
  const [first] = text.split(/\s/, 1)
  if (!first.includes('=')) {
    const value = text.slice(first.length).trim()
    if (value === '') throw new WordError(`"${text}" is not of the form NAME=VALUE`)
    return [[expandText(first, lookup, mark), expandText(value, lookup, mark)]]
  }
  return expandWords(text, lookup, mark).map(word => {
    const equals = word.indexOf('=')
    if (equals < 1) throw new WordError(`"${word}" is not of the form NAME=VALUE`)
    return [word.slice(0, equals), word.slice(equals + 1)]
  })
}

class Expander {
  readonly #text: string
  readonly #lookup: Lookup
  readonly #mark: string
  #at = 0

  constructor(text: string, lookup: Lookup, mark: string) {
    this.#text = text
    this.#lookup = lookup
    this.#mark = mark
  }

  /** @param splits false to keep blanks */
  words(splits: boolean): string[] {
    const words: string[] = []
    let word: string | undefined
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at]
      if (splits && /\s/.test(character)) {
        if (word !== undefined) words.push(word)
        word = undefined
        this.#at++
      } else word = (word ?? '') + this.#piece()
    }
    return word === undefined ? words : [...words, word]
  }

  #piece(): string {
    const character = this.#text[this.#at++]
    if (character === "'") return this.#single()
    if (character === '"') return this.#double()
    if (character === '$') return this.#variable()
    if (character === this.#mark && this.#at < this.#text.length) return this.#text[this.#at++]
    return character
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at)
    if (end < 0) throw new WordError('a quote has no end')
    const found = this.#text.slice(this.#at, end)
    this.#at = end + 1
    return found
  }

  #double(): string {
    const found: string[] = []
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at++]
      if (character === '"') return found.join('')
      const next = this.#text[this.#at]
      if (character === '$') found.push(this.#variable())
      else if (character === this.#mark && ['"', '$', this.#mark].includes(next)) {
        found.push(next)
        this.#at++
      } else found.push(character)
    }
    throw new WordError('a quote has no end')
  }

  #variable(): string {
    if (this.#text[this.#at] !== '{') {
      const [name] = /^[A-Za-z_]\w*/.exec(this.#text.slice(this.#at, this.#at + 256)) ?? []
      if (name === undefined) return '$'
      this.#at += name.length
      return this.#lookup(name) ?? ''
    }
    const end = endOfBraces(this.#text, this.#at)
    const inner = this.#text.slice(this.#at + 1, end)
    this.#at = end + 1
    const [, name, operator, word] = /^([A-Za-z_]\w*)(?:(:?[-+])([\s\S]*))?$/.exec(inner) ?? []
    if (name === undefined)
      throw new WordError(`\${${inner}} is not known here: wanted \${NAME}, \${NAME:-WORD} or \${NAME:+WORD}`)
    const value = this.#lookup(name)
    const isSet = operator?.startsWith(':') ? value !== undefined && value !== '' : value !== undefined
    const other = () => expandText(word, this.#lookup, this.#mark)
    if (operator?.endsWith('-')) return isSet ? value! : other()
    if (operator?.endsWith('+')) return isSet ? other() : ''
    return value ?? ''
  }
}

function endOfBraces(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    if (text[at] === '{') depth++
    if (text[at] === '}' && --depth === 0) return at
  }
  throw new WordError('a brace has no end')
}
