/*
 * test_compact.c - files and manifests that are written anew: the rows stay what they are, beside
 * other writers and whatever fails.
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
#include "delete_writer.h"
#include "frazil/evolution.h"
#include "frazil/maintenance.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/table/table_state.h"
#include "test_lake.h"
#include "troubled_store.h"

static const frz_property version_3[] = {{"format-version", "3"}, {NULL, NULL}};
static const frz_property no_merge[] = {{"commit.manifest-merge.enabled", "false"}, {NULL, NULL}};

static frz_table *load(frz_catalog *catalog, const char *identifier)
{
  frz_table *table;
  frz_error err = {0};
  frz_test_ok(frz_catalog_load_table(catalog, identifier, &table, &err), &err);
  return table;
}

static void append_each(frz_table *table, int64_t first, int n_files, int64_t n_rows)
{
  frz_error err = {0};
  for (int i = 0; i < n_files; i++)
    frz_test_ok(frz_test_append(table, first + i * n_rows, n_rows, &err), &err);
}

static frz_compact_options everything(void)
{
  frz_compact_options options;
  frz_compact_options_init(&options);
  options.rewrite_all = true;
  return options;
}

static frz_compact_result compact(frz_table *table, const frz_compact_options *options)
{
  frz_error err = {0};
  frz_compact_result result;
  frz_test_ok(frz_table_compact(table, options, &result, &err), &err);
  return result;
}

/* Delete rows 0 to n - 1 of the data file whose path is first among the table's, by position. */
static void delete_positions(frz_table *table, int64_t n_rows)
{
  frz_error err = {0};
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  frz_batch files, rows;
  frz_test_ok(frz_table_inspect(table, "files", 0, &stream, &err), &err);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_stream_reader_next(&reader, &files, &err), &err);
  frz_str path = frz_column_bytes(&files.columns[1], 0);
  frz_test_ok(frz_batch_init(&rows, frz_test_position_fields(), 2, frz_alloc_default(), &err),
              &err);
  for (int64_t i = 0; i < n_rows; i++) {
    frz_test_ok(frz_column_append_value(&rows.columns[0], path.data, path.size, &err), &err);
    frz_test_ok(frz_column_append_value(&rows.columns[1], &i, sizeof i, &err), &err);
  }
  rows.n_rows = n_rows;
  frz_test_ok(frz_test_delete_positions(table, &rows, false, &err), &err);
  frz_batch_dispose(&rows);
  frz_batch_dispose(&files);
  frz_stream_reader_dispose(&reader);
}

static void delete_on_read(frz_table *table, const char *filter)
{
  frz_error err = {0};
  frz_write_options options;
  frz_write_options_init(&options);
  options.mode = FRZ_WRITE_MERGE_ON_READ;
  frz_test_ok(frz_table_delete(table, filter, &options, NULL, &err), &err);
}

static void delete_key(frz_table *table, int64_t id)
{
  static const frz_arrow_field field = {
      .name = {"id", 2}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}};
  static const int32_t key[] = {1};
  frz_error err = {0};
  frz_batch rows;
  frz_test_ok(frz_batch_init(&rows, &field, 1, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_column_append_value(&rows.columns[0], &id, sizeof id, &err), &err);
  rows.n_rows = 1;
  frz_test_ok(frz_test_delete_keys(table, key, 1, 0, &rows, &err), &err);
  frz_batch_dispose(&rows);
}

static void expect_rows(frz_table *table, int64_t n_rows, int64_t id_sum)
{
  frz_test_sum sum = frz_test_scan(table, NULL);
  assert_int_equal(sum.n_rows, n_rows);
  assert_int_equal(sum.id_sum, id_sum);
}

/* What live files the current snapshot has. */
typedef struct live_files {
  size_t n_data, n_deletes, n_manifests;
  int64_t n_rows;
  int64_t sequence_min, sequence_max; /* of data files */
  int64_t row_id_sum;
  int32_t sort_order_id; /* of all data files; -2: they differ */
  int32_t spec_id_max;
} live_files;

