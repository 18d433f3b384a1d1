/*
 * test_entity_key.c - entity keys out of Feast's messages, and of rows.
 *
 * Bytes were made by Feast 0.67: EntityKey.SerializeToString() and serialize_entity_key(key, 3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "online/entity_key.h"

#define BYTES(...)                                                         \
  {                                                                        \
    (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}) \
  }

static const struct {
  frz_bytes message, key;
} cases[] = {
    /* user_id = 7 (int64), country = "DE" (text) */
    {BYTES(0x0a, 0x07, 0x75, 0x73, 0x65, 0x72, 0x5f, 0x69, 0x64, 0x0a, 0x07, 0x63, 0x6f, 0x75, 0x6e,
           0x74, 0x72, 0x79, 0x12, 0x02, 0x20, 0x07, 0x12, 0x04, 0x12, 0x02, 0x44, 0x45),
     BYTES(0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x63, 0x6f, 0x75,
           0x6e, 0x74, 0x72, 0x79, 0x02, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x75, 0x73, 0x65,
           0x72, 0x5f, 0x69, 0x64, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x44, 0x45, 0x04,
           0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
           0x00)},
    /* k = -2 (int32) */
    {BYTES(0x0a, 0x01, 0x6b, 0x12, 0x0b, 0x18, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
           0x01),
     BYTES(0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x6b, 0x03, 0x00,
           0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0xfe, 0xff, 0xff, 0xff)},
    /* k = 00 ff (bytes) */
    {BYTES(0x0a, 0x01, 0x6b, 0x12, 0x04, 0x0a, 0x02, 0x00, 0xff),
     BYTES(0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x6b, 0x01, 0x00,
           0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0xff)},
    /* k = -1 s (time) */
    {BYTES(0x0a, 0x01, 0x6b, 0x12, 0x0b, 0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
           0x01),
     BYTES(0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x6b, 0x08, 0x00,
           0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
    /* k = 0 (int64), after a field that is not known and another value of the oneof */
    {BYTES(0x0a, 0x01, 0x6b, 0x1d, 0x01, 0x02, 0x03, 0x04, 0x12, 0x05, 0x12, 0x01, 0x61, 0x20,
           0x00),
     BYTES(0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x6b, 0x04, 0x00,
           0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00)},
    {{"", 0}, BYTES(0x00, 0x00, 0x00, 0x00)}};

enum { N_CASES = sizeof cases / sizeof cases[0], KEY_BYTES_MAX = 128 };

static void test_keys_are_those_of_feast(void **state)
{
  (void)state;
  for (size_t i = 0; i < N_CASES; i++) {
    uint8_t key[KEY_BYTES_MAX];
    size_t size = 0;
    frz_error err = {0};
    assert_int_equal(frz_online_key_from_message(cases[i].message, key, sizeof key, &size, &err),
                     FRZ_OK);
    assert_int_equal(size, cases[i].key.size_bytes);
    assert_memory_equal(key, cases[i].key.data, size);
    assert_true(size <= 4 + 4 * cases[i].message.size_bytes);
  }
}

/* A buffer that is too small is not written beyond, and the size is told all the same. */
static void test_small_buffers(void **state)
{
  (void)state;
  size_t whole = cases[0].key.size_bytes;
  for (size_t capacity = 0; capacity < whole; capacity++) {
    uint8_t key[KEY_BYTES_MAX];
    size_t size = 0;
    memset(key, 0xee, sizeof key);
    assert_int_equal(frz_online_key_from_message(cases[0].message, capacity != 0 ? key : NULL,
                                                 capacity, &size, NULL),
                     FRZ_OK);
    assert_int_equal(size, whole);
    for (size_t i = capacity; i < sizeof key; i++) assert_int_equal(key[i], 0xee);
  }
}

/* Every prefix is refused, or is a message of its own: the names of the first case are too many. */
static void test_truncated_messages(void **state)
{
  (void)state;
  for (size_t i = 0; i < N_CASES; i++) {
    for (size_t n = 1; n < cases[i].message.size_bytes; n++) {
      uint8_t key[KEY_BYTES_MAX], copy[KEY_BYTES_MAX];
      size_t size = 77;
      frz_error err = {0};
      memcpy(copy, cases[i].message.data, n);
      assert_int_equal(
          frz_online_key_from_message((frz_bytes){copy, n}, key, sizeof key, &size, &err),
          FRZ_ERR_INVALID);
      assert_int_equal(size, 77);
    }
  }
}

static const struct {
  frz_bytes message;
  const char *words;
} refused[] = {{BYTES(0x0a, 0x01, 0x6b), "1 join keys and 0 values"},
               {BYTES(0x0a, 0x01, 0x6b, 0x12, 0x00), "join key 'k': no value"},
               {BYTES(0x0a, 0x01, 0x6b, 0x12, 0x02, 0x38, 0x01), "join key 'k': a value that is"},
               {BYTES(0x0a, 0x01, 0x6b, 0x12, 0x02, 0x20), "at byte 5 of 6"},
               {BYTES(0x0a, 0x01, 0x6b, 0x12, 0x01, 0x20), "entity value: no message"},
               {BYTES(0x0b), "entity key: no message"}};

static void test_what_is_no_key(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    size_t size;
    frz_error err = {0};
    assert_int_equal(frz_online_key_from_message(refused[i].message, NULL, 0, &size, &err),
                     FRZ_ERR_INVALID);
    if (strstr(err.message, refused[i].words) == NULL)
      fail_msg("%zu: '%s' does not say '%s'", i, err.message, refused[i].words);
  }
  uint8_t many[3 * 65];
  for (size_t i = 0; i < 65; i++) memcpy(many + 3 * i, "\x0a\x01k", 3);
  size_t size;
  assert_int_equal(
      frz_online_key_from_message((frz_bytes){many, sizeof many}, NULL, 0, &size, NULL),
      FRZ_ERR_LIMIT);
}

