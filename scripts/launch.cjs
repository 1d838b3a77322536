#!/usr/bin/env node
/**
 * Starts the bundled command with what V8 compiled of it when it was built (scripts/bundle.mjs): compiling it again would
 * take as long as `compose list` does. Code for another version of V8 is refused by V8, and compiled as usual.
 */
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const vm = require('node:vm')

// Names of files, which hold their hashes: code of another bundle has another name.
const [whole, ...parts] = BUNDLES
/** Verbs that need a third of the code or less have it in a file of its own; reading all would take a tenth of their time. */
const CHOOSING = ['list', 'avail', 'add', 'rm', 'swap', 'purge', 'save', 'restore', 'overview', 'complete']
/** Verbs that begin with one part of the bundle (scripts/bundle-parts.mjs). */
const STARTING = STARTERS
const verb = process.argv.slice(2).find(word => !word.startsWith('-'))
const code = CHOOSING.includes(verb) ? 'choosing' : verb === 'build' ? 'build' : 'all'

// A build is over soon after V8 has optimized its loops, and optimizing takes the other core from the copying. With eight
// times V8's usual patience a build of 62,000 or 320,000 inodes takes a sixth less of the processors, and a tenth less time.
// V8 complains of flags that it does not know: only the V8 that the bundle was made with gets it, if it took it then.
function optimizeLater() {
  if (process.versions.v8 !== 'PATIENT_V8') return
  // V8 has its own code of Node's modules for its usual flags, so they come first: 15 ms.
  for (const name of ['crypto', 'fs/promises', 'os', 'timers/promises']) require(`node:${name}`)
  require('node:v8').setFlagsFromString('PATIENCE')
}

if (code === 'build') optimizeLater()
const files = STARTING.includes(verb) ? parts : [whole]
const scripts = new Map()

function compiledCode(codeFile) {
  try {
    return readFileSync(codeFile)
  } catch {
    return undefined
  }
}

/** Gives what the script exports. */
function load(name) {
  const file = join(__dirname, name)
  const codeFile = `${file}.${code}.code`
  const script = new vm.Script(readFileSync(file, 'latin1'), { filename: file, cachedData: compiledCode(codeFile) })
  scripts.set(codeFile, script)
  return script.runInThisContext()(ask => (ask.startsWith('part:') ? given(ask) : require(ask)), file)
}

const tables = []
const known = new Map()

/** The second part is what builds: `compose run` of a lock that is not in the cache takes 248 ms of a processor and not 282. */
function tableOf(part) {
  if (part === 1 && tables[part] === undefined) {
    writeCode()
    optimizeLater()
  }
  tables[part] ??= load(files[part])
  return tables[part]
}

/**
 * What a file of the other part exports, by `part:N:FORM:PATH`. As plain values: esbuild gives functions that look each
 * one up, and calls would take longer.
 */
function given(name) {
  if (!known.has(name)) {
    const exported = tableOf(Number(name[5]))[name]()
    known.set(name, name.startsWith('esm', 7) ? { ...exported } : exported)
  }
  return known.get(name)
}

if (process.env.STRATA_WRITE_CODE !== undefined) process.on('exit', writeCode)
if (files.length === 1) load(whole)
else Object.values(tableOf(0))[0]()

/** Only scripts/bundle.mjs asks for it: everything that ran is in the code, too. V8 takes code for the flags that it had when it wrote it. */
function writeCode() {
  if (process.env.STRATA_WRITE_CODE === undefined) return
  for (const [codeFile, script] of scripts)
    require('node:fs').writeFileSync(codeFile, script.createCachedData())
  scripts.clear()
}

