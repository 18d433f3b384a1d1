/*
 * schema.c - Iceberg types and schemas: names, comparison and lookup.
 *
 * A schema is a tree of fields. Nesting is limited to FRZ_LIMIT_DEPTH where schemas are made
 * (schema_json.c, schema_arrow.c), so the recursion here is bounded. Lookups walk the tree:
 * schemas are small beside the data they describe, and callers look up once a scan.
 *
 * Source: Iceberg specification, "Schemas and Data Types", "Schema Evolution".
 */
#include "iceberg/schema/schema.h"

#include <limits.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/limits.h"

typedef struct primitive_name {
  const char *name;
  frz_type_kind kind;
} primitive_name;

static const primitive_name primitive_names[] = {
    {"boolean", FRZ_TYPE_BOOLEAN},
    {"int", FRZ_TYPE_INT},
    {"long", FRZ_TYPE_LONG},
    {"float", FRZ_TYPE_FLOAT},
    {"double", FRZ_TYPE_DOUBLE},
    {"date", FRZ_TYPE_DATE},
    {"time", FRZ_TYPE_TIME},
    {"timestamp", FRZ_TYPE_TIMESTAMP},
    {"timestamptz", FRZ_TYPE_TIMESTAMPTZ},
    {"timestamp_ns", FRZ_TYPE_TIMESTAMP_NS},
    {"timestamptz_ns", FRZ_TYPE_TIMESTAMPTZ_NS},
    {"string", FRZ_TYPE_STRING},
    {"uuid", FRZ_TYPE_UUID},
    {"binary", FRZ_TYPE_BINARY},
    {"unknown", FRZ_TYPE_UNKNOWN},
    {"variant", FRZ_TYPE_VARIANT},
    {"geometry", FRZ_TYPE_GEOMETRY},
    {"geography", FRZ_TYPE_GEOGRAPHY},
};

const frz_field frz_variant_fields[FRZ_VARIANT_PARTS] = {
    {.id = -1, .name = {"metadata", 8}, .required = true, .type = {.kind = FRZ_TYPE_BINARY}},
    {.id = -1, .name = {"value", 5}, .required = true, .type = {.kind = FRZ_TYPE_BINARY}},
};

enum { N_PRIMITIVE_NAMES = sizeof primitive_names / sizeof primitive_names[0] };

const char *frz_type_kind_name(frz_type_kind kind)
{
  for (size_t i = 0; i < N_PRIMITIVE_NAMES; i++)
    if (primitive_names[i].kind == kind) return primitive_names[i].name;
  switch (kind) {
  case FRZ_TYPE_DECIMAL: return "decimal";
  case FRZ_TYPE_FIXED: return "fixed";
  case FRZ_TYPE_STRUCT: return "struct";
  case FRZ_TYPE_LIST: return "list";
  case FRZ_TYPE_MAP: return "map";
  default: return "type";
  }
}

static bool is_geo(frz_type_kind kind)
{
  return kind == FRZ_TYPE_GEOMETRY || kind == FRZ_TYPE_GEOGRAPHY;
}

bool frz_type_needs_version_3(const frz_type *type)
{
  return type->kind == FRZ_TYPE_TIMESTAMP_NS || type->kind == FRZ_TYPE_TIMESTAMPTZ_NS ||
         type->kind == FRZ_TYPE_UNKNOWN || type->kind == FRZ_TYPE_VARIANT || is_geo(type->kind);
}

/* ---- comparison ---- */

static bool fields_equal(const frz_field *a, const frz_field *b)
{
  return a->id == b->id && a->required == b->required && frz_str_equal(a->name, b->name) &&
         frz_type_equal(&a->type, &b->type);
}

bool frz_type_equal(const frz_type *a, const frz_type *b)
{
  if (a->kind != b->kind || a->n_fields != b->n_fields) return false;
  if (a->kind == FRZ_TYPE_DECIMAL) return a->precision == b->precision && a->scale == b->scale;
  if (a->kind == FRZ_TYPE_FIXED) return a->length == b->length;
  if (!frz_str_equal(a->text, b->text)) return false;
  for (size_t i = 0; i < a->n_fields; i++)
    if (!fields_equal(&a->fields[i], &b->fields[i])) return false;
  return true;
}

