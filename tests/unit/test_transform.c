/*
 * test_transform.c - partition transforms, specs, sort orders and paths.
 *
 * Hash values are those of the Iceberg specification, appendix B; the rest follows its tables.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "iceberg/schema/partition.h"

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

static frz_literal value_of(const char *type_name, const char *text, bool is_string)
{
  frz_type type;
  frz_literal literal;
  int range;
  assert_int_equal(frz_type_parse_primitive(frz_str_from(type_name), &type, NULL), FRZ_OK);
  assert_int_equal(
      frz_literal_from_text(&type, frz_str_from(text), is_string, &arena, &literal, &range, NULL),
      FRZ_OK);
  return literal;
}

static frz_literal apply(const char *transform_text, frz_literal value)
{
  frz_transform transform;
  frz_literal result;
  assert_int_equal(frz_transform_parse(frz_str_from(transform_text), &arena, &transform, NULL),
                   FRZ_OK);
  assert_int_equal(frz_transform_apply(&transform, &value, &arena, &result, NULL), FRZ_OK);
  return result;
}

/* With as many buckets as there can be, the bucket is the hash without its sign bit (mod 2^31-1,
 * which none of these reach). */
static void test_hashes_of_the_specification(void **state)
{
  (void)state;
  static const struct {
    const char *type, *text;
    bool is_string;
    int32_t hash;
  } cases[] = {
      {"int", "34", false, 2017239379},
      {"long", "34", false, 2017239379},
      {"decimal(9, 2)", "14.20", false, -500754589},
      {"decimal(38, 2)", "14.20", false, -500754589},
      {"date", "2017-11-16", true, -653330422},
      {"time", "22:31:08", true, -662762989},
      {"timestamp", "2017-11-16T22:31:08", true, -2047944441},
      {"timestamp", "2017-11-16T22:31:08.000001", true, -1207196810},
      {"timestamptz", "2017-11-16T14:31:08-08:00", true, -2047944441},
      {"timestamptz", "2017-11-16T14:31:08.000001-08:00", true, -1207196810},
      {"timestamp_ns", "2017-11-16T22:31:08", true, -2047944441},
      {"timestamp_ns", "2017-11-16T22:31:08.000001001", true, -1207196810},
      {"timestamptz_ns", "2017-11-16T14:31:08-08:00", true, -2047944441},
      {"timestamptz_ns", "2017-11-16T14:31:08.000001001-08:00", true, -1207196810},
      {"string", "iceberg", true, 1210000089},
      {"uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7", true, 1488055340},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_literal result =
        apply("bucket[2147483647]", value_of(cases[i].type, cases[i].text, cases[i].is_string));
    assert_int_equal(result.kind, FRZ_TYPE_INT);
    assert_int_equal(result.as.i32, cases[i].hash & INT32_MAX);
    frz_literal few =
        apply("bucket[16]", value_of(cases[i].type, cases[i].text, cases[i].is_string));
    assert_int_equal(few.as.i32, (cases[i].hash & INT32_MAX) % 16);
  }
  static const char four[] = {0, 1, 2, 3};
  frz_literal bytes = {.kind = FRZ_TYPE_BINARY, .as = {.bytes = {four, 4}}};
  assert_int_equal(apply("bucket[2147483647]", bytes).as.i32, -188683207 & INT32_MAX);
  bytes.kind = FRZ_TYPE_FIXED;
  assert_int_equal(apply("bucket[2147483647]", bytes).as.i32, -188683207 & INT32_MAX);
  /* nanoseconds before 1970 floor to microseconds */
  frz_literal ns = {.kind = FRZ_TYPE_TIMESTAMP_NS, .as = {.i64 = -1}};
  frz_literal us = {.kind = FRZ_TYPE_TIMESTAMP, .as = {.i64 = -1}};
  assert_int_equal(apply("bucket[1000]", ns).as.i32, apply("bucket[1000]", us).as.i32);
}

