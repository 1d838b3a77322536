/** A .deb made by hand (deb(5)): members of an ar archive. */
import { gzipSync } from 'node:zlib'
import { archive, file } from '../helpers/tar-make.ts'

const arMember = (name: string, content: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(
      `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(content.length).padEnd(10)}\`\n`
    ),
    content,
    Buffer.alloc(content.length % 2, '\n')
  ])

export const deb = (control: string, data: Buffer, tarName = 'control.tar'): Buffer => {
  const members = archive(
    file('./control', control),
    file('./conffiles', '/etc/a\n'),
    file('./postinst', '#!/bin/sh')
  )
  return Buffer.concat([
    Buffer.from('!<arch>\n'),
    arMember('debian-binary', Buffer.from('2.0\n')),
    arMember(tarName, tarName.endsWith('.gz') ? gzipSync(members, { level: 1 }) : members),
    arMember('_extra', Buffer.from('x')),
    arMember('data.tar', data)
  ])
}
