/**
 * Makes equal ACLs and attributes one object each, which later becomes one row of a table. Thousands of files share
 * them, and a global header gives each member of an archive the same ACL of thousands of entries. So bytes or a text
 * that are the same object are decoded only once.
 */
import type { IdNames } from '../accounts/index.ts'
import {
  type AccessAndDefault,
  type Acl,
  type Attributes,
  decodeAcl,
  encodeAcl,
  isMinimal,
  modeOf,
  parseAclRecords
} from '../acl/index.ts'
import { latin1 } from '../object/index.ts'
import type { TarEntry } from '../tar/index.ts'
import { type Place, StrataError, WorkLimit } from '../values/index.ts'

/** Facts about an access ACL and the mode. */
export interface AclBits {
  mode: number
  owningGroup: number
  isMinimal: boolean
}

type AclText = TarEntry['aclText']

export class SharedMarks {
  readonly #names: IdNames
  readonly #acls = new Map<string, Acl>()
  readonly #ofBytes = new WeakMap<Uint8Array, Acl>()
  readonly #ofText = new Map<string | undefined, Map<string | undefined, AccessAndDefault>>()
  readonly #bits = new WeakMap<Acl, AclBits>()
  readonly #values = new Map<string, Buffer>()
  readonly #valueOf = new WeakMap<Uint8Array, Buffer>()
  readonly #numbers = new WeakMap<Buffer, number>()
  readonly #attributes = new Map<string, Attributes>()

  readonly #bytes: WorkLimit

  /** @param mostBytes limit for all different attributes and ACLs together */
  constructor(names: IdNames, mostBytes: number) {
    this.#names = names
    this.#bytes = new WorkLimit(
      mostBytes,
      () =>
        new StrataError('LIMIT_EXCEEDED', {
          message: `different attributes and ACLs of more than ${mostBytes} bytes together`,
          hint: 'if you trust this archive, raise --max-metadata'
        })
    )
  }

  /** @throws StrataError ACL_INVALID */
  acl(acl: Acl): Acl {
    if (this.#bits.has(acl)) return acl
    const key = latin1(encodeAcl(acl))
    const known = this.#acls.get(key)
    if (known !== undefined) return known
    this.#bytes.spend(key.length)
    this.#acls.set(key, acl)
    const owningGroup = acl.entries.find(({ tag }) => tag === 'group_obj')!.perm
    this.#bits.set(acl, { mode: modeOf(acl), owningGroup, isMinimal: isMinimal(acl) })
    return acl
  }

  /** @param acl one that `acl` returned */
  bitsOf(acl: Acl): AclBits {
    return this.#bits.get(acl)!
  }

  /** @throws StrataError ACL_INVALID */
  decode(bytes: Uint8Array, place: Place): Acl {
    const known = this.#ofBytes.get(bytes)
    if (known !== undefined) return known
    const acl = this.acl(decodeAcl(bytes, place))
    this.#ofBytes.set(bytes, acl)
    return acl
  }

  /** @throws StrataError ACL_TEXT, ACL_INVALID, NAME_UNKNOWN */
  parse(text: AclText, place: Place): AccessAndDefault {
    const ofAccess = this.#ofText.get(text.access) ?? new Map<string | undefined, AccessAndDefault>()
    const known = ofAccess.get(text.default)
    if (known !== undefined) return known
    this.#bytes.spend((text.access?.length ?? 0) + (text.default?.length ?? 0))
    const acls = parseAclRecords(text, { resolve: this.#names, where: place })
    const shared = {
      ...(acls.access && { access: this.acl(acls.access) }),
      ...(acls.default && { default: this.acl(acls.default) })
    }
    this.#ofText.set(text.access, ofAccess.set(text.default, shared))
    return shared
  }

  /** Returns a copy, because the given bytes may be a view of the archive. */
  value(bytes: Uint8Array): Buffer {
    const known = this.#valueOf.get(bytes)
    if (known !== undefined) return known
    const key = latin1(bytes)
    const before = this.#values.get(key)
    if (before === undefined) this.#bytes.spend(key.length)
    const own = before ?? Buffer.from(bytes)
    if (!this.#numbers.has(own)) this.#numbers.set(own, this.#values.size)
    this.#values.set(key, own)
    this.#valueOf.set(bytes, own)
    return own
  }

  attributes(all: Attributes): Attributes | undefined {
    if (all.size === 0) return undefined
    const own = new Map([...all].map(([name, value]) => [name, this.value(value)]))
    const key = [...own].map(([name, value]) => `${name.length}:${name}${this.#numbers.get(value)}`).join(' ')
    const known = this.#attributes.get(key)
    if (known !== undefined) return known
    this.#bytes.spend(key.length)
    this.#attributes.set(key, own)
    return own
  }
}
