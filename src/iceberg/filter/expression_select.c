/*
 * expression_select.c - which rows of a batch a filter keeps.
 *
 * Rows are taken in blocks that stay in the first-level cache. Each block has a mask, one byte a
 * row, that starts as ones; a predicate clears the rows for which it is not true, so AND is one
 * predicate after the other, and OR works on a copy of the rows that its left side left over. Null
 * is not true: three-valued logic needs no third value, because filters hold no NOT.
 *
 * The loops are written per type and comparison, over raw values, so that the compiler can make
 * vectors of them; values under nulls are zero, and the validity bits clear those rows at the end.
 */
#include "iceberg/filter/expression_tree.h"

enum { BLOCK_ROWS = 2048 };

typedef struct selection {
  const frz_column *(*column_of)(void *arg, int32_t field_id);
  void *arg;
  int64_t first; /* row of the block's first */
  size_t n;
  frz_error *err;
} selection;

/* ---- fixed width ---- */

#define LOOP(condition) \
  for (size_t i = 0; i < n; i++) mask[i] = (uint8_t)(mask[i] & (condition))

/* For types whose values have a total order. */
#define COMPARE_LOOPS(name, type)                                                               \
  static void compare_##name(frz_predicate predicate, const type *values, type value, size_t n, \
                             uint8_t *mask)                                                     \
  {                                                                                             \
    switch (predicate) {                                                                        \
    case FRZ_PREDICATE_EQ: LOOP(values[i] == value); break;                                     \
    case FRZ_PREDICATE_NE: LOOP(values[i] != value); break;                                     \
    case FRZ_PREDICATE_LT: LOOP(values[i] < value); break;                                      \
    case FRZ_PREDICATE_LE: LOOP(values[i] <= value); break;                                     \
    case FRZ_PREDICATE_GT: LOOP(values[i] > value); break;                                      \
    default: LOOP(values[i] >= value); break;                                                   \
    }                                                                                           \
  }

/* For floats: literals are never NaN, and a NaN is greater than any of them. */
#define COMPARE_FLOATS(name, type)                                                              \
  static void compare_##name(frz_predicate predicate, const type *values, type value, size_t n, \
                             uint8_t *mask)                                                     \
  {                                                                                             \
    switch (predicate) {                                                                        \
    case FRZ_PREDICATE_EQ: LOOP(values[i] == value); break;                                     \
    case FRZ_PREDICATE_NE: LOOP(!(values[i] == value)); break;                                  \
    case FRZ_PREDICATE_LT: LOOP(values[i] < value); break;                                      \
    case FRZ_PREDICATE_LE: LOOP(values[i] <= value); break;                                     \
    case FRZ_PREDICATE_GT: LOOP(!(values[i] <= value)); break;                                  \
    default: LOOP(!(values[i] < value)); break;                                                 \
    }                                                                                           \
  }

COMPARE_LOOPS(i32, int32_t)
COMPARE_LOOPS(i64, int64_t)
COMPARE_LOOPS(decimal, frz_int128)
COMPARE_FLOATS(f32, float)
COMPARE_FLOATS(f64, double)

/* Membership by binary search in the sorted literals; few are compared one by one. */
#define IN_LOOPS(name, type, member)                                                             \
  static bool is_in_##name(type value, const frz_literal *list, size_t n_list)                   \
  {                                                                                              \
    size_t first = 0, end = n_list;                                                              \
    while (first < end) {                                                                        \
      size_t middle = first + (end - first) / 2;                                                 \
      if (list[middle].as.member < value)                                                        \
        first = middle + 1;                                                                      \
      else                                                                                       \
        end = middle;                                                                            \
    }                                                                                            \
    return first < n_list && list[first].as.member == value;                                     \
  }                                                                                              \
  static void in_##name(const type *values, const frz_literal *list, size_t n_list, bool wanted, \
                        size_t n, uint8_t *mask)                                                 \
  {                                                                                              \
    for (size_t i = 0; i < n; i++)                                                               \
      if (mask[i] != 0) mask[i] = is_in_##name(values[i], list, n_list) == wanted;               \
  }

IN_LOOPS(i32, int32_t, i32)
IN_LOOPS(i64, int64_t, i64)
IN_LOOPS(decimal, frz_int128, decimal)
IN_LOOPS(f32, float, f32)
IN_LOOPS(f64, double, f64)

