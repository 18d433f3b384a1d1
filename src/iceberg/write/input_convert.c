/*
 * input_convert.c - value by value conversions, each checked.
 *
 * A loop a target width; rows under a null stay zero. A value that would change its meaning is
 * refused, never rounded, save times that the caller asked to floor.
 */
#include "iceberg/write/input_convert.h"

#include <inttypes.h>
#include <math.h>

#include "iceberg/schema/literal.h"

static bool is_integer(frz_arrow_type type)
{
  return type.kind >= FRZ_ARROW_INT8 && type.kind <= FRZ_ARROW_UINT64;
}

static bool find_time(frz_arrow_type from, frz_arrow_type to, frz_convert *convert_out)
{
  bool both_stamps = from.kind == FRZ_ARROW_TIMESTAMP && to.kind == FRZ_ARROW_TIMESTAMP;
  bool both_times = (from.kind == FRZ_ARROW_TIME32 || from.kind == FRZ_ARROW_TIME64) &&
                    to.kind == FRZ_ARROW_TIME64;
  if (!both_times && !(both_stamps && from.has_zone == to.has_zone)) return false;
  bool same = from.kind == to.kind && from.unit == to.unit;
  *convert_out = same ? FRZ_CONVERT_NONE : FRZ_CONVERT_TIME;
  return true;
}

static bool find_decimal(frz_arrow_type from, frz_arrow_type to, frz_convert *convert_out)
{
  if (from.kind != FRZ_ARROW_DECIMAL128 || to.kind != FRZ_ARROW_DECIMAL128) return false;
  bool same = from.scale == to.scale && from.precision <= to.precision;
  *convert_out = same ? FRZ_CONVERT_NONE : FRZ_CONVERT_DECIMAL;
  return true;
}

bool frz_convert_find(frz_arrow_type from, frz_arrow_type to, frz_convert *convert_out)
{
  bool is_nested =
      to.kind == FRZ_ARROW_STRUCT || to.kind == FRZ_ARROW_LIST || to.kind == FRZ_ARROW_MAP;
  bool from_float = from.kind == FRZ_ARROW_FLOAT16 || from.kind == FRZ_ARROW_FLOAT32;
  if (from.kind == FRZ_ARROW_NULL && to.kind != FRZ_ARROW_NULL) {
    *convert_out = FRZ_CONVERT_NULLS;
  } else if (is_nested) {
    *convert_out = FRZ_CONVERT_NESTED;
    return from.kind == to.kind;
  } else if (to.kind == FRZ_ARROW_FIXED) {
    *convert_out = FRZ_CONVERT_NONE;
    return from.kind == FRZ_ARROW_FIXED && from.byte_width == to.byte_width;
  } else if (is_integer(from) && from.kind != to.kind &&
             (to.kind == FRZ_ARROW_INT32 || to.kind == FRZ_ARROW_INT64)) {
    *convert_out = FRZ_CONVERT_INTEGER;
  } else if ((is_integer(from) || from_float) && from.kind != to.kind &&
             (to.kind == FRZ_ARROW_FLOAT32 || to.kind == FRZ_ARROW_FLOAT64)) {
    *convert_out = FRZ_CONVERT_TO_FLOAT;
  } else if (to.kind == FRZ_ARROW_TIMESTAMP || to.kind == FRZ_ARROW_TIME64) {
    return find_time(from, to, convert_out);
  } else if (to.kind == FRZ_ARROW_DECIMAL128) {
    return find_decimal(from, to, convert_out);
  } else {
    *convert_out = FRZ_CONVERT_NONE;
    return from.kind == to.kind;
  }
  return true;
}

/* An integer of any width. Values of uint64 beyond int64 give false. */
static bool load_integer(const frz_column *column, int64_t row, int64_t *value_out)
{
  const uint8_t *values = column->values.data;
  size_t at = (size_t)row;
  switch (column->type.kind) {
  case FRZ_ARROW_INT8: *value_out = ((const int8_t *)values)[at]; return true;
  case FRZ_ARROW_UINT8: *value_out = values[at]; return true;
  case FRZ_ARROW_INT16: *value_out = ((const int16_t *)(const void *)values)[at]; return true;
  case FRZ_ARROW_UINT16: *value_out = ((const uint16_t *)(const void *)values)[at]; return true;
  case FRZ_ARROW_INT32:
  case FRZ_ARROW_TIME32: *value_out = ((const int32_t *)(const void *)values)[at]; return true;
  case FRZ_ARROW_UINT32: *value_out = ((const uint32_t *)(const void *)values)[at]; return true;
  default: break;
  }
  *value_out = ((const int64_t *)(const void *)values)[at];
  return column->type.kind != FRZ_ARROW_UINT64 || *value_out >= 0;
}

