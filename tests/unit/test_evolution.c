/*
 * test_evolution.c - changes of tables that move no row: schema, partition spec, sort order, refs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arrow/arrow_type.h"
#include "iceberg/table/table_handle.h"
#include "puffin/puffin.h"
#include "test_lake.h"

#define N_OF(items) (sizeof(items) / sizeof(items)[0])

/* ---- what a table says ---- */

typedef struct text_out {
  char text[2000];
} text_out;

static void add_text(text_out *out, const char *format, ...) FRZ_PRINTF(2, 3);
static void add_text(text_out *out, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  size_t at = strlen(out->text);
  vsnprintf(out->text + at, sizeof out->text - at, format, arguments);
  va_end(arguments);
}

static void print_fields(text_out *out, const frz_type *type)
{
  for (size_t i = 0; i < type->n_fields; i++) {
    const frz_field *field = &type->fields[i];
    add_text(out, "%s%d:%.*s", i != 0 ? " " : "", field->id, FRZ_STR_ARG(field->name));
    if (field->type.n_fields != 0) {
      add_text(out, "(");
      print_fields(out, &field->type);
      add_text(out, ")");
    } else {
      frz_arena arena;
      frz_arena_init(&arena, frz_alloc_default(), (size_t)1 << 20);
      frz_str printed = frz_type_print(&field->type, &arena);
      add_text(out, ":%.*s", FRZ_STR_ARG(printed));
      frz_arena_free(&arena);
    }
    if (field->required) add_text(out, "!");
    if (field->initial_default.data != NULL)
      add_text(out, "=%.*s", FRZ_STR_ARG(field->initial_default));
    if (field->write_default.data != NULL)
      add_text(out, "/%.*s", FRZ_STR_ARG(field->write_default));
  }
}

/* "1:id:long 2:name:string", "!" required, "=initial/write" defaults, then identifier fields. */
static void expect_schema(frz_table *table, const char *wanted)
{
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_schema *schema = frz_metadata_current_schema(metadata);
  text_out out = {""};
  print_fields(&out, &schema->root);
  for (size_t i = 0; i < schema->n_identifier_field_ids; i++)
    add_text(&out, "%s%d", i == 0 ? " key " : ",", schema->identifier_field_ids[i]);
  assert_string_equal(out.text, wanted);
  frz_table_metadata_release(metadata);
}

/* "0: 1000 id_bucket=bucket[4](1)": the default spec. */
static void expect_spec(frz_table *table, const char *wanted)
{
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_partition_spec *spec = frz_metadata_spec(metadata, metadata->default_spec_id);
  text_out out = {""};
  add_text(&out, "%d:", spec->spec_id);
  for (size_t i = 0; i < spec->n_fields; i++)
    add_text(&out, " %d %.*s=%.*s(%d)", spec->fields[i].field_id, FRZ_STR_ARG(spec->fields[i].name),
             FRZ_STR_ARG(spec->fields[i].transform.text), spec->fields[i].source_id);
  assert_string_equal(out.text, wanted);
  frz_table_metadata_release(metadata);
}

static void expect_property(frz_table *table, const char *key, const char *wanted)
{
  frz_table_metadata *metadata = frz_table_current(table);
  frz_str value = frz_metadata_property(metadata, key);
  if (!frz_str_is(value, wanted)) fail_msg("%s is %.*s", key, (int)value.size, value.data);
  frz_table_metadata_release(metadata);
}

static void expect_refusal(frz_status st, frz_status wanted, const frz_error *err,
                           const char *message)
{
  if (st != wanted || strstr(err->message, message) == NULL)
    fail_msg("%s: '%s' instead of '%s'", frz_status_name(st), st != FRZ_OK ? err->message : "",
             message);
}

/* ---- a table with everything ---- */

static frz_arrow_field leaf(const char *name, frz_arrow_kind kind, bool is_nullable)
{
  return (frz_arrow_field){
      .name = frz_str_from(name), .nullable = is_nullable, .field_id = -1, .type = {.kind = kind}};
}

static frz_arrow_field nest(frz_arrow_field field, frz_arrow_kind kind, frz_arrow_field *children,
                            size_t n_children)
{
  field.type.kind = kind;
  field.children = children;
  field.n_children = n_children;
  return field;
}

/* 1:id 2:name 3:point(6:x 7:y) 4:tags(8:element) 5:places(9:key(11:k) 10:value(12:v)) */
static frz_table *rich_table(frz_test_lake *lake, const char *name, const char *partition_spec,
                             const char *format_version)
{
  frz_arrow_field point[2] = {leaf("x", FRZ_ARROW_FLOAT32, false),
                              leaf("y", FRZ_ARROW_INT32, false)};
  frz_arrow_field tag = leaf("element", FRZ_ARROW_INT32, true);
  frz_arrow_field k = leaf("k", FRZ_ARROW_INT32, false), v = leaf("v", FRZ_ARROW_DATE32, true);
  frz_arrow_field pair[2] = {nest(leaf("key", FRZ_ARROW_STRUCT, false), FRZ_ARROW_STRUCT, &k, 1),
                             nest(leaf("value", FRZ_ARROW_STRUCT, true), FRZ_ARROW_STRUCT, &v, 1)};
  frz_arrow_field entries =
      nest(leaf("entries", FRZ_ARROW_STRUCT, false), FRZ_ARROW_STRUCT, pair, 2);
  const frz_arrow_field fields[] = {
      leaf("id", FRZ_ARROW_INT32, false), leaf("day", FRZ_ARROW_DATE32, true),
      nest(leaf("point", FRZ_ARROW_STRUCT, false), FRZ_ARROW_STRUCT, point, 2),
      nest(leaf("tags", FRZ_ARROW_LIST, true), FRZ_ARROW_LIST, &tag, 1),
      nest(leaf("places", FRZ_ARROW_MAP, true), FRZ_ARROW_MAP, &entries, 1)};
  struct ArrowSchema schema;
  frz_error err = {0};
  char identifier[64];
  frz_table *table = NULL;
  frz_create_table_options options;
  frz_create_table_options_init(&options);
  const frz_property version = {"format-version", format_version};
  options.partition_spec = partition_spec;
  options.properties = &version;
  options.n_properties = 1;
  snprintf(identifier, sizeof identifier, "ns.%s", name);
  frz_test_ok(frz_arrow_schema_export(fields, N_OF(fields), frz_alloc_default(), &schema, &err),
              &err);
  frz_test_ok(frz_catalog_create_table(lake->catalog, identifier, &schema, &options, &table, &err),
              &err);
  schema.release(&schema);
  return table;
}

