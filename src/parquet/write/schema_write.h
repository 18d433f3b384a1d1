/*
 * schema_write.h - the Parquet schema of Arrow fields, and for each leaf the way down to it.
 */
#ifndef FRZ_PARQUET_SCHEMA_WRITE_H
#define FRZ_PARQUET_SCHEMA_WRITE_H

#include "base/limits.h"
#include "parquet/format/parquet_metadata.h"
#include "parquet/format/thrift.h"

/** The form in which a leaf's values are gathered, compared and put into dictionaries. */
typedef enum frz_stored_kind {
  FRZ_STORED_NONE, /* no values: Arrow's null type */
  FRZ_STORED_BOOL, /* one byte a value until it is packed */
  FRZ_STORED_I32,
  FRZ_STORED_U32,
  FRZ_STORED_I64,
  FRZ_STORED_U64,
  FRZ_STORED_F16, /* two bytes, IEEE 754 */
  FRZ_STORED_F32,
  FRZ_STORED_F64,
  FRZ_STORED_I128, /* 16 bytes little-endian; big-endian and shorter in the file */
  FRZ_STORED_FIXED,
  FRZ_STORED_BYTES
} frz_stored_kind;

typedef enum frz_step_kind { FRZ_STEP_LEAF, FRZ_STEP_STRUCT, FRZ_STEP_LIST } frz_step_kind;

/** One field on the way from a top-level column down to a leaf. */
typedef struct frz_leaf_step {
  frz_step_kind kind;
  bool nullable;
  uint8_t present_level; /* definition level once this field is not null */
  uint8_t repeat_level;  /* LIST: repetition level of a further element */
  size_t child;          /* STRUCT: which child comes next. LIST: always the first */
  frz_str name;
} frz_leaf_step;

typedef struct frz_leaf_plan {
  const frz_parquet_node *node;
  size_t top_column;
  const frz_leaf_step *steps; /* the last one is the leaf */
  size_t n_steps;
  bool in_list;
  frz_arrow_type type;        /* of the Arrow column */
  frz_arrow_type stored_type; /* as a reader will see it: ms and s timestamps become us... */
  frz_stored_kind stored;
  size_t width;         /* bytes of one value in stored form; 0: BYTES and NONE */
  frz_str dotted_name;  /* for messages */
  const frz_str *names; /* path_in_schema */
  size_t n_names;
} frz_leaf_plan;

typedef struct frz_write_schema {
  const frz_arrow_field *fields; /* a deep copy */
  size_t n_fields;
  frz_parquet_node *root;
  frz_leaf_plan *leaves;
  size_t n_leaves;
} frz_write_schema;

/** FRZ_ERR_UNSUPPORTED names a field that Parquet cannot hold. */
frz_status frz_write_schema_build(const frz_arrow_field *fields, size_t n_fields, frz_arena *arena,
                                  frz_write_schema *schema_out, frz_error *err) FRZ_MUST_CHECK;

/** FileMetaData's field 2: the list of SchemaElement. */
void frz_write_schema_elements(frz_thrift_writer *thrift, const frz_write_schema *schema);

#endif
