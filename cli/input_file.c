/*
 * input_file.c - see input_file.h.
 */
#include "input_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "csv_input.h"

static bool ends_with(const char *text, const char *suffix)
{
  size_t n = strlen(text);
  size_t m = strlen(suffix);
  return n >= m && strcasecmp(text + n - m, suffix) == 0;
}

frz_status open_rows(const invocation *run, const char *path, frz_table *table,
                     struct ArrowArrayStream *stream_out, frz_error *err)
{
  if (!ends_with(path, ".csv")) {
    frz_status st = frz_parquet_file_read(run->context, path, stream_out, err);
    if (st == FRZ_ERR_CORRUPT && !ends_with(path, ".parquet"))
      add_hint(err, "what is not named .csv is read as Parquet");
    return st;
  }
  struct ArrowSchema schema = {0};
  if (table != NULL) {
    frz_status st = frz_table_arrow_schema(table, &schema, err);
    if (st != FRZ_OK) return st;
  }
  frz_status st = csv_open(path, table != NULL ? &schema : NULL, stream_out, err);
  if (schema.release != NULL) schema.release(&schema);
  return st;
}

/* ---- a stream that counts what passes through it ---- */

typedef struct counted_stream {
  struct ArrowArrayStream inner;
  const char *what;
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
  if (interrupted()) return ECANCELED;
  int failed = counted->inner.get_next(&counted->inner, out);
  if (failed == 0 && out->release != NULL) counted->n_rows += out->length;
  show_progress("%" PRId64 " %s", counted->n_rows, counted->what);
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

frz_status count_rows(struct ArrowArrayStream *stream, const char *what, frz_error *err)
{
  counted_stream *counted = calloc(1, sizeof *counted);
  if (counted == NULL) {
    stream->release(stream);
    err->code = FRZ_ERR_NOMEM;
    snprintf(err->message, sizeof err->message, "out of memory");
    return err->code;
  }
  counted->inner = *stream;
  counted->what = what;
  *stream = (struct ArrowArrayStream){counted_schema, counted_next, counted_error, counted_release,
                                      counted};
  return FRZ_OK;
}
