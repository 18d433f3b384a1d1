/*
 * test_parquet_read.c - Parquet files: ranges, damage, and the files of other implementations.
 *
 * That values equal pyarrow's is shown by tests/interop/parquet_fixtures.py; here every way of
 * reading must agree with reading all at once, and damaged files must be refused without harm.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/endian.h"
#include "parquet_sample.h"
#include "test_files.h"

static frz_context *context;

static int set_up(void **state)
{
  (void)state;
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = 1;
  return frz_context_create(&options, &context, NULL) == FRZ_OK ? 0 : 1;
}

static int tear_down(void **state)
{
  (void)state;
  frz_context_free(context);
  return 0;
}

#define ASSERT_OK(call)                                             \
  do {                                                              \
    if ((call) != FRZ_OK) fail_msg("%s: %s", #call, error.message); \
  } while (0)

/* ---- reading whole files ---- */

/* All rows of a file as one batch. `first_rows` may be NULL; else the position of each row. */
static frz_status read_with(frz_source *source, const frz_parquet_read_options *options,
                            frz_batch *all_out, frz_error *err)
{
  frz_parquet_file *file = NULL;
  frz_parquet_reader *reader = NULL;
  frz_batch all = {0};
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_parquet_file_open(context, source, FRZ_STR("sample"), &file, err));
  FRZ_TRY_OUT(frz_parquet_reader_create(file, options, &reader, err));
  size_t n_fields;
  const frz_arrow_field *fields = frz_parquet_reader_fields(reader, &n_fields);
  FRZ_TRY_OUT(frz_batch_init(&all, fields, n_fields, frz_alloc_default(), err));
  for (;;) {
    frz_batch batch;
    int64_t first_row = -1;
    FRZ_TRY_OUT(frz_parquet_reader_next(reader, &batch, &first_row, err));
    assert_true(batch.n_rows <= options->batch_rows_max);
    for (size_t i = 0; i < batch.n_columns && st == FRZ_OK; i++) {
      assert_int_equal(batch.columns[i].n_rows, batch.n_rows);
      st = frz_column_append_rows(&all.columns[i], &batch.columns[i], 0, batch.n_rows, err);
    }
    all.n_rows += batch.n_rows;
    int64_t n = batch.n_rows;
    frz_batch_dispose(&batch);
    if (n == 0 || st != FRZ_OK) break;
  }
out:
  frz_parquet_reader_free(reader);
  frz_parquet_file_free(file);
  if (st != FRZ_OK) {
    frz_batch_dispose(&all);
    return st;
  }
  *all_out = all;
  return FRZ_OK;
}

static frz_status read_bytes(const uint8_t *data, size_t size,
                             const frz_parquet_read_options *options, frz_batch *all_out,
                             frz_error *err)
{
  frz_watched_source source;
  frz_watched_source_init(&source, data, size);
  return read_with(&source.base, options, all_out, err);
}

static void assert_same(const frz_column *a, int64_t a_row, const frz_column *b, int64_t b_row)
{
  if (!frz_column_values_equal(a, a_row, b, b_row))
    fail_msg("row %lld is not row %lld", (long long)a_row, (long long)b_row);
}

/* ---- ranges ---- */

static size_t random_ranges(frz_feed *feed, int64_t n_rows, frz_row_range *ranges, size_t max)
{
  size_t n = 0;
  int64_t row = 0;
  int64_t gap = 1 + (int64_t)frz_feed_choose(feed, 300);
  int64_t length = 1 + (int64_t)frz_feed_choose(feed, 60);
  while (n < max) {
    row += (int64_t)frz_feed_choose(feed, (uint64_t)gap);
    int64_t last = row + (int64_t)frz_feed_choose(feed, (uint64_t)length + 1);
    if (last > n_rows) break;
    ranges[n++] = (frz_row_range){row, last};
    row = last;
  }
  return n;
}

