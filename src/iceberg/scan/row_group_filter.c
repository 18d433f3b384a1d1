/*
 * row_group_filter.c - see row_group_filter.h.
 *
 * Statistics are in the file's types; the filter is bound to the table's. What cannot be carried
 * over exactly, or rounded to the safe side, counts as unknown. A zero may stand for either zero:
 * it becomes -0.0 below and +0.0 above.
 */
#include "iceberg/scan/row_group_filter.h"

#include <math.h>

#include "base/endian.h"

static bool read_integer(const frz_parquet_node *node, frz_str bytes, int64_t *value_out)
{
  bool is_unsigned = node->logical == FRZ_PARQUET_LOGICAL_INT && !node->is_signed;
  if (node->physical == FRZ_PARQUET_INT32 && bytes.size == 4) {
    uint32_t raw = frz_load_u32le(bytes.data);
    *value_out = is_unsigned ? (int64_t)raw : (int64_t)(int32_t)raw;
    return true;
  }
  if (node->physical == FRZ_PARQUET_INT64 && bytes.size == 8 && !is_unsigned) {
    *value_out = (int64_t)frz_load_u64le(bytes.data);
    return true;
  }
  return false;
}

static bool read_real(const frz_parquet_node *node, frz_str bytes, bool is_upper, double *value_out)
{
  if (node->physical == FRZ_PARQUET_FLOAT && bytes.size == 4) {
    float value;
    memcpy(&value, bytes.data, sizeof value);
    *value_out = (double)value;
  } else if (node->physical == FRZ_PARQUET_DOUBLE && bytes.size == 8) {
    memcpy(value_out, bytes.data, sizeof *value_out);
  } else {
    return false;
  }
  if (isnan(*value_out)) return false;
  if (*value_out == 0) *value_out = is_upper ? 0.0 : -0.0;
  return true;
}

