/*
 * fault_commit.c - open a catalog, append, delete and evolve with every allocation refused in turn.
 *
 * Each run starts from the same table. It must end in success or FRZ_ERR_NOMEM, leak nothing, and
 * leave a table that reads whole: with or without each of the changes, never between.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "arrow/arrow_type.h"
#include "fault.h"
#include "frazil/evolution.h"
#include "test_lake.h"

enum { ROWS = 6, STEP_AFTER = 400 };

static frz_status change_table(frz_table *table, const char *puffin, frz_error *err)
{
  struct ArrowArrayStream stream;
  frz_test_rows(10, ROWS, frz_alloc_default(), &stream);
  FRZ_TRY(frz_table_append(table, &stream, NULL, NULL, err));
  FRZ_TRY(frz_table_upgrade(table, 3, err)); /* what is written again carries row ids */
  FRZ_TRY(frz_table_delete(table, "id = 11", NULL, NULL, err));
  const frz_property mapping = {"schema.name-mapping.default",
                                "[{\"field-id\":1,\"names\":[\"id\"]}]"};
  FRZ_TRY(frz_table_set_properties(table, &mapping, 1, NULL, 0, err));
  const frz_schema_change changes[] = {
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "x", .type_text = "int"},
      {.op = FRZ_SCHEMA_MOVE_BEFORE, .path = "x", .reference = "name"},
      {.op = FRZ_SCHEMA_RENAME_COLUMN, .path = "name", .new_name = "label"}};
  FRZ_TRY(frz_table_update_schema(table, changes, 3, err));
  const frz_spec_change spec_changes[] = {{.op = FRZ_SPEC_ADD_FIELD, .term = "x"},
                                          {.op = FRZ_SPEC_REMOVE_FIELD, .term = "bucket(2, id)"}};
  FRZ_TRY(frz_table_update_spec(table, spec_changes, 2, err));
  FRZ_TRY(frz_table_set_sort_order(table, "id desc", err));
  FRZ_TRY(frz_table_upgrade(table, 3, err));
  const frz_schema_change with_default = {.op = FRZ_SCHEMA_ADD_COLUMN,
                                          .path = "y",
                                          .type_text = "date",
                                          .default_json = "\"2024-01-01\""};
  FRZ_TRY(frz_table_update_schema(table, &with_default, 1, err));
  FRZ_TRY(frz_table_set_statistics(table, frz_table_current_snapshot_id(table), puffin, err));
  FRZ_TRY(frz_table_set_ref(table, "tag", NULL, err));
  return frz_table_remove_statistics(table, frz_table_current_snapshot_id(table), err);
}

/* Read a metadata table whole. */
static frz_status inspect(frz_table *table, const char *kind, frz_error *err)
{
  struct ArrowArrayStream stream;
  FRZ_TRY(frz_table_inspect(table, kind, 0, &stream, err));
  frz_status st = FRZ_OK;
  for (bool more = true; more && st == FRZ_OK;) {
    struct ArrowArray batch = {0};
    int code = stream.get_next(&stream, &batch);
    if (code != 0) st = code == ENOMEM ? FRZ_ERR_NOMEM : FRZ_ERR_IO;
    more = batch.release != NULL;
    if (more) batch.release(&batch);
  }
  stream.release(&stream);
  return st;
}

