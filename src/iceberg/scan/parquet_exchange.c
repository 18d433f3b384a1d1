/*
 * parquet_exchange.c - single Parquet files in and out, for import and export.
 */
#include "arrow/arrow_stream.h"
#include "frazil/exchange.h"
#include "parquet/read/parquet_reader.h"
#include "parquet/write/parquet_writer.h"
#include "storage/storage.h"

enum { BATCH_ROWS = 65536 };

/* ---- reading ---- */

typedef struct file_rows {
  frz_context *context;
  frz_parquet_file *file;
  frz_parquet_reader *reader;
} file_rows;

static frz_status file_rows_next(void *self, frz_batch *batch_out, frz_error *err)
{
  file_rows *rows = self;
  int64_t first_row;
  FRZ_TRY(frz_context_poll(rows->context, err));
  return frz_parquet_reader_next(rows->reader, batch_out, &first_row, err);
}

static void file_rows_free(void *self)
{
  file_rows *rows = self;
  frz_parquet_reader_free(rows->reader);
  frz_parquet_file_free(rows->file);
  frz_alloc_free(frz_context_alloc(rows->context), rows, sizeof *rows);
}

static frz_status open_file(frz_context *context, const char *uri, frz_parquet_file **file_out,
                            frz_error *err)
{
  frz_storage *storage = NULL;
  frz_source *source = NULL;
  FRZ_TRY(frz_storage_create(context, NULL, 0, &storage, err));
  frz_status st = frz_storage_open(storage, frz_str_from(uri), &source, err);
  if (st == FRZ_OK) st = frz_parquet_file_open(context, source, frz_str_from(uri), file_out, err);
  frz_storage_release(storage);
  return st;
}

frz_status frz_parquet_file_read(frz_context *context, const char *uri,
                                 struct ArrowArrayStream *stream_out, frz_error *err)
{
  if (context == NULL || uri == NULL || stream_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_parquet_file_read: an argument is NULL");
  const frz_alloc *alloc = frz_context_alloc(context);
  file_rows *rows = frz_alloc_zeroed(alloc, sizeof *rows);
  if (rows == NULL) return frz_fail_nomem(err, "parquet rows");
  rows->context = context;
  frz_status st = FRZ_OK;
  const frz_parquet_read_options options = {.batch_rows_max = BATCH_ROWS};
  FRZ_TRY_OUT(open_file(context, uri, &rows->file, err));
  FRZ_TRY_OUT(frz_parquet_reader_create(rows->file, &options, &rows->reader, err));
  size_t n_fields;
  const frz_arrow_field *fields = frz_parquet_reader_fields(rows->reader, &n_fields);
  frz_batch_source source = {rows, file_rows_next, file_rows_free};
  rows = NULL; /* the stream's, also on failure */
  FRZ_TRY_OUT(frz_stream_export(fields, n_fields, source, alloc, stream_out, err));
out:
  if (rows != NULL) file_rows_free(rows);
  return st;
}

/* ---- writing ---- */

static frz_status write_rows(frz_context *context, frz_stream_reader *reader,
                             frz_parquet_writer *writer, int64_t *n_rows_out, frz_error *err)
{
  int64_t n_rows = 0;
  for (;;) {
    frz_batch batch;
    FRZ_TRY(frz_context_poll(context, err));
    FRZ_TRY(frz_stream_reader_next(reader, &batch, err));
    int64_t got = batch.n_rows;
    frz_status st = got != 0 ? frz_parquet_writer_write(writer, &batch, err) : FRZ_OK;
    frz_batch_dispose(&batch);
    FRZ_TRY(st);
    if (got == 0) break;
    n_rows += got;
  }
  frz_parquet_write_summary summary;
  FRZ_TRY(frz_parquet_writer_finish(writer, &summary, err));
  *n_rows_out = n_rows;
  return FRZ_OK;
}

frz_status frz_parquet_file_write(frz_context *context, struct ArrowArrayStream *data,
                                  const char *uri, int64_t *n_rows_out, frz_error *err)
{
  if (context == NULL || data == NULL || uri == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "frz_parquet_file_write: an argument is NULL");
  frz_stream_reader reader;
  FRZ_TRY(frz_stream_reader_open(&reader, data, frz_context_alloc(context), err));
  reader.rows_max = FRZ_PARQUET_BATCH_ROWS;
  frz_storage *storage = NULL;
  frz_sink *sink = NULL;
  frz_parquet_writer *writer = NULL;
  frz_parquet_write_options options;
  frz_parquet_write_options_init(&options);
  int64_t n_rows = 0;
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(frz_storage_create(context, NULL, 0, &storage, err));
  FRZ_TRY_OUT(frz_storage_create_file(storage, frz_str_from(uri), false, &sink, err));
  FRZ_TRY_OUT(frz_parquet_writer_create(context, reader.fields, reader.n_fields, sink, &options,
                                        &writer, err));
  FRZ_TRY_OUT(write_rows(context, &reader, writer, &n_rows, err));
  FRZ_TRY_OUT(frz_sink_commit(sink, err));
  if (n_rows_out != NULL) *n_rows_out = n_rows;
out:
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
  frz_storage_release(storage);
  frz_stream_reader_dispose(&reader);
  return st;
}
