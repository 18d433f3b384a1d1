/*
 * column_map.c - see column_map.h.
 *
 * A map is made once per file and applied to every batch. Where nothing is to be converted the
 * buffers move on as they are; structs, lists and maps keep their validity and offsets and convert
 * what is below. Every field id of a table is found at most once in a file, so no buffer is wanted
 * twice; leaves for filters and keys are read before anything moves, and borrow.
 */
#include "iceberg/scan/column_map.h"

#include <assert.h>
#include <float.h>
#include <math.h>

#include "base/endian.h"

/* ---- making ---- */

static bool find_source(const frz_column_source *source, int32_t field_id, size_t *index_out)
{
  for (size_t i = 0; i < source->n_fields; i++)
    if (source->fields[i].field_id == field_id) {
      *index_out = i;
      return true;
    }
  return false;
}

/** Partition values come in the type their column has now; a pinned read may want the one that it
 * had before a promotion, which held every value that was written then. */
static bool undo_promotion(const frz_literal *value, frz_type_kind kind, frz_literal *literal_out)
{
  frz_literal result = *value;
  result.kind = kind;
  int64_t per_day = (int64_t)86400 * 1000000;
  if (value->kind == FRZ_TYPE_TIMESTAMP_NS) per_day *= 1000;
  if (value->kind == FRZ_TYPE_LONG && kind == FRZ_TYPE_INT) {
    if (value->as.i64 < INT32_MIN || value->as.i64 > INT32_MAX) return false;
    result.as.i32 = (int32_t)value->as.i64;
  } else if (value->kind == FRZ_TYPE_DOUBLE && kind == FRZ_TYPE_FLOAT) {
    double real = value->as.f64;
    if (isfinite(real) && fabs(real) > (double)FLT_MAX) return false;
    result.as.f32 = (float)real;
  } else if ((value->kind == FRZ_TYPE_TIMESTAMP || value->kind == FRZ_TYPE_TIMESTAMP_NS) &&
             kind == FRZ_TYPE_DATE) {
    int64_t days = value->as.i64 / per_day;
    if (value->as.i64 % per_day != 0 || days < INT32_MIN || days > INT32_MAX) return false;
    result.as.i32 = (int32_t)days;
  } else {
    return false;
  }
  *literal_out = result;
  return true;
}

static frz_status partition_value(const frz_column_source *source, const frz_field *field,
                                  frz_literal *literal_out, bool *found_out, frz_error *err)
{
  *found_out = false;
  if (source->spec == NULL || source->partition == NULL) return FRZ_OK;
  size_t n = source->spec->n_fields;
  if (n > source->partition->n_values) n = source->partition->n_values;
  for (size_t i = 0; i < n; i++) {
    const frz_partition_field *part = &source->spec->fields[i];
    if (part->source_id != field->id || part->transform.kind != FRZ_TRANSFORM_IDENTITY) continue;
    const frz_literal *value = &source->partition->values[i];
    *found_out = frz_literal_promote(value, &field->type, literal_out) ||
                 undo_promotion(value, field->type.kind, literal_out);
    if (*found_out) return FRZ_OK;
    return frz_fail(err, FRZ_ERR_CORRUPT,
                    "column '%.*s' (id %d): the file's partition value of type %s cannot be %s",
                    FRZ_STR_ARG(field->name), field->id, frz_type_kind_name(value->kind),
                    frz_type_kind_name(field->type.kind));
  }
  return FRZ_OK;
}

frz_status frz_column_constant(const frz_field *field, const frz_column_source *source,
                               frz_arena *arena, frz_literal *literal_out, frz_error *err)
{
  if (frz_type_is_primitive(&field->type)) {
    bool found;
    FRZ_TRY(partition_value(source, field, literal_out, &found, err));
    if (found) return FRZ_OK;
    if (field->initial_default.data != NULL && !frz_str_is(field->initial_default, "null")) {
      frz_status st =
          frz_literal_from_json(&field->type, field->initial_default, arena, literal_out, err);
      if (st != FRZ_OK)
        frz_error_where(err, "initial default of column '%.*s': ", FRZ_STR_ARG(field->name));
      return st;
    }
  }
  if (!frz_type_is_primitive(&field->type)) {
    bool is_made; /* into more than a literal holds: see map_by_id() */
    FRZ_TRY(frz_nested_default(&field->type, field->initial_default, arena->alloc, &is_made, err));
  }
  if (field->required)
    return frz_fail(err, FRZ_ERR_CORRUPT, "required column '%.*s' (id %d) is not in the file",
                    FRZ_STR_ARG(field->name), field->id);
  *literal_out = frz_literal_null(field->type.kind);
  return FRZ_OK;
}

