import { type PathBytes, showPath } from '../values/index.ts'
import { type TarPlace, tarInvalid } from './refuse-tar.ts'

/** Extended attributes in PAX records: three ways to write a name and a value (spec/tar.md#attributes). */

/** XATTR_NAME_MAX of Linux; macOS stops at 127. */
const ATTRIBUTE_NAME_BYTES = 255

export interface PaxAttributes {
  /** `SCHILY.xattr.*`: names as found, values copied out. */
  attributes?: Map<PathBytes, Uint8Array>
  /** `LIBARCHIVE.xattr.*`, decoded. */
  encodedAttributes?: Map<PathBytes, Uint8Array>
  /** `RHT.security.*`, as `security.*`. */
  labels?: Map<PathBytes, Uint8Array>
}

/** Accepts any name that some system uses, even one that Linux cannot hold; callers decide what becomes of it. */
export function attributeName(name: PathBytes, key: PathBytes, place: TarPlace): PathBytes {
  if (name !== '' && !name.includes('\0') && name.length <= ATTRIBUTE_NAME_BYTES) return name
  throw tarInvalid(
    place,
    `${showPath(key)}: wanted an attribute name such as user.x, at most ${ATTRIBUTE_NAME_BYTES} bytes`
  )
}

export function unescapeUrl(name: PathBytes, key: PathBytes, place: TarPlace): PathBytes {
  if (/%(?![0-9A-Fa-f]{2})/.test(name))
    throw tarInvalid(place, `${showPath(key)}: "%" without two hexadecimal digits`)
  return name.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** libarchive writes base64 without padding; padding is accepted too. */
export function decodeBase64(value: Buffer, key: PathBytes, place: TarPlace): Uint8Array {
  const text = value.toString('latin1').replace(/={1,2}$/, '')
  if (!/^[A-Za-z0-9+/]*$/.test(text) || text.length % 4 === 1) {
    throw tarInvalid(place, `${showPath(key)}: value is not base64`)
  }
  return new Uint8Array(Buffer.from(text, 'base64'))
}

/**
 * Joins attributes of the three forms into one map, with decoded names. libarchive writes every attribute both its own
 * and SCHILY's way. If the two differ, one of them is damaged, and there is no way to tell which.
 * @throws StrataError TAR_INVALID if they differ
 */
export function joinAttributes(fields: PaxAttributes, place: TarPlace): Map<PathBytes, Uint8Array> {
  const { attributes, encodedAttributes, labels } = fields
  const joined = new Map<PathBytes, Uint8Array>()
  if (encodedAttributes !== undefined) {
    if (attributes !== undefined) checkAgreement(attributes, encodedAttributes, place)
    for (const [name, value] of encodedAttributes) joined.set(name, value)
  } else if (attributes !== undefined) {
    for (const [name, value] of attributes) joined.set(unescapeGnu(name), value)
  }
  if (labels !== undefined) for (const [name, value] of labels) addLabel(joined, name, value, place)
  return joined
}

/** GNU tar writes `=` in a name as %3D and `%` as %25, since a key ends at its first `=`. */
const unescapeGnu = (name: PathBytes): PathBytes =>
  name.includes('%') ? name.replace(/%(25|3D)/g, (_, hex: string) => (hex === '25' ? '%' : '=')) : name

/** Some versions of libarchive escape the names of their SCHILY records as well. */
function checkAgreement(
  plain: Map<PathBytes, Uint8Array>,
  encoded: Map<PathBytes, Uint8Array>,
  place: TarPlace
): void {
  const differ = (name: PathBytes) =>
    tarInvalid(
      place,
      `SCHILY.xattr and LIBARCHIVE.xattr records differ on attribute ${showPath(name)}`,
      'pack the files again with GNU tar --xattrs'
    )
  const seen = new Set<PathBytes>()
  for (const [found, value] of plain) {
    const name = encoded.has(found) ? found : unescapeUrl(found, found, place)
    const other = encoded.get(name)
    if (other === undefined || Buffer.compare(value, other) !== 0) throw differ(name)
    seen.add(name)
  }
  for (const name of encoded.keys()) if (!seen.has(name)) throw differ(name)
}

/** A label may be there twice, and GNU tar drops the NUL that the kernel keeps at its end. */
function addLabel(
  joined: Map<PathBytes, Uint8Array>,
  name: PathBytes,
  value: Uint8Array,
  place: TarPlace
): void {
  const known = joined.get(name)
  if (known === undefined) {
    joined.set(name, value)
    return
  }
  const trimNul = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1').replace(/\0$/, '')
  if (trimNul(known) !== trimNul(value)) {
    throw tarInvalid(place, `RHT.${name} and SCHILY.xattr.${name} differ`)
  }
}
