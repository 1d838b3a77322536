/*
 * Whatever the caller holds open stays outside: by a descriptor of a folder of the host, or of a file that is open for
 * writing, a program would reach around all mounts, and a build script of strangers with the rights of root.
 */
#include "launch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CLOSE_RANGE = 436 /* close_range(2), Linux 5.9 */, FIRST = STDERR_FILENO + 1 };

static bool is_among(int fd, const int *kept, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (fd == kept[i]) return true;
  return false;
}

/* Before Linux 5.9, or where a filter forbids the call. Without /proc, number by number. */
static void close_one_by_one(const int *kept, size_t count) {
  DIR *stream = opendir("/proc/self/fd");
  struct rlimit limit = {.rlim_cur = 1024};
  if (stream == NULL) {
    getrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = FIRST; fd < (int)limit.rlim_cur; fd++)
      if (!is_among(fd, kept, count)) close(fd);
    return;
  }
  for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
    int fd = atoi(entry->d_name);
    if (fd >= FIRST && fd != dirfd(stream) && !is_among(fd, kept, count)) close(fd);
  }
  closedir(stream);
}

void close_all_but(const int *kept, size_t count) {
  for (int first = FIRST;;) {
    int next = INT_MAX;
    for (size_t i = 0; i < count; i++)
      if (kept[i] >= first && kept[i] < next) next = kept[i];
    unsigned last = next == INT_MAX ? ~0U : (unsigned)next - 1;
    if (next > first && syscall(CLOSE_RANGE, first, last, 0) != 0) {
      close_one_by_one(kept, count);
      return;
    }
    if (next == INT_MAX) return;
    first = next + 1;
  }
}

/* -1 unless it names a pipe or a socket that is open. Folders and files are never the program's. */
static int stream_of(const char *number) {
  struct stat status;
  char *end;
  long fd = number == NULL ? -1 : strtol(number, &end, 10);
  if (fd < FIRST || fd > INT_MAX || end == number || *end != '\0' || fstat((int)fd, &status) != 0) return -1;
  return S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) ? (int)fd : -1;
}

/* /dev/fd/63 is what shells make of <(command). */
static const char *number_in(const char *word) {
  static const char *const FOLDERS[] = {"/dev/fd/", "/proc/self/fd/"};
  for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++)
    if (strncmp(word, FOLDERS[i], strlen(FOLDERS[i])) == 0) return word + strlen(FOLDERS[i]);
  return NULL;
}

void close_untold(const struct options *options) {
  size_t words = 0, count = 0;
  while (options->command[words] != NULL) words++;
  int *kept = allocate((words + 3) * sizeof *kept);
  kept[count++] = reporting_to();
  kept[count++] = options->image_fd;
  bool may_keep = !options->is_capture && !options->is_confined;
  if (may_keep) kept[count++] = stream_of(getenv("PMI_FD"));
  for (size_t i = 0; may_keep && i < words; i++) kept[count++] = stream_of(number_in(options->command[i]));
  close_all_but(kept, count);
  free(kept);
}
