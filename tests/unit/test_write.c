/*
 * test_write.c - appends, overwrites, deletes, and changes of schema, properties and refs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "iceberg/table/table_state.h"
#include "test_lake.h"

static void expect_rows(frz_table *table, const char *filter, int64_t n_rows, int64_t id_sum)
{
  frz_test_sum sum = frz_test_scan(table, filter);
  assert_int_equal(sum.n_rows, n_rows);
  assert_int_equal(sum.id_sum, id_sum);
}

/* The current snapshot's operation and one value of its summary ("" where it is absent). */
static void expect_summary(frz_table *table, const char *operation, const char *key,
                           const char *value)
{
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_snapshot *head = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
  assert_non_null(head);
  assert_true(frz_str_is(head->operation, operation));
  frz_table_metadata_release(metadata);
  char found[FRZ_TEST_VALUE_BYTES];
  frz_test_summary(table, key, found);
  if (strcmp(found, value) != 0) fail_msg("%s is '%s', not '%s'", key, found, value);
}

static frz_write_result overwrite(frz_table *table, int64_t first, int64_t n_rows,
                                  const char *filter)
{
  frz_error err = {0};
  frz_write_result result = {0};
  struct ArrowArrayStream stream;
  frz_test_rows(first, n_rows, frz_alloc_default(), &stream);
  frz_test_ok(frz_table_overwrite(table, &stream, filter, NULL, &result, &err), &err);
  assert_null(stream.release);
  return result;
}

static frz_write_result delete_rows(frz_table *table, const char *filter)
{
  frz_error err = {0};
  frz_write_result result = {0};
  frz_test_ok(frz_table_delete(table, filter, NULL, &result, &err), &err);
  return result;
}

/* ---- appends ---- */

static void test_append_counts_what_it_did(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "bucket(4, id)", NULL);
  frz_write_options options;
  frz_write_options_init(&options);
  const frz_property properties[] = {{"job", "nightly"}, {"added-records", "lies"}};
  options.snapshot_properties = properties;
  options.n_snapshot_properties = 2;
  frz_write_result result;
  struct ArrowArrayStream stream;
  frz_test_rows(0, 20, frz_alloc_default(), &stream);
  frz_test_ok(frz_table_append(table, &stream, &options, &result, &err), &err);
  assert_int_equal(result.snapshot_id, frz_table_current_snapshot_id(table));
  assert_true(result.snapshot_id > 0);
  assert_int_equal(result.n_rows_added, 20);
  assert_int_equal(result.n_files_added, 4);
  assert_int_equal(result.n_rows_deleted, 0);
  expect_summary(table, "append", "added-records", "20");
  expect_summary(table, "append", "changed-partition-count", "4");
  expect_summary(table, "append", "engine-name", "frazil");
  expect_summary(table, "append", "job", "nightly");
  expect_summary(table, "append", "total-delete-files", "0");
  frz_test_ok(frz_test_append(table, 20, 5, &err), &err);
  expect_summary(table, "append", "added-records", "5");
  expect_summary(table, "append", "total-records", "25");
  expect_summary(table, "append", "deleted-records", "");
  expect_rows(table, NULL, 25, 300);
  expect_rows(table, "id = 21", 1, 21);
  assert_int_equal(frz_test_scan(table, NULL).n_null_names, 4);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_append_of_nothing_makes_no_snapshot(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_write_result result;
  struct ArrowArrayStream stream;
  frz_test_rows(0, 0, frz_alloc_default(), &stream);
  frz_test_ok(frz_table_append(table, &stream, NULL, &result, &err), &err);
  assert_null(stream.release);
  assert_int_equal(result.snapshot_id, -1);
  assert_int_equal(frz_table_current_snapshot_id(table), -1);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".avro"), 0);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_a_refused_append_leaves_nothing(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  const frz_arrow_field other = {
      .name = {"nope", 4}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}};
  frz_batch batch;
  int64_t one = 1;
  struct ArrowArrayStream stream;
  frz_test_ok(frz_batch_init(&batch, &other, 1, frz_alloc_default(), NULL), NULL);
  frz_test_ok(frz_column_append_value(&batch.columns[0], &one, sizeof one, NULL), NULL);
  batch.n_rows = 1;
  frz_test_ok(frz_stream_export_batches(&other, 1, &batch, 1, frz_alloc_default(), &stream, NULL),
              NULL);
  assert_int_equal(frz_table_append(table, &stream, NULL, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "column 'nope' of the data is not in the table");
  assert_null(stream.release);
  frz_write_options options = {0};
  frz_test_rows(0, 3, frz_alloc_default(), &stream);
  assert_int_equal(frz_table_append(table, &stream, &options, NULL, &err), FRZ_ERR_INVALID);
  assert_null(stream.release);
  frz_test_rows(0, 3, frz_alloc_default(), &stream);
  assert_int_equal(frz_table_append(NULL, &stream, NULL, NULL, &err), FRZ_ERR_INVALID);
  assert_null(stream.release);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), 0);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_version_1_tables_are_written(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  const frz_property version[] = {{"format-version", "1"}, {NULL, NULL}};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "bucket(2, id)", version);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  frz_test_ok(frz_test_append(table, 10, 10, &err), &err);
  assert_int_equal(delete_rows(table, "id < 5").n_rows_deleted, 5);
  expect_rows(table, NULL, 15, 190 - 10);
  const frz_property upgrade = {"format-version", "2"}, back = {"format-version", "1"};
  frz_test_ok(frz_table_set_properties(table, &upgrade, 1, NULL, 0, &err), &err);
  frz_test_ok(frz_test_append(table, 20, 10, &err), &err);
  expect_rows(table, NULL, 25, 435 - 10);
  assert_int_equal(frz_table_set_properties(table, &back, 1, NULL, 0, NULL), FRZ_ERR_INVALID);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- deletes and overwrites ---- */

