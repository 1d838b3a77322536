import { once } from 'node:events'
import type { Command } from 'commander'
import { findInImage, type OpenImage, openImage } from '../../compose/inspect/index.ts'
import { parseTreePath } from '../../store/module/index.ts'
import { joinPieces } from '../../store/object/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { contextOf } from '../context/index.ts'
import { dataOutput } from '../process/index.ts'
import { contentJson, pathJson } from '../render/index.ts'

export default (program: Command): void => {
  program
    .command('cat IMAGE PATH...')
    .summary('print files of an image')
    .description('Write files of an image to standard output, without mounting the image.')
    .addHelpText('after', '\nExample:\n  compose cat vasp.sqfs /.compose/acl | setfacl --restore=-')
    .action(async (file: string, paths: string[], _options: object, command: Command) => {
      const { json, result } = contextOf(command)
      const image = await openImage(file)
      try {
        if (json) result({ image: file, files: paths.map(path => fileJson(image, path)) }, () => '')
        else for (const path of paths) await writeOut(image.reader.content(fileIn(image, path)))
      } finally {
        await image.close()
      }
    })
}

function fileIn(image: OpenImage, path: string) {
  const inode = findInImage(image, parseTreePath(path, 'PATH'), { followLast: true })
  if (inode.file !== undefined) return inode
  throw new StrataError('USAGE', {
    message: `${path} in ${image.path} is not a file`,
    hint: `compose ls ${image.path} ${path}`
  })
}

async function writeOut(pieces: Iterable<Uint8Array>): Promise<void> {
  const output = dataOutput()
  for (const piece of pieces) if (!output.write(Buffer.from(piece))) await once(output, 'drain')
}

/** A JSON document is one string in memory, and base64 adds a third to the file's size. */
const MOST_JSON_BYTES = 64 << 20

function fileJson(image: OpenImage, path: string): object {
  const inode = fileIn(image, path)
  const sizeBytes = inode.file!.sizeBytes
  if (sizeBytes > MOST_JSON_BYTES)
    throw new StrataError('USAGE', {
      message: `${path} in ${image.path} has ${sizeBytes} bytes, but --json takes files of at most ${MOST_JSON_BYTES}`,
      hint: `compose cat ${image.path} ${path} (without --json) writes all of it`
    })
  const bytes = joinPieces(image.reader.content(inode))
  return { ...pathJson(parseTreePath(path, 'PATH')), sizeBytes, ...contentJson(bytes) }
}
