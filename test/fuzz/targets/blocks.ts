import * as assert from 'uvu/assert'
import { unpackBlock } from '../../../store/object/block-codec.ts'
import { StrataError } from '../../../store/values/errors.ts'
import type { ImageCompressor } from '../../../store/values/profile.ts'
import type { FuzzTarget } from '../target.ts'

/** One text, packed by mksquashfs 4.5.1 in each way. The file in an image starts with this block. */
export const PACKED_BLOCKS: readonly [ImageCompressor, string][] = [
  [
    'lz4',
    '8gRsaW5lIDEgb2Ygd29yZHMgYW5kCgARChoAHzIaAAYfMxoABh80GgAGHzUaAAYfNhoABh83GgAGHzgaAAYfORoABi8xMBsA' +
      'Bw8GAQcfMQcBBx8xCAEHHzEJAQcfMQoBBx8xCwEHHzEMAQcfMQ0BBx8xDgEHHzIOAQcfMg4BBx8yDgEHHzIOAQcfMg4BBx8y' +
      'DgEHHzIOAQcfMg4BBx8yDgEHHzIOAQcfMw4BBx8zDgEHHzMOAQcfMw4BBx8zDgEHHzMOAQcfMw4BBx8zDgEHHzMOAQcfMw4B' +
      'Bx80DgEC/y6lAFXaV4ZC1ctoEXnXb2jsZMwz/rXXQM4h1sYOsbqZTWbJWfZWug00Pmo8pTFXZ4b5lUBVy4Z/sjEX+bMAAQD/' +
      '/6o9YWJjAwBQY2FiYwo='
  ],
  [
    'lzo',
    'JGxpbmUgMSBvZiB3b3JkcyBhbmSlAQqFAzI3ZQAzN2UANDdlADU3ZQA2N2UANzdlADg3ZQA5N2YAMTA4aAA4FQQxOBkEMTgd' +
      'BDE4IQQxOCUEMTgpBDE4LQQxODEEMTg1BDI4NQQyOUwIODUEMjg1BDI4NQQyODUEMjg1BDI4NQQyODUEMjg1BDM4NQQzODUE' +
      'MzmIDDg1BDM4NQQzODUEMzg1BDM4NQQzODUEMzg1BDQzNAQAK6UAVdpXhkLVy2gReddvaOxkzDP+tddAziHWxg6xuplNZslZ' +
      '9la6DTQ+ajylMVdnhvmVQFXLhn+yMRf5swAgAACcAwBhYmMzCQAKEQAA'
  ],
  [
    'lzo',
    'AAFsaW5lIDEgb2Ygd29yZHMgYW5kpQEKhQMyN2UAMzdlADQ3ZQA1N2UANjdlADc3ZQA4N2UAOTdmADEwOGgAOBUEMTgZBDE4' +
      'HQQxOCEEMTglBDE4KQQxOC0EMTgxBDE4NQQyODUEMjg1BDI4NQQyODUEMjg1BDI4NQQyODUEMjg1BDI4NQQyODUEMzg1BDM4' +
      'NQQzODUEMzg1BDM4NQQzODUEMzg1BDM4NQQzODUEMzg1BDQzNAQALKUAVdpXhkLVy2gReddvaOxkzDP+tddAziHWxg6xuplN' +
      'ZslZ9la6DTQ+ajylMVdnhvmVQFXLhn+yMRf5swAAIAAAmwcAYWJjKggAB2FiY2FiY2FiYwoRAAA='
  ],
  [
    'xz',
    '/Td6WFoAAAFpIt42A8DHAcAOIQEKAAAAWRpOlOAHPwC/XQA2GkofCKArsW0GnfoC4YAAVa9gjbciHXwDvvoDLX3G5cqaoZFy' +
      'q2YFoSeGqbRJELoKatqeotmQTpBzVTmooDODF6/sR+SNvpoCck7aKj7f3PU0DRMOV/FFv1SMMoZEqf5gd8rhkul+rra382MO' +
      'st4ZrAcaqdPyH2i1jBTOt6hc98OXvThpr076ZRNH4L2qZjboYvznbC4+SZPAquxpGkXDVEs0zNMSwHooh/y/IXgV+TV7LLom' +
      'BJMIbW5CcudCIAAAGANM4gAB2wHADgAAjdIf+j4wDYsCAAAAAAFZWg=='
  ],
  [
    'lzma',
    'XQAAAgBABwAAAAAAAAA2GkofCKArsW0GnfoC4YAAVa9gjbciHXwDvvoDLX3G5cqaoZFyq2YFoSeGqbRJELoKatqeotmQTpBz' +
      'VTmooDODF6/sR+SNvpoCck7aKj7f3PU0DRMOV/FFv1SMMoZEqf5gd8rhkul+rra382MOst4ZrAcaqdPyH2i1jBTOt6hc98OX' +
      'vThpr076ZRNH4L2qZjboYvznbC4+SZPAquxpGkXDVEs0zNMSwHooh/y/IXgV+TV7LLomBJMIbW5Cc5RXCv//rHPQAA=='
  ]
]

const NAMES: readonly ImageCompressor[] = ['lz4', 'lzo', 'xz', 'lzma']
const GUARD = 0xa5

/** The first byte says the compressor and the room, all others are the block. */
export const blockTarget: FuzzTarget = {
  name: 'block',
  seeds: () =>
    PACKED_BLOCKS.map(([name, text]) =>
      Buffer.concat([Buffer.from([NAMES.indexOf(name)]), Buffer.from(text, 'base64')])
    ),
  execute(bytes) {
    if (bytes.length === 0) return
    const lengthBytes = bytes[0] & 64 ? 100 : 8192
    const all = new Uint8Array(lengthBytes + 64).fill(GUARD)
    const block = bytes.subarray(1)
    try {
      const written = unpackBlock(block, block.length, all.subarray(0, lengthBytes), NAMES[bytes[0] & 3])
      assert.ok(written <= lengthBytes)
    } catch (error) {
      if (!['RangeError', 'LzmaError'].includes((error as Error).name) || 'code' in (error as Error))
        throw error
      throw new StrataError('IMAGE_INVALID', { message: (error as Error).message, cause: error })
    } finally {
      assert.ok(
        all.subarray(lengthBytes).every(byte => byte === GUARD),
        'nothing behind the room is written'
      )
    }
  }
}
