/*
 * fault_maintain.c - maintenance with every allocation refused in turn.
 *
 * Each run starts from the same small table. It must end in success or FRZ_ERR_NOMEM, leak nothing,
 * and leave the table's rows as they were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/fail.h"
#include "fault.h"
#include "frazil/maintenance.h"
#include "test_lake.h"

enum { ROWS = 8, STEP = 13 };

static frz_status verify(frz_table *table, frz_error *err)
{
  struct ArrowArrayStream stream;
  frz_verify_options options;
  frz_verify_options_init(&options);
  options.read_data = true;
  FRZ_TRY(frz_table_verify(table, &options, &stream, NULL, err));
  stream.release(&stream);
  return FRZ_OK;
}

static frz_status find_orphans(frz_table *table, frz_error *err)
{
  struct ArrowArrayStream stream;
  FRZ_TRY(frz_table_remove_orphans(table, NULL, &stream, err));
  stream.release(&stream);
  return FRZ_OK;
}

static frz_status maintain(frz_table *table, frz_error *err)
{
  frz_compact_options compact;
  frz_expire_options expire;
  frz_compact_options_init(&compact);
  compact.rewrite_all = true;
  compact.sort_order = "truncate(2, id), name desc";
  frz_expire_options_init(&expire);
  expire.older_than_ms = INT64_MAX / 2;
  FRZ_TRY(verify(table, err));
  FRZ_TRY(frz_table_rewrite_manifests(table, NULL, err));
  FRZ_TRY(frz_table_compact(table, &compact, NULL, err));
  FRZ_TRY(frz_table_expire_snapshots(table, &expire, NULL, err));
  return find_orphans(table, err);
}

static frz_status work(const frz_test_lake *lake, const frz_alloc *alloc, frz_error *err)
{
  frz_context *context = NULL;
  frz_catalog *catalog = NULL;
  frz_table *table = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  char uri[300];
  snprintf(uri, sizeof uri, "sqlite:///%s/catalog.db", lake->folder);
  const frz_property properties[] = {{"uri", uri}};
  frz_status st = frz_context_create(&options, &context, err);
  if (st == FRZ_OK) st = frz_catalog_open(context, "test", properties, 1, &catalog, err);
  if (st == FRZ_OK) st = frz_catalog_load_table(catalog, "ns.t", &table, err);
  if (st == FRZ_OK) st = maintain(table, err);
  frz_table_free(table);
  frz_catalog_free(catalog);
  frz_context_free(context);
  return st;
}

static void make_table(frz_test_lake *lake)
{
  frz_error err = {0};
  frz_write_options on_read;
  frz_write_options_init(&on_read);
  on_read.mode = FRZ_WRITE_MERGE_ON_READ;
  frz_table *table = frz_test_lake_table(lake, "t", "truncate(4, id)", NULL);
  frz_test_ok(frz_test_append(table, 0, ROWS, &err), &err);
  frz_test_ok(frz_table_delete(table, "id = 3", &on_read, NULL, &err), &err);
  frz_table_free(table);
}

static void check_and_clear(frz_test_lake *lake)
{
  frz_table *table;
  frz_error err = {0};
  frz_test_ok(frz_catalog_load_table(lake->catalog, "ns.t", &table, &err), &err);
  assert_int_equal(frz_test_scan(table, NULL).n_rows, ROWS - 1);
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
    n += STEP; /* samples: a run makes thousands of requests */
    frz_error err = {0};
    make_table(&lake);
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
