/**
 * The text of a definition, checked before anything of it runs: the record of the module holds all of it, so it must be
 * text that a record can hold (spec/module.md#manifests).
 */
import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { LONGEST_TEXT, unprintableIn } from '../../store/module/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { refuseAt } from './parse-definition.ts'

export interface DefinitionText {
  /** With line feeds alone, whatever ends the lines of the file. */
  text: string
  /** The definition in full, and the values that were given. */
  recipe: string
}

/** @throws StrataError DEFINITION_INVALID; USAGE for a value */
export function readDefinition(file: string, values: ReadonlyMap<string, string>): DefinitionText {
  const text = decode(readFileSync(file), file).replace(/\r\n?/g, '\n')
  refuseUnprintable(text, file)
  const recipe = `${givenLines(values)}${text}`
  if (recipe.length > LONGEST_TEXT)
    refuseAt(
      file,
      text.slice(0, LONGEST_TEXT - recipe.length + text.length).split('\n').length,
      `it has ${recipe.length} characters with its arguments, and the record of the module holds at most ${LONGEST_TEXT}`,
      'put long texts into files of their own, and copy these with %files or COPY'
    )
  return { text, recipe }
}

function decode(bytes: Buffer, file: string): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  const lines = bytes.toString('latin1').split('\n')
  return refuseAt(
    file,
    lines.findIndex(line => !isUtf8(Buffer.from(line, 'latin1'))) + 1,
    'it is not text in UTF-8, so its characters are not known',
    `iconv -f latin1 -t utf-8 ${file} > NEW (if latin1 is what it is in), and use NEW`
  )
}

function refuseUnprintable(text: string, file: string): void {
  for (const [i, line] of text.split('\n').entries()) {
    const odd = unprintableIn(line)
    if (odd === undefined) continue
    const bytes = [...Buffer.from(odd.character)]
    const octal = bytes.map(byte => `\\${byte.toString(8).padStart(3, '0')}`).join('')
    const hex = bytes.map(byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
    refuseAt(
      file,
      i + 1,
      `character ${odd.index + 1} of the line is ${odd.name}, a control character, which no record can hold`,
      `${odd.character === '\0' ? '' : `in a script, $(printf '${octal}') stands for it; `}LC_ALL=C sed -i 's/${hex}//g' ${file} takes it out`
    )
  }
}

function givenLines(values: ReadonlyMap<string, string>): string {
  const given = [...values].sort().map(([name, value]) => {
    const odd = unprintableIn(oneLine(value))
    if (odd === undefined) return `# --build-arg ${name}=${oneLine(value)}\n`
    throw new StrataError('USAGE', {
      message: `--build-arg ${name}: character ${odd.index + 1} of the value is ${odd.name}, a control character, which no record can hold`,
      hint: 'put it into a file, and copy that with %files or COPY'
    })
  })
  return given.join('')
}

/** A value of several lines must not look like lines of the definition. */
const oneLine = (value: string): string => value.replace(/\n/g, '\\n').replace(/\r/g, '\\r')
