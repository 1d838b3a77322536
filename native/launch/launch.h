/*
 * strata-launch: starts a program in an image or a directory without a container runtime (spec/launcher.md).
 *
 * Three processes take part, and each goes down with the others, so that a kill leaves nothing:
 *
 *   launcher  waits for the program, hands signals on, ends as it ends
 *   program   makes the namespaces and mounts, then becomes the program; the kernel kills it when the launcher dies
 *   keeper    outside of the namespaces: serves the image through FUSE, and kills all that runs in the namespaces if
 *             the launcher dies
 *
 * Mounts belong to the mount namespace. The kernel takes them away with the last process in it.
 */
#ifndef STRATA_LAUNCH_H
#define STRATA_LAUNCH_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Statuses of shells and of env(1). */
enum { UNABLE = 125, NOT_EXECUTABLE = 126, NOT_FOUND = 127 };

struct bind {
  const char *source;
  const char *target;
  bool is_read_only;
  bool may_be_left_out; /* a note instead of an error if there is no place for it */
  int fd;               /* O_PATH of the source, -1 if it is not there */
};

/* Subordinate ids of the user, for the ids from 1 on in a namespace. */
struct id_range {
  const char *program; /* newuidmap or newgidmap */
  unsigned first;
  unsigned count; /* 0: there are none */
};

struct options {
  const char *root; /* image file or directory */
  bool is_directory;
  int image_fd; /* open for reading, by the caller or by us; -1 for a directory */
  long long offset; /* of the SquashFS image in the file: a SIF file has a header before it */
  char **command;
  struct bind *binds;
  size_t bind_count;
  const char *working_folder;
  bool may_start_elsewhere; /* in / instead */
  const char *squashfuse; /* NULL: found */
  bool is_writable;
  const char *overlay; /* NULL: changes are forgotten */
  int overlay_fd;      /* holds its lock; -1 */
  bool has_host_files;    /* accounts, names of hosts, time zone */
  char **changes;         /* of the environment: "NAME=VALUE", or "NAME" to take it away */
  size_t change_count;
  mode_t umask; /* of the user; ours is that of root, so that all can enter the folders that we make */
  const char *join; /* NULL, or the name under which ranks share namespaces */
  pid_t parent;  /* 0, or the process that we must not outlive */
  const char *beat_file; /* NULL, or a file whose time says that the image is in use */
  int beat_seconds;
  bool is_confined; /* not even root can undo a mount */
  bool is_capture; /* then also: */
  bool has_network;
  struct id_range users, groups;
  const char *metadata; /* what is known of the tree before */
  const char *result;   /* and after the command */
};

