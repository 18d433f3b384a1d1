/*
 * _core.c - the extension module: contexts, exceptions, signals, conversions.
 *
 * A status becomes one exception class of frazil.exceptions, looked up by name when it is raised.
 *
 * Ctrl-C: Python's handlers run on the main thread only, and only when it holds the GIL. While C
 * works, the library asks `interrupted` about every 50 ms on the calling thread. On the main
 * thread that takes the GIL for a moment and runs the handlers; what they raise is kept in
 * `signals->pending` and raised when the call comes back with FRZ_ERR_CANCELLED. If the call came
 * from another library (through a stream), a pending call raises it as soon as Python code runs.
 * Other threads never take the GIL here: their caller may hold it while it waits for them.
 */
#include "core.h"

#include <string.h>

/* ---- exceptions ---- */

static const char *exception_name(frz_status status)
{
  switch (status) {
  case FRZ_OK: break;
  case FRZ_ERR_INVALID: return "InvalidError";
  case FRZ_ERR_NOMEM: break;
  case FRZ_ERR_CORRUPT: return "CorruptError";
  case FRZ_ERR_UNSUPPORTED: return "UnsupportedError";
  case FRZ_ERR_IO: return "StorageError";
  case FRZ_ERR_NOT_FOUND: return "NotFoundError";
  case FRZ_ERR_CONFLICT: return "CommitConflictError";
  case FRZ_ERR_COMMIT_UNKNOWN: return "CommitUnknownError";
  case FRZ_ERR_STALE: return "StaleError";
  case FRZ_ERR_LIMIT: return "LimitError";
  case FRZ_ERR_TIMEOUT: return "TimeoutError";
  case FRZ_ERR_CANCELLED: return "CancelledError";
  case FRZ_ERR_AUTH: return "AuthError";
  case FRZ_ERR_EXISTS: return "AlreadyExistsError";
  }
  return "FrazilError";
}

/* Raise what a signal handler raised, if it did; true when an exception is set now. */
static bool raise_pending(core_signals *signals)
{
  if (signals->pending[0] == NULL) return false;
  PyErr_Restore(signals->pending[0], signals->pending[1], signals->pending[2]);
  memset(signals->pending, 0, sizeof signals->pending);
  return true;
}

PyObject *core_raise_as(core_signals *signals, const frz_error *err, const char *not_found,
                        const char *exists)
{
  if (PyErr_Occurred()) return NULL;
  if (err->code == FRZ_ERR_NOMEM) return PyErr_NoMemory();
  if (err->code == FRZ_ERR_CANCELLED && raise_pending(signals)) return NULL;
  const char *name = exception_name(err->code);
  if (err->code == FRZ_ERR_NOT_FOUND && not_found != NULL) name = not_found;
  if (err->code == FRZ_ERR_EXISTS && exists != NULL) name = exists;
  PyObject *exceptions = PyImport_ImportModule("frazil.exceptions");
  if (exceptions == NULL) return NULL;
  PyObject *type = PyObject_GetAttrString(exceptions, name);
  Py_DECREF(exceptions);
  if (type == NULL) return NULL;
  PyObject *message = core_text(err->message, strlen(err->message));
  if (message != NULL) PyErr_SetObject(type, message);
  Py_XDECREF(message);
  Py_DECREF(type);
  return NULL;
}

PyObject *core_raise(core_signals *signals, const frz_error *err)
{
  return core_raise_as(signals, err, NULL, NULL);
}

/* ---- signals ---- */

static int deliver_pending(void *arg)
{
  return raise_pending(arg) ? -1 : 0;
}

static bool interrupted(void *arg)
{
  core_signals *signals = arg;
  if (PyThread_get_thread_ident() != signals->main_thread) return false;
  PyGILState_STATE gil = PyGILState_Ensure();
  bool stop = signals->pending[0] != NULL;
  if (!stop) {
    PyObject *before[3];
    PyErr_Fetch(&before[0], &before[1], &before[2]);
    if (PyErr_CheckSignals() != 0) {
      PyErr_Fetch(&signals->pending[0], &signals->pending[1], &signals->pending[2]);
      (void)Py_AddPendingCall(deliver_pending, signals);
      stop = true;
    }
    PyErr_Restore(before[0], before[1], before[2]);
  }
  PyGILState_Release(gil);
  return stop;
}

/* The thread that forked is the child's main thread. */
static PyObject *after_fork(PyObject *module, PyObject *unused)
{
  (void)unused;
  core_state_of(module)->signals->main_thread = PyThread_get_thread_ident();
  Py_RETURN_NONE;
}

/* ---- conversions ---- */

PyObject *core_text(const char *data, size_t size)
{
  return PyUnicode_DecodeUTF8(data != NULL ? data : "", (Py_ssize_t)size, "replace");
}

PyObject *core_text_take(frz_string *string)
{
  PyObject *text = core_text(string->data, string->size_bytes);
  frz_string_dispose(string);
  return text;
}

