/*
 * spec_update.c - change the partition spec that new files are written with.
 *
 * Files that are there keep their own spec, so a field's id must go on meaning what it did: a field
 * that comes back takes the id it had, and a new one the next after the last ever given. In format
 * version 1 ids are places: a removed field stays as a void one, and everything after it where it
 * was. From version 2 on it goes; what version 1 left void takes its term again where that returns.
 *
 * Source: Iceberg specification, "Partitioning", "Partition Evolution".
 */
#include "base/arena_list.h"
#include "base/limits.h"
#include "frazil/evolution.h"
#include "iceberg/table/table_handle.h"

enum { FIRST_FIELD_ID = 1000 };

typedef struct spec_update {
  const frz_spec_change *changes;
  size_t n_changes;
  const frz_alloc *alloc;
  frz_arena arena; /* of one attempt */
  const frz_table_metadata *base;
  const frz_schema *schema;
  frz_partition_field *fields; /* of the spec in the making; ids of added ones are -1 */
  bool *is_removed;            /* by field: it was there and goes */
  size_t n_fields;
  frz_partition_spec spec;
  frz_metadata_update updates[2];
  frz_requirement requirements[3];
} spec_update;

static frz_status refuse(const frz_partition_field *field, const char *why, frz_error *err)
{
  return frz_fail(err, FRZ_ERR_INVALID, "partition field '%.*s' %s", FRZ_STR_ARG(field->name), why);
}

static frz_status open_update(spec_update *update, const frz_table_metadata *base, frz_error *err)
{
  const frz_partition_spec *current = frz_metadata_spec(base, base->default_spec_id);
  frz_arena_free(&update->arena);
  frz_arena_init(&update->arena, update->alloc, FRZ_LIMIT_METADATA_BYTES);
  update->base = base;
  update->schema = frz_metadata_current_schema(base);
  update->n_fields = current->n_fields;
  size_t n_max = current->n_fields + update->n_changes;
  update->fields = frz_arena_array(&update->arena, n_max, sizeof *update->fields);
  update->is_removed = frz_arena_array(&update->arena, n_max, sizeof *update->is_removed);
  if (update->fields == NULL || update->is_removed == NULL)
    return frz_fail_nomem(err, "partition spec");
  if (current->n_fields != 0)
    memcpy(update->fields, current->fields, current->n_fields * sizeof *current->fields);
  return FRZ_OK;
}

/* ---- looking up ---- */

static bool same_term(const frz_partition_field *a, const frz_partition_field *b)
{
  return a->source_id == b->source_id && a->n_source_ids < 2 && b->n_source_ids < 2 &&
         frz_str_equal(a->transform.text, b->transform.text);
}

/* The field of that name that stays; NULL: none. */
static frz_partition_field *find_name(const spec_update *update, frz_str name)
{
  for (size_t i = 0; i < update->n_fields; i++)
    if (!update->is_removed[i] && frz_str_equal(update->fields[i].name, name))
      return &update->fields[i];
  return NULL;
}

static frz_partition_field *find_term(const spec_update *update, const frz_partition_field *wanted)
{
  for (size_t i = 0; i < update->n_fields; i++)
    if (!update->is_removed[i] && same_term(&update->fields[i], wanted)) return &update->fields[i];
  return NULL;
}

/* The same term in an earlier spec: a field that comes back. */
static const frz_partition_field *find_earlier(const spec_update *update,
                                               const frz_partition_field *wanted)
{
  for (size_t i = update->base->n_specs; i-- > 0;)
    for (size_t j = 0; j < update->base->specs[i].n_fields; j++)
      if (same_term(&update->base->specs[i].fields[j], wanted))
        return &update->base->specs[i].fields[j];
  return NULL;
}

/* The field with that id that stays; NULL: none has it. */
static frz_partition_field *find_id(const spec_update *update, int32_t field_id)
{
  for (size_t i = 0; i < update->n_fields; i++)
    if (!update->is_removed[i] && update->fields[i].field_id == field_id) return &update->fields[i];
  return NULL;
}

static frz_status copy_name(spec_update *update, const char *name, frz_str *name_out,
                            frz_error *err)
{
  if (name[0] == '\0')
    return frz_fail(err, FRZ_ERR_INVALID, "a partition field cannot have an empty name");
  *name_out = frz_arena_copy(&update->arena, frz_str_from(name));
  return name_out->data != NULL ? FRZ_OK : frz_fail_nomem(err, "partition spec");
}

