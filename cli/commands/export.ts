import type { Command } from 'commander'
import { formatModuleName } from '../../store/module/index.ts'
import { contextOf } from '../context/index.ts'
import { formatBytes } from '../render/index.ts'

const EXAMPLE = `
Example:
  compose export app/vasp-6.4 out
  cd tree && tar -xpf ../out/layer.tar && setfattr -h --restore=../out/layer.xattrs && setfacl --restore=../out/layer.acl`

export default (program: Command): void => {
  program
    .command('export MODULE DIR')
    .summary('write the tarballs of a module')
    .description(
      'Write each layer of MODULE to DIR: the tarball, byte for byte as it was imported but decompressed, its ACLs (for setfacl --restore) and its attributes (for setfattr --restore).'
    )
    .option('--internal', 'allow modules that must not leave the site (the files stay here)')
    .addHelpText('after', EXAMPLE)
    .action(async (module: string, folder: string, options: { internal?: boolean }, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      const { name, record } = await store.findRecord(module)
      const files = await store.exportModule(record, folder, options)
      context.result({ module: formatModuleName(name), output: folder, files }, () =>
        files.map(({ path, sizeBytes }) => `${path}  ${formatBytes(sizeBytes)}`).join('\n')
      )
    })
}
