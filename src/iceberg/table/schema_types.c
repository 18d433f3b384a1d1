/*
 * schema_types.c - schema changes of what a column is: type, nullability, doc, default, identifier.
 *
 * A promotion must leave every value that is stored what it was: files and manifests are not
 * written again. Defaults are kept in the JSON form of the column's type, so they are promoted too.
 *
 * Source: Iceberg specification, "Schema Evolution", "Default values", "Identifier Field IDs".
 */
#include "base/limits.h"
#include "iceberg/schema/literal.h"
#include "iceberg/table/schema_edit.h"

/* ---- types ---- */

static frz_status check_version(frz_schema_edit *edit, const frz_schema_change *change,
                                const frz_type *type, frz_error *err)
{
  if (!frz_type_needs_version_3(type) || edit->base->format_version >= 3) return FRZ_OK;
  frz_str name = frz_type_print(type, &edit->arena);
  return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                  "column '%s': type %.*s needs format version 3, the table has %d", change->path,
                  FRZ_STR_ARG(name), edit->base->format_version);
}

frz_status frz_schema_edit_read_type(frz_schema_edit *edit, const frz_schema_change *change,
                                     int32_t *next_id, frz_type *type_out, frz_error *err)
{
  if ((change->arrow_type != NULL) == (change->type_text != NULL))
    return frz_schema_edit_refuse(change, "needs one of arrow_type and type_text", err);
  if (change->type_text != NULL) {
    frz_str text = frz_arena_copy(&edit->arena, frz_str_from(change->type_text));
    if (text.data == NULL) return frz_fail_nomem(err, "column type");
    *type_out = (frz_type){0};
    FRZ_TRY(frz_type_parse_primitive(text, type_out, err));
    ++*next_id;
    return check_version(edit, change, type_out, err);
  }
  frz_arrow_field arrow;
  frz_field field;
  FRZ_TRY(frz_arrow_field_import(change->arrow_type, &edit->arena, &arrow, err));
  FRZ_TRY(
      frz_field_from_arrow(&arrow, edit->base->format_version, next_id, &edit->arena, &field, err));
  *type_out = field.type;
  return FRZ_OK;
}

static bool is_promotion(const frz_type *from, const frz_type *to, int32_t format_version)
{
  if (!frz_type_is_primitive(from)) return false;
  if (frz_type_can_promote(from, to)) return true;
  if (format_version < 3) return false;
  if (from->kind == FRZ_TYPE_UNKNOWN) return true;
  return from->kind == FRZ_TYPE_DATE &&
         (to->kind == FRZ_TYPE_TIMESTAMP || to->kind == FRZ_TYPE_TIMESTAMP_NS);
}

/* Partition values of files that are there must be what the transform gives for the new type. A
 * date's number counts days, a timestamp's does not; years, months and days of both agree. */
static frz_status check_partition_values(const frz_schema_edit *edit,
                                         const frz_schema_change *change, const frz_field *field,
                                         const frz_type *to, frz_error *err)
{
  if (field->type.kind != FRZ_TYPE_DATE || to->kind == FRZ_TYPE_DATE) return FRZ_OK;
  for (size_t i = 0; i < edit->base->n_specs; i++) {
    const frz_partition_spec *spec = &edit->base->specs[i];
    for (size_t j = 0; j < spec->n_fields; j++) {
      frz_transform_kind kind = spec->fields[j].transform.kind;
      bool agrees = kind == FRZ_TRANSFORM_YEAR || kind == FRZ_TRANSFORM_MONTH ||
                    kind == FRZ_TRANSFORM_DAY || kind == FRZ_TRANSFORM_VOID;
      if (agrees || !frz_partition_field_reads(&spec->fields[j], field->id)) continue;
      return frz_fail(err, FRZ_ERR_INVALID,
                      "column '%s' cannot change its type: values of partition field '%.*s' (%.*s) "
                      "would change",
                      change->path, FRZ_STR_ARG(spec->fields[j].name),
                      FRZ_STR_ARG(spec->fields[j].transform.text));
    }
  }
  return FRZ_OK;
}

/* ---- defaults ---- */

