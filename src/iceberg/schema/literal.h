/*
 * literal.h - single values: bounds, partition values, filter literals.
 *
 * Source: Iceberg specification, appendix D "Single-value serialization" (binary and JSON).
 */
#ifndef FRZ_ICEBERG_LITERAL_H
#define FRZ_ICEBERG_LITERAL_H

#include "arrow/column.h"
#include "iceberg/schema/schema.h"

__extension__ typedef __int128 frz_int128;
__extension__ typedef unsigned __int128 frz_uint128;

/** A value of a primitive type, or null. `bytes` is borrowed. */
typedef struct frz_literal {
  frz_type_kind kind;
  bool is_null;
  int32_t scale; /* DECIMAL */
  union {
    bool boolean;
    int32_t i32; /* INT, DATE */
    int64_t i64; /* LONG, TIME (us), TIMESTAMP* (us or ns) */
    float f32;
    double f64;
    frz_int128 decimal; /* unscaled */
    frz_str bytes;      /* STRING, BINARY, FIXED, UUID (16 bytes, big-endian) */
  } as;
} frz_literal;

static inline frz_literal frz_literal_null(frz_type_kind kind)
{
  return (frz_literal){.kind = kind, .is_null = true};
}

/** Same kind, neither null. Floats order -0.0 < +0.0 and NaN last; strings and bytes unsigned by
 * byte. */
int frz_literal_compare(const frz_literal *a, const frz_literal *b);

/** From the binary form. A narrower form is widened by its length (int stored for a long column
 * after promotion, float for double). FRZ_ERR_CORRUPT when the length fits neither. */
frz_status frz_literal_from_bytes(const frz_type *type, frz_str bytes, frz_literal *literal_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/** To the binary form, appended; decimals minimal big-endian. */
frz_status frz_literal_to_bytes(const frz_literal *literal, frz_buf *out,
                                frz_error *err) FRZ_MUST_CHECK;

/** From the JSON form (defaults); arena for bytes. */
frz_status frz_literal_from_json(const frz_type *type, frz_str json, frz_arena *arena,
                                 frz_literal *literal_out, frz_error *err) FRZ_MUST_CHECK;

/** To the JSON form; null is null. `arena` is scratch. */
frz_status frz_literal_to_json(const frz_literal *literal, frz_arena *arena, frz_json_writer *json,
                               frz_error *err) FRZ_MUST_CHECK;

/** Is a struct that has no value a struct of its fields' own defaults ("{}"), or null? `json` data
 * NULL: none. FRZ_ERR_UNSUPPORTED: a default that says anything else, or of a list or map. */
frz_status frz_nested_default(const frz_type *type, frz_str json, const frz_alloc *alloc,
                              bool *has_default_out, frz_error *err) FRZ_MUST_CHECK;

/** Text for partition paths and messages: ISO dates and times, decimals with point, bytes base64.
 */
frz_str frz_literal_print(const frz_literal *literal, frz_arena *arena);

/** The value of a column (of the layout frz_field_to_arrow gives) at a row. Bytes are borrowed. */
frz_literal frz_literal_from_column(const frz_type *type, const frz_column *column, int64_t row);

/** Append a literal to a column of the type's Arrow layout. */
frz_status frz_literal_append(const frz_literal *literal, frz_column *column,
                              frz_error *err) FRZ_MUST_CHECK;

/** Parse what a user wrote in a filter ('2024-01-01T00:00:00+00:00', 5, 1.5, 'abc') as a value of
 * `type`. `is_string` tells a quoted literal. FRZ_ERR_INVALID names value and type. An integer
 * beyond the type's range is reported through `range_out` (-1 below, +1 above, 0 inside) so that
 * comparisons can be folded. */
frz_status frz_literal_from_text(const frz_type *type, frz_str text, bool is_string,
                                 frz_arena *arena, frz_literal *literal_out, int *range_out,
                                 frz_error *err) FRZ_MUST_CHECK;

/** Convert between kinds where Iceberg allows (int to long, float to double, date..., decimal scale
 * kept). */
bool frz_literal_promote(const frz_literal *literal, const frz_type *to, frz_literal *literal_out);

/** Cut a STRING (by code points) or BINARY bound to `length`; an upper bound is incremented. False:
 * no upper bound exists (leave it out). */
bool frz_literal_truncate_bound(const frz_literal *literal, int32_t length, bool is_upper,
                                frz_arena *arena, frz_literal *literal_out);

/** Minimal big-endian two's complement; returns the length, 1 to 16. */
size_t frz_decimal_to_bytes(frz_int128 value, uint8_t bytes_out[16]);

/** Bytes of the first `n_points` code points. */
size_t frz_utf8_prefix(frz_str text, int32_t n_points);

/** Pairs of hexadecimal digits to text.size / 2 bytes; false where they are not. */
bool frz_hex_parse(frz_str text, uint8_t *bytes_out);

#endif
