/** Each command that changes something, with a small world for it. A new command: one entry more. */
import { join } from 'node:path'
import { EXIT_STATUS } from '../../store/values/errors.ts'
import { composed } from '../helpers/compose.ts'
import { bash } from '../helpers/real-tree.ts'
import { scratch } from '../helpers/scratch.ts'

export interface CrashCase {
  name: string
  /** Run in the world; its store is `store`. */
  args: string[]
  /** Folder that holds what the command finds; it is copied for each run. */
  template: string
  /** Relative to the world: what the command writes. Each is as before, or whole as afterwards, or absent. */
  outputs: string[]
  /**
   * State after a loss of power: all effects of a command that had ended; or at least a sound store, because removed
   * files may come back; or no promise, because a sandbox is not flushed (spec/sandbox.md#writing).
   */
  afterPowerLoss: 'all' | 'sound' | 'unknown'
  /** Exit status of a second run of the same command, if that is an error. */
  doneStatus?: number
  /** Paths that it leaves out, and says so, rather than fail. */
  optional?: RegExp
  /** Faults that are there already, and that the command removes. */
  faults?: RegExp
}

/** Every kind of entry, ACLs and attributes among them, within some kilobytes. */
const SOURCES = `
  cd "$1"; mkdir -p one/bin one/etc two/lib three/opt
  seq 400 > one/etc/numbers; seq 9 > one/bin/tool; ln one/bin/tool one/bin/same; ln -s tool one/bin/link
  mknod one/etc/null c 1 3; mkfifo one/etc/fifo; chmod 4755 one/bin/tool; chown 7:8 one/etc/numbers
  setfacl -m u:1234:r--,g:77:rw- one/etc/numbers; setfacl -d -m g:77:r-x one/etc; setfattr -n user.a -v b one/bin
  head -c 5000 /dev/urandom > two/lib/lib.so; echo 2 > two/lib/version
  head -c 3000 /dev/urandom > three/opt/tool; setfattr -n user.c -v d three/opt/tool
  for layer in one two three; do
    tar -C "$layer" --xattrs --acls --sort=name --numeric-owner -cf "$layer.tar" .; rm -r "$layer"
  done`

function publishedWorld(): string {
  const world = scratch()
  bash(SOURCES, world)
  const store = join(world, 'store')
  composed(store, ['init', '--level', '1'])
  const publish = (name: string, tar: string) => composed(store, ['import', name, tar], { cwd: world })
  publish('base/a-1', 'one.tar')
  publish('lib/b-1', 'two.tar')
  bash(`cd "$1"; printf 'modules:\\n  - base/a\\n  - lib/b\\n' > stack.yaml`, world)
  return world
}

function changed(world: string, script: string): string {
  const folder = join(scratch(), 'world')
  bash(`cp -a "$1" "$2"; cd "$2"; ${script}`, world, folder)
  return folder
}

/** Makes the worlds, which takes about three seconds; needs root, for devices and owners. */
export function crashCases(): CrashCase[] {
  const published = publishedWorld()
  const built = changed(published, 'echo hsqs: an old image > out.sqfs')
  composed(join(built, 'store'), ['build', 'image.sqfs'], { cwd: built })
  const damaged = changed(
    published,
    `set -- $(find store/objects -name '*.index' | sort)
    rm "$1"; chmod u+w "$2"; printf x | dd of="$2" bs=1 seek=300 conv=notrunc status=none; chmod 444 "$2"`
  )
  const left = changed(published, 'tar -cf four.tar stack.yaml')
  composed(join(left, 'store'), ['import', 'lib/old-1', 'four.tar'], { cwd: left })
  const gone = changed(left, '')
  composed(join(gone, 'store'), ['unpublish', 'lib/old-1'], { cwd: gone })
  return [
    { name: 'init', args: ['init', '--level', '1'], template: scratch(), outputs: [], afterPowerLoss: 'all' },
    {
      name: 'import',
      args: ['import', 'lib/new-1', 'three.tar'],
      template: published,
      outputs: [],
      afterPowerLoss: 'all'
    },
    {
      name: 'import --replace',
      args: ['import', 'lib/b-1', 'three.tar', '--replace'],
      template: published,
      outputs: [],
      afterPowerLoss: 'all'
    },
    {
      name: 'build',
      args: ['build', 'out.sqfs'],
      template: built,
      outputs: ['out.sqfs'],
      afterPowerLoss: 'all'
    },
    {
      name: 'build --verify',
      args: ['build', 'new.sqfs', '--verify'],
      template: built,
      outputs: ['new.sqfs'],
      afterPowerLoss: 'all'
    },
    {
      name: 'build --format oci',
      args: ['build', '--format', 'oci', 'layout'],
      template: published,
      outputs: ['layout'],
      afterPowerLoss: 'all',
      doneStatus: EXIT_STATUS.OUTPUT_EXISTS,
      optional: /^store\/oci(\/|$)/
    },
    {
      name: 'build --format tar',
      args: ['build', '--format', 'tar', 'out.tar'],
      template: published,
      outputs: ['out.tar'],
      afterPowerLoss: 'all'
    },
    {
      name: 'build --sandbox',
      args: ['build', '--sandbox', 'box'],
      template: published,
      outputs: ['box'],
      afterPowerLoss: 'unknown'
    },
    {
      name: 'extract',
      args: ['extract', 'image.sqfs', 'tree'],
      template: built,
      outputs: ['tree'],
      afterPowerLoss: 'unknown'
    },
    { name: 'lock', args: ['lock'], template: published, outputs: ['stack.lock'], afterPowerLoss: 'all' },
    {
      name: 'add',
      args: ['add', 'lib/b-1'],
      template: changed(published, "printf 'modules:\\n  - base/a # ours\\n' > stack.yaml"),
      outputs: ['stack.yaml', 'stack.lock'],
      afterPowerLoss: 'all'
    },
    {
      name: 'default',
      args: ['default', 'lib/b-1'],
      template: published,
      outputs: [],
      afterPowerLoss: 'all'
    },
    {
      name: 'unpublish',
      args: ['unpublish', 'lib/old-1'],
      template: left,
      outputs: [],
      afterPowerLoss: 'all',
      doneStatus: EXIT_STATUS.MODULE_UNKNOWN
    },
    {
      name: 'gc',
      args: ['gc', '--grace', '0s', '--older-than', '0s'],
      template: gone,
      outputs: [],
      afterPowerLoss: 'sound'
    },
    {
      name: 'fsck --repair',
      args: ['fsck', '--repair'],
      template: damaged,
      outputs: [],
      afterPowerLoss: 'all',
      faults: /^OBJECT_CORRUPT$/
    }
  ]
}
