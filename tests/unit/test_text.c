/*
 * test_text.c - JSON read and written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "frazil/text.h"
#include "test_files.h"
#include "text/base64.h"
#include "text/decimal_text.h"
#include "text/json_reader.h"
#include "text/json_writer.h"
#include "text/utf8.h"

typedef struct fixture {
  frz_arena arena;
  frz_json_reader json;
  frz_error err;
} fixture;

static frz_json_reader *open_text(fixture *f, frz_str text)
{
  *f = (fixture){0};
  frz_arena_init(&f->arena, frz_alloc_default(), 1 << 20);
  frz_json_reader_init(&f->json, text.data, text.size, &f->arena);
  return &f->json;
}

static void close_text(fixture *f)
{
  frz_arena_free(&f->arena);
}

static frz_status skip_all(frz_str text, frz_error *err)
{
  fixture f;
  frz_json_reader *json = open_text(&f, text);
  frz_status st = frz_json_skip(json, err);
  if (st == FRZ_OK) st = frz_json_finish(json, err);
  close_text(&f);
  return st;
}

/* Read every value through the typed calls. */
static frz_status walk(frz_json_reader *json, frz_error *err)
{
  frz_json_kind kind;
  FRZ_TRY(frz_json_peek(json, &kind, err));
  frz_str text;
  double number;
  bool flag;
  switch (kind) {
  case FRZ_JSON_STRING: return frz_json_read_string(json, &text, err);
  case FRZ_JSON_NUMBER: return frz_json_read_double(json, &number, err);
  case FRZ_JSON_BOOL: return frz_json_read_bool(json, &flag, err);
  case FRZ_JSON_NULL: return frz_json_read_null(json, &flag, err);
  case FRZ_JSON_END: return FRZ_ERR_CORRUPT;
  case FRZ_JSON_OBJECT:
    FRZ_TRY(frz_json_object_begin(json, err));
    for (;;) {
      FRZ_TRY(frz_json_object_next(json, &text, &flag, err));
      if (!flag) return FRZ_OK;
      FRZ_TRY(walk(json, err));
    }
  case FRZ_JSON_ARRAY:
    FRZ_TRY(frz_json_array_begin(json, err));
    for (;;) {
      FRZ_TRY(frz_json_array_next(json, &flag, err));
      if (!flag) return FRZ_OK;
      FRZ_TRY(walk(json, err));
    }
  }
  return FRZ_ERR_CORRUPT;
}

static frz_status walk_all(frz_str text, frz_error *err)
{
  fixture f;
  frz_json_reader *json = open_text(&f, text);
  frz_status st = walk(json, err);
  if (st == FRZ_OK) st = frz_json_finish(json, err);
  close_text(&f);
  return st;
}

static const char *const good[] = {"{}",
                                   "[]",
                                   "null",
                                   "true",
                                   "false",
                                   "0",
                                   "-0",
                                   "10",
                                   "-1.5e+3",
                                   "1E-2",
                                   "\"\"",
                                   " [ ] ",
                                   "{\"a\":1}",
                                   "[1,2,3]",
                                   "[[],{},[{}]]",
                                   "{\"a\":{\"b\":[1,{\"c\":null}]},\"d\":\"e\"}",
                                   "\"\\u0041\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                                   "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"",
                                   "\"\\ud83d\\ude00\"",
                                   "\t\r\n 1 \n",
                                   "\xef\xbb\xbf{}",
                                   "\"\x7f\"",
                                   "{\"\":\"\"}",
                                   "{\"a\" : [ true , false , null ] }"};

