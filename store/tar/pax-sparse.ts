import { type PathBytes, showPath } from '../values/index.ts'
import { decimal } from './number.ts'
import { withoutNul } from './pax.ts'
import { type TarPlace, tarInvalid } from './refuse-tar.ts'

/** `GNU.sparse.*` records; which of them are there tells the version (spec/tar.md#sparse). */
export interface SparseFields {
  major?: number
  minor?: number
  name?: PathBytes
  sizeBytes?: number
  realSizeBytes?: number
  runCount?: number
  /** Version 0.0: offsets and lengths in turn, one record each. */
  numbers?: number[]
  /** Version 0.1: all of them in one record. */
  map?: number[]
}

/** Applies one `GNU.sparse.*` record over those before it. */
export function applySparse(sparse: SparseFields, key: PathBytes, value: Buffer, place: TarPlace): void {
  const number = () => decimal(value, 0, value.length, `PAX ${key}`, place)
  switch (key) {
    case 'GNU.sparse.major':
      sparse.major = number()
      return
    case 'GNU.sparse.minor':
      sparse.minor = number()
      return
    case 'GNU.sparse.name':
      sparse.name = withoutNul(value.toString('latin1'), key, place)
      return
    case 'GNU.sparse.size':
      sparse.sizeBytes = number()
      return
    case 'GNU.sparse.realsize':
      sparse.realSizeBytes = number()
      return
    case 'GNU.sparse.numblocks':
      sparse.runCount = number()
      return
    case 'GNU.sparse.offset':
    case 'GNU.sparse.numbytes': {
      sparse.numbers ??= []
      const wanted = sparse.numbers.length % 2 === 0 ? 'GNU.sparse.offset' : 'GNU.sparse.numbytes'
      if (key !== wanted) throw tarInvalid(place, `${key} where ${wanted} was due`)
      sparse.numbers.push(number())
      return
    }
    case 'GNU.sparse.map':
      sparse.map = numberList(value, key, place)
      return
    default:
      throw tarInvalid(place, `${showPath(key)}: unknown sparse format`)
  }
}

function numberList(value: Buffer, key: string, place: TarPlace): number[] {
  const numbers: number[] = []
  if (value.length === 0) return numbers
  let from = 0
  for (;;) {
    const comma = value.indexOf(0x2c, from)
    const to = comma < 0 ? value.length : comma
    numbers.push(decimal(value, from, to, `PAX ${key}`, place))
    if (comma < 0) return numbers
    from = comma + 1
  }
}
