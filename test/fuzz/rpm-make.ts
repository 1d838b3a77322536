/** An .rpm made by hand (rpm's docs/manual/format.md): lead, signature header, main header, a plain cpio payload. */
import { createHash } from 'node:crypto'

const LEAD_BYTES = 96
const INTRO_BYTES = 16
const ENTRY_BYTES = 16
const SIGNATURE_SHA256 = 273
const TYPE = { int16: 3, int32: 4, string: 6, stringArray: 8 }

type Value = [tag: number, type: number, values: (number | string)[]]

function header(values: Value[]): Buffer {
  const index = Buffer.alloc(values.length * ENTRY_BYTES)
  let data = Buffer.alloc(0)
  values.forEach(([tag, type, list], i) => {
    const width = type === TYPE.int32 ? 4 : type === TYPE.int16 ? 2 : 1
    data = Buffer.concat([data, Buffer.alloc((width - (data.length % width)) % width)])
    for (const [field, value] of [tag, type, data.length, list.length].entries())
      index.writeUInt32BE(value, i * ENTRY_BYTES + 4 * field)
    const encoded = list.map(value => {
      if (typeof value === 'string') return Buffer.from(`${value}\0`, 'latin1')
      const bytes = Buffer.alloc(width)
      bytes.writeUIntBE(value, 0, width)
      return bytes
    })
    data = Buffer.concat([data, ...encoded])
  })
  const intro = Buffer.from('8eade801000000000000000000000000', 'hex')
  intro.writeUInt32BE(values.length, 8)
  intro.writeUInt32BE(data.length, 12)
  return Buffer.concat([intro, index, data])
}

interface RpmFile {
  name: string
  mode: number
  content: string
  target: string
}

const FILES: RpmFile[] = [
  { name: 'tool', mode: 0o100755, content: 'abc', target: '' },
  { name: 'link', mode: 0o120777, content: 'tool', target: 'tool' },
  { name: 'dir', mode: 0o040755, content: '', target: '' }
]

export interface RpmFields {
  /** Tags of the main header that are left out. */
  without?: number[]
  /** The 16 bits of the lead: 1 for a source package. */
  leadType?: number
  files?: RpmFile[]
  requires?: string[]
}

function mainHeader({ without = [], files = FILES, requires = ['bash'] }: RpmFields): Buffer {
  const each = <T extends number | string>(take: (file: RpmFile, i: number) => T) => files.map(take)
  const { string, stringArray, int16, int32 } = TYPE
  const values: Value[] = [
    [1000, string, ['tool']],
    [1001, string, ['1.2']],
    [1002, string, ['3']],
    [1003, int32, [2]],
    [1004, string, ['a tool']],
    [1014, string, ['MIT']],
    [1022, string, ['x86_64']],
    [1028, int32, each(({ content }) => content.length)],
    [1030, int16, each(({ mode }) => mode)],
    [1033, int16, each(() => 0)],
    [1034, int32, each(() => 1_234_567_890)],
    [1035, stringArray, each(() => '')],
    [1036, stringArray, each(({ target }) => target)],
    [1037, int32, each(() => 0)],
    [1039, stringArray, each(() => 'root')],
    [1040, stringArray, each(() => 'root')],
    [1048, int32, requires.map(() => 12)],
    [1049, stringArray, requires],
    [1050, stringArray, requires.map(() => '4')],
    [1095, int32, each(() => 1)],
    [1096, int32, each((_, i) => i + 1)],
    [1116, int32, each(() => 0)],
    [1117, stringArray, each(({ name }) => name)],
    [1118, stringArray, ['/opt/']],
    [1124, string, ['cpio']],
    [1125, string, ['none']],
    [5010, stringArray, each((_, i) => (i === 0 ? 'cap_net_raw=ep' : ''))]
  ]
  return header(values.filter(([tag]) => !without.includes(tag)))
}

const padding = (length: number): string => '\0'.repeat((4 - (length % 4)) % 4)

function cpioMember(name: string, content: string): string {
  const fields = [1, 0o100644, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0]
  const start = `070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}${name}\0`
  return `${start}${padding(start.length)}${content}${padding(content.length)}`
}

export const cpio = (members: [name: string, content: string][]): Buffer =>
  Buffer.from(
    [...members, ['TRAILER!!!', '']].map(member => cpioMember(member[0], member[1])).join(''),
    'latin1'
  )

export function makeRpm(fields: RpmFields = {}): Buffer {
  const { leadType = 0, files = FILES } = fields
  const main = mainHeader(fields)
  const signature = header([
    [SIGNATURE_SHA256, TYPE.string, [createHash('sha256').update(main).digest('hex')]]
  ])
  const lead = Buffer.alloc(LEAD_BYTES)
  lead.write('edabeedb0300', 'hex')
  lead.writeUInt16BE(leadType, 6)
  lead.writeUInt16BE(5, 78) // how it is signed: by a header
  const gap = Buffer.alloc((8 - ((LEAD_BYTES + signature.length) % 8)) % 8)
  const payload = cpio(files.map(({ name, content }) => [`./opt/${name}`, content]))
  return Buffer.concat([lead, signature, gap, main, payload])
}

export interface RpmParts {
  /** Main header, and where its data begin behind the index. */
  start: number
  dataStart: number
  end: number
  /** Position of the hexadecimal digits in the signature header. */
  digestAt: number
}

/** Positions of the parts that `makeRpm` made, if they still are about there. */
export function rpmParts(bytes: Buffer): RpmParts | undefined {
  const digestAt = LEAD_BYTES + INTRO_BYTES + ENTRY_BYTES
  const start = Math.ceil((digestAt + 65) / 8) * 8
  if (bytes.length < start + INTRO_BYTES) return undefined
  const dataStart = start + INTRO_BYTES + bytes.readUInt32BE(start + 8) * ENTRY_BYTES
  const end = dataStart + bytes.readUInt32BE(start + 12)
  return end <= bytes.length ? { start, dataStart, end, digestAt } : undefined
}
