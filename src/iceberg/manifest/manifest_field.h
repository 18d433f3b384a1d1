/*
 * manifest_field.h - the columns of manifests and manifest lists: ids, names, types, versions.
 *
 * One table serves readers (names of columns stored without ids), the Avro schemas that are
 * written, and the writers of values. Source: Iceberg specification, "Manifest Entry Fields", "Data
 * File Fields", "Manifest Lists".
 */
#ifndef FRZ_ICEBERG_MANIFEST_FIELD_H
#define FRZ_ICEBERG_MANIFEST_FIELD_H

#include "base/buf.h"
#include "iceberg/metadata/table_metadata.h"

enum {
  FRZ_ID_STATUS = 0,
  FRZ_ID_SNAPSHOT_ID = 1,
  FRZ_ID_DATA_FILE = 2,
  FRZ_ID_SEQUENCE_NUMBER = 3,
  FRZ_ID_FILE_SEQUENCE_NUMBER = 4,

  FRZ_ID_FILE_PATH = 100,
  FRZ_ID_FILE_FORMAT = 101,
  FRZ_ID_PARTITION = 102,
  FRZ_ID_RECORD_COUNT = 103,
  FRZ_ID_FILE_SIZE = 104,
  FRZ_ID_BLOCK_SIZE = 105,
  FRZ_ID_COLUMN_SIZES = 108,
  FRZ_ID_VALUE_COUNTS = 109,
  FRZ_ID_NULL_COUNTS = 110,
  FRZ_ID_LOWER_BOUNDS = 125,
  FRZ_ID_UPPER_BOUNDS = 128,
  FRZ_ID_KEY_METADATA = 131,
  FRZ_ID_SPLIT_OFFSETS = 132,
  FRZ_ID_CONTENT = 134,
  FRZ_ID_EQUALITY_IDS = 135,
  FRZ_ID_NAN_COUNTS = 137,
  FRZ_ID_SORT_ORDER_ID = 140,
  FRZ_ID_FIRST_ROW_ID = 142,
  FRZ_ID_REFERENCED_DATA_FILE = 143,
  FRZ_ID_CONTENT_OFFSET = 144,
  FRZ_ID_CONTENT_SIZE = 145,

  FRZ_ID_MANIFEST_PATH = 500,
  FRZ_ID_MANIFEST_LENGTH = 501,
  FRZ_ID_PARTITION_SPEC_ID = 502,
  FRZ_ID_ADDED_SNAPSHOT_ID = 503,
  FRZ_ID_ADDED_FILES = 504,
  FRZ_ID_EXISTING_FILES = 505,
  FRZ_ID_DELETED_FILES = 506,
  FRZ_ID_PARTITIONS = 507,
  FRZ_ID_CONTAINS_NULL = 509,
  FRZ_ID_LOWER_BOUND = 510,
  FRZ_ID_UPPER_BOUND = 511,
  FRZ_ID_ADDED_ROWS = 512,
  FRZ_ID_EXISTING_ROWS = 513,
  FRZ_ID_DELETED_ROWS = 514,
  FRZ_ID_MANIFEST_SEQUENCE = 515,
  FRZ_ID_MANIFEST_MIN_SEQUENCE = 516,
  FRZ_ID_MANIFEST_CONTENT = 517,
  FRZ_ID_CONTAINS_NAN = 518,
  FRZ_ID_MANIFEST_KEY_METADATA = 519,
  FRZ_ID_MANIFEST_FIRST_ROW_ID = 520
};

typedef enum frz_manifest_record {
  FRZ_RECORD_ENTRY,    /* "manifest_entry" */
  FRZ_RECORD_FILE,     /* "r2" */
  FRZ_RECORD_MANIFEST, /* "manifest_file" */
  FRZ_RECORD_SUMMARY   /* "r508" */
} frz_manifest_record;

typedef enum frz_manifest_column_kind {
  FRZ_COLUMN_BOOLEAN,
  FRZ_COLUMN_INT,
  FRZ_COLUMN_LONG,
  FRZ_COLUMN_STRING,
  FRZ_COLUMN_BINARY,
  FRZ_COLUMN_LIST_INT,
  FRZ_COLUMN_LIST_LONG,
  FRZ_COLUMN_MAP_LONG,
  FRZ_COLUMN_MAP_BINARY,
  FRZ_COLUMN_FILE,
  FRZ_COLUMN_PARTITION,
  FRZ_COLUMN_SUMMARIES
} frz_manifest_column_kind;

typedef struct frz_manifest_column {
  int32_t id;
  const char *name;
  frz_manifest_column_kind kind;
  int32_t inner_ids[2];  /* element; or key and value */
  int32_t version_first; /* format versions that have the column */
  int32_t version_last;
  int32_t required_first; /* from this version on it is required; 0: never */
  int32_t required_last;
  const char *doc; /* NULL: none */
} frz_manifest_column;

const frz_manifest_column *frz_manifest_columns(frz_manifest_record record, size_t *n_out);

static inline bool frz_manifest_column_is_in(const frz_manifest_column *column, int32_t version)
{
  return version >= column->version_first && version <= column->version_last;
}

static inline bool frz_manifest_column_is_required(const frz_manifest_column *column,
                                                   int32_t version)
{
  return column->required_first != 0 && version >= column->required_first &&
         version <= column->required_last;
}

/** The id of a column of a record by its name; -1: none. */
int32_t frz_manifest_field_id(frz_manifest_record record, frz_str name);

/** The name of a column by its id, for messages. */
const char *frz_manifest_field_name(int32_t field_id);

/** The type of a partition field's values: under the current schema, or the newest that has its
 * source column; UNKNOWN where there is none. */
frz_type frz_manifest_partition_type(const frz_table_metadata *metadata,
                                     const frz_partition_field *field);

/** Append the Avro schema of a manifest (FRZ_RECORD_ENTRY) or of a manifest list
 * (FRZ_RECORD_MANIFEST; no spec needed). `types` are those of the spec's fields. */
frz_status frz_manifest_write_schema(frz_manifest_record record, int32_t version,
                                     const frz_partition_spec *spec, const frz_type *types,
                                     frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

/** Bytes of the fixed type that holds a decimal of `precision` (1 to 38). */
int32_t frz_manifest_decimal_bytes(int32_t precision);

#endif
