/*
 * slot_index.c - make and end an index, choose how rows will compete, carry winners forward. See
 * slot_table.h for the slots' layout and what must stay true, slot_build.c for how they are built.
 */
#include "pit/slot_index.h"

#include <assert.h>
#include <stdlib.h>

#include "pit/slot_table.h"

enum {
  ROWS_PER_PARTITION = 2048,
  LANE_BYTES_PER_ROW = 64, /* of all lanes' sweeps with their directory, and of their piles, for an
                               entity row */
  LANE_BYTES_LEAST = 8 << 20,
  KEYS_PER_FLUSH = 8192
};

static int compare_bounds(const void *a, const void *b)
{
  int64_t left = *(const int64_t *)a;
  int64_t right = *(const int64_t *)b;
  return (left > right) - (left < right);
}

/* Every so many-th slot, by partition and key: hashing has mixed them. */
static void take_sample(frz_slot_index *index)
{
  size_t step = index->n_slots / FRZ_SLOT_SAMPLE + 1;
  size_t skip = 0;
  for (size_t p = 0; p < frz_slot_partitions(index); p++) {
    const frz_slot_partition *part = &index->partitions[p];
    index->n_keys += part->n_keys;
    for (size_t e = 0; e < part->n_places; e++) {
      const frz_slot_key *key = &part->keys[e];
      if (key->n_slots > index->key_slots_max) index->key_slots_max = key->n_slots;
      size_t s = skip;
      for (; s < key->n_slots && index->n_sample < FRZ_SLOT_SAMPLE; s += step)
        index->sample[index->n_sample++] = index->upper[key->first_slot + s];
      skip = s - (s < key->n_slots ? s : key->n_slots);
    }
  }
  qsort(index->sample, index->n_sample, sizeof *index->sample, compare_bounds);
}

/* A sweep looks at one time a row. */
static void choose_ways(frz_slot_index *index)
{
  size_t bytes = frz_slot_sweep_bytes(index) * index->n_lanes +
                 index->n_keys * FRZ_SLOT_DIRECTORY_BYTES_PER_KEY;
  size_t bytes_max = (size_t)index->n_rows * LANE_BYTES_PER_ROW + LANE_BYTES_LEAST;
  index->may_sweep = !index->options.created_cutoff && index->n_keys != 0 &&
                     index->key_slots_max <= FRZ_NUMBERED_SLOTS_MAX && bytes <= bytes_max;
  frz_slot_piles_choose(index, bytes_max);
}

bool frz_slot_index_may_sweep(const frz_slot_index *index)
{
  return index->may_sweep;
}

double frz_slot_share_between(const frz_slot_index *index, int64_t oldest, int64_t newest)
{
  if (index->n_sample == 0 || oldest > newest) return 0;
  size_t n = 0;
  for (size_t i = 0; i < index->n_sample; i++)
    n += index->sample[i] >= oldest && index->sample[i] <= newest;
  return (double)n / (double)index->n_sample;
}

static frz_status allocate(frz_slot_index *index, frz_error *err)
{
  pthread_mutex_init(&index->tables_lock, NULL);
  frz_arena_init(&index->tables, index->alloc, SIZE_MAX / 2);
  const frz_alloc *alloc = index->alloc;
  size_t n = (size_t)index->n_rows;
  index->first_row = frz_alloc_zeroed(alloc, (frz_slot_partitions(index) + 1) * sizeof(uint32_t));
  index->partitions =
      frz_alloc_zeroed(alloc, frz_slot_partitions(index) * sizeof(frz_slot_partition));
  index->slot_of_row = frz_alloc_array(alloc, n, sizeof(uint32_t));
  index->upper = frz_alloc_table(alloc, n, sizeof(int64_t));
  index->winners = frz_alloc_table(alloc, n, sizeof(frz_candidate));
  index->sweeps = frz_alloc_zeroed(alloc, index->n_lanes * sizeof(frz_slot_sweep *));
  index->piles = frz_alloc_zeroed(alloc, index->n_lanes * sizeof(frz_slot_piles *));
  if (index->options.ttl_us > 0) index->row_of_slot = frz_alloc_array(alloc, n, sizeof(uint32_t));
  if (index->options.created_cutoff)
    index->created_upper = frz_alloc_array(alloc, n, sizeof(int64_t));
  bool whole = index->first_row != NULL && index->partitions != NULL &&
               index->slot_of_row != NULL &&
               (index->options.ttl_us <= 0 || index->row_of_slot != NULL) && index->upper != NULL &&
               index->winners != NULL && index->sweeps != NULL && index->piles != NULL &&
               (!index->options.created_cutoff || index->created_upper != NULL);
  if (!whole) return frz_fail_nomem(err, "join index");
  for (size_t p = 0; p < frz_slot_partitions(index); p++) {
    pthread_mutex_init(&index->partitions[p].lock, NULL);
    index->n_locks++;
  }
  return FRZ_OK;
}

