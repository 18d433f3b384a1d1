/*
 * feature_offer.c - split a batch of feature rows by partition: a counting sort.
 */
#include "pit/feature_offer.h"

#include <assert.h>

void frz_offer_scratch_init(frz_offer_scratch *scratch, const frz_alloc *alloc)
{
  frz_buf_init(&scratch->records, alloc, SIZE_MAX / 2);
  frz_buf_init(&scratch->ordered, alloc, SIZE_MAX / 2);
}

void frz_offer_scratch_dispose(frz_offer_scratch *scratch)
{
  frz_buf_dispose(&scratch->records);
  frz_buf_dispose(&scratch->ordered);
}

/* The rows that take part, counted by partition. `rows` has a place more than the batch has rows:
 * each is written before it is known to stay. */
static size_t collect(const frz_offer *offer, const frz_offer_window *window, frz_offered_row *rows,
                      uint32_t *counts)
{
  size_t n = 0;
  const uint64_t *hashes = offer->keys->hashes;
  for (int64_t i = 0; i < offer->n_rows; i++) {
    bool wanted = frz_offer_takes_part(offer, window, i);
    rows[n] = (frz_offered_row){hashes[i], offer->event_times[i], (uint32_t)i};
    counts[frz_partition_of(hashes[i], window->partition_bits)] += wanted;
    n += wanted;
  }
  return n;
}

/* collect(), without the rows that the sieve turns away: most of them. */
static size_t collect_sieved(const frz_offer *offer, const frz_offer_window *window,
                             frz_offered_row *rows, uint32_t *counts)
{
  size_t n = 0;
  const frz_key_sieve sieve = *window->sieve;
  const int64_t *integers = frz_offer_sieve_keys(offer);
  for (int64_t i = 0; i < offer->n_rows; i++) {
    if (!frz_key_sieve_passes(&sieve, integers[i], offer->event_times[i])) continue;
    if (!frz_offer_takes_part(offer, window, i)) continue;
    uint64_t hash = offer->keys->hashes[i];
    rows[n++] = (frz_offered_row){hash, offer->event_times[i], (uint32_t)i};
    counts[frz_partition_of(hash, window->partition_bits)]++;
  }
  return n;
}

frz_status frz_offer_split(const frz_offer *offer, const frz_offer_window *window,
                           frz_offer_scratch *scratch, const frz_offered_row **rows_out,
                           uint32_t *ends_out, frz_error *err)
{
  assert(offer->n_rows < UINT32_MAX && window->partition_bits <= FRZ_PARTITION_BITS_MAX);
  size_t bytes = ((size_t)offer->n_rows + 1) * sizeof(frz_offered_row);
  FRZ_TRY(frz_buf_resize(&scratch->records, bytes, err));
  FRZ_TRY(frz_buf_resize(&scratch->ordered, bytes, err));
  frz_offered_row *rows = (frz_offered_row *)(void *)scratch->records.data;
  frz_offered_row *ordered = (frz_offered_row *)(void *)scratch->ordered.data;
  uint32_t next[(1 << FRZ_PARTITION_BITS_MAX) + 1] = {0};
  size_t n_partitions = (size_t)1 << window->partition_bits;
  bool is_sieved = window->sieve != NULL && frz_offer_sieve_keys(offer) != NULL;
  size_t n = (is_sieved ? collect_sieved : collect)(offer, window, rows, next + 1);
  for (size_t p = 0; p < n_partitions; p++) next[p + 1] += next[p];
  for (size_t i = 0; i < n; i++)
    ordered[next[frz_partition_of(rows[i].hash, window->partition_bits)]++] = rows[i];
  memcpy(ends_out, next, n_partitions * sizeof *ends_out);
  *rows_out = ordered;
  return FRZ_OK;
}
