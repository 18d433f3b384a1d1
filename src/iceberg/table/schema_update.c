/*
 * schema_update.c - change a table's schema by Iceberg's rules.
 *
 * The changes are made in order on a copy of the current schema that belongs to the attempt, so a
 * conflict simply starts over from the schema that won. Ids are never reused: a new field gets
 * the next ids after the table's last, also where a column of its name was dropped before.
 *
 * Source: Iceberg specification, "Schema Evolution".
 */
#include <assert.h>

#include "base/limits.h"
#include "frazil/evolution.h"
#include "iceberg/table/table_handle.h"

/* What one table update works with. */
typedef struct schema_update {
  const frz_schema_change *changes;
  size_t n_changes;
  const frz_alloc *alloc;
  frz_arena arena; /* of one attempt */
  const frz_table_metadata *base;
  frz_schema schema; /* ours: everything it points to may be changed */
  int32_t next_id;
  frz_metadata_update updates[2];
  frz_requirement requirements[3];
} schema_update;

static frz_status refuse(frz_error *err, const frz_schema_change *change, const char *why)
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

/* A field of our own copy, to be changed. */
static frz_field *find_own(schema_update *update, frz_str path)
{
  return (frz_field *)frz_schema_find_name(&update->schema, path, true);
}

/* The type of our copy that holds `field` among its fields. */
static frz_type *find_holder(frz_type *type, const frz_field *field)
{
  for (size_t i = 0; i < type->n_fields; i++) {
    frz_field *child = (frz_field *)&type->fields[i];
    if (child == field) return type;
    frz_type *holder = find_holder(&child->type, field);
    if (holder != NULL) return holder;
  }
  return NULL;
}

/* The field of a change and the struct that holds it. */
static frz_status find_column(schema_update *update, const frz_schema_change *change,
                              frz_field **field_out, frz_type **holder_out, frz_error *err)
{
  *field_out = find_own(update, frz_str_from(change->path));
  if (*field_out == NULL) return refuse(err, change, "does not exist");
  *holder_out = find_holder(&update->schema.root, *field_out);
  assert(*holder_out != NULL);
  return FRZ_OK;
}

static bool is_identifier(const schema_update *update, int32_t field_id)
{
  for (size_t i = 0; i < update->schema.n_identifier_field_ids; i++)
    if (update->schema.identifier_field_ids[i] == field_id) return true;
  return false;
}

static bool holds_name(const frz_type *type, frz_str name)
{
  for (size_t i = 0; i < type->n_fields; i++)
    if (frz_str_equal(type->fields[i].name, name)) return true;
  return false;
}

/* ---- types ---- */

static frz_status check_version(schema_update *update, const frz_schema_change *change,
                                const frz_type *type, frz_error *err)
{
  bool is_newer = type->kind == FRZ_TYPE_TIMESTAMP_NS || type->kind == FRZ_TYPE_TIMESTAMPTZ_NS ||
                  type->kind == FRZ_TYPE_UNKNOWN || type->kind == FRZ_TYPE_VARIANT;
  if (!is_newer || update->base->format_version >= 3) return FRZ_OK;
  frz_str name = frz_type_print(type, &update->arena);
  return frz_fail(err, FRZ_ERR_UNSUPPORTED,
                  "column '%s': type %.*s needs format version 3, the table has %d", change->path,
                  FRZ_STR_ARG(name), update->base->format_version);
}

/* The type a change names; takes fresh ids from *next_id for the column and what is in it. */
static frz_status read_type(schema_update *update, const frz_schema_change *change,
                            int32_t *next_id, frz_type *type_out, frz_error *err)
{
  if ((change->arrow_type != NULL) == (change->type_text != NULL))
    return refuse(err, change, "needs one of arrow_type and type_text");
  if (change->type_text != NULL) {
    frz_str text = frz_arena_copy(&update->arena, frz_str_from(change->type_text));
    if (text.data == NULL) return frz_fail_nomem(err, "column type");
    *type_out = (frz_type){0};
    FRZ_TRY(frz_type_parse_primitive(text, type_out, err));
    ++*next_id;
    return check_version(update, change, type_out, err);
  }
  frz_arrow_field arrow;
  frz_field field;
  FRZ_TRY(frz_arrow_field_import(change->arrow_type, &update->arena, &arrow, err));
  FRZ_TRY(frz_field_from_arrow(&arrow, update->base->format_version, next_id, &update->arena,
                               &field, err));
  *type_out = field.type;
  return FRZ_OK;
}

/* ---- the changes ---- */

