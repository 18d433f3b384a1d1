/*
 * parquet_metadata.h - a Parquet footer in memory: schema tree, row groups, column chunks,
 * statistics.
 *
 * Everything lives in the arena it was parsed into. Offsets and counts were checked against
 * the file's size when parsed. Source: apache/parquet-format, parquet.thrift.
 */
#ifndef FRZ_PARQUET_PARQUET_METADATA_H
#define FRZ_PARQUET_PARQUET_METADATA_H

#include "arrow/arrow_type.h"
#include "base/buf.h"

typedef enum frz_parquet_physical {
  FRZ_PARQUET_BOOLEAN = 0,
  FRZ_PARQUET_INT32 = 1,
  FRZ_PARQUET_INT64 = 2,
  FRZ_PARQUET_INT96 = 3,
  FRZ_PARQUET_FLOAT = 4,
  FRZ_PARQUET_DOUBLE = 5,
  FRZ_PARQUET_BYTE_ARRAY = 6,
  FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY = 7
} frz_parquet_physical;

typedef enum frz_parquet_encoding {
  FRZ_PARQUET_PLAIN = 0,
  FRZ_PARQUET_PLAIN_DICTIONARY = 2,
  FRZ_PARQUET_RLE = 3,
  FRZ_PARQUET_BIT_PACKED = 4,
  FRZ_PARQUET_DELTA_BINARY_PACKED = 5,
  FRZ_PARQUET_DELTA_LENGTH_BYTE_ARRAY = 6,
  FRZ_PARQUET_DELTA_BYTE_ARRAY = 7,
  FRZ_PARQUET_RLE_DICTIONARY = 8,
  FRZ_PARQUET_BYTE_STREAM_SPLIT = 9
} frz_parquet_encoding;

/** Numbers of CompressionCodec in parquet.thrift. */
typedef enum frz_parquet_codec {
  FRZ_PARQUET_UNCOMPRESSED = 0,
  FRZ_PARQUET_SNAPPY = 1,
  FRZ_PARQUET_GZIP = 2,
  FRZ_PARQUET_LZO = 3,
  FRZ_PARQUET_BROTLI = 4,
  FRZ_PARQUET_LZ4 = 5,
  FRZ_PARQUET_ZSTD = 6,
  FRZ_PARQUET_LZ4_RAW = 7
} frz_parquet_codec;

typedef enum frz_parquet_repetition {
  FRZ_PARQUET_REQUIRED = 0,
  FRZ_PARQUET_OPTIONAL = 1,
  FRZ_PARQUET_REPEATED = 2
} frz_parquet_repetition;

/**
 * What a column means: LogicalType, or the older ConvertedType turned into it.
 *
 * A VARIANT group that is not shredded (required binary `metadata` and `value`) becomes an Arrow
 * STRUCT of those two with type.is_variant, which leaves frazil as the canonical extension type
 * "arrow.parquet.variant" (extension metadata: empty); the bytes pass through as they are. One with
 * a `typed_value` is FRZ_ERR_UNSUPPORTED; the message has the column's path, and other columns of
 * such a file are read. A group without the annotation (Spark 4.0 writes variants so) is a plain
 * struct: the table's schema has to say what it is. GEOMETRY and GEOGRAPHY are the bytes that are
 * stored (well-known binary), without bounds; Iceberg's types of those names are refused by name.
 */
typedef enum frz_parquet_logical {
  FRZ_PARQUET_LOGICAL_NONE,
  FRZ_PARQUET_LOGICAL_STRING, /* UTF8, ENUM, JSON */
  FRZ_PARQUET_LOGICAL_BSON,
  FRZ_PARQUET_LOGICAL_DECIMAL,
  FRZ_PARQUET_LOGICAL_DATE,
  FRZ_PARQUET_LOGICAL_TIME,
  FRZ_PARQUET_LOGICAL_TIMESTAMP,
  FRZ_PARQUET_LOGICAL_INT,
  FRZ_PARQUET_LOGICAL_UUID,
  FRZ_PARQUET_LOGICAL_FLOAT16,
  FRZ_PARQUET_LOGICAL_LIST,
  FRZ_PARQUET_LOGICAL_MAP,
  FRZ_PARQUET_LOGICAL_INTERVAL,
  FRZ_PARQUET_LOGICAL_NULL,
  FRZ_PARQUET_LOGICAL_VARIANT,
  FRZ_PARQUET_LOGICAL_GEO /* GEOMETRY and GEOGRAPHY */
} frz_parquet_logical;

