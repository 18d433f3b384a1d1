/*
 * test_literal.c - single values: binary form, JSON form, text, bounds, columns.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "iceberg/schema/date_text.h"
#include "iceberg/schema/literal.h"

static frz_arena arena;

static int setup(void **state)
{
  (void)state;
  frz_arena_init(&arena, frz_alloc_default(), (size_t)64 << 20);
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  frz_arena_free(&arena);
  return 0;
}

static frz_type type_of(const char *name)
{
  frz_type type;
  assert_int_equal(frz_type_parse_primitive(frz_str_from(name), &type, NULL), FRZ_OK);
  return type;
}

static frz_literal value_of(const char *type_name, const char *text, bool is_string)
{
  frz_type type = type_of(type_name);
  frz_literal literal;
  int range;
  frz_error err = {0};
  frz_status st =
      frz_literal_from_text(&type, frz_str_from(text), is_string, &arena, &literal, &range, &err);
  if (st != FRZ_OK) fail_msg("%s '%s': %s", type_name, text, err.message);
  assert_int_equal(range, 0);
  return literal;
}

static void test_binary_form(void **state)
{
  (void)state;
  static const struct {
    const char *type, *text;
    bool is_string;
    const char *bytes;
    size_t size;
  } cases[] = {
      {"boolean", "true", false, "\x01", 1},
      {"boolean", "FALSE", false, "\x00", 1},
      {"int", "34", false, "\x22\0\0\0", 4},
      {"int", "-1", false, "\xff\xff\xff\xff", 4},
      {"long", "34", false, "\x22\0\0\0\0\0\0\0", 8},
      {"float", "1.0", false, "\0\0\x80\x3f", 4},
      {"double", "-1", false, "\0\0\0\0\0\0\xf0\xbf", 8},
      {"date", "1970-01-02", true, "\x01\0\0\0", 4},
      {"date", "1969-12-31", true, "\xff\xff\xff\xff", 4},
      {"time", "00:00:00.000001", true, "\x01\0\0\0\0\0\0\0", 8},
      {"timestamp", "1970-01-01T00:00:01", true, "\x40\x42\x0f\0\0\0\0\0", 8},
      {"timestamptz", "1970-01-01T01:00:01+01:00", true, "\x40\x42\x0f\0\0\0\0\0", 8},
      {"timestamp_ns", "1970-01-01 00:00:00.000001001", true, "\xe9\x03\0\0\0\0\0\0", 8},
      {"string", "abc", true, "abc", 3},
      {"uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7", true,
       "\xf7\x9c\x3e\x09\x67\x7c\x4b\xbd\xa4\x79\x3f\x34\x9c\xb7\x85\xe7", 16},
      {"decimal(9, 2)", "14.20", false, "\x05\x8c", 2},
      {"decimal(9, 2)", "-14.2", false, "\xfa\x74", 2},
      {"decimal(9, 2)", "0", false, "\0", 1},
      {"decimal(9, 2)", "1.27", false, "\x7f", 1},
      {"decimal(9, 2)", "1.28", false, "\0\x80", 2},
      {"decimal(9, 2)", "-1.28", false, "\x80", 1},
      {"decimal(9, 2)", "-1.29", false, "\xff\x7f", 2},
      {"fixed[3]", "xyz", true, "xyz", 3},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_literal literal = value_of(cases[i].type, cases[i].text, cases[i].is_string);
    frz_buf out;
    frz_buf_init(&out, frz_alloc_default(), 1000);
    assert_int_equal(frz_literal_to_bytes(&literal, &out, NULL), FRZ_OK);
    assert_int_equal(out.size, cases[i].size);
    assert_memory_equal(out.data, cases[i].bytes, cases[i].size);
    frz_type type = type_of(cases[i].type);
    frz_literal back;
    assert_int_equal(frz_literal_from_bytes(&type, frz_buf_str(&out), &back, NULL), FRZ_OK);
    assert_int_equal(frz_literal_compare(&literal, &back), 0);
    frz_buf_dispose(&out);
  }
}

static void test_narrow_forms_are_widened(void **state)
{
  (void)state;
  frz_literal literal;
  frz_type type = type_of("long");
  assert_int_equal(frz_literal_from_bytes(&type, FRZ_STR("\xfe\xff\xff\xff"), &literal, NULL), 0);
  assert_int_equal(literal.as.i64, -2);
  type = type_of("double");
  assert_int_equal(frz_literal_from_bytes(&type, FRZ_STR("\0\0\x80\x3f"), &literal, NULL), 0);
  assert_true(literal.as.f64 == 1.0);
  type = type_of("timestamp");
  assert_int_equal(frz_literal_from_bytes(&type, FRZ_STR("\x01\0\0\0"), &literal, NULL), 0);
  assert_int_equal(literal.as.i64, FRZ_US_PER_DAY);
  type = type_of("decimal(38, 0)");
  assert_int_equal(frz_literal_from_bytes(&type, FRZ_STR("\0\0\0\x80"), &literal, NULL), 0);
  assert_true(literal.as.decimal == 128);
}

static void test_wrong_lengths_are_corrupt(void **state)
{
  (void)state;
  static const char *const types[] = {"boolean",      "int",  "long",          "float",
                                      "double",       "date", "time",          "timestamp",
                                      "timestamp_ns", "uuid", "decimal(9, 2)", "fixed[3]"};
  static const char zeros[20] = {0};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    frz_type type = type_of(types[i]);
    frz_literal literal;
    assert_int_equal(frz_literal_from_bytes(&type, (frz_str){zeros, 17}, &literal, NULL),
                     FRZ_ERR_CORRUPT);
    if (type.kind != FRZ_TYPE_FIXED)
      assert_int_equal(frz_literal_from_bytes(&type, (frz_str){zeros, 0}, &literal, NULL),
                       FRZ_ERR_CORRUPT);
  }
}

static void test_order(void **state)
{
  (void)state;
  double ascending[] = {-INFINITY, -1, -0.0, 0.0, 1, INFINITY, NAN};
  for (size_t i = 0; i < 7; i++)
    for (size_t j = 0; j < 7; j++) {
      frz_literal a = {.kind = FRZ_TYPE_DOUBLE, .as = {.f64 = ascending[i]}};
      frz_literal b = {.kind = FRZ_TYPE_DOUBLE, .as = {.f64 = ascending[j]}};
      assert_int_equal(frz_literal_compare(&a, &b), (i > j) - (i < j));
    }
  frz_literal a = {.kind = FRZ_TYPE_STRING, .as = {.bytes = FRZ_STR("\x7f")}};
  frz_literal b = {.kind = FRZ_TYPE_STRING, .as = {.bytes = FRZ_STR("\xc3\xa9")}};
  assert_true(frz_literal_compare(&a, &b) < 0); /* unsigned */
}

