/*
 * latest_index.c - hash partitions of (key, best row), each behind a lock.
 *
 * A row mostly loses, by its event time. So hash and time of the best row stand in an array of
 * their own, four to a line of the cache, and the rest is touched by rows that may win.
 *
 * Memory: 85 to 170 bytes a key, and the key's bytes where the hash is not the key itself. Keys
 * that have places in an array instead (dense_winners.h) are in no partition.
 *
 * Invariants: capacity is zero or a power of two and at most three quarters full; a place is free
 * exactly when its candidate has no file, and then its mark is that of no row; `end` only falls,
 * and partitions from it on are empty or about to be emptied by the thread that lowered it. No
 * thread waits for a partition while it holds another.
 */
#include "pit/latest_index.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "pit/dense_winners.h"
#include "pit/slot_winner.h"

enum { PARTITION_BITS = 8, CAPACITY_MIN = 16, ROWS_AHEAD = 12 };
static_assert(FRZ_LATEST_PARTITIONS == 1 << PARTITION_BITS, "one a value of the hash's top bits");

/* Of a place's best row, as far as it takes to turn another away. */
typedef struct latest_mark {
  uint64_t hash;
  int64_t event_time;
} latest_mark;

#define NO_MARK ((latest_mark){0, INT64_MIN})

typedef struct latest_entry {
  frz_candidate best;
  frz_str key; /* in the partition's arena; empty when the hash is the key */
} latest_entry;

typedef struct latest_partition {
  pthread_mutex_t lock;
  frz_arena keys;
  bool has_keys; /* there is an entry with bytes */
  latest_mark *marks;
  latest_entry *entries;
  size_t capacity;
  size_t size;
  size_t counted_bytes; /* of its share of `bytes` */
} latest_partition;

struct frz_latest_index {
  frz_context *context;
  const frz_alloc *alloc;
  frz_offer_window window;
  frz_key_sieve *sieve;    /* NULL: none */
  frz_dense_winners dense; /* keys that are not in the partitions */
  size_t first, bytes_max;
  atomic_size_t end;
  atomic_size_t bytes;
  pthread_mutex_t shrinking;
  latest_partition partitions[FRZ_LATEST_PARTITIONS];
};

frz_status frz_latest_index_create(frz_context *context, int64_t least, int64_t greatest,
                                   size_t first, size_t bytes_max, frz_latest_index **index_out,
                                   frz_error *err)
{
  assert(first < FRZ_LATEST_PARTITIONS);
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_latest_index *index = frz_alloc_zeroed(alloc, sizeof *index);
  if (index == NULL) return frz_fail_nomem(err, "latest rows");
  index->context = context;
  index->alloc = alloc;
  index->window = (frz_offer_window){least, greatest, false, PARTITION_BITS, NULL};
  index->first = first;
  index->bytes_max = bytes_max;
  atomic_init(&index->end, FRZ_LATEST_PARTITIONS);
  atomic_init(&index->bytes, 0);
  pthread_mutex_init(&index->shrinking, NULL);
  for (size_t p = 0; p < FRZ_LATEST_PARTITIONS; p++) {
    pthread_mutex_init(&index->partitions[p].lock, NULL);
    frz_arena_init(&index->partitions[p].keys, alloc, SIZE_MAX / 4);
  }
  *index_out = index;
  return FRZ_OK;
}

static void free_places(const frz_alloc *alloc, latest_partition *part)
{
  frz_alloc_free(alloc, part->marks, part->capacity * sizeof *part->marks);
  frz_alloc_free(alloc, part->entries, part->capacity * sizeof *part->entries);
}

static void empty_partition(frz_latest_index *index, latest_partition *part)
{
  free_places(index->alloc, part);
  frz_arena_free(&part->keys);
  frz_arena_init(&part->keys, index->alloc, SIZE_MAX / 4);
  part->marks = NULL;
  part->entries = NULL;
  part->capacity = 0;
  part->size = 0;
  part->has_keys = false;
}

