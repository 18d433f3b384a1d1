/*
 * parquet_statistics.c - statistics of a column chunk or page, sifted.
 *
 * A wrong bound loses rows, a missing one only time; so a bound is kept only where its order is
 * certain:
 *   - min_value and max_value where the footer states the type's defined order; INT96 and INTERVAL
 *     have none;
 *   - the deprecated min and max only for signed integers and floating point: old writers compared
 *     everything else as signed bytes, or by no rule at all;
 *   - a NaN says nothing: both bounds go. A zero may stand for either zero, so a minimum of +0.0
 *     becomes -0.0 and a maximum of -0.0 becomes +0.0;
 *   - a bound of the wrong length is no bound.
 * Byte arrays may have been cut: a bound is exact only where the file says so.
 *
 * Source: apache/parquet-format, parquet.thrift, Statistics and ColumnOrder.
 */

#include "parquet/format/metadata_parts.h"

frz_status frz_raw_statistics_parse(frz_thrift_reader *reader, frz_raw_statistics *raw_out,
                                    frz_error *err)
{
  frz_raw_statistics raw = {
      .min_exact = -1, .max_exact = -1, .null_count = -1, .distinct_count = -1};
  FRZ_TRY(frz_thrift_struct_begin(reader, err));
  for (;;) {
    int16_t id;
    frz_thrift_type type;
    FRZ_TRY(frz_thrift_field(reader, &id, &type, err));
    if (type == FRZ_THRIFT_STOP) break;
    bool is_bytes = type == FRZ_THRIFT_BINARY;
    bool is_flag = type == FRZ_THRIFT_TRUE || type == FRZ_THRIFT_FALSE;
    if (id == 1 && is_bytes) {
      FRZ_TRY(frz_thrift_read_binary(reader, &raw.old_max, err));
      raw.has_old_max = true;
    } else if (id == 2 && is_bytes) {
      FRZ_TRY(frz_thrift_read_binary(reader, &raw.old_min, err));
      raw.has_old_min = true;
    } else if (id == 3 && type == FRZ_THRIFT_I64) {
      FRZ_TRY(frz_thrift_read_i64(reader, &raw.null_count, err));
    } else if (id == 4 && type == FRZ_THRIFT_I64) {
      FRZ_TRY(frz_thrift_read_i64(reader, &raw.distinct_count, err));
    } else if (id == 5 && is_bytes) {
      FRZ_TRY(frz_thrift_read_binary(reader, &raw.max, err));
      raw.has_max = true;
    } else if (id == 6 && is_bytes) {
      FRZ_TRY(frz_thrift_read_binary(reader, &raw.min, err));
      raw.has_min = true;
    } else if (id == 7 && is_flag) {
      raw.max_exact = type == FRZ_THRIFT_TRUE;
    } else if (id == 8 && is_flag) {
      raw.min_exact = type == FRZ_THRIFT_TRUE;
    } else {
      FRZ_TRY(frz_thrift_skip(reader, type, err));
    }
  }
  *raw_out = raw;
  return FRZ_OK;
}

static bool has_defined_order(const frz_parquet_node *leaf)
{
  return leaf->physical != FRZ_PARQUET_INT96 && leaf->logical != FRZ_PARQUET_LOGICAL_INTERVAL &&
         leaf->logical != FRZ_PARQUET_LOGICAL_GEO && leaf->logical != FRZ_PARQUET_LOGICAL_VARIANT;
}

static bool old_bounds_are_safe(const frz_parquet_node *leaf)
{
  switch (leaf->physical) {
  case FRZ_PARQUET_INT32:
  case FRZ_PARQUET_INT64: return leaf->logical != FRZ_PARQUET_LOGICAL_INT || leaf->is_signed;
  case FRZ_PARQUET_FLOAT:
  case FRZ_PARQUET_DOUBLE: return true;
  default: return false;
  }
}

