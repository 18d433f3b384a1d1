/*
 * fault_avro_columns.c - records as columns with every allocation refused in turn, and every read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "avro/avro_columns.h"
#include "fault.h"
#include "test_files.h"

/** A source over memory of which one read fails. */
typedef struct failing_source {
  frz_source base;
  const uint8_t *data;
  int64_t n_reads;
  int64_t fail_at; /* 0: none */
} failing_source;

static frz_status failing_read(frz_source *source, const frz_range *ranges, size_t n_ranges,
                               frz_error *err)
{
  failing_source *self = (failing_source *)source;
  if (++self->n_reads == self->fail_at) return frz_fail(err, FRZ_ERR_IO, "no");
  for (size_t i = 0; i < n_ranges; i++)
    memcpy(ranges[i].dest, self->data + ranges[i].offset, ranges[i].size);
  return FRZ_OK;
}

static void failing_free(frz_source *source)
{
  (void)source;
}

static frz_status read_rows(const frz_alloc *alloc, frz_source *source,
                            const frz_avro_read_options *options, int64_t *n_rows_out,
                            frz_error *err)
{
  frz_avro_table *table;
  frz_avro_columns_reader *reader = NULL;
  *n_rows_out = 0;
  FRZ_TRY(frz_avro_table_open(alloc, source, FRZ_STR("f"), &table, err));
  frz_status st = frz_avro_columns_create(table, options, &reader, err);
  while (st == FRZ_OK) {
    frz_batch batch;
    int64_t first;
    st = frz_avro_columns_next(reader, &batch, &first, err);
    if (st != FRZ_OK) break;
    int64_t n = batch.n_rows;
    frz_batch_dispose(&batch);
    *n_rows_out += n;
    if (n == 0) break;
  }
  frz_avro_columns_free(reader);
  frz_avro_table_free(table);
  return st;
}

static const char *const files[] = {"avro/types_null.avro", "avro/types_deflate.avro",
                                    "avro/types_snappy.avro", "avro/types_zstandard.avro"};

static void test_allocations(void **state)
{
  (void)state;
  static const frz_row_range ranges[] = {{2, 5}, {17, 18}};
  static const frz_avro_read_options all[] = {
      {.batch_rows_max = 7},
      {.batch_rows_max = 7, .ranges = ranges, .n_ranges = 2, .merge_ranges = true}};
  for (size_t i = 0; i < 8; i++) {
    char path[4096];
    size_t size;
    frz_test_golden(files[i / 2], path);
    uint8_t *data = frz_test_read(path, &size);
    assert_non_null(data);
    frz_fault fault = {0};
    long n = 0;
    do {
      int64_t n_rows;
      failing_source source = {
          {.size_bytes = (int64_t)size, .read_ranges = failing_read, .free = failing_free},
          data,
          0,
          0};
      frz_fault_arm(&fault, ++n);
      frz_error err = {0};
      frz_status st = read_rows(&fault.alloc, &source.base, &all[i % 2], &n_rows, &err);
      if (st != (fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM))
        fail_msg("request %ld: %d %s", n, st, err.message);
      if (st == FRZ_OK) assert_int_equal(n_rows, i % 2 == 0 ? 20 : 4);
      assert_int_equal(fault.live, 0);
    } while (fault.requests >= n);
    assert_true(n > 40);
    free(data);
  }
}

static void test_reads(void **state)
{
  (void)state;
  static const frz_avro_read_options all = {.batch_rows_max = 7};
  char path[4096];
  size_t size;
  frz_test_golden(files[0], path);
  uint8_t *data = frz_test_read(path, &size);
  assert_non_null(data);
  for (int64_t n = 1;; n++) {
    frz_fault fault = {0};
    int64_t n_rows;
    failing_source source = {
        {.size_bytes = (int64_t)size, .read_ranges = failing_read, .free = failing_free},
        data,
        0,
        n};
    frz_fault_arm(&fault, 0);
    frz_status st = read_rows(&fault.alloc, &source.base, &all, &n_rows, NULL);
    assert_int_equal(fault.live, 0);
    assert_int_equal(st, source.n_reads < n ? FRZ_OK : FRZ_ERR_IO);
    if (source.n_reads >= n) continue;
    assert_true(n > 2);
    break;
  }
  free(data);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_allocations),
                                     cmocka_unit_test(test_reads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