void frz_latest_index_free(frz_latest_index *index)
{
  if (index == NULL) return;
  for (size_t p = 0; p < FRZ_LATEST_PARTITIONS; p++) {
    empty_partition(index, &index->partitions[p]);
    pthread_mutex_destroy(&index->partitions[p].lock);
  }
  pthread_mutex_destroy(&index->shrinking);
  frz_dense_winners_dispose(&index->dense);
  frz_alloc_free(index->alloc, index, sizeof *index);
}

void frz_latest_index_sieve(frz_latest_index *index, frz_key_sieve *sieve)
{
  index->sieve = sieve;
  index->window.sieve = sieve;
}

frz_status frz_latest_index_dense(frz_latest_index *index, int64_t least_key, uint64_t n_keys,
                                  frz_error *err)
{
  bool were_found = index->first != 0;
  return frz_dense_winners_init(&index->dense, index->alloc, least_key, n_keys, were_found, err);
}

size_t frz_latest_index_end(const frz_latest_index *index)
{
  return atomic_load(&index->end);
}

/* ---- memory ---- */

static size_t partition_bytes(const latest_partition *part)
{
  return part->capacity * (sizeof *part->marks + sizeof *part->entries) + part->keys.used_bytes;
}

/* Under the partition's lock. */
static void count_bytes(frz_latest_index *index, latest_partition *part)
{
  size_t bytes = partition_bytes(part);
  atomic_fetch_add_explicit(&index->bytes, bytes - part->counted_bytes, memory_order_relaxed);
  part->counted_bytes = bytes;
}

/* Give up the later half of the partitions until the others fit. No partition is locked. */
static frz_status shrink(frz_latest_index *index, frz_error *err)
{
  frz_status st = FRZ_OK;
  pthread_mutex_lock(&index->shrinking);
  while (st == FRZ_OK && atomic_load(&index->bytes) > index->bytes_max) {
    size_t end = atomic_load(&index->end);
    size_t kept = (end - index->first + 1) / 2;
    if (index->first + kept == end) {
      st = frz_fail(err, FRZ_ERR_LIMIT,
                    "latest rows: 1 of %d parts of the keys takes %zu bytes, of which the memory "
                    "limit leaves %zu; raise memory_limit_bytes, or narrow the window",
                    FRZ_LATEST_PARTITIONS, (size_t)atomic_load(&index->bytes), index->bytes_max);
      break;
    }
    atomic_store(&index->end, index->first + kept);
    for (size_t p = index->first + kept; p < end; p++) {
      latest_partition *part = &index->partitions[p];
      pthread_mutex_lock(&part->lock);
      empty_partition(index, part);
      count_bytes(index, part);
      pthread_mutex_unlock(&part->lock);
    }
  }
  pthread_mutex_unlock(&index->shrinking);
  return st;
}

/* ---- rows ---- */

static bool is_free(const latest_partition *part, size_t place)
{
  const latest_mark *mark = &part->marks[place];
  return mark->hash == NO_MARK.hash && mark->event_time == NO_MARK.event_time &&
         part->entries[place].best.file_rank == FRZ_NO_FILE;
}

/* Is it the key of a place with the same hash? Without bytes on either side the hash tells. */
static bool is_key(const latest_partition *part, size_t place, frz_str key)
{
  if (!part->has_keys) return key.size == 0;
  frz_str held = part->entries[place].key;
  return held.size == key.size && (key.size == 0 || frz_str_equal(held, key));
}

/* Where the key is, or would be. */
static size_t find_place(const latest_partition *part, uint64_t hash, frz_str key)
{
  size_t mask = part->capacity - 1;
  size_t at = (size_t)hash & mask;
  while (!is_free(part, at) && (part->marks[at].hash != hash || !is_key(part, at, key)))
    at = (at + 1) & mask;
  return at;
}

