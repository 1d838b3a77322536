/*
 * Loaded into a command with LD_PRELOAD: it sees every call that changes something below one folder, in one order
 * whatever the thread, and can kill the process at the N-th, fail it, cut writes short, or write all of them to a
 * log with their data. strace counts each thread and each call by itself, so it cannot say "the N-th change"; a test
 * compares what is seen here with what strace sees.
 *
 * IO_SHIM_ROOT        changes below this folder count, nothing else
 * IO_SHIM_LOG         file for a line of each change (and its data with IO_SHIM_DATA=1)
 * IO_SHIM_CALLS       comma-separated calls that count; default: all
 * IO_SHIM_KILL=N      kill -9 before the N-th
 * IO_SHIM_STOP=N,S    signal S before the N-th, which a command may see and act on
 * IO_SHIM_TORN=1      a write that is killed is half done
 * IO_SHIM_FAIL=N,M,E  calls N to M fail with errno E
 * IO_SHIM_SHORT=K     writes do at most K bytes
 *
 * A line: call, result, inode, offset or mode, length of data, path, other path; separated by tabs; then the data.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) \
  static __typeof__(&name) real; \
  if (real == NULL) real = (__typeof__(real))dlsym(RTLD_NEXT, #name)

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static const char *root, *calls;
static size_t root_length;
static int log_fd = -1, with_data, torn;
static long seen, kill_at, stop_at, stop_signal, fail_from, fail_to, fail_errno, short_bytes;

static long number(const char *name) {
  const char *text = getenv(name);
  return text == NULL ? 0 : atol(text);
}

__attribute__((constructor)) static void start(void) {
  root = getenv("IO_SHIM_ROOT");
  if (root == NULL) return;
  root_length = strlen(root);
  calls = getenv("IO_SHIM_CALLS");
  kill_at = number("IO_SHIM_KILL");
  const char *stop = getenv("IO_SHIM_STOP");
  if (stop != NULL) sscanf(stop, "%ld,%ld", &stop_at, &stop_signal);
  torn = number("IO_SHIM_TORN") == 1;
  short_bytes = number("IO_SHIM_SHORT");
  with_data = number("IO_SHIM_DATA") == 1;
  const char *fail = getenv("IO_SHIM_FAIL");
  if (fail != NULL) sscanf(fail, "%ld,%ld,%ld", &fail_from, &fail_to, &fail_errno);
  const char *path = getenv("IO_SHIM_LOG");
  if (path != NULL) log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void name_of_fd(int fd, char *out) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, out, PATH_MAX - 1);
  out[length < 0 ? 0 : length] = 0;
}

/* Where a path leads, without following its last part: enough to tell below from beside. */
static void name_of_path(int dirfd, const char *path, char *out) {
  int fd, end = 0;
  if (sscanf(path, "/proc/self/fd/%d%n", &fd, &end) == 1 && path[end] == 0) {
    name_of_fd(fd, out);
    return;
  }
  if (end > 0) {
    name_of_fd(fd, out);
    path += end;
  } else if (path[0] == '/') out[0] = 0;
  else if (dirfd == AT_FDCWD) {
    if (getcwd(out, PATH_MAX) == NULL) out[0] = 0;
  } else name_of_fd(dirfd, out);
  size_t length = strlen(out);
  if (path[0] != 0) snprintf(out + length, PATH_MAX - length, "%s%s", path[0] == '/' ? "" : "/", path);
}

static int is_below(const char *path) {
  return root != NULL && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int counts(const char *call) {
  if (calls == NULL) return 1;
  size_t length = strlen(call);
  for (const char *at = calls; (at = strstr(at, call)) != NULL; at += length)
    if ((at == calls || at[-1] == ',') && (at[length] == ',' || at[length] == 0)) return 1;
  return 0;
}

/* Changes happen one at a time from here to `leave`. @returns errno that the call has to fail with, or 0 */
static int enter(const char *call, int *killed) {
  pthread_mutex_lock(&order);
  if (!counts(call)) return 0;
  seen++;
  if (seen == stop_at) kill(getpid(), (int)stop_signal);
  if (seen == kill_at) {
    *killed = 1;
    if (!torn) kill(getpid(), SIGKILL);
  }
  return seen >= fail_from && seen <= fail_to ? (int)fail_errno : 0;
}

static void put(const void *bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t count = syscall(SYS_write, log_fd, (const char *)bytes + done, length - done);
    if (count <= 0) abort();
    done += (size_t)count;
  }
}

