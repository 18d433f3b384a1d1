/*
 * test_projection.c - from a file's columns to a table's: selection, conversion, missing columns,
 * name mapping, and statistics as bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "iceberg/scan/file_read.h"
#include "iceberg/scan/row_group_filter.h"
#include "iceberg/schema/name_mapping.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static frz_arena arena;

static int set_up(void **state)
{
  (void)state;
  frz_arena_init(&arena, frz_alloc_default(), (size_t)16 << 20);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  frz_arena_free(&arena);
  return 0;
}

static frz_schema parse(const char *json)
{
  frz_schema schema;
  frz_error err = {0};
  frz_json_reader reader;
  frz_json_reader_init(&reader, json, strlen(json), &arena);
  if (frz_schema_parse(&reader, &arena, &schema, &err) != FRZ_OK) fail_msg("%s", err.message);
  return schema;
}

/* ---- choosing columns ---- */

static const char nested_schema[] =
    "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
    "{\"id\":1,\"name\":\"a\",\"required\":false,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"s\",\"required\":false,\"type\":{\"type\":\"struct\",\"fields\":["
    "{\"id\":3,\"name\":\"x\",\"required\":false,\"type\":\"int\"},"
    "{\"id\":4,\"name\":\"y\",\"required\":false,\"type\":\"string\"}]}},"
    "{\"id\":5,\"name\":\"l\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":6,"
    "\"element-required\":false,\"element\":{\"type\":\"struct\",\"fields\":["
    "{\"id\":7,\"name\":\"p\",\"required\":false,\"type\":\"int\"},"
    "{\"id\":8,\"name\":\"q\",\"required\":false,\"type\":\"int\"}]}}},"
    "{\"id\":9,\"name\":\"m\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":10,"
    "\"key\":\"string\",\"value-id\":11,\"value-required\":false,\"value\":{\"type\":\"struct\","
    "\"fields\":[{\"id\":12,\"name\":\"u\",\"required\":false,\"type\":\"int\"},"
    "{\"id\":13,\"name\":\"v\",\"required\":false,\"type\":\"int\"}]}}}]}";

static void print_fields(const frz_field *fields, size_t n, char *text, size_t size)
{
  for (size_t i = 0; i < n; i++) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%d", fields[i].id);
    if (fields[i].type.n_fields != 0) {
      used = strlen(text);
      snprintf(text + used, size - used, "(");
      print_fields(fields[i].type.fields, fields[i].type.n_fields, text, size);
      used = strlen(text);
      snprintf(text + used, size - used, ")");
    }
    used = strlen(text);
    if (i + 1 < n) snprintf(text + used, size - used, " ");
  }
}

static void test_names_choose_fields(void **state)
{
  (void)state;
  static const struct {
    const char *names[4];
    const char *expected; /* NULL: refused */
    bool case_insensitive;
  } cases[] = {
      {{"a"}, "1", false},
      {{"s", "a"}, "2(3 4) 1", false},
      {{"s.y"}, "2(4)", false},
      {{"s.y", "a", "s.x"}, "2(3 4) 1", false},
      {{"s.x", "s"}, "2(3 4)", false},
      {{"a", "a"}, "1", false},
      {{"l.element.q"}, "5(6(8))", false},
      {{"m.value.v"}, "9(10 11(13))", false},
      {{"m.key"}, "9(10 11(12 13))", false},
      {{"m"}, "9(10 11(12 13))", false},
      {{"S.Y"}, "2(4)", true},
      {{"S.Y"}, NULL, false},
      {{"a", "b"}, NULL, false},
      {{"s.z"}, NULL, false},
      {{""}, NULL, false},
  };
  frz_schema schema = parse(nested_schema);
  frz_table_metadata metadata = {.schemas = &schema, .n_schemas = 1};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    frz_projection projection;
    frz_error err = {0};
    size_t n = 0;
    while (n < 4 && cases[i].names[n] != NULL) n++;
    frz_status st =
        frz_projection_make(&metadata, &schema, cases[i].names, n, !cases[i].case_insensitive, NULL,
                            100, &arena, &projection, &err);
    if (cases[i].expected == NULL) {
      assert_int_equal(st, FRZ_ERR_INVALID);
      continue;
    }
    char text[200] = "";
    if (st != FRZ_OK) fail_msg("%s", err.message);
    print_fields(projection.fields, projection.n_fields, text, sizeof text);
    assert_string_equal(text, cases[i].expected);
    for (size_t k = 0; k < projection.n_fields; k++)
      assert_int_equal(projection.arrow_fields[k].field_id, projection.fields[k].id);
  }
}

/* ---- conversions ---- */

typedef struct conversion_case {
  const char *to; /* Iceberg */
  frz_arrow_type from;
  const void *value;
  size_t value_bytes;
  const void *expected; /* NULL: refused */
  size_t expected_bytes;
  frz_status status; /* of the value, where the types fit */
} conversion_case;

#define VALUE(type, ...) (&(const type){__VA_ARGS__}), sizeof(type)
#define STAMP(unit_of)                           \
  {                                              \
    .kind = FRZ_ARROW_TIMESTAMP, .unit = unit_of \
  }
