/*
 * table_handle.c - the table handle: one version of a table, shared by threads.
 *
 * The handle holds a counted reference to an immutable version. Readers take a reference of their
 * own under the lock, so that a refresh or commit in another thread never pulls it away.
 *
 * Invariants: current.metadata and current.location are never NULL and belong together; both are
 * replaced only by frz_table_publish().
 */
#include "iceberg/table/table_handle.h"

#include <assert.h>

#include "base/limits.h"
#include "iceberg/table/table_state.h"

void frz_loaded_table_dispose(frz_loaded_table *loaded)
{
  if (loaded == NULL) return;
  if (loaded->metadata != NULL) frz_table_metadata_release(loaded->metadata);
  frz_string_dispose(&loaded->location);
  *loaded = (frz_loaded_table){0};
}

frz_status frz_table_create_handle(frz_context *context, const char *identifier,
                                   const frz_commit_port *port, void *port_ctx,
                                   frz_storage *storage, frz_loaded_table *loaded,
                                   frz_table **table_out, frz_error *err)
{
  assert(loaded->metadata != NULL && loaded->location.data != NULL);
  const frz_alloc *alloc = frz_context_alloc(context);
  frz_table *table = frz_alloc_zeroed(alloc, sizeof *table);
  frz_status st = table != NULL ? FRZ_OK : frz_fail_nomem(err, "table handle");
  if (st == FRZ_OK) st = frz_string_copy(alloc, frz_str_from(identifier), &table->identifier, err);
  if (st != FRZ_OK) {
    frz_loaded_table_dispose(loaded);
    frz_alloc_free(alloc, table, sizeof *table);
    return st;
  }
  table->context = context;
  table->alloc = alloc;
  table->storage = frz_storage_retain(storage);
  table->port = port;
  table->port_ctx = port_ctx;
  port->retain(port_ctx);
  pthread_mutex_init(&table->lock, NULL);
  pthread_mutex_init(&table->commit_lock, NULL);
  table->current = *loaded;
  *loaded = (frz_loaded_table){0};
  *table_out = table;
  return FRZ_OK;
}

void frz_table_free(frz_table *table)
{
  if (table == NULL) return;
  frz_loaded_table_dispose(&table->current);
  frz_string_dispose(&table->identifier);
  frz_storage_release(table->storage);
  table->port->release(table->port_ctx);
  pthread_mutex_destroy(&table->lock);
  pthread_mutex_destroy(&table->commit_lock);
  frz_alloc_free(table->alloc, table, sizeof *table);
}

const char *frz_table_identifier(const frz_table *table)
{
  return table->identifier.data;
}

bool frz_table_is_of(const frz_table *table, const void *port_ctx)
{
  return table->port_ctx == port_ctx;
}

frz_context *frz_table_context(const frz_table *table)
{
  return table->context;
}

frz_storage *frz_table_storage(const frz_table *table)
{
  return table->storage;
}

/* The lock is not part of the version that const promises to keep. */
static pthread_mutex_t *lock_of(const frz_table *table)
{
  return &((frz_table *)table)->lock;
}

frz_table_metadata *frz_table_current(const frz_table *table)
{
  pthread_mutex_lock(lock_of(table));
  frz_table_metadata *metadata = frz_table_metadata_retain(table->current.metadata);
  pthread_mutex_unlock(lock_of(table));
  return metadata;
}

frz_status frz_table_current_loaded(const frz_table *table, frz_loaded_table *loaded_out,
                                    frz_error *err)
{
  frz_string location = {0};
  pthread_mutex_lock(lock_of(table));
  frz_str shown = {table->current.location.data, table->current.location.size_bytes};
  frz_status st = frz_string_copy(table->alloc, shown, &location, err);
  if (st == FRZ_OK)
    *loaded_out = (frz_loaded_table){.metadata = frz_table_metadata_retain(table->current.metadata),
                                     .location = location};
  pthread_mutex_unlock(lock_of(table));
  return st;
}

void frz_table_publish(frz_table *table, frz_loaded_table *loaded)
{
  assert(loaded->metadata != NULL && loaded->location.data != NULL);
  pthread_mutex_lock(&table->lock);
  frz_loaded_table before = table->current;
  table->current = *loaded;
  pthread_mutex_unlock(&table->lock);
  *loaded = (frz_loaded_table){0};
  frz_loaded_table_dispose(&before);
}