#define RICH "1:id:int! 2:day:date 3:point(6:x:float! 7:y:int!)! 4:tags(8:element:int)"
#define PLACES " 5:places(9:key(11:k:int!)! 10:value(12:v:date))"

static frz_status change(frz_table *table, frz_schema_change one, frz_error *err)
{
  return frz_table_update_schema(table, &one, 1, err);
}

static void must_change(frz_table *table, frz_schema_change one)
{
  frz_error err = {0};
  frz_test_ok(frz_table_update_schema(table, &one, 1, &err), &err);
}

/* ---- schema ---- */

static void test_columns_move(void **state)
{
  (void)state;
  static const struct {
    frz_schema_change change;
    const char *top; /* ids in order */
  } cases[] = {
      {{.op = FRZ_SCHEMA_MOVE_FIRST, .path = "tags"}, "41235"},
      {{.op = FRZ_SCHEMA_MOVE_FIRST, .path = "id"}, "12345"},
      {{.op = FRZ_SCHEMA_MOVE_BEFORE, .path = "places", .reference = "day"}, "15234"},
      {{.op = FRZ_SCHEMA_MOVE_BEFORE, .path = "id", .reference = "places"}, "23415"},
      {{.op = FRZ_SCHEMA_MOVE_AFTER, .path = "id", .reference = "places"}, "23451"},
      {{.op = FRZ_SCHEMA_MOVE_AFTER, .path = "places", .reference = "id"}, "15234"},
      {{.op = FRZ_SCHEMA_MOVE_AFTER, .path = "day", .reference = "id"}, "12345"},
  };
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  for (size_t i = 0; i < N_OF(cases); i++) {
    char name[16], order[8] = "";
    snprintf(name, sizeof name, "t%zu", i);
    frz_table *table = rich_table(&lake, name, NULL, "2");
    must_change(table, cases[i].change);
    frz_table_metadata *metadata = frz_table_current(table);
    const frz_schema *schema = frz_metadata_current_schema(metadata);
    for (size_t k = 0; k < schema->root.n_fields; k++)
      order[k] = (char)('0' + schema->root.fields[k].id);
    assert_string_equal(order, cases[i].top);
    /* nothing moved, nothing committed */
    assert_int_equal(metadata->n_schemas, strcmp(order, "12345") == 0 ? 1 : 2);
    frz_table_metadata_release(metadata);
    frz_table_free(table);
  }
  frz_table *table = rich_table(&lake, "nested", NULL, "2");
  must_change(table, (frz_schema_change){.op = FRZ_SCHEMA_MOVE_FIRST, .path = "point.y"});
  expect_schema(table,
                "1:id:int! 2:day:date 3:point(7:y:int! 6:x:float!)! 4:tags(8:element:int)" PLACES);
  must_change(table, (frz_schema_change){
                         .op = FRZ_SCHEMA_MOVE_AFTER, .path = "point.y", .reference = "point.x"});
  expect_schema(table, RICH PLACES);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_identifier_fields(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = rich_table(&lake, "t", NULL, "2");
  const frz_schema_change add[] = {
      {.op = FRZ_SCHEMA_ADD_IDENTIFIER, .path = "id"},
      {.op = FRZ_SCHEMA_ADD_IDENTIFIER, .path = "point.y"},
      {.op = FRZ_SCHEMA_ADD_IDENTIFIER, .path = "id"},
  };
  frz_test_ok(frz_table_update_schema(table, add, N_OF(add), &err), &err);
  expect_schema(table, RICH PLACES " key 1,7");
  static const struct {
    frz_schema_change change;
    const char *message;
  } refused[] = {
      {{.op = FRZ_SCHEMA_DROP_COLUMN, .path = "id"}, "it is an identifier field"},
      {{.op = FRZ_SCHEMA_DROP_COLUMN, .path = "point"}, "it is an identifier field"},
      {{.op = FRZ_SCHEMA_MAKE_OPTIONAL, .path = "id"}, "it is an identifier field"},
      {{.op = FRZ_SCHEMA_MAKE_OPTIONAL, .path = "point"}, "it holds an identifier field"},
      {{.op = FRZ_SCHEMA_ADD_IDENTIFIER, .path = "day"}, "it is optional"},
      {{.op = FRZ_SCHEMA_ADD_IDENTIFIER, .path = "point"}, "it is nested"},
      {{.op = FRZ_SCHEMA_ADD_IDENTIFIER, .path = "point.x"}, "it is floating point"},
      {{.op = FRZ_SCHEMA_ADD_IDENTIFIER, .path = "tags.element"}, "it is optional"},
      {{.op = FRZ_SCHEMA_ADD_IDENTIFIER, .path = "places.key.k"}, "part of a map's key"},
      {{.op = FRZ_SCHEMA_ADD_IDENTIFIER, .path = "none"}, "does not exist"},
      {{.op = FRZ_SCHEMA_DROP_IDENTIFIER, .path = "day"}, "is not an identifier field"},
  };
  for (size_t i = 0; i < N_OF(refused); i++)
    expect_refusal(change(table, refused[i].change, &err), FRZ_ERR_INVALID, &err,
                   refused[i].message);
  const frz_schema_change drop[] = {
      {.op = FRZ_SCHEMA_DROP_IDENTIFIER, .path = "point.y"},
      {.op = FRZ_SCHEMA_MAKE_OPTIONAL, .path = "point"},
  };
  frz_test_ok(frz_table_update_schema(table, drop, N_OF(drop), &err), &err);
  expect_schema(table,
                "1:id:int! 2:day:date 3:point(6:x:float! 7:y:int!) 4:tags(8:element:int)" PLACES
                " key 1");
  expect_refusal(
      change(table, (frz_schema_change){.op = FRZ_SCHEMA_ADD_IDENTIFIER, .path = "point.y"}, &err),
      FRZ_ERR_INVALID, &err, "it is in an optional struct");
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_changes_are_refused_by_name(void **state)
{
  (void)state;
  static const struct {
    frz_schema_change change;
    const char *message;
  } cases[] = {
      {{.op = FRZ_SCHEMA_MAKE_REQUIRED, .path = "day"},
       "column 'day' cannot become required: rows without a value may be there"},
      {{.op = FRZ_SCHEMA_MOVE_FIRST, .path = "none"}, "column 'none' does not exist"},
      {{.op = FRZ_SCHEMA_MOVE_FIRST, .path = "tags.element"}, "it is part of a list or map"},
      {{.op = FRZ_SCHEMA_MOVE_AFTER, .path = "id"}, "no column to move it to was named"},
      {{.op = FRZ_SCHEMA_MOVE_AFTER, .path = "id", .reference = "none"},
       "column 'none' does not exist"},
      {{.op = FRZ_SCHEMA_MOVE_AFTER, .path = "id", .reference = "id"}, "next to itself"},
      {{.op = FRZ_SCHEMA_MOVE_BEFORE, .path = "id", .reference = "point.x"},
       "column 'id' cannot be moved next to 'point.x': they are of different structs"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "places.key.z", .type_text = "int"},
       "cannot be added: a map's key does not change"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = ".z", .type_text = "int"},
       "its parent does not exist"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "z", .type_text = "int", .default_json = "1"},
       "column 'z': a default needs format version 3, the table has 2"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "z", .type_text = "int", .required = true},
       "defaults need format version 3"},
      {{.op = FRZ_SCHEMA_DROP_COLUMN, .path = "places.key.k"}, "part of a map's key"},
      {{.op = FRZ_SCHEMA_DROP_COLUMN, .path = "places.key"}, "part of a map's key"},
      {{.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "places.key.k", .new_name = "z"},
       "part of a map's key"},
      {{.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "places.key.k", .type_text = "long"},
       "part of a map's key"},
      {{.op = FRZ_SCHEMA_MAKE_OPTIONAL, .path = "places.key.k"}, "part of a map's key"},
      {{.op = FRZ_SCHEMA_DROP_COLUMN, .path = "places.value.v"}, "it is the last one"},
      {{.op = FRZ_SCHEMA_DROP_COLUMN, .path = "places.value"}, "it is part of a list or map"},
      {{.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "day", .type_text = "timestamp"},
       "column 'day' cannot change from date to timestamp"},
      {{.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "point", .type_text = "int"}, "cannot change"},
      {{.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "id", .type_text = "double"}, "cannot change"},
      {{.op = FRZ_SCHEMA_SET_DEFAULT, .path = "id", .default_json = "1"}, "format version 3"},
      {{.op = FRZ_SCHEMA_SET_DEFAULT, .path = "tags.element", .default_json = "1"},
       "it is part of a list or map"},
  };
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = rich_table(&lake, "t", NULL, "2");
  for (size_t i = 0; i < N_OF(cases); i++)
    expect_refusal(change(table, cases[i].change, &err), FRZ_ERR_INVALID, &err, cases[i].message);
  expect_schema(table, RICH PLACES);
  /* what is allowed beside them; lists and maps stand for what is in them */
  const frz_schema_change fine[] = {
      {.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "tags.element", .type_text = "long"},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "places.w", .type_text = "int", .default_json = "null"},
      {.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "places.v", .new_name = "u"},
      {.op = FRZ_SCHEMA_DROP_COLUMN, .path = "places.value.w"},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "places.w", .type_text = "int"},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "ID", .type_text = "int"},
  };
  frz_test_ok(frz_table_update_schema(table, fine, N_OF(fine), &err), &err);
  expect_schema(table, "1:id:int! 2:day:date 3:point(6:x:float! 7:y:int!)! 4:tags(8:element:long) "
                       "5:places(9:key(11:k:int!)! 10:value(12:u:date 14:w:int)) 15:ID:int");
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_defaults_of_format_version_3(void **state)
{
  (void)state;
  static const struct {
    frz_schema_change change;
    const char *message;
  } refused[] = {
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "z", .type_text = "int", .required = true},
       "cannot be added as required without a default"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN,
        .path = "z",
        .type_text = "int",
        .required = true,
        .default_json = "null"},
       "cannot be added as required without a default"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "z", .type_text = "int", .default_json = "\"a\""},
       "is not a value of type int"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "z", .type_text = "int", .default_json = "2147483648"},
       "is not a value of type int"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "z", .type_text = "int", .default_json = "1 2"},
       "column 'z'"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "z", .type_text = "int", .default_json = ""},
       "column 'z'"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "z", .type_text = "unknown", .default_json = "1"},
       "column 'z'"},
      {{.op = FRZ_SCHEMA_SET_DEFAULT, .path = "point", .default_json = "{}"}, "column 'point'"},
      {{.op = FRZ_SCHEMA_SET_DEFAULT, .path = "day", .default_json = "\"2024-13-01\""},
       "column 'day'"},
  };
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_table *rich = rich_table(&lake, "rich", NULL, "2");
  frz_test_ok(frz_table_upgrade(table, 3, &err), &err);
  frz_test_ok(frz_table_upgrade(rich, 3, &err), &err);
  const frz_schema_change add[] = {
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "i", .type_text = "int", .default_json = " 34 "},
      {.op = FRZ_SCHEMA_ADD_COLUMN,
       .path = "s",
       .type_text = "string",
       .required = true,
       .default_json = "\"a\\u0022b\""},
      {.op = FRZ_SCHEMA_ADD_COLUMN,
       .path = "d",
       .type_text = "date",
       .default_json = "\"2024-01-01\""},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "b", .type_text = "binary", .default_json = "\"00FF\""},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "f", .type_text = "float", .default_json = "0.1"},
      {.op = FRZ_SCHEMA_ADD_COLUMN,
       .path = "c",
       .type_text = "decimal(9, 2)",
       .default_json = "\"14.20\""},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "t", .type_text = "boolean", .default_json = "true"},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "u", .type_text = "unknown"},
  };
  frz_test_ok(frz_table_update_schema(table, add, N_OF(add), &err), &err);
  expect_schema(table,
                "1:id:long 2:name:string 3:i:int=34/34 4:s:string!=\"a\\\"b\"/\"a\\\"b\" "
                "5:d:date=\"2024-01-01\"/\"2024-01-01\" 6:b:binary=\"00ff\"/\"00ff\" "
                "7:f:float=0.1/0.1 8:c:decimal(9, 2)=\"14.20\"/\"14.20\" 9:t:boolean=true/true "
                "10:u:unknown");
  const frz_schema_change promote[] = {
      {.op = FRZ_SCHEMA_SET_DEFAULT, .path = "i", .default_json = "-1"},
      {.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "i", .type_text = "long"},
      {.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "d", .type_text = "timestamp"},
      {.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "f", .type_text = "double"},
      {.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "c", .type_text = "decimal(12, 2)"},
      {.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "u", .type_text = "string"},
      {.op = FRZ_SCHEMA_SET_DEFAULT, .path = "s"},
      {.op = FRZ_SCHEMA_DROP_COLUMN, .path = "b"},
      {.op = FRZ_SCHEMA_DROP_COLUMN, .path = "t"},
  };
  frz_test_ok(frz_table_update_schema(table, promote, N_OF(promote), &err), &err);
  expect_schema(table, "1:id:long 2:name:string 3:i:long=34/-1 4:s:string!=\"a\\\"b\" "
                       "5:d:timestamp=\"2024-01-01T00:00:00\"/\"2024-01-01T00:00:00\" "
                       "7:f:double=0.10000000149011612/0.10000000149011612 "
                       "8:c:decimal(12, 2)=\"14.20\"/\"14.20\" 10:u:string");
  for (size_t i = 0; i < N_OF(refused); i++)
    expect_refusal(change(rich, refused[i].change, &err), FRZ_ERR_INVALID, &err,
                   refused[i].message);
  must_change(rich, (frz_schema_change){.op = FRZ_SCHEMA_PROMOTE_COLUMN,
                                        .path = "places.v",
                                        .type_text = "timestamp_ns"});
  frz_table_free(table);
  frz_table_free(rich);
  frz_test_lake_close(&lake);
}

