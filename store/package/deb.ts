/** A Debian package as a source: its data.tar becomes the layer (spec/sources.md#deb). No script of it is run. */

import { countBytes, type ModuleSource, type SourceOptions } from '../import/index.ts'
import { openTarStream } from '../input/index.ts'
import {
  type ImportSettings,
  LONGEST_LINE,
  type Origin,
  originName,
  type PackageVersion
} from '../module/index.ts'
import { dropUndefined, showPath } from '../values/index.ts'
import { type ArMember, readAr } from './ar.ts'
import { needsOf } from './deb-relations.ts'
import { type Paragraph, parseDeb822 } from './deb822.ts'
import { PackageFile } from './package-file.ts'
import { packageLabelKey, packageLabels } from './package-labels.ts'
import { readSmallMembers } from './small-members.ts'

type DebOptions = Pick<SourceOptions, 'limits' | 'onProgress'>

/** @throws StrataError SOURCE_INVALID that names the member; IO, TAR_INVALID, STREAM_INVALID */
export async function openDebSource(path: string, options: DebOptions): Promise<ModuleSource> {
  const file = await PackageFile.open(path)
  try {
    const notes: string[] = []
    const { control, data } = await membersOf(file, notes)
    const facts = await readControl(file, control, options, notes)
    const { described, version } = describe(facts, path, notes)
    const name = originName(path)
    const origin: Origin = {
      kind: 'package',
      ...(name && { name }),
      sha256: await file.sha256(),
      packages: [version]
    }
    const { startInFile, lengthBytes } = data
    const read = countBytes(file.chunks(startInFile, lengthBytes), bytesRead =>
      options.onProgress?.({ source: path, bytesRead, bytesTotal: lengthBytes })
    )
    const tarName = `${path}: ${data.name}`
    const chunks = openTarStream(read, { name: tarName, limits: options.limits })
    return {
      described,
      packages: [needsOf(facts)],
      layers: [{ name: tarName, chunks, origin: () => origin }],
      notes,
      close: () => file.close()
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Members in the order of deb(5); names that start with `_` may be between them. */
async function membersOf(file: PackageFile, notes: string[]): Promise<{ control: ArMember; data: ArMember }> {
  const members = await readAr(file)
  await checkVersion(file, members[0])
  const known = members.slice(1).filter(({ name }) => !name.startsWith('_'))
  const control = expect(file, known[0], 'control.tar', 'second')
  const data = expect(file, known[1], 'data.tar', 'third')
  const rest = known.slice(2).map(({ name }) => showPath(name))
  if (rest.length > 0) notes.push(`${file.path}: members behind data.tar are left out: ${rest.join(', ')}`)
  return { control, data }
}

async function checkVersion(file: PackageFile, member: ArMember | undefined): Promise<void> {
  const { startInFile, lengthBytes } = expect(file, member, 'debian-binary', 'first')
  const text = (await file.read(startInFile, Math.min(lengthBytes, 64), 'debian-binary')).toString('latin1')
  if (!/^2\.[0-9]+\n/.test(text))
    file.refuse('debian-binary', startInFile, `version "${showPath(text.trim())}", wanted 2.0`)
}

function expect(file: PackageFile, member: ArMember | undefined, wanted: string, place: string): ArMember {
  if (member !== undefined && (member.name === wanted || member.name.startsWith(`${wanted}.`))) return member
  const found = member === undefined ? 'nothing' : `"${showPath(member.name)}"`
  throw file.fault(`the ${place} member of a .deb is ${wanted}, found ${found}`, { member: wanted })
}

const SCRIPTS = ['config', 'preinst', 'postinst', 'prerm', 'postrm', 'triggers']

async function readControl(
  file: PackageFile,
  { name, startInFile, lengthBytes }: ArMember,
  { limits }: DebOptions,
  notes: string[]
): Promise<Paragraph> {
  const tarName = `${file.path}: ${name}`
  const chunks = openTarStream(file.chunks(startInFile, lengthBytes), { name: tarName, limits })
  const { files, contents } = await readSmallMembers(chunks, ['control', 'conffiles'], {
    name: tarName,
    limits
  })
  const control = contents.get('control')
  if (control === undefined) throw file.fault(`${name} holds no file "control"`, { member: name })
  const [paragraph] = parseDeb822(control.toString('utf8'))
  const scripts = SCRIPTS.filter(script => files.includes(script))
  if (scripts.length > 0) notes.push(`${file.path}: maintainer scripts are not run: ${scripts.join(', ')}`)
  const settings = (contents.get('conffiles')?.toString('latin1') ?? '')
    .split('\n')
    .filter(line => line !== '')
  if (settings.length > 0)
    notes.push(`${file.path}: files that dpkg would keep as changed: ${settings.map(showPath).join(', ')}`)
  return requireFields(paragraph ?? new Map(), file, name)
}

function requireFields(paragraph: Paragraph, file: PackageFile, member: string): Paragraph {
  const missing = ['Package', 'Version', 'Architecture'].filter(name => !paragraph.get(name.toLowerCase()))
  if (missing.length === 0) return paragraph
  throw file.fault(`control in ${member} has no ${missing.join(', ')}`, { member })
}

function describe(
  facts: Paragraph,
  source: string,
  notes: string[]
): { described: Partial<ImportSettings>; version: PackageVersion } {
  const name = facts.get('package')!
  const version = { name, version: facts.get('version')!, architecture: facts.get('architecture')! }
  const key = (fact: string) => packageLabelKey('org.debian', fact, name)
  const labels = packageLabels(
    {
      [key('package')]: `${version.version} ${version.architecture}`,
      [key('depends')]: unfold(facts.get('depends')),
      [key('pre-depends')]: unfold(facts.get('pre-depends')),
      [key('homepage')]: facts.get('homepage')
    },
    notes,
    source
  )
  const summary = facts.get('description')?.split('\n')[0].trim().slice(0, LONGEST_LINE)
  return { described: dropUndefined({ summary: summary || undefined, labels }), version }
}

/** Joins relations that are folded over several lines. */
const unfold = (relations: string | undefined): string | undefined =>
  relations
    ?.split('\n')
    .map(line => line.trim())
    .join(' ')
    .trim()
