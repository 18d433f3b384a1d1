/*
 * slot_index.c - build the slots, and carry winners forward. See slot_table.h for their layout and
 * what must stay true.
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
  ROWS_BETWEEN_POLLS = 65536,
  KEYS_PER_FLUSH = 8192,
  ROWS_AHEAD = 16
};

static size_t partition_of(const frz_slot_index *index, uint64_t hash)
{
  return frz_partition_of(hash, index->partition_bits);
}

/* ---- building ---- */

typedef struct timed_row {
  int64_t time;
  uint32_t row;
} timed_row;

/* Between rows of what one thread does alone: does the caller still want it? */
static frz_status poll_at(const frz_slot_index *index, int64_t row, frz_error *err)
{
  return row % ROWS_BETWEEN_POLLS == 0 ? frz_context_poll(index->context, err) : FRZ_OK;
}

static bool takes_part(const frz_key_batch *keys, const uint8_t *time_present, int64_t row)
{
  return keys->present[row] && time_present[row];
}

/* Counting sort of the rows by partition. */
static frz_status sort_by_partition(frz_slot_index *index, const uint8_t *time_present,
                                    frz_error *err)
{
  uint32_t *first = index->first_row;
  for (int64_t i = 0; i < index->n_rows; i++) {
    FRZ_TRY(poll_at(index, i, err));
    if (takes_part(index->keys, time_present, i))
      first[partition_of(index, index->keys->hashes[i]) + 1]++;
  }
  for (size_t p = 0; p < frz_slot_partitions(index); p++) first[p + 1] += first[p];
  uint32_t *next = index->row_of_slot; /* not used yet, and wide enough: see allocate() */
  memcpy(next, first, frz_slot_partitions(index) * sizeof *next);
  for (int64_t i = 0; i < index->n_rows; i++) {
    FRZ_TRY(poll_at(index, i, err));
    index->slot_of_row[i] = FRZ_NO_SLOT;
    if (takes_part(index->keys, time_present, i))
      index->order[next[partition_of(index, index->keys->hashes[i])]++] = (uint32_t)i;
  }
  return FRZ_OK;
}

static int compare_times(const void *a, const void *b)
{
  const timed_row *left = a;
  const timed_row *right = b;
  return (left->time > right->time) - (left->time < right->time);
}

static void sort_times(timed_row *rows, size_t n)
{
  if (n > 24) {
    qsort(rows, n, sizeof *rows, compare_times);
    return;
  }
  for (size_t i = 1; i < n; i++) {
    timed_row row = rows[i];
    size_t at = i;
    for (; at > 0 && rows[at - 1].time > row.time; at--) rows[at] = rows[at - 1];
    rows[at] = row;
  }
}

/* Give each distinct time of a key a slot, from `first_slot` on; returns how many. */
static uint32_t make_slots(frz_slot_index *index, const timed_row *rows, size_t n,
                           uint32_t first_slot)
{
  uint32_t slot = first_slot;
  for (size_t i = 0; i < n; i++) {
    if (i > 0 && rows[i].time != rows[i - 1].time) slot++;
    index->slot_of_row[rows[i].row] = slot;
    if (i > 0 && rows[i].time == rows[i - 1].time) continue;
    index->row_of_slot[slot] = rows[i].row;
    const frz_slot_options *options = &index->options;
    index->upper[slot] = frz_time_floor(rows[i].time, options->entity_scale, options->event_scale);
    if (options->created_cutoff)
      index->created_upper[slot] =
          frz_time_floor(rows[i].time, options->entity_scale, options->created_scale);
  }
  return slot - first_slot + 1;
}

static size_t table_places(size_t n_keys)
{
  size_t places = 1;
  while (places < n_keys * 2) places *= 2;
  return places;
}

static frz_status make_table(const frz_slot_index *index, size_t n_keys, frz_slot_partition *part,
                             frz_error *err)
{
  size_t places = table_places(n_keys);
  frz_slot_key *entries = frz_alloc_zeroed(index->alloc, places * sizeof *entries);
  if (entries == NULL) return frz_fail_nomem(err, "join index");
  part->keys = entries;
  part->n_places = places;
  return FRZ_OK;
}

