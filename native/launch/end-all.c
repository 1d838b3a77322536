/* Ends all that a program has started, also what has left its process group or lost its parent. */
#include "launch.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What hangs in the kernel cannot be killed before a server answers. */
enum { MOST_ROUNDS = 2000, MILLISECONDS = 1000 * 1000 };

static bool is_in(const char *process, const struct stat *space) {
  char path[64];
  struct stat status;
  snprintf(path, sizeof path, "/proc/%.20s/ns/mnt", process);
  return stat(path, &status) == 0 && status.st_ino == space->st_ino && status.st_dev == space->st_dev;
}

/* pidfd_open(2) and pidfd_send_signal(2), Linux 5.3, with the numbers that they have on all processors. */
enum { SEND_SIGNAL = 424, OPEN_PROCESS = 434 };

/* By a descriptor, as another process may get the number between the look and the signal. True if it was there. */
static bool kill_if_in(const char *process, const struct stat *space) {
  int number = atoi(process), fd = (int)syscall(OPEN_PROCESS, number, 0);
  bool has_call = fd >= 0 || (errno != ENOSYS && errno != EPERM), is_there = is_in(process, space);
  if (is_there && !has_call) kill(number, SIGKILL);
  if (is_there && fd >= 0) syscall(SEND_SIGNAL, fd, SIGKILL, NULL, 0);
  if (fd >= 0) close(fd);
  return is_there;
}

/* Number of processes that were there. */
static int kill_once(const struct stat *space) {
  DIR *stream = opendir("/proc");
  if (stream == NULL) return 0;
  int count = 0;
  for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
    if (isdigit((unsigned char)entry->d_name[0]) && kill_if_in(entry->d_name, space)) count++;
  closedir(stream);
  return count;
}

void end_all_in(int space) {
  struct stat status;
  struct timespec pause = {.tv_nsec = 2 * MILLISECONDS};
  if (fstat(space, &status) != 0) return;
  for (int round = 0; round < MOST_ROUNDS && kill_once(&status) > 0; round++) nanosleep(&pause, NULL);
}
