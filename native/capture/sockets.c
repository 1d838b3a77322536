/*
 * With the network of the host, its abstract sockets (unix(7)) would be in reach: the message bus and the X server of the
 * user take every process that has the user's id for the user, and start programs for it. The name of such a socket belongs
 * to the network namespace in which the socket was made. So a process in an empty one, which the command does not see, makes
 * all Unix sockets of the command. Sockets that are files are found as before: in the tree and the binds.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/net.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct request {
  int type, protocol;
  bool is_pair;
};

static int maker = -1;
static pid_t maker_process;

bool has_socket_maker(void) { return maker >= 0; }

/* A request that the kernel refuses gets a byte without descriptors. */
static void answer(int link, const struct request *request) {
  int ends[2] = {-1, -1}, type = request->type | SOCK_CLOEXEC;
  if (!request->is_pair) ends[0] = socket(AF_UNIX, type, request->protocol);
  else if (socketpair(AF_UNIX, type, request->protocol, ends) != 0) ends[0] = -1;
  if (ends[0] >= 0) send_space(link, ends[0], ends[1]);
  else send(link, "", 1, MSG_NOSIGNAL);
  for (size_t i = 0; i < 2; i++)
    if (ends[i] >= 0) close(ends[i]);
}

static _Noreturn void make_sockets(int link, pid_t supervisor) {
  struct request request;
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) fail_unshare(errno);
  die_with(supervisor);
  close_all_but(&link, 1);
  for (int fd = 0; fd <= STDERR_FILENO; fd++) close(fd);
  send(link, "", 1, MSG_NOSIGNAL);
  while (recv(link, &request, sizeof request, 0) == sizeof request) answer(link, &request);
  _exit(0);
}

void start_socket_maker(void) {
  char byte;
  int link[2];
  pid_t supervisor = getpid();
  make_pair(link);
  maker_process = start();
  if (maker_process == 0) make_sockets(link[1], supervisor);
  close(link[1]);
  if (recv(link[0], &byte, 1, 0) != 1) _exit(UNABLE); /* it has told why */
  maker = link[0];
}

void end_socket_maker(void) {
  if (maker < 0) return;
  close(maker);
  while (waitpid(maker_process, NULL, 0) < 0 && errno == EINTR) continue;
}

static bool obtain(const struct request *request, int *ends) {
  return send(maker, request, sizeof *request, MSG_NOSIGNAL) == sizeof *request && receive_space(maker, &ends[0], &ends[1]);
}

/* Before Linux 5.9, no descriptor can be handed over. */
static int hand_over_or_leave(struct call *call, int fd, int type) {
  int result = hand_over(call, fd, type & SOCK_CLOEXEC ? O_CLOEXEC : 0);
  return result == -EINVAL ? CONTINUE : result;
}

static int make_one(struct call *call, int type, int protocol) {
  int ends[2];
  if (!obtain(&(struct request){type, protocol, false}, ends)) return -EPROTONOSUPPORT;
  return hand_over_or_leave(call, ends[0], type);
}

static int make_two(struct call *call, int type, int protocol, uint64_t answer) {
  int ends[2], numbers[2];
  if (!obtain(&(struct request){type, protocol, true}, ends)) return -EPROTONOSUPPORT;
  for (size_t i = 0; i < 2; i++) {
    int result = insert(call, ends[i], type & SOCK_CLOEXEC ? O_CLOEXEC : 0);
    if (result < 0 && i == 0) close(ends[1]);
    if (result < 0) return result == -EINVAL ? CONTINUE : result;
    numbers[i] = result;
  }
  return write_memory(call, answer, numbers, sizeof numbers) ? 0 : -EFAULT;
}

/* We are asked about other families, too, whose numbers are odd. */
int make_socket(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return (int)words[0] == AF_UNIX ? make_one(call, (int)words[1], (int)words[2]) : CONTINUE;
}

/* Streams stay with their other end. Datagrams can be sent elsewhere. */
int make_socket_pair(struct call *call) {
  const __u64 *words = call->notice->data.args;
  return (int)words[0] == AF_UNIX ? make_two(call, (int)words[1], (int)words[2], words[3]) : CONTINUE;
}

/* socketcall(2) of i386, whose words another thread could change after our look: so we make sockets of all families. */
int make_socket_by_call(struct call *call) {
  const __u64 *given = call->notice->data.args;
  int kind = (int)given[0];
  uint32_t words[4] = {0};
  if (kind != SYS_SOCKET && kind != SYS_SOCKETPAIR) return CONTINUE;
  if (!read_memory(call, given[1], words, (kind == SYS_SOCKET ? 3 : 4) * sizeof *words)) return -EFAULT;
  int type = (int)words[1], protocol = (int)words[2];
  if (kind == SYS_SOCKETPAIR) return words[0] == AF_UNIX ? make_two(call, type, protocol, words[3]) : -EOPNOTSUPP;
  if (words[0] == AF_UNIX) return make_one(call, type, protocol);
  int fd = socket((int)words[0], type | SOCK_CLOEXEC, protocol);
  return fd < 0 ? -errno : hand_over(call, fd, type & SOCK_CLOEXEC ? O_CLOEXEC : 0);
}
