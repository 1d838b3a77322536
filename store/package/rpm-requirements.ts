import type { RpmHeader } from './rpm-header.ts'

const TAG = { flags: 1048, names: 1049, versions: 1050 }

/** Bits of a relation (rpm's include/rpm/rpmds.h). */
const LESS = 2
const GREATER = 4
const EQUAL = 8
/** Flag of features of rpm itself, which modules do not need. */
const RPMLIB = 1 << 24

/** Requirements of a package, once each, in the order of the header: `libc.so.6()(64bit)`, `python3 >= 3.9`. */
export function rpmRequirements(header: RpmHeader): string[] {
  const flags = header.numbers(TAG.flags)
  const versions = header.strings(TAG.versions)
  const needed = header.strings(TAG.names).flatMap((name, i) => {
    const flag = flags[i] ?? 0
    if (flag & RPMLIB || name.startsWith('rpmlib(')) return []
    const version = versions[i] ?? ''
    const relation = `${flag & LESS ? '<' : ''}${flag & GREATER ? '>' : ''}${flag & EQUAL ? '=' : ''}`
    return [relation === '' || version === '' ? name : `${name} ${relation} ${version}`]
  })
  return [...new Set(needed)].map(text => Buffer.from(text, 'latin1').toString('utf8'))
}
