/*
 * fault_row_prune.c - rows left out by bloom filters and page indexes, refusing each allocation and
 * failing each read in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fault.h"
#include "iceberg/scan/row_prune.h"
#include "parquet_sample.h"

enum { ROWS = 900, GROUP_ROWS = 300, PAGE_ROWS = 20, ARENA_MAX = 1 << 24 };

static const frz_arrow_field fields[] = {
    {.name = {"id", 2}, .nullable = true, .field_id = 1, .type = {.kind = FRZ_ARROW_INT64}},
    {.name = {"part", 4}, .nullable = true, .field_id = 2, .type = {.kind = FRZ_ARROW_INT64}}};
static int32_t leaf_ids[] = {1, 2};

/** Ascending ids with a bloom filter; parts that come again and again. */
static void make_file(frz_buf *bytes)
{
  const frz_parquet_bloom_option bloom = {1, 0.01, GROUP_ROWS};
  frz_context *context;
  frz_batch batch;
  frz_sink *sink;
  frz_parquet_writer *writer;
  frz_parquet_write_summary summary;
  frz_parquet_write_options options;
  frz_parquet_write_options_init(&options);
  options.row_group_rows_max = GROUP_ROWS;
  options.page_rows_max = PAGE_ROWS;
  options.blooms = &bloom;
  options.n_blooms = 1;
  frz_buf_init(bytes, frz_alloc_default(), ARENA_MAX);
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  assert_int_equal(frz_batch_init(&batch, fields, 2, frz_alloc_default(), NULL), FRZ_OK);
  for (int64_t row = 0; row < ROWS; row++) {
    int64_t id = row * 3, part = row / 7 % 10;
    assert_int_equal(frz_column_append_value(&batch.columns[0], &id, sizeof id, NULL), FRZ_OK);
    assert_int_equal(frz_column_append_value(&batch.columns[1], &part, sizeof part, NULL), FRZ_OK);
  }
  batch.n_rows = ROWS;
  assert_int_equal(frz_sink_to_buf(frz_alloc_default(), bytes, &sink, NULL), FRZ_OK);
  assert_int_equal(frz_parquet_writer_create(context, fields, 2, sink, &options, &writer, NULL),
                   FRZ_OK);
  assert_int_equal(frz_parquet_writer_write(writer, &batch, NULL), FRZ_OK);
  assert_int_equal(frz_parquet_writer_finish(writer, &summary, NULL), FRZ_OK);
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
  frz_batch_dispose(&batch);
  frz_context_free(context);
}

static frz_status prune(const frz_alloc *alloc, frz_source *source, int64_t *n_rows_out,
                        frz_error *err)
{
  static const char text[] =
      "id in (300, 1503, 2000) and part in (1, 2, 4) or id > 2600 and part = 3";
  frz_status st = FRZ_OK;
  frz_context *context = NULL;
  frz_parquet_file *file = NULL;
  frz_context_options options;
  frz_schema schema;
  const frz_expr *expr = NULL;
  const frz_row_range *ranges = NULL;
  size_t n_ranges = 0;
  int32_t next_id = 1;
  frz_arena arena;
  frz_arena_init(&arena, alloc, ARENA_MAX);
  frz_context_options_init(&options);
  options.n_threads = 1;
  options.alloc = alloc;
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  FRZ_TRY_OUT(frz_parquet_file_open(context, source, FRZ_STR("made"), &file, err));
  FRZ_TRY_OUT(frz_schema_from_arrow(fields, 2, 2, &next_id, &arena, &schema, err));
  FRZ_TRY_OUT(frz_expr_parse(frz_str_from(text), &schema, true, &arena, &expr, err));
  const frz_column_source columns = {.fields = fields, .n_fields = 2};
  const frz_row_group_filter filter = {.file = frz_parquet_file_metadata(file),
                                       .leaf_ids = leaf_ids,
                                       .source = &columns,
                                       .schema = &schema,
                                       .filter = expr};
  FRZ_TRY_OUT(frz_row_prune(&filter, file, NULL, 0, &arena, &ranges, &n_ranges, err));
  *n_rows_out = 0;
  for (size_t i = 0; i < n_ranges; i++) *n_rows_out += ranges[i].last - ranges[i].first;
out:
  frz_parquet_file_free(file);
  frz_arena_free(&arena);
  frz_context_free(context);
  return st;
}

static void test_every_refused_allocation_is_reported(void **state)
{
  (void)state;
  frz_buf bytes;
  frz_fault fault = {0};
  int64_t n_rows = 0;
  long n = 0;
  make_file(&bytes);
  do {
    frz_error error = {0};
    frz_watched_source source;
    frz_watched_source_init(&source, bytes.data, bytes.size);
    frz_fault_arm(&fault, ++n);
    frz_status st = prune(&fault.alloc, &source.base, &n_rows, &error);
    if (st != (fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM))
      fail_msg("allocation %ld: %s %s", n, frz_status_name(st), error.message);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  assert_true(n > 25 && n_rows > 0 && n_rows < ROWS / 4);
  frz_buf_dispose(&bytes);
}

static void test_every_failed_read_is_reported(void **state)
{
  (void)state;
  frz_buf bytes;
  frz_fault fault = {0};
  int64_t n_rows = 0;
  make_file(&bytes);
  for (int64_t fail_at = 1; fail_at <= 5; fail_at++) {
    frz_error error = {0};
    frz_watched_source source;
    frz_watched_source_init(&source, bytes.data, bytes.size);
    source.fail_at = fail_at;
    frz_fault_arm(&fault, 0);
    frz_status st = prune(&fault.alloc, &source.base, &n_rows, &error);
    assert_int_equal(fault.live, 0);
    /* The footer, the filters' headers and blocks, the page index. */
    assert_int_equal(st, fail_at <= 4 ? FRZ_ERR_IO : FRZ_OK);
    if (st != FRZ_OK) assert_non_null(strstr(error.message, "the cable is out"));
  }
  frz_buf_dispose(&bytes);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_refused_allocation_is_reported),
      cmocka_unit_test(test_every_failed_read_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
