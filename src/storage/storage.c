/*
 * storage.c - choose the operations for a URI by its scheme; whole reads and writes over them.
 *
 * A storage made with frz_storage_create() knows the schemes of this build. A wrapped one has a
 * single set of operations for every URI, so that a test sees all traffic.
 *
 * What must stay true: references are counted with atomics, since streams on several threads share
 * a storage; the last release ends the operations.
 */
#include "storage/storage.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/os.h"
#include "codec/checksum.h"
#include "storage/azure_blob.h"
#include "storage/file_cache.h"
#include "storage/gcs_object.h"
#include "storage/kept_sources.h"
#include "storage/local_storage.h"
#include "storage/s3_storage.h"
#include "storage/store_text.h"

enum { PROPERTY_BYTES_MAX = 16 << 20, N_STORES = 3 };

/* Stores of objects, by the schemes of their URIs. */
static const struct {
  const char *schemes[6];
  frz_status (*create)(frz_context *context, const frz_property *properties, size_t n_properties,
                       const frz_storage_lender *lender, void *lender_ctx, void **store_out,
                       frz_error *err);
  const frz_storage_ops *(*ops)(void);
} kinds[N_STORES] = {
    {{"s3", "s3a", "s3n"}, frz_s3_create, frz_s3_storage_ops},
    {{"gs", "gcs"}, frz_gcs_create, frz_gcs_storage_ops},
    {{"abfss", "abfs", "wasbs", "wasb", "az"}, frz_azure_create, frz_azure_storage_ops}};

struct frz_storage {
  const frz_alloc *alloc;
  atomic_size_t n_references;
  frz_context *context;
  frz_content_cache *manifest_cache; /* NULL: none */
  frz_file_cache *file_cache;        /* NULL: none */
  frz_arena arena;                   /* owns the properties */
  frz_property *properties;
  size_t n_properties;
  const frz_storage_lender *lender; /* NULL: none */
  void *lender_ctx;
  pthread_mutex_t lock;             /* while a store is set up */
  _Atomic(void *) stores[N_STORES]; /* as `kinds`; NULL: not used yet */
  frz_storage *inner;               /* of a view, which counts or keeps; retained */
  frz_storage_counts *counts;       /* of a view */
  frz_kept_sources *kept;           /* of a view */
  bool wrapped;
  frz_storage_ops ops; /* of a wrapped storage */
  void *ctx;
};

/* The scheme of "scheme://rest" or "file:rest"; empty for a plain path. */
static frz_str scheme_of(frz_str uri)
{
  size_t n = 0;
  while (n < uri.size && n < 32 &&
         ((uri.data[n] >= 'a' && uri.data[n] <= 'z') ||
          (uri.data[n] >= 'A' && uri.data[n] <= 'Z') ||
          (n != 0 && ((uri.data[n] >= '0' && uri.data[n] <= '9') || uri.data[n] == '+' ||
                      uri.data[n] == '-' || uri.data[n] == '.'))))
    n++;
  frz_str scheme = {uri.data, n};
  if (n == 0 || n == uri.size || uri.data[n] != ':') return (frz_str){0};
  if (frz_str_is_word(scheme, "file")) return scheme;
  bool has_slashes = uri.size - n >= 3 && memcmp(uri.data + n, "://", 3) == 0;
  return has_slashes ? scheme : (frz_str){0};
}

static bool is_file(frz_str scheme)
{
  return frz_str_is_word(scheme, "file");
}

bool frz_storage_local_path(frz_str uri, frz_str *path_out)
{
  frz_str scheme = scheme_of(uri);
  if (scheme.size == 0) {
    *path_out = uri;
    return true;
  }
  if (!is_file(scheme)) return false;
  frz_str path = {uri.data + 5, uri.size - 5};
  if (frz_str_starts(path, "//")) { /* an authority follows: none, or this machine */
    path = (frz_str){path.data + 2, path.size - 2};
    if (frz_str_starts(path, "localhost/")) path = (frz_str){path.data + 9, path.size - 9};
    if (!frz_str_starts(path, "/")) return false;
  }
  *path_out = path;
  return true;
}

frz_status frz_storage_absolute(frz_str uri, frz_buf *out, frz_error *err)
{
  frz_str path;
  bool is_relative = frz_storage_local_path(uri, &path) && path.size != 0 && path.data[0] != '/';
  if (!is_relative) return frz_buf_append_str(out, uri, err);
  while (frz_str_starts(path, "./")) path = (frz_str){path.data + 2, path.size - 2};
  FRZ_TRY(frz_os_current_folder(out, err));
  FRZ_TRY(frz_buf_append_byte(out, '/', err));
  return frz_buf_append_str(out, path, err);
}

