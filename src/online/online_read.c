/*
 * online_read.c - batches of keys into results.
 *
 * A result holds the view that it was read from: values are looked at where they lie. Names of
 * features are resolved once and kept as long as reads ask for the same of the same layout.
 */
#include <assert.h>

#include "base/os.h"
#include "online/online_result.h"

/* ---- results ---- */

frz_status frz_online_result_create(frz_online *online, frz_online_result **result_out,
                                    frz_error *err)
{
  if (online == NULL || result_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_result_create: an argument is NULL");
  frz_online_result *result = frz_alloc_zeroed(online->alloc, sizeof *result);
  if (result == NULL) return frz_fail_nomem(err, "online result");
  result->alloc = online->alloc;
  frz_buf_init(&result->rows, online->alloc, SIZE_MAX / 4);
  frz_buf_init(&result->features, online->alloc, SIZE_MAX / 4);
  frz_buf_init(&result->names, online->alloc, SIZE_MAX / 4);
  *result_out = result;
  return FRZ_OK;
}

void frz_online_result_free(frz_online_result *result)
{
  if (result == NULL) return;
  frz_index_view_release(result->view);
  frz_online_layout_release(result->chosen);
  frz_buf_dispose(&result->rows);
  frz_buf_dispose(&result->features);
  frz_buf_dispose(&result->names);
  frz_alloc_free(result->alloc, result, sizeof *result);
}

size_t frz_online_result_keys(const frz_online_result *result)
{
  return result->n_keys;
}

size_t frz_online_result_features(const frz_online_result *result)
{
  return result->n_features;
}

static const uint32_t *features_of(const frz_online_result *result)
{
  return (const uint32_t *)(const void *)result->features.data;
}

static const frz_found_row *row_of(const frz_online_result *result, size_t key)
{
  assert(key < result->n_keys);
  return (const frz_found_row *)(const void *)result->rows.data + key;
}

const frz_online_column *frz_online_result_feature(const frz_online_result *result, size_t feature)
{
  assert(feature < result->n_features);
  return &result->view->layout->info.features[features_of(result)[feature]];
}

bool frz_online_result_found(const frz_online_result *result, size_t key, int64_t *event_us_out,
                             int64_t *created_us_out)
{
  const frz_found_row *found = row_of(result, key);
  if (found->segment < 0) {
    if (created_us_out != NULL) *created_us_out = INT64_MIN;
    return false;
  }
  const frz_segment *segment = result->view->segments[found->segment].segment;
  if (event_us_out != NULL) *event_us_out = frz_segment_row_event(&found->row);
  if (created_us_out != NULL) *created_us_out = frz_segment_row_created(segment, &found->row);
  return true;
}

frz_value frz_online_result_get(const frz_online_result *result, const frz_found_row *row,
                                uint32_t feature)
{
  frz_value value = {.kind = FRZ_VALUE_NULL};
  const frz_view_segment *at = &result->view->segments[row->segment];
  int32_t place = at->places[feature];
  if (place < 0) return value;
  value = frz_segment_value(at->segment, &row->row, (size_t)place);
  frz_value_kind wanted = result->view->layout->info.features[feature].kind;
  if (value.kind == wanted || value.kind == FRZ_VALUE_NULL) return value;
  /* Stored before the column was widened, or the feature given another type of bytes. */
  if (value.kind == FRZ_VALUE_INT32 && wanted == FRZ_VALUE_INT64)
    return (frz_value){.kind = wanted, .as.i64 = value.as.i32};
  if (value.kind == FRZ_VALUE_FLOAT && wanted == FRZ_VALUE_DOUBLE)
    return (frz_value){.kind = wanted, .as.f64 = (double)value.as.f32};
  if ((value.kind == FRZ_VALUE_BYTES || value.kind == FRZ_VALUE_SERIALIZED) &&
      (wanted == FRZ_VALUE_BYTES || wanted == FRZ_VALUE_SERIALIZED)) {
    value.kind = wanted;
    return value;
  }
  return (frz_value){.kind = FRZ_VALUE_NULL};
}

frz_value frz_online_result_value(const frz_online_result *result, size_t key, size_t feature)
{
  assert(feature < result->n_features);
  const frz_found_row *found = row_of(result, key);
  if (found->segment < 0) return (frz_value){.kind = FRZ_VALUE_NULL};
  return frz_online_result_get(result, found, features_of(result)[feature]);
}

/* ---- features ---- */

static bool asks_the_same(const frz_online_result *result, const char *const *names, size_t n)
{
  if (names == NULL) return result->has_all;
  if (result->has_all || n != result->n_features) return false;
  const char *at = (const char *)result->names.data;
  for (size_t i = 0; i < n; i++) {
    if (strcmp(at, names[i]) != 0) return false;
    at += strlen(at) + 1;
  }
  return true;
}

static frz_status add_feature(frz_online_result *result, const frz_online_layout *layout,
                              const char *name, frz_error *err)
{
  const uint64_t *place = frz_map_find(&layout->by_name, frz_str_from(name));
  if (place == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "feature view '%s' has no feature '%s'",
                    layout->info.view, name);
  uint32_t number = (uint32_t)*place;
  FRZ_TRY(frz_buf_append(&result->features, &number, sizeof number, err));
  return frz_buf_append(&result->names, name, strlen(name) + 1, err);
}

static frz_status choose_features(frz_online_result *result, frz_online_layout *layout,
                                  const char *const *names, size_t n, frz_error *err)
{
  if (result->chosen == layout && asks_the_same(result, names, n)) return FRZ_OK;
  frz_online_layout_release(result->chosen);
  result->chosen = NULL;
  result->features.size = 0;
  result->names.size = 0;
  result->n_features = 0;
  result->has_all = names == NULL;
  if (names != NULL) {
    for (size_t i = 0; i < n; i++) FRZ_TRY(add_feature(result, layout, names[i], err));
    result->n_features = n;
  } else {
    for (uint32_t i = 0; i < layout->info.n_features; i++)
      FRZ_TRY(frz_buf_append(&result->features, &i, sizeof i, err));
    result->n_features = layout->info.n_features;
  }
  result->chosen = frz_online_layout_retain(layout);
  return FRZ_OK;
}

/* ---- reading ---- */

static void clear(frz_online_result *result)
{
  frz_index_view_release(result->view);
  result->view = NULL;
  result->n_keys = 0;
  result->n_found = 0;
}

static frz_status fill(frz_online *online, frz_index_view *view, const frz_bytes *keys,
                       size_t n_keys, frz_online_result *result, frz_error *err)
{
  int64_t oldest_us = INT64_MIN;
  if (online->options.key_ttl_us != 0)
    oldest_us = frz_os_now_ms() * 1000 - online->options.key_ttl_us;
  FRZ_TRY(frz_buf_resize(&result->rows, n_keys * sizeof(frz_found_row), err));
  frz_found_row *rows = (frz_found_row *)(void *)result->rows.data;
  result->n_found = frz_index_view_read(view, keys, n_keys, oldest_us, rows);
  result->n_keys = n_keys;
  result->view = frz_index_view_retain(view);
  return FRZ_OK;
}

/* Bring the handle within its staleness, where the thread has not done so before. */
static frz_status ensure_fresh(frz_online *online, int64_t now_us, int64_t deadline_us,
                               frz_error *err)
{
  int64_t staleness_us = online->options.max_staleness_ms * 1000;
  int64_t last_us = atomic_exchange_explicit(&online->last_read_us, now_us, memory_order_relaxed);
  pthread_mutex_lock(&online->lock);
  int64_t checked_us = online->checked_us;
  bool sleeps = !online->has_thread;
  pthread_mutex_unlock(&online->lock);
  if (staleness_us == 0) return frz_online_await_look(online, now_us, deadline_us, err);
  if (now_us - checked_us > staleness_us)
    return frz_online_await_look(online, now_us - staleness_us, deadline_us, err);
  if (sleeps || now_us - last_us > staleness_us) frz_online_wake(online, false);
  return FRZ_OK;
}

bool frz_online_is_fresh(frz_online *online)
{
  if (online == NULL || online->options.max_staleness_ms == 0) return false;
  frz_online_enter(online);
  int64_t oldest_us = frz_os_monotonic_us() - online->options.max_staleness_ms * 1000;
  pthread_mutex_lock(&online->lock);
  bool is_fresh = online->view != NULL && online->checked_us >= oldest_us;
  pthread_mutex_unlock(&online->lock);
  return is_fresh;
}

/* FRZ_OK with *view_out set: through the index, or directly. */
static frz_status read_view(frz_online *online, const frz_bytes *keys, size_t n_keys,
                            int64_t deadline_us, frz_index_view **view_out, frz_error *err)
{
  frz_online_layout *layout;
  frz_online_current(online, view_out, &layout);
  if (*view_out != NULL && frz_index_view_is_torn(*view_out)) {
    frz_index_view_release(*view_out);
    *view_out = NULL;
  }
  frz_status st = FRZ_OK;
  if (*view_out == NULL) {
    if (online->options.lookup == FRZ_LOOKUP_INDEX) frz_online_wake(online, true);
    atomic_fetch_add_explicit(&online->n_reads_direct, 1, memory_order_relaxed);
    st = frz_online_read_direct_until(online, layout, keys, n_keys, deadline_us, view_out, err);
  }
  frz_online_layout_release(layout);
  return st;
}

frz_status frz_online_read(frz_online *online, const frz_bytes *keys, size_t n_keys,
                           const char *const *features, size_t n_features,
                           frz_online_result *result, frz_error *err)
{
  if (online == NULL || result == NULL || (keys == NULL && n_keys != 0))
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_read: an argument is NULL");
  frz_online_enter(online);
  clear(result);
  int64_t now_us = frz_os_monotonic_us();
  int64_t timeout_us = online->options.read_timeout_ms * 1000;
  int64_t deadline_us = timeout_us != 0 ? now_us + timeout_us : 0;
  frz_index_view *view = NULL;
  FRZ_TRY(ensure_fresh(online, now_us, deadline_us, err));
  FRZ_TRY(read_view(online, keys, n_keys, deadline_us, &view, err));
  frz_status st = choose_features(result, view->layout, features, n_features, err);
  if (st == FRZ_OK) st = fill(online, view, keys, n_keys, result, err);
  frz_index_view_release(view);
  if (st != FRZ_OK) return st;
  atomic_fetch_add_explicit(&online->n_reads, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&online->n_keys_read, (long long)n_keys, memory_order_relaxed);
  atomic_fetch_add_explicit(&online->n_keys_found, (long long)result->n_found,
                            memory_order_relaxed);
  return FRZ_OK;
}
