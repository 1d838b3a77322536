/* The process that becomes the program. Each step settles what the next ones rely on. */
#include "launch.h"
#include "seccomp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void change_environment(const struct options *options) {
  for (size_t i = 0; i < options->change_count; i++) {
    char *change = options->changes[i];
    if (strchr(change, '=') == NULL) unsetenv(change);
    else putenv(change);
  }
}

void fail_exec(const char *program, int number) {
  const char *path = getenv("PATH");
  if (number == EACCES || number == EISDIR)
    fail_program(NOT_EXECUTABLE, "%s is there, but it is not executable", program);
  if (number != ENOENT && number != ENOTDIR)
    fail_program(NOT_EXECUTABLE, "%s cannot be started: %s", program, strerror(number));
  if (strchr(program, '/') == NULL)
    fail_program(NOT_FOUND, "%s is not found in the folders of PATH inside: %s", program, path == NULL ? "" : path);
  if (access(program, F_OK) == 0)
    fail_program(NOT_EXECUTABLE, "%s is there, but the interpreter or loader that it names is not", program);
  fail_program(NOT_FOUND, "%s is not found inside", program);
}

/*
 * Ranks in user namespaces of their own cannot copy from each other. Open MPI 4 notices, warns, and then waits for ever for
 * messages that both send at once, so it is told before. Later ones know no such variable, and notice by themselves. UCX, which
 * MPICH and Open MPI use, ends the ranks: for its shared memory it opens files of the other rank in /proc, unless it is told
 * to take names in /dev/shm, and it copies without asking.
 */
static void spare_ranks(void) {
  static const char *const OF_RANKS[] = {"PMIX_NAMESPACE", "OMPI_COMM_WORLD_SIZE", "PMI_FD", "PMI_SIZE"};
  bool is_rank = false;
  for (size_t i = 0; i < sizeof OF_RANKS / sizeof *OF_RANKS; i++) is_rank |= getenv(OF_RANKS[i]) != NULL;
  if (!is_rank) return;
  setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
  setenv("UCX_POSIX_USE_PROC_LINK", "n", 0);
  setenv("UCX_TLS", "^cma", 0);
}

void start_command(struct options *options, pid_t parent, const sigset_t *signals) {
  enter_folder(options);
  if (give_up_typing() != 0) fail("seccomp", errno, "a kernel with CONFIG_SECCOMP_FILTER", "the terminal cannot be protected");
  if (parent != 0) die_with(parent);
  umask(options->umask);
  if (options->join == NULL && !is_real_root()) spare_ranks();
  change_environment(options);
  if (options->has_host_files) choose_zone();
  sigprocmask(SIG_SETMASK, signals, NULL);
  execvp(options->command[0], options->command);
  fail_exec(options->command[0], errno);
}

void become_program(struct options *options, int link, pid_t launcher, const sigset_t *signals) {
  die_with(launcher);
  if (options->has_host_files) look_up_accounts();
  enter_namespaces(options);
  int space = open_own_space();
  int directory = options->is_directory ? open_source(options->root) : -1;
  if (options->is_directory && directory < 0) fail("image", errno, NULL, "%s", options->root);
  int overlay = options->overlay == NULL ? -1 : open_source(options->overlay);
  open_host_folders();
  open_binds(options);
  if (options->has_host_files) open_host_files(); /* the last time that a path of the host is looked up */
  leave_host();
  if (options->is_directory) {
    send_space(link, space, -1);
    mount_directory(directory, options->root, options->is_writable ? LOWER : TREE);
  } else mount_image(options, link, space);
  if (options->is_writable) {
    mount_overlay(overlay, options->overlay);
    may_write_to_tree();
  }
  mount_host_folders();
  if (options->has_host_files) mount_host_files();
  mount_binds(options);
  seal_tree();
  leave_for_tree();
  return_to_own_ids();
  wait_until_kept(link);
  start_command(options, launcher, signals);
}
