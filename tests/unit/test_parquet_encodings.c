/*
 * test_parquet_encodings.c - the encodings, bloom filters and sorting columns that the Parquet
 * writer makes: values come back, and the encoding that suits the data is the one that is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/endian.h"
#include "codec/checksum.h"
#include "parquet/format/bloom_block.h"
#include "parquet/format/thrift.h"
#include "parquet/read/parquet_reader.h"
#include "parquet/write/encode_delta.h"
#include "parquet/write/encode_values.h"
#include "parquet/write/parquet_writer.h"
#include "random_columns.h"

enum { BYTES_MAX = 1 << 28, ARENA_MAX = 1 << 24 };

#define ASSERT_OK(call)                                             \
  do {                                                              \
    if ((call) != FRZ_OK) fail_msg("%s: %s", #call, error.message); \
  } while (0)

/* ---- help ---- */

static frz_context *make_context(int32_t n_threads)
{
  frz_context *context;
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = n_threads;
  assert_int_equal(frz_context_create(&options, &context, NULL), FRZ_OK);
  return context;
}

typedef struct written {
  frz_buf bytes;
  frz_arena arena;
  frz_parquet_metadata metadata;
} written;

static void dispose(written *file)
{
  frz_buf_dispose(&file->bytes);
  frz_arena_free(&file->arena);
}

static void write_file(int32_t n_threads, const frz_arrow_field *fields, size_t n_fields,
                       const frz_batch *batch, const frz_parquet_write_options *options,
                       written *file)
{
  frz_error error = {0};
  frz_context *context = make_context(n_threads);
  frz_sink *sink;
  frz_parquet_writer *writer;
  frz_buf_init(&file->bytes, frz_alloc_default(), BYTES_MAX);
  frz_arena_init(&file->arena, frz_alloc_default(), ARENA_MAX);
  ASSERT_OK(frz_sink_to_buf(frz_alloc_default(), &file->bytes, &sink, &error));
  ASSERT_OK(frz_parquet_writer_create(context, fields, n_fields, sink, options, &writer, &error));
  ASSERT_OK(frz_parquet_writer_write(writer, batch, &error));
  ASSERT_OK(frz_parquet_writer_finish(writer, NULL, &error));
  frz_parquet_writer_free(writer);
  frz_sink_free(sink);
  frz_context_free(context);
  const uint8_t *end = file->bytes.data + file->bytes.size;
  size_t footer = frz_load_u32le(end - 8);
  ASSERT_OK(frz_parquet_metadata_parse(end - 8 - footer, footer, (int64_t)file->bytes.size,
                                       &file->arena, &file->metadata, &error));
}

static void check_rows(const written *file, const frz_batch *batch)
{
  frz_error error = {0};
  frz_context *context = make_context(1);
  frz_source *source;
  frz_parquet_file *opened;
  frz_parquet_reader *reader;
  frz_parquet_read_options options = {.batch_rows_max = 97};
  ASSERT_OK(frz_source_from_memory(frz_alloc_default(), file->bytes.data, file->bytes.size, &source,
                                   &error));
  ASSERT_OK(frz_parquet_file_open(context, source, FRZ_STR("memory"), &opened, &error));
  ASSERT_OK(frz_parquet_reader_create(opened, &options, &reader, &error));
  int64_t row = 0;
  for (;;) {
    frz_batch got = {0};
    int64_t first;
    ASSERT_OK(frz_parquet_reader_next(reader, &got, &first, &error));
    int64_t n = got.n_rows;
    for (int64_t i = 0; i < n; i++, row++)
      for (size_t c = 0; c < got.n_columns; c++)
        if (!frz_column_values_equal(&got.columns[c], i, &batch->columns[c], row))
          fail_msg("column %zu row %lld is another", c, (long long)row);
    frz_batch_dispose(&got);
    if (n == 0) break;
  }
  assert_int_equal(row, batch->n_rows);
  frz_parquet_reader_free(reader);
  frz_parquet_file_free(opened);
  frz_context_free(context);
}

static frz_arrow_field field_of(frz_arrow_kind kind, bool nullable)
{
  return (frz_arrow_field){
      .name = FRZ_STR("c"), .nullable = nullable, .field_id = 7, .type = {.kind = kind}};
}

/* ---- every encoding, every type ---- */

static const frz_parquet_encoding all_encodings[] = {
    FRZ_PARQUET_PLAIN, FRZ_PARQUET_DELTA_BINARY_PACKED, FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY,
    FRZ_PARQUET_DELTA_BYTE_ARRAY, FRZ_PARQUET_BYTE_STREAM_SPLIT};
