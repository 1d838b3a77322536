/** Definition files of Apptainer and Singularity, and Dockerfiles (spec/definitions.md). */
export type { HostAccess } from './host-script.ts'
export { isDefinition, isHostList } from './is-definition.ts'
export type { DefinitionRequest } from './stage-plan.ts'

/** What builds them is loaded for a definition alone: with captures and clients of registries it takes 0.03 s. */
export const loadBuilder = () => import('./build-definition.ts')
