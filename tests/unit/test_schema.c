/*
 * test_schema.c - schemas: JSON, names, promotion, Arrow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "iceberg/schema/schema.h"

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

static frz_status parse(const char *text, size_t size, frz_schema *schema, frz_error *err)
{
  frz_json_reader json;
  frz_json_reader_init(&json, text, size, &arena);
  frz_status st = frz_schema_parse(&json, &arena, schema, err);
  return st == FRZ_OK ? frz_json_finish(&json, err) : st;
}

static const char nested[] =
    "{\"type\":\"struct\",\"schema-id\":7,\"identifier-field-ids\":[1],\"fields\":["
    "{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"price\",\"required\":false,\"type\":\"decimal(9, 2)\",\"doc\":\"in "
    "euro\",\"initial-default\":\"1.50\",\"write-default\":\"2.00\"},"
    "{\"id\":3,\"name\":\"tags\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":4,"
    "\"element\":\"string\",\"element-required\":true}},"
    "{\"id\":5,\"name\":\"props\",\"required\":false,\"type\":{\"type\":\"map\",\"key-id\":6,"
    "\"key\":\"string\",\"value-id\":7,\"value\":{\"type\":\"struct\",\"fields\":["
    "{\"id\":8,\"name\":\"x\",\"required\":false,\"type\":\"fixed[16]\"}]},"
    "\"value-required\":false}},"
    "{\"id\":9,\"name\":\"at\",\"required\":false,\"type\":{\"type\":\"struct\",\"fields\":["
    "{\"id\":10,\"name\":\"lat\",\"required\":false,\"type\":\"double\"},"
    "{\"id\":11,\"name\":\"v\",\"required\":false,\"type\":\"variant\"},"
    "{\"id\":12,\"name\":\"u\",\"required\":false,\"type\":\"unknown\"}]}},"
    "{\"id\":13,\"name\":\"a.b\",\"required\":false,\"type\":\"timestamptz_ns\"}]}";

static void test_json_round_trip(void **state)
{
  (void)state;
  frz_schema schema, again;
  frz_error err;
  assert_int_equal(parse(nested, sizeof nested - 1, &schema, &err), FRZ_OK);
  assert_int_equal(schema.schema_id, 7);
  assert_int_equal(schema.highest_field_id, 13);
  assert_int_equal(schema.n_identifier_field_ids, 1);
  frz_buf out;
  frz_json_writer json;
  frz_buf_init(&out, frz_alloc_default(), 1 << 20);
  frz_json_writer_init(&json, &out);
  frz_schema_write(&json, &schema);
  assert_int_equal(frz_json_writer_finish(&json, &err), FRZ_OK);
  assert_int_equal(out.size, sizeof nested - 1);
  assert_int_equal(parse((char *)out.data, out.size, &again, &err), FRZ_OK);
  assert_true(frz_type_equal(&schema.root, &again.root));
  const frz_field *price = frz_schema_find_id(&again, 2);
  assert_true(frz_str_is(price->doc, "in euro"));
  assert_true(frz_str_is(price->initial_default, "\"1.50\""));
  assert_true(frz_str_is(price->write_default, "\"2.00\""));
  frz_buf_dispose(&out);
}

static void test_every_truncation_is_refused(void **state)
{
  (void)state;
  for (size_t size = 0; size < sizeof nested - 1; size++) {
    frz_schema schema;
    frz_error err;
    assert_int_equal(parse(nested, size, &schema, &err), FRZ_ERR_CORRUPT);
  }
}

static void test_members_come_in_any_order(void **state)
{
  (void)state;
  static const char text[] =
      "{\"fields\":[{\"type\":{\"element\":\"int\",\"element-required\":false,\"element-id\":2,"
      "\"type\":\"list\"},\"required\":false,\"later\":{\"a\":[1]},\"name\":\"l\",\"id\":1}],"
      "\"other\":null,\"type\":\"struct\"}";
  frz_schema schema;
  frz_error err;
  assert_int_equal(parse(text, sizeof text - 1, &schema, &err), FRZ_OK);
  assert_int_equal(schema.schema_id, 0);
  assert_int_equal(schema.root.fields[0].type.kind, FRZ_TYPE_LIST);
  assert_int_equal(frz_schema_find_id(&schema, 2)->type.kind, FRZ_TYPE_INT);
}

#define FIELD(id, name, type) \
  "{\"id\":" id ",\"name\":\"" name "\",\"required\":false,\"type\":" type "}"
#define SCHEMA(fields) "{\"type\":\"struct\",\"fields\":[" fields "]}"

static void test_bad_schemas_are_refused(void **state)
{
  (void)state;
  static const struct {
    const char *text, *message;
    frz_status status;
  } cases[] = {
      {"{\"fields\":[]}", "type", FRZ_ERR_CORRUPT},
      {"{\"type\":\"struct\"}", "fields", FRZ_ERR_CORRUPT},
      {"{\"type\":\"list\",\"fields\":[]}", "struct", FRZ_ERR_CORRUPT},
      {SCHEMA("{\"name\":\"a\",\"required\":true,\"type\":\"int\"}"), "'id'", FRZ_ERR_CORRUPT},
      {SCHEMA("{\"id\":1,\"required\":true,\"type\":\"int\"}"), "'name'", FRZ_ERR_CORRUPT},
      {SCHEMA("{\"id\":1,\"name\":\"a\",\"type\":\"int\"}"), "'required'", FRZ_ERR_CORRUPT},
      {SCHEMA("{\"id\":1,\"name\":\"a\",\"required\":true}"), "'type'", FRZ_ERR_CORRUPT},
      {SCHEMA(FIELD("1", "a", "\"int\"") "," FIELD("1", "b", "\"int\"")),
       "field id 1 is used twice", FRZ_ERR_CORRUPT},
      {SCHEMA(FIELD("1", "a", "\"int\"") "," FIELD("2", "a", "\"int\"")), "'a' is used twice",
       FRZ_ERR_CORRUPT},
      {SCHEMA(FIELD("-3", "a", "\"int\"")), "negative", FRZ_ERR_CORRUPT},
      {SCHEMA(FIELD("1", "g", "\"geometry(srid:4326\"")), "geometry", FRZ_ERR_UNSUPPORTED},
      {SCHEMA(FIELD("2147483448", "g", "\"int\"")), "2147483448 is reserved", FRZ_ERR_CORRUPT},
      {SCHEMA("{\"id\":1,\"name\":\"u\",\"required\":true,\"type\":\"unknown\"}"),
       "'u' is of type unknown, and required", FRZ_ERR_CORRUPT},
      {SCHEMA("{\"id\":1,\"name\":\"v\",\"required\":true,\"type\":\"variant\","
              "\"write-default\":{}}"),
       "'v' is of type variant", FRZ_ERR_CORRUPT},
      {SCHEMA("{\"id\":1,\"name\":\"g\",\"required\":true,\"type\":\"geometry\","
              "\"initial-default\":\"POINT (30 10)\"}"),
       "'g' is of type geometry", FRZ_ERR_CORRUPT},
      {SCHEMA(FIELD("1", "g", "\"blob\"")), "blob", FRZ_ERR_UNSUPPORTED},
      {SCHEMA(FIELD("1", "d", "\"decimal(39,2)\"")), "decimal(39,2)", FRZ_ERR_CORRUPT},
      {SCHEMA(FIELD("1", "d", "\"decimal(3,4)\"")), "decimal(3,4)", FRZ_ERR_CORRUPT},
      {SCHEMA(FIELD("1", "d", "\"fixed[0]\"")), "fixed[0]", FRZ_ERR_CORRUPT},
      {SCHEMA(FIELD("1", "l", "{\"type\":\"list\",\"element\":\"int\",\"element-required\":true}")),
       "element-id", FRZ_ERR_CORRUPT},
      {SCHEMA(FIELD("1", "m", "{\"type\":\"map\",\"key-id\":2,\"key\":\"int\"}")), "value",
       FRZ_ERR_CORRUPT},
      {"{\"type\":\"struct\",\"identifier-field-ids\":[9],\"fields\":[]}", "identifier field 9",
       FRZ_ERR_CORRUPT},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_schema schema;
    frz_error err;
    assert_int_equal(parse(cases[i].text, strlen(cases[i].text), &schema, &err), cases[i].status);
    if (strstr(err.message, cases[i].message) == NULL)
      fail_msg("'%s' does not name '%s'", err.message, cases[i].message);
  }
}

/* Text for text: parameters of geometry and geography are not ours to change. */
static void test_types_of_version_3_are_carried(void **state)
{
  (void)state;
  static const char text[] =
      "{\"type\":\"struct\",\"schema-id\":0,\"fields\":[" FIELD("2147483447", "a", "\"geometry\"") "," FIELD("2", "b", "\"geometry(srid:4326)\"") "," FIELD(
          "3", "c",
          "\"geography(OGC:CRS84, vincenty)\"") "," FIELD("4", "d",
                                                          "\"variant\"") "," FIELD("5", "e",
                                                                                   "\"unknown"
                                                                                   "\"") "," FIELD("6",
                                                                                                   "f",
                                                                                                   "\"timestamptz_ns\"") "]}";
  frz_schema schema;
  frz_error err;
  assert_int_equal(parse(text, sizeof text - 1, &schema, &err), FRZ_OK);
  for (size_t i = 0; i < schema.root.n_fields; i++) {
    assert_true(frz_type_needs_version_3(&schema.root.fields[i].type));
    for (size_t k = 0; k < schema.root.n_fields; k++)
      assert_int_equal(frz_type_equal(&schema.root.fields[i].type, &schema.root.fields[k].type),
                       i == k);
  }
  frz_buf out;
  frz_json_writer json;
  frz_buf_init(&out, frz_alloc_default(), 1 << 20);
  frz_json_writer_init(&json, &out);
  frz_schema_write(&json, &schema);
  assert_int_equal(frz_json_writer_finish(&json, &err), FRZ_OK);
  assert_true(frz_str_is(frz_buf_str(&out), text));
  frz_buf_dispose(&out);
}

