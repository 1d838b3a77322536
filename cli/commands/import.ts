import { type Command, Option } from 'commander'
import { publishModule } from '../../compose/sources/index.ts'
import { type ConsentFlags, parseConsent } from '../../store/access/index.ts'
import { readIdNames } from '../../store/accounts/index.ts'
import {
  type EnvironmentOperation,
  type ImportFlags,
  type OperationKind,
  parseEnvironmentFlag,
  parseImportFlags,
  parseModuleName,
  readSpecFile
} from '../../store/module/index.ts'
import { parsePlatform } from '../../store/oci/index.ts'
import { DEFAULT_LIMITS, type Limits } from '../../store/values/index.ts'
import { collect, contextOf, ProgressBar } from '../context/index.ts'
import { type HostFlags, hostRequest, parseCount, parseSize, withHostFlags } from '../flags/index.ts'
import { importJson, renderImport } from '../render/index.ts'

interface Options
  extends Omit<ImportFlags, 'environment' | 'requires' | 'conflicts' | 'accessGroups' | 'labels'>,
    HostFlags,
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
  strict?: boolean
  inherit?: boolean
  flatten?: boolean
  ref?: string
  platform?: string
  maxEntries?: string
  maxDepth?: string
  maxPath?: string
  maxBytes?: string
  maxRatio?: string
  maxPax?: string
}

const EXAMPLES = `
Examples:
  compose import base/debian-12 debian-12.tar.zst
  compose import app/vasp-6.4 vasp.tar --acl vasp.acl --names /etc/group --access-group vasp
  compose import mpi/openmpi-4.1 /opt/openmpi --prefix opt/openmpi --prepend PATH=/opt/openmpi/bin
  compose import base/ubuntu-24.04 ubuntu.oci:24.04
  compose import app/vasp-6.4.fix1 ./sandbox
  compose import app/tool-1.2 tool.oci:1.2 --base base/ubuntu
  compose import mpi/openmpi-4.1 --host-package openmpi-bin --with-deps --base base/debian
  ssh node1 tar -C /opt/tool -c . | compose import lib/tool-2.0 - --prefix opt/tool`