/* ---- the caches ---- */

#define CACHE_BYTES_DEFAULT ((size_t)100 << 20)
#define CACHE_CONTENT_BYTES_DEFAULT ((size_t)8 << 20)
#define FILE_CACHE_BYTES_DEFAULT ((size_t)10 << 30)

static frz_status size_property(const frz_property *property, size_t *value_out, frz_error *err)
{
  size_t value = 0;
  const char *at = property->value;
  for (; *at >= '0' && *at <= '9' && value <= SIZE_MAX / 10 - 9; at++)
    value = value * 10 + (size_t)(*at - '0');
  if (*at != '\0' || at == property->value)
    return frz_fail(err, FRZ_ERR_INVALID, "property %s: '%s' is not a number of bytes",
                    property->key, property->value);
  *value_out = value;
  return FRZ_OK;
}

static frz_status make_manifest_cache(frz_storage *storage, const frz_property *properties,
                                      size_t n_properties, frz_error *err)
{
  bool enabled = false;
  size_t total = CACHE_BYTES_DEFAULT;
  size_t content = CACHE_CONTENT_BYTES_DEFAULT;
  for (size_t i = 0; i < n_properties; i++) {
    frz_str key = frz_str_from(properties[i].key);
    frz_str value = frz_str_from(properties[i].value);
    if (frz_str_is(key, "io.manifest.cache-enabled")) {
      FRZ_TRY(frz_property_flag(key, value, &enabled, err));
    } else if (frz_str_is(key, "io.manifest.cache.max-total-bytes")) {
      FRZ_TRY(size_property(&properties[i], &total, err));
    } else if (frz_str_is(key, "io.manifest.cache.max-content-length")) {
      FRZ_TRY(size_property(&properties[i], &content, err));
    }
  }
  if (!enabled) return FRZ_OK;
  return frz_content_cache_create(storage->alloc, total, content, &storage->manifest_cache, err);
}

static frz_status make_file_cache(frz_storage *storage, const frz_property *properties,
                                  size_t n_properties, frz_error *err)
{
  frz_str folder = {0};
  size_t max_bytes = FILE_CACHE_BYTES_DEFAULT;
  for (size_t i = 0; i < n_properties; i++) {
    frz_str key = frz_str_from(properties[i].key);
    if (frz_str_is(key, "cache.directory")) folder = frz_str_from(properties[i].value);
    if (frz_str_is(key, "cache.max-bytes")) FRZ_TRY(size_property(&properties[i], &max_bytes, err));
  }
  if (folder.size == 0) return FRZ_OK;
  if (max_bytes > INT64_MAX / 2) max_bytes = INT64_MAX / 2;
  return frz_file_cache_create(storage->context, folder, (int64_t)max_bytes, &storage->file_cache,
                               err);
}

/* ---- the storage ---- */

static frz_status keep_properties(frz_storage *storage, const frz_property *properties, size_t n,
                                  frz_error *err)
{
  storage->properties = frz_arena_array(&storage->arena, n, sizeof *properties);
  if (storage->properties == NULL) return frz_fail_nomem(err, "storage");
  for (size_t i = 0; i < n; i++) {
    frz_str key = frz_arena_copy(&storage->arena, frz_str_from(properties[i].key));
    frz_str value = frz_arena_copy(&storage->arena, frz_str_from(properties[i].value));
    if (key.data == NULL || value.data == NULL) return frz_fail_nomem(err, "storage");
    storage->properties[storage->n_properties++] = (frz_property){key.data, value.data};
  }
  return FRZ_OK;
}

bool frz_storage_takes_property(frz_str key)
{
  return frz_str_starts(key, "s3.") || frz_str_starts(key, "client.") ||
         frz_str_starts(key, "gcs.") || frz_str_starts(key, "adls.");
}

void frz_storage_set_lender(frz_storage *storage, const frz_storage_lender *lender, void *ctx)
{
  assert(storage->lender == NULL);
  for (size_t i = 0; i < N_STORES; i++) assert(atomic_load(&storage->stores[i]) == NULL);
  storage->lender = lender;
  storage->lender_ctx = ctx;
  lender->retain(ctx);
}

frz_content_cache *frz_storage_manifest_cache(frz_storage *storage)
{
  while (storage->inner != NULL) storage = storage->inner;
  return storage->manifest_cache;
}