static void test_depth_is_limited(void **state)
{
  (void)state;
  char text[20000];
  size_t at = 0;
  int n = 70;
  at += (size_t)snprintf(text + at, sizeof text - at,
                         "{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\","
                         "\"required\":false,\"type\":");
  for (int i = 0; i < n; i++)
    at += (size_t)snprintf(text + at, sizeof text - at,
                           "{\"type\":\"list\",\"element-id\":%d,\"element-required\":true,"
                           "\"element\":",
                           i + 2);
  at += (size_t)snprintf(text + at, sizeof text - at, "\"int\"");
  for (int i = 0; i < n; i++) text[at++] = '}';
  at += (size_t)snprintf(text + at, sizeof text - at, "}]}");
  frz_schema schema;
  frz_error err;
  assert_int_not_equal(parse(text, at, &schema, &err), FRZ_OK);
}

static void test_primitive_names(void **state)
{
  (void)state;
  static const char *const good[] = {
      "boolean", "int",       "long",          "float",          "double",          "date",
      "time",    "timestamp", "timestamptz",   "timestamp_ns",   "string",          "uuid",
      "binary",  "unknown",   "decimal(9, 2)", "timestamptz_ns", "decimal(38, 38)", "fixed[16]",
      "variant"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    frz_type type;
    assert_int_equal(frz_type_parse_primitive(frz_str_from(good[i]), &type, NULL), FRZ_OK);
    assert_true(frz_str_is(frz_type_print(&type, &arena), good[i]));
  }
  static const char *const spaced[] = {"decimal(9,2)", "decimal( 9 , 2 )"};
  for (size_t i = 0; i < 2; i++) {
    frz_type type;
    assert_int_equal(frz_type_parse_primitive(frz_str_from(spaced[i]), &type, NULL), FRZ_OK);
    assert_int_equal(type.precision, 9);
    assert_int_equal(type.scale, 2);
  }
  static const char *const bad[] = {"",
                                    "Int",
                                    "decimal",
                                    "decimal(9)",
                                    "decimal(9,",
                                    "fixed",
                                    "fixed[]",
                                    "fixed[16",
                                    "fixed[99999999999999]",
                                    "decimal(0,0)"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    frz_type type;
    assert_int_not_equal(frz_type_parse_primitive(frz_str_from(bad[i]), &type, NULL), FRZ_OK);
  }
}

