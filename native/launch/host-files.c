/*
 * Files of the host by which programs look up names: hosts, name servers, and the user's own account and groups, which may
 * come from a directory service that the tree knows nothing of. The accounts of the tree stay, since its programs may need
 * them.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ACCOUNT_BYTES = 16 * 1024 * 1024, MOST_ZONE_BYTES = 65536, MOST_GROUPS = 65536 /* NGROUPS_MAX */ };

struct host_file name_files[NAME_FILES] = {{"/etc/hosts", -1}, {"/etc/resolv.conf", -1}};

void open_name_files(void) {
  for (int i = 0; i < NAME_FILES; i++) name_files[i].fd = open(name_files[i].path, O_PATH | O_CLOEXEC);
}

/* The host's time zone, such as Europe/Berlin, if /etc/localtime is a link. */
static char zone[256];
/* Its rules in the form of tzset(3), such as CET-1CEST,M3.5.0,M10.5.0/3: a tree may have no files of zones. */
static char *zone_rules = "";

/* Lines of passwd(5) and group(5), "" if nobody has a name for the id. */
static char *own_account = "";
static char *own_groups = "";

/* Only with its own names, because no field may hold a colon or begin another line. */
static bool is_field(const char *text) { return strpbrk(text, ":\n") == NULL; }

static void add_group(gid_t gid, const char *user) {
  const struct group *group = getgrgid(gid);
  if (group != NULL && is_field(group->gr_name))
    own_groups = format_text("%s%s:x:%u:%s\n", own_groups, group->gr_name, gid, user);
}

void look_up_accounts(void) {
  gid_t *groups = allocate(MOST_GROUPS * sizeof *groups);
  int count = getgroups(MOST_GROUPS, groups);
  const struct passwd *user = getpwuid(getuid());
  const char *name = "";
  if (user != NULL && is_field(user->pw_name) && is_field(user->pw_gecos) && is_field(user->pw_dir) &&
      is_field(user->pw_shell)) {
    own_account = format_text("%s:x:%u:%u:%s:%s:%s\n", user->pw_name, getuid(), getgid(), user->pw_gecos, user->pw_dir,
                              user->pw_shell);
    name = format_text("%s", user->pw_name);
  }
  add_group(getgid(), name);
  for (int i = 0; i < count; i++)
    if (groups[i] != getgid()) add_group(groups[i], name);
  free(groups);
}

static const char *zone_in(const char *target) {
  const char *found = strstr(target, "zoneinfo/");
  return found == NULL ? "" : found + strlen("zoneinfo/");
}

/* tzfile(5): from version 2 on, the last line of the file holds the rules. */
static void read_zone_rules(void) {
  size_t length;
  int fd = open("/etc/localtime", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  char *text = fd < 0 ? NULL : read_whole(fd, MOST_ZONE_BYTES, &length);
  if (fd >= 0) close(fd);
  if (text == NULL || length < 6 || memcmp(text, "TZif", 4) != 0 || text[4] < '2' || text[length - 1] != '\n') return;
  text[length - 1] = '\0';
  const char *before = memrchr(text, '\n', length - 1);
  if (before != NULL && strlen(before) == (size_t)(text + length - 1 - before)) zone_rules = format_text("%s", before + 1);
}

void open_host_files(void) {
  char target[sizeof zone];
  ssize_t length = readlink("/etc/localtime", target, sizeof target - 1);
  target[length > 0 ? length : 0] = '\0';
  snprintf(zone, sizeof zone, "%s", zone_in(target));
  read_zone_rules();
  open_name_files();
}

/* True if the tree has the file, or a link that leads to where one can be. */
static bool has_place(const char *path, struct place *place) {
  if (!find_place(path, place)) return false;
  if (place->rest[0] == '\0') return true;
  const char *folder = strcmp(place->path, "/") == 0 ? "" : place->path;
  return strcmp(format_text("%s/%s", folder, place->rest), path) != 0;
}

/* A regular file of the tree; NULL otherwise. */
static char *read_of_tree(const char *path, size_t *length) {
  struct place place;
  struct stat status;
  if (!find_place(path, &place)) return NULL;
  char *text = NULL;
  if (place.rest[0] == '\0' && fstat(place.fd, &status) == 0 && S_ISREG(status.st_mode)) {
    int fd = open(path_of(place.fd), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      text = read_whole(fd, MOST_ACCOUNT_BYTES, length);
      close(fd);
    }
  }
  close(place.fd);
  return text;
}

/* True if a line of the text has this id in its third field. */
static bool has_id(const char *text, const char *id) {
  size_t length = strlen(id);
  for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
    const char *field = line;
    for (int i = 0; i < 2 && field != NULL; i++) {
      field = memchr(field, ':', strcspn(field, "\n"));
      if (field != NULL) field++;
    }
    if (field != NULL && strncmp(field, id, length) == 0 && (field[length] == ':' || field[length] == '\n')) return true;
  }
  return false;
}

