/** Archives and members in one line each. Strings are latin1. */
import { archive, extended, file, GNU, type HeaderFields, header, padded, pax } from '../helpers/tar-make.ts'

export const octal = (value: number, digits = 11): string => `${value.toString(8).padStart(digits, '0')}\0`

export const directory = (name: string, fields: HeaderFields = {}): Buffer =>
  header({ name, type: '5', mode: '0000755\0', ...fields })

export const symlink = (name: string, linkName: string, fields: HeaderFields = {}): Buffer =>
  header({ name, type: '2', linkName, ...fields })

export const hardlink = (name: string, linkName: string, fields: HeaderFields = {}): Buffer =>
  header({ name, type: '1', linkName, ...fields })

export const device = (name: string, type: '3' | '4', major: number, minor: number): Buffer =>
  header({ name, type, major: octal(major, 7), minor: octal(minor, 7) })

/** A file with PAX records before it. */
export const described = (
  records: Record<string, string>,
  name = 'file',
  content = 'x',
  fields: HeaderFields = {}
): Buffer => Buffer.concat([pax(records), file(name, content, fields)])

export const longName = (name: string): Buffer => extended('L', `${name}\0`)
export const longLink = (name: string): Buffer => extended('K', `${name}\0`)

/** Old GNU sparse: up to four runs in the header. */
export const oldSparse = (stored: string, realSize: number, runs: [number, number][]): Buffer =>
  archive(
    file('sparse', stored, {
      type: 'S',
      magic: GNU,
      patch: [
        [386, runs.map(([offset, length]) => octal(offset) + octal(length)).join('')],
        [483, octal(realSize)]
      ]
    })
  )

export const sparse01 = (map: string, count: string, size = '100', stored = 'xx'): Buffer =>
  archive(
    described(
      {
        'GNU.sparse.major': '0',
        'GNU.sparse.minor': '1',
        'GNU.sparse.name': 'sparse',
        'GNU.sparse.size': size,
        'GNU.sparse.numblocks': count,
        'GNU.sparse.map': map
      },
      'x',
      stored
    )
  )

export const sparse10 = (map: string, stored: string, size = '100', name = 'sparse'): Buffer => {
  const content = Buffer.concat([padded(map), Buffer.from(stored)])
  return archive(
    pax({
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.name': name,
      'GNU.sparse.realsize': size
    }),
    header({ name: 'x', size: content.length }),
    padded(content)
  )
}

/** Members in an archive; plain text becomes a small file of that name. */
export const tar = (...members: (Buffer | string)[]): Buffer =>
  archive(...members.map(member => (typeof member === 'string' ? file(member, 'x') : member)))
