/** The steps of one stage, in Apptainer's order (spec/definitions.md#order). */
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import {
  checkLabel,
  checkText,
  type EnvironmentOperation,
  type ImportSettings,
  type ModuleRecord
} from '../../store/module/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { runInside } from '../capture/index.ts'
import type { Bind, Ended } from '../run/index.ts'
import { parseAssignments } from '../sources/index.ts'
import { appInstallations, appSections } from './apps.ts'
import { copyInto, expandPattern, makeFolders, placeIn } from './copy-files.ts'
import { fileLines } from './file-lines.ts'
import { joinedSection, refuseAt, type Section, type Stage } from './parse-definition.ts'
import type { StageValues } from './stage-values.ts'

export interface StageRun {
  stage: Stage
  values: StageValues
  file: string
  /** The tree, complete as its base has it. */
  tree: string
  /** Trees of the stages before, by name. */
  others: ReadonlyMap<string, string>
  /** A folder for files of these steps. */
  work: string
  /** Records of the base, bottom to top. */
  records: ModuleRecord[]
  epoch: number
  binds: Bind[]
  hasNetwork: boolean
  hostScripts: boolean
  runsTests: boolean
  isOutputOfOthers: boolean
  note(text: string): void
}

type StageSettings = Pick<ImportSettings, 'environment' | 'labels'> &
  Pick<Partial<ImportSettings>, 'help' | 'runscript'>

/** @throws StrataError STEP_FAILED, DEFINITION_INVALID, LAUNCH_FAILED */
export async function runStage(run: StageRun): Promise<StageSettings> {
  checkSettings(run)
  hostScript(run, 'pre')
  copyFiles(run, section => section.argument !== '')
  hostScript(run, 'setup')
  copyFiles(run, section => section.argument === '')
  appSections(run)
  await runPost(run)
  const settings = settingsOf(run)
  await runTest(run, settings.environment)
  return settings
}

/** Programs of the host, with the rights of the user. */
function hostScript({ stage, values, file, tree, hostScripts }: StageRun, name: 'pre' | 'setup'): void {
  const section = joinedSection(stage, name)
  if (section === undefined || isEmpty(section)) return
  if (!hostScripts)
    refuseAt(
      file,
      section.line,
      `%${name} runs on this host, with your rights`,
      '--host-scripts allows it; read it first'
    )
  const text = values.fillLines(section.body).map(({ text }) => text)
  const { status } = spawnSync('/bin/sh', ['-ex', '-c', text.join('\n')], {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, APPTAINER_ROOTFS: tree, SINGULARITY_ROOTFS: tree }
  })
  refuseFailure({ status: status ?? undefined }, section, file)
}

function copyFiles(
  { stage, values, file, tree, others }: StageRun,
  isWanted: (section: Section) => boolean
): void {
  for (const section of stage.sections.filter(({ name }) => name === 'files').filter(isWanted)) {
    const from = section.argument === '' ? undefined : stageTree(section, others, file)
    for (const { source, target, line } of fileLines(section, values, file))
      try {
        if (from !== undefined) copyInto({ tree, followsLinks: false }, placeIn(from, source), target)
        else for (const path of matches(source)) copyInto({ tree, followsLinks: true }, resolve(path), target)
      } catch (error) {
        if (error instanceof StrataError) throw error
        refuseAt(file, line, `${source} cannot be copied to ${target}: ${(error as Error).message}`)
      }
  }
}

