/* Attributes that the kernel keeps from users, or whose ids it cannot map: ACLs and `trusted.`. All others are its own. */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { MOST_VALUE_BYTES = 65536 /* XATTR_SIZE_MAX */, MOST_NAME_BYTES = 256, MOST_LIST_BYTES = 65536 };

struct subject {
  int fd; /* O_PATH */
  struct stat status;
  char name[MOST_NAME_BYTES];
};

static bool is_trusted(const char *name) { return strncmp(name, "trusted.", 8) == 0; }

static bool is_ours(const char *name) {
  return strcmp(name, ACCESS_ACL) == 0 || strcmp(name, DEFAULT_ACL) == 0 || is_trusted(name);
}

/* How a call names the file: by its first word, a path or a descriptor. */
enum by { BY_PATH, BY_LINK, BY_FD };

static bool open_subject(const struct call *call, enum by by, struct subject *subject) {
  const __u64 *words = call->notice->data.args;
  int flags = by == BY_FD ? AT_EMPTY_PATH : by == BY_LINK ? AT_SYMLINK_NOFOLLOW : 0;
  subject->fd = open_of_caller(call, by == BY_FD ? (int)words[0] : AT_FDCWD, by == BY_FD ? 0 : words[0], flags);
  if (subject->fd < 0) return false;
  if (fstatat(subject->fd, "", &subject->status, AT_EMPTY_PATH) == 0) return true;
  close(subject->fd);
  return false;
}

/* True if the call is about an attribute of ours, whose file is open then. */
static bool asks_us(const struct call *call, enum by by, struct subject *subject) {
  return read_text(call, call->notice->data.args[1], subject->name, sizeof subject->name) && is_ours(subject->name) &&
         open_subject(call, by, subject);
}

/* Owners of files may change their ACLs. */
static bool may_set(const struct call *call, const struct subject *subject) {
  const struct credentials *who = credentials_of(call->pid);
  if (!has_ids() || is_privileged(who)) return true;
  return !is_trusted(subject->name) && who->uids[3] == subject->status.st_uid;
}

/* Where files have real owners, the kernel knows all ids but those beyond the range. */
static bool is_for_kernel(const struct subject *subject, const unsigned char *value, size_t length) {
  if (!has_ids()) return false;
  if (!is_ours(subject->name)) return true;
  if (is_trusted(subject->name) || !is_acl_held(value, length)) return false;
  struct metadata *known = find_metadata(subject->fd, &subject->status);
  if (known != NULL) remove_attribute(known, subject->name);
  expect_acls();
  return true;
}

static int set_acl(const struct subject *subject, const unsigned char *value, size_t length) {
  bool is_access = strcmp(subject->name, ACCESS_ACL) == 0;
  if (S_ISLNK(subject->status.st_mode)) return -EOPNOTSUPP;
  if (!is_access && !S_ISDIR(subject->status.st_mode)) return length == 0 ? 0 : -EACCES;
  if (length > 0 && !is_acl(value, length)) return -EINVAL;
  struct metadata *own = own_metadata(subject->fd, &subject->status);
  mode_t mode = has_ids() ? subject->status.st_mode : own->mode;
  bool is_needless = length == 0 || (is_access && mode_of_acl(value, length, &mode));
  if (is_needless) remove_attribute(own, subject->name);
  else set_attribute(own, subject->name, value, length);
  own->mode = mode;
  return is_access ? set_physical_mode(subject->fd, mode) : 0;
}

static int set_trusted(const struct call *call, const struct subject *subject, const void *value, size_t length) {
  int flags = (int)call->notice->data.args[4];
  struct metadata *own = own_metadata(subject->fd, &subject->status);
  bool is_there = find_attribute(own, subject->name) != NULL;
  if (is_there ? flags & XATTR_CREATE : flags & XATTR_REPLACE) return is_there ? -EEXIST : -ENODATA;
  set_attribute(own, subject->name, value, length);
  return 0;
}

static int set_value(const struct call *call, const struct subject *subject, const unsigned char *value, size_t length) {
  if (is_for_kernel(subject, value, length)) return CONTINUE;
  if (!may_set(call, subject)) return -EPERM;
  if (has_ids()) tell_unseen("an ACL or attribute that the file system cannot hold");
  if (!is_ours(subject->name)) {
    int flags = (int)call->notice->data.args[4];
    return setxattr(proc_path(subject->fd), subject->name, value, length, flags) == 0 ? 0 : -errno;
  }
  return is_trusted(subject->name) ? set_trusted(call, subject, value, length) : set_acl(subject, value, length);
}