static const char *const bad[] = {"",
                                  " ",
                                  "{",
                                  "}",
                                  "[",
                                  "]",
                                  "[1",
                                  "[1,",
                                  "[1,]",
                                  "[,1]",
                                  "[1 2]",
                                  "{\"a\"}",
                                  "{\"a\":}",
                                  "{\"a\":1,}",
                                  "{,}",
                                  "{a:1}",
                                  "{1:1}",
                                  "{\"a\" 1}",
                                  "[}",
                                  "{]",
                                  "1 2",
                                  "nul",
                                  "tru",
                                  "falsy",
                                  "nulll",
                                  "01",
                                  "-",
                                  "+1",
                                  "1.",
                                  ".5",
                                  "1e",
                                  "1e+",
                                  "0x10",
                                  "NaN",
                                  "Infinity",
                                  "-Infinity",
                                  "'a'",
                                  "\"",
                                  "\"a",
                                  "\"\\\"",
                                  "\"\\x\"",
                                  "\"\\u12\"",
                                  "\"\\u12g4\"",
                                  "\"\\ud800\"",
                                  "\"\\udc00\"",
                                  "\"\\ud800\\u0041\"",
                                  "\"\\ud800x\"",
                                  "\"\n\"",
                                  "\"\t\"",
                                  "\"\x1f\"",
                                  "\"\x80\"",
                                  "\"\xc3\"",
                                  "\"\xc0\xaf\"",
                                  "\"\xe0\x80\x80\"",
                                  "\"\xed\xa0\x80\"",
                                  "\"\xf4\x90\x80\x80\"",
                                  "\"\xf8\x88\x80\x80\x80\"",
                                  "\"\xff\"",
                                  "\"\xe2\x82\"",
                                  "\"0123456\xf0\x9f\x98\"",
                                  "[1]]",
                                  "{}{}",
                                  "/* */1",
                                  "[1,,2]",
                                  "{\"a\":1 \"b\":2}",
                                  "\f1",
                                  "\xa0 1"};

static void test_documents_are_accepted_or_refused_by_both_ways(void **state)
{
  (void)state;
  frz_error err;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    frz_str text = frz_str_from(good[i]);
    if (skip_all(text, &err) != FRZ_OK) fail_msg("skip '%s': %s", good[i], err.message);
    if (walk_all(text, &err) != FRZ_OK) fail_msg("read '%s': %s", good[i], err.message);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    frz_str text = frz_str_from(bad[i]);
    if (skip_all(text, NULL) != FRZ_ERR_CORRUPT) fail_msg("skip accepts '%s'", bad[i]);
    if (walk_all(text, NULL) != FRZ_ERR_CORRUPT) fail_msg("read accepts '%s'", bad[i]);
  }
}

static void test_skip_and_read_agree_on_every_truncation_and_change(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    size_t size = strlen(good[i]);
    for (size_t n = 0; n < size; n++) {
      char *exact = malloc(n != 0 ? n : 1); /* so that a sanitizer sees an overrun */
      memcpy(exact, good[i], n);
      frz_str text = {exact, n};
      assert_int_equal(skip_all(text, NULL), walk_all(text, NULL));
      free(exact);
    }
    for (size_t at = 0; at < size; at++) {
      for (int byte = 0; byte < 256; byte += 1) {
        char *copy = malloc(size);
        memcpy(copy, good[i], size);
        copy[at] = (char)byte;
        frz_str text = {copy, size};
        assert_int_equal(skip_all(text, NULL), walk_all(text, NULL));
        free(copy);
      }
    }
  }
}

