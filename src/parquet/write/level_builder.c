/*
 * level_builder.c - see level_builder.h.
 *
 * A column that is neither nested nor null takes no work at all. Otherwise each entry starts as a
 * row of the top-level column and goes down step by step: a null or an empty list ends it (its row
 * becomes -1, its definition level stays), a list multiplies it, with the list's repetition level
 * on every element but the first. The rows that are left at the leaf are its values.
 *
 * Source: parquet-format README, "Nested Encoding".
 */
#include "parquet/write/level_builder.h"

#include <assert.h>

void frz_level_builder_init(frz_level_builder *builder, const frz_leaf_plan *plan,
                            const frz_alloc *alloc)
{
  *builder = (frz_level_builder){.plan = plan};
  frz_buf *bufs[] = {&builder->def,       &builder->def_spare, &builder->rep,
                     &builder->rep_spare, &builder->rows,      &builder->rows_spare};
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
    frz_buf_init(bufs[i], alloc, SIZE_MAX / 4);
}

void frz_level_builder_dispose(frz_level_builder *builder)
{
  frz_buf_dispose(&builder->def);
  frz_buf_dispose(&builder->def_spare);
  frz_buf_dispose(&builder->rep);
  frz_buf_dispose(&builder->rep_spare);
  frz_buf_dispose(&builder->rows);
  frz_buf_dispose(&builder->rows_spare);
}

static uint32_t *u32_of(frz_buf *buf)
{
  return (uint32_t *)(void *)buf->data;
}

static int64_t *i64_of(frz_buf *buf)
{
  return (int64_t *)(void *)buf->data;
}

static const int32_t *offsets_of(const frz_column *column)
{
  return (const int32_t *)(const void *)column->offsets.data;
}

static const frz_column *next_column(const frz_leaf_step *step, const frz_column *column)
{
  size_t child = step->kind == FRZ_STEP_STRUCT ? step->child : 0;
  assert(child < column->n_children);
  return &column->children[child];
}

static frz_status fail_null(const frz_level_builder *builder, size_t depth, int64_t row,
                            frz_error *err)
{
  const frz_leaf_plan *plan = builder->plan;
  return frz_fail(err, FRZ_ERR_INVALID,
                  "column '%.*s': row %lld of the batch: '%.*s' is required, "
                  "and null",
                  FRZ_STR_ARG(plan->dotted_name), (long long)row,
                  FRZ_STR_ARG(plan->steps[depth].name));
}

/* ---- one level, not nested ---- */

/* Levels and rows of a column with nulls; the buffers hold n items each. */
static size_t split_flat(const frz_column *column, int64_t first, int64_t n, uint32_t *def,
                         int64_t *rows)
{
  const uint8_t *bits = column->validity.data;
  size_t n_present = 0;
  for (int64_t i = 0; i < n; i++) {
    uint32_t present = frz_bit_get(bits, first + i);
    def[i] = present;
    rows[n_present] = first + i;
    n_present += present;
  }
  return n_present;
}

static frz_status run_flat(frz_level_builder *builder, const frz_column *column, int64_t first,
                           int64_t n, frz_error *err)
{
  bool is_null = column->type.kind == FRZ_ARROW_NULL;
  builder->leaf = column;
  builder->n_levels = (size_t)n;
  builder->first_row = first;
  builder->rep_levels = NULL;
  builder->def_levels = NULL;
  builder->leaf_rows = NULL;
  builder->n_present = (size_t)n;
  builder->all_present = true;
  if (column->n_nulls == 0 && !is_null) return FRZ_OK;
  FRZ_TRY(frz_buf_resize(&builder->def, (size_t)n * sizeof(uint32_t), err));
  FRZ_TRY(frz_buf_resize(&builder->rows, (size_t)n * sizeof(int64_t), err));
  uint32_t *def = u32_of(&builder->def);
  int64_t *rows = i64_of(&builder->rows);
  size_t n_present = 0;
  if (is_null)
    memset(def, 0, (size_t)n * sizeof *def);
  else
    n_present = split_flat(column, first, n, def, rows);
  if (n_present == (size_t)n) return FRZ_OK;
  if (!builder->plan->steps[0].nullable) {
    size_t at = 0;
    while (def[at] != 0) at++;
    return fail_null(builder, 0, first + (int64_t)at, err);
  }
  builder->n_present = n_present;
  builder->all_present = false;
  builder->def_levels = def;
  builder->leaf_rows = rows;
  return FRZ_OK;
}

/* ---- nested ---- */

static frz_status start_entries(frz_level_builder *builder, int64_t first, int64_t n,
                                frz_error *err)
{
  FRZ_TRY(frz_buf_resize(&builder->def, (size_t)n * sizeof(uint32_t), err));
  FRZ_TRY(frz_buf_resize(&builder->rep, (size_t)n * sizeof(uint32_t), err));
  FRZ_TRY(frz_buf_resize(&builder->rows, (size_t)n * sizeof(int64_t), err));
  memset(builder->def.data, 0, (size_t)n * sizeof(uint32_t));
  memset(builder->rep.data, 0, (size_t)n * sizeof(uint32_t));
  int64_t *rows = i64_of(&builder->rows);
  for (int64_t i = 0; i < n; i++) rows[i] = first + i;
  builder->n_levels = (size_t)n;
  return FRZ_OK;
}

