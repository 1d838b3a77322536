/*
 * Reads a directory's names in the kernel's order, without `.` and `..`.
 *
 * They are returned as one latin1 string joined by `/`, which a name cannot hold, and one byte of type each. So 300,000
 * entries need two JavaScript values instead of 300,000 calls through Node-API.
 */
#include "addon.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* An entry that getdents64 fills in (man 2 getdents); glibc has no wrapper before 2.30. */
struct kernel_dirent {
  uint64_t inode;
  int64_t offset;
  unsigned short length;
  unsigned char type;
  char name[];
};

struct growing {
  char *bytes;
  size_t length, capacity;
};

static bool append(struct growing *to, const void *bytes, size_t length) {
  if (to->length + length > to->capacity) {
    size_t capacity = (to->length + length) * 2;
    char *larger = realloc(to->bytes, capacity);
    if (larger == NULL) return false;
    to->bytes = larger;
    to->capacity = capacity;
  }
  memcpy(to->bytes + to->length, bytes, length);
  to->length += length;
  return true;
}

static bool append_entry(const struct kernel_dirent *entry, struct growing *names, struct growing *types) {
  if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0) return true;
  if (types->length > 0 && !append(names, "/", 1)) return false;
  return append(names, entry->name, strlen(entry->name)) && append(types, &entry->type, 1);
}

#define BUFFER_BYTES (256 * 1024)

/* Returns 0 or errno. */
static int list(int fd, char *buffer, struct growing *names, struct growing *types) {
  if (lseek(fd, 0, SEEK_SET) < 0) return errno; /* a second call starts over */
  for (;;) {
    long filled = syscall(SYS_getdents64, fd, buffer, BUFFER_BYTES);
    if (filled < 0) return errno;
    if (filled == 0) return 0;
    for (long at = 0; at < filled;) {
      const struct kernel_dirent *entry = (const struct kernel_dirent *)(buffer + at);
      if (!append_entry(entry, names, types)) return ENOMEM;
      at += entry->length;
    }
  }
}

napi_value read_dir_at(napi_env env, napi_callback_info info) {
  napi_value args[1], result = NULL, joined, codes;
  int fd;
  if (!arguments_read(env, info, 1, args) || !argument_fd(env, args[0], &fd)) return NULL;
  struct growing names = {0}, types = {0};
  char *buffer = malloc(BUFFER_BYTES);
  int failure = buffer == NULL ? ENOMEM : list(fd, buffer, &names, &types);
  if (failure != 0) {
    throw_errno(env, failure, "getdents64", NULL);
  } else if (napi_create_string_latin1(env, names.bytes, names.length, &joined) == napi_ok &&
             napi_create_buffer_copy(env, types.length, types.bytes, NULL, &codes) == napi_ok &&
             napi_create_array_with_length(env, 2, &result) == napi_ok) {
    napi_set_element(env, result, 0, joined);
    napi_set_element(env, result, 1, codes);
  }
  free(buffer);
  free(names.bytes);
  free(types.bytes);
  return result;
}
