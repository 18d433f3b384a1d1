/*
 * test_manifest.c - manifests and manifest lists: of PyIceberg, our own, and odd ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "avro/avro_file.h"
#include "avro/avro_value.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/manifest/manifest_field.h"
#include "memory_store.h"
#include "test_files.h"

typedef struct fixture {
  frz_context *context;
  frz_memory_store store;
  frz_storage *storage;
  frz_table_metadata *metadata;
  frz_arena arena;
  frz_error err;
} fixture;

/* %d format version; %s further members */
static const char metadata_text[] =
    "{\"format-version\":%d,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\","
    "\"location\":\"golden\",\"last-sequence-number\":6,\"last-updated-ms\":1602638573874,"
    "\"last-column-id\":6,\"current-schema-id\":0,\"schemas\":[{\"type\":\"struct\",\"schema-id\":"
    "0,"
    "\"fields\":[{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
    "{\"id\":2,\"name\":\"region\",\"required\":false,\"type\":\"string\"},"
    "{\"id\":3,\"name\":\"ts\",\"required\":false,\"type\":\"timestamptz\"},"
    "{\"id\":4,\"name\":\"price\",\"required\":false,\"type\":\"decimal(9, 2)\"},"
    "{\"id\":5,\"name\":\"score\",\"required\":false,\"type\":\"double\"},"
    "{\"id\":6,\"name\":\"token\",\"required\":false,\"type\":\"uuid\"}]}],"
    "\"default-spec-id\":0,\"last-partition-id\":1005,\"partition-specs\":[{\"spec-id\":0,"
    "\"fields\":["
    "{\"source-id\":1,\"field-id\":1000,\"name\":\"id_bucket\",\"transform\":\"bucket[4]\"},"
    "{\"source-id\":2,\"field-id\":1001,\"name\":\"region-name\",\"transform\":\"identity\"},"
    "{\"source-id\":3,\"field-id\":1002,\"name\":\"ts_day\",\"transform\":\"day\"},"
    "{\"source-id\":4,\"field-id\":1003,\"name\":\"price\",\"transform\":\"identity\"},"
    "{\"source-id\":6,\"field-id\":1004,\"name\":\"token\",\"transform\":\"identity\"},"
    "{\"source-id\":5,\"field-id\":1005,\"name\":\"score\",\"transform\":\"identity\"}]},"
    "{\"spec-id\":1,\"fields\":[]}],"
    "\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}],"
    "\"next-row-id\":1000,\"properties\":{%s}}";

static void open_table(fixture *f, int version, const char *properties)
{
  char text[4096];
  memset(f, 0, sizeof *f);
  f->store.golden = "avro";
  assert_int_equal(frz_context_create(NULL, &f->context, NULL), FRZ_OK);
  frz_storage_ops ops = frz_memory_store_ops();
  assert_int_equal(frz_storage_wrap(f->context, &ops, &f->store, &f->storage, NULL), FRZ_OK);
  int size = snprintf(text, sizeof text, metadata_text, version, properties);
  frz_status st = frz_table_metadata_parse(frz_alloc_default(), FRZ_STR("m"), text, (size_t)size,
                                           &f->metadata, &f->err);
  if (st != FRZ_OK) fail_msg("%s", f->err.message);
  frz_arena_init(&f->arena, frz_alloc_default(), (size_t)256 << 20);
}

static void close_table(fixture *f)
{
  frz_arena_free(&f->arena);
  frz_table_metadata_release(f->metadata);
  frz_storage_release(f->storage);
  frz_memory_store_clear(&f->store);
  frz_context_free(f->context);
}

static frz_snapshot snapshot_of(const char *list)
{
  return (frz_snapshot){.snapshot_id = 5001,
                        .parent_id = 4001,
                        .sequence_number = 6,
                        .manifest_list = frz_str_from(list),
                        .first_row_id = -1,
                        .added_rows = -1};
}

static size_t read_list(fixture *f, const char *list, const frz_manifest_file **manifests_out)
{
  frz_snapshot snapshot = snapshot_of(list);
  size_t n = 0;
  frz_status st = frz_manifest_list_read(f->storage, f->metadata, &snapshot, &f->arena,
                                         manifests_out, &n, &f->err);
  if (st != FRZ_OK) fail_msg("%s", f->err.message);
  return n;
}

static size_t read_all(fixture *f, const frz_manifest_file *manifest, bool with_deleted,
                       const frz_manifest_entry **entries_out)
{
  size_t n = 0;
  frz_status st = frz_manifest_read(f->storage, f->metadata, manifest, with_deleted, NULL, 0,
                                    &f->arena, entries_out, &n, &f->err);
  if (st != FRZ_OK) fail_msg("%s", f->err.message);
  return n;
}

/* ---- of PyIceberg ---- */

static void test_a_list_of_pyiceberg(void **state)
{
  (void)state;
  fixture f;
  const frz_manifest_file *m;
  open_table(&f, 2, "");
  assert_int_equal(read_list(&f, "golden/v2/list.avro", &m), 2);
  assert_true(frz_str_is(m[0].path, "golden/v2/data.avro"));
  assert_int_equal(m[0].length_bytes, 5836);
  assert_int_equal(m[0].spec_id, 0);
  assert_int_equal(m[0].content, FRZ_MANIFEST_DATA);
  assert_int_equal(m[0].sequence_number, 6);
  assert_int_equal(m[0].min_sequence_number, 3);
  assert_int_equal(m[0].added_snapshot_id, 5001);
  assert_int_equal(m[0].n_added_files, 1);
  assert_int_equal(m[0].n_existing_files, 1);
  assert_int_equal(m[0].n_deleted_files, 1);
  assert_int_equal(m[0].n_added_rows, 10);
  assert_int_equal(m[0].n_existing_rows, 20);
  assert_int_equal(m[0].n_deleted_rows, 30);
  assert_true(m[0].has_partitions);
  assert_int_equal(m[0].n_partitions, 6);
  assert_false(m[0].partitions[0].contains_null);
  assert_true(m[0].partitions[1].contains_null);
  assert_true(frz_str_equal(m[0].partitions[1].lower, (frz_str){"", 0}));
  assert_non_null(m[0].partitions[1].lower.data);
  assert_true(frz_str_is(m[0].partitions[1].upper, "eu"));
  assert_int_equal(m[0].partitions[1].contains_nan, 0);
  assert_int_equal(m[0].partitions[5].contains_nan, 1);
  assert_null(m[0].key_metadata.data);
  assert_int_equal(m[0].first_row_id, -1);
  assert_int_equal(m[1].content, FRZ_MANIFEST_DELETES);
  assert_int_equal(m[1].min_sequence_number, 4);
  close_table(&f);
}

