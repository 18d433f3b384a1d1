/*
 * column_take.c - rows picked by position: take, repeat and filter.
 *
 * The work is one loop a width, so that the compiler sees constant sizes. Row -1 stands for a
 * null. A filter's rows ascend, so flat columns are compacted in place, which cannot fail; nested
 * ones are built anew first, so that a failure leaves the batch whole.
 */
#include <assert.h>
#include <string.h>

#include "arrow/bit_copy.h"
#include "arrow/column_parts.h"

enum { REPEAT_ROWS = 512 };

static bool has_missing(const int64_t *rows, int64_t n)
{
  int64_t any = 0;
  for (int64_t i = 0; i < n; i++) any |= rows[i];
  return any < 0;
}

static frz_status take_validity(frz_column *column, const frz_column *from, const int64_t *rows,
                                int64_t n, bool missing, int64_t *n_nulls_out, frz_error *err)
{
  *n_nulls_out = 0;
  if (!missing && from->n_nulls == 0) return frz_column_add_present(column, n, err);
  FRZ_TRY(frz_column_need_validity(column, n, err));
  uint8_t *bits = column->validity.data;
  const uint8_t *from_bits = from->n_nulls > 0 ? from->validity.data : NULL;
  int64_t n_present = 0;
  for (int64_t i = 0; i < n; i++) {
    bool present = rows[i] >= 0 && (from_bits == NULL || frz_bit_get(from_bits, rows[i]));
    int64_t at = column->n_rows + i;
    bits[at >> 3] = (uint8_t)(bits[at >> 3] | (unsigned)present << (at & 7));
    n_present += present;
  }
  *n_nulls_out = n - n_present;
  /* No null came and none was there: the bits are not needed (invariant 1). */
  if (*n_nulls_out == 0 && column->n_nulls == 0) column->validity.size = 0;
  return FRZ_OK;
}

#define GATHER(type)                                                                  \
  do {                                                                                \
    type *to = (type *)(void *)dest;                                                  \
    const type *src = (const type *)(const void *)values;                             \
    if (missing)                                                                      \
      for (int64_t i = 0; i < n; i++) to[i] = rows[i] < 0 ? (type){0} : src[rows[i]]; \
    else                                                                              \
      for (int64_t i = 0; i < n; i++) to[i] = src[rows[i]];                           \
  } while (0)

typedef struct pair {
  uint64_t low, high;
} pair;

/* `dest` may be `values` where rows ascend: each row is read before its place is written. */
static void gather_values(uint8_t *dest, const uint8_t *values, size_t width, const int64_t *rows,
                          int64_t n, bool missing)
{
  switch (width) {
  case 1: GATHER(uint8_t); return;
  case 2: GATHER(uint16_t); return;
  case 4: GATHER(uint32_t); return;
  case 8: GATHER(uint64_t); return;
  case 16: GATHER(pair); return;
  default: break;
  }
  for (int64_t i = 0; i < n; i++) {
    if (rows[i] < 0)
      memset(dest + (size_t)i * width, 0, width);
    else
      memmove(dest + (size_t)i * width, values + (size_t)rows[i] * width, width);
  }
}

static void gather_bits(uint8_t *dest, int64_t at, const uint8_t *bits, const int64_t *rows,
                        int64_t n)
{
  for (int64_t i = 0; i < n; i++)
    if (rows[i] >= 0 && frz_bit_get(bits, rows[i])) frz_bit_set(dest, at + i);
}

static frz_status take_rows(frz_column *column, const frz_column *from, const int64_t *rows,
                            int64_t n, frz_error *err);

static frz_status take_offsets(frz_column *column, const frz_column *from, const int64_t *rows,
                               int64_t n, int64_t *total_out, frz_error *err)
{
  int32_t *at = NULL;
  FRZ_TRY(frz_column_add_offsets(column, n, &at, err));
  const int32_t *offsets = frz_column_offsets(from);
  int64_t end = at[-1];
  int64_t start = end;
  for (int64_t i = 0; i < n; i++) {
    if (rows[i] >= 0) end += offsets[rows[i] + 1] - offsets[rows[i]];
    if (end > INT32_MAX)
      return frz_fail(err, FRZ_ERR_LIMIT, "column's values pass %d bytes or items at row %lld",
                      INT32_MAX, (long long)(column->n_rows + i));
    at[i] = (int32_t)end;
  }
  *total_out = end - start;
  return FRZ_OK;
}

