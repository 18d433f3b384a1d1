/*
 * _core_rows.c - the rows of a stream as Python tuples, without pyarrow.
 *
 * Values are made by their physical form: whole numbers, floats, booleans, str and bytes, lists
 * for lists, tuples for structs and for the entries of maps. Times are the numbers they are stored
 * as and decimals their little-endian bytes: frazil._plain_rows makes more of them, guided by
 * columns(), where that is wanted. Importing pyarrow takes twenty times as long as the rest of a
 * process that reads one row.
 *
 * One batch is held at a time. An error of the stream is raised as OSError with the stream's
 * message, which frazil._convert.guarded() turns into the library's exception.
 *
 * Threads may share an iterator, but it has one batch and one place in it: a thread that comes
 * while another one is in next(), where the GIL may be let go, is refused, as by a generator.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

/** What values of a column are made from. */
typedef enum core_form {
  FORM_NULL,
  FORM_BOOL,
  FORM_INT8,
  FORM_UINT8,
  FORM_INT16,
  FORM_UINT16,
  FORM_INT32,
  FORM_UINT32,
  FORM_INT64,
  FORM_UINT64,
  FORM_FLOAT,
  FORM_DOUBLE,
  FORM_TEXT, /* 32-bit offsets; LARGE_: 64-bit ones */
  FORM_LARGE_TEXT,
  FORM_BYTES,
  FORM_LARGE_BYTES,
  FORM_FIXED_BYTES, /* `width` bytes */
  FORM_LIST,
  FORM_LARGE_LIST,
  FORM_FIXED_LIST, /* `width` items */
  FORM_STRUCT,
} core_form;

typedef struct core_column {
  core_form form;
  int32_t width;
  int64_t n_children;
  struct core_column *children;
} core_column;

typedef struct core_rows {
  PyObject_HEAD struct ArrowArrayStream stream; /**< release NULL: ended. */
  struct ArrowArray batch;                      /**< release NULL: none. */
  int64_t next_row;
  bool is_busy; /**< A thread is in next(). */
  core_column root;
  PyObject *columns; /**< What columns() returns. */
} core_rows;

static PyObject *raise_stream(core_rows *self, int code)
{
  const char *message = self->stream.get_last_error(&self->stream);
  PyErr_Format(PyExc_OSError, "%s", message != NULL ? message : strerror(code));
  return NULL;
}

/* ---- columns ---- */

static void dispose_column(core_column *column)
{
  for (int64_t i = 0; i < column->n_children; i++) dispose_column(&column->children[i]);
  PyMem_Free(column->children);
  *column = (core_column){0};
}

/* The form of an Arrow format text; false where there is none. Source: "Arrow C data interface". */
static bool form_of(const char *format, core_column *column)
{
  static const struct {
    const char *start;
    core_form form;
  } forms[] = {
      {"n", FORM_NULL},    {"b", FORM_BOOL},       {"c", FORM_INT8},    {"C", FORM_UINT8},
      {"s", FORM_INT16},   {"S", FORM_UINT16},     {"i", FORM_INT32},   {"I", FORM_UINT32},
      {"l", FORM_INT64},   {"L", FORM_UINT64},     {"f", FORM_FLOAT},   {"g", FORM_DOUBLE},
      {"u", FORM_TEXT},    {"U", FORM_LARGE_TEXT}, {"z", FORM_BYTES},   {"Z", FORM_LARGE_BYTES},
      {"tdD", FORM_INT32}, {"tdm", FORM_INT64},    {"tts", FORM_INT32}, {"ttm", FORM_INT32},
      {"ttu", FORM_INT64}, {"ttn", FORM_INT64},    {"+l", FORM_LIST},   {"+L", FORM_LARGE_LIST},
      {"+m", FORM_LIST},   {"+s", FORM_STRUCT},
  };
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
    if (strcmp(format, forms[i].start) == 0) {
      column->form = forms[i].form;
      return true;
    }
  if (strncmp(format, "ts", 2) == 0 && strlen(format) > 3) {
    column->form = FORM_INT64;
    return true;
  }
  const bool is_list = strncmp(format, "+w:", 3) == 0;
  if (is_list || strncmp(format, "w:", 2) == 0) {
    column->form = is_list ? FORM_FIXED_LIST : FORM_FIXED_BYTES;
    column->width = (int32_t)strtol(strchr(format, ':') + 1, NULL, 10);
    return column->width >= 0;
  }
  if (strncmp(format, "d:", 2) == 0) {
    const char *last = strrchr(format, ',');
    const bool is_wide = last != NULL && last != strchr(format, ',');
    const long n_bits = is_wide ? strtol(last + 1, NULL, 10) : 128;
    column->form = FORM_FIXED_BYTES;
    column->width = (int32_t)(n_bits / 8);
    return n_bits > 0 && n_bits <= 256 && n_bits % 8 == 0;
  }
  return false;
}

/* The extension name among a schema's metadata: borrowed, with its size; NULL where there is none.
 */
