/*
 * feature_offer.h - feature rows that compete to be a winner, and their order.
 *
 * Rows are offered a batch at a time. Before they compete they are split by the hash of their key
 * into partitions, so that each partition's lock is taken once a batch and its table stays in the
 * cache meanwhile.
 */
#ifndef FRZ_PIT_FEATURE_OFFER_H
#define FRZ_PIT_FEATURE_OFFER_H

#include "pit/join_key.h"
#include "pit/key_sieve.h"

/** A feature row in the running for a slot. Rows order by event, created, sequence, file rank,
 * position. */
typedef struct frz_candidate {
  int64_t event_time;   /* in the table's unit */
  int64_t created_time; /* INT64_MIN: null or no such column */
  int64_t position;     /* in its file */
  uint32_t file_rank;   /* FRZ_NO_FILE: no row */
  uint32_t sequence;    /* of the commit that last changed the row, where rows tell it; else 0 */
} frz_candidate;

#define FRZ_NO_FILE UINT32_MAX

/** Does `a` win against `b`? A row wins against none. */
static inline bool frz_candidate_beats(const frz_candidate *a, const frz_candidate *b)
{
  if (b->file_rank == FRZ_NO_FILE) return true;
  if (a->event_time != b->event_time) return a->event_time > b->event_time;
  if (a->created_time != b->created_time) return a->created_time > b->created_time;
  if (a->sequence != b->sequence) return a->sequence > b->sequence;
  if (a->file_rank != b->file_rank) return a->file_rank > b->file_rank;
  return a->position > b->position;
}

/** Scratch memory of one thread for frz_slot_index_offer(). */
typedef struct frz_offer_scratch {
  frz_buf records;
  frz_buf ordered;
} frz_offer_scratch;

void frz_offer_scratch_init(frz_offer_scratch *scratch, const frz_alloc *alloc);
void frz_offer_scratch_dispose(frz_offer_scratch *scratch);

/** The feature rows of one batch. Times in the table's units. */
typedef struct frz_offer {
  const frz_key_batch *keys;
  const int64_t *event_times;
  const int64_t *created_times; /* INT64_MIN for null; NULL: no such column */
  const uint8_t *present;       /* 0: the event time is null (or excluded); NULL: all present */
  const int64_t *positions;
  const int64_t *sequences; /* NULL: the file's rank tells */
  uint32_t file_rank;
  int64_t n_rows;
} frz_offer;

/** A row on its way to its partition. */
typedef struct frz_offered_row {
  uint64_t hash;
  int64_t event_time;
  uint32_t row; /* in its batch */
} frz_offered_row;

enum { FRZ_PARTITION_BITS_MAX = 10 };

/** Which rows take part, and how they are split. */
typedef struct frz_offer_window {
  int64_t least, greatest; /* event times, both included */
  bool needs_created;      /* a null created time excludes the row */
  unsigned partition_bits;
  const frz_key_sieve *sieve; /* NULL: none; asked only of batches for which it has keys */
} frz_offer_window;

static inline size_t frz_partition_of(uint64_t hash, unsigned partition_bits)
{
  return partition_bits == 0 ? 0 : (size_t)(hash >> (64 - partition_bits));
}

/** The numbers that a sieve knows a batch's keys by; NULL: it has none of them. */
static inline const int64_t *frz_offer_sieve_keys(const frz_offer *offer)
{
  return offer->keys->bytes == NULL ? offer->keys->integers : NULL; /* bytes: of nulls */
}

/** Does a row take part? The sieve is not asked. */
static inline bool frz_offer_takes_part(const frz_offer *offer, const frz_offer_window *window,
                                        int64_t row)
{
  int64_t event_time = offer->event_times[row];
  bool wanted = offer->keys->present[row] != 0;
  wanted &= event_time <= window->greatest;
  wanted &= event_time >= window->least;
  if (offer->present != NULL) wanted &= offer->present[row] != 0;
  if (window->needs_created) wanted &= offer->created_times[row] != INT64_MIN;
  return wanted;
}

/**
 * Order the rows that take part by partition. `ends_out` holds 2^partition_bits places: where each
 * partition's rows end in `rows_out` (it starts where the one before ends). Borrowed from the
 * scratch.
 */
frz_status frz_offer_split(const frz_offer *offer, const frz_offer_window *window,
                           frz_offer_scratch *scratch, const frz_offered_row **rows_out,
                           uint32_t *ends_out, frz_error *err) FRZ_MUST_CHECK;

static inline frz_candidate frz_offer_candidate(const frz_offer *offer, int64_t row)
{
  int64_t sequence = offer->sequences != NULL ? offer->sequences[row] : 0;
  if (sequence > UINT32_MAX) sequence = UINT32_MAX; /* a table of so many commits: the rank tells */
  return (frz_candidate){offer->event_times[row],
                         offer->created_times != NULL ? offer->created_times[row] : INT64_MIN,
                         offer->positions[row], offer->file_rank, (uint32_t)sequence};
}

#endif
