/*
 * statistics_write.h - least and greatest values of pages, chunks and files while they are written.
 *
 * NaN is never a bound; a zero bound is -0.0 below and +0.0 above, as readers may treat the two
 * as equal. Source: parquet.thrift, ColumnOrder and Statistics.
 */
#ifndef FRZ_PARQUET_STATISTICS_WRITE_H
#define FRZ_PARQUET_STATISTICS_WRITE_H

#include "parquet/write/schema_write.h"

__extension__ typedef __int128 frz_stat_i128;

/** A number in the order of its kind: F16 as a key that keeps its order. */
typedef union frz_stat_number {
  int64_t i;
  uint64_t u;
  double f;
  frz_stat_i128 wide;
} frz_stat_number;

typedef struct frz_value_bounds {
  bool has;
  frz_stat_number min, max; /* all kinds but FIXED and BYTES */
  frz_buf min_bytes, max_bytes;
} frz_value_bounds;

void frz_value_bounds_init(frz_value_bounds *bounds, const frz_alloc *alloc);
void frz_value_bounds_dispose(frz_value_bounds *bounds);
/** Forget the values; keeps the memory. */
void frz_value_bounds_clear(frz_value_bounds *bounds);

/** Take in `n` values in stored form, numbers and booleans. NaNs are added to *n_nans_inout. */
void frz_value_bounds_add_numbers(frz_value_bounds *bounds, frz_stored_kind kind,
                                  const uint8_t *values, size_t n, int64_t *n_nans_inout);

/** Take in the range of byte strings [least, greatest]. */
frz_status frz_value_bounds_add_bytes(frz_value_bounds *bounds, frz_str least, frz_str greatest,
                                      frz_error *err) FRZ_MUST_CHECK;

frz_status frz_value_bounds_merge(frz_value_bounds *bounds, frz_stored_kind kind,
                                  const frz_value_bounds *other, frz_error *err) FRZ_MUST_CHECK;

/**
 * Append a bound in the column's PLAIN form. Byte strings longer than the limit (64 bytes) are cut,
 * an upper one made greater again (text: to the next code point); `exact_out` tells. A string that
 * cannot be made greater stays whole.
 */
frz_status frz_value_bound_encode(const frz_leaf_plan *plan, const frz_value_bounds *bounds,
                                  bool is_max, frz_buf *out, bool *exact_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/** Append a bound as the Arrow column holds it: decimals in 16 bytes, small integers in theirs;
 * byte strings whole. */
frz_status frz_value_bound_arrow(const frz_leaf_plan *plan, const frz_value_bounds *bounds,
                                 bool is_max, frz_buf *out, frz_error *err) FRZ_MUST_CHECK;

/** Compare two bounds in PLAIN form by the column's order. */
int frz_value_bound_compare(const frz_leaf_plan *plan, frz_str a, frz_str b);

/** Store a 128-bit number as `n` bytes big-endian; false: it does not fit. */
bool frz_store_big_endian(frz_stat_i128 value, uint8_t *bytes_out, size_t n);

#endif
