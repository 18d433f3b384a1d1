/*
 * slot_index.c - build the slots, let feature rows compete for them, carry winners forward.
 *
 * Layout: all slots lie in a few arrays, a partition's slots in one run, a key's slots in one run
 * inside it, ascending by time. A partition's hash table maps a key to its run.
 *
 * Invariants:
 *   1. upper[] and created_upper[] ascend inside a key's run: the first slot that admits a row is
 * found by binary search, and every later slot of the key admits it too, but for the time to live.
 *   2. winners[s] holds, before carrying, the best of the rows whose first admitting slot is s;
 * after carrying, the best row for s.
 *   3. A slot's best row is the one with the greatest event time; when that is too old, all are.
 */
#include "pit/slot_index.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum { ROWS_PER_PARTITION = 2048, COMPETE_ROWS = 64 };

/* A key of a partition: `n_slots` 0 marks a free place. */
typedef struct key_entry {
  uint64_t hash;
  uint32_t first_slot;
  uint32_t n_slots;
  uint32_t entity_row; /* one with this key, for its bytes */
} key_entry;

typedef struct partition {
  pthread_mutex_t lock;
  key_entry *entries; /* about two places a key */
  size_t n_entries;   /* a power of two */
} partition;

struct frz_slot_index {
  frz_context *context;
  const frz_alloc *alloc;
  frz_slot_options options;
  const frz_key_batch *keys;
  const int64_t *times;
  int64_t n_rows;

  unsigned partition_bits;
  partition *partitions;
  size_t n_locks;
  uint32_t *first_row;    /* per partition: where its rows start in `order`; one more at the end */
  uint32_t *order;        /* entity rows by partition */
  uint32_t *slot_of_row;  /* n_rows */
  uint32_t *row_of_slot;  /* an entity row with the slot's time */
  int64_t *upper;         /* per slot: the greatest event time admitted */
  int64_t *created_upper; /* with the created cutoff: the greatest created time admitted */
  frz_candidate *winners; /* per slot */
  size_t n_slots;         /* places in the arrays: one an entity row that takes part */
  int64_t least, greatest;
  bool any;
};

static size_t partition_of(const frz_slot_index *index, uint64_t hash)
{
  return frz_partition_of(hash, index->partition_bits);
}

static size_t n_partitions(const frz_slot_index *index)
{
  return (size_t)1 << index->partition_bits;
}

/* ---- building ---- */

typedef struct timed_row {
  int64_t time;
  uint32_t row;
} timed_row;

static bool takes_part(const frz_key_batch *keys, const uint8_t *time_present, int64_t row)
{
  return keys->present[row] && time_present[row];
}

/* Counting sort of the rows by partition. */
static void sort_by_partition(frz_slot_index *index, const uint8_t *time_present)
{
  uint32_t *first = index->first_row;
  for (int64_t i = 0; i < index->n_rows; i++)
    if (takes_part(index->keys, time_present, i))
      first[partition_of(index, index->keys->hashes[i]) + 1]++;
  for (size_t p = 0; p < n_partitions(index); p++) first[p + 1] += first[p];
  uint32_t *next = index->row_of_slot; /* not used yet, and wide enough: see allocate() */
  memcpy(next, first, n_partitions(index) * sizeof *next);
  for (int64_t i = 0; i < index->n_rows; i++) {
    index->slot_of_row[i] = FRZ_NO_SLOT;
    if (takes_part(index->keys, time_present, i))
      index->order[next[partition_of(index, index->keys->hashes[i])]++] = (uint32_t)i;
  }
}

