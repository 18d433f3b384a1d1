/*
 * leaf_convert.c - physical values into Arrow's.
 *
 * Narrow integers are stored in 32 bits, decimals in integers or big-endian bytes, INT96 as
 * nanoseconds of a Julian day. A number that does not fit its type is FRZ_ERR_CORRUPT, never cut.
 *
 * Source: apache/parquet-format, LogicalTypes.md.
 */
#include "parquet/read/leaf_convert.h"

#include <string.h>

#include "base/endian.h"
#include "base/fail.h"

static frz_status fail_number(int64_t value, const char *type, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "%lld is no %s", (long long)value, type);
}

static frz_status to_int8(const uint8_t *raw, size_t raw_bytes, uint8_t *dest, size_t n,
                          frz_error *err)
{
  (void)raw_bytes;
  for (size_t i = 0; i < n; i++) {
    int32_t value = (int32_t)frz_load_u32le(raw + i * 4);
    if (value < INT8_MIN || value > INT8_MAX) return fail_number(value, "8-bit integer", err);
    dest[i] = (uint8_t)value;
  }
  return FRZ_OK;
}

static frz_status to_int16(const uint8_t *raw, size_t raw_bytes, uint8_t *dest, size_t n,
                           frz_error *err)
{
  (void)raw_bytes;
  for (size_t i = 0; i < n; i++) {
    int32_t value = (int32_t)frz_load_u32le(raw + i * 4);
    if (value < INT16_MIN || value > INT16_MAX) return fail_number(value, "16-bit integer", err);
    frz_store_u16le(dest + i * 2, (uint16_t)value);
  }
  return FRZ_OK;
}

/* Some writers store unsigned values with their sign bit extended. */
static frz_status to_uint8(const uint8_t *raw, size_t raw_bytes, uint8_t *dest, size_t n,
                           frz_error *err)
{
  (void)raw_bytes;
  for (size_t i = 0; i < n; i++) {
    int32_t value = (int32_t)frz_load_u32le(raw + i * 4);
    if (value < INT8_MIN || value > UINT8_MAX)
      return fail_number(value, "unsigned 8-bit integer", err);
    dest[i] = (uint8_t)value;
  }
  return FRZ_OK;
}

static frz_status to_uint16(const uint8_t *raw, size_t raw_bytes, uint8_t *dest, size_t n,
                            frz_error *err)
{
  (void)raw_bytes;
  for (size_t i = 0; i < n; i++) {
    int32_t value = (int32_t)frz_load_u32le(raw + i * 4);
    if (value < INT16_MIN || value > UINT16_MAX)
      return fail_number(value, "unsigned 16-bit integer", err);
    frz_store_u16le(dest + i * 2, (uint16_t)value);
  }
  return FRZ_OK;
}

static void put_decimal(uint8_t *dest, int64_t value)
{
  frz_store_u64le(dest, (uint64_t)value);
  frz_store_u64le(dest + 8, value < 0 ? UINT64_MAX : 0);
}

static frz_status decimal_from_int32(const uint8_t *raw, size_t raw_bytes, uint8_t *dest, size_t n,
                                     frz_error *err)
{
  (void)raw_bytes;
  (void)err;
  for (size_t i = 0; i < n; i++) put_decimal(dest + i * 16, (int32_t)frz_load_u32le(raw + i * 4));
  return FRZ_OK;
}

static frz_status decimal_from_int64(const uint8_t *raw, size_t raw_bytes, uint8_t *dest, size_t n,
                                     frz_error *err)
{
  (void)raw_bytes;
  (void)err;
  for (size_t i = 0; i < n; i++) put_decimal(dest + i * 16, (int64_t)frz_load_u64le(raw + i * 8));
  return FRZ_OK;
}

frz_status frz_decimal_from_bytes(const uint8_t *bytes, size_t size, uint8_t dest[16],
                                  frz_error *err)
{
  uint8_t sign = size > 0 && (bytes[0] & 0x80) != 0 ? 0xff : 0;
  size_t extra = size > 16 ? size - 16 : 0;
  for (size_t i = 0; i < extra; i++)
    if (bytes[i] != sign)
      return frz_fail(err, FRZ_ERR_CORRUPT, "decimal of %zu bytes passes 128 bits", size);
  if (extra > 0 && (bytes[extra] & 0x80) != (sign & 0x80))
    return frz_fail(err, FRZ_ERR_CORRUPT, "decimal of %zu bytes passes 128 bits", size);
  size_t kept = size - extra;
  memset(dest, sign, 16);
  for (size_t i = 0; i < kept; i++) dest[i] = bytes[size - 1 - i];
  return FRZ_OK;
}

static frz_status decimal_from_fixed(const uint8_t *raw, size_t raw_bytes, uint8_t *dest, size_t n,
                                     frz_error *err)
{
  for (size_t i = 0; i < n; i++)
    FRZ_TRY(frz_decimal_from_bytes(raw + i * raw_bytes, raw_bytes, dest + i * 16, err));
  return FRZ_OK;
}

/* 8 bytes of nanoseconds in the day, 4 of the Julian day, both signed. Sub-microseconds are
 * floored. Spark lets the Julian day overflow for years past 288000, and its reader lets it wrap
 * back: so does this one, since every pair of numbers means something. */
static frz_status timestamp_from_int96(const uint8_t *raw, size_t raw_bytes, uint8_t *dest,
                                       size_t n, frz_error *err)
{
  const int64_t epoch_day = 2440588;
  const uint64_t us_per_day = (uint64_t)86400 * 1000000;
  (void)err;
  for (size_t i = 0; i < n; i++) {
    int64_t ns = (int64_t)frz_load_u64le(raw + i * raw_bytes);
    int64_t day = (int64_t)(int32_t)frz_load_u32le(raw + i * raw_bytes + 8) - epoch_day;
    int64_t us = ns / 1000 - (ns % 1000 < 0);
    frz_store_u64le(dest + i * 8, (uint64_t)day * us_per_day + (uint64_t)us);
  }
  return FRZ_OK;
}

frz_leaf_convert frz_leaf_convert_for(const frz_parquet_node *leaf, frz_arrow_type type)
{
  switch (type.kind) {
  case FRZ_ARROW_INT8: return to_int8;
  case FRZ_ARROW_INT16: return to_int16;
  case FRZ_ARROW_UINT8: return to_uint8;
  case FRZ_ARROW_UINT16: return to_uint16;
  case FRZ_ARROW_TIMESTAMP:
    return leaf->physical == FRZ_PARQUET_INT96 ? timestamp_from_int96 : NULL;
  case FRZ_ARROW_DECIMAL128:
    if (leaf->physical == FRZ_PARQUET_INT32) return decimal_from_int32;
    if (leaf->physical == FRZ_PARQUET_INT64) return decimal_from_int64;
    return decimal_from_fixed;
  default: return NULL;
  }
}
