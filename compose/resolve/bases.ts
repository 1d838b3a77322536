import { formatModuleName, type ModuleName, type ModuleRecord } from '../../store/module/index.ts'
import { satisfies } from './satisfies.ts'

export interface PossibleBase {
  name: ModuleName
  record: Pick<ModuleRecord, 'kind' | 'requires'>
}

/** Bases that no other base requires. An image is normally built on one. */
export function independentBases(modules: PossibleBase[]): string[] {
  const bases = modules.filter(({ record }) => record.kind === 'base')
  const isRequired = ({ name }: PossibleBase) =>
    bases.some(({ record }) => record.requires.some(requirement => satisfies(name, requirement)))
  return bases.filter(base => !isRequired(base)).map(({ name }) => formatModuleName(name))
}
