/* The tree: an image through the kernel (root) or FUSE, or a directory of the host. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

enum { MOST_LOOP_TRIES = 64, MOST_SECONDS_OF_SERVER = 10 };

/* Linux 5.8 sets it up in one call. Before, a loop device that is not yet set up must not be seen: it is ours by EBUSY. */
static bool attach(int device, int image, uint64_t offset) {
  struct loop_config config = {.fd = (uint32_t)image,
                               .info.lo_offset = offset,
                               .info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR};
  if (ioctl(device, LOOP_CONFIGURE, &config) == 0) return true;
  if (errno == EBUSY || ioctl(device, LOOP_SET_FD, image) != 0) return false;
  return ioctl(device, LOOP_SET_STATUS64, &config.info) == 0;
}

int open_loop(int image, uint64_t offset, char *path, size_t bytes) {
  int control = open("/host/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0) return -1;
  int device = -1;
  for (int i = 0; i < MOST_LOOP_TRIES && device < 0; i++) {
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) break;
    snprintf(path, bytes, "/host/dev/loop%d", number);
    device = open(path, O_RDONLY | O_CLOEXEC);
    if (device < 0) break;
    if (attach(device, image, offset)) break;
    int reason = errno;
    close(device);
    device = -1;
    if (reason != EBUSY) break; /* somebody else was faster */
  }
  close(control);
  return device;
}

bool mount_by_kernel(int image, uint64_t offset, const char *place) {
  char path[64];
  int device = open_loop(image, offset, path, sizeof path);
  if (device < 0) return false;
  bool is_mounted = mount(path, place, "squashfs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) == 0;
  int number = errno;
  close(device);
  errno = number;
  return is_mounted;
}

/* FUSE belongs to the user namespace in which its descriptor was opened, so it is opened here and served from outside. */
int mount_by_fuse(const char *place) {
  char data[128];
  int fd = open("/host/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fd < 0)
    fail("fuse", errno, errno == ENOENT ? "as root: modprobe fuse" : "as root: chmod 666 /dev/fuse",
         "/dev/fuse cannot be opened, so the image cannot be mounted");
  snprintf(data, sizeof data, "fd=%d,rootmode=40000,user_id=%u,group_id=%u%s", fd, geteuid(), getegid(),
           is_real_root() ? ",allow_other,default_permissions" : "");
  if (mount("strata", place, "fuse.squashfuse", MS_RDONLY | MS_NOSUID | MS_NODEV, data) != 0)
    fail("fuse", errno, errno == EPERM ? "Linux 4.18 or later" : hint_for_mounts(),
         "FUSE cannot be mounted in a user namespace");
  return fd;
}

/* Asks for the first answer, so that an image that cannot be served is told from one that lacks a file. */
static void wait_for_server(const char *place) {
  struct stat status;
  if (stat(format_text("%s/.", place), &status) == 0) return;
  int number = errno;
  /* The keeper knows the reason, and the launcher ends us as soon as it has told. */
  if (number == ENOTCONN || number == ECONNABORTED) sleep(MOST_SECONDS_OF_SERVER);
  fail("image", number, NULL, "the root of the image cannot be read");
}

void mount_image(const struct options *options, int link, int space) {
  const char *place = options->is_writable ? LOWER : TREE;
  if (is_real_root() && mount_by_kernel(options->image_fd, (uint64_t)options->offset, place)) {
    send_space(link, space, -1);
    return;
  }
  int fuse = mount_by_fuse(place);
  send_space(link, space, fuse);
  close(fuse);
  wait_for_server(place);
}

void mount_directory(int fd, const char *name, const char *place) {
  if (mount(path_of(fd), place, NULL, MS_BIND | MS_REC, NULL) != 0)
    fail("mount", errno, hint_for_mounts(), "%s cannot be mounted", name);
  int tree = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (tree < 0) fail("mount", errno, NULL, "%s", name);
  make_read_only(tree, name);
  close(tree);
}
