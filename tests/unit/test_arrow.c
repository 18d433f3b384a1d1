/*
 * test_arrow.c - columns: built, taken from, filtered, exported; foreign arrays and streams.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arrow/arrow_format.h"
#include "arrow/arrow_import.h"
#include "arrow/arrow_stream.h"
#include "arrow/bit_copy.h"
#include "random_columns.h"

enum { ARENA_MAX = 1 << 24 };

#define ASSERT_OK(call)                                             \
  do {                                                              \
    if ((call) != FRZ_OK) fail_msg("%s: %s", #call, error.message); \
  } while (0)

/* ---- columns of random types ---- */

typedef struct sample {
  frz_arena arena;
  frz_arrow_field field;
  frz_column column;
} sample;

static void make_sample(sample *self, uint64_t seed, int64_t n_rows)
{
  frz_feed feed = {.state = seed};
  int32_t next_id = 1;
  frz_error error = {0};
  frz_arena_init(&self->arena, frz_alloc_default(), ARENA_MAX);
  assert_true(frz_random_field(&feed, &self->arena, frz_random_kind(&feed, true), 0, &next_id,
                               &self->field));
  ASSERT_OK(frz_column_init(&self->column, &self->field, frz_alloc_default(), &error));
  ASSERT_OK(frz_random_rows(&feed, &self->field, &self->column, n_rows, &error));
}

static void free_sample(sample *self)
{
  frz_column_dispose(&self->column);
  frz_arena_free(&self->arena);
}

/* What column.h promises of every column. */
static void check_column(const frz_column *column)
{
  int64_t n_present = 0;
  if (column->type.kind == FRZ_ARROW_NULL) {
    assert_int_equal(column->n_nulls, column->n_rows);
    return;
  }
  assert_int_equal(column->validity.size,
                   column->n_nulls == 0 ? 0 : frz_bits_bytes(column->n_rows));
  for (int64_t i = 0; i < column->n_rows; i++) n_present += !frz_column_is_null(column, i);
  assert_int_equal(column->n_nulls, column->n_rows - n_present);
  if ((column->n_rows & 7) != 0 && column->validity.size > 0)
    assert_int_equal(column->validity.data[column->validity.size - 1] >> (column->n_rows & 7), 0);
  const int32_t *offsets = (const int32_t *)(const void *)column->offsets.data;
  int64_t child_rows = column->n_rows;
  if (frz_arrow_type_has_offsets(column->type)) {
    if (column->n_rows > 0) assert_int_equal(column->offsets.size, (column->n_rows + 1) * 4);
    for (int64_t i = 0; i < column->n_rows; i++) {
      assert_true(offsets[i] <= offsets[i + 1]);
      if (frz_column_is_null(column, i)) assert_int_equal(offsets[i], offsets[i + 1]);
    }
    child_rows = column->n_rows > 0 ? offsets[column->n_rows] : 0;
    if (column->n_children == 0) assert_int_equal(column->values.size, child_rows);
  }
  for (size_t i = 0; i < column->n_children; i++) {
    assert_int_equal(column->children[i].n_rows, child_rows);
    check_column(&column->children[i]);
  }
  size_t width = frz_arrow_value_bytes(column->type);
  if (width == 0) return;
  assert_int_equal(column->values.size, (size_t)column->n_rows * width);
  for (int64_t i = 0; i < column->n_rows; i++)
    for (size_t b = 0; frz_column_is_null(column, i) && b < width; b++)
      assert_int_equal(column->values.data[(size_t)i * width + b], 0);
}

static void assert_same_rows(const frz_column *a, int64_t a_first, const frz_column *b,
                             int64_t b_first, int64_t n)
{
  for (int64_t i = 0; i < n; i++)
    if (!frz_column_values_equal(a, a_first + i, b, b_first + i))
      fail_msg("row %lld differs", (long long)i);
}

static void test_rows_are_appended_in_pieces(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 120; seed++) {
    sample self;
    frz_column copy;
    frz_error error = {0};
    make_sample(&self, seed, 150);
    check_column(&self.column);
    ASSERT_OK(frz_column_init(&copy, &self.field, frz_alloc_default(), &error));
    int64_t steps[] = {0, 1, 7, 8, 9, 64, 61};
    int64_t row = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
      ASSERT_OK(frz_column_append_rows(&copy, &self.column, row, steps[i], &error));
      row += steps[i];
      check_column(&copy);
    }
    assert_int_equal(copy.n_rows, 150);
    assert_same_rows(&copy, 0, &self.column, 0, 150);
    frz_column_dispose(&copy);
    free_sample(&self);
  }
}

static void test_take_gives_rows_and_nulls(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 120; seed++) {
    sample self;
    frz_column taken;
    frz_error error = {0};
    int64_t rows[300];
    frz_feed feed = {.state = seed + 1000};
    bool with_nulls = seed % 3 != 0;
    make_sample(&self, seed, 100);
    for (int i = 0; i < 300; i++)
      rows[i] = (int64_t)frz_feed_choose(&feed, 101) - (with_nulls ? 1 : 0);
    for (int i = 0; i < 300; i++)
      if (rows[i] > 99) rows[i] = 99;
    ASSERT_OK(frz_column_init(&taken, &self.field, frz_alloc_default(), &error));
    ASSERT_OK(frz_column_append_take(&taken, &self.column, rows, 100, &error));
    ASSERT_OK(frz_column_append_take(&taken, &self.column, rows + 100, 200, &error));
    check_column(&taken);
    for (int i = 0; i < 300; i++) {
      if (rows[i] < 0)
        assert_true(frz_column_is_null(&taken, i));
      else
        assert_same_rows(&taken, i, &self.column, rows[i], 1);
    }
    frz_column_dispose(&taken);
    free_sample(&self);
  }
}

static void test_repeat_and_nulls_and_truncation(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 60; seed++) {
    sample self;
    frz_column column;
    frz_error error = {0};
    make_sample(&self, seed, 20);
    ASSERT_OK(frz_column_init(&column, &self.field, frz_alloc_default(), &error));
    ASSERT_OK(frz_column_append_repeat(&column, &self.column, 3, 700, &error));
    ASSERT_OK(frz_column_append_nulls(&column, 13, &error));
    ASSERT_OK(frz_column_append_rows(&column, &self.column, 0, 20, &error));
    check_column(&column);
    assert_int_equal(column.n_rows, 733);
    for (int64_t i = 0; i < 700; i++) assert_same_rows(&column, i, &self.column, 3, 1);
    for (int64_t i = 700; i < 713; i++) assert_true(frz_column_is_null(&column, i));
    assert_same_rows(&column, 713, &self.column, 0, 20);
    int64_t cuts[] = {733, 730, 713, 701, 700, 64, 9, 1, 0};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
      frz_column_truncate(&column, cuts[i]);
      assert_int_equal(column.n_rows, cuts[i]);
      check_column(&column);
    }
    ASSERT_OK(frz_column_append_rows(&column, &self.column, 5, 10, &error));
    assert_same_rows(&column, 0, &self.column, 5, 10);
    frz_column_dispose(&column);
    free_sample(&self);
  }
}

