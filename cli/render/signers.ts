import type { VerifyReport } from '../../compose/outputs/index.ts'
import type { Signer } from '../../store/policy/index.ts'
import { showText } from '../../store/values/index.ts'

/** `alice@hpc.example, SHA256:… (ssh-ed25519)`; whatever speaks against it stands behind. */
export function renderSigner({ key, type, principals, file, fault }: Signer): string {
  if (key === undefined) return showText(`nobody: ${file} is not a signature (${fault})`)
  const who = principals.length === 0 ? 'a key that no list of signers has' : principals.join(' or ')
  return showText(`${who}, ${key} (${type})${fault === undefined ? '' : `: does not count, ${fault}`}`)
}

export const renderVerified = ({ name, checked, unchecked, signatures }: VerifyReport): string =>
  [
    `${name}: no faults`,
    ...checked.map(line => `  ${line}`),
    ...signatures.flatMap(({ name, signers }) =>
      signers.length === 0
        ? [`  ${name}: signed by nobody`]
        : signers.map(signer => `  ${name}: signed by ${renderSigner(signer)}`)
    ),
    ...unchecked.map(line => `  not checked: ${line}`)
  ].join('\n')
