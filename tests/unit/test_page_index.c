/*
 * test_page_index.c - column indexes, bloom filters, and the pieces of a file that they take.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/endian.h"
#include "parquet/format/bloom_block.h"
#include "parquet/format/thrift.h"
#include "parquet/read/bloom_filter.h"
#include "parquet/read/file_pieces.h"
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

/* ---- column indexes ---- */

enum { PAGES = 3, PAGE_ROWS = 10 };

/* What to write; a NULL list is left out. */
typedef struct index_text {
  const char *nulls; /* '1' and '0', one a page */
  const frz_str *min, *max;
  int order; /* -1: left out */
  const int64_t *null_counts;
  size_t n; /* of entries */
} index_text;

static void write_binaries(frz_thrift_writer *thrift, int16_t id, const frz_str *items, size_t n)
{
  if (items == NULL) return;
  frz_thrift_write_list_field(thrift, id, FRZ_THRIFT_BINARY, n);
  for (size_t i = 0; i < n; i++) frz_thrift_write_binary(thrift, items[i]);
}

static void write_index(const index_text *text, frz_buf *out)
{
  frz_thrift_writer thrift;
  out->size = 0;
  frz_thrift_writer_init(&thrift, out);
  frz_thrift_write_struct_begin(&thrift);
  if (text->nulls != NULL) {
    frz_thrift_write_list_field(&thrift, 1, FRZ_THRIFT_TRUE, text->n);
    for (size_t i = 0; i < text->n; i++)
      assert_int_equal(frz_buf_append_byte(out, text->nulls[i] == '1' ? 1 : 2, NULL), FRZ_OK);
  }
  write_binaries(&thrift, 2, text->min, text->n);
  write_binaries(&thrift, 3, text->max, text->n);
  if (text->order >= 0) frz_thrift_write_i32_field(&thrift, 4, text->order);
  if (text->null_counts != NULL) {
    frz_thrift_write_list_field(&thrift, 5, FRZ_THRIFT_I64, text->n);
    for (size_t i = 0; i < text->n; i++) frz_thrift_write_i64(&thrift, text->null_counts[i]);
  }
  frz_thrift_write_struct_end(&thrift);
  assert_int_equal(frz_thrift_writer_finish(&thrift, NULL), FRZ_OK);
}

static const frz_page_place places_of_three[PAGES] = {
    {4, 10, 0}, {14, 10, PAGE_ROWS}, {24, 10, 2 * PAGE_ROWS}};
static const frz_page_places three_pages = {places_of_three, PAGES};

static const frz_parquet_statistics *parse(const frz_buf *bytes, const frz_parquet_node *leaf,
                                           frz_arena *arena)
{
  const frz_parquet_statistics *statistics = NULL;
  frz_error error = {0};
  frz_status st = frz_column_index_parse(bytes->data, bytes->size, leaf, &three_pages,
                                         PAGES * PAGE_ROWS, arena, &statistics, &error);
  if (st != FRZ_OK) fail_msg("%s", error.message);
  return statistics;
}

static const frz_str small_ints[PAGES] = {{"\1\0\0\0", 4}, {"", 0}, {"\7\0\0\0", 4}};
static const frz_str large_ints[PAGES] = {{"\5\0\0\0", 4}, {"", 0}, {"\11\0\0\0", 4}};
static const int64_t counts[PAGES] = {2, PAGE_ROWS, 0};

static const frz_parquet_node int_leaf = {
    .physical = FRZ_PARQUET_INT32, .is_leaf = true, .has_order = true, .max_definition_level = 1};

static void test_pages_have_their_bounds(void **state)
{
  (void)state;
  frz_buf bytes;
  frz_arena arena;
  frz_buf_init(&bytes, frz_alloc_default(), 1 << 16);
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  index_text text = {"010", small_ints, large_ints, 1, counts, PAGES};
  write_index(&text, &bytes);
  const frz_parquet_statistics *pages = parse(&bytes, &int_leaf, &arena);
  assert_non_null(pages);
  assert_true(pages[0].has_min && pages[0].has_max && !pages[0].min_exact && !pages[0].max_exact);
  assert_int_equal(frz_load_u32le(pages[0].min.data), 1);
  assert_int_equal(frz_load_u32le(pages[0].max.data), 5);
  assert_int_equal(pages[0].null_count, 2);
  assert_true(!pages[1].has_min && !pages[1].has_max);
  assert_int_equal(pages[1].null_count, PAGE_ROWS);
  assert_int_equal(frz_load_u32le(pages[2].max.data), 9);

  text.null_counts = NULL; /* a page of nulls is one all the same */
  write_index(&text, &bytes);
  pages = parse(&bytes, &int_leaf, &arena);
  assert_int_equal(pages[0].null_count, -1);
  assert_int_equal(pages[1].null_count, PAGE_ROWS);

  frz_parquet_node no_order = int_leaf;
  no_order.has_order = false;
  pages = parse(&bytes, &no_order, &arena);
  assert_true(!pages[0].has_min && !pages[0].has_max);
  frz_arena_free(&arena);
  frz_buf_dispose(&bytes);
}

