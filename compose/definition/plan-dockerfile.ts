/** The steps of one stage of a Dockerfile (spec/definitions.md#dockerfiles). */
import { lstatSync, mkdirSync, mkdtempSync, readSync, writeFileSync } from 'node:fs'
import { dirname, join, posix, resolve } from 'node:path'
import { checkLabel, checkText, type EnvironmentOperation } from '../../store/module/index.ts'
import { formatRunscript } from '../../store/oci/index.ts'
import { StrataError } from '../../store/values/index.ts'
import { refuseStopped, runInside } from '../capture/index.ts'
import type { Bind } from '../run/index.ts'
import { SANDBOX_FOLDER } from '../sandbox/index.ts'
import { leftOutOfStage, makeFolders, placeBeside, placeIn } from './copy-files.ts'
import { type CopyItem, copyAside, copyItems, digestOfItems, itemsOf } from './docker-copy.ts'
import { ownerOf, switchTo, userOf } from './docker-users.ts'
import { argumentsOf, atLine, type DockerStage } from './dockerfile-stages.ts'
import { expandPairs, expandText, expandWords, type Lookup } from './dockerfile-words.ts'
import { type Ignores, readIgnoreFile } from './ignore-file.ts'
import { refuseAt, withLine } from './parse-definition.ts'
import type { Instruction } from './parse-dockerfile.ts'
import { withRegularBelow } from './source-files.ts'
import {
  type OtherStage,
  outsideOf,
  type StagePlan,
  type StageSettings,
  type Surroundings
} from './stage-plan.ts'
import { hashOf, type Step } from './step.ts'

export interface DockerRun extends Surroundings {
  file: string
  mark: string
  globals: ReadonlyMap<string, string>
  /** Variables of the base. */
  environment: Record<string, string>
  /** Variables of `--build-arg` that an `ARG` declares. */
  used: Set<string>
}

/** @throws StrataError DEFINITION_INVALID */
export function planDockerStage(stage: DockerStage, run: DockerRun): StagePlan {
  const planner = new StagePlanner(run)
  planner.add(stage)
  return { steps: planner.steps, settings: () => planner.settings() }
}

const SHELL = ['/bin/sh', '-c']

const UNUSED: Record<string, string> = {
  EXPOSE: 'a run has the network of the host',
  VOLUME: 'what is written there becomes part of the layer',
  STOPSIGNAL: 'programs get the signals that are sent to them',
  HEALTHCHECK: 'nothing watches programs',
  ONBUILD: 'it would be about other Dockerfiles'
}

class StagePlanner {
  readonly steps: Step[] = []
  readonly #run: DockerRun
  readonly #environment: Map<string, string>
  readonly #set = new Map<string, string>()
  readonly #labels: Record<string, string> = {}
  readonly #ignores: Ignores
  readonly #context: string
  /** Copies of parts of the context, by a hash of what they contain. */
  readonly #copies = new Map<string, string>()
  #arguments = new Map<string, string>()
  #shell = SHELL
  #folder = '/'
  #user: string | undefined
  #entrypoint: string[] | undefined
  #command: string[] | undefined

  constructor(run: DockerRun) {
    this.#run = run
    this.#environment = new Map(Object.entries(run.environment))
    this.#context = resolve(dirname(run.file))
    this.#ignores = readIgnoreFile(this.#context, run.file)
  }

