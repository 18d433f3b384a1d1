/*
 * delete_cache.c - see delete_cache.h.
 *
 * One slot a delete file, found by the address of its manifest entry (entries live as long as the
 * plan, and the plan longer than the cache). Whoever finds a slot untouched reads the file, outside
 * the lock; others who need it wait. They wait for a running reader that waits for nobody, so tasks
 * of the pool may do so. A failed read leaves the slot untouched and reports to its reader; those
 * who waited try themselves.
 */
#include "iceberg/scan/delete_cache.h"

#include <pthread.h>

#include "base/map.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/scan/open_file.h"

typedef enum slot_state { SLOT_NEW, SLOT_READING, SLOT_READY } slot_state;

typedef struct slot slot;
struct slot {
  slot *next;
  slot_state state;
  frz_position_deletes *positions;
  size_t set; /* equality deletes: number of its set */
};

enum { BATCH_ROWS = 65536 };

struct frz_delete_cache {
  const frz_alloc *alloc;
  frz_context *context;
  frz_storage *storage;
  const frz_table_metadata *metadata;
  const frz_schema *schema;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  frz_map slots; /* entry address to slot address */
  slot *all;
  frz_map set_numbers; /* ids, spec and partition to the number of a set */
  frz_equality_set **sets;
  size_t n_sets, sets_capacity;
};

