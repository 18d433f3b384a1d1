/*
 * _core_table.c - the Table and Scan handles.
 *
 * A table handle moves on when it is refreshed or committed through; the library orders that among
 * threads. Streams that are passed in are consumed with the GIL released: a producer written in
 * Python takes it itself.
 */
#include "core.h"

/* ---- scans ---- */

int core_scan_options_from(PyObject *tuple, frz_scan_options *options, core_texts *selected)
{
  frz_scan_options_init(options);
  *selected = (core_texts){0};
  if (tuple == NULL || tuple == Py_None) return 0;
  long long snapshot_id = 0;
  long long as_of_ms = 0;
  long long limit = -1;
  int case_sensitive = 1;
  long long from_snapshot_id = 0;
  PyObject *fields = NULL;
  if (!PyTuple_Check(tuple)) {
    PyErr_SetString(PyExc_TypeError, "scan options must be a tuple");
    return -1;
  }
  if (!PyArg_ParseTuple(tuple, "LzLzOLpL:scan options", &snapshot_id, &options->ref, &as_of_ms,
                        &options->row_filter, &fields, &limit, &case_sensitive, &from_snapshot_id))
    return -1;
  if (core_texts_from(fields, selected) != 0) return -1;
  options->snapshot_id = snapshot_id;
  options->from_snapshot_id = from_snapshot_id;
  options->as_of_ms = as_of_ms;
  options->limit_rows = limit;
  options->case_sensitive = case_sensitive != 0;
  options->selected_fields = selected->items;
  options->n_selected_fields = selected->n_items;
  return 0;
}

static void scan_dealloc(PyObject *object)
{
  core_scan *self = (core_scan *)object;
  frz_scan_free(self->scan);
  Py_XDECREF((PyObject *)self->context);
  core_object_free(object);
}

