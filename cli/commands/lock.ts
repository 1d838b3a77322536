import type { Command } from 'commander'
import { lockTarget, openSandboxTarget, resolveTarget, signFile } from '../../compose/outputs/index.ts'
import { formatLock } from '../../compose/stack/index.ts'
import { count } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'
import {
  fetchingWith,
  type ImageFlags,
  imageOptions,
  type OpenImageFlags,
  withImageFlags,
  withOpenImageFlags
} from '../flags/index.ts'

export default (program: Command): void => {
  const command = withImageFlags(
    program
      .command('lock [TARGET...]')
      .summary('write stack.lock, from which the same image can be built again')
      .description(
        'Resolve TARGET (default: the stack) and write its lock: exact modules, layers, image parameters and digests.'
      )
      .option('-o, --output <FILE>', 'file to write (default: the stack file with .lock as its suffix)')
      .option('--image <FILE>', 'note the digest of this image, which was built from TARGET')
      .option('--sign', 'sign the lock with an SSH key, into the file LOCK.sig (compose sign --help)')
      .option('--key <FILE>', 'with --sign: the key')
  )
  withOpenImageFlags(command)
    .addHelpText(
      'after',
      '\nExample:\n  compose lock base/debian app/vasp --for group:vasp -o vasp.lock\n  compose build vasp.sqfs vasp.lock'
    )
    .action(
      async (
        words: string[],
        options: ImageFlags &
          OpenImageFlags & { output?: string; image?: string; sign?: boolean; key?: string },
        command: Command
      ) => {
        const context = contextOf(command)
        const store = await context.openStore()
        const target = await resolveTarget(
          store,
          words,
          context.stackFile,
          directory => openSandboxTarget(store, directory, { checkContents: false }),
          fetchingWith(context, store, options)
        )
        const file = options.output ?? context.stackFile.replace(/(\.ya?ml)?$/, '.lock')
        const lock = await lockTarget(store, target, { ...imageOptions(options), file, image: options.image })
        const signed = options.sign ? await signFile(file, options.key) : undefined
        context.result(
          {
            output: file,
            lock: JSON.parse(formatLock(lock)),
            ...(signed && { signature: { key: signed.key, file: signed.file } })
          },
          () =>
            [
              `${file}: ${count(lock.modules.length, 'module')}, tree sha256:${lock.treeDigest}`,
              ...(signed ? [`${signed.file}: signed with ${signed.key}`] : [])
            ].join('\n')
        )
      }
    )
}
