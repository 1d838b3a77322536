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
const codeFile = `${file}.code`

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