struct change {
  const char *call, *path, *other;
  ino_t inode;
  long long offset;
};

static void leave(struct change change, long result, const void *data) {
  int saved = errno;
  if (log_fd >= 0) {
    size_t length = with_data && data != NULL && result > 0 ? (size_t)result : 0;
    char line[2 * PATH_MAX + 128];
    int size = snprintf(line, sizeof line, "%s\t%ld\t%llu\t%lld\t%zu\t%s\t%s\n", change.call, result,
      (unsigned long long)change.inode, change.offset, length, change.path, change.other == NULL ? "" : change.other);
    put(line, (size_t)size);
    if (length > 0) put(data, length);
  }
  pthread_mutex_unlock(&order);
  errno = saved;
}

static ino_t inode_of_fd(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

static mode_t mode_of_fd(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? status.st_mode & 07777 : 0;
}

static ino_t inode_of_path(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0 ? status.st_ino : 0;
}

static size_t shortened(size_t count, int killed) {
  if (short_bytes > 0 && count > (size_t)short_bytes) count = (size_t)short_bytes;
  return killed && torn ? count / 2 : count;
}

/* Names: calls of the form (dirfd, path), with what they do. */
#define BY_PATH(call, dirfd, path, mode, run) \
  char name[PATH_MAX]; \
  name_of_path(dirfd, path, name); \
  if (!is_below(name)) return run; \
  int killed = 0, failure = enter(call, &killed); \
  if (killed) kill(getpid(), SIGKILL); \
  ino_t before = inode_of_path(name); \
  int result = failure != 0 ? (errno = failure, -1) : run; \
  ino_t after = result < 0 ? before : inode_of_path(name); \
  leave((struct change){ call, name, NULL, after == 0 ? before : after, mode }, result, NULL); \
  return result

#define BY_TWO_PATHS(call, fromfd, from, tofd, to, run) \
  char name[PATH_MAX], other[PATH_MAX]; \
  name_of_path(fromfd, from, name); \
  name_of_path(tofd, to, other); \
  if (!is_below(other) && !is_below(name)) return run; \
  int killed = 0, failure = enter(call, &killed); \
  if (killed) kill(getpid(), SIGKILL); \
  ino_t inode = inode_of_path(name); \
  int result = failure != 0 ? (errno = failure, -1) : (int)run; \
  leave((struct change){ call, name, other, inode, 0 }, result, NULL); \
  return result

#define BY_FD(call, fd, argument, run) \
  char name[PATH_MAX]; \
  name_of_fd(fd, name); \
  if (!is_below(name)) return run; \
  int killed = 0, failure = enter(call, &killed); \
  if (killed) kill(getpid(), SIGKILL); \
  int result = failure != 0 ? (errno = failure, -1) : run; \
  leave((struct change){ call, name, NULL, inode_of_fd(fd), argument }, result, NULL); \
  return result

int mkdir(const char *path, mode_t mode) { REAL(mkdir); BY_PATH("mkdir", AT_FDCWD, path, mode, real(path, mode)); }
int mkdirat(int fd, const char *path, mode_t mode) { REAL(mkdirat); BY_PATH("mkdir", fd, path, mode, real(fd, path, mode)); }
int rmdir(const char *path) { REAL(rmdir); BY_PATH("rmdir", AT_FDCWD, path, 0, real(path)); }
int unlink(const char *path) { REAL(unlink); BY_PATH("unlink", AT_FDCWD, path, 0, real(path)); }
int unlinkat(int fd, const char *path, int flags) {
  REAL(unlinkat);
  if (flags & AT_REMOVEDIR) { BY_PATH("rmdir", fd, path, 0, real(fd, path, flags)); }
  BY_PATH("unlink", fd, path, 0, real(fd, path, flags));
}
int chmod(const char *path, mode_t mode) { REAL(chmod); BY_PATH("chmod", AT_FDCWD, path, mode, real(path, mode)); }
int chown(const char *path, uid_t uid, gid_t gid) { REAL(chown); BY_PATH("chown", AT_FDCWD, path, uid, real(path, uid, gid)); }
int lchown(const char *path, uid_t uid, gid_t gid) { REAL(lchown); BY_PATH("chown", AT_FDCWD, path, uid, real(path, uid, gid)); }
int fchownat(int fd, const char *path, uid_t uid, gid_t gid, int flags) {
  REAL(fchownat);
  BY_PATH("chown", fd, path, uid, real(fd, path, uid, gid, flags));
}
int symlink(const char *target, const char *path) { REAL(symlink); BY_PATH("symlink", AT_FDCWD, path, 0, real(target, path)); }
int symlinkat(const char *target, int fd, const char *path) { REAL(symlinkat); BY_PATH("symlink", fd, path, 0, real(target, fd, path)); }
int mknodat(int fd, const char *path, mode_t mode, dev_t device) { REAL(mknodat); BY_PATH("mknod", fd, path, mode, real(fd, path, mode, device)); }
int utimensat(int fd, const char *path, const struct timespec times[2], int flags) {
  REAL(utimensat);
  if (path[0] == 0) { BY_FD("utimens", fd, 0, real(fd, path, times, flags)); }
  BY_PATH("utimens", fd, path, 0, real(fd, path, times, flags));
}
int futimens(int fd, const struct timespec times[2]) { REAL(futimens); BY_FD("utimens", fd, 0, real(fd, times)); }
int setxattr(const char *path, const char *attribute, const void *value, size_t size, int flags) {
  REAL(setxattr);
  BY_PATH("setxattr", AT_FDCWD, path, 0, real(path, attribute, value, size, flags));
}
int fsetxattr(int fd, const char *attribute, const void *value, size_t size, int flags) {
  REAL(fsetxattr);
  BY_FD("setxattr", fd, 0, real(fd, attribute, value, size, flags));
}
int removexattr(const char *path, const char *attribute) { REAL(removexattr); BY_PATH("removexattr", AT_FDCWD, path, 0, real(path, attribute)); }
int fremovexattr(int fd, const char *attribute) { REAL(fremovexattr); BY_FD("removexattr", fd, 0, real(fd, attribute)); }
int fchmod(int fd, mode_t mode) { REAL(fchmod); BY_FD("chmod", fd, mode, real(fd, mode)); }
int fchown(int fd, uid_t uid, gid_t gid) { REAL(fchown); BY_FD("chown", fd, uid, real(fd, uid, gid)); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); BY_FD("ftruncate", fd, size, real(fd, size)); }
int fallocate64(int fd, int mode, off64_t at, off64_t size) { REAL(fallocate64); BY_FD("fallocate", fd, at, real(fd, mode, at, size)); }
int fsync(int fd) { REAL(fsync); BY_FD("fsync", fd, 0, real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); BY_FD("fsync", fd, 0, real(fd)); }
int syncfs(int fd) { REAL(syncfs); BY_FD("syncfs", fd, 0, real(fd)); }
int link(const char *from, const char *to) { REAL(link); BY_TWO_PATHS("link", AT_FDCWD, from, AT_FDCWD, to, real(from, to)); }
int linkat(int fromfd, const char *from, int tofd, const char *to, int flags) {
  REAL(linkat);
  BY_TWO_PATHS("link", fromfd, from, tofd, to, real(fromfd, from, tofd, to, flags));
}
int rename(const char *from, const char *to) { REAL(rename); BY_TWO_PATHS("rename", AT_FDCWD, from, AT_FDCWD, to, real(from, to)); }
int renameat(int fromfd, const char *from, int tofd, const char *to) {
  REAL(renameat);
  BY_TWO_PATHS("rename", fromfd, from, tofd, to, real(fromfd, from, tofd, to));
}

