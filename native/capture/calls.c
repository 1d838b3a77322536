/* The calls that are answered. Processors that came later lack the older ones. */
#include "capture.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* What is left to do where files belong to other users for real: ids beyond the range, devices, and `trusted.`. */
static const struct known_call BEYOND[] = {
    {SYS_fchown, change_owner_of_fd, ALWAYS, 0},
    {SYS_fchownat, change_owner_at, ALWAYS, 0},
    {SYS_mknodat, make_node_at, 2, OF_DEVICES},
    {SYS_setxattr, set_attribute_at, ALWAYS, 0},
    {SYS_lsetxattr, set_attribute_of_link, ALWAYS, 0},
    {SYS_fsetxattr, set_attribute_of_fd, ALWAYS, 0},
    {SYS_removexattr, remove_attribute_at, ALWAYS, 0},
    {SYS_lremovexattr, remove_attribute_of_link, ALWAYS, 0},
    {SYS_fremovexattr, remove_attribute_of_fd, ALWAYS, 0},
    {SYS_getgroups, get_groups, ALWAYS, 0},
#ifdef SYS_open
    {SYS_chown, change_owner, ALWAYS, 0},
    {SYS_lchown, change_link_owner, ALWAYS, 0},
    {SYS_mknod, make_node, 1, OF_DEVICES},
#endif
};
static const struct known_call CALLS[] = {
    {SYS_newfstatat, show_status_at, ALWAYS, 0},
    {SYS_statx, show_extended, ALWAYS, 0},
    {SYS_fstat, show_status_of_fd, ALWAYS, 0},
    {SYS_openat, create_file_at, 2, CREATES},
    {SYS_fchown, change_owner_of_fd, ALWAYS, 0},
    {SYS_fchownat, change_owner_at, ALWAYS, 0},
    {SYS_fchmod, change_mode_of_fd, ALWAYS, 0},
    {SYS_fchmodat, change_mode_at, ALWAYS, 0},
    {452 /* fchmodat2 */, change_mode_at, ALWAYS, 0},
    {SYS_mkdirat, make_directory_at, ALWAYS, 0},
    {SYS_mknodat, make_node_at, ALWAYS, 0},
    {SYS_symlinkat, make_link_at, ALWAYS, 0},
    {SYS_setxattr, set_attribute_at, ALWAYS, 0},
    {SYS_lsetxattr, set_attribute_of_link, ALWAYS, 0},
    {SYS_fsetxattr, set_attribute_of_fd, ALWAYS, 0},
    {SYS_getxattr, get_attribute_at, ALWAYS, 0},
    {SYS_lgetxattr, get_attribute_of_link, ALWAYS, 0},
    {SYS_fgetxattr, get_attribute_of_fd, ALWAYS, 0},
    {SYS_listxattr, list_attributes_at, ALWAYS, 0},
    {SYS_llistxattr, list_attributes_of_link, ALWAYS, 0},
    {SYS_flistxattr, list_attributes_of_fd, ALWAYS, 0},
    {SYS_removexattr, remove_attribute_at, ALWAYS, 0},
    {SYS_lremovexattr, remove_attribute_of_link, ALWAYS, 0},
    {SYS_fremovexattr, remove_attribute_of_fd, ALWAYS, 0},
    {SYS_setuid, set_uid, ALWAYS, 0},
    {SYS_setgid, set_gid, ALWAYS, 0},
    {SYS_setreuid, set_re_uid, ALWAYS, 0},
    {SYS_setregid, set_re_gid, ALWAYS, 0},
    {SYS_setresuid, set_res_uid, ALWAYS, 0},
    {SYS_setresgid, set_res_gid, ALWAYS, 0},
    {SYS_setfsuid, set_fs_uid, ALWAYS, 0},
    {SYS_setfsgid, set_fs_gid, ALWAYS, 0},
    {SYS_setgroups, set_groups, ALWAYS, 0},
    {SYS_prctl, keep_capabilities, 0, PR_SET_KEEPCAPS},
    {SYS_execve, start_program, ALWAYS, 0},
    {SYS_execveat, start_program, ALWAYS, 0},
    {SYS_getuid, get_uid, ALWAYS, 0},
    {SYS_geteuid, get_effective_uid, ALWAYS, 0},
    {SYS_getgid, get_gid, ALWAYS, 0},
    {SYS_getegid, get_effective_gid, ALWAYS, 0},
    {SYS_getresuid, get_res_uid, ALWAYS, 0},
    {SYS_getresgid, get_res_gid, ALWAYS, 0},
    {SYS_getgroups, get_groups, ALWAYS, 0},
#ifdef SYS_open
    {SYS_stat, show_status, ALWAYS, 0},
    {SYS_lstat, show_link_status, ALWAYS, 0},
    {SYS_open, create_file, 1, CREATES},
    {SYS_creat, create_file_plainly, ALWAYS, 0},
    {SYS_chown, change_owner, ALWAYS, 0},
    {SYS_lchown, change_link_owner, ALWAYS, 0},
    {SYS_chmod, change_mode, ALWAYS, 0},
    {SYS_mkdir, make_directory, ALWAYS, 0},
    {SYS_mknod, make_node, ALWAYS, 0},
    {SYS_symlink, make_link, ALWAYS, 0},
#endif
};
static const struct known_calls ALL = {CALLS, sizeof CALLS / sizeof *CALLS};
static const struct known_calls SOME = {BEYOND, sizeof BEYOND / sizeof *BEYOND};

const struct known_calls *answered_calls(void) { return has_ids() ? &SOME : &ALL; }