static int integer_bytes(frz_arrow_kind kind, bool *is_signed)
{
  *is_signed = kind >= FRZ_ARROW_INT8 && kind <= FRZ_ARROW_INT64;
  switch (kind) {
  case FRZ_ARROW_INT8:
  case FRZ_ARROW_UINT8: return 1;
  case FRZ_ARROW_INT16:
  case FRZ_ARROW_UINT16: return 2;
  case FRZ_ARROW_INT32:
  case FRZ_ARROW_UINT32: return 4;
  case FRZ_ARROW_INT64:
  case FRZ_ARROW_UINT64: return 8;
  default: return 0;
  }
}

static bool is_bytes(frz_arrow_kind kind)
{
  return kind == FRZ_ARROW_STRING || kind == FRZ_ARROW_BINARY;
}

static bool is_time_of_day(frz_arrow_kind kind)
{
  return kind == FRZ_ARROW_TIME32 || kind == FRZ_ARROW_TIME64;
}

/** The conversion between primitive layouts; false: there is none. */
static bool choose_conversion(frz_arrow_type from, frz_arrow_type to, frz_conversion *conversion)
{
  bool from_signed, to_signed;
  int from_bytes = integer_bytes(from.kind, &from_signed);
  int to_bytes = integer_bytes(to.kind, &to_signed);
  *conversion = FRZ_CONVERT_NONE;
  if (from.kind == FRZ_ARROW_NULL || to.kind == FRZ_ARROW_NULL) {
    *conversion = FRZ_CONVERT_NULLS;
    return true;
  }
  if (from_bytes != 0 && to_bytes != 0) {
    if (from.kind == to.kind) return true;
    *conversion = FRZ_CONVERT_INT;
    return from_bytes < to_bytes && (to_signed || !from_signed);
  }
  if (from.kind == FRZ_ARROW_FLOAT32 && to.kind == FRZ_ARROW_FLOAT64) {
    *conversion = FRZ_CONVERT_FLOAT;
    return true;
  }
  if (from.kind == FRZ_ARROW_DECIMAL128 && to.kind == FRZ_ARROW_DECIMAL128)
    return from.scale == to.scale && from.precision <= to.precision;
  if (is_bytes(from.kind) && is_bytes(to.kind)) return true;
  if (from.kind == FRZ_ARROW_FIXED && to.kind == FRZ_ARROW_FIXED)
    return from.byte_width == to.byte_width;
  bool both_times = is_time_of_day(from.kind) && is_time_of_day(to.kind);
  if (both_times || (from.kind == FRZ_ARROW_TIMESTAMP && to.kind == FRZ_ARROW_TIMESTAMP)) {
    if (from.unit != to.unit || from.kind != to.kind) *conversion = FRZ_CONVERT_TIME;
    return true;
  }
  if (from.kind == FRZ_ARROW_DATE32 && to.kind == FRZ_ARROW_TIMESTAMP) {
    *conversion = FRZ_CONVERT_DATE_TO_TIME;
    return true;
  }
  return from.kind == to.kind;
}

static frz_status fail_type(const frz_field *field, const frz_arrow_field *target,
                            const frz_arrow_field *from, frz_arena *arena, frz_error *err)
{
  frz_str have = frz_arrow_field_describe(from, arena);
  frz_str want = frz_arrow_field_describe(target, arena);
  return frz_fail(err, FRZ_ERR_CORRUPT, "column '%.*s' (id %d): %.*s in the file cannot be %.*s",
                  FRZ_STR_ARG(field->name), field->id, FRZ_STR_ARG(have), FRZ_STR_ARG(want));
}

static frz_status map_found(const frz_field *field, const frz_arrow_field *target,
                            const frz_column_source *source, size_t index, int depth,
                            frz_arena *arena, frz_column_map *map, frz_error *err);

static frz_status map_children(const frz_field *fields, const frz_arrow_field *targets, size_t n,
                               bool by_id, const frz_column_source *below, int depth,
                               frz_arena *arena, frz_column_map *map, frz_error *err);