static void check_full_partition(const frz_partition *p)
{
  assert_int_equal(p->n_values, 6);
  assert_int_equal(p->values[0].kind, FRZ_TYPE_INT);
  assert_int_equal(p->values[0].as.i32, 3);
  assert_int_equal(p->values[1].kind, FRZ_TYPE_STRING);
  assert_true(frz_str_is(p->values[1].as.bytes, "eu"));
  assert_int_equal(p->values[2].kind, FRZ_TYPE_DATE);
  assert_int_equal(p->values[2].as.i32, 19724);
  assert_int_equal(p->values[3].kind, FRZ_TYPE_DECIMAL);
  assert_int_equal(p->values[3].scale, 2);
  assert_true(p->values[3].as.decimal == -1234);
  assert_int_equal(p->values[4].kind, FRZ_TYPE_UUID);
  assert_memory_equal(p->values[4].as.bytes.data,
                      "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
  assert_int_equal(p->values[5].kind, FRZ_TYPE_DOUBLE);
  assert_true(p->values[5].as.f64 == 1.5);
}

static void check_metrics(const frz_data_file *file, int64_t rows)
{
  frz_str bound;
  assert_int_equal(file->n_column_sizes, 2);
  assert_int_equal(frz_metric_find(file->column_sizes, 2, 1), 40);
  assert_int_equal(frz_metric_find(file->column_sizes, 2, 2), 50);
  assert_int_equal(frz_metric_find(file->column_sizes, 2, 3), -1);
  /* Stored with field 2 first. */
  assert_int_equal(file->n_value_counts, 2);
  assert_int_equal(file->value_counts[0].field_id, 1);
  assert_int_equal(file->value_counts[1].field_id, 2);
  assert_int_equal(file->value_counts[0].value, rows);
  assert_int_equal(frz_metric_find(file->null_counts, file->n_null_counts, 2), 1);
  assert_int_equal(frz_metric_find(file->nan_counts, file->n_nan_counts, 5), 2);
  assert_true(frz_bound_find(file->lower_bounds, file->n_lower_bounds, 1, &bound));
  assert_int_equal(bound.size, 8);
  assert_int_equal(bound.data[0], 7);
  assert_true(frz_bound_find(file->upper_bounds, file->n_upper_bounds, 2, &bound));
  assert_true(frz_str_is(bound, "b"));
  assert_false(frz_bound_find(file->upper_bounds, file->n_upper_bounds, 3, &bound));
  assert_int_equal(file->n_split_offsets, 2);
  assert_int_equal(file->split_offsets[1], 1000);
  assert_int_equal(file->sort_order_id, 0);
}

static void check_data_manifest(fixture *f, const frz_manifest_file *manifest, bool is_v1)
{
  const frz_manifest_entry *e;
  assert_int_equal(read_all(f, manifest, true, &e), 3);
  assert_int_equal(e[0].status, FRZ_ENTRY_ADDED);
  assert_int_equal(e[0].snapshot_id, 5001);
  assert_int_equal(e[0].data_sequence_number, is_v1 ? 0 : 6);
  assert_int_equal(e[0].file_sequence_number, is_v1 ? 0 : 6);
  assert_int_equal(e[0].file.content, FRZ_CONTENT_DATA);
  assert_true(frz_str_is(e[0].file.path, "golden/data/added.parquet"));
  assert_int_equal(e[0].file.format, FRZ_FORMAT_PARQUET);
  assert_int_equal(e[0].file.n_rows, 10);
  assert_int_equal(e[0].file.size_bytes, 1000);
  assert_int_equal(e[0].file.spec_id, 0);
  check_full_partition(&e[0].file.partition);
  check_metrics(&e[0].file, 10);
  assert_int_equal(e[0].file.n_equality_ids, 0);
  assert_int_equal(e[0].file.first_row_id, -1);
  assert_int_equal(e[0].file.content_offset, -1);
  assert_int_equal(e[0].file.content_size_bytes, -1);
  assert_null(e[0].file.referenced_data_file.data);
  assert_null(e[0].file.key_metadata.data);

  assert_int_equal(e[1].status, FRZ_ENTRY_EXISTING);
  assert_int_equal(e[1].snapshot_id, 4001);
  assert_int_equal(e[1].data_sequence_number, is_v1 ? 0 : 3);
  assert_int_equal(e[1].file_sequence_number, is_v1 ? 0 : 2);
  assert_int_equal(e[1].file.n_column_sizes, 0);
  assert_int_equal(e[1].file.n_lower_bounds, 0);
  assert_int_equal(e[1].file.n_split_offsets, 0);
  assert_int_equal(e[1].file.sort_order_id, -1);
  assert_int_equal(e[1].file.partition.values[0].as.i32, 1);
  for (size_t i = 1; i < 6; i++) assert_true(e[1].file.partition.values[i].is_null);
  assert_int_equal(e[1].file.partition.values[2].kind, FRZ_TYPE_DATE);

  assert_int_equal(e[2].status, FRZ_ENTRY_DELETED);
  assert_int_equal(e[2].file.partition.values[2].as.i32, -1);
  assert_true(isnan(e[2].file.partition.values[5].as.f64));

  assert_int_equal(read_all(f, manifest, false, &e), 2);
  assert_int_equal(e[1].status, FRZ_ENTRY_EXISTING);
}

static void test_manifests_of_pyiceberg(void **state)
{
  (void)state;
  fixture f;
  const frz_manifest_file *m;
  const frz_manifest_entry *e;
  open_table(&f, 2, "");
  assert_int_equal(read_list(&f, "golden/v2/list.avro", &m), 2);
  check_data_manifest(&f, &m[0], false);
  assert_int_equal(read_all(&f, &m[1], false, &e), 2);
  assert_int_equal(e[0].file.content, FRZ_CONTENT_EQUALITY_DELETES);
  assert_int_equal(e[0].snapshot_id, 5001); /* null: the manifest's */
  assert_int_equal(e[0].data_sequence_number, 6);
  assert_int_equal(e[0].file.n_equality_ids, 2);
  assert_int_equal(e[0].file.equality_ids[0], 1);
  assert_int_equal(e[0].file.equality_ids[1], 2);
  assert_int_equal(e[1].file.content, FRZ_CONTENT_POSITION_DELETES);
  assert_int_equal(e[1].data_sequence_number, 4); /* its own */
  assert_int_equal(e[1].file_sequence_number, 6); /* inherited */
  close_table(&f);
}

static void test_version_one_reads_as_sequence_zero(void **state)
{
  (void)state;
  fixture f;
  const frz_manifest_file *m;
  open_table(&f, 1, "");
  assert_int_equal(read_list(&f, "golden/v1/list.avro", &m), 1);
  assert_int_equal(m[0].content, FRZ_MANIFEST_DATA);
  assert_int_equal(m[0].sequence_number, 0);
  assert_int_equal(m[0].min_sequence_number, 0);
  check_data_manifest(&f, &m[0], true);
  close_table(&f);
}

static void test_a_snapshot_without_list(void **state)
{
  (void)state;
  fixture f;
  const frz_manifest_file *m;
  size_t n;
  const frz_str paths[] = {FRZ_STR("golden/v1/data.avro")};
  open_table(&f, 1, "");
  frz_snapshot snapshot = snapshot_of(NULL);
  snapshot.manifests = paths;
  snapshot.n_manifests = 1;
  assert_int_equal(
      frz_manifest_list_read(f.storage, f.metadata, &snapshot, &f.arena, &m, &n, &f.err), FRZ_OK);
  assert_int_equal(n, 1);
  assert_int_equal(m[0].length_bytes, 5433);
  assert_int_equal(m[0].spec_id, 0);
  assert_int_equal(m[0].n_added_files, -1);
  assert_false(m[0].has_partitions);
  check_data_manifest(&f, &m[0], true);
  close_table(&f);
}

static void test_only_wanted_metrics_are_kept(void **state)
{
  (void)state;
  fixture f;
  const frz_manifest_file *m;
  const frz_manifest_entry *e;
  size_t n;
  const int32_t ids[] = {2, 7};
  open_table(&f, 2, "");
  assert_int_equal(read_list(&f, "golden/v2/list.avro", &m), 2);
  assert_int_equal(
      frz_manifest_read(f.storage, f.metadata, &m[0], false, ids, 2, &f.arena, &e, &n, &f.err),
      FRZ_OK);
  assert_int_equal(e[0].file.n_value_counts, 1);
  assert_int_equal(e[0].file.value_counts[0].field_id, 2);
  assert_int_equal(e[0].file.n_lower_bounds, 1);
  assert_int_equal(e[0].file.n_nan_counts, 0);
  assert_int_equal(e[0].file.n_split_offsets, 2);
  assert_int_equal(
      frz_manifest_read(f.storage, f.metadata, &m[0], false, ids, 0, &f.arena, &e, &n, &f.err),
      FRZ_OK);
  assert_int_equal(e[0].file.n_value_counts, 0);
  assert_int_equal(e[0].file.n_upper_bounds, 0);
  close_table(&f);
}

/* ---- written and read back ---- */

static frz_manifest_entry sample(fixture *f, frz_entry_status status, const char *path, bool full)
{
  frz_manifest_file manifest = {.path = FRZ_STR("golden/v2/data.avro"),
                                .sequence_number = 6,
                                .added_snapshot_id = 5001,
                                .first_row_id = -1};
  const frz_manifest_entry *e;
  assert_int_equal(read_all(f, &manifest, true, &e), 3);
  frz_manifest_entry entry = e[full ? 0 : 1];
  entry.status = status;
  entry.snapshot_id = entry.data_sequence_number = entry.file_sequence_number = -1;
  entry.file.path = frz_str_from(path);
  return entry;
}

static frz_status write_one(fixture *f, frz_manifest_content content, const char *path,
                            const frz_manifest_entry *entries, size_t n,
                            frz_manifest_file *manifest_out)
{
  return frz_manifest_write(f->storage, f->metadata, &f->metadata->specs[0], content,
                            frz_str_from(path), 5001, entries, n, &f->arena, manifest_out, &f->err);
}

static void check_round_trip(int version, const char *properties)
{
  fixture f;
  frz_manifest_file m;
  const frz_manifest_entry *e;
  open_table(&f, version, properties);
  frz_manifest_entry entries[3] = {sample(&f, FRZ_ENTRY_ADDED, "a", true),
                                   sample(&f, FRZ_ENTRY_EXISTING, "b", false),
                                   sample(&f, FRZ_ENTRY_DELETED, "c", true)};
  for (int i = 1; i < 3; i++) {
    entries[i].snapshot_id = 4001;
    entries[i].data_sequence_number = 3;
    entries[i].file_sequence_number = 2;
  }
  entries[1].file.first_row_id = 17;
  frz_status st = write_one(&f, FRZ_MANIFEST_DATA, "m", entries, 3, &m);
  if (st != FRZ_OK) fail_msg("%s", f.err.message);
  assert_true(frz_str_is(m.path, "m"));
  assert_int_equal(m.length_bytes, frz_memory_store_find(&f.store, "m")->size);
  assert_int_equal(m.sequence_number, -1);
  assert_int_equal(m.min_sequence_number, 3);
  assert_int_equal(m.n_added_rows, 10);
  assert_int_equal(m.n_existing_rows, 20);
  assert_int_equal(m.n_deleted_files, 1);
  assert_int_equal(m.n_partitions, 6);
  assert_true(m.partitions[1].contains_null);
  assert_false(m.partitions[0].contains_null);
  assert_true(frz_str_equal(m.partitions[0].lower, (frz_str){"\1\0\0\0", 4}));
  assert_true(frz_str_equal(m.partitions[0].upper, (frz_str){"\3\0\0\0", 4}));
  assert_true(frz_str_equal(m.partitions[3].upper, (frz_str){"\xfb\x2e", 2}));
  m.sequence_number = version == 1 ? 0 : 6;
  assert_int_equal(read_all(&f, &m, true, &e), 3);
  assert_int_equal(e[0].snapshot_id, 5001);
  assert_int_equal(e[0].data_sequence_number, version == 1 ? 0 : 6);
  check_full_partition(&e[0].file.partition);
  check_metrics(&e[0].file, 10);
  assert_int_equal(e[1].snapshot_id, 4001);
  assert_int_equal(e[1].data_sequence_number, version == 1 ? 0 : 3);
  assert_int_equal(e[1].file_sequence_number, version == 1 ? 0 : 2);
  assert_true(e[1].file.partition.values[4].is_null);
  assert_int_equal(e[1].file.first_row_id, -1); /* of a manifest without row ids */
  close_table(&f);
}

static void test_what_is_written_is_read(void **state)
{
  (void)state;
  for (int version = 1; version <= 3; version++) check_round_trip(version, "");
  check_round_trip(2, "\"write.avro.compression-codec\":\"zstd\"");
  check_round_trip(2, "\"write.avro.compression-codec\":\"snappy\"");
  check_round_trip(2, "\"write.avro.compression-codec\":\"uncompressed\"");
  fixture f;
  frz_manifest_file m;
  open_table(&f, 2, "\"write.avro.compression-codec\":\"lzo\"");
  assert_int_equal(write_one(&f, FRZ_MANIFEST_DATA, "m", NULL, 0, &m), FRZ_ERR_INVALID);
  assert_non_null(strstr(f.err.message, "lzo"));
  close_table(&f);
}

static void test_a_list_is_written_and_read(void **state)
{
  (void)state;
  for (int version = 1; version <= 2; version++) {
    fixture f;
    frz_manifest_file m[2];
    const frz_manifest_file *read;
    open_table(&f, version, "");
    frz_manifest_entry entry = sample(&f, FRZ_ENTRY_ADDED, "a", true);
    assert_int_equal(write_one(&f, FRZ_MANIFEST_DATA, "m", &entry, 1, &m[0]), FRZ_OK);
    m[1] = m[0];
    m[1].sequence_number = 2;
    m[1].min_sequence_number = 1;
    m[1].added_snapshot_id = 4001;
    m[1].has_partitions = false;
    m[1].n_partitions = 0;
    /* An old list without counts: version 2 takes them from the manifest. */
    m[1].n_added_files = m[1].n_existing_files = m[1].n_deleted_files = -1;
    m[1].n_added_rows = m[1].n_existing_rows = m[1].n_deleted_rows = -1;
    frz_snapshot snapshot = snapshot_of("list");
    frz_status st = frz_manifest_list_write(f.storage, f.metadata, &snapshot, FRZ_STR("list"), m, 2,
                                            NULL, &f.err);
    if (st != FRZ_OK) fail_msg("%s", f.err.message);
    assert_int_equal(read_list(&f, "list", &read), 2);
    assert_int_equal(read[0].sequence_number, version == 1 ? 0 : 6);
    assert_int_equal(read[0].min_sequence_number, version == 1 ? 0 : 6);
    assert_int_equal(read[0].length_bytes, m[0].length_bytes);
    assert_int_equal(read[0].n_partitions, 6);
    assert_true(frz_str_is(read[0].partitions[1].lower, "eu"));
    assert_int_equal(read[1].sequence_number, version == 1 ? 0 : 2);
    assert_int_equal(read[1].added_snapshot_id, 4001);
    assert_false(read[1].has_partitions);
    assert_int_equal(read[1].n_added_files, version == 1 ? -1 : 1);
    assert_int_equal(read[1].n_added_rows, version == 1 ? -1 : 10);
    close_table(&f);
  }
}

static void test_deletes_are_written_and_read(void **state)
{
  (void)state;
  for (int version = 2; version <= 3; version++) {
    fixture f;
    frz_manifest_file m;
    const frz_manifest_entry *e;
    const int32_t ids[] = {2, 1};
    open_table(&f, version, "");
    frz_manifest_entry entries[2] = {sample(&f, FRZ_ENTRY_ADDED, "eq", true),
                                     sample(&f, FRZ_ENTRY_ADDED, "dv", true)};
    entries[0].file.content = FRZ_CONTENT_EQUALITY_DELETES;
    entries[0].file.equality_ids = ids;
    entries[0].file.n_equality_ids = 2;
    entries[1].file.content = FRZ_CONTENT_POSITION_DELETES;
    entries[1].file.format = FRZ_FORMAT_PUFFIN;
    entries[1].file.referenced_data_file = FRZ_STR("a");
    entries[1].file.content_offset = 4;
    entries[1].file.content_size_bytes = 0;
    entries[1].data_sequence_number = 5;
    assert_int_equal(write_one(&f, FRZ_MANIFEST_DELETES, "m", entries, 2, &m), FRZ_OK);
    m.sequence_number = 6;
    assert_int_equal(read_all(&f, &m, false, &e), 2);
    assert_int_equal(e[0].file.n_equality_ids, 2);
    assert_int_equal(e[0].file.equality_ids[0], 2);
    assert_int_equal(e[0].file.content_offset, -1);
    assert_int_equal(e[0].file.content_size_bytes, -1);
    assert_int_equal(e[1].data_sequence_number, 5);
    assert_int_equal(e[1].file.format, FRZ_FORMAT_PUFFIN);
    assert_true(frz_str_is(e[1].file.referenced_data_file, "a"));
    assert_int_equal(e[1].file.content_offset, version == 3 ? 4 : -1);
    assert_int_equal(e[1].file.content_size_bytes, version == 3 ? 0 : -1);
    close_table(&f);
  }
}

static void test_row_ids_count_on(void **state)
{
  (void)state;
  fixture f;
  frz_manifest_file m[2];
  const frz_manifest_file *read;
  const frz_manifest_entry *e;
  open_table(&f, 3, "");
  frz_manifest_entry entries[4] = {
      sample(&f, FRZ_ENTRY_ADDED, "a", true), sample(&f, FRZ_ENTRY_EXISTING, "b", false),
      sample(&f, FRZ_ENTRY_DELETED, "c", true), sample(&f, FRZ_ENTRY_ADDED, "d", true)};
  entries[1].data_sequence_number = entries[2].data_sequence_number = 1;
  entries[1].file.first_row_id = 500;
  assert_int_equal(write_one(&f, FRZ_MANIFEST_DATA, "m0", entries, 4, &m[0]), FRZ_OK);
  assert_int_equal(write_one(&f, FRZ_MANIFEST_DATA, "m1", entries, 1, &m[1]), FRZ_OK);
  frz_snapshot snapshot = snapshot_of("list");
  assert_int_equal(frz_manifest_list_write(f.storage, f.metadata, &snapshot, FRZ_STR("list"), m, 2,
                                           NULL, &f.err),
                   FRZ_ERR_INVALID);
  int64_t next_row_id = -1;
  snapshot.first_row_id = 1000;
  assert_int_equal(frz_manifest_list_write(f.storage, f.metadata, &snapshot, FRZ_STR("list"), m, 2,
                                           &next_row_id, &f.err),
                   FRZ_OK);
  assert_int_equal(read_list(&f, "list", &read), 2);
  assert_int_equal(read[0].first_row_id, 1000);
  assert_int_equal(next_row_id, 1000 + 40 + 10);
  assert_int_equal(read[1].first_row_id, 1000 + 10 + 10 + 20); /* added and existing rows */
  assert_int_equal(read_all(&f, &read[0], true, &e), 4);
  assert_int_equal(e[0].file.first_row_id, 1000);
  assert_int_equal(e[1].file.first_row_id, 500);
  assert_int_equal(e[2].file.first_row_id, -1);
  assert_int_equal(e[3].file.first_row_id, 1010);
  close_table(&f);
}

static void test_wrong_entries_are_refused(void **state)
{
  (void)state;
  fixture f;
  frz_manifest_file m;
  open_table(&f, 2, "");
  frz_manifest_entry good = sample(&f, FRZ_ENTRY_ADDED, "a", true);
  for (int fault = 0; fault < 7; fault++) {
    frz_manifest_entry entry = good;
    switch (fault) {
    case 0: entry.file.path = (frz_str){0}; break;
    case 1: entry.file.n_rows = -1; break;
    case 2: entry.file.size_bytes = -1; break;
    case 3: entry.file.partition.n_values = 5; break;
    case 4: entry.file.content = FRZ_CONTENT_POSITION_DELETES; break;
    case 5: entry.status = FRZ_ENTRY_EXISTING; break;
    default: entry.status = FRZ_ENTRY_DELETED; break;
    }
    assert_int_equal(write_one(&f, FRZ_MANIFEST_DATA, "m", &entry, 1, &m), FRZ_ERR_INVALID);
    assert_non_null(strstr(f.err.message, "manifest 'm'"));
  }
  frz_literal values[6];
  memcpy(values, good.file.partition.values, sizeof values);
  values[3].as.decimal = (frz_int128)1 << 40;
  good.file.partition.values = values;
  assert_int_equal(write_one(&f, FRZ_MANIFEST_DATA, "m", &good, 1, &m), FRZ_ERR_INVALID);
  assert_non_null(strstr(f.err.message, "partition field 'price'"));
  close_table(&f);
  open_table(&f, 1, "");
  good = sample(&f, FRZ_ENTRY_ADDED, "a", true);
  good.file.content = FRZ_CONTENT_POSITION_DELETES;
  assert_int_equal(write_one(&f, FRZ_MANIFEST_DELETES, "m", &good, 1, &m), FRZ_ERR_INVALID);
  close_table(&f);
}

/* ---- schemas ---- */

static const frz_avro_type *open_schema(fixture *f, const char *name)
{
  frz_source *source;
  frz_avro_reader *avro;
  frz_str text;
  const frz_avro_type *type;
  assert_int_equal(frz_storage_open(f->storage, frz_str_from(name), &source, NULL), FRZ_OK);
  frz_source_free(source);
  const frz_buf *file = frz_memory_store_find(&f->store, name);
  assert_int_equal(
      frz_avro_reader_open(frz_alloc_default(), FRZ_STR("f"), file->data, file->size, &avro, NULL),
      FRZ_OK);
  assert_true(frz_avro_reader_meta(avro, "avro.schema", &text));
  assert_int_equal(frz_avro_schema_parse(text, &f->arena, &type, NULL), FRZ_OK);
  frz_avro_reader_free(avro);
  return type;
}

static const frz_avro_type *without_null(const frz_avro_type *type)
{
  return type->kind == FRZ_AVRO_UNION ? type->branches[1] : type;
}

/* Every column of `theirs` is in `ours` with the same ids, names and types. */
static void check_same_columns(const frz_avro_type *theirs, const frz_avro_type *ours)
{
  theirs = without_null(theirs);
  ours = without_null(ours);
  assert_true(frz_str_equal(theirs->logical_type, ours->logical_type));
  assert_int_equal(theirs->element_id, ours->element_id);
  assert_int_equal(theirs->fixed_bytes, ours->fixed_bytes);
  assert_int_equal(theirs->precision, ours->precision);
  assert_int_equal(theirs->scale, ours->scale);
  /* PyIceberg's equality_ids are long, the specification's int. */
  if (ours->kind != FRZ_AVRO_INT) assert_int_equal(theirs->kind, ours->kind);
  if (ours->kind == FRZ_AVRO_ARRAY) check_same_columns(theirs->branches[0], ours->branches[0]);
  if (ours->kind != FRZ_AVRO_RECORD) return;
  assert_true(frz_str_equal(theirs->name, ours->name));
  for (size_t i = 0; i < theirs->n_fields; i++) {
    size_t k = 0;
    while (k < ours->n_fields && ours->fields[k].field_id != theirs->fields[i].field_id) k++;
    if (k == ours->n_fields) fail_msg("no column %d", theirs->fields[i].field_id);
    assert_true(frz_str_equal(theirs->fields[i].name, ours->fields[k].name));
    if (theirs->fields[i].type->kind == FRZ_AVRO_UNION)
      assert_int_equal(ours->fields[k].type->kind, FRZ_AVRO_UNION);
    check_same_columns(theirs->fields[i].type, ours->fields[k].type);
  }
}

static void test_schemas_have_the_columns_of_pyiceberg(void **state)
{
  (void)state;
  for (int version = 1; version <= 2; version++) {
    fixture f;
    frz_manifest_file m;
    char name[64];
    open_table(&f, version, "");
    frz_manifest_entry entry = sample(&f, FRZ_ENTRY_ADDED, "a", true);
    assert_int_equal(write_one(&f, FRZ_MANIFEST_DATA, "m", &entry, 1, &m), FRZ_OK);
    frz_snapshot snapshot = snapshot_of("list");
    assert_int_equal(frz_manifest_list_write(f.storage, f.metadata, &snapshot, FRZ_STR("list"), &m,
                                             1, NULL, &f.err),
                     FRZ_OK);
    snprintf(name, sizeof name, "golden/v%d/data.avro", version);
    check_same_columns(open_schema(&f, name), open_schema(&f, "m"));
    snprintf(name, sizeof name, "golden/v%d/list.avro", version);
    check_same_columns(open_schema(&f, name), open_schema(&f, "list"));
    close_table(&f);
  }
}

static void test_names_that_avro_forbids(void **state)
{
  (void)state;
  static const struct {
    const char *name, *stored;
    bool is_kept;
  } cases[] = {{"plain_1", "plain_1", false},
               {"9lives", "_9lives", true},
               {"a-b", "a_x2Db", true},
               {"a b.c", "a_x20b_x2Ec", true},
               {"#", "_x23", true},
               {"\xc3\xa9t\xc3\xa9", "_xE9t_xE9", true},
               {"\xf0\x9f\x98\x80", "_xD83D_xDE00", true}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const frz_partition_field field = {.field_id = 1000, .name = frz_str_from(cases[i].name)};
    const frz_partition_spec spec = {.fields = &field, .n_fields = 1};
    const frz_type type = {.kind = FRZ_TYPE_TIMESTAMPTZ};
    frz_buf out;
    frz_arena arena;
    const frz_avro_type *schema;
    frz_buf_init(&out, frz_alloc_default(), 1 << 20);
    frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
    assert_int_equal(frz_manifest_write_schema(FRZ_RECORD_ENTRY, 2, &spec, &type, &out, NULL),
                     FRZ_OK);
    assert_int_equal(frz_avro_schema_parse(frz_buf_str(&out), &arena, &schema, NULL), FRZ_OK);
    const frz_avro_type *file = schema->fields[4].type;
    const frz_avro_type *partition = file->fields[3].type;
    assert_true(frz_str_is(partition->name, "r102"));
    assert_true(frz_str_is(partition->fields[0].name, cases[i].stored));
    assert_int_equal(partition->fields[0].field_id, 1000);
    assert_true(partition->fields[0].type->branches[1]->adjust_to_utc);
    assert_int_equal(frz_buf_append_byte(&out, 0, NULL), FRZ_OK);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"iceberg-field-name\":\"%s\"", cases[i].name);
    assert_int_equal(strstr((char *)out.data, wanted) != NULL, cases[i].is_kept);
    frz_arena_free(&arena);
    frz_buf_dispose(&out);
  }
}

