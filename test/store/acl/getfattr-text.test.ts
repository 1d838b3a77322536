import * as assert from 'uvu/assert'
import { aclOf, decodeAcl, encodeAcl, minimalAcl } from '../../../store/acl/acl.ts'
import {
  formatGetfattr,
  type GetfattrBlock,
  parseGetfattr,
  splitAclAttributes
} from '../../../store/acl/getfattr-text.ts'
import { needing } from '../../helpers/needs.ts'
import { refused } from '../../helpers/refused.ts'
import { suite } from '../../helpers/suite.ts'
import { AWKWARD_NAMES, awkwardTree, run } from './tree.ts'

const listing = suite('getfattr listing')

const parse = (text: string): GetfattrBlock[] => parseGetfattr(Buffer.from(text, 'latin1'), 'layer.xattrs')

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
const VALUES: [string, Buffer][] = [
  ['user.text', Buffer.from('hello world')],
  ['user.empty', Buffer.alloc(0)],
  ['user.every byte', ALL_BYTES],
  ['user.quotes', Buffer.from('"a\\b" \\101 0x00 0sAA==')],
  ['user.looks-hex', Buffer.from('0x12')],
  ['user.line ends', Buffer.from('a\r\nb\n')],
  ['user.q"\\ = \xe9\n\r', Buffer.from([0, 255])],
  ['user.large', Buffer.alloc(3000, 'x\0"\\\n')],
  ['trusted.overlay.opaque', Buffer.from('y')],
  ['security.capability', Buffer.from('0100000200200000000000000000000000000000', 'hex')]
]

/** Each awkward file has one of the values, file `plain` has them all. */
function treeWithAttributes(): string {
  const root = awkwardTree()
  const set = (path: string, [name, value]: [string, Buffer]) =>
    run(root, `setfattr -n`, [name, '-v', `0x${value.toString('hex')}`, '--', `tree/${path}`])
  for (const value of VALUES) set('plain', value)
  for (const [i, name] of AWKWARD_NAMES.entries()) if (name !== 'plain') set(name, VALUES[i % VALUES.length])
  run(root, 'setfacl -m u:1:rw -- tree/plain', [])
  return root
}

function attributesByPath(blocks: GetfattrBlock[]): Record<string, Record<string, string>> {
  const plain = (block: GetfattrBlock) =>
    Object.fromEntries(
      [...block.attributes].map(([name, value]) => [name, Buffer.from(value).toString('hex')]).sort()
    )
  return Object.fromEntries(blocks.map(block => [block.path, plain(block)] as const).sort())
}

/** @param isText the form in which getfattr leaves out a NUL at the end of a value */
function expectedByPath(isText: boolean): Record<string, Record<string, string>> {
  const hex = (values: [string, Buffer][]) =>
    Object.fromEntries(
      values.map(([name, value]) => [name, value.toString('hex').replace(isText ? /00$/ : /$/, '')]).sort()
    )
  const acl = encodeAcl(
    aclOf([{ tag: 'user', id: 1, perm: 6 }, { tag: 'mask', perm: 6 }, ...minimalAcl(0o644).entries])
  )
  const all = AWKWARD_NAMES.map((name, i) => [
    `tree/${name}`,
    hex(name === 'plain' ? [...VALUES, ['system.posix_acl_access', acl]] : [VALUES[i % VALUES.length]])
  ])
  return Object.fromEntries(all.sort())
}

for (const options of ['', '-e text', '-e hex', '-e base64', '--absolute-names -e hex'])
  needing(
    listing,
    'root',
    'getfattr',
    'setfattr'
  )(`reads what getfattr --dump ${options} writes, byte for byte`, () => {
    const root = treeWithAttributes()
    const absolute = options.startsWith('--absolute')
    const blocks = parse(run(root, `getfattr -R -d -m - ${options} ${absolute ? '"$PWD/tree"' : 'tree'}`, []))
    if (absolute) for (const block of blocks) block.path = block.path.slice(root.length)
    assert.equal(attributesByPath(blocks), expectedByPath(options === '-e text'))
  })

needing(
  listing,
  'root',
  'getfattr',
  'setfattr'
)('writes what setfattr --restore makes the same attributes of', () => {
  const dump = 'getfattr -R -d -m - -e hex tree'
  const source = treeWithAttributes()
  const original = run(source, dump, [])
  const target = awkwardTree()
  run(target, 'setfattr --restore=-', [], formatGetfattr(parse(original)))
  assert.is(run(target, dump, []), original)
})

needing(
  listing,
  'root',
  'getfattr',
  'setfattr'
)('keeps leading blanks of names', () => {
  const root = awkwardTree([' lead', 'lead'])
  run(`${root}/tree`, 'setfattr -n user.a -v 1', [' lead'])
  const text = run(`${root}/tree`, 'getfattr -R -d .', [])
  assert.equal(attributesByPath(parse(text)), { ' lead': { 'user.a': '31' } })
  const target = awkwardTree([' lead', 'lead'])
  run(`${target}/tree`, 'setfattr --restore=-', [], formatGetfattr(parse(text)))
  assert.is(run(`${target}/tree`, 'getfattr -R -d .', []), text)
})

