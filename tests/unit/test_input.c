/*
 * test_input.c - rows from outside into a table's schema: matching, widening and refusals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "iceberg/schema/literal.h"
#include "iceberg/write/input_conform.h"

/* One case: a value of an Arrow type for a column of an Iceberg type. */
typedef struct conversion {
  const char *iceberg_type; /* JSON */
  frz_arrow_type from;
  const void *value;
  size_t value_bytes;
  bool truncate;
  const char *refusal; /* part of the message; NULL: converted */
  const void *expected;
  size_t expected_bytes;
} conversion;

#define BYTES(type, ...) (&(const type){__VA_ARGS__}), sizeof(type)

static frz_status parse_schema(const char *fields_json, frz_arena *arena, frz_schema *schema)
{
  frz_str text = frz_arena_print(
      arena, "{\"type\": \"struct\", \"schema-id\": 0, \"fields\": [%s]}", fields_json);
  frz_json_reader reader;
  frz_json_reader_init(&reader, text.data, text.size, arena);
  return frz_schema_parse(&reader, arena, schema, NULL);
}

static void check_conversion(const conversion *given)
{
  frz_arena arena;
  frz_error err = {0};
  frz_arena_init(&arena, frz_alloc_default(), (size_t)1 << 20);
  frz_schema schema;
  frz_str json =
      frz_arena_print(&arena, "{\"id\": 1, \"name\": \"c\", \"required\": false, \"type\": %s}",
                      given->iceberg_type);
  assert_int_equal(parse_schema(json.data, &arena, &schema), FRZ_OK);

  frz_arrow_field field = {
      .name = FRZ_STR("c"), .nullable = true, .field_id = -1, .type = given->from};
  frz_batch in, out = {0};
  assert_int_equal(frz_batch_init(&in, &field, 1, frz_alloc_default(), NULL), FRZ_OK);
  frz_column *column = &in.columns[0];
  assert_int_equal(frz_column_append_nulls(column, 1, NULL), FRZ_OK);
  assert_int_equal(frz_column_append_value(column, given->value, given->value_bytes, NULL), FRZ_OK);
  in.n_rows = 2;

  const frz_conform_options options = {given->truncate};
  frz_conform *conform = NULL;
  frz_status st =
      frz_conform_create(&schema, &field, 1, &options, frz_alloc_default(), &conform, &err);
  if (st == FRZ_OK) st = frz_conform_batch(conform, &in, &out, &err);
  if (given->refusal != NULL) {
    assert_int_equal(st, FRZ_ERR_INVALID);
    if (strstr(err.message, given->refusal) == NULL) fail_msg("%s", err.message);
  } else {
    if (st != FRZ_OK) fail_msg("%s", err.message);
    assert_int_equal(out.n_rows, 2);
    assert_true(frz_column_is_null(&out.columns[0], 0));
    assert_false(frz_column_is_null(&out.columns[0], 1));
    frz_str value = {(const char *)out.columns[0].values.data + given->expected_bytes,
                     given->expected_bytes};
    if (frz_arrow_type_has_offsets(out.columns[0].type))
      value = frz_column_bytes(&out.columns[0], 1);
    assert_int_equal(value.size, given->expected_bytes);
    assert_memory_equal(value.data, given->expected, given->expected_bytes);
  }
  frz_batch_dispose(&out);
  frz_batch_dispose(&in);
  frz_conform_free(conform);
  frz_arena_free(&arena);
}

static frz_arrow_type stamp(frz_time_unit unit, bool has_zone)
{
  return (frz_arrow_type){.kind = FRZ_ARROW_TIMESTAMP, .unit = unit, .has_zone = has_zone};
}

static frz_arrow_type decimal(int32_t precision, int32_t scale)
{
  return (frz_arrow_type){
      .kind = FRZ_ARROW_DECIMAL128, .byte_width = 16, .precision = precision, .scale = scale};
}