/* The kernel never does it: the name in the program's memory could be that of an ACL by then, which changes the mode. */
static int set_by(const struct call *call, enum by by) {
  struct subject subject;
  size_t length = (size_t)call->notice->data.args[3];
  if (length > MOST_VALUE_BYTES) return -E2BIG;
  if (!read_text(call, call->notice->data.args[1], subject.name, sizeof subject.name)) return -EFAULT;
  if (!open_subject(call, by, &subject)) return -errno;
  unsigned char *value = allocate(length + 1);
  bool is_read = length == 0 || read_memory(call, call->notice->data.args[2], value, length);
  int result = is_read ? set_value(call, &subject, value, length) : -EFAULT;
  free(value);
  close(subject.fd);
  return result;
}

int set_attribute_at(struct call *call) { return set_by(call, BY_PATH); }
int set_attribute_of_link(struct call *call) { return set_by(call, BY_LINK); }
int set_attribute_of_fd(struct call *call) { return set_by(call, BY_FD); }

/* As the calls return values: with no room, their length. */
static int give(struct call *call, uint64_t address, size_t room, const void *bytes, size_t length) {
  call->value = (int64_t)length;
  if (room == 0) return 0;
  if (room < length) return -ERANGE;
  return length == 0 || write_memory(call, address, bytes, length) ? 0 : -EFAULT;
}

static int get_by(struct call *call, enum by by) {
  struct subject subject;
  const __u64 *words = call->notice->data.args;
  if (!asks_us(call, by, &subject)) return CONTINUE;
  const struct metadata *known = find_metadata(subject.fd, &subject.status);
  const struct attribute *found = known == NULL ? NULL : find_attribute(known, subject.name);
  close(subject.fd);
  return found == NULL ? CONTINUE : give(call, words[2], (size_t)words[3], found->value, found->length);
}

int get_attribute_at(struct call *call) { return get_by(call, BY_PATH); }
int get_attribute_of_link(struct call *call) { return get_by(call, BY_LINK); }
int get_attribute_of_fd(struct call *call) { return get_by(call, BY_FD); }

/* The names that the file system has, then ours. */
static size_t list_names(int fd, const struct metadata *known, char *list) {
  ssize_t found = listxattr(proc_path(fd), list, MOST_LIST_BYTES);
  size_t length = found < 0 ? 0 : (size_t)found;
  for (const struct attribute *each = known->attributes; each != NULL; each = each->next) {
    size_t bytes = strlen(each->name) + 1;
    if (length + bytes > MOST_LIST_BYTES) break;
    memcpy(list + length, each->name, bytes);
    length += bytes;
  }
  return length;
}

static int list_by(struct call *call, enum by by) {
  struct subject subject;
  const __u64 *words = call->notice->data.args;
  if (!open_subject(call, by, &subject)) return CONTINUE;
  const struct metadata *known = find_metadata(subject.fd, &subject.status);
  int result = CONTINUE;
  if (known != NULL && known->attributes != NULL) {
    char *list = allocate(MOST_LIST_BYTES);
    result = give(call, words[1], (size_t)words[2], list, list_names(subject.fd, known, list));
    free(list);
  }
  close(subject.fd);
  return result;
}

int list_attributes_at(struct call *call) { return list_by(call, BY_PATH); }
int list_attributes_of_link(struct call *call) { return list_by(call, BY_LINK); }
int list_attributes_of_fd(struct call *call) { return list_by(call, BY_FD); }

static int remove_by(const struct call *call, enum by by) {
  struct subject subject;
  if (!asks_us(call, by, &subject)) return CONTINUE;
  struct metadata *known = find_metadata(subject.fd, &subject.status);
  bool is_gone = known != NULL && remove_attribute(known, subject.name);
  close(subject.fd);
  return is_gone ? 0 : is_trusted(subject.name) ? -ENODATA : CONTINUE; /* the kernel would say EPERM */
}

int remove_attribute_at(struct call *call) { return remove_by(call, BY_PATH); }
int remove_attribute_of_link(struct call *call) { return remove_by(call, BY_LINK); }
int remove_attribute_of_fd(struct call *call) { return remove_by(call, BY_FD); }
