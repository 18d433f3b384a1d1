/*
 * compact_sort.c - see compact_sort.h.
 *
 * Rows are kept as one batch. A sort key is a column of the batch itself where the order names it
 * as it is, else a column that is made of the transformed values. Sorting orders row numbers; rows
 * are copied once, as they are handed on.
 */
#include "iceberg/maintain/compact_sort.h"

#define PLAN_BYTES ((size_t)64 << 20)
enum { BATCH_ROWS = 65536 };

static size_t column_bytes(const frz_column *column)
{
  size_t bytes = column->validity.capacity + column->offsets.capacity + column->values.capacity;
  for (size_t i = 0; i < column->n_children; i++) bytes += column_bytes(&column->children[i]);
  return bytes;
}

frz_status frz_row_sorter_init(frz_row_sorter *sorter, const frz_alloc *alloc,
                               const frz_schema *schema, const frz_sort_order *order,
                               const frz_arrow_field *fields, size_t n_fields, frz_error *err)
{
  *sorter = (frz_row_sorter){.alloc = alloc, .fields = fields, .n_fields = n_fields};
  frz_arena_init(&sorter->arena, alloc, PLAN_BYTES);
  FRZ_TRY(frz_sort_plan_init(&sorter->plan, alloc, &sorter->arena, schema, order, false, err));
  if (sorter->plan.n_parts == 0)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "sort order: a transform or column that rows cannot be sorted by");
  return frz_batch_init(&sorter->rows, fields, n_fields, alloc, err);
}

void frz_row_sorter_dispose(frz_row_sorter *sorter)
{
  if (sorter->alloc == NULL) return;
  frz_batch_dispose(&sorter->rows);
  frz_arena_free(&sorter->arena);
  *sorter = (frz_row_sorter){0};
}

frz_status frz_row_sorter_add(frz_row_sorter *sorter, const frz_batch *batch, frz_error *err)
{
  size_t bytes = 0;
  for (size_t i = 0; i < batch->n_columns; i++) {
    FRZ_TRY(frz_column_append_rows(&sorter->rows.columns[i], &batch->columns[i], 0, batch->n_rows,
                                   err));
    bytes += column_bytes(&sorter->rows.columns[i]);
  }
  sorter->rows.n_rows += batch->n_rows;
  sorter->held_bytes = bytes;
  return FRZ_OK;
}

static frz_status order_rows(const frz_row_sorter *sorter, frz_buf *rows, frz_error *err)
{
  frz_sort_keys keys = {0};
  int64_t n_rows = sorter->rows.n_rows;
  frz_status st = frz_sort_keys_make(&sorter->plan, sorter->rows.columns, n_rows, &keys, err);
  if (st == FRZ_OK) st = frz_sort_rows(keys.keys, keys.n_keys, n_rows, rows, err);
  frz_sort_keys_dispose(&keys);
  return st;
}

/* ---- handing on ---- */

static frz_status take_rows(const frz_row_sorter *sorter, const int64_t *rows, int64_t n,
                            frz_batch *batch, frz_error *err)
{
  for (size_t i = 0; i < sorter->n_fields; i++)
    FRZ_TRY(frz_column_append_take(&batch->columns[i], &sorter->rows.columns[i], rows, n, err));
  batch->n_rows = n;
  return FRZ_OK;
}

frz_status frz_row_sorter_drain(frz_row_sorter *sorter,
                                frz_status (*take)(void *arg, const frz_batch *batch,
                                                   frz_error *err),
                                void *arg, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf order;
  frz_buf_init(&order, sorter->alloc, SIZE_MAX / 2);
  FRZ_TRY_OUT(order_rows(sorter, &order, err));
  const int64_t *rows = (const int64_t *)(const void *)order.data;
  for (int64_t first = 0; first < sorter->rows.n_rows; first += BATCH_ROWS) {
    int64_t n = sorter->rows.n_rows - first;
    frz_batch batch;
    if (n > BATCH_ROWS) n = BATCH_ROWS;
    FRZ_TRY_OUT(frz_batch_init(&batch, sorter->fields, sorter->n_fields, sorter->alloc, err));
    st = take_rows(sorter, rows + first, n, &batch, err);
    if (st == FRZ_OK) st = take(arg, &batch, err);
    frz_batch_dispose(&batch);
    if (st != FRZ_OK) goto out;
  }
  frz_batch_dispose(&sorter->rows);
  sorter->held_bytes = 0;
  FRZ_TRY_OUT(frz_batch_init(&sorter->rows, sorter->fields, sorter->n_fields, sorter->alloc, err));
out:
  frz_buf_dispose(&order);
  return st;
}