/* An open counts when it makes a file, or empties one. */
static int watched_open(int dirfd, const char *path, int flags, int (*run)(void *), void *arguments) {
  char name[PATH_MAX];
  if (!(flags & (O_CREAT | O_TRUNC))) return run(arguments);
  name_of_path(dirfd, path, name);
  if (!is_below(name)) return run(arguments);
  int killed = 0, failure = enter("open", &killed);
  if (killed) kill(getpid(), SIGKILL);
  ino_t before = inode_of_path(name);
  int fd = failure != 0 ? (errno = failure, -1) : run(arguments);
  leave((struct change){ "open", name, before == 0 ? "new" : flags & O_TRUNC ? "emptied" : "there",
    fd < 0 ? 0 : inode_of_fd(fd), fd < 0 ? 0 : mode_of_fd(fd) }, fd, NULL);
  return fd;
}

struct open_arguments { int dirfd; const char *path; int flags; mode_t mode; };

static int run_open(void *p) {
  static int (*real)(const char *, int, ...);
  if (real == NULL) real = (__typeof__(real))dlsym(RTLD_NEXT, "open64");
  struct open_arguments *a = p;
  return real(a->path, a->flags, a->mode);
}
static int run_openat(void *p) {
  static int (*real)(int, const char *, int, ...);
  if (real == NULL) real = (__typeof__(real))dlsym(RTLD_NEXT, "openat64");
  struct open_arguments *a = p;
  return real(a->dirfd, a->path, a->flags, a->mode);
}

