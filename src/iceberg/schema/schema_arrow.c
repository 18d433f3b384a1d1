/*
 * schema_arrow.c - Iceberg schemas to Arrow fields and back.
 *
 * Out: each Iceberg type has exactly one Arrow layout, which every column of frazil's rows of that
 * type has. In: an Arrow column gets the narrowest Iceberg type that holds all its values, and
 * fresh ids, those of a level before those below it.
 *
 * Source: Iceberg specification, "Schemas and Data Types"; Apache Arrow, "Columnar Format".
 */
#include "base/arena_list.h"
#include "base/limits.h"
#include "iceberg/schema/schema.h"

/* ---- out ---- */

static frz_arrow_type timestamp_type(frz_time_unit unit, bool has_zone)
{
  return (frz_arrow_type){.kind = FRZ_ARROW_TIMESTAMP, .unit = unit, .has_zone = has_zone};
}

static bool primitive_to_arrow(const frz_type *type, frz_arrow_type *out)
{
  frz_arrow_type arrow = {0};
  switch (type->kind) {
  case FRZ_TYPE_BOOLEAN: arrow.kind = FRZ_ARROW_BOOL; break;
  case FRZ_TYPE_INT: arrow.kind = FRZ_ARROW_INT32; break;
  case FRZ_TYPE_LONG: arrow.kind = FRZ_ARROW_INT64; break;
  case FRZ_TYPE_FLOAT: arrow.kind = FRZ_ARROW_FLOAT32; break;
  case FRZ_TYPE_DOUBLE: arrow.kind = FRZ_ARROW_FLOAT64; break;
  case FRZ_TYPE_DECIMAL:
    arrow = (frz_arrow_type){.kind = FRZ_ARROW_DECIMAL128,
                             .byte_width = 16,
                             .precision = type->precision,
                             .scale = type->scale};
    break;
  case FRZ_TYPE_DATE: arrow.kind = FRZ_ARROW_DATE32; break;
  case FRZ_TYPE_TIME:
    arrow = (frz_arrow_type){.kind = FRZ_ARROW_TIME64, .unit = FRZ_UNIT_US};
    break;
  case FRZ_TYPE_TIMESTAMP: arrow = timestamp_type(FRZ_UNIT_US, false); break;
  case FRZ_TYPE_TIMESTAMPTZ: arrow = timestamp_type(FRZ_UNIT_US, true); break;
  case FRZ_TYPE_TIMESTAMP_NS: arrow = timestamp_type(FRZ_UNIT_NS, false); break;
  case FRZ_TYPE_TIMESTAMPTZ_NS: arrow = timestamp_type(FRZ_UNIT_NS, true); break;
  case FRZ_TYPE_STRING: arrow.kind = FRZ_ARROW_STRING; break;
  case FRZ_TYPE_UUID:
    arrow = (frz_arrow_type){.kind = FRZ_ARROW_FIXED, .byte_width = 16, .is_uuid = true};
    break;
  case FRZ_TYPE_FIXED:
    arrow = (frz_arrow_type){.kind = FRZ_ARROW_FIXED, .byte_width = type->length};
    break;
  case FRZ_TYPE_BINARY: arrow.kind = FRZ_ARROW_BINARY; break;
  case FRZ_TYPE_UNKNOWN: arrow.kind = FRZ_ARROW_NULL; break;
  default: return false;
  }
  *out = arrow;
  return true;
}

static frz_status children_to_arrow(const frz_field *fields, size_t n_fields, frz_arena *arena,
                                    frz_arrow_field *out, frz_error *err)
{
  frz_arrow_field *children = frz_arena_array(arena, n_fields, sizeof *children);
  if (children == NULL) return frz_fail_nomem(err, "Arrow schema");
  for (size_t i = 0; i < n_fields; i++)
    FRZ_TRY(frz_field_to_arrow(&fields[i], arena, &children[i], err));
  out->children = children;
  out->n_children = n_fields;
  return FRZ_OK;
}