static void free_table(const frz_slot_index *index, frz_slot_partition *part)
{
  frz_alloc_free(index->alloc, part->keys, part->n_places * sizeof *part->keys);
  part->keys = NULL;
  part->n_places = 0;
}

/* Count each key's rows (in n_slots) and give each key a run of that length, from 0; returns the
 * keys. */
static size_t count_keys(const frz_slot_index *index, frz_slot_partition *part,
                         const uint32_t *rows, size_t n)
{
  size_t n_keys = 0;
  for (size_t i = 0; i < n; i++) {
    if (i + ROWS_AHEAD < n) __builtin_prefetch(&index->keys->hashes[rows[i + ROWS_AHEAD]]);
    uint64_t hash = index->keys->hashes[rows[i]];
    frz_slot_key *entry =
        frz_slot_find_key(index, part, hash, frz_key_batch_bytes(index->keys, rows[i]));
    if (entry->n_slots++ != 0) continue;
    entry->hash = hash;
    entry->entity_row = rows[i];
    n_keys++;
  }
  uint32_t start = 0;
  for (size_t e = 0; e < part->n_places; e++) {
    part->keys[e].first_slot = start;
    start += part->keys[e].n_slots;
  }
  return n_keys;
}

/* Turn the counted runs of rows into runs of slots, in a table no larger than the keys need. */
static frz_status order_keys(frz_slot_index *index, frz_slot_partition *counted, size_t n_keys,
                             timed_row *grouped, uint32_t first, frz_slot_partition *part,
                             frz_error *err)
{
  FRZ_TRY(make_table(index, n_keys, part, err));
  part->n_keys = n_keys;
  for (size_t e = 0; e < counted->n_places; e++) {
    frz_slot_key entry = counted->keys[e];
    if (entry.n_slots == 0) continue;
    uint32_t start = entry.first_slot - entry.n_slots; /* first_slot ran to the end of the run */
    sort_times(grouped + start, entry.n_slots);
    entry.first_slot = first + start;
    entry.n_slots = make_slots(index, grouped + start, entry.n_slots, entry.first_slot);
    *frz_slot_find_key(index, part, entry.hash,
                       frz_key_batch_bytes(index->keys, entry.entity_row)) = entry;
  }
  return FRZ_OK;
}

/* One partition: group its rows by key, then order each key's times. */
static frz_status build_partition(void *arg, size_t p, frz_error *err)
{
  frz_slot_index *index = arg;
  frz_slot_partition *part = &index->partitions[p];
  uint32_t first = index->first_row[p];
  size_t n = index->first_row[p + 1] - first;
  frz_slot_partition counted = {0}; /* a table with room for every row to be a key of its own */
  timed_row *grouped = frz_alloc_array(index->alloc, n, sizeof *grouped);
  frz_status st = FRZ_OK;
  if (grouped == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "join index"));
  FRZ_TRY_OUT(make_table(index, n, &counted, err));
  for (size_t i = 0; i < n; i++) index->winners[first + i].file_rank = FRZ_NO_FILE;
  const uint32_t *rows = index->order + first;
  size_t n_keys = count_keys(index, &counted, rows, n);
  for (size_t i = 0; i < n; i++) {
    if (i + ROWS_AHEAD < n) __builtin_prefetch(&index->times[rows[i + ROWS_AHEAD]]);
    frz_slot_key *entry = frz_slot_find_key(index, &counted, index->keys->hashes[rows[i]],
                                            frz_key_batch_bytes(index->keys, rows[i]));
    grouped[entry->first_slot++] = (timed_row){index->times[rows[i]], rows[i]};
  }
  FRZ_TRY_OUT(order_keys(index, &counted, n_keys, grouped, first, part, err));
out:
  free_table(index, &counted);
  frz_alloc_free(index->alloc, grouped, n != 0 ? n * sizeof *grouped : 1);
  return st;
}

