/*
 * write_answer.c - from the body of /push and /write-to-online-store to commits.
 *
 * A push goes to every view with that push source, one commit a view, in the order in which they
 * were published; rows are checked against all views before the first is written.
 */
#include "write_answer.h"

#include <stdlib.h>
#include <string.h>

#include "server_fail.h"
#include "write_rows.h"

enum { NODES_MAX = 1 << 23, PUSH_VIEWS_MAX = 64, NAME_BYTES_MAX = 256 };

/* One view's rows, ready to be written. */
typedef struct ready_write {
  served_view *view;
  struct ArrowArrayStream stream;
} ready_write;

static bool copy_text(const json_tree *tree, uint32_t object, const char *name, char *out)
{
  uint32_t at = json_member(tree, object, name);
  if (at == 0 || tree->nodes[at].kind != JSON_STRING || tree->nodes[at].size >= NAME_BYTES_MAX)
    return false;
  memcpy(out, tree->nodes[at].as.text, tree->nodes[at].size);
  out[tree->nodes[at].size] = '\0';
  return true;
}

static frz_status prepare(view_store *store, const published *known, const json_tree *tree,
                          const write_request *request, const char *name, size_t name_size,
                          ready_write *ready_out, frz_error *err)
{
  char event[NAME_BYTES_MAX];
  char created[NAME_BYTES_MAX];
  time_columns times = {0};
  uint32_t view = known != NULL ? published_find(known, known->views, name, name_size) : 0;
  if (view != 0) {
    if (copy_text(&known->tree, view, "timestamp_field", event)) times.event = event;
    if (copy_text(&known->tree, view, "created_timestamp_column", created)) times.created = created;
  }
  ready_write ready = {0};
  const frz_online_info *info = NULL;
  uint32_t version = published_view_number(known, name, name_size, "table_version");
  SERVER_TRY(view_store_get(store, name, name_size, version, &ready.view, err));
  frz_status st = frz_online_describe(served_view_table(ready.view), &info, err);
  if (st == FRZ_OK) st = write_rows_stream(tree, request, info, times, &ready.stream, err);
  frz_online_info_free(info);
  if (st == FRZ_OK)
    *ready_out = ready;
  else
    view_store_release(store, ready.view);
  return st;
}

static frz_status write_ready(view_store *store, ready_write *ready, uint64_t *n_rows,
                              frz_error *err)
{
  frz_online_write_result result = {0};
  frz_status st = frz_online_write(served_view_table(ready->view), &ready->stream, &result, err);
  ready->stream.release = NULL; /* consumed */
  if (st == FRZ_ERR_NOT_FOUND) view_store_forget(store, ready->view);
  if (st == FRZ_OK) *n_rows += (uint64_t)result.n_rows;
  return st;
}

static void drop_ready(view_store *store, ready_write *ready)
{
  if (ready->stream.release != NULL) ready->stream.release(&ready->stream);
  view_store_release(store, ready->view);
}

static frz_status write_view(view_store *store, const json_tree *tree, const write_request *request,
                             uint64_t *n_rows, frz_error *err)
{
  ready_write ready;
  published *known = NULL;
  (void)!view_store_published(store, false, &known, NULL); /* names of columns; has defaults */
  frz_status st =
      prepare(store, known, tree, request, request->target, request->target_size, &ready, err);
  published_release(known);
  if (st != FRZ_OK) return st;
  if (request->n_rows > 0) st = write_ready(store, &ready, n_rows, err);
  drop_ready(store, &ready);
  return st;
}

