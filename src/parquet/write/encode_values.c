/*
 * encode_values.c - see encode_values.h.
 *
 * Values that lie together in the column and need no conversion are used where they are. Otherwise
 * they are first gathered (nulls left out), then converted.
 */
#include "parquet/write/encode_values.h"

#include <assert.h>

#include "base/endian.h"
#include "parquet/write/statistics_write.h"

/* ---- gathering ---- */

#define DEFINE_GATHER(name, type)                                                      \
  static void name(const uint8_t *values, const int64_t *rows, size_t n, uint8_t *out) \
  {                                                                                    \
    const type *from = (const type *)(const void *)values;                             \
    type *to = (type *)(void *)out;                                                    \
    for (size_t i = 0; i < n; i++) to[i] = from[rows[i]];                              \
  }
DEFINE_GATHER(gather_8, uint8_t)
DEFINE_GATHER(gather_16, uint16_t)
DEFINE_GATHER(gather_32, uint32_t)
DEFINE_GATHER(gather_64, uint64_t)

static void gather_bits(const uint8_t *bits, const int64_t *rows, int64_t first, size_t n,
                        uint8_t *out)
{
  for (size_t i = 0; i < n; i++)
    out[i] = frz_bit_get(bits, rows != NULL ? rows[i] : first + (int64_t)i);
}

static void gather_rows(const uint8_t *values, size_t width, const int64_t *rows, size_t n,
                        uint8_t *out)
{
  switch (width) {
  case 1: gather_8(values, rows, n, out); break;
  case 2: gather_16(values, rows, n, out); break;
  case 4: gather_32(values, rows, n, out); break;
  case 8: gather_64(values, rows, n, out); break;
  default:
    for (size_t i = 0; i < n; i++) memcpy(out + i * width, values + (size_t)rows[i] * width, width);
  }
}

/* ---- converting ---- */

static frz_status fail_value(const frz_leaf_plan *plan, const char *what, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s': %s", FRZ_STR_ARG(plan->dotted_name), what);
}

static void widen(frz_arrow_kind kind, const uint8_t *from, size_t n, uint8_t *out)
{
  int32_t *to = (int32_t *)(void *)out;
  for (size_t i = 0; i < n; i++) {
    switch (kind) {
    case FRZ_ARROW_INT8: to[i] = (int8_t)from[i]; break;
    case FRZ_ARROW_UINT8: to[i] = from[i]; break;
    case FRZ_ARROW_INT16: to[i] = (int16_t)frz_load_u16le(from + 2 * i); break;
    default: to[i] = frz_load_u16le(from + 2 * i); break;
    }
  }
}

static frz_status scale_times(const frz_leaf_plan *plan, const uint8_t *from, size_t n,
                              uint8_t *out, frz_error *err)
{
  if (plan->stored == FRZ_STORED_I32) { /* seconds of a day to milliseconds */
    for (size_t i = 0; i < n; i++) {
      int32_t value;
      if (__builtin_mul_overflow((int32_t)frz_load_u32le(from + 4 * i), 1000, &value))
        return fail_value(plan, "a time does not fit milliseconds", err);
      frz_store_u32le(out + 4 * i, (uint32_t)value);
    }
    return FRZ_OK;
  }
  int64_t factor = plan->type.unit == FRZ_UNIT_S ? 1000000 : 1000;
  for (size_t i = 0; i < n; i++) {
    int64_t value;
    if (__builtin_mul_overflow((int64_t)frz_load_u64le(from + 8 * i), factor, &value))
      return fail_value(plan, "a time does not fit microseconds", err);
    frz_store_u64le(out + 8 * i, (uint64_t)value);
  }
  return FRZ_OK;
}

static frz_status narrow_decimals(const frz_leaf_plan *plan, const uint8_t *from, size_t n,
                                  uint8_t *out, frz_error *err)
{
  size_t width = plan->width;
  for (size_t i = 0; i < n; i++) {
    int64_t low = (int64_t)frz_load_u64le(from + 16 * i);
    int64_t high = (int64_t)frz_load_u64le(from + 16 * i + 8);
    if (high != low >> 63 || (width == 4 && low != (int32_t)low))
      return fail_value(plan, "a decimal has more digits than its precision", err);
    memcpy(out + width * i, &low, width);
  }
  return FRZ_OK;
}

