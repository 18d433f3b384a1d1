/*
 * column_assemble.h - structs, lists and maps above leaves that were read.
 */
#ifndef FRZ_PARQUET_COLUMN_ASSEMBLE_H
#define FRZ_PARQUET_COLUMN_ASSEMBLE_H

#include "parquet/format/parquet_shape.h"
#include "parquet/read/leaf_reader.h"

/** The levels that one leaf kept of a batch. */
typedef struct frz_kept_levels {
  const uint8_t *def;
  const uint8_t *rep; /* NULL: below no list, all zero */
  size_t n;
} frz_kept_levels;

/** Finds the levels of a leaf by its index. */
typedef frz_kept_levels (*frz_levels_of)(void *ctx, int32_t leaf_index);

/** Must the levels of the shape's first leaf be kept, to build the shape? Those of every leaf below
 * a list must be, to be compared. */
bool frz_shape_needs_levels(const frz_parquet_shape *shape);

/** Fill validity and offsets of the column and its children, whose leaves hold their values. */
frz_status frz_column_assemble(const frz_parquet_shape *shape, frz_column *column,
                               frz_levels_of levels_of, void *ctx, frz_error *err) FRZ_MUST_CHECK;

#endif
