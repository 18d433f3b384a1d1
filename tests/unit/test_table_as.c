/*
 * test_table_as.c - tables that are created with rows, or replaced, in one commit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "frazil/evolution.h"
#include "test_lake.h"

static const frz_arrow_field id_and_name[] = {
    {.name = {"id", 2}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}},
    {.name = {"name", 4}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_STRING}}};
static const frz_arrow_field other[] = {
    {.name = {"id", 2}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}},
    {.name = {"name", 4}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}},
    {.name = {"more", 4}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}}};

static frz_status create_as(frz_catalog *catalog, const char *name,
                            const frz_create_table_options *options, int64_t n_rows,
                            frz_table **table_out, frz_write_result *result_out, frz_error *err)
{
  struct ArrowSchema schema;
  struct ArrowArrayStream stream;
  frz_test_ok(frz_arrow_schema_export(id_and_name, 2, frz_alloc_default(), &schema, NULL), NULL);
  frz_test_rows(0, n_rows, frz_alloc_default(), &stream);
  frz_status st = frz_catalog_create_table_as(catalog, name, &schema, options, &stream, NULL,
                                              table_out, result_out, err);
  assert_null(stream.release);
  schema.release(&schema);
  return st;
}

/* Rows of `other`, each column counting from `first`. */
static void other_rows(int64_t first, int64_t n_rows, struct ArrowArrayStream *stream_out)
{
  frz_batch batch;
  frz_test_ok(frz_batch_init(&batch, other, 3, frz_alloc_default(), NULL), NULL);
  for (int64_t i = first; i < first + n_rows; i++)
    for (size_t c = 0; c < 3; c++)
      frz_test_ok(frz_column_append_value(&batch.columns[c], &i, sizeof i, NULL), NULL);
  batch.n_rows = n_rows;
  size_t n_batches = n_rows != 0 ? 1 : 0;
  frz_test_ok(
      frz_stream_export_batches(other, 3, &batch, n_batches, frz_alloc_default(), stream_out, NULL),
      NULL);
  if (n_batches == 0) frz_batch_dispose(&batch);
}

static frz_status replace(frz_catalog *catalog, const char *name,
                          const frz_create_table_options *options, int64_t n_rows,
                          frz_table **table_out, frz_write_result *result_out, frz_error *err)
{
  struct ArrowSchema schema;
  struct ArrowArrayStream stream;
  frz_test_ok(frz_arrow_schema_export(other, 3, frz_alloc_default(), &schema, NULL), NULL);
  other_rows(100, n_rows, &stream);
  frz_status st = frz_catalog_replace_table(catalog, name, &schema, options, &stream, NULL,
                                            table_out, result_out, err);
  assert_null(stream.release);
  schema.release(&schema);
  return st;
}

static int64_t count_at(frz_table *table, int64_t snapshot_id)
{
  frz_scan_options options;
  frz_scan_options_init(&options);
  options.snapshot_id = snapshot_id;
  frz_error err = {0};
  frz_scan *scan;
  struct ArrowArrayStream stream;
  int64_t n_rows = 0;
  frz_test_ok(frz_table_scan(table, &options, &scan, &err), &err);
  frz_test_ok(frz_scan_stream(scan, &stream, &err), &err);
  for (;;) {
    struct ArrowArray batch = {0};
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    if (batch.release == NULL) break;
    n_rows += batch.length;
    batch.release(&batch);
  }
  stream.release(&stream);
  frz_scan_free(scan);
  return n_rows;
}

