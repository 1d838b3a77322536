/* Metadata by inode. A record that outlives its file is told from the next file with the same number by the generation. */
#include "capture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 1 << 12, MOST_HANDLE_BYTES = 128 /* MAX_HANDLE_SZ */ };

static struct metadata **buckets;
static size_t bucket_count, count;

static size_t bucket_of(dev_t device, ino_t inode) {
  uint64_t mixed = ((uint64_t)inode ^ (uint64_t)device << 40) * UINT64_C(0x9E3779B97F4A7C15);
  return (mixed >> 32) & (bucket_count - 1);
}

static void grow(void) {
  struct metadata **before = buckets;
  size_t count_before = bucket_count;
  bucket_count = bucket_count == 0 ? FIRST_BUCKETS : 2 * bucket_count;
  buckets = allocate(bucket_count * sizeof *buckets);
  for (size_t i = 0; i < count_before; i++)
    for (struct metadata *next, *each = before[i]; each != NULL; each = next) {
      next = each->next;
      struct metadata **bucket = &buckets[bucket_of(each->device, each->inode)];
      each->next = *bucket;
      *bucket = each;
    }
  free(before);
}

static uint64_t mix(uint64_t hash, const unsigned char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3); /* FNV-1a */
  return hash;
}

/* The file handle has a number that differs for each file; a file system without handles has a time of birth. */
static uint64_t generation_of(int fd) {
  struct {
    struct file_handle handle;
    unsigned char bytes[MOST_HANDLE_BYTES];
  } found = {.handle.handle_bytes = MOST_HANDLE_BYTES};
  int mount;
  const uint64_t start = UINT64_C(0xCBF29CE484222325);
  if (name_to_handle_at(fd, "", &found.handle, &mount, AT_EMPTY_PATH) == 0)
    return mix(start, found.handle.f_handle, found.handle.handle_bytes);
  struct statx extended;
  if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BTIME, &extended) != 0 ||
      !(extended.stx_mask & STATX_BTIME))
    return 0;
  struct { int64_t seconds, nanoseconds; } birth = {extended.stx_btime.tv_sec, extended.stx_btime.tv_nsec};
  return mix(start, (const unsigned char *)&birth, sizeof birth);
}

static struct metadata **place_of(dev_t device, ino_t inode) {
  if (count == 0) return NULL;
  struct metadata **place = &buckets[bucket_of(device, inode)];
  while (*place != NULL && ((*place)->device != device || (*place)->inode != inode)) place = &(*place)->next;
  return *place == NULL ? NULL : place;
}

bool may_be_known(dev_t device, ino_t inode) { return place_of(device, inode) != NULL; }

static void forget(struct metadata **place) {
  struct metadata *gone = *place;
  *place = gone->next;
  while (gone->attributes != NULL) remove_attribute(gone, gone->attributes->name);
  free(gone);
  count--;
}

struct metadata *find_metadata(int fd, const struct stat *status) {
  struct metadata **place = place_of(status->st_dev, status->st_ino);
  if (place == NULL) return NULL;
  if ((*place)->generation == generation_of(fd)) return *place;
  forget(place);
  return NULL;
}

struct metadata *own_metadata(int fd, const struct stat *status) {
  struct metadata *found = find_metadata(fd, status);
  if (found != NULL) return found;
  if (count == bucket_count) grow();
  found = allocate(sizeof *found);
  struct metadata **bucket = &buckets[bucket_of(status->st_dev, status->st_ino)];
  *found = (struct metadata){.device = status->st_dev,
                             .inode = status->st_ino,
                             .generation = generation_of(fd),
                             .uid = status->st_uid,
                             .gid = status->st_gid,
                             .mode = status->st_mode,
                             .number = status->st_rdev,
                             .next = *bucket};
  *bucket = found;
  count++;
  return found;
}

const struct attribute *find_attribute(const struct metadata *metadata, const char *name) {
  for (const struct attribute *each = metadata->attributes; each != NULL; each = each->next)
    if (strcmp(each->name, name) == 0) return each;
  return NULL;
}

bool remove_attribute(struct metadata *metadata, const char *name) {
  for (struct attribute **each = &metadata->attributes; *each != NULL; each = &(*each)->next)
    if (strcmp((*each)->name, name) == 0) {
      struct attribute *gone = *each;
      *each = gone->next;
      free(gone->name);
      free(gone->value);
      free(gone);
      return true;
    }
  return false;
}

void set_attribute(struct metadata *metadata, const char *name, const void *value, size_t length) {
  struct attribute *added = allocate(sizeof *added);
  *added = (struct attribute){.name = format_text("%s", name), .value = allocate(length + 1), .length = length};
  memcpy(added->value, value, length);
  remove_attribute(metadata, name);
  added->next = metadata->attributes;
  metadata->attributes = added;
}

void show_metadata(const struct metadata *metadata, struct stat *status) {
  status->st_uid = metadata->uid;
  status->st_gid = metadata->gid;
  status->st_mode = metadata->mode;
  status->st_rdev = metadata->number;
}
