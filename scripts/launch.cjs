#!/usr/bin/env node
/**
 * Starts the bundled command with what V8 compiled of it when it was built (scripts/bundle.mjs): compiling it again would
 * take as long as `compose list` does. Code for another version of V8 is refused by V8, and compiled as usual.
 */
const { readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { join } = require('node:path')
const vm = require('node:vm')

// BUNDLE is the file's name, which holds its hash: code of another bundle has another name.
const file = join(__dirname, BUNDLE)
/** Verbs that need a third of the code or less have it in a file of its own; reading all would take a tenth of their time. */
const GROUPS = {
  choosing: ['list', 'avail', 'add', 'rm', 'swap', 'purge', 'save', 'restore', 'overview', 'complete'],
  starting: ['run', 'shell']
}
const verb = process.argv.slice(2).find(word => !word.startsWith('-'))
const group = Object.keys(GROUPS).find(name => GROUPS[name].includes(verb)) ?? 'all'
const codeFile = `${file}.${group}.code`

function compiledCode() {
  try {
    return readFileSync(codeFile)
  } catch {
    return undefined
  }
}

const script = new vm.Script(readFileSync(file, 'latin1'), { filename: file, cachedData: compiledCode() })
script.runInThisContext()(createRequire(file), file)

// Only scripts/bundle.mjs says so: everything that ran is in the code, too.
if (process.env.STRATA_WRITE_CODE !== undefined)
  process.on('exit', () => require('node:fs').writeFileSync(codeFile, script.createCachedData()))
