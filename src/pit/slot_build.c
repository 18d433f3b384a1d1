/*
 * slot_build.c - build the slots of the entity rows. See slot_table.h for their layout.
 *
 * The rows are copied together by partition, shares of them in parallel: each share counts its rows
 * of each partition, then writes them to places of its own. From there on each partition is worked
 * on alone, in memory that lies together: its rows are grouped by key, a key's times ordered.
 */
#include "pit/slot_table.h"

enum {
  SHARE_ROWS_MIN = 32768,
  SHARES_PER_THREAD = 4, /* so that a thread that comes late takes less */
  SORTED_RUN_ROWS = 16
};

/* An entity row among those of its partition. */
typedef struct placed_row {
  uint64_t hash;
  int64_t time;
  uint32_t row;
  uint32_t key; /* its key's number in the partition */
} placed_row;

typedef struct row_share {
  int64_t first_row, end_row;
  int64_t least, greatest; /* times of the rows that take part */
  uint32_t *next;          /* by partition: how many rows; then where the next one goes */
} row_share;

typedef struct slot_build {
  frz_slot_index *index;
  const uint8_t *time_present;
  row_share *shares;
  size_t n_shares;
  uint32_t *next;   /* of all shares */
  placed_row *rows; /* by partition */
} slot_build;

/* ---- rows by partition ---- */

static size_t partition_of(const frz_slot_index *index, int64_t row)
{
  return frz_partition_of(index->keys->hashes[row], index->partition_bits);
}

static bool takes_part(const slot_build *build, int64_t row)
{
  return build->index->keys->present[row] && build->time_present[row];
}

static frz_status count_share(void *arg, size_t at, frz_error *err)
{
  (void)err;
  const slot_build *build = arg;
  row_share *share = &build->shares[at];
  const int64_t *times = build->index->times;
  for (int64_t i = share->first_row; i < share->end_row; i++) {
    if (!takes_part(build, i)) continue;
    share->next[partition_of(build->index, i)]++;
    if (times[i] < share->least) share->least = times[i];
    if (times[i] > share->greatest) share->greatest = times[i];
  }
  return FRZ_OK;
}

static frz_status move_share(void *arg, size_t at, frz_error *err)
{
  (void)err;
  const slot_build *build = arg;
  const row_share *share = &build->shares[at];
  frz_slot_index *index = build->index;
  for (int64_t i = share->first_row; i < share->end_row; i++) {
    index->slot_of_row[i] = FRZ_NO_SLOT;
    if (takes_part(build, i))
      build->rows[share->next[partition_of(index, i)]++] =
          (placed_row){index->keys->hashes[i], index->times[i], (uint32_t)i, 0};
  }
  return FRZ_OK;
}

/* Where each share's rows of each partition go: those of earlier shares come first. */
static void place_shares(const slot_build *build)
{
  frz_slot_index *index = build->index;
  uint32_t at = 0;
  for (size_t p = 0; p < frz_slot_partitions(index); p++) {
    index->first_row[p] = at;
    for (size_t s = 0; s < build->n_shares; s++) {
      uint32_t n = build->shares[s].next[p];
      build->shares[s].next[p] = at;
      at += n;
    }
  }
  index->first_row[frz_slot_partitions(index)] = at;
  index->n_slots = at;
}

/* The event times that may win. */
static void find_window(const slot_build *build)
{
  frz_slot_index *index = build->index;
  const frz_slot_options *options = &index->options;
  int64_t least = INT64_MAX;
  int64_t greatest = INT64_MIN;
  for (size_t s = 0; s < build->n_shares; s++) {
    if (build->shares[s].least < least) least = build->shares[s].least;
    if (build->shares[s].greatest > greatest) greatest = build->shares[s].greatest;
  }
  index->any = index->n_slots != 0;
  if (!index->any) return;
  index->greatest = frz_time_floor(greatest, options->entity_scale, options->event_scale);
  index->least = options->ttl_us > 0 ? frz_time_ceil_minus(least, options->entity_scale,
                                                           options->ttl_us, options->event_scale)
                                     : INT64_MIN;
}

