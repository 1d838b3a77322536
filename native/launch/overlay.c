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
#include <string.h>
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

/*
 * Folders and files that are made for binds are no changes of a program, so they are written down for those who publish the
 * changes: paths without a slash at the start, each with a NUL behind it.
 */
static int places = -1;

void note_place(const char *path) {
  if (places >= 0 && write(places, path + 1, strlen(path)) < 0) fail("overlay-folder", errno, NULL, "a list of places");
}

static void open_places(int folder, const char *name) {
  places = openat(folder, "places", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (places < 0) fail("overlay-folder", errno, "another folder", "--overlay %s: places", name);
}

static int open_folder_in_memory(void) {
  int fd = mkdir("/kept", 0755) == 0 ? open("/kept", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd < 0 || mkdirat(fd, PARTS[0], 0755) != 0 || mkdirat(fd, PARTS[1], 0755) != 0)
    fail("overlay", errno, NULL, "a folder in memory");
  return fd;
}

/* A link in its place would lead the changes to any folder, for root even to one of the host. */
static int open_part(int folder, int part, const char *name) {
  int fd = openat(folder, PARTS[part], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) fail("overlay-folder", errno, "another folder", "--overlay %s: %s", name, PARTS[part]);
  return fd;
}

/* `folder` is O_PATH, or -1: changes are kept in memory. */
void mount_overlay(int folder, const char *name) {
  int kept = folder < 0 ? open_folder_in_memory() : folder;
  if (folder >= 0) open_places(folder, name);
  int upper = open_part(kept, 0, name), work = open_part(kept, 1, name);
  const char *options = format_text("lowerdir=" LOWER ",upperdir=%s,workdir=%s%s", path_of(upper), path_of(work),
                                    is_real_root() ? "" : ",userxattr");
  if (mount("strata", TREE, "overlay", MS_NOSUID | MS_NODEV, options) == 0) return;
  if (errno == ENODEV) fail("overlay", errno, "as root: modprobe overlay", "this kernel has no overlay file system");
  if (folder >= 0 && errno == EINVAL)
    fail("overlay-folder", errno, "a folder on a local disk, or --writable, which forgets the changes",
         "%s is on a file system that an overlay cannot write to, as NFS and Lustre are", name);
  fail("overlay", errno, "Linux 5.11 or later", "an overlay cannot be mounted in a user namespace");
}