static void test_delete_drops_whole_files_by_metadata(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  frz_test_ok(frz_test_append(table, 10, 10, &err), &err);
  size_t n_files = frz_test_count_files(&lake, "warehouse", ".parquet");
  frz_write_result result = delete_rows(table, "id >= 10");
  assert_int_equal(result.n_files_deleted, 1);
  assert_int_equal(result.n_files_added, 0);
  assert_int_equal(result.n_rows_deleted, 10);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), n_files);
  expect_summary(table, "delete", "deleted-data-files", "1");
  expect_summary(table, "delete", "deleted-records", "10");
  expect_summary(table, "delete", "total-records", "10");
  expect_rows(table, NULL, 10, 45);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_delete_rewrites_what_matches_in_part(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "bucket(3, id)", NULL);
  frz_test_ok(frz_test_append(table, 0, 100, &err), &err);
  frz_test_ok(frz_test_append(table, 100, 100, &err), &err);
  frz_write_result result = delete_rows(table, "id = 42");
  assert_int_equal(result.n_files_deleted, 1);
  assert_int_equal(result.n_files_added, 1);
  assert_int_equal(result.n_rows_deleted, 1);
  assert_int_equal(result.n_rows_added, 0);
  expect_summary(table, "overwrite", "total-records", "199");
  expect_rows(table, NULL, 199, 19900 - 42);
  /* Rows for which the filter is unknown stay: names are null for every seventh id. */
  result = delete_rows(table, "name <> 'n1'");
  expect_rows(table, "name is null", 28, frz_test_scan(table, "name is null").id_sum);
  expect_rows(table, "name is not null", 1, 1);
  result = delete_rows(table, "id > 1000");
  assert_int_equal(result.snapshot_id, -1);
  result = delete_rows(table, "false");
  assert_int_equal(result.snapshot_id, -1);
  result = delete_rows(table, "true");
  expect_rows(table, NULL, 0, 0);
  result = delete_rows(table, "true");
  assert_int_equal(result.snapshot_id, -1);
  assert_int_equal(frz_table_delete(table, NULL, NULL, NULL, &err), FRZ_ERR_INVALID);
  assert_int_equal(frz_table_delete(table, "nope = 1", NULL, NULL, &err), FRZ_ERR_INVALID);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_delete_ignores_case_when_asked(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  assert_int_equal(frz_table_delete(table, "ID = 3", NULL, NULL, &err), FRZ_ERR_INVALID);
  frz_write_options options;
  frz_write_options_init(&options);
  options.case_sensitive = false;
  frz_test_ok(frz_table_delete(table, "ID = 3", &options, NULL, &err), &err);
  expect_rows(table, NULL, 9, 42);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_overwrite_replaces_rows_in_one_snapshot(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_write_result result = overwrite(table, 0, 10, NULL);
  assert_int_equal(result.n_rows_added, 10);
  expect_summary(table, "append", "total-records", "10");
  result = overwrite(table, 100, 3, "id < 4");
  assert_int_equal(result.n_rows_added, 3);
  assert_int_equal(result.n_rows_deleted, 4);
  expect_summary(table, "overwrite", "total-records", "9");
  expect_rows(table, NULL, 9, 45 - 6 + 303);
  result = overwrite(table, 200, 2, NULL);
  assert_int_equal(result.n_rows_deleted, 9);
  expect_rows(table, NULL, 2, 401);
  result = overwrite(table, 0, 0, "id = 200"); /* no rows: a delete */
  expect_rows(table, NULL, 1, 201);
  result = overwrite(table, 0, 0, "id = 200");
  assert_int_equal(result.snapshot_id, -1);
  result = overwrite(table, 0, 0, NULL);
  expect_summary(table, "delete", "total-records", "0");
  expect_rows(table, NULL, 0, 0);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_random_changes_agree_with_a_model(void **state)
{
  (void)state;
  enum { IDS = 64, STEPS = 40 };
  frz_test_lake lake;
  frz_error err = {0};
  int counts[IDS] = {0};
  uint64_t seed = 1;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "bucket(3, id)", NULL);
  for (int step = 0; step < STEPS; step++) {
    char filter[100];
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    int low = (int)(seed >> 33) % IDS, size = (int)(seed >> 50) % 20 + 1;
    int high = low + size < IDS ? low + size : IDS;
    snprintf(filter, sizeof filter, "id >= %d and id < %d", low, high);
    if (step % 3 == 0) frz_test_ok(frz_test_append(table, low, high - low, &err), &err);
    if (step % 3 == 1) delete_rows(table, filter);
    if (step % 3 == 2) overwrite(table, low, high - low, filter);
    for (int id = low; id < high; id++) counts[id] = step % 3 == 0 ? counts[id] + 1 : step % 3 == 2;
    int64_t n_rows = 0, id_sum = 0;
    for (int id = 0; id < IDS; id++) {
      n_rows += counts[id];
      id_sum += (int64_t)counts[id] * id;
    }
    expect_rows(table, NULL, n_rows, id_sum);
    char total[32];
    snprintf(total, sizeof total, "%lld", (long long)n_rows);
    char found[FRZ_TEST_VALUE_BYTES];
    frz_test_summary(table, "total-records", found);
    assert_string_equal(found, total);
  }
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- schema ---- */

static frz_status change_schema(frz_table *table, frz_schema_change change, frz_error *err)
{
  return frz_table_update_schema(table, &change, 1, err);
}

static void expect_columns(frz_table *table, const char *columns)
{
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_schema *schema = frz_metadata_current_schema(metadata);
  char text[500] = "";
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), (size_t)1 << 20);
  for (size_t i = 0; i < schema->root.n_fields; i++) {
    const frz_field *field = &schema->root.fields[i];
    frz_str type = frz_type_print(&field->type, &arena);
    size_t at = strlen(text);
    snprintf(text + at, sizeof text - at, "%s%d:%.*s:%.*s%s", i != 0 ? " " : "", field->id,
             FRZ_STR_ARG(field->name), FRZ_STR_ARG(type), field->required ? "!" : "");
  }
  assert_string_equal(text, columns);
  frz_arena_free(&arena);
  frz_table_metadata_release(metadata);
}