PyObject *core_text_list_take(frz_string_list *list)
{
  PyObject *texts = PyList_New((Py_ssize_t)list->n_items);
  for (size_t i = 0; texts != NULL && i < list->n_items; i++) {
    PyObject *text = core_text(list->items[i], strlen(list->items[i]));
    if (text == NULL || PyList_SetItem(texts, (Py_ssize_t)i, text) != 0) Py_CLEAR(texts);
  }
  frz_string_list_dispose(list);
  return texts;
}

static const char *text_of(PyObject *object, const char *what)
{
  if (!PyUnicode_Check(object)) {
    PyErr_Format(PyExc_TypeError, "%s must be a str, not %R", what, (PyObject *)Py_TYPE(object));
    return NULL;
  }
  Py_ssize_t size = 0;
  const char *text = PyUnicode_AsUTF8AndSize(object, &size);
  if (text != NULL && strlen(text) != (size_t)size) {
    PyErr_Format(PyExc_ValueError, "%s %R holds a NUL character", what, object);
    return NULL;
  }
  return text;
}

int core_properties_from(PyObject *dict, core_properties *out)
{
  *out = (core_properties){0};
  if (dict == NULL || dict == Py_None) return 0;
  if (!PyDict_Check(dict)) {
    PyErr_SetString(PyExc_TypeError, "properties must be a dict of str to str");
    return -1;
  }
  Py_ssize_t size = PyDict_Size(dict);
  if (size == 0) return 0;
  out->items = PyMem_Calloc((size_t)size, sizeof *out->items);
  if (out->items == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  Py_ssize_t at = 0;
  PyObject *key = NULL;
  PyObject *value = NULL;
  while (PyDict_Next(dict, &at, &key, &value) && out->n_items < (size_t)size) {
    frz_property *item = &out->items[out->n_items++];
    item->key = text_of(key, "a property name");
    item->value = item->key == NULL ? NULL : text_of(value, "a property value");
    if (item->value == NULL) {
      core_properties_dispose(out);
      return -1;
    }
  }
  return 0;
}

void core_properties_dispose(core_properties *properties)
{
  PyMem_Free(properties->items);
  *properties = (core_properties){0};
}

int core_texts_from(PyObject *sequence, core_texts *out)
{
  *out = (core_texts){0};
  if (sequence == NULL || sequence == Py_None) return 0;
  if (!PyTuple_Check(sequence)) {
    PyErr_SetString(PyExc_TypeError, "a tuple of str was expected");
    return -1;
  }
  Py_ssize_t size = PyTuple_Size(sequence);
  /* One more than needed: an empty list is not the same as no list. */
  out->items = PyMem_Calloc((size_t)size + 1, sizeof *out->items);
  if (out->items == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  for (Py_ssize_t i = 0; i < size; i++) {
    out->items[i] = text_of(PyTuple_GetItem(sequence, i), "a column name");
    if (out->items[i] == NULL) {
      core_texts_dispose(out);
      return -1;
    }
  }
  out->n_items = (size_t)size;
  return 0;
}

void core_texts_dispose(core_texts *texts)
{
  PyMem_Free(texts->items);
  *texts = (core_texts){0};
}

/* ---- objects ---- */

core_state *core_state_of(PyObject *type_or_module)
{
  if (PyType_Check(type_or_module)) return PyType_GetModuleState((PyTypeObject *)type_or_module);
  return PyModule_GetState(type_or_module);
}

PyTypeObject *core_type_new(PyObject *module, PyType_Spec *spec)
{
  PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
  if (type == NULL) return NULL;
  if (PyModule_AddType(module, (PyTypeObject *)type) != 0) Py_CLEAR(type);
  return (PyTypeObject *)type;
}

void core_object_free(PyObject *self)
{
  PyTypeObject *type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyObject *context_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
  static char *names[] = {"n_threads", "memory_limit_bytes", "spill_dir", NULL};
  frz_context_options options;
  frz_context_options_init(&options);
  int n_threads = 0;
  long long memory_limit_bytes = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|iLz:Context", names, &n_threads,
                                   &memory_limit_bytes, &options.spill_dir))
    return NULL;
  core_state *state = core_state_of((PyObject *)type);
  if (state == NULL) return NULL;
  options.n_threads = n_threads;
  options.memory_limit_bytes = memory_limit_bytes;
  options.callback_ctx = state->signals;
  options.interrupted = interrupted;
  core_context *self = (core_context *)PyType_GenericAlloc(type, 0);
  if (self == NULL) return NULL;
  self->signals = state->signals;
  frz_error err = {0};
  if (frz_context_create(&options, &self->context, &err) != FRZ_OK) {
    core_raise(self->signals, &err);
    Py_DECREF(self);
    return NULL;
  }
  return (PyObject *)self;
}

/* The frz_context stays: see the invariants in core.h. */
static void context_dealloc(PyObject *self)
{
  core_object_free(self);
}

