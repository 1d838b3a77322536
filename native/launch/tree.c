/*
 * Places in the tree. The tree is hostile: its links may lead anywhere, so each name is looked up by itself, below a
 * descriptor, and a link is read and followed by us. openat2(2) with RESOLVE_IN_ROOT does the same, from Linux 5.6 on; but it
 * does not say which names are missing.
 *
 * The tree is read-only. If it lacks a place, its deepest directory is replaced by one in memory that shows the same
 * entries, and gets the new one.
 */
#include "launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

enum { MOST_LINKS = 40 /* path_resolution(7) */, MOST_NAMES = 256 };

struct walk {
  int fds[MOST_NAMES]; /* the root, then one for each name of the path so far */
  const char *names[MOST_NAMES];
  int depth;
  char *ahead;
  int links;
};

static void leave_name(struct walk *walk) {
  if (walk->depth > 0) close(walk->fds[walk->depth--]);
}

/* The link's target, then what was ahead; an absolute one starts at the tree's root again. */
static bool follow(struct walk *walk, int link) {
  char target[PATH_MAX];
  ssize_t length = readlinkat(link, "", target, sizeof target - 1);
  if (length < 0) return false;
  target[length] = '\0';
  errno = ELOOP;
  if (++walk->links > MOST_LINKS) return false;
  if (target[0] == '/')
    while (walk->depth > 0) leave_name(walk);
  walk->ahead = format_text("%s/%s", target, walk->ahead);
  errno = ENAMETOOLONG;
  return strlen(walk->ahead) < PATH_MAX;
}

/* True if the walk goes on; else the name is missing (ENOENT), or the path cannot be. */
static bool enter_name(struct walk *walk, const char *name, bool is_last) {
  int fd = openat(walk->fds[walk->depth], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) return false;
  if (S_ISLNK(status.st_mode)) {
    bool follows = follow(walk, fd);
    close(fd);
    return follows;
  }
  errno = ENOTDIR;
  if (!is_last && !S_ISDIR(status.st_mode)) return false;
  errno = ENAMETOOLONG;
  if (walk->depth + 1 == MOST_NAMES) return false;
  walk->fds[++walk->depth] = fd;
  walk->names[walk->depth] = name;
  return true;
}

static char *next_name(struct walk *walk) {
  walk->ahead += strspn(walk->ahead, "/");
  size_t length = strcspn(walk->ahead, "/");
  char *name = format_text("%.*s", (int)length, walk->ahead);
  walk->ahead += length;
  walk->ahead += strspn(walk->ahead, "/");
  return name;
}

static void finish(struct walk *walk, struct place *place) {
  size_t length = 0;
  for (int i = 1; i <= walk->depth; i++)
    length += snprintf(place->path + length, PATH_MAX - length, "/%s", walk->names[i]);
  if (length == 0) strcpy(place->path, "/");
  place->fd = dup(walk->fds[walk->depth]);
  fcntl(place->fd, F_SETFD, FD_CLOEXEC);
  for (; walk->depth >= 0; walk->depth--) close(walk->fds[walk->depth]);
}

/* Names alone, as a link may end with a slash. */
static void keep_rest(struct walk *walk, const char *name, char *rest) {
  size_t length = 0;
  for (; name[0] != '\0' && length < PATH_MAX; name = next_name(walk))
    if (strcmp(name, ".") != 0) length += snprintf(rest + length, PATH_MAX - length, "%s%s", length > 0 ? "/" : "", name);
}

bool find_place(const char *path, struct place *place) {
  struct walk walk = {.ahead = format_text("%s", path)};
  place->rest[0] = '\0';
  /* Opened anew each time: the root itself may have been replaced. */
  walk.fds[0] = open(TREE, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (walk.fds[0] < 0 || strlen(path) >= PATH_MAX) return false;
  for (;;) {
    char *name = next_name(&walk);
    if (name[0] == '\0') break;
    if (strcmp(name, ".") == 0) continue;
    if (strcmp(name, "..") == 0) leave_name(&walk);
    else if (!enter_name(&walk, name, walk.ahead[0] == '\0')) {
      if (errno != ENOENT) return false;
      keep_rest(&walk, name, place->rest);
      break;
    }
  }
  finish(&walk, place);
  return true;
}

/* Paths at which something of the host is mounted. */
static const char **covered;
static size_t covered_count;

void covers(const char *path) {
  covered = realloc(covered, (covered_count + 1) * sizeof *covered);
  if (covered == NULL) fail("memory", ENOMEM, NULL, "a path");
  covered[covered_count++] = format_text("%s", path);
}

static bool is_of_host(const char *path) {
  for (size_t i = 0; i < covered_count; i++) {
    size_t length = strlen(covered[i]);
    if (strncmp(path, covered[i], length) == 0 && (path[length] == '\0' || path[length] == '/')) return true;
  }
  return false;
}

/* Directories in memory that stand for some of the tree; they become read-only in the end. */
struct part {
  int fd;
  dev_t device;
};
static struct part *parts;
static size_t part_count;

static bool is_part(dev_t device) {
  for (size_t i = 0; i < part_count; i++)
    if (parts[i].device == device) return true;
  return false;
}

static bool copy_entry(int directory, const char *name) {
  char path[PATH_MAX], target[PATH_MAX];
  struct stat status;
  snprintf(path, sizeof path, "/part/%s", name);
  int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0) return false;
  bool is_done;
  if (S_ISLNK(status.st_mode)) {
    ssize_t length = readlinkat(fd, "", target, sizeof target - 1);
    if (length >= 0) target[length] = '\0';
    is_done = length >= 0 && symlink(target, path) == 0;
  } else {
    is_done = (S_ISDIR(status.st_mode) ? mkdir(path, 0755) : mknod(path, S_IFREG | 0644, 0)) == 0 &&
              mount(path_of(fd), path, NULL, MS_BIND | MS_REC, NULL) == 0;
  }
  close(fd);
  return is_done;
}

