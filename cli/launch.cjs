#!/usr/bin/env node
/**
 * Starts the bundled command with what V8 compiled of it when it was built (cli/bundle.mjs): compiling it again would
 * take as long as `compose list` does. Code for another version of V8 is refused by V8, and compiled as usual.
 */
const { readFileSync } = require('node:fs')
const { createRequire } = require('node:module')
const { join } = require('node:path')
const vm = require('node:vm')

const isBuild = process.argv[2] === 'build'

// Most of a build is over before V8 has compiled its loops; all that V8 inlines into them makes it later, and takes the
// other core from the copying (a tenth of the time of a build). V8 complains of flags that it does not know: another
// V8 than the bundle was made with keeps its own.
if (isBuild && process.versions.v8 === V8_VERSION) {
  // What V8 compiled of Node's own modules counts for the flags that it was compiled with, so they come first: 15 ms.
  for (const name of ['crypto', 'fs/promises', 'os', 'timers/promises']) require(`node:${name}`)
  require('node:v8').setFlagsFromString('--max-inlined-bytecode-size-cumulative=200')
}

// BUNDLE is the file's name, which holds its hash: code of another bundle has another name.
const file = join(__dirname, BUNDLE)
// `compose build` has code of its own: V8 takes time to read what is not needed, too.
const codeFile = `${file}.${isBuild ? 'build' : 'other'}.code`

function compiledCode() {
  try {
    return readFileSync(codeFile)
  } catch {
    return undefined
  }
}

const script = new vm.Script(readFileSync(file, 'latin1'), { filename: file, cachedData: compiledCode() })
script.runInThisContext()(createRequire(file), file)

// Only cli/bundle.mjs says so: everything that ran is in the code, too.
if (process.env.STRATA_WRITE_CODE !== undefined)
  process.on('exit', () => require('node:fs').writeFileSync(codeFile, script.createCachedData()))
