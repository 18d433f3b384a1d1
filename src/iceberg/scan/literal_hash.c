/*
 * literal_hash.c - see literal_hash.h.
 *
 * The value is turned back into the file's type, in PLAIN form. Only where each value of the
 * table's column comes from exactly the stored values that are hashed here: not where times are
 * rounded, decimals stand as bytes of any length, or NaNs have many forms.
 */
#include "iceberg/scan/literal_hash.h"

#include <math.h>

#include "base/endian.h"
#include "parquet/read/bloom_filter.h"

static uint64_t hash_bytes(const void *bytes, size_t size)
{
  return frz_bloom_filter_hash((frz_str){bytes, size});
}

static size_t hash_i32(int32_t value, uint64_t *hash_out)
{
  uint8_t bytes[4];
  frz_store_u32le(bytes, (uint32_t)value);
  *hash_out = hash_bytes(bytes, sizeof bytes);
  return 1;
}

static size_t hash_i64(int64_t value, uint64_t *hash_out)
{
  uint8_t bytes[8];
  frz_store_u64le(bytes, (uint64_t)value);
  *hash_out = hash_bytes(bytes, sizeof bytes);
  return 1;
}

/* As the file's integer, where its values are what they look like. */
static size_t hash_integer(const frz_parquet_node *node, int64_t value, uint64_t *hash_out)
{
  int32_t width = node->physical == FRZ_PARQUET_INT32 ? 32 : 64;
  bool is_odd =
      node->logical == FRZ_PARQUET_LOGICAL_INT && (!node->is_signed || node->bit_width != width);
  if (is_odd) return 0;
  if (node->physical == FRZ_PARQUET_INT64) return hash_i64(value, hash_out);
  if (node->physical != FRZ_PARQUET_INT32 || value < INT32_MIN || value > INT32_MAX) return 0;
  return hash_i32((int32_t)value, hash_out);
}

static size_t hash_real(const frz_parquet_node *node, double value, uint64_t *hashes_out)
{
  double forms[FRZ_LITERAL_HASHES_MAX] = {value, -value};
  size_t n = value == 0 ? 2 : 1;
  if (isnan(value) || node->logical != FRZ_PARQUET_LOGICAL_NONE) return 0;
  for (size_t i = 0; i < n; i++) {
    if (node->physical == FRZ_PARQUET_DOUBLE) {
      hashes_out[i] = hash_bytes(&forms[i], sizeof forms[i]);
    } else if (node->physical == FRZ_PARQUET_FLOAT && (double)(float)forms[i] == forms[i]) {
      float narrow = (float)forms[i];
      hashes_out[i] = hash_bytes(&narrow, sizeof narrow);
    } else {
      return 0;
    }
  }
  return n;
}

static size_t hash_decimal(const frz_parquet_node *node, const frz_literal *literal,
                           uint64_t *hash_out)
{
  frz_int128 value = literal->as.decimal;
  if (node->logical != FRZ_PARQUET_LOGICAL_DECIMAL || node->scale != literal->scale) return 0;
  if (node->physical == FRZ_PARQUET_INT32 || node->physical == FRZ_PARQUET_INT64) {
    if (value < INT64_MIN || value > INT64_MAX) return 0;
    return hash_integer(node, (int64_t)value, hash_out);
  }
  if (node->physical != FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY || node->type_length < 1 ||
      node->type_length > 16)
    return 0;
  uint8_t bytes[16];
  for (int32_t i = node->type_length - 1; i >= 0; i--) {
    bytes[i] = (uint8_t)((frz_uint128)value & 0xff);
    value >>= 8;
  }
  /* What is left is the sign, or it did not fit. */
  if (value != ((bytes[0] & 0x80) != 0 ? -1 : 0)) return 0;
  *hash_out = hash_bytes(bytes, (size_t)node->type_length);
  return 1;
}

static int64_t nanoseconds_of(frz_time_unit unit)
{
  switch (unit) {
  case FRZ_UNIT_S: return 1000000000;
  case FRZ_UNIT_MS: return 1000000;
  case FRZ_UNIT_US: return 1000;
  default: return 1;
  }
}

/* In the file's unit, which must not be finer: several of its values would be one of the table's.
 */
static size_t hash_time(const frz_parquet_node *node, int64_t value, frz_time_unit unit,
                        uint64_t *hash_out)
{
  int64_t by = nanoseconds_of(node->unit) / nanoseconds_of(unit);
  if (by == 0 || value % by != 0) return 0;
  return hash_integer(node, value / by, hash_out);
}

static size_t hash_text(const frz_parquet_node *node, frz_str bytes, uint64_t *hash_out)
{
  bool is_text =
      node->physical == FRZ_PARQUET_BYTE_ARRAY &&
      (node->logical == FRZ_PARQUET_LOGICAL_NONE || node->logical == FRZ_PARQUET_LOGICAL_STRING);
  if (!is_text) return 0;
  *hash_out = hash_bytes(bytes.data, bytes.size);
  return 1;
}

static size_t hash_fixed(const frz_parquet_node *node, frz_str bytes, uint64_t *hash_out)
{
  bool is_plain =
      node->physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY &&
      (node->logical == FRZ_PARQUET_LOGICAL_NONE || node->logical == FRZ_PARQUET_LOGICAL_UUID);
  if (!is_plain || bytes.size != (size_t)node->type_length) return 0;
  *hash_out = hash_bytes(bytes.data, bytes.size);
  return 1;
}

size_t frz_literal_hash(const frz_parquet_node *node, const frz_literal *literal,
                        uint64_t hashes_out[FRZ_LITERAL_HASHES_MAX])
{
  bool is_number =
      node->logical == FRZ_PARQUET_LOGICAL_NONE || node->logical == FRZ_PARQUET_LOGICAL_INT;
  bool is_time = node->logical == FRZ_PARQUET_LOGICAL_TIMESTAMP;
  if (literal->is_null) return 0;
  switch (literal->kind) {
  case FRZ_TYPE_INT: return is_number ? hash_integer(node, literal->as.i32, hashes_out) : 0;
  case FRZ_TYPE_LONG: return is_number ? hash_integer(node, literal->as.i64, hashes_out) : 0;
  case FRZ_TYPE_DATE:
    return node->logical == FRZ_PARQUET_LOGICAL_DATE
               ? hash_integer(node, literal->as.i32, hashes_out)
               : 0;
  case FRZ_TYPE_FLOAT: return hash_real(node, (double)literal->as.f32, hashes_out);
  case FRZ_TYPE_DOUBLE: return hash_real(node, literal->as.f64, hashes_out);
  case FRZ_TYPE_DECIMAL: return hash_decimal(node, literal, hashes_out);
  case FRZ_TYPE_TIME:
    return node->logical == FRZ_PARQUET_LOGICAL_TIME
               ? hash_time(node, literal->as.i64, FRZ_UNIT_US, hashes_out)
               : 0;
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
    return is_time ? hash_time(node, literal->as.i64, FRZ_UNIT_US, hashes_out) : 0;
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS:
    return is_time ? hash_time(node, literal->as.i64, FRZ_UNIT_NS, hashes_out) : 0;
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_BINARY: return hash_text(node, literal->as.bytes, hashes_out);
  case FRZ_TYPE_UUID:
  case FRZ_TYPE_FIXED: return hash_fixed(node, literal->as.bytes, hashes_out);
  default: return 0;
  }
}
