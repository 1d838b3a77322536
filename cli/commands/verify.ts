import { statSync } from 'node:fs'
import type { Command } from 'commander'
import { isImage } from '../../compose/inspect/index.ts'
import {
  isFileName,
  type VerifyReport,
  verifyImage,
  verifyLock,
  verifyModule
} from '../../compose/outputs/index.ts'
import { verifySandbox } from '../../compose/sources/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { type Context, contextOf } from '../context/index.ts'
import { renderVerified } from '../render/index.ts'

interface Options {
  lock?: string
}

const DESCRIPTION = `Check what can be checked here, say what could not be, and tell who signed it. Works without a store, too.
IMAGE: all of it can be read; tree, labels and environment are those of its lock; it is byte for byte the image of its lock (if the stores have the layers).
SANDBOX: the changes in it, and that its lock leads to the tree that it was made from.
LOCK: its signature, the hash of every blob, and that an image of it has the digests that it names.
MODULE: the hash of every blob, and its signatures.`

const EXAMPLES = `
Examples:
  compose verify vasp.sqfs
  compose verify vasp.sqfs --lock vasp.lock
  compose verify app/vasp-6.4`

export default (program: Command): void => {
  program
    .command('verify <IMAGE|SANDBOX|LOCK|MODULE>')
    .summary('check an image, a sandbox, a lock or a module, and who signed it')
    .description(DESCRIPTION)
    .option(
      '--lock <LOCK>',
      'IMAGE has to be the one of this lock; fast if LOCK has its digest (compose lock --image)'
    )
    .addHelpText('after', EXAMPLES)
    .action(async (word: string, options: Options, command: Command) => {
      const context = contextOf(command)
      const report = await verify(context, word, options)
      context.result({ ...report }, () => renderVerified(report))
    })
}

async function verify(context: Context, word: string, { lock }: Options): Promise<VerifyReport> {
  const isDirectory = statSync(word, { throwIfNoEntry: false })?.isDirectory() === true
  if (!isDirectory && isImage(word)) return verifyImage(await context.openStoreIfMade(), word, { lock })
  if (lock !== undefined)
    throw new StrataError('USAGE', {
      message: `--lock was given, but ${word} is not an image`,
      hint: 'compose verify IMAGE --lock LOCK'
    })
  if (isDirectory) return verifySandbox(await context.openStoreIfMade(), word)
  if (await isFileName(word)) return verifyLock(await context.openStoreIfMade(), word)
  return verifyModule(await context.openStore(), word)
}