static void test_values_are_appended_one_by_one(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_column column;
  frz_arrow_field text = {.name = FRZ_STR("s"), .type = {.kind = FRZ_ARROW_STRING}};
  ASSERT_OK(frz_column_init(&column, &text, frz_alloc_default(), &error));
  ASSERT_OK(frz_column_append_value(&column, "abc", 3, &error));
  ASSERT_OK(frz_column_append_value(&column, NULL, 0, &error));
  ASSERT_OK(frz_column_append_nulls(&column, 1, &error));
  ASSERT_OK(frz_column_append_value(&column, "de", 2, &error));
  check_column(&column);
  assert_true(frz_str_is(frz_column_bytes(&column, 0), "abc"));
  assert_true(frz_str_is(frz_column_bytes(&column, 1), ""));
  assert_true(frz_column_is_null(&column, 2));
  assert_true(frz_str_is(frz_column_bytes(&column, 3), "de"));
  frz_column_dispose(&column);

  frz_arrow_field flag = {.name = FRZ_STR("b"), .type = {.kind = FRZ_ARROW_BOOL}};
  ASSERT_OK(frz_column_init(&column, &flag, frz_alloc_default(), &error));
  for (uint8_t i = 0; i < 20; i++) {
    uint8_t value = i % 3 == 0;
    if (i % 7 == 5)
      ASSERT_OK(frz_column_append_nulls(&column, 1, &error));
    else
      ASSERT_OK(frz_column_append_value(&column, &value, 1, &error));
  }
  for (int64_t i = 0; i < 20; i++)
    assert_int_equal(frz_bit_get(column.values.data, i), i % 7 != 5 && i % 3 == 0);
  frz_column_dispose(&column);

  frz_arrow_field item = {.name = FRZ_STR("i"), .type = {.kind = FRZ_ARROW_INT32}};
  frz_arrow_field list = {
      .name = FRZ_STR("l"), .type = {.kind = FRZ_ARROW_LIST}, .children = &item, .n_children = 1};
  ASSERT_OK(frz_column_init(&column, &list, frz_alloc_default(), &error));
  for (int32_t i = 0; i < 5; i++)
    ASSERT_OK(frz_column_append_value(&column.children[0], &i, sizeof i, &error));
  ASSERT_OK(frz_column_append_present(&column, &error));
  ASSERT_OK(frz_column_append_present(&column, &error));
  ASSERT_OK(frz_column_append_nulls(&column, 2, &error));
  check_column(&column);
  const int32_t *offsets = (const int32_t *)(const void *)column.offsets.data;
  int32_t wanted[] = {0, 5, 5, 5, 5};
  assert_memory_equal(offsets, wanted, sizeof wanted);
  frz_column_dispose(&column);
}

static void test_filter_keeps_rows(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 80; seed++) {
    sample self[3];
    frz_error error = {0};
    frz_arrow_field fields[3];
    frz_batch batch;
    int64_t rows[200];
    int64_t n = 0;
    frz_feed feed = {.state = seed + 77};
    uint64_t keep = 1 + frz_feed_choose(&feed, 10);
    for (uint64_t i = 0; i < 3; i++) {
      make_sample(&self[i], seed * 3 + i, 200);
      fields[i] = self[i].field;
    }
    ASSERT_OK(frz_batch_init(&batch, fields, 3, frz_alloc_default(), &error));
    for (size_t i = 0; i < 3; i++)
      ASSERT_OK(frz_column_append_rows(&batch.columns[i], &self[i].column, 0, 200, &error));
    batch.n_rows = 200;
    for (int64_t i = 0; i < 200; i++)
      if (frz_feed_choose(&feed, 10) < keep) rows[n++] = i;
    ASSERT_OK(frz_batch_filter(&batch, rows, n, &error));
    assert_int_equal(batch.n_rows, n);
    for (size_t c = 0; c < 3; c++) {
      assert_int_equal(batch.columns[c].n_rows, n);
      check_column(&batch.columns[c]);
      for (int64_t i = 0; i < n; i++)
        assert_same_rows(&batch.columns[c], i, &self[c].column, rows[i], 1);
      free_sample(&self[c]);
    }
    frz_batch_dispose(&batch);
  }
}

static void test_bits_are_moved_at_any_offset(void **state)
{
  (void)state;
  uint8_t src[40];
  for (size_t i = 0; i < sizeof src; i++) src[i] = (uint8_t)(i * 37 + 11);
  for (int64_t at = 0; at < 18; at++) {
    for (int64_t from = 0; from < 18; from++) {
      for (int64_t n = 0; n < 150; n += n < 20 ? 1 : 17) {
        uint8_t dest[40] = {0};
        int64_t count = 0;
        frz_bits_copy(dest, at, src, from, n);
        for (int64_t i = 0; i < (int64_t)sizeof dest * 8; i++) {
          bool wanted = i >= at && i < at + n && frz_bit_get(src, from + i - at);
          assert_int_equal(frz_bit_get(dest, i), wanted);
          count += wanted;
        }
        assert_int_equal(frz_bits_count(dest, at, n), count);
        assert_int_equal(frz_bits_count(src, from, n), count);
        memset(dest, 0, sizeof dest);
        frz_bits_fill(dest, at, n);
        assert_int_equal(frz_bits_count(dest, 0, (int64_t)sizeof dest * 8), n);
        assert_int_equal(frz_bits_count(dest, at, n), n);
      }
    }
  }
}

/* ---- out and in again ---- */

