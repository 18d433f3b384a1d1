/*
 * manifest_value.h - values of manifest columns, read by the Avro type they were stored with.
 *
 * Other writers put null first or last in a union, int for long, bytes for fixed: a value is taken
 * by what its schema says and checked against what the column needs. Null gives false in
 * `found_out` (or a null literal) and leaves the value alone.
 */
#ifndef FRZ_ICEBERG_MANIFEST_VALUE_H
#define FRZ_ICEBERG_MANIFEST_VALUE_H

#include "avro/avro_value.h"
#include "iceberg/manifest/manifest.h"
#include "iceberg/schema/literal.h"

/** Step into unions; `type_inout` is the type of the value that comes; false: null, which was read.
 */
frz_status frz_manifest_enter(frz_reader *in, const frz_avro_type **type_inout, bool *found_out,
                              frz_error *err) FRZ_MUST_CHECK;

frz_status frz_manifest_read_i64(frz_reader *in, const frz_avro_type *type, int64_t *value_out,
                                 bool *found_out, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_manifest_read_i32(frz_reader *in, const frz_avro_type *type, int32_t *value_out,
                                 bool *found_out, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_manifest_read_bool(frz_reader *in, const frz_avro_type *type, bool *value_out,
                                  bool *found_out, frz_error *err) FRZ_MUST_CHECK;

/** string, bytes or fixed, borrowed from the input. */
frz_status frz_manifest_read_bytes(frz_reader *in, const frz_avro_type *type, frz_str *value_out,
                                   bool *found_out, frz_error *err) FRZ_MUST_CHECK;

/** As above, copied into the arena. */
frz_status frz_manifest_read_text(frz_reader *in, const frz_avro_type *type, frz_arena *arena,
                                  frz_str *value_out, bool *found_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/**
 * A value of a primitive type, or null. Where `wanted` is UNKNOWN the Avro type decides. Bytes are
 * copied into the arena.
 */
frz_status frz_manifest_read_literal(frz_reader *in, const frz_avro_type *type,
                                     const frz_type *wanted, frz_arena *arena,
                                     frz_literal *literal_out, frz_error *err) FRZ_MUST_CHECK;

/** Which metrics to keep: all, or those of ascending ids. */
typedef struct frz_metric_filter {
  const int32_t *ids; /* NULL: all */
  size_t n_ids;
} frz_metric_filter;

/** A map of column metrics (Avro: an array of key and value). `scratch` is used and left filled. */
frz_status frz_manifest_read_metrics(frz_reader *in, const frz_avro_type *type,
                                     frz_metric_filter filter, frz_buf *scratch, frz_arena *arena,
                                     const frz_metric **metrics_out, size_t *n_out,
                                     frz_error *err) FRZ_MUST_CHECK;
frz_status frz_manifest_read_bounds(frz_reader *in, const frz_avro_type *type,
                                    frz_metric_filter filter, frz_buf *scratch, frz_arena *arena,
                                    const frz_bound **bounds_out, size_t *n_out,
                                    frz_error *err) FRZ_MUST_CHECK;

/** A list of whole numbers. */
frz_status frz_manifest_read_longs(frz_reader *in, const frz_avro_type *type, frz_buf *scratch,
                                   frz_arena *arena, const int64_t **longs_out, size_t *n_out,
                                   frz_error *err) FRZ_MUST_CHECK;

#endif
