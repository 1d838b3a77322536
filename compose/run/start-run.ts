/** Starts a program in an image or a directory, by the first runtime that can (spec/runtimes.md). */
import { StrataError } from '../../store/values/index.ts'
import { type KeptUse, keepNoted } from '../cache/index.ts'
import { becomeLauncher, takeEarlierFailure } from './become-launcher.ts'
import { type Devices, devicesOf } from './devices.ts'
import { type FoundRuntime, findProgram, findRuntimes, startsImages } from './find-runtime.ts'
import { type DirectoryRoot, directoryOf } from './image-root.ts'
import { inheritedDescriptors } from './inherited.ts'
import { insideEnvironment } from './inside-environment.ts'
import { jobFolders } from './job-folders.ts'
import { jobName } from './job-name.ts'
import { missingProgram } from './missing-program.ts'
import { type PreparedMounts, prepareMounts, type TreeToMountIn } from './prepare-mounts.ts'
import { isOfHost, launchError } from './read-report.ts'
import { type Ended, runProgram } from './run-program.ts'
import { checkLeftOut, type RunSettings, readRunSettings } from './run-settings.ts'
import type { Runnable } from './runnable.ts'
import type { Bind, RunRequest, Runtime } from './runtime.ts'
import { isShown, usualBinds } from './usual-binds.ts'

export interface StartOptions extends Pick<RunRequest, 'command' | 'binds' | 'added'> {
  /** Name; default: that of the settings, else the first one that is installed and can. */
  runtime?: string
  /** Passed to the runtime unchanged. */
  runtimeOptions: string[]
  workingFolder?: string
  isContained: boolean
  isHomeWanted: boolean
  /** GPUs; undefined: as the settings say. */
  isGpuWanted?: boolean
  /** CDI names. */
  devices?: string[]
  /** Where programs may write anywhere. */
  changes?: RunRequest['changes']
  /** Whether the ranks of a job share namespaces. */
  isJoined?: boolean
  note(text: string): void
  /** If this process may become the runtime, which nothing comes back from. */
  inPlace?: {
    /** By which this very command can be started. */
    words: string[]
    /** True if notes are not wanted. */
    isQuiet: boolean
  }
  /** Called after something was added to the cache. */
  onKept(): void
}

/** @throws StrataError RUNTIME_MISSING, LAUNCH_FAILED, USAGE for a mount that has no place */
export async function startRun(runnable: Runnable, options: StartOptions): Promise<Ended> {
  const settings = await readRunSettings(process.env)
  if (!options.isContained)
    checkLeftOut(settings, hostFolders(settings, options), options.binds, options.note)
  const name = options.runtime ?? settings.runtime
  const runtimes = able(findRuntimes(name, process.env), options)
  let found = runtimes.next().value!
  let earlier = found.runtime.isBecome ? takeEarlierFailure(process.env) : undefined
  for (;;) {
    const ended = earlier ?? (await startBy(found, runnable, settings, options))
    const { failure } = ended
    earlier = undefined
    if (failure === undefined) return ended
    if (failure.kind === 'program') {
      options.note(failure.message)
      return { status: ended.status }
    }
    const next = runtimes.next().value
    if (name !== undefined || next === undefined || !isOfHost(failure)) throw launchError(failure)
    options.note(`${failure.message}: trying ${next.runtime.name}`)
    found = next
  }
}

/** @returns one at least. @throws StrataError USAGE if no runtime can do what is asked */
function* able(
  found: Iterable<FoundRuntime>,
  { changes, isJoined = false }: StartOptions
): Generator<FoundRuntime, undefined> {
  const unable: Runtime[] = []
  let isAble = false
  for (const one of found) {
    const { runtime } = one
    if ((changes === undefined || runtime.canWrite) && (!isJoined || runtime.canJoin)) {
      isAble = true
      yield one
    } else unable.push(runtime)
  }
  if (isAble) return undefined
  const [{ name }] = unable
  throw new StrataError('USAGE', {
    message: isJoined
      ? `${name} cannot let ranks share namespaces: wanted the runtime strata`
      : `${name} cannot start a program that may write anywhere: wanted the runtime strata`,
    hint: isJoined ? '--runtime strata' : '--runtime strata, or compose build --sandbox'
  })
}