/* As frz_type_equal(), and with docs and defaults: a change of those is a new schema. */
static bool same_type(const frz_type *a, const frz_type *b)
{
  if (a->kind != b->kind || a->n_fields != b->n_fields || a->precision != b->precision ||
      a->scale != b->scale || a->length != b->length || !frz_str_equal(a->text, b->text))
    return false;
  for (size_t i = 0; i < a->n_fields; i++) {
    const frz_field *x = &a->fields[i], *y = &b->fields[i];
    if (x->id != y->id || x->required != y->required || !frz_str_equal(x->name, y->name) ||
        !frz_str_equal(x->doc, y->doc) || !frz_str_equal(x->initial_default, y->initial_default) ||
        !frz_str_equal(x->write_default, y->write_default) || !same_type(&x->type, &y->type))
      return false;
  }
  return true;
}

bool frz_schema_same(const frz_schema *a, const frz_schema *b)
{
  return a->n_identifier_field_ids == b->n_identifier_field_ids &&
         (a->n_identifier_field_ids == 0 ||
          memcmp(a->identifier_field_ids, b->identifier_field_ids,
                 a->n_identifier_field_ids * sizeof(int32_t)) == 0) &&
         same_type(&a->root, &b->root);
}

bool frz_type_can_promote(const frz_type *from, const frz_type *to)
{
  if (frz_type_equal(from, to)) return true;
  switch (from->kind) {
  case FRZ_TYPE_INT: return to->kind == FRZ_TYPE_LONG;
  case FRZ_TYPE_FLOAT: return to->kind == FRZ_TYPE_DOUBLE;
  case FRZ_TYPE_DECIMAL:
    return to->kind == FRZ_TYPE_DECIMAL && to->scale == from->scale &&
           to->precision >= from->precision;
  default: return false;
  }
}

/* ---- text ---- */

/* A type in a message may be cut, one in metadata is a primitive and never that long. */
enum { PRINT_BYTES_MAX = 4096 };

static frz_status print_type(const frz_type *type, frz_buf *out)
{
  switch (type->kind) {
  case FRZ_TYPE_DECIMAL:
    return frz_buf_print(out, NULL, "decimal(%d, %d)", (int)type->precision, (int)type->scale);
  case FRZ_TYPE_FIXED: return frz_buf_print(out, NULL, "fixed[%d]", (int)type->length);
  case FRZ_TYPE_GEOMETRY:
  case FRZ_TYPE_GEOGRAPHY: return frz_buf_append_str(out, type->text, NULL);
  case FRZ_TYPE_STRUCT:
  case FRZ_TYPE_LIST:
  case FRZ_TYPE_MAP: break;
  default: return frz_buf_append_str(out, frz_str_from(frz_type_kind_name(type->kind)), NULL);
  }
  FRZ_TRY(frz_buf_print(out, NULL, "%s<", frz_type_kind_name(type->kind)));
  for (size_t i = 0; i < type->n_fields; i++) {
    if (i != 0) FRZ_TRY(frz_buf_append_str(out, FRZ_STR(", "), NULL));
    if (out->size > PRINT_BYTES_MAX) return frz_buf_append_str(out, FRZ_STR("...>"), NULL);
    if (type->kind == FRZ_TYPE_STRUCT)
      FRZ_TRY(frz_buf_print(out, NULL, "%.*s: ", FRZ_STR_ARG(type->fields[i].name)));
    FRZ_TRY(print_type(&type->fields[i].type, out));
  }
  return frz_buf_append_byte(out, '>', NULL);
}

frz_str frz_type_print(const frz_type *type, frz_arena *arena)
{
  frz_buf text;
  frz_buf_init(&text, arena->alloc, (size_t)1 << 20);
  frz_str printed = {0};
  if (print_type(type, &text) == FRZ_OK) printed = frz_arena_copy(arena, frz_buf_str(&text));
  frz_buf_dispose(&text);
  return printed;
}

static bool skip_char(frz_str *text, char wanted)
{
  size_t at = 0;
  while (at < text->size && text->data[at] == ' ') at++;
  if (at == text->size || text->data[at] != wanted) return false;
  *text = (frz_str){text->data + at + 1, text->size - at - 1};
  return true;
}

