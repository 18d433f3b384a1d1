/*
 * view_store.c - the feature views that are served.
 *
 * One lock guards the list of views and what was published; nothing slow happens under it. A name
 * is looked for in a table of chains by its hash. Opening a table asks the catalog, so an entry
 * that is being opened says so and others that want it wait; one that was not found stays for a
 * second, so that a client with a wrong name does not turn every request into a question to the
 * catalog.
 */
#include "view_store.h"

#include <assert.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server_fail.h"

enum {
  N_CHAINS = 1024,
  VIEWS_MAX = 10000,
  RESULTS_KEPT = 16,
  RETRY_MS = 1000,
  REFRESH_MS = 5000,
  NAME_BYTES_MAX = 512
};

typedef enum view_state { VIEW_OPENING, VIEW_OPEN, VIEW_MISSING } view_state;

struct served_view {
  served_view *next; /* in its chain */
  unsigned references;
  view_state state;
  bool is_listed;
  uint32_t version;
  uint32_t hash;
  int64_t missing_ms; /* when it was not found */
  frz_error error;    /* why */
  frz_online *online;
  pthread_mutex_t results_lock;
  frz_online_result *results[RESULTS_KEPT];
  int n_results;
  size_t name_size;
  char name[]; /* NUL-terminated */
};

struct view_store {
  frz_catalog *catalog;
  char *namespace_name;
  char *project;
  frz_online_options online;
  pthread_mutex_t lock;
  pthread_cond_t opened;
  served_view *chains[N_CHAINS];
  uint32_t n_views;
  published *published;
  int64_t published_ms; /* when it was looked for; -1: never */
  bool is_published_used;
};

