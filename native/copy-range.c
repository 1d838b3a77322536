/*
 * Moving a range of one file to another: inside the kernel where it can, by reading and writing where not.
 * Short copies and interruptions are continued; offsets are explicit, so file positions do not move.
 */
#include "addon.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct range {
  int in, out;
  int64_t in_offset, out_offset, length;
  int64_t done;
};

static bool range_read(napi_env env, napi_callback_info info, struct range *range) {
  napi_value args[5];
  range->done = 0;
  return arguments_read(env, info, 5, args) && argument_fd(env, args[0], &range->in) &&
         argument_offset(env, args[1], &range->in_offset) && argument_fd(env, args[2], &range->out) &&
         argument_offset(env, args[3], &range->out_offset) && argument_offset(env, args[4], &range->length);
}

#define BUFFER_BYTES (1024 * 1024)

/* 0, or errno with `syscall` set. */
static int write_whole(struct range *range, const char *bytes, size_t length, const char **syscall) {
  *syscall = "pwrite";
  while (length > 0) {
    ssize_t written = pwrite(range->out, bytes, length, range->out_offset + range->done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return ENOSPC;
    range->done += written;
    bytes += written;
    length -= (size_t)written;
  }
  return 0;
}

static int copy_by_buffer(struct range *range, const char **syscall) {
  char *buffer = malloc(BUFFER_BYTES);
  int failure = buffer == NULL ? ENOMEM : 0;
  *syscall = "pread";
  while (failure == 0 && range->done < range->length) {
    int64_t left = range->length - range->done;
    size_t wanted = left < BUFFER_BYTES ? (size_t)left : BUFFER_BYTES;
    ssize_t got = pread(range->in, buffer, wanted, range->in_offset + range->done);
    if (got < 0 && errno == EINTR) continue;
    *syscall = "pread";
    if (got < 0) failure = errno;
    if (got <= 0) break;
    failure = write_whole(range, buffer, (size_t)got, syscall);
  }
  free(buffer);
  return failure;
}

/*
 * Kernels before 5.19 answer EXDEV across file systems and EINVAL for some pairs of them; network and FUSE
 * file systems EOPNOTSUPP. EPERM is an old container filter's answer to a call it does not know.
 */
static bool needs_buffer(int failure) {
  return failure == EXDEV || failure == EINVAL || failure == ENOSYS || failure == EOPNOTSUPP ||
         failure == EPERM;
}

static int copy_in_kernel(struct range *range, const char **syscall_name) {
  *syscall_name = "copy_file_range";
  while (range->done < range->length) {
    loff_t from = range->in_offset + range->done, to = range->out_offset + range->done;
    int64_t left = range->length - range->done;
    size_t wanted = left < (INT64_C(1) << 30) ? (size_t)left : (size_t)1 << 30;
    ssize_t copied = (ssize_t)syscall(SYS_copy_file_range, range->in, &from, range->out, &to, wanted, 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return errno;
    if (copied == 0) return EXDEV; /* the end, or a file system that lies about it: reading will tell */
    range->done += copied;
  }
  return 0;
}

/* copy_file_range's EINVAL for overlapping ranges of one file must not become a copy that eats itself. */
static bool overlaps(const struct range *range) {
  struct stat in, out;
  if (fstat(range->in, &in) != 0 || fstat(range->out, &out) != 0) return false;
  if (in.st_dev != out.st_dev || in.st_ino != out.st_ino) return false;
  int64_t distance = range->in_offset - range->out_offset;
  return distance < range->length && -distance < range->length;
}

/* Returns the bytes copied, fewer than asked for only where the source ends. */
napi_value copy_range(napi_env env, napi_callback_info info) {
  struct range range;
  const char *call;
  if (!range_read(env, info, &range)) return NULL;
  int failure = copy_in_kernel(&range, &call);
  if (needs_buffer(failure) && !overlaps(&range)) failure = copy_by_buffer(&range, &call);
  return failure != 0 ? throw_errno(env, failure, call, NULL) : number_value(env, range.done);
}

/* Shares the blocks (FICLONERANGE); never falls back, so that the caller knows which it was. */
napi_value clone_range(napi_env env, napi_callback_info info) {
  struct range range;
  if (!range_read(env, info, &range)) return NULL;
  struct file_clone_range request = {
      .src_fd = range.in,
      .src_offset = (uint64_t)range.in_offset,
      .src_length = (uint64_t)range.length,
      .dest_offset = (uint64_t)range.out_offset,
  };
  int answer;
  do
    answer = ioctl(range.out, FICLONERANGE, &request);
  while (answer != 0 && errno == EINTR);
  /* ENOTTY: a file system without the call at all. */
  if (answer != 0) throw_errno(env, errno == ENOTTY ? EOPNOTSUPP : errno, "ioctl FICLONERANGE", NULL);
  return NULL;
}