static bool read_decimal(const frz_parquet_node *node, frz_str bytes, frz_int128 *value_out)
{
  int64_t small;
  if (read_integer(node, bytes, &small)) {
    *value_out = small;
    return true;
  }
  bool is_bytes = node->physical == FRZ_PARQUET_BYTE_ARRAY ||
                  node->physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY;
  if (!is_bytes || bytes.size == 0 || bytes.size > 16) return false;
  __extension__ unsigned __int128 value = 0;
  if (((uint8_t)bytes.data[0] & 0x80) != 0) value = ~value; /* the sign goes all the way up */
  for (size_t i = 0; i < bytes.size; i++) value = value << 8 | (uint8_t)bytes.data[i];
  *value_out = (frz_int128)value;
  return true;
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

/** Times between units, towards the past as the rows are, so that bounds stay bounds. */
static bool read_time(const frz_parquet_node *node, frz_str bytes, frz_time_unit unit,
                      int64_t *value_out)
{
  int64_t value;
  if (!read_integer(node, bytes, &value)) return false;
  int64_t from = nanoseconds_of(node->unit);
  int64_t to = nanoseconds_of(unit);
  if (from >= to) return !__builtin_mul_overflow(value, from / to, value_out);
  int64_t by = to / from;
  *value_out = value / by - (value % by < 0 ? 1 : 0);
  return true;
}

bool frz_parquet_statistic(const frz_parquet_node *node, const frz_type *type, frz_str bytes,
                           bool is_upper, frz_literal *literal_out)
{
  frz_literal literal = {.kind = type->kind, .scale = type->scale};
  int64_t whole = 0;
  double real = 0;
  bool known = false;
  bool is_plain = node->logical == FRZ_PARQUET_LOGICAL_NONE ||
                  node->logical == FRZ_PARQUET_LOGICAL_INT ||
                  node->logical == FRZ_PARQUET_LOGICAL_DATE;
  switch (type->kind) {
  case FRZ_TYPE_BOOLEAN:
    known = node->physical == FRZ_PARQUET_BOOLEAN && bytes.size == 1;
    if (known) literal.as.boolean = bytes.data[0] != 0;
    break;
  case FRZ_TYPE_INT:
  case FRZ_TYPE_DATE:
    known =
        is_plain && read_integer(node, bytes, &whole) && whole >= INT32_MIN && whole <= INT32_MAX;
    literal.as.i32 = (int32_t)whole;
    break;
  case FRZ_TYPE_LONG:
    known = is_plain && read_integer(node, bytes, &whole);
    literal.as.i64 = whole;
    break;
  case FRZ_TYPE_FLOAT:
    known = node->physical == FRZ_PARQUET_FLOAT && read_real(node, bytes, is_upper, &real);
    literal.as.f32 = (float)real;
    break;
  case FRZ_TYPE_DOUBLE:
    known = read_real(node, bytes, is_upper, &real);
    literal.as.f64 = real;
    break;
  case FRZ_TYPE_DECIMAL:
    known = node->logical == FRZ_PARQUET_LOGICAL_DECIMAL && node->scale == type->scale &&
            read_decimal(node, bytes, &literal.as.decimal);
    break;
  case FRZ_TYPE_TIME:
    known =
        node->logical == FRZ_PARQUET_LOGICAL_TIME && read_time(node, bytes, FRZ_UNIT_US, &whole);
    literal.as.i64 = whole;
    break;
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ:
  case FRZ_TYPE_TIMESTAMP_NS:
  case FRZ_TYPE_TIMESTAMPTZ_NS: {
    bool is_us = type->kind == FRZ_TYPE_TIMESTAMP || type->kind == FRZ_TYPE_TIMESTAMPTZ;
    known = node->logical == FRZ_PARQUET_LOGICAL_TIMESTAMP &&
            read_time(node, bytes, is_us ? FRZ_UNIT_US : FRZ_UNIT_NS, &whole);
    literal.as.i64 = whole;
    break;
  }
  case FRZ_TYPE_STRING:
  case FRZ_TYPE_BINARY:
    known = node->physical == FRZ_PARQUET_BYTE_ARRAY;
    literal.as.bytes = bytes;
    break;
  case FRZ_TYPE_UUID:
  case FRZ_TYPE_FIXED:
    known = node->physical == FRZ_PARQUET_FIXED_LEN_BYTE_ARRAY &&
            bytes.size == (size_t)(type->kind == FRZ_TYPE_UUID ? 16 : type->length);
    literal.as.bytes = bytes;
    break;
  default: break;
  }
  if (known) *literal_out = literal;
  return known;
}

/** One row group's answers; the literals that bounds point to. */
typedef struct lookup {
  const frz_row_group_filter *filter;
  const frz_parquet_row_group *row_group;
  const frz_row_group_details *details;
  frz_literal lower, upper;
} lookup;

static bool missing_bounds(lookup *self, const frz_field *field, frz_column_bounds *bounds_out)
{
  frz_arena arena;
  frz_literal value;
  bool is_top = false; /* below a struct a missing value is also null where the struct is */
  const frz_type *root = &self->filter->schema->root;
  for (size_t i = 0; i < root->n_fields; i++) is_top = is_top || root->fields[i].id == field->id;
  if (!is_top || field->type.kind == FRZ_TYPE_VARIANT) return false; /* no leaf has its id */
  /* Defaults of strings would need memory that lives on: only what fits a literal is used. */
  frz_column_source source = *self->filter->source;
  frz_arena_init(&arena, frz_alloc_default(), 0);
  frz_field bare = *field;
  bool is_bytes = field->type.kind == FRZ_TYPE_STRING || field->type.kind == FRZ_TYPE_BINARY ||
                  field->type.kind == FRZ_TYPE_FIXED || field->type.kind == FRZ_TYPE_UUID;
  if (is_bytes && field->initial_default.data != NULL) return false;
  bare.required = false;
  frz_status st = frz_column_constant(&bare, &source, &arena, &value, NULL);
  frz_arena_free(&arena);
  if (st != FRZ_OK) return false;
  self->lower = value;
  self->upper = value;
  *bounds_out = (frz_column_bounds){.n_values = self->row_group->n_rows, .n_nans = -1};
  if (value.is_null) {
    bounds_out->n_nulls = self->row_group->n_rows;
    return true;
  }
  bool is_nan = (value.kind == FRZ_TYPE_FLOAT && isnan(value.as.f32)) ||
                (value.kind == FRZ_TYPE_DOUBLE && isnan(value.as.f64));
  if (is_nan) return false;
  bounds_out->lower = &self->lower;
  bounds_out->upper = &self->upper;
  return true;
}

/** Statistics of a leaf's page where it is known, else of its chunk. */
static const frz_parquet_statistics *statistics_of(const lookup *self, size_t leaf,
                                                   int64_t *n_values_out)
{
  for (size_t i = 0; i < self->details->n_pages; i++) {
    if (self->details->pages[i].leaf != leaf) continue;
    *n_values_out = self->details->pages[i].n_rows;
    return self->details->pages[i].statistics;
  }
  *n_values_out = self->row_group->chunks[leaf].n_values;
  return &self->row_group->chunks[leaf].statistics;
}

static bool column_bounds(void *arg, const frz_field *field, frz_column_bounds *bounds_out)
{
  lookup *self = arg;
  const frz_parquet_metadata *file = self->filter->file;
  for (size_t i = 0; i < file->n_leaves; i++) {
    if (self->filter->leaf_ids[i] != field->id) continue;
    int64_t n_values;
    const frz_parquet_statistics *statistics = statistics_of(self, i, &n_values);
    *bounds_out =
        (frz_column_bounds){.n_values = n_values, .n_nulls = statistics->null_count, .n_nans = -1};
    if (statistics->has_min &&
        frz_parquet_statistic(file->leaves[i], &field->type, statistics->min, false, &self->lower))
      bounds_out->lower = &self->lower;
    if (statistics->has_max &&
        frz_parquet_statistic(file->leaves[i], &field->type, statistics->max, true, &self->upper))
      bounds_out->upper = &self->upper;
    return true;
  }
  return missing_bounds(self, field, bounds_out);
}

static bool is_excluded(void *arg, const frz_expr *predicate)
{
  const frz_row_group_details *details = ((const lookup *)arg)->details;
  return details->excludes != NULL && details->excludes(details->arg, predicate);
}

bool frz_row_group_may_match(const frz_row_group_filter *filter, size_t row_group,
                             const frz_row_group_details *details)
{
  static const frz_row_group_details nothing = {0};
  lookup self = {.filter = filter,
                 .row_group = &filter->file->row_groups[row_group],
                 .details = details != NULL ? details : &nothing};
  return frz_expr_may_match_bounds(filter->filter, column_bounds, is_excluded, &self);
}
