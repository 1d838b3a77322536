import { lstatSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { IdNames, parseNamesFile } from '../../../store/accounts/id-names.ts'
import { encodeAcl, isMinimal, minimalAcl, modeOf } from '../../../store/acl/acl.ts'
import { formatGetfacl, type GetfaclBlock, parseGetfacl } from '../../../store/acl/getfacl-text.ts'
import { pathToBuffer } from '../../../store/values/path-bytes.ts'
import { needing } from '../../helpers/needs.ts'
import { refused } from '../../helpers/refused.ts'
import { suite } from '../../helpers/suite.ts'
import { AWKWARD_NAMES, awkwardTree, run } from './tree.ts'

const listing = suite('getfacl listing')

/** An access ACL, a mask that hides rights, defaults, set-id bits, on files under every awkward name. */
function treeWithAcls(): string {
  const root = awkwardTree()
  AWKWARD_NAMES.forEach((name, i) => {
    if (i % 3 !== 0) run(root, 'setfacl -m u:1:rw,u:4294967294:x,g:5:rwx,g:0:r --', [`tree/${name}`])
    if (i % 4 === 1) run(root, 'setfacl -m m::r --', [`tree/${name}`])
    if (i % 5 === 2) run(root, 'chmod u+s,g+s --', [`tree/${name}`])
  })
  run(root, 'chown 1234:4294967294 tree/plain; mkdir -p tree/dir/sub; chmod 3770 tree/dir', [])
  run(root, 'setfacl -d -m u::rwx,g::r-x,o::- tree/dir; setfacl -d -m u:1000:rwx,m::rx tree/dir/sub', [])
  return root
}

const parse = (text: string, resolve = new IdNames()): GetfaclBlock[] =>
  parseGetfacl(Buffer.from(text, 'latin1'), { source: 'layer.acl', resolve })

/** Owner, mode and raw ACL attributes as stat and getfattr show them. */
function assertMatchesDisk(
  root: string,
  { path, owner, group, flags, access, default: defaults }: GetfaclBlock
): void {
  const stat = lstatSync(Buffer.concat([Buffer.from(`${root}/`), pathToBuffer(path)]))
  assert.equal([owner, group, flags ?? 0], [stat.uid, stat.gid, stat.mode & 0o7000], path)
  assert.is(modeOf(access!), stat.mode & 0o777, path)
  const dump = run(root, 'getfattr -d -m posix_acl -e hex --', [path])
  const raw = (name: string) => new RegExp(`system.posix_acl_${name}=0x(.*)`).exec(dump)?.[1]
  assert.is(raw('access'), isMinimal(access!) ? undefined : encodeAcl(access!).toString('hex'), path)
  assert.is(raw('default'), defaults && encodeAcl(defaults).toString('hex'), path)
}

for (const [title, options] of [
  ['ids', '-R -n tree'],
  ['comments on effective rights', '-R -n -e tree'],
  ['absolute paths', '-R -n --absolute-names "$PWD/tree"'],
  ['names', '-R tree'],
  ['a path that begins with ./', '-R -n ./tree/']
] as const)
  needing(
    listing,
    'root',
    'getfacl',
    'getfattr'
  )(`reads what getfacl writes with ${title}, as the kernel has it`, () => {
    const root = treeWithAcls()
    const names = new IdNames()
    // The names that getfacl writes are this host's.
    const accounts = Buffer.from(run(root, 'getent passwd; getent group', []), 'latin1')
    if (title === 'names')
      for (const { kind, name, id } of parseNamesFile(accounts, 'getent')) names.set(kind, name, id)
    const blocks = parse(run(root, `getfacl ${options}`, []), names)
    const prefix = title === 'absolute paths' ? `${root.slice(1)}/` : ''
    const relative = blocks.map(block => ({ ...block, path: block.path.slice(prefix.length) }))
    for (const block of relative) assertMatchesDisk(root, block)
    const expected = ['tree', 'tree/dir', 'tree/dir/sub', ...AWKWARD_NAMES.map(name => `tree/${name}`)]
    assert.equal(relative.map(block => block.path).sort(), expected.sort())
  })

needing(
  listing,
  'root',
  'getfacl',
  'setfacl'
)('writes what setfacl --restore makes the same tree of', () => {
  const source = treeWithAcls()
  const target = awkwardTree()
  run(target, 'mkdir -p tree/dir/sub', [])
  const original = run(source, 'getfacl -R -n tree', [])
  const written = formatGetfacl(parse(original).map(block => ({ ...block, access: block.access! })))
  run(target, 'setfacl --restore=-', [], written)
  assert.is(run(target, 'getfacl -R -n tree', []), original)
})

needing(
  listing,
  'root',
  'getfacl',
  'setfacl'
)('escapes names as getfacl does', () => {
  const root = treeWithAcls()
  const original = run(root, 'getfacl -R -n -E tree', [])
  const written = formatGetfacl(parse(original).map(block => ({ ...block, access: block.access! })))
  assert.is(written.toString('latin1'), original)
})

needing(
  listing,
  'root',
  'getfacl',
  'setfacl'
)("keeps a name's leading blank, which getfacl writes and setfacl skips", () => {
  const names = [' lead', 'lead', '\tlead']
  const source = awkwardTree(names)
  run(`${source}/tree`, 'setfacl -m u:7:rw --', [' lead', '\tlead'])
  const text = run(`${source}/tree`, 'getfacl -n --', names)
  const target = awkwardTree(names)
  const blocks = parse(text).map(block => ({ ...block, access: block.access! }))
  assert.equal(blocks.map(block => block.path).sort(), [...names].sort())
  run(`${target}/tree`, 'setfacl --restore=-', [], formatGetfacl(blocks))
  assert.is(run(`${target}/tree`, 'getfacl -n --', names), text)
})

listing('reads owner, flags and both ACLs of a block, and the line it begins on', () => {
  const names = new IdNames()
  names.set('user', 'al\xefce b', 1000)
  const text =
    '# a comment\n\n# file: /opt//./x/\n# owner: al\xefce\\040b\n# group: root\n# flags: s-t\nuser::rwx\ngroup::r-x\n' +
    'other::---\ndefault:user::rwx\ndefault:group::---\ndefault:other::---\n\n# file: .\nuser::7\ngroup::5\nother::0\n'
  const [first, second] = parse(text, names)
  assert.equal(first, {
    path: 'opt/x',
    line: 3,
    owner: 1000,
    group: 0,
    flags: 0o5000,
    access: minimalAcl(0o750),
    default: minimalAcl(0o700)
  })
  assert.equal(second, { path: '', line: 14, access: minimalAcl(0o750) })
})

listing('reads lines that all end in CR LF', () => {
  const text = '# file: a\\015\nuser::rwx\ngroup::r-x\nother::---\n\n'
  assert.equal(parse(text.replaceAll('\n', '\r\n')), parse(text))
})

listing('shares one ACL among the paths that have it', () => {
  const entries = 'user::rwx\ngroup::r-x\nother::---\n'
  const [a, b] = parse(`# file: a\n${entries}\n# file: b\n${entries}`)
  assert.is(a.access, b.access)
})

const ENTRIES = 'user::rwx\ngroup::r-x\nother::---\n'
for (const [title, text, code, message] of [
  ['an entry before any path', ENTRIES, 'ACL_TEXT', /line 1: this line belongs to no "# file:" line/],
  [
    'an entry after an empty line',
    `# file: a\n${ENTRIES}\nuser:1:r--\n`,
    'ACL_TEXT',
    /line 6: this line belongs/
  ],
  ['an owner before any path', '# owner: root\n', 'ACL_TEXT', /line 1: this line belongs/],
  [
    'a path twice',
    `# file: a\n${ENTRIES}\n# file: ./a/\n${ENTRIES}`,
    'ACL_TEXT',
    /line 6: this path is already on line 1/
  ],
  ['a path that leaves the root', `# file: a/../../b\n${ENTRIES}`, 'ACL_TEXT', /line 1: a path with "\.\."/],
  ['no path', `# file: \n${ENTRIES}`, 'ACL_TEXT', /line 1: no path/],
  [
    'a header that only looks like a comment',
    `# file: a\n${ENTRIES}\n#file: b\n${ENTRIES}`,
    'ACL_TEXT',
    /line 6: expected "# file: "/
  ],
  ['a backslash that escapes nothing', `# file: a\\b\n${ENTRIES}`, 'ACL_TEXT', /line 1: a backslash/],
  ['an octal escape above a byte', `# file: a\\400\n${ENTRIES}`, 'ACL_TEXT', /line 1: a backslash/],
  ['a NUL escape', `# file: a\\000\n${ENTRIES}`, 'ACL_TEXT', /line 1: a NUL byte/],
  ['a NUL byte', `# file: a\n\0${ENTRIES}`, 'ACL_TEXT', /line 2: a NUL byte/],
  [
    'a second owner',
    `# file: a\n# owner: 1\n# owner: 2\n${ENTRIES}`,
    'ACL_TEXT',
    /line 3: a second "# owner:"/
  ],
  ['flags of another form', `# file: a\n# flags: tss\n${ENTRIES}`, 'ACL_TEXT', /line 2: expected flags/],
  ['columns', '# file: a\nUSER   root      rwx\n', 'ACL_TEXT', /line 2: an entry must begin with/],
  [
    'a last line that is cut',
    '# file: a\nuser::rwx\ngroup::r-x\nother::r',
    'ACL_TEXT',
    /line 4: no line end after other::r/
  ],
  ['a line of two megabytes', `# file: ${'a'.repeat(2 << 20)}\n`, 'ACL_TEXT', /line 1: longer than/],
  ['mixed line ends', `# file: a\r\n${ENTRIES}`, 'ACL_TEXT', /line 2: some lines end in CR LF/],
  [
    'a UTF-8 byte order mark',
    `\xef\xbb\xbf# file: a\n${ENTRIES}`,
    'ACL_TEXT',
    /line 1: begins with a UTF-8 byte order mark/
  ],
  ['UTF-16', '\xff\xfe#\0 \0f\0\n\0', 'ACL_TEXT', /line 1: begins with a UTF-16 byte order mark/],
  [
    'a missing mask',
    `# file: a\n${ENTRIES}\n# file: b\nuser:1:r--\n${ENTRIES}`,
    'ACL_INVALID',
    /line 6: invalid access ACL: .*no mask/
  ],
  ['an entry twice', `# file: a\n${ENTRIES}user::r--\n`, 'ACL_INVALID', /line 1: .*two entries for user:/],
  [
    'a missing other entry',
    '# file: a\nuser::rwx\ngroup::r-x\n',
    'ACL_INVALID',
    /line 1: .*no other:: entry/
  ],
  [
    'an unknown owner',
    `# file: a\n# owner: nobody1\n${ENTRIES}`,
    'NAME_UNKNOWN',
    /line 2: the id of user nobody1/
  ],
  [
    'an unknown group in an entry',
    `# file: a\ngroup:x:r--\nmask::r--\n${ENTRIES}`,
    'NAME_UNKNOWN',
    /line 2: the id of group x/
  ]
] as const)
  listing(`refuses ${title}, and says on which line`, () => {
    const error = refused(() => parse(text), code, message)
    assert.is(error.facts.file, 'layer.acl')
    assert.type(error.facts.line, 'number')
  })

listing('names the path of an invalid ACL, escaped', () => {
  const error = refused(() => parse('# file: a\\012\xe9\nuser::rwx\n'), 'ACL_INVALID', /no group::/)
  assert.is(error.facts.path, 'a\\012\\351')
})

listing('refuses a listing that is cut short', () => {
  refused(() => parse(`# file: a\n${ENTRIES}\n# fi`), 'ACL_TEXT', /line 6: no line end/)
})

listing('writes set-id bits, which setfacl would clear, and leaves out lines without effect', () => {
  const write = (flags?: number) => formatGetfacl([{ path: '', access: minimalAcl(0o755), flags }]).toString()
  assert.is(write(0o6000), '# file: .\n# flags: ss-\nuser::rwx\ngroup::r-x\nother::r-x\n\n')
  assert.is(write(0), write(undefined))
  assert.not.match(write(0), /flags/)
})

listing.run()
