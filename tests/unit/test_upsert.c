/*
 * test_upsert.c - rows updated and inserted by key: what is written, left alone and refused.
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
#include "iceberg/table/table_state.h"
#include "test_lake.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define NO_ID INT64_MIN

static const frz_arrow_field FIELDS[] = {
    {.name = {"id", 2}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}},
    {.name = {"name", 4}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_STRING}}};

/* A row to write, and one to find: NO_ID and NULL are null. */
typedef struct pair {
  int64_t id;
  const char *name;
} pair;

static void stream_of(const pair *pairs, size_t n, size_t n_fields, struct ArrowArrayStream *out)
{
  frz_error err = {0};
  frz_batch batch;
  frz_test_ok(frz_batch_init(&batch, FIELDS, n_fields, frz_alloc_default(), &err), &err);
  for (size_t i = 0; i < n; i++) {
    frz_column *ids = &batch.columns[0];
    frz_test_ok(pairs[i].id == NO_ID ? frz_column_append_nulls(ids, 1, &err)
                                     : frz_column_append_value(ids, &pairs[i].id, 8, &err),
                &err);
    if (n_fields == 1) continue;
    frz_column *names = &batch.columns[1];
    const char *name = pairs[i].name;
    frz_test_ok(name == NULL ? frz_column_append_nulls(names, 1, &err)
                             : frz_column_append_value(names, name, strlen(name), &err),
                &err);
  }
  batch.n_rows = (int64_t)n;
  frz_test_ok(
      frz_stream_export_batches(FIELDS, n_fields, &batch, 1, frz_alloc_default(), out, &err), &err);
}

typedef struct fixture {
  frz_test_lake lake;
  frz_table *table;
  frz_write_options options;
} fixture;

static void open_table(fixture *self, const char *version, const char *spec, frz_write_mode mode)
{
  const frz_property properties[] = {{"format-version", version}, {NULL, NULL}};
  frz_test_lake_open(&self->lake, NULL);
  self->table = frz_test_lake_table(&self->lake, "t", spec, properties);
  frz_write_options_init(&self->options);
  self->options.mode = mode;
}

static void close_table(fixture *self)
{
  frz_table_free(self->table);
  frz_test_lake_close(&self->lake);
}

static const char *const BY_ID[] = {"id"};
static const char *const BY_BOTH[] = {"id", "name"};

static frz_status try_upsert(const fixture *self, frz_table *table, const pair *pairs, size_t n,
                             const char *const *keys, size_t n_keys, frz_write_result *result,
                             frz_error *err)
{
  struct ArrowArrayStream stream;
  stream_of(pairs, n, 2, &stream);
  frz_status st = frz_table_upsert(table, &stream, keys, n_keys, &self->options, result, err);
  assert_null(stream.release);
  return st;
}

static frz_write_result upsert(const fixture *self, const pair *pairs, size_t n)
{
  frz_error err = {0};
  frz_write_result result = {0};
  frz_test_ok(try_upsert(self, self->table, pairs, n, BY_ID, 1, &result, &err), &err);
  return result;
}

static void expect_result(frz_write_result result, int64_t n_added, int64_t n_updated,
                          int64_t n_deleted)
{
  assert_int_equal(result.n_rows_added, n_added);
  assert_int_equal(result.n_rows_updated, n_updated);
  assert_int_equal(result.n_rows_deleted, n_deleted);
  assert_int_equal(result.snapshot_id == -1, n_added + n_updated + n_deleted == 0);
}

static void append(frz_table *table, int64_t first, int64_t n_rows)
{
  frz_error err = {0};
  frz_test_ok(frz_test_append(table, first, n_rows, &err), &err);
}

static int64_t count(frz_table *table, const char *filter)
{
  return frz_test_scan(table, filter).n_rows;
}

static void expect_operation(frz_table *table, const char *operation)
{
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_snapshot *head = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
  assert_true(frz_str_is(head->operation, operation));
  frz_table_metadata_release(metadata);
}

/* ---- what is written ---- */

