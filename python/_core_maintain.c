/*
 * _core_maintain.c - maintenance of tables: methods of the Table handle.
 *
 * Progress is not told here: a callback would need the GIL on every step, and a caller that wants
 * to stop has Ctrl-C.
 */
#include "core.h"

PyObject *core_table_compact(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  frz_compact_options options;
  frz_compact_options_init(&options);
  long long target = 0, least = 0, most = 0, inputs = 0, group = 0;
  int rewrite_all = 0;
  PyObject *dict = NULL;
  if (!PyArg_ParseTuple(args, "zLLLLLdzpO:compact", &options.row_filter, &target, &least, &most,
                        &inputs, &group, &options.delete_ratio, &options.sort_order, &rewrite_all,
                        &dict))
    return NULL;
  core_properties properties;
  if (core_properties_from(dict, &properties) != 0) return NULL;
  options.target_file_bytes = target;
  options.min_file_bytes = least;
  options.max_file_bytes = most;
  options.min_input_files = inputs;
  options.max_group_bytes = group;
  options.rewrite_all = rewrite_all != 0;
  options.snapshot_properties = properties.items;
  options.n_snapshot_properties = properties.n_items;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_compact_result result = {0};
  Py_BEGIN_ALLOW_THREADS st = frz_table_compact(self->table, &options, &result, &err);
  Py_END_ALLOW_THREADS core_properties_dispose(&properties);
  if (st != FRZ_OK) return core_raise(self->context->signals, &err);
  return Py_BuildValue("(LLLLLLL)", (long long)result.snapshot_id, (long long)result.n_files_before,
                       (long long)result.n_files_after, (long long)result.n_bytes_before,
                       (long long)result.n_bytes_after, (long long)result.n_rows,
                       (long long)result.n_delete_files_removed);
}

PyObject *core_table_rewrite_manifests(PyObject *object, PyObject *unused)
{
  core_table *self = (core_table *)object;
  (void)unused;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_manifests_result result = {0};
  Py_BEGIN_ALLOW_THREADS st = frz_table_rewrite_manifests(self->table, &result, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise(self->context->signals, &err);
  return Py_BuildValue("(LLL)", (long long)result.snapshot_id, (long long)result.n_manifests_before,
                       (long long)result.n_manifests_after);
}

/* Whole numbers of a tuple; NULL with an exception set. Ended by PyMem_Free(). */
static int64_t *numbers_from(PyObject *tuple, size_t *n_out)
{
  size_t n = (size_t)PyTuple_Size(tuple);
  int64_t *numbers = PyMem_Calloc(n + 1, sizeof *numbers);
  if (numbers == NULL) PyErr_NoMemory();
  for (size_t i = 0; numbers != NULL && i < n; i++) {
    numbers[i] = PyLong_AsLongLong(PyTuple_GetItem(tuple, (Py_ssize_t)i));
    if (numbers[i] != -1 || PyErr_Occurred() == NULL) continue;
    PyMem_Free(numbers);
    numbers = NULL;
  }
  *n_out = n;
  return numbers;
}

PyObject *core_table_expire_snapshots(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  frz_expire_options options;
  frz_expire_options_init(&options);
  long long older_than = 0;
  int retain_last = 0, dry_run = 0, keep_files = 0;
  PyObject *ids = NULL;
  if (!PyArg_ParseTuple(args, "LiO!pp:expire_snapshots", &older_than, &retain_last, &PyTuple_Type,
                        &ids, &dry_run, &keep_files))
    return NULL;
  size_t n_ids;
  int64_t *numbers = numbers_from(ids, &n_ids);
  if (numbers == NULL) return NULL;
  options.older_than_ms = older_than;
  options.retain_last = retain_last;
  options.snapshot_ids = numbers;
  options.n_snapshot_ids = n_ids;
  options.dry_run = dry_run != 0;
  options.keep_files = keep_files != 0;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_expire_result result = {0};
  Py_BEGIN_ALLOW_THREADS st = frz_table_expire_snapshots(self->table, &options, &result, &err);
  Py_END_ALLOW_THREADS PyMem_Free(numbers);
  if (st != FRZ_OK) return core_raise(self->context->signals, &err);
  return Py_BuildValue("(LLLLLLL)", (long long)result.n_snapshots, (long long)result.n_refs,
                       (long long)result.n_data_files, (long long)result.n_delete_files,
                       (long long)result.n_manifests, (long long)result.n_manifest_lists,
                       (long long)result.n_statistics_files);
}

PyObject *core_table_remove_orphans(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  frz_orphan_options options;
  frz_orphan_options_init(&options);
  long long older_than = 0;
  int removes = 0, allow_recent = 0;
  if (!PyArg_ParseTuple(args, "Lzpp:remove_orphans", &older_than, &options.location, &removes,
                        &allow_recent))
    return NULL;
  options.older_than_ms = older_than;
  options.remove = removes != 0;
  options.allow_recent = allow_recent != 0;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  struct ArrowArrayStream stream = {0};
  Py_BEGIN_ALLOW_THREADS st = frz_table_remove_orphans(self->table, &options, &stream, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise(self->context->signals, &err);
  return core_stream_new(core_state_of((PyObject *)Py_TYPE(object)), &stream);
}

PyObject *core_table_verify(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  frz_verify_options options;
  frz_verify_options_init(&options);
  int all_snapshots = 0, read_data = 0;
  if (!PyArg_ParseTuple(args, "pp:verify", &all_snapshots, &read_data)) return NULL;
  options.all_snapshots = all_snapshots != 0;
  options.read_data = read_data != 0;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_verify_result result = {0};
  struct ArrowArrayStream stream = {0};
  Py_BEGIN_ALLOW_THREADS st = frz_table_verify(self->table, &options, &stream, &result, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise(self->context->signals, &err);
  PyObject *findings = core_stream_new(core_state_of((PyObject *)Py_TYPE(object)), &stream);
  if (findings == NULL) return NULL;
  return Py_BuildValue("(NLLLLL)", findings, (long long)result.n_snapshots,
                       (long long)result.n_manifests, (long long)result.n_files,
                       (long long)result.n_errors, (long long)result.n_warnings);
}
