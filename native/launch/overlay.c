/*
 * A tree that can be written to: changes go to a file system in memory, or to a folder of the user that keeps them.
 *
 * An overlay copies a file, with its owner, before it is changed. Files of root could not be copied where users have their
 * own id alone, so the mounts are made in a namespace in which the user is root, and the program then gets its own id back
 * in a second one (namespaces.c).
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

/* Folders of an overlay folder. */
static const char *const PARTS[] = {"upper", "work"};

/* Two runs at once would mix their changes. */
int lock_overlay(const char *folder) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail("overlay-folder", errno, "mkdir it first", "--overlay %s", folder);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0)
    fail("overlay-folder", 0, "wait for its end, or use another folder", "--overlay %s: another run uses it", folder);
  for (int i = 0; i < 2; i++)
    if (mkdirat(fd, PARTS[i], 0755) != 0 && errno != EEXIST)
      fail("overlay-folder", errno, NULL, "--overlay %s: %s cannot be made", folder, PARTS[i]);
  return fd;
}

static void make_folders_in_memory(void) {
  if (mkdir("/kept/upper", 0755) != 0 || mkdir("/kept/work", 0755) != 0)
    fail("overlay", errno, NULL, "a folder in memory");
}

/* `folder` is O_PATH, or -1: changes are kept in memory. */
void mount_overlay(int folder, const char *name) {
  if (mkdir("/kept", 0755) != 0) fail("overlay", errno, NULL, "a folder in memory");
  if (folder < 0) make_folders_in_memory();
  else if (mount(path_of(folder), "/kept", NULL, MS_BIND, NULL) != 0) fail("overlay-folder", errno, NULL, "--overlay %s", name);
  const char *options = format_text("lowerdir=" LOWER ",upperdir=/kept/upper,workdir=/kept/work%s",
                                    is_real_root() ? "" : ",userxattr");
  if (mount("strata", TREE, "overlay", MS_NOSUID | MS_NODEV, options) == 0) return;
  if (errno == ENODEV) fail("overlay", errno, "as root: modprobe overlay", "this kernel has no overlay file system");
  if (folder >= 0 && errno == EINVAL)
    fail("overlay-folder", errno, "a folder on a local disk, or --writable, which forgets the changes",
         "%s is on a file system that an overlay cannot write to, as NFS and Lustre are", name);
  fail("overlay", errno, "Linux 5.11 or later", "an overlay cannot be mounted in a user namespace");
}