static void test_a_table_comes_with_its_rows(void **state)
{
  (void)state;
  static const char *const specs[] = {NULL, "bucket(3, id)"};
  static const char *const names[] = {"ns.plain", "ns.parts"};
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  for (int32_t version = 1; version <= 3; version++)
    for (size_t i = 0; i < 2; i++) {
      char name[40];
      frz_table *table, *loaded;
      frz_write_result result;
      frz_create_table_options options;
      frz_create_table_options_init(&options);
      options.format_version = version;
      options.partition_spec = specs[i];
      snprintf(name, sizeof name, "%s%d", names[i], (int)version);
      frz_test_ok(create_as(lake.catalog, name, &options, 10, &table, &result, &err), &err);
      assert_int_equal(result.n_rows_added, 10);
      assert_int_equal(frz_test_scan(table, NULL).id_sum, 45);
      frz_test_ok(frz_catalog_load_table(lake.catalog, name, &loaded, &err), &err);
      assert_int_equal(frz_table_current_snapshot_id(loaded), result.snapshot_id);
      assert_int_equal(frz_test_scan(loaded, NULL).id_sum, 45);
      frz_test_ok(frz_test_append(table, 10, 1, &err), &err); /* it is a table like any other */
      assert_int_equal(frz_test_scan(table, NULL).id_sum, 55);
      frz_table_free(table);
      frz_table_free(loaded);
    }
  /* one metadata file a creation, one an append */
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".metadata.json"), 12);
  frz_test_lake_close(&lake);
}

static void test_a_table_without_rows_is_empty(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_table *table;
  frz_write_result result;
  frz_test_lake_open(&lake, NULL);
  frz_test_ok(create_as(lake.catalog, "ns.t", NULL, 0, &table, &result, &err), &err);
  assert_int_equal(result.snapshot_id, -1);
  assert_int_equal(frz_table_current_snapshot_id(table), -1);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, 0);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_refused_creations_leave_no_file(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  assert_int_equal(create_as(lake.catalog, "none.t", NULL, 9, NULL, NULL, &err), FRZ_ERR_NOT_FOUND);
  assert_int_equal(create_as(lake.catalog, "t", NULL, 9, NULL, NULL, &err), FRZ_ERR_INVALID);
  assert_int_equal(frz_test_count_files(&lake, "", ".parquet"), 0);
  frz_test_ok(create_as(lake.catalog, "ns.t", NULL, 9, NULL, NULL, &err), &err);
  assert_int_equal(create_as(lake.catalog, "ns.t", NULL, 9, NULL, NULL, &err), FRZ_ERR_EXISTS);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), 1);
  /* data that does not fit the schema: nothing is created */
  struct ArrowSchema schema;
  struct ArrowArrayStream stream;
  frz_test_ok(frz_arrow_schema_export(id_and_name, 2, frz_alloc_default(), &schema, NULL), NULL);
  other_rows(0, 5, &stream);
  assert_int_equal(frz_catalog_create_table_as(lake.catalog, "ns.u", &schema, NULL, &stream, NULL,
                                               NULL, NULL, &err),
                   FRZ_ERR_INVALID);
  assert_null(stream.release);
  schema.release(&schema);
  frz_table *table = NULL;
  assert_int_equal(frz_catalog_load_table(lake.catalog, "ns.u", &table, &err), FRZ_ERR_NOT_FOUND);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), 1);
  frz_test_lake_close(&lake);
}

/* Another process creates the table while this one writes its rows. */
typedef struct rival {
  struct ArrowArrayStream stream;
  frz_catalog *catalog;
} rival;

static int rival_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
  rival *other_writer = self->private_data;
  return other_writer->stream.get_schema(&other_writer->stream, out);
}

static int rival_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
  rival *other_writer = self->private_data;
  frz_error err = {0};
  if (other_writer->catalog != NULL)
    frz_test_ok(create_as(other_writer->catalog, "ns.t", NULL, 3, NULL, NULL, &err), &err);
  other_writer->catalog = NULL;
  return other_writer->stream.get_next(&other_writer->stream, out);
}

static const char *rival_error(struct ArrowArrayStream *self)
{
  (void)self;
  return NULL;
}

static void rival_release(struct ArrowArrayStream *self)
{
  rival *other_writer = self->private_data;
  other_writer->stream.release(&other_writer->stream);
  self->release = NULL;
}