frz_status frz_storage_create(frz_context *context, const frz_property *properties,
                              size_t n_properties, frz_storage **storage_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_storage *storage = frz_alloc_zeroed(alloc, sizeof *storage);
  if (storage == NULL) return frz_fail_nomem(err, "storage");
  storage->context = context;
  storage->alloc = alloc;
  atomic_init(&storage->n_references, 1);
  for (size_t i = 0; i < N_STORES; i++) atomic_init(&storage->stores[i], NULL);
  pthread_mutex_init(&storage->lock, NULL);
  frz_arena_init(&storage->arena, alloc, PROPERTY_BYTES_MAX);
  frz_status st = keep_properties(storage, properties, n_properties, err);
  if (st == FRZ_OK) st = make_manifest_cache(storage, properties, n_properties, err);
  if (st == FRZ_OK) st = make_file_cache(storage, properties, n_properties, err);
  if (st == FRZ_OK)
    *storage_out = storage;
  else
    frz_storage_release(storage);
  return st;
}

frz_status frz_storage_wrap(frz_context *context, const frz_storage_ops *ops, void *ctx,
                            frz_storage **storage_out, frz_error *err)
{
  if (ops->version != 1)
    return frz_fail(err, FRZ_ERR_INVALID, "storage operations of version %d", (int)ops->version);
  frz_storage *storage = NULL;
  FRZ_TRY(frz_storage_create(context, NULL, 0, &storage, err));
  storage->wrapped = true;
  storage->ops = *ops;
  storage->ctx = ctx;
  *storage_out = storage;
  return FRZ_OK;
}

frz_storage *frz_storage_retain(frz_storage *storage)
{
  size_t before = atomic_fetch_add(&storage->n_references, 1);
  assert(before != 0);
  (void)before;
  return storage;
}

void frz_storage_release(frz_storage *storage)
{
  if (storage == NULL) return;
  size_t before = atomic_fetch_sub(&storage->n_references, 1);
  assert(before != 0);
  if (before != 1) return;
  frz_kept_sources_free(storage->kept);
  frz_content_cache_free(storage->manifest_cache);
  frz_file_cache_free(storage->file_cache);
  for (size_t i = 0; i < N_STORES; i++) {
    void *store = atomic_load(&storage->stores[i]);
    if (store != NULL) kinds[i].ops()->free(store);
  }
  if (storage->lender != NULL) storage->lender->release(storage->lender_ctx);
  frz_arena_free(&storage->arena);
  pthread_mutex_destroy(&storage->lock);
  if (storage->wrapped && storage->ops.free != NULL) storage->ops.free(storage->ctx);
  frz_storage_release(storage->inner);
  frz_alloc_free(storage->alloc, storage, sizeof *storage);
}

/* ---- counting ---- */

typedef struct counted_source {
  frz_source base;
  frz_source *inner;
  frz_source_counts passed_on; /* of inner's counts, to this one's */
  frz_source_counts counted;   /* of this one's, to the view's */
  frz_storage_counts *counts;
  const frz_alloc *alloc;
} counted_source;

/* To the view, and to a view of the view. */
static void pass_counts(counted_source *self)
{
  frz_source_counts_pass(&self->inner->counts, &self->passed_on, &self->base.counts);
  frz_source_counts_pass(&self->base.counts, &self->counted, &self->counts->sources);
}

static frz_status counted_read(frz_source *source, const frz_range *ranges, size_t n_ranges,
                               frz_error *err)
{
  counted_source *self = (counted_source *)source;
  int64_t bytes = 0;
  for (size_t i = 0; i < n_ranges; i++) bytes += (int64_t)ranges[i].size;
  atomic_fetch_add(&self->counts->n_requests, (long long)n_ranges);
  atomic_fetch_add(&self->counts->n_bytes, bytes);
  frz_status st = self->inner->read_ranges(self->inner, ranges, n_ranges, err);
  pass_counts(self);
  return st;
}

static void counted_free(frz_source *source)
{
  counted_source *self = (counted_source *)source;
  frz_source_free(self->inner);
  frz_alloc_free(self->alloc, self, sizeof *self);
}

