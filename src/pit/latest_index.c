/*
 * latest_index.c - hash partitions of (key, best row), each behind a lock.
 *
 * Memory: about 48 bytes a key, and the key's bytes where the hash is not the key itself.
 *
 * Invariants: capacity is zero or a power of two and at most three quarters full; an entry is free
 * exactly when its candidate has no file.
 */
#include "pit/latest_index.h"

#include <pthread.h>
#include <stdlib.h>

enum { PARTITION_BITS = 8, N_PARTITIONS = 1 << PARTITION_BITS };

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
} latest_partition;

struct frz_latest_index {
  const frz_alloc *alloc;
  frz_offer_window window;
  latest_partition partitions[N_PARTITIONS];
};

frz_status frz_latest_index_create(frz_context *context, int64_t least, int64_t greatest,
                                   frz_latest_index **index_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_latest_index *index = frz_alloc_zeroed(alloc, sizeof *index);
  if (index == NULL) return frz_fail_nomem(err, "latest rows");
  index->alloc = alloc;
  index->window = (frz_offer_window){least, greatest, false, PARTITION_BITS};
  for (size_t p = 0; p < N_PARTITIONS; p++) {
    pthread_mutex_init(&index->partitions[p].lock, NULL);
    frz_arena_init(&index->partitions[p].keys, alloc, SIZE_MAX / 4);
  }
  *index_out = index;
  return FRZ_OK;
}

void frz_latest_index_free(frz_latest_index *index)
{
  if (index == NULL) return;
  for (size_t p = 0; p < N_PARTITIONS; p++) {
    latest_partition *part = &index->partitions[p];
    frz_alloc_free(index->alloc, part->entries, part->capacity * sizeof *part->entries);
    frz_arena_free(&part->keys);
    pthread_mutex_destroy(&part->lock);
  }
  frz_alloc_free(index->alloc, index, sizeof *index);
}

static latest_entry *find_entry(const latest_partition *part, uint64_t hash, frz_str key)
{
  size_t mask = part->capacity - 1;
  size_t at = (size_t)hash & mask;
  for (;;) {
    latest_entry *entry = &part->entries[at];
    if (entry->best.file_rank == FRZ_NO_FILE) return entry;
    if (entry->hash == hash && frz_str_equal(entry->key, key)) return entry;
    at = (at + 1) & mask;
  }
}

static frz_status grow(const frz_alloc *alloc, latest_partition *part, frz_error *err)
{
  latest_partition old = *part;
  size_t capacity = old.capacity != 0 ? old.capacity * 2 : 64;
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

frz_status frz_latest_index_offer(frz_latest_index *index, const frz_offer *offer,
                                  frz_offer_scratch *scratch, frz_error *err)
{
  uint32_t ends[N_PARTITIONS];
  const frz_offered_row *rows;
  FRZ_TRY(frz_offer_split(offer, &index->window, scratch, &rows, ends, err));
  uint32_t at = 0;
  for (size_t p = 0; p < N_PARTITIONS; p++) {
    if (ends[p] == at) continue;
    latest_partition *part = &index->partitions[p];
    frz_status st = FRZ_OK;
    pthread_mutex_lock(&part->lock);
    for (; at < ends[p] && st == FRZ_OK; at++)
      st = compete(index->alloc, part, offer, &rows[at], err);
    pthread_mutex_unlock(&part->lock);
    FRZ_TRY(st);
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
  for (size_t p = 0; p < N_PARTITIONS; p++) {
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
