/**
 * Names that a Debian package needs and provides. Versions are ignored, because they were right where it was built
 * (deb-control(5)).
 */
import type { Paragraph } from './deb822.ts'

export interface PackageNeeds {
  name: string
  /** Other names that it provides besides its own. */
  provides: string[]
  /** One list for each relation: any one of its names is enough. */
  needs: string[][]
}

/** @param facts paragraph of a control file or of dpkg's status */
export const needsOf = (facts: Paragraph): PackageNeeds => ({
  name: facts.get('package') ?? '',
  provides: relations(facts.get('provides')).flat(),
  needs: [...relations(facts.get('pre-depends')), ...relations(facts.get('depends'))]
})

const relations = (text = ''): string[][] =>
  text
    .split(',')
    .map(relation => relation.split('|').flatMap(nameIn))
    .filter(names => names.length > 0)

/** `libc6:any (>= 2.34) [amd64]` gives `libc6`. */
const nameIn = (text: string): string[] => {
  const name = /^\s*([a-z0-9][a-z0-9.+-]+)/i.exec(text)?.[1]
  return name === undefined ? [] : [name]
}
