/*
 * column.c - columns that own their values: building row by row, and by runs of rows.
 *
 * Invariants, for every column between calls:
 *   1. validity.size is 0 when n_nulls is 0, else frz_bits_bytes(n_rows);
 *   2. bits past n_rows in validity and in BOOL values are zero;
 *   3. offsets.size is 0 (no rows yet) or 4 * (n_rows + 1), ascending from 0;
 *   4. values under a null are zero or empty.
 * An append that fails cuts the column, and its children, back to the rows it had.
 */
#include "arrow/column.h"

#include <assert.h>
#include <string.h>

#include "arrow/bit_copy.h"
#include "arrow/column_parts.h"
#include "base/limits.h"

frz_status frz_column_init(frz_column *column, const frz_arrow_field *field, const frz_alloc *alloc,
                           frz_error *err)
{
  size_t values_max =
      frz_arrow_type_has_offsets(field->type) ? FRZ_LIMIT_COLUMN_BYTES : (size_t)PTRDIFF_MAX;
  frz_column made = {.type = field->type, .alloc = alloc};
  frz_buf_init(&made.validity, alloc, (size_t)PTRDIFF_MAX);
  frz_buf_init(&made.offsets, alloc, (size_t)PTRDIFF_MAX);
  frz_buf_init(&made.values, alloc, values_max);
  if (field->n_children > 0) {
    made.children = frz_alloc_array(alloc, field->n_children, sizeof *made.children);
    if (made.children == NULL) return frz_fail_nomem(err, "column children");
    memset(made.children, 0, field->n_children * sizeof *made.children);
    made.n_children = field->n_children;
  }
  for (size_t i = 0; i < field->n_children; i++) {
    frz_status st = frz_column_init(&made.children[i], &field->children[i], alloc, err);
    if (st != FRZ_OK) {
      frz_column_dispose(&made);
      return st;
    }
  }
  *column = made;
  return FRZ_OK;
}

void frz_column_dispose(frz_column *column)
{
  for (size_t i = 0; i < column->n_children; i++) frz_column_dispose(&column->children[i]);
  if (column->children != NULL)
    frz_alloc_free(column->alloc, column->children, column->n_children * sizeof *column->children);
  frz_buf_dispose(&column->validity);
  frz_buf_dispose(&column->offsets);
  frz_buf_dispose(&column->values);
  *column = (frz_column){0};
}

/* ---- cutting back ---- */

static void clear_bits_from(frz_buf *bits, int64_t n_bits)
{
  size_t bytes = frz_bits_bytes(n_bits);
  if (bits->size > bytes) bits->size = bytes;
  if (bits->size == bytes && (n_bits & 7) != 0)
    bits->data[bytes - 1] = (uint8_t)(bits->data[bytes - 1] & ((1u << (n_bits & 7)) - 1));
}

static void truncate_validity(frz_column *column, int64_t n_rows)
{
  if (column->type.kind == FRZ_ARROW_NULL) {
    column->n_nulls = n_rows;
    return;
  }
  if (column->n_nulls > 0 && n_rows < column->n_rows) {
    int64_t cut = column->n_rows - n_rows;
    column->n_nulls -= cut - frz_bits_count(column->validity.data, n_rows, cut);
  }
  if (column->n_nulls == 0)
    column->validity.size = 0;
  else
    clear_bits_from(&column->validity, n_rows);
}

void frz_column_truncate(frz_column *column, int64_t n_rows)
{
  assert(n_rows >= 0 && n_rows <= column->n_rows);
  truncate_validity(column, n_rows);
  int64_t child_rows = n_rows;
  if (frz_arrow_type_has_offsets(column->type)) {
    size_t bytes = n_rows == 0 ? 0 : ((size_t)n_rows + 1) * sizeof(int32_t);
    if (column->offsets.size > bytes) column->offsets.size = bytes;
    child_rows = n_rows == 0 ? 0 : frz_column_offsets(column)[n_rows];
    if (column->n_children == 0 && column->values.size > (size_t)child_rows)
      column->values.size = (size_t)child_rows;
  } else if (column->type.kind == FRZ_ARROW_BOOL) {
    clear_bits_from(&column->values, n_rows);
  } else if (column->n_children == 0) {
    size_t bytes = (size_t)n_rows * frz_arrow_value_bytes(column->type);
    if (column->values.size > bytes) column->values.size = bytes;
  }
  for (size_t i = 0; i < column->n_children; i++) {
    frz_column *child = &column->children[i];
    frz_column_truncate(child, child_rows < child->n_rows ? child_rows : child->n_rows);
  }
  column->n_rows = n_rows;
}

