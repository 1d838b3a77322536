/* Waits for the program, hands signals on to it, and ends as it does. */
#include "launch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* By the same signal, but without a second core file. */
void end_by(int number) {
  struct rlimit none = {0, 0};
  sigset_t set;
  setrlimit(RLIMIT_CORE, &none);
  signal(number, SIG_DFL);
  sigemptyset(&set);
  sigaddset(&set, number);
  raise(number);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  _exit(128 + number); /* a signal that does not end a process */
}

static _Noreturn void end_as(int status, pid_t keeper, int link, int space, bool is_confined) {
  char goodbye = GOODBYE;
  /* Who kills a program by force, or shuts it in, wants nothing of it to go on. */
  if (is_confined || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) end_all_in(space);
  forget_joined();
  close(space);
  send(link, &goodbye, 1, MSG_NOSIGNAL);
  /* Until the keeper has ended, or says that the rest is for it alone. */
  if (recv(link, &goodbye, 1, 0) == 0) waitpid(keeper, NULL, 0);
  call_again();
  if (WIFSIGNALED(status)) end_by(WTERMSIG(status));
  _exit(WEXITSTATUS(status));
}

static _Noreturn void end_without_keeper(pid_t program, int link, int space) {
  char words[PATH_MAX];
  ssize_t length = recv(link, words, sizeof words - 1, MSG_DONTWAIT);
  end_all_in(space);
  waitpid(program, NULL, 0);
  if (length <= 0) fail("keeper", 0, NULL, "the keeper of the run was killed, so the program was ended");
  words[length] = '\0';
  words[strcspn(words, "\n")] = '\0';
  fail("squashfuse", 0, "squashfuse 0.1.100 or later, with libfuse 3.3 or later", "squashfuse does not serve the image: %s",
       words);
}

/*
 * A terminal sends its signals to the program as well; those of other processes are for us to hand on. So are those that the
 * kernel sends to us alone: of a clock that was set before we were started, and of a terminal whose session we lead and
 * which is gone.
 */
static bool is_for_program(const siginfo_t *info) {
  if (info->si_code <= 0 || info->si_signo == SIGALRM) return true;
  return info->si_signo == SIGHUP && getsid(0) == getpid();
}

void wait_for(pid_t program, pid_t keeper, int link, int space, bool is_confined) {
  sigset_t all;
  siginfo_t info;
  int status;
  sigfillset(&all);
  for (;;) {
    if (sigwaitinfo(&all, &info) < 0) continue;
    if (info.si_signo != SIGCHLD) {
      if (is_for_program(&info)) kill(program, info.si_signo);
      continue;
    }
    if (waitpid(program, &status, WNOHANG) == program) end_as(status, keeper, link, space, is_confined);
    if (waitpid(keeper, &status, WNOHANG) == keeper) end_without_keeper(program, link, space);
  }
}
