/** The steps of one stage of a definition file, in Apptainer's order (spec/definitions.md#order). */
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import {
  checkLabel,
  checkText,
  type EnvironmentOperation,
  type ModuleRecord
} from '../../store/module/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { refuseStopped, runInside } from '../capture/index.ts'
import type { Ended } from '../run/index.ts'
import { parseAssignments } from '../sources/index.ts'
import { APP_CHOICE, appInstallations, appSections, appsOf } from './apps.ts'
import {
  copyInto,
  copyingStage,
  digestOfPath,
  expandPattern,
  makeFolders,
  placeBeside,
  placeIn
} from './copy-files.ts'
import { type FileLine, fileLines } from './file-lines.ts'
import { type HostAccess, runOnHost } from './host-script.ts'
import { tellOutside } from './outside-files.ts'
import { joinedSection, refuseAt, type Section, type Stage, withLine } from './parse-definition.ts'
import { keptScript, scriptCommand } from './section-script.ts'
import { appendAnew, writeAnew } from './source-files.ts'
import {
  type DefinitionRequest,
  outsideOf,
  type StagePlan,
  type StageSettings,
  type Surroundings,
  type Taken
} from './stage-plan.ts'
import type { StageValues } from './stage-values.ts'
import type { Step } from './step.ts'

export interface StageRun extends Surroundings {
  stage: Stage
  values: StageValues
  file: string
}

/** @throws StrataError DEFINITION_INVALID */
export function planStage(stage: Stage, values: StageValues, file: string, around: Surroundings): StagePlan {
  const run: StageRun = { ...around, stage, values, file }
  checkSettings(run)
  const sections = stage.sections.filter(({ name }) => name === 'files')
  return {
    steps: [
      ...hostScript(run, 'pre'),
      ...sections.filter(({ argument }) => argument !== '').map(section => filesFrom(run, section)),
      ...hostScript(run, 'setup'),
      ...sections.filter(({ argument }) => argument === '').map(section => filesOfHost(run, section)),
      ...apps(run),
      ...post(run),
      settingsStep(run),
      ...test(run)
    ],
    settings: taken => settingsOf(run, taken)
  }
}

/** Without blank lines at the end, which do nothing. */
function linesOf({ values }: StageRun, section: Section): string[] {
  const lines = values.fillLines(section.body).map(({ text }) => text)
  return lines.slice(0, lines.findLastIndex(line => line.trim() !== '') + 1)
}

/** What a script may do on the host. @throws StrataError DEFINITION_INVALID unless the user says so */
export function scriptRights(
  { hostScripts }: DefinitionRequest,
  { name, line }: Section,
  file: string
): HostAccess {
  if (hostScripts !== undefined) return hostScripts
  return refuseAt(
    file,
    line,
    `%${name} runs on this host`,
    '--host-scripts ro runs it with the host read-only, --host-scripts rw with all your rights; read it first'
  )
}

/** Programs of the host. */
export function hostScript(
  run: StageRun,
  name: 'pre' | 'setup' | 'build' | 'install' | 'post',
  variables?: (tree: string) => Record<string, string>
): Step[] {
  const { stage, file, asked, work } = run
  const section = joinedSection(stage, name)
  if (section === undefined || isEmpty(section)) return []
  const access = scriptRights(asked, section, file)
  const what = `%${name} of ${file}, line ${section.line}`
  withLine(file, section.line, () => scriptCommand(section.argument, ''))
  return [
    {
      ...{ what, key: undefined, isSlow: true, seesOutside: true },
      run: async tree => {
        const text = scriptOf(linesOf(run, section))
        const { argument } = section
        const script = { access, text, argument, tree, work, variables, note: asked.note }
        refuseFailure(await runOnHost(script), section, file)
      }
    }
  ]
}