static void test_bad_column_indexes_say_nothing(void **state)
{
  (void)state;
  const index_text cases[] = {
      {NULL, small_ints, large_ints, 1, counts, PAGES},
      {"010", NULL, large_ints, 1, counts, PAGES},
      {"010", small_ints, NULL, 1, counts, PAGES},
      {"010", small_ints, large_ints, -1, counts, PAGES},
      {"010", small_ints, large_ints, 3, counts, PAGES},
      {"01", small_ints, large_ints, 1, counts, PAGES - 1},
      {"", small_ints, large_ints, 1, counts, 0},
  };
  frz_buf bytes;
  frz_arena arena;
  frz_buf_init(&bytes, frz_alloc_default(), 1 << 16);
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    write_index(&cases[i], &bytes);
    if (parse(&bytes, &int_leaf, &arena) != NULL) fail_msg("case %zu", i);
  }
  index_text good = {"010", small_ints, large_ints, 1, counts, PAGES};
  write_index(&good, &bytes);
  for (size_t size = 0; size < bytes.size; size++) {
    uint8_t *exact = malloc(size + 1);
    memcpy(exact, bytes.data, size);
    const frz_parquet_statistics *statistics = NULL;
    assert_int_equal(frz_column_index_parse(exact, size, &int_leaf, &three_pages, PAGES * PAGE_ROWS,
                                            &arena, &statistics, NULL),
                     FRZ_OK);
    assert_null(statistics);
    free(exact);
  }
  frz_arena_free(&arena);
  frz_buf_dispose(&bytes);
}

/* A field that neither index knows, of lists that are nested deeper than anything is followed. */
static void test_indexes_nested_too_deep_say_nothing(void **state)
{
  (void)state;
  uint8_t bytes[2 + FRZ_LIMIT_DEPTH];
  memset(bytes, 0x19, sizeof bytes); /* a list of one list */
  bytes[0] = 0x69;                   /* field 6, a list */
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  const frz_parquet_statistics *statistics = NULL;
  assert_int_equal(frz_column_index_parse(bytes, sizeof bytes, &int_leaf, &three_pages,
                                          PAGES * PAGE_ROWS, &arena, &statistics, NULL),
                   FRZ_OK);
  assert_null(statistics);
  const frz_parquet_chunk chunk = {.data_page_offset = 4, .dictionary_page_offset = -1};
  frz_page_places places = three_pages;
  assert_int_equal(frz_offset_index_parse(bytes, sizeof bytes, &chunk, PAGES * PAGE_ROWS, 1 << 20,
                                          &arena, &places, NULL),
                   FRZ_OK);
  assert_int_equal(places.n_places, 0);
  frz_arena_free(&arena);
}

static void test_pages_that_contradict_themselves_are_unknown(void **state)
{
  (void)state;
  static const int64_t all_null[PAGES] = {PAGE_ROWS, PAGE_ROWS, 0};
  static const int64_t none_null[PAGES] = {2, 0, 0};
  static const int64_t too_many[PAGES] = {PAGE_ROWS + 1, PAGE_ROWS, -4};
  frz_buf bytes;
  frz_arena arena;
  frz_buf_init(&bytes, frz_alloc_default(), 1 << 16);
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  index_text text = {"010", small_ints, large_ints, 1, all_null, PAGES};
  write_index(&text, &bytes);
  const frz_parquet_statistics *pages = parse(&bytes, &int_leaf, &arena);
  assert_true(!pages[0].has_min && pages[0].null_count == -1);
  text.null_counts = none_null;
  write_index(&text, &bytes);
  pages = parse(&bytes, &int_leaf, &arena);
  assert_true(!pages[1].has_min && pages[1].null_count == -1);
  text.null_counts = too_many;
  write_index(&text, &bytes);
  pages = parse(&bytes, &int_leaf, &arena);
  assert_true(pages[0].null_count == -1 && pages[2].null_count == -1 && pages[2].has_min);
  frz_arena_free(&arena);
  frz_buf_dispose(&bytes);
}

