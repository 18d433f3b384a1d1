/*
 * test_online.c - online tables: writes, reads through the index and directly, freshness.
 *
 * Numbers in brackets are invariants of docs/design/lookup-index.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/os.h"
#include "online/online_state.h"
#include "online_lake.h"

static frz_online *open_with(frz_test_lake *lake, const char *name, frz_online_lookup lookup,
                             int64_t staleness_ms)
{
  frz_online_options options;
  frz_online_options_init(&options);
  options.lookup = lookup;
  options.max_staleness_ms = staleness_ms;
  options.read_timeout_ms = 60000;
  options.compact_automatically = false;
  return frz_test_online_open(lake, name, &options);
}

static void write_row(frz_online *online, frz_test_row row)
{
  frz_error err = {0};
  frz_test_ok(frz_test_online_write(online, &row, 1, &err), &err);
}

static void prepare(frz_online *online)
{
  frz_error err = {0};
  frz_test_ok(frz_online_prepare(online, &err), &err);
}

/* [2] event time, then created time, then commit order; whatever the order of writing. */
static void check_winners(frz_online *online)
{
  frz_test_row newer = {1, 2000, 5, 10}, older = {1, 1000, 9, 11};
  write_row(online, newer);
  write_row(online, older);
  assert_true(frz_test_online_has(online, &newer));
  frz_test_row created = {1, 2000, 6, 12};
  write_row(online, created);
  assert_true(frz_test_online_has(online, &created));
  write_row(online, (frz_test_row){1, 2000, INT64_MIN, 13});
  assert_true(frz_test_online_has(online, &created));
  frz_test_row equal = {1, 2000, 6, 14};
  write_row(online, equal);
  assert_true(frz_test_online_has(online, &equal));
  frz_test_row nulls = {1, 3000, INT64_MIN, -1};
  write_row(online, nulls);
  assert_true(frz_test_online_has(online, &nulls));
  assert_true(frz_test_online_lacks(online, 2));
}

static void test_winners(void **state)
{
  (void)state;
  static const frz_online_lookup lookups[] = {FRZ_LOOKUP_INDEX, FRZ_LOOKUP_DIRECT};
  for (int i = 0; i < 4; i++) {
    frz_test_lake lake;
    frz_test_lake_open(&lake, NULL);
    frz_test_online_table(&lake, "t", i == 3 ? "hour(event_ts)" : NULL);
    frz_online *online = open_with(&lake, "t", lookups[i % 2], 1000);
    if (i == 2) prepare(online);
    check_winners(online);
    frz_online_close(online);
    frz_test_lake_close(&lake);
  }
}

/* Many keys at once, some absent, some twice; rows of one batch compete too. */
static void test_batches(void **state)
{
  (void)state;
  enum { N = 3000 };
  static frz_test_row rows[N];
  static int64_t drivers[N];
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  for (int lookup = 0; lookup < 2; lookup++) {
    frz_online *online = open_with(&lake, "t", (frz_online_lookup)lookup, 1000);
    prepare(online);
    for (int i = 0; i < N; i++) rows[i] = (frz_test_row){i / 2 * 3, 1000 + i % 2, 7, i};
    frz_test_ok(frz_test_online_write(online, rows, N, &err), &err);
    for (int i = 0; i < N; i++) drivers[i] = i;
    frz_online_result *result = NULL;
    frz_test_ok(frz_test_online_read(online, drivers, N, &result, &err), &err);
    assert_int_equal(frz_online_result_keys(result), N);
    assert_int_equal(frz_online_result_features(result), FRZ_TEST_FEATURES);
    for (int i = 0; i < N; i++) {
      if (i % 3 == 0)
        assert_true(frz_test_result_is(result, (size_t)i, &rows[i / 3 * 2 + 1]));
      else
        assert_false(frz_online_result_found(result, (size_t)i, NULL, NULL));
    }
    frz_online_result_free(result);
    frz_online_close(online);
  }
  frz_test_lake_close(&lake);
}