static frz_status check_wide_decimals(const frz_leaf_plan *plan, const uint8_t *values, size_t n,
                                      frz_error *err)
{
  size_t width = (size_t)plan->node->type_length;
  uint8_t bytes[16];
  for (size_t i = 0; i < n; i++) {
    frz_stat_i128 value;
    memcpy(&value, values + 16 * i, 16);
    if (!frz_store_big_endian(value, bytes, width))
      return fail_value(plan, "a decimal has more digits than its precision", err);
  }
  return FRZ_OK;
}

static bool is_narrow_int(frz_arrow_kind kind)
{
  return kind == FRZ_ARROW_INT8 || kind == FRZ_ARROW_UINT8 || kind == FRZ_ARROW_INT16 ||
         kind == FRZ_ARROW_UINT16;
}

/* Bytes of a value in the Arrow column. */
static size_t column_width(const frz_leaf_plan *plan)
{
  if (plan->type.kind == FRZ_ARROW_FIXED) return (size_t)plan->type.byte_width;
  return plan->type.kind == FRZ_ARROW_DECIMAL128 ? 16 : frz_arrow_value_bytes(plan->type);
}

static frz_status convert(const frz_leaf_plan *plan, const uint8_t *from, size_t n,
                          frz_buf *scratch, const uint8_t **values_out, frz_error *err)
{
  bool is_time = plan->type.unit != plan->stored_type.unit;
  bool is_decimal = plan->type.kind == FRZ_ARROW_DECIMAL128;
  if (plan->stored == FRZ_STORED_I128) FRZ_TRY(check_wide_decimals(plan, from, n, err));
  if (!is_narrow_int(plan->type.kind) && !is_time &&
      (!is_decimal || plan->stored == FRZ_STORED_I128)) {
    *values_out = from;
    return FRZ_OK;
  }
  FRZ_TRY(frz_buf_resize(scratch, n * plan->width, err));
  if (is_time)
    FRZ_TRY(scale_times(plan, from, n, scratch->data, err));
  else if (is_decimal)
    FRZ_TRY(narrow_decimals(plan, from, n, scratch->data, err));
  else
    widen(plan->type.kind, from, n, scratch->data);
  *values_out = scratch->data;
  return FRZ_OK;
}

frz_status frz_values_gather(const frz_leaf_plan *plan, const frz_column *leaf, const int64_t *rows,
                             int64_t first_row, size_t n, frz_buf scratch[2],
                             frz_value_view *view_out, frz_error *err)
{
  frz_value_view view = {.n = n};
  if (n == 0 || plan->stored == FRZ_STORED_NONE) {
    *view_out = view;
    return FRZ_OK;
  }
  if (plan->stored == FRZ_STORED_BYTES) {
    view.offsets = (const int32_t *)(const void *)leaf->offsets.data;
    view.bytes = leaf->values.data != NULL ? leaf->values.data : (const uint8_t *)"";
    view.bytes_end = view.bytes + leaf->values.size;
    view.rows = rows;
    view.first_row = first_row;
    *view_out = view;
    return FRZ_OK;
  }
  if (plan->stored == FRZ_STORED_BOOL) {
    FRZ_TRY(frz_buf_resize(&scratch[0], n, err));
    gather_bits(leaf->values.data, rows, first_row, n, scratch[0].data);
    view.fixed = scratch[0].data;
    *view_out = view;
    return FRZ_OK;
  }
  size_t width = column_width(plan);
  const uint8_t *values = leaf->values.data + (size_t)first_row * width;
  if (rows != NULL) {
    FRZ_TRY(frz_buf_resize(&scratch[0], n * width, err));
    gather_rows(leaf->values.data, width, rows, n, scratch[0].data);
    values = scratch[0].data;
  }
  FRZ_TRY(convert(plan, values, n, &scratch[1], &view.fixed, err));
  *view_out = view;
  return FRZ_OK;
}

/* ---- PLAIN ---- */

static size_t count_bytes(const frz_value_view *view)
{
  if (view->rows == NULL)
    return (size_t)(view->offsets[view->first_row + (int64_t)view->n] -
                    view->offsets[view->first_row]);
  size_t total = 0;
  for (size_t i = 0; i < view->n; i++) total += frz_value_view_bytes(view, i).size;
  return total;
}

