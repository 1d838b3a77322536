import { readSync } from 'node:fs'

/** Fills `room` from an open file. @returns false if the file ends before */
export function readFullySync(fd: number, room: Uint8Array, position: number): boolean {
  for (let done = 0; done < room.length; ) {
    const count = readSync(fd, room, done, room.length - done, position + done)
    if (count === 0) return false
    done += count
  }
  return true
}