static void test_exported_batches_come_back(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 100; seed++) {
    sample self;
    frz_error error = {0};
    frz_batch batch, back;
    struct ArrowSchema schema;
    struct ArrowArray array;
    frz_arrow_field parsed;
    int64_t n_rows = (int64_t)(seed % 5) * 13;
    make_sample(&self, seed, n_rows);
    ASSERT_OK(frz_batch_init(&batch, &self.field, 1, frz_alloc_default(), &error));
    ASSERT_OK(frz_column_append_rows(&batch.columns[0], &self.column, 0, n_rows, &error));
    batch.n_rows = n_rows;
    ASSERT_OK(frz_arrow_schema_export(&self.field, 1, frz_alloc_default(), &schema, &error));
    ASSERT_OK(frz_arrow_field_import(&schema, &self.arena, &parsed, &error));
    frz_str before = frz_arrow_field_describe(&self.field, &self.arena);
    frz_str after = frz_arrow_field_describe(&parsed.children[0], &self.arena);
    assert_true(frz_str_equal(before, after));
    assert_int_equal(parsed.children[0].field_id, self.field.field_id);
    assert_int_equal(parsed.children[0].nullable, self.field.nullable);
    ASSERT_OK(frz_batch_export(&batch, &array, &error));
    assert_null(batch.columns);
    ASSERT_OK(
        frz_batch_import(&back, parsed.children, 1, &schema, &array, frz_alloc_default(), &error));
    check_column(&back.columns[0]);
    assert_int_equal(back.n_rows, n_rows);
    assert_same_rows(&back.columns[0], 0, &self.column, 0, n_rows);
    frz_batch_dispose(&back);

    /* A child outlives its parent. */
    struct ArrowArray child = *array.children[0];
    struct ArrowSchema child_schema = *schema.children[0];
    array.children[0]->release = NULL;
    schema.children[0]->release = NULL;
    array.release(&array);
    schema.release(&schema);
    assert_null(array.release);
    frz_column column;
    ASSERT_OK(frz_column_init(&column, &parsed.children[0], frz_alloc_default(), &error));
    ASSERT_OK(frz_column_import(&column, &child_schema, &child, &error));
    assert_same_rows(&column, 0, &self.column, 0, n_rows);
    frz_column_dispose(&column);
    child.release(&child);
    child_schema.release(&child_schema);
    free_sample(&self);
  }
}

/* ---- foreign arrays, made by hand ---- */

static void keep_schema(struct ArrowSchema *schema)
{
  schema->release = NULL;
}

static void keep_array(struct ArrowArray *array)
{
  array->release = NULL;
}

static struct ArrowSchema schema_of(const char *format)
{
  return (struct ArrowSchema){
      .format = format, .name = "x", .flags = ARROW_FLAG_NULLABLE, .release = keep_schema};
}

/* Import one array into a fresh column of its schema's type. */
static frz_status import_one(const struct ArrowSchema *schema, const struct ArrowArray *array,
                             frz_column *column, frz_error *err)
{
  frz_arena arena;
  frz_arrow_field field;
  frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
  frz_status st = frz_arrow_field_import(schema, &arena, &field, err);
  if (st == FRZ_OK) st = frz_column_init(column, &field, frz_alloc_default(), err);
  if (st == FRZ_OK) {
    st = frz_column_import(column, schema, array, err);
    if (st != FRZ_OK) {
      assert_int_equal(column->n_rows, 0);
      check_column(column);
      frz_column_dispose(column);
    } else {
      check_column(column);
    }
  }
  frz_arena_free(&arena);
  return st;
}

static void assert_texts(const frz_column *column, const char *const *texts)
{
  for (int64_t i = 0; i < column->n_rows; i++) {
    if (texts[i] == NULL)
      assert_true(frz_column_is_null(column, i));
    else
      assert_true(frz_str_is(frz_column_bytes(column, i), texts[i]));
  }
}

/* Offsets at an odd address that start past zero, behind rows that are there. */
static void test_texts_without_nulls(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_column column;
  int32_t offsets[] = {1, 2, 4, 4, 7, 9};
  uint8_t unaligned[sizeof offsets + 1];
  const void *buffers[] = {NULL, unaligned + 1, "-abcdefgh"};
  struct ArrowSchema schema = schema_of("u");
  struct ArrowArray array = {
      .length = 4, .offset = 1, .n_buffers = 3, .buffers = buffers, .release = keep_array};
  memcpy(unaligned + 1, offsets, sizeof offsets);
  ASSERT_OK(import_one(&schema, &array, &column, &error));
  ASSERT_OK(frz_column_import(&column, &schema, &array, &error));
  const char *texts[] = {"bc", "", "def", "gh", "bc", "", "def", "gh"};
  assert_int_equal(column.n_rows, 8);
  check_column(&column);
  assert_texts(&column, texts);
  offsets[4] = 3; /* before the row in front of it */
  memcpy(unaligned + 1, offsets, sizeof offsets);
  assert_int_equal(frz_column_import(&column, &schema, &array, &error), FRZ_ERR_INVALID);
  assert_non_null(strstr(error.message, "at row 3"));
  offsets[1] = -1;
  memcpy(unaligned + 1, offsets, sizeof offsets);
  assert_int_equal(frz_column_import(&column, &schema, &array, &error), FRZ_ERR_INVALID);
  assert_non_null(strstr(error.message, "at row 1"));
  const int32_t huge[] = {0, 5, 5, 5, INT32_MAX};
  memcpy(unaligned + 1, huge, sizeof huge);
  array.offset = 0;
  assert_int_equal(frz_column_import(&column, &schema, &array, &error), FRZ_ERR_LIMIT);
  assert_int_equal(column.n_rows, 8);
  check_column(&column);
  frz_column_dispose(&column);
}

static void test_large_strings_with_an_offset(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_column column;
  int64_t offsets[] = {0, 1, 3, 6, 6, 9, 10};
  uint8_t valid[] = {0x2b}; /* rows 0, 1, 3, 5 */
  const void *buffers[] = {valid, offsets, "abbcccdddZ"};
  struct ArrowSchema schema = schema_of("U");
  struct ArrowArray array = {.length = 5,
                             .null_count = -1,
                             .offset = 1,
                             .n_buffers = 3,
                             .buffers = buffers,
                             .release = keep_array};
  ASSERT_OK(import_one(&schema, &array, &column, &error));
  const char *texts[] = {"bb", NULL, "", NULL, "Z"};
  assert_int_equal(column.type.kind, FRZ_ARROW_STRING);
  assert_texts(&column, texts);
  assert_int_equal(column.n_nulls, 2);
  frz_column_dispose(&column);

  /* Without a validity pointer all rows are present, whatever null_count says. */
  buffers[0] = NULL;
  array.null_count = 3;
  ASSERT_OK(import_one(&schema, &array, &column, &error));
  assert_int_equal(column.n_nulls, 0);
  frz_column_dispose(&column);

  int64_t bad[] = {0, 1, 3, 2, 6, 9, 10};
  buffers[1] = bad;
  assert_int_equal(import_one(&schema, &array, &column, &error), FRZ_ERR_INVALID);
  int64_t negative[] = {0, -1, 3, 5, 6, 9, 10};
  buffers[1] = negative;
  assert_int_equal(import_one(&schema, &array, &column, &error), FRZ_ERR_INVALID);
  int64_t huge[] = {
      0, 1, 3, (int64_t)1 << 40, (int64_t)1 << 40, (int64_t)1 << 40, (int64_t)1 << 40};
  buffers[1] = huge;
  assert_int_equal(import_one(&schema, &array, &column, &error), FRZ_ERR_LIMIT);
}