static void check_ranges(const frz_parquet_sample *sample, frz_watched_source *source,
                         const frz_parquet_read_options *options)
{
  frz_batch all;
  frz_error error = {0};
  ASSERT_OK(read_with(&source->base, options, &all, &error));
  int64_t at = 0;
  for (size_t r = 0; r < options->n_ranges; r++)
    for (int64_t row = options->ranges[r].first; row < options->ranges[r].last; row++, at++)
      for (size_t c = 0; c < sample->n_fields; c++)
        assert_same(&all.columns[c], at, &sample->batch.columns[c], row);
  assert_int_equal(at, all.n_rows);
  frz_batch_dispose(&all);
}

static void test_any_ranges_give_their_rows(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    frz_parquet_sample sample;
    frz_feed feed = {.state = seed * 7 + 1};
    frz_parquet_sample_make(&sample, context, seed, 3, 700, 250, 20 + (int64_t)(seed % 5) * 17);
    for (int round = 0; round < 6; round++) {
      frz_row_range ranges[100];
      frz_watched_source source;
      frz_parquet_read_options options = {.ranges = ranges,
                                          .n_ranges = random_ranges(&feed, 700, ranges, 100),
                                          .batch_rows_max = 1 + (int64_t)frz_feed_choose(&feed, 90),
                                          .merge_ranges = round % 2 == 0};
      frz_watched_source_init(&source, sample.bytes.data, sample.bytes.size);
      if (round == 5) source.first_call_ms = 6; /* as from an object store */
      check_ranges(&sample, &source, &options);
    }
    frz_parquet_sample_free(&sample);
  }
}

static void test_batches_say_where_they_start(void **state)
{
  (void)state;
  frz_parquet_sample sample;
  frz_error error = {0};
  frz_source *source;
  frz_parquet_file *file;
  frz_parquet_reader *reader;
  frz_row_range ranges[] = {{5, 5}, {10, 130}, {260, 262}, {262, 263}, {690, 700}};
  static const struct {
    bool merges;
    int64_t first[10], n[10];
  } cases[] = {{false, {10, 60, 110, 260, 262, 690, 700}, {50, 50, 20, 2, 1, 10, 0}},
               {true, {10, 60, 110, 260, 690, 700}, {50, 50, 20, 3, 10, 0}}};
  frz_parquet_sample_make(&sample, context, 3, 2, 700, 250, 40);
  for (int i = 0; i < 2; i++) {
    frz_parquet_read_options options = {
        .ranges = ranges, .n_ranges = 5, .batch_rows_max = 50, .merge_ranges = cases[i].merges};
    ASSERT_OK(frz_source_from_memory(frz_alloc_default(), sample.bytes.data, sample.bytes.size,
                                     &source, &error));
    ASSERT_OK(frz_parquet_file_open(context, source, FRZ_STR("f"), &file, &error));
    ASSERT_OK(frz_parquet_reader_create(file, &options, &reader, &error));
    for (int j = 0;; j++) {
      frz_batch batch;
      int64_t first_row;
      ASSERT_OK(frz_parquet_reader_next(reader, &batch, &first_row, &error));
      assert_int_equal(first_row, cases[i].first[j]);
      assert_int_equal(batch.n_rows, cases[i].n[j]);
      int64_t n = batch.n_rows;
      frz_batch_dispose(&batch);
      if (n == 0) break;
    }
    frz_parquet_reader_free(reader);
    frz_parquet_file_free(file);
  }
  frz_parquet_sample_free(&sample);
}

static void test_few_rows_read_few_bytes(void **state)
{
  (void)state;
  frz_parquet_sample sample;
  frz_row_range ranges[] = {{1000, 1001}, {30000, 30002}};
  frz_watched_source source;
  frz_parquet_read_options options = {
      .ranges = ranges, .n_ranges = 2, .batch_rows_max = 100, .merge_ranges = true};
  /* Seed 9 writes uncompressed v1 pages of flat and nested columns. */
  frz_parquet_sample_make(&sample, context, 9, 3, 40000, 20000, 500);
  for (int far = 0; far < 2; far++) {
    frz_watched_source_init(&source, sample.bytes.data, sample.bytes.size);
    source.first_call_ms = far ? 6 : 0;
    check_ranges(&sample, &source, &options);
    /* From near, pages in between are passed over; from far, small chunks come whole, at once. */
    if (far)
      assert_true(source.n_calls <= 4);
    else
      assert_true(source.n_bytes < (int64_t)sample.bytes.size / 4);
  }
  frz_parquet_sample_free(&sample);
}

