/**
 * Bases that a package manager of the host installs (spec/definitions.md#package-managers). It runs as root of a supervised
 * tree that shows the host's programs, so it leaves the owners that it would leave as root of the host.
 */
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { removeTree } from '../../store/disk/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { runInside } from '../capture/index.ts'
import type { Bind } from '../run/index.ts'
import { type BaseOptions, madeBase, type StageBase, scratchBase } from './imported-base.ts'
import { refuseAt, type Stage } from './parse-definition.ts'
import { type DefinitionRequest, outsideOf } from './stage-plan.ts'
import type { StageValues } from './stage-values.ts'
import { buildTree } from './step-cache.ts'

type Options = DefinitionRequest & BaseOptions

interface Defined {
  stage: Stage
  values: StageValues
  file: string
}

interface Tool {
  program: string
  /** Keys of the header that it cannot do without. */
  wanted: string[]
  /** Shell commands that fill /target; their words are the values of the keys in HEADER. */
  script: string
}

const HEADER = ['osversion', 'mirrorurl', 'updateurl', 'include', 'setopt']

const DEBIAN: Tool = {
  program: 'mmdebstrap',
  wanted: ['osversion'],
  // The devices and file systems that it would mount are mounted already, or are not needed.
  script: `
mmdebstrap --quiet --mode=root --skip=chroot/mount --format=directory --variant=minbase \\
  --include="apt\${INCLUDE:+,$INCLUDE}" "$OSVERSION" /target \${MIRRORURL:+"$MIRRORURL"} >&2
`
}

const REDHAT: Tool = {
  program: 'dnf',
  wanted: ['mirrorurl', 'include'],
  script: `
printf '[main]\\nreposdir=/none\\ngpgcheck=0\\nplugins=0\\ncachedir=/tmp/dnf\\nlogdir=/tmp\\n[base]\\nname=base\\nbaseurl=%s\\n' "$MIRRORURL" > /tmp/dnf.conf
[ -z "$UPDATEURL" ] || printf '[updates]\\nname=updates\\nbaseurl=%s\\n' "$UPDATEURL" >> /tmp/dnf.conf
printf '%%_dbpath /var/lib/rpm\\n' > /root/.rpmmacros # that of Debian lies in the home folder
mkdir -p /target; set -f
dnf --quiet --noplugins -c /tmp/dnf.conf --installroot /target --releasever "\${OSVERSION:-1}" -y \\
  \${SETOPT:+--setopt="$SETOPT"} install $(printf %s "$INCLUDE" | tr , ' ') >&2
set +f; rm -rf /target/var/cache/dnf /target/var/lib/dnf/history.sqlite* /target/var/log/dnf* /target/var/log/hawkey.log
find /target/var/lib/rpm -name .rpm.lock -delete -o -name '*-wal' -size 0 -delete
for each in /target/var/lib/rpm/*-shm; do [ -e "\${each%shm}wal" ] || rm -f "$each"; done
`
}

/** Times that the installation set become one, as in all captures: that of the newest file that it brought. */
const PACK = `
newest=$(find /target -xdev ! -newermt "@$STARTED" -printf '%T@\\n' | sort -n | tail -n 1)
epoch=\${EPOCH:-\${newest%.*}}
rm -rf /target/dev/* /target/run/* /target/tmp/*
tar --format=pax --pax-option=delete=atime,delete=ctime --sort=name --mtime="@\${epoch:-0}" --clamp-mtime --numeric-owner \\
  --xattrs --xattrs-include='*' --acls -C /target -cf /out/base.tar .
`

const AGENTS: Record<string, Tool> = { debootstrap: DEBIAN, mmdebstrap: DEBIAN, yum: REDHAT, dnf: REDHAT }

export const TOOLS: readonly string[] = Object.keys(AGENTS)

export const isTool = (agent: string): boolean => Object.hasOwn(AGENTS, agent)

/** @throws StrataError DEFINITION_INVALID, TOOL_MISSING, STEP_FAILED, LAUNCH_FAILED */
export async function toolBase(
  store: Repository,
  agent: string,
  defined: Defined,
  options: Options
): Promise<StageBase> {
  const tool = AGENTS[agent]
  const words = headerOf(agent, tool, defined)
  assertThere(tool)
  const place = [process.arch, store.root, options.epoch ?? '', ...outsideOf(options)]
  const identity = JSON.stringify([3, tool, PACK, words, ...place])
  const key = createHash('sha256').update(identity).digest('hex')
  const name = `${agent} ${words.OSVERSION}`.trim()
  const isAnew = !options.usesCache || options.isUpdate
  return madeBase(store, { name, key, isAnew }, options, () => {
    options.note(`${name} of ${defined.file}`)
    return install(store, tool, words, defined, options)
  })
}

