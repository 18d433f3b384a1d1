/*
 * hive_table.c - see hive_table.h.
 *
 * The pointer is the parameter metadata_location; columns and the table's properties are copied out
 * of the metadata for those who look at Hive alone. What Hive says of a table beside these belongs
 * to others: it is copied byte by byte.
 */
#include "catalog/hive_table.h"

#include "base/arena_list.h"

enum {
  PROPERTY_BYTES_MAX = 4000, /* longer ones pass what databases of metastores hold */
  TYPE_BYTES_MAX = 1 << 20
};

/* Fields of a Table and of a StorageDescriptor. */
enum {
  TABLE_NAME = 1,
  TABLE_DATABASE = 2,
  TABLE_OWNER = 3,
  TABLE_CREATED = 4,
  TABLE_ACCESSED = 5,
  TABLE_STORAGE = 7,
  TABLE_PARTITION_KEYS = 8,
  TABLE_PARAMETERS = 9,
  TABLE_TYPE = 12,
  STORAGE_COLUMNS = 1,
  STORAGE_LOCATION = 2,
  STORAGE_INPUT = 3,
  STORAGE_OUTPUT = 4,
  STORAGE_SERDE = 7
};

/* ---- reading ---- */

static frz_status read_parameters(frz_tbinary_reader *reader, frz_arena *arena,
                                  frz_hive_table *table, frz_error *err)
{
  size_t n;
  FRZ_TRY(frz_tbinary_map_begin(reader, FRZ_TBINARY_STRING, FRZ_TBINARY_STRING, &n, err));
  table->parameters = frz_arena_array(arena, n, sizeof *table->parameters);
  if (table->parameters == NULL) return frz_fail_nomem(err, "Hive table");
  table->n_parameters = 0;
  for (size_t i = 0; i < n; i++) {
    frz_text_pair *pair = &table->parameters[i];
    FRZ_TRY(frz_tbinary_read_string(reader, &pair->key, err));
    FRZ_TRY(frz_tbinary_read_string(reader, &pair->value, err));
    table->n_parameters++;
    if (frz_str_is(pair->key, FRZ_POINTER_KEY)) table->location = pair->value;
    if (frz_str_is(pair->key, FRZ_POINTER_KIND_KEY))
      table->is_iceberg = frz_str_is_word(pair->value, "iceberg");
  }
  return FRZ_OK;
}

static frz_status read_member(frz_tbinary_reader *reader, int16_t id, frz_tbinary_type type,
                              frz_arena *arena, frz_hive_table *table, frz_error *err)
{
  size_t start = reader->bytes.pos;
  if (id == TABLE_NAME && type == FRZ_TBINARY_STRING)
    return frz_tbinary_read_string(reader, &table->name, err);
  if (id == TABLE_PARAMETERS && type == FRZ_TBINARY_MAP)
    return read_parameters(reader, arena, table, err);
  FRZ_TRY(frz_tbinary_skip(reader, type, err));
  if (id == TABLE_STORAGE && type == FRZ_TBINARY_STRUCT)
    table->storage = (frz_str){(const char *)reader->bytes.data + start, reader->bytes.pos - start};
  return FRZ_OK;
}

frz_status frz_hive_table_read(frz_tbinary_reader *reader, frz_arena *arena,
                               frz_hive_table *table_out, frz_error *err)
{
  assert(reader->more == NULL);
  size_t start = reader->bytes.pos;
  *table_out = (frz_hive_table){0};
  for (;;) {
    int16_t id;
    frz_tbinary_type type;
    FRZ_TRY(frz_tbinary_field(reader, &id, &type, err));
    if (type == FRZ_TBINARY_STOP) break;
    FRZ_TRY(read_member(reader, id, type, arena, table_out, err));
  }
  table_out->bytes = (frz_str){(const char *)reader->bytes.data + start, reader->bytes.pos - start};
  return FRZ_OK;
}

/* ---- writing ---- */