frz_status frz_delete_cache_create(frz_context *context, frz_storage *storage,
                                   const frz_table_metadata *metadata, const frz_schema *schema,
                                   frz_delete_cache **cache_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_delete_cache *cache = frz_alloc_zeroed(alloc, sizeof *cache);
  if (cache == NULL) return frz_fail_nomem(err, "delete files");
  cache->alloc = alloc;
  cache->context = context;
  cache->storage = storage;
  cache->metadata = metadata;
  cache->schema = schema;
  frz_map_init(&cache->slots, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  frz_map_init(&cache->set_numbers, alloc, FRZ_LIMIT_MANIFEST_BYTES);
  pthread_mutex_init(&cache->lock, NULL);
  pthread_cond_init(&cache->changed, NULL);
  *cache_out = cache;
  return FRZ_OK;
}

void frz_delete_cache_free(frz_delete_cache *cache)
{
  if (cache == NULL) return;
  const frz_alloc *alloc = cache->alloc;
  for (slot *at = cache->all; at != NULL;) {
    slot *next = at->next;
    frz_position_deletes_free(at->positions);
    frz_alloc_free(alloc, at, sizeof *at);
    at = next;
  }
  for (size_t i = 0; i < cache->n_sets; i++) frz_equality_set_free(cache->sets[i]);
  frz_alloc_free(alloc, cache->sets, cache->sets_capacity * sizeof *cache->sets);
  frz_map_dispose(&cache->slots);
  frz_map_dispose(&cache->set_numbers);
  pthread_cond_destroy(&cache->changed);
  pthread_mutex_destroy(&cache->lock);
  frz_alloc_free(alloc, cache, sizeof *cache);
}

/* ---- slots; all under the lock ---- */

static frz_status find_slot(frz_delete_cache *cache, const frz_manifest_entry *entry,
                            slot **slot_out, frz_error *err)
{
  uintptr_t address = (uintptr_t)entry;
  uint64_t *value;
  frz_str key = {(const char *)&address, sizeof address};
  FRZ_TRY(frz_map_insert(&cache->slots, key, 0, &value, NULL, err));
  if (*value == 0) {
    slot *made = frz_alloc_zeroed(cache->alloc, sizeof *made);
    if (made == NULL) return frz_fail_nomem(err, "delete files");
    made->next = cache->all;
    cache->all = made;
    *value = (uint64_t)(uintptr_t)made;
  }
  *slot_out = (slot *)(uintptr_t)*value;
  return FRZ_OK;
}

/** Wait until a slot is ready or this thread is the one to read it. */
static bool must_read(frz_delete_cache *cache, slot *self)
{
  while (self->state == SLOT_READING) pthread_cond_wait(&cache->changed, &cache->lock);
  if (self->state == SLOT_READY) return false;
  self->state = SLOT_READING;
  return true;
}

static void end_reading(frz_delete_cache *cache, slot *self, frz_status st)
{
  pthread_mutex_lock(&cache->lock);
  self->state = st == FRZ_OK ? SLOT_READY : SLOT_NEW;
  pthread_cond_broadcast(&cache->changed);
  pthread_mutex_unlock(&cache->lock);
}

/* ---- position deletes ---- */

frz_status frz_delete_cache_positions(frz_delete_cache *cache, const frz_manifest_entry *entry,
                                      const frz_position_deletes **deletes_out, frz_error *err)
{
  slot *self = NULL;
  pthread_mutex_lock(&cache->lock);
  frz_status st = find_slot(cache, entry, &self, err);
  bool read = st == FRZ_OK && must_read(cache, self);
  pthread_mutex_unlock(&cache->lock);
  if (read) {
    st = frz_position_deletes_read(cache->context, cache->storage, &entry->file, (frz_str){0},
                                   &self->positions, err);
    end_reading(cache, self, st);
  }
  if (st == FRZ_OK) *deletes_out = self->positions;
  return st;
}

/* ---- equality deletes ---- */

static frz_status add_set(frz_delete_cache *cache, const frz_data_file *file, frz_error *err)
{
  if (cache->n_sets == cache->sets_capacity) {
    size_t capacity = cache->sets_capacity != 0 ? cache->sets_capacity * 2 : 8;
    frz_equality_set **grown = frz_alloc_array(cache->alloc, capacity, sizeof *grown);
    if (grown == NULL) return frz_fail_nomem(err, "equality deletes");
    if (cache->n_sets != 0) memcpy(grown, cache->sets, cache->n_sets * sizeof *grown);
    frz_alloc_free(cache->alloc, cache->sets, cache->sets_capacity * sizeof *cache->sets);
    cache->sets = grown;
    cache->sets_capacity = capacity;
  }
  int64_t limit = frz_context_memory_limit(cache->context);
  FRZ_TRY(frz_equality_set_create(cache->alloc, file->equality_ids, file->n_equality_ids,
                                  (size_t)limit, &cache->sets[cache->n_sets], err));
  cache->n_sets++;
  return FRZ_OK;
}

static frz_status find_set(frz_delete_cache *cache, const frz_data_file *file, size_t *number_out,
                           frz_error *err)
{
  frz_status st = FRZ_OK;
  uint64_t *number = NULL;
  uint64_t n_ids = file->n_equality_ids;
  frz_buf key;
  frz_buf_init(&key, cache->alloc, FRZ_LIMIT_COLUMN_BYTES);
  FRZ_TRY_OUT(frz_buf_append(&key, &n_ids, sizeof n_ids, err));
  FRZ_TRY_OUT(frz_buf_append(&key, file->equality_ids,
                             file->n_equality_ids * sizeof *file->equality_ids, err));
  FRZ_TRY_OUT(frz_partition_key(file->spec_id, &file->partition, &key, err));
  FRZ_TRY_OUT(frz_map_insert(&cache->set_numbers, frz_buf_str(&key), SIZE_MAX, &number, NULL, err));
  if (*number == SIZE_MAX) {
    FRZ_TRY_OUT(add_set(cache, file, err));
    *number = cache->n_sets - 1;
  }
  *number_out = (size_t)*number;
out:
  frz_buf_dispose(&key);
  return st;
}

static frz_status read_keys(frz_file_reader *reader, const frz_open_file *file,
                            frz_equality_set *set, int64_t sequence, const frz_alloc *alloc,
                            frz_error *err)
{
  for (;;) {
    frz_leaf_column *columns;
    int64_t n_rows;
    FRZ_TRY(frz_file_reader_next_keys(reader, &columns, &n_rows, err));
    if (n_rows == 0) return FRZ_OK;
    frz_status st = frz_equality_set_add(set, columns, n_rows, sequence, err);
    frz_open_file_keys_free(file, columns, alloc);
    FRZ_TRY(st);
  }
}

static frz_status read_equality_file(frz_delete_cache *cache, const frz_manifest_entry *entry,
                                     frz_equality_set *set, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_open_file *file = NULL;
  frz_file_reader *reader = NULL;
  const frz_partition_spec *spec = frz_metadata_spec(cache->metadata, entry->file.spec_id);
  frz_projection projection = {
      .metadata = cache->metadata, .schema = cache->schema, .batch_rows_max = BATCH_ROWS};
  frz_scan_task task = {.entry = entry, .spec = spec};
  frz_open_options options = {.without_deletes = true};
  options.key_ids = frz_equality_set_ids(set, &options.n_key_ids);
  FRZ_TRY_OUT(frz_open_file_create(cache->context, cache->storage, &projection, &task, NULL,
                                   &options, &file, err));
  FRZ_TRY_OUT(frz_file_reader_over(file, NULL, 0, 1, &reader, err));
  FRZ_TRY_OUT(read_keys(reader, file, set, entry->data_sequence_number, cache->alloc, err));
out:
  if (st != FRZ_OK)
    frz_error_where(err, "equality deletes '%.*s': ", FRZ_STR_ARG(entry->file.path));
  frz_file_reader_free(reader);
  frz_open_file_free(file);
  return st;
}

static frz_status load_equality(frz_delete_cache *cache, const frz_manifest_entry *entry,
                                frz_equality_set **set_out, frz_error *err)
{
  slot *self = NULL;
  bool read = false;
  pthread_mutex_lock(&cache->lock);
  frz_status st = find_slot(cache, entry, &self, err);
  if (st == FRZ_OK && self->state != SLOT_READY) {
    st = find_set(cache, &entry->file, &self->set, err);
    read = st == FRZ_OK && must_read(cache, self);
  }
  if (st == FRZ_OK) *set_out = cache->sets[self->set];
  pthread_mutex_unlock(&cache->lock);
  if (!read) return st;
  st = read_equality_file(cache, entry, *set_out, err);
  end_reading(cache, self, st);
  return st;
}

frz_status frz_delete_cache_equality(frz_delete_cache *cache, const frz_scan_task *task,
                                     frz_arena *arena, frz_equality_set ***sets_out,
                                     size_t *n_sets_out, frz_error *err)
{
  frz_equality_set **sets = NULL;
  size_t n_sets = 0;
  size_t capacity = 0;
  for (size_t i = 0; i < task->n_equality_deletes; i++) {
    frz_equality_set *set = NULL;
    FRZ_TRY(load_equality(cache, task->equality_deletes[i], &set, err));
    bool known = false;
    for (size_t k = 0; k < n_sets && !known; k++) known = sets[k] == set;
    if (known) continue;
    if (n_sets == capacity) {
      capacity = capacity != 0 ? capacity * 2 : 4;
      frz_equality_set **grown = frz_arena_array(arena, capacity, sizeof(frz_equality_set *));
      if (grown == NULL) return frz_fail_nomem(err, "equality deletes");
      if (n_sets != 0) memcpy(grown, sets, n_sets * sizeof(frz_equality_set *));
      sets = grown;
    }
    sets[n_sets++] = set;
  }
  *sets_out = sets;
  *n_sets_out = n_sets;
  return FRZ_OK;
}
