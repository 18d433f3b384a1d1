/*
 * schema_json.c - schemas to and from JSON, and the checks that every schema must pass.
 *
 * Members of an object may come in any order, so a nested type is read into a bag of everything
 * that structs, lists and maps may hold and is put together when the object ends. Texts are
 * copied into the arena: the JSON need not outlive the call.
 *
 * Source: Iceberg specification, appendix C "Schemas".
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena_list.h"
#include "base/buf.h"
#include "base/limits.h"
#include "iceberg/schema/schema.h"

typedef struct parser {
  frz_json_reader *json;
  frz_arena *arena;
  size_t n_fields; /* of the whole schema */
} parser;

/* What one JSON object that stands for a type said. */
typedef struct type_bag {
  bool has_kind, has_fields, has_element, has_key, has_value;
  frz_type_kind kind;
  frz_field *fields;
  size_t n_fields;
  frz_field element, key, value;
  bool has_element_id, has_key_id, has_value_id;
  bool is_element_required_set, is_value_required_set;
  int32_t schema_id;
  int32_t *identifier_ids;
  size_t n_identifier_ids;
} type_bag;

static frz_status read_type(parser *p, int depth, frz_type *type_out, frz_error *err);

static frz_status keep_text(parser *p, frz_str text, frz_str *out, frz_error *err)
{
  *out = frz_arena_keep(p->arena, text);
  return out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "schema");
}

static frz_status read_text(parser *p, frz_str *out, frz_error *err)
{
  frz_str text;
  FRZ_TRY(frz_json_read_string(p->json, &text, err));
  return keep_text(p, text, out, err);
}

/* A default stays JSON until its value is asked for; null means none. */
static frz_status read_default(parser *p, frz_str *out, frz_error *err)
{
  frz_json_kind kind;
  FRZ_TRY(frz_json_peek(p->json, &kind, err));
  if (kind == FRZ_JSON_NULL) return frz_json_skip(p->json, err);
  frz_str text;
  FRZ_TRY(frz_json_read_raw(p->json, &text, err));
  return keep_text(p, text, out, err);
}

static frz_status read_doc(parser *p, frz_str *out, frz_error *err)
{
  bool was_null;
  FRZ_TRY(frz_json_read_null(p->json, &was_null, err));
  return was_null ? FRZ_OK : read_text(p, out, err);
}

enum { SEEN_ID = 1, SEEN_NAME = 2, SEEN_REQUIRED = 4, SEEN_TYPE = 8, SEEN_ALL = 15 };

static frz_status read_field_member(parser *p, frz_str key, int depth, frz_field *field,
                                    unsigned *seen, frz_error *err)
{
  if (frz_str_is(key, "id")) {
    *seen |= SEEN_ID;
    return frz_json_read_i32(p->json, &field->id, err);
  }
  if (frz_str_is(key, "name")) {
    *seen |= SEEN_NAME;
    return read_text(p, &field->name, err);
  }
  if (frz_str_is(key, "required")) {
    *seen |= SEEN_REQUIRED;
    return frz_json_read_bool(p->json, &field->required, err);
  }
  if (frz_str_is(key, "type")) {
    *seen |= SEEN_TYPE;
    return read_type(p, depth, &field->type, err);
  }
  if (frz_str_is(key, "doc")) return read_doc(p, &field->doc, err);
  if (frz_str_is(key, "initial-default")) return read_default(p, &field->initial_default, err);
  if (frz_str_is(key, "write-default")) return read_default(p, &field->write_default, err);
  return frz_json_skip(p->json, err);
}

static frz_status read_field(parser *p, int depth, frz_field *field_out, frz_error *err)
{
  frz_field field = {0};
  unsigned seen = 0;
  if (++p->n_fields > FRZ_LIMIT_SCHEMA_FIELDS)
    return frz_fail(err, FRZ_ERR_LIMIT, "schema: more than %d fields", FRZ_LIMIT_SCHEMA_FIELDS);
  FRZ_TRY(frz_json_object_begin(p->json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(p->json, &key, &more, err));
    if (!more) break;
    frz_status st = read_field_member(p, key, depth, &field, &seen, err);
    if (st != FRZ_OK) {
      if (field.name.data != NULL) frz_error_where(err, "column '%.*s': ", FRZ_STR_ARG(field.name));
      return st;
    }
  }
  if (seen != SEEN_ALL) {
    const char *missing = (seen & SEEN_ID) == 0         ? "id"
                          : (seen & SEEN_NAME) == 0     ? "name"
                          : (seen & SEEN_REQUIRED) == 0 ? "required"
                                                        : "type";
    return frz_fail(err, FRZ_ERR_CORRUPT, "schema field %d '%.*s': '%s' is missing", (int)field.id,
                    FRZ_STR_ARG(field.name), missing);
  }
  *field_out = field;
  return FRZ_OK;
}

