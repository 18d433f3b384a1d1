/*
 * run_import.c - `frazil import`: a Parquet or CSV file into a table.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "csv_input.h"

static bool ends_with(const char *text, const char *suffix)
{
  size_t n = strlen(text);
  size_t m = strlen(suffix);
  return n >= m && strcmp(text + n - m, suffix) == 0;
}

/* ---- progress: a stream that counts what passes through it ---- */

typedef struct counted_stream {
  struct ArrowArrayStream inner;
  int64_t n_rows;
} counted_stream;

static int counted_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
  counted_stream *counted = stream->private_data;
  return counted->inner.get_schema(&counted->inner, out);
}

static int counted_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
  counted_stream *counted = stream->private_data;
  int failed = counted->inner.get_next(&counted->inner, out);
  if (failed == 0 && out->release != NULL) counted->n_rows += out->length;
  show_progress("%" PRId64 " rows read", counted->n_rows);
  return failed;
}

static const char *counted_error(struct ArrowArrayStream *stream)
{
  counted_stream *counted = stream->private_data;
  return counted->inner.get_last_error(&counted->inner);
}

static void counted_release(struct ArrowArrayStream *stream)
{
  counted_stream *counted = stream->private_data;
  counted->inner.release(&counted->inner);
  free(counted);
  stream->release = NULL;
}

static bool count_rows(struct ArrowArrayStream *stream)
{
  counted_stream *counted = calloc(1, sizeof *counted);
  if (counted == NULL) return false;
  counted->inner = *stream;
  *stream = (struct ArrowArrayStream){counted_schema, counted_next, counted_error, counted_release,
                                      counted};
  return true;
}

/* ---- the import ---- */

static frz_status open_file(const session *run, const char *path, frz_table *table,
                            struct ArrowArrayStream *stream_out, frz_error *err)
{
  if (!ends_with(path, ".csv")) return frz_parquet_file_read(run->context, path, stream_out, err);
  struct ArrowSchema schema = {0};
  if (table != NULL) {
    frz_status st = frz_table_arrow_schema(table, &schema, err);
    if (st != FRZ_OK) return st;
  }
  frz_status st = csv_open(path, table != NULL ? &schema : NULL, stream_out, err);
  if (schema.release != NULL) schema.release(&schema);
  return st;
}

/* Make the table with the stream's schema, and its namespace where that is missing too. */
static frz_status create_table(const session *run, const char *identifier,
                               struct ArrowArrayStream *stream, frz_table **table_out,
                               frz_error *err)
{
  char namespace_name[512];
  const char *dot = strrchr(identifier, '.');
  if (dot == NULL || dot == identifier || (size_t)(dot - identifier) >= sizeof namespace_name) {
    err->code = FRZ_ERR_INVALID;
    snprintf(err->message, sizeof err->message,
             "table '%.200s' has no namespace; write it as namespace.table", identifier);
    return FRZ_ERR_INVALID;
  }
  snprintf(namespace_name, sizeof namespace_name, "%.*s", (int)(dot - identifier), identifier);
  frz_status st = frz_catalog_create_namespace(run->catalog, namespace_name, NULL, 0, err);
  if (st != FRZ_OK && st != FRZ_ERR_EXISTS) return st;
  struct ArrowSchema schema = {0};
  if (stream->get_schema(stream, &schema) != 0) {
    err->code = FRZ_ERR_IO;
    snprintf(err->message, sizeof err->message, "%s", stream->get_last_error(stream));
    return FRZ_ERR_IO;
  }
  frz_create_table_options options;
  frz_create_table_options_init(&options);
  options.partition_spec = run->line->partition;
  st = frz_catalog_create_table(run->catalog, identifier, &schema, &options, table_out, err);
  schema.release(&schema);
  return st;
}

static int write_rows(const session *run, const char *path, frz_table *table,
                      struct ArrowArrayStream *stream)
{
  frz_error err = {0};
  frz_write_result result = {0};
  if (!count_rows(stream)) {
    stream->release(stream);
    snprintf(err.message, sizeof err.message, "out of memory");
    return report(&err);
  }
  frz_status st = run->line->replace ? frz_table_overwrite(table, stream, NULL, NULL, &result, &err)
                                     : frz_table_append(table, stream, NULL, &result, &err);
  if (st != FRZ_OK) return report(&err);
  end_progress();
  if (run->line->json)
    printf("{\"rows\": %" PRId64 ", \"files\": %" PRId64 ", \"snapshot_id\": %" PRId64 "}\n",
           result.n_rows_added, result.n_files_added, result.snapshot_id);
  else
    printf("%" PRId64 " rows of %s in %" PRId64 " files, snapshot %" PRId64 "\n",
           result.n_rows_added, path, result.n_files_added, result.snapshot_id);
  return EXIT_FINE;
}

int run_import(const session *run)
{
  if (run->line->n_arguments != 3) return report_usage("import wants a file and a table");
  const char *path = run->line->arguments[1];
  const char *identifier = run->line->arguments[2];
  frz_error err = {0};
  frz_table *table = NULL;
  struct ArrowArrayStream stream = {0};
  frz_status st = load_table(run, identifier, &table, &err);
  bool is_new = st == FRZ_ERR_NOT_FOUND;
  if (st == FRZ_OK || is_new) st = open_file(run, path, table, &stream, &err);
  if (st == FRZ_OK && is_new) st = create_table(run, identifier, &stream, &table, &err);
  int code;
  if (st == FRZ_OK)
    code = write_rows(run, path, table, &stream);
  else {
    code = report(&err);
    if (stream.release != NULL) stream.release(&stream);
  }
  frz_table_free(table);
  return code;
}