static void add_manifest(live_files *live, frz_storage *storage, const frz_table_metadata *metadata,
                         const frz_manifest_file *manifest)
{
  frz_error err = {0};
  frz_arena arena;
  const frz_manifest_entry *entries;
  size_t n_entries;
  frz_arena_init(&arena, frz_alloc_default(), FRZ_LIMIT_MANIFEST_BYTES);
  frz_test_ok(frz_manifest_read(storage, metadata, manifest, false, NULL, 0, &arena, &entries,
                                &n_entries, &err),
              &err);
  for (size_t i = 0; i < n_entries; i++) {
    const frz_manifest_entry *entry = &entries[i];
    if (entry->file.content != FRZ_CONTENT_DATA) {
      live->n_deletes++;
      continue;
    }
    if (live->n_data == 0) {
      live->sequence_min = live->sequence_max = entry->data_sequence_number;
      live->sort_order_id = entry->file.sort_order_id;
    }
    live->n_data++;
    live->n_rows += entry->file.n_rows;
    live->row_id_sum += entry->file.first_row_id;
    if (entry->data_sequence_number < live->sequence_min)
      live->sequence_min = entry->data_sequence_number;
    if (entry->data_sequence_number > live->sequence_max)
      live->sequence_max = entry->data_sequence_number;
    if (entry->file.sort_order_id != live->sort_order_id) live->sort_order_id = -2;
    if (entry->file.spec_id > live->spec_id_max) live->spec_id_max = entry->file.spec_id;
  }
  frz_arena_free(&arena);
}

static live_files live_of(frz_table *table)
{
  live_files live = {0};
  frz_error err = {0};
  frz_arena arena;
  const frz_manifest_file *manifests;
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_snapshot *head = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
  frz_arena_init(&arena, frz_alloc_default(), FRZ_LIMIT_MANIFEST_BYTES);
  frz_test_ok(frz_manifest_list_read(frz_table_storage(table), metadata, head, &arena, &manifests,
                                     &live.n_manifests, &err),
              &err);
  for (size_t i = 0; i < live.n_manifests; i++)
    add_manifest(&live, frz_table_storage(table), metadata, &manifests[i]);
  frz_arena_free(&arena);
  frz_table_metadata_release(metadata);
  return live;
}

static void expect_operation(frz_table *table, const char *operation)
{
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_snapshot *head = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
  assert_true(frz_str_is(head->operation, operation));
  frz_table_metadata_release(metadata);
}

/* ---- which files ---- */

