/*
 * catalog_ops.h - what a kind of catalog implements; catalog.c does the rest.
 */
#ifndef FRZ_CATALOG_CATALOG_OPS_H
#define FRZ_CATALOG_CATALOG_OPS_H

#include "base/buf.h"
#include "base/map.h"
#include "frazil/catalog.h"
#include "iceberg/table/table_handle.h"

/** What a new table shall be: checked and parsed. Borrowed for the call. */
typedef struct frz_table_creation {
  int32_t format_version;
  frz_str location; /* no slash at the end; data NULL: the catalog chooses */
  const frz_schema *schema;
  const frz_partition_spec *spec;
  const frz_sort_order *sort_order;
  const frz_text_pair *properties;
  size_t n_properties;
  /** NULL, or called once, with the location known and nothing visible: gives the version that the
   * table is created with in place of the empty one. */
  frz_status (*fill)(void *arg, frz_table_metadata *empty, frz_table_metadata **filled_out,
                     frz_error *err);
  void *fill_arg;
} frz_table_creation;

/** A table's name in parts. Borrowed. */
typedef struct frz_identifier {
  const char *text;
  frz_str namespace_name; /* size 0: none */
  frz_str table_name;
} frz_identifier;

/** Called from several threads at once; each takes its own lock. */
typedef struct frz_catalog_ops {
  int32_t version;       /* 1 */
  const char *read_only; /* why nothing can be changed here; NULL: changes are allowed. The calls
                            that change are then NULL, save commit_table */
  frz_status (*create_namespace)(void *self, frz_str name, const frz_property *properties,
                                 size_t n_properties, frz_error *err);
  frz_status (*drop_namespace)(void *self, frz_str name, frz_error *err);
  /** In any order, each once. `parent` size 0: the top. */
  frz_status (*list_namespaces)(void *self, frz_str parent, frz_string_list *list, frz_error *err);
  frz_status (*list_tables)(void *self, frz_str name, frz_string_list *list, frz_error *err);
  /** FRZ_ERR_EXISTS and FRZ_ERR_NOT_FOUND: surely not created. */
  frz_status (*create_table)(void *self, const frz_identifier *id,
                             const frz_table_creation *creation, frz_loaded_table *loaded_out,
                             frz_error *err);
  /** With *changed_out false (the file is still `known_location`; size 0: none) nothing is read. */
  frz_status (*load_table)(void *self, const char *identifier, frz_str known_location,
                           frz_loaded_table *loaded_out, bool *changed_out, frz_error *err);
  /** As frz_commit_port.commit. */
  frz_status (*commit_table)(void *self, const char *identifier, const frz_loaded_table *base,
                             const frz_requirement *requirements, size_t n_requirements,
                             const frz_metadata_update *updates, size_t n_updates,
                             frz_loaded_table *loaded_out, frz_error *err);
  frz_status (*register_table)(void *self, const frz_identifier *id, const frz_loaded_table *table,
                               frz_error *err);
  frz_status (*drop_table)(void *self, const frz_identifier *id, frz_error *err);
  frz_status (*rename_table)(void *self, const frz_identifier *id, const frz_identifier *new_id,
                             frz_error *err);
  void (*free)(void *self);
  /** Drop a table and let the server remove its files; NULL: frazil removes them. */
  frz_status (*purge_table)(void *self, const frz_identifier *id, frz_error *err);
  /** As list_tables; NULL: there are no views. */
  frz_status (*list_views)(void *self, frz_str name, frz_string_list *list, frz_error *err);
  /** As frz_commit_port's; NULL: the catalog has no queue. */
  frz_status (*take_turn)(void *self, const char *identifier, const frz_loaded_table *base,
                          frz_commit_turn **turn_out, frz_error *err);
  void (*end_turn)(void *self, frz_commit_turn *turn);
  /** As frz_commit_port's; NULL: the kind has no commits to several tables. With no parts it only
   * tells whether this catalog has: FRZ_ERR_UNSUPPORTED. */
  frz_status (*commit_tables)(void *self, const frz_commit_part *parts, size_t n_parts,
                              frz_error *err);
} frz_catalog_ops;

/** What every kind is opened with. Borrowed for the call; storage is retained by who keeps it. */
typedef struct frz_catalog_setup {
  frz_context *context;
  frz_storage *storage;
  const char *name;
  const frz_property *properties;
  size_t n_properties;
} frz_catalog_setup;

frz_status frz_sql_catalog_open(const frz_catalog_setup *setup, const frz_catalog_ops **ops_out,
                                void **self_out, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_rest_catalog_open(const frz_catalog_setup *setup, const frz_catalog_ops **ops_out,
                                 void **self_out, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_glue_catalog_open(const frz_catalog_setup *setup, const frz_catalog_ops **ops_out,
                                 void **self_out, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_hive_catalog_open(const frz_catalog_setup *setup, const frz_catalog_ops **ops_out,
                                 void **self_out, frz_error *err) FRZ_MUST_CHECK;
frz_status frz_static_catalog_open(const frz_catalog_setup *setup, const frz_catalog_ops **ops_out,
                                   void **self_out, frz_error *err) FRZ_MUST_CHECK;

/* ---- helpers ---- */

/** A property's value, or NULL. */
const char *frz_catalog_property(const frz_catalog_setup *setup, const char *key);

/** "true" or "false", `fallback` where it is not given; FRZ_ERR_INVALID: another word. */
frz_status frz_catalog_flag(const frz_catalog_setup *setup, const char *key, bool fallback,
                            bool *flag_out, frz_error *err) FRZ_MUST_CHECK;

/** Split at the last dot. FRZ_ERR_INVALID: an empty part. */
frz_status frz_identifier_parse(const char *text, frz_identifier *id_out,
                                frz_error *err) FRZ_MUST_CHECK;

/** Append a copy. A list starts as {.alloc = alloc}. */
frz_status frz_string_list_add(frz_string_list *list, frz_str text, frz_error *err) FRZ_MUST_CHECK;

/** Sort by bytes. */
void frz_string_list_sort(frz_string_list *list);

/** Write the first metadata file of a table, for catalogs that store a pointer. */
frz_status frz_creation_write(frz_context *context, frz_storage *storage,
                              const frz_table_creation *creation, frz_str location,
                              frz_loaded_table *loaded_out, frz_error *err) FRZ_MUST_CHECK;

/** The files that a version's snapshots reach, as keys: data, deletes, manifests, lists. */
frz_status frz_table_snapshot_files(frz_context *context, frz_storage *storage,
                                    const frz_table_metadata *metadata, frz_map *files,
                                    frz_error *err) FRZ_MUST_CHECK;

/** All files that a table's metadata reaches, as keys: data, deletes, manifests, lists, metadata.
 */
frz_status frz_table_files_collect(frz_context *context, frz_storage *storage,
                                   const frz_loaded_table *table, frz_map *files,
                                   frz_error *err) FRZ_MUST_CHECK;

#endif
