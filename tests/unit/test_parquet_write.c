/*
 * test_parquet_write.c - files that the writer makes: read again, and looked at from inside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/endian.h"
#include "parquet/format/thrift.h"
#include "parquet/read/parquet_reader.h"
#include "parquet/write/parquet_writer.h"
#include "random_columns.h"

enum { BYTES_MAX = 1 << 28, ARENA_MAX = 1 << 24 };

static frz_context *context;

static int set_up(void **state)
{
  (void)state;
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = 2;
  return frz_context_create(&options, &context, NULL) == FRZ_OK ? 0 : -1;
}

static int tear_down(void **state)
{
  (void)state;
  frz_context_free(context);
  return 0;
}

/* ---- help ---- */

#define ASSERT_OK(call)                                             \
  do {                                                              \
    if ((call) != FRZ_OK) fail_msg("%s: %s", #call, error.message); \
  } while (0)

static frz_arrow_field field_of(const char *name, frz_arrow_kind kind, bool nullable)
{
  return (frz_arrow_field){
      .name = frz_str_from(name), .nullable = nullable, .field_id = 7, .type = {.kind = kind}};
}

static frz_parquet_write_options small_options(void)
{
  frz_parquet_write_options options;
  frz_parquet_write_options_init(&options);
  return options;
}

/* A file in memory with its parsed footer. */
typedef struct written {
  frz_buf bytes;
  frz_arena arena;
  frz_parquet_metadata metadata;
} written;

static void written_dispose(written *file)
{
  frz_buf_dispose(&file->bytes);
  frz_arena_free(&file->arena);
}

/* Write the batches to memory; the summary's strings go to the file's arena. */
static frz_status write_file(const frz_arrow_field *fields, size_t n_fields,
                             const frz_batch *batches, size_t n_batches,
                             const frz_parquet_write_options *options, written *file,
                             frz_parquet_write_summary *summary_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_sink *sink = NULL;
  frz_parquet_writer *writer = NULL;
  frz_parquet_write_summary summary = {0};
  frz_buf_init(&file->bytes, frz_alloc_default(), BYTES_MAX);
  frz_arena_init(&file->arena, frz_alloc_default(), ARENA_MAX);
  FRZ_TRY_OUT(frz_sink_to_buf(frz_alloc_default(), &file->bytes, &sink, err));
  FRZ_TRY_OUT(frz_parquet_writer_create(context, fields, n_fields, sink, options, &writer, err));
  for (size_t i = 0; i < n_batches; i++)
    FRZ_TRY_OUT(frz_parquet_writer_write(writer, &batches[i], err));
  FRZ_TRY_OUT(frz_parquet_writer_finish(writer, &summary, err));
  assert_int_equal(summary.file_bytes, (int64_t)file->bytes.size);
  if (summary_out != NULL) {
    frz_parquet_leaf_summary *leaves =
        frz_arena_array(&file->arena, summary.n_leaves, sizeof *leaves);
    memcpy(leaves, summary.leaves, summary.n_leaves * sizeof *leaves);
    for (size_t i = 0; i < summary.n_leaves; i++) {
      leaves[i].min = frz_arena_copy(&file->arena, leaves[i].min);
      leaves[i].max = frz_arena_copy(&file->arena, leaves[i].max);
    }
    summary.leaves = leaves;
    *summary_out = summary;
  }
out:
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
  if (st != FRZ_OK) written_dispose(file);
  return st;
}

static void parse_footer(written *file)
{
  frz_error error = {0};
  const uint8_t *end = file->bytes.data + file->bytes.size;
  assert_memory_equal(file->bytes.data, "PAR1", 4);
  assert_memory_equal(end - 4, "PAR1", 4);
  size_t footer = frz_load_u32le(end - 8);
  ASSERT_OK(frz_parquet_metadata_parse(end - 8 - footer, footer, (int64_t)file->bytes.size,
                                       &file->arena, &file->metadata, &error));
}

/* A batch of one column from C values; `present` NULL: all are. */
static void one_column(const frz_arrow_field *field, const void *values, size_t width, size_t n,
                       const char *present, frz_batch *batch)
{
  frz_error error = {0};
  ASSERT_OK(frz_batch_init(batch, field, 1, frz_alloc_default(), &error));
  for (size_t i = 0; i < n; i++) {
    const uint8_t *value = (const uint8_t *)values + i * width;
    if (present != NULL && present[i] == '-')
      ASSERT_OK(frz_column_append_nulls(batch->columns, 1, &error));
    else
      ASSERT_OK(frz_column_append_value(batch->columns, value, width, &error));
  }
  batch->n_rows = (int64_t)n;
}

static void one_text_column(const frz_arrow_field *field, const char *const *texts, size_t n,
                            frz_batch *batch)
{
  frz_error error = {0};
  ASSERT_OK(frz_batch_init(batch, field, 1, frz_alloc_default(), &error));
  for (size_t i = 0; i < n; i++)
    ASSERT_OK(frz_column_append_value(batch->columns, texts[i], strlen(texts[i]), &error));
  batch->n_rows = (int64_t)n;
}

static void write_one(const frz_arrow_field *field, frz_batch *batch,
                      const frz_parquet_write_options *options, written *file,
                      frz_parquet_write_summary *summary)
{
  frz_error error = {0};
  ASSERT_OK(write_file(field, 1, batch, 1, options, file, summary, &error));
  parse_footer(file);
  frz_batch_dispose(batch);
}

/* ---- round trips ---- */

/* Read all rows and compare them with the batches, which hold the same rows `repeats` times. */
static void check_rows(const written *file, const frz_arrow_field *fields, size_t n_fields,
                       const frz_batch *batch, int repeats, int64_t batch_rows_max)
{
  frz_error error = {0};
  frz_source *source = NULL;
  frz_parquet_file *opened = NULL;
  frz_parquet_reader *reader = NULL;
  ASSERT_OK(frz_source_from_memory(frz_alloc_default(), file->bytes.data, file->bytes.size, &source,
                                   &error));
  ASSERT_OK(frz_parquet_file_open(context, source, FRZ_STR("memory"), &opened, &error));
  frz_parquet_read_options options = {.batch_rows_max = batch_rows_max};
  ASSERT_OK(frz_parquet_reader_create(opened, &options, &reader, &error));
  size_t n_read;
  const frz_arrow_field *read = frz_parquet_reader_fields(reader, &n_read);
  assert_int_equal(n_read, n_fields);
  for (size_t i = 0; i < n_fields; i++) {
    assert_true(frz_str_equal(read[i].name, fields[i].name));
    assert_int_equal(read[i].field_id, fields[i].field_id);
    assert_true(frz_arrow_type_equal(read[i].type, fields[i].type));
  }
  int64_t row = 0;
  for (;;) {
    frz_batch got = {0};
    int64_t first;
    ASSERT_OK(frz_parquet_reader_next(reader, &got, &first, &error));
    if (got.n_rows == 0) {
      frz_batch_dispose(&got);
      break;
    }
    assert_int_equal(first, row);
    for (int64_t i = 0; i < got.n_rows; i++, row++)
      for (size_t c = 0; c < n_fields; c++)
        if (!frz_column_values_equal(&got.columns[c], i, &batch->columns[c], row % batch->n_rows))
          fail_msg("column %zu row %lld is another", c, (long long)row);
    frz_batch_dispose(&got);
  }
  assert_int_equal(row, batch->n_rows * repeats);
  frz_parquet_reader_free(reader);
  frz_parquet_file_free(opened);
}

static void fill_batch(frz_feed *feed, const frz_arrow_field *fields, size_t n_fields,
                       int64_t n_rows, frz_batch *batch)
{
  frz_error error = {0};
  ASSERT_OK(frz_batch_init(batch, fields, n_fields, frz_alloc_default(), &error));
  for (size_t i = 0; i < n_fields; i++)
    ASSERT_OK(frz_random_rows(feed, &fields[i], &batch->columns[i], n_rows, &error));
  batch->n_rows = n_rows;
}

static void round_trip(const frz_arrow_field *fields, size_t n_fields, const frz_batch *batch,
                       const frz_parquet_write_options *options)
{
  frz_error error = {0};
  written file = {0};
  frz_batch twice[2] = {*batch, *batch};
  ASSERT_OK(write_file(fields, n_fields, twice, 2, options, &file, NULL, &error));
  check_rows(&file, fields, n_fields, batch, 2, 1 + batch->n_rows / 3);
  written_dispose(&file);
}

static void test_every_kind_comes_back(void **state)
{
  (void)state;
  static const int64_t row_counts[] = {0, 1, 9, 1000};
  for (int kind = FRZ_ARROW_NULL; kind <= FRZ_ARROW_MAP; kind++) {
    if (kind == FRZ_ARROW_DURATION) continue;
    for (uint64_t seed = 1; seed <= 4; seed++) {
      frz_feed feed = {.state = seed * 7919 + (uint64_t)kind};
      frz_arena arena;
      frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
      frz_arrow_field field;
      int32_t next_id = 1;
      assert_true(frz_random_field(&feed, &arena, (frz_arrow_kind)kind, 1, &next_id, &field));
      for (size_t i = 0; i < sizeof row_counts / sizeof *row_counts; i++) {
        frz_batch batch;
        fill_batch(&feed, &field, 1, row_counts[i], &batch);
        frz_parquet_write_options options = small_options();
        options.data_page_v2 = (seed & 1) != 0;
        options.page_rows_max = seed == 2 ? 7 : 20000;
        options.dictionary_bytes = seed == 3 ? 0 : 1 << 20;
        round_trip(&field, 1, &batch, &options);
        frz_batch_dispose(&batch);
      }
      frz_arena_free(&arena);
    }
  }
}

static void test_random_tables_come_back(void **state)
{
  (void)state;
  static const frz_parquet_codec codecs[] = {FRZ_PARQUET_ZSTD,   FRZ_PARQUET_UNCOMPRESSED,
                                             FRZ_PARQUET_SNAPPY, FRZ_PARQUET_GZIP,
                                             FRZ_PARQUET_BROTLI, FRZ_PARQUET_LZ4_RAW};
  for (uint64_t seed = 1; seed <= 60; seed++) {
    frz_feed feed = {.state = seed * 104729};
    frz_arena arena;
    frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
    frz_arrow_field fields[6];
    size_t n_fields = 1 + frz_feed_choose(&feed, 6);
    int32_t next_id = 1;
    for (size_t i = 0; i < n_fields; i++)
      assert_true(
          frz_random_field(&feed, &arena, frz_random_kind(&feed, true), 0, &next_id, &fields[i]));
    frz_batch batch;
    fill_batch(&feed, fields, n_fields, (int64_t)frz_feed_choose(&feed, 3000), &batch);
    frz_parquet_write_options options = small_options();
    options.codec = codecs[seed % 6];
    options.data_page_v2 = frz_feed_choose(&feed, 2) != 0;
    options.page_rows_max = 1 + (int64_t)frz_feed_choose(&feed, 500);
    options.page_bytes = 1 + (int64_t)frz_feed_choose(&feed, 5000);
    options.row_group_rows_max = 1 + (int64_t)frz_feed_choose(&feed, 2500);
    options.dictionary_bytes = (int64_t)frz_feed_choose(&feed, 2000);
    round_trip(fields, n_fields, &batch, &options);
    frz_batch_dispose(&batch);
    frz_arena_free(&arena);
  }
}

/* ---- structure ---- */

typedef struct page_location {
  int64_t offset, bytes, first_row;
} page_location;

/* The offset index of a chunk. */
static size_t read_pages(const written *file, const frz_parquet_chunk *chunk, page_location *pages,
                         size_t n_max)
{
  frz_error error = {0};
  frz_thrift_reader thrift;
  assert_true(chunk->offset_index_offset > 0);
  frz_thrift_reader_init(&thrift, file->bytes.data + chunk->offset_index_offset,
                         (size_t)chunk->offset_index_bytes);
  int16_t id;
  frz_thrift_type type;
  size_t n = 0;
  ASSERT_OK(frz_thrift_struct_begin(&thrift, &error));
  ASSERT_OK(frz_thrift_field(&thrift, &id, &type, &error));
  assert_int_equal(id, 1);
  ASSERT_OK(frz_thrift_list_begin(&thrift, &type, &n, &error));
  assert_true(n <= n_max);
  for (size_t i = 0; i < n; i++) {
    ASSERT_OK(frz_thrift_struct_begin(&thrift, &error));
    for (;;) {
      ASSERT_OK(frz_thrift_field(&thrift, &id, &type, &error));
      if (type == FRZ_THRIFT_STOP) break;
      int64_t value;
      ASSERT_OK(frz_thrift_read_i64(&thrift, &value, &error));
      *(id == 1 ? &pages[i].offset : id == 2 ? &pages[i].bytes : &pages[i].first_row) = value;
    }
  }
  return n;
}

static void test_row_groups_and_pages_end_where_asked(void **state)
{
  (void)state;
  int64_t values[95];
  for (int i = 0; i < 95; i++) values[i] = i * 1000003;
  frz_arrow_field field = field_of("a", FRZ_ARROW_INT64, true);
  frz_batch batch;
  one_column(&field, values, 8, 95, NULL, &batch);
  frz_parquet_write_options options = small_options();
  options.row_group_rows_max = 30;
  options.page_rows_max = 10;
  written file = {0};
  write_one(&field, &batch, &options, &file, NULL);
  static const int64_t rows[] = {30, 30, 30, 5};
  assert_int_equal(file.metadata.n_row_groups, 4);
  assert_int_equal(file.metadata.n_rows, 95);
  for (size_t g = 0; g < 4; g++) {
    const frz_parquet_row_group *group = &file.metadata.row_groups[g];
    assert_int_equal(group->n_rows, rows[g]);
    page_location pages[8];
    size_t n = read_pages(&file, &group->chunks[0], pages, 8);
    assert_int_equal(n, (size_t)(rows[g] + 9) / 10);
    for (size_t p = 0; p < n; p++) assert_int_equal(pages[p].first_row, (int64_t)p * 10);
    assert_int_equal(pages[0].offset, group->chunks[0].data_page_offset);
    for (size_t p = 1; p < n; p++)
      assert_int_equal(pages[p].offset, pages[p - 1].offset + pages[p - 1].bytes);
  }
  written_dispose(&file);
}

static void test_pages_end_by_size(void **state)
{
  (void)state;
  char text[101];
  memset(text, 'x', 100);
  text[100] = '\0';
  const char *texts[40];
  for (int i = 0; i < 40; i++) texts[i] = text;
  frz_arrow_field field = field_of("a", FRZ_ARROW_STRING, false);
  frz_batch batch;
  one_text_column(&field, texts, 40, &batch);
  frz_parquet_write_options options = small_options();
  options.page_bytes = 1000; /* nine strings of 104 bytes */
  written file = {0};
  write_one(&field, &batch, &options, &file, NULL);
  page_location pages[40];
  size_t n = read_pages(&file, &file.metadata.row_groups[0].chunks[0], pages, 40);
  assert_int_equal(n, 5);
  for (size_t p = 0; p < n; p++) assert_int_equal(pages[p].first_row, (int64_t)p * 9);
  written_dispose(&file);
}

/* A list of more than a page is one page: pages end between records. */
static void test_a_large_record_is_one_page(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_arrow_field element = field_of("element", FRZ_ARROW_INT32, false);
  frz_arrow_field field = field_of("a", FRZ_ARROW_LIST, false);
  field.children = &element;
  field.n_children = 1;
  frz_batch batch;
  ASSERT_OK(frz_batch_init(&batch, &field, 1, frz_alloc_default(), &error));
  for (int row = 0; row < 3; row++) {
    for (int32_t i = 0; i < 1000; i++)
      ASSERT_OK(frz_column_append_value(&batch.columns->children[0], &i, 4, &error));
    ASSERT_OK(frz_column_append_present(batch.columns, &error));
  }
  batch.n_rows = 3;
  frz_parquet_write_options options = small_options();
  options.page_bytes = 100;
  written file = {0};
  write_one(&field, &batch, &options, &file, NULL);
  page_location pages[8];
  assert_int_equal(read_pages(&file, &file.metadata.row_groups[0].chunks[0], pages, 8), 3);
  assert_int_equal(file.metadata.row_groups[0].chunks[0].n_values, 3000);
  written_dispose(&file);
}

static uint32_t encodings_of(frz_batch *batch, const frz_arrow_field *field,
                             const frz_parquet_write_options *options)
{
  written file = {0};
  write_one(field, batch, options, &file, NULL);
  const frz_parquet_chunk *chunk = &file.metadata.row_groups[0].chunks[0];
  uint32_t encodings = chunk->encodings;
  bool has_numbers = (encodings >> FRZ_PARQUET_RLE_DICTIONARY & 1) != 0;
  assert_int_equal(has_numbers, chunk->dictionary_page_offset >= 0);
  written_dispose(&file);
  return encodings;
}

static void test_dictionaries_are_kept_where_they_pay(void **state)
{
  (void)state;
  enum { N = 5000 };
  static int64_t values[N];
  const uint32_t dictionary = 1u << FRZ_PARQUET_RLE_DICTIONARY;
  frz_arrow_field field = field_of("a", FRZ_ARROW_INT64, true);
  frz_parquet_write_options options = small_options();
  options.page_rows_max = 1000;
  frz_batch batch;

  for (int i = 0; i < N; i++) values[i] = i % 10;
  one_column(&field, values, 8, N, NULL, &batch);
  assert_true((encodings_of(&batch, &field, &options) & dictionary) != 0);

  for (int i = 0; i < N; i++) values[i] = i;
  one_column(&field, values, 8, N, NULL, &batch);
  assert_false((encodings_of(&batch, &field, &options) & dictionary) != 0);

  /* Pays at first, and then grows past its limit: both forms in one chunk. */
  for (int i = 0; i < N; i++) values[i] = i < 1000 ? i % 10 : i;
  options.dictionary_bytes = 2000;
  one_column(&field, values, 8, N, NULL, &batch);
  written file = {0};
  write_one(&field, &batch, &options, &file, NULL);
  assert_true((file.metadata.row_groups[0].chunks[0].encodings & dictionary) != 0);
  one_column(&field, values, 8, N, NULL, &batch);
  check_rows(&file, &field, 1, &batch, 1, 777);
  frz_batch_dispose(&batch);
  written_dispose(&file);
}

/* A dictionary that is given up within its first page must lose neither values nor bounds. */
static void test_distinct_strings_leave_the_dictionary(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_arrow_field field = field_of("a", FRZ_ARROW_STRING, true);
  frz_batch batch;
  ASSERT_OK(frz_batch_init(&batch, &field, 1, frz_alloc_default(), &error));
  for (int i = 0; i < 9000; i++) {
    char text[16];
    /* The bounds lie among the first values, which were numbers once. */
    int n = snprintf(text, sizeof text, "%s%05d", i == 7 ? "a" : i == 9 ? "z" : "m", i);
    if (i % 10 == 3)
      ASSERT_OK(frz_column_append_nulls(batch.columns, 1, &error));
    else
      ASSERT_OK(frz_column_append_value(batch.columns, text, (size_t)n, &error));
  }
  batch.n_rows = 9000;
  frz_parquet_write_options options = small_options();
  written file = {0};
  ASSERT_OK(write_file(&field, 1, &batch, 1, &options, &file, NULL, &error));
  parse_footer(&file);
  const frz_parquet_chunk *chunk = &file.metadata.row_groups[0].chunks[0];
  assert_int_equal(chunk->encodings >> FRZ_PARQUET_RLE_DICTIONARY & 1, 0);
  assert_int_equal(chunk->dictionary_page_offset, -1);
  assert_true(frz_str_is(chunk->statistics.min, "a00007"));
  assert_true(frz_str_is(chunk->statistics.max, "z00009"));
  check_rows(&file, &field, 1, &batch, 1, 1000);
  frz_batch_dispose(&batch);
  written_dispose(&file);
}

static void test_footer_says_who_wrote_it(void **state)
{
  (void)state;
  int32_t value = 5;
  frz_arrow_field field = field_of("a", FRZ_ARROW_INT32, false);
  frz_batch batch;
  one_column(&field, &value, 4, 1, NULL, &batch);
  frz_parquet_write_options options = small_options();
  frz_parquet_key_value pair = {FRZ_STR("key"), FRZ_STR("a value")};
  options.key_values = &pair;
  options.n_key_values = 1;
  written file = {0};
  write_one(&field, &batch, &options, &file, NULL);
  assert_true(frz_str_starts(file.metadata.created_by, "frazil version "));
  assert_int_equal(file.metadata.n_key_values, 1);
  assert_true(frz_str_is(file.metadata.key_values[0].key, "key"));
  assert_true(frz_str_is(file.metadata.key_values[0].value, "a value"));
  assert_int_equal(file.metadata.leaves[0]->field_id, 7);
  assert_int_equal(file.metadata.leaves[0]->repetition, FRZ_PARQUET_REQUIRED);
  written_dispose(&file);
}

/* ---- statistics ---- */

static void check_bounds(const frz_arrow_field *field, frz_batch *batch, const void *min,
                         const void *max, size_t width, int64_t n_nulls)
{
  written file = {0};
  frz_parquet_write_options options = small_options();
  frz_parquet_write_summary summary;
  write_one(field, batch, &options, &file, &summary);
  const frz_parquet_statistics *statistics = &file.metadata.row_groups[0].chunks[0].statistics;
  assert_int_equal(statistics->null_count, n_nulls);
  assert_int_equal(summary.leaves[0].n_nulls, n_nulls);
  assert_int_equal(statistics->has_min, min != NULL);
  assert_int_equal(statistics->has_max, max != NULL);
  assert_int_equal(summary.leaves[0].has_bounds, min != NULL);
  if (min != NULL) {
    assert_int_equal(statistics->min.size, width);
    assert_int_equal(statistics->max.size, width);
    assert_memory_equal(statistics->min.data, min, width);
    assert_memory_equal(statistics->max.data, max, width);
    assert_true(statistics->min_exact && statistics->max_exact);
  }
  written_dispose(&file);
}

static void test_bounds_of_numbers(void **state)
{
  (void)state;
  frz_batch batch;
  frz_arrow_field field = field_of("a", FRZ_ARROW_INT32, true);
  const int32_t ints[] = {3, -5, 0, 9};
  one_column(&field, ints, 4, 4, "x-xx", &batch);
  check_bounds(&field, &batch, &ints[2], &ints[3], 4, 1);
  one_column(&field, ints, 4, 4, "----", &batch);
  check_bounds(&field, &batch, NULL, NULL, 4, 4);

  field.type.kind = FRZ_ARROW_UINT32;
  const uint32_t naturals[] = {7, 0xfffffff0u, 1};
  one_column(&field, naturals, 4, 3, NULL, &batch);
  check_bounds(&field, &batch, &naturals[2], &naturals[1], 4, 0);

  field.type.kind = FRZ_ARROW_UINT64;
  const uint64_t long_naturals[] = {7, UINT64_MAX, 1};
  one_column(&field, long_naturals, 8, 3, NULL, &batch);
  check_bounds(&field, &batch, &long_naturals[2], &long_naturals[1], 8, 0);

  field.type.kind = FRZ_ARROW_INT8;
  const int8_t bytes[] = {-128, 127, 0};
  const int32_t wide[] = {-128, 127};
  one_column(&field, bytes, 1, 3, NULL, &batch);
  check_bounds(&field, &batch, &wide[0], &wide[1], 4, 0);

  field.type.kind = FRZ_ARROW_BOOL;
  const uint8_t bools[] = {1, 1};
  one_column(&field, bools, 1, 2, NULL, &batch);
  check_bounds(&field, &batch, &bools[0], &bools[0], 1, 0);
}

static void test_bounds_of_floats(void **state)
{
  (void)state;
  frz_batch batch;
  frz_arrow_field field = field_of("a", FRZ_ARROW_FLOAT64, true);
  const double nan = __builtin_nan("");
  const double infinity = __builtin_inf();
  const double zeros[] = {-0.0, 0.0};
  const double with_nan[] = {nan, 2.5, -1.0, nan};
  one_column(&field, with_nan, 8, 4, NULL, &batch);
  check_bounds(&field, &batch, &with_nan[2], &with_nan[1], 8, 0);
  const double nans[] = {nan, nan};
  one_column(&field, nans, 8, 2, NULL, &batch);
  check_bounds(&field, &batch, NULL, NULL, 8, 0);
  /* A zero of either sign is -0.0 below and +0.0 above. */
  const double zero_pairs[][2] = {{0.0, 0.0}, {-0.0, -0.0}, {0.0, -0.0}};
  for (int i = 0; i < 3; i++) {
    one_column(&field, zero_pairs[i], 8, 2, NULL, &batch);
    check_bounds(&field, &batch, &zeros[0], &zeros[1], 8, 0);
  }
  const double infinities[] = {-infinity, infinity};
  one_column(&field, infinities, 8, 2, NULL, &batch);
  check_bounds(&field, &batch, &infinities[0], &infinities[1], 8, 0);

  field.type.kind = FRZ_ARROW_FLOAT32;
  const float floats[] = {1.5f, -2.25f};
  one_column(&field, floats, 4, 2, NULL, &batch);
  check_bounds(&field, &batch, &floats[1], &floats[0], 4, 0);

  field.type.kind = FRZ_ARROW_FLOAT16;
  const uint16_t halves[] = {0x3c00, 0xc000, 0x7e00, 0x0000}; /* 1, -2, NaN, 0 */
  one_column(&field, halves, 2, 4, NULL, &batch);
  check_bounds(&field, &batch, &halves[1], &halves[0], 2, 0);
  const uint16_t half_zeros[] = {0x8000, 0x0000};
  one_column(&field, &half_zeros[1], 2, 1, NULL, &batch);
  check_bounds(&field, &batch, &half_zeros[0], &half_zeros[1], 2, 0);
}

static void test_nans_are_counted(void **state)
{
  (void)state;
  const double values[] = {1, __builtin_nan(""), __builtin_nan("")};
  frz_arrow_field field = field_of("a", FRZ_ARROW_FLOAT64, true);
  frz_batch batch;
  one_column(&field, values, 8, 3, "x-x", &batch);
  written file = {0};
  frz_parquet_write_options options = small_options();
  frz_parquet_write_summary summary;
  write_one(&field, &batch, &options, &file, &summary);
  assert_int_equal(summary.leaves[0].n_nans, 1);
  assert_int_equal(summary.leaves[0].n_values, 3);
  assert_int_equal(summary.leaves[0].n_nulls, 1);
  written_dispose(&file);
}

static void test_bounds_of_decimals(void **state)
{
  (void)state;
  frz_batch batch;
  frz_arrow_field field = field_of("a", FRZ_ARROW_DECIMAL128, true);
  field.type.byte_width = 16;
  field.type.scale = 2;
  const int64_t small[][2] = {{-12345, -1}, {678, 0}};
  field.type.precision = 9;
  one_column(&field, small, 16, 2, NULL, &batch);
  const int32_t ints[] = {-12345, 678};
  check_bounds(&field, &batch, &ints[0], &ints[1], 4, 0);
  field.type.precision = 18;
  one_column(&field, small, 16, 2, NULL, &batch);
  check_bounds(&field, &batch, &small[0][0], &small[1][0], 8, 0);
  field.type.precision = 19; /* nine bytes, big-endian */
  one_column(&field, small, 16, 2, NULL, &batch);
  check_bounds(&field, &batch, "\xff\xff\xff\xff\xff\xff\xff\xcf\xc7", "\0\0\0\0\0\0\0\x02\xa6", 9,
               0);
}

typedef struct cut_case {
  const char *text;
  size_t repeats;
  const char *tail;
  frz_arrow_kind kind;
  size_t min_size;
  const char *max_tail; /* the last bytes of the upper bound */
  size_t max_size;
} cut_case;

/* Strings of more than 64 bytes: cut below, cut and made greater above. */
static void test_long_bounds_are_cut(void **state)
{
  (void)state;
  static const cut_case cases[] = {
      {"a", 64, "", FRZ_ARROW_STRING, 64, "aaa", 64},
      {"a", 65, "", FRZ_ARROW_STRING, 64, "aab", 64},
      {"a", 64, "\xc3\xa9", FRZ_ARROW_STRING, 64, "aab", 64},
      {"a", 63, "\xc3\xa9z", FRZ_ARROW_STRING, 63, "aab", 63},
      {"a", 61, "\xf0\x9f\x98\x80", FRZ_ARROW_STRING, 61, "aab", 61},
      {"a", 60, "\xf0\x9f\x98\x80z", FRZ_ARROW_STRING, 64, "\xf0\x9f\x98\x81", 64},
      {"a", 61, "\xed\x9f\xbfzz", FRZ_ARROW_STRING, 64, "a\xee\x80\x80", 64},
      {"a", 60, "\xf4\x8f\xbf\xbfz", FRZ_ARROW_STRING, 64, "aab", 60},
      {"a", 63, "\x7fzz", FRZ_ARROW_STRING, 64, "a\xc2\x80", 65},
      {"\xff", 70, "", FRZ_ARROW_BINARY, 64, "\xff\xff", 70},
      {"a", 63, "\xff\xff", FRZ_ARROW_BINARY, 64, "aab", 63},
      {"\xff", 70, "", FRZ_ARROW_STRING, 64, "\xff\xff", 70}, /* not text: kept whole */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const cut_case *c = &cases[i];
    char text[128] = "";
    size_t size = c->repeats;
    memset(text, c->text[0], size);
    memcpy(text + size, c->tail, strlen(c->tail) + 1);
    size = strlen(text);
    const char *texts[] = {text};
    frz_arrow_field field = field_of("a", c->kind, false);
    frz_batch batch;
    one_text_column(&field, texts, 1, &batch);
    written file = {0};
    frz_parquet_write_options options = small_options();
    frz_parquet_write_summary summary;
    write_one(&field, &batch, &options, &file, &summary);
    const frz_parquet_statistics *statistics = &file.metadata.row_groups[0].chunks[0].statistics;
    assert_int_equal(statistics->min.size, c->min_size);
    assert_memory_equal(statistics->min.data, text, c->min_size);
    assert_int_equal(statistics->min_exact, c->min_size == size);
    assert_int_equal(statistics->max.size, c->max_size);
    size_t tail = strlen(c->max_tail);
    assert_memory_equal(statistics->max.data + c->max_size - tail, c->max_tail, tail);
    assert_int_equal(statistics->max_exact, c->max_size == size && c->max_size != 65);
    assert_true(frz_str_compare(statistics->max, (frz_str){text, size}) >= 0);
    /* The summary's are whole. */
    assert_int_equal(summary.leaves[0].min.size, size);
    assert_int_equal(summary.leaves[0].max.size, size);
    written_dispose(&file);
  }
}

static void test_bounds_span_pages_and_row_groups(void **state)
{
  (void)state;
  const char *texts[] = {"m", "b", "x", "c", "a", "zz"};
  frz_arrow_field field = field_of("a", FRZ_ARROW_STRING, true);
  for (int dictionary = 0; dictionary < 2; dictionary++) {
    frz_batch batch;
    one_text_column(&field, texts, 6, &batch);
    frz_parquet_write_options options = small_options();
    options.page_rows_max = 1;
    options.row_group_rows_max = 3;
    options.dictionary_bytes = dictionary;
    written file = {0};
    frz_parquet_write_summary summary;
    write_one(&field, &batch, &options, &file, &summary);
    assert_true(frz_str_is(file.metadata.row_groups[0].chunks[0].statistics.min, "b"));
    assert_true(frz_str_is(file.metadata.row_groups[0].chunks[0].statistics.max, "x"));
    assert_true(frz_str_is(summary.leaves[0].min, "a"));
    assert_true(frz_str_is(summary.leaves[0].max, "zz"));
    assert_int_equal(summary.n_row_groups, 2);
    written_dispose(&file);
  }
}

/* ---- conversions ---- */

static void test_times_are_scaled(void **state)
{
  (void)state;
  const int64_t values[] = {-5, 1700000000};
  static const struct {
    frz_time_unit unit;
    int64_t factor;
  } cases[] = {{FRZ_UNIT_S, 1000000}, {FRZ_UNIT_MS, 1000}, {FRZ_UNIT_US, 1}, {FRZ_UNIT_NS, 1}};
  for (size_t i = 0; i < 4; i++) {
    frz_arrow_field field = field_of("a", FRZ_ARROW_TIMESTAMP, true);
    field.type.unit = cases[i].unit;
    frz_batch batch;
    one_column(&field, values, 8, 2, NULL, &batch);
    const int64_t min = values[0] * cases[i].factor;
    const int64_t max = values[1] * cases[i].factor;
    check_bounds(&field, &batch, &min, &max, 8, 0);
  }
}

/* Values that the stored type cannot hold are refused, never cut. */
static void test_values_that_do_not_fit_are_refused(void **state)
{
  (void)state;
  frz_error error = {0};
  written file = {0};
  frz_parquet_write_options options = small_options();
  frz_batch batch;
  frz_arrow_field field = field_of("late", FRZ_ARROW_TIMESTAMP, true);
  const int64_t late = INT64_MAX / 10;
  one_column(&field, &late, 8, 1, NULL, &batch);
  assert_int_equal(write_file(&field, 1, &batch, 1, &options, &file, NULL, &error),
                   FRZ_ERR_INVALID);
  assert_non_null(strstr(error.message, "'late'"));
  frz_batch_dispose(&batch);

  field = field_of("digits", FRZ_ARROW_DECIMAL128, true);
  field.type.byte_width = 16;
  static const int32_t precisions[] = {9, 18, 19};
  const int64_t wide[3][2] = {{(int64_t)1 << 31, 0}, {0, 1}, {0, 1 << 8}};
  for (int i = 0; i < 3; i++) {
    field.type.precision = precisions[i];
    one_column(&field, wide[i], 16, 1, NULL, &batch);
    assert_int_equal(write_file(&field, 1, &batch, 1, &options, &file, NULL, &error),
                     FRZ_ERR_INVALID);
    assert_non_null(strstr(error.message, "'digits'"));
    frz_batch_dispose(&batch);
  }
}

/* ---- refusals ---- */

static void test_nulls_in_required_fields_are_refused(void **state)
{
  (void)state;
  frz_error error = {0};
  written file = {0};
  frz_parquet_write_options options = small_options();
  const int32_t values[] = {1, 2};
  frz_arrow_field field = field_of("needed", FRZ_ARROW_INT32, false);
  frz_batch batch;
  one_column(&field, values, 4, 2, "x-", &batch);
  assert_int_equal(write_file(&field, 1, &batch, 1, &options, &file, NULL, &error),
                   FRZ_ERR_INVALID);
  assert_non_null(strstr(error.message, "needed"));
  assert_non_null(strstr(error.message, "row 1"));
  frz_batch_dispose(&batch);

  frz_arrow_field child = field_of("inner", FRZ_ARROW_INT32, false);
  frz_arrow_field outer = field_of("outer", FRZ_ARROW_STRUCT, true);
  outer.children = &child;
  outer.n_children = 1;
  ASSERT_OK(frz_batch_init(&batch, &outer, 1, frz_alloc_default(), &error));
  ASSERT_OK(frz_column_append_nulls(&batch.columns->children[0], 1, &error));
  ASSERT_OK(frz_column_append_present(batch.columns, &error));
  batch.n_rows = 1;
  assert_int_equal(write_file(&outer, 1, &batch, 1, &options, &file, NULL, &error),
                   FRZ_ERR_INVALID);
  assert_non_null(strstr(error.message, "outer.inner"));
  frz_batch_dispose(&batch);
  /* Under a null struct the child may be anything. */
  ASSERT_OK(frz_batch_init(&batch, &outer, 1, frz_alloc_default(), &error));
  ASSERT_OK(frz_column_append_nulls(batch.columns, 1, &error));
  batch.n_rows = 1;
  ASSERT_OK(write_file(&outer, 1, &batch, 1, &options, &file, NULL, &error));
  frz_batch_dispose(&batch);
  written_dispose(&file);
}

static void test_schemas_that_parquet_lacks_are_refused(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_buf bytes;
  frz_buf_init(&bytes, frz_alloc_default(), BYTES_MAX);
  frz_sink *sink = NULL;
  ASSERT_OK(frz_sink_to_buf(frz_alloc_default(), &bytes, &sink, &error));
  frz_parquet_writer *writer = NULL;
  frz_arrow_field field = field_of("hollow", FRZ_ARROW_STRUCT, true);
  assert_int_equal(frz_parquet_writer_create(context, &field, 1, sink, NULL, &writer, &error),
                   FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "'hollow'"));
  assert_int_equal(frz_parquet_writer_create(context, &field, 0, sink, NULL, &writer, &error),
                   FRZ_ERR_UNSUPPORTED);
  field = field_of("broken", FRZ_ARROW_LIST, true);
  assert_int_equal(frz_parquet_writer_create(context, &field, 1, sink, NULL, &writer, &error),
                   FRZ_ERR_INVALID);
  field = field_of("wide", FRZ_ARROW_DECIMAL128, true);
  field.type.precision = 39;
  assert_int_equal(frz_parquet_writer_create(context, &field, 1, sink, NULL, &writer, &error),
                   FRZ_ERR_UNSUPPORTED);
  /* Deeper than the limit. */
  frz_arrow_field chain[FRZ_LIMIT_DEPTH + 1];
  for (int i = FRZ_LIMIT_DEPTH; i >= 0; i--) {
    chain[i] = field_of("deep", i == FRZ_LIMIT_DEPTH ? FRZ_ARROW_INT32 : FRZ_ARROW_LIST, true);
    chain[i].children = i == FRZ_LIMIT_DEPTH ? NULL : &chain[i + 1];
    chain[i].n_children = i == FRZ_LIMIT_DEPTH ? 0 : 1;
  }
  assert_int_equal(frz_parquet_writer_create(context, chain, 1, sink, NULL, &writer, &error),
                   FRZ_ERR_LIMIT);
  assert_null(writer);
  assert_int_equal(bytes.size, 0);
  frz_sink_free(sink);
  frz_buf_dispose(&bytes);
}