static void test_of_two_creators_one_wins(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  rival writer = {.catalog = frz_test_lake_connect(&lake, lake.context)};
  frz_catalog *second = writer.catalog;
  frz_test_rows(0, 9, frz_alloc_default(), &writer.stream);
  struct ArrowArrayStream stream = {rival_schema, rival_next, rival_error, rival_release, &writer};
  struct ArrowSchema schema;
  frz_test_ok(frz_arrow_schema_export(id_and_name, 2, frz_alloc_default(), &schema, NULL), NULL);
  assert_int_equal(frz_catalog_create_table_as(lake.catalog, "ns.t", &schema, NULL, &stream, NULL,
                                               NULL, NULL, &err),
                   FRZ_ERR_EXISTS);
  schema.release(&schema);
  frz_table *table;
  frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.t", &table, &err), &err);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, 3);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), 1);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".avro"), 2);
  frz_table_free(table);
  frz_catalog_free(second);
  frz_test_lake_close(&lake);
}

/* ---- replaced tables ---- */

static void test_a_replaced_table_keeps_its_past(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  for (int32_t version = 1; version <= 3; version++) {
    char name[40], text[2] = {(char)('0' + version), '\0'};
    const frz_property properties[] = {{"format-version", text}, {"kept", "yes"}, {NULL, NULL}};
    const frz_property more = {"came", "with it"};
    snprintf(name, sizeof name, "t%d", (int)version);
    frz_table *before = frz_test_lake_table(&lake, name, "truncate(2, name)", properties);
    frz_test_ok(frz_test_append(before, 0, 10, &err), &err);
    int64_t first = frz_table_current_snapshot_id(before);
    frz_create_table_options options;
    frz_create_table_options_init(&options);
    options.partition_spec = "bucket(2, name)";
    options.sort_order = "more desc";
    options.properties = &more;
    options.n_properties = 1;
    snprintf(name, sizeof name, "ns.t%d", (int)version);
    frz_table *after;
    frz_write_result result;
    frz_test_ok(replace(lake.catalog, name, &options, 3, &after, &result, &err), &err);
    assert_int_equal(result.n_rows_added, 3);
    assert_int_equal(result.n_rows_deleted, 10);
    assert_int_equal(frz_test_scan(after, "more >= 101").id_sum, 203);
    assert_int_equal(count_at(after, 0), 3);
    assert_int_equal(count_at(after, first), 10);
    assert_int_equal(frz_test_scan(before, NULL).id_sum, 45); /* a handle shows what it showed */
    frz_string json;
    frz_test_ok(frz_table_metadata_json(after, &json, &err), &err);
    assert_non_null(strstr(json.data, "\"kept\""));
    assert_non_null(strstr(json.data, "\"came\""));
    frz_string_dispose(&json);
    /* and once more: removed files of an old spec do not come back */
    frz_test_ok(replace(lake.catalog, name, NULL, 2, NULL, &result, &err), &err);
    assert_int_equal(result.n_rows_deleted, 3);
    frz_test_ok(frz_table_refresh(after, NULL, &err), &err);
    assert_int_equal(count_at(after, 0), 2);
    frz_table_free(before);
    frz_table_free(after);
  }
  frz_test_lake_close(&lake);
}

