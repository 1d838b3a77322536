/** What compiling the addons takes beside Node. Without it npm ends in a wall of node-gyp's words. */
import { spawnSync } from 'node:child_process'

/** As node-gyp and make choose them. */
const TOOLS = {
  python3: process.env.PYTHON ?? 'python3',
  make: process.env.MAKE ?? 'make',
  'a C compiler (cc)': process.env.CC ?? 'cc',
  'a C++ compiler (g++)': process.env.CXX ?? 'g++'
}

const isThere = command => spawnSync('sh', ['-c', `command -v ${command.split(' ')[0]}`]).status === 0

/** @returns lines for the user; undefined where nothing is missing */
export function missingTools() {
  const missing = Object.keys(TOOLS).filter(name => !isThere(TOOLS[name]))
  if (missing.length === 0) return undefined
  return [
    `strata: to build it, this machine lacks ${missing.join(', ')}`,
    '  Debian, Ubuntu: apt-get install g++ make python3',
    '  Fedora, Rocky:  dnf install gcc-c++ make python3',
    '  then the same command again; to install without a compiler: spec/administrator.md#installation'
  ].join('\n')
}
