/*
 * online_scan.c - see online_scan.h.
 *
 * A file's rank among the chosen ones is its place by commit order, then path: it decides between
 * rows of equal times. Large files are split by row group among the threads.
 */
#include "online/online_scan.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/limits.h"

enum { BATCH_ROWS = 8192, SPLIT_ROWS = 1 << 18 };

int64_t frz_online_file_sequence(const frz_online_layout *layout, const frz_manifest_entry *entry)
{
  if (layout->metadata->format_version > 1) return entry->data_sequence_number;
  const frz_snapshot *snapshot = frz_metadata_snapshot(layout->metadata, entry->snapshot_id);
  return snapshot != NULL ? snapshot->timestamp_ms : 0;
}

static frz_status plan(frz_online_scan *scan, frz_error *err)
{
  frz_online_layout *layout = scan->layout;
  frz_table_metadata *m = layout->metadata;
  const char *const *names;
  size_t n_names;
  scan->snapshot = frz_metadata_snapshot(m, m->current_snapshot_id);
  FRZ_TRY(frz_online_layout_names(layout, &scan->arena, &names, &n_names, err));
  FRZ_TRY(frz_projection_make(m, layout->schema, names, n_names, true, scan->filter, BATCH_ROWS,
                              &scan->arena, &scan->projection, err));
  if (scan->snapshot == NULL) return FRZ_OK;
  FRZ_TRY(frz_scan_plan_make(scan->context, scan->storage, m, scan->snapshot, layout->schema,
                             scan->filter, &scan->plan, err));
  FRZ_TRY(frz_scan_planner_check_deletes(scan->plan.planner, err));
  FRZ_TRY(frz_scan_tasks_check(scan->plan.tasks, scan->plan.n_tasks, err));
  return frz_delete_cache_create(scan->context, scan->storage, m, layout->schema, &scan->deletes,
                                 err);
}

frz_status frz_online_scan_open(frz_online_scan *scan, frz_context *context, frz_storage *storage,
                                frz_online_layout *layout, const frz_expr *filter, frz_error *err)
{
  *scan =
      (frz_online_scan){.context = context, .storage = storage, .layout = layout, .filter = filter};
  frz_arena_init(&scan->arena, frz_context_alloc(context), FRZ_LIMIT_JOIN_BYTES);
  frz_status st = plan(scan, err);
  if (st != FRZ_OK) frz_online_scan_close(scan);
  return st;
}

void frz_online_scan_close(frz_online_scan *scan)
{
  if (scan->context == NULL) return;
  frz_delete_cache_free(scan->deletes);
  if (scan->plan.planner != NULL) frz_scan_plan_dispose(&scan->plan);
  frz_arena_free(&scan->arena);
  *scan = (frz_online_scan){0};
}

typedef struct ranked_file {
  int64_t sequence;
  frz_str path;
  uint32_t task;
} ranked_file;

static int compare_ranked(const void *a, const void *b)
{
  const ranked_file *left = a, *right = b;
  if (left->sequence != right->sequence) return left->sequence < right->sequence ? -1 : 1;
  return frz_str_compare(left->path, right->path);
}

frz_status frz_online_scan_choose(frz_online_scan *scan, int64_t after_sequence, frz_error *err)
{
  size_t n = scan->plan.n_tasks;
  ranked_file *ranked = frz_arena_array(&scan->arena, n, sizeof *ranked);
  scan->task_of_rank = frz_arena_array(&scan->arena, n, sizeof *scan->task_of_rank);
  if (ranked == NULL || scan->task_of_rank == NULL) return frz_fail_nomem(err, "online scan");
  scan->n_chosen = 0;
  for (size_t i = 0; i < n; i++) {
    const frz_manifest_entry *entry = scan->plan.tasks[i].entry;
    int64_t sequence = frz_online_file_sequence(scan->layout, entry);
    if (after_sequence != INT64_MIN && sequence <= after_sequence) continue;
    ranked[scan->n_chosen++] = (ranked_file){sequence, entry->file.path, (uint32_t)i};
  }
  qsort(ranked, scan->n_chosen, sizeof *ranked, compare_ranked);
  for (size_t i = 0; i < scan->n_chosen; i++) scan->task_of_rank[i] = ranked[i].task;
  return FRZ_OK;
}

int64_t frz_online_scan_rows(const frz_online_scan *scan)
{
  int64_t n = 0;
  for (size_t i = 0; i < scan->n_chosen; i++)
    n += scan->plan.tasks[scan->task_of_rank[i]].entry->file.n_rows;
  return n;
}

frz_status frz_online_builder_create(frz_context *context, const frz_online_layout *layout,
                                     int64_t rows_expected, frz_segment_builder **builder_out,
                                     frz_error *err)
{
  const frz_segment_plan plan = {.table_uuid = layout->metadata->table_uuid,
                                 .schema_id = layout->schema_id,
                                 .columns = layout->stored,
                                 .n_columns = layout->info.n_features,
                                 .n_lanes = (size_t)frz_context_threads(context),
                                 .rows_expected = rows_expected};
  return frz_segment_builder_create(context, &plan, builder_out, err);
}

