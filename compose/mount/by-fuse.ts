/** Mounts an image as an ordinary user, through FUSE: with the mode bits of the image, and without its ACLs. */
import { spawnSync } from 'node:child_process'
import { StrataError } from '../../store/values/index.ts'
import type { OpenImage } from '../inspect/index.ts'
import { canUseFuse, findSquashfuse } from '../run/index.ts'

/** @throws StrataError MOUNT_FAILED; then nothing is mounted */
export function mountByFuse(
  { path, fd, startInFile }: OpenImage,
  directory: string,
  isExecutable: boolean,
  host: NodeJS.ProcessEnv
): string {
  const program = findSquashfuse(host)
  if (program === undefined || !canUseFuse())
    throw failed(
      program === undefined ? 'squashfuse_ll is not found in PATH' : '/dev/fuse cannot be opened',
      'compose doctor'
    )
  // The very file that the policies were asked about.
  const file = `/proc/${process.pid}/fd/${fd}`
  // A comma would begin another option.
  const named = path.includes(',') ? [] : ['-o', `fsname=${path}`]
  const { status, stderr } = spawnSync(
    program,
    [
      ...named,
      '-o',
      `ro,nosuid,nodev${isExecutable ? '' : ',noexec'},offset=${startInFile}`,
      file,
      directory
    ],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe']
    }
  )
  if (status === 0) return program
  throw failed(
    `${program} does not mount it: ${stderr.trim().split('\n').at(-1) || `status ${status}`}`,
    'compose doctor'
  )
}

const failed = (message: string, hint: string): StrataError =>
  new StrataError('MOUNT_FAILED', { message, hint })
