/*
 * _core_catalog.c - the Catalog handle.
 *
 * Every method releases the GIL: a catalog is a database or a server. Arguments that are texts
 * stay valid meanwhile, because the caller's argument tuple holds them.
 */
#include "core.h"

static PyObject *open_catalog(PyObject *type, PyObject *args)
{
  core_state *state = core_state_of(type);
  core_context *context = NULL;
  const char *name = NULL;
  PyObject *dict = NULL;
  if (state == NULL ||
      !PyArg_ParseTuple(args, "O!sO:open", state->context_type, &context, &name, &dict))
    return NULL;
  core_properties properties;
  if (core_properties_from(dict, &properties) != 0) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_catalog *catalog = NULL;
  Py_BEGIN_ALLOW_THREADS st = frz_catalog_open(context->context, name, properties.items,
                                               properties.n_items, &catalog, &err);
  Py_END_ALLOW_THREADS core_properties_dispose(&properties);
  if (st != FRZ_OK) return core_raise(context->signals, &err);
  core_catalog *self = (core_catalog *)PyType_GenericAlloc((PyTypeObject *)type, 0);
  if (self == NULL) {
    frz_catalog_free(catalog);
    return NULL;
  }
  self->catalog = catalog;
  self->context = context;
  Py_INCREF((PyObject *)context);
  return (PyObject *)self;
}

static void catalog_dealloc(PyObject *object)
{
  core_catalog *self = (core_catalog *)object;
  frz_catalog_free(self->catalog);
  Py_XDECREF((PyObject *)self->context);
  core_object_free(object);
}

static PyObject *catalog_create_namespace(PyObject *object, PyObject *args)
{
  core_catalog *self = (core_catalog *)object;
  const char *name = NULL;
  PyObject *dict = NULL;
  if (!PyArg_ParseTuple(args, "sO:create_namespace", &name, &dict)) return NULL;
  core_properties properties;
  if (core_properties_from(dict, &properties) != 0) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st =
      frz_catalog_create_namespace(self->catalog, name, properties.items, properties.n_items, &err);
  Py_END_ALLOW_THREADS core_properties_dispose(&properties);
  if (st != FRZ_OK)
    return core_raise_as(self->context->signals, &err, "NoSuchNamespaceError",
                         "NamespaceAlreadyExistsError");
  Py_RETURN_NONE;
}

