/*
 * join_key.c - encode join keys.
 *
 * Three ways, by what the key is made of:
 *   one INTEGER or DOUBLE column    the 64-bit value, hashed by a bijection; no bytes, but for a
 *                                   null that counts, which has one
 *   one BYTES column                the column's own buffers are the bytes: nothing is copied
 *   anything else                   column after column into a byte string: 8 bytes for INTEGER and
 *                                   DOUBLE, 12 for TIME, 16 for DECIMAL, length and bytes for
 * BYTES; each with a leading null mark when nulls count
 */
#include "pit/join_key.h"

#include <math.h>

#include "base/limits.h"
#include "base/map.h"

static bool is_integer(frz_arrow_kind kind)
{
  switch (kind) {
  case FRZ_ARROW_BOOL:
  case FRZ_ARROW_INT8:
  case FRZ_ARROW_INT16:
  case FRZ_ARROW_INT32:
  case FRZ_ARROW_INT64:
  case FRZ_ARROW_UINT8:
  case FRZ_ARROW_UINT16:
  case FRZ_ARROW_UINT32:
  case FRZ_ARROW_UINT64: return true;
  default: return false;
  }
}

static bool is_float(frz_arrow_kind kind)
{
  return kind == FRZ_ARROW_FLOAT32 || kind == FRZ_ARROW_FLOAT64;
}

static bool is_bytes(frz_arrow_kind kind)
{
  return kind == FRZ_ARROW_STRING || kind == FRZ_ARROW_BINARY || kind == FRZ_ARROW_FIXED;
}

static bool form_for(frz_arrow_type left, frz_arrow_type right, frz_key_form *form_out)
{
  bool numbers = (is_integer(left.kind) || is_float(left.kind)) &&
                 (is_integer(right.kind) || is_float(right.kind));
  if (left.kind == FRZ_ARROW_NULL || right.kind == FRZ_ARROW_NULL)
    *form_out = FRZ_KEY_NOTHING;
  else if (numbers && is_float(left.kind) && is_float(right.kind))
    *form_out = FRZ_KEY_DOUBLE;
  else if (numbers)
    *form_out = FRZ_KEY_INTEGER;
  else if (is_bytes(left.kind) && is_bytes(right.kind))
    *form_out = FRZ_KEY_BYTES;
  else if (left.kind != right.kind)
    return false;
  else if (left.kind == FRZ_ARROW_DATE32)
    *form_out = FRZ_KEY_INTEGER;
  else if (left.kind == FRZ_ARROW_TIME32 || left.kind == FRZ_ARROW_TIME64) {
    *form_out = FRZ_KEY_INTEGER;
    return left.unit == right.unit;
  } else if (left.kind == FRZ_ARROW_TIMESTAMP)
    *form_out = left.unit == right.unit ? FRZ_KEY_INTEGER : FRZ_KEY_TIME;
  else if (left.kind == FRZ_ARROW_DECIMAL128) {
    *form_out = FRZ_KEY_DECIMAL;
    return left.scale == right.scale;
  } else
    return false;
  return true;
}

frz_status frz_key_form_of(const frz_arrow_field *left, const frz_arrow_field *right,
                           frz_key_form *form_out, frz_error *err)
{
  if (form_for(left->type, right->type, form_out)) return FRZ_OK;
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 16);
  frz_str left_type = frz_arrow_field_describe(left, &arena);
  frz_str right_type = frz_arrow_field_describe(right, &arena);
  frz_status st = frz_fail(err, FRZ_ERR_INVALID,
                           "join key: entity column '%.*s' (%.*s) cannot be compared with table "
                           "column '%.*s' (%.*s); convert one of them",
                           FRZ_STR_ARG(left->name), FRZ_STR_ARG(left_type),
                           FRZ_STR_ARG(right->name), FRZ_STR_ARG(right_type));
  frz_arena_free(&arena);
  return st;
}

