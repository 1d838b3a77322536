/*
 * New files whose owner, group or ACL the kernel would get wrong: those of a process that has changed its user, those in a
 * folder that hands on its group or a default ACL, and devices. And those with set-id bits, which other users could find
 * in the tree. We make them, and hand over the descriptor.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct wish {
  pid_t pid;
  mode_t mode; /* with the type */
  dev_t number;
  int flags;          /* of open(2) */
  const char *target; /* of a link */
  /* The folder, open, and the name in it. */
  int folder;
  char name[NAME_MAX + 1];
  const struct metadata *above; /* of the folder, if any is known */
  const struct credentials *who;
};

/* Splits a path; false if its last part is no name of a new file. */
static bool split(char *path, char *name) {
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') path[--length] = '\0';
  char *cut = strrchr(path, '/');
  const char *last = cut == NULL ? path : cut + 1;
  if (last[0] == '\0' || strlen(last) > NAME_MAX || strcmp(last, ".") == 0 || strcmp(last, "..") == 0) return false;
  strcpy(name, last);
  if (cut == NULL) path[0] = '\0';
  else if (cut == path) path[1] = '\0';
  else *cut = '\0';
  return true;
}

static bool hands_on(const struct metadata *above) {
  return above != NULL && (((above->mode & S_ISGID) && above->gid != 0) || find_attribute(above, DEFAULT_ACL) != NULL);
}

static bool is_device(mode_t mode) { return S_ISCHR(mode) || S_ISBLK(mode); }

static bool sets_id(const struct wish *wish) { return S_ISREG(wish->mode) && (wish->mode & (S_ISUID | S_ISGID)); }

/* Splits the path, and finds the folder that it leads to. */
static bool find_folder(const struct call *call, int folder, uint64_t address, struct wish *wish, char *found) {
  char path[PATH_MAX];
  errno = EFAULT;
  if (!read_text(call, address, path, sizeof path)) return false;
  errno = EISDIR;
  if (wish->flags & WITHOUT_NAME) strcpy(wish->name, ".");
  else if (!split(path, wish->name)) return false;
  errno = ENAMETOOLONG;
  return caller_path(call, folder, path, true, found);
}