static void test_promotions_that_change_partition_values(void **state)
{
  (void)state;
  static const struct {
    const char *spec;
    bool is_fine;
  } cases[] = {{"day", false},
               {"bucket(4, day)", false},
               {"month(day)", true},
               {"year(day)", true},
               {"day(day)", true}};
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  for (size_t i = 0; i < N_OF(cases); i++) {
    char name[16];
    snprintf(name, sizeof name, "t%zu", i);
    frz_table *table = rich_table(&lake, name, cases[i].spec, "2");
    const frz_spec_change none = {.op = FRZ_SPEC_REMOVE_FIELD, .term = cases[i].spec};
    frz_test_ok(frz_table_upgrade(table, 3, &err), &err);
    frz_test_ok(frz_table_update_spec(table, &none, 1, &err), &err); /* older files have it */
    frz_status st =
        change(table,
               (frz_schema_change){
                   .op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "day", .type_text = "timestamp"},
               &err);
    if (cases[i].is_fine)
      frz_test_ok(st, &err);
    else
      expect_refusal(st, FRZ_ERR_INVALID, &err, "would change");
    frz_table_free(table);
  }
  frz_table *table = rich_table(&lake, "ints", "bucket(4, id)", "2");
  must_change(table, (frz_schema_change){
                         .op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "id", .type_text = "long"});
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_the_name_mapping_follows(void **state)
{
  (void)state;
  static const char key[] = "schema.name-mapping.default";
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  const frz_property mapping = {
      key, "[{\"field-id\":1,\"names\":[\"id\",\"old\"]},{\"names\":[\"gone\"]},"
           "{\"field-id\":3,\"names\":[\"point\"],\"fields\":[{\"field-id\":6,\"names\":[\"x\"]},"
           "{\"field-id\":7,\"names\":[\"y\"]}]}]"};
  frz_table *table = rich_table(&lake, "t", NULL, "2");
  frz_test_ok(frz_table_set_properties(table, &mapping, 1, NULL, 0, &err), &err);
  const frz_schema_change changes[] = {
      {.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "id", .new_name = "key"},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "old", .type_text = "int"},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "point.z", .type_text = "int"},
      {.op = FRZ_SCHEMA_DROP_COLUMN, .path = "point.x"},
      {.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "point.y", .new_name = "x"},
      {.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "day", .new_name = "date"}, /* is not mapped */
  };
  frz_test_ok(frz_table_update_schema(table, changes, N_OF(changes), &err), &err);
  expect_property(table, key,
                  "[{\"field-id\":1,\"names\":[\"id\",\"key\"]},{\"names\":[\"gone\"]},"
                  "{\"field-id\":3,\"names\":[\"point\"],\"fields\":["
                  "{\"field-id\":7,\"names\":[\"y\",\"x\"]},{\"field-id\":14,\"names\":[\"z\"]}]},"
                  "{\"field-id\":13,\"names\":[\"old\"]}]");
  must_change(table,
              (frz_schema_change){.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "key", .new_name = "id"});
  must_change(table, (frz_schema_change){.op = FRZ_SCHEMA_DROP_COLUMN, .path = "point"});
  expect_property(table, key,
                  "[{\"field-id\":1,\"names\":[\"id\",\"key\"]},{\"names\":[\"gone\"]},"
                  "{\"field-id\":13,\"names\":[\"old\"]}]");
  const frz_property broken = {key, "[{]"};
  frz_test_ok(frz_table_set_properties(table, &broken, 1, NULL, 0, &err), &err);
  expect_refusal(
      change(table, (frz_schema_change){.op = FRZ_SCHEMA_DROP_COLUMN, .path = "old"}, &err),
      FRZ_ERR_CORRUPT, &err, "schema.name-mapping.default");
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- partition spec ---- */

