/*
 * fault_online.c - an online table's whole life with every allocation refused in turn.
 *
 * Each run opens the same table, builds its index into files, writes, reads, compacts and closes.
 * It must end in success or FRZ_ERR_NOMEM (or FRZ_ERR_STALE, of a read whose look at the catalog
 * was refused), leak nothing, and never answer with another row than the table's newest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fail.h"
#include "fault.h"
#include "online_lake.h"
#include "test_files.h"

enum { STEP = 11 };

static const frz_test_row base_rows[] = {{1, 100, 1, 1}, {2, 100, 1, 2}, {3, 100, 1, -1}};
static const frz_test_row new_row = {2, 200, 1, 22};

static frz_status use(frz_online *online, frz_online_result **result, bool *written, frz_error *err)
{
  static const int64_t drivers[] = {1, 2, 3, 4};
  struct ArrowArrayStream stream;
  frz_online_compact_options all;
  frz_string values = {0};
  uint8_t found[4];
  int64_t event_us[4];
  float matrix[4 * FRZ_TEST_FEATURES];
  frz_online_compact_options_init(&all);
  all.all = true;
  FRZ_TRY(frz_online_prepare(online, err));
  frz_test_online_rows(&new_row, 1, frz_alloc_default(), &stream);
  FRZ_TRY(frz_online_write(online, &stream, NULL, err));
  *written = true;
  FRZ_TRY(frz_test_online_read(online, drivers, 4, result, err));
  assert_true(frz_test_result_is(*result, 0, &base_rows[0]));
  assert_true(frz_test_result_is(*result, 1, &new_row));
  assert_true(frz_test_result_is(*result, 2, &base_rows[2]));
  assert_false(frz_online_result_found(*result, 3, NULL, NULL));
  frz_status st = frz_online_result_encode(*result, &values, found, event_us, err);
  frz_string_dispose(&values);
  FRZ_TRY(st);
  st = frz_online_result_encode_vectors(*result, &values, err);
  frz_string_dispose(&values);
  FRZ_TRY(st);
  assert_int_equal(frz_online_result_floats(*result, matrix, NULL), FRZ_ERR_INVALID); /* texts */
  FRZ_TRY(frz_online_compact(online, &all, NULL, err));
  return frz_online_refresh(online, NULL, err);
}

static frz_status work(const frz_test_lake *lake, const frz_alloc *alloc, bool *written,
                       frz_error *err)
{
  frz_context *context = NULL;
  frz_catalog *catalog = NULL;
  frz_online *online = NULL;
  frz_online_result *result = NULL;
  frz_context_options options;
  frz_online_options online_options;
  char uri[300], cache[300];
  frz_context_options_init(&options);
  frz_online_options_init(&online_options);
  options.alloc = alloc;
  options.n_threads = 1;
  snprintf(uri, sizeof uri, "sqlite:///%s/catalog.db", lake->folder);
  snprintf(cache, sizeof cache, "%s/cache", lake->folder);
  online_options.cache_dir = cache;
  online_options.read_timeout_ms = 0;
  online_options.max_staleness_ms = 3600000;
  online_options.compact_automatically = false;
  const frz_property properties[] = {{"uri", uri}};
  frz_status st = frz_context_create(&options, &context, err);
  if (st == FRZ_OK) st = frz_catalog_open(context, "test", properties, 1, &catalog, err);
  if (st == FRZ_OK) st = frz_online_open(catalog, "ns.t", &online_options, &online, err);
  if (st == FRZ_OK) st = use(online, &result, written, err);
  frz_online_result_free(result);
  frz_online_close(online);
  frz_catalog_free(catalog);
  frz_context_free(context);
  return st;
}

static void make_table(frz_test_lake *lake)
{
  frz_error err = {0};
  frz_test_online_table(lake, "t", "bucket(2, driver_id)");
  frz_online *online = frz_test_online_open(lake, "t", NULL);
  frz_test_ok(frz_test_online_write(online, base_rows, 3, &err), &err);
  frz_online_close(online);
}

static void check_and_clear(frz_test_lake *lake, bool written)
{
  frz_error err = {0};
  char cache[300];
  frz_online *online = frz_test_online_open(lake, "t", NULL);
  assert_true(frz_test_online_has(online, &base_rows[0]));
  assert_true(frz_test_online_has(online, &new_row) ||
              (!written && frz_test_online_has(online, &base_rows[1])));
  frz_online_close(online);
  frz_test_ok(frz_catalog_drop_table(lake->catalog, "ns.t", true, &err), &err);
  snprintf(cache, sizeof cache, "%s/cache", lake->folder);
  frz_test_folder_remove(cache);
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
    bool written = false;
    make_table(&lake);
    frz_fault_arm(&fault, n);
    frz_status st = work(&lake, &fault.alloc, &written, &err);
    if (st != FRZ_OK && st != FRZ_ERR_NOMEM && st != FRZ_ERR_STALE)
      fail_msg("request %ld: %s: %s", n, frz_status_name(st), err.message);
    if (fault.requests < n) assert_int_equal(st, FRZ_OK);
    assert_int_equal(fault.live, 0);
    check_and_clear(&lake, written);
  } while (fault.requests >= n);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_refused_allocation_is_survived)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
