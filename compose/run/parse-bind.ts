import { resolve } from 'node:path'
import { StrataError } from '../../store/values/index.ts'
import type { Bind } from './runtime.ts'

/**
 * Parses `SRC`, `SRC:DST`, `SRC:DST:ro`; without DST, SRC is used for both. @param what stands before it in a message
 */
export function parseBind(text: string, what = '--bind'): Bind {
  const [source, target, mode, ...rest] = text.split(':')
  if (source === '' || rest.length > 0 || (mode !== undefined && mode !== 'ro' && mode !== 'rw'))
    throw new StrataError('USAGE', {
      message: `${what} ${text}: wanted SRC, SRC:DST or SRC:DST:ro`,
      hint: '--bind /scratch:/mnt/0'
    })
  const path = resolve(source)
  const place = target || path
  if (!place.startsWith('/'))
    throw new StrataError('USAGE', {
      message: `${what} ${text}: ${place} is not an absolute path; a name with a colon cannot be bound`,
      hint: '--bind /scratch:/mnt/0'
    })
  return { source: path, target: place, isReadOnly: mode === 'ro' }
}
