/*
 * _core_entity_keys.c - entity keys out of Python: serialized ones, and Feast's messages, which are
 * serialized here. Keys that are borrowed lie in objects of a tuple, which the caller holds.
 */
#include "core.h"

#include <string.h>

static int bytes_at(PyObject *tuple, size_t i, frz_bytes *out)
{
  char *data = NULL;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(PyTuple_GetItem(tuple, (Py_ssize_t)i), &data, &size) != 0) return -1;
  *out = (frz_bytes){data, (size_t)size};
  return 0;
}

void core_keys_dispose(core_keys *keys)
{
  PyMem_Free(keys->items);
  PyMem_Free(keys->buffer);
  *keys = (core_keys){0};
}

static int begin(size_t n, core_keys *keys)
{
  *keys = (core_keys){.items = PyMem_Calloc(n + 1, sizeof *keys->items), .n_items = n};
  if (keys->items == NULL) PyErr_NoMemory();
  return keys->items != NULL ? 0 : -1;
}

/* Room for all keys, of which `bytes_max` are written at most. */
static int reserve(core_keys *keys, size_t bytes_max)
{
  keys->buffer = PyMem_Malloc(bytes_max + 1);
  keys->capacity = bytes_max;
  if (keys->buffer == NULL) PyErr_NoMemory();
  return keys->buffer != NULL ? 0 : -1;
}

static void take(core_keys *keys, size_t i, size_t size)
{
  keys->items[i] = (frz_bytes){keys->buffer + keys->size, size};
  keys->size += size;
}

int core_keys_from(PyObject *tuple, core_keys *keys)
{
  size_t n = (size_t)PyTuple_Size(tuple);
  if (begin(n, keys) != 0) return -1;
  for (size_t i = 0; i < n; i++) {
    if (bytes_at(tuple, i, &keys->items[i]) == 0) continue;
    core_keys_dispose(keys);
    return -1;
  }
  return 0;
}

int core_keys_from_messages(PyObject *tuple, core_keys *keys)
{
  size_t n = (size_t)PyTuple_Size(tuple), bytes_max = 0;
  if (core_keys_from(tuple, keys) != 0) return -1;
  for (size_t i = 0; i < n; i++) bytes_max += 4 + 4 * keys->items[i].size_bytes;
  if (reserve(keys, bytes_max) != 0) goto fail;
  for (size_t i = 0; i < n; i++) {
    size_t size = 0;
    frz_error err = {0};
    if (frz_online_key_from_message(keys->items[i], keys->buffer + keys->size,
                                    keys->capacity - keys->size, &size, &err) != FRZ_OK) {
      core_raise(NULL, &err);
      goto fail;
    }
    take(keys, i, size);
  }
  return 0;
fail:
  core_keys_dispose(keys);
  return -1;
}

/** Values of one join key, a row each. */
typedef struct value_columns {
  const char **names;
  PyObject *columns; /* a tuple of tuples */
  size_t n_columns, n_rows;
} value_columns;

static int check_columns(value_columns *in)
{
  for (size_t i = 0; i < in->n_columns; i++) {
    PyObject *column = PyTuple_GetItem(in->columns, (Py_ssize_t)i);
    if (!PyTuple_Check(column)) {
      PyErr_SetString(PyExc_TypeError, "a column of values is a tuple");
      return -1;
    }
    size_t n = (size_t)PyTuple_Size(column);
    if (i == 0) in->n_rows = n;
    if (n == in->n_rows) continue;
    PyErr_Format(PyExc_ValueError, "join key '%s' has %zu values, not %zu", in->names[i], n,
                 in->n_rows);
    return -1;
  }
  return 0;
}

/* The values of a row, and what its key takes at most. */
static int row_values(const value_columns *in, size_t row, const frz_bytes *names,
                      frz_bytes *values, size_t *bytes_max)
{
  *bytes_max = 4;
  for (size_t i = 0; i < in->n_columns; i++) {
    if (bytes_at(PyTuple_GetItem(in->columns, (Py_ssize_t)i), row, &values[i]) != 0) return -1;
    *bytes_max += 16 + 4 * (names[i].size_bytes + values[i].size_bytes);
  }
  return 0;
}

static int write_rows(const value_columns *in, const frz_bytes *names, frz_bytes *values,
                      core_keys *keys)
{
  size_t bytes_max, total = 0;
  for (size_t row = 0; row < in->n_rows; row++) {
    if (row_values(in, row, names, values, &bytes_max) != 0) return -1;
    total += bytes_max;
  }
  if (reserve(keys, total) != 0) return -1;
  for (size_t row = 0; row < in->n_rows; row++) {
    size_t size = 0;
    frz_error err = {0};
    if (row_values(in, row, names, values, &bytes_max) != 0) return -1;
    if (frz_online_key_from_values(names, values, in->n_columns, keys->buffer + keys->size,
                                   keys->capacity - keys->size, &size, &err) != FRZ_OK) {
      core_raise(NULL, &err);
      return -1;
    }
    take(keys, row, size);
  }
  return 0;
}

int core_keys_from_values(const core_texts *join_keys, PyObject *columns, core_keys *keys)
{
  value_columns in = {join_keys->items, columns, join_keys->n_items, 0};
  *keys = (core_keys){0};
  if ((size_t)PyTuple_Size(columns) != in.n_columns) {
    PyErr_SetString(PyExc_ValueError, "a join key has one column of values");
    return -1;
  }
  frz_bytes *both = PyMem_Calloc(2 * in.n_columns + 1, sizeof *both);
  if (both == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  for (size_t i = 0; i < in.n_columns; i++) both[i] = (frz_bytes){in.names[i], strlen(in.names[i])};
  int st = check_columns(&in);
  if (st == 0) st = begin(in.n_rows, keys);
  if (st == 0) st = write_rows(&in, both, both + in.n_columns, keys);
  if (st != 0) core_keys_dispose(keys);
  PyMem_Free(both);
  return st;
}

PyObject *core_entity_keys(PyObject *module, PyObject *tuple)
{
  core_keys keys;
  (void)module;
  if (!PyTuple_Check(tuple)) {
    PyErr_SetString(PyExc_TypeError, "entity_keys() takes a tuple of bytes");
    return NULL;
  }
  if (core_keys_from_messages(tuple, &keys) != 0) return NULL;
  PyObject *list = PyList_New((Py_ssize_t)keys.n_items);
  for (size_t i = 0; list != NULL && i < keys.n_items; i++) {
    PyObject *key =
        PyBytes_FromStringAndSize(keys.items[i].data, (Py_ssize_t)keys.items[i].size_bytes);
    if (key == NULL || PyList_SetItem(list, (Py_ssize_t)i, key) != 0) Py_CLEAR(list);
  }
  core_keys_dispose(&keys);
  return list;
}