/* A source says that it is far, whatever the time that its first read takes: its opening may have
 * brought the footer. */
static void test_a_remote_row_group_is_one_call(void **state)
{
  (void)state;
  frz_parquet_sample sample;
  frz_watched_source source;
  frz_row_range whole = {0, 40000};
  frz_parquet_read_options options = {.ranges = &whole, .n_ranges = 1, .batch_rows_max = 1000};
  frz_parquet_sample_make(&sample, context, 9, 3, 40000, 20000, 500);
  frz_watched_source_init(&source, sample.bytes.data, sample.bytes.size);
  source.base.is_remote = true;
  check_ranges(&sample, &source, &options);
  assert_int_equal(source.n_calls, 1 + 2); /* the footer, and two row groups */
  frz_parquet_sample_free(&sample);
}

static void test_columns_are_selected(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 30; seed++) {
    frz_parquet_sample sample;
    frz_error error = {0};
    frz_source *source;
    frz_parquet_file *file;
    bool selected[256];
    frz_batch all;
    frz_parquet_sample_make(&sample, context, seed, 4, 60, 25, 10);
    ASSERT_OK(frz_source_from_memory(frz_alloc_default(), sample.bytes.data, sample.bytes.size,
                                     &source, &error));
    ASSERT_OK(frz_parquet_file_open(context, source, FRZ_STR("f"), &file, &error));
    const frz_parquet_metadata *metadata = frz_parquet_file_metadata(file);
    size_t wanted = (size_t)(seed % 4);
    for (size_t i = 0; i < metadata->n_leaves; i++) {
      const frz_parquet_node *top = metadata->leaves[i];
      while (top->parent->parent != NULL) top = top->parent;
      selected[i] = top == metadata->root->children[wanted];
    }
    frz_parquet_file_free(file);
    frz_parquet_read_options options = {.selected_leaves = selected, .batch_rows_max = 7};
    ASSERT_OK(read_bytes(sample.bytes.data, sample.bytes.size, &options, &all, &error));
    assert_int_equal(all.n_columns, 1);
    for (int64_t row = 0; row < 60; row++)
      assert_same(&all.columns[0], row, &sample.batch.columns[wanted], row);
    frz_batch_dispose(&all);
    memset(selected, 0, sizeof selected);
    ASSERT_OK(read_bytes(sample.bytes.data, sample.bytes.size, &options, &all, &error));
    assert_int_equal(all.n_columns, 0);
    assert_int_equal(all.n_rows, 60); /* a count alone */
    frz_batch_dispose(&all);
    frz_parquet_sample_free(&sample);
  }
}

static void test_options_are_checked(void **state)
{
  (void)state;
  frz_parquet_sample sample;
  static const struct {
    frz_row_range ranges[2];
    int64_t batch_rows_max;
  } cases[] = {{{{0, 5}, {4, 6}}, 10},  {{{5, 6}, {1, 2}}, 10},  {{{0, 1}, {3, 2}}, 10},
               {{{-1, 1}, {3, 4}}, 10}, {{{0, 1}, {3, 61}}, 10}, {{{0, 1}, {3, 4}}, 0}};
  frz_parquet_sample_make(&sample, context, 1, 1, 60, 25, 10);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_batch all;
    frz_parquet_read_options options = {
        .ranges = cases[i].ranges, .n_ranges = 2, .batch_rows_max = cases[i].batch_rows_max};
    assert_int_equal(read_bytes(sample.bytes.data, sample.bytes.size, &options, &all, NULL),
                     FRZ_ERR_INVALID);
  }
  frz_parquet_sample_free(&sample);
}

