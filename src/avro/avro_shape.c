/*
 * avro_shape.c - see avro_shape.h: from Avro types to Arrow fields.
 *
 * Each node is walked once for its shape and its field together. A logical type that does not fit
 * what it stands on is no logical type, as the specification says.
 *
 * What must stay true: the walk ends, whatever refers to what: records in themselves are refused,
 * and the nodes of a file are counted.
 */
#include "avro/avro_shape.h"

enum { UUID_BYTES = 16, DECIMAL_BYTES = 16, DECIMAL_PRECISION_MAX = 38 };

static bool has_logical(const frz_avro_type *type, const char *name)
{
  return frz_str_is(type->logical_type, name);
}

/* ---- primitives ---- */

static bool is_decimal(const frz_avro_type *type)
{
  return has_logical(type, "decimal") && type->precision > 0 &&
         type->precision <= DECIMAL_PRECISION_MAX && type->scale >= 0 &&
         type->scale <= type->precision;
}

static frz_arrow_type type_of_int(const frz_avro_type *type)
{
  if (has_logical(type, "date")) return (frz_arrow_type){.kind = FRZ_ARROW_DATE32};
  if (has_logical(type, "time-millis"))
    return (frz_arrow_type){.kind = FRZ_ARROW_TIME32, .unit = FRZ_UNIT_MS};
  return (frz_arrow_type){.kind = FRZ_ARROW_INT32};
}

static frz_arrow_type type_of_long(const frz_avro_type *type)
{
  static const struct {
    const char *name;
    frz_arrow_kind kind;
    frz_time_unit unit;
    bool may_have_zone;
  } table[] = {
      {"time-micros", FRZ_ARROW_TIME64, FRZ_UNIT_US, false},
      {"timestamp-millis", FRZ_ARROW_TIMESTAMP, FRZ_UNIT_MS, true},
      {"timestamp-micros", FRZ_ARROW_TIMESTAMP, FRZ_UNIT_US, true},
      {"timestamp-nanos", FRZ_ARROW_TIMESTAMP, FRZ_UNIT_NS, true},
      {"local-timestamp-millis", FRZ_ARROW_TIMESTAMP, FRZ_UNIT_MS, false},
      {"local-timestamp-micros", FRZ_ARROW_TIMESTAMP, FRZ_UNIT_US, false},
      {"local-timestamp-nanos", FRZ_ARROW_TIMESTAMP, FRZ_UNIT_NS, false},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (has_logical(type, table[i].name))
      return (frz_arrow_type){.kind = table[i].kind,
                              .unit = table[i].unit,
                              .has_zone = table[i].may_have_zone && type->adjust_to_utc};
  return (frz_arrow_type){.kind = FRZ_ARROW_INT64};
}

static void shape_decimal(frz_avro_shape *shape, frz_arrow_type *type_out)
{
  shape->decoding = FRZ_DECODE_DECIMAL;
  *type_out = (frz_arrow_type){.kind = FRZ_ARROW_DECIMAL128,
                               .byte_width = DECIMAL_BYTES,
                               .precision = shape->type->precision,
                               .scale = shape->type->scale};
}

static frz_status shape_fixed(frz_avro_shape *shape, frz_arrow_type *type_out, frz_error *err)
{
  const frz_avro_type *type = shape->type;
  if (is_decimal(type) && type->fixed_bytes > 0) {
    shape_decimal(shape, type_out);
    return FRZ_OK;
  }
  if (type->fixed_bytes == 0)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "fixed '%.*s' of no bytes", FRZ_STR_ARG(type->name));
  shape->decoding = FRZ_DECODE_FIXED;
  shape->width = (size_t)type->fixed_bytes;
  *type_out =
      (frz_arrow_type){.kind = FRZ_ARROW_FIXED,
                       .byte_width = type->fixed_bytes,
                       .is_uuid = has_logical(type, "uuid") && type->fixed_bytes == UUID_BYTES};
  return FRZ_OK;
}

