/*
 * online_handle.c - open and close an online table; the thread that keeps it fresh.
 *
 * While a table is read, its thread looks at the catalog twice in each max_staleness_ms, so that a
 * read finds its answer fresh enough and waits for nothing. After ten seconds without a read it
 * sleeps; the next read then waits for one look. Threads start on first use, again after a fork.
 */
#include <assert.h>
#include <time.h>

#include "base/limits.h"
#include "base/os.h"
#include "online/online_state.h"
#include "online/segment_build.h"

enum { IDLE_US = 10000000, RETRY_US = 50000, RETRY_MAX_US = 5000000 };

void frz_online_options_init(frz_online_options *options)
{
  *options = (frz_online_options){.struct_bytes = sizeof *options,
                                  .max_staleness_ms = 1000,
                                  .read_timeout_ms = 100,
                                  .commit_timeout_ms = 60000,
                                  .compact_automatically = true,
                                  .min_snapshot_age_ms = 60000};
}

/* ---- opening ---- */

static void init_locks(frz_online *online)
{
  pthread_condattr_t monotonic;
  pthread_mutex_init(&online->commit_lock, NULL);
  pthread_mutex_init(&online->refresh_lock, NULL);
  pthread_mutex_init(&online->publish_lock, NULL);
  pthread_mutex_init(&online->lock, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&online->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  online->has_thread = false;
  online->n_jobs = 0;
  online->pending = NULL;
  online->wants_look = online->wants_files = false;
  online->is_writing = online->is_compacting = false;
}

static frz_status copy_text(const frz_alloc *alloc, const char *text, char **copy_out,
                            frz_error *err)
{
  *copy_out = NULL;
  if (text == NULL) return FRZ_OK;
  size_t size = strlen(text) + 1;
  *copy_out = frz_alloc_new(alloc, size);
  if (*copy_out == NULL) return frz_fail_nomem(err, "online table");
  memcpy(*copy_out, text, size);
  return FRZ_OK;
}

static void free_text(const frz_alloc *alloc, char *text)
{
  if (text != NULL) frz_alloc_free(alloc, text, strlen(text) + 1);
}

static frz_status read_options(const frz_online_options *options, frz_online_options *filled,
                               frz_error *err)
{
  frz_online_options_init(filled);
  if (options != NULL) {
    if (options->struct_bytes == 0 || options->struct_bytes > sizeof *filled)
      return frz_fail(err, FRZ_ERR_INVALID, "frz_online_options: struct_bytes %zu",
                      options->struct_bytes);
    memcpy(filled, options, options->struct_bytes);
  }
  const struct {
    const char *name;
    int64_t value;
  } numbers[] = {{"max_staleness_ms", filled->max_staleness_ms},
                 {"read_timeout_ms", filled->read_timeout_ms},
                 {"key_ttl_us", filled->key_ttl_us},
                 {"commit_timeout_ms", filled->commit_timeout_ms},
                 {"min_snapshot_age_ms", filled->min_snapshot_age_ms}};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    if (numbers[i].value < 0 || numbers[i].value > INT64_MAX / 2000)
      return frz_fail(err, FRZ_ERR_INVALID, "%s %lld is out of range", numbers[i].name,
                      (long long)numbers[i].value);
  if (filled->lookup != FRZ_LOOKUP_INDEX && filled->lookup != FRZ_LOOKUP_DIRECT)
    return frz_fail(err, FRZ_ERR_INVALID, "lookup %d is not known", (int)filled->lookup);
  return FRZ_OK;
}

/* Where lookups are direct the files that they read stay open: the manifests and the ends of data
 * files, at most 128 KiB of each. */
static frz_status open_direct_storage(frz_online *online, frz_error *err)
{
  enum { KEPT_FILES = 128 };
  if (online->options.lookup == FRZ_LOOKUP_DIRECT)
    return frz_storage_keep(online->storage, KEPT_FILES, &online->direct_storage, err);
  online->direct_storage = frz_storage_retain(online->storage);
  return FRZ_OK;
}

frz_status frz_online_open(frz_catalog *catalog, const char *identifier,
                           const frz_online_options *options, frz_online **online_out,
                           frz_error *err)
{
  if (catalog == NULL || identifier == NULL || online_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_open: an argument is NULL");
  frz_online_options filled;
  frz_table *table = NULL;
  FRZ_TRY(read_options(options, &filled, err));
  FRZ_TRY(frz_catalog_load_table(catalog, identifier, &table, err));
  frz_context *context = frz_table_context(table);
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_online *online = frz_alloc_zeroed(alloc, sizeof *online);
  if (online == NULL) {
    frz_table_free(table);
    return frz_fail_nomem(err, "online table");
  }
  online->context = context;
  online->alloc = alloc;
  online->table = table;
  online->storage = frz_table_storage(table);
  online->options = filled;
  online->process_id = frz_os_process_id();
  init_locks(online);
  online->checked_us = frz_os_monotonic_us();
  frz_status st = copy_text(alloc, identifier, &online->identifier, err);
  if (st == FRZ_OK) st = copy_text(alloc, filled.cache_dir, &online->cache_dir, err);
  if (st == FRZ_OK) st = open_direct_storage(online, err);
  if (st == FRZ_OK) st = frz_online_layout_now(online, &online->layout, err);
  if (st != FRZ_OK) {
    frz_online_close(online);
    return st;
  }
  *online_out = online;
  return FRZ_OK;
}

void frz_online_close(frz_online *online)
{
  if (online == NULL) return;
  frz_online_enter(online);
  pthread_mutex_lock(&online->lock);
  online->is_stopping = true;
  pthread_cond_broadcast(&online->changed);
  while (online->n_jobs != 0) pthread_cond_wait(&online->changed, &online->lock);
  bool has_thread = online->has_thread;
  pthread_mutex_unlock(&online->lock);
  if (has_thread) pthread_join(online->thread, NULL);
  frz_index_view_release(online->view);
  frz_online_layout_release(online->layout);
  frz_storage_release(online->direct_storage);
  frz_table_free(online->table);
  pthread_cond_destroy(&online->changed);
  pthread_mutex_destroy(&online->lock);
  pthread_mutex_destroy(&online->publish_lock);
  pthread_mutex_destroy(&online->refresh_lock);
  pthread_mutex_destroy(&online->commit_lock);
  free_text(online->alloc, online->identifier);
  free_text(online->alloc, online->cache_dir);
  frz_alloc_free(online->alloc, online, sizeof *online);
}

/* In a child one thread sets the locks up anew; others wait for it (a child starts with one). */
void frz_online_enter(frz_online *online)
{
  enum { RESETTING = -1 };
  int own = frz_os_process_id();
  int seen = atomic_load(&online->process_id);
  while (seen != own) {
    if (seen != RESETTING &&
        atomic_compare_exchange_strong(&online->process_id, &seen, RESETTING)) {
      init_locks(online);
      atomic_store(&online->process_id, own);
    }
    seen = atomic_load(&online->process_id);
  }
}

void frz_online_current(frz_online *online, frz_index_view **view_out,
                        frz_online_layout **layout_out)
{
  pthread_mutex_lock(&online->lock);
  *view_out = online->view != NULL ? frz_index_view_retain(online->view) : NULL;
  *layout_out = frz_online_layout_retain(online->layout);
  pthread_mutex_unlock(&online->lock);
}

frz_status frz_online_layout_now(frz_online *online, frz_online_layout **layout_out, frz_error *err)
{
  frz_table_metadata *metadata = frz_table_current(online->table);
  frz_status st =
      frz_online_layout_make(online->alloc, online->identifier, metadata, layout_out, err);
  frz_table_metadata_release(metadata);
  return st;
}

frz_status frz_online_describe(frz_online *online, const frz_online_info **info_out, frz_error *err)
{
  if (online == NULL || info_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_online_describe: an argument is NULL");
  frz_online_enter(online);
  frz_index_view *view;
  frz_online_layout *layout;
  frz_online_current(online, &view, &layout);
  frz_index_view_release(view);
  *info_out = &layout->info;
  return FRZ_OK;
}

/* ---- looking at the catalog ---- */

/* Under publish_lock: what an own commit has shown meanwhile is newer. */
static frz_status show_newest_layout(frz_online *online, frz_online_layout **layout_out,
                                     frz_error *err)
{
  pthread_mutex_lock(&online->publish_lock);
  frz_status st = frz_online_layout_now(online, layout_out, err);
  if (st == FRZ_OK) {
    pthread_mutex_lock(&online->lock);
    frz_online_layout *before = online->layout;
    online->layout = frz_online_layout_retain(*layout_out);
    pthread_mutex_unlock(&online->lock);
    frz_online_layout_release(before);
  }
  pthread_mutex_unlock(&online->publish_lock);
  return st;
}

static frz_status look(frz_online *online, bool build, bool *changed_out, frz_error *err)
{
  frz_online_layout *layout = NULL;
  frz_table_metadata *metadata;
  FRZ_TRY(frz_table_refresh(online->table, changed_out, err));
  metadata = frz_table_current(online->table);
  pthread_mutex_lock(&online->lock);
  bool has_index = online->view != NULL && !frz_index_view_is_torn(online->view);
  /* After an own commit on top of others' the version is known, but not what they committed. */
  bool is_known = !online->wants_files && online->layout->metadata == metadata &&
                  (!has_index || (online->view->layout->metadata == metadata &&
                                  online->view->mark.snapshot_id == metadata->current_snapshot_id));
  pthread_mutex_unlock(&online->lock);
  frz_table_metadata_release(metadata);
  if (is_known && (has_index || !build)) return FRZ_OK;
  *changed_out = true;
  FRZ_TRY(show_newest_layout(online, &layout, err));
  frz_status st = has_index || build ? frz_online_update_index(online, layout, err) : FRZ_OK;
  frz_online_layout_release(layout);
  return st;
}

frz_status frz_online_look(frz_online *online, bool build, bool *changed_out, frz_error *err)
{
  bool changed = false;
  frz_error failure = {0};
  pthread_mutex_lock(&online->refresh_lock);
  int64_t started_us = frz_os_monotonic_us();
  frz_status st = look(online, build, &changed, &failure);
  pthread_mutex_lock(&online->lock);
  if (st == FRZ_OK) {
    online->checked_us = started_us;
  } else {
    online->failed_us = started_us;
    online->failure = failure;
  }
  pthread_cond_broadcast(&online->changed);
  pthread_mutex_unlock(&online->lock);
  pthread_mutex_unlock(&online->refresh_lock);
  if (st == FRZ_OK && changed) {
    atomic_fetch_add(&online->n_refreshes, 1);
    atomic_store(&online->last_refresh_us, frz_os_monotonic_us() - started_us);
  }
  if (st == FRZ_OK) frz_online_write_files_if_due(online);
  if (st != FRZ_OK && err != NULL) *err = failure;
  if (changed_out != NULL) *changed_out = changed;
  return st;
}

frz_status frz_online_refresh(frz_online *online, bool *changed_out, frz_error *err)
{
  if (online == NULL) return frz_fail(err, FRZ_ERR_INVALID, "frz_online_refresh: online is NULL");
  frz_online_enter(online);
  return frz_online_look(online, false, changed_out, err);
}

frz_status frz_online_prepare(frz_online *online, frz_error *err)
{
  if (online == NULL) return frz_fail(err, FRZ_ERR_INVALID, "frz_online_prepare: online is NULL");
  frz_online_enter(online);
  return frz_online_look(online, online->options.lookup == FRZ_LOOKUP_INDEX, NULL, err);
}

/* ---- the thread ---- */

static void wait_until(frz_online *online, int64_t until_us)
{
  int64_t wait_us = until_us - frz_os_monotonic_us();
  if (wait_us <= 0) return;
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t)(wait_us / 1000000);
  until.tv_nsec += (long)(wait_us % 1000000) * 1000;
  if (until.tv_nsec >= 1000000000L) {
    until.tv_nsec -= 1000000000L;
    until.tv_sec++;
  }
  pthread_cond_timedwait(&online->changed, &online->lock, &until);
}

/* Under the lock: when the next look is due; INT64_MAX: not before somebody asks. */
static int64_t next_look_us(const frz_online *online, int64_t now_us)
{
  int64_t staleness_us = online->options.max_staleness_ms * 1000;
  if (online->wants_look || (online->wants_index && online->view == NULL)) return now_us;
  if (staleness_us == 0 || now_us - atomic_load(&online->last_read_us) > IDLE_US) return INT64_MAX;
  int64_t due_us = online->checked_us + staleness_us / 2;
  return online->failed_us > online->checked_us && due_us < online->failed_us + RETRY_US
             ? online->failed_us + RETRY_US
             : due_us;
}

static void *run_thread(void *arg)
{
  frz_online *online = arg;
  int64_t retry_us = RETRY_US;
  pthread_mutex_lock(&online->lock);
  while (!online->is_stopping) {
    int64_t now_us = frz_os_monotonic_us();
    int64_t due_us = next_look_us(online, now_us);
    if (due_us > now_us) {
      if (due_us == INT64_MAX)
        pthread_cond_wait(&online->changed, &online->lock);
      else
        wait_until(online, due_us);
      continue;
    }
    bool build = online->wants_index;
    online->wants_look = false;
    pthread_mutex_unlock(&online->lock);
    frz_error error = {0};
    frz_status st = frz_online_look(online, build, NULL, &error);
    if (st != FRZ_OK)
      frz_context_log(online->context, FRZ_LOG_WARNING, "online table '%s': %s", online->identifier,
                      error.message);
    pthread_mutex_lock(&online->lock);
    /* An index that cannot be built is tried again, but less and less often; who asks is heard. */
    if (st == FRZ_OK) {
      retry_us = RETRY_US;
    } else {
      int64_t until_us = frz_os_monotonic_us() + retry_us;
      while (!online->is_stopping && !online->wants_look && frz_os_monotonic_us() < until_us)
        wait_until(online, until_us);
      if (retry_us < RETRY_MAX_US) retry_us *= 2;
    }
  }
  pthread_mutex_unlock(&online->lock);
  return NULL;
}

/* Under the lock. */
static void start_thread(frz_online *online)
{
  if (!online->has_thread && !online->is_stopping)
    online->has_thread = pthread_create(&online->thread, NULL, run_thread, online) == 0;
}

void frz_online_wake(frz_online *online, bool build)
{
  pthread_mutex_lock(&online->lock);
  /* Where an index was asked for the thread is at it; one that is torn has to be asked for again.
   */
  if (build && (!online->wants_index || online->view != NULL)) online->wants_look = true;
  if (build) online->wants_index = true;
  start_thread(online);
  pthread_cond_broadcast(&online->changed);
  pthread_mutex_unlock(&online->lock);
}

frz_status frz_online_await_look(frz_online *online, int64_t since_us, int64_t deadline_us,
                                 frz_error *err)
{
  frz_status st = FRZ_OK;
  int64_t asked_us = frz_os_monotonic_us();
  pthread_mutex_lock(&online->lock);
  start_thread(online);
  bool has_thread = online->has_thread;
  while (has_thread && online->checked_us < since_us) {
    if (online->failed_us >= asked_us || online->is_stopping) {
      st = frz_fail(
          err, online->failure.code == FRZ_ERR_NOT_FOUND ? FRZ_ERR_NOT_FOUND : FRZ_ERR_STALE,
          "online table '%s': last seen %lld ms ago: %s", online->identifier,
          (long long)(frz_os_monotonic_us() - online->checked_us) / 1000, online->failure.message);
      break;
    }
    if (deadline_us != 0 && frz_os_monotonic_us() >= deadline_us) {
      st = frz_fail(err, FRZ_ERR_TIMEOUT, "online table '%s': the catalog did not answer in time",
                    online->identifier);
      break;
    }
    if (!online->wants_look) {
      online->wants_look = true;
      pthread_cond_broadcast(&online->changed);
    }
    if (deadline_us != 0)
      wait_until(online, deadline_us);
    else
      pthread_cond_wait(&online->changed, &online->lock);
  }
  pthread_mutex_unlock(&online->lock);
  return has_thread ? st : frz_online_look(online, false, NULL, err);
}

/* ---- numbers ---- */

void frz_online_stats_get(frz_online *online, frz_online_stats *stats_out)
{
  frz_online_enter(online);
  frz_index_view *view;
  frz_online_layout *layout;
  frz_online_stats stats = {.snapshot_id = -1, .staleness_ms = -1};
  frz_online_current(online, &view, &layout);
  stats.is_ready = view != NULL;
  if (view != NULL) {
    stats.snapshot_id = view->mark.snapshot_id;
    stats.n_segments = (int64_t)view->n_segments;
    for (size_t i = 0; i < view->n_segments; i++) {
      const frz_segment *segment = view->segments[i].segment;
      stats.n_keys += segment->n_rows;
      *(segment->is_mapped ? &stats.n_file_bytes : &stats.n_memory_bytes) +=
          (int64_t)segment->size_bytes;
    }
  }
  pthread_mutex_lock(&online->lock);
  stats.staleness_ms = (frz_os_monotonic_us() - online->checked_us) / 1000;
  pthread_mutex_unlock(&online->lock);
  stats.n_builds = atomic_load(&online->n_builds);
  stats.n_refreshes = atomic_load(&online->n_refreshes);
  stats.last_refresh_us = atomic_load(&online->last_refresh_us);
  stats.n_reads = atomic_load(&online->n_reads);
  stats.n_keys_read = atomic_load(&online->n_keys_read);
  stats.n_keys_found = atomic_load(&online->n_keys_found);
  stats.n_reads_direct = atomic_load(&online->n_reads_direct);
  stats.n_commits = atomic_load(&online->n_commits);
  stats.n_rows_written = atomic_load(&online->n_rows_written);
  frz_index_view_release(view);
  frz_online_layout_release(layout);
  *stats_out = stats;
}