static frz_status create_and_change(frz_catalog *catalog, const char *puffin, frz_error *err)
{
  const frz_arrow_field fields[] = {
      {.name = {"id", 2}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}},
      {.name = {"name", 4}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_STRING}}};
  struct ArrowSchema schema;
  frz_table *table = NULL;
  frz_create_table_options options;
  frz_create_table_options_init(&options);
  options.partition_spec = "bucket(2, id)";
  frz_test_ok(frz_arrow_schema_export(fields, 2, frz_alloc_default(), &schema, NULL), NULL);
  struct ArrowArrayStream rows;
  frz_test_rows(0, ROWS, frz_alloc_default(), &rows);
  frz_status st = frz_catalog_create_table_as(catalog, "ns.t", &schema, &options, &rows, NULL,
                                              &table, NULL, err);
  if (st == FRZ_OK) { /* as another table, and empty */
    frz_table_free(table);
    table = NULL;
    frz_test_rows(0, 0, frz_alloc_default(), &rows);
    st = frz_catalog_replace_table(catalog, "ns.t", &schema, &options, &rows, NULL, &table, NULL,
                                   err);
  }
  schema.release(&schema);
  if (st == FRZ_OK) st = change_table(table, puffin, err);
  static const char *const kinds[] = {
      "snapshots", "metadata_log_entries", "statistics",    "manifests",
      "entries",   "partitions",           "all_manifests", "all_files"};
  for (size_t i = 0; st == FRZ_OK && i < sizeof kinds / sizeof kinds[0]; i++)
    st = inspect(table, kinds[i], err);
  frz_table_free(table);
  frz_string_list list = {0};
  if (st == FRZ_OK) st = frz_catalog_list_tables(catalog, "ns", &list, err);
  frz_string_list_dispose(&list);
  if (st == FRZ_OK) st = frz_catalog_list_namespaces(catalog, NULL, &list, err);
  frz_string_list_dispose(&list);
  if (st == FRZ_OK) st = frz_catalog_drop_table(catalog, "ns.t", true, err);
  return st;
}

static frz_status work(const frz_test_lake *lake, const frz_alloc *alloc, frz_error *err)
{
  frz_context *context = NULL;
  frz_catalog *catalog = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  char uri[300], warehouse[300], puffin[300];
  snprintf(uri, sizeof uri, "sqlite:///%s/catalog.db", lake->folder);
  snprintf(warehouse, sizeof warehouse, "%s/warehouse", lake->folder);
  snprintf(puffin, sizeof puffin, "%s/statistics.puffin", lake->folder);
  const frz_property properties[] = {{"uri", uri}, {"warehouse", warehouse}};
  frz_status st = frz_context_create(&options, &context, err);
  if (st == FRZ_OK) st = frz_catalog_open(context, "test", properties, 2, &catalog, err);
  if (st == FRZ_OK) st = create_and_change(catalog, puffin, err);
  frz_catalog_free(catalog);
  frz_context_free(context);
  return st;
}

/* A file of statistics to be named. */
static void write_puffin(const frz_test_lake *lake)
{
  /* magic; then a footer of its own: magic, JSON, size, flags, magic */
  static const char json[] = "{\"blobs\":[]}";
  const unsigned char size[8] = {sizeof json - 1, 0, 0, 0, 0, 0, 0, 0};
  char path[300];
  snprintf(path, sizeof path, "%s/statistics.puffin", lake->folder);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  fprintf(file, "PFA1PFA1%s", json);
  assert_int_equal(fwrite(size, 1, sizeof size, file), sizeof size);
  fprintf(file, "PFA1");
  assert_int_equal(fclose(file), 0);
}

/* What a run left behind reads whole; take it away for the next. */
static void check_and_clear(frz_test_lake *lake)
{
  frz_table *table;
  frz_error err = {0};
  frz_status st = frz_catalog_load_table(lake->catalog, "ns.t", &table, &err);
  if (st == FRZ_ERR_NOT_FOUND) return;
  frz_test_ok(st, &err);
  int64_t n_rows = frz_test_scan(table, NULL).n_rows;
  assert_true(n_rows == 0 || n_rows == ROWS || n_rows == ROWS - 1);
  frz_table_free(table);
  frz_test_ok(frz_catalog_drop_table(lake->catalog, "ns.t", true, &err), &err);
}

static void test_every_refused_allocation_is_survived(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_fault fault = {0};
  long n = 0;
  frz_test_lake_open(&lake, NULL);
  do {
    write_puffin(&lake);         /* a purge may have taken it along */
    n += n < STEP_AFTER ? 1 : 7; /* all of the start, then samples: a run writes some 20 files */
    frz_error err = {0};
    frz_fault_arm(&fault, n);
    frz_status st = work(&lake, &fault.alloc, &err);
    if (st != FRZ_OK && st != FRZ_ERR_NOMEM)
      fail_msg("request %ld: %s: %s", n, frz_status_name(st), err.message);
    if (fault.requests < n) assert_int_equal(st, FRZ_OK);
    assert_int_equal(fault.live, 0);
    check_and_clear(&lake);
  } while (fault.requests >= n);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_refused_allocation_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
