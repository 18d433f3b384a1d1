/*
 * test_column_sort.c - rows ordered by several columns: each kind's order, nulls, ties.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arrow/column_sort.h"
#include "random_columns.h"

enum { ARENA_MAX = 1 << 24, CASES_MAX = 16 };

#define ASSERT_OK(call)                                             \
  do {                                                              \
    if ((call) != FRZ_OK) fail_msg("%s: %s", #call, error.message); \
  } while (0)

static const int64_t *sort(const frz_sort_key *keys, size_t n_keys, int64_t n, frz_buf *rows)
{
  frz_error error = {0};
  frz_buf_init(rows, frz_alloc_default(), 1 << 28);
  ASSERT_OK(frz_sort_rows(keys, n_keys, n, rows, &error));
  assert_int_equal(rows->size, (size_t)n * sizeof(int64_t));
  return (const int64_t *)(const void *)rows->data;
}

static void column_of(frz_arrow_kind kind, int32_t byte_width, frz_column *column)
{
  frz_error error = {0};
  frz_arrow_field field = {.nullable = true, .type = {.kind = kind, .byte_width = byte_width}};
  ASSERT_OK(frz_column_init(column, &field, frz_alloc_default(), &error));
}

/* ---- the order of each kind ---- */

typedef struct value {
  uint8_t bytes[24];
  size_t size;
} value;

__extension__ typedef __int128 wide;

static value number(size_t size, wide from)
{
  value made = {.size = size};
  memcpy(made.bytes, &from, size); /* little-endian machines alone, as everywhere in frazil */
  return made;
}

#define VALUE(type, value) number(sizeof(type), (wide)(type)(value))
#define TEXT(literal) ((value){.bytes = literal, .size = sizeof(literal) - 1})

typedef struct order_case {
  const char *name;
  frz_arrow_kind kind;
  int32_t byte_width;
  size_t n;
  value values[CASES_MAX]; /* rising, no two equal */
} order_case;

