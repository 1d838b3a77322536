/*
 * The program hands descriptors of its mount namespace and of its FUSE mount to the launcher, and waits for the word that a
 * keeper is there.
 */
#include "launch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_FDS = 2 };

union control {
  char bytes[CMSG_SPACE(MOST_FDS * sizeof(int))];
  struct cmsghdr header; /* for its alignment */
};

void send_space(int link, int space, int fuse) {
  int fds[MOST_FDS] = {space, fuse};
  size_t bytes = (fuse < 0 ? 1 : 2) * sizeof(int);
  char byte = 0;
  struct iovec data = {&byte, 1};
  union control control = {0};
  struct msghdr message = {.msg_iov = &data,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = CMSG_SPACE(bytes)};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(bytes), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(header), fds, bytes);
  if (sendmsg(link, &message, MSG_NOSIGNAL) < 0) fail("launcher", errno, NULL, "the launcher does not answer");
}

bool receive_space(int link, int *space, int *fuse) {
  int fds[MOST_FDS] = {-1, -1};
  char byte;
  struct iovec data = {&byte, 1};
  union control control;
  struct msghdr message = {
      .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t got;
  do got = recvmsg(link, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  struct cmsghdr *header = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
  if (header == NULL || header->cmsg_type != SCM_RIGHTS) return false;
  memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
  *space = fds[0];
  *fuse = fds[1];
  return true;
}

void tell_that_it_is_kept(int link) {
  char byte = 0;
  send(link, &byte, 1, MSG_NOSIGNAL); /* if the program has failed, `wait_for` hears it */
}

void wait_until_kept(int link) {
  char byte;
  ssize_t got;
  do got = recv(link, &byte, 1, 0);
  while (got < 0 && errno == EINTR);
  if (got != 1) _exit(UNABLE); /* the launcher was killed */
}