static frz_status map_by_id(const frz_field *field, const frz_arrow_field *target,
                            const frz_column_source *source, int depth, frz_arena *arena,
                            frz_column_map *map, frz_error *err)
{
  size_t index;
  if (find_source(source, field->id, &index))
    return map_found(field, target, source, index, depth, arena, map, err);
  bool is_made = false;
  if (field->type.kind == FRZ_TYPE_STRUCT)
    FRZ_TRY(frz_nested_default(&field->type, field->initial_default, arena->alloc, &is_made, err));
  if (is_made) {
    frz_column_source nothing = *source;
    nothing.n_fields = 0;
    *map = (frz_column_map){.field = field, .target = target, .conversion = FRZ_CONVERT_DEFAULTS};
    return map_children(field->type.fields, target->children, field->type.n_fields, true, &nothing,
                        depth, arena, map, err);
  }
  *map = (frz_column_map){.field = field, .target = target, .conversion = FRZ_CONVERT_CONSTANT};
  return frz_column_constant(field, source, arena, &map->constant, err);
}

/** Children of a struct by id; those of a list or of a map's entries by place. */
static frz_status map_children(const frz_field *fields, const frz_arrow_field *targets, size_t n,
                               bool by_id, const frz_column_source *below, int depth,
                               frz_arena *arena, frz_column_map *map, frz_error *err)
{
  map->children = frz_arena_array(arena, n, sizeof *map->children);
  if (map->children == NULL) return frz_fail_nomem(err, "projection");
  map->n_children = n;
  if (depth > FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "columns nested deeper than %d", FRZ_LIMIT_DEPTH);
  for (size_t i = 0; i < n; i++) {
    if (by_id)
      FRZ_TRY(map_by_id(&fields[i], &targets[i], below, depth + 1, arena, &map->children[i], err));
    else
      FRZ_TRY(
          map_found(&fields[i], &targets[i], below, i, depth + 1, arena, &map->children[i], err));
  }
  return FRZ_OK;
}

static frz_status map_nested(const frz_field *field, const frz_arrow_field *target,
                             const frz_arrow_field *from, const frz_column_source *source,
                             int depth, frz_arena *arena, frz_column_map *map, frz_error *err)
{
  frz_column_source below = *source;
  below.fields = from->children;
  below.n_fields = from->n_children;
  if (field->type.kind == FRZ_TYPE_STRUCT)
    return map_children(field->type.fields, target->children, field->type.n_fields, true, &below,
                        depth, arena, map, err);
  if (field->type.kind == FRZ_TYPE_LIST) {
    if (from->n_children != 1) return fail_type(field, target, from, arena, err);
    return map_children(field->type.fields, target->children, 1, false, &below, depth, arena, map,
                        err);
  }
  if (from->n_children != 1 || from->children[0].n_children != 2)
    return fail_type(field, target, from, arena, err);
  map->children = frz_arena_array(arena, 1, sizeof *map->children);
  if (map->children == NULL) return frz_fail_nomem(err, "projection");
  map->n_children = 1;
  map->children[0] =
      (frz_column_map){.target = &target->children[0], .conversion = FRZ_CONVERT_NONE};
  below.fields = from->children[0].children;
  below.n_fields = 2;
  return map_children(field->type.fields, target->children[0].children, 2, false, &below, depth,
                      arena, &map->children[0], err);
}

/** Its parts by name. A file need not say that the struct is a variant: the schema does. */
static frz_status map_variant(const frz_field *field, const frz_arrow_field *target,
                              const frz_arrow_field *from, frz_arena *arena, frz_column_map *map,
                              frz_error *err)
{
  bool fits = from->type.kind == FRZ_ARROW_STRUCT && from->n_children == FRZ_VARIANT_PARTS;
  map->children = frz_arena_array(arena, FRZ_VARIANT_PARTS, sizeof *map->children);
  if (map->children == NULL) return frz_fail_nomem(err, "projection");
  map->n_children = FRZ_VARIANT_PARTS;
  for (size_t i = 0; fits && i < FRZ_VARIANT_PARTS; i++) {
    size_t at = frz_str_equal(from->children[0].name, frz_variant_fields[i].name) ? 0 : 1;
    fits = frz_str_equal(from->children[at].name, frz_variant_fields[i].name) &&
           from->children[at].type.kind == FRZ_ARROW_BINARY;
    map->children[i] = (frz_column_map){.field = &frz_variant_fields[i],
                                        .target = &target->children[i],
                                        .source = at,
                                        .conversion = FRZ_CONVERT_NONE};
  }
  return fits ? FRZ_OK : fail_type(field, target, from, arena, err);
}