static const char *extension_of(const struct ArrowSchema *schema, int32_t *size_out)
{
  static const char key[] = "ARROW:extension:name";
  const char *at = schema->metadata;
  int32_t n_pairs = 0;
  *size_out = 0;
  if (at == NULL) return NULL;
  memcpy(&n_pairs, at, sizeof n_pairs);
  at += sizeof n_pairs;
  for (int32_t i = 0; i < n_pairs; i++) {
    int32_t sizes[2];
    const char *texts[2];
    for (int k = 0; k < 2; k++) {
      memcpy(&sizes[k], at, sizeof sizes[k]);
      texts[k] = at + sizeof sizes[k];
      at = texts[k] + sizes[k];
    }
    if ((size_t)sizes[0] == strlen(key) && memcmp(texts[0], key, strlen(key)) == 0) {
      *size_out = sizes[1];
      return texts[1];
    }
  }
  return NULL;
}

/* Read a column's form, and describe it: (name, format, extension, children). */
static PyObject *read_column(const struct ArrowSchema *schema, core_column *column, int depth)
{
  if (depth == DEPTH_MAX || schema->dictionary != NULL || !form_of(schema->format, column))
    return PyErr_Format(PyExc_TypeError,
                        "column '%s' of Arrow format '%s'%s has no plain Python form",
                        schema->name != NULL ? schema->name : "", schema->format,
                        depth == DEPTH_MAX ? ", nested that deep," : "");
  column->children = PyMem_Calloc((size_t)schema->n_children + 1, sizeof *column->children);
  PyObject *children =
      column->children == NULL ? PyErr_NoMemory() : PyTuple_New(schema->n_children);
  for (int64_t i = 0; children != NULL && i < schema->n_children; i++) {
    column->n_children++;
    PyObject *child = read_column(schema->children[i], &column->children[i], depth + 1);
    if (child == NULL || PyTuple_SetItem(children, (Py_ssize_t)i, child) != 0) Py_CLEAR(children);
  }
  if (children == NULL) return NULL;
  int32_t size;
  const char *extension = extension_of(schema, &size);
  const char *name = schema->name != NULL ? schema->name : "";
  return Py_BuildValue("(NsNN)", core_text(name, strlen(name)), schema->format,
                       core_text(extension, (size_t)size), children);
}

static int read_columns(core_rows *self)
{
  struct ArrowSchema schema = {0};
  int code = self->stream.get_schema(&self->stream, &schema);
  if (code != 0) {
    raise_stream(self, code);
    return -1;
  }
  PyObject *root = read_column(&schema, &self->root, 0);
  schema.release(&schema);
  if (root == NULL) return -1;
  self->columns = PyTuple_GetItem(root, 3);
  Py_XINCREF(self->columns);
  Py_DECREF(root);
  return self->columns == NULL ? -1 : 0;
}

/* ---- values ---- */

static bool bit_at(const void *bits, int64_t i)
{
  return (((const uint8_t *)bits)[i / 8] >> (i % 8) & 1) != 0;
}

static PyObject *value_at(const core_column *column, const struct ArrowArray *array, int64_t row);

static PyObject *list_of(const core_column *column, const struct ArrowArray *array, int64_t first,
                         int64_t n_items)
{
  PyObject *list = PyList_New((Py_ssize_t)n_items);
  for (int64_t i = 0; list != NULL && i < n_items; i++) {
    PyObject *item = value_at(&column->children[0], array->children[0], first + i);
    if (item == NULL || PyList_SetItem(list, (Py_ssize_t)i, item) != 0) Py_CLEAR(list);
  }
  return list;
}

static PyObject *tuple_of(const core_column *column, const struct ArrowArray *array, int64_t at)
{
  PyObject *tuple = PyTuple_New((Py_ssize_t)column->n_children);
  for (int64_t i = 0; tuple != NULL && i < column->n_children; i++) {
    PyObject *value = value_at(&column->children[i], array->children[i], at);
    if (value == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, value) != 0) Py_CLEAR(tuple);
  }
  return tuple;
}

static PyObject *text_of(core_form form, const char *data, int64_t start, int64_t end)
{
  const char *text = data != NULL ? data + start : "";
  if (form == FORM_TEXT || form == FORM_LARGE_TEXT) return core_text(text, (size_t)(end - start));
  return PyBytes_FromStringAndSize(text, (Py_ssize_t)(end - start));
}

