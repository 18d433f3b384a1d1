/*
 * test_v3.c - tables of format version 3: creation, upgrade, and row ids of what is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "frazil/evolution.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/table/table_state.h"
#include "iceberg/write/snapshot_producer.h"
#include "test_lake.h"

static const frz_property version_3[] = {{"format-version", "3"}, {NULL, NULL}};

/* ---- what a table's snapshots and files say ---- */

typedef struct row_ids {
  int64_t next_row_id;
  int64_t first_row_id, added_rows; /* of the current snapshot */
  size_t n_files;
  struct {
    int64_t n_rows;
    int64_t first_row_id;
  } files[32]; /* by first row id */
} row_ids;

static int by_first_row_id(const void *a, const void *b)
{
  int64_t x = ((const int64_t *)a)[1], y = ((const int64_t *)b)[1];
  return (x > y) - (x < y);
}

static void add_files(row_ids *ids, frz_storage *storage, const frz_table_metadata *metadata,
                      const frz_manifest_file *manifest, frz_arena *arena)
{
  frz_error err = {0};
  const frz_manifest_entry *entries;
  size_t n_entries;
  frz_test_ok(frz_manifest_read(storage, metadata, manifest, false, NULL, 0, arena, &entries,
                                &n_entries, &err),
              &err);
  for (size_t i = 0; i < n_entries; i++) {
    assert_true(ids->n_files < 32);
    ids->files[ids->n_files].n_rows = entries[i].file.n_rows;
    ids->files[ids->n_files++].first_row_id = entries[i].file.first_row_id;
  }
}

static row_ids row_ids_of(const frz_table *table)
{
  frz_error err = {0};
  frz_arena arena;
  frz_table_metadata *metadata = frz_table_current(table);
  row_ids ids = {metadata->next_row_id, -1, -1, 0, {{0, 0}}};
  const frz_snapshot *head = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
  frz_arena_init(&arena, frz_alloc_default(), FRZ_LIMIT_MANIFEST_BYTES);
  if (head != NULL) {
    const frz_manifest_file *manifests;
    size_t n_manifests;
    ids.first_row_id = head->first_row_id;
    ids.added_rows = head->added_rows;
    frz_test_ok(frz_manifest_list_read(frz_table_storage(table), metadata, head, &arena, &manifests,
                                       &n_manifests, &err),
                &err);
    for (size_t i = 0; i < n_manifests; i++)
      if (manifests[i].content == FRZ_MANIFEST_DATA)
        add_files(&ids, frz_table_storage(table), metadata, &manifests[i], &arena);
  }
  qsort(ids.files, ids.n_files, sizeof ids.files[0], by_first_row_id);
  frz_arena_free(&arena);
  frz_table_metadata_release(metadata);
  return ids;
}

/* No two rows have one id, and all ids are below the next. */
static void check_disjoint(const row_ids *ids)
{
  for (size_t i = 0; i < ids->n_files; i++) {
    int64_t end = i + 1 < ids->n_files ? ids->files[i + 1].first_row_id : ids->next_row_id;
    assert_true(ids->files[i].first_row_id >= 0);
    assert_true(ids->files[i].first_row_id + ids->files[i].n_rows <= end);
  }
}

static void expect_ids(const frz_table *table, int64_t first_row_id, int64_t next_row_id)
{
  row_ids ids = row_ids_of(table);
  assert_int_equal(ids.first_row_id, first_row_id);
  assert_int_equal(ids.next_row_id, next_row_id);
  assert_int_equal(ids.added_rows, next_row_id - first_row_id);
  check_disjoint(&ids);
}

/* ---- creation and appends ---- */

