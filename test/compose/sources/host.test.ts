import { execFileSync } from 'node:child_process'
import { readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { DpkgDatabase } from '../../../compose/sources/host/dpkg.ts'
import { type HostRequest, openHostSource } from '../../../compose/sources/host/host-source.ts'
import { HostTree } from '../../../compose/sources/host/host-tree.ts'
import { LibraryFinder } from '../../../compose/sources/host/libraries.ts'
import type { ImportedLayer } from '../../../store/import/import-layer.ts'
import type { SkippedPath } from '../../../store/import/module-source.ts'
import type { Origin } from '../../../store/module/record.ts'
import type { Repository } from '../../../store/repository/repository.ts'
import { atCheckSize, needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { refusedLater } from '../../helpers/refused.ts'
import { scratch } from '../../helpers/scratch.ts'
import { newStore } from '../../helpers/stores.ts'
import { suite } from '../../helpers/suite.ts'
import { type ReadMember, readTar } from '../../helpers/tar-read.ts'

const host = suite('sources: this host')

interface Taken {
  members: Map<string, ReadMember>
  tar: Buffer
  origin: Origin
  notes: string[]
  skipped: SkippedPath[]
}

let store: Repository | undefined

async function take(request: Partial<HostRequest>): Promise<Taken> {
  store ??= await newStore()
  const all = { packages: [], withDependencies: false, bases: [], programs: [], include: [], ...request }
  const source = await openHostSource(store, all, {})
  try {
    const pieces: Uint8Array[] = []
    let origin: Origin | undefined
    for await (const layer of source.layers) {
      for await (const chunk of layer.chunks) pieces.push(chunk)
      origin = layer.origin({} as ImportedLayer)
    }
    const tar = Buffer.concat(pieces)
    const members = new Map(readTar(tar).members.map(member => [member.path, member]))
    return { members, tar, origin: origin!, notes: source.notes!, skipped: source.skipped! }
  } finally {
    await source.close?.()
  }
}

/** Output of a program in a tree that holds nothing else. */
const run = (tree: string, ...command: string[]): string =>
  bash(
    'tree=$1; shift; mkdir -p "$tree/dev" "$tree/proc"; env -i PATH=/usr/bin LC_ALL=C bwrap --bind "$tree" / --dev /dev --proc /proc "$@"',
    tree,
    ...command
  ).toString()

const unpack = (tar: Buffer): string => {
  const folder = scratch()
  writeFileSync(join(folder, 'host.tar'), tar)
  bash('cd "$1"; mkdir tree; tar -xf host.tar -C tree', folder)
  return join(folder, 'tree')
}

for (const program of [
  '/bin/ls',
  '/usr/bin/perl',
  '/usr/bin/git',
  '/usr/bin/python3',
  '/usr/bin/tmux',
  '/usr/bin/mpirun'
])
  needing(
    host,
    'ldd',
    program.slice(program.lastIndexOf('/') + 1)
  )(`${program} comes with the libraries that ldd lists`, () => {
    const tree = new HostTree('/')
    const finder = new LibraryFinder(tree, () => false)
    const real = tree.take(program, { followLast: true })!
    const mine = finder.take(real).map(path => `/${tree.resolve(path, { followLast: true })}`)
    tree.close()
    const shown = execFileSync('ldd', [program]).toString()
    const theirs = [...shown.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => realpathSync(path))
    assert.equal([...new Set(mine)].sort(), [...new Set(theirs)].sort())
  })

atCheckSize(needing(host, 'root', 'chroot', 'perl'))(
  'a program runs in a tree of nothing else, and data files are with it',
  async () => {
    const { tar, origin } = await take({ programs: ['/usr/bin/perl'], include: ['/etc/debian_version'] })
    const tree = unpack(tar)
    assert.is(run(tree, '/usr/bin/perl', '-e', 'print 6*7'), '42')
    assert.is(
      readFileSync(join(tree, 'etc/debian_version'), 'utf8'),
      readFileSync('/etc/debian_version', 'utf8')
    )
    assert.is(origin.kind, 'program')
    for (const { name, version, architecture } of origin.packages!) {
      const shown = execFileSync('dpkg-query', [
        '-W',
        '-f',
        `\${Version} \${Architecture}`,
        `${name}:${architecture}`.replace(':all', '')
      ])
      assert.is(`${version} ${architecture}`, shown.toString(), name)
    }
    assert.ok(origin.packages!.some(({ name }) => name === 'libc6'))
  }
)

atCheckSize(needing(host, 'root', 'chroot', 'gcc'))(
  'libraries by RUNPATH, $ORIGIN and links are found, and the links are kept',
  async () => {
    const folder = scratch()
    bash(
      `cd "$1"; mkdir -p app/bin app/lib deep
    echo 'int deep(void){return 20;}' > d.c; echo 'int deep(void); int answer(void){return deep()+22;}' > a.c
    printf '#include <stdio.h>\\nint answer(void); int main(void){printf("%%d", answer());}\\n' > m.c
    gcc -shared -fPIC -Wl,-soname,libdeep.so.1 -o deep/libdeep.so.1.0 d.c; ln -s libdeep.so.1.0 deep/libdeep.so.1
    gcc -shared -fPIC -Wl,-soname,libanswer.so.2 -Wl,--enable-new-dtags -Wl,-rpath,'$ORIGIN/../../deep' -o app/lib/libanswer.so.2 a.c deep/libdeep.so.1
    gcc -Wl,--enable-new-dtags -Wl,-rpath,'$ORIGIN/../lib' -o app/bin/main m.c app/lib/libanswer.so.2 -Wl,-rpath-link,deep
    ln -s app/bin/main start
    printf '#!/usr/bin/env -S perl -w\\nprint 6*7' > script; chmod 755 script`,
      folder
    )
    const program = await take({ programs: [join(folder, 'start')] })
    const tree = unpack(program.tar)
    assert.is(run(tree, join(folder, 'start')), '42')
    assert.is(program.members.get(join(folder, 'deep/libdeep.so.1').slice(1))!.kind, 'symlink')
    assert.is(program.members.get(join(folder, 'start').slice(1))!.kind, 'symlink')
    const script = unpack((await take({ programs: [join(folder, 'script')] })).tar)
    assert.is(run(script, join(folder, 'script')), '42')
    bash('rm "$1/deep/libdeep.so.1"', folder)
    const error = await refusedLater(
      take({ programs: [join(folder, 'start')] }),
      'PACKAGE_MISSING',
      /needs libraries/
    )
    assert.match(JSON.stringify(error.facts), 'libdeep.so.1 (needed by')
  }
)

needing(
  host,
  'dpkg-query',
  'openmpi-bin'
)('a package is what dpkg lists, as it is here, and alternatives are with it', async () => {
  const { members, origin, notes, skipped } = await take({ packages: ['openmpi-bin'] })
  const listed = execFileSync('dpkg-query', ['-L', 'openmpi-bin']).toString().trim().split('\n')
  const missing = new Set(skipped.map(({ path }) => `/${path}`))
  for (const path of listed) {
    if (path === '/.' || missing.has(path)) continue
    const real = path.replace(/\/[^/]*$/, folder => folder)
    const folder = realpathSync(real.slice(0, real.lastIndexOf('/')) || '/')
    assert.ok(members.has(join(folder, real.slice(real.lastIndexOf('/') + 1)).slice(1)), path)
  }
  assert.is(members.get('usr/bin/mpirun')!.linkTarget, '/etc/alternatives/mpirun')
  assert.is(members.get('etc/alternatives/mpirun')!.kind, 'symlink')
  assert.match(notes.join('\n'), '/usr/bin/mpirun')
  assert.is(origin.packages![0].name, 'openmpi-bin')
})

atCheckSize(needing(host, 'dpkg-query', 'openmpi-bin'))(
  'dependencies are exactly those that dpkg has installed',
  () => {
    const database = new DpkgDatabase('/')
    const found = new Set<string>()
    const open = [database.find('openmpi-bin')!]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (found.has(at.key)) continue
      found.add(at.key)
      const { packages, missing } = database.dependencies(at)
      assert.equal(missing, [], at.name)
      open.push(...packages.map(({ key }) => database.find(key)!))
    }
    for (const key of found)
      assert.match(
        execFileSync('dpkg-query', ['-W', '-f', `\${Status}`, key.replace(':all', '')]).toString(),
        ' installed'
      )
    assert.ok([...found].some(key => key.startsWith('libopenmpi')))
    assert.ok([...found].some(key => key.startsWith('libc6')))
  }
)

host('packages that are not installed are all named', async () => {
  const wanted = /no-such-one, no-such-two are not installed/
  await refusedLater(
    take({ packages: ['no-such-one', 'base-files', 'no-such-two'] }),
    'PACKAGE_MISSING',
    wanted
  )
})

host('files that changed or disappeared since installation are reported, except settings files', async () => {
  const root = scratch()
  bash(
    `cd "$1"; mkdir -p var/lib/dpkg/info usr/bin etc; ln -s usr/bin bin
    echo new > usr/bin/changed; echo same > usr/bin/same; echo mine > etc/tool.conf
    printf 'Package: tool\\nStatus: install ok installed\\nVersion: 1\\nArchitecture: all\\nConffiles:\\n /etc/tool.conf d41d8cd98f00b204e9800998ecf8427e\\n' > var/lib/dpkg/status
    printf '/.\\n/bin\\n/bin/changed\\n/bin/same\\n/bin/gone\\n/etc/tool.conf\\n' > var/lib/dpkg/info/tool.list
    (echo old | md5sum | sed 's,-,bin/changed,'; echo same | md5sum | sed 's,-,bin/same,') > var/lib/dpkg/info/tool.md5sums`,
    root
  )
  const { members, notes, skipped } = await take({ packages: ['tool'], root })
  assert.equal(
    [...members.keys()],
    ['bin', 'etc', 'etc/tool.conf', 'usr', 'usr/bin', 'usr/bin/changed', 'usr/bin/same']
  )
  assert.equal(skipped, [{ path: 'bin/gone', reason: 'tool lists it, but it is not on this host' }])
  assert.equal(notes, [
    '/etc/tool.conf, a settings file of tool, was changed on this host, and is taken as it is',
    '/usr/bin/changed differs from the file of tool: it was changed on this host'
  ])
})

atCheckSize(needing(host, 'root', 'rpm', 'rpmbuild'))('on a system of rpm, rpm is asked', async () => {
  const root = scratch()
  const spec = (name: string, more: string) =>
    `Name: ${name}\nVersion: 1\nRelease: 1\nSummary: ${name}\nLicense: x\nBuildArch: noarch\nAutoReqProv: no\n${more}\n%description\nx\n%install\nmkdir -p %{buildroot}/opt\necho ${name} > %{buildroot}/opt/${name}\n%files\n/opt/${name}\n`
  writeFileSync(join(root, 'one.spec'), spec('one', 'Requires: thing >= 1'))
  writeFileSync(join(root, 'two.spec'), spec('two', 'Provides: thing = 2'))
  bash(
    `cd "$1"; mkdir -p host/var/lib/rpm
    for name in one two; do rpmbuild -bb --quiet --define "_topdir $1/top" --define "_rpmdir $1" "$name.spec" >/dev/null 2>&1; done
    rpm --root "$1/host" --dbpath /var/lib/rpm -i noarch/*.rpm 2>/dev/null
    rm -rf host/usr/lib/sysimage; echo changed > host/opt/two`,
    root
  )
  const { members, origin, notes } = await take({
    packages: ['one'],
    withDependencies: true,
    root: join(root, 'host')
  })
  assert.ok(members.has('opt/one') && members.has('opt/two'))
  assert.equal(origin.packages, [
    { name: 'one', version: '1-1', architecture: 'noarch' },
    { name: 'two', version: '1-1', architecture: 'noarch' }
  ])
  assert.equal(notes, ['/opt/two differs from the file of two: it was changed on this host'])
  const missing = take({ packages: ['three'], root: join(root, 'host') })
  await refusedLater(missing, 'PACKAGE_MISSING', /rpm says that three is not installed/)
})

host.run()
