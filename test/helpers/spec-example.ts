import { readFileSync } from 'node:fs'

/** Text of a document in spec/, which lies beside the folder that the tests were compiled into. */
export const specText = (document: string): string =>
  readFileSync(new URL(`../../../spec/${document}`, import.meta.url), 'utf8')

/** The block behind `<!-- example: name -->`. */
export function specExample(document: string, name: string): string {
  const found = new RegExp(`<!-- example: ${name} -->\n\`\`\`\\w*\n([\\s\\S]*?)\`\`\``).exec(
    specText(document)
  )
  if (found === null) throw new Error(`spec/${document} has no example ${name}`)
  return found[1]
}

/** Bytes of a dump such as `00000010: 7573 7461`: lines that are left out are zeros. */
export function bytesOfDump(dump: string): Buffer {
  const lines = [...dump.matchAll(/^([0-9a-f]{8}): ([0-9a-f ]+)$/gm)].map(([, offset, digits]) => ({
    offset: Number.parseInt(offset, 16),
    bytes: Buffer.from(digits.replaceAll(' ', ''), 'hex')
  }))
  const last = lines.at(-1)!
  const out = Buffer.alloc(last.offset + last.bytes.length)
  for (const { offset, bytes } of lines) bytes.copy(out, offset)
  return out
}
