/*
 * arrow_type.c - Arrow types: sizes, comparison, words, and parsing of foreign schemas.
 *
 * Formats are short texts ("l", "tsu:UTC", "+w:3"). Layouts that frazil does not work on are
 * mapped to those it does; arrow_import.c turns the arrays accordingly, and both must agree.
 *
 * Source: Apache Arrow, "The Arrow C data interface", "Data type description".
 */
#include "arrow/arrow_type.h"

#include <stdio.h>
#include <string.h>

#include "arrow/arrow_format.h"
#include "base/limits.h"

size_t frz_arrow_value_bytes(frz_arrow_type type)
{
  switch (type.kind) {
  case FRZ_ARROW_INT8:
  case FRZ_ARROW_UINT8: return 1;
  case FRZ_ARROW_INT16:
  case FRZ_ARROW_UINT16:
  case FRZ_ARROW_FLOAT16: return 2;
  case FRZ_ARROW_INT32:
  case FRZ_ARROW_UINT32:
  case FRZ_ARROW_FLOAT32:
  case FRZ_ARROW_DATE32:
  case FRZ_ARROW_TIME32: return 4;
  case FRZ_ARROW_INT64:
  case FRZ_ARROW_UINT64:
  case FRZ_ARROW_FLOAT64:
  case FRZ_ARROW_TIME64:
  case FRZ_ARROW_TIMESTAMP:
  case FRZ_ARROW_DURATION: return 8;
  case FRZ_ARROW_DECIMAL128: return 16;
  case FRZ_ARROW_FIXED: return (size_t)type.byte_width;
  case FRZ_ARROW_NULL:
  case FRZ_ARROW_BOOL:
  case FRZ_ARROW_STRING:
  case FRZ_ARROW_BINARY:
  case FRZ_ARROW_LIST:
  case FRZ_ARROW_STRUCT:
  case FRZ_ARROW_MAP: return 0;
  }
  return 0;
}

bool frz_arrow_type_has_offsets(frz_arrow_type type)
{
  return type.kind == FRZ_ARROW_STRING || type.kind == FRZ_ARROW_BINARY ||
         type.kind == FRZ_ARROW_LIST || type.kind == FRZ_ARROW_MAP;
}

bool frz_arrow_type_equal(frz_arrow_type a, frz_arrow_type b)
{
  if (a.kind != b.kind) return false;
  switch (a.kind) {
  case FRZ_ARROW_TIME32:
  case FRZ_ARROW_TIME64:
  case FRZ_ARROW_DURATION: return a.unit == b.unit;
  case FRZ_ARROW_TIMESTAMP: return a.unit == b.unit && a.has_zone == b.has_zone;
  case FRZ_ARROW_DECIMAL128: return a.precision == b.precision && a.scale == b.scale;
  case FRZ_ARROW_FIXED: return a.byte_width == b.byte_width && a.is_uuid == b.is_uuid;
  case FRZ_ARROW_STRUCT: return a.is_variant == b.is_variant;
  default: return true;
  }
}

/* ---- words ---- */

static const char *const unit_names[] = {"s", "ms", "us", "ns"};

