import type { Command } from 'commander'
import { exportLayers } from '../../store/export-module.ts'
import { findRecord } from '../../store/find-record.ts'
import { readRecord } from '../../store/manifests.ts'
import { formatModuleName } from '../../store/module/name.ts'
import { contextOf } from '../command.ts'
import { formatBytes } from '../render/format.ts'

const EXAMPLE = `
Example:
  compose export app/vasp-6.4 out
  cd tree && tar -xpf ../out/layer.tar && setfattr -h --restore=../out/layer.xattrs && setfacl --restore=../out/layer.acl`

export default (program: Command): void => {
  program
    .command('export MODULE DIR')
    .summary('write the tarballs of a module')
    .description(
      'Write each layer of MODULE to DIR: the tarball byte for byte as it came in (decompressed), beside it its ACLs\nfor setfacl --restore and its attributes for setfattr --restore.'
    )
    .addHelpText('after', EXAMPLE)
    .action(async (module: string, folder: string, _options: object, command: Command) => {
      const context = contextOf(command)
      const store = await context.openStore()
      const { name, record } = await findRecord(store, module)
      const files = await exportLayers(store, (await readRecord(store, record)).layers, folder)
      context.result({ module: formatModuleName(name), files }, () =>
        files.map(({ path, sizeBytes }) => `${path}  ${formatBytes(sizeBytes)}`).join('\n')
      )
    })
}
