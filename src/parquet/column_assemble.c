/*
 * column_assemble.c - validity and offsets of nested columns from the levels of one leaf below.
 *
 * Every leaf below a struct or list repeats the levels of what is above it, so one leaf's are
 * enough; that the others agree is checked by the number of their slots. One pass over the levels
 * for each node, from the leaves up.
 *
 * Source: the record shredding of Dremel, as apache/parquet-format's README describes it.
 */
#include "parquet/column_assemble.h"

#include <assert.h>

#include "arrow/column_parts.h"
#include "parquet/metadata_parts.h"

bool frz_shape_needs_levels(const frz_parquet_shape *shape)
{
  if (shape->kind == FRZ_SHAPE_LIST) return true;
  return shape->kind == FRZ_SHAPE_STRUCT && shape->present_def > shape->slot_def;
}

const frz_parquet_node *frz_shape_first_leaf(const frz_parquet_shape *shape)
{
  while (shape->kind != FRZ_SHAPE_LEAF) shape = &shape->children[0];
  return shape->node;
}

static bool has_slot(const frz_parquet_shape *shape, const frz_kept_levels *levels, size_t i)
{
  int32_t rep = levels->rep != NULL ? levels->rep[i] : 0;
  return rep <= shape->slot_rep && levels->def[i] >= shape->slot_def;
}

static int64_t count_slots(const frz_parquet_shape *shape, const frz_kept_levels *levels)
{
  int64_t n = 0;
  for (size_t i = 0; i < levels->n; i++) n += has_slot(shape, levels, i);
  return n;
}

static frz_status set_validity(const frz_parquet_shape *shape, const frz_kept_levels *levels,
                               frz_column *column, int64_t n_slots, frz_error *err)
{
  int64_t n_present = 0;
  if (shape->present_def <= shape->slot_def) return FRZ_OK;
  FRZ_TRY(frz_column_need_validity(column, n_slots, err));
  int64_t slot = 0;
  for (size_t i = 0; i < levels->n; i++) {
    if (!has_slot(shape, levels, i)) continue;
    if (levels->def[i] >= shape->present_def) {
      frz_bit_set(column->validity.data, slot);
      n_present++;
    }
    slot++;
  }
  column->n_nulls = n_slots - n_present;
  if (column->n_nulls == 0) column->validity.size = 0;
  return FRZ_OK;
}

static frz_status fail_rows(const frz_parquet_shape *shape, int64_t rows, int64_t wanted,
                            frz_error *err)
{
  char path[FRZ_PARQUET_PATH_BYTES];
  frz_parquet_node_path(shape->node, path);
  return frz_fail(err, FRZ_ERR_CORRUPT, "column '%s' has %lld values where %lld belong", path,
                  (long long)rows, (long long)wanted);
}

static frz_status assemble_struct(const frz_parquet_shape *shape, frz_column *column,
                                  const frz_kept_levels *levels, frz_error *err)
{
  int64_t n_rows = column->children[0].n_rows;
  if (frz_shape_needs_levels(shape)) {
    n_rows = count_slots(shape, levels);
    FRZ_TRY(set_validity(shape, levels, column, n_rows, err));
  }
  for (size_t i = 0; i < column->n_children; i++)
    if (column->children[i].n_rows != n_rows)
      return fail_rows(&shape->children[i], column->children[i].n_rows, n_rows, err);
  column->n_rows = n_rows;
  return FRZ_OK;
}

static frz_status assemble_list(const frz_parquet_shape *shape, frz_column *column,
                                const frz_kept_levels *levels, frz_error *err)
{
  int64_t n_rows = count_slots(shape, levels);
  int32_t *ends = NULL;
  FRZ_TRY(frz_column_check_rows(column, n_rows, err));
  FRZ_TRY(set_validity(shape, levels, column, n_rows, err));
  FRZ_TRY(frz_column_add_offsets(column, n_rows, &ends, err));
  int64_t slot = -1;
  int64_t n_items = 0;
  for (size_t i = 0; i < levels->n; i++) {
    if (has_slot(shape, levels, i)) {
      slot++;
      ends[slot] = (int32_t)n_items;
    }
    int32_t rep = levels->rep != NULL ? levels->rep[i] : 0;
    if (rep > shape->item_rep || levels->def[i] < shape->item_def) continue;
    if (slot < 0 || n_items == INT32_MAX) return fail_rows(shape, n_items, 0, err);
    ends[slot] = (int32_t)++n_items;
  }
  column->n_rows = n_rows;
  if (column->children[0].n_rows != n_items)
    return fail_rows(&shape->children[0], column->children[0].n_rows, n_items, err);
  return FRZ_OK;
}

frz_status frz_column_assemble(const frz_parquet_shape *shape, frz_column *column,
                               frz_levels_of levels_of, void *ctx, frz_error *err)
{
  if (shape->kind == FRZ_SHAPE_LEAF) return FRZ_OK;
  assert(column->n_children == shape->n_children && column->n_rows == 0);
  for (size_t i = 0; i < shape->n_children; i++)
    FRZ_TRY(frz_column_assemble(&shape->children[i], &column->children[i], levels_of, ctx, err));
  frz_kept_levels levels = {NULL, NULL, 0};
  if (frz_shape_needs_levels(shape))
    levels = levels_of(ctx, frz_shape_first_leaf(shape)->leaf_index);
  if (shape->kind == FRZ_SHAPE_STRUCT) return assemble_struct(shape, column, &levels, err);
  return assemble_list(shape, column, &levels, err);
}