static const char *plain_name(frz_arrow_kind kind)
{
  static const char *const names[] = {
      [FRZ_ARROW_NULL] = "null",       [FRZ_ARROW_BOOL] = "bool",
      [FRZ_ARROW_INT8] = "int8",       [FRZ_ARROW_INT16] = "int16",
      [FRZ_ARROW_INT32] = "int32",     [FRZ_ARROW_INT64] = "int64",
      [FRZ_ARROW_UINT8] = "uint8",     [FRZ_ARROW_UINT16] = "uint16",
      [FRZ_ARROW_UINT32] = "uint32",   [FRZ_ARROW_UINT64] = "uint64",
      [FRZ_ARROW_FLOAT16] = "float16", [FRZ_ARROW_FLOAT32] = "float32",
      [FRZ_ARROW_FLOAT64] = "float64", [FRZ_ARROW_DATE32] = "date32",
      [FRZ_ARROW_STRING] = "string",   [FRZ_ARROW_BINARY] = "binary",
      [FRZ_ARROW_MAP] = "map"};
  const char *name = (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : NULL;
  return name != NULL ? name : "unknown";
}

static frz_str describe(const frz_arrow_field *field, int depth, frz_arena *arena);

static frz_str describe_children(const frz_arrow_field *field, int depth, frz_arena *arena)
{
  bool is_struct = field->type.kind == FRZ_ARROW_STRUCT;
  frz_str text = is_struct ? FRZ_STR("struct<") : FRZ_STR("map<");
  for (size_t i = 0; i < field->n_children; i++) {
    const frz_arrow_field *child = &field->children[i];
    frz_str type = describe(child, depth + 1, arena);
    frz_str name = is_struct ? child->name : FRZ_STR("");
    text = frz_arena_print(arena, "%.*s%s%.*s%s%.*s", FRZ_STR_ARG(text), i > 0 ? ", " : "",
                           FRZ_STR_ARG(name), is_struct ? ": " : "", FRZ_STR_ARG(type));
  }
  return frz_arena_print(arena, "%.*s>", FRZ_STR_ARG(text));
}

static frz_str describe(const frz_arrow_field *field, int depth, frz_arena *arena)
{
  frz_arrow_type type = field->type;
  const char *unit = unit_names[type.unit & 3];
  if (depth > FRZ_LIMIT_DEPTH) return FRZ_STR("...");
  switch (type.kind) {
  case FRZ_ARROW_DECIMAL128:
    return frz_arena_print(arena, "decimal(%d, %d)", type.precision, type.scale);
  case FRZ_ARROW_TIME32: return frz_arena_print(arena, "time32[%s]", unit);
  case FRZ_ARROW_TIME64: return frz_arena_print(arena, "time64[%s]", unit);
  case FRZ_ARROW_DURATION: return frz_arena_print(arena, "duration[%s]", unit);
  case FRZ_ARROW_TIMESTAMP:
    return frz_arena_print(arena, "timestamp[%s%s]", unit, type.has_zone ? ", UTC" : "");
  case FRZ_ARROW_FIXED:
    if (type.is_uuid) return FRZ_STR("uuid");
    return frz_arena_print(arena, "fixed[%d]", type.byte_width);
  case FRZ_ARROW_LIST: {
    if (field->n_children != 1) return FRZ_STR("list");
    frz_str item = describe(&field->children[0], depth + 1, arena);
    return frz_arena_print(arena, "list<%.*s>", FRZ_STR_ARG(item));
  }
  case FRZ_ARROW_STRUCT:
    return type.is_variant ? FRZ_STR("variant") : describe_children(field, depth, arena);
  case FRZ_ARROW_MAP:
    if (field->n_children != 1) return FRZ_STR("map");
    return describe_children(&(frz_arrow_field){.type = type,
                                                .children = field->children[0].children,
                                                .n_children = field->children[0].n_children},
                             depth, arena);
  default: return frz_str_from(plain_name(type.kind));
  }
}

frz_str frz_arrow_field_describe(const frz_arrow_field *field, frz_arena *arena)
{
  frz_str text = describe(field, 0, arena);
  return text.data != NULL ? text : FRZ_STR("type");
}

frz_status frz_arrow_field_copy(const frz_arrow_field *field, frz_arena *arena,
                                frz_arrow_field *copy_out, frz_error *err)
{
  frz_arrow_field copy = *field;
  copy.name = frz_arena_copy(arena, field->name);
  if (copy.name.data == NULL) return frz_fail_nomem(err, "field name");
  if (field->n_children > 0) {
    copy.children = frz_arena_array(arena, field->n_children, sizeof *copy.children);
    if (copy.children == NULL) return frz_fail_nomem(err, "field children");
  }
  for (size_t i = 0; i < field->n_children; i++)
    FRZ_TRY(frz_arrow_field_copy(&field->children[i], arena, &copy.children[i], err));
  *copy_out = copy;
  return FRZ_OK;
}

/* ---- formats ---- */

/* A decimal number at `*text`, moved past it. */
static bool take_number(const char **text, int64_t *value_out)
{
  const char *at = *text;
  bool negative = *at == '-';
  if (negative) at++;
  if (*at < '0' || *at > '9') return false;
  int64_t value = 0;
  for (; *at >= '0' && *at <= '9'; at++) {
    value = value * 10 + (*at - '0');
    if (value > INT32_MAX) return false;
  }
  *text = at;
  *value_out = negative ? -value : value;
  return true;
}

static bool parse_decimal(const char *text, frz_arrow_format *format)
{
  int64_t precision, scale;
  int64_t bits = 128;
  if (!take_number(&text, &precision) || *text++ != ',' || !take_number(&text, &scale))
    return false;
  if (*text == ',') {
    text++;
    if (!take_number(&text, &bits)) return false;
  }
  if (*text != '\0' || (bits != 32 && bits != 64 && bits != 128)) return false;
  if (precision < 1 || precision > 38 || scale < -38 || scale > 38) return false;
  format->type.kind = FRZ_ARROW_DECIMAL128;
  format->type.byte_width = 16;
  format->type.precision = (int32_t)precision;
  format->type.scale = (int32_t)scale;
  format->source_bytes = (int32_t)(bits / 8);
  return true;
}

static bool parse_unit(char letter, frz_time_unit *unit_out)
{
  switch (letter) {
  case 's': *unit_out = FRZ_UNIT_S; return true;
  case 'm': *unit_out = FRZ_UNIT_MS; return true;
  case 'u': *unit_out = FRZ_UNIT_US; return true;
  case 'n': *unit_out = FRZ_UNIT_NS; return true;
  default: return false;
  }
}

static bool parse_time(const char *text, frz_arrow_format *format)
{
  frz_arrow_type *type = &format->type;
  if (text[0] == '\0' || text[1] == '\0') return false;
  if (strcmp(text, "dD") == 0) {
    type->kind = FRZ_ARROW_DATE32;
    return true;
  }
  if (strcmp(text, "dm") == 0) {
    type->kind = FRZ_ARROW_DATE32;
    format->layout = FRZ_LAYOUT_DATE64;
    return true;
  }
  if (!parse_unit(text[1], &type->unit)) return false;
  if (text[0] == 's' && text[2] == ':') {
    type->kind = FRZ_ARROW_TIMESTAMP;
    type->has_zone = text[3] != '\0';
    return true;
  }
  if (text[2] != '\0') return false;
  if (text[0] == 't')
    type->kind = type->unit <= FRZ_UNIT_MS ? FRZ_ARROW_TIME32 : FRZ_ARROW_TIME64;
  else if (text[0] == 'D')
    type->kind = FRZ_ARROW_DURATION;
  else
    return false;
  return true;
}

static bool parse_nested(const char *text, frz_arrow_format *format)
{
  frz_arrow_type *type = &format->type;
  if (strcmp(text, "s") == 0) {
    type->kind = FRZ_ARROW_STRUCT;
    return true;
  }
  if (strcmp(text, "m") == 0) {
    type->kind = FRZ_ARROW_MAP;
    return true;
  }
  type->kind = FRZ_ARROW_LIST;
  if (strcmp(text, "l") == 0) return true;
  if (strcmp(text, "L") == 0) {
    format->layout = FRZ_LAYOUT_LARGE;
    return true;
  }
  if (text[0] != 'w' || text[1] != ':') return false;
  int64_t items;
  text += 2;
  if (!take_number(&text, &items) || *text != '\0' || items < 0) return false;
  format->layout = FRZ_LAYOUT_FIXED_LIST;
  format->list_items = (int32_t)items;
  return true;
}

static bool parse_letter(char letter, frz_arrow_format *format)
{
  static const struct {
    char letter;
    frz_arrow_kind kind;
    frz_arrow_layout layout;
  } letters[] = {
      {'n', FRZ_ARROW_NULL, FRZ_LAYOUT_NORMAL},    {'b', FRZ_ARROW_BOOL, FRZ_LAYOUT_NORMAL},
      {'c', FRZ_ARROW_INT8, FRZ_LAYOUT_NORMAL},    {'C', FRZ_ARROW_UINT8, FRZ_LAYOUT_NORMAL},
      {'s', FRZ_ARROW_INT16, FRZ_LAYOUT_NORMAL},   {'S', FRZ_ARROW_UINT16, FRZ_LAYOUT_NORMAL},
      {'i', FRZ_ARROW_INT32, FRZ_LAYOUT_NORMAL},   {'I', FRZ_ARROW_UINT32, FRZ_LAYOUT_NORMAL},
      {'l', FRZ_ARROW_INT64, FRZ_LAYOUT_NORMAL},   {'L', FRZ_ARROW_UINT64, FRZ_LAYOUT_NORMAL},
      {'e', FRZ_ARROW_FLOAT16, FRZ_LAYOUT_NORMAL}, {'f', FRZ_ARROW_FLOAT32, FRZ_LAYOUT_NORMAL},
      {'g', FRZ_ARROW_FLOAT64, FRZ_LAYOUT_NORMAL}, {'u', FRZ_ARROW_STRING, FRZ_LAYOUT_NORMAL},
      {'z', FRZ_ARROW_BINARY, FRZ_LAYOUT_NORMAL},  {'U', FRZ_ARROW_STRING, FRZ_LAYOUT_LARGE},
      {'Z', FRZ_ARROW_BINARY, FRZ_LAYOUT_LARGE}};
  for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
    if (letters[i].letter != letter) continue;
    format->type.kind = letters[i].kind;
    format->layout = letters[i].layout;
    return true;
  }
  return false;
}

