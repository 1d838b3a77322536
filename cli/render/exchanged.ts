/** Results of push and pull. */
import type { PushedImage } from '../../compose/outputs/index.ts'
import { formatModuleName } from '../../store/module/index.ts'
import type { PulledModule, PushedModule } from '../../store/remote/index.ts'
import { count, formatCid } from '../../store/values/index.ts'
import { formatBytes } from './format-values.ts'

const PUSHED = { created: 'pushed', same: 'was there', replaced: 'replaced' } as const

export const pushedImageJson = (pushed: PushedImage): object => ({ ...pushed })

export const renderPushedImage = ({ reference, digest, outcome, sentBytes }: PushedImage): string =>
  `${reference} ${PUSHED[outcome]}, ${formatBytes(sentBytes)} sent\n  ${digest}`

export const pushedModulesJson = (pushed: PushedModule[]): object => ({
  modules: pushed.map(one => ({ ...one, record: formatCid(one.record) })),
  sentBytes: pushed.reduce((sum, { sentBytes }) => sum + sentBytes, 0)
})

export const renderPushedModules = (pushed: PushedModule[]): string =>
  pushed
    .map(
      ({ module, reference, digest, outcome, sentBytes, signatures }) =>
        `${module} ${PUSHED[outcome]}, ${formatBytes(sentBytes)}${signatures === 0 ? '' : ` and ${count(signatures, 'signature')}`} sent\n  ${reference}\n  ${digest}`
    )
    .join('\n')

export const pulledJson = (pulled: PulledModule[], lock?: string): object => ({
  ...(lock !== undefined && { lock }),
  modules: pulled.map(({ name, record, previous, ...one }) => ({
    module: formatModuleName(name),
    record: formatCid(record),
    ...(previous && { previous: formatCid(previous) }),
    ...one
  })),
  receivedBytes: pulled.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0)
})

export function renderPulled(pulled: PulledModule): string {
  const { name, record, outcome, receivedBytes, notes, remote, reference } = pulled
  const from = remote === undefined ? '' : ` from remote ${remote} (${reference})`
  const how = { created: 'pulled', same: 'was there', replaced: 'replaced' }[outcome]
  return [
    `${formatModuleName(name)} ${how}, ${formatBytes(receivedBytes)} fetched${from}`,
    `  ${formatCid(record)}`,
    ...notes.map(note => `note: ${note}`)
  ].join('\n')
}