/** A node of the schema tree; the root has no parent. */
typedef struct frz_parquet_node frz_parquet_node;
struct frz_parquet_node {
  frz_str name;
  int32_t field_id; /* -1: none */
  frz_parquet_repetition repetition;
  frz_parquet_logical logical;
  frz_time_unit unit; /* TIME, TIMESTAMP */
  bool is_utc;        /* TIME, TIMESTAMP: isAdjustedToUTC */
  bool is_signed;     /* INT */
  int32_t bit_width;  /* INT */
  int32_t precision, scale;
  bool is_leaf;
  frz_parquet_physical physical; /* leaves */
  int32_t type_length;           /* FIXED_LEN_BYTE_ARRAY */
  int32_t leaf_index;            /* leaves; else -1 */
  int32_t max_definition_level;
  int32_t max_repetition_level;
  bool has_order;           /* leaves: the footer states that bounds follow the type's order */
  frz_parquet_node *parent; /* NULL: the root */
  frz_parquet_node **children;
  size_t n_children;
};

/** Statistics of a column chunk or page; only order-safe ones are kept (see parquet_metadata.c). */
typedef struct frz_parquet_statistics {
  bool has_min, has_max;     /* bytes in PLAIN form, without length for byte arrays */
  bool min_exact, max_exact; /* false: cut, so only a bound */
  frz_str min, max;
  int64_t null_count;     /* -1: unknown */
  int64_t distinct_count; /* -1: unknown */
} frz_parquet_statistics;

typedef struct frz_parquet_chunk {
  frz_parquet_codec codec;
  int64_t n_values; /* with nulls and list entries */
  int64_t uncompressed_bytes;
  int64_t compressed_bytes;
  int64_t data_page_offset;
  int64_t dictionary_page_offset; /* -1: none */
  int64_t offset_index_offset;    /* -1: none */
  int32_t offset_index_bytes;
  int64_t column_index_offset; /* -1: none */
  int32_t column_index_bytes;
  int64_t bloom_filter_offset; /* -1: none */
  int32_t bloom_filter_bytes;  /* with its header; -1: not said */
  uint32_t encodings;          /* bit set of frz_parquet_encoding */
  bool is_encrypted;
  frz_parquet_statistics statistics;
} frz_parquet_chunk;

typedef struct frz_parquet_row_group {
  int64_t n_rows;
  int64_t first_row; /* position in the file */
  int64_t total_bytes;
  frz_parquet_chunk *chunks; /* by leaf index */
} frz_parquet_row_group;

typedef struct frz_parquet_key_value {
  frz_str key;
  frz_str value;
} frz_parquet_key_value;

typedef struct frz_parquet_metadata {
  int32_t version;
  int64_t n_rows;
  frz_str created_by;
  frz_parquet_node *root;
  frz_parquet_node **leaves;
  size_t n_leaves;
  frz_parquet_row_group *row_groups;
  size_t n_row_groups;
  frz_parquet_key_value *key_values;
  size_t n_key_values;
} frz_parquet_metadata;

/** Parse a footer (without length and magic). `file_bytes` bounds every offset. */
frz_status frz_parquet_metadata_parse(const void *data, size_t size, int64_t file_bytes,
                                      frz_arena *arena, frz_parquet_metadata *metadata_out,
                                      frz_error *err) FRZ_MUST_CHECK;

/** The Arrow field that a node (top level, or below a selected one) decodes to; leaves not in
 * `selected` (by leaf index; NULL: all) are left out of structs. */
frz_status frz_parquet_node_to_arrow(const frz_parquet_node *node, const bool *selected,
                                     frz_arena *arena, frz_arrow_field *field_out,
                                     frz_error *err) FRZ_MUST_CHECK;

#endif
