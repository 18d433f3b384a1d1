/*
 * online_direct.c - read keys from the table's files.
 *
 * One join key: the filter is on it, since files are partitioned and sorted by it, so that a bucket
 * of each key, its pages and their bloom filters are all that is read. Several: it is on the entity
 * key, whose buckets the files are in. What matches becomes a segment in memory.
 *
 * With a deadline the work is a thread's of its own; who waits for it leaves when the time is up,
 * and the thread ends when the storage lets it.
 */
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "base/os.h"
#include "online/entity_key.h"
#include "online/online_scan.h"
#include "online/online_state.h"

enum { JOBS_MAX = 64 };

/* ---- filter ---- */

static const frz_field *field_by_id(const frz_schema *schema, int32_t field_id)
{
  for (size_t i = 0; i < schema->root.n_fields; i++)
    if (schema->root.fields[i].id == field_id) return &schema->root.fields[i];
  return NULL;
}

/* The join key's value as a literal of its column. False: the column holds no such value. */
static bool literal_of(const frz_field *field, uint32_t type, frz_bytes bytes, frz_literal *out)
{
  frz_literal literal = {.kind = field->type.kind};
  int64_t integer = 0;
  if ((type == 3 && bytes.size_bytes == 4) || (type == 4 && bytes.size_bytes == 8) ||
      (type == 8 && bytes.size_bytes == 8))
    integer = bytes.size_bytes == 4 ? (int32_t)frz_load_u32le(bytes.data)
                                    : (int64_t)frz_load_u64le(bytes.data);
  switch (field->type.kind) {
  case FRZ_TYPE_INT:
    if ((type != 3 && type != 4) || integer < INT32_MIN || integer > INT32_MAX) return false;
    literal.as.i32 = (int32_t)integer;
    break;
  case FRZ_TYPE_LONG:
    if (type != 3 && type != 4) return false;
    literal.as.i64 = integer;
    break;
  case FRZ_TYPE_TIMESTAMPTZ:
    if (type != 8 || integer > INT64_MAX / 1000000 || integer < INT64_MIN / 1000000) return false;
    literal.as.i64 = integer * 1000000;
    break;
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_BINARY:
    if (type != 1 && type != 2) return false;
    literal.as.bytes = (frz_str){bytes.data, bytes.size_bytes};
    break;
  default: return false;
  }
  *out = literal;
  return true;
}

static int compare_literals(const void *a, const void *b)
{
  return frz_literal_compare(a, b);
}

/* The literals of all keys on the join key's column; false: some key has none. */
static bool join_key_literals(const frz_field *field, const frz_bytes *keys, size_t n_keys,
                              frz_literal *literals)
{
  for (size_t i = 0; i < n_keys; i++) {
    uint32_t type;
    frz_bytes value;
    if (!frz_entity_key_single(keys[i], &type, &value) ||
        !literal_of(field, type, value, &literals[i]))
      return false;
  }
  return true;
}

static frz_status make_filter(const frz_online_layout *layout, const frz_bytes *keys, size_t n_keys,
                              frz_arena *arena, const frz_expr **filter_out, frz_error *err)
{
  frz_literal *literals = frz_arena_array(arena, n_keys, sizeof *literals);
  frz_expr *filter = frz_arena_push(arena, sizeof *filter);
  if (literals == NULL || filter == NULL) return frz_fail_nomem(err, "keys to read");
  const frz_field *field = NULL;
  if (layout->info.n_join_keys == 1)
    field = field_by_id(layout->schema, layout->info.join_keys[0].field_id);
  if (field == NULL || !join_key_literals(field, keys, n_keys, literals)) {
    field = field_by_id(layout->schema, layout->entity_key_id);
    for (size_t i = 0; i < n_keys; i++)
      literals[i] =
          (frz_literal){.kind = FRZ_TYPE_BINARY, .as.bytes = {keys[i].data, keys[i].size_bytes}};
  }
  qsort(literals, n_keys, sizeof *literals, compare_literals);
  size_t n = 0;
  for (size_t i = 0; i < n_keys; i++)
    if (n == 0 || frz_literal_compare(&literals[n - 1], &literals[i]) != 0)
      literals[n++] = literals[i];
  *filter = (frz_expr){.kind = FRZ_EXPR_PREDICATE,
                       .predicate = n == 1 ? FRZ_PREDICATE_EQ : FRZ_PREDICATE_IN,
                       .field = field,
                       .literals = literals,
                       .n_literals = n};
  *filter_out = filter;
  return FRZ_OK;
}

