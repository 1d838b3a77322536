/** Definition files of Apptainer and Singularity (spec/definitions.md). */
export {
  type DefinitionRequest,
  definitionTarget,
  importDefinition,
  isDefinition
} from './build-definition.ts'
