import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { compose, composed } from '../../helpers/compose.ts'
import { needing } from '../../helpers/needs.ts'
import { bash } from '../../helpers/real-tree.ts'
import { scratch } from '../../helpers/scratch.ts'
import { bySize } from '../../helpers/size.ts'
import { suite } from '../../helpers/suite.ts'

/**
 * Calls as an NFS client sees them when the answer to a finished call is lost: the call is sent again and fails,
 * because it has been done. A library loaded before libc does each call, and then returns the error of a second call.
 * The client also remembers that a new name did not exist until it opens the folder again, and so does the library.
 */
const nfs = suite('calls that were done and said to have failed')

const LIBRARY = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#define REAL(name) ((int (*)())dlsym(RTLD_NEXT, name))
#define REAL_SYSCALL ((long (*)())dlsym(RTLD_NEXT, "syscall"))
#define OPENAT2 437

static int is_lost(const char *call) {
  const char *calls = getenv("LOST"), *log = getenv("LOST_LOG");
  char word[16];
  snprintf(word, sizeof word, " %s ", call);
  if (!calls || !strstr(calls, word)) return 0;
  FILE *file = log ? fopen(log, "a") : NULL;
  if (file) { fprintf(file, "%s\\n", call); fclose(file); }
  return 1;
}
static int lost(const char *call, int result, int error) {
  if (result != 0 || !is_lost(call)) return result;
  errno = error;
  return -1;
}

/* Names that the client believes not to be there. */
static struct { dev_t device; ino_t folder; char name[256]; } unseen[64];
static int unseen_count;

static int folder_of(int fd, struct stat *status) { return REAL("fstat")(fd, status) == 0; }
static int find(int folder, const char *name) {
  struct stat status;
  if (unseen_count == 0 || !folder_of(folder, &status)) return -1;
  for (int i = 0; i < unseen_count; i++)
    if (unseen[i].folder == status.st_ino && unseen[i].device == status.st_dev && !strcmp(unseen[i].name, name)) return i;
  return -1;
}
static void hide(int folder, const char *name) {
  struct stat status;
  if (unseen_count == 64 || !folder_of(folder, &status)) return;
  unseen[unseen_count].device = status.st_dev;
  unseen[unseen_count].folder = status.st_ino;
  snprintf(unseen[unseen_count++].name, 256, "%s", name);
}
static void ask_anew(int folder) {
  struct stat status;
  if (unseen_count == 0 || !folder_of(folder, &status)) return;
  for (int i = unseen_count - 1; i >= 0; i--)
    if (unseen[i].folder == status.st_ino) unseen[i] = unseen[--unseen_count];
}
static int is_unseen(int dirfd, const char *path) {
  const char *slash = strrchr(path, '/');
  if (slash == NULL) return find(dirfd, path) >= 0;
  char parent[4096];
  snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
  int folder = REAL("openat")(dirfd, parent, O_PATH);
  int found = folder >= 0 && find(folder, slash + 1) >= 0;
  if (folder >= 0) close(folder);
  return found;
}

