import { existsSync } from 'node:fs'
import { isatty } from 'node:tty'
import { launcherFile } from '../../native/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { environmentDifference, hostEnvironment } from './inside-environment.ts'
import { ownName } from './own-name.ts'
import type { TreePart } from './place-mount-points.ts'
import { type Bind, commandOf, type HeldImage, type InPlace, type Runtime } from './runtime.ts'

const MOUNTED = ['/dev', '/proc', '/sys', '/tmp'].map(path => ({ path, isFile: false }))

const withColon = (source: string, target: string): string | undefined =>
  `${source}${target}`.includes(':') ? 'has a colon in its name' : undefined

/** Our own launcher (spec/launcher.md). Without squashfuse, an image is unpacked for it. */
const strata: Runtime = {
  name: 'strata',
  programs: [],
  ownProgram: launcherFile(),
  takesImages: 'squashfuse',
  takesHeldFiles: true,
  takesSif: true,
  seesMounts: true,
  makesPlaces: 'ours',
  canWrite: true,
  canJoin: true,
  isBecome: true,
  ownPoints: [],
  commandLine(program, request, host) {
    const { root, binds, workingFolder, changes, join, options } = request
    const { held } = root
    const started = hostEnvironment(host)
    const { set, unset } = environmentDifference(started, request)
    return {
      program,
      args: [
        ...['run', ...reporting(request.inPlace)],
        ...unset.flatMap(name => ['--unsetenv', name]),
        ...set.flatMap(([name, value]) => ['--setenv', name, value]),
        ...binds.flatMap(({ source, target, isReadOnly, mayBeLeftOut }) => [
          `--${isReadOnly ? 'ro-' : ''}bind${mayBeLeftOut ? '-try' : ''}`,
          source,
          target
        ]),
        ...(workingFolder === undefined
          ? []
          : [`--cwd${request.mayStartElsewhere ? '-try' : ''}`, workingFolder]),
        ...(join === undefined ? [] : ['--join', join]),
        ...(changes === undefined
          ? []
          : changes.folder === undefined
            ? ['--writable']
            : ['--overlay', changes.folder]),
        ...(held === undefined ? [] : imageOptions(held, request.inPlace)),
        ...options,
        ...['--', root.path, '--'],
        ...commandOf(request)
      ],
      environment: started,
      ...(held && { passed: [held.file.fd] }),
      reports: true
    }
  }
}

const BEAT_SECONDS = 60 * 60

const reporting = (place: InPlace | undefined): string[] =>
  place === undefined
    ? ['--parent', String(process.pid), '--report', '3']
    : [
        ...['--caller', String(place.caller)],
        ...(place.isQuiet ? ['--quiet'] : []),
        ...(place.usedFile === undefined ? [] : ['--beat', String(BEAT_SECONDS), place.usedFile])
      ]

const imageOptions = ({ file, startInFile }: HeldImage, place: InPlace | undefined): string[] => [
  ...['--image-fd', place === undefined ? '4' : String(file.fd)],
  ...['--offset', String(startInFile)]
]

/** Starts images and directories, and loads the modules' environment itself. */
const apptainer: Runtime = {
  name: 'apptainer',
  programs: ['apptainer', 'singularity'],
  takesImages: 'always',
  takesSif: true,
  seesMounts: true,
  makesPlaces: 'itself',
  ownPoints: [],
  deviceOptions: (names, isGpuWanted) =>
    names.length > 0 ? ['--device', names.join(',')] : isGpuWanted ? ['--nv'] : [],
  unableTo: ({ source, target }) =>
    /[,:]/.test(source + target) ? 'has a comma or a colon in its name' : undefined,
  commandLine(program, { root, command, binds, added, workingFolder, options }, host) {
    const bindings = binds.map(({ source, target, isReadOnly }) => {
      for (const path of [source, target])
        if (/[,:]/.test(path))
          throw unable('apptainer', `bind ${path}: commas and colons separate the parts of its option`)
      return `${source}:${target}${isReadOnly ? ':ro' : ''}`
    })
    // `--env` separates variables by commas. Variables with this prefix may hold any value.
    const environment = Object.entries(added).flatMap(([name, value]) => [
      [`APPTAINERENV_${name}`, value],
      [`SINGULARITYENV_${name}`, value]
    ])
    return {
      program,
      args: [
        command.length > 0 ? 'exec' : 'run',
        ...bindings.flatMap(binding => ['--bind', binding]),
        ...(workingFolder === undefined ? [] : ['--pwd', workingFolder]),
        ...options,
        root.path,
        ...command
      ],
      environment: { ...hostEnvironment(host), ...Object.fromEntries(environment) }
    }
  }
}

/** Runs in place: the started process becomes the command. */
const chRun: Runtime = {
  name: 'ch-run',
  programs: ['ch-run'],
  takesImages: 'fuse',
  seesMounts: true,
  makesPlaces: 'skeleton',
  ownPoints: [...MOUNTED, { path: '/etc/passwd', isFile: true }, { path: '/etc/group', isFile: true }],
  unableTo: ({ source, target, isReadOnly }) =>
    isReadOnly ? 'cannot be mounted read-only' : withColon(source, target),
  commandLine(program, request, host) {
    const { root, binds, workingFolder, options } = request
    // Without USER ch-run fails. It would show the folder that TMPDIR names as /tmp, and hide a working folder in /tmp.
    const { TMPDIR: _, ...others } = hostEnvironment(host)
    const started = { USER: host.USER ?? ownName(), ...others }
    const { set, unset } = environmentDifference(started, request)
    return {
      program,
      args: [
        ...unset.map(name => `--unset-env=${name}`),
        // Otherwise it replaces `$NAME` in values, and removes quotes at both ends.
        '--env-no-expand',
        ...set.map(([name, value]) => `--set-env=${name}='${value}'`),
        ...binds.map(bind => `--bind=${chRunBind(bind)}`),
        ...(workingFolder === undefined ? [] : [`--cd=${workingFolder}`]),
        ...options,
        root.path,
        '--',
        ...commandOf(request)
      ],
      environment: started,
      outlivesCaller: true
    }
  }
}

