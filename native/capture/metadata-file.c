/*
 * The table as a file (spec/sandbox.md#metadata): fields with a NUL behind each. For each path: the path; mode, owner,
 * group, device and number of attributes; then name and value, in hexadecimal, of each attribute.
 */
#include "capture.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define START "strata-metadata-1"
#define END "end"
#define CAPABILITY "security.capability"

enum { MOST_FILE_BYTES = 1 << 30, MOST_CAPABILITY_BYTES = 64, MOST_DEPTH = 4096 };

struct reader {
  const char *next, *end;
};

static const char *field(struct reader *reader, const char *file) {
  const char *found = reader->next;
  if (found >= reader->end) fail("metadata", 0, NULL, "%s is cut off", file);
  reader->next += strlen(found) + 1;
  return found;
}

static unsigned char *from_hex(const char *text, size_t *length) {
  *length = strlen(text) / 2;
  unsigned char *value = allocate(*length + 1);
  for (size_t i = 0; i < *length; i++) {
    unsigned byte;
    if (sscanf(text + 2 * i, "%2x", &byte) == 1) value[i] = (unsigned char)byte;
  }
  return value;
}

/* Links are not followed: nobody outside of the tree is meant. */
int open_in_tree(int tree, const char *path) {
  struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
  if (path[0] == '\0') path = ".";
  return (int)syscall(437 /* openat2, Linux 5.6 */, tree, path, &how, sizeof how);
}

static void read_attributes(struct reader *reader, const char *file, int fd, struct metadata *own, int count) {
  struct stat status;
  while (count-- > 0) {
    size_t length;
    const char *name = field(reader, file);
    unsigned char *value = from_hex(field(reader, file), &length);
    bool is_kept = fd < 0 || restore_attribute(fd, name, value, length);
    if (!is_kept && own == NULL && fstatat(fd, "", &status, AT_EMPTY_PATH) == 0) own = own_metadata(fd, &status);
    if (!is_kept && own != NULL) set_attribute(own, name, value, length);
    free(value);
  }
}

void read_metadata(int in, const char *file, int tree) {
  size_t length;
  char *text = read_whole(in, MOST_FILE_BYTES, &length);
  if (text == NULL) fail("metadata", errno, NULL, "%s cannot be read", file);
  close(in);
  struct reader reader = {text, text + length};
  if (strcmp(field(&reader, file), START) != 0) fail("metadata", 0, NULL, "%s has another form", file);
  for (const char *path; strcmp(path = field(&reader, file), "/" END) != 0;) {
    unsigned mode, uid, gid, first, second;
    int count;
    if (sscanf(field(&reader, file), "%o %u %u %u %u %d", &mode, &uid, &gid, &first, &second, &count) != 6)
      fail("metadata", 0, NULL, "%s has no numbers for %s", file, path);
    struct stat status;
    int inode = open_in_tree(tree, path);
    /* A path that is gone, or has a link on its way by now, has nothing to be known of. */
    if (inode < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != EXDEV)
      fail("metadata", errno, "Linux 5.6 or later, and no container around that forbids openat2(2)",
           "what is known of /%s cannot be given to it", path);
    bool is_there = inode >= 0 && fstatat(inode, "", &status, AT_EMPTY_PATH) == 0;
    struct metadata wanted = {.mode = mode, .uid = uid, .gid = gid, .number = makedev(first, second)};
    struct metadata *own = is_there ? restore_owner(inode, &status, &wanted) : NULL;
    read_attributes(&reader, file, inode, own, count);
    if (inode >= 0) close(inode);
  }
  free(text);
}

struct walk {
  FILE *out;
  char **given; /* paths of inodes whose owner, mode or ACL is not that of a tree at rest */
  size_t given_count;
  char path[PATH_MAX];
  dev_t device;
};

static void write_value(FILE *out, const char *name, const unsigned char *value, size_t length) {
  fprintf(out, "%s%c", name, 0);
  for (size_t i = 0; i < length; i++) fprintf(out, "%02x", value[i]);
  fputc('\0', out);
}

static void write_one(struct walk *walk, const struct metadata *seen, const unsigned char *capability, ssize_t length) {
  int count = length > 0;
  for (const struct attribute *each = seen->attributes; each != NULL; each = each->next) count++;
  fprintf(walk->out, "%s%c%o %u %u %u %u %d%c", walk->path, 0, seen->mode, seen->uid, seen->gid, major(seen->number),
          minor(seen->number), count, 0);
  for (const struct attribute *each = seen->attributes; each != NULL; each = each->next)
    write_value(walk->out, each->name, each->value, each->length);
  if (length > 0) write_value(walk->out, CAPABILITY, capability, (size_t)length);
}

