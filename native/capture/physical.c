/*
 * What the file system gets: files of the user that the user can read, and no set-id bits, which write(2) clears in a user
 * namespace although it would not clear them for root. What is missing stands in the table.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int proc = -1;

/* A copy of the mount without a place: `..` does not lead from it to the root of the host. Linux 5.2. */
void open_proc(void) {
  proc = (int)syscall(428 /* open_tree */, AT_FDCWD, "/proc", O_CLOEXEC | 1 /* OPEN_TREE_CLONE */ | 0x8000 /* AT_RECURSIVE */);
  if (proc < 0) proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (proc < 0) fail("proc", errno, "mount -t proc proc /proc", "/proc");
}

int proc_folder(void) { return proc; }

const char *proc_path(int fd) {
  static char path[40];
  snprintf(path, sizeof path, "self/fd/%d", fd);
  return path;
}

static dev_t top_device;
static ino_t top_inode;

void remember_top(int tree) {
  struct stat status;
  if (fstat(tree, &status) != 0) fail("tree", errno, NULL, "its top folder");
  top_device = status.st_dev;
  top_inode = status.st_ino;
}

mode_t physical_mode(const struct stat *status, mode_t mode) {
  return has_ids() ? mode & 07777 : mode_at_rest(status, mode);
}

mode_t mode_at_rest(const struct stat *status, mode_t mode) {
  if (status->st_dev == top_device && status->st_ino == top_inode) return 0700;
  if (S_ISDIR(mode)) return (mode & 07777) | 0700;
  return (mode & 01777) | 0600;
}

int set_physical_mode(int fd, mode_t mode) {
  struct stat status;
  if (fstatat(fd, "", &status, AT_EMPTY_PATH) != 0) return -errno;
  return fchmodat(proc, proc_path(fd), physical_mode(&status, mode), 0) == 0 ? 0 : -errno;
}