#define DECIMAL(p, s)                                                          \
  {                                                                            \
    .kind = FRZ_ARROW_DECIMAL128, .byte_width = 16, .precision = p, .scale = s \
  }

static const conversion_case conversions[] = {
    {"int", {.kind = FRZ_ARROW_INT32}, VALUE(int32_t, -7), VALUE(int32_t, -7), FRZ_OK},
    {"int", {.kind = FRZ_ARROW_INT8}, VALUE(int8_t, -7), VALUE(int32_t, -7), FRZ_OK},
    {"int", {.kind = FRZ_ARROW_UINT8}, VALUE(uint8_t, 200), VALUE(int32_t, 200), FRZ_OK},
    {"int", {.kind = FRZ_ARROW_INT16}, VALUE(int16_t, -3000), VALUE(int32_t, -3000), FRZ_OK},
    {"int", {.kind = FRZ_ARROW_UINT16}, VALUE(uint16_t, 60000), VALUE(int32_t, 60000), FRZ_OK},
    {"int", {.kind = FRZ_ARROW_UINT32}, VALUE(uint32_t, 1), NULL, 0, FRZ_OK},
    {"int", {.kind = FRZ_ARROW_INT64}, VALUE(int64_t, 1), NULL, 0, FRZ_OK},
    {"long",
     {.kind = FRZ_ARROW_INT32},
     VALUE(int32_t, INT32_MIN),
     VALUE(int64_t, INT32_MIN),
     FRZ_OK},
    {"long",
     {.kind = FRZ_ARROW_UINT32},
     VALUE(uint32_t, UINT32_MAX),
     VALUE(int64_t, UINT32_MAX),
     FRZ_OK},
    {"long", {.kind = FRZ_ARROW_FLOAT64}, VALUE(double, 1), NULL, 0, FRZ_OK},
    {"double", {.kind = FRZ_ARROW_FLOAT32}, VALUE(float, 1.5f), VALUE(double, 1.5), FRZ_OK},
    {"double", {.kind = FRZ_ARROW_INT32}, VALUE(int32_t, 1), NULL, 0, FRZ_OK},
    {"float", {.kind = FRZ_ARROW_FLOAT64}, VALUE(double, 1), NULL, 0, FRZ_OK},
    {"decimal(9, 2)", DECIMAL(5, 2), VALUE(frz_int128, -12345), VALUE(frz_int128, -12345), FRZ_OK},
    {"decimal(9, 2)", DECIMAL(9, 3), VALUE(frz_int128, 1), NULL, 0, FRZ_OK},
    {"decimal(9, 2)", DECIMAL(10, 2), VALUE(frz_int128, 1), NULL, 0, FRZ_OK},
    {"timestamp", STAMP(FRZ_UNIT_US), VALUE(int64_t, -1), VALUE(int64_t, -1), FRZ_OK},
    {"timestamp", STAMP(FRZ_UNIT_MS), VALUE(int64_t, -1), VALUE(int64_t, -1000), FRZ_OK},
    {"timestamp", STAMP(FRZ_UNIT_S), VALUE(int64_t, 2), VALUE(int64_t, 2000000), FRZ_OK},
    {"timestamp", STAMP(FRZ_UNIT_NS), VALUE(int64_t, -1), VALUE(int64_t, -1), FRZ_OK},
    {"timestamp", STAMP(FRZ_UNIT_NS), VALUE(int64_t, 1999), VALUE(int64_t, 1), FRZ_OK},
    {"timestamp", STAMP(FRZ_UNIT_MS), VALUE(int64_t, INT64_MAX), VALUE(int64_t, 0),
     FRZ_ERR_CORRUPT},
    {"timestamp",
     {.kind = FRZ_ARROW_DATE32},
     VALUE(int32_t, -1),
     VALUE(int64_t, -86400000000),
     FRZ_OK},
    {"timestamp", {.kind = FRZ_ARROW_INT64}, VALUE(int64_t, 1), NULL, 0, FRZ_OK},
    {"time",
     {.kind = FRZ_ARROW_TIME32, .unit = FRZ_UNIT_MS},
     VALUE(int32_t, 5),
     VALUE(int64_t, 5000),
     FRZ_OK},
    {"time",
     {.kind = FRZ_ARROW_TIME64, .unit = FRZ_UNIT_NS},
     VALUE(int64_t, 5001),
     VALUE(int64_t, 5),
     FRZ_OK},
    {"date", {.kind = FRZ_ARROW_DATE32}, VALUE(int32_t, 5), VALUE(int32_t, 5), FRZ_OK},
    {"string", {.kind = FRZ_ARROW_BINARY}, "text", 4, "text", 4, FRZ_OK},
    {"binary", {.kind = FRZ_ARROW_STRING}, "text", 4, "text", 4, FRZ_OK},
    {"string", {.kind = FRZ_ARROW_INT32}, VALUE(int32_t, 5), NULL, 0, FRZ_OK},
    {"fixed[4]", {.kind = FRZ_ARROW_FIXED, .byte_width = 4}, "text", 4, "text", 4, FRZ_OK},
    {"fixed[4]", {.kind = FRZ_ARROW_FIXED, .byte_width = 5}, "texts", 5, NULL, 0, FRZ_OK},
};

