/*
 * avro_schema.c - parse Avro schemas from JSON.
 *
 * A schema is a name (primitive, or a type named before), an array (union) or an object. The
 * members of an object may come in any order, but a type's name must be known before its fields are
 * read, since they may refer to it. So each object is read in two steps: its members are noted
 * (nested schemas as raw text), then it is built. Nesting is bounded by FRZ_LIMIT_DEPTH, so this
 * costs no more than that many looks at each byte.
 *
 * Attributes that are unknown, or of an unexpected kind, are passed over, as the specification
 * asks.
 *
 * Source: Apache Avro 1.11 specification, "Schema Declaration" and "Names".
 */
#include "avro/avro_schema.h"

#include "base/limits.h"
#include "base/map.h"
#include "text/json_reader.h"

typedef struct parser {
  frz_arena *arena;
  frz_map named; /* full name -> index into `types` */
  const frz_avro_type **types;
  size_t n_types;
  size_t capacity;
  size_t n_nodes;
} parser;

enum { NUMBERS_MAX = 4096 }; /* of frz_avro_type.n_numbers: products with counts fit 64 bits */

/* The members of a schema object or of a field. Texts are borrowed or in the arena. */
typedef struct members {
  frz_str type, fields, items, values, symbols; /* raw JSON; data NULL: absent */
  frz_str name, name_space, logical_type;
  bool adjust_to_utc;
  int32_t precision, scale, size;
  int32_t field_id, element_id, key_id, value_id;
} members;

static const frz_avro_type primitives[] = {
    [FRZ_AVRO_NULL] = {.kind = FRZ_AVRO_NULL, .n_empty_parts = 1, .is_empty = true},
    [FRZ_AVRO_BOOLEAN] = {.kind = FRZ_AVRO_BOOLEAN},
    [FRZ_AVRO_INT] = {.kind = FRZ_AVRO_INT, .n_numbers = 1},
    [FRZ_AVRO_LONG] = {.kind = FRZ_AVRO_LONG, .n_numbers = 1},
    [FRZ_AVRO_FLOAT] = {.kind = FRZ_AVRO_FLOAT},
    [FRZ_AVRO_DOUBLE] = {.kind = FRZ_AVRO_DOUBLE},
    [FRZ_AVRO_BYTES] = {.kind = FRZ_AVRO_BYTES},
    [FRZ_AVRO_STRING] = {.kind = FRZ_AVRO_STRING},
};

static bool find_kind(frz_str name, frz_avro_kind *kind_out)
{
  static const char *const names[] = {"null",   "boolean", "int",    "long",   "float",
                                      "double", "bytes",   "string", "record", "enum",
                                      "array",  "map",     "union",  "fixed"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (frz_str_is(name, names[i])) {
      *kind_out = (frz_avro_kind)i;
      return true;
    }
  }
  if (!frz_str_is(name, "error")) return false;
  *kind_out = FRZ_AVRO_RECORD;
  return true;
}

static frz_status read_text(frz_json_reader *json, frz_str *text_out, frz_error *err)
{
  frz_json_kind kind;
  FRZ_TRY(frz_json_peek(json, &kind, err));
  if (kind != FRZ_JSON_STRING) return frz_json_skip(json, err);
  return frz_json_read_string(json, text_out, err);
}

static frz_status read_number(frz_json_reader *json, int32_t *value_out, frz_error *err)
{
  frz_json_kind kind;
  FRZ_TRY(frz_json_peek(json, &kind, err));
  if (kind != FRZ_JSON_NUMBER) return frz_json_skip(json, err);
  return frz_json_read_i32(json, value_out, err);
}

static frz_status read_flag(frz_json_reader *json, bool *value_out, frz_error *err)
{
  frz_json_kind kind;
  FRZ_TRY(frz_json_peek(json, &kind, err));
  if (kind == FRZ_JSON_STRING) { /* Java reads "true" too */
    frz_str text;
    FRZ_TRY(frz_json_read_string(json, &text, err));
    *value_out = frz_str_same_word(text, FRZ_STR("true"));
    return FRZ_OK;
  }
  if (kind != FRZ_JSON_BOOL) return frz_json_skip(json, err);
  return frz_json_read_bool(json, value_out, err);
}

