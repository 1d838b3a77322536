/** Flags of the commands that publish a module: its settings, and how it is published. */
import type { Command } from 'commander'
import type { ConsentFlags } from '../../store/access/index.ts'
import {
  type EnvironmentOperation,
  type ImportFlags,
  type OperationKind,
  parseEnvironmentFlag
} from '../../store/module/index.ts'
import { collect } from '../context/index.ts'

export interface ModuleFlags
  extends Omit<ImportFlags, 'environment' | 'requires' | 'conflicts' | 'accessGroups' | 'labels'>,
    ConsentFlags {
  spec?: string
  requires?: string[]
  conflicts?: string[]
  accessGroup?: string[]
  label?: string[]
  replace?: boolean
  sign?: boolean
  key?: string
  inherit?: boolean
}

/** What the record says. Operations on variables have an order, so the flags for them write to one list. */
export function withSettingFlags(command: Command, environment: EnvironmentOperation[]): void {
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
}

/** What may be in the module, and what publishing it may do in the store. */
export const withPublishingFlags = (command: Command): Command =>
  command
    .option('--allow-privileged', 'keep set-id files of root, devices and capabilities')
    .option('--sign', 'sign the record with an SSH key before the name stands for it (compose sign --help)')
    .option('--key <FILE>', 'with --sign: the key')
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
