/*
 * The calls of 32-bit programs on x86-64. Their words arrive as those of the 64-bit calls, so their handlers are the same,
 * but for the form of a status. Those with ids of 16 bits, which C libraries have not used since Linux 2.4, are left to the
 * kernel: it refuses them what it refuses users.
 */
#include "capture.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#if defined(__x86_64__)
static const struct known_call CALLS[] = {
    {383 /* statx */, show_extended, ALWAYS, 0, WITHOUT_IDS},
    {295 /* openat */, create_file_at, 2, CREATES, WITHOUT_IDS},
    {207 /* fchown */, change_owner_of_fd, ALWAYS, 0, EITHER_WAY},
    {298 /* fchownat */, change_owner_at, ALWAYS, 0, EITHER_WAY},
    {94 /* fchmod */, change_mode_of_fd, ALWAYS, 0, WITHOUT_IDS},
    {306 /* fchmodat */, change_mode_at, ALWAYS, 0, WITHOUT_IDS},
    {296 /* mkdirat */, make_directory_at, ALWAYS, 0, WITHOUT_IDS},
    {297 /* mknodat */, make_node_at, ALWAYS, 0, WITHOUT_IDS},
    {297 /* mknodat */, make_node_at, 2, OF_DEVICES, WITH_IDS},
    {304 /* symlinkat */, make_link_at, ALWAYS, 0, WITHOUT_IDS},
    {226 /* setxattr */, set_attribute_at, ALWAYS, 0, EITHER_WAY},
    {227 /* lsetxattr */, set_attribute_of_link, ALWAYS, 0, EITHER_WAY},
    {228 /* fsetxattr */, set_attribute_of_fd, ALWAYS, 0, EITHER_WAY},
    {229 /* getxattr */, get_attribute_at, ALWAYS, 0, WITHOUT_IDS},
    {230 /* lgetxattr */, get_attribute_of_link, ALWAYS, 0, WITHOUT_IDS},
    {231 /* fgetxattr */, get_attribute_of_fd, ALWAYS, 0, WITHOUT_IDS},
    {232 /* listxattr */, list_attributes_at, ALWAYS, 0, WITHOUT_IDS},
    {233 /* llistxattr */, list_attributes_of_link, ALWAYS, 0, WITHOUT_IDS},
    {234 /* flistxattr */, list_attributes_of_fd, ALWAYS, 0, WITHOUT_IDS},
    {235 /* removexattr */, remove_attribute_at, ALWAYS, 0, EITHER_WAY},
    {236 /* lremovexattr */, remove_attribute_of_link, ALWAYS, 0, EITHER_WAY},
    {237 /* fremovexattr */, remove_attribute_of_fd, ALWAYS, 0, EITHER_WAY},
    {213 /* setuid */, set_uid, ALWAYS, 0, WITHOUT_IDS},
    {214 /* setgid */, set_gid, ALWAYS, 0, WITHOUT_IDS},
    {203 /* setreuid */, set_re_uid, ALWAYS, 0, WITHOUT_IDS},
    {204 /* setregid */, set_re_gid, ALWAYS, 0, WITHOUT_IDS},
    {208 /* setresuid */, set_res_uid, ALWAYS, 0, WITHOUT_IDS},
    {210 /* setresgid */, set_res_gid, ALWAYS, 0, WITHOUT_IDS},
    {215 /* setfsuid */, set_fs_uid, ALWAYS, 0, WITHOUT_IDS},
    {216 /* setfsgid */, set_fs_gid, ALWAYS, 0, WITHOUT_IDS},
    {206 /* setgroups */, set_groups, ALWAYS, 0, WITHOUT_IDS},
    {172 /* prctl */, keep_capabilities, 0, PR_SET_KEEPCAPS, WITHOUT_IDS},
    {11 /* execve */, start_program, ALWAYS, 0, WITHOUT_IDS},
    {358 /* execveat */, start_program, ALWAYS, 0, WITHOUT_IDS},
    {199 /* getuid */, get_uid, ALWAYS, 0, WITHOUT_IDS},
    {201 /* geteuid */, get_effective_uid, ALWAYS, 0, WITHOUT_IDS},
    {200 /* getgid */, get_gid, ALWAYS, 0, WITHOUT_IDS},
    {202 /* getegid */, get_effective_gid, ALWAYS, 0, WITHOUT_IDS},
    {209 /* getresuid */, get_res_uid, ALWAYS, 0, WITHOUT_IDS},
    {211 /* getresgid */, get_res_gid, ALWAYS, 0, WITHOUT_IDS},
    {205 /* getgroups */, get_groups, ALWAYS, 0, EITHER_WAY},
    {359 /* socket */, make_socket, 0, AF_UNIX, WITH_NETWORK},
    {360 /* socketpair */, make_socket_pair, 1, OF_DATAGRAMS, WITH_NETWORK},
    {102 /* socketcall */, make_socket_by_call, ALWAYS, 0, WITH_NETWORK},
    {61 /* chroot */, change_root, ALWAYS, 0, EITHER_WAY},
    {217 /* pivot_root */, change_root, ALWAYS, 0, EITHER_WAY},
    {346 /* setns */, change_root, ALWAYS, 0, EITHER_WAY},
    {21 /* mount */, change_root, ALWAYS, 0, EITHER_WAY},
    {22 /* umount */, change_root, ALWAYS, 0, EITHER_WAY},
    {52 /* umount2 */, change_root, ALWAYS, 0, EITHER_WAY},
    {429 /* move_mount */, change_root, ALWAYS, 0, EITHER_WAY},
    {5 /* open */, create_file, 1, CREATES, WITHOUT_IDS},
    {8 /* creat */, create_file_plainly, ALWAYS, 0, WITHOUT_IDS},
    {212 /* chown */, change_owner, ALWAYS, 0, EITHER_WAY},
    {198 /* lchown */, change_link_owner, ALWAYS, 0, EITHER_WAY},
    {15 /* chmod */, change_mode, ALWAYS, 0, WITHOUT_IDS},
    {39 /* mkdir */, make_directory, ALWAYS, 0, WITHOUT_IDS},
    {14 /* mknod */, make_node, ALWAYS, 0, WITHOUT_IDS},
    {14 /* mknod */, make_node, 1, OF_DEVICES, WITH_IDS},
    {83 /* symlink */, make_link, ALWAYS, 0, WITHOUT_IDS},
    {452 /* fchmodat2 */, change_mode_at, ALWAYS, 0, WITHOUT_IDS},
    {195 /* stat64 */, show_status_32, ALWAYS, 0, WITHOUT_IDS},
    {196 /* lstat64 */, show_link_status_32, ALWAYS, 0, WITHOUT_IDS},
    {197 /* fstat64 */, show_status_of_fd_32, ALWAYS, 0, WITHOUT_IDS},
    {300 /* fstatat64 */, show_status_at_32, ALWAYS, 0, WITHOUT_IDS},
};
const struct known_calls KNOWN_CALLS_32 = {CALLS, sizeof CALLS / sizeof *CALLS};
#else
const struct known_calls KNOWN_CALLS_32 = {NULL, 0};
#endif
