/*
 * strata-launch capture: runs a command as root of a writable tree, for a user who has one id (spec/capture.md).
 *
 *   supervisor  makes the namespaces and mounts, then answers the system calls that the kernel refuses to users who have
 *               one id: chown, mknod, set*id, ACLs. It keeps what the command asked for by inode (metadata.c), and shows
 *               it to the command as if the file system had taken it
 *   init        number 1 of the process namespace: with it, the kernel ends everything that the command has started
 *   command
 *
 * The kernel kills init when the supervisor dies, so a kill of any of the three leaves nothing.
 *
 * Where the user has a range of subordinate ids, files get their owners for real while the command runs (real-owners.c), and
 * the supervisor answers for devices and ids beyond the range alone.
 */
#ifndef STRATA_CAPTURE_H
#define STRATA_CAPTURE_H

#include "../launch/launch.h"

#include <fcntl.h>
#include <linux/seccomp.h>

struct attribute {
  char *name;
  unsigned char *value;
  size_t length;
  struct attribute *next;
};

/* What the command sees of an inode, where the file system cannot hold it. */
struct metadata {
  dev_t device;
  ino_t inode;
  uint64_t generation; /* another file may get the inode's number later */
  uid_t uid;
  gid_t gid;
  mode_t mode; /* with the type */
  dev_t number; /* of a device */
  struct attribute *attributes;
  struct metadata *next;
};

/* table.c */
struct metadata *find_metadata(int fd, const struct stat *status);
/* Made as the file system has it, if there is none. */
struct metadata *own_metadata(int fd, const struct stat *status);
/* Cheap: false if no inode of this number is known. */
bool may_be_known(dev_t device, ino_t inode);
const struct attribute *find_attribute(const struct metadata *metadata, const char *name);
void set_attribute(struct metadata *metadata, const char *name, const void *value, size_t length);
bool remove_attribute(struct metadata *metadata, const char *name);
void show_metadata(const struct metadata *metadata, struct stat *status);

/* metadata-file.c: the table as a file of paths (spec/sandbox.md#metadata). */
/* `file` is its name, for messages. */
void read_metadata(int in, const char *file, int tree);
/* O_PATH, by way of the tree's own folders alone; -1 with errno. */
int open_in_tree(int tree, const char *path);
/* Also makes every file of the tree readable for its user. */
void write_metadata(int out, int tree);

/* physical.c: what the file system gets. */
/* The top of the tree stays closed to other users, whatever the command wants. */
void remember_top(int tree);
/* What `mode`, with the type, becomes for the inode with this status. */
mode_t physical_mode(const struct stat *status, mode_t mode);
/* As `physical_mode` without real owners, and as the tree is left: its user can read everything, and no file is set-id. */
mode_t mode_at_rest(const struct stat *status, mode_t mode);
/* 0, or an error below 0. */
int set_physical_mode(int fd, mode_t mode);
/* Path of an open inode, which may be opened with O_PATH. Valid until the next call. */
const char *proc_path(int fd);
void open_proc(void);
/* /proc of the host */
int proc_folder(void);

/* real-owners.c: between captures, a tree belongs to its user, whatever mechanism is used (spec/capture.md#subordinate-ids). */
/* Fails if the file system gives no file to others. */
void try_owners(int tree);
/* Gives an inode what it is to have. Returns what of it the file system cannot hold, or NULL. */
struct metadata *restore_owner(int fd, const struct stat *status, const struct metadata *wanted);
/* True if the file system holds it. */
bool restore_attribute(int fd, const char *name, const void *value, size_t length);
/* What is to be written down of the inode, in `seen`. False if nothing is. `forget_attributes` frees it. */
bool see_real(int fd, const struct stat *status, struct metadata *seen);
/* From here on, files may have ACLs for real: each call that sets one asks us, and one that is inherited was set before. */
void expect_acls(void);
/* Of the inode at this path, below /proc. Costs nothing as long as nobody has set an ACL. */
bool has_acl(const char *path);
void forget_attributes(struct metadata *metadata);
/* Its user's own again. */
void take_back(int tree, const char *path);
/* Once: what the command cannot see again. */
void tell_unseen(const char *what);

/* filter.c: the listener; -1 with errno. */
int install_filter(void);
/* Says what is missing for it. */
_Noreturn void fail_supervision(int number);

/* calls.c */
enum { CONTINUE = 1 }; /* the kernel does the call; else 0, or an error below 0 */
struct call {
  const struct seccomp_notif *notice;
  pid_t pid;
  int listener;
  int64_t value; /* what the call returns */
  bool is_answered;
};
typedef int handler(struct call *call);
struct known_call {
  int number;
  handler *handler;
  int argument; /* we are asked only if this argument has one of the bits */
  unsigned bits;
  enum { WITHOUT_IDS, WITH_IDS, EITHER_WAY, WITH_NETWORK } way;
};
enum { ALWAYS = -1 };
/* Of open(2): a file is made. Linux sets these bits alike for both processors. */
enum { WITHOUT_NAME = 020000000 /* __O_TMPFILE */, CREATES = O_CREAT | WITHOUT_NAME };
/* A bit that the types of devices have, and those of files, folders, fifos and sockets have not. */
enum { OF_DEVICES = S_IFCHR };
/* A bit that SOCK_DGRAM and SOCK_RAW have, and SOCK_STREAM and SOCK_SEQPACKET have not. */
enum { OF_DATAGRAMS = 2 };
struct known_calls {
  const struct known_call *list;
  size_t count;
};
extern const struct known_calls KNOWN_CALLS, KNOWN_CALLS_32;
/*
 * Whether the filter asks about it. Where files belong to other users for real, ids beyond the range, devices, and
 * `trusted.` are left to do.
 */
