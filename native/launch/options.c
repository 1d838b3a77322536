/* Words of the command line. Those of --options are read from a file, where no other user sees them. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_OPTION_BYTES = 16 * 1024 * 1024 };

const char *const USAGE =
    "strata-launch run [OPTION...] IMAGE|DIRECTORY [--] PROGRAM [WORD...]\n"
    "strata-launch capture --metadata FILE --result FILE [OPTION...] DIRECTORY [--] PROGRAM [WORD...]\n"
    "strata-launch remove --users NEWUIDMAP FIRST COUNT --groups NEWGIDMAP FIRST COUNT DIRECTORY [--] RM";

/* Words that are still ahead. */
struct words {
  char **next;
};

static char *take(struct words *words, const char *option) {
  if (*words->next == NULL) fail("usage", 0, USAGE, "%s wants a value", option);
  return *words->next++;
}

static long long take_up_to(long long most, struct words *words, const char *option) {
  char *text = take(words, option), *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || number < 0 || number > most)
    fail("usage", 0, USAGE, "%s %s: wanted a number from 0 to %lld", option, text, most);
  return number;
}

static int take_number(struct words *words, const char *option) { return (int)take_up_to(INT_MAX, words, option); }

/* Ids have 32 bits: directory services give ranges in the upper half. */
static struct id_range take_range(struct words *words, const char *option) {
  const char *program = take(words, option);
  unsigned first = (unsigned)take_up_to(UINT_MAX, words, option);
  return (struct id_range){
      .program = program, .first = first, .count = (unsigned)take_up_to(UINT_MAX - first, words, option)};
}

static void add_bind(struct options *options, struct words *words, const char *option) {
  options->binds = realloc(options->binds, (options->bind_count + 1) * sizeof *options->binds);
  if (options->binds == NULL) fail("memory", ENOMEM, NULL, "a bind");
  char *source = take(words, option);
  options->binds[options->bind_count++] = (struct bind){.source = source,
                                                        .target = take(words, option),
                                                        .is_read_only = strncmp(option, "--ro-", 5) == 0,
                                                        .may_be_left_out = strstr(option, "-try") != NULL,
                                                        .fd = -1};
}

static void add_change(struct options *options, char *change) {
  options->changes = realloc(options->changes, (options->change_count + 1) * sizeof *options->changes);
  if (options->changes == NULL) fail("memory", ENOMEM, NULL, "a variable");
  options->changes[options->change_count++] = change;
}

static void read_words(struct words *words, struct options *options);

static void read_file(const char *path, struct options *options) {
  size_t length;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  char *text = fd < 0 ? NULL : read_whole(fd, MOST_OPTION_BYTES, &length);
  if (text == NULL) fail("usage", errno, NULL, "--options %s", path);
  close(fd);
  size_t count = 0;
  for (size_t i = 0; i < length; i++) count += text[i] == '\0';
  char **list = allocate((count + 1) * sizeof *list);
  for (size_t i = 0; i < count; text += strlen(text) + 1) list[i++] = text;
  struct words words = {list};
  read_words(&words, options);
  if (*words.next != NULL) fail("usage", 0, USAGE, "--options %s: %s is not an option", path, *words.next);
}

static bool read_word(struct words *words, struct options *options) {
  const char *option = *words->next;
  static const char *const BINDS[] = {"--bind", "--ro-bind", "--bind-try", "--ro-bind-try"};
  words->next++;
  for (size_t i = 0; i < sizeof BINDS / sizeof *BINDS; i++)
    if (strcmp(option, BINDS[i]) == 0) return add_bind(options, words, option), true;
  if (strcmp(option, "--setenv") == 0) {
    char *name = take(words, option);
    add_change(options, format_text("%s=%s", name, take(words, option)));
  } else if (strcmp(option, "--unsetenv") == 0) add_change(options, take(words, option));
  else if (strcmp(option, "--cwd") == 0) options->working_folder = take(words, option);
  else if (strcmp(option, "--cwd-try") == 0) {
    options->working_folder = take(words, option);
    options->may_start_elsewhere = true;
  } else if (strcmp(option, "--squashfuse") == 0) options->squashfuse = take(words, option);
  else if (strcmp(option, "--no-host-files") == 0) options->has_host_files = false;
  else if (strcmp(option, "--confined") == 0) options->is_confined = true;
  else if (strcmp(option, "--writable") == 0) options->is_writable = true;
  else if (strcmp(option, "--overlay") == 0) {
    options->overlay = take(words, option);
    options->is_writable = true;
  } else if (strcmp(option, "--network") == 0) options->has_network = true;
  else if (strcmp(option, "--users") == 0) options->users = take_range(words, option);
  else if (strcmp(option, "--groups") == 0) options->groups = take_range(words, option);
  else if (strcmp(option, "--metadata") == 0) options->metadata = take(words, option);
  else if (strcmp(option, "--result") == 0) options->result = take(words, option);
  else if (strcmp(option, "--join") == 0) options->join = take(words, option);
  else if (strcmp(option, "--parent") == 0) options->parent = take_number(words, option);
  else if (strcmp(option, "--report") == 0) report_to(take_number(words, option));
  else if (strcmp(option, "--caller") == 0) report_to_caller(take_number(words, option));
  else if (strcmp(option, "--quiet") == 0) be_quiet();
  else if (strcmp(option, "--beat") == 0) {
    options->beat_seconds = take_number(words, option);
    options->beat_file = take(words, option);
  } else if (strcmp(option, "--image-fd") == 0) options->image_fd = take_number(words, option);
  else if (strcmp(option, "--offset") == 0) options->offset = take_up_to(LLONG_MAX, words, option);
  else if (strcmp(option, "--options") == 0) read_file(take(words, option), options);
  else return words->next--, false;
  return true;
}

static void read_words(struct words *words, struct options *options) {
  while (*words->next != NULL && strncmp(*words->next, "--", 2) == 0 && strcmp(*words->next, "--") != 0)
    if (!read_word(words, options)) fail("usage", 0, USAGE, "%s is not an option", *words->next);
}

void read_options(char **given, struct options *options) {
  struct words words = {given};
  *options = (struct options){.image_fd = -1, .overlay_fd = -1, .has_host_files = true};
  read_words(&words, options);
  if (*words.next != NULL && strcmp(*words.next, "--") == 0) words.next++;
  options->root = take(&words, "run");
  if (*words.next != NULL && strcmp(*words.next, "--") == 0) words.next++;
  if (*words.next == NULL) fail("usage", 0, USAGE, "no program is named");
  options->command = words.next;
}
