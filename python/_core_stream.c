/*
 * _core_stream.c - Arrow streams and schemas between Python objects and the library.
 *
 * In: a capsule named "arrow_array_stream", an object with `__arrow_c_stream__`, or one with
 * `__arrow_c_array__` (one batch, wrapped in a stream of one). The struct is moved out of its
 * capsule and `release` set to NULL there, as the Arrow PyCapsule interface asks of a consumer.
 * Out: a Stream object, which hands its stream out once, in a capsule whose destructor releases
 * what nobody took.
 *
 * The callbacks of the one-batch stream may run without the GIL, so nothing in them is Python's,
 * its memory included: it comes from the C library.
 */
#include "core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- a stream of one batch ---- */

typedef struct one_batch {
  struct ArrowSchema schema;
  struct ArrowArray array; /* release NULL: handed out */
} one_batch;

/* A schema cannot be handed out twice by moving, so it is handed out as a view of the first. */
static void view_release(struct ArrowSchema *schema)
{
  schema->release = NULL;
}

static int one_batch_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
  one_batch *self = stream->private_data;
  *out = self->schema;
  out->release = view_release;
  return 0;
}

static int one_batch_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
  one_batch *self = stream->private_data;
  *out = self->array;
  self->array = (struct ArrowArray){0};
  return 0;
}

static const char *one_batch_error(struct ArrowArrayStream *stream)
{
  (void)stream;
  return NULL;
}

static void one_batch_release(struct ArrowArrayStream *stream)
{
  one_batch *self = stream->private_data;
  if (self->schema.release != NULL) self->schema.release(&self->schema);
  if (self->array.release != NULL) self->array.release(&self->array);
  free(self);
  stream->release = NULL;
}

static int stream_from_array(PyObject *pair, struct ArrowArrayStream *out)
{
  if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
    PyErr_SetString(PyExc_TypeError, "__arrow_c_array__ must return two capsules");
    return -1;
  }
  struct ArrowSchema *schema = PyCapsule_GetPointer(PyTuple_GetItem(pair, 0), "arrow_schema");
  if (schema == NULL) return -1;
  struct ArrowArray *array = PyCapsule_GetPointer(PyTuple_GetItem(pair, 1), "arrow_array");
  if (array == NULL) return -1;
  if (schema->release == NULL || array->release == NULL || strcmp(schema->format, "+s") != 0) {
    PyErr_SetString(PyExc_ValueError, "the Arrow array is not a record batch, or is used up");
    return -1;
  }
  one_batch *self = calloc(1, sizeof *self);
  if (self == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  self->schema = *schema;
  self->array = *array;
  schema->release = NULL;
  array->release = NULL;
  *out = (struct ArrowArrayStream){.get_schema = one_batch_schema,
                                   .get_next = one_batch_next,
                                   .get_last_error = one_batch_error,
                                   .release = one_batch_release,
                                   .private_data = self};
  return 0;
}

/* ---- in ---- */

static int stream_from_capsule(PyObject *capsule, struct ArrowArrayStream *out)
{
  struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
  if (stream == NULL) return -1;
  if (stream->release == NULL) {
    PyErr_SetString(PyExc_ValueError, "the Arrow stream is used up: it can be read once");
    return -1;
  }
  *out = *stream;
  stream->release = NULL;
  return 0;
}

/* Call a method without arguments if the object has it: 1 called, 0 not there, -1 raised. */
static int call_if_there(PyObject *object, const char *name, PyObject **result_out)
{
  PyObject *method = PyObject_GetAttrString(object, name);
  if (method == NULL) {
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
    PyErr_Clear();
    return 0;
  }
  *result_out = PyObject_CallObject(method, NULL);
  Py_DECREF(method);
  return *result_out == NULL ? -1 : 1;
}

int core_stream_from(PyObject *data, struct ArrowArrayStream *out)
{
  if (PyCapsule_CheckExact(data)) return stream_from_capsule(data, out);
  PyObject *result = NULL;
  int there = call_if_there(data, "__arrow_c_stream__", &result);
  if (there == 1) {
    int done = stream_from_capsule(result, out);
    Py_DECREF(result);
    return done;
  }
  if (there == 0) there = call_if_there(data, "__arrow_c_array__", &result);
  if (there == 1) {
    int done = stream_from_array(result, out);
    Py_DECREF(result);
    return done;
  }
  if (there == 0)
    PyErr_Format(PyExc_TypeError, "%R has neither __arrow_c_stream__ nor __arrow_c_array__",
                 (PyObject *)Py_TYPE(data));
  return -1;
}

struct ArrowSchema *core_schema_from(PyObject *data, PyObject **keep_out)
{
  PyObject *capsule = NULL;
  if (PyCapsule_CheckExact(data)) {
    capsule = data;
    Py_INCREF(capsule);
  } else {
    int there = call_if_there(data, "__arrow_c_schema__", &capsule);
    if (there == 0)
      PyErr_Format(PyExc_TypeError, "%R has no __arrow_c_schema__", (PyObject *)Py_TYPE(data));
    if (there != 1) return NULL;
  }
  struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
  if (schema != NULL && schema->release == NULL) {
    PyErr_SetString(PyExc_ValueError, "the Arrow schema is used up");
    schema = NULL;
  }
  if (schema == NULL) {
    Py_DECREF(capsule);
    return NULL;
  }
  *keep_out = capsule;
  return schema;
}

