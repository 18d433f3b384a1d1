/*
 * test_server_request.c - the feature server's parser of requests and printer of answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feature_request.h"
#include "proto_encode.h"
#include "published.h"
#include "value_json.h"

/* ---- parsing ---- */

static frz_status parse(json_tree *tree, const char *text, size_t size, char **copy_out,
                        frz_error *err)
{
  /* Of its own size, so that a sanitizer sees a read behind the end. */
  char *copy = malloc(size > 0 ? size : 1);
  assert_non_null(copy);
  memcpy(copy, text, size);
  *copy_out = copy;
  return json_tree_parse(tree, copy, size, err);
}

static void test_documents_become_nodes(void **state)
{
  (void)state;
  static const char text[] =
      " {\"a\" : [1, -2.5, \"x\\n\\u00e4\\ud83d\\ude00\", true, null] , \"b\":{}} ";
  json_tree tree;
  char *copy;
  json_tree_init(&tree, 100);
  assert_int_equal(parse(&tree, text, strlen(text), &copy, NULL), FRZ_OK);
  assert_int_equal(tree.n_nodes, 10);
  uint32_t a = json_member(&tree, 0, "a");
  assert_int_equal(tree.nodes[a].kind, JSON_ARRAY);
  assert_int_equal(tree.nodes[a].size, 5);
  assert_int_equal(tree.nodes[a + 1].as.integer, 1);
  assert_true(tree.nodes[a + 2].as.number == -2.5);
  assert_true(json_is_text(&tree.nodes[a + 3], "x\n\xc3\xa4\xf0\x9f\x98\x80"));
  assert_true(tree.nodes[a + 4].as.boolean);
  assert_int_equal(tree.nodes[a + 5].kind, JSON_NULL);
  assert_int_equal(tree.nodes[json_member(&tree, 0, "b")].kind, JSON_OBJECT);
  assert_int_equal(json_member(&tree, 0, "c"), 0);
  assert_int_equal(json_next(&tree, 0), tree.n_nodes);
  free(copy);
  json_tree_dispose(&tree);
}

static void test_what_is_not_json_is_refused(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    const char *message;
  } cases[] = {
      {"", "json ends at offset 0 where a value is wanted"},
      {"{", "json ends at offset 1 where a member's name is wanted"},
      {"[1,]", "json offset 3: ']' where a value is wanted"},
      {"{\"a\":1,}", "json offset 7: '}' where a member's name is wanted"},
      {"[1 2]", "json offset 3: '2' where ',' or ']' is wanted"},
      {"{\"a\" 1}", "json offset 5: '1' where ':' is wanted"},
      {"[01]", "json offset 2: '1' where ',' or ']' is wanted"},
      {"[-]", "json offset 2: ']' where a digit is wanted"},
      {"[1.]", "json offset 3: ']' where a digit is wanted"},
      {"[1e+]", "json offset 4: ']' where a digit is wanted"},
      {"nul", "json offset 0: 'n' where a value is wanted"},
      {"1 2", "json offset 2: '2' where the end is wanted"},
      {"\"a", "json ends at offset 2 where the end of a text is wanted"},
      {"\"\\x\"", "json offset 2: 'x' where an escaped character is wanted"},
      {"\"\\u12g4\"", "json offset 3: '1' where four hexadecimal digits is wanted"},
      {"\"\\udc00\"", "json offset 3: 'd' where the first half of a surrogate pair is wanted"},
      {"\"\\ud800x\"", "json offset 7: 'x' where the second half of a surrogate pair is wanted"},
      {"\"\xc3\"", "json offset 1: byte 0xc3 where UTF-8 is wanted"},
      {"\"\xed\xa0\x80\"", "json offset 1: byte 0xed where UTF-8 is wanted"},
      {"\"\n\"", "json offset 1: byte 0x0a where an escape is wanted"},
      {"1e999", "json offset 0: '1e999' is too large for a double"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    json_tree tree;
    char *copy;
    frz_error err = {0};
    json_tree_init(&tree, 100);
    assert_int_equal(parse(&tree, cases[i].text, strlen(cases[i].text), &copy, &err),
                     FRZ_ERR_INVALID);
    assert_string_equal(err.message, cases[i].message);
    free(copy);
    json_tree_dispose(&tree);
  }
}

