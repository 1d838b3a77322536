/*
 * Copies ranges of files to another file: in the kernel if it can, else by reading and writing. Short copies and
 * interruptions are continued. Offsets are explicit, so file positions do not move.
 *
 * Copying takes as long as the rest of a build, so it runs beside it, on a thread of libuv's pool.
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
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

#define BUFFER_BYTES (1024 * 1024)

/* Returns 0, or errno with `syscall` set. */
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

/*
 * EINVAL of copy_file_range for overlapping ranges of one file must not lead to the other way, which would overwrite
 * its source.
 */
static bool overlaps(const struct range *range) {
  struct stat in, out;
  if (fstat(range->in, &in) != 0 || fstat(range->out, &out) != 0) return false;
  if (in.st_dev != out.st_dev || in.st_ino != out.st_ino) return false;
  int64_t distance = range->in_offset - range->out_offset;
  return distance < range->length && -distance < range->length;
}

static int copy_one(struct range *range, const char **call) {
  int failure = copy_in_kernel(range, call);
  return needs_buffer(failure) && !overlaps(range) ? copy_by_buffer(range, call) : failure;
}

/* Progress and cancelling are handled between two pieces. */
#define PIECE_BYTES (INT64_C(16) << 20)

/* A row of the Float64Array from JavaScript. */
struct row {
  double in, in_offset, out, out_offset, length;
};
#define ROW_DOUBLES (sizeof(struct row) / sizeof(double))

/* Memory that JavaScript reads and writes while the thread is working. */
struct shared {
  double copied, stop, flushes;
};

/* Bytes of one file in a row, from several pieces. */
struct stretch {
  int out;
  int64_t start, end;
};

/* Begins to write them to the disk before a later fsync, which will report failures. */
static void begin_flush(struct stretch *written) {
  if (written->end > written->start)
    sync_file_range(written->out, written->start, written->end - written->start, SYNC_FILE_RANGE_WRITE);
  written->start = written->end;
}

/* A data file has many parts: a flush for each would take as long as a tenth of the copying. */
static void flush_behind(struct stretch *written, const struct range *piece) {
  if (written->out != piece->out || written->end != piece->out_offset) {
    begin_flush(written);
    *written = (struct stretch){.out = piece->out, .start = piece->out_offset, .end = piece->out_offset};
  }
  written->end += piece->done;
  if (written->end - written->start >= PIECE_BYTES) begin_flush(written);
}

/* Shorter stretches are not worth a call. */
#define RESERVED_BYTES (1 << 20)

/* Returns true if a row is written right behind the one before it. */
static bool follows(const struct row *row) {
  return row->out == row[-1].out && row->out_offset == row[-1].out_offset + row[-1].length;
}

/*
 * Reserves room for the first row and for those that follow it.
 *
 * Copying to reserved blocks takes ext4 a fifth less time than finding them piece by piece. It may fail: some file
 * systems cannot do it, and copying reports a full disk. The file's size stays the same.
 */
static void reserve_blocks(const struct row *rows, size_t count) {
  double length = rows->length;
  for (size_t i = 1; i < count && follows(&rows[i]); i++) length += rows[i].length;
  if (length >= RESERVED_BYTES)
    (void)!fallocate((int)rows->out, FALLOC_FL_KEEP_SIZE, (off_t)rows->out_offset, (off_t)length);
}

struct job {
  napi_async_work work;
  napi_deferred deferred;
  napi_ref kept; /* the two arrays must outlive the work */
  const struct row *rows;
  size_t count;
  volatile struct shared *shared;
  int failure;
  const char *call;
};

/* Returns true if the next row may follow. */
static bool copy_row(struct job *job, const struct row *row, struct stretch *written) {
  for (int64_t done = 0; done < (int64_t)row->length;) {
    if (job->shared->stop != 0) return false;
    int64_t left = (int64_t)row->length - done;
    struct range piece = {.in = (int)row->in,
                          .out = (int)row->out,
                          .in_offset = (int64_t)row->in_offset + done,
                          .out_offset = (int64_t)row->out_offset + done,
                          .length = left < PIECE_BYTES ? left : PIECE_BYTES};
    job->failure = copy_one(&piece, &job->call);
    job->shared->copied += (double)piece.done;
    if (job->shared->flushes != 0) flush_behind(written, &piece);
    if (job->failure != 0 || piece.done < piece.length) return false;
    done += piece.done;
  }
  return true;
}

