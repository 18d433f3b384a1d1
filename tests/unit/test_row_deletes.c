/*
 * test_row_deletes.c - merge-on-read: position delete files, deletion vectors, what they are
 * committed with and what they conflict with; commits to branches.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "delete_writer.h"
#include "iceberg/scan/delete_index.h"
#include "iceberg/scan/deletion_vector.h"
#include "iceberg/scan/position_deletes.h"
#include "iceberg/scan/scan_plan.h"
#include "iceberg/table/table_state.h"
#include "iceberg/write/snapshot_producer.h"
#include "parquet/read/parquet_reader.h"
#include "test_lake.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* ---- tables ---- */

typedef struct fixture {
  frz_test_lake lake;
  frz_table *table;
} fixture;

static void open_table(fixture *self, const char *version, const char *spec)
{
  const frz_property properties[] = {
      {"format-version", version}, {"commit.retry.min-wait-ms", "1"}, {NULL, NULL}};
  frz_test_lake_open(&self->lake, NULL);
  self->table = frz_test_lake_table(&self->lake, "t", spec, properties);
}

static void close_table(fixture *self)
{
  frz_table_free(self->table);
  frz_test_lake_close(&self->lake);
}

static void append(frz_table *table, int64_t first, int64_t n_rows)
{
  frz_error err = {0};
  frz_test_ok(frz_test_append(table, first, n_rows, &err), &err);
}

static void set_property(frz_table *table, const char *key, const char *value)
{
  frz_error err = {0};
  const frz_property property = {key, value};
  frz_test_ok(frz_table_set_properties(table, &property, 1, NULL, 0, &err), &err);
}

static frz_write_options with_mode(frz_write_mode mode)
{
  frz_write_options options;
  frz_write_options_init(&options);
  options.mode = mode;
  return options;
}

static frz_write_result delete_by(frz_table *table, frz_write_mode mode, const char *filter)
{
  frz_error err = {0};
  frz_write_result result = {0};
  frz_write_options options = with_mode(mode);
  frz_test_ok(frz_table_delete(table, filter, &options, &result, &err), &err);
  return result;
}

static frz_write_result hide(frz_table *table, const char *filter)
{
  return delete_by(table, FRZ_WRITE_MERGE_ON_READ, filter);
}

/* ---- what is there ---- */

static void expect_rows(frz_table *table, const char *filter, int64_t n_rows, int64_t id_sum)
{
  frz_test_sum sum = frz_test_scan(table, filter);
  assert_int_equal(sum.n_rows, n_rows);
  assert_int_equal(sum.id_sum, id_sum);
}

static const frz_snapshot *head_of(const frz_table_metadata *metadata, const char *branch)
{
  const frz_snapshot *head = NULL;
  frz_error err = {0};
  frz_test_ok(frz_branch_head(metadata, branch, &head, &err), &err);
  return head;
}

/* The head's operation, and pairs of key and value of its summary ("" for one that is absent). */
static void expect_summary(frz_table *table, const char *operation, const char *const *pairs)
{
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_snapshot *head = head_of(metadata, NULL);
  assert_non_null(head);
  if (!frz_str_is(head->operation, operation))
    fail_msg("operation '%.*s'", FRZ_STR_ARG(head->operation));
  frz_table_metadata_release(metadata);
  for (; *pairs != NULL; pairs += 2) {
    char found[FRZ_TEST_VALUE_BYTES];
    frz_test_summary(table, pairs[0], found);
    if (strcmp(found, pairs[1]) != 0) fail_msg("%s is '%s', not '%s'", pairs[0], found, pairs[1]);
  }
}

/* A plan of the whole table. */
typedef struct planned {
  frz_table_metadata *metadata;
  frz_scan_plan plan;
} planned;

static void plan_table(frz_table *table, planned *self)
{
  frz_error err = {0};
  self->metadata = frz_table_current(table);
  frz_test_ok(frz_scan_plan_make(frz_table_context(table), frz_table_storage(table), self->metadata,
                                 head_of(self->metadata, NULL),
                                 frz_metadata_current_schema(self->metadata), NULL, &self->plan,
                                 &err),
              &err);
}

static void plan_dispose(planned *self)
{
  frz_scan_plan_dispose(&self->plan);
  frz_table_metadata_release(self->metadata);
}

/* ---- position delete files ---- */