enum { N_ENCODINGS = sizeof all_encodings / sizeof *all_encodings };

static bool is_written(frz_parquet_physical physical, frz_parquet_encoding encoding)
{
  bool is_int = physical == FRZ_PARQUET_INT32 || physical == FRZ_PARQUET_INT64;
  bool is_fixed = physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY;
  switch (encoding) {
  case FRZ_PARQUET_DELTA_BINARY_PACKED: return is_int;
  case FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY: return physical == FRZ_PARQUET_BYTE_ARRAY;
  case FRZ_PARQUET_DELTA_BYTE_ARRAY: return physical == FRZ_PARQUET_BYTE_ARRAY || is_fixed;
  case FRZ_PARQUET_BYTE_STREAM_SPLIT:
    return is_int || is_fixed || physical == FRZ_PARQUET_FLOAT || physical == FRZ_PARQUET_DOUBLE;
  default: return true;
  }
}

/* What the footer says of encodings is what the option asked for, where there are values. */
static void check_encodings(const written *file, frz_parquet_encoding encoding)
{
  for (size_t g = 0; g < file->metadata.n_row_groups; g++)
    for (size_t i = 0; i < file->metadata.n_leaves; i++) {
      const frz_parquet_chunk *chunk = &file->metadata.row_groups[g].chunks[i];
      const frz_parquet_node *leaf = file->metadata.leaves[i];
      bool has_it = (chunk->encodings & 1u << encoding) != 0;
      bool has_values = chunk->statistics.null_count < chunk->n_values;
      if (!is_written(leaf->physical, encoding))
        assert_true(!has_it || encoding == FRZ_PARQUET_DELTA_BINARY_PACKED);
      else if (has_values)
        assert_true(has_it);
    }
}

static void test_every_kind_in_every_encoding(void **state)
{
  (void)state;
  static const int64_t row_counts[] = {0, 1, 33, 700};
  for (int kind = FRZ_ARROW_NULL; kind <= FRZ_ARROW_MAP; kind++) {
    if (kind == FRZ_ARROW_DURATION) continue;
    for (size_t e = 0; e < N_ENCODINGS; e++)
      for (size_t r = 0; r < sizeof row_counts / sizeof *row_counts; r++) {
        frz_error error = {0};
        frz_feed feed = {.state = 7919 + (uint64_t)kind * 31 + e * 7 + r};
        frz_arena arena;
        frz_arrow_field field;
        frz_batch batch;
        int32_t next_id = 1;
        frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
        assert_true(frz_random_field(&feed, &arena, (frz_arrow_kind)kind, 1, &next_id, &field));
        ASSERT_OK(frz_batch_init(&batch, &field, 1, frz_alloc_default(), &error));
        ASSERT_OK(frz_random_rows(&feed, &field, batch.columns, row_counts[r], &error));
        batch.n_rows = row_counts[r];
        frz_parquet_write_options options;
        frz_parquet_write_options_init(&options);
        options.force_encoding = true;
        options.forced_encoding = all_encodings[e];
        for (int version = 0; version < 2; version++) {
          options.data_page_v2 = version != 0;
          options.page_rows_max = version != 0 ? 300 : 3;
          options.codec = version != 0 ? FRZ_PARQUET_UNCOMPRESSED : FRZ_PARQUET_SNAPPY;
          written file;
          write_file(2, &field, 1, &batch, &options, &file);
          check_rows(&file, &batch);
          check_encodings(&file, all_encodings[e]);
          dispose(&file);
        }
        frz_batch_dispose(&batch);
        frz_arena_free(&arena);
      }
  }
}

static void test_differences_of_all_sizes_come_back(void **state)
{
  (void)state;
  static const size_t counts[] = {0, 1, 2, 32, 33, 34, 128, 129, 130, 257, 1000};
  for (unsigned bits = 1; bits <= 64; bits++)
    for (size_t width = 4; width <= 8; width += 4)
      for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        frz_error error = {0};
        frz_feed feed = {.state = bits * 977 + counts[c] + 1};
        frz_arrow_field field = field_of(width == 4 ? FRZ_ARROW_INT32 : FRZ_ARROW_INT64, false);
        frz_batch batch;
        ASSERT_OK(frz_batch_init(&batch, &field, 1, frz_alloc_default(), &error));
        for (size_t i = 0; i < counts[c]; i++) {
          /* The bits of the greatest difference; every width, and sums that wrap. */
          uint64_t value = frz_feed_choose(&feed, UINT64_MAX) << 3 | (i & 7);
          value = (bits < 64 ? value & (((uint64_t)1 << bits) - 1) : value) + i;
          ASSERT_OK(frz_column_append_value(batch.columns, &value, width, &error));
        }
        batch.n_rows = (int64_t)counts[c];
        frz_parquet_write_options options;
        frz_parquet_write_options_init(&options);
        options.force_encoding = true;
        options.forced_encoding = FRZ_PARQUET_DELTA_BINARY_PACKED;
        written file;
        write_file(1, &field, 1, &batch, &options, &file);
        check_rows(&file, &batch);
        dispose(&file);
        frz_batch_dispose(&batch);
      }
}