static int32_t id_of(const frz_schema *schema, const char *name, bool case_sensitive)
{
  const frz_field *field = frz_schema_find_name(schema, frz_str_from(name), case_sensitive);
  return field != NULL ? field->id : -1;
}

static void test_names(void **state)
{
  (void)state;
  frz_schema schema;
  assert_int_equal(parse(nested, sizeof nested - 1, &schema, NULL), FRZ_OK);
  assert_int_equal(id_of(&schema, "id", true), 1);
  assert_int_equal(id_of(&schema, "tags.element", true), 4);
  assert_int_equal(id_of(&schema, "props.key", true), 6);
  assert_int_equal(id_of(&schema, "props.value.x", true), 8);
  assert_int_equal(id_of(&schema, "at.lat", true), 10);
  assert_int_equal(id_of(&schema, "a.b", true), 13);
  assert_int_equal(id_of(&schema, "At.Lat", true), -1);
  assert_int_equal(id_of(&schema, "At.Lat", false), 10);
  assert_int_equal(id_of(&schema, "at.", true), -1);
  assert_int_equal(id_of(&schema, "", true), -1);
  assert_int_equal(id_of(&schema, "ids", true), -1);
  assert_true(frz_str_is(frz_schema_name_of(&schema, 8, &arena), "props.value.x"));
  assert_null(frz_schema_name_of(&schema, 99, &arena).data);
  assert_true(frz_schema_is_reachable_by_structs(&schema, 10));
  assert_false(frz_schema_is_reachable_by_structs(&schema, 8));
  assert_false(frz_schema_is_reachable_by_structs(&schema, 4));
}

