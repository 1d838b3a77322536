import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { isDefinition, isHostList, loadBuilder } from '../../compose/definition/index.ts'
import { openSandboxTarget, resolveTarget } from '../../compose/outputs/index.ts'
import { moduleSigner } from '../../compose/signing/index.ts'
import { type HostRequest, type PublishRequest, publishModule } from '../../compose/sources/index.ts'
import { parseConsent } from '../../store/access/index.ts'
import { readIdNames } from '../../store/accounts/index.ts'
import {
  type EnvironmentOperation,
  type ModuleName,
  parseImportFlags,
  parseModuleName,
  readSpecFile
} from '../../store/module/index.ts'
import { parsePlatform } from '../../store/oci/index.ts'
import type { Repository } from '../../store/repository/index.ts'
import { StrataError } from '../../store/values/index.ts'
import {
  type Context,
  collect,
  contextOf,
  ProgressBar,
  type RegistryFlags,
  registrySettings
} from '../context/index.ts'
import {
  type DefinitionFlags,
  definitionRequest,
  fetchingWith,
  type HostFlags,
  hostRequest,
  type LimitFlags,
  type ModuleFlags,
  parseLimits,
  withDefinitionFlags,
  withHostFlags,
  withLimitFlags,
  withPublishingFlags,
  withRegistryFlags,
  withSettingFlags
} from '../flags/index.ts'
import { importJson, renderImport } from '../render/index.ts'

interface Options extends ModuleFlags, HostFlags, LimitFlags, RegistryFlags, DefinitionFlags {
  acl?: string
  xattrs?: string
  mapUser?: string[]
  mapGroup?: string[]
  names?: string[]
  ignoreMissing?: boolean
  flatten?: boolean
  ref?: string
  platform?: string
}

const EXAMPLES = `
Examples:
  compose import base/debian-12 debian-12.tar.zst
  compose import app/vasp-6.4 vasp.tar --acl vasp.acl --names /etc/group --access-group vasp
  compose import mpi/openmpi-4.1 /opt/openmpi --prefix opt/openmpi --prepend PATH=/opt/openmpi/bin
  compose import base/ubuntu-24.04 ubuntu.oci:24.04
  compose import base/debian-12 docker://debian:12
  compose import app/vasp-6.4.fix1 ./sandbox
  compose import app/tool-1.2 tool.def
  compose import app/tool-1.2 ./Dockerfile
  compose import app/tool-1.2 tool.sspec --base base/debian
  compose import app/tool-1.2 tool.oci:1.2 --base base/ubuntu
  compose import app/tool-1.2 --base base/debian --trace -- tool --self-test
  compose import mpi/openmpi-4.1 --host-package openmpi-bin --with-deps --base base/debian
  ssh node1 tar -C /opt/tool -c . | compose import lib/tool-2.0 - --prefix opt/tool`

export default (program: Command): void => {
  const environment: EnvironmentOperation[] = []
  const command = program
    .command('import MODULE [SOURCE...]')
    .summary('publish a module')
    .description(
      'Publish MODULE (category/name-version) in the store. Each SOURCE is a tarball (any compression), a directory, an OCI layout, an image archive (docker save), an image in a registry (docker://), a SquashFS or SIF image, a .deb or .rpm package, a sandbox, a definition file of Apptainer, a Dockerfile, an SSPEC file of Singularity 1.0, or - for a tarball on standard input. Several sources become the layers of the module, bottom to top. Packages and programs of this host can be imported without SOURCE: see --host-package, --host-program and --trace.'
    )
  withSettingFlags(command, environment)
  withPlacementFlags(command)
  withHostFlags(command)
  withReadingFlags(command)
  withDefinitionFlags(command).option('--no-cache', 'definition: run every step again')
  withRegistryFlags(command)
  withPublishingFlags(command)
  withLimitFlags(command)
    .addHelpText('after', EXAMPLES)
    .action((module: string, sources: string[], options: Options, command: Command) =>
      publish(contextOf(command), publishedName(module, sources), { sources, options, environment })
    )
}

/** People write the source first, as `cp` wants it. @throws StrataError MODULE_NAME */
function publishedName(word: string, sources: string[]): ModuleName {
  try {
    return parseModuleName(word)
  } catch (error) {
    const [name] = sources
    if (!(error instanceof StrataError) || !existsSync(word) || name === undefined || existsSync(name))
      throw error
    throw new StrataError(error.code, {
      message: error.message,
      facts: error.facts,
      hint: `compose import ${name} ${word} (the module comes first)`
    })
  }
}