static void test_results(void **state)
{
  (void)state;
  static const struct {
    const char *transform, *type, *text;
    bool is_string;
    const char *result;
  } cases[] = {
      {"truncate[10]", "int", "1", false, "0"},
      {"truncate[10]", "int", "-1", false, "-10"},
      {"truncate[10]", "int", "-10", false, "-10"},
      {"truncate[10]", "long", "-11", false, "-20"},
      {"truncate[10]", "int", "-2147483648", false, "2147483646"}, /* wraps */
      {"truncate[50]", "decimal(9, 2)", "10.65", false, "10.50"},
      {"truncate[10]", "decimal(9, 2)", "12.34", false, "12.30"},
      {"truncate[10]", "decimal(9, 2)", "-0.05", false, "-0.10"},
      {"truncate[3]", "string", "iceberg", true, "ice"},
      {"truncate[3]", "string", "ic", true, "ic"},
      {"truncate[2]", "string", "\xc3\xa9\xf0\x9f\x98\x80x", true, "\xc3\xa9\xf0\x9f\x98\x80"},
      {"truncate[3]", "binary", "hello", true, "aGVs"},
      {"year", "date", "2017-11-16", true, "47"},
      {"year", "date", "1969-12-31", true, "-1"},
      {"month", "date", "2017-11-16", true, "574"},
      {"month", "date", "1969-12-31", true, "-1"},
      {"month", "timestamp", "1968-01-01T00:00:00", true, "-24"},
      {"day", "date", "2017-11-16", true, "2017-11-16"},
      {"day", "timestamp", "1969-12-31T23:59:59.999999", true, "1969-12-31"},
      {"day", "timestamptz_ns", "1969-12-31T23:59:59.999999999", true, "1969-12-31"},
      {"hour", "timestamp", "1970-01-01T01:00:00", true, "1"},
      {"hour", "timestamp", "1969-12-31T23:59:59.999999", true, "-1"},
      {"hour", "timestamp_ns", "1969-12-31T22:59:59.999999999", true, "-2"},
      {"identity", "string", "x", true, "x"},
      {"void", "string", "x", true, "null"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_literal result =
        apply(cases[i].transform, value_of(cases[i].type, cases[i].text, cases[i].is_string));
    frz_str printed = frz_literal_print(&result, &arena);
    if (!frz_str_is(printed, cases[i].result))
      fail_msg("%s of %s: %.*s", cases[i].transform, cases[i].text, FRZ_STR_ARG(printed));
  }
}

static void test_null_gives_null(void **state)
{
  (void)state;
  static const char *const transforms[] = {"identity", "bucket[4]", "truncate[4]", "year",
                                           "month",    "day",       "void"};
  for (size_t i = 0; i < sizeof transforms / sizeof transforms[0]; i++) {
    bool is_time = i >= 3 && i <= 5;
    frz_literal null = frz_literal_null(is_time ? FRZ_TYPE_DATE : FRZ_TYPE_STRING);
    assert_true(apply(transforms[i], null).is_null);
  }
}

static void test_forms(void **state)
{
  (void)state;
  frz_transform transform;
  frz_error err;
  assert_int_equal(frz_transform_parse(FRZ_STR("Bucket[16]"), &arena, &transform, NULL), FRZ_OK);
  assert_int_equal(transform.kind, FRZ_TRANSFORM_BUCKET);
  assert_int_equal(transform.param, 16);
  static const char *const unknown[] = {
      "", "zorder", "bucket", "bucket[]", "bucket[-1]", "bucket[99999999999]", "truncate[3"};
  for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
    assert_int_equal(frz_transform_parse(frz_str_from(unknown[i]), &arena, &transform, &err), 0);
    assert_int_equal(transform.kind, FRZ_TRANSFORM_UNKNOWN);
    assert_true(frz_str_is(transform.text, unknown[i]));
  }
  assert_int_equal(frz_transform_parse(FRZ_STR("bucket[0]"), &arena, &transform, &err),
                   FRZ_ERR_INVALID);
  frz_literal value = value_of("string", "x", true), result;
  assert_int_equal(frz_transform_parse(FRZ_STR("year"), &arena, &transform, NULL), FRZ_OK);
  assert_int_equal(frz_transform_apply(&transform, &value, &arena, &result, &err), FRZ_ERR_INVALID);
  assert_int_equal(frz_transform_parse(FRZ_STR("zorder"), &arena, &transform, NULL), FRZ_OK);
  assert_int_equal(frz_transform_apply(&transform, &value, &arena, &result, &err),
                   FRZ_ERR_UNSUPPORTED);
}

