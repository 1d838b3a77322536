/*
 * Filters of system calls. A program shares the user's terminal. By TIOCSTI it could type there what the user's shell then
 * runs, outside of the namespaces; by TIOCLINUX it could do so on a console.
 */
#include "seccomp.h"
#include "launch.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void add_line(struct filter *filter, struct sock_filter line) {
  if (filter->count == MOST_LINES) fail("seccomp", 0, NULL, "the filter has too many lines");
  filter->lines[filter->count++] = line;
}

void load_field(struct filter *filter, size_t offset) {
  add_line(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

/* Its lower half, as both processors are little endian: the kernel looks at no more of flags, modes and requests. */
void load_argument(struct filter *filter, int number) {
  load_field(filter, offsetof(struct seccomp_data, args) + 8 * (size_t)number);
}

void if_equal(struct filter *filter, unsigned value, unsigned char count) {
  add_line(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count));
}

/* A conditional jump reaches 255 lines, another one all. */
unsigned short begin_if(struct filter *filter, unsigned value) {
  add_line(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
  add_line(filter, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0));
  return filter->count;
}

void end_if(struct filter *filter, unsigned short begin) {
  filter->lines[begin - 1].k = (unsigned)(filter->count - begin);
}

void end_with(struct filter *filter, unsigned result) {
  add_line(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, result));
}

void refuse_typing(struct filter *filter, unsigned number) {
  static const unsigned TYPING[] = {0x5412 /* TIOCSTI */, 0x541C /* TIOCLINUX */};
  if_equal(filter, number, 6);
  load_argument(filter, 1);
  for (size_t i = 0; i < sizeof TYPING / sizeof *TYPING; i++) {
    if_equal(filter, TYPING[i], 1);
    end_with(filter, SECCOMP_RET_ERRNO | EPERM);
  }
  end_with(filter, SECCOMP_RET_ALLOW);
}

int install(const struct filter *filter, unsigned flags) {
  struct sock_fprog program = {filter->count, (struct sock_filter *)filter->lines};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  int result = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
  if (result >= 0 || errno != EINVAL) return result;
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program); /* before Linux 4.17 */
}

int give_up_typing(void) {
  static struct filter filter;
  filter.count = 0;
  load_field(&filter, offsetof(struct seccomp_data, arch));
  unsigned short begin = begin_if(&filter, PROCESSOR);
  load_field(&filter, offsetof(struct seccomp_data, nr));
  refuse_typing(&filter, SYS_ioctl);
  refuse_typing(&filter, IOCTL_OF_X32);
  refuse_typing(&filter, X32_CALLS | IOCTL_OF_X32);
  refuse_typing(&filter, X32_CALLS | SYS_ioctl); /* before Linux 5.4, the numbers of x86-64 counted, too */
  end_with(&filter, SECCOMP_RET_ALLOW);
  end_if(&filter, begin);
  load_field(&filter, offsetof(struct seccomp_data, nr));
  refuse_typing(&filter, IOCTL_OF_OTHERS);
  end_with(&filter, SECCOMP_RET_ALLOW);
  return install(&filter, 0);
}