static void test_every_truncation_is_refused(void **state)
{
  (void)state;
  static const char text[] =
      "{\"a\":[1,-2.5e3,\"x\\n\\u00e4\\ud83d\\ude00\xe6\x97\xa5\",true,null],\"b\":{\"c\":[]}}";
  for (size_t size = 0; size < strlen(text); size++) {
    json_tree tree;
    char *copy;
    json_tree_init(&tree, 100);
    assert_int_equal(parse(&tree, text, size, &copy, NULL), FRZ_ERR_INVALID);
    free(copy);
    json_tree_dispose(&tree);
  }
}

static void test_depth_and_count_are_bounded(void **state)
{
  (void)state;
  char text[2 * JSON_DEPTH_MAX + 3];
  for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
    json_tree tree;
    char *copy;
    memset(text, '[', (size_t)depth);
    memset(text + depth, ']', (size_t)depth);
    json_tree_init(&tree, 1000);
    assert_int_equal(parse(&tree, text, 2 * (size_t)depth, &copy, NULL),
                     depth <= JSON_DEPTH_MAX ? FRZ_OK : FRZ_ERR_INVALID);
    free(copy);
    json_tree_dispose(&tree);
  }
  for (uint32_t most = 3; most <= 4; most++) {
    json_tree tree;
    char *copy;
    json_tree_init(&tree, most);
    assert_int_equal(parse(&tree, "[1,2,3]", 7, &copy, NULL), most < 4 ? FRZ_ERR_LIMIT : FRZ_OK);
    free(copy);
    json_tree_dispose(&tree);
  }
}

/* ---- requests ---- */

static frz_status read_features(const char *text, feature_request *request, json_tree *tree,
                                frz_error *err)
{
  static char copy[4096];
  memcpy(copy, text, strlen(text));
  json_tree_init(tree, 1000);
  assert_int_equal(json_tree_parse(tree, copy, strlen(text), err), FRZ_OK);
  return feature_request_read(tree, 3, request, err);
}

static void test_requests_are_read(void **state)
{
  (void)state;
  json_tree tree;
  feature_request request;
  assert_int_equal(read_features("{\"entities\":{\"id\":[1,2],\"x\":[\"a\",\"b\"]},"
                                 "\"features\":[\"v:a\",\"v:b\"],\"full_feature_names\":true}",
                                 &request, &tree, NULL),
                   FRZ_OK);
  assert_int_equal(request.n_entities, 2);
  assert_int_equal(request.n_rows, 2);
  assert_int_equal(request.service, 0);
  assert_true(request.full_feature_names);
  assert_false(request.view_versions);
  json_tree_dispose(&tree);
  assert_int_equal(
      read_features("{\"entities\":{\"id\":[]},\"feature_service\":\"s\",\"features\":null}",
                    &request, &tree, NULL),
      FRZ_OK);
  assert_true(json_is_text(&tree.nodes[request.service], "s"));
  assert_int_equal(request.n_rows, 0);
  json_tree_dispose(&tree);
}