/* True if we have to make the file. Its folder is open then. Else `errno` says why not: 0, or what the kernel would say. */
static bool is_for_us(const struct call *call, int folder, uint64_t address, struct wish *wish) {
  char found[CALLER_PATH];
  struct stat status;
  if (!find_folder(call, folder, address, wish, found) || fstatat(proc_folder(), found, &status, 0) != 0) return false;
  wish->who = credentials_of(call->pid);
  wish->pid = call->pid;
  bool is_special = is_device(wish->mode) || sets_id(wish) || has_changed_user(wish->who);
  errno = 0;
  if (!is_special && !may_be_known(status.st_dev, status.st_ino)) return false;
  wish->folder = openat(proc_folder(), found, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (wish->folder < 0) return false;
  if (!is_waiting(call)) return close(wish->folder), false;
  wish->above = fstatat(wish->folder, "", &status, AT_EMPTY_PATH) == 0 ? find_metadata(wish->folder, &status) : NULL;
  bool is_there = !(wish->flags & WITHOUT_NAME) && fstatat(wish->folder, wish->name, &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (!is_there && (is_special || hands_on(wish->above))) return true;
  close(wish->folder);
  errno = is_there ? EEXIST : 0;
  return false;
}

/* A device gets an empty file in its place. Returns an open descriptor of what was made, or an error below 0. */
static int make_physically(const struct wish *wish) {
  int made = 0;
  if (S_ISREG(wish->mode) || is_device(wish->mode)) {
    int flags = S_ISREG(wish->mode) ? wish->flags : O_WRONLY;
    int making = flags & WITHOUT_NAME ? 0 : O_CREAT | O_EXCL | O_NOFOLLOW;
    int fd = openat(wish->folder, wish->name, flags | making | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
  }
  if (S_ISDIR(wish->mode)) made = mkdirat(wish->folder, wish->name, 0700);
  else if (S_ISLNK(wish->mode)) made = symlinkat(wish->target, wish->folder, wish->name);
  else made = mknodat(wish->folder, wish->name, (wish->mode & S_IFMT) | 0600, 0);
  if (made != 0) return -errno;
  int fd = openat(wish->folder, wish->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

static void inherit(const struct wish *wish, struct metadata *own) {
  const struct attribute *given = wish->above == NULL ? NULL : find_attribute(wish->above, DEFAULT_ACL);
  if (S_ISLNK(own->mode)) return;
  if (given == NULL) {
    own->mode &= ~umask_of(wish->pid);
    return;
  }
  if (S_ISDIR(own->mode)) set_attribute(own, DEFAULT_ACL, given->value, given->length);
  unsigned char *value = allocate(given->length);
  memcpy(value, given->value, given->length);
  inherit_acl(value, given->length, &own->mode);
  mode_t same = own->mode;
  if (!mode_of_acl(value, given->length, &same)) set_attribute(own, ACCESS_ACL, value, given->length);
  free(value);
}

/* The open descriptor, or an error below 0. */
static int make(const struct wish *wish) {
  struct stat status;
  int fd = make_physically(wish);
  if (fd < 0) return fd;
  if (fstatat(fd, "", &status, AT_EMPTY_PATH) != 0) return close(fd), -EIO;
  struct metadata *own = own_metadata(fd, &status);
  bool is_group_handed_on = wish->above != NULL && (wish->above->mode & S_ISGID);
  own->uid = wish->who->uids[3];
  own->gid = is_group_handed_on ? wish->above->gid : wish->who->gids[3];
  own->number = wish->number;
  own->mode = S_ISLNK(wish->mode) ? status.st_mode : wish->mode;
  inherit(wish, own);
  if (S_ISDIR(own->mode) && is_group_handed_on) own->mode |= S_ISGID;
  if (S_ISLNK(own->mode)) return fd;
  if (!is_device(own->mode)) set_physical_mode(fd, own->mode);
  else if (!has_ids()) set_physical_mode(fd, S_IFREG);
  else {
    tell_unseen("a device");
    set_physical_mode(fd, own->mode);
  }
  return fd;
}

static int make_for(const struct call *call, int folder, uint64_t path, struct wish wish) {
  if (!is_for_us(call, folder, path, &wish)) return sets_id(&wish) ? -errno : CONTINUE;
  int fd = is_device(wish.mode) && !is_privileged(wish.who) ? -EPERM : make(&wish);
  close(wish.folder);
  if (fd < 0) return fd;
  close(fd);
  return 0;
}

static int add_descriptor(const struct call *call, int fd, int flags, unsigned how) {
  struct seccomp_notif_addfd added = {
      .id = call->notice->id, .flags = how, .srcfd = (uint32_t)fd, .newfd_flags = flags & O_CLOEXEC};
  int number = ioctl(call->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &added);
  return number < 0 ? -errno : number;
}

int insert(const struct call *call, int fd, int flags) {
  int number = add_descriptor(call, fd, flags, 0);
  close(fd);
  return number;
}

int hand_over(struct call *call, int fd, int flags) {
  int number = add_descriptor(call, fd, flags, SECCOMP_ADDFD_FLAG_SEND);
  call->is_answered = number >= 0;
  if (number == -EINVAL) number = add_descriptor(call, fd, flags, 0);
  close(fd);
  call->value = number;
  return number < 0 ? number : 0;
}

/*
 * A file that was there before our look. The kernel must not open it, as it would make another one with set-id bits if the
 * name were free by then. What could make us wait is refused.
 */
static int open_existing(struct call *call, int folder, uint64_t path, int flags) {
  struct stat status;
  int inode = open_of_caller(call, folder, path, flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0);
  if (inode < 0) return -errno;
  bool is_known = fstatat(inode, "", &status, AT_EMPTY_PATH) == 0;
  int fd = -1, fault = !is_known ? EIO : S_ISLNK(status.st_mode) ? ELOOP : S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
  if (is_known && S_ISREG(status.st_mode)) {
    fd = openat(proc_folder(), proc_path(inode), (flags & ~(CREATES | O_EXCL | O_NOFOLLOW)) | O_CLOEXEC);
    fault = errno;
  }
  close(inode);
  return fd < 0 ? -fault : hand_over(call, fd, flags);
}

static int open_for(struct call *call, int folder, uint64_t path, int flags, mode_t mode) {
  bool has_name = !(flags & WITHOUT_NAME);
  struct wish wish = {.mode = S_IFREG | (mode & 07777), .flags = flags & ~(O_CREAT | O_CLOEXEC | (has_name ? O_EXCL : 0))};
  if (flags & O_PATH) return CONTINUE; /* makes nothing */
  if (has_name && (flags & O_DIRECTORY)) return -EINVAL; /* before Linux 6.4, it made a file */
  if (!is_for_us(call, folder, path, &wish)) {
    if (!sets_id(&wish)) return CONTINUE;
    return errno == EEXIST && !(flags & O_EXCL) ? open_existing(call, folder, path, flags) : -errno;
  }
  int fd = make(&wish);
  close(wish.folder);
  return fd < 0 ? fd : hand_over(call, fd, flags);
}

int create_file(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return open_for(call, AT_FDCWD, words[0], (int)words[1], (mode_t)words[2]);
}

int create_file_plainly(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return open_for(call, AT_FDCWD, words[0], O_CREAT | O_WRONLY | O_TRUNC, (mode_t)words[1]);
}

int create_file_at(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return open_for(call, (int)words[0], words[1], (int)words[2], (mode_t)words[3]);
}

int make_directory(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return make_for(call, AT_FDCWD, words[0], (struct wish){.mode = S_IFDIR | ((mode_t)words[1] & 01777)});
}

int make_directory_at(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return make_for(call, (int)words[0], words[1], (struct wish){.mode = S_IFDIR | ((mode_t)words[2] & 01777)});
}

static int make_node_of(const struct call *call, int folder, const __u64 *words) {
  mode_t mode = (mode_t)words[1];
  if ((mode & S_IFMT) == 0) mode |= S_IFREG;
  dev_t number = is_device(mode) ? (dev_t)(uint32_t)words[2] : 0;
  return make_for(call, folder, words[0], (struct wish){.mode = mode, .number = number, .flags = O_WRONLY});
}

int make_node(struct call *call) { return make_node_of(call, AT_FDCWD, call->notice->data.args); }

int make_node_at(struct call *call) {
  return make_node_of(call, (int)call->notice->data.args[0], call->notice->data.args + 1);
}

static int make_link_of(const struct call *call, uint64_t target, int folder, uint64_t path) {
  char text[PATH_MAX];
  if (!read_text(call, target, text, sizeof text)) return CONTINUE;
  return make_for(call, folder, path, (struct wish){.mode = S_IFLNK | 0777, .target = text});
}

int make_link(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return make_link_of(call, words[0], AT_FDCWD, words[1]);
}

int make_link_at(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return make_link_of(call, words[0], (int)words[1], words[2]);
}
