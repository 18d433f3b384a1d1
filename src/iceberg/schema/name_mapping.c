/*
 * name_mapping.c - see name_mapping.h.
 *
 * A name belongs to at most one field of its level; where a mapping breaks that rule the first one
 * wins. Levels are searched one after the other: mappings are as wide as tables are.
 */
#include "iceberg/schema/name_mapping.h"

#include "base/limits.h"
#include "text/json_reader.h"

/** JSON arrays are of unknown length: collected in doubling steps, the old ones stay in the arena.
 */
static void *grow(frz_arena *arena, void *items, size_t n, size_t item_bytes)
{
  if (n != 0 && (n & (n - 1)) != 0) return items; /* only a power of two is full */
  void *grown = frz_arena_array(arena, n == 0 ? 1 : n * 2, item_bytes);
  if (grown != NULL && n != 0) memcpy(grown, items, n * item_bytes);
  return grown;
}

static frz_status parse_names(frz_json_reader *json, frz_arena *arena, frz_mapped_field *field,
                              frz_error *err)
{
  frz_str *names = NULL;
  bool more;
  field->n_names = 0; /* given twice, the last counts */
  FRZ_TRY(frz_json_array_begin(json, err));
  for (;;) {
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) break;
    names = grow(arena, names, field->n_names, sizeof *names);
    if (names == NULL) return frz_fail_nomem(err, "name mapping");
    FRZ_TRY(frz_json_read_string(json, &names[field->n_names], err));
    field->n_names++;
    field->names = names;
  }
  return FRZ_OK;
}

static frz_status parse_level(frz_json_reader *json, frz_arena *arena, int depth,
                              frz_name_mapping *level, frz_error *err);

static frz_status parse_field(frz_json_reader *json, frz_arena *arena, int depth,
                              frz_mapped_field *field, frz_error *err)
{
  frz_str key;
  bool more;
  *field = (frz_mapped_field){.field_id = -1};
  FRZ_TRY(frz_json_object_begin(json, err));
  for (;;) {
    FRZ_TRY(frz_json_object_next(json, &key, &more, err));
    if (!more) return FRZ_OK;
    if (frz_str_is(key, "field-id")) {
      bool is_null;
      FRZ_TRY(frz_json_read_null(json, &is_null, err));
      if (!is_null) FRZ_TRY(frz_json_read_i32(json, &field->field_id, err));
    } else if (frz_str_is(key, "names")) {
      FRZ_TRY(parse_names(json, arena, field, err));
    } else if (frz_str_is(key, "fields")) {
      field->children = (frz_name_mapping){0};
      FRZ_TRY(parse_level(json, arena, depth + 1, &field->children, err));
    } else {
      FRZ_TRY(frz_json_skip(json, err));
    }
  }
}

static frz_status parse_level(frz_json_reader *json, frz_arena *arena, int depth,
                              frz_name_mapping *level, frz_error *err)
{
  bool more;
  if (depth > FRZ_LIMIT_DEPTH)
    return frz_fail(err, FRZ_ERR_LIMIT, "nested deeper than %d", FRZ_LIMIT_DEPTH);
  FRZ_TRY(frz_json_array_begin(json, err));
  for (;;) {
    FRZ_TRY(frz_json_array_next(json, &more, err));
    if (!more) return FRZ_OK;
    if (level->n_fields == FRZ_LIMIT_SCHEMA_FIELDS)
      return frz_fail(err, FRZ_ERR_LIMIT, "more than %d fields", FRZ_LIMIT_SCHEMA_FIELDS);
    level->fields = grow(arena, level->fields, level->n_fields, sizeof *level->fields);
    if (level->fields == NULL) return frz_fail_nomem(err, "name mapping");
    FRZ_TRY(parse_field(json, arena, depth, &level->fields[level->n_fields], err));
    level->n_fields++;
  }
}

frz_status frz_name_mapping_parse(frz_str json, frz_arena *arena, frz_name_mapping *mapping_out,
                                  frz_error *err)
{
  frz_json_reader reader;
  frz_name_mapping mapping = {0};
  frz_json_reader_init(&reader, json.data, json.size, arena);
  frz_status st = parse_level(&reader, arena, 0, &mapping, err);
  if (st == FRZ_OK) st = frz_json_finish(&reader, err);
  if (st != FRZ_OK) {
    frz_error_where(err, "schema.name-mapping.default: ");
    return st;
  }
  *mapping_out = mapping;
  return FRZ_OK;
}

static const frz_mapped_field *find_name(const frz_name_mapping *level, frz_str name)
{
  for (size_t i = 0; i < level->n_fields; i++)
    for (size_t k = 0; k < level->fields[i].n_names; k++)
      if (frz_str_equal(level->fields[i].names[k], name)) return &level->fields[i];
  return NULL;
}

static void map_field(const frz_name_mapping *level, frz_str name, frz_arrow_field *field)
{
  static const frz_name_mapping nothing = {0};
  const frz_mapped_field *mapped = find_name(level, name);
  if (mapped != NULL && field->field_id < 0) field->field_id = mapped->field_id;
  const frz_name_mapping *below = mapped != NULL ? &mapped->children : &nothing;
  if (field->type.kind == FRZ_ARROW_STRUCT) {
    frz_name_mapping_apply(below, field->children, field->n_children);
  } else if (field->type.kind == FRZ_ARROW_LIST && field->n_children == 1) {
    map_field(below, FRZ_STR("element"), &field->children[0]);
  } else if (field->type.kind == FRZ_ARROW_MAP && field->n_children == 1 &&
             field->children[0].n_children == 2) {
    map_field(below, FRZ_STR("key"), &field->children[0].children[0]);
    map_field(below, FRZ_STR("value"), &field->children[0].children[1]);
  }
}

void frz_name_mapping_apply(const frz_name_mapping *mapping, frz_arrow_field *fields,
                            size_t n_fields)
{
  for (size_t i = 0; i < n_fields; i++) map_field(mapping, fields[i].name, &fields[i]);
}
