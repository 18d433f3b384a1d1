/*
 * fault_avro_rows.c - a table of Avro files, with deletes in Avro, read with each allocation
 * refused in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "avro_table.h"
#include "fault.h"

#define RECORD(fields) "{\"type\":\"record\",\"name\":\"r\",\"fields\":[" fields "]}"

enum { N_ROWS = 100, N_LEFT = N_ROWS - 20 - 4 };

static void fill_lake(frz_test_lake *lake)
{
  static const int32_t key[] = {1};
  frz_test_avro data, positions, keys;
  frz_table *table = frz_test_lake_table(lake, "t", NULL, NULL);
  frz_test_avro_add(table, lake, "a.avro",
                    RECORD("{\"name\":\"id\",\"field-id\":1,\"type\":\"long\"},"
                           "{\"name\":\"name\",\"field-id\":2,\"type\":[\"null\",\"string\"]}"),
                    0, N_ROWS, true, &data);
  frz_test_avro_begin(&positions, table, lake, "p.avro",
                      RECORD("{\"name\":\"file_path\",\"type\":\"string\"},"
                             "{\"name\":\"pos\",\"type\":\"long\"}"));
  for (int64_t i = 10; i < 30; i++) {
    frz_test_avro_text(&positions, data.path);
    frz_test_avro_long(&positions, i);
    frz_test_avro_end_row(&positions);
  }
  positions.described.content = FRZ_CONTENT_POSITION_DELETES;
  frz_test_avro_commit(table, &positions);
  frz_test_avro_begin(&keys, table, lake, "k.avro",
                      RECORD("{\"name\":\"id\",\"field-id\":1,\"type\":\"long\"}"));
  frz_test_avro_rows(&keys, 50, 4, false);
  keys.described.content = FRZ_CONTENT_EQUALITY_DELETES;
  keys.described.equality_ids = key;
  keys.described.n_equality_ids = 1;
  frz_test_avro_commit(table, &keys);
  frz_table_free(table);
}

static frz_status read_rows(frz_table *table, int64_t *n_out, frz_error *err)
{
  frz_scan *scan;
  struct ArrowArrayStream stream;
  FRZ_TRY(frz_table_scan(table, NULL, &scan, err));
  frz_status st = frz_scan_stream(scan, &stream, err);
  frz_scan_free(scan);
  if (st != FRZ_OK) return st;
  *n_out = 0;
  for (;;) {
    struct ArrowArray array = {0};
    if (stream.get_next(&stream, &array) != 0) {
      const char *message = stream.get_last_error(&stream);
      assert_non_null(message);
      st = strstr(message, "FRZ_ERR_NOMEM") != NULL ? FRZ_ERR_NOMEM : FRZ_ERR_CORRUPT;
      break;
    }
    if (array.release == NULL) break;
    *n_out += array.length;
    array.release(&array);
  }
  stream.release(&stream);
  return st;
}

static frz_status work(const frz_alloc *alloc, const char *metadata, frz_error *err)
{
  static const frz_property properties[] = {{"type", "static"}};
  frz_status st;
  frz_context *context = NULL;
  frz_catalog *catalog = NULL;
  frz_table *table = NULL;
  int64_t n_rows = 0;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  FRZ_TRY_OUT(frz_catalog_open(context, "c", properties, 1, &catalog, err));
  FRZ_TRY_OUT(frz_catalog_load_table(catalog, metadata, &table, err));
  FRZ_TRY_OUT(read_rows(table, &n_rows, err));
  assert_int_equal(n_rows, N_LEFT);
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
  frz_table *table;
  frz_test_lake_open(&lake, NULL);
  fill_lake(&lake);
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
  assert_true(n > 50);
  frz_string_dispose(&location);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