/* Copy the fields of a struct, save two; its end is left to the caller. */
static frz_status copy_fields(frz_tbinary_writer *writer, frz_str bytes, int16_t not_this,
                              int16_t nor_this, frz_error *err)
{
  frz_tbinary_reader reader = {.bytes = frz_reader_of(bytes.data, bytes.size)};
  for (;;) {
    int16_t id;
    frz_tbinary_type type;
    size_t start = reader.bytes.pos;
    FRZ_TRY(frz_tbinary_field(&reader, &id, &type, err));
    if (type == FRZ_TBINARY_STOP) return FRZ_OK;
    FRZ_TRY(frz_tbinary_skip(&reader, type, err));
    if (id != not_this && id != nor_this)
      frz_tbinary_write_raw(writer, (frz_str){bytes.data + start, reader.bytes.pos - start});
  }
}

static frz_status write_columns(frz_tbinary_writer *writer, const frz_hive_table_form *form,
                                frz_arena *arena, frz_error *err)
{
  const frz_schema *schema = frz_metadata_current_schema(form->next->metadata);
  frz_buf type;
  frz_buf_init(&type, arena->alloc, TYPE_BYTES_MAX);
  frz_tbinary_write_list_field(writer, STORAGE_COLUMNS, FRZ_TBINARY_STRUCT, schema->root.n_fields);
  frz_status st = FRZ_OK;
  for (size_t i = 0; i < schema->root.n_fields && st == FRZ_OK; i++) {
    const frz_field *field = &schema->root.fields[i];
    type.size = 0;
    st = frz_hive_type_append(&field->type, form->dialect, arena, &type, err);
    frz_tbinary_write_string_field(writer, 1, field->name);
    frz_tbinary_write_string_field(writer, 2, frz_buf_str(&type));
    if (field->doc.size != 0)
      frz_tbinary_write_string_field(writer, 3, frz_hive_comment(field->doc));
    frz_tbinary_write_stop(writer);
  }
  frz_buf_dispose(&type);
  return st;
}

/* Formats that fit no file: Hive reads the table where its Iceberg handler is set, by others. */
static void write_formats(frz_tbinary_writer *writer)
{
  frz_tbinary_write_string_field(writer, STORAGE_INPUT,
                                 FRZ_STR("org.apache.hadoop.mapred.FileInputFormat"));
  frz_tbinary_write_string_field(writer, STORAGE_OUTPUT,
                                 FRZ_STR("org.apache.hadoop.mapred.FileOutputFormat"));
  frz_tbinary_write_field(writer, STORAGE_SERDE, FRZ_TBINARY_STRUCT);
  frz_tbinary_write_string_field(writer, 2,
                                 FRZ_STR("org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"));
  frz_tbinary_write_stop(writer);
}

static frz_status write_storage(frz_tbinary_writer *writer, const frz_hive_table_form *form,
                                frz_arena *arena, frz_error *err)
{
  frz_tbinary_write_field(writer, TABLE_STORAGE, FRZ_TBINARY_STRUCT);
  FRZ_TRY(write_columns(writer, form, arena, err));
  frz_tbinary_write_string_field(writer, STORAGE_LOCATION, form->next->metadata->location);
  if (form->old != NULL && form->old->storage.size != 0)
    FRZ_TRY(copy_fields(writer, form->old->storage, STORAGE_COLUMNS, STORAGE_LOCATION, err));
  else
    write_formats(writer);
  frz_tbinary_write_stop(writer);
  return FRZ_OK;
}

/* The parameters of the next description. */
typedef struct parameter_list {
  frz_arena *arena;
  frz_text_pair *items;
  size_t n;
  size_t capacity;
} parameter_list;

static frz_status add(parameter_list *list, frz_str key, frz_str value, frz_error *err)
{
  list->items =
      frz_arena_list_room(list->arena, list->items, list->n, &list->capacity, sizeof *list->items);
  if (list->items == NULL) return frz_fail_nomem(err, "Hive table");
  list->items[list->n++] = (frz_text_pair){key, value};
  return FRZ_OK;
}

static bool has_property(const frz_table_metadata *metadata, frz_str key)
{
  for (size_t i = 0; i < metadata->n_properties; i++)
    if (frz_str_equal(metadata->properties[i].key, key)) return true;
  return false;
}

static bool is_ours(frz_str key)
{
  return frz_pointer_is_key(key) || frz_str_is(key, "EXTERNAL");
}