static void test_a_number_is_never_cut_silently(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    frz_status st;
    int64_t value;
  } cases[] = {{"0", FRZ_OK, 0},
               {"-0", FRZ_OK, 0},
               {"9223372036854775807", FRZ_OK, INT64_MAX},
               {"-9223372036854775808", FRZ_OK, INT64_MIN},
               {"9007199254740993", FRZ_OK, 9007199254740993},
               {"9223372036854775808", FRZ_ERR_CORRUPT, 0},
               {"-9223372036854775809", FRZ_ERR_CORRUPT, 0},
               {"99999999999999999999999", FRZ_ERR_CORRUPT, 0},
               {"1.0", FRZ_ERR_CORRUPT, 0},
               {"1e3", FRZ_ERR_CORRUPT, 0},
               {"\"1\"", FRZ_ERR_CORRUPT, 0},
               {"true", FRZ_ERR_CORRUPT, 0},
               {"null", FRZ_ERR_CORRUPT, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    fixture f;
    int64_t value = 77;
    frz_json_reader *json = open_text(&f, frz_str_from(cases[i].text));
    assert_int_equal(frz_json_read_i64(json, &value, &f.err), cases[i].st);
    assert_int_equal(value, cases[i].st == FRZ_OK ? cases[i].value : 77);
    close_text(&f);
  }
  static const struct {
    const char *text;
    frz_status st;
  } narrow[] = {{"2147483647", FRZ_OK},
                {"-2147483648", FRZ_OK},
                {"2147483648", FRZ_ERR_CORRUPT},
                {"-2147483649", FRZ_ERR_CORRUPT}};
  for (size_t i = 0; i < sizeof narrow / sizeof narrow[0]; i++) {
    fixture f;
    int32_t value = 77;
    frz_json_reader *json = open_text(&f, frz_str_from(narrow[i].text));
    assert_int_equal(frz_json_read_i32(json, &value, &f.err), narrow[i].st);
    if (narrow[i].st == FRZ_OK) assert_int_equal(value, strtoll(narrow[i].text, NULL, 10));
    close_text(&f);
  }
}