/* NaN is no bound, a zero may be either zero, a text without a maximum is not an empty one. */
static void test_page_bounds_are_sifted(void **state)
{
  (void)state;
  double low[PAGES] = {0.0, 1.0, -1.0}, high[PAGES] = {1.0, (double)NAN, -0.0};
  frz_str min[PAGES], max[PAGES];
  for (size_t i = 0; i < PAGES; i++) {
    min[i] = (frz_str){(const char *)&low[i], sizeof low[i]};
    max[i] = (frz_str){(const char *)&high[i], sizeof high[i]};
  }
  frz_buf bytes;
  frz_arena arena;
  frz_buf_init(&bytes, frz_alloc_default(), 1 << 16);
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  index_text text = {"000", min, max, 0, NULL, PAGES};
  write_index(&text, &bytes);
  frz_parquet_node leaf = int_leaf;
  leaf.physical = FRZ_PARQUET_DOUBLE;
  const frz_parquet_statistics *pages = parse(&bytes, &leaf, &arena);
  double bound;
  memcpy(&bound, pages[0].min.data, sizeof bound);
  assert_true(bound == 0 && signbit(bound));
  assert_true(!pages[1].has_min && !pages[1].has_max);
  memcpy(&bound, pages[2].max.data, sizeof bound);
  assert_true(bound == 0 && !signbit(bound));

  static const frz_str low_texts[PAGES] = {{"", 0}, {"b", 1}, {"", 0}};
  static const frz_str high_texts[PAGES] = {{"a", 1}, {"", 0}, {"", 0}};
  text = (index_text){"000", low_texts, high_texts, 0, NULL, PAGES};
  write_index(&text, &bytes);
  leaf.physical = FRZ_PARQUET_BYTE_ARRAY;
  leaf.logical = FRZ_PARQUET_LOGICAL_STRING;
  pages = parse(&bytes, &leaf, &arena);
  assert_true(pages[0].has_min && pages[0].has_max);
  assert_true(pages[1].has_min && !pages[1].has_max && !pages[2].has_max);

  leaf.physical = FRZ_PARQUET_INT64; /* of another length */
  pages = parse(&bytes, &leaf, &arena);
  assert_true(!pages[0].has_min && !pages[0].has_max);
  frz_arena_free(&arena);
  frz_buf_dispose(&bytes);
}

/* ---- bloom filters ---- */

static uint8_t *read_fixture(const char *name, size_t *size_out)
{
  char root[4096], full[8192];
  if (!frz_test_fixtures(root)) return NULL;
  snprintf(full, sizeof full, "%s/parquet-testing/data/%s", root, name);
  uint8_t *data = frz_test_read(full, size_out);
  if (data == NULL) fail_msg("no fixture %s", full);
  return data;
}

static bool blocks_hold(const uint8_t *file, frz_bloom_filter filter, const char *text)
{
  uint64_t hash = frz_bloom_filter_hash(frz_str_from(text));
  const uint8_t *at =
      file + filter.offset + frz_bloom_block_of(hash, filter.n_blocks) * FRZ_BLOOM_BLOCK_BYTES;
  uint32_t block[FRZ_BLOOM_BLOCK_WORDS];
  for (size_t i = 0; i < FRZ_BLOOM_BLOCK_WORDS; i++) block[i] = frz_load_u32le(at + i * 4);
  return frz_bloom_block_check(block, hash);
}