static const char schema_text[] =
    "{\"type\":\"struct\",\"fields\":["
    "{\"id\":1,\"name\":\"driver_id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"event_ts\",\"required\":false,\"type\":\"timestamptz\"},"
    "{\"id\":3,\"name\":\"region\",\"required\":false,\"type\":\"string\"},"
    "{\"id\":4,\"name\":\"score\",\"required\":false,\"type\":\"double\"},"
    "{\"id\":5,\"name\":\"at\",\"required\":false,\"type\":{\"type\":\"struct\",\"fields\":["
    "{\"id\":6,\"name\":\"city\",\"required\":false,\"type\":\"string\"}]}},"
    "{\"id\":7,\"name\":\"tags\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":8,"
    "\"element\":\"string\",\"element-required\":false}},"
    "{\"id\":9,\"name\":\"region_trunc\",\"required\":false,\"type\":\"string\"}]}";

static frz_schema the_schema(void)
{
  frz_json_reader json;
  frz_schema schema;
  frz_json_reader_init(&json, schema_text, sizeof schema_text - 1, &arena);
  assert_int_equal(frz_schema_parse(&json, &arena, &schema, NULL), FRZ_OK);
  return schema;
}

static void test_spec_from_text(void **state)
{
  (void)state;
  frz_schema schema = the_schema();
  frz_partition_spec spec;
  assert_int_equal(
      frz_partition_spec_from_text(
          FRZ_STR(" bucket(16, driver_id), DAY(event_ts),region , truncate( 4 ,at.city), "
                  "identity(\"score\") "),
          &schema, &arena, &spec, NULL),
      FRZ_OK);
  static const struct {
    const char *name, *transform;
    int32_t source;
  } wanted[] = {{"driver_id_bucket", "bucket[16]", 1},
                {"event_ts_day", "day", 2},
                {"region", "identity", 3},
                {"at.city_trunc", "truncate[4]", 6},
                {"score", "identity", 4}};
  assert_int_equal(spec.n_fields, 5);
  for (size_t i = 0; i < 5; i++) {
    assert_true(frz_str_is(spec.fields[i].name, wanted[i].name));
    assert_true(frz_str_is(spec.fields[i].transform.text, wanted[i].transform));
    assert_int_equal(spec.fields[i].source_id, wanted[i].source);
    assert_int_equal(spec.fields[i].field_id, 1000 + (int32_t)i);
  }
  assert_int_equal(frz_partition_spec_from_text(FRZ_STR("  "), &schema, &arena, &spec, NULL), 0);
  assert_int_equal(spec.n_fields, 0);
  static const char *const bad[] = {"region,",
                                    "bucket(driver_id)",
                                    "bucket(0, driver_id)",
                                    "bucket(4, 4)",
                                    "year(region)",
                                    "nowhere",
                                    "magic(region)",
                                    "region region",
                                    "region, region",
                                    "bucket(4, score)",
                                    "tags.element",
                                    "truncate(4, region)",
                                    "bucket(4, driver_id",
                                    "hour(event_ts),hour(event_ts)",
                                    "\"region",
                                    "`region``",
                                    "\"\"",
                                    "bucket(4, \"\")",
                                    "(region)"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    frz_error err;
    frz_status st =
        frz_partition_spec_from_text(frz_str_from(bad[i]), &schema, &arena, &spec, &err);
    if (st != FRZ_ERR_INVALID) fail_msg("'%s' was taken", bad[i]);
  }
}