static frz_status find_window(frz_slot_index *index, const uint8_t *time_present, frz_error *err)
{
  int64_t least = INT64_MAX;
  int64_t greatest = INT64_MIN;
  for (int64_t i = 0; i < index->n_rows; i++) {
    FRZ_TRY(poll_at(index, i, err));
    if (!takes_part(index->keys, time_present, i)) continue;
    if (index->times[i] < least) least = index->times[i];
    if (index->times[i] > greatest) greatest = index->times[i];
    index->any = true;
  }
  if (!index->any) return FRZ_OK;
  const frz_slot_options *options = &index->options;
  index->greatest = frz_time_floor(greatest, options->entity_scale, options->event_scale);
  index->least = options->ttl_us > 0 ? frz_time_ceil_minus(least, options->entity_scale,
                                                           options->ttl_us, options->event_scale)
                                     : INT64_MIN;
  return FRZ_OK;
}

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
  const frz_alloc *alloc = index->alloc;
  size_t n = (size_t)index->n_rows;
  size_t wide = n > frz_slot_partitions(index) ? n : frz_slot_partitions(index);
  index->first_row = frz_alloc_zeroed(alloc, (frz_slot_partitions(index) + 1) * sizeof(uint32_t));
  index->partitions =
      frz_alloc_zeroed(alloc, frz_slot_partitions(index) * sizeof(frz_slot_partition));
  index->order = frz_alloc_array(alloc, n, sizeof(uint32_t));
  index->slot_of_row = frz_alloc_array(alloc, n, sizeof(uint32_t));
  index->row_of_slot = frz_alloc_array(alloc, wide, sizeof(uint32_t));
  index->upper = frz_alloc_table(alloc, n, sizeof(int64_t));
  index->winners = frz_alloc_table(alloc, n, sizeof(frz_candidate));
  index->sweeps = frz_alloc_zeroed(alloc, index->n_lanes * sizeof(frz_slot_sweep *));
  index->piles = frz_alloc_zeroed(alloc, index->n_lanes * sizeof(frz_slot_piles *));
  if (index->options.created_cutoff)
    index->created_upper = frz_alloc_array(alloc, n, sizeof(int64_t));
  bool whole = index->first_row != NULL && index->partitions != NULL && index->order != NULL &&
               index->slot_of_row != NULL && index->row_of_slot != NULL && index->upper != NULL &&
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
  FRZ_TRY_OUT(sort_by_partition(index, time_present, err));
  index->n_slots = index->first_row[frz_slot_partitions(index)];
  FRZ_TRY_OUT(frz_parallel_for(context, frz_slot_partitions(index), build_partition, index, err));
  FRZ_TRY_OUT(find_window(index, time_present, err));
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
  size_t wide = n > frz_slot_partitions(index) ? n : frz_slot_partitions(index);
  size_t one = 1; /* frz_alloc_array() never asks for nothing */
  for (size_t lane = 0; index->sweeps != NULL && lane < index->n_lanes; lane++)
    frz_slot_sweep_free(index, index->sweeps[lane]);
  for (size_t lane = 0; index->piles != NULL && lane < index->n_lanes; lane++)
    frz_slot_piles_free(index, index->piles[lane]);
  frz_slot_directory_dispose(&index->directory, alloc);
  frz_alloc_free(alloc, index->sweeps, index->n_lanes * sizeof(frz_slot_sweep *));
  frz_alloc_free(alloc, index->piles, index->n_lanes * sizeof(frz_slot_piles *));
  for (size_t p = 0; p < index->n_locks; p++) {
    free_table(index, &index->partitions[p]);
    pthread_mutex_destroy(&index->partitions[p].lock);
  }
  frz_alloc_free(alloc, index->first_row, (frz_slot_partitions(index) + 1) * sizeof(uint32_t));
  frz_alloc_free(alloc, index->partitions, frz_slot_partitions(index) * sizeof(frz_slot_partition));
  frz_alloc_free(alloc, index->order, n != 0 ? n * sizeof(uint32_t) : one);
  frz_alloc_free(alloc, index->slot_of_row, n != 0 ? n * sizeof(uint32_t) : one);
  frz_alloc_free(alloc, index->row_of_slot, wide * sizeof(uint32_t));
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