bool frz_arrow_format_parse(const char *text, frz_arrow_format *format_out)
{
  frz_arrow_format format = {.layout = FRZ_LAYOUT_NORMAL};
  bool good = false;
  if (text == NULL || text[0] == '\0') return false;
  if (text[1] == '\0') {
    good = parse_letter(text[0], &format);
  } else if (text[0] == 'd' && text[1] == ':') {
    good = parse_decimal(text + 2, &format);
  } else if (text[0] == 't') {
    good = parse_time(text + 1, &format);
  } else if (text[0] == '+') {
    good = parse_nested(text + 1, &format);
  } else if (text[0] == 'v' && (text[1] == 'u' || text[1] == 'z') && text[2] == '\0') {
    format.type.kind = text[1] == 'u' ? FRZ_ARROW_STRING : FRZ_ARROW_BINARY;
    format.layout = FRZ_LAYOUT_VIEW;
    good = true;
  } else if (text[0] == 'w' && text[1] == ':') {
    int64_t width;
    text += 2;
    good =
        take_number(&text, &width) && *text == '\0' && width > 0 && width <= FRZ_LIMIT_FIXED_BYTES;
    format.type.kind = FRZ_ARROW_FIXED;
    format.type.byte_width = good ? (int32_t)width : 0;
  }
  if (good) *format_out = format;
  return good;
}

