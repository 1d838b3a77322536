/* The filter that stops a process at the calls we answer. All its children have it, too. */
#include "capture.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { PROCESSOR = AUDIT_ARCH_X86_64, OTHER_CALLS = 0x40000000 /* x32 */ };
#elif defined(__aarch64__)
enum { PROCESSOR = AUDIT_ARCH_AARCH64, OTHER_CALLS = 0x40000000 };
#else
enum { PROCESSOR = 0, OTHER_CALLS = 0 };
#endif

/* io_uring makes files past any filter; setxattrat and its kin came with Linux 6.13. Programs take the older calls. */
static const int MISSING[] = {425, 426, 427, 463, 464, 465, 466};
/* Capabilities stay, since they are what lets a process use files that are its own by our word alone. */
static const int IGNORED[] = {SYS_capset};

/* OTHER_LINES: as many as add_other_processor adds. */
enum { MOST_LINES = 512, OTHER_LINES = 9, WAIT_KILLABLE = 1 << 5 /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19 */ };

struct program {
  struct sock_filter lines[MOST_LINES];
  unsigned short count;
};

static void add(struct program *program, struct sock_filter line) {
  if (program->count == MOST_LINES) fail("seccomp", 0, NULL, "the filter has too many lines");
  program->lines[program->count++] = line;
}

static void load(struct program *program, size_t offset) {
  add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

static void end_with(struct program *program, unsigned result) {
  add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, result));
}

/* The next `skipped` lines are for this number alone. */
static void if_equal(struct program *program, unsigned value, unsigned char skipped) {
  add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped));
}

static void add_known(struct program *program, const struct known_call *known) {
  if_equal(program, (unsigned)known->number, known->argument == ALWAYS ? 1 : 4);
  if (known->argument != ALWAYS) {
    load(program, offsetof(struct seccomp_data, args) + 8 * (size_t)known->argument);
    add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, known->bits, 0, 1));
  }
  end_with(program, SECCOMP_RET_USER_NOTIF);
  if (known->argument != ALWAYS) end_with(program, SECCOMP_RET_ALLOW);
}

/* The command shares the terminal of the user: nothing may be typed there, or be copied from the screen, in their name. */
static void add_terminal(struct program *program, unsigned number) {
  static const unsigned TYPING[] = {0x5412 /* TIOCSTI */, 0x541C /* TIOCLINUX */};
  if_equal(program, number, 6);
  load(program, offsetof(struct seccomp_data, args) + 8); /* the kernel looks at no more than these 32 bits */
  for (size_t i = 0; i < sizeof TYPING / sizeof *TYPING; i++) {
    if_equal(program, TYPING[i], 1);
    end_with(program, SECCOMP_RET_ERRNO | EPERM);
  }
  end_with(program, SECCOMP_RET_ALLOW);
}

/* A 32-bit program: the kernel refuses it what it refuses users. */
static void add_other_processor(struct program *program) {
  load(program, offsetof(struct seccomp_data, nr));
  add_terminal(program, 54 /* ioctl of i386 and of arm */);
  end_with(program, SECCOMP_RET_ALLOW);
}

static void write_program(struct program *program) {
  load(program, offsetof(struct seccomp_data, arch));
  if_equal(program, PROCESSOR, 1);
  add(program, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, OTHER_LINES));
  add_other_processor(program);
  load(program, offsetof(struct seccomp_data, nr));
  add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, OTHER_CALLS, 0, 1));
  end_with(program, SECCOMP_RET_ERRNO | ENOSYS);
  add_terminal(program, SYS_ioctl);
  for (size_t i = 0; i < KNOWN_CALL_COUNT; i++) add_known(program, &KNOWN_CALLS[i]);
  for (size_t i = 0; i < sizeof MISSING / sizeof *MISSING; i++) {
    if_equal(program, (unsigned)MISSING[i], 1);
    end_with(program, SECCOMP_RET_ERRNO | ENOSYS);
  }
  for (size_t i = 0; i < sizeof IGNORED / sizeof *IGNORED; i++) {
    if_equal(program, (unsigned)IGNORED[i], 1);
    end_with(program, SECCOMP_RET_ERRNO);
  }
  end_with(program, SECCOMP_RET_ALLOW);
}

/* A signal would else end a call that we have done already, and the process would make it again. */
int install_filter(void) {
  static struct program program;
  write_program(&program);
  struct sock_fprog filter = {program.count, program.lines};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  int flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
  int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | WAIT_KILLABLE, &filter);
  if (listener >= 0 || errno != EINVAL) return listener;
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}