static frz_status refuse_value(const frz_convert_task *task, int64_t row, int64_t value,
                               const char *why, frz_error *err)
{
  frz_status st = FRZ_ERR_INVALID;
  if (task->column->type.kind == FRZ_ARROW_UINT64)
    return frz_fail(err, st, "column '%.*s', row %" PRId64 ": %" PRIu64 " %s",
                    FRZ_STR_ARG(task->path), task->first_row + row, (uint64_t)value, why);
  return frz_fail(err, st, "column '%.*s', row %" PRId64 ": %" PRId64 " %s",
                  FRZ_STR_ARG(task->path), task->first_row + row, value, why);
}

static frz_status convert_integers(const frz_convert_task *task, frz_column *out, frz_error *err)
{
  bool is_narrow = out->type.kind == FRZ_ARROW_INT32;
  int32_t *narrow = (int32_t *)(void *)out->values.data;
  int64_t *wide = (int64_t *)(void *)out->values.data;
  for (int64_t row = 0; row < out->n_rows; row++) {
    if (frz_column_is_null(out, row)) continue;
    int64_t value;
    bool fits = load_integer(task->column, row, &value);
    if (is_narrow) fits = fits && value >= INT32_MIN && value <= INT32_MAX;
    if (!fits)
      return refuse_value(task, row, value,
                          is_narrow ? "is beyond the range of int" : "is beyond the range of long",
                          err);
    if (is_narrow)
      narrow[row] = (int32_t)value;
    else
      wide[row] = value;
  }
  return FRZ_OK;
}

static double half_to_double(uint16_t half)
{
  int exponent = half >> 10 & 0x1f;
  double fraction = half & 0x3ff;
  double value;
  if (exponent == 0x1f)
    value = fraction != 0 ? (double)NAN : (double)INFINITY;
  else if (exponent == 0)
    value = ldexp(fraction, -24);
  else
    value = ldexp(fraction + 1024, exponent - 25);
  return (half & 0x8000) != 0 ? -value : value;
}

/* The input's value as a double; false when an integer has too many digits for the target. */
static bool load_float(const frz_column *column, int64_t row, bool to_double, double *value_out)
{
  const void *values = column->values.data;
  if (column->type.kind == FRZ_ARROW_FLOAT16) {
    *value_out = half_to_double(((const uint16_t *)values)[row]);
    return true;
  }
  if (column->type.kind == FRZ_ARROW_FLOAT32) {
    *value_out = (double)((const float *)values)[row];
    return true;
  }
  int64_t integer;
  bool fits = load_integer(column, row, &integer);
  int64_t exact_max = to_double ? (int64_t)1 << 53 : (int64_t)1 << 24;
  *value_out = (double)integer;
  return fits && integer <= exact_max && integer >= -exact_max;
}

static frz_status convert_floats(const frz_convert_task *task, frz_column *out, frz_error *err)
{
  bool to_double = out->type.kind == FRZ_ARROW_FLOAT64;
  for (int64_t row = 0; row < out->n_rows; row++) {
    if (frz_column_is_null(out, row)) continue;
    double value;
    if (!load_float(task->column, row, to_double, &value)) {
      int64_t integer;
      (void)load_integer(task->column, row, &integer);
      return refuse_value(task, row, integer,
                          to_double ? "is not exact as double" : "is not exact as float", err);
    }
    if (to_double)
      ((double *)(void *)out->values.data)[row] = value;
    else
      ((float *)(void *)out->values.data)[row] = (float)value;
  }
  return FRZ_OK;
}

static int64_t units_per_second(frz_time_unit unit)
{
  static const int64_t units[] = {
      [FRZ_UNIT_S] = 1, [FRZ_UNIT_MS] = 1000, [FRZ_UNIT_US] = 1000000, [FRZ_UNIT_NS] = 1000000000};
  return units[unit];
}