static PyObject *catalog_drop_namespace(PyObject *object, PyObject *args)
{
  core_catalog *self = (core_catalog *)object;
  const char *name = NULL;
  if (!PyArg_ParseTuple(args, "s:drop_namespace", &name)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_catalog_drop_namespace(self->catalog, name, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(self->context->signals, &err,
                                                              "NoSuchNamespaceError", NULL);
  Py_RETURN_NONE;
}

static PyObject *catalog_list_namespaces(PyObject *object, PyObject *args)
{
  core_catalog *self = (core_catalog *)object;
  const char *parent = NULL;
  if (!PyArg_ParseTuple(args, "|z:list_namespaces", &parent)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_string_list list = {0};
  Py_BEGIN_ALLOW_THREADS st = frz_catalog_list_namespaces(self->catalog, parent, &list, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(self->context->signals, &err,
                                                              "NoSuchNamespaceError", NULL);
  return core_text_list_take(&list);
}

static PyObject *list_names(PyObject *object, PyObject *args, const char *format,
                            frz_status (*list_call)(frz_catalog *catalog, const char *name,
                                                    frz_string_list *list_out, frz_error *err))
{
  core_catalog *self = (core_catalog *)object;
  const char *name = NULL;
  if (!PyArg_ParseTuple(args, format, &name)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_string_list list = {0};
  Py_BEGIN_ALLOW_THREADS st = list_call(self->catalog, name, &list, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(self->context->signals, &err,
                                                              "NoSuchNamespaceError", NULL);
  return core_text_list_take(&list);
}

static PyObject *catalog_list_tables(PyObject *object, PyObject *args)
{
  return list_names(object, args, "s:list_tables", frz_catalog_list_tables);
}

static PyObject *catalog_list_views(PyObject *object, PyObject *args)
{
  return list_names(object, args, "s:list_views", frz_catalog_list_views);
}

static PyObject *catalog_create_table(PyObject *object, PyObject *args)
{
  core_catalog *self = (core_catalog *)object;
  const char *identifier = NULL;
  PyObject *schema_object = NULL;
  PyObject *dict = NULL;
  frz_create_table_options options;
  frz_create_table_options_init(&options);
  int format_version = 2;
  if (!PyArg_ParseTuple(args, "sOizzzO:create_table", &identifier, &schema_object, &format_version,
                        &options.partition_spec, &options.sort_order, &options.location, &dict))
    return NULL;
  options.format_version = format_version;
  PyObject *keep = NULL;
  struct ArrowSchema *schema = core_schema_from(schema_object, &keep);
  if (schema == NULL) return NULL;
  core_properties properties;
  if (core_properties_from(dict, &properties) != 0) {
    Py_DECREF(keep);
    return NULL;
  }
  options.properties = properties.items;
  options.n_properties = properties.n_items;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_table *table = NULL;
  Py_BEGIN_ALLOW_THREADS st =
      frz_catalog_create_table(self->catalog, identifier, schema, &options, &table, &err);
  Py_END_ALLOW_THREADS core_properties_dispose(&properties);
  Py_DECREF(keep);
  if (st != FRZ_OK)
    return core_raise_as(self->context->signals, &err, "NoSuchNamespaceError",
                         "TableAlreadyExistsError");
  return core_table_new(core_state_of((PyObject *)Py_TYPE(object)), self->context, table);
}

/* Arguments of create_table_as() and replace_table(), and what is made of them. */
typedef struct as_args {
  const char *identifier;
  struct ArrowSchema *schema;
  PyObject *keep_schema;
  struct ArrowArrayStream stream;
  core_properties properties, snapshot_properties;
  frz_create_table_options options;
  frz_write_options write_options;
} as_args;

static void as_args_dispose(as_args *as)
{
  core_properties_dispose(&as->properties);
  core_properties_dispose(&as->snapshot_properties);
  Py_XDECREF(as->keep_schema);
}

static int as_args_parse(PyObject *args, as_args *as)
{
  PyObject *schema = NULL, *data = NULL, *properties = NULL, *snapshot_properties = NULL;
  int format_version = 2, truncate = 0;
  frz_create_table_options_init(&as->options);
  frz_write_options_init(&as->write_options);
  if (!PyArg_ParseTuple(args, "sOOizzzOOp", &as->identifier, &schema, &data, &format_version,
                        &as->options.partition_spec, &as->options.sort_order, &as->options.location,
                        &properties, &snapshot_properties, &truncate))
    return -1;
  as->options.format_version = format_version;
  as->write_options.truncate_nanoseconds = truncate != 0;
  as->schema = core_schema_from(schema, &as->keep_schema);
  if (as->schema == NULL || core_properties_from(properties, &as->properties) != 0 ||
      core_properties_from(snapshot_properties, &as->snapshot_properties) != 0 ||
      core_stream_from(data, &as->stream) != 0)
    return -1;
  as->options.properties = as->properties.items;
  as->options.n_properties = as->properties.n_items;
  as->write_options.snapshot_properties = as->snapshot_properties.items;
  as->write_options.n_snapshot_properties = as->snapshot_properties.n_items;
  return 0;
}

static PyObject *table_as(PyObject *object, PyObject *args, bool replace)
{
  core_catalog *self = (core_catalog *)object;
  as_args as = {0};
  if (as_args_parse(args, &as) != 0) {
    as_args_dispose(&as);
    return NULL;
  }
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_table *table = NULL;
  Py_BEGIN_ALLOW_THREADS st =
      replace ? frz_catalog_replace_table(self->catalog, as.identifier, as.schema, &as.options,
                                          &as.stream, &as.write_options, &table, NULL, &err)
              : frz_catalog_create_table_as(self->catalog, as.identifier, as.schema, &as.options,
                                            &as.stream, &as.write_options, &table, NULL, &err);
  Py_END_ALLOW_THREADS as_args_dispose(&as);
  if (st != FRZ_OK)
    return core_raise_as(self->context->signals, &err,
                         replace ? "NoSuchTableError" : "NoSuchNamespaceError",
                         "TableAlreadyExistsError");
  return core_table_new(core_state_of((PyObject *)Py_TYPE(object)), self->context, table);
}

static PyObject *catalog_create_table_as(PyObject *object, PyObject *args)
{
  return table_as(object, args, false);
}

static PyObject *catalog_replace_table(PyObject *object, PyObject *args)
{
  return table_as(object, args, true);
}

/* One table of commit_tables(). */
typedef struct change_args {
  frz_write_options options;
  core_properties properties;
  struct ArrowArrayStream stream;
} change_args;

/* The texts belong to `tuple`. */
static int change_parse(core_state *state, PyObject *tuple, change_args *args,
                        frz_table_change *change)
{
  core_table *table = NULL;
  PyObject *data = NULL, *properties = NULL;
  int truncate = 0, case_sensitive = 1, mode = 0;
  frz_table_change_init(change);
  frz_write_options_init(&args->options);
  if (!PyArg_ParseTuple(tuple, "O!OzOppzi:commit_tables", state->table_type, &table, &data,
                        &change->filter, &properties, &truncate, &case_sensitive,
                        &args->options.branch, &mode) ||
      core_properties_from(properties, &args->properties) != 0 ||
      (data != Py_None && core_stream_from(data, &args->stream) != 0))
    return -1;
  args->options.truncate_nanoseconds = truncate != 0;
  args->options.case_sensitive = case_sensitive != 0;
  args->options.mode = (frz_write_mode)mode;
  args->options.snapshot_properties = args->properties.items;
  args->options.n_snapshot_properties = args->properties.n_items;
  change->table = table->table;
  change->data = data != Py_None ? &args->stream : NULL;
  change->options = &args->options;
  return 0;
}

static PyObject *write_results(const frz_write_result *results, Py_ssize_t n)
{
  PyObject *list = PyList_New(n);
  for (Py_ssize_t i = 0; list != NULL && i < n; i++) {
    PyObject *result = core_write_result(&results[i]);
    if (result == NULL || PyList_SetItem(list, i, result) != 0) Py_CLEAR(list);
  }
  return list;
}

static PyObject *commit_changes(core_catalog *self, const frz_table_change *changes, Py_ssize_t n,
                                frz_write_result *results)
{
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st =
      frz_catalog_commit_tables(self->catalog, changes, (size_t)n, results, &err);
  Py_END_ALLOW_THREADS return st == FRZ_OK ? write_results(results, n)
                                           : core_raise(self->context->signals, &err);
}

static PyObject *catalog_commit_tables(PyObject *object, PyObject *args)
{
  core_state *state = core_state_of((PyObject *)Py_TYPE(object));
  PyObject *tuples = NULL, *made = NULL;
  if (!PyArg_ParseTuple(args, "O!:commit_tables", &PyTuple_Type, &tuples)) return NULL;
  Py_ssize_t n = PyTuple_Size(tuples), n_parsed = 0;
  change_args *parts = PyMem_Calloc((size_t)n, sizeof *parts);
  frz_table_change *changes = PyMem_Calloc((size_t)n, sizeof *changes);
  frz_write_result *results = PyMem_Calloc((size_t)n, sizeof *results);
  if (parts == NULL || changes == NULL || results == NULL) {
    PyErr_NoMemory();
    goto out;
  }
  for (; n_parsed < n; n_parsed++)
    if (change_parse(state, PyTuple_GetItem(tuples, n_parsed), &parts[n_parsed],
                     &changes[n_parsed]) != 0)
      goto out;
  made = commit_changes((core_catalog *)object, changes, n, results);
out:
  for (Py_ssize_t i = 0; parts != NULL && i < n; i++) {
    if (parts[i].stream.release != NULL) parts[i].stream.release(&parts[i].stream);
    core_properties_dispose(&parts[i].properties);
  }
  PyMem_Free(results);
  PyMem_Free(changes);
  PyMem_Free(parts);
  return made;
}

static PyObject *catalog_load_table(PyObject *object, PyObject *args)
{
  core_catalog *self = (core_catalog *)object;
  const char *identifier = NULL;
  if (!PyArg_ParseTuple(args, "s:load_table", &identifier)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  frz_table *table = NULL;
  Py_BEGIN_ALLOW_THREADS st = frz_catalog_load_table(self->catalog, identifier, &table, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(self->context->signals, &err,
                                                              "NoSuchTableError", NULL);
  return core_table_new(core_state_of((PyObject *)Py_TYPE(object)), self->context, table);
}

static PyObject *catalog_register_table(PyObject *object, PyObject *args)
{
  core_catalog *self = (core_catalog *)object;
  const char *identifier = NULL;
  const char *location = NULL;
  if (!PyArg_ParseTuple(args, "ss:register_table", &identifier, &location)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_catalog_register_table(self->catalog, identifier, location, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(self->context->signals, &err, NULL,
                                                              "TableAlreadyExistsError");
  Py_RETURN_NONE;
}

static PyObject *catalog_drop_table(PyObject *object, PyObject *args)
{
  core_catalog *self = (core_catalog *)object;
  const char *identifier = NULL;
  int purge = 0;
  if (!PyArg_ParseTuple(args, "sp:drop_table", &identifier, &purge)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_catalog_drop_table(self->catalog, identifier, purge != 0, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(self->context->signals, &err,
                                                              "NoSuchTableError", NULL);
  Py_RETURN_NONE;
}

static PyObject *catalog_rename_table(PyObject *object, PyObject *args)
{
  core_catalog *self = (core_catalog *)object;
  const char *identifier = NULL;
  const char *new_identifier = NULL;
  if (!PyArg_ParseTuple(args, "ss:rename_table", &identifier, &new_identifier)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st =
      frz_catalog_rename_table(self->catalog, identifier, new_identifier, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(
      self->context->signals, &err, "NoSuchTableError", "TableAlreadyExistsError");
  Py_RETURN_NONE;
}

static PyMethodDef catalog_methods[] = {
    {"open", open_catalog, METH_VARARGS | METH_CLASS, "open(context, name, properties)"},
    {"create_namespace", catalog_create_namespace, METH_VARARGS, "(name, properties)"},
    {"drop_namespace", catalog_drop_namespace, METH_VARARGS, "(name)"},
    {"list_namespaces", catalog_list_namespaces, METH_VARARGS, "(parent=None)"},
    {"list_tables", catalog_list_tables, METH_VARARGS, "(namespace)"},
    {"list_views", catalog_list_views, METH_VARARGS, "(namespace)"},
    {"create_table", catalog_create_table, METH_VARARGS,
     "(identifier, schema, format_version, partition_spec, sort_order, location, properties)"},
    {"create_table_as", catalog_create_table_as, METH_VARARGS,
     "(identifier, schema, data, format_version, partition_spec, sort_order, location, properties, "
     "snapshot_properties, truncate_nanoseconds)"},
    {"replace_table", catalog_replace_table, METH_VARARGS, "As create_table_as."},
    {"commit_tables", catalog_commit_tables, METH_VARARGS,
     "(changes): tuples (table, data, filter, snapshot_properties, truncate_nanoseconds, "
     "case_sensitive, branch, mode)"},
    {"load_table", catalog_load_table, METH_VARARGS, "(identifier)"},
    {"register_table", catalog_register_table, METH_VARARGS, "(identifier, metadata_location)"},
    {"drop_table", catalog_drop_table, METH_VARARGS, "(identifier, purge)"},
    {"rename_table", catalog_rename_table, METH_VARARGS, "(identifier, new_identifier)"},
    {NULL, NULL, 0, NULL}};

static PyType_Slot catalog_slots[] = {{Py_tp_doc, "An open catalog."},
                                      {Py_tp_dealloc, CORE_SLOT(catalog_dealloc)},
                                      {Py_tp_methods, catalog_methods},
                                      {0, NULL}};

static PyType_Spec catalog_spec = {.name = "frazil._core.Catalog",
                                   .basicsize = sizeof(core_catalog),
                                   .flags = CORE_HANDLE_FLAGS,
                                   .slots = catalog_slots};

int core_catalog_init(PyObject *module, core_state *state)
{
  state->catalog_type = core_type_new(module, &catalog_spec);
  return state->catalog_type == NULL ? -1 : 0;
}
