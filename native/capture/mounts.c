/*
 * The tree of a capture: the folder itself, and what its programs need of the host. Places that the folder lacks are made
 * in it, and removed in the end.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OF_PROC = MS_NOSUID | MS_NODEV | MS_NOEXEC };

static char **places; /* in the order in which they were made */
static size_t place_count;

static void remember(const char *path) {
  places = realloc(places, (place_count + 1) * sizeof *places);
  if (places == NULL) fail("memory", ENOMEM, NULL, "a path");
  places[place_count++] = format_text("%s", path);
}

/* Each of the names that the tree lacks. */
static void remember_all(const struct place *place) {
  char *path = format_text("%s", strcmp(place->path, "/") == 0 ? "" : place->path);
  for (char *rest = format_text("%s", place->rest), *name; (name = strsep(&rest, "/")) != NULL;) {
    path = format_text("%s/%s", path, name);
    remember(path);
  }
}

/* The time of a folder must not tell that something was made in it. */
static void keep_time(int fd, const struct timespec *time) {
  struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, *time};
  utimensat(AT_FDCWD, path_of(fd), times, 0);
}

static void prepare_place(const char *target, bool is_file) {
  struct place place;
  struct stat above;
  if (!find_place(target, &place)) return; /* bind_at tells why */
  if (place.rest[0] != '\0' && fstat(place.fd, &above) == 0) {
    int fd = dup(place.fd);
    remember_all(&place);
    if (make_place(&place, is_file)) keep_time(fd, &above.st_mtim);
    close(fd);
  }
  close(place.fd);
}

static void show(int source, const char *target, bool is_read_only) {
  struct stat status;
  if (fstat(source, &status) != 0) fail("mount", errno, NULL, "%s", target);
  prepare_place(target, !S_ISDIR(status.st_mode));
  const char *fault = bind_at(source, target, is_read_only);
  if (fault != NULL) fail("mount", 0, hint_for_mounts(), "%s of the host cannot be mounted: it %s", target, fault);
}

static void show_path(const char *source, const char *target, bool is_read_only) {
  int fd = open_source(source);
  if (fd < 0) return;
  show(fd, target, is_read_only);
  close(fd);
}

static const char *const LINKS[][2] = {{"/proc/self/fd", "fd"},         {"/proc/self/fd/0", "stdin"},
                                       {"/proc/self/fd/1", "stdout"},   {"/proc/self/fd/2", "stderr"},
                                       {"pts/ptmx", "ptmx"}};
static const char *const DEVICES[] = {"null", "zero", "full", "random", "urandom", "tty"};

