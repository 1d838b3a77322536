#include "launch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words) {
  struct options options;
  /* Set-id, it would mount for everybody, with rights that none of its checks are made for. */
  if (getuid() != geteuid() || getgid() != getegid())
    fail("set-id", 0, "chmod u-s,g-s", "this program must not be set-id");
  if (count > 1 && strcmp(words[1], "--help") == 0) return puts(USAGE) < 0;
  if (count == 2 && strcmp(words[1], "check") == 0) return check_host(), 0;
  if (count < 2 || strcmp(words[1], "run") != 0)
    fail("usage", 0, USAGE, "wanted a verb");
  read_options(words + 2, &options);
  run(&options);
}