static frz_status convert_times(const frz_convert_task *task, frz_column *out, frz_error *err)
{
  int64_t from = units_per_second(task->column->type.unit);
  int64_t to = units_per_second(out->type.unit);
  int64_t *values = (int64_t *)(void *)out->values.data;
  for (int64_t row = 0; row < out->n_rows; row++) {
    if (frz_column_is_null(out, row)) continue;
    int64_t value;
    (void)load_integer(task->column, row, &value);
    if (to >= from) {
      if (__builtin_mul_overflow(value, to / from, &values[row]))
        return refuse_value(task, row, value, "is beyond the range of the column's time unit", err);
      continue;
    }
    int64_t step = from / to;
    int64_t rest = value % step;
    if (rest != 0 && !task->truncate)
      return refuse_value(task, row, value,
                          "ns is finer than the column's microseconds; truncate_nanoseconds allows "
                          "the loss",
                          err);
    values[row] = value / step - (rest < 0 ? 1 : 0); /* floor */
  }
  return FRZ_OK;
}

static frz_int128 power_of_ten(int32_t exponent)
{
  frz_int128 power = 1;
  for (int32_t i = 0; i < exponent; i++) power *= 10;
  return power;
}

static frz_status convert_decimals(const frz_convert_task *task, frz_column *out, frz_error *err)
{
  int32_t shift = out->type.scale - task->column->type.scale;
  if (shift < -38 || shift > 38)
    return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s': scale %d cannot become %d",
                    FRZ_STR_ARG(task->path), task->column->type.scale, out->type.scale);
  frz_int128 factor = power_of_ten(shift < 0 ? -shift : shift);
  frz_int128 bound = power_of_ten(out->type.precision);
  for (int64_t row = 0; row < out->n_rows; row++) {
    if (frz_column_is_null(out, row)) continue;
    frz_int128 value;
    memcpy(&value, task->column->values.data + (size_t)row * sizeof value, sizeof value);
    bool fits = true;
    if (shift < 0) {
      fits = value % factor == 0;
      value /= factor;
    } else {
      fits = !__builtin_mul_overflow(value, factor, &value);
    }
    if (!fits || value >= bound || value <= -bound)
      return frz_fail(err, FRZ_ERR_INVALID,
                      "column '%.*s', row %" PRId64 ": a decimal of scale %d is not exact in "
                      "decimal(%d, %d)",
                      FRZ_STR_ARG(task->path), task->first_row + row, task->column->type.scale,
                      out->type.precision, out->type.scale);
    memcpy(out->values.data + (size_t)row * sizeof value, &value, sizeof value);
  }
  return FRZ_OK;
}

frz_status frz_convert_values(const frz_convert_task *task, const frz_alloc *alloc,
                              frz_column *column_out, frz_error *err)
{
  frz_column made;
  frz_column *column = task->column;
  frz_status st = FRZ_OK;
  FRZ_TRY(frz_column_init(&made, task->target, alloc, err));
  if (task->convert == FRZ_CONVERT_NULLS) {
    FRZ_TRY_OUT(frz_column_append_nulls(&made, column->n_rows, err));
    *column_out = made;
    return FRZ_OK;
  }
  size_t n_bytes = (size_t)column->n_rows * frz_arrow_value_bytes(made.type);
  FRZ_TRY_OUT(frz_buf_resize_zeroed(&made.values, n_bytes, err));
  made.n_rows = column->n_rows;
  made.n_nulls = column->n_nulls;
  if (column->n_nulls != 0)
    FRZ_TRY_OUT(frz_buf_append(&made.validity, column->validity.data, column->validity.size, err));
  switch (task->convert) {
  case FRZ_CONVERT_INTEGER: st = convert_integers(task, &made, err); break;
  case FRZ_CONVERT_TO_FLOAT: st = convert_floats(task, &made, err); break;
  case FRZ_CONVERT_TIME: st = convert_times(task, &made, err); break;
  default: st = convert_decimals(task, &made, err); break;
  }
  if (st != FRZ_OK) goto out;
  *column_out = made;
  return FRZ_OK;
out:
  frz_column_dispose(&made);
  return st;
}
