/*
 * scan.c - the public scan: choose, bind, hand out streams.
 */
#include "iceberg/scan/metadata_rows.h"
#include "iceberg/scan/scan_state.h"
#include "iceberg/table/table_handle.h"

#define SCAN_ARENA_BYTES ((size_t)1 << 30)

frz_scan *frz_scan_retain(frz_scan *scan)
{
  atomic_fetch_add(&scan->references, 1);
  return scan;
}

void frz_scan_free(frz_scan *scan)
{
  if (scan == NULL || atomic_fetch_sub(&scan->references, 1) != 1) return;
  const frz_alloc *alloc = frz_context_alloc(scan->context);
  frz_storage_release(scan->storage);
  frz_table_metadata_release(scan->metadata);
  frz_arena_free(&scan->arena);
  frz_alloc_free(alloc, scan, sizeof *scan);
}

static frz_status bind_scan(frz_scan *scan, const frz_scan_options *options, frz_error *err)
{
  frz_scan_options filled;
  const frz_schema *schema;
  const frz_expr *filter;
  FRZ_TRY(frz_scan_options_fill(options, &filled, err));
  FRZ_TRY(frz_scan_resolve(scan->metadata, &filled, &scan->arena, &scan->snapshot, &schema, &filter,
                           err));
  scan->limit_rows = filled.limit_rows;
  int64_t batch_rows = filled.batch_rows_max;
  if (filled.limit_rows > 0 && filled.limit_rows < batch_rows) batch_rows = filled.limit_rows;
  return frz_projection_make(scan->metadata, schema, filled.selected_fields,
                             filled.n_selected_fields, filled.case_sensitive, filter, batch_rows,
                             &scan->arena, &scan->projection, err);
}

frz_status frz_table_scan(frz_table *table, const frz_scan_options *options, frz_scan **scan_out,
                          frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "table is NULL");
  if (scan_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "scan_out is NULL");
  frz_context *context = frz_table_context(table);
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_scan *scan = frz_alloc_zeroed(alloc, sizeof *scan);
  if (scan == NULL) return frz_fail_nomem(err, "scan");
  atomic_init(&scan->references, 1);
  scan->context = context;
  scan->storage = frz_storage_retain(frz_table_storage(table));
  scan->metadata = frz_table_current(table);
  frz_arena_init(&scan->arena, alloc, SCAN_ARENA_BYTES);
  frz_status st = bind_scan(scan, options, err);
  if (st == FRZ_OK)
    *scan_out = scan;
  else
    frz_scan_free(scan);
  return st;
}

frz_status frz_scan_stream(frz_scan *scan, struct ArrowArrayStream *stream_out, frz_error *err)
{
  if (scan == NULL) return frz_fail(err, FRZ_ERR_INVALID, "scan is NULL");
  if (stream_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "stream_out is NULL");
  frz_batch_source source;
  FRZ_TRY(frz_scan_source_create(scan, &source, err));
  return frz_stream_export(scan->projection.arrow_fields, scan->projection.n_fields, source,
                           frz_context_alloc(scan->context), stream_out, err);
}

/* ---- the plan as rows ---- */

static const frz_rows_column PLAN_COLUMNS[] = {
    {"file_path", FRZ_ROWS_TEXT, false},
    {"file_format", FRZ_ROWS_TEXT, false},
    {"record_count", FRZ_ROWS_I64, false},
    {"file_size_in_bytes", FRZ_ROWS_I64, false},
    {"spec_id", FRZ_ROWS_I32, false},
    {"partition", FRZ_ROWS_TEXT, false},
    {"data_sequence_number", FRZ_ROWS_I64, true},
    {"n_delete_files", FRZ_ROWS_I64, false},
};

frz_str frz_file_format_name(frz_file_format format)
{
  switch (format) {
  case FRZ_FORMAT_PARQUET: return FRZ_STR("PARQUET");
  case FRZ_FORMAT_AVRO: return FRZ_STR("AVRO");
  case FRZ_FORMAT_ORC: return FRZ_STR("ORC");
  case FRZ_FORMAT_PUFFIN: return FRZ_STR("PUFFIN");
  }
  return FRZ_STR("unknown");
}

static frz_status add_task(frz_rows *rows, const frz_scan *scan, const frz_scan_task *task,
                           frz_error *err)
{
  const frz_data_file *file = &task->entry->file;
  frz_arena scratch;
  frz_arena_init(&scratch, frz_context_alloc(scan->context), SCAN_ARENA_BYTES);
  frz_str partition =
      frz_partition_path(task->spec, scan->projection.schema, &file->partition, &scratch);
  if (partition.data == NULL && task->spec->n_fields != 0) {
    frz_arena_free(&scratch);
    return frz_fail_nomem(err, "scan plan");
  }
  frz_rows_text(rows, file->path);
  frz_rows_text(rows, frz_file_format_name(file->format));
  frz_rows_i64(rows, file->n_rows);
  frz_rows_i64(rows, file->size_bytes);
  frz_rows_i32(rows, file->spec_id);
  frz_rows_text(rows, partition);
  frz_rows_i64(rows, task->entry->data_sequence_number);
  frz_rows_i64(rows, (int64_t)task->n_deletes);
  frz_arena_free(&scratch);
  return frz_rows_end(rows, err);
}

frz_status frz_scan_plan_files(frz_scan *scan, struct ArrowArrayStream *stream_out, frz_error *err)
{
  if (scan == NULL) return frz_fail(err, FRZ_ERR_INVALID, "scan is NULL");
  if (stream_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "stream_out is NULL");
  frz_status st = FRZ_OK;
  frz_scan_planner *planner = NULL;
  frz_scan_part part = {0};
  frz_rows rows = {0};
  bool more = true;
  FRZ_TRY_OUT(frz_rows_init(&rows, PLAN_COLUMNS, sizeof PLAN_COLUMNS / sizeof PLAN_COLUMNS[0],
                            frz_context_alloc(scan->context), err));
  FRZ_TRY_OUT(frz_scan_planner_create(scan->context, scan->storage, scan->metadata, scan->snapshot,
                                      scan->projection.schema, scan->projection.filter, false,
                                      &planner, err));
  while (more) {
    FRZ_TRY_OUT(frz_scan_planner_next(planner, (size_t)frz_context_threads(scan->context) * 4,
                                      &part, &more, err));
    for (size_t i = 0; i < part.n_tasks; i++)
      FRZ_TRY_OUT(add_task(&rows, scan, &part.tasks[i], err));
    frz_scan_part_dispose(&part);
  }
  FRZ_TRY_OUT(frz_rows_stream(&rows, stream_out, err));
out:
  frz_rows_dispose(&rows);
  frz_scan_part_dispose(&part);
  frz_scan_planner_free(planner);
  return st;
}
