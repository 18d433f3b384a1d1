/*
 * fault_scan.c - scans with every kind of delete and a filter, refusing each allocation and failing
 * each read in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "delete_writer.h"
#include "fault.h"
#include "iceberg/table/table_handle.h"
#include "test_lake.h"

enum { N_ROWS = 300, N_DELETED = 4 };

static const frz_arrow_field key_fields[] = {
    {.name = {"id", 2}, .nullable = true, .field_id = 1, .type = {.kind = FRZ_ARROW_INT64}}};

/** "ns.t": two data files, an equality delete file, a position delete file of both data files and
 * one of the first alone. */
static void fill_lake(frz_test_lake *lake)
{
  static const frz_property small_groups[] = {{"write.parquet.row-group-limit", "100"},
                                              {NULL, NULL}};
  static const int32_t id[] = {1};
  frz_error err = {0};
  frz_table *table = frz_test_lake_table(lake, "t", NULL, small_groups);
  frz_test_ok(frz_test_append(table, 0, N_ROWS / 2, &err), &err);
  frz_test_ok(frz_test_append(table, N_ROWS / 2, N_ROWS / 2, &err), &err);

  frz_batch keys, positions;
  int64_t key = 7;
  frz_test_ok(frz_batch_init(&keys, key_fields, 1, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_column_append_value(&keys.columns[0], &key, sizeof key, &err), &err);
  keys.n_rows = 1;
  frz_test_ok(frz_test_delete_keys(table, id, 1, 0, &keys, &err), &err);
  frz_batch_dispose(&keys);

  frz_scan *scan;
  struct ArrowArrayStream stream;
  frz_stream_reader reader = {0};
  frz_batch files = {0};
  frz_test_ok(frz_table_scan(table, NULL, &scan, &err), &err);
  frz_test_ok(frz_scan_plan_files(scan, &stream, &err), &err);
  frz_scan_free(scan);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  frz_test_ok(frz_stream_reader_next(&reader, &files, &err), &err);
  assert_int_equal(files.n_rows, 2);
  for (int round = 0; round < 2; round++) {
    frz_test_ok(
        frz_batch_init(&positions, frz_test_position_fields(), 2, frz_alloc_default(), &err), &err);
    for (int64_t i = 0; i < 2 - round; i++) {
      frz_str path = frz_column_bytes(&files.columns[0], i);
      int64_t row = 20 + round;
      frz_test_ok(frz_column_append_value(&positions.columns[0], path.data, path.size, &err), &err);
      frz_test_ok(frz_column_append_value(&positions.columns[1], &row, sizeof row, &err), &err);
      positions.n_rows++;
    }
    frz_test_ok(frz_test_delete_positions(table, &positions, true, &err), &err);
    frz_batch_dispose(&positions);
  }
  frz_batch_dispose(&files);
  frz_stream_reader_dispose(&reader);
  frz_table_free(table);
}

/** All columns, or "id" and those that no schema names. */
static frz_status read_rows(frz_table *table, const char *filter, bool of_metadata, int64_t *n_out,
                            frz_error *err)
{
  static const char *const names[] = {"_file", "_row_id", "id", "_pos"};
  frz_scan *scan;
  struct ArrowArrayStream stream;
  frz_scan_options options;
  frz_scan_options_init(&options);
  options.row_filter = filter;
  options.selected_fields = of_metadata ? names : NULL;
  options.n_selected_fields = of_metadata ? 4 : 0;
  FRZ_TRY(frz_table_scan(table, &options, &scan, err));
  frz_status st = frz_scan_stream(scan, &stream, err);
  frz_scan_free(scan);
  if (st != FRZ_OK) return st;
  *n_out = 0;
  for (;;) {
    struct ArrowArray array = {0};
    if (stream.get_next(&stream, &array) != 0) {
      const char *message = stream.get_last_error(&stream);
      assert_non_null(message);
      st = FRZ_ERR_CORRUPT;
      if (strstr(message, "FRZ_ERR_NOMEM") != NULL) st = FRZ_ERR_NOMEM;
      if (strstr(message, "FRZ_ERR_IO") != NULL) st = FRZ_ERR_IO;
      break;
    }
    if (array.release == NULL) break;
    *n_out += array.length;
    array.release(&array);
  }
  stream.release(&stream);
  return st;
}

static frz_status inspect(frz_table *table, const char *kind, frz_error *err)
{
  struct ArrowArrayStream stream;
  frz_status st = frz_table_inspect(table, kind, 0, &stream, err);
  if (st != FRZ_OK) return st;
  for (;;) {
    struct ArrowArray array = {0};
    if (stream.get_next(&stream, &array) != 0) {
      st = FRZ_ERR_NOMEM;
      break;
    }
    if (array.release == NULL) break;
    array.release(&array);
  }
  stream.release(&stream);
  return st;
}

/** The metadata file is loaded by path, through a static catalog: no database in between. */
static frz_status work(const frz_alloc *alloc, const char *metadata, frz_error *err)
{
  static const frz_property properties[] = {{"type", "static"}};
  frz_status st;
  frz_context *context = NULL;
  frz_catalog *catalog = NULL;
  frz_table *table = NULL;
  int64_t n_all = 0;
  int64_t n_some = 0;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  FRZ_TRY_OUT(frz_catalog_open(context, "c", properties, 1, &catalog, err));
  FRZ_TRY_OUT(frz_catalog_load_table(catalog, metadata, &table, err));
  FRZ_TRY_OUT(read_rows(table, NULL, false, &n_all, err));
  assert_int_equal(n_all, N_ROWS - N_DELETED);
  for (int i = 0; i < 2; i++) {
    FRZ_TRY_OUT(read_rows(table, "name = 'n149' or id > 250", i == 1, &n_some, err));
    assert_int_equal(n_some, 50);
  }
  FRZ_TRY_OUT(inspect(table, "files", err));
  FRZ_TRY_OUT(inspect(table, "snapshots", err));
out:
  frz_table_free(table);
  frz_catalog_free(catalog);
  frz_context_free(context);
  return st;
}

static void test_each_allocation_refused(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_string location;
  frz_test_lake_open(&lake, NULL);
  fill_lake(&lake);
  frz_table *table;
  frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.t", &table, &err), &err);
  frz_test_ok(frz_table_metadata_location(table, &location, &err), &err);
  frz_table_free(table);
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_fault_arm(&fault, ++n);
    frz_status st = work(&fault.alloc, location.data, &err);
    if (st != (fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM))
      fail_msg("request %ld of %ld: %s: %s", n, (long)fault.requests, frz_status_name(st),
               err.message);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  frz_string_dispose(&location);
  frz_test_lake_close(&lake);
}

/* ---- reads that fail ---- */

/** A storage over another one; call `fail_at` of open and read fails, and all after it. */
typedef struct failing {
  frz_storage *inner;
  atomic_long calls;
  long fail_at;
} failing;

typedef struct failing_source {
  frz_source base;
  frz_source *inner;
  failing *owner;
} failing_source;

static frz_status count_call(failing *self, frz_error *err)
{
  long call = atomic_fetch_add(&self->calls, 1) + 1;
  return call >= self->fail_at ? frz_fail(err, FRZ_ERR_IO, "call %ld fails", call) : FRZ_OK;
}

static frz_status failing_read(frz_source *source, const frz_range *ranges, size_t n,
                               frz_error *err)
{
  failing_source *self = (failing_source *)source;
  FRZ_TRY(count_call(self->owner, err));
  return self->inner->read_ranges(self->inner, ranges, n, err);
}

static void failing_free(frz_source *source)
{
  frz_source_free(((failing_source *)source)->inner);
  frz_alloc_free(frz_alloc_default(), source, sizeof(failing_source));
}

static frz_status failing_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  failing *self = ctx;
  FRZ_TRY(count_call(self, err));
  failing_source *source = frz_alloc_zeroed(frz_alloc_default(), sizeof *source);
  assert_non_null(source);
  frz_status st = frz_storage_open(self->inner, uri, &source->inner, err);
  if (st != FRZ_OK) {
    frz_alloc_free(frz_alloc_default(), source, sizeof *source);
    return st;
  }
  source->base = (frz_source){
      .size_bytes = source->inner->size_bytes, .read_ranges = failing_read, .free = failing_free};
  source->owner = self;
  *source_out = &source->base;
  return FRZ_OK;
}