static frz_status read_member(frz_json_reader *json, frz_str key, members *m, frz_error *err)
{
  const struct {
    const char *key;
    frz_str *raw, *text;
    int32_t *number;
  } table[] = {
      {"type", &m->type, NULL, NULL},
      {"fields", &m->fields, NULL, NULL},
      {"items", &m->items, NULL, NULL},
      {"values", &m->values, NULL, NULL},
      {"symbols", &m->symbols, NULL, NULL},
      {"name", NULL, &m->name, NULL},
      {"namespace", NULL, &m->name_space, NULL},
      {"logicalType", NULL, &m->logical_type, NULL},
      {"precision", NULL, NULL, &m->precision},
      {"scale", NULL, NULL, &m->scale},
      {"size", NULL, NULL, &m->size},
      {"field-id", NULL, NULL, &m->field_id},
      {"element-id", NULL, NULL, &m->element_id},
      {"key-id", NULL, NULL, &m->key_id},
      {"value-id", NULL, NULL, &m->value_id},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    if (!frz_str_is(key, table[i].key)) continue;
    if (table[i].raw != NULL) return frz_json_read_raw(json, table[i].raw, err);
    if (table[i].text != NULL) return read_text(json, table[i].text, err);
    return read_number(json, table[i].number, err);
  }
  if (frz_str_is(key, "adjust-to-utc")) return read_flag(json, &m->adjust_to_utc, err);
  return frz_json_skip(json, err);
}

static frz_status read_members(frz_json_reader *json, members *members_out, frz_error *err)
{
  *members_out =
      (members){.size = -1, .field_id = -1, .element_id = -1, .key_id = -1, .value_id = -1};
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(read_member(json, key, members_out, err));
  }
}

static frz_status copy_text(parser *p, frz_str text, frz_str *copy_out, frz_error *err)
{
  frz_str copy = frz_arena_copy(p->arena, text);
  if (copy.data == NULL) return frz_fail_nomem(err, "avro schema");
  *copy_out = copy;
  return FRZ_OK;
}

static frz_status new_type(parser *p, const members *m, frz_avro_kind kind,
                           frz_avro_type **type_out, frz_error *err)
{
  if (++p->n_nodes > FRZ_LIMIT_SCHEMA_FIELDS)
    return frz_fail(err, FRZ_ERR_LIMIT, "avro schema: more than %d types", FRZ_LIMIT_SCHEMA_FIELDS);
  frz_avro_type *type = frz_arena_push(p->arena, sizeof *type);
  if (type == NULL) return frz_fail_nomem(err, "avro schema");
  *type = (frz_avro_type){.kind = kind, .element_id = -1, .key_id = -1, .value_id = -1};
  if (m != NULL) {
    FRZ_TRY(copy_text(p, m->logical_type, &type->logical_type, err));
    type->adjust_to_utc = m->adjust_to_utc;
    type->precision = m->precision;
    type->scale = m->scale;
    type->element_id = m->element_id;
    type->key_id = m->key_id;
    type->value_id = m->value_id;
  }
  *type_out = type;
  return FRZ_OK;
}

/* ---- names ---- */

static size_t last_dot(frz_str name)
{
  size_t i = name.size;
  while (i > 0 && name.data[i - 1] != '.') i--;
  return i; /* behind the dot; 0: none */
}

static frz_status full_name(parser *p, frz_str name, frz_str name_space, frz_str *full_out,
                            frz_error *err)
{
  if (name_space.size == 0 || last_dot(name) != 0) return copy_text(p, name, full_out, err);
  size_t size = name_space.size + 1 + name.size;
  char *full = frz_arena_push(p->arena, size);
  if (full == NULL) return frz_fail_nomem(err, "avro schema");
  memcpy(full, name_space.data, name_space.size);
  full[name_space.size] = '.';
  if (name.size != 0) memcpy(full + name_space.size + 1, name.data, name.size);
  *full_out = (frz_str){full, size};
  return FRZ_OK;
}

static frz_str space_of(frz_str full)
{
  size_t dot = last_dot(full);
  return (frz_str){full.data, dot > 0 ? dot - 1 : 0};
}

static frz_status add_named(parser *p, const members *m, frz_str name_space, frz_avro_type *type,
                            frz_error *err)
{
  if (m->name.size == 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "avro schema: a record, enum or fixed without name");
  frz_str space = m->name_space.data != NULL ? m->name_space : name_space;
  FRZ_TRY(full_name(p, m->name, space, &type->name, err));
  if (p->n_types == p->capacity) {
    size_t wanted = p->capacity == 0 ? 16 : p->capacity * 2;
    const frz_avro_type **grown = frz_arena_array(p->arena, wanted, sizeof *grown);
    if (grown == NULL) return frz_fail_nomem(err, "avro schema");
    if (p->n_types != 0) memcpy(grown, p->types, p->n_types * sizeof *grown);
    p->types = grown;
    p->capacity = wanted;
  }
  /* Some writers repeat a definition; a name then stands for the latest. */
  uint64_t *index;
  FRZ_TRY(frz_map_insert(&p->named, type->name, p->n_types, &index, NULL, err));
  *index = p->n_types;
  p->types[p->n_types++] = type;
  return FRZ_OK;
}

