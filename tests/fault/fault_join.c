/*
 * fault_join.c - a join and the latest rows by key, refusing each allocation in turn.
 *
 * Ids serve as times: "event" of a feature row is its id in microseconds, so that each entity row
 * has one winner by name, and rows of the other names lose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "fault.h"
#include "test_lake.h"

enum { N_FEATURES = 120, N_ENTITIES = 40, N_KEYS = 10 };

static const frz_arrow_field feature_fields[] = {
    {.name = {"k", 1}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_STRING}},
    {.name = {"event_timestamp", 15},
     .nullable = true,
     .field_id = -1,
     .type = {.kind = FRZ_ARROW_TIMESTAMP, .unit = FRZ_UNIT_US, .has_zone = true}},
    {.name = {"value", 5}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_STRING}}};

/* Row i has the key "k<i mod 10>", the time i and (features) the value "v<i>". */
static frz_status make_rows(int64_t first, int64_t n, size_t n_fields, const frz_alloc *alloc,
                            struct ArrowArrayStream *stream_out, frz_error *err)
{
  frz_batch batch;
  frz_status st;
  FRZ_TRY(frz_batch_init(&batch, feature_fields, n_fields, alloc, err));
  for (int64_t i = first; i < first + n; i++) {
    char key[16];
    char value[24];
    int key_size = snprintf(key, sizeof key, "k%d", (int)(i % N_KEYS));
    int value_size = snprintf(value, sizeof value, "v%d", (int)i);
    FRZ_TRY_OUT(frz_column_append_value(&batch.columns[0], key, (size_t)key_size, err));
    FRZ_TRY_OUT(frz_column_append_value(&batch.columns[1], &i, sizeof i, err));
    if (n_fields > 2)
      FRZ_TRY_OUT(frz_column_append_value(&batch.columns[2], value, (size_t)value_size, err));
    batch.n_rows++;
  }
  return frz_stream_export_batches(feature_fields, n_fields, &batch, 1, alloc, stream_out, err);
out:
  frz_batch_dispose(&batch);
  return st;
}

static void fill_lake(frz_test_lake *lake)
{
  frz_error err = {0};
  struct ArrowSchema schema;
  struct ArrowArrayStream rows;
  frz_table *table;
  frz_test_ok(frz_arrow_schema_export(feature_fields, 3, frz_alloc_default(), &schema, &err), &err);
  frz_test_ok(frz_catalog_create_table(lake->catalog, "ns.t", &schema, NULL, &table, &err), &err);
  schema.release(&schema);
  for (int64_t part = 0; part < 2; part++) {
    frz_test_ok(
        make_rows(part * N_FEATURES / 2, N_FEATURES / 2, 3, frz_alloc_default(), &rows, &err),
        &err);
    frz_test_ok(frz_table_append(table, &rows, NULL, NULL, &err), &err);
  }
  frz_table_free(table);
}

static frz_status drain(struct ArrowArrayStream *stream, int64_t *n_out)
{
  frz_status st = FRZ_OK;
  for (;;) {
    struct ArrowArray array = {0};
    if (stream->get_next(stream, &array) != 0) {
      const char *message = stream->get_last_error(stream);
      st = message != NULL && strstr(message, "FRZ_ERR_NOMEM") != NULL ? FRZ_ERR_NOMEM : FRZ_ERR_IO;
      break;
    }
    if (array.release == NULL) break;
    *n_out += array.length;
    array.release(&array);
  }
  stream->release(stream);
  return st;
}

static frz_status join(frz_context *context, frz_table *table, const frz_alloc *alloc,
                       frz_error *err)
{
  static const frz_join_key key = {"k", "k"};
  static const frz_feature feature = {"value", NULL};
  frz_pit_view view;
  struct ArrowArrayStream entities;
  struct ArrowArrayStream joined;
  int64_t n_rows = 0;
  frz_pit_view_init(&view);
  view.name = "v";
  view.table = table;
  view.join_keys = &key;
  view.n_join_keys = 1;
  view.timestamp_field = "event_timestamp";
  view.ttl_us = 50;
  view.features = &feature;
  view.n_features = 1;
  FRZ_TRY(make_rows(60, N_ENTITIES, 2, alloc, &entities, err));
  FRZ_TRY(frz_pit_join(context, &entities, &view, 1, NULL, &joined, err));
  FRZ_TRY(drain(&joined, &n_rows));
  assert_int_equal(n_rows, N_ENTITIES);
  return FRZ_OK;
}

static frz_status latest(frz_table *table, frz_error *err)
{
  static const char *const keys[] = {"k"};
  frz_latest_options options;
  struct ArrowArrayStream rows;
  int64_t n_rows = 0;
  frz_latest_options_init(&options);
  options.key_columns = keys;
  options.n_key_columns = 1;
  options.timestamp_field = "event_timestamp";
  FRZ_TRY(frz_latest_per_key(table, &options, &rows, err));
  FRZ_TRY(drain(&rows, &n_rows));
  assert_int_equal(n_rows, N_KEYS);
  return FRZ_OK;
}

/* `memory_limit_bytes` 1: everything goes through spill files. */
static frz_status work(const frz_alloc *alloc, const char *metadata, int64_t memory_limit_bytes,
                       frz_error *err)
{
  static const frz_property properties[] = {{"type", "static"}};
  frz_status st;
  frz_context *context = NULL;
  frz_catalog *catalog = NULL;
  frz_table *table = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  options.memory_limit_bytes = memory_limit_bytes;
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  FRZ_TRY_OUT(frz_catalog_open(context, "c", properties, 1, &catalog, err));
  FRZ_TRY_OUT(frz_catalog_load_table(catalog, metadata, &table, err));
  FRZ_TRY_OUT(join(context, table, alloc, err));
  FRZ_TRY_OUT(latest(table, err));
out:
  frz_table_free(table);
  frz_catalog_free(catalog);
  frz_context_free(context);
  return st;
}

static void refuse_each_allocation(int64_t memory_limit_bytes)
{
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
    frz_status st = work(&fault.alloc, location.data, memory_limit_bytes, &err);
    if (st != (fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM))
      fail_msg("request %ld of %ld: %s: %s", n, (long)fault.requests, frz_status_name(st),
               err.message);
    if (fault.live != 0)
      fail_msg("request %ld: %ld blocks are left after %s", n, (long)fault.live, err.message);
  } while (fault.requests >= n);
  assert_true(n > 100);
  frz_string_dispose(&location);
  frz_test_lake_close(&lake);
}

static void test_each_allocation_refused(void **state)
{
  (void)state;
  refuse_each_allocation(0);
}

static void test_each_allocation_refused_while_spilling(void **state)
{
  (void)state;
  refuse_each_allocation(1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_refused),
                                     cmocka_unit_test(test_each_allocation_refused_while_spilling)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