static frz_status print_default(frz_schema_edit *edit, const frz_literal *literal,
                                frz_str *json_out, frz_error *err)
{
  frz_buf text;
  frz_json_writer json;
  frz_buf_init(&text, edit->arena.alloc, FRZ_LIMIT_DEFAULT_BYTES);
  frz_json_writer_init(&json, &text);
  frz_status st = frz_literal_to_json(literal, &edit->arena, &json, err);
  if (st == FRZ_OK) st = frz_json_writer_finish(&json, err);
  if (st == FRZ_OK) {
    *json_out = frz_arena_copy(&edit->arena, frz_buf_str(&text));
    if (json_out->data == NULL) st = frz_fail_nomem(err, "column default");
  }
  frz_buf_dispose(&text);
  return st;
}

frz_status frz_schema_edit_read_default(frz_schema_edit *edit, const frz_schema_change *change,
                                        const frz_type *type, frz_str *json_out, frz_error *err)
{
  *json_out = (frz_str){0};
  if (change->default_json == NULL) return FRZ_OK;
  frz_json_reader json;
  frz_literal literal;
  frz_str value, text = frz_arena_copy(&edit->arena, frz_str_from(change->default_json));
  if (text.data == NULL) return frz_fail_nomem(err, "column default");
  if (text.size > FRZ_LIMIT_DEFAULT_BYTES)
    return frz_fail(err, FRZ_ERR_LIMIT, "column '%s': a default of %zu bytes; at most %zu are read",
                    change->path, text.size, (size_t)FRZ_LIMIT_DEFAULT_BYTES);
  frz_json_reader_init(&json, text.data, text.size, &edit->arena);
  frz_status st = frz_json_read_raw(&json, &value, err);
  if (st == FRZ_OK) st = frz_json_finish(&json, err);
  if (st == FRZ_OK && frz_str_is(value, "null")) return FRZ_OK;
  if (st == FRZ_OK && edit->base->format_version < 3)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "column '%s': a default needs format version 3, the table has %d", change->path,
                    edit->base->format_version);
  if (st == FRZ_OK) st = frz_literal_from_json(type, value, &edit->arena, &literal, err);
  if (st == FRZ_OK) return print_default(edit, &literal, json_out, err);
  if (st == FRZ_ERR_NOMEM) return st;
  frz_error_where(err, "column '%s': ", change->path);
  if (err != NULL) err->code = FRZ_ERR_INVALID; /* what the caller gave, not what a file holds */
  return FRZ_ERR_INVALID;
}

/* A default of the old type in the form of the new one. */
static frz_status promote_default(frz_schema_edit *edit, const frz_type *from, const frz_type *to,
                                  frz_str *json, frz_error *err)
{
  frz_literal literal, promoted;
  if (json->data == NULL || frz_str_is(*json, "null")) return FRZ_OK;
  FRZ_TRY(frz_literal_from_json(from, *json, &edit->arena, &literal, err));
  if (!frz_literal_promote(&literal, to, &promoted))
    return frz_fail(err, FRZ_ERR_INVALID, "default %.*s is out of range as %s", FRZ_STR_ARG(*json),
                    frz_type_kind_name(to->kind));
  return print_default(edit, &promoted, json, err);
}

frz_status frz_schema_edit_promote(frz_schema_edit *edit, const frz_schema_change *change,
                                   frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  frz_type type;
  int32_t next_id = edit->next_id;
  FRZ_TRY(frz_schema_edit_find(edit, change, &field, &holder, err));
  FRZ_TRY(frz_schema_edit_read_type(edit, change, &next_id, &type, err));
  if (!is_promotion(&field->type, &type, edit->base->format_version)) {
    frz_str from = frz_type_print(&field->type, &edit->arena);
    frz_str to = frz_type_print(&type, &edit->arena);
    return frz_fail(err, FRZ_ERR_INVALID, "column '%s' cannot change from %.*s to %.*s",
                    change->path, FRZ_STR_ARG(from), FRZ_STR_ARG(to));
  }
  if (frz_type_equal(&field->type, &type)) return FRZ_OK;
  FRZ_TRY(check_partition_values(edit, change, field, &type, err));
  FRZ_TRY(promote_default(edit, &field->type, &type, &field->initial_default, err));
  FRZ_TRY(promote_default(edit, &field->type, &type, &field->write_default, err));
  /* A nested type brings fields with ids; a primitive's own id is the column's. */
  if (type.n_fields != 0) edit->next_id = next_id;
  field->type = type;
  return FRZ_OK;
}