static void test_options_are_checked(void **state)
{
  (void)state;
  frz_error error = {0};
  written file = {0};
  frz_arrow_field field = field_of("a", FRZ_ARROW_INT32, true);
  frz_parquet_write_options bad[7];
  for (int i = 0; i < 7; i++) bad[i] = small_options();
  bad[0].row_group_rows_max = 0;
  bad[1].row_group_bytes = 0;
  bad[2].page_rows_max = 0;
  bad[3].page_bytes = 0;
  bad[4].dictionary_bytes = -1;
  bad[5].page_bytes = INT64_MAX;
  bad[6].codec = FRZ_PARQUET_LZO;
  for (int i = 0; i < 7; i++)
    assert_int_equal(write_file(&field, 1, NULL, 0, &bad[i], &file, NULL, &error),
                     i == 6 ? FRZ_ERR_UNSUPPORTED : FRZ_ERR_INVALID);
}

static void test_a_failed_writer_stays_failed(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_buf bytes;
  frz_buf_init(&bytes, frz_alloc_default(), BYTES_MAX);
  frz_sink *sink = NULL;
  frz_parquet_writer *writer = NULL;
  frz_arrow_field field = field_of("a", FRZ_ARROW_INT32, false);
  frz_arrow_field other = field_of("a", FRZ_ARROW_INT64, false);
  const int64_t value = 1;
  frz_batch good, bad;
  one_column(&field, &value, 4, 1, NULL, &good);
  one_column(&other, &value, 8, 1, NULL, &bad);
  ASSERT_OK(frz_sink_to_buf(frz_alloc_default(), &bytes, &sink, &error));
  ASSERT_OK(frz_parquet_writer_create(context, &field, 1, sink, NULL, &writer, &error));
  ASSERT_OK(frz_parquet_writer_write(writer, &good, &error));
  assert_int_equal(frz_parquet_writer_write(writer, &bad, &error), FRZ_ERR_INVALID);
  assert_int_equal(frz_parquet_writer_write(writer, &good, &error), FRZ_ERR_INVALID);
  assert_int_equal(frz_parquet_writer_finish(writer, NULL, &error), FRZ_ERR_INVALID);
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
  frz_buf_dispose(&bytes);
  frz_batch_dispose(&good);
  frz_batch_dispose(&bad);
}

