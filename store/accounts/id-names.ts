import { readFile } from 'node:fs/promises'
import {
  detailsAt,
  type PathBytes,
  type Place,
  pathFromBuffer,
  pathFromText,
  StrataError,
  showPath,
  systemWords
} from '../values/index.ts'
import { type IdKind, isDigits, MAX_ID, parseId } from './id.ts'
import { UnknownNames } from './unknown-names.ts'

/**
 * Translates names of users and groups to ids, by the options that the user gave. The host's own account database is
 * never asked, because the same input has to give the same layer on every host. `--names /etc/passwd` asks for it
 * explicitly.
 */

export interface IdNameOptions {
  /** `NAME=UID`, as typed after `--map-user`; goes before the entries of files. */
  mapUser?: string[]
  /** `NAME=GID`, as typed after `--map-group`. */
  mapGroup?: string[]
  /** Files in the form of /etc/passwd or /etc/group; one file may hold both kinds of lines. */
  namesFiles?: string[]
}

export interface NameLine {
  kind: IdKind
  name: PathBytes
  id: number
  line: number
}

/** Names are byte strings: nothing says that they are UTF-8. */
export class IdNames {
  readonly #known = { user: new Map<PathBytes, number>(), group: new Map<PathBytes, number>() }
  readonly #unknown = new UnknownNames()
  #isDeferred = false
  readonly #used = { user: new Map<number, PathBytes>(), group: new Map<number, PathBytes>() }

  /** Sets the id of a name, replacing an earlier one. `root` always stays 0. */
  set(kind: IdKind, name: PathBytes, id: number): void {
    this.#known[kind].set(name, id)
  }

  /** The id of a name, digits and `root` included; undefined if it is not known. */
  find(kind: IdKind, name: PathBytes): number | undefined {
    return parseId(name) ?? (name === 'root' ? 0 : this.#known[kind].get(name))
  }

  /** @throws StrataError NAME_UNKNOWN, or NAMES_INVALID for a number that is not an id */
  user(name: PathBytes, where: Place): number {
    return this.#id('user', name, where)
  }

  /** @throws StrataError NAME_UNKNOWN, or NAMES_INVALID for a number that is not an id */
  group(name: PathBytes, where: Place): number {
    return this.#id('group', name, where)
  }

  /** Records the name that input gives to an id. If an id has two names, the first in byte order stays. */
  note(kind: IdKind, name: PathBytes, id: number): void {
    if (name === 'root' || isDigits(name)) return
    const before = this.#used[kind].get(id)
    if (before === undefined || name < before) this.#used[kind].set(id, name)
  }

  /** Ids that occurred with a name in the input, and that name. `root` is left out, since it needs no record. */
  get used(): { users: ReadonlyMap<number, PathBytes>; groups: ReadonlyMap<number, PathBytes> } {
    return { users: this.#used.user, groups: this.#used.group }
  }

  /**
   * From here on, an unknown name gets an id that nobody has, and is remembered, so that one error can list all of
   * them. The caller must call {@link refuseUnknown} before it uses these ids.
   */
  deferUnknown(): void {
    this.#isDeferred = true
  }

  /** True if a name was unknown. The rest of the input is then read only for its names. */
  get hasUnknown(): boolean {
    return !this.#unknown.isEmpty
  }

  /** @throws StrataError NAME_UNKNOWN with all names that have no id */
  refuseUnknown(): void {
    if (this.hasUnknown) throw this.#unknownError(this.#unknown)
  }

  #id(kind: IdKind, name: PathBytes, where: Place): number {
    const id = this.find(kind, name)
    if (id !== undefined) {
      this.note(kind, name, id)
      return id
    }
    if (isDigits(name)) throw outOfRange(kind, name, where)
    const unknown = this.#isDeferred ? this.#unknown : new UnknownNames()
    const placeholder = unknown.add(kind, name, where)
    if (!this.#isDeferred) throw this.#unknownError(unknown)
    return placeholder
  }

  #unknownError(unknown: UnknownNames): StrataError {
    const { user, group } = this.#known
    return unknown.error({ user: [...user.keys()], group: [...group.keys()] })
  }
}

const outOfRange = (kind: IdKind, text: string, where: Place): StrataError =>
  new StrataError('NAMES_INVALID', detailsAt(where, `${kind} id ${text}, expected 0 to ${MAX_ID}`))

/**
 * @throws StrataError USAGE: a mapping is not NAME=ID, or a name is mapped twice
 * @throws StrataError NAMES_INVALID: a file is not in passwd or group form, or two lines give a name two ids
 * @throws StrataError IO: a file cannot be read
 */
export async function readIdNames({
  mapUser = [],
  mapGroup = [],
  namesFiles = []
}: IdNameOptions): Promise<IdNames> {
  const names = new IdNames()
  for (const file of namesFiles) addNamesFile(names, await readNamesFile(file), file)
  addMappings(names, 'user', mapUser)
  addMappings(names, 'group', mapGroup)
  return names
}

async function readNamesFile(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new StrataError('IO', {
      message: `${file} cannot be read: ${systemWords(cause as Error)}`,
      facts: { file },
      cause
    })
  }
}

