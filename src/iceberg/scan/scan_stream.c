/*
 * scan_stream.c - the rows of a scan: decoded by many threads, given out in order, in bounded
 * memory.
 *
 * The work is cut into units: a share of the row groups of one data file. A window of units, in
 * file and row order, is in progress; each holds a short queue of decoded batches. One step decodes
 * one batch of one unit. Steps run as tasks of the pool: a unit is submitted again after each step
 * while its queue has room. Whoever asks for rows takes them from the first unit of the window;
 * when it has none and nobody works on it, the asker runs the step itself. So there is progress
 * with no pool thread at all, and with any number of streams at once: a step waits for no other
 * step.
 *
 * Data manifests are read when the window runs out of files: one at first, then more at a time.
 * With a limit, files are opened only as far as the rows that are still wanted.
 *
 * Invariants: `window[0, n_units)` are in order; everything of a unit below `state` belongs to
 * whoever runs it; `state`, the queue and `stopping` change under `lock` alone; planning, the
 * window itself and files are the asking thread's. A stream that lived through a fork does nothing
 * in the child: its steps stayed with the parent's threads.
 */
#include <assert.h>
#include <pthread.h>
#include <time.h>

#include "base/os.h"
#include "iceberg/scan/open_file.h"
#include "iceberg/scan/scan_state.h"

enum { QUEUE_BATCHES = 2, POLL_MS = 50, SHARES_MAX = 4096 };

/** How much of a file one unit is where the manifest does not tell its row groups. */
#define UNIT_BYTES ((int64_t)64 << 20)

typedef struct scan_stream scan_stream;

/** Tasks that were planned together. */
typedef struct scan_tasks {
  frz_scan_part part;
  size_t n_users; /* files made from it, and the stream while it takes more */
} scan_tasks;

/** A data file, opened by the first of its units. */
typedef struct scan_file {
  scan_tasks *tasks;
  const frz_scan_task *task;
  size_t n_units; /* that use it */
  pthread_mutex_t lock;
  frz_open_file *open;
} scan_file;

typedef enum unit_state { UNIT_IDLE, UNIT_QUEUED, UNIT_RUNNING, UNIT_DONE } unit_state;

typedef struct scan_unit {
  scan_stream *stream;
  scan_file *file;
  size_t share, n_shares;
  frz_task task;
  frz_file_reader *reader; /* of whoever runs it */
  unit_state state;
  frz_batch queue[QUEUE_BATCHES];
  size_t n_queued;
  frz_status status; /* how it ended */
  frz_error error;
} scan_unit;

struct scan_stream {
  frz_scan *scan;
  frz_context *context;
  const frz_alloc *alloc;
  int32_t process_id;
  frz_delete_cache *deletes;

  frz_scan_planner *planner;
  bool more_manifests;
  size_t n_manifests_next;
  scan_tasks *tasks; /* being taken; NULL: none */
  size_t next_task;
  scan_file *file; /* being cut into units; NULL: none */
  size_t next_share, n_shares;

  scan_unit **window;
  size_t n_units, window_max;
  size_t window_now; /* with a limit and a filter: how many units to have in progress */
  int64_t rows_left; /* -1: no limit */
  frz_status status; /* of the stream: it stays failed */
  frz_error error;
  bool is_over;

  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool stopping;
};

/* ---- files and tasks ---- */

static void release_tasks(scan_stream *stream, scan_tasks *tasks)
{
  if (tasks == NULL || --tasks->n_users != 0) return;
  frz_scan_part_dispose(&tasks->part);
  frz_alloc_free(stream->alloc, tasks, sizeof *tasks);
}

static void release_file(scan_stream *stream, scan_file *file)
{
  if (file == NULL || --file->n_units != 0) return;
  frz_open_file_free(file->open);
  pthread_mutex_destroy(&file->lock);
  release_tasks(stream, file->tasks);
  frz_alloc_free(stream->alloc, file, sizeof *file);
}