static void test_cancelling_stops_a_reader(void **state)
{
  (void)state;
  frz_parquet_sample sample;
  frz_batch all;
  frz_parquet_read_options options = {.batch_rows_max = 10};
  frz_parquet_sample_make(&sample, context, 1, 1, 60, 25, 10);
  frz_context_cancel(context);
  assert_int_equal(read_bytes(sample.bytes.data, sample.bytes.size, &options, &all, NULL),
                   FRZ_ERR_CANCELLED);
  frz_context_resume(context);
  frz_parquet_sample_free(&sample);
}

/* ---- damage ---- */

/* Reading ends with an error or with rows; the sanitizers see the rest. */
static frz_status try_read(const uint8_t *data, size_t size, int64_t *n_rows_out)
{
  frz_error error = {0};
  frz_batch all;
  frz_parquet_read_options options = {.batch_rows_max = 1000};
  uint8_t *copy = malloc(size > 0 ? size : 1); /* an end that the sanitizer knows */
  memcpy(copy, data, size);
  frz_status st = read_bytes(copy, size, &options, &all, &error);
  free(copy);
  *n_rows_out = -1;
  if (st == FRZ_OK) {
    *n_rows_out = all.n_rows;
    frz_batch_dispose(&all);
  } else {
    assert_non_null(strstr(error.message, "'sample'"));
  }
  return st;
}

static void test_every_truncation_is_refused(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 6; seed++) {
    frz_parquet_sample sample;
    int64_t n_rows;
    frz_parquet_sample_make(&sample, context, seed, 2, 30, 20, 10);
    for (size_t n = 0; n < sample.bytes.size; n++)
      assert_int_not_equal(try_read(sample.bytes.data, n, &n_rows), FRZ_OK);
    assert_int_equal(try_read(sample.bytes.data, sample.bytes.size, &n_rows), FRZ_OK);
    frz_parquet_sample_free(&sample);
  }
}

/* Every byte changed in turn. Pages carry no checksum here, so many changes only give other
 * values: none may do harm. */
static void flip_all(const uint8_t *data, size_t size, size_t step)
{
  uint8_t *copy = malloc(size);
  static const uint8_t masks[] = {0xff, 0x01, 0x80};
  int64_t n_rows;
  memcpy(copy, data, size);
  for (size_t i = 0; i < size; i += step) {
    for (size_t m = 0; m < sizeof masks; m++) {
      copy[i] = (uint8_t)(data[i] ^ masks[m]);
      try_read(copy, size, &n_rows);
    }
    copy[i] = data[i];
  }
  free(copy);
}

static void test_changed_bytes_do_no_harm(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 12; seed++) {
    frz_parquet_sample sample;
    frz_parquet_sample_make(&sample, context, seed, 2, 40, 25, 10);
    flip_all(sample.bytes.data, sample.bytes.size, 1);
    frz_parquet_sample_free(&sample);
  }
}

static void test_failed_reads_are_told(void **state)
{
  (void)state;
  frz_parquet_sample sample;
  frz_row_range ranges[] = {{3, 20}, {40, 60}};
  frz_parquet_sample_make(&sample, context, 4, 3, 100, 50, 10);
  for (int with_ranges = 0; with_ranges < 2; with_ranges++) {
    for (int64_t fail_at = 1;; fail_at++) {
      frz_watched_source source;
      frz_batch all;
      frz_error error = {0};
      frz_parquet_read_options options = {.batch_rows_max = 30};
      if (with_ranges) options.ranges = ranges;
      if (with_ranges) options.n_ranges = 2;
      frz_watched_source_init(&source, sample.bytes.data, sample.bytes.size);
      source.fail_at = fail_at;
      frz_status st = read_with(&source.base, &options, &all, &error);
      if (source.n_calls < fail_at) {
        assert_int_equal(st, FRZ_OK);
        frz_batch_dispose(&all);
        break;
      }
      assert_int_equal(st, FRZ_ERR_IO);
      assert_non_null(strstr(error.message, "parquet 'sample': "));
      assert_non_null(strstr(error.message, "the cable is out"));
    }
  }
  frz_parquet_sample_free(&sample);
}

