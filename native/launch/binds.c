/* Files and folders of the host, mounted in the tree. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* mount_setattr(2), Linux 5.12, with the number that it has on all processors. */
enum { MOUNT_SETATTR = 442 };
struct attributes {
  uint64_t set, clear, propagation, user_namespace;
};
static const uint64_t READ_ONLY = 1; /* MOUNT_ATTR_RDONLY */

/* The flags that a remount must keep: in a user namespace, those of the host are locked. */
static unsigned long flags_of(int fd) {
  static const struct {
    unsigned long seen, wanted;
  } FLAGS[] = {{ST_NOSUID, MS_NOSUID},   {ST_NODEV, MS_NODEV},           {ST_NOEXEC, MS_NOEXEC},
               {ST_NOATIME, MS_NOATIME}, {ST_NODIRATIME, MS_NODIRATIME}, {ST_RELATIME, MS_RELATIME}};
  struct statvfs status;
  unsigned long flags = 0;
  if (fstatvfs(fd, &status) == 0)
    for (size_t i = 0; i < sizeof FLAGS / sizeof *FLAGS; i++)
      if (status.f_flag & FLAGS[i].seen) flags |= FLAGS[i].wanted;
  return flags;
}

int mount_number(int fd) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/host/proc/self/fdinfo/%d", fd);
  FILE *file = fopen(path, "re");
  if (file == NULL) file = fopen(path + strlen("/host"), "re"); /* the host's tree was not left */
  int number = -1;
  while (file != NULL && number < 0 && fgets(line, sizeof line, file) != NULL) sscanf(line, "mnt_id: %d", &number);
  if (file != NULL) fclose(file);
  return number;
}

static bool has_mounts_below(int fd) {
  int number = mount_number(fd), parent;
  FILE *file = fopen("/host/proc/self/mountinfo", "re");
  char *line = NULL;
  size_t room = 0;
  bool has = file == NULL || number < 0;
  while (!has && getline(&line, &room, file) > 0) has = sscanf(line, "%*d %d", &parent) == 1 && parent == number;
  if (file != NULL) fclose(file);
  return has;
}

/* With all that is mounted below it. Older kernels can do it for one mount at a time, so they are told to. */
void make_read_only(int fd, const char *name) {
  struct attributes attributes = {.set = READ_ONLY};
  if (syscall(MOUNT_SETATTR, fd, "", AT_EMPTY_PATH | 0x8000 /* AT_RECURSIVE */, &attributes, sizeof attributes) == 0)
    return;
  if (errno != ENOSYS && errno != EPERM) fail("mount", errno, NULL, "%s cannot be made read-only", name);
  if (has_mounts_below(fd))
    fail("mount_setattr", 0, "Linux 5.12, or a folder with nothing mounted in it",
         "%s cannot be mounted read-only: this kernel would leave what is mounted below it writable", name);
  if (mount(NULL, path_of(fd), NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags_of(fd), NULL) != 0)
    fail("mount", errno, NULL, "%s cannot be made read-only", name);
}

/* They are opened with the host's tree as it is: a link on the way leads where the user's shell would go. */
void open_binds(struct options *options) {
  for (size_t i = 0; i < options->bind_count; i++) {
    struct bind *bind = &options->binds[i];
    bind->fd = open_source(bind->source);
    if (bind->fd >= 0) continue;
    if (!bind->may_be_left_out) fail("bind", errno, NULL, "%s of the host cannot be mounted", bind->source);
    note("%s is not mounted: %s", bind->source, strerror(errno));
  }
}

static const char *place_for(int source, const char *target, struct place *place) {
  struct stat wanted, found;
  if (fstat(source, &wanted) != 0) return strerror(errno);
  bool is_file = !S_ISDIR(wanted.st_mode);
  if (!find_place(target, place))
    return errno == ENOTDIR ? "has no place in the tree: a file is on the way" : strerror(errno);
  if (place->rest[0] != '\0' && !make_place(place, is_file))
    return errno == ENOENT ? "has no place in the tree" : strerror(errno);
  if (fstat(place->fd, &found) != 0) return strerror(errno);
  if (is_file == S_ISDIR(found.st_mode))
    return is_file ? "has no place in the tree: a folder is there" : "has no place in the tree: a file is there";
  return NULL;
}

const char *bind_at(int source, const char *target, bool is_read_only) {
  struct place place;
  const char *fault = place_for(source, target, &place);
  if (fault != NULL) return fault;
  if (strcmp(place.path, "/") == 0) return "would hide the whole tree";
  if (mount(path_of(source), path_of(place.fd), NULL, MS_BIND | MS_REC, NULL) != 0) return strerror(errno);
  close(place.fd);
  covers(place.path);
  if (!is_read_only) return NULL;
  /* What is mounted there now is found by its name again. */
  if (!find_place(place.path, &place)) return strerror(errno);
  make_read_only(place.fd, target);
  close(place.fd);
  return NULL;
}

/* Ranks of one job meet in /dev/shm and /tmp. */
static const char *const FOLDERS[] = {"/dev", "/proc", "/sys", "/tmp"};
enum { FOLDER_COUNT = sizeof FOLDERS / sizeof *FOLDERS };
static int folders[FOLDER_COUNT];

/* As binds: /tmp may be an absolute link to a local disk. */
void open_host_folders(void) {
  for (int i = 0; i < FOLDER_COUNT; i++) folders[i] = open_source(FOLDERS[i]);
}

void mount_host_folders(void) {
  for (int i = 0; i < FOLDER_COUNT; i++) {
    if (folders[i] < 0) continue;
    const char *fault = bind_at(folders[i], FOLDERS[i], false);
    if (fault != NULL) fail("mount", 0, hint_for_mounts(), "%s of the host cannot be mounted: it %s", FOLDERS[i], fault);
    close(folders[i]);
  }
}

void mount_binds(struct options *options) {
  for (size_t i = 0; i < options->bind_count; i++) {
    struct bind *bind = &options->binds[i];
    if (bind->fd < 0) continue;
    const char *fault = bind_at(bind->fd, bind->target, bind->is_read_only);
    close(bind->fd);
    if (fault == NULL) continue;
    if (!bind->may_be_left_out)
      fail("bind", 0, "mount it at /mnt/0 to /mnt/9, which images have", "%s cannot be mounted at %s: it %s",
           bind->source, bind->target, fault);
    note("%s is not mounted: it %s", bind->source, fault);
  }
}
