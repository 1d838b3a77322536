/** Scripts of a definition that run on the host (spec/definitions.md#scripts-of-the-host). */
import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { launcherFile } from '../../native/index.ts'
import { removeTree } from '../../store/disk/index.ts'
import { type Ended, launchError, runProgram } from '../run/index.ts'
import { scriptCommand } from './section-script.ts'

/** Whether a script may write anywhere that the user may, or to its tree and a temporary folder alone. */
export type HostAccess = 'ro' | 'rw'

interface HostScript {
  access: HostAccess
  text: string
  /** Beside those of the user; the tree's path for some. */
  variables?: (tree: string) => Record<string, string>
  /** Words behind the section's name. */
  argument: string
  tree: string
  /** A folder for files of this build. */
  work: string
  note(text: string): void
}

/** @throws StrataError LAUNCH_FAILED, if the host cannot be made read-only */
export async function runOnHost(request: HostScript): Promise<Ended> {
  const { access, tree, work } = request
  const rootfs = realpathSync(tree)
  const environment = {
    ...process.env,
    APPTAINER_ROOTFS: rootfs,
    SINGULARITY_ROOTFS: rootfs,
    ...request.variables?.(rootfs)
  }
  const temporary = mkdtempSync(join(work, 'tmp-'))
  const script = join(temporary, SCRIPT)
  writeFileSync(script, request.text, { mode: 0o755 })
  try {
    const command = scriptCommand(request.argument, access === 'rw' ? script : join(TEMPORARY, SCRIPT))
    return await (access === 'rw' ? runFreely : runConfined)(command, environment, { ...request, temporary })
  } finally {
    removeTree(temporary)
  }
}

interface HostRun extends HostScript {
  /** A private folder, in which the script lies. */
  temporary: string
}

type HostRunner = (command: string[], environment: NodeJS.ProcessEnv, run: HostRun) => Promise<Ended>

const runFreely: HostRunner = ([program, ...args], environment, { note }) =>
  runProgram({ program, args, environment, outputTo: 'stderr' }, note)

const runConfined: HostRunner = async (command, environment, { tree, temporary, note }) => {
  const line = {
    program: launcherFile(),
    args: [
      'run',
      '--parent',
      String(process.pid),
      '--report',
      '3',
      ...confinement(realpathSync(tree), temporary),
      ...command
    ],
    environment: { ...environment, TMPDIR: TEMPORARY },
    ...{ reports: true, isKeptFromFiles: true, isWithoutInputFile: true, outputTo: 'stderr' as const }
  }
  const ended = await runProgram(line, note)
  if (ended.failure?.kind === 'error') throw launchError(ended.failure)
  return ended
}

const SCRIPT = '.script'
const TEMPORARY = '/tmp'
/** Our launcher mounts these writable into every tree. */
const OF_HOST = ['/dev', '/proc', '/sys']

/** The launcher shows a directory read-only, with all that is mounted below it: here, the whole host. */
function confinement(tree: string, temporary: string): string[] {
  const folder = realpathSync('.')
  const isHidden = isBelow(TEMPORARY, folder)
  for (const path of [tree, folder])
    if (isBelow(TEMPORARY, path))
      mkdirSync(join(temporary, relative(realpathSync(TEMPORARY), path)), { recursive: true })
  return [
    ...['--confined', '--no-host-files', '--cwd', folder],
    ...OF_HOST.flatMap(path => ['--ro-bind-try', path, path]),
    ...['--bind', temporary, TEMPORARY],
    ...(isHidden ? ['--ro-bind', folder, folder] : []),
    ...['--bind', tree, tree],
    ...['--', '/', '--']
  ]
}

const isBelow = (parent: string, path: string): boolean => path.startsWith(`${realpathSync(parent)}/`)