typedef struct view {
  int32_t length;
  char text[4]; /* inline: 12 bytes go on into the two numbers */
  int32_t buffer;
  int32_t offset;
} view;

static void test_string_views(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_column column;
  view views[4] = {{.length = 3, .text = {'a', 'b', 'c'}},
                   {.length = 13, .text = {'0', '1', '2', '3'}, .buffer = 1, .offset = 2},
                   {.length = 99, .buffer = 77, .offset = -5}, /* null: not looked at */
                   {.length = 0}};
  int64_t sizes[] = {4, 15};
  uint8_t valid[] = {0x0b};
  const void *buffers[] = {valid, views, "xxxx", "..0123456789abc", sizes};
  struct ArrowSchema schema = schema_of("vu");
  struct ArrowArray array = {
      .length = 4, .null_count = 1, .n_buffers = 5, .buffers = buffers, .release = keep_array};
  ASSERT_OK(import_one(&schema, &array, &column, &error));
  const char *texts[] = {"abc", "0123456789abc", NULL, ""};
  assert_texts(&column, texts);
  frz_column_dispose(&column);

  views[1].offset = 3; /* one past the buffer's end */
  assert_int_equal(import_one(&schema, &array, &column, &error), FRZ_ERR_INVALID);
  views[1].offset = -1;
  assert_int_equal(import_one(&schema, &array, &column, &error), FRZ_ERR_INVALID);
  views[1].offset = 2;
  views[1].buffer = 2;
  assert_int_equal(import_one(&schema, &array, &column, &error), FRZ_ERR_INVALID);
  views[1].buffer = 1;
  views[0].length = -1;
  assert_int_equal(import_one(&schema, &array, &column, &error), FRZ_ERR_INVALID);
}

static void test_dictionaries(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_column column;
  int32_t offsets[] = {0, 3, 3, 6};
  uint8_t dictionary_valid[] = {0x05}; /* the second value is null */
  const void *value_buffers[] = {dictionary_valid, offsets, "redblu"};
  struct ArrowSchema value_schema = schema_of("u");
  struct ArrowArray values = {.length = 3,
                              .null_count = 1,
                              .n_buffers = 3,
                              .buffers = value_buffers,
                              .release = keep_array};
  uint8_t indices[] = {9, 2, 0, 1, 200, 2};
  uint8_t valid[] = {0x2f};
  const void *buffers[] = {valid, indices};
  struct ArrowSchema schema = schema_of("C");
  schema.dictionary = &value_schema;
  struct ArrowArray array = {.length = 5,
                             .null_count = 1,
                             .offset = 1,
                             .n_buffers = 2,
                             .buffers = buffers,
                             .dictionary = &values,
                             .release = keep_array};
  ASSERT_OK(import_one(&schema, &array, &column, &error));
  const char *texts[] = {"blu", "red", NULL, NULL, "blu"};
  assert_texts(&column, texts);
  frz_column_dispose(&column);
  indices[5] = 3;
  assert_int_equal(import_one(&schema, &array, &column, &error), FRZ_ERR_INVALID);
  assert_non_null(strstr(error.message, "3"));
  indices[5] = 2;
  array.dictionary = NULL;
  assert_int_equal(import_one(&schema, &array, &column, &error), FRZ_ERR_INVALID);
}

