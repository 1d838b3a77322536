import * as assert from 'uvu/assert'
import { fileLines } from '../../../compose/definition/file-lines.ts'
import {
  joinedSection,
  looksLikeDefinition,
  parseDefinition,
  type Stage
} from '../../../compose/definition/parse-definition.ts'
import { keptScript, scriptCommand } from '../../../compose/definition/section-script.ts'
import { StageValues } from '../../../compose/definition/stage-values.ts'
import { StrataError } from '../../../store/values/errors.ts'
import { suite } from '../../helpers/suite.ts'

/**
 * The kinds of definition that Apptainer's own parser is tested with, written anew, with the results that its parser has
 * (spec/definitions.md#grammar). What is built from definitions: apptainer-builds.longest.test.ts.
 */
const cases = suite('definition: the cases of Apptainer')

interface Parsed {
  header: Record<string, string>
  /** `%NAME ARGUMENT`, and its lines without blank ones at the end. */
  sections?: Record<string, string>
  /** `from STAGE` or nothing, and pairs of source and target. */
  files?: [argument: string, ...pairs: [source: string, target: string][]][]
}

function shownStage(stage: Stage): Parsed {
  const values = new StageValues(stage, new Map(), 'x.def')
  const names = [...new Set(stage.sections.map(({ name, argument }) => keyOf(name, argument)))]
  const sections = names
    .filter(key => key !== 'files')
    .map(key => {
      const [name, app] = key.split(' ')
      const own = stage.sections.filter(section => keyOf(section.name, section.argument) === key)
      const argument = app ?? joinedSection(stage, name)!.argument
      const lines = own.flatMap(({ body }) => body.map(({ text }) => text))
      return [`%${name} ${argument}`.trimEnd(), lines.join('\n').trimEnd()]
    })
  const files = stage.sections
    .filter(({ name }) => name === 'files')
    .map((section): [string, ...[string, string][]] => [
      section.argument,
      ...fileLines(section, values, 'x.def').map(({ source, target }): [string, string] => [source, target])
    ])
  return {
    header: Object.fromEntries([...stage.header].map(([key, { value }]) => [key, value])),
    ...(sections.length > 0 && { sections: Object.fromEntries(sections) }),
    ...(files.length > 0 && { files })
  }
}

/** Sections of applications are told apart by their argument. */
const keyOf = (name: string, argument: string): string =>
  name.startsWith('app') ? `${name} ${argument}` : name

const SCRIPTS = `%help
How to use it
# # with two hashes
%setup
  touch $APPTAINER_ROOTFS/of-setup

# behind a script
%labels
Maintainer Somebody
Version v2.1
%environment
  LEFT=1 # why
  export LEFT
%post
  echo 'a line that goes on' \\
    'in the next'
%runscript
  exec echo "$@"
`

const SHOWN: Record<string, string> = {
  '%help': 'How to use it\n# # with two hashes',
  '%setup': '  touch $APPTAINER_ROOTFS/of-setup\n\n# behind a script',
  '%labels': 'Maintainer Somebody\nVersion v2.1',
  '%environment': '  LEFT=1 # why\n  export LEFT',
  '%post': "  echo 'a line that goes on' \\\n    'in the next'",
  '%runscript': '  exec echo "$@"'
}

const DOCKER = 'Bootstrap: docker\nFrom: site/tool:1@sha256:0\n'
const OF_DOCKER = { bootstrap: 'docker', from: 'site/tool:1@sha256:0' }