static void test_two_columns_of_one_fixed_type(void **state)
{
  (void)state;
  const frz_partition_field fields[] = {{.field_id = 1000, .name = FRZ_STR("a")},
                                        {.field_id = 1001, .name = FRZ_STR("b")},
                                        {.field_id = 1002, .name = FRZ_STR("c")},
                                        {.field_id = 1003, .name = FRZ_STR("d")}};
  const frz_type types[] = {{.kind = FRZ_TYPE_UUID},
                            {.kind = FRZ_TYPE_UUID},
                            {.kind = FRZ_TYPE_DECIMAL, .precision = 38, .scale = 5},
                            {.kind = FRZ_TYPE_FIXED, .length = 3}};
  const frz_partition_spec spec = {.fields = fields, .n_fields = 4};
  frz_buf out;
  frz_arena arena;
  const frz_avro_type *schema;
  frz_buf_init(&out, frz_alloc_default(), 1 << 20);
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_manifest_write_schema(FRZ_RECORD_ENTRY, 2, &spec, types, &out, NULL),
                   FRZ_OK);
  assert_int_equal(frz_avro_schema_parse(frz_buf_str(&out), &arena, &schema, NULL), FRZ_OK);
  const frz_avro_type *partition = schema->fields[4].type->fields[3].type;
  assert_true(frz_str_is(partition->fields[0].type->branches[1]->name, "uuid_fixed"));
  assert_true(frz_str_is(partition->fields[1].type->branches[1]->name, "uuid_fixed_1001"));
  assert_true(frz_str_is(partition->fields[2].type->branches[1]->name, "decimal_38_5"));
  assert_int_equal(partition->fields[2].type->branches[1]->fixed_bytes, 16);
  assert_true(frz_str_is(partition->fields[3].type->branches[1]->name, "fixed_3"));
  frz_arena_free(&arena);
  frz_buf_dispose(&out);
}

