/** `compose remote`: the remotes, and what they offered when they were asked. */
import { formatPrefix, type Remote, type RemoteCatalogue } from '../../store/remote/index.ts'
import { count } from '../../store/values/index.ts'

export interface ListedRemote {
  remote: Remote
  /** Undefined if it was never asked. */
  catalogue: RemoteCatalogue | undefined
}

export const remotesJson = (remotes: ListedRemote[]): object => ({
  remotes: remotes.map(({ remote: { name, prefix, file, isInternal }, catalogue }) => ({
    name,
    prefix: formatPrefix(prefix),
    file,
    internal: isInternal === true,
    ...(catalogue && { modules: catalogue.modules.length, askedAt: catalogue.readAtSeconds })
  }))
})

export const renderRemotes = (remotes: ListedRemote[], how?: string): string =>
  remotes.length === 0
    ? 'no remotes (compose remote add NAME HOST/PREFIX)'
    : remotes
        .map(({ remote: { name, prefix, isInternal }, catalogue }) => {
          const offered =
            catalogue === undefined ? 'not asked yet' : count(catalogue.modules.length, 'module')
          return `${name}  ${formatPrefix(prefix)}  ${how ?? offered}${isInternal ? ', stays on the site' : ''}`
        })
        .join('\n')