static void test_strings_are_decoded(void **state)
{
  (void)state;
  static const struct {
    const char *json;
    frz_str value;
  } cases[] = {
      {"\"plain\"", {"plain", 5}},
      {"\"\"", {"", 0}},
      {"\"a\\\"b\\\\c\\/d\"", {"a\"b\\c/d", 7}},
      {"\"\\b\\f\\n\\r\\t\"", {"\b\f\n\r\t", 5}},
      {"\"\\u0000\"", {"\0", 1}},
      {"\"\\u007f\\u0080\\u07FF\\u0800\\uffff\"",
       {"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", 11}},
      {"\"\\uD83D\\uDE00\\udbff\\udfff\"", {"\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", 8}},
      {"\"01234567890123456789\\n0123456789\"", {"01234567890123456789\n0123456789", 31}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    fixture f;
    frz_str value;
    frz_json_reader *json = open_text(&f, frz_str_from(cases[i].json));
    assert_int_equal(frz_json_read_string(json, &value, &f.err), FRZ_OK);
    assert_true(frz_str_equal(value, cases[i].value));
    assert_int_equal(frz_json_finish(json, NULL), FRZ_OK);
    close_text(&f);
  }
}

static void test_a_special_byte_is_found_at_every_offset_of_a_word(void **state)
{
  (void)state;
  char text[64];
  for (size_t n = 0; n < 24; n++) {
    static const char specials[] = {'\n', '\x80', '\xff', '\x1f', '\0'};
    for (size_t k = 0; k < sizeof specials; k++) {
      memset(text, 'x', sizeof text);
      text[0] = '"';
      text[1 + n] = specials[k];
      text[40] = '"';
      assert_int_equal(skip_all((frz_str){text, 41}, NULL), FRZ_ERR_CORRUPT);
    }
    static const char plain[] = {' ', '!', '#', '[', ']', '\x7f', '~'};
    for (size_t k = 0; k < sizeof plain; k++) {
      memset(text, plain[k], sizeof text);
      text[0] = '"';
      text[1 + n] = '"';
      assert_int_equal(skip_all((frz_str){text, n + 2}, NULL), FRZ_OK);
    }
  }
}

static void test_nesting_stops_at_the_limit(void **state)
{
  (void)state;
  char text[2 * FRZ_LIMIT_DEPTH + 4];
  for (int n = FRZ_LIMIT_DEPTH - 1; n <= FRZ_LIMIT_DEPTH + 1; n++) {
    memset(text, '[', (size_t)n);
    memset(text + n, ']', (size_t)n);
    frz_str all = {text, 2 * (size_t)n};
    frz_status wanted = n <= FRZ_LIMIT_DEPTH ? FRZ_OK : FRZ_ERR_LIMIT;
    assert_int_equal(skip_all(all, NULL), wanted);
    assert_int_equal(walk_all(all, NULL), wanted);
  }
}

static void test_errors_tell_the_offset_and_what_was_found(void **state)
{
  (void)state;
  frz_error err;
  assert_int_equal(skip_all(FRZ_STR("{\"a\":[1,x]}"), &err), FRZ_ERR_CORRUPT);
  assert_string_equal(err.message, "json offset 8: expected a value, found 'x'");
  assert_int_equal(skip_all(FRZ_STR("{\"a\":1"), &err), FRZ_ERR_CORRUPT);
  assert_string_equal(err.message, "json offset 6: expected ',' or '}', found the end");
  assert_int_equal(skip_all(FRZ_STR("\"ab\xff\""), &err), FRZ_ERR_CORRUPT);
  assert_non_null(strstr(err.message, "offset 3"));
  assert_non_null(strstr(err.message, "0xff"));
}

static void test_raw_text_is_borrowed_and_checked(void **state)
{
  (void)state;
  fixture f;
  frz_str key;
  frz_str raw;
  bool more;
  frz_json_reader *json = open_text(&f, FRZ_STR("{\"a\": {\"b\" : [1, 2]} , \"c\":null}"));
  assert_int_equal(frz_json_object_begin(json, NULL), FRZ_OK);
  assert_int_equal(frz_json_object_next(json, &key, &more, NULL), FRZ_OK);
  assert_true(more && frz_str_is(key, "a"));
  assert_int_equal(frz_json_read_raw(json, &raw, NULL), FRZ_OK);
  assert_true(frz_str_is(raw, "{\"b\" : [1, 2]}"));
  assert_int_equal(frz_json_object_next(json, &key, &more, NULL), FRZ_OK);
  assert_true(more && frz_str_is(key, "c"));
  bool was_null = false;
  assert_int_equal(frz_json_read_null(json, &was_null, NULL), FRZ_OK);
  assert_true(was_null);
  assert_int_equal(frz_json_object_next(json, &key, &more, NULL), FRZ_OK);
  assert_false(more);
  assert_int_equal(frz_json_finish(json, NULL), FRZ_OK);
  close_text(&f);
}

static void test_doubles_are_shortest_and_read_back(void **state)
{
  (void)state;
  static const struct {
    double value;
    const char *text;
  } cases[] = {{0.0, "0.0"},
               {-0.0, "-0.0"},
               {1, "1.0"},
               {-1.5, "-1.5"},
               {0.1, "0.1"},
               {0.30000000000000004, "0.30000000000000004"},
               {100, "100.0"},
               {123456789012345, "123456789012345.0"},
               {1e15, "1000000000000000.0"},
               {1e16, "1e16"},
               {1.5e300, "1.5e300"},
               {1e23, "1e23"},
               {9007199254740993.0, "9007199254740992.0"},
               {0.0001, "0.0001"},
               {0.00012345678901234567, "0.00012345678901234567"},
               {0.00001, "1e-5"},
               {5e-324, "5e-324"},
               {1e23, "1e23"},
               {9007199254740993.0, "9007199254740992.0"},
               {2e-323, "2e-323"},
               {9.5367431640625e-7, "9.5367431640625e-7"}, /* a power of two: nearer below */
               {0x1p-1074 * 3, "1.5e-323"},
               {(double)0.1f, "0.10000000149011612"},
               {DBL_MIN, "2.2250738585072014e-308"},
               {DBL_MAX, "1.7976931348623157e308"},
               {-DBL_MAX, "-1.7976931348623157e308"},
               {NAN, "nan"},
               {INFINITY, "inf"},
               {-INFINITY, "-inf"}};
  char text[32];
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(frz_double_print(cases[i].value, text), strlen(cases[i].text));
    assert_string_equal(text, cases[i].text);
  }
  uint64_t seed = 42;
  for (int i = 0; i < 20000; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    double value;
    memcpy(&value, &seed, sizeof value);
    if (!isfinite(value)) continue;
    size_t n = frz_double_print(value, text);
    assert_true(frz_decimal_parse((frz_str){text, n}) == value);
    assert_true(strtod(text, NULL) == value);
    /* No shorter text reads back. */
    char shorter[40];
    size_t digits = strcspn(text, "e");
    if (digits == n) continue; /* zeros may stand around the digits */
    for (size_t at = strcspn(text, "e"); at > 0; at--)
      if (text[at - 1] == '.' || text[at - 1] == '-') digits--;
    if (digits < 16) continue;
    snprintf(shorter, sizeof shorter, "%.14e", value);
    assert_true(strtod(shorter, NULL) != value);
  }
}

