/*
 * Status, owner, mode and times of the entry itself, never of a link's target. An empty name means the descriptor's own
 * inode, which may be an O_PATH one.
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define WHOLE_NOFOLLOW (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)

/* Order of the numbers that fstatAt fills in; index.ts reads them by the same order. */
enum {
  MODE, UID, GID, SIZE, NLINK, RDEV_MAJOR, RDEV_MINOR,
  MTIME_S, MTIME_NS, CTIME_S, CTIME_NS, BLOCKS, INO, DEV,
  FIELDS
};

/*
 * Fills a Float64Array of FIELDS numbers: making an object with 14 properties through Node-API costs more
 * than the system call. INO and DEV are written as 64-bit integers, which a double cannot hold.
 */
napi_value stat_at(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int dirfd;
  struct bytes name;
  napi_typedarray_type type;
  size_t length;
  void *data;
  struct stat status;
  if (!arguments_read(env, info, 3, args) || !argument_fd(env, args[0], &dirfd)) return NULL;
  if (napi_get_typedarray_info(env, args[2], &type, &length, &data, NULL, NULL) != napi_ok ||
      type != napi_float64_array || length < FIELDS) {
    napi_throw_type_error(env, NULL, "fstatAt fills a Float64Array of 14 numbers");
    return NULL;
  }
  if (!argument_component_or_empty(env, args[1], "fstatat", &name)) return NULL;
  if (fstatat(dirfd, name.text, &status, WHOLE_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) {
    throw_errno(env, errno, "fstatat", &name);
  } else {
    double *out = data;
    uint64_t inode = status.st_ino, device = status.st_dev;
    out[MODE] = status.st_mode;
    out[UID] = status.st_uid;
    out[GID] = status.st_gid;
    out[SIZE] = (double)status.st_size;
    out[NLINK] = (double)status.st_nlink;
    out[RDEV_MAJOR] = major(status.st_rdev);
    out[RDEV_MINOR] = minor(status.st_rdev);
    out[MTIME_S] = (double)status.st_mtim.tv_sec;
    out[MTIME_NS] = (double)status.st_mtim.tv_nsec;
    out[CTIME_S] = (double)status.st_ctim.tv_sec;
    out[CTIME_NS] = (double)status.st_ctim.tv_nsec;
    out[BLOCKS] = (double)status.st_blocks;
    memcpy(out + INO, &inode, sizeof inode);
    memcpy(out + DEV, &device, sizeof device);
  }
  bytes_free(&name);
  return NULL;
}

/* Keeps the access time. Kernels before 5.8 refuse AT_EMPTY_PATH here, so an empty name goes by /proc/self/fd. */
static int set_mtime(int dirfd, const struct bytes *name, struct timespec mtime) {
  struct timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, mtime};
  if (name->length > 0) return utimensat(dirfd, name->text, times, AT_SYMLINK_NOFOLLOW);
  if (utimensat(dirfd, "", times, WHOLE_NOFOLLOW) == 0) return 0;
  if (errno != EINVAL && errno != ENOENT) return -1;
  char path[PROC_PATH_BYTES];
  proc_path(path, dirfd);
  return utimensat(AT_FDCWD, path, times, 0);
}

napi_value utimens_at(napi_env env, napi_callback_info info) {
  napi_value args[4];
  int dirfd;
  int64_t seconds, nanoseconds;
  struct bytes name;
  if (!arguments_read(env, info, 4, args) || !argument_fd(env, args[0], &dirfd) ||
      !argument_int(env, args[2], -(INT64_C(1) << 53), INT64_C(1) << 53, &seconds) ||
      !argument_int(env, args[3], 0, 999999999, &nanoseconds) ||
      !argument_component_or_empty(env, args[1], "utimensat", &name))
    return NULL;
  struct timespec mtime = {.tv_sec = seconds, .tv_nsec = nanoseconds};
  if (set_mtime(dirfd, &name, mtime) != 0) throw_errno(env, errno, "utimensat", &name);
  bytes_free(&name);
  return NULL;
}

napi_value chown_at(napi_env env, napi_callback_info info) {
  napi_value args[4];
  int dirfd;
  int64_t uid, gid;
  struct bytes name;
  /* 2^32 - 1 means "leave unchanged" to the kernel, so it is not an id. */
  if (!arguments_read(env, info, 4, args) || !argument_fd(env, args[0], &dirfd) ||
      !argument_int(env, args[2], 0, INT64_C(0xfffffffe), &uid) ||
      !argument_int(env, args[3], 0, INT64_C(0xfffffffe), &gid) ||
      !argument_component_or_empty(env, args[1], "fchownat", &name))
    return NULL;
  if (fchownat(dirfd, name.text, (uid_t)uid, (gid_t)gid, WHOLE_NOFOLLOW) != 0)
    throw_errno(env, errno, "fchownat", &name);
  bytes_free(&name);
  return NULL;
}

/*
 * Works the same on every kernel: fchmodat2 exists only since Linux 6.6. Links are refused here because some older
 * kernels changed a link's mode and then reported that they could not.
 */
static int set_mode(int fd, mode_t mode) {
  struct stat status;
  char path[PROC_PATH_BYTES];
  if (fstat(fd, &status) != 0) return -1;
  if (S_ISLNK(status.st_mode)) {
    errno = EOPNOTSUPP;
    return -1;
  }
  proc_path(path, fd);
  return chmod(path, mode);
}

napi_value chmod_at(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int dirfd;
  int64_t mode;
  struct bytes name;
  if (!arguments_read(env, info, 3, args) || !argument_fd(env, args[0], &dirfd) ||
      !argument_int(env, args[2], 0, 07777, &mode) ||
      !argument_component_or_empty(env, args[1], "fchmodat", &name))
    return NULL;
  int fd = name.length > 0 ? open_inode(dirfd, name.text) : dirfd;
  if (fd < 0 || set_mode(fd, (mode_t)mode) != 0) throw_errno(env, errno, "fchmodat", &name);
  if (fd >= 0 && fd != dirfd) close(fd);
  bytes_free(&name);
  return NULL;
}