static void test_a_table_is_created_and_written(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, version_3);
  assert_int_equal(row_ids_of(table).next_row_id, 0);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  expect_ids(table, 0, 10);
  frz_test_ok(frz_test_append(table, 10, 5, &err), &err);
  expect_ids(table, 10, 15);
  row_ids ids = row_ids_of(table);
  assert_int_equal(ids.n_files, 2);
  assert_int_equal(ids.files[0].first_row_id, 0);
  assert_int_equal(ids.files[0].n_rows, 10);
  assert_int_equal(ids.files[1].first_row_id, 10);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, 15);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_the_files_of_a_manifest_count_on(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "truncate(10, id)", version_3);
  frz_test_ok(frz_test_append(table, 0, 35, &err), &err);
  row_ids ids = row_ids_of(table);
  assert_int_equal(ids.n_files, 4);
  assert_int_equal(ids.next_row_id, 35);
  check_disjoint(&ids);
  /* A rewritten manifest keeps the ids of its files; their room is given away once more. */
  frz_test_ok(frz_table_delete(table, "id >= 10 and id < 20", NULL, NULL, &err), &err);
  row_ids after = row_ids_of(table);
  assert_int_equal(after.n_files, 3);
  assert_int_equal(after.first_row_id, 35);
  assert_int_equal(after.next_row_id, 35 + 25);
  size_t n_same = 0;
  for (size_t i = 0; i < 3; i++)
    for (size_t j = 0; j < 4; j++)
      n_same += after.files[i].first_row_id == ids.files[j].first_row_id &&
                after.files[i].n_rows == ids.files[j].n_rows;
  assert_int_equal(n_same, 3);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_merged_manifests_keep_row_ids(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  const frz_property merging[] = {
      {"format-version", "3"}, {"commit.manifest.min-count-to-merge", "3"}, {NULL, NULL}};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, merging);
  for (int i = 0; i < 6; i++) frz_test_ok(frz_test_append(table, i * 4, 4, &err), &err);
  row_ids ids = row_ids_of(table);
  assert_int_equal(ids.n_files, 6);
  check_disjoint(&ids);
  for (size_t i = 0; i < 3; i++) /* before the first merge, which gives room to 12 rows again */
    assert_int_equal(ids.files[i].first_row_id, 4 * (int64_t)i);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- upgrades ---- */

static void test_an_upgrade_starts_at_row_id_0(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  for (int32_t from = 1; from <= 2; from++) {
    char version[2] = {(char)('0' + from), '\0'};
    const frz_property properties[] = {{"format-version", version}, {NULL, NULL}};
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", NULL, properties);
    frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
    frz_test_ok(frz_table_upgrade(table, 3, &err), &err);
    row_ids before = row_ids_of(table);
    assert_int_equal(before.next_row_id, 0);
    assert_int_equal(before.first_row_id, -1);
    assert_int_equal(before.added_rows, -1);
    assert_int_equal(before.files[0].first_row_id, -1);
    /* The first commit after it gives ids to old files as well. */
    frz_test_ok(frz_test_append(table, 10, 5, &err), &err);
    expect_ids(table, 0, 15);
    frz_test_ok(frz_test_append(table, 15, 5, &err), &err);
    expect_ids(table, 15, 20);
    assert_int_equal(frz_test_scan(table, NULL).n_rows, 20);
    frz_table_free(table);
    frz_test_lake_close(&lake);
  }
}

static void test_versions_do_not_go_down(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_table_upgrade(table, 2, &err), &err);
  assert_int_equal(frz_table_upgrade(table, 1, &err), FRZ_ERR_INVALID);
  assert_int_equal(frz_table_upgrade(table, 0, &err), FRZ_ERR_INVALID);
  assert_int_equal(frz_table_upgrade(table, 4, &err), FRZ_ERR_INVALID);
  assert_int_equal(frz_table_upgrade(NULL, 3, &err), FRZ_ERR_INVALID);
  frz_test_ok(frz_table_set_properties(table, version_3, 1, NULL, 0, &err), &err);
  assert_int_equal(row_ids_of(table).next_row_id, 0);
  assert_int_equal(frz_table_upgrade(table, 2, &err), FRZ_ERR_INVALID);
  frz_test_ok(frz_table_upgrade(table, 3, &err), &err);
  const frz_property bad[] = {
      {"format-version", "4"}, {"format-version", ""}, {"format-version", "33"}};
  for (size_t i = 0; i < 3; i++)
    assert_int_equal(frz_table_set_properties(table, &bad[i], 1, NULL, 0, &err), FRZ_ERR_INVALID);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- attempts that lose ---- */

/* A port whose first commit is overtaken by an append through another handle. */
typedef struct overtaken_port {
  frz_commit_port port;
  const frz_commit_port *real;
  void *real_ctx;
  frz_table *other;
  int n_commits;
} overtaken_port;

static frz_status overtaken_load(void *ctx, const char *identifier, frz_loaded_table *loaded_out,
                                 frz_error *err)
{
  overtaken_port *port = ctx;
  return port->real->load(port->real_ctx, identifier, loaded_out, err);
}

