/*
 * column.h - a column that owns its values: the form in which rows move through frazil.
 *
 * Buffers are 64-byte aligned and start at row zero: no slices, no sharing. A column leaves the
 * library as an ArrowArray by handing its buffers over, and enters by a copy into the normal
 * layouts of arrow_type.h.
 */
#ifndef FRZ_ARROW_COLUMN_H
#define FRZ_ARROW_COLUMN_H

#include "arrow/arrow_type.h"
#include "base/buf.h"

/**
 * One column. STRUCT, LIST and MAP have children; a MAP's child is a STRUCT of key and value.
 *   validity  one bit a row, 1 = present; size 0 when there are no nulls
 *   offsets   STRING, BINARY, LIST, MAP: n_rows + 1 int32, the first is 0
 *   values    fixed width values, BOOL's bits, or the bytes of STRING and BINARY
 * Values under a null are zero (fixed width) or empty (offsets): no uninitialised byte leaves.
 */
typedef struct frz_column frz_column;
struct frz_column {
  frz_arrow_type type;
  int64_t n_rows;
  int64_t n_nulls;
  frz_buf validity;
  frz_buf offsets;
  frz_buf values;
  frz_column *children;
  size_t n_children;
  const frz_alloc *alloc;
};

/** Rows of several columns. `columns` may be NULL when n_columns is 0 (a row count alone). */
typedef struct frz_batch {
  int64_t n_rows;
  frz_column *columns;
  size_t n_columns;
  const frz_alloc *alloc;
} frz_batch;

static inline bool frz_bit_get(const uint8_t *bits, int64_t i)
{
  return (bits[i >> 3] >> (i & 7) & 1) != 0;
}

static inline void frz_bit_set(uint8_t *bits, int64_t i)
{
  bits[i >> 3] = (uint8_t)(bits[i >> 3] | 1u << (i & 7));
}

static inline void frz_bit_clear(uint8_t *bits, int64_t i)
{
  bits[i >> 3] = (uint8_t)(bits[i >> 3] & ~(1u << (i & 7)));
}

static inline size_t frz_bits_bytes(int64_t n_bits)
{
  return ((size_t)n_bits + 7) / 8;
}

static inline bool frz_column_is_null(const frz_column *column, int64_t row)
{
  if (column->type.kind == FRZ_ARROW_NULL) return true;
  return column->n_nulls != 0 && !frz_bit_get(column->validity.data, row);
}

/** Bytes of a STRING, BINARY or FIXED value. Borrowed. */
static inline frz_str frz_column_bytes(const frz_column *column, int64_t row)
{
  const char *bytes = (const char *)column->values.data;
  if (column->type.kind == FRZ_ARROW_FIXED || column->type.kind == FRZ_ARROW_DECIMAL128) {
    size_t width = (size_t)column->type.byte_width;
    return (frz_str){bytes + (size_t)row * width, width};
  }
  const int32_t *offsets = (const int32_t *)(const void *)column->offsets.data;
  if (offsets[row] == offsets[row + 1]) return (frz_str){NULL, 0};
  return (frz_str){bytes + offsets[row], (size_t)(offsets[row + 1] - offsets[row])};
}

/** An empty column (and children) of the field's type, no rows. Allocates children only. */
frz_status frz_column_init(frz_column *column, const frz_arrow_field *field, const frz_alloc *alloc,
                           frz_error *err) FRZ_MUST_CHECK;

/** Free; a zeroed column is accepted and left zeroed. */
void frz_column_dispose(frz_column *column);

/** Keep the first `n_rows` rows. Never fails. */
void frz_column_truncate(frz_column *column, int64_t n_rows);

/** Make room for `n` more rows of a fixed-width kind, and of offsets; bytes of strings are not
 * known. An aid to speed only. */
frz_status frz_column_reserve(frz_column *column, int64_t n, frz_error *err) FRZ_MUST_CHECK;

/** Append `n` nulls. */
frz_status frz_column_append_nulls(frz_column *column, int64_t n, frz_error *err) FRZ_MUST_CHECK;

/** Append one present value: of exactly frz_arrow_value_bytes() bytes, or BOOL: one byte 0 or 1,
 * or STRING and BINARY: any bytes. */
frz_status frz_column_append_value(frz_column *column, const void *value, size_t size,
                                   frz_error *err) FRZ_MUST_CHECK;

/** Close one row of a LIST or MAP whose children were appended already; or one row of a STRUCT. */
frz_status frz_column_append_present(frz_column *column, frz_error *err) FRZ_MUST_CHECK;

/** Append rows [first, first + n) of a column of the same type. */
frz_status frz_column_append_rows(frz_column *column, const frz_column *from, int64_t first,
                                  int64_t n, frz_error *err) FRZ_MUST_CHECK;

/** Append the rows named by `rows`, in that order; -1 appends a null. */
frz_status frz_column_append_take(frz_column *column, const frz_column *from, const int64_t *rows,
                                  int64_t n, frz_error *err) FRZ_MUST_CHECK;

/** Append `n` copies of row `row` of `from`. */
frz_status frz_column_append_repeat(frz_column *column, const frz_column *from, int64_t row,
                                    int64_t n, frz_error *err) FRZ_MUST_CHECK;

/** Two values equal; null equals null; NaN equals NaN. Columns of the same type. For tests and
 * keys. */
bool frz_column_values_equal(const frz_column *a, int64_t a_row, const frz_column *b,
                             int64_t b_row);

/** An empty batch of the fields' types. */
frz_status frz_batch_init(frz_batch *batch, const frz_arrow_field *fields, size_t n_fields,
                          const frz_alloc *alloc, frz_error *err) FRZ_MUST_CHECK;

void frz_batch_dispose(frz_batch *batch);

/** Memory that the batch's columns occupy. */
size_t frz_batch_memory(const frz_batch *batch);

/** Keep the rows named by `rows` (ascending), in place of all. */
frz_status frz_batch_filter(frz_batch *batch, const int64_t *rows, int64_t n_rows,
                            frz_error *err) FRZ_MUST_CHECK;

/** Move the batch out as a struct array; the batch is left empty. */
frz_status frz_batch_export(frz_batch *batch, struct ArrowArray *array_out,
                            frz_error *err) FRZ_MUST_CHECK;

#endif
