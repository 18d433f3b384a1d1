/*
 * schema_columns.c - schema changes that add, name, order and drop columns.
 *
 * A dropped column's id is gone with it; one of its name that is added later is another column, and
 * reads as null (or its default) in the files that are there.
 *
 * Source: Iceberg specification, "Schema Evolution".
 */
#include "iceberg/table/schema_edit.h"

static bool holds_name(const frz_type *type, frz_str name)
{
  for (size_t i = 0; i < type->n_fields; i++)
    if (frz_str_equal(type->fields[i].name, name)) return true;
  return false;
}

/* The id of the field whose type is `holder`: the name mapping's parent; -1: the root. */
static int32_t owner_of(const frz_type *type, const frz_type *holder)
{
  for (size_t i = 0; i < type->n_fields; i++) {
    if (&type->fields[i].type == holder) return type->fields[i].id;
    int32_t below = owner_of(&type->fields[i].type, holder);
    if (below != -1) return below;
  }
  return -1;
}

/* ---- adding ---- */

/* Where a new column goes: the struct in front of the last dot of its path. */
static frz_status find_parent(frz_schema_edit *edit, const frz_schema_change *change,
                              frz_type **parent_out, frz_str *name_out, frz_error *err)
{
  frz_str path = frz_str_from(change->path);
  size_t dot = path.size;
  while (dot > 0 && path.data[dot - 1] != '.') dot--;
  *name_out = (frz_str){path.data + dot, path.size - dot};
  *parent_out = &edit->schema.root;
  if (name_out->size == 0) return frz_schema_edit_refuse(change, "has an empty name", err);
  if (dot == 0) return FRZ_OK;
  frz_type *holder;
  bool in_key;
  frz_field *parent = frz_schema_edit_lookup(edit, (frz_str){path.data, dot - 1}, &holder, &in_key);
  if (parent == NULL)
    return frz_schema_edit_refuse(change, "cannot be added: its parent does not exist", err);
  if (in_key)
    return frz_schema_edit_refuse(change, "cannot be added: a map's key does not change", err);
  frz_type *type = &parent->type; /* lists and maps stand for the struct in them */
  if (type->kind == FRZ_TYPE_LIST) type = &((frz_field *)type->fields)[0].type;
  if (type->kind == FRZ_TYPE_MAP) type = &((frz_field *)type->fields)[1].type;
  if (type->kind != FRZ_TYPE_STRUCT)
    return frz_schema_edit_refuse(change, "cannot be added: its parent is not a struct", err);
  *parent_out = type;
  return FRZ_OK;
}

static frz_status check_required(const frz_schema_edit *edit, const frz_schema_change *change,
                                 const frz_field *field, frz_error *err)
{
  if (!field->required) return FRZ_OK;
  if (edit->base->format_version < 3)
    return frz_schema_edit_refuse(change,
                                  "cannot be added as required: rows written before have no value, "
                                  "and defaults need format version 3",
                                  err);
  if (field->initial_default.data != NULL) return FRZ_OK;
  return frz_schema_edit_refuse(
      change, "cannot be added as required without a default: rows written before have no value",
      err);
}

frz_status frz_schema_edit_add(frz_schema_edit *edit, const frz_schema_change *change,
                               frz_error *err)
{
  frz_type *parent;
  frz_field added = {.required = change->required};
  frz_str name;
  FRZ_TRY(find_parent(edit, change, &parent, &name, err));
  if (holds_name(parent, name)) return frz_schema_edit_refuse(change, "exists already", err);
  added.id = edit->next_id;
  added.name = frz_arena_copy(&edit->arena, name);
  if (added.name.data == NULL) return frz_fail_nomem(err, "column name");
  FRZ_TRY(frz_schema_edit_read_type(edit, change, &edit->next_id, &added.type, err));
  FRZ_TRY(frz_schema_edit_read_doc(edit, change, &added.doc, err));
  FRZ_TRY(frz_schema_edit_read_default(edit, change, &added.type, &added.initial_default, err));
  added.write_default = added.initial_default;
  FRZ_TRY(check_required(edit, change, &added, err));
  frz_field *fields = frz_arena_array(&edit->arena, parent->n_fields + 1, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "schema");
  if (parent->n_fields != 0) memcpy(fields, parent->fields, parent->n_fields * sizeof *fields);
  fields[parent->n_fields] = added;
  parent->fields = fields;
  parent->n_fields++;
  if (!edit->has_mapping) return FRZ_OK;
  edit->mapping_changed = true;
  return frz_name_mapping_add(&edit->mapping, owner_of(&edit->schema.root, parent), &added,
                              &edit->arena, err);
}

/* ---- renaming ---- */