static const frz_bytes names[] = {{"user_id", 7}, {"country", 7}};
static const frz_bytes values[] = {BYTES(0x20, 0x07), BYTES(0x12, 0x02, 0x44, 0x45)};

static void test_keys_from_values(void **state)
{
  (void)state;
  uint8_t key[KEY_BYTES_MAX];
  size_t size = 0;
  assert_int_equal(frz_online_key_from_values(names, values, 2, key, sizeof key, &size, NULL),
                   FRZ_OK);
  assert_int_equal(size, cases[0].key.size_bytes);
  assert_memory_equal(key, cases[0].key.data, size);
  assert_int_equal(frz_online_key_from_values(names, values, 65, key, sizeof key, &size, NULL),
                   FRZ_ERR_LIMIT);
  assert_int_equal(frz_online_key_from_values(NULL, values, 1, key, sizeof key, &size, NULL),
                   FRZ_ERR_INVALID);
  assert_int_equal(frz_online_key_from_values(NULL, NULL, 0, key, sizeof key, &size, NULL), FRZ_OK);
  assert_int_equal(size, 4);
}

/* ---- the keys of rows ---- */

enum { N_ROWS = 300, KEYS_MAX = 3 };

/* A column, and the values that its rows stand for. */
static void fill_column(frz_arrow_kind kind, frz_column *column, frz_value *of_rows)
{
  const frz_arrow_field field = {.type = {.kind = kind, .unit = FRZ_UNIT_US}};
  assert_int_equal(frz_column_init(column, &field, frz_alloc_default(), NULL), FRZ_OK);
  for (int64_t i = 0; i < N_ROWS; i++) {
    int64_t wide = (i - 7) * (kind == FRZ_ARROW_TIMESTAMP ? 1000001 : 65537);
    int32_t narrow = (int32_t)wide;
    static const char text[] = "as long as it has to be";
    size_t size = (size_t)i % sizeof text;
    const void *data = &wide;
    of_rows[i] = (frz_value){.kind = FRZ_VALUE_INT64, .as.i64 = wide};
    if (kind == FRZ_ARROW_TIMESTAMP) of_rows[i].kind = FRZ_VALUE_TIMESTAMP;
    if (kind == FRZ_ARROW_STRING) {
      data = text;
      of_rows[i] = (frz_value){.kind = FRZ_VALUE_BYTES, .as.bytes = {text, size}};
    } else if (kind == FRZ_ARROW_INT32) {
      data = &narrow;
      size = sizeof narrow;
    } else {
      size = sizeof wide;
    }
    assert_int_equal(frz_column_append_value(column, data, size, NULL), FRZ_OK);
  }
}

