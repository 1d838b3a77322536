/* chown and chmod: the kernel does what it can, and the table has the rest. */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool is_member(const struct credentials *who, gid_t gid) {
  if (who->gids[3] == gid) return true;
  for (size_t i = 0; i < who->group_count; i++)
    if (who->groups[i] == gid) return true;
  return false;
}

/* As chown_ok and chgrp_ok in fs/attr.c. */
static bool may_change(pid_t pid, const struct stat *seen, uid_t uid, gid_t gid) {
  const struct credentials *who = credentials_of(pid);
  if (who->uids[3] == 0 || who->is_able) return true;
  if (who->uids[3] != seen->st_uid) return false;
  return (uid == (uid_t)-1 || uid == seen->st_uid) && (gid == (gid_t)-1 || gid == seen->st_gid || is_member(who, gid));
}

static void see(int fd, struct stat *status) {
  const struct metadata *known = find_metadata(fd, status);
  if (known != NULL) show_metadata(known, status);
}

/* The real call clears capabilities, sets the time of change, and fails where nothing can be changed. */
static int change_owner_to(const struct call *call, int fd, uid_t uid, gid_t gid) {
  struct stat status, seen;
  if (fstatat(fd, "", &status, AT_EMPTY_PATH) != 0) return -errno;
  if (has_ids() && is_held(uid) && is_held(gid) && !may_be_known(status.st_dev, status.st_ino)) return CONTINUE;
  seen = status;
  see(fd, &seen);
  if (!may_change(call->pid, &seen, uid, gid)) return -EPERM;
  if (has_ids() && !(is_held(uid) && is_held(gid))) tell_unseen("an owner beyond the subordinate ids");
  uid_t real_uid = has_ids() && is_held(uid) ? uid : status.st_uid;
  gid_t real_gid = has_ids() && is_held(gid) ? gid : status.st_gid;
  if (fchownat(fd, "", real_uid, real_gid, AT_EMPTY_PATH) != 0) return -errno;
  struct metadata *own = own_metadata(fd, &status);
  if (uid != (uid_t)-1) own->uid = uid;
  if (gid != (gid_t)-1) own->gid = gid;
  if (!S_ISDIR(own->mode)) own->mode &= ~(own->mode & S_IXGRP ? S_ISUID | S_ISGID : S_ISUID);
  return 0;
}

static int change_owner_by(struct call *call, int folder, uint64_t path, int flags, const __u64 *ids) {
  int fd = open_of_caller(call, folder, path, flags);
  if (fd < 0) return CONTINUE; /* the kernel says why */
  int result = change_owner_to(call, fd, (uid_t)ids[0], (gid_t)ids[1]);
  close(fd);
  return result;
}

int change_owner(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return change_owner_by(call, AT_FDCWD, words[0], 0, words + 1);
}

int change_link_owner(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return change_owner_by(call, AT_FDCWD, words[0], AT_SYMLINK_NOFOLLOW, words + 1);
}

int change_owner_at(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return change_owner_by(call, (int)words[0], words[1], (int)words[4], words + 2);
}

int change_owner_of_fd(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return change_owner_by(call, (int)words[0], 0, AT_EMPTY_PATH, words + 1);
}

/* True if the file system can hold the mode, and nothing else is known. */
static bool is_plain(const struct stat *status, mode_t whole) {
  return physical_mode(status, whole) == (whole & 07777) && !may_be_known(status->st_dev, status->st_ino);
}

static int change_mode_to(const struct call *call, int fd, mode_t mode) {
  struct stat status, seen;
  if (fstatat(fd, "", &status, AT_EMPTY_PATH) != 0) return -errno;
  if (S_ISLNK(status.st_mode)) return -EOPNOTSUPP;
  mode_t whole = (status.st_mode & S_IFMT) | (mode & 07777);
  if (is_plain(&status, whole)) return set_physical_mode(fd, whole);
  seen = status;
  see(fd, &seen);
  if (!may_change(call->pid, &seen, (uid_t)-1, (gid_t)-1)) return -EPERM;
  int result = set_physical_mode(fd, whole);
  if (result != 0) return result;
  struct metadata *own = own_metadata(fd, &status);
  own->mode = (own->mode & S_IFMT) | (mode & 07777);
  const struct attribute *acl = find_attribute(own, ACCESS_ACL);
  if (acl != NULL) change_acl(acl->value, acl->length, mode);
  return 0;
}

/* The kernel never does it: another file could have the name by then, which must not get set-id bits, or be the top. */
static int change_mode_by(struct call *call, int folder, uint64_t path, int flags, mode_t mode) {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  int fd = open_of_caller(call, folder, path, flags);
  if (fd < 0) return -errno;
  int result = change_mode_to(call, fd, mode);
  close(fd);
  return result;
}

int change_mode(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return change_mode_by(call, AT_FDCWD, words[0], 0, (mode_t)words[1]);
}

/* fchmodat(2) has no flags; fchmodat2(2) has. */
int change_mode_at(struct call *call) {
  const __u64 *words = call->notice->data.args;
  int flags = call->notice->data.nr == 452 /* fchmodat2 */ ? (int)words[3] : 0;
  return change_mode_by(call, (int)words[0], words[1], flags, (mode_t)words[2]);
}

int change_mode_of_fd(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return change_mode_by(call, (int)words[0], 0, AT_EMPTY_PATH, (mode_t)words[1]);
}
