/*
 * name_mapping_update.c - a name mapping that follows the changes of its schema.
 *
 * Names of old files stay: a renamed column keeps its former names as aliases. Within a level a
 * name belongs to one field, so a column that takes a name takes it from the others.
 *
 * Source: Iceberg specification, "Column Projection".
 */
#include "base/limits.h"
#include "iceberg/schema/name_mapping.h"

/* The level that holds the field, and its place there; NULL: it is not mapped. */
static frz_name_mapping *find_level(frz_name_mapping *level, int32_t field_id, size_t *at_out)
{
  for (size_t i = 0; i < level->n_fields; i++) {
    if (level->fields[i].field_id == field_id) {
      *at_out = i;
      return level;
    }
    frz_name_mapping *below = find_level(&level->fields[i].children, field_id, at_out);
    if (below != NULL) return below;
  }
  return NULL;
}

/* Names are of the arena: they may be closed up in place. */
static void take_name(frz_name_mapping *level, frz_str name, const frz_mapped_field *except)
{
  for (size_t i = 0; i < level->n_fields; i++) {
    frz_mapped_field *field = &level->fields[i];
    frz_str *names = (frz_str *)field->names;
    size_t n = 0;
    for (size_t k = 0; field != except && k < field->n_names; k++)
      if (!frz_str_equal(names[k], name)) names[n++] = names[k];
    if (field != except) field->n_names = n;
  }
}

static frz_status map_type(const frz_type *type, frz_arena *arena, int depth,
                           frz_name_mapping *level, frz_error *err)
{
  if (type->n_fields == 0) return FRZ_OK;
  if (depth > FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "name mapping nested deeper than %d", FRZ_LIMIT_DEPTH);
  level->fields = frz_arena_array(arena, type->n_fields, sizeof *level->fields);
  if (level->fields == NULL) return frz_fail_nomem(err, "name mapping");
  for (size_t i = 0; i < type->n_fields; i++) {
    frz_str *name = frz_arena_push(arena, sizeof *name);
    if (name == NULL) return frz_fail_nomem(err, "name mapping");
    *name = type->fields[i].name;
    level->fields[i] =
        (frz_mapped_field){.field_id = type->fields[i].id, .names = name, .n_names = 1};
    FRZ_TRY(map_type(&type->fields[i].type, arena, depth + 1, &level->fields[i].children, err));
  }
  level->n_fields = type->n_fields;
  return FRZ_OK;
}

frz_status frz_name_mapping_add(frz_name_mapping *mapping, int32_t parent_id,
                                const frz_field *field, frz_arena *arena, frz_error *err)
{
  frz_name_mapping *level = mapping, added = {0};
  const frz_type alone = {.kind = FRZ_TYPE_STRUCT, .fields = field, .n_fields = 1};
  size_t at;
  if (parent_id != -1) {
    frz_name_mapping *holder = find_level(mapping, parent_id, &at);
    if (holder == NULL) return FRZ_OK;
    level = &holder->fields[at].children;
  }
  FRZ_TRY(map_type(&alone, arena, 0, &added, err));
  frz_mapped_field *fields = frz_arena_array(arena, level->n_fields + 1, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "name mapping");
  take_name(level, field->name, NULL);
  if (level->n_fields != 0) memcpy(fields, level->fields, level->n_fields * sizeof *fields);
  fields[level->n_fields] = added.fields[0];
  level->fields = fields;
  level->n_fields++;
  return FRZ_OK;
}

frz_status frz_name_mapping_rename(frz_name_mapping *mapping, int32_t field_id, frz_str new_name,
                                   frz_arena *arena, frz_error *err)
{
  size_t at;
  frz_name_mapping *level = find_level(mapping, field_id, &at);
  if (level == NULL) return FRZ_OK;
  frz_mapped_field *field = &level->fields[at];
  take_name(level, new_name, field);
  for (size_t i = 0; i < field->n_names; i++)
    if (frz_str_equal(field->names[i], new_name)) return FRZ_OK;
  frz_str *names = frz_arena_array(arena, field->n_names + 1, sizeof *names);
  if (names == NULL) return frz_fail_nomem(err, "name mapping");
  if (field->n_names != 0) memcpy(names, field->names, field->n_names * sizeof *names);
  names[field->n_names++] = new_name;
  field->names = names;
  return FRZ_OK;
}

void frz_name_mapping_drop(frz_name_mapping *mapping, int32_t field_id)
{
  size_t at;
  frz_name_mapping *level = find_level(mapping, field_id, &at);
  if (level == NULL) return;
  memmove(&level->fields[at], &level->fields[at + 1],
          (level->n_fields - at - 1) * sizeof *level->fields);
  level->n_fields--;
}

void frz_name_mapping_write(frz_json_writer *json, const frz_name_mapping *mapping)
{
  frz_json_write_array_begin(json);
  for (size_t i = 0; i < mapping->n_fields; i++) {
    const frz_mapped_field *field = &mapping->fields[i];
    frz_json_write_object_begin(json);
    if (field->field_id != -1) frz_json_write_i64_member(json, "field-id", field->field_id);
    frz_json_write_key(json, "names");
    frz_json_write_array_begin(json);
    for (size_t k = 0; k < field->n_names; k++) frz_json_write_string(json, field->names[k]);
    frz_json_write_array_end(json);
    if (field->children.n_fields != 0) {
      frz_json_write_key(json, "fields");
      frz_name_mapping_write(json, &field->children);
    }
    frz_json_write_object_end(json);
  }
  frz_json_write_array_end(json);
}
