/*
 * online_layout.c - parse "frazil.feast": the entity key, times, join keys and features by field
 * id.
 *
 * The property is JSON: {"version": 1, "project", "view", "entity_key", "event_ts", "created_ts":
 * field ids, "join_keys" and "features": [{"name", "id", "type"}], "ttl_seconds"}. Types are the
 * names of feast.types.ValueType.
 */
#include "online/online_layout.h"

#include <stdlib.h>

#include "base/arena_list.h"
#include "text/json_reader.h"

enum { LAYOUT_VERSION = 1, LAYOUT_BYTES_MAX = 64 << 20 };

/* feast.types.ValueType.Enum, and two of Feast's own types that are stored as bytes. */
static const struct {
  const char *name;
  int32_t number;
} value_types[] = {
    {"BYTES", 1},
    {"STRING", 2},
    {"INT32", 3},
    {"INT64", 4},
    {"DOUBLE", 5},
    {"FLOAT", 6},
    {"BOOL", 7},
    {"UNIX_TIMESTAMP", 8},
    {"BYTES_LIST", 11},
    {"STRING_LIST", 12},
    {"INT32_LIST", 13},
    {"INT64_LIST", 14},
    {"DOUBLE_LIST", 15},
    {"FLOAT_LIST", 16},
    {"BOOL_LIST", 17},
    {"UNIX_TIMESTAMP_LIST", 18},
    {"NULL", 19},
    {"MAP", 20},
    {"MAP_LIST", 21},
    {"BYTES_SET", 22},
    {"STRING_SET", 23},
    {"INT32_SET", 24},
    {"INT64_SET", 25},
    {"DOUBLE_SET", 26},
    {"FLOAT_SET", 27},
    {"BOOL_SET", 28},
    {"UNIX_TIMESTAMP_SET", 29},
    {"PDF_BYTES", 30},
    {"IMAGE_BYTES", 31},
    {"JSON", 32},
    {"JSON_LIST", 33},
    {"STRUCT", 34},
    {"STRUCT_LIST", 35},
    {"UUID", 36},
    {"TIME_UUID", 37},
    {"UUID_LIST", 38},
    {"TIME_UUID_LIST", 39},
    {"UUID_SET", 40},
    {"TIME_UUID_SET", 41},
    {"VALUE_LIST", 42},
    {"VALUE_SET", 43},
    {"DECIMAL", 44},
    {"DECIMAL_LIST", 45},
    {"DECIMAL_SET", 46},
    {"SCALAR_MAP", 47},
    {"ZONED_TIMESTAMP", 48},
};

typedef struct property_column {
  frz_str name;
  int32_t field_id;
  frz_str type;
} property_column;

typedef struct property_columns {
  property_column *items;
  size_t n, capacity;
} property_columns;

typedef struct property {
  int32_t version;
  frz_str project, view;
  int32_t entity_key, event_ts, created_ts;
  property_columns join_keys, features;
  double ttl_seconds;
} property;

static frz_status read_columns(frz_json_reader *json, frz_arena *arena, property_columns *list,
                               frz_error *err)
{
  bool more;
  FRZ_TRY(frz_json_array_begin(json, err));
  for (;;) {
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) return FRZ_OK;
    property_column *grown =
        frz_arena_list_room(arena, list->items, list->n, &list->capacity, sizeof *grown);
    if (grown == NULL) return frz_fail_nomem(err, "online layout");
    list->items = grown;
    property_column *column = &grown[list->n++];
    *column = (property_column){.field_id = -1};
    FRZ_TRY(frz_json_object_begin(json, err));
    for (;;) {
      frz_str key;
      bool member;
      FRZ_TRY(frz_json_object_next(json, &key, &member, err));
      if (!member) break;
      if (frz_str_is(key, "name"))
        FRZ_TRY(frz_json_read_string(json, &column->name, err));
      else if (frz_str_is(key, "id"))
        FRZ_TRY(frz_json_read_i32(json, &column->field_id, err));
      else if (frz_str_is(key, "type"))
        FRZ_TRY(frz_json_read_string(json, &column->type, err));
      else
        FRZ_TRY(frz_json_skip(json, err));
    }
  }
}