static void test_names_that_differ_in_case(void **state)
{
  (void)state;
  static const char twins[] =
      "{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
      "{\"id\":1,\"name\":\"Ab\",\"required\":false,\"type\":\"int\"},"
      "{\"id\":2,\"name\":\"aB\",\"required\":false,\"type\":\"int\"},"
      "{\"id\":3,\"name\":\"s\",\"required\":false,\"type\":{\"type\":\"struct\",\"fields\":["
      "{\"id\":4,\"name\":\"x\",\"required\":false,\"type\":\"int\"},"
      "{\"id\":5,\"name\":\"X\",\"required\":false,\"type\":\"int\"}]}},"
      "{\"id\":6,\"name\":\"One\",\"required\":false,\"type\":\"int\"}]}";
  frz_schema schema;
  assert_int_equal(parse(twins, sizeof twins - 1, &schema, NULL), FRZ_OK);
  assert_int_equal(id_of(&schema, "aB", false), 2);
  assert_int_equal(id_of(&schema, "Ab", false), 1);
  assert_int_equal(id_of(&schema, "AB", false), -1); /* either: a delete must not guess */
  assert_int_equal(id_of(&schema, "S.x", false), -1);
  assert_int_equal(id_of(&schema, "s.x", false), 4);
  assert_int_equal(id_of(&schema, "ONE", false), 6);
  assert_int_equal(id_of(&schema, "ONE", true), -1);
}

