#include "../capture/capture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* If the user closed one of the first three, no file of ours may get its number. The program finds it closed. */
static void keep_numbers_free(void) {
  int fd;
  do fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

int main(int count, char **words) {
  struct options options;
  keep_numbers_free();
  /* Set-id, it would mount for everybody, with rights that none of its checks are made for. */
  if (getuid() != geteuid() || getgid() != getegid())
    fail("set-id", 0, "chmod u-s,g-s", "this program must not be set-id");
  if (count > 1 && strcmp(words[1], "--help") == 0) return puts(USAGE) < 0;
  if (count == 2 && strcmp(words[1], "check") == 0) return check_host(), 0;
  if (count > 1 && strcmp(words[1], "mount") == 0) mount_for_all(words + 2);
  if (count > 1 && strcmp(words[1], "umount") == 0) unmount(words + 2);
  if (count > 1 && strcmp(words[1], "remove") == 0) remove_with_ranges(words + 2);
  bool is_capture = count >= 2 && strcmp(words[1], "capture") == 0;
  if (count < 2 || (!is_capture && strcmp(words[1], "run") != 0)) fail("usage", 0, USAGE, "wanted a verb");
  read_options(words + 2, &options);
  options.is_capture = is_capture;
  close_untold(&options);
  if (is_capture) capture(&options);
  run(&options);
}
