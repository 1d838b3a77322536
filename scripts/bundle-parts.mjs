/**
 * The command in two parts, for verbs that start programs. V8 makes something of each function of a script that it loads, even of
 * those that never run. So `compose run` loads the first part, which has what it imports itself, and the second one only if an
 * `import()` asks for it, as in a build: `compose run` then takes 10 ms of a processor less. Other verbs take the whole,
 * because calls from part to part take a tenth of `compose build`.
 *
 * A file asks for one of the other part by `require('part:N:FORM:PATH')`, and launch.cjs answers.
 */
import { join, relative } from 'node:path'
import { build } from 'esbuild'

const [FIRST, SECOND] = [0, 1]

/** Files that plugins make up belong to whoever imports them. */
const isFile = path => !/^[\w-]+:/.test(path)

function reachableFrom(starts, inputs) {
  const found = new Set(starts)
  for (const path of found)
    for (const { path: to, kind, external } of inputs[path].imports)
      if (!external && kind !== 'dynamic-import') found.add(to)
  return found
}

/** For each part, the files that the other one asks for. */
function askedFor(entry, inputs, partOf) {
  const asked = [new Set([entry]), new Set()]
  for (const [from, { imports }] of Object.entries(inputs))
    for (const { path: to, external } of imports)
      if (!external && isFile(from) && isFile(to) && partOf(from) !== partOf(to)) asked[partOf(to)].add(to)
  return asked
}

/**
 * @param options of esbuild
 * @param root the folder with cli/main.js
 * @param inputs all files, as esbuild tells of them
 * @param verbs whose commands are in the first part
 * @returns the texts of both, each of which gives a table of functions that give files; the first function of the first one starts the command
 */
export function bundleParts(options, root, inputs, verbs) {
  const inputOf = path => relative(process.cwd(), path)
  const entry = inputOf(join(root, 'cli/main.js'))
  const first = reachableFrom(
    [entry, ...verbs.map(verb => inputOf(join(root, `cli/commands/${verb}.js`)))],
    inputs
  )
  const partOf = input => (first.has(input) ? FIRST : SECOND)
  const nameOf = input => `part:${partOf(input)}:${inputs[input].format}:${relative(root, input)}`
  const asked = askedFor(entry, inputs, partOf)
  const bundlePart = async part => {
    const elsewhere = {
      name: 'files of the other part',
      setup({ onResolve, resolve }) {
        onResolve({ filter: /./ }, async ({ path, pluginData, ...how }) => {
          if (pluginData === 'asked' || how.kind === 'entry-point') return undefined
          const found = await resolve(path, { ...how, pluginData: 'asked' })
          const input = inputOf(found.path)
          if (found.external || found.namespace !== 'file' || !(input in inputs) || partOf(input) === part)
            return undefined
          return { path: nameOf(input), external: true }
        })
      }
    }
    const table = [...asked[part]].map(
      input =>
        `${JSON.stringify(nameOf(input))}: () => require(${JSON.stringify(`./${relative(root, input)}`)})`
    )
    const { outputFiles } = await build({
      ...options,
      stdin: {
        contents: `module.exports = {${table.join(',\n')}}`,
        resolveDir: root,
        sourcefile: 'table.cjs'
      },
      plugins: [elsewhere, ...options.plugins]
    })
    // The other part gives a module as it is: it needs no default made for it.
    return outputFiles[0].text.replace(
      /__toESM\(\s*(require\(\s*"part:\d:esm:[^"]*"\s*\))(?:,\s*1)?\s*\)/g,
      '$1'
    )
  }
  return Promise.all([FIRST, SECOND].map(bundlePart))
}