static void test_requests_of_another_shape_say_why(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    const char *message;
  } cases[] = {{"[]", "the body is an array, not an object"},
               {"{}", "no features: give 'features' or 'feature_service'"},
               {"{\"features\":[]}", "no features: give 'features' or 'feature_service'"},
               {"{\"features\":\"v:a\"}", "'features' is a text, not an array of texts"},
               {"{\"features\":[1]}", "'features' is a whole number, not \"view:feature\" texts"},
               {"{\"features\":[\"v:a\"]}", "'entities' is missing"},
               {"{\"features\":[\"v:a\"],\"entities\":{}}", "'entities' is empty"},
               {"{\"features\":[\"v:a\"],\"entities\":{\"a\":1}}",
                "entities 'a' is a whole number, not an array of values"},
               {"{\"features\":[\"v:a\"],\"entities\":{\"a\":[1],\"b\":[1,2]}}",
                "entities 'b' has 2 values where 'a' has 1"},
               {"{\"features\":[\"v:a\"],\"entities\":{\"a\":[1,2,3,4]}}",
                "4 rows of entities; at most 3 are served at once"},
               {"{\"features\":[\"v:a\"],\"entities\":{\"a\":[1]},\"full_feature_names\":1}",
                "'full_feature_names' is a whole number, not a boolean"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    json_tree tree;
    feature_request request;
    frz_error err = {0};
    assert_int_not_equal(read_features(cases[i].text, &request, &tree, &err), FRZ_OK);
    assert_string_equal(err.message, cases[i].message);
    json_tree_dispose(&tree);
  }
}

static void test_join_keys_must_fit(void **state)
{
  (void)state;
  static const struct {
    const char *json;
    frz_value_kind kind;
    bool fits;
    int64_t value;
  } cases[] = {{"5", FRZ_VALUE_INT64, true, 5},
               {"5.0", FRZ_VALUE_INT64, true, 5},
               {"\"-7\"", FRZ_VALUE_INT64, true, -7},
               {"true", FRZ_VALUE_INT64, true, 1},
               {"9223372036854775807", FRZ_VALUE_INT64, true, INT64_MAX},
               {"9223372036854775808", FRZ_VALUE_INT64, false, 0},
               {"5.5", FRZ_VALUE_INT64, false, 0},
               {"\"x\"", FRZ_VALUE_INT64, false, 0},
               {"\"\"", FRZ_VALUE_INT64, false, 0},
               {"[1]", FRZ_VALUE_INT64, false, 0},
               {"2147483647", FRZ_VALUE_INT32, true, INT32_MAX},
               {"2147483648", FRZ_VALUE_INT32, false, 0},
               {"3", FRZ_VALUE_TIMESTAMP, true, 3000000},
               {"9223372036854775", FRZ_VALUE_TIMESTAMP, false, 0},
               {"5", FRZ_VALUE_STRING, false, 0},
               {"1", FRZ_VALUE_BOOL, false, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    json_tree tree;
    char *copy;
    frz_value value = {0};
    const frz_online_column key = {.name = "id", .kind = cases[i].kind};
    json_tree_init(&tree, 10);
    assert_int_equal(parse(&tree, cases[i].json, strlen(cases[i].json), &copy, NULL), FRZ_OK);
    assert_int_equal(key_value_read(&tree, 0, &key, &value, NULL),
                     cases[i].fits ? FRZ_OK : FRZ_ERR_INVALID);
    if (cases[i].fits)
      assert_int_equal(cases[i].kind == FRZ_VALUE_INT32 ? value.as.i32 : value.as.i64,
                       cases[i].value);
    free(copy);
    json_tree_dispose(&tree);
  }
}

/* ---- printing ---- */

static void assert_text(text_out *out, const char *wanted)
{
  assert_false(out->failed);
  text_put_byte(out, '\0');
  assert_string_equal(out->data, wanted);
  text_out_clear(out);
}

static void test_values_are_printed_as_feast_does(void **state)
{
  (void)state;
  text_out out;
  text_out_init(&out, 1 << 16);
  const struct {
    frz_value value;
    const char *text;
  } cases[] = {{{.kind = FRZ_VALUE_NULL}, "null"},
               {{.kind = FRZ_VALUE_BOOL, .as.boolean = true}, "true"},
               {{.kind = FRZ_VALUE_INT32, .as.i32 = INT32_MIN}, "-2147483648"},
               {{.kind = FRZ_VALUE_INT64, .as.i64 = INT64_MIN}, "-9223372036854775808"},
               {{.kind = FRZ_VALUE_FLOAT, .as.f32 = 0.1f}, "0.10000000149011612"},
               {{.kind = FRZ_VALUE_DOUBLE, .as.f64 = 1}, "1.0"},
               {{.kind = FRZ_VALUE_DOUBLE, .as.f64 = -0.0}, "-0.0"},
               {{.kind = FRZ_VALUE_DOUBLE, .as.f64 = NAN}, "\"NaN\""},
               {{.kind = FRZ_VALUE_DOUBLE, .as.f64 = -INFINITY}, "\"-Infinity\""},
               {{.kind = FRZ_VALUE_TIMESTAMP, .as.i64 = -1}, "-1"},
               {{.kind = FRZ_VALUE_TIMESTAMP, .as.i64 = 1999999}, "1"},
               {{.kind = FRZ_VALUE_BYTES, .as.bytes = {"a\0b", 3}}, "\"YQBi\""},
               {{.kind = FRZ_VALUE_BYTES, .as.bytes = {"abcd", 4}}, "\"YWJjZA==\""},
               {{.kind = FRZ_VALUE_STRING, .as.bytes = {"\"\\\n\x01\xff\xc3\xa4", 7}},
                "\"\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa4\""}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(value_json_put(&out, &cases[i].value, NULL), FRZ_OK);
    assert_text(&out, cases[i].text);
  }
  text_out_dispose(&out);
}

static void test_times_have_the_digits_they_need(void **state)
{
  (void)state;
  static const struct {
    int64_t us;
    const char *text;
  } cases[] = {{0, "\"1970-01-01T00:00:00Z\""},
               {-1, "\"1969-12-31T23:59:59.999999Z\""},
               {951782400000000, "\"2000-02-29T00:00:00Z\""},
               {1772368215123000, "\"2026-03-01T12:30:15.123Z\""},
               {1772368215000001, "\"2026-03-01T12:30:15.000001Z\""},
               {253402300799999999, "\"9999-12-31T23:59:59.999999Z\""}};
  text_out out;
  text_out_init(&out, 1 << 10);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t us = 0;
    text_put_time(&out, cases[i].us);
    assert_true(time_text_read(out.data + 1, out.size - 2, &us, NULL));
    assert_int_equal(us, cases[i].us);
    assert_text(&out, cases[i].text);
  }
  text_out_dispose(&out);
}

