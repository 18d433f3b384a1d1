/*
 * _core_explain.c - what a scan or join would read, and what it has read, as dictionaries.
 */
#include "core.h"

typedef struct count {
  const char *name;
  int64_t value;
} count;

/* Add counts to a dictionary; what fails leaves an exception and gives NULL. Takes `dict`. */
static PyObject *with_counts(PyObject *dict, const count *counts, size_t n_counts)
{
  for (size_t i = 0; dict != NULL && i < n_counts; i++) {
    PyObject *value = PyLong_FromLongLong(counts[i].value);
    bool set = value != NULL && PyDict_SetItemString(dict, counts[i].name, value) == 0;
    Py_XDECREF(value);
    if (!set) Py_CLEAR(dict);
  }
  return dict;
}

static PyObject *dict_from(const frz_read_report *report)
{
#define COUNT(name) {#name, report->name},
  const count counts[] = {FRZ_READ_REPORT_COUNTS(COUNT)};
#undef COUNT
  return with_counts(PyDict_New(), counts, sizeof counts / sizeof counts[0]);
}

static PyObject *join_dict_from(const frz_pit_report *report)
{
  const count counts[] = {{"entity_rows", report->entity_rows},
                          {"entity_rows_won", report->entity_rows_won},
                          {"slices", report->slices},
                          {"windows", report->windows},
                          {"spilled_bytes", report->spilled_bytes},
                          {"rows_swept", report->rows_swept},
                          {"rows_filled", report->rows_filled}};
  const struct {
    const char *name;
    const frz_read_report *report;
  } parts[] = {{"search", &report->search}, {"fetch", &report->fetch}};
  PyObject *dict = with_counts(PyDict_New(), counts, sizeof counts / sizeof counts[0]);
  for (size_t i = 0; dict != NULL && i < sizeof parts / sizeof parts[0]; i++) {
    PyObject *part = dict_from(parts[i].report);
    bool set = part != NULL && PyDict_SetItemString(dict, parts[i].name, part) == 0;
    Py_XDECREF(part);
    if (!set) Py_CLEAR(dict);
  }
  return dict;
}

PyObject *core_join_report_list(const frz_pit_report *reports, size_t n)
{
  PyObject *list = PyList_New(0);
  for (size_t i = 0; list != NULL && i < n; i++) {
    PyObject *dict = join_dict_from(&reports[i]);
    bool added = dict != NULL && PyList_Append(list, dict) == 0;
    Py_XDECREF(dict);
    if (!added) Py_CLEAR(list);
  }
  return list;
}

PyObject *core_scan_explain(PyObject *object, PyObject *unused)
{
  (void)unused;
  core_scan *self = (core_scan *)object;
  frz_error err = {0};
  frz_read_report report;
  frz_status st = FRZ_OK;
  Py_BEGIN_ALLOW_THREADS st = frz_scan_explain(self->scan, &report, &err);
  Py_END_ALLOW_THREADS return st == FRZ_OK ? dict_from(&report)
                                           : core_raise(self->context->signals, &err);
}

PyObject *core_scan_report(PyObject *object, PyObject *unused)
{
  (void)unused;
  core_scan *self = (core_scan *)object;
  frz_error err = {0};
  frz_read_report report;
  return frz_scan_report(self->scan, &report, &err) == FRZ_OK
             ? dict_from(&report)
             : core_raise(self->context->signals, &err);
}