static frz_status plan_more(scan_stream *stream, frz_error *err)
{
  scan_tasks *tasks = frz_alloc_zeroed(stream->alloc, sizeof *tasks);
  if (tasks == NULL) return frz_fail_nomem(err, "scan plan");
  frz_status st = frz_scan_planner_next(stream->planner, stream->n_manifests_next, &tasks->part,
                                        &stream->more_manifests, err);
  if (st == FRZ_OK) {
    st = frz_scan_tasks_check(tasks->part.tasks, tasks->part.n_tasks, err);
    if (st != FRZ_OK) frz_scan_part_dispose(&tasks->part);
  }
  if (st != FRZ_OK) {
    frz_alloc_free(stream->alloc, tasks, sizeof *tasks);
    return st;
  }
  size_t n_max = (size_t)frz_context_threads(stream->context) * 4;
  if (stream->n_manifests_next < n_max) stream->n_manifests_next *= 2;
  tasks->n_users = 1;
  stream->tasks = tasks;
  stream->next_task = 0;
  return FRZ_OK;
}

static size_t count_shares(const frz_data_file *file)
{
  size_t n = file->n_split_offsets;
  if (n == 0) n = file->size_bytes > 0 ? (size_t)(file->size_bytes / UNIT_BYTES) + 1 : 1;
  return n < SHARES_MAX ? n : SHARES_MAX;
}

/** The next file to cut into units; none: `stream->file` stays NULL. */
static frz_status take_file(scan_stream *stream, frz_error *err)
{
  for (;;) {
    if (stream->tasks != NULL && stream->next_task < stream->tasks->part.n_tasks) break;
    release_tasks(stream, stream->tasks);
    stream->tasks = NULL;
    if (!stream->more_manifests) return FRZ_OK;
    FRZ_TRY(plan_more(stream, err));
  }
  scan_file *file = frz_alloc_zeroed(stream->alloc, sizeof *file);
  if (file == NULL) return frz_fail_nomem(err, "data file");
  pthread_mutex_init(&file->lock, NULL);
  file->tasks = stream->tasks;
  file->tasks->n_users++;
  file->task = &stream->tasks->part.tasks[stream->next_task++];
  file->n_units = 1; /* the stream, while it cuts */
  stream->file = file;
  stream->next_share = 0;
  stream->n_shares = count_shares(&file->task->entry->file);
  return FRZ_OK;
}

static frz_status open_once(scan_stream *stream, scan_file *file, frz_error *err)
{
  const frz_scan *scan = stream->scan;
  frz_status st = FRZ_OK;
  pthread_mutex_lock(&file->lock);
  if (file->open == NULL)
    st = frz_open_file_create(stream->context, scan->storage, &scan->projection, file->task,
                              stream->deletes, NULL, &file->open, err);
  pthread_mutex_unlock(&file->lock);
  return st;
}

/* ---- steps ---- */

static void run_queued(void *arg);

/** Under the lock: let the pool go on with a unit that has room. */
static void submit(scan_unit *unit)
{
  scan_stream *stream = unit->stream;
  if (unit->state != UNIT_IDLE || unit->n_queued == QUEUE_BATCHES || stream->stopping) return;
  unit->task = (frz_task){run_queued, unit, NULL};
  unit->state = UNIT_QUEUED; /* before a thread can see it */
  if (!frz_pool_submit(stream->context, &unit->task)) unit->state = UNIT_IDLE;
}

static frz_status decode(scan_unit *unit, frz_batch *batch_out, frz_error *err)
{
  scan_stream *stream = unit->stream;
  FRZ_TRY(frz_context_check(stream->context, err));
  if (unit->reader == NULL) {
    FRZ_TRY(open_once(stream, unit->file, err));
    FRZ_TRY(frz_file_reader_over(unit->file->open, NULL, unit->share, unit->n_shares, &unit->reader,
                                 err));
  }
  return frz_file_reader_next(unit->reader, batch_out, NULL, err);
}