function chRunBind({ source, target, isReadOnly }: Bind): string {
  if (isReadOnly) throw unable('ch-run', `bind ${source} read-only`)
  if (`${source}${target}`.includes(':'))
    throw unable('ch-run', `bind ${source}: a colon separates the parts of its option`)
  return `${source}:${target}`
}

/** Files of the host for looking up names. They are mounted over those of the tree, if it has them. */
const HOST_FILES = ['/etc/passwd', '/etc/group', '/etc/hosts', '/etc/resolv.conf']

/** Devices and /tmp come from the host, as in the other runtimes, because ranks of one job meet in /dev/shm. */
const bwrap: Runtime = {
  name: 'bwrap',
  programs: ['bwrap'],
  takesImages: 'never',
  seesMounts: true,
  makesPlaces: 'parts',
  ownPoints: MOUNTED,
  commandLine(program, request, host) {
    const { root, parts, binds, workingFolder, options } = request
    const started = hostEnvironment(host)
    const { set, unset } = environmentDifference(started, request)
    const files = HOST_FILES.filter(path => existsSync(path) && existsSync(root.path + path))
    return {
      program,
      args: [
        ...['--die-with-parent', '--json-status-fd', '3'],
        ...(parts === undefined ? ['--ro-bind', root.path, '/'] : parts.flatMap(bwrapPart)),
        ...[
          '--dev-bind',
          '/dev',
          '/dev',
          '--proc',
          '/proc',
          '--ro-bind',
          '/sys',
          '/sys',
          '--bind',
          '/tmp',
          '/tmp'
        ],
        ...unset.flatMap(name => ['--unsetenv', name]),
        ...set.flatMap(([name, value]) => ['--setenv', name, value]),
        ...files.flatMap(path => ['--ro-bind', path, path]),
        ...binds.flatMap(({ source, target, isReadOnly }) => [
          isReadOnly ? '--ro-bind' : '--bind',
          source,
          target
        ]),
        ...(parts === undefined ? [] : ['--remount-ro', '/']),
        ...['--chdir', workingFolder ?? '/'],
        ...options,
        '--',
        ...commandOf(request)
      ],
      environment: started,
      signals: 'told'
    }
  }
}

function bwrapPart(part: TreePart): string[] {
  switch (part.kind) {
    case 'bind':
      return ['--ro-bind', part.source, part.path]
    case 'link':
      return ['--symlink', part.target, part.path]
    case 'directory':
      return ['--dir', part.path]
    case 'file':
      return [] // the bind makes it
  }
}

/** A name alone stands for the variable of podman itself, and a name with `*` at its end for all that begin so. */
const IS_PLAIN_NAME = /^\w+$/

/** Passes no variable into the container unless it is named. */
const podman: Runtime = {
  name: 'podman',
  programs: ['podman'],
  takesImages: 'never',
  // Its mount namespace is that of its first call, where later mounts do not arrive unless / is shared.
  seesMounts: false,
  makesPlaces: 'overlay',
  ownPoints: [],
  deviceOptions: names => names.map(name => `--device=${name}`),
  unableTo: ({ source, target }) => withColon(source, target),
  commandLine(program, request, host) {
    const { root, binds, environment, workingFolder, options } = request
    const started = hostEnvironment(host)
    const sets = ([name, value]: [string, string]) =>
      started[name] === value && IS_PLAIN_NAME.test(name) ? name : `${name}=${value}`
    return {
      program,
      args: [
        ...['run', '--rm', '--interactive', ...(isatty(0) ? ['--tty'] : [])],
        ...['--network=host', '--security-opt=label=disable'],
        // Its own tmpfs on /run and similar folders are filled from the tree, which fails for owners without an id
        // mapping.
        ...['--read-only', '--read-only-tmpfs=false', '--tmpfs=/run:notmpcopyup'],
        ...['--volume', '/tmp:/tmp', '--workdir', workingFolder ?? '/'],
        ...binds.flatMap(bind => ['--volume', podmanBind(bind)]),
        ...Object.entries(environment).flatMap(variable => ['--env', sets(variable)]),
        ...options,
        ...['--rootfs', root.path],
        ...commandOf(request)
      ],
      environment: started,
      // Rootless podman starts itself again inside its namespaces. If only the outer one ended, the container would
      // go on.
      signals: 'child'
    }
  }
}

function podmanBind({ source, target, isReadOnly }: Bind): string {
  if (`${source}${target}`.includes(':'))
    throw unable('podman', `bind ${source}: a colon separates the parts of its option`)
  return `${source}:${target}${isReadOnly ? ':ro' : ''}`
}

const unable = (runtime: string, what: string): StrataError =>
  new StrataError('USAGE', {
    message: `${runtime} cannot ${what}`,
    hint: 'use --runtime bwrap'
  })

/** In the order of preference. */
export const RUNTIMES: readonly Runtime[] = [strata, apptainer, chRun, bwrap, podman]