void frz_key_batch_init(frz_key_batch *keys, const frz_alloc *alloc)
{
  *keys = (frz_key_batch){0};
  frz_buf_init(&keys->hash_store, alloc, SIZE_MAX / 2);
  frz_buf_init(&keys->present_store, alloc, SIZE_MAX / 2);
  frz_buf_init(&keys->integer_store, alloc, SIZE_MAX / 2);
  frz_buf_init(&keys->byte_store, alloc, FRZ_LIMIT_COLUMN_BYTES);
  frz_buf_init(&keys->offset_store, alloc, SIZE_MAX / 2);
}

void frz_key_batch_dispose(frz_key_batch *keys)
{
  frz_buf_dispose(&keys->hash_store);
  frz_buf_dispose(&keys->present_store);
  frz_buf_dispose(&keys->integer_store);
  frz_buf_dispose(&keys->byte_store);
  frz_buf_dispose(&keys->offset_store);
  *keys = (frz_key_batch){0};
}

/* ---- single values ---- */

static uint64_t double_bits(double value)
{
  if (value == 0) value = 0; /* -0.0 */
  if (isnan(value)) return 0x7ff8000000000000u;
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* A whole number in the range of int64; false: equal to no integer. */
static bool whole_number(double value, int64_t *integer_out)
{
  if (!(value >= -0x1p63 && value < 0x1p63) || value != floor(value)) return false;
  *integer_out = (int64_t)value;
  return true;
}

static double float_value(const frz_column *column, int64_t row)
{
  if (column->type.kind == FRZ_ARROW_FLOAT32)
    return (double)((const float *)(const void *)column->values.data)[row];
  return ((const double *)(const void *)column->values.data)[row];
}

bool frz_key_integer(const frz_column *column, int64_t row, int64_t *value_out)
{
  const void *values = column->values.data;
  switch (column->type.kind) {
  case FRZ_ARROW_BOOL: *value_out = frz_bit_get(values, row); return true;
  case FRZ_ARROW_INT8: *value_out = ((const int8_t *)values)[row]; return true;
  case FRZ_ARROW_INT16: *value_out = ((const int16_t *)values)[row]; return true;
  case FRZ_ARROW_UINT8: *value_out = ((const uint8_t *)values)[row]; return true;
  case FRZ_ARROW_UINT16: *value_out = ((const uint16_t *)values)[row]; return true;
  case FRZ_ARROW_UINT32: *value_out = ((const uint32_t *)values)[row]; return true;
  case FRZ_ARROW_UINT64: {
    uint64_t value = ((const uint64_t *)values)[row];
    *value_out = (int64_t)value;
    return value <= INT64_MAX;
  }
  case FRZ_ARROW_INT32:
  case FRZ_ARROW_DATE32:
  case FRZ_ARROW_TIME32: *value_out = ((const int32_t *)values)[row]; return true;
  case FRZ_ARROW_FLOAT32:
  case FRZ_ARROW_FLOAT64: return whole_number(float_value(column, row), value_out);
  default: *value_out = ((const int64_t *)values)[row]; return true;
  }
}

static void time_value(const frz_column *column, int64_t row, uint8_t encoded_out[12])
{
  static const int64_t per_second[] = {1, 1000, 1000000, 1000000000};
  int64_t value = ((const int64_t *)(const void *)column->values.data)[row];
  int64_t scale = per_second[column->type.unit];
  int64_t seconds = value / scale;
  int64_t rest = value % scale;
  if (rest < 0) {
    rest += scale;
    seconds--;
  }
  int32_t nanoseconds = (int32_t)(rest * (1000000000 / scale));
  memcpy(encoded_out, &seconds, 8);
  memcpy(encoded_out + 8, &nanoseconds, 4);
}

/* ---- whole batches ---- */

static frz_status fill_integers(frz_key_batch *keys, const frz_column *column, int64_t n_rows,
                                frz_error *err)
{
  frz_arrow_kind kind = column->type.kind;
  const int64_t *values = (const int64_t *)(const void *)column->values.data;
  if ((kind == FRZ_ARROW_INT64 || kind == FRZ_ARROW_TIMESTAMP) && column->n_nulls == 0) {
    keys->integers = values;
    for (int64_t i = 0; i < n_rows; i++) keys->hashes[i] = frz_hash_u64((uint64_t)values[i]);
    memset(keys->present, 1, (size_t)n_rows);
    return FRZ_OK;
  }
  FRZ_TRY(frz_buf_resize(&keys->integer_store, (size_t)n_rows * sizeof(int64_t), err));
  int64_t *integers = (int64_t *)(void *)keys->integer_store.data;
  for (int64_t i = 0; i < n_rows; i++) {
    int64_t value = 0;
    bool present = !frz_column_is_null(column, i) && frz_key_integer(column, i, &value);
    keys->present[i] = present;
    integers[i] = value;
    keys->hashes[i] = frz_hash_u64((uint64_t)value);
  }
  keys->integers = integers;
  return FRZ_OK;
}

static void fill_doubles(frz_key_batch *keys, const frz_column *column, int64_t n_rows)
{
  for (int64_t i = 0; i < n_rows; i++) {
    keys->present[i] = !frz_column_is_null(column, i);
    if (keys->present[i]) keys->hashes[i] = frz_hash_u64(double_bits(float_value(column, i)));
  }
}

/* Nulls count among numbers: each has one byte, where a number has none. */
static frz_status count_nulls(frz_key_batch *keys, const frz_column *column, int64_t n_rows,
                              frz_error *err)
{
  static const uint8_t null_bytes[] = {0};
  if (column->n_nulls == 0) return FRZ_OK;
  FRZ_TRY(frz_buf_resize(&keys->offset_store, ((size_t)n_rows + 1) * sizeof(int32_t), err));
  int32_t *offsets = (int32_t *)(void *)keys->offset_store.data;
  keys->byte_store.size = 0;
  for (int64_t i = 0; i < n_rows; i++) {
    offsets[i] = (int32_t)keys->byte_store.size;
    if (!frz_column_is_null(column, i)) continue;
    keys->present[i] = 1;
    keys->hashes[i] = frz_hash_bytes(null_bytes, sizeof null_bytes, 0);
    FRZ_TRY(frz_buf_append(&keys->byte_store, null_bytes, sizeof null_bytes, err));
  }
  offsets[n_rows] = (int32_t)keys->byte_store.size;
  keys->offsets = offsets;
  keys->bytes = keys->byte_store.data != NULL ? keys->byte_store.data : null_bytes;
  return FRZ_OK;
}

static void fill_hashes(frz_key_batch *keys, int64_t n_rows)
{
  for (int64_t i = 0; i < n_rows; i++) {
    frz_str key = frz_key_batch_bytes(keys, i);
    keys->hashes[i] = frz_hash_bytes(key.data, key.size, 0);
  }
}

static void borrow_bytes(frz_key_batch *keys, const frz_column *column, int64_t n_rows)
{
  keys->bytes = column->values.data != NULL ? column->values.data : (const uint8_t *)"";
  keys->offsets = (const int32_t *)(const void *)column->offsets.data;
  for (int64_t i = 0; i < n_rows; i++) keys->present[i] = !frz_column_is_null(column, i);
  fill_hashes(keys, n_rows);
}

/* One value behind the others of its row, a text with its length unless it stands `alone` (as in
 * borrow_bytes(), which the other side may use). `present_inout` falls to false where nothing can
 * match.
 */
static frz_status append_value(frz_buf *out, const frz_column *column, frz_key_form form,
                               int64_t row, bool nulls_count, bool alone, uint8_t *present_inout,
                               frz_error *err)
{
  bool null = frz_column_is_null(column, row);
  if (nulls_count)
    FRZ_TRY(frz_buf_append_byte(out, !null, err));
  else if (null)
    *present_inout = 0;
  if (null) return FRZ_OK;
  int64_t integer = 0;
  uint64_t bits;
  uint8_t time[12];
  frz_str text;
  uint32_t size;
  switch (form) {
  case FRZ_KEY_INTEGER:
    if (!frz_key_integer(column, row, &integer)) *present_inout = 0;
    return frz_buf_append(out, &integer, sizeof integer, err);
  case FRZ_KEY_DOUBLE:
    bits = double_bits(float_value(column, row));
    return frz_buf_append(out, &bits, sizeof bits, err);
  case FRZ_KEY_TIME:
    time_value(column, row, time);
    return frz_buf_append(out, time, sizeof time, err);
  case FRZ_KEY_DECIMAL:
    text = frz_column_bytes(column, row);
    return frz_buf_append(out, text.data, text.size, err);
  case FRZ_KEY_BYTES:
    text = frz_column_bytes(column, row);
    size = (uint32_t)text.size;
    if (!alone) FRZ_TRY(frz_buf_append(out, &size, sizeof size, err));
    return frz_buf_append(out, text.data, text.size, err);
  case FRZ_KEY_NOTHING: *present_inout = 0; return FRZ_OK;
  }
  return FRZ_OK;
}

static frz_status encode_rows(frz_key_batch *keys, const frz_column *const *columns,
                              const frz_key_form *forms, size_t n_columns, bool nulls_count,
                              int64_t n_rows, frz_error *err)
{
  FRZ_TRY(frz_buf_resize(&keys->offset_store, ((size_t)n_rows + 1) * sizeof(int32_t), err));
  int32_t *offsets = (int32_t *)(void *)keys->offset_store.data;
  keys->byte_store.size = 0;
  for (int64_t i = 0; i < n_rows; i++) {
    offsets[i] = (int32_t)keys->byte_store.size;
    keys->present[i] = 1;
    for (size_t c = 0; c < n_columns; c++)
      FRZ_TRY(append_value(&keys->byte_store, columns[c], forms[c], i, nulls_count, n_columns == 1,
                           &keys->present[i], err));
  }
  offsets[n_rows] = (int32_t)keys->byte_store.size;
  keys->offsets = offsets;
  keys->bytes = keys->byte_store.data != NULL ? keys->byte_store.data : (const uint8_t *)"";
  fill_hashes(keys, n_rows);
  return FRZ_OK;
}

frz_status frz_key_batch_fill(frz_key_batch *keys, const frz_column *const *columns,
                              const frz_key_form *forms, size_t n_columns, bool nulls_count,
                              int64_t n_rows, frz_error *err)
{
  FRZ_TRY(frz_buf_resize(&keys->hash_store, ((size_t)n_rows + 1) * sizeof(uint64_t), err));
  FRZ_TRY(frz_buf_resize(&keys->present_store, (size_t)n_rows + 1, err));
  keys->hashes = (uint64_t *)(void *)keys->hash_store.data;
  keys->present = keys->present_store.data;
  keys->integers = NULL;
  keys->bytes = NULL;
  keys->offsets = NULL;
  if (n_columns == 0) {
    memset(keys->present, 1, (size_t)n_rows);
    memset(keys->hashes, 0, (size_t)n_rows * sizeof(uint64_t));
    return FRZ_OK;
  }
  if (n_columns == 1 && (forms[0] == FRZ_KEY_INTEGER || forms[0] == FRZ_KEY_DOUBLE)) {
    if (forms[0] == FRZ_KEY_INTEGER)
      FRZ_TRY(fill_integers(keys, columns[0], n_rows, err));
    else
      fill_doubles(keys, columns[0], n_rows);
    return nulls_count ? count_nulls(keys, columns[0], n_rows, err) : FRZ_OK;
  }
  bool single = n_columns == 1 && !nulls_count;
  if (single && forms[0] == FRZ_KEY_NOTHING)
    memset(keys->present, 0, (size_t)n_rows);
  else if (single && forms[0] == FRZ_KEY_BYTES && columns[0]->offsets.size != 0 && n_rows > 0)
    borrow_bytes(keys, columns[0], n_rows);
  else
    return encode_rows(keys, columns, forms, n_columns, nulls_count, n_rows, err);
  return FRZ_OK;
}
