/*
 * Declarations that the addon's files share. Every call except copyRanges is synchronous, takes directory descriptors
 * and names of one component, and on failure throws a JavaScript Error with `code` (errno's name), `errno`, `syscall`,
 * `path`.
 *
 * A function that returns NULL to JavaScript has thrown, or returns undefined on purpose.
 */
#ifndef STRATA_ADDON_H
#define STRATA_ADDON_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A byte string from JavaScript, NUL-terminated; free with bytes_free unless reading it failed. */
struct bytes {
  char *text;
  size_t length;
  char small[264]; /* a component (NAME_MAX 255) needs no allocation */
};

/* "/proc/self/fd/" and the digits of an int. */
#define PROC_PATH_BYTES 32

/* arguments.c: each returns false after throwing TypeError, RangeError or an errno error. */
bool arguments_read(napi_env env, napi_callback_info info, size_t count, napi_value *values);
bool argument_bytes(napi_env env, napi_value value, struct bytes *out);
bool argument_component(napi_env env, napi_value value, const char *syscall, struct bytes *out);
bool argument_component_or_empty(napi_env env, napi_value value, const char *syscall, struct bytes *out);
bool argument_fd(napi_env env, napi_value value, int *out);
bool argument_int(napi_env env, napi_value value, int64_t lowest, int64_t highest, int64_t *out);
bool argument_offset(napi_env env, napi_value value, int64_t *out);
bool argument_flags(napi_env env, napi_value value, int *out);
void bytes_free(struct bytes *bytes);
napi_value number_value(napi_env env, int64_t number);

/* errno-error.c: throws and returns NULL; `path` may be NULL. */
napi_value throw_errno(napi_env env, int number, const char *syscall, const struct bytes *path);

/* A descriptor as a path that any call follows to exactly that inode, even if it is a symbolic link. */
void proc_path(char out[PROC_PATH_BYTES], int fd);

/* open-beneath.c: O_PATH|O_NOFOLLOW descriptor of a component, -1 and errno on failure. */
int open_inode(int dirfd, const char *component);

#define DECLARE(name) napi_value name(napi_env env, napi_callback_info info)

DECLARE(open_beneath);
DECLARE(reopen);
DECLARE(mkdir_at);
DECLARE(mknod_at);
DECLARE(symlink_at);
DECLARE(link_at);
DECLARE(unlink_at);
DECLARE(rename_at);
DECLARE(readlink_at);
DECLARE(stat_at);
DECLARE(utimens_at);
DECLARE(chown_at);
DECLARE(chmod_at);
DECLARE(read_dir_at);
DECLARE(get_xattr);
DECLARE(list_xattr);
DECLARE(set_xattr);
DECLARE(remove_xattr);
DECLARE(copy_ranges);
DECLARE(clone_range);
DECLARE(seek_data);
DECLARE(seek_hole);
DECLARE(close_on_exec);
DECLARE(lock_file);
DECLARE(make_pipe);
DECLARE(become_program);
DECLARE(memory_file);
DECLARE(forget_signals);

#undef DECLARE
#endif