const GOOD: Record<string, [text: string, ...stages: Parsed[]]> = {
  docker: [
    `# above\nBootstrap: docker   # beside\nFrom: site/tool:1@sha256:0\nIncludeCmd: yes\n\n# below\n${SCRIPTS}`,
    { header: { ...OF_DOCKER, includecmd: 'yes' }, sections: SHOWN }
  ],
  apps: [
    `${DOCKER}${SCRIPTS}%appinstall foo\n\n  touch foo.exec\n%appinstall bar\n  touch bar.exec\n%apphelp foo\nof foo\n` +
      '%applabels foo\nKIND foo\n%applabels bar\nKIND bar\n%appenv foo\nKIND=foo\n%apprun foo\n  echo run\n',
    {
      header: OF_DOCKER,
      sections: {
        ...SHOWN,
        '%appinstall foo': '\n  touch foo.exec',
        '%appinstall bar': '  touch bar.exec',
        '%apphelp foo': 'of foo',
        '%applabels foo': 'KIND foo',
        '%applabels bar': 'KIND bar',
        '%appenv foo': 'KIND=foo',
        '%apprun foo': '  echo run'
      }
    }
  ],
  arch: [
    "Bootstrap: arch\n\n%post\n  echo 'a' \\\n       'b' \\\n       'c'\n",
    { header: { bootstrap: 'arch' }, sections: { '%post': "  echo 'a' \\\n       'b' \\\n       'c'" } }
  ],
  busybox: [
    'Bootstrap: busybox # one\nMirrorURL: https://example.org/busybox-x86_64\n# two\n',
    { header: { bootstrap: 'busybox', mirrorurl: 'https://example.org/busybox-x86_64' } }
  ],
  debootstrap: [
    'Bootstrap: debootstrap\nOSVersion: stable\nMirrorURL:  http://example.org/debian/\nInclude: nano\n',
    {
      header: {
        bootstrap: 'debootstrap',
        osversion: 'stable',
        mirrorurl: 'http://example.org/debian/',
        include: 'nano'
      }
    }
  ],
  fingerprint: [
    'Bootstrap: localimage\nFrom: /images/base.sif\nFingerprints: 0123ABCD,4567CDEF\n# end\n',
    { header: { bootstrap: 'localimage', from: '/images/base.sif', fingerprints: '0123ABCD,4567CDEF' } }
  ],
  localimage: [
    'Bootstrap: localimage\nFrom: /images/base.sif\n# end',
    { header: { bootstrap: 'localimage', from: '/images/base.sif' } }
  ],
  multiplefiles: [
    `${DOCKER}Stage: one\n%files\n  b B\n  a A\n%files from other\n  c C\n%post\n  echo\n%files from other\n  d D\n%files\n  e E\n`,
    {
      header: { ...OF_DOCKER, stage: 'one' },
      sections: { '%post': '  echo' },
      files: [
        ['', ['b', 'B'], ['a', 'A']],
        ['from other', ['c', 'C']],
        ['from other', ['d', 'D']],
        ['', ['e', 'E']]
      ]
    }
  ],
  multiplescripts: [
    `${DOCKER}%setup\n  touch one\n%post\n  echo one\n%runscript\n  echo one\n\n%setup\n  touch two\n%post\n  echo two\n%runscript\n  echo two\n`,
    {
      header: OF_DOCKER,
      sections: {
        '%setup': '  touch one\n  touch two',
        '%post': '  echo one\n  echo two',
        '%runscript': '  echo one\n\n  echo two'
      }
    }
  ],
  multistage: [
    'Bootstrap: docker\nFrom: site/devel\nStage: one\n\n%files\n\thello.go /src/hello.go\n%post\n\tgo build\n\n\nBootstrap: docker\n' +
      'From: site/small\nStage: two\n\n%files from one\n\t/src/hello /bin/hello\n%runscript\n\thello\n',
    {
      header: { bootstrap: 'docker', from: 'site/devel', stage: 'one' },
      sections: { '%post': '\tgo build' },
      files: [['', ['hello.go', '/src/hello.go']]]
    },
    {
      header: { bootstrap: 'docker', from: 'site/small', stage: 'two' },
      sections: { '%runscript': '\thello' },
      files: [['from one', ['/src/hello', '/bin/hello']]]
    }
  ],
  quotedfiles: [
    `${DOCKER}%files\n  "a b"\n  "a b" "near"\n  "a b" "far away"\n  c\n  c "near"\n  c "far away"\n  "d" "near"\n  'e f' 'g h'\n`,
    {
      header: OF_DOCKER,
      files: [
        [
          '',
          ['a b', 'a b'],
          ['a b', 'near'],
          ['a b', 'far away'],
          ['c', 'c'],
          ['c', 'near'],
          ['c', 'far away'],
          ['d', 'near'],
          ['e f', 'g h']
        ]
      ]
    }
  ],
  scratch: [
    'bootstrap: scratch\n%setup\n  mkdir -p $APPTAINER_ROOTFS/bin\n',
    { header: { bootstrap: 'scratch' }, sections: { '%setup': '  mkdir -p $APPTAINER_ROOTFS/bin' } }
  ],
  sectionargs: [
    `${DOCKER}%files from one\n  a a\n%files from two\n  b c\n%post -c /bin/bash extra words #comment\n  echo $0\n  function f { echo; }\n`,
    {
      header: OF_DOCKER,
      sections: { '%post -c /bin/bash extra words': '  echo $0\n  function f { echo; }' },
      files: [
        ['from one', ['a', 'a']],
        ['from two', ['b', 'c']]
      ]
    }
  ],
  'comments as arguments': [
    `${DOCKER}%files\n  a\n%files #  # from one\n  a\n%files #   #comment\n  a\n`,
    {
      header: OF_DOCKER,
      files: [
        ['', ['a', 'a']],
        ['', ['a', 'a']],
        ['', ['a', 'a']]
      ]
    }
  ],
  shebang: [
    `${DOCKER}%runscript\n#!/usr/bin/env python3\nprint("snake")`,
    { header: OF_DOCKER, sections: { '%runscript': '#!/usr/bin/env python3\nprint("snake")' } }
  ],
  'shebang of %test': [
    `${DOCKER}%test\n#!/usr/local/csh\necho $0\n`,
    { header: OF_DOCKER, sections: { '%test': '#!/usr/local/csh\necho $0' } }
  ],
  shub: [
    'Bootstrap: shub\nFrom: shub://site/user/name:tag@digest\n',
    { header: { bootstrap: 'shub', from: 'shub://site/user/name:tag@digest' } }
  ],
  yum: [
    'Bootstrap: yum\nOSVersion: 9\nMirrorURL: http://example.org/%{OSVERSION}/os/$basearch/\nInclude: dnf\n',
    {
      header: {
        bootstrap: 'yum',
        osversion: '9',
        mirrorurl: 'http://example.org/%{OSVERSION}/os/$basearch/',
        include: 'dnf'
      }
    }
  ],
  zypper: [
    'Bootstrap: zypper\nOSVersion: 15.6\nMirrorURL: http://example.org/leap/%{OSVERSION}/\nInclude: vim\n',
    {
      header: {
        bootstrap: 'zypper',
        osversion: '15.6',
        mirrorurl: 'http://example.org/leap/%{OSVERSION}/',
        include: 'vim'
      }
    }
  ],
  'zypper of SLE, with a key of several lines': [
    'Bootstrap: zypper\nProduct: SLE/%{OSVERSION}\nUser: user@example.org\nRegcode: 1a2b\nRegisterUrl: https://example.org\n' +
      'ProductPGP: -----BEGIN-----\\n\\\nVersion: 1\\n\\\n\\n\\\n  mQEN+/=\\n\\\n-----END-----\n' +
      'Modules: basesystem,hpc\nOtherurl0: https://example.org/0\nOTHERURL12: https://example.org/12\nInclude: a \\\n  b\n',
    {
      header: {
        bootstrap: 'zypper',
        product: 'SLE/%{OSVERSION}',
        user: 'user@example.org',
        regcode: '1a2b',
        registerurl: 'https://example.org',
        productpgp: '-----BEGIN-----\nVersion: 1\n\nmQEN+/=\n-----END-----',
        modules: 'basesystem,hpc',
        otherurl0: 'https://example.org/0',
        otherurl12: 'https://example.org/12',
        include: 'a b'
      }
    }
  ]
}

