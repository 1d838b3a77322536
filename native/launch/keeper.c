/*
 * The keeper runs outside of the namespaces, in a session of its own. It serves the image: with a program that was installed,
 * which gets the descriptor of the FUSE mount. If the launcher dies without a goodbye, the keeper kills what runs in the
 * namespaces. It holds nothing of the user's descriptors, because a reader of a pipe would wait for it.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUSE_MOUNT_OF_FD "/dev/fd/%d" /* libfuse 3.3 */

enum { WORDS_BYTES = 512, UNMOUNT_MILLISECONDS = 50 };

/* Where Apptainer keeps its own. */
static const char *const FOLDERS = "/usr/libexec/apptainer/bin:/usr/local/libexec/apptainer/bin";

/* NULL if there is none. The second one is served by the same library, more slowly. */
const char *find_squashfuse(const struct options *options) {
  if (options->squashfuse != NULL) return options->squashfuse;
  const char *path = getenv("PATH");
  char *folders = format_text("%s:%s", path == NULL ? "" : path, FOLDERS);
  static const char *const NAMES[] = {"squashfuse_ll", "squashfuse"};
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    char *rest = format_text("%s", folders);
    for (char *folder; (folder = strsep(&rest, ":")) != NULL;) {
      char *program = format_text("%s/%s", folder, NAMES[i]);
      if (folder[0] == '/' && access(program, X_OK) == 0) return program;
    }
  }
  return NULL;
}

static void leave_terminal(void) {
  setsid();
  if (chdir("/") != 0) _exit(UNABLE);
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) dup2(nothing, fd);
}

static pid_t start_server(const struct options *options, const char *squashfuse, int fuse, int words) {
  int image = options->image_fd;
  pid_t keeper = getpid(), server = fork();
  if (server != 0) return server;
  char file[40], mount[40], offset[40];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != keeper) _exit(UNABLE);
  dup2(words, STDERR_FILENO);
  fcntl(image, F_SETFD, 0);
  fcntl(fuse, F_SETFD, 0);
  snprintf(file, sizeof file, "/proc/self/fd/%d", image);
  snprintf(mount, sizeof mount, FUSE_MOUNT_OF_FD, fuse);
  snprintf(offset, sizeof offset, "-ooffset=%lld", options->offset);
  execl(squashfuse, squashfuse, "-f", "-s", offset, file, mount, (char *)NULL);
  dprintf(STDERR_FILENO, "%s", strerror(errno));
  _exit(NOT_FOUND);
}

/* The last of what the server printed. */
struct words {
  char text[2 * WORDS_BYTES];
  size_t length;
};

/* False at the end: the server has ended. */
static bool hear(int fd, struct words *words) {
  char *end = words->text + words->length;
  ssize_t got = read(fd, end, WORDS_BYTES);
  if (got <= 0) return got < 0 && errno == EINTR;
  words->length += got;
  if (words->length > WORDS_BYTES) {
    memmove(words->text, words->text + words->length - WORDS_BYTES, WORDS_BYTES);
    words->length = WORDS_BYTES;
  }
  return true;
}

/* The server ends by itself, with 0, when nothing is mounted any more. */
static _Noreturn void end_with(pid_t server, int link, const struct words *words) {
  int status = 0;
  while (waitpid(server, &status, 0) < 0 && errno == EINTR) continue;
  if (status == 0) _exit(0);
  if (link >= 0 && words->length > 0) send(link, words->text, words->length, MSG_NOSIGNAL);
  else if (link >= 0) send(link, "it was killed", strlen("it was killed"), MSG_NOSIGNAL);
  _exit(UNABLE);
}

/*
 * Gives up the namespace. Unmounting and the end of the server take some milliseconds, which the launcher does not wait for, except
 * where the next run needs what this one holds. If the program has left others behind, they go on.
 */
static void let_go(const struct options *options, int space, int link, int heard) {
  struct pollfd ended = {.fd = heard, .events = POLLIN};
  bool is_waited_for = options->overlay_fd >= 0;
  if (heard >= 0 && !is_waited_for) send(link, "g", 1, MSG_NOSIGNAL);
  close(space); /* the last one: now the kernel unmounts */
  if (heard >= 0 && is_waited_for && poll(&ended, 1, UNMOUNT_MILLISECONDS) == 0) send(link, "g", 1, MSG_NOSIGNAL);
}

static _Noreturn void watch(const struct options *options, int space, int link, int heard, pid_t server) {
  struct words words = {.length = 0};
  for (;;) {
    struct pollfd ready[] = {{.fd = link, .events = POLLIN}, {.fd = heard, .events = POLLIN}};
    int happened = poll(ready, 2, options->beat_file == NULL ? -1 : options->beat_seconds * 1000);
    if (happened == 0) utimensat(AT_FDCWD, options->beat_file, NULL, 0);
    if (happened <= 0) continue;
    if (ready[0].revents != 0) {
      char word;
      if (recv(link, &word, 1, 0) != 1) end_all_in(space);
      let_go(options, space, link, heard);
      link = -1;
      if (server < 0) _exit(0);
    }
    if (ready[1].revents != 0 && !hear(heard, &words)) end_with(server, link, &words);
  }
}

void keep(const struct options *options, int space, int link, int fuse) {
  const char *squashfuse = fuse < 0 ? NULL : find_squashfuse(options);
  const int kept[] = {space, link, fuse, options->image_fd, options->overlay_fd};
  int heard[2] = {-1, -1};
  pid_t server = -1;
  leave_terminal();
  close_all_but(kept, sizeof kept / sizeof *kept);
  if (fuse >= 0) {
    if (pipe2(heard, O_CLOEXEC) != 0) _exit(UNABLE);
    server = start_server(options, squashfuse, fuse, heard[1]);
    close(fuse);
    close(heard[1]);
  }
  if (options->image_fd >= 0) close(options->image_fd);
  watch(options, space, link, heard[0], server);
}
