/*
 * overwrite.c - remove the rows that match a filter and add others, in one snapshot. A delete is
 * an overwrite that adds nothing.
 *
 * Rows that are kept from files that match in part and rows that come from outside go through one
 * writer. The snapshot's operation follows what happened: "append" when nothing was removed,
 * "delete" when whole files were dropped and nothing added, else "overwrite".
 *
 * Source: Iceberg specification, "Snapshots", operation.
 */
#include "base/limits.h"
#include "iceberg/write/table_write.h"

typedef struct overwrite {
  const char *filter;
  struct ArrowArrayStream *data; /* NULL: a delete */
  frz_write_options options;
} overwrite;

static const char *operation_of(const frz_row_removal *removal, size_t n_added)
{
  if (removal->n_removed == 0) return "append";
  return n_added == 0 ? "delete" : "overwrite";
}

static frz_status run(frz_table *table, frz_table_metadata *metadata, const overwrite *job,
                      frz_write_result *result, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_data_file_writer *writer = NULL;
  frz_row_removal removal = {0};
  frz_arena arena;
  frz_arena_init(&arena, frz_context_alloc(frz_table_context(table)), FRZ_LIMIT_MANIFEST_BYTES);
  frz_snapshot_change change = {.added_sequence_number = -1,
                                .properties = job->options.snapshot_properties,
                                .n_properties = job->options.n_snapshot_properties};
  FRZ_TRY_OUT(frz_table_open_writer(table, metadata, &writer, err));
  FRZ_TRY_OUT(frz_row_removal_make(table, metadata, job->filter, job->options.case_sensitive,
                                   writer, &removal, err));
  if (job->data != NULL)
    FRZ_TRY_OUT(frz_table_write_stream(table, metadata, job->data, &job->options, writer,
                                       &result->n_rows_added, err));
  FRZ_TRY_OUT(frz_data_file_writer_finish(writer, &arena, &change.added, &change.n_added, err));
  change.removed = removal.removed;
  change.n_removed = removal.n_removed;
  change.rules = &removal.rules;
  change.operation = operation_of(&removal, change.n_added);
  if (change.n_added == 0 && change.n_removed == 0) goto out;
  frz_data_file_writer_keep(writer);
  FRZ_TRY_OUT(frz_snapshot_commit(table, &change, &result->snapshot_id, err));
  result->n_rows_deleted = removal.n_rows_removed;
  result->n_files_added = (int64_t)change.n_added;
  result->n_files_deleted = (int64_t)change.n_removed;
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