static void test_schemas_evolve(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  const frz_schema_change changes[] = {
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "score", .type_text = "float", .doc = "0 to 1"},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "price", .type_text = "decimal(9, 2)"},
      {.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "score", .type_text = "double"},
      {.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "name", .new_name = "label"},
  };
  frz_test_ok(frz_table_update_schema(table, changes, 4, &err), &err);
  expect_columns(table, "1:id:long 2:label:string 3:score:double 4:price:decimal(9, 2)");
  expect_rows(table, "label = 'n3'", 1, 3);
  expect_rows(table, "score is null", 10, 45);
  assert_int_equal(frz_test_append(table, 10, 1, &err), FRZ_ERR_INVALID); /* it still says name */
  const frz_schema_change drop_and_add[] = {
      {.op = FRZ_SCHEMA_DROP_COLUMN, .path = "score"},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "score", .type_text = "string"},
  };
  frz_test_ok(frz_table_update_schema(table, drop_and_add, 2, &err), &err);
  expect_columns(table, "1:id:long 2:label:string 4:price:decimal(9, 2) 5:score:string");
  frz_string before, after;
  frz_test_ok(frz_table_metadata_location(table, &before, &err), &err);
  frz_test_ok(frz_table_update_schema(table, NULL, 0, &err), &err);
  frz_test_ok(frz_table_metadata_location(table, &after, &err), &err);
  assert_string_equal(before.data, after.data); /* nothing to do, no commit */
  frz_string_dispose(&before);
  frz_string_dispose(&after);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_schema_changes_are_refused_by_name(void **state)
{
  (void)state;
  static const struct {
    frz_schema_change change;
    const char *message;
  } cases[] = {
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "id", .type_text = "int"},
       "column 'id' exists already"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "a.b", .type_text = "int"},
       "column 'a.b' cannot be added: its parent does not exist"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "id.b", .type_text = "int"},
       "column 'id.b' cannot be added: its parent is not a struct"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "x", .type_text = "int", .required = true},
       "column 'x' cannot be added as required: rows written before have no value, and defaults "
       "need "
       "format version 3"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "x"},
       "column 'x' needs one of arrow_type and type_text"},
      {{.op = FRZ_SCHEMA_ADD_COLUMN, .path = "x."}, "column 'x.' has an empty name"},
      {{.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "none", .new_name = "x"},
       "column 'none' does not exist"},
      {{.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "id", .new_name = "name"},
       "column 'id' cannot be renamed: 'name' exists already"},
      {{.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "id"}, "column 'id' cannot get an empty name"},
      {{.op = FRZ_SCHEMA_DROP_COLUMN, .path = "none"}, "column 'none' does not exist"},
      {{.op = FRZ_SCHEMA_DROP_COLUMN, .path = "id"},
       "column 'id' cannot be dropped: the table is partitioned by it"},
      {{.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "id", .type_text = "int"},
       "column 'id' cannot change from long to int"},
      {{.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "name", .type_text = "binary"},
       "column 'name' cannot change from string to binary"},
      {{.op = FRZ_SCHEMA_SET_DOC, .path = "none", .doc = "x"}, "column 'none' does not exist"},
      {{.op = FRZ_SCHEMA_MAKE_OPTIONAL, .path = "none"}, "column 'none' does not exist"},
      {{.op = (frz_schema_op)99, .path = "id"}, "schema change 99 is not known"},
  };
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "bucket(4, id)", NULL);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_error err = {0};
    assert_int_equal(change_schema(table, cases[i].change, &err), FRZ_ERR_INVALID);
    char message[300];
    snprintf(message, sizeof message, "table 'ns.t': %s", cases[i].message);
    assert_string_equal(err.message, message);
  }
  frz_error err = {0};
  const frz_schema_change ns = {
      .op = FRZ_SCHEMA_ADD_COLUMN, .path = "x", .type_text = "timestamp_ns"};
  assert_int_equal(change_schema(table, ns, &err), FRZ_ERR_UNSUPPORTED);
  frz_test_ok(
      change_schema(table, (frz_schema_change){.op = FRZ_SCHEMA_DROP_COLUMN, .path = "name"}, &err),
      &err);
  assert_int_equal(
      change_schema(table, (frz_schema_change){.op = FRZ_SCHEMA_DROP_COLUMN, .path = "id"}, &err),
      FRZ_ERR_INVALID);
  expect_columns(table, "1:id:long");
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_nested_columns_evolve(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_arrow_field leaf = {
      .name = {"x", 1}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT32}};
  frz_arrow_field item = {.name = {"item", 4},
                          .nullable = true,
                          .field_id = -1,
                          .type = {.kind = FRZ_ARROW_STRUCT},
                          .children = &leaf,
                          .n_children = 1};
  frz_arrow_field list = {.name = {"l", 1},
                          .nullable = true,
                          .field_id = -1,
                          .type = {.kind = FRZ_ARROW_LIST},
                          .children = &item,
                          .n_children = 1};
  struct ArrowSchema arrow;
  frz_test_ok(frz_arrow_field_export(&list, frz_alloc_default(), &arrow, &err), &err);
  const frz_schema_change changes[] = {
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "l", .arrow_type = &arrow},
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "l.y", .type_text = "string"},
      {.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "l.element.x", .type_text = "long"},
      {.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "l.element.y", .new_name = "z"},
  };
  frz_test_ok(frz_table_update_schema(table, changes, 4, &err), &err);
  arrow.release(&arrow);
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_schema *schema = frz_metadata_current_schema(metadata);
  const frz_field *x = frz_schema_find_name(schema, FRZ_STR("l.element.x"), true);
  const frz_field *z = frz_schema_find_name(schema, FRZ_STR("l.element.z"), true);
  assert_non_null(x);
  assert_non_null(z);
  assert_int_equal(x->type.kind, FRZ_TYPE_LONG);
  assert_int_equal(z->id, 6);
  assert_int_equal(metadata->last_column_id, 6);
  frz_table_metadata_release(metadata);
  const frz_schema_change element = {
      .op = FRZ_SCHEMA_RENAME_COLUMN, .path = "l.element", .new_name = "e"};
  assert_int_equal(change_schema(table, element, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "it is part of a list or map"));
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_schema_changes_of_others_are_kept(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *first = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_table *second;
  frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.t", &second, &err), &err);
  const frz_schema_change a = {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "a", .type_text = "int"};
  const frz_schema_change b = {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "b", .type_text = "int"};
  frz_test_ok(change_schema(first, a, &err), &err);
  frz_test_ok(change_schema(second, b, &err), &err);
  expect_columns(second, "1:id:long 2:name:string 3:a:int 4:b:int");
  assert_int_equal(change_schema(first, b, &err), FRZ_ERR_INVALID); /* seen only on the retry */
  frz_table_free(first);
  frz_table_free(second);
  frz_test_lake_close(&lake);
}

