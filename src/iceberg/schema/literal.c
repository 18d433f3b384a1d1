/*
 * literal.c - single values: comparison, binary form, columns, truncated bounds.
 *
 * A literal borrows its bytes; everything else it holds by value. Decimals are unscaled 128-bit
 * integers, in memory little-endian as in Arrow, in files big-endian and as short as possible.
 *
 * Source: Iceberg specification, appendix D "Binary single-value serialization", "Schema Evolution"
 * (lengths after a promotion).
 */
#include "iceberg/schema/literal.h"

#include <assert.h>

#include "base/endian.h"
#include "iceberg/schema/date_text.h"
#include "text/utf8.h"

#define COMPARE(x, y) (((x) > (y)) - ((x) < (y)))

/* -0.0 before +0.0, NaN last and equal to itself. */
static int compare_doubles(double a, double b)
{
  bool a_nan = a != a, b_nan = b != b;
  if (a_nan || b_nan) return a_nan - b_nan;
  if (a != b) return COMPARE(a, b);
  return (__builtin_signbit(b) != 0) - (__builtin_signbit(a) != 0);
}

int frz_literal_compare(const frz_literal *a, const frz_literal *b)
{
  assert(!a->is_null && !b->is_null && a->kind == b->kind);
  switch (a->kind) {
  case FRZ_TYPE_BOOLEAN: return a->as.boolean - b->as.boolean;
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE: return COMPARE(a->as.i32, b->as.i32);
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_TIME:
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS: return COMPARE(a->as.i64, b->as.i64);
  case FRZ_TYPE_FLOAT: return compare_doubles((double)a->as.f32, (double)b->as.f32);
  case FRZ_TYPE_DOUBLE: return compare_doubles(a->as.f64, b->as.f64);
  case FRZ_TYPE_DECIMAL: return COMPARE(a->as.decimal, b->as.decimal);
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_UUID:
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_BINARY: return frz_str_compare(a->as.bytes, b->as.bytes);
  default: return 0;
  }
}

/* ---- binary form ---- */

static frz_status wrong_length(const frz_type *type, size_t size, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "a value of type %s cannot have %zu bytes",
                  frz_type_kind_name(type->kind), size);
}

static bool timestamp_from_date(frz_type_kind kind, int32_t days, int64_t *out)
{
  bool is_nanos = kind == FRZ_TYPE_TIMESTAMP_NS || kind == FRZ_TYPE_TIMESTAMPTZ_NS;
  int64_t per_day = is_nanos ? FRZ_US_PER_DAY * 1000 : FRZ_US_PER_DAY;
  return !__builtin_mul_overflow((int64_t)days, per_day, out);
}

static frz_status decimal_from_bytes(const frz_type *type, frz_str bytes, frz_literal *out,
                                     frz_error *err)
{
  if (bytes.size == 0 || bytes.size > 16) {
    return wrong_length(type, bytes.size, err);
  }
  const uint8_t *at = (const uint8_t *)bytes.data;
  frz_uint128 value = (at[0] & 0x80) != 0 ? ~(frz_uint128)0 : 0;
  for (size_t i = 0; i < bytes.size; i++) value = value << 8 | at[i];
  out->as.decimal = (frz_int128)value;
  out->scale = type->scale;
  return FRZ_OK;
}

static frz_status long_from_bytes(const frz_type *type, frz_str bytes, frz_literal *out,
                                  frz_error *err)
{
  if (bytes.size == 8) {
    out->as.i64 = (int64_t)frz_load_u64le(bytes.data);
    return FRZ_OK;
  }
  if (bytes.size != 4 || type->kind == FRZ_TYPE_TIME) return wrong_length(type, bytes.size, err);
  int32_t narrow = (int32_t)frz_load_u32le(bytes.data);
  if (type->kind == FRZ_TYPE_LONG)
    out->as.i64 = narrow;
  else if (!timestamp_from_date(type->kind, narrow, &out->as.i64))
    return frz_fail(err, FRZ_ERR_CORRUPT, "date %d is outside type %s", (int)narrow,
                    frz_type_kind_name(type->kind));
  return FRZ_OK;
}

frz_status frz_literal_from_bytes(const frz_type *type, frz_str bytes, frz_literal *literal_out,
                                  frz_error *err)
{
  frz_literal literal = {.kind = type->kind};
  switch (type->kind) {
  case FRZ_TYPE_BOOLEAN:
    if (bytes.size != 1) return wrong_length(type, bytes.size, err);
    literal.as.boolean = bytes.data[0] != 0;
    break;
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE:
    if (bytes.size != 4) return wrong_length(type, bytes.size, err);
    literal.as.i32 = (int32_t)frz_load_u32le(bytes.data);
    break;
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_TIME:
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS: FRZ_TRY(long_from_bytes(type, bytes, &literal, err)); break;
  case FRZ_TYPE_FLOAT:
    if (bytes.size != 4) return wrong_length(type, bytes.size, err);
    memcpy(&literal.as.f32, bytes.data, 4);
    break;
  case FRZ_TYPE_DOUBLE:
    if (bytes.size == 8) {
      memcpy(&literal.as.f64, bytes.data, 8);
    } else if (bytes.size == 4) {
      float narrow;
      memcpy(&narrow, bytes.data, 4);
      literal.as.f64 = (double)narrow;
    } else {
      return wrong_length(type, bytes.size, err);
    }
    break;
  case FRZ_TYPE_DECIMAL: FRZ_TRY(decimal_from_bytes(type, bytes, &literal, err)); break;
  case FRZ_TYPE_UUID:
    if (bytes.size != 16) return wrong_length(type, bytes.size, err);
    literal.as.bytes = bytes;
    break;
  case FRZ_TYPE_FIXED: /* a bound may have been cut */
    if (bytes.size > (size_t)type->length) return wrong_length(type, bytes.size, err);
    literal.as.bytes = bytes;
    break;
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_BINARY: literal.as.bytes = bytes; break;
  default:
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "type %s has no binary form",
                    frz_type_kind_name(type->kind));
  }
  *literal_out = literal;
  return FRZ_OK;
}