static frz_status map_found(const frz_field *field, const frz_arrow_field *target,
                            const frz_column_source *source, size_t index, int depth,
                            frz_arena *arena, frz_column_map *map, frz_error *err)
{
  const frz_arrow_field *from = &source->fields[index];
  if (depth > FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "columns nested deeper than %d", FRZ_LIMIT_DEPTH);
  *map = (frz_column_map){
      .field = field, .target = target, .source = index, .conversion = FRZ_CONVERT_NONE};
  if (field->type.kind == FRZ_TYPE_UNKNOWN) { /* whatever another writer stored */
    map->conversion = FRZ_CONVERT_NULLS;
    return FRZ_OK;
  }
  if (field->type.kind == FRZ_TYPE_VARIANT)
    return map_variant(field, target, from, arena, map, err);
  if (frz_type_is_primitive(&field->type)) {
    if (from->n_children != 0 || !choose_conversion(from->type, target->type, &map->conversion))
      return fail_type(field, target, from, arena, err);
    return FRZ_OK;
  }
  if (from->type.kind != target->type.kind) return fail_type(field, target, from, arena, err);
  return map_nested(field, target, from, source, depth, arena, map, err);
}

frz_status frz_column_map_make(const frz_field *field, const frz_arrow_field *target,
                               const frz_column_source *source, frz_arena *arena,
                               frz_column_map *map_out, frz_error *err)
{
  return map_by_id(field, target, source, 0, arena, map_out, err);
}

/* ---- converting values ---- */

static void widen_integers(const uint8_t *from, int from_bytes, bool is_signed, uint8_t *to,
                           size_t to_bytes, int64_t n)
{
  for (int64_t i = 0; i < n; i++) {
    int64_t value = 0;
    switch (from_bytes) {
    case 1: value = is_signed ? (int64_t)(int8_t)from[i] : (int64_t)from[i]; break;
    case 2: {
      uint16_t raw = frz_load_u16le(from + 2 * i);
      value = is_signed ? (int64_t)(int16_t)raw : (int64_t)raw;
      break;
    }
    default: {
      uint32_t raw = frz_load_u32le(from + 4 * i);
      value = is_signed ? (int64_t)(int32_t)raw : (int64_t)raw;
      break;
    }
    }
    memcpy(to + (size_t)i * to_bytes, &value, to_bytes);
  }
}

static int64_t units_per_second(frz_time_unit unit)
{
  switch (unit) {
  case FRZ_UNIT_S: return 1;
  case FRZ_UNIT_MS: return 1000;
  case FRZ_UNIT_US: return 1000000;
  default: return 1000000000;
  }
}

static int64_t floor_divide(int64_t value, int64_t by)
{
  int64_t quotient = value / by;
  return value % by < 0 ? quotient - 1 : quotient;
}

/** Scale whole numbers by `multiply` / `divide` (one of them 1), towards the past. */
static frz_status scale_times(const uint8_t *from, size_t from_bytes, int64_t multiply,
                              int64_t divide, uint8_t *to, size_t to_bytes, int64_t n,
                              frz_error *err)
{
  for (int64_t i = 0; i < n; i++) {
    int64_t value = from_bytes == 4 ? (int32_t)frz_load_u32le(from + 4 * i)
                                    : (int64_t)frz_load_u64le(from + 8 * i);
    int64_t scaled;
    if (__builtin_mul_overflow(value, multiply, &scaled))
      return frz_fail(err, FRZ_ERR_CORRUPT, "time %lld times %lld passes 64 bits", (long long)value,
                      (long long)multiply);
    scaled = floor_divide(scaled, divide);
    memcpy(to + (size_t)i * to_bytes, &scaled, to_bytes);
  }
  return FRZ_OK;
}

static frz_status convert_times(const frz_column *from, frz_arrow_type to_type, int64_t n,
                                uint8_t *to, frz_error *err)
{
  int64_t multiply = 1;
  int64_t divide = 1;
  int64_t to_units = units_per_second(to_type.unit);
  if (from->type.kind == FRZ_ARROW_DATE32) {
    multiply = 86400 * to_units;
  } else {
    int64_t from_units = units_per_second(from->type.unit);
    if (from_units < to_units)
      multiply = to_units / from_units;
    else
      divide = from_units / to_units;
  }
  return scale_times(from->values.data, frz_arrow_value_bytes(from->type), multiply, divide, to,
                     frz_arrow_value_bytes(to_type), n, err);
}

