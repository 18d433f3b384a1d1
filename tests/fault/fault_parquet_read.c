/*
 * fault_parquet_read.c - read Parquet files while allocations are refused, one later each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault.h"
#include "parquet_sample.h"

static frz_context *make_context(const frz_alloc *alloc)
{
  frz_context *context = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = 1;
  options.alloc = alloc;
  return frz_context_create(&options, &context, NULL) == FRZ_OK ? context : NULL;
}

static frz_status read_sample(const frz_alloc *alloc, const frz_parquet_sample *sample,
                              const frz_parquet_read_options *options, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_source *source = NULL;
  frz_parquet_file *file = NULL;
  frz_parquet_reader *reader = NULL;
  frz_context *context = make_context(alloc);
  if (context == NULL) return FRZ_ERR_NOMEM;
  FRZ_TRY_OUT(frz_source_from_memory(alloc, sample->bytes.data, sample->bytes.size, &source, err));
  FRZ_TRY_OUT(frz_parquet_file_open(context, source, FRZ_STR("sample"), &file, err));
  FRZ_TRY_OUT(frz_parquet_reader_create(file, options, &reader, err));
  for (;;) {
    frz_batch batch = {0};
    int64_t first_row;
    FRZ_TRY_OUT(frz_parquet_reader_next(reader, &batch, &first_row, err));
    int64_t n = batch.n_rows;
    frz_batch_dispose(&batch);
    if (n == 0) break;
  }
out:
  frz_parquet_reader_free(reader);
  frz_parquet_file_free(file);
  frz_context_free(context);
  return st;
}

static void test_every_refused_allocation_is_reported(void **state)
{
  (void)state;
  frz_context *context = make_context(NULL);
  frz_row_range ranges[] = {{2, 5}, {17, 30}, {41, 60}};
  for (uint64_t seed = 1; seed <= 10; seed++) {
    frz_parquet_sample sample;
    frz_fault fault = {0};
    long n = 0;
    frz_parquet_read_options options = {.batch_rows_max = 13, .merge_ranges = true};
    if (seed % 2 == 0) {
      options.ranges = ranges;
      options.n_ranges = 3;
    }
    frz_parquet_sample_make(&sample, context, seed, 4, 60, 40, 10);
    do {
      frz_error error = {0};
      frz_fault_arm(&fault, ++n);
      frz_status st = read_sample(&fault.alloc, &sample, &options, &error);
      if (st != (fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM))
        fail_msg("allocation %ld: %s %s", n, frz_status_name(st), error.message);
      assert_int_equal(fault.live, 0);
    } while (fault.requests >= n);
    assert_true(n > 30);
    frz_parquet_sample_free(&sample);
  }
  frz_context_free(context);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_refused_allocation_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