/* Runs on a thread of libuv's pool, so it must not call N-API. */
static void job_execute(napi_env env, void *data) {
  (void)env;
  struct job *job = data;
  struct stretch written = {.out = -1};
  for (size_t i = 0; i < job->count; i++) {
    const struct row *row = &job->rows[i];
    if (i == 0 || !follows(row)) reserve_blocks(row, job->count - i);
    if (!copy_row(job, row, &written)) break;
  }
  begin_flush(&written);
}

static void job_complete(napi_env env, napi_status status, void *data) {
  struct job *job = data;
  napi_value error;
  if (status == napi_ok && job->failure == 0)
    napi_resolve_deferred(env, job->deferred, number_value(env, (int64_t)job->shared->copied));
  else {
    throw_errno(env, status == napi_ok ? job->failure : ECANCELED, job->call, NULL);
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok)
      napi_reject_deferred(env, job->deferred, error);
  }
  napi_delete_reference(env, job->kept);
  napi_delete_async_work(env, job->work);
  free(job);
}

static bool doubles_read(napi_env env, napi_value value, size_t multiple, void **data, size_t *length) {
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, value, &type, length, data, NULL, NULL) == napi_ok &&
      type == napi_float64_array && *length % multiple == 0)
    return true;
  napi_throw_type_error(env, NULL, "a Float64Array of whole rows was expected");
  return false;
}

/* Keeps both arrays alive, in one object with one reference. */
static bool job_keep(napi_env env, struct job *job, napi_value rows, napi_value shared) {
  napi_value both;
  return napi_create_array_with_length(env, 2, &both) == napi_ok &&
         napi_set_element(env, both, 0, rows) == napi_ok && napi_set_element(env, both, 1, shared) == napi_ok &&
         napi_create_reference(env, both, 1, &job->kept) == napi_ok;
}

/* copyRanges(rows, shared): a promise of the bytes copied, fewer than asked for if a source ends early. */
napi_value copy_ranges(napi_env env, napi_callback_info info) {
  napi_value args[2], name, promise;
  void *rows, *shared;
  size_t row_doubles, shared_doubles;
  if (!arguments_read(env, info, 2, args) ||
      !doubles_read(env, args[0], ROW_DOUBLES, &rows, &row_doubles) ||
      !doubles_read(env, args[1], 3, &shared, &shared_doubles))
    return NULL;
  struct job *job = calloc(1, sizeof *job);
  if (job == NULL) return throw_errno(env, ENOMEM, "copyRanges", NULL);
  job->rows = rows;
  job->count = row_doubles / ROW_DOUBLES;
  job->shared = shared;
  job->call = "copy_file_range";
  if (job_keep(env, job, args[0], args[1]) &&
      napi_create_string_utf8(env, "copyRanges", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_promise(env, &job->deferred, &promise) == napi_ok &&
      napi_create_async_work(env, NULL, name, job_execute, job_complete, job, &job->work) == napi_ok &&
      napi_queue_async_work(env, job->work) == napi_ok)
    return promise;
  free(job);
  return throw_errno(env, EAGAIN, "copyRanges", NULL);
}

/* Shares the blocks (FICLONERANGE). It never falls back to copying, so that the caller knows which it was. */
napi_value clone_range(napi_env env, napi_callback_info info) {
  napi_value args[5];
  int in, out;
  int64_t in_offset, out_offset, length;
  if (!arguments_read(env, info, 5, args) || !argument_fd(env, args[0], &in) ||
      !argument_offset(env, args[1], &in_offset) || !argument_fd(env, args[2], &out) ||
      !argument_offset(env, args[3], &out_offset) || !argument_offset(env, args[4], &length))
    return NULL;
  struct file_clone_range request = {
      .src_fd = in,
      .src_offset = (uint64_t)in_offset,
      .src_length = (uint64_t)length,
      .dest_offset = (uint64_t)out_offset,
  };
  int answer;
  do
    answer = ioctl(out, FICLONERANGE, &request);
  while (answer != 0 && errno == EINTR);
  /* ENOTTY: a file system without this call. */
  if (answer != 0) throw_errno(env, errno == ENOTTY ? EOPNOTSUPP : errno, "ioctl FICLONERANGE", NULL);
  return NULL;
}
