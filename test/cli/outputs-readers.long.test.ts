import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { chmodAt, chownAt, constants, mknodAt, setXattr } from '../../native/index.ts'
import { ACCESS_ATTRIBUTE, DEFAULT_ATTRIBUTE, encodeAcl } from '../../store/acl/acl.ts'
import { accessAs, compileAccessAs } from '../compose/audience/access-as.ts'
import {
  everybody,
  type Person,
  type RandomInode,
  randomInode,
  randomOf
} from '../compose/audience/random-acl.ts'
import { needing } from '../helpers/needs.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'
import { bySize } from '../helpers/size.ts'
import { suite } from '../helpers/suite.ts'
import { composed } from '../helpers/warm-compose.ts'

/**
 * Programs that unpack a layout or a tarball, and that copy, commit and unpack it again. Nobody of the audience gains
 * a right: the kernel is asked about every file and every possible person, and compared with a tree with all ACLs.
 */
const readers = suite('outputs: no reader widens')

const FILES = 60
/** The first folder is open, the second has a default ACL, which some readers let files inherit. */
const FOLDERS = ['plain', 'handing-down']
const GROUP = 62001

interface World {
  folder: string
  program: string
  people: Person[]
  at(name: string): string
  /** Rights by folder, person and file. */
  truth: number[][]
}

let world: World | undefined

function newWorld(): World {
  world ??= makeWorld()
  return world
}

function makeWorld(): World {
  const folder = scratch()
  chmodSync(folder, 0o755)
  const at = (name: string) => join(folder, name)
  const random = randomOf(8)
  mkdirSync(at('base'))
  for (const name of FOLDERS) makeFiles(join(at('base'), name), random)
  bash('cd "$1"; mkdir -p app/opt; echo app > app/opt/app; chmod -R a+rX base app', folder)
  const store = at('store')
  composed(store, ['init', '--level', '1'])
  // Podman's vfs driver copies each layer to make the next.
  composed(store, ['import', 'base/forms-1', at('base'), '--allow-privileged'])
  composed(store, ['import', 'app/top-1', at('app')])
  composed(store, ['build', '--sandbox', at('wanted'), 'base/forms', 'app/top', '--for', 'everyone'])
  const [program, people] = [compileAccessAs(folder), everybody()]
  return { folder, program, people, at, truth: rightsIn(at('wanted'), program, people) }
}

function makeFiles(path: string, random: (below: number) => number): void {
  mkdirSync(path)
  const top = openSync(path, 'r')
  try {
    for (let i = 0; i < FILES; i++) makeFile(top, String(i), randomInode(random))
    if (!path.endsWith(FOLDERS[1])) return
    const inherited = randomInode(random).access ?? randomInode(random).access
    setXattr(top, '', DEFAULT_ATTRIBUTE, encodeAcl(inherited!))
  } finally {
    closeSync(top)
  }
}

function makeFile(top: number, name: string, { mode, uid, gid, access }: RandomInode): void {
  mknodAt(top, name, constants.S_IFREG | 0o600)
  chownAt(top, name, uid, gid)
  // Half of them have no ACL: those are what a default ACL of the folder would be given to.
  if (access !== undefined && Number(name) % 2 === 0) setXattr(top, name, ACCESS_ATTRIBUTE, encodeAcl(access))
  chmodAt(top, name, mode & 0o777)
}

const rightsIn = (tree: string, program: string, people: Person[]): number[][] =>
  FOLDERS.flatMap(name => accessAs(program, join(tree, name), FILES, people))

/** Number of rights that a person has in a tree and the truth denies. */
function gained(tree: string, isAsked: (person: Person) => boolean): number {
  const { program, people, truth } = newWorld()
  // Engines keep their trees where nobody but root may enter.
  bash('cd "$1"; while [ "$PWD" != / ]; do chmod a+rx . 2>/dev/null || true; cd ..; done', tree)
  let found = 0
  for (const [i, rights] of rightsIn(tree, program, people).entries())
    if (isAsked(people[i % people.length]))
      for (const [file, right] of rights.entries()) if ((right & ~truth[i][file]) !== 0) found++
  return found
}

const AUDIENCES: [name: string, isIn: (person: Person) => boolean][] = [
  ['everyone', () => true],
  [`group:${GROUP}`, ({ groups }) => groups.includes(GROUP)]
]