/* The example of the format's description: 1 to 5, of which each differs by one from the last. */
static void test_the_bytes_of_a_delta_block(void **state)
{
  (void)state;
  static const int32_t rising[] = {1, 2, 3, 4, 5};
  static const int32_t mixed[] = {7, 5, 3, 1, 2, 3, 4, 5};
  static const uint8_t of_rising[] = {0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0};
  /* Least difference -2; above it 0 0 0 3 3 3 3 in two bits, filled up to 32 values. */
  static const uint8_t of_mixed[] = {0x80, 1,    4,    8, 14, 3, 2, 0, 0,
                                     0,    0xc0, 0x3f, 0, 0,  0, 0, 0, 0};
  frz_error error = {0};
  frz_buf out;
  frz_buf_init(&out, frz_alloc_default(), BYTES_MAX);
  ASSERT_OK(frz_delta_encode((const uint8_t *)rising, 5, 4, &out, &error));
  assert_int_equal(out.size, sizeof of_rising);
  assert_memory_equal(out.data, of_rising, sizeof of_rising);
  out.size = 0;
  ASSERT_OK(frz_delta_encode((const uint8_t *)mixed, 8, 4, &out, &error));
  assert_int_equal(out.size, sizeof of_mixed);
  assert_memory_equal(out.data, of_mixed, sizeof of_mixed);
  frz_buf_dispose(&out);
}

/* ---- the choice ---- */

typedef void fill(frz_column *column, int64_t i);

static void put(frz_column *column, const void *value, size_t size)
{
  assert_int_equal(frz_column_append_value(column, value, size, NULL), FRZ_OK);
}

static uint64_t scramble(int64_t i)
{
  uint64_t x = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
  return x ^ x >> 32;
}

static void fill_rising(frz_column *column, int64_t i)
{
  int64_t value = 1700000000000000 + i * 1000003 + (int64_t)(scramble(i) % 5000);
  put(column, &value, 8);
}

static void fill_rising_twice(frz_column *column, int64_t i)
{
  fill_rising(column, i / 2);
}

static void fill_scrambled(frz_column *column, int64_t i)
{
  uint64_t value = scramble(i);
  put(column, &value, 8);
}

static void fill_few(frz_column *column, int64_t i)
{
  uint64_t value = scramble((int64_t)(scramble(i) % 50));
  put(column, &value, 8);
}

static void fill_paths(frz_column *column, int64_t i)
{
  char text[64];
  int n = snprintf(text, sizeof text, "/warehouse/events/day=2024-01-%02d/part-%08lld",
                   (int)(i / 5000), (long long)i);
  put(column, text, (size_t)n);
}

static void fill_words(frz_column *column, int64_t i)
{
  char text[64];
  uint64_t bits = scramble(i);
  size_t n = 3 + bits % 20;
  for (size_t k = 0; k < n; k++) text[k] = (char)('a' + (scramble((int64_t)(bits + k)) >> 20) % 26);
  put(column, text, n);
}

static void fill_measures(frz_column *column, int64_t i)
{
  double value = 20.0 + (double)(scramble(i) >> 12) / 1e15;
  put(column, &value, 8);
}

/* Strings of every length up to 40, moved in wide steps, are those that are moved one by one. The
 * bytes end with the block, so that the sanitizer sees a step that is too wide. */