/** Decode one batch of a unit whose state is RUNNING. Takes the lock for the result. */
static void step(scan_unit *unit)
{
  scan_stream *stream = unit->stream;
  frz_batch batch = {0};
  frz_error error = {0};
  frz_status st = decode(unit, &batch, &error);
  bool is_done = st != FRZ_OK || batch.n_rows == 0;
  if (is_done) {
    frz_file_reader_free(unit->reader);
    unit->reader = NULL;
    frz_batch_dispose(&batch);
  }
  pthread_mutex_lock(&stream->lock);
  if (is_done) {
    unit->status = st;
    unit->error = error;
    unit->state = UNIT_DONE;
  } else {
    assert(unit->n_queued < QUEUE_BATCHES);
    unit->queue[unit->n_queued++] = batch;
    unit->state = UNIT_IDLE;
    submit(unit);
  }
  pthread_cond_broadcast(&stream->changed);
  pthread_mutex_unlock(&stream->lock);
}

static void run_queued(void *arg)
{
  scan_unit *unit = arg;
  scan_stream *stream = unit->stream;
  pthread_mutex_lock(&stream->lock);
  bool run = !stream->stopping;
  unit->state = run ? UNIT_RUNNING : UNIT_IDLE;
  if (!run) pthread_cond_broadcast(&stream->changed);
  pthread_mutex_unlock(&stream->lock);
  if (run) step(unit);
}

/* ---- the window ---- */

static void free_unit(scan_stream *stream, scan_unit *unit)
{
  assert(unit->state == UNIT_IDLE || unit->state == UNIT_DONE);
  for (size_t i = 0; i < unit->n_queued; i++) frz_batch_dispose(&unit->queue[i]);
  frz_file_reader_free(unit->reader);
  release_file(stream, unit->file);
  frz_alloc_free(stream->alloc, unit, sizeof *unit);
}

/** The next unit; NULL: there is none. */
static frz_status take_unit(scan_stream *stream, scan_unit **unit_out, frz_error *err)
{
  *unit_out = NULL;
  if (stream->file == NULL) FRZ_TRY(take_file(stream, err));
  if (stream->file == NULL) return FRZ_OK;
  scan_unit *unit = frz_alloc_zeroed(stream->alloc, sizeof *unit);
  if (unit == NULL) return frz_fail_nomem(err, "data file");
  unit->stream = stream;
  unit->file = stream->file;
  unit->file->n_units++;
  unit->share = stream->next_share++;
  unit->n_shares = stream->n_shares;
  if (stream->next_share == stream->n_shares) {
    release_file(stream, stream->file);
    stream->file = NULL;
  }
  *unit_out = unit;
  return FRZ_OK;
}

static int64_t rows_expected(const scan_stream *stream)
{
  int64_t n = 0;
  for (size_t i = 0; i < stream->n_units; i++) {
    const scan_unit *unit = stream->window[i];
    n += unit->file->task->entry->file.n_rows / (int64_t)unit->n_shares;
  }
  return n;
}

static bool wants_unit(const scan_stream *stream)
{
  if (stream->n_units == 0) return true;
  if (stream->n_units == stream->window_max) return false;
  if (stream->rows_left < 0) return true;
  if (stream->n_units >= stream->window_now) return false;
  return stream->scan->projection.filter != NULL || rows_expected(stream) < stream->rows_left;
}

static frz_status fill_window(scan_stream *stream, frz_error *err)
{
  while (wants_unit(stream)) {
    scan_unit *unit;
    FRZ_TRY(take_unit(stream, &unit, err));
    if (unit == NULL) return FRZ_OK;
    stream->window[stream->n_units++] = unit;
    pthread_mutex_lock(&stream->lock);
    submit(unit);
    pthread_mutex_unlock(&stream->lock);
  }
  return FRZ_OK;
}

