/* Makes, links, renames and removes names in a directory, without following links. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

napi_value mkdir_at(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int dirfd;
  int64_t mode;
  struct bytes name;
  if (!arguments_read(env, info, 3, args) || !argument_fd(env, args[0], &dirfd) ||
      !argument_int(env, args[2], 0, 07777, &mode) || !argument_component(env, args[1], "mkdirat", &name))
    return NULL;
  if (mkdirat(dirfd, name.text, (mode_t)mode) != 0) throw_errno(env, errno, "mkdirat", &name);
  bytes_free(&name);
  return NULL;
}

napi_value mknod_at(napi_env env, napi_callback_info info) {
  napi_value args[5];
  int dirfd;
  int64_t mode, device_major, device_minor;
  struct bytes name;
  if (!arguments_read(env, info, 5, args) || !argument_fd(env, args[0], &dirfd) ||
      !argument_int(env, args[2], 0, 0177777, &mode) ||
      !argument_int(env, args[3], 0, UINT32_MAX, &device_major) ||
      !argument_int(env, args[4], 0, UINT32_MAX, &device_minor) ||
      !argument_component(env, args[1], "mknodat", &name))
    return NULL;
  dev_t device = makedev((unsigned)device_major, (unsigned)device_minor);
  if (mknodat(dirfd, name.text, (mode_t)mode, device) != 0) throw_errno(env, errno, "mknodat", &name);
  bytes_free(&name);
  return NULL;
}

napi_value symlink_at(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int dirfd;
  struct bytes target, name;
  if (!arguments_read(env, info, 3, args) || !argument_fd(env, args[1], &dirfd) ||
      !argument_bytes(env, args[0], &target))
    return NULL;
  if (argument_component(env, args[2], "symlinkat", &name)) {
    if (symlinkat(target.text, dirfd, name.text) != 0) throw_errno(env, errno, "symlinkat", &name);
    bytes_free(&name);
  }
  bytes_free(&target);
  return NULL;
}

/*
 * An empty old name links the open file itself, which gives an O_TMPFILE its name. It goes by /proc/self/fd, because
 * AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH.
 */
static int link_inode(int olddirfd, const struct bytes *old, int newdirfd, const struct bytes *new) {
  if (old->length > 0) return linkat(olddirfd, old->text, newdirfd, new->text, 0);
  char path[PROC_PATH_BYTES];
  proc_path(path, olddirfd);
  return linkat(AT_FDCWD, path, newdirfd, new->text, AT_SYMLINK_FOLLOW);
}

napi_value link_at(napi_env env, napi_callback_info info) {
  napi_value args[4];
  int olddirfd, newdirfd;
  struct bytes old, new;
  if (!arguments_read(env, info, 4, args) || !argument_fd(env, args[0], &olddirfd) ||
      !argument_fd(env, args[2], &newdirfd) || !argument_component_or_empty(env, args[1], "linkat", &old))
    return NULL;
  if (argument_component(env, args[3], "linkat", &new)) {
    if (link_inode(olddirfd, &old, newdirfd, &new) != 0) throw_errno(env, errno, "linkat", &new);
    bytes_free(&new);
  }
  bytes_free(&old);
  return NULL;
}

napi_value unlink_at(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int dirfd, flags;
  struct bytes name;
  if (!arguments_read(env, info, 3, args) || !argument_fd(env, args[0], &dirfd) ||
      !argument_flags(env, args[2], &flags) || !argument_component(env, args[1], "unlinkat", &name))
    return NULL;
  if (unlinkat(dirfd, name.text, flags) != 0) throw_errno(env, errno, "unlinkat", &name);
  bytes_free(&name);
  return NULL;
}

/* Calls plain renameat if there are no flags: some file systems answer EINVAL to any flag of renameat2. */
static int rename_names(int olddirfd, const char *old, int newdirfd, const char *new, int flags) {
  if (flags == 0) return renameat(olddirfd, old, newdirfd, new);
  return (int)syscall(SYS_renameat2, olddirfd, old, newdirfd, new, flags);
}

napi_value rename_at(napi_env env, napi_callback_info info) {
  napi_value args[5];
  int olddirfd, newdirfd, flags;
  struct bytes old, new;
  if (!arguments_read(env, info, 5, args) || !argument_fd(env, args[0], &olddirfd) ||
      !argument_fd(env, args[2], &newdirfd) || !argument_flags(env, args[4], &flags) ||
      !argument_component(env, args[1], "renameat2", &old))
    return NULL;
  if (argument_component(env, args[3], "renameat2", &new)) {
    if (rename_names(olddirfd, old.text, newdirfd, new.text, flags) != 0)
      throw_errno(env, errno, "renameat2", &old);
    bytes_free(&new);
  }
  bytes_free(&old);
  return NULL;
}

/* An empty name reads the link of an O_PATH|O_NOFOLLOW descriptor. */
napi_value readlink_at(napi_env env, napi_callback_info info) {
  napi_value args[2], result = NULL;
  int dirfd;
  struct bytes name;
  char target[8192]; /* Linux targets end at PATH_MAX - 1 = 4095; FUSE may answer with a page more */
  if (!arguments_read(env, info, 2, args) || !argument_fd(env, args[0], &dirfd) ||
      !argument_component_or_empty(env, args[1], "readlinkat", &name))
    return NULL;
  ssize_t length = readlinkat(dirfd, name.text, target, sizeof target);
  if (length < 0)
    throw_errno(env, errno, "readlinkat", &name);
  else if ((size_t)length == sizeof target)
    throw_errno(env, ENAMETOOLONG, "readlinkat", &name);
  else
    napi_create_string_latin1(env, target, (size_t)length, &result);
  bytes_free(&name);
  return result;
}