static void test_short_strings_are_moved_whole(void **state)
{
  (void)state;
  enum { N = 82 };
  frz_error error = {0};
  int32_t offsets[N + 1] = {0};
  int64_t every_third[N];
  uint8_t wanted[8192];
  frz_buf plain, one_by_one, lengths, delta;
  frz_buf *bufs[] = {&plain, &one_by_one, &lengths, &delta};
  for (size_t i = 0; i < 4; i++) frz_buf_init(bufs[i], frz_alloc_default(), BYTES_MAX);
  for (int32_t i = 0; i < N; i++) offsets[i + 1] = offsets[i] + i / 2;
  uint8_t *filled = frz_alloc_new(frz_alloc_default(), (size_t)offsets[N]);
  for (int32_t i = 0; i < offsets[N]; i++) filled[i] = (uint8_t)(i * 7 + 1);
  for (int64_t i = 0; i < N / 3; i++) every_third[i] = 3 * i;
  frz_leaf_plan plan = {.stored = FRZ_STORED_BYTES};
  for (int64_t first = 0; first <= N; first++) {
    bool is_gathered = first == N;
    frz_value_view view = {.n = is_gathered ? N / 3 : (size_t)(N - first),
                           .offsets = offsets,
                           .bytes = filled,
                           .bytes_end = filled + offsets[N],
                           .rows = is_gathered ? every_third : NULL,
                           .first_row = first};
    size_t size = 0;
    for (size_t i = 0; i < view.n; i++) {
      frz_str value = frz_value_view_bytes(&view, i);
      memcpy(wanted + size, value.data, value.size);
      size += value.size;
    }
    plain.size = one_by_one.size = delta.size = 0;
    ASSERT_OK(frz_values_plain(&plan, &view, &plain, &error));
    view.bytes_end = NULL;
    ASSERT_OK(frz_values_plain(&plan, &view, &one_by_one, &error));
    assert_int_equal(plain.size, size + 4 * view.n);
    assert_int_equal(one_by_one.size, plain.size);
    assert_memory_equal(plain.data, one_by_one.data, plain.size);
    /* In DELTA_LENGTH_BYTE_ARRAY the strings follow one another at the end. */
    uint8_t *exact = frz_alloc_new(frz_alloc_default(), plain.size);
    memcpy(exact, plain.data, plain.size);
    ASSERT_OK(frz_delta_length_encode(exact, view.n, &lengths, &delta, &error));
    frz_alloc_free(frz_alloc_default(), exact, plain.size);
    assert_true(delta.size > size);
    if (size != 0) assert_memory_equal(delta.data + delta.size - size, wanted, size);
  }
  frz_alloc_free(frz_alloc_default(), filled, (size_t)offsets[N]);
  for (size_t i = 0; i < 4; i++) frz_buf_dispose(bufs[i]);
}

static void test_data_choose_their_encoding(void **state)
{
  (void)state;
  enum { DICTIONARY = FRZ_PARQUET_RLE_DICTIONARY };
  static const struct {
    const char *name;
    frz_arrow_kind kind;
    fill *fill;
    frz_encoding_set allowed;
    int expected;
  } cases[] = {
      {"rising", FRZ_ARROW_INT64, fill_rising, FRZ_ENCODINGS_DELTA,
       FRZ_PARQUET_DELTA_BINARY_PACKED},
      {"rising, basic", FRZ_ARROW_INT64, fill_rising, FRZ_ENCODINGS_BASIC, FRZ_PARQUET_PLAIN},
      {"rising twice", FRZ_ARROW_INT64, fill_rising_twice, FRZ_ENCODINGS_DELTA,
       FRZ_PARQUET_DELTA_BINARY_PACKED},
      {"rising twice, basic", FRZ_ARROW_INT64, fill_rising_twice, FRZ_ENCODINGS_BASIC,
       FRZ_PARQUET_PLAIN},
      {"scrambled", FRZ_ARROW_INT64, fill_scrambled, FRZ_ENCODINGS_DELTA, FRZ_PARQUET_PLAIN},
      {"few", FRZ_ARROW_INT64, fill_few, FRZ_ENCODINGS_ALL, DICTIONARY},
      {"paths", FRZ_ARROW_STRING, fill_paths, FRZ_ENCODINGS_DELTA, FRZ_PARQUET_DELTA_BYTE_ARRAY},
      {"paths, basic", FRZ_ARROW_STRING, fill_paths, FRZ_ENCODINGS_BASIC, FRZ_PARQUET_PLAIN},
      {"words", FRZ_ARROW_STRING, fill_words, FRZ_ENCODINGS_DELTA,
       FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY},
      {"measures", FRZ_ARROW_FLOAT64, fill_measures, FRZ_ENCODINGS_DELTA, FRZ_PARQUET_PLAIN},
      {"measures, all", FRZ_ARROW_FLOAT64, fill_measures, FRZ_ENCODINGS_ALL,
       FRZ_PARQUET_BYTE_STREAM_SPLIT},
      {"few measures", FRZ_ARROW_FLOAT64, fill_few, FRZ_ENCODINGS_ALL, DICTIONARY},
  };
  enum { N_ROWS = 30000 };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    frz_error error = {0};
    frz_arrow_field field = field_of(cases[i].kind, false);
    frz_batch batch;
    ASSERT_OK(frz_batch_init(&batch, &field, 1, frz_alloc_default(), &error));
    for (int64_t row = 0; row < N_ROWS; row++) cases[i].fill(batch.columns, row);
    batch.n_rows = N_ROWS;
    frz_parquet_write_options options;
    frz_parquet_write_options_init(&options);
    options.encodings = cases[i].allowed;
    written file;
    write_file(2, &field, 1, &batch, &options, &file);
    check_rows(&file, &batch);
    uint32_t encodings = file.metadata.row_groups[0].chunks[0].encodings;
    uint32_t expected = 1u << cases[i].expected | 1u << FRZ_PARQUET_RLE;
    if (cases[i].expected == DICTIONARY) expected |= 1u << FRZ_PARQUET_PLAIN;
    if (encodings != expected)
      fail_msg("%s: encodings %x, not %x", cases[i].name, encodings, expected);
    /* Whatever was chosen is not larger than PLAIN. */
    int64_t chosen_bytes = file.metadata.row_groups[0].chunks[0].compressed_bytes;
    dispose(&file);
    options.force_encoding = true;
    options.forced_encoding = FRZ_PARQUET_PLAIN;
    write_file(2, &field, 1, &batch, &options, &file);
    assert_true(chosen_bytes <= file.metadata.row_groups[0].chunks[0].compressed_bytes);
    dispose(&file);
    frz_batch_dispose(&batch);
  }
}

