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

#include "arrow/arrow_stream.h"
#include "base/limits.h"
#include "frazil/evolution.h"
#include "iceberg/scan/metadata_columns.h"
#include "iceberg/table/table_state.h"
#include "iceberg/write/table_write.h"
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

/* Rows that are written again would leave ids behind that they got since they were read. */
static void test_row_ids_given_meanwhile_are_a_conflict(void **state)
{
  (void)state;
  for (int appends = 0; appends < 2; appends++) {
    frz_test_lake lake;
    frz_error err = {0};
    frz_table *stale;
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
    frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
    frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.t", &stale, &err), &err);
    frz_test_ok(frz_table_upgrade(table, 3, &err), &err);
    if (appends) frz_test_ok(frz_test_append(table, 100, 10, &err), &err); /* all rows get ids */
    frz_status st = frz_table_delete(stale, "id = 3", NULL, NULL, &err);
    assert_int_equal(st, appends ? FRZ_ERR_CONFLICT : FRZ_OK);
    if (appends) assert_non_null(strstr(err.message, "row ids"));
    frz_test_ok(frz_table_refresh(stale, NULL, &err), &err);
    if (appends) frz_test_ok(frz_table_delete(stale, "id = 3", NULL, NULL, &err), &err);
    assert_int_equal(frz_test_scan(stale, NULL).n_rows, appends ? 19 : 9);
    frz_table_free(stale);
    frz_table_free(table);
    frz_test_lake_close(&lake);
  }
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

/* ---- lineage of rows ---- */

typedef struct lineage {
  int64_t id, row_id, last_updated, pos; /* row_id, last_updated: -1 is null */
  char file[300];
} lineage;

enum { ROWS_MAX = 128 };

static int64_t long_at(const frz_column *column, int64_t row)
{
  if (frz_column_is_null(column, row)) return -1;
  return ((const int64_t *)(const void *)column->values.data)[row];
}

static int by_id(const void *a, const void *b)
{
  int64_t x = ((const lineage *)a)->id, y = ((const lineage *)b)->id;
  return (x > y) - (x < y);
}

/* Every row, by id. `snapshot_id` 0: the current one. */
static size_t read_lineage(frz_table *table, int64_t snapshot_id, const char *filter,
                           lineage rows[ROWS_MAX])
{
  static const char *const names[] = {"_pos",    "id",    "_LAST_updated_sequence_number",
                                      "_row_id", "_file", "_pos"};
  frz_error err = {0};
  frz_scan *scan;
  frz_scan_options options;
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  size_t n = 0;
  frz_scan_options_init(&options);
  options.selected_fields = names;
  options.n_selected_fields = 6;
  options.case_sensitive = false;
  options.snapshot_id = snapshot_id;
  options.row_filter = filter;
  options.batch_rows_max = 4;
  frz_test_ok(frz_table_scan(table, &options, &scan, &err), &err);
  frz_test_ok(frz_scan_stream(scan, &stream, &err), &err);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  assert_int_equal(reader.n_fields, 5);
  assert_true(frz_str_is(reader.fields[2].name, "_last_updated_sequence_number"));
  assert_int_equal(reader.fields[3].field_id, FRZ_FIELD_ID_ROW_ID);
  for (;;) {
    frz_batch batch;
    frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
    if (batch.n_rows == 0) break;
    for (int64_t i = 0; i < batch.n_rows; i++) {
      lineage *row = &rows[n++];
      assert_true(n <= ROWS_MAX);
      row->pos = long_at(&batch.columns[0], i);
      row->id = long_at(&batch.columns[1], i);
      row->last_updated = long_at(&batch.columns[2], i);
      row->row_id = long_at(&batch.columns[3], i);
      frz_str file = frz_column_bytes(&batch.columns[4], i);
      snprintf(row->file, sizeof row->file, "%.*s", FRZ_STR_ARG(file));
    }
    frz_batch_dispose(&batch);
  }
  frz_stream_reader_dispose(&reader);
  frz_scan_free(scan);
  qsort(rows, n, sizeof *rows, by_id);
  return n;
}

static void test_rows_tell_their_lineage(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  lineage rows[ROWS_MAX];
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, version_3);
  assert_int_equal(read_lineage(table, 0, NULL, rows), 0);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  frz_test_ok(frz_test_append(table, 10, 5, &err), &err);
  assert_int_equal(read_lineage(table, 0, NULL, rows), 15);
  for (int i = 0; i < 15; i++) {
    assert_int_equal(rows[i].id, i);
    assert_int_equal(rows[i].row_id, i);
    assert_int_equal(rows[i].last_updated, i < 10 ? 1 : 2);
    assert_int_equal(rows[i].pos, i % 10);
    assert_non_null(strstr(rows[i].file, ".parquet"));
    assert_int_equal(strcmp(rows[i].file, rows[0].file) == 0, i < 10);
  }
  assert_int_equal(read_lineage(table, 0, "id >= 7 and id < 12", rows), 5);
  assert_int_equal(rows[0].row_id, 7);
  assert_int_equal(rows[0].pos, 7);
  assert_int_equal(rows[4].row_id, 11);
  assert_int_equal(rows[4].pos, 1);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_rewritten_rows_keep_their_lineage(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  lineage rows[ROWS_MAX];
  struct ArrowArrayStream stream;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "bucket(3, id)", version_3);
  frz_test_ok(frz_test_append(table, 0, 20, &err), &err);
  lineage before[ROWS_MAX];
  assert_int_equal(read_lineage(table, 0, NULL, before), 20);
  frz_test_ok(frz_table_delete(table, "id < 3", NULL, NULL, &err), &err);
  frz_test_rows(20, 4, frz_alloc_default(), &stream);
  frz_test_ok(frz_table_overwrite(table, &stream, "id < 6", NULL, NULL, &err), &err);
  /* A file that mixes old rows with new ones is written again. */
  frz_test_ok(frz_table_delete(table, "id = 19", NULL, NULL, &err), &err);
  int64_t next = row_ids_of(table).next_row_id;
  assert_int_equal(read_lineage(table, 0, NULL, rows), 17);
  for (int i = 0; i < 17; i++) {
    int64_t id = i < 13 ? i + 6 : i + 7;
    assert_int_equal(rows[i].id, id);
    if (id < 20) {
      assert_int_equal(rows[i].row_id, before[id].row_id);
      assert_int_equal(rows[i].last_updated, 1);
    } else {
      assert_true(rows[i].row_id >= 20 && rows[i].row_id < next);
      assert_int_equal(rows[i].last_updated, 3);
    }
    for (int k = 0; k < i; k++) assert_int_not_equal(rows[k].row_id, rows[i].row_id);
  }
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_older_versions_have_no_lineage(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  lineage rows[ROWS_MAX];
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(table, 0, 10, &err), &err);
  frz_test_ok(frz_table_delete(table, "id = 0", NULL, NULL, &err), &err);
  int64_t before = frz_table_current_snapshot_id(table);
  for (int upgraded = 0; upgraded < 2; upgraded++) {
    assert_int_equal(read_lineage(table, 0, NULL, rows), 9);
    for (int i = 0; i < 9; i++) {
      assert_int_equal(rows[i].row_id, -1);
      assert_int_equal(rows[i].last_updated, -1);
      assert_int_equal(rows[i].pos, i);
    }
    frz_test_ok(frz_table_upgrade(table, 3, &err), &err);
  }
  /* Rows that had no id get one where they are written again: nothing is there to keep. */
  frz_test_ok(frz_table_delete(table, "id = 1", NULL, NULL, &err), &err);
  assert_int_equal(read_lineage(table, 0, NULL, rows), 8);
  for (int i = 0; i < 8; i++) {
    assert_int_equal(rows[i].row_id, i);
    assert_int_equal(rows[i].last_updated, 3);
  }
  assert_int_equal(read_lineage(table, before, NULL, rows), 9);
  assert_int_equal(rows[0].row_id, -1);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static frz_batch rows_of_batch(int64_t n_rows, bool is_new, const int64_t *ids,
                               const int64_t *numbers)
{
  static const frz_arrow_field fields[] = {{.nullable = true, .type = {.kind = FRZ_ARROW_INT64}},
                                           {.nullable = true, .type = {.kind = FRZ_ARROW_STRING}}};
  frz_batch batch;
  frz_error err = {0};
  frz_test_ok(frz_batch_init(&batch, fields, 2, frz_alloc_default(), &err), &err);
  for (int64_t i = 0; i < n_rows; i++)
    frz_test_ok(frz_column_append_value(&batch.columns[0], &i, sizeof i, &err), &err);
  frz_test_ok(frz_column_append_nulls(&batch.columns[1], n_rows, &err), &err);
  batch.n_rows = n_rows;
  if (!is_new) frz_test_ok(frz_batch_append_lineage(&batch, ids, numbers, &err), &err);
  return batch;
}

/* What a writer of changed rows does: old ids with new numbers, moved rows, and new ones. */
static void test_a_writer_takes_lineage(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_arena arena;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, version_3);
  frz_test_ok(frz_test_append(table, 100, 10, &err), &err);
  frz_table_metadata *metadata = frz_table_current(table);
  frz_data_file_writer *writer;
  frz_arena_init(&arena, frz_alloc_default(), FRZ_LIMIT_MANIFEST_BYTES);
  frz_test_ok(frz_table_open_writer(table, metadata, &writer, &err), &err);
  frz_batch unasked = rows_of_batch(1, false, (const int64_t[]){1}, NULL);
  assert_int_equal(unasked.n_columns, 4);
  frz_test_ok(frz_data_file_writer_add_lineage(writer, &err), &err);
  frz_test_ok(frz_data_file_writer_add_lineage(writer, &err), &err);
  frz_batch batches[] = {
      rows_of_batch(2, false, (const int64_t[]){7, 8}, NULL),                     /* changed */
      rows_of_batch(2, false, (const int64_t[]){5, -1}, (const int64_t[]){1, 1}), /* moved */
      rows_of_batch(1, true, NULL, NULL),                                         /* new */
  };
  for (size_t i = 0; i < 3; i++) {
    frz_test_ok(frz_data_file_writer_write(writer, &batches[i], &err), &err);
    frz_batch_dispose(&batches[i]);
  }
  frz_snapshot_change change = {.operation = "append", .added_sequence_number = -1};
  frz_test_ok(frz_data_file_writer_finish(writer, &arena, &change.added, &change.n_added, &err),
              &err);
  assert_int_equal(change.n_added, 1);
  for (size_t i = 0; i < change.added[0].n_lower_bounds; i++)
    assert_true(change.added[0].lower_bounds[i].field_id < 100);
  frz_data_file_writer_keep(writer);
  frz_test_ok(frz_snapshot_commit(table, &change, NULL, &err), &err);
  lineage rows[ROWS_MAX];
  assert_int_equal(read_lineage(table, 0, "id < 100", rows), 5);
  const struct {
    int64_t pos, row_id, last_updated;
  } expected[] = {{0, 7, 2}, {1, 8, 2}, {2, 5, 1}, {3, 13, 1}, {4, 14, 2}};
  for (size_t i = 0; i < 5; i++)
    for (size_t k = 0; k < 5; k++)
      if (rows[k].pos == expected[i].pos) {
        assert_int_equal(rows[k].row_id, expected[i].row_id);
        assert_int_equal(rows[k].last_updated, expected[i].last_updated);
      }
  frz_data_file_writer_free(writer);
  /* A writer that was not told refuses them. */
  frz_test_ok(frz_table_open_writer(table, metadata, &writer, &err), &err);
  assert_int_equal(frz_data_file_writer_write(writer, &unasked, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "batch of 4 columns"));
  frz_batch_dispose(&unasked);
  frz_data_file_writer_free(writer);
  frz_arena_free(&arena);
  frz_table_metadata_release(metadata);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- types that are known by name ---- */

/* Columns of geometry and geography are carried in schemas; the others can be read. */
static void test_geometry_is_refused_by_name(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_scan *scan;
  static const char *const others[] = {"id"};
  const frz_schema_change add = {
      .op = FRZ_SCHEMA_ADD_COLUMN, .path = "where", .type_text = "geography(srid:4326, vincenty)"};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_test_ok(frz_test_append(table, 0, 5, &err), &err);
  assert_int_equal(frz_table_update_schema(table, &add, 1, &err), FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "format version 3"));
  frz_test_ok(frz_table_upgrade(table, 3, &err), &err);
  frz_test_ok(frz_table_update_schema(table, &add, 1, &err), &err);
  frz_string json;
  frz_test_ok(frz_table_metadata_json(table, &json, &err), &err);
  assert_non_null(strstr(json.data, "\"type\":\"geography(srid:4326, vincenty)\""));
  frz_string_dispose(&json);
  frz_scan_options options;
  frz_scan_options_init(&options);
  assert_int_equal(frz_table_scan(table, &options, &scan, &err), FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "column 'where' (id 3): values of type geography"));
  options.selected_fields = others;
  options.n_selected_fields = 1;
  frz_test_ok(frz_table_scan(table, &options, &scan, &err), &err);
  struct ArrowArrayStream stream;
  frz_test_ok(frz_scan_stream(scan, &stream, &err), &err);
  struct ArrowArray array;
  assert_int_equal(stream.get_next(&stream, &array), 0);
  assert_int_equal(array.length, 5);
  array.release(&array);
  stream.release(&stream);
  frz_scan_free(scan);
  assert_int_equal(frz_test_append(table, 5, 5, &err), FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "'where'"));
  assert_int_equal(frz_table_delete(table, "id = 2", NULL, NULL, &err), FRZ_ERR_UNSUPPORTED);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- encryption ---- */

