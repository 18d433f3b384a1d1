/*
 * test_entity_key.c - entity keys out of Feast's messages.
 *
 * Bytes were made by Feast 0.67: EntityKey.SerializeToString() and serialize_entity_key(key, 3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "frazil/online.h"

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

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_keys_are_those_of_feast), cmocka_unit_test(test_small_buffers),
      cmocka_unit_test(test_truncated_messages), cmocka_unit_test(test_what_is_no_key),
      cmocka_unit_test(test_keys_from_values)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