const layoutFor = (audience: string): string => {
  const { at } = newWorld()
  const out = at(`layout-${audience.replace(':', '-')}`)
  if (!existsSync(out)) {
    const flags = ['--format', 'oci', '--layer-comp', 'none', '--bare', '--for', audience]
    composed(at('store'), ['build', out, 'base/forms', 'app/top', ...flags])
  }
  return out
}

const NEEDS = ['root', 'cc', 'umoci', 'setfacl'] as const

for (const [audience, isIn] of AUDIENCES) {
  needing(readers, ...NEEDS)(`umoci, for ${audience}`, () => {
    const out = layoutFor(audience)
    bash('umoci unpack --image "$1:latest" "$1.umoci"', out)
    assert.is(gained(`${out}.umoci/rootfs`, isIn), 0)
  })

  for (const driver of audience === 'everyone' ? bySize(['vfs'], ['vfs', 'overlay']) : bySize([], ['vfs']))
    needing(
      readers,
      ...NEEDS,
      'podman'
    )(`podman with the ${driver} driver, in a container and what is committed of it, for ${audience}`, () => {
      const out = layoutFor(audience)
      const found: number[] = []
      inPodman(out, driver, (run, folder) => {
        const container = run(`create --network none ${run(`pull -q oci:${basename(out)}:latest`)} /opt/app`)
        const tree = run(`mount ${container}`)
        found.push(gained(tree, isIn))
        // A file that is touched is in the next layer: podman writes of it what stat(2) says.
        for (const name of FOLDERS) bash('find "$1" -type f -exec touch {} +', join(tree, name))
        run(`commit -q ${container} again:1`)
        run(`save -q --format oci-dir -o ${folder}/again again:1`)
        run(`rm -f ${container}`)
        bash(
          'cd "$1"; tag=$(umoci ls --layout again | head -1); umoci unpack --image "again:$tag" again.umoci',
          folder
        )
        found.push(gained(`${folder}/again.umoci/rootfs`, isIn))
      })
      assert.equal(found, [0, 0])
    })

  for (const program of [
    'tar --acls --xattrs --xattrs-include=* --numeric-owner',
    'tar --xattrs --xattrs-include=* --numeric-owner',
    'tar --no-acls --numeric-owner',
    'bsdtar --acls --xattrs --numeric-owner',
    'bsdtar --no-acls --no-xattrs --numeric-owner'
  ])
    needing(
      readers,
      ...NEEDS,
      'bsdtar'
    )(`${program}, for ${audience}`, () => {
      const { at } = newWorld()
      const out = join(scratch(), 'out')
      const flags = ['--format', 'tar', '--bare', '--for', audience]
      composed(at('store'), ['build', `${out}.tar`, 'base/forms', 'app/top', ...flags])
      bash(`mkdir "$1"; ${program} -xpf "$1.tar" -C "$1"; chmod 755 "$1"`, out)
      assert.is(gained(out, isIn), 0)
    })
}

needing(readers, ...NEEDS)(
  'none of them is given the ACL as an attribute, and those that know the text have it',
  () => {
    const layer = join(layoutFor('everyone'), 'blobs/sha256')
    const records = bash('cd "$1"; cat *', layer).toString('latin1')
    assert.not.match(records, 'SCHILY.xattr.system.posix_acl')
    assert.match(records, 'SCHILY.acl.access=user::')
    assert.match(records, 'SCHILY.acl.default=user::')
    assert.ok(readdirSync(layer).length > 2)
  }
)

/** @param work gets what runs podman with a storage of its own, and a folder, both removed afterwards */
function inPodman(
  out: string,
  driver: string,
  work: (run: (words: string) => string, folder: string) => void
): void {
  const folder = scratch()
  // podman takes no more than 50 characters for it, and the runner's temporary folder has 27.
  const runRoot = mkdtempSync('/var/tmp/strata-')
  const run = (words: string) =>
    bash(
      `cd "$1"; exec podman --root "$2/root" --runroot "$3" --storage-driver ${driver} ${words} 2>/dev/null`,
      dirname(out), // it makes names of paths, and takes no capitals in them
      folder,
      runRoot
    )
      .toString()
      .trim()
  try {
    work(run, folder)
  } finally {
    run('rm -a -f')
    run('umount -a')
    for (const place of [folder, runRoot])
      bash('findmnt -rno TARGET | grep "^$1" | xargs -r umount || true', place)
    rmSync(runRoot, { recursive: true, force: true })
  }
}

readers.run()
