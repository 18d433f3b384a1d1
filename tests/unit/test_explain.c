/*
 * test_explain.c - the counts of explain against tables whose layout is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "test_lake.h"

/* Ids i * 100 to i * 100 + 99 in file i of four, in row groups of 50 rows and pages of 10. */
static frz_table *make_table(frz_test_lake *lake, const char *name, const char *partition_spec)
{
  static const frz_property properties[] = {
      {"write.parquet.row-group-limit", "50"},
      {"write.parquet.page-row-limit", "10"},
      {"write.parquet.bloom-filter-enabled.column.name", "true"},
      {NULL, NULL}};
  frz_error err = {0};
  frz_table *table = frz_test_lake_table(lake, name, partition_spec, properties);
  for (int64_t file = 0; file < 4; file++)
    frz_test_ok(frz_test_append(table, file * 100, 100, &err), &err);
  return table;
}

static frz_scan *make_scan(frz_table *table, const char *filter)
{
  frz_error err = {0};
  frz_scan *scan;
  frz_scan_options options;
  frz_scan_options_init(&options);
  options.row_filter = filter;
  frz_test_ok(frz_table_scan(table, &options, &scan, &err), &err);
  return scan;
}

static frz_read_report explain(frz_scan *scan)
{
  frz_error err = {0};
  frz_read_report report;
  frz_test_ok(frz_scan_explain(scan, &report, &err), &err);
  assert_int_equal(report.struct_bytes, sizeof report);
  assert_int_equal(report.rows_read, 0);
  return report;
}

/* Read all rows; what the scan then says of itself. */
static frz_read_report run(frz_scan *scan)
{
  frz_error err = {0};
  frz_read_report report;
  struct ArrowArrayStream stream;
  frz_test_ok(frz_scan_stream(scan, &stream, &err), &err);
  for (;;) {
    struct ArrowArray array = {0};
    assert_int_equal(stream.get_next(&stream, &array), 0);
    if (array.release == NULL) break;
    array.release(&array);
  }
  stream.release(&stream);
  frz_test_ok(frz_scan_report(scan, &report, &err), &err);
  return report;
}

static void test_files_row_groups_and_pages_are_counted(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = make_table(&lake, "t", NULL);

  frz_scan *scan = make_scan(table, NULL);
  frz_read_report report = explain(scan);
  assert_int_equal(report.manifests_total, 4);
  assert_int_equal(report.manifests_read, 4);
  assert_int_equal(report.files_total, 4);
  assert_int_equal(report.files_planned, 4);
  assert_int_equal(report.files_with_deletes, 0);
  assert_int_equal(report.rows_planned, 400);
  assert_int_equal(report.row_groups_total, 8);
  assert_int_equal(report.row_groups_pruned_by_statistics, 0);
  assert_int_equal(report.pages_total, 0);
  assert_int_equal(report.rows_wanted, 400);
  assert_true(report.bytes_wanted > 0 && report.bytes_wanted < report.bytes_planned);
  frz_read_report all = run(scan);
  assert_int_equal(all.rows_read, 400);
  assert_int_equal(all.rows_matched, 400);
  assert_int_equal(all.row_groups_total, 8);
  assert_true(all.requests >= 4 && all.bytes_read > all.bytes_wanted);
  frz_scan_free(scan);

  /* Files 0 and 1 by bounds; of file 2 the first row group; of its second two pages of five. */
  scan = make_scan(table, "id >= 270 and id < 310");
  report = explain(scan);
  assert_int_equal(report.files_total, 4);
  assert_int_equal(report.files_pruned_by_bounds, 2);
  assert_int_equal(report.files_pruned_by_partition, 0);
  assert_int_equal(report.files_planned, 2);
  assert_int_equal(report.rows_planned, 200);
  assert_int_equal(report.row_groups_total, 4);
  assert_int_equal(report.row_groups_pruned_by_statistics, 2);
  assert_int_equal(report.pages_total, 10);
  assert_int_equal(report.pages_pruned, 6);
  assert_int_equal(report.rows_wanted, 40);
  frz_read_report some = run(scan);
  assert_int_equal(some.files_planned, 2);
  assert_int_equal(some.rows_read, 40);
  assert_int_equal(some.rows_matched, 40);
  assert_int_equal(some.pages_pruned, 6);
  assert_true(some.bytes_read < all.bytes_read);
  frz_scan_free(scan);

  /* Between "n0" and "n9" and between "n150" and "n199", but in no bloom filter. */
  scan = make_scan(table, "name = 'n150x'");
  report = explain(scan);
  assert_int_equal(report.files_planned, 2);
  assert_int_equal(report.row_groups_total, 4);
  assert_int_equal(report.row_groups_pruned_by_statistics, 2);
  assert_int_equal(report.row_groups_pruned_by_bloom, 2);
  assert_int_equal(report.rows_wanted, 0);
  assert_int_equal(run(scan).rows_read, 0);
  frz_scan_free(scan);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

static void test_partitions_and_deletes_are_counted(void **state)
{
  (void)state;
  frz_error err = {0};
  frz_test_lake lake;
  frz_write_options options;
  frz_write_result result;
  frz_test_lake_open(&lake, NULL);
  frz_table *table = frz_test_lake_table(&lake, "p", "truncate(100, id)", NULL);
  frz_test_ok(frz_test_append(table, 0, 400, &err), &err); /* four files, one manifest */
  frz_write_options_init(&options);
  options.mode = FRZ_WRITE_MERGE_ON_READ;
  frz_test_ok(frz_table_delete(table, "id >= 110 and id < 130", &options, &result, &err), &err);

  frz_scan *scan = make_scan(table, "id >= 100 and id < 200");
  frz_read_report report = explain(scan);
  assert_int_equal(report.files_total, 4);
  assert_int_equal(report.files_pruned_by_partition, 3);
  assert_int_equal(report.files_pruned_by_bounds, 0);
  assert_int_equal(report.files_planned, 1);
  assert_int_equal(report.files_with_deletes, 1);
  report = run(scan);
  assert_int_equal(report.rows_read, 100);
  assert_int_equal(report.rows_deleted, 20);
  assert_int_equal(report.rows_matched, 80);
  frz_scan_free(scan);

  /* By a manifest's partitions, where it has no other. */
  scan = make_scan(table, "id >= 5000");
  report = explain(scan);
  assert_int_equal(report.manifests_read, 0);
  assert_int_equal(report.files_total, 0);
  frz_scan_free(scan);
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_files_row_groups_and_pages_are_counted),
      cmocka_unit_test(test_partitions_and_deletes_are_counted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