/* ---- parts of an append ---- */

frz_status frz_column_add_offsets(frz_column *column, int64_t n, int32_t **at_out, frz_error *err)
{
  uint8_t *at;
  if (column->offsets.size == 0) {
    assert(column->n_rows == 0);
    FRZ_TRY(frz_buf_reserve(&column->offsets, ((size_t)n + 1) * sizeof(int32_t), err));
    FRZ_TRY(frz_buf_extend(&column->offsets, sizeof(int32_t), &at, err));
    memset(at, 0, sizeof(int32_t));
  }
  assert(column->offsets.size == ((size_t)column->n_rows + 1) * sizeof(int32_t));
  FRZ_TRY(frz_buf_extend(&column->offsets, (size_t)n * sizeof(int32_t), &at, err));
  *at_out = (int32_t *)(void *)at;
  return FRZ_OK;
}

frz_status frz_column_need_validity(frz_column *column, int64_t n, frz_error *err)
{
  if (column->validity.size == 0 && column->n_rows > 0) {
    size_t bytes = frz_bits_bytes(column->n_rows);
    FRZ_TRY(frz_buf_reserve(&column->validity, frz_bits_bytes(column->n_rows + n), err));
    FRZ_TRY(frz_buf_resize_zeroed(&column->validity, bytes, err));
    frz_bits_fill(column->validity.data, 0, column->n_rows);
  }
  return frz_buf_resize_zeroed(&column->validity, frz_bits_bytes(column->n_rows + n), err);
}

frz_status frz_column_add_present(frz_column *column, int64_t n, frz_error *err)
{
  if (column->n_nulls == 0) return FRZ_OK;
  FRZ_TRY(frz_column_need_validity(column, n, err));
  frz_bits_fill(column->validity.data, column->n_rows, n);
  return FRZ_OK;
}

frz_status frz_column_check_rows(const frz_column *column, int64_t n, frz_error *err)
{
  assert(n >= 0);
  if (n <= INT32_MAX && column->n_rows <= INT32_MAX - n) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_LIMIT, "column of %lld rows: %lld more pass the limit of %d",
                  (long long)column->n_rows, (long long)n, INT32_MAX);
}

frz_status frz_column_reserve(frz_column *column, int64_t n, frz_error *err)
{
  FRZ_TRY(frz_column_check_rows(column, n, err));
  if (frz_arrow_type_has_offsets(column->type))
    return frz_buf_reserve(&column->offsets, ((size_t)n + 1) * sizeof(int32_t), err);
  if (column->type.kind == FRZ_ARROW_BOOL)
    return frz_buf_reserve(&column->values, frz_bits_bytes(n), err);
  if (column->n_children == 0)
    return frz_buf_reserve(&column->values, (size_t)n * frz_arrow_value_bytes(column->type), err);
  for (size_t i = 0; i < column->n_children; i++)
    FRZ_TRY(frz_column_reserve(&column->children[i], n, err));
  return FRZ_OK;
}

/* ---- nulls and single values ---- */

static frz_status add_nulls(frz_column *column, int64_t n, frz_error *err)
{
  FRZ_TRY(frz_column_check_rows(column, n, err));
  if (column->type.kind != FRZ_ARROW_NULL) FRZ_TRY(frz_column_need_validity(column, n, err));
  if (frz_arrow_type_has_offsets(column->type)) {
    int32_t *at = NULL;
    FRZ_TRY(frz_column_add_offsets(column, n, &at, err));
    for (int64_t i = 0; i < n; i++) at[i] = at[-1];
  } else if (column->type.kind == FRZ_ARROW_BOOL) {
    FRZ_TRY(frz_buf_resize_zeroed(&column->values, frz_bits_bytes(column->n_rows + n), err));
  } else if (column->type.kind == FRZ_ARROW_STRUCT) {
    for (size_t i = 0; i < column->n_children; i++)
      FRZ_TRY(add_nulls(&column->children[i], n, err));
  } else {
    size_t width = frz_arrow_value_bytes(column->type);
    FRZ_TRY(frz_buf_resize_zeroed(&column->values, (size_t)(column->n_rows + n) * width, err));
  }
  column->n_rows += n;
  column->n_nulls += n;
  return FRZ_OK;
}

