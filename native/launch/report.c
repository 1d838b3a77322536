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

/* Bytes of the UTF-8 character that stands here; 0 for what is none. */
static size_t character_bytes(const unsigned char *at) {
  size_t more = at[0] >= 0xf0 ? 3 : at[0] >= 0xe0 ? 2 : 1;
  if (at[0] < 0xc2 || at[0] > 0xf4) return 0;
  for (size_t i = 1; i <= more; i++)
    if ((at[i] & 0xc0) != 0x80) return 0;
  return more + 1;
}

/* As showText of the TypeScript code: C1 controls, bidirectional marks, separators of lines and paragraphs. */
static bool redraws(const unsigned char *at, size_t bytes) {
  if (bytes == 2) return (at[0] == 0xc2 && at[1] < 0xa0) || (at[0] == 0xd8 && at[1] == 0x9c);
  if (bytes != 3 || at[0] != 0xe2) return false;
  if (at[1] == 0x80) return at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae);
  return at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9;
}

/* Names and variables of an image stand in messages: they cannot control the terminal. */
static void show(char *into, size_t room, const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  size_t used = 0;
  while (*at != '\0' && used + 4 * 4 < room) {
    size_t bytes = *at < 0x80 ? 1 : character_bytes(at);
    bool is_plain = bytes == 1 ? *at >= 0x20 && *at != 0x7f : bytes > 1 && !redraws(at, bytes);
    if (bytes == 0) bytes = 1;
    for (size_t i = 0; i < bytes; i++, at++) {
      if (is_plain) into[used++] = (char)*at;
      else used += (size_t)snprintf(into + used, room - used, "\\%03o", *at);
    }
  }
  into[used] = '\0';
}

static void say(const char *message, const char *hint) {
  char text[PATH_MAX], remedy[PATH_MAX];
  show(text, sizeof text, message);
  if (hint != NULL) show(remedy, sizeof remedy, hint);
  fprintf(stderr, "%s%s\n", has_caller() ? "" : "strata-launch: ", text);
  if (hint != NULL) fprintf(stderr, "  try: %s\n", remedy);
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
