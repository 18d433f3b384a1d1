/*
 * _core_online.c - the Online handle: an online table that is open.
 *
 * A read gives three bytes objects: Feast's RepeatedValue message, a byte a key that says whether
 * it was found, and an int64 a key with its event time. Making a Python object a value would cost
 * more than the read.
 *
 * close() may come while other threads use the handle: the handle is then ended by the last of
 * them. Both are counted with the GIL held.
 */
#include "core.h"

#include <string.h>

typedef struct core_online {
  PyObject_HEAD frz_online *online; /**< NULL: closed. */
  core_catalog *catalog;
  Py_ssize_t n_users;
  bool wants_close;
} core_online;

static void end_handle(core_online *self)
{
  frz_online *online = self->online;
  self->online = NULL;
  Py_BEGIN_ALLOW_THREADS frz_online_close(online);
  Py_END_ALLOW_THREADS
}

static int enter(core_online *self)
{
  if (self->online == NULL || self->wants_close) {
    PyErr_SetString(PyExc_ValueError, "the online table is closed");
    return -1;
  }
  self->n_users++;
  return 0;
}

static void leave(core_online *self)
{
  if (--self->n_users == 0 && self->wants_close) end_handle(self);
}

static PyObject *raise(core_online *self, const frz_error *err)
{
  return core_raise_as(self->catalog->context->signals, err, "NoSuchTableError", NULL);
}

PyObject *core_open_online(PyObject *module, PyObject *args)
{
  core_state *state = core_state_of(module);
  core_catalog *catalog = NULL;
  const char *identifier = NULL;
  int lookup = 0, compacts = 0;
  long long staleness = 0, timeout = 0, ttl_us = 0, commit_timeout = 0, age = 0;
  frz_online_options options;
  frz_online_options_init(&options);
  if (!PyArg_ParseTuple(args, "O!sizLLLLpL:open_online", state->catalog_type, &catalog, &identifier,
                        &lookup, &options.cache_dir, &staleness, &timeout, &ttl_us, &commit_timeout,
                        &compacts, &age))
    return NULL;
  options.lookup = (frz_online_lookup)lookup;
  options.max_staleness_ms = staleness;
  options.read_timeout_ms = timeout;
  options.key_ttl_us = ttl_us;
  options.commit_timeout_ms = commit_timeout;
  options.compact_automatically = compacts != 0;
  options.min_snapshot_age_ms = age;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_online *online = NULL;
  Py_BEGIN_ALLOW_THREADS st =
      frz_online_open(catalog->catalog, identifier, &options, &online, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(catalog->context->signals, &err,
                                                              "NoSuchTableError", NULL);
  core_online *self = (core_online *)PyType_GenericAlloc(state->online_type, 0);
  if (self == NULL) {
    frz_online_close(online);
    return NULL;
  }
  self->online = online;
  self->catalog = catalog;
  Py_INCREF((PyObject *)catalog);
  return (PyObject *)self;
}

static void online_dealloc(PyObject *object)
{
  core_online *self = (core_online *)object;
  if (self->online != NULL) end_handle(self);
  Py_XDECREF((PyObject *)self->catalog);
  core_object_free(object);
}

static PyObject *online_close(PyObject *object, PyObject *unused)
{
  core_online *self = (core_online *)object;
  (void)unused;
  self->wants_close = true;
  if (self->online != NULL && self->n_users == 0) end_handle(self);
  Py_RETURN_NONE;
}

/* ---- layout ---- */

static PyObject *columns_of(const frz_online_column *columns, size_t n)
{
  PyObject *tuple = PyTuple_New((Py_ssize_t)n);
  for (size_t i = 0; tuple != NULL && i < n; i++) {
    PyObject *column = Py_BuildValue("(ssii)", columns[i].name, columns[i].column,
                                     (int)columns[i].field_id, (int)columns[i].value_type);
    if (column == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, column) != 0) Py_CLEAR(tuple);
  }
  return tuple;
}

static PyObject *online_describe(PyObject *object, PyObject *unused)
{
  core_online *self = (core_online *)object;
  (void)unused;
  const frz_online_info *info = NULL;
  frz_error err = {0};
  if (enter(self) != 0) return NULL;
  frz_status st = frz_online_describe(self->online, &info, &err);
  leave(self);
  if (st != FRZ_OK) return raise(self, &err);
  PyObject *keys = columns_of(info->join_keys, info->n_join_keys);
  PyObject *features = columns_of(info->features, info->n_features);
  PyObject *result = NULL;
  if (keys != NULL && features != NULL)
    result = Py_BuildValue("(ssdsssOO)", info->project, info->view, info->ttl_seconds,
                           info->entity_key_column, info->event_ts_column, info->created_ts_column,
                           keys, features);
  Py_XDECREF(keys);
  Py_XDECREF(features);
  frz_online_info_free(info);
  return result;
}