static frz_schema one_field(const char *type, const char *more)
{
  frz_str json = frz_arena_print(&arena,
                                 "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,"
                                 "\"name\":\"c\",\"required\":false,\"type\":\"%s\"%s}]}",
                                 type, more);
  return parse(json.data);
}

/** The value of row `row` as bytes. */
static frz_str value_of(const frz_column *column, int64_t row, size_t width)
{
  if (frz_arrow_type_has_offsets(column->type)) return frz_column_bytes(column, row);
  return (frz_str){(const char *)column->values.data + (size_t)row * width, width};
}

static void check_conversion(const conversion_case *given)
{
  frz_schema schema = one_field(given->to, "");
  const frz_field *field = &schema.root.fields[0];
  frz_arrow_field target;
  frz_arrow_field from = {.nullable = true, .field_id = 1, .type = given->from};
  frz_column_source source = {.fields = &from, .n_fields = 1};
  frz_column_map map;
  frz_leaf leaf;
  frz_error err = {0};
  assert_int_equal(frz_field_to_arrow(field, &arena, &target, NULL), FRZ_OK);
  frz_status st = frz_column_map_make(field, &target, &source, &arena, &map, &err);
  if (given->expected == NULL) {
    assert_int_equal(st, FRZ_ERR_CORRUPT);
    assert_non_null(strstr(err.message, "'c'"));
    return;
  }
  if (st != FRZ_OK) fail_msg("%s: %s", given->to, err.message);
  assert_int_equal(frz_leaf_make(&schema.root, field, &source, &arena, &leaf, &err), FRZ_OK);
  frz_column column, made;
  frz_leaf_column read;
  assert_int_equal(frz_column_init(&column, &from, frz_alloc_default(), NULL), FRZ_OK);
  assert_int_equal(frz_column_append_nulls(&column, 1, NULL), FRZ_OK);
  assert_int_equal(frz_column_append_value(&column, given->value, given->value_bytes, NULL),
                   FRZ_OK);
  st = frz_leaf_read(&leaf, &column, 2, frz_alloc_default(), &read, &err);
  assert_int_equal(st, given->status);
  if (st == FRZ_OK) {
    assert_true(frz_column_is_null(&read.column, 0));
    frz_str value = value_of(&read.column, 1, given->expected_bytes);
    assert_int_equal(value.size, given->expected_bytes);
    assert_memory_equal(value.data, given->expected, given->expected_bytes);
    frz_leaf_column_dispose(&read);
  }
  st = frz_column_map_apply(&map, &column, 2, frz_alloc_default(), &made, &err);
  assert_int_equal(st, given->status);
  if (st == FRZ_OK) {
    assert_true(frz_arrow_type_equal(made.type, target.type));
    assert_int_equal(made.n_nulls, 1);
    frz_str value = value_of(&made, 1, given->expected_bytes);
    assert_int_equal(value.size, given->expected_bytes);
    assert_memory_equal(value.data, given->expected, given->expected_bytes);
    frz_column_dispose(&made);
  }
  frz_column_dispose(&column);
}

static void test_conversions(void **state)
{
  (void)state;
  for (size_t i = 0; i < LENGTH(conversions); i++) check_conversion(&conversions[i]);
}

/* ---- missing columns ---- */