/* ---- metadata ---- */

frz_str frz_arrow_metadata_find(const char *metadata, const char *key)
{
  frz_str none = {NULL, 0};
  if (metadata == NULL) return none;
  int32_t n;
  memcpy(&n, metadata, sizeof n);
  metadata += sizeof n;
  for (int32_t i = 0; i < n; i++) {
    frz_str parts[2];
    for (int j = 0; j < 2; j++) {
      int32_t size;
      memcpy(&size, metadata, sizeof size);
      if (size < 0) return none;
      parts[j] = (frz_str){metadata + sizeof size, (size_t)size};
      metadata += sizeof size + (size_t)size;
    }
    if (frz_str_is(parts[0], key)) return parts[1];
  }
  return none;
}

static int32_t parse_field_id(const char *metadata)
{
  frz_str text = frz_arrow_metadata_find(metadata, "PARQUET:field_id");
  int64_t id = 0;
  if (text.size == 0 || text.size > 10) return -1;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return -1;
    id = id * 10 + (text.data[i] - '0');
  }
  return id <= INT32_MAX ? (int32_t)id : -1;
}

/* ---- import ---- */

static frz_status import_field(const struct ArrowSchema *schema, int depth, frz_arena *arena,
                               frz_arrow_field *field_out, frz_error *err);