/* ---- reading ---- */

typedef struct read_call {
  core_online *self;
  core_keys keys;
  core_texts features;
  bool has_all; /* features */
} read_call;

static int begin_read(read_call *call, PyObject *names)
{
  call->has_all = names == Py_None;
  return core_texts_from(names, &call->features);
}

static void end_read(read_call *call)
{
  core_texts_dispose(&call->features);
  core_keys_dispose(&call->keys);
}

/* Read without the GIL, and encode by one of two ways. */
static frz_status run_read(const read_call *call, frz_string *values, uint8_t *found,
                           int64_t *events, frz_error *err)
{
  frz_online *online = call->self->online;
  frz_online_result *result = NULL;
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_online_result_create(online, &result, err);
  if (st == FRZ_OK)
    st = frz_online_read(online, call->keys.items, call->keys.n_items,
                         call->has_all ? NULL : call->features.items, call->features.n_items,
                         result, err);
  if (st == FRZ_OK && found != NULL)
    st = frz_online_result_encode(result, values, found, events, err);
  else if (st == FRZ_OK)
    st = frz_online_result_encode_vectors(result, values, err);
  frz_online_result_free(result);
  Py_END_ALLOW_THREADS return st;
}

static PyObject *read_rows(const read_call *call)
{
  size_t n = call->keys.n_items;
  PyObject *found = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n), *built = NULL;
  PyObject *events = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(n * sizeof(int64_t)));
  frz_string values = {0};
  frz_error err = {0};
  if (found == NULL || events == NULL || enter(call->self) != 0) goto out;
  frz_status st = run_read(call, &values, (uint8_t *)PyBytes_AsString(found),
                           (int64_t *)(void *)PyBytes_AsString(events), &err);
  leave(call->self);
  if (st == FRZ_OK)
    built = Py_BuildValue("(y#OO)", values.data, (Py_ssize_t)values.size_bytes, found, events);
  else
    raise(call->self, &err);
out:
  frz_string_dispose(&values);
  Py_XDECREF(found);
  Py_XDECREF(events);
  return built;
}

static PyObject *online_read(PyObject *object, PyObject *args)
{
  read_call call = {.self = (core_online *)object};
  PyObject *tuple = NULL, *names = NULL, *built = NULL;
  if (!PyArg_ParseTuple(args, "O!O:read", &PyTuple_Type, &tuple, &names)) return NULL;
  if (begin_read(&call, names) != 0) return NULL;
  if (core_keys_from(tuple, &call.keys) == 0) built = read_rows(&call);
  end_read(&call);
  return built;
}

static PyObject *online_read_messages(PyObject *object, PyObject *args)
{
  read_call call = {.self = (core_online *)object};
  PyObject *tuple = NULL, *names = NULL, *built = NULL;
  if (!PyArg_ParseTuple(args, "O!O:read_messages", &PyTuple_Type, &tuple, &names)) return NULL;
  if (begin_read(&call, names) != 0) return NULL;
  if (core_keys_from_messages(tuple, &call.keys) == 0) built = read_rows(&call);
  end_read(&call);
  return built;
}

static PyObject *read_vectors(const read_call *call)
{
  frz_string values = {0};
  frz_error err = {0};
  if (enter(call->self) != 0) return NULL;
  frz_status st = run_read(call, &values, NULL, NULL, &err);
  leave(call->self);
  if (st != FRZ_OK) return raise(call->self, &err);
  PyObject *built = PyBytes_FromStringAndSize(values.data, (Py_ssize_t)values.size_bytes);
  frz_string_dispose(&values);
  return built;
}

static PyObject *online_read_vectors(PyObject *object, PyObject *args)
{
  read_call call = {.self = (core_online *)object};
  core_texts join_keys = {0};
  PyObject *key_names = NULL, *columns = NULL, *names = NULL, *built = NULL;
  if (!PyArg_ParseTuple(args, "OO!O:read_vectors", &key_names, &PyTuple_Type, &columns, &names) ||
      core_texts_from(key_names, &join_keys) != 0)
    return NULL;
  if (begin_read(&call, names) == 0) {
    if (core_keys_from_values(&join_keys, columns, &call.keys) == 0) built = read_vectors(&call);
    end_read(&call);
  }
  core_texts_dispose(&join_keys);
  return built;
}

static PyObject *online_is_fresh(PyObject *object, PyObject *unused)
{
  core_online *self = (core_online *)object;
  (void)unused;
  if (enter(self) != 0) return NULL;
  bool is_fresh = frz_online_is_fresh(self->online);
  leave(self);
  return PyBool_FromLong(is_fresh);
}