async function startBy(
  found: FoundRuntime,
  { root, records }: Runnable,
  settings: RunSettings,
  options: StartOptions
): Promise<Ended> {
  const { runtime } = found
  const { binds: asked, isContained, isHomeWanted, note } = options
  const devices = await devicesFor(settings, options)
  const added = {
    ...settings.environment,
    ...(runtime.deviceOptions ? {} : devices.environment),
    ...options.added
  }
  const usual = [
    ...(isContained ? [] : usualOf(settings, runtime, asked, isHomeWanted)),
    ...(runtime.deviceOptions ? [] : devices.binds)
  ]
  const directory = await directoryFor(found, root, usual.length + asked.length > 0)
  const kept = [root.kept, directory?.kept].flatMap((use): KeptUse[] => (use === undefined ? [] : [use]))
  const noting = keepNoted(kept, process.env)
  try {
    note(`running with ${found.program}${directory === undefined ? '' : `, ${directory.how}`}`)
    if (kept.some(({ isNew }) => isNew)) options.onKept()
    const mounts = mountsOf(runtime, root, directory, asked, usual)
    for (const text of [...devices.notes, ...mounts.notes]) note(text)
    const deviceOptions =
      runtime.deviceOptions?.(devices.names, options.isGpuWanted ?? (settings.gpu && !isContained)) ?? []
    try {
      const request: RunRequest = {
        command: options.command,
        added,
        root:
          directory === undefined ? { ...root, path: mounts.path } : { kind: 'directory', path: mounts.path },
        parts: mounts.parts,
        changes: options.changes,
        ...(options.isJoined && { join: jobName(process.env, process.ppid) }),
        binds: mounts.binds,
        environment: withLibraries(insideEnvironment(records, process.env, added), runtime, devices),
        workingFolder:
          options.workingFolder ?? (isContained ? undefined : startFolder(runtime, mounts.binds)),
        mayStartElsewhere: options.workingFolder === undefined,
        options: [...ownOptions(runtime, options), ...deviceOptions, ...options.runtimeOptions]
      }
      const inherited = isContained ? [] : inheritedDescriptors(process.env, options.command)
      if (options.inPlace !== undefined && runtime.isBecome && directory === undefined)
        await becomeLauncher(found, request, inherited, { ...options.inPlace, uses: kept })
      return await ended(found, request, inherited, note)
    } finally {
      mounts.release()
    }
  } finally {
    noting.stop()
    await directory?.release()
  }
}

/** `--contain` leaves out those of the settings. */
const devicesFor = (
  settings: RunSettings,
  { isContained, isGpuWanted, devices = [] }: StartOptions
): Promise<Devices> =>
  devicesOf(
    {
      gpu: isGpuWanted ?? (settings.gpu && !isContained),
      asked: devices,
      usual: isContained || isGpuWanted === false ? [] : settings.devices
    },
    process.env
  )

/** A driver's libraries come last, so that those of a module win. */
function withLibraries(
  environment: Record<string, string>,
  runtime: Runtime,
  { libraryFolder }: Devices
): Record<string, string> {
  if (libraryFolder === undefined || runtime.deviceOptions !== undefined) return environment
  const folders = [environment.LD_LIBRARY_PATH ?? '', libraryFolder].filter(text => text !== '')
  return { ...environment, LD_LIBRARY_PATH: folders.join(':') }
}

