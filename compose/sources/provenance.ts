/**
 * How an image, a module or a sandbox was made, as an in-toto statement with SLSA provenance
 * (spec/definitions.md#provenance). The same module gives the same bytes: no time, host or user is in it.
 */
import type { Origin } from '../../store/module/index.ts'
import { dropUndefined, sha256Of } from '../../store/values/index.ts'
import type { DescribedModule, DescribedTarget } from './described-target.ts'

interface Dependency {
  name: string
  digest: { sha256: string }
}

const BUILD_TYPE = 'https://strata.invalid/definition@v1'
const BUILDER = 'https://strata.invalid/compose'

export const provenanceOf = (target: DescribedTarget) => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: target.name, digest: { sha256: target.sha256 } }],
  predicateType: 'https://slsa.dev/provenance/v1',
  predicate: {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: { definitions: target.modules.flatMap(parametersOf) },
      resolvedDependencies: [...target.modules.filter(({ name }) => name !== target.name), ...target.required]
        .map(moduleDependency)
        .concat(target.modules.flatMap(({ record }) => record.origin.flatMap(sourceDependency)))
    },
    runDetails: { builder: { id: BUILDER }, ...byproductsOf(target) }
  }
})

const moduleDependency = ({ name, id }: DescribedModule): Dependency => ({
  name,
  digest: { sha256: sha256Of(id) }
})

const sourceDependency = ({ kind, name, reference, sha256 }: Origin): Dependency[] =>
  sha256 === undefined ? [] : [{ name: name ?? reference ?? kind, digest: { sha256 } }]

const GIVEN = '# --build-arg '

/** The definitions and commands by which a module was made. */
export function parametersOf({ name, record }: DescribedModule) {
  return record.origin.flatMap(({ recipe }) => {
    if (recipe === undefined) return []
    const lines = recipe.split('\n')
    const count = lines.findIndex(line => !line.startsWith(GIVEN))
    const given = lines.slice(0, Math.max(0, count)).map(line => line.slice(GIVEN.length))
    const definition = lines.slice(Math.max(0, count)).join('\n')
    return [{ module: name, definition, arguments: given }]
  })
}

/** Packages of all modules, and those that their commands removed, bottom to top. */
export const packagesOf = ({ modules }: DescribedTarget) =>
  modules.flatMap(({ name: module, record }) =>
    record.origin.flatMap(({ packages = [], removed = [] }) => [
      ...packages.map(each => ({ module, ...each })),
      ...removed.map(each => ({ module, ...each, removed: true }))
    ])
  )

/** No digest of a package is known, so they are no dependencies in the sense of SLSA. */
function byproductsOf({ modules }: DescribedTarget) {
  const byproducts = modules.flatMap(({ name, record }) =>
    record.origin.flatMap(({ packages, removed }) =>
      packages === undefined && removed === undefined
        ? []
        : [{ name: `packages of ${name}`, annotations: dropUndefined({ packages, removed }) }]
    )
  )
  return byproducts.length === 0 ? {} : { byproducts }
}
