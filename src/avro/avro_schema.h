/*
 * avro_schema.h - Avro schemas that keep what Iceberg adds: field-id, element-id, key-id, value-id,
 * logicalType and adjust-to-utc.
 *
 * Source: Apache Avro 1.11 specification, "Schema Declaration"; Iceberg specification, appendix A,
 * "Avro".
 */
#ifndef FRZ_AVRO_AVRO_SCHEMA_H
#define FRZ_AVRO_AVRO_SCHEMA_H

#include "base/arena.h"
#include "base/fail.h"
#include "base/limits.h"

typedef enum frz_avro_kind {
  FRZ_AVRO_NULL,
  FRZ_AVRO_BOOLEAN,
  FRZ_AVRO_INT,
  FRZ_AVRO_LONG,
  FRZ_AVRO_FLOAT,
  FRZ_AVRO_DOUBLE,
  FRZ_AVRO_BYTES,
  FRZ_AVRO_STRING,
  FRZ_AVRO_RECORD,
  FRZ_AVRO_ENUM,
  FRZ_AVRO_ARRAY,
  FRZ_AVRO_MAP,
  FRZ_AVRO_UNION,
  FRZ_AVRO_FIXED
} frz_avro_kind;

/** A schema node; lives in an arena. Named types are resolved: a reference is a pointer to the same
 * node. */
typedef struct frz_avro_type frz_avro_type;

typedef struct frz_avro_field {
  frz_str name;
  int32_t field_id; /* -1: none */
  const frz_avro_type *type;
} frz_avro_field;

struct frz_avro_type {
  frz_avro_kind kind;
  frz_str name;         /* RECORD, ENUM, FIXED */
  frz_str logical_type; /* "" when none: "date", "timestamp-micros", "decimal", "map", ... */
  bool adjust_to_utc;
  int32_t precision, scale;     /* decimal */
  int32_t fixed_bytes;          /* FIXED */
  int32_t element_id;           /* ARRAY; -1: none */
  int32_t key_id, value_id;     /* MAP; -1: none */
  const frz_avro_field *fields; /* RECORD */
  size_t n_fields;
  const frz_avro_type *const
      *branches; /* UNION; ARRAY and MAP: branches[0] is the element or value */
  size_t n_branches;
  const frz_str *symbols; /* ENUM */
  size_t n_symbols;
  /* Parts of one value that take no bytes (nulls, empty fixed and records), so that work can be
   * bounded by bytes read. At most FRZ_LIMIT_AVRO_EMPTY_PARTS; -1 while a record is being parsed.
   */
  int32_t n_empty_parts;
  bool is_empty; /* a value takes no bytes at all */
  /* A value is this many numbers one after another and nothing else: INT, LONG, and records of
   * them; 0: it is not. Such values are passed over at once. */
  uint32_t n_numbers;
};

/** Parse; everything is copied into the arena, `json` may go. */
frz_status frz_avro_schema_parse(frz_str json, frz_arena *arena, const frz_avro_type **type_out,
                                 frz_error *err) FRZ_MUST_CHECK;

#endif
