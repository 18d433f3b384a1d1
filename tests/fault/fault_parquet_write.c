/*
 * fault_parquet_write.c - write Parquet files while allocations are refused, one later each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault.h"
#include "parquet/write/parquet_writer.h"
#include "random_columns.h"

enum { N_FIELDS = 5, N_ROWS = 60 };

typedef struct sample {
  frz_arena arena;
  frz_arrow_field fields[N_FIELDS];
  frz_batch batch;
  frz_parquet_encoding encoding; /* PLAIN: none is forced */
} sample;

static void make_sample(sample *self, uint64_t seed)
{
  frz_feed feed = {.state = seed};
  frz_arena_init(&self->arena, frz_alloc_default(), 1 << 24);
  assert_int_equal(
      frz_random_batch(&feed, &self->arena, 1, self->fields, N_FIELDS, N_ROWS, &self->batch),
      FRZ_OK);
}

/* Fails cleanly or writes the whole file. */
static frz_status write_sample(const frz_alloc *alloc, const sample *self, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_context *context = NULL;
  frz_sink *sink = NULL;
  frz_parquet_writer *writer = NULL;
  frz_parquet_write_summary summary;
  frz_context_options context_options;
  frz_context_options_init(&context_options);
  context_options.n_threads = 1;
  context_options.alloc = alloc;
  frz_parquet_write_options options;
  frz_parquet_write_options_init(&options);
  frz_parquet_key_value pair = {FRZ_STR("key"), FRZ_STR("value")};
  options.key_values = &pair;
  options.n_key_values = 1;
  frz_parquet_bloom_option bloom = {1, 0.01, 0};
  options.blooms = &bloom;
  options.n_blooms = 1;
  options.bloom_bytes_max = 1024;
  options.encodings = FRZ_ENCODINGS_ALL;
  options.force_encoding = self->encoding != FRZ_PARQUET_PLAIN;
  options.forced_encoding = self->encoding;
  options.page_rows_max = 25;
  options.row_group_rows_max = 70;
  frz_buf bytes;
  frz_buf_init(&bytes, alloc, 1 << 24);
  FRZ_TRY_OUT(frz_context_create(&context_options, &context, err));
  FRZ_TRY_OUT(frz_sink_to_buf(alloc, &bytes, &sink, err));
  FRZ_TRY_OUT(
      frz_parquet_writer_create(context, self->fields, N_FIELDS, sink, &options, &writer, err));
  FRZ_TRY_OUT(frz_parquet_writer_write(writer, &self->batch, err));
  FRZ_TRY_OUT(frz_parquet_writer_write(writer, &self->batch, err));
  FRZ_TRY_OUT(frz_parquet_writer_finish(writer, &summary, err));
  assert_int_equal(summary.n_rows, 2 * N_ROWS);
out:
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
  frz_buf_dispose(&bytes);
  frz_context_free(context);
  return st;
}

static void test_every_refused_allocation_is_reported(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    sample self;
    static const frz_parquet_encoding encodings[] = {
        FRZ_PARQUET_PLAIN, FRZ_PARQUET_DELTA_BINARY_PACKED, FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY,
        FRZ_PARQUET_DELTA_BYTE_ARRAY, FRZ_PARQUET_BYTE_STREAM_SPLIT};
    make_sample(&self, seed * 7907);
    self.encoding = encodings[seed % 5];
    frz_fault fault = {0};
    long n = 0;
    do {
      frz_error error = {0};
      frz_fault_arm(&fault, ++n);
      frz_status st = write_sample(&fault.alloc, &self, &error);
      assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
      assert_int_equal(error.code, st);
      assert_int_equal(fault.live, 0);
    } while (fault.requests >= n);
    frz_batch_dispose(&self.batch);
    frz_arena_free(&self.arena);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_refused_allocation_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
