/*
 * dense_winners.c - see dense_winners.h.
 *
 * A place is half a line of the cache and has its own lock: its rank says that a thread is at it.
 * Nobody holds two. Memory that reads as zero is a place without a row.
 */
#include "pit/dense_winners.h"

#include <assert.h>
#include <sched.h>

#include "pit/slot_winner.h"

enum { ROWS_AHEAD = 16, SPINS = 64 };

struct frz_dense_place {
  int64_t event_time;
  int64_t created_time;
  int64_t position;
  _Atomic uint32_t rank_and_one; /* 0: no row */
  uint32_t sequence;
};

#define TAKEN UINT32_MAX
static_assert(sizeof(frz_dense_place) == 32, "two places a line");

size_t frz_dense_winners_bytes(uint64_t n_keys)
{
  return (size_t)n_keys * sizeof(frz_dense_place);
}

frz_status frz_dense_winners_init(frz_dense_winners *winners, const frz_alloc *alloc,
                                  int64_t least_key, uint64_t n_keys, bool were_found,
                                  frz_error *err)
{
  *winners = (frz_dense_winners){.alloc = alloc, .least_key = least_key};
  if (!were_found && n_keys != 0) {
    winners->places = frz_alloc_zeroed(alloc, frz_dense_winners_bytes(n_keys));
    if (winners->places == NULL) return frz_fail_nomem(err, "latest rows");
  }
  winners->n_keys = n_keys;
  return FRZ_OK;
}

void frz_dense_winners_dispose(frz_dense_winners *winners)
{
  if (winners->places != NULL)
    frz_alloc_free(winners->alloc, winners->places, frz_dense_winners_bytes(winners->n_keys));
  *winners = (frz_dense_winners){0};
}

/* ---- rows ---- */

static uint32_t take(frz_dense_place *place)
{
  for (unsigned spins = 0;; spins++) {
    uint32_t rank = atomic_exchange_explicit(&place->rank_and_one, TAKEN, memory_order_acquire);
    if (rank != TAKEN) return rank;
    if (spins >= SPINS) sched_yield();
  }
}

static void compete(frz_dense_place *place, const frz_candidate *row, int64_t key,
                    frz_key_sieve *sieve)
{
  uint32_t rank = take(place);
  const frz_candidate best = {place->event_time, place->created_time, place->position,
                              rank != 0 ? rank - 1 : FRZ_NO_FILE, place->sequence};
  if (frz_candidate_beats(row, &best)) {
    place->event_time = row->event_time;
    place->created_time = row->created_time;
    place->position = row->position;
    place->sequence = row->sequence;
    rank = row->file_rank + 1;
    if (sieve != NULL) frz_key_sieve_note(sieve, key, row->event_time);
  }
  atomic_store_explicit(&place->rank_and_one, rank, memory_order_release);
}

/* The rows that have a place and take part, and may win by what the sieve knows. */
static size_t collect(const frz_dense_winners *winners, const frz_offer *offer,
                      const frz_offer_window *window, const frz_key_sieve *sieve, uint32_t *rows,
                      int64_t *n_others_out)
{
  size_t n = 0;
  int64_t n_others = 0;
  const int64_t *integers = offer->keys->integers;
  for (int64_t i = 0; i < offer->n_rows; i++) {
    bool has_place = frz_dense_winners_have(winners, offer, i);
    n_others += !has_place;
    rows[n] = (uint32_t)i;
    if (!has_place) continue;
    bool passes = sieve == NULL || frz_key_sieve_passes(sieve, integers[i], offer->event_times[i]);
    n += passes && frz_offer_takes_part(offer, window, i);
  }
  *n_others_out = n_others;
  return n;
}

frz_status frz_dense_winners_offer(frz_dense_winners *winners, const frz_offer *offer,
                                   const frz_offer_window *window, frz_key_sieve *sieve,
                                   frz_offer_scratch *scratch, int64_t *n_others_out,
                                   frz_error *err)
{
  *n_others_out = offer->n_rows;
  const int64_t *integers = offer->keys->integers;
  if (integers == NULL) return FRZ_OK;
  /* Each row is written before it is known to stay. */
  FRZ_TRY(frz_buf_resize(&scratch->records, ((size_t)offer->n_rows + 1) * sizeof(uint32_t), err));
  uint32_t *rows = (uint32_t *)(void *)scratch->records.data;
  size_t n = collect(winners, offer, window, sieve, rows, n_others_out);
  if (winners->places == NULL) return FRZ_OK;
  for (size_t i = 0; i < n; i++) {
    if (i + ROWS_AHEAD < n)
      __builtin_prefetch(
          &winners->places[(uint64_t)integers[rows[i + ROWS_AHEAD]] - (uint64_t)winners->least_key],
          1);
    int64_t key = integers[rows[i]];
    frz_candidate row = frz_offer_candidate(offer, rows[i]);
    compete(&winners->places[(uint64_t)key - (uint64_t)winners->least_key], &row, key, sieve);
  }
  return FRZ_OK;
}

frz_status frz_dense_winners_append(const frz_dense_winners *winners, frz_buf *found,
                                    frz_error *err)
{
  if (winners->places == NULL) return FRZ_OK;
  size_t before = found->size;
  FRZ_TRY(frz_buf_resize(found, before + (size_t)winners->n_keys * sizeof(frz_slot_winner), err));
  frz_slot_winner *first = (frz_slot_winner *)(void *)(found->data + before);
  frz_slot_winner *next = first;
  for (uint64_t i = 0; i < winners->n_keys; i++) {
    const frz_dense_place *place = &winners->places[i];
    uint32_t rank = atomic_load_explicit(&place->rank_and_one, memory_order_relaxed);
    if (rank == 0) continue;
    *next++ = (frz_slot_winner){.position = place->position, .file_rank = rank - 1};
  }
  return frz_buf_resize(found, before + (size_t)(next - first) * sizeof(frz_slot_winner), err);
}
