/* The table of functions, and of constants that node:fs lacks. */
#include "addon.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

struct function {
  const char *name;
  napi_callback call;
};

static const struct function functions[] = {
    {"openBeneath", open_beneath}, {"reopen", reopen},           {"mkdirAt", mkdir_at},
    {"mknodAt", mknod_at},         {"symlinkAt", symlink_at},    {"linkAt", link_at},
    {"unlinkAt", unlink_at},       {"renameAt2", rename_at},     {"readlinkAt", readlink_at},
    {"fstatAt", stat_at},          {"utimensAt", utimens_at},    {"chownAt", chown_at},
    {"chmodAt", chmod_at},         {"readDirAt", read_dir_at},   {"getXattr", get_xattr},
    {"listXattr", list_xattr},     {"setXattr", set_xattr},      {"removeXattr", remove_xattr},
    {"copyRanges", copy_ranges},   {"cloneRange", clone_range},  {"closeOnExec", close_on_exec},
    {"seekData", seek_data},       {"seekHole", seek_hole},      {"lockFile", lock_file},
    {"memoryFile", memory_file},   {"forgetSignals", forget_signals}, {"becomeProgram", become_program},
    {"makePipe", make_pipe},
};

struct constant {
  const char *name;
  int value;
};

/* O_NOFOLLOW, O_DIRECTORY and O_TMPFILE differ between processors, so their values come from here. */
static const struct constant constants[] = {
    {"O_RDONLY", O_RDONLY},       {"O_WRONLY", O_WRONLY},       {"O_RDWR", O_RDWR},
    {"O_CREAT", O_CREAT},         {"O_EXCL", O_EXCL},           {"O_TRUNC", O_TRUNC},
    {"O_APPEND", O_APPEND},       {"O_NONBLOCK", O_NONBLOCK},   {"O_DIRECTORY", O_DIRECTORY},
    {"O_NOFOLLOW", O_NOFOLLOW},   {"O_PATH", O_PATH},           {"O_TMPFILE", O_TMPFILE},
    {"AT_REMOVEDIR", AT_REMOVEDIR},
    {"RENAME_NOREPLACE", RENAME_NOREPLACE}, {"RENAME_EXCHANGE", RENAME_EXCHANGE},
    {"XATTR_CREATE", 1},          {"XATTR_REPLACE", 2},
    {"S_IFMT", S_IFMT},           {"S_IFREG", S_IFREG},         {"S_IFDIR", S_IFDIR},
    {"S_IFLNK", S_IFLNK},         {"S_IFBLK", S_IFBLK},         {"S_IFCHR", S_IFCHR},
    {"S_IFIFO", S_IFIFO},         {"S_IFSOCK", S_IFSOCK},
};

NAPI_MODULE_INIT() {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    const char *name = functions[i].name;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function) != napi_ok ||
        napi_set_named_property(env, exports, name, function) != napi_ok)
      return NULL;
  }
  napi_value table;
  if (napi_create_object(env, &table) != napi_ok) return NULL;
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    napi_value value = number_value(env, constants[i].value);
    if (napi_set_named_property(env, table, constants[i].name, value) != napi_ok) return NULL;
  }
  if (napi_set_named_property(env, exports, "constants", table) != napi_ok) return NULL;
  return exports;
}