static PyObject *value_at(const core_column *column, const struct ArrowArray *array, int64_t row)
{
  const int64_t at = array->offset + row;
  const void *const *buffers = array->buffers;
  if (column->form == FORM_NULL || (buffers[0] != NULL && !bit_at(buffers[0], at))) Py_RETURN_NONE;
  if (column->form == FORM_STRUCT) return tuple_of(column, array, at);
  if (column->form == FORM_FIXED_LIST)
    return list_of(column, array, at * column->width, column->width);
  const void *data = buffers[1];
  switch (column->form) {
  case FORM_BOOL: return PyBool_FromLong(bit_at(data, at));
  case FORM_INT8: return PyLong_FromLong(((const int8_t *)data)[at]);
  case FORM_UINT8: return PyLong_FromLong(((const uint8_t *)data)[at]);
  case FORM_INT16: return PyLong_FromLong(((const int16_t *)data)[at]);
  case FORM_UINT16: return PyLong_FromLong(((const uint16_t *)data)[at]);
  case FORM_INT32: return PyLong_FromLong(((const int32_t *)data)[at]);
  case FORM_UINT32: return PyLong_FromUnsignedLong(((const uint32_t *)data)[at]);
  case FORM_INT64: return PyLong_FromLongLong(((const int64_t *)data)[at]);
  case FORM_UINT64: return PyLong_FromUnsignedLongLong(((const uint64_t *)data)[at]);
  case FORM_FLOAT: return PyFloat_FromDouble((double)((const float *)data)[at]);
  case FORM_DOUBLE: return PyFloat_FromDouble(((const double *)data)[at]);
  case FORM_FIXED_BYTES:
    return PyBytes_FromStringAndSize((const char *)data + at * column->width, column->width);
  case FORM_LIST: {
    const int32_t *ends = (const int32_t *)data + at;
    return list_of(column, array, ends[0], ends[1] - ends[0]);
  }
  case FORM_LARGE_LIST: {
    const int64_t *ends = (const int64_t *)data + at;
    return list_of(column, array, ends[0], ends[1] - ends[0]);
  }
  case FORM_TEXT:
  case FORM_BYTES: {
    const int32_t *ends = (const int32_t *)data + at;
    return text_of(column->form, buffers[2], ends[0], ends[1]);
  }
  default: {
    const int64_t *ends = (const int64_t *)data + at;
    return text_of(column->form, buffers[2], ends[0], ends[1]);
  }
  }
}

/* ---- the iterator ---- */

/* Have a row at next_row: 1 there is, 0 the end, -1 raised. */
static int have_row(core_rows *self)
{
  while (self->batch.release == NULL || self->next_row == self->batch.length) {
    if (self->batch.release != NULL) self->batch.release(&self->batch);
    self->next_row = 0;
    int code = 0;
    Py_BEGIN_ALLOW_THREADS code = self->stream.get_next(&self->stream, &self->batch);
    Py_END_ALLOW_THREADS if (code != 0)
    {
      self->batch.release = NULL;
      raise_stream(self, code);
      return -1;
    }
    if (self->batch.release == NULL) return 0;
  }
  return 1;
}

static PyObject *read_row(core_rows *self)
{
  if (self->stream.release == NULL) return NULL;
  int found = have_row(self);
  if (found == 0) {
    self->stream.release(&self->stream);
    self->stream.release = NULL;
  }
  if (found != 1) return NULL;
  PyObject *row = tuple_of(&self->root, &self->batch, self->batch.offset + self->next_row);
  if (row != NULL) self->next_row++;
  return row;
}

static PyObject *rows_next(PyObject *object)
{
  core_rows *self = (core_rows *)object;
  if (self->is_busy) {
    PyErr_SetString(PyExc_RuntimeError, "another thread is reading these rows");
    return NULL;
  }
  self->is_busy = true;
  PyObject *row = read_row(self);
  self->is_busy = false;
  return row;
}

static PyObject *rows_self(PyObject *object)
{
  Py_INCREF(object);
  return object;
}

static PyObject *rows_columns(PyObject *object, PyObject *unused)
{
  (void)unused;
  PyObject *columns = ((core_rows *)object)->columns;
  Py_INCREF(columns);
  return columns;
}

static void rows_dealloc(PyObject *object)
{
  core_rows *self = (core_rows *)object;
  dispose_column(&self->root);
  Py_XDECREF(self->columns);
  if (self->batch.release != NULL) self->batch.release(&self->batch);
  if (self->stream.release != NULL) self->stream.release(&self->stream);
  core_object_free(object);
}

static PyMethodDef rows_methods[] = {
    {"columns", rows_columns, METH_NOARGS,
     "Columns as (name, Arrow format, extension name, columns inside)."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot rows_slots[] = {{Py_tp_doc, "An iterator over the rows of a stream, as tuples."},
                                   {Py_tp_dealloc, CORE_SLOT(rows_dealloc)},
                                   {Py_tp_iter, CORE_SLOT(rows_self)},
                                   {Py_tp_iternext, CORE_SLOT(rows_next)},
                                   {Py_tp_methods, rows_methods},
                                   {0, NULL}};

static PyType_Spec rows_spec = {.name = "frazil._core.Rows",
                                .basicsize = sizeof(core_rows),
                                .flags = CORE_HANDLE_FLAGS,
                                .slots = rows_slots};

PyObject *core_rows_new(core_state *state, struct ArrowArrayStream *stream)
{
  core_rows *self = (core_rows *)PyType_GenericAlloc(state->rows_type, 0);
  if (self == NULL) {
    stream->release(stream);
    return NULL;
  }
  self->stream = *stream;
  if (read_columns(self) == 0) return (PyObject *)self;
  Py_DECREF(self);
  return NULL;
}

int core_rows_init(PyObject *module, core_state *state)
{
  state->rows_type = core_type_new(module, &rows_spec);
  return state->rows_type == NULL ? -1 : 0;
}