/* [3, 4, 9, 10] two handles, as two processes would have: each sees its own writes at once, the
 * other's after a refresh, and ties go to the later commit. */
static void test_two_writers(void **state)
{
  (void)state;
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  frz_online *a = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 3600000);
  frz_online *b = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 3600000);
  prepare(a);
  prepare(b);
  frz_test_row first = {1, 100, 1, 1}, second = {1, 100, 1, 2}, third = {1, 100, 1, 3};
  write_row(a, first);
  assert_true(frz_test_online_has(a, &first));
  assert_true(frz_test_online_lacks(b, 1));
  write_row(b, second); /* behind a's commit: an overlay */
  assert_true(frz_test_online_has(b, &second));
  assert_true(frz_test_online_has(a, &first));
  frz_test_row other = {2, 100, 1, 4}, own = {3, 100, 1, 5};
  write_row(a, other);
  write_row(b, own);
  assert_true(frz_test_online_has(b, &own));
  frz_test_ok(frz_online_refresh(b, NULL, &err), &err); /* nothing came after b's own commit */
  assert_true(frz_test_online_has(b, &other));
  write_row(a, third);
  assert_true(frz_test_online_has(a, &third));
  frz_test_ok(frz_online_refresh(a, NULL, &err), &err);
  frz_test_ok(frz_online_refresh(b, NULL, &err), &err);
  assert_true(frz_test_online_has(a, &third));
  assert_true(frz_test_online_has(b, &third));
  frz_online_stats stats;
  frz_online_stats_get(b, &stats);
  assert_int_equal(stats.n_builds, 1); /* by prepare() alone */
  frz_online_close(a);
  frz_online_close(b);
  frz_test_lake_close(&lake);
}

/* [9] another engine's delete is seen: the index is built anew. */
static void test_foreign_delete(void **state)
{
  (void)state;
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  frz_online *online = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 0);
  prepare(online);
  frz_test_row one = {1, 100, 1, 1}, two = {2, 100, 1, 2};
  write_row(online, one);
  write_row(online, two);
  frz_table *table;
  frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.t", &table, &err), &err);
  frz_test_ok(frz_table_delete(table, "driver_id = 1", NULL, NULL, &err), &err);
  assert_true(frz_test_online_lacks(online, 1));
  assert_true(frz_test_online_has(online, &two));
  /* An older row than the one that was deleted comes back to life. */
  frz_test_row old = {1, 50, 1, 5};
  write_row(online, old);
  assert_true(frz_test_online_has(online, &old));
  frz_table_free(table);
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

/* Staleness 0: every read asks the catalog. */
static void test_always_fresh(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  for (int lookup = 0; lookup < 2; lookup++) {
    frz_online *writer = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 1000);
    frz_online *reader = open_with(&lake, "t", (frz_online_lookup)lookup, 0);
    for (int i = 0; i < 5; i++) {
      frz_test_row row = {7, 100 + lookup * 10 + i, 1, i};
      write_row(writer, row);
      assert_true(frz_test_online_has(reader, &row));
    }
    frz_online_close(reader);
    frz_online_close(writer);
  }
  frz_test_lake_close(&lake);
}

/* Columns that were added, widened or dropped since a segment was made. */
static void test_other_columns(void **state)
{
  (void)state;
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  frz_online *online = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 0);
  prepare(online);
  frz_test_row row = {1, 100, 1, 9};
  write_row(online, row);
  frz_table *table;
  frz_test_ok(frz_catalog_load_table(lake.catalog, "ns.t", &table, &err), &err);
  const frz_schema_change changes[] = {
      {.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "small", .type_text = "long"},
      {.op = FRZ_SCHEMA_PROMOTE_COLUMN, .path = "ratio", .type_text = "double"},
      {.op = FRZ_SCHEMA_DROP_COLUMN, .path = "name"}};
  frz_test_ok(frz_table_update_schema(table, changes, 3, &err), &err);
  frz_online_result *result = NULL;
  frz_test_ok(frz_test_online_read(online, &row.driver, 1, &result, &err), &err);
  assert_int_equal(frz_online_result_features(result), FRZ_TEST_FEATURES - 1);
  frz_value small = frz_online_result_value(result, 0, 1);
  frz_value ratio = frz_online_result_value(result, 0, 3);
  assert_int_equal(small.kind, FRZ_VALUE_INT64);
  assert_int_equal(small.as.i64, 63);
  assert_int_equal(ratio.kind, FRZ_VALUE_DOUBLE);
  assert_true(ratio.as.f64 == 9.0 / 4);
  assert_string_equal(frz_online_result_feature(result, 6)->name, "blob");
  frz_online_result_free(result);
  frz_table_free(table);
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