frz_status frz_field_to_arrow(const frz_field *field, frz_arena *arena, frz_arrow_field *field_out,
                              frz_error *err)
{
  frz_arrow_field arrow = {
      .name = field->name, .nullable = !field->required, .field_id = field->id};
  const frz_type *type = &field->type;
  if (primitive_to_arrow(type, &arrow.type)) {
    *field_out = arrow;
    return FRZ_OK;
  }
  const frz_field *fields = type->fields;
  size_t n_fields = type->n_fields;
  switch (type->kind) {
  case FRZ_TYPE_VARIANT:
    arrow.type = (frz_arrow_type){.kind = FRZ_ARROW_STRUCT, .is_variant = true};
    fields = frz_variant_fields;
    n_fields = FRZ_VARIANT_PARTS;
    break;
  case FRZ_TYPE_STRUCT: arrow.type.kind = FRZ_ARROW_STRUCT; break;
  case FRZ_TYPE_LIST: arrow.type.kind = FRZ_ARROW_LIST; break;
  case FRZ_TYPE_MAP: arrow.type.kind = FRZ_ARROW_MAP; break;
  default:
    return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                    "column '%.*s' (id %d): values of type %s are not supported",
                    FRZ_STR_ARG(field->name), (int)field->id, frz_type_kind_name(type->kind));
  }
  FRZ_TRY(children_to_arrow(fields, n_fields, arena, &arrow, err));
  if (type->kind == FRZ_TYPE_MAP) {
    frz_arrow_field *entries = frz_arena_array(arena, 1, sizeof *entries);
    if (entries == NULL) return frz_fail_nomem(err, "Arrow schema");
    *entries = (frz_arrow_field){.name = FRZ_STR("entries"),
                                 .field_id = -1,
                                 .type = {.kind = FRZ_ARROW_STRUCT},
                                 .children = arrow.children,
                                 .n_children = arrow.n_children};
    arrow.children = entries;
    arrow.n_children = 1;
  }
  *field_out = arrow;
  return FRZ_OK;
}

/* ---- in ---- */

typedef struct importer {
  frz_arena *arena;
  int32_t format_version;
  int32_t *next_id;
  size_t n_fields;
} importer;

static frz_type_kind timestamp_kind(const importer *in, frz_arrow_type arrow)
{
  if (arrow.unit == FRZ_UNIT_NS && in->format_version >= 3)
    return arrow.has_zone ? FRZ_TYPE_TIMESTAMPTZ_NS : FRZ_TYPE_TIMESTAMP_NS;
  return arrow.has_zone ? FRZ_TYPE_TIMESTAMPTZ : FRZ_TYPE_TIMESTAMP;
}

static bool primitive_from_arrow(const importer *in, frz_arrow_type arrow, frz_type *out)
{
  frz_type type = {0};
  switch (arrow.kind) {
  case FRZ_ARROW_NULL:
    if (in->format_version < 3) return false;
    type.kind = FRZ_TYPE_UNKNOWN;
    break;
  case FRZ_ARROW_STRUCT:
    if (!arrow.is_variant || in->format_version < 3) return false;
    type.kind = FRZ_TYPE_VARIANT;
    break;
  case FRZ_ARROW_BOOL: type.kind = FRZ_TYPE_BOOLEAN; break;
  case FRZ_ARROW_INT8:
  case FRZ_ARROW_INT16:
  case FRZ_ARROW_INT32:
  case FRZ_ARROW_UINT8:
  case FRZ_ARROW_UINT16: type.kind = FRZ_TYPE_INT; break;
  case FRZ_ARROW_INT64:
  case FRZ_ARROW_UINT32: type.kind = FRZ_TYPE_LONG; break;
  case FRZ_ARROW_FLOAT16:
  case FRZ_ARROW_FLOAT32: type.kind = FRZ_TYPE_FLOAT; break;
  case FRZ_ARROW_FLOAT64: type.kind = FRZ_TYPE_DOUBLE; break;
  case FRZ_ARROW_DECIMAL128:
    if (arrow.scale < 0 || arrow.scale > arrow.precision || arrow.precision > 38) return false;
    type = (frz_type){.kind = FRZ_TYPE_DECIMAL, .precision = arrow.precision, .scale = arrow.scale};
    break;
  case FRZ_ARROW_DATE32: type.kind = FRZ_TYPE_DATE; break;
  case FRZ_ARROW_TIME32:
  case FRZ_ARROW_TIME64: type.kind = FRZ_TYPE_TIME; break;
  case FRZ_ARROW_TIMESTAMP: type.kind = timestamp_kind(in, arrow); break;
  case FRZ_ARROW_STRING: type.kind = FRZ_TYPE_STRING; break;
  case FRZ_ARROW_BINARY: type.kind = FRZ_TYPE_BINARY; break;
  case FRZ_ARROW_FIXED:
    if (arrow.byte_width < 1 || arrow.byte_width > FRZ_LIMIT_FIXED_BYTES) return false;
    if (arrow.is_uuid && arrow.byte_width == 16)
      type.kind = FRZ_TYPE_UUID;
    else
      type = (frz_type){.kind = FRZ_TYPE_FIXED, .length = arrow.byte_width};
    break;
  default: return false;
  }
  *out = type;
  return true;
}

static frz_status import_type(importer *in, const frz_arrow_field *arrow, int depth,
                              frz_type *type_out, frz_error *err);