/* ---- of others ---- */

/* Columns in another order, null last, no ids at all, unknown columns between. */
#define FOREIGN_FIELDS                                                                            \
  "{\"name\":\"extra\",\"type\":[\"string\",\"null\"]},"                                          \
  "{\"name\":\"data_file\",\"type\":{\"type\":\"record\",\"name\":\"df\",\"fields\":["            \
  "{\"name\":\"file_size_in_bytes\",\"type\":\"int\"},"                                           \
  "{\"name\":\"partition\",\"type\":{\"type\":\"record\",\"name\":\"p\",\"fields\":["             \
  "{\"name\":\"b\",\"type\":[\"long\",\"null\"]},{\"name\":\"r\",\"type\":\"bytes\"},"            \
  "{\"name\":\"d\",\"type\":\"int\"},{\"name\":\"p\",\"type\":{\"type\":\"bytes\","               \
  "\"logicalType\":"                                                                              \
  "\"decimal\",\"precision\":9,\"scale\":2}}]}},"                                                 \
  "{\"name\":\"value_counts\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"record\","       \
  "\"name\":\"kv\",\"fields\":[{\"name\":\"value\",\"type\":\"int\"},{\"name\":\"key\",\"type\":" \
  "\"int\"}]}}},"                                                                                 \
  "{\"name\":\"record_count\",\"type\":\"long\"},{\"name\":\"file_format\",\"type\":\"string\"}," \
  "{\"name\":\"file_path\",\"type\":[\"string\",\"null\"]}]}}"

