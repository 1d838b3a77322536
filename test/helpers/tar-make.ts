/** Archives made by hand, byte by byte, for what no program would write. Strings are latin1. */

export interface HeaderFields {
  name?: string
  type?: string
  mode?: string
  uid?: string | Buffer
  gid?: string | Buffer
  /** Octal text or raw bytes; a number is written as octal. */
  size?: number | string | Buffer
  mtime?: string | Buffer
  linkName?: string
  /** 8 bytes: magic and version. */
  magic?: string
  uname?: string
  major?: string
  minor?: string
  prefix?: string
  /** Further bytes by offset, before the checksum is taken. */
  patch?: [offset: number, bytes: string | Buffer][]
  checksum?: string
}

export const USTAR = 'ustar\x0000'
export const GNU = 'ustar  \0'
export const V7 = '\0\0\0\0\0\0\0\0'

export function header(fields: HeaderFields = {}): Buffer {
  const block = Buffer.alloc(512)
  const put = (at: number, value: string | Buffer) =>
    void (typeof value === 'string' ? Buffer.from(value, 'latin1') : value).copy(block, at)
  const size = fields.size ?? 0
  put(0, fields.name ?? 'file')
  put(100, fields.mode ?? '0000644\0')
  put(108, fields.uid ?? '0000000\0')
  put(116, fields.gid ?? '0000000\0')
  put(124, typeof size === 'number' ? `${size.toString(8).padStart(11, '0')}\0` : size)
  put(136, fields.mtime ?? '00000000000\0')
  put(156, fields.type ?? '0')
  put(157, fields.linkName ?? '')
  put(257, fields.magic ?? USTAR)
  put(265, fields.uname ?? '')
  put(329, fields.major ?? '')
  put(337, fields.minor ?? '')
  put(345, fields.prefix ?? '')
  for (const [offset, bytes] of fields.patch ?? []) put(offset, bytes)
  put(148, fields.checksum ?? checksumField(block))
  return block
}

/** Also corrects a block that was changed afterwards. */
export function checksumField(block: Buffer): string {
  const cleared = Buffer.from(block)
  cleared.fill(0x20, 148, 156)
  return `${cleared
    .reduce((sum, byte) => sum + byte, 0)
    .toString(8)
    .padStart(6, '0')}\0 `
}

export function padded(content: string | Buffer): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
}

export const file = (name: string, content: string, fields: HeaderFields = {}): Buffer =>
  Buffer.concat([header({ name, size: content.length, ...fields }), padded(content)])

/** A PAX record with the length that counts itself. */
export function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`.length
  let length = rest + String(rest).length
  if (String(length).length > String(rest).length) length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

export const extended = (type: string, body: string): Buffer =>
  Buffer.concat([
    header({ name: 'extended', type, size: body.length, magic: type > 'Z' ? USTAR : GNU }),
    padded(body)
  ])

export const pax = (records: Record<string, string>): Buffer =>
  extended(
    'x',
    Object.entries(records)
      .map(([key, value]) => record(key, value))
      .join('')
  )

export const globalPax = (records: Record<string, string>): Buffer =>
  extended(
    'g',
    Object.entries(records)
      .map(([key, value]) => record(key, value))
      .join('')
  )

export const END = Buffer.alloc(1024)

export const archive = (...parts: Buffer[]): Buffer => Buffer.concat([...parts, END])
