/*
 * append.c - append rows: write data files, commit a snapshot that adds them. Also the parts of
 * writing that overwrite and delete share.
 *
 * Data files are written once; only the commit is repeated on conflict. Files of a write that
 * ended before its first commit attempt are removed by their writer; from the attempt on they are
 * kept whatever happens, since a lost answer may have been a success.
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

static frz_status append_to(frz_table *table, frz_table_metadata *metadata,
                            struct ArrowArrayStream *data, const frz_write_options *options,
                            frz_write_result *result, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_data_file_writer *writer = NULL;
  frz_arena arena;
  frz_arena_init(&arena, frz_context_alloc(frz_table_context(table)), FRZ_LIMIT_MANIFEST_BYTES);
  frz_snapshot_change change = {.operation = "append",
                                .added_sequence_number = -1,
                                .branch = options->branch,
                                .properties = options->snapshot_properties,
                                .n_properties = options->n_snapshot_properties};
  const frz_snapshot *head;
  FRZ_TRY_OUT(
      frz_branch_head(metadata, options->branch, &head, err)); /* before files are written */
  FRZ_TRY_OUT(frz_table_open_writer(table, metadata, &writer, err));
  FRZ_TRY_OUT(
      frz_table_write_stream(table, metadata, data, options, writer, &result->n_rows_added, err));
  FRZ_TRY_OUT(frz_data_file_writer_finish(writer, &arena, &change.added, &change.n_added, err));
  if (change.n_added == 0) goto out;
  frz_data_file_writer_keep(writer);
  FRZ_TRY_OUT(frz_snapshot_commit(table, &change, &result->snapshot_id, err));
  result->n_files_added = (int64_t)change.n_added;
out:
  frz_data_file_writer_free(writer);
  frz_arena_free(&arena);
  return st;
}

frz_status frz_table_append(frz_table *table, struct ArrowArrayStream *data,
                            const frz_write_options *options, frz_write_result *result_out,
                            frz_error *err)
{
  if (data == NULL) return frz_fail(err, FRZ_ERR_INVALID, "append: data is NULL");
  frz_write_options filled;
  frz_write_result result = {.snapshot_id = -1};
  frz_status st = table != NULL ? frz_write_options_read(options, &filled, err)
                                : frz_fail(err, FRZ_ERR_INVALID, "append: table is NULL");
  if (st == FRZ_OK) {
    frz_table_metadata *metadata = frz_table_current(table);
    st = append_to(table, metadata, data, &filled, &result, err);
    frz_table_metadata_release(metadata);
  }
  if (data->release != NULL) data->release(data); /* not taken yet where it failed early */
  if (st == FRZ_OK && result_out != NULL) *result_out = result;
  return st;
}