/* ---- writing ---- */

static PyObject *online_write(PyObject *object, PyObject *args)
{
  core_online *self = (core_online *)object;
  struct ArrowArrayStream stream = {0};
  PyObject *data = NULL;
  if (!PyArg_ParseTuple(args, "O:write", &data)) return NULL;
  if (core_stream_from(data, &stream) != 0) return NULL;
  if (enter(self) != 0) {
    if (stream.release != NULL) stream.release(&stream);
    return NULL;
  }
  frz_online_write_result result = {0};
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_online_write(self->online, &stream, &result, &err);
  Py_END_ALLOW_THREADS leave(self);
  if (st != FRZ_OK) return raise(self, &err);
  return Py_BuildValue("(LL)", (long long)result.snapshot_id, (long long)result.n_rows);
}

/* Pairs of texts, borrowed from a tuple of tuples. */
static frz_join_key *pairs_from(PyObject *tuple, size_t *n_out)
{
  size_t n = (size_t)PyTuple_Size(tuple);
  frz_join_key *pairs = PyMem_Calloc(n + 1, sizeof *pairs);
  if (pairs == NULL) PyErr_NoMemory();
  for (size_t i = 0; pairs != NULL && i < n; i++) {
    PyObject *pair = PyTuple_GetItem(tuple, (Py_ssize_t)i);
    if (PyTuple_Check(pair) &&
        PyArg_ParseTuple(pair, "ss:pair", &pairs[i].entity_column, &pairs[i].table_column))
      continue;
    if (PyErr_Occurred() == NULL) PyErr_SetString(PyExc_TypeError, "a pair of names is a tuple");
    PyMem_Free(pairs);
    return NULL;
  }
  *n_out = n;
  return pairs;
}

/* A Python callable is told; what it raises stays set, and cancels the call. */
static bool tell_progress(void *ctx, const frz_materialize_progress *progress)
{
  PyGILState_STATE gil = PyGILState_Ensure();
  PyObject *answer =
      PyObject_CallFunction((PyObject *)ctx, "LLL", (long long)progress->rows_read,
                            (long long)progress->rows_total, (long long)progress->keys_written);
  Py_XDECREF(answer);
  PyGILState_Release(gil);
  return answer != NULL;
}

static PyObject *online_materialize(PyObject *object, PyObject *args)
{
  core_online *self = (core_online *)object;
  core_state *state = core_state_of((PyObject *)Py_TYPE(object));
  core_table *source = NULL;
  PyObject *scan_tuple = NULL, *keys = NULL, *features = NULL, *callable = NULL;
  long long start_us = 0, end_us = 0;
  frz_online_materialize_options options;
  frz_online_materialize_options_init(&options);
  if (!PyArg_ParseTuple(args, "O!OszLLO!O!O:materialize", state->table_type, &source, &scan_tuple,
                        &options.timestamp_field, &options.created_timestamp_field, &start_us,
                        &end_us, &PyTuple_Type, &keys, &PyTuple_Type, &features, &callable))
    return NULL;
  frz_scan_options scan;
  core_texts selected = {0};
  if (core_scan_options_from(scan_tuple, &scan, &selected) != 0) return NULL;
  options.scan = &scan;
  frz_join_key *key_pairs = pairs_from(keys, &options.n_join_keys);
  frz_join_key *feature_pairs =
      key_pairs != NULL ? pairs_from(features, &options.n_features) : NULL;
  frz_online_write_result result = {0};
  frz_error err = {0};
  frz_status st = FRZ_OK;
  PyObject *built = NULL;
  if (feature_pairs == NULL || enter(self) != 0) goto out;
  options.start_us = start_us;
  options.end_us = end_us;
  options.join_keys = key_pairs;
  options.features = feature_pairs;
  options.progress = callable != Py_None ? tell_progress : NULL;
  options.progress_ctx = callable;
  Py_BEGIN_ALLOW_THREADS st =
      frz_online_materialize(self->online, source->table, &options, &result, &err);
  Py_END_ALLOW_THREADS leave(self);
  if (PyErr_Occurred() != NULL) goto out;
  if (st != FRZ_OK)
    core_raise(self->catalog->context->signals, &err);
  else
    built = Py_BuildValue("(LL)", (long long)result.snapshot_id, (long long)result.n_rows);
out:
  PyMem_Free(feature_pairs);
  PyMem_Free(key_pairs);
  core_texts_dispose(&selected);
  return built;
}

/* ---- upkeep ---- */