static void test_fixed_size_lists(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_column column;
  int32_t items[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const void *item_buffers[] = {NULL, items};
  struct ArrowSchema item_schema = schema_of("i");
  struct ArrowSchema *schema_children[] = {&item_schema};
  struct ArrowArray item_array = {
      .length = 10, .n_buffers = 2, .buffers = item_buffers, .release = keep_array};
  struct ArrowArray *array_children[] = {&item_array};
  uint8_t valid[] = {0x1a}; /* rows 1, 3, 4 */
  const void *buffers[] = {valid};
  struct ArrowSchema schema = schema_of("+w:2");
  schema.n_children = 1;
  schema.children = schema_children;
  struct ArrowArray array = {.length = 4,
                             .null_count = -1,
                             .offset = 1,
                             .n_buffers = 1,
                             .buffers = buffers,
                             .n_children = 1,
                             .children = array_children,
                             .release = keep_array};
  ASSERT_OK(import_one(&schema, &array, &column, &error));
  int32_t wanted_offsets[] = {0, 2, 2, 4, 6};
  int32_t wanted_items[] = {2, 3, 6, 7, 8, 9};
  assert_int_equal(column.type.kind, FRZ_ARROW_LIST);
  assert_memory_equal(column.offsets.data, wanted_offsets, sizeof wanted_offsets);
  assert_memory_equal(column.children[0].values.data, wanted_items, sizeof wanted_items);
  frz_column_dispose(&column);
  item_array.length = 9;
  assert_int_equal(import_one(&schema, &array, &column, &error), FRZ_ERR_INVALID);
}

static void test_null_lists_over_items_are_emptied(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_column column;
  int16_t items[] = {1, 2, 3, 4, 5};
  int64_t offsets[] = {0, 2, 4, 5};
  uint8_t valid[] = {0x05};
  const void *item_buffers[] = {NULL, items};
  const void *buffers[] = {valid, offsets};
  struct ArrowSchema item_schema = schema_of("s");
  struct ArrowSchema *schema_children[] = {&item_schema};
  struct ArrowArray item_array = {
      .length = 5, .n_buffers = 2, .buffers = item_buffers, .release = keep_array};
  struct ArrowArray *array_children[] = {&item_array};
  struct ArrowSchema schema = schema_of("+L");
  schema.n_children = 1;
  schema.children = schema_children;
  struct ArrowArray array = {.length = 3,
                             .null_count = 1,
                             .n_buffers = 2,
                             .buffers = buffers,
                             .n_children = 1,
                             .children = array_children,
                             .release = keep_array};
  ASSERT_OK(import_one(&schema, &array, &column, &error));
  int16_t wanted[] = {1, 2, 5};
  int32_t wanted_offsets[] = {0, 2, 2, 3};
  assert_memory_equal(column.offsets.data, wanted_offsets, sizeof wanted_offsets);
  assert_int_equal(column.children[0].n_rows, 3);
  assert_memory_equal(column.children[0].values.data, wanted, sizeof wanted);
  frz_column_dispose(&column);
}

static void test_dates_in_milliseconds(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_column column;
  int64_t day = 86400000;
  int64_t values[] = {0, -day, day * 20000, 12345};
  uint8_t valid[] = {0x07};
  const void *buffers[] = {valid, values};
  struct ArrowSchema schema = schema_of("tdm");
  struct ArrowArray array = {
      .length = 4, .null_count = 1, .n_buffers = 2, .buffers = buffers, .release = keep_array};
  ASSERT_OK(import_one(&schema, &array, &column, &error));
  int32_t wanted[] = {0, -1, 20000, 0};
  assert_int_equal(column.type.kind, FRZ_ARROW_DATE32);
  assert_memory_equal(column.values.data, wanted, sizeof wanted);
  frz_column_dispose(&column);
  valid[0] = 0x0f; /* a part of a day would be lost */
  assert_int_equal(import_one(&schema, &array, &column, &error), FRZ_ERR_INVALID);
  assert_non_null(strstr(error.message, "12345"));
}

static void test_narrow_decimals_keep_their_sign(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_column column;
  int32_t values[] = {5, -7};
  const void *buffers[] = {NULL, values};
  struct ArrowSchema schema = schema_of("d:9,2,32");
  struct ArrowArray array = {
      .length = 2, .n_buffers = 2, .buffers = buffers, .release = keep_array};
  ASSERT_OK(import_one(&schema, &array, &column, &error));
  int64_t wanted[] = {5, 0, -7, -1};
  assert_memory_equal(column.values.data, wanted, sizeof wanted);
  assert_int_equal(column.type.precision, 9);
  frz_column_dispose(&column);
}

/* A struct array with an offset over a sliced child of booleans. */
static void test_sliced_structs_and_booleans(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_batch batch;
  frz_arena arena;
  frz_arrow_field root;
  uint8_t bits[] = {0xb4, 0x6d}; /* 0010 1101  1011 0110, from bit 0 */
  const void *bool_buffers[] = {NULL, bits};
  struct ArrowSchema bool_schema = schema_of("b");
  struct ArrowSchema *schema_children[] = {&bool_schema};
  struct ArrowArray bools = {
      .length = 12, .offset = 3, .n_buffers = 2, .buffers = bool_buffers, .release = keep_array};
  struct ArrowArray *array_children[] = {&bools};
  uint8_t valid[] = {0x3b}; /* row 2 is null: bit 2 */
  const void *buffers[] = {valid};
  struct ArrowSchema schema = schema_of("+s");
  schema.n_children = 1;
  schema.children = schema_children;
  struct ArrowArray array = {.length = 4,
                             .null_count = -1,
                             .offset = 1,
                             .n_buffers = 1,
                             .buffers = buffers,
                             .n_children = 1,
                             .children = array_children,
                             .release = keep_array};
  frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
  ASSERT_OK(frz_arrow_field_import(&schema, &arena, &root, &error));
  ASSERT_OK(
      frz_batch_import(&batch, root.children, 1, &schema, &array, frz_alloc_default(), &error));
  assert_int_equal(batch.n_rows, 4);
  check_column(&batch.columns[0]);
  for (int64_t i = 0; i < 4; i++) {
    assert_int_equal(frz_column_is_null(&batch.columns[0], i), i == 1);
    if (i != 1)
      assert_int_equal(frz_bit_get(batch.columns[0].values.data, i), frz_bit_get(bits, 3 + 1 + i));
  }
  frz_batch_dispose(&batch);
  bools.length = 4; /* the parent's offset and length pass the child's end */
  assert_int_equal(
      frz_batch_import(&batch, root.children, 1, &schema, &array, frz_alloc_default(), &error),
      FRZ_ERR_INVALID);
  frz_arena_free(&arena);
}

static void test_malformed_arrays_are_refused(void **state)
{
  (void)state;
  int64_t values[4] = {0};
  const void *buffers[] = {NULL, values};
  const void *no_values[] = {NULL, NULL};
  struct ArrowArray good = {.length = 4, .n_buffers = 2, .buffers = buffers, .release = keep_array};
  struct ArrowArray bad[8];
  for (int i = 0; i < 8; i++) bad[i] = good;
  bad[0].length = -1;
  bad[1].offset = -1;
  bad[2].n_buffers = 3;
  bad[3].n_buffers = 1;
  bad[4].buffers = NULL;
  bad[5].buffers = no_values;
  bad[6].n_children = 1;
  bad[7].offset = INT64_MAX - 1;
  struct ArrowSchema schema = schema_of("l");
  for (int i = 0; i < 8; i++) {
    frz_error error = {0};
    frz_column column;
    assert_int_equal(import_one(&schema, &bad[i], &column, &error), FRZ_ERR_INVALID);
    assert_non_null(strstr(error.message, "'x'"));
  }
}

/* ---- schemas ---- */

static void test_formats_are_parsed(void **state)
{
  (void)state;
  static const struct {
    const char *format;
    const char *words; /* NULL: refused */
  } cases[] = {{"n", "null"},
               {"b", "bool"},
               {"c", "int8"},
               {"S", "uint16"},
               {"L", "uint64"},
               {"e", "float16"},
               {"f", "float32"},
               {"g", "float64"},
               {"U", "string"},
               {"vz", "binary"},
               {"w:16", "fixed[16]"},
               {"d:10,2", "decimal(10, 2)"},
               {"d:38,-3,128", "decimal(38, -3)"},
               {"tdD", "date32"},
               {"tdm", "date32"},
               {"tts", "time32[s]"},
               {"ttm", "time32[ms]"},
               {"ttu", "time64[us]"},
               {"ttn", "time64[ns]"},
               {"tss:", "timestamp[s]"},
               {"tsu:UTC", "timestamp[us, UTC]"},
               {"tsn:Europe/Berlin", "timestamp[ns, UTC]"},
               {"tDm", "duration[ms]"},
               {"d:39,0", NULL},
               {"d:10,2,256", NULL},
               {"d:10", NULL},
               {"w:0", NULL},
               {"w:-3", NULL},
               {"w:99999999999", NULL},
               {"tiM", NULL},
               {"tsx:", NULL},
               {"ts", NULL},
               {"tdx", NULL},
               {"+r", NULL},
               {"+vl", NULL},
               {"+ud:1,2", NULL},
               {"q", NULL},
               {"", NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_arena arena;
    frz_arrow_field field;
    frz_error error = {0};
    struct ArrowSchema schema = schema_of(cases[i].format);
    frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
    frz_status st = frz_arrow_field_import(&schema, &arena, &field, &error);
    if (cases[i].words == NULL) {
      assert_int_equal(st, FRZ_ERR_UNSUPPORTED);
      assert_non_null(strstr(error.message, "'x'"));
    } else {
      ASSERT_OK(st);
      frz_str words = frz_arrow_field_describe(&field, &arena);
      if (!frz_str_is(words, cases[i].words)) fail_msg("%s: %s", cases[i].format, words.data);
    }
    frz_arena_free(&arena);
  }
}

static void test_uuid_and_field_id_are_metadata(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_arena arena;
  struct ArrowSchema schema;
  frz_arrow_field back;
  frz_arrow_field field = {.name = FRZ_STR("id"),
                           .field_id = 2147483647,
                           .type = {.kind = FRZ_ARROW_FIXED, .byte_width = 16, .is_uuid = true}};
  frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
  ASSERT_OK(frz_arrow_field_export(&field, frz_alloc_default(), &schema, &error));
  assert_string_equal(schema.format, "w:16");
  assert_string_equal(schema.name, "id");
  ASSERT_OK(frz_arrow_field_import(&schema, &arena, &back, &error));
  assert_true(back.type.is_uuid);
  assert_int_equal(back.field_id, 2147483647);
  assert_false(back.nullable);
  schema.release(&schema);
  field.type.is_uuid = false;
  field.field_id = -1;
  ASSERT_OK(frz_arrow_field_export(&field, frz_alloc_default(), &schema, &error));
  assert_null(schema.metadata);
  schema.release(&schema);
  frz_arena_free(&arena);
}

static void test_variants_are_an_extension(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_arena arena;
  struct ArrowSchema schema;
  frz_arrow_field back;
  frz_arrow_field children[3] = {
      {.name = FRZ_STR("metadata"), .field_id = -1, .type = {.kind = FRZ_ARROW_BINARY}},
      {.name = FRZ_STR("value"), .field_id = -1, .type = {.kind = FRZ_ARROW_BINARY}},
      {.name = FRZ_STR("typed_value"), .field_id = -1, .type = {.kind = FRZ_ARROW_INT32}}};
  frz_arrow_field field = {.name = FRZ_STR("v"),
                           .field_id = 2147483647,
                           .type = {.kind = FRZ_ARROW_STRUCT, .is_variant = true},
                           .children = children,
                           .n_children = 2};
  for (size_t n = 2; n <= 3; n++) {
    frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
    field.n_children = n;
    ASSERT_OK(frz_arrow_field_export(&field, frz_alloc_default(), &schema, &error));
    frz_str name = frz_arrow_metadata_find(schema.metadata, "ARROW:extension:name");
    assert_true(frz_str_is(name, "arrow.parquet.variant"));
    ASSERT_OK(frz_arrow_field_import(&schema, &arena, &back, &error));
    assert_int_equal(back.type.is_variant, n == 2); /* shredded: a struct like others */
    assert_int_equal(back.field_id, 2147483647);
    schema.release(&schema);
    frz_arena_free(&arena);
  }
}

static void test_deep_schemas_are_refused(void **state)
{
  (void)state;
  enum { DEPTH = 80 };
  struct ArrowSchema nodes[DEPTH];
  struct ArrowSchema *pointers[DEPTH];
  frz_error error = {0};
  frz_arena arena;
  frz_arrow_field field;
  for (int i = 0; i < DEPTH; i++) {
    nodes[i] = schema_of(i + 1 < DEPTH ? "+l" : "i");
    pointers[i] = i + 1 < DEPTH ? &nodes[i + 1] : NULL;
    nodes[i].n_children = i + 1 < DEPTH;
    nodes[i].children = &pointers[i];
  }
  frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
  assert_int_equal(frz_arrow_field_import(&nodes[0], &arena, &field, &error), FRZ_ERR_UNSUPPORTED);
  ASSERT_OK(frz_arrow_field_import(&nodes[DEPTH - 30], &arena, &field, &error));
  frz_arena_free(&arena);
}

/* ---- streams ---- */

typedef struct counter {
  int n_left;
  frz_status fails_with;
  bool *is_freed;
} counter;

static frz_status counter_next(void *self, frz_batch *batch_out, frz_error *err)
{
  counter *count = self;
  frz_arrow_field field = {.name = FRZ_STR("v"), .type = {.kind = FRZ_ARROW_INT32}};
  if (count->n_left == 0 && count->fails_with != FRZ_OK)
    return frz_fail(err, count->fails_with, "row group 3: it is broken");
  FRZ_TRY(frz_batch_init(batch_out, &field, 1, frz_alloc_default(), err));
  if (count->n_left == 0) return FRZ_OK;
  int32_t value = count->n_left--;
  FRZ_TRY(frz_column_append_value(&batch_out->columns[0], &value, sizeof value, err));
  batch_out->n_rows = 1;
  return FRZ_OK;
}

static void counter_free(void *self)
{
  *((counter *)self)->is_freed = true;
}

static void open_counter(counter *count, struct ArrowArrayStream *stream)
{
  frz_error error = {0};
  frz_arrow_field field = {.name = FRZ_STR("v"), .field_id = 4, .type = {.kind = FRZ_ARROW_INT32}};
  frz_batch_source source = {count, counter_next, counter_free};
  ASSERT_OK(frz_stream_export(&field, 1, source, frz_alloc_default(), stream, &error));
}

static void test_stream_gives_batches_then_ends(void **state)
{
  (void)state;
  bool is_freed = false;
  counter count = {3, FRZ_OK, &is_freed};
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  frz_error error = {0};
  open_counter(&count, &stream);
  ASSERT_OK(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &error));
  assert_null(stream.release);
  assert_int_equal(reader.n_fields, 1);
  assert_int_equal(reader.fields[0].field_id, 4);
  for (int32_t i = 3; i >= 0; i--) {
    frz_batch batch;
    ASSERT_OK(frz_stream_reader_next(&reader, &batch, &error));
    assert_int_equal(batch.n_rows, i > 0);
    if (i > 0) assert_memory_equal(batch.columns[0].values.data, &i, sizeof i);
    frz_batch_dispose(&batch);
  }
  assert_false(is_freed);
  frz_stream_reader_dispose(&reader);
  assert_true(is_freed);
}

static void test_stream_errors_cross_with_their_status(void **state)
{
  (void)state;
  static const struct {
    frz_status status;
    int number;
  } cases[] = {{FRZ_ERR_INVALID, EINVAL},
               {FRZ_ERR_NOMEM, ENOMEM},
               {FRZ_ERR_CORRUPT, EBADMSG},
               {FRZ_ERR_UNSUPPORTED, ENOTSUP},
               {FRZ_ERR_IO, EIO},
               {FRZ_ERR_NOT_FOUND, ENOENT},
               {FRZ_ERR_CONFLICT, EAGAIN},
               {FRZ_ERR_COMMIT_UNKNOWN, EIO},
               {FRZ_ERR_STALE, ESTALE},
               {FRZ_ERR_LIMIT, EOVERFLOW},
               {FRZ_ERR_TIMEOUT, ETIMEDOUT},
               {FRZ_ERR_CANCELLED, ECANCELED},
               {FRZ_ERR_AUTH, EACCES},
               {FRZ_ERR_EXISTS, EEXIST}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    bool is_freed = false;
    counter count = {0, cases[i].status, &is_freed};
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    char wanted[100];
    frz_error error = {0};
    frz_batch batch;
    frz_stream_reader reader;
    snprintf(wanted, sizeof wanted, "[%s] row group 3: it is broken",
             frz_status_name(cases[i].status));
    open_counter(&count, &stream);
    assert_null(stream.get_last_error(&stream));
    assert_int_equal(stream.get_next(&stream, &array), cases[i].number);
    assert_string_equal(stream.get_last_error(&stream), wanted);
    assert_int_equal(stream.get_next(&stream, &array), cases[i].number);
    stream.release(&stream);
    assert_true(is_freed);
    /* frazil itself gets the status back. */
    open_counter(&count, &stream);
    ASSERT_OK(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &error));
    assert_int_equal(frz_stream_reader_next(&reader, &batch, &error), cases[i].status);
    assert_string_equal(error.message, "row group 3: it is broken");
    frz_stream_reader_dispose(&reader);
  }
}

