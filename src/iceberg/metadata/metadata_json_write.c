/*
 * metadata_json_write.c - table metadata to JSON.
 *
 * Each version gets the members that its readers require: version 1 the single schema and
 * partition spec beside the lists, versions 2 and 3 the lists alone. What was kept as raw JSON
 * (encryption keys) goes out as it came in.
 *
 * Source: Iceberg specification, appendix C "Table Metadata and Snapshots", appendix E.
 */
#include "iceberg/metadata/statistics_file.h"
#include "iceberg/metadata/table_metadata_json.h"

static void write_pairs(frz_json_writer *json, const frz_text_pair *pairs, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    frz_json_write_key_str(json, pairs[i].key);
    frz_json_write_string(json, pairs[i].value);
  }
}

void frz_snapshot_write(frz_json_writer *json, const frz_snapshot *snapshot, int32_t format_version)
{
  frz_json_write_object_begin(json);
  if (format_version > 1)
    frz_json_write_i64_member(json, "sequence-number", snapshot->sequence_number);
  frz_json_write_i64_member(json, "snapshot-id", snapshot->snapshot_id);
  if (snapshot->parent_id >= 0)
    frz_json_write_i64_member(json, "parent-snapshot-id", snapshot->parent_id);
  frz_json_write_i64_member(json, "timestamp-ms", snapshot->timestamp_ms);
  if (snapshot->summary.data != NULL) {
    frz_json_write_key(json, "summary");
    frz_json_write_raw(json, snapshot->summary);
  }
  if (snapshot->manifest_list.data != NULL) {
    frz_json_write_string_member(json, "manifest-list", snapshot->manifest_list);
  } else {
    frz_json_write_key(json, "manifests");
    frz_json_write_array_begin(json);
    for (size_t i = 0; i < snapshot->n_manifests; i++)
      frz_json_write_string(json, snapshot->manifests[i]);
    frz_json_write_array_end(json);
  }
  if (snapshot->schema_id >= 0) frz_json_write_i64_member(json, "schema-id", snapshot->schema_id);
  if (format_version >= 3) {
    if (snapshot->first_row_id >= 0)
      frz_json_write_i64_member(json, "first-row-id", snapshot->first_row_id);
    if (snapshot->added_rows >= 0)
      frz_json_write_i64_member(json, "added-rows", snapshot->added_rows);
    if (snapshot->key_id.data != NULL)
      frz_json_write_string_member(json, "key-id", snapshot->key_id);
  }
  frz_json_write_object_end(json);
}

void frz_snapshot_ref_members_write(frz_json_writer *json, const frz_snapshot_ref *ref)
{
  frz_json_write_i64_member(json, "snapshot-id", ref->snapshot_id);
  frz_json_write_string_member(json, "type", ref->is_branch ? FRZ_STR("branch") : FRZ_STR("tag"));
  if (ref->min_snapshots_to_keep >= 0)
    frz_json_write_i64_member(json, "min-snapshots-to-keep", ref->min_snapshots_to_keep);
  if (ref->max_snapshot_age_ms >= 0)
    frz_json_write_i64_member(json, "max-snapshot-age-ms", ref->max_snapshot_age_ms);
  if (ref->max_ref_age_ms >= 0)
    frz_json_write_i64_member(json, "max-ref-age-ms", ref->max_ref_age_ms);
}

static void write_schemas(frz_json_writer *json, const frz_table_metadata *m)
{
  if (m->format_version == 1) {
    frz_json_write_key(json, "schema");
    frz_schema_write(json, frz_metadata_current_schema(m));
  }
  frz_json_write_i64_member(json, "current-schema-id", m->current_schema_id);
  frz_json_write_key(json, "schemas");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < m->n_schemas; i++) frz_schema_write(json, &m->schemas[i]);
  frz_json_write_array_end(json);
}