static frz_status resolve(parser *p, frz_str name, frz_str name_space,
                          const frz_avro_type **type_out, frz_error *err)
{
  frz_avro_kind kind;
  if (find_kind(name, &kind) && kind < FRZ_AVRO_RECORD) {
    *type_out = &primitives[kind];
    return FRZ_OK;
  }
  frz_str full;
  FRZ_TRY(full_name(p, name, name_space, &full, err));
  const uint64_t *index = frz_map_find(&p->named, full);
  if (index == NULL) index = frz_map_find(&p->named, name); /* of the empty namespace */
  if (index == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "avro schema: unknown type '%.*s'", FRZ_STR_ARG(name));
  *type_out = p->types[*index];
  return FRZ_OK;
}

/* ---- nodes ---- */

static frz_status parse_type(parser *p, frz_str raw, frz_str name_space, int depth,
                             const frz_avro_type **type_out, frz_error *err);

static frz_status count_items(parser *p, frz_str raw, size_t *n_out, frz_error *err)
{
  frz_json_reader json;
  frz_json_reader_init(&json, raw.data, raw.size, p->arena);
  FRZ_TRY(frz_json_array_begin(&json, err));
  for (size_t n = 0;; n++) {
    bool more;
    FRZ_TRY(frz_json_array_next(&json, &more, err));
    if (!more) {
      *n_out = n;
      return FRZ_OK;
    }
    if (n == FRZ_LIMIT_SCHEMA_FIELDS)
      return frz_fail(err, FRZ_ERR_LIMIT, "avro schema: more than %d members of one type",
                      FRZ_LIMIT_SCHEMA_FIELDS);
    FRZ_TRY(frz_json_skip(&json, err));
  }
}

static frz_status parse_union(parser *p, frz_str raw, frz_str name_space, int depth,
                              const frz_avro_type **type_out, frz_error *err)
{
  frz_avro_type *type = NULL;
  size_t n;
  FRZ_TRY(new_type(p, NULL, FRZ_AVRO_UNION, &type, err));
  FRZ_TRY(count_items(p, raw, &n, err));
  const frz_avro_type **branches = frz_arena_array(p->arena, n, sizeof *branches);
  if (branches == NULL) return frz_fail_nomem(err, "avro schema");
  frz_json_reader json;
  frz_json_reader_init(&json, raw.data, raw.size, p->arena);
  FRZ_TRY(frz_json_array_begin(&json, err));
  for (size_t i = 0; i < n; i++) {
    bool more;
    frz_str branch;
    FRZ_TRY(frz_json_array_next(&json, &more, err));
    FRZ_TRY(frz_json_read_raw(&json, &branch, err));
    FRZ_TRY(parse_type(p, branch, name_space, depth + 1, &branches[i], err));
  }
  type->branches = branches;
  type->n_branches = n;
  *type_out = type;
  return FRZ_OK;
}

static frz_status parse_field(parser *p, frz_json_reader *json, frz_str name_space, int depth,
                              frz_avro_field *field_out, frz_error *err)
{
  members m;
  FRZ_TRY(read_members(json, &m, err));
  if (m.name.data == NULL || m.type.data == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "avro schema: a field without %s",
                    m.name.data == NULL ? "name" : "type");
  FRZ_TRY(copy_text(p, m.name, &field_out->name, err));
  field_out->field_id = m.field_id;
  frz_status st = parse_type(p, m.type, name_space, depth, &field_out->type, err);
  if (st != FRZ_OK && depth < 16) frz_error_where(err, "field '%.*s': ", FRZ_STR_ARG(m.name));
  return st;
}

/* A record holds what its fields hold. One that holds itself outside a union or array would have no
 * end, and one built from many empty parts would cost time without bytes: both are refused. */