frz_status frz_schema_edit_rename(frz_schema_edit *edit, const frz_schema_change *change,
                                  frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  FRZ_TRY(frz_schema_edit_find(edit, change, &field, &holder, err));
  frz_str name = frz_str_from(change->new_name);
  if (name.size == 0) return frz_schema_edit_refuse(change, "cannot get an empty name", err);
  if (holder->kind != FRZ_TYPE_STRUCT)
    return frz_schema_edit_refuse(change, "cannot be renamed: it is part of a list or map", err);
  if (frz_str_equal(field->name, name)) return FRZ_OK;
  if (holds_name(holder, name))
    return frz_fail(err, FRZ_ERR_INVALID, "column '%s' cannot be renamed: '%s' exists already",
                    change->path, change->new_name);
  field->name = frz_arena_copy(&edit->arena, name);
  if (field->name.data == NULL) return frz_fail_nomem(err, "column name");
  if (!edit->has_mapping) return FRZ_OK;
  edit->mapping_changed = true;
  return frz_name_mapping_rename(&edit->mapping, field->id, field->name, &edit->arena, err);
}

/* ---- dropping ---- */

/* What the field, or one below it, is still needed for; NULL: nothing. */
static const char *layout_use(const frz_schema_edit *edit, const frz_field *field)
{
  const frz_table_metadata *base = edit->base;
  const frz_partition_spec *spec = frz_metadata_spec(base, base->default_spec_id);
  const frz_sort_order *order = frz_metadata_sort_order(base, base->default_sort_order_id);
  for (size_t i = 0; spec != NULL && i < spec->n_fields; i++)
    if (frz_partition_field_reads(&spec->fields[i], field->id) &&
        spec->fields[i].transform.kind != FRZ_TRANSFORM_VOID)
      return "cannot be dropped: the table is partitioned by it";
  for (size_t i = 0; order != NULL && i < order->n_fields; i++)
    if (order->fields[i].source_id == field->id)
      return "cannot be dropped: the table is sorted by it";
  if (frz_schema_edit_is_identifier(edit, field->id))
    return "cannot be dropped: it is an identifier field of the table";
  for (size_t i = 0; i < field->type.n_fields; i++) {
    const char *use = layout_use(edit, &field->type.fields[i]);
    if (use != NULL) return use;
  }
  return NULL;
}

frz_status frz_schema_edit_drop(frz_schema_edit *edit, const frz_schema_change *change,
                                frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  FRZ_TRY(frz_schema_edit_find(edit, change, &field, &holder, err));
  if (holder->kind != FRZ_TYPE_STRUCT)
    return frz_schema_edit_refuse(change, "cannot be dropped: it is part of a list or map", err);
  const char *use = layout_use(edit, field);
  if (use != NULL) return frz_schema_edit_refuse(change, use, err);
  if (holder->n_fields == 1)
    return frz_schema_edit_refuse(change, "cannot be dropped: it is the last one", err);
  if (edit->has_mapping) {
    frz_name_mapping_drop(&edit->mapping, field->id);
    edit->mapping_changed = true;
  }
  size_t at = (size_t)(field - holder->fields);
  memmove(field, field + 1, (holder->n_fields - at - 1) * sizeof *field);
  holder->n_fields--;
  return FRZ_OK;
}

/* ---- ordering ---- */

/* The place that the moved field takes once it was taken out of `from`. */
static frz_status find_place(frz_schema_edit *edit, const frz_schema_change *change,
                             const frz_type *holder, size_t from, size_t *to_out, frz_error *err)
{
  frz_field *reference;
  frz_type *reference_holder;
  *to_out = 0;
  if (change->op == FRZ_SCHEMA_MOVE_FIRST) return FRZ_OK;
  if (change->reference == NULL || change->reference[0] == '\0')
    return frz_schema_edit_refuse(change, "cannot be moved: no column to move it to was named",
                                  err);
  const frz_schema_change named = {.path = change->reference};
  FRZ_TRY(frz_schema_edit_find(edit, &named, &reference, &reference_holder, err));
  if (reference_holder != holder)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "column '%s' cannot be moved next to '%s': they are of different structs",
                    change->path, change->reference);
  size_t at = (size_t)(reference - holder->fields);
  if (at == from) return frz_schema_edit_refuse(change, "cannot be moved next to itself", err);
  if (at > from) at--;
  *to_out = change->op == FRZ_SCHEMA_MOVE_AFTER ? at + 1 : at;
  return FRZ_OK;
}

frz_status frz_schema_edit_move(frz_schema_edit *edit, const frz_schema_change *change,
                                frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  FRZ_TRY(frz_schema_edit_find(edit, change, &field, &holder, err));
  if (holder->kind != FRZ_TYPE_STRUCT)
    return frz_schema_edit_refuse(change, "cannot be moved: it is part of a list or map", err);
  frz_field *fields = (frz_field *)holder->fields;
  frz_field moved = *field;
  size_t from = (size_t)(field - fields), to = 0;
  FRZ_TRY(find_place(edit, change, holder, from, &to, err));
  memmove(field, field + 1, (holder->n_fields - from - 1) * sizeof *field);
  memmove(fields + to + 1, fields + to, (holder->n_fields - to - 1) * sizeof *field);
  fields[to] = moved;
  return FRZ_OK;
}
