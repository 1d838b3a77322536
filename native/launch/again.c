/*
 * `compose run` becomes us, because Node takes 50 MB of memory for each rank of a job, and time in its end. If no program can be
 * started, it is started again: it tells users why, or takes another runtime. Its words and variables lie in a file in
 * memory, each with a NUL behind it: the number of the words, the words, the variables. Behind them comes our report.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BYTES = 16 * 1024 * 1024 };

static int file = -1;
static off_t report_start;
static pid_t launcher;
static mode_t mask;
static sigset_t signals;

void remember_caller(int fd) {
  report_start = lseek(fd, 0, SEEK_END);
  if (report_start <= 0) fail("usage", errno, USAGE, "--caller %d", fd);
  file = fd;
  launcher = getpid();
  umask(mask = umask(0));
  sigprocmask(SIG_SETMASK, NULL, &signals);
}

bool has_caller(void) { return file >= 0; }

/* The words, and behind their NULL the variables, with one more that leads to the report. */
static char **read_words(size_t *count) {
  size_t length, all = 0;
  char *text = lseek(file, 0, SEEK_SET) == 0 ? read_whole(file, MOST_BYTES, &length) : NULL;
  if (text == NULL) return NULL;
  length = (size_t)report_start;
  for (size_t i = 0; i < length; i++) all += text[i] == '\0';
  char **list = allocate((all + 3) * sizeof *list);
  *count = strtoul(text, NULL, 10);
  if (*count == 0 || *count >= all) return NULL;
  for (size_t i = 0; i < all - 1; i++) {
    text += strlen(text) + 1;
    list[i < *count ? i : i + 1] = text;
  }
  list[all] = format_text("STRATA_NOT_STARTED=%d", file);
  return list;
}

void call_again(void) {
  static bool was_called; /* it may fail, too */
  struct stat status;
  size_t count;
  if (was_called || file < 0 || getpid() != launcher || fstat(file, &status) != 0 || status.st_size <= report_start) return;
  was_called = true;
  char **words = read_words(&count);
  if (words != NULL && lseek(file, report_start, SEEK_SET) == report_start && fcntl(file, F_SETFD, 0) == 0) {
    umask(mask);
    sigprocmask(SIG_SETMASK, &signals, NULL);
    execve(words[0], words, words + count + 1);
  }
  dprintf(STDERR_FILENO, "strata-launch: the program was not started, and compose cannot say why: %s\n", strerror(errno));
}
