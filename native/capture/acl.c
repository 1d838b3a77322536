/* ACLs in the form of the attribute (linux/posix_acl_xattr.h), little endian as all processors that we run on. */
#include "capture.h"

#include <string.h>

enum { VERSION = 2, HEADER = 4, ENTRY = 8 };
enum { USER_OBJ = 0x01, USER = 0x02, GROUP_OBJ = 0x04, GROUP = 0x08, MASK = 0x10, OTHER = 0x20 };

static unsigned tag_at(const unsigned char *value, size_t at) { return value[at] | value[at + 1] << 8; }
static unsigned rights_at(const unsigned char *value, size_t at) { return value[at + 2] | value[at + 3] << 8; }

/* The order that the kernel wants (posix_acl_valid in fs/posix_acl.c). */
bool is_acl(const unsigned char *value, size_t length) {
  if (length < HEADER || (length - HEADER) % ENTRY != 0) return false;
  if (value[0] != VERSION || value[1] != 0 || value[2] != 0 || value[3] != 0) return false;
  unsigned seen = 0, last = 0;
  for (size_t at = HEADER; at < length; at += ENTRY) {
    unsigned tag = tag_at(value, at);
    bool may_repeat = tag == USER || tag == GROUP;
    if (rights_at(value, at) > 7 || tag < last || (tag == last && !may_repeat)) return false;
    if (tag == 0 || (tag & (tag - 1)) != 0 || tag > OTHER) return false;
    last = tag;
    seen |= tag;
  }
  bool is_named = (seen & (USER | GROUP)) != 0;
  return (seen & (USER_OBJ | GROUP_OBJ | OTHER)) == (USER_OBJ | GROUP_OBJ | OTHER) && (!is_named || (seen & MASK));
}

bool mode_of_acl(const unsigned char *value, size_t length, mode_t *mode) {
  mode_t found = 0;
  bool is_whole = true, has_mask = false;
  for (size_t at = HEADER; at < length; at += ENTRY) {
    unsigned tag = tag_at(value, at), rights = rights_at(value, at);
    if (tag == USER_OBJ) found |= rights << 6;
    else if (tag == OTHER) found |= rights;
    else if (tag == GROUP_OBJ && !has_mask) found |= rights << 3;
    else if (tag == MASK) {
      found = (found & ~070) | rights << 3;
      has_mask = true;
    }
    if (tag == USER || tag == GROUP || tag == MASK) is_whole = false;
  }
  *mode = (*mode & ~0777) | found;
  return is_whole;
}

bool is_acl_held(const unsigned char *value, size_t length) {
  for (size_t at = HEADER; at + ENTRY <= length; at += ENTRY) {
    uint32_t id;
    memcpy(&id, value + at + 4, sizeof id);
    if (tag_at(value, at) & (USER | GROUP) && !is_held(id)) return false;
  }
  return true;
}

static unsigned char *group_class(unsigned char *value, size_t length) {
  unsigned char *found = NULL;
  for (size_t at = HEADER; at < length; at += ENTRY)
    if (tag_at(value, at) == MASK || (tag_at(value, at) == GROUP_OBJ && found == NULL)) found = value + at;
  return found;
}

void change_acl(unsigned char *value, size_t length, mode_t mode) {
  for (size_t at = HEADER; at < length; at += ENTRY) {
    if (tag_at(value, at) == USER_OBJ) value[at + 2] = (mode >> 6) & 7;
    if (tag_at(value, at) == OTHER) value[at + 2] = mode & 7;
  }
  unsigned char *group = group_class(value, length);
  if (group != NULL) group[2] = (mode >> 3) & 7;
}

/* posix_acl_create_masq in fs/posix_acl.c */
void inherit_acl(unsigned char *value, size_t length, mode_t *mode) {
  mode_t kept = *mode;
  for (size_t at = HEADER; at < length; at += ENTRY) {
    if (tag_at(value, at) == USER_OBJ) kept &= (value[at + 2] &= (kept >> 6) & 7) << 6 | ~0700;
    if (tag_at(value, at) == OTHER) kept &= (value[at + 2] &= kept & 7) | ~07;
  }
  unsigned char *group = group_class(value, length);
  if (group != NULL) kept &= (group[2] &= (kept >> 3) & 7) << 3 | ~070;
  *mode = (*mode & ~0777) | (kept & 0777);
}
