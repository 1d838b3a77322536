import { compressorVersion, IMAGE_FORMAT } from '../../../compose/stack/image-parameters.ts'
import { parseLayerList } from '../../../compose/stack/layer-list.ts'
import { formatLock, parseLock } from '../../../compose/stack/lock-file.ts'
import { parseStackText } from '../../../compose/stack/stack-file.ts'
import { IdNames } from '../../../store/accounts/id-names.ts'
import { parseModuleName } from '../../../store/module/name.ts'
import { readSpecFile } from '../../../store/module/spec-file.ts'
import { blobCid, digestOf, formatCid, manifestCid } from '../../../store/values/digest.ts'
import type { Area, RejectCase } from '../case.ts'
import { type TextRow, textCases } from '../text-case.ts'

const BOMB = [
  'a: &a [x,x,x,x,x,x,x,x,x]',
  ...[...'bcdefgh'].map((key, i) => `${key}: &${key} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`)
].join('\n')

const SPECS: TextRow<string | Buffer>[] = [
  ['an alias bomb', BOMB, 'SPEC_INVALID', 'CVE-2019-11253'],
  ['an alias bomb in a field', `${BOMB.replace(/^/gm, 'x-')}\nlabels: *h`, 'SPEC_INVALID', 'CVE-2019-11253'],
  ['a value that holds itself', 'labels: &a\n  x: *a', 'SPEC_INVALID'],
  ['an alias of nothing', 'summary: *nowhere', 'SPEC_INVALID'],
  ['100,000 nested lists', '['.repeat(100_000), 'SPEC_INVALID'],
  ['100,000 nested maps', '{a: '.repeat(100_000), 'SPEC_INVALID'],
  [
    '10,000 nested blocks',
    Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    'SPEC_INVALID'
  ],
  ['a million values', `requires: [${'a/b,'.repeat(200_000)}]`, 'SPEC_INVALID'],
  ['2 MiB', `# ${'x'.repeat(2 << 20)}`, 'SPEC_INVALID'],
  ['two documents', 'summary: a\n---\nsummary: b', 'SPEC_INVALID'],
  ['a tag that makes code', 'help: !!js/function "function(){}"', 'SPEC_INVALID'],
  ['a tag of Python', 'help: !!python/object/apply:os.system ["id"]', 'SPEC_INVALID'],
  ['a merge key', 'a: &a {summary: x}\n<<: *a', 'SPEC_INVALID'],
  ['a directive', '%YAML 1.1\n---\nhidden: yes', 'SPEC_INVALID'],
  ['a key twice', 'summary: a\nsummary: b', 'SPEC_INVALID'],
  ['a key of the prototype', '__proto__: {hidden: true}', 'SPEC_INVALID'],
  ['a key that is a list', '? [a, b]\n: c', 'SPEC_INVALID'],
  ['a key with an escape', '"\\e[2J": x', 'SPEC_INVALID'],
  ['an unknown field', 'postinstall: rm -rf /', 'SPEC_INVALID'],
  ['a NUL', Buffer.from('summary: a\0b'), 'SPEC_INVALID'],
  ['no UTF-8', Buffer.from('summary: \xff\xfe', 'latin1'), 'SPEC_INVALID'],
  ['UTF-16', Buffer.from('\ufeffsummary: a', 'utf16le'), 'SPEC_INVALID'],
  ['a summary with an escape', 'summary: "\\e[2J"', 'SPEC_INVALID'],
  ['a raw escape', 'summary: \x1b[2J', 'SPEC_INVALID'],
  ['a summary that turns the direction', 'summary: "\\u202Etxt"', 'SPEC_INVALID', 'CVE-2021-42574'],
  ['a prefix that leads out', 'prefix: ../../outside', 'SPEC_INVALID'],
  ['a replaced path that leads out', 'replaces: [../outside]', 'SPEC_INVALID'],
  [
    'more patterns than a path may be compared with',
    `replaces: [${`"${'ab/'.repeat(1000)}*",`.repeat(3)}]`,
    'SPEC_INVALID'
  ],
  ['a negative strip', 'strip: -1', 'SPEC_INVALID'],
  ['a strip of infinity', 'strip: .inf', 'SPEC_INVALID'],
  ['an owner of 2^32 - 1', 'owner: 4294967295:0', 'NAMES_INVALID'],
  ['an owner that nobody knows', 'owner: mallory:mallory', 'NAME_UNKNOWN'],
  ['a group of id -1', 'access_groups: [-1]', 'SPEC_INVALID'],
  ['a variable with a shell in its name', 'environment: {set: {"A;rm -rf /": x}}', 'SPEC_INVALID'],
  ['a variable with a line end in its name', 'environment: {set: {"A\\nB": x}}', 'SPEC_INVALID'],
  ['a variable with a NUL in its value', 'environment: {set: {A: "\\0"}}', 'SPEC_INVALID'],
  ['an operation that is unknown', 'environment: {eval: {A: x}}', 'SPEC_INVALID'],
  ['a runscript with an escape', 'runscript: "\\e]0;x\\a"', 'SPEC_INVALID'],
  ['a requirement of a path', 'requires: [../../etc/passwd]', 'SPEC_INVALID'],
  ['a kind that is unknown', 'kind: rootkit', 'SPEC_INVALID'],
  ['a number where a text must be', 'summary: 7', 'SPEC_INVALID'],
  ['a list where a map must be', 'labels: [a]', 'SPEC_INVALID'],
  ['nothing but a text', 'rm -rf /', 'SPEC_INVALID']
]