#define MODE_ARGUMENT(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | O_TMPFILE)) { \
    va_list list; \
    va_start(list, flags); \
    mode = va_arg(list, mode_t); \
    va_end(list); \
  }

int open64(const char *path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return watched_open(AT_FDCWD, path, flags, run_open, &(struct open_arguments){ AT_FDCWD, path, flags, mode });
}
int open(const char *path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return watched_open(AT_FDCWD, path, flags, run_open, &(struct open_arguments){ AT_FDCWD, path, flags, mode });
}
int openat64(int dirfd, const char *path, int flags, ...) {
  MODE_ARGUMENT(flags)
  return watched_open(dirfd, path, flags, run_openat, &(struct open_arguments){ dirfd, path, flags, mode });
}

/* Data: `at` is -1 for the place where the file stands. */
static ssize_t watched_write(int fd, const void *bytes, size_t count, off64_t at, ssize_t (*run)(int, const void *, size_t, off64_t)) {
  char name[PATH_MAX];
  name_of_fd(fd, name);
  if (!is_below(name)) return run(fd, bytes, count, at);
  int killed = 0, failure = enter("write", &killed);
  off64_t place = at;
  if (at < 0) {
    struct stat status;
    place = (fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &status) == 0 ? status.st_size : lseek64(fd, 0, SEEK_CUR);
  }
  ssize_t result = failure != 0 ? (errno = failure, -1) : run(fd, bytes, shortened(count, killed), at);
  if (killed) kill(getpid(), SIGKILL);
  leave((struct change){ "write", name, NULL, inode_of_fd(fd), place }, result, bytes);
  return result;
}

static ssize_t run_write(int fd, const void *bytes, size_t count, off64_t at) {
  REAL(write);
  (void)at;
  return real(fd, bytes, count);
}
static ssize_t run_pwrite(int fd, const void *bytes, size_t count, off64_t at) {
  REAL(pwrite64);
  return real(fd, bytes, count, at);
}
ssize_t write(int fd, const void *bytes, size_t count) { return watched_write(fd, bytes, count, -1, run_write); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { return watched_write(fd, bytes, count, at, run_pwrite); }

/* Of several buffers the first is written: callers have to go on after a short write anyway. */
static int first_filled(const struct iovec *vectors, int count) {
  for (int i = 0; i < count; i++)
    if (vectors[i].iov_len > 0) return i;
  return -1;
}
ssize_t writev(int fd, const struct iovec *vectors, int count) {
  REAL(writev);
  char name[PATH_MAX];
  name_of_fd(fd, name);
  int first = first_filled(vectors, count);
  if (!is_below(name) || first < 0) return real(fd, vectors, count);
  return write(fd, vectors[first].iov_base, vectors[first].iov_len);
}
ssize_t pwritev64(int fd, const struct iovec *vectors, int count, off64_t at) {
  REAL(pwritev64);
  char name[PATH_MAX];
  name_of_fd(fd, name);
  int first = first_filled(vectors, count);
  if (!is_below(name) || first < 0) return real(fd, vectors, count, at);
  return pwrite64(fd, vectors[first].iov_base, vectors[first].iov_len, at);
}

/* What was copied inside the kernel is read back for the log. */
static void leave_copied(const char *call, int fd, const char *name, off64_t at, long result) {
  void *data = NULL;
  if (result > 0 && with_data) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    data = malloc((size_t)result);
    if (again < 0 || data == NULL || pread64(again, data, (size_t)result, at) != result) abort();
    close(again);
  }
  leave((struct change){ call, name, NULL, inode_of_fd(fd), at }, result, data);
  free(data);
}

