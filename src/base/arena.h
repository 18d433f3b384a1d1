/*
 * arena.h - memory that is freed all at once: parsed metadata, plans, schemas.
 *
 * Pushes never move. An arena may be copied by value to hand it over, after which the
 * giver must be reset to {0}. Not for use by two threads at once.
 */
#ifndef FRZ_BASE_ARENA_H
#define FRZ_BASE_ARENA_H

#include <stdint.h>

#include "base/alloc.h"
#include "base/str.h"

typedef struct frz_arena_chunk frz_arena_chunk;

typedef struct frz_arena {
  const frz_alloc *alloc;
  frz_arena_chunk *chunks; /* newest first */
  uint8_t *next;
  size_t left_bytes;
  size_t used_bytes; /* of all chunks */
  size_t max_bytes;
} frz_arena;

/** An empty arena that refuses to pass `max_bytes`. Allocates nothing yet. */
void frz_arena_init(frz_arena *arena, const frz_alloc *alloc, size_t max_bytes);

/** Free everything; a zeroed arena is accepted, and the arena is left zeroed. */
void frz_arena_free(frz_arena *arena);

/** `bytes` cleared bytes aligned to 16, or NULL when refused. `bytes` may be 0: a valid address. */
void *frz_arena_push(frz_arena *arena, size_t bytes);

/** An array of cleared items; overflow is refused. */
void *frz_arena_array(frz_arena *arena, size_t n_items, size_t item_bytes);

/** A copy with a NUL behind it; data is NULL when refused. */
frz_str frz_arena_copy(frz_arena *arena, frz_str text);

/** printf into the arena; data is NULL when refused. NUL-terminated. */
frz_str frz_arena_print(frz_arena *arena, const char *format, ...) FRZ_PRINTF(2, 3);

#endif