/* Takes `inner`, on failure too. */
static frz_status count_source(const frz_storage *storage, frz_source *inner,
                               frz_source **source_out, frz_error *err)
{
  counted_source *self = frz_alloc_zeroed(storage->alloc, sizeof *self);
  if (self == NULL) {
    frz_source_free(inner);
    return frz_fail_nomem(err, "file");
  }
  self->base.size_bytes = inner->size_bytes;
  self->base.read_ranges = counted_read;
  self->base.free = counted_free;
  self->base.etag = inner->etag;
  self->base.is_remote = inner->is_remote;
  self->inner = inner;
  self->counts = storage->counts;
  self->alloc = storage->alloc;
  pass_counts(self);
  *source_out = &self->base;
  return FRZ_OK;
}

frz_status frz_storage_count(frz_storage *storage, frz_storage_counts *counts,
                             frz_storage **view_out, frz_error *err)
{
  frz_storage *view;
  FRZ_TRY(frz_storage_create(storage->context, NULL, 0, &view, err));
  view->inner = frz_storage_retain(storage);
  view->counts = counts;
  *view_out = view;
  return FRZ_OK;
}

frz_status frz_storage_keep(frz_storage *storage, size_t n_files, frz_storage **view_out,
                            frz_error *err)
{
  frz_storage *view;
  FRZ_TRY(frz_storage_create(storage->context, NULL, 0, &view, err));
  frz_status st = frz_kept_sources_create(storage->alloc, n_files, &view->kept, err);
  if (st != FRZ_OK) {
    frz_storage_release(view);
    return st;
  }
  view->inner = frz_storage_retain(storage);
  *view_out = view;
  return FRZ_OK;
}

/* The operations for a URI and what to call them with. */
typedef struct target {
  const frz_storage_ops *ops;
  void *ctx;
} target;

/* Set up on first use, so that a catalog of local files is not asked for S3's properties. */
static frz_status use_store(frz_storage *storage, size_t kind, target *target_out, frz_error *err)
{
  _Atomic(void *) *place = &storage->stores[kind];
  void *store = atomic_load(place);
  frz_status st = FRZ_OK;
  if (store == NULL) {
    pthread_mutex_lock(&storage->lock);
    store = atomic_load(place);
    if (store == NULL)
      st = kinds[kind].create(storage->context, storage->properties, storage->n_properties,
                              storage->lender, storage->lender_ctx, &store, err);
    if (st == FRZ_OK) atomic_store(place, store);
    pthread_mutex_unlock(&storage->lock);
  }
  if (st == FRZ_OK) *target_out = (target){kinds[kind].ops(), store};
  return st;
}

/* N_STORES: none. */
static size_t kind_of(frz_str scheme)
{
  for (size_t kind = 0; kind < N_STORES; kind++)
    for (const char *const *name = kinds[kind].schemes; *name != NULL; name++)
      if (frz_str_is_word(scheme, *name)) return kind;
  return N_STORES;
}

static frz_status choose(frz_storage *storage, frz_str uri, target *target_out, frz_error *err)
{
  if (uri.size == 0) return frz_fail(err, FRZ_ERR_INVALID, "empty URI");
  while (storage->inner != NULL) storage = storage->inner;
  if (storage->wrapped) {
    *target_out = (target){&storage->ops, storage->ctx};
    return FRZ_OK;
  }
  frz_str path;
  if (frz_storage_local_path(uri, &path)) {
    *target_out = (target){frz_local_storage_ops(), (void *)(uintptr_t)storage->alloc};
    return FRZ_OK;
  }
  frz_str scheme = scheme_of(uri);
  size_t kind = kind_of(scheme);
  if (kind != N_STORES) return use_store(storage, kind, target_out, err);
  if (is_file(scheme))
    return frz_fail(err, FRZ_ERR_INVALID, "'%.*s' names another machine: write file:///path",
                    FRZ_STR_ARG(uri));
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "'%.*s': this build has no storage for '%.*s://'",
                  FRZ_STR_ARG(uri), FRZ_STR_ARG(scheme));
}

frz_status frz_storage_open(frz_storage *storage, frz_str uri, frz_source **source_out,
                            frz_error *err)
{
  target to = {0};
  FRZ_TRY(choose(storage, uri, &to, err));
  if (storage->counts == NULL) return to.ops->open(to.ctx, uri, source_out, err);
  frz_source *inner;
  FRZ_TRY(to.ops->open(to.ctx, uri, &inner, err));
  return count_source(storage, inner, source_out, err);
}

/* ---- opening through the cache of files ---- */

