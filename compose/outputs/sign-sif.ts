/**
 * `compose sign X.sif --pem KEY`: adds a signature that `apptainer verify --key` checks (spec/sif.md#signatures). The
 * file is changed in place, as by `apptainer sign`: data, then descriptor, then header, so that it can be read at any time.
 */
import { createHash } from 'node:crypto'
import { constants, fsyncSync, readSync, writeSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { StrataError, systemWords } from '../../store/values/index.ts'
import { type OpenImage, openImage } from '../inspect/index.ts'
import {
  appendedObject,
  encodeEnvelope,
  envelopeMessage,
  SIF_HEADER_BYTES,
  SIF_TYPE,
  SIGNATURE_EXTRA,
  type SifDescriptor,
  signaturesOf,
  signedMetadata
} from '../sif/index.ts'
import { PemKey } from '../signing/index.ts'
import { rangeDigest } from './composition.ts'

export interface SignedSif {
  image: string
  /** Fingerprint of the key. */
  key: string
  /** Id of the object that holds the signature. */
  object: number
  /** False if this key had signed the file before. */
  isNew: boolean
}

const LARGEST_ENVELOPE_BYTES = 1 << 20

/** @throws StrataError IMAGE_INVALID, TOOL_MISSING, SIGNING_FAILED, IO */
export async function signSif(path: string, pem: string): Promise<SignedSif> {
  const file = await openToWrite(path)
  try {
    const image = await openImage(path, file)
    if (image.sif === undefined)
      throw new StrataError('IMAGE_INVALID', {
        message: `${path} is a plain image, and a signature for Apptainer needs a SIF file around it`,
        facts: { image: path },
        hint: `compose build ${path.replace(/\.\w+$/, '')}.sif stack.lock; or sign the lock: compose sign stack.lock`
      })
    const key = new PemKey(pem)
    const payload = await payloadOf(image)
    const message = envelopeMessage(payload)
    const known = existing(image, key, payload, message)
    if (known !== undefined) return { image: path, key: key.fingerprint, object: known, isNew: false }
    const object = append(image, encodeEnvelope(payload, key.sign(message)))
    return { image: path, key: key.fingerprint, object, isNew: true }
  } finally {
    await file.close()
  }
}

const openToWrite = (path: string): Promise<FileHandle> =>
  open(path, constants.O_RDWR | constants.O_NONBLOCK).catch((cause: NodeJS.ErrnoException) => {
    throw new StrataError('IO', { message: `${path} cannot be written to: ${systemWords(cause)}`, cause })
  })

/** All objects of the group that the system partition belongs to. */
async function payloadOf(image: OpenImage): Promise<Buffer> {
  const { system, objects } = image.sif!
  const group = objects.filter(object => object.group === system.group).sort((a, b) => a.id - b.id)
  const signed = []
  for (const object of group) {
    const place = { fd: image.fd, ...object }
    const dataDigest = object.lengthBytes === 0 ? EMPTY : await rangeDigest(place)
    signed.push({ id: object.id, descriptor: object.bytes, dataDigest })
  }
  return signedMetadata(bytesAt(image.fd, 0, SIF_HEADER_BYTES), signed)
}

const EMPTY = createHash('sha256').digest('hex')

/** The object in which this key has signed these bytes. */
function existing(image: OpenImage, key: PemKey, payload: Buffer, message: Buffer): number | undefined {
  const isOurs = ({ type, startInFile, lengthBytes }: SifDescriptor) =>
    type === SIF_TYPE.signature &&
    lengthBytes <= LARGEST_ENVELOPE_BYTES &&
    signaturesOf(bytesAt(image.fd, startInFile, lengthBytes).toString(), payload).some(signature =>
      key.isBy(message, signature)
    )
  return image.sif!.objects.find(isOurs)?.id
}

function append(image: OpenImage, data: Buffer): number {
  const header = bytesAt(image.fd, 0, SIF_HEADER_BYTES)
  const { id, writes } = appendedObject(image.sif!, header, image, {
    ...{ type: SIF_TYPE.signature, name: '', data, extra: SIGNATURE_EXTRA },
    linkedGroup: image.sif!.system.group
  })
  for (const { position, bytes } of writes) {
    for (let done = 0; done < bytes.length; )
      done += writeSync(image.fd, bytes, done, bytes.length - done, position + done)
    fsyncSync(image.fd)
  }
  return id
}

function bytesAt(fd: number, position: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes)
  readSync(fd, bytes, 0, lengthBytes, position)
  return bytes
}