static void test_text_is_refused(void **state)
{
  (void)state;
  static const struct {
    const char *type, *text;
    bool is_string;
  } cases[] = {
      {"int", "abc", true},
      {"int", "1.5", false},
      {"int", "", true},
      {"long", "1e-1", false},
      {"float", "nan", true},
      {"double", "1.", false},
      {"double", "--1", true},
      {"decimal(9, 2)", "1.001", false},
      {"date", "2024-02-30", true},
      {"date", "2024-13-01", true},
      {"date", "20240101", true},
      {"date", "5", false},
      {"date", "2024-01-01T00:00:01", true},
      {"time", "24:00", true},
      {"time", "1:00", true},
      {"time", "00:00:00.0000001", true},
      {"timestamp", "2024-01-01T00:00:00+01:00", true},
      {"timestamp", "2024-01-01T00:00:00.0000001", true},
      {"timestamptz", "2024-01-01T", true},
      {"timestamptz", "now", true},
      {"timestamptz", "2024-01-01T00:00:00+0", true},
      {"string", "5", false},
      {"uuid", "f79c", true},
      {"uuid", "g79c3e09-677c-4bbd-a479-3f349cb785e7", true},
      {"fixed[3]", "ab", true},
      {"boolean", "yes", true},
      {"unknown", "1", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_type type = type_of(cases[i].type);
    frz_literal literal;
    int range;
    frz_error err;
    frz_status st = frz_literal_from_text(&type, frz_str_from(cases[i].text), cases[i].is_string,
                                          &arena, &literal, &range, &err);
    if (st != FRZ_ERR_INVALID) fail_msg("%s took '%s'", cases[i].type, cases[i].text);
    assert_non_null(strstr(err.message, cases[i].text));
  }
}

static void test_out_of_range_is_told(void **state)
{
  (void)state;
  static const struct {
    const char *type, *text;
    bool is_string;
    int range;
  } cases[] = {
      {"int", "2147483647", false, 0},
      {"int", "2147483648", false, 1},
      {"int", "-2147483648", false, 0},
      {"int", "-2147483649", false, -1},
      {"int", "5.0", false, 0},
      {"int", "5e2", false, 0},
      {"int", "1e99999999", false, 1},
      {"long", "9223372036854775807", false, 0},
      {"long", "9223372036854775808", false, 1},
      {"long", "-9223372036854775808", false, 0},
      {"long", "-99999999999999999999999999999999999999999999999", false, -1},
      {"decimal(4, 2)", "99.99", false, 0},
      {"decimal(4, 2)", "100", false, 1},
      {"decimal(4, 2)", "-100", false, -1},
      {"decimal(38, 0)", "99999999999999999999999999999999999999", false, 0},
      {"decimal(38, 0)", "100000000000000000000000000000000000000", false, 1},
      {"float", "3e38", false, 0},
      {"float", "4e38", false, 1},
      {"double", "1e308", false, 0},
      {"double", "-1e309", false, -1},
      {"double", "-inf", true, 0},
      {"timestamp", "290000-01-01", true, -2},
      {"timestamp", "+290000-01-01", true, 0},
      {"timestamp", "+299999-01-01", true, 1},
      {"timestamp_ns", "2262-01-01", true, 0},
      {"timestamp_ns", "2263-01-01", true, 1},
      {"timestamp_ns", "1600-01-01", true, -1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_type type = type_of(cases[i].type);
    frz_literal literal;
    int range = -2;
    (void)!frz_literal_from_text(&type, frz_str_from(cases[i].text), cases[i].is_string, &arena,
                                 &literal, &range, NULL);
    if (range != cases[i].range) fail_msg("%s '%s': %d", cases[i].type, cases[i].text, range);
  }
}

static void test_print(void **state)
{
  (void)state;
  static const struct {
    const char *type, *text;
    bool is_string;
    const char *printed;
  } cases[] = {
      {"boolean", "true", false, "true"},
      {"int", "-5", false, "-5"},
      {"decimal(9, 2)", "14.2", false, "14.20"},
      {"decimal(9, 2)", "-0.05", false, "-0.05"},
      {"decimal(9, 0)", "7", false, "7"},
      {"decimal(38, 38)", "0.00000000000000000000000000000000000001", false,
       "0.00000000000000000000000000000000000001"},
      {"float", "0.1", false, "0.1"},
      {"float", "1", false, "1.0"},
      {"double", "0.1", false, "0.1"},
      {"double", "-inf", true, "-Infinity"},
      {"date", "2017-11-16", true, "2017-11-16"},
      {"date", "0001-01-01", true, "0001-01-01"},
      {"time", "22:31", true, "22:31"},
      {"time", "22:31:08", true, "22:31:08"},
      {"time", "22:31:08.5", true, "22:31:08.500"},
      {"time", "22:31:08.123456", true, "22:31:08.123456"},
      {"timestamp", "2017-11-16T22:31:08", true, "2017-11-16T22:31:08"},
      {"timestamp", "1969-12-31T23:59:59.999999", true, "1969-12-31T23:59:59.999999"},
      {"timestamptz", "2017-11-16T14:31:08.5-08:00", true, "2017-11-16T22:31:08.5+00:00"},
      {"timestamptz", "2017-11-16T14:31Z", true, "2017-11-16T14:31:00+00:00"},
      {"timestamp_ns", "2017-11-16T22:31:08.000001001", true, "2017-11-16T22:31:08.000001001"},
      {"uuid", "F79C3E09677C4BBDA4793F349CB785E7", true, "f79c3e09-677c-4bbd-a479-3f349cb785e7"},
      {"binary", "hello", true, "aGVsbG8="},
      {"binary", "", true, ""},
      {"string", "a b", true, "a b"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_literal literal = value_of(cases[i].type, cases[i].text, cases[i].is_string);
    frz_str printed = frz_literal_print(&literal, &arena);
    if (!frz_str_is(printed, cases[i].printed))
      fail_msg("%s: %.*s, not %s", cases[i].type, FRZ_STR_ARG(printed), cases[i].printed);
  }
  frz_literal null = frz_literal_null(FRZ_TYPE_INT);
  assert_true(frz_str_is(frz_literal_print(&null, &arena), "null"));
}

static void test_json_form(void **state)
{
  (void)state;
  static const struct {
    const char *type, *json, *printed; /* NULL: refused */
  } cases[] = {
      {"boolean", "true", "true"},
      {"int", "34", "34"},
      {"int", "\"34\"", NULL},
      {"int", "3000000000", NULL},
      {"long", "34", "34"},
      {"float", "1.5", "1.5"},
      {"double", "-2e3", "-2000.0"},
      {"double", "-0.0", "-0.0"},
      {"float", "-0", "-0.0"},
      {"decimal(9, 2)", "\"14.20\"", "14.20"},
      {"decimal(9, 2)", "14.20", NULL},
      {"date", "\"2017-11-16\"", "2017-11-16"},
      {"time", "\"22:31:08.123456\"", "22:31:08.123456"},
      {"timestamp", "\"2017-11-16T22:31:08.123456\"", "2017-11-16T22:31:08.123456"},
      {"timestamptz", "\"2017-11-16T22:31:08.123456+00:00\"", "2017-11-16T22:31:08.123456+00:00"},
      {"timestamp_ns", "\"2017-11-16T22:31:08.123456789\"", "2017-11-16T22:31:08.123456789"},
      {"string", "\"ice\\u0062erg\"", "iceberg"},
      {"uuid", "\"f79c3e09-677c-4bbd-a479-3f349cb785e7\"", "f79c3e09-677c-4bbd-a479-3f349cb785e7"},
      {"fixed[4]", "\"000102ff\"", "AAEC/w=="},
      {"fixed[3]", "\"000102ff\"", NULL},
      {"binary", "\"000102ff\"", "AAEC/w=="},
      {"binary", "\"00010\"", NULL},
      {"string", "null", "null"},
      {"unknown", "null", "null"},
      {"unknown", "1", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_type type = type_of(cases[i].type);
    frz_literal literal;
    frz_status st =
        frz_literal_from_json(&type, frz_str_from(cases[i].json), &arena, &literal, NULL);
    if (cases[i].printed == NULL) {
      assert_int_equal(st, FRZ_ERR_CORRUPT);
      continue;
    }
    assert_int_equal(st, FRZ_OK);
    assert_true(frz_str_is(frz_literal_print(&literal, &arena), cases[i].printed));
  }
}

/* Texts are not checked to be UTF-8, so bounds must hold for any bytes, overlong forms among them.
 */
static void test_truncated_bounds_of_any_bytes(void **state)
{
  (void)state;
  enum { BYTES = 5 };
  static const char some[] = "a\x7f\x80\xbf\xc0\xc1\xe0\xed\xf0\xf4\xff";
  size_t n_some = sizeof some - 1, n_texts = 1;
  for (size_t i = 0; i < BYTES; i++) n_texts *= n_some;
  for (size_t number = 0; number < n_texts; number++) {
    char text[BYTES];
    size_t rest = number;
    for (size_t i = 0; i < BYTES; i++, rest /= n_some) text[i] = some[rest % n_some];
    frz_literal whole = {.kind = FRZ_TYPE_STRING, .as = {.bytes = {text, BYTES}}};
    for (int32_t length = 1; length < 4; length++) {
      frz_literal cut;
      frz_arena scratch;
      frz_arena_init(&scratch, frz_alloc_default(), 1 << 16);
      assert_true(frz_literal_truncate_bound(&whole, length, false, &scratch, &cut));
      assert_true(frz_literal_compare(&cut, &whole) <= 0);
      if (frz_literal_truncate_bound(&whole, length, true, &scratch, &cut) &&
          frz_literal_compare(&cut, &whole) < 0)
        fail_msg("text %zu cut to %d", number, (int)length);
      frz_arena_free(&scratch);
    }
  }
}

static void test_truncated_bounds(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    int32_t length;
    const char *lower, *upper; /* upper NULL: there is none */
    bool is_binary;
  } cases[] = {
      {"abc", 5, "abc", "abc", false},
      {"abc", 3, "abc", "abc", false},
      {"abcdef", 3, "abc", "abd", false},
      {"ab\x7f!", 3, "ab\x7f", "ab\xc2\x80", false},
      {"\xc3\xa9\xc3\xa9x", 2, "\xc3\xa9\xc3\xa9", "\xc3\xa9\xc3\xaa", false},
      {"a\xed\x9f\xbfx", 2, "a\xed\x9f\xbf", "a\xee\x80\x80", false}, /* past surrogates */
      {"a\xf4\x8f\xbf\xbfx", 2, "a\xf4\x8f\xbf\xbf", "b", false},     /* the last point */
      {"\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbfx", 2, "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf", NULL, false},
      {"a\xf0\x9f\x98\x80zz", 2, "a\xf0\x9f\x98\x80", "a\xf0\x9f\x98\x81", false},
      {"a\xff\xff!", 3, "a\xff\xff", "b", true},
      {"\xff\xff!", 2, "\xff\xff", NULL, true},
      {"abcd", 2, "ab", "ac", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_literal whole = {.kind = cases[i].is_binary ? FRZ_TYPE_BINARY : FRZ_TYPE_STRING,
                         .as = {.bytes = frz_str_from(cases[i].text)}};
    frz_literal cut;
    assert_true(frz_literal_truncate_bound(&whole, cases[i].length, false, &arena, &cut));
    assert_true(frz_str_is(cut.as.bytes, cases[i].lower));
    bool has_upper = frz_literal_truncate_bound(&whole, cases[i].length, true, &arena, &cut);
    assert_int_equal(has_upper, cases[i].upper != NULL);
    if (!has_upper) continue;
    assert_true(frz_str_is(cut.as.bytes, cases[i].upper));
    assert_true(frz_literal_compare(&cut, &whole) >= 0);
  }
  frz_literal number = {.kind = FRZ_TYPE_LONG, .as = {.i64 = 5}}, same;
  assert_true(frz_literal_truncate_bound(&number, 1, true, &arena, &same));
  assert_int_equal(same.as.i64, 5);
}

static void test_promotion(void **state)
{
  (void)state;
  frz_type to = type_of("long");
  frz_literal from = {.kind = FRZ_TYPE_INT, .as = {.i32 = -7}}, result;
  assert_true(frz_literal_promote(&from, &to, &result));
  assert_int_equal(result.as.i64, -7);
  to = type_of("double");
  assert_false(frz_literal_promote(&from, &to, &result));
  from = (frz_literal){.kind = FRZ_TYPE_FLOAT, .as = {.f32 = 0.5f}};
  assert_true(frz_literal_promote(&from, &to, &result));
  assert_true(result.as.f64 == 0.5);
  from = frz_literal_null(FRZ_TYPE_INT);
  assert_true(frz_literal_promote(&from, &to, &result) && result.is_null);
  from = (frz_literal){.kind = FRZ_TYPE_DATE, .as = {.i32 = 2}};
  to = type_of("timestamp");
  assert_true(frz_literal_promote(&from, &to, &result));
  assert_int_equal(result.as.i64, 2 * FRZ_US_PER_DAY);
  to = type_of("timestamptz");
  assert_false(frz_literal_promote(&from, &to, &result));
  from.as.i32 = INT32_MAX;
  to = type_of("timestamp_ns");
  assert_false(frz_literal_promote(&from, &to, &result));
}

static void test_columns(void **state)
{
  (void)state;
  static const struct {
    const char *type, *text;
    bool is_string;
  } cases[] = {
      {"boolean", "true", false},
      {"int", "-7", false},
      {"long", "1234567890123", false},
      {"float", "1.5", false},
      {"double", "2.5", false},
      {"decimal(20, 3)", "-1.234", false},
      {"date", "2020-02-29", true},
      {"time", "10:11:12", true},
      {"timestamp", "2020-02-29", true},
      {"timestamptz_ns", "2020-02-29", true},
      {"string", "text", true},
      {"string", "", true},
      {"uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7", true},
      {"fixed[3]", "abc", true},
      {"binary", "xy", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_field field = {.id = 1, .name = FRZ_STR("c"), .type = type_of(cases[i].type)};
    frz_arrow_field arrow;
    frz_column column;
    assert_int_equal(frz_field_to_arrow(&field, &arena, &arrow, NULL), FRZ_OK);
    assert_int_equal(frz_column_init(&column, &arrow, frz_alloc_default(), NULL), FRZ_OK);
    frz_literal value = value_of(cases[i].type, cases[i].text, cases[i].is_string);
    frz_literal null = frz_literal_null(field.type.kind);
    assert_int_equal(frz_literal_append(&null, &column, NULL), FRZ_OK);
    assert_int_equal(frz_literal_append(&value, &column, NULL), FRZ_OK);
    assert_int_equal(frz_literal_append(&value, &column, NULL), FRZ_OK);
    assert_true(frz_literal_from_column(&field.type, &column, 0).is_null);
    frz_literal back = frz_literal_from_column(&field.type, &column, 2);
    assert_int_equal(frz_literal_compare(&value, &back), 0);
    assert_int_equal(back.scale, field.type.scale);
    frz_column_dispose(&column);
  }
}

static void test_every_day_round_trips(void **state)
{
  (void)state;
  int64_t previous_year = -100000;
  for (int64_t days = -800000; days < 800000; days++) {
    int64_t year;
    int month, day;
    frz_date_of_days(days, &year, &month, &day);
    assert_true(month >= 1 && month <= 12 && day >= 1 && day <= 31 && year >= previous_year);
    previous_year = year;
    assert_int_equal(frz_days_of_date(year, month, day), days);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_binary_form),
      cmocka_unit_test(test_narrow_forms_are_widened),
      cmocka_unit_test(test_wrong_lengths_are_corrupt),
      cmocka_unit_test(test_order),
      cmocka_unit_test(test_text_is_refused),
      cmocka_unit_test(test_out_of_range_is_told),
      cmocka_unit_test(test_print),
      cmocka_unit_test(test_json_form),
      cmocka_unit_test(test_truncated_bounds),
      cmocka_unit_test(test_truncated_bounds_of_any_bytes),
      cmocka_unit_test(test_promotion),
      cmocka_unit_test(test_columns),
      cmocka_unit_test(test_every_day_round_trips),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
