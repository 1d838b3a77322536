/** Names of users and groups in the input that have no id. They are collected so that one error lists them all. */
import { detailsAt, type PathBytes, type Place, StrataError, showPath, showPlace } from '../values/index.ts'
import { type IdKind, MAX_ID } from './id.ts'

/** Limit for archives that make up many names. */
const MOST_NAMES = 1000
/** Limit for the line that users paste. */
const PASTED_NAMES = 50

interface UnknownName {
  name: PathBytes
  count: number
  /** The first place that has it. */
  where: Place
}

const FLAGS = { user: ['--map-user', 'UID'], group: ['--map-group', 'GID'] } as const
const DATABASES = { user: 'passwd', group: 'group' } as const

export class UnknownNames {
  readonly #found: Record<IdKind, Map<PathBytes, UnknownName>> = { user: new Map(), group: new Map() }
  #count = 0

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** @returns a different id for each name, so that an ACL with two unknown names is not refused for a repeated id */
  add(kind: IdKind, name: PathBytes, where: Place): number {
    const before = this.#found[kind].get(name)
    if (before !== undefined) before.count++
    else if (this.#count < MOST_NAMES) this.#found[kind].set(name, { name, count: 1, where })
    return MAX_ID - this.#count++
  }

  /** @param known names that have an id, to be listed as facts */
  error(known: Record<IdKind, PathBytes[]>): StrataError {
    const kinds = (['user', 'group'] as const).filter(kind => this.#found[kind].size > 0)
    const [{ where }] = kinds.flatMap(kind => [...this.#found[kind].values()])
    const facts = Object.fromEntries(
      kinds.flatMap(kind => [
        [`${kind}s`, this.#listed(kind)],
        [`known ${kind}s`, showKnown(known[kind])]
      ])
    )
    const names = kinds.flatMap(kind =>
      [...this.#found[kind].keys()].map(name => `${kind} ${showPath(name)}`)
    )
    const message =
      names.length === 1
        ? `the id of ${names[0]} is not known`
        : `the ids of ${names.length} names are not known, the first of them ${names[0]}`
    return new StrataError('NAME_UNKNOWN', { ...detailsAt(where, message, facts), hint: this.#hint(kinds) })
  }

  #listed(kind: IdKind): string[] {
    return [...this.#found[kind].values()].map(({ name, count, where }) =>
      count === 1
        ? `${showPath(name)} (${showPlace(where)})`
        : `${showPath(name)} (${count} times, first ${showPlace(where)})`
    )
  }

  /** Two lines to paste: one with numbers to fill in, one that takes the ids of this host. */
  #hint(kinds: IdKind[]): string {
    const words = (kind: IdKind) =>
      [...this.#found[kind].keys()].slice(0, PASTED_NAMES).map(name => shellWord(showPath(name)))
    const flags = kinds.flatMap(kind =>
      words(kind).map(word => `${FLAGS[kind][0]} ${word}=${FLAGS[kind][1]}`)
    )
    const asked = kinds.map(kind => `getent ${DATABASES[kind]} ${words(kind).join(' ')}`)
    return `${flags.join(' ')}\nor, with the ids of this host: --names <(${asked.join('; ')})`
  }
}

const SHOWN_KNOWN = 20

function showKnown(names: PathBytes[]): string {
  const shown = names.sort().map(showPath)
  const more = shown.length > SHOWN_KNOWN ? [`and ${shown.length - SHOWN_KNOWN} more`] : []
  return ['root', ...shown.slice(0, SHOWN_KNOWN), ...more].join(', ')
}

const shellWord = (word: string): string =>
  /^[A-Za-z0-9._@%+:/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