/* The kernel shows a capability to root of the namespace as root of the host would see it. */
static void write_inode(struct walk *walk, int folder, const char *name, const struct stat *status) {
  bool is_changeable = !S_ISLNK(status->st_mode), may_have = S_ISREG(status->st_mode) && (status->st_mode & 0111);
  bool is_physical = !is_changeable || physical_mode(status, status->st_mode) == (status->st_mode & 07777);
  if (is_physical && !may_have && !may_be_known(status->st_dev, status->st_ino)) return;
  int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) fail("tree", errno, NULL, "/%s", walk->path);
  unsigned char capability[MOST_CAPABILITY_BYTES];
  ssize_t length = may_have ? getxattr(proc_path(fd), CAPABILITY, capability, sizeof capability) : 0;
  const struct metadata *known = find_metadata(fd, status);
  if (known != NULL || !is_physical || length > 0) {
    struct metadata plain = {.uid = status->st_uid, .gid = status->st_gid, .mode = status->st_mode, .number = status->st_rdev};
    write_one(walk, known != NULL ? known : &plain, capability, length);
  }
  if (!is_physical && set_physical_mode(fd, status->st_mode) != 0)
    fail("tree", errno, NULL, "/%s cannot be made readable", walk->path);
  close(fd);
}

/* Where owners are real. Nothing is changed before all is written, as an inode may have several names. */
static void write_real_inode(struct walk *walk, int folder, const char *name, const struct stat *status) {
  bool may_have = S_ISREG(status->st_mode) && (status->st_mode & 0111);
  bool is_at_rest = S_ISLNK(status->st_mode) || mode_at_rest(status, status->st_mode) == (status->st_mode & 07777);
  bool is_of_root = status->st_uid == 0 && status->st_gid == 0;
  char path[NAME_MAX + 64];
  snprintf(path, sizeof path, "%s/%s", proc_path(folder), name);
  bool is_plain = is_at_rest && is_of_root && !may_have && !may_be_known(status->st_dev, status->st_ino);
  if (is_plain && (S_ISLNK(status->st_mode) || !has_acl(path))) return;
  unsigned char capability[MOST_CAPABILITY_BYTES];
  struct metadata seen;
  int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) fail("tree", errno, NULL, "/%s", walk->path);
  ssize_t length = may_have ? getxattr(proc_path(fd), CAPABILITY, capability, sizeof capability) : 0;
  if (see_real(fd, status, &seen) || length > 0) {
    write_one(walk, &seen, capability, length);
    walk->given = realloc(walk->given, (walk->given_count + 1) * sizeof *walk->given);
    if (walk->given == NULL) fail("memory", ENOMEM, NULL, "a path");
    walk->given[walk->given_count++] = format_text("%s", walk->path);
  }
  forget_attributes(&seen);
  close(fd);
}

static void write_any(struct walk *walk, int folder, const char *name, const struct stat *status) {
  if (has_ids()) write_real_inode(walk, folder, name, status);
  else write_inode(walk, folder, name, status);
}

static void write_folder(struct walk *walk, int folder, int depth) {
  if (depth > MOST_DEPTH) fail("tree", ELOOP, NULL, "/%s", walk->path);
  DIR *stream = fdopendir(folder);
  size_t length = strlen(walk->path);
  if (stream == NULL) fail("tree", errno, NULL, "/%s cannot be listed", walk->path);
  for (struct dirent *entry; (errno = 0, entry = readdir(stream)) != NULL;) {
    struct stat status;
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    int room = (int)(sizeof walk->path - length);
    if (snprintf(walk->path + length, (size_t)room, "%s%s", length == 0 ? "" : "/", entry->d_name) >= room)
      fail("tree", ENAMETOOLONG, NULL, "/%s", walk->path);
    if (fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
      fail("tree", errno, NULL, "/%s", walk->path);
    if (status.st_dev == walk->device) {
      write_any(walk, dirfd(stream), entry->d_name, &status);
      if (S_ISDIR(status.st_mode)) {
        int inner = openat(dirfd(stream), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner < 0) fail("tree", errno, NULL, "/%s cannot be listed", walk->path);
        write_folder(walk, inner, depth + 1);
      }
    }
    walk->path[length] = '\0';
  }
  if (errno != 0) fail("tree", errno, NULL, "/%s cannot be listed", walk->path);
  closedir(stream);
}

/* The end says that it is whole. */
void write_metadata(int out, int tree) {
  struct walk walk = {.out = fdopen(out, "w")};
  struct stat status;
  int top = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (walk.out == NULL || top < 0 || fstat(top, &status) != 0) fail("metadata", errno, NULL, "it cannot be written");
  walk.device = status.st_dev;
  fprintf(walk.out, START "%c", 0);
  write_any(&walk, tree, ".", &status);
  write_folder(&walk, top, 0);
  for (size_t i = 0; i < walk.given_count; i++) take_back(tree, walk.given[i]);
  fprintf(walk.out, "/" END "%c", 0);
  bool is_whole = fflush(walk.out) == 0 && !ferror(walk.out);
  if (fclose(walk.out) != 0 || !is_whole) fail("metadata", errno, "free space on the disk", "it cannot be written");
}
