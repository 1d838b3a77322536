/* Finds data and holes of a file. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static napi_value seek(napi_env env, napi_callback_info info, int whence) {
  napi_value args[2], none;
  int fd;
  int64_t offset;
  if (!arguments_read(env, info, 2, args) || !argument_fd(env, args[0], &fd) ||
      !argument_offset(env, args[1], &offset))
    return NULL;
  off_t found = lseek(fd, offset, whence);
  if (found >= 0) return number_value(env, found);
  if (errno != ENXIO) return throw_errno(env, errno, "lseek", NULL);
  napi_get_null(env, &none); /* at or behind the end, or only a hole is left */
  return none;
}

napi_value seek_data(napi_env env, napi_callback_info info) { return seek(env, info, SEEK_DATA); }

napi_value seek_hole(napi_env env, napi_callback_info info) { return seek(env, info, SEEK_HOLE); }
