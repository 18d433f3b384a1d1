/*
 * file_cache.c - see file_cache.h.
 *
 * A read is cut into the blocks that it touches. Those that the entry has are taken from it; the
 * others are read from the store in one call, whole, and written into the entry. A block that lies
 * whole inside a range goes straight to where the caller wants it, the others through memory of
 * their own. The store's object is opened when the first block is missing.
 *
 * What must stay true: bytes reach the caller only from the store, or from a block whose checksum
 * matches; the entry's size and etag are those of the object that is read.
 */
#include "storage/file_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "storage/cache_folder.h"

enum {
  WINDOW_RANGES = 256,          /* at a time: bounds the blocks that lie in memory of their own */
  WINDOW_BYTES_MAX = 256 << 20, /* of bookkeeping and of these */
  UUID_BYTES = 36
};

struct frz_file_cache {
  const frz_alloc *alloc;
  frz_cache_folder folder;
};

typedef struct cached_source {
  frz_source base;
  frz_file_cache *cache;
  frz_file_opener opener;
  frz_cache_object object;     /* its uri follows this struct */
  pthread_mutex_t lock;        /* while `inner` and `entry` are opened */
  _Atomic(frz_source *) inner; /* NULL: not needed yet */
  frz_source_counts passed_on; /* of inner's counts */
  atomic_int entry;            /* -1: none yet */
  atomic_bool keeps;           /* what is read may be written into the entry */
  size_t struct_bytes;
} cached_source;

/* ---- the store's object ---- */

static bool is_same_object(const frz_cache_object *object, const frz_source *inner)
{
  const char *etag = inner->etag != NULL ? inner->etag : "";
  return inner->size_bytes == object->size_bytes && strcmp(etag, object->etag) == 0;
}

static frz_status open_inner(cached_source *source, frz_error *err)
{
  frz_source *inner = NULL;
  const frz_cache_object *object = &source->object;
  FRZ_TRY(source->opener.open(source->opener.ctx, object->uri, &inner, err));
  if (is_same_object(object, inner)) {
    atomic_store(&source->inner, inner);
    return FRZ_OK;
  }
  frz_cache_entry_drop(&source->cache->folder, object);
  frz_status st = frz_fail(
      err, FRZ_ERR_CORRUPT,
      "%.*s was replaced since it was cached (%lld bytes then, %lld now): read again",
      FRZ_STR_ARG(object->uri), (long long)object->size_bytes, (long long)inner->size_bytes);
  frz_source_free(inner);
  return st;
}

static frz_status use_inner(cached_source *source, frz_source **inner_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  if (atomic_load(&source->inner) == NULL) {
    pthread_mutex_lock(&source->lock);
    if (atomic_load(&source->inner) == NULL) st = open_inner(source, err);
    pthread_mutex_unlock(&source->lock);
  }
  *inner_out = atomic_load(&source->inner);
  return st;
}

/* ---- a read ---- */

typedef struct block {
  int64_t index;
  uint8_t *bytes;
  size_t size;
  bool is_missing;
} block;

/* A part of a block that has memory of its own, and where it is wanted. */
typedef struct copy {
  const uint8_t *from;
  uint8_t *dest;
  size_t size;
} copy;

typedef struct read_plan {
  frz_arena arena;
  block *blocks;
  size_t n_blocks;
  copy *copies;
  size_t n_copies;
  frz_range *missing; /* joined where they are next to each other */
  size_t n_missing;
} read_plan;

static size_t block_size(const cached_source *source, int64_t index)
{
  int64_t left = source->base.size_bytes - index * FRZ_CACHE_BLOCK_BYTES;
  return left < FRZ_CACHE_BLOCK_BYTES ? (size_t)left : FRZ_CACHE_BLOCK_BYTES;
}

/* The block in memory of its own; the range before may have put it there. */
static block *own_block(read_plan *plan, int64_t index, size_t size)
{
  block *last = plan->n_blocks != 0 ? &plan->blocks[plan->n_blocks - 1] : NULL;
  if (last != NULL && last->index == index) return last;
  uint8_t *bytes = frz_arena_push(&plan->arena, size);
  if (bytes == NULL) return NULL;
  plan->blocks[plan->n_blocks] = (block){.index = index, .bytes = bytes, .size = size};
  return &plan->blocks[plan->n_blocks++];
}

