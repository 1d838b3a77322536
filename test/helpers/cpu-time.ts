import { readFileSync } from 'node:fs'

/**
 * Time on a processor, of this process with its threads and of children that have ended. Unlike time on the clock, it says
 * little of what else the machine is doing.
 */
function cpuSeconds(): number {
  // proc(5): fields 14 to 17 are ticks of 10 ms; the name before them may hold blanks.
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1)!.split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100
}

export async function cpuSecondsOf(work: () => unknown): Promise<number> {
  const before = cpuSeconds()
  await work()
  return cpuSeconds() - before
}