function filesFrom({ values, file, others }: StageRun, section: Section): Step {
  const { argument, line } = section
  const name = /^from\s+(\S+)$/.exec(argument)?.[1]
  if (name === undefined) refuseAt(file, line, `%files ${argument}: wanted %files, or %files from STAGE`)
  const from =
    others.get(name) ?? refuseAt(file, line, `there is no stage ${name} above`, 'Stage: NAME in its header')
  const lines = fileLines(section, values, file)
  return {
    what: `%files from ${name} of ${file}, line ${line}`,
    key: from.key === undefined ? undefined : ['files from', from.key, lines.map(pathsOf)],
    ...{ isSlow: false, seesOutside: false },
    run: async tree => {
      const other = await from.tree()
      copyingStage(tree, other, stage => {
        for (const line of lines)
          copying(file, line, () =>
            copyInto({ tree, followsLinks: false, stage }, placeIn(other, line.source), line.target)
          )
      })
    }
  }
}

const pathsOf = ({ source, target }: FileLine) => [source, target]

function filesOfHost({ values, file, asked }: StageRun, section: Section): Step {
  const lines = fileLines(section, values, file)
  tellTaken(lines, file, asked)
  const digest = () => digestOfLines(lines, file)
  const before = digest()
  return {
    what: `%files of ${file}, line ${section.line}`,
    key: ['files', before],
    ...{ isSlow: false, seesOutside: false },
    run: tree => {
      for (const line of lines)
        copying(file, line, () => {
          for (const path of matches(line.source))
            copyInto({ tree, followsLinks: true, within: asked.filesWithin }, resolve(path), line.target)
        })
      if (JSON.stringify(digest()) !== JSON.stringify(before)) throw changedMeanwhile(file, section.line)
    }
  }
}

function tellTaken(lines: FileLine[], file: string, asked: DefinitionRequest): void {
  for (const line of lines)
    copying(file, line, () => tellOutside({ ...asked, file, line: line.line }, matches(line.source)))
}

const digestOfLines = (lines: FileLine[], file: string): unknown[] =>
  lines.map(line =>
    copying(file, line, () => [
      ...pathsOf(line),
      ...matches(line.source).map(path => digestOfPath(resolve(path)))
    ])
  )

/** @throws StrataError DEFINITION_INVALID, with the line */
function copying<T>(file: string, { source, target, line }: FileLine, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof StrataError) throw error
    return refuseAt(file, line, `${source} cannot be copied to ${target}: ${(error as Error).message}`)
  }
}

const changedMeanwhile = (file: string, line: number): StrataError =>
  new StrataError('SOURCE_CHANGED', {
    message: `${file}, line ${line}: files changed while they were copied`,
    facts: { file, line },
    hint: 'build again when nothing writes to them'
  })

function apps(run: StageRun): Step[] {
  const { stage, values, file } = run
  const own = stage.sections.filter(({ name }) => name.startsWith('app'))
  if (own.length === 0) return []
  const copied = own.filter(({ name }) => name === 'appfiles').flatMap(each => fileLines(each, values, file))
  tellTaken(copied, file, run.asked)
  const sections = own.map(each => [each.name, each.argument, linesOf(run, each)])
  return [
    {
      what: `applications of ${file}`,
      key: ['apps', sections, digestOfLines(copied, file)],
      ...{ isSlow: false, seesOutside: false },
      run: tree => appSections({ stage, values, file, tree, within: run.asked.filesWithin })
    }
  ]
}

function matches(pattern: string): string[] {
  const found = expandPattern(pattern)
  if (found.length > 0) return found
  throw new Error('no file has such a name')
}

const ENVIRONMENT_FILE = '/.singularity.d/env/91-environment.sh'
const LABELS_FILE = '/.build.labels'

/** Files by which %post adds to the environment and the labels. */
const OF_POST = Object.fromEntries(
  ['APPTAINER', 'SINGULARITY'].flatMap(name => [
    [`${name}_ENVIRONMENT`, ENVIRONMENT_FILE],
    [`${name}_LABELS`, LABELS_FILE],
    [`${name}_ROOTFS`, '/']
  ])
)

function post(run: StageRun): Step[] {
  const { stage, values } = run
  const section = joinedSection(stage, 'post')
  const lines = [...(section === undefined ? [] : linesOf(run, section)), ...appInstallations(stage, values)]
  if (lines.every(line => line.trim() === '')) return []
  const first = section ?? stage.sections.find(({ name }) => name === 'appinstall')!
  const argument = section?.argument ?? ''
  const command = withLine(run.file, first.line, () => scriptCommand(argument, SCRIPT))
  const scripted = script(run, first, { command, text: scriptOf(lines), added: OF_POST })
  return [
    {
      ...scripted,
      run: tree => {
        withLine(run.file, first.line, () => makeFolders(dirname(placeBeside(tree, ENVIRONMENT_FILE))))
        return scripted.run(tree)
      }
    }
  ]
}

