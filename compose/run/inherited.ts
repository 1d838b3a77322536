/** Descriptors of our caller that the program of `compose run` gets (spec/launcher.md#descriptors). */
import { fstatSync } from 'node:fs'

/** The variable by which process managers with PMI-1 or PMI-2 name the socket to a rank. */
export const PMI_VARIABLE = 'PMI_FD'

/**
 * Pipes and sockets that the job's environment or the command names, as `/dev/fd/63`, which is what shells make of
 * `<(command)`. Never a file or folder: by these, a program would reach around all mounts.
 */
export function inheritedDescriptors(environment: NodeJS.ProcessEnv, command: string[]): number[] {
  const named = [environment[PMI_VARIABLE], ...command.map(word => FD_PATH.exec(word)?.[1])]
  const numbers = named.filter(text => text !== undefined && NUMBER.test(text)).map(Number)
  return [...new Set(numbers)].filter(isStream)
}

const FD_PATH = /^\/(?:dev|proc\/self)\/fd\/(\d{1,4})$/
const NUMBER = /^\d{1,4}$/

function isStream(fd: number): boolean {
  if (fd <= 2) return false
  try {
    const status = fstatSync(fd)
    return status.isFIFO() || status.isSocket()
  } catch {
    return false // it is not open
  }
}

export interface Handed {
  /** As `stdio` of spawn. */
  stdio: ('ignore' | number)[]
  environment: NodeJS.ProcessEnv
}

/**
 * Each keeps its number, behind `used` others. Where that is taken, the socket of PMI gets another one, which its
 * variable then names.
 */
export function handOn(inherited: number[], used: number, environment: NodeJS.ProcessEnv): Handed {
  const stdio: Handed['stdio'] = []
  const changed = { ...environment }
  const place = (fd: number, number: number) => {
    while (stdio.length <= number - used) stdio.push('ignore')
    stdio[number - used] = fd
  }
  for (const fd of inherited.filter(number => number >= used)) place(fd, fd)
  const [hidden] = inherited.filter(number => number < used && String(number) === environment[PMI_VARIABLE])
  if (hidden !== undefined) {
    place(hidden, used + stdio.length)
    changed[PMI_VARIABLE] = String(used + stdio.length - 1)
  }
  return { stdio, environment: changed }
}