static void shape_text(frz_avro_shape *shape, frz_arrow_type *type_out)
{
  bool is_uuid = has_logical(shape->type, "uuid");
  shape->decoding = is_uuid ? FRZ_DECODE_UUID_TEXT : FRZ_DECODE_BYTES;
  *type_out =
      is_uuid ? (frz_arrow_type){.kind = FRZ_ARROW_FIXED, .byte_width = UUID_BYTES, .is_uuid = true}
              : (frz_arrow_type){.kind = FRZ_ARROW_STRING};
}

static frz_status shape_primitive(frz_avro_shape *shape, frz_arrow_type *type_out, frz_error *err)
{
  const frz_avro_type *type = shape->type;
  switch (type->kind) {
  case FRZ_AVRO_NULL:
    shape->decoding = FRZ_DECODE_NULL;
    *type_out = (frz_arrow_type){.kind = FRZ_ARROW_NULL};
    return FRZ_OK;
  case FRZ_AVRO_BOOLEAN:
    shape->decoding = FRZ_DECODE_BOOLEAN;
    *type_out = (frz_arrow_type){.kind = FRZ_ARROW_BOOL};
    return FRZ_OK;
  case FRZ_AVRO_INT:
    shape->decoding = FRZ_DECODE_INT;
    *type_out = type_of_int(type);
    return FRZ_OK;
  case FRZ_AVRO_LONG:
    shape->decoding = FRZ_DECODE_LONG;
    *type_out = type_of_long(type);
    return FRZ_OK;
  case FRZ_AVRO_FLOAT:
  case FRZ_AVRO_DOUBLE:
    shape->decoding = FRZ_DECODE_FIXED;
    shape->width = type->kind == FRZ_AVRO_FLOAT ? 4 : 8;
    *type_out = (frz_arrow_type){.kind = shape->width == 4 ? FRZ_ARROW_FLOAT32 : FRZ_ARROW_FLOAT64};
    return FRZ_OK;
  case FRZ_AVRO_BYTES:
    shape->decoding = FRZ_DECODE_BYTES;
    *type_out = (frz_arrow_type){.kind = FRZ_ARROW_BINARY};
    if (is_decimal(type)) shape_decimal(shape, type_out);
    return FRZ_OK;
  case FRZ_AVRO_STRING: shape_text(shape, type_out); return FRZ_OK;
  case FRZ_AVRO_ENUM:
    shape->decoding = FRZ_DECODE_ENUM;
    *type_out = (frz_arrow_type){.kind = FRZ_ARROW_STRING};
    return FRZ_OK;
  case FRZ_AVRO_FIXED: return shape_fixed(shape, type_out, err);
  default: return frz_fail(err, FRZ_ERR_UNSUPPORTED, "a union in a union");
  }
}

/* ---- unions ---- */

static frz_status open_union(frz_avro_shape *shape, frz_error *err)
{
  const frz_avro_type *type = shape->stored;
  shape->type = type;
  shape->null_branch = -1;
  if (type->kind != FRZ_AVRO_UNION) return FRZ_OK;
  shape->is_union = true;
  if (type->n_branches == 1) {
    shape->type = type->branches[0];
    return FRZ_OK;
  }
  for (size_t i = 0; i < type->n_branches && type->n_branches == 2; i++) {
    if (type->branches[i]->kind != FRZ_AVRO_NULL) continue;
    shape->null_branch = (int32_t)i;
    shape->type = type->branches[1 - i];
    return FRZ_OK;
  }
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "a union of %zu types that is not 'null' and one more",
                  type->n_branches);
}

/* ---- nested types ---- */

static frz_status make(frz_avro_shaper *shaper, const frz_avro_type *type, frz_avro_shape *shape,
                       frz_arrow_field *field, frz_error *err);

static bool take_leaf(frz_avro_shaper *shaper)
{
  size_t leaf = shaper->n_leaves++;
  return shaper->selected == NULL || shaper->selected[leaf];
}

static frz_status new_children(frz_avro_shaper *shaper, size_t n_shapes, size_t n_fields,
                               frz_avro_shape *shape, frz_arrow_field *field, frz_error *err)
{
  shape->children = frz_arena_array(shaper->arena, n_shapes, sizeof *shape->children);
  field->children = frz_arena_array(shaper->arena, n_fields, sizeof *field->children);
  if (shape->children == NULL || field->children == NULL)
    return frz_fail_nomem(err, "columns of an avro file");
  shape->n_children = n_shapes;
  return FRZ_OK;
}

