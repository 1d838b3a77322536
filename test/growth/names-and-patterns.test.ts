import { equal, is, throws } from 'uvu/assert'
import type { OfferedModule } from '../../compose/find/offered-modules.ts'
import { matcherOf } from '../../compose/find/pattern.ts'
import { offeredNames } from '../../compose/find/search-names.ts'
import { replacesMatcher } from '../../compose/resolve/replaces.ts'
import { looksLikeLayerList } from '../../compose/stack/layer-list.ts'
import { parseAclLine } from '../../store/acl/acl-text.ts'
import { parseModuleName } from '../../store/module/name.ts'
import { trimEnds } from '../../store/values/trim.ts'
import { suite } from '../helpers/suite.ts'
import { growsLinearly } from './growth.ts'

const names = suite('names, paths and patterns that somebody wrote')

names('a pattern of many stars reads each byte of a path once', () =>
  growsLinearly({
    size: 500,
    make: size => 'a'.repeat(size),
    run: path => is(replacesMatcher([`${'**a'.repeat(14)}z`])!(path), false)
  })
)

names('patterns of a module grow with their number', () =>
  growsLinearly({
    size: 100,
    make: size => Array.from({ length: size }, (_, index) => `opt/*/**/v?${index}/lib`),
    run: patterns => is(replacesMatcher(patterns)!(`opt/a/b/c/v1${patterns.length}/lip/x`), false)
  })
)

names('paths without stars are found without being compared with each', () =>
  growsLinearly({
    size: 2000,
    make: size => Array.from({ length: size }, (_, index) => `opt/tool/${index}`),
    run: paths => {
      const covers = replacesMatcher(paths)!
      equal(
        paths.filter(path => !covers(`${path}/below`)),
        []
      )
    }
  })
)

names('a run of slashes in the middle of a path is read once', () =>
  growsLinearly({
    size: 4000,
    make: size => `${'/'.repeat(size)}x${'/'.repeat(size)}y`,
    run: path => is(trimEnds(path, '/').length, path.length / 2 + 1)
  })
)

names('a regular expression that a user types reads each byte of a text once', async () => {
  const matches = await matcherOf(['(a|aa)+$'], { regexp: true })
  await growsLinearly({
    size: 5000,
    make: size => `${'a'.repeat(size)}b`,
    run: text => is(matches(text), false)
  })
})

names('versions of one name are not compared with each other', () =>
  growsLinearly({
    size: 1000,
    make: size =>
      Array.from(
        { length: size },
        (_, index) =>
          ({
            name: { category: 'lib', name: 'tool', version: `${index}` },
            text: `lib/tool-${index}`,
            store: { root: '/s' },
            isDefault: false
          }) as OfferedModule
      ),
    run: modules => is(offeredNames(modules)[0]!.versions.length, modules.length)
  })
)

names('the version of a name of many dashes', () =>
  growsLinearly({
    size: 4000,
    make: size => `lib/a${'-1a'.repeat(size)}`,
    run: name => throws(() => parseModuleName(name), /at most 128/)
  })
)

names('lines of comments before a layer list', () =>
  growsLinearly({
    size: 2000,
    make: size => `${' # one\n\n'.repeat(size)}modules:`,
    run: text => is(looksLikeLayerList(text), false)
  })
)

names('blanks around an entry of an ACL', () =>
  growsLinearly({
    size: 4000,
    make: size => `user::rwx,${' '.repeat(size)}group::r-x${'\t'.repeat(size)},other::---`,
    run: line =>
      is(
        parseAclLine(line, {
          resolve: { users: new Map(), groups: new Map() } as never,
          where: { source: 'x' }
        }).length,
        3
      )
  })
)

names.run()