/* Where a new column goes: the struct in front of the last dot of its path. */
static frz_status find_parent(schema_update *update, const frz_schema_change *change,
                              frz_type **parent_out, frz_str *name_out, frz_error *err)
{
  frz_str path = frz_str_from(change->path);
  size_t dot = path.size;
  while (dot > 0 && path.data[dot - 1] != '.') dot--;
  *name_out = (frz_str){path.data + dot, path.size - dot};
  *parent_out = &update->schema.root;
  if (name_out->size == 0) return refuse(err, change, "has an empty name");
  if (dot == 0) return FRZ_OK;
  frz_field *parent = find_own(update, (frz_str){path.data, dot - 1});
  if (parent == NULL) return refuse(err, change, "cannot be added: its parent does not exist");
  frz_type *type = &parent->type; /* lists and maps stand for the struct in them */
  if (type->kind == FRZ_TYPE_LIST) type = &((frz_field *)type->fields)[0].type;
  if (type->kind == FRZ_TYPE_MAP) type = &((frz_field *)type->fields)[1].type;
  if (type->kind != FRZ_TYPE_STRUCT)
    return refuse(err, change, "cannot be added: its parent is not a struct");
  frz_type *holder = find_holder(&update->schema.root, parent);
  if (holder->kind == FRZ_TYPE_MAP && parent == &holder->fields[0])
    return refuse(err, change, "cannot be added: map keys do not change");
  *parent_out = type;
  return FRZ_OK;
}

static frz_status copy_doc(schema_update *update, const char *doc, frz_str *doc_out, frz_error *err)
{
  *doc_out = (frz_str){0};
  if (doc == NULL) return FRZ_OK;
  *doc_out = frz_arena_copy(&update->arena, frz_str_from(doc));
  return doc_out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "column doc");
}

static frz_status add_column(schema_update *update, const frz_schema_change *change, frz_error *err)
{
  frz_type *parent;
  frz_field added = {0};
  frz_str name;
  FRZ_TRY(find_parent(update, change, &parent, &name, err));
  if (holds_name(parent, name)) return refuse(err, change, "exists already");
  if (change->required)
    return refuse(err, change, "cannot be added as required: rows written before have no value");
  added.id = update->next_id;
  added.name = frz_arena_copy(&update->arena, name);
  if (added.name.data == NULL) return frz_fail_nomem(err, "column name");
  FRZ_TRY(read_type(update, change, &update->next_id, &added.type, err));
  FRZ_TRY(copy_doc(update, change->doc, &added.doc, err));
  frz_field *fields = frz_arena_array(&update->arena, parent->n_fields + 1, sizeof *fields);
  if (fields == NULL) return frz_fail_nomem(err, "schema");
  if (parent->n_fields != 0) memcpy(fields, parent->fields, parent->n_fields * sizeof *fields);
  fields[parent->n_fields] = added;
  parent->fields = fields;
  parent->n_fields++;
  return FRZ_OK;
}

static frz_status rename_column(schema_update *update, const frz_schema_change *change,
                                frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  FRZ_TRY(find_column(update, change, &field, &holder, err));
  frz_str name = frz_str_from(change->new_name);
  if (name.size == 0) return refuse(err, change, "cannot get an empty name");
  if (holder->kind != FRZ_TYPE_STRUCT)
    return refuse(err, change, "cannot be renamed: it is part of a list or map");
  if (frz_str_equal(field->name, name)) return FRZ_OK;
  if (holds_name(holder, name))
    return frz_fail(err, FRZ_ERR_INVALID, "column '%s' cannot be renamed: '%s' exists already",
                    change->path, change->new_name);
  field->name = frz_arena_copy(&update->arena, name);
  return field->name.data != NULL ? FRZ_OK : frz_fail_nomem(err, "column name");
}

/* Is the field, or one below it, the source of a partition or sort field in use? */
static const char *layout_use(const schema_update *update, const frz_field *field)
{
  const frz_partition_spec *spec = frz_metadata_spec(update->base, update->base->default_spec_id);
  const frz_sort_order *order =
      frz_metadata_sort_order(update->base, update->base->default_sort_order_id);
  for (size_t i = 0; spec != NULL && i < spec->n_fields; i++)
    if (spec->fields[i].source_id == field->id &&
        spec->fields[i].transform.kind != FRZ_TRANSFORM_VOID)
      return "cannot be dropped: the table is partitioned by it";
  for (size_t i = 0; order != NULL && i < order->n_fields; i++)
    if (order->fields[i].source_id == field->id)
      return "cannot be dropped: the table is sorted by it";
  if (is_identifier(update, field->id))
    return "cannot be dropped: it is an identifier field of the table";
  for (size_t i = 0; i < field->type.n_fields; i++) {
    const char *use = layout_use(update, &field->type.fields[i]);
    if (use != NULL) return use;
  }
  return NULL;
}

static frz_status drop_column(schema_update *update, const frz_schema_change *change,
                              frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  FRZ_TRY(find_column(update, change, &field, &holder, err));
  if (holder->kind != FRZ_TYPE_STRUCT)
    return refuse(err, change, "cannot be dropped: it is part of a list or map");
  const char *use = layout_use(update, field);
  if (use != NULL) return refuse(err, change, use);
  if (holder->n_fields == 1) return refuse(err, change, "cannot be dropped: it is the last one");
  size_t at = (size_t)(field - holder->fields);
  memmove(field, field + 1, (holder->n_fields - at - 1) * sizeof *field);
  holder->n_fields--;
  return FRZ_OK;
}

