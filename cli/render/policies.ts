import type { Decision, ExplainedModule, PolicyReport } from '../../compose/outputs/index.ts'
import { count, showText } from '../../store/values/index.ts'

export function renderPolicies({ policies, modules }: PolicyReport): string {
  if (policies.length === 0)
    return [
      'no policy holds here: nothing is asked',
      ...modules.map(({ module }) => `${module}: accepted`)
    ].join('\n')
  const head = policies.flatMap(({ file, when, rules, signers, keys, withdrawn }) => [
    `${file}: no faults`,
    `  asked at: ${when.join(', ')}`,
    ...(signers === undefined ? [] : [`  signers:  ${signers}, ${count(keys, 'key')}`]),
    ...(withdrawn === 0 ? [] : [`  withdraws ${count(withdrawn, 'record')}`]),
    ...rules.map(({ line, rule }) => `  line ${line}: ${rule}`)
  ])
  return [...head, ...modules.flatMap(moduleLines)].map(showText).join('\n')
}

const moduleLines = ({ module, accepted, decisions }: ExplainedModule): string[] => [
  `${module}: ${accepted ? 'accepted' : 'refused'}`,
  ...decisions.flatMap(decisionLines)
]

function decisionLines({ policy, line, rule, signers, refused }: Decision): string[] {
  const facts = Object.entries(refused?.facts ?? {}).filter(([label]) =>
    ['key', 'decided by', 'signature'].includes(label)
  )
  return [
    rule === undefined ? `  ${policy} withdraws its record` : `  ${policy}:${line}: ${rule}`,
    ...signers.map(({ key, principals }) => `    signed by ${principals.join(' or ')}, ${key}`),
    ...(refused
      ? [
          `    ${refused.code}: ${refused.message}`,
          ...facts.map(([label, fact]) => `      ${label}: ${fact}`)
        ]
      : [])
  ]
}
