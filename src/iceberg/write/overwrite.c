/*
 * overwrite.c - remove the rows that match a filter and add others, in one snapshot. A delete is
 * an overwrite that adds nothing.
 *
 * A file whose statistics prove that all its rows match is dropped without being read; of any other
 * candidate only the filter's columns are read to find the rows. Rows that copy-on-write keeps and
 * rows that come from outside go through one writer.
 *
 * Source: Iceberg specification, "Snapshots", operation.
 */
#include "base/limits.h"
#include "iceberg/write/table_write.h"

enum { BATCH_ROWS = 65536 };

/* Finds rows by a filter. */
typedef struct filter_match {
  const frz_expr *filter; /* NULL: every row */
  frz_projection rows;    /* the filter, and no column */
} filter_match;

/* ---- rows of a filter ---- */

static frz_status add_rows(frz_file_reader *file, frz_context *context, frz_roaring *positions,
                           frz_error *err)
{
  for (;;) {
    frz_batch batch = {0};
    const int64_t *rows = NULL;
    FRZ_TRY(frz_context_poll(context, err));
    FRZ_TRY(frz_file_reader_next(file, &batch, &rows, err));
    frz_status st = FRZ_OK;
    int64_t n_rows = batch.n_rows;
    frz_batch_dispose(&batch);
    for (int64_t i = 0; st == FRZ_OK && i < n_rows; i++)
      st = frz_roaring_add(positions, rows[i], err);
    if (st != FRZ_OK || n_rows == 0) return st;
  }
}

static frz_status match_filter(void *self, const frz_row_removal *removal,
                               const frz_scan_task *task, frz_row_match *match, frz_error *err)
{
  const filter_match *by = self;
  const frz_data_file *file = &task->entry->file;
  match->is_all =
      by->filter == NULL || frz_expr_all_match_file(by->filter, task->spec, removal->schema, file);
  if (match->is_all) return FRZ_OK;
  frz_file_reader *reader = NULL;
  FRZ_TRY(frz_file_reader_open(removal->context, removal->storage, &by->rows, task,
                               removal->deletes, NULL, &reader, err));
  frz_status st = add_rows(reader, removal->context, match->positions, err);
  if (st == FRZ_OK) match->n_live_rows = frz_file_reader_live_rows(reader);
  frz_file_reader_free(reader);
  return st;
}

static frz_status find_rows(frz_row_removal *removal, const frz_expr *filter, frz_arena *arena,
                            frz_error *err)
{
  static const char *const no_names[] = {NULL};
  filter_match by = {.filter = filter};
  const frz_row_matcher matcher = {&by, match_filter};
  FRZ_TRY(frz_projection_make(removal->metadata, removal->schema, no_names, 0, true, filter,
                              BATCH_ROWS, arena, &by.rows, err));
  return frz_row_removal_run(removal, &matcher, err);
}

/* ---- the change ---- */

frz_status frz_overwrite_stage(frz_staged_write *staged, struct ArrowArrayStream *data,
                               const char *filter, frz_error *err)
{
  frz_table_metadata *metadata = staged->metadata;
  frz_arena *arena = &staged->arena;
  frz_snapshot_change *change = &staged->change;
  frz_row_removal *removal = &staged->removal;
  const frz_write_options *options = &staged->options;
  const frz_expr *bound = NULL;
  FRZ_TRY(frz_table_open_writer(staged->table, metadata, &staged->writer, err));
  if (filter != NULL)
    FRZ_TRY(frz_expr_parse(frz_str_from(filter), frz_metadata_current_schema(metadata),
                           options->case_sensitive, arena, &bound, err));
  FRZ_TRY(frz_row_removal_open(staged->table, metadata, options, FRZ_REMOVAL_DELETE, bound,
                               staged->writer, removal, err));
  FRZ_TRY(find_rows(removal, bound, arena, err));
  if (data != NULL)
    FRZ_TRY(frz_table_write_stream(staged->table, metadata, data, options, staged->writer,
                                   &staged->result.n_rows_added, err));
  FRZ_TRY(
      frz_data_file_writer_finish(staged->writer, arena, &change->added, &change->n_added, err));
  staged->result.n_files_added = (int64_t)change->n_added;
  FRZ_TRY(frz_row_removal_finish(removal, arena, change, err));
  staged->result.n_rows_deleted = removal->n_rows_removed;
  staged->result.n_files_deleted = removal->n_data_files_removed;
  staged->result.n_delete_files_added = removal->n_delete_files_added;
  return FRZ_OK;
}

static frz_status overwrite(frz_table *table, struct ArrowArrayStream *data, const char *filter,
                            const frz_write_options *options, frz_write_result *result_out,
                            frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "table is NULL");
  frz_staged_write staged;
  frz_status st = frz_staged_write_open(&staged, table, options, err);
  if (st == FRZ_OK) st = frz_overwrite_stage(&staged, data, filter, err);
  if (st == FRZ_OK) st = frz_staged_write_commit(&staged, result_out, err);
  frz_staged_write_dispose(&staged);
  return st;
}

frz_status frz_table_overwrite(frz_table *table, struct ArrowArrayStream *data, const char *filter,
                               const frz_write_options *options, frz_write_result *result_out,
                               frz_error *err)
{
  if (data == NULL) return frz_fail(err, FRZ_ERR_INVALID, "overwrite: data is NULL");
  frz_status st = overwrite(table, data, filter, options, result_out, err);
  if (data->release != NULL) data->release(data); /* not taken yet where it failed early */
  return st;
}

frz_status frz_table_delete(frz_table *table, const char *filter, const frz_write_options *options,
                            frz_write_result *result_out, frz_error *err)
{
  if (filter == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "delete: the filter is NULL; 'true' deletes every row");
  return overwrite(table, NULL, filter, options, result_out, err);
}