/** Where the files go. */
const withPlacementFlags = (command: Command): Command =>
  command
    .option('--prefix <DIR>', 'put all files below DIR')
    .option('--strip <N>', 'remove the first N components of each path')
    .option('--owner <U:G>', 'owner of every file, instead of the recorded ones')

/** How sources, and what is given beside them, are read. */
const withReadingFlags = (command: Command): Command =>
  command
    .option('--ref <NAME>', 'name of the image in an OCI layout or image archive')
    .option('--platform <P>', 'os/architecture[/variant] of the image (default: that of this host)')
    .option('--flatten', 'SOURCE is a sandbox: import the whole tree, not only the changes')
    .option('--acl <FILE>', 'ACLs as `getfacl -R` prints them')
    .option('--xattrs <FILE>', 'attributes as `getfattr -R -d -m - --dump` prints them')
    .option('--map-user <NAME=UID>', 'id of a user that ACLs name', collect)
    .option('--map-group <NAME=GID>', 'id of a group that ACLs name', collect)
    .option('--names <FILE>', 'ids of users and groups, in the form of /etc/passwd or /etc/group', collect)
    .option('--strict', 'refuse an archive if a part of it would be left out, or if it breaks a rule of tar')
    .option('--ignore-missing', 'accept listings (--acl, --xattrs) with paths that the source does not have')

interface Asked {
  sources: string[]
  options: Options
  environment: EnvironmentOperation[]
}

async function definedBy(
  context: Context,
  store: Repository,
  file: string,
  { sources, options }: Pick<Asked, 'sources' | 'options'>,
  bar: ProgressBar,
  host?: HostRequest
) {
  if (sources.length > 1)
    throw new StrataError('USAGE', {
      message: `${file} is a definition file, which becomes a module by itself`,
      hint: `compose import MODULE ${file}`
    })
  const openSandbox = (directory: string) => openSandboxTarget(store, directory, { checkContents: false })
  const asked = await definitionRequest(context, file, options, bar, words =>
    resolveTarget(store, words, context.stackFile, openSandbox, {
      ...fetchingWith(context, store, options)
    })
  )
  return { ...asked, host }
}

/** The words of `--trace`, which stand in the place of sources. @throws StrataError USAGE */
function tracedCommand({ sources, options }: Asked): string[] | undefined {
  if (!options.trace) return undefined
  if (sources.length > 0) return sources
  throw new StrataError('USAGE', {
    message: '--trace wants a command',
    hint: 'compose import MODULE --trace -- CMD ARG...'
  })
}

async function publish(context: Context, name: ModuleName, asked: Asked) {
  const { options, environment } = asked
  const command = tracedCommand(asked)
  const sources = command === undefined ? asked.sources : []
  const definition = sources.find(isDefinition)
  const hasList = definition !== undefined && isHostList(definition)
  const host = hostRequest(options, { command, hasList })
  const names = await readIdNames({
    mapUser: options.mapUser,
    mapGroup: options.mapGroup,
    namesFiles: options.names
  })
  const flags = parseImportFlags(
    { ...options, environment, accessGroups: options.accessGroup, labels: options.label, sources },
    names
  )
  const spec = options.spec === undefined ? undefined : await readSpecFile(options.spec, names)
  const store = await context.openStore()
  const bar = new ProgressBar(context.io)
  const request: PublishRequest = {
    name,
    spec,
    flags,
    names,
    limits: parseLimits(options),
    host: hasList ? undefined : host,
    registry: registrySettings(options),
    base: hasList ? undefined : options.base,
    flatten: options.flatten,
    reference: options.ref,
    platform: options.platform === undefined ? undefined : parsePlatform(options.platform, '--platform'),
    aclFile: options.acl,
    attributesFile: options.xattrs,
    ignoreMissing: options.ignoreMissing === true,
    replace: options.replace === true,
    startAnew: options.inherit === false,
    consent: parseConsent(options, names),
    sign: options.sign ? moduleSigner(options.key) : undefined,
    onProgress: ({ source, bytesRead, bytesTotal }) => bar.update(source, bytesRead, bytesTotal)
  }
  const publishing = async () => {
    if (definition === undefined) return publishModule(store, request)
    const defined = await definedBy(context, store, definition, { sources, options }, bar, host)
    const { importDefinition } = await loadBuilder()
    return importDefinition(store, request, defined)
  }
  const report = await publishing().finally(() => bar.clear())
  context.result(importJson(report), () => renderImport(report))
}
