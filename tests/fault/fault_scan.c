/*
 * fault_scan.c - scans with every kind of delete and a filter, refusing each allocation in turn.
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

static frz_status read_rows(frz_table *table, const char *filter, int64_t *n_out, frz_error *err)
{
  frz_scan *scan;
  struct ArrowArrayStream stream;
  frz_scan_options options;
  frz_scan_options_init(&options);
  options.row_filter = filter;
  FRZ_TRY(frz_table_scan(table, &options, &scan, err));
  frz_status st = frz_scan_stream(scan, &stream, err);
  frz_scan_free(scan);
  if (st != FRZ_OK) return st;
  *n_out = 0;
  for (;;) {
    struct ArrowArray array = {0};
    if (stream.get_next(&stream, &array) != 0) {
      const char *message = stream.get_last_error(&stream);
      st = message != NULL && strstr(message, "FRZ_ERR_NOMEM") != NULL ? FRZ_ERR_NOMEM : FRZ_ERR_IO;
      if (st != FRZ_ERR_NOMEM) printf("%s\n", message);
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
  frz_status st = frz_table_inspect(table, kind, &stream, err);
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
  FRZ_TRY_OUT(read_rows(table, NULL, &n_all, err));
  assert_int_equal(n_all, N_ROWS - N_DELETED);
  FRZ_TRY_OUT(read_rows(table, "name = 'n149' or id > 250", &n_some, err));
  assert_int_equal(n_some, 50);
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

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
