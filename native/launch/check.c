/*
 * Tries what a run needs of the host, each in a process of its own, for `compose doctor`. Prints three fields for each,
 * with a NUL behind every field: the name, the fault or nothing, the remedy or nothing.
 */
#include "../capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_namespaces(void) {
  const struct options options = {.is_writable = true};
  enter_namespaces(&options);
  leave_host();
}

static void check_fuse(void) {
  check_namespaces();
  close(mount_by_fuse(TREE));
}

static void check_overlay(void) {
  check_namespaces();
  mount_overlay(-1, NULL);
}

/* A filter that asks us, as a capture has it. What it would ask about is not called any more. */
static void check_supervision(void) {
  check_namespaces();
  int listener = install_filter();
  if (listener < 0) fail_supervision(errno);
  _exit(0);
}

/* The test reports by the same words as a run. */
static void check(const char *name, void (*test)(void)) {
  int report[2];
  char words[PATH_MAX] = "";
  if (pipe2(report, O_CLOEXEC) != 0) return;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    report_to(report[1]);
    test();
    _exit(0);
  }
  close(report[1]);
  ssize_t length = child < 0 ? 0 : read(report[0], words, sizeof words - 1);
  close(report[0]);
  int status = 0;
  waitpid(child, &status, 0);
  words[length > 0 ? length : 0] = '\0';
  /* Kind, feature, message and hint, a NUL behind each. */
  const char *feature = words + strlen(words) + 1, *message = feature + strlen(feature) + 1;
  bool has_failed = length > 0 || status != 0;
  const char *hint = length > 0 ? message + strlen(message) + 1 : "";
  printf("%s%c%s%c%s%c", name, 0, !has_failed ? "" : length > 0 ? message : "it was stopped", 0, hint, 0);
}

void check_host(void) {
  check("namespaces", check_namespaces);
  check("fuse", check_fuse);
  check("overlay", check_overlay);
  check("capture", check_supervision);
}