/* Most strings are short, and a call for each costs more than its bytes: one move of WIDE bytes
 * instead, of which the string behind takes back what it did not need. */
static frz_status plain_bytes(const frz_value_view *view, frz_buf *out, frz_error *err)
{
  enum { WIDE = 16 };
  size_t total = 4 * view->n + count_bytes(view);
  FRZ_TRY(frz_buf_reserve(out, total + WIDE, err));
  uint8_t *at = out->data + out->size;
  for (size_t i = 0; i < view->n; i++) {
    frz_str value = frz_value_view_bytes(view, i);
    const uint8_t *from = (const uint8_t *)value.data;
    frz_store_u32le(at, (uint32_t)value.size);
    if (value.size <= WIDE && view->bytes_end != NULL && view->bytes_end - from >= WIDE)
      memcpy(at + 4, from, WIDE);
    else if (value.size != 0)
      memcpy(at + 4, from, value.size);
    at += 4 + value.size;
  }
  out->size += total;
  return FRZ_OK;
}

frz_status frz_wide_plain(const uint8_t *values, size_t n, size_t width, frz_buf *out,
                          frz_error *err)
{
  uint8_t *at;
  FRZ_TRY(frz_buf_extend(out, n * width, &at, err));
  for (size_t i = 0; i < n; i++) {
    uint8_t bytes[16];
    frz_store_u64be(bytes, frz_load_u64le(values + 16 * i + 8));
    frz_store_u64be(bytes + 8, frz_load_u64le(values + 16 * i));
    memcpy(at + i * width, bytes + 16 - width, width);
  }
  return FRZ_OK;
}

frz_status frz_values_plain(const frz_leaf_plan *plan, const frz_value_view *view, frz_buf *out,
                            frz_error *err)
{
  if (view->n == 0) return FRZ_OK;
  if (plan->stored == FRZ_STORED_BYTES) return plain_bytes(view, out, err);
  if (plan->stored == FRZ_STORED_I128)
    return frz_wide_plain(view->fixed, view->n, (size_t)plan->node->type_length, out, err);
  return frz_buf_append(out, view->fixed, view->n * plan->width, err);
}

frz_status frz_bools_pack(const uint8_t *values, size_t n, frz_buf *out, frz_error *err)
{
  size_t start = out->size;
  FRZ_TRY(frz_buf_resize_zeroed(out, start + frz_bits_bytes((int64_t)n), err));
  uint8_t *bits = out->data + start;
  for (size_t i = 0; i < n; i++) bits[i >> 3] = (uint8_t)(bits[i >> 3] | values[i] << (i & 7));
  return FRZ_OK;
}

static frz_str view_item(const frz_leaf_plan *plan, const frz_value_view *view, size_t i)
{
  if (plan->stored == FRZ_STORED_BYTES) return frz_value_view_bytes(view, i);
  return (frz_str){(const char *)view->fixed + i * plan->width, plan->width};
}

/* The first eight bytes as a big-endian number, zeros behind a shorter one: where two differ, so do
 * the items, in the same order. */
static uint64_t prefix_of(frz_str item)
{
  uint8_t bytes[8] = {0};
  if (item.size >= sizeof bytes) return __builtin_bswap64(frz_load_u64le(item.data));
  if (item.size != 0) memcpy(bytes, item.data, item.size);
  return __builtin_bswap64(frz_load_u64le(bytes));
}

void frz_values_bytes_range(const frz_leaf_plan *plan, const frz_value_view *view,
                            frz_str *least_out, frz_str *greatest_out)
{
  assert(view->n > 0);
  frz_str least = view_item(plan, view, 0);
  frz_str greatest = least;
  uint64_t least_prefix = prefix_of(least);
  uint64_t greatest_prefix = least_prefix;
  for (size_t i = 1; i < view->n; i++) {
    frz_str item = view_item(plan, view, i);
    uint64_t prefix = prefix_of(item);
    if (prefix <= least_prefix && frz_str_compare(item, least) < 0) {
      least = item;
      least_prefix = prefix;
    } else if (prefix >= greatest_prefix && frz_str_compare(item, greatest) > 0) {
      greatest = item;
      greatest_prefix = prefix;
    }
  }
  *least_out = least;
  *greatest_out = greatest;
}
