/** Applications of SCIF: what `%app...` sections become below /scif (spec/definitions.md#applications). */
import { dirname } from 'node:path'
import { copyInto, expandPattern, makeFolders, placeBeside } from './copy-files.ts'
import { fileLines } from './file-lines.ts'
import { type Section, type Stage, withLine } from './parse-definition.ts'
import { writeAnew } from './source-files.ts'
import type { StageValues } from './stage-values.ts'

interface AppRun {
  stage: Stage
  values: StageValues
  file: string
  tree: string
}

const isOfApp = ({ name }: Section): boolean => name.startsWith('app')

/** In the order in which they are first mentioned. */
const appsOf = ({ sections }: Stage): string[] => [
  ...new Set(sections.filter(isOfApp).map(({ argument }) => argument))
]

const FOLDERS = ['lib', 'bin', 'scif', 'scif/env']

/** A file of an application, and its beginning. */
const FILES: Record<string, { path: string; head: string }> = {
  appenv: { path: 'scif/env/90-environment.sh', head: '#!/bin/sh\n' },
  apprun: { path: 'scif/runscript', head: '#!/bin/sh\n' },
  appstart: { path: 'scif/startscript', head: '#!/bin/sh\n' },
  apptest: { path: 'scif/test', head: '#!/bin/sh\n' },
  apphelp: { path: 'scif/runscript.help', head: '' }
}

/** Makes the folders and files of all applications, before anything of them is installed. */
export function appSections(run: AppRun): void {
  for (const app of appsOf(run.stage)) {
    const own = run.stage.sections.filter(section => isOfApp(section) && section.argument === app)
    withLine(run.file, own[0].line, () => addApp(run, app, own))
  }
}

function addApp(run: AppRun, app: string, sections: Section[]): void {
  const root = `/scif/apps/${app}`
  for (const folder of FOLDERS) makeFolders(placeBeside(run.tree, `${root}/${folder}`))
  for (const folder of ['input', 'output']) makeFolders(placeBeside(run.tree, `/scif/data/${app}/${folder}`))
  for (const section of sections) writeSection(run, section, root)
  writeIn(run.tree, `${root}/scif/env/01-base.sh`, baseOf(app), 0o755)
}

function writeSection({ tree, values, file }: AppRun, section: Section, root: string): void {
  const lines = values.fillLines(section.body).map(({ text }) => text)
  const known = FILES[section.name]
  if (known !== undefined)
    writeIn(
      tree,
      `${root}/${known.path}`,
      `${known.head}${lines.join('\n').trim()}\n`,
      known.head === '' ? 0o644 : 0o755
    )
  else if (section.name === 'applabels')
    writeIn(tree, `${root}/scif/labels.json`, `${JSON.stringify(labelsOf(lines), undefined, '\t')}\n`, 0o644)
  else if (section.name === 'appfiles')
    for (const { source, target } of fileLines(section, values, file))
      for (const path of expandPattern(source))
        copyInto({ tree, followsLinks: true }, path, target === source ? `${root}/` : `${root}/${target}`)
}

/** Commands of `%appinstall`, which go behind `%post`. */
export const appInstallations = (stage: Stage, values: StageValues): string[] =>
  appsOf(stage).flatMap(app => {
    const lines = stage.sections
      .filter(({ name, argument }) => name === 'appinstall' && argument === app)
      .flatMap(({ body }) => values.fillLines(body).map(({ text }) => text))
    if (lines.length === 0) return []
    return [`cd /scif/apps/${app}`, '. scif/env/01-base.sh', ...lines, 'cd /']
  })

const baseOf = (app: string): string =>
  [
    '#!/bin/sh',
    `SCIF_APPNAME=${app}`,
    `SCIF_APPROOT=/scif/apps/${app}`,
    `SCIF_APPMETA=/scif/apps/${app}/scif`,
    `SCIF_DATA=/scif/data`,
    `SCIF_APPDATA=/scif/data/${app}`,
    `SCIF_APPINPUT=/scif/data/${app}/input`,
    `SCIF_APPOUTPUT=/scif/data/${app}/output`,
    'export SCIF_APPNAME SCIF_APPROOT SCIF_APPMETA SCIF_DATA SCIF_APPDATA SCIF_APPINPUT SCIF_APPOUTPUT',
    `PATH=/scif/apps/${app}/bin:$PATH`,
    `LD_LIBRARY_PATH=/scif/apps/${app}/lib:$LD_LIBRARY_PATH`,
    'export PATH LD_LIBRARY_PATH',
    ''
  ].join('\n')

const labelsOf = (lines: string[]): Record<string, string> =>
  Object.fromEntries(
    lines
      .map(line => line.trim())
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => [line.split(/\s/, 1)[0], line.replace(/^\S+\s*/, '')])
  )

/** Whatever umask the user has. */
function writeIn(tree: string, path: string, text: string, mode: number): void {
  const place = placeBeside(tree, path)
  makeFolders(dirname(place))
  writeAnew(place, text, mode)
}
