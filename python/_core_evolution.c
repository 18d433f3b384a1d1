/*
 * _core_evolution.c - methods of the Table handle that change what a table is: schema, partition
 * spec, sort order, properties, refs, format version, statistics.
 *
 * Changes come as tuples, in the order of their members in frazil/evolution.h.
 */
#include "core.h"

/* (op, path, new_name, arrow_type, type_text, doc, required, default_json, reference); `keep` owns
 * the schema capsule. */
static int schema_change_from(PyObject *tuple, frz_schema_change *change, PyObject **keep)
{
  int op = 0;
  int required = 0;
  PyObject *arrow_type = NULL;
  if (!PyTuple_Check(tuple)) {
    PyErr_SetString(PyExc_TypeError, "a schema change must be a tuple");
    return -1;
  }
  if (!PyArg_ParseTuple(tuple, "iszOzzpzz:schema change", &op, &change->path, &change->new_name,
                        &arrow_type, &change->type_text, &change->doc, &required,
                        &change->default_json, &change->reference))
    return -1;
  change->op = (frz_schema_op)op;
  change->required = required != 0;
  if (arrow_type == Py_None) return 0;
  change->arrow_type = core_schema_from(arrow_type, keep);
  return change->arrow_type == NULL ? -1 : 0;
}

PyObject *core_table_update_schema(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  PyObject *tuple = NULL;
  if (!PyArg_ParseTuple(args, "O!:update_schema", &PyTuple_Type, &tuple)) return NULL;
  size_t n = (size_t)PyTuple_Size(tuple);
  frz_schema_change *changes = PyMem_Calloc(n + 1, sizeof *changes);
  PyObject **keep = PyMem_Calloc(n + 1, sizeof *keep);
  PyObject *result = NULL;
  if (changes == NULL || keep == NULL) {
    PyErr_NoMemory();
    goto out;
  }
  for (size_t i = 0; i < n; i++)
    if (schema_change_from(PyTuple_GetItem(tuple, (Py_ssize_t)i), &changes[i], &keep[i]) != 0)
      goto out;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_table_update_schema(self->table, changes, n, &err);
  Py_END_ALLOW_THREADS if (st == FRZ_OK)
  {
    Py_INCREF(Py_None);
    result = Py_None;
  }
  else core_raise(self->context->signals, &err);
out:
  if (keep != NULL)
    for (size_t i = 0; i < n; i++) Py_XDECREF(keep[i]);
  PyMem_Free(keep);
  PyMem_Free(changes);
  return result;
}

PyObject *core_table_set_properties(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  PyObject *dict = NULL;
  PyObject *removed = NULL;
  if (!PyArg_ParseTuple(args, "OO:set_properties", &dict, &removed)) return NULL;
  core_properties properties;
  if (core_properties_from(dict, &properties) != 0) return NULL;
  core_texts removals;
  if (core_texts_from(removed, &removals) != 0) {
    core_properties_dispose(&properties);
    return NULL;
  }
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_table_set_properties(
      self->table, properties.items, properties.n_items, removals.items, removals.n_items, &err);
  Py_END_ALLOW_THREADS core_texts_dispose(&removals);
  core_properties_dispose(&properties);
  if (st != FRZ_OK) return core_raise(self->context->signals, &err);
  Py_RETURN_NONE;
}

PyObject *core_table_set_ref(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  const char *ref = NULL;
  int is_branch = 0;
  long long snapshot_id = 0;
  frz_ref_options options;
  frz_ref_options_init(&options);
  long long ref_age = -1;
  long long snapshot_age = -1;
  int snapshots_min = -1;
  if (!PyArg_ParseTuple(args, "spL|LLi:set_ref", &ref, &is_branch, &snapshot_id, &ref_age,
                        &snapshot_age, &snapshots_min))
    return NULL;
  options.is_branch = is_branch != 0;
  options.snapshot_id = snapshot_id;
  options.max_ref_age_ms = ref_age;
  options.max_snapshot_age_ms = snapshot_age;
  options.min_snapshots_to_keep = snapshots_min;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_table_set_ref(self->table, ref, &options, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(self->context->signals, &err,
                                                              "NoSuchSnapshotError", NULL);
  Py_RETURN_NONE;
}

PyObject *core_table_remove_ref(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  const char *ref = NULL;
  if (!PyArg_ParseTuple(args, "s:remove_ref", &ref)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_table_remove_ref(self->table, ref, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise_as(self->context->signals, &err,
                                                              "NoSuchSnapshotError", NULL);
  Py_RETURN_NONE;
}

/* One call that takes no structs and returns nothing. */
static PyObject *finish(core_table *self, frz_status st, const frz_error *err)
{
  if (st != FRZ_OK) return core_raise_as(self->context->signals, err, "NoSuchSnapshotError", NULL);
  Py_RETURN_NONE;
}

PyObject *core_table_update_spec(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  PyObject *tuple = NULL;
  if (!PyArg_ParseTuple(args, "O!:update_spec", &PyTuple_Type, &tuple)) return NULL;
  size_t n = (size_t)PyTuple_Size(tuple);
  frz_spec_change *changes = PyMem_Calloc(n + 1, sizeof *changes);
  if (changes == NULL) return PyErr_NoMemory();
  for (size_t i = 0; i < n; i++) {
    PyObject *change = PyTuple_GetItem(tuple, (Py_ssize_t)i);
    int op = 0;
    if (!PyTuple_Check(change)) PyErr_SetString(PyExc_TypeError, "a spec change must be a tuple");
    if (!PyTuple_Check(change) ||
        !PyArg_ParseTuple(change, "izzz:spec change", &op, &changes[i].term, &changes[i].name,
                          &changes[i].new_name)) {
      PyMem_Free(changes);
      return NULL;
    }
    changes[i].op = (frz_spec_op)op;
  }
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_table_update_spec(self->table, changes, n, &err);
  Py_END_ALLOW_THREADS PyMem_Free(changes);
  return finish(self, st, &err);
}

PyObject *core_table_set_sort_order(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  const char *order = NULL;
  if (!PyArg_ParseTuple(args, "z:set_sort_order", &order)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_table_set_sort_order(self->table, order, &err);
  Py_END_ALLOW_THREADS return finish(self, st, &err);
}

PyObject *core_table_upgrade(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  int format_version = 0;
  if (!PyArg_ParseTuple(args, "i:upgrade", &format_version)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_table_upgrade(self->table, format_version, &err);
  Py_END_ALLOW_THREADS return finish(self, st, &err);
}

PyObject *core_table_set_statistics(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  long long snapshot_id = 0;
  const char *uri = NULL;
  if (!PyArg_ParseTuple(args, "Ls:set_statistics", &snapshot_id, &uri)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_table_set_statistics(self->table, snapshot_id, uri, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise(self->context->signals, &err);
  Py_RETURN_NONE;
}

PyObject *core_table_remove_statistics(PyObject *object, PyObject *args)
{
  core_table *self = (core_table *)object;
  long long snapshot_id = 0;
  if (!PyArg_ParseTuple(args, "L:remove_statistics", &snapshot_id)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_table_remove_statistics(self->table, snapshot_id, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise(self->context->signals, &err);
  Py_RETURN_NONE;
}