/* ---- reading ---- */

static frz_status read_view(frz_online *online, frz_online_scan *scan, frz_index_view **view_out,
                            frz_error *err)
{
  frz_segment_builder *builder;
  frz_segment *segment = NULL;
  frz_watermark mark;
  const frz_segment_target memory = {0};
  FRZ_TRY(frz_online_scan_choose(scan, INT64_MIN, err));
  FRZ_TRY(frz_online_builder_create(online->context, scan->layout, 0, &builder, err));
  frz_status st = frz_online_scan_read(scan, builder, err);
  if (st == FRZ_OK) st = frz_segment_builder_finish(builder, &memory, &segment, err);
  frz_segment_builder_free(builder);
  if (st != FRZ_OK) return st;
  const frz_view_part part = {segment, 0};
  frz_watermark_init(&mark, online->alloc);
  st = frz_index_view_create(online->alloc, scan->layout, &part, 1, &mark, view_out, err);
  frz_segment_release(segment);
  return st;
}

frz_status frz_online_read_direct(frz_online *online, frz_online_layout *layout,
                                  const frz_bytes *keys, size_t n_keys, frz_index_view **view_out,
                                  frz_error *err)
{
  const frz_expr *filter = NULL;
  frz_online_scan scan;
  frz_arena arena;
  frz_arena_init(&arena, online->alloc, FRZ_LIMIT_JOIN_BYTES);
  frz_status st = make_filter(layout, keys, n_keys, &arena, &filter, err);
  if (st == FRZ_OK)
    st = frz_online_scan_open(&scan, online->context, online->direct_storage, layout, filter, err);
  if (st == FRZ_OK) {
    st = read_view(online, &scan, view_out, err);
    frz_online_scan_close(&scan);
  }
  frz_arena_free(&arena);
  return st;
}

/* ---- with a deadline ---- */

/** Held by the thread and by who waits for it. */
typedef struct read_job {
  int references; /* under the handle's lock */
  frz_online *online;
  frz_online_layout *layout;
  frz_arena arena; /* of the keys */
  frz_bytes *keys;
  size_t n_keys;
  bool is_done;
  frz_status status;
  frz_error error;
  frz_index_view *view;
} read_job;

/* Under the lock; true: that was the last. */
static bool let_go(read_job *job)
{
  return --job->references == 0;
}

static void free_job(const frz_alloc *alloc, read_job *job)
{
  frz_index_view_release(job->view);
  frz_online_layout_release(job->layout);
  frz_arena_free(&job->arena);
  frz_alloc_free(alloc, job, sizeof *job);
}

static void *run_job(void *arg)
{
  read_job *job = arg;
  frz_online *online = job->online;
  frz_index_view *view = NULL;
  frz_error error = {0};
  frz_status st =
      frz_online_read_direct(online, job->layout, job->keys, job->n_keys, &view, &error);
  pthread_mutex_lock(&online->lock);
  job->view = view;
  job->status = st;
  job->error = error;
  job->is_done = true;
  if (let_go(job)) free_job(online->alloc, job);
  online->n_jobs--;
  pthread_cond_broadcast(&online->changed);
  pthread_mutex_unlock(&online->lock);
  return NULL;
}

static frz_status copy_keys(read_job *job, const frz_bytes *keys, size_t n_keys, frz_error *err)
{
  job->keys = frz_arena_array(&job->arena, n_keys, sizeof *job->keys);
  if (job->keys == NULL) return frz_fail_nomem(err, "keys to read");
  for (size_t i = 0; i < n_keys; i++) {
    frz_str copy = frz_arena_copy(&job->arena, (frz_str){keys[i].data, keys[i].size_bytes});
    if (copy.data == NULL) return frz_fail_nomem(err, "keys to read");
    job->keys[i] = (frz_bytes){copy.data, copy.size};
  }
  job->n_keys = n_keys;
  return FRZ_OK;
}

