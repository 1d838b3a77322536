/* This process becomes another program, which then has its number, its terminal and its standard streams. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CLOSED_ON_EXEC = 1 /* MFD_CLOEXEC */ };

/* A file without a name, in memory. */
napi_value memory_file(napi_env env, napi_callback_info info) {
  (void)info;
  int fd = (int)syscall(SYS_memfd_create, "strata", CLOSED_ON_EXEC);
  return fd < 0 ? throw_errno(env, errno, "memfd_create", NULL) : number_value(env, fd);
}

/* Signals that were ignored stay so in a new program; Node ignores SIGPIPE. */
napi_value forget_signals(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  struct sigaction usual = {.sa_handler = SIG_DFL};
  for (int number = 1; number < NSIG; number++) sigaction(number, &usual, NULL);
  return NULL;
}

/* Words with a NUL behind each become a list that ends with NULL; NULL after throwing. */
static char **list_of(napi_env env, napi_value value) {
  void *data;
  size_t length, count = 0;
  if (napi_get_buffer_info(env, value, &data, &length) != napi_ok) {
    napi_throw_type_error(env, NULL, "words are a Buffer");
    return NULL;
  }
  char *text = data;
  for (size_t i = 0; i < length; i++) count += text[i] == '\0';
  char **list = calloc(count + 1, sizeof *list);
  if (list == NULL) throw_errno(env, ENOMEM, "execve", NULL);
  for (size_t i = 0; list != NULL && i < count; text += strlen(text) + 1) list[i++] = text;
  return list;
}

static bool pass_on(napi_env env, napi_value descriptors) {
  uint32_t count = 0;
  int fd;
  napi_value item;
  napi_get_array_length(env, descriptors, &count);
  for (uint32_t i = 0; i < count; i++) {
    if (napi_get_element(env, descriptors, i, &item) != napi_ok || !argument_fd(env, item, &fd)) return false;
    if (fcntl(fd, F_SETFD, 0) != 0) return throw_errno(env, errno, "fcntl", NULL), false;
  }
  return true;
}

/* Node marks its own as closed on exec, and lets nobody wait at pipes; programs do not expect that. */
static void pass_on_streams(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFD, 0);
    if (flags >= 0 && (flags & O_NONBLOCK) != 0) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  }
}

napi_value become_program(napi_env env, napi_callback_info info) {
  napi_value values[4];
  struct bytes file;
  if (!arguments_read(env, info, 4, values) || !argument_bytes(env, values[0], &file)) return NULL;
  char **words = list_of(env, values[1]);
  char **variables = words == NULL ? NULL : list_of(env, values[2]);
  if (variables != NULL && pass_on(env, values[3])) {
    pass_on_streams();
    execve(file.text, words, variables);
    throw_errno(env, errno, "execve", &file);
  }
  free(words);
  free(variables);
  bytes_free(&file);
  return NULL;
}
