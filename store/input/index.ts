/** Bytes of files and archives, decompressed as they stream in. */
export { ByteReader } from './byte-reader.ts'
export { type Expansion, openTarStream } from './decompress.ts'
export { LzmaDecoder, type LzmaForm } from './liblzma.ts'
export { readSource } from './read-source.ts'
export { type Compression, RECOGNISED_BYTES, recogniseCompression } from './recognise.ts'
