/**
 * Formats the manual page from the same definitions with which the commands parse and print their help, so that the
 * two cannot differ. The macros are those of man(7).
 */
import type { Argument, Command, Option } from 'commander'
import { afterHelp } from './after-help.ts'
import { type Described, ENVIRONMENT, FILES, STATUSES } from './surroundings.ts'

export function formatManPage(program: Command, commands: Command[], version: string): string {
  return [
    `.TH COMPOSE 1 "" "strata ${roff(version)}" "Strata"`,
    '.nh',
    '.SH NAME',
    `compose \\- ${roff(program.description().replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    '.B compose',
    '[\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]',
    '.SH OPTIONS',
    'Options of every command:',
    ...program.options.flatMap(optionLines),
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
    ...describedSection('ENVIRONMENT', ENVIRONMENT),
    ...describedSection('FILES', FILES),
    ...describedSection('EXIT STATUS', STATUSES),
    ''
  ].join('\n')
}

function commandLines(command: Command): string[] {
  const synonyms = command.aliases()
  return [
    `.SS ${roff(`compose ${command.name()} ${argumentsOf(command)}`.trim())}`,
    ...roff(command.description()).split('\n').map(guardLine),
    ...(synonyms.length === 0 ? [] : ['.PP', `Also: ${roff(synonyms.join(', '))}.`]),
    ...command.options.filter(({ hidden }) => !hidden).flatMap(optionLines),
    ...behindOptions(afterHelp(command))
  ]
}

const argumentsOf = (command: Command): string =>
  command.registeredArguments.map(argument => shownArgument(argument)).join(' ')

function shownArgument(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? name : `[${name}]`
}

const optionLines = ({ flags, description, defaultValueDescription }: Option): string[] => [
  '.TP',
  `.B ${roff(flags)}`,
  guardLine(roff(description + (defaultValueDescription ? ` (default: ${defaultValueDescription})` : '')))
]

/** The lines after a heading such as `Examples:` are printed as they are. */
const behindOptions = (text: string): string[] =>
  text === '' ? [] : text.split(/\n\n+/).flatMap(paragraphLines)

function paragraphLines(paragraph: string): string[] {
  const [first, ...rest] = paragraph.split('\n')
  const lines = rest.map(line => guardLine(roff(line)))
  if (!first.endsWith(':')) return ['.PP', guardLine(roff(first)), ...lines]
  return ['.PP', roff(first), '.PP', '.nf', ...lines, '.fi']
}

const describedSection = (title: string, list: Described[]): string[] => [
  `.SH ${title}`,
  ...list.flatMap(({ name, text }) => ['.TP', `.B ${roff(name)}`, guardLine(roff(text))])
]

/** Escapes the backslash and the hyphen, which have a meaning in roff. */
const roff = (text: string): string => text.replaceAll('\\', '\\e').replaceAll('-', '\\-')

/** A line that begins with a dot or a quote would be a macro. */
const guardLine = (line: string): string => (/^[.']/.test(line) ? `\\&${line}` : line)
