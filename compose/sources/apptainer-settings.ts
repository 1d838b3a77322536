/**
 * Reads the settings of an image that Apptainer or Singularity made from /.singularity.d (spec/sources.md#apptainer),
 * and lists the files that a build makes again from these settings.
 */
import type { EnvironmentOperation, ImportSettings } from '../../store/module/index.ts'
import { Kind } from '../../store/object/index.ts'
import { dropUndefined, type PathBytes, pathFromText, showPath } from '../../store/values/index.ts'
import { findInImage, type OpenImage, readImageFile } from '../inspect/index.ts'
import { parseAssignments } from './shell-assignments.ts'
import { takenLabels, takenText } from './taken-over.ts'

const ROOT = '.singularity.d'

export interface ApptainerFacts {
  settings: Partial<ImportSettings>
  /** The definition file. */
  recipe?: string
  /** Paths whose content is now in the settings or the definition. */
  takenPaths: Set<PathBytes>
}

/** Data objects of a SIF file outside its file system, which win over files inside it. */
export interface SifFacts {
  labels?: string
  recipe?: string
}

/** @throws StrataError IMAGE_INVALID */
export function apptainerFacts(image: OpenImage, sif: SifFacts, notes: string[]): ApptainerFacts {
  const takenPaths = new Set<PathBytes>()
  const take = <T>(path: PathBytes, read: (text: string) => T | undefined): T | undefined => {
    const text = textFile(image, path)
    const taken = text === undefined ? undefined : read(text)
    if (taken !== undefined) takenPaths.add(path)
    return taken
  }
  const ofFile = take(`${ROOT}/labels.json`, text => readLabels(text, `/${ROOT}/labels.json`, notes))
  const ofSif = sif.labels === undefined ? {} : readLabels(sif.labels, 'labels of the SIF file', notes)
  const runscript = take(`${ROOT}/runscript`, text => takenText(text, `/${ROOT}/runscript`, notes))
  const help = take(`${ROOT}/runscript.help`, text => takenText(text, `/${ROOT}/runscript.help`, notes))
  const recipe = take(`${ROOT}/Singularity`, text => takenDefinition(text, `/${ROOT}/Singularity`, notes))
  const own = sifDefinition(sif, notes)
  const environment = environmentOf(image, takenPaths, notes)
  return {
    settings: dropUndefined({ labels: { ...ofFile, ...ofSif }, runscript, help, environment }),
    recipe: own ?? recipe,
    takenPaths
  }
}

/** Lines may end as on Windows; in a record they end as on Linux. */
const takenDefinition = (text: string, what: string, notes: string[]): string | undefined =>
  takenText(text.replace(/\r\n?/g, '\n'), what, notes)

/** The definition outside of the file system. */
export const sifDefinition = ({ recipe }: SifFacts, notes: string[]): string | undefined =>
  recipe === undefined ? undefined : takenDefinition(recipe, 'definition of the SIF file', notes)

/** Returns undefined if the file does not exist. */
export function textFile(image: OpenImage, path: PathBytes): string | undefined {
  const inode = image.reader.find(path)
  return inode?.file === undefined ? undefined : readImageFile(image, path).toString('utf8')
}

function readLabels(text: string, what: string, notes: string[]): Record<string, string> | undefined {
  try {
    const labels: unknown = JSON.parse(text)
    if (typeof labels === 'object' && labels !== null && !Array.isArray(labels))
      return takenLabels(Object.entries(labels), what, notes)
    notes.push(`${what}: not a map of strings`)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    notes.push(`${what}: ${showPath(pathFromText(error.message))}`)
  }
  return undefined
}

/**
 * Scripts with settings of the image's author. Other scripts there belong to the runtime and are kept as files.
 * 10-docker2singularity.sh has the variables of an OCI image.
 */
const SCRIPT = /^(?:10-docker.*|9[0-9]-.*environment)\.sh$/

function environmentOf(
  image: OpenImage,
  takenPaths: Set<PathBytes>,
  notes: string[]
): EnvironmentOperation[] {
  const folder = image.reader.find(`${ROOT}/env`)
  if (folder?.kind !== Kind.directory) return []
  const names = [...image.reader.entries(findInImage(image, `${ROOT}/env`))].map(({ name }) => name)
  return names
    .filter(name => SCRIPT.test(name))
    .flatMap(name => {
      const path = `${ROOT}/env/${name}`
      const script = textFile(image, path)
      if (script === undefined) return []
      const { operations, unread } = parseAssignments(script, `/${path}`)
      if (unread === undefined) takenPaths.add(path)
      else
        notes.push(
          `/${path}, line ${unread.line}: "${showPath(pathFromText(unread.text.slice(0, 80)))}" is not a plain assignment;  ` +
            'Apptainer still runs it, and --set or --prepend can set the variable for other runtimes'
        )
      return operations
    })
}
