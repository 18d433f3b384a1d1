/*
 * column_assemble.c - validity and offsets of nested columns from the levels of one leaf below.
 *
 * Every leaf below a struct or list repeats the levels of what is above it, so one leaf's are
 * enough to build it. Inside of lists the others must agree with it, or values would be paired with
 * the wrong neighbours. One pass over the levels for each node, from the leaves up.
 *
 * Source: the record shredding of Dremel, as apache/parquet-format's README describes it.
 */
#include "parquet/read/column_assemble.h"

#include <assert.h>

#include "arrow/column_parts.h"
#include "parquet/format/metadata_parts.h"
#include "parquet/read/level_kernels.h"

enum { LEVELS_A_PIECE = 4096 };

bool frz_shape_needs_levels(const frz_parquet_shape *shape)
{
  if (shape->kind == FRZ_SHAPE_LIST) return true;
  return shape->kind == FRZ_SHAPE_STRUCT && shape->present_def > shape->slot_def;
}

/* The leaf whose levels stand for the shape. */
static const frz_parquet_node *first_leaf(const frz_parquet_shape *shape)
{
  while (shape->kind != FRZ_SHAPE_LEAF) shape = &shape->children[0];
  return shape->node;
}

static frz_level_span span_of(const frz_parquet_shape *shape, const frz_kept_levels *levels)
{
  return (frz_level_span){levels->def,     levels->rep,     levels->n,
                          shape->slot_def, shape->slot_rep, shape->present_def};
}