static void put_long(frz_buf *out, int64_t value)
{
  assert_int_equal(frz_avro_write_long(out, value, NULL), FRZ_OK);
}

static void put_text(frz_buf *out, const char *text)
{
  assert_int_equal(frz_avro_write_bytes(out, frz_str_from(text), NULL), FRZ_OK);
}

static void put_foreign_record(frz_buf *out, int64_t status)
{
  put_long(out, 0); /* extra */
  put_text(out, "something");
  put_long(out, 999); /* size */
  put_long(out, 0);   /* b */
  put_long(out, 2);
  put_text(out, "us");
  put_long(out, -5);
  assert_int_equal(frz_avro_write_bytes(out,
                                        (frz_str){"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                                                  "\xff\xff\xff\xff\xff\xff\xff\xff\x85",
                                                  19},
                                        NULL),
                   FRZ_OK);
  put_long(out, -2); /* a block with its size: 3, 1 and 3 again */
  put_long(out, 4);
  put_long(out, 11);
  put_long(out, 3);
  put_long(out, 12);
  put_long(out, 1);
  put_long(out, 1);
  put_long(out, 13);
  put_long(out, 3);
  put_long(out, 0);
  put_long(out, 70); /* record_count */
  put_text(out, "Parquet");
  put_long(out, 0);
  put_text(out, "s3://b/f.parquet");
  put_long(out, status);
}

