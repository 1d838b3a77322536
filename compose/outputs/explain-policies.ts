/** `compose policy check`: which policies hold, and what each rule says about modules. */
import { formatModuleName } from '../../store/module/index.ts'
import { checkPolicy, readTrust, showRule, type Verdict } from '../../store/policy/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { type ErrorCode, formatCid } from '../../store/values/index.ts'

export interface PolicyReport {
  policies: {
    file: string
    /** Where the rules apply. */
    when: string[]
    rules: { line: number; rule: string }[]
    /** The list of signers, and the keys in it. */
    signers?: string
    keys: number
    withdrawn: number
  }[]
  modules: ExplainedModule[]
}

export interface ExplainedModule {
  module: string
  record: string
  accepted: boolean
  /** One for each policy that is about the module. */
  decisions: Decision[]
}

export interface Decision {
  policy: string
  /** Undefined if the policy withdraws the record. */
  line?: number
  rule?: string
  /** Signatures that count. */
  signers: { key: string; principals: string[] }[]
  refused?: { code: ErrorCode; message: string; facts: Record<string, string | number | string[]> }
}

/** @throws StrataError POLICY_INVALID for a fault anywhere in a policy or in a list that it names */
export async function explainPolicies(store: Repository | undefined, words: string[]): Promise<PolicyReport> {
  const { policies } = await readTrust(store?.searched ?? [])
  const report: PolicyReport = {
    policies: policies.map(policy => {
      checkPolicy(policy)
      const { file, lines } = policy.signerList()
      return {
        file: policy.file,
        when: [...policy.when],
        rules: policy.rules.map(rule => ({ line: rule.line, rule: showRule(rule) })),
        ...(policy.signers !== undefined && { signers: file }),
        keys: lines.length,
        withdrawn: policy.withdrawn.size
      }
    }),
    modules: []
  }
  for (const word of words) report.modules.push(await explain(store!, word))
  return report
}

async function explain(store: Repository, word: string): Promise<ExplainedModule> {
  const { name, record } = await store.findRecord(word)
  const module = formatModuleName(name)
  const [{ verdicts }] = await store.judge([{ name: module, record, layers: [] }])
  const decisions = verdicts
    .filter(({ rule, error }) => rule !== undefined || error !== undefined)
    .map(decisionOf)
  return {
    module,
    record: formatCid(record),
    accepted: decisions.every(({ refused }) => refused === undefined),
    decisions
  }
}

const decisionOf = ({ policy, rule, counted, error }: Verdict): Decision => ({
  policy: policy.file,
  ...(rule && { line: rule.line, rule: showRule(rule) }),
  signers: counted.map(({ key, principals }) => ({ key: key.fingerprint, principals })),
  ...(error && { refused: { code: error.code, message: error.message, facts: error.facts } })
})