static frz_status place(const cached_source *source, read_plan *plan, const frz_range *range,
                        frz_error *err)
{
  int64_t end = range->offset + (int64_t)range->size;
  for (int64_t index = range->offset / FRZ_CACHE_BLOCK_BYTES; index * FRZ_CACHE_BLOCK_BYTES < end;
       index++) {
    int64_t block_at = index * FRZ_CACHE_BLOCK_BYTES;
    size_t size = block_size(source, index);
    int64_t from = block_at > range->offset ? block_at : range->offset;
    int64_t to = block_at + (int64_t)size < end ? block_at + (int64_t)size : end;
    uint8_t *dest = range->dest + (from - range->offset);
    if (to - from == (int64_t)size) {
      plan->blocks[plan->n_blocks++] = (block){.index = index, .bytes = dest, .size = size};
      continue;
    }
    block *own = own_block(plan, index, size);
    if (own == NULL) return frz_fail_nomem(err, "cached read");
    plan->copies[plan->n_copies++] =
        (copy){own->bytes + (from - block_at), dest, (size_t)(to - from)};
  }
  return FRZ_OK;
}

static frz_status make_plan(const cached_source *source, const frz_range *const *ranges, size_t n,
                            read_plan *plan, frz_error *err)
{
  size_t n_max = 0;
  for (size_t i = 0; i < n; i++) n_max += ranges[i]->size / FRZ_CACHE_BLOCK_BYTES + 2;
  plan->blocks = frz_arena_array(&plan->arena, n_max, sizeof *plan->blocks);
  plan->copies = frz_arena_array(&plan->arena, 2 * n, sizeof *plan->copies);
  plan->missing = frz_arena_array(&plan->arena, n_max, sizeof *plan->missing);
  if (plan->blocks == NULL || plan->copies == NULL || plan->missing == NULL)
    return frz_fail_nomem(err, "cached read");
  for (size_t i = 0; i < n; i++) FRZ_TRY(place(source, plan, ranges[i], err));
  return FRZ_OK;
}

static void add_missing(read_plan *plan, const block *b)
{
  frz_range *last = plan->n_missing != 0 ? &plan->missing[plan->n_missing - 1] : NULL;
  int64_t offset = b->index * FRZ_CACHE_BLOCK_BYTES;
  if (last != NULL && last->offset + (int64_t)last->size == offset &&
      last->dest + last->size == b->bytes)
    last->size += b->size;
  else
    plan->missing[plan->n_missing++] = (frz_range){offset, b->size, b->bytes};
}

static void read_kept(cached_source *source, read_plan *plan)
{
  int entry = atomic_load(&source->entry);
  long long n_cached_bytes = 0;
  for (size_t i = 0; i < plan->n_blocks; i++) {
    block *b = &plan->blocks[i];
    b->is_missing = entry < 0 || !frz_cache_block_read(entry, b->index, b->bytes, b->size);
    if (b->is_missing)
      add_missing(plan, b);
    else
      n_cached_bytes += (long long)b->size;
  }
  atomic_fetch_add(&source->base.counts.n_cached_bytes, n_cached_bytes);
}

static int entry_for_writing(cached_source *source)
{
  pthread_mutex_lock(&source->lock);
  int entry = atomic_load(&source->entry);
  if (entry < 0) {
    entry = frz_cache_entry_create(&source->cache->folder, &source->object);
    atomic_store(&source->entry, entry);
  }
  pthread_mutex_unlock(&source->lock);
  return entry;
}

static void keep_missing(cached_source *source, const read_plan *plan)
{
  frz_cache_folder *folder = &source->cache->folder;
  size_t n_missing = 0;
  if (!atomic_load(&source->keeps)) return;
  int entry = entry_for_writing(source);
  if (entry < 0) return;
  for (size_t i = 0; i < plan->n_blocks; i++) n_missing += plan->blocks[i].is_missing;
  bool is_kept = frz_cache_blocks_reserve(folder, entry, n_missing);
  for (size_t i = 0; i < plan->n_blocks && is_kept; i++) {
    const block *b = &plan->blocks[i];
    if (b->is_missing) is_kept = frz_cache_block_write(folder, entry, b->index, b->bytes, b->size);
  }
}