/* A bare filter that another implementation wrote, of these four words. */
static void test_filter_of_another_implementation(void **state)
{
  (void)state;
  static const char *const held[] = {"hello", "parquet", "bloom", "filter"};
  static const char *const absent[] = {"", "Hello", "world", "parque", "filters", "iceberg"};
  size_t size;
  uint8_t *data = read_fixture("bloom_filter.xxhash.bin", &size);
  if (data == NULL) return;
  frz_bloom_filter filter = frz_bloom_filter_parse(data, size, 0, (int32_t)size, (int64_t)size);
  assert_int_equal(filter.n_blocks, 32);
  assert_int_equal(filter.offset + 1024, size);
  for (size_t i = 0; i < 4; i++) assert_true(blocks_hold(data, filter, held[i]));
  for (size_t i = 0; i < 6; i++) assert_false(blocks_hold(data, filter, absent[i]));
  /* The same from blocks made here. */
  uint32_t blocks[32][FRZ_BLOOM_BLOCK_WORDS] = {{0}};
  for (size_t i = 0; i < 4; i++) {
    uint64_t hash = frz_bloom_filter_hash(frz_str_from(held[i]));
    frz_bloom_block_insert(blocks[frz_bloom_block_of(hash, 32)], hash);
  }
  for (size_t i = 0; i < 32 * FRZ_BLOOM_BLOCK_WORDS; i++)
    assert_int_equal(frz_load_u32le(data + filter.offset + i * 4),
                     blocks[i / FRZ_BLOOM_BLOCK_WORDS][i % FRZ_BLOOM_BLOCK_WORDS]);
  free(data);
}

/* Unions of the header: the field that is set in each; 0: none. */
static size_t write_header(int32_t bytes, int algorithm, int hash, int compression, frz_buf *out)
{
  const int kinds[3] = {algorithm, hash, compression};
  frz_thrift_writer thrift;
  out->size = 0;
  frz_thrift_writer_init(&thrift, out);
  frz_thrift_write_struct_begin(&thrift);
  frz_thrift_write_i32_field(&thrift, 1, bytes);
  for (int i = 0; i < 3; i++) {
    frz_thrift_write_field(&thrift, (int16_t)(2 + i), FRZ_THRIFT_STRUCT);
    frz_thrift_write_struct_begin(&thrift);
    if (kinds[i] != 0) {
      frz_thrift_write_field(&thrift, (int16_t)kinds[i], FRZ_THRIFT_STRUCT);
      frz_thrift_write_struct_begin(&thrift);
      frz_thrift_write_struct_end(&thrift);
    }
    frz_thrift_write_struct_end(&thrift);
  }
  frz_thrift_write_struct_end(&thrift);
  assert_int_equal(frz_thrift_writer_finish(&thrift, NULL), FRZ_OK);
  return out->size;
}

static void test_headers_that_do_not_fit_are_no_filter(void **state)
{
  (void)state;
  static const struct {
    int64_t bytes;
    int algorithm, hash, compression;
    int32_t filter_bytes; /* beyond the header's; -1: not said */
    int64_t left;         /* of the file, behind the header */
    uint32_t n_blocks;
  } cases[] = {
      {32, 1, 1, 1, -1, 32, 1},
      {64, 1, 1, 1, 64, 64, 2},
      {96, 1, 1, 1, -1, 1000, 3}, /* not a power of two */
      {0, 1, 1, 1, -1, 64, 0},
      {-32, 1, 1, 1, -1, 64, 0},
      {48, 1, 1, 1, -1, 64, 0},
      {64, 1, 1, 1, -1, 63, 0},
      {64, 1, 1, 1, 63, 64, 0},
      {64, 2, 1, 1, -1, 64, 0},
      {64, 1, 2, 1, -1, 64, 0},
      {64, 1, 1, 2, -1, 64, 0},
      {64, 1, 0, 1, -1, 64, 0},
      {(int64_t)FRZ_LIMIT_BLOOM_BYTES, 1, 1, 1, -1, INT64_C(1) << 40,
       (uint32_t)(FRZ_LIMIT_BLOOM_BYTES / 32)},
      {(int64_t)FRZ_LIMIT_BLOOM_BYTES + 32, 1, 1, 1, -1, INT64_C(1) << 40, 0},
  };
  frz_buf bytes;
  frz_buf_init(&bytes, frz_alloc_default(), 1 << 10);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size = write_header((int32_t)cases[i].bytes, cases[i].algorithm, cases[i].hash,
                               cases[i].compression, &bytes);
    int32_t filter_bytes = cases[i].filter_bytes < 0 ? -1 : cases[i].filter_bytes + (int32_t)size;
    frz_bloom_filter filter = frz_bloom_filter_parse(bytes.data, size, 100, filter_bytes,
                                                     100 + (int64_t)size + cases[i].left);
    if (filter.n_blocks != cases[i].n_blocks) fail_msg("case %zu: %u", i, filter.n_blocks);
    if (filter.n_blocks != 0) assert_int_equal(filter.offset, 100 + size);
    for (size_t cut = 0; cut < size; cut++) {
      uint8_t *exact = malloc(cut + 1);
      memcpy(exact, bytes.data, cut);
      assert_int_equal(frz_bloom_filter_parse(exact, cut, 100, -1, INT64_C(1) << 41).n_blocks, 0);
      free(exact);
    }
  }
  frz_buf_dispose(&bytes);
}

