import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'

/** A tree with ACLs of many forms, made by the kernel and setfacl, and real processes that try all its paths. */

/** Every combination of some owners, modes and ACLs, on files and on folders with a file in them; then all kinds of inodes. */
const MAKE = `
cd "$1"; umask 022
owners=(0:0 2001:2001 2002:3001)
modes=(0755 0750 0700 0644 0640 0604 0000 0711)
acls=(- u:2001:rwx u:2002:--- g:3001:r-x,m::r-x g:3002:--- u:2003:r--,g:3001:rwx,m::r-- o::---,u:2004:r-x g::---,u:2001:r-x,g:3002:r-x)
declare -A owned moded listed
mkdir -p $(seq -f opt/d%g $(( \${#owners[@]} * \${#modes[@]} * \${#acls[@]} )))
n=0
for owner in "\${owners[@]}"; do
  for mode in "\${modes[@]}"; do
    for acl in "\${acls[@]}"; do
      n=$((n+1)); d=opt/d$n; echo "file $n" > $d/file; echo "other $n" > opt/f$n
      owned[$owner]+=" $d opt/f$n"; moded[$mode]+=" $d opt/f$n"; listed[$acl]+=" $d opt/f$n"
    done
  done
done
for owner in "\${owners[@]}"; do chown $owner \${owned[$owner]}; done
for mode in "\${modes[@]}"; do chmod $mode \${moded[$mode]}; done
for acl in "\${acls[@]:1}"; do setfacl -m $acl \${listed[$acl]}; done
mkdir -p opt/kinds opt/default; setfacl -d -m u:2001:r-x,o::--- opt/default; echo in > opt/default/file
ln -s ../f1 opt/kinds/link; ln opt/f2 opt/kinds/hard; mkfifo opt/kinds/fifo; : > opt/kinds/empty
mknod opt/kinds/char c 1 3; mknod opt/kinds/block b 7 4095; truncate -s 20000000 opt/kinds/sparse
ln -s "$(printf 'x%.0s' $(seq 3000))" opt/kinds/long-link
mkdir opt/many; (cd opt/many; seq -f 'a-name-that-is-not-short-%g' 1 900 | xargs touch; touch ! +x , -- .- ..a)
printf y > "opt/kinds/$(printf 'caf\\351')"; chmod 6755 opt/f3; chmod 1777 opt/default
setfattr -n user.empty opt/f4; setfattr -n user.x -v "$(printf 'v%.0s' $(seq 2000))" opt/f5; setcap cap_net_raw+ep opt/f6 2>/dev/null || true
find . -depth -exec touch -h -d '2020-01-02 03:04:05' {} +`

/** @returns a folder in which users may look around */
export function aclTree(): string {
  const folder = join(scratch(), 'tree')
  bash(`chmod 755 "$(dirname "$1")"; mkdir "$1"; ${MAKE}`, folder)
  return folder
}

export interface Identity {
  uid: number
  gid: number
  groups: number[]
}

const UIDS = [0, 2001, 2002, 2003, 2004, 2005]
const GROUPS = [[], [3001], [3002], [3001, 3002]]
/** 20 of them: root once, and every user with some groups. */
export const IDENTITIES: Identity[] = UIDS.flatMap(uid =>
  (uid === 0 ? [[]] : GROUPS).map(groups => ({ uid, gid: uid === 2005 ? 3001 : uid, groups }))
).slice(0, 20)

/** What a process finds at each path: whether it is there, may be read, may be entered; its content or names. */
const PROBE = `
use filetest "access";
while (my $p = <STDIN>) {
  chomp $p;
  my $there = lstat($p) ? 1 : 0;
  my $is_folder = -d _; my $is_file = -f _;
  my $found = "-"; my ($d, $f, $bytes);
  if ($is_folder) { $found = opendir($d, $p) ? join(",", sort(readdir($d))) : "no" }
  elsif ($is_file) { $found = open($f, "<", $p) ? (read($f, $bytes, 100) // "fails") . ($bytes // "") : "no" }
  print "$p $there", -r $p ? "r" : "-", -x $p ? "x" : "-", " $found\\n";
}`

/** @param paths relative to the folder */
export const probed = ({ uid, gid, groups }: Identity, folder: string, paths: string): string =>
  execFileSync(
    'setpriv',
    [
      ...[`--reuid=${uid}`, `--regid=${gid}`],
      groups.length === 0 ? '--clear-groups' : `--groups=${groups}`,
      ...['perl', '-e', PROBE]
    ],
    { cwd: folder, input: paths, encoding: 'latin1', maxBuffer: 1 << 28 }
  )