static frz_status promote_column(schema_update *update, const frz_schema_change *change,
                                 frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  frz_type type;
  int32_t unused_id = update->next_id;
  FRZ_TRY(find_column(update, change, &field, &holder, err));
  FRZ_TRY(read_type(update, change, &unused_id, &type, err));
  if (frz_type_is_primitive(&field->type) && frz_type_is_primitive(&type) &&
      frz_type_can_promote(&field->type, &type)) {
    field->type = type;
    return FRZ_OK;
  }
  frz_str from = frz_type_print(&field->type, &update->arena);
  frz_str to = frz_type_print(&type, &update->arena);
  return frz_fail(err, FRZ_ERR_INVALID, "column '%s' cannot change from %.*s to %.*s", change->path,
                  FRZ_STR_ARG(from), FRZ_STR_ARG(to));
}

static frz_status make_optional(schema_update *update, const frz_schema_change *change,
                                frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  FRZ_TRY(find_column(update, change, &field, &holder, err));
  if (is_identifier(update, field->id))
    return refuse(err, change, "cannot become optional: it is an identifier field of the table");
  if (holder->kind == FRZ_TYPE_MAP && field == holder->fields)
    return refuse(err, change, "cannot become optional: it is a map's key");
  field->required = false;
  return FRZ_OK;
}

static frz_status set_doc(schema_update *update, const frz_schema_change *change, frz_error *err)
{
  frz_field *field;
  frz_type *holder;
  FRZ_TRY(find_column(update, change, &field, &holder, err));
  return copy_doc(update, change->doc, &field->doc, err);
}

static frz_status apply(schema_update *update, const frz_schema_change *change, frz_error *err)
{
  switch (change->op) {
  case FRZ_SCHEMA_ADD_COLUMN: return add_column(update, change, err);
  case FRZ_SCHEMA_RENAME_COLUMN: return rename_column(update, change, err);
  case FRZ_SCHEMA_DROP_COLUMN: return drop_column(update, change, err);
  case FRZ_SCHEMA_PROMOTE_COLUMN: return promote_column(update, change, err);
  case FRZ_SCHEMA_MAKE_OPTIONAL: return make_optional(update, change, err);
  case FRZ_SCHEMA_SET_DOC: return set_doc(update, change, err);
  default: break;
  }
  return frz_fail(err, FRZ_ERR_INVALID, "schema change %d is not known", (int)change->op);
}

/* ---- the commit ---- */

/* frz_type_equal() compares what data means; docs count here too. */
static bool same_docs(const frz_type *a, const frz_type *b)
{
  for (size_t i = 0; i < a->n_fields; i++)
    if (!frz_str_equal(a->fields[i].doc, b->fields[i].doc) ||
        !same_docs(&a->fields[i].type, &b->fields[i].type))
      return false;
  return true;
}

static void fill_attempt(schema_update *update, frz_commit_attempt *attempt)
{
  const frz_table_metadata *base = update->base;
  int32_t last_id = update->next_id - 1;
  update->updates[0] = (frz_metadata_update){
      .kind = FRZ_UPDATE_ADD_SCHEMA, .schema = &update->schema, .last_column_id = last_id};
  update->updates[1] = (frz_metadata_update){.kind = FRZ_UPDATE_SET_CURRENT_SCHEMA, .id = -1};
  update->requirements[0] = (frz_requirement){.kind = FRZ_REQUIRE_UUID, .text = base->table_uuid};
  update->requirements[1] =
      (frz_requirement){.kind = FRZ_REQUIRE_CURRENT_SCHEMA_ID, .value = base->current_schema_id};
  update->requirements[2] =
      (frz_requirement){.kind = FRZ_REQUIRE_LAST_ASSIGNED_FIELD_ID, .value = base->last_column_id};
  *attempt = (frz_commit_attempt){update->requirements, 3, update->updates, 2, 0};
}

static frz_status prepare_schema(void *arg, const frz_table_metadata *base,
                                 frz_commit_attempt *attempt_out, frz_error *err)
{
  schema_update *update = arg;
  const frz_schema *current = frz_metadata_current_schema(base);
  frz_arena_free(&update->arena);
  frz_arena_init(&update->arena, update->alloc, FRZ_LIMIT_METADATA_BYTES);
  update->base = base;
  update->schema = *current;
  update->next_id = base->last_column_id + 1;
  FRZ_TRY(copy_type(&update->arena, &current->root, &update->schema.root, 0, err));
  for (size_t i = 0; i < update->n_changes; i++) FRZ_TRY(apply(update, &update->changes[i], err));
  if (frz_type_equal(&current->root, &update->schema.root) &&
      same_docs(&current->root, &update->schema.root))
    return FRZ_OK;
  update->schema.schema_id = -1; /* to be assigned */
  if (update->next_id - 1 > update->schema.highest_field_id)
    update->schema.highest_field_id = update->next_id - 1;
  fill_attempt(update, attempt_out);
  return FRZ_OK;
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
  frz_arena_init(&update.arena, update.alloc, FRZ_LIMIT_METADATA_BYTES);
  frz_status st = frz_table_commit(table, prepare_schema, &update, err);
  frz_arena_free(&update.arena);
  return st;
}
