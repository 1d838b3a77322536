/*
 * Ranges of subordinate ids (subuid(5)) for the user namespace of a capture. newuidmap(1) and newgidmap(1), which are set-id,
 * map them from outside of the namespace: so a process that stays outside is started first.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned held;

bool has_ids(void) { return held > 0; }

bool is_held(unsigned id) { return id < held || id == (unsigned)-1; }

/* Its messages go to whoever waits for the mapping. */
static bool run_program(const struct id_range *range, pid_t target, unsigned own) {
  pid_t child = fork();
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execl(range->program, range->program, format_text("%d", target), "0", format_text("%u", own), "1", "1",
          format_text("%u", range->first), format_text("%u", range->count), (char *)NULL);
    fprintf(stderr, "%s: %s", range->program, strerror(errno));
    _exit(NOT_FOUND);
  }
  int status = -1;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

struct mapper start_mapper(const struct options *options) {
  struct mapper mapper;
  int go[2], words[2];
  pid_t target = getpid();
  if (pipe2(go, O_CLOEXEC) != 0 || pipe2(words, O_CLOEXEC) != 0) fail("launcher", errno, NULL, "a pipe");
  mapper = (struct mapper){.pid = start(), .go = go[1], .words = words[0]};
  if (mapper.pid == 0) {
    char byte;
    close(go[1]);
    dup2(words[1], STDERR_FILENO);
    if (read(go[0], &byte, 1) != 1) _exit(UNABLE);
    _exit(run_program(&options->users, target, geteuid()) && run_program(&options->groups, target, getegid()) ? 0 : UNABLE);
  }
  close(go[0]);
  close(words[1]);
  return mapper;
}

void map_ranges(const struct options *options, const struct mapper *mapper) {
  int status = -1;
  size_t length = 0;
  if (write(mapper->go, "g", 1) != 1) fail("subuid", errno, NULL, "the ranges of subordinate ids");
  close(mapper->go);
  char *words = read_whole(mapper->words, PATH_MAX / 2, &length);
  if (words != NULL) words[strcspn(words, "\n")] = '\0';
  close(mapper->words);
  while (waitpid(mapper->pid, &status, 0) < 0 && errno == EINTR) continue;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail("subuid", 0, "--owners supervised, which needs no subordinate ids", "subordinate ids cannot be mapped: %s",
         words == NULL ? "" : words);
  free(words);
  unsigned users = options->users.count, groups = options->groups.count;
  held = (users < groups ? users : groups) + 1;
}

/* Line by line as they are mapped outside: the kernel takes no line of which parts are apart there. */
static void write_map(pid_t process, const char *name) {
  char *path = format_text("/proc/%d/%s", process, name), *line = format_text("0 0 1\n1 1 %u", held - 1);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, line, strlen(line)) < 0) fail("namespaces", errno, NULL, "%s cannot be written", path);
  close(fd);
  free(path);
  free(line);
}

void map_inner_ranges(pid_t process) {
  write_map(process, "uid_map");
  write_map(process, "gid_map");
}

void remove_with_ranges(char **words) {
  struct options options;
  read_options(words, &options);
  close_all_but(NULL, 0);
  if (options.users.count == 0 || options.groups.count == 0) fail("usage", 0, USAGE, "wanted --users and --groups");
  enter_namespaces(&options);
  execlp(options.command[0], options.command[0], "-rf", "--one-file-system", "--", options.root, (char *)NULL);
  fail_exec(options.command[0], errno);
}