/* Java's: a file of one column of words, with and without the filter's length in the footer. */
static void test_probes_of_a_file(void **state)
{
  (void)state;
  static const char *const names[] = {"data_index_bloom_encoding_stats.parquet",
                                      "data_index_bloom_encoding_with_length.parquet"};
  static const char *const words[] = {"Hello", "This is", "a",      "the lazy",
                                      "dog",   "absent",  "today?", ""};
  for (size_t f = 0; f < 2; f++) {
    size_t size;
    uint8_t *data = read_fixture(names[f], &size);
    if (data == NULL) return;
    frz_watched_source source;
    frz_watched_source_init(&source, data, size);
    frz_parquet_file *file;
    assert_int_equal(frz_parquet_file_open(context, &source.base, FRZ_STR("words"), &file, NULL),
                     FRZ_OK);
    const frz_parquet_metadata *metadata = frz_parquet_file_metadata(file);
    assert_true(frz_bloom_filter_exists(metadata, (frz_chunk_id){0, 0}));
    assert_int_equal(metadata->row_groups[0].chunks[0].bloom_filter_bytes > 0, f == 1);
    frz_bloom_probe probes[8];
    for (size_t i = 0; i < 8; i++)
      probes[i] = (frz_bloom_probe){{0, 0}, frz_bloom_filter_hash(frz_str_from(words[i])), false};
    source.n_calls = source.n_bytes = 0;
    assert_int_equal(frz_bloom_filter_probe(file, probes, 8, NULL), FRZ_OK);
    for (size_t i = 0; i < 8; i++) assert_int_equal(probes[i].may_contain, i < 5);
    assert_int_equal(source.n_calls, 2);
    frz_parquet_file_free(file);
    free(data);
  }
}

/* ---- pieces ---- */

static void test_pieces_are_what_stands_there(void **state)
{
  (void)state;
  enum { FILE_BYTES = 5000, PIECES = 40 };
  uint8_t data[FILE_BYTES];
  for (size_t i = 0; i < FILE_BYTES; i++) data[i] = (uint8_t)(i * 31 + i / 251);
  frz_watched_source source;
  frz_watched_source_init(&source, data, sizeof data);
  for (uint64_t seed = 1; seed < 200; seed++) {
    frz_feed feed = {.state = seed};
    frz_file_piece pieces[PIECES];
    size_t n = 1 + frz_feed_choose(&feed, PIECES);
    size_t gap = frz_feed_choose(&feed, 3) * 100;
    for (size_t i = 0; i < n; i++) {
      pieces[i].offset = (int64_t)frz_feed_choose(&feed, FILE_BYTES);
      size_t left = FILE_BYTES - (size_t)pieces[i].offset;
      pieces[i].size = 1 + frz_feed_choose(&feed, left < 200 ? left : 200);
    }
    frz_buf bytes;
    frz_buf_init(&bytes, frz_alloc_default(), 2 * FILE_BYTES);
    source.n_calls = 0;
    assert_int_equal(frz_file_pieces_read(&source.base, pieces, n, gap, &bytes, NULL), FRZ_OK);
    assert_int_equal(source.n_calls, 1);
    for (size_t i = 0; i < n; i++)
      assert_memory_equal(pieces[i].data, data + pieces[i].offset, pieces[i].size);
    frz_buf_dispose(&bytes);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pages_have_their_bounds),
      cmocka_unit_test(test_bad_column_indexes_say_nothing),
      cmocka_unit_test(test_indexes_nested_too_deep_say_nothing),
      cmocka_unit_test(test_pages_that_contradict_themselves_are_unknown),
      cmocka_unit_test(test_page_bounds_are_sifted),
      cmocka_unit_test(test_filter_of_another_implementation),
      cmocka_unit_test(test_headers_that_do_not_fit_are_no_filter),
      cmocka_unit_test(test_probes_of_a_file),
      cmocka_unit_test(test_pieces_are_what_stands_there),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