static frz_status check_path(const frz_avro_shaper *shaper, const frz_avro_type *type,
                             frz_error *err)
{
  if (shaper->n_path == FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "nested deeper than %d levels", FRZ_LIMIT_DEPTH);
  for (size_t i = 0; i < shaper->n_path; i++)
    if (shaper->path[i] == type)
      return frz_fail(err, FRZ_ERR_UNSUPPORTED, "record '%.*s' contains itself",
                      FRZ_STR_ARG(type->name));
  return FRZ_OK;
}

static frz_status make_record(frz_avro_shaper *shaper, frz_avro_shape *shape,
                              frz_arrow_field *field, frz_error *err)
{
  const frz_avro_type *type = shape->type;
  shape->decoding = FRZ_DECODE_RECORD;
  field->type = (frz_arrow_type){.kind = FRZ_ARROW_STRUCT};
  FRZ_TRY(new_children(shaper, type->n_fields, type->n_fields, shape, field, err));
  if (type->n_fields == 0) shape->is_wanted = take_leaf(shaper);
  for (size_t i = 0; i < type->n_fields; i++) {
    frz_avro_shape *child = &shape->children[i];
    frz_arrow_field *made = &field->children[field->n_children];
    FRZ_TRY(make(shaper, type->fields[i].type, child, made, err));
    if (!child->is_wanted) continue;
    made->name = type->fields[i].name;
    made->field_id = type->fields[i].field_id;
    child->column = field->n_children++;
    shape->padding_bytes += child->padding_bytes;
    shape->is_wanted = true;
  }
  return FRZ_OK;
}

static bool is_map_entry(const frz_avro_type *array)
{
  const frz_avro_type *element = array->branches[0];
  return has_logical(array, "map") && element->kind == FRZ_AVRO_RECORD && element->n_fields == 2;
}

/* Keys and values are wanted together: one without the other is no map. */
static frz_status make_entries(frz_avro_shaper *shaper, const frz_avro_type *element,
                               frz_avro_shape *shape, frz_arrow_field *field, frz_error *err)
{
  const bool *selected = shaper->selected;
  size_t n_leaves = shaper->n_leaves;
  FRZ_TRY(make(shaper, element, shape, field, err));
  if (shape->is_wanted && field->n_children != 2) {
    shaper->selected = NULL;
    shaper->n_leaves = n_leaves;
    frz_status st = make(shaper, element, shape, field, err);
    shaper->selected = selected;
    FRZ_TRY(st);
  }
  shape->children[0].refuses_null = true;
  if (!shape->is_wanted) return FRZ_OK;
  field->children[0].name = FRZ_STR("key");
  field->children[0].nullable = false;
  field->children[1].name = FRZ_STR("value");
  return FRZ_OK;
}

static frz_status make_array(frz_avro_shaper *shaper, frz_avro_shape *shape, frz_arrow_field *field,
                             frz_error *err)
{
  const frz_avro_type *type = shape->type;
  bool is_map = is_map_entry(type);
  shape->decoding = FRZ_DECODE_ARRAY;
  field->type = (frz_arrow_type){.kind = is_map ? FRZ_ARROW_MAP : FRZ_ARROW_LIST};
  field->n_children = 1;
  FRZ_TRY(new_children(shaper, 1, 1, shape, field, err));
  frz_avro_shape *element = &shape->children[0];
  if (is_map)
    FRZ_TRY(make_entries(shaper, type->branches[0], element, &field->children[0], err));
  else
    FRZ_TRY(make(shaper, type->branches[0], element, &field->children[0], err));
  field->children[0].name = is_map ? FRZ_STR("key_value") : FRZ_STR("element");
  field->children[0].field_id = is_map ? -1 : type->element_id;
  shape->is_wanted = element->is_wanted;
  return FRZ_OK;
}