/* A foreign stream that only fails, at once, with the text that it carries. */
static int failing_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
  (void)stream;
  (void)out;
  return EINVAL;
}

static const char *failing_text(struct ArrowArrayStream *stream)
{
  return stream->private_data;
}

static void failing_release(struct ArrowArrayStream *stream)
{
  stream->release = NULL;
}

/* A traceback of Python says what was raised in its last line. */
static void test_the_end_of_a_long_foreign_message_is_kept(void **state)
{
  (void)state;
  char text[5000];
  frz_stream_reader reader;
  frz_error error = {0};
  memset(text, '.', sizeof text);
  memcpy(text, "Traceback", 9);
  memcpy(text + sizeof text - 18, "KeyboardInterrupt", 18);
  struct ArrowArrayStream stream = {.get_schema = failing_schema,
                                    .get_last_error = failing_text,
                                    .release = failing_release,
                                    .private_data = text};
  assert_int_equal(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &error),
                   FRZ_ERR_INVALID);
  frz_error_where(&error, "batch %d of the rows to append: ", 17);
  assert_non_null(strstr(error.message, "rows to append: Traceback..."));
  assert_non_null(strstr(error.message, "...KeyboardInterrupt"));
}

static void test_stream_of_ready_batches(void **state)
{
  (void)state;
  frz_error error = {0};
  sample self;
  frz_batch batches[3];
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  make_sample(&self, 5, 50);
  int64_t cuts[] = {0, 20, 20, 50};
  for (int i = 0; i < 3; i++) { /* the second is empty and passed over */
    ASSERT_OK(frz_batch_init(&batches[i], &self.field, 1, frz_alloc_default(), &error));
    ASSERT_OK(frz_column_append_rows(&batches[i].columns[0], &self.column, cuts[i],
                                     cuts[i + 1] - cuts[i], &error));
    batches[i].n_rows = cuts[i + 1] - cuts[i];
  }
  ASSERT_OK(
      frz_stream_export_batches(&self.field, 1, batches, 3, frz_alloc_default(), &stream, &error));
  ASSERT_OK(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &error));
  int64_t row = 0;
  for (;;) {
    frz_batch batch;
    ASSERT_OK(frz_stream_reader_next(&reader, &batch, &error));
    int64_t n = batch.n_rows;
    if (n > 0) assert_same_rows(&batch.columns[0], 0, &self.column, row, n);
    row += n;
    frz_batch_dispose(&batch);
    if (n == 0) break;
  }
  assert_int_equal(row, 50);
  frz_stream_reader_dispose(&reader);
  free_sample(&self);
}

