/* Locks by which commands of one host see that another one still uses a folder. */
#include "addon.h"

#include <errno.h>
#include <sys/file.h>

napi_value lock_file(napi_env env, napi_callback_info info) {
  napi_value values[1];
  int fd;
  if (!arguments_read(env, info, 1, values) || !argument_fd(env, values[0], &fd)) return NULL;
  bool is_locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
  napi_value result;
  if (!is_locked && errno != EWOULDBLOCK) return napi_get_null(env, &result) == napi_ok ? result : NULL;
  return napi_get_boolean(env, is_locked, &result) == napi_ok ? result : NULL;
}