/* ---- threads ---- */

static void test_bytes_do_not_depend_on_threads(void **state)
{
  (void)state;
  enum { N_FIELDS = 12, N_ROWS = 3000 };
  for (uint64_t seed = 1; seed <= 3; seed++) {
    frz_feed feed = {.state = seed * 7907};
    frz_arena arena;
    frz_arrow_field fields[N_FIELDS];
    frz_batch batch;
    frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
    assert_int_equal(frz_random_batch(&feed, &arena, 0, fields, N_FIELDS, N_ROWS, &batch), FRZ_OK);
    frz_parquet_write_options options;
    frz_parquet_write_options_init(&options);
    options.page_rows_max = 450;
    options.row_group_rows_max = 1100;
    options.encodings = FRZ_ENCODINGS_ALL;
    written alone;
    write_file(1, fields, N_FIELDS, &batch, &options, &alone);
    for (int32_t n_threads = 2; n_threads <= 4; n_threads++) {
      written file;
      write_file(n_threads, fields, N_FIELDS, &batch, &options, &file);
      assert_int_equal(file.bytes.size, alone.bytes.size);
      assert_memory_equal(file.bytes.data, alone.bytes.data, alone.bytes.size);
      dispose(&file);
    }
    dispose(&alone);
    frz_batch_dispose(&batch);
    frz_arena_free(&arena);
  }
}

/* ---- bloom filters ---- */

/* Where the footer says that the filter of the first chunk of a row group lies; NULL: none. */
typedef struct found_bloom {
  const uint32_t *blocks;
  uint32_t n_blocks;
} found_bloom;

static frz_status skip_to(frz_thrift_reader *reader, int16_t id, frz_thrift_type *type_out)
{
  for (;;) {
    int16_t found;
    FRZ_TRY(frz_thrift_field(reader, &found, type_out, NULL));
    if (*type_out == FRZ_THRIFT_STOP || found == id) return FRZ_OK;
    FRZ_TRY(frz_thrift_skip(reader, *type_out, NULL));
  }
}

