/*
 * _core_pit.c - pit_join(), pit_explain() and latest_per_key().
 *
 * A view comes as a tuple of plain values; the C structs made from it borrow every text, so the
 * argument tuple must live until the library call returns, which it does: the caller holds it.
 */
#include "core.h"

/* A view and the lists that its struct points into. */
typedef struct view_parts {
  frz_scan_options scan;
  core_texts selected;
  frz_join_key *join_keys;
  frz_feature *features;
} view_parts;

static void view_parts_dispose(view_parts *parts)
{
  core_texts_dispose(&parts->selected);
  PyMem_Free(parts->join_keys);
  PyMem_Free(parts->features);
}

static int pair_from(PyObject *pair, const char *format, const char **first, const char **second)
{
  if (!PyTuple_Check(pair)) {
    PyErr_SetString(PyExc_TypeError, "a pair of names must be a tuple");
    return -1;
  }
  return PyArg_ParseTuple(pair, format, first, second) ? 0 : -1;
}

static int view_from(core_state *state, PyObject *tuple, frz_pit_view *view, view_parts *parts)
{
  frz_pit_view_init(view);
  core_table *table = NULL;
  PyObject *scan = NULL;
  PyObject *keys = NULL;
  PyObject *features = NULL;
  long long ttl_us = 0;
  int cutoff = 0;
  if (!PyTuple_Check(tuple)) {
    PyErr_SetString(PyExc_TypeError, "a view must be a tuple");
    return -1;
  }
  if (!PyArg_ParseTuple(tuple, "sO!OO!szLpO!:view", &view->name, state->table_type, &table, &scan,
                        &PyTuple_Type, &keys, &view->timestamp_field,
                        &view->created_timestamp_field, &ttl_us, &cutoff, &PyTuple_Type, &features))
    return -1;
  if (core_scan_options_from(scan, &parts->scan, &parts->selected) != 0) return -1;
  view->table = table->table;
  view->scan = scan == Py_None ? NULL : &parts->scan;
  view->ttl_us = ttl_us;
  view->created_cutoff = cutoff != 0;
  view->n_join_keys = (size_t)PyTuple_Size(keys);
  view->n_features = (size_t)PyTuple_Size(features);
  parts->join_keys = PyMem_Calloc(view->n_join_keys + 1, sizeof *parts->join_keys);
  parts->features = PyMem_Calloc(view->n_features + 1, sizeof *parts->features);
  if (parts->join_keys == NULL || parts->features == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  view->join_keys = parts->join_keys;
  view->features = parts->features;
  for (size_t i = 0; i < view->n_join_keys; i++)
    if (pair_from(PyTuple_GetItem(keys, (Py_ssize_t)i), "ss:join key",
                  &parts->join_keys[i].entity_column, &parts->join_keys[i].table_column) != 0)
      return -1;
  for (size_t i = 0; i < view->n_features; i++)
    if (pair_from(PyTuple_GetItem(features, (Py_ssize_t)i), "sz:feature",
                  &parts->features[i].column, &parts->features[i].output_name) != 0)
      return -1;
  return 0;
}

/* What a NOT_FOUND means: a snapshot only where one was asked for, else a file that is gone. */
static const char *not_found_class(bool pinned)
{
  return pinned ? "NoSuchSnapshotError" : NULL;
}

static bool is_pinned(const frz_scan_options *scan)
{
  return scan != NULL && (scan->snapshot_id != 0 || scan->ref != NULL || scan->as_of_ms != 0);
}

/* Whom a join tells how far it is, and what that raised. */
typedef struct listener {
  PyObject *callback;
  PyObject *raised[3];
} listener;

/* Called without the GIL, on the thread that called pit_join(). */
static bool tell_progress(void *ctx, const frz_pit_progress *progress)
{
  listener *self = ctx;
  PyGILState_STATE gil = PyGILState_Ensure();
  PyObject *result =
      PyObject_CallFunction(self->callback, "Lnn(LL)(LL)", (long long)progress->n_entity_rows,
                            (Py_ssize_t)progress->view, (Py_ssize_t)progress->n_views,
                            (long long)progress->files_done, (long long)progress->files_total,
                            (long long)progress->rows_done, (long long)progress->rows_total);
  if (result == NULL) PyErr_Fetch(&self->raised[0], &self->raised[1], &self->raised[2]);
  Py_XDECREF(result);
  PyGILState_Release(gil);
  return result != NULL;
}

static bool any_is_pinned(const frz_pit_view *views, size_t n_views)
{
  bool pinned = false;
  for (size_t i = 0; i < n_views; i++) pinned = pinned || is_pinned(views[i].scan);
  return pinned;
}

/* The join's rows and its reports, as a pair. */
static PyObject *rows_and_reports(core_state *state, struct ArrowArrayStream *stream,
                                  core_join_reports *reports)
{
  if (core_join_reports_follow(reports, stream) != 0) {
    stream->release(stream);
    core_join_reports_release(reports);
    return NULL;
  }
  PyObject *rows = core_stream_new(state, stream);
  PyObject *shown = core_join_reports_object(reports);
  PyObject *pair = rows != NULL && shown != NULL ? PyTuple_Pack(2, rows, shown) : NULL;
  Py_XDECREF(rows);
  Py_XDECREF(shown);
  return pair;
}

static PyObject *join_views(core_state *state, core_context *context, PyObject *entities,
                            const frz_pit_view *views, size_t n_views, frz_pit_options *options,
                            PyObject *progress)
{
  listener heard = {.callback = progress};
  if (progress != Py_None) {
    options->progress = tell_progress;
    options->progress_ctx = &heard;
  }
  core_join_reports *reports = core_join_reports_new(n_views);
  if (reports == NULL) return NULL;
  options->reports = core_join_reports_live(reports);
  struct ArrowArrayStream rows = {0};
  struct ArrowArrayStream stream = {0};
  frz_error err = {0};
  frz_status st = FRZ_OK;
  if (core_stream_from(entities, &rows) != 0) goto failed;
  Py_BEGIN_ALLOW_THREADS st =
      frz_pit_join(context->context, &rows, views, n_views, options, &stream, &err);
  Py_END_ALLOW_THREADS if (heard.raised[0] != NULL)
  {
    if (st == FRZ_OK) stream.release(&stream);
    PyErr_Restore(heard.raised[0], heard.raised[1], heard.raised[2]);
    goto failed;
  }
  if (st == FRZ_OK) return rows_and_reports(state, &stream, reports);
  core_raise_as(context->signals, &err, not_found_class(any_is_pinned(views, n_views)), NULL);
failed:
  core_join_reports_release(reports);
  return NULL;
}

/* What join_views() would read: a list, one dictionary a view. `progress` is None. */
static PyObject *explain_views(core_state *state, core_context *context, PyObject *entities,
                               const frz_pit_view *views, size_t n_views, frz_pit_options *options,
                               PyObject *progress)
{
  (void)state;
  (void)progress;
  struct ArrowArrayStream rows = {0};
  if (core_stream_from(entities, &rows) != 0) return NULL;
  frz_pit_report *reports = PyMem_Calloc(n_views + 1, sizeof *reports);
  if (reports == NULL) {
    rows.release(&rows);
    return PyErr_NoMemory();
  }
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st =
      frz_pit_explain(context->context, &rows, views, n_views, options, reports, &err);
  Py_END_ALLOW_THREADS PyObject *list =
      st == FRZ_OK ? core_join_report_list(reports, n_views)
                   : core_raise_as(context->signals, &err,
                                   not_found_class(any_is_pinned(views, n_views)), NULL);
  PyMem_Free(reports);
  return list;
}

typedef PyObject *views_function(core_state *state, core_context *context, PyObject *entities,
                                 const frz_pit_view *views, size_t n_views,
                                 frz_pit_options *options, PyObject *progress);

/* Both take (context, entities, views, timestamp_field, full_feature_names, progress). */
static PyObject *call_with_views(PyObject *module, PyObject *args, views_function *function)
{
  core_state *state = core_state_of(module);
  core_context *context = NULL;
  PyObject *entities = NULL;
  PyObject *tuple = NULL;
  frz_pit_options options;
  frz_pit_options_init(&options);
  int full_names = 0;
  PyObject *progress = NULL;
  if (!PyArg_ParseTuple(args, "O!OO!spO:join", state->context_type, &context, &entities,
                        &PyTuple_Type, &tuple, &options.timestamp_field, &full_names, &progress))
    return NULL;
  options.full_feature_names = full_names != 0;
  size_t n_views = (size_t)PyTuple_Size(tuple);
  frz_pit_view *views = PyMem_Calloc(n_views + 1, sizeof *views);
  view_parts *parts = PyMem_Calloc(n_views + 1, sizeof *parts);
  PyObject *result = NULL;
  if (views == NULL || parts == NULL) {
    PyErr_NoMemory();
    goto out;
  }
  for (size_t i = 0; i < n_views; i++)
    if (view_from(state, PyTuple_GetItem(tuple, (Py_ssize_t)i), &views[i], &parts[i]) != 0)
      goto out;
  result = function(state, context, entities, views, n_views, &options, progress);
out:
  if (parts != NULL)
    for (size_t i = 0; i < n_views; i++) view_parts_dispose(&parts[i]);
  PyMem_Free(parts);
  PyMem_Free(views);
  return result;
}

PyObject *core_pit_join(PyObject *module, PyObject *args)
{
  return call_with_views(module, args, join_views);
}

PyObject *core_pit_explain(PyObject *module, PyObject *args)
{
  return call_with_views(module, args, explain_views);
}

PyObject *core_latest_per_key(PyObject *module, PyObject *args)
{
  core_state *state = core_state_of(module);
  core_table *table = NULL;
  PyObject *scan_tuple = NULL;
  PyObject *key_tuple = NULL;
  PyObject *column_tuple = NULL;
  frz_latest_options options;
  frz_latest_options_init(&options);
  long long start_us = options.start_us;
  long long end_us = options.end_us;
  if (!PyArg_ParseTuple(args, "O!OOszLLO:latest_per_key", state->table_type, &table, &scan_tuple,
                        &key_tuple, &options.timestamp_field, &options.created_timestamp_field,
                        &start_us, &end_us, &column_tuple))
    return NULL;
  options.start_us = start_us;
  options.end_us = end_us;
  frz_scan_options scan;
  core_texts selected = {0};
  core_texts keys = {0};
  core_texts columns = {0};
  PyObject *result = NULL;
  if (core_scan_options_from(scan_tuple, &scan, &selected) != 0 ||
      core_texts_from(key_tuple, &keys) != 0 || core_texts_from(column_tuple, &columns) != 0)
    goto out;
  options.scan = scan_tuple == Py_None ? NULL : &scan;
  options.key_columns = keys.items;
  options.n_key_columns = keys.n_items;
  options.columns = columns.items;
  options.n_columns = columns.n_items;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  struct ArrowArrayStream stream = {0};
  Py_BEGIN_ALLOW_THREADS st = frz_latest_per_key(table->table, &options, &stream, &err);
  Py_END_ALLOW_THREADS if (st == FRZ_OK) result = core_stream_new(state, &stream);
  else core_raise_as(table->context->signals, &err, not_found_class(is_pinned(options.scan)), NULL);
out:
  core_texts_dispose(&columns);
  core_texts_dispose(&keys);
  core_texts_dispose(&selected);
  return result;
}