static void select_bools(const frz_expr *expr, const frz_column *column, const selection *s,
                         uint8_t *mask)
{
  const uint8_t *bits = column->values.data;
  uint8_t keeps[2] = {0, 0}; /* the predicate's answer for false and for true */
  for (int b = 0; b < 2; b++) {
    int order = expr->n_literals != 0 ? b - (int)expr->literals[0].as.boolean : 0;
    bool found = false;
    for (size_t i = 0; i < expr->n_literals; i++)
      found = found || expr->literals[i].as.boolean == (b == 1);
    switch (expr->predicate) {
    case FRZ_PREDICATE_EQ:
    case FRZ_PREDICATE_IN: keeps[b] = found; break;
    case FRZ_PREDICATE_NE:
    case FRZ_PREDICATE_NOT_IN: keeps[b] = !found; break;
    case FRZ_PREDICATE_LT: keeps[b] = order < 0; break;
    case FRZ_PREDICATE_LE: keeps[b] = order <= 0; break;
    case FRZ_PREDICATE_GT: keeps[b] = order > 0; break;
    default: keeps[b] = order >= 0; break;
    }
  }
  for (size_t i = 0; i < s->n; i++)
    mask[i] = (uint8_t)(mask[i] & keeps[frz_bit_get(bits, s->first + (int64_t)i)]);
}

/* ---- bytes ---- */

typedef struct bytes_view {
  const char *bytes;
  const int32_t *offsets; /* NULL: `width` bytes a row */
  size_t width;
} bytes_view;

static bytes_view view_of(const frz_column *column)
{
  bytes_view view = {.bytes = column->values.data != NULL ? (const char *)column->values.data : ""};
  if (column->type.kind == FRZ_ARROW_FIXED)
    view.width = (size_t)column->type.byte_width;
  else
    view.offsets = (const int32_t *)(const void *)column->offsets.data;
  return view;
}

static inline frz_str bytes_at(const bytes_view *view, size_t row)
{
  if (view->offsets == NULL) return (frz_str){view->bytes + row * view->width, view->width};
  size_t start = (size_t)view->offsets[row];
  return (frz_str){view->bytes + start, (size_t)view->offsets[row + 1] - start};
}

static bool is_in_bytes(frz_str value, const frz_literal *list, size_t n_list)
{
  size_t first = 0, end = n_list;
  while (first < end) {
    size_t middle = first + (end - first) / 2;
    if (frz_str_compare(list[middle].as.bytes, value) < 0)
      first = middle + 1;
    else
      end = middle;
  }
  return first < n_list && frz_str_equal(list[first].as.bytes, value);
}

static inline bool starts_with(frz_str value, frz_str prefix)
{
  return value.size >= prefix.size &&
         (prefix.size == 0 || memcmp(value.data, prefix.data, prefix.size) == 0);
}

#define BYTES_LOOP(condition)                              \
  for (size_t i = 0; i < s->n; i++) {                      \
    if (mask[i] == 0) continue;                            \
    frz_str value = bytes_at(&view, (size_t)s->first + i); \
    mask[i] = (uint8_t)(condition);                        \
  }

static void select_bytes(const frz_expr *expr, const frz_column *column, const selection *s,
                         uint8_t *mask)
{
  bytes_view view = view_of(column);
  const frz_literal *list = expr->literals;
  size_t n_list = expr->n_literals;
  frz_str literal = n_list != 0 ? list[0].as.bytes : (frz_str){0};
  switch (expr->predicate) {
  case FRZ_PREDICATE_EQ: BYTES_LOOP(frz_str_equal(value, literal)) break;
  case FRZ_PREDICATE_NE: BYTES_LOOP(!frz_str_equal(value, literal)) break;
  case FRZ_PREDICATE_LT: BYTES_LOOP(frz_str_compare(value, literal) < 0) break;
  case FRZ_PREDICATE_LE: BYTES_LOOP(frz_str_compare(value, literal) <= 0) break;
  case FRZ_PREDICATE_GT: BYTES_LOOP(frz_str_compare(value, literal) > 0) break;
  case FRZ_PREDICATE_GE: BYTES_LOOP(frz_str_compare(value, literal) >= 0) break;
  case FRZ_PREDICATE_IN: BYTES_LOOP(is_in_bytes(value, list, n_list)) break;
  case FRZ_PREDICATE_NOT_IN: BYTES_LOOP(!is_in_bytes(value, list, n_list)) break;
  case FRZ_PREDICATE_STARTS_WITH: BYTES_LOOP(starts_with(value, literal)) break;
  default: BYTES_LOOP(!starts_with(value, literal)) break;
  }
}

/* ---- nulls and NaNs ---- */

