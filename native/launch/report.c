/* Messages to users, or to the program that started us. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int report_fd = -1;
static bool is_quiet;

/* The program must not hold it: its end says that the program has started. */
void report_to(int fd) {
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) fail("usage", errno, NULL, "--report %d", fd);
  report_fd = fd;
}

int reporting_to(void) { return report_fd; }

void report_to_caller(int fd) {
  report_to(fd);
  remember_caller(fd);
}

void report_to_nobody(void) { report_fd = -1; }

void be_quiet(void) { is_quiet = true; }

/* The caller hears of errors alone, since it is not there any more. */
static bool is_heard(void) { return report_fd >= 0 && !has_caller(); }

/* Four fields, each with a NUL behind it: kind, feature or status, message, hint. */
static void send_fields(const char *kind, const char *feature, const char *message, const char *hint) {
  const char *fields[] = {kind, feature, message, hint == NULL ? "" : hint};
  char text[4 * PATH_MAX];
  size_t length = 0;
  for (size_t i = 0; i < 4; i++) {
    size_t bytes = strnlen(fields[i], PATH_MAX - 1);
    memcpy(text + length, fields[i], bytes);
    length += bytes;
    text[length++] = '\0';
  }
  if (write(report_fd, text, length) < 0) return; /* nobody listens any more */
}

static void say(const char *message, const char *hint) {
  fprintf(stderr, "%s%s\n", has_caller() ? "" : "strata-launch: ", message);
  if (hint != NULL) fprintf(stderr, "  try: %s\n", hint);
}

void fail(const char *feature, int number, const char *hint, const char *format, ...) {
  char message[PATH_MAX];
  va_list values;
  va_start(values, format);
  int length = vsnprintf(message, sizeof message, format, values);
  va_end(values);
  if (number != 0 && length >= 0 && (size_t)length < sizeof message)
    snprintf(message + length, sizeof message - length, ": %s", strerror(number));
  if (report_fd >= 0) send_fields("error", feature, message, hint);
  else say(message, hint);
  call_again();
  _exit(UNABLE);
}

void fail_program(int status, const char *format, ...) {
  char message[PATH_MAX], digits[16];
  va_list values;
  va_start(values, format);
  vsnprintf(message, sizeof message, format, values);
  va_end(values);
  snprintf(digits, sizeof digits, "%d", status);
  if (is_heard()) send_fields("program", digits, message, NULL);
  else if (!is_quiet) say(message, NULL);
  _exit(status);
}

void note(const char *format, ...) {
  char message[PATH_MAX];
  va_list values;
  va_start(values, format);
  vsnprintf(message, sizeof message, format, values);
  va_end(values);
  if (is_heard()) send_fields("note", "", message, NULL);
  else if (!is_quiet) say(message, NULL);
}
