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
  if (!caller_path(call, asked->folder, path, found)) return NULL;
  int stays = path[0] == '\0' ? 0 : asked->flags & AT_SYMLINK_NOFOLLOW;
  if (fstatat(proc_folder(), found, status, stays | AT_NO_AUTOMOUNT) != 0) return NULL;
  if (!may_be_known(status->st_dev, status->st_ino)) return NULL;
  *fd = openat(proc_folder(), found, O_PATH | O_CLOEXEC | (stays ? O_NOFOLLOW : 0));
  if (*fd < 0 || fstatat(*fd, "", status, AT_EMPTY_PATH) != 0) return NULL;
  return find_metadata(*fd, status);
}

/* struct stat of libc is that of the kernel, on the processors that we know. */
static int answer_status(struct call *call, const struct question *asked) {
  struct stat status;
  int fd = -1;
  const struct metadata *known = look(call, asked, &status, &fd);
  if (fd >= 0) close(fd);
  if (known == NULL) return CONTINUE;
  show_metadata(known, &status);
  return write_memory(call, asked->answer, &status, sizeof status) ? 0 : -EFAULT;
}

int show_status(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return answer_status(call, &(struct question){AT_FDCWD, words[0], 0, words[1]});
}

int show_link_status(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return answer_status(call, &(struct question){AT_FDCWD, words[0], AT_SYMLINK_NOFOLLOW, words[1]});
}

int show_status_at(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return answer_status(call, &(struct question){(int)words[0], words[1], (int)words[3], words[2]});
}

int show_status_of_fd(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return answer_status(call, &(struct question){(int)words[0], 0, AT_EMPTY_PATH, words[1]});
}

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
