import type { Command } from 'commander'
import { listImage, openImage } from '../../compose/inspect/index.ts'
import { parseTreePath } from '../../store/module/index.ts'
import { showPath } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'
import { listedJson, renderListed } from '../render/index.ts'

interface Options {
  long?: boolean
  recursive?: boolean
}

export default (program: Command): void => {
  program
    .command('ls IMAGE [PATH]')
    .summary('list the files in an image')
    .description('List a directory in an image, without mounting it.')
    .option('-l, --long', 'print mode, owner, size and time; + marks paths with an ACL')
    .option('-R, --recursive', 'list everything below PATH')
    .addHelpText('after', '\nExample:\n  compose ls -l vasp.sqfs /opt/vasp')
    .action(
      async (file: string, path: string | undefined, { long, recursive }: Options, command: Command) => {
        const { json, io, result } = contextOf(command)
        const image = await openImage(file)
        try {
          const start = path === undefined ? '' : parseTreePath(path, 'PATH')
          const paths = listImage(image, start, recursive === true)
          if (json) result({ image: file, entries: [...paths].map(listedJson) }, () => '')
          else for (const listed of paths) io.out(long ? renderListed(listed) : `/${showPath(listed.path)}`)
        } finally {
          await image.close()
        }
      }
    )
}