static void make_shares(const slot_build *build)
{
  size_t n_rows = (size_t)build->index->n_rows;
  for (size_t s = 0; s < build->n_shares; s++)
    build->shares[s] = (row_share){.first_row = (int64_t)(n_rows / build->n_shares * s),
                                   .end_row = (int64_t)(n_rows / build->n_shares * (s + 1)),
                                   .least = INT64_MAX,
                                   .greatest = INT64_MIN,
                                   .next = build->next + s * frz_slot_partitions(build->index)};
  build->shares[build->n_shares - 1].end_row = build->index->n_rows;
}

/* ---- slots of a partition ---- */

typedef struct timed_row {
  int64_t time;
  uint32_t row;
} timed_row;

/* Two ascending runs that follow one another, as one: of equal times those of the first come
 * first. */
static void merge_runs(const timed_row *rows, size_t n_first, size_t n, timed_row *to)
{
  size_t a = 0;
  size_t b = n_first;
  while (a < n_first && b < n) *to++ = rows[b].time < rows[a].time ? rows[b++] : rows[a++];
  while (a < n_first) *to++ = rows[a++];
  while (b < n) *to++ = rows[b++];
}

static void insert_rows(timed_row *rows, size_t n)
{
  for (size_t i = 1; i < n; i++) {
    timed_row row = rows[i];
    size_t at = i;
    for (; at > 0 && rows[at - 1].time > row.time; at--) rows[at] = rows[at - 1];
    rows[at] = row;
  }
}

