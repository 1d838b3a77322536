/**
 * The objects of a SIF file beside its image (spec/sif.md#verify). They are covered by no lock, and Apptainer believes
 * them: it shows the labels beside the image, and lays an overlay over it.
 */
import { readSync } from 'node:fs'
import { StrataError } from '../../store/values/index.ts'
import type { OpenImage } from '../inspect/index.ts'
import { METADATA_NAME, SIF_TYPE, type SifDescriptor } from '../sif/index.ts'
import { sifTexts } from './sif-frame.ts'
import type { VerifyReport } from './verify-report.ts'

/** All texts that we write are shorter. */
const MOST_TEXT_BYTES = 1 << 26

/** @throws StrataError IMAGE_INVALID for a definition, labels or metadata that the image does not lead to */
export function checkBeside(image: OpenImage, report: VerifyReport): void {
  if (image.sif === undefined) return
  const { system, objects } = image.sif
  const { definition, metadata } = sifTexts(image)
  let compared = 0
  for (const object of objects) {
    if (object.index === system.index) continue
    const told = toldBy(object, { definition, metadata })
    if (told === undefined)
      report.unchecked.push(`object ${object.id} beside the image: ${meaningOf(object)}`)
    else if (bytesOf(image, object).equals(Buffer.from(told.text ?? ''))) compared++
    else throw edited(image, object, told.what)
  }
  if (compared > 0) report.checked.push(`${compared} texts beside the image say what it says itself`)
}

/** The text that belongs into an object; undefined for objects of another kind. */
function toldBy(
  { type, name }: SifDescriptor,
  { definition, metadata }: ReturnType<typeof sifTexts>
): { what: string; text?: string } | undefined {
  if (type === SIF_TYPE.definition) return { what: 'definition', ...(definition && { text: definition }) }
  if (type === SIF_TYPE.json && name === METADATA_NAME) return { what: METADATA_NAME, text: metadata }
  return type === SIF_TYPE.labels ? { what: 'labels' } : undefined
}

const meaningOf = ({ type }: SifDescriptor): string => {
  if (type === SIF_TYPE.signature) return 'a signature, which apptainer verify --key checks'
  if (type === SIF_TYPE.partition) return 'a partition, which Apptainer may lay over the image'
  return `data of type 0x${type.toString(16)}`
}

/** Empty for what is longer than any text that we write. */
function bytesOf({ fd }: OpenImage, { startInFile, lengthBytes }: SifDescriptor): Buffer {
  if (lengthBytes > MOST_TEXT_BYTES) return Buffer.alloc(0)
  const bytes = Buffer.alloc(lengthBytes)
  return bytes.subarray(0, readSync(fd, bytes, 0, lengthBytes, startInFile))
}

const edited = ({ path }: OpenImage, { id }: SifDescriptor, what: string): StrataError =>
  new StrataError('IMAGE_INVALID', {
    message: `${path} was edited after it was built: the ${what} in object ${id} is not what the image leads to`,
    facts: { image: path, object: id },
    hint: `compose cat ${path} /.compose/lock > stack.lock; compose build NEW.sif stack.lock`
  })
