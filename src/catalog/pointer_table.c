/*
 * pointer_table.c - see pointer_table.h.
 *
 * A commit looks at the pointer, writes the next metadata file, and swaps the pointer where it is
 * still the one that was seen. After an insert or a swap whose answer was lost the catalog is asked
 * what it holds: the new location says that it happened, while the old one says nothing of a
 * request that is still on its way.
 *
 * What must stay true: a metadata file is removed again only where the pointer surely was not and
 * will not be set to it.
 */
#include "catalog/pointer_table.h"

#include "base/limits.h"

static frz_str str_of(const frz_string *text)
{
  return (frz_str){text->data, text->size_bytes};
}

bool frz_pointer_is_key(frz_str key)
{
  return frz_str_is(key, FRZ_POINTER_KEY) || frz_str_is(key, FRZ_POINTER_PREVIOUS_KEY) ||
         frz_str_is(key, FRZ_POINTER_KIND_KEY);
}

void frz_pointer_dispose(frz_pointer *pointer)
{
  frz_string_dispose(&pointer->location);
  if (pointer->state.data != NULL) frz_buf_dispose(&pointer->state);
  *pointer = (frz_pointer){0};
}

frz_status frz_pointer_check_level(frz_str name, const char *catalog, frz_error *err)
{
  if (memchr(name.data, '.', name.size) == NULL) return FRZ_OK;
  return frz_fail(err, FRZ_ERR_INVALID,
                  "namespace '%.*s': %s has databases of one level: write a name without dots",
                  FRZ_STR_ARG(name), catalog);
}

/* ---- the catalog ---- */

static frz_status keep_warehouse(frz_pointer_catalog *catalog, frz_str folder, frz_error *err)
{
  while (folder.size > 1 && folder.data[folder.size - 1] == '/') folder.size--;
  if (folder.size == 0) return FRZ_OK;
  frz_buf absolute;
  frz_buf_init(&absolute, catalog->alloc, FRZ_LIMIT_FILTER_BYTES);
  frz_status st = frz_storage_absolute(folder, &absolute, err);
  if (st == FRZ_OK) st = frz_buf_take_string(&absolute, &catalog->warehouse, err);
  frz_buf_dispose(&absolute);
  return st;
}

frz_status frz_pointer_catalog_create(const frz_catalog_setup *setup,
                                      const frz_pointer_calls *calls, size_t struct_bytes,
                                      void **self_out, frz_error *err)
{
  const frz_alloc *alloc = frz_context_alloc(setup->context);
  frz_pointer_catalog *catalog = frz_alloc_zeroed(alloc, struct_bytes);
  if (catalog == NULL) return frz_fail_nomem(err, "catalog");
  catalog->calls = calls;
  catalog->struct_bytes = struct_bytes;
  catalog->context = setup->context;
  catalog->alloc = alloc;
  catalog->storage = frz_storage_retain(setup->storage);
  frz_status st =
      keep_warehouse(catalog, frz_str_from(frz_catalog_property(setup, "warehouse")), err);
  if (st == FRZ_OK)
    *self_out = catalog;
  else
    frz_pointer_catalog_free(catalog);
  return st;
}

void frz_pointer_catalog_free(frz_pointer_catalog *catalog)
{
  frz_string_dispose(&catalog->warehouse);
  frz_storage_release(catalog->storage);
  frz_alloc_free(catalog->alloc, catalog, catalog->struct_bytes);
}

static void remove_metadata(const frz_pointer_catalog *catalog, frz_loaded_table *loaded)
{
  frz_error err;
  if (frz_storage_remove(catalog->storage, str_of(&loaded->location), &err) != FRZ_OK)
    frz_context_log(catalog->context, FRZ_LOG_WARNING, "metadata file stays: %s", err.message);
  frz_loaded_table_dispose(loaded);
}

frz_status frz_pointer_load_table(void *self, const char *identifier, frz_str known_location,
                                  frz_loaded_table *loaded_out, bool *changed_out, frz_error *err)
{
  frz_pointer_catalog *catalog = self;
  frz_identifier id;
  frz_pointer pointer = {0};
  FRZ_TRY(frz_identifier_parse(identifier, &id, err));
  FRZ_TRY(catalog->calls->find(catalog, &id, &pointer, err));
  frz_status st = FRZ_OK;
  frz_str location = str_of(&pointer.location);
  *changed_out = !frz_str_equal(location, known_location);
  if (*changed_out)
    st = frz_metadata_read(catalog->context, catalog->storage, location, loaded_out, err);
  frz_pointer_dispose(&pointer);
  return st;
}

/* ---- new tables ---- */

/* What stands under the name after an insert that may have happened? Another's commit may have
 * followed ours: the table is ours by its UUID. */
static frz_status settle_insert(frz_pointer_catalog *catalog, const frz_identifier *id,
                                const frz_loaded_table *table, frz_status failure, frz_error *err)
{
  bool changed, is_ours = false, is_known = false;
  frz_loaded_table now = {0};
  frz_status st =
      frz_pointer_load_table(catalog, id->text, str_of(&table->location), &now, &changed, NULL);
  if (st == FRZ_OK) {
    is_known = true;
    is_ours = !changed || frz_str_equal(now.metadata->table_uuid, table->metadata->table_uuid);
    frz_loaded_table_dispose(&now);
  }
  if (is_ours) return FRZ_OK;
  if (is_known && failure == FRZ_ERR_EXISTS) return failure;
  frz_error_where(err, "whether the table was made is not known: ");
  if (err != NULL) err->code = FRZ_ERR_IO;
  return FRZ_ERR_IO;
}

