import { type IdNames, MAX_ID, parseId } from '../accounts/index.ts'
import { pathFromText, StrataError, showPath } from '../values/index.ts'
import { checkLine } from './text-field.ts'

/**
 * A group whose members may use a module: its name as given, and its id if it was given or mapped. At least one is
 * there.
 */
export interface AccessGroup {
  name?: string
  gid?: number
}

const LONGEST_NAME = 256

/**
 * @param what named in the message: the flag, or the field of a spec
 * @param names may know the id; an unknown name is kept as a name
 * @throws StrataError USAGE
 */
export function parseAccessGroup(text: string, what: string, names: IdNames): AccessGroup {
  if (/^[0-9]+$/.test(text)) {
    const gid = parseId(text)
    if (gid !== undefined) return { gid }
    throw new StrataError('USAGE', {
      message: `${what} ${text.slice(0, 40)} is not a group id, wanted 0 to ${MAX_ID}`
    })
  }
  const gid = names.find('group', pathFromText(text))
  return checkAccessGroup({ name: text, ...(gid === undefined ? {} : { gid }) }, what)
}

/** True if a record can hold the name of a group that a host tells. */
export function isGroupName(name: string): boolean {
  try {
    checkAccessGroup({ name }, 'group')
    return true
  } catch {
    return false
  }
}

/**
 * Directory services allow spaces, `\\` and `@` in names of groups.
 * @throws StrataError USAGE
 */
export function checkAccessGroup(group: AccessGroup, what: string): AccessGroup {
  const refuse = (fault: string) => {
    throw new StrataError('USAGE', { message: `${what} ${fault}`, hint: '--access-group vasp' })
  }
  const { name, gid } = group
  if (name === undefined && gid === undefined) refuse('has neither name nor id')
  if (name === undefined) return group
  checkLine(name, what)
  const shown = showPath(pathFromText(name.slice(0, 80)))
  if (name.length > LONGEST_NAME)
    refuse(`${shown}… has ${name.length} characters, wanted at most ${LONGEST_NAME}`)
  if (/^[0-9]+$/.test(name)) refuse(`${shown} is a number, which would be an id`)
  if (name.trim() !== name || /[:,]/.test(name)) refuse(`"${shown}" holds ":" or "," or a space at an end`)
  return group
}