typedef struct spec_step {
  frz_spec_change changes[3];
  size_t n_changes;
  const char *spec;    /* after it */
  const char *refusal; /* instead */
} spec_step;

static void run_spec_steps(frz_table *table, const spec_step *steps, size_t n_steps)
{
  for (size_t i = 0; i < n_steps; i++) {
    frz_error err = {0};
    frz_status st = frz_table_update_spec(table, steps[i].changes, steps[i].n_changes, &err);
    if (steps[i].refusal != NULL) {
      expect_refusal(st, FRZ_ERR_INVALID, &err, steps[i].refusal);
    } else {
      frz_test_ok(st, &err);
      expect_spec(table, steps[i].spec);
    }
  }
}

#define ADD(text)                            \
  {                                          \
    .op = FRZ_SPEC_ADD_FIELD, .term = (text) \
  }
#define ADD_AS(text, as)                                   \
  {                                                        \
    .op = FRZ_SPEC_ADD_FIELD, .term = (text), .name = (as) \
  }
#define REMOVE(text)                            \
  {                                             \
    .op = FRZ_SPEC_REMOVE_FIELD, .name = (text) \
  }
#define REMOVE_TERM(text)                       \
  {                                             \
    .op = FRZ_SPEC_REMOVE_FIELD, .term = (text) \
  }