/* ---- files of other implementations ---- */

typedef struct expectation {
  const char *path;
  int64_t n_rows; /* -1: refused */
  frz_status status;
  const char *words; /* of the message */
} expectation;

static uint8_t *read_fixture(const char *path, size_t *size_out)
{
  char root[4096], full[8192];
  if (!frz_test_fixtures(root)) return NULL;
  snprintf(full, sizeof full, "%s/%s", root, path);
  uint8_t *data = frz_test_read(full, size_out);
  if (data == NULL) fail_msg("no fixture %s", full);
  return data;
}

static void test_fixtures_are_read_or_refused(void **state)
{
  (void)state;
  static const expectation cases[] = {
      {"parquet-testing/data/alltypes_plain.parquet", 8, FRZ_OK, ""},
      {"parquet-testing/data/alltypes_tiny_pages.parquet", 7300, FRZ_OK, ""},
      {"parquet-testing/data/byte_stream_split_extended.gzip.parquet", 200, FRZ_OK, ""},
      {"parquet-testing/data/concatenated_gzip_members.parquet", 513, FRZ_OK, ""},
      {"parquet-testing/data/datapage_v1-snappy-compressed-checksum.parquet", 5120, FRZ_OK, ""},
      {"parquet-testing/data/datapage_v2_empty_datapage.snappy.parquet", 1, FRZ_OK, ""},
      {"parquet-testing/data/delta_byte_array.parquet", 1000, FRZ_OK, ""},
      {"parquet-testing/data/dict-page-offset-zero.parquet", 39, FRZ_OK, ""},
      {"parquet-testing/data/hadoop_lz4_compressed_larger.parquet", 10000, FRZ_OK, ""},
      {"parquet-testing/data/incorrect_map_schema.parquet", 1, FRZ_OK, ""},
      {"parquet-testing/data/int32_with_null_pages.parquet", 1000, FRZ_OK, ""},
      {"parquet-testing/data/nation.dict-malformed.parquet", 25, FRZ_OK, ""},
      {"parquet-testing/data/nested_structs.rust.parquet", 1, FRZ_OK, ""},
      {"parquet-testing/data/nullable.impala.parquet", 7, FRZ_OK, ""},
      {"parquet-testing/data/old_list_structure.parquet", 1, FRZ_OK, ""},
      {"parquet-testing/data/overflow_i16_page_cnt.parquet", 40000, FRZ_OK, ""},
      {"parquet-testing/data/repeated_no_annotation.parquet", 6, FRZ_OK, ""},
      {"parquet-testing/data/unknown-logical-type.parquet", 3, FRZ_OK, ""},
      {"parquet-testing/data/datapage_v1-corrupt-checksum.parquet", -1, FRZ_ERR_CORRUPT,
       "row group 0, column 'a', page at offset 4: checksum"},
      {"parquet-testing/data/rle-dict-uncompressed-corrupt-checksum.parquet", -1, FRZ_ERR_CORRUPT,
       "checksum"},
      {"parquet-testing/data/large_string_map.brotli.parquet", -1, FRZ_ERR_LIMIT, "1073741828"},
      {"parquet-testing/data/uniform_encryption.parquet.encrypted", -1, FRZ_ERR_UNSUPPORTED,
       "encrypted"},
      {"parquet-testing/data/encrypt_columns_and_footer.parquet.encrypted", -1, FRZ_ERR_UNSUPPORTED,
       "encrypted"},
      {"parquet-testing/data/encrypt_columns_plaintext_footer.parquet.encrypted", -1,
       FRZ_ERR_UNSUPPORTED, "encrypted"},
      {"parquet-testing/bad_data/PARQUET-1481.parquet", -1, FRZ_ERR_CORRUPT, "physical type -7"},
      {"parquet-testing/bad_data/ARROW-RS-GH-6229-DICTHEADER.parquet", -1, FRZ_ERR_CORRUPT, ""},
      {"parquet-testing/bad_data/ARROW-RS-GH-6229-LEVELS.parquet", -1, FRZ_ERR_CORRUPT,
       "21 values"},
      {"parquet-testing/bad_data/ARROW-GH-41317.parquet", -1, FRZ_ERR_CORRUPT, ""},
      {"parquet-testing/bad_data/ARROW-GH-41321.parquet", -1, FRZ_ERR_CORRUPT, "254 bits"},
      {"parquet-testing/bad_data/ARROW-GH-45185.parquet", -1, FRZ_ERR_CORRUPT,
       "repetition level 1"},
      {"parquet-testing/bad_data/ARROW-GH-47662.parquet", -1, FRZ_ERR_CORRUPT, "plain values"},
      {"parquet-testing/bad_data/ARROW-GH-43605.parquet", 21186, FRZ_OK, ""},
      {"parquet-testing/data/geospatial/geospatial.parquet", 196, FRZ_OK, ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    size_t size;
    uint8_t *data = read_fixture(cases[i].path, &size);
    if (data == NULL) return;
    frz_error error = {0};
    frz_batch all;
    frz_parquet_read_options options = {.batch_rows_max = 5000};
    frz_status st = read_bytes(data, size, &options, &all, &error);
    if (st != cases[i].status)
      fail_msg("%s: %s %s", cases[i].path, frz_status_name(st), error.message);
    assert_non_null(strstr(error.message, cases[i].words));
    if (st == FRZ_OK) {
      assert_int_equal(all.n_rows, cases[i].n_rows);
      frz_batch_dispose(&all);
    }
    free(data);
  }
}

/* Lists [0, 1], null, [2, null, 3], four times over, in pages of three rows. */
static void write_lists(frz_buf *bytes)
{
  frz_error error = {0};
  frz_arrow_field item = {.name = FRZ_STR("element"),
                          .nullable = true,
                          .field_id = 2,
                          .type = {.kind = FRZ_ARROW_INT64}};
  frz_arrow_field field = {.name = FRZ_STR("lists"),
                           .nullable = true,
                           .field_id = 1,
                           .type = {.kind = FRZ_ARROW_LIST},
                           .children = &item,
                           .n_children = 1};
  frz_parquet_write_options options;
  frz_parquet_write_options_init(&options);
  options.data_page_v2 = true;
  options.page_rows_max = 3;
  frz_parquet_writer *writer;
  frz_parquet_write_summary summary;
  frz_sink *sink;
  frz_batch batch;
  ASSERT_OK(frz_batch_init(&batch, &field, 1, frz_alloc_default(), &error));
  frz_column *lists = batch.columns;
  for (int64_t row = 0; row < 12; row++) {
    const int64_t items[] = {row, row + 100};
    if (row % 3 == 1) {
      ASSERT_OK(frz_column_append_nulls(lists, 1, &error));
      continue;
    }
    ASSERT_OK(frz_column_append_value(lists->children, &items[0], 8, &error));
    if (row % 3 == 2) ASSERT_OK(frz_column_append_nulls(lists->children, 1, &error));
    ASSERT_OK(frz_column_append_value(lists->children, &items[1], 8, &error));
    ASSERT_OK(frz_column_append_present(lists, &error));
  }
  batch.n_rows = 12;
  frz_buf_init(bytes, frz_alloc_default(), 1 << 20);
  ASSERT_OK(frz_sink_to_buf(frz_alloc_default(), bytes, &sink, &error));
  ASSERT_OK(frz_parquet_writer_create(context, &field, 1, sink, &options, &writer, &error));
  ASSERT_OK(frz_parquet_writer_write(writer, &batch, &error));
  ASSERT_OK(frz_parquet_writer_finish(writer, &summary, &error));
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
  frz_batch_dispose(&batch);
}

/* Arrow C++ before 12 said the number of entries where a page of version 2 says its rows. Such a
 * number tells nothing; any other must be true, since pages are passed over by it. */
static void test_rows_of_a_header_that_are_its_entries(void **state)
{
  (void)state;
  static const struct {
    uint8_t n_rows;
    frz_status status;
  } cases[] = {{3, FRZ_OK}, {6, FRZ_OK}, {2, FRZ_ERR_CORRUPT}, {4, FRZ_ERR_CORRUPT}};
  /* num_values 6, num_nulls 2, num_rows 3 */
  static const uint8_t counts[] = {0x15, 0x0c, 0x15, 0x04, 0x15, 0x06};
  frz_buf bytes;
  frz_batch wanted;
  frz_error error = {0};
  const frz_row_range range = {7, 9};
  frz_parquet_read_options all = {.batch_rows_max = 5};
  frz_parquet_read_options some = {.batch_rows_max = 5, .ranges = &range, .n_ranges = 1};
  write_lists(&bytes);
  ASSERT_OK(read_bytes(bytes.data, bytes.size, &all, &wanted, &error));
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_batch found;
    size_t n_pages = 0;
    for (size_t at = 0; at + sizeof counts <= bytes.size; at++) {
      if (memcmp(bytes.data + at, counts, sizeof counts - 1) != 0) continue;
      bytes.data[at + sizeof counts - 1] = (uint8_t)(cases[i].n_rows * 2);
      n_pages++;
    }
    assert_int_equal(n_pages, 4);
    assert_int_equal(read_bytes(bytes.data, bytes.size, &all, &found, &error), cases[i].status);
    if (cases[i].status != FRZ_OK) continue;
    assert_int_equal(found.n_rows, 12);
    for (int64_t row = 0; row < 12; row++) assert_same(found.columns, row, wanted.columns, row);
    frz_batch_dispose(&found);
    ASSERT_OK(read_bytes(bytes.data, bytes.size, &some, &found, &error));
    assert_int_equal(found.n_rows, 2);
    for (int64_t row = 0; row < 2; row++) assert_same(found.columns, row, wanted.columns, row + 7);
    frz_batch_dispose(&found);
  }
  frz_batch_dispose(&wanted);
  frz_buf_dispose(&bytes);
}