/* Digits are made eight at a time: each place and each zero of whole numbers and fractions. */
static void test_digits_of_whole_numbers(void **state)
{
  (void)state;
  char text[32], expected[64];
  uint64_t seed = 7;
  for (int i = 0; i < 200000; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    int64_t whole = (int64_t)(seed >> (11 + i % 53)), cut = 1;
    for (int zeros = i % 17; zeros > 0; zeros--) cut *= 10;
    double value = (double)(whole / cut * cut);
    frz_double_print(value, text);
    snprintf(expected, sizeof expected, "%.1f", value);
    assert_string_equal(text, expected);
    value = (double)(whole % (1 << 20)) / 64; /* at most six digits behind the point */
    frz_double_print(value, text);
    int n = snprintf(expected, sizeof expected, "%.6f", value);
    while (n > 3 && expected[n - 1] == '0' && expected[n - 2] != '.') expected[--n] = '\0';
    assert_string_equal(text, expected);
  }
}

static void test_decimals_round_once(void **state)
{
  (void)state;
  static const char *const numbers[] = {"0.1",
                                        "1e22",
                                        "1e23",
                                        "123456789012345678",
                                        "9007199254740993",
                                        "9007199254740993.0000001",
                                        "2.2250738585072011e-308",
                                        "2.4703282292062327e-324",
                                        "2.4703282292062328e-324",
                                        "1e-400",
                                        "179769313486231580793e289",
                                        "0.000000000000000000000000001e27",
                                        "100000000000000000000000e-23",
                                        "5e-324",
                                        "-1.7976931348623157e308",
                                        "4.35",
                                        "0e999999999999",
                                        "-0"};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    assert_true(frz_decimal_parse(frz_str_from(numbers[i])) == strtod(numbers[i], NULL));
  assert_true(isinf(frz_decimal_parse(FRZ_STR("1e999999999999999999999"))));
  assert_true(signbit(frz_decimal_parse(FRZ_STR("-0.0"))));
  /* A digit that decides the rounding, far behind what is kept. */
  char text[1200];
  int n = snprintf(text, sizeof text, "9007199254740993.");
  memset(text + n, '0', 1000);
  text[n + 1000] = '1';
  assert_true(frz_decimal_parse((frz_str){text, (size_t)n + 1001}) == 9007199254740994.0);
  assert_true(frz_decimal_parse((frz_str){text, (size_t)n + 1000}) == 9007199254740992.0);
}

static void test_the_locale_changes_nothing(void **state)
{
  (void)state;
  static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
  size_t i = 0;
  while (i < 3 && setlocale(LC_NUMERIC, names[i]) == NULL) i++;
  if (i == 3) {
    printf("no locale with a decimal comma here: skipped\n");
    return;
  }
  char text[32];
  frz_double_print(1234.5678, text);
  assert_string_equal(text, "1234.5678");
  assert_true(frz_decimal_parse(FRZ_STR("1.5e-300")) == 15e-301);
  setlocale(LC_NUMERIC, "C");
}

