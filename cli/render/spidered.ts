/** `spider` and `keyword`: all modules by name, in the words of `module spider`. */
import type { ModuleDetails, OfferedName, SpiderMatch } from '../../compose/find/index.ts'
import { formatRequirement } from '../../store/module/index.ts'
import { pathFromText, StrataError, showPath } from '../../store/values/index.ts'
import { rule, textWidth, wrap } from './banner.ts'

const INDENT = '      '

/** Formats every name with its versions. */
export const renderNames = (names: OfferedName[], width: number): string =>
  [
    '',
    rule(width),
    'The following is a list of the modules currently available:',
    rule(width),
    ...nameLines(names, width),
    ...tail(width)
  ].join('\n')

/** Formats the names that match words. */
export const renderKeyword = (names: OfferedName[], words: string[], width: number): string =>
  [
    rule(width),
    '',
    `The following modules match your search criteria: ${words.map(word => `"${showPath(pathFromText(word))}"`).join(', ')}`,
    rule(width),
    '',
    ...nameLines(names, width),
    ...tail(width)
  ].join('\n')

const nameLines = (names: OfferedName[], width: number): string[] =>
  names.flatMap(({ name, versions, summary }) => [
    `  ${name}: ${listWithin(
      versions.map(({ text }) => text),
      textWidth(width) - name.length - '  : '.length
    )}`,
    ...(summary === undefined ? [] : [wrap(summary, textWidth(width), '    ')]),
    ''
  ])

/** `a, b, c`, or as many as fit and then `...`. */
function listWithin(texts: string[], width: number): string {
  let length = 0
  const shown = texts.findIndex(text => {
    length += text.length + ', '.length
    return length - ', '.length > width
  })
  return shown < 0 ? texts.join(', ') : [...texts.slice(0, Math.max(shown, 1)), '...'].join(', ')
}

const tail = (width: number): string[] => [
  rule(width),
  '',
  'To learn more about a package execute:',
  '',
  '   $ compose spider Foo',
  '',
  'where "Foo" is the name of a module.',
  '',
  'To find detailed information about a particular package you',
  'must specify the version if there is more than one version:',
  '',
  '   $ compose spider Foo-11.1',
  '',
  rule(width)
]

/** Formats the versions of one name. */
export const renderVersions = ({ name, summary, versions, others }: SpiderMatch, width: number): string =>
  [
    ...titleLines(`${name}:`, width),
    ...section('Description', summary && wrap(summary, textWidth(width), INDENT)),
    '     Versions:',
    ...versions.map(({ text }) => `        ${text}`),
    '',
    ...otherNames(name, others, width),
    rule(width),
    wrap(
      `For detailed information about a specific "${name}" package (including how to load the modules) use the module's full name.`,
      textWidth(width),
      '  '
    ),
    '  For example:',
    '',
    `     $ compose spider ${versions.at(-1)!.text}`,
    rule(width)
  ].join('\n')

/** Formats all details of one module. */
export function renderDetails({ name, others }: SpiderMatch, details: ModuleDetails, width: number): string {
  const { module, record } = details
  const { deprecated, conflicts } = record
  return [
    ...titleLines(`${name}: ${module.text}`, width),
    ...section('Description', record.summary && wrap(record.summary, textWidth(width), INDENT)),
    ...section('Deprecated', deprecated && wrap(`${deprecated.date}: ${deprecated.text}`, width, INDENT)),
    ...section(
      'Family',
      record.family && `${INDENT}${record.family}: only one module of this family at a time`
    ),
    ...section('Conflicts with', conflicts.map(other => INDENT + formatRequirement(other)).join('\n')),
    ...otherNames(name, others, width),
    ...howToLoad(details, width),
    '',
    ...section('Help', record.help?.replace(/^/gm, INDENT))
  ].join('\n')
}

const titleLines = (title: string, width: number): string[] => ['', rule(width), `  ${title}`, rule(width)]

const section = (title: string, body: string | undefined): string[] =>
  body === undefined || body === '' ? [] : [`    ${title}:`, body, '']

function otherNames(name: string, others: string[], width: number): string[] {
  if (others.length === 0) return []
  return [
    '     Other possible modules matches:',
    wrap(others.join(', '), textWidth(width), '        '),
    '',
    '  To find other possible module matches execute:',
    '',
    `      $ compose spider -r '.*${name}.*'`,
    ''
  ]
}

function howToLoad({ module, requires, loads }: ModuleDetails, width: number): string[] {
  if (loads instanceof StrataError)
    return [
      '    This module cannot be loaded:',
      wrap(loads.message, textWidth(width), INDENT),
      ...[loads.facts.because ?? []].flat().map(reason => INDENT + reason)
    ]
  return [
    `    This module can be loaded directly: compose add ${module.text}`,
    ...(requires.length === 0 ? [] : ['', '    It requires, each met by any of:']),
    ...requires.flatMap(({ requirement, modules }) => [
      INDENT + requirement,
      wrap(modules.join(', '), textWidth(width), `${INDENT}  `)
    ]),
    ...(loads.length < 2
      ? []
      : ['', '    Loaded alone, these come with it:', ...comingAlong(module.text, loads, width)])
  ]
}

const comingAlong = (module: string, loads: string[], width: number): string[] => [
  wrap(loads.filter(name => name !== module).join(', '), textWidth(width), INDENT)
]

export const nameJson = ({ name, summary, versions }: OfferedName): object => ({
  name,
  ...(summary !== undefined && { summary }),
  versions: versions.map(({ text }) => text)
})

export const detailsJson = ({ module, record, requires, loads }: ModuleDetails): object => ({
  module: module.text,
  record: module.record,
  store: module.store.root,
  default: module.isDefault,
  loaded: module.isLoaded,
  requires,
  conflicts: record.conflicts.map(formatRequirement),
  ...(record.family !== undefined && { family: record.family }),
  ...(record.deprecated !== undefined && { deprecated: record.deprecated }),
  ...(record.help !== undefined && { help: record.help }),
  ...(loads instanceof StrataError
    ? { fault: { code: loads.code, message: loads.message, facts: loads.facts } }
    : { loads })
})
