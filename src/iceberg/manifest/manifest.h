/*
 * manifest.h - manifest lists and manifests: which files a snapshot is made of.
 *
 * Read by field id, so that column order, names and missing columns of other writers do not matter.
 * Source: Iceberg specification, "Manifests", "Manifest Lists", appendix A "Avro".
 */
#ifndef FRZ_ICEBERG_MANIFEST_H
#define FRZ_ICEBERG_MANIFEST_H

#include "base/buf.h"
#include "base/source.h"
#include "iceberg/metadata/table_metadata.h"
#include "storage/storage.h"

typedef enum frz_manifest_content {
  FRZ_MANIFEST_DATA = 0,
  FRZ_MANIFEST_DELETES = 1
} frz_manifest_content;

typedef enum frz_file_content {
  FRZ_CONTENT_DATA = 0,
  FRZ_CONTENT_POSITION_DELETES = 1,
  FRZ_CONTENT_EQUALITY_DELETES = 2
} frz_file_content;

typedef enum frz_entry_status {
  FRZ_ENTRY_EXISTING = 0,
  FRZ_ENTRY_ADDED = 1,
  FRZ_ENTRY_DELETED = 2
} frz_entry_status;

typedef enum frz_file_format {
  FRZ_FORMAT_PARQUET,
  FRZ_FORMAT_AVRO,
  FRZ_FORMAT_ORC,
  FRZ_FORMAT_PUFFIN
} frz_file_format;

typedef struct frz_field_summary {
  bool contains_null;
  int8_t contains_nan;  /* -1: unknown */
  frz_str lower, upper; /* single-value bytes; data NULL: none */
} frz_field_summary;

/** A row of a manifest list. */
typedef struct frz_manifest_file {
  frz_str path;
  int64_t length_bytes;
  int32_t spec_id;
  frz_manifest_content content;
  int64_t sequence_number;
  int64_t min_sequence_number;
  int64_t added_snapshot_id;
  int32_t n_added_files, n_existing_files, n_deleted_files; /* -1: unknown */
  int64_t n_added_rows, n_existing_rows, n_deleted_rows;    /* -1: unknown */
  const frz_field_summary *partitions;                      /* by field of the spec */
  size_t n_partitions;
  bool has_partitions;  /* false: unknown */
  frz_str key_metadata; /* data NULL: none */
  int64_t first_row_id; /* v3; -1: none */
} frz_manifest_file;

/** A map of column metrics, by ascending field id. */
typedef struct frz_metric {
  int32_t field_id;
  int64_t value;
} frz_metric;

typedef struct frz_bound {
  int32_t field_id;
  frz_str bytes;
} frz_bound;

/** A data or delete file. Metrics arrays are ascending by field id; absent means unknown. */
typedef struct frz_data_file {
  frz_file_content content;
  frz_str path;
  frz_file_format format;
  frz_partition partition;
  int32_t spec_id;
  int64_t n_rows;
  int64_t size_bytes;
  const frz_metric *column_sizes;
  size_t n_column_sizes;
  const frz_metric *value_counts;
  size_t n_value_counts;
  const frz_metric *null_counts;
  size_t n_null_counts;
  const frz_metric *nan_counts;
  size_t n_nan_counts;
  const frz_bound *lower_bounds;
  size_t n_lower_bounds;
  const frz_bound *upper_bounds;
  size_t n_upper_bounds;
  frz_str key_metadata; /* data NULL: none */
  const int64_t *split_offsets;
  size_t n_split_offsets;
  const int32_t *equality_ids;
  size_t n_equality_ids;
  int32_t sort_order_id;        /* -1: none */
  int64_t first_row_id;         /* v3; -1: none */
  frz_str referenced_data_file; /* data NULL: none */
  int64_t content_offset;       /* deletion vectors; -1: none */
  int64_t content_size_bytes;
} frz_data_file;

typedef struct frz_manifest_entry {
  frz_entry_status status;
  int64_t snapshot_id;          /* inherited when absent */
  int64_t data_sequence_number; /* inherited for ADDED when absent; v1: 0 */
  int64_t file_sequence_number;
  frz_data_file file;
} frz_manifest_entry;

/** Read a manifest list (or make the list of a v1 snapshot without one) into the arena. */
frz_status frz_manifest_list_read(frz_storage *storage, const frz_table_metadata *metadata,
                                  const frz_snapshot *snapshot, frz_arena *arena,
                                  const frz_manifest_file **manifests_out, size_t *n_manifests_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/**
 * Read the entries of a manifest, whole, into the arena. `with_deleted` keeps status DELETED.
 * `metric_ids` (ascending; NULL: all) limits the bounds and counts that are kept.
 */
frz_status frz_manifest_read(frz_storage *storage, const frz_table_metadata *metadata,
                             const frz_manifest_file *manifest, bool with_deleted,
                             const int32_t *metric_ids, size_t n_metric_ids, frz_arena *arena,
                             const frz_manifest_entry **entries_out, size_t *n_entries_out,
                             frz_error *err) FRZ_MUST_CHECK;

/**
 * Write a manifest at `path` and describe it in `manifest_out` (strings in the arena). Entries with
 * snapshot_id -1 and sequence numbers -1 are written as null, to be inherited at commit.
 * All entries have the spec `spec`. Avro codec from the table property
 * "write.avro.compression-codec" (gzip).
 */
frz_status frz_manifest_write(frz_storage *storage, const frz_table_metadata *metadata,
                              const frz_partition_spec *spec, frz_manifest_content content,
                              frz_str path, int64_t snapshot_id, const frz_manifest_entry *entries,
                              size_t n_entries, frz_arena *arena, frz_manifest_file *manifest_out,
                              frz_error *err) FRZ_MUST_CHECK;

/**
 * Write a manifest list; manifests with sequence_number -1 get the snapshot's. Format version 3:
 * data manifests without a first_row_id get row ids from the snapshot's on, room for their added
 * and existing rows each; `next_row_id_out` (may be NULL) is the first that is not given away.
 * `manifests` itself stays as it is, so that another attempt can write it again.
 */
frz_status frz_manifest_list_write(frz_storage *storage, const frz_table_metadata *metadata,
                                   const frz_snapshot *snapshot, frz_str path,
                                   const frz_manifest_file *manifests, size_t n_manifests,
                                   int64_t *next_row_id_out, frz_error *err) FRZ_MUST_CHECK;

/** The metric's value for a field, or -1. */
int64_t frz_metric_find(const frz_metric *metrics, size_t n_metrics, int32_t field_id);
/** The bound for a field; false: none. */
bool frz_bound_find(const frz_bound *bounds, size_t n_bounds, int32_t field_id, frz_str *bytes_out);

/** Deep copy into an arena. */
frz_status frz_data_file_copy(const frz_data_file *file, frz_arena *arena, frz_data_file *file_out,
                              frz_error *err) FRZ_MUST_CHECK;

#endif
