/*
 * fuzz_manifest.c - any bytes as a manifest and as a manifest list; entries that are read keep the
 * promises of manifest.h.
 */
#include <stdint.h>
#include <stdlib.h>

#include "iceberg/manifest/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char metadata_text[] =
    "{\"format-version\":3,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\","
    "\"location\":\"f\",\"last-sequence-number\":6,\"last-updated-ms\":1602638573874,"
    "\"last-column-id\":6,\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\",\"schema-id\":"
    "0,"
    "\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"region\",\"required\":false,\"type\":\"string\"},"
    "{\"id\":3,\"name\":\"ts\",\"required\":false,\"type\":\"timestamptz\"},"
    "{\"id\":4,\"name\":\"price\",\"required\":false,\"type\":\"decimal(9, 2)\"},"
    "{\"id\":5,\"name\":\"score\",\"required\":false,\"type\":\"double\"},"
    "{\"id\":6,\"name\":\"token\",\"required\":false,\"type\":\"uuid\"}]}],"
    "\"default-spec-id\":0,\"last-partition-id\":1006,\"partition-specs\":[{\"spec-id\":0,"
    "\"fields\":["
    "{\"source-id\":1,\"field-id\":1000,\"name\":\"id_bucket\",\"transform\":\"bucket[4]\"},"
    "{\"source-id\":2,\"field-id\":1001,\"name\":\"region-name\",\"transform\":\"identity\"},"
    "{\"source-id\":3,\"field-id\":1002,\"name\":\"ts_day\",\"transform\":\"day\"},"
    "{\"source-id\":4,\"field-id\":1003,\"name\":\"price\",\"transform\":\"identity\"},"
    "{\"source-id\":6,\"field-id\":1004,\"name\":\"token\",\"transform\":\"identity\"},"
    "{\"source-id\":5,\"field-id\":1005,\"name\":\"score\",\"transform\":\"identity\"},"
    "{\"source-id\":5,\"field-id\":1006,\"name\":\"odd\",\"transform\":\"zorder\"}]}],"
    "\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}],\"next-row-id\":"
    "9}";

typedef struct input {
  const uint8_t *data;
  size_t size;
} input;

static frz_status input_open(void *ctx, frz_str uri, frz_source **source_out, frz_error *err)
{
  const input *in = ctx;
  (void)uri;
  return frz_source_from_memory(frz_alloc_default(), in->data, in->size, source_out, err);
}

static void input_free(void *ctx)
{
  (void)ctx;
}

static void check_metrics(const frz_metric *metrics, size_t n)
{
  for (size_t i = 1; i < n; i++)
    if (metrics[i - 1].field_id >= metrics[i].field_id) abort();
}

static void check_entry(const frz_manifest_entry *entry, const frz_manifest_file *manifest)
{
  const frz_data_file *file = &entry->file;
  if (file->path.data == NULL || file->n_rows < 0 || file->size_bytes < 0) abort();
  if (file->partition.n_values != 7) abort();
  if ((file->content == FRZ_CONTENT_DATA) != (manifest->content == FRZ_MANIFEST_DATA)) abort();
  if (entry->status == FRZ_ENTRY_DELETED) abort();
  if (file->content != FRZ_CONTENT_DATA && file->first_row_id != -1) abort();
  check_metrics(file->value_counts, file->n_value_counts);
  check_metrics(file->null_counts, file->n_null_counts);
  for (size_t i = 1; i < file->n_lower_bounds; i++)
    if (file->lower_bounds[i - 1].field_id >= file->lower_bounds[i].field_id) abort();
}

static void read_both(frz_storage *storage, const frz_table_metadata *metadata,
                      frz_manifest_content content)
{
  frz_arena arena;
  const frz_manifest_file *manifests;
  const frz_manifest_entry *entries;
  size_t n;
  frz_manifest_file manifest = {.path = FRZ_STR("f"),
                                .content = content,
                                .sequence_number = 6,
                                .added_snapshot_id = 1,
                                .first_row_id = content == FRZ_MANIFEST_DATA ? 100 : -1};
  frz_snapshot snapshot = {.snapshot_id = 1, .manifest_list = FRZ_STR("f")};
  frz_arena_init(&arena, frz_alloc_default(), (size_t)256 << 20);
  if (frz_manifest_read(storage, metadata, &manifest, false, NULL, 0, &arena, &entries, &n, NULL) ==
      FRZ_OK)
    for (size_t i = 0; i < n; i++) check_entry(&entries[i], &manifest);
  if (content == FRZ_MANIFEST_DATA &&
      frz_manifest_list_read(storage, metadata, &snapshot, &arena, &manifests, &n, NULL) == FRZ_OK)
    for (size_t i = 0; i < n; i++)
      if (manifests[i].path.data == NULL || manifests[i].spec_id != 0) abort();
  frz_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  input in = {data, size};
  frz_context *context;
  frz_storage *storage;
  frz_table_metadata *metadata;
  frz_storage_ops ops = {.version = 1, .open = input_open, .free = input_free};
  if (frz_context_create(NULL, &context, NULL) != FRZ_OK ||
      frz_storage_wrap(context, &ops, &in, &storage, NULL) != FRZ_OK ||
      frz_table_metadata_parse(frz_alloc_default(), FRZ_STR("m"), metadata_text,
                               sizeof metadata_text - 1, &metadata, NULL) != FRZ_OK)
    abort();
  read_both(storage, metadata, FRZ_MANIFEST_DATA);
  read_both(storage, metadata, FRZ_MANIFEST_DELETES);
  frz_table_metadata_release(metadata);
  frz_storage_release(storage);
  frz_context_free(context);
  return 0;
}
