/*
 * parquet_rewrite.c - read a Parquet file and write its rows again, for comparing with other
 * implementations.
 *
 * Usage: parquet_rewrite IN OUT [NAME=NUMBER...]
 * Names: codec (of parquet.thrift), level, v2, page_rows, page_bytes, group_rows, group_bytes,
 * dictionary_bytes, encodings (of frz_encoding_set), encoding (of parquet.thrift, forced), bloom
 * (the field id of a column), ndv, batch_rows, threads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parquet/read/parquet_reader.h"
#include "parquet/write/parquet_writer.h"
#include "test_files.h"

static frz_error error;

static void check(frz_status st, const char *what)
{
  if (st == FRZ_OK) return;
  fprintf(stderr, "%s: %s\n", what, error.message);
  exit(1);
}

typedef struct settings {
  frz_parquet_write_options write;
  frz_parquet_bloom_option bloom;
  int64_t batch_rows;
  int32_t threads;
} settings;

static void set(settings *all, const char *text)
{
  const char *equals = strchr(text, '=');
  frz_str name = {text, equals != NULL ? (size_t)(equals - text) : 0};
  int64_t value = equals != NULL ? strtoll(equals + 1, NULL, 10) : 0;
  frz_parquet_write_options *write = &all->write;
  if (frz_str_is(name, "codec"))
    write->codec = (frz_parquet_codec)value;
  else if (frz_str_is(name, "level"))
    write->level = (int32_t)value;
  else if (frz_str_is(name, "v2"))
    write->data_page_v2 = value != 0;
  else if (frz_str_is(name, "page_rows"))
    write->page_rows_max = value;
  else if (frz_str_is(name, "page_bytes"))
    write->page_bytes = value;
  else if (frz_str_is(name, "group_rows"))
    write->row_group_rows_max = value;
  else if (frz_str_is(name, "group_bytes"))
    write->row_group_bytes = value;
  else if (frz_str_is(name, "dictionary_bytes"))
    write->dictionary_bytes = value;
  else if (frz_str_is(name, "encodings"))
    write->encodings = (frz_encoding_set)value;
  else if (frz_str_is(name, "encoding")) {
    write->force_encoding = true;
    write->forced_encoding = (frz_parquet_encoding)value;
  } else if (frz_str_is(name, "bloom")) {
    all->bloom.field_id = (int32_t)value;
    write->n_blooms = 1;
  } else if (frz_str_is(name, "ndv"))
    all->bloom.ndv = value;
  else if (frz_str_is(name, "batch_rows"))
    all->batch_rows = value;
  else if (frz_str_is(name, "threads"))
    all->threads = (int32_t)value;
  else {
    fprintf(stderr, "unknown setting '%s'\n", text);
    exit(2);
  }
}

static void rewrite(frz_context *context, const settings *all, const uint8_t *data, size_t size,
                    frz_buf *out)
{
  frz_source *source;
  frz_parquet_file *file;
  frz_parquet_reader *reader;
  check(frz_source_from_memory(frz_alloc_default(), data, size, &source, &error), "source");
  check(frz_parquet_file_open(context, source, FRZ_STR("input"), &file, &error), "open");
  frz_parquet_read_options options = {.batch_rows_max = all->batch_rows};
  check(frz_parquet_reader_create(file, &options, &reader, &error), "reader");
  size_t n_fields;
  const frz_arrow_field *fields = frz_parquet_reader_fields(reader, &n_fields);
  frz_sink *sink;
  frz_parquet_writer *writer;
  check(frz_sink_to_buf(frz_alloc_default(), out, &sink, &error), "sink");
  check(frz_parquet_writer_create(context, fields, n_fields, sink, &all->write, &writer, &error),
        "writer");
  for (;;) {
    frz_batch batch;
    int64_t first;
    check(frz_parquet_reader_next(reader, &batch, &first, &error), "read");
    bool ended = batch.n_rows == 0;
    if (!ended) check(frz_parquet_writer_write(writer, &batch, &error), "write");
    frz_batch_dispose(&batch);
    if (ended) break;
  }
  frz_parquet_write_summary summary;
  check(frz_parquet_writer_finish(writer, &summary, &error), "finish");
  printf("%lld rows, %zu row groups, %lld bytes\n", (long long)summary.n_rows, summary.n_row_groups,
         (long long)summary.file_bytes);
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
  frz_parquet_reader_free(reader);
  frz_parquet_file_free(file);
}

int main(int argc, char **argv)
{
  if (argc < 3) {
    fprintf(stderr, "usage: parquet_rewrite IN OUT [NAME=NUMBER...]\n");
    return 2;
  }
  settings all = {.batch_rows = 5000, .bloom = {.fpp = 0.01}};
  frz_parquet_write_options_init(&all.write);
  all.write.blooms = &all.bloom;
  for (int i = 3; i < argc; i++) set(&all, argv[i]);
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = all.threads;
  frz_context *context;
  check(frz_context_create(&options, &context, &error), "context");
  size_t size;
  uint8_t *data = frz_test_read(argv[1], &size);
  if (data == NULL) {
    fprintf(stderr, "%s: no such file\n", argv[1]);
    return 1;
  }
  frz_buf out;
  frz_buf_init(&out, frz_alloc_default(), (size_t)4 << 30);
  rewrite(context, &all, data, size, &out);
  frz_test_write(argv[2], out.data, out.size);
  frz_buf_dispose(&out);
  free(data);
  frz_context_free(context);
  return 0;
}
