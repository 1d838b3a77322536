/* Filters of system calls, line by line. Jumps go forward alone. */
#ifndef STRATA_SECCOMP_H
#define STRATA_SECCOMP_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>

enum { MOST_LINES = 1024 };

struct filter {
  struct sock_filter lines[MOST_LINES];
  unsigned short count;
};

void add_line(struct filter *filter, struct sock_filter line);
void load_field(struct filter *filter, size_t offset);
void load_argument(struct filter *filter, int number);
/* The next `count` lines are for this value alone. */
void if_equal(struct filter *filter, unsigned value, unsigned char count);
/* The same for all lines until `end_if`, which takes what this returns. */
unsigned short begin_if(struct filter *filter, unsigned value);
void end_if(struct filter *filter, unsigned short begin);
void end_with(struct filter *filter, unsigned result);
/* For ioctl(2), which has this number: nothing may be typed into the user's terminal, or be copied from the screen. */
void refuse_typing(struct filter *filter, unsigned number);
/* As seccomp(2) returns it. Slows no program down on processors that are open to SSB. */
int install(const struct filter *filter, unsigned flags);

/* seccomp.c: from here on, this process and all that it starts can type nothing into the terminal. -1 with errno. */
int give_up_typing(void);

#if defined(__x86_64__)
enum { PROCESSOR = 0xC000003E /* AUDIT_ARCH_X86_64 */, OTHER_PROCESSOR = 0x40000003 /* AUDIT_ARCH_I386 */ };
#elif defined(__aarch64__)
enum { PROCESSOR = 0xC00000B7 /* AUDIT_ARCH_AARCH64 */, OTHER_PROCESSOR = 0x40000028 /* AUDIT_ARCH_ARM */ };
#endif
/* Of 32-bit programs, i386 and arm; and of the x32 programs of x86-64, whose numbers have a bit of their own. */
enum { IOCTL_OF_OTHERS = 54, X32_CALLS = 0x40000000, IOCTL_OF_X32 = 514 };

#endif