static void test_missing_columns(void **state)
{
  (void)state;
  frz_literal eu = {.kind = FRZ_TYPE_STRING, .as.bytes = {"eu", 2}};
  frz_literal five = {.kind = FRZ_TYPE_INT, .as.i32 = 5};
  frz_literal none = frz_literal_null(FRZ_TYPE_INT);
  frz_literal long_five = {.kind = FRZ_TYPE_LONG, .as.i64 = 5};
  frz_literal two_days = {.kind = FRZ_TYPE_TIMESTAMP, .as.i64 = 2LL * 86400 * 1000000};
  frz_partition_field identity = {
      .source_id = 1, .field_id = 1000, .transform = {FRZ_TRANSFORM_IDENTITY, 0, {0}}};
  frz_partition_field bucket = {
      .source_id = 1, .field_id = 1000, .transform = {FRZ_TRANSFORM_BUCKET, 16, {0}}};
  const struct {
    const char *type, *more;
    const frz_partition_field *part;
    const frz_literal *value;
    int expected; /* -1: null, -2: refused; else for numbers */
    const char *text;
  } cases[] = {
      {"string", "", &identity, &eu, 0, "eu"},
      {"long", "", &identity, &five, 5, NULL}, /* the partition was written before a promotion */
      {"int", "", &identity, &long_five, 5, NULL}, /* a pinned read from before the promotion */
      {"date", "", &identity, &two_days, 2, NULL},
      {"long", ",\"initial-default\":7", NULL, NULL, 7, NULL},
      {"long", ",\"initial-default\":7", &identity, &five, 5, NULL},
      {"int", ",\"initial-default\":7", &identity, &none, -1, NULL},
      {"int", ",\"initial-default\":7", &bucket, &five, 7, NULL},
      {"int", ",\"write-default\":7", NULL, NULL, -1, NULL},
      {"string", ",\"initial-default\":\"none yet\"", NULL, NULL, 0, "none yet"},
      {"int", "", NULL, NULL, -1, NULL},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    frz_schema schema = one_field(cases[i].type, cases[i].more);
    const frz_field *field = &schema.root.fields[0];
    frz_partition_spec spec = {1, cases[i].part, cases[i].part != NULL ? 1 : 0};
    frz_partition partition = {cases[i].value, cases[i].part != NULL ? 1 : 0};
    frz_column_source source = {.spec = &spec, .partition = &partition};
    frz_arrow_field target;
    frz_column_map map;
    frz_column made;
    assert_int_equal(frz_field_to_arrow(field, &arena, &target, NULL), FRZ_OK);
    assert_int_equal(frz_column_map_make(field, &target, &source, &arena, &map, NULL), FRZ_OK);
    assert_int_equal(frz_column_map_apply(&map, NULL, 3, frz_alloc_default(), &made, NULL), FRZ_OK);
    assert_int_equal(made.n_rows, 3);
    assert_int_equal(made.n_nulls, cases[i].expected == -1 ? 3 : 0);
    frz_literal got = frz_literal_from_column(&field->type, &made, 2);
    if (cases[i].text != NULL)
      assert_true(frz_str_is(got.as.bytes, cases[i].text));
    else if (cases[i].expected != -1)
      assert_int_equal(got.kind == FRZ_TYPE_LONG ? got.as.i64 : got.as.i32, cases[i].expected);
    frz_column_dispose(&made);
  }
  frz_schema schema = one_field("int", "");
  frz_field required = schema.root.fields[0];
  required.required = true;
  frz_arrow_field target;
  frz_column_map map;
  frz_column_source source = {0};
  /* A partition value that no promotion explains is not passed over as null. */
  const frz_literal odd[] = {{.kind = FRZ_TYPE_LONG, .as.i64 = (int64_t)INT32_MAX + 1}, eu};
  frz_partition_spec by_value = {1, &identity, 1};
  for (size_t i = 0; i < LENGTH(odd); i++) {
    frz_partition partition = {&odd[i], 1};
    frz_column_source placed = {.spec = &by_value, .partition = &partition};
    frz_literal value;
    assert_int_equal(frz_column_constant(&schema.root.fields[0], &placed, &arena, &value, NULL),
                     FRZ_ERR_CORRUPT);
  }
  assert_int_equal(frz_field_to_arrow(&required, &arena, &target, NULL), FRZ_OK);
  assert_int_equal(frz_column_map_make(&required, &target, &source, &arena, &map, NULL),
                   FRZ_ERR_CORRUPT);
}

/** The initial default of every primitive type, as the field's values read. */
static void test_initial_defaults_of_every_type(void **state)
{
  (void)state;
  static const struct {
    const char *type, *json, *printed;
  } cases[] = {
      {"boolean", "true", "true"},
      {"int", "34", "34"},
      {"long", "-34", "-34"},
      {"float", "1.5", "1.5"},
      {"double", "-2e3", "-2000.0"},
      {"decimal(9, 2)", "\"14.20\"", "14.20"},
      {"decimal(38, 10)", "\"-1E-10\"", "-0.0000000001"},
      {"date", "\"2017-11-16\"", "2017-11-16"},
      {"time", "\"22:31:08.123456\"", "22:31:08.123456"},
      {"timestamp", "\"1969-11-16T22:31:08.123456\"", "1969-11-16T22:31:08.123456"},
      {"timestamptz", "\"2017-11-16T22:31:08.123456+00:00\"", "2017-11-16T22:31:08.123456+00:00"},
      {"timestamp_ns", "\"2017-11-16T22:31:08.123456789\"", "2017-11-16T22:31:08.123456789"},
      {"timestamptz_ns", "\"2017-11-16T22:31:08.123456789+00:00\"",
       "2017-11-16T22:31:08.123456789+00:00"},
      {"string", "\"a b\"", "a b"},
      {"uuid", "\"f79c3e09-677c-4bbd-a479-3f349cb785e7\"", "f79c3e09-677c-4bbd-a479-3f349cb785e7"},
      {"fixed[4]", "\"000102ff\"", "AAEC/w=="},
      {"binary", "\"0001\"", "AAE="},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    char more[200];
    snprintf(more, sizeof more, ",\"initial-default\":%s", cases[i].json);
    frz_schema schema = one_field(cases[i].type, more);
    const frz_field *field = &schema.root.fields[0];
    frz_column_source source = {0};
    frz_arrow_field target;
    frz_column_map map;
    frz_column made;
    assert_int_equal(frz_field_to_arrow(field, &arena, &target, NULL), FRZ_OK);
    assert_int_equal(frz_column_map_make(field, &target, &source, &arena, &map, NULL), FRZ_OK);
    assert_int_equal(frz_column_map_apply(&map, NULL, 2, frz_alloc_default(), &made, NULL), FRZ_OK);
    frz_literal got = frz_literal_from_column(&field->type, &made, 1);
    frz_str printed = frz_literal_print(&got, &arena);
    if (!frz_str_is(printed, cases[i].printed))
      fail_msg("%s: %.*s, not %s", cases[i].type, FRZ_STR_ARG(printed), cases[i].printed);
    frz_column_dispose(&made);
  }
}

