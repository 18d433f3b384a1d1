/*
 * sort_plan.h - a table's sort order over batches of its rows: columns, transforms, directions.
 */
#ifndef FRZ_ICEBERG_SORT_PLAN_H
#define FRZ_ICEBERG_SORT_PLAN_H

#include "arrow/column_sort.h"
#include "iceberg/schema/partition.h"
#include "parquet/write/parquet_writer.h"

typedef struct frz_sort_part frz_sort_part;

typedef struct frz_sort_plan {
  const frz_alloc *alloc;
  frz_sort_part *parts;
  size_t n_parts; /* 0: there is nothing to sort by */
} frz_sort_plan;

/**
 * Plan to sort by `order`. The batches hold the schema's columns in order, those of type unknown
 * at any level left out where `without_unknown`. No parts come of an order without fields, or of
 * one that frazil cannot follow: an unknown transform, a source that is gone, below a list, or not
 * sortable. Lives in the arena; the schema is borrowed.
 */
frz_status frz_sort_plan_init(frz_sort_plan *plan, const frz_alloc *alloc, frz_arena *arena,
                              const frz_schema *schema, const frz_sort_order *order,
                              bool without_unknown, frz_error *err) FRZ_MUST_CHECK;

/** The values to sort a batch by. */
typedef struct frz_sort_keys {
  const frz_alloc *alloc;
  frz_sort_key *keys;
  frz_column *made; /* by part: what a transform gave; empty where the column itself is the key */
  size_t n_keys;
} frz_sort_keys;

/** Keys of all rows. They borrow from `columns`. */
frz_status frz_sort_keys_make(const frz_sort_plan *plan, const frz_column *columns, int64_t n_rows,
                              frz_sort_keys *keys_out, frz_error *err) FRZ_MUST_CHECK;
void frz_sort_keys_dispose(frz_sort_keys *keys);

/** What a Parquet file that is sorted so says of it: the leading fields that are sorted by their
 * own values. In the arena. */
frz_status frz_sort_plan_describe(const frz_sort_plan *plan, frz_arena *arena,
                                  const frz_parquet_sorting_column **sorting_out, size_t *n_out,
                                  frz_error *err) FRZ_MUST_CHECK;

#endif