static frz_status convert_values(const frz_column_map *map, const frz_column *from, frz_buf *to,
                                 frz_error *err)
{
  frz_arrow_type type = map->target->type;
  int64_t n = from->n_rows;
  size_t width = frz_arrow_value_bytes(type);
  FRZ_TRY(frz_buf_resize(to, (size_t)n * width, err));
  if (map->conversion == FRZ_CONVERT_INT) {
    bool is_signed;
    int bytes = integer_bytes(from->type.kind, &is_signed);
    widen_integers(from->values.data, bytes, is_signed, to->data, width, n);
    return FRZ_OK;
  }
  if (map->conversion == FRZ_CONVERT_FLOAT) {
    const float *values = (const float *)(const void *)from->values.data;
    double *widened = (double *)(void *)to->data;
    for (int64_t i = 0; i < n; i++) widened[i] = (double)values[i];
    return FRZ_OK;
  }
  return convert_times(from, type, n, to->data, err);
}

/* ---- applying ---- */

static frz_status make_constant(const frz_column_map *map, int64_t n_rows, const frz_alloc *alloc,
                                frz_column *column_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_column one = {0};
  frz_column column = {0};
  FRZ_TRY_OUT(frz_column_init(&column, map->target, alloc, err));
  if (map->conversion == FRZ_CONVERT_NULLS || map->constant.is_null) {
    FRZ_TRY_OUT(frz_column_append_nulls(&column, n_rows, err));
  } else {
    FRZ_TRY_OUT(frz_column_init(&one, map->target, alloc, err));
    FRZ_TRY_OUT(frz_literal_append(&map->constant, &one, err));
    FRZ_TRY_OUT(frz_column_append_repeat(&column, &one, 0, n_rows, err));
  }
  *column_out = column;
  column = (frz_column){0};
out:
  frz_column_dispose(&one);
  frz_column_dispose(&column);
  return st;
}

static frz_status make_defaults(const frz_column_map *map, int64_t n_rows, const frz_alloc *alloc,
                                frz_column *column_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_column column = {0};
  FRZ_TRY_OUT(frz_column_init(&column, map->target, alloc, err));
  for (size_t i = 0; i < map->n_children; i++) {
    frz_column made;
    FRZ_TRY_OUT(frz_column_map_apply(&map->children[i], NULL, n_rows, alloc, &made, err));
    frz_column_dispose(&column.children[i]);
    column.children[i] = made;
  }
  column.n_rows = n_rows;
  *column_out = column;
  column = (frz_column){0};
out:
  frz_column_dispose(&column);
  return st;
}

static frz_buf take_buf(frz_buf *buf)
{
  frz_buf taken = *buf;
  buf->data = NULL;
  buf->size = 0;
  buf->capacity = 0;
  return taken;
}

static frz_status move_nested(const frz_column_map *map, frz_column *from, const frz_alloc *alloc,
                              frz_column *to, frz_error *err)
{
  for (size_t i = 0; i < map->n_children; i++) {
    const frz_column_map *child = &map->children[i];
    int64_t n_rows = to->n_rows;
    if (map->target->type.kind != FRZ_ARROW_STRUCT) n_rows = from->children[child->source].n_rows;
    frz_column made;
    FRZ_TRY(frz_column_map_apply(child, from->children, n_rows, alloc, &made, err));
    frz_column_dispose(&to->children[i]);
    to->children[i] = made;
  }
  return FRZ_OK;
}