static frz_status read_ttl(frz_json_reader *json, double *ttl_out, frz_error *err)
{
  bool was_null;
  FRZ_TRY(frz_json_read_null(json, &was_null, err));
  if (was_null) return FRZ_OK;
  return frz_json_read_double(json, ttl_out, err);
}

static frz_status read_member(frz_json_reader *json, frz_str key, frz_arena *arena, property *read,
                              frz_error *err)
{
  if (frz_str_is(key, "version")) return frz_json_read_i32(json, &read->version, err);
  if (frz_str_is(key, "project")) return frz_json_read_string(json, &read->project, err);
  if (frz_str_is(key, "view")) return frz_json_read_string(json, &read->view, err);
  if (frz_str_is(key, "entity_key")) return frz_json_read_i32(json, &read->entity_key, err);
  if (frz_str_is(key, "event_ts")) return frz_json_read_i32(json, &read->event_ts, err);
  if (frz_str_is(key, "created_ts")) return frz_json_read_i32(json, &read->created_ts, err);
  if (frz_str_is(key, "join_keys")) return read_columns(json, arena, &read->join_keys, err);
  if (frz_str_is(key, "features")) return read_columns(json, arena, &read->features, err);
  if (frz_str_is(key, "ttl_seconds")) return read_ttl(json, &read->ttl_seconds, err);
  return frz_json_skip(json, err);
}

static frz_status read_property(frz_str text, frz_arena *arena, property *read, frz_error *err)
{
  *read = (property){.entity_key = -1, .event_ts = -1, .created_ts = -1, .ttl_seconds = -1};
  frz_json_reader json;
  frz_json_reader_init(&json, text.data, text.size, arena);
  FRZ_TRY(frz_json_object_begin(&json, err));
  for (;;) {
    frz_str key;
    bool more;
    FRZ_TRY(frz_json_object_next(&json, &key, &more, err));
    if (!more) break;
    FRZ_TRY(read_member(&json, key, arena, read, err));
  }
  FRZ_TRY(frz_json_finish(&json, err));
  if (read->version != LAYOUT_VERSION)
    return frz_fail(err, FRZ_ERR_UNSUPPORTED, "version %d; this is written for %d", read->version,
                    LAYOUT_VERSION);
  return FRZ_OK;
}

/* ---- kinds ---- */

static frz_value_kind primitive_kind(const frz_type *type)
{
  switch (type->kind) {
  case FRZ_TYPE_BOOLEAN: return FRZ_VALUE_BOOL;
  case FRZ_TYPE_INT: return FRZ_VALUE_INT32;
  case FRZ_TYPE_LONG: return FRZ_VALUE_INT64;
  case FRZ_TYPE_FLOAT: return FRZ_VALUE_FLOAT;
  case FRZ_TYPE_DOUBLE: return FRZ_VALUE_DOUBLE;
  case FRZ_TYPE_TIMESTAMP:
  case FRZ_TYPE_TIMESTAMPTZ: return FRZ_VALUE_TIMESTAMP;
  case FRZ_TYPE_STRING: return FRZ_VALUE_STRING;
  case FRZ_TYPE_BINARY: return FRZ_VALUE_BYTES;
  default: return FRZ_VALUE_NULL;
  }
}

/* A Feast type of bytes that is not BYTES holds serialized values. */
static bool is_plain_bytes(int32_t value_type)
{
  return value_type == 1 || value_type == 30 || value_type == 31;
}

static frz_status set_kinds(frz_online_column *column, const frz_type *type, frz_error *err)
{
  column->item_kind = FRZ_VALUE_NULL;
  if (type->kind == FRZ_TYPE_LIST) {
    column->kind = FRZ_VALUE_LIST;
    column->item_kind = primitive_kind(&type->fields[0].type);
    if (column->item_kind != FRZ_VALUE_NULL) return FRZ_OK;
  } else {
    column->kind = primitive_kind(type);
    if (column->kind == FRZ_VALUE_BYTES && !is_plain_bytes(column->value_type))
      column->kind = FRZ_VALUE_SERIALIZED;
    if (column->kind != FRZ_VALUE_NULL) return FRZ_OK;
  }
  return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                  "column '%s' is of type %s, which online tables do not "
                  "have",
                  column->column, frz_type_kind_name(type->kind));
}

