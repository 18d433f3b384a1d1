/*
 * slot_build.c - build the slots of the entity rows. See slot_table.h for their layout.
 *
 * The rows are sorted by partition, shares of them in parallel: each share counts its rows of each
 * partition, then moves them to places of its own. A partition's rows are then grouped by key in a
 * table with room for all of them, and each key's times ordered.
 */
#include <stdlib.h>

#include "pit/slot_table.h"

enum {
  SHARE_ROWS_MIN = 32768,
  SHARES_PER_THREAD = 4, /* so that a thread that comes late takes less */
  ROWS_AHEAD = 16
};

/* ---- rows by partition ---- */

typedef struct row_share {
  int64_t first_row, end_row;
  int64_t least, greatest; /* times of the rows that take part */
  uint32_t *next;          /* by partition: how many rows; then where the next one goes */
} row_share;

typedef struct row_sort {
  frz_slot_index *index;
  const uint8_t *time_present;
  row_share *shares;
  size_t n_shares;
  uint32_t *next; /* of all shares */
} row_sort;

static size_t partition_of(const frz_slot_index *index, int64_t row)
{
  return frz_partition_of(index->keys->hashes[row], index->partition_bits);
}

static bool takes_part(const row_sort *sort, int64_t row)
{
  return sort->index->keys->present[row] && sort->time_present[row];
}

static frz_status count_share(void *arg, size_t at, frz_error *err)
{
  (void)err;
  const row_sort *sort = arg;
  row_share *share = &sort->shares[at];
  const int64_t *times = sort->index->times;
  for (int64_t i = share->first_row; i < share->end_row; i++) {
    if (!takes_part(sort, i)) continue;
    share->next[partition_of(sort->index, i)]++;
    if (times[i] < share->least) share->least = times[i];
    if (times[i] > share->greatest) share->greatest = times[i];
  }
  return FRZ_OK;
}

static frz_status move_share(void *arg, size_t at, frz_error *err)
{
  (void)err;
  const row_sort *sort = arg;
  const row_share *share = &sort->shares[at];
  frz_slot_index *index = sort->index;
  for (int64_t i = share->first_row; i < share->end_row; i++) {
    index->slot_of_row[i] = FRZ_NO_SLOT;
    if (takes_part(sort, i)) index->order[share->next[partition_of(index, i)]++] = (uint32_t)i;
  }
  return FRZ_OK;
}

/* Where each share's rows of each partition go: those of earlier shares come first. */
static void place_shares(const row_sort *sort)
{
  frz_slot_index *index = sort->index;
  uint32_t at = 0;
  for (size_t p = 0; p < frz_slot_partitions(index); p++) {
    index->first_row[p] = at;
    for (size_t s = 0; s < sort->n_shares; s++) {
      uint32_t n = sort->shares[s].next[p];
      sort->shares[s].next[p] = at;
      at += n;
    }
  }
  index->first_row[frz_slot_partitions(index)] = at;
  index->n_slots = at;
}

/* The event times that may win. */
static void find_window(const row_sort *sort)
{
  frz_slot_index *index = sort->index;
  const frz_slot_options *options = &index->options;
  int64_t least = INT64_MAX;
  int64_t greatest = INT64_MIN;
  for (size_t s = 0; s < sort->n_shares; s++) {
    if (sort->shares[s].least < least) least = sort->shares[s].least;
    if (sort->shares[s].greatest > greatest) greatest = sort->shares[s].greatest;
  }
  index->any = index->n_slots != 0;
  if (!index->any) return;
  index->greatest = frz_time_floor(greatest, options->entity_scale, options->event_scale);
  index->least = options->ttl_us > 0 ? frz_time_ceil_minus(least, options->entity_scale,
                                                           options->ttl_us, options->event_scale)
                                     : INT64_MIN;
}

static frz_status sort_by_partition(frz_slot_index *index, const uint8_t *time_present,
                                    frz_error *err)
{
  size_t n = (size_t)index->n_rows;
  row_sort sort = {.index = index, .time_present = time_present};
  sort.n_shares = n / SHARE_ROWS_MIN + 1;
  if (sort.n_shares > index->n_lanes * SHARES_PER_THREAD)
    sort.n_shares = index->n_lanes * SHARES_PER_THREAD;
  size_t n_next = sort.n_shares * frz_slot_partitions(index);
  sort.shares = frz_alloc_array(index->alloc, sort.n_shares, sizeof *sort.shares);
  sort.next = frz_alloc_zeroed(index->alloc, n_next * sizeof *sort.next);
  frz_status st = FRZ_OK;
  if (sort.shares == NULL || sort.next == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "join index"));
  for (size_t s = 0; s < sort.n_shares; s++)
    sort.shares[s] = (row_share){.first_row = (int64_t)(n / sort.n_shares * s),
                                 .end_row = (int64_t)(n / sort.n_shares * (s + 1)),
                                 .least = INT64_MAX,
                                 .greatest = INT64_MIN,
                                 .next = sort.next + s * frz_slot_partitions(index)};
  sort.shares[sort.n_shares - 1].end_row = index->n_rows;
  FRZ_TRY_OUT(frz_parallel_for(index->context, sort.n_shares, count_share, &sort, err));
  place_shares(&sort);
  find_window(&sort);
  st = frz_parallel_for(index->context, sort.n_shares, move_share, &sort, err);
out:
  frz_alloc_free(index->alloc, sort.shares, sort.n_shares * sizeof *sort.shares);
  frz_alloc_free(index->alloc, sort.next, n_next * sizeof *sort.next);
  return st;
}

/* ---- slots of a partition ---- */

typedef struct timed_row {
  int64_t time;
  uint32_t row;
} timed_row;

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

/* The table that stays. All come from one arena: a heap that grew by each would stop the other
 * threads' page faults each time. */
static frz_status make_table(frz_slot_index *index, size_t n_keys, frz_slot_partition *part,
                             frz_error *err)
{
  part->n_keys = n_keys;
  part->n_places = table_places(n_keys);
  pthread_mutex_lock(&index->tables_lock);
  part->keys = frz_arena_array(&index->tables, part->n_places, sizeof *part->keys);
  pthread_mutex_unlock(&index->tables_lock);
  return part->keys != NULL ? FRZ_OK : frz_fail_nomem(err, "join index");
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
  /* A table with room for every row to be a key of its own. */
  frz_slot_partition counted = {.n_places = table_places(n)};
  counted.keys = frz_alloc_zeroed(index->alloc, counted.n_places * sizeof *counted.keys);
  timed_row *grouped = frz_alloc_array(index->alloc, n, sizeof *grouped);
  frz_status st = FRZ_OK;
  if (counted.keys == NULL || grouped == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "join index"));
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
  frz_alloc_free(index->alloc, counted.keys, counted.n_places * sizeof *counted.keys);
  frz_alloc_free(index->alloc, grouped, n != 0 ? n * sizeof *grouped : 1);
  return st;
}

frz_status frz_slot_build(frz_slot_index *index, const uint8_t *time_present, frz_error *err)
{
  size_t n = (size_t)index->n_rows;
  index->order = frz_alloc_array(index->alloc, n, sizeof *index->order);
  if (index->order == NULL) return frz_fail_nomem(err, "join index");
  frz_status st = sort_by_partition(index, time_present, err);
  if (st == FRZ_OK)
    st = frz_parallel_for(index->context, frz_slot_partitions(index), build_partition, index, err);
  frz_alloc_free(index->alloc, index->order, n != 0 ? n * sizeof *index->order : 1);
  index->order = NULL;
  return st;
}
