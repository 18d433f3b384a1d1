/*
 * pointer_table.h - catalogs that store a pointer a table: which metadata file is current.
 *
 * SQL, Glue and Hive are such. Metadata files are written here; the catalog finds, inserts and
 * swaps the pointer.
 */
#ifndef FRZ_CATALOG_POINTER_TABLE_H
#define FRZ_CATALOG_POINTER_TABLE_H

#include "catalog/catalog_ops.h"

/** What a catalog holds of a table. */
typedef struct frz_pointer {
  frz_string location; /* of the current metadata file */
  frz_buf state;       /* what else the catalog swaps by, in its own form; may stay zeroed */
} frz_pointer;

/** The parameters that hold it where tables have parameters (Glue, Hive). */
#define FRZ_POINTER_KEY "metadata_location"
#define FRZ_POINTER_PREVIOUS_KEY "previous_metadata_location"
#define FRZ_POINTER_KIND_KEY "table_type"
bool frz_pointer_is_key(frz_str key);

/** A zeroed pointer is accepted. */
void frz_pointer_dispose(frz_pointer *pointer);

/** What such a catalog does of its own; `self` is its frz_pointer_catalog. *may_be_done_out, false
 * at first: whatever the failure says, it may have happened. */
typedef struct frz_pointer_calls {
  const char *folder_ending; /* of a namespace's folder below the warehouse */
  /** FRZ_ERR_NOT_FOUND: there is no such table. */
  frz_status (*find)(void *self, const frz_identifier *id, frz_pointer *pointer_out,
                     frz_error *err);
  /** Looks where a new table may stand: appends the namespace's location, if it has one.
   * FRZ_ERR_NOT_FOUND: there is no such namespace; FRZ_ERR_EXISTS: the name is taken. */
  frz_status (*place)(void *self, const frz_identifier *id, frz_buf *folder, frz_error *err);
  /** FRZ_ERR_EXISTS, FRZ_ERR_NOT_FOUND: not inserted. */
  frz_status (*insert)(void *self, const frz_identifier *id, const frz_loaded_table *table,
                       bool *may_be_done_out, frz_error *err);
  /** `base` is the version that the pointer points to. FRZ_ERR_CONFLICT: it is another one. */
  frz_status (*swap)(void *self, const frz_identifier *id, const frz_pointer *pointer,
                     const frz_loaded_table *base, const frz_loaded_table *next,
                     bool *may_be_done_out, frz_error *err);
} frz_pointer_calls;

/** The first member of such a catalog. */
typedef struct frz_pointer_catalog {
  const frz_pointer_calls *calls;
  size_t struct_bytes;
  frz_context *context;
  const frz_alloc *alloc;
  frz_storage *storage;
  frz_string warehouse;     /* absolute, no slash at the end; data NULL: none */
  bool undoes_what_is_lost; /* a swap that is not seen after its failure is not done later */
} frz_pointer_catalog;

/** A zeroed struct of `struct_bytes`, that begins with a frz_pointer_catalog. */
frz_status frz_pointer_catalog_create(const frz_catalog_setup *setup,
                                      const frz_pointer_calls *calls, size_t struct_bytes,
                                      void **self_out, frz_error *err) FRZ_MUST_CHECK;
void frz_pointer_catalog_free(frz_pointer_catalog *catalog);

/* ---- operations of frz_catalog_ops; `self` is the frz_pointer_catalog ---- */

frz_status frz_pointer_load_table(void *self, const char *identifier, frz_str known_location,
                                  frz_loaded_table *loaded_out, bool *changed_out,
                                  frz_error *err) FRZ_MUST_CHECK;

frz_status frz_pointer_create_table(void *self, const frz_identifier *id,
                                    const frz_table_creation *creation,
                                    frz_loaded_table *loaded_out, frz_error *err) FRZ_MUST_CHECK;

frz_status frz_pointer_commit_table(void *self, const char *identifier,
                                    const frz_loaded_table *base,
                                    const frz_requirement *requirements, size_t n_requirements,
                                    const frz_metadata_update *updates, size_t n_updates,
                                    frz_loaded_table *loaded_out, frz_error *err) FRZ_MUST_CHECK;

frz_status frz_pointer_register_table(void *self, const frz_identifier *id,
                                      const frz_loaded_table *table, frz_error *err) FRZ_MUST_CHECK;

/** FRZ_ERR_INVALID for a namespace of several levels, where databases have one. */
frz_status frz_pointer_check_level(frz_str name, const char *catalog,
                                   frz_error *err) FRZ_MUST_CHECK;

#endif
