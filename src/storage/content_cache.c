/*
 * content_cache.c - see content_cache.h.
 *
 * Contents hang in buckets by the hash of their name, and in one list from the most to the least
 * recently used, whose end goes when room is needed.
 *
 * Invariants, under the lock: a content is in its bucket exactly when it is in the list;
 * `kept_bytes` is the sum of those in the list and at most `max_bytes`; the cache holds one
 * reference to each.
 */
#include "storage/content_cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/map.h"

enum { N_BUCKETS = 1024 };

struct frz_content {
  atomic_int references;
  frz_buf bytes;
  frz_content *next_in_bucket;
  frz_content *newer, *older;
  uint64_t hash;
  size_t name_bytes;
  char name[];
};

struct frz_content_cache {
  const frz_alloc *alloc;
  pthread_mutex_t lock;
  size_t max_bytes, max_content_bytes;
  size_t kept_bytes;
  frz_content *newest, *oldest;
  frz_content *buckets[N_BUCKETS];
};

frz_status frz_content_cache_create(const frz_alloc *alloc, size_t max_bytes,
                                    size_t max_content_bytes, frz_content_cache **cache_out,
                                    frz_error *err)
{
  frz_content_cache *cache = frz_alloc_zeroed(alloc, sizeof *cache);
  if (cache == NULL) return frz_fail_nomem(err, "content cache");
  if (pthread_mutex_init(&cache->lock, NULL) != 0) {
    frz_alloc_free(alloc, cache, sizeof *cache);
    return frz_fail_nomem(err, "content cache");
  }
  cache->alloc = alloc;
  cache->max_bytes = max_bytes;
  cache->max_content_bytes = max_content_bytes < max_bytes ? max_content_bytes : max_bytes;
  *cache_out = cache;
  return FRZ_OK;
}

/* ---- one content ---- */

frz_str frz_content_bytes(const frz_content *content)
{
  return frz_buf_str(&content->bytes);
}

static frz_content *retain(frz_content *content)
{
  atomic_fetch_add_explicit(&content->references, 1, memory_order_relaxed);
  return content;
}

void frz_content_release(frz_content *content)
{
  if (content == NULL) return;
  if (atomic_fetch_sub_explicit(&content->references, 1, memory_order_acq_rel) != 1) return;
  const frz_alloc *alloc = content->bytes.alloc;
  frz_buf_dispose(&content->bytes);
  frz_alloc_free(alloc, content, sizeof *content + content->name_bytes);
}

static frz_status content_create(frz_str name, frz_buf *bytes, frz_content **content_out,
                                 frz_error *err)
{
  const frz_alloc *alloc = bytes->alloc;
  frz_content *content = frz_alloc_zeroed(alloc, sizeof *content + name.size);
  if (content == NULL) {
    frz_buf_dispose(bytes);
    return frz_fail_nomem(err, "content cache");
  }
  atomic_init(&content->references, 1);
  content->bytes = *bytes;
  frz_buf_init(bytes, alloc, 0);
  content->hash = frz_hash_bytes(name.data, name.size, 0);
  content->name_bytes = name.size;
  memcpy(content->name, name.data, name.size);
  *content_out = content;
  return FRZ_OK;
}

/* ---- the list and the buckets, under the lock ---- */

static frz_content **place_of(frz_content_cache *cache, frz_str name, uint64_t hash)
{
  frz_content **at = &cache->buckets[hash % N_BUCKETS];
  while (*at != NULL &&
         ((*at)->hash != hash || !frz_str_equal((frz_str){(*at)->name, (*at)->name_bytes}, name)))
    at = &(*at)->next_in_bucket;
  return at;
}

static void unlink_from_list(frz_content_cache *cache, frz_content *content)
{
  *(content->newer != NULL ? &content->newer->older : &cache->newest) = content->older;
  *(content->older != NULL ? &content->older->newer : &cache->oldest) = content->newer;
}

static void put_first(frz_content_cache *cache, frz_content *content)
{
  content->newer = NULL;
  content->older = cache->newest;
  *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = content;
  cache->newest = content;
}

static void drop_oldest(frz_content_cache *cache)
{
  frz_content *content = cache->oldest;
  assert(content != NULL);
  *place_of(cache, (frz_str){content->name, content->name_bytes}, content->hash) =
      content->next_in_bucket;
  unlink_from_list(cache, content);
  cache->kept_bytes -= content->bytes.size;
  frz_content_release(content);
}

/* ---- the cache ---- */

void frz_content_cache_free(frz_content_cache *cache)
{
  if (cache == NULL) return;
  while (cache->oldest != NULL) drop_oldest(cache);
  assert(cache->kept_bytes == 0);
  pthread_mutex_destroy(&cache->lock);
  frz_alloc_free(cache->alloc, cache, sizeof *cache);
}

frz_content *frz_content_cache_find(frz_content_cache *cache, frz_str name)
{
  uint64_t hash = frz_hash_bytes(name.data, name.size, 0);
  pthread_mutex_lock(&cache->lock);
  frz_content *found = *place_of(cache, name, hash);
  if (found != NULL) {
    unlink_from_list(cache, found);
    put_first(cache, found);
    retain(found);
  }
  pthread_mutex_unlock(&cache->lock);
  return found;
}

frz_status frz_content_cache_add(frz_content_cache *cache, frz_str name, frz_buf *bytes,
                                 frz_content **content_out, frz_error *err)
{
  frz_content *content = NULL;
  FRZ_TRY(content_create(name, bytes, &content, err));
  size_t size = content->bytes.size;
  pthread_mutex_lock(&cache->lock);
  frz_content **at = place_of(cache, name, content->hash);
  if (*at != NULL) {
    frz_content_release(content);
    content = retain(*at);
  } else if (size <= cache->max_content_bytes) {
    *at = retain(content);
    put_first(cache, content);
    cache->kept_bytes += size;
    while (cache->kept_bytes > cache->max_bytes) drop_oldest(cache);
  }
  pthread_mutex_unlock(&cache->lock);
  *content_out = content;
  return FRZ_OK;
}