void frz_online_batch_rows(const frz_online_layout *layout, const frz_batch *batch,
                           const frz_column **columns, frz_segment_rows *rows_out)
{
  for (size_t i = 0; i < layout->info.n_features; i++)
    columns[i] = &batch->columns[FRZ_ONLINE_FEATURES_AT + i];
  *rows_out = (frz_segment_rows){.keys = &batch->columns[FRZ_ONLINE_KEY_AT],
                                 .event_times = &batch->columns[FRZ_ONLINE_EVENT_AT],
                                 .created_times = &batch->columns[FRZ_ONLINE_CREATED_AT],
                                 .columns = columns,
                                 .n_rows = batch->n_rows};
}

/* ---- reading ---- */

typedef struct read_unit {
  uint32_t rank;
  const frz_row_range *range; /* NULL: the whole file */
} read_unit;

typedef struct read_pass {
  frz_online_scan *scan;
  frz_segment_builder *builder;
  read_unit *units;
  size_t n_units;
  const frz_column ***columns; /* scratch of each lane */
  pthread_mutex_t lock;
  bool *lane_taken;
} read_pass;

static const frz_scan_task *task_of(const frz_online_scan *scan, uint32_t rank)
{
  return &scan->plan.tasks[scan->task_of_rank[rank]];
}

static frz_status read_rows(read_pass *pass, const read_unit *unit, size_t lane, frz_error *err)
{
  frz_online_scan *scan = pass->scan;
  frz_file_read_options options = {.ranges = unit->range, .n_ranges = unit->range != NULL};
  frz_file_reader *reader = NULL;
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_file_reader_open(scan->context, scan->storage, &scan->projection,
                               task_of(scan, unit->rank), scan->deletes, &options, &reader, err));
  for (bool ended = false; !ended && st == FRZ_OK;) {
    frz_batch batch = {0};
    frz_segment_rows rows;
    const int64_t *positions;
    st = frz_context_check(scan->context, err);
    if (st == FRZ_OK) st = frz_file_reader_next(reader, &batch, &positions, err);
    if (st != FRZ_OK) break;
    ended = batch.n_rows == 0;
    if (!ended) {
      frz_online_batch_rows(scan->layout, &batch, pass->columns[lane], &rows);
      rows.rank = unit->rank;
      rows.positions = positions;
      st = frz_segment_builder_add(pass->builder, lane, &rows, err);
    }
    frz_batch_dispose(&batch);
  }
  frz_file_reader_free(reader);
  return st;
}

static frz_status run_unit(void *arg, size_t i, frz_error *err)
{
  read_pass *pass = arg;
  size_t lane = 0;
  pthread_mutex_lock(&pass->lock);
  while (pass->lane_taken[lane]) lane++; /* as many lanes as threads: one is free */
  pass->lane_taken[lane] = true;
  pthread_mutex_unlock(&pass->lock);
  frz_status st = read_rows(pass, &pass->units[i], lane, err);
  pthread_mutex_lock(&pass->lock);
  pass->lane_taken[lane] = false;
  pthread_mutex_unlock(&pass->lock);
  return st;
}

/* Row groups of large files one by one; small files, and filtered ones, whole. */
static frz_status list_units(read_pass *pass, frz_arena *arena, frz_error *err)
{
  frz_online_scan *scan = pass->scan;
  size_t capacity = 0;
  for (size_t rank = 0; rank < scan->n_chosen; rank++) {
    const frz_scan_task *task = task_of(scan, (uint32_t)rank);
    const frz_row_range *ranges = NULL;
    size_t n_ranges = 1;
    if (scan->filter == NULL && task->entry->file.n_rows > SPLIT_ROWS)
      FRZ_TRY(
          frz_file_row_groups(scan->context, scan->storage, task, arena, &ranges, &n_ranges, err));
    if (pass->n_units + n_ranges > capacity) {
      capacity = (pass->n_units + n_ranges) * 2;
      read_unit *grown = frz_arena_array(arena, capacity, sizeof *grown);
      if (grown == NULL) return frz_fail_nomem(err, "online scan");
      if (pass->n_units != 0) memcpy(grown, pass->units, pass->n_units * sizeof *grown);
      pass->units = grown;
    }
    for (size_t i = 0; i < n_ranges; i++)
      pass->units[pass->n_units++] =
          (read_unit){(uint32_t)rank, ranges != NULL ? &ranges[i] : NULL};
  }
  return FRZ_OK;
}

frz_status frz_online_scan_read(frz_online_scan *scan, frz_segment_builder *builder, frz_error *err)
{
  size_t n_lanes = (size_t)frz_context_threads(scan->context);
  frz_arena arena;
  frz_arena_init(&arena, frz_context_alloc(scan->context), FRZ_LIMIT_JOIN_BYTES);
  read_pass pass = {.scan = scan, .builder = builder};
  frz_status st = FRZ_OK;
  pthread_mutex_init(&pass.lock, NULL);
  pass.lane_taken = frz_arena_array(&arena, n_lanes, sizeof(bool));
  pass.columns = frz_arena_array(&arena, n_lanes, sizeof *pass.columns);
  if (pass.lane_taken == NULL || pass.columns == NULL)
    FRZ_TRY_OUT(frz_fail_nomem(err, "online scan"));
  for (size_t i = 0; i < n_lanes; i++) {
    pass.columns[i] = frz_arena_array(&arena, scan->layout->info.n_features, sizeof(frz_column *));
    if (pass.columns[i] == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "online scan"));
  }
  FRZ_TRY_OUT(list_units(&pass, &arena, err));
  FRZ_TRY_OUT(frz_parallel_for(scan->context, pass.n_units, run_unit, &pass, err));
out:
  pthread_mutex_destroy(&pass.lock);
  frz_arena_free(&arena);
  return st;
}