static frz_status start_job(frz_online *online, frz_online_layout *layout, const frz_bytes *keys,
                            size_t n_keys, read_job **job_out, frz_error *err)
{
  read_job *job = frz_alloc_zeroed(online->alloc, sizeof *job);
  if (job == NULL) return frz_fail_nomem(err, "read");
  frz_arena_init(&job->arena, online->alloc, FRZ_LIMIT_JOIN_BYTES);
  job->online = online;
  job->layout = frz_online_layout_retain(layout);
  job->references = 2;
  frz_status st = copy_keys(job, keys, n_keys, err);
  pthread_t thread;
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_mutex_lock(&online->lock);
  if (st == FRZ_OK && online->n_jobs >= JOBS_MAX)
    st = frz_fail(err, FRZ_ERR_TIMEOUT, "online table '%s': %d reads wait for the storage",
                  online->identifier, online->n_jobs);
  if (st == FRZ_OK && pthread_create(&thread, &detached, run_job, job) != 0)
    st =
        frz_fail(err, FRZ_ERR_NOMEM, "online table '%s': no thread for a read", online->identifier);
  if (st == FRZ_OK) online->n_jobs++;
  pthread_mutex_unlock(&online->lock);
  pthread_attr_destroy(&detached);
  if (st != FRZ_OK)
    free_job(online->alloc, job);
  else
    *job_out = job;
  return st;
}

/* One read of one version of the table. */
static frz_status read_version(frz_online *online, frz_online_layout *layout, const frz_bytes *keys,
                               size_t n_keys, int64_t deadline_us, frz_index_view **view_out,
                               frz_error *err)
{
  if (deadline_us == 0) return frz_online_read_direct(online, layout, keys, n_keys, view_out, err);
  read_job *job;
  FRZ_TRY(start_job(online, layout, keys, n_keys, &job, err));
  struct timespec until = {(time_t)(deadline_us / 1000000), (long)(deadline_us % 1000000) * 1000};
  frz_status st = FRZ_OK;
  int waited = 0;
  pthread_mutex_lock(&online->lock);
  while (!job->is_done && waited == 0)
    waited = pthread_cond_timedwait(&online->changed, &online->lock, &until);
  if (!job->is_done) {
    st = frz_fail(err, FRZ_ERR_TIMEOUT,
                  "online table '%s': read of %zu keys passed read_timeout_ms %lld",
                  online->identifier, n_keys, (long long)online->options.read_timeout_ms);
  } else {
    st = job->status;
    if (st != FRZ_OK && err != NULL) *err = job->error;
    *view_out = job->view;
    job->view = NULL;
  }
  bool is_last = let_go(job);
  pthread_mutex_unlock(&online->lock);
  if (is_last) free_job(online->alloc, job);
  return st;
}

/* A file was not found: another process may have expired the version's snapshot meanwhile. The
 * newest version, retained; NULL: the one that was read is the newest, or the catalog is silent. */
static frz_online_layout *newer_version(frz_online *online, const frz_online_layout *layout,
                                        int64_t deadline_us)
{
  frz_index_view *unused;
  frz_online_layout *newest;
  frz_error error;
  if (frz_online_await_look(online, frz_os_monotonic_us(), deadline_us, &error) != FRZ_OK)
    return NULL;
  frz_online_current(online, &unused, &newest);
  frz_index_view_release(unused);
  if (newest->metadata != layout->metadata) return newest;
  frz_online_layout_release(newest);
  return NULL;
}

frz_status frz_online_read_direct_until(frz_online *online, frz_online_layout *layout,
                                        const frz_bytes *keys, size_t n_keys, int64_t deadline_us,
                                        frz_index_view **view_out, frz_error *err)
{
  frz_online_layout *at = frz_online_layout_retain(layout);
  frz_status st;
  for (;;) {
    st = read_version(online, at, keys, n_keys, deadline_us, view_out, err);
    if (st != FRZ_ERR_NOT_FOUND) break;
    frz_online_layout *newer = newer_version(online, at, deadline_us);
    if (newer == NULL) break;
    frz_online_layout_release(at);
    at = newer;
  }
  frz_online_layout_release(at);
  return st;
}