size_t frz_decimal_to_bytes(frz_int128 value, uint8_t bytes_out[16])
{
  uint8_t all[16];
  frz_uint128 left = (frz_uint128)value;
  for (size_t i = 16; i-- > 0; left >>= 8) all[i] = (uint8_t)left;
  uint8_t sign = value < 0 ? 0xff : 0;
  size_t first = 0;
  while (first < 15 && all[first] == sign && ((all[first + 1] ^ sign) & 0x80) == 0) first++;
  memcpy(bytes_out, all + first, 16 - first);
  return 16 - first;
}

frz_status frz_literal_to_bytes(const frz_literal *literal, frz_buf *out, frz_error *err)
{
  assert(!literal->is_null);
  uint8_t bytes[16];
  switch (literal->kind) {
  case FRZ_TYPE_BOOLEAN: return frz_buf_append_byte(out, literal->as.boolean ? 1 : 0, err);
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE: return frz_buf_append(out, &literal->as.i32, 4, err);
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_TIME:
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS: return frz_buf_append(out, &literal->as.i64, 8, err);
  case FRZ_TYPE_FLOAT: return frz_buf_append(out, &literal->as.f32, 4, err);
  case FRZ_TYPE_DOUBLE: return frz_buf_append(out, &literal->as.f64, 8, err);
  case FRZ_TYPE_DECIMAL:
    return frz_buf_append(out, bytes, frz_decimal_to_bytes(literal->as.decimal, bytes), err);
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_UUID:
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_BINARY: return frz_buf_append_str(out, literal->as.bytes, err);
  default:
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "type %s has no binary form",
                    frz_type_kind_name(literal->kind));
  }
}

/* ---- columns ---- */

frz_literal frz_literal_from_column(const frz_type *type, const frz_column *column, int64_t row)
{
  assert(row >= 0 && row < column->n_rows);
  if (frz_column_is_null(column, row)) return frz_literal_null(type->kind);
  frz_literal literal = {.kind = type->kind, .scale = type->scale};
  const uint8_t *values = column->values.data;
  size_t at = (size_t)row;
  switch (type->kind) {
  case FRZ_TYPE_BOOLEAN: literal.as.boolean = frz_bit_get(values, row); break;
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE: memcpy(&literal.as.i32, values + at * 4, 4); break;
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_TIME:
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS: memcpy(&literal.as.i64, values + at * 8, 8); break;
  case FRZ_TYPE_FLOAT: memcpy(&literal.as.f32, values + at * 4, 4); break;
  case FRZ_TYPE_DOUBLE: memcpy(&literal.as.f64, values + at * 8, 8); break;
  case FRZ_TYPE_DECIMAL: memcpy(&literal.as.decimal, values + at * 16, 16); break;
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_UUID:
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_BINARY: literal.as.bytes = frz_column_bytes(column, row); break;
  default: return frz_literal_null(type->kind);
  }
  return literal;
}

frz_status frz_literal_append(const frz_literal *literal, frz_column *column, frz_error *err)
{
  if (literal->is_null) return frz_column_append_nulls(column, 1, err);
  switch (literal->kind) {
  case FRZ_TYPE_BOOLEAN: {
    uint8_t byte = literal->as.boolean ? 1 : 0;
    return frz_column_append_value(column, &byte, 1, err);
  }
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE: return frz_column_append_value(column, &literal->as.i32, 4, err);
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_TIME:
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS: return frz_column_append_value(column, &literal->as.i64, 8, err);
  case FRZ_TYPE_FLOAT: return frz_column_append_value(column, &literal->as.f32, 4, err);
  case FRZ_TYPE_DOUBLE: return frz_column_append_value(column, &literal->as.f64, 8, err);
  case FRZ_TYPE_DECIMAL: return frz_column_append_value(column, &literal->as.decimal, 16, err);
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_UUID:
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_BINARY: {
    size_t width = frz_arrow_value_bytes(column->type);
    if (column->type.kind == FRZ_ARROW_FIXED && width != literal->as.bytes.size)
      return frz_fail(err, FRZ_ERR_CORRUPT, "a value of %zu bytes for a column of %zu bytes a row",
                      literal->as.bytes.size, width);
    return frz_column_append_value(column, literal->as.bytes.data, literal->as.bytes.size, err);
  }
  default:
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "a value of type %s cannot be a column",
                    frz_type_kind_name(literal->kind));
  }
}