/* Those of the added lines whose id the tree has no name for. */
static char *missing_lines(const char *added, const char *text) {
  char *missing = "";
  for (char *rest = format_text("%s", added), *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
    const char *id = strchr(strchr(line, ':') + 1, ':') + 1;
    if (!has_id(text, format_text("%.*s", (int)strcspn(id, ":"), id))) missing = format_text("%s%s\n", missing, line);
  }
  return missing;
}

/* Ours first: a name that the tree has for another id must not hide the user's. */
static void add_lines(const char *path, const char *lines, bool always) {
  size_t length;
  char *text = lines[0] == '\0' ? NULL : read_of_tree(path, &length);
  if (text == NULL || strlen(text) != length) return;
  if (!always) lines = missing_lines(lines, text);
  if (lines[0] == '\0') return;
  char *file = format_text("/%s", strrchr(path, '/') + 1);
  int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 || fchmod(fd, 0644) != 0 || dprintf(fd, "%s%s", lines, text) < 0)
    fail("memory", errno, NULL, "%s for the program", path);
  close(fd);
  fd = open(file, O_PATH | O_CLOEXEC);
  const char *fault = bind_at(fd, path, true);
  if (fault != NULL) note("%s is that of the tree: %s", path, fault);
  close(fd);
}

/*
 * By the variable: in most trees /etc/localtime is a link, and a mount on it would put the host's zone in the place of the
 * zone that the link names.
 */
void choose_zone(void) {
  char target[sizeof zone] = "", path[PATH_MAX];
  if (getenv("TZ") != NULL) return;
  bool is_utc = strcmp(zone_rules, "UTC0") == 0, is_same = zone[0] != '\0' &&
      readlink("/etc/localtime", target, sizeof target - 1) > 0 && strcmp(zone_in(target), zone) == 0;
  if (is_same && is_utc) return; /* as most nodes, and without a question to the server of the image */
  bool is_set = access("/etc/localtime", F_OK) == 0; /* otherwise libraries take UTC */
  if (is_same && is_set) return;
  snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", zone);
  if (zone[0] != '\0' && strstr(zone, "..") == NULL && access(path, R_OK) == 0) setenv("TZ", zone, 1);
  else if (zone_rules[0] != '\0' && (is_set || !is_utc)) setenv("TZ", zone_rules, 1);
}

void mount_host_files(void) {
  struct place place;
  for (int i = 0; i < NAME_FILES; i++) {
    const struct host_file *file = &name_files[i];
    if (file->fd < 0 || !has_place(file->path, &place)) continue;
    close(place.fd);
    const char *fault = bind_at(file->fd, file->path, true);
    if (fault != NULL) note("%s is that of the tree: it %s", file->path, fault);
    close(file->fd);
  }
  add_lines("/etc/passwd", own_account, getuid() != 0);
  add_lines("/etc/group", own_groups, false);
}
