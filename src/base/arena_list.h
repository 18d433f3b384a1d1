/*
 * arena_list.h - lists that grow inside an arena.
 *
 * An outgrown array stays behind in the arena until the arena ends, so a list costs at most
 * about three times its items; in exchange nothing has to be released on the way out.
 */
#ifndef FRZ_BASE_ARENA_LIST_H
#define FRZ_BASE_ARENA_LIST_H

#include "base/arena.h"
#include "base/fail.h"

/** Room for one more item behind `n`: the array, moved when `*capacity` was reached; NULL: refused.
 */
static inline void *frz_arena_list_room(frz_arena *arena, void *items, size_t n, size_t *capacity,
                                        size_t item_bytes)
{
  if (n < *capacity) return items;
  size_t wanted = *capacity < 4 ? 4 : *capacity * 2;
  void *grown = frz_arena_array(arena, wanted, item_bytes);
  if (grown == NULL) return NULL;
  if (n != 0) memcpy(grown, items, n * item_bytes);
  *capacity = wanted;
  return grown;
}

/** Copy a text into the arena; data is NULL only when refused. Nothing is spent on "". */
static inline frz_str frz_arena_keep(frz_arena *arena, frz_str text)
{
  return text.size == 0 ? (frz_str){"", 0} : frz_arena_copy(arena, text);
}

#endif
