/*
 * table_metadata.h - table metadata: one immutable version of a table.
 *
 * Parsed into an arena of its own and shared by counted references. Changes make a new version
 * (metadata_update.h). Source: Iceberg specification, "Table Metadata", appendix C.
 */
#ifndef FRZ_ICEBERG_TABLE_METADATA_H
#define FRZ_ICEBERG_TABLE_METADATA_H

#include <stdatomic.h>

#include "iceberg/schema/partition.h"
#include "iceberg/schema/schema.h"

typedef struct frz_text_pair {
  frz_str key;
  frz_str value;
} frz_text_pair;

typedef struct frz_snapshot {
  int64_t snapshot_id;
  int64_t parent_id;       /* -1: none */
  int64_t sequence_number; /* v1: 0 */
  int64_t timestamp_ms;
  frz_str manifest_list; /* data NULL: v1 with `manifests` */
  const frz_str *manifests;
  size_t n_manifests;
  frz_str operation;    /* "append", "overwrite", "delete", "replace"; "" unknown */
  frz_str summary;      /* a JSON object, with the operation: see summary_json.h; data NULL: none */
  int32_t schema_id;    /* -1: none */
  int64_t first_row_id; /* v3; -1: none */
  int64_t added_rows;   /* v3; -1: none */
  frz_str key_id;       /* v3, of the key that encrypts the manifest list; data NULL: none */
} frz_snapshot;

/** Where the snapshot of an id is in the list: histories are walked from parent to parent. */
typedef struct frz_snapshot_place {
  int64_t snapshot_id;
  size_t at;
} frz_snapshot_place;

typedef struct frz_snapshot_ref {
  frz_str name;
  int64_t snapshot_id;
  bool is_branch;
  int64_t max_ref_age_ms;        /* -1: none */
  int64_t max_snapshot_age_ms;   /* -1: none */
  int32_t min_snapshots_to_keep; /* -1: none */
} frz_snapshot_ref;

typedef struct frz_snapshot_log_entry {
  int64_t timestamp_ms;
  int64_t snapshot_id;
} frz_snapshot_log_entry;

typedef struct frz_metadata_log_entry {
  int64_t timestamp_ms;
  frz_str metadata_file;
} frz_metadata_log_entry;

/**
 * The JSON that metadata was read from. A table may have hundreds of thousands of snapshots, whose
 * texts are most of it: they stay where they are, and the versions that are made from one another
 * share them.
 */
typedef struct frz_metadata_document {
  atomic_int references;
  frz_buf text;
} frz_metadata_document;

/** What one blob of a statistics file holds. */
typedef struct frz_statistics_blob {
  frz_str type;
  int64_t snapshot_id; /* that it was computed from; -1: unknown */
  int64_t sequence_number;
  const int32_t *field_ids;
  size_t n_field_ids;
  const frz_text_pair *properties;
  size_t n_properties;
} frz_statistics_blob;

/** Statistics of a snapshot: of the table in a Puffin file, or of its partitions. */
typedef struct frz_statistics_file {
  int64_t snapshot_id;
  frz_str path;
  int64_t size_bytes;   /* -1: unknown */
  int64_t footer_bytes; /* -1: unknown, or of partitions */
  frz_str key_metadata; /* data NULL: none */
  const frz_statistics_blob *blobs;
  size_t n_blobs;
  frz_str json; /* as it is stored; data NULL: not yet */
} frz_statistics_file;

