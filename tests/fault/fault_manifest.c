/*
 * fault_manifest.c - manifests and lists read, copied and written with every allocation refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "fault.h"
#include "iceberg/manifest/manifest.h"
#include "memory_store.h"

static const char metadata_text[] =
    "{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\","
    "\"location\":\"golden\",\"last-sequence-number\":6,\"last-updated-ms\":1602638573874,"
    "\"last-column-id\":2,\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\",\"schema-id\":"
    "0,"
    "\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"region\",\"required\":false,\"type\":\"string\"}]}],"
    "\"default-spec-id\":0,\"last-partition-id\":1001,\"partition-specs\":[{\"spec-id\":0,"
    "\"fields\":["
    "{\"source-id\":1,\"field-id\":1000,\"name\":\"id_bucket\",\"transform\":\"bucket[4]\"},"
    "{\"source-id\":2,\"field-id\":1001,\"name\":\"region-name\",\"transform\":\"identity\"}]}],"
    "\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}]}";

typedef struct table {
  frz_context *context;
  frz_storage *storage;
  frz_table_metadata *metadata;
} table;

static frz_status work_on(const table *t, frz_arena *arena)
{
  const frz_manifest_file *manifests;
  const frz_manifest_entry *entries;
  size_t n;
  size_t n_entries;
  frz_manifest_file written;
  frz_data_file copy;
  frz_snapshot snapshot = {.snapshot_id = 5001,
                           .parent_id = -1,
                           .sequence_number = 6,
                           .manifest_list = FRZ_STR("golden/v2/list.avro"),
                           .first_row_id = -1};
  FRZ_TRY(frz_manifest_list_read(t->storage, t->metadata, &snapshot, arena, &manifests, &n, NULL));
  FRZ_TRY(frz_manifest_read(t->storage, t->metadata, &manifests[0], true, NULL, 0, arena, &entries,
                            &n_entries, NULL));
  FRZ_TRY(frz_data_file_copy(&entries[0].file, arena, &copy, NULL));
  FRZ_TRY(frz_manifest_write(t->storage, t->metadata, &t->metadata->specs[0], FRZ_MANIFEST_DATA,
                             FRZ_STR("m"), 5001, entries, n_entries, arena, &written, NULL));
  written.n_added_rows = -1; /* counted again */
  return frz_manifest_list_write(t->storage, t->metadata, &snapshot, FRZ_STR("l"), &written, 1,
                                 NULL, NULL);
}

static frz_status work(const frz_alloc *alloc, frz_memory_store *store)
{
  frz_status st = FRZ_OK;
  table t = {0};
  frz_arena arena;
  frz_context_options options;
  frz_storage_ops ops = frz_memory_store_ops();
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 1;
  frz_arena_init(&arena, alloc, (size_t)64 << 20);
  FRZ_TRY_OUT(frz_context_create(&options, &t.context, NULL));
  FRZ_TRY_OUT(frz_storage_wrap(t.context, &ops, store, &t.storage, NULL));
  FRZ_TRY_OUT(frz_table_metadata_parse(alloc, FRZ_STR("m"), metadata_text, sizeof metadata_text - 1,
                                       &t.metadata, NULL));
  FRZ_TRY_OUT(work_on(&t, &arena));
out:
  frz_arena_free(&arena);
  if (t.metadata != NULL) frz_table_metadata_release(t.metadata);
  if (t.storage != NULL) frz_storage_release(t.storage);
  frz_context_free(t.context);
  return st;
}

static void test_every_refusal_is_clean(void **state)
{
  (void)state;
  frz_fault fault = {0};
  frz_memory_store store = {.golden = "avro"};
  long n = 0;
  do {
    frz_fault_arm(&fault, ++n);
    frz_status st = work(&fault.alloc, &store);
    assert_int_equal(st, fault.requests < n ? FRZ_OK : FRZ_ERR_NOMEM);
    assert_int_equal(fault.live, 0);
  } while (fault.requests >= n);
  assert_true(n > 20);
  frz_memory_store_clear(&store);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_refusal_is_clean)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
