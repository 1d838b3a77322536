/**
 * Where no CDI file describes the GPUs: libraries of NVIDIA's driver that have to fit the kernel module of the host, as in
 * Apptainer's nvliblist.conf, found in the list of the host's loader.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { findProgram } from './find-runtime.ts'
import type { Bind } from './runtime.ts'

/** Images have this folder, for Apptainer's --nv. */
export const LIBRARIES = '/.singularity.d/libs'

/** Names without `.so` and version. */
const NAMES = new Set(
  `libcuda libEGL_nvidia libGLESv1_CM_nvidia libGLESv2_nvidia libGLX_nvidia libnvcuvid libnvidia-allocator libnvidia-api
  libnvidia-cfg libnvidia-compiler libnvidia-egl-gbm libnvidia-egl-wayland libnvidia-eglcore libnvidia-encode
  libnvidia-fbc libnvidia-glcore libnvidia-glsi libnvidia-glvkspirv libnvidia-gpucomp libnvidia-ml libnvidia-ngx
  libnvidia-nvvm libnvidia-opencl libnvidia-opticalflow libnvidia-pkcs11 libnvidia-ptxjitcompiler libnvidia-rtcore
  libnvidia-sandboxutils libnvidia-tls libnvidia-vulkan-producer libnvoptix libcudadebugger`.split(/\s+/)
)
const PROGRAMS = ['nvidia-smi', 'nvidia-debugdump', 'nvidia-persistenced', 'nvidia-cuda-mps-control']

/** `	libcuda.so.1 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcuda.so.1` */
const LINE = /^\t(\S+) \(([^)]*)\) => (\/.*)$/

const ARCHITECTURES: Record<string, string | undefined> = { x64: 'x86-64', arm64: 'AArch64' }

/** @param listing what `ldconfig -p` prints @returns libraries for this architecture; empty without a driver */
export function driverLibraries(listing: string): Bind[] {
  const wanted = ARCHITECTURES[process.arch]
  const found = new Map<string, string>()
  for (const line of listing.split('\n')) {
    const [, name, kind, path] = LINE.exec(line) ?? []
    if (name === undefined || !NAMES.has(name.slice(0, name.indexOf('.so')))) continue
    if (kind.split(/,\s*/).includes(wanted ?? '') && !found.has(name)) found.set(name, path)
  }
  return [...found].map(([name, path]) => libraryBind(path, name))
}

export const libraryBind = (source: string, name: string): Bind => ({
  ...{ source, target: join(LIBRARIES, name), isReadOnly: true },
  mayBeLeftOut: true
})

/** The driver of this host, if there is one. */
export function driverOfHost(host: NodeJS.ProcessEnv): Bind[] {
  const ldconfig = findProgram('ldconfig', { PATH: `${host.PATH ?? ''}:/usr/sbin:/sbin` })
  if (ldconfig === undefined) return []
  const libraries = driverLibraries(spawnSync(ldconfig, ['-p'], { encoding: 'utf8' }).stdout ?? '')
  if (libraries.length === 0) return []
  const programs = PROGRAMS.flatMap(name => findProgram(name, host) ?? [])
  return [
    ...libraries,
    ...programs.map(source => ({
      ...{ source, target: `/usr/bin/${basename(source)}`, isReadOnly: true },
      mayBeLeftOut: true
    }))
  ]
}

/** The names under which programs look for a library: those of the links that lead to it, such as libcuda.so.1. */
export function namesOfLibrary(path: string): string[] {
  if (!existsSync(path)) return []
  const [folder, real] = [dirname(path), realpathSync(path)]
  const [stem] = basename(path).split('.so')
  const links = readdirSync(folder).filter(
    name =>
      name.startsWith(`${stem}.so`) &&
      existsSync(join(folder, name)) &&
      realpathSync(join(folder, name)) === real
  )
  return [...new Set([basename(path), ...links])]
}
