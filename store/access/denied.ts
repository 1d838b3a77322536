/** What to tell somebody who may not read a file: which modules it belongs to, and for whom they are. */
import type { Digest } from '../digest.ts'
import { StrataError } from '../errors.ts'
import { formatModuleName } from '../module/name.ts'
import type { Store } from '../store.ts'
import { showAccess } from './file-access.ts'
import { accessOfModules } from './module-access.ts'
import { usersOfBlob } from './users.ts'

export const isDenied = (error: unknown): error is StrataError =>
  error instanceof StrataError && error.code === 'ACCESS_DENIED'

/** The same refusal with the names of the modules that the blob is part of, where they are known. */
export async function explainDenial(store: Store, digest: Digest, denied: StrataError): Promise<StrataError> {
  const users = await usersOfBlob(store, digest).catch(() => [])
  const restricted = users.map(({ record }) => record).filter(({ accessGroups }) => accessGroups.length > 0)
  if (restricted.length === 0 || denied.facts.modules !== undefined) return denied
  const modules = [...new Set(restricted.map(formatModuleName))].sort()
  const { access, unknown } = accessOfModules(restricted)
  const groups = [showAccess(access), ...unknown.map(name => `group ${name}`)].join(' or ')
  return new StrataError('ACCESS_DENIED', {
    message: `${modules.join(', ')} ${modules.length === 1 ? 'is' : 'are'} for ${groups}; you are not in ${unknown.length + access.length > 1 ? 'any of them' : 'it'}`,
    facts: { modules, ...denied.facts },
    hint: denied.hint,
    cause: denied
  })
}
