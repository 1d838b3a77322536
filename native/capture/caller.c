/*
 * The process that made a call. Its paths are looked up through its own /proc, so that its folder counts, and its mounts; and
 * with its root as ours, since an absolute link leads to the root of whoever follows it, and `..` ends there.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* Before Linux 5.9, the request had another number, and ends with EINVAL. */
bool is_waiting(const struct call *call) {
  return ioctl(call->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call->notice->id) == 0 || errno != ENOENT;
}

bool read_memory(const struct call *call, uint64_t address, void *bytes, size_t length) {
  struct iovec here = {bytes, length}, there = {(void *)(uintptr_t)address, length};
  return process_vm_readv(call->pid, &here, 1, &there, 1, 0) == (ssize_t)length;
}

bool write_memory(const struct call *call, uint64_t address, const void *bytes, size_t length) {
  struct iovec here = {(void *)(uintptr_t)bytes, length}, there = {(void *)(uintptr_t)address, length};
  return is_waiting(call) && process_vm_writev(call->pid, &here, 1, &there, 1, 0) == (ssize_t)length;
}

/* Page by page: the next one may not be there. */
bool read_text(const struct call *call, uint64_t address, char *text, size_t room) {
  for (size_t length = 0; length < room;) {
    size_t wanted = PAGE - (address + length) % PAGE;
    if (wanted > room - length) wanted = room - length;
    if (wanted > 256 && length == 0) wanted = 256; /* most paths are short */
    if (!read_memory(call, address + length, text + length, wanted)) return false;
    if (memchr(text + length, '\0', wanted) != NULL) return true;
    length += wanted;
  }
  return false;
}

/* Links of /proc that mean whoever follows them. */
static const char *own_part(const char *path) {
  static const char *const OWN[] = {"/proc/self/", "/proc/thread-self/"};
  for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++)
    if (strncmp(path, OWN[i], strlen(OWN[i])) == 0) return path + strlen(OWN[i]);
  return NULL;
}

/* Such a path may leave the folder that we would begin at, and that is below /proc of the host. */
static bool climbs(const char *path) {
  for (const char *at = path; (at = strstr(at, "..")) != NULL; at += 2)
    if ((at == path || at[-1] == '/') && (at[2] == '/' || at[2] == '\0')) return true;
  return false;
}

static int own_root = -1;
static bool is_in_root_of_caller;

void remember_root(void) {
  own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (own_root < 0) fail("tree", errno, NULL, "its top folder");
}

/* Our folder is /proc. A root that is held longer would keep the command from unmounting it. */
void leave_root(void) {
  if (is_in_root_of_caller && chroot(proc_path(own_root)) != 0) fail("tree", errno, NULL, "its top folder");
  is_in_root_of_caller = false;
}

/* Until a process of the command has made one of these calls, all have our root, with the same mounts below it. */
static bool may_differ;

int change_root(struct call *call) {
  (void)call;
  may_differ = true;
  return CONTINUE;
}

static void enter_root(const struct call *call) {
  char path[40];
  snprintf(path, sizeof path, "%d/root", call->pid);
  if (chroot(path) == 0) is_in_root_of_caller = true;
}

bool caller_path(const struct call *call, int folder, const char *path, bool follows, char *found) {
  int length;
  if (may_differ && path[0] != '\0' && (follows || strchr(path, '/') != NULL)) enter_root(call);
  bool may_be_own = !climbs(path);
  const char *own = may_be_own ? own_part(path) : NULL;
  if (own != NULL) length = snprintf(found, CALLER_PATH, "%d/%s", call->pid, own);
  else if (may_be_own && strncmp(path, "/dev/fd/", 8) == 0)
    length = snprintf(found, CALLER_PATH, "%d/fd/%s", call->pid, path + 8);
  else if (path[0] == '/') length = snprintf(found, CALLER_PATH, "%d/root%s", call->pid, path);
  else if (folder == AT_FDCWD) length = snprintf(found, CALLER_PATH, "%d/cwd/%s", call->pid, path);
  else length = snprintf(found, CALLER_PATH, "%d/fd/%d/%s", call->pid, folder, path);
  if (length < 0 || length >= CALLER_PATH) return false;
  if (path[0] == '\0') found[length - 1] = '\0'; /* the slash */
  return true;
}

int open_of_caller(const struct call *call, int folder, uint64_t address, int flags) {
  char path[PATH_MAX], found[CALLER_PATH];
  path[0] = '\0';
  errno = EFAULT;
  if (address != 0 && !read_text(call, address, path, sizeof path)) return -1;
  errno = ENOENT;
  if (path[0] == '\0' && !(flags & AT_EMPTY_PATH)) return -1;
  errno = ENAMETOOLONG;
  bool stays = (flags & AT_SYMLINK_NOFOLLOW) && path[0] != '\0';
  if (!caller_path(call, folder, path, !stays, found)) return -1;
  int fd = openat(proc_folder(), found, O_PATH | O_CLOEXEC | (stays ? O_NOFOLLOW : 0));
  if (fd < 0 && errno == ENOENT && address == 0) errno = EBADF;
  if (fd < 0 || is_waiting(call)) return fd;
  close(fd);
  errno = ESRCH;
  return -1;
}

int open_status(pid_t pid) {
  char path[40];
  snprintf(path, sizeof path, "%d/status", pid);
  return openat(proc_folder(), path, O_RDONLY | O_CLOEXEC);
}

mode_t umask_of(pid_t pid) {
  char text[512];
  int fd = open_status(pid);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[length > 0 ? length : 0] = '\0';
  const char *line = strstr(text, "Umask:"); /* Linux 4.7 */
  return line == NULL ? 022 : (mode_t)strtol(line + strlen("Umask:"), NULL, 8);
}
