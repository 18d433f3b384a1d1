/*
 * glue_table.c - see glue_table.h.
 *
 * The pointer is the parameter metadata_location; columns are copied out of the schema for those
 * who look at Glue alone. What Glue says of a table beside these belongs to others and stays.
 */
#include "catalog/glue_table.h"

#include "base/arena_list.h"
#include "catalog/hive_type.h"
#include "catalog/pointer_table.h"

/* ---- reading ---- */

static frz_status read_parameters(frz_json_reader *json, frz_arena *arena, frz_glue_table *table,
                                  frz_error *err)
{
  size_t capacity = 0;
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key, value;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(frz_json_read_string(json, &value, err));
    table->parameters = frz_arena_list_room(arena, table->parameters, table->n_parameters,
                                            &capacity, sizeof *table->parameters);
    if (table->parameters == NULL) return frz_fail_nomem(err, "Glue table");
    table->parameters[table->n_parameters++] = (frz_text_pair){key, value};
    if (frz_str_is(key, FRZ_POINTER_KEY)) table->location = value;
    if (frz_str_is(key, FRZ_POINTER_KIND_KEY))
      table->is_iceberg = frz_str_is_word(value, "iceberg");
  }
}

static frz_status read_member(frz_json_reader *json, frz_str key, frz_arena *arena,
                              frz_glue_table *table, frz_error *err)
{
  frz_str *text = frz_str_is(key, "Name")          ? &table->name
                  : frz_str_is(key, "VersionId")   ? &table->version_id
                  : frz_str_is(key, "Owner")       ? &table->owner
                  : frz_str_is(key, "Description") ? &table->description
                                                   : NULL;
  bool was_null;
  FRZ_TRY(frz_json_read_null(json, &was_null, err));
  if (was_null) return FRZ_OK;
  if (text != NULL) return frz_json_read_string(json, text, err);
  if (frz_str_is(key, "Parameters")) return read_parameters(json, arena, table, err);
  if (frz_str_is(key, "StorageDescriptor")) return frz_json_read_raw(json, &table->storage, err);
  return frz_json_skip(json, err);
}

frz_status frz_glue_table_read(frz_json_reader *json, frz_arena *arena, frz_glue_table *table_out,
                               frz_error *err)
{
  *table_out = (frz_glue_table){0};
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) return FRZ_OK;
    FRZ_TRY(read_member(json, key, arena, table_out, err));
  }
}

/* ---- columns ---- */

static frz_status write_column(frz_json_writer *json, const frz_field *field, bool is_current,
                               frz_arena *arena, frz_buf *scratch, frz_error *err)
{
  scratch->size = 0;
  FRZ_TRY(frz_hive_type_append(&field->type, FRZ_HIVE_GLUE, arena, scratch, err));
  frz_str id = frz_arena_print(arena, "%d", (int)field->id);
  if (id.data == NULL) return frz_fail_nomem(err, "column");
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "Name", field->name);
  frz_json_write_string_member(json, "Type", frz_buf_str(scratch));
  if (field->doc.size != 0)
    frz_json_write_string_member(json, "Comment", frz_hive_comment(field->doc));
  frz_json_write_key(json, "Parameters");
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "iceberg.field.id", id);
  frz_json_write_string_member(json, "iceberg.field.optional",
                               field->required ? FRZ_STR("false") : FRZ_STR("true"));
  frz_json_write_string_member(json, "iceberg.field.current",
                               is_current ? FRZ_STR("true") : FRZ_STR("false"));
  frz_json_write_object_end(json);
  frz_json_write_object_end(json);
  return FRZ_OK;
}