static frz_status check_children(const struct ArrowSchema *schema, frz_arrow_kind kind,
                                 frz_error *err)
{
  const char *name = schema->name != NULL ? schema->name : "";
  bool fits = kind == FRZ_ARROW_STRUCT                          ? schema->n_children >= 0
              : kind == FRZ_ARROW_LIST || kind == FRZ_ARROW_MAP ? schema->n_children == 1
                                                                : schema->n_children == 0;
  if (!fits || schema->n_children > FRZ_LIMIT_SCHEMA_FIELDS ||
      (schema->n_children > 0 && schema->children == NULL))
    return frz_fail(err, FRZ_ERR_INVALID, "column '%s': format '%s' with %lld children", name,
                    schema->format, (long long)schema->n_children);
  for (int64_t i = 0; i < schema->n_children; i++)
    if (schema->children[i] == NULL || schema->children[i]->release == NULL)
      return frz_fail(err, FRZ_ERR_INVALID, "column '%s': child %lld is missing", name,
                      (long long)i);
  return FRZ_OK;
}

static frz_status import_children(const struct ArrowSchema *schema, int depth, frz_arena *arena,
                                  frz_arrow_field *field, frz_error *err)
{
  FRZ_TRY(check_children(schema, field->type.kind, err));
  field->n_children = (size_t)schema->n_children;
  field->children = frz_arena_array(arena, field->n_children, sizeof *field->children);
  if (field->children == NULL) return frz_fail_nomem(err, "schema");
  for (size_t i = 0; i < field->n_children; i++)
    FRZ_TRY(import_field(schema->children[i], depth + 1, arena, &field->children[i], err));
  if (field->type.kind == FRZ_ARROW_MAP &&
      (field->children[0].type.kind != FRZ_ARROW_STRUCT || field->children[0].n_children != 2))
    return frz_fail(err, FRZ_ERR_INVALID, "column '%s': a map whose entries are not key and value",
                    schema->name != NULL ? schema->name : "");
  return FRZ_OK;
}

/* A variant of any other form, as one in parts of several types, is a struct like others. */
static bool is_variant(const frz_arrow_field *field, frz_str extension)
{
  bool has_name = frz_str_is(extension, "arrow.parquet.variant") ||
                  frz_str_is(extension, "parquet.variant"); /* what Arrow C++ called it at first */
  if (!has_name || field->type.kind != FRZ_ARROW_STRUCT || field->n_children != 2) return false;
  const frz_arrow_field *metadata = &field->children[0];
  const frz_arrow_field *value = &field->children[1];
  if (frz_str_is(metadata->name, "value")) {
    value = metadata;
    metadata = &field->children[1];
  }
  return frz_str_is(metadata->name, "metadata") && frz_str_is(value->name, "value") &&
         metadata->type.kind == FRZ_ARROW_BINARY && value->type.kind == FRZ_ARROW_BINARY;
}

static frz_status import_field(const struct ArrowSchema *schema, int depth, frz_arena *arena,
                               frz_arrow_field *field_out, frz_error *err)
{
  frz_arrow_field field = {.field_id = -1};
  frz_str name = frz_str_from(schema->name);
  const struct ArrowSchema *values = schema->dictionary != NULL ? schema->dictionary : schema;
  frz_arrow_format format;
  if (depth > FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "column '%.*s': more than %d types nested",
                    FRZ_STR_ARG(name), FRZ_LIMIT_DEPTH);
  if (values->dictionary != NULL || !frz_arrow_format_parse(values->format, &format))
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "column '%.*s': Arrow format '%s' is not supported",
                    FRZ_STR_ARG(name), values->format != NULL ? values->format : "");
  field.name = frz_arena_copy(arena, name);
  if (field.name.data == NULL) return frz_fail_nomem(err, "schema");
  field.type = format.type;
  field.nullable = (schema->flags & ARROW_FLAG_NULLABLE) != 0;
  field.field_id = parse_field_id(schema->metadata);
  frz_str extension = frz_arrow_metadata_find(schema->metadata, "ARROW:extension:name");
  if (field.type.kind == FRZ_ARROW_FIXED && field.type.byte_width == 16)
    field.type.is_uuid = frz_str_is(extension, "arrow.uuid");
  FRZ_TRY(import_children(values, depth, arena, &field, err));
  field.type.is_variant = is_variant(&field, extension);
  *field_out = field;
  return FRZ_OK;
}

frz_status frz_arrow_field_import(const struct ArrowSchema *schema, frz_arena *arena,
                                  frz_arrow_field *field_out, frz_error *err)
{
  if (schema->release == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "Arrow schema was released already");
  return import_field(schema, 0, arena, field_out, err);
}