static frz_status take_bytes(frz_column *column, const frz_column *from, const int64_t *rows,
                             int64_t n, frz_error *err)
{
  int64_t total = 0;
  FRZ_TRY(take_offsets(column, from, rows, n, &total, err));
  uint8_t *to = NULL;
  FRZ_TRY(frz_buf_extend(&column->values, (size_t)total, &to, err));
  const int32_t *offsets = frz_column_offsets(from);
  for (int64_t i = 0; i < n && total > 0; i++) {
    if (rows[i] < 0) continue;
    int32_t start = offsets[rows[i]];
    size_t length = (size_t)(offsets[rows[i] + 1] - start);
    memcpy(to, from->values.data + start, length);
    to += length;
  }
  return FRZ_OK;
}

static frz_status take_items(frz_column *column, const frz_column *from, const int64_t *rows,
                             int64_t n, frz_error *err)
{
  int64_t total = 0;
  FRZ_TRY(take_offsets(column, from, rows, n, &total, err));
  if (total == 0) return FRZ_OK;
  int64_t *items = frz_alloc_array(column->alloc, (size_t)total, sizeof *items);
  if (items == NULL) return frz_fail_nomem(err, "rows of list items");
  const int32_t *offsets = frz_column_offsets(from);
  int64_t n_items = 0;
  for (int64_t i = 0; i < n; i++)
    for (int32_t j = rows[i] < 0 ? 0 : offsets[rows[i]];
         j < (rows[i] < 0 ? 0 : offsets[rows[i] + 1]); j++)
      items[n_items++] = j;
  assert(n_items == total);
  frz_status st = take_rows(&column->children[0], &from->children[0], items, total, err);
  frz_alloc_free(column->alloc, items, (size_t)total * sizeof *items);
  return st;
}

static frz_status take_fixed(frz_column *column, const frz_column *from, const int64_t *rows,
                             int64_t n, bool missing, frz_error *err)
{
  size_t width = frz_arrow_value_bytes(column->type);
  uint8_t *to = NULL;
  FRZ_TRY(frz_buf_extend(&column->values, (size_t)n * width, &to, err));
  gather_values(to, from->values.data, width, rows, n, missing);
  return FRZ_OK;
}

static frz_status take_rows(frz_column *column, const frz_column *from, const int64_t *rows,
                            int64_t n, frz_error *err)
{
  assert(column->type.kind == from->type.kind && column->n_children == from->n_children);
  if (n == 0) return FRZ_OK;
  if (from->n_rows == 0 || column->type.kind == FRZ_ARROW_NULL)
    return frz_column_append_nulls(column, n, err);
  FRZ_TRY(frz_column_check_rows(column, n, err));
  bool missing = has_missing(rows, n);
  int64_t n_nulls = 0;
  FRZ_TRY(take_validity(column, from, rows, n, missing, &n_nulls, err));
  if (frz_arrow_type_has_offsets(column->type)) {
    if (column->n_children == 0)
      FRZ_TRY(take_bytes(column, from, rows, n, err));
    else
      FRZ_TRY(take_items(column, from, rows, n, err));
  } else if (column->type.kind == FRZ_ARROW_BOOL) {
    FRZ_TRY(frz_buf_resize_zeroed(&column->values, frz_bits_bytes(column->n_rows + n), err));
    gather_bits(column->values.data, column->n_rows, from->values.data, rows, n);
  } else if (column->type.kind == FRZ_ARROW_STRUCT) {
    for (size_t i = 0; i < column->n_children; i++)
      FRZ_TRY(take_rows(&column->children[i], &from->children[i], rows, n, err));
  } else {
    FRZ_TRY(take_fixed(column, from, rows, n, missing, err));
  }
  column->n_rows += n;
  column->n_nulls += n_nulls;
  return FRZ_OK;
}