static frz_status overtaken_commit(void *ctx, const char *identifier, const frz_loaded_table *base,
                                   const frz_requirement *requirements, size_t n_requirements,
                                   const frz_metadata_update *updates, size_t n_updates,
                                   frz_loaded_table *loaded_out, frz_error *err)
{
  overtaken_port *port = ctx;
  if (port->n_commits++ == 0) frz_test_ok(frz_test_append(port->other, 1000, 7, err), err);
  return port->real->commit(port->real_ctx, identifier, base, requirements, n_requirements, updates,
                            n_updates, loaded_out, err);
}

static void overtaken_nothing(void *ctx)
{
  (void)ctx;
}

/* Run an append (filter NULL) or a delete that is overtaken once. */
static void run_overtaken(frz_test_lake *lake, frz_table *table, const char *filter)
{
  frz_error err = {0};
  overtaken_port port = {.port = {.version = 1,
                                  .load = overtaken_load,
                                  .commit = overtaken_commit,
                                  .retain = overtaken_nothing,
                                  .release = overtaken_nothing},
                         .real = table->port,
                         .real_ctx = table->port_ctx};
  frz_test_ok(frz_catalog_load_table(lake->catalog, "ns.t", &port.other, &err), &err);
  table->port = &port.port;
  table->port_ctx = &port;
  if (filter == NULL)
    frz_test_ok(frz_test_append(table, 10, 5, &err), &err);
  else
    frz_test_ok(frz_table_delete(table, filter, NULL, NULL, &err), &err);
  assert_int_equal(port.n_commits, 2);
  table->port = port.real;
  table->port_ctx = port.real_ctx;
  frz_table_free(port.other);
}

static void test_each_attempt_assigns_row_ids_again(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, version_3);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  run_overtaken(&lake, table, NULL);
  expect_ids(table, 17, 22);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* The first attempt rewrites a manifest that has no row ids yet; the winner gives it some, which
 * the second attempt must keep. */
static void test_row_ids_of_the_winner_are_kept(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "truncate(10, id)", NULL);
  frz_test_ok(frz_test_append(table, 0, 20, &err), &err);
  frz_test_ok(frz_table_upgrade(table, 3, &err), &err);
  run_overtaken(&lake, table, "id < 10");
  row_ids ids = row_ids_of(table);
  assert_int_equal(ids.first_row_id, 27);
  assert_int_equal(ids.n_files, 2);
  check_disjoint(&ids);
  for (size_t i = 0; i < 2; i++) assert_true(ids.files[i].first_row_id < 27);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- delete files ---- */

static void test_delete_files_of_the_other_version_are_refused(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  for (int version = 2; version <= 3; version++) {
    char name[8];
    snprintf(name, sizeof name, "t%d", version);
    frz_table *table = frz_test_lake_table(&lake, name, NULL, version == 3 ? version_3 : NULL);
    const frz_data_file added = {.content = FRZ_CONTENT_POSITION_DELETES,
                                 .path = FRZ_STR("file:///deletes"),
                                 .format = version == 3 ? FRZ_FORMAT_PARQUET : FRZ_FORMAT_PUFFIN,
                                 .n_rows = 1,
                                 .size_bytes = 10,
                                 .sort_order_id = -1,
                                 .first_row_id = -1,
                                 .content_offset = -1,
                                 .content_size_bytes = -1};
    const frz_snapshot_change change = {
        .operation = "delete", .added = &added, .n_added = 1, .added_sequence_number = -1};
    assert_int_equal(frz_snapshot_commit(table, &change, NULL, &err), FRZ_ERR_CONFLICT);
    assert_non_null(strstr(err.message, "file:///deletes"));
    assert_non_null(strstr(err.message, version == 3 ? "version 3" : "version 2"));
    frz_table_free(table);
  }
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_table_is_created_and_written),
      cmocka_unit_test(test_the_files_of_a_manifest_count_on),
      cmocka_unit_test(test_merged_manifests_keep_row_ids),
      cmocka_unit_test(test_an_upgrade_starts_at_row_id_0),
      cmocka_unit_test(test_versions_do_not_go_down),
      cmocka_unit_test(test_each_attempt_assigns_row_ids_again),
      cmocka_unit_test(test_row_ids_of_the_winner_are_kept),
      cmocka_unit_test(test_delete_files_of_the_other_version_are_refused),
  };
  return cmocka_run_group_tests_name("v3", tests, NULL, NULL);
}
