/*
 * test_incremental.c - scans of the rows that were appended between two snapshots.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "test_lake.h"

enum { STEPS = 7 };

static frz_status scan_between(frz_table *table, int64_t from, int64_t to, const char *filter,
                               int64_t *n_rows_out, int64_t *id_sum_out, frz_error *err)
{
  frz_scan *scan = NULL;
  struct ArrowArrayStream stream = {0};
  frz_scan_options options;
  frz_scan_options_init(&options);
  options.from_snapshot_id = from;
  options.snapshot_id = to;
  options.row_filter = filter;
  *n_rows_out = *id_sum_out = 0;
  frz_status st = frz_table_scan(table, &options, &scan, err);
  if (st == FRZ_OK) st = frz_scan_stream(scan, &stream, err);
  frz_scan_free(scan);
  if (st != FRZ_OK) return st;
  for (;;) {
    struct ArrowArray batch = {0};
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    if (batch.release == NULL) break;
    const int64_t *ids = batch.children[0]->buffers[1];
    for (int64_t i = 0; i < batch.length; i++) *id_sum_out += ids[i + batch.children[0]->offset];
    *n_rows_out += batch.length;
    batch.release(&batch);
  }
  stream.release(&stream);
  return FRZ_OK;
}

/* append 1, 2 and 3; delete 1; append 4; overwrite with 5; append 6: the ids are powers of ten */
static frz_table *make_table(frz_test_lake *lake, const char *merge, int64_t ids[STEPS])
{
  static const int64_t rows[STEPS] = {1, 10, 100, -1, 1000, -10000, 100000};
  frz_error err = {0};
  const frz_property properties[] = {{"commit.manifest.min-count-to-merge", "2"},
                                     {"commit.manifest-merge.enabled", merge},
                                     {NULL, NULL}};
  frz_table *table = frz_test_lake_table(lake, merge, NULL, properties);
  for (int i = 0; i < STEPS; i++) {
    struct ArrowArrayStream data;
    if (rows[i] == -1) {
      frz_test_ok(frz_table_delete(table, "id = 1", NULL, NULL, &err), &err);
    } else if (rows[i] < 0) {
      frz_test_rows(-rows[i], 1, frz_alloc_default(), &data);
      frz_test_ok(frz_table_overwrite(table, &data, "id = 10", NULL, NULL, &err), &err);
    } else {
      frz_test_ok(frz_test_append(table, rows[i], 1, &err), &err);
    }
    ids[i] = frz_table_current_snapshot_id(table);
  }
  return table;
}

static void test_appends_between_snapshots(void **state)
{
  (void)state;
  static const struct {
    int from, to; /* -1: the current one */
    const char *filter;
    int64_t id_sum;
  } cases[] = {
      {0, 1, NULL, 10},     {0, 2, NULL, 110},        {0, 3, NULL, 110},
      {2, 3, NULL, 0},      {1, 4, NULL, 1100},       {4, 5, NULL, 0},
      {0, 6, NULL, 101110}, {0, -1, NULL, 101110},    {6, -1, NULL, 0},
      {3, 3, NULL, 0},      {0, -1, "id = 10", 10},   {0, -1, "id > 500", 101000},
      {0, -1, "id = 1", 0}, {0, -1, "id = 10000", 0},
  };
  static const char *const merges[] = {"true", "false"};
  frz_test_lake lake;
  frz_error err = {0};
  frz_test_lake_open(&lake, NULL);
  for (size_t m = 0; m < 2; m++) {
    int64_t ids[STEPS];
    frz_table *table = make_table(&lake, merges[m], ids);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
      int64_t n_rows, id_sum;
      int64_t to = cases[i].to >= 0 ? ids[cases[i].to] : 0;
      frz_test_ok(
          scan_between(table, ids[cases[i].from], to, cases[i].filter, &n_rows, &id_sum, &err),
          &err);
      if (id_sum != cases[i].id_sum)
        fail_msg("case %zu: %lld, not %lld", i, (long long)id_sum, (long long)cases[i].id_sum);
    }
    frz_table_free(table);
  }
  frz_test_lake_close(&lake);
}

static void test_ranges_that_are_none(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_error err = {0};
  int64_t ids[STEPS], n_rows, id_sum;
  frz_test_lake_open(&lake, NULL);
  frz_table *empty = frz_test_lake_table(&lake, "empty", NULL, NULL);
  assert_int_equal(scan_between(empty, 5, 0, NULL, &n_rows, &id_sum, &err), FRZ_ERR_NOT_FOUND);
  frz_table_free(empty);
  frz_table *table = make_table(&lake, "true", ids);
  assert_int_equal(scan_between(table, 5, 0, NULL, &n_rows, &id_sum, &err), FRZ_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "no snapshot 5 to read from"));
  assert_int_equal(scan_between(table, ids[3], ids[1], NULL, &n_rows, &id_sum, &err),
                   FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "is no ancestor of snapshot"));
  /* rolled back and gone on: another line */
  frz_ref_options back;
  frz_ref_options_init(&back);
  back.is_branch = true;
  back.snapshot_id = ids[1];
  frz_test_ok(frz_table_set_ref(table, "main", &back, &err), &err);
  frz_test_ok(frz_test_append(table, 7, 1, &err), &err);
  assert_int_equal(scan_between(table, ids[2], 0, NULL, &n_rows, &id_sum, &err), FRZ_ERR_INVALID);
  frz_test_ok(scan_between(table, ids[1], 0, NULL, &n_rows, &id_sum, &err), &err);
  assert_int_equal(id_sum, 7);
  /* an expired one */
  frz_expire_options options;
  frz_expire_options_init(&options);
  options.snapshot_ids = &ids[0];
  options.n_snapshot_ids = 1;
  frz_test_ok(frz_table_expire_snapshots(table, &options, NULL, &err), &err);
  assert_int_equal(scan_between(table, ids[0], 0, NULL, &n_rows, &id_sum, &err), FRZ_ERR_NOT_FOUND);
  assert_non_null(strstr(err.message, "expired"));
  frz_table_free(table);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_appends_between_snapshots),
      cmocka_unit_test(test_ranges_that_are_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