listing('reads a value of the largest size in every encoding', () => {
  const value = Buffer.alloc(65_536, 1)
  const texts = [`"${'\\001'.repeat(65_536)}"`, `0x${value.toString('hex')}`, `0s${value.toString('base64')}`]
  for (const text of texts)
    assert.equal(parse(`# file: a\nuser.x=${text}\n`)[0].attributes.get('user.x'), value)
})

listing(
  'takes a bare name for an empty value beside others, and refuses a listing made without --dump',
  () => {
    assert.equal(attributesByPath(parse('# file: a\nuser.x\nuser.y="1"\n')), {
      a: { 'user.x': '', 'user.y': '31' }
    })
    const error = refused(
      () => parse('# file: a\n\n# file: b\nuser.x\n'),
      'ATTRIBUTE_TEXT',
      /line 4: names without values/
    )
    assert.match(error.hint!, /--dump/)
  }
)

listing('reads a listing of several megabytes, wherever its lines are cut', () => {
  const value = 'x'.repeat(50_000)
  const text = Array.from({ length: 60 }, (_, i) => `# file: ${i}\nuser.x="${value}"\n\n`).join('')
  const blocks = parse(text)
  assert.is(blocks.length, 60)
  for (const [i, { path, attributes }] of blocks.entries()) {
    assert.is(path, String(i))
    assert.is(attributes.get('user.x')!.length, 50_000)
  }
})

for (const [line, code, message] of [
  ['user.x=plain', 'ATTRIBUTE_TEXT', /expected a value as "text", 0xHEX or 0sBASE64/],
  ['user.x=', 'ATTRIBUTE_TEXT', /expected a value/],
  ['user.x="', 'ATTRIBUTE_TEXT', /expected a value/],
  ['user.x="a"b"', 'ATTRIBUTE_TEXT', /expected a value/],
  ['user.x="a\\"', 'ATTRIBUTE_TEXT', /a backslash/],
  ['user.x="\\q"', 'ATTRIBUTE_TEXT', /a backslash/],
  ['user.x="\\1"', 'ATTRIBUTE_TEXT', /a backslash/],
  ['user.x="\\777"', 'ATTRIBUTE_TEXT', /a backslash/],
  ['user.x=0x123', 'ATTRIBUTE_TEXT', /in pairs/],
  ['user.x=0xzz', 'ATTRIBUTE_TEXT', /in pairs/],
  ['user.x=0sA', 'ATTRIBUTE_TEXT', /not base64/],
  ['user.x=0sAB==', 'ATTRIBUTE_TEXT', /not base64/],
  ['user.x=0sAA==AA==', 'ATTRIBUTE_TEXT', /not base64/],
  ['user.\\\\x="1"', 'ATTRIBUTE_TEXT', /a backslash/],
  ['user.a="1"\nuser.a="2"', 'ATTRIBUTE_TEXT', /line 3: a second value/],
  ['user.="1"', 'ATTRIBUTE_INVALID', /nothing after user\./],
  [`user.${'a'.repeat(251)}="1"`, 'ATTRIBUTE_INVALID', /name of 256 bytes/],
  [`user.a=0x${'00'.repeat(65_537)}`, 'ATTRIBUTE_INVALID', /value of 65537 bytes/]
] as const)
  listing(`refuses ${line.slice(0, 40).replace('\n', ' then ')}`, () => {
    refused(() => parse(`# file: a\n${line}\n`), code, message)
  })

for (const [title, text, message] of [
  ['an attribute before any path', 'user.x="1"\n', /line 1: this line belongs to no/],
  [
    'a path twice',
    '# file: a\nuser.x="1"\n\n# file: /a\nuser.y="1"\n',
    /line 4: this path is already on line 1/
  ],
  ['a path that leaves the root', '# file: ../a\nuser.x="1"\n', /line 1: a path with "\.\."/],
  [
    'a doubled backslash, which setfattr takes for two',
    '# file: a\\\\b\nuser.x="1"\n',
    /line 1: a backslash/
  ],
  ['a file that is cut', '# file: a\nuser.x="1"', /line 2: no line end/]
] as const)
  listing(`refuses ${title}`, () => {
    refused(() => parse(text), 'ATTRIBUTE_TEXT', message)
  })

listing('marks blocks with values in quotes, which may have lost a NUL', () => {
  const blocks = parse('# file: a\nuser.x="1"\nuser.y=0x00\n\n# file: b\nuser.x=0s\nuser."y\n')
  assert.equal(
    blocks.map(block => block.hasText),
    [true, false]
  )
})

listing('hands ACLs over as ACLs', () => {
  const access = aclOf([...minimalAcl(0o640).entries, { tag: 'mask', perm: 4 }])
  const all = new Map<string, Uint8Array>([
    ['user.x', Buffer.from('1')],
    ['system.posix_acl_access', encodeAcl(access)],
    ['system.posix_acl_default', encodeAcl(minimalAcl(0o750))]
  ])
  const { attributes, ...acls } = splitAclAttributes(all)
  assert.equal(acls, { access, default: minimalAcl(0o750) })
  assert.equal([...attributes.keys()], ['user.x'])
  assert.is(all.size, 3)
  const broken = new Map([['system.posix_acl_access', Buffer.alloc(3)]])
  refused(
    () => splitAclAttributes(broken, bytes => decodeAcl(bytes, { source: 'x.tar', member: 'a' })),
    'ACL_INVALID',
    /x\.tar, member a/
  )
})

listing.run()