static bool take_number(frz_str *text, int32_t *number_out)
{
  size_t at = 0;
  while (at < text->size && text->data[at] == ' ') at++;
  size_t first = at;
  int64_t number = 0;
  for (; at < text->size && text->data[at] >= '0' && text->data[at] <= '9'; at++) {
    number = number * 10 + (text->data[at] - '0');
    if (number > INT32_MAX) return false;
  }
  if (at == first) return false;
  *number_out = (int32_t)number;
  *text = (frz_str){text->data + at, text->size - at};
  return true;
}

static frz_status parse_decimal(frz_str text, frz_type *type_out, frz_error *err)
{
  frz_str left = {text.data + 7, text.size - 7};
  frz_type type = {.kind = FRZ_TYPE_DECIMAL};
  if (!skip_char(&left, '(') || !take_number(&left, &type.precision) || !skip_char(&left, ',') ||
      !take_number(&left, &type.scale) || !skip_char(&left, ')') || left.size != 0)
    return frz_fail(err, FRZ_ERR_INVALID, "type '%.*s' is not 'decimal(precision, scale)'",
                    FRZ_STR_ARG(text));
  if (type.precision < 1 || type.precision > 38 || type.scale > type.precision)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "type '%.*s': precision must be 1 to 38 and scale at most that",
                    FRZ_STR_ARG(text));
  *type_out = type;
  return FRZ_OK;
}

static frz_status parse_fixed(frz_str text, frz_type *type_out, frz_error *err)
{
  frz_str left = {text.data + 5, text.size - 5};
  frz_type type = {.kind = FRZ_TYPE_FIXED};
  if (!skip_char(&left, '[') || !take_number(&left, &type.length) || !skip_char(&left, ']') ||
      left.size != 0)
    return frz_fail(err, FRZ_ERR_INVALID, "type '%.*s' is not 'fixed[length]'", FRZ_STR_ARG(text));
  if (type.length < 1 || type.length > FRZ_LIMIT_FIXED_BYTES)
    return frz_fail(err, FRZ_ERR_INVALID, "type '%.*s': the length must be 1 to %d",
                    FRZ_STR_ARG(text), (int)FRZ_LIMIT_FIXED_BYTES);
  *type_out = type;
  return FRZ_OK;
}

frz_status frz_type_parse_primitive(frz_str text, frz_type *type_out, frz_error *err)
{
  for (size_t i = 0; i < N_PRIMITIVE_NAMES; i++) {
    if (!frz_str_is(text, primitive_names[i].name)) continue;
    *type_out = (frz_type){.kind = primitive_names[i].kind};
    if (is_geo(type_out->kind)) type_out->text = text;
    return FRZ_OK;
  }
  if (frz_str_starts(text, "decimal")) return parse_decimal(text, type_out, err);
  if (frz_str_starts(text, "fixed")) return parse_fixed(text, type_out, err);
  bool is_closed = text.size != 0 && text.data[text.size - 1] == ')';
  if (is_closed && (frz_str_starts(text, "geometry(") || frz_str_starts(text, "geography("))) {
    bool is_flat = frz_str_starts(text, "geometry");
    *type_out = (frz_type){.kind = is_flat ? FRZ_TYPE_GEOMETRY : FRZ_TYPE_GEOGRAPHY, .text = text};
    return FRZ_OK;
  }
  return frz_fail(err, FRZ_ERR_UNSUPPORTED, "type '%.*s' is not known", FRZ_STR_ARG(text));
}

/* ---- lookup ---- */

static const frz_field *find_id(const frz_type *type, int32_t field_id)
{
  for (size_t i = 0; i < type->n_fields; i++) {
    if (type->fields[i].id == field_id) return &type->fields[i];
    const frz_field *below = find_id(&type->fields[i].type, field_id);
    if (below != NULL) return below;
  }
  return NULL;
}

const frz_field *frz_schema_find_id(const frz_schema *schema, int32_t field_id)
{
  return find_id(&schema->root, field_id);
}

/* Is `name` the first part of `dotted`, up to its end or a dot? */
static bool name_leads(frz_str name, frz_str dotted, bool case_sensitive)
{
  if (name.size > dotted.size) return false;
  if (name.size < dotted.size && dotted.data[name.size] != '.') return false;
  for (size_t i = 0; i < name.size; i++)
    if (name.data[i] != dotted.data[i] &&
        (case_sensitive || frz_char_lower(name.data[i]) != frz_char_lower(dotted.data[i])))
      return false;
  return true;
}

