/*
 * key_sieve.h - which feature rows are older than what is known of their key.
 *
 * The pass over a table mostly meets rows that lose (it goes newest files first), and each of them
 * costs a search in a hash table. For keys that are integers of a small range, an array has the
 * newest event time so far of each, rounded down to one of 65,535 steps: a row of an earlier step
 * is turned away by one look at two bytes. What passes competes as ever. A file that is older than
 * what is known of all the keys that it may have need not be read.
 *
 * Any number of threads may look and note; a key is noted by one thread at a time.
 */
#ifndef FRZ_PIT_KEY_SIEVE_H
#define FRZ_PIT_KEY_SIEVE_H

#include <stdatomic.h>

#include "base/alloc.h"

typedef struct frz_key_sieve {
  const frz_alloc *alloc;
  int64_t least_key;
  uint64_t n_keys;          /* 0: all rows pass */
  int64_t oldest;           /* the event time where the second step begins */
  unsigned shift;           /* a step is 2^shift of the time's unit */
  _Atomic uint16_t *newest; /* a key: the step of its newest row; 0: before the first, or unknown */
} frz_key_sieve;

#define FRZ_KEY_SIEVE_STEP_MAX UINT16_MAX

/** For keys in [least_key, greatest_key] and times that are mostly in [oldest, newest]; others of
 * either are allowed. Where the array would pass `bytes_max`, all rows pass. */
frz_status frz_key_sieve_init(frz_key_sieve *sieve, const frz_alloc *alloc, int64_t least_key,
                              int64_t greatest_key, int64_t oldest, int64_t newest,
                              size_t bytes_max, frz_error *err) FRZ_MUST_CHECK;
void frz_key_sieve_dispose(frz_key_sieve *sieve);

static inline size_t frz_key_sieve_bytes(const frz_key_sieve *sieve)
{
  return (size_t)sieve->n_keys * sizeof *sieve->newest;
}

/** Never falls as times rise, so that an earlier step is an earlier time. */
static inline uint16_t frz_key_sieve_step(const frz_key_sieve *sieve, int64_t event_time)
{
  if (event_time < sieve->oldest) return 0;
  uint64_t step = ((uint64_t)event_time - (uint64_t)sieve->oldest) >> sieve->shift;
  return step < FRZ_KEY_SIEVE_STEP_MAX ? (uint16_t)(step + 1) : FRZ_KEY_SIEVE_STEP_MAX;
}

/** May the row be the newest of its key? False: a newer one was noted. */
static inline bool frz_key_sieve_passes(const frz_key_sieve *sieve, int64_t key, int64_t event_time)
{
  uint64_t at = (uint64_t)key - (uint64_t)sieve->least_key;
  if (at >= sieve->n_keys) return true;
  uint16_t newest = atomic_load_explicit(&sieve->newest[at], memory_order_relaxed);
  return frz_key_sieve_step(sieve, event_time) >= newest;
}

/** Was a row that is newer than `event_time` noted of every key in [least_key, greatest_key]? */
bool frz_key_sieve_settles(const frz_key_sieve *sieve, int64_t least_key, int64_t greatest_key,
                           int64_t event_time);

/** The key's newest row so far has this time. */
static inline void frz_key_sieve_note(frz_key_sieve *sieve, int64_t key, int64_t event_time)
{
  uint64_t at = (uint64_t)key - (uint64_t)sieve->least_key;
  if (at >= sieve->n_keys) return;
  atomic_store_explicit(&sieve->newest[at], frz_key_sieve_step(sieve, event_time),
                        memory_order_relaxed);
}

#endif
