/*
 * avro_shape.h - how an Avro type turns into an Arrow column, and values decoded by it.
 *
 * A shape is a schema walked once: unions with null are taken off, references are followed, and
 * what is not wanted is marked to be passed over. Wanted values are appended to columns whose
 * fields were made along with the shape.
 *
 * Leaves (nodes without children, of the Arrow fields) are counted from left to right; which are
 * wanted is told by that number.
 *
 * Source: Apache Avro 1.11 specification, "Schema Declaration" and "Logical Types"; Iceberg
 * specification, appendix A, "Avro".
 */
#ifndef FRZ_AVRO_AVRO_SHAPE_H
#define FRZ_AVRO_AVRO_SHAPE_H

#include "arrow/column.h"
#include "avro/avro_schema.h"
#include "base/limits.h"
#include "base/reader.h"

typedef enum frz_avro_decoding {
  FRZ_DECODE_NULL,
  FRZ_DECODE_BOOLEAN,
  FRZ_DECODE_INT,
  FRZ_DECODE_LONG,
  FRZ_DECODE_FIXED, /* bytes as they are: float, double, fixed */
  FRZ_DECODE_BYTES,
  FRZ_DECODE_ENUM,
  FRZ_DECODE_UUID_TEXT,
  FRZ_DECODE_DECIMAL, /* fixed or bytes, big-endian */
  FRZ_DECODE_RECORD,
  FRZ_DECODE_ARRAY,
  FRZ_DECODE_MAP
} frz_avro_decoding;

typedef struct frz_avro_shape frz_avro_shape;
struct frz_avro_shape {
  const frz_avro_type *stored; /* as it stands, to be passed over */
  const frz_avro_type *type;   /* without its union */
  frz_avro_decoding decoding;
  int32_t null_branch; /* of the union; -1: none */
  bool is_union;       /* a branch number stands in front */
  bool is_wanted;
  bool refuses_null;        /* the key of a map */
  size_t width;             /* FIXED */
  size_t padding_bytes;     /* what a null takes in the columns, that took no bytes in the file */
  size_t column;            /* its place among wanted siblings */
  frz_avro_shape *children; /* RECORD: one a field; ARRAY: the element; MAP: the value */
  size_t n_children;
};

/** Makes the shapes of one file. */
typedef struct frz_avro_shaper {
  frz_arena *arena;
  const bool *selected; /* by leaf; NULL: all */
  size_t n_leaves;      /* so far */
  size_t n_nodes;       /* so far: definitions may be used again and again */
  const frz_avro_type *path[FRZ_LIMIT_DEPTH + 1]; /* records around this one */
  size_t n_path;
} frz_avro_shaper;

/** The shape of a field and, where it is wanted, its Arrow field. FRZ_ERR_UNSUPPORTED: its type has
 * no Arrow form (a union of several types, a record in itself). */
frz_status frz_avro_shape_make(frz_avro_shaper *shaper, const frz_avro_field *field,
                               frz_avro_shape *shape_out, frz_arrow_field *field_out,
                               frz_error *err) FRZ_MUST_CHECK;

/** Values on their way into columns. */
typedef struct frz_avro_decoder {
  frz_reader *in;
  size_t padding_bytes; /* put into columns without bytes of the file behind them */
} frz_avro_decoder;

/** Append one value of a wanted shape to its column. Half of one may be there after a failure. */
frz_status frz_avro_decode(frz_avro_decoder *decoder, const frz_avro_shape *shape,
                           frz_column *column, frz_error *err) FRZ_MUST_CHECK;

#endif