static uint64_t bits_of(double number)
{
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

static uint32_t bits_of_float(float number)
{
  uint32_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

/* Puts the values in another order, each with a copy and a null, and sorts them. */
static void check_order(const order_case *c, bool descending, bool nulls_last, size_t stride)
{
  frz_error error = {0};
  frz_column column;
  column_of(c->kind, c->byte_width, &column);
  size_t ranks[2 * CASES_MAX + 1]; /* of each row; c->n: null */
  size_t n_rows = 0;
  for (size_t copy = 0; copy < 2; copy++) {
    if (copy == 1) {
      ASSERT_OK(frz_column_append_nulls(&column, 1, &error));
      ranks[n_rows++] = c->n;
    }
    for (size_t i = 0; i < c->n; i++) {
      size_t at = (i * stride + copy) % c->n;
      ASSERT_OK(frz_column_append_value(&column, c->values[at].bytes, c->values[at].size, &error));
      ranks[n_rows++] = at;
    }
  }
  frz_sort_key key = {&column, descending, nulls_last};
  frz_buf buf;
  const int64_t *rows = sort(&key, 1, (int64_t)n_rows, &buf);
  for (size_t i = 1; i < n_rows; i++) {
    size_t a = ranks[rows[i - 1]];
    size_t b = ranks[rows[i]];
    bool right = a == b ? rows[i - 1] < rows[i] : descending ? a > b : a < b;
    if (a == c->n || b == c->n) right = nulls_last ? b == c->n : a == c->n;
    if (!right) fail_msg("%s: rank %zu before %zu", c->name, a, b);
    int compared = frz_sort_compare(&key, rows[i - 1], &key, rows[i], 1);
    if (compared != (a == b ? 0 : -1)) fail_msg("%s: %zu, %zu compared", c->name, a, b);
    assert_int_equal(frz_sort_compare(&key, rows[i], &key, rows[i - 1], 1), -compared);
  }
  frz_buf_dispose(&buf);
  frz_column_dispose(&column);
}

static void test_every_kind_has_its_order(void **state)
{
  (void)state;
  const double inf = __builtin_inf();
  const double nan = __builtin_nan("");
  const order_case cases[] = {
      {"bool", FRZ_ARROW_BOOL, 0, 2, {VALUE(uint8_t, 0), VALUE(uint8_t, 1)}},
      {"int8",
       FRZ_ARROW_INT8,
       0,
       4,
       {VALUE(int8_t, -128), VALUE(int8_t, -1), VALUE(int8_t, 0), VALUE(int8_t, 127)}},
      {"uint8",
       FRZ_ARROW_UINT8,
       0,
       3,
       {VALUE(uint8_t, 0), VALUE(uint8_t, 127), VALUE(uint8_t, 128)}},
      {"int16",
       FRZ_ARROW_INT16,
       0,
       3,
       {VALUE(int16_t, INT16_MIN), VALUE(int16_t, -1), VALUE(int16_t, 256)}},
      {"uint16",
       FRZ_ARROW_UINT16,
       0,
       3,
       {VALUE(uint16_t, 1), VALUE(uint16_t, 256), VALUE(uint16_t, UINT16_MAX)}},
      {"int32",
       FRZ_ARROW_INT32,
       0,
       5,
       {VALUE(int32_t, INT32_MIN), VALUE(int32_t, -1), VALUE(int32_t, 0), VALUE(int32_t, 1),
        VALUE(int32_t, INT32_MAX)}},
      {"uint32",
       FRZ_ARROW_UINT32,
       0,
       3,
       {VALUE(uint32_t, 0), VALUE(uint32_t, INT32_MAX), VALUE(uint32_t, UINT32_MAX)}},
      {"int64",
       FRZ_ARROW_INT64,
       0,
       5,
       {VALUE(int64_t, INT64_MIN), VALUE(int64_t, -1), VALUE(int64_t, 0),
        VALUE(int64_t, (int64_t)1 << 32), VALUE(int64_t, INT64_MAX)}},
      {"uint64",
       FRZ_ARROW_UINT64,
       0,
       3,
       {VALUE(uint64_t, 0), VALUE(uint64_t, INT64_MAX), VALUE(uint64_t, UINT64_MAX)}},
      {"date", FRZ_ARROW_DATE32, 0, 2, {VALUE(int32_t, -1), VALUE(int32_t, 0)}},
      {"time", FRZ_ARROW_TIME32, 0, 2, {VALUE(int32_t, 0), VALUE(int32_t, 86399999)}},
      {"time64", FRZ_ARROW_TIME64, 0, 2, {VALUE(int64_t, 0), VALUE(int64_t, 1)}},
      {"timestamp",
       FRZ_ARROW_TIMESTAMP,
       0,
       3,
       {VALUE(int64_t, -5), VALUE(int64_t, 0), VALUE(int64_t, 7)}},
      /* Iceberg's order: -NaN < -Infinity < -value < -0 < 0 < value < Infinity < NaN. */
      {"half",
       FRZ_ARROW_FLOAT16,
       0,
       8,
       {VALUE(uint16_t, 0xfe00), VALUE(uint16_t, 0xfc00), VALUE(uint16_t, 0xbc00),
        VALUE(uint16_t, 0x8000), VALUE(uint16_t, 0), VALUE(uint16_t, 0x3c00),
        VALUE(uint16_t, 0x7c00), VALUE(uint16_t, 0x7e00)}},
      {"float",
       FRZ_ARROW_FLOAT32,
       0,
       8,
       {VALUE(uint32_t, 0xffc00000), VALUE(uint32_t, bits_of_float(-__builtin_inff())),
        VALUE(uint32_t, bits_of_float(-1.5f)), VALUE(uint32_t, bits_of_float(-0.0f)),
        VALUE(uint32_t, 0), VALUE(uint32_t, bits_of_float(1e-40f)),
        VALUE(uint32_t, bits_of_float(__builtin_inff())), VALUE(uint32_t, 0x7fc00000)}},
      {"double",
       FRZ_ARROW_FLOAT64,
       0,
       9,
       {VALUE(uint64_t, 0xfff8000000000000), VALUE(uint64_t, bits_of(-inf)),
        VALUE(uint64_t, bits_of(-2.0)), VALUE(uint64_t, bits_of(-1.0)),
        VALUE(uint64_t, bits_of(-0.0)), VALUE(uint64_t, bits_of(0.0)),
        VALUE(uint64_t, bits_of(1e300)), VALUE(uint64_t, bits_of(inf)),
        VALUE(uint64_t, bits_of(nan))}},
      {"decimal",
       FRZ_ARROW_DECIMAL128,
       16,
       6,
       {VALUE(wide, -((wide)1 << 100)), VALUE(wide, -1), VALUE(wide, 0), VALUE(wide, 5),
        VALUE(wide, (wide)UINT64_MAX), VALUE(wide, (wide)1 << 64)}},
      {"fixed 3",
       FRZ_ARROW_FIXED,
       3,
       3,
       {TEXT("a\x7f"
             "a"),
        TEXT("a\x80\0"), TEXT("b\0\0")}},
      {"fixed 11",
       FRZ_ARROW_FIXED,
       11,
       3,
       {TEXT("aaaaaaaaaaa"), TEXT("aaaaaaaaaab"), TEXT("b\0\0\0\0\0\0\0\0\0\0")}},
      {"text",
       FRZ_ARROW_STRING,
       0,
       9,
       {TEXT(""), TEXT("\0"), TEXT("\0\0"), TEXT("a"), TEXT("aaaaaaaa"), TEXT("aaaaaaaa\0"),
        TEXT("aaaaaaaab"), TEXT("aaaaaaab"), TEXT("\xc3\xa9")}},
      {"bytes",
       FRZ_ARROW_BINARY,
       0,
       4,
       {TEXT("\x01"), TEXT("\x7f\xff"), TEXT("\x80"),
        TEXT("\xff\xff\xff\xff\xff\xff\xff\xff\xff")}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int flags = 0; flags < 4; flags++)
      for (size_t stride = 1; stride < cases[i].n; stride++)
        check_order(&cases[i], (flags & 1) != 0, (flags & 2) != 0, stride);
}

/* ---- many rows, several keys ---- */

static void check_sorted(const frz_sort_key *keys, size_t n_keys, int64_t n)
{
  frz_buf buf;
  const int64_t *rows = sort(keys, n_keys, n, &buf);
  uint8_t *seen = test_calloc((size_t)n + 1, 1);
  for (int64_t i = 0; i < n; i++) {
    assert_in_range(rows[i], 0, n - 1);
    assert_int_equal(seen[rows[i]]++, 0);
    if (i == 0) continue;
    int order = frz_sort_compare(keys, rows[i - 1], keys, rows[i], n_keys);
    assert_true(order < 0 || (order == 0 && rows[i - 1] < rows[i]));
  }
  test_free(seen);
  frz_buf_dispose(&buf);
}

static void test_many_rows_by_several_keys(void **state)
{
  (void)state;
  static const int64_t row_counts[] = {0, 1, 2, 12, 13, 24, 25, 255, 256, 257, 3000};
  for (uint64_t seed = 1; seed <= 12; seed++) {
    frz_feed feed = {.state = seed * 7919};
    frz_arena arena;
    frz_error error = {0};
    frz_arena_init(&arena, frz_alloc_default(), ARENA_MAX);
    frz_arrow_field fields[3];
    int32_t next_id = 1;
    for (size_t i = 0; i < 3; i++)
      assert_true(
          frz_random_field(&feed, &arena, frz_random_kind(&feed, false), 0, &next_id, &fields[i]));
    for (size_t r = 0; r < sizeof row_counts / sizeof *row_counts; r++) {
      frz_column columns[3];
      frz_sort_key keys[3];
      for (size_t i = 0; i < 3; i++) {
        ASSERT_OK(frz_column_init(&columns[i], &fields[i], frz_alloc_default(), &error));
        /* Few values in the first keys, so that the later ones matter. */
        int64_t distinct = i == 2 ? row_counts[r] : 1 + row_counts[r] / 50;
        frz_column some;
        ASSERT_OK(frz_column_init(&some, &fields[i], frz_alloc_default(), &error));
        ASSERT_OK(frz_random_rows(&feed, &fields[i], &some, distinct, &error));
        for (int64_t row = 0; row < row_counts[r]; row++) {
          int64_t from = (int64_t)frz_feed_choose(&feed, (uint64_t)distinct);
          ASSERT_OK(frz_column_append_rows(&columns[i], &some, from, 1, &error));
        }
        frz_column_dispose(&some);
        keys[i] = (frz_sort_key){&columns[i], frz_feed_choose(&feed, 2) != 0,
                                 frz_feed_choose(&feed, 2) != 0};
      }
      for (size_t n_keys = 0; n_keys <= 3; n_keys++) check_sorted(keys, n_keys, row_counts[r]);
      for (size_t i = 0; i < 3; i++) frz_column_dispose(&columns[i]);
    }
    frz_arena_free(&arena);
  }
}

static void test_order_is_recognized(void **state)
{
  (void)state;
  static const struct {
    int64_t values[5];
    int64_t first, n;
    bool ascending, descending;
  } cases[] = {
      {{1, 2, 2, 3, 9}, 0, 5, true, false}, {{9, 3, 3, 2, 1}, 0, 5, false, true},
      {{4, 4, 4, 4, 4}, 0, 5, true, true},  {{1, 3, 2, 4, 5}, 0, 5, false, false},
      {{9, 1, 2, 3, 0}, 1, 3, true, false}, {{9, 1, 2, 3, 0}, 4, 1, true, true},
      {{9, 1, 2, 3, 0}, 2, 0, true, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    frz_error error = {0};
    frz_column column;
    column_of(FRZ_ARROW_INT64, 0, &column);
    for (size_t j = 0; j < 5; j++)
      ASSERT_OK(frz_column_append_value(&column, &cases[i].values[j], 8, &error));
    frz_sort_key up = {&column, false, false};
    frz_sort_key down = {&column, true, false};
    assert_int_equal(frz_sort_is_ordered(&up, 1, cases[i].first, cases[i].n), cases[i].ascending);
    assert_int_equal(frz_sort_is_ordered(&down, 1, cases[i].first, cases[i].n),
                     cases[i].descending);
    frz_column_dispose(&column);
  }
}

static void test_nested_columns_are_no_keys(void **state)
{
  (void)state;
  for (int kind = FRZ_ARROW_NULL; kind <= FRZ_ARROW_MAP; kind++) {
    frz_arrow_type type = {.kind = (frz_arrow_kind)kind};
    assert_int_equal(frz_column_is_sortable(type), kind < FRZ_ARROW_LIST);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_kind_has_its_order),
      cmocka_unit_test(test_many_rows_by_several_keys),
      cmocka_unit_test(test_order_is_recognized),
      cmocka_unit_test(test_nested_columns_are_no_keys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
