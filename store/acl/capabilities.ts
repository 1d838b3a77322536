/** Capabilities of files, as packages write them (`cap_net_raw=ep`) and as the kernel keeps them in an attribute. */

export const CAPABILITY_ATTRIBUTE = 'security.capability'

/** In the order of their numbers (include/uapi/linux/capability.h). */
const NAMES = [
  ...['chown', 'dac_override', 'dac_read_search', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap'],
  ...[
    'linux_immutable',
    'net_bind_service',
    'net_broadcast',
    'net_admin',
    'net_raw',
    'ipc_lock',
    'ipc_owner'
  ],
  ...[
    'sys_module',
    'sys_rawio',
    'sys_chroot',
    'sys_ptrace',
    'sys_pacct',
    'sys_admin',
    'sys_boot',
    'sys_nice'
  ],
  ...[
    'sys_resource',
    'sys_time',
    'sys_tty_config',
    'mknod',
    'lease',
    'audit_write',
    'audit_control',
    'setfcap'
  ],
  ...['mac_override', 'mac_admin', 'syslog', 'wake_alarm', 'block_suspend', 'audit_read', 'perfmon', 'bpf'],
  'checkpoint_restore'
]
const ALL = (1n << BigInt(NAMES.length)) - 1n

/** VFS_CAP_REVISION_2: 64 capabilities, no user namespace. */
const REVISION = 0x0200_0000
const EFFECTIVE = 1

type Flag = 'e' | 'i' | 'p'

/**
 * The attribute that cap_set_file(3) would write for this text (cap_from_text(3)).
 * @throws RangeError for text that cannot be parsed, and for sets that a file cannot have
 */
export function encodeCapabilities(text: string): Buffer {
  const sets: Record<Flag, bigint> = { e: 0n, i: 0n, p: 0n }
  for (const clause of text.trim().split(/\s+/)) applyClause(clause, sets)
  const { e, i, p } = sets
  // The kernel has one effective bit for a whole file: all permitted capabilities are effective, or none.
  if (e !== 0n && e !== (p | i))
    throw new RangeError(`capabilities "${text}": effective for some of the permitted ones only`)
  const bytes = Buffer.alloc(20)
  bytes.writeUInt32LE(REVISION | (e === 0n ? 0 : EFFECTIVE), 0)
  const low = (set: bigint) => Number(set & 0xffff_ffffn)
  const high = (set: bigint) => Number(set >> 32n)
  for (const [place, word] of [low(p), low(i), high(p), high(i)].entries())
    bytes.writeUInt32LE(word, 4 + 4 * place)
  return bytes
}

/** `cap_a,cap_b=ep`, `=ep`, `cap_a+p-e`. */
function applyClause(clause: string, sets: Record<Flag, bigint>): void {
  const match = /^([a-z0-9_,]*)((?:[=+-][eip]*)+)$/.exec(clause.toLowerCase())
  if (match === null)
    throw new RangeError(`capabilities "${clause}": no NAMES=FLAGS, NAMES+FLAGS or NAMES-FLAGS`)
  const names = match[1] === '' || match[1] === 'all' ? ALL : namedSet(match[1])
  for (const [, operator, flags] of match[2].matchAll(/([=+-])([eip]*)/g)) {
    for (const flag of ['e', 'i', 'p'] as const) {
      if (operator === '=') sets[flag] &= ~names
      if (!flags.includes(flag)) continue
      sets[flag] = operator === '-' ? sets[flag] & ~names : sets[flag] | names
    }
  }
}

function namedSet(names: string): bigint {
  return names.split(',').reduce((set, name) => {
    const number = NAMES.indexOf(name.replace(/^cap_/, ''))
    if (number < 0) throw new RangeError(`capability "${name}" is not known`)
    return set | (1n << BigInt(number))
  }, 0n)
}