/* Nothing is written in the open to a table whose files should be encrypted. */
static void test_encrypted_tables_are_not_written(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  const frz_property key = {"encryption.key-id", "master"};
  const char *const removed[] = {"encryption.key-id"};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, version_3);
  frz_test_ok(frz_test_append(table, 0, 5, &err), &err);
  frz_test_ok(frz_table_set_properties(table, &key, 1, NULL, 0, &err), &err);
  assert_int_equal(frz_test_append(table, 5, 5, &err), FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "'master'"));
  assert_int_equal(frz_table_delete(table, "id = 1", NULL, NULL, &err), FRZ_ERR_UNSUPPORTED);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, 5);
  frz_test_ok(frz_table_set_properties(table, NULL, 0, removed, 1, &err), &err);
  frz_test_ok(frz_test_append(table, 5, 5, &err), &err);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_encrypted_manifest_lists_are_named(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_arena arena;
  const frz_manifest_file *manifests;
  size_t n;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, version_3);
  frz_test_ok(frz_test_append(table, 0, 5, &err), &err);
  frz_table_metadata *metadata = frz_table_current(table);
  frz_snapshot snapshot = metadata->snapshots[0];
  snapshot.key_id = FRZ_STR("key 7");
  frz_arena_init(&arena, frz_alloc_default(), FRZ_LIMIT_MANIFEST_BYTES);
  assert_int_equal(frz_manifest_list_read(frz_table_storage(table), metadata, &snapshot, &arena,
                                          &manifests, &n, &err),
                   FRZ_ERR_UNSUPPORTED);
  assert_non_null(strstr(err.message, "'key 7'"));
  frz_arena_free(&arena);
  frz_table_metadata_release(metadata);
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
      cmocka_unit_test(test_row_ids_given_meanwhile_are_a_conflict),
      cmocka_unit_test(test_each_attempt_assigns_row_ids_again),
      cmocka_unit_test(test_row_ids_of_the_winner_are_kept),
      cmocka_unit_test(test_rows_tell_their_lineage),
      cmocka_unit_test(test_rewritten_rows_keep_their_lineage),
      cmocka_unit_test(test_older_versions_have_no_lineage),
      cmocka_unit_test(test_a_writer_takes_lineage),
      cmocka_unit_test(test_geometry_is_refused_by_name),
      cmocka_unit_test(test_encrypted_tables_are_not_written),
      cmocka_unit_test(test_encrypted_manifest_lists_are_named),
      cmocka_unit_test(test_delete_files_of_the_other_version_are_refused),
  };
  return cmocka_run_group_tests_name("v3", tests, NULL, NULL);
}