static bool copy_entries(int directory) {
  int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd < 0 ? NULL : fdopendir(fd);
  if (stream == NULL) return false;
  bool is_done = true;
  for (struct dirent *entry; is_done && (errno = 0, entry = readdir(stream)) != NULL;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      is_done = copy_entry(directory, entry->d_name);
  int number = errno;
  closedir(stream);
  errno = number;
  return is_done && number == 0;
}

/* Moved onto the directory when it is complete. */
static bool replace_by_part(int directory) {
  struct stat status;
  if (fstat(directory, &status) != 0) return false;
  char mode[16];
  snprintf(mode, sizeof mode, "mode=%o", status.st_mode & 01777);
  if (mount("strata", "/part", "tmpfs", MS_NOSUID | MS_NODEV, mode) != 0) return false;
  int fd = open("/part", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0 || !copy_entries(directory)) return false;
  if (mount("/part", path_of(directory), NULL, MS_MOVE, NULL) != 0) return false;
  parts = realloc(parts, (part_count + 1) * sizeof *parts);
  if (parts == NULL) fail("memory", ENOMEM, NULL, "a part");
  parts[part_count++] = (struct part){.fd = fd, .device = status.st_dev};
  return true;
}

/* Each name that is missing, with the path that leads to it. */
static void note_places(const struct place *place) {
  size_t shown = strcmp(place->path, "/") == 0 ? 0 : strlen(place->path);
  for (const char *end = place->rest; *end != '\0';) {
    end += strcspn(end + (*end == '/'), "/") + (*end == '/');
    note_place(format_text("%.*s/%.*s", (int)shown, place->path, (int)(end - place->rest), place->rest));
  }
}

static bool make_names(int directory, char *rest, bool is_file) {
  int fd = dup(directory);
  for (char *next = rest; next != NULL && fd >= 0;) {
    char *name = strsep(&next, "/");
    int made = next == NULL && is_file ? mknodat(fd, name, S_IFREG | 0644, 0) : mkdirat(fd, name, 0755);
    int inner = made == 0 ? openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
    close(fd);
    fd = inner;
  }
  if (fd < 0) return false;
  close(fd);
  return true;
}

static bool is_writable;

void may_write_to_tree(void) { is_writable = true; }

bool make_place(struct place *place, bool is_file) {
  if (place->rest[0] == '\0') return true;
  struct stat status;
  char path[2 * PATH_MAX];
  errno = ENOENT;
  /* A folder of the host is the user's: nothing is made in it. */
  if (is_of_host(place->path) || strstr(place->rest, "..") != NULL) return false;
  snprintf(path, sizeof path, "%s/%s", place->path, place->rest);
  if (fstat(place->fd, &status) != 0) return false;
  struct place before = *place; /* make_names takes the names apart */
  if (is_writable && make_names(place->fd, place->rest, is_file)) {
    note_places(&before);
    close(place->fd);
    return find_place(path, place);
  }
  if (!is_part(status.st_dev)) {
    if (!replace_by_part(place->fd)) return false;
    close(place->fd);
    if (!find_place(path, place)) return false;
  }
  if (!make_names(place->fd, place->rest, is_file)) return false;
  close(place->fd);
  return find_place(path, place);
}

void seal_tree(void) {
  for (size_t i = 0; i < part_count; i++)
    if (mount(NULL, path_of(parts[i].fd), NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) != 0)
      fail("namespaces", errno, hint_for_mounts(), "a part of the tree cannot be made read-only");
}