static frz_status make_map(frz_avro_shaper *shaper, frz_avro_shape *shape, frz_arrow_field *field,
                           frz_error *err)
{
  const frz_avro_type *type = shape->type;
  shape->decoding = FRZ_DECODE_MAP;
  field->type = (frz_arrow_type){.kind = FRZ_ARROW_MAP};
  field->n_children = 1;
  FRZ_TRY(new_children(shaper, 1, 1, shape, field, err));
  frz_arrow_field *pair = frz_arena_array(shaper->arena, 2, sizeof *pair);
  if (pair == NULL) return frz_fail_nomem(err, "columns of an avro file");
  bool wants_key = take_leaf(shaper);
  size_t n_leaves = shaper->n_leaves;
  FRZ_TRY(make(shaper, type->branches[0], &shape->children[0], &pair[1], err));
  shape->is_wanted = wants_key || shape->children[0].is_wanted;
  if (wants_key && !shape->children[0].is_wanted) {
    const bool *selected = shaper->selected;
    shaper->selected = NULL;
    shaper->n_leaves = n_leaves;
    frz_status st = make(shaper, type->branches[0], &shape->children[0], &pair[1], err);
    shaper->selected = selected;
    FRZ_TRY(st);
  }
  pair[0] = (frz_arrow_field){
      .name = FRZ_STR("key"), .field_id = type->key_id, .type = {.kind = FRZ_ARROW_STRING}};
  pair[1].name = FRZ_STR("value");
  pair[1].field_id = type->value_id;
  field->children[0] = (frz_arrow_field){.name = FRZ_STR("key_value"),
                                         .field_id = -1,
                                         .type = {.kind = FRZ_ARROW_STRUCT},
                                         .children = pair,
                                         .n_children = 2};
  return FRZ_OK;
}

/* ---- any type ---- */

static frz_status make_nested(frz_avro_shaper *shaper, frz_avro_shape *shape,
                              frz_arrow_field *field, frz_error *err)
{
  FRZ_TRY(check_path(shaper, shape->type, err));
  shaper->path[shaper->n_path++] = shape->type;
  frz_status st = shape->type->kind == FRZ_AVRO_RECORD  ? make_record(shaper, shape, field, err)
                  : shape->type->kind == FRZ_AVRO_ARRAY ? make_array(shaper, shape, field, err)
                                                        : make_map(shaper, shape, field, err);
  shaper->n_path--;
  return st;
}

static frz_status make(frz_avro_shaper *shaper, const frz_avro_type *type, frz_avro_shape *shape,
                       frz_arrow_field *field, frz_error *err)
{
  if (++shaper->n_nodes > FRZ_LIMIT_SCHEMA_FIELDS)
    return frz_fail(err, FRZ_ERR_LIMIT, "more than %d columns, nested ones counted",
                    FRZ_LIMIT_SCHEMA_FIELDS);
  *shape = (frz_avro_shape){.stored = type};
  *field = (frz_arrow_field){.field_id = -1};
  FRZ_TRY(open_union(shape, err));
  frz_avro_kind kind = shape->type->kind;
  if (kind == FRZ_AVRO_RECORD || kind == FRZ_AVRO_ARRAY || kind == FRZ_AVRO_MAP) {
    FRZ_TRY(make_nested(shaper, shape, field, err));
  } else {
    FRZ_TRY(shape_primitive(shape, &field->type, err));
    shape->is_wanted = take_leaf(shaper);
    shape->padding_bytes = frz_arrow_value_bytes(field->type);
  }
  shape->padding_bytes++;
  field->nullable = shape->null_branch >= 0 || kind == FRZ_AVRO_NULL;
  return FRZ_OK;
}

frz_status frz_avro_shape_make(frz_avro_shaper *shaper, const frz_avro_field *field,
                               frz_avro_shape *shape_out, frz_arrow_field *field_out,
                               frz_error *err)
{
  shaper->n_path = 0;
  frz_status st = make(shaper, field->type, shape_out, field_out, err);
  if (st != FRZ_OK) {
    frz_error_where(err, "column '%.*s': ", FRZ_STR_ARG(field->name));
    return st;
  }
  field_out->name = field->name;
  field_out->field_id = field->field_id;
  return FRZ_OK;
}
