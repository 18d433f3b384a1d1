/*
 * table_as.c - tables that are created with rows, or replaced by other ones, in one commit.
 *
 * The rows are written through a table handle like any others. What differs is the handle's commit
 * port: it shows a version that no catalog has seen. Of a new table that is the empty version 0,
 * and a commit to it only makes the version that the catalog is given as the table's first. Of a
 * replaced table it is the table's version with the other schema, spec and sort order applied; a
 * commit sends those changes and the snapshot together, as one.
 *
 * Invariant: data files are written with the field and spec ids of the first staged version. A
 * version that gives others to the same changes is refused before anything is sent.
 */
#include "catalog/table_as.h"

#include "base/limits.h"

/* The handle lives on the stack of one call, and its port with it. */
static void no_reference(void *ctx)
{
  (void)ctx;
}

static frz_str str_of(const frz_string *text)
{
  return (frz_str){text->data, text->size_bytes};
}

/* ---- a new table ---- */

static frz_status first_load(void *ctx, const char *identifier, frz_loaded_table *loaded_out,
                             frz_error *err)
{
  (void)ctx;
  (void)loaded_out;
  return frz_fail(err, FRZ_ERR_CONFLICT, "'%s' is not created yet", identifier);
}

static frz_status first_commit(void *ctx, const char *identifier, const frz_loaded_table *base,
                               const frz_requirement *requirements, size_t n_requirements,
                               const frz_metadata_update *updates, size_t n_updates,
                               frz_loaded_table *loaded_out, frz_error *err)
{
  frz_first_rows *rows = ctx;
  const frz_alloc *alloc = frz_context_alloc(rows->context);
  const frz_str nowhere = {0};
  frz_loaded_table next = {0};
  (void)identifier;
  FRZ_TRY(frz_requirements_check(base->metadata, requirements, n_requirements, err));
  FRZ_TRY(frz_string_copy(alloc, frz_str_from(""), &next.location, err));
  frz_status st =
      frz_metadata_apply(base->metadata, nowhere, updates, n_updates, alloc, &next.metadata, err);
  if (st == FRZ_OK)
    *loaded_out = next;
  else
    frz_string_dispose(&next.location);
  return st;
}

static const frz_commit_port first_port = {.version = 1,
                                           .load = first_load,
                                           .commit = first_commit,
                                           .retain = no_reference,
                                           .release = no_reference};

frz_status frz_first_rows_fill(void *arg, frz_table_metadata *empty,
                               frz_table_metadata **filled_out, frz_error *err)
{
  frz_first_rows *rows = arg;
  frz_table *table = NULL;
  frz_loaded_table staged = {0};
  FRZ_TRY(
      frz_string_copy(frz_context_alloc(rows->context), frz_str_from(""), &staged.location, err));
  staged.metadata = frz_table_metadata_retain(empty);
  FRZ_TRY(frz_table_create_handle(rows->context, rows->identifier, &first_port, rows, rows->storage,
                                  &staged, &table, err));
  frz_status st = frz_table_append(table, rows->data, rows->options, &rows->result, err);
  if (st == FRZ_OK) {
    rows->filled = frz_table_current(table);
    *filled_out = frz_table_metadata_retain(rows->filled);
  }
  frz_table_free(table);
  return st;
}

static void remove_file(const frz_first_rows *rows, frz_str path)
{
  frz_error err;
  frz_status st = frz_storage_remove(rows->storage, path, &err);
  if (st != FRZ_OK && st != FRZ_ERR_NOT_FOUND)
    frz_context_log(rows->context, FRZ_LOG_WARNING, "file of a table that was not made stays: %s",
                    err.message);
}

void frz_first_rows_remove(const frz_first_rows *rows)
{
  if (rows->filled == NULL) return;
  frz_map files;
  frz_map_init(&files, frz_context_alloc(rows->context), FRZ_LIMIT_MANIFEST_BYTES);
  if (frz_table_snapshot_files(rows->context, rows->storage, rows->filled, &files, NULL) == FRZ_OK)
    for (size_t i = 0; i < files.capacity; i++)
      if (files.entries[i].key.data != NULL) remove_file(rows, files.entries[i].key);
  frz_map_dispose(&files);
}

