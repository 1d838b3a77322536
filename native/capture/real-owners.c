/*
 * Owners for real: the user namespace has a range of ids, so the file system holds owners, modes, set-id bits and ACLs while
 * the command runs, and the kernel answers for them. Before and after, the tree belongs to its user, and what is not plain
 * stands in the file of metadata, as without a range: so a tree can be read, changed and removed without a namespace.
 *
 * No other user can enter the folder above the tree, so set-id files are safe from them (compose/capture/owners-way.ts).
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { MOST_VALUE_BYTES = 65536 /* XATTR_SIZE_MAX */, MOST_LIST_BYTES = 65536 };

static const char *const ACLS[] = {ACCESS_ACL, DEFAULT_ACL};

static bool is_device(mode_t mode) { return S_ISCHR(mode) || S_ISBLK(mode); }

void try_owners(int tree) {
  if (fchownat(tree, "", 1, 1, AT_EMPTY_PATH) == 0 && fchownat(tree, "", 0, 0, AT_EMPTY_PATH) == 0) return;
  fail("subuid", errno, "--work-dir with a folder on a local disk, or --owners supervised",
       "the file system of the tree gives no file to subordinate ids");
}

static void assign(struct metadata *own, const struct metadata *wanted) {
  own->mode = wanted->mode;
  own->uid = wanted->uid;
  own->gid = wanted->gid;
  own->number = wanted->number;
}

struct metadata *restore_owner(int fd, const struct stat *status, const struct metadata *wanted) {
  struct metadata *own = NULL;
  bool is_whole = is_held(wanted->uid) && is_held(wanted->gid) && !is_device(wanted->mode);
  if (has_ids()) {
    uid_t uid = is_held(wanted->uid) ? wanted->uid : 0;
    gid_t gid = is_held(wanted->gid) ? wanted->gid : 0;
    if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) != 0) fail("subuid", errno, NULL, "the owners of the tree");
    int fault = S_ISLNK(status->st_mode) ? 0 : set_physical_mode(fd, wanted->mode);
    if (fault != 0) fail("subuid", -fault, NULL, "the modes of the tree");
    if (is_whole) return NULL;
  }
  own = own_metadata(fd, status);
  assign(own, wanted);
  return own;
}

/* The kernel keeps capabilities by itself, and takes them away where a program writes. */
bool restore_attribute(int fd, const char *name, const void *value, size_t length) {
  bool is_acl_of_file = strcmp(name, ACCESS_ACL) == 0 || strcmp(name, DEFAULT_ACL) == 0;
  bool is_for_kernel = strcmp(name, "security.capability") == 0 || (has_ids() && is_acl_of_file && is_acl_held(value, length));
  if (is_for_kernel && is_acl_of_file) expect_acls();
  return is_for_kernel && setxattr(proc_path(fd), name, value, length, 0) == 0;
}

static bool may_have_acls;

void expect_acls(void) { may_have_acls = true; }

bool has_acl(const char *path) {
  if (!may_have_acls) return false;
  static char list[MOST_LIST_BYTES];
  ssize_t length = llistxattr(path, list, sizeof list);
  for (ssize_t at = 0; at < length; at += (ssize_t)strlen(list + at) + 1)
    if (strcmp(list + at, ACCESS_ACL) == 0 || strcmp(list + at, DEFAULT_ACL) == 0) return true;
  return false;
}

/* The rights of an ACL that the file system does not have follow the mode, as chmod(2) lets them. */
static void copy_attributes(const struct metadata *known, const struct stat *status, struct metadata *seen) {
  for (const struct attribute *each = known->attributes; each != NULL; each = each->next) {
    set_attribute(seen, each->name, each->value, each->length);
    if (strcmp(each->name, ACCESS_ACL) == 0) change_acl(seen->attributes->value, each->length, status->st_mode);
  }
}

static void add_real_acls(int fd, struct metadata *seen) {
  unsigned char *value = allocate(MOST_VALUE_BYTES);
  for (size_t i = 0; i < sizeof ACLS / sizeof *ACLS; i++) {
    ssize_t length = find_attribute(seen, ACLS[i]) != NULL ? -1 : getxattr(proc_path(fd), ACLS[i], value, MOST_VALUE_BYTES);
    if (length > 0) set_attribute(seen, ACLS[i], value, (size_t)length);
  }
  free(value);
}

bool see_real(int fd, const struct stat *status, struct metadata *seen) {
  const struct metadata *known = find_metadata(fd, status);
  *seen = (struct metadata){.mode = status->st_mode, .uid = status->st_uid, .gid = status->st_gid};
  if (known != NULL) {
    if (is_device(known->mode)) seen->mode = (known->mode & S_IFMT) | (status->st_mode & 07777);
    seen->number = known->number;
    if (!is_held(known->uid)) seen->uid = known->uid;
    if (!is_held(known->gid)) seen->gid = known->gid;
    copy_attributes(known, status, seen);
  }
  bool is_link = S_ISLNK(status->st_mode);
  if (!is_link) add_real_acls(fd, seen);
  bool is_at_rest = is_link || mode_at_rest(status, status->st_mode) == (status->st_mode & 07777);
  return known != NULL || !is_at_rest || status->st_uid != 0 || status->st_gid != 0 || seen->attributes != NULL;
}

void forget_attributes(struct metadata *metadata) {
  while (metadata->attributes != NULL) remove_attribute(metadata, metadata->attributes->name);
}

void take_back(int tree, const char *path) {
  struct stat status;
  int fd = open_in_tree(tree, path);
  bool is_done = fd >= 0 && fstatat(fd, "", &status, AT_EMPTY_PATH) == 0;
  if (is_done && !S_ISLNK(status.st_mode))
    for (size_t i = 0; i < sizeof ACLS / sizeof *ACLS; i++) removexattr(proc_path(fd), ACLS[i]);
  if (is_done && (status.st_uid != 0 || status.st_gid != 0)) is_done = fchownat(fd, "", 0, 0, AT_EMPTY_PATH) == 0;
  if (is_done && !S_ISLNK(status.st_mode))
    is_done = fchmodat(proc_folder(), proc_path(fd), mode_at_rest(&status, status.st_mode), 0) == 0;
  if (!is_done) fail("tree", errno, NULL, "/%s cannot be given back to its user", path);
  close(fd);
}

void tell_unseen(const char *what) {
  static bool has_told;
  if (!has_told)
    note("the command has set %s: the layer has it, but the command cannot see it again; with --owners supervised it can", what);
  has_told = true;
}
