/** Definition files of Apptainer and Singularity, and Dockerfiles (spec/definitions.md). */
export { definitionTarget, importDefinition, isDefinition, isHostList } from './build-definition.ts'
export type { HostAccess } from './host-script.ts'
export type { DefinitionRequest } from './stage-plan.ts'