/* ---- a replaced table ---- */

enum { STAGED_UPDATES = 8, STAGED_REQUIREMENTS = 5 };

typedef struct staging {
  const frz_table_replacement *replacement;
  frz_metadata_update updates[STAGED_UPDATES];
  size_t n_updates;
  frz_loaded_table base; /* what the catalog has */
  int32_t schema_id;     /* the ids that the data files are written with */
  int32_t spec_id;
  int32_t last_column_id;
} staging;

static void list_updates(staging *self)
{
  static const frz_text_pair mapping = {{"schema.name-mapping.default", 27}, {NULL, 0}};
  const frz_table_creation *creation = self->replacement->creation;
  const frz_metadata_update updates[] = {
      {.kind = FRZ_UPDATE_ADD_SCHEMA, .schema = creation->schema},
      {.kind = FRZ_UPDATE_SET_CURRENT_SCHEMA, .id = -1},
      {.kind = FRZ_UPDATE_ADD_SPEC, .spec = creation->spec},
      {.kind = FRZ_UPDATE_SET_DEFAULT_SPEC, .id = -1},
      {.kind = FRZ_UPDATE_ADD_SORT_ORDER, .sort_order = creation->sort_order},
      {.kind = FRZ_UPDATE_SET_DEFAULT_SORT_ORDER, .id = -1},
      /* It names columns that are gone. */
      {.kind = FRZ_UPDATE_REMOVE_PROPERTIES, .pairs = &mapping, .n_pairs = 1},
      {.kind = FRZ_UPDATE_SET_PROPERTIES,
       .pairs = creation->properties,
       .n_pairs = creation->n_properties},
  };
  static_assert(sizeof updates / sizeof updates[0] == STAGED_UPDATES, "as many as there is room");
  memcpy(self->updates, updates, sizeof updates);
  self->n_updates = creation->n_properties != 0 ? STAGED_UPDATES : STAGED_UPDATES - 1;
}

/* The version that the handle shows: the base with the changes. */
static frz_status stage(const staging *self, frz_loaded_table *staged_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(self->replacement->context);
  frz_loaded_table staged = {0};
  FRZ_TRY(frz_string_copy(alloc, str_of(&self->base.location), &staged.location, err));
  frz_status st = frz_metadata_apply(self->base.metadata, str_of(&self->base.location),
                                     self->updates, self->n_updates, alloc, &staged.metadata, err);
  if (st == FRZ_OK)
    *staged_out = staged;
  else
    frz_string_dispose(&staged.location);
  return st;
}

static frz_status replace_load(void *ctx, const char *identifier, frz_loaded_table *loaded_out,
                               frz_error *err)
{
  staging *self = ctx;
  const frz_table_replacement *r = self->replacement;
  frz_loaded_table newer = {0};
  bool changed;
  FRZ_TRY(r->ops->load_table(r->self, identifier, (frz_str){0}, &newer, &changed, err));
  bool same_columns = newer.metadata->last_column_id == self->last_column_id;
  frz_loaded_table_dispose(&self->base);
  self->base = newer;
  if (!same_columns)
    return frz_fail(err, FRZ_ERR_CONFLICT, "others added columns while it was replaced");
  FRZ_TRY(stage(self, loaded_out, err));
  const frz_table_metadata *staged = loaded_out->metadata;
  if (staged->current_schema_id == self->schema_id && staged->default_spec_id == self->spec_id)
    return FRZ_OK;
  frz_loaded_table_dispose(loaded_out);
  return frz_fail(err, FRZ_ERR_CONFLICT,
                  "others changed its schema or partition spec while it was replaced");
}