/** Values become words of a shell and lines of a file, so they are of one line, and begin no option. */
function headerOf(agent: string, { wanted }: Tool, { stage, values, file }: Defined): Record<string, string> {
  const found = HEADER.map(key => {
    const { value, line } = stage.header.get(key) ?? { value: '', line: stage.line }
    const filled = values.fill(value, line)
    if (filled === '' && wanted.includes(key))
      refuseAt(file, stage.line, `Bootstrap: ${agent} wants a line ${NAMES[key] ?? key}: ...`)
    if (/[\n\r]/.test(filled) || filled.startsWith('-'))
      refuseAt(
        file,
        line,
        `${NAMES[key] ?? key}: ${filled.slice(0, 80)} begins with a hyphen, or has several lines`
      )
    return [key.toUpperCase(), filled] as const
  })
  const words = Object.fromEntries(found)
  const version = (text: string) => text.replace(/%\{osversion\}/gi, words.OSVERSION)
  const list = words.INCLUDE.split(/[\s,]+/).filter(name => name !== '')
  for (const name of list)
    if (!/^[\w/][\w.+:~=*@/-]*$/.test(name))
      refuseAt(file, stage.header.get('include')!.line, `${name} is not a package`)
  return {
    ...words,
    MIRRORURL: version(words.MIRRORURL),
    UPDATEURL: version(words.UPDATEURL),
    INCLUDE: list.join(',')
  }
}

const NAMES: Record<string, string> = {
  osversion: 'OSVersion',
  mirrorurl: 'MirrorURL',
  updateurl: 'UpdateURL',
  include: 'Include',
  setopt: 'Setopt'
}

function assertThere({ program }: Tool): void {
  const folders = ['/usr/bin', '/usr/sbin', '/bin', '/sbin']
  if (folders.some(folder => existsSync(join(folder, program)))) return
  throw new StrataError('TOOL_MISSING', {
    message: `${program}, which installs this base, is not in ${folders.join(', ')}`,
    facts: { program },
    hint: `apt-get install ${program}, or Bootstrap: docker with an image of the distribution`
  })
}

async function install(
  store: Repository,
  tool: Tool,
  words: Record<string, string>,
  { stage, file }: Defined,
  options: Options
): Promise<string> {
  const { epoch } = options
  const work = mkdtempSync(join(options.work, 'workshop-'))
  const [tree, out] = ['tree', 'out'].map(name => join(work, name))
  mkdirSync(out, { mode: 0o700 })
  try {
    const { target } = await scratchBase(store, options)
    await buildTree(store, target, tree, () => {})
    const binds = [
      ...programsOfHost(tree),
      ...options.binds,
      { source: out, target: '/out', isReadOnly: false }
    ]
    const started = Math.floor(Date.now() / 1000) - 2
    const ended = await runInside({
      ...options,
      ...{ tree, work, records: [], binds, epoch: epoch ?? 0 },
      command: ['/bin/sh', '-euc', `${tool.script}${PACK}`],
      added: { ...words, STARTED: String(started), EPOCH: epoch === undefined ? '' : String(epoch) }
    })
    if (ended.status === 0) return join(out, 'base.tar')
    throw new StrataError('STEP_FAILED', {
      message: `${tool.program} of ${file}, line ${stage.line}, ended with status ${ended.status ?? ended.signal}`,
      facts: { file, line: stage.line },
      hint: 'what it printed stands above; nothing was published'
    })
  } finally {
    removeTree(tree)
  }
}

/** Programs, and what they need to find packages, accounts and certificates. All of it is read-only. */
const OF_HOST = [
  '/usr',
  ...['apt', 'dpkg', 'ssl', 'pki', 'ca-certificates', 'alternatives', 'dnf', 'yum', 'rpm'].map(
    name => `/etc/${name}`
  ),
  ...['passwd', 'group', 'nsswitch.conf', 'ld.so.cache', 'os-release'].map(name => `/etc/${name}`)
]
const LINKED = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']

function programsOfHost(tree: string): Bind[] {
  const binds = OF_HOST.filter(path => existsSync(path))
  for (const name of LINKED) {
    const status = lstatSync(`/${name}`, { throwIfNoEntry: false })
    if (status?.isSymbolicLink()) {
      rmSync(join(tree, name), { recursive: true, force: true }) // the folder that every tree has
      symlinkSync(readlinkSync(`/${name}`), join(tree, name))
    } else if (status !== undefined) binds.push(`/${name}`)
  }
  return binds.map(path => ({ source: path, target: path, isReadOnly: true }))
}
