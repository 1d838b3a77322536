/*
 * Converts JavaScript values to C values.
 *
 * Names are bytes: a Uint8Array, or a string whose characters are bytes (latin1). A string with a character above 0xff
 * is refused, because cutting it would name another file.
 */
#include "addon.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 2^53 - 1, the last integer that a JavaScript number holds exactly. */
#define LARGEST_EXACT 9007199254740991

bool arguments_read(napi_env env, napi_callback_info info, size_t count, napi_value *values) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, values, NULL, NULL) != napi_ok) {
    napi_throw_type_error(env, NULL, "arguments cannot be read");
    return false;
  }
  return true; /* missing ones are undefined, which every reader below refuses */
}

void bytes_free(struct bytes *bytes) {
  if (bytes->text != bytes->small) free(bytes->text);
}

static bool bytes_reserve(napi_env env, struct bytes *out, size_t length) {
  out->length = length;
  out->text = length < sizeof out->small ? out->small : malloc(length + 1);
  if (out->text != NULL) return true;
  napi_throw_error(env, "ENOMEM", "out of memory for a name");
  return false;
}

static bool string_bytes(napi_env env, napi_value value, struct bytes *out) {
  size_t length;
  char16_t small[264];
  if (napi_get_value_string_utf16(env, value, NULL, 0, &length) != napi_ok) return false;
  if (!bytes_reserve(env, out, length)) return false;
  char16_t *units = length < 264 ? small : malloc((length + 1) * sizeof *units);
  if (units == NULL || napi_get_value_string_utf16(env, value, units, length + 1, &length) != napi_ok) {
    if (units != small) free(units);
    bytes_free(out);
    napi_throw_error(env, "ENOMEM", "out of memory for a name");
    return false;
  }
  char16_t seen = 0;
  for (size_t i = 0; i < length; i++) {
    seen |= units[i];
    out->text[i] = (char)units[i];
  }
  out->text[length] = '\0';
  if (units != small) free(units);
  if (seen <= 0xff) return true;
  bytes_free(out);
  napi_throw_range_error(env, NULL, "a name holds a character above 0xff: names are latin1 strings of bytes");
  return false;
}

static bool array_bytes(napi_env env, napi_value value, struct bytes *out) {
  napi_typedarray_type type;
  size_t length;
  void *data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, NULL, NULL) != napi_ok ||
      type != napi_uint8_array) {
    napi_throw_type_error(env, NULL, "a name is a Uint8Array or a latin1 string");
    return false;
  }
  if (!bytes_reserve(env, out, length)) return false;
  if (length > 0) memcpy(out->text, data, length);
  out->text[length] = '\0';
  return true;
}

bool argument_bytes(napi_env env, napi_value value, struct bytes *out) {
  napi_valuetype type;
  bool is_array = false;
  napi_typeof(env, value, &type);
  if (type != napi_string) napi_is_typedarray(env, value, &is_array);
  if (type != napi_string && !is_array) {
    napi_throw_type_error(env, NULL, "a name is a Uint8Array or a latin1 string");
    return false;
  }
  if (!(is_array ? array_bytes(env, value, out) : string_bytes(env, value, out))) return false;
  if (memchr(out->text, '\0', out->length) == NULL) return true;
  throw_errno(env, EINVAL, "a name with a NUL byte", out);
  bytes_free(out);
  return false;
}

/* Refuses `/` and `..`, which could lead the kernel through links or out of the directory: openBeneath is for these. */
bool argument_component_or_empty(napi_env env, napi_value value, const char *syscall, struct bytes *out) {
  if (!argument_bytes(env, value, out)) return false;
  if (memchr(out->text, '/', out->length) == NULL && strcmp(out->text, "..") != 0) return true;
  throw_errno(env, EXDEV, syscall, out);
  bytes_free(out);
  return false;
}

bool argument_component(napi_env env, napi_value value, const char *syscall, struct bytes *out) {
  if (!argument_component_or_empty(env, value, syscall, out)) return false;
  if (out->length > 0) return true;
  throw_errno(env, ENOENT, syscall, out);
  bytes_free(out);
  return false;
}

bool argument_int(napi_env env, napi_value value, int64_t lowest, int64_t highest, int64_t *out) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) {
    napi_throw_type_error(env, NULL, "a number was expected");
    return false;
  }
  if (!(number >= (double)lowest && number <= (double)highest) || number != (double)(int64_t)number) {
    char message[128];
    snprintf(message, sizeof message, "%.17g is not an integer from %lld to %lld", number, (long long)lowest,
             (long long)highest);
    napi_throw_range_error(env, NULL, message);
    return false;
  }
  *out = (int64_t)number;
  return true;
}

bool argument_offset(napi_env env, napi_value value, int64_t *out) {
  return argument_int(env, value, 0, LARGEST_EXACT, out);
}

static bool argument_small(napi_env env, napi_value value, int *out) {
  int64_t number;
  if (!argument_int(env, value, 0, INT_MAX, &number)) return false;
  *out = (int)number;
  return true;
}

/* Refuses negative descriptors, AT_FDCWD among them: nothing here depends on the current directory. */
bool argument_fd(napi_env env, napi_value value, int *out) { return argument_small(env, value, out); }

bool argument_flags(napi_env env, napi_value value, int *out) { return argument_small(env, value, out); }

napi_value number_value(napi_env env, int64_t number) {
  napi_value value = NULL;
  napi_create_int64(env, number, &value);
  return value;
}