static void write_foreign(fixture *f, int64_t status)
{
  static const char schema[] = "{\"type\":\"record\",\"name\":\"e\",\"fields\":[" FOREIGN_FIELDS
                               ",{\"name\":\"status\",\"type\":\"long\"}]}";
  frz_sink *sink;
  frz_avro_writer *writer;
  frz_buf out;
  frz_buf_init(&out, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_sink_to_buf(frz_alloc_default(), &out, &sink, NULL), FRZ_OK);
  assert_int_equal(frz_avro_writer_create(frz_alloc_default(), sink, frz_str_from(schema), NULL, 0,
                                          FRZ_CODEC_NONE, &writer, NULL),
                   FRZ_OK);
  put_foreign_record(frz_avro_writer_record(writer), status);
  assert_int_equal(frz_avro_writer_end_record(writer, NULL), FRZ_OK);
  assert_int_equal(frz_avro_writer_finish(writer, NULL), FRZ_OK);
  frz_memory_store_put(&f->store, "foreign", out.data, out.size);
  frz_avro_writer_free(writer);
  frz_sink_free(sink);
  frz_buf_dispose(&out);
}

static void test_a_manifest_without_ids(void **state)
{
  (void)state;
  fixture f;
  const frz_manifest_entry *e;
  size_t n;
  open_table(&f, 2, "");
  write_foreign(&f, FRZ_ENTRY_ADDED);
  frz_manifest_file m = {.path = FRZ_STR("foreign"),
                         .sequence_number = 9,
                         .added_snapshot_id = 77,
                         .first_row_id = -1};
  assert_int_equal(read_all(&f, &m, false, &e), 1);
  assert_int_equal(e[0].snapshot_id, 77);
  assert_int_equal(e[0].data_sequence_number, 9);
  assert_int_equal(e[0].file.size_bytes, 999);
  assert_int_equal(e[0].file.n_rows, 70);
  assert_true(frz_str_is(e[0].file.path, "s3://b/f.parquet"));
  assert_int_equal(e[0].file.partition.values[0].as.i32, 2);
  assert_true(frz_str_is(e[0].file.partition.values[1].as.bytes, "us"));
  assert_int_equal(e[0].file.partition.values[2].as.i32, -5);
  assert_true(e[0].file.partition.values[3].as.decimal == -123);
  assert_true(e[0].file.partition.values[4].is_null); /* not there */
  assert_int_equal(e[0].file.partition.values[4].kind, FRZ_TYPE_UUID);
  /* The key that came twice is unknown. */
  assert_int_equal(e[0].file.n_value_counts, 1);
  assert_int_equal(frz_metric_find(e[0].file.value_counts, 1, 1), 12);

  write_foreign(&f, FRZ_ENTRY_EXISTING); /* cannot inherit */
  assert_int_equal(
      frz_manifest_read(f.storage, f.metadata, &m, false, NULL, 0, &f.arena, &e, &n, &f.err),
      FRZ_ERR_CORRUPT);
  assert_non_null(strstr(f.err.message, "sequence number"));
  assert_non_null(strstr(f.err.message, "avro file 'foreign' block 1, offset "));
  m.sequence_number = 0; /* but a version 1 manifest has none */
  assert_int_equal(read_all(&f, &m, false, &e), 1);
  assert_int_equal(e[0].data_sequence_number, 0);
  write_foreign(&f, 3);
  assert_int_equal(
      frz_manifest_read(f.storage, f.metadata, &m, false, NULL, 0, &f.arena, &e, &n, &f.err),
      FRZ_ERR_CORRUPT);
  assert_non_null(strstr(f.err.message, "column 'status': 3 is not 0, 1 or 2"));
  close_table(&f);
}