/* ---- properties and refs ---- */

static void test_properties_are_set_and_removed(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  const frz_property initial[] = {{"a", "1"}, {"b", "2"}, {NULL, NULL}};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, initial);
  const frz_property changed[] = {{"b", "3"}, {"c", "4"}};
  const char *const removals[] = {"a", "never"};
  frz_test_ok(frz_table_set_properties(table, changed, 2, removals, 2, &err), &err);
  frz_table_metadata *metadata = frz_table_current(table);
  assert_null(frz_metadata_property(metadata, "a").data);
  assert_true(frz_str_is(frz_metadata_property(metadata, "b"), "3"));
  assert_true(frz_str_is(frz_metadata_property(metadata, "c"), "4"));
  frz_table_metadata_release(metadata);
  const char *const both[] = {"b"};
  assert_int_equal(frz_table_set_properties(table, changed, 2, both, 1, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "property 'b' is both set and removed");
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static frz_status set_ref(frz_table *table, const char *ref, bool is_branch, int64_t snapshot_id,
                          frz_error *err)
{
  frz_ref_options options;
  frz_ref_options_init(&options);
  options.is_branch = is_branch;
  options.snapshot_id = snapshot_id;
  return frz_table_set_ref(table, ref, &options, err);
}

static void test_refs_name_snapshots(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  assert_int_equal(set_ref(table, "first", false, 0, &err), FRZ_ERR_NOT_FOUND);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  int64_t first = frz_table_current_snapshot_id(table);
  frz_test_ok(set_ref(table, "first", false, 0, &err), &err);
  frz_test_ok(frz_test_append(table, 10, 10, &err), &err);
  frz_scan_options options;
  frz_scan_options_init(&options);
  options.ref = "first";
  frz_scan *scan;
  frz_test_ok(frz_table_scan(table, &options, &scan, &err), &err);
  frz_scan_free(scan);
  frz_test_ok(set_ref(table, "dev", true, first, &err), &err);
  assert_int_equal(set_ref(table, "dev", false, first, &err), FRZ_ERR_INVALID);
  assert_int_equal(set_ref(table, "dev", true, 12345, &err), FRZ_ERR_NOT_FOUND);
  assert_int_equal(frz_table_remove_ref(table, "main", &err), FRZ_ERR_INVALID);
  assert_int_equal(set_ref(table, "main", false, 0, &err), FRZ_ERR_INVALID);
  assert_int_equal(frz_table_remove_ref(table, "none", &err), FRZ_ERR_NOT_FOUND);
  frz_test_ok(frz_table_remove_ref(table, "dev", &err), &err);
  frz_test_ok(set_ref(table, "main", true, first, &err), &err); /* roll back */
  expect_rows(table, NULL, 10, 45);
  frz_test_ok(frz_test_append(table, 20, 1, &err), &err);
  expect_rows(table, NULL, 11, 65);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* What the commit would refuse is refused before a data file is written for it. */
static void test_a_wrong_retry_property_leaves_no_file(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  const frz_property properties[] = {{"commit.retry.num-retries", "many"}, {NULL, NULL}};
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, properties);
  assert_int_equal(frz_test_append(table, 0, 10, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "commit.retry.num-retries"));
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), 0);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_wrong_retry_property_leaves_no_file),
      cmocka_unit_test(test_append_counts_what_it_did),
      cmocka_unit_test(test_append_of_nothing_makes_no_snapshot),
      cmocka_unit_test(test_a_refused_append_leaves_nothing),
      cmocka_unit_test(test_version_1_tables_are_written),
      cmocka_unit_test(test_delete_drops_whole_files_by_metadata),
      cmocka_unit_test(test_delete_rewrites_what_matches_in_part),
      cmocka_unit_test(test_delete_ignores_case_when_asked),
      cmocka_unit_test(test_overwrite_replaces_rows_in_one_snapshot),
      cmocka_unit_test(test_random_changes_agree_with_a_model),
      cmocka_unit_test(test_schemas_evolve),
      cmocka_unit_test(test_schema_changes_are_refused_by_name),
      cmocka_unit_test(test_nested_columns_evolve),
      cmocka_unit_test(test_schema_changes_of_others_are_kept),
      cmocka_unit_test(test_properties_are_set_and_removed),
      cmocka_unit_test(test_refs_name_snapshots),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