typedef struct frz_table_metadata {
  frz_arena arena;                 /* owns all below but what the document holds */
  frz_metadata_document *document; /* manifest lists and summaries of snapshots; NULL: none */
  atomic_int references;

  int32_t format_version;
  frz_str table_uuid;
  frz_str location; /* no slash at the end */
  int64_t last_sequence_number;
  int64_t last_updated_ms;
  int32_t last_column_id;
  int32_t current_schema_id;
  const frz_schema *schemas;
  size_t n_schemas;
  int32_t default_spec_id;
  const frz_partition_spec *specs;
  size_t n_specs;
  int32_t last_partition_id;
  int32_t default_sort_order_id;
  const frz_sort_order *sort_orders;
  size_t n_sort_orders;
  const frz_text_pair *properties;
  size_t n_properties;
  int64_t current_snapshot_id; /* -1: none */
  const frz_snapshot *snapshots;
  size_t n_snapshots;
  const frz_snapshot_place *snapshot_places; /* by ascending id; NULL while it is being made */
  const frz_snapshot_log_entry *snapshot_log;
  size_t n_snapshot_log;
  const frz_metadata_log_entry *metadata_log;
  size_t n_metadata_log;
  const frz_snapshot_ref *refs; /* "main" among them when there is a current snapshot */
  size_t n_refs;
  int64_t next_row_id; /* v3; -1: none */
  const frz_statistics_file *statistics;
  size_t n_statistics;
  const frz_statistics_file *partition_statistics;
  size_t n_partition_statistics;
  frz_str encryption_keys; /* a raw JSON array, kept as it is; data NULL: absent */
} frz_table_metadata;

/** Parse JSON, gzip-compressed or not (told by its first bytes). `name` goes into errors.
 * Validates: required fields by version, current ids exist, and the rest of the specification's
 * MUSTs. */
frz_status frz_table_metadata_parse(const frz_alloc *alloc, frz_str name, const void *data,
                                    size_t size, frz_table_metadata **metadata_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** As above; takes the bytes, on failure too. */
frz_status frz_table_metadata_take(frz_str name, frz_buf *bytes, frz_table_metadata **metadata_out,
                                   frz_error *err) FRZ_MUST_CHECK;

/** Append the JSON form. */
frz_status frz_table_metadata_write(const frz_table_metadata *metadata, frz_buf *out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** A location without the slashes at its end, but for those of a bare "scheme://" or "/". */
frz_str frz_location_trim(frz_str location);

/** Metadata with nothing in it yet, to be filled before others see it; NULL: no memory. */
frz_table_metadata *frz_table_metadata_new(const frz_alloc *alloc);
frz_table_metadata *frz_table_metadata_retain(frz_table_metadata *metadata);
void frz_table_metadata_release(frz_table_metadata *metadata);

/** Does the text lie in the document? NULL: no. */
bool frz_metadata_document_holds(const frz_metadata_document *document, frz_str text);
frz_metadata_document *frz_metadata_document_retain(frz_metadata_document *document);
void frz_metadata_document_release(frz_metadata_document *document);

const frz_schema *frz_metadata_schema(const frz_table_metadata *metadata,
                                      int32_t schema_id); /* NULL: none */
const frz_schema *frz_metadata_current_schema(const frz_table_metadata *metadata);
const frz_partition_spec *frz_metadata_spec(const frz_table_metadata *metadata, int32_t spec_id);
const frz_sort_order *frz_metadata_sort_order(const frz_table_metadata *metadata, int32_t order_id);
const frz_snapshot *frz_metadata_snapshot(const frz_table_metadata *metadata, int64_t snapshot_id);
const frz_snapshot_ref *frz_metadata_ref(const frz_table_metadata *metadata, frz_str name);
/** Make it fast to find snapshots, once their list is complete; false: no memory. */
bool frz_metadata_index_snapshots(frz_table_metadata *metadata);
/** Data NULL where the property is not set. */
frz_str frz_metadata_property(const frz_table_metadata *metadata, const char *key);
/** A property as a number; `fallback` when absent; FRZ_ERR_INVALID names key and value. */
frz_status frz_metadata_property_i64(const frz_table_metadata *metadata, const char *key,
                                     int64_t fallback, int64_t *value_out,
                                     frz_error *err) FRZ_MUST_CHECK;

/** The snapshot current at a time by the snapshot log; NULL: none that early. */
const frz_snapshot *frz_metadata_snapshot_as_of(const frz_table_metadata *metadata,
                                                int64_t as_of_ms);

/** The table's name mapping ("schema.name-mapping.default"), raw JSON; data NULL: none. */
static inline frz_str frz_metadata_name_mapping(const frz_table_metadata *metadata)
{
  return frz_metadata_property(metadata, "schema.name-mapping.default");
}

#endif