ssize_t sendfile64(int out, int in, off64_t *from, size_t count) {
  REAL(sendfile64);
  char name[PATH_MAX];
  name_of_fd(out, name);
  if (!is_below(name)) return real(out, in, from, count);
  int killed = 0, failure = enter("copy", &killed);
  off64_t at = lseek64(out, 0, SEEK_CUR);
  ssize_t result = failure != 0 ? (errno = failure, -1) : real(out, in, from, shortened(count, killed));
  if (killed) kill(getpid(), SIGKILL);
  leave_copied("copy", out, name, at, result);
  return result;
}

int ioctl(int fd, unsigned long request, ...) {
  REAL(ioctl);
  va_list list;
  va_start(list, request);
  void *argument = va_arg(list, void *);
  va_end(list);
  char name[PATH_MAX];
  if (request != FICLONERANGE) return real(fd, request, argument);
  name_of_fd(fd, name);
  if (!is_below(name)) return real(fd, request, argument);
  const struct file_clone_range *range = argument;
  int killed = 0, failure = enter("clone", &killed);
  if (killed) kill(getpid(), SIGKILL);
  int result = failure != 0 ? (errno = failure, -1) : real(fd, request, argument);
  leave_copied("clone", fd, name, (off64_t)range->dest_offset, result == 0 ? (long)range->src_length : -1);
  return result;
}

typedef long (*syscall_t)(long, ...);
static syscall_t real_syscall(void) {
  static syscall_t real;
  if (real == NULL) real = (syscall_t)dlsym(RTLD_NEXT, "syscall");
  return real;
}

struct openat2_arguments { int dirfd; const char *path; struct open_how *how; size_t size; };
static int run_openat2(void *p) {
  struct openat2_arguments *a = p;
  return (int)real_syscall()(SYS_openat2, a->dirfd, a->path, a->how, a->size);
}

static long watched_copy(int in, off64_t *from, int out, off64_t *to, size_t count, unsigned flags) {
  char name[PATH_MAX];
  name_of_fd(out, name);
  if (!is_below(name)) return real_syscall()(SYS_copy_file_range, in, from, out, to, count, flags);
  int killed = 0, failure = enter("copy", &killed);
  off64_t at = to == NULL ? lseek64(out, 0, SEEK_CUR) : *to;
  long result = failure != 0 ? (errno = failure, -1)
    : real_syscall()(SYS_copy_file_range, in, from, out, to, shortened(count, killed), flags);
  if (killed) kill(getpid(), SIGKILL);
  leave_copied("copy", out, name, at, result);
  return result;
}

static int watched_renameat2(int fromfd, const char *from, int tofd, const char *to, unsigned flags) {
  BY_TWO_PATHS("rename", fromfd, from, tofd, to, real_syscall()(SYS_renameat2, fromfd, from, tofd, to, flags));
}

long syscall(long which, ...) {
  long a[6];
  va_list list;
  va_start(list, which);
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  if (root != NULL && which == SYS_openat2) {
    struct openat2_arguments arguments = { (int)a[0], (const char *)a[1], (struct open_how *)a[2], (size_t)a[3] };
    return watched_open((int)a[0], (const char *)a[1], (int)arguments.how->flags, run_openat2, &arguments);
  }
  if (root != NULL && which == SYS_copy_file_range)
    return watched_copy((int)a[0], (off64_t *)a[1], (int)a[2], (off64_t *)a[3], (size_t)a[4], (unsigned)a[5]);
  if (root != NULL && which == SYS_renameat2)
    return watched_renameat2((int)a[0], (const char *)a[1], (int)a[2], (const char *)a[3], (unsigned)a[4]);
  return real_syscall()(which, a[0], a[1], a[2], a[3], a[4], a[5]);
}