static frz_status read_fields(parser *p, int depth, type_bag *bag, frz_error *err)
{
  size_t capacity = 0;
  bag->has_fields = true;
  bag->n_fields = 0;
  FRZ_TRY(frz_json_array_begin(p->json, err));
  for (;;) {
    bool more;
    FRZ_TRY(frz_json_array_next(p->json, &more, err));
    if (!more) return FRZ_OK;
    frz_field field;
    FRZ_TRY(read_field(p, depth, &field, err));
    bag->fields =
        frz_arena_list_room(p->arena, bag->fields, bag->n_fields, &capacity, sizeof *bag->fields);
    if (bag->fields == NULL) return frz_fail_nomem(err, "schema");
    bag->fields[bag->n_fields++] = field;
  }
}

static frz_status read_ids(parser *p, type_bag *bag, frz_error *err)
{
  size_t capacity = 0;
  bool was_null;
  bag->n_identifier_ids = 0;
  FRZ_TRY(frz_json_read_null(p->json, &was_null, err));
  if (was_null) return FRZ_OK;
  FRZ_TRY(frz_json_array_begin(p->json, err));
  for (;;) {
    bool more;
    FRZ_TRY(frz_json_array_next(p->json, &more, err));
    if (!more) return FRZ_OK;
    int32_t id;
    FRZ_TRY(frz_json_read_i32(p->json, &id, err));
    bag->identifier_ids = frz_arena_list_room(p->arena, bag->identifier_ids, bag->n_identifier_ids,
                                              &capacity, sizeof id);
    if (bag->identifier_ids == NULL) return frz_fail_nomem(err, "schema");
    bag->identifier_ids[bag->n_identifier_ids++] = id;
  }
}

static frz_status read_kind(parser *p, type_bag *bag, frz_error *err)
{
  frz_str text;
  FRZ_TRY(frz_json_read_string(p->json, &text, err));
  bag->has_kind = true;
  if (frz_str_is(text, "struct"))
    bag->kind = FRZ_TYPE_STRUCT;
  else if (frz_str_is(text, "list"))
    bag->kind = FRZ_TYPE_LIST;
  else if (frz_str_is(text, "map"))
    bag->kind = FRZ_TYPE_MAP;
  else
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "nested type '%.*s' is not known", FRZ_STR_ARG(text));
  return FRZ_OK;
}

static frz_status read_id(parser *p, frz_field *field, bool *seen, frz_error *err)
{
  *seen = true;
  return frz_json_read_i32(p->json, &field->id, err);
}

static frz_status read_child(parser *p, int depth, frz_field *field, bool *seen, frz_error *err)
{
  *seen = true;
  if (++p->n_fields > FRZ_LIMIT_SCHEMA_FIELDS)
    return frz_fail(err, FRZ_ERR_LIMIT, "schema: more than %d fields", FRZ_LIMIT_SCHEMA_FIELDS);
  return read_type(p, depth, &field->type, err);
}

static frz_status read_bag_member(parser *p, frz_str key, int depth, bool is_schema, type_bag *bag,
                                  frz_error *err)
{
  if (frz_str_is(key, "type")) return read_kind(p, bag, err);
  if (frz_str_is(key, "fields")) return read_fields(p, depth, bag, err);
  if (is_schema) {
    if (frz_str_is(key, "schema-id")) return frz_json_read_i32(p->json, &bag->schema_id, err);
    if (frz_str_is(key, "identifier-field-ids")) return read_ids(p, bag, err);
    return frz_json_skip(p->json, err);
  }
  if (frz_str_is(key, "element"))
    return read_child(p, depth, &bag->element, &bag->has_element, err);
  if (frz_str_is(key, "key")) return read_child(p, depth, &bag->key, &bag->has_key, err);
  if (frz_str_is(key, "value")) return read_child(p, depth, &bag->value, &bag->has_value, err);
  if (frz_str_is(key, "element-id")) return read_id(p, &bag->element, &bag->has_element_id, err);
  if (frz_str_is(key, "key-id")) return read_id(p, &bag->key, &bag->has_key_id, err);
  if (frz_str_is(key, "value-id")) return read_id(p, &bag->value, &bag->has_value_id, err);
  if (frz_str_is(key, "element-required")) {
    bag->is_element_required_set = true;
    return frz_json_read_bool(p->json, &bag->element.required, err);
  }
  if (frz_str_is(key, "value-required")) {
    bag->is_value_required_set = true;
    return frz_json_read_bool(p->json, &bag->value.required, err);
  }
  return frz_json_skip(p->json, err);
}

