/* A user namespace in which users keep their own id, and a mount namespace, without a privilege. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool says(const char *setting, const char *value) {
  char line[64];
  return strcmp(read_line_of(setting, line, sizeof line), value) == 0;
}

static bool apparmor_restricts(void) {
  return says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") ||
         says("/host/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1");
}

static const char *const APPARMOR =
    "an AppArmor profile with \"userns,\" for this program (spec/launcher.md#apparmor), or as root: sysctl "
    "kernel.apparmor_restrict_unprivileged_userns=0";

const char *hint_for_mounts(void) {
  return apparmor_restricts() ? APPARMOR : "compose doctor says what this host allows; --runtime names another runtime";
}

void fail_unshare(int number) {
  const char *hint = "compose doctor says what this host allows; --runtime names another runtime";
  if (says("/proc/sys/user/max_user_namespaces", "0")) hint = "as root: sysctl user.max_user_namespaces=15000";
  else if (says("/proc/sys/kernel/unprivileged_userns_clone", "0"))
    hint = "as root: sysctl kernel.unprivileged_userns_clone=1";
  else if (apparmor_restricts()) hint = APPARMOR;
  else if (number == EINVAL) hint = "a kernel with CONFIG_USER_NS";
  fail("namespaces", number, hint, "a user namespace cannot be made here");
}

/* /proc as it was before it was made read-only; -1 if it is not. */
static int writable_proc = -1;

static void write_setting(const char *name, const char *text) {
  char *path = format_text("/proc/self/%s", name);
  int fd = writable_proc < 0 ? open(path, O_WRONLY | O_CLOEXEC)
                             : openat(writable_proc, path + strlen("/proc/"), O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) {
    int number = errno; /* the hint is looked up in files */
    fail("namespaces", number, hint_for_mounts(), "%s of a new user namespace cannot be written", path);
  }
  close(fd);
  free(path);
}

static uid_t own_uid;
static gid_t own_gid;
static bool has_user_namespace, is_root_inside, is_confined;

static void map_ids(uid_t uid, uid_t outer_uid, gid_t gid, gid_t outer_gid) {
  char line[64];
  snprintf(line, sizeof line, "%u %u 1", uid, outer_uid);
  write_setting("uid_map", line);
  snprintf(line, sizeof line, "%u %u 1", gid, outer_gid);
  write_setting("gid_map", line);
}

bool is_real_root(void) { return !has_user_namespace; }
bool is_owner_of_host(void) { return own_uid == 0; }

static int spaces_of_capture(const struct options *options) {
  return CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | (options->has_network ? 0 : CLONE_NEWNET);
}

static void map_own_ids(void) {
  /* Linux 3.19: without it, a user could leave a group that denies them something. */
  write_setting("setgroups", "deny");
  map_ids(is_root_inside ? 0 : own_uid, own_uid, is_root_inside ? 0 : own_gid, own_gid);
}

/* Root needs no user namespace, where it has its capabilities; but what a command may do to the host is the same for all. */
void enter_namespaces(const struct options *options) {
  own_uid = geteuid();
  own_gid = getegid();
  is_confined = options->is_confined;
  bool has_ranges = options->users.count > 0 && options->groups.count > 0;
  struct mapper mapper = {0};
  if (has_ranges) mapper = start_mapper(options);
  if (is_confined) writable_proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (has_ranges || options->is_capture || is_confined || own_uid != 0 || unshare(CLONE_NEWNS) != 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | (options->is_capture ? spaces_of_capture(options) : 0)) != 0)
      fail_unshare(errno);
    has_user_namespace = true;
    is_root_inside = options->is_writable || options->is_capture;
    if (has_ranges) map_ranges(options, &mapper);
    else map_own_ids();
  }
  /* Mounts that the host makes later, such as those of an automounter, arrive here; ours do not leave. */
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
    fail("namespaces", errno, hint_for_mounts(), "the mounts of a new namespace cannot be changed");
}

/* What is mounted by now cannot be unmounted in them. */
void enter_inner_namespaces(int link) {
  char byte = 0;
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) fail_unshare(errno);
  if (has_ids()) {
    /* A process can map no more than its own id for itself. */
    if (send(link, &byte, 1, MSG_NOSIGNAL) != 1 || recv(link, &byte, 1, 0) != 1) _exit(UNABLE);
    return;
  }
  write_setting("setgroups", "deny");
  map_ids(0, 0, 0, 0);
}

/* All mounts are made; from here on the program could change none. */
void return_to_own_ids(void) {
  if (own_uid == 0 ? !is_confined : !is_root_inside) return;
  if (unshare(CLONE_NEWUSER) != 0) fail_unshare(errno);
  map_ids(own_uid, is_root_inside ? 0 : own_uid, own_gid, is_root_inside ? 0 : own_gid);
}

int open_own_space(void) {
  int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("proc", errno, "mount -t proc proc /proc", "/proc/self/ns/mnt");
  return fd;
}