static void check_updates_and_inserts(const char *version, const char *spec, frz_write_mode mode)
{
  fixture self;
  static const pair rows[] = {{3, "three"}, {4, "n4"}, {7, NULL}, {14, "not null"}, {500, "new"}};
  open_table(&self, version, spec, mode);
  append(self.table, 0, 50);
  append(self.table, 50, 50);
  frz_write_result result = upsert(&self, rows, LENGTH(rows));
  expect_result(result, 1, 2, 0); /* 4 and 7 are as they were */
  expect_operation(self.table, "overwrite");
  if (mode == FRZ_WRITE_MERGE_ON_READ) {
    assert_int_equal(result.n_files_deleted, 0);
    assert_true(result.n_delete_files_added >= 1);
  } else {
    assert_true(result.n_files_deleted >= 1);
    assert_int_equal(result.n_delete_files_added, 0);
  }
  assert_int_equal(count(self.table, NULL), 101);
  assert_int_equal(frz_test_scan(self.table, NULL).id_sum, 4950 + 500);
  assert_int_equal(count(self.table, "id = 3 and name = 'three'"), 1);
  assert_int_equal(count(self.table, "id in (3, 4, 7, 14, 500)"), 5);
  assert_int_equal(count(self.table, "name = 'not null' or name = 'new'"), 2);
  expect_result(upsert(&self, rows, LENGTH(rows)), 0, 0, 0); /* once is enough */
  close_table(&self);
}

static void test_rows_are_updated_and_inserted(void **state)
{
  (void)state;
  static const char *const versions[] = {"1", "2", "3"};
  static const char *const specs[] = {NULL, "bucket(4, id)", "truncate(10, id)"};
  for (size_t i = 0; i < LENGTH(versions); i++) {
    for (size_t k = 0; k < LENGTH(specs); k++) {
      check_updates_and_inserts(versions[i], specs[k], FRZ_WRITE_COPY_ON_WRITE);
      if (i > 0) check_updates_and_inserts(versions[i], specs[k], FRZ_WRITE_MERGE_ON_READ);
    }
  }
}

static void test_an_upsert_that_matches_nothing_is_an_append(void **state)
{
  (void)state;
  fixture self;
  static const pair rows[] = {{1, "a"}, {2, "b"}};
  static const pair more[] = {{3, "c"}};
  open_table(&self, "2", NULL, FRZ_WRITE_BY_TABLE);
  expect_result(upsert(&self, rows, 0), 0, 0, 0);
  expect_result(upsert(&self, rows, 2), 2, 0, 0); /* the table is empty */
  expect_operation(self.table, "append");
  expect_result(upsert(&self, more, 1), 1, 0, 0);
  expect_operation(self.table, "append");
  assert_int_equal(count(self.table, NULL), 3);
  close_table(&self);
}

static void test_a_file_of_which_every_row_changes_is_dropped(void **state)
{
  (void)state;
  fixture self;
  static const pair rows[] = {{0, "x"}, {1, "x"}, {2, "x"}};
  open_table(&self, "2", NULL, FRZ_WRITE_MERGE_ON_READ);
  append(self.table, 0, 3);
  frz_write_result result = upsert(&self, rows, 3);
  expect_result(result, 0, 3, 0);
  assert_int_equal(result.n_files_deleted, 1);
  assert_int_equal(result.n_delete_files_added, 0);
  assert_int_equal(count(self.table, "name = 'x'"), 3);
  close_table(&self);
}

static void test_a_null_key_matches_nothing(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  frz_write_result result;
  static const pair rows[] = {{NO_ID, "a"}, {NO_ID, "b"}, {1, NULL}};
  open_table(&self, "2", NULL, FRZ_WRITE_BY_TABLE);
  expect_result(upsert(&self, rows, 3), 3, 0, 0); /* two nulls are no key twice */
  expect_result(upsert(&self, rows, 2), 2, 0, 0);
  assert_int_equal(count(self.table, "id is null"), 4);
  frz_test_ok(try_upsert(&self, self.table, rows + 2, 1, BY_BOTH, 2, &result, &err), &err);
  expect_result(result, 1, 0, 0);
  close_table(&self);
}