static void test_unknown_name(void **state)
{
  (void)state;
  frz_schema schema;
  frz_error err;
  assert_int_equal(parse(nested, sizeof nested - 1, &schema, NULL), FRZ_OK);
  assert_int_equal(frz_schema_fail_name(&schema, "here: ", FRZ_STR("At"), &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message,
                      "here: no column 'At'; the columns are: id, price, tags, props, at, a.b");
  /* Every length of a first name, up to past what the message lists. */
  char name[600];
  memset(name, 'n', sizeof name);
  frz_field fields[2] = {{.name = {name, 0}}, {.name = FRZ_STR("last")}};
  frz_schema made = {.root = {.kind = FRZ_TYPE_STRUCT, .fields = fields, .n_fields = 2}};
  for (size_t size = 1; size <= sizeof name; size++) {
    fields[0].name.size = size;
    frz_schema_fail_name(&made, "", FRZ_STR("x"), &err);
    const char *list = strstr(err.message, "are: ") + 5;
    size_t shown = strspn(list, "n");
    assert_true(shown == size || (size > 400 && shown == 0));
    const char *rest = list + shown;
    assert_true(strcmp(rest, ", last") == 0 || (size > 400 && strcmp(rest, ", ...") == 0) ||
                (shown == 0 && strcmp(rest, "...") == 0));
  }
}

static void test_promotion(void **state)
{
  (void)state;
  static const struct {
    const char *from, *to;
    bool allowed;
  } cases[] = {
      {"int", "long", true},
      {"long", "int", false},
      {"float", "double", true},
      {"double", "float", false},
      {"decimal(9, 2)", "decimal(18, 2)", true},
      {"decimal(9, 2)", "decimal(18, 3)", false},
      {"decimal(9, 2)", "decimal(8, 2)", false},
      {"string", "binary", false},
      {"int", "int", true},
      {"int", "double", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_type from, to;
    assert_int_equal(frz_type_parse_primitive(frz_str_from(cases[i].from), &from, NULL), FRZ_OK);
    assert_int_equal(frz_type_parse_primitive(frz_str_from(cases[i].to), &to, NULL), FRZ_OK);
    assert_int_equal(frz_type_can_promote(&from, &to), cases[i].allowed);
  }
}

/* Ids of a level come before those below it. */
static void test_from_arrow_assigns_ids_by_level(void **state)
{
  (void)state;
  frz_arrow_field element = {
      .name = FRZ_STR("item"), .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}};
  frz_arrow_field pair[2] = {
      {.name = FRZ_STR("k"), .field_id = -1, .type = {.kind = FRZ_ARROW_STRING}},
      {.name = FRZ_STR("v"), .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT8}}};
  frz_arrow_field entries = {.name = FRZ_STR("entries"),
                             .field_id = -1,
                             .type = {.kind = FRZ_ARROW_STRUCT},
                             .children = pair,
                             .n_children = 2};
  frz_arrow_field fields[] = {
      {.name = FRZ_STR("l"),
       .nullable = true,
       .field_id = -1,
       .type = {.kind = FRZ_ARROW_LIST},
       .children = &element,
       .n_children = 1},
      {.name = FRZ_STR("m"),
       .nullable = true,
       .field_id = -1,
       .type = {.kind = FRZ_ARROW_MAP},
       .children = &entries,
       .n_children = 1},
      {.name = FRZ_STR("t"),
       .field_id = -1,
       .type = {.kind = FRZ_ARROW_TIMESTAMP, .unit = FRZ_UNIT_NS, .has_zone = true}},
  };
  frz_schema schema;
  int32_t next = 1;
  assert_int_equal(frz_schema_from_arrow(fields, 3, 2, &next, &arena, &schema, NULL), FRZ_OK);
  assert_int_equal(next, 7);
  assert_int_equal(id_of(&schema, "l", true), 1);
  assert_int_equal(id_of(&schema, "m", true), 2);
  assert_int_equal(id_of(&schema, "t", true), 3);
  assert_int_equal(id_of(&schema, "l.element", true), 4);
  assert_int_equal(id_of(&schema, "m.key", true), 5);
  assert_int_equal(id_of(&schema, "m.value", true), 6);
  assert_int_equal(schema.highest_field_id, 6);
  assert_int_equal(frz_schema_find_id(&schema, 3)->type.kind, FRZ_TYPE_TIMESTAMPTZ);
  assert_true(frz_schema_find_id(&schema, 3)->required);
  next = 1;
  assert_int_equal(frz_schema_from_arrow(fields, 3, 3, &next, &arena, &schema, NULL), FRZ_OK);
  assert_int_equal(frz_schema_find_id(&schema, 3)->type.kind, FRZ_TYPE_TIMESTAMPTZ_NS);
}

static void test_from_arrow_refuses_by_name(void **state)
{
  (void)state;
  frz_arrow_field fields[] = {
      {.name = FRZ_STR("ok"), .field_id = -1, .type = {.kind = FRZ_ARROW_INT32}},
      {.name = FRZ_STR("big"), .field_id = -1, .type = {.kind = FRZ_ARROW_UINT64}}};
  frz_schema schema;
  frz_error err;
  int32_t next = 5;
  assert_int_equal(frz_schema_from_arrow(fields, 2, 2, &next, &arena, &schema, &err),
                   FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "big"));
  assert_int_equal(next, 5);
  fields[1] = fields[0];
  assert_int_equal(frz_schema_from_arrow(fields, 2, 2, &next, &arena, &schema, &err),
                   FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "'ok'"));
}

