/*
 * fault_data_file_write.c - write partitioned data files while allocations are refused or the
 * storage fails: nothing leaks, and files are removed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fault.h"
#include "iceberg/write/data_file_write.h"
#include "memory_store.h"
#include "test_files.h"

enum { N_ROWS = 40 };

static char folder[256];
static int sort_order_id; /* of the table: 0 or 1 */

static frz_status load_table(const frz_alloc *alloc, frz_table_metadata **metadata_out,
                             frz_error *err)
{
  frz_buf json;
  frz_buf_init(&json, frz_alloc_default(), 1 << 20);
  assert_int_equal(
      frz_buf_print(
          &json, NULL,
          "{\"format-version\":2,\"table-uuid\":\"7a1b2c3d-0000-4000-8000-000000000001\","
          "\"location\":\"%s/t\",\"last-sequence-number\":0,\"last-updated-ms\":1700000000000,"
          "\"last-column-id\":2,\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\","
          "\"schema-id\":0,\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,"
          "\"type\":\"long\"},{\"id\":2,\"name\":\"name\",\"required\":false,"
          "\"type\":\"string\"}]}],\"default-spec-id\":0,\"partition-specs\":[{\"spec-id\":0,"
          "\"fields\":[{\"field-id\":1000,\"source-id\":2,\"name\":\"name\","
          "\"transform\":\"truncate[1]\"},{\"field-id\":1001,\"source-id\":1,\"name\":\"bucket\","
          "\"transform\":\"bucket[2]\"}]}],\"last-partition-id\":1001,"
          "\"default-sort-order-id\":%d,\"sort-orders\":[{\"order-id\":0,\"fields\":[]},"
          "{\"order-id\":1,\"fields\":[{\"transform\":\"bucket[4]\",\"source-id\":1,"
          "\"direction\":\"desc\",\"null-order\":\"nulls-last\"}]}],"
          "\"properties\":{\"write.target-file-size-bytes\":\"600\","
          "\"write.parquet.bloom-filter-enabled.column.id\":\"true\","
          "\"write.parquet.bloom-filter-max-bytes\":\"64\"},\"snapshots\":[]}",
          folder, sort_order_id),
      FRZ_OK);
  frz_status st =
      frz_table_metadata_parse(alloc, FRZ_STR("test"), json.data, json.size, metadata_out, err);
  frz_buf_dispose(&json);
  return st;
}

static void fill(frz_batch *batch, const frz_data_file_writer *writer)
{
  size_t n_fields;
  const frz_arrow_field *fields = frz_data_file_writer_fields(writer, &n_fields);
  assert_int_equal(frz_batch_init(batch, fields, n_fields, frz_alloc_default(), NULL), FRZ_OK);
  for (int64_t i = 0; i < N_ROWS; i++) {
    char name[2] = {(char)('a' + i % 3), 'x'};
    assert_int_equal(frz_column_append_value(&batch->columns[0], &i, 8, NULL), FRZ_OK);
    assert_int_equal(frz_column_append_value(&batch->columns[1], name, 2, NULL), FRZ_OK);
  }
  batch->n_rows = N_ROWS;
}

/* The whole write, into a storage that the caller may have prepared to fail. */
static frz_status work(const frz_alloc *alloc, frz_storage *given, bool keep, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_context *context = NULL;
  frz_storage *storage = given != NULL ? frz_storage_retain(given) : NULL;
  frz_table_metadata *metadata = NULL;
  frz_data_file_writer *writer = NULL;
  frz_batch batch = {0};
  frz_arena arena;
  frz_arena_init(&arena, alloc, 1 << 24);
  frz_context_options options;
  frz_context_options_init(&options);
  options.n_threads = 1;
  options.alloc = alloc;
  FRZ_TRY_OUT(frz_context_create(&options, &context, err));
  if (given == NULL) FRZ_TRY_OUT(frz_storage_create(context, NULL, 0, &storage, err));
  FRZ_TRY_OUT(load_table(alloc, &metadata, err));
  FRZ_TRY_OUT(frz_data_file_writer_create(context, storage, metadata,
                                          frz_metadata_current_schema(metadata),
                                          frz_metadata_spec(metadata, 0), &writer, err));
  fill(&batch, writer);
  FRZ_TRY_OUT(frz_data_file_writer_write(writer, &batch, err));
  FRZ_TRY_OUT(frz_data_file_writer_write(writer, &batch, err));
  const frz_data_file *files;
  size_t n;
  FRZ_TRY_OUT(frz_data_file_writer_finish(writer, &arena, &files, &n, err));
  assert_in_range(n, 6, 12);
  if (keep) frz_data_file_writer_keep(writer);
out:
  frz_batch_dispose(&batch);
  frz_data_file_writer_free(writer);
  frz_table_metadata_release(metadata);
  frz_storage_release(storage);
  frz_context_free(context);
  frz_arena_free(&arena);
  return st;
}