static void test_small_files_are_joined(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  frz_compact_result result = compact(table, NULL);
  assert_int_equal(result.snapshot_id, -1); /* an empty table */
  append_each(table, 0, 4, 10);
  assert_int_equal(compact(table, NULL).snapshot_id, -1); /* fewer than five */
  append_each(table, 40, 1, 10);
  result = compact(table, NULL);
  assert_int_equal(result.snapshot_id, frz_table_current_snapshot_id(table));
  assert_int_equal(result.n_files_before, 5);
  assert_int_equal(result.n_files_after, 1);
  assert_int_equal(result.n_rows, 50);
  assert_true(result.n_bytes_after > 0 && result.n_bytes_after < result.n_bytes_before);
  expect_rows(table, 50, 49 * 25);
  expect_operation(table, "replace");
  assert_int_equal(live_of(table).n_data, 1);
  assert_int_equal(live_of(table).sequence_max, 5); /* of the snapshot that was read */
  assert_int_equal(compact(table, NULL).snapshot_id, -1);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_options_choose_files(void **state)
{
  (void)state;
  static const struct {
    const char *label;
    frz_compact_options options;
    int64_t n_before, n_after;
  } cases[] = {
      {"two are enough", {.min_input_files = 2}, 6, 1},
      {"ten are needed", {.min_input_files = 10}, 0, 0},
      {"more than a target's worth", {.min_input_files = 10, .target_file_bytes = 2000}, 6, 1},
      {"no file is small", {.min_file_bytes = 10}, 0, 0},
      {"all, small or not", {.min_file_bytes = 10, .rewrite_all = true}, 6, 1},
      {"every file is too large", {.target_file_bytes = 50, .max_file_bytes = 60}, 6, 6},
      {"groups of one", {.max_group_bytes = 1}, 0, 0},
      {"by filter", {.row_filter = "id < 20", .min_input_files = 2}, 2, 1},
      {"by a filter that nothing matches", {.row_filter = "id < 0", .rewrite_all = true}, 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    frz_test_lake lake;
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
    frz_compact_options options = cases[i].options;
    options.struct_bytes = sizeof options;
    append_each(table, 0, 6, 10);
    frz_compact_result result = compact(table, &options);
    if (result.n_files_before != cases[i].n_before || result.n_files_after != cases[i].n_after)
      fail_msg("%s: %lld to %lld", cases[i].label, (long long)result.n_files_before,
               (long long)result.n_files_after);
    expect_rows(table, 60, 59 * 30);
    frz_table_free(table);
    frz_test_lake_close(&lake);
  }
}

static void test_options_are_checked(void **state)
{
  (void)state;
  static const struct {
    frz_compact_options options;
    const char *words;
  } cases[] = {
      {{.target_file_bytes = -1}, "target_file_bytes -1 is negative"},
      {{.min_input_files = -1}, "min_input_files"},
      {{.delete_ratio = 1.5}, "delete_ratio 1.5"},
      {{.target_file_bytes = 100, .min_file_bytes = 200}, "is not between"},
      {{.sort_order = ""}, "the table has no sort order"},
      {{.sort_order = "nothing"}, "nothing"},
      {{.row_filter = "nothing = 1"}, "nothing"},
  };
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  append_each(table, 0, 2, 10);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    frz_error err = {0};
    frz_compact_options options = cases[i].options;
    options.struct_bytes = sizeof options;
    assert_int_equal(frz_table_compact(table, &options, NULL, &err), FRZ_ERR_INVALID);
    if (strstr(err.message, cases[i].words) == NULL) fail_msg("%s", err.message);
  }
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_partitions_and_old_specs(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "bucket(2, id)", NULL);
  append_each(table, 0, 5, 10);
  frz_compact_result result = compact(table, NULL);
  assert_int_equal(result.n_files_before, 10);
  assert_int_equal(result.n_files_after, 2);
  const frz_spec_change changes[] = {{.op = FRZ_SPEC_REMOVE_FIELD, .name = "id_bucket"},
                                     {.op = FRZ_SPEC_ADD_FIELD, .term = "truncate(100, id)"}};
  frz_test_ok(frz_table_update_spec(table, changes, 2, &err), &err);
  append_each(table, 50, 1, 10);
  frz_compact_options options = everything();
  result = compact(table, &options);
  assert_int_equal(result.n_files_before, 3);
  assert_int_equal(result.n_files_after, 2); /* a group of the old spec, one of the new */
  expect_rows(table, 60, 59 * 30);
  assert_int_equal(frz_test_scan(table, "id >= 50").n_rows, 10);
  assert_int_equal(compact(table, &options).n_files_after, 1);
  expect_rows(table, 60, 59 * 30);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- deletes ---- */

static void test_much_deleted_files_are_rewritten(void **state)
{
  (void)state;
  for (int64_t i = 0; i < 4; i++) { /* position delete files, then deletion vectors */
    int64_t n_deleted = i % 2 == 0 ? 29 : 30;
    frz_test_lake lake;
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", NULL, i < 2 ? NULL : version_3);
    append_each(table, 0, 1, 100);
    delete_on_read(table, n_deleted == 29 ? "id < 29" : "id < 30");
    frz_compact_result result = compact(table, NULL);
    assert_int_equal(result.n_files_before, n_deleted == 30);
    assert_int_equal(result.n_delete_files_removed, n_deleted == 30);
    live_files live = live_of(table);
    assert_int_equal(live.n_deletes, n_deleted != 30);
    assert_int_equal(live.n_rows, n_deleted == 30 ? 70 : 100);
    assert_int_equal(frz_test_scan(table, NULL).n_rows, 100 - n_deleted);
    frz_table_free(table);
    frz_test_lake_close(&lake);
  }
}

/* A delete file goes when the last data file it may apply to was rewritten, not before. */
static void test_deletes_that_still_apply_stay(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  append_each(table, 0, 2, 10);
  delete_key(table, 3);
  delete_key(table, 13);
  append_each(table, 20, 1, 10);
  frz_compact_options options = everything();
  options.row_filter = "id < 10";
  frz_compact_result result = compact(table, &options);
  assert_int_equal(result.n_files_before, 1);
  assert_int_equal(result.n_delete_files_removed, 1); /* by its bounds it holds 3 alone */
  assert_int_equal(live_of(table).n_deletes, 1);
  expect_rows(table, 28, 29 * 15 - 16);
  options.row_filter = "id >= 20";
  assert_int_equal(compact(table, &options).n_delete_files_removed, 0);
  options.row_filter = NULL;
  result = compact(table, &options);
  assert_int_equal(result.n_delete_files_removed, 1);
  assert_int_equal(result.n_rows, 28);
  assert_int_equal(live_of(table).n_deletes, 0);
  expect_rows(table, 28, 29 * 15 - 16);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_a_table_whose_rows_are_all_deleted(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  append_each(table, 0, 1, 10);
  delete_positions(table, 10);
  frz_compact_options options = everything();
  frz_compact_result result = compact(table, &options);
  assert_int_equal(result.n_files_after, 0);
  assert_int_equal(result.n_delete_files_removed, 1);
  assert_int_equal(live_of(table).n_data, 0);
  expect_rows(table, 0, 0);
  append_each(table, 0, 1, 10);
  expect_rows(table, 10, 45);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* One Puffin file holds the vectors of two data files, of which one is rewritten. */
static void test_a_vector_goes_without_its_neighbours(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, version_3);
  append_each(table, 0, 2, 10);
  delete_on_read(table, "id = 3 or id = 13");
  assert_int_equal(live_of(table).n_deletes, 2);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".puffin"), 1);
  frz_compact_options options = everything();
  options.row_filter = "id < 10";
  assert_int_equal(compact(table, &options).n_delete_files_removed, 1);
  assert_int_equal(live_of(table).n_deletes, 1);
  expect_rows(table, 18, 19 * 10 - 16);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- other writers: the compaction plans on what its stale handle shows ---- */

static void test_appends_and_equality_deletes_meanwhile(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table *first = frz_test_lake_table(&lake, "t", NULL, NULL);
  append_each(first, 0, 5, 10);
  frz_table *stale = load(lake.catalog, "ns.t");
  append_each(first, 50, 1, 10);
  delete_key(first, 7);
  delete_key(first, 55);
  frz_compact_result result = compact(stale, NULL);
  assert_int_equal(result.n_files_before, 5);
  expect_rows(stale, 58, 59 * 30 - 62);
  live_files live = live_of(stale);
  assert_int_equal(live.n_data, 2);
  assert_int_equal(live.n_deletes, 2);
  assert_int_equal(live.sequence_min, 5); /* older than the deletes: they go on applying */
  frz_table_free(stale);
  frz_table_free(first);
  frz_test_lake_close(&lake);
}

/* Rows that move to another spec would leave the reach of a delete in the partition they were in.
 */
static void test_equality_deletes_of_an_old_spec_are_a_conflict(void **state)
{
  (void)state;
  const frz_spec_change changes[] = {{.op = FRZ_SPEC_REMOVE_FIELD, .name = "id_bucket"},
                                     {.op = FRZ_SPEC_ADD_FIELD, .term = "truncate(100, id)"}};
  for (int changes_spec = 0; changes_spec < 2; changes_spec++) {
    frz_test_lake lake;
    frz_error err = {0};
    frz_test_lake_open(&lake, NULL);
    frz_table *first = frz_test_lake_table(&lake, "t", "bucket(1, id)", NULL);
    append_each(first, 0, 5, 10);
    if (changes_spec) frz_test_ok(frz_table_update_spec(first, changes, 2, &err), &err);
    frz_table *stale = load(lake.catalog, "ns.t");
    delete_key(first, 7); /* of spec 0 */
    frz_status st = frz_table_compact(stale, NULL, NULL, &err);
    assert_int_equal(st, changes_spec ? FRZ_ERR_CONFLICT : FRZ_OK);
    if (changes_spec) assert_non_null(strstr(err.message, "may hide rows of a rewritten file"));
    frz_test_ok(frz_table_refresh(stale, NULL, &err), &err);
    expect_rows(stale, 49, 49 * 25 - 7);
    frz_table_free(stale);
    frz_table_free(first);
    frz_test_lake_close(&lake);
  }
}

/* Planned without sequence numbers, the new files would be younger than the deletes. */
static void test_equality_deletes_after_an_upgrade_are_a_conflict(void **state)
{
  (void)state;
  const frz_property version_1[] = {{"format-version", "1"}, {NULL, NULL}};
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *first = frz_test_lake_table(&lake, "t", NULL, version_1);
  append_each(first, 0, 5, 10);
  frz_table *stale = load(lake.catalog, "ns.t");
  frz_test_ok(frz_table_upgrade(first, 2, &err), &err);
  delete_key(first, 7);
  assert_int_equal(frz_table_compact(stale, NULL, NULL, &err), FRZ_ERR_CONFLICT);
  assert_non_null(strstr(err.message, "may hide rows of a rewritten file"));
  frz_test_ok(frz_table_refresh(stale, NULL, &err), &err);
  compact(stale, NULL);
  expect_rows(stale, 49, 49 * 25 - 7);
  frz_table_free(stale);
  frz_table_free(first);
  frz_test_lake_close(&lake);
}

typedef enum meanwhile { POSITIONS, POSITIONS_OF_SEVERAL, VECTORS, REMOVAL, REWRITE } meanwhile;

static void test_rows_deleted_meanwhile_are_a_conflict(void **state)
{
  (void)state;
  for (int what = POSITIONS; what <= REWRITE; what++) {
    frz_test_lake lake;
    frz_error err = {0};
    frz_test_lake_open(&lake, NULL);
    frz_table *first = frz_test_lake_table(&lake, "t", NULL, what == VECTORS ? version_3 : NULL);
    append_each(first, 0, 5, 10);
    frz_table *stale = load(lake.catalog, "ns.t");
    frz_compact_options all = everything();
    if (what == POSITIONS || what == VECTORS)
      delete_on_read(first, "id = 3 or id = 13");
    else if (what == POSITIONS_OF_SEVERAL)
      delete_positions(first, 2);
    else if (what == REMOVAL)
      frz_test_ok(frz_table_delete(first, "id < 10", NULL, NULL, &err), &err);
    else
      compact(first, &all);
    frz_test_sum before = frz_test_scan(first, NULL);
    assert_int_equal(frz_table_compact(stale, NULL, NULL, &err), FRZ_ERR_CONFLICT);
    assert_non_null(strstr(err.message, what <= VECTORS ? "which may hide rows of a rewritten file"
                                                        : "was removed by a concurrent commit"));
    frz_test_ok(frz_table_refresh(stale, NULL, &err), &err);
    expect_rows(stale, before.n_rows, before.id_sum);
    compact(stale, &all);
    expect_rows(stale, before.n_rows, before.id_sum);
    frz_table_free(stale);
    frz_table_free(first);
    frz_test_lake_close(&lake);
  }
}

/* ---- sorting ---- */

typedef struct order_check {
  int64_t last;
  int64_t n_falls; /* rows that come after a smaller one */
  int64_t n_rows;
} order_check;

/* How well the ids fall, through the whole table. */
static order_check check_order(frz_table *table)
{
  order_check check = {.last = INT64_MAX};
  frz_error err = {0};
  frz_scan *scan;
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  frz_test_ok(frz_table_scan(table, NULL, &scan, &err), &err);
  frz_test_ok(frz_scan_stream(scan, &stream, &err), &err);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  for (;;) {
    frz_batch batch;
    frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
    if (batch.n_rows == 0) break;
    const int64_t *ids = (const int64_t *)(const void *)batch.columns[0].values.data;
    for (int64_t i = 0; i < batch.n_rows; i++) {
      check.n_falls += ids[i] > check.last;
      check.last = ids[i];
    }
    check.n_rows += batch.n_rows;
    frz_batch_dispose(&batch);
  }
  frz_stream_reader_dispose(&reader);
  frz_scan_free(scan);
  return check;
}

static void test_rows_are_sorted(void **state)
{
  (void)state;
  static const struct {
    const char *own, *asked;
    int64_t n_falls;
    int32_t id;
  } orders[] = {
      {NULL, "id desc", 0, -1},     {"truncate(10, id) desc, id desc", "", 0, 1},
      {"id desc", "id desc", 0, 1}, {"id desc", "id", 499, -1}, /* not the table's: no claim */
      {"id desc", NULL, 0, 1},                                  /* as in every write */
  };
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    frz_test_lake lake;
    frz_error err = {0};
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
    append_each(table, 0, 5, 100);
    if (orders[i].own != NULL)
      frz_test_ok(frz_table_set_sort_order(table, orders[i].own, &err), &err);
    frz_compact_options options = everything();
    options.sort_order = orders[i].asked;
    assert_int_equal(compact(table, &options).n_files_after, 1);
    order_check check = check_order(table);
    assert_int_equal(check.n_falls, orders[i].n_falls);
    assert_int_equal(check.n_rows, 500);
    assert_int_equal(live_of(table).sort_order_id, orders[i].id);
    expect_rows(table, 500, 499 * 250);
    frz_table_free(table);
    frz_test_lake_close(&lake);
  }
}

/* More rows than fit: several runs, each sorted, none mixed with another in a file. */
static void test_runs_when_memory_is_short(void **state)
{
  (void)state;
  enum { ROWS = 60000, FILES = 5 };
  frz_test_lake lake;
  frz_error err = {0};
  frz_context *context;
  frz_context_options little;
  frz_context_options_init(&little);
  little.memory_limit_bytes = 8 << 20;
  frz_test_lake_open(&lake, NULL);
  frz_test_ok(frz_context_create(&little, &context, &err), &err);
  frz_catalog *catalog = frz_test_lake_connect(&lake, context);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  append_each(table, 0, FILES, ROWS);
  frz_table *other = load(catalog, "ns.t");
  frz_test_ok(frz_table_set_sort_order(other, "id desc", &err), &err);
  frz_compact_options options = everything();
  options.sort_order = "";
  frz_compact_result result = compact(other, &options);
  assert_true(result.n_files_after > 1);
  order_check check = check_order(other);
  assert_int_equal(check.n_rows, ROWS * FILES);
  assert_true(check.n_falls < result.n_files_after); /* between files alone */
  assert_int_equal(live_of(other).sort_order_id, 1);
  frz_table_free(table);
  frz_table_free(other);
  frz_catalog_free(catalog);
  frz_context_free(context);
  frz_test_lake_close(&lake);
}

/* ---- format version 3 ---- */

typedef struct lineage {
  int64_t n_rows, weighted; /* sum of (id + 1) * (_row_id + 1) */
  int64_t updated_sum;
} lineage;

static lineage lineage_of(frz_table *table)
{
  static const char *const names[] = {"id", "_row_id", "_last_updated_sequence_number"};
  lineage sum = {0};
  frz_error err = {0};
  frz_scan *scan;
  frz_scan_options options;
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  frz_scan_options_init(&options);
  options.selected_fields = names;
  options.n_selected_fields = 3;
  frz_test_ok(frz_table_scan(table, &options, &scan, &err), &err);
  frz_test_ok(frz_scan_stream(scan, &stream, &err), &err);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  for (;;) {
    frz_batch batch;
    frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
    if (batch.n_rows == 0) break;
    const int64_t *ids = (const int64_t *)(const void *)batch.columns[0].values.data;
    const int64_t *rows = (const int64_t *)(const void *)batch.columns[1].values.data;
    const int64_t *updated = (const int64_t *)(const void *)batch.columns[2].values.data;
    for (int64_t i = 0; i < batch.n_rows; i++) {
      sum.weighted += (ids[i] + 1) * (rows[i] + 1);
      sum.updated_sum += updated[i];
    }
    sum.n_rows += batch.n_rows;
    frz_batch_dispose(&batch);
  }
  frz_stream_reader_dispose(&reader);
  frz_scan_free(scan);
  return sum;
}

static void test_rows_keep_their_ids(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, version_3);
  append_each(table, 0, 5, 10);
  frz_test_ok(frz_table_delete(table, "id = 4 or id = 44", NULL, NULL, &err), &err);
  lineage before = lineage_of(table);
  assert_int_equal(before.n_rows, 48);
  frz_compact_options options = everything();
  options.sort_order = "id desc";
  compact(table, &options);
  lineage after = lineage_of(table);
  assert_memory_equal(&before, &after, sizeof before);
  append_each(table, 50, 5, 10);
  before = lineage_of(table);
  frz_manifests_result manifests;
  frz_test_ok(frz_table_rewrite_manifests(table, &manifests, &err), &err);
  assert_int_equal(manifests.n_manifests_after, 1);
  after = lineage_of(table);
  assert_memory_equal(&before, &after, sizeof before);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- failures ---- */

static void test_no_failure_changes_rows(void **state)
{
  (void)state;
  for (long n = 1;; n++) {
    frz_test_lake lake;
    frz_error err = {0};
    frz_test_lake_open(&lake, NULL);
    frz_table *table = frz_test_lake_table(&lake, "t", "bucket(2, id)", NULL);
    append_each(table, 0, 3, 10);
    delete_positions(table, 2);
    frz_test_sum before = frz_test_scan(table, NULL);
    size_t n_files = frz_test_count_files(&lake, "warehouse", ".parquet");
    frz_storage *real = table->storage;
    frz_troubled_store trouble = {.real = real, .refuse_at = n};
    table->storage = frz_troubled_store_wrap(&trouble, lake.context);
    frz_compact_options options = everything();
    frz_status st = frz_table_compact(table, &options, NULL, &err);
    if (st == FRZ_OK) st = frz_table_rewrite_manifests(table, NULL, &err);
    assert_true(st == FRZ_OK || st == FRZ_ERR_IO);
    long requests = trouble.requests;
    frz_storage_release(table->storage);
    table->storage = real;
    frz_test_ok(frz_table_refresh(table, NULL, &err), &err);
    expect_rows(table, before.n_rows, before.id_sum);
    /* Before the first attempt to commit, what was written is removed again. */
    size_t n_now = frz_test_count_files(&lake, "warehouse", ".parquet");
    assert_true(n_now == n_files || n_now == n_files + 2);
    frz_table_free(table);
    frz_test_lake_close(&lake);
    if (requests < n) break;
  }
}

static void test_compaction_can_be_cancelled(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  append_each(table, 0, 5, 10);
  frz_context_cancel(lake.context);
  assert_int_equal(frz_table_compact(table, NULL, NULL, &err), FRZ_ERR_CANCELLED);
  frz_context_resume(lake.context);
  assert_int_equal(frz_test_count_files(&lake, "warehouse", ".parquet"), 5);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

typedef struct progress_seen {
  int n_calls;
  int64_t n_done, n_total;
} progress_seen;

static void see_progress(void *ctx, int64_t n_done, int64_t n_total)
{
  progress_seen *seen = ctx;
  assert_true(n_done >= seen->n_done && n_done <= n_total);
  *seen = (progress_seen){seen->n_calls + 1, n_done, n_total};
}

static void test_progress_is_told(void **state)
{
  (void)state;
  frz_test_lake lake;
  progress_seen seen = {0};
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", NULL, NULL);
  append_each(table, 0, 5, 10);
  frz_compact_options options = everything();
  options.progress = see_progress;
  options.progress_ctx = &seen;
  compact(table, &options);
  assert_true(seen.n_calls >= 2); /* the first step and the last */
  assert_int_equal(seen.n_done, 5);
  assert_int_equal(seen.n_total, 5);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

/* ---- manifests ---- */

static void test_manifests_are_joined(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_manifests_result result;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "truncate(10, id)", no_merge);
  frz_test_ok(frz_table_rewrite_manifests(table, &result, &err), &err);
  assert_int_equal(result.snapshot_id, -1); /* an empty table */
  append_each(table, 0, 12, 5);
  delete_key(table, 3);
  delete_key(table, 13);
  frz_test_sum before = frz_test_scan(table, NULL);
  live_files old = live_of(table);
  assert_int_equal(old.n_manifests, 14);
  frz_test_ok(frz_table_rewrite_manifests(table, &result, &err), &err);
  assert_int_equal(result.n_manifests_before, 14);
  assert_int_equal(result.n_manifests_after, 2);
  expect_operation(table, "replace");
  expect_rows(table, before.n_rows, before.id_sum);
  live_files new = live_of(table);
  assert_int_equal(new.n_manifests, 2);
  assert_int_equal(new.n_data, old.n_data);
  assert_int_equal(new.n_deletes, old.n_deletes);
  assert_int_equal(new.sequence_min, old.sequence_min);
  assert_int_equal(new.sequence_max, old.sequence_max);
  frz_test_ok(frz_table_rewrite_manifests(table, &result, &err), &err);
  assert_int_equal(result.snapshot_id, -1);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static int64_t manifests_read(frz_table *table, const char *filter)
{
  frz_error err = {0};
  frz_troubled_store counting = {.real = table->storage};
  frz_context *context = frz_table_context(table);
  frz_storage *real = table->storage;
  table->storage = frz_troubled_store_wrap(&counting, context);
  frz_scan *scan;
  frz_scan_options options;
  struct ArrowArrayStream stream;
  frz_scan_options_init(&options);
  options.row_filter = filter;
  frz_test_ok(frz_table_scan(table, &options, &scan, &err), &err);
  frz_test_ok(frz_scan_plan_files(scan, &stream, &err), &err);
  frz_stream_reader reader;
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  for (int64_t n_rows = 1; n_rows != 0;) {
    frz_batch batch;
    frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
    n_rows = batch.n_rows;
    if (n_rows != 0) frz_batch_dispose(&batch);
  }
  frz_stream_reader_dispose(&reader);
  frz_scan_free(scan);
  frz_storage_release(table->storage);
  table->storage = real;
  return counting.requests - 1; /* the list */
}

/* Partitions that were scattered over all manifests lie together afterwards. */
static void test_manifests_are_clustered(void **state)
{
  (void)state;
  const frz_property small[] = {{"commit.manifest-merge.enabled", "false"},
                                {"commit.manifest.target-size-bytes", "6000"},
                                {NULL, NULL}};
  frz_test_lake lake;
  frz_error err = {0};
  frz_manifests_result result;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "t", "truncate(10, id)", small);
  append_each(table, 0, 1, 400);
  append_each(table, 0, 1, 400);
  append_each(table, 0, 1, 400);
  assert_int_equal(manifests_read(table, "id = 205"), 3);
  frz_test_ok(frz_table_rewrite_manifests(table, &result, &err), &err);
  assert_true(result.n_manifests_after > 1);
  assert_true(manifests_read(table, "id = 205") <= 2);
  assert_int_equal(frz_test_scan(table, "id = 205").n_rows, 3);
  expect_rows(table, 1200, 3 * 399 * 200);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_manifests_beside_other_writers(void **state)
{
  (void)state;
  for (int removes = 0; removes < 2; removes++) {
    frz_test_lake lake;
    frz_error err = {0};
    frz_manifests_result result;
    frz_test_lake_open(&lake, NULL);
    frz_table *first = frz_test_lake_table(&lake, "t", NULL, no_merge);
    append_each(first, 0, 5, 10);
    frz_table *stale = load(lake.catalog, "ns.t");
    append_each(first, 50, 1, 10);
    if (removes) frz_test_ok(frz_table_delete(first, "id < 5", NULL, NULL, &err), &err);
    frz_test_ok(frz_table_rewrite_manifests(stale, &result, &err), &err);
    /* What was there is kept beside the new one; what was rewritten meanwhile is joined anew. */
    assert_int_equal(result.n_manifests_after, removes ? 1 : 2);
    expect_rows(stale, removes ? 55 : 60, removes ? 59 * 30 - 10 : 59 * 30);
    assert_int_equal(live_of(stale).n_data, 6);
    frz_table_free(stale);
    frz_table_free(first);
    frz_test_lake_close(&lake);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small_files_are_joined),
      cmocka_unit_test(test_options_choose_files),
      cmocka_unit_test(test_options_are_checked),
      cmocka_unit_test(test_partitions_and_old_specs),
      cmocka_unit_test(test_much_deleted_files_are_rewritten),
      cmocka_unit_test(test_deletes_that_still_apply_stay),
      cmocka_unit_test(test_a_table_whose_rows_are_all_deleted),
      cmocka_unit_test(test_a_vector_goes_without_its_neighbours),
      cmocka_unit_test(test_appends_and_equality_deletes_meanwhile),
      cmocka_unit_test(test_equality_deletes_of_an_old_spec_are_a_conflict),
      cmocka_unit_test(test_equality_deletes_after_an_upgrade_are_a_conflict),
      cmocka_unit_test(test_rows_deleted_meanwhile_are_a_conflict),
      cmocka_unit_test(test_rows_are_sorted),
      cmocka_unit_test(test_runs_when_memory_is_short),
      cmocka_unit_test(test_rows_keep_their_ids),
      cmocka_unit_test(test_no_failure_changes_rows),
      cmocka_unit_test(test_compaction_can_be_cancelled),
      cmocka_unit_test(test_progress_is_told),
      cmocka_unit_test(test_manifests_are_joined),
      cmocka_unit_test(test_manifests_are_clustered),
      cmocka_unit_test(test_manifests_beside_other_writers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