static PyObject *online_prepare(PyObject *object, PyObject *unused)
{
  core_online *self = (core_online *)object;
  (void)unused;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  if (enter(self) != 0) return NULL;
  Py_BEGIN_ALLOW_THREADS st = frz_online_prepare(self->online, &err);
  Py_END_ALLOW_THREADS leave(self);
  if (st != FRZ_OK) return raise(self, &err);
  Py_RETURN_NONE;
}

static PyObject *online_refresh(PyObject *object, PyObject *unused)
{
  core_online *self = (core_online *)object;
  (void)unused;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  bool changed = false;
  if (enter(self) != 0) return NULL;
  Py_BEGIN_ALLOW_THREADS st = frz_online_refresh(self->online, &changed, &err);
  Py_END_ALLOW_THREADS leave(self);
  if (st != FRZ_OK) return raise(self, &err);
  return PyBool_FromLong(changed);
}

static PyObject *online_compact(PyObject *object, PyObject *args)
{
  core_online *self = (core_online *)object;
  int all = 0, keep_snapshots = 0;
  frz_online_compact_options options;
  frz_online_compact_options_init(&options);
  if (!PyArg_ParseTuple(args, "pp:compact", &all, &keep_snapshots) || enter(self) != 0) return NULL;
  options.all = all != 0;
  options.keep_snapshots = keep_snapshots != 0;
  frz_online_compact_result result = {0};
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_online_compact(self->online, &options, &result, &err);
  Py_END_ALLOW_THREADS leave(self);
  if (st != FRZ_OK) return raise(self, &err);
  return Py_BuildValue("(LLLLLLLL)", (long long)result.snapshot_id,
                       (long long)result.n_files_before, (long long)result.n_files_after,
                       (long long)result.n_bytes_before, (long long)result.n_bytes_after,
                       (long long)result.n_rows_before, (long long)result.n_rows_after,
                       (long long)result.n_snapshots_expired);
}

static PyObject *online_stats(PyObject *object, PyObject *unused)
{
  core_online *self = (core_online *)object;
  (void)unused;
  frz_online_stats s;
  if (enter(self) != 0) return NULL;
  frz_online_stats_get(self->online, &s);
  leave(self);
  return Py_BuildValue(
      "{sOsLsLsLsLsLsLsLsLsLsLsLsLsLsLsL}", "is_ready", s.is_ready ? Py_True : Py_False,
      "snapshot_id", (long long)s.snapshot_id, "keys", (long long)s.n_keys, "segments",
      (long long)s.n_segments, "file_bytes", (long long)s.n_file_bytes, "memory_bytes",
      (long long)s.n_memory_bytes, "builds", (long long)s.n_builds, "refreshes",
      (long long)s.n_refreshes, "last_refresh_us", (long long)s.last_refresh_us, "staleness_ms",
      (long long)s.staleness_ms, "reads", (long long)s.n_reads, "keys_read",
      (long long)s.n_keys_read, "keys_found", (long long)s.n_keys_found, "reads_direct",
      (long long)s.n_reads_direct, "commits", (long long)s.n_commits, "rows_written",
      (long long)s.n_rows_written);
}

static PyMethodDef online_methods[] = {
    {"describe", online_describe, METH_NOARGS, "The layout."},
    {"read", online_read, METH_VARARGS, "Values, presence and event times of keys."},
    {"read_messages", online_read_messages, METH_VARARGS, "The same of Feast's EntityKeys."},
    {"read_vectors", online_read_vectors, METH_VARARGS, "Results of a GetOnlineFeaturesResponse."},
    {"is_fresh", online_is_fresh, METH_NOARGS, "Would a read be answered at once?"},
    {"write", online_write, METH_VARARGS, "Write rows in one commit."},
    {"materialize", online_materialize, METH_VARARGS, "Write an offline table's latest rows."},
    {"prepare", online_prepare, METH_NOARGS, "Build the index and wait for it."},
    {"refresh", online_refresh, METH_NOARGS, "Look at the catalog now."},
    {"compact", online_compact, METH_VARARGS, "Join files, keeping the newest row of a key."},
    {"stats", online_stats, METH_NOARGS, "Numbers since the table was opened."},
    {"close", online_close, METH_NOARGS, "End the handle."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot online_slots[] = {{Py_tp_doc, "An online table that is open."},
                                     {Py_tp_dealloc, CORE_SLOT(online_dealloc)},
                                     {Py_tp_methods, online_methods},
                                     {0, NULL}};

static PyType_Spec online_spec = {.name = "frazil._core.Online",
                                  .basicsize = sizeof(core_online),
                                  .flags = CORE_HANDLE_FLAGS,
                                  .slots = online_slots};

int core_online_init(PyObject *module, core_state *state)
{
  state->online_type = core_type_new(module, &online_spec);
  return state->online_type != NULL ? 0 : -1;
}