/* ---- conversion ---- */

bool frz_literal_promote(const frz_literal *literal, const frz_type *to, frz_literal *literal_out)
{
  frz_literal result = *literal;
  result.kind = to->kind;
  if (literal->is_null) {
    *literal_out = frz_literal_null(to->kind);
    return true;
  }
  if (literal->kind == to->kind) {
    if (to->kind == FRZ_TYPE_DECIMAL && literal->scale != to->scale) return false;
    *literal_out = result;
    return true;
  }
  switch (literal->kind) {
  case FRZ_TYPE_INT:
    if (to->kind == FRZ_TYPE_DATE) break; /* day partitions that were stored as int */
    if (to->kind != FRZ_TYPE_LONG) return false;
    result.as.i64 = literal->as.i32;
    break;
  case FRZ_TYPE_DATE:
    if (to->kind == FRZ_TYPE_INT) break;
    if ((to->kind != FRZ_TYPE_TIMESTAMP && to->kind != FRZ_TYPE_TIMESTAMP_NS) ||
        !timestamp_from_date(to->kind, literal->as.i32, &result.as.i64))
      return false;
    break;
  case FRZ_TYPE_FLOAT:
    if (to->kind != FRZ_TYPE_DOUBLE) return false;
    result.as.f64 = (double)literal->as.f32;
    break;
  default: return false;
  }
  *literal_out = result;
  return true;
}

/* ---- truncated bounds ---- */

size_t frz_utf8_prefix(frz_str text, int32_t n_points)
{
  size_t at = 0;
  for (int32_t i = 0; i < n_points && at < text.size; i++) {
    at++;
    while (at < text.size && frz_utf8_is_tail(text.data[at])) at++;
  }
  return at;
}

/* Decode the code point that fills `bytes` exactly; false where it does not. A form that is not
 * the shortest must not get a successor, which would be shorter and less than what it follows. */
static bool decode_point(const char *bytes, size_t size, uint32_t *point_out)
{
  static const uint8_t lead_bits[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  if (size == 0 || frz_utf8_step(bytes, size) != size) return false;
  uint32_t point = (uint8_t)bytes[0] & lead_bits[size];
  for (size_t i = 1; i < size; i++) point = point << 6 | ((uint8_t)bytes[i] & 0x3fu);
  *point_out = point;
  return true;
}

static size_t encode_point(uint32_t point, char *out)
{
  if (point < 0x80) {
    out[0] = (char)point;
    return 1;
  }
  size_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  for (size_t i = size - 1; i > 0; i--, point >>= 6) out[i] = (char)(0x80u | (point & 0x3fu));
  static const uint8_t marks[5] = {0, 0, 0xc0, 0xe0, 0xf0};
  out[0] = (char)(marks[size] | point);
  return size;
}

/* The last code point that has a successor gets it, and what follows goes. False: there is none. */
static bool increment_string(char *text, size_t *size)
{
  size_t end = *size;
  while (end > 0) {
    size_t start = end - 1;
    while (start > 0 && frz_utf8_is_tail(text[start])) start--;
    uint32_t point;
    if (decode_point(text + start, end - start, &point) && point != 0x10ffff) {
      point = point + 1 == 0xd800 ? 0xe000 : point + 1; /* past the surrogates */
      *size = start + encode_point(point, text + start);
      return true;
    }
    end = start;
  }
  return false;
}

static bool increment_bytes(char *bytes, size_t *size)
{
  for (size_t end = *size; end > 0; end--) {
    uint8_t byte = (uint8_t)bytes[end - 1];
    if (byte == 0xff) continue;
    bytes[end - 1] = (char)(byte + 1);
    *size = end;
    return true;
  }
  return false;
}

bool frz_literal_truncate_bound(const frz_literal *literal, int32_t length, bool is_upper,
                                frz_arena *arena, frz_literal *literal_out)
{
  bool is_string = literal->kind == FRZ_TYPE_STRING;
  frz_str bytes = literal->as.bytes;
  size_t size = 0;
  if (!literal->is_null && is_string)
    size = frz_utf8_prefix(bytes, length);
  else if (!literal->is_null &&
           (literal->kind == FRZ_TYPE_BINARY || literal->kind == FRZ_TYPE_FIXED))
    size = bytes.size < (size_t)length ? bytes.size : (size_t)length;
  else
    bytes.size = 0;
  frz_literal result = *literal;
  if (size == bytes.size) {
    *literal_out = result; /* nothing to cut */
    return true;
  }
  result.as.bytes.size = size;
  if (is_upper) {
    char *copy = frz_arena_push(arena, size + 4); /* a successor may be a byte longer */
    if (copy == NULL) return false;
    memcpy(copy, bytes.data, size);
    if (!(is_string ? increment_string(copy, &size) : increment_bytes(copy, &size))) return false;
    result.as.bytes = (frz_str){copy, size};
  }
  *literal_out = result;
  return true;
}
