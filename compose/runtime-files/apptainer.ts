/**
 * Files that Apptainer and Singularity look for (spec/image-metadata.md#apptainer). The texts are our own; only
 * names, places and meaning are theirs.
 */
import type { ModuleRecord } from '../../store/module/index.ts'
import { findPath, type MergedTree } from '../merge/index.ts'
import { formatHelp, formatRecipe } from './definition-text.ts'
import { directory, file, type GeneratedEntry, script, symlink } from './generated-entry.ts'
import type { ImageModule } from './image-module.ts'
import { formatLabels, imageLabels } from './labels.ts'

const ROOT = '.singularity.d'

/** @param environment text of the script that sets the modules' environment */
export function apptainerEntries(
  modules: ImageModule[],
  records: ModuleRecord[],
  environment: string,
  tree: MergedTree
): GeneratedEntry[] {
  const environmentPath = freeEnvironmentPath(tree)
  return [
    directory(ROOT),
    directory(`${ROOT}/actions`),
    directory(`${ROOT}/env`),
    directory(`${ROOT}/libs`),
    ...Object.entries(ACTIONS).map(([name, run]) => script(`${ROOT}/actions/${name}`, action(run))),
    script(environmentPath, environment),
    script(`${ROOT}/env/99-base.sh`, BASE),
    file(`${ROOT}/labels.json`, formatLabels(imageLabels(records))),
    file(`${ROOT}/Singularity`, formatRecipe(modules)),
    script(`${ROOT}/runscript`, runscript(records)),
    file(`${ROOT}/runscript.help`, formatHelp(modules, records)),
    script(`${ROOT}/startscript`, '#!/bin/sh\n'),
    script(`${ROOT}/test`, '#!/bin/sh\n'),
    symlink('environment', environmentPath),
    symlink('singularity', `${ROOT}/runscript`),
    ...['exec', 'run', 'shell', 'test'].map(name => symlink(`.${name}`, `${ROOT}/actions/${name}`))
  ]
}

/**
 * A module that was an Apptainer image brings its own script here, which is kept. Ours runs after it, under a name
 * (`9*-environment.sh`) that `inspect --environment` shows. Apptainer itself writes 91.
 */
function freeEnvironmentPath(tree: MergedTree): string {
  const paths = [90, 92, 93, 94, 95, 96, 97, 98].map(number => `${ROOT}/env/${number}-environment.sh`)
  return paths.find(path => findPath(tree, path) === undefined) ?? paths[0]
}

// Apptainer injects the user's variables right after a script of this name, and --nv puts libraries into libs.
const BASE = `#!/bin/sh
LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/${ROOT}/libs"
export LD_LIBRARY_PATH
`

/** Newer runtimes bring these themselves, but the links /.exec, /.run and so on also serve other runtimes. */
const ACTIONS = {
  exec: 'exec "$@"',
  run: `exec /${ROOT}/runscript "$@"`,
  shell: '[ ! -x /bin/bash ] || exec /bin/bash --norc "$@"\nexec /bin/sh "$@"',
  // The process that starts an instance waits for this signal.
  start: `kill -CONT 1\nexec /${ROOT}/startscript "$@"`,
  test: `exec /${ROOT}/test "$@"`
}

const action = (run: string): string => `#!/bin/sh
for part in /${ROOT}/env/*.sh; do
  [ ! -f "$part" ] || . "$part"
done
unset part
${run}
`

/** The runscript of the topmost module that has one; otherwise the requested program, or a shell. */
function runscript(records: ModuleRecord[]): string {
  const own = records.findLast(record => record.runscript !== undefined)?.runscript
  if (own === undefined) return '#!/bin/sh\n[ $# -eq 0 ] || exec "$@"\nexec /bin/sh\n'
  return `${own.startsWith('#!') ? '' : '#!/bin/sh\n'}${own.trimEnd()}\n`
}