static void test_keys_of_several_columns(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  frz_write_result result;
  static const pair rows[] = {{1, "a"}, {1, "b"}, {2, "a"}};
  static const pair more[] = {{1, "a"}, {2, "b"}, {1, "ab"}};
  static const char *const swapped[] = {"name", "id"};
  open_table(&self, "2", NULL, FRZ_WRITE_BY_TABLE);
  frz_test_ok(try_upsert(&self, self.table, rows, 3, BY_BOTH, 2, &result, &err), &err);
  expect_result(result, 3, 0, 0);
  frz_test_ok(try_upsert(&self, self.table, more, 3, swapped, 2, &result, &err), &err);
  expect_result(result, 2, 0, 0);
  assert_int_equal(count(self.table, NULL), 5);
  close_table(&self);
}

/* More keys than are listed in a filter: their range leaves files out, and all are found. */
static void test_many_keys(void **state)
{
  (void)state;
  enum { N = 3000 };
  fixture self;
  pair *rows = malloc(N * sizeof *rows);
  open_table(&self, "2", NULL, FRZ_WRITE_MERGE_ON_READ);
  append(self.table, 0, 2000);
  append(self.table, 100000, 10);
  for (int64_t i = 0; i < N; i++) rows[i] = (pair){N - i, "x"};
  expect_result(upsert(&self, rows, N), N - 1999, 1999, 0);
  assert_int_equal(count(self.table, NULL), 1 + N + 10);
  assert_int_equal(count(self.table, "name = 'x'"), N);
  free(rows);
  close_table(&self);
}

static void test_rows_of_the_table_with_one_key_become_one(void **state)
{
  (void)state;
  fixture self;
  static const pair changed[] = {{3, "x"}};
  static const pair same[] = {{4, "n4"}};
  open_table(&self, "2", NULL, FRZ_WRITE_MERGE_ON_READ);
  for (int i = 0; i < 3; i++) append(self.table, 0, 10);
  expect_result(upsert(&self, changed, 1), 0, 1, 2);
  assert_int_equal(count(self.table, "id = 3"), 1);
  expect_result(upsert(&self, same, 1), 0, 0, 2); /* one stays as it is */
  assert_int_equal(count(self.table, "id = 4"), 1);
  assert_int_equal(count(self.table, NULL), 26);
  close_table(&self);
}

static void test_deleted_rows_are_not_found(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  static const pair rows[] = {{3, "x"}, {4, "x"}};
  open_table(&self, "3", NULL, FRZ_WRITE_MERGE_ON_READ);
  append(self.table, 0, 10);
  frz_test_ok(frz_table_delete(self.table, "id = 3", &self.options, NULL, &err), &err);
  expect_result(upsert(&self, rows, 2), 1, 1, 0);
  assert_int_equal(count(self.table, NULL), 10);
  assert_int_equal(count(self.table, "name = 'x'"), 2);
  close_table(&self);
}