/* No other device of the host is of use to an installation, or safe from it. */
static void fill_devices(void) {
  for (size_t i = 0; i < sizeof DEVICES / sizeof *DEVICES; i++) {
    char *here = format_text("/part/%s", DEVICES[i]);
    int fd = open(here, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    if (fd < 0 || mount(format_text("/host/dev/%s", DEVICES[i]), here, NULL, MS_BIND, NULL) != 0)
      fail("mount", errno, hint_for_mounts(), "/dev/%s of the host cannot be mounted", DEVICES[i]);
  }
  for (size_t i = 0; i < sizeof LINKS / sizeof *LINKS; i++)
    if (symlink(LINKS[i][0], format_text("/part/%s", LINKS[i][1])) != 0) fail("memory", errno, NULL, "/dev");
  if (mkdir("/part/shm", 01777) != 0 || mkdir("/part/pts", 0755) != 0) fail("memory", errno, NULL, "/dev");
  if (mount("strata", "/part/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0 ||
      mount("strata", "/part/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620") != 0)
    fail("mount", errno, hint_for_mounts(), "terminals cannot be mounted in a new namespace");
}

static void mount_devices(void) {
  if (mount("strata", "/part", "tmpfs", MS_NOSUID, "mode=0755") != 0) fail("mount", errno, hint_for_mounts(), "/dev");
  fill_devices();
  show_path("/part", "/dev", false);
  umount2("/part", MNT_DETACH);
}

/* invoke-rc.d of Debian asks it: no service is to start in a capture. */
static void forbid_services(void) {
  struct place place;
  if (!find_place("/usr/sbin/policy-rc.d", &place) || place.rest[0] == '\0' || access(TREE "/var/lib/dpkg", F_OK) != 0)
    return;
  close(place.fd);
  int fd = open("/policy-rc.d", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (fd < 0 || dprintf(fd, "#!/bin/sh\nexit 101\n") < 0) fail("memory", errno, NULL, "policy-rc.d");
  close(fd);
  show_path("/policy-rc.d", "/usr/sbin/policy-rc.d", true);
}

/*
 * The command gets an empty folder in its place. The folder above is a mount as well, so that it cannot be renamed with a
 * forged one put in its place.
 */
static void hide_record(void) {
  struct place place;
  if (!find_place("/.compose", &place) || place.rest[0] != '\0') return;
  if (mount(path_of(place.fd), path_of(place.fd), NULL, MS_BIND, NULL) != 0)
    fail("mount", errno, hint_for_mounts(), "the record of the tree cannot be held");
  close(place.fd);
  if (!find_place("/.compose/sandbox", &place) || place.rest[0] != '\0') return;
  if (mount("strata", path_of(place.fd), "tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY, "mode=0700") != 0)
    fail("mount", errno, hint_for_mounts(), "the record of the tree cannot be hidden");
  close(place.fd);
}

/*
 * Where a session has control groups of its own, as systemd gives them, each process with the user's id could freeze or kill
 * all of them, also those outside of the namespace. The command finds an empty folder.
 */
static void hide_control_groups(void) {
  struct place place;
  if (!find_place("/sys/fs/cgroup", &place)) return;
  if (place.rest[0] == '\0' && mount("strata", path_of(place.fd), "tmpfs", OF_PROC | MS_RDONLY, "mode=0555") != 0)
    fail("mount", errno, hint_for_mounts(), "the control groups of the host cannot be hidden");
  close(place.fd);
}

static void start_loopback(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0) {
    ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
  }
}

/* Binds of the user are mounted last, so that they win. */
void mount_capture_tree(const struct options *options, int directory) {
  if (mount(path_of(directory), TREE, NULL, MS_BIND, NULL) != 0)
    fail("mount", errno, hint_for_mounts(), "%s cannot be mounted", options->root);
  may_write_to_tree();
  hide_record();
  mount_devices();
  show_path("/host/sys", "/sys", is_owner_of_host());
  hide_control_groups();
  prepare_place("/proc", false);
  for (int i = 0; i < NAME_FILES; i++)
    if (name_files[i].fd >= 0) show(name_files[i].fd, name_files[i].path, true);
  if (!options->has_network) start_loopback();
  forbid_services();
  for (size_t i = 0; i < options->bind_count; i++) {
    struct stat status;
    if (options->binds[i].fd >= 0 && fstat(options->binds[i].fd, &status) == 0)
      prepare_place(options->binds[i].target, !S_ISDIR(status.st_mode));
  }
}

static const char *const SETTINGS[] = {"sys", "sysrq-trigger", "irq", "bus", "fs", "scsi", "acpi", "asound", "mtrr"};
static const char *const SECRETS[] = {"kcore", "keys", "timer_list", "latency_stats", "sched_debug"};

static void protect(const char *path) {
  if (access(path, F_OK) == 0 && (mount(path, path, NULL, MS_BIND, NULL) != 0 ||
      mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | OF_PROC, NULL) != 0))
    fail("proc", errno, hint_for_mounts(), "settings of the host cannot be protected");
}

/* An empty device is in its place. */
static void hide(const char *path) {
  if (access(path, F_OK) == 0 && mount(TREE "/dev/null", path, NULL, MS_BIND, NULL) != 0)
    fail("proc", errno, hint_for_mounts(), "secrets of the host cannot be hidden");
}

/* By init, whose processes it shows. Where the user is root of the host, its settings are those of the host. */
void mount_proc(void) {
  if (mount("proc", TREE "/proc", "proc", OF_PROC, NULL) != 0)
    fail("proc", errno, "a host, or a container, that shows all of /proc", "the processes of a new namespace cannot be shown");
  if (!is_owner_of_host()) return;
  for (size_t i = 0; i < sizeof SETTINGS / sizeof *SETTINGS; i++) protect(format_text(TREE "/proc/%s", SETTINGS[i]));
  for (size_t i = 0; i < sizeof SECRETS / sizeof *SECRETS; i++) hide(format_text(TREE "/proc/%s", SECRETS[i]));
}

static void remove_place(int folder, const char *name) {
  struct stat status, above;
  if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || fstat(folder, &above) != 0) return;
  if (S_ISREG(status.st_mode) && status.st_size > 0) return;
  if (unlinkat(folder, name, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0) != 0) return;
  struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, above.st_mtim};
  utimensat(proc_folder(), proc_path(folder), times, 0);
}

/* Only what is still empty, and where it was made: the command may have put a link in the place of a folder above. */
void remove_places(int tree) {
  for (size_t i = place_count; i-- > 0;) {
    while (umount2(places[i], MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {} /* each mount on a name holds it */
    char *path = format_text("%s", places[i] + 1), *cut = strrchr(path, '/');
    if (cut != NULL) *cut = '\0';
    int folder = open_in_tree(tree, cut != NULL ? path : "");
    if (folder < 0) continue;
    remove_place(folder, cut != NULL ? cut + 1 : path);
    close(folder);
  }
}