/* Short runs by insertion, then twice as long ones by merging; `other` has room for n rows. */
static void sort_times(timed_row *rows, size_t n, timed_row *other)
{
  for (size_t at = 0; at < n; at += SORTED_RUN_ROWS)
    insert_rows(rows + at, n - at < SORTED_RUN_ROWS ? n - at : SORTED_RUN_ROWS);
  timed_row *from = rows;
  for (size_t width = SORTED_RUN_ROWS; width < n; width *= 2) {
    for (size_t at = 0; at < n; at += 2 * width) {
      size_t left = n - at;
      merge_runs(from + at, left < width ? left : width, left < 2 * width ? left : 2 * width,
                 other + at);
    }
    timed_row *sorted = other;
    other = from;
    from = sorted;
  }
  if (from != rows) memcpy(rows, from, n * sizeof *rows);
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
    const frz_slot_options *options = &index->options;
    if (index->row_of_slot != NULL) index->row_of_slot[slot] = rows[i].row;
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

/* A partition while its slots are made. */
typedef struct partition_work {
  placed_row *rows;
  size_t n_rows;
  frz_slot_key *keys; /* in the order they were found, with room for every row to be one */
  size_t n_keys;
  uint32_t *places; /* a hash table of their numbers and one; 0: free */
  size_t n_places;
  timed_row *grouped; /* the rows by key */
} partition_work;

static frz_status begin_work(const frz_alloc *alloc, partition_work *work, frz_error *err)
{
  work->n_places = table_places(work->n_rows);
  work->keys = frz_alloc_array(alloc, work->n_rows, sizeof *work->keys);
  work->places = frz_alloc_zeroed(alloc, work->n_places * sizeof *work->places);
  work->grouped = frz_alloc_array(alloc, work->n_rows, sizeof *work->grouped);
  if (work->keys == NULL || work->places == NULL || work->grouped == NULL)
    return frz_fail_nomem(err, "join index");
  return FRZ_OK;
}

static void end_work(const frz_alloc *alloc, partition_work *work)
{
  size_t n = work->n_rows;
  frz_alloc_free(alloc, work->keys, n != 0 ? n * sizeof *work->keys : 1);
  frz_alloc_free(alloc, work->places, work->n_places * sizeof *work->places);
  frz_alloc_free(alloc, work->grouped, n != 0 ? n * sizeof *work->grouped : 1);
}

/* The number of a row's key, which is added where it is new. */
static uint32_t number_key(const frz_slot_index *index, partition_work *work, const placed_row *row)
{
  frz_str bytes = frz_key_batch_bytes(index->keys, row->row);
  size_t mask = work->n_places - 1;
  size_t at = (size_t)row->hash & mask;
  for (; work->places[at] != 0; at = (at + 1) & mask) {
    const frz_slot_key *key = &work->keys[work->places[at] - 1];
    if (key->hash == row->hash && frz_slot_row_is(index, key->entity_row, bytes))
      return work->places[at] - 1;
  }
  work->keys[work->n_keys] = (frz_slot_key){.hash = row->hash, .entity_row = row->row};
  work->places[at] = (uint32_t)++work->n_keys;
  return (uint32_t)work->n_keys - 1;
}

/* Number the rows' keys, and bring each key's rows together; a key's first_slot is then the end of
 * its rows. */
static void group_rows(const frz_slot_index *index, partition_work *work)
{
  for (size_t i = 0; i < work->n_rows; i++) {
    work->rows[i].key = number_key(index, work, &work->rows[i]);
    work->keys[work->rows[i].key].n_slots++;
  }
  uint32_t start = 0;
  for (size_t k = 0; k < work->n_keys; k++) {
    work->keys[k].first_slot = start;
    start += work->keys[k].n_slots;
  }
  for (size_t i = 0; i < work->n_rows; i++) {
    const placed_row *row = &work->rows[i];
    work->grouped[work->keys[row->key].first_slot++] = (timed_row){row->time, row->row};
  }
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

/* Turn the keys' rows into slots, from `first_slot` on. */
static void order_keys(frz_slot_index *index, partition_work *work, uint32_t first_slot,
                       const frz_slot_partition *part)
{
  timed_row *spare = (timed_row *)(void *)work->rows; /* they are in the groups now */
  _Static_assert(sizeof(placed_row) >= sizeof(timed_row), "room for as many");
  for (size_t k = 0; k < work->n_keys; k++) {
    frz_slot_key key = work->keys[k];
    uint32_t start = key.first_slot - key.n_slots;
    sort_times(work->grouped + start, key.n_slots, spare);
    key.first_slot = first_slot + start;
    key.n_slots = make_slots(index, work->grouped + start, key.n_slots, key.first_slot);
    *frz_slot_find_key(index, part, key.hash, frz_key_batch_bytes(index->keys, key.entity_row)) =
        key;
  }
}

static frz_status build_partition(void *arg, size_t p, frz_error *err)
{
  const slot_build *build = arg;
  frz_slot_index *index = build->index;
  frz_slot_partition *part = &index->partitions[p];
  uint32_t first = index->first_row[p];
  partition_work work = {.rows = build->rows + first, .n_rows = index->first_row[p + 1] - first};
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(begin_work(index->alloc, &work, err));
  for (size_t i = 0; i < work.n_rows; i++) index->winners[first + i].file_rank = FRZ_NO_FILE;
  group_rows(index, &work);
  FRZ_TRY_OUT(make_table(index, work.n_keys, part, err));
  order_keys(index, &work, first, part);
out:
  end_work(index->alloc, &work);
  return st;
}

frz_status frz_slot_build(frz_slot_index *index, const uint8_t *time_present, frz_error *err)
{
  const frz_alloc *alloc = index->alloc;
  size_t n = (size_t)index->n_rows;
  slot_build build = {.index = index, .time_present = time_present};
  build.n_shares = n / SHARE_ROWS_MIN + 1;
  if (build.n_shares > index->n_lanes * SHARES_PER_THREAD)
    build.n_shares = index->n_lanes * SHARES_PER_THREAD;
  size_t n_next = build.n_shares * frz_slot_partitions(index);
  build.shares = frz_alloc_array(alloc, build.n_shares, sizeof *build.shares);
  build.next = frz_alloc_zeroed(alloc, n_next * sizeof *build.next);
  build.rows = frz_alloc_table(alloc, n, sizeof *build.rows);
  frz_status st = FRZ_OK;
  if (build.shares == NULL || build.next == NULL || build.rows == NULL)
    FRZ_TRY_OUT(frz_fail_nomem(err, "join index"));
  make_shares(&build);
  FRZ_TRY_OUT(frz_parallel_for(index->context, build.n_shares, count_share, &build, err));
  place_shares(&build);
  find_window(&build);
  FRZ_TRY_OUT(frz_parallel_for(index->context, build.n_shares, move_share, &build, err));
  st = frz_parallel_for(index->context, frz_slot_partitions(index), build_partition, &build, err);
out:
  frz_alloc_free(alloc, build.shares, build.n_shares * sizeof *build.shares);
  frz_alloc_free(alloc, build.next, n_next * sizeof *build.next);
  frz_alloc_free(alloc, build.rows, n != 0 ? n * sizeof *build.rows : 1);
  return st;
}