static void test_the_mode_is_that_of_updates(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  static const pair rows[] = {{3, "x"}}, more[] = {{4, "x"}};
  const frz_property merge = {"write.update.mode", "merge-on-read"};
  const frz_property wrong = {"write.update.mode", "sometimes"};
  const frz_property level = {"write.update.isolation-level", "none"};
  open_table(&self, "2", NULL, FRZ_WRITE_BY_TABLE);
  append(self.table, 0, 10);
  assert_int_equal(upsert(&self, rows, 1).n_delete_files_added, 0);
  frz_test_ok(frz_table_set_properties(self.table, &merge, 1, NULL, 0, &err), &err);
  assert_int_equal(upsert(&self, more, 1).n_delete_files_added, 1);
  frz_test_ok(frz_table_set_properties(self.table, &wrong, 1, NULL, 0, &err), &err);
  assert_int_equal(try_upsert(&self, self.table, rows, 1, BY_ID, 1, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "table property 'write.update.mode': 'sometimes' is neither "
                                   "copy-on-write nor merge-on-read");
  frz_test_ok(frz_table_set_properties(self.table, &merge, 1, NULL, 0, &err), &err);
  frz_test_ok(frz_table_set_properties(self.table, &level, 1, NULL, 0, &err), &err);
  assert_int_equal(try_upsert(&self, self.table, rows, 1, BY_ID, 1, NULL, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "write.update.isolation-level"));
  close_table(&self);
}

/* ---- lineage ---- */

typedef struct lineage {
  int64_t row_id;
  int64_t updated;
} lineage;

static lineage lineage_of(frz_table *table, const char *filter)
{
  static const char *const names[] = {"_row_id", "_last_updated_sequence_number"};
  frz_error err = {0};
  frz_scan *scan = NULL;
  frz_scan_options options;
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  frz_batch batch;
  frz_scan_options_init(&options);
  options.row_filter = filter;
  options.selected_fields = names;
  options.n_selected_fields = 2;
  frz_test_ok(frz_table_scan(table, &options, &scan, &err), &err);
  frz_test_ok(frz_scan_stream(scan, &stream, &err), &err);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
  assert_int_equal(batch.n_rows, 1);
  lineage found = {((const int64_t *)(const void *)batch.columns[0].values.data)[0],
                   ((const int64_t *)(const void *)batch.columns[1].values.data)[0]};
  frz_batch_dispose(&batch);
  frz_stream_reader_dispose(&reader);
  frz_scan_free(scan);
  return found;
}

static void test_updated_rows_keep_their_row_ids(void **state)
{
  (void)state;
  fixture self;
  static const pair rows[] = {{500, "new"}, {13, "x"}, {12, "n12"}, {3, "x"}};
  static const frz_write_mode modes[] = {FRZ_WRITE_COPY_ON_WRITE, FRZ_WRITE_MERGE_ON_READ};
  for (size_t i = 0; i < LENGTH(modes); i++) {
    open_table(&self, "3", NULL, modes[i]);
    append(self.table, 0, 10);
    append(self.table, 10, 10);
    lineage was = lineage_of(self.table, "id = 13");
    assert_int_equal(was.row_id, 13);
    expect_result(upsert(&self, rows, 4), 1, 2, 0);
    lineage now = lineage_of(self.table, "id = 13");
    assert_int_equal(now.row_id, 13);
    assert_int_equal(now.updated, 3);
    assert_int_equal(lineage_of(self.table, "id = 3").row_id, 3);
    now = lineage_of(self.table, "id = 12"); /* at most moved */
    assert_int_equal(now.row_id, 12);
    assert_int_equal(now.updated, 2);
    now = lineage_of(self.table, "id = 500");
    assert_true(now.row_id >= 20);
    assert_int_equal(now.updated, 3);
    close_table(&self);
  }
}

/* ---- what is refused ---- */

static void test_a_key_twice_in_the_data_is_refused(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  static const pair rows[] = {{1, "a"}, {2, "b"}, {1, "c"}, {2, "b"}};
  open_table(&self, "2", NULL, FRZ_WRITE_BY_TABLE);
  assert_int_equal(try_upsert(&self, self.table, rows, 4, BY_ID, 1, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "rows 0 and 2 of the data have one key: id=1");
  assert_int_equal(try_upsert(&self, self.table, rows, 4, BY_BOTH, 2, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "rows 1 and 3 of the data have one key: id=2, name=b");
  assert_int_equal(frz_test_count_files(&self.lake, "warehouse", ".parquet"), 0);
  close_table(&self);
}

static void test_join_columns_are_checked(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  static const pair rows[] = {{1, "a"}};
  static const char *const unknown[] = {"nope"}, *const twice[] = {"id", "id"};
  static const char *const upper[] = {"ID"};
  open_table(&self, "2", NULL, FRZ_WRITE_BY_TABLE);
  assert_int_equal(try_upsert(&self, self.table, rows, 1, NULL, 0, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message,
                      "no join columns are given, and the table has no identifier fields");
  assert_int_equal(try_upsert(&self, self.table, rows, 1, unknown, 1, NULL, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "nope"));
  assert_int_equal(try_upsert(&self, self.table, rows, 1, twice, 2, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "join column 'id' is named twice");
  assert_int_equal(try_upsert(&self, self.table, rows, 1, NULL, 1, NULL, &err), FRZ_ERR_INVALID);
  assert_int_equal(try_upsert(&self, NULL, rows, 1, BY_ID, 1, NULL, &err), FRZ_ERR_INVALID);
  assert_int_equal(try_upsert(&self, self.table, rows, 1, upper, 1, NULL, &err), FRZ_ERR_INVALID);
  self.options.case_sensitive = false;
  frz_test_ok(try_upsert(&self, self.table, rows, 1, upper, 1, NULL, &err), &err);
  const frz_schema_change add[] = {
      {.op = FRZ_SCHEMA_ADD_COLUMN, .path = "real", .type_text = "double"}};
  frz_test_ok(frz_table_update_schema(self.table, add, 1, &err), &err);
  static const char *const real[] = {"real"};
  assert_int_equal(try_upsert(&self, self.table, rows, 1, real, 1, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "join column 'real': a double cannot be a key");
  assert_int_equal(frz_table_upsert(self.table, NULL, BY_ID, 1, NULL, NULL, &err), FRZ_ERR_INVALID);
  close_table(&self);
}

/* A column that the data lacks: null in rows that are inserted, and no way to update one. */
static void test_a_missing_column_is_only_inserted(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  frz_write_result result;
  struct ArrowArrayStream stream;
  static const pair known[] = {{3, NULL}}, fresh[] = {{300, NULL}};
  open_table(&self, "2", NULL, FRZ_WRITE_BY_TABLE);
  append(self.table, 0, 10);
  stream_of(fresh, 1, 1, &stream);
  frz_test_ok(frz_table_upsert(self.table, &stream, BY_ID, 1, NULL, &result, &err), &err);
  expect_result(result, 1, 0, 0);
  assert_int_equal(count(self.table, "id = 300 and name is null"), 1);
  stream_of(known, 1, 1, &stream);
  assert_int_equal(frz_table_upsert(self.table, &stream, BY_ID, 1, NULL, &result, &err),
                   FRZ_ERR_INVALID);
  assert_string_equal(err.message,
                      "column 'name' is not in the data, of which row 0 would update a row");
  assert_int_equal(count(self.table, "id = 3 and name = 'n3'"), 1);
  close_table(&self);
}

/* ---- conflicts and branches ---- */

static void test_concurrent_upserts_of_one_key_conflict(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  frz_table *other;
  static const pair a[] = {{500, "a"}}, b[] = {{500, "b"}}, c[] = {{500, "c"}},
                    far[] = {{900, "a"}};
  static const frz_write_mode modes[] = {FRZ_WRITE_COPY_ON_WRITE, FRZ_WRITE_MERGE_ON_READ};
  for (size_t i = 0; i < LENGTH(modes); i++) {
    open_table(&self, "3", NULL, modes[i]);
    append(self.table, 0, 10);
    frz_test_ok(frz_catalog_load_table(self.lake.catalog, "ns.t", &other, &err), &err);
    upsert(&self, a, 1);
    frz_test_ok(try_upsert(&self, other, far, 1, BY_ID, 1, NULL, &err), &err);
    upsert(&self, a, 1); /* nothing to do, and the handle falls behind */
    upsert(&self, b, 1);
    assert_int_equal(try_upsert(&self, other, c, 1, BY_ID, 1, NULL, &err), FRZ_ERR_CONFLICT);
    frz_test_ok(frz_table_refresh(other, NULL, &err), &err);
    frz_test_ok(try_upsert(&self, other, c, 1, BY_ID, 1, NULL, &err), &err);
    assert_int_equal(count(other, "id = 500 and name = 'c'"), 1);
    assert_int_equal(count(other, NULL), 12);
    frz_table_free(other);
    close_table(&self);
  }
}

/* Snapshot isolation lets others add rows, not update the same one. */
static void test_a_row_is_updated_by_one_of_two(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  frz_table *other;
  static const pair a[] = {{3, "a"}}, b[] = {{3, "b"}}, far[] = {{900, "b"}};
  static const char *const versions[] = {"2", "3"};
  static const frz_write_mode modes[] = {FRZ_WRITE_COPY_ON_WRITE, FRZ_WRITE_MERGE_ON_READ};
  const frz_property level = {"write.update.isolation-level", "snapshot"};
  for (size_t i = 0; i < LENGTH(modes) * LENGTH(versions); i++) {
    open_table(&self, versions[i / 2], NULL, modes[i % 2]);
    frz_test_ok(frz_table_set_properties(self.table, &level, 1, NULL, 0, &err), &err);
    append(self.table, 0, 10);
    append(self.table, 900, 10);
    frz_test_ok(frz_catalog_load_table(self.lake.catalog, "ns.t", &other, &err), &err);
    upsert(&self, a, 1);
    assert_int_equal(try_upsert(&self, other, b, 1, BY_ID, 1, NULL, &err), FRZ_ERR_CONFLICT);
    frz_test_ok(try_upsert(&self, other, far, 1, BY_ID, 1, NULL, &err), &err); /* another file */
    assert_int_equal(count(other, "id = 3"), 1);
    frz_test_ok(try_upsert(&self, other, b, 1, BY_ID, 1, NULL, &err), &err);
    assert_int_equal(count(other, "id = 3 and name = 'b'"), 1);
    assert_int_equal(count(other, NULL), 20);
    frz_table_free(other);
    close_table(&self);
  }
}

static void test_upserts_go_to_a_branch(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  frz_ref_options ref;
  static const pair rows[] = {{3, "x"}, {300, "y"}};
  open_table(&self, "2", NULL, FRZ_WRITE_MERGE_ON_READ);
  append(self.table, 0, 10);
  frz_ref_options_init(&ref);
  ref.is_branch = true;
  frz_test_ok(frz_table_set_ref(self.table, "audit", &ref, &err), &err);
  append(self.table, 300, 1); /* on main alone */
  self.options.branch = "audit";
  expect_result(upsert(&self, rows, 2), 1, 1, 0);
  assert_int_equal(count(self.table, NULL), 11);
  assert_int_equal(count(self.table, "name = 'x'"), 0);
  expect_result(upsert(&self, rows, 2), 0, 0, 0);
  self.options.branch = "nope";
  assert_int_equal(try_upsert(&self, self.table, rows, 2, BY_ID, 1, NULL, &err), FRZ_ERR_NOT_FOUND);
  close_table(&self);
}

/* ---- key types ---- */

/* Every type that can be a key: the values of two rows, and another value. */
static void test_every_key_type(void **state)
{
  (void)state;
  static const struct {
    const char *type;
    frz_arrow_type arrow;
    uint8_t values[2][16];
    size_t size;
  } cases[] = {
      {"boolean", {.kind = FRZ_ARROW_BOOL}, {{0}, {1}}, 1},
      {"int", {.kind = FRZ_ARROW_INT32}, {{1}, {255, 255, 255, 255}}, 4},
      {"date", {.kind = FRZ_ARROW_DATE32}, {{1}, {2}}, 4},
      {"time", {.kind = FRZ_ARROW_TIME64, .unit = FRZ_UNIT_US}, {{1}, {2}}, 8},
      {"timestamp", {.kind = FRZ_ARROW_TIMESTAMP, .unit = FRZ_UNIT_US}, {{1}, {2}}, 8},
      {"string", {.kind = FRZ_ARROW_STRING}, {"a", "b"}, 1},
      {"binary", {.kind = FRZ_ARROW_BINARY}, {{0}, {255}}, 1},
      {"fixed[3]", {.kind = FRZ_ARROW_FIXED, .byte_width = 3}, {"abc", "abd"}, 3},
      {"uuid", {.kind = FRZ_ARROW_FIXED, .byte_width = 16}, {"0123456789abcde", "0123"}, 16},
      {"decimal(9, 2)",
       {.kind = FRZ_ARROW_DECIMAL128, .byte_width = 16, .precision = 9, .scale = 2},
       {{1}, {2}},
       16},
  };
  static const char *const by_key[] = {"k"};
  for (size_t i = 0; i < LENGTH(cases); i++) {
    fixture self;
    frz_error err = {0};
    open_table(&self, "2", NULL, FRZ_WRITE_MERGE_ON_READ);
    const frz_schema_change add = {
        .op = FRZ_SCHEMA_ADD_COLUMN, .path = "k", .type_text = cases[i].type};
    frz_test_ok(frz_table_update_schema(self.table, &add, 1, &err), &err);
    for (int64_t round = 0; round < 3; round++) {
      const frz_arrow_field fields[] = {
          FIELDS[0],
          FIELDS[1],
          {.name = {"k", 1}, .nullable = true, .field_id = -1, .type = cases[i].arrow}};
      frz_batch batch;
      frz_write_result result;
      struct ArrowArrayStream stream;
      frz_test_ok(frz_batch_init(&batch, fields, 3, frz_alloc_default(), &err), &err);
      for (int64_t row = 0; row < 2; row++) {
        int64_t id = round == 2 && row == 1 ? 77 : row; /* the last round changes one of them */
        frz_test_ok(frz_column_append_value(&batch.columns[0], &id, 8, &err), &err);
        frz_test_ok(frz_column_append_value(&batch.columns[1], "x", 1, &err), &err);
        frz_test_ok(
            frz_column_append_value(&batch.columns[2], cases[i].values[row], cases[i].size, &err),
            &err);
      }
      batch.n_rows = 2;
      frz_test_ok(
          frz_stream_export_batches(fields, 3, &batch, 1, frz_alloc_default(), &stream, &err),
          &err);
      frz_test_ok(frz_table_upsert(self.table, &stream, by_key, 1, &self.options, &result, &err),
                  &err);
      expect_result(result, round == 0 ? 2 : 0, round == 2 ? 1 : 0, 0);
    }
    assert_int_equal(frz_test_scan(self.table, NULL).id_sum, 77);
    close_table(&self);
  }
}

/* ---- at random ---- */

static uint64_t next_random(uint64_t *state)
{
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

static void check_random_upserts(const char *version, const char *spec, frz_write_mode mode,
                                 uint64_t *seed)
{
  enum { IDS = 60, STEPS = 15 };
  static const char *const names[] = {"a", "b", NULL};
  int now[IDS]; /* the name's index; -1: absent */
  fixture self;
  open_table(&self, version, spec, mode);
  memset(now, -1, sizeof now);
  for (int step = 0; step < STEPS; step++) {
    pair rows[IDS];
    size_t n = 0;
    int64_t n_added = 0, n_updated = 0, n_all = 0;
    for (int id = 0; id < IDS; id++) {
      if (next_random(seed) % 4 != 0) continue;
      int name = (int)(next_random(seed) % 3);
      rows[n++] = (pair){id, names[name]};
      n_added += now[id] < 0;
      n_updated += now[id] >= 0 && now[id] != name;
      now[id] = name;
    }
    expect_result(upsert(&self, rows, n), n_added, n_updated, 0);
    int64_t n_a = 0, n_null = 0;
    for (int id = 0; id < IDS; id++) {
      n_all += now[id] >= 0;
      n_a += now[id] == 0;
      n_null += now[id] == 2;
    }
    assert_int_equal(count(self.table, NULL), n_all);
    assert_int_equal(count(self.table, "name = 'a'"), n_a);
    assert_int_equal(count(self.table, "name is null"), n_null);
  }
  close_table(&self);
}

static void test_random_upserts_agree_with_a_model(void **state)
{
  (void)state;
  uint64_t seed = 11;
  check_random_upserts("2", NULL, FRZ_WRITE_COPY_ON_WRITE, &seed);
  check_random_upserts("2", "bucket(3, id)", FRZ_WRITE_MERGE_ON_READ, &seed);
  check_random_upserts("3", "name", FRZ_WRITE_MERGE_ON_READ, &seed); /* rows change partitions */
  check_random_upserts("3", "truncate(16, id)", FRZ_WRITE_COPY_ON_WRITE, &seed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rows_are_updated_and_inserted),
      cmocka_unit_test(test_an_upsert_that_matches_nothing_is_an_append),
      cmocka_unit_test(test_a_file_of_which_every_row_changes_is_dropped),
      cmocka_unit_test(test_a_null_key_matches_nothing),
      cmocka_unit_test(test_keys_of_several_columns),
      cmocka_unit_test(test_many_keys),
      cmocka_unit_test(test_rows_of_the_table_with_one_key_become_one),
      cmocka_unit_test(test_deleted_rows_are_not_found),
      cmocka_unit_test(test_the_mode_is_that_of_updates),
      cmocka_unit_test(test_updated_rows_keep_their_row_ids),
      cmocka_unit_test(test_a_key_twice_in_the_data_is_refused),
      cmocka_unit_test(test_join_columns_are_checked),
      cmocka_unit_test(test_a_missing_column_is_only_inserted),
      cmocka_unit_test(test_concurrent_upserts_of_one_key_conflict),
      cmocka_unit_test(test_a_row_is_updated_by_one_of_two),
      cmocka_unit_test(test_upserts_go_to_a_branch),
      cmocka_unit_test(test_every_key_type),
      cmocka_unit_test(test_random_upserts_agree_with_a_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
