import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { suiteNeeding } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { composeIn, world } from '../capture/capture-world.ts'

/**
 * The definitions that Apptainer's own tests build, written anew for a base of our own, with the outcome that these tests
 * ask for (spec/definitions.md). What its parser reads: apptainer-cases.test.ts.
 */
const builds = suiteNeeding('definition: the builds of Apptainer', 'root', 'userns', 'busybox', 'gcc')

const HEAD = 'Bootstrap: compose\nFrom: base/host\n'

interface Built {
  /** What the build printed. */
  said: string
  /** The text of a file of the sandbox. */
  text(path: string): string
  has(path: string): boolean
  /** Of a shell command in the sandbox, with /usr of this host. */
  shell(...words: string[]): string
}

interface Case {
  text: string
  flags?: string[]
  check(built: Built): void
}

function build(name: string, { text, flags = [], check }: Case): void {
  const { home } = world()
  const file = join(home, 'case.def')
  writeFileSync(file, text)
  const out = join(home, `box-${name.replace(/\W+/g, '-')}`)
  const words = ['build', '--sandbox', out, file, '--bind', '/usr', ...flags]
  const ran = composeIn(world(), words)
  assert.is(ran.status, 0, ran.err)
  check({
    said: ran.out + ran.err,
    text: path => readFileSync(join(out, path), 'utf8'),
    has: path => existsSync(join(out, path)),
    shell: (...command) => {
      const { status, out: said, err } = composeIn(world(), ['run', out, '--bind', '/usr', '--', ...command])
      assert.is(status, 0, err)
      return said
    }
  })
}

const OF_RUN = '/.singularity.d'

const lines = (section: string, ...body: string[]): string =>
  `${section}\n${body.map(line => `    ${line}\n`).join('')}`

