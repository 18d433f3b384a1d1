/*
 * core.h - what the files of the extension module share.
 *
 * The module is a thin shell: it turns Python arguments into structs of include/frazil, releases
 * the GIL around each call that can read, decode or wait, and turns a status into an exception.
 * Types of the public Python API are written in Python, over the four handle types made here.
 *
 * Invariants: a handle object keeps its context object alive; contexts are never ended (Arrow
 * streams that other libraries hold may outlive every Python object), so there are few of them:
 * the Python side keeps one for each set of options.
 */
#ifndef FRAZIL_PYTHON_CORE_H
#define FRAZIL_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "frazil/frazil.h"

/** What all contexts of the module share; touched with the GIL held, except as noted. */
typedef struct core_signals {
  unsigned long main_thread; /**< The thread that Python runs signal handlers on. */
  PyObject *pending[3];      /**< Type, value and traceback that a signal handler raised. */
} core_signals;

typedef struct core_state {
  PyTypeObject *context_type;
  PyTypeObject *catalog_type;
  PyTypeObject *table_type;
  PyTypeObject *scan_type;
  PyTypeObject *stream_type;
  PyTypeObject *rows_type;
  PyTypeObject *online_type;
  core_signals *signals; /**< Lives as long as the process: contexts point at it. */
} core_state;

typedef struct core_context {
  PyObject_HEAD frz_context *context;
  core_signals *signals;
} core_context;

typedef struct core_catalog {
  PyObject_HEAD frz_catalog *catalog;
  core_context *context;
} core_catalog;

typedef struct core_table {
  PyObject_HEAD frz_table *table;
  core_context *context;
} core_table;

typedef struct core_scan {
  PyObject_HEAD frz_scan *scan;
  core_context *context;
} core_scan;

typedef struct core_stream {
  PyObject_HEAD struct ArrowArrayStream stream; /**< release NULL: handed out already. */
} core_stream;

/** Name and value lists built from a dict; the texts belong to the dict. */
typedef struct core_properties {
  frz_property *items;
  size_t n_items;
} core_properties;

/** Texts built from a sequence of str; they belong to the sequence. */
typedef struct core_texts {
  const char **items;
  size_t n_items;
} core_texts;

core_state *core_state_of(PyObject *type_or_module);

/** Raise the exception for a failure. `not_found` names the class to use for FRZ_ERR_NOT_FOUND and
 * `exists` for FRZ_ERR_EXISTS; NULL: the general ones. Always NULL. */
PyObject *core_raise_as(core_signals *signals, const frz_error *err, const char *not_found,
                        const char *exists);
PyObject *core_raise(core_signals *signals, const frz_error *err);

/** 0, or -1 with an exception set. None and NULL make an empty list. Dispose on success only. */
int core_properties_from(PyObject *dict, core_properties *out);
void core_properties_dispose(core_properties *properties);
int core_texts_from(PyObject *sequence, core_texts *out);
void core_texts_dispose(core_texts *texts);

/** Serialized entity keys: `items` point into `buffer`, or into objects of the tuple that they came
 * from. */
typedef struct core_keys {
  frz_bytes *items;
  size_t n_items;
  uint8_t *buffer;
  size_t capacity, size;
} core_keys;

/** From a tuple of bytes: keys; Feast's EntityKey messages; and, a tuple a join key, Value
 * messages. 0, or -1 with an exception set. Dispose on success only. */
int core_keys_from(PyObject *tuple, core_keys *keys);
int core_keys_from_messages(PyObject *tuple, core_keys *keys);
int core_keys_from_values(const core_texts *join_keys, PyObject *columns, core_keys *keys);
void core_keys_dispose(core_keys *keys);

/** A str from a text of the library; bytes that are not UTF-8 are replaced. */
PyObject *core_text(const char *data, size_t size);
PyObject *core_text_take(frz_string *string);
PyObject *core_text_list_take(frz_string_list *list);

/** Move the stream behind a capsule, or behind `__arrow_c_stream__` or `__arrow_c_array__` of an
 * object, into `out`. 0, or -1 with an exception set. */
int core_stream_from(PyObject *data, struct ArrowArrayStream *out);

/** Borrow the schema behind a capsule or `__arrow_c_schema__`; `keep_out` owns it. */
struct ArrowSchema *core_schema_from(PyObject *data, PyObject **keep_out);

PyObject *core_schema_capsule(struct ArrowSchema *schema);

/** A Stream object; takes the stream, on failure too. */
PyObject *core_stream_new(core_state *state, struct ArrowArrayStream *stream);