static void keep_valid(const frz_column *column, const selection *s, bool wanted, uint8_t *mask)
{
  if (column->type.kind == FRZ_ARROW_NULL || column->n_nulls == 0) {
    bool is_valid = column->type.kind != FRZ_ARROW_NULL;
    if (is_valid != wanted) memset(mask, 0, s->n);
    return;
  }
  const uint8_t *bits = column->validity.data;
  for (size_t i = 0; i < s->n; i++)
    mask[i] = (uint8_t)(mask[i] & (frz_bit_get(bits, s->first + (int64_t)i) == wanted));
}

/* A null is not NaN; the value under it is zero, which is not either. */
static void keep_nans(const frz_column *column, const selection *s, bool wanted, uint8_t *mask)
{
  size_t n = s->n;
  if (column->type.kind == FRZ_ARROW_FLOAT32) {
    const float *values = (const float *)(const void *)column->values.data + s->first;
    LOOP((values[i] != values[i]) == wanted);
  } else {
    const double *values = (const double *)(const void *)column->values.data + s->first;
    LOOP((values[i] != values[i]) == wanted);
  }
}

/* ---- predicates ---- */

#define SELECT_VALUES(name, type, member)                                                         \
  do {                                                                                            \
    const type *values = (const type *)(const void *)column->values.data + s->first;              \
    if (is_list)                                                                                  \
      in_##name(values, list, expr->n_literals, expr->predicate == FRZ_PREDICATE_IN, s->n, mask); \
    else                                                                                          \
      compare_##name(expr->predicate, values, list[0].as.member, s->n, mask);                     \
  } while (0)

static frz_status wrong_column(const frz_expr *expr, const selection *s)
{
  return frz_fail(s->err, FRZ_ERR_INVALID, "filter: the values of column '%.*s' are not of type %s",
                  FRZ_STR_ARG(expr->field->name), frz_type_kind_name(expr->field->type.kind));
}

static frz_status select_values(const frz_expr *expr, const frz_column *column, const selection *s,
                                uint8_t *mask)
{
  const frz_literal *list = expr->literals;
  bool is_list = expr->predicate == FRZ_PREDICATE_IN || expr->predicate == FRZ_PREDICATE_NOT_IN;
  switch (column->type.kind) {
  case FRZ_ARROW_BOOL: select_bools(expr, column, s, mask); break;
  case FRZ_ARROW_INT32:
  case FRZ_ARROW_DATE32: SELECT_VALUES(i32, int32_t, i32); break;
  case FRZ_ARROW_INT64:
  case FRZ_ARROW_TIME64:
  case FRZ_ARROW_TIMESTAMP: SELECT_VALUES(i64, int64_t, i64); break;
  case FRZ_ARROW_FLOAT32: SELECT_VALUES(f32, float, f32); break;
  case FRZ_ARROW_FLOAT64: SELECT_VALUES(f64, double, f64); break;
  case FRZ_ARROW_DECIMAL128: SELECT_VALUES(decimal, frz_int128, decimal); break;
  case FRZ_ARROW_FIXED:
  case FRZ_ARROW_STRING:
  case FRZ_ARROW_BINARY: select_bytes(expr, column, s, mask); break;
  default: return wrong_column(expr, s);
  }
  return FRZ_OK;
}

/* The Arrow layout that each Iceberg type has; a mismatch would read the wrong bytes. */
static bool has_layout(const frz_type *type, const frz_column *column)
{
  static const frz_arrow_kind kinds[] = {
      [FRZ_TYPE_BOOLEAN] = FRZ_ARROW_BOOL,
      [FRZ_TYPE_INT] = FRZ_ARROW_INT32,
      [FRZ_TYPE_LONG] = FRZ_ARROW_INT64,
      [FRZ_TYPE_FLOAT] = FRZ_ARROW_FLOAT32,
      [FRZ_TYPE_DOUBLE] = FRZ_ARROW_FLOAT64,
      [FRZ_TYPE_DECIMAL] = FRZ_ARROW_DECIMAL128,
      [FRZ_TYPE_DATE] = FRZ_ARROW_DATE32,
      [FRZ_TYPE_TIME] = FRZ_ARROW_TIME64,
      [FRZ_TYPE_TIMESTAMP] = FRZ_ARROW_TIMESTAMP,
      [FRZ_TYPE_TIMESTAMPTZ] = FRZ_ARROW_TIMESTAMP,
      [FRZ_TYPE_TIMESTAMP_NS] = FRZ_ARROW_TIMESTAMP,
      [FRZ_TYPE_TIMESTAMPTZ_NS] = FRZ_ARROW_TIMESTAMP,
      [FRZ_TYPE_STRING] = FRZ_ARROW_STRING,
      [FRZ_TYPE_UUID] = FRZ_ARROW_FIXED,
      [FRZ_TYPE_FIXED] = FRZ_ARROW_FIXED,
      [FRZ_TYPE_BINARY] = FRZ_ARROW_BINARY,
      [FRZ_TYPE_UNKNOWN] = FRZ_ARROW_NULL,
  };
  return type->kind <= FRZ_TYPE_UNKNOWN && kinds[type->kind] == column->type.kind;
}