static void test_numbers_widen_and_are_range_checked(void **state)
{
  (void)state;
  const frz_arrow_type i8 = {.kind = FRZ_ARROW_INT8}, u8 = {.kind = FRZ_ARROW_UINT8},
                       i16 = {.kind = FRZ_ARROW_INT16}, u16 = {.kind = FRZ_ARROW_UINT16},
                       i32 = {.kind = FRZ_ARROW_INT32}, u32 = {.kind = FRZ_ARROW_UINT32},
                       i64 = {.kind = FRZ_ARROW_INT64}, u64 = {.kind = FRZ_ARROW_UINT64},
                       f16 = {.kind = FRZ_ARROW_FLOAT16}, f32 = {.kind = FRZ_ARROW_FLOAT32},
                       f64 = {.kind = FRZ_ARROW_FLOAT64};
  const conversion cases[] = {
      {"\"int\"", i8, BYTES(int8_t, -128), false, NULL, BYTES(int32_t, -128)},
      {"\"int\"", u8, BYTES(uint8_t, 255), false, NULL, BYTES(int32_t, 255)},
      {"\"int\"", i16, BYTES(int16_t, -32768), false, NULL, BYTES(int32_t, -32768)},
      {"\"int\"", u16, BYTES(uint16_t, 65535), false, NULL, BYTES(int32_t, 65535)},
      {"\"int\"", i32, BYTES(int32_t, INT32_MIN), false, NULL, BYTES(int32_t, INT32_MIN)},
      {"\"int\"", u32, BYTES(uint32_t, INT32_MAX), false, NULL, BYTES(int32_t, INT32_MAX)},
      {"\"int\"", u32, BYTES(uint32_t, 2147483648u), false,
       "column 'c', row 1: 2147483648 is beyond the range of int", NULL, 0},
      {"\"int\"", i64, BYTES(int64_t, INT32_MAX), false, NULL, BYTES(int32_t, INT32_MAX)},
      {"\"int\"", i64, BYTES(int64_t, -2147483649), false, "row 1: -2147483649", NULL, 0},
      {"\"long\"", i32, BYTES(int32_t, -7), false, NULL, BYTES(int64_t, -7)},
      {"\"long\"", u32, BYTES(uint32_t, UINT32_MAX), false, NULL, BYTES(int64_t, UINT32_MAX)},
      {"\"long\"", u64, BYTES(uint64_t, INT64_MAX), false, NULL, BYTES(int64_t, INT64_MAX)},
      {"\"long\"", u64, BYTES(uint64_t, UINT64_MAX), false,
       "18446744073709551615 is beyond the range of long", NULL, 0},
      {"\"float\"", f16, BYTES(uint16_t, 0x3c01), false, NULL, BYTES(float, 1.0009765625f)},
      {"\"float\"", f16, BYTES(uint16_t, 0x8001), false, NULL, BYTES(float, -0x1p-24f)},
      {"\"double\"", f16, BYTES(uint16_t, 0x7bff), false, NULL, BYTES(double, 65504)},
      {"\"double\"", f32, BYTES(float, 0.5f), false, NULL, BYTES(double, 0.5)},
      {"\"float\"", f64, BYTES(double, 0.5), false, "is float, which float64 data does not fit",
       NULL, 0},
      {"\"double\"", i64, BYTES(int64_t, 9007199254740992), false, NULL,
       BYTES(double, 9007199254740992.0)},
      {"\"double\"", i64, BYTES(int64_t, 9007199254740993), false, "is not exact as double", NULL,
       0},
      {"\"float\"", i32, BYTES(int32_t, 16777217), false, "is not exact as float", NULL, 0},
      {"\"date\"", i32, BYTES(int32_t, 1), false, "is date, which", NULL, 0},
      {"\"string\"", i32, BYTES(int32_t, 1), false, "is string, which", NULL, 0},
      {"\"boolean\"", i8, BYTES(int8_t, 1), false, "is boolean, which", NULL, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_conversion(&cases[i]);
}

static void test_times_change_units_without_loss(void **state)
{
  (void)state;
  const frz_arrow_type t_s = {.kind = FRZ_ARROW_TIME32, .unit = FRZ_UNIT_S},
                       t_ns = {.kind = FRZ_ARROW_TIME64, .unit = FRZ_UNIT_NS};
  const conversion cases[] = {
      {"\"timestamptz\"", stamp(FRZ_UNIT_S, true), BYTES(int64_t, -2), false, NULL,
       BYTES(int64_t, -2000000)},
      {"\"timestamptz\"", stamp(FRZ_UNIT_MS, true), BYTES(int64_t, 3), false, NULL,
       BYTES(int64_t, 3000)},
      {"\"timestamptz\"", stamp(FRZ_UNIT_US, true), BYTES(int64_t, 3), false, NULL,
       BYTES(int64_t, 3)},
      {"\"timestamptz\"", stamp(FRZ_UNIT_NS, true), BYTES(int64_t, 5000), false, NULL,
       BYTES(int64_t, 5)},
      {"\"timestamp\"", stamp(FRZ_UNIT_NS, false), BYTES(int64_t, 5001), false,
       "row 1: 5001 ns is finer", NULL, 0},
      {"\"timestamp\"", stamp(FRZ_UNIT_NS, false), BYTES(int64_t, 5999), true, NULL,
       BYTES(int64_t, 5)},
      {"\"timestamp\"", stamp(FRZ_UNIT_NS, false), BYTES(int64_t, -1), true, NULL,
       BYTES(int64_t, -1)},
      {"\"timestamp\"", stamp(FRZ_UNIT_NS, false), BYTES(int64_t, -1000), true, NULL,
       BYTES(int64_t, -1)},
      {"\"timestamp\"", stamp(FRZ_UNIT_S, false), BYTES(int64_t, INT64_MAX / 1000000), false, NULL,
       BYTES(int64_t, INT64_MAX / 1000000 * 1000000)},
      {"\"timestamp\"", stamp(FRZ_UNIT_S, false), BYTES(int64_t, INT64_MAX / 1000000 + 1), false,
       "beyond the range", NULL, 0},
      {"\"timestamptz\"", stamp(FRZ_UNIT_US, false), BYTES(int64_t, 3), false,
       "has no time zone; give it one (UTC) first", NULL, 0},
      {"\"timestamp\"", stamp(FRZ_UNIT_US, true), BYTES(int64_t, 3), false,
       "has a time zone; take it off first", NULL, 0},
      {"\"time\"", t_s, BYTES(int32_t, 86399), false, NULL, BYTES(int64_t, 86399000000)},
      {"\"time\"", t_ns, BYTES(int64_t, 1500), false, "finer", NULL, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_conversion(&cases[i]);
}

static void test_decimals_rescale_only_when_exact(void **state)
{
  (void)state;
  const conversion cases[] = {
      {"\"decimal(9, 2)\"", decimal(5, 2), BYTES(frz_int128, 12345), false, NULL,
       BYTES(frz_int128, 12345)},
      {"\"decimal(9, 2)\"", decimal(5, 1), BYTES(frz_int128, -12345), false, NULL,
       BYTES(frz_int128, -123450)},
      {"\"decimal(9, 2)\"", decimal(9, 4), BYTES(frz_int128, 1234500), false, NULL,
       BYTES(frz_int128, 12345)},
      {"\"decimal(9, 2)\"", decimal(9, 4), BYTES(frz_int128, 1234501), false,
       "is not exact in decimal(9, 2)", NULL, 0},
      {"\"decimal(4, 2)\"", decimal(9, 2), BYTES(frz_int128, 9999), false, NULL,
       BYTES(frz_int128, 9999)},
      {"\"decimal(4, 2)\"", decimal(9, 2), BYTES(frz_int128, 10000), false, "is not exact", NULL,
       0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_conversion(&cases[i]);
}

static void test_bytes_keep_their_kind(void **state)
{
  (void)state;
  const frz_arrow_type text = {.kind = FRZ_ARROW_STRING}, bytes = {.kind = FRZ_ARROW_BINARY},
                       fixed = {.kind = FRZ_ARROW_FIXED, .byte_width = 16},
                       uuid = {.kind = FRZ_ARROW_FIXED, .byte_width = 16, .is_uuid = true};
  const conversion cases[] = {
      {"\"string\"", text, "ab", 2, false, NULL, "ab", 2},
      {"\"binary\"", bytes, "ab", 2, false, NULL, "ab", 2},
      {"\"string\"", bytes, "ab", 2, false, "is string, which binary data", NULL, 0},
      {"\"binary\"", text, "ab", 2, false, "is binary, which", NULL, 0},
      {"\"uuid\"", text, "ab", 2, false, "is uuid, which", NULL, 0},
      {"\"uuid\"", fixed, "0123456789abcdef", 16, false, NULL, "0123456789abcdef", 16},
      {"\"uuid\"", uuid, "0123456789abcdef", 16, false, NULL, "0123456789abcdef", 16},
      {"\"fixed[8]\"", fixed, "0123456789abcdef", 16, false, "is fixed[8], which", NULL, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_conversion(&cases[i]);
}

/* ---- matching ---- */

typedef struct fixture {
  frz_arena arena;
  frz_schema schema;
  frz_error err;
} fixture;

static void set_up(fixture *f, const char *fields_json)
{
  *f = (fixture){0};
  frz_arena_init(&f->arena, frz_alloc_default(), (size_t)1 << 20);
  assert_int_equal(parse_schema(fields_json, &f->arena, &f->schema), FRZ_OK);
}

static const frz_arrow_type int64_type = {.kind = FRZ_ARROW_INT64};

static frz_arrow_field field_of(const char *name, frz_arrow_type type)
{
  return (frz_arrow_field){
      .name = frz_str_from(name), .nullable = true, .field_id = -1, .type = type};
}

static void append_i64(frz_column *column, int64_t value)
{
  assert_int_equal(frz_column_append_value(column, &value, sizeof value, NULL), FRZ_OK);
}

static int64_t i64_at(const frz_column *column, int64_t row)
{
  return ((const int64_t *)(const void *)column->values.data)[row];
}

static void test_columns_match_by_name_in_any_order(void **state)
{
  (void)state;
  fixture f;
  set_up(&f, "{\"id\": 1, \"name\": \"a\", \"required\": true, \"type\": \"long\"},"
             "{\"id\": 2, \"name\": \"b\", \"required\": false, \"type\": \"string\"},"
             "{\"id\": 3, \"name\": \"c\", \"required\": false, \"type\": \"long\"}");
  frz_arrow_field fields[] = {field_of("c", int64_type), field_of("a", int64_type)};
  frz_conform *conform;
  assert_int_equal(
      frz_conform_create(&f.schema, fields, 2, NULL, frz_alloc_default(), &conform, NULL), FRZ_OK);
  for (int64_t round = 0; round < 2; round++) {
    frz_batch in, out;
    assert_int_equal(frz_batch_init(&in, fields, 2, frz_alloc_default(), NULL), FRZ_OK);
    append_i64(&in.columns[0], 30);
    append_i64(&in.columns[0], 31);
    append_i64(&in.columns[1], 10);
    if (round == 0)
      append_i64(&in.columns[1], 11);
    else
      assert_int_equal(frz_column_append_nulls(&in.columns[1], 1, NULL), FRZ_OK);
    in.n_rows = 2;
    frz_status st = frz_conform_batch(conform, &in, &out, &f.err);
    if (round == 0) {
      assert_int_equal(st, FRZ_OK);
      assert_int_equal(out.n_columns, 3);
      assert_int_equal(i64_at(&out.columns[0], 1), 11);
      assert_int_equal(out.columns[1].n_nulls, 2);
      assert_int_equal(i64_at(&out.columns[2], 0), 30);
      frz_batch_dispose(&out);
    } else {
      assert_int_equal(st, FRZ_ERR_INVALID);
      assert_string_equal(f.err.message, "column 'a' is required and is null in row 3");
    }
    frz_batch_dispose(&in);
  }
  frz_conform_free(conform);
  frz_arena_free(&f.arena);
}

static void expect_refusal(const char *fields_json, const frz_arrow_field *fields, size_t n_fields,
                           const char *message)
{
  fixture f;
  set_up(&f, fields_json);
  frz_conform *conform = NULL;
  assert_int_equal(
      frz_conform_create(&f.schema, fields, n_fields, NULL, frz_alloc_default(), &conform, &f.err),
      FRZ_ERR_INVALID);
  assert_null(conform);
  assert_string_equal(f.err.message, message);
  frz_arena_free(&f.arena);
}

static void test_columns_that_do_not_match_are_named(void **state)
{
  (void)state;
  static const char one[] = "{\"id\": 1, \"name\": \"a\", \"required\": true, \"type\": \"long\"}";
  static const char nested[] =
      "{\"id\": 1, \"name\": \"s\", \"required\": false, \"type\": {\"type\": \"struct\","
      "\"fields\": [{\"id\": 2, \"name\": \"x\", \"required\": true, \"type\": \"long\"}]}}";
  frz_arrow_field a = field_of("a", int64_type), other = field_of("A", int64_type),
                  x = field_of("x", int64_type), y = field_of("y", int64_type);
  expect_refusal(one, (frz_arrow_field[]){a, other}, 2,
                 "column 'A' of the data is not in the table");
  expect_refusal(one, (frz_arrow_field[]){a, a}, 2, "column 'a' is in the data twice");
  expect_refusal(one, NULL, 0, "required column 'a' is missing from the data");
  frz_arrow_field s = field_of("s", (frz_arrow_type){.kind = FRZ_ARROW_STRUCT});
  s.children = (frz_arrow_field[]){x, y};
  s.n_children = 2;
  expect_refusal(nested, &s, 1, "column 's.y' of the data is not in the table");
  s.children = &y;
  s.n_children = 1;
  expect_refusal(nested, &s, 1, "required column 's.x' is missing from the data");
}

static void test_nested_columns_are_matched_and_converted(void **state)
{
  (void)state;
  fixture f;
  set_up(&f, "{\"id\": 1, \"name\": \"l\", \"required\": false, \"type\": {\"type\": \"list\","
             "\"element-id\": 2, \"element-required\": true, \"element\": {\"type\": \"struct\","
             "\"fields\": [{\"id\": 3, \"name\": \"x\", \"required\": true, \"type\": \"long\"},"
             "{\"id\": 4, \"name\": \"y\", \"required\": false, \"type\": \"double\"}]}}}");
  frz_arrow_field x = field_of("x", (frz_arrow_type){.kind = FRZ_ARROW_INT32});
  frz_arrow_field item = field_of("item", (frz_arrow_type){.kind = FRZ_ARROW_STRUCT});
  item.children = &x;
  item.n_children = 1;
  frz_arrow_field list = field_of("l", (frz_arrow_type){.kind = FRZ_ARROW_LIST});
  list.children = &item;
  list.n_children = 1;
  frz_conform *conform;
  assert_int_equal(
      frz_conform_create(&f.schema, &list, 1, NULL, frz_alloc_default(), &conform, NULL), FRZ_OK);
  for (int round = 0; round < 2; round++) {
    frz_batch in, out;
    assert_int_equal(frz_batch_init(&in, &list, 1, frz_alloc_default(), NULL), FRZ_OK);
    frz_column *lists = &in.columns[0], *items = &lists->children[0];
    for (int32_t row = 0; row < 3; row++) { /* row r holds r elements */
      for (int32_t i = 0; i < row; i++) {
        int32_t value = 10 * row + i;
        bool missing = round == 1 && row == 2 && i == 1;
        if (missing)
          assert_int_equal(frz_column_append_nulls(&items->children[0], 1, NULL), FRZ_OK);
        else
          assert_int_equal(frz_column_append_value(&items->children[0], &value, sizeof value, NULL),
                           FRZ_OK);
        assert_int_equal(frz_column_append_present(items, NULL), FRZ_OK);
      }
      assert_int_equal(frz_column_append_present(lists, NULL), FRZ_OK);
    }
    in.n_rows = 3;
    frz_status st = frz_conform_batch(conform, &in, &out, &f.err);
    if (round == 0) {
      assert_int_equal(st, FRZ_OK);
      const frz_column *made = &out.columns[0].children[0];
      assert_int_equal(made->n_rows, 3);
      assert_int_equal(i64_at(&made->children[0], 2), 21);
      assert_int_equal(made->children[1].n_nulls, 3);
      frz_batch_dispose(&out);
    } else {
      assert_int_equal(st, FRZ_ERR_INVALID);
      assert_string_equal(f.err.message, "column 'l.element.x' is required and is null in row 5");
    }
    frz_batch_dispose(&in);
  }
  frz_conform_free(conform);
  frz_arena_free(&f.arena);
}

static void test_missing_columns_take_their_write_default(void **state)
{
  (void)state;
  fixture f;
  set_up(&f, "{\"id\": 1, \"name\": \"a\", \"required\": true, \"type\": \"long\"},"
             "{\"id\": 2, \"name\": \"b\", \"required\": true, \"type\": \"int\","
             "\"initial-default\": 1, \"write-default\": 7}");
  frz_arrow_field a = field_of("a", int64_type);
  frz_conform *conform;
  frz_batch in, out;
  assert_int_equal(frz_conform_create(&f.schema, &a, 1, NULL, frz_alloc_default(), &conform, NULL),
                   FRZ_OK);
  assert_int_equal(frz_batch_init(&in, &a, 1, frz_alloc_default(), NULL), FRZ_OK);
  append_i64(&in.columns[0], 1);
  append_i64(&in.columns[0], 2);
  in.n_rows = 2;
  assert_int_equal(frz_conform_batch(conform, &in, &out, NULL), FRZ_OK);
  assert_int_equal(((const int32_t *)(const void *)out.columns[1].values.data)[1], 7);
  frz_batch_dispose(&out);
  frz_batch_dispose(&in);
  frz_conform_free(conform);
  frz_arena_free(&f.arena);
}

static const char point_fields[] =
    "{\"id\": 1, \"name\": \"a\", \"required\": true, \"type\": \"long\"},"
    "{\"id\": 2, \"name\": \"p\", \"required\": true, \"write-default\": {},"
    "\"type\": {\"type\": \"struct\", \"fields\": ["
    "{\"id\": 3, \"name\": \"x\", \"required\": true, \"type\": \"string\","
    " \"initial-default\": \"i\", \"write-default\": \"w\"},"
    "{\"id\": 4, \"name\": \"y\", \"required\": false, \"type\": \"long\"}]}}";

/* {"y": -1} gets its x; a missing struct is made of its fields' write defaults. */
static void test_missing_structs_are_made_of_write_defaults(void **state)
{
  (void)state;
  fixture f;
  set_up(&f, point_fields);
  frz_arrow_field y = field_of("y", int64_type);
  frz_arrow_field fields[] = {field_of("a", int64_type),
                              field_of("p", (frz_arrow_type){.kind = FRZ_ARROW_STRUCT})};
  fields[1].children = &y;
  fields[1].n_children = 1;
  for (size_t n_fields = 1; n_fields <= 2; n_fields++) {
    frz_conform *conform;
    frz_batch in, out;
    assert_int_equal(
        frz_conform_create(&f.schema, fields, n_fields, NULL, frz_alloc_default(), &conform, NULL),
        FRZ_OK);
    assert_int_equal(frz_batch_init(&in, fields, n_fields, frz_alloc_default(), NULL), FRZ_OK);
    for (int64_t i = 0; i < 2; i++) {
      append_i64(&in.columns[0], i);
      if (n_fields == 1) continue;
      append_i64(&in.columns[1].children[0], -1);
      assert_int_equal(frz_column_append_present(&in.columns[1], NULL), FRZ_OK);
    }
    in.n_rows = 2;
    assert_int_equal(frz_conform_batch(conform, &in, &out, NULL), FRZ_OK);
    const frz_column *point = &out.columns[1];
    assert_int_equal(point->n_nulls, 0);
    assert_true(frz_str_is(frz_column_bytes(&point->children[0], 1), "w"));
    assert_int_equal(frz_column_is_null(&point->children[1], 1), n_fields == 1);
    frz_batch_dispose(&out);
    frz_batch_dispose(&in);
    frz_conform_free(conform);
  }
  frz_arena_free(&f.arena);
  /* Defaults that were made before a refusal are freed. */
  frz_arrow_field unknown = field_of("z", int64_type);
  fields[1].children = &unknown;
  expect_refusal(point_fields, fields, 2, "column 'p.z' of the data is not in the table");
}

static void test_required_columns_want_a_default(void **state)
{
  (void)state;
  frz_arrow_field a = field_of("a", int64_type);
  static const char *const types[] = {"\"long\"", "{\"type\": \"struct\", \"fields\": []}"};
  static const char *const defaults[] = {"", ", \"write-default\": null",
                                         ", \"initial-default\": null"};
  for (size_t i = 0; i < 6; i++) {
    char json[300];
    snprintf(json, sizeof json,
             "{\"id\": 1, \"name\": \"a\", \"required\": true, \"type\": \"long\"},"
             "{\"id\": 2, \"name\": \"b\", \"required\": true, \"type\": %s%s}",
             types[i % 2], defaults[i / 2]);
    expect_refusal(json, &a, 1, "required column 'b' is missing from the data");
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_numbers_widen_and_are_range_checked),
      cmocka_unit_test(test_times_change_units_without_loss),
      cmocka_unit_test(test_decimals_rescale_only_when_exact),
      cmocka_unit_test(test_bytes_keep_their_kind),
      cmocka_unit_test(test_columns_match_by_name_in_any_order),
      cmocka_unit_test(test_columns_that_do_not_match_are_named),
      cmocka_unit_test(test_nested_columns_are_matched_and_converted),
      cmocka_unit_test(test_missing_structs_are_made_of_write_defaults),
      cmocka_unit_test(test_required_columns_want_a_default),
      cmocka_unit_test(test_missing_columns_take_their_write_default),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