frz_status frz_column_append_take(frz_column *column, const frz_column *from, const int64_t *rows,
                                  int64_t n, frz_error *err)
{
  assert(column != from);
  int64_t before = column->n_rows;
  frz_status st = take_rows(column, from, rows, n, err);
  if (st != FRZ_OK) frz_column_truncate(column, before);
  return st;
}

frz_status frz_column_append_repeat(frz_column *column, const frz_column *from, int64_t row,
                                    int64_t n, frz_error *err)
{
  assert(row < from->n_rows);
  int64_t rows[REPEAT_ROWS];
  for (int64_t i = 0; i < REPEAT_ROWS; i++) rows[i] = row;
  int64_t before = column->n_rows;
  for (int64_t done = 0; done < n;) {
    int64_t piece = n - done < REPEAT_ROWS ? n - done : REPEAT_ROWS;
    frz_status st = take_rows(column, from, rows, piece, err);
    if (st != FRZ_OK) {
      frz_column_truncate(column, before);
      return st;
    }
    done += piece;
  }
  return FRZ_OK;
}

/* ---- filter ---- */

static void filter_bits(frz_buf *bits, const int64_t *rows, int64_t n)
{
  for (int64_t i = 0; i < n; i++) {
    if (frz_bit_get(bits->data, rows[i]))
      frz_bit_set(bits->data, i);
    else
      frz_bit_clear(bits->data, i);
  }
  bits->size = frz_bits_bytes(n);
  if ((n & 7) != 0)
    bits->data[bits->size - 1] = (uint8_t)(bits->data[bits->size - 1] & ((1u << (n & 7)) - 1));
}

static void filter_bytes(frz_column *column, const int64_t *rows, int64_t n)
{
  int32_t *offsets = (int32_t *)(void *)column->offsets.data;
  int32_t end = 0;
  for (int64_t i = 0; i < n; i++) {
    int32_t start = offsets[rows[i]];
    int32_t length = offsets[rows[i] + 1] - start;
    if (length > 0 && start != end)
      memmove(column->values.data + end, column->values.data + start, (size_t)length);
    /* rows[i] >= i: this place was read already, or is the row's own start. */
    offsets[i] = end;
    end += length;
  }
  offsets[n] = end;
  column->offsets.size = ((size_t)n + 1) * sizeof(int32_t);
  column->values.size = (size_t)end;
}

static void filter_flat(frz_column *column, const int64_t *rows, int64_t n)
{
  if (column->n_nulls > 0 && column->type.kind != FRZ_ARROW_NULL) {
    filter_bits(&column->validity, rows, n);
    column->n_nulls = n - frz_bits_count(column->validity.data, 0, n);
    if (column->n_nulls == 0) column->validity.size = 0;
  }
  if (column->type.kind == FRZ_ARROW_NULL) {
    column->n_nulls = n;
  } else if (column->type.kind == FRZ_ARROW_BOOL) {
    filter_bits(&column->values, rows, n);
  } else if (frz_arrow_type_has_offsets(column->type)) {
    filter_bytes(column, rows, n);
  } else {
    size_t width = frz_arrow_value_bytes(column->type);
    gather_values(column->values.data, column->values.data, width, rows, n, false);
    column->values.size = (size_t)n * width;
  }
  column->n_rows = n;
}

static bool is_nested(const frz_column *column)
{
  return column->n_children > 0 || column->type.kind == FRZ_ARROW_STRUCT;
}

/* An empty column of the same type, children included. */
static frz_status init_alike(frz_column *column, const frz_column *like, frz_error *err)
{
  frz_arrow_field field = {.type = like->type};
  frz_column made;
  FRZ_TRY(frz_column_init(&made, &field, like->alloc, err));
  if (like->n_children > 0) {
    made.children = frz_alloc_array(like->alloc, like->n_children, sizeof *made.children);
    if (made.children == NULL) return frz_fail_nomem(err, "column children");
    memset(made.children, 0, like->n_children * sizeof *made.children);
    made.n_children = like->n_children;
  }
  for (size_t i = 0; i < like->n_children; i++) {
    frz_status st = init_alike(&made.children[i], &like->children[i], err);
    if (st != FRZ_OK) {
      frz_column_dispose(&made);
      return st;
    }
  }
  *column = made;
  return FRZ_OK;
}