static frz_status load_newer(frz_table *table, const frz_loaded_table *shown,
                             frz_loaded_table *loaded_out, bool *changed_out, frz_error *err)
{
  frz_str known = {shown->location.data, shown->location.size_bytes};
  if (table->port->load_newer != NULL)
    return table->port->load_newer(table->port_ctx, table->identifier.data, known, loaded_out,
                                   changed_out, err);
  FRZ_TRY(table->port->load(table->port_ctx, table->identifier.data, loaded_out, err));
  frz_str location = {loaded_out->location.data, loaded_out->location.size_bytes};
  *changed_out = !frz_str_equal(location, known);
  return FRZ_OK;
}

frz_status frz_table_refresh(frz_table *table, bool *changed_out, frz_error *err)
{
  if (table == NULL) return frz_fail(err, FRZ_ERR_INVALID, "table is NULL");
  frz_status st = FRZ_OK;
  frz_loaded_table shown = {0};
  frz_loaded_table loaded = {0};
  bool changed = false;
  pthread_mutex_lock(&table->commit_lock); /* a refresh must not undo a commit that just ended */
  FRZ_TRY_OUT(frz_table_current_loaded(table, &shown, err));
  FRZ_TRY_OUT(load_newer(table, &shown, &loaded, &changed, err));
  if (changed) frz_table_publish(table, &loaded);
  if (changed_out != NULL) *changed_out = changed;
out:
  pthread_mutex_unlock(&table->commit_lock);
  frz_loaded_table_dispose(&shown);
  frz_loaded_table_dispose(&loaded);
  return st;
}

frz_status frz_table_metadata_location(const frz_table *table, frz_string *location_out,
                                       frz_error *err)
{
  if (table == NULL || location_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "metadata location: table or location_out is NULL");
  frz_loaded_table shown = {0};
  FRZ_TRY(frz_table_current_loaded(table, &shown, err));
  *location_out = shown.location;
  shown.location = (frz_string){0};
  frz_loaded_table_dispose(&shown);
  return FRZ_OK;
}

frz_status frz_table_metadata_json(const frz_table *table, frz_string *json_out, frz_error *err)
{
  if (table == NULL || json_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "metadata JSON: table or json_out is NULL");
  frz_status st = FRZ_OK;
  frz_table_metadata *metadata = frz_table_current(table);
  frz_buf text;
  frz_buf_init(&text, table->alloc, FRZ_LIMIT_METADATA_BYTES);
  FRZ_TRY_OUT(frz_table_metadata_write(metadata, &text, err));
  FRZ_TRY_OUT(frz_buf_take_string(&text, json_out, err));
out:
  frz_buf_dispose(&text);
  frz_table_metadata_release(metadata);
  return st;
}

int64_t frz_table_current_snapshot_id(const frz_table *table)
{
  pthread_mutex_lock(lock_of(table));
  int64_t snapshot_id = table->current.metadata->current_snapshot_id;
  pthread_mutex_unlock(lock_of(table));
  return snapshot_id;
}

frz_status frz_table_arrow_schema(const frz_table *table, struct ArrowSchema *schema_out,
                                  frz_error *err)
{
  if (table == NULL || schema_out == NULL)
    return frz_fail(err, FRZ_ERR_INVALID, "Arrow schema: table or schema_out is NULL");
  frz_status st = FRZ_OK;
  frz_table_metadata *metadata = frz_table_current(table);
  const frz_schema *schema = frz_metadata_current_schema(metadata);
  frz_arena arena;
  frz_arena_init(&arena, table->alloc, FRZ_LIMIT_METADATA_BYTES);
  size_t n_fields = schema->root.n_fields;
  frz_arrow_field *fields = frz_arena_array(&arena, n_fields, sizeof *fields);
  if (fields == NULL) FRZ_TRY_OUT(frz_fail_nomem(err, "Arrow schema"));
  for (size_t i = 0; i < n_fields; i++)
    FRZ_TRY_OUT(frz_field_to_arrow(&schema->root.fields[i], &arena, &fields[i], err));
  FRZ_TRY_OUT(frz_arrow_schema_export(fields, n_fields, table->alloc, schema_out, err));
out:
  frz_arena_free(&arena);
  frz_table_metadata_release(metadata);
  return st;
}
