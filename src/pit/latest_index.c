/*
 * latest_index.c - hash partitions of (key, best row), each behind a lock.
 *
 * Memory: 75 to 150 bytes a key, and the key's bytes where the hash is not the key itself.
 *
 * Invariants: capacity is zero or a power of two and at most three quarters full; an entry is free
 * exactly when its candidate has no file; `end` only falls, and partitions from it on are empty or
 * about to be emptied by the thread that lowered it. No thread waits for a partition while it holds
 * another.
 */
#include "pit/latest_index.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PARTITION_BITS = 8, CAPACITY_MIN = 16, ROWS_AHEAD = 12 };
static_assert(FRZ_LATEST_PARTITIONS == 1 << PARTITION_BITS, "one a value of the hash's top bits");

typedef struct latest_entry {
  uint64_t hash;
  frz_candidate best;
  frz_str key; /* in the partition's arena; empty when the hash is the key */
} latest_entry;

typedef struct latest_partition {
  pthread_mutex_t lock;
  frz_arena keys;
  latest_entry *entries;
  size_t capacity;
  size_t size;
  size_t counted_bytes; /* of its share of `bytes` */
} latest_partition;

struct frz_latest_index {
  const frz_alloc *alloc;
  frz_offer_window window;
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
  index->alloc = alloc;
  index->window = (frz_offer_window){least, greatest, false, PARTITION_BITS};
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

static void empty_partition(frz_latest_index *index, latest_partition *part)
{
  frz_alloc_free(index->alloc, part->entries, part->capacity * sizeof *part->entries);
  frz_arena_free(&part->keys);
  frz_arena_init(&part->keys, index->alloc, SIZE_MAX / 4);
  part->entries = NULL;
  part->capacity = 0;
  part->size = 0;
}

void frz_latest_index_free(frz_latest_index *index)
{
  if (index == NULL) return;
  for (size_t p = 0; p < FRZ_LATEST_PARTITIONS; p++) {
    empty_partition(index, &index->partitions[p]);
    pthread_mutex_destroy(&index->partitions[p].lock);
  }
  pthread_mutex_destroy(&index->shrinking);
  frz_alloc_free(index->alloc, index, sizeof *index);
}

size_t frz_latest_index_end(const frz_latest_index *index)
{
  return atomic_load(&index->end);
}

/* ---- memory ---- */

static size_t partition_bytes(const latest_partition *part)
{
  return part->capacity * sizeof *part->entries + part->keys.used_bytes;
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

static latest_entry *find_entry(const latest_partition *part, uint64_t hash, frz_str key)
{
  size_t mask = part->capacity - 1;
  size_t at = (size_t)hash & mask;
  for (;;) {
    latest_entry *entry = &part->entries[at];
    if (entry->best.file_rank == FRZ_NO_FILE) return entry;
    if (entry->hash == hash && (key.size == 0 || frz_str_equal(entry->key, key))) return entry;
    at = (at + 1) & mask;
  }
}

static frz_status grow(const frz_alloc *alloc, latest_partition *part, frz_error *err)
{
  latest_partition old = *part;
  size_t capacity = old.capacity != 0 ? old.capacity * 2 : CAPACITY_MIN;
  latest_entry *entries = frz_alloc_array(alloc, capacity, sizeof *entries);
  if (entries == NULL) return frz_fail_nomem(err, "latest rows");
  for (size_t i = 0; i < capacity; i++)
    entries[i] = (latest_entry){.best = {.file_rank = FRZ_NO_FILE}};
  part->entries = entries;
  part->capacity = capacity;
  for (size_t i = 0; i < old.capacity; i++)
    if (old.entries[i].best.file_rank != FRZ_NO_FILE)
      *find_entry(part, old.entries[i].hash, old.entries[i].key) = old.entries[i];
  frz_alloc_free(alloc, old.entries, old.capacity * sizeof *old.entries);
  return FRZ_OK;
}

static frz_status compete(const frz_alloc *alloc, latest_partition *part, const frz_offer *offer,
                          const frz_offered_row *row, frz_error *err)
{
  if (part->size >= part->capacity / 4 * 3) FRZ_TRY(grow(alloc, part, err));
  frz_str key = frz_key_batch_bytes(offer->keys, row->row);
  latest_entry *entry = find_entry(part, row->hash, key);
  frz_candidate candidate = frz_offer_candidate(offer, row->row);
  if (entry->best.file_rank == FRZ_NO_FILE) {
    frz_str copy = key.size != 0 ? frz_arena_copy(&part->keys, key) : (frz_str){0};
    if (key.size != 0 && copy.data == NULL) return frz_fail_nomem(err, "latest rows");
    entry->hash = row->hash;
    entry->key = copy;
    part->size++;
  }
  if (frz_candidate_beats(&candidate, &entry->best)) entry->best = candidate;
  return FRZ_OK;
}

/* An entry may lie across two lines of the cache. */
static void ask_for(const latest_partition *part, uint64_t hash)
{
  if (part->capacity == 0) return;
  const latest_entry *entry = &part->entries[(size_t)hash & (part->capacity - 1)];
  __builtin_prefetch(entry, 1);
  __builtin_prefetch((const uint8_t *)(entry + 1) - 1, 1);
}

static frz_status compete_all(frz_latest_index *index, size_t p, const frz_offer *offer,
                              const frz_offered_row *rows, size_t n, frz_error *err)
{
  latest_partition *part = &index->partitions[p];
  frz_status st = FRZ_OK;
  pthread_mutex_lock(&part->lock);
  if (p < atomic_load(&index->end)) {
    for (size_t i = 0; i < n && st == FRZ_OK; i++) {
      if (i + ROWS_AHEAD < n) ask_for(part, rows[i + ROWS_AHEAD].hash);
      st = compete(index->alloc, part, offer, &rows[i], err);
    }
    count_bytes(index, part);
  }
  pthread_mutex_unlock(&part->lock);
  return st;
}

frz_status frz_latest_index_offer(frz_latest_index *index, const frz_offer *offer,
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

static int compare_references(const void *a, const void *b)
{
  const frz_row_reference *left = a;
  const frz_row_reference *right = b;
  if (left->file_rank != right->file_rank) return left->file_rank < right->file_rank ? -1 : 1;
  return (left->position > right->position) - (left->position < right->position);
}

frz_status frz_latest_index_rows(const frz_latest_index *index, frz_buf *references, frz_error *err)
{
  size_t n = references->size / sizeof(frz_row_reference), end = frz_latest_index_end(index);
  for (size_t p = index->first; p < end; p++) n += index->partitions[p].size;
  FRZ_TRY(frz_buf_reserve(references, n * sizeof(frz_row_reference) - references->size, err));
  for (size_t p = index->first; p < end; p++) {
    const latest_partition *part = &index->partitions[p];
    for (size_t i = 0; i < part->capacity; i++) {
      const frz_candidate *best = &part->entries[i].best;
      if (best->file_rank == FRZ_NO_FILE) continue;
      frz_row_reference row = {best->file_rank, best->position};
      FRZ_TRY(frz_buf_append(references, &row, sizeof row, err));
    }
  }
  if (references->size != 0)
    qsort(references->data, references->size / sizeof(frz_row_reference), sizeof(frz_row_reference),
          compare_references);
  return FRZ_OK;
}