static frz_status filter_nested(frz_batch *batch, frz_column *kept, const int64_t *rows, int64_t n,
                                frz_error *err)
{
  for (size_t i = 0; i < batch->n_columns; i++) {
    if (!is_nested(&batch->columns[i])) continue;
    FRZ_TRY(init_alike(&kept[i], &batch->columns[i], err));
    FRZ_TRY(frz_column_append_take(&kept[i], &batch->columns[i], rows, n, err));
  }
  return FRZ_OK;
}

frz_status frz_batch_filter(frz_batch *batch, const int64_t *rows, int64_t n_rows, frz_error *err)
{
  assert(n_rows >= 0 && n_rows <= batch->n_rows);
  if (n_rows == batch->n_rows) return FRZ_OK;
  frz_column *kept = NULL;
  bool nested = false;
  for (size_t i = 0; i < batch->n_columns; i++) nested |= is_nested(&batch->columns[i]);
  if (nested) {
    kept = frz_alloc_array(batch->alloc, batch->n_columns, sizeof *kept);
    if (kept == NULL) return frz_fail_nomem(err, "filtered columns");
    memset(kept, 0, batch->n_columns * sizeof *kept);
    frz_status st = filter_nested(batch, kept, rows, n_rows, err);
    if (st != FRZ_OK) {
      for (size_t i = 0; i < batch->n_columns; i++) frz_column_dispose(&kept[i]);
      frz_alloc_free(batch->alloc, kept, batch->n_columns * sizeof *kept);
      return st;
    }
  }
  for (size_t i = 0; i < batch->n_columns; i++) {
    if (!is_nested(&batch->columns[i])) {
      filter_flat(&batch->columns[i], rows, n_rows);
    } else {
      frz_column_dispose(&batch->columns[i]);
      batch->columns[i] = kept[i];
    }
  }
  if (kept != NULL) frz_alloc_free(batch->alloc, kept, batch->n_columns * sizeof *kept);
  batch->n_rows = n_rows;
  return FRZ_OK;
}

/* ---- batches ---- */

frz_status frz_batch_init(frz_batch *batch, const frz_arrow_field *fields, size_t n_fields,
                          const frz_alloc *alloc, frz_error *err)
{
  frz_batch made = {.alloc = alloc, .n_columns = n_fields};
  if (n_fields > 0) {
    made.columns = frz_alloc_array(alloc, n_fields, sizeof *made.columns);
    if (made.columns == NULL) return frz_fail_nomem(err, "batch columns");
    memset(made.columns, 0, n_fields * sizeof *made.columns);
  }
  for (size_t i = 0; i < n_fields; i++) {
    frz_status st = frz_column_init(&made.columns[i], &fields[i], alloc, err);
    if (st != FRZ_OK) {
      frz_batch_dispose(&made);
      return st;
    }
  }
  *batch = made;
  return FRZ_OK;
}

static size_t column_memory(const frz_column *column)
{
  size_t bytes = column->validity.capacity + column->offsets.capacity + column->values.capacity +
                 column->n_children * sizeof *column->children;
  for (size_t i = 0; i < column->n_children; i++) bytes += column_memory(&column->children[i]);
  return bytes;
}

size_t frz_batch_memory(const frz_batch *batch)
{
  size_t bytes = 0;
  for (size_t i = 0; i < batch->n_columns; i++)
    bytes += sizeof *batch->columns + column_memory(&batch->columns[i]);
  return bytes;
}

void frz_batch_dispose(frz_batch *batch)
{
  if (batch->columns != NULL) {
    for (size_t i = 0; i < batch->n_columns; i++) frz_column_dispose(&batch->columns[i]);
    frz_alloc_free(batch->alloc, batch->columns, batch->n_columns * sizeof *batch->columns);
  }
  *batch = (frz_batch){0};
}