static bool length_fits(const frz_parquet_node *leaf, frz_str bound)
{
  switch (leaf->physical) {
  case FRZ_PARQUET_BOOLEAN: return bound.size == 1;
  case FRZ_PARQUET_INT32:
  case FRZ_PARQUET_FLOAT: return bound.size == 4;
  case FRZ_PARQUET_INT64:
  case FRZ_PARQUET_DOUBLE: return bound.size == 8;
  case FRZ_PARQUET_INT96: return false;
  case FRZ_PARQUET_BYTE_ARRAY:
    return leaf->logical != FRZ_PARQUET_LOGICAL_DECIMAL || bound.size > 0;
  case FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY:
    if (leaf->logical == FRZ_PARQUET_LOGICAL_DECIMAL ||
        leaf->logical == FRZ_PARQUET_LOGICAL_FLOAT16)
      return bound.size == (size_t)leaf->type_length;
    return bound.size <= (size_t)leaf->type_length;
  }
  return false;
}

/* The bits of a floating point bound: sign apart, and the largest value that is not a NaN. */
static bool float_bits(const frz_parquet_node *leaf, frz_str bound, uint64_t *magnitude_out,
                       uint64_t *infinity_out)
{
  if (leaf->physical == FRZ_PARQUET_DOUBLE) {
    *magnitude_out = frz_load_u64le(bound.data) & INT64_MAX;
    *infinity_out = 0x7ff0000000000000u;
  } else if (leaf->physical == FRZ_PARQUET_FLOAT) {
    *magnitude_out = frz_load_u32le(bound.data) & INT32_MAX;
    *infinity_out = 0x7f800000u;
  } else if (leaf->logical == FRZ_PARQUET_LOGICAL_FLOAT16) {
    *magnitude_out = frz_load_u16le(bound.data) & 0x7fffu;
    *infinity_out = 0x7c00u;
  } else {
    return false;
  }
  return true;
}

static bool is_nan(const frz_parquet_node *leaf, frz_str bound)
{
  uint64_t magnitude = 0, infinity = 0;
  return float_bits(leaf, bound, &magnitude, &infinity) && magnitude > infinity;
}

static frz_status keep_bound(const frz_parquet_node *leaf, frz_str bound, bool is_max,
                             frz_arena *arena, frz_str *kept_out, frz_error *err)
{
  uint64_t magnitude = 1, infinity = 0;
  frz_str kept = frz_arena_copy(arena, bound);
  if (kept.data == NULL) return frz_fail_nomem(err, "statistics");
  if (float_bits(leaf, bound, &magnitude, &infinity) && magnitude == 0) {
    /* The arena's copy is ours to change. */
    char *sign = (char *)(uintptr_t)kept.data + kept.size - 1;
    *sign = is_max ? 0 : (char)(signed char)-128;
  }
  *kept_out = kept;
  return FRZ_OK;
}

frz_status frz_statistics_sift(const frz_raw_statistics *raw, const frz_parquet_node *leaf,
                               int64_t n_values, frz_arena *arena,
                               frz_parquet_statistics *statistics_out, frz_error *err)
{
  frz_parquet_statistics kept = {.null_count = -1, .distinct_count = -1};
  if (raw->null_count >= 0 && raw->null_count <= n_values) kept.null_count = raw->null_count;
  if (raw->distinct_count >= 0) kept.distinct_count = raw->distinct_count;
  bool use_new = leaf->has_order && has_defined_order(leaf);
  bool use_old = old_bounds_are_safe(leaf) && !(use_new && (raw->has_min || raw->has_max));
  frz_str min = use_old ? raw->old_min : raw->min;
  frz_str max = use_old ? raw->old_max : raw->max;
  bool has_min = use_old ? raw->has_old_min : use_new && raw->has_min;
  bool has_max = use_old ? raw->has_old_max : use_new && raw->has_max;
  has_min = has_min && length_fits(leaf, min);
  has_max = has_max && length_fits(leaf, max);
  if ((has_min && is_nan(leaf, min)) || (has_max && is_nan(leaf, max))) has_min = has_max = false;
  bool is_cut = leaf->physical == FRZ_PARQUET_BYTE_ARRAY ||
                leaf->physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY;
  if (has_min) FRZ_TRY(keep_bound(leaf, min, false, arena, &kept.min, err));
  if (has_max) FRZ_TRY(keep_bound(leaf, max, true, arena, &kept.max, err));
  kept.has_min = has_min;
  kept.has_max = has_max;
  kept.min_exact = has_min && (raw->min_exact == 1 || (raw->min_exact < 0 && !is_cut));
  kept.max_exact = has_max && (raw->max_exact == 1 || (raw->max_exact < 0 && !is_cut));
  *statistics_out = kept;
  return FRZ_OK;
}