/* A void field that has the name of another is in its way: "<name>_<id>" from here on. */
static frz_status free_name(spec_update *update, frz_str name, frz_error *err)
{
  frz_partition_field *holder = find_name(update, name);
  if (holder == NULL || holder->transform.kind != FRZ_TRANSFORM_VOID) return FRZ_OK;
  holder->name =
      frz_arena_print(&update->arena, "%.*s_%d", (int)name.size, name.data, (int)holder->field_id);
  return holder->name.data != NULL ? FRZ_OK : frz_fail_nomem(err, "partition spec");
}

/* ---- the changes ---- */

/* Names are of one kind with the columns': an identity field alone may be called as its own. */
static frz_status check_name(const spec_update *update, const frz_partition_field *field,
                             frz_error *err)
{
  const frz_field *column = frz_schema_find_name(update->schema, field->name, true);
  bool is_own = (field->transform.kind == FRZ_TRANSFORM_IDENTITY ||
                 field->transform.kind == FRZ_TRANSFORM_VOID) &&
                column != NULL && column->id == field->source_id;
  if (column != NULL && !is_own) return refuse(field, "has the name of a column", err);
  return FRZ_OK;
}

static frz_status add_field(spec_update *update, const frz_spec_change *change, frz_error *err)
{
  frz_partition_field field;
  if (change->term == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "partition spec: no term to add was given");
  frz_str term = frz_arena_copy(&update->arena, frz_str_from(change->term));
  if (term.data == NULL) return frz_fail_nomem(err, "partition spec");
  FRZ_TRY(frz_partition_field_from_text(term, update->schema, &update->arena, &field, err));
  const frz_partition_field *there = find_term(update, &field);
  if (there != NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "partition term '%s' is there already, as field '%.*s'",
                    change->term, FRZ_STR_ARG(there->name));
  const frz_partition_field *earlier =
      update->base->format_version > 1 ? find_earlier(update, &field) : NULL;
  if (change->name != NULL)
    FRZ_TRY(copy_name(update, change->name, &field.name, err));
  else if (earlier != NULL)
    field.name = earlier->name;
  FRZ_TRY(free_name(update, field.name, err));
  if (find_name(update, field.name) != NULL) return refuse(&field, "exists already", err);
  FRZ_TRY(check_name(update, &field, err));
  field.field_id = earlier != NULL ? earlier->field_id : -1;
  frz_partition_field *holder = earlier != NULL ? find_id(update, earlier->field_id) : NULL;
  if (holder != NULL && holder->transform.kind == FRZ_TRANSFORM_VOID) { /* of format version 1 */
    *holder = field;
    return FRZ_OK;
  }
  if (holder != NULL) field.field_id = -1;
  if (update->n_fields == FRZ_LIMIT_PARTITION_FIELDS)
    return frz_fail(err, FRZ_ERR_LIMIT, "partition spec: more than %d fields",
                    FRZ_LIMIT_PARTITION_FIELDS);
  update->is_removed[update->n_fields] = false;
  update->fields[update->n_fields++] = field;
  return FRZ_OK;
}

static frz_status find_change(spec_update *update, const frz_spec_change *change,
                              frz_partition_field **field_out, frz_error *err)
{
  if (change->name != NULL) {
    *field_out = find_name(update, frz_str_from(change->name));
    if (*field_out != NULL && (*field_out)->transform.kind != FRZ_TRANSFORM_VOID) return FRZ_OK;
    return frz_fail(err, FRZ_ERR_INVALID, "there is no partition field '%s'", change->name);
  }
  if (change->term == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "partition spec: neither a name nor a term was given");
  frz_partition_field wanted;
  frz_str term = frz_arena_copy(&update->arena, frz_str_from(change->term));
  if (term.data == NULL) return frz_fail_nomem(err, "partition spec");
  FRZ_TRY(frz_partition_field_from_text(term, update->schema, &update->arena, &wanted, err));
  *field_out = find_term(update, &wanted);
  if (*field_out != NULL) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID, "there is no partition field of the term '%s'",
                  change->term);
}

