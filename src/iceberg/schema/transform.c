/*
 * transform.c - partition transforms: parse, result types, and application to one value.
 *
 * All transforms give null for null. Divisions floor, so that times before 1970 and negative
 * numbers fall into the unit that holds them. Hashes do not depend on the width of a number: an
 * int hashes as a long, a decimal by its shortest bytes, nanoseconds as microseconds.
 *
 * Source: Iceberg specification, "Partition Transforms", appendix B "32-bit Hash Requirements".
 */
#include "base/arena_list.h"
#include "codec/checksum.h"
#include "iceberg/schema/date_text.h"
#include "iceberg/schema/partition.h"

typedef struct plain_name {
  const char *name;
  frz_transform_kind kind;
} plain_name;

static const plain_name plain_names[] = {
    {"identity", FRZ_TRANSFORM_IDENTITY}, {"year", FRZ_TRANSFORM_YEAR},
    {"month", FRZ_TRANSFORM_MONTH},       {"day", FRZ_TRANSFORM_DAY},
    {"hour", FRZ_TRANSFORM_HOUR},         {"void", FRZ_TRANSFORM_VOID},
};

/* The number of "name[number]"; -1 where the text has another form. */
static int64_t bracket_number(frz_str text, const char *name)
{
  size_t n = strlen(name);
  if (text.size < n + 3 || !frz_str_is_word((frz_str){text.data, n}, name) || text.data[n] != '[' ||
      text.data[text.size - 1] != ']')
    return -1;
  int64_t number = 0;
  for (size_t i = n + 1; i < text.size - 1; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return -1;
    number = number * 10 + (text.data[i] - '0');
    if (number > INT32_MAX) return -1;
  }
  return number;
}

static frz_transform_kind transform_kind(frz_str text, int64_t *param_out)
{
  *param_out = 0;
  for (size_t i = 0; i < sizeof plain_names / sizeof plain_names[0]; i++)
    if (frz_str_is_word(text, plain_names[i].name)) return plain_names[i].kind;
  *param_out = bracket_number(text, "bucket");
  if (*param_out >= 0) return FRZ_TRANSFORM_BUCKET;
  *param_out = bracket_number(text, "truncate");
  if (*param_out >= 0) return FRZ_TRANSFORM_TRUNCATE;
  *param_out = 0;
  return FRZ_TRANSFORM_UNKNOWN;
}

frz_status frz_transform_parse(frz_str text, frz_arena *arena, frz_transform *transform_out,
                               frz_error *err)
{
  int64_t param;
  frz_transform transform = {.kind = transform_kind(text, &param)};
  transform.param = (int32_t)param;
  bool needs_param =
      transform.kind == FRZ_TRANSFORM_BUCKET || transform.kind == FRZ_TRANSFORM_TRUNCATE;
  if (needs_param && param == 0)
    return frz_fail(err, FRZ_ERR_INVALID, "transform '%.*s': the number must be positive",
                    FRZ_STR_ARG(text));
  transform.text = frz_arena_keep(arena, text);
  if (transform.text.data == NULL) return frz_fail_nomem(err, "transform");
  *transform_out = transform;
  return FRZ_OK;
}

/* ---- types ---- */

static bool is_timestamp(frz_type_kind kind)
{
  return kind >= FRZ_TYPE_TIMESTAMP && kind <= FRZ_TYPE_TIMESTAMPTZ_NS;
}

static bool is_hashable(frz_type_kind kind)
{
  switch (kind) {
  case FRZ_TYPE_INT:
  case FRZ_TYPE_LONG:
  case FRZ_TYPE_DECIMAL:
  case FRZ_TYPE_DATE:
  case FRZ_TYPE_TIME:
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_UUID:
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_BINARY: return true;
  default: return is_timestamp(kind);
  }
}