static void refuse_every_allocation(void)
{
  frz_test_folder(folder);
  frz_fault fault = {0};
  long n = 0;
  do {
    frz_error error = {0};
    frz_fault_arm(&fault, ++n);
    /* Kept at the end: removing files wants memory too, and reports nothing. */
    frz_status st = work(&fault.alloc, NULL, true, &error);
    assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  frz_test_folder_remove(folder);
}

static void test_every_refused_allocation_is_reported(void **state)
{
  (void)state;
  for (sort_order_id = 0; sort_order_id < 2; sort_order_id++) refuse_every_allocation();
  sort_order_id = 0;
}

/* ---- a storage that fails ---- */

typedef struct flaky {
  frz_storage_ops real;
  frz_memory_store *store;
  long calls;
  long fail_at;
  long n_committed;
} flaky;

typedef struct flaky_sink {
  frz_sink base;
  frz_sink *real;
  flaky *owner;
} flaky_sink;

static frz_status step(flaky *self, frz_error *err)
{
  if (++self->calls != self->fail_at) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_IO, "call %ld fails", self->calls);
}

static frz_status flaky_write(frz_sink *sink, const void *data, size_t size, frz_error *err)
{
  flaky_sink *self = (flaky_sink *)sink;
  FRZ_TRY(step(self->owner, err));
  FRZ_TRY(frz_sink_write(self->real, data, size, err));
  sink->written_bytes += (int64_t)size;
  return FRZ_OK;
}

static frz_status flaky_commit(frz_sink *sink, frz_error *err)
{
  flaky_sink *self = (flaky_sink *)sink;
  FRZ_TRY(step(self->owner, err));
  self->owner->n_committed++;
  return frz_sink_commit(self->real, err);
}

static void flaky_sink_free(frz_sink *sink)
{
  flaky_sink *self = (flaky_sink *)sink;
  frz_sink_free(self->real);
  frz_alloc_free(frz_alloc_default(), self, sizeof *self);
}

static frz_status flaky_create(void *ctx, frz_str uri, bool must_be_new, frz_sink **sink_out,
                               frz_error *err)
{
  flaky *self = ctx;
  FRZ_TRY(step(self, err));
  flaky_sink *sink = frz_alloc_zeroed(frz_alloc_default(), sizeof *sink);
  assert_non_null(sink);
  sink->base = (frz_sink){.write = flaky_write, .commit = flaky_commit, .free = flaky_sink_free};
  sink->owner = self;
  frz_status st = self->real.create(self->store, uri, must_be_new, &sink->real, err);
  if (st != FRZ_OK) {
    frz_alloc_free(frz_alloc_default(), sink, sizeof *sink);
    return st;
  }
  *sink_out = &sink->base;
  return FRZ_OK;
}

static long n_removed;

static frz_status flaky_remove(void *ctx, frz_str uri, frz_error *err)
{
  (void)ctx;
  (void)uri;
  (void)err;
  n_removed++;
  return FRZ_OK;
}

/* Whatever call fails: its error comes out, and every file that was committed is removed. */
static void test_every_failed_call_ends_the_write(void **state)
{
  (void)state;
  snprintf(folder, sizeof folder, "lake");
  frz_context *context;
  assert_int_equal(frz_context_create(NULL, &context, NULL), FRZ_OK);
  frz_status st;
  long fail_at = 0;
  do {
    static frz_memory_store store;
    flaky self = {.real = frz_memory_store_ops(), .store = &store, .fail_at = ++fail_at};
    frz_storage_ops ops = {.version = 1, .create = flaky_create, .remove = flaky_remove};
    frz_storage *storage;
    frz_error error = {0};
    n_removed = 0;
    assert_int_equal(frz_storage_wrap(context, &ops, &self, &storage, NULL), FRZ_OK);
    st = work(frz_alloc_default(), storage, true, &error);
    frz_storage_release(storage);
    assert_int_equal(st, self.calls < fail_at ? FRZ_OK : FRZ_ERR_IO);
    if (st != FRZ_OK) assert_true(n_removed >= self.n_committed);
    frz_memory_store_clear(&store);
  } while (st != FRZ_OK);
  assert_true(fail_at > 12);
  frz_context_free(context);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_refused_allocation_is_reported),
      cmocka_unit_test(test_every_failed_call_ends_the_write),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