static frz_status select_predicate(const frz_expr *expr, const selection *s, uint8_t *mask)
{
  const frz_column *column = s->column_of(s->arg, expr->field->id);
  if (column == NULL || column->n_rows < s->first + (int64_t)s->n)
    return frz_fail(s->err, FRZ_ERR_INVALID, "filter: column '%.*s' was not read",
                    FRZ_STR_ARG(expr->field->name));
  if (expr->predicate == FRZ_PREDICATE_IS_NULL || expr->predicate == FRZ_PREDICATE_NOT_NULL) {
    keep_valid(column, s, expr->predicate == FRZ_PREDICATE_NOT_NULL, mask);
    return FRZ_OK;
  }
  if (!has_layout(&expr->field->type, column)) return wrong_column(expr, s);
  if (expr->predicate == FRZ_PREDICATE_IS_NAN || expr->predicate == FRZ_PREDICATE_NOT_NAN) {
    keep_nans(column, s, expr->predicate == FRZ_PREDICATE_IS_NAN, mask);
    return FRZ_OK;
  }
  keep_valid(column, s, true, mask);
  if (column->type.kind == FRZ_ARROW_NULL) return FRZ_OK;
  return select_values(expr, column, s, mask);
}

/* `spare` has a block for each OR that may be open at once below here. */
static frz_status select_block(const frz_expr *expr, const selection *s, uint8_t *mask,
                               uint8_t *spare)
{
  switch (expr->kind) {
  case FRZ_EXPR_TRUE: return FRZ_OK;
  case FRZ_EXPR_FALSE: memset(mask, 0, s->n); return FRZ_OK;
  case FRZ_EXPR_PREDICATE: return select_predicate(expr, s, mask);
  case FRZ_EXPR_AND:
    FRZ_TRY(select_block(expr->left, s, mask, spare));
    return select_block(expr->right, s, mask, spare);
  case FRZ_EXPR_OR: break;
  }
  uint8_t *others = spare;
  memcpy(others, mask, s->n);
  FRZ_TRY(select_block(expr->left, s, mask, spare + BLOCK_ROWS));
  for (size_t i = 0; i < s->n; i++) others[i] = (uint8_t)(others[i] & (mask[i] ^ 1));
  FRZ_TRY(select_block(expr->right, s, others, spare + BLOCK_ROWS));
  for (size_t i = 0; i < s->n; i++) mask[i] |= others[i];
  return FRZ_OK;
}

static size_t count_open_ors(const frz_expr *expr)
{
  if (expr->kind != FRZ_EXPR_AND && expr->kind != FRZ_EXPR_OR) return 0;
  size_t left = count_open_ors(expr->left), right = count_open_ors(expr->right);
  return (left > right ? left : right) + (expr->kind == FRZ_EXPR_OR);
}

frz_status frz_expr_select(const frz_expr *expr, const frz_schema *schema,
                           const frz_column *(*column_of)(void *arg, int32_t field_id), void *arg,
                           int64_t n_rows, int64_t *rows_out, int64_t *n_rows_out,
                           const frz_alloc *alloc, frz_error *err)
{
  (void)schema; /* bound already */
  frz_status st = FRZ_OK;
  int64_t n_selected = 0;
  if (expr == NULL) expr = &frz_expr_always;
  size_t scratch_bytes = (1 + count_open_ors(expr)) * BLOCK_ROWS;
  uint8_t *mask = frz_alloc_new(alloc, scratch_bytes);
  if (mask == NULL) return frz_fail_nomem(err, "filter");
  selection s = {.column_of = column_of, .arg = arg, .err = err};
  for (; s.first < n_rows; s.first += BLOCK_ROWS) {
    s.n = n_rows - s.first < BLOCK_ROWS ? (size_t)(n_rows - s.first) : BLOCK_ROWS;
    memset(mask, 1, s.n);
    FRZ_TRY_OUT(select_block(expr, &s, mask, mask + BLOCK_ROWS));
    for (size_t i = 0; i < s.n; i++) { /* no branch: the place is always there */
      rows_out[n_selected] = s.first + (int64_t)i;
      n_selected += mask[i];
    }
  }
  *n_rows_out = n_selected;
out:
  frz_alloc_free(alloc, mask, scratch_bytes);
  return st;
}
