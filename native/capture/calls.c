/* The calls that are answered. Processors that came later lack the older ones. */
#include "capture.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static const struct known_call CALLS[] = {
    {SYS_newfstatat, show_status_at, ALWAYS, 0, WITHOUT_IDS},
    {SYS_statx, show_extended, ALWAYS, 0, WITHOUT_IDS},
    {SYS_fstat, show_status_of_fd, ALWAYS, 0, WITHOUT_IDS},
    {SYS_openat, create_file_at, 2, CREATES, WITHOUT_IDS},
    {SYS_fchown, change_owner_of_fd, ALWAYS, 0, EITHER_WAY},
    {SYS_fchownat, change_owner_at, ALWAYS, 0, EITHER_WAY},
    {SYS_fchmod, change_mode_of_fd, ALWAYS, 0, WITHOUT_IDS},
    {SYS_fchmodat, change_mode_at, ALWAYS, 0, WITHOUT_IDS},
    {452 /* fchmodat2 */, change_mode_at, ALWAYS, 0, WITHOUT_IDS},
    {SYS_mkdirat, make_directory_at, ALWAYS, 0, WITHOUT_IDS},
    {SYS_mknodat, make_node_at, ALWAYS, 0, WITHOUT_IDS},
    {SYS_mknodat, make_node_at, 2, OF_DEVICES, WITH_IDS},
    {SYS_symlinkat, make_link_at, ALWAYS, 0, WITHOUT_IDS},
    {SYS_setxattr, set_attribute_at, ALWAYS, 0, EITHER_WAY},
    {SYS_lsetxattr, set_attribute_of_link, ALWAYS, 0, EITHER_WAY},
    {SYS_fsetxattr, set_attribute_of_fd, ALWAYS, 0, EITHER_WAY},
    {SYS_getxattr, get_attribute_at, ALWAYS, 0, WITHOUT_IDS},
    {SYS_lgetxattr, get_attribute_of_link, ALWAYS, 0, WITHOUT_IDS},
    {SYS_fgetxattr, get_attribute_of_fd, ALWAYS, 0, WITHOUT_IDS},
    {SYS_listxattr, list_attributes_at, ALWAYS, 0, WITHOUT_IDS},
    {SYS_llistxattr, list_attributes_of_link, ALWAYS, 0, WITHOUT_IDS},
    {SYS_flistxattr, list_attributes_of_fd, ALWAYS, 0, WITHOUT_IDS},
    {SYS_removexattr, remove_attribute_at, ALWAYS, 0, EITHER_WAY},
    {SYS_lremovexattr, remove_attribute_of_link, ALWAYS, 0, EITHER_WAY},
    {SYS_fremovexattr, remove_attribute_of_fd, ALWAYS, 0, EITHER_WAY},
    {SYS_setuid, set_uid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_setgid, set_gid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_setreuid, set_re_uid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_setregid, set_re_gid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_setresuid, set_res_uid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_setresgid, set_res_gid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_setfsuid, set_fs_uid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_setfsgid, set_fs_gid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_setgroups, set_groups, ALWAYS, 0, WITHOUT_IDS},
    {SYS_prctl, keep_capabilities, 0, PR_SET_KEEPCAPS, WITHOUT_IDS},
    {SYS_execve, start_program, ALWAYS, 0, WITHOUT_IDS},
    {SYS_execveat, start_program, ALWAYS, 0, WITHOUT_IDS},
    {SYS_getuid, get_uid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_geteuid, get_effective_uid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_getgid, get_gid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_getegid, get_effective_gid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_getresuid, get_res_uid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_getresgid, get_res_gid, ALWAYS, 0, WITHOUT_IDS},
    {SYS_getgroups, get_groups, ALWAYS, 0, EITHER_WAY},
    {SYS_socket, make_socket, 0, AF_UNIX, WITH_NETWORK},
    {SYS_socketpair, make_socket_pair, 1, OF_DATAGRAMS, WITH_NETWORK},
    {SYS_chroot, change_root, ALWAYS, 0, EITHER_WAY},
    {SYS_pivot_root, change_root, ALWAYS, 0, EITHER_WAY},
    {SYS_setns, change_root, ALWAYS, 0, EITHER_WAY},
    {SYS_mount, change_root, ALWAYS, 0, EITHER_WAY},
    {SYS_umount2, change_root, ALWAYS, 0, EITHER_WAY},
    {429 /* move_mount */, change_root, ALWAYS, 0, EITHER_WAY},
#ifdef SYS_open
    {SYS_stat, show_status, ALWAYS, 0, WITHOUT_IDS},
    {SYS_lstat, show_link_status, ALWAYS, 0, WITHOUT_IDS},
    {SYS_open, create_file, 1, CREATES, WITHOUT_IDS},
    {SYS_creat, create_file_plainly, ALWAYS, 0, WITHOUT_IDS},
    {SYS_chown, change_owner, ALWAYS, 0, EITHER_WAY},
    {SYS_lchown, change_link_owner, ALWAYS, 0, EITHER_WAY},
    {SYS_chmod, change_mode, ALWAYS, 0, WITHOUT_IDS},
    {SYS_mkdir, make_directory, ALWAYS, 0, WITHOUT_IDS},
    {SYS_mknod, make_node, ALWAYS, 0, WITHOUT_IDS},
    {SYS_mknod, make_node, 1, OF_DEVICES, WITH_IDS},
    {SYS_symlink, make_link, ALWAYS, 0, WITHOUT_IDS},
#endif
};
const struct known_calls KNOWN_CALLS = {CALLS, sizeof CALLS / sizeof *CALLS};

bool is_asked(const struct known_call *known) {
  if (known->way == WITH_NETWORK) return has_socket_maker();
  return known->way == EITHER_WAY || (known->way == WITH_IDS) == has_ids();
}