frz_status frz_column_map_apply(const frz_column_map *map, frz_column *columns, int64_t n_rows,
                                const frz_alloc *alloc, frz_column *column_out, frz_error *err)
{
  if (map->conversion == FRZ_CONVERT_CONSTANT || map->conversion == FRZ_CONVERT_NULLS)
    return make_constant(map, n_rows, alloc, column_out, err);
  if (map->conversion == FRZ_CONVERT_DEFAULTS)
    return make_defaults(map, n_rows, alloc, column_out, err);
  frz_column *from = &columns[map->source];
  assert(from->n_rows == n_rows);
  frz_status st = FRZ_OK;
  frz_column to = {0};
  FRZ_TRY_OUT(frz_column_init(&to, map->target, alloc, err));
  to.n_rows = from->n_rows;
  to.n_nulls = from->n_nulls;
  if (map->conversion != FRZ_CONVERT_NONE)
    FRZ_TRY_OUT(convert_values(map, from, &to.values, err));
  else if (map->n_children == 0)
    to.values = take_buf(&from->values);
  else
    FRZ_TRY_OUT(move_nested(map, from, alloc, &to, err));
  to.validity = take_buf(&from->validity);
  to.offsets = take_buf(&from->offsets);
  *column_out = to;
  to = (frz_column){0};
out:
  frz_column_dispose(&to);
  return st;
}

/* ---- leaves ---- */

bool frz_type_find_path(const frz_type *type, int32_t field_id, size_t depth,
                        const frz_field **path, size_t *depth_out)
{
  for (size_t i = 0; i < type->n_fields; i++) {
    const frz_field *field = &type->fields[i];
    if (field->id == field_id) {
      *depth_out = depth;
      return true;
    }
    if (field->type.kind != FRZ_TYPE_STRUCT || depth == FRZ_LIMIT_DEPTH) continue;
    path[depth] = field;
    if (frz_type_find_path(&field->type, field_id, depth + 1, path, depth_out)) return true;
  }
  return false;
}

frz_status frz_leaf_make(const frz_type *root, const frz_field *field,
                         const frz_column_source *source, frz_arena *arena, frz_leaf *leaf_out,
                         frz_error *err)
{
  frz_leaf leaf = {.field = field};
  frz_column_source level = *source;
  const frz_field *path[FRZ_LIMIT_DEPTH];
  size_t n_above = 0;
  size_t index = 0;
  frz_arrow_field *target = frz_arena_push(arena, sizeof *target);
  if (target == NULL) return frz_fail_nomem(err, "column");
  FRZ_TRY(frz_field_to_arrow(field, arena, target, err));
  leaf.target = target;
  if (!frz_type_is_primitive(&field->type) ||
      !frz_type_find_path(root, field->id, 0, path, &n_above))
    return frz_fail(err, FRZ_ERR_INVALID, "column '%.*s' (id %d) holds no single values",
                    FRZ_STR_ARG(field->name), field->id);
  for (; leaf.depth < n_above; leaf.depth++) {
    if (!find_source(&level, path[leaf.depth]->id, &index) ||
        level.fields[index].type.kind != FRZ_ARROW_STRUCT)
      break;
    leaf.path[leaf.depth] = index;
    level.n_fields = level.fields[index].n_children;
    level.fields = level.fields[index].children;
  }
  if (leaf.depth == n_above && find_source(&level, field->id, &index)) {
    FRZ_TRY(map_found(field, target, &level, index, 0, arena, &leaf.map, err));
  } else {
    leaf.map =
        (frz_column_map){.field = field, .target = target, .conversion = FRZ_CONVERT_CONSTANT};
    bool is_made = true; /* a struct that is missing is null, unless it has a default */
    for (size_t i = leaf.depth; is_made && i < n_above; i++)
      FRZ_TRY(frz_nested_default(&path[i]->type, path[i]->initial_default, arena->alloc, &is_made,
                                 err));
    if (is_made)
      FRZ_TRY(frz_column_constant(field, source, arena, &leaf.map.constant, err));
    else
      leaf.map.constant = frz_literal_null(field->type.kind);
  }
  *leaf_out = leaf;
  return FRZ_OK;
}

/** A copy of a column with the nulls of the structs above the leaf. */
static frz_status copy_masked(const frz_leaf *leaf, const frz_column *columns,
                              const frz_column *from, int64_t n_rows, const frz_alloc *alloc,
                              frz_column *copy_out, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_column copy = {0};
  int64_t *rows = frz_alloc_array(alloc, (size_t)n_rows, sizeof *rows);
  if (rows == NULL) return frz_fail_nomem(err, "rows of a batch");
  for (int64_t row = 0; row < n_rows; row++) rows[row] = row;
  for (size_t i = 0; i < leaf->depth; i++) {
    const frz_column *above = &columns[leaf->path[i]];
    for (int64_t row = 0; above->n_nulls != 0 && row < n_rows; row++)
      if (frz_column_is_null(above, row)) rows[row] = -1;
    columns = above->children;
  }
  frz_arrow_field same = {.type = from->type, .nullable = true, .field_id = -1};
  FRZ_TRY_OUT(frz_column_init(&copy, &same, alloc, err));
  FRZ_TRY_OUT(frz_column_append_take(&copy, from, rows, n_rows, err));
  *copy_out = copy;
  copy = (frz_column){0};
out:
  frz_column_dispose(&copy);
  frz_alloc_free(alloc, rows, (size_t)n_rows * sizeof *rows);
  return st;
}