static frz_status send(staging *self, const frz_requirement *requirements, size_t n_requirements,
                       const frz_metadata_update *updates, size_t n_updates,
                       frz_loaded_table *loaded_out, frz_error *err)
{
  const frz_table_replacement *r = self->replacement;
  const frz_table_metadata *base = self->base.metadata;
  const frz_requirement unchanged[STAGED_REQUIREMENTS] = {
      {.kind = FRZ_REQUIRE_LAST_ASSIGNED_FIELD_ID, .value = base->last_column_id},
      {.kind = FRZ_REQUIRE_CURRENT_SCHEMA_ID, .value = base->current_schema_id},
      {.kind = FRZ_REQUIRE_LAST_ASSIGNED_PARTITION_ID, .value = base->last_partition_id},
      {.kind = FRZ_REQUIRE_DEFAULT_SPEC_ID, .value = base->default_spec_id},
      {.kind = FRZ_REQUIRE_DEFAULT_SORT_ORDER_ID, .value = base->default_sort_order_id}};
  frz_status st = FRZ_OK;
  frz_arena arena;
  frz_arena_init(&arena, frz_context_alloc(r->context), FRZ_LIMIT_METADATA_BYTES);
  size_t n_all = n_requirements + STAGED_REQUIREMENTS;
  size_t n_changes = self->n_updates + n_updates;
  frz_requirement *all = frz_arena_array(&arena, n_all, sizeof *all);
  frz_metadata_update *changes = frz_arena_array(&arena, n_changes, sizeof *changes);
  if (all == NULL || changes == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "table updates"));
  memcpy(all, unchanged, sizeof unchanged);
  memcpy(changes, self->updates, self->n_updates * sizeof *changes);
  if (n_requirements != 0)
    memcpy(all + STAGED_REQUIREMENTS, requirements, n_requirements * sizeof *all);
  if (n_updates != 0) memcpy(changes + self->n_updates, updates, n_updates * sizeof *changes);
  FRZ_TRY_OUT(r->ops->commit_table(r->self, r->identifier, &self->base, all, n_all, changes,
                                   n_changes, loaded_out, err));
out:
  frz_arena_free(&arena);
  return st;
}

static frz_status replace_commit(void *ctx, const char *identifier, const frz_loaded_table *base,
                                 const frz_requirement *requirements, size_t n_requirements,
                                 const frz_metadata_update *updates, size_t n_updates,
                                 frz_loaded_table *loaded_out, frz_error *err)
{
  (void)identifier;
  (void)base; /* the staged form of self->base */
  return send(ctx, requirements, n_requirements, updates, n_updates, loaded_out, err);
}

static const frz_commit_port replace_port = {.version = 1,
                                             .load = replace_load,
                                             .commit = replace_commit,
                                             .retain = no_reference,
                                             .release = no_reference};

/* Where no row goes and none comes there is no snapshot, and the changes go alone. */
static frz_status overwrite_staged(staging *self, frz_table *table, frz_write_result *result_out,
                                   frz_loaded_table *loaded_out, frz_error *err)
{
  const frz_table_replacement *r = self->replacement;
  FRZ_TRY(frz_table_overwrite(table, r->data, NULL, r->options, result_out, err));
  if (result_out->snapshot_id < 0) return send(self, NULL, 0, NULL, 0, loaded_out, err);
  return frz_table_current_loaded(table, loaded_out, err);
}

frz_status frz_table_replacement_run(const frz_table_replacement *replacement,
                                     const frz_loaded_table *base, frz_write_result *result_out,
                                     frz_loaded_table *loaded_out, frz_error *err)
{
  staging self = {.replacement = replacement, .last_column_id = base->metadata->last_column_id};
  frz_loaded_table staged = {0};
  frz_table *table = NULL;
  frz_status st = FRZ_OK;
  list_updates(&self);
  FRZ_TRY(frz_string_copy(frz_context_alloc(replacement->context), str_of(&base->location),
                          &self.base.location, err));
  self.base.metadata = frz_table_metadata_retain(base->metadata);
  FRZ_TRY_OUT(stage(&self, &staged, err));
  self.schema_id = staged.metadata->current_schema_id;
  self.spec_id = staged.metadata->default_spec_id;
  FRZ_TRY_OUT(frz_table_create_handle(replacement->context, replacement->identifier, &replace_port,
                                      &self, replacement->storage, &staged, &table, err));
  FRZ_TRY_OUT(overwrite_staged(&self, table, result_out, loaded_out, err));
out:
  frz_table_free(table);
  frz_loaded_table_dispose(&self.base);
  return st;
}