function addNamesFile(names: IdNames, bytes: Uint8Array, file: string): void {
  for (const { kind, name, id, line } of parseNamesFile(bytes, file)) {
    const before = names.find(kind, name)
    if (before !== undefined && before !== id)
      throw namesInvalid(
        { source: file, line },
        `${kind} ${showPath(name)} is ${id} here and ${before} elsewhere`
      )
    names.set(kind, name, id)
  }
}

/**
 * Parses lines `name:password:uid:gid:…` (a user) or `name:password:gid:members` (a group). Empty lines, comments and
 * NIS lines (`+`, `-`) are skipped.
 * @param file named in messages
 * @throws StrataError NAMES_INVALID
 */
export function parseNamesFile(bytes: Uint8Array, file: string): NameLine[] {
  const lines = pathFromBuffer(bytes).split('\n')
  return lines.flatMap((text, i) => {
    const line = i + 1
    return /^\s*$|^[#+-]/.test(text)
      ? []
      : [{ ...parseNameLine(text.replace(/\r$/, ''), { source: file, line }), line }]
  })
}

function parseNameLine(text: string, where: Place): Omit<NameLine, 'line'> {
  const [name, , third = '', fourth, ...rest] = text.split(':')
  // A line of four fields is a group, unless the fourth is a number: account tools allow no member with such a name.
  const isUser = rest.length > 0 || (fourth !== undefined && isDigits(fourth))
  const id = parseId(third)
  if (name === '' || fourth === undefined || id === undefined || (isUser && parseId(fourth) === undefined))
    throw namesInvalid(where, `${showPath(text)}: expected name:x:UID:GID:… or name:x:GID:members`)
  if (isDigits(name)) throw namesInvalid(where, `the name ${name} is a number: numbers are ids already`)
  return { kind: isUser ? 'user' : 'group', name, id }
}

const namesInvalid = (where: Place, message: string): StrataError =>
  new StrataError('NAMES_INVALID', detailsAt(where, message))

function addMappings(names: IdNames, kind: IdKind, mappings: string[]): void {
  const mapped = new Set<PathBytes>()
  for (const mapping of mappings) {
    const { name, id } = parseMapping(kind, mapping)
    if (mapped.has(name)) throw badMapping(kind, mapping, `${showPath(name)} is mapped twice`)
    mapped.add(name)
    names.set(kind, name, id)
  }
}

function parseMapping(kind: IdKind, mapping: string): { name: PathBytes; id: number } {
  const equals = mapping.lastIndexOf('=')
  const name = pathFromText(mapping.slice(0, Math.max(equals, 0)))
  const id = parseId(mapping.slice(equals + 1))
  if (name === '' || id === undefined)
    throw badMapping(kind, mapping, 'expected NAME=ID with the id in digits')
  if (isDigits(name)) throw badMapping(kind, mapping, 'numbers are ids already')
  if (name === 'root' && id !== 0) throw badMapping(kind, mapping, 'root is always 0')
  return { name, id }
}

const badMapping = (kind: IdKind, mapping: string, fault: string): StrataError =>
  new StrataError('USAGE', {
    message: `--map-${kind} ${mapping}: ${fault}`,
    hint: `--map-${kind} alice=1234`
  })