static key_entry *find_entry(const frz_slot_index *index, const partition *part, uint64_t hash,
                             frz_str bytes)
{
  size_t mask = part->n_entries - 1;
  size_t at = (size_t)hash & mask;
  for (;;) {
    key_entry *entry = &part->entries[at];
    if (entry->n_slots == 0) return entry;
    if (entry->hash == hash &&
        (index->keys->bytes == NULL ||
         frz_str_equal(frz_key_batch_bytes(index->keys, entry->entity_row), bytes)))
      return entry;
    at = (at + 1) & mask;
  }
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

static frz_status make_table(const frz_slot_index *index, size_t n_keys, partition *part,
                             frz_error *err)
{
  size_t places = table_places(n_keys);
  key_entry *entries = frz_alloc_zeroed(index->alloc, places * sizeof *entries);
  if (entries == NULL) return frz_fail_nomem(err, "join index");
  part->entries = entries;
  part->n_entries = places;
  return FRZ_OK;
}

static void free_table(const frz_slot_index *index, partition *part)
{
  frz_alloc_free(index->alloc, part->entries, part->n_entries * sizeof *part->entries);
  part->entries = NULL;
  part->n_entries = 0;
}

/* Count each key's rows (in n_slots) and give each key a run of that length, from 0; returns the
 * keys. */
static size_t count_keys(const frz_slot_index *index, partition *part, const uint32_t *rows,
                         size_t n)
{
  size_t n_keys = 0;
  for (size_t i = 0; i < n; i++) {
    uint64_t hash = index->keys->hashes[rows[i]];
    key_entry *entry = find_entry(index, part, hash, frz_key_batch_bytes(index->keys, rows[i]));
    if (entry->n_slots++ != 0) continue;
    entry->hash = hash;
    entry->entity_row = rows[i];
    n_keys++;
  }
  uint32_t start = 0;
  for (size_t e = 0; e < part->n_entries; e++) {
    part->entries[e].first_slot = start;
    start += part->entries[e].n_slots;
  }
  return n_keys;
}

/* Turn the counted runs of rows into runs of slots, in a table no larger than the keys need. */
static frz_status order_keys(frz_slot_index *index, partition *counted, size_t n_keys,
                             timed_row *grouped, uint32_t first, partition *part, frz_error *err)
{
  FRZ_TRY(make_table(index, n_keys, part, err));
  for (size_t e = 0; e < counted->n_entries; e++) {
    key_entry entry = counted->entries[e];
    if (entry.n_slots == 0) continue;
    uint32_t start = entry.first_slot - entry.n_slots; /* first_slot ran to the end of the run */
    sort_times(grouped + start, entry.n_slots);
    entry.first_slot = first + start;
    entry.n_slots = make_slots(index, grouped + start, entry.n_slots, entry.first_slot);
    *find_entry(index, part, entry.hash, frz_key_batch_bytes(index->keys, entry.entity_row)) =
        entry;
  }
  return FRZ_OK;
}

/* One partition: group its rows by key, then order each key's times. */
static frz_status build_partition(void *arg, size_t p, frz_error *err)
{
  frz_slot_index *index = arg;
  partition *part = &index->partitions[p];
  uint32_t first = index->first_row[p];
  size_t n = index->first_row[p + 1] - first;
  partition counted = {0}; /* a table with room for every row to be a key of its own */
  timed_row *grouped = frz_alloc_array(index->alloc, n, sizeof *grouped);
  frz_status st = FRZ_OK;
  if (grouped == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "join index"));
  FRZ_TRY_OUT(make_table(index, n, &counted, err));
  const uint32_t *rows = index->order + first;
  size_t n_keys = count_keys(index, &counted, rows, n);
  for (size_t i = 0; i < n; i++) {
    key_entry *entry = find_entry(index, &counted, index->keys->hashes[rows[i]],
                                  frz_key_batch_bytes(index->keys, rows[i]));
    grouped[entry->first_slot++] = (timed_row){index->times[rows[i]], rows[i]};
  }
  FRZ_TRY_OUT(order_keys(index, &counted, n_keys, grouped, first, part, err));
out:
  free_table(index, &counted);
  frz_alloc_free(index->alloc, grouped, n != 0 ? n * sizeof *grouped : 1);
  return st;
}

