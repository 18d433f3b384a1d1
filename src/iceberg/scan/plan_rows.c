/*
 * plan_rows.c - the files of a plan as a stream of rows.
 *
 * Manifests are read as the rows are asked for, a few at a time in parallel, so that memory holds
 * one part of the plan whatever the number of files.
 */
#include "iceberg/scan/metadata_rows.h"
#include "iceberg/scan/scan_state.h"

enum { MANIFESTS_A_THREAD = 2 };

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

enum { N_PLAN_COLUMNS = sizeof PLAN_COLUMNS / sizeof PLAN_COLUMNS[0] };

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

/* The stream: a plan under way. */
typedef struct plan_rows {
  frz_scan *scan; /* retained */
  frz_scan_planner *planner;
  bool has_more;
  frz_rows rows;
} plan_rows;

static void plan_rows_free(void *arg)
{
  plan_rows *self = arg;
  if (self == NULL) return;
  const frz_alloc *alloc = frz_context_alloc(self->scan->context);
  frz_rows_dispose(&self->rows);
  frz_scan_planner_free(self->planner);
  frz_scan_free(self->scan);
  frz_alloc_free(alloc, self, sizeof *self);
}

/* `scratch` lives for one part: texts of partitions. */
static frz_status add_task(plan_rows *self, const frz_scan_task *task, frz_arena *scratch,
                           frz_error *err)
{
  frz_rows *rows = &self->rows;
  const frz_data_file *file = &task->entry->file;
  frz_str partition = {"", 0};
  if (task->spec->n_fields != 0) {
    const frz_schema *schema = self->scan->projection.schema;
    partition = frz_partition_path(task->spec, schema, &file->partition, scratch);
    if (partition.data == NULL) return frz_fail_nomem(err, "scan plan");
  }
  frz_rows_text(rows, file->path);
  frz_rows_text(rows, frz_file_format_name(file->format));
  frz_rows_i64(rows, file->n_rows);
  frz_rows_i64(rows, file->size_bytes);
  frz_rows_i32(rows, file->spec_id);
  frz_rows_text(rows, partition);
  frz_rows_i64(rows, task->entry->data_sequence_number);
  frz_rows_i64(rows, (int64_t)task->n_deletes);
  return frz_rows_end(rows, err);
}

static frz_status add_part(plan_rows *self, frz_error *err)
{
  frz_context *context = self->scan->context;
  frz_status st = FRZ_OK;
  frz_scan_part part = {0};
  frz_arena scratch;
  frz_arena_init(&scratch, frz_context_alloc(context), SIZE_MAX);
  FRZ_TRY_OUT(frz_context_poll(context, err));
  FRZ_TRY_OUT(frz_scan_planner_next(self->planner,
                                    (size_t)frz_context_threads(context) * MANIFESTS_A_THREAD,
                                    &part, &self->has_more, err));
  for (size_t i = 0; i < part.n_tasks; i++)
    FRZ_TRY_OUT(add_task(self, &part.tasks[i], &scratch, err));
out:
  frz_scan_part_dispose(&part);
  frz_arena_free(&scratch);
  return st;
}

static frz_status plan_rows_next(void *arg, frz_batch *batch_out, frz_error *err)
{
  plan_rows *self = arg;
  while (self->has_more && self->rows.batch.n_rows == 0) FRZ_TRY(add_part(self, err));
  return frz_rows_take(&self->rows, batch_out, err);
}

frz_status frz_scan_plan_files(frz_scan *scan, struct ArrowArrayStream *stream_out, frz_error *err)
{
  if (scan == NULL) return frz_fail(err, FRZ_ERR_INVALID, "scan is NULL");
  if (stream_out == NULL) return frz_fail(err, FRZ_ERR_INVALID, "stream_out is NULL");
  const frz_alloc *alloc = frz_context_alloc(scan->context);
  frz_status st = FRZ_OK;
  plan_rows *self = frz_alloc_zeroed(alloc, sizeof *self);
  if (self == NULL) return frz_fail_nomem(err, "scan plan");
  self->scan = frz_scan_retain(scan);
  self->has_more = true;
  FRZ_TRY_OUT(frz_rows_init(&self->rows, PLAN_COLUMNS, N_PLAN_COLUMNS, alloc, err));
  FRZ_TRY_OUT(frz_scan_planner_create_from(
      scan->context, scan->storage, scan->metadata, scan->snapshot, scan->from_snapshot_id,
      scan->projection.schema, scan->projection.filter, false, &self->planner, err));
  frz_batch_source source = {self, plan_rows_next, plan_rows_free};
  return frz_stream_export(self->rows.fields, N_PLAN_COLUMNS, source, alloc, stream_out, err);
out:
  plan_rows_free(self);
  return st;
}
