/*
 * --join KEY: the ranks of a job on one node share the namespaces of the first one, so that they may read each other's memory
 * (CMA), and one program serves the image for all of them. A file of the user, which is locked while the first one starts,
 * tells whose namespaces these are.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONGEST_KEY = 64 };
static const char *const KEY_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

static int lock_file = -1;
static const char *lock_path;

/* Where nobody else can put a file: the folder of the session, or one of our own in /tmp. */
static const char *own_folder(void) {
  struct stat status;
  const char *session = getenv("XDG_RUNTIME_DIR");
  if (session != NULL && session[0] == '/' && stat(session, &status) == 0 && S_ISDIR(status.st_mode) &&
      status.st_uid == geteuid() && (status.st_mode & 077) == 0)
    return session;
  const char *folder = format_text("/tmp/strata-%u", geteuid());
  if (mkdir(folder, 0700) != 0 && errno != EEXIST) fail("join", errno, "XDG_RUNTIME_DIR", "%s", folder);
  if (lstat(folder, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
    fail("join", 0, "XDG_RUNTIME_DIR, a folder that only you can enter", "%s is not a folder of yours alone", folder);
  return folder;
}

/* Another rank may have removed the file while we waited for its lock. */
static void take_lock(const char *key) {
  struct stat opened, named;
  lock_path = format_text("%s/strata-join-%s", own_folder(), key);
  for (;;) {
    lock_file = open(lock_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock_file < 0) fail("join", errno, NULL, "%s", lock_path);
    while (flock(lock_file, LOCK_EX) != 0)
      if (errno != EINTR) fail("join", errno, NULL, "%s cannot be locked", lock_path);
    if (fstat(lock_file, &opened) == 0 && stat(lock_path, &named) == 0 && opened.st_ino == named.st_ino &&
        opened.st_dev == named.st_dev)
      return;
    close(lock_file);
  }
}

struct first {
  int pid;
  unsigned long long space;        /* inode of its mount namespace: a number of a process may be used again */
  unsigned long long device, tree; /* of the image or directory */
};

static bool stat_root(const struct options *options, struct stat *status) {
  return options->image_fd >= 0 ? fstat(options->image_fd, status) == 0 : stat(options->root, status) == 0;
}

/* -1 if it has ended. */
static int open_space_of(const struct first *first) {
  struct stat status;
  int fd = open(format_text("/proc/%d/ns/mnt", first->pid), O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && (fstat(fd, &status) != 0 || status.st_ino != first->space)) {
    close(fd);
    fd = -1;
  }
  return fd;
}

static void enter(int pid, int space) {
  struct stat ours, theirs;
  int user = open(format_text("/proc/%d/ns/user", pid), O_RDONLY | O_CLOEXEC);
  if (user < 0 || fstat(user, &theirs) != 0 || stat("/proc/self/ns/user", &ours) != 0)
    fail("join", errno, NULL, "the namespaces of process %d", pid);
  if (ours.st_ino != theirs.st_ino && setns(user, CLONE_NEWUSER) != 0)
    fail("join", errno, NULL, "the user namespace of process %d", pid);
  if (setns(space, CLONE_NEWNS) != 0) fail("join", errno, NULL, "the mount namespace of process %d", pid);
}

/* In place of this process: the namespaces are there, and whoever made them looks after them. */
static _Noreturn void become_rank(struct options *options, int pid, int space) {
  sigset_t signals;
  if (options->has_host_files) open_host_files();
  if (has_caller()) report_to_nobody();
  enter(pid, space);
  close(lock_file); /* also unlocks */
  sigprocmask(SIG_SETMASK, NULL, &signals);
  start_command(options, options->parent, &signals);
}

/* Returns if we are the first one; then the file stays locked until `tell_joined`. */
void join(struct options *options) {
  char text[128] = "";
  struct first first;
  struct stat root;
  if (options->join == NULL) return;
  size_t length = strlen(options->join);
  if (length == 0 || length > LONGEST_KEY || strspn(options->join, KEY_CHARACTERS) != length)
    fail("usage", 0, "letters, digits and ._-, such as the number of a job", "--join %s is not a name", options->join);
  if (options->is_writable) fail("usage", 0, NULL, "--join does not go together with --writable or --overlay");
  take_lock(options->join);
  if (pread(lock_file, text, sizeof text - 1, 0) <= 0 ||
      sscanf(text, "%d %llu %llu %llu", &first.pid, &first.space, &first.device, &first.tree) != 4)
    return;
  int space = open_space_of(&first);
  if (space < 0) return;
  if (!stat_root(options, &root) || root.st_dev != first.device || root.st_ino != first.tree)
    fail("usage", 0, "another name", "--join %s is in use for another image", options->join);
  become_rank(options, first.pid, space);
}

/* As soon as the first one has become its program, others may come. The program holds the other end of `link` until then. */
void tell_joined(const struct options *options, pid_t program, int link) {
  char byte;
  struct stat space, root;
  if (lock_file < 0) return;
  while (recv(link, &byte, 1, 0) < 0 && errno == EINTR) continue;
  if (stat(format_text("/proc/%d/ns/mnt", program), &space) == 0 && stat_root(options, &root) &&
      ftruncate(lock_file, 0) == 0)
    dprintf(lock_file, "%d %llu %llu %llu\n", program, (unsigned long long)space.st_ino, (unsigned long long)root.st_dev,
            (unsigned long long)root.st_ino);
  flock(lock_file, LOCK_UN);
}

void forget_joined(void) {
  if (lock_file >= 0 && flock(lock_file, LOCK_EX | LOCK_NB) == 0) unlink(lock_path);
}
