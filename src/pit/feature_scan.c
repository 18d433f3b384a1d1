/*
 * feature_scan.c - one pass over a feature table, on all threads, newest files first.
 *
 * The work is cut into units: a share of the row groups of one file. They are ordered by the file's
 * newest event time, as the manifest tells it, latest first, so that before a file is opened the
 * visitor may know that none of its rows matters any more. Where that cannot be for any file they
 * go the other way, as time does: then sweeps (slot_sweep.c) hardly turn back. A file is opened by
 * the first of its units that is run, and closed by the last; so few files are open at once. A lane
 * is a thread's own scratch for the length of one unit.
 *
 * Invariants: units are taken in order, one at a time; a file is open while one of its units runs
 * and none is taken after it is closed.
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/limits.h"
#include "iceberg/scan/open_file.h"
#include "pit/feature_table.h"

enum { BATCH_ROWS = 16384, SHARES_MAX = 4096 };

/** How many rows one unit is where the manifest does not tell the row groups. */
#define UNIT_ROWS ((int64_t)1 << 20)

/** A data file, opened by the first of its units. */
typedef struct scan_file {
  uint32_t rank;
  int64_t oldest, newest; /* event times; INT64_MIN, INT64_MAX: unknown */
  size_t n_shares;
  size_t n_left; /* units that have not ended */
  pthread_mutex_t lock;
  frz_open_file *open; /* made under the lock */
} scan_file;

typedef struct scan_unit {
  scan_file *file;
  size_t share;
} scan_unit;

typedef struct scan_pass {
  frz_feature_table *table;
  const frz_feature_visitor *visitor;
  frz_projection projection;
  scan_file *files; /* newest first */
  size_t n_files, n_locks;
  scan_unit *units;
  size_t n_units;
  pthread_mutex_t lock; /* of lanes and of n_left */
  bool *lane_taken;
} scan_pass;

size_t frz_feature_table_lanes(const frz_feature_table *table)
{
  return (size_t)frz_context_threads(table->context);
}

/* ---- order ---- */

static void find_times(const frz_feature_table *table, scan_file *file)
{
  bool known = frz_feature_table_file_range(table, file->rank, table->time_field, &file->oldest,
                                            &file->newest);
  if (known) return;
  file->oldest = INT64_MIN;
  file->newest = INT64_MAX;
}

static int newest_first(const void *a, const void *b)
{
  const scan_file *left = a;
  const scan_file *right = b;
  if (left->newest != right->newest) return left->newest > right->newest ? -1 : 1;
  return left->rank > right->rank ? -1 : 1;
}

static int oldest_first(const void *a, const void *b)
{
  return newest_first(b, a);
}

static size_t count_shares(const frz_feature_table *table, uint32_t rank)
{
  const frz_data_file *file = &frz_feature_table_task(table, rank)->entry->file;
  int64_t n = file->n_rows / UNIT_ROWS + 1;
  if (n > SHARES_MAX) n = SHARES_MAX;
  if (file->n_split_offsets != 0 && n > (int64_t)file->n_split_offsets)
    n = (int64_t)file->n_split_offsets;
  return (size_t)n;
}

static frz_status cut_units(scan_pass *pass, frz_arena *arena, frz_error *err)
{
  size_t n_files = pass->table->plan.n_tasks;
  size_t n_units = 0;
  const frz_feature_visitor *visitor = pass->visitor;
  bool may_settle = visitor->may_settle == NULL;
  pass->files = frz_arena_array(arena, n_files, sizeof *pass->files);
  if (pass->files == NULL) return frz_fail_nomem(err, "join units");
  for (uint32_t rank = 0; rank < n_files; rank++) {
    scan_file *file = &pass->files[rank];
    file->rank = rank;
    file->n_shares = file->n_left = count_shares(pass->table, rank);
    find_times(pass->table, file);
    n_units += file->n_shares;
    bool is_known = file->oldest != INT64_MIN || file->newest != INT64_MAX; /* else never settled */
    if (!may_settle && is_known)
      may_settle = visitor->may_settle(visitor->arg, file->oldest, file->newest);
  }
  pass->n_files = n_files;
  qsort(pass->files, n_files, sizeof *pass->files, may_settle ? newest_first : oldest_first);
  pass->units = frz_arena_array(arena, n_units, sizeof *pass->units);
  if (pass->units == NULL) return frz_fail_nomem(err, "join units");
  for (size_t i = 0; i < n_files; i++) /* what was written last is mostly newest, inside too */
    for (size_t s = 0; s < pass->files[i].n_shares; s++)
      pass->units[pass->n_units++] =
          (scan_unit){&pass->files[i], may_settle ? pass->files[i].n_shares - 1 - s : s};
  for (; pass->n_locks < n_files; pass->n_locks++)
    pthread_mutex_init(&pass->files[pass->n_locks].lock, NULL);
  return FRZ_OK;
}