export const specs: Area = {
  area: 'module.yaml',
  cases: SPECS.map(
    ([name, text, expect, reference]): RejectCase => ({
      name,
      expect,
      reference,
      async attack(room) {
        await readSpecFile(room.write('module.yaml', text), new IdNames())
      }
    })
  )
}

export const stackFiles: Area = {
  area: 'stack.yaml',
  cases: textCases(
    [
      ['an alias bomb', BOMB, 'STACK_INVALID', 'CVE-2019-11253'],
      ['an alias bomb of modules', `${BOMB.replace('a: ', 'modules: ')}`, 'STACK_INVALID'],
      ['100,000 nested lists', `modules: ${'['.repeat(100_000)}`, 'STACK_INVALID'],
      ['100,000 nested maps', '{a: '.repeat(100_000), 'STACK_INVALID'],
      [
        '1000 nested blocks',
        Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
        'STACK_INVALID'
      ],
      ['two documents', 'modules: [a/b]\n---\nmodules: [c/d]', 'STACK_INVALID'],
      ['a key twice', 'modules: [a/b]\nmodules: [c/d]', 'STACK_INVALID'],
      ['an unknown key', 'modules: [a/b]\nrun: rm', 'STACK_INVALID'],
      ['an unknown key with an escape', '"\\e[2J\\x9b": 1', 'STACK_INVALID'],
      ['a raw escape', 'modules: [\x1b[2J]', 'STACK_INVALID'],
      ['a raw escape where no key can be', '\x1b[2J\x9b: [', 'STACK_INVALID'],
      ['a module that is a path', 'modules: [../../etc/passwd]', 'STACK_INVALID'],
      ['a module with an escape', 'modules: ["a/\\e[2J"]', 'STACK_INVALID'],
      ['a module that is a map', 'modules: [{a: b}]', 'STACK_INVALID'],
      ['a module that is an alias', 'modules: [&a a/b, *a]', 'STACK_INVALID'],
      ['modules that are a text', 'modules: a/b', 'STACK_INVALID'],
      ['a tag', 'modules: !!js/function "x"', 'STACK_INVALID'],
      ['a merge key', 'x: &x {for: me}\n<<: *x\nmodules: [a/b]', 'STACK_INVALID'],
      ['no mapping', '- a/b', 'STACK_INVALID'],
      ['a NUL', 'modules:\n  - a/b\0c', 'STACK_INVALID']
    ],
    text => parseStackText(text, 'stack.yaml')
  )
}