frz_status frz_schema_edit_make_optional(frz_schema_edit *edit, const frz_schema_change *change,
                                         frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  FRZ_TRY(frz_schema_edit_find(edit, change, &field, &holder, err));
  for (size_t i = 0; i < edit->schema.n_identifier_field_ids; i++) {
    int32_t id = edit->schema.identifier_field_ids[i];
    frz_schema below = {.root = field->type};
    if (field->id == id)
      return frz_schema_edit_refuse(
          change, "cannot become optional: it is an identifier field of the table", err);
    if (frz_schema_find_id(&below, id) != NULL)
      return frz_schema_edit_refuse(
          change, "cannot become optional: it holds an identifier field of the table", err);
  }
  field->required = false;
  return FRZ_OK;
}

frz_status frz_schema_edit_read_doc(frz_schema_edit *edit, const frz_schema_change *change,
                                    frz_str *doc_out, frz_error *err)
{
  *doc_out = (frz_str){0};
  if (change->doc == NULL) return FRZ_OK;
  *doc_out = frz_arena_copy(&edit->arena, frz_str_from(change->doc));
  return doc_out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "column doc");
}

frz_status frz_schema_edit_set_doc(frz_schema_edit *edit, const frz_schema_change *change,
                                   frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  FRZ_TRY(frz_schema_edit_find(edit, change, &field, &holder, err));
  return frz_schema_edit_read_doc(edit, change, &field->doc, err);
}

frz_status frz_schema_edit_set_default(frz_schema_edit *edit, const frz_schema_change *change,
                                       frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  FRZ_TRY(frz_schema_edit_find(edit, change, &field, &holder, err));
  if (holder->kind != FRZ_TYPE_STRUCT)
    return frz_schema_edit_refuse(change, "cannot have a default: it is part of a list or map",
                                  err);
  return frz_schema_edit_read_default(edit, change, &field->type, &field->write_default, err);
}

/* ---- identifier fields ---- */

bool frz_schema_edit_is_identifier(const frz_schema_edit *edit, int32_t field_id)
{
  for (size_t i = 0; i < edit->schema.n_identifier_field_ids; i++)
    if (edit->schema.identifier_field_ids[i] == field_id) return true;
  return false;
}

/* Why a field at or below `type` cannot identify rows; NULL: it can. `found_out`: is it here? */
static const char *identifier_bar(const frz_type *type, const frz_field *wanted, bool *found_out)
{
  for (size_t i = 0; i < type->n_fields; i++) {
    const frz_field *field = &type->fields[i];
    bool is_it = field == wanted;
    const char *bar = is_it ? NULL : identifier_bar(&field->type, wanted, found_out);
    *found_out |= is_it;
    if (!*found_out) continue;
    if (bar != NULL) return bar;
    if (is_it && !frz_type_is_primitive(&field->type))
      return "cannot be an identifier field: it is nested";
    if (is_it && (field->type.kind == FRZ_TYPE_FLOAT || field->type.kind == FRZ_TYPE_DOUBLE))
      return "cannot be an identifier field: it is floating point";
    if (is_it && !field->required) return "cannot be an identifier field: it is optional";
    if (type->kind != FRZ_TYPE_STRUCT)
      return "cannot be an identifier field: it is part of a list or map";
    if (!field->required) return "cannot be an identifier field: it is in an optional struct";
    return NULL;
  }
  return NULL;
}

frz_status frz_schema_edit_add_identifier(frz_schema_edit *edit, const frz_schema_change *change,
                                          frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  bool found = false;
  FRZ_TRY(frz_schema_edit_find(edit, change, &field, &holder, err));
  if (frz_schema_edit_is_identifier(edit, field->id)) return FRZ_OK;
  const char *bar = identifier_bar(&edit->schema.root, field, &found);
  if (bar != NULL) return frz_schema_edit_refuse(change, bar, err);
  ((int32_t *)edit->schema.identifier_field_ids)[edit->schema.n_identifier_field_ids++] = field->id;
  return FRZ_OK;
}

frz_status frz_schema_edit_drop_identifier(frz_schema_edit *edit, const frz_schema_change *change,
                                           frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  FRZ_TRY(frz_schema_edit_find(edit, change, &field, &holder, err));
  int32_t *ids = (int32_t *)edit->schema.identifier_field_ids;
  size_t n = edit->schema.n_identifier_field_ids, at = 0;
  while (at < n && ids[at] != field->id) at++;
  if (at == n) return frz_schema_edit_refuse(change, "is not an identifier field", err);
  memmove(ids + at, ids + at + 1, (n - at - 1) * sizeof *ids);
  edit->schema.n_identifier_field_ids--;
  return FRZ_OK;
}