/* The columns of a schema whose names are not there yet. */
static frz_status write_columns(frz_json_writer *json, const frz_schema *schema, bool is_current,
                                frz_map *seen, frz_arena *arena, frz_error *err)
{
  frz_buf scratch;
  frz_buf_init(&scratch, arena->alloc, 1 << 20);
  frz_status st = FRZ_OK;
  for (size_t i = 0; i < schema->root.n_fields && st == FRZ_OK; i++) {
    bool is_new;
    const frz_field *field = &schema->root.fields[i];
    st = frz_map_insert(seen, field->name, 0, NULL, &is_new, err);
    if (st == FRZ_OK && is_new) st = write_column(json, field, is_current, arena, &scratch, err);
  }
  frz_buf_dispose(&scratch);
  return st;
}

static frz_status write_storage(frz_json_writer *json, const frz_table_metadata *metadata,
                                frz_arena *arena, frz_error *err)
{
  const frz_schema *current = frz_metadata_current_schema(metadata);
  frz_map seen;
  frz_map_init(&seen, arena->alloc, 1 << 24);
  frz_json_write_key(json, "StorageDescriptor");
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "Location", metadata->location);
  frz_json_write_key(json, "Columns");
  frz_json_write_array_begin(json);
  frz_status st = write_columns(json, current, true, &seen, arena, err);
  for (size_t i = 0; i < metadata->n_schemas && st == FRZ_OK; i++)
    if (&metadata->schemas[i] != current)
      st = write_columns(json, &metadata->schemas[i], false, &seen, arena, err);
  frz_json_write_array_end(json);
  frz_json_write_object_end(json);
  frz_map_dispose(&seen);
  return st;
}

/* ---- writing ---- */

static void write_parameters(frz_json_writer *json, const frz_glue_table *old, frz_str location)
{
  frz_json_write_key(json, "Parameters");
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, FRZ_POINTER_KIND_KEY, FRZ_STR("ICEBERG"));
  frz_json_write_string_member(json, FRZ_POINTER_KEY, location);
  if (old != NULL && old->location.size != 0)
    frz_json_write_string_member(json, FRZ_POINTER_PREVIOUS_KEY, old->location);
  for (size_t i = 0; old != NULL && i < old->n_parameters; i++) {
    if (frz_pointer_is_key(old->parameters[i].key)) continue;
    frz_json_write_key_str(json, old->parameters[i].key);
    frz_json_write_string(json, old->parameters[i].value);
  }
  frz_json_write_object_end(json);
}

static void write_head(frz_json_writer *json, frz_str name, const frz_glue_table *old)
{
  frz_json_write_key(json, "TableInput");
  frz_json_write_object_begin(json);
  frz_json_write_string_member(json, "Name", name);
  frz_json_write_string_member(json, "TableType", FRZ_STR("EXTERNAL_TABLE"));
  if (old != NULL && old->owner.size != 0) frz_json_write_string_member(json, "Owner", old->owner);
  if (old != NULL && old->description.size != 0)
    frz_json_write_string_member(json, "Description", old->description);
}

frz_status frz_glue_table_write(frz_json_writer *json, frz_str name, const frz_glue_table *old,
                                const frz_loaded_table *next, frz_arena *arena, frz_error *err)
{
  write_head(json, name, old);
  write_parameters(json, old, (frz_str){next->location.data, next->location.size_bytes});
  FRZ_TRY(write_storage(json, next->metadata, arena, err));
  frz_json_write_object_end(json);
  return FRZ_OK;
}

void frz_glue_table_write_renamed(frz_json_writer *json, frz_str name, const frz_glue_table *old)
{
  write_head(json, name, old);
  frz_json_write_key(json, "Parameters");
  frz_json_write_object_begin(json);
  for (size_t i = 0; i < old->n_parameters; i++) {
    frz_json_write_key_str(json, old->parameters[i].key);
    frz_json_write_string(json, old->parameters[i].value);
  }
  frz_json_write_object_end(json);
  if (old->storage.size != 0) {
    frz_json_write_key(json, "StorageDescriptor");
    frz_json_write_raw(json, old->storage);
  }
  frz_json_write_object_end(json);
}
