/*
 * fault_row_changes.c - deletes by merge-on-read and upserts while allocations are refused, and
 * while storage fails.
 *
 * However a change ends, the table reads whole: with the change where it said so, else without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"
#include "iceberg/table/table_state.h"
#include "test_lake.h"

enum { ROWS = 40 };

/* Id and name of a row that is there are updated, and one that is not is inserted. */
static frz_status upsert(frz_table *table, const frz_write_options *options, frz_error *err)
{
  static const char *const keys[] = {"id"};
  struct ArrowArrayStream stream;
  frz_test_rows(ROWS - 1, 3, frz_alloc_default(), &stream);
  return frz_table_upsert(table, &stream, keys, 1, options, NULL, err);
}

/* One step of each kind: 0 and 1 are deletes (of some files' rows, and with vectors before). */
static frz_status change(frz_table *table, int step, frz_error *err)
{
  frz_write_options options;
  frz_write_options_init(&options);
  options.mode = FRZ_WRITE_MERGE_ON_READ;
  if (step == 0) return frz_table_delete(table, "id in (1, 25)", &options, NULL, err);
  if (step == 1) return frz_table_delete(table, "id = 2 or id >= 30", &options, NULL, err);
  return upsert(table, &options, err);
}

/* Rows before each step, and after the last. */
static const int64_t ROWS_BEFORE[] = {ROWS, ROWS - 2, ROWS - 13, ROWS - 10};

static frz_table *make_table(frz_test_lake *lake, const char *version)
{
  frz_error err = {0};
  const frz_property properties[] = {{"format-version", version}, {NULL, NULL}};
  frz_table *table = frz_test_lake_table(lake, "t", "truncate(20, id)", properties);
  frz_test_ok(frz_test_append(table, 0, ROWS, &err), &err);
  return table;
}

static frz_table *load(frz_catalog *catalog)
{
  frz_table *table = NULL;
  frz_error err = {0};
  frz_test_ok(frz_catalog_load_table(catalog, "ns.t", &table, &err), &err);
  return table;
}

static int64_t count_rows(frz_test_lake *lake)
{
  frz_table *table = load(lake->catalog);
  int64_t n_rows = frz_test_scan(table, NULL).n_rows;
  frz_table_free(table);
  return n_rows;
}

/* ---- allocations ---- */

static frz_status change_with(const frz_test_lake *lake, const frz_alloc *alloc, int step,
                              frz_error *err)
{
  frz_context *context = NULL;
  frz_catalog *catalog = NULL;
  frz_table *table = NULL;
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  char uri[300], warehouse[300];
  snprintf(uri, sizeof uri, "sqlite:///%s/catalog.db", lake->folder);
  snprintf(warehouse, sizeof warehouse, "%s/warehouse", lake->folder);
  const frz_property properties[] = {{"uri", uri}, {"warehouse", warehouse}};
  frz_status st = frz_context_create(&options, &context, err);
  if (st == FRZ_OK) st = frz_catalog_open(context, "test", properties, 2, &catalog, err);
  if (st == FRZ_OK) st = frz_catalog_load_table(catalog, "ns.t", &table, err);
  if (st == FRZ_OK) st = change(table, step, err);
  frz_table_free(table);
  frz_catalog_free(catalog);
  frz_context_free(context);
  return st;
}

static void check_allocations(const char *version)
{
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table_free(make_table(&lake, version));
  for (int step = 0; step < 3; step++) {
    frz_fault fault = {0};
    frz_status st = FRZ_ERR_NOMEM;
    for (long n = 1; st != FRZ_OK; n += n < 60 ? 7 : 3) { /* the start is that of fault_commit */
      frz_error err = {0};
      frz_fault_arm(&fault, n);
      st = change_with(&lake, &fault.alloc, step, &err);
      if (st != FRZ_OK && st != FRZ_ERR_NOMEM)
        fail_msg("request %ld: %s: %s", n, frz_status_name(st), err.message);
      if (fault.requests < n) assert_int_equal(st, FRZ_OK);
      assert_int_equal(fault.live, 0);
      assert_int_equal(count_rows(&lake), ROWS_BEFORE[st == FRZ_OK ? step + 1 : step]);
    }
  }
  frz_test_lake_close(&lake);
}

static void test_refused_allocations_are_survived(void **state)
{
  (void)state;
  check_allocations("2");
  check_allocations("3");
}

/* ---- storage ---- */

/* Fails one operation of a table's storage. */
typedef struct failing {
  frz_storage *real;
  atomic_int n_operations;
  int fail_at;
  bool failed_at_manifest;
} failing;

typedef struct failing_sink {
  frz_sink base;
  frz_sink *real;
  failing *by;
  bool is_manifest;
} failing_sink;

static bool is_manifest(frz_str uri)
{
  return uri.size > 5 && memcmp(uri.data + uri.size - 5, ".avro", 5) == 0;
}