/* The parameters of others stay; a property that the table had, or has, is not theirs. */
static frz_status collect_parameters(parameter_list *list, const frz_hive_table_form *form,
                                     frz_error *err)
{
  const frz_table_metadata *next = form->next->metadata;
  const frz_hive_table *old = form->old;
  FRZ_TRY(add(list, FRZ_STR("EXTERNAL"), FRZ_STR("TRUE"), err));
  FRZ_TRY(add(list, FRZ_STR(FRZ_POINTER_KIND_KEY), FRZ_STR("ICEBERG"), err));
  FRZ_TRY(add(list, FRZ_STR(FRZ_POINTER_KEY),
              (frz_str){form->next->location.data, form->next->location.size_bytes}, err));
  if (old != NULL && old->location.size != 0)
    FRZ_TRY(add(list, FRZ_STR(FRZ_POINTER_PREVIOUS_KEY), old->location, err));
  for (size_t i = 0; i < next->n_properties; i++)
    if (!is_ours(next->properties[i].key) && next->properties[i].value.size <= PROPERTY_BYTES_MAX)
      FRZ_TRY(add(list, next->properties[i].key, next->properties[i].value, err));
  for (size_t i = 0; old != NULL && i < old->n_parameters; i++) {
    frz_str key = old->parameters[i].key;
    if (!is_ours(key) && !has_property(next, key) && !has_property(form->before, key))
      FRZ_TRY(add(list, key, old->parameters[i].value, err));
  }
  return FRZ_OK;
}

static frz_status write_parameters(frz_tbinary_writer *writer, const frz_hive_table_form *form,
                                   frz_arena *arena, frz_error *err)
{
  parameter_list list = {.arena = arena};
  FRZ_TRY(collect_parameters(&list, form, err));
  frz_tbinary_write_map_field(writer, TABLE_PARAMETERS, list.n);
  for (size_t i = 0; i < list.n; i++) {
    frz_tbinary_write_string(writer, list.items[i].key);
    frz_tbinary_write_string(writer, list.items[i].value);
  }
  return FRZ_OK;
}

static void write_new_head(frz_tbinary_writer *writer, const frz_hive_table_form *form)
{
  frz_str owner = frz_metadata_property(form->next->metadata, "owner");
  int32_t now_s = (int32_t)(form->next->metadata->last_updated_ms / 1000);
  frz_tbinary_write_string_field(writer, TABLE_NAME, form->id->table_name);
  frz_tbinary_write_string_field(writer, TABLE_DATABASE, form->id->namespace_name);
  frz_tbinary_write_string_field(writer, TABLE_OWNER,
                                 owner.size != 0 ? owner : frz_str_from(form->owner));
  frz_tbinary_write_i32_field(writer, TABLE_CREATED, now_s);
  frz_tbinary_write_i32_field(writer, TABLE_ACCESSED, now_s);
  frz_tbinary_write_list_field(writer, TABLE_PARTITION_KEYS, FRZ_TBINARY_STRUCT, 0);
  frz_tbinary_write_string_field(writer, TABLE_TYPE, FRZ_STR("EXTERNAL_TABLE"));
}

frz_status frz_hive_table_write(frz_tbinary_writer *writer, const frz_hive_table_form *form,
                                frz_arena *arena, frz_error *err)
{
  if (form->old != NULL)
    FRZ_TRY(copy_fields(writer, form->old->bytes, TABLE_STORAGE, TABLE_PARAMETERS, err));
  else
    write_new_head(writer, form);
  FRZ_TRY(write_storage(writer, form, arena, err));
  FRZ_TRY(write_parameters(writer, form, arena, err));
  frz_tbinary_write_stop(writer);
  return FRZ_OK;
}

frz_status frz_hive_table_write_renamed(frz_tbinary_writer *writer, const frz_identifier *id,
                                        const frz_hive_table *old, frz_error *err)
{
  FRZ_TRY(copy_fields(writer, old->bytes, TABLE_NAME, TABLE_DATABASE, err));
  frz_tbinary_write_string_field(writer, TABLE_NAME, id->table_name);
  frz_tbinary_write_string_field(writer, TABLE_DATABASE, id->namespace_name);
  frz_tbinary_write_stop(writer);
  return FRZ_OK;
}