/* report.c: messages go to standard error, or with --report as fields to a descriptor. */
void report_to(int fd);
/* -1 if messages go to standard error. */
int reporting_to(void);
/* Errors alone go to this file, notes to standard error, or with --quiet nowhere. */
void report_to_caller(int fd);
void be_quiet(void);
/* From now on errors go to standard error, because the caller could not be started again: its tree is gone. */
void report_to_nobody(void);
/* Ends the process. `number` is errno's, or 0; `hint` may be NULL. */
_Noreturn void fail(const char *feature, int number, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
_Noreturn void fail_program(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* again.c: the program that became us. */
/* Its words and variables lie in this file. */
void remember_caller(int fd);
bool has_caller(void);
/* Becomes the caller again if an error was reported to it. Else, and in other processes than the launcher, it returns. */
void call_again(void);

/* options.c */
extern const char *const USAGE;
void read_options(char **words, struct options *options);

/* descriptors.c: those from 3 on. */
void close_all_but(const int *kept, size_t count);
/* Closes what the caller held open and did not tell us of. */
void close_untold(const struct options *options);

/* memory.c */
void *allocate(size_t bytes);
char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Reads at most `limit` bytes; NULL with errno if it cannot be read. The text ends with a NUL. */
char *read_whole(int fd, size_t limit, size_t *length);
char *read_line_of(const char *path, char *line, size_t bytes);

/* namespaces.c */
void enter_namespaces(const struct options *options);
bool is_real_root(void);
/* True if files of the host's root are ours to write. */
bool is_owner_of_host(void);
/* For a command that is root and must not undo the mounts. `link` leads to a process that maps ranges of ids for it. */
void enter_inner_namespaces(int link);
/* Where the user is root until then. */
void return_to_own_ids(void);
/* Descriptor of our mount namespace. As long as it is open, no other namespace gets its number. */
int open_own_space(void);
/* What to type where a mount is refused in a namespace that exists. */
const char *hint_for_mounts(void);
/* Says why no user namespace can be made. */
_Noreturn void fail_unshare(int number);

/* id-ranges.c */
struct mapper {
  pid_t pid;
  int go, words;
};
/* True in a namespace with a range of ids: files can be given to other users for real. */
bool has_ids(void);
/* Ids that files can have for real; -1 stands for no id. */
bool is_held(unsigned id);
struct mapper start_mapper(const struct options *options);
/* In the new namespace; ends the process if it cannot be. */
void map_ranges(const struct options *options, const struct mapper *mapper);
/* For a process in a namespace within ours, which has the same ids. */
void map_inner_ranges(pid_t process);
/* Runs the program rm(1) that is named on a folder, as root of its ids. */
_Noreturn void remove_with_ranges(char **words);

/* host.c: after `leave_host`, the host's tree is below /host of a file system in memory, the new tree goes to /root. */
#define TREE "/root"
#define LOWER "/lower"
void leave_host(void);
/* Path of an open file, valid before and after `leave_host`. Four of them can be in use at a time. */
const char *path_of(int fd);
int open_source(const char *path);
void leave_for_tree(void);
void enter_folder(const struct options *options);

/* image.c */
/* Hands `space` over, and with it what the image is to be served by, or -1. */
void mount_image(const struct options *options, int link, int space);
void mount_directory(int fd, const char *name, const char *place);

/* For root; false with errno. */
bool mount_by_kernel(int image, uint64_t offset, const char *place);
/* The kernel detaches it with the last mount, or the last descriptor. -1 with errno. */
int open_loop(int image, uint64_t offset, char *path, size_t bytes);

/* mount.c: mounts that stay, for all users of the host */
_Noreturn void mount_for_all(char **words);
_Noreturn void unmount(char **words);

/* Returns the descriptor that answers for the mount. */
int mount_by_fuse(const char *place);

/* check.c */
void check_host(void);

/* overlay.c */
int lock_overlay(const char *folder);
void mount_overlay(int folder, const char *name);
/* Of a path that was made in the tree itself, for a bind. */
void note_place(const char *path);

/* tree.c: paths of the tree. Links are followed in the tree alone, and never through the host. */
struct place {
  int fd;              /* O_PATH: what is there, or the deepest directory on the way that is */
  char path[PATH_MAX]; /* without links */
  char rest[PATH_MAX]; /* names that the tree lacks; empty if the place is there */
};
/* False with errno: ELOOP, ENOTDIR, ENAMETOOLONG. */
bool find_place(const char *path, struct place *place);
/* Makes it with all folders on the way, without a change to the tree. False with errno. */
bool make_place(struct place *place, bool is_file);
void covers(const char *path);
/* Places are then made in the tree itself. */
void may_write_to_tree(void);
void seal_tree(void);

/* binds.c */
void open_binds(struct options *options);
void open_host_folders(void);
void mount_host_folders(void);
void mount_binds(struct options *options);
/* Why it could not be, as the end of a sentence; NULL if it was. */
const char *bind_at(int source, const char *target, bool is_read_only);
void make_read_only(int fd, const char *name);
/* Number of the mount that a descriptor lies in; -1 if /proc does not say. */
int mount_number(int fd);

/* host-files.c */
/* By which hosts are looked up; fd is O_PATH, -1 if the host lacks it. */
struct host_file {
  const char *path;
  int fd;
};
enum { NAME_FILES = 2 };
extern struct host_file name_files[NAME_FILES];
/* While the host's tree is the root, because they may be absolute links. */
void open_name_files(void);
/* Asks the directory services of the host, so before its tree is left. */
void look_up_accounts(void);
void open_host_files(void);
void mount_host_files(void);
/* In the tree: a variable of the program. */
void choose_zone(void);

/* keeper.c: never returns. `link` leads to the launcher, `fuse` is -1 if there is nothing to serve. */
_Noreturn void keep(const struct options *options, int space, int link, int fuse);
const char *find_squashfuse(const struct options *options);
enum { GOODBYE = 'b' }; /* the launcher's last word to the keeper */

/* end-all.c: kills all processes of a mount namespace. */
void end_all_in(int space);

/* link.c: between launcher and program */
void send_space(int link, int space, int fuse);
bool receive_space(int link, int *space, int *fuse);
/* What a program starts before there is a keeper would go on after a `kill -9` of the launcher. */
void tell_that_it_is_kept(int link);
void wait_until_kept(int link);

/* run.c */
_Noreturn void run(struct options *options);
void die_with(pid_t parent);
void block_signals(sigset_t *before);
void make_pair(int *link);
pid_t start(void);

/* program.c: makes the namespaces and becomes the program. */
_Noreturn void become_program(struct options *options, int link, pid_t launcher, const sigset_t *signals);

void change_environment(const struct options *options);
_Noreturn void fail_exec(const char *program, int number);

/* The last step, in the namespaces. `parent` is 0, or the process that must not be outlived. */
_Noreturn void start_command(struct options *options, pid_t parent, const sigset_t *signals);

/* join.c */
void join(struct options *options);
void tell_joined(const struct options *options, pid_t program, int link);
void forget_joined(void);

/* wait.c */
/* Ends us by this signal. */
_Noreturn void end_by(int number);
_Noreturn void wait_for(pid_t program, pid_t keeper, int link, int space, bool is_confined);

#endif