static void find_window(frz_slot_index *index, const uint8_t *time_present)
{
  int64_t least = INT64_MAX;
  int64_t greatest = INT64_MIN;
  for (int64_t i = 0; i < index->n_rows; i++) {
    if (!takes_part(index->keys, time_present, i)) continue;
    if (index->times[i] < least) least = index->times[i];
    if (index->times[i] > greatest) greatest = index->times[i];
    index->any = true;
  }
  if (!index->any) return;
  const frz_slot_options *options = &index->options;
  index->greatest = frz_time_floor(greatest, options->entity_scale, options->event_scale);
  index->least = options->ttl_us > 0 ? frz_time_ceil_minus(least, options->entity_scale,
                                                           options->ttl_us, options->event_scale)
                                     : INT64_MIN;
}

static frz_status allocate(frz_slot_index *index, frz_error *err)
{
  const frz_alloc *alloc = index->alloc;
  size_t n = (size_t)index->n_rows;
  size_t wide = n > n_partitions(index) ? n : n_partitions(index);
  index->first_row = frz_alloc_zeroed(alloc, (n_partitions(index) + 1) * sizeof(uint32_t));
  index->partitions = frz_alloc_zeroed(alloc, n_partitions(index) * sizeof(partition));
  index->order = frz_alloc_array(alloc, n, sizeof(uint32_t));
  index->slot_of_row = frz_alloc_array(alloc, n, sizeof(uint32_t));
  index->row_of_slot = frz_alloc_array(alloc, wide, sizeof(uint32_t));
  index->upper = frz_alloc_array(alloc, n, sizeof(int64_t));
  index->winners = frz_alloc_array(alloc, n, sizeof(frz_candidate));
  if (index->options.created_cutoff)
    index->created_upper = frz_alloc_array(alloc, n, sizeof(int64_t));
  bool whole = index->first_row != NULL && index->partitions != NULL && index->order != NULL &&
               index->slot_of_row != NULL && index->row_of_slot != NULL && index->upper != NULL &&
               index->winners != NULL &&
               (!index->options.created_cutoff || index->created_upper != NULL);
  if (!whole) return frz_fail_nomem(err, "join index");
  for (size_t i = 0; i < n; i++) index->winners[i].file_rank = FRZ_NO_FILE;
  for (size_t p = 0; p < n_partitions(index); p++) {
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
  while (index->partition_bits < FRZ_PARTITION_BITS_MAX &&
         (n_rows >> index->partition_bits) > ROWS_PER_PARTITION)
    index->partition_bits++;

  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(allocate(index, err));
  sort_by_partition(index, time_present);
  index->n_slots = index->first_row[n_partitions(index)];
  FRZ_TRY_OUT(frz_parallel_for(context, n_partitions(index), build_partition, index, err));
  find_window(index, time_present);
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
  size_t wide = n > n_partitions(index) ? n : n_partitions(index);
  size_t one = 1; /* frz_alloc_array() never asks for nothing */
  for (size_t p = 0; p < index->n_locks; p++) {
    free_table(index, &index->partitions[p]);
    pthread_mutex_destroy(&index->partitions[p].lock);
  }
  frz_alloc_free(alloc, index->first_row, (n_partitions(index) + 1) * sizeof(uint32_t));
  frz_alloc_free(alloc, index->partitions, n_partitions(index) * sizeof(partition));
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

/* ---- offers ---- */

/* The first i in [0, n) with bounds[i] >= value, or n. Without branches on the data. */
static uint32_t lower_bound(const int64_t *bounds, uint32_t n, int64_t value)
{
  const int64_t *base = bounds;
  uint32_t left = n;
  while (left > 1) {
    uint32_t half = left / 2;
    base += base[half - 1] < value ? half : 0;
    left -= half;
  }
  return (uint32_t)(base - bounds) + (*base < value);
}

/* The first slot that admits the row, or FRZ_NO_SLOT. */
static uint32_t admitting_slot(const frz_slot_index *index, const key_entry *entry,
                               const frz_offered_row *row)
{
  uint32_t first = entry->first_slot;
  uint32_t at = lower_bound(index->upper + first, entry->n_slots, row->event_time);
  if (index->options.created_cutoff) {
    uint32_t by_created =
        lower_bound(index->created_upper + first, entry->n_slots, row->created_time);
    if (by_created > at) at = by_created;
  }
  return at != entry->n_slots ? first + at : FRZ_NO_SLOT;
}

/* Each row waits for memory three times: its key's entry, the key's times, the slot's winner. So
 * rows go through in groups, and each step asks for what the next one needs of the whole group. */
static void compete(frz_slot_index *index, const partition *part, const frz_offer *offer,
                    const frz_offered_row *rows, size_t n)
{
  const key_entry *entries[COMPETE_ROWS];
  uint32_t slots[COMPETE_ROWS];
  assert(n <= COMPETE_ROWS);
  for (size_t i = 0; i < n; i++)
    __builtin_prefetch(&part->entries[(size_t)rows[i].hash & (part->n_entries - 1)]);
  for (size_t i = 0; i < n; i++) {
    entries[i] =
        find_entry(index, part, rows[i].hash, frz_key_batch_bytes(offer->keys, rows[i].row));
    __builtin_prefetch(&index->upper[entries[i]->first_slot]);
  }
  for (size_t i = 0; i < n; i++) {
    slots[i] = entries[i]->n_slots != 0 ? admitting_slot(index, entries[i], &rows[i]) : FRZ_NO_SLOT;
    if (slots[i] != FRZ_NO_SLOT) __builtin_prefetch(&index->winners[slots[i]], 1);
  }
  for (size_t i = 0; i < n; i++) {
    if (slots[i] == FRZ_NO_SLOT) continue;
    frz_candidate candidate = frz_offer_candidate(offer, &rows[i]);
    frz_candidate *winner = &index->winners[slots[i]];
    if (frz_candidate_beats(&candidate, winner)) *winner = candidate;
  }
}

frz_status frz_slot_index_offer(frz_slot_index *index, const frz_offer *offer,
                                frz_offer_scratch *scratch, frz_error *err)
{
  if (!index->any) return FRZ_OK;
  const frz_offer_window window = {index->least, index->greatest, index->options.created_cutoff,
                                   index->partition_bits};
  uint32_t ends[1 << FRZ_PARTITION_BITS_MAX];
  const frz_offered_row *rows;
  FRZ_TRY(frz_offer_split(offer, &window, scratch, &rows, ends, err));
  uint32_t start = 0;
  for (size_t p = 0; p < n_partitions(index); p++) {
    partition *part = &index->partitions[p];
    if (ends[p] > start) {
      pthread_mutex_lock(&part->lock);
      for (uint32_t at = start; at < ends[p]; at += COMPETE_ROWS)
        compete(index, part, offer, rows + at,
                ends[p] - at < COMPETE_ROWS ? ends[p] - at : COMPETE_ROWS);
      pthread_mutex_unlock(&part->lock);
    }
    start = ends[p];
  }
  return FRZ_OK;
}

/* ---- results ---- */

static bool too_old(const frz_slot_index *index, uint32_t slot, int64_t event_time)
{
  const frz_slot_options *options = &index->options;
  if (options->ttl_us <= 0) return false;
  int64_t time = index->times[index->row_of_slot[slot]];
  return event_time <
         frz_time_ceil_minus(time, options->entity_scale, options->ttl_us, options->event_scale);
}

static frz_status carry_partition(void *arg, size_t p, frz_error *err)
{
  (void)err;
  frz_slot_index *index = arg;
  const partition *part = &index->partitions[p];
  for (size_t e = 0; e < part->n_entries; e++) {
    const key_entry *entry = &part->entries[e];
    frz_candidate best = {.file_rank = FRZ_NO_FILE};
    for (uint32_t s = entry->first_slot; s < entry->first_slot + entry->n_slots; s++) {
      frz_candidate *winner = &index->winners[s];
      if (winner->file_rank != FRZ_NO_FILE && frz_candidate_beats(winner, &best)) best = *winner;
      *winner = best;
      if (best.file_rank != FRZ_NO_FILE && too_old(index, s, best.event_time))
        winner->file_rank = FRZ_NO_FILE;
    }
  }
  return FRZ_OK;
}

frz_status frz_slot_index_carry(frz_slot_index *index, frz_error *err)
{
  return frz_parallel_for(index->context, n_partitions(index), carry_partition, index, err);
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