static PyObject *scan_run(PyObject *object,
                          frz_status (*run)(frz_scan *, struct ArrowArrayStream *, frz_error *))
{
  core_scan *self = (core_scan *)object;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  struct ArrowArrayStream stream = {0};
  Py_BEGIN_ALLOW_THREADS st = run(self->scan, &stream, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise(self->context->signals, &err);
  return core_stream_new(core_state_of((PyObject *)Py_TYPE(object)), &stream);
}

static PyObject *scan_stream(PyObject *object, PyObject *unused)
{
  (void)unused;
  return scan_run(object, frz_scan_stream);
}

static PyObject *scan_plan_files(PyObject *object, PyObject *unused)
{
  (void)unused;
  return scan_run(object, frz_scan_plan_files);
}

static PyMethodDef scan_methods[] = {
    {"stream", scan_stream, METH_NOARGS, "The rows, as a Stream."},
    {"plan_files", scan_plan_files, METH_NOARGS, "The data files, as a Stream."},
    {"explain", core_scan_explain, METH_NOARGS, "What the scan would read."},
    {"report", core_scan_report, METH_NOARGS, "What its streams have read so far."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot scan_slots[] = {{Py_tp_doc, "A prepared scan."},
                                   {Py_tp_dealloc, CORE_SLOT(scan_dealloc)},
                                   {Py_tp_methods, scan_methods},
                                   {0, NULL}};

static PyType_Spec scan_spec = {.name = "frazil._core.Scan",
                                .basicsize = sizeof(core_scan),
                                .flags = CORE_HANDLE_FLAGS,
                                .slots = scan_slots};

/* ---- table: reading ---- */

PyObject *core_table_new(core_state *state, core_context *context, frz_table *table)
{
  core_table *self = (core_table *)PyType_GenericAlloc(state->table_type, 0);
  if (self == NULL) {
    frz_table_free(table);
    return NULL;
  }
  self->table = table;
  self->context = context;
  Py_INCREF((PyObject *)context);
  return (PyObject *)self;
}

static void table_dealloc(PyObject *object)
{
  core_table *self = (core_table *)object;
  frz_table_free(self->table);
  Py_XDECREF((PyObject *)self->context);
  core_object_free(object);
}

static PyObject *table_identifier(PyObject *object, PyObject *unused)
{
  (void)unused;
  return PyUnicode_FromString(frz_table_identifier(((core_table *)object)->table));
}

static PyObject *table_refresh(PyObject *object, PyObject *unused)
{
  (void)unused;
  core_table *self = (core_table *)object;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  bool changed = false;
  Py_BEGIN_ALLOW_THREADS st = frz_table_refresh(self->table, &changed, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(self->context->signals, &err,
                                                              "NoSuchTableError", NULL);
  return PyBool_FromLong(changed);
}

static PyObject *table_text(PyObject *object,
                            frz_status (*get)(const frz_table *, frz_string *, frz_error *))
{
  core_table *self = (core_table *)object;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_string text = {0};
  Py_BEGIN_ALLOW_THREADS st = get(self->table, &text, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise(self->context->signals, &err);
  return core_text_take(&text);
}

static PyObject *table_metadata_location(PyObject *object, PyObject *unused)
{
  (void)unused;
  return table_text(object, frz_table_metadata_location);
}

static PyObject *table_metadata_json(PyObject *object, PyObject *unused)
{
  (void)unused;
  return table_text(object, frz_table_metadata_json);
}

static PyObject *table_current_snapshot_id(PyObject *object, PyObject *unused)
{
  (void)unused;
  return PyLong_FromLongLong(frz_table_current_snapshot_id(((core_table *)object)->table));
}

static PyObject *table_arrow_schema(PyObject *object, PyObject *unused)
{
  (void)unused;
  core_table *self = (core_table *)object;
  frz_error err = {0};
  struct ArrowSchema schema = {0};
  if (frz_table_arrow_schema(self->table, &schema, &err) != FRZ_OK)
    return core_raise(self->context->signals, &err);
  return core_schema_capsule(&schema);
}

static PyObject *table_inspect(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  const char *kind = NULL;
  long long snapshot_id = 0;
  if (!PyArg_ParseTuple(args, "s|L:inspect", &kind, &snapshot_id)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  struct ArrowArrayStream stream = {0};
  Py_BEGIN_ALLOW_THREADS st = frz_table_inspect(self->table, kind, snapshot_id, &stream, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(self->context->signals, &err,
                                                              "NoSuchSnapshotError", NULL);
  return core_stream_new(core_state_of((PyObject *)Py_TYPE(object)), &stream);
}

static PyObject *table_scan(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  frz_scan_options options;
  core_texts selected;
  PyObject *tuple = NULL;
  if (!PyArg_ParseTuple(args, "O:scan", &tuple)) return NULL;
  if (core_scan_options_from(tuple, &options, &selected) != 0) return NULL;
  core_state *state = core_state_of((PyObject *)Py_TYPE(object));
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_scan *scan = NULL;
  Py_BEGIN_ALLOW_THREADS st = frz_table_scan(self->table, &options, &scan, &err);
  Py_END_ALLOW_THREADS core_texts_dispose(&selected);
  if (st != FRZ_OK) return core_raise_as(self->context->signals, &err, "NoSuchSnapshotError", NULL);
  core_scan *made = (core_scan *)PyType_GenericAlloc(state->scan_type, 0);
  if (made == NULL) {
    frz_scan_free(scan);
    return NULL;
  }
  made->scan = scan;
  made->context = self->context;
  Py_INCREF((PyObject *)self->context);
  return (PyObject *)made;
}

/* ---- table: writing ---- */

PyObject *core_write_result(const frz_write_result *result)
{
  return Py_BuildValue("(LLLLLLL)", (long long)result->snapshot_id, (long long)result->n_rows_added,
                       (long long)result->n_rows_deleted, (long long)result->n_files_added,
                       (long long)result->n_files_deleted, (long long)result->n_delete_files_added,
                       (long long)result->n_rows_updated);
}

/* One body for append (data), overwrite (data and filter), delete (filter), upsert (data and join
 * columns). */
typedef enum write_kind { WRITE_APPEND, WRITE_OVERWRITE, WRITE_DELETE, WRITE_UPSERT } write_kind;

typedef struct write_args {
  write_kind kind;
  PyObject *data;
  PyObject *join_columns; /* a tuple */
  PyObject *properties;   /* a dict, or None */
  const char *filter;
  const char *branch;
  int truncate;
  int case_sensitive;
  int mode;
} write_args;

static frz_status write_rows(frz_table *table, const write_args *args,
                             struct ArrowArrayStream *stream, const core_texts *join_columns,
                             const frz_write_options *options, frz_write_result *result,
                             frz_error *err)
{
  switch (args->kind) {
  case WRITE_APPEND: return frz_table_append(table, stream, options, result, err);
  case WRITE_OVERWRITE:
    return frz_table_overwrite(table, stream, args->filter, options, result, err);
  case WRITE_DELETE: return frz_table_delete(table, args->filter, options, result, err);
  case WRITE_UPSERT: break;
  }
  return frz_table_upsert(table, stream, join_columns->items, join_columns->n_items, options,
                          result, err);
}

static PyObject *table_write(PyObject *object, const write_args *args)
{
  core_table *self = (core_table *)object;
  PyObject *made = NULL;
  core_properties properties = {0};
  core_texts join_columns = {0};
  struct ArrowArrayStream stream = {0};
  frz_write_options options;
  frz_write_options_init(&options);
  options.truncate_nanoseconds = args->truncate != 0;
  options.case_sensitive = args->case_sensitive != 0;
  options.branch = args->branch;
  options.mode = (frz_write_mode)args->mode;
  if (core_properties_from(args->properties, &properties) != 0) return NULL;
  options.snapshot_properties = properties.items;
  options.n_snapshot_properties = properties.n_items;
  if (args->join_columns != NULL && core_texts_from(args->join_columns, &join_columns) != 0)
    goto out;
  if (args->data != NULL && core_stream_from(args->data, &stream) != 0) goto out;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_write_result result = {0};
  Py_BEGIN_ALLOW_THREADS st =
      write_rows(self->table, args, &stream, &join_columns, &options, &result, &err);
  Py_END_ALLOW_THREADS made =
      st == FRZ_OK ? core_write_result(&result) : core_raise(self->context->signals, &err);
out:
  core_texts_dispose(&join_columns);
  core_properties_dispose(&properties);
  return made;
}

static PyObject *table_append(PyObject *object, PyObject *args)
{
  write_args write = {.kind = WRITE_APPEND, .case_sensitive = 1};
  if (!PyArg_ParseTuple(args, "OOpz:append", &write.data, &write.properties, &write.truncate,
                        &write.branch))
    return NULL;
  return table_write(object, &write);
}

static PyObject *table_overwrite(PyObject *object, PyObject *args)
{
  write_args write = {.kind = WRITE_OVERWRITE};
  if (!PyArg_ParseTuple(args, "OzOppzi:overwrite", &write.data, &write.filter, &write.properties,
                        &write.truncate, &write.case_sensitive, &write.branch, &write.mode))
    return NULL;
  return table_write(object, &write);
}

static PyObject *table_delete(PyObject *object, PyObject *args)
{
  write_args write = {.kind = WRITE_DELETE};
  if (!PyArg_ParseTuple(args, "sOpzi:delete", &write.filter, &write.properties,
                        &write.case_sensitive, &write.branch, &write.mode))
    return NULL;
  return table_write(object, &write);
}

static PyObject *table_upsert(PyObject *object, PyObject *args)
{
  write_args write = {.kind = WRITE_UPSERT};
  if (!PyArg_ParseTuple(args, "OO!Oppzi:upsert", &write.data, &PyTuple_Type, &write.join_columns,
                        &write.properties, &write.truncate, &write.case_sensitive, &write.branch,
                        &write.mode))
    return NULL;
  return table_write(object, &write);
}

static PyMethodDef table_methods[] = {
    {"identifier", table_identifier, METH_NOARGS, "The dotted name."},
    {"refresh", table_refresh, METH_NOARGS, "Read the catalog again; True if it moved on."},
    {"metadata_location", table_metadata_location, METH_NOARGS, "URI of the metadata file."},
    {"metadata_json", table_metadata_json, METH_NOARGS, "The table metadata as JSON."},
    {"current_snapshot_id", table_current_snapshot_id, METH_NOARGS, "-1 where there is none."},
    {"arrow_schema", table_arrow_schema, METH_NOARGS, "An arrow_schema capsule."},
    {"inspect", table_inspect, METH_VARARGS, "(kind[, snapshot_id])"},
    {"scan", table_scan, METH_VARARGS, "(options)"},
    {"append", table_append, METH_VARARGS,
     "(data, snapshot_properties, truncate_nanoseconds, branch)"},
    {"overwrite", table_overwrite, METH_VARARGS,
     "(data, filter, snapshot_properties, truncate_nanoseconds, case_sensitive, branch, mode)"},
    {"delete", table_delete, METH_VARARGS,
     "(filter, snapshot_properties, case_sensitive, branch, mode)"},
    {"upsert", table_upsert, METH_VARARGS,
     "(data, join_columns, snapshot_properties, truncate_nanoseconds, case_sensitive, branch, "
     "mode)"},
    {"update_schema", core_table_update_schema, METH_VARARGS, "(changes)"},
    {"set_properties", core_table_set_properties, METH_VARARGS, "(properties, removals)"},
    {"remove_ref", core_table_remove_ref, METH_VARARGS, "Remove a tag or branch."},
    {"set_ref", core_table_set_ref, METH_VARARGS, "(ref, is_branch, snapshot_id[, retention])"},
    {"update_spec", core_table_update_spec, METH_VARARGS, "(changes)"},
    {"set_sort_order", core_table_set_sort_order, METH_VARARGS, "(order)"},
    {"upgrade", core_table_upgrade, METH_VARARGS, "(format_version)"},
    {"set_statistics", core_table_set_statistics, METH_VARARGS, "(snapshot_id, uri)"},
    {"remove_statistics", core_table_remove_statistics, METH_VARARGS, "(snapshot_id)"},
    {"compact", core_table_compact, METH_VARARGS,
     "(row_filter, target, min and max bytes, min_inputs, max_group, ratio, order, all, "
     "properties)"},
    {"rewrite_manifests", core_table_rewrite_manifests, METH_NOARGS, "Join and order manifests."},
    {"expire_snapshots", core_table_expire_snapshots, METH_VARARGS,
     "(older_than_ms, retain_last, snapshot_ids, dry_run, keep_files)"},
    {"remove_orphans", core_table_remove_orphans, METH_VARARGS,
     "(older_than_ms, location, remove, allow_recent)"},
    {"verify", core_table_verify, METH_VARARGS, "(all_snapshots, read_data)"},
    {NULL, NULL, 0, NULL}};

static PyType_Slot table_slots[] = {{Py_tp_doc, "A loaded table."},
                                    {Py_tp_dealloc, CORE_SLOT(table_dealloc)},
                                    {Py_tp_methods, table_methods},
                                    {0, NULL}};

static PyType_Spec table_spec = {.name = "frazil._core.Table",
                                 .basicsize = sizeof(core_table),
                                 .flags = CORE_HANDLE_FLAGS,
                                 .slots = table_slots};

int core_table_init(PyObject *module, core_state *state)
{
  state->scan_type = core_type_new(module, &scan_spec);
  state->table_type = core_type_new(module, &table_spec);
  return state->scan_type == NULL || state->table_type == NULL ? -1 : 0;
}