static void test_features_by_name(void **state)
{
  (void)state;
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  frz_online *online = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 1000);
  write_row(online, (frz_test_row){1, 100, 1, 9});
  uint8_t key[FRZ_TEST_KEY_BYTES];
  frz_test_entity_key(1, key);
  const frz_bytes keys[] = {{key, sizeof key}};
  const char *names[] = {"exact", "flag", "exact"};
  const char *wrong[] = {"exact", "no_such"};
  frz_online_result *result;
  frz_test_ok(frz_online_result_create(online, &result, &err), &err);
  for (int i = 0; i < 3; i++) {
    frz_test_ok(frz_online_read(online, keys, 1, names, 3, result, &err), &err);
    assert_int_equal(frz_online_result_features(result), 3);
    assert_true(frz_online_result_value(result, 0, 2).as.f64 == 3.0);
    assert_int_equal(frz_online_result_value(result, 0, 1).kind, FRZ_VALUE_BOOL);
    assert_int_equal(frz_online_read(online, keys, 1, wrong, 2, result, &err), FRZ_ERR_INVALID);
    assert_non_null(strstr(err.message, "no_such"));
    assert_int_equal(frz_online_result_keys(result), 0);
  }
  const frz_online_info *info;
  frz_test_ok(frz_online_describe(online, &info, &err), &err);
  frz_value driver = {.kind = FRZ_VALUE_INT32, .as.i32 = 1};
  uint8_t made[FRZ_TEST_KEY_BYTES];
  size_t size;
  frz_test_ok(frz_online_entity_key(info, &driver, made, sizeof made, &size, &err), &err);
  assert_int_equal(size, sizeof key);
  assert_memory_equal(made, key, size);
  driver.kind = FRZ_VALUE_STRING;
  assert_int_equal(frz_online_entity_key(info, &driver, made, sizeof made, &size, &err),
                   FRZ_ERR_INVALID);
  frz_online_info_free(info);
  frz_online_result_free(result);
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

/* The bytes were made by Feast 0.67: RepeatedValue(val=[...]).SerializeToString() of row 5. */
static void test_encode(void **state)
{
  (void)state;
  static const uint8_t expected[] = {
      0x0a, 0x02, 0x38, 0x01,                         /* bool true */
      0x0a, 0x02, 0x18, 0x23,                         /* int32 35 */
      0x0a, 0x06, 0x20, 0xa3, 0xe4, 0x97, 0xd0, 0x12, /* int64 5000000035 */
      0x0a, 0x05, 0x35, 0x00, 0x00, 0xa0, 0x3f,       /* float 1.25 */
      0x0a, 0x02, 0x40, 0x05,                         /* 5 s */
  };
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  frz_online *online = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 1000);
  write_row(online, (frz_test_row){1, 100, 1, 5});
  uint8_t key[FRZ_TEST_KEY_BYTES], other[FRZ_TEST_KEY_BYTES];
  frz_test_entity_key(1, key);
  frz_test_entity_key(2, other);
  const frz_bytes keys[] = {{other, sizeof other}, {key, sizeof key}};
  const char *names[] = {"flag", "small", "large", "ratio", "moment"};
  frz_online_result *result;
  frz_string values;
  uint8_t found[2];
  int64_t event_us[2];
  frz_test_ok(frz_online_result_create(online, &result, &err), &err);
  frz_test_ok(frz_online_read(online, keys, 2, names, 5, result, &err), &err);
  frz_test_ok(frz_online_result_encode(result, &values, found, event_us, &err), &err);
  assert_int_equal(found[0], 0);
  assert_int_equal(found[1], 1);
  assert_int_equal(event_us[1], 100);
  assert_int_equal(values.size_bytes, sizeof expected);
  assert_memory_equal(values.data, expected, values.size_bytes);
  frz_string_dispose(&values);
  frz_online_result_free(result);
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

