/*
 * `strata-launch mount`: mounts an image for all users of the host, as root, with its ACLs enforced (spec/erofs.md#mounting).
 *
 *   /lower  the image, by SquashFS: the bytes of files
 *   /meta   names, owners, modes and ACLs: an EROFS image, or a folder in memory where the kernel has no EROFS
 *
 * An overlay of both is put together in a mount namespace of our own, without a place in any tree, and comes to its place
 * whole. If we end before, the kernel takes all away.
 */
#include "launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define META "/meta"

/* Linux 5.2, with the numbers that they have on all processors. */
enum { MOVE_MOUNT = 429, FSOPEN = 430, FSCONFIG = 431, FSMOUNT = 432 };
enum { SET_FLAG = 0, SET_STRING = 1, CREATE = 6 };                      /* of fsconfig(2) */
enum { FROM_EMPTY_PATH = 0x4, TO_EMPTY_PATH = 0x40, CLOEXEC = 1 };      /* of move_mount(2) and fsmount(2) */
enum { RDONLY = 0x1, NOSUID = 0x2, NODEV = 0x4, NOEXEC = 0x8 };         /* MOUNT_ATTR_… */
enum { OPENAT2 = 437, NO_LINKS = 0x4 }; /* Linux 5.6; RESOLVE_NO_SYMLINKS */
enum { SOURCE_BYTES = 255, PROBE_BYTES = 4096 };

struct request {
  int image, metadata;   /* open for reading; metadata -1: a folder in memory, which our caller fills */
  uint64_t offset;       /* of the SquashFS image in its file */
  const char *source;    /* as mount(8) shows it */
  const char *target;
  const char *probe;     /* a file with bytes, without a slash at its start; NULL if the tree has none */
  const char *without;   /* features that a test does without, with commas around each */
  bool is_noexec;
  int mount; /* number of the mount to take away; -1 for any */
};

static bool may_use(const struct request *request, const char *feature) {
  return strstr(request->without, format_text(",%s,", feature)) == NULL;
}

static char *next_word(char ***words) {
  if (**words == NULL) fail("usage", 0, NULL, "a word is missing");
  return *(*words)++;
}

static void read_request(char **words, bool has_source, struct request *request) {
  *request = (struct request){.image = -1, .metadata = -1, .without = "", .mount = -1};
  while (*words != NULL && strncmp(*words, "--", 2) == 0) {
    const char *option = *words++;
    if (strcmp(option, "--report") == 0) report_to(atoi(next_word(&words)));
    else if (strcmp(option, "--image") == 0) request->image = atoi(next_word(&words));
    else if (strcmp(option, "--offset") == 0) request->offset = strtoull(next_word(&words), NULL, 10);
    else if (strcmp(option, "--metadata") == 0) request->metadata = atoi(next_word(&words));
    else if (strcmp(option, "--probe") == 0) request->probe = next_word(&words);
    else if (strcmp(option, "--without") == 0) request->without = format_text(",%s,", next_word(&words));
    else if (strcmp(option, "--mount") == 0) request->mount = atoi(next_word(&words));
    else if (strcmp(option, "--noexec") == 0) request->is_noexec = true;
    else fail("usage", 0, NULL, "%s is not an option", option);
  }
  if (has_source) request->source = next_word(&words);
  request->target = next_word(&words);
}

