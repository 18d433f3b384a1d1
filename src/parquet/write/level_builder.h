/*
 * level_builder.h - definition and repetition levels of a leaf, and which of its rows hold values.
 */
#ifndef FRZ_PARQUET_LEVEL_BUILDER_H
#define FRZ_PARQUET_LEVEL_BUILDER_H

#include "arrow/column.h"
#include "parquet/write/schema_write.h"

/** Buffers that are used again for each piece of rows; the results of the last call. */
typedef struct frz_level_builder {
  const frz_leaf_plan *plan;
  frz_buf def, def_spare;   /* uint32_t */
  frz_buf rep, rep_spare;   /* uint32_t */
  frz_buf rows, rows_spare; /* int64_t */

  const frz_column *leaf;
  size_t n_levels;
  size_t n_present;
  bool all_present;           /* no null, no empty list: every level is the greatest */
  const uint32_t *def_levels; /* NULL when all_present and not in a list */
  const uint32_t *rep_levels; /* NULL when not in a list */
  const int64_t *leaf_rows;   /* rows of the leaf with values; NULL: first_row and on */
  int64_t first_row;
} frz_level_builder;

void frz_level_builder_init(frz_level_builder *builder, const frz_leaf_plan *plan,
                            const frz_alloc *alloc);
void frz_level_builder_dispose(frz_level_builder *builder);

/** Build for rows [first, first + n) of the top-level column. FRZ_ERR_INVALID names the field and
 * row of a null that the schema forbids. */
frz_status frz_level_builder_run(frz_level_builder *builder, const frz_column *top, int64_t first,
                                 int64_t n, frz_error *err) FRZ_MUST_CHECK;

/** Bytes that the leaf's values of these rows take in PLAIN form; nulls count too. */
size_t frz_leaf_span_bytes(const frz_leaf_plan *plan, const frz_column *top, int64_t first,
                           int64_t n);

#endif