static frz_status grow(const frz_alloc *alloc, latest_partition *part, frz_error *err)
{
  latest_partition old = *part;
  size_t capacity = old.capacity != 0 ? old.capacity * 2 : CAPACITY_MIN;
  latest_mark *marks = frz_alloc_array(alloc, capacity, sizeof *marks);
  latest_entry *entries = frz_alloc_array(alloc, capacity, sizeof *entries);
  if (marks == NULL || entries == NULL) {
    frz_alloc_free(alloc, marks, capacity * sizeof *marks);
    frz_alloc_free(alloc, entries, capacity * sizeof *entries);
    return frz_fail_nomem(err, "latest rows");
  }
  for (size_t i = 0; i < capacity; i++) {
    marks[i] = NO_MARK;
    entries[i] = (latest_entry){.best = {.file_rank = FRZ_NO_FILE}};
  }
  part->marks = marks;
  part->entries = entries;
  part->capacity = capacity;
  for (size_t i = 0; i < old.capacity; i++) {
    if (is_free(&old, i)) continue;
    size_t place = find_place(part, old.marks[i].hash, old.entries[i].key);
    marks[place] = old.marks[i];
    entries[place] = old.entries[i];
  }
  free_places(alloc, &old);
  return FRZ_OK;
}

static frz_status compete(frz_latest_index *index, latest_partition *part, const frz_offer *offer,
                          const frz_offered_row *row, frz_error *err)
{
  if (part->size >= part->capacity / 4 * 3) FRZ_TRY(grow(index->alloc, part, err));
  frz_str key = frz_key_batch_bytes(offer->keys, row->row);
  size_t place = find_place(part, row->hash, key);
  latest_mark *mark = &part->marks[place];
  if (row->event_time < mark->event_time) return FRZ_OK;
  latest_entry *entry = &part->entries[place];
  frz_candidate candidate = frz_offer_candidate(offer, row->row);
  if (entry->best.file_rank == FRZ_NO_FILE) {
    frz_str copy = key.size != 0 ? frz_arena_copy(&part->keys, key) : (frz_str){0};
    if (key.size != 0 && copy.data == NULL) return frz_fail_nomem(err, "latest rows");
    entry->key = copy;
    part->has_keys |= key.size != 0;
    part->size++;
  }
  if (!frz_candidate_beats(&candidate, &entry->best)) return FRZ_OK;
  entry->best = candidate;
  *mark = (latest_mark){row->hash, row->event_time};
  const int64_t *integers = frz_offer_sieve_keys(offer);
  if (index->sieve != NULL && integers != NULL)
    frz_key_sieve_note(index->sieve, integers[row->row], row->event_time);
  return FRZ_OK;
}

/* `wins`: the row mostly does, and then the rest of its place is wanted too. */
static void ask_for(const latest_partition *part, uint64_t hash, bool wins)
{
  if (part->capacity == 0) return;
  size_t place = (size_t)hash & (part->capacity - 1);
  __builtin_prefetch(&part->marks[place], 1);
  if (wins) __builtin_prefetch(&part->entries[place], 1);
}

static frz_status compete_all(frz_latest_index *index, size_t p, const frz_offer *offer,
                              const frz_offered_row *rows, size_t n, frz_error *err)
{
  latest_partition *part = &index->partitions[p];
  bool is_sieved = index->sieve != NULL;
  frz_status st = FRZ_OK;
  pthread_mutex_lock(&part->lock);
  if (p < atomic_load(&index->end)) {
    for (size_t i = 0; i < n && st == FRZ_OK; i++) {
      if (i + ROWS_AHEAD < n) ask_for(part, rows[i + ROWS_AHEAD].hash, is_sieved);
      st = compete(index, part, offer, &rows[i], err);
    }
    count_bytes(index, part);
  }
  pthread_mutex_unlock(&part->lock);
  return st;
}