static bool takes(frz_transform_kind transform, frz_type_kind kind)
{
  switch (transform) {
  case FRZ_TRANSFORM_IDENTITY: return kind < FRZ_TYPE_UNKNOWN;
  case FRZ_TRANSFORM_VOID: return true;
  case FRZ_TRANSFORM_BUCKET: return is_hashable(kind);
  case FRZ_TRANSFORM_TRUNCATE:
    return kind == FRZ_TYPE_INT || kind == FRZ_TYPE_LONG || kind == FRZ_TYPE_DECIMAL ||
           kind == FRZ_TYPE_STRING || kind == FRZ_TYPE_BINARY;
  case FRZ_TRANSFORM_YEAR:
  case FRZ_TRANSFORM_MONTH:
  case FRZ_TRANSFORM_DAY: return kind == FRZ_TYPE_DATE || is_timestamp(kind);
  case FRZ_TRANSFORM_HOUR: return is_timestamp(kind);
  case FRZ_TRANSFORM_UNKNOWN: return false;
  }
  return false;
}

/* False where the result has the type of the source. */
static bool fixed_result(frz_transform_kind transform, frz_type *result_out)
{
  switch (transform) {
  case FRZ_TRANSFORM_BUCKET:
  case FRZ_TRANSFORM_YEAR:
  case FRZ_TRANSFORM_MONTH:
  case FRZ_TRANSFORM_HOUR: *result_out = (frz_type){.kind = FRZ_TYPE_INT}; return true;
  case FRZ_TRANSFORM_DAY: *result_out = (frz_type){.kind = FRZ_TYPE_DATE}; return true;
  default: return false;
  }
}

bool frz_transform_result_type(const frz_transform *transform, const frz_type *source,
                               frz_type *result_out)
{
  if (!takes(transform->kind, source->kind)) return false;
  if (!fixed_result(transform->kind, result_out)) *result_out = *source;
  return true;
}

frz_type frz_partition_field_type(const frz_partition_field *field, const frz_schema *schema)
{
  frz_type result = {.kind = FRZ_TYPE_UNKNOWN};
  if (fixed_result(field->transform.kind, &result)) return result;
  const frz_field *source = frz_schema_find_id(schema, field->source_id);
  if (source == NULL || !frz_transform_result_type(&field->transform, &source->type, &result))
    result = (frz_type){.kind = FRZ_TYPE_UNKNOWN};
  return result;
}

/* ---- application ---- */

static frz_status refuse(const frz_transform *transform, const frz_literal *value, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_INVALID, "transform %.*s is not defined for type %s",
                  FRZ_STR_ARG(transform->text), frz_type_kind_name(value->kind));
}

static uint32_t hash_long(int64_t value)
{
  return frz_murmur3_32(&value, sizeof value, 0);
}

static uint32_t bucket_of(uint32_t hash, int32_t n)
{
  return (hash & INT32_MAX) % (uint32_t)n;
}

uint32_t frz_bucket_of_number(int64_t value, int32_t n)
{
  return bucket_of(hash_long(value), n);
}

static uint32_t hash_value(const frz_literal *value)
{
  uint8_t bytes[16];
  switch (value->kind) {
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE: return hash_long(value->as.i32);
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS: return hash_long(frz_floor_div(value->as.i64, 1000));
  case FRZ_TYPE_DECIMAL:
    return frz_murmur3_32(bytes, frz_decimal_to_bytes(value->as.decimal, bytes), 0);
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_UUID:
  case FRZ_TYPE_FIXED:
  case FRZ_TYPE_BINARY: return frz_murmur3_32(value->as.bytes.data, value->as.bytes.size, 0);
  default: return hash_long(value->as.i64);
  }
}

