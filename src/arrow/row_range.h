/*
 * row_range.h - rows of a file by position.
 */
#ifndef FRZ_ARROW_ROW_RANGE_H
#define FRZ_ARROW_ROW_RANGE_H

#include <stdint.h>

/** Rows [first, last) by position in the file. */
typedef struct frz_row_range {
  int64_t first;
  int64_t last;
} frz_row_range;

#endif
