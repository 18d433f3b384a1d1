/*
 * column_parts.h - steps of an append, shared by the files that build columns.
 *
 * They leave n_rows and n_nulls alone: the caller counts once every part is in place, or cuts the
 * column back with frz_column_truncate().
 */
#ifndef FRZ_ARROW_COLUMN_PARTS_H
#define FRZ_ARROW_COLUMN_PARTS_H

#include "arrow/column.h"

/** The offsets of a column with rows. */
static inline const int32_t *frz_column_offsets(const frz_column *column)
{
  return (const int32_t *)(const void *)column->offsets.data;
}

/** Room for `n` more offsets; `*at_out`[-1] is the end of the last row. Values are not set. */
frz_status frz_column_add_offsets(frz_column *column, int64_t n, int32_t **at_out,
                                  frz_error *err) FRZ_MUST_CHECK;

/** Have validity bits, cleared ones for `n` more rows. */
frz_status frz_column_need_validity(frz_column *column, int64_t n, frz_error *err) FRZ_MUST_CHECK;

/** Mark `n` more rows as present, if the column has nulls at all. */
frz_status frz_column_add_present(frz_column *column, int64_t n, frz_error *err) FRZ_MUST_CHECK;

/** FRZ_ERR_LIMIT where `n` more rows would pass 32-bit offsets. */
frz_status frz_column_check_rows(const frz_column *column, int64_t n,
                                 frz_error *err) FRZ_MUST_CHECK;

#endif
