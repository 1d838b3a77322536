import * as assert from 'uvu/assert'
import {
  formatModuleName,
  formatModuleRequest,
  matchesVersion,
  parseModuleName,
  parseModuleRequest
} from '../../../store/module/name.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { suite } from '../../helpers/suite.ts'

const names = suite('module names')

names('start the version at the last "-" before a digit, and come back as they were', () => {
  const cases: [string, string, string][] = [
    ['mpi/openmpi-4.1.6', 'openmpi', '4.1.6'],
    ['lib/gtk-3-3.24', 'gtk-3', '3.24'],
    ['lib/gtk+-2.0', 'gtk+', '2.0'],
    ['compiler/gcc-12.3-rc1', 'gcc', '12.3-rc1'],
    ['apps/x-ray-tool-1', 'x-ray-tool', '1'],
    ['apps/g++-4.8+cuda', 'g++', '4.8+cuda'],
    ['base/debian-12_slim', 'debian', '12_slim']
  ]
  for (const [text, name, version] of cases) {
    const parsed = parseModuleName(text)
    assert.is(parsed.name, name)
    assert.is(parsed.version, version)
    assert.is(formatModuleName(parsed), text)
  }
})

names('may be asked for without a version', () => {
  assert.equal(parseModuleRequest('mpi/openmpi'), { category: 'mpi', name: 'openmpi' })
  assert.equal(parseModuleRequest('mpi/openmpi-2'), { category: 'mpi', name: 'openmpi', version: '2' })
  assert.is(formatModuleRequest(parseModuleRequest('mpi/openmpi')), 'mpi/openmpi')
  assert.is(formatModuleRequest(parseModuleRequest('mpi/openmpi-2')), 'mpi/openmpi-2')
})

names('are understood as Lmod writes them, with a slash before the version', () => {
  assert.equal(parseModuleName('mpi/openmpi/4.1.4'), { category: 'mpi', name: 'openmpi', version: '4.1.4' })
  assert.is(formatModuleName(parseModuleName('lib/gtk-3/3.24')), 'lib/gtk-3-3.24')
})

const REFUSED: Record<string, RegExp> = {
  '': /no category/,
  openmpi: /no category/,
  'a/b/c-1': /more than one "\/"/,
  '/b-1': /empty category/,
  'a/': /empty name/,
  'a/-1': /empty name/,
  'a/b': /has no version/,
  'a/b-': /ends with "-"/,
  'a/b--1': /ends with "-"/,
  'a/b-1.': /ends with "\."/,
  '../b-1': /category that starts with "\."/,
  'a/.b-1': /name that starts with "\."/,
  '-a/b-1': /category that starts with "-"/,
  'a/b..c-1': /"\.\." in its name/,
  'a/b-1..2': /"\.\." in its version/,
  'a/b c-1': /" " in its name/,
  'a/b\x00-1': /"\\000" in its name/,
  'a/b\n-1': /"\\012" in its name/,
  'a/b\x1b[31m-1': /"\\033" in its name/,
  'a/bé-1': /"é" in its name/,
  'a/b-1~rc': /"~" in its version/,
  [`${'c'.repeat(65)}/b-1`]: /category of 65 characters, wanted at most 64/,
  [`a/${'n'.repeat(129)}-1`]: /name of 129 characters/,
  [`a/b-${'1'.repeat(65)}`]: /version of 65 characters/
}

for (const [text, message] of Object.entries(REFUSED)) {
  names(`refuse ${JSON.stringify(text.slice(0, 20))} and say the form that is wanted`, () => {
    assert.throws(
      () => parseModuleName(text),
      (error: unknown) =>
        error instanceof StrataError &&
        error.code === 'MODULE_NAME' &&
        message.test(error.message) &&
        error.message.includes('such as mpi/openmpi-4.1.6') &&
        !/[\x00-\x1f]/.test(error.message)
    )
  })
}

names('asked for in part match whole components only', () => {
  for (const version of ['2', '2.0', '2.10.1', '2-rc1']) assert.ok(matchesVersion('2', version), version)
  for (const version of ['21', '2a', '2+cuda', '2_1', '1.2', '20.1'])
    assert.not(matchesVersion('2', version), version)
  assert.ok(matchesVersion('4.1', '4.1.6'))
  assert.not(matchesVersion('4.1', '4'))
  assert.ok(matchesVersion(undefined, '7'))
})

names.run()