/* Fields of the footer by hand: it must not be our own reader that finds the filter. */
static bool find_bloom(const written *file, size_t group, int64_t *offset_out, int32_t *bytes_out)
{
  const uint8_t *end = file->bytes.data + file->bytes.size;
  size_t footer = frz_load_u32le(end - 8);
  frz_thrift_reader reader;
  frz_thrift_type type;
  size_t n;
  frz_thrift_reader_init(&reader, end - 8 - footer, footer);
  assert_int_equal(frz_thrift_struct_begin(&reader, NULL), FRZ_OK);
  assert_int_equal(skip_to(&reader, 4, &type), FRZ_OK);
  assert_int_equal(frz_thrift_list_begin(&reader, &type, &n, NULL), FRZ_OK);
  assert_in_range(group, 0, n - 1);
  for (size_t i = 0; i < group; i++)
    assert_int_equal(frz_thrift_skip(&reader, FRZ_THRIFT_STRUCT, NULL), FRZ_OK);
  assert_int_equal(frz_thrift_struct_begin(&reader, NULL), FRZ_OK);
  assert_int_equal(skip_to(&reader, 1, &type), FRZ_OK);
  assert_int_equal(frz_thrift_list_begin(&reader, &type, &n, NULL), FRZ_OK);
  assert_int_equal(frz_thrift_struct_begin(&reader, NULL), FRZ_OK);
  assert_int_equal(skip_to(&reader, 3, &type), FRZ_OK);
  assert_int_equal(frz_thrift_struct_begin(&reader, NULL), FRZ_OK);
  assert_int_equal(skip_to(&reader, 14, &type), FRZ_OK);
  if (type == FRZ_THRIFT_STOP) return false;
  assert_int_equal(frz_thrift_read_i64(&reader, offset_out, NULL), FRZ_OK);
  assert_int_equal(skip_to(&reader, 15, &type), FRZ_OK);
  assert_int_equal(type, FRZ_THRIFT_I32);
  assert_int_equal(frz_thrift_read_i32(&reader, bytes_out, NULL), FRZ_OK);
  return true;
}

static bool read_bloom(const written *file, size_t group, found_bloom *bloom_out)
{
  int64_t offset;
  int32_t bytes;
  if (!find_bloom(file, group, &offset, &bytes)) return false;
  assert_in_range(offset, 4, file->bytes.size - (size_t)bytes);
  /* numBytes, then three unions whose first choice is taken. */
  static const uint8_t choices[] = {0x1c, 0x1c, 0, 0, 0x1c, 0x1c, 0, 0, 0x1c, 0x1c, 0, 0, 0};
  const uint8_t *at = file->bytes.data + offset;
  frz_thrift_reader reader;
  frz_thrift_type type;
  int32_t n_bytes;
  frz_thrift_reader_init(&reader, at, (size_t)bytes);
  assert_int_equal(frz_thrift_struct_begin(&reader, NULL), FRZ_OK);
  assert_int_equal(skip_to(&reader, 1, &type), FRZ_OK);
  assert_int_equal(frz_thrift_read_i32(&reader, &n_bytes, NULL), FRZ_OK);
  size_t header = (size_t)(bytes - n_bytes);
  assert_true(header > sizeof choices);
  assert_memory_equal(at + header - sizeof choices, choices, sizeof choices);
  assert_true(n_bytes >= 32 && (n_bytes & (n_bytes - 1)) == 0);
  uint32_t *copy = frz_arena_array(&((written *)(uintptr_t)file)->arena, (size_t)n_bytes / 4, 4);
  memcpy(copy, at + header, (size_t)n_bytes);
  *bloom_out = (found_bloom){copy, (uint32_t)n_bytes / FRZ_BLOOM_BLOCK_BYTES};
  return true;
}

static bool may_hold(const found_bloom *bloom, const void *value, size_t size)
{
  uint64_t hash = frz_xxh64(value, size, 0);
  size_t block = frz_bloom_block_of(hash, bloom->n_blocks);
  return frz_bloom_block_check(bloom->blocks + block * FRZ_BLOOM_BLOCK_WORDS, hash);
}

static void write_longs(int64_t n_rows, int64_t n_distinct, frz_parquet_write_options *options,
                        written *file)
{
  frz_error error = {0};
  frz_arrow_field field = field_of(FRZ_ARROW_INT64, true);
  frz_batch batch;
  ASSERT_OK(frz_batch_init(&batch, &field, 1, frz_alloc_default(), &error));
  for (int64_t i = 0; i < n_rows; i++) {
    uint64_t value = scramble(i % n_distinct);
    if (i % 10 == 3)
      ASSERT_OK(frz_column_append_nulls(batch.columns, 1, &error));
    else
      put(batch.columns, &value, 8);
  }
  batch.n_rows = n_rows;
  write_file(2, &field, 1, &batch, options, file);
  check_rows(file, &batch);
  frz_batch_dispose(&batch);
}

/* The size follows the distinct values; every value is found, and of others about as many as asked
 * for. */