bool is_asked(const struct known_call *known);

/* caller.c: memory and paths of the process that made a call. */
/* False if it was killed meanwhile: another process may have its number by now. */
bool is_waiting(const struct call *call);
bool read_memory(const struct call *call, uint64_t address, void *bytes, size_t length);
bool write_memory(const struct call *call, uint64_t address, const void *bytes, size_t length);
/* False if there is no end within the room. */
bool read_text(const struct call *call, uint64_t address, char *text, size_t room);
enum { CALLER_PATH = PATH_MAX + 64 };
/*
 * The path as seen by us, below /proc of the host. An empty `path` is the folder itself. False if it is too long. Where a
 * link or `..` may be on the way, our root is that of the caller until `leave_root`.
 */
bool caller_path(const struct call *call, int folder, const char *path, bool follows, char *found);
/* Once, before the first call. */
void remember_root(void);
/* chroot(2) and calls that mount. */
handler change_root;
/* Back to our own root: nothing of the caller is in use by us between two calls. */
void leave_root(void);
/* O_PATH; -1 with errno. */
int open_of_caller(const struct call *call, int folder, uint64_t path, int flags);
/* /proc/PID/status; -1 with errno. */
int open_status(pid_t pid);
mode_t umask_of(pid_t pid);

/* credentials.c */
struct credentials {
  uid_t uids[4]; /* real, effective, saved, file system */
  gid_t gids[4];
  size_t group_count;
  gid_t *groups;
  bool keeps; /* prctl(PR_SET_KEEPCAPS) */
  bool is_able; /* root's capabilities, although another user */
};
const struct credentials *credentials_of(pid_t pid);
bool is_privileged(const struct credentials *credentials);
bool has_changed_user(const struct credentials *credentials);
handler set_uid, set_gid, set_re_uid, set_re_gid, set_res_uid, set_res_gid, set_fs_uid, set_fs_gid, set_groups;
handler keep_capabilities, start_program;
handler get_uid, get_effective_uid, get_gid, get_effective_gid, get_res_uid, get_res_gid, get_groups;
void prepare_credentials(void);

/* owners.c */
handler change_owner, change_link_owner, change_owner_at, change_owner_of_fd;
handler change_mode, change_mode_at, change_mode_of_fd;
/* status.c */
handler show_status, show_link_status, show_status_at, show_status_of_fd, show_extended;
handler show_status_32, show_link_status_32, show_status_at_32, show_status_of_fd_32;
/* attributes.c */
handler set_attribute_at, set_attribute_of_link, set_attribute_of_fd;
handler get_attribute_at, get_attribute_of_link, get_attribute_of_fd;
handler list_attributes_at, list_attributes_of_link, list_attributes_of_fd;
handler remove_attribute_at, remove_attribute_of_link, remove_attribute_of_fd;
/* create.c */
handler create_file, create_file_at, create_file_plainly;
handler make_directory, make_directory_at, make_node, make_node_at, make_link, make_link_at;

/* Gives the process a descriptor, which is closed here. Its number there, or an error below 0: -EINVAL before Linux 5.9. */
int insert(const struct call *call, int fd, int flags);
/* The same, and the number is what the call returns: in one step from Linux 5.14 on. 0, or an error below 0. */
int hand_over(struct call *call, int fd, int flags);

/* sockets.c */
/* Before the namespaces are made, so that the command does not see the process. */
void start_socket_maker(void);
bool has_socket_maker(void);
void end_socket_maker(void);
handler make_socket, make_socket_pair, make_socket_by_call;

/* acl.c: values of system.posix_acl_access and _default. */
#define ACCESS_ACL "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"
bool is_acl(const unsigned char *value, size_t length);
/* True if the mode says all that the ACL does. */
bool mode_of_acl(const unsigned char *value, size_t length, mode_t *mode);
/* True if all its ids are in the range. */
bool is_acl_held(const unsigned char *value, size_t length);
/* The bits of a chmod in the ACL. */
void change_acl(unsigned char *value, size_t length, mode_t mode);
/* As a new file gets it from a default ACL; its mode loses what the ACL does not give. */
void inherit_acl(unsigned char *value, size_t length, mode_t *mode);

/* supervise.c: answers calls until the command has ended; its wait status. False if it was ended by force. */
bool supervise(pid_t init, int link, int *status);

/* mounts.c */
void mount_capture_tree(const struct options *options, int directory);
void mount_proc(void);
void remove_places(int tree);

/* init.c: `link` leads to the supervisor. */
_Noreturn void become_init(const struct options *options, int link, const sigset_t *signals);

_Noreturn void capture(struct options *options);

#endif