/** A point with x (default 1) and y (none), missing from the file: by the struct's own default. */
static frz_status missing_point(const char *default_json, bool required, frz_column *made_out,
                                int64_t *leaf_out)
{
  char json[600];
  snprintf(json, sizeof json,
           "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"s\","
           "\"required\":%s%s%s,\"type\":{\"type\":\"struct\",\"fields\":["
           "{\"id\":2,\"name\":\"x\",\"required\":true,\"type\":\"long\",\"initial-default\":1},"
           "{\"id\":3,\"name\":\"y\",\"required\":false,\"type\":\"int\"}]}}]}",
           required ? "true" : "false", default_json != NULL ? ",\"initial-default\":" : "",
           default_json != NULL ? default_json : "");
  frz_schema schema = parse(json);
  frz_column_source source = {0};
  frz_arrow_field target;
  frz_column_map map;
  frz_leaf leaf;
  frz_leaf_column read;
  const frz_field *field = &schema.root.fields[0];
  const frz_field *x = &field->type.fields[0];
  assert_int_equal(frz_field_to_arrow(field, &arena, &target, NULL), FRZ_OK);
  FRZ_TRY(frz_column_map_make(field, &target, &source, &arena, &map, NULL));
  assert_int_equal(frz_column_map_apply(&map, NULL, 3, frz_alloc_default(), made_out, NULL),
                   FRZ_OK);
  assert_int_equal(frz_leaf_make(&schema.root, x, &source, &arena, &leaf, NULL), FRZ_OK);
  assert_int_equal(frz_leaf_read(&leaf, NULL, 3, frz_alloc_default(), &read, NULL), FRZ_OK);
  frz_literal last = frz_literal_from_column(&x->type, &read.column, 2);
  *leaf_out = last.is_null ? -1 : last.as.i64;
  frz_leaf_column_dispose(&read);
  return FRZ_OK;
}

static void test_a_missing_struct_is_made_of_defaults(void **state)
{
  (void)state;
  frz_column made;
  int64_t leaf;
  for (int required = 0; required < 2; required++) {
    assert_int_equal(missing_point(" { } ", required == 1, &made, &leaf), FRZ_OK);
    assert_int_equal(made.n_rows, 3);
    assert_int_equal(made.n_nulls, 0);
    assert_int_equal(((const int64_t *)(void *)made.children[0].values.data)[2], 1);
    assert_int_equal(made.children[1].n_nulls, 3);
    assert_int_equal(leaf, 1);
    frz_column_dispose(&made);
  }
  static const char *const none[] = {NULL, "null"};
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(missing_point(none[i], false, &made, &leaf), FRZ_OK);
    assert_int_equal(made.n_nulls, 3);
    assert_int_equal(leaf, -1);
    frz_column_dispose(&made);
    assert_int_equal(missing_point(none[i], true, &made, &leaf), FRZ_ERR_CORRUPT);
  }
  assert_int_equal(missing_point("{\"2\":5}", false, &made, &leaf), FRZ_ERR_UNSUPPORTED);
  assert_int_equal(missing_point("[]", false, &made, &leaf), FRZ_ERR_UNSUPPORTED);
  /* Lists and maps have no default but null: any other is not passed over. */
  frz_schema schema = parse(
      "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"l\",\"required\":"
      "false,\"initial-default\":[1],\"type\":{\"type\":\"list\",\"element-id\":2,"
      "\"element-required\":true,\"element\":\"int\"}}]}");
  frz_column_source source = {0};
  frz_literal value;
  assert_int_equal(frz_column_constant(&schema.root.fields[0], &source, &arena, &value, NULL),
                   FRZ_ERR_UNSUPPORTED);
}

/** What the structs of a list lack is their field's default. */
static void test_defaults_below_lists(void **state)
{
  (void)state;
  frz_schema schema = parse(
      "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"l\",\"required\":"
      "false,\"type\":{\"type\":\"list\",\"element-id\":2,\"element-required\":false,"
      "\"element\":{\"type\":\"struct\",\"fields\":["
      "{\"id\":3,\"name\":\"x\",\"required\":false,\"type\":\"long\"},"
      "{\"id\":4,\"name\":\"y\",\"required\":true,\"type\":\"string\","
      "\"initial-default\":\"new\"}]}}}]}");
  frz_arrow_field x = {
      .name = {"x", 1}, .nullable = true, .field_id = 3, .type = {.kind = FRZ_ARROW_INT64}};
  frz_arrow_field element = {.name = {"element", 7},
                             .nullable = true,
                             .field_id = 2,
                             .type = {.kind = FRZ_ARROW_STRUCT},
                             .children = &x,
                             .n_children = 1};
  frz_arrow_field list = {.name = {"l", 1},
                          .nullable = true,
                          .field_id = 1,
                          .type = {.kind = FRZ_ARROW_LIST},
                          .children = &element,
                          .n_children = 1};
  frz_column_source source = {.fields = &list, .n_fields = 1};
  frz_column column, made;
  frz_arrow_field target;
  frz_column_map map;
  assert_int_equal(frz_column_init(&column, &list, frz_alloc_default(), NULL), FRZ_OK);
  for (int64_t i = 0; i < 3; i++) {
    frz_column *item = &column.children[0];
    assert_int_equal(frz_column_append_value(&item->children[0], &i, sizeof i, NULL), FRZ_OK);
    assert_int_equal(frz_column_append_present(item, NULL), FRZ_OK);
  }
  assert_int_equal(frz_column_append_present(&column, NULL), FRZ_OK);
  assert_int_equal(frz_column_append_nulls(&column, 1, NULL), FRZ_OK);
  const frz_field *field = &schema.root.fields[0];
  assert_int_equal(frz_field_to_arrow(field, &arena, &target, NULL), FRZ_OK);
  assert_int_equal(frz_column_map_make(field, &target, &source, &arena, &map, NULL), FRZ_OK);
  assert_int_equal(frz_column_map_apply(&map, &column, 2, frz_alloc_default(), &made, NULL),
                   FRZ_OK);
  const frz_column *y = &made.children[0].children[1];
  assert_int_equal(y->n_rows, 3);
  for (int64_t i = 0; i < 3; i++) assert_true(frz_str_is(frz_column_bytes(y, i), "new"));
  frz_column_dispose(&made);
  frz_column_dispose(&column);
}