/* In every place of a file: another text as long. */
static void rename_in(frz_buf *file, const char *from, const char *to)
{
  size_t n = strlen(from);
  bool found = false;
  assert_int_equal(n, strlen(to));
  for (size_t i = 0; i + n <= file->size; i++) {
    if (memcmp(file->data + i, from, n) != 0) continue;
    memcpy(file->data + i, to, n);
    found = true;
  }
  assert_true(found);
}

static void test_names_do_not_count_beside_ids(void **state)
{
  (void)state;
  fixture f;
  const frz_manifest_entry *before, *after;
  frz_manifest_file m;
  open_table(&f, 2, "");
  frz_manifest_entry good = sample(&f, FRZ_ENTRY_ADDED, "a", true);
  assert_int_equal(write_one(&f, FRZ_MANIFEST_DATA, "m", &good, 1, &m), FRZ_OK);
  assert_int_equal(read_all(&f, &m, false, &before), 1);
  frz_buf *file = frz_memory_store_find(&f.store, "m");
  rename_in(file, "\"lower_bounds\"", "\"------------\"");
  rename_in(file, "\"upper_bounds\"", "\"lower_bounds\"");
  rename_in(file, "\"------------\"", "\"upper_bounds\"");
  rename_in(file, "\"file_path\"", "\"a_strange\"");
  rename_in(file, "\"status\"", "\"region\"");
  assert_int_equal(read_all(&f, &m, false, &after), 1);
  assert_true(frz_str_equal(before[0].file.path, after[0].file.path));
  assert_true(before[0].file.n_lower_bounds != 0 && before[0].file.n_upper_bounds != 0);
  assert_int_equal(before[0].file.n_lower_bounds, after[0].file.n_lower_bounds);
  assert_int_equal(before[0].file.n_upper_bounds, after[0].file.n_upper_bounds);
  assert_true(
      frz_str_equal(before[0].file.lower_bounds[0].bytes, after[0].file.lower_bounds[0].bytes));
  assert_true(
      frz_str_equal(before[0].file.upper_bounds[0].bytes, after[0].file.upper_bounds[0].bytes));
  assert_false(
      frz_str_equal(before[0].file.lower_bounds[0].bytes, before[0].file.upper_bounds[0].bytes));
  close_table(&f);
}