static frz_status read_bag(parser *p, int depth, bool is_schema, type_bag *bag, frz_error *err)
{
  if (depth >= FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "schema: types nested deeper than %d", FRZ_LIMIT_DEPTH);
  FRZ_TRY(frz_json_object_begin(p->json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(p->json, &key, &more, err));
    if (!more) break;
    FRZ_TRY(read_bag_member(p, key, depth + 1, is_schema, bag, err));
  }
  if (!bag->has_kind) return frz_fail(err, FRZ_ERR_CORRUPT, "schema: a type lacks 'type'");
  return FRZ_OK;
}

static frz_status missing(const char *what, const char *member, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_CORRUPT, "%s type: '%s' is missing", what, member);
}

static frz_status close_list(parser *p, const type_bag *bag, frz_type *type_out, frz_error *err)
{
  if (!bag->has_element) return missing("list", "element", err);
  if (!bag->has_element_id) return missing("list", "element-id", err);
  if (!bag->is_element_required_set) return missing("list", "element-required", err);
  frz_field *fields = frz_arena_array(p->arena, 1, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "schema");
  fields[0] = bag->element;
  fields[0].name = FRZ_STR("element");
  *type_out = (frz_type){.kind = FRZ_TYPE_LIST, .fields = fields, .n_fields = 1};
  return FRZ_OK;
}

static frz_status close_map(parser *p, const type_bag *bag, frz_type *type_out, frz_error *err)
{
  if (!bag->has_key) return missing("map", "key", err);
  if (!bag->has_key_id) return missing("map", "key-id", err);
  if (!bag->has_value) return missing("map", "value", err);
  if (!bag->has_value_id) return missing("map", "value-id", err);
  if (!bag->is_value_required_set) return missing("map", "value-required", err);
  frz_field *fields = frz_arena_array(p->arena, 2, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "schema");
  fields[0] = bag->key;
  fields[0].name = FRZ_STR("key");
  fields[0].required = true;
  fields[1] = bag->value;
  fields[1].name = FRZ_STR("value");
  *type_out = (frz_type){.kind = FRZ_TYPE_MAP, .fields = fields, .n_fields = 2};
  return FRZ_OK;
}

static frz_status read_nested(parser *p, int depth, frz_type *type_out, frz_error *err)
{
  type_bag bag = {0};
  FRZ_TRY(read_bag(p, depth, false, &bag, err));
  if (bag.kind == FRZ_TYPE_LIST) return close_list(p, &bag, type_out, err);
  if (bag.kind == FRZ_TYPE_MAP) return close_map(p, &bag, type_out, err);
  if (!bag.has_fields) return missing("struct", "fields", err);
  *type_out = (frz_type){.kind = FRZ_TYPE_STRUCT, .fields = bag.fields, .n_fields = bag.n_fields};
  return FRZ_OK;
}

static frz_status read_type(parser *p, int depth, frz_type *type_out, frz_error *err)
{
  frz_json_kind kind;
  FRZ_TRY(frz_json_peek(p->json, &kind, err));
  if (kind == FRZ_JSON_OBJECT) return read_nested(p, depth, type_out, err);
  frz_str text;
  FRZ_TRY(frz_json_read_string(p->json, &text, err));
  frz_status st = frz_type_parse_primitive(text, type_out, err);
  if (st == FRZ_OK && type_out->text.data != NULL) return keep_text(p, text, &type_out->text, err);
  if (st != FRZ_ERR_INVALID) return st;
  if (err != NULL) err->code = FRZ_ERR_CORRUPT; /* in a file, not in a call */
  return FRZ_ERR_CORRUPT;
}

