/*
 * slot_compete.c - let feature rows compete for slots: which way (slot_fill.c, slot_sweep.c), and
 * when no row of an older file can win any more.
 */
#include "pit/slot_index.h"

#include <assert.h>

#include "pit/slot_table.h"

enum { IN_VAIN_MAX = 63 };

/* A sweep pays while a key's rows in the batch span about one slot. */
#define SLOTS_SPANNED_MAX 1.0

/* ---- which way ---- */

/* Whatever a file's statistics promised: this is what the rows hold. */
static bool is_for_sweep(const frz_slot_index *index, const frz_offer *offer)
{
  int64_t oldest = INT64_MAX;
  int64_t newest = INT64_MIN;
  int64_t positions = 0; /* every bit that one has */
  for (int64_t i = 0; i < offer->n_rows; i++) {
    if (offer->event_times[i] < oldest) oldest = offer->event_times[i];
    if (offer->event_times[i] > newest) newest = offer->event_times[i];
    positions |= offer->positions[i];
  }
  if (offer->file_rank > FRZ_SWEPT_RANK_MAX || positions > FRZ_SWEPT_POSITION_MAX) return false;
  double spanned = frz_slot_share_between(index, oldest, newest) * (double)index->n_slots;
  return spanned <= SLOTS_SPANNED_MAX * (double)index->n_keys;
}

frz_status frz_slot_index_offer(frz_slot_index *index, size_t lane, const frz_offer *offer,
                                frz_offer_scratch *scratch, frz_error *err)
{
  if (!index->any) return FRZ_OK;
  bool sweeps = index->may_sweep && is_for_sweep(index, offer);
  atomic_fetch_add(sweeps ? &index->rows_swept : &index->rows_filled, offer->n_rows);
  if (sweeps) return frz_slot_index_sweep(index, lane, offer, err);
  return frz_slot_index_fill(index, lane, offer, scratch, err);
}

void frz_slot_index_ways(const frz_slot_index *index, int64_t *rows_swept_out,
                         int64_t *rows_filled_out)
{
  *rows_swept_out = atomic_load(&index->rows_swept);
  *rows_filled_out = atomic_load(&index->rows_filled);
}

/* ---- what is settled ---- */

/* A slot whose own time lies in [oldest, newest] has no row after them, whatever lanes still hold.
 */
static bool has_slot_between(const frz_slot_index *index, const frz_slot_partition *part,
                             int64_t oldest, int64_t newest)
{
  for (size_t k = 0; k < part->n_places; k++) {
    const frz_slot_key *key = &part->keys[k];
    for (uint32_t s = key->first_slot; s < key->first_slot + key->n_slots; s++)
      if (index->upper[s] >= oldest && index->upper[s] <= newest) return true;
  }
  return false;
}

/* A slot is open where a row of [oldest, newest] could still win: it may admit one by its time and
 * time to live, and no row after `newest` was found for it or for a slot of the key before it. */
static bool has_open_slot(const frz_slot_index *index, const frz_slot_key *key, int64_t oldest,
                          int64_t newest)
{
  for (uint32_t s = key->first_slot; s < key->first_slot + key->n_slots; s++) {
    const frz_candidate *winner = &index->winners[s];
    if (winner->file_rank != FRZ_NO_FILE && winner->event_time > newest) return false;
    if (index->upper[s] >= oldest && !frz_slot_is_too_old(index, s, newest)) return true;
  }
  return false;
}

static bool is_partition_open(frz_slot_index *index, frz_slot_partition *part, int64_t oldest,
                              int64_t newest)
{
  bool is_open = false;
  pthread_mutex_lock(&part->lock);
  for (size_t k = 0; k < part->n_places && !is_open; k++)
    is_open = has_open_slot(index, &part->keys[k], oldest, newest);
  pthread_mutex_unlock(&part->lock);
  return is_open;
}

/* Look at all partitions, from the one where the last open slot was. */
static bool is_open(frz_slot_index *index, bool by_time_alone, int64_t oldest, int64_t newest)
{
  size_t n = frz_slot_partitions(index);
  size_t start = atomic_load(&index->open_partition);
  for (size_t i = 0; i < n; i++) {
    size_t p = (start + i) & (n - 1);
    frz_slot_partition *part = &index->partitions[p];
    bool found = by_time_alone ? has_slot_between(index, part, oldest, newest)
                               : is_partition_open(index, part, oldest, newest);
    if (!found) continue;
    atomic_store(&index->open_partition, p);
    return true;
  }
  return false;
}

bool frz_slot_index_may_settle(const frz_slot_index *index, int64_t oldest, int64_t newest)
{
  return frz_slot_share_between(index, oldest, newest) == 0;
}

/* First what costs nothing and mostly says no. What costs as much as reading a small file is asked
 * less and less often while it says no: one key without rows keeps all files needed. */
bool frz_slot_index_is_settled(frz_slot_index *index, size_t lane, int64_t oldest, int64_t newest)
{
  assert(lane < index->n_lanes);
  if (!index->any) return true;
  if (!frz_slot_index_may_settle(index, oldest, newest)) return false;
  if (atomic_load(&index->questions_left_out) > 0) {
    atomic_fetch_sub(&index->questions_left_out, 1);
    return false;
  }
  if (is_open(index, true, oldest, newest)) return false;
  frz_slot_sweep_flush(index, index->sweeps[lane]);
  frz_slot_piles_flush(index, index->piles[lane]);
  bool is_settled = !is_open(index, false, oldest, newest);
  int in_vain = is_settled ? 0 : atomic_load(&index->in_vain) * 2 + 1;
  if (in_vain > IN_VAIN_MAX) in_vain = IN_VAIN_MAX;
  atomic_store(&index->in_vain, in_vain);
  atomic_store(&index->questions_left_out, in_vain / 2); /* none after the first */
  return is_settled;
}
