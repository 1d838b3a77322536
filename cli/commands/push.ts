import type { Command } from 'commander'
import { type PushedImage, pushImage } from '../../compose/outputs/index.ts'
import { contextOf, ProgressBar } from '../context/index.ts'
import { type RegistryFlags, registrySettings, withRegistryFlags } from '../flags/index.ts'
import { formatBytes } from '../render/index.ts'

interface Options extends RegistryFlags {
  internal?: boolean
  replace?: boolean
}

const EXAMPLES = `
The image is kept as it is, as an artifact with one file. What the registry has is not sent again. An image that is
not for everyone is refused by a repository that everybody can read.

Examples:
  compose push vasp.sqfs registry.example.org/images/vasp:6.4`

export default (program: Command): void => {
  const command = program
    .command('push IMAGE HOST/REPOSITORY[:TAG]')
    .summary('put an image file into a registry')
    .description('Send the image file IMAGE to a registry, under TAG (default: latest).')
    .option('--internal', 'allow modules that must not leave the site (the registry stays here)')
    .option('--replace', 'let the tag stand for this image, if it stands for something else')
  withRegistryFlags(command)
    .addHelpText('after', EXAMPLES)
    .action(async (image: string, to: string, options: Options, command: Command) => {
      const context = contextOf(command)
      const bar = new ProgressBar(context.io)
      const pushed = await pushImage(image, to, {
        registry: registrySettings(options),
        internal: options.internal === true,
        replace: options.replace === true,
        onProgress: (done, total) => bar.update(to, done, total)
      }).finally(() => bar.clear())
      context.result({ ...pushed }, () => render(pushed))
    })
}

const render = ({ reference, digest, outcome, sentBytes }: PushedImage): string => {
  const how = { created: 'pushed', same: 'was there', replaced: 'replaced' }[outcome]
  return `${reference} ${how}, ${formatBytes(sentBytes)} sent\n  ${digest}`
}