/** A leaf is null where a struct above it is, also when it is not in the file. */
static void test_leaves_below_structs(void **state)
{
  (void)state;
  frz_schema schema = parse(
      "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"s\",\"required\":"
      "false,"
      "\"type\":{\"type\":\"struct\",\"fields\":["
      "{\"id\":2,\"name\":\"x\",\"required\":true,\"type\":\"long\"},"
      "{\"id\":3,\"name\":\"y\",\"required\":false,\"type\":\"int\",\"initial-default\":9}]}}]}");
  frz_arrow_field x = {.name = {"x", 1}, .field_id = 2, .type = {.kind = FRZ_ARROW_INT32}};
  frz_arrow_field s = {.name = {"s", 1},
                       .nullable = true,
                       .field_id = 1,
                       .type = {.kind = FRZ_ARROW_STRUCT},
                       .children = &x,
                       .n_children = 1};
  frz_column_source source = {.fields = &s, .n_fields = 1};
  frz_column column;
  assert_int_equal(frz_column_init(&column, &s, frz_alloc_default(), NULL), FRZ_OK);
  for (int32_t i = 0; i < 3; i++) {
    if (i == 1) {
      assert_int_equal(frz_column_append_nulls(&column, 1, NULL), FRZ_OK);
      continue;
    }
    assert_int_equal(frz_column_append_value(&column.children[0], &i, sizeof i, NULL), FRZ_OK);
    assert_int_equal(frz_column_append_present(&column, NULL), FRZ_OK);
  }
  static const int64_t expected[2][3] = {{0, -1, 2}, {9, -1, 9}};
  for (int id = 2; id <= 3; id++) {
    frz_leaf leaf;
    frz_leaf_column read;
    const frz_field *field = frz_schema_find_id(&schema, id);
    assert_int_equal(frz_leaf_make(&schema.root, field, &source, &arena, &leaf, NULL), FRZ_OK);
    assert_int_equal(frz_leaf_read(&leaf, &column, 3, frz_alloc_default(), &read, NULL), FRZ_OK);
    for (int64_t row = 0; row < 3; row++) {
      frz_literal got = frz_literal_from_column(&field->type, &read.column, row);
      assert_int_equal(got.is_null, expected[id - 2][row] == -1);
      if (!got.is_null) assert_int_equal(id == 2 ? got.as.i64 : got.as.i32, expected[id - 2][row]);
    }
    frz_leaf_column_dispose(&read);
  }
  frz_column_dispose(&column);
}

/** Parts of a variant are found by name, whether the file calls it one or not. */
static void test_variants_by_name(void **state)
{
  (void)state;
  frz_schema schema = one_field("variant", "");
  const frz_field *field = &schema.root.fields[0];
  frz_arrow_field target;
  assert_int_equal(frz_field_to_arrow(field, &arena, &target, NULL), FRZ_OK);
  assert_true(target.type.kind == FRZ_ARROW_STRUCT && target.type.is_variant);
  static const frz_arrow_type binary = {.kind = FRZ_ARROW_BINARY};
  const struct {
    const char *names[2];
    bool fits;
  } cases[] = {
      {{"metadata", "value"}, true},
      {{"value", "metadata"}, true},
      {{"metadata", "values"}, false},
      {{"value", "value"}, false},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    frz_arrow_field parts[2];
    for (size_t k = 0; k < 2; k++)
      parts[k] = (frz_arrow_field){
          .name = frz_str_from(cases[i].names[k]), .field_id = -1, .type = binary};
    frz_arrow_field from = {.name = {"v", 1},
                            .nullable = true,
                            .field_id = field->id,
                            .type = {.kind = FRZ_ARROW_STRUCT, .is_variant = i == 0},
                            .children = parts,
                            .n_children = 2};
    frz_column_source source = {.fields = &from, .n_fields = 1};
    frz_column_map map;
    frz_column column, made;
    frz_status st = frz_column_map_make(field, &target, &source, &arena, &map, NULL);
    assert_int_equal(st, cases[i].fits ? FRZ_OK : FRZ_ERR_CORRUPT);
    if (!cases[i].fits) continue;
    assert_int_equal(frz_column_init(&column, &from, frz_alloc_default(), NULL), FRZ_OK);
    for (size_t k = 0; k < 2; k++)
      assert_int_equal(frz_column_append_value(&column.children[k], cases[i].names[k], 5, NULL),
                       FRZ_OK);
    assert_int_equal(frz_column_append_present(&column, NULL), FRZ_OK);
    assert_int_equal(frz_column_append_nulls(&column, 1, NULL), FRZ_OK);
    assert_int_equal(frz_column_map_apply(&map, &column, 2, frz_alloc_default(), &made, NULL),
                     FRZ_OK);
    assert_true(made.type.is_variant);
    assert_int_equal(made.n_nulls, 1);
    assert_true(frz_str_is(frz_column_bytes(&made.children[0], 0), "metad"));
    assert_true(frz_str_is(frz_column_bytes(&made.children[1], 0), "value"));
    frz_column_dispose(&made);
    frz_column_dispose(&column);
  }
  /* One that the file lacks is null. */
  frz_column_source nothing = {0};
  frz_column_map map;
  frz_column made;
  assert_int_equal(frz_column_map_make(field, &target, &nothing, &arena, &map, NULL), FRZ_OK);
  assert_int_equal(frz_column_map_apply(&map, NULL, 2, frz_alloc_default(), &made, NULL), FRZ_OK);
  assert_int_equal(made.n_nulls, 2);
  frz_column_dispose(&made);
}