export function test(run: StageRun): Step[] {
  const text = keptText(run, 'test')
  if (text === undefined || !run.asked.runsTests) return []
  const section = joinedSection(run.stage, 'test')!
  return [
    script(run, section, {
      ...{ command: ['/bin/sh', '-c', WITH_ENVIRONMENT], direct: [SCRIPT], text, added: {} },
      environment: () => settingsOf(run, run.taken).environment
    })
  ]
}

/** Takes over what scripts wrote down for the module. */
export function settingsStep(run: StageRun): Step {
  const { stage, file, taken } = run
  const text = textOf(run, 'environment') ?? ''
  const { unread } = parseAssignments(text, `%environment of ${file}`)
  return {
    what: `settings of ${file}, line ${stage.line}`,
    key: ['settings', unread === undefined ? '' : text, ...KEPT.map(name => keptText(run, name) ?? '')],
    isSettings: true,
    ...{ isSlow: false, seesOutside: false },
    run: tree =>
      withLine(file, stage.line, () => {
        taken.environment = takeFile(tree, ENVIRONMENT_FILE)
        taken.labels = takeFile(tree, LABELS_FILE)
        for (const name of KEPT) keepScript(tree, name, keptText(run, name))
        keepUnread(text, `%environment of ${file}`, tree, run.asked.note)
        keepUnread(taken.environment, `${ENVIRONMENT_FILE}, written by %post`, tree, run.asked.note)
      })
  }
}

const SCRIPT = '/.post.script'
const UNREAD = '/.singularity.d/env/92-environment.sh'
const WITH_ENVIRONMENT = `. ${UNREAD}; exec ${SCRIPT}`

const scriptOf = (lines: string[]): string => `${lines.join('\n')}\n`

interface Scripted {
  command: string[]
  /** The command where all of the environment is plain assignments. */
  direct?: string[]
  text: string
  added: Record<string, string>
  /** Of the module that is made. */
  environment?: () => EnvironmentOperation[]
}

function script(run: StageRun, section: Section, scripted: Scripted): Step {
  const { asked, file, work } = run
  const { command, direct, text, added, environment } = scripted
  return {
    what: `%${section.name} of ${file}, line ${section.line}`,
    key: [
      'script',
      section.name,
      command,
      text,
      environment === undefined ? '' : textOf(run, 'environment'),
      ...outsideOf(asked)
    ],
    isSlow: true,
    seesOutside: asked.hasNetwork || asked.binds.length > 0,
    run: async tree => {
      const place = join(work, 'script')
      rmSync(place, { force: true })
      writeFileSync(place, text)
      chmodSync(place, 0o755) // whatever umask the user has
      const own = environment && ({ environment: environment() } as ModuleRecord)
      const isPlain = direct !== undefined && !existsSync(placeBeside(tree, UNREAD))
      const ended = await runInside({
        ...asked,
        ...{ tree, work, added, epoch: run.epochOf(tree) },
        records: [...(await run.recordsOf(tree)), ...(own === undefined ? [] : [own])],
        command: isPlain ? direct : command,
        binds: [...asked.binds, { source: place, target: SCRIPT, isReadOnly: true }]
      })
      refuseFailure(ended, section, file)
    }
  }
}

function refuseFailure(ended: Ended, { name, line }: Section, file: string): void {
  const { status, signal } = ended
  if (status === 0) return
  refuseStopped(ended)
  throw new StrataError('STEP_FAILED', {
    message: `%${name} of ${file}, line ${line}, ${signal === undefined ? `ended with status ${status}` : `was ended by ${signal}`}`,
    facts: { file, line, ...(status !== undefined && { status }) },
    hint: 'nothing was published; with --keep, the tree stays, to look around in it'
  })
}

export const isEmpty = ({ body }: Section): boolean => body.every(({ text }) => text.trim() === '')