static void write_specs(frz_json_writer *json, const frz_table_metadata *m)
{
  if (m->format_version == 1) {
    frz_json_write_key(json, "partition-spec");
    frz_partition_fields_write(json, frz_metadata_spec(m, m->default_spec_id));
  }
  frz_json_write_i64_member(json, "default-spec-id", m->default_spec_id);
  frz_json_write_key(json, "partition-specs");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < m->n_specs; i++) frz_partition_spec_write(json, &m->specs[i]);
  frz_json_write_array_end(json);
  frz_json_write_i64_member(json, "last-partition-id", m->last_partition_id);
  frz_json_write_i64_member(json, "default-sort-order-id", m->default_sort_order_id);
  frz_json_write_key(json, "sort-orders");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < m->n_sort_orders; i++) frz_sort_order_write(json, &m->sort_orders[i]);
  frz_json_write_array_end(json);
}

static void write_snapshots(frz_json_writer *json, const frz_table_metadata *m)
{
  frz_json_write_key(json, "current-snapshot-id");
  if (m->current_snapshot_id == -1 && m->format_version >= 3)
    frz_json_write_null(json);
  else
    frz_json_write_i64(json, m->current_snapshot_id);
  frz_json_write_key(json, "refs");
  frz_json_write_object_begin(json);
  for (size_t i = 0; i < m->n_refs; i++) {
    frz_json_write_key_str(json, m->refs[i].name);
    frz_json_write_object_begin(json);
    frz_snapshot_ref_members_write(json, &m->refs[i]);
    frz_json_write_object_end(json);
  }
  frz_json_write_object_end(json);
  frz_json_write_key(json, "snapshots");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < m->n_snapshots; i++)
    frz_snapshot_write(json, &m->snapshots[i], m->format_version);
  frz_json_write_array_end(json);
}

static void write_raw(frz_json_writer *json, const char *key, frz_str raw)
{
  if (raw.data == NULL) return;
  frz_json_write_key(json, key);
  frz_json_write_raw(json, raw);
}

static void write_logs(frz_json_writer *json, const frz_table_metadata *m)
{
  frz_json_write_key(json, "snapshot-log");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < m->n_snapshot_log; i++) {
    frz_json_write_object_begin(json);
    frz_json_write_i64_member(json, "timestamp-ms", m->snapshot_log[i].timestamp_ms);
    frz_json_write_i64_member(json, "snapshot-id", m->snapshot_log[i].snapshot_id);
    frz_json_write_object_end(json);
  }
  frz_json_write_array_end(json);
  frz_json_write_key(json, "metadata-log");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < m->n_metadata_log; i++) {
    frz_json_write_object_begin(json);
    frz_json_write_i64_member(json, "timestamp-ms", m->metadata_log[i].timestamp_ms);
    frz_json_write_string_member(json, "metadata-file", m->metadata_log[i].metadata_file);
    frz_json_write_object_end(json);
  }
  frz_json_write_array_end(json);
}

frz_status frz_table_metadata_write(const frz_table_metadata *metadata, frz_buf *out,
                                    frz_error *err)
{
  frz_json_writer json;
  frz_json_writer_init(&json, out);
  frz_json_write_object_begin(&json);
  frz_json_write_i64_member(&json, "format-version", metadata->format_version);
  if (metadata->table_uuid.data != NULL)
    frz_json_write_string_member(&json, "table-uuid", metadata->table_uuid);
  frz_json_write_string_member(&json, "location", metadata->location);
  if (metadata->format_version > 1)
    frz_json_write_i64_member(&json, "last-sequence-number", metadata->last_sequence_number);
  frz_json_write_i64_member(&json, "last-updated-ms", metadata->last_updated_ms);
  frz_json_write_i64_member(&json, "last-column-id", metadata->last_column_id);
  write_schemas(&json, metadata);
  write_specs(&json, metadata);
  frz_json_write_key(&json, "properties");
  frz_json_write_object_begin(&json);
  write_pairs(&json, metadata->properties, metadata->n_properties);
  frz_json_write_object_end(&json);
  if (metadata->format_version >= 3)
    frz_json_write_i64_member(&json, "next-row-id", metadata->next_row_id);
  write_raw(&json, "encryption-keys", metadata->encryption_keys);
  write_snapshots(&json, metadata);
  frz_statistics_files_write(&json, "statistics", metadata->statistics, metadata->n_statistics);
  frz_statistics_files_write(&json, "partition-statistics", metadata->partition_statistics,
                             metadata->n_partition_statistics);
  write_logs(&json, metadata);
  frz_json_write_object_end(&json);
  return frz_json_writer_finish(&json, err);
}