frz_status frz_column_append_nulls(frz_column *column, int64_t n, frz_error *err)
{
  if (n == 0) return FRZ_OK;
  int64_t before = column->n_rows;
  frz_status st = add_nulls(column, n, err);
  if (st != FRZ_OK) frz_column_truncate(column, before);
  return st;
}

static frz_status add_value(frz_column *column, const void *value, size_t size, frz_error *err)
{
  FRZ_TRY(frz_column_check_rows(column, 1, err));
  FRZ_TRY(frz_column_add_present(column, 1, err));
  if (column->type.kind == FRZ_ARROW_BOOL) {
    assert(size == 1);
    FRZ_TRY(frz_buf_resize_zeroed(&column->values, frz_bits_bytes(column->n_rows + 1), err));
    if (*(const uint8_t *)value != 0) frz_bit_set(column->values.data, column->n_rows);
  } else if (frz_arrow_type_has_offsets(column->type)) {
    assert(column->n_children == 0);
    int32_t *at = NULL;
    FRZ_TRY(frz_column_add_offsets(column, 1, &at, err));
    FRZ_TRY(frz_buf_append(&column->values, value, size, err));
    at[0] = (int32_t)column->values.size;
  } else {
    assert(size == frz_arrow_value_bytes(column->type) && size > 0);
    FRZ_TRY(frz_buf_append(&column->values, value, size, err));
  }
  column->n_rows++;
  return FRZ_OK;
}

frz_status frz_column_append_value(frz_column *column, const void *value, size_t size,
                                   frz_error *err)
{
  frz_status st = add_value(column, value, size, err);
  if (st != FRZ_OK) frz_column_truncate(column, column->n_rows);
  return st;
}

/* The children stay as they are on failure: they were the caller's appends. */
frz_status frz_column_append_present(frz_column *column, frz_error *err)
{
  assert(column->n_children > 0 || column->type.kind == FRZ_ARROW_STRUCT);
  FRZ_TRY(frz_column_check_rows(column, 1, err));
  if (column->type.kind != FRZ_ARROW_STRUCT) {
    FRZ_TRY(frz_column_check_rows(&column->children[0], 0, err));
    FRZ_TRY(frz_buf_reserve(&column->offsets, 2 * sizeof(int32_t), err));
  }
  FRZ_TRY(frz_column_add_present(column, 1, err));
  if (column->type.kind != FRZ_ARROW_STRUCT) {
    int32_t *at = NULL;
    FRZ_TRY(frz_column_add_offsets(column, 1, &at, err));
    at[0] = (int32_t)column->children[0].n_rows;
  }
  column->n_rows++;
  return FRZ_OK;
}

/* ---- runs of rows ---- */

static frz_status add_validity_of(frz_column *column, const frz_column *from, int64_t first,
                                  int64_t n, int64_t *n_nulls_out, frz_error *err)
{
  *n_nulls_out = 0;
  if (from->n_nulls > 0) *n_nulls_out = n - frz_bits_count(from->validity.data, first, n);
  if (*n_nulls_out == 0) return frz_column_add_present(column, n, err);
  FRZ_TRY(frz_column_need_validity(column, n, err));
  frz_bits_copy(column->validity.data, column->n_rows, from->validity.data, first, n);
  return FRZ_OK;
}

static frz_status add_rows(frz_column *column, const frz_column *from, int64_t first, int64_t n,
                           frz_error *err);

static frz_status add_offset_rows(frz_column *column, const frz_column *from, int64_t first,
                                  int64_t n, frz_error *err)
{
  const int32_t *offsets = frz_column_offsets(from);
  int32_t start = offsets[first];
  int32_t length = offsets[first + n] - start;
  int32_t *at = NULL;
  FRZ_TRY(frz_column_add_offsets(column, n, &at, err));
  int32_t base = at[-1];
  if (column->n_children > 0)
    FRZ_TRY(add_rows(&column->children[0], &from->children[0], start, length, err));
  else if (length > 0)
    FRZ_TRY(frz_buf_append(&column->values, from->values.data + start, (size_t)length, err));
  for (int64_t i = 0; i < n; i++) at[i] = base + (offsets[first + 1 + i] - start);
  return FRZ_OK;
}