static frz_status set_validity(const frz_parquet_shape *shape, const frz_kept_levels *levels,
                               frz_column *column, int64_t *n_slots_out, frz_error *err)
{
  frz_level_span span = span_of(shape, levels);
  int64_t n_present = 0;
  frz_level_kernels_best()->count(&span, n_slots_out, &n_present);
  FRZ_TRY(frz_column_check_rows(column, *n_slots_out, err));
  if (shape->present_def <= shape->slot_def || n_present == *n_slots_out) return FRZ_OK;
  FRZ_TRY(frz_column_need_validity(column, *n_slots_out, err));
  frz_level_kernels_best()->slots_to_bits(&span, column->validity.data, 0);
  column->n_nulls = *n_slots_out - n_present;
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

/* An entry that goes on with a list which is null, empty, or not there. */
static frz_status fail_levels(const frz_parquet_shape *shape, size_t entry, frz_error *err)
{
  char path[FRZ_PARQUET_PATH_BYTES];
  frz_parquet_node_path(shape->node, path);
  return frz_fail(err, FRZ_ERR_CORRUPT, "column '%s': level %zu of the batch goes on with no list",
                  path, entry);
}

/* The next entry from `*at` on that starts a slot of the shape or of one above; n at the end. */
static size_t next_entry(const frz_kept_levels *levels, size_t at, int32_t slot_rep)
{
  while (at < levels->n && levels->rep[at] > slot_rep) at++;
  return at;
}

/* Are all entries the same but for what is below the shape? Without a branch, since it is mostly
 * so; false is no answer yet. */
static bool entries_agree(const frz_parquet_shape *shape, const frz_kept_levels *a,
                          const frz_kept_levels *b)
{
  uint8_t slot_rep = (uint8_t)shape->slot_rep;
  uint8_t most = (uint8_t)shape->present_def;
  unsigned differ = a->n != b->n;
  for (size_t i = 0; differ == 0 && i < a->n; i += LEVELS_A_PIECE) {
    size_t end = a->n - i < LEVELS_A_PIECE ? a->n : i + LEVELS_A_PIECE;
    uint8_t found = 0;
    for (size_t k = i; k < end; k++) {
      uint8_t a_def = a->def[k] < most ? a->def[k] : most;
      uint8_t b_def = b->def[k] < most ? b->def[k] : most;
      found = (uint8_t)(found | (a->rep[k] ^ b->rep[k]) | (a_def ^ b_def) | (a->rep[k] > slot_rep));
    }
    differ = found;
  }
  return differ == 0;
}

/* Do two leaves below a struct inside of a list tell the same about it and all above it? */
static bool levels_agree(const frz_parquet_shape *shape, const frz_kept_levels *a,
                         const frz_kept_levels *b)
{
  if (entries_agree(shape, a, b)) return true;
  size_t i = next_entry(a, 0, shape->slot_rep);
  size_t j = next_entry(b, 0, shape->slot_rep);
  while (i < a->n && j < b->n) {
    int32_t a_def = a->def[i] < shape->present_def ? a->def[i] : shape->present_def;
    int32_t b_def = b->def[j] < shape->present_def ? b->def[j] : shape->present_def;
    if (a->rep[i] != b->rep[j] || a_def != b_def) return false;
    i = next_entry(a, i + 1, shape->slot_rep);
    j = next_entry(b, j + 1, shape->slot_rep);
  }
  return i == a->n && j == b->n;
}

static frz_status check_siblings(const frz_parquet_shape *shape, frz_levels_of levels_of, void *ctx,
                                 frz_error *err)
{
  const frz_parquet_node *first = first_leaf(shape);
  frz_kept_levels first_levels = levels_of(ctx, first->leaf_index);
  for (size_t i = 1; i < shape->n_children; i++) {
    const frz_parquet_node *leaf = first_leaf(&shape->children[i]);
    frz_kept_levels levels = levels_of(ctx, leaf->leaf_index);
    if (levels_agree(shape, &first_levels, &levels)) continue;
    char paths[2][FRZ_PARQUET_PATH_BYTES];
    frz_parquet_node_path(first, paths[0]);
    frz_parquet_node_path(leaf, paths[1]);
    return frz_fail(err, FRZ_ERR_CORRUPT, "columns '%s' and '%s' have different lists", paths[0],
                    paths[1]);
  }
  return FRZ_OK;
}

static frz_status assemble_struct(const frz_parquet_shape *shape, frz_column *column,
                                  frz_levels_of levels_of, void *ctx, frz_error *err)
{
  int64_t n_rows = column->children[0].n_rows;
  if (frz_shape_needs_levels(shape)) {
    frz_kept_levels levels = levels_of(ctx, first_leaf(shape)->leaf_index);
    FRZ_TRY(set_validity(shape, &levels, column, &n_rows, err));
  }
  if (shape->slot_rep > 0) FRZ_TRY(check_siblings(shape, levels_of, ctx, err));
  for (size_t i = 0; i < column->n_children; i++)
    if (column->children[i].n_rows != n_rows)
      return fail_rows(&shape->children[i], column->children[i].n_rows, n_rows, err);
  column->n_rows = n_rows;
  return FRZ_OK;
}

static frz_status assemble_list(const frz_parquet_shape *shape, frz_column *column,
                                const frz_kept_levels *levels, frz_error *err)
{
  int64_t n_rows = 0;
  int32_t *ends = NULL;
  size_t bad = 0;
  assert(levels->rep != NULL || levels->n == 0);
  if (levels->n > INT32_MAX) return fail_rows(shape, (int64_t)levels->n, INT32_MAX, err);
  FRZ_TRY(set_validity(shape, levels, column, &n_rows, err));
  FRZ_TRY(frz_column_add_offsets(column, n_rows, &ends, err));
  frz_level_span span = span_of(shape, levels);
  frz_list_levels list = {shape->item_def, shape->item_rep};
  if (!frz_level_kernels_best()->list_offsets(&span, list, ends - 1, &bad))
    return fail_levels(shape, bad, err);
  column->n_rows = n_rows;
  if (column->children[0].n_rows != ends[n_rows - 1])
    return fail_rows(&shape->children[0], column->children[0].n_rows, ends[n_rows - 1], err);
  return FRZ_OK;
}

frz_status frz_column_assemble(const frz_parquet_shape *shape, frz_column *column,
                               frz_levels_of levels_of, void *ctx, frz_error *err)
{
  if (shape->kind == FRZ_SHAPE_LEAF) return FRZ_OK;
  assert(column->n_children == shape->n_children && column->n_rows == 0);
  for (size_t i = 0; i < shape->n_children; i++)
    FRZ_TRY(frz_column_assemble(&shape->children[i], &column->children[i], levels_of, ctx, err));
  if (shape->kind == FRZ_SHAPE_STRUCT) return assemble_struct(shape, column, levels_of, ctx, err);
  const frz_parquet_node *leaf = first_leaf(shape);
  frz_kept_levels levels = levels_of(ctx, leaf->leaf_index);
  return assemble_list(shape, column, &levels, err);
}