/* A form with its "%s" filled in. */
static void fill_form(char *out, size_t size, const char *form, const char *name)
{
  const char *at = strstr(form, "%s");
  assert_non_null(at);
  int n = snprintf(out, size, "%.*s%s%s", (int)(at - form), form, name, at + 2);
  assert_true(n > 0 && (size_t)n < size);
}

/* Every character may be in a column's name. */
static void test_quoted_columns(void **state)
{
  (void)state;
  static const struct {
    const char *name, *quoted;
  } names[] = {{"a\"b", "\"a\"\"b\""},
               {"a\"b", "`a\"b`"},
               {"`", "````"},
               {"\"\"", "\"\"\"\"\"\""},
               {"x, y) desc", "\"x, y) desc\""},
               {"a.b", "\"a.b\""},
               {"a.b", "a.b"},
               {"desc", "desc"},
               {"16", "\"16\""},
               {" two  words ", "\" two  words \""},
               {"\xc3\xbcn\xc3\xaf", "\xc3\xbcn\xc3\xaf"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    frz_field column = {.id = 3, .name = frz_str_from(names[i].name), .type.kind = FRZ_TYPE_STRING};
    frz_schema schema = {.root = {.kind = FRZ_TYPE_STRUCT, .fields = &column, .n_fields = 1}};
    char text[128];
    frz_partition_spec spec;
    frz_error err = {0};
    static const char *const forms[] = {"%s", "bucket(8, %s)", "truncate(%s, 4)"};
    for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
      fill_form(text, sizeof text, forms[f], names[i].quoted);
      if (frz_partition_spec_from_text(frz_str_from(text), &schema, &arena, &spec, &err) != FRZ_OK)
        fail_msg("%s: %s", text, err.message);
      assert_int_equal(spec.fields[0].source_id, 3);
      assert_memory_equal(spec.fields[0].name.data, names[i].name, strlen(names[i].name));
    }
    frz_sort_order order;
    fill_form(text, sizeof text, "%s desc nulls first", names[i].quoted);
    assert_int_equal(frz_sort_order_from_text(frz_str_from(text), &schema, &arena, &order, &err),
                     FRZ_OK);
    assert_true(order.fields[0].descending && !order.fields[0].nulls_last);
  }
}

static void test_sort_order_from_text(void **state)
{
  (void)state;
  frz_schema schema = the_schema();
  frz_sort_order order;
  assert_int_equal(
      frz_sort_order_from_text(FRZ_STR("driver_id, event_ts desc, score ASC NULLS LAST,"
                                       "bucket(4, region) desc nulls first"),
                               &schema, &arena, &order, NULL),
      FRZ_OK);
  assert_int_equal(order.order_id, 1);
  assert_int_equal(order.n_fields, 4);
  assert_true(!order.fields[0].descending && !order.fields[0].nulls_last);
  assert_true(order.fields[1].descending && order.fields[1].nulls_last);
  assert_true(!order.fields[2].descending && order.fields[2].nulls_last);
  assert_true(order.fields[3].descending && !order.fields[3].nulls_last);
  assert_int_equal(order.fields[3].transform.kind, FRZ_TRANSFORM_BUCKET);
  assert_int_equal(frz_sort_order_from_text(FRZ_STR(""), &schema, &arena, &order, NULL), FRZ_OK);
  assert_int_equal(order.order_id, 0);
  frz_error err;
  assert_int_equal(frz_sort_order_from_text(FRZ_STR("region nulls"), &schema, &arena, &order, &err),
                   FRZ_ERR_INVALID);
  assert_int_equal(frz_sort_order_from_text(FRZ_STR("region up"), &schema, &arena, &order, &err),
                   FRZ_ERR_INVALID);
}

static frz_status parse_spec(const char *text, frz_partition_spec *spec, frz_error *err)
{
  frz_json_reader json;
  frz_json_reader_init(&json, text, strlen(text), &arena);
  frz_status st = frz_partition_spec_parse(&json, &arena, spec, err);
  return st == FRZ_OK ? frz_json_finish(&json, err) : st;
}

