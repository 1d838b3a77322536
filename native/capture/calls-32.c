/*
 * The calls of 32-bit programs on x86-64. Their words arrive as those of the 64-bit calls, so their handlers are the same,
 * but for the form of a status. Those with ids of 16 bits, which C libraries have not used since Linux 2.4, are left to the
 * kernel: it refuses them what it refuses users.
 */
#include "capture.h"

#include <fcntl.h>
#include <sys/prctl.h>

#if defined(__x86_64__)
static const struct known_call BEYOND[] = {
    {207 /* fchown */, change_owner_of_fd, ALWAYS, 0},
    {298 /* fchownat */, change_owner_at, ALWAYS, 0},
    {212 /* chown */, change_owner, ALWAYS, 0},
    {198 /* lchown */, change_link_owner, ALWAYS, 0},
    {297 /* mknodat */, make_node_at, 2, OF_DEVICES},
    {14 /* mknod */, make_node, 1, OF_DEVICES},
    {226 /* setxattr */, set_attribute_at, ALWAYS, 0},
    {227 /* lsetxattr */, set_attribute_of_link, ALWAYS, 0},
    {228 /* fsetxattr */, set_attribute_of_fd, ALWAYS, 0},
    {235 /* removexattr */, remove_attribute_at, ALWAYS, 0},
    {236 /* lremovexattr */, remove_attribute_of_link, ALWAYS, 0},
    {237 /* fremovexattr */, remove_attribute_of_fd, ALWAYS, 0},
    {205 /* getgroups */, get_groups, ALWAYS, 0},
};
static const struct known_call CALLS[] = {
    {383 /* statx */, show_extended, ALWAYS, 0},
    {295 /* openat */, create_file_at, 2, CREATES},
    {207 /* fchown */, change_owner_of_fd, ALWAYS, 0},
    {298 /* fchownat */, change_owner_at, ALWAYS, 0},
    {94 /* fchmod */, change_mode_of_fd, ALWAYS, 0},
    {306 /* fchmodat */, change_mode_at, ALWAYS, 0},
    {296 /* mkdirat */, make_directory_at, ALWAYS, 0},
    {297 /* mknodat */, make_node_at, ALWAYS, 0},
    {304 /* symlinkat */, make_link_at, ALWAYS, 0},
    {226 /* setxattr */, set_attribute_at, ALWAYS, 0},
    {227 /* lsetxattr */, set_attribute_of_link, ALWAYS, 0},
    {228 /* fsetxattr */, set_attribute_of_fd, ALWAYS, 0},
    {229 /* getxattr */, get_attribute_at, ALWAYS, 0},
    {230 /* lgetxattr */, get_attribute_of_link, ALWAYS, 0},
    {231 /* fgetxattr */, get_attribute_of_fd, ALWAYS, 0},
    {232 /* listxattr */, list_attributes_at, ALWAYS, 0},
    {233 /* llistxattr */, list_attributes_of_link, ALWAYS, 0},
    {234 /* flistxattr */, list_attributes_of_fd, ALWAYS, 0},
    {235 /* removexattr */, remove_attribute_at, ALWAYS, 0},
    {236 /* lremovexattr */, remove_attribute_of_link, ALWAYS, 0},
    {237 /* fremovexattr */, remove_attribute_of_fd, ALWAYS, 0},
    {213 /* setuid */, set_uid, ALWAYS, 0},
    {214 /* setgid */, set_gid, ALWAYS, 0},
    {203 /* setreuid */, set_re_uid, ALWAYS, 0},
    {204 /* setregid */, set_re_gid, ALWAYS, 0},
    {208 /* setresuid */, set_res_uid, ALWAYS, 0},
    {210 /* setresgid */, set_res_gid, ALWAYS, 0},
    {215 /* setfsuid */, set_fs_uid, ALWAYS, 0},
    {216 /* setfsgid */, set_fs_gid, ALWAYS, 0},
    {206 /* setgroups */, set_groups, ALWAYS, 0},
    {172 /* prctl */, keep_capabilities, 0, PR_SET_KEEPCAPS},
    {11 /* execve */, start_program, ALWAYS, 0},
    {358 /* execveat */, start_program, ALWAYS, 0},
    {199 /* getuid */, get_uid, ALWAYS, 0},
    {201 /* geteuid */, get_effective_uid, ALWAYS, 0},
    {200 /* getgid */, get_gid, ALWAYS, 0},
    {202 /* getegid */, get_effective_gid, ALWAYS, 0},
    {209 /* getresuid */, get_res_uid, ALWAYS, 0},
    {211 /* getresgid */, get_res_gid, ALWAYS, 0},
    {205 /* getgroups */, get_groups, ALWAYS, 0},
    {5 /* open */, create_file, 1, CREATES},
    {8 /* creat */, create_file_plainly, ALWAYS, 0},
    {212 /* chown */, change_owner, ALWAYS, 0},
    {198 /* lchown */, change_link_owner, ALWAYS, 0},
    {15 /* chmod */, change_mode, ALWAYS, 0},
    {39 /* mkdir */, make_directory, ALWAYS, 0},
    {14 /* mknod */, make_node, ALWAYS, 0},
    {83 /* symlink */, make_link, ALWAYS, 0},
    {452 /* fchmodat2 */, change_mode_at, ALWAYS, 0},
    {195 /* stat64 */, show_status_32, ALWAYS, 0},
    {196 /* lstat64 */, show_link_status_32, ALWAYS, 0},
    {197 /* fstat64 */, show_status_of_fd_32, ALWAYS, 0},
    {300 /* fstatat64 */, show_status_at_32, ALWAYS, 0},
};
static const struct known_calls ALL = {CALLS, sizeof CALLS / sizeof *CALLS};
static const struct known_calls SOME = {BEYOND, sizeof BEYOND / sizeof *BEYOND};
#else
static const struct known_calls ALL, SOME;
#endif

const struct known_calls *answered_calls_32(void) { return has_ids() ? &SOME : &ALL; }