/* Where a store is, told by its properties: objects of one URI may lie at several endpoints. */
static frz_status hash_place(void *arg, frz_str key, frz_str value, frz_error *err)
{
  uint64_t *hash = arg;
  (void)err;
  if (!frz_str_ends(key, "endpoint") && !frz_str_ends(key, "host") &&
      !frz_str_ends(key, "account-name"))
    return FRZ_OK;
  *hash = frz_xxh64(key.data, key.size, *hash);
  *hash = frz_xxh64(value.data, value.size, *hash);
  return FRZ_OK;
}

static frz_status place_of(frz_storage *storage, frz_str uri, uint64_t *hash_out, frz_error *err)
{
  uint64_t hash = 0;
  for (size_t i = 0; i < storage->n_properties; i++)
    FRZ_TRY(hash_place(&hash, frz_str_from(storage->properties[i].key),
                       frz_str_from(storage->properties[i].value), err));
  if (storage->lender != NULL)
    FRZ_TRY(storage->lender->properties(storage->lender_ctx, uri, hash_place, &hash, err));
  *hash_out = hash;
  return FRZ_OK;
}

/* What was deleted leaves the cache. */
static void forget(frz_storage *storage, frz_str uri)
{
  frz_str path;
  uint64_t place;
  while (storage->inner != NULL) storage = storage->inner;
  if (storage->file_cache != NULL && !frz_storage_local_path(uri, &path) &&
      place_of(storage, uri, &place, NULL) == FRZ_OK)
    frz_file_cache_forget(storage->file_cache, place, uri);
}

static frz_status open_in_store(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  return frz_storage_open(ctx, uri, source_out, err);
}

static void retain_store(void *ctx)
{
  (void)frz_storage_retain(ctx);
}

static void release_store(void *ctx)
{
  frz_storage_release(ctx);
}

static frz_status open_kept(frz_storage *view, frz_str uri, frz_source **source_out, frz_error *err)
{
  frz_source *source;
  FRZ_TRY(frz_kept_sources_find(view->kept, uri, source_out, err));
  if (*source_out != NULL) return FRZ_OK;
  FRZ_TRY(frz_storage_open_cached(view->inner, uri, &source, err));
  if (source->is_remote) return frz_kept_sources_add(view->kept, uri, source, source_out, err);
  *source_out = source;
  return FRZ_OK;
}

frz_status frz_storage_open_cached(frz_storage *storage, frz_str uri, frz_source **source_out,
                                   frz_error *err)
{
  frz_str path;
  if (storage->kept != NULL) return open_kept(storage, uri, source_out, err);
  if (storage->counts != NULL) {
    frz_source *source;
    FRZ_TRY(frz_storage_open_cached(storage->inner, uri, &source, err));
    return count_source(storage, source, source_out, err);
  }
  if (storage->file_cache == NULL || frz_storage_local_path(uri, &path))
    return frz_storage_open(storage, uri, source_out, err);
  frz_file_opener opener = {open_in_store, retain_store, release_store, storage, 0};
  FRZ_TRY(place_of(storage, uri, &opener.store, err));
  return frz_file_cache_open(storage->file_cache, &opener, uri, source_out, err);
}

frz_status frz_storage_create_file(frz_storage *storage, frz_str uri, bool must_be_new,
                                   frz_sink **sink_out, frz_error *err)
{
  target to = {0};
  FRZ_TRY(choose(storage, uri, &to, err));
  return to.ops->create(to.ctx, uri, must_be_new, sink_out, err);
}

frz_status frz_storage_remove(frz_storage *storage, frz_str uri, frz_error *err)
{
  target to = {0};
  FRZ_TRY(choose(storage, uri, &to, err));
  FRZ_TRY(to.ops->remove(to.ctx, uri, err));
  forget(storage, uri);
  return FRZ_OK;
}

/* ---- removing many ---- */

typedef struct removal {
  frz_storage *storage;
  const frz_str *uris;
  size_t first; /* of all files; uris and gone start here */
  bool *gone;
  frz_storage_removed tell;
  void *arg;
} removal;

/* A file that stays does not stop the others. */
static frz_status remove_one(void *arg, size_t i, frz_error *err)
{
  removal *self = arg;
  frz_error why = {0};
  if (self->gone[i]) return FRZ_OK;
  frz_status st = frz_storage_remove(self->storage, self->uris[i], &why);
  if (st == FRZ_ERR_CANCELLED || st == FRZ_ERR_NOMEM) return frz_fail(err, st, "%s", why.message);
  self->tell(self->arg, self->first + i, st != FRZ_OK ? &why : NULL);
  return FRZ_OK;
}