/* Any kind of column, in pieces of any length, from arrays of several lengths. */
static void test_long_arrays_come_in_pieces(void **state)
{
  (void)state;
  enum { ROWS = 100, CUT = 61 };
  static const int64_t limits[] = {0, 1, 7, 8, CUT, 1000};
  for (uint64_t seed = 1; seed <= 60; seed++) {
    int64_t rows_max = limits[seed % (sizeof limits / sizeof limits[0])];
    frz_error error = {0};
    sample self;
    frz_batch batches[2];
    struct ArrowArrayStream stream;
    frz_stream_reader reader;
    make_sample(&self, seed, ROWS);
    for (int i = 0; i < 2; i++) {
      ASSERT_OK(frz_batch_init(&batches[i], &self.field, 1, frz_alloc_default(), &error));
      batches[i].n_rows = i == 0 ? CUT : ROWS - CUT;
      ASSERT_OK(frz_column_append_rows(&batches[i].columns[0], &self.column, i * CUT,
                                       batches[i].n_rows, &error));
    }
    ASSERT_OK(frz_stream_export_batches(&self.field, 1, batches, 2, frz_alloc_default(), &stream,
                                        &error));
    ASSERT_OK(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &error));
    reader.rows_max = rows_max;
    for (int64_t row = 0, n = 1; n > 0; row += n) {
      frz_batch batch;
      ASSERT_OK(frz_stream_reader_next(&reader, &batch, &error));
      n = batch.n_rows;
      int64_t left = row < CUT ? CUT - row : ROWS - row;
      assert_int_equal(n, rows_max != 0 && rows_max < left ? rows_max : left);
      if (n > 0) {
        check_column(&batch.columns[0]);
        assert_same_rows(&batch.columns[0], 0, &self.column, row, n);
      }
      frz_batch_dispose(&batch);
    }
    frz_stream_reader_dispose(&reader);
    free_sample(&self);
  }
}

/* A stream of one array that the test owns. */
typedef struct lent_array {
  struct ArrowSchema *schema;
  struct ArrowArray *array;
  int n_released;
} lent_array;

static void release_lent_array(struct ArrowArray *array)
{
  ((lent_array *)array->private_data)->n_released++;
  array->release = NULL;
}

static int lent_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
  *out = *((lent_array *)stream->private_data)->schema;
  return 0;
}

static int lent_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
  lent_array *self = stream->private_data;
  out->release = NULL;
  if (self->array == NULL) return 0;
  *out = *self->array;
  out->private_data = self;
  out->release = release_lent_array;
  self->array = NULL;
  return 0;
}

static void release_lent_stream(struct ArrowArrayStream *stream)
{
  stream->release = NULL;
}