/* Nulls end here; what is present has the step's level. */
static frz_status pass_nulls(frz_level_builder *builder, size_t depth, const frz_column *column,
                             frz_error *err)
{
  const frz_leaf_step *step = &builder->plan->steps[depth];
  uint32_t *def = u32_of(&builder->def);
  int64_t *rows = i64_of(&builder->rows);
  bool has_nulls = column->n_nulls != 0 || column->type.kind == FRZ_ARROW_NULL;
  for (size_t i = 0; i < builder->n_levels; i++) {
    if (rows[i] < 0) continue;
    if (has_nulls && frz_column_is_null(column, rows[i])) {
      if (!step->nullable) return fail_null(builder, depth, rows[i], err);
      rows[i] = -1;
    } else {
      def[i] = step->present_level;
    }
  }
  return FRZ_OK;
}

static size_t count_expanded(const int64_t *rows, size_t n, const int32_t *offsets)
{
  size_t total = 0;
  for (size_t i = 0; i < n; i++) {
    size_t length = rows[i] < 0 ? 0 : (size_t)(offsets[rows[i] + 1] - offsets[rows[i]]);
    total += length > 1 ? length : 1;
  }
  return total;
}

static void swap_bufs(frz_buf *a, frz_buf *b)
{
  frz_buf held = *a;
  *a = *b;
  *b = held;
}

/* Every present list becomes its elements; an empty one ends. */
static frz_status expand_lists(frz_level_builder *builder, const frz_leaf_step *step,
                               const frz_column *column, frz_error *err)
{
  const int32_t *offsets = offsets_of(column);
  const uint32_t *def = u32_of(&builder->def);
  const uint32_t *rep = u32_of(&builder->rep);
  const int64_t *rows = i64_of(&builder->rows);
  size_t n = builder->n_levels;
  size_t n_after = count_expanded(rows, n, offsets);
  FRZ_TRY(frz_buf_resize(&builder->def_spare, n_after * sizeof(uint32_t), err));
  FRZ_TRY(frz_buf_resize(&builder->rep_spare, n_after * sizeof(uint32_t), err));
  FRZ_TRY(frz_buf_resize(&builder->rows_spare, n_after * sizeof(int64_t), err));
  uint32_t *def_after = u32_of(&builder->def_spare);
  uint32_t *rep_after = u32_of(&builder->rep_spare);
  int64_t *rows_after = i64_of(&builder->rows_spare);
  size_t at = 0;
  for (size_t i = 0; i < n; i++) {
    int64_t from = rows[i] < 0 ? 0 : offsets[rows[i]];
    int64_t to = rows[i] < 0 ? 0 : offsets[rows[i] + 1];
    rep_after[at] = rep[i];
    if (from == to) {
      def_after[at] = def[i];
      rows_after[at++] = -1;
      continue;
    }
    for (int64_t row = from; row < to; row++) {
      if (row != from) rep_after[at] = step->repeat_level;
      def_after[at] = step->present_level + 1u;
      rows_after[at++] = row;
    }
  }
  assert(at == n_after);
  swap_bufs(&builder->def, &builder->def_spare);
  swap_bufs(&builder->rep, &builder->rep_spare);
  swap_bufs(&builder->rows, &builder->rows_spare);
  builder->n_levels = n_after;
  return FRZ_OK;
}

static void finish_entries(frz_level_builder *builder, const frz_column *leaf)
{
  int64_t *rows = i64_of(&builder->rows);
  size_t n_present = 0;
  for (size_t i = 0; i < builder->n_levels; i++)
    if (rows[i] >= 0) rows[n_present++] = rows[i];
  builder->leaf = leaf;
  builder->n_present = n_present;
  builder->all_present = n_present == builder->n_levels;
  builder->def_levels = u32_of(&builder->def);
  builder->rep_levels = builder->plan->in_list ? u32_of(&builder->rep) : NULL;
  builder->leaf_rows = rows;
  builder->first_row = n_present != 0 ? rows[0] : 0;
  /* Rows under one another need no list: the values can be taken as they lie. */
  if (n_present != 0 && rows[n_present - 1] - rows[0] == (int64_t)n_present - 1)
    builder->leaf_rows = NULL;
}

frz_status frz_level_builder_run(frz_level_builder *builder, const frz_column *top, int64_t first,
                                 int64_t n, frz_error *err)
{
  const frz_leaf_plan *plan = builder->plan;
  if (plan->n_steps == 1) return run_flat(builder, top, first, n, err);
  FRZ_TRY(start_entries(builder, first, n, err));
  const frz_column *column = top;
  for (size_t depth = 0; depth < plan->n_steps; depth++) {
    const frz_leaf_step *step = &plan->steps[depth];
    FRZ_TRY(pass_nulls(builder, depth, column, err));
    if (step->kind == FRZ_STEP_LIST) FRZ_TRY(expand_lists(builder, step, column, err));
    if (step->kind != FRZ_STEP_LEAF) column = next_column(step, column);
  }
  finish_entries(builder, column);
  return FRZ_OK;
}

size_t frz_leaf_span_bytes(const frz_leaf_plan *plan, const frz_column *top, int64_t first,
                           int64_t n)
{
  const frz_column *column = top;
  int64_t from = first;
  int64_t to = first + n;
  for (size_t depth = 0; depth + 1 < plan->n_steps; depth++) {
    const frz_leaf_step *step = &plan->steps[depth];
    if (step->kind == FRZ_STEP_LIST) {
      const int32_t *offsets = offsets_of(column);
      if (offsets == NULL) return 0; /* no row was ever appended */
      from = offsets[from];
      to = offsets[to];
    }
    column = next_column(step, column);
  }
  size_t count = (size_t)(to - from);
  if (plan->stored == FRZ_STORED_BYTES) {
    const int32_t *offsets = offsets_of(column);
    if (offsets == NULL) return 0;
    return (size_t)(offsets[to] - offsets[from]) + 4 * count;
  }
  return plan->stored == FRZ_STORED_BOOL ? count / 8 + 1 : count * plan->width;
}