static frz_status may_fail(failing *by, bool at_manifest, const char *what, frz_error *err)
{
  if (atomic_fetch_add(&by->n_operations, 1) + 1 != by->fail_at) return FRZ_OK;
  by->failed_at_manifest = at_manifest;
  return frz_fail(err, FRZ_ERR_IO, "the disk fails at a %s", what);
}

static frz_status sink_write(frz_sink *base, const void *data, size_t size, frz_error *err)
{
  failing_sink *self = (failing_sink *)base;
  frz_status st = may_fail(self->by, self->is_manifest, "write", err);
  if (st == FRZ_OK) st = frz_sink_write(self->real, data, size, err);
  base->written_bytes = self->real->written_bytes;
  return st;
}

static frz_status sink_commit(frz_sink *base, frz_error *err)
{
  failing_sink *self = (failing_sink *)base;
  frz_status st = may_fail(self->by, self->is_manifest, "commit", err);
  return st == FRZ_OK ? frz_sink_commit(self->real, err) : st;
}

static void sink_free(frz_sink *base)
{
  failing_sink *self = (failing_sink *)base;
  frz_sink_free(self->real);
  frz_alloc_free(frz_alloc_default(), self, sizeof *self);
}

static frz_status failing_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  failing *by = ctx;
  FRZ_TRY(may_fail(by, is_manifest(uri), "read", err));
  return frz_storage_open(by->real, uri, source_out, err);
}

static frz_status failing_create(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                                 frz_error *err)
{
  failing *by = ctx;
  FRZ_TRY(may_fail(by, is_manifest(uri), "creation", err));
  failing_sink *self = frz_alloc_zeroed(frz_alloc_default(), sizeof *self);
  assert_non_null(self);
  *self = (failing_sink){.base = {.write = sink_write, .commit = sink_commit, .free = sink_free},
                         .by = by,
                         .is_manifest = is_manifest(uri)};
  frz_status st = frz_storage_create_file(by->real, uri, must_be_new, &self->real, err);
  if (st == FRZ_OK)
    *sink_out = &self->base;
  else
    frz_alloc_free(frz_alloc_default(), self, sizeof *self);
  return st;
}

static frz_status failing_remove(void *ctx, frz_str uri, frz_error *err)
{
  return frz_storage_remove(((failing *)ctx)->real, uri, err);
}

static frz_status failing_list(void *ctx, frz_str uri, frz_storage_visit visit, void *arg,
                               frz_error *err)
{
  return frz_storage_list(((failing *)ctx)->real, uri, visit, arg, err);
}

static void nothing(void *ctx)
{
  (void)ctx;
}

static frz_status change_on(frz_test_lake *lake, failing *by, int step, frz_error *err)
{
  const frz_storage_ops ops = {.version = 1,
                               .open = failing_open,
                               .create = failing_create,
                               .remove = failing_remove,
                               .list = failing_list,
                               .free = nothing};
  frz_storage *storage = NULL;
  frz_table *table = load(lake->catalog);
  by->real = table->storage;
  frz_test_ok(frz_storage_wrap(lake->context, &ops, by, &storage, err), err);
  table->storage = storage;
  frz_status st = change(table, step, err);
  table->storage = by->real;
  frz_storage_release(storage);
  frz_table_free(table);
  return st;
}

static size_t count_files(const frz_test_lake *lake)
{
  return frz_test_count_files(lake, "warehouse", ".parquet") +
         frz_test_count_files(lake, "warehouse", ".puffin");
}

static void check_storage(const char *version)
{
  frz_test_lake lake;
  frz_test_lake_open(&lake, NULL);
  frz_table_free(make_table(&lake, version));
  for (int step = 0; step < 3; step++) {
    frz_status st = FRZ_ERR_IO;
    for (int n = 1; st != FRZ_OK; n++) {
      frz_error err = {0};
      failing by = {.fail_at = n};
      size_t n_files = count_files(&lake);
      st = change_on(&lake, &by, step, &err);
      if (st != FRZ_OK && st != FRZ_ERR_IO)
        fail_msg("operation %d: %s: %s", n, frz_status_name(st), err.message);
      assert_int_equal(st == FRZ_OK, by.n_operations < n);
      assert_int_equal(count_rows(&lake), ROWS_BEFORE[st == FRZ_OK ? step + 1 : step]);
      /* Until manifests are written nothing stays behind. */
      if (st != FRZ_OK && !by.failed_at_manifest) assert_int_equal(count_files(&lake), n_files);
    }
  }
  frz_test_lake_close(&lake);
}

static void test_failing_storage_loses_nothing(void **state)
{
  (void)state;
  check_storage("2");
  check_storage("3");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refused_allocations_are_survived),
      cmocka_unit_test(test_failing_storage_loses_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