int mkdir(const char *path, mode_t mode) { return lost("mkdir", REAL("mkdir")(path, mode), EEXIST); }
int mkdirat(int fd, const char *name, mode_t mode) {
  int result = REAL("mkdirat")(fd, name, mode);
  return lost("mkdir", result, EEXIST);
}
int link(const char *from, const char *to) { return lost("link", REAL("link")(from, to), EEXIST); }
int linkat(int from, const char *old, int to, const char *name, int flags) {
  return lost("link", REAL("linkat")(from, old, to, name, flags), EEXIST);
}
int rename(const char *from, const char *to) { return lost("rename", REAL("rename")(from, to), ENOENT); }
int renameat(int from, const char *old, int to, const char *name) {
  int was_there = REAL("faccessat")(to, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  int result = lost("rename", REAL("renameat")(from, old, to, name), ENOENT);
  if (result != 0 && errno == ENOENT && !was_there) { hide(to, name); errno = ENOENT; }
  return result;
}
int unlink(const char *path) { return lost("unlink", REAL("unlink")(path), ENOENT); }
int unlinkat(int fd, const char *name, int flags) { return lost("unlink", REAL("unlinkat")(fd, name, flags), ENOENT); }
int fstatat(int fd, const char *name, struct stat *into, int flags) {
  if (*name && is_unseen(fd, name)) { errno = ENOENT; return -1; }
  return REAL("fstatat")(fd, name, into, flags);
}
int fstatat64(int fd, const char *name, struct stat64 *into, int flags) {
  return fstatat(fd, name, (struct stat *)into, flags);
}
long syscall(long number, ...) {
  long a[6];
  va_list list;
  va_start(list, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  if (number != OPENAT2) return REAL_SYSCALL(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  uint64_t flags = *(uint64_t *)a[2];
  int is_listing = (flags & O_DIRECTORY) && !(flags & O_PATH);
  if (!is_listing && is_unseen((int)a[0], (const char *)a[1])) { errno = ENOENT; return -1; }
  long fd = REAL_SYSCALL(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (fd >= 0 && is_listing) ask_anew((int)fd);
  return fd;
}
`

function prepared(): { library: string; tar: string; other: string; log: string } {
  const folder = scratch()
  writeFileSync(join(folder, 'lost.c'), LIBRARY)
  bash(
    `cd "$1"; gcc -w -shared -fPIC -o lost.so lost.c -ldl; seq 50000 > a; echo b > b
    tar -cf a.tar a; tar -cf b.tar b`,
    folder
  )
  const at = (name: string) => join(folder, name)
  return { library: at('lost.so'), tar: at('a.tar'), other: at('b.tar'), log: at('log') }
}

const ALL_CALLS = 'link rename unlink mkdir'

for (const lost of bySize([ALL_CALLS], ['link', 'rename', 'unlink', 'mkdir', ALL_CALLS]))
  needing(nfs, 'gcc')(`${lost}: what publishes and takes away goes on as if it had heard the answer`, () => {
    const { library, tar, other, log } = prepared()
    const root = join(scratch(), 'store')
    composed(root, ['init', '--level', '1'])
    const env = { LD_PRELOAD: library, LOST: ` ${lost} `, LOST_LOG: log }
    assert.is(composed(root, ['import', 'lib/x-1', tar], { env }).outcome, 'created')
    assert.is(composed(root, ['import', 'lib/x-1', other, '--replace'], { env }).outcome, 'replaced')
    composed(root, ['alias', 'lib/y', 'lib/x'], { env })
    composed(root, ['default', 'lib/x-1'], { env })
    composed(root, ['export', 'lib/x', join(root, '../out')])
    assert.is(bash('cmp "$1" "$2" && echo same', join(root, '../out/layer.tar'), other).toString(), 'same\n')
    assert.is(compose(root, ['fsck']).status, 0)
    composed(root, ['alias', '--unset', 'lib/y'], { env })
    composed(root, ['unpublish', 'lib/x-1'], { env })
    composed(root, ['gc', '--grace', '0s', '--older-than', '0s'], { env })
    assert.equal(composed(root, ['avail']).modules, [])
    assert.is(bash('find "$1/tmp" "$1/blobs" -type f', root).toString(), '')
    const calls = bash('sort "$1" | uniq', log).toString().trim().split('\n')
    assert.equal(calls, lost.split(' ').sort())
  })

needing(nfs, 'gcc')('init makes the store even if every answer is lost', () => {
  const { library, log } = prepared()
  const root = join(scratch(), 'store')
  const env = { LD_PRELOAD: library, LOST: ' link rename unlink ', LOST_LOG: log }
  assert.is(composed(root, ['init', '--level', '1'], { env }).made, true)
  assert.is(compose(root, ['fsck']).status, 0)
})

nfs.run()