static int64_t now_ms(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *view_store_project(const view_store *store)
{
  return store->project;
}

const char *view_store_namespace(const view_store *store)
{
  return store->namespace_name;
}

frz_status view_store_create(const view_store_options *options, view_store **store_out,
                             frz_error *err)
{
  view_store *store = calloc(1, sizeof *store);
  if (store != NULL) {
    store->namespace_name = strdup(options->namespace_name);
    store->project = strdup(options->project);
  }
  if (store == NULL || store->namespace_name == NULL || store->project == NULL) {
    if (store != NULL) {
      free(store->namespace_name);
      free(store->project);
    }
    free(store);
    return server_fail(err, FRZ_ERR_NOMEM, "no memory for a view store");
  }
  store->catalog = options->catalog;
  store->online = options->online;
  store->published_ms = -1;
  pthread_mutex_init(&store->lock, NULL);
  pthread_cond_init(&store->opened, NULL);
  *store_out = store;
  return FRZ_OK;
}

/* ---- views ---- */

static void free_view(served_view *view)
{
  for (int i = 0; i < view->n_results; i++) frz_online_result_free(view->results[i]);
  frz_online_close(view->online);
  pthread_mutex_destroy(&view->results_lock);
  free(view);
}

static void unlist(view_store *store, served_view *view)
{
  served_view **at = &store->chains[view->hash % N_CHAINS];
  while (*at != view) at = &(*at)->next;
  *at = view->next;
  view->is_listed = false;
  store->n_views--;
}

/* Drop a reference under the lock; true: the caller frees it outside. */
static bool drop(served_view *view)
{
  assert(view->references > 0);
  return --view->references == 0;
}

void view_store_release(view_store *store, served_view *view)
{
  pthread_mutex_lock(&store->lock);
  bool is_last = drop(view);
  pthread_mutex_unlock(&store->lock);
  if (is_last) free_view(view);
}

void view_store_forget(view_store *store, served_view *view)
{
  pthread_mutex_lock(&store->lock);
  bool is_last = false;
  if (view->is_listed) {
    unlist(store, view);
    is_last = drop(view);
  }
  pthread_mutex_unlock(&store->lock);
  if (is_last) free_view(view);
}

void view_store_free(view_store *store)
{
  if (store == NULL) return;
  for (int i = 0; i < N_CHAINS; i++)
    for (served_view *view = store->chains[i]; view != NULL;) {
      served_view *next = view->next;
      assert(view->references == 1);
      free_view(view);
      view = next;
    }
  published_release(store->published);
  pthread_cond_destroy(&store->opened);
  pthread_mutex_destroy(&store->lock);
  free(store->namespace_name);
  free(store->project);
  free(store);
}

static uint32_t hash_name(const char *name, size_t size, uint32_t version)
{
  uint32_t hash = 2166136261u ^ version; /* FNV-1a */
  for (size_t i = 0; i < size; i++) hash = (hash ^ (uint8_t)name[i]) * 16777619u;
  return hash;
}

static served_view *find_view(view_store *store, const char *name, size_t size, uint32_t version,
                              uint32_t hash)
{
  served_view *view = store->chains[hash % N_CHAINS];
  while (view != NULL && (view->hash != hash || view->version != version ||
                          view->name_size != size || memcmp(view->name, name, size) != 0))
    view = view->next;
  return view;
}

/* A listed entry that is being opened, with a reference for the list and one for the caller. */
static served_view *add_view(view_store *store, const char *name, size_t size, uint32_t version,
                             uint32_t hash)
{
  served_view *view = calloc(1, sizeof *view + size + 1);
  if (view == NULL) return NULL;
  memcpy(view->name, name, size);
  view->name_size = size;
  view->version = version;
  view->hash = hash;
  view->references = 2;
  view->is_listed = true;
  pthread_mutex_init(&view->results_lock, NULL);
  view->next = store->chains[hash % N_CHAINS];
  store->chains[hash % N_CHAINS] = view;
  store->n_views++;
  return view;
}

/* Feast's names may have dots, a table's may not. */
static void table_name(const view_store *store, const served_view *view, char *out, size_t size)
{
  char suffix[24] = "";
  if (view->version > 0) snprintf(suffix, sizeof suffix, "_v%u", view->version);
  int start = snprintf(out, size, "%s.", store->namespace_name);
  snprintf(out + start, size - (size_t)start, "%s_%s%s_online", store->project, view->name, suffix);
  for (char *at = out + start; *at != '\0'; at++)
    if (*at == '.') *at = '_';
}

static frz_status open_view(view_store *store, served_view *view, frz_error *err)
{
  size_t size = strlen(store->namespace_name) + strlen(store->project) + view->name_size + 64;
  char *identifier = malloc(size);
  if (identifier == NULL) return server_fail(err, FRZ_ERR_NOMEM, "no memory for a table's name");
  table_name(store, view, identifier, size);
  frz_status st = frz_online_open(store->catalog, identifier, &store->online, &view->online, err);
  if (st == FRZ_ERR_NOT_FOUND)
    st = server_fail(err, FRZ_ERR_NOT_FOUND,
                     "feature view '%s' has no online table ('%.300s' is not in the catalog); run "
                     "feast apply, or start the server with the right --project and --namespace",
                     view->name, identifier);
  free(identifier);
  return st;
}

/* Open the table of an entry that the caller added, and tell those that wait. */
static frz_status finish_opening(view_store *store, served_view *view, frz_error *err)
{
  frz_error cause = {0};
  frz_status st = open_view(store, view, &cause);
  pthread_mutex_lock(&store->lock);
  view->state = st == FRZ_OK ? VIEW_OPEN : VIEW_MISSING;
  view->missing_ms = now_ms();
  view->error = cause;
  pthread_cond_broadcast(&store->opened);
  pthread_mutex_unlock(&store->lock);
  if (st != FRZ_OK && err != NULL) *err = cause;
  return st;
}

/* Under the lock: the entry in a settled state and counted, or an added one that the caller is to
 * open. */
static frz_status await_view(view_store *store, const char *name, size_t size, uint32_t version,
                             served_view **view_out, served_view **added_out, frz_error *err)
{
  uint32_t hash = hash_name(name, size, version);
  for (;;) {
    served_view *view = find_view(store, name, size, version, hash);
    if (view != NULL && view->state == VIEW_MISSING && now_ms() - view->missing_ms > RETRY_MS) {
      unlist(store, view);
      if (drop(view)) free_view(view);
      view = NULL;
    }
    if (view == NULL) {
      if (store->n_views >= VIEWS_MAX)
        return server_fail(err, FRZ_ERR_LIMIT, "more than %d feature views are asked for",
                           VIEWS_MAX);
      *added_out = add_view(store, name, size, version, hash);
      return *added_out != NULL ? FRZ_OK
                                : server_fail(err, FRZ_ERR_NOMEM, "no memory for a feature view");
    }
    if (view->state != VIEW_OPENING) {
      view->references++;
      *view_out = view;
      return FRZ_OK;
    }
    pthread_cond_wait(&store->opened, &store->lock);
  }
}

/* Names that were not found make room for others. */
static void sweep_missing(view_store *store)
{
  for (int i = 0; i < N_CHAINS; i++)
    for (served_view *view = store->chains[i]; view != NULL;) {
      served_view *next = view->next;
      if (view->state == VIEW_MISSING && now_ms() - view->missing_ms > RETRY_MS) {
        unlist(store, view);
        if (drop(view)) free_view(view);
      }
      view = next;
    }
}

frz_status view_store_get(view_store *store, const char *name, size_t name_size, uint32_t version,
                          served_view **view_out, frz_error *err)
{
  if (name_size == 0 || name_size > NAME_BYTES_MAX || memchr(name, '\0', name_size) != NULL)
    return server_fail(err, FRZ_ERR_NOT_FOUND, "'%.*s' is no name of a feature view",
                       (int)(name_size < 100 ? name_size : 100), name);
  served_view *added = NULL, *view = NULL;
  pthread_mutex_lock(&store->lock);
  frz_status st = await_view(store, name, name_size, version, &view, &added, err);
  pthread_mutex_unlock(&store->lock);
  if (st != FRZ_OK) return st;
  if (added != NULL) {
    view = added;
    st = finish_opening(store, view, err);
  } else if (view->state == VIEW_MISSING) {
    st = view->error.code;
    if (err != NULL) *err = view->error;
  }
  if (st == FRZ_OK)
    *view_out = view;
  else
    view_store_release(store, view);
  return st;
}

frz_online *served_view_table(served_view *view)
{
  return view->online;
}

const char *served_view_name(const served_view *view)
{
  return view->name;
}

frz_status served_view_take_result(served_view *view, frz_online_result **result_out,
                                   frz_error *err)
{
  frz_online_result *result = NULL;
  pthread_mutex_lock(&view->results_lock);
  if (view->n_results > 0) result = view->results[--view->n_results];
  pthread_mutex_unlock(&view->results_lock);
  if (result == NULL) return frz_online_result_create(view->online, result_out, err);
  *result_out = result;
  return FRZ_OK;
}

void served_view_give_result(served_view *view, frz_online_result *result)
{
  pthread_mutex_lock(&view->results_lock);
  bool is_kept = view->n_results < RESULTS_KEPT;
  if (is_kept) view->results[view->n_results++] = result;
  pthread_mutex_unlock(&view->results_lock);
  if (!is_kept) frz_online_result_free(result);
}

/* ---- what was published ---- */

static frz_status load_published(view_store *store, frz_error *err)
{
  size_t size = strlen(store->namespace_name) + strlen(store->project) + 64;
  char *identifier = malloc(size);
  if (identifier == NULL) return server_fail(err, FRZ_ERR_NOMEM, "no memory for a table's name");
  int start = snprintf(identifier, size, "%s.", store->namespace_name);
  snprintf(identifier + start, size - (size_t)start, "%s_feast_registry", store->project);
  for (char *at = identifier + start; *at != '\0'; at++)
    if (*at == '.') *at = '_';
  published *loaded = NULL;
  frz_status st = published_load(store->catalog, identifier, &loaded, err);
  free(identifier);
  if (st == FRZ_ERR_NOT_FOUND) st = FRZ_OK; /* nothing was published */
  pthread_mutex_lock(&store->lock);
  published *old = NULL;
  if (st == FRZ_OK) { /* else what is known stays */
    old = store->published;
    store->published = loaded;
  }
  store->published_ms = now_ms();
  pthread_mutex_unlock(&store->lock);
  published_release(old);
  return st;
}

frz_status view_store_published(view_store *store, bool is_missed, published **published_out,
                                frz_error *err)
{
  pthread_mutex_lock(&store->lock);
  store->is_published_used = true;
  int64_t at_ms = store->published_ms;
  pthread_mutex_unlock(&store->lock);
  frz_status st = FRZ_OK;
  if (at_ms < 0 || (is_missed && now_ms() - at_ms > RETRY_MS)) st = load_published(store, err);
  pthread_mutex_lock(&store->lock);
  published *found = store->published;
  if (found != NULL) published_retain(found);
  pthread_mutex_unlock(&store->lock);
  *published_out = found;
  return found != NULL ? FRZ_OK : st;
}

void view_store_refresh(view_store *store, bool at_once)
{
  pthread_mutex_lock(&store->lock);
  bool is_due =
      store->is_published_used && (at_once || now_ms() - store->published_ms > REFRESH_MS);
  if (at_once)
    for (int i = 0; i < N_CHAINS; i++)
      for (served_view *view = store->chains[i]; view != NULL; view = view->next)
        view->missing_ms -= 2 * RETRY_MS;
  sweep_missing(store);
  pthread_mutex_unlock(&store->lock);
  if (is_due && load_published(store, NULL) != FRZ_OK) return; /* what is known stays */
}

/* ---- metrics ---- */

typedef struct view_metric {
  const char *name;
  const char *type;
  const char *help;
  size_t offset; /* in frz_online_stats */
} view_metric;

#define METRIC(field, type, help)                                            \
  {                                                                          \
    "frazil_view_" #field, type, help, offsetof(frz_online_stats, n_##field) \
  }

static const view_metric view_metrics[] = {
    METRIC(keys, "gauge", "Keys in the lookup index, those with newer rows counted again."),
    METRIC(segments, "gauge", "Segments of the lookup index."),
    METRIC(file_bytes, "gauge", "Bytes of memory-mapped segments."),
    METRIC(memory_bytes, "gauge", "Bytes of segments in this process's memory."),
    METRIC(builds, "counter", "Builds of the whole lookup index."),
    METRIC(refreshes, "counter", "Refreshes of the lookup index that took something in."),
    METRIC(reads, "counter", "Reads."),
    METRIC(keys_read, "counter", "Keys that were asked for."),
    METRIC(keys_found, "counter", "Keys that were found."),
    METRIC(reads_direct, "counter", "Reads from the table's files."),
    METRIC(commits, "counter", "Commits of written rows."),
    METRIC(rows_written, "counter", "Rows written."),
    {"frazil_view_staleness_milliseconds", "gauge",
     "Time since the last look at the catalog; -1 before the first.",
     offsetof(frz_online_stats, staleness_ms)},
};

typedef struct view_numbers {
  served_view *view;
  frz_online_stats stats;
} view_numbers;

/* The open views, counted. */
static size_t list_views(view_store *store, view_numbers **list_out)
{
  pthread_mutex_lock(&store->lock);
  view_numbers *list = calloc(store->n_views + 1, sizeof *list);
  size_t n = 0;
  for (int i = 0; list != NULL && i < N_CHAINS; i++)
    for (served_view *view = store->chains[i]; view != NULL; view = view->next)
      if (view->state == VIEW_OPEN) {
        view->references++;
        list[n++].view = view;
      }
  pthread_mutex_unlock(&store->lock);
  *list_out = list;
  return n;
}

void view_store_put_metrics(view_store *store, text_out *out)
{
  view_numbers *list;
  size_t n = list_views(store, &list);
  for (size_t i = 0; i < n; i++) frz_online_stats_get(list[i].view->online, &list[i].stats);
  for (size_t m = 0; n > 0 && m < sizeof view_metrics / sizeof view_metrics[0]; m++) {
    const view_metric *metric = &view_metrics[m];
    text_put_format(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", metric->name,
                    metric->type[0] == 'c' ? "_total" : "", metric->help, metric->name,
                    metric->type[0] == 'c' ? "_total" : "", metric->type);
    for (size_t i = 0; i < n; i++) {
      int64_t value;
      memcpy(&value, (const char *)&list[i].stats + metric->offset, sizeof value);
      text_put_format(out, "%s%s{view=", metric->name, metric->type[0] == 'c' ? "_total" : "");
      text_put_json(out, list[i].view->name, list[i].view->name_size);
      if (list[i].view->version > 0) text_put_format(out, ",version=\"%u\"", list[i].view->version);
      text_put_z(out, "} ");
      text_put_i64(out, value);
      text_put_byte(out, '\n');
    }
  }
  for (size_t i = 0; i < n; i++) view_store_release(store, list[i].view);
  free(list);
}
