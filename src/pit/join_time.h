/*
 * join_time.h - event times of mixed units, compared without loss.
 *
 * A column of times is read as int64 in its own unit. A bound in another unit is rounded inward:
 * the upper bound down, the lower bound up, both saturating, so that no row is admitted that an
 * exact comparison would refuse.
 */
#ifndef FRZ_PIT_JOIN_TIME_H
#define FRZ_PIT_JOIN_TIME_H

#include "arrow/column.h"

/** How a column stores a time: what one step is in nanoseconds, and how wide a value is. */
typedef struct frz_time_scale {
  int64_t step_ns;
  bool is_32_bits; /* DATE32: days */
} frz_time_scale;

/** The scale of a timestamp or date column; FRZ_ERR_INVALID names `what` and `name` for any other
 * type. */
frz_status frz_time_scale_of(const frz_arrow_field *field, const char *what, frz_str name,
                             frz_time_scale *scale_out, frz_error *err) FRZ_MUST_CHECK;

/** The value of a present row, in the column's own unit. */
static inline int64_t frz_time_value(const frz_column *column, frz_time_scale scale, int64_t row)
{
  if (scale.is_32_bits) return ((const int32_t *)(const void *)column->values.data)[row];
  return ((const int64_t *)(const void *)column->values.data)[row];
}

/** The greatest value in `to` that is not after `time` in `from`. */
int64_t frz_time_floor(int64_t time, frz_time_scale from, frz_time_scale to);

/** The least value in `to` that is not before `time` (in `from`) minus `ttl_us`. */
int64_t frz_time_ceil_minus(int64_t time, frz_time_scale from, int64_t ttl_us, frz_time_scale to);

#endif