static frz_status value_type_of(frz_str name, int32_t *number_out, frz_error *err)
{
  for (size_t i = 0; i < sizeof value_types / sizeof value_types[0]; i++) {
    if (!frz_str_is(name, value_types[i].name)) continue;
    *number_out = value_types[i].number;
    return FRZ_OK;
  }
  return frz_fail(err, FRZ_ERR_INVALID, "unknown type '%.*s'", FRZ_STR_ARG(name));
}

/* ---- columns ---- */

static const frz_field *top_field(const frz_schema *schema, int32_t field_id)
{
  for (size_t i = 0; i < schema->root.n_fields; i++)
    if (schema->root.fields[i].id == field_id) return &schema->root.fields[i];
  return NULL;
}

static frz_status own_column(frz_online_layout *layout, const char *what, int32_t field_id,
                             frz_type_kind kind, const char **name_out, frz_error *err)
{
  const frz_field *field = top_field(layout->schema, field_id);
  if (field == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "%s: the table has no column of field id %d", what,
                    field_id);
  if (field->type.kind != kind)
    return frz_fail(err, FRZ_ERR_INVALID, "%s: column '%.*s' is of type %s, not %s", what,
                    FRZ_STR_ARG(field->name), frz_type_kind_name(field->type.kind),
                    frz_type_kind_name(kind));
  *name_out = frz_arena_copy(&layout->arena, field->name).data;
  return *name_out != NULL ? FRZ_OK : frz_fail_nomem(err, "online layout");
}

static frz_status take_columns(frz_online_layout *layout, const property_columns *read,
                               frz_online_column **columns_out, size_t *n_out, frz_error *err)
{
  frz_online_column *columns = frz_arena_array(&layout->arena, read->n, sizeof *columns);
  if (columns == NULL) return frz_fail_nomem(err, "online layout");
  size_t n = 0;
  for (size_t i = 0; i < read->n; i++) {
    const frz_field *field = top_field(layout->schema, read->items[i].field_id);
    if (field == NULL) continue;
    frz_online_column *column = &columns[n++];
    column->name = frz_arena_copy(&layout->arena, read->items[i].name).data;
    column->column = frz_arena_copy(&layout->arena, field->name).data;
    column->field_id = field->id;
    if (column->name == NULL || column->column == NULL) return frz_fail_nomem(err, "online layout");
    frz_status st = value_type_of(read->items[i].type, &column->value_type, err);
    if (st == FRZ_OK) st = set_kinds(column, &field->type, err);
    if (st != FRZ_OK) {
      frz_error_where(err, "'%s': ", column->name);
      return st;
    }
  }
  *columns_out = columns;
  *n_out = n;
  return FRZ_OK;
}

static int by_name(const void *a, const void *b)
{
  return strcmp(((const frz_online_column *)a)->name, ((const frz_online_column *)b)->name);
}

static frz_status index_features(frz_online_layout *layout, const frz_online_column *features,
                                 size_t n, frz_error *err)
{
  layout->stored = frz_arena_array(&layout->arena, n, sizeof *layout->stored);
  if (layout->stored == NULL) return frz_fail_nomem(err, "online layout");
  for (size_t i = 0; i < n; i++) {
    bool inserted;
    layout->stored[i] = (frz_stored_column){features[i].field_id, (uint8_t)features[i].kind,
                                            (uint8_t)features[i].item_kind};
    FRZ_TRY(
        frz_map_insert(&layout->by_name, frz_str_from(features[i].name), i, NULL, &inserted, err));
    if (!inserted)
      return frz_fail(err, FRZ_ERR_INVALID, "feature '%s' is there twice", features[i].name);
  }
  return FRZ_OK;
}