static void open_lent(lent_array *lent, int64_t rows_max, frz_stream_reader *reader)
{
  frz_error error = {0};
  struct ArrowArrayStream stream = {.get_schema = lent_schema,
                                    .get_next = lent_next,
                                    .release = release_lent_stream,
                                    .private_data = lent};
  ASSERT_OK(frz_stream_reader_open(reader, &stream, frz_alloc_default(), &error));
  reader->rows_max = rows_max;
}

/* The dictionary is copied with every piece, so a piece is at least as long. It lies in a struct:
 * it is found at any depth. */
static void test_pieces_are_as_long_as_the_dictionary(void **state)
{
  (void)state;
  enum { ROWS = 20 };
  frz_error error = {0};
  frz_batch batch;
  frz_stream_reader reader;
  int32_t offsets[] = {0, 1, 2, 3, 4, 5, 6};
  const void *value_buffers[] = {NULL, offsets, "abcdef"};
  struct ArrowSchema value_schema = schema_of("u");
  struct ArrowArray values = {.length = 6, .n_buffers = 3, .buffers = value_buffers};
  uint8_t indices[ROWS];
  const void *buffers[] = {NULL, indices};
  const void *no_nulls[] = {NULL};
  struct ArrowSchema schemas[] = {schema_of("+s"), schema_of("+s"), schema_of("C")};
  struct ArrowSchema *schema_below[] = {&schemas[1], &schemas[2]};
  struct ArrowArray arrays[3];
  struct ArrowArray *array_below[] = {&arrays[1], &arrays[2]};
  for (uint8_t i = 0; i < ROWS; i++) indices[i] = i % 6;
  for (int i = 0; i < 2; i++) {
    schemas[i].n_children = 1;
    schemas[i].children = &schema_below[i];
    arrays[i] = (struct ArrowArray){.length = ROWS,
                                    .n_buffers = 1,
                                    .buffers = no_nulls,
                                    .n_children = 1,
                                    .children = &array_below[i]};
  }
  schemas[2].dictionary = &value_schema;
  arrays[2] = (struct ArrowArray){
      .length = ROWS, .n_buffers = 2, .buffers = buffers, .dictionary = &values};
  lent_array lent = {.schema = &schemas[0], .array = &arrays[0]};
  open_lent(&lent, 4, &reader);
  for (int64_t row = 0, n = 1; n > 0; row += n) {
    ASSERT_OK(frz_stream_reader_next(&reader, &batch, &error));
    n = batch.n_rows;
    assert_int_equal(n, ROWS - row < 6 ? ROWS - row : 6);
    for (int64_t i = 0; i < n; i++)
      assert_int_equal(frz_column_bytes(&batch.columns[0].children[0], i).data[0],
                       "abcdef"[(row + i) % 6]);
    frz_batch_dispose(&batch);
  }
  assert_int_equal(lent.n_released, 1);
  frz_stream_reader_dispose(&reader);
}

/* An array is given back once: with its last piece, with one that fails, or with the reader. */
static void test_a_cut_array_is_released_once(void **state)
{
  (void)state;
  enum { ROWS = 10 };
  frz_error error = {0};
  frz_batch batch;
  frz_stream_reader reader;
  int32_t offsets[ROWS + 1] = {0, 1, 2, 3, 4, 5, 6, 3, 8, 9, 10}; /* row 6 descends */
  const void *text_buffers[] = {NULL, offsets, "abcdefghij"};
  const void *no_nulls[] = {NULL};
  struct ArrowSchema text_schema = schema_of("u");
  struct ArrowSchema *schema_below[] = {&text_schema};
  struct ArrowSchema schema = schema_of("+s");
  schema.n_children = 1;
  schema.children = schema_below;
  struct ArrowArray texts = {.length = ROWS, .n_buffers = 3, .buffers = text_buffers};
  struct ArrowArray *array_below[] = {&texts};
  struct ArrowArray array = {.length = ROWS,
                             .n_buffers = 1,
                             .buffers = no_nulls,
                             .n_children = 1,
                             .children = array_below};
  for (int pieces = 0; pieces <= 2; pieces++) {
    lent_array lent = {.schema = &schema, .array = &array};
    open_lent(&lent, 5, &reader);
    if (pieces >= 1) {
      ASSERT_OK(frz_stream_reader_next(&reader, &batch, &error));
      assert_int_equal(batch.n_rows, 5);
      frz_batch_dispose(&batch);
    }
    if (pieces == 2)
      assert_int_equal(frz_stream_reader_next(&reader, &batch, &error), FRZ_ERR_INVALID);
    assert_int_equal(lent.n_released, pieces == 2);
    frz_stream_reader_dispose(&reader);
    assert_int_equal(lent.n_released, pieces != 0);
  }
}

static void test_a_released_stream_is_refused(void **state)
{
  (void)state;
  struct ArrowArrayStream stream = {.release = NULL};
  frz_stream_reader reader;
  frz_error error = {0};
  assert_int_equal(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &error),
                   FRZ_ERR_INVALID);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_are_appended_in_pieces),
      cmocka_unit_test(test_take_gives_rows_and_nulls),
      cmocka_unit_test(test_repeat_and_nulls_and_truncation),
      cmocka_unit_test(test_values_are_appended_one_by_one),
      cmocka_unit_test(test_filter_keeps_rows),
      cmocka_unit_test(test_bits_are_moved_at_any_offset),
      cmocka_unit_test(test_exported_batches_come_back),
      cmocka_unit_test(test_texts_without_nulls),
      cmocka_unit_test(test_large_strings_with_an_offset),
      cmocka_unit_test(test_string_views),
      cmocka_unit_test(test_dictionaries),
      cmocka_unit_test(test_fixed_size_lists),
      cmocka_unit_test(test_null_lists_over_items_are_emptied),
      cmocka_unit_test(test_dates_in_milliseconds),
      cmocka_unit_test(test_narrow_decimals_keep_their_sign),
      cmocka_unit_test(test_sliced_structs_and_booleans),
      cmocka_unit_test(test_malformed_arrays_are_refused),
      cmocka_unit_test(test_formats_are_parsed),
      cmocka_unit_test(test_uuid_and_field_id_are_metadata),
      cmocka_unit_test(test_variants_are_an_extension),
      cmocka_unit_test(test_deep_schemas_are_refused),
      cmocka_unit_test(test_stream_gives_batches_then_ends),
      cmocka_unit_test(test_stream_errors_cross_with_their_status),
      cmocka_unit_test(test_the_end_of_a_long_foreign_message_is_kept),
      cmocka_unit_test(test_stream_of_ready_batches),
      cmocka_unit_test(test_long_arrays_come_in_pieces),
      cmocka_unit_test(test_pieces_are_as_long_as_the_dictionary),
      cmocka_unit_test(test_a_cut_array_is_released_once),
      cmocka_unit_test(test_a_released_stream_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