/* ---- name mapping ---- */

static void test_name_mapping(void **state)
{
  (void)state;
  static const char json[] = "[{\"field-id\": 1, \"names\": [\"id\", \"record_id\"]},"
                             " {\"field-id\": 2, \"names\": [\"s\"], \"fields\": ["
                             "   {\"field-id\": 3, \"names\": [\"x\"]}, {\"names\": [\"no id\"]}]},"
                             " {\"field-id\": 4, \"names\": [\"l\"], \"fields\": [{\"field-id\": "
                             "5, \"names\": [\"element\"]}]},"
                             " {\"names\": [], \"unknown\": {\"a\": [1]}}]";
  frz_name_mapping mapping;
  frz_error err = {0};
  frz_status st = frz_name_mapping_parse(frz_str_from(json), &arena, &mapping, &err);
  if (st != FRZ_OK) fail_msg("%s", err.message);
  frz_arrow_field inside[] = {
      {.name = {"x", 1}, .field_id = -1, .type = {.kind = FRZ_ARROW_INT32}},
      {.name = {"id", 2}, .field_id = -1, .type = {.kind = FRZ_ARROW_INT32}}};
  frz_arrow_field item = {.name = {"array", 5}, .field_id = -1, .type = {.kind = FRZ_ARROW_INT32}};
  frz_arrow_field fields[] = {
      {.name = {"record_id", 9}, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}},
      {.name = {"s", 1},
       .field_id = -1,
       .type = {.kind = FRZ_ARROW_STRUCT},
       .children = inside,
       .n_children = 2},
      {.name = {"l", 1},
       .field_id = -1,
       .type = {.kind = FRZ_ARROW_LIST},
       .children = &item,
       .n_children = 1},
      {.name = {"id", 2}, .field_id = 77, .type = {.kind = FRZ_ARROW_INT64}},
      {.name = {"other", 5}, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}}};
  frz_name_mapping_apply(&mapping, fields, LENGTH(fields));
  assert_int_equal(fields[0].field_id, 1);
  assert_int_equal(fields[1].field_id, 2);
  assert_int_equal(inside[0].field_id, 3);
  assert_int_equal(inside[1].field_id, -1);
  assert_int_equal(fields[2].field_id, 4);
  assert_int_equal(item.field_id, 5);
  assert_int_equal(fields[3].field_id, 77); /* an id of its own stays */
  assert_int_equal(fields[4].field_id, -1);
  for (size_t cut = 0; cut < sizeof json - 1; cut++) /* every truncation */
    assert_int_not_equal(frz_name_mapping_parse((frz_str){json, cut}, &arena, &mapping, NULL),
                         FRZ_OK);
}

/* Of members given twice the last counts. */
static void test_name_mapping_with_doubled_members(void **state)
{
  (void)state;
  static const char json[] = "[{\"names\": [\"a\", \"b\"], \"names\": [\"c\", \"d\", \"e\"],"
                             " \"fields\": [{}, {}], \"fields\": [{\"field-id\": 9}],"
                             " \"field-id\": 1, \"field-id\": 2}]";
  frz_name_mapping mapping;
  assert_int_equal(frz_name_mapping_parse(frz_str_from(json), &arena, &mapping, NULL), FRZ_OK);
  assert_int_equal(mapping.n_fields, 1);
  assert_int_equal(mapping.fields[0].field_id, 2);
  assert_int_equal(mapping.fields[0].n_names, 3);
  assert_true(frz_str_is(mapping.fields[0].names[0], "c"));
  assert_int_equal(mapping.fields[0].children.n_fields, 1);
  assert_int_equal(mapping.fields[0].children.fields[0].field_id, 9);
}

/* ---- statistics ---- */