/* Two keys of which the first has no row, and two features; bytes as Feast 0.67 makes them, but for
 * the lengths of the vectors, which take five bytes. */
static void test_encode_vectors(void **state)
{
  (void)state;
  static const uint8_t expected[] = {
      0x12, 0x92, 0x80, 0x80, 0x80, 0x00, 0x0a, 0x00, 0x0a, 0x02, 0x38, 0x01, /* null, true */
      0x12, 0x02, 0x03, 0x01,                         /* not found, present */
      0x1a, 0x00, 0x1a, 0x04, 0x10, 0xa0, 0x8d, 0x06, /* 0, 100 us */
      0x12, 0x96, 0x80, 0x80, 0x80, 0x00, 0x0a, 0x00, 0x0a, 0x06, 0x20, 0xa3,
      0xe4, 0x97, 0xd0, 0x12, /* null, 5000000035 */
      0x12, 0x02, 0x03, 0x01, 0x1a, 0x00, 0x1a, 0x04, 0x10, 0xa0, 0x8d, 0x06};
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  frz_online *online = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 1000);
  write_row(online, (frz_test_row){1, 100, 1, 5});
  uint8_t key[FRZ_TEST_KEY_BYTES], other[FRZ_TEST_KEY_BYTES];
  frz_test_entity_key(1, key);
  frz_test_entity_key(2, other);
  const frz_bytes keys[] = {{other, sizeof other}, {key, sizeof key}};
  const char *names[] = {"flag", "large"};
  frz_online_result *result;
  frz_string results;
  frz_test_ok(frz_online_result_create(online, &result, &err), &err);
  frz_test_ok(frz_online_read(online, keys, 2, names, 2, result, &err), &err);
  frz_test_ok(frz_online_result_encode_vectors(result, &results, &err), &err);
  assert_int_equal(results.size_bytes, sizeof expected);
  assert_memory_equal(results.data, expected, results.size_bytes);
  frz_string_dispose(&results);
  frz_test_ok(frz_online_read(online, keys, 0, names, 2, result, &err), &err);
  frz_test_ok(frz_online_result_encode_vectors(result, &results, &err), &err);
  assert_int_equal(results.size_bytes, 12); /* two vectors of nothing */
  frz_string_dispose(&results);
  assert_int_equal(frz_online_result_encode_vectors(result, NULL, &err), FRZ_ERR_INVALID);
  frz_online_result_free(result);
  frz_online_close(online);
  frz_test_lake_close(&lake);
}

/* Only with an index that was looked at within the bound is nothing waited for. */
static void test_is_fresh(void **state)
{
  (void)state;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", NULL);
  frz_online *online = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 3600000);
  assert_false(frz_online_is_fresh(online));
  prepare(online);
  assert_true(frz_online_is_fresh(online));
  frz_online_close(online);
  online = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 50);
  prepare(online);
  frz_os_sleep_ms(60);
  assert_false(frz_online_is_fresh(online)); /* nobody reads: nobody looks */
  frz_online_close(online);
  online = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 0);
  prepare(online);
  assert_false(frz_online_is_fresh(online));
  frz_online_close(online);
  online = open_with(&lake, "t", FRZ_LOOKUP_DIRECT, 3600000);
  assert_true(frz_test_online_lacks(online, 1));
  assert_false(frz_online_is_fresh(online));
  frz_online_close(online);
  assert_false(frz_online_is_fresh(NULL));
  frz_test_lake_close(&lake);
}

/* ---- a storage that does not answer ---- */

