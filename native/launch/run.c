/* The launcher: starts the program, then the keeper, and waits. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A file that the caller holds open is the one that it looked at, wherever its name leads by now. */
static int open_image(const struct options *options) {
  int fd = options->image_fd;
  if (fd >= 0) return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1;
  /* A pipe in place of an image must not make us wait. */
  return open(options->root, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static void open_root(struct options *options) {
  struct stat status;
  bool is_held = options->image_fd >= 0;
  int fd = open_image(options);
  if (fd < 0 || fstat(fd, &status) != 0) fail("image", errno, NULL, "%s", options->root);
  options->is_directory = S_ISDIR(status.st_mode);
  if (!options->is_directory && !S_ISREG(status.st_mode))
    fail("image", 0, NULL, "%s is neither an image file nor a directory", options->root);
  if (is_held && options->is_directory) fail("usage", 0, USAGE, "--image-fd: wanted an image file");
  options->image_fd = fd;
  if (options->is_directory) {
    close(fd);
    options->image_fd = -1;
  }
}

void die_with(pid_t parent) {
  if (parent == 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(UNABLE); /* it was faster */
}

/* Those by which a terminal stops a job, and by which it goes on, act on us as on the program. */
void block_signals(sigset_t *before) {
  sigset_t set;
  sigfillset(&set);
  for (size_t i = 0; i < 4; i++) sigdelset(&set, (int[]){SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT}[i]);
  sigprocmask(SIG_BLOCK, &set, before);
}

void make_pair(int *link) {
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) != 0) fail("launcher", errno, NULL, "a socket");
}

pid_t start(void) {
  pid_t child = fork();
  if (child < 0) fail("processes", errno, "ulimit -u", "no process can be started");
  return child;
}

/* It has told why. */
static _Noreturn void end_as_it_failed(pid_t program) {
  int status = 0;
  while (waitpid(program, &status, 0) < 0 && errno == EINTR) continue;
  call_again();
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : UNABLE);
}

void run(struct options *options) {
  int to_program[2], to_keeper[2], space, fuse;
  sigset_t before;
  pid_t launcher = getpid();
  options->umask = umask(022);
  open_root(options);
  if (options->overlay != NULL) options->overlay_fd = lock_overlay(options->overlay);
  join(options);
  die_with(options->parent);
  signal(SIGCHLD, SIG_DFL);
  block_signals(&before);
  make_pair(to_program);
  make_pair(to_keeper);
  pid_t program = start();
  if (program == 0) {
    close(to_program[0]); /* so that the program hears of our end while it waits */
    become_program(options, to_program[1], launcher, &before);
  }
  close(to_program[1]);
  if (!receive_space(to_program[0], &space, &fuse)) end_as_it_failed(program);
  if (fuse >= 0 && find_squashfuse(options) == NULL) {
    end_all_in(space);
    waitpid(program, NULL, 0);
    fail("squashfuse", 0, "install squashfuse", "squashfuse_ll, which serves the image, is not found in PATH");
  }
  pid_t keeper = start();
  if (keeper == 0) keep(options, space, to_keeper[1], fuse);
  close(to_keeper[1]);
  tell_that_it_is_kept(to_program[0]);
  if (fuse >= 0) close(fuse);
  tell_joined(options, program, to_program[0]);
  close(to_program[0]);
  wait_for(program, keeper, to_keeper[0], space, options->is_confined);
}