static const char *mount_metadata_image(const struct request *request) {
  char device[64];
  if (!may_use(request, "erofs")) fail("erofs", ENODEV, NULL, "the metadata of the image cannot be mounted");
  if (may_use(request, "file-backed") &&
      mount(path_of(request->metadata), META, "erofs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) == 0)
    return "erofs of a file";
  int fd = open_loop(request->metadata, 0, device, sizeof device);
  if (fd < 0) fail("loop", errno, "as root: modprobe loop", "a loop device for the metadata cannot be had");
  if (mount(device, META, "erofs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) != 0)
    fail("erofs", errno, errno == ENODEV ? "as root: modprobe erofs" : "Linux 5.15 or later",
         "the metadata of the image cannot be mounted");
  close(fd);
  return "erofs of a loop device";
}

/* Our caller writes the folder through /proc/PID/root, and then one byte. */
static const char *mount_metadata_folder(void) {
  char word = 0;
  if (mount("strata", META, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") != 0)
    fail("memory", errno, NULL, "a folder in memory for the metadata");
  puts("fill");
  fflush(stdout);
  if (read(STDIN_FILENO, &word, 1) != 1) _exit(UNABLE);
  if (mount(NULL, META, NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) != 0)
    fail("memory", errno, NULL, "the metadata cannot be made read-only");
  return "a folder in memory";
}

static bool set(int fs, const char *key, const char *value) {
  return syscall(FSCONFIG, fs, SET_STRING, key, value, 0) == 0;
}

static bool set_layers(int fs, const char *form) {
  if (strcmp(form, "datadir") == 0) return set(fs, "lowerdir+", META) && set(fs, "datadir+", LOWER);
  return set(fs, "lowerdir", strcmp(form, "data-only") == 0 ? META "::" LOWER : META ":" LOWER);
}

/* A mount without a place; -1 with errno. */
static int make_overlay(const struct request *request, const char *form) {
  int fs = syscall(FSOPEN, "overlay", CLOEXEC), tree = -1;
  if (fs < 0)
    fail("overlay", errno, errno == ENODEV ? "as root: modprobe overlay" : "Linux 5.2 or later",
         "an overlay cannot be mounted");
  set(fs, "source", strlen(request->source) > SOURCE_BYTES ? "strata" : request->source);
  if (set(fs, "metacopy", "on") && set(fs, "redirect_dir", "on") && set_layers(fs, form) &&
      syscall(FSCONFIG, fs, SET_FLAG, "ro", NULL, 0) == 0 && syscall(FSCONFIG, fs, CREATE, NULL, NULL, 0) == 0)
    tree = syscall(FSMOUNT, fs, CLOEXEC, RDONLY | NOSUID | NODEV | (request->is_noexec ? NOEXEC : 0));
  int number = errno;
  close(fs);
  errno = number;
  return tree;
}

/* Whether a file has its bytes, and not the hole that the metadata has in their place. */
static bool has_bytes(int tree, const struct request *request) {
  char found[PROBE_BYTES], wanted[PROBE_BYTES];
  if (request->probe == NULL) return true;
  int data = open(LOWER, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int ours = openat(tree, request->probe, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  int theirs = openat(data, request->probe, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  ssize_t length = read(ours, found, sizeof found);
  bool is_same = length > 0 && read(theirs, wanted, sizeof wanted) == length && memcmp(found, wanted, length) == 0;
  close(ours);
  close(theirs);
  close(data);
  return is_same;
}

/* From the newest kernels to older ones: Linux 6.8, 6.5, 4.19. */
static int make_tree(const struct request *request, const char **form) {
  static const char *const FORMS[] = {"datadir", "data-only", "plain"};
  int number = 0;
  for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
    if (!may_use(request, FORMS[i])) continue;
    int tree = make_overlay(request, *form = FORMS[i]);
    if (tree >= 0 && has_bytes(tree, request)) return tree;
    number = tree < 0 ? errno : EIO;
    if (tree >= 0) close(tree);
  }
  fail("overlay", number, "Linux 4.19 or later, with overlay.metacopy", "no overlay with the bytes of the image can be mounted");
}

static int open_step(int folder, const char *name) {
  return openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int walk_to(const char *path) {
  char *rest = format_text("%s", path), *position;
  int fd = open_step(AT_FDCWD, *path == '/' ? "/" : ".");
  for (char *name = strtok_r(rest, "/", &position); name != NULL && fd >= 0; name = strtok_r(NULL, "/", &position)) {
    int next = open_step(fd, name), number = errno;
    close(fd);
    errno = number;
    fd = next;
  }
  free(rest);
  return fd;
}

/*
 * The path has no links, as our caller found. A user who owns a folder on the way may have put one there since, so that root
 * would mount or unmount elsewhere. Before Linux 5.6, or where a filter forbids openat2, each name is opened by itself.
 */
static int open_without_links(const struct request *request, const char *path) {
  struct {
    uint64_t flags, mode, resolve;
  } how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = NO_LINKS};
  int fd = -1;
  errno = ENOSYS;
  if (may_use(request, "openat2")) fd = syscall(OPENAT2, AT_FDCWD, path, &how, sizeof how);
  return fd < 0 && (errno == ENOSYS || errno == EPERM) ? walk_to(path) : fd;
}

static void leave_for_own_space(void) {
  if (unshare(CLONE_NEWNS) != 0) fail("namespaces", errno, "as root", "a mount namespace cannot be made");
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) fail("namespaces", errno, NULL, "the mounts of a new namespace");
  leave_host();
  if (mkdir(META, 0700) != 0) fail("memory", errno, NULL, "a folder in memory");
}

/* Our caller looked before the metadata were made. A user who may write there could have put something in since, or mounted. */
static void check_place(const struct request *request, int place) {
  int folder = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = folder < 0 ? NULL : fdopendir(folder);
  if (stream == NULL) fail("target", errno, NULL, "%s", request->target);
  for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      fail("target", 0, "an empty folder", "%s: is not empty: it holds %s", request->target, entry->d_name);
  closedir(stream);
}

void mount_for_all(char **words) {
  struct request request;
  const char *form;
  read_request(words, true, &request);
  int host = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (host < 0) fail("proc", errno, "mount -t proc proc /proc", "/proc/self/ns/mnt");
  int place = open_without_links(&request, request.target);
  if (place < 0) fail("target", errno, NULL, "%s", request.target);
  leave_for_own_space();
  if (!mount_by_kernel(request.image, request.offset, LOWER))
    fail("squashfs", errno, errno == ENODEV ? "as root: modprobe squashfs" : NULL, "the image cannot be mounted");
  const char *metadata = request.metadata < 0 ? mount_metadata_folder() : mount_metadata_image(&request);
  int tree = make_tree(&request, &form);
  if (setns(host, CLONE_NEWNS) != 0) fail("namespaces", errno, NULL, "the way back to the host");
  check_place(&request, place);
  if (syscall(MOVE_MOUNT, tree, "", place, "", FROM_EMPTY_PATH | TO_EMPTY_PATH) != 0)
    fail("target", errno, NULL, "%s cannot be mounted on", request.target);
  printf("%s, overlay %s\n", metadata, form);
  fflush(stdout);
  _exit(0);
}

/*
 * Whether the mount that our caller looked at is there. A user who owns a folder on the way may have put another one in its
 * place since, with another mount in it. From here on the name stays: no name that something is mounted on can be moved.
 */
static bool is_mount_meant(const struct request *request, const char *name) {
  if (request->mount < 0) return true;
  int fd = open(name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return false;
  bool is_meant = mount_number(fd) == request->mount;
  close(fd); /* or the mount would be busy */
  errno = EINVAL;
  return is_meant;
}

/* UMOUNT_NOFOLLOW looks at the last name alone. */
void unmount(char **words) {
  struct request request;
  read_request(words, false, &request);
  const char *slash = strrchr(request.target, '/');
  if (slash == NULL) fail("usage", 0, NULL, "umount: %s is not an absolute path", request.target);
  char *parent = format_text("%.*s/", (int)(slash - request.target), request.target);
  int folder = open_without_links(&request, parent);
  if (folder < 0 || fchdir(folder) != 0) fail("unmount", errno, NULL, "%s", request.target);
  if (!is_mount_meant(&request, slash + 1))
    fail("unmount", errno, "findmnt", "%s: another mount took its place meanwhile", request.target);
  if (umount2(slash + 1, UMOUNT_NOFOLLOW) != 0) fail("unmount", errno, NULL, "%s", request.target);
  _exit(0);
}