static const struct {
  size_t n_keys;
  struct {
    int32_t value_type;
    frz_value_kind kind;
    frz_arrow_kind column;
  } keys[KEYS_MAX];
} row_cases[] = {
    {0, {{0}}},
    {1, {{4, FRZ_VALUE_INT64, FRZ_ARROW_INT64}}},
    {1, {{3, FRZ_VALUE_INT32, FRZ_ARROW_INT32}}},
    {1, {{4, FRZ_VALUE_INT64, FRZ_ARROW_INT32}}},
    {1, {{8, FRZ_VALUE_TIMESTAMP, FRZ_ARROW_TIMESTAMP}}},
    {1, {{4, FRZ_VALUE_INT32, FRZ_ARROW_INT32}}}, /* a column that is narrower than its key */
    {1, {{2, FRZ_VALUE_STRING, FRZ_ARROW_STRING}}},
    {3,
     {{3, FRZ_VALUE_INT32, FRZ_ARROW_INT32},
      {4, FRZ_VALUE_INT64, FRZ_ARROW_INT64},
      {3, FRZ_VALUE_INT32, FRZ_ARROW_INT64}}},
    {2, {{4, FRZ_VALUE_INT64, FRZ_ARROW_INT64}, {2, FRZ_VALUE_STRING, FRZ_ARROW_STRING}}}};

static void test_keys_of_rows(void **state)
{
  (void)state;
  static frz_value of_rows[KEYS_MAX][N_ROWS];
  const frz_arrow_field binary = {.type = {.kind = FRZ_ARROW_BINARY}};
  for (size_t c = 0; c < sizeof row_cases / sizeof row_cases[0]; c++) {
    size_t n = row_cases[c].n_keys;
    frz_online_column join_keys[KEYS_MAX];
    frz_column columns[KEYS_MAX], keys;
    for (size_t k = 0; k < n; k++) {
      join_keys[k] = (frz_online_column){.name = k == 0 ? "driver" : "shop",
                                         .value_type = row_cases[c].keys[k].value_type,
                                         .kind = row_cases[c].keys[k].kind};
      fill_column(row_cases[c].keys[k].column, &columns[k], of_rows[k]);
    }
    const frz_online_info info = {.join_keys = join_keys, .n_join_keys = n};
    assert_int_equal(frz_column_init(&keys, &binary, frz_alloc_default(), NULL), FRZ_OK);
    assert_int_equal(frz_entity_key_rows(&info, columns, N_ROWS, &keys, NULL), FRZ_OK);
    assert_int_equal(keys.n_rows, N_ROWS);
    for (int64_t i = 0; i < N_ROWS; i++) {
      uint8_t wanted[KEY_BYTES_MAX];
      frz_value values_of_row[KEYS_MAX];
      size_t size;
      for (size_t k = 0; k < n; k++) values_of_row[k] = of_rows[k][i];
      assert_int_equal(
          frz_online_entity_key(&info, values_of_row, wanted, sizeof wanted, &size, NULL), FRZ_OK);
      frz_str key = frz_column_bytes(&keys, i);
      assert_int_equal(key.size, size);
      assert_memory_equal(key.data, wanted, size);
    }
    frz_column_dispose(&keys);
    for (size_t k = 0; k < n; k++) frz_column_dispose(&columns[k]);
  }
}

static void test_rows_without_a_key(void **state)
{
  (void)state;
  frz_online_column key = {.name = "driver", .value_type = 3, .kind = FRZ_VALUE_INT32};
  const frz_online_info info = {.join_keys = &key, .n_join_keys = 1};
  const frz_arrow_field binary = {.type = {.kind = FRZ_ARROW_BINARY}};
  const frz_arrow_field field = {.type = {.kind = FRZ_ARROW_INT64}};
  const int64_t numbers[] = {1, (int64_t)1 << 31};
  frz_column column, keys;
  assert_int_equal(frz_column_init(&column, &field, frz_alloc_default(), NULL), FRZ_OK);
  assert_int_equal(frz_column_init(&keys, &binary, frz_alloc_default(), NULL), FRZ_OK);
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(frz_column_append_value(&column, &numbers[i], sizeof numbers[i], NULL),
                     FRZ_OK);
  frz_error err = {0};
  assert_int_equal(frz_entity_key_rows(&info, &column, 2, &keys, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "join key 'driver'"));
  frz_column_dispose(&keys);
  frz_column_dispose(&column);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_keys_are_those_of_feast), cmocka_unit_test(test_small_buffers),
      cmocka_unit_test(test_truncated_messages),      cmocka_unit_test(test_what_is_no_key),
      cmocka_unit_test(test_keys_from_values),        cmocka_unit_test(test_keys_of_rows),
      cmocka_unit_test(test_rows_without_a_key)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