const ID = formatCid(manifestCid(Buffer.from('x')))
const BLOB = formatCid(blobCid(digestOf(Buffer.from('x'))))
const LOCK = JSON.parse(
  formatLock({
    modules: [
      { name: 'app/x-1', record: manifestCid(Buffer.from('r')), layers: [manifestCid(Buffer.from('l'))] }
    ],
    parameters: {
      format: IMAGE_FORMAT,
      compressorVersion: compressorVersion('zstd'),
      profile: { compressor: 'zstd', level: 1, blockSize: 131072 },
      audience: 'everyone',
      aclModes: 'audience',
      onConflict: 'error',
      bare: false
    }
  })
)
const lock = (change: object): string => JSON.stringify({ ...LOCK, ...change })
const module = (change: object): string => lock({ modules: [{ ...LOCK.modules[0], ...change }] })
const image = (change: object): string => lock({ image: { ...LOCK.image, ...change } })
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`

export const locks: Area = {
  area: 'locks',
  cases: textCases(
    [
      ['no JSON', 'lock', 'LOCK_INVALID'],
      ['raw escapes that are no JSON', '{"strata":"lock"\x1b[2J\x9b\u202e', 'LOCK_INVALID'],
      ['100,000 nested lists', nested(100_000), 'LOCK_INVALID'],
      [
        '100,000 nested lists in a field',
        JSON.stringify(LOCK).replace(/"modules":\[.*\],"image"/, `"modules":[${nested(100_000)}],"image"`),
        'LOCK_INVALID'
      ],
      [
        '100,000 nested maps in a field',
        JSON.stringify(LOCK).replace(
          '"version":1',
          `"version":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
        ),
        'LOCK_INVALID'
      ],
      ['a list', '[]', 'LOCK_INVALID'],
      ['another document', lock({ strata: 'module' }), 'LOCK_INVALID'],
      ['a later version', lock({ version: 2 }), 'LOCK_INVALID'],
      ['an unknown field', lock({ postbuild: 'rm' }), 'LOCK_INVALID'],
      ['an unknown field with an escape', lock({ '\x1b[2J\x9b\u202e': 1 }), 'LOCK_INVALID'],
      ['a field of the prototype', JSON.stringify(LOCK).replace('{', '{"__proto__":{},'), 'LOCK_INVALID'],
      ['no modules', lock({ modules: [] }), 'LOCK_INVALID'],
      ['modules that are a map', lock({ modules: { 0: 1 } }), 'LOCK_INVALID'],
      ['a module that is null', lock({ modules: [null] }), 'LOCK_INVALID'],
      ['a layer that is not hexadecimal or base32', module({ layers: ['zz'] }), 'LOCK_INVALID'],
      ['a layer that is a blob', module({ layers: [BLOB] }), 'LOCK_INVALID'],
      ['a layer that is a path', module({ layers: ['../../etc/passwd'] }), 'LOCK_INVALID'],
      ['no layers', module({ layers: [] }), 'LOCK_INVALID'],
      ['a record without a name', module({ name: undefined }), 'LOCK_INVALID'],
      ['a name without a record', module({ record: undefined }), 'LOCK_INVALID'],
      ['a name that is a path', module({ name: '../../etc/passwd' }), 'LOCK_INVALID'],
      ['a name with an escape', module({ name: 'app/\x1b[2J-1' }), 'LOCK_INVALID'],
      ['a name with a line end', module({ name: 'app/x-1\nerror: fake' }), 'LOCK_INVALID'],
      ['an image of another format', image({ format: 99 }), 'LOCK_INVALID'],
      ['a compressor that is unknown', image({ compressor: '\x1b[2J' }), 'LOCK_INVALID'],
      ['a compressor of the prototype', image({ compressor: 'constructor' }), 'LOCK_INVALID'],
      ['a level of -1', image({ level: -1 }), 'LOCK_INVALID'],
      ['a block of 2 GiB', image({ blockSize: 2 ** 31 }), 'LOCK_INVALID'],
      ['a block of 5000 bytes', image({ blockSize: 5000 }), 'LOCK_INVALID'],
      ['an audience that is a number', image({ audience: 7 }), 'LOCK_INVALID'],
      ['a rule for modes that is unknown', image({ aclModes: 'keep' }), 'LOCK_INVALID'],
      ['a tree that is no hash', lock({ tree: 'sha256:zz' }), 'LOCK_INVALID'],
      ['an image hash with an escape', lock({ sha256: '\x1b[2J' }), 'LOCK_INVALID']
    ],
    text => parseLock(text, 'stack.lock')
  )
}

export const layerLists: Area = {
  area: 'layer lists',
  cases: textCases(
    [
      ['nothing', '', 'LOCK_INVALID'],
      ['comments alone', '# nothing\n', 'LOCK_INVALID'],
      ['an id that is none', 'deadbeef\n', 'LOCK_INVALID'],
      ['an id of a blob', `${BLOB}\n`, 'LOCK_INVALID'],
      ['two words', `${ID} ${ID}\n`, 'LOCK_INVALID'],
      ['four words', `${ID} ${ID} app/x-1 more\n`, 'LOCK_INVALID'],
      ['a record without a name', `${ID} ${ID} -\n`, 'LOCK_INVALID'],
      ['a name without a record', `${ID} - app/x-1\n`, 'LOCK_INVALID'],
      ['a name that is a path', `${ID} ${ID} ../../etc/passwd\n`, 'LOCK_INVALID'],
      ['a name with an escape', `${ID} ${ID} app/\x1b[2J-1\n`, 'LOCK_INVALID'],
      ['a NUL', `${ID}\0\n`, 'LOCK_INVALID'],
      ['a line of a megabyte', `${'b'.repeat(1 << 20)}\n`, 'LOCK_INVALID']
    ],
    text => parseLayerList(text, 'layers.list')
  )
}

export const moduleNames: Area = {
  area: 'names of modules',
  cases: textCases(
    [
      ['a parent', '../x-1', 'MODULE_NAME'],
      ['a parent in the name', 'a/..-1', 'MODULE_NAME'],
      ['a parent in the version', 'a/b-1/..', 'MODULE_NAME'],
      ['an absolute path', '/etc/passwd-1', 'MODULE_NAME'],
      ['a hidden folder', '.git/config-1', 'MODULE_NAME'],
      ['an escape', 'a/\x1b[2J-1', 'MODULE_NAME'],
      ['a NUL', 'a/b\0-1', 'MODULE_NAME'],
      ['a line end', 'a/b-1\n', 'MODULE_NAME'],
      ['an option', '--store/x-1', 'MODULE_NAME'],
      ['letters that are no ASCII', 'a/\u0430pp-1', 'MODULE_NAME'],
      ['a name of 10,000 letters', `a/${'b'.repeat(10_000)}-1`, 'MODULE_NAME'],
      ['nothing', '', 'MODULE_NAME']
    ],
    text => parseModuleName(text)
  )
}
