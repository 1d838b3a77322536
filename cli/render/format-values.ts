const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `1.5 GiB`, `512 bytes`. */
export function formatBytes(bytes: number): string {
  let unit = 0
  let value = bytes
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return unit === 0 ? `${bytes} ${UNITS[0]}` : `${value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit]}`
}

/** Formats lines `label:  value` with all values in one column. Empty values are left out. */
export function formatFields(fields: [label: string, value: string | undefined][], indent = ''): string {
  const shown = fields.filter((field): field is [string, string] => field[1] !== undefined && field[1] !== '')
  const width = Math.max(0, ...shown.map(([label]) => label.length)) + 2
  return shown
    .map(
      ([label, value]) =>
        `${indent}${`${label}:`.padEnd(width)}${value.replaceAll('\n', `\n${indent}${' '.repeat(width)}`)}`
    )
    .join('\n')
}
