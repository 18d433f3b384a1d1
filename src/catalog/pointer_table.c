/*
 * pointer_table.c - see pointer_table.h.
 *
 * A commit looks at the pointer, writes the next metadata file, and swaps the pointer where it is
 * still the one that was seen.
 *
 * What must stay true: a metadata file is removed again only where the pointer surely was not and
 * will not be set to it.
 */
#include "catalog/pointer_table.h"

static frz_str str_of(const frz_string *text)
{
  return (frz_str){text->data, text->size_bytes};
}

void frz_pointer_dispose(frz_pointer *pointer)
{
  frz_string_dispose(&pointer->location);
  if (pointer->state.data != NULL) frz_buf_dispose(&pointer->state);
  *pointer = (frz_pointer){0};
}

static void remove_metadata(const frz_pointer_catalog *catalog, frz_loaded_table *loaded)
{
  frz_error err;
  if (frz_storage_remove(catalog->storage, str_of(&loaded->location), &err) != FRZ_OK)
    frz_context_log(catalog->context, FRZ_LOG_WARNING, "metadata file stays: %s", err.message);
  frz_loaded_table_dispose(loaded);
}

frz_status frz_pointer_load(const frz_pointer_catalog *catalog, const char *identifier,
                            frz_str known_location, frz_loaded_table *loaded_out, bool *changed_out,
                            frz_error *err)
{
  frz_identifier id;
  frz_pointer pointer = {0};
  FRZ_TRY(frz_identifier_parse(identifier, &id, err));
  FRZ_TRY(catalog->find(catalog->self, &id, &pointer, err));
  frz_status st = FRZ_OK;
  frz_str location = str_of(&pointer.location);
  *changed_out = !frz_str_equal(location, known_location);
  if (*changed_out)
    st = frz_metadata_read(catalog->context, catalog->storage, location, loaded_out, err);
  frz_pointer_dispose(&pointer);
  return st;
}

frz_status frz_pointer_create(const frz_pointer_catalog *catalog, const frz_identifier *id,
                              const frz_table_creation *creation, frz_str location,
                              frz_loaded_table *loaded_out, frz_error *err)
{
  frz_loaded_table made = {0};
  FRZ_TRY(frz_creation_write(catalog->context, catalog->storage, creation, location, &made, err));
  frz_status st = catalog->insert(catalog->self, id, &made, err);
  if (st == FRZ_OK)
    *loaded_out = made;
  else if (st == FRZ_ERR_EXISTS || st == FRZ_ERR_NOT_FOUND)
    remove_metadata(catalog, &made);
  else
    frz_loaded_table_dispose(&made);
  return st;
}

/* After a swap that may have happened: what does the catalog say? */
static frz_status settle(const frz_pointer_catalog *catalog, const frz_identifier *id, frz_str base,
                         frz_str next, frz_status failure, frz_error *err)
{
  frz_pointer now = {0};
  frz_status st = catalog->find(catalog->self, id, &now, NULL);
  bool is_next = st == FRZ_OK && frz_str_equal(str_of(&now.location), next);
  bool is_base = st == FRZ_OK && frz_str_equal(str_of(&now.location), base);
  frz_pointer_dispose(&now);
  if (is_next) return FRZ_OK;
  if (is_base && catalog->undoes_what_is_lost) return failure;
  frz_error_where(err, "commit of %.*s, outcome unknown: ", FRZ_STR_ARG(next));
  if (err != NULL) err->code = FRZ_ERR_COMMIT_UNKNOWN;
  return FRZ_ERR_COMMIT_UNKNOWN;
}

frz_status frz_pointer_commit(const frz_pointer_catalog *catalog, const char *identifier,
                              const frz_loaded_table *base, const frz_requirement *requirements,
                              size_t n_requirements, const frz_metadata_update *updates,
                              size_t n_updates, frz_loaded_table *loaded_out, frz_error *err)
{
  frz_identifier id;
  frz_pointer pointer = {0};
  frz_loaded_table next = {0};
  frz_str base_location = str_of(&base->location);
  bool may_be_done = false;
  FRZ_TRY(frz_identifier_parse(identifier, &id, err));
  frz_status st = FRZ_OK;
  FRZ_TRY_OUT(catalog->find(catalog->self, &id, &pointer, err));
  if (!frz_str_equal(str_of(&pointer.location), base_location))
    FRZ_TRY_OUT(frz_fail(err, FRZ_ERR_CONFLICT, "another commit replaced %.*s",
                         FRZ_STR_ARG(base_location)));
  FRZ_TRY_OUT(frz_metadata_write_next(catalog->context, catalog->storage, base, requirements,
                                      n_requirements, updates, n_updates, &next, err));
  st = catalog->swap(catalog->self, &id, &pointer, &next, &may_be_done, err);
  if (st != FRZ_OK && may_be_done)
    st = settle(catalog, &id, base_location, str_of(&next.location), st, err);
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
