/*
 * _core_explain.c - what a scan would read, and what it has read, as dictionaries.
 */
#include "core.h"

static PyObject *dict_from(const frz_read_report *report)
{
  const struct {
    const char *name;
    int64_t value;
  } items[] = {{"manifests_total", report->manifests_total},
               {"manifests_read", report->manifests_read},
               {"files_total", report->files_total},
               {"files_pruned_by_partition", report->files_pruned_by_partition},
               {"files_pruned_by_bounds", report->files_pruned_by_bounds},
               {"files_planned", report->files_planned},
               {"files_with_deletes", report->files_with_deletes},
               {"rows_planned", report->rows_planned},
               {"bytes_planned", report->bytes_planned},
               {"files_opened", report->files_opened},
               {"row_groups_total", report->row_groups_total},
               {"row_groups_pruned_by_statistics", report->row_groups_pruned_by_statistics},
               {"row_groups_pruned_by_bloom", report->row_groups_pruned_by_bloom},
               {"pages_total", report->pages_total},
               {"pages_pruned", report->pages_pruned},
               {"rows_wanted", report->rows_wanted},
               {"bytes_wanted", report->bytes_wanted},
               {"rows_read", report->rows_read},
               {"rows_deleted", report->rows_deleted},
               {"rows_matched", report->rows_matched},
               {"requests", report->requests},
               {"bytes_read", report->bytes_read}};
  PyObject *dict = PyDict_New();
  for (size_t i = 0; dict != NULL && i < sizeof items / sizeof items[0]; i++) {
    PyObject *value = PyLong_FromLongLong(items[i].value);
    bool set = value != NULL && PyDict_SetItemString(dict, items[i].name, value) == 0;
    Py_XDECREF(value);
    if (!set) Py_CLEAR(dict);
  }
  return dict;
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