/* ---- memory ---- */

static void test_memory_does_not_grow_with_the_file(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_buf bytes;
  frz_buf_init(&bytes, frz_alloc_default(), BYTES_MAX);
  frz_sink *sink = NULL;
  frz_parquet_writer *writer = NULL;
  frz_feed feed = {.state = 99};
  frz_arrow_field fields[2] = {field_of("a", FRZ_ARROW_INT64, false),
                               field_of("b", FRZ_ARROW_STRING, true)};
  frz_batch batch;
  fill_batch(&feed, fields, 2, 10000, &batch);
  frz_parquet_write_options options = small_options();
  options.codec = FRZ_PARQUET_SNAPPY; /* zstd holds a context for each thread that was ever busy */
  options.row_group_bytes = 100000;
  options.page_rows_max = 1000;
  ASSERT_OK(frz_sink_to_buf(frz_alloc_default(), &bytes, &sink, &error));
  ASSERT_OK(frz_parquet_writer_create(context, fields, 2, sink, &options, &writer, &error));
  size_t early = 0;
  for (int i = 0; i < 200; i++) {
    ASSERT_OK(frz_parquet_writer_write(writer, &batch, &error));
    if (i == 10) early = frz_parquet_writer_memory(writer);
  }
  assert_true(bytes.size > 4 * early);
  /* What grows is the index of pages alone. */
  assert_true(frz_parquet_writer_memory(writer) < early + bytes.size / 40);
  assert_true(frz_parquet_writer_bytes(writer) >= (int64_t)bytes.size);
  ASSERT_OK(frz_parquet_writer_flush(writer, &error));
  assert_int_equal(frz_parquet_writer_bytes(writer), (int64_t)bytes.size);
  assert_true(frz_parquet_writer_memory(writer) < bytes.size / 40);
  frz_parquet_write_summary summary;
  ASSERT_OK(frz_parquet_writer_finish(writer, &summary, &error));
  assert_int_equal(summary.n_rows, 2000000);
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
  frz_buf_dispose(&bytes);
  frz_batch_dispose(&batch);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_kind_comes_back),
      cmocka_unit_test(test_random_tables_come_back),
      cmocka_unit_test(test_row_groups_and_pages_end_where_asked),
      cmocka_unit_test(test_pages_end_by_size),
      cmocka_unit_test(test_a_large_record_is_one_page),
      cmocka_unit_test(test_dictionaries_are_kept_where_they_pay),
      cmocka_unit_test(test_distinct_strings_leave_the_dictionary),
      cmocka_unit_test(test_footer_says_who_wrote_it),
      cmocka_unit_test(test_bounds_of_numbers),
      cmocka_unit_test(test_bounds_of_floats),
      cmocka_unit_test(test_nans_are_counted),
      cmocka_unit_test(test_bounds_of_decimals),
      cmocka_unit_test(test_long_bounds_are_cut),
      cmocka_unit_test(test_bounds_span_pages_and_row_groups),
      cmocka_unit_test(test_times_are_scaled),
      cmocka_unit_test(test_values_that_do_not_fit_are_refused),
      cmocka_unit_test(test_nulls_in_required_fields_are_refused),
      cmocka_unit_test(test_schemas_that_parquet_lacks_are_refused),
      cmocka_unit_test(test_options_are_checked),
      cmocka_unit_test(test_a_failed_writer_stays_failed),
      cmocka_unit_test(test_memory_does_not_grow_with_the_file),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
