/* The filter that stops a process at the calls we answer. All its children have it, too. */
#include "../launch/seccomp.h"
#include "capture.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * io_uring makes files past any filter. openat2 has flags and mode in memory, where another thread can change them after
 * our look; programs then take openat. clone3 (435) has its flags there as well; C libraries then take clone. setxattrat and
 * its kin came with Linux 6.13; programs take the older calls.
 */
static const int MISSING[] = {425, 426, 427, 435, 437, 463, 464, 465, 466};
/*
 * Keys of the kernel belong to the user, and not to a namespace: a program with their id, which knows the number of a keyring,
 * would get the tickets and tokens that their session holds.
 */
enum { KEY_CALLS = 3 /* add_key(2), request_key(2), keyctl(2) */ };
_Static_assert(SYS_request_key == SYS_add_key + 1 && SYS_keyctl == SYS_add_key + 2, "their numbers lie in a row");
/* Capabilities stay, since they are what lets a process use files that are its own by our word alone. */
enum { CAPSET_OF_OTHERS = 185, KEYS_OF_OTHERS = 286, CLONE_OF_OTHERS = 120, UNSHARE_OF_OTHERS = 310 };

enum { WAIT_KILLABLE = 1 << 5 /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19 */ };

static void add_known(struct filter *filter, const struct known_call *known) {
  if_equal(filter, (unsigned)known->number, known->argument == ALWAYS ? 1 : 4);
  if (known->argument != ALWAYS) {
    load_argument(filter, known->argument);
    add_line(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, known->bits, 0, 1));
  }
  end_with(filter, SECCOMP_RET_USER_NOTIF);
  if (known->argument != ALWAYS) end_with(filter, SECCOMP_RET_ALLOW);
}

static void refuse_as_missing(struct filter *filter, unsigned number) {
  if_equal(filter, number, 1);
  end_with(filter, SECCOMP_RET_ERRNO | ENOSYS);
}

struct numbers {
  unsigned ioctl, keys, ignored, clone, unshare;
};

enum { NEW_CONTROL_GROUPS = 0x02000000 /* CLONE_NEWCGROUP */ };

/* In a namespace of its own, the command could mount control groups of the host. */
static void refuse_control_groups(struct filter *filter, unsigned number) {
  if_equal(filter, number, 4);
  load_argument(filter, 0);
  add_line(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NEW_CONTROL_GROUPS, 0, 1));
  end_with(filter, SECCOMP_RET_ERRNO | EPERM);
  end_with(filter, SECCOMP_RET_ALLOW);
}

static void add_calls(struct filter *filter, const struct known_calls *calls, struct numbers numbers) {
  refuse_typing(filter, numbers.ioctl);
  refuse_control_groups(filter, numbers.clone);
  refuse_control_groups(filter, numbers.unshare);
  for (size_t i = 0; i < calls->count; i++)
    if (is_asked(&calls->list[i])) add_known(filter, &calls->list[i]);
  for (size_t i = 0; i < sizeof MISSING / sizeof *MISSING; i++) refuse_as_missing(filter, (unsigned)MISSING[i]);
  for (unsigned i = 0; i < KEY_CALLS; i++) refuse_as_missing(filter, numbers.keys + i);
  if (!has_ids()) {
    if_equal(filter, numbers.ignored, 1);
    end_with(filter, SECCOMP_RET_ERRNO);
  }
  end_with(filter, SECCOMP_RET_ALLOW);
}

/* A program of a processor whose calls we do not know would pass us by. */
static void write_filter(struct filter *filter) {
  load_field(filter, offsetof(struct seccomp_data, arch));
  unsigned short begin = begin_if(filter, PROCESSOR);
  load_field(filter, offsetof(struct seccomp_data, nr));
  add_line(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1));
  end_with(filter, SECCOMP_RET_ERRNO | ENOSYS);
  add_calls(filter, &KNOWN_CALLS, (struct numbers){SYS_ioctl, SYS_add_key, SYS_capset, SYS_clone, SYS_unshare});
  end_if(filter, begin);
  if (KNOWN_CALLS_32.count > 0) {
    begin = begin_if(filter, OTHER_PROCESSOR);
    load_field(filter, offsetof(struct seccomp_data, nr));
    add_calls(filter, &KNOWN_CALLS_32,
              (struct numbers){IOCTL_OF_OTHERS, KEYS_OF_OTHERS, CAPSET_OF_OTHERS, CLONE_OF_OTHERS, UNSHARE_OF_OTHERS});
    end_if(filter, begin);
  }
  end_with(filter, SECCOMP_RET_KILL_PROCESS);
}

/* A new file is handed to the process that asked for it. EINVAL says that the kernel does not know the request. */
static bool takes_files(int listener) {
  struct seccomp_notif_addfd nobody = {.srcfd = (uint32_t)listener};
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &nobody) == 0 || errno != EINVAL;
}

/* A signal would else end a call that we have done already, and the process would make it again. */
int install_filter(void) {
  static struct filter filter;
  write_filter(&filter);
  int listener = install(&filter, SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE);
  if (listener < 0 && errno == EINVAL) listener = install(&filter, SECCOMP_FILTER_FLAG_NEW_LISTENER);
  if (listener < 0 || takes_files(listener)) return listener;
  close(listener);
  errno = ENOSYS;
  return -1;
}

void fail_supervision(int number) {
  const char *hint = "a host with Linux 5.9 or later: owners cannot be kept here; compose doctor says what else works";
  if (number == EBUSY) hint = "start it outside of the other supervisor: a container or a compose capture around it";
  else if (number == EINVAL || number == ENOSYS) hint = "a kernel with CONFIG_SECCOMP_FILTER, Linux 5.9 or later; compose doctor says what else works";
  fail("seccomp", number, hint, "the owners that a command sets cannot be recorded: its system calls cannot be supervised here");
}