static void test_writer_places_commas_and_escapes(void **state)
{
  (void)state;
  frz_buf out;
  frz_buf_init(&out, frz_alloc_default(), 1 << 16);
  frz_json_writer json;
  frz_json_writer_init(&json, &out);
  frz_json_write_object_begin(&json);
  frz_json_write_key(&json, "a");
  frz_json_write_i64(&json, INT64_MIN);
  frz_json_write_key_str(&json, FRZ_STR("k\"\n"));
  frz_json_write_array_begin(&json);
  frz_json_write_array_begin(&json);
  frz_json_write_array_end(&json);
  frz_json_write_object_begin(&json);
  frz_json_write_object_end(&json);
  frz_json_write_string(&json, (frz_str){"\x01\0\x1f\x7f\xc3\xa9/", 7});
  frz_json_write_double(&json, 2);
  frz_json_write_double(&json, NAN);
  frz_json_write_bool(&json, true);
  frz_json_write_null(&json);
  frz_json_write_raw(&json, FRZ_STR("{\"raw\":1}"));
  frz_json_write_i64(&json, 0);
  frz_json_write_i64(&json, INT64_MAX);
  frz_json_write_array_end(&json);
  frz_json_write_key(&json, "z");
  frz_json_write_bool(&json, false);
  frz_json_write_object_end(&json);
  assert_int_equal(frz_json_writer_finish(&json, NULL), FRZ_OK);
  assert_true(frz_str_is(frz_buf_str(&out),
                         "{\"a\":-9223372036854775808,\"k\\\"\\n\":[[],{},"
                         "\"\\u0001\\u0000\\u001f\x7f\xc3\xa9/\",2.0,null,"
                         "true,null,{\"raw\":1},0,9223372036854775807],\"z\":false}"));
  assert_int_equal(walk_all(frz_buf_str(&out), NULL), FRZ_OK);
  frz_buf_dispose(&out);
}

static void test_writer_keeps_its_first_failure(void **state)
{
  (void)state;
  frz_buf out;
  frz_error err;
  frz_json_writer json;
  frz_buf_init(&out, frz_alloc_default(), 64);
  frz_json_writer_init(&json, &out);
  frz_json_write_array_begin(&json);
  for (int i = 0; i < 100; i++) frz_json_write_i64(&json, i);
  frz_json_write_string(&json, FRZ_STR("\xff"));
  frz_json_write_array_end(&json);
  assert_int_equal(frz_json_writer_finish(&json, &err), FRZ_ERR_LIMIT);
  frz_buf_dispose(&out);
  frz_buf_init(&out, frz_alloc_default(), 64);
  frz_json_writer_init(&json, &out);
  frz_json_write_string(&json, FRZ_STR("ab\xed\xa0\x80"));
  assert_int_equal(frz_json_writer_finish(&json, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "byte 2"));
  frz_buf_dispose(&out);
}

static void test_utf8_step_matches_the_table(void **state)
{
  (void)state;
  /* Every pair of lead and second byte, with good bytes behind: RFC 3629's table. */
  for (int lead = 0; lead < 256; lead++) {
    for (int second = 0; second < 256; second++) {
      char text[4] = {(char)lead, (char)second, '\x80', '\x80'};
      bool tail = second >= 0x80 && second <= 0xbf;
      size_t wanted = 0;
      if (lead < 0x80) wanted = 1;
      if (lead >= 0xc2 && lead <= 0xdf && tail) wanted = 2;
      if (lead >= 0xe0 && lead <= 0xef && tail) wanted = 3;
      if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) wanted = 0;
      if (lead >= 0xf0 && lead <= 0xf4 && tail) wanted = 4;
      if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) wanted = 0;
      assert_int_equal(frz_utf8_step(text, 4), wanted);
      if (wanted > 1) assert_int_equal(frz_utf8_step(text, wanted - 1), 0);
    }
  }
}

static void test_metadata_of_other_writers_is_valid(void **state)
{
  (void)state;
  char folder[4096];
  if (!frz_test_fixtures(folder)) return;
  static const char *const names[] = {"TableMetadataV1Valid", "TableMetadataV2Valid",
                                      "TableMetadataV2ValidMinimal", "TableMetadataV3ValidMinimal"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    char path[4300];
    size_t size;
    snprintf(path, sizeof path, "%s/iceberg/metadata/%s.json", folder, names[i]);
    uint8_t *data = frz_test_read(path, &size);
    assert_non_null(data);
    frz_str text = {(const char *)data, size};
    assert_int_equal(skip_all(text, NULL), FRZ_OK);
    assert_int_equal(walk_all(text, NULL), FRZ_OK);
    free(data);
  }
}