static frz_status fill(frz_online_layout *layout, frz_str text, frz_error *err)
{
  frz_online_info *info = &layout->info;
  frz_online_column *join_keys, *features;
  property read;
  FRZ_TRY(read_property(text, &layout->arena, &read, err));
  info->project = frz_arena_keep(&layout->arena, read.project).data;
  info->view = frz_arena_keep(&layout->arena, read.view).data;
  if (info->project == NULL || info->view == NULL) return frz_fail_nomem(err, "online layout");
  info->ttl_seconds = read.ttl_seconds;
  layout->entity_key_id = read.entity_key;
  layout->event_ts_id = read.event_ts;
  layout->created_ts_id = read.created_ts;
  FRZ_TRY(own_column(layout, "entity_key", read.entity_key, FRZ_TYPE_BINARY,
                     &info->entity_key_column, err));
  FRZ_TRY(own_column(layout, "event_ts", read.event_ts, FRZ_TYPE_TIMESTAMPTZ,
                     &info->event_ts_column, err));
  FRZ_TRY(own_column(layout, "created_ts", read.created_ts, FRZ_TYPE_TIMESTAMPTZ,
                     &info->created_ts_column, err));
  FRZ_TRY(take_columns(layout, &read.join_keys, &join_keys, &info->n_join_keys, err));
  FRZ_TRY(take_columns(layout, &read.features, &features, &info->n_features, err));
  qsort(join_keys, info->n_join_keys, sizeof *join_keys, by_name);
  info->join_keys = join_keys;
  info->features = features;
  return index_features(layout, features, info->n_features, err);
}

frz_status frz_online_layout_make(const frz_alloc *alloc, const char *identifier,
                                  frz_table_metadata *metadata, frz_online_layout **layout_out,
                                  frz_error *err)
{
  frz_str text = frz_metadata_property(metadata, "frazil.feast");
  if (text.data == NULL)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "table '%s' is not an online table: it lacks the property 'frazil.feast'",
                    identifier);
  frz_online_layout *layout = frz_alloc_zeroed(alloc, sizeof *layout);
  if (layout == NULL) return frz_fail_nomem(err, "online layout");
  atomic_init(&layout->references, 1);
  layout->alloc = alloc;
  layout->metadata = frz_table_metadata_retain(metadata);
  layout->schema = frz_metadata_current_schema(metadata);
  layout->schema_id = layout->schema->schema_id;
  frz_arena_init(&layout->arena, alloc, LAYOUT_BYTES_MAX);
  frz_map_init(&layout->by_name, alloc, LAYOUT_BYTES_MAX);
  frz_status st = fill(layout, text, err);
  if (st != FRZ_OK) {
    frz_error_where(err, "table '%s': property 'frazil.feast': ", identifier);
    frz_online_layout_release(layout);
    return st;
  }
  *layout_out = layout;
  return FRZ_OK;
}

frz_online_layout *frz_online_layout_retain(frz_online_layout *layout)
{
  atomic_fetch_add_explicit(&layout->references, 1, memory_order_relaxed);
  return layout;
}

void frz_online_layout_release(frz_online_layout *layout)
{
  if (layout == NULL || atomic_fetch_sub(&layout->references, 1) != 1) return;
  frz_map_dispose(&layout->by_name);
  frz_arena_free(&layout->arena);
  frz_table_metadata_release(layout->metadata);
  frz_alloc_free(layout->alloc, layout, sizeof *layout);
}

void frz_online_info_free(const frz_online_info *info)
{
  /* The info is the layout's first member, and was counted when it was given out. */
  frz_online_layout_release((frz_online_layout *)(void *)info);
}

frz_status frz_online_layout_names(const frz_online_layout *layout, frz_arena *arena,
                                   const char *const **names_out, size_t *n_names_out,
                                   frz_error *err)
{
  size_t n = FRZ_ONLINE_FEATURES_AT + layout->info.n_features;
  const char **names = frz_arena_array(arena, n, sizeof *names);
  if (names == NULL) return frz_fail_nomem(err, "online columns");
  names[FRZ_ONLINE_KEY_AT] = layout->info.entity_key_column;
  names[FRZ_ONLINE_EVENT_AT] = layout->info.event_ts_column;
  names[FRZ_ONLINE_CREATED_AT] = layout->info.created_ts_column;
  for (size_t i = 0; i < layout->info.n_features; i++)
    names[FRZ_ONLINE_FEATURES_AT + i] = layout->info.features[i].column;
  *names_out = names;
  *n_names_out = n;
  return FRZ_OK;
}