/** An iterator over the rows of a stream as tuples of plain Python values; takes the stream, on
 * failure too. */
PyObject *core_rows_new(core_state *state, struct ArrowArrayStream *stream);

/** What a write did, as the tuple that results.WriteResult is made of. */
PyObject *core_write_result(const frz_write_result *result);

/** A Table object; takes the handle, on failure too. */
PyObject *core_table_new(core_state *state, core_context *context, frz_table *table);

/* Of a Scan: see frazil/explain.h. */
PyObject *core_scan_explain(PyObject *object, PyObject *unused);
PyObject *core_scan_report(PyObject *object, PyObject *unused);

/** How views were joined: a list of dictionaries with the keys of `frazil explain pit --json`. */
PyObject *core_join_report_list(const frz_pit_report *reports, size_t n);

/** Parse (snapshot_id, ref, as_of_ms, row_filter, selected_fields, limit, case_sensitive,
 * from_snapshot_id). The texts belong to `tuple`; dispose `selected` afterwards. */
int core_scan_options_from(PyObject *tuple, frz_scan_options *options, core_texts *selected);

/** Make a type with this module's state. */
PyTypeObject *core_type_new(PyObject *module, PyType_Spec *spec);

int core_stream_init(PyObject *module, core_state *state);
int core_rows_init(PyObject *module, core_state *state);
int core_catalog_init(PyObject *module, core_state *state);
int core_table_init(PyObject *module, core_state *state);
int core_online_init(PyObject *module, core_state *state);

/** Methods of Table handles, of _core_maintain.c. */
PyObject *core_table_compact(PyObject *table, PyObject *args);
PyObject *core_table_rewrite_manifests(PyObject *table, PyObject *unused);
PyObject *core_table_expire_snapshots(PyObject *table, PyObject *args);
PyObject *core_table_remove_orphans(PyObject *table, PyObject *args);
PyObject *core_table_verify(PyObject *table, PyObject *args);

/** Methods of Table in _core_evolution.c. */
PyObject *core_table_update_schema(PyObject *table, PyObject *args);
PyObject *core_table_update_spec(PyObject *table, PyObject *args);
PyObject *core_table_set_sort_order(PyObject *table, PyObject *args);
PyObject *core_table_set_properties(PyObject *table, PyObject *args);
PyObject *core_table_upgrade(PyObject *table, PyObject *args);
PyObject *core_table_set_ref(PyObject *table, PyObject *args);
PyObject *core_table_remove_ref(PyObject *table, PyObject *args);
PyObject *core_table_set_statistics(PyObject *table, PyObject *args);
PyObject *core_table_remove_statistics(PyObject *table, PyObject *args);

/** Reports of a join, of _core_join_reports.c: shared by the stream that fills them and the Python
 * object that shows them, whichever lives longer. */
typedef struct core_join_reports core_join_reports;

/** Room for `n` views' reports, held once. NULL with an exception set: no memory. */
core_join_reports *core_join_reports_new(size_t n);
void core_join_reports_release(core_join_reports *reports);

/** Where the join writes. */
frz_pit_report *core_join_reports_live(core_join_reports *reports);

/** Wrap the join's stream in place so that what it writes is shown after each batch; it holds the
 * reports. 0, or -1 with an exception set and the stream as it was. */
int core_join_reports_follow(core_join_reports *reports, struct ArrowArrayStream *stream);

/** An object for core_join_reports_show(); takes the hold, on failure too. */
PyObject *core_join_reports_object(core_join_reports *reports);

/** Module function: a list of dictionaries, one a view. */
PyObject *core_join_reports_show(PyObject *module, PyObject *object);

/** Module functions of _core_pit.c. */
PyObject *core_pit_join(PyObject *module, PyObject *args);
PyObject *core_pit_explain(PyObject *module, PyObject *args);
PyObject *core_latest_per_key(PyObject *module, PyObject *args);

/** A module function of _core_online.c. */
PyObject *core_open_online(PyObject *module, PyObject *args);
PyObject *core_entity_keys(PyObject *module, PyObject *tuple);

/** A module function of _core_stream.c. */
PyObject *core_read_parquet(PyObject *module, PyObject *args);

/** The type `tp_new` of handles that only the library makes is not inherited: see Py_TPFLAGS. */
#define CORE_HANDLE_FLAGS (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION)

/** A function in a slot table: ISO C has no such conversion, POSIX and Python rely on it. */
#define CORE_SLOT(function) (__extension__(void *)(function))

/** Free a heap type's instance: the type itself is counted too. */
void core_object_free(PyObject *self);

#endif