static frz_status add_rows(frz_column *column, const frz_column *from, int64_t first, int64_t n,
                           frz_error *err)
{
  assert(column->type.kind == from->type.kind && column->n_children == from->n_children);
  assert(first >= 0 && n >= 0 && first <= from->n_rows && n <= from->n_rows - first);
  if (n == 0) return FRZ_OK;
  FRZ_TRY(frz_column_check_rows(column, n, err));
  if (column->type.kind == FRZ_ARROW_NULL) return add_nulls(column, n, err);
  int64_t n_nulls = 0;
  FRZ_TRY(add_validity_of(column, from, first, n, &n_nulls, err));
  if (frz_arrow_type_has_offsets(column->type)) {
    FRZ_TRY(add_offset_rows(column, from, first, n, err));
  } else if (column->type.kind == FRZ_ARROW_BOOL) {
    FRZ_TRY(frz_buf_resize_zeroed(&column->values, frz_bits_bytes(column->n_rows + n), err));
    frz_bits_copy(column->values.data, column->n_rows, from->values.data, first, n);
  } else if (column->type.kind == FRZ_ARROW_STRUCT) {
    for (size_t i = 0; i < column->n_children; i++)
      FRZ_TRY(add_rows(&column->children[i], &from->children[i], first, n, err));
  } else {
    size_t width = frz_arrow_value_bytes(column->type);
    FRZ_TRY(frz_buf_append(&column->values, from->values.data + (size_t)first * width,
                           (size_t)n * width, err));
  }
  column->n_rows += n;
  column->n_nulls += n_nulls;
  return FRZ_OK;
}

frz_status frz_column_append_rows(frz_column *column, const frz_column *from, int64_t first,
                                  int64_t n, frz_error *err)
{
  assert(column != from);
  int64_t before = column->n_rows;
  frz_status st = add_rows(column, from, first, n, err);
  if (st != FRZ_OK) frz_column_truncate(column, before);
  return st;
}

/* ---- comparison ---- */

static bool floats_equal(frz_arrow_kind kind, const uint8_t *a, const uint8_t *b)
{
  if (kind == FRZ_ARROW_FLOAT64) {
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x == y || (x != x && y != y);
  }
  float x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return x == y || (x != x && y != y);
}

static bool offset_values_equal(const frz_column *a, int64_t a_row, const frz_column *b,
                                int64_t b_row)
{
  if (a->n_children == 0)
    return frz_str_equal(frz_column_bytes(a, a_row), frz_column_bytes(b, b_row));
  const int32_t *a_offsets = frz_column_offsets(a);
  const int32_t *b_offsets = frz_column_offsets(b);
  int32_t n = a_offsets[a_row + 1] - a_offsets[a_row];
  if (n != b_offsets[b_row + 1] - b_offsets[b_row]) return false;
  for (int32_t i = 0; i < n; i++)
    if (!frz_column_values_equal(&a->children[0], a_offsets[a_row] + i, &b->children[0],
                                 b_offsets[b_row] + i))
      return false;
  return true;
}

bool frz_column_values_equal(const frz_column *a, int64_t a_row, const frz_column *b, int64_t b_row)
{
  assert(a->type.kind == b->type.kind && a_row < a->n_rows && b_row < b->n_rows);
  bool a_null = frz_column_is_null(a, a_row);
  if (a_null || frz_column_is_null(b, b_row)) return a_null && frz_column_is_null(b, b_row);
  if (frz_arrow_type_has_offsets(a->type)) return offset_values_equal(a, a_row, b, b_row);
  if (a->type.kind == FRZ_ARROW_BOOL)
    return frz_bit_get(a->values.data, a_row) == frz_bit_get(b->values.data, b_row);
  if (a->type.kind == FRZ_ARROW_STRUCT) {
    for (size_t i = 0; i < a->n_children; i++)
      if (!frz_column_values_equal(&a->children[i], a_row, &b->children[i], b_row)) return false;
    return true;
  }
  size_t width = frz_arrow_value_bytes(a->type);
  const uint8_t *x = a->values.data + (size_t)a_row * width;
  const uint8_t *y = b->values.data + (size_t)b_row * width;
  if (a->type.kind == FRZ_ARROW_FLOAT64 || a->type.kind == FRZ_ARROW_FLOAT32)
    return floats_equal(a->type.kind, x, y);
  return width == 0 || memcmp(x, y, width) == 0;
}
