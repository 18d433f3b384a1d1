/*
 * encode_values.h - values of an Arrow column in the form that Parquet stores.
 */
#ifndef FRZ_PARQUET_ENCODE_VALUES_H
#define FRZ_PARQUET_ENCODE_VALUES_H

#include "arrow/column.h"
#include "parquet/write/schema_write.h"

/** The present values of some rows. Borrowed from the column or from scratch buffers. */
typedef struct frz_value_view {
  size_t n;
  const uint8_t *fixed;   /* all kinds but BYTES: stored form, plan->width bytes each */
  const int32_t *offsets; /* BYTES */
  const uint8_t *bytes;
  const uint8_t *bytes_end; /* of all rows of the column; NULL: not known */
  const int64_t *rows;      /* BYTES: which; NULL: first_row and on */
  int64_t first_row;
} frz_value_view;

static inline frz_str frz_value_view_bytes(const frz_value_view *view, size_t i)
{
  int64_t row = view->rows != NULL ? view->rows[i] : view->first_row + (int64_t)i;
  int32_t from = view->offsets[row];
  return (frz_str){(const char *)view->bytes + from, (size_t)(view->offsets[row + 1] - from)};
}

/** View `n` rows: those in `rows`, or from first_row on when it is NULL. FRZ_ERR_INVALID names a
 * value that the stored type cannot hold. The scratch buffers hold what must be copied. */
frz_status frz_values_gather(const frz_leaf_plan *plan, const frz_column *leaf, const int64_t *rows,
                             int64_t first_row, size_t n, frz_buf scratch[2],
                             frz_value_view *view_out, frz_error *err) FRZ_MUST_CHECK;

/** Append values in PLAIN form; booleans stay one byte each: see frz_bools_pack(). */
frz_status frz_values_plain(const frz_leaf_plan *plan, const frz_value_view *view, frz_buf *out,
                            frz_error *err) FRZ_MUST_CHECK;

/** Append `n` 128-bit numbers big-endian, `width` bytes each. */
frz_status frz_wide_plain(const uint8_t *values, size_t n, size_t width, frz_buf *out,
                          frz_error *err) FRZ_MUST_CHECK;

/** Append booleans, one byte each, as bits. */
frz_status frz_bools_pack(const uint8_t *values, size_t n, frz_buf *out,
                          frz_error *err) FRZ_MUST_CHECK;

/** The least and greatest byte string of a view of BYTES or FIXED; n > 0. */
void frz_values_bytes_range(const frz_leaf_plan *plan, const frz_value_view *view,
                            frz_str *least_out, frz_str *greatest_out);

#endif