static frz_status count_parts(frz_avro_type *type, frz_error *err)
{
  int32_t n = type->n_fields == 0;
  bool is_empty = true;
  bool is_numbers = true;
  uint32_t n_numbers = 0;
  for (size_t i = 0; i < type->n_fields; i++) {
    const frz_avro_type *field = type->fields[i].type;
    if (field->n_empty_parts < 0)
      return frz_fail(err, FRZ_ERR_CORRUPT, "avro schema: record '%.*s' contains itself",
                      FRZ_STR_ARG(type->name));
    n += field->n_empty_parts;
    if (n > FRZ_LIMIT_AVRO_EMPTY_PARTS)
      return frz_fail(err, FRZ_ERR_LIMIT, "avro schema: record '%.*s' has more than %d empty parts",
                      FRZ_STR_ARG(type->name), FRZ_LIMIT_AVRO_EMPTY_PARTS);
    is_empty = is_empty && field->is_empty;
    is_numbers = is_numbers && field->n_numbers != 0 && n_numbers < NUMBERS_MAX;
    n_numbers += is_numbers ? field->n_numbers : 0;
  }
  type->n_numbers = is_numbers ? n_numbers : 0;
  type->n_empty_parts = n;
  type->is_empty = is_empty;
  return FRZ_OK;
}

static frz_status parse_fields(parser *p, frz_str raw, int depth, frz_avro_type *type,
                               frz_error *err)
{
  if (raw.data == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "avro schema: record '%.*s' without fields",
                    FRZ_STR_ARG(type->name));
  size_t n;
  FRZ_TRY(count_items(p, raw, &n, err));
  p->n_nodes += n;
  type->n_empty_parts = -1;
  frz_avro_field *fields = frz_arena_array(p->arena, n, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "avro schema");
  frz_json_reader json;
  frz_json_reader_init(&json, raw.data, raw.size, p->arena);
  FRZ_TRY(frz_json_array_begin(&json, err));
  for (size_t i = 0; i < n; i++) {
    bool more;
    FRZ_TRY(frz_json_array_next(&json, &more, err));
    FRZ_TRY(parse_field(p, &json, space_of(type->name), depth + 1, &fields[i], err));
  }
  type->fields = fields;
  type->n_fields = n;
  return count_parts(type, err);
}

static frz_status parse_element(parser *p, const members *m, frz_str name_space, int depth,
                                frz_avro_type *type, frz_error *err)
{
  bool is_array = type->kind == FRZ_AVRO_ARRAY;
  frz_str raw = is_array ? m->items : m->values;
  if (raw.data == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "avro schema: %s",
                    is_array ? "an array without items" : "a map without values");
  const frz_avro_type **branches = frz_arena_array(p->arena, 1, sizeof *branches);
  if (branches == NULL) return frz_fail_nomem(err, "avro schema");
  FRZ_TRY(parse_type(p, raw, name_space, depth + 1, &branches[0], err));
  type->branches = branches;
  type->n_branches = 1;
  return FRZ_OK;
}

static frz_status parse_symbols(parser *p, frz_str raw, frz_avro_type *type, frz_error *err)
{
  size_t n;
  FRZ_TRY(count_items(p, raw, &n, err));
  p->n_nodes += n;
  frz_str *symbols = frz_arena_array(p->arena, n, sizeof *symbols);
  if (symbols == NULL) return frz_fail_nomem(err, "avro schema");
  frz_json_reader json;
  frz_json_reader_init(&json, raw.data, raw.size, p->arena);
  FRZ_TRY(frz_json_array_begin(&json, err));
  for (size_t i = 0; i < n; i++) {
    bool more;
    frz_str symbol;
    FRZ_TRY(frz_json_array_next(&json, &more, err));
    FRZ_TRY(frz_json_read_string(&json, &symbol, err));
    FRZ_TRY(copy_text(p, symbol, &symbols[i], err));
  }
  type->symbols = symbols;
  type->n_symbols = n;
  return FRZ_OK;
}

static frz_status check_fixed(const members *m, frz_avro_type *type, frz_error *err)
{
  if (m->size > FRZ_LIMIT_FIXED_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT,
                    "avro schema: fixed '%.*s' of %d bytes; at most %d are read",
                    FRZ_STR_ARG(type->name), m->size, (int)FRZ_LIMIT_FIXED_BYTES);
  if (m->size < 0)
    return frz_fail(err, FRZ_ERR_CORRUPT, "avro schema: fixed '%.*s' of %d bytes",
                    FRZ_STR_ARG(type->name), m->size);
  type->fixed_bytes = m->size;
  type->is_empty = m->size == 0;
  type->n_empty_parts = type->is_empty;
  return FRZ_OK;
}