frz_status frz_schema_parse(frz_json_reader *json, frz_arena *arena, frz_schema *schema_out,
                            frz_error *err)
{
  parser p = {json, arena, 0};
  type_bag bag = {0};
  FRZ_TRY(read_bag(&p, 0, true, &bag, err));
  if (bag.kind != FRZ_TYPE_STRUCT)
    return frz_fail(err, FRZ_ERR_CORRUPT, "schema %d: 'type' is not 'struct'", (int)bag.schema_id);
  if (!bag.has_fields)
    return frz_fail(err, FRZ_ERR_CORRUPT, "schema %d: 'fields' is missing", (int)bag.schema_id);
  frz_schema schema = {
      .schema_id = bag.schema_id,
      .root = {.kind = FRZ_TYPE_STRUCT, .fields = bag.fields, .n_fields = bag.n_fields},
      .identifier_field_ids = bag.identifier_ids,
      .n_identifier_field_ids = bag.n_identifier_ids,
  };
  FRZ_TRY(frz_schema_validate(&schema, arena->alloc, FRZ_ERR_CORRUPT, err));
  *schema_out = schema;
  return FRZ_OK;
}

/* ---- checks ---- */

enum { FIELD_ID_MAX = 2147483447 };

static int by_id(const void *a, const void *b)
{
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b)
{
  return frz_str_compare(*(const frz_str *)a, *(const frz_str *)b);
}

/* Of columns that must be null by default. */
static frz_status check_default(const frz_field *field, frz_status code, frz_error *err)
{
  frz_type_kind kind = field->type.kind;
  bool has_default = field->initial_default.data != NULL || field->write_default.data != NULL;
  if (kind < FRZ_TYPE_UNKNOWN || kind > FRZ_TYPE_GEOGRAPHY) return FRZ_OK;
  if (kind == FRZ_TYPE_UNKNOWN && field->required)
    return frz_fail(err, code, "schema: column '%.*s' is of type unknown, and required",
                    FRZ_STR_ARG(field->name));
  if (!has_default) return FRZ_OK;
  return frz_fail(err, code, "schema: column '%.*s' is of type %s, which has no default but null",
                  FRZ_STR_ARG(field->name), frz_type_kind_name(kind));
}

/* Appends every id below `type` to `ids`; the names of each struct are checked on the way. */
static frz_status check_fields(const frz_type *type, frz_buf *ids, frz_status code, frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf names;
  frz_buf_init(&names, ids->alloc, FRZ_LIMIT_SCHEMA_FIELDS * sizeof(frz_str) + 64);
  for (size_t i = 0; i < type->n_fields; i++) {
    FRZ_TRY_OUT(frz_buf_append(ids, &type->fields[i].id, sizeof(int32_t), err));
    FRZ_TRY_OUT(frz_buf_append(&names, &type->fields[i].name, sizeof(frz_str), err));
    FRZ_TRY_OUT(check_default(&type->fields[i], code, err));
  }
  frz_str *sorted = (frz_str *)(void *)names.data;
  if (type->n_fields > 1) qsort(sorted, type->n_fields, sizeof *sorted, by_name);
  for (size_t i = 1; i < type->n_fields; i++)
    if (frz_str_equal(sorted[i - 1], sorted[i])) {
      st = frz_fail(err, code, "schema: the column name '%.*s' is used twice",
                    FRZ_STR_ARG(sorted[i]));
      goto out;
    }
  frz_buf_dispose(&names);
  for (size_t i = 0; i < type->n_fields; i++)
    FRZ_TRY_OUT(check_fields(&type->fields[i].type, ids, code, err));
out:
  frz_buf_dispose(&names);
  return st;
}

frz_status frz_schema_validate(frz_schema *schema, const frz_alloc *alloc, frz_status code,
                               frz_error *err)
{
  frz_status st = FRZ_OK;
  frz_buf buf;
  frz_buf_init(&buf, alloc, ((size_t)FRZ_LIMIT_SCHEMA_FIELDS * 2 + 64) * sizeof(int32_t));
  FRZ_TRY_OUT(check_fields(&schema->root, &buf, code, err));
  int32_t *ids = (int32_t *)(void *)buf.data;
  size_t n_ids = buf.size / sizeof *ids;
  if (n_ids > 1) qsort(ids, n_ids, sizeof *ids, by_id);
  for (size_t i = 0; i < n_ids; i++) {
    if (ids[i] < 0)
      st = frz_fail(err, code, "schema %d: field id %d is negative", (int)schema->schema_id,
                    (int)ids[i]);
    else if (ids[i] > FIELD_ID_MAX)
      st = frz_fail(err, code, "schema %d: field id %d is reserved for metadata columns",
                    (int)schema->schema_id, (int)ids[i]);
    else if (i != 0 && ids[i] == ids[i - 1])
      st = frz_fail(err, code, "schema %d: field id %d is used twice", (int)schema->schema_id,
                    (int)ids[i]);
    if (st != FRZ_OK) goto out;
  }
  schema->highest_field_id = n_ids != 0 ? ids[n_ids - 1] : 0;
  for (size_t i = 0; i < schema->n_identifier_field_ids; i++)
    if (frz_schema_find_id(schema, schema->identifier_field_ids[i]) == NULL) {
      st = frz_fail(err, code, "schema %d: identifier field %d is not in it",
                    (int)schema->schema_id, (int)schema->identifier_field_ids[i]);
      goto out;
    }
out:
  frz_buf_dispose(&buf);
  return st;
}