function stageTree({ argument, line }: Section, others: ReadonlyMap<string, string>, file: string): string {
  const name = /^from\s+(\S+)$/.exec(argument)?.[1]
  if (name === undefined) refuseAt(file, line, `%files ${argument}: wanted %files, or %files from STAGE`)
  return (
    others.get(name) ?? refuseAt(file, line, `there is no stage ${name} above`, 'Stage: NAME in its header')
  )
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

async function runPost(run: StageRun): Promise<void> {
  const { stage, values } = run
  const section = joinedSection(stage, 'post')
  const own = section === undefined ? [] : values.fillLines(section.body).map(({ text }) => text)
  const lines = [...own, ...appInstallations(stage, values)]
  if (lines.every(line => line.trim() === '')) return
  const first = section ?? stage.sections.find(({ name }) => name === 'appinstall')!
  makeFolders(dirname(placeIn(run.tree, ENVIRONMENT_FILE)))
  await runScript(run, first, lines, OF_POST)
}

async function runTest(run: StageRun, environment: EnvironmentOperation[]): Promise<void> {
  const section = joinedSection(run.stage, 'test')
  if (section === undefined || isEmpty(section) || !run.runsTests) return
  const lines = run.values.fillLines(section.body).map(({ text }) => text)
  const own = { environment } as ModuleRecord
  await runScript({ ...run, records: [...run.records, own] }, section, lines, {})
}

const SCRIPT = '/.post.script'

/** `-c PROGRAM WORD...` of the section's line names another interpreter; other words go to /bin/sh. */
async function runScript(
  run: StageRun,
  section: Section,
  lines: string[],
  added: Record<string, string>
): Promise<void> {
  const script = join(run.work, 'script')
  writeFileSync(script, `${lines.join('\n')}\n`, { mode: 0o755 })
  const words = section.argument.split(/\s+/).filter(word => word !== '')
  const first = lines[0] ?? ''
  const own = first.startsWith('#!') ? first.slice(2).trim() : ''
  const usual = own !== '' && section.name !== 'post' ? own.split(/\s+/) : ['/bin/sh', '-ex', ...words]
  const command = words[0] === '-c' ? words.slice(1) : usual
  run.note(`%${section.name} of ${run.file}, line ${section.line}`)
  const ended = await runInside({
    ...run,
    command: [...command, SCRIPT],
    binds: [...run.binds, { source: script, target: SCRIPT, isReadOnly: true }],
    added
  })
  refuseFailure(ended, section, run.file)
}

function refuseFailure({ status, signal }: Ended, { name, line }: Section, file: string): void {
  if (status === 0) return
  throw new StrataError('STEP_FAILED', {
    message: `%${name} of ${file}, line ${line}, ${signal === undefined ? `ended with status ${status}` : `was ended by ${signal}`}`,
    facts: { file, line, ...(status !== undefined && { status }) },
    hint: 'nothing was published; with --keep, the tree stays, to look around in it'
  })
}

const isEmpty = ({ body }: Section): boolean => body.every(({ text }) => text.trim() === '')

function settingsOf({ stage, values, file, tree, note }: StageRun): StageSettings {
  const textOf = (name: string): string | undefined => {
    const section = joinedSection(stage, name)
    if (section === undefined || isEmpty(section)) return undefined
    const text = values.fillLines(section.body).map(({ text }) => text)
    return `${text.join('\n').trim()}\n`
  }
  const runscript = textOf('runscript')
  const help = textOf('help')
  return {
    environment: [
      ...operationsOf(textOf('environment') ?? '', `%environment of ${file}`, tree, note),
      ...operationsOf(takeFile(tree, ENVIRONMENT_FILE), `${ENVIRONMENT_FILE}, written by %post`, tree, note)
    ],
    labels: labelsOf(`${textOf('labels') ?? ''}${takeFile(tree, LABELS_FILE)}`),
    ...(runscript !== undefined && {
      runscript: runscript.startsWith('#!') ? runscript : `#!/bin/sh\n\n${runscript}`
    }),
    ...(help !== undefined && { help })
  }
}

/** What cannot be read as plain assignments stays a script, which Apptainer runs. */
function operationsOf(
  script: string,
  what: string,
  tree: string,
  note: (text: string) => void
): EnvironmentOperation[] {
  const { operations, unread } = parseAssignments(script, what)
  if (unread === undefined) return operations
  const place = placeIn(tree, '/.singularity.d/env/92-environment.sh')
  makeFolders(dirname(place))
  writeFileSync(place, `#!/bin/sh\n${script}`, { flag: 'a' })
  chmodSync(place, 0o755)
  note(
    `${what}, line ${unread.line}: "${unread.text.slice(0, 80)}" is not a plain assignment; Apptainer runs it, other runtimes do not`
  )
  return operations
}

/** The text of a file of the tree, which is then removed. */
function takeFile(tree: string, path: string): string {
  const place = placeIn(tree, path)
  if (!statSync(place, { throwIfNoEntry: false })?.isFile()) return ''
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
        return checkLabel(key, value.replace(/^"(.*)"$/, '$1'), 'the label')
      })
  )

/** What no record can hold is refused before any script runs. */
function checkSettings({ stage, values, file }: StageRun): void {
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
