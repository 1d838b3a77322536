import { once } from 'node:events'
import type { Command } from 'commander'
import { findInImage, openImage } from '../../compose/inspect/open-image.ts'
import { StrataError } from '../../store/errors.ts'
import { parseTreePath } from '../../store/module/tree-path.ts'
import { dataOutput } from '../io.ts'

export default (program: Command): void => {
  program
    .command('cat IMAGE PATH...')
    .summary('print files of an image')
    .description('Write the bytes of files in an image to standard output, without mounting it.')
    .addHelpText('after', '\nExample:\n  compose cat vasp.sqfs /.compose/acl | setfacl --restore=-')
    .action(async (file: string, paths: string[]) => {
      const output = dataOutput()
      const image = await openImage(file)
      try {
        for (const path of paths) {
          const inode = findInImage(image, parseTreePath(path, 'PATH'), { followLast: true })
          if (inode.file === undefined)
            throw new StrataError('USAGE', {
              message: `${path} in ${file} is not a file`,
              hint: `compose ls ${file} ${path}`
            })
          for (const piece of image.reader.content(inode))
            if (!output.write(Buffer.from(piece))) await once(output, 'drain')
        }
      } finally {
        await image.close()
      }
    })
}