static void test_arrays_of_numbers(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    frz_status status;
    size_t n;
    int32_t last;
  } cases[] = {{"[]", FRZ_OK, 0, 0},
               {"[7]", FRZ_OK, 1, 7},
               {"[1, -2, 3, 4, 2147483647]", FRZ_OK, 5, INT32_MAX},
               {"[1, 2147483648]", FRZ_ERR_CORRUPT, 0, 0},
               {"[1, \"2\"]", FRZ_ERR_CORRUPT, 0, 0},
               {"[1", FRZ_ERR_CORRUPT, 0, 0},
               {"{}", FRZ_ERR_CORRUPT, 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_arena arena;
    frz_json_reader json;
    const int32_t *values = NULL;
    size_t n = 0;
    frz_arena_init(&arena, frz_alloc_default(), 1 << 16);
    frz_json_reader_init(&json, cases[i].text, strlen(cases[i].text), &arena);
    assert_int_equal(frz_json_read_i32_array(&json, &values, &n, NULL), cases[i].status);
    assert_int_equal(n, cases[i].n);
    if (n != 0) assert_int_equal(values[n - 1], cases[i].last);
    frz_arena_free(&arena);
  }
}

/* ---- base64 ---- */

static void test_base64_of_the_standard(void **state)
{
  (void)state;
  static const struct {
    const char *bytes, *text, *url;
  } cases[] = {{"", "", ""},
               {"f", "Zg==", "Zg"},
               {"fo", "Zm8=", "Zm8"},
               {"foo", "Zm9v", "Zm9v"},
               {"foob", "Zm9vYg==", "Zm9vYg"},
               {"fooba", "Zm9vYmE=", "Zm9vYmE"},
               {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
               {"\xfb\xff\xfe", "+//+", "-__-"}};
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_str bytes = frz_str_from(cases[i].bytes), back;
    assert_true(frz_str_is(frz_base64_print(bytes, &arena), cases[i].text));
    assert_true(frz_str_is(frz_base64_print_url(bytes, &arena), cases[i].url));
    assert_true(frz_base64_read(frz_str_from(cases[i].text), &arena, &back));
    assert_true(frz_str_equal(back, bytes));
    assert_true(frz_base64_read(frz_str_from(cases[i].url), &arena, &back));
    assert_true(frz_str_equal(back, bytes));
  }
  static const char *const wrong[] = {"Z", "Zg=a", "Zm9vY", "Zm 9", "Zg===", "\xff\xff\xff\xff"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    frz_str back;
    assert_false(frz_base64_read(frz_str_from(wrong[i]), &arena, &back));
  }
  frz_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_base64_of_the_standard),
      cmocka_unit_test(test_arrays_of_numbers),
      cmocka_unit_test(test_documents_are_accepted_or_refused_by_both_ways),
      cmocka_unit_test(test_skip_and_read_agree_on_every_truncation_and_change),
      cmocka_unit_test(test_a_number_is_never_cut_silently),
      cmocka_unit_test(test_strings_are_decoded),
      cmocka_unit_test(test_a_special_byte_is_found_at_every_offset_of_a_word),
      cmocka_unit_test(test_nesting_stops_at_the_limit),
      cmocka_unit_test(test_errors_tell_the_offset_and_what_was_found),
      cmocka_unit_test(test_raw_text_is_borrowed_and_checked),
      cmocka_unit_test(test_doubles_are_shortest_and_read_back),
      cmocka_unit_test(test_digits_of_whole_numbers),
      cmocka_unit_test(test_decimals_round_once),
      cmocka_unit_test(test_the_locale_changes_nothing),
      cmocka_unit_test(test_writer_places_commas_and_escapes),
      cmocka_unit_test(test_writer_keeps_its_first_failure),
      cmocka_unit_test(test_utf8_step_matches_the_table),
      cmocka_unit_test(test_metadata_of_other_writers_is_valid),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