static void no_free(void *ctx)
{
  (void)ctx;
}

static frz_status scan_through(failing *self, frz_context *context, const char *location,
                               frz_error *err)
{
  static const frz_storage_ops ops = {.version = 1, .open = failing_open, .free = no_free};
  static const frz_commit_port port = {.version = 1, .retain = no_free, .release = no_free};
  frz_storage *storage = NULL;
  frz_table *table = NULL;
  frz_loaded_table loaded = {0};
  int64_t n = 0;
  frz_status st;
  FRZ_TRY_OUT(frz_storage_wrap(context, &ops, self, &storage, err));
  FRZ_TRY_OUT(frz_metadata_read(context, storage, frz_str_from(location), &loaded, err));
  FRZ_TRY_OUT(frz_table_create_handle(context, "ns.t", &port, NULL, storage, &loaded, &table, err));
  FRZ_TRY_OUT(read_rows(table, NULL, false, &n, err));
  assert_int_equal(n, N_ROWS - N_DELETED);
out:
  frz_loaded_table_dispose(&loaded);
  frz_table_free(table);
  frz_storage_release(storage);
  return st;
}

static void test_each_read_failing(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  frz_string location;
  frz_table *table;
  frz_test_lake_open(&lake, NULL);
  fill_lake(&lake);
  frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.t", &table, &err), &err);
  frz_test_ok(frz_table_metadata_location(table, &location, &err), &err);
  frz_table_free(table);
  for (int32_t n_threads = 1; n_threads <= 3; n_threads += 2) {
    failing self = {0};
    frz_fault fault = {0};
    frz_status st;
    do {
      frz_context *context;
      frz_context_options options;
      frz_context_options_init(&options);
      frz_fault_arm(&fault, 0);
      options.alloc = &fault.alloc;
      options.n_threads = n_threads;
      frz_test_ok(frz_context_create(&options, &context, &err), &err);
      frz_test_ok(frz_storage_create(context, NULL, 0, &self.inner, &err), &err);
      self.calls = 0;
      self.fail_at++;
      st = scan_through(&self, context, location.data, &err);
      assert_true(st == FRZ_OK || st == FRZ_ERR_IO);
      frz_storage_release(self.inner);
      frz_context_free(context);
      assert_int_equal(fault.live, 0);
    } while (st != FRZ_OK);
    assert_true(self.fail_at > 10);
  }
  frz_string_dispose(&location);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_refused),
                                     cmocka_unit_test(test_each_read_failing)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
