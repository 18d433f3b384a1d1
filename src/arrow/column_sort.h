/*
 * column_sort.h - the stable order of rows by several columns.
 *
 * Values are ordered as Iceberg's sort orders say: numbers and times by value, floating point
 * -NaN < -Infinity < ... < -0.0 < +0.0 < ... < Infinity < NaN, false before true, text and bytes
 * byte by byte as unsigned numbers (for UTF-8 that is the order of code points).
 *
 * Source: Iceberg specification, "Sorting".
 */
#ifndef FRZ_ARROW_COLUMN_SORT_H
#define FRZ_ARROW_COLUMN_SORT_H

#include "arrow/column.h"

/** What to sort by. `column` is borrowed, and neither STRUCT nor LIST nor MAP. */
typedef struct frz_sort_key {
  const frz_column *column;
  bool descending;
  bool nulls_last; /* said of nulls alone: `descending` does not turn it around */
} frz_sort_key;

/** Can rows be sorted by a column of this type? */
bool frz_column_is_sortable(frz_arrow_type type);

/**
 * Order rows [0, n_rows) by the first key, where that is equal by the second, and so on; rows that
 * are equal in all keep their order. Appends `n_rows` int64_t to `rows_out`: which row comes where.
 * Takes 40 bytes a row while it works; rows that are in order already cost one look at each key.
 */
frz_status frz_sort_rows(const frz_sort_key *keys, size_t n_keys, int64_t n_rows, frz_buf *rows_out,
                         frz_error *err) FRZ_MUST_CHECK;

/** -1, 0 or 1: a row by `a` against a row by `b`, keys alike over columns of the same types. */
int frz_sort_compare(const frz_sort_key *a, int64_t a_row, const frz_sort_key *b, int64_t b_row,
                     size_t n_keys);

/** Are rows [first, first + n) in order? */
bool frz_sort_is_ordered(const frz_sort_key *keys, size_t n_keys, int64_t first, int64_t n);

#endif
