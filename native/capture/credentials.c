/*
 * Users that a process changes to. The kernel cannot do it, as it knows one id. What a process changed to has to follow it
 * through fork(2) and execve(2), also where its parent has ended before we hear of it. So a number of the credentials is
 * kept where the kernel hands it on: in the soft limit RLIMIT_RTTIME, which counts for real-time processes alone. It lies
 * that number of microseconds below the hard limit.
 */
#include "capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { UNMAPPED = 65534 /* shown of groups that the namespace has not */ };
enum { MOST_GROUPS = 65536 /* NGROUPS_MAX */, REAL = 0, EFFECTIVE, SAVED, OF_FILES };

static struct credentials *known;
static size_t known_count;
static const struct credentials ROOT;

void prepare_credentials(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_RTTIME, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_RTTIME, &limit);
}

/* A line of numbers of /proc/PID/status; how many of them there were. */
static size_t read_numbers(const char *text, const char *name, int base, unsigned long *numbers, size_t most) {
  const char *line = strstr(text, name);
  size_t count = 0;
  if (line == NULL) return 0;
  line += strlen(name);
  for (char *end; count < most; line = end) {
    line += strspn(line, " \t");
    if (*line == '\n') break;
    numbers[count] = strtoul(line, &end, base);
    if (end == line) break;
    count++;
  }
  return count;
}

enum { MOST_STATUS_BYTES = 1 << 20, CHANGES_OWNERS = 1 << 0 /* CAP_CHOWN */ };

/* Where the kernel itself knows the users. Groups of the user on the host are none of the command. */
static const struct credentials *credentials_of_kernel(pid_t pid) {
  static struct credentials found;
  static gid_t groups[MOST_GROUPS];
  static unsigned long numbers[MOST_GROUPS];
  size_t length;
  int fd = open_status(pid);
  char *text = fd < 0 ? NULL : read_whole(fd, MOST_STATUS_BYTES, &length);
  if (fd >= 0) close(fd);
  found = (struct credentials){.groups = groups};
  if (text == NULL) return &found;
  for (size_t i = read_numbers(text, "\nUid:", 10, numbers, 4); i-- > 0;) found.uids[i] = (uid_t)numbers[i];
  for (size_t i = read_numbers(text, "\nGid:", 10, numbers, 4); i-- > 0;) found.gids[i] = (gid_t)numbers[i];
  size_t count = read_numbers(text, "\nGroups:", 10, numbers, MOST_GROUPS);
  for (size_t i = 0; i < count; i++)
    if (numbers[i] != UNMAPPED) groups[found.group_count++] = (gid_t)numbers[i];
  if (read_numbers(text, "\nCapEff:", 16, numbers, 1) == 1) found.is_able = numbers[0] & CHANGES_OWNERS;
  free(text);
  return &found;
}

const struct credentials *credentials_of(pid_t pid) {
  if (has_ids()) return credentials_of_kernel(pid);
  struct rlimit limit;
  if (prlimit(pid, RLIMIT_RTTIME, NULL, &limit) != 0) return &ROOT;
  rlim_t number = limit.rlim_max - limit.rlim_cur;
  return number == 0 || number > known_count ? &ROOT : &known[number - 1];
}

bool has_changed_user(const struct credentials *who) { return who->uids[OF_FILES] != 0 || who->gids[OF_FILES] != 0; }

bool is_privileged(const struct credentials *who) { return who->uids[EFFECTIVE] == 0 || who->is_able; }

static bool is_same(const struct credentials *a, const struct credentials *b) {
  return memcmp(a->uids, b->uids, sizeof a->uids) == 0 && memcmp(a->gids, b->gids, sizeof a->gids) == 0 &&
         a->group_count == b->group_count && a->keeps == b->keeps && a->is_able == b->is_able &&
         (a->group_count == 0 || memcmp(a->groups, b->groups, a->group_count * sizeof *a->groups) == 0);
}

static size_t number_of(const struct credentials *wanted) {
  if (is_same(wanted, &ROOT)) return 0;
  for (size_t i = 0; i < known_count; i++)
    if (is_same(wanted, &known[i])) return i + 1;
  known = realloc(known, (known_count + 1) * sizeof *known);
  if (known == NULL) fail("memory", ENOMEM, NULL, "a user");
  known[known_count] = *wanted;
  return ++known_count;
}

static int become(const struct call *call, const struct credentials *wanted) {
  struct rlimit limit;
  if (!is_waiting(call) || prlimit(call->pid, RLIMIT_RTTIME, NULL, &limit) != 0) return -EPERM;
  limit.rlim_cur = limit.rlim_max - number_of(wanted);
  return prlimit(call->pid, RLIMIT_RTTIME, &limit, NULL) == 0 ? 0 : -EPERM;
}

static bool holds(const unsigned *ids, size_t count, unsigned id) {
  for (size_t i = 0; i < count; i++)
    if (ids[i] == id) return true;
  return false;
}

/* setuid(2) and setgid(2): root changes three ids at once. */
static int set_one(unsigned *ids, bool is_root, unsigned id) {
  if (id == (unsigned)-1) return -EINVAL;
  if (is_root) ids[REAL] = ids[SAVED] = id;
  else if (id != ids[REAL] && id != ids[SAVED]) return -EPERM;
  ids[EFFECTIVE] = ids[OF_FILES] = id;
  return 0;
}