static frz_status read_missing(cached_source *source, const read_plan *plan, frz_error *err)
{
  frz_source *inner;
  FRZ_TRY(use_inner(source, &inner, err));
  frz_status st = inner->read_ranges(inner, plan->missing, plan->n_missing, err);
  frz_source_counts_pass(&inner->counts, &source->passed_on, &source->base.counts);
  if (st == FRZ_OK) keep_missing(source, plan);
  return st;
}

static frz_status read_window(cached_source *source, const frz_range *const *ranges, size_t n,
                              frz_error *err)
{
  read_plan plan = {0};
  frz_arena_init(&plan.arena, source->cache->alloc, WINDOW_BYTES_MAX);
  frz_status st = make_plan(source, ranges, n, &plan, err);
  if (st == FRZ_OK) read_kept(source, &plan);
  if (st == FRZ_OK && plan.n_missing != 0) st = read_missing(source, &plan, err);
  for (size_t i = 0; i < plan.n_copies && st == FRZ_OK; i++)
    memcpy(plan.copies[i].dest, plan.copies[i].from, plan.copies[i].size);
  frz_arena_free(&plan.arena);
  return st;
}

static int compare_ranges(const void *a, const void *b)
{
  const frz_range *left = *(const frz_range *const *)a;
  const frz_range *right = *(const frz_range *const *)b;
  return (left->offset > right->offset) - (left->offset < right->offset);
}

static frz_status cached_read(frz_source *base, const frz_range *ranges, size_t n_ranges,
                              frz_error *err)
{
  cached_source *source = (cached_source *)base;
  const frz_alloc *alloc = source->cache->alloc;
  const frz_range **sorted = frz_alloc_array(alloc, n_ranges + 1, sizeof *sorted);
  if (sorted == NULL) return frz_fail_nomem(err, "cached read");
  frz_status st = FRZ_OK;
  size_t n = 0;
  for (size_t i = 0; i < n_ranges && st == FRZ_OK; i++) {
    st = frz_source_check_range(base, source->object.uri, &ranges[i], err);
    if (ranges[i].size != 0) sorted[n++] = &ranges[i];
  }
  if (st == FRZ_OK && n != 0) qsort(sorted, n, sizeof *sorted, compare_ranges);
  for (size_t at = 0; at < n && st == FRZ_OK; at += WINDOW_RANGES)
    st = read_window(source, sorted + at, n - at < WINDOW_RANGES ? n - at : WINDOW_RANGES, err);
  frz_alloc_free(alloc, sorted, (n_ranges + 1) * sizeof *sorted);
  return st;
}

/* ---- opening ---- */