static PyObject *context_cancel(PyObject *self, PyObject *unused)
{
  (void)unused;
  frz_context_cancel(((core_context *)self)->context);
  Py_RETURN_NONE;
}

static PyObject *context_resume(PyObject *self, PyObject *unused)
{
  (void)unused;
  frz_context_resume(((core_context *)self)->context);
  Py_RETURN_NONE;
}

static PyMethodDef context_methods[] = {
    {"cancel", context_cancel, METH_NOARGS, "Make running and later calls raise CancelledError."},
    {"resume", context_resume, METH_NOARGS, "Let calls run again after cancel()."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot context_slots[] = {
    {Py_tp_doc, "Threads, memory limit and spill folder that calls work with."},
    {Py_tp_new, CORE_SLOT(context_new)},
    {Py_tp_dealloc, CORE_SLOT(context_dealloc)},
    {Py_tp_methods, context_methods},
    {0, NULL}};

static PyType_Spec context_spec = {.name = "frazil._core.Context",
                                   .basicsize = sizeof(core_context),
                                   .flags = Py_TPFLAGS_DEFAULT,
                                   .slots = context_slots};

/* ---- the module ---- */

static PyMethodDef module_methods[] = {
    {"pit_join", core_pit_join, METH_VARARGS, "Join feature views to entity rows."},
    {"pit_explain", core_pit_explain, METH_VARARGS, "What a join would read."},
    {"join_reports", core_join_reports_show, METH_O, "What a join has read so far."},
    {"latest_per_key", core_latest_per_key, METH_VARARGS, "The latest row of each key."},
    {"open_online", core_open_online, METH_VARARGS, "Open an online table."},
    {"entity_keys", core_entity_keys, METH_O, "Serialize Feast's EntityKey messages."},
    {"read_parquet", core_read_parquet, METH_VARARGS, "The rows of one Parquet file."},
    {"_after_fork", after_fork, METH_NOARGS, "Tell the module that this process is a child."},
    {NULL, NULL, 0, NULL}};

/* The module that starts threads knows the main one. Where nobody has imported it (that takes
 * milliseconds), this is the main one: threading itself assumes so when it is imported. */
static int find_main_thread(core_signals *signals)
{
  signals->main_thread = PyThread_get_thread_ident();
  PyObject *name = PyUnicode_FromString("threading");
  PyObject *threading = name == NULL ? NULL : PyImport_GetModule(name);
  PyObject *main_thread =
      threading == NULL ? NULL : PyObject_CallMethod(threading, "main_thread", NULL);
  PyObject *ident = main_thread == NULL ? NULL : PyObject_GetAttrString(main_thread, "ident");
  if (ident != NULL && PyLong_Check(ident)) signals->main_thread = PyLong_AsUnsignedLong(ident);
  Py_XDECREF(ident);
  Py_XDECREF(main_thread);
  Py_XDECREF(threading);
  Py_XDECREF(name);
  return PyErr_Occurred() ? -1 : 0;
}

static int module_exec(PyObject *module)
{
  core_state *state = core_state_of(module);
  /* Never freed: contexts hold on to it, and they stay until the process ends. */
  state->signals = PyMem_Calloc(1, sizeof *state->signals);
  if (state->signals == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  if (find_main_thread(state->signals) != 0) return -1;
  state->context_type = core_type_new(module, &context_spec);
  if (state->context_type == NULL) return -1;
  if (core_stream_init(module, state) != 0 || core_rows_init(module, state) != 0 ||
      core_catalog_init(module, state) != 0 || core_table_init(module, state) != 0 ||
      core_online_init(module, state) != 0)
    return -1;
  return PyModule_AddStringConstant(module, "version", frz_version());
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
  core_state *state = core_state_of(module);
  Py_VISIT(state->context_type);
  Py_VISIT(state->catalog_type);
  Py_VISIT(state->table_type);
  Py_VISIT(state->scan_type);
  Py_VISIT(state->stream_type);
  Py_VISIT(state->rows_type);
  Py_VISIT(state->online_type);
  return 0;
}

static int module_clear(PyObject *module)
{
  core_state *state = core_state_of(module);
  Py_CLEAR(state->context_type);
  Py_CLEAR(state->catalog_type);
  Py_CLEAR(state->table_type);
  Py_CLEAR(state->scan_type);
  Py_CLEAR(state->stream_type);
  Py_CLEAR(state->rows_type);
  Py_CLEAR(state->online_type);
  return 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, CORE_SLOT(module_exec)}, {0, NULL}};

static struct PyModuleDef module_def = {.m_base = PyModuleDef_HEAD_INIT,
                                        .m_name = "frazil._core",
                                        .m_doc = "The C library, for the frazil package only.",
                                        .m_size = sizeof(core_state),
                                        .m_methods = module_methods,
                                        .m_slots = module_slots,
                                        .m_traverse = module_traverse,
                                        .m_clear = module_clear};

PyMODINIT_FUNC PyInit__core(void)
{
  return PyModuleDef_Init(&module_def);
}