/* setreuid(2): the saved id follows where the real one was set, or the effective one to another than the real one. */
static int set_two(unsigned *ids, bool is_root, const __u64 *words) {
  unsigned real = (unsigned)words[0], effective = (unsigned)words[1], before = ids[REAL];
  const unsigned none = (unsigned)-1;
  if (!is_root && real != none && !holds(ids, 2, real)) return -EPERM;
  if (!is_root && effective != none && !holds(ids, 3, effective)) return -EPERM;
  if (real != none) ids[REAL] = real;
  if (effective != none) ids[EFFECTIVE] = effective;
  if (real != none || (effective != none && effective != before)) ids[SAVED] = ids[EFFECTIVE];
  ids[OF_FILES] = ids[EFFECTIVE];
  return 0;
}

static int set_three(unsigned *ids, bool is_root, const __u64 *words) {
  unsigned before[3];
  memcpy(before, ids, sizeof before);
  for (int i = 0; i < 3; i++)
    if ((unsigned)words[i] != (unsigned)-1 && !is_root && !holds(before, 3, (unsigned)words[i])) return -EPERM;
  for (int i = 0; i < 3; i++)
    if ((unsigned)words[i] != (unsigned)-1) ids[i] = (unsigned)words[i];
  ids[OF_FILES] = ids[EFFECTIVE];
  return 0;
}

typedef int setter(unsigned *ids, bool is_root, const __u64 *words);

static int set_one_of(unsigned *ids, bool is_root, const __u64 *words) { return set_one(ids, is_root, (unsigned)words[0]); }

/* As cap_emulate_setxid in security/commoncap.c. */
static int change(const struct call *call, bool is_user, setter *set) {
  struct credentials who = *credentials_of(call->pid);
  bool was_root = holds(who.uids, 3, 0);
  int result = set(is_user ? who.uids : who.gids, is_privileged(&who), call->notice->data.args);
  if (was_root && !holds(who.uids, 3, 0)) who.is_able = who.keeps;
  return result != 0 ? result : become(call, &who);
}

int set_uid(struct call *call) { return change(call, true, set_one_of); }
int set_gid(struct call *call) { return change(call, false, set_one_of); }
int set_re_uid(struct call *call) { return change(call, true, set_two); }
int set_re_gid(struct call *call) { return change(call, false, set_two); }
int set_res_uid(struct call *call) { return change(call, true, set_three); }
int set_res_gid(struct call *call) { return change(call, false, set_three); }

/* It returns the id before, and no error. */
static int change_of_files(struct call *call, bool is_user) {
  struct credentials who = *credentials_of(call->pid);
  unsigned *ids = is_user ? who.uids : who.gids, wanted = (unsigned)call->notice->data.args[0];
  call->value = ids[OF_FILES];
  if (wanted == (unsigned)-1 || (!is_privileged(&who) && !holds(ids, 4, wanted))) return 0;
  ids[OF_FILES] = wanted;
  become(call, &who);
  return 0;
}

int set_fs_uid(struct call *call) { return change_of_files(call, true); }
int set_fs_gid(struct call *call) { return change_of_files(call, false); }

int set_groups(struct call *call) {
  size_t count = (size_t)call->notice->data.args[0];
  struct credentials who = *credentials_of(call->pid);
  if (!is_privileged(&who)) return -EPERM;
  if (count > MOST_GROUPS) return -EINVAL;
  who.group_count = count;
  who.groups = allocate(count * sizeof *who.groups + 1);
  if (count > 0 && !read_memory(call, call->notice->data.args[1], who.groups, count * sizeof *who.groups)) {
    free(who.groups);
    return -EFAULT;
  }
  return become(call, &who);
}

int keep_capabilities(struct call *call) {
  struct credentials who = *credentials_of(call->pid);
  if (call->notice->data.args[0] != PR_SET_KEEPCAPS || call->notice->data.args[1] > 1) return CONTINUE;
  who.keeps = call->notice->data.args[1] == 1;
  become(call, &who);
  return CONTINUE;
}

/* What another user kept ends with the program that kept it. */
int start_program(struct call *call) {
  struct credentials who = *credentials_of(call->pid);
  if (!who.keeps && !who.is_able) return CONTINUE;
  who.keeps = who.is_able = false;
  become(call, &who);
  return CONTINUE;
}

static int tell(struct call *call, bool is_user, int which) {
  const struct credentials *who = credentials_of(call->pid);
  call->value = is_user ? who->uids[which] : who->gids[which];
  return 0;
}

int get_uid(struct call *call) { return tell(call, true, REAL); }
int get_effective_uid(struct call *call) { return tell(call, true, EFFECTIVE); }
int get_gid(struct call *call) { return tell(call, false, REAL); }
int get_effective_gid(struct call *call) { return tell(call, false, EFFECTIVE); }

static int tell_three(struct call *call, const unsigned *ids) {
  for (int i = 0; i < 3; i++)
    if (!write_memory(call, call->notice->data.args[i], &ids[i], sizeof ids[i])) return -EFAULT;
  return 0;
}

int get_res_uid(struct call *call) { return tell_three(call, credentials_of(call->pid)->uids); }
int get_res_gid(struct call *call) { return tell_three(call, credentials_of(call->pid)->gids); }

int get_groups(struct call *call) {
  const struct credentials *who = credentials_of(call->pid);
  int room = (int)call->notice->data.args[0];
  call->value = (int64_t)who->group_count;
  if (room == 0) return 0;
  if (room < 0 || (size_t)room < who->group_count) return -EINVAL;
  if (who->group_count == 0) return 0;
  return write_memory(call, call->notice->data.args[1], who->groups, who->group_count * sizeof *who->groups) ? 0 : -EFAULT;
}
