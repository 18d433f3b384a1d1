/*
 * _core_join_reports.c - what a join has read, while its rows are being read.
 *
 * The library writes a join's reports as its stream goes on, on the thread that reads the stream,
 * which may be any and holds no GIL. So there are two copies: a live one that the library alone
 * touches, and a shown one under a lock, brought up to date after each batch. The stream may
 * outlive every Python object, and the other way round: both hold the reports, by count.
 *
 * Nothing that the stream's callbacks touch is Python's: memory comes from the C library.
 */
#include "core.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char CAPSULE[] = "frazil.join_reports";

struct core_join_reports {
  atomic_int n_holders;
  pthread_mutex_t lock; /* of `shown` */
  size_t n;
  frz_pit_report *live;
  frz_pit_report *shown;
};

static void hold(core_join_reports *reports)
{
  atomic_fetch_add(&reports->n_holders, 1);
}

core_join_reports *core_join_reports_new(size_t n)
{
  core_join_reports *reports = calloc(1, sizeof *reports);
  frz_pit_report *live = calloc(n + 1, sizeof *live);
  frz_pit_report *shown = calloc(n + 1, sizeof *shown);
  if (reports == NULL || live == NULL || shown == NULL) {
    free(shown);
    free(live);
    free(reports);
    PyErr_NoMemory();
    return NULL;
  }
  pthread_mutex_init(&reports->lock, NULL);
  reports->n = n;
  reports->live = live;
  reports->shown = shown;
  hold(reports);
  return reports;
}

void core_join_reports_release(core_join_reports *reports)
{
  if (atomic_fetch_sub(&reports->n_holders, 1) != 1) return;
  pthread_mutex_destroy(&reports->lock);
  free(reports->live);
  free(reports->shown);
  free(reports);
}

frz_pit_report *core_join_reports_live(core_join_reports *reports)
{
  return reports->live;
}

/* Called by who reads the stream: nobody writes the live copy meanwhile. */
static void show(core_join_reports *reports)
{
  pthread_mutex_lock(&reports->lock);
  memcpy(reports->shown, reports->live, reports->n * sizeof *reports->shown);
  pthread_mutex_unlock(&reports->lock);
}

/* ---- the stream ---- */

typedef struct followed_stream {
  struct ArrowArrayStream inner;
  core_join_reports *reports;
} followed_stream;

static int followed_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
  followed_stream *self = stream->private_data;
  return self->inner.get_schema(&self->inner, out);
}

static int followed_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
  followed_stream *self = stream->private_data;
  int failed = self->inner.get_next(&self->inner, out);
  show(self->reports);
  return failed;
}

static const char *followed_error(struct ArrowArrayStream *stream)
{
  followed_stream *self = stream->private_data;
  return self->inner.get_last_error(&self->inner);
}

static void followed_release(struct ArrowArrayStream *stream)
{
  followed_stream *self = stream->private_data;
  self->inner.release(&self->inner); /* it may write the reports until then */
  core_join_reports_release(self->reports);
  free(self);
  stream->release = NULL;
}

int core_join_reports_follow(core_join_reports *reports, struct ArrowArrayStream *stream)
{
  followed_stream *self = calloc(1, sizeof *self);
  if (self == NULL) {
    PyErr_NoMemory();
    return -1;
  }
  self->inner = *stream;
  self->reports = reports;
  hold(reports);
  show(reports);
  *stream = (struct ArrowArrayStream){.get_schema = followed_schema,
                                      .get_next = followed_next,
                                      .get_last_error = followed_error,
                                      .release = followed_release,
                                      .private_data = self};
  return 0;
}

/* ---- the object ---- */

static void capsule_free(PyObject *capsule)
{
  core_join_reports *reports = PyCapsule_GetPointer(capsule, CAPSULE);
  if (reports != NULL) core_join_reports_release(reports);
}

PyObject *core_join_reports_object(core_join_reports *reports)
{
  PyObject *capsule = PyCapsule_New(reports, CAPSULE, capsule_free);
  if (capsule == NULL) core_join_reports_release(reports);
  return capsule;
}

PyObject *core_join_reports_show(PyObject *module, PyObject *object)
{
  (void)module;
  core_join_reports *reports = PyCapsule_GetPointer(object, CAPSULE);
  if (reports == NULL) return NULL;
  frz_pit_report *copy = PyMem_Calloc(reports->n + 1, sizeof *copy);
  if (copy == NULL) return PyErr_NoMemory();
  pthread_mutex_lock(&reports->lock);
  memcpy(copy, reports->shown, reports->n * sizeof *copy);
  pthread_mutex_unlock(&reports->lock);
  PyObject *list = core_join_report_list(copy, reports->n);
  PyMem_Free(copy);
  return list;
}
