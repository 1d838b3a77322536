/*
 * A source of subordinate ids for libsubid (shadow 4.9 and later), as SSSD's libsubid_sss.so: the declarations are those of
 * shadow/subid.h. All users have one range, from FIRST on, with COUNT ids; none if COUNT is 0.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <sys/types.h>

struct subid_range {
  unsigned long start;
  unsigned long count;
};

enum subid_type { ID_TYPE_UID = 1, ID_TYPE_GID = 2 };
enum subid_status { SUBID_STATUS_SUCCESS = 0, SUBID_STATUS_ERROR = 3 };

enum subid_status shadow_subid_has_range(const char *owner, unsigned long start, unsigned long count, enum subid_type type,
                                         bool *result) {
  (void)owner, (void)type;
  *result = start >= FIRST && start + count <= FIRST + COUNT;
  return SUBID_STATUS_SUCCESS;
}

enum subid_status shadow_subid_list_owner_ranges(const char *owner, enum subid_type type, struct subid_range **ranges, int *count) {
  (void)owner, (void)type;
  *count = COUNT == 0 ? 0 : 1;
  *ranges = calloc(1, sizeof **ranges);
  if (*ranges == NULL) return SUBID_STATUS_ERROR;
  **ranges = (struct subid_range){.start = FIRST, .count = COUNT};
  return SUBID_STATUS_SUCCESS;
}

enum subid_status shadow_subid_find_subid_owners(unsigned long id, enum subid_type type, uid_t **uids, int *count) {
  (void)id, (void)type;
  *uids = NULL;
  *count = 0;
  return SUBID_STATUS_SUCCESS;
}
