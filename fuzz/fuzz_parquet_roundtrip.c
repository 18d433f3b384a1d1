/*
 * fuzz_parquet_roundtrip.c - bytes choose a schema, rows and options; what is written must be read
 * back equal.
 */
#include <stdint.h>
#include <stdlib.h>

#include "parquet/read/parquet_reader.h"
#include "parquet/write/parquet_writer.h"
#include "random_columns.h"

enum { FIELDS_MAX = 4, BYTES_MAX = 1 << 28, ARENA_MAX = 1 << 24 };

#define MUST(condition)        \
  do {                         \
    if (!(condition)) abort(); \
  } while (0)

typedef struct trial {
  frz_context *context;
  frz_arena arena;
  frz_arrow_field fields[FIELDS_MAX];
  size_t n_fields;
  frz_batch batch;
  frz_parquet_write_options options;
  frz_parquet_bloom_option bloom;
  int64_t n_repeats;
  int64_t batch_rows_max;
} trial;

static void choose(trial *self, frz_feed *feed)
{
  static const frz_parquet_codec codecs[] = {FRZ_PARQUET_UNCOMPRESSED, FRZ_PARQUET_ZSTD,
                                             FRZ_PARQUET_SNAPPY, FRZ_PARQUET_LZ4_RAW};
  frz_parquet_write_options *options = &self->options;
  frz_parquet_write_options_init(options);
  options->codec = codecs[frz_feed_choose(feed, 4)];
  options->data_page_v2 = frz_feed_choose(feed, 2) != 0;
  options->page_rows_max = 1 + (int64_t)frz_feed_choose(feed, 100);
  options->page_bytes = 1 + (int64_t)frz_feed_choose(feed, 4000);
  options->row_group_rows_max = 1 + (int64_t)frz_feed_choose(feed, 300);
  options->dictionary_bytes = (int64_t)frz_feed_choose(feed, 1000);
  options->encodings = (frz_encoding_set)frz_feed_choose(feed, 3);
  options->forced_encoding = (frz_parquet_encoding)frz_feed_choose(feed, 10);
  options->force_encoding = frz_feed_choose(feed, 2) != 0;
  options->bloom_bytes_max = (int64_t)frz_feed_choose(feed, 5000);
  self->bloom = (frz_parquet_bloom_option){
      1 + (int32_t)frz_feed_choose(feed, 6),
      (1 + (double)frz_feed_choose(feed, 99)) / 101.0,
      (int64_t)frz_feed_choose(feed, 300),
  };
  options->blooms = &self->bloom;
  options->n_blooms = 1;
  self->n_repeats = 1 + (int64_t)frz_feed_choose(feed, 3);
  self->batch_rows_max = 1 + (int64_t)frz_feed_choose(feed, 200);
  self->n_fields = 1 + (size_t)frz_feed_choose(feed, FIELDS_MAX);
  int64_t n_rows = (int64_t)frz_feed_choose(feed, 200);
  int32_t next_id = 1;
  for (size_t i = 0; i < self->n_fields; i++)
    MUST(frz_random_field(feed, &self->arena, frz_random_kind(feed, true), 0, &next_id,
                          &self->fields[i]));
  MUST(frz_batch_init(&self->batch, self->fields, self->n_fields, frz_alloc_default(), NULL) ==
       FRZ_OK);
  for (size_t i = 0; i < self->n_fields; i++)
    MUST(frz_random_rows(feed, &self->fields[i], &self->batch.columns[i], n_rows, NULL) == FRZ_OK);
  self->batch.n_rows = n_rows;
}

static void write_file(const trial *self, frz_buf *bytes)
{
  frz_sink *sink;
  frz_parquet_writer *writer;
  frz_parquet_write_summary summary;
  MUST(frz_sink_to_buf(frz_alloc_default(), bytes, &sink, NULL) == FRZ_OK);
  MUST(frz_parquet_writer_create(self->context, self->fields, self->n_fields, sink, &self->options,
                                 &writer, NULL) == FRZ_OK);
  for (int64_t i = 0; i < self->n_repeats; i++)
    MUST(frz_parquet_writer_write(writer, &self->batch, NULL) == FRZ_OK);
  MUST(frz_parquet_writer_finish(writer, &summary, NULL) == FRZ_OK);
  MUST(summary.n_rows == self->batch.n_rows * self->n_repeats);
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
}

static void read_file(const trial *self, const frz_buf *bytes)
{
  frz_source *source;
  frz_parquet_file *file;
  frz_parquet_reader *reader;
  frz_parquet_read_options options = {.batch_rows_max = self->batch_rows_max};
  MUST(frz_source_from_memory(frz_alloc_default(), bytes->data, bytes->size, &source, NULL) ==
       FRZ_OK);
  MUST(frz_parquet_file_open(self->context, source, FRZ_STR("memory"), &file, NULL) == FRZ_OK);
  MUST(frz_parquet_reader_create(file, &options, &reader, NULL) == FRZ_OK);
  int64_t row = 0;
  for (;;) {
    frz_batch got = {0};
    int64_t first;
    MUST(frz_parquet_reader_next(reader, &got, &first, NULL) == FRZ_OK);
    if (got.n_rows == 0) {
      frz_batch_dispose(&got);
      break;
    }
    MUST(first == row && got.n_columns == self->n_fields);
    for (int64_t i = 0; i < got.n_rows; i++, row++)
      for (size_t c = 0; c < got.n_columns; c++)
        MUST(frz_column_values_equal(&got.columns[c], i, &self->batch.columns[c],
                                     row % self->batch.n_rows));
    frz_batch_dispose(&got);
  }
  MUST(row == self->batch.n_rows * self->n_repeats);
  frz_parquet_reader_free(reader);
  frz_parquet_file_free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = 1;
  trial self = {0};
  MUST(frz_context_create(&options, &self.context, NULL) == FRZ_OK);
  frz_arena_init(&self.arena, frz_alloc_default(), ARENA_MAX);
  /* After the input's bytes the generator goes on, from a seed that the input chose. */
  frz_feed feed = {.data = data, .size = size};
  feed.state = frz_feed_choose(&feed, 256);
  choose(&self, &feed);
  frz_buf bytes;
  frz_buf_init(&bytes, frz_alloc_default(), BYTES_MAX);
  write_file(&self, &bytes);
  read_file(&self, &bytes);
  frz_buf_dispose(&bytes);
  frz_batch_dispose(&self.batch);
  frz_arena_free(&self.arena);
  frz_context_free(self.context);
  return 0;
}
