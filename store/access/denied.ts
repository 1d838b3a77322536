import { BlobDenied } from '../contents/index.ts'
import { showAccess } from '../files/index.ts'
import { formatModuleName } from '../module/index.ts'
import { StrataError } from '../values/index.ts'
import { accessOfModules } from './module-access.ts'
import { usersOfBlob } from './users.ts'

/**
 * Explains a refused blob. The refusal names a file, but users know modules. So before an error is shown, it is
 * replaced by one that names the modules of the blob and their groups, as far as these are known. Other errors are
 * returned unchanged.
 */
export async function explainDenial(error: unknown): Promise<unknown> {
  if (!(error instanceof BlobDenied)) return error
  const users = await usersOfBlob(error.store, error.digest).catch(() => [])
  const restricted = users.map(({ record }) => record).filter(({ accessGroups }) => accessGroups.length > 0)
  if (restricted.length === 0) return error
  const modules = [...new Set(restricted.map(formatModuleName))].sort()
  const { access, unknown } = accessOfModules(restricted)
  const groups = [showAccess(access), ...unknown.map(name => `group ${name}`)].join(' or ')
  return new StrataError('ACCESS_DENIED', {
    message: `${modules.join(', ')} ${modules.length === 1 ? 'is' : 'are'} for ${groups}; you are not in ${unknown.length + access.length > 1 ? 'any of them' : 'it'}`,
    facts: { modules, ...error.facts },
    hint: error.hint,
    cause: error
  })
}
