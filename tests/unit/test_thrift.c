/*
 * test_thrift.c - Thrift's compact protocol: what is written is read, and damage is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parquet/format/thrift.h"

#define ASSERT_OK(call)                                             \
  do {                                                              \
    if ((call) != FRZ_OK) fail_msg("%s: %s", #call, error.message); \
  } while (0)

/* One struct with a field of every kind, large id steps and a nested list of structs. */
static void write_sample(frz_buf *out)
{
  frz_error error = {0};
  frz_thrift_writer writer;
  frz_thrift_writer_init(&writer, out);
  frz_thrift_write_struct_begin(&writer);
  frz_thrift_write_bool_field(&writer, 1, true);
  frz_thrift_write_bool_field(&writer, 2, false);
  frz_thrift_write_byte_field(&writer, 3, -5);
  frz_thrift_write_i32_field(&writer, 20, INT32_MIN);
  frz_thrift_write_i64_field(&writer, 21, INT64_MAX);
  frz_thrift_write_i64_field(&writer, 300, INT64_MIN);
  frz_thrift_write_binary_field(&writer, 301, FRZ_STR("hello"));
  frz_thrift_write_list_field(&writer, 302, FRZ_THRIFT_I32, 20);
  for (int32_t i = 0; i < 20; i++) frz_thrift_write_i32(&writer, i * 1000);
  frz_thrift_write_list_field(&writer, 303, FRZ_THRIFT_STRUCT, 2);
  for (int32_t i = 0; i < 2; i++) {
    frz_thrift_write_struct_begin(&writer);
    frz_thrift_write_i32_field(&writer, 1, i);
    frz_thrift_write_struct_end(&writer);
  }
  frz_thrift_write_field(&writer, 304, FRZ_THRIFT_STRUCT);
  frz_thrift_write_struct_begin(&writer);
  frz_thrift_write_struct_end(&writer);
  frz_thrift_write_struct_end(&writer);
  ASSERT_OK(frz_thrift_writer_finish(&writer, &error));
}