#define RENAME(from, to)                                          \
  {                                                               \
    .op = FRZ_SPEC_RENAME_FIELD, .name = (from), .new_name = (to) \
  }

static void test_specs_evolve(void **state)
{
  (void)state;
  static const spec_step steps[] = {
      {{ADD("bucket(16, id)"), ADD("month(day)")},
       2,
       "1: 1000 id_bucket_16=bucket[16](1) 1001 day_month=month(2)",
       NULL},
      {{REMOVE("id_bucket_16")}, 1, "2: 1001 day_month=month(2)", NULL},
      {{REMOVE_TERM("month(day)"), ADD("year(day)")}, 2, "3: 1002 day_year=year(2)", NULL},
      {{ADD("bucket(16, id)"), REMOVE("day_year")},
       2,
       "4: 1000 id_bucket_16=bucket[16](1)",
       NULL}, /* its old id */
      {{RENAME("id_bucket_16", "shard")}, 1, "5: 1000 shard=bucket[16](1)", NULL},
      {{RENAME("shard", "shard")}, 1, "5: 1000 shard=bucket[16](1)", NULL},
      {{{0}}, 0, "5: 1000 shard=bucket[16](1)", NULL},
      {{REMOVE("shard"), ADD("month(day)")}, 2, "2: 1001 day_month=month(2)", NULL}, /* again */
      {{REMOVE("day_month")}, 1, "0:", NULL},
      {{ADD("id")}, 1, "6: 1003 id=identity(1)", NULL},
      {{ADD_AS("truncate(10, id)", "id10")},
       1,
       "7: 1003 id=identity(1) 1004 id10=truncate[10](1)",
       NULL},
      {{ADD("point.y")},
       1,
       "8: 1003 id=identity(1) 1004 id10=truncate[10](1) 1005 point.y=identity(7)",
       NULL},
      {{ADD("id")}, 1, NULL, "partition term 'id' is there already, as field 'id'"},
      {{ADD_AS("id", "x")}, 1, NULL, "is there already, as field 'id'"},
      {{ADD_AS("bucket(4, id)", "id10")}, 1, NULL, "partition field 'id10' exists already"},
      {{ADD_AS("bucket(4, id)", "day")}, 1, NULL, "partition field 'day' has the name of a column"},
      {{ADD_AS("day", "id10")}, 1, NULL, "exists already"},
      {{ADD_AS("day(day)", "day")}, 1, NULL, "has the name of a column"},
      {{RENAME("id10", "day")}, 1, NULL, "has the name of a column"},
      {{RENAME("id10", "id")}, 1, NULL, "'id' exists already"},
      {{RENAME("id10", "")}, 1, NULL, "empty name"},
      {{RENAME("none", "x")}, 1, NULL, "there is no partition field 'none'"},
      {{REMOVE("none")}, 1, NULL, "there is no partition field 'none'"},
      {{REMOVE_TERM("bucket(4, id)")}, 1, NULL, "no partition field of the term 'bucket(4, id)'"},
      {{REMOVE("id"), REMOVE("id")}, 2, NULL, "there is no partition field 'id'"},
      {{ADD("bucket(4, day)"), ADD("bucket(4, day)")}, 2, NULL, "is there already"},
      {{ADD("none")}, 1, NULL, "no column 'none'"},
      {{ADD("bucket(0, id)")}, 1, NULL, "a positive number"},
      {{ADD("swap(id)")}, 1, NULL, "identity, bucket, truncate"},
      {{ADD("month(id)")}, 1, NULL, "month is not defined for column 'id' of type int"},
      {{ADD("bucket(4, point)")}, 1, NULL, "not defined"},
      {{ADD("tags.element")}, 1, NULL, "inside a list or map"},
      {{ADD("id day")}, 1, NULL, "the end expected"},
      {{ADD("id, day")}, 1, NULL, "the end expected"},
      {{ADD(NULL)}, 1, NULL, "no term"},
      {{REMOVE(NULL)}, 1, NULL, "neither a name nor a term"},
      {{RENAME("id", NULL)}, 1, NULL, "takes a name and a new one"},
      {{{.op = (frz_spec_op)9}}, 1, NULL, "change 9 is not known"},
  };
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = rich_table(&lake, "t", NULL, "2");
  run_spec_steps(table, steps, N_OF(steps));
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_specs_of_format_version_1_keep_places(void **state)
{
  (void)state;
  static const spec_step steps[] = {
      {{REMOVE("id_bucket")}, 1, "1: 1000 id_bucket=void(1) 1001 day_month=month(2)", NULL},
      {{ADD("id")},
       1,
       "2: 1000 id_bucket=void(1) 1001 day_month=month(2) 1002 id=identity(1)",
       NULL},
      {{REMOVE("day_month"), ADD_AS("year(day)", "day_month")},
       2,
       "3: 1000 id_bucket=void(1) 1001 day_month_1001=void(2) 1002 id=identity(1) "
       "1003 day_month=year(2)",
       NULL},
      {{REMOVE("id_bucket")}, 1, NULL, "there is no partition field 'id_bucket'"},
  };
  static const spec_step upgraded[] = {
      {{REMOVE("id")},
       1,
       "4: 1000 id_bucket=void(1) 1001 day_month_1001=void(2) 1003 day_month=year(2)",
       NULL},
      {{ADD("bucket(4, id)")},
       1,
       "5: 1000 id_bucket=bucket[4](1) 1001 day_month_1001=void(2) 1003 day_month=year(2)",
       NULL},
      {{REMOVE("id_bucket"), ADD_AS("month(day)", "by_month")},
       2,
       "6: 1001 by_month=month(2) 1003 day_month=year(2)",
       NULL},
  };
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = rich_table(&lake, "t", "bucket(4, id), month(day)", "1");
  run_spec_steps(table, steps, N_OF(steps));
  frz_test_ok(frz_table_upgrade(table, 2, &err), &err);
  run_spec_steps(table, upgraded, N_OF(upgraded));
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_rows_stay_over_specs(void **state)
{
  (void)state;
  static const frz_spec_change changes[][2] = {
      {{.op = FRZ_SPEC_ADD_FIELD, .term = "bucket(3, id)"}, ADD("truncate(2, name)")},
      {REMOVE_TERM("bucket(3, id)"), ADD("name")},
      {REMOVE_TERM("truncate(2, name)"), REMOVE_TERM("name")},
  };
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  for (size_t i = 0; i < N_OF(changes); i++) {
    frz_test_ok(frz_test_append(table, (int64_t)i * 10, 10, &err), &err);
    frz_test_ok(frz_table_update_spec(table, changes[i], 2, &err), &err);
    assert_int_equal(frz_test_scan(table, NULL).n_rows, (i + 1) * 10);
    assert_int_equal(frz_test_scan(table, "id = 5").n_rows, 1);
    assert_int_equal(frz_test_scan(table, "name = 'n5'").n_rows, 1);
  }
  frz_test_ok(frz_table_delete(table, "id >= 5", NULL, NULL, &err), &err);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, 5);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- sort order ---- */

static void test_sort_orders_evolve(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    int32_t id;
    size_t n_orders;
    const char *refusal;
  } steps[] = {
      {"id", 1, 2, NULL},
      {"day desc, bucket(4, id) asc nulls last", 2, 3, NULL},
      {"id asc nulls first", 1, 3, NULL}, /* is the first */
      {"id asc nulls first", 1, 3, NULL},
      {"", 0, 3, NULL},
      {NULL, 0, 3, NULL},
      {"day desc, bucket(4, id) nulls last", 2, 3, NULL},
      {"point.y", 3, 4, NULL},
      {"none", 3, 4, "no column 'none'"},
      {"id, id desc", 3, 4, "identity of column 'id' is there twice"},
      {"id up", 3, 4, "expected"},
      {"month(id)", 3, 4, "not defined"},
      {"point", 3, 4, "not defined"},
      {"tags.element", 3, 4, "inside a list or map"},
  };
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = rich_table(&lake, "t", NULL, "2");
  for (size_t i = 0; i < N_OF(steps); i++) {
    frz_error err = {0};
    frz_status st = frz_table_set_sort_order(table, steps[i].text, &err);
    if (steps[i].refusal != NULL)
      expect_refusal(st, FRZ_ERR_INVALID, &err, steps[i].refusal);
    else
      frz_test_ok(st, &err);
    frz_table_metadata *metadata = frz_table_current(table);
    assert_int_equal(metadata->default_sort_order_id, steps[i].id);
    assert_int_equal(metadata->n_sort_orders, steps[i].n_orders);
    frz_table_metadata_release(metadata);
  }
  frz_error err = {0};
  expect_refusal(
      change(table, (frz_schema_change){.op = FRZ_SCHEMA_DROP_COLUMN, .path = "point"}, &err),
      FRZ_ERR_INVALID, &err, "the table is sorted by it");
  frz_test_ok(frz_table_set_sort_order(table, "", &err), &err);
  must_change(table, (frz_schema_change){.op = FRZ_SCHEMA_DROP_COLUMN, .path = "point"});
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- refs and format version ---- */

static void test_ref_retention(void **state)
{
  (void)state;
  static const struct {
    const char *ref;
    bool is_branch;
    int64_t ref_age, snapshot_age;
    int32_t n_snapshots;
    const char *refusal;
  } cases[] = {
      {"t", false, 1000, -1, -1, NULL},
      {"t", false, 0, -1, -1, "max_ref_age_ms 0 is not positive"},
      {"t", false, -5, -1, -1, "max_ref_age_ms -5 is not positive"},
      {"t", false, -1, 5, -1, "a tag has no max_snapshot_age_ms"},
      {"t", false, -1, -1, 5, "a tag has no min_snapshots_to_keep"},
      {"b", true, 1, 2, 3, NULL},
      {"b", true, -1, 0, -1, "max_snapshot_age_ms 0 is not positive"},
      {"b", true, -1, -1, 0, "min_snapshots_to_keep 0 is not positive"},
      {"main", true, -1, 2, 3, NULL},
      {"main", true, 1, -1, -1, "ref 'main' never goes"},
  };
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(table, 0, 1, &err), &err);
  for (size_t i = 0; i < N_OF(cases); i++) {
    frz_ref_options options;
    frz_ref_options_init(&options);
    options.is_branch = cases[i].is_branch;
    options.max_ref_age_ms = cases[i].ref_age;
    options.max_snapshot_age_ms = cases[i].snapshot_age;
    options.min_snapshots_to_keep = cases[i].n_snapshots;
    frz_status st = frz_table_set_ref(table, cases[i].ref, &options, &err);
    if (cases[i].refusal != NULL) {
      expect_refusal(st, FRZ_ERR_INVALID, &err, cases[i].refusal);
      continue;
    }
    frz_test_ok(st, &err);
    frz_table_metadata *metadata = frz_table_current(table);
    const frz_snapshot_ref *ref = frz_metadata_ref(metadata, frz_str_from(cases[i].ref));
    assert_int_equal(ref->max_ref_age_ms, cases[i].ref_age);
    assert_int_equal(ref->max_snapshot_age_ms, cases[i].snapshot_age);
    assert_int_equal(ref->min_snapshots_to_keep, cases[i].n_snapshots);
    frz_table_metadata_release(metadata);
  }
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_upgrades(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = rich_table(&lake, "t", NULL, "1");
  expect_refusal(frz_table_upgrade(table, 0, &err), FRZ_ERR_INVALID, &err, "2 and 3 are allowed");
  expect_refusal(frz_table_upgrade(table, 4, &err), FRZ_ERR_INVALID, &err, "2 and 3 are allowed");
  frz_test_ok(frz_table_upgrade(table, 3, &err), &err);
  frz_test_ok(frz_table_upgrade(table, 3, &err), &err);
  expect_refusal(frz_table_upgrade(table, 2, &err), FRZ_ERR_INVALID, &err, "cannot go back to 2");
  frz_table_metadata *metadata = frz_table_current(table);
  assert_int_equal(metadata->format_version, 3);
  assert_int_equal(metadata->next_row_id, 0);
  frz_table_metadata_release(metadata);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- statistics ---- */

static void write_puffin(frz_table *table, const char *uri, const char *type)
{
  static const int32_t field_ids[2] = {1, 2};
  const frz_puffin_property property = {FRZ_STR("ndv"), FRZ_STR("7 \"or\" so")};
  frz_error err = {0};
  frz_sink *sink = NULL;
  frz_puffin_writer *writer = NULL;
  int64_t offset, length;
  frz_puffin_blob blob = {.type = frz_str_from(type),
                          .field_ids = field_ids,
                          .n_field_ids = 2,
                          .snapshot_id = 5,
                          .sequence_number = 6,
                          .properties = &property,
                          .n_properties = 1};
  frz_test_ok(
      frz_storage_create_file(frz_table_storage(table), frz_str_from(uri), true, &sink, &err),
      &err);
  frz_test_ok(frz_puffin_writer_create(frz_alloc_default(), sink, &writer, &err), &err);
  frz_test_ok(frz_puffin_writer_add(writer, &blob, "abc", 3, &offset, &length, &err), &err);
  frz_test_ok(frz_puffin_writer_finish(writer, NULL, 0, &err), &err);
  frz_puffin_writer_free(writer);
  frz_test_ok(sink->commit(sink, &err), &err);
  sink->free(sink);
}

static void test_statistics_files(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  char first[400], second[400], none[400], junk[400];
  frz_test_lake_open(&lake, NULL);
  snprintf(first, sizeof first, "%s/one.puffin", lake.folder);
  snprintf(second, sizeof second, "%s/two.puffin", lake.folder);
  snprintf(none, sizeof none, "%s/none.puffin", lake.folder);
  snprintf(junk, sizeof junk, "%s/catalog.db", lake.folder);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(table, 0, 3, &err), &err);
  int64_t id = frz_table_current_snapshot_id(table);
  write_puffin(table, first, "apache-datasketches-theta-v1");
  write_puffin(table, second, "other");
  expect_refusal(frz_table_set_statistics(table, id + 1, first, &err), FRZ_ERR_NOT_FOUND, &err,
                 "no snapshot");
  expect_refusal(frz_table_set_statistics(table, id, none, &err), FRZ_ERR_NOT_FOUND, &err, "none");
  expect_refusal(frz_table_set_statistics(table, id, junk, &err), FRZ_ERR_CORRUPT, &err, "");
  expect_refusal(frz_table_set_statistics(table, id, "", &err), FRZ_ERR_INVALID, &err, "missing");
  expect_refusal(frz_table_remove_statistics(table, id, &err), FRZ_ERR_NOT_FOUND, &err,
                 "has no statistics");
  frz_test_ok(frz_table_set_statistics(table, id, first, &err), &err);
  frz_test_ok(frz_table_set_statistics(table, id, second, &err), &err); /* in its place */
  frz_test_ok(frz_test_append(table, 3, 3, &err), &err);
  int64_t later = frz_table_current_snapshot_id(table);
  frz_test_ok(frz_table_set_statistics(table, later, first, &err), &err);
  frz_test_ok(frz_table_refresh(table, NULL, &err), &err);
  frz_table_metadata *metadata = frz_table_current(table);
  assert_int_equal(metadata->n_statistics, 2);
  const frz_statistics_file *file = &metadata->statistics[1];
  assert_int_equal(metadata->statistics[0].snapshot_id, id);
  assert_true(frz_str_is(metadata->statistics[0].path, second));
  assert_int_equal(file->snapshot_id, later);
  assert_true(frz_str_is(file->path, first));
  assert_true(file->size_bytes > file->footer_bytes && file->footer_bytes > 20);
  assert_int_equal(file->n_blobs, 1);
  assert_true(frz_str_is(file->blobs[0].type, "apache-datasketches-theta-v1"));
  assert_int_equal(file->blobs[0].snapshot_id, 5);
  assert_int_equal(file->blobs[0].sequence_number, 6);
  assert_int_equal(file->blobs[0].n_field_ids, 2);
  assert_int_equal(file->blobs[0].field_ids[1], 2);
  assert_int_equal(file->blobs[0].n_properties, 1);
  assert_true(frz_str_is(file->blobs[0].properties[0].value, "7 \"or\" so"));
  frz_table_metadata_release(metadata);
  /* what goes with a snapshot */
  frz_expire_options options;
  frz_expire_result result;
  frz_expire_options_init(&options);
  options.snapshot_ids = &id;
  options.n_snapshot_ids = 1;
  frz_test_ok(frz_table_expire_snapshots(table, &options, &result, &err), &err);
  assert_int_equal(result.n_statistics_files, 1);
  metadata = frz_table_current(table);
  assert_int_equal(metadata->n_statistics, 1);
  frz_table_metadata_release(metadata);
  assert_int_equal(frz_test_count_files(&lake, "", "two.puffin"), 0);
  frz_test_ok(frz_table_remove_statistics(table, later, &err), &err);
  metadata = frz_table_current(table);
  assert_int_equal(metadata->n_statistics, 0);
  frz_table_metadata_release(metadata);
  assert_int_equal(frz_test_count_files(&lake, "", "one.puffin"), 1);
  /* a purge takes them along */
  frz_test_ok(frz_table_set_statistics(table, later, first, &err), &err);
  frz_table_free(table);
  frz_test_ok(frz_catalog_drop_table(lake.catalog, "ns.t", true, &err), &err);
  assert_int_equal(frz_test_count_files(&lake, "", "one.puffin"), 0);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_columns_move),
      cmocka_unit_test(test_identifier_fields),
      cmocka_unit_test(test_changes_are_refused_by_name),
      cmocka_unit_test(test_defaults_of_format_version_3),
      cmocka_unit_test(test_promotions_that_change_partition_values),
      cmocka_unit_test(test_the_name_mapping_follows),
      cmocka_unit_test(test_specs_evolve),
      cmocka_unit_test(test_specs_of_format_version_1_keep_places),
      cmocka_unit_test(test_rows_stay_over_specs),
      cmocka_unit_test(test_sort_orders_evolve),
      cmocka_unit_test(test_ref_retention),
      cmocka_unit_test(test_upgrades),
      cmocka_unit_test(test_statistics_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