static void test_times_are_read(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    int64_t us;
    int32_t offset_s;
  } good[] = {{"2026-01-31", 1769817600000000, 0},
              {"2026-01-31T01:00:00+01:00", 1769817600000000, 3600},
              {"2026-01-31 00:00", 1769817600000000, 0},
              {"2026-01-30T16:00:00.000001-0800", 1769817600000001, -28800},
              {"2026-01-31T00:00:00.123456789Z", 1769817600123456, 0}};
  static const char *const bad[] = {"",
                                    "2026-1-31",
                                    "2026-02-30",
                                    "2026-13-01",
                                    "2026-01-31T25:00",
                                    "2026-01-31T00:00:00.",
                                    "2026-01-31T",
                                    "2026-01-31T00:00:00+1",
                                    "2026-01-31x",
                                    "0000-01-01"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    int64_t us = 0;
    int32_t offset_s = 0;
    assert_true(time_text_read(good[i].text, strlen(good[i].text), &us, &offset_s));
    assert_int_equal(us, good[i].us);
    assert_int_equal(offset_s, good[i].offset_s);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(time_text_read(bad[i], strlen(bad[i]), &(int64_t){0}, NULL));
}

/* ---- serialized values ---- */

static void test_json_goes_through_serialized_values(void **state)
{
  (void)state;
  static const struct {
    int32_t type;
    const char *json;
    const char *printed; /* NULL: as it was */
  } cases[] = {{20, "{\"a\":1,\"b\":[1.5,2],\"c\":null,\"d\":{\"e\":[\"x\"]},\"f\":true}",
                "{\"a\":1,\"b\":[1.5,2.0],\"c\":null,\"d\":{\"e\":[\"x\"]},\"f\":true}"},
               {34, "{}", NULL},
               {20, "\"{\\\"a\\\":-1}\"", "{\"a\":-1}"},
               {21, "[{\"a\":1},{}]", NULL},
               {35, "[\"{\\\"a\\\":1}\"]", "[{\"a\":1}]"},
               {42, "[[1,2],[],[3]]", NULL},
               {43, "[[\"a\"],[true,1]]", NULL},
               {48, "\"2026-01-31T01:00:00+05:30\"", NULL},
               {48, "\"2026-01-31T01:00:00Z\"", "\"2026-01-31T01:00:00+00:00\""}};
  text_out bytes;
  text_out out;
  text_out_init(&bytes, 1 << 16);
  text_out_init(&out, 1 << 16);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    json_tree tree;
    char *copy;
    json_tree_init(&tree, 100);
    assert_int_equal(parse(&tree, cases[i].json, strlen(cases[i].json), &copy, NULL), FRZ_OK);
    text_out_clear(&bytes);
    assert_int_equal(proto_encode(&tree, 0, cases[i].type, &bytes, NULL), FRZ_OK);
    assert_int_equal(value_json_put_serialized(&out, bytes.data, bytes.size, NULL), FRZ_OK);
    assert_text(&out, cases[i].printed != NULL ? cases[i].printed : cases[i].json);
    /* Every truncation is refused, or is a shorter value; none reads behind its end. */
    for (size_t size = 0; size < bytes.size; size++) {
      char *cut = malloc(size > 0 ? size : 1);
      assert_non_null(cut);
      memcpy(cut, bytes.data, size);
      (void)!value_json_put_serialized(&out, cut, size, NULL);
      text_out_clear(&out);
      free(cut);
    }
    free(copy);
    json_tree_dispose(&tree);
  }
  text_out_dispose(&bytes);
  text_out_dispose(&out);
}