frz_status frz_pointer_register_table(void *self, const frz_identifier *id,
                                      const frz_loaded_table *table, frz_error *err)
{
  frz_pointer_catalog *catalog = self;
  bool may_be_done = false;
  frz_status st = catalog->calls->insert(catalog, id, table, &may_be_done, err);
  if (st != FRZ_OK && may_be_done) st = settle_insert(catalog, id, table, st, err);
  return st;
}

/* "<namespace's location>/table" or "<warehouse>/namespace/table". */
static frz_status choose_location(frz_pointer_catalog *catalog, const frz_identifier *id,
                                  const frz_table_creation *creation, frz_buf *out, frz_error *err)
{
  FRZ_TRY(catalog->calls->place(catalog, id, out, err));
  if (creation->location.size != 0) {
    out->size = 0;
    return frz_storage_absolute(creation->location, out, err);
  }
  while (out->size > 1 && out->data[out->size - 1] == '/') out->size--;
  if (out->size == 0) {
    if (catalog->warehouse.data == NULL)
      return frz_fail(err, FRZ_ERR_INVALID,
                      "no location: neither the table, nor its namespace, nor the catalog's "
                      "property warehouse gives one");
    FRZ_TRY(frz_buf_append_str(out, str_of(&catalog->warehouse), err));
    FRZ_TRY(frz_buf_append_byte(out, '/', err));
    FRZ_TRY(frz_buf_append_str(out, id->namespace_name, err));
    FRZ_TRY(frz_buf_append_str(out, frz_str_from(catalog->calls->folder_ending), err));
  }
  FRZ_TRY(frz_buf_append_byte(out, '/', err));
  return frz_buf_append_str(out, id->table_name, err);
}

frz_status frz_pointer_create_table(void *self, const frz_identifier *id,
                                    const frz_table_creation *creation,
                                    frz_loaded_table *loaded_out, frz_error *err)
{
  frz_pointer_catalog *catalog = self;
  frz_loaded_table made = {0};
  frz_buf location;
  frz_buf_init(&location, catalog->alloc, FRZ_LIMIT_FILTER_BYTES);
  frz_status st = choose_location(catalog, id, creation, &location, err);
  if (st == FRZ_OK)
    st = frz_creation_write(catalog->context, catalog->storage, creation, frz_buf_str(&location),
                            &made, err);
  frz_buf_dispose(&location);
  if (st != FRZ_OK) return st;
  st = frz_pointer_register_table(catalog, id, &made, err);
  if (st == FRZ_OK)
    *loaded_out = made;
  else if (st == FRZ_ERR_EXISTS || st == FRZ_ERR_NOT_FOUND)
    remove_metadata(catalog, &made);
  else
    frz_loaded_table_dispose(&made);
  return st;
}

/* ---- commits ---- */

/* After a swap that may have happened: what does the catalog say? */
static frz_status settle_swap(frz_pointer_catalog *catalog, const frz_identifier *id, frz_str base,
                              frz_str next, frz_status failure, frz_error *err)
{
  frz_pointer now = {0};
  frz_status st = catalog->calls->find(catalog, id, &now, NULL);
  bool is_next = st == FRZ_OK && frz_str_equal(str_of(&now.location), next);
  bool is_base = st == FRZ_OK && frz_str_equal(str_of(&now.location), base);
  frz_pointer_dispose(&now);
  if (is_next) return FRZ_OK;
  if (is_base && catalog->undoes_what_is_lost) return failure;
  frz_error_where(err, "commit of %.*s, outcome unknown: ", FRZ_STR_ARG(next));
  if (err != NULL) err->code = FRZ_ERR_COMMIT_UNKNOWN;
  return FRZ_ERR_COMMIT_UNKNOWN;
}

frz_status frz_pointer_commit_table(void *self, const char *identifier,
                                    const frz_loaded_table *base,
                                    const frz_requirement *requirements, size_t n_requirements,
                                    const frz_metadata_update *updates, size_t n_updates,
                                    frz_loaded_table *loaded_out, frz_error *err)
{
  frz_pointer_catalog *catalog = self;
  frz_identifier id;
  frz_pointer pointer = {0};
  frz_loaded_table next = {0};
  frz_str base_location = str_of(&base->location);
  bool may_be_done = false;
  FRZ_TRY(frz_identifier_parse(identifier, &id, err));
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(catalog->calls->find(catalog, &id, &pointer, err));
  if (!frz_str_equal(str_of(&pointer.location), base_location))
    FRZ_TRY_OUT(frz_fail(err, FRZ_ERR_CONFLICT, "another commit replaced %.*s",
                         FRZ_STR_ARG(base_location)));
  FRZ_TRY_OUT(frz_metadata_write_next(catalog->context, catalog->storage, base, requirements,
                                      n_requirements, updates, n_updates, &next, err));
  st = catalog->calls->swap(catalog, &id, &pointer, base, &next, &may_be_done, err);
  if (st != FRZ_OK && may_be_done)
    st = settle_swap(catalog, &id, base_location, str_of(&next.location), st, err);
  if (st == FRZ_OK) {
    frz_metadata_remove_trimmed(catalog->context, catalog->storage, base->metadata, next.metadata);
    *loaded_out = next;
    next = (frz_loaded_table){0};
  } else if (st != FRZ_ERR_COMMIT_UNKNOWN) {
    remove_metadata(catalog, &next);
  }
out:
  frz_loaded_table_dispose(&next);
  frz_pointer_dispose(&pointer);
  return st;
}