static void test_content_spec_and_encryption_are_checked(void **state)
{
  (void)state;
  fixture f;
  const frz_manifest_entry *e;
  size_t n;
  open_table(&f, 2, "");
  frz_manifest_file m = {.path = FRZ_STR("golden/v2/data.avro"),
                         .sequence_number = 6,
                         .added_snapshot_id = 5001,
                         .content = FRZ_MANIFEST_DELETES,
                         .first_row_id = -1};
  assert_int_equal(
      frz_manifest_read(f.storage, f.metadata, &m, false, NULL, 0, &f.arena, &e, &n, &f.err),
      FRZ_ERR_CORRUPT);
  assert_non_null(strstr(f.err.message, "data file 'golden/data/added.parquet'"));
  m.content = FRZ_MANIFEST_DATA;
  m.spec_id = 9;
  assert_int_equal(
      frz_manifest_read(f.storage, f.metadata, &m, false, NULL, 0, &f.arena, &e, &n, &f.err),
      FRZ_ERR_CORRUPT);
  m.spec_id = 1; /* unpartitioned: other fields are passed over */
  assert_int_equal(read_all(&f, &m, false, &e), 2);
  assert_int_equal(e[0].file.partition.n_values, 0);
  m.key_metadata = FRZ_STR("key");
  assert_int_equal(
      frz_manifest_read(f.storage, f.metadata, &m, false, NULL, 0, &f.arena, &e, &n, &f.err),
      FRZ_ERR_UNSUPPORTED);
  m.key_metadata = (frz_str){0};
  m.path = FRZ_STR("absent");
  assert_int_equal(
      frz_manifest_read(f.storage, f.metadata, &m, false, NULL, 0, &f.arena, &e, &n, &f.err),
      FRZ_ERR_NOT_FOUND);
  close_table(&f);
}

/* ---- damage ---- */

static frz_status read_damaged(fixture *f, bool is_list, size_t *n_out)
{
  frz_arena arena;
  frz_status st;
  frz_arena_init(&arena, frz_alloc_default(), (size_t)64 << 20);
  if (is_list) {
    const frz_manifest_file *m;
    frz_snapshot snapshot = snapshot_of("damaged");
    st = frz_manifest_list_read(f->storage, f->metadata, &snapshot, &arena, &m, n_out, &f->err);
  } else {
    const frz_manifest_entry *e;
    frz_manifest_file m = {.path = FRZ_STR("damaged"),

                           .added_snapshot_id = 5001,
                           .first_row_id = -1};
    st = frz_manifest_read(f->storage, f->metadata, &m, true, NULL, 0, &arena, &e, n_out, &f->err);
  }
  frz_arena_free(&arena);
  return st;
}

static void test_truncated_and_changed_files(void **state)
{
  (void)state;
  static const char *const names[] = {"avro/v1/data.avro", "avro/v2/data.avro",
                                      "avro/v2/list.avro"};
  fixture f;
  open_table(&f, 2, "");
  for (size_t i = 0; i < 3; i++) {
    char path[4096];
    size_t size;
    size_t n = 0;
    bool is_list = i == 2;
    size_t n_rows = is_list ? 2 : 3;
    frz_test_golden(names[i], path);
    uint8_t *data = frz_test_read(path, &size);
    assert_non_null(data);
    for (size_t cut = 0; cut < size; cut++) {
      frz_memory_store_put(&f.store, "damaged", data, cut);
      if (read_damaged(&f, is_list, &n) == FRZ_OK) assert_true(n < n_rows);
    }
    for (size_t at = 0; at < size; at++) {
      uint8_t kept = data[at];
      data[at] ^= (uint8_t)(1u << (at % 8));
      frz_memory_store_put(&f.store, "damaged", data, size);
      (void)read_damaged(&f, is_list, &n);
      data[at] = kept;
    }
    frz_memory_store_put(&f.store, "damaged", data, size);
    assert_int_equal(read_damaged(&f, is_list, &n), FRZ_OK);
    assert_int_equal(n, n_rows);
    free(data);
  }
  close_table(&f);
}

static void test_a_copy_stands_alone(void **state)
{
  (void)state;
  fixture f;
  frz_data_file copy;
  frz_arena other;
  open_table(&f, 2, "");
  frz_manifest_entry entry = sample(&f, FRZ_ENTRY_ADDED, "a", true);
  frz_arena_init(&other, frz_alloc_default(), 1 << 20);
  assert_int_equal(frz_data_file_copy(&entry.file, &other, &copy, NULL), FRZ_OK);
  close_table(&f);
  assert_true(frz_str_is(copy.path, "a"));
  check_full_partition(&copy.partition);
  check_metrics(&copy, 10);
  frz_arena_free(&other);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_list_of_pyiceberg),
      cmocka_unit_test(test_manifests_of_pyiceberg),
      cmocka_unit_test(test_version_one_reads_as_sequence_zero),
      cmocka_unit_test(test_a_snapshot_without_list),
      cmocka_unit_test(test_only_wanted_metrics_are_kept),
      cmocka_unit_test(test_what_is_written_is_read),
      cmocka_unit_test(test_a_list_is_written_and_read),
      cmocka_unit_test(test_deletes_are_written_and_read),
      cmocka_unit_test(test_row_ids_count_on),
      cmocka_unit_test(test_wrong_entries_are_refused),
      cmocka_unit_test(test_schemas_have_the_columns_of_pyiceberg),
      cmocka_unit_test(test_names_that_avro_forbids),
      cmocka_unit_test(test_two_columns_of_one_fixed_type),
      cmocka_unit_test(test_a_manifest_without_ids),
      cmocka_unit_test(test_names_do_not_count_beside_ids),
      cmocka_unit_test(test_content_spec_and_encryption_are_checked),
      cmocka_unit_test(test_truncated_and_changed_files),
      cmocka_unit_test(test_a_copy_stands_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
