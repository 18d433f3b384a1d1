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
#include "iceberg/write/row_removal.h"
#include "iceberg/write/table_write.h"

enum { BATCH_ROWS = 65536 };

typedef struct overwrite {
  const char *filter;
  struct ArrowArrayStream *data; /* NULL: a delete */
  frz_write_options options;
} overwrite;

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

/* ---- the job ---- */

static frz_status run(frz_table *table, frz_table_metadata *metadata, const overwrite *job,
                      frz_write_result *result, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_data_file_writer *writer = NULL;
  frz_row_removal removal = {0};
  const frz_expr *filter = NULL;
  frz_arena arena;
  frz_arena_init(&arena, frz_context_alloc(frz_table_context(table)), FRZ_LIMIT_MANIFEST_BYTES);
  frz_snapshot_change change = {.properties = job->options.snapshot_properties,
                                .n_properties = job->options.n_snapshot_properties};
  FRZ_TRY_OUT(frz_table_open_writer(table, metadata, &writer, err));
  if (job->filter != NULL)
    FRZ_TRY_OUT(frz_expr_parse(frz_str_from(job->filter), frz_metadata_current_schema(metadata),
                               job->options.case_sensitive, &arena, &filter, err));
  FRZ_TRY_OUT(frz_row_removal_open(table, metadata, &job->options, FRZ_REMOVAL_DELETE, filter,
                                   writer, &removal, err));
  FRZ_TRY_OUT(find_rows(&removal, filter, &arena, err));
  if (job->data != NULL)
    FRZ_TRY_OUT(frz_table_write_stream(table, metadata, job->data, &job->options, writer,
                                       &result->n_rows_added, err));
  FRZ_TRY_OUT(frz_data_file_writer_finish(writer, &arena, &change.added, &change.n_added, err));
  result->n_files_added = (int64_t)change.n_added;
  FRZ_TRY_OUT(frz_row_removal_finish(&removal, &arena, &change, err));
  if (change.n_added == 0 && change.n_removed == 0) goto out;
  frz_data_file_writer_keep(writer);
  frz_row_removal_keep(&removal);
  FRZ_TRY_OUT(frz_snapshot_commit(table, &change, &result->snapshot_id, err));
  result->n_rows_deleted = removal.n_rows_removed;
  result->n_files_deleted = removal.n_data_files_removed;
  result->n_delete_files_added = removal.n_delete_files_added;
out:
  frz_data_file_writer_free(writer);
  frz_row_removal_dispose(&removal);
  frz_arena_free(&arena);
  return st;
}

static frz_status start(frz_table *table, overwrite *job, const frz_write_options *options,
                        frz_write_result *result_out, frz_error *err)
{
  frz_write_result result = {.snapshot_id = -1};
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "table is NULL");
  FRZ_TRY(frz_write_options_read(options, &job->options, err));
  frz_table_metadata *metadata = frz_table_current(table);
  frz_status st = run(table, metadata, job, &result, err);
  frz_table_metadata_release(metadata);
  if (st == FRZ_OK && result_out != NULL) *result_out = result;
  return st;
}

frz_status frz_table_overwrite(frz_table *table, struct ArrowArrayStream *data, const char *filter,
                               const frz_write_options *options, frz_write_result *result_out,
                               frz_error *err)
{
  if (data == NULL) return frz_fail(err, FRZ_ERR_INVALID, "overwrite: data is NULL");
  overwrite job = {.filter = filter, .data = data};
  frz_status st = start(table, &job, options, result_out, err);
  if (data->release != NULL) data->release(data); /* not taken yet where it failed early */
  return st;
}

frz_status frz_table_delete(frz_table *table, const char *filter, const frz_write_options *options,
                            frz_write_result *result_out, frz_error *err)
{
  if (filter == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "delete: the filter is NULL; 'true' deletes every row");
  overwrite job = {.filter = filter};
  return start(table, &job, options, result_out, err);
}
