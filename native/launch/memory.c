#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Never freed: the process soon becomes another program. */
void *allocate(size_t bytes) {
  void *memory = calloc(1, bytes);
  if (memory == NULL) fail("memory", ENOMEM, NULL, "%zu bytes", bytes);
  return memory;
}

char *format_text(const char *format, ...) {
  char *text;
  va_list values;
  va_start(values, format);
  if (vasprintf(&text, format, values) < 0) fail("memory", ENOMEM, NULL, "a text");
  va_end(values);
  return text;
}

char *read_whole(int fd, size_t limit, size_t *length) {
  size_t room = 4096;
  char *text = allocate(room);
  *length = 0;
  for (;;) {
    ssize_t got = read(fd, text + *length, room - *length - 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return NULL;
    *length += got;
    text[*length] = '\0';
    if (got == 0) return text;
    if (*length > limit) {
      errno = EFBIG;
      return NULL;
    }
    if (room - *length < 2048 && (text = realloc(text, room *= 2)) == NULL)
      fail("memory", ENOMEM, NULL, "%zu bytes", room);
  }
}

/* First line of a file of /proc, "" if there is none. */
char *read_line_of(const char *path, char *line, size_t bytes) {
  ssize_t length = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    length = read(fd, line, bytes - 1);
    close(fd);
  }
  line[length > 0 ? length : 0] = '\0';
  line[strcspn(line, "\n")] = '\0';
  return line;
}
