import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { atAllSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { suite } from '../../helpers/suite.ts'
import { composeIn, world } from '../capture/capture-world.ts'

/** Dockerfiles become modules and images (spec/definitions.md#dockerfiles). */

const write = (name: string, text: string, mode = 0o644): void => {
  const path = join(world().home, name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
  chmodSync(path, mode)
}

const importing = (module: string, text: string, ...more: string[]) => {
  write('ctx/Dockerfile', text)
  const file = join(world().home, 'ctx/Dockerfile')
  return composeIn(world(), ['import', module, file, '--bind', '/usr', '--no-network', ...more])
}

// biome-ignore lint/suspicious/noExplicitAny: the test looks into a document
const shown = (module: string): any => JSON.parse(composeIn(world(), ['--json', 'show', module]).out)

const docker = suite('Dockerfile')
const long = atAllSize(docker)

docker('becomes a module with its settings, and here-documents are read', () => {
  const text = `# escape=\\
ARG BASE=base/host
FROM $BASE
ARG V=1 W
ENV TOOL=/opt/t \\
  # between
  V2="$V \${W:-none} \${W:+some}" PATH=/opt/t/bin:$PATH
LABEL one=1 "two.words"='2 $V' three="$V"
COPY --chmod=755 <<A <<'B' /opt/t/bin/
echo $TOOL
A
echo $TOOL
B
RUN <<END
set -e
echo 'from $TOOL' > /opt/here
cat > /opt/inner <<IN
$TOOL
IN
END
RUN cat <<-EOT > /opt/tabs && cat <<'Q' >> /opt/tabs
\ttab $V
\tEOT
raw $V
Q
WORKDIR /opt/w
USER games
RUN id -un > /tmp/who; touch /tmp/own; cp /tmp/who /var/tmp/x
USER 0:0
RUN cp /tmp/who .; stat -c %U /tmp/own >> who; pwd >> who
HEALTHCHECK CMD true
ENTRYPOINT ["tool", "a'b"]
CMD tool \${x}
`
  const { status, err } = importing('app/docker-1', text, '--build-arg', 'V=7', '--build-arg', 'Z=1')
  assert.is(status, 0, err)
  assert.match(err, /--build-arg Z is not used/)
  assert.match(err, /HEALTHCHECK is not used/)
  const record = shown('app/docker-1')
  assert.equal(record.labels, { one: '1', 'two.words': '2 $V', three: '7' })
  assert.equal(
    record.environment.map(
      ({ operation, name, value }: Record<string, string>) => `${operation} ${name}=${value}`
    ),
    ['set TOOL=/opt/t', 'set V2=7 none ', 'prepend PATH=/opt/t/bin']
  )
  assert.is(
    record.runscript,
    `#!/bin/sh\n[ $# -gt 0 ] || set -- '/bin/sh' '-c' 'tool \${x}'\nexec 'tool' 'a'\\''b' "$@"\n`
  )
  assert.match(record.origin[0].recipe, /^# --build-arg V=7\n# --build-arg Z=1\n# escape=/)
  const out = join(world().home, 'tar')
  composeIn(world(), ['export', 'app/docker-1', out])
  const file = (path: string): string => bash('tar -xOf "$1"/*.tar "$2"', out, path).toString()
  assert.is(file('opt/t/bin/A'), 'echo /opt/t\n')
  assert.is(file('opt/t/bin/B'), 'echo $TOOL\n')
  assert.is(file('opt/here'), 'from $TOOL\n')
  assert.is(file('opt/inner'), '/opt/t\n')
  assert.is(file('opt/tabs'), 'tab 7\nraw $V\n')
  assert.is(file('opt/w/who'), 'games\ngames\n/opt/w\n')
})

long('that cannot be built says where, and publishes nothing', () => {
  write('ctx/packed.tgz', '')
  writeFileSync(join(world().home, 'ctx/packed.tgz'), Buffer.from('1f8b', 'hex'))
  for (const [text, status, message] of [
    ['FROM base/host\nRUN exit 3\n', 53, /RUN of .*Dockerfile, line 2, ended with status 3/],
    ['FROM base/host\nRUN a \\\n b\nFOO x\n', 52, /line 4: FOO is not an instruction/],
    ['FROM base/host\nCOPY nothing /x\n', 52, /line 2: no file is named nothing/],
    ['FROM base/host\nCOPY ../../etc/passwd /x\n', 52, /line 2: no file is named/],
    ['FROM base/host\nCOPY a b /x\n', 52, /line 2: COPY copies 2 sources/],
    ['FROM base/host\nADD https://example.org/x /x\n', 52, /line 2: ADD .* would fetch it/],
    ['FROM base/host\nADD packed.tgz /x\n', 52, /line 2: ADD packed\.tgz would unpack it/],
    ['FROM base/host\nRUN --mount=type=secret,target=/x true\n', 52, /type=secret is not known/],
    ['FROM base/host\nENV A="x\n', 52, /line 2: ENV: a quote has no end/],
    ['FROM base/host\nUSER nobodyhere\nRUN true\n', 52, /no user nobodyhere/],
    ['FROM base/host\nCOPY <<E /x\nno end\n', 52, /line 2: the here-document E has no end/],
    ['ARG A\nRUN x\nFROM base/host\n', 52, /line 2: RUN stands before the first FROM/]
  ] as const) {
    const ran = importing('app/fails-1', text)
    assert.is(ran.status, status, `${text}\n${ran.err}`)
    assert.match(ran.err, message)
  }
  assert.is.not(composeIn(world(), ['show', 'app/fails-1']).status, 0)
})

long('mounts what .dockerignore leaves of the context, and what it shows cannot be written', () => {
  write('ctx/part/.env', 'secret\n')
  write('ctx/part/deep/f', 'f\n')
  symlinkSync('deep/f', join(world().home, 'ctx/part/link'))
  write('ctx/.dockerignore', '**/.env\n')
  const text = `FROM base/host
RUN --mount=type=bind,source=part,target=/mnt find /mnt -mindepth 1 | sort > /opt/list; cat /mnt/link >> /opt/list
RUN --mount=type=bind,source=part/deep/f,target=/mnt/one cat /mnt/one >> /opt/list; ! touch /mnt/one
`
  const { status, err } = importing('app/mounted-1', text)
  assert.is(status, 0, err)
  const out = join(world().home, 'mounted')
  composeIn(world(), ['export', 'app/mounted-1', out])
  const list = bash('tar -xOf "$1"/*.tar opt/list', out).toString()
  assert.is(list, '/mnt/deep\n/mnt/deep/f\n/mnt/link\nf\nf\n')
  for (const [line, message] of [
    ['RUN --mount=type=bind,source=part/.env,target=/mnt true', /line 2: no file is named part\/\.env/],
    ['RUN --mount=type=bind,source=none,target=/mnt true', /line 2: no file is named none/],
    ['COPY part/deep/f /opt/file\nWORKDIR /opt/file/x', /line 3: \/opt\/file is not a folder/]
  ] as const) {
    const ran = importing('app/fails-2', `FROM base/host\n${line}\n`)
    assert.is(ran.status, 52, ran.err)
    assert.match(ran.err, message)
  }
})

docker('keeps a value of several lines on one line of the recipe', () => {
  const ran = importing(
    'app/lines-1',
    'FROM base/host\nARG A\nCOPY <<E /opt/e\nE\n',
    '--build-arg',
    'A=x\nFROM evil'
  )
  assert.is(ran.status, 0, ran.err)
  assert.match(shown('app/lines-1').origin[0].recipe, /^# --build-arg A=x\\nFROM evil\nFROM base/)
})

long('starts from scratch even if somebody has published the empty layer for a group alone', () => {
  writeFileSync(join(world().home, 'empty.tar'), Buffer.alloc(1024))
  const group = ['--access-group', '1000']
  const closed = composeIn(world(), [
    'import',
    'base/empty-1',
    join(world().home, 'empty.tar'),
    '--kind',
    'base',
    ...group
  ])
  assert.is(closed.status, 0, closed.err)
  const { status, err } = importing('app/scratch-1', 'FROM scratch\nCOPY <<E /e\nE\n', '--kind', 'base')
  assert.is(status, 0, err)
})

const BUILT = `ARG WHO=ann
FROM base/box-1 AS make
RUN mkdir -p /out/deep && echo made > /out/deep/f && chown ann:staff /out/deep/f && chmod 4750 /out/deep/f && ln -s f /out/deep/l
RUN mkdir /from-d # podman gives a folder that COPY makes to root, BuildKit to --chown
COPY --chown=ann:staff d /from-d/

FROM base/box-1
ARG WHO
ARG LATER=one
ENV A=1 B="two words" PATH=/opt/bin:$PATH
ENV OLD old value
WORKDIR /srv
WORKDIR app
COPY . .
COPY top.txt /files/
COPY --chown=1234:50 d/a.txt /files/owned
COPY ["top.txt", "/files/json name"]
COPY d/*.txt /files/glob/
COPY --from=make /out/deep /stage
COPY --from=make /from-d /stage-d
COPY --from=0 /out/deep/f /stage-f
RUN pwd > /pwd; echo "$WHO $LATER $A $B $OLD" \\
   # a comment
   > /vars
RUN ["sh", "-c", "echo exec $HOME > /exec"]
USER $WHO
RUN id -u > /home/ann/id; id -g >> /home/ann/id; touch /tmp/mine
USER root
RUN rm -rf /home/ann/none /etc/gone; chown 7:8 /files/top.txt; chmod 2755 /files
COPY top.txt /files/owned
SHELL ["/bin/busybox", "sh", "-ec"]
RUN echo $0 > /shell
`

/** A whole system of one program, and the files that are copied. */
const BOX = `
mkdir -p "$1"/box/{bin,etc,tmp,proc,dev,sys,root,run,home/ann}; cd "$1"/box
cp "$(command -v busybox)" bin/busybox; for each in $(busybox --list | grep -v '^busybox$'); do ln -s busybox bin/$each; done
printf 'root:x:0:0::/root:/bin/sh\\nann:x:1234:1235::/home/ann:/bin/sh\\n' > etc/passwd
printf 'root:x:0:\\nstaff:x:50:\\nann:x:1235:\\n' > etc/group; echo x > etc/gone
chmod 1777 tmp; chown -R 0:0 .; chown 1234:1235 home/ann; find . -exec touch -h -d @1500000000 {} +
tar --numeric-owner -cf "$1"/box.tar .; chmod a+r "$1"/box.tar
`

const PODMAN = `
short=$(mktemp -d /tmp/podXXXXXX); trap 'rm -rf "$short"' EXIT
podman() { command podman --root "$1" --runroot "$short" --storage-driver vfs --cgroup-manager cgroupfs --events-backend none "\${@:2}"; }
cd "$1"; podman "$1"/podman import box.tar localhost/base/box-1 >&2
podman "$1"/podman build --layers=false --format docker --isolation chroot --network host -t localhost/out/made ctx >&2
podman "$1"/podman save --format oci-archive -o podman.oci localhost/out/made >&2
umount "$1"/podman 2>/dev/null || true; rm -rf podman; chmod a+r podman.oci
`

const LIST = `tar --numeric-owner -tvf "$1" --full-time | sed -E 's/^(\\S+) (\\S+) +(\\S+) \\S+ \\S+ (\\.\\/)?/\\1 \\2 /' |
  grep -vE ' (\\.?|(\\.compose|ch|mnt|usr|var|proc|dev|sys|run|\\.singularity\\.d|singularity|environment|bin)(/.*| ->.*)?|etc/(hosts|hostname|resolv.conf|mtab.*|profile.*)|\\./?|tmp/.*)$' | sort -k3`

const DIGESTS = `mkdir -p "$1.d"; tar -C "$1.d" -xf "$1" --no-same-owner --no-same-permissions --exclude='*.compose*' 2>/dev/null; cd "$1.d"
for f in pwd vars exec home/ann/id shell srv/app/d/a.txt "files/json name" files/owned stage-f; do sha256sum "$f" || true; done; chmod -R u+rwX .`

needing(
  docker,
  'root',
  'podman',
  'busybox-static'
)('gives the tree that podman gives', () => {
  const { home } = world()
  bash(BOX, home)
  write('ctx/d/a.txt', 'a\n', 0o664)
  write('ctx/d/sub/b', 'b\n')
  chmodSync(join(home, 'ctx/d/sub'), 0o775)
  symlinkSync('a.txt', join(home, 'ctx/d/link'))
  write('ctx/skip/s', 's\n')
  write('ctx/skip/keep', 'keep\n')
  write('ctx/x.log', 'l\n')
  write('ctx/.dockerignore', '# list\nskip\n!skip/keep\n**/*.log\npacked.tgz\n')
  write('ctx/top.txt', 'top\n', 0o644)
  write('ctx/Dockerfile', BUILT)
  assert.is(composeIn(world(), ['import', 'base/box-1', join(home, 'box.tar'), '--kind', 'base']).status, 0)
  const ours = join(home, 'ours.tar')
  const building = ['build', ours, join(home, 'ctx/Dockerfile'), '--no-network', '--format', 'tar']
  const { status, err } = composeIn(world(), building)
  assert.is(status, 0, err)
  const podman = spawnSync('bash', ['-euc', PODMAN, 'bash', home], { encoding: 'utf8' })
  assert.is(podman.status, 0, podman.stderr)
  assert.is(composeIn(world(), ['import', 'base/podman-1', join(home, 'podman.oci')]).status, 0)
  const theirs = join(home, 'theirs.tar')
  assert.is(composeIn(world(), ['build', theirs, 'base/podman', '--format', 'tar']).status, 0)
  assert.is(bash(LIST, ours).toString(), bash(LIST, theirs).toString())
  assert.is(bash(DIGESTS, ours).toString(), bash(DIGESTS, theirs).toString())
})

const STAGE_A = 'FROM base/host AS a\nRUN mkdir /opt/q; echo d >/opt/q/f\n'

long('takes a whole stage over, without its record and without generated files', () => {
  const { status, err } = importing('app/whole-1', `${STAGE_A}FROM scratch\nCOPY --from=a / /\n`)
  assert.is(status, 0, err)
  assert.equal(shown('app/whole-1').requires, [])
  const out = join(world().home, 'whole')
  assert.is(composeIn(world(), ['export', 'app/whole-1', out]).status, 0)
  const names = bash('for each in "$1"/*.tar; do tar -tf "$each"; done', out).toString().split('\n')
  for (const name of ['opt/q/f', 'etc/passwd', 'bin'])
    assert.ok(
      names.some(each => each.replace(/^\.\//, '') === name),
      name
    )
  assert.equal(
    names.filter(name => /^(\.\/)?(\.compose|\.singularity\.d|environment)/.test(name)),
    []
  )
})

long('writes nothing below /.compose, and shows no record of another stage', () => {
  write('ctx/s', 'strata-metadata-1')
  const copy = 'COPY s /.compose/sandbox/metadata'
  const ways: [number, string][] = [
    [2, `FROM base/host\n${copy}\n`],
    [2, 'FROM base/host\nCOPY s /.compose\n'],
    [2, 'FROM base/host\nWORKDIR /.compose/new\n'],
    [3, 'FROM base/host\nRUN ln -s /.compose/sandbox /opt/l\nCOPY s /opt/l/metadata\n'],
    [4, `${STAGE_A}FROM base/host\nRUN --mount=type=bind,from=a,source=/.compose,target=/mnt true\n`]
  ]
  for (const [line, text] of ways) {
    const { err } = importing('app/forged-1', text)
    assert.match(err, new RegExp(`line ${line}: /\\.compose.*DEFINITION_INVALID`, 's'), text)
  }
  const bound =
    'RUN --mount=type=bind,from=a,target=/mnt cat /mnt/opt/q/f && test -z "$(ls -A /mnt/.compose/sandbox)"\n'
  const { status, err } = importing('app/bound-1', `${STAGE_A}FROM base/host\n${bound}RUN echo 1 >/opt/one\n`)
  assert.is(status, 0, err)
})

docker.run()