/* Names may hold dots themselves, so every field that leads the path is tried. Two fields of one
 * name but for its case are neither: `twins_out` says so. */
static const frz_field *find_name(const frz_type *type, frz_str dotted, bool case_sensitive,
                                  bool *twins_out)
{
  const frz_field *found = NULL;
  for (size_t i = 0; i < type->n_fields; i++) {
    if (type->fields[i].name.size != dotted.size ||
        !name_leads(type->fields[i].name, dotted, case_sensitive))
      continue;
    if (found != NULL) *twins_out = true;
    if (found == NULL) found = &type->fields[i];
    if (case_sensitive) return found;
  }
  for (size_t i = 0; i < type->n_fields && found == NULL; i++) {
    frz_str name = type->fields[i].name;
    if (name.size >= dotted.size || !name_leads(name, dotted, case_sensitive)) continue;
    frz_str rest = {dotted.data + name.size + 1, dotted.size - name.size - 1};
    found = find_name(&type->fields[i].type, rest, case_sensitive, twins_out);
  }
  return found;
}

const frz_field *frz_schema_find_name(const frz_schema *schema, frz_str dotted, bool case_sensitive)
{
  bool has_twins = false;
  const frz_field *found = find_name(&schema->root, dotted, true, &has_twins);
  if (found != NULL || case_sensitive) return found;
  found = find_name(&schema->root, dotted, false, &has_twins);
  return has_twins ? NULL : found;
}

typedef struct name_path {
  frz_str names[FRZ_LIMIT_DEPTH + 2];
  size_t n_names;
} name_path;

static bool find_path(const frz_type *type, int32_t field_id, name_path *path)
{
  if (path->n_names == sizeof path->names / sizeof path->names[0]) return false;
  for (size_t i = 0; i < type->n_fields; i++) {
    path->names[path->n_names++] = type->fields[i].name;
    if (type->fields[i].id == field_id || find_path(&type->fields[i].type, field_id, path))
      return true;
    path->n_names--;
  }
  return false;
}

frz_str frz_schema_name_of(const frz_schema *schema, int32_t field_id, frz_arena *arena)
{
  name_path path = {.n_names = 0};
  if (!find_path(&schema->root, field_id, &path)) return (frz_str){0};
  size_t size = path.n_names - 1;
  for (size_t i = 0; i < path.n_names; i++) size += path.names[i].size;
  char *text = frz_arena_push(arena, size + 1);
  if (text == NULL) return (frz_str){0};
  char *at = text;
  for (size_t i = 0; i < path.n_names; i++) {
    if (i != 0) *at++ = '.';
    if (path.names[i].size != 0) memcpy(at, path.names[i].data, path.names[i].size);
    at += path.names[i].size;
  }
  return (frz_str){text, size};
}

static bool find_by_structs(const frz_type *type, int32_t field_id)
{
  if (type->kind != FRZ_TYPE_STRUCT) return false;
  for (size_t i = 0; i < type->n_fields; i++)
    if (type->fields[i].id == field_id || find_by_structs(&type->fields[i].type, field_id))
      return true;
  return false;
}

bool frz_schema_is_reachable_by_structs(const frz_schema *schema, int32_t field_id)
{
  return find_by_structs(&schema->root, field_id);
}

frz_status frz_schema_fail_name(const frz_schema *schema, const char *where, frz_str dotted,
                                frz_error *err)
{
  char list[512] = "";
  const frz_type *root = &schema->root;
  for (size_t i = 0, at = 0; i < root->n_fields; i++) {
    frz_str name = root->fields[i].name;
    size_t most = sizeof list - 8; /* keeps room for ", " and ", ..." */
    if (at > most || name.size > most - at) {
      snprintf(list + at, sizeof list - at, "%s...", i == 0 ? "" : ", ");
      break;
    }
    snprintf(list + at, sizeof list - at, "%s%.*s", i == 0 ? "" : ", ", (int)name.size,
             name.data != NULL ? name.data : "");
    at = strlen(list);
  }
  return frz_fail(err, FRZ_ERR_INVALID, "%sno column '%.*s'; the columns are: %s", where,
                  FRZ_STR_ARG(dotted), list);
}