static void test_a_replacement_without_rows_changes_the_schema(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_table *after;
  frz_write_result result;
  frz_test_ok(replace(lake.catalog, "ns.t", NULL, 0, &after, &result, &err), &err);
  assert_int_equal(result.snapshot_id, -1);
  assert_int_equal(frz_test_scan(after, "more = 1").n_rows, 0);
  frz_table_free(after);
  frz_test_ok(frz_test_append(table, 0, 0, &err), &err);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_refused_replacements(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  assert_int_equal(replace(lake.catalog, "ns.t", NULL, 3, NULL, NULL, &err), FRZ_ERR_NOT_FOUND);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_create_table_options options;
  frz_create_table_options_init(&options);
  options.location = "/elsewhere";
  assert_int_equal(replace(lake.catalog, "ns.t", &options, 3, NULL, NULL, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "no location"));
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* What another process does to the table while its replacement is being written. */
typedef enum meddling { ADD_ROWS, ADD_COLUMN, ADD_SPEC, SET_PROPERTY } meddling;

typedef struct meddler {
  struct ArrowArrayStream stream;
  frz_table *table;
  meddling what;
} meddler;

static int meddler_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
  meddler *m = self->private_data;
  return m->stream.get_schema(&m->stream, out);
}

static int meddler_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
  meddler *m = self->private_data;
  const frz_schema_change column = {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "x", .type_text = "int"};
  const frz_spec_change field = {.op = FRZ_SPEC_ADD_FIELD, .term = "bucket(4, id)"};
  const frz_property property = {"a", "b"};
  frz_error err = {0};
  frz_status st = FRZ_OK;
  if (m->table != NULL) switch (m->what) {
    case ADD_ROWS: st = frz_test_append(m->table, 50, 5, &err); break;
    case ADD_COLUMN: st = frz_table_update_schema(m->table, &column, 1, &err); break;
    case ADD_SPEC: st = frz_table_update_spec(m->table, &field, 1, &err); break;
    case SET_PROPERTY: st = frz_table_set_properties(m->table, &property, 1, NULL, 0, &err); break;
    }
  frz_test_ok(st, &err);
  m->table = NULL;
  return m->stream.get_next(&m->stream, out);
}

static void meddler_release(struct ArrowArrayStream *self)
{
  meddler *m = self->private_data;
  m->stream.release(&m->stream);
  self->release = NULL;
}

static void test_changes_of_others_meanwhile(void **state)
{
  (void)state;
  static const struct {
    meddling what;
    frz_status status;
    int64_t n_rows;
    const char *spec;
  } cases[] = {{ADD_ROWS, FRZ_ERR_CONFLICT, 15, NULL},
               {ADD_COLUMN, FRZ_ERR_CONFLICT, 10, NULL},
               {ADD_SPEC, FRZ_ERR_CONFLICT, 10, "bucket(2, id)"}, /* the files' spec id is taken */
               {ADD_SPEC, FRZ_OK, 3, NULL},
               {SET_PROPERTY, FRZ_OK, 3, "bucket(2, id)"}};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char name[40];
    frz_error err = {0};
    const frz_property fast[] = {{"commit.retry.num-retries", "2"}, {NULL, NULL}};
    snprintf(name, sizeof name, "t%zu", i);
    meddler m = {.table = frz_test_lake_table(&lake, name, NULL, fast), .what = cases[i].what};
    frz_table *table = m.table;
    frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
    other_rows(100, 3, &m.stream);
    struct ArrowArrayStream stream = {meddler_schema, meddler_next, rival_error, meddler_release,
                                      &m};
    struct ArrowSchema schema;
    frz_test_ok(frz_arrow_schema_export(other, 3, frz_alloc_default(), &schema, NULL), NULL);
    snprintf(name, sizeof name, "ns.t%zu", i);
    frz_create_table_options options;
    frz_create_table_options_init(&options);
    options.partition_spec = cases[i].spec;
    frz_status st = frz_catalog_replace_table(lake.catalog, name, &schema, &options, &stream, NULL,
                                              NULL, NULL, &err);
    schema.release(&schema);
    if (st != cases[i].status) fail_msg("case %zu: %s: %s", i, frz_status_name(st), err.message);
    frz_test_ok(frz_table_refresh(table, NULL, &err), &err);
    assert_int_equal(count_at(table, 0), cases[i].n_rows);
    frz_table_free(table);
  }
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_table_comes_with_its_rows),
      cmocka_unit_test(test_a_table_without_rows_is_empty),
      cmocka_unit_test(test_refused_creations_leave_no_file),
      cmocka_unit_test(test_of_two_creators_one_wins),
      cmocka_unit_test(test_a_replaced_table_keeps_its_past),
      cmocka_unit_test(test_a_replacement_without_rows_changes_the_schema),
      cmocka_unit_test(test_refused_replacements),
      cmocka_unit_test(test_changes_of_others_meanwhile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