static void test_spec_json(void **state)
{
  (void)state;
  static const char text[] =
      "{\"spec-id\":3,\"fields\":[{\"name\":\"a\",\"transform\":\"bucket[4]\",\"source-id\":1,"
      "\"field-id\":1000},{\"name\":\"z\",\"transform\":\"zorder\",\"source-ids\":[1,2],"
      "\"field-id\":1004}]}";
  frz_partition_spec spec;
  assert_int_equal(parse_spec(text, &spec, NULL), FRZ_OK);
  assert_int_equal(spec.spec_id, 3);
  assert_int_equal(spec.fields[1].transform.kind, FRZ_TRANSFORM_UNKNOWN);
  assert_int_equal(spec.fields[1].source_id, 1);
  assert_int_equal(frz_partition_last_field_id(&spec), 1004);
  frz_buf out;
  frz_json_writer json;
  frz_buf_init(&out, frz_alloc_default(), 10000);
  frz_json_writer_init(&json, &out);
  frz_partition_spec_write(&json, &spec);
  assert_int_equal(frz_json_writer_finish(&json, NULL), FRZ_OK);
  assert_true(frz_str_is(frz_buf_str(&out), text));
  frz_buf_dispose(&out);
  /* v1: the array alone, without ids */
  assert_int_equal(parse_spec("[{\"name\":\"a\",\"transform\":\"day\",\"source-id\":1},"
                              "{\"name\":\"b\",\"transform\":\"void\",\"source-id\":2}]",
                              &spec, NULL),
                   FRZ_OK);
  assert_int_equal(spec.fields[1].field_id, 1001);
  static const char *const bad[] = {
      "{\"fields\":[]}",
      "{\"spec-id\":1}",
      "[{\"transform\":\"day\",\"source-id\":1}]",
      "[{\"name\":\"a\",\"source-id\":1}]",
      "[{\"name\":\"a\",\"transform\":\"day\"}]",
      "[{\"name\":\"a\",\"transform\":\"bucket[0]\",\"source-id\":1}]",
      "[{\"name\":\"a\",\"transform\":\"zorder\",\"source-ids\":[]}]",
      "[{\"name\":\"a\",\"transform\":\"day\",\"source-id\":1,\"field-id\":1000},"
      "{\"name\":\"b\",\"transform\":\"day\",\"source-id\":2,\"field-id\":1000}]",
      "[{\"name\":\"a\",\"transform\":\"day\",\"source-id\":1,\"field-id\":1000},"
      "{\"name\":\"b\",\"transform\":\"day\",\"source-id\":2}]",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(parse_spec(bad[i], &spec, NULL), FRZ_ERR_CORRUPT);
}

static void test_field_types(void **state)
{
  (void)state;
  frz_schema schema = the_schema();
  frz_partition_spec spec;
  assert_int_equal(parse_spec("[{\"name\":\"a\",\"transform\":\"identity\",\"source-id\":1},"
                              "{\"name\":\"b\",\"transform\":\"day\",\"source-id\":2},"
                              "{\"name\":\"c\",\"transform\":\"identity\",\"source-id\":99},"
                              "{\"name\":\"d\",\"transform\":\"bucket[3]\",\"source-id\":99},"
                              "{\"name\":\"e\",\"transform\":\"zorder\",\"source-id\":1}]",
                              &spec, NULL),
                   FRZ_OK);
  static const frz_type_kind wanted[] = {FRZ_TYPE_LONG, FRZ_TYPE_DATE, FRZ_TYPE_UNKNOWN,
                                         FRZ_TYPE_INT, FRZ_TYPE_UNKNOWN};
  for (size_t i = 0; i < 5; i++)
    assert_int_equal(frz_partition_field_type(&spec.fields[i], &schema).kind, wanted[i]);
}

static void test_paths(void **state)
{
  (void)state;
  frz_schema schema = the_schema();
  frz_partition_spec spec;
  assert_int_equal(parse_spec("[{\"name\":\"r g\",\"transform\":\"identity\",\"source-id\":3},"
                              "{\"name\":\"d\",\"transform\":\"day\",\"source-id\":2},"
                              "{\"name\":\"y\",\"transform\":\"year\",\"source-id\":2},"
                              "{\"name\":\"m\",\"transform\":\"month\",\"source-id\":2},"
                              "{\"name\":\"h\",\"transform\":\"hour\",\"source-id\":2},"
                              "{\"name\":\"n\",\"transform\":\"identity\",\"source-id\":3},"
                              "{\"name\":\"t\",\"transform\":\"identity\",\"source-id\":2}]",
                              &spec, NULL),
                   FRZ_OK);
  frz_literal values[] = {
      {.kind = FRZ_TYPE_STRING, .as = {.bytes = FRZ_STR("a/b c~\xc3\xa9*")}},
      {.kind = FRZ_TYPE_INT, .as = {.i32 = 17486}}, /* stored as int */
      {.kind = FRZ_TYPE_INT, .as = {.i32 = 47}},
      {.kind = FRZ_TYPE_INT, .as = {.i32 = -1}},
      {.kind = FRZ_TYPE_INT, .as = {.i32 = -1}},
      {.kind = FRZ_TYPE_STRING, .is_null = true},
      value_of("timestamptz", "2017-11-16T22:31:08Z", true),
  };
  frz_partition partition = {values, 7};
  frz_str path = frz_partition_path(&spec, &schema, &partition, &arena);
  if (!frz_str_is(path,
                  "r+g=a%2Fb+c%7E%C3%A9*/d=2017-11-16/y=2017/m=1969-12/h=1969-12-31-23/n=null/"
                  "t=2017-11-16T22%3A31%3A08%2B00%3A00"))
    fail_msg("%.*s", FRZ_STR_ARG(path));
  frz_partition_spec none = {0};
  partition.n_values = 0;
  assert_true(frz_str_is(frz_partition_path(&none, &schema, &partition, &arena), ""));
}

static void test_partition_equality(void **state)
{
  (void)state;
  frz_literal a[2] = {{.kind = FRZ_TYPE_DOUBLE, .as = {.f64 = -0.0}},
                      {.kind = FRZ_TYPE_DOUBLE, .as = {.f64 = NAN}}};
  frz_literal b[2] = {{.kind = FRZ_TYPE_DOUBLE, .as = {.f64 = 0.0}},
                      {.kind = FRZ_TYPE_DOUBLE, .as = {.f64 = -NAN}}};
  frz_partition x = {a, 2}, y = {b, 2};
  assert_true(frz_partition_equal(&x, &y));
  b[1] = frz_literal_null(FRZ_TYPE_DOUBLE);
  assert_false(frz_partition_equal(&x, &y));
  a[1] = frz_literal_null(FRZ_TYPE_DOUBLE);
  assert_true(frz_partition_equal(&x, &y));
  y.n_values = 1;
  assert_false(frz_partition_equal(&x, &y));
  frz_literal day = {.kind = FRZ_TYPE_DATE, .as = {.i32 = 5}};
  frz_literal number = {.kind = FRZ_TYPE_INT, .as = {.i32 = 5}};
  x = (frz_partition){&day, 1};
  y = (frz_partition){&number, 1};
  assert_true(frz_partition_equal(&x, &y));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_hashes_of_the_specification),
      cmocka_unit_test(test_results),
      cmocka_unit_test(test_null_gives_null),
      cmocka_unit_test(test_forms),
      cmocka_unit_test(test_spec_from_text),
      cmocka_unit_test(test_quoted_columns),
      cmocka_unit_test(test_sort_order_from_text),
      cmocka_unit_test(test_spec_json),
      cmocka_unit_test(test_field_types),
      cmocka_unit_test(test_paths),
      cmocka_unit_test(test_partition_equality),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