static void test_a_text_stops_at_its_limit(void **state)
{
  (void)state;
  text_out out;
  text_out_init(&out, 10);
  text_put_z(&out, "0123456789");
  assert_false(out.failed);
  text_put_byte(&out, 'x');
  assert_true(out.failed);
  assert_int_equal(out.size, 10);
  text_out_dispose(&out);
}

static void test_what_was_published_is_checked(void **state)
{
  (void)state;
  static const char good[] = "{\"version\":1,\"entities\":{\"driver\":{\"join_key\":\"id\"}},"
                             "\"views\":{\"v\":{\"version\":3}},\"services\":{}}";
  static const char *const bad[] = {
      "[]", "{}", "{\"version\":2,\"entities\":{},\"views\":{},\"services\":{}}",
      "{\"version\":1,\"entities\":{},\"views\":{},\"services\":[]}",
      "{\"version\":1,\"entities\":{\"a\":1},\"views\":{},\"services\":{}}"};
  published *parsed = NULL;
  assert_int_equal(published_parse(strdup(good), strlen(good), &parsed, NULL), FRZ_OK);
  assert_int_equal(published_view_number(parsed, "v", 1, "version"), 3);
  assert_int_equal(published_view_number(parsed, "w", 1, "version"), 0);
  assert_int_equal(published_find(parsed, parsed->services, "s", 1), 0);
  published_release(parsed);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_not_equal(published_parse(strdup(bad[i]), strlen(bad[i]), &parsed, NULL), FRZ_OK);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_documents_become_nodes),
                                     cmocka_unit_test(test_what_is_not_json_is_refused),
                                     cmocka_unit_test(test_every_truncation_is_refused),
                                     cmocka_unit_test(test_depth_and_count_are_bounded),
                                     cmocka_unit_test(test_requests_are_read),
                                     cmocka_unit_test(test_requests_of_another_shape_say_why),
                                     cmocka_unit_test(test_join_keys_must_fit),
                                     cmocka_unit_test(test_values_are_printed_as_feast_does),
                                     cmocka_unit_test(test_times_have_the_digits_they_need),
                                     cmocka_unit_test(test_times_are_read),
                                     cmocka_unit_test(test_json_goes_through_serialized_values),
                                     cmocka_unit_test(test_a_text_stops_at_its_limit),
                                     cmocka_unit_test(test_what_was_published_is_checked)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
