/* The supervisor: makes the namespaces, starts init, answers, and writes down what is known in the end. */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_file(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC, 0600);
  if (fd < 0) fail("metadata", errno, NULL, "%s cannot be opened", path);
  return fd;
}

/* From here on, files of the tree belong to others: without an end behind it, what was known says it no longer. */
static void begin_result(int result) {
  if (pwrite(result, "", 1, 0) != 1) fail("metadata", errno, "free space on the disk", "it cannot be written");
}

/* What has to be found by a path of the host is opened before it is left. Returns the tree. */
static int enter(struct options *options, int metadata, int result) {
  enter_namespaces(options);
  if (sethostname("localhost", 9) != 0) fail("namespaces", errno, NULL, "the name of the host");
  open_proc();
  int tree = open_source(options->root);
  if (tree < 0) fail("image", errno, NULL, "%s", options->root);
  remember_top(tree);
  if (has_ids()) {
    try_owners(tree);
    begin_result(result);
  }
  open_binds(options);
  if (options->has_network) open_name_files();
  if (fchdir(proc_folder()) != 0) fail("proc", errno, NULL, "/proc");
  read_metadata(metadata, options->metadata, tree);
  leave_host();
  mount_capture_tree(options, tree);
  mount_binds(options);
  return tree;
}

static _Noreturn void end_as(int status) {
  end_socket_maker();
  if (WIFSIGNALED(status)) end_by(WTERMSIG(status));
  _exit(WEXITSTATUS(status));
}

void capture(struct options *options) {
  sigset_t before;
  int link[2], status;
  if (options->metadata == NULL || options->result == NULL) fail("usage", 0, USAGE, "wanted --metadata and --result");
  die_with(options->parent);
  umask(0);
  signal(SIGCHLD, SIG_DFL);
  block_signals(&before);
  make_pair(link);
  if (options->has_network) start_socket_maker();
  int result = open_file(options->result, O_WRONLY | O_CREAT | O_TRUNC);
  int tree = enter(options, open_file(options->metadata, O_RDONLY), result);
  die_with(options->parent); /* the kernel forgets it in a new user namespace */
  prepare_credentials();
  pid_t init = start();
  if (init == 0) {
    umask(022);
    close(link[0]);
    close(result);
    become_init(options, link[1], &before);
  }
  close(link[1]);
  if (fchdir(proc_folder()) != 0) fail("proc", errno, NULL, "/proc");
  bool is_whole = supervise(init, link[0], &status);
  if (!is_whole) end_as(status);
  remove_places(tree);
  write_metadata(result, tree);
  end_as(status);
}