static void truncate_value(int32_t width, const frz_literal *value, frz_literal *result)
{
  *result = *value;
  switch (value->kind) {
  case FRZ_TYPE_INT: { /* wraps at the lower end, as the reference does */
    int64_t v = value->as.i32;
    result->as.i32 = (int32_t)(uint32_t)(v - ((v % width) + width) % width);
    return;
  }
  case FRZ_TYPE_LONG: {
    int64_t v = value->as.i64;
    int64_t rest = ((v % width) + width) % width;
    result->as.i64 = (int64_t)((uint64_t)v - (uint64_t)rest);
    return;
  }
  case FRZ_TYPE_DECIMAL: {
    frz_int128 v = value->as.decimal;
    result->as.decimal = v - ((v % width) + width) % width;
    return;
  }
  case FRZ_TYPE_STRING: result->as.bytes.size = frz_utf8_prefix(value->as.bytes, width); return;
  default:
    if (result->as.bytes.size > (size_t)width) result->as.bytes.size = (size_t)width;
  }
}

/* The day and the hour since 1970 that hold a date or timestamp. */
static void split_time(const frz_literal *value, int64_t *days_out, int64_t *hours_out)
{
  if (value->kind == FRZ_TYPE_DATE) {
    *days_out = value->as.i32;
    *hours_out = *days_out * 24;
    return;
  }
  bool is_nanos = value->kind == FRZ_TYPE_TIMESTAMP_NS || value->kind == FRZ_TYPE_TIMESTAMPTZ_NS;
  *hours_out = frz_floor_div(value->as.i64, is_nanos ? FRZ_US_PER_HOUR * 1000 : FRZ_US_PER_HOUR);
  *days_out = frz_floor_div(*hours_out, 24);
}

static frz_status time_unit(const frz_transform *transform, const frz_literal *value,
                            frz_literal *result, frz_error *err)
{
  int64_t days, hours, year, unit;
  int month, day;
  split_time(value, &days, &hours);
  frz_date_of_days(days, &year, &month, &day);
  switch (transform->kind) {
  case FRZ_TRANSFORM_YEAR: unit = year - 1970; break;
  case FRZ_TRANSFORM_MONTH: unit = (year - 1970) * 12 + month - 1; break;
  case FRZ_TRANSFORM_DAY: unit = days; break;
  default: unit = hours; break;
  }
  if (unit < INT32_MIN || unit > INT32_MAX)
    return frz_fail(err, FRZ_ERR_INVALID, "transform %.*s: %lld does not fit 32 bits",
                    FRZ_STR_ARG(transform->text), (long long)unit);
  *result =
      (frz_literal){.kind = transform->kind == FRZ_TRANSFORM_DAY ? FRZ_TYPE_DATE : FRZ_TYPE_INT,
                    .as = {.i32 = (int32_t)unit}};
  return FRZ_OK;
}

frz_status frz_transform_apply(const frz_transform *transform, const frz_literal *value,
                               frz_arena *arena, frz_literal *result_out, frz_error *err)
{
  (void)arena; /* nothing needs copying: a truncated text is the front of the value's bytes */
  if (transform->kind == FRZ_TRANSFORM_UNKNOWN)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "transform %.*s is not known",
                    FRZ_STR_ARG(transform->text));
  frz_type source = {.kind = value->kind};
  frz_type type;
  if (!frz_transform_result_type(transform, &source, &type)) return refuse(transform, value, err);
  frz_literal result = frz_literal_null(type.kind);
  if (!value->is_null) {
    switch (transform->kind) {
    case FRZ_TRANSFORM_IDENTITY: result = *value; break;
    case FRZ_TRANSFORM_BUCKET:
      result =
          (frz_literal){.kind = FRZ_TYPE_INT,
                        .as = {.i32 = (int32_t)bucket_of(hash_value(value), transform->param)}};
      break;
    case FRZ_TRANSFORM_TRUNCATE: truncate_value(transform->param, value, &result); break;
    case FRZ_TRANSFORM_VOID: break;
    default: FRZ_TRY(time_unit(transform, value, &result, err));
    }
  }
  *result_out = result;
  return FRZ_OK;
}