const CASES: Record<string, Case> = {
  empty: { text: HEAD, check: ({ has }) => assert.ok(has('etc/passwd')) },
  help: {
    text: HEAD + lines('%help', 'line 1', 'line 2'),
    check: ({ text }) => assert.match(text(`${OF_RUN}/runscript.help`), /^line 1\n {4}line 2\n/)
  },
  files: {
    text: `${HEAD}%files\n    sent.txt NewName2.txt\n    sent.txt NewName.txt\n`,
    check: ({ text }) => {
      assert.is(text('NewName.txt'), 'sent\n')
      assert.is(text('NewName2.txt'), 'sent\n')
    }
  },
  test: {
    text: HEAD + lines('%test', 'echo "test $0"', 'false', 'echo TEST OK'),
    check: ({ said, text, shell }) => {
      assert.match(said, /TEST OK/)
      assert.is(text(`${OF_RUN}/test`), '#!/bin/sh\n\necho "test $0"\n    false\n    echo TEST OK\n')
      assert.match(shell('/.test'), /^test \/\.singularity\.d\/test\nTEST OK\n$/)
    }
  },
  'no test': {
    text: HEAD + lines('%test', 'echo TEST RAN; exit 3'),
    flags: ['--no-test'],
    check: ({ said, text }) => {
      assert.not.match(said, /TEST RAN/)
      assert.match(text(`${OF_RUN}/test`), /exit 3/)
    }
  },
  startscript: {
    text: `${HEAD}%startscript -e\n    echo started "$@"\n    false\n    echo not\n`,
    check: ({ text, shell }) => {
      assert.is(text(`${OF_RUN}/startscript`), '#!/bin/sh -e\n\necho started "$@"\n    false\n    echo not\n')
      assert.is(shell('sh', '-c', `! ${OF_RUN}/startscript a b`), 'started a b\n')
    }
  },
  runscript: {
    text: `${HEAD}%runscript -u\n    echo running "$@"\n`,
    check: ({ text, shell }) => {
      assert.is(text(`${OF_RUN}/runscript`), '#!/bin/sh -u\n\necho running "$@"\n')
      assert.is(shell(`${OF_RUN}/runscript`, 'a'), 'running a\n')
    }
  },
  'first lines of scripts': {
    text: `${HEAD}%test\n#!/usr/bin/busybox sh\ntr '\\0' ' ' < /proc/$$/cmdline\n%runscript\n#!/usr/bin/busybox sh\ntr '\\0' ' ' < /proc/$$/cmdline`,
    check: ({ said, shell }) => {
      assert.match(said, /\/usr\/bin\/busybox sh \/\.post\.script/)
      assert.match(shell(`${OF_RUN}/runscript`), /^\/usr\/bin\/busybox sh \/\.singularity\.d\/runscript/)
      assert.match(shell('/.test'), /^\/usr\/bin\/busybox sh \/\.singularity\.d\/test/)
    }
  },
  environment: {
    text: HEAD + lines('%environment', 'export testvar1=one', 'testvar2=two', 'export testvar2'),
    check: ({ shell }) => assert.is(shell('sh', '-c', 'echo $testvar1 $testvar2'), 'one two\n')
  },
  'environment that is a program': {
    text: `${HEAD}%environment\n    cd /usr\n    if true; then export FOUND=$(pwd); fi\n%test\n    test "$FOUND" = /usr\n    test "$(pwd)" = /usr\n`,
    check: ({ shell }) => assert.is(shell('/.exec', 'sh', '-c', 'echo $FOUND'), '/usr\n')
  },
  labels: {
    text: `${HEAD}%labels\n    one 1\n    two "in quotes"\n    three\n    #four 4\n`,
    check: ({ text }) => {
      const labels = JSON.parse(text(`${OF_RUN}/labels.json`))
      assert.equal(
        [labels.one, labels.two, labels.three, labels['#four']],
        ['1', '"in quotes"', '', undefined]
      )
    }
  },
  'pre and setup': {
    text: `${HEAD}%pre -v\n    test -d "$APPTAINER_ROOTFS"; echo "of pre: $0"\n%setup -c /bin/bash -x\n    [[ -d $SINGULARITY_ROOTFS/etc ]] && touch $APPTAINER_ROOTFS/of-setup\n`,
    flags: ['--host-scripts', 'ro'],
    check: ({ said, has }) => {
      assert.match(said, /of pre: \/tmp\/\.script/)
      assert.ok(has('of-setup'))
    }
  },
  post: { text: HEAD + lines('%post', 'touch PostFile1'), check: ({ has }) => assert.ok(has('PostFile1')) },
  'names of build files': {
    text: `${HEAD}%post\n    echo 'new value' >> $APPTAINER_LABELS\n    echo 'old value' >> $SINGULARITY_LABELS\n    echo 'export NEW=1' >> $APPTAINER_ENVIRONMENT\n    echo 'export OLD=2' >> $SINGULARITY_ENVIRONMENT\n`,
    check: ({ text, shell, has }) => {
      const labels = JSON.parse(text(`${OF_RUN}/labels.json`))
      assert.equal([labels.new, labels.old], ['value', 'value'])
      assert.is(shell('sh', '-c', 'echo $NEW $OLD'), '1 2\n')
      assert.not.ok(has('.build.labels'))
    }
  },
  'binds at a new place': {
    text: `${HEAD}%post\n    cat /fake/dir/sent.txt\n    ! touch /fake/dir/none\n%test\n    cat /fake/dir/sent.txt\n`,
    flags: ['--bind', 'bound:/fake/dir:ro'],
    check: ({ said, has }) => {
      assert.is(said.split('\nbound\n').length, 3, said)
      assert.not.ok(has('fake/dir/sent.txt'))
    }
  },
  'applications: everything': {
    text: `${HEAD}${['foo', 'bar-2']
      .map(
        app =>
          lines(`%apphelp ${app}`, `help of ${app}`) +
          lines(`%appenv ${app}`, `export KIND=${app}`) +
          lines(`%applabels ${app}`, `kind ${app}`) +
          lines(`%appfiles ${app}`, 'sent.txt', 'sent.txt renamed.txt') +
          lines(`%appinstall ${app}`, `touch of-${app}`) +
          lines(`%apprun ${app}`, `echo run $KIND "$@"`) +
          lines(`%appstart ${app}`, `echo start $KIND`) +
          lines(`%apptest ${app}`, 'test -e $SCIF_APPROOT/renamed.txt')
      )
      .join('')}%apprun foo\n    echo more\n`,
    check: ({ text, has, shell }) => {
      for (const app of ['foo', 'bar-2']) {
        const root = `scif/apps/${app}`
        for (const path of ['sent.txt', 'renamed.txt', `of-${app}`, 'lib', 'bin'])
          assert.ok(has(`${root}/${path}`), path)
        assert.equal(JSON.parse(text(`${root}/scif/labels.json`)), { SCIF_APP_NAME: app, kind: app })
        assert.match(text(`${root}/scif/runscript.help`), new RegExp(`help of ${app}`))
        const run = (script: string) =>
          shell('env', `SINGULARITY_APPNAME=${app}`, '/.exec', `/${root}/scif/${script}`, 'x')
        assert.is(run('runscript'), `run ${app} x\n${app === 'foo' ? 'more\n' : ''}`)
        assert.is(run('startscript'), `start ${app}\n`)
        assert.is(run('test'), '')
        assert.ok(has(`scif/data/${app}/input`) && has(`scif/data/${app}/output`))
      }
      assert.is(
        shell('/.exec', 'sh', '-c', 'echo $SCIF_APPROOT_foo $SCIF_APPRUN_bar_2 $SCIF_APPENV_foo'),
        '/scif/apps/foo /scif/apps/bar-2/scif/runscript /scif/apps/foo/scif/env/90-environment.sh\n'
      )
    }
  },
  'stages: copies of copies': {
    text:
      `${HEAD}Stage: one\n%files\n  sent.txt StageOne2.txt\n  sent.txt StageOne.txt\n\n` +
      `${HEAD}Stage: two\n%files\n  sent.txt StageTwo.txt\n\n` +
      `${HEAD}Stage: three\n%files from one\n  StageOne2.txt Copy2.txt\n  StageOne.txt Copy.txt\n%files from two\n  StageTwo.txt CopyTwo.txt\n\n` +
      `${HEAD}%files from three\n  Copy2.txt Final2.txt\n  Copy.txt Final.txt\n  CopyTwo.txt FinalTwo.txt\n`,
    check: ({ text, has }) => {
      for (const name of ['Final2', 'Final', 'FinalTwo']) assert.is(text(`${name}.txt`), 'sent\n')
      assert.not.ok(has('Copy.txt'))
    }
  },
  '1097: a link in the place of /var/tmp': {
    text: `${HEAD}%setup\n  mkdir -p "$APPTAINER_ROOTFS/var/tmp"\n  mv "$APPTAINER_ROOTFS/var/tmp" "$APPTAINER_ROOTFS/var/tmpold"\n  ln -s ../tmp "$APPTAINER_ROOTFS/var/tmp"`,
    flags: ['--host-scripts', 'ro'],
    check: ({ shell }) => assert.is(shell('readlink', '/var/tmp'), '../tmp\n')
  },
  '2607: a link in a folder of a stage': {
    text: `${HEAD}Stage: one\n%post\ntouch /bar\nmkdir -p /foo\nln -s ../bar /foo/bar\n\n${HEAD}Stage: two\n%files from one\n/foo\n`,
    check: ({ shell, has }) => {
      assert.is(shell('readlink', '/foo/bar'), '../bar\n')
      assert.not.ok(has('bar'))
    }
  },
  '3848: comments behind %files': {
    text: `${HEAD}%files\n\tsent.txt /a\n%files #  # from test\n\tsent.txt /b\n%files #   #comment\n\tsent.txt /c\n`,
    check: ({ text }) => assert.is(text('a') + text('b') + text('c'), 'sent\nsent\nsent\n')
  },
  '4203: libraries of the image are not loaded by the builder': {
    text: `${HEAD}stage: build
%post
    cat > /bad.c <<EOF
#include <unistd.h>
void __attribute__ ((constructor)) setup(void) { _exit(255); }
EOF
    gcc -shared -fPIC -o /bad.so -Wl,-soname,libnss_bad.so.2 /bad.c
    printf 'passwd: bad\\ngroup: bad\\nhosts: bad\\n' > /nsswitch.conf

${HEAD}stage: final
%environment
    cd /usr
%files from build
    /bad.so /opt/libnss_bad.so.2
    /nsswitch.conf /etc/nsswitch.conf
%post
    true
`,
    check: ({ has, shell }) => {
      assert.ok(has('opt/libnss_bad.so.2'))
      assert.is(shell('true'), '')
    }
  },
  '4583: an absolute link in a folder of a stage': {
    text: `${HEAD}stage: one\n%post\n    mkdir /copy /original\n    touch /original/a_file\n    ln -s /original/a_file /copy/a_file\n\n${HEAD}stage: two\n%files from one\n    /original\n    /copy\n`,
    check: ({ shell }) => assert.is(shell('readlink', '/copy/a_file'), '/original/a_file\n')
  },
  '4820: applications in order': {
    text: `${HEAD}%appinstall hdf5\necho installed > done.hdf5\n%appinstall med\ncp /scif/apps/hdf5/done.hdf5 done.med\n`,
    check: ({ text }) => assert.is(text('scif/apps/med/done.med'), 'installed\n')
  },
  '4967: another program for %post': {
    text: `${HEAD}%post -c /usr/bin/busybox sh\n    cat /proc/$$/cmdline | tr '\\000' ' '\n`,
    check: ({ said }) => assert.match(said, /\/usr\/bin\/busybox sh \/\.post\.script/)
  },
  '4969: links to nowhere in the place of hosts and resolv.conf': {
    text: `${HEAD}%setup\n    root=$APPTAINER_ROOTFS\n    rm -f $root/etc/hosts $root/etc/resolv.conf\n    ln -s /a/fake/path $root/etc/resolv.conf\n    ln -s /a/fake/path $root/etc/hosts\n%post\n    echo "TEST OK"\n`,
    flags: ['--host-scripts', 'ro'],
    check: ({ said, has }) => {
      assert.match(said, /\nTEST OK\n/)
      assert.not.ok(has('a'))
    }
  },
  'the image of the tests of inspect': {
    text: `${HEAD}%help\nThis is a container.\n%labels\nE2E AWESOME\ne2e awesome\nHI "HELLO WORLD"\n%post
echo "export hello=\\"world\\"" >> $APPTAINER_ENVIRONMENT
k=first; echo "$k.build.labels  $k" >> $APPTAINER_LABELS
%test
ls /
test -d /etc
%environment
export test="testing"
export e2e="e2e testing"
%runscript
cat /.singularity.d/runscript.help
%startscript
exec "$@"
`,
    check: ({ text, shell }) => {
      const labels = JSON.parse(text(`${OF_RUN}/labels.json`))
      assert.equal(
        [labels.E2E, labels.e2e, labels.HI, labels['first.build.labels']],
        ['AWESOME', 'awesome', '"HELLO WORLD"', 'first']
      )
      assert.match(shell(`${OF_RUN}/runscript`), /^This is a container\./)
      assert.is(shell('sh', '-c', 'echo "$hello $test $e2e"'), 'world testing e2e testing\n')
      assert.match(text(`${OF_RUN}/startscript`), /^#!\/bin\/sh\n\nexec "\$@"\n$/)
    }
  },
  'links and a device that %setup and %post make': {
    text: `${HEAD}%setup\n    mkdir -p $APPTAINER_ROOTFS/dev\n    : > $APPTAINER_ROOTFS/dev/zero2\n%post\n    ln -s /etc /etc2; mkdir /madness; ln -s /madness /etc2/madness\n    mknod /opt/null c 1 3\n    ln -s ../usr/share/zoneinfo/Etc/UTC /etc/relative-slink\n`,
    flags: ['--host-scripts', 'ro'],
    check: ({ shell }) => assert.is(shell('readlink', '/etc/madness'), '/madness\n')
  }
}

for (const [name, one] of Object.entries(CASES))
  builds(name, () => {
    const { home } = world()
    writeFileSync(join(home, 'sent.txt'), 'sent\n')
    mkdirSync(join(home, 'bound'), { recursive: true })
    writeFileSync(join(home, 'bound/sent.txt'), 'bound\n')
    chmodSync(join(home, 'bound'), 0o777)
    build(name, one)
  })

builds('modules with scripts of one name are composed, and the upper ones count', () => {
  const { home } = world()
  for (const name of ['low', 'high']) {
    const file = join(home, `${name}.def`)
    writeFileSync(
      file,
      `${HEAD}%startscript\necho start ${name}\n%test\necho test ${name}\n%apprun ${name}\necho app ${name}\n`
    )
    const { status, err } = composeIn(world(), ['import', `app/${name}-1`, file, '--bind', '/usr'])
    assert.is(status, 0, err)
  }
  const out = join(home, 'both')
  const { status, err } = composeIn(world(), ['build', '--sandbox', out, 'base/host', 'app/low', 'app/high'])
  assert.is(status, 0, err)
  for (const name of ['startscript', 'test'])
    assert.match(readFileSync(join(out, OF_RUN, name), 'utf8'), /echo \w+ high\n$/)
  assert.is(statSync(join(out, OF_RUN, 'startscript')).mode & 0o777, 0o755)
  for (const name of ['low', 'high']) assert.ok(existsSync(join(out, `scif/apps/${name}/scif/runscript`)))
})

builds('builds that Apptainer refuses are refused', () => {
  const { home } = world()
  const refusals: [text: string, status: number, message: RegExp][] = [
    ['', 0, /./],
    ['%post\ntrue\n', 52, /line 1: the header has no Bootstrap/],
    [`${HEAD}%post -c\ntrue\n`, 52, /line 3: no program stands behind -c/],
    [`${HEAD}%setup -x -c\ntrue\n`, 52, /line 3: no program stands behind -c/],
    [`${HEAD}Fingerprints: 0123ABCD\n`, 52, /line 3: Fingerprints: PGP signatures/],
    [`${HEAD}%test\ntouch /var/test; exit 4\n`, 53, /%test of .*, line 3, ended with status 4/]
  ]
  for (const [text, wanted, message] of refusals) {
    const file = join(home, 'refused.def')
    writeFileSync(file, text)
    const words = ['import', 'app/refused-1', file, '--bind', '/usr', '--host-scripts', 'ro']
    const { status, err } = composeIn(world(), words)
    assert.is.not(status, 0, text)
    if (wanted !== 0) assert.is(status, wanted, err)
    assert.match(err, message)
  }
  bash('test ! -e "$1/store/refs/modules/app/refused"', home)
})

builds.run()
