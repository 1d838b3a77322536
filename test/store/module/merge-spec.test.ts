import * as assert from 'uvu/assert'
import { IdNames } from '../../../store/accounts/id-names.ts'
import { parseEnvironmentFlag } from '../../../store/module/environment.ts'
import { type ImportFlags, parseImportFlags } from '../../../store/module/import-flags.ts'
import { mergeSpec } from '../../../store/module/merge-spec.ts'
import { parseModuleName } from '../../../store/module/name.ts'
import { formatRequirement, parseRequirement } from '../../../store/module/requirement.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { suite } from '../../helpers/suite.ts'

const flags = suite('import flags')

const parse = (typed: ImportFlags) => parseImportFlags(typed, new IdNames())
const name = parseModuleName('mpi/openmpi-4.1.6')

flags('nothing typed gives the defaults of the category', () => {
  const kindOf = (module: string) => mergeSpec(parseModuleName(module), undefined, parse({})).kind
  assert.equal(['base/x-1', 'app/x-1', 'apps/x-1', 'mpi/x-1', 'application/x-1'].map(kindOf), [
    'base',
    'application',
    'application',
    'library',
    'library'
  ])
  const { redistributable, allowPrivileged, hidden } = mergeSpec(
    name,
    undefined,
    parse({ redistribute: true })
  )
  assert.equal([redistributable, allowPrivileged, hidden], [true, false, false])
})

flags('win over the file for single values and add to its lists', () => {
  const file = parse({
    kind: 'base',
    summary: 'file',
    license: 'file',
    requires: ['lib/a', 'lib/b >= 1'],
    environment: [parseEnvironmentFlag('set', 'A=file')],
    accessGroups: ['vasp'],
    labels: ['a=file', 'b=file'],
    redistribute: false,
    sources: ['file.tar']
  })
  const typed = parse({
    kind: 'library',
    summary: 'typed',
    requires: ['lib/b>=1', 'lib/c'],
    environment: [parseEnvironmentFlag('prepend', 'PATH=/x'), parseEnvironmentFlag('unset', 'A')],
    accessGroups: ['12', 'vasp'],
    labels: ['b=typed', 'c==x='],
    redistribute: true,
    prefix: '/opt'
  })
  const merged = mergeSpec(name, file, typed)
  assert.is(merged.kind, 'library')
  assert.is(merged.summary, 'typed')
  assert.is(merged.license, 'file')
  assert.equal(merged.requires.map(formatRequirement), ['lib/a', 'lib/b >= 1', 'lib/c'])
  assert.equal(
    merged.environment.map(({ operation }) => operation),
    ['set', 'prepend', 'unset']
  )
  assert.equal(merged.accessGroups, [{ name: 'vasp' }, { gid: 12 }])
  assert.equal(merged.labels, { a: 'file', b: 'typed', c: '=x=' })
  assert.is(merged.redistributable, false) // `true` is what the option parser says when nothing was typed
  assert.is(merged.prefix, 'opt')
  assert.equal(merged.sources, ['file.tar'])
  assert.equal(mergeSpec(name, file, parse({ sources: ['typed.tar'] })).sources, ['typed.tar'])
})

const REFUSED: [ImportFlags, RegExp][] = [
  [{ kind: 'lib' }, /--kind "lib" is not a kind of module, wanted one of base, library, application/],
  [{ summary: '' }, /--summary "" is empty/],
  [{ summary: 'a\nb' }, /--summary .*wanted one line/],
  [{ family: 'a b' }, /--family "a b" is not a family name/],
  [{ requires: ['openmpi'] }, /module "openmpi" has no category/],
  [{ requires: ['a/b >'] }, /--requires "a\/b >": ">" has an empty version/],
  [{ requires: ['a/b 4'] }, /--requires "a\/b 4": "4" is not a constraint, wanted one of >= <=/],
  [{ requires: ['a/b >= 4,'] }, /--requires .*"" is not a constraint/],
  [{ requires: ['a/b => 4'] }, /--requires .*"=> 4" is not a constraint/],
  [{ accessGroups: ['4294967295'] }, /--access-group 4294967295 is not a group id, wanted 0 to 4294967294/],
  [{ accessGroups: ['a:b'] }, /--access-group "a:b" holds ":"/],
  [{ accessGroups: [''] }, /--access-group "" is empty/],
  [{ labels: ['a'] }, /--label "a": "=" is missing, wanted KEY=VALUE/],
  [{ labels: ['=a'] }, /--label "" is not a label key/],
  [{ prefix: '/a/../b' }, /--prefix "\/a\/\.\.\/b" holds a component "\.\."/],
  [{ prefix: '' }, /--prefix "" is empty/],
  [{ strip: '-1' }, /--strip .* is not a number, wanted how many leading components/],
  [{ strip: '0x10' }, /--strip .* is not a number, wanted how many leading components/],
  [{ owner: '0' }, /--owner: owner "0" is not USER:GROUP/],
  [{ owner: 'bob:0' }, /--owner: the id of user bob is not known/]
]

for (const [typed, message] of REFUSED) {
  flags(`refuse ${JSON.stringify(typed)}`, () => {
    assert.throws(
      () => parse(typed),
      (error: unknown) => {
        assert.instance(error, StrataError)
        assert.match((error as StrataError).message, message)
        return (error as StrataError).exitStatus === 2 || (error as StrataError).code === 'NAME_UNKNOWN'
      }
    )
  })
}

flags('of the environment split at the first "=", and refuse values that no environment can hold', () => {
  assert.equal(parseEnvironmentFlag('set', 'A=b=c'), { operation: 'set', name: 'A', value: 'b=c' })
  assert.equal(parseEnvironmentFlag('set', 'A='), { operation: 'set', name: 'A', value: '' })
  assert.equal(parseEnvironmentFlag('unset', '_x1'), { operation: 'unset', name: '_x1' })
  const refused: [Parameters<typeof parseEnvironmentFlag>, RegExp][] = [
    [['set', 'A'], /--set "A": "=" is missing, wanted NAME=VALUE/],
    [['set', '1A=x'], /--set 1A: not a name of a variable/],
    [['set', '=x'], /--set : not a name/],
    [['unset', 'A=x'], /--unset A=x: not a name/],
    [['set', 'A=x\ny'], /--set A: the value holds a NUL or a line break/],
    [['prepend', 'PATH='], /--prepend PATH: nothing to prepend, the value is empty/],
    [['set', `A=${'x'.repeat(32_769)}`], /32769 bytes, wanted at most 32768/]
  ]
  for (const [args, message] of refused) {
    assert.throws(
      () => parseEnvironmentFlag(...args),
      (error: unknown) =>
        error instanceof StrataError && error.code === 'USAGE' && message.test(error.message)
    )
  }
})

flags('of requirements come back in one spelling', () => {
  const spell = (text: string) => formatRequirement(parseRequirement(text, 'test'))
  assert.is(spell('  mpi/openmpi>=4.1,<5 '), 'mpi/openmpi >= 4.1, < 5')
  assert.is(spell('mpi/openmpi-4.1'), 'mpi/openmpi-4.1')
  assert.is(spell(spell('a/b-1 != 1.2,= 1.3-rc1')), 'a/b-1 != 1.2, = 1.3-rc1')
})

flags.run()
