/*
 * Tries to leave set-id files, and an open top, on the host (spec/capture.md#guarantees). Prints what it sees of its
 * files, then waits for the end of its input. Its word is the number of rounds of the races.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SET_ID = 06755 };

static void see(const char *name) {
  struct stat status;
  struct statx extended;
  char path[64];
  snprintf(path, sizeof path, "/w/%s", name);
  if (stat(path, &status) != 0) printf("%s: errno %d\n", name, errno);
  else if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &extended) != 0 || extended.stx_mode != status.st_mode) puts("statx differs");
  else printf("%s %o %d\n", name, status.st_mode, (int)status.st_size);
}

static void fill(int fd) {
  if (fd < 0 || write(fd, "x", 1) != 1) printf("errno %d\n", errno);
  close(fd);
}

static void make_files(void) {
  struct { uint64_t flags, mode, resolve; } how = {O_CREAT | O_WRONLY, SET_ID, 0};
  int folder = open("/w", O_RDONLY | O_DIRECTORY), plain;
#ifdef SYS_open
  fill(syscall(SYS_open, "/w/open", O_CREAT | O_WRONLY, SET_ID));
  fill(syscall(SYS_creat, "/w/creat", SET_ID));
  syscall(SYS_mknod, "/w/mknod", S_IFREG | SET_ID, 0);
#endif
  fill(openat(folder, "openat", O_CREAT | O_EXCL | O_RDWR, SET_ID));
  fill(openat(folder, "openat", O_CREAT | O_RDWR | O_TRUNC, SET_ID));
  mknodat(folder, "mknodat", SET_ID, 0);
  int without_name = open("/w", O_TMPFILE | O_RDWR, SET_ID);
  char own[40];
  snprintf(own, sizeof own, "/proc/self/fd/%d", without_name);
  if (linkat(AT_FDCWD, own, folder, "unnamed", AT_SYMLINK_FOLLOW) != 0) printf("linkat: errno %d\n", errno);
  fill(without_name);
  printf("openat2: %d\n", syscall(437, folder, "openat2", &how, sizeof how) < 0 ? errno : 0);
  fill(open("/w/chmod", O_CREAT | O_WRONLY, 0644));
  chmod("/w/chmod", SET_ID);
  fill(plain = open("/w/fchmod", O_CREAT | O_WRONLY, 0644));
  plain = open("/w/fchmod", O_RDONLY);
  fchmod(plain, SET_ID);
  fill(open("/w/fchmodat", O_CREAT | O_WRONLY, 0644));
  syscall(SYS_fchmodat, folder, "fchmodat", SET_ID);
  fill(open("/w/fchmodat2", O_CREAT | O_WRONLY, 0644));
  if (syscall(452, folder, "fchmodat2", SET_ID, 0) != 0) chmod("/w/fchmodat2", SET_ID);
  rename("/w/chmod", "/w/renamed");
  link("/w/renamed", "/w/linked");
  mkdir("/w/folder", 0755);
  chmod("/w/folder", 02775);
}

/* u::rwx, g::r-x, o::r-x */
static const unsigned char OPEN_ACL[] = {2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 5, 0, 255, 255, 255, 255, 32, 0, 5, 0, 255, 255, 255, 255};

static void open_top(void) {
  int top = open("/", O_RDONLY | O_DIRECTORY);
  symlink("/", "/w/top");
  chmod("/", 0755);
  chmod("/w/top", 0711);
  syscall(SYS_fchmodat, top, ".", 0750);
  setxattr("/", "system.posix_acl_access", OPEN_ACL, sizeof OPEN_ACL, 0);
  fchmod(top, 0755);
}

static volatile int is_over;
static char name[40] = "user.strata.none.of.any.interest";

/* Two names change places without a pause. */
static void *swap(void *none) {
  while (!is_over) syscall(SYS_renameat2, AT_FDCWD, "/w/one", AT_FDCWD, "/w/two", 2 /* RENAME_EXCHANGE */);
  return none;
}

static void *rename_attribute(void *none) {
  for (int i = 0; !is_over; i++) strcpy(name, i % 2 ? "system.posix_acl_access" : "user.a");
  return none;
}

static void *make_and_remove(void *none) {
  while (!is_over) {
    close(open("/w/three", O_CREAT | O_WRONLY, 0600));
    unlink("/w/three");
  }
  return none;
}

/* Between our look and the deed of the kernel, a folder could become a file, or the top. */
static void race(int rounds) {
  pthread_t threads[3];
  mkdir("/w/one", 0755);
  close(open("/w/two", O_CREAT | O_WRONLY, 0644));
  pthread_create(&threads[0], NULL, swap, NULL);
  pthread_create(&threads[1], NULL, rename_attribute, NULL);
  pthread_create(&threads[2], NULL, make_and_remove, NULL);
  for (int i = 0; i < rounds; i++) {
    chmod("/w/one", SET_ID);
    setxattr("/", name, OPEN_ACL, sizeof OPEN_ACL, 0);
    close(open("/w/three", O_CREAT | O_WRONLY, SET_ID));
  }
  is_over = 1;
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
}

/* Of a process that has given up root. */
static void own_files(void) {
  struct stat status;
  mkdir("/w/owned", 0755);
  chown("/w/owned", 100005, 7);
  chmod("/w/owned", 0777);
  if (fork() == 0) {
    setgid(12);
    setuid(6);
    mkdir("/w/owned/inner", 0755);
    printf("%d %d %d\n", getuid(), chown("/w/owned/inner", 7, 7), chmod("/w/owned", 0700));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  lstat("/w/owned", &status);
  printf("%d %d %o\n", status.st_uid, status.st_gid, status.st_mode);
  stat("/w/owned/inner", &status);
  printf("%d %d\n", status.st_uid, status.st_gid);
}

int main(int count, char **words) {
  static const char *const NAMES[] = {"open", "creat", "mknod", "openat", "mknodat", "unnamed", "fchmod",
                                      "fchmodat", "fchmodat2", "renamed", "linked", "folder"};
  umask(0);
  mkdir("/w", 0755);
  make_files();
  open_top();
  fflush(stdout);
  own_files();
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) see(NAMES[i]);
  race(count > 1 ? atoi(words[1]) : 0);
  chmod("/", 0755);
  see("..");
  puts("ready");
  fflush(stdout);
  while (getchar() != EOF) continue;
  return 0;
}