  add(stage: DockerStage): void {
    if (stage.parent !== undefined) this.add(stage.parent)
    this.#arguments = new Map()
    for (const each of stage.instructions) atLine(this.#run.file, each, () => this.#add(each))
  }

  settings(): StageSettings {
    const runscript =
      this.#entrypoint === undefined && this.#command === undefined
        ? undefined
        : formatRunscript(this.#entrypoint ?? [], this.#command ?? [])
    return {
      environment: [...this.#set].map(([name, value]) => this.#operation(name, value)),
      labels: this.#labels,
      ...(runscript !== undefined && { runscript: checkText(runscript, 'runscript') })
    }
  }

  /** A list that ends with its former value is one to which something is added. */
  #operation(name: string, value: string): EnvironmentOperation {
    const before = this.#run.environment[name]
    const isAdded = before !== undefined && before !== '' && value.endsWith(`:${before}`)
    return isAdded
      ? { operation: 'prepend', name, value: value.slice(0, -before.length - 1) }
      : { operation: 'set', name, value }
  }

  readonly #lookup: Lookup = name => this.#environment.get(name) ?? this.#arguments.get(name)

  #add(each: Instruction): void {
    const { name, text, line } = each
    const { file, mark, asked } = this.#run
    const expanded = () => expandText(text, this.#lookup, mark)
    if (
      name !== 'RUN' &&
      name !== 'COPY' &&
      name !== 'ADD' &&
      each.flags.length > 0 &&
      name !== 'HEALTHCHECK'
    )
      refuseAt(file, line, `${name} has no --${each.flags[0][0]}`)
    if (name in UNUSED) asked.note(`${file}, line ${line}: ${name} is not used: ${UNUSED[name]}`)
    else if (name === 'RUN') this.#addRun(each)
    else if (name === 'COPY' || name === 'ADD') this.#addCopy(each)
    else if (name === 'ARG') this.#addArguments(each)
    else if (name === 'ENV') this.#addVariables(each)
    else if (name === 'LABEL') this.#addLabels(each)
    else if (name === 'MAINTAINER') this.#labels.maintainer = text
    else if (name === 'WORKDIR') this.#addFolder(expanded(), line)
    else if (name === 'USER') this.#user = expanded()
    else if (name === 'SHELL')
      this.#shell = each.words ?? refuseAt(file, line, 'SHELL wants the form ["PROGRAM", "WORD"]')
    else if (name === 'CMD') this.#command = this.#words(each)
    else if (name === 'ENTRYPOINT') this.#entrypoint = this.#words(each)
  }

  #words = ({ words, text }: Instruction): string[] => words ?? [...this.#shell, text]

  #addArguments({ text }: Instruction): void {
    const { asked, globals, mark, used } = this.#run
    for (const [name, value] of argumentsOf(text, this.#lookup, mark)) {
      if (asked.values.has(name)) used.add(name)
      const found = asked.values.get(name) ?? value ?? globals.get(name)
      if (found !== undefined) this.#arguments.set(name, found)
    }
  }

  #addVariables({ text }: Instruction): void {
    for (const [name, value] of expandPairs(text, this.#lookup, this.#run.mark)) {
      this.#environment.set(name, value)
      this.#set.set(name, value)
    }
  }

  #addLabels({ text, line }: Instruction): void {
    for (const [key, value] of expandPairs(text, this.#lookup, this.#run.mark))
      try {
        const [name, checked] = checkLabel(key, value, 'the label')
        this.#labels[name] = checked
      } catch (error) {
        if (!(error instanceof StrataError)) throw error
        refuseAt(this.#run.file, line, error.message)
      }
  }

  #addFolder(path: string, line: number): void {
    this.#folder = posix.resolve(this.#folder, path)
    const folder = this.#folder
    this.steps.push({
      what: `WORKDIR of ${this.#run.file}, line ${line}`,
      key: ['folder', folder],
      ...{ isSlow: false, seesOutside: false },
      run: tree => withLine(this.#run.file, line, () => makeFolder(tree, folder))
    })
  }

  #addRun(each: Instruction): void {
    const { file, asked, work } = this.#run
    const { line } = each
    const { mounts, hasNetwork } = this.#flagsOfRun(each)
    const [document] = each.documents
    const isScript = document !== undefined && /^<<-?\S+$/.test(each.text)
    const hasOwn = isScript && document.text.startsWith('#!')
    const text = isScript
      ? document.text
      : `${each.text}${each.documents.map(of => `\n${of.text}${of.name}`).join('')}\n`
    const command =
      each.words ?? (hasOwn ? [SCRIPT] : [...this.#shell, document === undefined ? each.text : text])
    const variables = { ...Object.fromEntries(this.#arguments), ...Object.fromEntries(this.#environment) }
    const [folder, user] = [this.#folder, this.#user]
    this.steps.push({
      what: `RUN of ${file}, line ${line}`,
      key: [
        ...['run', command, hasOwn ? text : '', variables, folder, user ?? ''],
        ...[mounts.map(({ key }) => key), outsideOf({ ...asked, hasNetwork })]
      ],
      isSlow: true,
      seesOutside: hasNetwork || asked.binds.length > 0,
      run: async tree => {
        const script = join(work, 'script')
        if (hasOwn) writeFileSync(script, text, { mode: 0o755 })
        const own: Bind[] = hasOwn ? [{ source: script, target: SCRIPT, isReadOnly: true }] : []
        const as = user === undefined ? undefined : withLine(file, line, () => userOf(tree, user))
        const before = as === undefined ? [] : withLine(file, line, () => switchTo(tree, as))
        const ended = await runInside({
          ...asked,
          ...{ tree, work, hasNetwork, workingFolder: folder, epoch: this.#run.epochOf(tree) },
          records: await this.#run.recordsOf(tree),
          added: { ...variables, ...(as && { HOME: as.home }) },
          command: [...before, ...command],
          binds: [...asked.binds, ...own, ...(await Promise.all(mounts.map(({ bind }) => bind()))).flat()]
        })
        refuseStopped(ended)
        refuseEnd(ended, file, line)
      }
    })
  }

  #flagsOfRun({ flags, line }: Instruction): { mounts: Mount[]; hasNetwork: boolean } {
    const { file, asked } = this.#run
    const mounts: Mount[] = []
    let { hasNetwork } = asked
    for (const [name, value] of flags) {
      if (name === 'mount') mounts.push(this.#mount(value, line, mounts.length))
      else if (name === 'network' && (value === 'none' || value === 'default' || value === 'host'))
        hasNetwork = value === 'none' ? false : hasNetwork
      else refuseAt(file, line, `RUN --${name}=${value} is not known here`)
    }
    return { mounts, hasNetwork }
  }

  /** A folder of the context or a stage, or an empty one that is not kept. */
  #mount(text: string, line: number, number: number): Mount {
    const { file, work } = this.#run
    const fields = new Map(
      expandText(text, this.#lookup)
        .split(',')
        .map((field): [string, string] => [
          field.split('=', 1)[0],
          field.slice(field.split('=', 1)[0].length + 1)
        ])
    )
    const type = fields.get('type') ?? 'bind'
    const given = fields.get('target') ?? fields.get('dst') ?? fields.get('destination')
    if (given === undefined) refuseAt(file, line, `--mount=${text} names no target`)
    const target = posix.resolve(this.#folder, given)
    if (type === 'cache' || type === 'tmpfs')
      return {
        key: [type, target],
        bind: async () => {
          const source = join(work, `mount-${line}-${number}`)
          mkdirSync(source, { recursive: true, mode: 0o700 })
          return [{ source, target, isReadOnly: false }]
        }
      }
    if (type !== 'bind')
      refuseAt(file, line, `--mount=type=${type} is not known here`, 'bind, cache and tmpfs are')
    const source = fields.get('source') ?? fields.get('src') ?? '.'
    const from = fields.get('from')
    const other = from === undefined ? undefined : this.#stage(from, line)
    if (other === undefined) return this.#mountOfContext(source, target, line)
    return {
      key: ['bind', target, source, other.key ?? null],
      bind: async () => {
        const tree = await other.tree()
        const place = withLine(file, line, () => placeBeside(tree, source))
        if (lstatSync(place, { throwIfNoEntry: false }) === undefined)
          refuseAt(file, line, `there is no ${source} in stage ${from}`)
        const bind = { source: place, target, isReadOnly: true }
        return place === tree ? [bind, this.#coverOfRecord(target)] : [bind]
      }
    }
  }

  /** A copy of the files that `.dockerignore` leaves; each is made once. */
  #mountOfContext(source: string, target: string, line: number): Mount {
    const { file } = this.#run
    const items = () => itemsOf(this.#context, [source], this.#ignores)
    const before = withLine(file, line, () => digestOfItems(items()))
    return {
      key: ['bind', target, source, before],
      bind: async () => {
        const key = hashOf([source, before])
        const place = this.#copies.get(key) ?? this.#copyAside(items, before, line)
        this.#copies.set(key, place)
        return [{ source: place, target, isReadOnly: true }]
      }
    }
  }

  #copyAside(items: () => CopyItem[], before: unknown[], line: number): string {
    const { file, work } = this.#run
    const folder = mkdtempSync(join(work, 'context-'))
    const { place, digests } = withLine(file, line, () => copyAside(items(), folder))
    refuseChanged(before, digests, file, line)
    return place
  }

  /** The record of a stage is hidden, as that of the own tree is. */
  #coverOfRecord(target: string): Bind {
    const source = join(this.#run.work, 'no-record')
    mkdirSync(source, { recursive: true, mode: 0o700 })
    return { source, target: posix.join(target, SANDBOX_FOLDER), isReadOnly: true }
  }

  #stage(name: string, line: number): OtherStage {
    return (
      this.#run.others.get(name.toLowerCase()) ??
      refuseAt(this.#run.file, line, `there is no stage ${name} above`)
    )
  }

  #addCopy(each: Instruction): void {
    const { file, mark } = this.#run
    const { name, line, words, documents } = each
    const { from, chown, chmod } = this.#flagsOfCopy(each)
    const all =
      words?.map(word => expandText(word, this.#lookup, mark)) ?? expandWords(each.text, this.#lookup, mark)
    const target = all.at(-1)!
    const sources = all.slice(0, -1)
    if (sources.length === 0) refuseAt(file, line, `${name} wants SOURCE... TARGET`)
    if (sources.length > 1 && !target.endsWith('/'))
      refuseAt(
        file,
        line,
        `${name} copies ${sources.length} sources, so TARGET is a folder, and ends with a slash`
      )
    const plain = sources.filter(word => !word.startsWith('<<'))
    const texts = documents.map(
      (document): CopyItem => ({
        path: document.name,
        text: document.isExpanded ? expandText(document.text, this.#lookup, mark) : document.text,
        status: { mode: 0o100644, mtime: new Date(0) }
      })
    )
    if (name === 'ADD') for (const word of plain) refuseAdding(word, this.#context, file, line)
    const other = from === undefined ? undefined : this.#stage(from, line)
    const itemsIn = (root: string) =>
      withLine(file, line, () => [
        ...itemsOf(root, plain, other === undefined ? this.#ignores : leftOutOfStage(root)),
        ...texts
      ])
    const before =
      other === undefined
        ? withLine(file, line, () => digestOfItems(itemsIn(this.#context)))
        : (other.key ?? undefined)
    const path = `${posix.resolve(this.#folder, target)}`
    this.steps.push({
      what: `${name} of ${file}, line ${line}`,
      key:
        before === undefined
          ? undefined
          : [
              'copy',
              before,
              plain,
              texts.map(({ text }) => text),
              path,
              target.endsWith('/'),
              chown ?? '',
              chmod ?? ''
            ],
      ...{ isSlow: false, seesOutside: false },
      run: async tree => {
        const root = (await other?.tree()) ?? this.#context
        const items = itemsIn(root)
        const written = withLine(file, line, () =>
          copyItems(items, {
            ...{ tree, path, isFolder: target.endsWith('/') || sources.length > 1 },
            ...(chown !== undefined && { owner: ownerOf(tree, chown) }),
            ...(chmod !== undefined && { mode: chmod }),
            ...(other !== undefined && { from: root })
          })
        )
        if (other === undefined) refuseChanged(before as unknown[], written, file, line)
      }
    })
  }

  #flagsOfCopy({ name, flags, line }: Instruction): { from?: string; chown?: string; chmod?: number } {
    const { file, mark } = this.#run
    const found: { from?: string; chown?: string; chmod?: number } = {}
    for (const [flag, typed] of flags) {
      const value = expandText(typed, this.#lookup, mark)
      if (flag === 'from' && name === 'COPY') found.from = value
      else if (flag === 'chown') found.chown = value
      else if (flag === 'chmod' && /^[0-7]{3,4}$/.test(value)) found.chmod = Number.parseInt(value, 8)
      else if (flag !== 'link') refuseAt(file, line, `${name} --${flag}=${value} is not known here`)
    }
    return found
  }
}

const SCRIPT = '/.post.script'

interface Mount {
  key: unknown
  bind(): Promise<Bind[]>
}

function refuseEnd(
  { status, signal }: { status?: number; signal?: string },
  file: string,
  line: number
): void {
  if (status === 0) return
  throw new StrataError('STEP_FAILED', {
    message: `RUN of ${file}, line ${line}, ${signal === undefined ? `ended with status ${status}` : `was ended by ${signal}`}`,
    facts: { file, line, ...(status !== undefined && { status }) },
    hint: 'nothing was published; with --keep, the tree stays, to look around in it'
  })
}

/** Other users may own folders of the context. @throws StrataError SOURCE_CHANGED; then nothing is published */
function refuseChanged(before: unknown[], written: unknown[], file: string, line: number): void {
  if (JSON.stringify(before) === JSON.stringify(written)) return
  throw new StrataError('SOURCE_CHANGED', {
    message: `${file}, line ${line}: files changed while they were read`,
    facts: { file, line },
    hint: 'build again when nothing writes to them'
  })
}

/** @throws Error if the image has a file on the way */
function makeFolder(tree: string, folder: string): void {
  const parts = folder.split('/')
  for (let end = 2; end <= parts.length; end++) {
    const path = parts.slice(0, end).join('/')
    const status = lstatSync(placeIn(tree, path), { throwIfNoEntry: false })
    if (status !== undefined && !status.isDirectory()) throw new Error(`${path} is not a folder in the image`)
  }
  makeFolders(placeBeside(tree, folder))
}

/** What ADD does beyond COPY. */
function refuseAdding(word: string, context: string, file: string, line: number): void {
  if (/^(https?|git|ssh):\/\/|^git@/.test(word))
    refuseAt(file, line, `ADD ${word} would fetch it`, 'RUN curl -O, or wget, in the image')
  const place = placeIn(context, word)
  if (!lstatSync(place, { throwIfNoEntry: false })?.isFile()) return
  const start = withLine(file, line, () =>
    withRegularBelow(context, place, fd => {
      const room = Buffer.alloc(512)
      return room.subarray(0, readSync(fd, room, 0, room.length, 0))
    })
  )
  const isPacked = ['1f8b', '425a68', 'fd377a585a00', '28b52ffd'].some(magic =>
    start.toString('hex').startsWith(magic)
  )
  if (isPacked || start.subarray(257, 262).toString('latin1') === 'ustar')
    refuseAt(file, line, `ADD ${word} would unpack it`, 'COPY it, and RUN tar -x')
}
