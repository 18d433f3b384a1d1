/*
 * _core_rows.c - a stream of small rows as Python tuples, without pyarrow.
 *
 * For the library's own tables about tables (the files of a plan): whole numbers, booleans and
 * texts. One batch is held at a time. An error of the stream is raised as OSError with the
 * stream's message, which frazil._convert.guarded() turns into the library's exception.
 *
 * Threads may share an iterator, but it has one batch and one place in it: a thread that comes
 * while another one is in next(), where the GIL may be let go, is refused, as by a generator.
 */
#include "core.h"

#include <string.h>

enum { COLUMNS_MAX = 32 };

typedef struct core_rows {
  PyObject_HEAD struct ArrowArrayStream stream; /**< release NULL: ended. */
  struct ArrowArray batch;                      /**< release NULL: none. */
  int64_t next_row;
  bool is_busy; /**< A thread is in next(). */
  int n_columns;
  char formats[COLUMNS_MAX]; /**< 'i', 'l', 'b' or 'u' */
} core_rows;

static PyObject *raise_stream(core_rows *self, int code)
{
  const char *message = self->stream.get_last_error(&self->stream);
  PyErr_Format(PyExc_OSError, "%s", message != NULL ? message : strerror(code));
  return NULL;
}

static int read_formats(core_rows *self)
{
  struct ArrowSchema schema = {0};
  int code = self->stream.get_schema(&self->stream, &schema);
  if (code != 0) {
    raise_stream(self, code);
    return -1;
  }
  int done = 0;
  for (int64_t i = 0; i < schema.n_children && done == 0; i++) {
    const char *format = schema.children[i]->format;
    if (i == COLUMNS_MAX || format[1] != '\0' || strchr("ilbu", format[0]) == NULL) {
      PyErr_Format(PyExc_TypeError, "column '%s' of Arrow format '%s' has no plain Python form",
                   schema.children[i]->name, format);
      done = -1;
    } else {
      self->formats[self->n_columns++] = format[0];
    }
  }
  schema.release(&schema);
  return done;
}

static bool bit_at(const void *bits, int64_t i)
{
  return (((const uint8_t *)bits)[i / 8] >> (i % 8) & 1) != 0;
}

static PyObject *value_at(const struct ArrowArray *column, char format, int64_t row)
{
  int64_t at = column->offset + row;
  const void *const *buffers = column->buffers;
  if (buffers[0] != NULL && !bit_at(buffers[0], at)) Py_RETURN_NONE;
  switch (format) {
  case 'i': return PyLong_FromLong(((const int32_t *)buffers[1])[at]);
  case 'l': return PyLong_FromLongLong(((const int64_t *)buffers[1])[at]);
  case 'b': return PyBool_FromLong(bit_at(buffers[1], at));
  default: {
    const int32_t *offsets = (const int32_t *)buffers[1] + at;
    const char *text = buffers[2];
    return core_text(text != NULL ? text + offsets[0] : "", (size_t)(offsets[1] - offsets[0]));
  }
  }
}

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
  PyObject *row = PyTuple_New(self->n_columns);
  if (row == NULL) return NULL;
  for (int i = 0; i < self->n_columns; i++) {
    const struct ArrowArray *column = self->batch.children[i];
    PyObject *value = value_at(column, self->formats[i], self->batch.offset + self->next_row);
    if (value == NULL || PyTuple_SetItem(row, i, value) != 0) {
      Py_DECREF(row);
      return NULL;
    }
  }
  self->next_row++;
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

static void rows_dealloc(PyObject *object)
{
  core_rows *self = (core_rows *)object;
  if (self->batch.release != NULL) self->batch.release(&self->batch);
  if (self->stream.release != NULL) self->stream.release(&self->stream);
  core_object_free(object);
}

static PyType_Slot rows_slots[] = {{Py_tp_doc, "An iterator over the rows of a stream, as tuples."},
                                   {Py_tp_dealloc, CORE_SLOT(rows_dealloc)},
                                   {Py_tp_iter, CORE_SLOT(rows_self)},
                                   {Py_tp_iternext, CORE_SLOT(rows_next)},
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
  if (read_formats(self) == 0) return (PyObject *)self;
  Py_DECREF(self);
  return NULL;
}

int core_rows_init(PyObject *module, core_state *state)
{
  state->rows_type = core_type_new(module, &rows_spec);
  return state->rows_type == NULL ? -1 : 0;
}
