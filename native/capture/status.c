/*
 * stat(2) and its kin, the calls that there are most of: 28,000 in an installation of 28 packages with apt. Most inodes
 * are not in the table, and are looked at once.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct question {
  int folder;
  uint64_t path; /* 0: the folder */
  int flags;
  uint64_t answer;
};

/* The metadata of an inode that is in the table, and its status; else NULL. */
static const struct metadata *look(const struct call *call, const struct question *asked, struct stat *status, int *fd) {
  char path[PATH_MAX], found[CALLER_PATH];
  path[0] = '\0';
  if (asked->path != 0 && !read_text(call, asked->path, path, sizeof path)) return NULL;
  if (path[0] == '\0' && !(asked->flags & AT_EMPTY_PATH)) return NULL;
  int stays = path[0] == '\0' ? 0 : asked->flags & AT_SYMLINK_NOFOLLOW;
  if (!caller_path(call, asked->folder, path, !stays, found)) return NULL;
  if (fstatat(proc_folder(), found, status, stays | AT_NO_AUTOMOUNT) != 0) return NULL;
  if (!may_be_known(status->st_dev, status->st_ino)) return NULL;
  *fd = openat(proc_folder(), found, O_PATH | O_CLOEXEC | (stays ? O_NOFOLLOW : 0));
  if (*fd < 0 || fstatat(*fd, "", status, AT_EMPTY_PATH) != 0) return NULL;
  return find_metadata(*fd, status);
}

/* Returns what of `status` is to be answered, or CONTINUE. */
static int see_status(const struct call *call, const struct question *asked, struct stat *status) {
  int fd = -1;
  const struct metadata *known = look(call, asked, status, &fd);
  if (fd >= 0) close(fd);
  if (known == NULL) return CONTINUE;
  show_metadata(known, status);
  return 0;
}

/* struct stat of libc is that of the kernel, on the processors that we know. */
static int answer_status(struct call *call, const struct question *asked) {
  struct stat status;
  int result = see_status(call, asked, &status);
  if (result == CONTINUE) return result;
  return write_memory(call, asked->answer, &status, sizeof status) ? 0 : -EFAULT;
}

/* struct stat64 of i386 (arch/x86/include/uapi/asm/stat.h) */
struct status_32 {
  uint64_t device;
  uint32_t none, short_inode, mode, links, uid, gid;
  uint64_t number;
  uint32_t none_either;
  int64_t size;
  uint32_t block_size;
  uint64_t blocks;
  uint32_t times[3][2];
  uint64_t inode;
} __attribute__((packed));

static int answer_status_32(struct call *call, const struct question *asked) {
  struct stat status;
  int result = see_status(call, asked, &status);
  if (result == CONTINUE) return result;
  const struct timespec *times[] = {&status.st_atim, &status.st_mtim, &status.st_ctim};
  struct status_32 given = {.device = status.st_dev, .short_inode = (uint32_t)status.st_ino, .mode = status.st_mode,
                            .links = (uint32_t)status.st_nlink, .uid = status.st_uid, .gid = status.st_gid,
                            .number = status.st_rdev, .size = status.st_size, .block_size = (uint32_t)status.st_blksize,
                            .blocks = (uint64_t)status.st_blocks, .inode = status.st_ino};
  for (size_t i = 0; i < 3; i++) {
    given.times[i][0] = (uint32_t)times[i]->tv_sec;
    given.times[i][1] = (uint32_t)times[i]->tv_nsec;
  }
  return write_memory(call, asked->answer, &given, sizeof given) ? 0 : -EFAULT;
}

typedef int answerer(struct call *call, const struct question *asked);

static int show_by_path(struct call *call, int flags, answerer *answer) {
  const __u64 *words = call->notice->data.args;
  return answer(call, &(struct question){AT_FDCWD, words[0], flags, words[1]});
}

static int show_by_folder(struct call *call, answerer *answer) {
  const __u64 *words = call->notice->data.args;
  return answer(call, &(struct question){(int)words[0], words[1], (int)words[3], words[2]});
}

static int show_by_fd(struct call *call, answerer *answer) {
  const __u64 *words = call->notice->data.args;
  return answer(call, &(struct question){(int)words[0], 0, AT_EMPTY_PATH, words[1]});
}

int show_status(struct call *call) { return show_by_path(call, 0, answer_status); }
int show_link_status(struct call *call) { return show_by_path(call, AT_SYMLINK_NOFOLLOW, answer_status); }
int show_status_at(struct call *call) { return show_by_folder(call, answer_status); }
int show_status_of_fd(struct call *call) { return show_by_fd(call, answer_status); }
int show_status_32(struct call *call) { return show_by_path(call, 0, answer_status_32); }
int show_link_status_32(struct call *call) { return show_by_path(call, AT_SYMLINK_NOFOLLOW, answer_status_32); }
int show_status_at_32(struct call *call) { return show_by_folder(call, answer_status_32); }
int show_status_of_fd_32(struct call *call) { return show_by_fd(call, answer_status_32); }

int show_extended(struct call *call) {
  const __u64 *words = call->notice->data.args;
  struct question asked = {(int)words[0], words[1], (int)words[2], words[4]};
  struct statx extended;
  struct stat status;
  int fd = -1;
  const struct metadata *known = look(call, &asked, &status, &fd);
  int result = CONTINUE;
  if (known != NULL) {
    int flags = AT_EMPTY_PATH | (asked.flags & AT_STATX_SYNC_TYPE);
    result = statx(fd, "", flags, (unsigned)words[3], &extended) == 0 ? 0 : -errno;
    extended.stx_uid = known->uid;
    extended.stx_gid = known->gid;
    extended.stx_mode = known->mode;
    extended.stx_rdev_major = major(known->number);
    extended.stx_rdev_minor = minor(known->number);
    if (result == 0 && !write_memory(call, asked.answer, &extended, sizeof extended)) result = -EFAULT;
  }
  if (fd >= 0) close(fd);
  return result;
}
