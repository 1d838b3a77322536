/* Errors like Node's own: `code`, `errno` (negative), `syscall`, `path`, a latin1 string of bytes. */
#include "addon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* glibc has strerrorname_np only since 2.32, and the oldest system that runs Node 20 has 2.28. */
static const char *errno_name(int number) {
  switch (number) {
#define NAME(code) \
  case code:       \
    return #code
    NAME(E2BIG);
    NAME(EACCES);
    NAME(EAGAIN);
    NAME(EBADF);
    NAME(EBADMSG);
    NAME(EBUSY);
    NAME(ECANCELED);
    NAME(ECONNABORTED);
    NAME(EDQUOT);
    NAME(EEXIST);
    NAME(EFAULT);
    NAME(EFBIG);
    NAME(EINTR);
    NAME(EINVAL);
    NAME(EIO);
    NAME(EISDIR);
    NAME(ELOOP);
    NAME(EMFILE);
    NAME(EMLINK);
    NAME(ENAMETOOLONG);
    NAME(ENFILE);
    NAME(ENODATA);
    NAME(ENODEV);
    NAME(ENOENT);
    NAME(ENOMEM);
    NAME(ENOSPC);
    NAME(ENOSYS);
    NAME(ENOTCONN);
    NAME(ENOTDIR);
    NAME(ENOTEMPTY);
    NAME(ENOTTY);
    NAME(ENXIO);
    NAME(EOPNOTSUPP);
    NAME(EOVERFLOW);
    NAME(EPERM);
    NAME(ERANGE);
    NAME(EREMOTEIO);
    NAME(EROFS);
    NAME(ESHUTDOWN);
    NAME(ESPIPE);
    NAME(ESTALE);
    NAME(ETIMEDOUT);
    NAME(ETXTBSY);
    NAME(EUCLEAN);
    NAME(EXDEV);
#undef NAME
    default:
      return NULL;
  }
}

/* Shows control bytes and bytes above 0x7e as \ooo, because the message may reach a terminal. */
static void show_bytes(const struct bytes *path, char *out, size_t capacity) {
  size_t used = 0;
  for (size_t i = 0; i < path->length && used + 5 < capacity; i++) {
    unsigned char byte = (unsigned char)path->text[i];
    if (byte >= 0x20 && byte < 0x7f)
      out[used++] = (char)byte;
    else
      used += (size_t)snprintf(out + used, capacity - used, "\\%03o", byte);
  }
  out[used] = '\0';
}

napi_value throw_errno(napi_env env, int number, const char *syscall, const struct bytes *path) {
  char unnamed[16], shown[512], text[768];
  const char *name = errno_name(number);
  if (name == NULL) {
    snprintf(unnamed, sizeof unnamed, "E%d", number);
    name = unnamed;
  }
  if (path == NULL) {
    snprintf(text, sizeof text, "%s: %s, %s", name, strerror(number), syscall);
  } else {
    show_bytes(path, shown, sizeof shown);
    snprintf(text, sizeof text, "%s: %s, %s '%s'", name, strerror(number), syscall, shown);
  }

  napi_value error, code, message, call, where;
  if (napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &code) != napi_ok ||
      napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) != napi_ok ||
      napi_create_error(env, code, message, &error) != napi_ok ||
      napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &call) != napi_ok)
    return NULL;
  napi_set_named_property(env, error, "errno", number_value(env, -number));
  napi_set_named_property(env, error, "syscall", call);
  if (path != NULL && napi_create_string_latin1(env, path->text, path->length, &where) == napi_ok)
    napi_set_named_property(env, error, "path", where);
  napi_throw(env, error);
  return NULL;
}

void proc_path(char out[PROC_PATH_BYTES], int fd) { snprintf(out, PROC_PATH_BYTES, "/proc/self/fd/%d", fd); }
