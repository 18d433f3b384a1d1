/*
 * pointer_table.h - tables of a catalog that stores a pointer: which metadata file is current.
 *
 * Metadata files are written here; the catalog finds, inserts and swaps the pointer.
 */
#ifndef FRZ_CATALOG_POINTER_TABLE_H
#define FRZ_CATALOG_POINTER_TABLE_H

#include "catalog/catalog_ops.h"

/** What a catalog holds of a table. */
typedef struct frz_pointer {
  frz_string location; /* of the current metadata file */
  frz_buf state;       /* what else the catalog swaps by, in its own form; may stay zeroed */
} frz_pointer;

/** A zeroed pointer is accepted. */
void frz_pointer_dispose(frz_pointer *pointer);

/** Where tables' pointers are. */
typedef struct frz_pointer_catalog {
  frz_context *context;
  frz_storage *storage;
  void *self;
  /** FRZ_ERR_NOT_FOUND: there is no such table. */
  frz_status (*find)(void *self, const frz_identifier *id, frz_pointer *pointer_out,
                     frz_error *err);
  /** FRZ_ERR_EXISTS, FRZ_ERR_NOT_FOUND: surely not inserted. */
  frz_status (*insert)(void *self, const frz_identifier *id, const frz_loaded_table *table,
                       frz_error *err);
  /** FRZ_ERR_CONFLICT: the pointer is another one. *may_be_done_out: whatever the failure says, it
   * may have been swapped. */
  frz_status (*swap)(void *self, const frz_identifier *id, const frz_pointer *pointer,
                     const frz_loaded_table *next, bool *may_be_done_out, frz_error *err);
  /** A swap without an answer that is not seen now is not done later either. */
  bool undoes_what_is_lost;
} frz_pointer_catalog;

/** As frz_catalog_ops.load_table. */
frz_status frz_pointer_load(const frz_pointer_catalog *catalog, const char *identifier,
                            frz_str known_location, frz_loaded_table *loaded_out, bool *changed_out,
                            frz_error *err) FRZ_MUST_CHECK;

/** Write a table's first version below `location` and insert it. The file is removed where the
 * table surely was not inserted. */
frz_status frz_pointer_create(const frz_pointer_catalog *catalog, const frz_identifier *id,
                              const frz_table_creation *creation, frz_str location,
                              frz_loaded_table *loaded_out, frz_error *err) FRZ_MUST_CHECK;

/** As frz_commit_port.commit. */
frz_status frz_pointer_commit(const frz_pointer_catalog *catalog, const char *identifier,
                              const frz_loaded_table *base, const frz_requirement *requirements,
                              size_t n_requirements, const frz_metadata_update *updates,
                              size_t n_updates, frz_loaded_table *loaded_out,
                              frz_error *err) FRZ_MUST_CHECK;

#endif
