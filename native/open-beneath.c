/*
 * Opens a relative path without following links and without leaving its directory.
 *
 * openat2 (Linux 5.6) does it in one call. If it is missing (RHEL 8 has 4.18), or a container's filter forbids it, each
 * component is opened with O_NOFOLLOW instead.
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/openat2.h, which kernel headers before 5.6 lack; the number is the same on every processor. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

struct confined_how {
  uint64_t flags, mode, resolve;
};

#define NO_MAGICLINKS 0x02
#define NO_SYMLINKS 0x04
#define BENEATH 0x08

int open_inode(int dirfd, const char *component) {
  return openat(dirfd, component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* Needed because openat2 refuses a mode unless a file may be created. */
static bool creates(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

static int open_confined(int dirfd, const char *path, int flags, mode_t mode) {
  struct confined_how how = {
      .flags = (unsigned)(flags | O_CLOEXEC),
      .mode = creates(flags) ? mode : 0,
      .resolve = BENEATH | NO_SYMLINKS | NO_MAGICLINKS,
  };
  int fd;
  do
    fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
  while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return fd;
}

static bool is_link(int dirfd, const char *component) {
  struct stat status;
  return fstatat(dirfd, component, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode);
}

/* Opens a directory on the way. For a link, the kernel says ENOTDIR here; we say ELOOP, as openat2 does. */
static int open_step(int dirfd, const char *component) {
  int fd = openat(dirfd, component, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == ENOTDIR) errno = is_link(dirfd, component) ? ELOOP : ENOTDIR;
  return fd;
}

static int open_last(int dirfd, const char *component, int flags, mode_t mode) {
  int fd;
  do
    fd = openat(dirfd, component, flags | O_NOFOLLOW | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  if (fd < 0 && errno == ENOTDIR) errno = is_link(dirfd, component) ? ELOOP : ENOTDIR;
  if (fd < 0 || (flags & O_PATH) == 0 || (flags & O_NOFOLLOW) != 0) return fd;
  /* O_PATH with our O_NOFOLLOW opens a link itself, which the caller did not ask for. */
  struct stat status;
  if (fstat(fd, &status) == 0 && !S_ISLNK(status.st_mode)) return fd;
  close(fd);
  errno = ELOOP;
  return -1;
}

/* Overwrites the slashes of `path`. A trailing slash asks for a directory, as in the kernel. */
static int open_by_component(int dirfd, char *path, int flags, mode_t mode) {
  int here = dirfd;
  char *component = path;
  for (;;) {
    char *slash = strchr(component, '/');
    char *next = slash;
    while (next != NULL && *next == '/') *next++ = '\0';
    bool last = next == NULL || *next == '\0';
    int fd = last ? open_last(here, component, flags | (slash != NULL ? O_DIRECTORY : 0), mode)
                  : open_step(here, component);
    int failure = errno;
    if (here != dirfd) close(here);
    errno = failure;
    if (fd < 0 || last) return fd;
    here = fd;
    component = next;
  }
}

/* Asked once, because a filter that forbids openat2 answers ENOSYS or EPERM for any path. */
static bool has_openat2(void) {
  static int answer = -1; /* several threads may ask at once, with the same answer */
  if (answer < 0) {
    int fd = open_confined(AT_FDCWD, ".", O_PATH, 0);
    answer = fd >= 0 || (errno != ENOSYS && errno != EPERM);
    if (fd >= 0) close(fd);
  }
  return answer == 1;
}

/* RESOLVE_BENEATH would allow `a/../b`, but the fallback could not, so both refuse every `..`. */
static bool leaves(const char *path) {
  if (*path == '/') return true;
  for (const char *at = path; (at = strstr(at, "..")) != NULL; at += 2) {
    bool starts = at == path || at[-1] == '/';
    if (starts && (at[2] == '\0' || at[2] == '/')) return true;
  }
  return false;
}

napi_value open_beneath(napi_env env, napi_callback_info info) {
  napi_value args[4];
  int dirfd, flags;
  int64_t mode;
  struct bytes path;
  if (!arguments_read(env, info, 4, args) || !argument_fd(env, args[0], &dirfd) ||
      !argument_flags(env, args[2], &flags) || !argument_int(env, args[3], 0, 07777, &mode) ||
      !argument_bytes(env, args[1], &path))
    return NULL;
  int fd = -1;
  if (leaves(path.text))
    errno = EXDEV;
  else if (path.length == 0)
    errno = ENOENT;
  else if (has_openat2())
    fd = open_confined(dirfd, path.text, flags, (mode_t)mode);
  else {
    char *copy = strdup(path.text);
    if (copy != NULL) fd = open_by_component(dirfd, copy, flags, (mode_t)mode);
    int failure = errno;
    free(copy);
    errno = failure;
  }
  napi_value result = fd < 0 ? throw_errno(env, errno, "openat2", &path) : number_value(env, fd);
  bytes_free(&path);
  return result;
}

/* Opens the same inode again with other flags, such as an O_PATH descriptor for reading. */
napi_value reopen(napi_env env, napi_callback_info info) {
  napi_value args[2];
  int fd, flags, again;
  char path[PROC_PATH_BYTES];
  if (!arguments_read(env, info, 2, args) || !argument_fd(env, args[0], &fd) ||
      !argument_flags(env, args[1], &flags))
    return NULL;
  proc_path(path, fd);
  do
    again = open(path, flags | O_CLOEXEC);
  while (again < 0 && errno == EINTR);
  return again < 0 ? throw_errno(env, errno, "open", NULL) : number_value(env, again);
}