/** Other runtimes than our launcher do not tell whether the program or they failed. */
async function ended(
  { runtime, program }: FoundRuntime,
  request: RunRequest,
  inherited: number[],
  note: StartOptions['note']
): Promise<Ended> {
  const line = runtime.commandLine(program, request, process.env)
  const end = await runProgram({ ...line, inherited }, note)
  if (line.reports || end.status === 0 || end.status === undefined) return end
  const missing = missingProgram(request)
  if (missing === undefined) return end
  note(missing.message)
  return { status: missing.status }
}

/** The image as a directory, if the runtime needs one. */
async function directoryFor(
  found: FoundRuntime,
  root: Runnable['root'],
  hasBinds: boolean
): Promise<DirectoryRoot | undefined> {
  if (root.kind === 'directory') return undefined
  const wantsPlaces =
    found.runtime.makesPlaces === 'skeleton' &&
    hasBinds &&
    findProgram('squashfuse', process.env) !== undefined
  if (!wantsPlaces && mayOpen(found, root) && (await startsImages(found, process.env))) return undefined
  return directoryOf(root, found.runtime, process.env)
}

/** False if the runtime would open another file than the one that was judged, or cannot read its form. */
const mayOpen = ({ runtime }: FoundRuntime, { held }: Runnable['root']): boolean =>
  held === undefined ||
  ((runtime.takesHeldFiles || !held.isJudged) && (runtime.takesSif || held.form === 'squashfs'))

/** The home and the working folder, where they are shown. */
const hostFolders = (settings: RunSettings, { isHomeWanted }: StartOptions): string[] =>
  usualBinds({
    home: settings.home && isHomeWanted ? process.env.HOME : undefined,
    workingFolder: settings.workingFolder ? process.cwd() : undefined,
    others: []
  }).map(({ target }) => target)

/** Home, the working folder and the binds of the settings. Apptainer mounts the first two itself. */
function usualOf(settings: RunSettings, runtime: Runtime, asked: Bind[], isHomeWanted: boolean): Bind[] {
  if (runtime.makesPlaces === 'itself') return settings.binds
  const home = settings.home && isHomeWanted ? process.env.HOME : undefined
  const workingFolder = settings.workingFolder ? process.cwd() : undefined
  const binds = [
    ...usualBinds({ home, workingFolder, others: [...settings.binds, ...asked] }),
    ...settings.binds
  ]
  return [...binds, ...jobFolders(process.env, [...binds, ...asked])]
}

function mountsOf(
  runtime: Runtime,
  root: Runnable['root'],
  directory: DirectoryRoot | undefined,
  asked: Bind[],
  usual: Bind[]
): PreparedMounts {
  const plain = { path: directory?.path ?? root.path, notes: [], release: () => {} }
  if (runtime.makesPlaces === 'itself') return { ...plain, binds: [...usual, ...asked] }
  if (runtime.makesPlaces === 'ours')
    return { ...plain, binds: [...usual.map(bind => ({ ...bind, mayBeLeftOut: true })), ...asked] }
  if (directory === undefined && root.kind === 'image') {
    const notes = usual.map(
      ({ source }) =>
        `${source} is not mounted, because the image has no folder at that place; one can be made only if squashfuse is installed`
    )
    return { ...plain, binds: asked, notes }
  }
  const tree: TreeToMountIn =
    directory === undefined
      ? { path: root.path, origin: 'given' }
      : { path: directory.path, origin: directory.kept === undefined ? 'mounted' : 'kept' }
  return prepareMounts(runtime, tree, asked, usual)
}

/** The current folder, if it has the same name inside. Apptainer finds it by itself. */
function startFolder(runtime: Runtime, binds: Bind[]): string | undefined {
  if (runtime.makesPlaces === 'itself') return undefined
  return [process.cwd(), process.env.HOME ?? ''].find(folder => isShown(folder, binds))
}

function ownOptions(runtime: Runtime, { isContained, isHomeWanted }: StartOptions): string[] {
  if (runtime.makesPlaces !== 'itself') return []
  return [...(isContained ? ['--contain'] : []), ...(isHomeWanted ? [] : ['--no-home'])]
}
