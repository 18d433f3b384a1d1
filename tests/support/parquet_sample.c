/*
 * parquet_sample.c - see parquet_sample.h.
 */
#include "parquet_sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"

static void must(bool condition, const char *what)
{
  if (condition) return;
  fprintf(stderr, "sample: %s\n", what);
  abort();
}

static void write_bytes(frz_parquet_sample *sample, frz_context *context,
                        const frz_parquet_write_options *options)
{
  frz_sink *sink;
  frz_parquet_writer *writer;
  frz_parquet_write_summary summary;
  frz_error error = {0};
  must(frz_sink_to_buf(frz_alloc_default(), &sample->bytes, &sink, &error) == FRZ_OK,
       error.message);
  must(frz_parquet_writer_create(context, sample->fields, sample->n_fields, sink, options, &writer,
                                 &error) == FRZ_OK,
       error.message);
  must(frz_parquet_writer_write(writer, &sample->batch, &error) == FRZ_OK, error.message);
  must(frz_parquet_writer_finish(writer, &summary, &error) == FRZ_OK, error.message);
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
}

void frz_parquet_sample_make(frz_parquet_sample *sample, frz_context *context, uint64_t seed,
                             size_t n_fields, int64_t n_rows, int64_t group_rows, int64_t page_rows)
{
  static const frz_parquet_codec codecs[] = {FRZ_PARQUET_UNCOMPRESSED, FRZ_PARQUET_ZSTD,
                                             FRZ_PARQUET_SNAPPY};
  frz_feed feed = {.state = seed};
  int32_t next_id = 1;
  frz_parquet_write_options options;
  frz_parquet_write_options_init(&options);
  options.row_group_rows_max = group_rows;
  options.page_rows_max = page_rows;
  options.codec = codecs[seed % 3];
  options.data_page_v2 = seed % 2 == 0;
  frz_arena_init(&sample->arena, frz_alloc_default(), (size_t)1 << 24);
  frz_buf_init(&sample->bytes, frz_alloc_default(), (size_t)1 << 30);
  must(n_fields <= FRZ_SAMPLE_FIELDS, "too many fields");
  sample->n_fields = n_fields;
  for (size_t i = 0; i < n_fields; i++)
    must(frz_random_field(&feed, &sample->arena, frz_random_kind(&feed, true), 0, &next_id,
                          &sample->fields[i]),
         "memory");
  must(frz_batch_init(&sample->batch, sample->fields, n_fields, frz_alloc_default(), NULL) ==
           FRZ_OK,
       "memory");
  for (size_t i = 0; i < n_fields; i++)
    must(frz_random_rows(&feed, &sample->fields[i], &sample->batch.columns[i], n_rows, NULL) ==
             FRZ_OK,
         "memory");
  sample->batch.n_rows = n_rows;
  write_bytes(sample, context, &options);
}

void frz_parquet_sample_free(frz_parquet_sample *sample)
{
  frz_batch_dispose(&sample->batch);
  frz_buf_dispose(&sample->bytes);
  frz_arena_free(&sample->arena);
}

static frz_status watched_read(frz_source *base, const frz_range *ranges, size_t n_ranges,
                               frz_error *err)
{
  frz_watched_source *self = (frz_watched_source *)base;
  self->n_calls++;
  if (self->n_calls == self->fail_at) return frz_fail(err, FRZ_ERR_IO, "the cable is out");
  if (self->n_calls == 1 && self->first_call_ms > 0) frz_os_sleep_ms(self->first_call_ms);
  for (size_t i = 0; i < n_ranges; i++) {
    if (ranges[i].offset < 0 || ranges[i].offset > base->size_bytes ||
        (int64_t)ranges[i].size > base->size_bytes - ranges[i].offset)
      return frz_fail(err, FRZ_ERR_CORRUPT, "past the end");
    self->n_bytes += (int64_t)ranges[i].size;
    if (ranges[i].size > 0) memcpy(ranges[i].dest, self->data + ranges[i].offset, ranges[i].size);
  }
  return FRZ_OK;
}

static void watched_free(frz_source *base)
{
  (void)base;
}

void frz_watched_source_init(frz_watched_source *source, const void *data, size_t size)
{
  *source = (frz_watched_source){.data = data};
  source->base.size_bytes = (int64_t)size;
  source->base.read_ranges = watched_read;
  source->base.free = watched_free;
}
