/*
 * schema_update.c - change a table's schema by Iceberg's rules, in one commit.
 *
 * The changes are made in order on a copy of the current schema that belongs to the attempt, so a
 * conflict simply starts over from the schema that won. Ids are never reused: a new field gets
 * the next ids after the table's last, also where a column of its name was dropped before. What the
 * table's properties say by column name follows: the name mapping, and settings of single columns.
 *
 * Source: Iceberg specification, "Schema Evolution", "Default values", "Identifier Field IDs".
 */
#include <assert.h>

#include "base/limits.h"
#include "iceberg/table/schema_edit.h"

/* What one table update works with. */
typedef struct schema_update {
  const frz_schema_change *changes;
  size_t n_changes;
  const frz_alloc *alloc;
  frz_schema_edit edit; /* of one attempt */
  frz_text_pair mapping;
  frz_metadata_update updates[3];
  frz_requirement requirements[3];
} schema_update;

frz_status frz_schema_edit_refuse(const frz_schema_change *change, const char *why, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_INVALID, "column '%s' %s", change->path, why);
}

/* ---- the copy ---- */

static frz_status copy_type(frz_arena *arena, const frz_type *type, frz_type *copy_out, int depth,
                            frz_error *err)
{
  if (depth > FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "schema nested deeper than %d levels", FRZ_LIMIT_DEPTH);
  *copy_out = *type;
  if (frz_type_is_primitive(type)) return FRZ_OK;
  frz_field *fields = frz_arena_array(arena, type->n_fields, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "schema");
  for (size_t i = 0; i < type->n_fields; i++) {
    fields[i] = type->fields[i];
    FRZ_TRY(copy_type(arena, &type->fields[i].type, &fields[i].type, depth + 1, err));
  }
  copy_out->fields = fields;
  return FRZ_OK;
}

static frz_status copy_identifiers(frz_schema_edit *edit, size_t n_changes, frz_error *err)
{
  size_t n = edit->schema.n_identifier_field_ids;
  int32_t *ids = frz_arena_array(&edit->arena, n + n_changes, sizeof *ids);
  if (ids == NULL) return frz_fail_nomem(err, "schema");
  if (n != 0) memcpy(ids, edit->schema.identifier_field_ids, n * sizeof *ids);
  edit->schema.identifier_field_ids = ids;
  return FRZ_OK;
}

