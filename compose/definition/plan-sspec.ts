/** An SSPEC file as a stage of a build (spec/definitions.md#sspec): its base is made of files of the host. */
import { lstatSync, mkdirSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Repository } from '../../store/repository/index.ts'
import { copyContent, makeFolders, placeBeside } from './copy-files.ts'
import { hostBase, type StageBase } from './imported-base.ts'
import { refuseAt, type Section, type Stage, withLine } from './parse-definition.ts'
import { bodyOf, parseSspec } from './parse-sspec.ts'
import {
  hostScript,
  isEmpty,
  type StageRun,
  scriptRights,
  settingsOf,
  settingsStep,
  test
} from './plan-stage.ts'
import { type Exec, execOf, sspecFiles } from './sspec-files.ts'
import type { DefinitionRequest, StagePlan, StageRecipe, Surroundings } from './stage-plan.ts'
import { StageValues } from './stage-values.ts'
import type { Step } from './step.ts'

/** Singularity gave scripts to `/bin/sh -x`, so a line that fails does not end them. The user's umask is not in the module. */
const SHELL = '-c umask 022; /bin/sh -x'
const OF_HOST = ['build', 'install', 'post'] as const

/** @throws StrataError DEFINITION_INVALID */
export function sspecRecipes(store: Repository, text: string, asked: DefinitionRequest): StageRecipe[] {
  const { file } = asked
  if (asked.filesWithin !== undefined)
    refuseAt(
      file,
      1,
      'an SSPEC file lists files of the whole host, which --files-within does not take',
      'leave --files-within out'
    )
  const stage = parseSspec(text, file, asked.note)
  const exec = execOf(stage, file)
  for (const section of stage.sections)
    if (isOfHost(section) && !isEmpty(section)) scriptRights(asked, section, file)
  if (exec === undefined && bodyOf(stage, 'runscript').length === 0)
    refuseAt(file, 1, 'neither Exec: PROGRAM nor %runscript says what to run')
  const complete = { ...stage, sections: [...stage.sections.map(asRun), ...addedSections(stage, exec)] }
  const make = (around: Surroundings): StageRun => {
    const values = new VerbatimValues(complete, new Map(), file)
    return { ...around, stage: complete, values, file }
  }
  return [
    {
      names: [],
      what: file,
      open: work => openFiles(store, { stage, exec, text }, { ...asked, work }, make),
      plan: around => planOf(make(around), exec)
    }
  ]
}

const isOfHost = ({ name }: Section): boolean => (OF_HOST as readonly string[]).includes(name)

/** As the section of a definition: the script, and how it is run. */
const asRun = (section: Section): Section => {
  if (isOfHost(section)) return { ...section, argument: SHELL }
  if (section.name !== 'test' || isEmpty(section)) return section
  return { ...section, body: [{ text: 'set -x', line: section.line }, ...section.body] }
}

function addedSections(stage: Stage, exec: Exec | undefined): Section[] {
  if (exec === undefined || bodyOf(stage, 'runscript').length > 0) return []
  const words = [exec.path, ...exec.words].map(shellWord).join(' ')
  const { line } = stage.header.get('exec')!
  return [{ name: 'runscript', argument: '', line, body: [{ text: `exec ${words} "$@"`, line }] }]
}

const shellWord = (word: string): string =>
  /^[\w/.,:=+@%-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** These files know no variables: braces mean themselves. */
class VerbatimValues extends StageValues {
  override fill(text: string): string {
    return text
  }
}

interface ReadSspec {
  stage: Stage
  exec: Exec | undefined
  text: string
}

interface OpenOptions extends DefinitionRequest {
  work: string
}

/** `%build` comes before the files of the host are looked at, as it may make some of them. */
async function openFiles(
  store: Repository,
  { stage, exec, text }: ReadSspec,
  options: OpenOptions,
  make: (around: Surroundings) => StageRun
): Promise<StageBase> {
  const { file, work } = options
  const around = {
    ...{ asked: options, work, others: new Map(), taken: NOTHING },
    ...{ recordsOf: async () => [], epochOf: () => 0 }
  }
  for (const step of hostScript(make(around), 'build', variablesOf(stage, file))) {
    mkdirSync(madeFolder(work), { mode: 0o755 })
    await step.run(madeFolder(work))
  }
  const host = sspecFiles(stage, exec, file, options.host ?? NO_FLAGS)
  return hostBase(store, { file, text, host }, options)
}

/** What `%build` puts into the tree before there is one. */
const madeFolder = (work: string): string => join(work, 'installroot')

const NOTHING = { environment: '', labels: '' }
const NO_FLAGS = {
  packages: [],
  withDependencies: false,
  bases: [],
  programs: [],
  include: []
}

const variablesOf =
  ({ header }: Stage, file: string) =>
  (tree: string): Record<string, string> => {
    const name = header.get('name')?.value || basename(file)
    return { INSTALLROOT: tree, DESTDIR: tree, NAME: name, SAPPNAME: name.replaceAll(' ', '_') }
  }

function planOf(run: StageRun, exec: Exec | undefined): StagePlan {
  const { stage, file } = run
  const variables = variablesOf(stage, file)
  const text = (key: string) => stage.header.get(key)?.value || undefined
  const [summary, maintainer] = [text('summary'), text('maintainer')]
  return {
    steps: [
      ...builtStep(run),
      ...hostScript(run, 'install', variables),
      ...(exec === undefined ? [] : [linkStep(run, exec)]),
      ...hostScript(run, 'post', variables),
      settingsStep(run),
      ...test(run)
    ],
    settings: taken => ({
      ...settingsOf(run, taken),
      labels: { ...(maintainer !== undefined && { maintainer }) },
      ...(summary !== undefined && { summary })
    })
  }
}

function builtStep({ stage, file, work }: StageRun): Step[] {
  const section = stage.sections.find(section => section.name === 'build' && !isEmpty(section))
  if (section === undefined) return []
  const { line } = section
  return [
    {
      what: `files of %build of ${file}, line ${line}`,
      ...{ key: undefined, isSlow: false, seesOutside: true },
      run: tree => withLine(file, line, () => copyContent(tree, madeFolder(work)))
    }
  ]
}

/** Singularity copied the program to /bin. */
function linkStep({ stage, file }: StageRun, { path }: Exec): Step {
  const { line } = stage.header.get('exec')!
  return {
    what: `Exec of ${file}, line ${line}`,
    key: ['link', path],
    ...{ isSlow: false, seesOutside: false },
    run: tree =>
      withLine(file, line, () => {
        const folder = placeBeside(tree, '/bin')
        const place = join(folder, basename(path))
        if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) return
        makeFolders(dirname(place))
        symlinkSync(path, place)
      })
  }
}
