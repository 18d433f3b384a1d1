/*
 * slot_table.h - the inside of the slot index, for the files that build it and let rows compete.
 *
 * Layout: all slots lie in a few arrays, a partition's slots in one run, a key's slots in one run
 * inside it, ascending by time. A partition's hash table maps a key to its run.
 *
 * Invariants (docs/design/point-in-time.md, "Slots"):
 *   1. upper[] and created_upper[] ascend inside a key's run: the first slot that admits a row is
 * found by binary search, and every later slot of the key admits it too, but for the time to live.
 *   2. winners[s] holds, before carrying, the best of the rows that reached it and whose first
 * admitting slot is s; after carrying, the best row for s. It is changed under its partition's lock
 * alone, and only for a better row: in which order rows arrive, and by which way, changes nothing.
 *   3. A slot's best row is the one with the greatest event time; when that is too old, all are.
 */
#ifndef FRZ_PIT_SLOT_TABLE_H
#define FRZ_PIT_SLOT_TABLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "pit/slot_directory.h"
#include "pit/slot_index.h"

/** A key of a partition: `n_slots` 0 marks a free place. */
typedef struct frz_slot_key {
  uint64_t hash;
  uint32_t first_slot;
  uint32_t n_slots;
  uint32_t entity_row; /* one with this key, for its bytes */
} frz_slot_key;

typedef struct frz_slot_partition {
  pthread_mutex_t lock;
  frz_slot_key *keys; /* about two places a key; in the index's arena */
  size_t n_places;    /* a power of two */
  size_t n_keys;
} frz_slot_partition;

/** Of rows that can be swept: the file's rank and the position, at most. */
#define FRZ_SWEPT_RANK_MAX ((UINT32_C(1) << 20) - 2)
#define FRZ_SWEPT_POSITION_MAX ((INT64_C(1) << 28) - 1)

/** Sampled slots, to tell how many lie in a stretch of time. */
enum { FRZ_SLOT_SAMPLE = 1024 };

typedef struct frz_slot_sweep frz_slot_sweep;

/** Rows that a lane has not let compete yet: see slot_fill.c. */
typedef struct frz_slot_piles frz_slot_piles;

/** Below 2^this partitions of slots the caches hold them all, and piles gain nothing. */
enum { FRZ_PILED_PARTITION_BITS_MIN = 4 };

struct frz_slot_index {
  frz_context *context;
  const frz_alloc *alloc;
  frz_slot_options options;
  const frz_key_batch *keys;
  const int64_t *times;
  int64_t n_rows;

  unsigned partition_bits;
  frz_slot_partition *partitions;
  size_t n_locks;
  frz_arena tables; /* the partitions' keys; under the lock while they are built */
  pthread_mutex_t tables_lock;
  uint32_t *first_row;    /* per partition: where its slots start; one more at the end */
  uint32_t *slot_of_row;  /* n_rows */
  uint32_t *row_of_slot;  /* with a time to live: an entity row with the slot's time */
  int64_t *upper;         /* per slot: the greatest event time admitted */
  int64_t *created_upper; /* with the created cutoff: the greatest created time admitted */
  frz_candidate *winners; /* per slot */
  size_t n_slots;         /* places in the arrays: one an entity row that takes part */
  size_t n_keys;
  size_t key_slots_max;
  int64_t least, greatest;
  bool any;

  int64_t sample[FRZ_SLOT_SAMPLE]; /* upper[] of some slots, ascending */
  size_t n_sample;
  frz_slot_directory directory; /* where may_sweep */
  frz_slot_sweep **sweeps;      /* one a lane; NULL until it sweeps */
  size_t n_lanes;
  bool may_sweep;         /* the created cutoff and memory allow it */
  frz_slot_piles **piles; /* one a lane; NULL until it fills */
  size_t pile_rows;       /* 0: no piles */
  atomic_llong rows_swept, rows_filled;

  /* Of frz_slot_index_is_settled(); hints that threads may overwrite for one another. */
  atomic_size_t open_partition; /* where the last open slot was found */
  atomic_int in_vain;           /* grows with questions that found one */
  atomic_int questions_left_out;
};

static inline size_t frz_slot_partitions(const frz_slot_index *index)
{
  return (size_t)1 << index->partition_bits;
}

static inline bool frz_slot_row_is(const frz_slot_index *index, uint32_t entity_row, frz_str bytes)
{
  return index->keys->bytes == NULL ||
         frz_str_equal(frz_key_batch_bytes(index->keys, entity_row), bytes);
}

/** The place of a key, or the free place where it would go. */
static inline frz_slot_key *frz_slot_find_key(const frz_slot_index *index,
                                              const frz_slot_partition *part, uint64_t hash,
                                              frz_str bytes)
{
  size_t mask = part->n_places - 1;
  size_t at = (size_t)hash & mask;
  for (;;) {
    frz_slot_key *key = &part->keys[at];
    if (key->n_slots == 0 || (key->hash == hash && frz_slot_row_is(index, key->entity_row, bytes)))
      return key;
    at = (at + 1) & mask;
  }
}

/** The first i in [0, n) with bounds[i] >= value, or n; n > 0. Without branches on the data. */
static inline uint32_t frz_slot_lower_bound(const int64_t *bounds, uint32_t n, int64_t value)
{
  const int64_t *base = bounds;
  uint32_t left = n;
  while (left > 1) {
    uint32_t half = left / 2;
    base += half & -(uint32_t)(base[half - 1] < value); /* `?:` becomes a jump */
    left -= half;
  }
  return (uint32_t)(base - bounds) + (*base < value);
}

/** Is a row of this event time outside the time to live, at the slot's time? */
static inline bool frz_slot_is_too_old(const frz_slot_index *index, uint32_t slot,
                                       int64_t event_time)
{
  const frz_slot_options *options = &index->options;
  if (options->ttl_us <= 0) return false;
  int64_t time = index->times[index->row_of_slot[slot]];
  return event_time <
         frz_time_ceil_minus(time, options->entity_scale, options->ttl_us, options->event_scale);
}

/** Build the slots of the entity rows: slot_build.c. `time_present` as of frz_slot_index_create().
 */
frz_status frz_slot_build(frz_slot_index *index, const uint8_t *time_present, frz_error *err);

/** Which of the sampled slots lie in [oldest, newest]: their share of all, 0 to 1. */
double frz_slot_share_between(const frz_slot_index *index, int64_t oldest, int64_t newest);

/** Hand over what a lane's sweep still holds, of the keys [first, end) or of all; or end it. NULL
 * is accepted. */
void frz_slot_sweep_flush_keys(const frz_slot_index *index, frz_slot_sweep *sweep, size_t first,
                               size_t end);
void frz_slot_sweep_flush(const frz_slot_index *index, frz_slot_sweep *sweep);
void frz_slot_sweep_free(const frz_slot_index *index, frz_slot_sweep *sweep);
/** Bytes of one lane's sweep. */
size_t frz_slot_sweep_bytes(const frz_slot_index *index);

/** Decide how many rows a pile has, all lanes' together in `bytes_max`. */
void frz_slot_piles_choose(frz_slot_index *index, size_t bytes_max);
/** Let all rows of a lane's piles compete, or those of one partition; or end them. NULL is
 * accepted. */
void frz_slot_piles_flush(const frz_slot_index *index, frz_slot_piles *piles);
void frz_slot_piles_flush_partition(const frz_slot_index *index, frz_slot_piles *piles, size_t p);
void frz_slot_piles_free(const frz_slot_index *index, frz_slot_piles *piles);

#endif
