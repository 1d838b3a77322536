import { type Limits, type PathBytes, showPath } from '../values/index.ts'
import { limitExceeded, type TarPlace, tarInvalid } from './refuse-tar.ts'

/** NAME_MAX of every Linux file system; SquashFS's own limit is 256. A longer name could never be unpacked. */
const COMPONENT_BYTES = 255

/** Matches a component that is empty, `.` or `..`: such a name is not canonical. */
const IRREGULAR = /(?:^|\/)\.{0,2}(?:\/|$)/

const SLASH = 0x2f

/**
 * The path of a member, or of a hard link's target, relative to the root of the tree: leading `/`, `.` components,
 * doubled and trailing slashes are removed; '' is the root.
 * @throws StrataError TAR_INVALID for `..`, NUL or a component that is too long; LIMIT_EXCEEDED
 */
export function canonicalPath(name: PathBytes, what: string, limits: Limits, place: TarPlace): PathBytes {
  let start = 0
  // GNU tar writes `./` before a name and `/` behind it; names with rarer forms are normalised the slow way.
  if (name.length > 2 && name.charCodeAt(0) === 0x2e && name.charCodeAt(1) === SLASH) start = 2
  const end = name.charCodeAt(name.length - 1) === SLASH ? name.length - 1 : name.length
  const path = start === 0 && end === name.length ? name : name.slice(start, end)
  const isShort =
    path.length <= COMPONENT_BYTES && path.length <= limits.pathDepth && path.length <= limits.pathBytes
  if (isShort && !IRREGULAR.test(path)) return path.includes('\0') ? refuseNul(what, place) : path
  return normalizePath(name, what, limits, place)
}

function normalizePath(name: PathBytes, what: string, limits: Limits, place: TarPlace): PathBytes {
  if (name === '') throw tarInvalid(place, `${what} is empty`)
  if (name.includes('\0')) refuseNul(what, place)
  const components = name.split('/').filter(component => component !== '' && component !== '.')
  for (const component of components) {
    if (component === '..') {
      throw tarInvalid(place, `${what} ${showPath(name)} holds "..", which could lead out of the tree`)
    }
    if (component.length > COMPONENT_BYTES) {
      throw tarInvalid(
        place,
        `${what} has a component of ${component.length} bytes, wanted at most ${COMPONENT_BYTES}`
      )
    }
  }
  const path = components.join('/')
  if (components.length > limits.pathDepth) {
    throw limitExceeded(
      place,
      `${what} has ${components.length} components, more than ${limits.pathDepth}`,
      '--max-depth'
    )
  }
  if (path.length > limits.pathBytes) {
    throw limitExceeded(
      place,
      `${what} has ${path.length} bytes, more than ${limits.pathBytes}`,
      '--max-path'
    )
  }
  return path
}

function refuseNul(what: string, place: TarPlace): never {
  throw tarInvalid(place, `${what} holds a NUL byte, which no file name can`)
}

/** Limit of mksquashfs. Linux itself allows 4095 bytes, so only made-up archives come near it. */
const TARGET_BYTES = 65_535

/** Target of a symbolic link. It is never resolved, so any bytes are accepted that a link could hold. */
export function symlinkTarget(target: PathBytes, place: TarPlace): PathBytes {
  if (target === '') throw tarInvalid(place, 'symbolic link without a target')
  if (target.includes('\0')) refuseNul('symbolic link target', place)
  if (target.length > TARGET_BYTES) {
    throw tarInvalid(
      place,
      `symbolic link target has ${target.length} bytes, more than the ${TARGET_BYTES} of SquashFS`
    )
  }
  return target
}