static void drop_first(scan_stream *stream)
{
  free_unit(stream, stream->window[0]);
  stream->n_units--;
  memmove(stream->window, stream->window + 1, stream->n_units * sizeof *stream->window);
  if (stream->window_now < stream->window_max) stream->window_now *= 2;
}

/* ---- asking ---- */

static void wait_a_little(scan_stream *stream)
{
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += POLL_MS * 1000000L;
  if (until.tv_nsec >= 1000000000L) {
    until.tv_nsec -= 1000000000L;
    until.tv_sec++;
  }
  pthread_cond_timedwait(&stream->changed, &stream->lock, &until);
}

/** The next batch of a unit, or its end (n_rows 0). */
static frz_status next_of_unit(scan_stream *stream, scan_unit *unit, frz_batch *batch_out,
                               frz_error *err)
{
  frz_status st = FRZ_OK;
  pthread_mutex_lock(&stream->lock);
  while (unit->n_queued == 0 && unit->state != UNIT_DONE) {
    if (unit->state == UNIT_QUEUED && frz_pool_withdraw(stream->context, &unit->task))
      unit->state = UNIT_IDLE;
    if (unit->state == UNIT_IDLE) {
      unit->state = UNIT_RUNNING;
      pthread_mutex_unlock(&stream->lock);
      step(unit);
    } else {
      wait_a_little(stream);
      pthread_mutex_unlock(&stream->lock);
    }
    st = frz_context_poll(stream->context, err);
    pthread_mutex_lock(&stream->lock);
    if (st != FRZ_OK) break;
  }
  if (st == FRZ_OK && unit->n_queued != 0) {
    *batch_out = unit->queue[0];
    unit->n_queued--;
    memmove(unit->queue, unit->queue + 1, unit->n_queued * sizeof *unit->queue);
    submit(unit);
  } else if (st == FRZ_OK) {
    st = unit->status;
    if (st != FRZ_OK && err != NULL) *err = unit->error;
    *batch_out = (frz_batch){0};
  }
  pthread_mutex_unlock(&stream->lock);
  return st;
}

static frz_status next_batch(scan_stream *stream, frz_batch *batch_out, frz_error *err)
{
  FRZ_TRY(frz_context_poll(stream->context, err));
  for (;;) {
    FRZ_TRY(fill_window(stream, err));
    if (stream->n_units == 0) {
      *batch_out = (frz_batch){.alloc = stream->alloc};
      return FRZ_OK;
    }
    FRZ_TRY(next_of_unit(stream, stream->window[0], batch_out, err));
    if (batch_out->n_rows != 0) return FRZ_OK;
    drop_first(stream);
  }
}

/** Take back what is queued, wait for what runs, and free all units. */
static void stop(scan_stream *stream)
{
  pthread_mutex_lock(&stream->lock);
  stream->stopping = true;
  for (size_t i = 0; i < stream->n_units; i++) {
    scan_unit *unit = stream->window[i];
    if (unit->state == UNIT_QUEUED && frz_pool_withdraw(stream->context, &unit->task))
      unit->state = UNIT_IDLE;
    while (unit->state == UNIT_QUEUED || unit->state == UNIT_RUNNING)
      pthread_cond_wait(&stream->changed, &stream->lock);
  }
  pthread_mutex_unlock(&stream->lock);
  for (size_t i = 0; i < stream->n_units; i++) free_unit(stream, stream->window[i]);
  stream->n_units = 0;
  stream->is_over = true;
}

static void apply_limit(scan_stream *stream, frz_batch *batch)
{
  if (stream->rows_left < 0) return;
  if (batch->n_rows > stream->rows_left) {
    for (size_t i = 0; i < batch->n_columns; i++)
      frz_column_truncate(&batch->columns[i], stream->rows_left);
    batch->n_rows = stream->rows_left;
  }
  stream->rows_left -= batch->n_rows;
  if (stream->rows_left == 0) stop(stream);
}

