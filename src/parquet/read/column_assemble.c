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
#include <string.h>

#include "arrow/column_parts.h"
#include "parquet/format/metadata_parts.h"

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

/* Loops over levels have no branch on them: nulls and list ends come at random. */
static int64_t count_slots(const frz_parquet_shape *shape, const frz_kept_levels *levels)
{
  int64_t n = 0;
  if (levels->rep == NULL) return (int64_t)levels->n;
  for (size_t i = 0; i < levels->n; i++)
    n += (levels->rep[i] <= shape->slot_rep) & (levels->def[i] >= shape->slot_def);
  return n;
}

static int32_t least_level(const uint8_t *levels, size_t n)
{
  uint8_t least = UINT8_MAX;
  for (size_t i = 0; i < n; i++) least = levels[i] < least ? levels[i] : least;
  return least;
}

static frz_status set_validity(const frz_parquet_shape *shape, const frz_kept_levels *levels,
                               frz_column *column, int64_t n_slots, frz_error *err)
{
  int64_t n_present = 0;
  if (shape->present_def <= shape->slot_def) return FRZ_OK;
  if (least_level(levels->def, levels->n) >= shape->present_def) return FRZ_OK;
  FRZ_TRY(frz_column_need_validity(column, n_slots, err));
  uint8_t *bits = column->validity.data;
  int64_t slot = 0;
  for (size_t i = 0; slot < n_slots; i++) {
    unsigned is_slot = levels->def[i] >= shape->slot_def;
    if (levels->rep != NULL) is_slot &= levels->rep[i] <= shape->slot_rep;
    unsigned present = is_slot & (levels->def[i] >= shape->present_def);
    bits[slot >> 3] = (uint8_t)(bits[slot >> 3] | present << (slot & 7));
    slot += is_slot;
    n_present += present;
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

/* Do two leaves below a struct inside of a list tell the same about it and all above it? */
static bool levels_agree(const frz_parquet_shape *shape, const frz_kept_levels *a,
                         const frz_kept_levels *b)
{
  if (a->n == b->n &&
      (a->n == 0 || (memcmp(a->rep, b->rep, a->n) == 0 && memcmp(a->def, b->def, a->n) == 0)))
    return true;
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
    n_rows = count_slots(shape, &levels);
    FRZ_TRY(set_validity(shape, &levels, column, n_rows, err));
  }
  if (shape->slot_rep > 0) FRZ_TRY(check_siblings(shape, levels_of, ctx, err));
  for (size_t i = 0; i < column->n_children; i++)
    if (column->children[i].n_rows != n_rows)
      return fail_rows(&shape->children[i], column->children[i].n_rows, n_rows, err);
  column->n_rows = n_rows;
  return FRZ_OK;
}

/* Every entry is an item, so a list ends where the next starts. `offsets` has one more than there
 * are lists. */
static void full_lists(const uint8_t *rep, size_t n, int32_t *offsets)
{
  int64_t slot = 0;
  for (size_t i = 0; i < n; i++) {
    offsets[slot] = (int32_t)i;
    slot += rep[i] == 0;
  }
  offsets[slot] = (int32_t)n;
}

static frz_status any_lists(const frz_parquet_shape *shape, const frz_kept_levels *levels,
                            int32_t *ends, int64_t *n_items_out, frz_error *err)
{
  int64_t slot = -1;
  int64_t n_items = 0;
  bool is_open = false; /* the newest slot has an item, which others may follow */
  for (size_t i = 0; i < levels->n; i++) {
    bool is_item = levels->def[i] >= shape->item_def;
    if (levels->rep[i] <= shape->slot_rep) {
      is_open = is_item;
      if (levels->def[i] >= shape->slot_def) ends[++slot] = (int32_t)n_items;
    } else if (levels->rep[i] > shape->item_rep) {
      continue; /* deeper: the same item goes on */
    } else if (!is_item || !is_open) {
      return fail_levels(shape, i, err);
    }
    if (!is_item) continue;
    ends[slot] = (int32_t)++n_items;
  }
  *n_items_out = n_items;
  return FRZ_OK;
}

static frz_status assemble_list(const frz_parquet_shape *shape, int32_t max_rep, frz_column *column,
                                const frz_kept_levels *levels, frz_error *err)
{
  int64_t n_rows = count_slots(shape, levels);
  int64_t n_items = (int64_t)levels->n;
  int32_t *ends = NULL;
  assert(levels->rep != NULL || levels->n == 0);
  FRZ_TRY(frz_column_check_rows(column, n_rows, err));
  if (levels->n > INT32_MAX) return fail_rows(shape, (int64_t)levels->n, INT32_MAX, err);
  FRZ_TRY(set_validity(shape, levels, column, n_rows, err));
  FRZ_TRY(frz_column_add_offsets(column, n_rows, &ends, err));
  if (max_rep == 1 && least_level(levels->def, levels->n) >= shape->item_def)
    full_lists(levels->rep, levels->n, ends - 1);
  else
    FRZ_TRY(any_lists(shape, levels, ends, &n_items, err));
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
  if (shape->kind == FRZ_SHAPE_STRUCT) return assemble_struct(shape, column, levels_of, ctx, err);
  const frz_parquet_node *leaf = first_leaf(shape);
  frz_kept_levels levels = levels_of(ctx, leaf->leaf_index);
  return assemble_list(shape, leaf->max_repetition_level, column, &levels, err);
}