/* How many of the files are removed by the same operations as the first. */
static size_t run_of(frz_storage *storage, const frz_str *uris, size_t n, target *to)
{
  size_t n_run = 1;
  if (choose(storage, uris[0], to, NULL) != FRZ_OK) return 1;
  for (target next; n_run < n && n_run < FRZ_STORAGE_REMOVE_MAX; n_run++)
    if (choose(storage, uris[n_run], &next, NULL) != FRZ_OK || next.ops != to->ops ||
        next.ctx != to->ctx)
      break;
  return n_run;
}

/* Files of one set of operations. */
static frz_status remove_run(removal *self, const target *to, size_t n, frz_error *err)
{
  frz_error why = {0};
  frz_status st = FRZ_OK;
  memset(self->gone, 0, n);
  if (n > 1 && to->ops != NULL && to->ops->remove_many != NULL)
    st = to->ops->remove_many(to->ctx, self->uris, n, self->gone, &why);
  if (st == FRZ_ERR_CANCELLED || st == FRZ_ERR_NOMEM) return frz_fail(err, st, "%s", why.message);
  for (size_t i = 0; i < n; i++) {
    if (self->gone[i]) forget(self->storage, self->uris[i]);
    if (self->gone[i] || st != FRZ_OK)
      self->tell(self->arg, self->first + i, self->gone[i] ? NULL : &why);
  }
  return st == FRZ_OK ? frz_parallel_for(self->storage->context, n, remove_one, self, err) : FRZ_OK;
}

frz_status frz_storage_remove_many(frz_storage *storage, const frz_str *uris, size_t n_uris,
                                   frz_storage_removed tell, void *arg, frz_error *err)
{
  bool gone[FRZ_STORAGE_REMOVE_MAX];
  for (size_t first = 0, n; first < n_uris; first += n) {
    target to = {0};
    removal self = {storage, uris + first, first, gone, tell, arg};
    n = run_of(storage, self.uris, n_uris - first, &to);
    FRZ_TRY(frz_context_check(storage->context, err));
    FRZ_TRY(remove_run(&self, &to, n, err));
  }
  return FRZ_OK;
}

frz_status frz_storage_list(frz_storage *storage, frz_str uri, frz_storage_visit visit, void *arg,
                            frz_error *err)
{
  target to = {0};
  FRZ_TRY(choose(storage, uri, &to, err));
  return to.ops->list(to.ctx, uri, visit, arg, err);
}

/* Frees the source. */
static frz_status read_source(frz_source *source, frz_str uri, frz_buf *buf, frz_error *err)
{
  frz_status st = FRZ_OK;
  size_t size_before = buf->size;
  size_t room = buf->max_bytes > buf->size ? buf->max_bytes - buf->size : 0;
  uint8_t *at = NULL;
  if (source->size_bytes < 0 || (uint64_t)source->size_bytes > room) {
    st = frz_fail(err, FRZ_ERR_LIMIT, "read '%.*s': %lld bytes pass the limit of %zu",
                  FRZ_STR_ARG(uri), (long long)source->size_bytes, room);
    goto out;
  }
  FRZ_TRY_OUT(frz_buf_extend(buf, (size_t)source->size_bytes, &at, err));
  if (source->size_bytes != 0)
    FRZ_TRY_OUT(frz_source_read(source, 0, (size_t)source->size_bytes, at, err));
out:
  if (st != FRZ_OK) buf->size = size_before;
  frz_source_free(source);
  return st;
}

frz_status frz_storage_read_all(frz_storage *storage, frz_str uri, frz_buf *buf, frz_error *err)
{
  frz_source *source;
  FRZ_TRY(frz_storage_open(storage, uri, &source, err));
  return read_source(source, uri, buf, err);
}

frz_status frz_storage_read_all_cached(frz_storage *storage, frz_str uri, frz_buf *buf,
                                       frz_error *err)
{
  frz_source *source;
  FRZ_TRY(frz_storage_open_cached(storage, uri, &source, err));
  return read_source(source, uri, buf, err);
}

frz_status frz_storage_write_all(frz_storage *storage, frz_str uri, bool must_be_new,
                                 const void *data, size_t size, frz_error *err)
{
  frz_sink *sink = NULL;
  FRZ_TRY(frz_storage_create_file(storage, uri, must_be_new, &sink, err));
  frz_status st = FRZ_OK;
  if (size != 0) FRZ_TRY_OUT(frz_sink_write(sink, data, size, err));
  FRZ_TRY_OUT(frz_sink_commit(sink, err));
out:
  frz_sink_free(sink);
  return st;
}