/** A storage whose files below one folder stay out until they are let go. */
typedef struct stalling_store {
  frz_storage *real;
  const char *folder; /* part of the stalled files' paths */
  atomic_bool is_stalled;
  atomic_int n_waiting;
} stalling_store;

static frz_status stalling_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  stalling_store *store = ctx;
  if (memmem(uri.data, uri.size, store->folder, strlen(store->folder)) != NULL) {
    atomic_fetch_add(&store->n_waiting, 1);
    while (atomic_load(&store->is_stalled)) frz_os_sleep_ms(2);
  }
  return frz_storage_open(store->real, uri, source_out, err);
}

static void stalling_free(void *ctx)
{
  (void)ctx;
}

/* A read ends within its bound with an error, while the index waits for the same file; keys in
 * other files are answered meanwhile. */
static void test_stalled_storage(void **state)
{
  (void)state;
  static const frz_storage_ops ops = {.version = 1, .open = stalling_open, .free = stalling_free};
  frz_error err = {0};
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_test_online_table(&lake, "t", "driver_id");
  frz_online *writer = open_with(&lake, "t", FRZ_LOOKUP_INDEX, 3600000);
  frz_test_row stalled = {1, 100, 1, 1}, whole = {2, 100, 1, 2};
  write_row(writer, stalled);
  write_row(writer, whole);
  frz_online_close(writer);
  for (int lookup = 0; lookup < 2; lookup++) {
    frz_online_options options;
    frz_online_options_init(&options);
    options.lookup = (frz_online_lookup)lookup;
    options.read_timeout_ms = 1500;
    options.max_staleness_ms = 3600000;
    options.compact_automatically = false;
    frz_online *online = frz_test_online_open(&lake, "t", &options);
    stalling_store store = {.real = online->storage, .folder = "driver_id=1/", .is_stalled = true};
    frz_test_ok(frz_storage_wrap(lake.context, &ops, &store, &online->storage, &err), &err);
    frz_storage_release(online->direct_storage);
    online->direct_storage = frz_storage_retain(online->storage);
    frz_online_result *result = NULL;
    int64_t started_us = frz_os_monotonic_us();
    assert_int_equal(frz_test_online_read(online, &stalled.driver, 1, &result, &err),
                     FRZ_ERR_TIMEOUT);
    assert_true(frz_os_monotonic_us() - started_us >= 1500000);
    assert_non_null(strstr(err.message, "read_timeout_ms 1500"));
    assert_true(atomic_load(&store.n_waiting) >= 1);
    frz_online_result_free(result);
    assert_true(frz_test_online_has(online, &whole));
    atomic_store(&store.is_stalled, false);
    assert_true(frz_test_online_has(online, &stalled));
    frz_storage *wrapped = online->storage;
    frz_online_close(online);
    frz_storage_release(wrapped);
  }
  frz_test_lake_close(&lake);
}

static void test_not_online(void **state)
{
  (void)state;
  frz_error err = {0};
  frz_online *online;
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table_free(frz_test_lake_table(&lake, "plain", NULL, NULL));
  assert_int_equal(frz_online_open(lake.catalog, "ns.plain", NULL, &online, &err), FRZ_ERR_INVALID);
  assert_non_null(strstr(err.message, "frazil.feast"));
  assert_int_equal(frz_online_open(lake.catalog, "ns.absent", NULL, &online, &err),
                   FRZ_ERR_NOT_FOUND);
  frz_test_lake_close(&lake);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_winners),          cmocka_unit_test(test_batches),
      cmocka_unit_test(test_two_writers),      cmocka_unit_test(test_foreign_delete),
      cmocka_unit_test(test_always_fresh),     cmocka_unit_test(test_other_columns),
      cmocka_unit_test(test_features_by_name), cmocka_unit_test(test_encode),
      cmocka_unit_test(test_encode_vectors),   cmocka_unit_test(test_is_fresh),
      cmocka_unit_test(test_stalled_storage),  cmocka_unit_test(test_not_online)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