/** The values of a leaf before structs above it are looked at. */
static frz_status read_unmasked(const frz_leaf *leaf, const frz_column *level, int64_t n_rows,
                                const frz_alloc *alloc, frz_leaf_column *column_out, frz_error *err)
{
  frz_conversion conversion = leaf->map.conversion;
  if (conversion == FRZ_CONVERT_NONE) {
    column_out->column = level[leaf->map.source];
    column_out->column.type = leaf->target->type;
    column_out->is_owned = false;
    return FRZ_OK;
  }
  frz_status st = FRZ_OK;
  frz_column copy = {0}; /* conversion moves the validity out of its source */
  frz_column_map map = leaf->map;
  map.source = 0;
  if (conversion != FRZ_CONVERT_CONSTANT) {
    const frz_column *from = &level[leaf->map.source];
    frz_arrow_field same = {.type = from->type, .nullable = true, .field_id = -1};
    FRZ_TRY_OUT(frz_column_init(&copy, &same, alloc, err));
    FRZ_TRY_OUT(frz_column_append_rows(&copy, from, 0, n_rows, err));
  }
  FRZ_TRY_OUT(frz_column_map_apply(&map, &copy, n_rows, alloc, &column_out->column, err));
  column_out->is_owned = true;
out:
  frz_column_dispose(&copy);
  return st;
}

frz_status frz_leaf_read(const frz_leaf *leaf, const frz_column *columns, int64_t n_rows,
                         const frz_alloc *alloc, frz_leaf_column *column_out, frz_error *err)
{
  bool is_masked = false;
  const frz_column *level = columns;
  for (size_t i = 0; i < leaf->depth; i++) {
    is_masked = is_masked || level[leaf->path[i]].n_nulls != 0;
    level = level[leaf->path[i]].children;
  }
  frz_leaf_column plain = {0};
  FRZ_TRY(read_unmasked(leaf, level, n_rows, alloc, &plain, err));
  if (!is_masked || n_rows == 0) {
    *column_out = plain;
    return FRZ_OK;
  }
  frz_status st =
      copy_masked(leaf, columns, &plain.column, n_rows, alloc, &column_out->column, err);
  if (st == FRZ_OK) column_out->is_owned = true;
  frz_leaf_column_dispose(&plain);
  return st;
}

void frz_leaf_column_dispose(frz_leaf_column *column)
{
  if (column->is_owned) frz_column_dispose(&column->column);
  *column = (frz_leaf_column){0};
}

frz_status frz_leaf_key(const frz_leaf_column *leaf, int64_t row, frz_buf *out, frz_error *err)
{
  const frz_column *column = &leaf->column;
  if (frz_column_is_null(column, row)) return frz_buf_append_byte(out, 0, err);
  FRZ_TRY(frz_buf_append_byte(out, 1, err));
  if (column->type.kind == FRZ_ARROW_BOOL)
    return frz_buf_append_byte(out, frz_bit_get(column->values.data, row) ? 1 : 0, err);
  if (frz_arrow_type_has_offsets(column->type)) {
    frz_str bytes = frz_column_bytes(column, row);
    uint64_t size = bytes.size;
    FRZ_TRY(frz_buf_append(out, &size, sizeof size, err));
    return frz_buf_append_str(out, bytes, err);
  }
  size_t width = frz_arrow_value_bytes(column->type);
  const uint8_t *value = column->values.data + (size_t)row * width;
  if (column->type.kind == FRZ_ARROW_FLOAT32 || column->type.kind == FRZ_ARROW_FLOAT64) {
    double real;
    float narrow;
    if (width == 4) {
      memcpy(&narrow, value, sizeof narrow);
      real = (double)narrow;
    } else {
      memcpy(&real, value, sizeof real);
    }
    if (isnan(real)) real = (double)NAN;
    return frz_buf_append(out, &real, sizeof real, err);
  }
  return frz_buf_append(out, value, width, err);
}