frz_status frz_slot_index_create(frz_context *context, const frz_key_batch *keys,
                                 const int64_t *times, const uint8_t *time_present, int64_t n_rows,
                                 const frz_slot_options *options, frz_slot_index **index_out,
                                 frz_error *err)
{
  if (n_rows >= (int64_t)FRZ_NO_SLOT)
    return frz_fail(err, FRZ_ERR_LIMIT, "join: %lld entity rows; at most %u are taken in one call",
                    (long long)n_rows, FRZ_NO_SLOT - 1);
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_slot_index *index = frz_alloc_zeroed(alloc, sizeof *index);
  if (index == NULL) return frz_fail_nomem(err, "join index");
  index->context = context;
  index->alloc = alloc;
  index->options = *options;
  index->keys = keys;
  index->times = times;
  index->n_rows = n_rows;
  index->n_lanes = (size_t)frz_context_threads(context);
  while (index->partition_bits < FRZ_PARTITION_BITS_MAX &&
         (n_rows >> index->partition_bits) > ROWS_PER_PARTITION)
    index->partition_bits++;

  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(allocate(index, err));
  FRZ_TRY_OUT(frz_slot_build(index, time_present, err));
  take_sample(index);
  choose_ways(index);
  if (index->may_sweep) FRZ_TRY_OUT(frz_slot_directory_make(index, err));
  *index_out = index;
  index = NULL;
out:
  frz_slot_index_free(index);
  return st;
}

void frz_slot_index_free(frz_slot_index *index)
{
  if (index == NULL) return;
  const frz_alloc *alloc = index->alloc;
  size_t n = (size_t)index->n_rows;
  size_t one = 1; /* frz_alloc_array() never asks for nothing */
  for (size_t lane = 0; index->sweeps != NULL && lane < index->n_lanes; lane++)
    frz_slot_sweep_free(index, index->sweeps[lane]);
  for (size_t lane = 0; index->piles != NULL && lane < index->n_lanes; lane++)
    frz_slot_piles_free(index, index->piles[lane]);
  frz_slot_directory_dispose(&index->directory, alloc);
  frz_alloc_free(alloc, index->sweeps, index->n_lanes * sizeof(frz_slot_sweep *));
  frz_alloc_free(alloc, index->piles, index->n_lanes * sizeof(frz_slot_piles *));
  for (size_t p = 0; p < index->n_locks; p++) pthread_mutex_destroy(&index->partitions[p].lock);
  frz_arena_free(&index->tables);
  pthread_mutex_destroy(&index->tables_lock);
  frz_alloc_free(alloc, index->first_row, (frz_slot_partitions(index) + 1) * sizeof(uint32_t));
  frz_alloc_free(alloc, index->partitions, frz_slot_partitions(index) * sizeof(frz_slot_partition));
  frz_alloc_free(alloc, index->slot_of_row, n != 0 ? n * sizeof(uint32_t) : one);
  frz_alloc_free(alloc, index->row_of_slot, n != 0 ? n * sizeof(uint32_t) : one);
  frz_alloc_free(alloc, index->upper, n != 0 ? n * sizeof(int64_t) : one);
  frz_alloc_free(alloc, index->created_upper, n != 0 ? n * sizeof(int64_t) : one);
  frz_alloc_free(alloc, index->winners, n != 0 ? n * sizeof(frz_candidate) : one);
  frz_alloc_free(alloc, index, sizeof *index);
}

bool frz_slot_index_window(const frz_slot_index *index, int64_t *least_out, int64_t *greatest_out)
{
  *least_out = index->least;
  *greatest_out = index->greatest;
  return index->any;
}

/* ---- results ---- */

static frz_status carry_partition(void *arg, size_t p, frz_error *err)
{
  (void)err;
  frz_slot_index *index = arg;
  const frz_slot_partition *part = &index->partitions[p];
  for (size_t lane = 0; lane < index->n_lanes; lane++)
    frz_slot_piles_flush_partition(index, index->piles[lane], p);
  for (size_t e = 0; e < part->n_places; e++) {
    const frz_slot_key *entry = &part->keys[e];
    frz_candidate best = {.file_rank = FRZ_NO_FILE};
    for (uint32_t s = entry->first_slot; s < entry->first_slot + entry->n_slots; s++) {
      frz_candidate *winner = &index->winners[s];
      if (winner->file_rank != FRZ_NO_FILE && frz_candidate_beats(winner, &best)) best = *winner;
      *winner = best;
      if (best.file_rank != FRZ_NO_FILE && frz_slot_is_too_old(index, s, best.event_time))
        winner->file_rank = FRZ_NO_FILE;
    }
  }
  return FRZ_OK;
}

static frz_status flush_keys(void *arg, size_t chunk, frz_error *err)
{
  (void)err;
  const frz_slot_index *index = arg;
  size_t n = index->directory.n_numbers;
  size_t first = chunk * KEYS_PER_FLUSH;
  size_t end = n - first < KEYS_PER_FLUSH ? n : first + KEYS_PER_FLUSH;
  for (size_t lane = 0; lane < index->n_lanes; lane++)
    frz_slot_sweep_flush_keys(index, index->sweeps[lane], first, end);
  return FRZ_OK;
}

frz_status frz_slot_index_carry(frz_slot_index *index, frz_error *err)
{
  if (index->may_sweep)
    FRZ_TRY(frz_parallel_for(index->context, index->directory.n_numbers / KEYS_PER_FLUSH + 1,
                             flush_keys, index, err));
  return frz_parallel_for(index->context, frz_slot_partitions(index), carry_partition, index, err);
}

uint32_t frz_slot_index_slot(const frz_slot_index *index, int64_t entity_row)
{
  assert(entity_row >= 0 && entity_row < index->n_rows);
  return index->slot_of_row[entity_row];
}

const frz_candidate *frz_slot_index_winner(const frz_slot_index *index, uint32_t slot)
{
  assert(slot < index->n_slots);
  return &index->winners[slot];
}

size_t frz_slot_index_slots(const frz_slot_index *index)
{
  return index->n_slots;
}
