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
  /** As for copies. */
  within?: string
}

const isOfApp = ({ name }: Section): boolean => name.startsWith('app')

/** In the order in which they are first mentioned. */
export const appsOf = ({ sections }: Stage): string[] => [
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
  const apps = appsOf(run.stage)
  for (const app of apps) {
    const own = run.stage.sections.filter(section => isOfApp(section) && section.argument === app)
    withLine(run.file, own[0].line, () => addApp(run, app, own))
  }
  if (apps.length > 0) writeIn(run.tree, APP_CHOICE, OF_CHOSEN_APP, 0o755)
}

function addApp(run: AppRun, app: string, sections: Section[]): void {
  const { tree, values, file, within } = run
  const root = `/scif/apps/${app}`
  for (const folder of FOLDERS) makeFolders(placeBeside(tree, `${root}/${folder}`))
  for (const folder of ['input', 'output']) makeFolders(placeBeside(tree, `/scif/data/${app}/${folder}`))
  for (const section of sections.filter(({ name }) => name === 'appfiles'))
    for (const { source, target } of fileLines(section, values, file))
      for (const path of expandPattern(source))
        copyInto(
          { tree, followsLinks: true, within },
          path,
          target === source ? `${root}/` : `${root}/${target}`
        )
  const joined = joinedLines(sections, values)
  for (const [name, lines] of joined) {
    const known = FILES[name]
    if (known === undefined) continue
    const text = `${known.head}${lines.join('\n').trim()}\n`
    writeIn(tree, `${root}/${known.path}`, text, known.head === '' ? 0o644 : 0o755)
  }
  const labels = { SCIF_APP_NAME: app, ...labelsOf(joined.get('applabels') ?? []) }
  writeIn(tree, `${root}/scif/labels.json`, `${JSON.stringify(labels, undefined, '\t')}\n`, 0o644)
  writeIn(tree, `${root}/scif/env/01-base.sh`, baseOf(app), 0o755)
  writeIn(tree, `/.singularity.d/env/94-appsbase-${app}.sh`, globalsOf(app, joined), 0o755)
}

/** Sections of one name are joined, as outside of applications. */
function joinedLines(sections: Section[], values: StageValues): Map<string, string[]> {
  const joined = new Map<string, string[]>()
  for (const { name, body } of sections)
    joined.set(name, [...(joined.get(name) ?? []), ...values.fillLines(body).map(({ text }) => text)])
  return joined
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

/** Variables by which all applications of an image find each other. A file for each, so that modules can be composed. */
function globalsOf(app: string, sections: ReadonlyMap<string, unknown>): string {
  const root = `/scif/apps/${app}`
  const places: [name: string, path: string][] = [
    ['DATA', `/scif/data/${app}`],
    ['META', `${root}/scif`],
    ['ROOT', root],
    ['BIN', `${root}/bin`],
    ['LIB', `${root}/lib`],
    ['LABELS', `${root}/scif/labels.json`],
    ...[...sections.keys()].flatMap((name): [string, string][] =>
      GLOBAL.includes(name) ? [[name.slice('app'.length).toUpperCase(), `${root}/${FILES[name].path}`]] : []
    )
  ]
  const suffix = app.replace(/[^A-Za-z0-9_]/g, '_')
  return places.map(([name, path]) => `export SCIF_APP${name}_${suffix}="${path}"\n`).join('')
}

const GLOBAL = ['appenv', 'apprun', 'appstart']

/** A file of every module that has applications. */
export const APP_CHOICE = '.singularity.d/env/95-apps.sh'

/** Apptainer names the application of `--app` in a variable, and runs the scripts in this folder. */
const OF_CHOSEN_APP = `#!/bin/sh
if [ -n "\${SINGULARITY_APPNAME:-}" ]; then
  if [ ! -d "/scif/apps/$SINGULARITY_APPNAME" ]; then
    echo "this image has no application $SINGULARITY_APPNAME" >&2
    exit 1
  fi
  export SINGULARITY_APPNAME
  . "/scif/apps/$SINGULARITY_APPNAME/scif/env/01-base.sh"
  [ ! -f "$SCIF_APPMETA/env/90-environment.sh" ] || . "$SCIF_APPMETA/env/90-environment.sh"
fi
`

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