static frz_status stream_next(void *self, frz_batch *batch_out, frz_error *err)
{
  scan_stream *stream = self;
  if (stream->process_id != frz_os_process_id())
    return frz_fail(err, FRZ_ERR_INVALID, "the stream belongs to the parent of this process");
  if (stream->status != FRZ_OK) {
    if (err != NULL) *err = stream->error;
    return stream->status;
  }
  if (stream->is_over) {
    *batch_out = (frz_batch){.alloc = stream->alloc};
    return FRZ_OK;
  }
  frz_batch batch = {0};
  stream->status = next_batch(stream, &batch, &stream->error);
  if (stream->status != FRZ_OK) {
    stop(stream);
    if (err != NULL) *err = stream->error;
    return stream->status;
  }
  apply_limit(stream, &batch);
  *batch_out = batch;
  return FRZ_OK;
}

/* ---- life ---- */

static void stream_free(void *self)
{
  scan_stream *stream = self;
  if (stream == NULL || stream->process_id != frz_os_process_id()) return;
  const frz_alloc *alloc = stream->alloc;
  frz_scan *scan = stream->scan;
  stop(stream);
  release_file(stream, stream->file);
  release_tasks(stream, stream->tasks);
  frz_delete_cache_free(stream->deletes);
  frz_scan_planner_free(stream->planner);
  frz_alloc_free(alloc, stream->window, stream->window_max * sizeof(scan_unit *));
  pthread_cond_destroy(&stream->changed);
  pthread_mutex_destroy(&stream->lock);
  frz_alloc_free(alloc, stream, sizeof *stream);
  frz_scan_free(scan);
}

static void init_lock(scan_stream *stream)
{
  pthread_condattr_t monotonic;
  pthread_mutex_init(&stream->lock, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&stream->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
}

static frz_status prepare(scan_stream *stream, frz_error *err)
{
  const frz_scan *scan = stream->scan;
  const frz_projection *projection = &scan->projection;
  size_t n_threads = (size_t)frz_context_threads(stream->context);
  stream->window_max = n_threads > 1 ? n_threads * 2 : 1;
  stream->window_now = 1;
  stream->n_manifests_next = scan->limit_rows < 0 ? n_threads : 1;
  stream->rows_left = scan->limit_rows;
  stream->is_over = scan->limit_rows == 0;
  stream->window = frz_alloc_zeroed(stream->alloc, stream->window_max * sizeof(scan_unit *));
  if (stream->window == NULL) return frz_fail_nomem(err, "scan");
  FRZ_TRY(frz_delete_cache_create(stream->context, scan->storage, scan->metadata,
                                  projection->schema, &stream->deletes, err));
  FRZ_TRY(frz_scan_planner_create_from(stream->context, scan->storage, scan->metadata,
                                       scan->snapshot, scan->from_snapshot_id, projection->schema,
                                       projection->filter, false, &stream->planner, err));
  frz_scan_planner_count(stream->planner, projection->counts);
  stream->more_manifests = true;
  return frz_scan_planner_check_deletes(stream->planner, err);
}

frz_status frz_scan_source_create(frz_scan *scan, frz_batch_source *source_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(scan->context);
  scan_stream *stream = frz_alloc_zeroed(alloc, sizeof *stream);
  if (stream == NULL) return frz_fail_nomem(err, "scan");
  stream->alloc = alloc;
  stream->context = scan->context;
  stream->process_id = frz_os_process_id();
  stream->scan = frz_scan_retain(scan);
  init_lock(stream);
  frz_status st = prepare(stream, err);
  if (st != FRZ_OK) {
    stream_free(stream);
    return st;
  }
  *source_out = (frz_batch_source){stream, stream_next, stream_free};
  return FRZ_OK;
}
