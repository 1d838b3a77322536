/* Answers the calls of the command, one after another. */
#include "../launch/seccomp.h"
#include "capture.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_CALL_NUMBER = 512 };

static handler *handlers[MOST_CALL_NUMBER], *handlers_32[MOST_CALL_NUMBER];
static struct seccomp_notif *notice;
static struct seccomp_notif_resp *answer;
static struct seccomp_notif_sizes sizes;

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static void prepare_handlers(const struct known_calls *calls, handler **list) {
  for (size_t i = 0; i < calls->count; i++)
    if (is_asked(&calls->list[i]) && calls->list[i].number < MOST_CALL_NUMBER) list[calls->list[i].number] = calls->list[i].handler;
}

/* A newer kernel may tell more than we know of. */
static void prepare(void) {
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0)
    fail("seccomp", errno, "Linux 5.9 or later, with CONFIG_SECCOMP_FILTER", "this kernel cannot ask us about system calls");
  notice = allocate(larger(sizes.seccomp_notif, sizeof *notice));
  answer = allocate(larger(sizes.seccomp_notif_resp, sizeof *answer));
  prepare_handlers(&KNOWN_CALLS, handlers);
  prepare_handlers(&KNOWN_CALLS_32, handlers_32);
}

static void answer_one(int listener) {
  memset(notice, 0, sizes.seccomp_notif);
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, notice) != 0) return; /* the process was killed meanwhile */
  struct call call = {.notice = notice, .pid = (pid_t)notice->pid, .listener = listener};
  int number = notice->data.nr;
  handler **list = notice->data.arch == PROCESSOR ? handlers : handlers_32;
  handler *handle = number >= 0 && number < MOST_CALL_NUMBER ? list[number] : NULL;
  int result = handle == NULL ? CONTINUE : handle(&call);
  leave_root();
  if (call.is_answered) return;
  memset(answer, 0, sizes.seccomp_notif_resp);
  answer->id = notice->id;
  if (result == CONTINUE) answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  else if (result < 0) answer->error = result;
  else answer->val = call.value;
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, answer);
}

/* Of a terminal, the command has it anyway. */
static void hand_on_signal(int signals, pid_t init) {
  struct signalfd_siginfo info;
  if (read(signals, &info, sizeof info) != sizeof info || info.ssi_signo == SIGCHLD || info.ssi_code > 0) return;
  kill(init, (int)info.ssi_signo);
}

/* The listener comes first, then the status of the command. */
static bool hear(int link, int *listener, int *status) {
  if (*listener < 0) {
    int none;
    return receive_space(link, listener, &none);
  }
  return recv(link, status, sizeof *status, MSG_DONTWAIT) == sizeof *status;
}

enum { SYNCHRONOUS = 1 /* SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6: both stay on one processor */ };
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

bool supervise(pid_t init, int link, int *status) {
  int listener = -1;
  sigset_t all;
  sigfillset(&all);
  int signals = signalfd(-1, &all, SFD_CLOEXEC);
  prepare();
  for (;;) {
    struct pollfd ready[] = {
        {.fd = link, .events = POLLIN}, {.fd = signals, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
    if (poll(ready, 3, -1) < 0) continue;
    if (ready[2].revents & POLLIN) answer_one(listener);
    if (ready[1].revents & POLLIN) hand_on_signal(signals, init);
    if (ready[0].revents != 0) {
      bool is_first = listener < 0, is_heard = hear(link, &listener, status);
      if (is_heard && is_first) {
        remember_root(); /* by now, init has made the tree the root, also ours */
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNCHRONOUS);
        continue;
      }
      if (listener >= 0) close(listener); /* whoever still waits gets an error, and then its end */
      int ended;
      while (waitpid(init, &ended, 0) < 0 && errno == EINTR) continue;
      if (!is_heard) *status = ended;
      return is_heard;
    }
  }
}
