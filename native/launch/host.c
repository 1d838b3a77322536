/*
 * Out of the host's tree and into the new one. The work is done in a small file system in memory, which nobody else sees
 * and which goes away with the host's tree:
 *
 *   /host  the tree of the host
 *   /root  the new tree
 *   /lower what it is written over, if it can be written to (overlay.c)
 *   /part  a directory of the tree that is put together (tree.c)
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool has_left_host;

/* Any folder will do, since it is covered in this namespace alone. */
static const char *const BASES[] = {"/tmp", "/mnt", "/run", "/var", "/home", "/usr"};

static const char *mount_base(void) {
  int number = ENOENT;
  for (size_t i = 0; i < sizeof BASES / sizeof *BASES; i++) {
    if (mount("strata", BASES[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") == 0) return BASES[i];
    if (errno != ENOENT) number = errno;
  }
  fail("namespaces", number, hint_for_mounts(), "a file system in memory cannot be mounted in a new namespace");
}

void leave_host(void) {
  const char *base = mount_base();
  if (chdir(base) != 0 || mkdir("host", 0755) != 0 || mkdir("root", 0755) != 0 || mkdir("lower", 0755) != 0 ||
      mkdir("part", 0755) != 0)
    fail("namespaces", errno, NULL, "a folder in memory");
  if (syscall(SYS_pivot_root, ".", "host") != 0)
    fail("pivot_root", errno,
         errno == EINVAL ? "boot the node with a root that is mounted: an initramfs cannot be left" : hint_for_mounts(),
         "the root of the host cannot be left");
  if (chdir("/") != 0) fail("pivot_root", errno, NULL, "/");
  has_left_host = true;
}

const char *path_of(int fd) {
  static char paths[4][40];
  static unsigned next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/proc/self/fd/%d", has_left_host ? "/host" : "", fd);
  return path;
}

/* O_DIRECTORY makes an automounter mount what is there; without it, O_PATH does not. */
int open_source(const char *path) {
  int fd = open(path, O_PATH | O_CLOEXEC | O_DIRECTORY);
  return fd >= 0 || errno != ENOTDIR ? fd : open(path, O_PATH | O_CLOEXEC);
}

void leave_for_tree(void) {
  if (chdir(TREE) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
    fail("pivot_root", errno, hint_for_mounts(), "the new root cannot be entered");
}

void enter_folder(const struct options *options) {
  if (chdir("/") != 0) fail("folder", errno, NULL, "/");
  if (options->working_folder == NULL || chdir(options->working_folder) == 0 || options->may_start_elsewhere) return;
  fail("folder", errno, "--cwd with a folder that is there inside", "the program cannot start in %s",
       options->working_folder);
}
