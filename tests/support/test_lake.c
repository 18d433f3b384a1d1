/*
 * test_lake.c - see test_lake.h.
 */
#include "test_lake.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arrow/arrow_stream.h"
#include "iceberg/metadata/summary_json.h"
#include "iceberg/table/table_handle.h"
#include "test_files.h"

static const frz_arrow_field fields[] = {
    {.name = {"id", 2}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_INT64}},
    {.name = {"name", 4}, .nullable = true, .field_id = -1, .type = {.kind = FRZ_ARROW_STRING}}};

void frz_test_ok(frz_status status, const frz_error *err)
{
  if (status != FRZ_OK)
    fail_msg("%s: %s", frz_status_name(status), err != NULL ? err->message : "");
}

frz_catalog *frz_test_lake_connect(const frz_test_lake *lake, frz_context *context)
{
  frz_catalog *catalog;
  frz_error err = {0};
  char uri[300], warehouse[300];
  snprintf(uri, sizeof uri, "sqlite:///%s/catalog.db", lake->folder);
  snprintf(warehouse, sizeof warehouse, "%s/warehouse", lake->folder);
  const frz_property properties[] = {{"type", "sql"}, {"uri", uri}, {"warehouse", warehouse}};
  frz_test_ok(frz_catalog_open(context, "test", properties, 3, &catalog, &err), &err);
  return catalog;
}

void frz_test_lake_open(frz_test_lake *lake, const frz_alloc *alloc)
{
  frz_error err = {0};
  frz_context_options options;
  frz_context_options_init(&options);
  options.alloc = alloc;
  options.n_threads = 2;
  frz_test_folder(lake->folder);
  frz_test_ok(frz_context_create(&options, &lake->context, &err), &err);
  lake->catalog = frz_test_lake_connect(lake, lake->context);
  frz_test_ok(frz_catalog_create_namespace(lake->catalog, "ns", NULL, 0, &err), &err);
}

void frz_test_lake_close(frz_test_lake *lake)
{
  frz_catalog_free(lake->catalog);
  frz_context_free(lake->context);
  frz_test_folder_remove(lake->folder);
}

frz_table *frz_test_lake_table(frz_test_lake *lake, const char *name, const char *partition_spec,
                               const frz_property *properties)
{
  frz_error err = {0};
  frz_table *table = NULL;
  struct ArrowSchema schema;
  char identifier[100];
  snprintf(identifier, sizeof identifier, "ns.%s", name);
  frz_create_table_options options;
  frz_create_table_options_init(&options);
  options.partition_spec = partition_spec;
  options.properties = properties;
  while (properties != NULL && properties[options.n_properties].key != NULL) options.n_properties++;
  frz_test_ok(frz_arrow_schema_export(fields, 2, frz_alloc_default(), &schema, &err), &err);
  frz_test_ok(frz_catalog_create_table(lake->catalog, identifier, &schema, &options, &table, &err),
              &err);
  schema.release(&schema);
  return table;
}

void frz_test_rows(int64_t first, int64_t n_rows, const frz_alloc *alloc,
                   struct ArrowArrayStream *stream_out)
{
  frz_batch batch;
  frz_error err = {0};
  frz_test_ok(frz_batch_init(&batch, fields, 2, alloc, &err), &err);
  for (int64_t i = first; i < first + n_rows; i++) {
    char name[32];
    int size = snprintf(name, sizeof name, "n%lld", (long long)i);
    frz_test_ok(frz_column_append_value(&batch.columns[0], &i, sizeof i, &err), &err);
    if (i % 7 == 0)
      frz_test_ok(frz_column_append_nulls(&batch.columns[1], 1, &err), &err);
    else
      frz_test_ok(frz_column_append_value(&batch.columns[1], name, (size_t)size, &err), &err);
  }
  batch.n_rows = n_rows;
  size_t n_batches = n_rows != 0 ? 1 : 0;
  frz_test_ok(frz_stream_export_batches(fields, 2, &batch, n_batches, alloc, stream_out, &err),
              &err);
  if (n_batches == 0) frz_batch_dispose(&batch);
}

frz_status frz_test_append(frz_table *table, int64_t first, int64_t n_rows, frz_error *err)
{
  struct ArrowArrayStream stream;
  frz_test_rows(first, n_rows, frz_alloc_default(), &stream);
  return frz_table_append(table, &stream, NULL, NULL, err);
}

frz_test_sum frz_test_scan(frz_table *table, const char *filter)
{
  frz_test_sum sum = {0};
  frz_error err = {0};
  frz_scan *scan;
  frz_scan_options options;
  struct ArrowArrayStream stream;
  frz_stream_reader reader;
  frz_scan_options_init(&options);
  options.row_filter = filter;
  frz_test_ok(frz_table_scan(table, &options, &scan, &err), &err);
  frz_test_ok(frz_scan_stream(scan, &stream, &err), &err);
  frz_test_ok(frz_stream_reader_open(&reader, &stream, frz_alloc_default(), &err), &err);
  for (;;) {
    frz_batch batch;
    frz_test_ok(frz_stream_reader_next(&reader, &batch, &err), &err);
    if (batch.n_rows == 0) break;
    const int64_t *ids = (const int64_t *)(const void *)batch.columns[0].values.data;
    for (int64_t i = 0; i < batch.n_rows; i++) sum.id_sum += ids[i];
    sum.n_rows += batch.n_rows;
    sum.n_null_names += batch.columns[1].n_nulls;
    frz_batch_dispose(&batch);
  }
  frz_stream_reader_dispose(&reader);
  frz_scan_free(scan);
  return sum;
}

/* nftw() passes nothing through, so what it looks for stands here during a walk. */
static const char *wanted_suffix;
static size_t n_found;

static int count_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
  (void)info;
  (void)walk;
  size_t size = strlen(path), suffix = strlen(wanted_suffix);
  if (kind == FTW_F && size >= suffix && strcmp(path + size - suffix, wanted_suffix) == 0)
    n_found++;
  return 0;
}

size_t frz_test_count_files(const frz_test_lake *lake, const char *below, const char *suffix)
{
  char path[600];
  snprintf(path, sizeof path, "%s/%s", lake->folder, below);
  wanted_suffix = suffix;
  n_found = 0;
  nftw(path, count_entry, 16, FTW_PHYS);
  return n_found;
}

void frz_test_summary(frz_table *table, const char *key, char value_out[FRZ_TEST_VALUE_BYTES])
{
  frz_arena arena;
  const frz_text_pair *pairs = NULL;
  size_t n_pairs = 0;
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_snapshot *head = frz_metadata_snapshot(metadata, metadata->current_snapshot_id);
  assert_non_null(head);
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_summary_parse(head->summary, &arena, &pairs, &n_pairs, NULL), FRZ_OK);
  frz_str found = frz_summary_find(pairs, n_pairs, key);
  snprintf(value_out, FRZ_TEST_VALUE_BYTES, "%.*s", FRZ_STR_ARG(found));
  frz_arena_free(&arena);
  frz_table_metadata_release(metadata);
}
