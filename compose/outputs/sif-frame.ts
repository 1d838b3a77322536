/**
 * What a SIF file holds beside its image (spec/sif.md#written): the definition, and what `apptainer inspect` prints, so
 * that it need not start the image. Both are read from the image itself, so they cannot tell anything else.
 */
import { writeSync } from 'node:fs'
import { trimLast } from '../../store/values/index.ts'
import { type OpenImage, readImageFile } from '../inspect/index.ts'
import { programArchitecture } from '../oci/index.ts'
import { encodeSif } from '../sif/index.ts'
import { type FileRange, ImageReader } from '../squashfs/index.ts'
import type { CompleteTree } from './with-generated.ts'

type SifImage = Pick<OpenImage, 'reader' | 'path'>

/** All texts together. What a module brings can be longer, and is left out then. */
const MOST_TEXT_BYTES = 8 << 20

const FOLDER = '.singularity.d'
/** Those that `apptainer inspect --environment` shows, in their order. */
const ENVIRONMENT = /^(10-docker.*|9.*-environment)\.sh$/

export interface SifTexts {
  /** Undefined for an image that has none. */
  definition?: string
  /** Of `inspect-metadata.json`. */
  metadata: string
}

/** @throws StrataError IMAGE_INVALID */
export function sifTexts(image: SifImage): SifTexts {
  const texts = new Texts(image)
  const definition = texts.read('Singularity')
  const labels = labelsIn(texts.read('labels.json'))
  const environment = Object.fromEntries(
    texts
      .names('env')
      .filter(name => ENVIRONMENT.test(name))
      .flatMap(name => {
        const text = texts.read(`env/${name}`)
        return text === undefined ? [] : [[`/${FOLDER}/env/${name}`, withoutEnd(text)]]
      })
  )
  const attributes = {
    ...(Object.keys(environment).length > 0 && { environment }),
    ...(labels && { labels }),
    ...texts.field('runscript', 'runscript'),
    ...texts.field('test', 'test'),
    ...texts.field('helpfile', 'runscript.help'),
    ...(definition !== undefined && { deffile: withoutEnd(definition) }),
    ...texts.field('startscript', 'startscript')
  }
  const metadata = `${JSON.stringify({ data: { attributes }, type: 'container' })}\n`
  return { ...(definition !== undefined && { definition }), metadata }
}

/**
 * Writes them around an image that is complete. The header comes last: without it, the file is none.
 * @param partition the image in the file, behind room for the header
 */
export function writeSifFrame(partition: FileRange, name: string, { tree, data }: CompleteTree): void {
  const { fd, startInFile, lengthBytes } = partition
  const texts = sifTexts({ reader: new ImageReader(partition, name), path: name })
  const architecture = programArchitecture(tree, data)
  const { head, tail } = encodeSif({ imageBytes: lengthBytes, architecture, ...texts })
  writeAll(fd, tail, startInFile + lengthBytes)
  writeAll(fd, head, 0)
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, position + done)
}

/** As `apptainer inspect` reads them out of a started image. */
const withoutEnd = (text: string): string => trimLast(text, '\n')

class Texts {
  readonly #image: SifImage
  #room = MOST_TEXT_BYTES

  constructor(image: SifImage) {
    this.#image = image
  }

  /** Undefined for what is no file, or too long. @param name below /.singularity.d */
  read(name: string): string | undefined {
    const path = `${FOLDER}/${name}`
    const { file } = this.#image.reader.find(path) ?? {}
    if (file === undefined || file.sizeBytes > this.#room) return undefined
    this.#room -= file.sizeBytes
    return readImageFile(this.#image, path).toString('utf8')
  }

  field(key: string, name: string): Record<string, string> {
    const text = this.read(name)
    return text === undefined ? {} : { [key]: withoutEnd(text) }
  }

  names(folder: string): string[] {
    const { reader } = this.#image
    const inode = reader.find(`${FOLDER}/${folder}`)
    return inode?.directory === undefined ? [] : [...reader.entries(inode)].map(({ name }) => name).sort()
  }
}

/** Undefined for anything but texts by name: Apptainer takes no other. */
function labelsIn(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined) return undefined
  try {
    const read: unknown = JSON.parse(text)
    if (typeof read !== 'object' || read === null || Array.isArray(read)) return undefined
    const labels = Object.entries(read)
    return labels.every(([, value]) => typeof value === 'string') ? Object.fromEntries(labels) : undefined
  } catch {
    return undefined
  }
}