/* Names of the views with a push source, in `names_out`. */
static frz_status push_views(const view_store *store, const published *known,
                             const write_request *request, uint32_t *names_out, int *n_out,
                             frz_error *err)
{
  int n = 0;
  if (known != NULL) {
    const json_tree *tree = &known->tree;
    for (uint32_t at = known->views + 1; at < tree->nodes[known->views].as.end;
         at = json_next(tree, at + 1)) {
      uint32_t source = json_member(tree, at + 1, "push_source");
      if (source == 0 || tree->nodes[source].kind != JSON_STRING ||
          tree->nodes[source].size != request->target_size ||
          memcmp(tree->nodes[source].as.text, request->target, request->target_size) != 0)
        continue;
      if (n == PUSH_VIEWS_MAX)
        return server_fail(err, FRZ_ERR_LIMIT, "more than %d views have the push source",
                           PUSH_VIEWS_MAX);
      names_out[n++] = at;
    }
  }
  *n_out = n;
  if (n > 0) return FRZ_OK;
  return server_fail(err, FRZ_ERR_NOT_FOUND,
                     "push source '%.*s' of project '%s' is not published in the catalog; after "
                     "feast apply call frazil.feast.publish(store) in Python",
                     (int)(request->target_size < 100 ? request->target_size : 100),
                     request->target, view_store_project(store));
}

static frz_status write_views(view_store *store, const json_tree *tree,
                              const write_request *request, const published *known,
                              const uint32_t *names, int n_names, uint64_t *n_rows, frz_error *err)
{
  ready_write ready[PUSH_VIEWS_MAX];
  int n_ready = 0;
  frz_status st = FRZ_OK;
  for (; n_ready < n_names && st == FRZ_OK; n_ready++) {
    const json_node *name = &known->tree.nodes[names[n_ready]];
    st = prepare(store, known, tree, request, name->as.text, name->size, &ready[n_ready], err);
    if (st != FRZ_OK) break;
  }
  for (int i = 0; i < n_ready && st == FRZ_OK && request->n_rows > 0; i++)
    st = write_ready(store, &ready[i], n_rows, err);
  for (int i = 0; i < n_ready; i++) drop_ready(store, &ready[i]);
  return st;
}

static frz_status push(view_store *store, const json_tree *tree, const write_request *request,
                       uint64_t *n_rows, frz_error *err)
{
  uint32_t names[PUSH_VIEWS_MAX];
  int n_names = 0;
  published *known = NULL;
  if (request->to_offline)
    return server_fail(err, FRZ_ERR_UNSUPPORTED,
                       "this server pushes to the online store only; push to the offline store "
                       "through feast serve");
  frz_status st = FRZ_OK;
  for (int look = 0; look < 2; look++) {
    published_release(known);
    known = NULL;
    st = view_store_published(store, look == 1, &known, err);
    if (st == FRZ_OK) st = push_views(store, known, request, names, &n_names, err);
    if (st == FRZ_OK) break;
  }
  if (st == FRZ_OK) st = write_views(store, tree, request, known, names, n_names, n_rows, err);
  published_release(known);
  return st;
}

static frz_status answer(view_store *store, char *body, size_t size, bool is_push,
                         uint64_t *n_rows_out, frz_error *err)
{
  json_tree tree;
  write_request request = {0};
  uint64_t n_rows = 0;
  json_tree_init(&tree, NODES_MAX);
  frz_status st = json_tree_parse(&tree, body, size, err);
  if (st == FRZ_OK)
    st = write_request_read(&tree, is_push ? "push_source_name" : "feature_view_name", &request,
                            err);
  if (st == FRZ_OK)
    st = is_push ? push(store, &tree, &request, &n_rows, err)
                 : write_view(store, &tree, &request, &n_rows, err);
  write_request_dispose(&request);
  json_tree_dispose(&tree);
  *n_rows_out = n_rows;
  return st;
}

frz_status write_answer_view(view_store *store, char *body, size_t size, uint64_t *n_rows_out,
                             frz_error *err)
{
  return answer(store, body, size, false, n_rows_out, err);
}

frz_status write_answer_push(view_store *store, char *body, size_t size, uint64_t *n_rows_out,
                             frz_error *err)
{
  return answer(store, body, size, true, n_rows_out, err);
}