static void test_to_arrow_and_back(void **state)
{
  (void)state;
  static const char text[] = SCHEMA(FIELD("1", "b", "\"boolean\"") "," FIELD(
      "2", "i", "\"int\"") "," FIELD("3", "l",
                                     "\"long\"") "," FIELD("4", "f",
                                                           "\"float\"") "," FIELD("5", "d", "\"double\"") "," FIELD("6", "dec", "\"decimal(20, 3)\"") "," FIELD("7", "day", "\"date\"") "," FIELD("8", "t", "\"time\"") "," FIELD("9", "ts", "\"timestamp\"") "," FIELD("10",
                                                                                                                                                                                                                                                                        "tz", "\"timestamptz\"") "," FIELD("11",
                                                                                                                                                                                                                                                                                                           "s",
                                                                                                                                                                                                                                                                                                           "\"string\"") "," FIELD("12",
                                                                                                                                                                                                                                                                                                                                   "u", "\"uuid\"") "," FIELD("13",
                                                                                                                                                                                                                                                                                                                                                              "x", "\"fixed[5]\"") "," FIELD("14", "y", "\"binary\"") "," FIELD("15", "ns", "\"timestamp_ns\"") "," FIELD("16", "nz", "\"timestamptz_ns\"") "," FIELD("17", "un", "\"unknown\"") "," FIELD("18",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "st",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "{\"type\":\"struct\",\"fields\":[" FIELD("19",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "q",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "\"int\"") "]}"));
  frz_schema schema, again;
  frz_arrow_field arrow[18];
  assert_int_equal(parse(text, sizeof text - 1, &schema, NULL), FRZ_OK);
  for (size_t i = 0; i < 18; i++) {
    assert_int_equal(frz_field_to_arrow(&schema.root.fields[i], &arena, &arrow[i], NULL), FRZ_OK);
    assert_int_equal(arrow[i].field_id, schema.root.fields[i].id);
  }
  int32_t next = 1;
  assert_int_equal(frz_schema_from_arrow(arrow, 18, 3, &next, &arena, &again, NULL), FRZ_OK);
  assert_true(frz_type_equal(&schema.root, &again.root));
  frz_field field = {.id = 1, .name = FRZ_STR("v"), .type = {.kind = FRZ_TYPE_VARIANT}};
  frz_error err;
  assert_int_equal(frz_field_to_arrow(&field, &arena, &arrow[0], &err), FRZ_OK);
  assert_true(arrow[0].type.is_variant && arrow[0].children[0].field_id == -1);
  assert_int_equal(frz_schema_from_arrow(arrow, 1, 3, &next, &arena, &again, NULL), FRZ_OK);
  assert_int_equal(again.root.fields[0].type.kind, FRZ_TYPE_VARIANT);
  assert_int_equal(frz_schema_from_arrow(arrow, 1, 2, &next, &arena, &again, &err),
                   FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "variant"));
  field.type.kind = FRZ_TYPE_GEOMETRY;
  assert_int_equal(frz_field_to_arrow(&field, &arena, &arrow[0], &err), FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "'v'"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_json_round_trip),
      cmocka_unit_test(test_every_truncation_is_refused),
      cmocka_unit_test(test_members_come_in_any_order),
      cmocka_unit_test(test_bad_schemas_are_refused),
      cmocka_unit_test(test_types_of_version_3_are_carried),
      cmocka_unit_test(test_depth_is_limited),
      cmocka_unit_test(test_primitive_names),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_names_that_differ_in_case),
      cmocka_unit_test(test_unknown_name),
      cmocka_unit_test(test_promotion),
      cmocka_unit_test(test_from_arrow_assigns_ids_by_level),
      cmocka_unit_test(test_from_arrow_refuses_by_name),
      cmocka_unit_test(test_to_arrow_and_back),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