/* ---- out ---- */

static void schema_capsule_free(PyObject *capsule)
{
  struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
  if (schema == NULL) return;
  if (schema->release != NULL) schema->release(schema);
  PyMem_Free(schema);
}

PyObject *core_schema_capsule(struct ArrowSchema *schema)
{
  struct ArrowSchema *held = PyMem_Malloc(sizeof *held);
  if (held == NULL) {
    schema->release(schema);
    return PyErr_NoMemory();
  }
  *held = *schema;
  PyObject *capsule = PyCapsule_New(held, "arrow_schema", schema_capsule_free);
  if (capsule == NULL) {
    held->release(held);
    PyMem_Free(held);
  }
  return capsule;
}

static void stream_capsule_free(PyObject *capsule)
{
  struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
  if (stream == NULL) return;
  if (stream->release != NULL) stream->release(stream);
  PyMem_Free(stream);
}

static PyObject *stream_export(PyObject *object, PyObject *args, PyObject *kwargs)
{
  static char *names[] = {"requested_schema", NULL};
  PyObject *requested = NULL; /* the interface lets a producer ignore it */
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:__arrow_c_stream__", names, &requested))
    return NULL;
  core_stream *self = (core_stream *)object;
  if (self->stream.release == NULL) {
    PyErr_SetString(PyExc_ValueError, "the stream is used up: it can be read once");
    return NULL;
  }
  struct ArrowArrayStream *held = PyMem_Malloc(sizeof *held);
  if (held == NULL) return PyErr_NoMemory();
  *held = self->stream;
  PyObject *capsule = PyCapsule_New(held, "arrow_array_stream", stream_capsule_free);
  if (capsule == NULL)
    PyMem_Free(held);
  else
    self->stream.release = NULL;
  return capsule;
}

static PyObject *stream_schema(PyObject *object, PyObject *unused)
{
  (void)unused;
  core_stream *self = (core_stream *)object;
  if (self->stream.release == NULL) {
    PyErr_SetString(PyExc_ValueError, "the stream is used up: it can be read once");
    return NULL;
  }
  struct ArrowSchema schema = {0};
  int code = self->stream.get_schema(&self->stream, &schema);
  if (code != 0) {
    const char *message = self->stream.get_last_error(&self->stream);
    PyErr_Format(PyExc_OSError, "Arrow stream: %s", message != NULL ? message : strerror(code));
    return NULL;
  }
  return core_schema_capsule(&schema);
}

static PyObject *stream_rows(PyObject *object, PyObject *unused)
{
  (void)unused;
  core_stream *self = (core_stream *)object;
  if (self->stream.release == NULL) {
    PyErr_SetString(PyExc_ValueError, "the stream is used up: it can be read once");
    return NULL;
  }
  struct ArrowArrayStream stream = self->stream;
  self->stream.release = NULL;
  return core_rows_new(core_state_of((PyObject *)Py_TYPE(object)), &stream);
}

static void stream_dealloc(PyObject *object)
{
  core_stream *self = (core_stream *)object;
  if (self->stream.release != NULL) self->stream.release(&self->stream);
  core_object_free(object);
}

static PyMethodDef stream_methods[] = {
    {"__arrow_c_stream__", (PyCFunction)(void (*)(void))stream_export, METH_VARARGS | METH_KEYWORDS,
     "Hand the stream out; works once."},
    {"__arrow_c_schema__", stream_schema, METH_NOARGS, "The schema of the stream."},
    {"rows", stream_rows, METH_NOARGS,
     "Iterate over rows of whole numbers, booleans and texts, as tuples; works once."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot stream_slots[] = {{Py_tp_doc, "Record batches that the library produces."},
                                     {Py_tp_dealloc, CORE_SLOT(stream_dealloc)},
                                     {Py_tp_methods, stream_methods},
                                     {0, NULL}};

static PyType_Spec stream_spec = {.name = "frazil._core.Stream",
                                  .basicsize = sizeof(core_stream),
                                  .flags = CORE_HANDLE_FLAGS,
                                  .slots = stream_slots};

PyObject *core_stream_new(core_state *state, struct ArrowArrayStream *stream)
{
  core_stream *self = (core_stream *)PyType_GenericAlloc(state->stream_type, 0);
  if (self == NULL) {
    stream->release(stream);
    return NULL;
  }
  self->stream = *stream;
  return (PyObject *)self;
}

PyObject *core_read_parquet(PyObject *module, PyObject *args)
{
  core_state *state = core_state_of(module);
  core_context *context = NULL;
  const char *uri = NULL;
  if (!PyArg_ParseTuple(args, "O!s:read_parquet", state->context_type, &context, &uri)) return NULL;
  frz_error err = {0};
  frz_status st = FRZ_OK;
  struct ArrowArrayStream stream = {0};
  Py_BEGIN_ALLOW_THREADS st = frz_parquet_file_read(context->context, uri, &stream, &err);
  Py_END_ALLOW_THREADS if (st != FRZ_OK) return core_raise(context->signals, &err);
  return core_stream_new(state, &stream);
}

int core_stream_init(PyObject *module, core_state *state)
{
  state->stream_type = core_type_new(module, &stream_spec);
  return state->stream_type == NULL ? -1 : 0;
}
