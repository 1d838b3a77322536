/* Pipes: Node itself only makes sockets for its children, and a program cannot open /dev/stdout if it is a socket. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

napi_value make_pipe(napi_env env, napi_callback_info info) {
  (void)info;
  int ends[2];
  napi_value both;
  if (pipe2(ends, O_CLOEXEC) != 0) return throw_errno(env, errno, "pipe2", NULL);
  bool is_made = napi_create_array_with_length(env, 2, &both) == napi_ok &&
                 napi_set_element(env, both, 0, number_value(env, ends[0])) == napi_ok &&
                 napi_set_element(env, both, 1, number_value(env, ends[1])) == napi_ok;
  if (is_made) return both;
  close(ends[0]);
  close(ends[1]);
  return NULL;
}