static bool is_hex(char c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Does the last part of the name hold a UUID, as 8-4-4-4-12 hexadecimal digits? */
static bool names_uuid(frz_str uri)
{
  size_t start = uri.size;
  while (start != 0 && uri.data[start - 1] != '/') start--;
  for (size_t at = start; at + UUID_BYTES <= uri.size; at++) {
    bool is_uuid = true;
    for (size_t i = 0; i < UUID_BYTES && is_uuid; i++) {
      bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
      is_uuid = is_dash ? uri.data[at + i] == '-' : is_hex(uri.data[at + i]);
    }
    if (is_uuid) return true;
  }
  return false;
}

static void cached_free(frz_source *base)
{
  cached_source *source = (cached_source *)base;
  frz_file_opener opener = source->opener;
  int entry = atomic_load(&source->entry);
  if (entry >= 0) close(entry);
  frz_source_free(atomic_load(&source->inner));
  pthread_mutex_destroy(&source->lock);
  frz_alloc_free(source->cache->alloc, source, source->struct_bytes);
  opener.release(opener.ctx);
}

static frz_status source_create(frz_file_cache *cache, const frz_file_opener *opener, frz_str uri,
                                cached_source **source_out, frz_error *err)
{
  size_t struct_bytes = sizeof(cached_source) + uri.size;
  cached_source *source = frz_alloc_zeroed(cache->alloc, struct_bytes);
  if (source == NULL) return frz_fail_nomem(err, "cached file");
  if (pthread_mutex_init(&source->lock, NULL) != 0) {
    frz_alloc_free(cache->alloc, source, struct_bytes);
    return frz_fail_nomem(err, "cached file");
  }
  source->struct_bytes = struct_bytes;
  source->cache = cache;
  source->opener = *opener;
  source->object.store = opener->store;
  memcpy(source + 1, uri.data, uri.size);
  source->object.uri = (frz_str){(const char *)(source + 1), uri.size};
  atomic_init(&source->inner, NULL);
  atomic_init(&source->entry, -1);
  atomic_init(&source->keeps, true);
  source->base.read_ranges = cached_read;
  source->base.free = cached_free;
  opener->retain(opener->ctx);
  *source_out = source;
  return FRZ_OK;
}

/* Ask the store what the object is now. An entry of another is dropped; without an etag nothing
 * tells that it is not. */
static frz_status ask_store(cached_source *source, bool is_unique, frz_error *err)
{
  frz_source *inner = NULL;
  frz_cache_object *object = &source->object;
  int entry = atomic_load(&source->entry);
  FRZ_TRY(source->opener.open(source->opener.ctx, object->uri, &inner, err));
  atomic_store(&source->inner, inner);
  frz_source_counts_pass(&inner->counts, &source->passed_on, &source->base.counts);
  if (entry >= 0 && !is_same_object(object, inner)) {
    close(entry);
    atomic_store(&source->entry, -1);
    frz_cache_entry_drop(&source->cache->folder, object);
  }
  const char *etag = inner->etag != NULL ? inner->etag : "";
  size_t etag_bytes = strlen(etag);
  bool fits = etag_bytes <= FRZ_CACHE_ETAG_BYTES_MAX;
  object->size_bytes = inner->size_bytes;
  memcpy(object->etag, etag, fits ? etag_bytes + 1 : 0);
  if (!fits || (etag_bytes == 0 && !is_unique)) atomic_store(&source->keeps, false);
  return FRZ_OK;
}

frz_status frz_file_cache_open(frz_file_cache *cache, const frz_file_opener *opener, frz_str uri,
                               frz_source **source_out, frz_error *err)
{
  cached_source *source;
  FRZ_TRY(source_create(cache, opener, uri, &source, err));
  frz_status st = FRZ_OK;
  bool is_unique = names_uuid(uri);
  atomic_store(&source->entry, frz_cache_entry_open(&cache->folder, &source->object));
  if (!is_unique || atomic_load(&source->entry) < 0) st = ask_store(source, is_unique, err);
  if (st != FRZ_OK) {
    cached_free(&source->base);
    return st;
  }
  source->base.size_bytes = source->object.size_bytes;
  source->base.is_remote = true;
  if (source->object.etag[0] != '\0') source->base.etag = source->object.etag;
  *source_out = &source->base;
  return FRZ_OK;
}

/* ---- the cache ---- */

void frz_file_cache_forget(frz_file_cache *cache, uint64_t store, frz_str uri)
{
  const frz_cache_object object = {.store = store, .uri = uri};
  frz_cache_entry_drop(&cache->folder, &object);
}

frz_status frz_file_cache_create(frz_context *context, frz_str folder, int64_t max_bytes,
                                 frz_file_cache **cache_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_file_cache *cache = frz_alloc_zeroed(alloc, sizeof *cache);
  if (cache == NULL) return frz_fail_nomem(err, "file cache");
  cache->alloc = alloc;
  frz_status st = frz_cache_folder_open(context, folder, max_bytes, &cache->folder, err);
  if (st == FRZ_OK)
    *cache_out = cache;
  else
    frz_file_cache_free(cache);
  return st;
}

void frz_file_cache_free(frz_file_cache *cache)
{
  if (cache == NULL) return;
  frz_cache_folder_close(&cache->folder);
  frz_alloc_free(cache->alloc, cache, sizeof *cache);
}
