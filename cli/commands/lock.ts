import type { Command } from 'commander'
import { lockTarget, openSandboxTarget, resolveTarget } from '../../compose/outputs/index.ts'
import { formatLock } from '../../compose/stack/index.ts'
import { count } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'
import { type ImageFlags, imageOptions, withImageFlags } from '../flags/index.ts'

export default (program: Command): void => {
  withImageFlags(
    program
      .command('lock [TARGET...]')
      .summary('write stack.lock: all that a rebuild needs')
      .description(
        'Resolve TARGET (default: the stack) and write the lock: layers, image parameters, digests.'
      )
      .option('-o, --output <FILE>', 'where to write it (default: the stack file with .lock)')
      .option('--image <FILE>', 'note the digest of this image, which was built from the same')
  )
    .addHelpText(
      'after',
      '\nExample:\n  compose lock base/debian app/vasp --for group:vasp -o vasp.lock\n  compose build vasp.sqfs vasp.lock'
    )
    .action(
      async (
        words: string[],
        options: ImageFlags & { output?: string; image?: string },
        command: Command
      ) => {
        const context = contextOf(command)
        const store = await context.openStore()
        const target = await resolveTarget(store, words, context.stackFile, directory =>
          openSandboxTarget(store, directory, { checkContents: false })
        )
        const file = options.output ?? context.stackFile.replace(/(\.ya?ml)?$/, '.lock')
        const lock = await lockTarget(store, target, { ...imageOptions(options), file, image: options.image })
        context.result(
          { output: file, lock: JSON.parse(formatLock(lock)) },
          () => `${file}: ${count(lock.modules.length, 'module')}, tree sha256:${lock.treeDigest}`
        )
      }
    )
}