static void test_rows_that_go_on_in_the_next_page(void **state)
{
  (void)state;
  char path[4096];
  size_t size;
  frz_error error = {0};
  frz_test_golden("parquet/lists_of_arrow_11.parquet", path);
  uint8_t *data = frz_test_read(path, &size);
  assert_non_null(data);
  for (int64_t first = 0; first < 200; first += 7) {
    frz_batch batch;
    const frz_row_range range = {first, 200};
    frz_parquet_read_options options = {.batch_rows_max = 9, .ranges = &range, .n_ranges = 1};
    ASSERT_OK(read_bytes(data, size, &options, &batch, &error));
    assert_int_equal(batch.n_rows, 200 - first);
    const frz_column *lists = batch.columns;
    const int64_t *items = (const int64_t *)(const void *)lists->children[0].values.data;
    for (int64_t row = first; row < 200; row++) {
      assert_int_equal(frz_column_is_null(lists, row - first), row % 3 == 0);
      for (int64_t k = 0; k < 3 && row % 3 != 0; k++) assert_int_equal(*items++, row + k);
    }
    frz_batch_dispose(&batch);
  }
  free(data);
}

static void test_row_groups_without_rows(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    int64_t n_rows;
  } cases[] = {{"parquet/empty_groups.parquet", 6},
               {"parquet/zero_rows.parquet", 0},
               {"parquet/no_groups.parquet", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    for (int64_t batch_rows = 1; batch_rows <= 4; batch_rows++) {
      char path[4096];
      size_t size;
      frz_batch all;
      frz_error error = {0};
      frz_parquet_read_options options = {.batch_rows_max = batch_rows};
      frz_test_golden(cases[i].name, path);
      uint8_t *data = frz_test_read(path, &size);
      assert_non_null(data);
      ASSERT_OK(read_bytes(data, size, &options, &all, &error));
      assert_int_equal(all.n_rows, cases[i].n_rows);
      assert_int_equal(all.n_columns, 2);
      for (int64_t row = 0; row < all.n_rows; row++) {
        const int32_t *ids = (const int32_t *)(const void *)all.columns[0].values.data;
        assert_int_equal(frz_column_is_null(&all.columns[0], row), row % 3 == 2);
        if (row % 3 != 2) assert_int_equal(ids[row], row % 3 + 1);
      }
      frz_batch_dispose(&all);
      free(data);
    }
  }
}

