import { header } from '../../helpers/tar-make.ts'
import { type Compiled, compile, PROFILE } from './compile.ts'

/** An entry as a test writes it: path, kind, and if they matter mode, owner and time. */
export interface Entry {
  mode?: number
  uid?: number
  mtime?: number
  /** In place of what the text says. */
  content?: string | Buffer
}

/**
 * An archive from lines:
 *   `etc/`             directory
 *   `etc/hosts=text`   file
 *   `lib -> usr/lib`   symbolic link
 *   `b == a`           hard link
 */
export function tarOf(lines: (string | [string, Entry])[]): Buffer {
  const members = lines.map(line => (typeof line === 'string' ? member(line, {}) : member(...line)))
  return Buffer.concat([...members, Buffer.alloc(1024)])
}

export const layer = (...lines: (string | [string, Entry])[]): Promise<Compiled> =>
  compile(tarOf(lines), PROFILE)

function member(line: string, { mode, uid = 0, mtime = 1000, content }: Entry): Buffer {
  const [, name, , link = '', hard = '', text = ''] = /^([^=>]*?)( -> (.*)| == (.*)|=(.*))?$/s.exec(line)!
  const isDirectory = name.endsWith('/')
  const type = isDirectory ? '5' : link !== '' ? '2' : hard !== '' ? '1' : '0'
  const data = Buffer.isBuffer(content) ? content : Buffer.from(content ?? text, 'latin1')
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
  const head = header({
    name,
    type,
    mode: octal(mode ?? (isDirectory ? 0o755 : 0o644), 7),
    uid: octal(uid, 7),
    mtime: octal(mtime, 11),
    linkName: link + hard,
    size: data.length
  })
  return Buffer.concat([head, data, Buffer.alloc((512 - (data.length % 512)) % 512)])
}