static void test_version_2_writes_position_deletes(void **state)
{
  (void)state;
  fixture self;
  open_table(&self, "2", NULL);
  append(self.table, 0, 100);
  frz_write_result result = hide(self.table, "id = 42");
  assert_int_equal(result.snapshot_id, frz_table_current_snapshot_id(self.table));
  assert_int_equal(result.n_rows_deleted, 1);
  assert_int_equal(result.n_rows_added, 0);
  assert_int_equal(result.n_files_added, 0);
  assert_int_equal(result.n_files_deleted, 0);
  assert_int_equal(result.n_delete_files_added, 1);
  const char *const first[] = {"added-delete-files",
                               "1",
                               "added-position-delete-files",
                               "1",
                               "added-position-deletes",
                               "1",
                               "added-dvs",
                               "",
                               "added-data-files",
                               "",
                               "total-delete-files",
                               "1",
                               "total-position-deletes",
                               "1",
                               "total-data-files",
                               "1",
                               "total-records",
                               "100",
                               NULL};
  expect_summary(self.table, "delete", first);
  expect_rows(self.table, NULL, 99, 4950 - 42);
  result = hide(self.table, "id >= 40 and id < 50"); /* 42 is gone already */
  assert_int_equal(result.n_rows_deleted, 9);
  assert_int_equal(result.n_delete_files_added, 1);
  const char *const second[] = {"added-position-deletes",
                                "9",
                                "total-delete-files",
                                "2",
                                "total-position-deletes",
                                "10",
                                NULL};
  expect_summary(self.table, "delete", second);
  expect_rows(self.table, NULL, 90, 4950 - 445);
  assert_int_equal(hide(self.table, "id = 42").snapshot_id, -1);
  assert_int_equal(frz_test_count_files(&self.lake, "warehouse", "-deletes.parquet"), 2);
  close_table(&self);
}

static void expect_position_file(const fixture *self, const frz_manifest_entry *entry,
                                 frz_str data_path, const int64_t *positions, size_t n)
{
  frz_error err = {0};
  frz_context *context = frz_table_context(self->table);
  frz_storage *storage = frz_table_storage(self->table);
  const frz_data_file *file = &entry->file;
  assert_int_equal(file->content, FRZ_CONTENT_POSITION_DELETES);
  assert_int_equal(file->format, FRZ_FORMAT_PARQUET);
  assert_true(frz_str_equal(file->referenced_data_file, data_path));
  assert_int_equal(file->n_rows, n);
  assert_int_equal(file->content_offset, -1);
  frz_str bound;
  assert_true(
      frz_bound_find(file->lower_bounds, file->n_lower_bounds, FRZ_FIELD_ID_DELETE_PATH, &bound));
  assert_true(frz_str_equal(bound, data_path)); /* whole, though a temporary folder is long */
  assert_true(
      frz_bound_find(file->upper_bounds, file->n_upper_bounds, FRZ_FIELD_ID_DELETE_PATH, &bound));
  assert_true(frz_str_equal(bound, data_path));
  frz_position_deletes *deletes = NULL;
  frz_test_ok(frz_position_deletes_read(context, storage, file, (frz_str){0}, &deletes, &err),
              &err);
  const frz_roaring *found = frz_position_deletes_find(deletes, data_path);
  assert_non_null(found);
  assert_int_equal(frz_roaring_cardinality(found), n);
  for (size_t i = 0; i < n; i++) assert_true(frz_roaring_contains(found, positions[i]));
  frz_position_deletes_free(deletes);
}

/* The columns as other readers look for them: ids, names, no nulls; the rows in order. */
static void expect_columns(const fixture *self, const frz_data_file *file)
{
  frz_error err = {0};
  frz_source *source = NULL;
  frz_parquet_file *parquet = NULL;
  frz_parquet_reader *reader = NULL;
  frz_batch batch = {0};
  int64_t first;
  frz_test_ok(frz_storage_open(frz_table_storage(self->table), file->path, &source, &err), &err);
  frz_test_ok(frz_parquet_file_open(self->lake.context, source, file->path, &parquet, &err), &err);
  const frz_parquet_metadata *footer = frz_parquet_file_metadata(parquet);
  assert_int_equal(footer->n_leaves, 2);
  assert_int_equal(footer->leaves[0]->field_id, 2147483546);
  assert_int_equal(footer->leaves[1]->field_id, 2147483545);
  assert_true(frz_str_is(footer->leaves[0]->name, "file_path"));
  assert_true(frz_str_is(footer->leaves[1]->name, "pos"));
  const frz_parquet_read_options options = {.batch_rows_max = 1000};
  frz_test_ok(frz_parquet_reader_create(parquet, &options, &reader, &err), &err);
  assert_false(frz_parquet_reader_fields(reader, &(size_t){0})[0].nullable);
  frz_test_ok(frz_parquet_reader_next(reader, &batch, &first, &err), &err);
  assert_int_equal(batch.n_rows, file->n_rows);
  const int64_t *positions = (const int64_t *)(const void *)batch.columns[1].values.data;
  for (int64_t i = 1; i < batch.n_rows; i++) {
    int order = frz_str_compare(frz_column_bytes(&batch.columns[0], i - 1),
                                frz_column_bytes(&batch.columns[0], i));
    assert_true(order < 0 || (order == 0 && positions[i - 1] < positions[i]));
  }
  frz_batch_dispose(&batch);
  frz_parquet_reader_free(reader);
  frz_parquet_file_free(parquet);
}