export default (program: Command): void => {
  const environment: EnvironmentOperation[] = []
  const note = (operation: OperationKind) => (text: string) => {
    environment.push(parseEnvironmentFlag(operation, text))
    return text
  }
  const command = program
    .command('import MODULE [SOURCE...]')
    .summary('publish a module')
    .description(
      'Publish MODULE (category/name-version) from tarballs (any compression), directories, OCI layouts, image archives (docker save), SquashFS and SIF images, .deb and .rpm packages, sandboxes, or - for a tarball on standard input; or from packages and programs of this host.\nSeveral sources are the layers of the module, bottom to top.'
    )
    .option('--spec <FILE>', 'what the module is, in YAML (spec/module.md)')
    .option('--kind <KIND>', 'base, library or application')
    .option('--summary <TEXT>', 'one line for avail and show')
    .option('--license <TEXT>', 'licence of the software')
    .option('--requires <M>', 'a module that this one needs, such as "mpi/openmpi >= 4.1, < 5"', collect)
    .option('--conflicts <M>', 'a module that cannot be loaded beside it', collect)
    .option('--replaces <PATH>', 'a path of modules below that this one may replace; * ** ? match', collect)
    .option('--family <F>', 'only one module of a family is loaded at a time')
    .option('--set <K=V>', 'set an environment variable', note('set'))
    .option('--prepend <K=V>', 'put a path before those in a variable', note('prepend'))
    .option('--append <K=V>', 'put a path behind those in a variable', note('append'))
    .option('--unset <K>', 'unset a variable', note('unset'))
    .option('--access-group <G>', 'a group whose members may use it', collect)
    .option('--label <K=V>', 'a label', collect)
    .option('--no-redistribute', 'nothing of it may leave the site')
    .option('--prefix <DIR>', 'put the tree below DIR')
    .option('--strip <N>', 'take N leading components off each path')
    .option('--owner <U:G>', 'owner of every file, instead of the recorded ones')
  withHostFlags(command)
    .option('--ref <NAME>', 'which image of an OCI layout or image archive')
    .option('--platform <P>', 'os/architecture[/variant] of an image, instead of that of this host')
    .option('--flatten', 'all of a sandbox, in place of what was changed in it')
    .option('--acl <FILE>', 'ACLs as `getfacl -R` prints them')
    .option('--xattrs <FILE>', 'attributes as `getfattr -R -d -m - --dump` prints them')
    .option('--map-user <NAME=UID>', 'id of a user that ACLs name', collect)
    .option('--map-group <NAME=GID>', 'id of a group that ACLs name', collect)
    .option('--names <FILE>', 'ids of users and groups, in the form of /etc/passwd or /etc/group', collect)
    .option('--ignore-missing', 'go on when a listing names a path that the source lacks')
    .option('--allow-privileged', 'keep set-id files of root, devices and capabilities')
    .option(
      '--strict',
      'refuse an archive of which something would be left out, or that breaks a rule of tar'
    )
    .option('--hidden', 'do not list it')
    .option('--replace', 'let MODULE stand for this content from now on; settings stay that no flag gives')
    .option('--no-inherit', 'with --replace: keep no setting of the module that is replaced')
    .option('--open-to <WHO>', 'everyone or group:G, admitted now where they were not before', collect)
    .option('--allow-redistribution', 'let it leave the site, where it or its content might not before')
    .option('--drop-acls', 'with --replace: do without the ACLs that paths had')
    .addOption(
      new Option('--max-entries <N>', 'members of an archive').default(
        undefined,
        String(DEFAULT_LIMITS.entries)
      )
    )
    .addOption(
      new Option('--max-depth <N>', 'components of a path').default(
        undefined,
        String(DEFAULT_LIMITS.pathDepth)
      )
    )
    .addOption(
      new Option('--max-path <N>', 'bytes of a path').default(undefined, String(DEFAULT_LIMITS.pathBytes))
    )
    .addOption(
      new Option('--max-bytes <SIZE>', 'bytes of all files, holes included').default(undefined, '2T')
    )
    .addOption(
      new Option('--max-ratio <N>', 'decoded bytes for each byte read').default(
        undefined,
        String(DEFAULT_LIMITS.expansionRatio)
      )
    )
    .addOption(new Option('--max-pax <SIZE>', 'bytes of one extended header').default(undefined, '1M'))
    .addHelpText('after', EXAMPLES)
    .action(async (module: string, sources: string[], options: Options, command: Command) => {
      const context = contextOf(command)
      const name = parseModuleName(module)
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
        limits: limitsFrom(options),
        host: hostRequest(options),
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
        onProgress: ({ source, bytesRead, bytesTotal }) => bar.update(source, bytesRead, bytesTotal)
      }).finally(() => bar.clear())
      context.result(importJson(report), () => renderImport(report))
    })
}

function limitsFrom(options: Options): Limits {
  const raised = (
    text: string | undefined,
    usual: number,
    parse: (text: string, flag: string) => number,
    flag: string
  ) => (text === undefined ? usual : parse(text, flag))
  return {
    entries: raised(options.maxEntries, DEFAULT_LIMITS.entries, parseCount, '--max-entries'),
    pathDepth: raised(options.maxDepth, DEFAULT_LIMITS.pathDepth, parseCount, '--max-depth'),
    pathBytes: raised(options.maxPath, DEFAULT_LIMITS.pathBytes, parseCount, '--max-path'),
    totalBytes: raised(options.maxBytes, DEFAULT_LIMITS.totalBytes, parseSize, '--max-bytes'),
    expansionRatio: raised(options.maxRatio, DEFAULT_LIMITS.expansionRatio, parseCount, '--max-ratio'),
    paxBytes: raised(options.maxPax, DEFAULT_LIMITS.paxBytes, parseSize, '--max-pax'),
    strict: options.strict === true
  }
}