static frz_status offer_hashed(frz_latest_index *index, const frz_offer *offer,
                               frz_offer_scratch *scratch, frz_error *err)
{
  uint32_t ends[FRZ_LATEST_PARTITIONS];
  const frz_offered_row *rows;
  FRZ_TRY(frz_offer_split(offer, &index->window, scratch, &rows, ends, err));
  for (size_t p = index->first; p < atomic_load(&index->end); p++) {
    uint32_t start = p != 0 ? ends[p - 1] : 0;
    if (ends[p] == start) continue;
    FRZ_TRY(compete_all(index, p, offer, rows + start, ends[p] - start, err));
    if (atomic_load_explicit(&index->bytes, memory_order_relaxed) > index->bytes_max)
      FRZ_TRY(shrink(index, err));
  }
  return FRZ_OK;
}

/* The rows of an offer whose keys have no place in the array: nulls, and keys beyond what the
 * manifests tell. */
static frz_status offer_others(frz_latest_index *index, const frz_offer *offer,
                               frz_offer_scratch *scratch, frz_error *err)
{
  frz_buf present;
  frz_buf_init(&present, index->alloc, SIZE_MAX / 2);
  frz_status st = frz_buf_append(&present, offer->keys->present, (size_t)offer->n_rows, err);
  for (int64_t i = 0; i < offer->n_rows && st == FRZ_OK; i++)
    if (frz_dense_winners_have(&index->dense, offer, i)) present.data[i] = 0;
  frz_key_batch keys = *offer->keys; /* lent */
  keys.present = present.data;
  frz_offer others = *offer;
  others.keys = &keys;
  if (st == FRZ_OK) st = offer_hashed(index, &others, scratch, err);
  frz_buf_dispose(&present);
  return st;
}

frz_status frz_latest_index_offer(frz_latest_index *index, const frz_offer *offer,
                                  frz_offer_scratch *scratch, frz_error *err)
{
  int64_t n_others;
  if (index->dense.n_keys == 0) return offer_hashed(index, offer, scratch, err);
  FRZ_TRY(frz_dense_winners_offer(&index->dense, offer, &index->window, index->sieve, scratch,
                                  &n_others, err));
  return n_others != 0 ? offer_others(index, offer, scratch, err) : FRZ_OK;
}

static frz_status gather_winners(const frz_latest_index *index, frz_buf *winners, frz_error *err)
{
  size_t n = 0, end = frz_latest_index_end(index);
  for (size_t p = index->first; p < end; p++) n += index->partitions[p].size;
  FRZ_TRY(frz_buf_resize(winners, n * sizeof(frz_slot_winner), err));
  frz_slot_winner *next = (frz_slot_winner *)(void *)winners->data;
  for (size_t p = index->first; p < end; p++) {
    const latest_partition *part = &index->partitions[p];
    for (size_t i = 0; i < part->capacity; i++) {
      const frz_candidate *best = &part->entries[i].best;
      if (best->file_rank == FRZ_NO_FILE) continue;
      *next++ = (frz_slot_winner){.position = best->position, .file_rank = best->file_rank};
    }
  }
  return FRZ_OK;
}

frz_status frz_latest_index_rows(const frz_latest_index *index, frz_buf *references, frz_error *err)
{
  frz_buf winners;
  frz_buf_init(&winners, index->alloc, SIZE_MAX / 2);
  frz_status st = gather_winners(index, &winners, err);
  if (st == FRZ_OK) st = frz_dense_winners_append(&index->dense, &winners, err);
  if (st == FRZ_OK && winners.size != 0) st = frz_slot_winners_sort(index->context, &winners, err);
  size_t n = winners.size / sizeof(frz_slot_winner), before = references->size;
  const frz_slot_winner *rows = (const frz_slot_winner *)(const void *)winners.data;
  if (st == FRZ_OK) st = frz_buf_resize(references, before + n * sizeof(frz_row_reference), err);
  for (size_t i = 0; i < n && st == FRZ_OK; i++)
    ((frz_row_reference *)(void *)(references->data + before))[i] =
        (frz_row_reference){rows[i].file_rank, rows[i].position};
  frz_buf_dispose(&winners);
  return st;
}