static frz_status parse_kind(parser *p, const members *m, frz_avro_kind kind, frz_str name_space,
                             int depth, const frz_avro_type **type_out, frz_error *err)
{
  frz_avro_type *type = NULL;
  FRZ_TRY(new_type(p, m, kind, &type, err));
  if (kind == FRZ_AVRO_RECORD || kind == FRZ_AVRO_ENUM || kind == FRZ_AVRO_FIXED)
    FRZ_TRY(add_named(p, m, name_space, type, err));
  switch (kind) {
  case FRZ_AVRO_RECORD: FRZ_TRY(parse_fields(p, m->fields, depth, type, err)); break;
  case FRZ_AVRO_FIXED: FRZ_TRY(check_fixed(m, type, err)); break;
  case FRZ_AVRO_ENUM:
    if (m->symbols.data == NULL)
      return frz_fail(err, FRZ_ERR_CORRUPT, "avro schema: enum '%.*s' without symbols",
                      FRZ_STR_ARG(type->name));
    FRZ_TRY(parse_symbols(p, m->symbols, type, err));
    break;
  case FRZ_AVRO_ARRAY:
  case FRZ_AVRO_MAP: FRZ_TRY(parse_element(p, m, name_space, depth, type, err)); break;
  case FRZ_AVRO_UNION: return frz_fail(err, FRZ_ERR_CORRUPT, "avro schema: type 'union'");
  default: break;
  }
  *type_out = type;
  return FRZ_OK;
}

static frz_status parse_object(parser *p, frz_json_reader *json, frz_str name_space, int depth,
                               const frz_avro_type **type_out, frz_error *err)
{
  members m;
  FRZ_TRY(read_members(json, &m, err));
  if (m.type.data == NULL)
    return frz_fail(err, FRZ_ERR_CORRUPT, "avro schema: an object without type");
  frz_json_reader inner;
  frz_json_kind json_kind;
  frz_json_reader_init(&inner, m.type.data, m.type.size, p->arena);
  FRZ_TRY(frz_json_peek(&inner, &json_kind, err));
  frz_str name;
  frz_avro_kind kind;
  /* "type" may hold a schema of its own, or the name of a type defined before. */
  if (json_kind != FRZ_JSON_STRING)
    return parse_type(p, m.type, name_space, depth + 1, type_out, err);
  FRZ_TRY(frz_json_read_string(&inner, &name, err));
  if (!find_kind(name, &kind)) return resolve(p, name, name_space, type_out, err);
  return parse_kind(p, &m, kind, name_space, depth, type_out, err);
}

static frz_status parse_type(parser *p, frz_str raw, frz_str name_space, int depth,
                             const frz_avro_type **type_out, frz_error *err)
{
  if (depth > FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "avro schema: nested deeper than %d levels",
                    FRZ_LIMIT_DEPTH);
  frz_json_reader json;
  frz_json_reader_init(&json, raw.data, raw.size, p->arena);
  frz_json_kind kind;
  frz_str name;
  FRZ_TRY(frz_json_peek(&json, &kind, err));
  switch (kind) {
  case FRZ_JSON_STRING:
    FRZ_TRY(frz_json_read_string(&json, &name, err));
    return resolve(p, name, name_space, type_out, err);
  case FRZ_JSON_ARRAY: return parse_union(p, raw, name_space, depth, type_out, err);
  case FRZ_JSON_OBJECT: return parse_object(p, &json, name_space, depth, type_out, err);
  default:
    return frz_fail(err, FRZ_ERR_CORRUPT, "avro schema: '%.*s' is not a type", FRZ_STR_ARG(raw));
  }
}

frz_status frz_avro_schema_parse(frz_str json, frz_arena *arena, const frz_avro_type **type_out,
                                 frz_error *err)
{
  frz_status st = FRZ_OK;
  parser p = {.arena = arena};
  frz_map_init(&p.named, arena->alloc, (size_t)64 << 20);
  frz_json_reader reader;
  frz_json_reader_init(&reader, json.data, json.size, arena);
  frz_str raw;
  const frz_avro_type *type;
  /* One full pass checks the whole text; what follows works on parts of it. */
  FRZ_TRY_OUT(frz_json_read_raw(&reader, &raw, err));
  FRZ_TRY_OUT(frz_json_finish(&reader, err));
  FRZ_TRY_OUT(parse_type(&p, raw, FRZ_STR(""), 0, &type, err));
  *type_out = type;
out:
  frz_map_dispose(&p.named);
  return st;
}