static frz_status read_sample(const uint8_t *data, size_t size, int *n_fields_out, frz_error *err)
{
  frz_thrift_reader reader;
  frz_thrift_reader_init(&reader, data, size);
  *n_fields_out = 0;
  FRZ_TRY(frz_thrift_struct_begin(&reader, err));
  for (;;) {
    int16_t id = 0;
    frz_thrift_type type = FRZ_THRIFT_STOP;
    int8_t byte = 0;
    int32_t i32 = 0;
    int64_t i64 = 0;
    frz_str bytes = {NULL, 0};
    size_t n = 0;
    FRZ_TRY(frz_thrift_field(&reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) break;
    ++*n_fields_out;
    switch (id) {
    case 1: assert_int_equal(type, FRZ_THRIFT_TRUE); break;
    case 2: assert_int_equal(type, FRZ_THRIFT_FALSE); break;
    case 3:
      FRZ_TRY(frz_thrift_read_i8(&reader, &byte, err));
      assert_int_equal(byte, -5);
      break;
    case 20:
      FRZ_TRY(frz_thrift_read_i32(&reader, &i32, err));
      assert_int_equal(i32, INT32_MIN);
      break;
    case 21:
    case 300:
      FRZ_TRY(frz_thrift_read_i64(&reader, &i64, err));
      assert_true(i64 == (id == 21 ? INT64_MAX : INT64_MIN));
      break;
    case 301:
      FRZ_TRY(frz_thrift_read_binary(&reader, &bytes, err));
      assert_true(frz_str_is(bytes, "hello"));
      break;
    case 302:
      FRZ_TRY(frz_thrift_list_begin(&reader, &type, &n, err));
      assert_int_equal(n, 20);
      for (int32_t i = 0; i < 20; i++) {
        FRZ_TRY(frz_thrift_read_i32(&reader, &i32, err));
        assert_int_equal(i32, i * 1000);
      }
      break;
    default: FRZ_TRY(frz_thrift_skip(&reader, type, err)); break;
    }
  }
  assert_int_equal(reader.depth, 0);
  assert_int_equal(reader.bytes.pos, size);
  return FRZ_OK;
}

static void test_what_is_written_is_read(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_buf out;
  int n_fields = 0;
  frz_buf_init(&out, frz_alloc_default(), 1 << 16);
  write_sample(&out);
  ASSERT_OK(read_sample(out.data, out.size, &n_fields, &error));
  assert_int_equal(n_fields, 10);
  frz_buf_dispose(&out);
}

static void test_every_truncation_is_refused(void **state)
{
  (void)state;
  frz_buf out;
  frz_buf_init(&out, frz_alloc_default(), 1 << 16);
  write_sample(&out);
  for (size_t n = 0; n < out.size; n++) {
    frz_error error = {0};
    int n_fields = 0;
    frz_thrift_reader reader;
    assert_int_equal(read_sample(out.data, n, &n_fields, &error), FRZ_ERR_CORRUPT);
    assert_true(error.message[0] != '\0');
    frz_thrift_reader_init(&reader, out.data, n);
    assert_int_equal(frz_thrift_skip(&reader, FRZ_THRIFT_STRUCT, &error), FRZ_ERR_CORRUPT);
  }
  frz_thrift_reader reader;
  frz_thrift_reader_init(&reader, out.data, out.size);
  assert_int_equal(frz_thrift_skip(&reader, FRZ_THRIFT_STRUCT, NULL), FRZ_OK);
  assert_int_equal(reader.bytes.pos, out.size);
  frz_buf_dispose(&out);
}

static void test_bytes_are_those_of_the_specification(void **state)
{
  (void)state;
  frz_error error = {0};
  frz_buf out;
  frz_thrift_writer writer;
  frz_buf_init(&out, frz_alloc_default(), 1 << 16);
  frz_thrift_writer_init(&writer, &out);
  frz_thrift_write_struct_begin(&writer);
  frz_thrift_write_i32_field(&writer, 1, -1);     /* delta 1, type 5; zig-zag 1 */
  frz_thrift_write_i64_field(&writer, 16, 150);   /* delta 15, type 6; zig-zag 300 */
  frz_thrift_write_bool_field(&writer, 32, true); /* step of 16: type, then zig-zag id */
  frz_thrift_write_list_field(&writer, 33, FRZ_THRIFT_BINARY, 1);
  frz_thrift_write_binary(&writer, FRZ_STR("a"));
  frz_thrift_write_struct_end(&writer);
  ASSERT_OK(frz_thrift_writer_finish(&writer, &error));
  static const uint8_t wanted[] = {0x15, 0x01, 0xf6, 0xac, 0x02, 0x01,
                                   0x40, 0x19, 0x18, 0x01, 'a',  0x00};
  assert_int_equal(out.size, sizeof wanted);
  assert_memory_equal(out.data, wanted, sizeof wanted);
  frz_buf_dispose(&out);
}

static void test_damage_is_refused(void **state)
{
  (void)state;
  static const struct {
    uint8_t bytes[16];
    size_t size;
  } cases[] = {
      {{0x1d, 0}, 2},                                                              /* type 13 */
      {{0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0}, 12}, /* long number */
      {{0x18, 0xff, 0xff, 0x03, 'a', 0}, 6},        /* bytes past the end */
      {{0x19, 0xf8, 0xff, 0xff, 0x03, 0}, 6},       /* list past the end */
      {{0x19, 0x80, 0}, 3},                         /* list of STOP */
      {{0x1b, 0x03, 0x58, 0}, 4},                   /* map past the end */
      {{0x17, 1, 2, 3, 0}, 5},                      /* short double */
      {{0x05, 0xff, 0xff, 0xff, 0x0f, 0x00, 0}, 7}, /* id past 16 bits */
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_thrift_reader reader;
    frz_error error = {0};
    frz_thrift_reader_init(&reader, cases[i].bytes, cases[i].size);
    assert_int_equal(frz_thrift_skip(&reader, FRZ_THRIFT_STRUCT, &error), FRZ_ERR_CORRUPT);
  }
}

static void test_nesting_is_bounded(void **state)
{
  (void)state;
  uint8_t lists[5000], structs[5000];
  frz_thrift_reader reader;
  for (size_t i = 0; i < sizeof lists; i++) lists[i] = 0x19;     /* a list of one list */
  for (size_t i = 0; i < sizeof structs; i++) structs[i] = 0x1c; /* a struct in field 1 */
  frz_thrift_reader_init(&reader, lists, sizeof lists);
  assert_int_equal(frz_thrift_skip(&reader, FRZ_THRIFT_LIST, NULL), FRZ_ERR_LIMIT);
  frz_thrift_reader_init(&reader, structs, sizeof structs);
  assert_int_equal(frz_thrift_skip(&reader, FRZ_THRIFT_STRUCT, NULL), FRZ_ERR_LIMIT);
  assert_true(reader.bytes.pos < 100);
}

static void test_numbers_are_checked_for_width(void **state)
{
  (void)state;
  static const uint8_t past[] = {0x80, 0x80, 0x80, 0x80, 0x10}; /* 2^31 */
  frz_thrift_reader reader;
  int32_t narrow = 7;
  int64_t wide = 0;
  frz_thrift_reader_init(&reader, past, sizeof past);
  assert_int_equal(frz_thrift_read_i32(&reader, &narrow, NULL), FRZ_ERR_CORRUPT);
  assert_int_equal(narrow, 7);
  frz_thrift_reader_init(&reader, past, sizeof past);
  assert_int_equal(frz_thrift_read_i64(&reader, &wide, NULL), FRZ_OK);
  assert_true(wide == (int64_t)1 << 31);
}

static void test_writer_keeps_its_first_failure(void **state)
{
  (void)state;
  frz_buf out;
  frz_error error = {0};
  frz_thrift_writer writer;
  frz_buf_init(&out, frz_alloc_default(), 3);
  frz_thrift_writer_init(&writer, &out);
  frz_thrift_write_struct_begin(&writer);
  for (int16_t i = 1; i < 100; i++) frz_thrift_write_i32_field(&writer, i, i);
  frz_thrift_write_struct_end(&writer);
  assert_int_equal(frz_thrift_writer_finish(&writer, &error), FRZ_ERR_LIMIT);
  assert_true(error.message[0] != '\0');
  frz_buf_dispose(&out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_is_written_is_read),
      cmocka_unit_test(test_every_truncation_is_refused),
      cmocka_unit_test(test_bytes_are_those_of_the_specification),
      cmocka_unit_test(test_damage_is_refused),
      cmocka_unit_test(test_nesting_is_bounded),
      cmocka_unit_test(test_numbers_are_checked_for_width),
      cmocka_unit_test(test_writer_keeps_its_first_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