static void test_statistics_as_bounds(void **state)
{
  (void)state;
  const struct {
    const char *type;
    frz_parquet_node node;
    const void *bytes;
    size_t size;
    const char *lower, *upper; /* printed; NULL: unknown */
  } cases[] = {
      {"int", {.physical = FRZ_PARQUET_INT32}, VALUE(int32_t, -5), "-5", "-5"},
      {"long", {.physical = FRZ_PARQUET_INT32}, VALUE(int32_t, -5), "-5", "-5"},
      {"int", {.physical = FRZ_PARQUET_INT64}, VALUE(int64_t, 1LL << 40), NULL, NULL},
      {"long",
       {.physical = FRZ_PARQUET_INT32, .logical = FRZ_PARQUET_LOGICAL_INT},
       VALUE(uint32_t, UINT32_MAX),
       "4294967295",
       "4294967295"},
      {"long",
       {.physical = FRZ_PARQUET_INT64, .logical = FRZ_PARQUET_LOGICAL_INT},
       VALUE(uint64_t, UINT64_MAX),
       NULL,
       NULL},
      {"long",
       {.physical = FRZ_PARQUET_INT64, .logical = FRZ_PARQUET_LOGICAL_TIMESTAMP},
       VALUE(int64_t, 1),
       NULL,
       NULL},
      {"long", {.physical = FRZ_PARQUET_INT64}, VALUE(int32_t, 1), NULL, NULL},
      {"double", {.physical = FRZ_PARQUET_FLOAT}, VALUE(float, 0.5f), "0.5", "0.5"},
      {"double", {.physical = FRZ_PARQUET_DOUBLE}, VALUE(double, __builtin_nan("")), NULL, NULL},
      {"float", {.physical = FRZ_PARQUET_DOUBLE}, VALUE(double, 1), NULL, NULL},
      {"decimal(9, 2)",
       {.physical = FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY,
        .logical = FRZ_PARQUET_LOGICAL_DECIMAL,
        .scale = 2},
       "\xff\xfe\x0c",
       3,
       "-5.00",
       "-5.00"},
      {"decimal(9, 2)",
       {.physical = FRZ_PARQUET_INT32, .logical = FRZ_PARQUET_LOGICAL_DECIMAL, .scale = 1},
       VALUE(int32_t, 5),
       NULL,
       NULL},
      {"time",
       {.physical = FRZ_PARQUET_INT32, .logical = FRZ_PARQUET_LOGICAL_TIME, .unit = FRZ_UNIT_MS},
       VALUE(int32_t, 1500),
       "00:00:01.500",
       "00:00:01.500"},
      {"timestamp",
       {.physical = FRZ_PARQUET_INT64,
        .logical = FRZ_PARQUET_LOGICAL_TIMESTAMP,
        .unit = FRZ_UNIT_NS},
       VALUE(int64_t, -1),
       "1969-12-31T23:59:59.999999",
       "1969-12-31T23:59:59.999999"},
      {"timestamp",
       {.physical = FRZ_PARQUET_INT64,
        .logical = FRZ_PARQUET_LOGICAL_TIMESTAMP,
        .unit = FRZ_UNIT_S},
       VALUE(int64_t, INT64_MAX),
       NULL,
       NULL},
      {"timestamp", {.physical = FRZ_PARQUET_INT96}, "123456789012", 12, NULL, NULL},
      {"string", {.physical = FRZ_PARQUET_BYTE_ARRAY}, "abc", 3, "abc", "abc"},
      {"fixed[4]", {.physical = FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY}, "abc", 3, NULL, NULL},
  };
  for (size_t i = 0; i < LENGTH(cases); i++) {
    frz_type type;
    frz_error err = {0};
    assert_int_equal(frz_type_parse_primitive(frz_str_from(cases[i].type), &type, &err), FRZ_OK);
    frz_str bytes = {cases[i].bytes, cases[i].size};
    for (int upper = 0; upper < 2; upper++) {
      frz_literal literal;
      const char *expected = upper ? cases[i].upper : cases[i].lower;
      bool known = frz_parquet_statistic(&cases[i].node, &type, bytes, upper, &literal);
      if (known != (expected != NULL)) fail_msg("case %zu", i);
      if (!known) continue;
      frz_str text = frz_literal_print(&literal, &arena);
      if (!frz_str_is(text, expected))
        fail_msg("case %zu: %.*s instead of %s", i, FRZ_STR_ARG(text), expected);
    }
  }
  /* A zero may be either zero. */
  frz_type real = {.kind = FRZ_TYPE_DOUBLE};
  frz_parquet_node node = {.physical = FRZ_PARQUET_DOUBLE};
  frz_literal literal;
  double zeros[] = {0.0, -0.0};
  for (size_t i = 0; i < 2; i++) {
    frz_str bytes = {(const char *)&zeros[i], 8};
    assert_true(frz_parquet_statistic(&node, &real, bytes, false, &literal));
    assert_true(__builtin_signbit(literal.as.f64));
    assert_true(frz_parquet_statistic(&node, &real, bytes, true, &literal));
    assert_false(__builtin_signbit(literal.as.f64));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_names_choose_fields, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_conversions, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_missing_columns, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_initial_defaults_of_every_type, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_a_missing_struct_is_made_of_defaults, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_defaults_below_lists, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_leaves_below_structs, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_variants_by_name, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_name_mapping, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_name_mapping_with_doubled_members, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_statistics_as_bounds, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