static frz_status open_edit(schema_update *update, const frz_table_metadata *base, frz_error *err)
{
  frz_schema_edit *edit = &update->edit;
  const frz_schema *current = frz_metadata_current_schema(base);
  frz_arena_free(&edit->arena);
  *edit = (frz_schema_edit){.base = base, .schema = *current, .next_id = base->last_column_id + 1};
  frz_arena_init(&edit->arena, update->alloc, FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY(copy_type(&edit->arena, &current->root, &edit->schema.root, 0, err));
  FRZ_TRY(copy_identifiers(edit, update->n_changes, err));
  frz_str mapping = frz_metadata_name_mapping(base);
  edit->has_mapping = mapping.data != NULL;
  return edit->has_mapping ? frz_name_mapping_parse(mapping, &edit->arena, &edit->mapping, err)
                           : FRZ_OK;
}

/* ---- finding columns ---- */

/* The type of our copy that holds `field` among its fields; sets *in_key_out below map keys. */
static frz_type *find_holder(frz_type *type, const frz_field *field, bool *in_key_out)
{
  for (size_t i = 0; i < type->n_fields; i++) {
    frz_field *child = (frz_field *)&type->fields[i];
    frz_type *holder = child == field ? type : find_holder(&child->type, field, in_key_out);
    if (holder == NULL) continue;
    if (type->kind == FRZ_TYPE_MAP && i == 0) *in_key_out = true;
    return holder;
  }
  return NULL;
}

/* By its whole name, or with lists and maps standing for the struct in them. */
static frz_field *find_own(frz_schema_edit *edit, frz_str path, int depth)
{
  frz_field *field = (frz_field *)frz_schema_find_name(&edit->schema, path, true);
  if (field != NULL || depth > FRZ_LIMIT_DEPTH) return field;
  size_t dot = path.size;
  while (dot > 0 && path.data[dot - 1] != '.') dot--;
  if (dot == 0) return NULL;
  frz_field *parent = find_own(edit, (frz_str){path.data, dot - 1}, depth + 1);
  if (parent == NULL) return NULL;
  const frz_type *type = &parent->type;
  if (type->kind == FRZ_TYPE_LIST) type = &type->fields[0].type;
  if (type->kind == FRZ_TYPE_MAP) type = &type->fields[1].type;
  frz_str name = {path.data + dot, path.size - dot};
  for (size_t i = 0; type->kind == FRZ_TYPE_STRUCT && i < type->n_fields; i++)
    if (frz_str_equal(type->fields[i].name, name)) return (frz_field *)&type->fields[i];
  return NULL;
}

frz_field *frz_schema_edit_lookup(frz_schema_edit *edit, frz_str path, frz_type **holder_out,
                                  bool *in_map_key_out)
{
  frz_field *field = find_own(edit, path, 0);
  *in_map_key_out = false;
  if (field == NULL) return NULL;
  *holder_out = find_holder(&edit->schema.root, field, in_map_key_out);
  assert(*holder_out != NULL);
  return field;
}

frz_status frz_schema_edit_find(frz_schema_edit *edit, const frz_schema_change *change,
                                frz_field **field_out, frz_type **holder_out, frz_error *err)
{
  bool in_key;
  frz_type *holder;
  frz_field *field = frz_schema_edit_lookup(edit, frz_str_from(change->path), &holder, &in_key);
  if (field == NULL) return frz_schema_edit_refuse(change, "does not exist", err);
  if (in_key)
    return frz_schema_edit_refuse(change, "cannot change: it is part of a map's key", err);
  *field_out = field;
  *holder_out = holder;
  return FRZ_OK;
}

/* ---- the commit ---- */

static frz_status apply(frz_schema_edit *edit, const frz_schema_change *change, frz_error *err)
{
  switch (change->op) {
  case FRZ_SCHEMA_ADD_COLUMN: return frz_schema_edit_add(edit, change, err);
  case FRZ_SCHEMA_RENAME_COLUMN: return frz_schema_edit_rename(edit, change, err);
  case FRZ_SCHEMA_DROP_COLUMN: return frz_schema_edit_drop(edit, change, err);
  case FRZ_SCHEMA_PROMOTE_COLUMN: return frz_schema_edit_promote(edit, change, err);
  case FRZ_SCHEMA_MAKE_OPTIONAL: return frz_schema_edit_make_optional(edit, change, err);
  case FRZ_SCHEMA_SET_DOC: return frz_schema_edit_set_doc(edit, change, err);
  case FRZ_SCHEMA_SET_DEFAULT: return frz_schema_edit_set_default(edit, change, err);
  case FRZ_SCHEMA_MOVE_FIRST:
  case FRZ_SCHEMA_MOVE_BEFORE:
  case FRZ_SCHEMA_MOVE_AFTER: return frz_schema_edit_move(edit, change, err);
  case FRZ_SCHEMA_ADD_IDENTIFIER: return frz_schema_edit_add_identifier(edit, change, err);
  case FRZ_SCHEMA_DROP_IDENTIFIER: return frz_schema_edit_drop_identifier(edit, change, err);
  case FRZ_SCHEMA_MAKE_REQUIRED:
    return frz_schema_edit_refuse(change,
                                  "cannot become required: rows without a value may be there", err);
  default: break;
  }
  return frz_fail(err, FRZ_ERR_INVALID, "schema change %d is not known", (int)change->op);
}

static frz_status print_mapping(schema_update *update, frz_error *err)
{
  frz_buf text;
  frz_json_writer json;
  frz_buf_init(&text, update->alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_json_writer_init(&json, &text);
  frz_name_mapping_write(&json, &update->edit.mapping);
  frz_status st = frz_json_writer_finish(&json, err);
  if (st == FRZ_OK) {
    update->mapping = (frz_text_pair){FRZ_STR("schema.name-mapping.default"),
                                      frz_arena_copy(&update->edit.arena, frz_buf_str(&text))};
    if (update->mapping.value.data == NULL) st = frz_fail_nomem(err, "name mapping");
  }
  frz_buf_dispose(&text);
  return st;
}

static frz_status fill_attempt(schema_update *update, frz_commit_attempt *attempt, frz_error *err)
{
  frz_schema_edit *edit = &update->edit;
  const frz_table_metadata *base = edit->base;
  size_t n_updates = 0;
  update->updates[n_updates++] = (frz_metadata_update){
      .kind = FRZ_UPDATE_ADD_SCHEMA, .schema = &edit->schema, .last_column_id = edit->next_id - 1};
  update->updates[n_updates++] =
      (frz_metadata_update){.kind = FRZ_UPDATE_SET_CURRENT_SCHEMA, .id = -1};
  if (edit->mapping_changed) {
    FRZ_TRY(print_mapping(update, err));
    update->updates[n_updates++] = (frz_metadata_update){
        .kind = FRZ_UPDATE_SET_PROPERTIES, .pairs = &update->mapping, .n_pairs = 1};
  }
  update->requirements[0] = (frz_requirement){.kind = FRZ_REQUIRE_UUID, .text = base->table_uuid};
  update->requirements[1] =
      (frz_requirement){.kind = FRZ_REQUIRE_CURRENT_SCHEMA_ID, .value = base->current_schema_id};
  update->requirements[2] =
      (frz_requirement){.kind = FRZ_REQUIRE_LAST_ASSIGNED_FIELD_ID, .value = base->last_column_id};
  *attempt = (frz_commit_attempt){update->requirements, 3, update->updates, n_updates, 0};
  return FRZ_OK;
}

static frz_status prepare_schema(void *arg, const frz_table_metadata *base,
                                 frz_commit_attempt *attempt_out, frz_error *err)
{
  schema_update *update = arg;
  frz_schema_edit *edit = &update->edit;
  FRZ_TRY(open_edit(update, base, err));
  for (size_t i = 0; i < update->n_changes; i++) FRZ_TRY(apply(edit, &update->changes[i], err));
  if (frz_schema_same(frz_metadata_current_schema(base), &edit->schema)) return FRZ_OK;
  edit->schema.schema_id = -1; /* to be assigned */
  if (edit->next_id - 1 > edit->schema.highest_field_id)
    edit->schema.highest_field_id = edit->next_id - 1;
  return fill_attempt(update, attempt_out, err);
}

frz_status frz_table_update_schema(frz_table *table, const frz_schema_change *changes,
                                   size_t n_changes, frz_error *err)
{
  if (table == NULL || (changes == NULL && n_changes != 0))
    return frz_fail(err, FRZ_ERR_INVALID, "schema update: table or changes are NULL");
  for (size_t i = 0; i < n_changes; i++)
    if (changes[i].path == NULL || changes[i].path[0] == '\0')
      return frz_fail(err, FRZ_ERR_INVALID, "schema change %zu has no path", i);
  schema_update update = {.changes = changes,
                          .n_changes = n_changes,
                          .alloc = frz_context_alloc(frz_table_context(table))};
  frz_status st = frz_table_commit(table, prepare_schema, &update, err);
  frz_arena_free(&update.edit.arena);
  return st;
}