for (const [name, [text, ...stages]] of Object.entries(GOOD))
  cases(`reads ${name}`, () => {
    assert.ok(looksLikeDefinition(text))
    assert.equal(parseDefinition(text, 'x.def').map(shownStage), stages)
  })

const BAD: Record<string, [text: string, message: RegExp]> = {
  'an unknown section': ['Bootstrap: arch\n\n%badsection\n\tno\n', /line 3: %badsection is not a section/],
  'an unknown section in any case': ['Bootstrap: arch\n%Posts\n', /line 2: %Posts is not a section/],
  'an empty file': ['', /line 1: it is empty/],
  'nothing but comments': ['#one\n#two', /line 1: it is empty/],
  'JSON of a definition': ['{"rawDefFile":"Bootstrap: arch"}', /line 1: "\{"rawDefFile":"Bootstrap/],
  // Apptainer's parser reads these; its build then ends with "no bootstrap specification found".
  'no header': [SCRIPTS, /line 1: the header has no Bootstrap/],
  'comments in the place of a header': [`# one\n${SCRIPTS}`, /line 2: the header has no Bootstrap/],
  'blank lines in the place of a header': [`\n${SCRIPTS}`, /line 2: the header has no Bootstrap/],
  'an application named ..': ['Bootstrap: scratch\n%apprun ..\n', /line 2: %apprun names no application/],
  'an application with a path': [
    'Bootstrap: scratch\n%apprun ../../.compose\n',
    /%apprun names no application/
  ],
  'an application with a hidden path': ['Bootstrap: scratch\n%appfiles a/../..\n', /names no application/]
}