static void test_a_position_delete_file_names_its_data_file(void **state)
{
  (void)state;
  fixture self;
  planned now;
  static const int64_t positions[] = {2, 3, 5, 8};
  open_table(&self, "2", NULL);
  append(self.table, 0, 10);
  append(self.table, 10, 10);
  hide(self.table, "id in (2, 8, 5, 3)");
  plan_table(self.table, &now);
  assert_int_equal(now.plan.n_tasks, 2);
  for (size_t i = 0; i < 2; i++) {
    const frz_scan_task *task = &now.plan.tasks[i];
    if (task->n_position_deletes == 0) continue;
    assert_int_equal(task->n_position_deletes, 1);
    assert_int_equal(task->position_deletes[0]->data_sequence_number, 3);
    expect_position_file(&self, task->position_deletes[0], task->entry->file.path, positions, 4);
    expect_columns(&self, &task->position_deletes[0]->file);
  }
  assert_int_equal(now.plan.tasks[0].n_position_deletes + now.plan.tasks[1].n_position_deletes, 1);
  plan_dispose(&now);
  close_table(&self);
}

static void test_granularity_is_a_property(void **state)
{
  (void)state;
  fixture self;
  planned now;
  frz_error err = {0};
  open_table(&self, "2", "truncate(100, id)");
  for (int64_t first = 0; first < 200; first += 50) append(self.table, first, 50);
  set_property(self.table, "write.delete.granularity", "partition");
  frz_write_result result = hide(self.table, "id in (1, 2, 51, 99, 101)");
  assert_int_equal(result.n_rows_deleted, 5);
  assert_int_equal(result.n_delete_files_added, 2);
  plan_table(self.table, &now);
  size_t n_shared = 0;
  for (size_t i = 0; i < now.plan.n_tasks; i++) {
    const frz_scan_task *task = &now.plan.tasks[i];
    for (size_t k = 0; k < task->n_position_deletes; k++) {
      const frz_data_file *file = &task->position_deletes[k]->file;
      assert_int_equal(file->spec_id, task->entry->file.spec_id);
      assert_true(frz_partition_equal(&file->partition, &task->entry->file.partition));
      expect_columns(&self, file);
      if (file->referenced_data_file.data != NULL) continue;
      assert_int_equal(file->n_rows, 4);
      n_shared++;
    }
  }
  assert_int_equal(n_shared, 2); /* one file, for both data files of its partition */
  plan_dispose(&now);
  expect_rows(self.table, NULL, 195, 19900 - 254);
  set_property(self.table, "write.delete.granularity", "file");
  assert_int_equal(hide(self.table, "id in (3, 52, 102)").n_delete_files_added, 3);
  set_property(self.table, "write.delete.granularity", "table");
  frz_write_options options = with_mode(FRZ_WRITE_MERGE_ON_READ);
  assert_int_equal(frz_table_delete(self.table, "id = 4", &options, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "table property 'write.delete.granularity': 'table' is neither "
                                   "file nor partition");
  close_table(&self);
}

/* ---- deletion vectors ---- */

static void test_version_3_writes_deletion_vectors(void **state)
{
  (void)state;
  fixture self;
  planned now;
  frz_error err = {0};
  open_table(&self, "3", "truncate(100, id)");
  append(self.table, 0, 300);
  frz_write_result result = hide(self.table, "id in (1, 101, 102, 201)");
  assert_int_equal(result.n_rows_deleted, 4);
  assert_int_equal(result.n_delete_files_added, 3);
  assert_int_equal(frz_test_count_files(&self.lake, "warehouse", ".puffin"), 1);
  const char *const first[] = {
      "added-delete-files",     "3", "added-dvs", "3", "added-position-delete-files", "",
      "added-position-deletes", "4", NULL};
  expect_summary(self.table, "delete", first);
  plan_table(self.table, &now);
  for (size_t i = 0; i < now.plan.n_tasks; i++) {
    const frz_scan_task *task = &now.plan.tasks[i];
    assert_int_equal(task->n_position_deletes, 1);
    const frz_data_file *file = &task->position_deletes[0]->file;
    assert_int_equal(file->content, FRZ_CONTENT_POSITION_DELETES);
    assert_int_equal(file->format, FRZ_FORMAT_PUFFIN);
    assert_true(frz_str_equal(file->referenced_data_file, task->entry->file.path));
    assert_true(file->content_offset >= 4);
    assert_true(file->content_offset + file->content_size_bytes < file->size_bytes);
    assert_true(frz_partition_equal(&file->partition, &task->entry->file.partition));
    frz_roaring *vector = NULL; /* its cardinality must be the record count */
    frz_test_ok(frz_deletion_vector_read(self.lake.context, frz_table_storage(self.table), file,
                                         &vector, &err),
                &err);
    frz_roaring_free(vector);
  }
  plan_dispose(&now);
  expect_rows(self.table, NULL, 296, 44850 - 405);
  close_table(&self);
}

static void test_a_vector_takes_the_place_of_the_older_one(void **state)
{
  (void)state;
  fixture self;
  planned now;
  open_table(&self, "3", "truncate(100, id)");
  append(self.table, 0, 200);
  hide(self.table, "id in (1, 101)");
  frz_write_result result = hide(self.table, "id = 2"); /* of one of two vectors in a Puffin file */
  assert_int_equal(result.n_rows_deleted, 1);
  assert_int_equal(result.n_delete_files_added, 1);
  const char *const second[] = {"added-dvs",
                                "1",
                                "removed-dvs",
                                "1",
                                "removed-delete-files",
                                "1",
                                "removed-position-delete-files",
                                "",
                                "added-position-deletes",
                                "2",
                                "removed-position-deletes",
                                "1",
                                "total-delete-files",
                                "2",
                                "total-position-deletes",
                                "3",
                                NULL};
  expect_summary(self.table, "delete", second);
  plan_table(self.table, &now);
  assert_int_equal(now.plan.n_tasks, 2);
  for (size_t i = 0; i < 2; i++) assert_int_equal(now.plan.tasks[i].n_position_deletes, 1);
  plan_dispose(&now);
  expect_rows(self.table, NULL, 197, 19900 - 104);
  result = hide(self.table, "id < 100"); /* the whole file, and its vector with it */
  assert_int_equal(result.n_rows_deleted, 98);
  assert_int_equal(result.n_files_deleted, 1);
  assert_int_equal(result.n_delete_files_added, 0);
  const char *const third[] = {"removed-dvs", "1", "total-delete-files", "1", "deleted-records",
                               "100",         NULL};
  expect_summary(self.table, "delete", third);
  expect_rows(self.table, NULL, 99, 14950 - 101);
  close_table(&self);
}

static void test_an_upgraded_table_merges_its_position_deletes(void **state)
{
  (void)state;
  fixture self;
  planned now;
  open_table(&self, "2", "truncate(100, id)");
  append(self.table, 0, 200);
  hide(self.table, "id in (1, 101)");
  hide(self.table, "id = 2");
  set_property(self.table, "format-version", "3");
  frz_write_result result = hide(self.table, "id in (3, 2)");
  assert_int_equal(result.n_rows_deleted, 1);
  const char *const summary[] = {"added-dvs",
                                 "1",
                                 "added-position-deletes",
                                 "3",
                                 "removed-position-delete-files",
                                 "2",
                                 "removed-position-deletes",
                                 "2",
                                 "total-delete-files",
                                 "2",
                                 NULL};
  expect_summary(self.table, "delete", summary);
  plan_table(self.table, &now);
  for (size_t i = 0; i < now.plan.n_tasks; i++) {
    const frz_scan_task *task = &now.plan.tasks[i];
    bool is_first = task->entry->file.partition.values[0].as.i64 == 0;
    assert_int_equal(task->n_position_deletes, 1);
    assert_int_equal(task->position_deletes[0]->file.format,
                     is_first ? FRZ_FORMAT_PUFFIN : FRZ_FORMAT_PARQUET);
  }
  plan_dispose(&now);
  expect_rows(self.table, NULL, 196, 19900 - 107);
  close_table(&self);
}

static void test_shared_position_deletes_stay_after_an_upgrade(void **state)
{
  (void)state;
  fixture self;
  open_table(&self, "2", NULL);
  append(self.table, 0, 100);
  append(self.table, 100, 100);
  set_property(self.table, "write.delete.granularity", "partition");
  hide(self.table, "id in (1, 101)");
  set_property(self.table, "format-version", "3");
  hide(self.table, "id = 2");
  const char *const summary[] = {"added-dvs",
                                 "1",
                                 "added-position-deletes",
                                 "2",
                                 "removed-delete-files",
                                 "",
                                 "total-delete-files",
                                 "2",
                                 NULL};
  expect_summary(self.table, "delete", summary);
  expect_rows(self.table, NULL, 197, 19900 - 104);
  close_table(&self);
}

/* ---- modes ---- */

static void test_the_mode_is_an_option_or_a_property(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  open_table(&self, "2", NULL);
  append(self.table, 0, 100);
  assert_int_equal(delete_by(self.table, FRZ_WRITE_BY_TABLE, "id = 1").n_files_added, 1);
  set_property(self.table, "write.delete.mode", "merge-on-read");
  assert_int_equal(delete_by(self.table, FRZ_WRITE_BY_TABLE, "id = 2").n_delete_files_added, 1);
  frz_write_result result = delete_by(self.table, FRZ_WRITE_COPY_ON_WRITE, "id = 3");
  assert_int_equal(result.n_files_added, 1);
  assert_int_equal(result.n_rows_deleted, 1);
  const char *const summary[] = {
      "removed-delete-files", "1", "total-delete-files", "0", "total-records", "97", NULL};
  expect_summary(self.table, "overwrite", summary);
  expect_rows(self.table, NULL, 97, 4950 - 6);
  set_property(self.table, "write.delete.mode", "copy-on-write");
  assert_int_equal(hide(self.table, "id = 4").n_delete_files_added, 1);
  set_property(self.table, "write.delete.mode", "merge-on-write");
  assert_int_equal(frz_table_delete(self.table, "id = 5", NULL, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message,
                      "table property 'write.delete.mode': 'merge-on-write' is neither "
                      "copy-on-write nor merge-on-read");
  frz_write_options options = with_mode((frz_write_mode)7);
  assert_int_equal(frz_table_delete(self.table, "id = 5", &options, NULL, &err), FRZ_ERR_INVALID);
  expect_rows(self.table, NULL, 96, 4950 - 10);
  close_table(&self);
}

static void test_version_1_has_no_merge_on_read(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  open_table(&self, "1", NULL);
  append(self.table, 0, 10);
  frz_write_options options = with_mode(FRZ_WRITE_MERGE_ON_READ);
  assert_int_equal(frz_table_delete(self.table, "id = 5", &options, NULL, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message,
                      "options: merge-on-read needs format version 2 or 3, the table has 1");
  set_property(self.table, "write.delete.mode", "merge-on-read");
  assert_int_equal(frz_table_delete(self.table, "id = 5", NULL, NULL, &err), FRZ_ERR_INVALID);
  assert_int_equal(delete_by(self.table, FRZ_WRITE_COPY_ON_WRITE, "id = 5").n_rows_deleted, 1);
  close_table(&self);
}

static void test_overwrites_merge_on_read_too(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  static const char *const versions[] = {"2", "3"};
  for (size_t i = 0; i < LENGTH(versions); i++) {
    open_table(&self, versions[i], NULL);
    append(self.table, 0, 100);
    frz_write_options options = with_mode(FRZ_WRITE_MERGE_ON_READ);
    frz_write_result result;
    struct ArrowArrayStream stream;
    frz_test_rows(5, 10, frz_alloc_default(), &stream);
    frz_test_ok(
        frz_table_overwrite(self.table, &stream, "id >= 5 and id < 15", &options, &result, &err),
        &err);
    assert_int_equal(result.n_rows_added, 10);
    assert_int_equal(result.n_rows_deleted, 10);
    assert_int_equal(result.n_files_added, 1);
    assert_int_equal(result.n_files_deleted, 0);
    assert_int_equal(result.n_delete_files_added, 1);
    const char *const summary[] = {"added-records", "10", "added-position-deletes", "10", NULL};
    expect_summary(self.table, "overwrite", summary);
    expect_rows(self.table, NULL, 100, 4950); /* the new rows are not hidden */
    close_table(&self);
  }
}

/* ---- counting ---- */

static void test_hidden_rows_are_not_deleted_again(void **state)
{
  (void)state;
  fixture self;
  static const frz_write_mode modes[] = {FRZ_WRITE_COPY_ON_WRITE, FRZ_WRITE_MERGE_ON_READ};
  for (size_t i = 0; i < LENGTH(modes); i++) {
    open_table(&self, "2", NULL);
    append(self.table, 0, 100);
    hide(self.table, "id < 10");
    assert_int_equal(delete_by(self.table, modes[i], "id < 20").n_rows_deleted, 10);
    /* By metadata alone, and by reading: both ways drop the file, and count what was alive. */
    frz_write_result result = delete_by(self.table, modes[i], i == 0 ? "true" : "name <> 'x'");
    assert_int_equal(result.n_rows_deleted, i == 0 ? 80 : 68);
    expect_rows(self.table, NULL, i == 0 ? 0 : 12, frz_test_scan(self.table, NULL).id_sum);
    result = delete_by(self.table, modes[i], "name is null or id > 0");
    assert_int_equal(result.n_rows_deleted, i == 0 ? 0 : 12);
    assert_int_equal(result.n_files_deleted, i == 0 ? 0 : 1);
    const char *const summary[] = {"total-delete-files", "0", "total-data-files", "0", NULL};
    expect_summary(self.table, "delete", summary);
    close_table(&self);
  }
}

static void test_rows_of_equality_deletes_are_not_deleted_again(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  static const frz_arrow_field field = {
      .name = {"id", 2}, .nullable = true, .field_id = 1, .type = {.kind = FRZ_ARROW_INT64}};
  static const int32_t ids[] = {1};
  static const char *const filters[] = {"true", "id >= 0 and name <> 'x'"};
  for (size_t i = 0; i < LENGTH(filters); i++) {
    frz_batch rows;
    open_table(&self, "2", NULL);
    append(self.table, 0, 7);
    frz_test_ok(frz_batch_init(&rows, &field, 1, frz_alloc_default(), &err), &err);
    for (int64_t id = 1; id < 5; id++)
      frz_test_ok(frz_column_append_value(&rows.columns[0], &id, 8, &err), &err);
    rows.n_rows = 4;
    frz_test_ok(frz_test_delete_keys(self.table, ids, 1, 0, &rows, &err), &err);
    frz_batch_dispose(&rows);
    expect_rows(self.table, NULL, 3, 11);
    frz_write_result result = hide(self.table, filters[i]);
    assert_int_equal(result.n_rows_deleted, i == 0 ? 3 : 2); /* the name of 0 is null */
    close_table(&self);
  }
}

/* ---- conflicts ---- */

/* Two handles of one table: what the first does is planned before the second commits. */
static frz_table *second_handle(const fixture *self)
{
  frz_table *table;
  frz_error err = {0};
  frz_test_ok(frz_catalog_load_table(self->lake.catalog, "ns.t", &table, &err), &err);
  return table;
}

static frz_status try_hide(frz_table *table, const char *filter, frz_error *err)
{
  frz_write_options options = with_mode(FRZ_WRITE_MERGE_ON_READ);
  return frz_table_delete(table, filter, &options, NULL, err);
}

static void test_concurrent_position_deletes_both_apply(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  open_table(&self, "2", NULL);
  append(self.table, 0, 100);
  frz_table *other = second_handle(&self);
  hide(self.table, "id in (1, 2)");
  frz_test_ok(try_hide(other, "id in (2, 3)", &err), &err);
  expect_rows(other, NULL, 97, 4950 - 6);
  frz_table_free(other);
  close_table(&self);
}

static void test_a_concurrent_vector_of_the_same_file_is_a_conflict(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  open_table(&self, "3", "truncate(100, id)");
  append(self.table, 0, 200);
  frz_table *other = second_handle(&self);
  frz_table *third = second_handle(&self);
  hide(self.table, "id = 1");
  frz_test_ok(try_hide(other, "id = 101", &err), &err); /* of another file */
  assert_int_equal(try_hide(third, "id = 2", &err), FRZ_ERR_CONFLICT);
  assert_non_null(strstr(err.message, "got a deletion vector from snapshot"));
  assert_non_null(strstr(err.message, ".parquet"));
  expect_rows(other, NULL, 198, 19900 - 102);
  frz_test_ok(frz_table_refresh(third, NULL, &err), &err);
  frz_test_ok(try_hide(third, "id = 2", &err), &err);
  expect_rows(third, NULL, 197, 19900 - 104);
  /* A vector that was read is replaced meanwhile. */
  frz_test_ok(frz_table_refresh(other, NULL, &err), &err);
  frz_test_ok(try_hide(third, "id = 3", &err), &err);
  assert_int_equal(try_hide(other, "id = 4", &err), FRZ_ERR_CONFLICT);
  frz_table_free(third);
  frz_table_free(other);
  close_table(&self);
}

static void test_a_data_file_removed_meanwhile_is_a_conflict(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  static const char *const versions[] = {"2", "3"};
  for (size_t i = 0; i < LENGTH(versions); i++) {
    open_table(&self, versions[i], NULL);
    append(self.table, 0, 100);
    set_property(self.table, "write.delete.isolation-level", "snapshot"); /* rows may be new */
    frz_table *other = second_handle(&self);
    append(self.table, 100, 100); /* no conflict by itself */
    delete_by(self.table, FRZ_WRITE_COPY_ON_WRITE, "id = 50");
    assert_int_equal(try_hide(other, "id = 1", &err), FRZ_ERR_CONFLICT);
    assert_non_null(strstr(err.message, "was removed by a concurrent commit"));
    assert_non_null(strstr(err.message, "data file "));
    expect_rows(self.table, NULL, 199, 19900 - 50);
    /* The other way round: a rewrite of a file that lost rows meanwhile. */
    frz_test_ok(frz_table_refresh(other, NULL, &err), &err);
    hide(self.table, "id = 51");
    assert_int_equal(frz_table_delete(other, "id = 52", NULL, NULL, &err), FRZ_ERR_CONFLICT);
    assert_non_null(strstr(err.message, "which may hide rows of a rewritten file"));
    frz_table_free(other);
    close_table(&self);
  }
}

static void test_rows_appended_meanwhile_are_a_conflict(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  open_table(&self, "2", NULL);
  append(self.table, 0, 100);
  frz_table *other = second_handle(&self);
  append(self.table, 1000, 10); /* not of the filter */
  frz_test_ok(try_hide(other, "id < 10", &err), &err);
  append(self.table, 5, 1);
  assert_int_equal(try_hide(other, "id < 20", &err), FRZ_ERR_CONFLICT);
  assert_non_null(strstr(err.message, "which may hold matching rows"));
  set_property(self.table, "write.delete.isolation-level", "snapshot");
  frz_test_ok(frz_table_refresh(other, NULL, &err), &err);
  append(self.table, 6, 1);
  frz_test_ok(try_hide(other, "id < 20", &err), &err);
  expect_rows(other, "id < 20", 1, 6); /* planned before it came */
  frz_table_free(other);
  close_table(&self);
}

/* Snapshot isolation lets others add rows, not replace the same ones. */
static void test_rows_are_replaced_by_one_of_two(void **state)
{
  (void)state;
  frz_write_options options = with_mode(FRZ_WRITE_MERGE_ON_READ);
  static const char *const versions[] = {"2", "3"};
  for (size_t i = 0; i < LENGTH(versions); i++) {
    fixture self;
    frz_error err = {0};
    struct ArrowArrayStream stream;
    open_table(&self, versions[i], NULL);
    append(self.table, 0, 100);
    set_property(self.table, "write.delete.isolation-level", "snapshot");
    frz_table *other = second_handle(&self);
    frz_test_rows(5, 1, frz_alloc_default(), &stream);
    frz_test_ok(frz_table_overwrite(self.table, &stream, "id = 5", &options, NULL, &err), &err);
    frz_test_rows(5, 1, frz_alloc_default(), &stream);
    assert_int_equal(frz_table_overwrite(other, &stream, "id = 5", &options, NULL, &err),
                     FRZ_ERR_CONFLICT);
    expect_rows(self.table, "id = 5", 1, 5);
    frz_table_free(other);
    close_table(&self);
  }
}

static void test_an_upgrade_meanwhile_is_a_conflict(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  open_table(&self, "2", NULL);
  append(self.table, 0, 100);
  frz_table *other = second_handle(&self);
  set_property(self.table, "format-version", "3");
  append(self.table, 100, 1);
  assert_int_equal(try_hide(other, "id = 1", &err), FRZ_ERR_CONFLICT);
  expect_rows(self.table, NULL, 101, 5050);
  frz_table_free(other);
  close_table(&self);
}

/* ---- branches ---- */

static int64_t rows_of(frz_table *table, const char *ref)
{
  frz_error err = {0};
  frz_scan *scan = NULL;
  frz_scan_options options;
  struct ArrowArrayStream stream;
  struct ArrowArray array;
  int64_t n_rows = 0;
  frz_scan_options_init(&options);
  options.ref = ref;
  frz_test_ok(frz_table_scan(table, &options, &scan, &err), &err);
  frz_test_ok(frz_scan_stream(scan, &stream, &err), &err);
  for (;;) {
    assert_int_equal(stream.get_next(&stream, &array), 0);
    if (array.release == NULL) break;
    n_rows += array.length;
    array.release(&array);
  }
  stream.release(&stream);
  frz_scan_free(scan);
  return n_rows;
}

static void set_branch(frz_table *table, const char *name, bool is_tag)
{
  frz_error err = {0};
  frz_ref_options options;
  frz_ref_options_init(&options);
  options.is_branch = !is_tag;
  frz_test_ok(frz_table_set_ref(table, name, &options, &err), &err);
}

static frz_status append_to(frz_table *table, const char *branch, int64_t first, int64_t n,
                            frz_error *err)
{
  frz_write_options options = with_mode(FRZ_WRITE_BY_TABLE);
  struct ArrowArrayStream stream;
  options.branch = branch;
  frz_test_rows(first, n, frz_alloc_default(), &stream);
  frz_status st = frz_table_append(table, &stream, &options, NULL, err);
  assert_null(stream.release);
  return st;
}

static void test_commits_go_to_a_branch(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  static const frz_write_mode modes[] = {FRZ_WRITE_COPY_ON_WRITE, FRZ_WRITE_MERGE_ON_READ};
  for (size_t i = 0; i < LENGTH(modes); i++) {
    open_table(&self, "3", NULL);
    append(self.table, 0, 100);
    int64_t main_id = frz_table_current_snapshot_id(self.table);
    set_branch(self.table, "audit", false);
    frz_test_ok(append_to(self.table, "audit", 100, 10, &err), &err);
    frz_write_options options = with_mode(modes[i]);
    options.branch = "audit";
    frz_write_result result;
    frz_test_ok(frz_table_delete(self.table, "id < 5 or id > 107", &options, &result, &err), &err);
    assert_int_equal(result.n_rows_deleted, 7);
    assert_int_equal(frz_table_current_snapshot_id(self.table), main_id);
    assert_int_equal(rows_of(self.table, "audit"), 103);
    assert_int_equal(rows_of(self.table, "main"), 100);
    frz_table_metadata *metadata = frz_table_current(self.table);
    const frz_snapshot *head = head_of(metadata, "audit");
    assert_int_equal(head->snapshot_id, result.snapshot_id);
    assert_int_equal(frz_metadata_snapshot(metadata, head->parent_id)->parent_id, main_id);
    assert_int_equal(metadata->n_snapshot_log, 1);
    frz_table_metadata_release(metadata);
    hide(self.table, "id = 99"); /* main goes its own way: no conflict between branches */
    struct ArrowArrayStream stream;
    frz_test_rows(0, 1, frz_alloc_default(), &stream);
    frz_test_ok(frz_table_overwrite(self.table, &stream, NULL, &options, &result, &err), &err);
    assert_int_equal(result.n_rows_deleted, 103);
    assert_int_equal(rows_of(self.table, "audit"), 1);
    assert_int_equal(rows_of(self.table, "main"), 99);
    close_table(&self);
  }
}

static void test_a_branch_must_be_there(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  open_table(&self, "2", NULL);
  assert_int_equal(append_to(self.table, "audit", 0, 5, &err), FRZ_ERR_NOT_FOUND);
  frz_test_ok(append_to(self.table, "main", 0, 5, &err), &err); /* made by its first commit */
  set_branch(self.table, "v1", true);
  assert_int_equal(append_to(self.table, "audit", 0, 5, &err), FRZ_ERR_NOT_FOUND);
  assert_string_equal(err.message, "branch 'audit' does not exist");
  assert_int_equal(append_to(self.table, "v1", 0, 5, &err), FRZ_ERR_INVALID);
  assert_string_equal(err.message, "'v1' is a tag: commits go to branches");
  frz_write_options options = with_mode(FRZ_WRITE_BY_TABLE);
  options.branch = "audit";
  assert_int_equal(frz_table_delete(self.table, "true", &options, NULL, &err), FRZ_ERR_NOT_FOUND);
  assert_int_equal(frz_test_count_files(&self.lake, "warehouse", ".parquet"), 1);
  expect_rows(self.table, NULL, 5, 10);
  close_table(&self);
}

static void test_commits_of_one_branch_meet(void **state)
{
  (void)state;
  fixture self;
  frz_error err = {0};
  open_table(&self, "2", NULL);
  append(self.table, 0, 10);
  set_branch(self.table, "audit", false);
  frz_table *other = second_handle(&self);
  frz_test_ok(append_to(self.table, "audit", 10, 10, &err), &err);
  append(self.table, 100, 10);
  frz_test_ok(append_to(other, "audit", 20, 10, &err), &err);
  assert_int_equal(rows_of(other, "audit"), 30);
  assert_int_equal(rows_of(other, "main"), 20);
  frz_table_free(other);
  close_table(&self);
}

/* ---- at random ---- */

static uint64_t next_random(uint64_t *state)
{
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

/* Appends and deletes in both modes, against counts of every id. */
static void test_random_deletes_agree_with_a_model(void **state)
{
  (void)state;
  enum { IDS = 96, STEPS = 40 };
  static const char *const specs[] = {NULL, "truncate(16, id)", "bucket(3, id)"};
  uint64_t seed = 7;
  for (int round = 0; round < 6; round++) {
    int counts[IDS] = {0};
    fixture self;
    open_table(&self, round < 3 ? "2" : "3", specs[round % 3]);
    if (round % 2 == 1) set_property(self.table, "write.delete.granularity", "partition");
    for (int step = 0; step < STEPS; step++) {
      char filter[100];
      int low = (int)(next_random(&seed) % IDS), size = (int)(next_random(&seed) % 24) + 1;
      int high = low + size < IDS ? low + size : IDS;
      int64_t n_deleted = 0, n_rows = 0, id_sum = 0;
      if (next_random(&seed) % 2 == 0) {
        append(self.table, low, high - low);
        for (int id = low; id < high; id++) counts[id]++;
      } else {
        bool in_memory = next_random(&seed) % 4 == 0;
        snprintf(filter, sizeof filter, "id >= %d and id < %d", low, high);
        for (int id = low; id < high; id++) {
          n_deleted += counts[id];
          counts[id] = 0;
        }
        frz_write_result result = delete_by(
            self.table, in_memory ? FRZ_WRITE_COPY_ON_WRITE : FRZ_WRITE_MERGE_ON_READ, filter);
        assert_int_equal(result.n_rows_deleted, n_deleted);
        assert_true((result.snapshot_id == -1) == (n_deleted == 0));
      }
      for (int id = 0; id < IDS; id++) {
        n_rows += counts[id];
        id_sum += (int64_t)counts[id] * id;
      }
      expect_rows(self.table, NULL, n_rows, id_sum);
    }
    close_table(&self);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_version_2_writes_position_deletes),
      cmocka_unit_test(test_a_position_delete_file_names_its_data_file),
      cmocka_unit_test(test_granularity_is_a_property),
      cmocka_unit_test(test_version_3_writes_deletion_vectors),
      cmocka_unit_test(test_a_vector_takes_the_place_of_the_older_one),
      cmocka_unit_test(test_an_upgraded_table_merges_its_position_deletes),
      cmocka_unit_test(test_shared_position_deletes_stay_after_an_upgrade),
      cmocka_unit_test(test_the_mode_is_an_option_or_a_property),
      cmocka_unit_test(test_version_1_has_no_merge_on_read),
      cmocka_unit_test(test_overwrites_merge_on_read_too),
      cmocka_unit_test(test_hidden_rows_are_not_deleted_again),
      cmocka_unit_test(test_rows_of_equality_deletes_are_not_deleted_again),
      cmocka_unit_test(test_concurrent_position_deletes_both_apply),
      cmocka_unit_test(test_a_concurrent_vector_of_the_same_file_is_a_conflict),
      cmocka_unit_test(test_a_data_file_removed_meanwhile_is_a_conflict),
      cmocka_unit_test(test_rows_appended_meanwhile_are_a_conflict),
      cmocka_unit_test(test_rows_are_replaced_by_one_of_two),
      cmocka_unit_test(test_an_upgrade_meanwhile_is_a_conflict),
      cmocka_unit_test(test_commits_go_to_a_branch),
      cmocka_unit_test(test_a_branch_must_be_there),
      cmocka_unit_test(test_commits_of_one_branch_meet),
      cmocka_unit_test(test_random_deletes_agree_with_a_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