function textOf({ stage, values }: StageRun, name: string): string | undefined {
  const section = joinedSection(stage, name)
  if (section === undefined || isEmpty(section)) return undefined
  const lines = values.fillLines(section.body).map(({ text }) => text)
  return `${lines.join('\n').trim()}\n`
}

/** Scripts that an image keeps as files of this name, where Apptainer looks for them. */
const KEPT = ['startscript', 'test'] as const

/** The script of a section that an image keeps. */
function keptText(run: StageRun, name: 'runscript' | (typeof KEPT)[number]): string | undefined {
  const text = textOf(run, name)
  return text && keptScript(joinedSection(run.stage, name)!.argument, text)
}

const keptPath = (name: string): string => `.singularity.d/${name}`

function keepScript(tree: string, name: string, text: string | undefined): void {
  if (text === undefined) return
  const place = placeBeside(tree, keptPath(name))
  makeFolders(dirname(place))
  writeAnew(place, text, 0o755)
}

export function settingsOf(run: StageRun, taken: Taken): StageSettings {
  const runscript = keptText(run, 'runscript')
  const help = textOf(run, 'help')
  const operations = (text: string) => parseAssignments(text, run.file).operations
  const environment = [textOf(run, 'environment') ?? '', taken.environment]
  return {
    environment: environment.flatMap(operations),
    labels: labelsOf(`${textOf(run, 'labels') ?? ''}${taken.labels}`),
    // As with runscripts, the topmost module that has one decides.
    replaces: [
      ...KEPT.filter(name => keptText(run, name) !== undefined).map(keptPath),
      ...(appsOf(run.stage).length > 0 ? [APP_CHOICE] : [])
    ],
    ...(runscript !== undefined && { runscript }),
    ...(help !== undefined && { help })
  }
}

/** What cannot be read as plain assignments stays a script, which Apptainer runs. */
function keepUnread(script: string, what: string, tree: string, note: (text: string) => void): void {
  const { unread } = parseAssignments(script, what)
  if (unread === undefined) return
  const place = placeBeside(tree, UNREAD)
  makeFolders(dirname(place))
  appendAnew(place, `#!/bin/sh\n${script}`, 0o755)
  note(
    `${what}, line ${unread.line}: "${unread.text.slice(0, 80)}" is not a plain assignment; Apptainer runs it, other runtimes do not`
  )
}

/** Far more than all variables that a program can get. */
const MOST_TEXT_BYTES = 1024 * 1024

/**
 * The text of a file of the tree, which is then removed.
 * @throws StrataError LIMIT_EXCEEDED for one that a script has filled
 */
function takeFile(tree: string, path: string): string {
  const place = placeBeside(tree, path)
  const status = statSync(place, { throwIfNoEntry: false })
  if (!status?.isFile()) return ''
  if (status.size > MOST_TEXT_BYTES)
    throw new StrataError('LIMIT_EXCEEDED', {
      message: `/${path.replace(/^\//, '')}, which %post wrote, has ${status.size} bytes, wanted at most ${MOST_TEXT_BYTES}`,
      hint: 'in %post, write only NAME=VALUE lines to $APPTAINER_ENVIRONMENT, and labels to $APPTAINER_LABELS'
    })
  const text = readFileSync(place, 'utf8')
  rmSync(place)
  return text
}

/** Name and value are separated by the first blank. */
const labelsOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .split('\n')
      .map(line => line.trim())
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => {
        const cut = line.search(/\s/)
        const [key, value] = cut < 0 ? [line, ''] : [line.slice(0, cut), line.slice(cut).trim()]
        return checkLabel(key, value, 'the label') // quotes are part of it, as in Apptainer
      })
  )

/** What no record can hold is refused before any script runs. */
function checkSettings({ stage, values, file }: Pick<StageRun, 'stage' | 'values' | 'file'>): void {
  for (const section of stage.sections) {
    const text = values
      .fillLines(section.body)
      .map(({ text }) => text)
      .join('\n')
    try {
      if (section.name === 'labels') labelsOf(text)
      else if (['help', 'runscript'].includes(section.name) && text.trim() !== '')
        checkText(text, section.name)
    } catch (error) {
      if (!(error instanceof StrataError) || error.code === 'DEFINITION_INVALID') throw error
      refuseAt(file, section.line, `%${section.name}: ${error.message}`)
    }
  }
}
