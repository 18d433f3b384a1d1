/*
 * append.c - append rows: write data files, commit a snapshot that adds them. Also the parts of
 * writing that overwrite and delete share.
 */
#include <assert.h>

#include "arrow/arrow_stream.h"
#include "base/limits.h"
#include "iceberg/write/input_conform.h"
#include "iceberg/write/table_write.h"

void frz_write_options_init(frz_write_options *options)
{
  *options = (frz_write_options){.struct_bytes = sizeof *options, .case_sensitive = true};
}

frz_status frz_write_options_read(const frz_write_options *options, frz_write_options *filled_out,
                                  frz_error *err)
{
  frz_write_options_init(filled_out);
  if (options == NULL) return FRZ_OK;
  if (options->struct_bytes == 0 || options->struct_bytes > sizeof *filled_out)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_write_options: struct_bytes %zu",
                    options->struct_bytes);
  memcpy(filled_out, options, options->struct_bytes);
  for (size_t i = 0; i < filled_out->n_snapshot_properties; i++) {
    const frz_property *property = &filled_out->snapshot_properties[i];
    if (property->key == NULL || property->value == NULL)
      return frz_fail(err, FRZ_ERR_INVALID, "snapshot property %zu: key or value is NULL", i);
  }
  return FRZ_OK;
}

frz_status frz_table_open_writer(frz_table *table, frz_table_metadata *metadata,
                                 frz_data_file_writer **writer_out, frz_error *err)
{
  FRZ_TRY(frz_table_check_commits(table, err));
  FRZ_TRY(frz_table_check_retries(metadata, err));
  FRZ_TRY(frz_table_check_writable(metadata, err));
  const frz_partition_spec *spec = frz_metadata_spec(metadata, metadata->default_spec_id);
  assert(spec != NULL); /* parsing checks that the default is there */
  return frz_data_file_writer_create(frz_table_context(table), frz_table_storage(table), metadata,
                                     frz_metadata_current_schema(metadata), spec, writer_out, err);
}

static frz_status write_batches(frz_context *context, frz_stream_reader *reader,
                                frz_conform *conform, frz_data_file_writer *writer,
                                int64_t *n_rows_out, frz_error *err)
{
  int64_t n_rows = 0;
  for (;;) {
    frz_batch batch = {0}, shaped = {0};
    FRZ_TRY(frz_context_poll(context, err));
    FRZ_TRY(frz_stream_reader_next(reader, &batch, err));
    bool ended = batch.n_rows == 0;
    n_rows += batch.n_rows;
    frz_status st = ended ? FRZ_OK : frz_conform_batch(conform, &batch, &shaped, err);
    if (st == FRZ_OK && !ended) st = frz_data_file_writer_write(writer, &shaped, err);
    frz_batch_dispose(&batch);
    frz_batch_dispose(&shaped);
    FRZ_TRY(st);
    if (ended) break;
  }
  *n_rows_out = n_rows;
  return FRZ_OK;
}

frz_status frz_table_write_stream(frz_table *table, const frz_table_metadata *metadata,
                                  struct ArrowArrayStream *data, const frz_write_options *options,
                                  frz_data_file_writer *writer, int64_t *n_rows_out, frz_error *err)
{
  frz_context *context = frz_table_context(table);
  const frz_alloc *alloc = frz_context_alloc(context);
  const frz_conform_options conform_options = {options->truncate_nanoseconds};
  frz_status st = FRZ_OK;
  frz_conform *conform = NULL;
  frz_stream_reader reader = {0};
  FRZ_TRY(frz_stream_reader_open(&reader, data, alloc, err));
  reader.rows_max = frz_data_file_writer_batch_rows(writer);
  FRZ_TRY_OUT(frz_conform_create(frz_metadata_current_schema(metadata), reader.fields,
                                 reader.n_fields, &conform_options, alloc, &conform, err));
  FRZ_TRY_OUT(write_batches(context, &reader, conform, writer, n_rows_out, err));
out:
  frz_conform_free(conform);
  frz_stream_reader_dispose(&reader);
  return st;
}

frz_status frz_append_stage(frz_staged_write *staged, struct ArrowArrayStream *data, frz_error *err)
{
  frz_snapshot_change *change = &staged->change;
  const frz_snapshot *head;
  change->operation = "append";
  change->added_sequence_number = -1;
  change->branch = staged->options.branch;
  FRZ_TRY(frz_branch_head(staged->metadata, change->branch, &head, err)); /* before all the work */
  FRZ_TRY(frz_table_open_writer(staged->table, staged->metadata, &staged->writer, err));
  FRZ_TRY(frz_table_write_stream(staged->table, staged->metadata, data, &staged->options,
                                 staged->writer, &staged->result.n_rows_added, err));
  FRZ_TRY(frz_data_file_writer_finish(staged->writer, &staged->arena, &change->added,
                                      &change->n_added, err));
  staged->result.n_files_added = (int64_t)change->n_added;
  return FRZ_OK;
}

frz_status frz_table_append(frz_table *table, struct ArrowArrayStream *data,
                            const frz_write_options *options, frz_write_result *result_out,
                            frz_error *err)
{
  if (data == NULL) return frz_fail(err, FRZ_ERR_INVALID, "append: data is NULL");
  frz_staged_write staged = {0};
  frz_status st = table != NULL ? frz_staged_write_open(&staged, table, options, err)
                                : frz_fail(err, FRZ_ERR_INVALID, "append: table is NULL");
  if (st == FRZ_OK) st = frz_append_stage(&staged, data, err);
  if (st == FRZ_OK) st = frz_staged_write_commit(&staged, result_out, err);
  frz_staged_write_dispose(&staged);
  if (data->release != NULL) data->release(data); /* not taken yet where it failed early */
  return st;
}
