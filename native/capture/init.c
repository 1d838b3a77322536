/* Number 1 of the process namespace. */
#include "capture.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The supervisor may have been killed before. */
static void die_with_supervisor(int link) {
  struct pollfd end = {.fd = link};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (poll(&end, 1, 0) > 0 && (end.revents & POLLHUP)) _exit(UNABLE);
}

static _Noreturn void become_command(const struct options *options, int link, int init, const sigset_t *signals) {
  enter_inner_namespaces(init);
  close(init);
  change_environment(options);
  sigprocmask(SIG_SETMASK, signals, NULL);
  int listener = install_filter();
  if (listener < 0) fail_supervision(errno);
  send_space(link, listener, -1);
  close(listener);
  close(link);
  execvp(options->command[0], options->command);
  fail_exec(options->command[0], errno);
}

/* A terminal sends its signals to the command as well. */
static void hand_on(const siginfo_t *info, pid_t command) {
  if (info->si_signo != SIGCHLD && info->si_code <= 0) kill(command, info->si_signo);
}

/* Ends with the command, and all else in the namespace with it. */
static _Noreturn void wait_for_command(pid_t command, int link) {
  sigset_t all;
  siginfo_t info;
  sigfillset(&all);
  for (;;) {
    if (sigwaitinfo(&all, &info) < 0) continue;
    hand_on(&info, command);
    int status;
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;)
      if (ended == command) {
        send(link, &status, sizeof status, MSG_NOSIGNAL);
        _exit(0);
      }
  }
}

/* The command asks for it from its own namespace. */
static void map_for(pid_t command, int link) {
  char byte;
  if (has_ids() && recv(link, &byte, 1, 0) == 1) {
    map_inner_ranges(command);
    send(link, &byte, 1, MSG_NOSIGNAL);
  }
  close(link);
}

void become_init(const struct options *options, int link, const sigset_t *signals) {
  die_with_supervisor(link);
  mount_proc();
  leave_for_tree();
  enter_folder(options);
  die_with_supervisor(link);
  int to_command[2];
  make_pair(to_command);
  pid_t command = start();
  if (command == 0) {
    close(to_command[0]);
    become_command(options, link, to_command[1], signals);
  }
  close(to_command[1]);
  map_for(command, to_command[0]);
  wait_for_command(command, link);
}
