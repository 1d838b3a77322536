import { setFlagsFromString } from 'node:v8'
import type { Command } from 'commander'
import { checkTarget, type MountOptions, type MountReport, mountImage } from '../../compose/mount/index.ts'
import { existingRoot } from '../../compose/run/index.ts'
import { StrataError, showPath } from '../../store/values/index.ts'
import { type Context, contextOf } from '../context/index.ts'
import type { OpenImageFlags } from '../flags/index.ts'
import { withOpenImageFlags } from '../flags/index.ts'

const EXAMPLES = `
Root mounts by the kernel, and the ACLs of the modules are enforced for every user. Root's image is built from the
stores, or proven: its file is root's alone, and a lock of root's names its digest (--lock), or the stores have all its
layers. Another user mounts through FUSE, for themselves, without ACLs. A mount is read-only and has no set-id
programs and devices.

Examples:
  compose build --for mounted /srv/vasp.sqfs stack.lock && compose mount /srv/vasp.sqfs /apps/vasp
  compose mount /srv/vasp.sqfs /apps/vasp --lock /srv/vasp.lock
  compose mount stack.lock ~/tree
  mount -t strata -o lock=/srv/vasp.lock /srv/vasp.sqfs /apps/vasp`

interface Flags extends OpenImageFlags {
  lock?: string
  exec: boolean
}

export default (program: Command): void => {
  const command = program
    .command('mount <WORDS...>')
    .usage('[options] IMAGE|TARGET... DIR')
    .summary('mount an image as a folder; for root, with its ACLs enforced')
    .description('Mount the image IMAGE, or that of TARGET, at the empty folder DIR.')
    .option('--lock <FILE>', 'a lock with the digest of IMAGE, which proves it')
    .option('--no-exec', 'programs in it cannot be started')
  withOpenImageFlags(command)
    .addHelpText('after', EXAMPLES)
    .action(async (words: string[], flags: Flags, command: Command) => {
      const context = contextOf(command)
      const report = await mountAsked(context, words.slice(0, -1), words.at(-1)!, flags)
      if (!report.enforced)
        context.io.note('mounted through FUSE: its mode bits hold, and ACLs are not enforced')
      if (report.hidden.length > 0)
        context.io.note(
          `not shown, because to an overlay a device 0:0 is a deleted name: ${report.hidden.map(path => `/${showPath(path)}`).join(', ')}`
        )
      context.result({ ...report }, () => rendered(report))
    })
}

async function mountAsked(
  context: Context,
  words: string[],
  directory: string,
  flags: Flags
): Promise<MountReport> {
  if (words.length === 0)
    throw new StrataError('USAGE', {
      message: `wanted an image and a folder, there is one word: ${directory}`,
      hint: 'compose mount IMAGE DIR'
    })
  const existing = words.length === 1 ? existingRoot(words[0]) : undefined
  checkTarget(directory) // before anything is built
  const options = { lock: flags.lock, isExecutable: flags.exec }
  if (existing?.kind === 'image')
    return mountQuickly(existing.path, directory, {
      ...options,
      store: await context.openStoreIfMade(),
      isOwn: false
    })
  if (existing !== undefined || flags.lock !== undefined)
    throw new StrataError('USAGE', {
      message:
        existing === undefined
          ? '--lock proves an image file, and there is none'
          : `${words[0]} is a folder, which needs no mount`,
      hint: 'compose mount IMAGE DIR'
    })
  const { openTarget } = await import('./open-target.ts') // it loads all of building
  const { runnable } = await openTarget(context, words, flags, 'mounted')
  const store = await context.openStore()
  try {
    return await mountQuickly(runnable.root.path, directory, { ...options, store, isOwn: true })
  } finally {
    await runnable.root.held?.file.close()
  }
}

/**
 * V8 copies functions into those that call them, and compiles them again with each. The metadata of 61,258 inodes take 0.28 s of all
 * processors without most of that, and 0.37 s with it (test/bench/README.md).
 */
function mountQuickly(path: string, directory: string, options: MountOptions): Promise<MountReport> {
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=200')
  return mountImage(path, directory, options)
}

const rendered = ({ image, directory, how, form, inodes }: MountReport): string =>
  how === 'kernel'
    ? `mounted ${image} at ${directory}: ${inodes} files and folders, ACLs enforced\n  by: ${form}`
    : `mounted ${image} at ${directory} by ${form}`
