/*
 * arrow_type.h - Arrow types and fields in parsed form.
 *
 * frazil works on few physical layouts. Foreign layouts (large, view, dictionary) are turned
 * into these on import, so that nothing above needs to know them.
 */
#ifndef FRZ_ARROW_ARROW_TYPE_H
#define FRZ_ARROW_ARROW_TYPE_H

#include "base/arena.h"
#include "base/fail.h"
#include "frazil/arrow.h"

typedef enum frz_arrow_kind {
  FRZ_ARROW_NULL, /* no buffers: every row is null */
  FRZ_ARROW_BOOL, /* one bit a row */
  FRZ_ARROW_INT8,
  FRZ_ARROW_INT16,
  FRZ_ARROW_INT32,
  FRZ_ARROW_INT64,
  FRZ_ARROW_UINT8,
  FRZ_ARROW_UINT16,
  FRZ_ARROW_UINT32,
  FRZ_ARROW_UINT64,
  FRZ_ARROW_FLOAT16,
  FRZ_ARROW_FLOAT32,
  FRZ_ARROW_FLOAT64,
  FRZ_ARROW_DECIMAL128, /* 16 bytes little-endian, precision and scale */
  FRZ_ARROW_DATE32,     /* int32 days since 1970 */
  FRZ_ARROW_TIME32,     /* int32, unit s or ms */
  FRZ_ARROW_TIME64,     /* int64, unit us or ns */
  FRZ_ARROW_TIMESTAMP,  /* int64 since 1970, unit, zone or naive */
  FRZ_ARROW_DURATION,   /* int64, unit */
  FRZ_ARROW_FIXED,      /* byte_width bytes a row */
  FRZ_ARROW_STRING,     /* utf8: int32 offsets and bytes */
  FRZ_ARROW_BINARY,     /* int32 offsets and bytes */
  FRZ_ARROW_LIST,       /* int32 offsets, one child */
  FRZ_ARROW_STRUCT,     /* children of the same length */
  FRZ_ARROW_MAP         /* int32 offsets, one child: struct<key, value> */
} frz_arrow_kind;

typedef enum frz_time_unit { FRZ_UNIT_S, FRZ_UNIT_MS, FRZ_UNIT_US, FRZ_UNIT_NS } frz_time_unit;

typedef struct frz_arrow_type {
  frz_arrow_kind kind;
  frz_time_unit unit; /* times */
  bool has_zone;      /* TIMESTAMP: an instant; the zone itself does not change its values */
  bool is_uuid;       /* FIXED(16) with the arrow.uuid extension */
  bool is_variant;    /* STRUCT of binary "metadata" and "value": arrow.parquet.variant */
  int32_t byte_width; /* FIXED; DECIMAL128: 16 */
  int32_t precision;  /* DECIMAL128 */
  int32_t scale;      /* DECIMAL128 */
} frz_arrow_type;

/** A named field; lives in an arena with its children. LIST: child 0 the element. MAP: child 0 is
 * the entries struct, whose children are key and value. */
typedef struct frz_arrow_field frz_arrow_field;
struct frz_arrow_field {
  frz_str name;
  bool nullable;
  int32_t field_id; /* "PARQUET:field_id"; -1: none */
  frz_arrow_type type;
  frz_arrow_field *children;
  size_t n_children;
};

/** Bytes of one value of a fixed-width kind; 0 for BOOL, NULL and what has offsets or children. */
size_t frz_arrow_value_bytes(frz_arrow_type type);

bool frz_arrow_type_has_offsets(frz_arrow_type type);
bool frz_arrow_type_equal(frz_arrow_type a, frz_arrow_type b);

/** The whole type as words, such as "timestamp[us, UTC]" or "list<string>", for messages. */
frz_str frz_arrow_field_describe(const frz_arrow_field *field, frz_arena *arena);

/** A deep copy in `arena`. */
frz_status frz_arrow_field_copy(const frz_arrow_field *field, frz_arena *arena,
                                frz_arrow_field *copy_out, frz_error *err) FRZ_MUST_CHECK;

/** Parse a schema into `field_out`, in the normal layouts; FRZ_ERR_UNSUPPORTED names column and
 * format. */
frz_status frz_arrow_field_import(const struct ArrowSchema *schema, frz_arena *arena,
                                  frz_arrow_field *field_out, frz_error *err) FRZ_MUST_CHECK;

/** Make an ArrowSchema that owns all of itself. Field ids are written as metadata when >= 0. */
frz_status frz_arrow_field_export(const frz_arrow_field *field, const frz_alloc *alloc,
                                  struct ArrowSchema *schema_out, frz_error *err) FRZ_MUST_CHECK;

/** As above, for a struct schema over `n_fields` fields: a table's or batch's schema. */
frz_status frz_arrow_schema_export(const frz_arrow_field *fields, size_t n_fields,
                                   const frz_alloc *alloc, struct ArrowSchema *schema_out,
                                   frz_error *err) FRZ_MUST_CHECK;

#endif