/* ---- writing ---- */

static void write_type(frz_json_writer *json, const frz_type *type);

static void write_field(frz_json_writer *json, const frz_field *field)
{
  frz_json_write_object_begin(json);
  frz_json_write_i64_member(json, "id", field->id);
  frz_json_write_string_member(json, "name", field->name);
  frz_json_write_key(json, "required");
  frz_json_write_bool(json, field->required);
  frz_json_write_key(json, "type");
  write_type(json, &field->type);
  if (field->doc.data != NULL) frz_json_write_string_member(json, "doc", field->doc);
  if (field->initial_default.data != NULL) {
    frz_json_write_key(json, "initial-default");
    frz_json_write_raw(json, field->initial_default);
  }
  if (field->write_default.data != NULL) {
    frz_json_write_key(json, "write-default");
    frz_json_write_raw(json, field->write_default);
  }
  frz_json_write_object_end(json);
}

static void write_struct_members(frz_json_writer *json, const frz_type *type)
{
  frz_json_write_key(json, "fields");
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < type->n_fields; i++) write_field(json, &type->fields[i]);
  frz_json_write_array_end(json);
}

static void write_child(frz_json_writer *json, const char *id_key, const char *key,
                        const frz_field *field)
{
  frz_json_write_i64_member(json, id_key, field->id);
  frz_json_write_key(json, key);
  write_type(json, &field->type);
}

static void write_primitive(frz_json_writer *json, const frz_type *type)
{
  char text[64];
  frz_str name = frz_str_from(frz_type_kind_name(type->kind));
  if (type->kind == FRZ_TYPE_DECIMAL || type->kind == FRZ_TYPE_FIXED) {
    int size =
        type->kind == FRZ_TYPE_DECIMAL
            ? snprintf(text, sizeof text, "decimal(%d, %d)", (int)type->precision, (int)type->scale)
            : snprintf(text, sizeof text, "fixed[%d]", (int)type->length);
    name = (frz_str){text, (size_t)size};
  } else if (type->text.data != NULL) {
    name = type->text;
  }
  frz_json_write_string(json, name);
}

static void write_type(frz_json_writer *json, const frz_type *type)
{
  if (frz_type_is_primitive(type)) {
    write_primitive(json, type);
    return;
  }
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "type", frz_str_from(frz_type_kind_name(type->kind)));
  if (type->kind == FRZ_TYPE_STRUCT) {
    write_struct_members(json, type);
  } else if (type->kind == FRZ_TYPE_LIST) {
    write_child(json, "element-id", "element", &type->fields[0]);
    frz_json_write_key(json, "element-required");
    frz_json_write_bool(json, type->fields[0].required);
  } else {
    write_child(json, "key-id", "key", &type->fields[0]);
    write_child(json, "value-id", "value", &type->fields[1]);
    frz_json_write_key(json, "value-required");
    frz_json_write_bool(json, type->fields[1].required);
  }
  frz_json_write_object_end(json);
}

void frz_schema_write(frz_json_writer *json, const frz_schema *schema)
{
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "type", FRZ_STR("struct"));
  frz_json_write_i64_member(json, "schema-id", schema->schema_id);
  if (schema->n_identifier_field_ids != 0) {
    frz_json_write_key(json, "identifier-field-ids");
    frz_json_write_array_begin(json);
    for (size_t i = 0; i < schema->n_identifier_field_ids; i++)
      frz_json_write_i64(json, schema->identifier_field_ids[i]);
    frz_json_write_array_end(json);
  }
  write_struct_members(json, &schema->root);
  frz_json_write_object_end(json);
}