static void test_int96_of_spark(void **state)
{
  (void)state;
  /* 2024-01-01 20:34:56.123456, ..., null, 290000-12-30 23:00: the last is past nanoseconds. */
  static const int64_t wanted[] = {
      1704141296123456,   1704070800000000, 253402225200000000, 1735599600000000, 0,
      9089380393200000000};
  size_t size;
  frz_error error = {0};
  frz_batch all;
  frz_parquet_read_options options = {.batch_rows_max = 100};
  uint8_t *data = read_fixture("parquet-testing/data/int96_from_spark.parquet", &size);
  if (data == NULL) return;
  ASSERT_OK(read_bytes(data, size, &options, &all, &error));
  assert_int_equal(all.n_rows, 6);
  assert_memory_equal(all.columns[0].values.data, wanted, sizeof wanted);
  assert_true(frz_column_is_null(&all.columns[0], 4));
  frz_batch_dispose(&all);
  free(data);
}

/* Small files of a folder: by batches of one row, and with every byte changed. */
static void damage_folder(const char *name)
{
  char root[4096], folder[8192];
  if (!frz_test_fixtures(root)) return;
  snprintf(folder, sizeof folder, "%s/%s", root, name);
  DIR *entries = opendir(folder);
  assert_non_null(entries);
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    char path[12288];
    size_t size;
    int64_t n_rows;
    if (entry->d_name[0] == '.' || strstr(entry->d_name, ".parquet") == NULL) continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    uint8_t *data = frz_test_read(path, &size);
    if (data == NULL || size > 6000) {
      free(data);
      continue;
    }
    try_read(data, size, &n_rows);
    flip_all(data, size, 5);
    for (size_t n = 0; n < size; n += 29) {
      int64_t cut_rows;
      assert_int_not_equal(try_read(data, n, &cut_rows), FRZ_OK);
    }
    free(data);
  }
  closedir(entries);
}

static void test_damaged_fixtures_do_no_harm(void **state)
{
  (void)state;
  damage_folder("parquet-testing/data");
  damage_folder("parquet-testing/bad_data");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_any_ranges_give_their_rows),
      cmocka_unit_test(test_batches_say_where_they_start),
      cmocka_unit_test(test_few_rows_read_few_bytes),
      cmocka_unit_test(test_a_remote_row_group_is_one_call),
      cmocka_unit_test(test_columns_are_selected),
      cmocka_unit_test(test_options_are_checked),
      cmocka_unit_test(test_cancelling_stops_a_reader),
      cmocka_unit_test(test_every_truncation_is_refused),
      cmocka_unit_test(test_changed_bytes_do_no_harm),
      cmocka_unit_test(test_failed_reads_are_told),
      cmocka_unit_test(test_fixtures_are_read_or_refused),
      cmocka_unit_test(test_rows_of_a_header_that_are_its_entries),
      cmocka_unit_test(test_rows_that_go_on_in_the_next_page),
      cmocka_unit_test(test_row_groups_without_rows),
      cmocka_unit_test(test_int96_of_spark),
      cmocka_unit_test(test_damaged_fixtures_do_no_harm),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