/* The names, ids and nullability of one level first, then what is below each. */
static frz_status import_level(importer *in, const frz_arrow_field *arrow, size_t n, int depth,
                               frz_field *fields, frz_error *err)
{
  if (n > FRZ_LIMIT_SCHEMA_FIELDS - in->n_fields)
    return frz_fail(err, FRZ_ERR_LIMIT, "schema: more than %d columns", FRZ_LIMIT_SCHEMA_FIELDS);
  in->n_fields += n;
  for (size_t i = 0; i < n; i++) {
    if (*in->next_id == INT32_MAX)
      return frz_fail(err, FRZ_ERR_LIMIT, "schema: no field id is left");
    fields[i] = (frz_field){.id = (*in->next_id)++, .required = !arrow[i].nullable};
    fields[i].name = frz_arena_keep(in->arena, arrow[i].name);
    if (fields[i].name.data == NULL) return frz_fail_nomem(err, "schema");
  }
  for (size_t i = 0; i < n; i++) {
    frz_status st = import_type(in, &arrow[i], depth, &fields[i].type, err);
    if (st != FRZ_OK) {
      if (st != FRZ_ERR_NOMEM) frz_error_where(err, "column '%.*s': ", FRZ_STR_ARG(arrow[i].name));
      return st;
    }
  }
  return FRZ_OK;
}

static frz_status import_nested(importer *in, frz_type_kind kind, const frz_arrow_field *children,
                                size_t n_children, int depth, frz_type *type_out, frz_error *err)
{
  if (depth >= FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "types nested deeper than %d", FRZ_LIMIT_DEPTH);
  frz_field *fields = frz_arena_array(in->arena, n_children, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "schema");
  FRZ_TRY(import_level(in, children, n_children, depth + 1, fields, err));
  if (kind == FRZ_TYPE_LIST) fields[0].name = FRZ_STR("element");
  if (kind == FRZ_TYPE_MAP) {
    fields[0].name = FRZ_STR("key");
    fields[0].required = true;
    fields[1].name = FRZ_STR("value");
  }
  *type_out = (frz_type){.kind = kind, .fields = fields, .n_fields = n_children};
  return FRZ_OK;
}

static frz_status import_type(importer *in, const frz_arrow_field *arrow, int depth,
                              frz_type *type_out, frz_error *err)
{
  if (primitive_from_arrow(in, arrow->type, type_out)) return FRZ_OK;
  bool is_struct = arrow->type.kind == FRZ_ARROW_STRUCT && !arrow->type.is_variant;
  if (is_struct && arrow->n_children != 0)
    return import_nested(in, FRZ_TYPE_STRUCT, arrow->children, arrow->n_children, depth, type_out,
                         err);
  if (arrow->type.kind == FRZ_ARROW_LIST && arrow->n_children == 1)
    return import_nested(in, FRZ_TYPE_LIST, arrow->children, 1, depth, type_out, err);
  if (arrow->type.kind == FRZ_ARROW_MAP && arrow->n_children == 1 &&
      arrow->children[0].n_children == 2)
    return import_nested(in, FRZ_TYPE_MAP, arrow->children[0].children, 2, depth, type_out, err);
  frz_str words = frz_arrow_field_describe(arrow, in->arena);
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "Arrow type %.*s has no Iceberg type in format v%d",
                  FRZ_STR_ARG(words), (int)in->format_version);
}

frz_status frz_schema_from_arrow(const frz_arrow_field *fields, size_t n_fields,
                                 int32_t format_version, int32_t *next_id_inout, frz_arena *arena,
                                 frz_schema *schema_out, frz_error *err)
{
  int32_t next_id = *next_id_inout;
  importer in = {arena, format_version, &next_id, 0};
  frz_field *level = frz_arena_array(arena, n_fields, sizeof *level);
  if (level == NULL) return frz_fail_nomem(err, "schema");
  FRZ_TRY(import_level(&in, fields, n_fields, 0, level, err));
  frz_schema schema = {.root = {.kind = FRZ_TYPE_STRUCT, .fields = level, .n_fields = n_fields}};
  FRZ_TRY(frz_schema_validate(&schema, arena->alloc, FRZ_ERR_INVALID, err));
  *next_id_inout = next_id;
  *schema_out = schema;
  return FRZ_OK;
}

frz_status frz_field_from_arrow(const frz_arrow_field *arrow, int32_t format_version,
                                int32_t *next_id_inout, frz_arena *arena, frz_field *field_out,
                                frz_error *err)
{
  int32_t next_id = *next_id_inout;
  importer in = {arena, format_version, &next_id, 0};
  frz_field field;
  FRZ_TRY(import_level(&in, arrow, 1, 0, &field, err));
  frz_schema alone = {.root = {.kind = FRZ_TYPE_STRUCT, .fields = &field, .n_fields = 1}};
  FRZ_TRY(frz_schema_validate(&alone, arena->alloc, FRZ_ERR_INVALID, err));
  *next_id_inout = next_id;
  *field_out = field;
  return FRZ_OK;
}
