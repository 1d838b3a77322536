/*
 * Extended attributes of the entry itself. fgetxattr and its kin refuse O_PATH descriptors (EBADF), and the calls by
 * path follow links on the way. So those calls get /proc/self/fd/N of an O_PATH|O_NOFOLLOW descriptor, which is exactly
 * that inode. An empty name means the descriptor itself: many attributes of one entry can be set with one open, and
 * those of a file open for reading need no path.
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kernel's XATTR_SIZE_MAX and XATTR_LIST_MAX: no value or list is larger. */
#define LARGEST 65536

struct target {
  struct bytes name;
  int dirfd, fd;
  bool is_path_only; /* an O_PATH descriptor: f*xattr cannot be used */
  char path[PROC_PATH_BYTES];
};

static bool target_open(napi_env env, napi_value *args, const char *syscall, struct target *out) {
  if (!argument_fd(env, args[0], &out->dirfd)) return false;
  if (!argument_component_or_empty(env, args[1], syscall, &out->name)) return false;
  out->fd = out->name.length > 0 ? open_inode(out->dirfd, out->name.text) : out->dirfd;
  if (out->fd < 0) {
    throw_errno(env, errno, syscall, &out->name);
    bytes_free(&out->name);
    return false;
  }
  int flags = out->name.length > 0 ? O_PATH : fcntl(out->fd, F_GETFL);
  out->is_path_only = flags >= 0 && (flags & O_PATH) != 0;
  proc_path(out->path, out->fd);
  return true;
}

static void target_close(struct target *target) {
  if (target->fd != target->dirfd) close(target->fd);
  bytes_free(&target->name);
}

napi_value get_xattr(napi_env env, napi_callback_info info) {
  napi_value args[3], result = NULL;
  struct bytes attribute;
  struct target target;
  if (!arguments_read(env, info, 3, args) || !argument_bytes(env, args[2], &attribute)) return NULL;
  if (target_open(env, args, "getxattr", &target)) {
    /* One call with the largest size, because asking for the size first would race with a writer. */
    char value[LARGEST];
    ssize_t length = target.is_path_only ? getxattr(target.path, attribute.text, value, sizeof value)
                                         : fgetxattr(target.fd, attribute.text, value, sizeof value);
    if (length < 0)
      throw_errno(env, errno, "getxattr", &target.name);
    else
      napi_create_buffer_copy(env, (size_t)length, value, NULL, &result);
    target_close(&target);
  }
  bytes_free(&attribute);
  return result;
}

/* Returns the names, each ended by a NUL, as one latin1 string. */
napi_value list_xattr(napi_env env, napi_callback_info info) {
  napi_value args[2], result = NULL;
  struct target target;
  if (!arguments_read(env, info, 2, args) || !target_open(env, args, "listxattr", &target)) return NULL;
  char names[LARGEST];
  ssize_t length = target.is_path_only ? listxattr(target.path, names, sizeof names)
                                       : flistxattr(target.fd, names, sizeof names);
  if (length < 0)
    throw_errno(env, errno, "listxattr", &target.name);
  else
    napi_create_string_latin1(env, names, (size_t)length, &result);
  target_close(&target);
  return result;
}

napi_value set_xattr(napi_env env, napi_callback_info info) {
  napi_value args[5];
  struct bytes attribute;
  struct target target;
  napi_typedarray_type type;
  size_t length;
  void *value;
  int flags;
  if (!arguments_read(env, info, 5, args) || !argument_flags(env, args[4], &flags)) return NULL;
  if (napi_get_typedarray_info(env, args[3], &type, &length, &value, NULL, NULL) != napi_ok ||
      type != napi_uint8_array) {
    napi_throw_type_error(env, NULL, "an attribute's value is a Uint8Array");
    return NULL;
  }
  if (!argument_bytes(env, args[2], &attribute)) return NULL;
  if (target_open(env, args, "setxattr", &target)) {
    int answer = target.is_path_only ? setxattr(target.path, attribute.text, value, length, flags)
                                     : fsetxattr(target.fd, attribute.text, value, length, flags);
    if (answer != 0)
      throw_errno(env, errno, "setxattr", &target.name);
    target_close(&target);
  }
  bytes_free(&attribute);
  return NULL;
}

napi_value remove_xattr(napi_env env, napi_callback_info info) {
  napi_value args[3];
  struct bytes attribute;
  struct target target;
  if (!arguments_read(env, info, 3, args) || !argument_bytes(env, args[2], &attribute)) return NULL;
  if (target_open(env, args, "removexattr", &target)) {
    int answer = target.is_path_only ? removexattr(target.path, attribute.text)
                                     : fremovexattr(target.fd, attribute.text);
    if (answer != 0) throw_errno(env, errno, "removexattr", &target.name);
    target_close(&target);
  }
  bytes_free(&attribute);
  return NULL;
}
