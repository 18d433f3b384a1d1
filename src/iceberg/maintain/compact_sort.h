/*
 * compact_sort.h - rows gathered in memory, then handed on in a sort order.
 */
#ifndef FRZ_ICEBERG_COMPACT_SORT_H
#define FRZ_ICEBERG_COMPACT_SORT_H

#include "arrow/column.h"
#include "iceberg/write/sort_plan.h"

typedef struct frz_row_sorter {
  const frz_alloc *alloc;
  frz_arena arena;
  frz_sort_plan plan;
  const frz_arrow_field *fields; /* of the rows: the schema's, perhaps others behind them */
  size_t n_fields;
  frz_batch rows;
  size_t held_bytes; /* about */
} frz_row_sorter;

/**
 * All arguments are borrowed. FRZ_ERR_UNSUPPORTED: an order that rows cannot
 * be sorted by.
 */
frz_status frz_row_sorter_init(frz_row_sorter *sorter, const frz_alloc *alloc,
                               const frz_schema *schema, const frz_sort_order *order,
                               const frz_arrow_field *fields, size_t n_fields,
                               frz_error *err) FRZ_MUST_CHECK;
void frz_row_sorter_dispose(frz_row_sorter *sorter);

/** Take a batch's rows. */
frz_status frz_row_sorter_add(frz_row_sorter *sorter, const frz_batch *batch,
                              frz_error *err) FRZ_MUST_CHECK;

/** Hand on all rows in order, in batches, and forget them. The batch is borrowed. */
frz_status frz_row_sorter_drain(frz_row_sorter *sorter,
                                frz_status (*take)(void *arg, const frz_batch *batch,
                                                   frz_error *err),
                                void *arg, frz_error *err) FRZ_MUST_CHECK;

#endif
