import type { Command } from 'commander'
import { moduleSigner } from '../../compose/signing/index.ts'
import { publishModule } from '../../compose/sources/index.ts'
import { type ConsentFlags, parseConsent } from '../../store/access/index.ts'
import { readIdNames } from '../../store/accounts/index.ts'
import {
  type EnvironmentOperation,
  type ImportFlags,
  type ModuleName,
  type OperationKind,
  parseEnvironmentFlag,
  parseImportFlags,
  parseModuleName,
  readSpecFile
} from '../../store/module/index.ts'
import { parsePlatform } from '../../store/oci/index.ts'
import { type Context, collect, contextOf, ProgressBar } from '../context/index.ts'
import {
  type HostFlags,
  hostRequest,
  type LimitFlags,
  parseLimits,
  type RegistryFlags,
  registrySettings,
  withHostFlags,
  withLimitFlags,
  withRegistryFlags
} from '../flags/index.ts'
import { importJson, renderImport } from '../render/index.ts'

interface Options
  extends Omit<ImportFlags, 'environment' | 'requires' | 'conflicts' | 'accessGroups' | 'labels'>,
    HostFlags,
    LimitFlags,
    RegistryFlags,
    ConsentFlags {
  spec?: string
  requires?: string[]
  conflicts?: string[]
  accessGroup?: string[]
  label?: string[]
  acl?: string
  xattrs?: string
  mapUser?: string[]
  mapGroup?: string[]
  names?: string[]
  ignoreMissing?: boolean
  replace?: boolean
  sign?: boolean
  key?: string
  inherit?: boolean
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
  compose import app/tool-1.2 tool.oci:1.2 --base base/ubuntu
  compose import mpi/openmpi-4.1 --host-package openmpi-bin --with-deps --base base/debian
  ssh node1 tar -C /opt/tool -c . | compose import lib/tool-2.0 - --prefix opt/tool`

export default (program: Command): void => {
  const environment: EnvironmentOperation[] = []
  const command = program
    .command('import MODULE [SOURCE...]')
    .summary('publish a module')
    .description(
      'Publish MODULE (category/name-version) in the store. Each SOURCE is a tarball (any compression), a directory, an OCI layout, an image archive (docker save), an image in a registry (docker://), a SquashFS or SIF image, a .deb or .rpm package, a sandbox, or - for a tarball on standard input. Several sources become the layers of the module, bottom to top. Packages and programs of this host can be imported without SOURCE: see --host-package and --host-program.'
    )
  withSettingFlags(command, environment)
  withHostFlags(command)
  withReadingFlags(command)
  withRegistryFlags(command)
  withPublishingFlags(command)
  withLimitFlags(command)
    .addHelpText('after', EXAMPLES)
    .action((module: string, sources: string[], options: Options, command: Command) =>
      publish(contextOf(command), parseModuleName(module), { sources, options, environment })
    )
}

/** What the record says. Operations on variables have an order, so the flags for them write to one list. */
function withSettingFlags(command: Command, environment: EnvironmentOperation[]): void {
  const note = (operation: OperationKind) => (text: string) => {
    environment.push(parseEnvironmentFlag(operation, text))
    return text
  }
  command
    .option('--spec <FILE>', 'description of the module, in YAML (spec/module.md)')
    .option('--kind <KIND>', 'base, library or application')
    .option('--summary <TEXT>', 'one line that compose avail and compose show print')
    .option('--license <TEXT>', 'licence of the software')
    .option('--requires <M>', 'a module that this one requires, such as "mpi/openmpi >= 4.1, < 5"', collect)
    .option('--conflicts <M>', 'a module that cannot be loaded beside it', collect)
    .option('--replaces <PATH>', 'a path of lower modules that this one may replace; * ** ? match', collect)
    .option('--family <F>', 'only one module of a family is loaded at a time')
    .option('--set <K=V>', 'set an environment variable', note('set'))
    .option('--prepend <K=V>', 'put a path before those in a variable', note('prepend'))
    .option('--append <K=V>', 'put a path behind those in a variable', note('append'))
    .option('--unset <K>', 'unset a variable', note('unset'))
    .option('--access-group <G>', 'only members of this group may use the module', collect)
    .option('--label <K=V>', 'a label', collect)
    .option('--no-redistribute', 'the module must not leave the site')
    .option('--prefix <DIR>', 'put all files below DIR')
    .option('--strip <N>', 'remove the first N components of each path')
    .option('--owner <U:G>', 'owner of every file, instead of the recorded ones')
}

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
    .option('--ignore-missing', 'accept listings (--acl, --xattrs) with paths that the source does not have')

/** What may be in the module, and what the import may do in the store. */
const withPublishingFlags = (command: Command): Command =>
  command
    .option('--allow-privileged', 'keep set-id files of root, devices and capabilities')
    .option('--sign', 'sign the record with an SSH key before the name stands for it (compose sign --help)')
    .option('--key <FILE>', 'with --sign: the key')
    .option('--strict', 'refuse an archive if a part of it would be left out, or if it breaks a rule of tar')
    .option('--hidden', 'do not list the module in avail and spider')
    .option('--replace', 'replace the published MODULE by this content; settings without a flag are kept')
    .option('--no-inherit', 'with --replace: keep no settings of the replaced module')
    .option(
      '--open-to <WHO>',
      'admit everyone or group:G, where module or content did not admit them before',
      collect
    )
    .option('--allow-redistribution', 'allow the module to leave the site, where this was not allowed before')
    .option('--drop-acls', 'with --replace: allow that paths lose their ACLs')

interface Asked {
  sources: string[]
  options: Options
  environment: EnvironmentOperation[]
}

async function publish(context: Context, name: ModuleName, { sources, options, environment }: Asked) {
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
  const report = await publishModule(store, {
    name,
    spec,
    flags,
    names,
    limits: parseLimits(options),
    host: hostRequest(options),
    registry: registrySettings(options),
    base: options.base,
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
  }).finally(() => bar.clear())
  context.result(importJson(report), () => renderImport(report))
}