static void test_bloom_filters_fit_their_values(void **state)
{
  (void)state;
  static const struct {
    int64_t n_rows, n_distinct;
    double fpp;
    int64_t ndv, bytes_max;
    size_t bytes_least, bytes_most;
    double rate_most;
  } cases[] = {
      {10, 10, 0.01, 0, 1 << 20, 32, 32, 0.02},
      {5000, 5000, 0.01, 0, 1 << 20, 4096, 8192, 0.012},
      {5000, 5000, 0.0001, 0, 1 << 20, 8192, 32768, 0.0005},
      {5000, 5000, 0.3, 0, 1 << 20, 1024, 4096, 0.35},
      {20000, 40, 0.01, 0, 1 << 20, 32, 64, 0.02},  /* a dictionary */
      {40000, 40000, 0.01, 0, 1000, 512, 512, 1.0}, /* the greatest size is a limit */
      {40000, 40000, 0.01, 40000, 1 << 20, 32768, 65536, 0.012},
      {40000, 40000, 0.01, 10, 1 << 20, 32, 32, 1.0}, /* as was asked for */
      {100, 100, 0.01, 1000000, 1 << 20, 64, 256, 0.02},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
    for (int dictionary = 0; dictionary < 2; dictionary++) {
      frz_parquet_bloom_option bloom = {7, cases[c].fpp, cases[c].ndv};
      frz_parquet_write_options options;
      frz_parquet_write_options_init(&options);
      options.blooms = &bloom;
      options.n_blooms = 1;
      options.bloom_bytes_max = cases[c].bytes_max;
      if (dictionary == 0) options.dictionary_bytes = 0;
      written file;
      write_longs(cases[c].n_rows, cases[c].n_distinct, &options, &file);
      found_bloom found = {0};
      assert_true(read_bloom(&file, 0, &found));
      size_t bytes = (size_t)found.n_blocks * FRZ_BLOOM_BLOCK_BYTES;
      if (bytes < cases[c].bytes_least || bytes > cases[c].bytes_most)
        fail_msg("case %zu: %zu bytes", c, bytes);
      for (int64_t i = 0; i < cases[c].n_rows; i++) {
        uint64_t value = scramble(i % cases[c].n_distinct);
        if (i % 10 != 3) assert_true(may_hold(&found, &value, 8));
      }
      int n_wrong = 0;
      for (int64_t i = 0; i < 20000; i++) {
        uint64_t value = scramble(1000000 + i);
        n_wrong += may_hold(&found, &value, 8);
      }
      if (n_wrong > cases[c].rate_most * 20000) fail_msg("case %zu: %d false", c, n_wrong);
      dispose(&file);
    }
}

static void test_each_row_group_has_its_filter(void **state)
{
  (void)state;
  frz_parquet_bloom_option bloom = {7, 0.001, 0};
  frz_parquet_write_options options;
  frz_parquet_write_options_init(&options);
  options.blooms = &bloom;
  options.n_blooms = 1;
  options.row_group_rows_max = 1000;
  written file;
  write_longs(3000, 3000, &options, &file);
  for (size_t group = 0; group < 3; group++) {
    found_bloom found = {0};
    assert_true(read_bloom(&file, group, &found));
    int n_found = 0;
    for (int64_t i = 0; i < 3000; i++) {
      uint64_t value = scramble(i);
      bool is_here = i / 1000 == (int64_t)group && i % 10 != 3;
      bool holds = may_hold(&found, &value, 8);
      assert_true(holds || !is_here);
      n_found += holds;
    }
    assert_in_range(n_found, 900, 910);
  }
  dispose(&file);
}

/* Equal numbers are found whatever their bits; other columns and booleans have no filter. */
static void test_bloom_filters_of_other_types(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_parquet_bloom_option bloom = {7, 0.01, 0};
  frz_parquet_write_options options;
  frz_parquet_write_options_init(&options);
  options.blooms = &bloom;
  options.n_blooms = 1;
  written file;
  found_bloom found = {0};
  frz_batch batch;

  frz_arrow_field field = field_of(FRZ_ARROW_FLOAT64, false);
  const double numbers[] = {-0.0, 1.5, __builtin_nan("")};
  const double same[] = {-0.0, 0.0, 1.5, __builtin_nan(""), -__builtin_nan("")};
  ASSERT_OK(frz_batch_init(&batch, &field, 1, frz_alloc_default(), &error));
  for (size_t i = 0; i < 3; i++) put(batch.columns, &numbers[i], 8);
  batch.n_rows = 3;
  write_file(1, &field, 1, &batch, &options, &file);
  assert_true(read_bloom(&file, 0, &found));
  for (size_t i = 0; i < 5; i++) assert_true(may_hold(&found, &same[i], 8));
  dispose(&file);
  frz_batch_dispose(&batch);

  field = field_of(FRZ_ARROW_STRING, false);
  static const char *const texts[] = {"", "a",
                                      "a longer text than thirty-two bytes, hashed by blocks"};
  ASSERT_OK(frz_batch_init(&batch, &field, 1, frz_alloc_default(), &error));
  for (size_t i = 0; i < 3; i++) put(batch.columns, texts[i], strlen(texts[i]));
  batch.n_rows = 3;
  write_file(1, &field, 1, &batch, &options, &file);
  assert_true(read_bloom(&file, 0, &found));
  for (size_t i = 0; i < 3; i++) assert_true(may_hold(&found, texts[i], strlen(texts[i])));
  dispose(&file);
  bloom.field_id = 8; /* another column */
  write_file(1, &field, 1, &batch, &options, &file);
  assert_false(read_bloom(&file, 0, &found));
  dispose(&file);
  bloom.field_id = 7;
  frz_batch_dispose(&batch);

  field = field_of(FRZ_ARROW_BOOL, true);
  ASSERT_OK(frz_batch_init(&batch, &field, 1, frz_alloc_default(), &error));
  put(batch.columns, "\1", 1);
  batch.n_rows = 1;
  write_file(1, &field, 1, &batch, &options, &file);
  assert_false(read_bloom(&file, 0, &found));
  dispose(&file);
  frz_batch_dispose(&batch);

  field = field_of(FRZ_ARROW_INT32, true); /* nulls alone */
  ASSERT_OK(frz_batch_init(&batch, &field, 1, frz_alloc_default(), &error));
  ASSERT_OK(frz_column_append_nulls(batch.columns, 5, &error));
  batch.n_rows = 5;
  write_file(1, &field, 1, &batch, &options, &file);
  assert_false(read_bloom(&file, 0, &found));
  dispose(&file);
  frz_batch_dispose(&batch);
}

/* ---- options ---- */

static void test_wrong_options_are_refused(void **state)
{
  (void)state;
  static const struct {
    double fpp;
    int64_t ndv;
    int32_t sorting_id;
    frz_status expected;
  } cases[] = {{0.01, 0, 7, FRZ_OK},           {0.0, 0, 7, FRZ_ERR_INVALID},
               {1.0, 0, 7, FRZ_ERR_INVALID},   {-1.0, 0, 7, FRZ_ERR_INVALID},
               {0.01, -1, 7, FRZ_ERR_INVALID}, {0.01, 0, 8, FRZ_ERR_INVALID},
               {0.01, 0, -1, FRZ_ERR_INVALID}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    frz_error error = {0};
    frz_context *context = make_context(1);
    frz_arrow_field field = field_of(FRZ_ARROW_INT32, false);
    frz_parquet_bloom_option bloom = {7, cases[i].fpp, cases[i].ndv};
    frz_parquet_sorting_column sorting = {cases[i].sorting_id, false, true};
    frz_parquet_write_options options;
    frz_parquet_write_options_init(&options);
    options.blooms = &bloom;
    options.n_blooms = 1;
    options.sorting = &sorting;
    options.n_sorting = 1;
    frz_buf bytes;
    frz_sink *sink;
    frz_parquet_writer *writer = NULL;
    frz_buf_init(&bytes, frz_alloc_default(), BYTES_MAX);
    ASSERT_OK(frz_sink_to_buf(frz_alloc_default(), &bytes, &sink, &error));
    assert_int_equal(frz_parquet_writer_create(context, &field, 1, sink, &options, &writer, &error),
                     cases[i].expected);
    frz_parquet_writer_free(writer);
    frz_sink_free(sink);
    frz_buf_dispose(&bytes);
    frz_context_free(context);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_kind_in_every_encoding),
      cmocka_unit_test(test_differences_of_all_sizes_come_back),
      cmocka_unit_test(test_the_bytes_of_a_delta_block),
      cmocka_unit_test(test_short_strings_are_moved_whole),
      cmocka_unit_test(test_data_choose_their_encoding),
      cmocka_unit_test(test_bytes_do_not_depend_on_threads),
      cmocka_unit_test(test_bloom_filters_fit_their_values),
      cmocka_unit_test(test_each_row_group_has_its_filter),
      cmocka_unit_test(test_bloom_filters_of_other_types),
      cmocka_unit_test(test_wrong_options_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