static frz_status remove_field(spec_update *update, const frz_spec_change *change, frz_error *err)
{
  frz_partition_field *field;
  FRZ_TRY(find_change(update, change, &field, err));
  size_t at = (size_t)(field - update->fields);
  const frz_partition_spec *current =
      frz_metadata_spec(update->base, update->base->default_spec_id);
  if (update->base->format_version == 1 && at < current->n_fields) {
    field->transform = (frz_transform){.kind = FRZ_TRANSFORM_VOID, .text = FRZ_STR("void")};
    return FRZ_OK;
  }
  update->is_removed[at] = true;
  return FRZ_OK;
}

static frz_status rename_field(spec_update *update, const frz_spec_change *change, frz_error *err)
{
  frz_partition_field *field;
  frz_str name;
  if (change->name == NULL || change->new_name == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "partition spec: to rename takes a name and a new one");
  FRZ_TRY(find_change(update, change, &field, err));
  FRZ_TRY(copy_name(update, change->new_name, &name, err));
  if (frz_str_equal(field->name, name)) return FRZ_OK;
  FRZ_TRY(free_name(update, name, err));
  if (find_name(update, name) != NULL)
    return frz_fail(err, FRZ_ERR_INVALID,
                    "partition field '%s' cannot be renamed: '%s' exists already", change->name,
                    change->new_name);
  field->name = name;
  return check_name(update, field, err);
}

static frz_status apply(spec_update *update, const frz_spec_change *change, frz_error *err)
{
  switch (change->op) {
  case FRZ_SPEC_ADD_FIELD: return add_field(update, change, err);
  case FRZ_SPEC_REMOVE_FIELD: return remove_field(update, change, err);
  case FRZ_SPEC_RENAME_FIELD: return rename_field(update, change, err);
  default: break;
  }
  return frz_fail(err, FRZ_ERR_INVALID, "partition spec change %d is not known", (int)change->op);
}

/* ---- the commit ---- */

/* Closes up the fields that stay, and gives ids to those that have none. */
static void settle(spec_update *update)
{
  const frz_table_metadata *base = update->base;
  int32_t last = base->last_partition_id;
  size_t n = 0;
  if (last < FIRST_FIELD_ID - 1) last = FIRST_FIELD_ID - 1;
  for (size_t i = 0; i < update->n_fields; i++) {
    if (update->is_removed[i]) continue;
    frz_partition_field field = update->fields[i];
    if (field.field_id < 0)
      field.field_id = base->format_version == 1 ? FIRST_FIELD_ID + (int32_t)n : ++last;
    update->fields[n++] = field;
  }
  update->spec = (frz_partition_spec){.fields = update->fields, .n_fields = n};
}

static frz_status prepare_spec(void *arg, const frz_table_metadata *base,
                               frz_commit_attempt *attempt_out, frz_error *err)
{
  spec_update *update = arg;
  FRZ_TRY(open_update(update, base, err));
  for (size_t i = 0; i < update->n_changes; i++) FRZ_TRY(apply(update, &update->changes[i], err));
  settle(update);
  if (frz_partition_spec_compatible(frz_metadata_spec(base, base->default_spec_id), &update->spec))
    return FRZ_OK;
  update->updates[0] = (frz_metadata_update){.kind = FRZ_UPDATE_ADD_SPEC, .spec = &update->spec};
  update->updates[1] = (frz_metadata_update){.kind = FRZ_UPDATE_SET_DEFAULT_SPEC, .id = -1};
  update->requirements[0] = (frz_requirement){.kind = FRZ_REQUIRE_UUID, .text = base->table_uuid};
  update->requirements[1] =
      (frz_requirement){.kind = FRZ_REQUIRE_DEFAULT_SPEC_ID, .value = base->default_spec_id};
  update->requirements[2] = (frz_requirement){.kind = FRZ_REQUIRE_LAST_ASSIGNED_PARTITION_ID,
                                              .value = base->last_partition_id};
  *attempt_out = (frz_commit_attempt){update->requirements, 3, update->updates, 2, 0};
  return FRZ_OK;
}

frz_status frz_table_update_spec(frz_table *table, const frz_spec_change *changes, size_t n_changes,
                                 frz_error *err)
{
  if (table == NULL || (changes == NULL && n_changes != 0))
    return frz_fail(err, FRZ_ERR_INVALID, "partition spec update: table or changes are NULL");
  spec_update update = {.changes = changes,
                        .n_changes = n_changes,
                        .alloc = frz_context_alloc(frz_table_context(table))};
  frz_status st = frz_table_commit(table, prepare_spec, &update, err);
  frz_arena_free(&update.arena);
  return st;
}