for (const [name, [text, message]] of Object.entries(BAD))
  cases(`refuses ${name}, with its line`, () => {
    assert.throws(
      () => parseDefinition(text, 'x.def'),
      (error: Error) =>
        error instanceof StrataError && error.code === 'DEFINITION_INVALID' && message.test(error.message)
    )
  })

cases('tells a definition without header from other texts', () => {
  assert.ok(looksLikeDefinition('# c\n%POST\n'))
  for (const text of ['%YAML 1.2\n', '%x', '# only\n']) assert.not(looksLikeDefinition(text))
})

/** As getSectionScriptArgs and handleShebangScript make them. */
cases('arguments of a section go to the shell, those behind -c are the program', () => {
  for (const [argument, command] of [
    ['', ['/bin/sh', '-ex', 'S']],
    ['-v  word', ['/bin/sh', '-ex', '-v', 'word', 'S']],
    ['-c /bin/busybox sh', ['/bin/sh', '-ex', '-c', '/bin/busybox sh S']],
    ['-u -c /bin/bash -l', ['/bin/sh', '-ex', '-u', '-c', '/bin/bash -l S']]
  ] as const)
    assert.equal(scriptCommand(argument, 'S'), command)
  assert.throws(() => scriptCommand('-x -c', 'S'), /no program stands behind -c/)
})

cases('a script that is kept begins with its own first line or the usual one, and the arguments', () => {
  for (const [argument, text, kept] of [
    ['', 'echo\n', '#!/bin/sh\n\necho\n'],
    ['-e', 'echo\n', '#!/bin/sh -e\n\necho\n'],
    ['', '#!/usr/bin/env python3\nprint(1)\n', '#!/usr/bin/env python3\nprint(1)\n'],
    ['-u', '#!/usr/bin/python3  \nprint(1)\n', '#!/usr/bin/python3 -u\nprint(1)\n']
  ])
    assert.is(keptScript(argument, text), kept)
})

const values = (text: string, given: Record<string, string> = {}): StageValues =>
  new StageValues(
    parseDefinition(`Bootstrap: scratch\n%arguments\n${text}\n`, 'x.def')[0],
    new Map(Object.entries(given)),
    'x.def'
  )

cases('values of variables are taken as they stand, but for blanks around them', () => {
  const found = values('  A = 1=2==3 \n# B=no\nQUOTED="a b"\n1=one\nNESTED=<{{ A }}>\nDEEP={{ NESTED }}', {
    A: '='
  })
  for (const [text, filled] of [
    ['{{ A }}{{A}}', '=='],
    ['X={{QUOTED}}', 'X="a b"'],
    ['{{ 1 }}', 'one'],
    ['{{ NESTED }}', '<=>'],
    ['echo # {{ NONE }}', 'echo # {{ NONE }}'],
    ['#{{ NONE }}', '#{{ NONE }}'],
    ['{{ A B }} {{A', '{{ A B }} {{A']
  ])
    assert.is(found.fill(text, 1), filled)
  for (const text of ['{{ NONE }}', 'a#{{ NONE }}', '$# {{ NONE }}'])
    assert.throws(() => found.fill(text, 3), /x\.def, line 3: \{\{ NONE \}\} has no value/)
  assert.throws(() => values('no value'), /line 3: "no value" is not of the form NAME=VALUE/)
})

cases.run()