/* ---- units ---- */

static size_t take_lane(scan_pass *pass)
{
  size_t lane = 0;
  pthread_mutex_lock(&pass->lock);
  while (pass->lane_taken[lane]) lane++; /* as many lanes as threads: one is free */
  pass->lane_taken[lane] = true;
  pthread_mutex_unlock(&pass->lock);
  return lane;
}

/* Give the lane back, and close the file if this was the last of its units. */
static void end_unit(scan_pass *pass, scan_file *file, size_t lane)
{
  frz_open_file *closed = NULL;
  pthread_mutex_lock(&pass->lock);
  pass->lane_taken[lane] = false;
  if (--file->n_left == 0) {
    closed = file->open;
    file->open = NULL;
  }
  pthread_mutex_unlock(&pass->lock);
  frz_open_file_free(closed);
}

static frz_status open_unit(scan_pass *pass, const scan_unit *unit, frz_file_reader **reader_out,
                            frz_error *err)
{
  scan_file *file = unit->file;
  frz_feature_table *table = pass->table;
  frz_status st = FRZ_OK;
  pthread_mutex_lock(&file->lock);
  if (file->open == NULL)
    st = frz_open_file_create(table->context, table->storage, &pass->projection,
                              frz_feature_table_task(table, file->rank), table->deletes, NULL,
                              &file->open, err);
  pthread_mutex_unlock(&file->lock);
  if (st != FRZ_OK) return st;
  return frz_file_reader_over(file->open, NULL, unit->share, file->n_shares, reader_out, err);
}

static frz_status visit_unit(scan_pass *pass, const scan_unit *unit, size_t lane, frz_error *err)
{
  const frz_feature_visitor *visitor = pass->visitor;
  frz_file_reader *reader = NULL;
  FRZ_TRY(open_unit(pass, unit, &reader, err));
  frz_status st = FRZ_OK;
  for (;;) {
    frz_batch batch;
    const int64_t *positions;
    st = frz_context_check(pass->table->context, err);
    if (st == FRZ_OK) st = frz_file_reader_next(reader, &batch, &positions, err);
    if (st != FRZ_OK) break;
    int64_t n_rows = batch.n_rows;
    if (n_rows != 0)
      st = visitor->visit(visitor->arg, lane, &batch, positions, unit->file->rank, err);
    frz_batch_dispose(&batch);
    if (n_rows == 0 || st != FRZ_OK) break;
  }
  frz_file_reader_free(reader);
  return st;
}

static frz_status run_unit(void *arg, size_t i, frz_error *err)
{
  scan_pass *pass = arg;
  const scan_unit *unit = &pass->units[i];
  const frz_feature_visitor *visitor = pass->visitor;
  size_t lane = take_lane(pass);
  frz_status st = FRZ_OK;
  bool is_settled =
      visitor->is_settled != NULL && visitor->is_settled(visitor->arg, lane, unit->file->rank,
                                                         unit->file->oldest, unit->file->newest);
  if (!is_settled) st = visit_unit(pass, unit, lane, err);
  end_unit(pass, unit->file, lane);
  return st;
}

frz_status frz_feature_table_scan(frz_feature_table *table, const char *const *names,
                                  size_t n_names, const frz_feature_visitor *visitor,
                                  frz_error *err)
{
  if (!table->is_planned || table->plan.n_tasks == 0) return FRZ_OK;
  scan_pass pass = {.table = table, .visitor = visitor};
  FRZ_TRY(frz_projection_make(table->metadata, table->schema, names, n_names, true, table->filter,
                              BATCH_ROWS, &table->arena, &pass.projection, err));
  pass.projection.prune = table->prune;
  pass.projection.counts = table->search_counts;
  frz_arena arena;
  frz_arena_init(&arena, frz_context_alloc(table->context), FRZ_LIMIT_JOIN_BYTES);
  pthread_mutex_init(&pass.lock, NULL);
  frz_status st = FRZ_OK;
  pass.lane_taken = frz_arena_array(&arena, frz_feature_table_lanes(table), sizeof(bool));
  if (pass.lane_taken == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "join lanes"));
  FRZ_TRY_OUT(cut_units(&pass, &arena, err));
  FRZ_TRY_OUT(frz_parallel_for(table->context, pass.n_units, run_unit, &pass, err));
out:
  for (size_t i = 0; i < pass.n_locks; i++) {
    frz_open_file_free(pass.files[i].open); /* after a failure */
    pthread_mutex_destroy(&pass.files[i].lock);
  }
  pthread_mutex_destroy(&pass.lock);
  frz_arena_free(&arena);
  return st;
}
